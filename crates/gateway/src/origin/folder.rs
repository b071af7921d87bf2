//! A folder of this machine: files beneath it, and never through a symbolic link that leaves it.

use std::ffi::OsStr;
use std::io::{ErrorKind, SeekFrom};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, StatusCode, header};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use headers::{
    AcceptRanges, ContentLength, ContentRange, ETag, HeaderMapExt as _, IfModifiedSince,
    IfNoneMatch, IfRange, LastModified,
};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;
use url::Url;

use super::caching::Caching;
use super::range::Wanted;
use super::{Bodies, Body, Conditions, Fetched, Purpose};
use crate::Error;

/// Size of the pieces in which a file is read.
const PIECE_BYTES: usize = 256 << 10;

/// "Too many levels of symbolic links", for which `ErrorKind` has no stable name.
const ELOOP: i32 = if cfg!(target_os = "linux") { 40 } else { 62 };

/// Files beneath a folder.
#[derive(Debug)]
pub(crate) struct FolderOrigin {
    path: PathBuf,
    bodies: Arc<Bodies>,
    /// How long a request waits until there may be another body.
    patience: Duration,
}

struct Opened {
    file: std::fs::File,
    len: u64,
    modified: SystemTime,
}

impl FolderOrigin {
    pub(crate) fn open(
        path: &Path,
        bodies: Arc<Bodies>,
        patience: Duration,
    ) -> std::io::Result<Self> {
        Dir::open_ambient_dir(path, ambient_authority())?;
        Ok(Self { path: path.to_owned(), bodies, patience })
    }

    /// Serves a file with Range and conditional requests (RFC 9110 sections 13 and 14).
    pub(crate) async fn fetch(
        &self,
        path: &[u8],
        url: Url,
        purpose: Purpose,
        conditions: &Conditions,
    ) -> Result<Fetched, Error> {
        let permit = match purpose {
            Purpose::Document => None,
            Purpose::Stream => Some(self.bodies.permit(self.patience).await?),
        };
        let opened = self.open_file(path).await?;
        let etag = entity_tag(&opened);
        let last_modified = LastModified::from(opened.modified);
        let mut headers = HeaderMap::new();
        headers.typed_insert(etag.clone());
        headers.typed_insert(last_modified);
        headers.typed_insert(AcceptRanges::bytes());

        if is_not_modified(conditions, &etag, opened.modified) {
            return Ok(Fetched {
                status: StatusCode::NOT_MODIFIED,
                headers,
                caching: Caching::OF_FILE,
                body: Body::empty(),
                url,
            });
        }
        let range = match conditions.get(header::RANGE) {
            Some(range) if range_applies(conditions, &etag, &last_modified) => {
                Wanted::of(range, opened.len)
            }
            _ => Wanted::Whole,
        };
        let (status, start, len) = match range {
            Wanted::Whole => (StatusCode::OK, 0, opened.len),
            Wanted::Part { start, len } => {
                let content_range = ContentRange::bytes(start..start + len, opened.len)
                    .map_err(|error| Error::Internal(error.to_string()))?;
                headers.typed_insert(content_range);
                (StatusCode::PARTIAL_CONTENT, start, len)
            }
            Wanted::Nothing => {
                headers.typed_insert(ContentRange::unsatisfied_bytes(opened.len));
                let status = StatusCode::RANGE_NOT_SATISFIABLE;
                let caching = Caching::OF_FILE;
                return Ok(Fetched { status, headers, caching, body: Body::empty(), url });
            }
        };
        headers.typed_insert(ContentLength(len));
        let mut file = tokio::fs::File::from_std(opened.file);
        if start > 0 {
            file.seek(SeekFrom::Start(start)).await.map_err(|error| read_error(&error))?;
        }
        // A small file needs no large piece.
        let piece = usize::try_from(len).unwrap_or(PIECE_BYTES).clamp(1, PIECE_BYTES);
        let pieces = ReaderStream::with_capacity(file.take(len), piece);
        let pieces =
            futures_util::StreamExt::map(pieces, |piece| piece.map_err(|error| read_error(&error)));
        let body = Body::new(Box::pin(pieces));
        let body = match permit {
            Some(permit) => permit.meter(body),
            None => body,
        };
        Ok(Fetched { status, headers, caching: Caching::OF_FILE, body, url })
    }

    async fn open_file(&self, path: &[u8]) -> Result<Opened, Error> {
        let folder = self.path.clone();
        let path = PathBuf::from(OsStr::from_bytes(path));
        tokio::task::spawn_blocking(move || open_beneath(&folder, &path))
            .await
            .map_err(|error| Error::Internal(error.to_string()))?
    }

    pub(crate) fn is_there(&self) -> bool {
        self.path.is_dir()
    }
}

fn open_beneath(folder: &Path, path: &Path) -> Result<Opened, Error> {
    // Opened anew each time: a packager may have put another folder in its place.
    let folder = Dir::open_ambient_dir(folder, ambient_authority())
        .map_err(|error| Error::OriginUnreachable(format!("the route's folder: {error}")))?;
    let refused = |error: &std::io::Error| match error.kind() {
        ErrorKind::NotFound
        | ErrorKind::NotADirectory
        | ErrorKind::InvalidInput
        | ErrorKind::InvalidFilename => Error::NotFound,
        _ if error.raw_os_error() == Some(ELOOP) => Error::NotFound,
        ErrorKind::PermissionDenied => Error::ForbiddenFile(error.to_string()),
        _ => Error::Internal(format!("opening a file: {error}")),
    };
    // A named pipe would block the open, so look before opening.
    let metadata = folder.metadata(path).map_err(|error| refused(&error))?;
    if !metadata.is_file() {
        return Err(Error::NotFound);
    }
    let file = folder.open(path).map_err(|error| refused(&error))?.into_std();
    let metadata = file.metadata().map_err(|error| refused(&error))?;
    let modified = metadata.modified().unwrap_or(UNIX_EPOCH);
    Ok(Opened { file, len: metadata.len(), modified })
}

fn entity_tag(opened: &Opened) -> ETag {
    let nanos = opened.modified.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    format!("\"{nanos:x}-{:x}\"", opened.len)
        .parse()
        .expect("hexadecimal digits in quotes are an entity tag")
}

fn is_not_modified(conditions: &Conditions, etag: &ETag, modified: SystemTime) -> bool {
    match conditions.typed_get::<IfNoneMatch>() {
        Some(if_none_match) => !if_none_match.precondition_passes(etag),
        None => conditions
            .typed_get::<IfModifiedSince>()
            .is_some_and(|since| !since.is_modified(modified)),
    }
}

fn range_applies(conditions: &Conditions, etag: &ETag, last_modified: &LastModified) -> bool {
    conditions
        .typed_get::<IfRange>()
        .is_none_or(|if_range| !if_range.is_modified(Some(etag), Some(last_modified)))
}

fn read_error(error: &std::io::Error) -> Error {
    Error::Internal(format!("reading a file: {error}"))
}
