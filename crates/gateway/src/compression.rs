//! Manifests compressed for players that ask for it.

use std::io::Write as _;

use axum::http::{HeaderMap, header};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::Error;

/// A playlist is made small by any level, and each viewer's is compressed anew.
pub(crate) const FOR_ONE: Compression = Compression::fast();
/// What is compressed once and sent to a crowd.
pub(crate) const FOR_ALL: Compression = Compression::best();

/// How a manifest is sent.
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

/// Compresses a text.
pub(crate) fn gzip(text: &[u8], level: Compression) -> Result<Vec<u8>, Error> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 8), level);
    let written = encoder.write_all(text).and_then(|()| encoder.finish());
    written.map_err(|error| Error::Internal(format!("compressing: {error}")))
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
