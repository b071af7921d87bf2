//! Folders of object storage: `s3://bucket/folder`, and the other stores of the crate `object_store`.
//!
//! Their manifests are staged in a folder of this machine, where they are signed as any others. Objects
//! are replaced whole, as the stores do it. What fails in passing is tried again by the crate.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::buffered::BufWriter;
use object_store::path::Path as Key;
use object_store::{
    Attribute, AttributeValue, Attributes, ObjectMeta, ObjectStore, ObjectStoreExt as _,
};
use sluicegate_gateway::{media_type_of, names_a_media_file};
use sluicegate_offline::{Durability, looks_like_manifest, replace};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::io::{StreamReader, SyncIoBridge};
use url::Url;

use crate::output::Progress;

/// How many requests run at once.
const AT_ONCE: usize = 16;
/// An object that is no longer is read whole at once, to see what it is.
const SMALL_BYTES: u64 = 1 << 20;
/// What is read of a longer one.
const START_BYTES: u64 = 16 << 10;

/// A folder of a store.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    store: Arc<dyn ObjectStore>,
    folder: Key,
    /// What the URL says of the store: `s3://bucket`.
    place: String,
    /// The URL, as it was given.
    shown: PathBuf,
}

impl Store {
    /// Opens `s3://bucket/folder`; the environment tells credentials, region and endpoint
    /// (`AWS_ACCESS_KEY_ID`, `AWS_REGION`, `AWS_ENDPOINT`, and so on).
    pub(crate) fn open(url: &Path) -> anyhow::Result<Self> {
        let parsed = url.to_str().and_then(|text| Url::parse(text).ok());
        let parsed = parsed.with_context(|| format!("{} is no URL", url.display()))?;
        let (store, folder) = object_store::parse_url_opts(&parsed, std::env::vars())
            .map_err(|error| anyhow!("cannot use {}: {error}", url.display()))?;
        let place = parsed[..url::Position::BeforePath].to_owned();
        Ok(Self { store: Arc::from(store), folder, place, shown: url.to_owned() })
    }

    /// Whether one of two folders lies within the other.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let is_within = |one: &Key, other: &Key| one.prefix_matches(other);
        self.place == other.place
            && (is_within(&self.folder, &other.folder) || is_within(&other.folder, &self.folder))
    }

    /// What people call it.
    pub(crate) fn shown(&self) -> &Path {
        &self.shown
    }

    /// Fetches all manifests into a folder of this machine, and lists what else there is, by its paths
    /// below the folder. Names of media files are taken at their word; of everything else the content
    /// tells.
    pub(crate) async fn stage(
        &self,
        to: &Path,
        progress: &Progress,
    ) -> anyhow::Result<Vec<PathBuf>> {
        let listed = self.store.list(Some(&self.folder));
        let unlisted = |error| anyhow!("cannot list {}: {error}", self.shown.display());
        let looked_at = listed.map_err(unlisted).map_ok(async |found| {
            let relative = self.relative(&found.location)?;
            let is_manifest = self.stage_one(&found, &relative, to).await;
            progress.one_more();
            // The crate's errors tell their causes themselves.
            let failed =
                |error| anyhow!("cannot read {}: {error}", self.shown.join(&relative).display());
            Ok((is_manifest.map_err(failed)?, relative))
        });
        let found: Vec<(bool, PathBuf)> =
            looked_at.try_buffer_unordered(AT_ONCE).try_collect().await?;
        let others = found.into_iter().filter(|(is_manifest, _)| !is_manifest);
        let mut others: Vec<_> = others.map(|(_, relative)| relative).collect();
        others.sort_unstable();
        Ok(others)
    }

    async fn stage_one(
        &self,
        found: &ObjectMeta,
        relative: &Path,
        to: &Path,
    ) -> anyhow::Result<bool> {
        if names_a_media_file(found.location.as_ref()) {
            return Ok(false);
        }
        if found.size > SMALL_BYTES {
            let start = self.store.get_range(&found.location, 0..START_BYTES).await?;
            if !looks_like_manifest(relative, &start) {
                return Ok(false);
            }
        }
        let bytes = self.store.get(&found.location).await?.bytes().await?;
        let is_manifest = looks_like_manifest(relative, &bytes);
        if is_manifest {
            put_file(&to.join(relative), &bytes, found)?;
        }
        Ok(is_manifest)
    }

    /// Fetches those of some manifests that are there, with their times: what was signed before.
    pub(crate) async fn stage_signed(
        &self,
        relatives: &[PathBuf],
        to: &Path,
    ) -> anyhow::Result<()> {
        let fetched = stream::iter(relatives).map(Ok).map_ok(async |relative| {
            let object = match self.store.get(&self.key(relative)?).await {
                Err(object_store::Error::NotFound { .. }) => return Ok(()),
                object => object?,
            };
            let meta = object.meta.clone();
            put_file(&to.join(relative), &object.bytes().await?, &meta)
        });
        fetched.try_buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Puts a file of this machine in its place: a large one in pieces.
    pub(crate) async fn put(&self, from: &Path, relative: &Path) -> anyhow::Result<()> {
        let file = tokio::fs::File::open(from).await?;
        self.fill(file, relative).await
    }

    /// Puts an object of another folder in its place.
    pub(crate) async fn copy_from(&self, other: &Self, relative: &Path) -> anyhow::Result<()> {
        let object = other.store.get(&other.key(relative)?).await?;
        let bytes = StreamReader::new(object.into_stream().map_err(std::io::Error::from));
        self.fill(bytes, relative).await
    }

    /// Puts an object into a file of this machine.
    pub(crate) async fn copy_to(
        &self,
        folder: &Path,
        relative: &Path,
        durability: Durability,
    ) -> anyhow::Result<()> {
        let object = self.store.get(&self.key(relative)?).await?;
        let bytes = StreamReader::new(object.into_stream().map_err(std::io::Error::from));
        let mut bytes = SyncIoBridge::new(Box::pin(bytes));
        let path = folder.join(relative);
        let fill =
            move || replace(&path, durability, |file| std::io::copy(&mut bytes, file).map(|_| ()));
        Ok(tokio::task::spawn_blocking(fill).await??)
    }

    async fn fill(
        &self,
        mut from: impl tokio::io::AsyncRead + Unpin,
        relative: &Path,
    ) -> anyhow::Result<()> {
        let writer = BufWriter::new(Arc::clone(&self.store), self.key(relative)?);
        let mut writer = writer.with_attributes(attributes(relative));
        let mut piece = vec![0; 1 << 20];
        let copied = async {
            loop {
                match from.read(&mut piece).await? {
                    0 => break std::io::Result::Ok(()),
                    count => writer.write_all(&piece[..count]).await?,
                }
            }
        };
        if let Err(error) = copied.await {
            // The store would keep the pieces that it has. That they stay is not the error.
            let _ = writer.abort().await;
            return Err(error.into());
        }
        // A writer that fails here has begun nothing, or ended it: it must not be told to abort.
        Ok(writer.shutdown().await?)
    }

    fn key(&self, relative: &Path) -> anyhow::Result<Key> {
        let relative = relative.to_str().context("the name is not UTF-8")?;
        let folder = self.folder.as_ref();
        let key =
            if folder.is_empty() { relative.to_owned() } else { format!("{folder}/{relative}") };
        Ok(Key::parse(key)?)
    }

    fn relative(&self, key: &Key) -> anyhow::Result<PathBuf> {
        let parts = key.prefix_match(&self.folder).context("a listed object is elsewhere")?;
        let path: PathBuf = parts.map(|part| part.as_ref().to_owned()).collect();
        // A path below the staging folder, whatever the store says.
        let is_below =
            path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        is_below.then_some(path).ok_or_else(|| anyhow!("the key {key} is no path"))
    }
}

/// Runs an action on many files, some at a time; each result comes with its file.
pub(crate) async fn each<T>(
    items: impl IntoIterator<Item = T>,
    action: impl AsyncFn(&T) -> anyhow::Result<()>,
) -> Vec<(T, anyhow::Result<()>)> {
    let action = &action;
    let done = stream::iter(items).map(async move |item| {
        let result = action(&item).await;
        (item, result)
    });
    done.buffered(AT_ONCE).collect().await
}

fn attributes(relative: &Path) -> Attributes {
    let media_type = relative.to_str().and_then(media_type_of);
    let media_type = media_type.map(|value| (Attribute::ContentType, AttributeValue::from(value)));
    media_type.into_iter().collect()
}

/// Writes a staged file, as old as its object.
fn put_file(path: &Path, bytes: &[u8], object: &ObjectMeta) -> anyhow::Result<()> {
    fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
    fs::write(path, bytes)?;
    Ok(File::options().append(true).open(path)?.set_modified(object.last_modified.into())?)
}
