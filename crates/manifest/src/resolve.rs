//! From a written reference to the URL that a player will fetch.

use std::borrow::Cow;

use percent_encoding::percent_encode_byte;
use url::Url;

use crate::{KeepReason, RefuseReason};

/// What a reference turned out to be.
pub(crate) enum Resolved {
    /// A URL that players fetch.
    Http(Url),
    /// Something that stays as it is.
    Kept(KeepReason),
}

/// Resolves `reference` against `base` by RFC 3986 section 5.
pub(crate) fn resolve(base: &Url, reference: &[u8]) -> Result<Resolved, RefuseReason> {
    match scheme(reference) {
        Some(scheme) if is_one_of(scheme, &["data", "skd"]) => {
            return Ok(Resolved::Kept(KeepReason::NotFetched));
        }
        Some(scheme) if !is_one_of(scheme, &["http", "https"]) => {
            return Ok(Resolved::Kept(KeepReason::ForeignScheme));
        }
        Some(_) if !names_host(reference) => return Err(RefuseReason::Ambiguous),
        _ => {}
    }
    if reference.is_empty() {
        return Ok(Resolved::Kept(KeepReason::Empty));
    }
    if has_ambiguous_bytes(reference) {
        return Err(RefuseReason::Ambiguous);
    }
    join(base, reference).map(Resolved::Http).ok_or(RefuseReason::BadReference)
}

/// Joins without asking what the scheme is.
pub(crate) fn join(base: &Url, reference: &[u8]) -> Option<Url> {
    base.join(&ascii(reference)).ok()
}

/// Whether the reference carries a scheme of its own.
pub(crate) fn has_scheme(reference: &[u8]) -> bool {
    scheme(reference).is_some()
}

/// Whether the reference says its host: it has a scheme, or takes that of its base alone.
pub(crate) fn is_absolute(reference: &[u8]) -> bool {
    has_scheme(reference) || reference.trim_ascii_start().starts_with(b"//")
}

/// Whether players resolve a reference to HTTP differently.
pub(crate) fn is_ambiguous(reference: &[u8]) -> bool {
    let is_http = scheme(reference).is_some_and(|scheme| is_one_of(scheme, &["http", "https"]));
    is_http && !names_host(reference) || has_ambiguous_bytes(reference)
}

fn has_ambiguous_bytes(reference: &[u8]) -> bool {
    reference.iter().any(|&byte| byte == b'\\' || byte.is_ascii_control())
}

/// Whether two slashes and a host stand behind the scheme. Without them browsers resolve `http:a/b` by the
/// scheme of their own base: to the host `a`, or to a path.
fn names_host(reference: &[u8]) -> bool {
    let behind = memchr::memchr(b':', reference).and_then(|colon| reference.get(colon + 1..));
    let host = behind.and_then(|behind| behind.strip_prefix(b"//"));
    host.is_some_and(|host| !matches!(host.first(), None | Some(b'/' | b'?' | b'#')))
}

/// Whether a URI line goes on with request headers for the player, as IPTV lists write them:
/// `http://h/a.ts|User-Agent=x`. A token at its end would be part of a header, and one before the
/// bar of a URL that other players read as a whole.
pub(crate) fn has_player_headers(line: &[u8]) -> bool {
    let Some(bar) = memchr::memchr(b'|', line) else { return false };
    let name = line[bar + 1..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'-');
    let name_len = name.count();
    name_len > 0 && line.get(bar + 1 + name_len) == Some(&b'=')
}

/// The scheme of an absolute reference, RFC 3986 section 3.1. Spaces before it do not count, as
/// [`join`] passes over them.
fn scheme(reference: &[u8]) -> Option<&[u8]> {
    let reference = reference.trim_ascii_start();
    let colon = reference.iter().position(|&byte| matches!(byte, b':' | b'/' | b'?' | b'#'))?;
    let scheme = &reference[..colon];
    let valid = reference[colon] == b':'
        && scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    valid.then_some(scheme)
}

fn is_one_of(scheme: &[u8], names: &[&str]) -> bool {
    names.iter().any(|name| scheme.eq_ignore_ascii_case(name.as_bytes()))
}

/// Bytes that are not ASCII are percent-encoded as they stand, UTF-8 or not: that is what clients
/// send.
fn ascii(reference: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(reference) {
        Ok(text) if text.is_ascii() => Cow::Borrowed(text),
        _ => {
            let mut encoded = String::with_capacity(reference.len() + 16);
            for &byte in reference {
                if byte.is_ascii() {
                    encoded.push(byte as char);
                } else {
                    encoded.push_str(percent_encode_byte(byte));
                }
            }
            Cow::Owned(encoded)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(reference: &[u8]) -> Result<String, String> {
        let base = Url::parse("https://cdn.example.com/vod/a/master.m3u8?q=1").unwrap();
        match resolve(&base, reference) {
            Ok(Resolved::Http(url)) => Ok(url.into()),
            Ok(Resolved::Kept(reason)) => Err(reason.to_string()),
            Err(reason) => Err(reason.to_string()),
        }
    }

    #[test]
    fn references_resolve_by_rfc_3986() {
        for (reference, url) in [
            ("360p/i.m3u8", "https://cdn.example.com/vod/a/360p/i.m3u8"),
            ("../b/i.m3u8?x=1", "https://cdn.example.com/vod/b/i.m3u8?x=1"),
            ("/abs/i.m3u8", "https://cdn.example.com/abs/i.m3u8"),
            ("//other.example.com/i.m3u8", "https://other.example.com/i.m3u8"),
            ("http://h/i.m3u8#f", "http://h/i.m3u8#f"),
            ("HTTPS://h/i.m3u8", "https://h/i.m3u8"),
            ("a:b/i.m3u8/..", "foreign"),
            ("./a:b/i.m3u8", "https://cdn.example.com/vod/a/a:b/i.m3u8"),
            ("a b.ts", "https://cdn.example.com/vod/a/a%20b.ts"),
            ("citt\u{e0}.ts", "https://cdn.example.com/vod/a/citt%C3%A0.ts"),
            ("?only=query", "https://cdn.example.com/vod/a/master.m3u8?only=query"),
        ] {
            match resolved(reference.as_bytes()) {
                Ok(found) => assert_eq!(found, url, "{reference}"),
                Err(kept) => assert_eq!((kept.as_str(), url), ("foreign scheme", "foreign")),
            }
        }
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_encoded_as_they_stand() {
        assert_eq!(resolved(b"\xE9t\xE9.ts").unwrap(), "https://cdn.example.com/vod/a/%E9t%E9.ts");
    }

    #[test]
    fn what_is_not_fetched_stays() {
        for reference in ["data:text/plain;base64,AA==", "skd://key-id", "SKD:x", " skd://x"] {
            assert_eq!(resolved(reference.as_bytes()), Err("not fetched over HTTP".to_owned()));
        }
        assert_eq!(resolved(b"urn:uuid:1"), Err("foreign scheme".to_owned()));
        assert_eq!(resolved(b""), Err("empty".to_owned()));
    }

    #[test]
    fn what_players_read_differently_is_refused() {
        for reference in ["a\\b.ts", "a\tb.ts", "http://h\\@evil/x"] {
            assert!(resolved(reference.as_bytes()).unwrap_err().contains("backslash"));
        }
        assert!(resolved(b"http://[::1/x").unwrap_err().contains("not a valid"));
    }
}
