//! Parameters that a player adds by itself (RFC 8216bis sections 6.2.5 and 7.2, appendix D; ETSI TS 103 998):
//! only those that are known, in one spelling each, reach an origin, where each spelling is a resource.

use std::borrow::Cow;
use std::fmt::Write as _;

use memchr::memmem;
use sluicegate_token::query;

/// Directives of a player have these names.
const PREFIXES: [&[u8]; 2] = [b"_HLS_", b"_DASH_"];
/// The longest number.
const MOST_DIGITS: usize = 18;
/// The longest identifier.
const MOST_ID_BYTES: usize = 64;

/// The syntax of a directive's value.
#[derive(Clone, Copy, Debug)]
enum Value {
    Number,
    Seconds,
    Skip,
    Id,
}

/// Whether a parameter is a player's directive.
pub(crate) fn is_directive(name: &[u8]) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether a player's directive is one that is known, in its only spelling. `is_named` says that the
/// configuration names it, so that its value is its origin's matter if it is not known here.
pub(crate) fn is_well_formed(name: &[u8], value: &[u8], is_named: bool) -> bool {
    match kind(name) {
        Some(Value::Number) => is_number(value),
        Some(Value::Seconds) => is_seconds(value),
        Some(Value::Skip) => matches!(value, b"YES" | b"v2"),
        Some(Value::Id) => {
            let is_plain =
                |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
            (1..=MOST_ID_BYTES).contains(&value.len()) && value.iter().all(is_plain)
        }
        None => is_named,
    }
}

/// A player's directives that are its own, such as what it measured. The answer to them is not kept.
pub(crate) fn are_individual(raw: &str) -> bool {
    let is_individual = |name: &[u8]| {
        is_directive(name) && !matches!(name, b"_HLS_msn" | b"_HLS_part" | b"_HLS_skip")
    };
    has_directives(raw) && query::parameters(raw.as_bytes()).any(|(name, _)| is_individual(name))
}

/// The query of a playlist or an MPD, to which no steering server's directives belong.
pub(crate) fn without_steering(raw: &str) -> Cow<'_, str> {
    without(raw, |name| {
        matches!(
            name,
            b"_HLS_pathway" | b"_HLS_throughput" | b"_DASH_pathway" | b"_DASH_throughput"
        )
    })
}

/// What a player asks a live playlist for (RFC 8216bis section 6.2.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reload {
    /// The playlist shall hold the segment of this Media Sequence Number.
    pub(crate) msn: Option<u64>,
    /// Or this part of it.
    pub(crate) part: Option<u64>,
    pub(crate) skip: Option<Skip>,
}

/// What a delta update may leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Skip {
    Segments,
    /// EXT-X-DATERANGE tags, too.
    DateRanges,
}

impl Reload {
    /// Takes the directives off a query, if it has some: them, and the rest.
    pub(crate) fn take(raw: &str) -> Option<(Self, String)> {
        if !are_for_reload(raw) {
            return None;
        }
        let mut reload = Self::default();
        let mut has_some = false;
        for (name, value) in query::parameters(raw.as_bytes()) {
            let number =
                || std::str::from_utf8(value.unwrap_or_default()).ok()?.parse::<u64>().ok();
            match name {
                b"_HLS_msn" => reload.msn = number(),
                b"_HLS_part" => reload.part = number(),
                b"_HLS_skip" => {
                    reload.skip = match value {
                        Some(b"YES") => Some(Skip::Segments),
                        Some(b"v2") => Some(Skip::DateRanges),
                        _ => None,
                    }
                }
                _ => continue,
            }
            has_some = true;
        }
        let is_reload = |name: &[u8]| matches!(name, b"_HLS_msn" | b"_HLS_part" | b"_HLS_skip");
        has_some.then(|| (reload, without(raw, is_reload).into_owned()))
    }

    /// The query with these directives before `rest`.
    pub(crate) fn query(&self, rest: &str) -> String {
        let mut query = String::with_capacity(rest.len() + 64);
        let mut add = |name: &str, value: &dyn std::fmt::Display| {
            let joint = if query.is_empty() { "" } else { "&" };
            // Writing to a string does not fail.
            let _ = write!(query, "{joint}{name}={value}");
        };
        if let Some(msn) = &self.msn {
            add("_HLS_msn", msn);
            if let Some(part) = &self.part {
                add("_HLS_part", part);
            }
        }
        if let Some(skip) = self.skip {
            add("_HLS_skip", &if skip == Skip::Segments { "YES" } else { "v2" });
        }
        if !rest.is_empty() {
            if !query.is_empty() {
                query.push('&');
            }
            query.push_str(rest);
        }
        query
    }
}

/// Whether a query may hold what a player asks a live playlist for.
pub(crate) fn are_for_reload(raw: &str) -> bool {
    memmem::find(raw.as_bytes(), b"_HLS_").is_some()
}

fn has_directives(raw: &str) -> bool {
    PREFIXES.iter().any(|prefix| memmem::find(raw.as_bytes(), prefix).is_some())
}

fn without(raw: &str, is_out: impl Fn(&[u8]) -> bool) -> Cow<'_, str> {
    if !query::parameters(raw.as_bytes()).any(|(name, _)| is_out(name)) {
        return Cow::Borrowed(raw);
    }
    Cow::Owned(String::from_utf8_lossy(&query::without(raw.as_bytes(), is_out)).into_owned())
}

fn kind(name: &[u8]) -> Option<Value> {
    Some(match name {
        b"_HLS_msn" | b"_HLS_part" | b"_HLS_throughput" | b"_DASH_throughput" => Value::Number,
        b"_HLS_start_offset" => Value::Seconds,
        b"_HLS_skip" => Value::Skip,
        b"_HLS_pathway" | b"_DASH_pathway" | b"_HLS_primary_id" | b"_HLS_interstitial_id" => {
            Value::Id
        }
        _ => return None,
    })
}

fn is_number(value: &[u8]) -> bool {
    (1..=MOST_DIGITS).contains(&value.len())
        && value.iter().all(u8::is_ascii_digit)
        && (value.len() == 1 || value[0] != b'0')
}

/// A decimal number: `12`, `-3.5`.
fn is_seconds(value: &[u8]) -> bool {
    let value = value.strip_prefix(b"-").unwrap_or(value);
    let mut parts = value.splitn(2, |byte| *byte == b'.');
    let is_whole = parts.next().is_some_and(is_number);
    let is_fraction = |part: &[u8]| {
        (1..=MOST_DIGITS).contains(&part.len()) && part.iter().all(u8::is_ascii_digit)
    };
    is_whole && parts.next().is_none_or(is_fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_directive_has_one_spelling() {
        for (good, bad) in [
            ("_HLS_msn=0", "_HLS_msn=00"),
            ("_HLS_msn=17", "_HLS_msn=x"),
            ("_HLS_part=3", "_HLS_part=-3"),
            ("_HLS_skip=YES", "_HLS_skip=yes"),
            ("_HLS_skip=v2", "_HLS_skip="),
            ("_HLS_pathway=cdn-a.1", "_HLS_pathway=%63dn"),
            ("_HLS_throughput=100", "_HLS_throughput=1e3"),
            ("_HLS_start_offset=-1.50", "_HLS_start_offset=1."),
            ("_HLS_primary_id=A-1", "_HLS_x=1"),
            ("_DASH_throughput=5", "_DASH_x=5"),
        ] {
            for (parameter, expected) in [(good, true), (bad, false)] {
                let (name, value) = parameter.split_once('=').unwrap();
                let is_known = is_well_formed(name.as_bytes(), value.as_bytes(), false);
                assert_eq!(is_known, expected, "{parameter}");
            }
        }
        assert!(!is_well_formed(b"_HLS_msn", &[b'1'; 19], false));
        assert!(!is_well_formed(b"_HLS_pathway", &[b'a'; 65], false));
        assert!(is_well_formed(b"_HLS_x", b"anything", true));
    }

    #[test]
    fn what_asks_for_a_live_state_is_taken_off() {
        assert_eq!(Reload::take("a=1"), None);
        assert_eq!(Reload::take("_HLS_pathway=a"), None);
        let (reload, rest) = Reload::take("a=1&_HLS_msn=2&_HLS_pathway=p&_HLS_skip=YES").unwrap();
        let expected = Reload { msn: Some(2), part: None, skip: Some(Skip::Segments) };
        assert_eq!((reload, &*rest), (expected, "a=1&_HLS_pathway=p"));
        assert_eq!(reload.query(&rest), "_HLS_msn=2&_HLS_skip=YES&a=1&_HLS_pathway=p");
        let (reload, rest) = Reload::take("_HLS_msn=7&_HLS_part=2&_HLS_skip=v2").unwrap();
        assert_eq!((reload.part, &*rest), (Some(2), ""));
        assert_eq!(reload.query(""), "_HLS_msn=7&_HLS_part=2&_HLS_skip=v2");
        // A part of no segment asks for nothing.
        let (reload, rest) = Reload::take("_HLS_part=2").unwrap();
        assert_eq!((reload.query(&rest), reload.part), (String::new(), Some(2)));
        assert_eq!(Reload::default().query("a=1"), "a=1");
    }

    #[test]
    fn directives_that_are_a_players_own_are_told_apart() {
        for (query, is_individual) in [
            ("a=1", false),
            ("_HLS_msn=1&_HLS_part=2&_HLS_skip=YES", false),
            ("_HLS_msn=1&_HLS_primary_id=a", true),
            ("_HLS_throughput=1", true),
            ("a=_HLS_pathway", false),
            ("_DASH_pathway=x", true),
        ] {
            assert_eq!(are_individual(query), is_individual, "{query}");
        }
        assert_eq!(without_steering("_HLS_pathway=x&a=1&_DASH_throughput=1"), "a=1");
        assert_eq!(without_steering("_HLS_primary_id=x"), "_HLS_primary_id=x");
    }
}
