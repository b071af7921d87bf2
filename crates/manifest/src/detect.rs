//! What a document is, told by its first bytes and never by its name or content type.

use memchr::memmem;

use crate::{json, vtt};

/// A kind of document that can hold media URIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// An HLS playlist (RFC 8216bis section 4.3.1.1: it begins with `#EXTM3U`).
    Hls,
    /// A DASH manifest: XML whose root element is `MPD`, in any namespace prefix.
    Dash,
    /// A remote element of a DASH manifest: XML that begins with a `Period`, an `AdaptationSet`, a
    /// `SegmentList` or an `EventStream` (ISO/IEC 23009-1 clause 5.5).
    DashElement,
    /// A patch of a DASH manifest: XML whose root element is a `Patch` for MPDs (clause 5.15).
    DashPatch,
    /// A list of interstitial assets: a JSON object with an array `ASSETS` (RFC 8216bis appendix
    /// D.2).
    AssetList,
    /// A content steering manifest: a JSON object with `VERSION` and one of `PATHWAY-PRIORITY`,
    /// `RELOAD-URI` and `PATHWAY-CLONES` (RFC 8216bis section 7.2).
    Steering,
    /// WebVTT: a thumbnail track names pictures, subtitles name nothing.
    WebVtt,
}

/// Names of which one stands in every JSON document that holds URIs.
const JSON_NAMES: [(&str, Format); 4] = [
    ("ASSETS", Format::AssetList),
    ("PATHWAY-PRIORITY", Format::Steering),
    ("RELOAD-URI", Format::Steering),
    ("PATHWAY-CLONES", Format::Steering),
];

/// The UTF-8 byte order mark, which RFC 8216bis section 4.1 forbids and the field writes.
pub(crate) const BOM: &[u8] = b"\xEF\xBB\xBF";

impl Format {
    /// How many leading bytes [`Self::detect`] looks at.
    pub const SNIFF_BYTES: usize = 1024;

    /// Tells the format from the start of a document, of which [`Self::SNIFF_BYTES`] are enough
    /// unless [`Self::needs_whole`] says otherwise.
    #[must_use]
    pub fn detect(start: &[u8]) -> Option<Self> {
        let text = start.strip_prefix(BOM).unwrap_or(start);
        if is_hls(text) {
            Some(Self::Hls)
        } else if let Some(format) = root_tag(text).and_then(xml_format) {
            Some(format)
        } else if vtt::is_webvtt(text) {
            Some(Self::WebVtt)
        } else if Self::needs_whole(text) {
            json_format(text)
        } else {
            None
        }
    }

    /// Whether a document that begins like this is told by its whole only: JSON, whose members
    /// come in any order, and XML with much before its root element.
    #[must_use]
    pub fn needs_whole(start: &[u8]) -> bool {
        let text = start.strip_prefix(BOM).unwrap_or(start).trim_ascii_start();
        if text.starts_with(b"<?") || text.starts_with(b"<!") {
            return root_tag(text).is_none();
        }
        let within = text.strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
        // Encrypted segments begin with any byte.
        within.is_some_and(|within| within.first().is_none_or(|&byte| byte == b'"'))
    }

    /// Whether a document of this format may hold a URI, told from its start: WebVTT whose start
    /// shows no picture is taken for subtitles.
    #[must_use]
    pub fn may_hold_uris(self, start: &[u8]) -> bool {
        self != Self::WebVtt || vtt::shows_pictures(&start[..start.len().min(Self::SNIFF_BYTES)])
    }

    /// Whether the document is a DASH manifest, or a part of one.
    #[must_use]
    pub const fn is_dash(self) -> bool {
        matches!(self, Self::Dash) || self.is_part()
    }

    /// Whether the document is a part of a manifest, whose references are resolved as if they stood
    /// there.
    #[must_use]
    pub const fn is_part(self) -> bool {
        matches!(self, Self::DashElement | Self::DashPatch)
    }

    /// Whether players take this document for a playlist or another manifest of media, and not for
    /// one that such a manifest names.
    #[must_use]
    pub const fn is_manifest(self) -> bool {
        matches!(self, Self::Hls | Self::Dash)
    }
}

/// What is malformed and names a member of ours is ours, so that it is refused and not passed on.
fn json_format(text: &[u8]) -> Option<Format> {
    let Some(members) = json::members(text) else {
        let is_named = |name: &str| memmem::find(text, format!("\"{name}\"").as_bytes()).is_some();
        return JSON_NAMES.iter().find(|(name, _)| is_named(name)).map(|(_, format)| *format);
    };
    let has = |name: &str| members.iter().any(|(member, _)| member == name);
    if members.iter().any(|(name, value)| name == "ASSETS" && value.starts_with('[')) {
        Some(Format::AssetList)
    } else if has("VERSION") {
        let mut steering = JSON_NAMES.iter().filter(|(_, format)| *format == Format::Steering);
        steering.find(|(name, _)| has(name)).map(|(_, format)| *format)
    } else {
        None
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

/// The root element's tag, up to its end as far as there is one; none if it has not come yet.
fn root_tag(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text.trim_ascii_start();
    loop {
        let end: &[u8] = if rest.starts_with(b"<!--") {
            b"-->"
        } else if rest.starts_with(b"<?") {
            b"?>"
        } else if rest.starts_with(b"<!") {
            b">"
        } else if rest.starts_with(b"<") {
            let end = memchr::memchr(b'>', rest).unwrap_or(rest.len());
            return Some(&rest[1..end]);
        } else {
            return None;
        };
        rest = rest[memmem::find(rest, end)? + end.len()..].trim_ascii_start();
        // The rest of a document type with declarations of its own, which is refused later.
        if rest.starts_with(b"]") {
            rest = rest[memchr::memchr(b'>', rest)? + 1..].trim_ascii_start();
        }
    }
}

fn xml_format(tag: &[u8]) -> Option<Format> {
    let is_end = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'/';
    let name = &tag[..tag.iter().position(is_end).unwrap_or(tag.len())];
    match name.rsplit(|&byte| byte == b':').next()? {
        b"MPD" => Some(Format::Dash),
        b"Period" | b"AdaptationSet" | b"SegmentList" | b"EventStream" => Some(Format::DashElement),
        b"Patch" if memmem::find(tag, b"mpd-patch").is_some() => Some(Format::DashPatch),
        _ => None,
    }
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
            ("<MPD", Some(Format::Dash)),
            ("<!DOCTYPE MPD [<!ENTITY a 'b'>]><MPD/>", Some(Format::Dash)),
            ("<tt><MPD/></tt>", None),
            ("<!-- <MPD> --><tt>", None),
            ("<x:Period start='PT0S'>", Some(Format::DashElement)),
            ("<Patch xmlns='urn:mpeg:dash:schema:mpd-patch:2020'>", Some(Format::DashPatch)),
            ("<Patch>", None),
            ("WEBVTT", Some(Format::WebVtt)),
            ("\u{feff}WEBVTT - x\n", Some(Format::WebVtt)),
            ("WEBVTTX", None),
            (" {\"X\":1,\"ASSETS\":[]}\n", Some(Format::AssetList)),
            ("{\"\\u0041SSETS\":[]}", Some(Format::AssetList)),
            ("{\"ASSETS\":{}}", None),
            ("{\"X\":{\"ASSETS\":[]}}", None),
            ("{\"ASSETS\":[", Some(Format::AssetList)),
            ("{\"VERSION\":1,\"PATHWAY-PRIORITY\":[]}", Some(Format::Steering)),
            ("{\"VERSION\":1,\"RELOAD-URI\":\"a\"}", Some(Format::Steering)),
            ("{\"VERSION\":1,\"PATHWAY-CLONES\":[],}", Some(Format::Steering)),
            ("{\"VERSION\":1,\"TTL\":300}", None),
            ("{\"RELOAD-URI\":\"a\"}", None),
            ("[{\"ASSETS\":[]}]", None),
            ("{\"error\"", None),
            ("", None),
        ] {
            assert_eq!(Format::detect(start.as_bytes()), format, "{start}");
        }
    }
}
