//! How long a compiled manifest is good: by what its origin says, and else by what it is.

use std::time::Duration;

use sluicegate_manifest::Template;

use crate::origin::caching::Caching;

/// What is allowed where an origin says nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed {
    pub(crate) while_revalidate: Duration,
    pub(crate) if_error: Duration,
    /// The most that is concluded from how often a manifest is reloaded.
    pub(crate) heuristic: Duration,
}

/// Times since the origin said that a manifest is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    /// Until then it is served without asking.
    fresh: Duration,
    /// Until then it is served and fetched again meanwhile.
    updating: Duration,
    /// Until then it is served if the origin fails.
    stale: Duration,
}

/// What may be done with a kept manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Fresh,
    /// Good while it is fetched again.
    Updating,
    /// Good if the origin fails.
    Stale,
    Over,
}

impl Life {
    pub(super) fn of(said: &Caching, template: &Template, allowed: Allowed) -> Self {
        let guess = || {
            if template.is_reloaded() {
                // A player waits as long before it asks again (RFC 8216bis section 6.3.4).
                let interval = template.update_interval();
                interval.map(|interval| (interval / 2).min(allowed.heuristic))
            } else {
                said.guess
            }
        };
        let fresh = match said.no_cache {
            true => Duration::ZERO,
            false => said.fresh_for.or_else(guess).unwrap_or_default(),
        };
        let (mut updating, mut stale) = (fresh, fresh);
        if !said.must_revalidate {
            let while_revalidate = said.while_revalidate.unwrap_or(allowed.while_revalidate);
            if !said.no_cache {
                updating = fresh.saturating_add(while_revalidate);
            }
            stale = fresh.saturating_add(said.if_error.unwrap_or(allowed.if_error));
        }
        Self { fresh, updating, stale: stale.max(updating) }
    }

    pub(super) fn standing(&self, age: Duration) -> Standing {
        if age < self.fresh {
            Standing::Fresh
        } else if age < self.updating {
            Standing::Updating
        } else if age < self.stale {
            Standing::Stale
        } else {
            Standing::Over
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use sluicegate_manifest::Options;

    use super::*;

    const ALLOWED: Allowed = Allowed {
        while_revalidate: Duration::ZERO,
        if_error: Duration::from_secs(300),
        heuristic: Duration::from_secs(10),
    };

    fn life(said: Caching, text: &'static str) -> Life {
        let template = Template::compile(Bytes::from_static(text.as_bytes()), &Options::default());
        Life::of(&said, &template.unwrap(), ALLOWED)
    }

    const LIVE: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na.ts\n";
    const LOW_LATENCY: &str =
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-PART-INF:PART-TARGET=0.5\n#EXTINF:4,\na.ts\n";
    const ENDED: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na.ts\n#EXT-X-ENDLIST\n";
    const DYNAMIC: &str = r#"<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="dynamic"
        minimumUpdatePeriod="PT3S"><Period/></MPD>"#;

    #[test]
    fn a_live_playlist_is_good_for_half_a_target_duration() {
        for (text, fresh_ms) in [(LIVE, 2000), (LOW_LATENCY, 250), (DYNAMIC, 1500), (ENDED, 0)] {
            let life = life(Caching::default(), text);
            assert_eq!(life.fresh, Duration::from_millis(fresh_ms), "{text}");
            let standing = life.standing(Duration::from_millis(fresh_ms));
            assert_eq!(standing, Standing::Stale, "{text}");
            let over = Duration::from_millis(fresh_ms) + ALLOWED.if_error;
            assert_eq!(life.standing(over), Standing::Over, "{text}");
        }
    }

    #[test]
    fn a_guess_is_no_longer_than_it_may_be() {
        const SELDOM: &str = r#"<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="dynamic"
            minimumUpdatePeriod="PT24H"><Period/></MPD>"#;
        const LONG: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:86400\n#EXTINF:4,\na.ts\n";
        for text in [SELDOM, LONG] {
            assert_eq!(life(Caching::default(), text).fresh, ALLOWED.heuristic, "{text}");
            // What the origin says itself is no guess.
            let secs = Some(Duration::from_secs(3600));
            let said = Caching { fresh_for: secs, ..Caching::default() };
            assert_eq!(Some(life(said, text).fresh), secs, "{text}");
        }
    }

    #[test]
    fn what_the_origin_says_comes_first() {
        let secs = |secs| Some(Duration::from_secs(secs));
        let said = Caching {
            fresh_for: secs(10),
            while_revalidate: secs(5),
            if_error: secs(60),
            ..Caching::default()
        };
        let at = |said, secs| life(said, LIVE).standing(Duration::from_secs(secs));
        assert_eq!(at(said, 9), Standing::Fresh);
        assert_eq!(at(said, 14), Standing::Updating);
        assert_eq!(at(said, 69), Standing::Stale);
        assert_eq!(at(said, 70), Standing::Over);
        assert_eq!(at(Caching { no_cache: true, ..said }, 0), Standing::Stale);
        assert_eq!(at(Caching { must_revalidate: true, ..said }, 10), Standing::Over);
        assert_eq!(at(Caching { guess: secs(60), ..Caching::default() }, 3), Standing::Stale);
        let guessed = life(Caching { guess: secs(60), ..Caching::default() }, ENDED);
        assert_eq!(guessed.standing(Duration::from_secs(59)), Standing::Fresh);
    }
}
