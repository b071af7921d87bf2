//! Files and folders in, a folder of signed manifests out.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sluicegate_manifest::{Limits, Template};
use thiserror::Error;
use url::Url;
use walkdir::WalkDir;

use crate::atomic::{self, WriteError};
use crate::open::{self, Links};
use crate::output::{Done, Others, Outcome, Output};
use crate::place::Places;
use crate::sign::Terms;
use crate::source::{Source, is_named_manifest, within};
use crate::verify::{Gate, Problem};

/// What was found among the inputs.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    manifests: Vec<Source>,
    others: Vec<Source>,
    /// Symbolic links that lead out of the folders.
    outside: Vec<Source>,
    links: Links,
    /// The folders that were looked through.
    folders: Vec<PathBuf>,
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

impl Tree {
    /// Finds manifests: in files, in folders and all below them, and by patterns such as
    /// `out/*/master.m3u8`. A file stands at the base URL by its name, a folder's files by their
    /// paths below it.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn find(inputs: &[PathBuf], links: Links) -> Result<Self, TreeError> {
        let mut tree = Self { links, ..Self::default() };
        for input in inputs {
            for input in expand(input)? {
                let metadata = fs::metadata(&input).map_err(|error| unreadable(&input, &error))?;
                if metadata.is_dir() {
                    tree.add_folder(&input)?;
                } else {
                    let relative = input.file_name().map(PathBuf::from).unwrap_or_default();
                    if !metadata.is_file() {
                        return Err(unreadable(&input, &open::not_regular()));
                    }
                    // Who names a file means it, wherever it is.
                    let beside = input.parent().map(PathBuf::from);
                    let shown = input.clone();
                    tree.manifests.push(Source {
                        path: input,
                        shown,
                        relative,
                        beside,
                        within: None,
                    });
                }
            }
        }
        tree.refuse_same()?;
        Ok(tree)
    }

    fn add_folder(&mut self, folder: &Path) -> Result<(), TreeError> {
        self.folders.push(folder.to_owned());
        let links = self.links;
        let mut files = Vec::new();
        let mut entries = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter();
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(|error| {
                let path = error.path().unwrap_or(folder).to_owned();
                let reason = match error.loop_ancestor() {
                    Some(above) => format!("a symbolic link leads back to {}", above.display()),
                    None => error.io_error().map_or_else(|| error.to_string(), ToString::to_string),
                };
                TreeError::Unreadable { path, reason }
            })?;
            if links == Links::Within && open::is_led_out(&entry, folder) {
                if entry.file_type().is_dir() {
                    entries.skip_current_dir();
                }
                self.outside.push(Source::below(folder, entry.into_path(), links));
                continue;
            }
            if entry.file_type().is_file() && !atomic::is_unfinished(entry.file_name()) {
                files.push(entry.into_path());
            }
        }
        let looked_at = files.into_par_iter().map(|path| {
            let source = Source::below(folder, path, links);
            match source.is_manifest() {
                Ok(is_manifest) => Ok((is_manifest, source)),
                Err(error) => Err(unreadable(source.path(), &error)),
            }
        });
        for (is_manifest, source) in looked_at.collect::<Result<Vec<_>, _>>()? {
            let sources = if is_manifest { &mut self.manifests } else { &mut self.others };
            sources.push(source);
        }
        Ok(())
    }

    fn refuse_same(&self) -> Result<(), TreeError> {
        let mut seen: HashMap<&OsStr, &Path> = HashMap::new();
        for source in self.sources() {
            if let Some(one) = seen.insert(source.relative.as_os_str(), &source.path) {
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
    pub fn follow(&mut self, places: &Places, limits: &Limits) {
        let mut known: BTreeSet<PathBuf> =
            self.manifests.iter().map(|found| found.relative.clone()).collect();
        let mut at = 0;
        while at < self.manifests.len() {
            let source = self.manifests[at].clone();
            at += 1;
            let Some(beside) = &source.beside else { continue };
            for relative in source.documents(places, limits) {
                let path = beside.join(&relative);
                if path.is_file() && known.insert(relative.clone()) {
                    let beside = source.beside.clone();
                    let within = beside.as_deref().and_then(|beside| within(beside, self.links));
                    self.manifests.push(Source {
                        shown: path.clone(),
                        path,
                        relative,
                        beside,
                        within,
                    });
                }
            }
        }
    }

    /// What is no manifest: paths below the folder, and where the files are.
    pub fn other_paths(&self) -> impl Iterator<Item = (&Path, &Path)> {
        self.others.iter().map(|source| (source.relative(), source.path()))
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

    /// Reads the manifests one by one, as served below `places`: what is wrong stands in place of what
    /// cannot be read.
    pub fn served<'t>(
        &'t self,
        places: &'t Places,
        limits: &'t Limits,
    ) -> impl Iterator<Item = (&'t Path, Result<(Template, Url), Problem>)> {
        self.manifests.iter().map(|source| {
            let template = source.template(limits).map_err(Problem::from);
            (source.shown(), template.map(|template| (template, places.url_of(source.relative()))))
        })
    }

    /// Whether there is no manifest.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.manifests.is_empty()
    }

    /// A tree of another place, of which a folder of this machine holds the manifests. `place` is what
    /// people call that place, and `others` are the files that are there besides, by their paths below
    /// it.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn staged(
        folder: &Path,
        place: &Path,
        others: impl IntoIterator<Item = PathBuf>,
    ) -> Result<Self, TreeError> {
        let mut tree = Self::default();
        tree.add_folder(folder)?;
        for source in &mut tree.manifests {
            source.shown = place.join(&source.relative);
        }
        let elsewhere = |relative: PathBuf| {
            let shown = place.join(&relative);
            Source { path: shown.clone(), shown, relative, beside: None, within: None }
        };
        tree.others = others.into_iter().map(elsewhere).collect();
        Ok(tree)
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
        self.prepare(output)?;
        let output = &output.absolute();
        // At the end of that time every token of what is left as it is must still open.
        let gate = output.unless_good_for.map(|rest| Gate::of(terms, rest));
        let manifests = self.manifests.par_iter().map(|source| {
            let outcome = output.sign(source, places, terms, gate.as_ref());
            let done = source.done(outcome);
            on_done(&done);
            done
        });
        let mut all: Vec<_> = manifests.collect();
        if output.others != Others::Leave {
            all.par_extend(self.others.par_iter().map(|source| {
                let done = source.done(output.take(source));
                on_done(&done);
                done
            }));
        }
        // Media may lie anywhere as long as it is not brought along.
        let outside = self
            .outside
            .iter()
            .filter(|source| output.others != Others::Leave || is_named_manifest(source.path()));
        all.extend(outside.map(|source| {
            let done = source.done(Outcome::Unreadable(open::leads_out()));
            on_done(&done);
            done
        }));
        Ok(all)
    }

    /// Makes sure that the output is apart from the inputs, and clears it of unfinished files.
    pub(crate) fn prepare(&self, output: &Output) -> Result<(), TreeError> {
        let Some(folder) = &output.folder else { return Ok(()) };
        self.refuse_overlap(folder)?;
        self.sweep(folder, output.links)
    }

    fn refuse_overlap(&self, output: &Path) -> Result<(), TreeError> {
        let out = nearest(output);
        let named = self.manifests.iter().filter(|found| found.beside.is_some());
        for input in self.folders.iter().chain(named.map(|found| &found.path)) {
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
    fn sweep(&self, output: &Path, links: Links) -> Result<(), TreeError> {
        let mut folders: Vec<_> = self
            .sources()
            .filter(|source| {
                links == Links::Follow || open::refuse_links(output, source.relative()).is_ok()
            })
            .filter_map(|source| Some(output.join(source.relative.parent()?)))
            .collect();
        folders.sort_unstable();
        folders.dedup();
        folders.iter().try_for_each(|folder| atomic::sweep(folder))?;
        Ok(())
    }
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
