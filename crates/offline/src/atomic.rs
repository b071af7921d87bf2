//! Files that are there whole or not at all.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::open;
use crate::source::Source;

/// What the names of unfinished files begin with.
const UNFINISHED: &str = ".sluicegate-";

/// Whether a file is on the disk when its writing returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// It is: a power failure loses nothing of it.
    #[default]
    Synced,
    /// The system writes it in its own time. A crash of this program alone loses nothing.
    Unsynced,
}

/// A file could not be written. What was there before is there still.
#[derive(Debug, Error)]
#[error("cannot write {path}: {source}")]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

/// Puts a file in its place: it is written beside it, and renamed.
pub(crate) fn write(path: &Path, bytes: &[u8], durability: Durability) -> Result<(), WriteError> {
    replace(path, durability, |file| file.write_all(bytes))
}

/// Puts a copy of a file in its place.
pub(crate) fn copy(from: &Source, path: &Path, durability: Durability) -> Result<(), WriteError> {
    let copied = |file: &mut File| io::copy(&mut from.open()?, file).map(|_| ());
    replace(path, durability, copied)
}

/// Puts another name of a file in its place.
pub(crate) fn link(from: &Source, path: &Path) -> Result<(), WriteError> {
    let failed = |source| WriteError { path: path.to_owned(), source };
    let make = |folder: &Path| {
        tempfile::Builder::new().prefix(UNFINISHED).make_in(folder, |unfinished| {
            open::link(from.path(), from.within.as_deref(), unfinished)
        })
    };
    let unfinished = in_folder_of(path, make).map_err(failed)?;
    unfinished.into_temp_path().persist(path).map_err(|error| failed(error.error))
}

/// Puts a file in its place that `fill` writes.
///
/// # Errors
/// [`WriteError`], with what `fill` says.
pub fn replace(
    path: &Path,
    durability: Durability,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), WriteError> {
    let failed = |source| WriteError { path: path.to_owned(), source };
    let make = |folder: &Path| {
        tempfile::Builder::new()
            .prefix(UNFINISHED)
            // As any new file: the mask of the process takes its part.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)
    };
    let mut unfinished = in_folder_of(path, make).map_err(failed)?;
    fill(unfinished.as_file_mut()).map_err(failed)?;
    if durability == Durability::Synced {
        unfinished.as_file().sync_all().map_err(failed)?;
    }
    unfinished.persist(path).map_err(|error| failed(error.error))?;
    if durability == Durability::Synced {
        // The name, too.
        File::open(folder_of(path)).and_then(|folder| folder.sync_all()).map_err(failed)?;
    }
    Ok(())
}

/// Makes something in the folder of a file, and the folder if it is not there: nearly always it is.
fn in_folder_of<T>(path: &Path, make: impl Fn(&Path) -> io::Result<T>) -> io::Result<T> {
    let folder = folder_of(path);
    match make(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(folder)?;
            make(folder)
        }
        made => made,
    }
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Removes what a run that was killed left unfinished in a folder.
pub(crate) fn sweep(folder: &Path) -> Result<(), WriteError> {
    let failed = |source| WriteError { path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        // What else is in the way shows when the files are written.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(());
        }
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if is_unfinished(&entry.file_name()) {
            fs::remove_file(entry.path()).map_err(failed)?;
        }
    }
    Ok(())
}

/// Whether a name is that of an unfinished file.
pub(crate) fn is_unfinished(name: &std::ffi::OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(UNFINISHED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_with_the_permissions_of_any_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.m3u8");
        write(&path, b"one", Durability::Synced).unwrap();
        write(&path, b"two", Durability::Unsynced).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        fs::write(folder.path().join("new"), "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&folder.path().join("new")));
        let source = Source::below(folder.path(), path, open::Links::Within);
        link(&source, &folder.path().join("linked")).unwrap();
        copy(&source, &folder.path().join("linked"), Durability::Unsynced).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "nothing is left over");
    }

    #[test]
    fn what_cannot_be_written_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.m3u8");
        write(&path, b"one", Durability::Unsynced).unwrap();
        let failed = replace(&path, Durability::Unsynced, |file| {
            file.write_all(b"tw")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert!(failed.unwrap_err().to_string().contains("b.m3u8"));
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let left = folder.path().join(format!("{UNFINISHED}x"));
        fs::write(&left, "half").unwrap();
        sweep(folder.path()).unwrap();
        assert!(!left.exists() && path.exists());
    }
}
