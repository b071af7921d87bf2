//! The streams of a folder.

use std::path::Path;

use anyhow::Context as _;

/// A stream that the page offers.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) name: String,
    /// The multivariant playlist's path below the folder of streams, with a leading slash.
    pub(super) path: String,
}

/// What the fixtures are for. Another folder's streams are called as their folders.
const NAMES: [(&str, &str); 4] = [
    ("subdirs", "Renditions in subdirectories, with audio and subtitles"),
    ("aes128", "AES-128 with its key in another folder"),
    ("byteranges", "Byte ranges of a single file"),
    ("flat", "All in one folder"),
];

/// Finds every folder with a `master.m3u8`; the known ones come first, in the order above.
pub(super) fn find(folder: &Path) -> anyhow::Result<Vec<Stream>> {
    let read = || format!("cannot read the folder {}", folder.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(read)? {
        let entry = entry.with_context(read)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if entry.path().join("master.m3u8").is_file() {
            found.push(name);
        }
    }
    let rank = |name: &str| NAMES.iter().position(|(known, _)| *known == name);
    found.sort_by_key(|name| (rank(name).unwrap_or(NAMES.len()), name.clone()));
    let stream = |folder: String| Stream {
        name: rank(&folder).map_or_else(|| folder.clone(), |at| NAMES[at].1.to_owned()),
        path: format!("/{folder}/master.m3u8"),
    };
    Ok(found.into_iter().map(stream).collect())
}
