//! Paths as a server sees them: percent-decoded once, dots resolved, slashes merged.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// The decoded and normalised path of a resource, as nginx's `$uri`: what a CDN token signs.
///
/// Bytes, since a path need not be UTF-8. Begins with `/`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ResourcePath(Arc<[u8]>);

/// Why a path cannot be used; offsets are bytes of the raw path.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PathError {
    /// The path does not begin with a slash.
    #[error("the path does not begin with '/'")]
    NotAbsolute,
    /// A percent sign is not followed by two hexadecimal digits.
    #[error(
        "byte {offset} of the path: '%' is not followed by two hexadecimal digits (write a percent sign as %25)"
    )]
    BadEscape {
        /// Where the percent sign stands.
        offset: usize,
    },
    /// The path holds a NUL byte, written or escaped.
    #[error("byte {offset} of the path: a NUL byte")]
    Nul {
        /// Where it stands.
        offset: usize,
    },
    /// `..` leads above the root.
    #[error("'..' leads above the root of the path")]
    AboveRoot,
}

impl ResourcePath {
    /// Decodes and normalises the path of a request or of a URL reference: everything before `?`
    /// and `#`.
    ///
    /// This does what nginx does before it fills `$uri` (`ngx_http_parse_complex_uri` with
    /// `merge_slashes on`): escapes are decoded once, and an escaped slash or dot then counts as
    /// a written one.
    ///
    /// # Errors
    /// [`PathError`] for what nginx answers with 400.
    pub fn parse(raw: &[u8]) -> Result<Self, PathError> {
        if raw.first() != Some(&b'/') {
            return Err(PathError::NotAbsolute);
        }
        let is_plain = memchr::memchr3(b'%', 0, b'.', raw).is_none_or(|at| {
            // Dots within names are plain, too.
            memchr::memchr2(b'%', 0, &raw[at..]).is_none()
                && memchr::memmem::find(raw, b"/.").is_none()
        });
        if is_plain && memchr::memmem::find(raw, b"//").is_none() {
            return Ok(Self(raw.into()));
        }
        normalise(&decode(raw)?).map(|path| Self(path.into()))
    }

    /// A path that is already decoded, such as a directory of a file system.
    ///
    /// # Errors
    /// [`PathError::NotAbsolute`] or [`PathError::AboveRoot`].
    pub fn from_decoded(decoded: &[u8]) -> Result<Self, PathError> {
        if decoded.first() != Some(&b'/') {
            return Err(PathError::NotAbsolute);
        }
        normalise(decoded).map(|path| Self(path.into()))
    }

    /// The decoded bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path up to and with its last slash: what a directory token signs.
    #[must_use]
    pub fn directory(&self) -> &[u8] {
        folder_of(&self.0)
    }

    /// The decoded segments after the leading slash; `/a/` has the segments `a` and ``.
    pub fn segments(&self) -> impl Iterator<Item = &[u8]> {
        self.0[1..].split(|&byte| byte == b'/')
    }

    /// Whether `prefix`, which ends in a slash, is a folder above this path.
    #[must_use]
    pub fn is_under(&self, prefix: &[u8]) -> bool {
        prefix.ends_with(b"/") && self.0.starts_with(prefix)
    }
}

impl fmt::Debug for ResourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResourcePath({:?})", String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Display for ResourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// A path up to and with its last slash.
pub(crate) fn folder_of(path: &[u8]) -> &[u8] {
    &path[..memchr::memrchr(b'/', path).map_or(0, |slash| slash + 1)]
}

pub(crate) fn decode(raw: &[u8]) -> Result<Vec<u8>, PathError> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        let (value, width) = if byte == b'%' {
            let value = raw
                .get(at + 1..at + 3)
                .and_then(|pair| Some((hex_digit(pair[0])? << 4) | hex_digit(pair[1])?))
                .ok_or(PathError::BadEscape { offset: at })?;
            (value, 3)
        } else {
            (byte, 1)
        };
        if value == 0 {
            return Err(PathError::Nul { offset: at });
        }
        decoded.push(value);
        at += width;
    }
    Ok(decoded)
}

fn hex_digit(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn normalise(decoded: &[u8]) -> Result<Vec<u8>, PathError> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut ends_in_folder = false;
    for segment in decoded[1..].split(|&byte| byte == b'/') {
        ends_in_folder = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => {
                kept.pop().ok_or(PathError::AboveRoot)?;
            }
            name => kept.push(name),
        }
    }
    let mut path = Vec::with_capacity(decoded.len());
    for segment in &kept {
        path.push(b'/');
        path.extend_from_slice(segment);
    }
    if ends_in_folder {
        path.push(b'/');
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(raw: &str) -> Result<String, PathError> {
        ResourcePath::parse(raw.as_bytes()).map(|path| path.to_string())
    }

    #[test]
    fn paths_come_out_as_nginx_sees_them() {
        for (raw, seen) in [
            ("/", "/"),
            ("/a.m3u8", "/a.m3u8"),
            ("/g//x/../a.m3u8", "/g/a.m3u8"),
            ("/g/x%2Fa.m3u8", "/g/x/a.m3u8"),
            ("/g/%2e%2E/a", "/a"),
            ("/a/.", "/a/"),
            ("/a/b/..", "/a/"),
            ("/a/...", "/a/..."),
            ("//", "/"),
            ("/live/citt%C3%A0/a%20b.m3u8", "/live/città/a b.m3u8"),
            ("/100%25/%3Fx%23y", "/100%/?x#y"),
            ("/a%252Fb", "/a%2Fb"),
        ] {
            assert_eq!(parsed(raw).unwrap(), seen, "{raw}");
        }
    }

    #[test]
    fn what_cannot_be_a_path_is_refused_with_its_place() {
        assert_eq!(parsed("a/b"), Err(PathError::NotAbsolute));
        assert_eq!(parsed(""), Err(PathError::NotAbsolute));
        assert_eq!(parsed("/a%2"), Err(PathError::BadEscape { offset: 2 }));
        assert_eq!(parsed("/a%zz"), Err(PathError::BadEscape { offset: 2 }));
        assert_eq!(parsed("/%+1"), Err(PathError::BadEscape { offset: 1 }));
        assert_eq!(parsed("/a%00b"), Err(PathError::Nul { offset: 2 }));
        assert_eq!(parsed("/.."), Err(PathError::AboveRoot));
        assert_eq!(parsed("/a/../%2e%2e/b"), Err(PathError::AboveRoot));
    }

    #[test]
    fn directories_end_in_their_slash() {
        let directory =
            |raw: &str| ResourcePath::parse(raw.as_bytes()).unwrap().directory().to_vec();
        assert_eq!(directory("/videos/video-1/master.m3u8"), b"/videos/video-1/");
        assert_eq!(directory("/videos/video-1/"), b"/videos/video-1/");
        assert_eq!(directory("/a"), b"/");
    }

    #[test]
    fn a_prefix_is_compared_by_whole_segments() {
        let path = ResourcePath::parse(b"/ab/c").unwrap();
        assert!(path.is_under(b"/ab/") && path.is_under(b"/"));
        assert!(!path.is_under(b"/a") && !path.is_under(b"/a/"));
    }
}
