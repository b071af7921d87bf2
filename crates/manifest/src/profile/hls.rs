//! Variants of a multivariant playlist (RFC 8216bis sections 4.4.6.2 and 4.4.6.3).

use std::collections::BTreeMap;
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
    // Groups of video renditions: whether a variant that is kept names them.
    let mut groups: BTreeMap<&[u8], bool> = BTreeMap::new();
    let mut renditions = Vec::new();
    let mut lines = Lines::new(source).peekable();
    while let Some(line) = lines.next() {
        // With its end, so that no empty line stays.
        let end = lines.peek().map_or(source.len(), |next| next.span.start);
        match line.kind {
            LineKind::Tag { name, value } => match &source[name] {
                b"#EXT-X-STREAM-INF" => {
                    variants += 1;
                    let is_allowed = is_allowed(source, value.clone(), profile);
                    left += usize::from(is_allowed);
                    if let Some(group) = attribute(source, value, b"VIDEO") {
                        *groups.entry(group).or_default() |= is_allowed;
                    }
                    tag_start = (!is_allowed).then_some(line.span.start);
                }
                // One between the tag and the URI of a variant that is left out goes with these.
                b"#EXT-X-MEDIA" => {
                    let is_video = attribute(source, value.clone(), b"TYPE") == Some(b"VIDEO");
                    let group = attribute(source, value, b"GROUP-ID").filter(|_| is_video);
                    renditions.extend(group.map(|group| (group, line.span.start..end)));
                }
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
    // A picture that only variants beyond the profile have is beyond it, too.
    let is_cut = |group: &[u8]| groups.get(group) == Some(&false);
    cuts.extend(renditions.into_iter().filter(|(group, _)| is_cut(group)).map(|(_, line)| line));
    cuts.sort_by_key(|cut| cut.start);
    // One between the tag and the URI of a variant went with these.
    let mut reached = 0;
    cuts.retain(|cut| {
        let is_apart = cut.start >= reached;
        reached = reached.max(cut.end);
        is_apart
    });
    Ok(cuts)
}

/// The value of an attribute, without quotes.
fn attribute<'s>(source: &'s [u8], value: Range<usize>, name: &[u8]) -> Option<&'s [u8]> {
    let mut attributes = Attributes::new(source, value).map_while(Result::ok);
    let found = attributes.find(|attribute| &source[attribute.name.clone()] == name)?;
    Some(&source[found.value])
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
