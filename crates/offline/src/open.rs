//! Files of the inputs, opened: regular ones, and within the folder that was given.
//!
//! What lies beside a folder may be anybody's: a symbolic link in it must not publish another's file.
//! A named pipe would be waited for without end.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptionsExt as _};
use rustix::fs::OFlags;
use rustix::io::Errno;
use thiserror::Error;

/// Where symbolic links may lead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Links {
    /// Within the inputs, and out of no folder of the output.
    #[default]
    Within,
    /// Anywhere.
    Follow,
}

/// Opens a regular file; below `folder`, if there is one, and then through no link that leaves it.
///
/// # Errors
/// Those of the system, and those of [`is_not_regular`].
pub fn open(path: &Path, folder: Option<&Path>) -> io::Result<File> {
    // It is the opened file that is looked at, whatever takes its place meanwhile.
    let file = open_any(path, folder).map_err(|error| {
        // A socket cannot be opened at all.
        let is_socket = error.raw_os_error() == Some(Errno::NXIO.raw_os_error());
        if is_socket { not_regular() } else { error }
    })?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(not_regular()) }
}

/// Whether an error of [`open`] says that there is something, and that it is no regular file.
#[must_use]
pub fn is_not_regular(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<NotRegular>())
}

/// A pipe, a device, a socket or a folder.
#[derive(Debug, Error)]
#[error("it is no regular file (a pipe, a device, a socket or a folder)")]
struct NotRegular;

fn open_any(path: &Path, folder: Option<&Path>) -> io::Result<File> {
    // A pipe without a writer is opened at once, and then refused.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    Ok(match folder {
        None => fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?,
        Some(folder) => {
            let below = path.strip_prefix(folder).map_err(|_| leads_out())?;
            let mut options = cap_std::fs::OpenOptions::new();
            options.read(true).custom_flags(flags);
            let dir = Dir::open_ambient_dir(folder, ambient_authority())?;
            let file = match dir.open_with(below, &options) {
                // The library's own error for a path that leaves the folder has no number. It takes a
                // link with an absolute path for one that does.
                Err(error)
                    if error.kind() == io::ErrorKind::PermissionDenied
                        && error.raw_os_error().is_none() =>
                {
                    let real = path.canonicalize()?;
                    let folder = folder.canonicalize()?;
                    let below = real.strip_prefix(folder).map_err(|_| leads_out())?;
                    dir.open_with(below, &options).map_err(|_| leads_out())?
                }
                opened => opened?,
            };
            file.into_std()
        }
    })
}

/// Gives a file another name. The file is the one that was opened, whatever takes its place meanwhile.
pub(crate) fn link(path: &Path, folder: Option<&Path>, other: &Path) -> io::Result<()> {
    let opened = open(path, folder)?.metadata()?;
    // `link` takes a symbolic link for a file of its own.
    fs::hard_link(path.canonicalize()?, other)?;
    let linked = fs::symlink_metadata(other)?;
    if (linked.dev(), linked.ino()) != (opened.dev(), opened.ino()) {
        fs::remove_file(other)?;
        return Err(leads_out());
    }
    Ok(())
}

/// Refuses a place of the output that symbolic links of the output lead to.
pub(crate) fn refuse_links(output: &Path, relative: &Path) -> io::Result<()> {
    let folders = relative.parent().into_iter().flat_map(Path::ancestors);
    for folder in folders.filter(|folder| !folder.as_os_str().is_empty()) {
        let folder = output.join(folder);
        if fs::symlink_metadata(&folder).is_ok_and(|found| found.is_symlink()) {
            let problem = format!(
                "{} is a symbolic link in the output, and nothing is written through it: --follow does",
                folder.display()
            );
            return Err(io::Error::other(problem));
        }
    }
    Ok(())
}

pub(crate) fn leads_out() -> io::Error {
    let problem =
        "a symbolic link leads out of the folder that was given: --follow takes what it leads to";
    io::Error::new(io::ErrorKind::PermissionDenied, problem)
}

pub(crate) fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, NotRegular)
}

/// Whether an entry of a folder is a symbolic link that leads out of it.
pub(crate) fn is_led_out(entry: &walkdir::DirEntry, folder: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    entry.path_is_symlink()
        && entry.depth() > 0
        && match (real(entry.path()), real(folder)) {
            (Some(target), Some(folder)) => !target.starts_with(folder),
            // What leads nowhere is told of when it is opened.
            _ => false,
        }
}
