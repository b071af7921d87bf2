//! References that every reader reads the same way without any parsing: names of files beside the
//! manifest, and of those in folders below. Nearly all of a media playlist's are.

use crate::plan::Place;
use crate::policy::UriPolicy;

/// Makes paths of such references, all in one buffer.
pub(crate) struct Beside {
    /// The folder of the manifest, and the last reference behind it.
    path: Vec<u8>,
    folder_len: usize,
}

impl Beside {
    /// None if the policy must see URLs, or the manifest's own URL takes some reading.
    pub(crate) fn of(place: &Place, policy: &mut dyn UriPolicy) -> Option<Self> {
        let path = place.base.path().as_bytes();
        let folder = &path[..=memchr::memrchr(b'/', path)?];
        let is_read_alike = folder == b"/" || is_plain(&folder[1..folder.len() - 1]);
        // A reference that leads elsewhere from where it is served must be written anew.
        let is_wanted = is_read_alike && place.served == place.base;
        (is_wanted && policy.signs_paths_beside(&place.base))
            .then(|| Self { path: folder.to_vec(), folder_len: folder.len() })
    }

    /// The decoded path that a reference leads to; none if it takes some reading.
    #[inline]
    pub(crate) fn path_of(&mut self, reference: &[u8]) -> Option<&[u8]> {
        if !is_plain(reference) {
            return None;
        }
        self.path.truncate(self.folder_len);
        self.path.extend_from_slice(reference);
        Some(&self.path)
    }
}

/// Whether a path is segments that mean themselves: no empty ones, none that begins with a dot, and
/// nothing that a URL escapes, or that splits it.
#[inline]
fn is_plain(path: &[u8]) -> bool {
    // Without a branch for each byte.
    let kinds = path.iter().fold(0, |kinds, &byte| kinds | KINDS[byte as usize]);
    if kinds & OTHER != 0 || path.is_empty() || path[0] == b'.' {
        return false;
    }
    kinds & SLASH == 0
        || path.split(|&byte| byte == b'/').all(|segment| !matches!(segment, [] | [b'.', ..]))
}

const SLASH: u8 = 1;
const OTHER: u8 = 2;

/// RFC 3986's unreserved characters, and some that stay as they are in a path, are of no kind.
const KINDS: [u8; 256] = {
    let mut kinds = [OTHER; 256];
    let mut byte = 0;
    while byte < 256 {
        let character = byte as u8;
        if character.is_ascii_alphanumeric()
            || matches!(character, b'-' | b'_' | b'.' | b'~' | b',' | b'=' | b'+' | b'@')
        {
            kinds[byte] = 0;
        }
        byte += 1;
    }
    kinds[b'/' as usize] = SLASH;
    kinds
};

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::resolve::join;

    #[test]
    fn plain_references_lead_where_urls_do() {
        let base = Url::parse("https://cdn.example.com/vod/a/i.m3u8?x=1").unwrap();
        for reference in ["a.ts", "b/c-1_2~3.m4s", "a=1,b@2+3.ts", "a..b/c.", "0"] {
            assert!(is_plain(reference.as_bytes()), "{reference}");
            let url = join(&base, reference.as_bytes()).unwrap();
            assert_eq!(url.as_str(), format!("https://cdn.example.com/vod/a/{reference}"));
        }
        for reference in [
            "",
            "/a.ts",
            "./a.ts",
            "../a.ts",
            "a/../b.ts",
            "a//b.ts",
            "a/",
            "a?b",
            "a#b",
            "a:b",
            "a%41",
            "a b",
            "é.ts",
            "a|b",
            "a\\b",
            "{$a}",
            "a;b",
            "a\"b",
            ".a",
        ] {
            assert!(!is_plain(reference.as_bytes()), "{reference}");
        }
    }
}
