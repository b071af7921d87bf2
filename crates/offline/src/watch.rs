//! A folder whose manifests are signed again whenever a packager replaces them.
//!
//! A playlist is published when all that it names is there: media in the input, or in the output if
//! it is brought along, and playlists in the output. Until then the output keeps the one before.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use sluicegate_manifest::{Place, Role, Template};
use thiserror::Error;
use walkdir::WalkDir;

use crate::leads::files;
use crate::open::{self, Links};
use crate::output::{Done, Others, Outcome, Output};
use crate::place::Places;
use crate::sign::Terms;
use crate::source::Source;
use crate::tree::{Tree, TreeError};

/// A folder that is watched, and what it is signed into.
#[derive(Debug)]
pub struct Watch {
    /// As it was given.
    folder: PathBuf,
    /// What the paths of events begin with.
    root: PathBuf,
    places: Places,
    output: Output,
    messages: Receiver<Message>,
    stopper: Stopper,
    /// Tells of changes as long as it is there.
    _watcher: RecommendedWatcher,
    /// What this run has put into the output, by the paths below it; whether it is a manifest.
    published: BTreeMap<PathBuf, bool>,
    /// What has become of each file is told: it is not looked at again while it is this one.
    seen: BTreeMap<PathBuf, Version>,
    /// Manifests that are not published yet, each with what it waits for.
    waiting: BTreeMap<PathBuf, Option<PathBuf>>,
}

/// Ends a watch from elsewhere.
#[derive(Clone, Debug)]
pub struct Stopper(Sender<Message>);

/// What the watch tells of.
#[derive(Debug)]
pub enum News {
    /// A manifest was signed, or could not be; a file was brought along, or could not be.
    Done(Done),
    /// A manifest waits for something that it names. It is told once.
    Waits {
        /// The manifest, below the folder.
        relative: PathBuf,
        /// What is not there.
        what: PathBuf,
    },
    /// A file has gone, and its like in the output with it.
    Removed(PathBuf),
    /// Something went wrong that is not one file's; the watch goes on.
    Trouble(String),
}

/// Why a folder cannot be watched, or no longer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WatchError {
    /// What is there cannot be taken.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The system does not tell of changes.
    #[error("cannot watch {folder}: {reason}")]
    Unwatched {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The folder has been removed, or renamed.
    #[error("{0} has gone")]
    Gone(PathBuf),
}

/// What tells one file from another, or from itself when it is written anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

#[derive(Debug)]
enum Message {
    Changed(notify::Result<Event>),
    Stop,
}

/// What some events tell, taken together.
#[derive(Debug, Default)]
struct Changes {
    /// Below the folder.
    paths: BTreeSet<PathBuf>,
    /// The system has lost count of them.
    all: bool,
    /// Tokens must be renewed.
    is_due: bool,
    stop: bool,
}

impl Stopper {
    /// Lets the watch finish what it is at, and return.
    pub fn stop(&self) {
        // A watch that has ended needs no telling.
        let _ = self.0.send(Message::Stop);
    }
}

impl Watch {
    /// Begins to watch a folder and all below it.
    ///
    /// # Errors
    /// [`WatchError`]: the folder is not there, or lies within the output, or this in it.
    pub fn open(folder: &Path, places: Places, output: Output) -> Result<Self, WatchError> {
        let tree = Tree::find(&[folder.to_owned()], output.links)?;
        tree.prepare(&output)?;
        let (sender, messages) = mpsc::channel();
        let stopper = Stopper(sender.clone());
        let unwatched = |error: notify::Error| WatchError::Unwatched {
            folder: folder.to_owned(),
            reason: reason(&error),
        };
        let mut watcher = notify::recommended_watcher(move |event| {
            // Nobody listens when the watch has ended.
            let _ = sender.send(Message::Changed(event));
        })
        .map_err(unwatched)?;
        let root = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        watcher.watch(&root, RecursiveMode::Recursive).map_err(unwatched)?;
        Ok(Self {
            folder: folder.to_owned(),
            root,
            places,
            output,
            messages,
            stopper,
            _watcher: watcher,
            published: BTreeMap::new(),
            seen: BTreeMap::new(),
            waiting: BTreeMap::new(),
        })
    }

    /// What ends it.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Signs all that is there, and then what changes, until it is stopped. Each time the tokens are
    /// on the terms of that moment; all is signed again after `renew_after`, that no token runs out.
    ///
    /// # Errors
    /// [`WatchError::Gone`].
    pub fn run(
        mut self,
        terms: &dyn Fn() -> Result<Terms, String>,
        renew_after: Option<Duration>,
        on_news: &mut dyn FnMut(&News),
    ) -> Result<(), WatchError> {
        let mut changes = Changes { all: true, ..Changes::default() };
        let mut signed_all = Instant::now();
        loop {
            if !self.folder.is_dir() {
                return Err(WatchError::Gone(self.folder));
            }
            if changes.all {
                self.scan(Path::new(""), &mut changes.paths);
                changes.paths.extend(self.published.keys().cloned());
            }
            if changes.all || changes.is_due {
                let manifests = self.published.iter().filter(|(_, is_manifest)| **is_manifest);
                self.waiting.extend(manifests.map(|(path, _)| (path.clone(), None)));
                signed_all = Instant::now();
            }
            self.take_in(&changes.paths, on_news);
            self.publish(terms, on_news);
            changes = self.wait(renew_after.map(|after| signed_all + after), on_news);
            if changes.stop {
                return Ok(());
            }
        }
    }

    /// Waits until something changes, or all is due.
    fn wait(&self, due: Option<Instant>, on_news: &mut dyn FnMut(&News)) -> Changes {
        let mut changes = Changes::default();
        let first = match due {
            None => self.messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(due) => self.messages.recv_timeout(due.saturating_duration_since(Instant::now())),
        };
        match first {
            Ok(message) => changes.add(message, &self.root, on_news),
            Err(RecvTimeoutError::Timeout) => changes.is_due = true,
            // It cannot be: this holds a sender itself.
            Err(RecvTimeoutError::Disconnected) => changes.stop = true,
        }
        for message in self.messages.try_iter() {
            changes.add(message, &self.root, on_news);
        }
        changes
    }

    /// The files of a folder that has come. What cannot be read is told of when it changes.
    fn scan(&self, relative: &Path, paths: &mut BTreeSet<PathBuf>) {
        let entries = WalkDir::new(self.folder.join(relative)).follow_links(true);
        let files = entries.into_iter().flatten().filter(|entry| entry.file_type().is_file());
        paths.extend(
            files.map(|file| {
                Source::below(&self.folder, file.into_path(), self.output.links).relative
            }),
        );
    }

    /// Takes note of each changed file: media is brought along, manifests wait to be published, and
    /// what has gone leaves the output.
    fn take_in(&mut self, paths: &BTreeSet<PathBuf>, on_news: &mut dyn FnMut(&News)) {
        let mut come = BTreeSet::new();
        for path in paths {
            match fs::metadata(self.folder.join(path)) {
                Ok(metadata) if metadata.is_dir() => self.scan(path, &mut come),
                Ok(_) => {
                    come.insert(path.clone());
                }
                Err(_) => self.remove(path, on_news),
            }
        }
        for relative in come {
            if relative.file_name().is_none_or(is_unfinished) {
                continue;
            }
            let source = self.source(&relative);
            let version = Version::of(source.path());
            if version.is_some() && self.seen.get(&relative) == version.as_ref() {
                continue;
            }
            match source.is_manifest() {
                Ok(true) => {
                    self.waiting.entry(relative).or_default();
                }
                Ok(false) => self.bring(&source, on_news),
                // It went as it had come, and that is told, too.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    // Media may lie anywhere as long as it is not brought along.
                    self.see(&source);
                    if self.output.others != Others::Leave {
                        on_news(&News::Done(source.done(Outcome::Unreadable(error))));
                    }
                }
            }
        }
    }

    fn source(&self, relative: &Path) -> Source {
        Source::below(&self.folder, self.folder.join(relative), self.output.links)
    }

    fn remove(&mut self, relative: &Path, on_news: &mut dyn FnMut(&News)) {
        // A folder that has gone as a whole, with its disk perhaps, takes nothing along.
        if relative.as_os_str().is_empty() {
            return;
        }
        self.waiting.retain(|waiting, _| !waiting.starts_with(relative));
        self.seen.retain(|seen, _| !seen.starts_with(relative));
        let gone: Vec<_> =
            self.published.keys().filter(|path| path.starts_with(relative)).cloned().collect();
        for relative in gone {
            self.published.remove(&relative);
            let Some(folder) = &self.output.folder else { continue };
            let refused = match self.output.links {
                Links::Within => open::refuse_links(folder, &relative),
                Links::Follow => Ok(()),
            };
            match refused.and_then(|()| fs::remove_file(folder.join(&relative))) {
                Ok(()) => on_news(&News::Removed(relative)),
                Err(error) => {
                    let path = folder.join(&relative);
                    on_news(&News::Trouble(format!("cannot remove {}: {error}", path.display())));
                }
            }
        }
    }

    /// Notes which version of a file is looked at: before it is, so that a later one is looked at, too.
    fn see(&mut self, source: &Source) {
        if let Some(version) = Version::of(source.path()) {
            self.seen.insert(source.relative.clone(), version);
        }
    }

    /// Brings a file along that is no manifest, if that is wanted.
    fn bring(&mut self, source: &Source, on_news: &mut dyn FnMut(&News)) {
        if self.output.others == Others::Leave {
            return;
        }
        self.see(source);
        let outcome = self.output.take(source);
        if matches!(outcome, Outcome::Taken) {
            self.published.insert(source.relative.clone(), false);
        }
        on_news(&News::Done(source.done(outcome)));
    }

    /// Publishes each manifest that waits for nothing more. One may have waited for another.
    fn publish(
        &mut self,
        terms: &dyn Fn() -> Result<Terms, String>,
        on_news: &mut dyn FnMut(&News),
    ) {
        if self.waiting.is_empty() {
            return;
        }
        let terms = match terms() {
            Ok(terms) => terms,
            Err(why) => return on_news(&News::Trouble(why)),
        };
        loop {
            let before = self.waiting.len();
            for relative in self.waiting.keys().cloned().collect::<Vec<_>>() {
                self.publish_one(&relative, &terms, on_news);
            }
            if matches!(self.waiting.len(), left if left == 0 || left == before) {
                return;
            }
        }
    }

    fn publish_one(&mut self, relative: &Path, terms: &Terms, on_news: &mut dyn FnMut(&News)) {
        let source = self.source(relative);
        self.see(&source);
        let outcome = match source.template(&terms.limits) {
            Ok(template) => {
                let missing = self.missing(&template, &source, terms, on_news);
                if let Some(what) = missing {
                    let told = self.waiting.insert(relative.to_owned(), Some(what.clone()));
                    if told.flatten().as_ref() != Some(&what) {
                        on_news(&News::Waits { relative: relative.to_owned(), what });
                    }
                    return;
                }
                self.output.sign_template(&template, &source, &self.places, terms)
            }
            Err(unusable) => unusable.into(),
        };
        self.waiting.remove(relative);
        if matches!(outcome, Outcome::Signed(_)) {
            self.published.insert(relative.to_owned(), true);
        }
        on_news(&News::Done(source.done(outcome)));
    }

    /// The first of what a manifest names that players would not find.
    fn missing(
        &mut self,
        template: &Template,
        source: &Source,
        terms: &Terms,
        on_news: &mut dyn FnMut(&News),
    ) -> Option<PathBuf> {
        let url = self.places.url_of(&source.relative);
        let place = Place { now: Some(terms.now), ..Place::at(url) };
        for lead in files(template, &place) {
            // These name each other, and what comes later.
            let may_be_missing = lead.may_be_missing
                || lead.is_template
                || matches!(
                    lead.role,
                    Role::RenditionReport | Role::Location | Role::PatchLocation
                );
            let relative = self.places.path_of(&lead.url).filter(|_| !may_be_missing);
            let Some(relative) = relative.filter(|relative| *relative != source.relative) else {
                continue;
            };
            let is_there = if lead.role.is_document() {
                self.published.contains_key(&relative)
            } else {
                self.is_there(&relative, on_news)
            };
            if !is_there {
                return Some(relative);
            }
        }
        None
    }

    /// Whether a file is where players will ask for it. One that is to be brought along, and whose
    /// coming has not been told yet, is brought now.
    fn is_there(&mut self, relative: &Path, on_news: &mut dyn FnMut(&News)) -> bool {
        let source = self.source(relative);
        if self.output.others != Others::Leave && !self.published.contains_key(relative) {
            if source.path().is_file() {
                self.bring(&source, on_news);
            }
            return self.published.contains_key(relative);
        }
        source.path().is_file()
    }
}

impl Version {
    fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        let changed = (found.mtime(), found.mtime_nsec());
        Some(Self { inode: found.ino(), bytes: found.len(), changed })
    }
}

impl Changes {
    fn add(&mut self, message: Message, root: &Path, on_news: &mut dyn FnMut(&News)) {
        match message {
            Message::Stop => self.stop = true,
            Message::Changed(Err(error)) => on_news(&News::Trouble(reason(&error))),
            Message::Changed(Ok(event)) => {
                self.all |= event.need_rescan();
                let told = event.paths.iter().filter(|path| is_told(event.kind, path));
                let relative = told.filter_map(|path| path.strip_prefix(root).ok());
                self.paths.extend(relative.map(ToOwned::to_owned));
            }
        }
    }
}

/// Whether an event says that a file is as its writer wants it, or gone.
fn is_told(kind: EventKind, path: &Path) -> bool {
    match kind {
        // Both names of a renamed file are told one by one, and together then.
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => false,
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Name(_))
        | EventKind::Remove(_) => true,
        // A new file is still empty, unless it is another name of one, or a folder.
        EventKind::Create(_) => {
            fs::symlink_metadata(path).is_ok_and(|found| !found.is_file() || found.nlink() > 1)
        }
        _ => false,
    }
}

/// Whether a name is one under which files are written before they are renamed: ffmpeg's `.tmp`,
/// rsync's leading dot, and others.
fn is_unfinished(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(b".") || [&b".tmp"[..], b".part", b"~"].iter().any(|end| name.ends_with(end))
}

/// What the system says, without the library's words for it.
fn reason(error: &notify::Error) -> String {
    match &error.kind {
        notify::ErrorKind::MaxFilesWatch => "the system's limit of watched folders is reached: \
             raise fs.inotify.max_user_watches (sysctl)"
            .to_owned(),
        notify::ErrorKind::Io(error) => error.to_string(),
        _ => error.to_string(),
    }
}
