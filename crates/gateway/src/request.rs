//! What a request asks for: the path rules, and the session token taken off path and query.

mod ambiguity;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use sluicegate_token::{ResourcePath, SessionToken, query, shown};

use self::ambiguity::Ambiguity;
pub(crate) use self::ambiguity::DECODINGS;
use crate::Error;
use crate::variables::VARIABLES_PARAMETER;

/// The query parameter that carries a session token.
pub(crate) const SESSION_PARAMETER: &str = "sg";

/// The first segment of a path that carries a session token.
const SESSION_PREFIX: &str = "/s/";

/// A path that keeps the gateway's rules, without any token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestPath {
    /// As it stands in URLs, in one spelling: begins with a slash.
    pub(crate) raw: Arc<str>,
    /// As it was written, if that was another spelling.
    written: Option<Arc<str>>,
    /// Decoded.
    pub(crate) decoded: ResourcePath,
}

/// Where a session token stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carried {
    Path,
    Query,
}

/// A request for media, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct MediaRequest {
    pub(crate) path: RequestPath,
    /// The raw query without the session token; empty if there is none.
    pub(crate) query: String,
    /// The session token's text and where it stood.
    pub(crate) token: Option<(String, Carried)>,
    /// The sealed variables that came along.
    pub(crate) variables: Option<String>,
    /// The client's address, if known.
    pub(crate) client: Option<IpAddr>,
}

impl RequestPath {
    /// Applies the rules: what two servers could read differently is refused, not normalised.
    pub(crate) fn parse(raw: &str, max_bytes: usize) -> Result<Self, Error> {
        if raw.len() > max_bytes {
            return Err(Error::PathTooLong(max_bytes));
        }
        if raw.bytes().any(|byte| byte == b'\\' || !byte.is_ascii_graphic()) {
            return Err(Error::BadPath("a backslash, or a character that must be escaped"));
        }
        let decoded = ResourcePath::parse(raw.as_bytes()).map_err(|error| match error {
            sluicegate_token::PathError::NotAbsolute => Error::BadPath("no leading slash"),
            sluicegate_token::PathError::BadEscape { .. } => Error::BadPath("a broken % escape"),
            sluicegate_token::PathError::Nul { .. } => Error::BadPath("a NUL byte"),
            _ => Error::BadPath("it leads above the root"),
        })?;
        match ambiguity::find(raw) {
            None => {}
            // Nothing that a client writes by itself may have one.
            Some(Ambiguity::EscapedSlash) => return Err(Error::BadPath("an escaped slash")),
            Some(Ambiguity::Other(what)) => return Err(Error::BadPath(what)),
        }
        Ok(match normalize(raw) {
            Cow::Borrowed(raw) => Self { raw: raw.into(), written: None, decoded },
            Cow::Owned(normal) => Self { raw: normal.into(), written: Some(raw.into()), decoded },
        })
    }

    /// As it was written, for schemes that sign it so.
    pub(crate) fn written(&self) -> &str {
        self.written.as_deref().unwrap_or(&self.raw)
    }

    /// A path is logged and sent to origins: the token that came with it must not stand in it. Of
    /// another length the token opens nothing.
    fn refuse_part_of(&self, token: Option<&(String, Carried)>) -> Result<(), Error> {
        match token.filter(|(token, _)| token.len() == SessionToken::CHARS) {
            Some((token, _)) if shown::holds_part_of(self.decoded.as_bytes(), token.as_bytes()) => {
                Err(Error::BadPath("it holds a part of the session token that comes with it"))
            }
            _ => Ok(()),
        }
    }
}

/// A path with the escapes that mean the same in one spelling (RFC 3986 section 6.2.2): those of unreserved
/// characters are decoded, and the digits of all others are upper case. What a path cannot hold unescaped is
/// escaped.
fn normalize(raw: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=:@".contains(&byte);
    if raw.bytes().all(is_plain) {
        return Cow::Borrowed(raw);
    }
    let mut normal = String::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let escaped = after.get(..2).filter(|_| byte == b'%');
        let digits = escaped.and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if escaped.is_some() {
            rest = &after[2..];
        }
        match (escaped, byte) {
            (Some(byte), _) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                normal.push(char::from(byte));
            }
            (None, byte) if is_plain(byte) => normal.push(char::from(byte)),
            (escaped, byte) => {
                normal.push_str(percent_encoding::percent_encode_byte(escaped.unwrap_or(byte)));
            }
        }
    }
    if normal == raw { Cow::Borrowed(raw) } else { Cow::Owned(normal) }
}

impl MediaRequest {
    /// Takes a request target apart. The path rules run first, then the token is taken off.
    pub(crate) fn parse(
        raw_path: &str,
        raw_query: Option<&str>,
        client: Option<IpAddr>,
        max_path_bytes: usize,
    ) -> Result<Self, Error> {
        let raw_query = raw_query.unwrap_or_default();
        let (in_path, rest) = match raw_path.strip_prefix(SESSION_PREFIX) {
            Some(after) => {
                let end = after.find('/').unwrap_or(after.len());
                (Some(&after[..end]), &after[end..])
            }
            None => (None, raw_path),
        };
        let rest = if rest.is_empty() { "/" } else { rest };
        let path = RequestPath::parse(rest, max_path_bytes)?;
        if raw_query.is_empty() {
            let token = in_path.map(|token| (token.to_owned(), Carried::Path));
            path.refuse_part_of(token.as_ref())?;
            return Ok(Self { path, query: String::new(), token, variables: None, client });
        }
        let in_query = match query::count(raw_query.as_bytes(), SESSION_PARAMETER) {
            0 => None,
            1 => Some(query::first(raw_query.as_bytes(), SESSION_PARAMETER).unwrap_or_default()),
            _ => return Err(Error::TwoTokens),
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let token = match (in_path, in_query) {
            (Some(_), Some(_)) => return Err(Error::TwoTokens),
            (Some(token), None) => Some((token.to_owned(), Carried::Path)),
            (None, Some(token)) => Some((text(token), Carried::Query)),
            (None, None) => None,
        };
        path.refuse_part_of(token.as_ref())?;
        let variables = match query::count(raw_query.as_bytes(), VARIABLES_PARAMETER) {
            0 => None,
            1 => query::first(raw_query.as_bytes(), VARIABLES_PARAMETER).map(text),
            _ => return Err(Error::TwoTokens),
        };
        let is_ours = |name: &[u8]| {
            [SESSION_PARAMETER, VARIABLES_PARAMETER]
                .iter()
                .any(|ours| name.eq_ignore_ascii_case(ours.as_bytes()))
        };
        let query = text(&query::without(raw_query.as_bytes(), is_ours));
        Ok(Self { path, query, token, variables, client })
    }
}

/// Writes the URL path under which the gateway serves `raw_path` for a token.
pub(crate) fn carrying_path(prefix: &str, token: &str, carried: Carried, raw_path: &str) -> String {
    match carried {
        Carried::Path => format!("{prefix}{SESSION_PREFIX}{token}{raw_path}"),
        Carried::Query => format!("{prefix}{raw_path}"),
    }
}

/// The path of a request without the token that stands before it.
pub(crate) fn without_token(raw_path: &str) -> &str {
    match raw_path.strip_prefix(SESSION_PREFIX) {
        Some(after) => after.find('/').map_or("/", |slash| &after[slash..]),
        None => raw_path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(raw: &str) -> Result<RequestPath, Error> {
        RequestPath::parse(raw, 64)
    }

    #[test]
    fn paths_that_two_servers_could_read_differently_are_refused() {
        for bad in [
            "/a/../b",
            "/a/./b",
            "//a",
            "/a//b",
            "/a/..",
            "/.",
            "/a%2fb",
            "/a%2Fb",
            "/a%2Fb/./c",
            "/%2e%2e/b",
            "/a/%2e",
            "/a%5cb",
            "/a\\b",
            "/a%00b",
            "/a%0ab",
            "/a%7f",
            "/a%2",
            "/a%zz",
            "/a b",
            "/caf\u{e9}",
            "/..%2fetc/passwd",
            "/%2e%2e%2f%2e%2e%2fetc/passwd",
        ] {
            assert!(matches!(path(bad), Err(Error::BadPath(_))), "{bad}");
        }
        assert!(matches!(path(&format!("/{}", "a".repeat(64))), Err(Error::PathTooLong(64))));
    }

    #[test]
    fn ordinary_paths_pass_as_they_are_written() {
        for good in [
            "/",
            "/a",
            "/a/",
            "/a/b.m3u8",
            "/citt%C3%A0/a%20b",
            "/%E9",
            "/a/...",
            "/a;b=c,d",
            "/100%25",
        ] {
            assert_eq!(&*path(good).unwrap().raw, good);
        }
    }

    #[test]
    fn escapes_that_mean_the_same_are_one_path() {
        for (raw, normal) in [
            ("/%61/%62%2Em3u8", "/a/b.m3u8"),
            ("/caf%c3%a9/%7E", "/caf%C3%A9/~"),
            ("/a%2bb+c", "/a%2Bb+c"),
            ("/a{b}|c", "/a%7Bb%7D%7Cc"),
            ("/100%25", "/100%25"),
            ("/a;b=c,d", "/a;b=c,d"),
        ] {
            let path = path(raw).unwrap();
            assert_eq!((&*path.raw, path.written()), (normal, raw));
            let again = super::RequestPath::parse(normal, 64).unwrap();
            assert_eq!((&again.raw, &again.decoded), (&path.raw, &path.decoded), "{raw}");
        }
    }

    fn request(target: &str) -> Result<MediaRequest, Error> {
        let (path, query) = target.split_once('?').map_or((target, None), |(p, q)| (p, Some(q)));
        MediaRequest::parse(path, query, None, 1024)
    }

    #[test]
    fn a_token_is_taken_off_path_or_query() {
        let in_path = request("/s/TOKEN/v/a.m3u8?x=1").unwrap();
        assert_eq!(in_path.token, Some(("TOKEN".to_owned(), Carried::Path)));
        assert_eq!((&*in_path.path.raw, in_path.query.as_str()), ("/v/a.m3u8", "x=1"));
        let in_query = request("/v/a.m3u8?x=1&SG=TOKEN&y").unwrap();
        assert_eq!(in_query.token, Some(("TOKEN".to_owned(), Carried::Query)));
        assert_eq!((&*in_query.path.raw, in_query.query.as_str()), ("/v/a.m3u8", "x=1&y"));
        assert_eq!(request("/v/a.m3u8").unwrap().token, None);
    }

    #[test]
    fn two_tokens_are_refused() {
        for target in ["/s/A/v?sg=B", "/v?sg=A&sg=A", "/v?sg=A&SG=B", "/v?sg&sg=A"] {
            assert!(matches!(request(target), Err(Error::TwoTokens)), "{target}");
        }
    }

    #[test]
    fn an_empty_token_is_a_token() {
        assert_eq!(request("/s//v").unwrap().token, Some((String::new(), Carried::Path)));
        assert_eq!(request("/v?sg").unwrap().token, Some((String::new(), Carried::Query)));
    }

    #[test]
    fn a_token_stands_before_the_path_alone() {
        for (raw, rest) in [("/s/TOKEN/v/a", "/v/a"), ("/s/TOKEN", "/"), ("/v/a", "/v/a")] {
            assert_eq!(without_token(raw), rest);
        }
    }

    /// The path of what is served is logged, and sent to origins.
    #[test]
    fn a_path_that_holds_its_own_token_is_refused() {
        let token = "Ag0A-2dWb9kQhL3XsT7uYzE1cRvN_4mPqJ8wB5fKoGiH6tDnxMyl";
        for part in [
            token.to_owned(),
            token.to_ascii_lowercase(),
            token[20..34].to_owned(),
            token[..26].chars().flat_map(|c| [c, '.']).collect(),
            format!("{}/{}", &token[..30], &token[30..]),
            token.bytes().fold(String::new(), |all, byte| format!("{all}%{byte:02X}")),
        ] {
            for target in [format!("/s/{token}/v/{part}/a"), format!("/v/x{part}.ts?sg={token}")] {
                assert!(matches!(request(&target), Err(Error::BadPath(_))), "{target}");
            }
        }
        for path in ["/v/a.m3u8", "/v/2dWb9kQ/a.ts", "/v/5d41402abc4b2a76b9719d911017c592/a.ts"] {
            assert!(request(&format!("/s/{token}{path}")).is_ok(), "{path}");
        }
    }
}
