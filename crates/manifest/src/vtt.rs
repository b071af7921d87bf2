//! WebVTT thumbnail tracks: cues whose payload is a picture, or a part of a sprite sheet
//! (`sprite-1.jpg#xywh=0,0,160,90`, a media fragment as W3C Media Fragments 1.0 writes it).
//!
//! Subtitles are WebVTT, too, and hold no URI: they have no slots.

use std::ops::Range;

use memchr::{memchr2, memmem};

use crate::Quoting;
use crate::detect::BOM;
use crate::slot::{Carrier, Slot};
use crate::{CompileError, Options, Role};

/// What tells a picture from text.
const FRAGMENT: &[u8] = b"#xywh=";

/// Finds each cue payload line that names a picture.
pub(crate) fn scan(source: &[u8], options: &Options) -> Result<Vec<Slot>, CompileError> {
    let mut slots = Vec::new();
    let mut is_payload = false;
    for (index, line) in lines(source).enumerate() {
        let number = index + 1;
        let limit = options.limits.max_line_bytes;
        if line.len() > limit {
            return Err(CompileError::LineTooLong { line: number, offset: line.start, limit });
        }
        let text = source[line.clone()].trim_ascii();
        if text.is_empty() {
            is_payload = false;
        } else if memmem::find(text, b"-->").is_some() {
            is_payload = true;
        } else if is_payload && memmem::find(text, FRAGMENT).is_some() {
            let limit = options.limits.max_uris;
            if slots.len() >= limit {
                return Err(CompileError::TooManyUris { line: number, limit });
            }
            let line_text = &source[line.clone()];
            let lead = line_text.len() - line_text.trim_ascii_start().len();
            let span = line.start + lead..line.start + lead + text.len();
            slots.push(Slot::new(
                span,
                number,
                Role::Thumbnail,
                Quoting::Line,
                Carrier::CuePayload,
            ));
        }
    }
    Ok(slots)
}

/// Whether the document has a picture within its start.
pub(crate) fn shows_pictures(start: &[u8]) -> bool {
    memmem::find(start, FRAGMENT).is_some()
}

/// Whether a document begins as WebVTT does (W3C WebVTT section 4.1).
pub(crate) fn is_webvtt(text: &[u8]) -> bool {
    text.strip_prefix(b"WEBVTT").is_some_and(|rest| {
        rest.first().is_none_or(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
    })
}

/// The lines of a source without their ends: LF, CRLF or CR.
fn lines(source: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = if source.starts_with(BOM) { BOM.len() } else { 0 };
    std::iter::from_fn(move || {
        let rest = source.get(at..).filter(|rest| !rest.is_empty())?;
        let start = at;
        let len = memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
        let end_len = if rest[len..].starts_with(b"\r\n") { 2 } else { 1 };
        at = (start + len + end_len).min(source.len());
        Some(start..start + len)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pictures(source: &str) -> Vec<(usize, &str)> {
        let slots = scan(source.as_bytes(), &Options::default()).unwrap();
        slots.into_iter().map(|slot| (slot.line(), &source[slot.span()])).collect()
    }

    #[test]
    fn pictures_are_payload_lines_with_a_part() {
        let source = "\u{feff}WEBVTT a.jpg#xywh=0\r\n\r\nNOTE b.jpg#xywh=0,0,1,1\r\n\r\n1\r\n\
                      00:00.000 --> 00:05.000\r\n s.jpg#xywh=0,0,1,1 \r\n\r\nc.jpg#xywh=0\r\r\
                      00:05.000 --> 00:10.000 align:start\rtext\rs.jpg?v=1#xywh=pixel:1,0,1,1";
        let expected = [(7, "s.jpg#xywh=0,0,1,1"), (13, "s.jpg?v=1#xywh=pixel:1,0,1,1")];
        assert_eq!(pictures(source), expected);
    }

    #[test]
    fn subtitles_have_no_slots() {
        assert_eq!(pictures("WEBVTT\n\n00:00.000 --> 00:05.000\nLook: a.jpg # b\n"), []);
    }
}
