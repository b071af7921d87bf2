//! Where signed manifests go, and what became of each.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sluicegate_manifest::{CompileError, Template};

use crate::atomic::{self, Durability, WriteError};
use crate::open::{self, Links};
use crate::place::Places;
use crate::sign::{SignError, Signed, Terms, sign};
use crate::source::Source;
use crate::verify::{Gate, is_good};

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
    /// Where symbolic links of the output may lead, and in a folder that is watched.
    pub links: Links,
    /// What is signed already and good for longer than this stays as it is; none signs all anew.
    pub unless_good_for: Option<Duration>,
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

impl Output {
    /// The same with a folder that needs no looking for where the process is.
    pub(crate) fn absolute(&self) -> Self {
        let absolute = |folder: &PathBuf| std::path::absolute(folder).unwrap_or(folder.clone());
        Self { folder: self.folder.as_ref().map(absolute), ..self.clone() }
    }

    /// Signs a manifest and writes it to its place, unless what was written is good at `gate`.
    pub(crate) fn sign(
        &self,
        source: &Source,
        places: &Places,
        terms: &Terms,
        gate: Option<&Gate>,
    ) -> Outcome {
        let path = self.path_of(source);
        if let (Some(path), Some(gate)) = (&path, gate)
            && is_still_good(source, path, places, gate)
        {
            return Outcome::StillGood;
        }
        match source.template(&terms.limits) {
            Ok(template) => self.sign_template(&template, source, places, terms),
            Err(unusable) => unusable.into(),
        }
    }

    /// The same for one that is read already.
    pub(crate) fn sign_template(
        &self,
        template: &Template,
        source: &Source,
        places: &Places,
        terms: &Terms,
    ) -> Outcome {
        let mut signed = match sign(template, places.url_of(source.relative()), terms) {
            Ok(signed) => signed,
            Err(error) => return Outcome::Refused(error),
        };
        let text = std::mem::take(&mut signed.text);
        match self.path_of(source).map(|path| {
            self.refuse_links(source, &path)?;
            atomic::write(&path, &text, self.durability)
        }) {
            Some(Err(error)) => Outcome::Unwritten(error),
            Some(Ok(())) | None => Outcome::Signed(signed),
        }
    }

    /// Brings along what is no manifest.
    pub(crate) fn take(&self, source: &Source) -> Outcome {
        let Some(path) = self.path_of(source) else { return Outcome::Taken };
        let taken = self.refuse_links(source, &path).and_then(|()| match self.others {
            Others::Link => atomic::link(source, &path),
            Others::Copy | Others::Leave => atomic::copy(source, &path, self.durability),
        });
        taken.map_or_else(Outcome::Unwritten, |()| Outcome::Taken)
    }

    fn refuse_links(&self, source: &Source, path: &Path) -> Result<(), WriteError> {
        let Some(folder) = self.folder.as_ref().filter(|_| self.links == Links::Within) else {
            return Ok(());
        };
        let failed = |source| WriteError { path: path.to_owned(), source };
        open::refuse_links(folder, source.relative()).map_err(failed)
    }

    pub(crate) fn path_of(&self, source: &Source) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join(source.relative()))
    }
}

/// Whether what was written is newer than its source, with tokens that all open at the gate.
fn is_still_good(source: &Source, written: &Path, places: &Places, gate: &Gate) -> bool {
    let modified = |path: &Path| fs::metadata(path).and_then(|found| found.modified()).ok();
    let (Some(then), Some(changed)) = (modified(written), modified(source.path())) else {
        return false;
    };
    then >= changed && is_good(&source.at(written), places, gate)
}
