//! The streams of a folder.

use std::path::Path;

use anyhow::Context as _;

/// A stream that the page offers.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) name: String,
    /// The manifest's path below the folder of streams, escaped, with a leading slash.
    pub(super) path: String,
}

/// What the fixtures are for. Another folder's streams are called as their folders.
const NAMES: [(&str, &str); 8] = [
    ("subdirs", "Renditions in subdirectories, with audio and subtitles"),
    ("aes128", "AES-128 with its key in another folder"),
    ("byteranges", "Byte ranges of a single file"),
    ("flat", "All in one folder"),
    ("timeline", "Representations in subdirectories, with a timeline"),
    ("list", "A list of segments"),
    ("ondemand", "One file for each Representation"),
    ("number", "Numbered segments in one folder"),
];

/// The manifests that a folder may hold: HLS, DASH.
const MANIFESTS: [&str; 2] = ["master.m3u8", "manifest.mpd"];

/// Finds every folder with a manifest: HLS before DASH, and the known ones first, in the order
/// above.
pub(super) fn find(folder: &Path) -> anyhow::Result<Vec<Stream>> {
    let read = || format!("cannot read the folder {}", folder.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(read)? {
        let entry = entry.with_context(read)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let is_there = |manifest: &&str| entry.path().join(manifest).is_file();
        found.extend(MANIFESTS.into_iter().filter(is_there).map(|one| (one, name.clone())));
    }
    let rank = |name: &str| NAMES.iter().position(|(known, _)| *known == name);
    found.sort_by_key(|(manifest, name)| {
        (*manifest != MANIFESTS[0], rank(name).unwrap_or(NAMES.len()), name.clone())
    });
    let stream = |(manifest, folder): (&str, String)| Stream {
        name: rank(&folder).map_or_else(|| folder.clone(), |at| NAMES[at].1.to_owned()),
        path: format!("/{}/{manifest}", escaped(&folder)),
    };
    Ok(found.into_iter().map(stream).collect())
}

/// A folder's name as it stands in a URL: everything but RFC 3986's unreserved characters escaped.
fn escaped(name: &str) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_streams_come_first_and_names_are_escaped() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a b%?#", "flat", "subdirs", "città"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join("master.m3u8"), "").unwrap();
        }
        std::fs::create_dir(folder.path().join("no-stream")).unwrap();
        let streams = find(folder.path()).unwrap();
        let found: Vec<_> = streams.iter().map(|stream| stream.path.as_str()).collect();
        assert_eq!(
            found,
            [
                "/subdirs/master.m3u8",
                "/flat/master.m3u8",
                "/a%20b%25%3F%23/master.m3u8",
                "/citt%C3%A0/master.m3u8"
            ]
        );
        assert_eq!(streams[1].name, "All in one folder");
        assert_eq!(streams[2].name, "a b%?#");
    }
}
