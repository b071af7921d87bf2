//! Paths that two servers read differently: one decodes once more, drops path parameters, or takes
//! overlong UTF-8, and resolves dots afterwards.
//!
//! Requests and the URIs of manifests go through here, before an origin or a CDN is asked.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// The number of times that a path is decoded: once by every server, then again by servers behind it.
pub(crate) const DECODINGS: usize = 3;

/// What stands in a path that two servers read differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ambiguity {
    /// `%2F`: a rule of its own, since some servers have names with slashes.
    EscapedSlash,
    /// Anything else, in words.
    Other(&'static str),
}

/// Finds what two servers read differently in a path that begins with a slash and has sound escapes.
pub(super) fn find(raw: &str) -> Option<Ambiguity> {
    let mut segments = raw[1..].split('/').peekable();
    // Nearly all paths have neither, and their segments are compared with dots alone.
    let is_plain = memchr::memchr2(b'%', b';', raw.as_bytes()).is_none();
    while let Some(segment) = segments.next() {
        if (segment.is_empty() && segments.peek().is_some()) || matches!(segment, "." | "..") {
            return Some(DOTS);
        }
        let found = if is_plain { None } else { find_in_segment(segment) };
        if found.is_some() {
            return found;
        }
    }
    None
}

const DOTS: Ambiguity = Ambiguity::Other("dot segments or doubled slashes");

fn find_in_segment(raw: &str) -> Option<Ambiguity> {
    let mut name = Cow::Borrowed(raw.as_bytes());
    let mut has_slash = false;
    for decoding in 1..=DECODINGS {
        let next: Cow<'_, [u8]> = percent_decode(&name).into();
        let is_changed = *next != *name;
        name = Cow::Owned(next.into_owned());
        if !is_changed && decoding > 1 {
            break;
        }
        if name.iter().any(|byte| *byte == b'\\' || byte.is_ascii_control()) {
            return Some(match decoding {
                1 => Ambiguity::Other("an escaped backslash or control character"),
                _ => Ambiguity::Other("a backslash or control character that is escaped twice"),
            });
        }
        if name.contains(&b'/') {
            if decoding > 1 && !has_slash {
                return Some(Ambiguity::Other("a slash that is escaped twice"));
            }
            has_slash = true;
        }
        if name.split(|byte| *byte == b'/').any(is_dots) {
            return Some(match decoding {
                1 => Ambiguity::Other("dot segments, or dots before ';'"),
                _ => Ambiguity::Other("dot segments that are escaped twice"),
            });
        }
        if has_overlong_utf8(&name) {
            return Some(Ambiguity::Other("overlong UTF-8"));
        }
    }
    has_slash.then_some(Ambiguity::EscapedSlash)
}

/// Whether a server that drops path parameters (`;` and what follows), or blanks around a name, reads
/// a segment as dots, or as nothing where there is a parameter.
fn is_dots(segment: &[u8]) -> bool {
    let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
    let has_parameter = name.len() < segment.len();
    matches!(name.trim_ascii(), b"." | b"..") || (has_parameter && name.trim_ascii().is_empty())
}

/// Whether bytes hold a sequence that a lenient decoder takes for a shorter one (RFC 3629 section 3):
/// such a decoder looks at the low six bits of what follows alone.
fn has_overlong_utf8(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| {
        let is_continued_below = |limit| (0x80..limit).contains(&pair[1]);
        match pair[0] {
            0xc0 | 0xc1 => true,
            0xe0 => is_continued_below(0xa0),
            0xf0 => is_continued_below(0x90),
            0xf8 => is_continued_below(0x88),
            0xfc => is_continued_below(0x84),
            _ => false,
        }
    }) || bytes.last().is_some_and(|last| matches!(last, 0xc0 | 0xc1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_that_any_server_resolves_are_found() {
        for bad in [
            "..",
            ".",
            "%2e%2e",
            ".%2E",
            "..;",
            ".;",
            "..;x",
            ".;x",
            "..;a=b",
            "..;a=b;c",
            "%2e%2e;",
            "..%3b",
            "..%3Bx",
            ".%2e%3b",
            "..%253b",
            ".%252e%253bx",
            ";",
            ";x",
            "%3b",
            "%20;x",
            "..%20",
            ".%20",
            "%20..",
            "%252e",
            "%252e%252e",
            ".%252e",
            "%25252e%25252e",
            "%25%32%65",
            "%252e%252e;x",
            "..%25253b",
        ] {
            for path in [format!("/{bad}"), format!("/a/{bad}/b"), format!("/a/{bad}")] {
                assert!(matches!(find(&path), Some(Ambiguity::Other(_))), "{path}");
            }
        }
    }

    #[test]
    fn separators_that_further_decoding_makes_are_found() {
        for bad in [
            "a%252fb",
            "a%252Fb",
            "a%25252fb",
            "..%252f..",
            "%252e%252e%252f",
            "a%255cb",
            "a%25255Cb",
            "a%2500",
            "a%252500b",
            "a%250ab",
            "a%257f",
            "a%5cb",
            "a%00",
            "a;%252f",
            "a%2fb%252fb%5c",
        ] {
            for path in [format!("/{bad}"), format!("/a/{bad}/b")] {
                assert!(matches!(find(&path), Some(Ambiguity::Other(_))), "{path}");
            }
        }
    }

    #[test]
    fn overlong_utf_8_is_found() {
        for bad in [
            "%c0%ae%c0%ae",
            "%C0%AE",
            "a%c0%af",
            "%c1%9c",
            "%c0%2e",
            "%e0%80%ae",
            "%e0%9f%bf",
            "%f0%80%80%ae",
            "%f8%80%80%80%ae",
            "%fc%80%80%80%80%ae",
            "%25c0%25ae",
            "%25e0%2580%25ae",
            "a%c0",
        ] {
            assert_eq!(
                find(&format!("/v/{bad}/x")),
                Some(Ambiguity::Other("overlong UTF-8")),
                "{bad}"
            );
        }
    }

    #[test]
    fn an_escaped_slash_has_a_rule_of_its_own() {
        for path in ["/a%2fb", "/a%2Fb", "/v/a%2F%2Fb/c", "/%2f", "/a%2fb%252fc"] {
            assert_eq!(find(path), Some(Ambiguity::EscapedSlash), "{path}");
        }
        for path in ["/a%2f..", "/..%2fb", "/a%2f..;x%2fb", "/a%2f.%252e", "/a%2f%c0%ae"] {
            assert!(matches!(find(path), Some(Ambiguity::Other(_))), "{path}");
        }
    }

    #[test]
    fn names_are_no_ambiguity() {
        for path in [
            "/",
            "/a",
            "/a/",
            "/a;b=c,d",
            "/a..;b",
            "/...",
            "/...;x",
            "/..a;b",
            "/a%20b",
            "/100%25",
            "/100%2525/x",
            "/%E9",
            "/caf%E9.ts",
            "/bl%F8d.ts",
            "/citt%E0.ts",
            "/citt%C3%A0",
            "/%E0%A4%85",
            "/%F0%9F%8E%AC.mp4",
            "/a%3Bb",
            "/a%253Bb",
            "/a%252Eb.ts",
            "/.hidden",
            "/a.",
            "/%E2%82%AC",
        ] {
            assert_eq!(find(path), None, "{path}");
        }
    }
}
