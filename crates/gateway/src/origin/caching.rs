//! How long an origin says that what it sent is good (RFC 9111, RFC 5861).

use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, HeaderName, header};

/// A tenth of the time since the last change is the usual guess (RFC 9111 section 4.2.2).
const GUESS: u32 = 10;
/// And no more than this.
const LONGEST_GUESS: Duration = Duration::from_secs(60);
/// No clock is set back by more: what is said beyond it means "for good".
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// What an origin said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Caching {
    /// Nothing may be kept.
    pub(crate) no_store: bool,
    /// Each use is to be confirmed. What is private is for the gateway, which asks for itself, but a
    /// crowd shall not share it unasked.
    pub(crate) no_cache: bool,
    /// It may not be used at all after its time, even if the origin fails.
    pub(crate) must_revalidate: bool,
    /// For how long from now it is good without asking.
    pub(crate) fresh_for: Option<Duration>,
    /// For how long after that it may be used while it is fetched again.
    pub(crate) while_revalidate: Option<Duration>,
    /// And while the origin fails.
    pub(crate) if_error: Option<Duration>,
    /// What may be guessed from the last change, where nothing is said.
    pub(crate) guess: Option<Duration>,
}

impl Caching {
    /// A file of this machine: a look at it costs little, and a crowd need not look for each viewer.
    pub(crate) const OF_FILE: Self = Self {
        no_store: false,
        no_cache: false,
        must_revalidate: false,
        fresh_for: Some(Duration::from_millis(100)),
        while_revalidate: None,
        if_error: None,
        guess: None,
    };

    /// Reads an answer's headers.
    pub(crate) fn of(headers: &HeaderMap, now: SystemTime) -> Self {
        let mut said = Self::default();
        let mut max_age = None;
        let mut shared_max_age = None;
        for (name, value) in directives(headers) {
            let secs = || value.and_then(seconds);
            match name.to_ascii_lowercase().as_str() {
                "no-store" => said.no_store = true,
                "no-cache" | "private" => said.no_cache = true,
                "must-revalidate" | "proxy-revalidate" => said.must_revalidate = true,
                // What cannot be read is no time at all (RFC 9111 section 4.2.1).
                "max-age" => max_age = max_age.or(Some(secs().unwrap_or_default())),
                "s-maxage" => shared_max_age = shared_max_age.or(Some(secs().unwrap_or_default())),
                "stale-while-revalidate" => said.while_revalidate = secs(),
                "stale-if-error" => said.if_error = secs(),
                _ => {}
            }
        }
        let date = date(headers, &header::DATE).unwrap_or(now);
        let expires = headers.get(header::EXPIRES).map(|_| {
            let until = self::date(headers, &header::EXPIRES);
            until.and_then(|until| until.duration_since(date).ok()).unwrap_or_default()
        });
        // Age alone tells what an answer's way took: clocks differ more often than a cache hides it.
        let age = text(headers, &header::AGE).and_then(seconds).unwrap_or_default();
        let lifetime = shared_max_age.or(max_age).or(expires);
        said.fresh_for = lifetime.map(|lifetime| lifetime.saturating_sub(age));
        said.guess = self::date(headers, &header::LAST_MODIFIED)
            .and_then(|modified| date.duration_since(modified).ok())
            .map(|unchanged| (unchanged / GUESS).min(LONGEST_GUESS).saturating_sub(age));
        said
    }

    /// What a confirmation (304) says, with what it leaves open as it was said before.
    pub(crate) fn or(self, before: Self) -> Self {
        let says_nothing = !self.no_store && !self.no_cache && self.fresh_for.is_none();
        if says_nothing { before } else { self }
    }
}

fn directives(headers: &HeaderMap) -> impl Iterator<Item = (&str, Option<&str>)> {
    let lines = headers.get_all(header::CACHE_CONTROL).into_iter();
    let directives = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    directives.map(|directive| match directive.split_once('=') {
        Some((name, value)) => (name.trim(), Some(value.trim().trim_matches('"'))),
        None => (directive.trim(), None),
    })
}

fn seconds(text: &str) -> Option<Duration> {
    // More digits than a number has still mean "for long".
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().map_or(LONGEST, Duration::from_secs).min(LONGEST))
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(text(headers, name)?).ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn caching(lines: &[(&str, &str)]) -> Caching {
        let headers = lines.iter().map(|(name, value)| {
            (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
        });
        Caching::of(&headers.collect(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000))
    }

    fn fresh_secs(lines: &[(&str, &str)]) -> Option<u64> {
        caching(lines).fresh_for.map(|fresh| fresh.as_secs())
    }

    #[test]
    fn the_nearest_word_counts() {
        let date = ("date", "Thu, 01 Jan 2026 00:00:00 GMT");
        let expires = ("expires", "Thu, 01 Jan 2026 00:00:30 GMT");
        assert_eq!(fresh_secs(&[]), None);
        assert_eq!(fresh_secs(&[date, expires]), Some(30));
        assert_eq!(fresh_secs(&[date, expires, ("cache-control", "max-age=9")]), Some(9));
        assert_eq!(fresh_secs(&[("cache-control", "max-age=9, s-maxage=4")]), Some(4));
        assert_eq!(fresh_secs(&[("cache-control", "Max-Age=\"9\""), ("age", "3")]), Some(6));
        assert_eq!(fresh_secs(&[("cache-control", "max-age=9"), ("age", "30")]), Some(0));
        assert_eq!(fresh_secs(&[("cache-control", "max-age=x")]), Some(0));
        assert_eq!(fresh_secs(&[("cache-control", "max-age=-1")]), Some(0));
        assert_eq!(fresh_secs(&[("expires", "0")]), Some(0));
        let long = Some(LONGEST.as_secs());
        assert_eq!(fresh_secs(&[("cache-control", "max-age=99999999999999999999999")]), long);
    }

    #[test]
    fn what_a_cache_may_do_is_read() {
        let said = caching(&[
            ("cache-control", "public, stale-while-revalidate=5,stale-if-error=600"),
            ("cache-control", "Must-Revalidate"),
        ]);
        assert_eq!(said.while_revalidate, Some(Duration::from_secs(5)));
        assert_eq!(said.if_error, Some(Duration::from_secs(600)));
        assert!(said.must_revalidate && !said.no_cache && !said.no_store);
        assert!(caching(&[("cache-control", "private")]).no_cache);
        assert!(caching(&[("cache-control", "NO-STORE")]).no_store);
    }

    #[test]
    fn an_unchanged_file_is_taken_to_stay_so_for_a_tenth_of_the_time() {
        let date = ("date", "Thu, 01 Jan 2026 00:10:00 GMT");
        let guess = |modified| caching(&[date, ("last-modified", modified)]).guess;
        assert_eq!(guess("Thu, 01 Jan 2026 00:08:20 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(guess("Wed, 01 Jan 2020 00:00:00 GMT"), Some(LONGEST_GUESS));
        assert_eq!(guess("Thu, 01 Jan 2026 01:00:00 GMT"), None, "clocks differ");
    }

    #[test]
    fn a_confirmation_that_says_nothing_changes_nothing() {
        let before = caching(&[("cache-control", "max-age=9")]);
        assert_eq!(caching(&[]).or(before), before);
        let now = caching(&[("cache-control", "no-cache")]);
        assert_eq!(now.or(before), now);
    }
}
