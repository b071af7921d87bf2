//! The end of a live media playlist, from which players say what they wait for (RFC 8216bis section 6.2.5.2).

use std::ops::Range;

use super::attributes::Attributes;
use super::lines::{LineKind, Lines};

/// The end of a media playlist whose server offers delivery directives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveEdge {
    /// The Media Sequence Number of the segment that comes next.
    pub next_msn: u64,
    /// Parts of the last segment; 0 where it is listed as a whole alone.
    pub parts_of_last: u64,
    /// Parts of the segment that comes next.
    pub parts_of_next: u64,
    /// The Advance Part Limit: how many parts ahead of the last one a player may ask for. None where
    /// there are no parts.
    pub part_limit: Option<u64>,
    /// Whether the server offers to answer when the playlist has what is asked for.
    pub can_block_reload: bool,
    /// Whether the server offers delta updates.
    pub can_skip: bool,
}

/// Reads the end of a playlist.
pub(crate) fn live_edge(source: &[u8]) -> LiveEdge {
    let mut edge = LiveEdge {
        next_msn: 0,
        parts_of_last: 0,
        parts_of_next: 0,
        part_limit: None,
        can_block_reload: false,
        can_skip: false,
    };
    let attribute = |value: &Range<usize>, name: &[u8]| {
        Attributes::new(source, value.clone())
            .map_while(Result::ok)
            .find(|attribute| &source[attribute.name.clone()] == name)
            .map(|attribute| &source[attribute.value])
    };
    let number = |text: &[u8]| std::str::from_utf8(text.trim_ascii()).ok()?.parse::<u64>().ok();
    let (mut first, mut segments) = (0_u64, 0_u64);
    for line in Lines::new(source) {
        match line.kind {
            LineKind::Uri(_) => {
                segments += 1;
                edge.parts_of_last = std::mem::take(&mut edge.parts_of_next);
            }
            LineKind::Tag { name, value } => match &source[name] {
                b"#EXT-X-PART" => edge.parts_of_next += 1,
                b"#EXT-X-MEDIA-SEQUENCE" => first = number(&source[value]).unwrap_or(first),
                b"#EXT-X-SKIP" => {
                    let skipped = attribute(&value, b"SKIPPED-SEGMENTS").and_then(number);
                    segments = segments.saturating_add(skipped.unwrap_or(0));
                }
                b"#EXT-X-PART-INF" => {
                    edge.part_limit = attribute(&value, b"PART-TARGET").and_then(part_limit);
                }
                b"#EXT-X-SERVER-CONTROL" => {
                    edge.can_block_reload |= attribute(&value, b"CAN-BLOCK-RELOAD") == Some(b"YES");
                    edge.can_skip |= attribute(&value, b"CAN-SKIP-UNTIL").is_some();
                }
                _ => {}
            },
            LineKind::Blank | LineKind::Comment => {}
        }
    }
    edge.next_msn = first.saturating_add(segments);
    edge
}

/// Three, or as many parts as are in three seconds if they are shorter than one.
fn part_limit(target: &[u8]) -> Option<u64> {
    /// Shorter parts than a millisecond are a mistake.
    const MOST: f64 = 3000.0;
    let target: f64 = std::str::from_utf8(target.trim_ascii()).ok()?.parse().ok()?;
    if !target.is_finite() || target <= 0.0 {
        return None;
    }
    if target >= 1.0 {
        return Some(3);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "3 to 3000")]
    Some((3.0 / target).ceil().min(MOST) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(text: &str) -> LiveEdge {
        live_edge(text.as_bytes())
    }

    #[test]
    fn the_end_of_a_playlist_is_counted() {
        let head = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:10\n";
        let segments = "#EXTINF:4,\na.ts\n#EXTINF:4,\nb.ts\n";
        let plain = LiveEdge {
            next_msn: 12,
            parts_of_last: 0,
            parts_of_next: 0,
            part_limit: None,
            can_block_reload: false,
            can_skip: false,
        };
        assert_eq!(edge(&format!("{head}{segments}")), plain);
        // Without the tag the first is 0; one that is no number is as none.
        assert_eq!(edge(segments).next_msn, 2);
        assert_eq!(edge(&format!("#EXT-X-MEDIA-SEQUENCE:x\n{segments}")).next_msn, 2);
        assert_eq!(edge(head).next_msn, 10);

        let offer = "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=24.0\n";
        let parts = "#EXT-X-PART-INF:PART-TARGET=0.33\n";
        let part = |number: u32| format!("#EXT-X-PART:DURATION=0.33,URI=\"p{number}.mp4\"\n");
        let low_latency = format!(
            "{head}{offer}{parts}{segments}{}{}#EXTINF:4,\nc.mp4\n{}#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p\"\n",
            part(0),
            part(1),
            part(0)
        );
        let expected = LiveEdge {
            next_msn: 13,
            parts_of_last: 2,
            parts_of_next: 1,
            part_limit: Some(10),
            can_block_reload: true,
            can_skip: true,
        };
        assert_eq!(edge(&low_latency), expected);
        let delta = low_latency.replace(segments, "#EXT-X-SKIP:SKIPPED-SEGMENTS=2\n");
        assert_eq!(edge(&delta), expected);
        let many = "#EXT-X-MEDIA-SEQUENCE:18446744073709551615\n#EXTINF:4,\na.ts\n";
        assert_eq!(edge(many).next_msn, u64::MAX);
    }

    #[test]
    fn parts_of_a_second_are_three_ahead_at_most() {
        for (target, expected) in [
            ("1", Some(3)),
            ("2.5", Some(3)),
            ("0.5", Some(6)),
            ("0.33334", Some(9)),
            ("0.000000001", Some(3000)),
            ("0", None),
            ("-1", None),
            ("NaN", None),
            ("inf", None),
            ("x", None),
        ] {
            assert_eq!(part_limit(target.as_bytes()), expected, "{target}");
        }
    }
}
