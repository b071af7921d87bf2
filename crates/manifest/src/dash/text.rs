//! What XML text stands for, and how text is written into XML.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr_iter, memmem};

use crate::Quoting;

const CDATA: &[u8] = b"<![CDATA[";
const CDATA_END: &[u8] = b"]]>";

/// How a `&` of an added query is written, in text and in attributes.
pub(crate) const AMPERSAND: &[u8] = b"&amp;";

/// Where the first `&` stands that begins no reference that XML itself knows.
pub(crate) fn check_references(raw: &str) -> Result<(), usize> {
    match memchr_iter(b'&', raw.as_bytes()).find(|&at| reference(&raw.as_bytes()[at..]).is_none()) {
        Some(at) => Err(at),
        None => Ok(()),
    }
}

/// The character that a reference at the start of `raw` stands for, and the reference's length.
fn reference(raw: &[u8]) -> Option<(char, usize)> {
    let end = memchr(b';', raw.get(..raw.len().min(12))?)?;
    let name = std::str::from_utf8(&raw[1..end]).ok()?;
    let character = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => {
                    u32::from_str_radix(hex, 16).ok()?
                }
                None if number.bytes().all(|b| b.is_ascii_digit()) => number.parse().ok()?,
                _ => return None,
            };
            char::from_u32(code).filter(|&character| is_allowed(character))?
        }
    };
    Some((character, end + 1))
}

/// The characters that XML 1.0 section 2.2 allows.
const fn is_allowed(character: char) -> bool {
    !matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// What a raw value stands for: references, CDATA sections and comments resolved.
pub(crate) fn decode(raw: &[u8], quoting: Quoting) -> Cow<'_, [u8]> {
    if is_plain(raw, quoting) {
        Cow::Borrowed(raw)
    } else {
        let mut text = Vec::with_capacity(raw.len());
        pieces(raw, |piece, _| text.extend_from_slice(piece));
        Cow::Owned(text)
    }
}

/// Where the decoded offset `at` stands in the raw value.
pub(crate) fn raw_offset(raw: &[u8], quoting: Quoting, at: usize) -> usize {
    if is_plain(raw, quoting) {
        return at;
    }
    let (mut seen, mut found) = (0, raw.len());
    pieces(raw, |piece, offset| {
        if (seen..seen + piece.len()).contains(&at) {
            let is_written_so = raw[offset..].starts_with(piece);
            found = if is_written_so { offset + (at - seen) } else { offset };
        }
        seen += piece.len();
    });
    found
}

/// Whether a raw value is what it stands for.
fn is_plain(raw: &[u8], quoting: Quoting) -> bool {
    match quoting {
        Quoting::XmlText => memchr::memchr2(b'&', b'<', raw).is_none(),
        Quoting::XmlDouble | Quoting::XmlSingle => memchr(b'&', raw).is_none(),
        _ => true,
    }
}

/// Shows each piece of the text that a raw value stands for, with the offset at which it is written:
/// a run of bytes that stand for themselves, or a character that a reference stands for.
fn pieces(raw: &[u8], mut see: impl FnMut(&[u8], usize)) {
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        let rest = &raw[at..];
        if byte == b'&' {
            // Checked when the document was read, so there is always one.
            let (character, len) = reference(rest).unwrap_or(('&', 1));
            see(character.encode_utf8(&mut [0; 4]).as_bytes(), at);
            at += len;
        } else if let Some(section) = rest.strip_prefix(CDATA) {
            let len = memmem::find(section, CDATA_END).unwrap_or(section.len());
            let start = at + CDATA.len();
            see(&section[..len], start);
            at = (start + len + CDATA_END.len()).min(raw.len());
        } else if rest.starts_with(b"<!--") {
            at += memmem::find(rest, b"-->").map_or(rest.len(), |end| end + 3);
        } else if rest.starts_with(b"<?") {
            at += memmem::find(rest, b"?>").map_or(rest.len(), |end| end + 2);
        } else {
            let len = memchr::memchr2(b'&', b'<', &rest[1..]).map_or(rest.len(), |len| 1 + len);
            see(&rest[..len], at);
            at += len;
        }
    }
}

/// Whether a part of a text stands in a CDATA section.
pub(crate) fn has_cdata(raw: &[u8]) -> bool {
    memmem::find(raw, CDATA).is_some()
}

/// The CDATA section whose inside holds `span`, delimiters included.
pub(crate) fn cdata_around(source: &[u8], span: Range<usize>) -> Range<usize> {
    let start = memmem::rfind(&source[..span.start], CDATA).unwrap_or(span.start);
    let end = memmem::find(&source[span.end..], CDATA_END);
    start..end.map_or(span.end, |end| span.end + end + CDATA_END.len())
}

/// Escapes text for the place that `quoting` names.
pub(crate) fn escape(text: &str, quoting: Quoting) -> Cow<'_, str> {
    let needs = |byte: u8| match byte {
        b'&' | b'<' => true,
        b'>' => quoting == Quoting::XmlText,
        b'"' => quoting == Quoting::XmlDouble,
        b'\'' => quoting == Quoting::XmlSingle,
        _ => false,
    };
    if quoting == Quoting::XmlCdata || !text.bytes().any(needs) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            _ if !character.is_ascii() || !needs(character as u8) => escaped.push(character),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            _ => escaped.push_str("&apos;"),
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_and_sections_stand_for_text() {
        for (raw, quoting, text) in [
            ("a&amp;b", Quoting::XmlDouble, "a&b"),
            ("a&#38;b&#x26;c&lt;&gt;&quot;&apos;", Quoting::XmlSingle, "a&b&c<>\"'"),
            ("a<![CDATA[&amp;]]>b<!-- x --><?y z?>c", Quoting::XmlText, "a&amp;bc"),
            ("a&amp;b", Quoting::XmlCdata, "a&amp;b"),
            ("citt&#224;", Quoting::XmlText, "citt\u{e0}"),
        ] {
            assert_eq!(&*decode(raw.as_bytes(), quoting), text.as_bytes(), "{raw}");
        }
    }

    #[test]
    fn offsets_lead_back() {
        let raw = b"a&amp;b<![CDATA[#]]>c";
        for (at, offset) in [(0, 0), (1, 1), (2, 6), (3, 16), (4, 20), (5, 21)] {
            assert_eq!(raw_offset(raw, Quoting::XmlText, at), offset, "{at}");
        }
        assert_eq!(raw_offset(b"a&b", Quoting::XmlCdata, 2), 2);
    }

    #[test]
    fn unknown_references_are_found() {
        for (raw, found) in [
            ("a&amp;&#x41;", Ok(())),
            ("ab&c", Err(2)),
            ("&nbsp;", Err(0)),
            ("&#0;", Err(0)),
            ("&#xD800;", Err(0)),
            ("&;", Err(0)),
            ("&#x;", Err(0)),
        ] {
            assert_eq!(check_references(raw), found, "{raw}");
        }
    }

    #[test]
    fn text_is_escaped_for_its_place() {
        let text = "a&b\"c'd>e<";
        assert_eq!(escape(text, Quoting::XmlDouble), "a&amp;b&quot;c'd>e&lt;");
        assert_eq!(escape(text, Quoting::XmlSingle), "a&amp;b\"c&apos;d>e&lt;");
        assert_eq!(escape(text, Quoting::XmlText), "a&amp;b\"c'd&gt;e&lt;");
        assert_eq!(escape(text, Quoting::XmlCdata), text);
    }
}
