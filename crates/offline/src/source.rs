//! A file of a tree: where it is, whether it is a manifest, and what it leads to.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sluicegate_manifest::{CompileError, Format, Limits, Options, Place, SignHost, Template};
use thiserror::Error;

use crate::open::{self, Links};
use crate::output::{Done, Outcome};
use crate::place::Places;
use crate::verify::Problem;

/// A file.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    /// What people call it: its path, or where it was fetched from.
    pub(crate) shown: PathBuf,
    /// Below the folder that stands for the base URL.
    pub(crate) relative: PathBuf,
    /// That folder, of a file that was named: what it leads to is looked for there.
    pub(crate) beside: Option<PathBuf>,
    /// The folder that no symbolic link may leave on the way to it.
    pub(crate) within: Option<PathBuf>,
}

impl Source {
    /// A file of a folder.
    pub(crate) fn below(folder: &Path, path: PathBuf, links: Links) -> Self {
        let relative = path.strip_prefix(folder).unwrap_or(&path).to_owned();
        Self { shown: path.clone(), path, relative, beside: None, within: within(folder, links) }
    }

    /// What stands for it elsewhere.
    pub(crate) fn at(&self, path: &Path) -> Self {
        Self { path: path.to_owned(), within: None, ..self.clone() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What people call it.
    pub(crate) fn shown(&self) -> &Path {
        &self.shown
    }

    /// Below the folder that stands for the base URL.
    pub(crate) fn relative(&self) -> &Path {
        &self.relative
    }

    /// The documents that it leads to, by their paths below the folder. What cannot be read is told
    /// of when it is signed.
    pub(crate) fn documents(&self, places: &Places, limits: &Limits) -> Vec<PathBuf> {
        let Ok(template) = self.template(limits) else { return Vec::new() };
        let place = Place::at(places.url_of(&self.relative));
        let mut policy = SignHost::default();
        let decided = template.decisions(&place, &mut policy);
        decided
            .filter(|decided| decided.slot.role().is_document())
            .filter_map(|decided| places.path_of(&decided.url?))
            .collect()
    }

    /// Reads it and finds its URIs.
    pub(crate) fn template(&self, limits: &Limits) -> Result<Template, Unusable> {
        let mut bytes = Vec::new();
        self.open()?.read_to_end(&mut bytes)?;
        let options = Options { limits: *limits, ..Options::default() };
        Ok(Template::compile(bytes.into(), &options)?)
    }

    /// Opens it.
    pub(crate) fn open(&self) -> io::Result<File> {
        open::open(&self.path, self.within.as_deref())
    }

    /// Whether it is a manifest, or a document with URIs that one names.
    pub(crate) fn is_manifest(&self) -> io::Result<bool> {
        if is_named_manifest(&self.path) {
            return Ok(true);
        }
        is_manifest(self.open()?, &self.path)
    }

    pub(crate) fn done(&self, outcome: Outcome) -> Done {
        Done { path: self.shown.clone(), relative: self.relative.clone(), outcome }
    }
}

/// Why a file is no template.
#[derive(Debug, Error)]
pub(crate) enum Unusable {
    #[error(transparent)]
    Unreadable(#[from] io::Error),
    #[error(transparent)]
    Broken(#[from] CompileError),
}

impl From<Unusable> for Outcome {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::Unreadable(error) => Self::Unreadable(error),
            Unusable::Broken(error) => Self::Broken(error),
        }
    }
}

impl From<Unusable> for Problem {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::Unreadable(error) => Self::Unreadable(error.to_string()),
            Unusable::Broken(error) => Self::Broken(error),
        }
    }
}

fn is_manifest(mut file: File, path: &Path) -> io::Result<bool> {
    let mut start = [0; Format::SNIFF_BYTES];
    let mut len = 0;
    while len < start.len() {
        match file.read(&mut start[len..])? {
            0 => break,
            count => len += count,
        }
    }
    let start = &start[..len];
    if !Format::needs_whole(start) {
        return Ok(looks_like_manifest(path, start));
    }
    let mut whole = start.to_vec();
    file.take(MAX_JSON_BYTES).read_to_end(&mut whole)?;
    Ok(looks_like_manifest(path, &whole))
}

/// The folder that no link may leave.
pub(crate) fn within(folder: &Path, links: Links) -> Option<PathBuf> {
    (links == Links::Within).then(|| folder.to_owned())
}

/// JSON of a megabyte describes something else.
const MAX_JSON_BYTES: u64 = 1 << 20;

/// Whether a file of this name that begins so is a manifest, or a document with URIs that one names.
/// Of JSON it takes the whole to tell.
#[must_use]
pub fn looks_like_manifest(name: &Path, start: &[u8]) -> bool {
    is_named_manifest(name)
        || Format::detect(start).is_some_and(|format| format.may_hold_uris(start))
}

/// What is named so and is none must be told of, not left out.
pub(crate) fn is_named_manifest(name: &Path) -> bool {
    name.extension().is_some_and(|extension| {
        ["m3u8", "mpd"].iter().any(|known| extension.eq_ignore_ascii_case(OsStr::new(known)))
    })
}
