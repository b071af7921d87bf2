//! Files and folders in, a folder of signed manifests out.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rayon::prelude::*;
use sluicegate_manifest::{CompileError, Format, Limits, Options, Place, SignHost, Template};
use thiserror::Error;
use walkdir::WalkDir;

use crate::atomic::{self, Durability, WriteError};
use crate::place::Places;
use crate::sign::{SignError, Signed, Terms, sign};
use crate::verify::{Gate, is_good};

/// What was found among the inputs.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    manifests: Vec<Source>,
    others: Vec<Source>,
    /// The folders that were looked through.
    folders: Vec<PathBuf>,
}

/// A file.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    path: PathBuf,
    /// Below the folder that stands for the base URL.
    relative: PathBuf,
    /// That folder, of a file that was named: what it leads to is looked for there.
    beside: Option<PathBuf>,
}

/// What becomes of files that are no manifests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Others {
    /// They stay where they are: the CDN has them already.
    #[default]
    Leave,
    /// They are copied.
    Copy,
    /// They get another name in the output, which must be on the same file system.
    Link,
}

/// Where signed manifests go.
#[derive(Clone, Debug)]
pub struct Output {
    /// The folder; none writes nothing, and only says what would be.
    pub folder: Option<PathBuf>,
    /// Whether files are on the disk when the run ends.
    pub durability: Durability,
    /// What becomes of other files.
    pub others: Others,
    /// What is signed already and good for longer than this stays as it is; none signs all anew.
    pub unless_good_for: Option<Duration>,
}

/// Why nothing was signed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TreeError {
    /// An input is not there, may not be read, or leads in a circle.
    #[error("cannot read {path}: {reason}")]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A pattern is none, or fits nothing.
    #[error("{pattern}: {reason}")]
    Pattern {
        /// As it was given.
        pattern: String,
        /// What is wrong.
        reason: String,
    },
    /// Two inputs would be one file of the output.
    #[error("{one} and {other} would both become {relative}: sign them into folders of their own")]
    Same {
        /// An input.
        one: PathBuf,
        /// Another one.
        other: PathBuf,
        /// What both would be.
        relative: PathBuf,
    },
    /// The output lies within an input, or an input within it.
    #[error(
        "the output {output} and the input {input} lie within each other: inputs are never changed, so choose a folder beside it"
    )]
    Overlap {
        /// The output.
        output: PathBuf,
        /// The input.
        input: PathBuf,
    },
    /// The output cannot be cleared of what an earlier run left unfinished.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// What became of one manifest.
#[derive(Debug)]
pub struct Done {
    /// The file.
    pub path: PathBuf,
    /// Where it is in the output.
    pub relative: PathBuf,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a file.
#[derive(Debug)]
pub enum Outcome {
    /// It was signed. The text is not kept.
    Signed(Signed),
    /// What was signed before is newer than it, and good for long enough.
    StillGood,
    /// It cannot be read.
    Unreadable(io::Error),
    /// It is no manifest that can be read.
    Broken(CompileError),
    /// It must not leave.
    Refused(SignError),
    /// It cannot be written.
    Unwritten(WriteError),
    /// It is no manifest, and was copied or linked.
    Taken,
}

impl Tree {
    /// Finds manifests: in files, in folders and all below them, and by patterns such as
    /// `out/*/master.m3u8`. A file stands at the base URL by its name, a folder's files by their
    /// paths below it.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn find(inputs: &[PathBuf]) -> Result<Self, TreeError> {
        let mut tree = Self::default();
        for input in inputs {
            for input in expand(input)? {
                let metadata = fs::metadata(&input).map_err(|error| unreadable(&input, &error))?;
                if metadata.is_dir() {
                    tree.add_folder(&input)?;
                } else {
                    let relative = input.file_name().map(PathBuf::from).unwrap_or_default();
                    // Who names a file means it, whatever it is.
                    let beside = input.parent().map(PathBuf::from);
                    tree.manifests.push(Source { path: input, relative, beside });
                }
            }
        }
        tree.refuse_same()?;
        Ok(tree)
    }

    fn add_folder(&mut self, folder: &Path) -> Result<(), TreeError> {
        self.folders.push(folder.to_owned());
        for entry in WalkDir::new(folder).follow_links(true).sort_by_file_name() {
            let entry = entry.map_err(|error| {
                let path = error.path().unwrap_or(folder).to_owned();
                let reason = match error.loop_ancestor() {
                    Some(above) => format!("a symbolic link leads back to {}", above.display()),
                    None => error.io_error().map_or_else(|| error.to_string(), ToString::to_string),
                };
                TreeError::Unreadable { path, reason }
            })?;
            if !entry.file_type().is_file() || atomic::is_unfinished(entry.file_name()) {
                continue;
            }
            let path = entry.into_path();
            let relative = path.strip_prefix(folder).unwrap_or(&path).to_owned();
            let is_manifest = is_manifest(&path).map_err(|error| unreadable(&path, &error))?;
            let sources = if is_manifest { &mut self.manifests } else { &mut self.others };
            sources.push(Source { path, relative, beside: None });
        }
        Ok(())
    }

    fn refuse_same(&self) -> Result<(), TreeError> {
        let mut seen: BTreeMap<&Path, &Path> = BTreeMap::new();
        for source in self.sources() {
            if let Some(one) = seen.insert(&source.relative, &source.path) {
                return Err(TreeError::Same {
                    one: one.to_owned(),
                    other: source.path.clone(),
                    relative: source.relative.clone(),
                });
            }
        }
        Ok(())
    }

    /// Adds what the manifests that were named lead to: playlists and other documents below the
    /// folders of these, as far as they are there.
    pub fn follow(&mut self, places: &Places) {
        let mut known: BTreeSet<PathBuf> =
            self.manifests.iter().map(|found| found.relative.clone()).collect();
        let mut at = 0;
        while at < self.manifests.len() {
            let source = self.manifests[at].clone();
            at += 1;
            let Some(beside) = &source.beside else { continue };
            for relative in source.documents(places) {
                let path = beside.join(&relative);
                if path.is_file() && known.insert(relative.clone()) {
                    self.manifests.push(Source { path, relative, beside: source.beside.clone() });
                }
            }
        }
    }

    pub(crate) fn manifests(&self) -> &[Source] {
        &self.manifests
    }

    pub(crate) fn others(&self) -> &[Source] {
        &self.others
    }

    pub(crate) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.manifests.iter().chain(&self.others)
    }

    /// The manifests: their paths below the folder, and where they are.
    pub fn paths(&self) -> impl Iterator<Item = (&Path, &Path)> {
        self.manifests.iter().map(|source| (source.relative(), source.path()))
    }

    /// Whether there is no manifest.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.manifests.is_empty()
    }

    /// Signs all manifests, on all cores, each as served below `places`. One that cannot be signed
    /// is not written, and keeps none of the others from being so. `on_done` hears of each.
    ///
    /// # Errors
    /// [`TreeError`] before anything is written, if the output is not apart from the inputs.
    pub fn sign(
        &self,
        places: &Places,
        terms: &Terms,
        output: &Output,
        on_done: &(dyn Fn(&Done) + Sync),
    ) -> Result<Vec<Done>, TreeError> {
        if let Some(folder) = &output.folder {
            self.refuse_overlap(folder)?;
            self.sweep(folder)?;
        }
        // At the end of that time every token of what is left as it is must still open.
        let gate = output.unless_good_for.map(|rest| Gate::of(terms, rest));
        let manifests = self.manifests.par_iter().map(|source| {
            let outcome = sign_one(source, places, terms, output, gate.as_ref());
            let done = source.done(outcome);
            on_done(&done);
            done
        });
        let mut all: Vec<_> = manifests.collect();
        if output.others != Others::Leave {
            all.par_extend(self.others.par_iter().map(|source| {
                let done = source.done(take(source, output));
                on_done(&done);
                done
            }));
        }
        Ok(all)
    }

    fn refuse_overlap(&self, output: &Path) -> Result<(), TreeError> {
        let out = nearest(output);
        for input in self.folders.iter().chain(self.manifests.iter().map(|found| &found.path)) {
            let Ok(real) = input.canonicalize() else { continue };
            let is_within = out.starts_with(&real) || (real.is_dir() && real.starts_with(&out));
            // A file of the output's own folder would be overwritten by its signed self.
            let is_itself = !real.is_dir() && real.parent() == Some(&*out);
            if is_within || is_itself {
                let (output, input) = (output.to_owned(), input.clone());
                return Err(TreeError::Overlap { output, input });
            }
        }
        Ok(())
    }

    /// Clears away what a run that was killed left.
    fn sweep(&self, output: &Path) -> Result<(), TreeError> {
        let mut folders: Vec<_> = self
            .sources()
            .filter_map(|source| Some(output.join(source.relative.parent()?)))
            .collect();
        folders.sort_unstable();
        folders.dedup();
        folders.iter().try_for_each(|folder| atomic::sweep(folder))?;
        Ok(())
    }
}

impl Source {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Below the folder that stands for the base URL.
    pub(crate) fn relative(&self) -> &Path {
        &self.relative
    }

    /// The documents that it leads to, by their paths below the folder. What cannot be read is told
    /// of when it is signed.
    fn documents(&self, places: &Places) -> Vec<PathBuf> {
        let Ok(template) = self.template() else { return Vec::new() };
        let place = Place::at(places.url_of(&self.relative));
        let mut policy = SignHost::default();
        let decided = template.decisions(&place, &mut policy);
        decided
            .filter(|decided| decided.slot.role().is_document())
            .filter_map(|decided| places.path_of(&decided.url?))
            .collect()
    }

    /// Reads it and finds its URIs. It is the caller's own file: the limits are for what an origin
    /// sends.
    pub(crate) fn template(&self) -> Result<Template, Unusable> {
        let bytes = fs::read(&self.path)?;
        let options = Options { limits: Limits::NONE, ..Options::default() };
        Ok(Template::compile(bytes.into(), &options)?)
    }

    fn done(&self, outcome: Outcome) -> Done {
        Done { path: self.path.clone(), relative: self.relative.clone(), outcome }
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

fn sign_one(
    source: &Source,
    places: &Places,
    terms: &Terms,
    output: &Output,
    gate: Option<&Gate>,
) -> Outcome {
    let template = match source.template() {
        Ok(template) => template,
        Err(unusable) => return unusable.into(),
    };
    let path = output.folder.as_ref().map(|folder| folder.join(&source.relative));
    if let (Some(path), Some(gate)) = (&path, gate)
        && is_still_good(source, path, places, gate)
    {
        return Outcome::StillGood;
    }
    let mut signed = match sign(&template, places.url_of(&source.relative), terms) {
        Ok(signed) => signed,
        Err(error) => return Outcome::Refused(error),
    };
    let text = std::mem::take(&mut signed.text);
    match path.map(|path| atomic::write(&path, &text, output.durability)) {
        Some(Err(error)) => Outcome::Unwritten(error),
        Some(Ok(())) | None => Outcome::Signed(signed),
    }
}

/// Whether what was written is newer than its source, with tokens that all open at the gate.
fn is_still_good(source: &Source, written: &Path, places: &Places, gate: &Gate) -> bool {
    let modified = |path: &Path| fs::metadata(path).and_then(|found| found.modified()).ok();
    let (Some(then), Some(changed)) = (modified(written), modified(&source.path)) else {
        return false;
    };
    let written = Source { path: written.to_owned(), ..source.clone() };
    then >= changed && is_good(&written, places, gate)
}

fn take(source: &Source, output: &Output) -> Outcome {
    let Some(folder) = &output.folder else { return Outcome::Taken };
    let path = folder.join(&source.relative);
    let taken = match output.others {
        Others::Link => atomic::link(&source.path, &path),
        Others::Copy | Others::Leave => atomic::copy(&source.path, &path, output.durability),
    };
    taken.map_or_else(Outcome::Unwritten, |()| Outcome::Taken)
}

/// The paths that a pattern fits, or the one that is none.
fn expand(input: &Path) -> Result<Vec<PathBuf>, TreeError> {
    let is_pattern = |text: &str| text.contains(['*', '?', '[']);
    // A file may have such a name.
    let Some(pattern) = input.to_str().filter(|text| is_pattern(text) && !input.exists()) else {
        return Ok(vec![input.to_owned()]);
    };
    let wrong = |reason: String| TreeError::Pattern { pattern: pattern.to_owned(), reason };
    let found = glob::glob(pattern).map_err(|error| wrong(error.to_string()))?;
    let found: Vec<_> =
        found.collect::<Result<_, _>>().map_err(|error| wrong(error.to_string()))?;
    if found.is_empty() {
        return Err(wrong("it fits no file".to_owned()));
    }
    Ok(found)
}

/// Whether a file is a manifest, or a document with URIs that one names.
fn is_manifest(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    let mut file = File::open(path)?;
    let sniffed = u64::try_from(Format::SNIFF_BYTES).unwrap_or(u64::MAX);
    (&mut file).take(sniffed).read_to_end(&mut start)?;
    if Format::needs_whole(&start) {
        // JSON of a megabyte describes something else.
        const MAX_JSON_BYTES: u64 = 1 << 20;
        file.take(MAX_JSON_BYTES).read_to_end(&mut start)?;
    }
    let is_named = path.extension().is_some_and(|extension| {
        ["m3u8", "mpd"].iter().any(|known| extension.eq_ignore_ascii_case(OsStr::new(known)))
    });
    let holds = Format::detect(&start).is_some_and(|format| format.may_hold_uris(&start));
    // What is named so and is none must be told of, not left out.
    Ok(holds || is_named)
}

fn unreadable(path: &Path, error: &io::Error) -> TreeError {
    TreeError::Unreadable { path: path.to_owned(), reason: error.to_string() }
}

/// A path without links, as far as it is there.
fn nearest(path: &Path) -> PathBuf {
    let mut missing = Vec::new();
    let mut at = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    loop {
        if let Ok(real) = at.canonicalize() {
            return missing.iter().rev().fold(real, |path, name| path.join(name));
        }
        match (at.file_name().map(ToOwned::to_owned), at.parent().map(ToOwned::to_owned)) {
            (Some(name), Some(parent)) => {
                missing.push(name);
                at = parent;
            }
            _ => return at,
        }
    }
}
