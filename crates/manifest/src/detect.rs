//! What a document is, told by its first bytes and never by its name or content type.

/// A kind of document that can hold media URIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// An HLS playlist (RFC 8216bis section 4.3.1.1: it begins with `#EXTM3U`).
    Hls,
    /// A DASH manifest: XML whose root element is `MPD`, in any namespace prefix.
    Dash,
}

/// The UTF-8 byte order mark, which RFC 8216bis section 4.1 forbids and the field writes.
pub(crate) const BOM: &[u8] = b"\xEF\xBB\xBF";

impl Format {
    /// How many leading bytes [`Self::detect`] looks at.
    pub const SNIFF_BYTES: usize = 1024;

    /// Tells the format from the start of a document, of which [`Self::SNIFF_BYTES`] are enough.
    #[must_use]
    pub fn detect(start: &[u8]) -> Option<Self> {
        let text = start.strip_prefix(BOM).unwrap_or(start);
        if is_hls(text) {
            Some(Self::Hls)
        } else if is_mpd(&text[..text.len().min(Self::SNIFF_BYTES)]) {
            Some(Self::Dash)
        } else {
            None
        }
    }
}

/// Whether the text begins with a UTF-16 byte order mark.
pub(crate) fn is_utf16(start: &[u8]) -> bool {
    start.starts_with(b"\xFF\xFE") || start.starts_with(b"\xFE\xFF")
}

fn is_hls(text: &[u8]) -> bool {
    // Some writers put blank lines first; players that are lenient there must not get it unsigned.
    let text = text.trim_ascii_start();
    text.strip_prefix(b"#EXTM3U")
        .is_some_and(|rest| rest.first().is_none_or(|&byte| !byte.is_ascii_alphanumeric()))
}

fn is_mpd(text: &[u8]) -> bool {
    if !text.trim_ascii_start().starts_with(b"<") {
        return false;
    }
    memchr::memchr_iter(b'<', text).any(|at| {
        let name = &text[at + 1..];
        let end = name
            .iter()
            .position(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b':' | b'-' | b'_'))
            .unwrap_or(name.len());
        let local = name[..end].rsplit(|&byte| byte == b':').next().unwrap_or_default();
        local == b"MPD"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_told_by_their_content() {
        for (start, format) in [
            ("#EXTM3U", Some(Format::Hls)),
            ("#EXTM3U\r\n#EXT-X-VERSION:3", Some(Format::Hls)),
            ("\u{feff}#EXTM3U\n", Some(Format::Hls)),
            ("\n#EXTM3U\n", Some(Format::Hls)),
            ("#EXTM3U url-tvg=\"http://h/x\"\n", Some(Format::Hls)),
            ("#EXTM3U8\n", None),
            ("#EXTINF:4,\na.ts\n", None),
            ("<!DOCTYPE html><html>#EXTM3U", None),
            ("<?xml version=\"1.0\"?>\n<!-- x -->\n<MPD xmlns=\"urn\">", Some(Format::Dash)),
            ("<mpd:MPD>", Some(Format::Dash)),
            ("<MPDX>", None),
            ("", None),
        ] {
            assert_eq!(Format::detect(start.as_bytes()), format, "{start}");
        }
    }
}
