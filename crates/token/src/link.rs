//! A URL reference as somebody types or publishes it: read, sign, write back.

use std::fmt;
use std::net::IpAddr;

use thiserror::Error;

use crate::{PathError, Placement, ResourcePath, Scheme, SignError, Target, UnixTime, query};

/// A URL, or a path with an optional query and fragment, split into its parts by RFC 3986.
///
/// The parts keep the text they came with; only what may not stand in a URL (spaces, control
/// characters, non-ASCII) is percent-encoded when it is written out.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    /// Scheme and authority, `https://host:port` or `//host`, or nothing.
    origin: String,
    raw_path: String,
    query: Option<String>,
    fragment: Option<String>,
    path: ResourcePath,
}

/// Why a text is no link that can be signed or verified.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LinkError {
    /// Neither a URL with a host nor a path that begins with a slash.
    #[error("expected a URL (https://host/path) or a path that begins with '/'")]
    NotALink,
    /// The path cannot be used.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl Link {
    /// Splits a reference. Escapes of the path are decoded for the hash and left in the text.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        let (rest, fragment) = split(text, '#');
        let (rest, query) = split(rest, '?');
        let authority = match rest.find("://") {
            _ if rest.starts_with("//") => Some(2),
            Some(colon) if is_scheme(&rest[..colon]) => Some(colon + 3),
            _ => None,
        };
        let (origin, raw_path) = match authority {
            Some(host) => {
                let slash = rest[host..].find('/').map_or(rest.len(), |at| host + at);
                if slash == host {
                    return Err(LinkError::NotALink);
                }
                (&rest[..slash], &rest[slash..])
            }
            _ if rest.starts_with('/') => ("", rest),
            _ => return Err(LinkError::NotALink),
        };
        let raw_path = if raw_path.is_empty() { "/" } else { raw_path };
        Ok(Self {
            origin: origin.to_owned(),
            path: ResourcePath::parse(raw_path.as_bytes())?,
            raw_path: encode(raw_path),
            query: query.map(encode),
            fragment: fragment.map(encode),
        })
    }

    /// The decoded path.
    #[must_use]
    pub const fn path(&self) -> &ResourcePath {
        &self.path
    }

    /// The raw query, without `?`.
    #[must_use]
    pub fn query(&self) -> Option<&[u8]> {
        self.query.as_deref().map(str::as_bytes)
    }

    /// The link with a token: an existing query, even an empty one, goes on with `&`, a fragment stays last.
    ///
    /// # Errors
    /// [`SignError`], among others for a link that already holds a parameter of the scheme.
    pub fn sign(
        &self,
        scheme: &dyn Scheme,
        expires: UnixTime,
        ip: Option<IpAddr>,
    ) -> Result<String, SignError> {
        let old_query = self.query().unwrap_or_default();
        for name in scheme.parameters() {
            if query::count(old_query, name) > 0 {
                return Err(SignError::AlreadySigned(name.to_owned()));
            }
        }
        let url = self.without_fragment();
        let target = Target { path: &self.path, url: url.as_bytes() };
        let mut token = Vec::new();
        scheme.write_token_for(&target, expires, ip, &mut token)?;
        let token = String::from_utf8_lossy(&token);
        let Self { origin, raw_path, .. } = self;
        let query = self.query.as_deref();
        let fragment = self.fragment.as_deref().map(|text| format!("#{text}")).unwrap_or_default();
        Ok(match scheme.placement() {
            Placement::Query => {
                let query = query.map(|query| format!("{query}&")).unwrap_or_default();
                format!("{origin}{raw_path}?{query}{token}{fragment}")
            }
            Placement::Path { after, .. } => {
                let path = with_segments(raw_path, after, &token);
                let query = query.map(|query| format!("?{query}")).unwrap_or_default();
                format!("{origin}{path}{query}{fragment}")
            }
        })
    }

    /// The link as it is requested.
    #[must_use]
    pub fn without_fragment(&self) -> String {
        let query = self.query.as_deref().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{}{query}", self.origin, self.raw_path)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The query may hold a token.
        f.debug_struct("Link")
            .field("origin", &self.origin)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// The path with more segments behind its first ones.
fn with_segments(path: &str, after: usize, segments: &str) -> String {
    let at = path.match_indices('/').nth(after).map_or(path.len(), |(at, _)| at);
    format!("{}/{segments}{}", &path[..at], &path[at..])
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(before, after)| (before, Some(after)))
}

/// RFC 3986 section 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

/// Percent-encodes what no URL may hold and nothing else, so that written escapes stay.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic()
            && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
        {
            encoded.push(byte as char);
        } else {
            use fmt::Write as _;
            let written = write!(encoded, "%{byte:02X}");
            debug_assert!(written.is_ok());
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CdnKey, Gcore, Scope};

    fn signed(text: &str) -> Result<String, SignError> {
        let gcore = Gcore::new(CdnKey::plain("k", b"secret_key"), Scope::File);
        Link::parse(text).unwrap().sign(&gcore, UnixTime(2_147_483_647), None)
    }

    #[test]
    fn the_token_goes_after_the_query_and_before_the_fragment() {
        let token = "md5=vHEnxR8VaxpEDgyNzJuWwA&expires=2147483647";
        for (text, expected) in [
            ("/images/1.jpg", format!("/images/1.jpg?{token}")),
            ("/images/1.jpg?", format!("/images/1.jpg?&{token}")),
            ("/images/1.jpg?a=b%20c", format!("/images/1.jpg?a=b%20c&{token}")),
            ("/images/1.jpg#t=3", format!("/images/1.jpg?{token}#t=3")),
            (
                "https://h:8443/images/1.jpg?x#y?z",
                format!("https://h:8443/images/1.jpg?x&{token}#y?z"),
            ),
            ("//h/images/1.jpg", format!("//h/images/1.jpg?{token}")),
            ("/images/%31.jpg", format!("/images/%31.jpg?{token}")),
        ] {
            assert_eq!(signed(text).unwrap(), expected);
        }
    }

    #[test]
    fn spaces_and_non_ascii_are_encoded_on_output_and_signed_decoded() {
        let typed = signed("/live/città/a b.m3u8").unwrap();
        let escaped = signed("/live/citt%C3%A0/a%20b.m3u8").unwrap();
        assert_eq!(typed, escaped);
        assert!(escaped.starts_with("/live/citt%C3%A0/a%20b.m3u8?md5="));
    }

    #[test]
    fn what_is_no_link_is_refused() {
        for bad in ["", "images/1.jpg", "https://", "https:///x", "///x", "://h/x", "?a=/b"] {
            assert_eq!(Link::parse(bad), Err(LinkError::NotALink), "{bad}");
        }
        assert_eq!(
            Link::parse("/a%2").unwrap_err(),
            LinkError::Path(PathError::BadEscape { offset: 2 })
        );
        assert_eq!(Link::parse("https://h").unwrap().path().as_bytes(), b"/");
    }

    #[test]
    fn a_signed_link_is_not_signed_again() {
        assert_eq!(signed("/a?MD5=x"), Err(SignError::AlreadySigned("md5".to_owned())));
        assert_eq!(signed("/a?b&Expires"), Err(SignError::AlreadySigned("expires".to_owned())));
    }

    #[test]
    fn debug_hides_the_query() {
        let link = Link::parse("/a?md5=topsecret#f").unwrap();
        assert!(!format!("{link:?}").contains("topsecret"));
    }
}
