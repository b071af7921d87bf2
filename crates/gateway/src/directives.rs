//! Parameters that a player adds by itself (RFC 8216bis sections 6.2.5 and 7.2, appendix D; ETSI TS 103 998):
//! only those that are known, in one spelling each, reach an origin, where each spelling is a resource.

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

/// The query without what asks for a state of a live playlist, if there is some of that.
pub(crate) fn without_reload(raw: &str) -> Option<String> {
    let is_reload = |name: &[u8]| matches!(name, b"_HLS_msn" | b"_HLS_part" | b"_HLS_skip");
    if !raw.contains("_HLS_") || !query::parameters(raw.as_bytes()).any(|(name, _)| is_reload(name))
    {
        return None;
    }
    Some(String::from_utf8_lossy(&query::without(raw.as_bytes(), is_reload)).into_owned())
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
        assert_eq!(without_reload("a=1"), None);
        assert_eq!(without_reload("_HLS_pathway=a"), None);
        let without = without_reload("a=1&_HLS_msn=2&_HLS_pathway=p&_HLS_skip=YES");
        assert_eq!(without.as_deref(), Some("a=1&_HLS_pathway=p"));
        assert_eq!(without_reload("_HLS_part=2").as_deref(), Some(""));
    }
}
