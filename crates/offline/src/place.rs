//! Where files of a folder will be on the CDN, and back.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};
use url::Url;

/// What may not stand in a segment of a path as it is (RFC 3986 section 3.3).
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A folder of a CDN that stands for a folder of this machine.
#[derive(Clone, Debug)]
pub struct Places {
    folder: Url,
}

impl Places {
    /// `folder` is the URL of the folder; it ends in a slash. None if it does not.
    #[must_use]
    pub fn at(folder: Url) -> Option<Self> {
        let is_folder = folder.path().ends_with('/') && folder.query().is_none();
        is_folder.then_some(Self { folder })
    }

    /// The URL of a file, by its path below the folder.
    #[must_use]
    pub fn url_of(&self, relative: &Path) -> Url {
        let mut url = self.folder.clone();
        let names = relative.components().filter_map(|component| match component {
            Component::Normal(name) => Some(name),
            _ => None,
        });
        let names: Vec<_> =
            names.map(|name| percent_encode(name.as_bytes(), ESCAPED).to_string()).collect();
        let path = format!("{}{}", url.path(), names.join("/"));
        url.set_path(&path);
        url
    }

    /// The path below the folder of the file at a URL; none if it is elsewhere.
    #[must_use]
    pub fn path_of(&self, url: &Url) -> Option<PathBuf> {
        if url.origin() != self.folder.origin() {
            return None;
        }
        let rest = url.path().strip_prefix(self.folder.path())?;
        let mut path = PathBuf::new();
        for segment in rest.split('/') {
            let name: Vec<u8> = percent_decode_str(segment).collect();
            // An escaped slash is a part of a name, which no file has.
            if name.is_empty() || name.contains(&b'/') || name.contains(&0) {
                return None;
            }
            match OsStr::from_bytes(&name) {
                name if name == "." || name == ".." => return None,
                name => path.push(name),
            }
        }
        Some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_urls_and_urls_have_files() {
        let places = Places::at(Url::parse("https://cdn.example.com/v%20x/").unwrap()).unwrap();
        for path in ["a.m3u8", "a b/c#d?.m3u8", "100%/é.mpd", "a+b&c=d/[x]^y.ts", "a\\b.ts"] {
            let url = places.url_of(Path::new(path));
            assert!(url.as_str().starts_with("https://cdn.example.com/v%20x/"), "{url}");
            assert!(url.query().is_none() && url.fragment().is_none(), "{url}");
            assert_eq!(places.path_of(&url).as_deref(), Some(Path::new(path)), "{url}");
        }
        for elsewhere in [
            "https://cdn.example.com/v%20x/",
            "https://cdn.example.com/other/a.ts",
            "https://other.example.com/v%20x/a.ts",
            "https://cdn.example.com/v%20x/a%2Fb.ts",
        ] {
            assert_eq!(places.path_of(&Url::parse(elsewhere).unwrap()), None, "{elsewhere}");
        }
        assert!(Places::at(Url::parse("https://cdn.example.com/v").unwrap()).is_none());
    }
}
