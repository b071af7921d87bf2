//! Where things lie in the source tree.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The folder of the workspace.
#[must_use]
pub fn workspace_root() -> PathBuf {
    let testkit = Path::new(env!("CARGO_MANIFEST_DIR"));
    testkit.ancestors().nth(2).expect("the crate lies two folders below the root").to_owned()
}

/// `fixtures/`.
#[must_use]
pub fn fixtures() -> PathBuf {
    workspace_root().join("fixtures")
}

/// `fixtures/streams/`: one playable stream a folder.
#[must_use]
pub fn streams() -> PathBuf {
    fixtures().join("streams")
}

/// The npm package with the browser scripts.
#[must_use]
pub fn browser_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("browser")
}

/// Every file below a folder with its content, by its path there.
///
/// # Panics
/// If one cannot be read.
#[must_use]
pub fn files_below(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let content = std::fs::read(&path).unwrap();
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), content);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_are_there() {
        assert!(workspace_root().join("Cargo.toml").is_file());
        assert!(streams().join("subdirs/master.m3u8").is_file());
        assert!(browser_dir().join("play.mjs").is_file());
    }
}
