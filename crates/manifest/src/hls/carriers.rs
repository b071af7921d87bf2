//! Which tag and attribute carries a URI, and what role it has: the one table of HLS.

use std::ops::Range;

use memchr::memmem;

use crate::Role;

/// How a tag is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TagUse {
    /// A known tag whose value holds no URI: durations, dates, titles.
    Opaque,
    /// A known tag with an attribute list.
    Attributes {
        /// The attributes that hold a URI, each with its role.
        carriers: &'static [(&'static str, Role)],
        /// Whether the tag stands in multivariant playlists only.
        multivariant: bool,
    },
    /// A tag that no row names.
    Unknown,
}

/// How an attribute is treated.
pub(crate) enum AttributeUse {
    /// It holds a URI of this role.
    Carrier(Role),
    /// It is specified to hold none.
    NoUri,
    /// Nobody knows: look at it.
    NeedsLook,
}

const fn in_multivariant(carriers: &'static [(&'static str, Role)]) -> TagUse {
    TagUse::Attributes { carriers, multivariant: true }
}

const fn in_any(carriers: &'static [(&'static str, Role)]) -> TagUse {
    TagUse::Attributes { carriers, multivariant: false }
}

/// The row of a tag (RFC 8216bis section 4.4; EXT-X-IMAGE-STREAM-INF is Roku's).
pub(crate) fn tag_use(name: &[u8]) -> TagUse {
    match name {
        b"#EXT-X-STREAM-INF" => in_multivariant(&[]),
        b"#EXT-X-I-FRAME-STREAM-INF" => in_multivariant(&[("URI", Role::IFrameVariant)]),
        b"#EXT-X-IMAGE-STREAM-INF" => in_multivariant(&[("URI", Role::ImageVariant)]),
        b"#EXT-X-MEDIA" => in_multivariant(&[("URI", Role::Rendition)]),
        b"#EXT-X-SESSION-KEY" => in_multivariant(&[("URI", Role::SessionKey)]),
        b"#EXT-X-SESSION-DATA" => in_multivariant(&[("URI", Role::SessionData)]),
        b"#EXT-X-KEY" => in_any(&[("URI", Role::Key)]),
        b"#EXT-X-MAP" => in_any(&[("URI", Role::InitSection)]),
        b"#EXT-X-PART" => in_any(&[("URI", Role::Part)]),
        b"#EXT-X-PRELOAD-HINT" => in_any(&[("URI", Role::PreloadHint)]),
        b"#EXT-X-RENDITION-REPORT" => in_any(&[("URI", Role::RenditionReport)]),
        // Interstitials: RFC 8216bis appendix D.
        b"#EXT-X-DATERANGE" => {
            in_any(&[("X-ASSET-URI", Role::Asset), ("X-ASSET-LIST", Role::AssetList)])
        }
        b"#EXT-X-CONTENT-STEERING" => in_multivariant(&[("SERVER-URI", Role::Steering)]),
        b"#EXT-X-DEFINE"
        | b"#EXT-X-SKIP"
        | b"#EXT-X-START"
        | b"#EXT-X-PART-INF"
        | b"#EXT-X-SERVER-CONTROL" => in_any(&[]),
        b"#EXTINF"
        | b"#EXT-X-VERSION"
        | b"#EXT-X-TARGETDURATION"
        | b"#EXT-X-MEDIA-SEQUENCE"
        | b"#EXT-X-DISCONTINUITY-SEQUENCE"
        | b"#EXT-X-DISCONTINUITY"
        | b"#EXT-X-ENDLIST"
        | b"#EXT-X-PLAYLIST-TYPE"
        | b"#EXT-X-I-FRAMES-ONLY"
        | b"#EXT-X-INDEPENDENT-SEGMENTS"
        | b"#EXT-X-BYTERANGE"
        | b"#EXT-X-PROGRAM-DATE-TIME"
        | b"#EXT-X-GAP"
        | b"#EXT-X-BITRATE"
        | b"#EXT-X-ALLOW-CACHE" => TagUse::Opaque,
        _ => TagUse::Unknown,
    }
}

impl TagUse {
    pub(crate) const fn is_multivariant(self) -> bool {
        matches!(self, Self::Attributes { multivariant: true, .. })
    }

    pub(crate) fn attribute(self, name: &[u8]) -> AttributeUse {
        match self {
            Self::Opaque => AttributeUse::NoUri,
            Self::Attributes { carriers, .. }
                if let Some((_, role)) =
                    carriers.iter().find(|(carrier, _)| name == carrier.as_bytes()) =>
            {
                AttributeUse::Carrier(*role)
            }
            // A scheme identifier such as urn:uuid:..., or text for people.
            Self::Attributes { .. }
                if matches!(
                    name,
                    b"KEYFORMAT" | b"DATA-ID" | b"SCHEME-ID-URI" | b"NAME" | b"VALUE"
                ) =>
            {
                AttributeUse::NoUri
            }
            Self::Attributes { .. } | Self::Unknown => AttributeUse::NeedsLook,
        }
    }
}

/// Whether an attribute that no row names looks as if it held a URI: by its name, or by an
/// absolute URL in its value.
pub(crate) fn looks_like_uri(name: &[u8], value: &[u8]) -> bool {
    !value.is_empty() && (is_named_as_uri(name) || has_host(value))
}

/// Whether a name promises a URI.
pub(crate) fn is_named_as_uri(name: &[u8]) -> bool {
    let name = name.to_ascii_uppercase();
    [&b"URI"[..], b"URL", b"HREF", b"ASSET-LIST"].iter().any(|end| name.ends_with(end))
}

/// The absolute URLs in `span`: from the scheme, or from two slashes before a name of several labels, up to
/// a quote, a comma or white space. One inside another belongs to that.
pub(crate) fn loose_urls(source: &[u8], span: Range<usize>) -> Vec<Range<usize>> {
    let text = &source[span.clone()];
    // Where the last URL ends, and the last text that could be one: each byte is looked at once, however
    // many slashes there are.
    let (mut end, mut stop) = (0, 0);
    memmem::find_iter(text, b"//")
        .filter_map(|slashes| {
            if slashes < end {
                return None;
            }
            if slashes >= stop {
                let len = text[slashes..].iter().position(|byte| ends_url(*byte));
                stop = len.map_or(text.len(), |len| slashes + len);
            }
            let before = &text[..slashes];
            let scheme = match before.strip_suffix(b":") {
                Some(before) => {
                    match before.iter().rev().take_while(|b| b.is_ascii_alphanumeric()).count() {
                        0 => return None,
                        name => name + 1,
                    }
                }
                None if before.last().is_some_and(|byte| !ends_url(*byte) && *byte != b'=')
                    || !has_labels(&text[slashes + 2..stop]) =>
                {
                    return None;
                }
                None => 0,
            };
            end = stop;
            Some(span.start + slashes - scheme..span.start + end)
        })
        .collect()
}

const fn ends_url(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b',' | b' ' | b'\t')
}

/// Whether a text begins with a host that has a dot or a port. Base64 has neither.
fn has_labels(text: &[u8]) -> bool {
    let host = text.split(|byte| matches!(byte, b'/' | b'?' | b'#')).next().unwrap_or_default();
    host.iter().any(|byte| matches!(byte, b'.' | b':'))
}

/// Whether a value names a host: behind a scheme, or at its beginning.
pub(crate) fn has_host(value: &[u8]) -> bool {
    let relative = value.trim_ascii_start().strip_prefix(b"//");
    relative
        .and_then(<[u8]>::first)
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'[')
        || memmem::find(value, b"://").is_some_and(|at| at > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_attributes_are_judged_by_name_and_by_value() {
        for (name, value, looks) in [
            ("X-ASSET-URI", "a.m3u8", true),
            ("uri", "a", true),
            ("X-ASSET-LIST", "list.json", true),
            ("X-COM-EXAMPLE", "https://h/x", true),
            ("X-COM-EXAMPLE", "//h/x", true),
            ("X-COM-EXAMPLE", "a/b", false),
            ("X-COM-EXAMPLE", "a//b", false),
            ("X-COM-EXAMPLE", "// b", false),
            ("URI", "", false),
            ("SCTE35-OUT", "0xFC", false),
        ] {
            assert_eq!(looks_like_uri(name.as_bytes(), value.as_bytes()), looks, "{name}={value}");
        }
    }

    #[test]
    fn loose_urls_end_at_a_delimiter() {
        for (text, urls) in [
            (
                "http-referrer=http://h/x,y \"https://a/b?u=http://c\" ://none",
                &["http://h/x", "https://a/b?u=http://c"][..],
            ),
            ("//h.x/a, b=//h:1/b c//d.e/ //8AAA/ // no", &["//h.x/a", "//h:1/b"]),
        ] {
            let found = loose_urls(text.as_bytes(), 0..text.len());
            let found: Vec<_> = found.into_iter().map(|span| &text[span]).collect();
            assert_eq!(found, urls);
        }
    }

    /// A scan from each pair of slashes to the end of the text would take hours here.
    #[test]
    fn many_slashes_take_no_quadratic_time() {
        for piece in ["a//", "//", "://", "a=//b", "x:/"] {
            let text = piece.repeat((4 << 20) / piece.len());
            assert!(loose_urls(text.as_bytes(), 0..text.len()).len() < 2, "{piece}");
        }
    }
}
