//! A folder of this machine: files beneath it, and never through a symbolic link that leaves it.

use std::ffi::OsStr;
use std::io::{ErrorKind, SeekFrom};
use std::ops::Bound;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, StatusCode};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use headers::{
    AcceptRanges, ContentLength, ContentRange, ETag, HeaderMapExt as _, IfModifiedSince,
    IfNoneMatch, IfRange, LastModified, Range,
};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;
use url::Url;

use super::{Body, Conditions, Fetched};
use crate::Error;

/// Size of the pieces in which a file is read.
const PIECE_BYTES: usize = 256 << 10;

/// Files beneath a folder.
#[derive(Debug)]
pub(crate) struct FolderOrigin {
    folder: Arc<Dir>,
    path: PathBuf,
}

struct Opened {
    file: std::fs::File,
    len: u64,
    modified: SystemTime,
}

impl FolderOrigin {
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        let folder = Dir::open_ambient_dir(path, ambient_authority())?;
        Ok(Self { folder: Arc::new(folder), path: path.to_owned() })
    }

    /// Serves a file with Range and conditional requests (RFC 9110 sections 13 and 14).
    pub(crate) async fn fetch(
        &self,
        path: &[u8],
        url: Url,
        conditions: &Conditions,
    ) -> Result<Fetched, Error> {
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
                body: Body::empty(),
                url,
            });
        }
        let range = match conditions.typed_get::<Range>() {
            Some(range) if range_applies(conditions, &etag, &last_modified) => {
                single_range(&range, opened.len)
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
                return Ok(Fetched { status, headers, body: Body::empty(), url });
            }
        };
        headers.typed_insert(ContentLength(len));
        let mut file = tokio::fs::File::from_std(opened.file);
        if start > 0 {
            file.seek(SeekFrom::Start(start)).await.map_err(|error| read_error(&error))?;
        }
        let pieces = ReaderStream::with_capacity(file.take(len), PIECE_BYTES);
        let pieces =
            futures_util::StreamExt::map(pieces, |piece| piece.map_err(|error| read_error(&error)));
        Ok(Fetched { status, headers, body: Body::new(Box::pin(pieces)), url })
    }

    async fn open_file(&self, path: &[u8]) -> Result<Opened, Error> {
        let folder = Arc::clone(&self.folder);
        let path = PathBuf::from(OsStr::from_bytes(path));
        tokio::task::spawn_blocking(move || open_beneath(&folder, &path))
            .await
            .map_err(|error| Error::Internal(error.to_string()))?
    }

    pub(crate) fn is_there(&self) -> bool {
        self.path.is_dir()
    }
}

fn open_beneath(folder: &Dir, path: &Path) -> Result<Opened, Error> {
    let refused = |error: &std::io::Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidInput => Error::NotFound,
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

/// What a Range header asks of a file.
enum Wanted {
    Whole,
    Part { start: u64, len: u64 },
    Nothing,
}

/// One range is served; several are answered with the whole file, as RFC 9110 section 14.2 allows.
fn single_range(range: &Range, file_len: u64) -> Wanted {
    let mut ranges = range.satisfiable_ranges(file_len);
    let Some(bounds) = ranges.next() else { return Wanted::Nothing };
    if ranges.next().is_some() {
        return Wanted::Whole;
    }
    let (start, end) = match bounds {
        (Bound::Included(start), Bound::Included(last)) => {
            (start, last.saturating_add(1).min(file_len))
        }
        (Bound::Included(start), _) => (start, file_len),
        (_, Bound::Included(suffix)) => (file_len.saturating_sub(suffix), file_len),
        _ => return Wanted::Whole,
    };
    if start < end { Wanted::Part { start, len: end - start } } else { Wanted::Nothing }
}

fn read_error(error: &std::io::Error) -> Error {
    Error::Internal(format!("reading a file: {error}"))
}
