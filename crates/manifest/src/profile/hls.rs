//! Variants of a multivariant playlist (RFC 8216bis sections 4.4.6.2 and 4.4.6.3).

use std::ops::Range;

use super::Profile;
use crate::RenderError;
use crate::hls::attributes::Attributes;
use crate::hls::lines::{LineKind, Lines};

pub(super) fn excess(source: &[u8], profile: &Profile) -> Result<Vec<Range<usize>>, RenderError> {
    let mut cuts = Vec::new();
    let (mut variants, mut left) = (0_usize, 0_usize);
    // Where the tag of a variant that is left out begins, until its URI has come.
    let mut tag_start = None;
    let mut lines = Lines::new(source).peekable();
    while let Some(line) = lines.next() {
        // With its end, so that no empty line stays.
        let end = lines.peek().map_or(source.len(), |next| next.span.start);
        match line.kind {
            LineKind::Tag { name, value } => match &source[name] {
                b"#EXT-X-STREAM-INF" => {
                    variants += 1;
                    let is_allowed = is_allowed(source, value, profile);
                    left += usize::from(is_allowed);
                    tag_start = (!is_allowed).then_some(line.span.start);
                }
                // One between the tag and the URI of a variant that is left out goes with these.
                b"#EXT-X-I-FRAME-STREAM-INF"
                    if tag_start.is_none() && !is_allowed(source, value, profile) =>
                {
                    cuts.push(line.span.start..end);
                }
                _ => {}
            },
            LineKind::Uri(_) => cuts.extend(tag_start.take().map(|start| start..end)),
            LineKind::Blank | LineKind::Comment => {}
        }
    }
    if variants > 0 && left == 0 {
        return Err(RenderError::NothingLeft);
    }
    Ok(cuts)
}

fn is_allowed(source: &[u8], value: Range<usize>, profile: &Profile) -> bool {
    let (mut height, mut bitrate) = (None, None);
    for attribute in Attributes::new(source, value).map_while(Result::ok) {
        let text = std::str::from_utf8(&source[attribute.value]).unwrap_or_default();
        match &source[attribute.name] {
            b"BANDWIDTH" => bitrate = text.trim().parse().ok(),
            b"RESOLUTION" => {
                let lines = text.split_once(['x', 'X']).map(|(_, lines)| lines.trim());
                // What cannot be read may be too much.
                height = Some(lines.and_then(|lines| lines.parse().ok()).unwrap_or(u64::MAX));
            }
            _ => {}
        }
    }
    profile.allows(height, bitrate)
}
