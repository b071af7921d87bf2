//! Manifests compressed for players that ask for it.

mod once;

use std::io::{Cursor, Read as _, Write as _};

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;

pub(crate) use self::once::Once;
use crate::Error;
use crate::buffers::Buffer;

/// What is compressed once and sent to a crowd.
pub(crate) const FOR_ALL: Compression = Compression::best();
/// What is longer is compressed as it is sent, so that its first bytes need not wait for its last.
const LONG: usize = 256 << 10;
/// How much of it at a time.
const PIECE: usize = 16 << 10;

/// The body of a manifest, and in which form it is.
#[derive(Debug)]
pub(crate) struct Payload {
    pub(crate) form: Form,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Whole(Bytes),
    /// A text that is compressed, at this level, while it is sent.
    Pieces(Vec<u8>, Compression),
}

/// The forms of one text, each with other bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    /// Compressed as it is.
    Gzip,
    /// Copied from what was compressed once for all tokens.
    Copy,
}

/// What a client takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
}

impl Coding {
    /// What a client asks for (RFC 9110 section 12.5.3).
    pub(crate) fn wanted(request: &HeaderMap) -> Self {
        let mut by_star = false;
        let lines = request.get_all(header::ACCEPT_ENCODING).into_iter();
        for choice in lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')) {
            let mut parts = choice.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
            let is_wanted = weight.is_none_or(|text| text.parse().is_ok_and(|q: f32| q > 0.0));
            if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
                return if is_wanted { Self::Gzip } else { Self::Identity };
            }
            by_star |= name == "*" && is_wanted;
        }
        if by_star { Self::Gzip } else { Self::Identity }
    }
}

impl Form {
    /// The forms that a client takes.
    pub(crate) const fn taken(coding: Coding) -> &'static [Self] {
        match coding {
            Coding::Identity => &[Self::Plain],
            Coding::Gzip => &[Self::Copy, Self::Gzip, Self::Plain],
        }
    }

    /// What tells its entity tag from those of the other forms.
    pub(crate) const fn tag_suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gzip => "-gz",
            Self::Copy => "-gc",
        }
    }
}

impl Payload {
    pub(crate) const fn whole(form: Form, bytes: Bytes) -> Self {
        Self { form, content: Content::Whole(bytes) }
    }

    /// A text for one viewer, compressed at a level, or as it is at level 0.
    pub(crate) fn for_one(text: Vec<u8>, level: u32) -> Result<Self, Error> {
        let level = Compression::new(level);
        Ok(if level == Compression::none() {
            Self::whole(Form::Plain, text.into())
        } else if text.len() > LONG {
            Self { form: Form::Gzip, content: Content::Pieces(text, level) }
        } else {
            Self::whole(Form::Gzip, gzip(&text, level)?.into())
        })
    }

    /// As it is sent, which takes this memory until then.
    pub(crate) fn into_body(self, buffer: Buffer) -> Body {
        let (text, level) = match self.content {
            Content::Whole(bytes) => return buffer.send(bytes),
            Content::Pieces(text, level) => (text, level),
        };
        let encoder = flate2::read::GzEncoder::new(Cursor::new(text), level);
        let pieces = stream::unfold(encoder, |mut encoder| async move {
            // Others have their turn between two pieces.
            tokio::task::yield_now().await;
            let mut piece = Vec::with_capacity(PIECE);
            match (&mut encoder).take(PIECE as u64).read_to_end(&mut piece) {
                Ok(0) => None,
                Ok(_) => Some((Ok(Bytes::from(piece)), encoder)),
                Err(error) => Some((Err(failed(&error)), encoder)),
            }
        });
        buffer.send_pieces(Box::pin(pieces))
    }
}

/// Compresses a text.
pub(crate) fn gzip(text: &[u8], level: Compression) -> Result<Vec<u8>, Error> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 8), level);
    let written = encoder.write_all(text).and_then(|()| encoder.finish());
    written.map_err(|error| failed(&error))
}

fn failed(error: &std::io::Error) -> Error {
    Error::Internal(format!("compressing: {error}"))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn what_a_client_asks_for_is_sent() {
        for (line, coding) in [
            ("gzip", Coding::Gzip),
            ("br, GZIP;q=0.5", Coding::Gzip),
            ("gzip, deflate, br, zstd", Coding::Gzip),
            ("*", Coding::Gzip),
            ("*;q=0", Coding::Identity),
            ("gzip;q=0, *", Coding::Identity),
            ("gzip; q=0.000", Coding::Identity),
            ("gzip;q=x", Coding::Identity),
            ("br", Coding::Identity),
            ("identity", Coding::Identity),
            ("", Coding::Identity),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_str(line).unwrap());
            assert_eq!(Coding::wanted(&headers), coding, "{line}");
        }
        assert_eq!(Coding::wanted(&HeaderMap::new()), Coding::Identity);
    }
}
