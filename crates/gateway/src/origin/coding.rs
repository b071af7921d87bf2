//! What an origin compressed (RFC 9110 section 8.4), read as it comes: whoever reads it says how
//! much of it at most.

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
use axum::http::{HeaderMap, HeaderValue, header};
use futures_util::TryStreamExt as _;
use tokio::io::{AsyncRead, BufReader};
use tokio_util::io::{ReaderStream, StreamReader};

use super::Body;
use crate::Error;

/// What is decoded, for `Accept-Encoding`.
pub(crate) const DECODED: HeaderValue = HeaderValue::from_static("gzip, br, zstd");

/// Size of the pieces in which a decoded body comes.
const PIECE_BYTES: usize = 64 << 10;

enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// Decodes a whole body and takes out of the headers what no longer holds of it. A coding that is
/// not known stays, and so do two on top of each other.
pub(crate) fn decode(headers: &mut HeaderMap, body: Body) -> Body {
    let Some(coding) = headers.get(header::CONTENT_ENCODING).and_then(Coding::of) else {
        return body;
    };
    for stale in [header::CONTENT_ENCODING, header::CONTENT_LENGTH, header::ACCEPT_RANGES] {
        headers.remove(stale);
    }
    // The tag is of the compressed bytes. Weak, it still says that nothing has changed.
    if let Some(tag) = headers.get(header::ETAG)
        && !tag.as_bytes().starts_with(b"W/")
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat())
    {
        headers.insert(header::ETAG, weak);
    }
    let compressed = body.into_stream().map_err(std::io::Error::other);
    let reader = BufReader::new(StreamReader::new(compressed));
    // Several members, one behind the other, are one body (RFC 1952 section 2.2).
    match coding {
        Coding::Gzip => {
            let mut decoder = GzipDecoder::new(reader);
            decoder.multiple_members(true);
            pieces(decoder)
        }
        Coding::Deflate => pieces(ZlibDecoder::new(reader)),
        Coding::Brotli => pieces(BrotliDecoder::new(reader)),
        Coding::Zstd => {
            let mut decoder = ZstdDecoder::new(reader);
            decoder.multiple_members(true);
            pieces(decoder)
        }
    }
}

fn pieces(decoder: impl AsyncRead + Send + 'static) -> Body {
    let pieces = ReaderStream::with_capacity(decoder, PIECE_BYTES).map_err(|error| {
        // The body's own trouble comes through the decoder.
        match error.downcast::<Error>() {
            Ok(error) => error,
            Err(error) => Error::OriginUnreachable(format!("its body cannot be decoded: {error}")),
        }
    });
    Body::new(Box::pin(pieces))
}

impl Coding {
    fn of(value: &HeaderValue) -> Option<Self> {
        match value.to_str().ok()?.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            "br" => Some(Self::Brotli),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }
}
