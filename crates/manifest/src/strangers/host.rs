//! Whether a text names a host, as the URL parser of a browser finds one (WHATWG URL): a backslash is a
//! slash, tabs and line ends within count for nothing, and a scheme needs no slashes behind it.
//!
//! A value that is a reference is read from its beginning. A longer text may hold a reference anywhere, also
//! one that is escaped for JSON or XML, or all of it in base64 or in hexadecimal digits.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use url::Url;

use crate::RefuseReason;
use crate::budget::Budget;

/// The schemes behind which browsers look for a host, however many slashes there are.
const SPECIAL: [&str; 5] = ["http", "https", "ws", "wss", "ftp"];

/// An authority that is longer names a stranger: it is not read.
const MAX_AUTHORITY: usize = 4096;

/// Texts within each other that are in base64.
const MAX_DEPTH: usize = 2;

/// Shorter texts in base64 hold no URL.
const MIN_ENCODED: usize = 8;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Looks for hosts that are none of ours.
pub(crate) struct Search<'s> {
    /// What a reference without a scheme takes its scheme from.
    pub(crate) base: &'s Url,
    /// Whether a URL is on a host of ours.
    pub(crate) is_ours: &'s dyn Fn(&Url) -> bool,
    pub(crate) budget: &'s Budget,
}

impl Search<'_> {
    /// Whether a reference leads to a stranger by itself: what stands further behind is no host.
    pub(crate) fn leads_away(&self, reference: &[u8]) -> Result<bool, RefuseReason> {
        // Most references are names of files.
        if memchr::memchr3(b':', b'/', b'\\', reference).is_none() {
            return Ok(false);
        }
        self.budget.charge(reference.len())?;
        Ok(self.begins_away(&without_line_ends(reference)))
    }

    /// Whether a text names a stranger anywhere.
    pub(crate) fn names_stranger(&self, text: &[u8]) -> Result<bool, RefuseReason> {
        self.names_within(text, MAX_DEPTH)
    }

    fn names_within(&self, text: &[u8], depth: usize) -> Result<bool, RefuseReason> {
        self.budget.charge(text.len())?;
        if self.names_plainly(text)? {
            return Ok(true);
        }
        if let Cow::Owned(unescaped) = unescaped(text) {
            self.budget.charge(unescaped.len())?;
            if self.names_plainly(&unescaped)? {
                return Ok(true);
            }
        }
        if depth == 0 {
            return Ok(false);
        }
        match decoded(text) {
            Some(decoded) => self.names_within(&decoded, depth - 1),
            None => Ok(false),
        }
    }

    fn names_plainly(&self, text: &[u8]) -> Result<bool, RefuseReason> {
        let joined = without_line_ends(text);
        if self.begins_away(&joined) || self.holds_away(text)? {
            return Ok(true);
        }
        match joined {
            Cow::Owned(joined) => self.holds_away(&joined),
            Cow::Borrowed(_) => Ok(false),
        }
    }

    /// A reference from its beginning; without tabs and line ends.
    fn begins_away(&self, reference: &[u8]) -> bool {
        let start = reference.iter().take_while(|byte| **byte <= b' ').count();
        let reference = &reference[start..];
        let slashes = slashes(reference);
        if slashes >= 2 {
            return self.is_away(self.base.scheme(), &reference[slashes..], Ends::Reference);
        }
        let Some(colon) = reference.iter().position(|byte| !is_of_scheme(*byte)) else {
            return false;
        };
        reference[colon] == b':'
            && self.is_behind_scheme(&reference[..colon], &reference[colon + 1..])
    }

    fn is_behind_scheme(&self, scheme: &[u8], behind: &[u8]) -> bool {
        let slashes = slashes(behind);
        match special(scheme) {
            Some(scheme) => self.is_away(scheme, &behind[slashes..], Ends::Reference),
            // An identifier of a key; whatever else has two slashes has a host (RFC 3986).
            None => {
                behind.starts_with(b"//")
                    && scheme.first().is_some_and(u8::is_ascii_alphabetic)
                    && !scheme.eq_ignore_ascii_case(b"skd")
                    && has_labels(&behind[2..])
                    && self.is_away("", &behind[2..], Ends::Reference)
            }
        }
    }

    /// References within a text.
    fn holds_away(&self, text: &[u8]) -> Result<bool, RefuseReason> {
        let mut passed = 0;
        for at in memchr::memchr3_iter(b':', b'/', b'\\', text) {
            if at < passed {
                continue;
            }
            let behind = &text[at..];
            let found = if text[at] == b':' {
                let behind = &behind[1..];
                let slashes = slashes(behind);
                passed = at + 1 + slashes;
                let start = scheme_start(&text[..at]);
                let scheme = &text[start..at];
                match special(scheme).or_else(|| special_end(scheme).filter(|_| slashes >= 2)) {
                    Some(scheme) if slashes >= 2 => {
                        self.is_away_in_text(scheme, &behind[slashes..])?
                    }
                    // `urn:a:http:b` names no host.
                    Some(scheme) if start.checked_sub(1).is_none_or(|at| delimits(text[at])) => {
                        self.is_away_in_text(scheme, &behind[slashes..])?
                    }
                    Some(_) => false,
                    None => {
                        self.is_behind_scheme(scheme, &behind[..behind.len().min(MAX_AUTHORITY)])
                    }
                }
            } else {
                let slashes = slashes(behind);
                passed = at + slashes;
                let before = at.checked_sub(1).map(|at| text[at]);
                let is_quoted = before.is_some_and(is_quote) && !behind.starts_with(b"\\\\");
                let rest = &behind[slashes..];
                slashes >= 2
                    && before.is_none_or(delimits)
                    && rest
                        .first()
                        .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'[')
                    && (is_quoted || has_labels(rest))
                    && self.is_away_in_text(self.base.scheme(), rest)?
            };
            if found {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Both readings count: that of who takes a space, or a comma, for an end, and that of who does not.
    fn is_away_in_text(&self, scheme: &str, behind: &[u8]) -> Result<bool, RefuseReason> {
        let long = authority(behind, Ends::Quoted);
        self.budget.charge(long.len())?;
        Ok(self.is_away(scheme, behind, Ends::Text)
            || memchr::memchr(b'@', long).is_some() && self.is_away(scheme, behind, Ends::Quoted))
    }

    /// Whether the authority at the beginning of a text is a stranger's. What is none for a browser is
    /// nobody's.
    fn is_away(&self, scheme: &str, behind: &[u8], ends: Ends) -> bool {
        let authority = authority(behind, ends);
        if authority.len() > MAX_AUTHORITY {
            return true;
        }
        if authority.is_empty() {
            return false;
        }
        let authority = String::from_utf8_lossy(authority);
        let on = |scheme: &str| Url::parse(&format!("{scheme}://{authority}/")).ok();
        let is_away = |url: Option<Url>| {
            url.is_some_and(|url| url.host_str().is_some() && !(self.is_ours)(&url))
        };
        match scheme {
            "http" | "ws" => is_away(on("http")),
            "https" | "wss" => is_away(on("https")),
            // Whatever the protocol, it is the host that counts.
            _ => is_away(on("http")) && is_away(on("https")),
        }
    }
}

/// What ends an authority beside a slash, a query or a fragment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// Nothing.
    Reference,
    /// Quotes and brackets of the text around it.
    Quoted,
    /// White space and commas, too.
    Text,
}

/// The authority, or one byte more than it may have.
fn authority(text: &[u8], ends: Ends) -> &[u8] {
    let text = &text[..text.len().min(MAX_AUTHORITY + 1)];
    let is_end = |byte: &u8| match byte {
        b'/' | b'\\' | b'?' | b'#' => true,
        b'"' | b'\'' | b'`' | b'<' | b'>' => ends != Ends::Reference,
        b',' | b';' | b')' | b'}' | b'|' | 0..=b' ' => ends == Ends::Text,
        _ => false,
    };
    let authority = &text[..text.iter().position(is_end).unwrap_or(text.len())];
    // White space and controls at the end of a reference count for nothing.
    let len = authority.iter().rposition(|byte| *byte > b' ').map_or(0, |last| last + 1);
    &authority[..len]
}

fn slashes(text: &[u8]) -> usize {
    text.iter().take_while(|byte| matches!(byte, b'/' | b'\\')).count()
}

const fn is_of_scheme(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

/// Where the scheme begins that ends `text`; no known scheme is longer than that.
fn scheme_start(text: &[u8]) -> usize {
    let len = text.iter().rev().take(32).take_while(|byte| is_of_scheme(**byte)).count();
    text.len() - len
}

fn special(scheme: &[u8]) -> Option<&'static str> {
    SPECIAL.into_iter().find(|special| scheme.eq_ignore_ascii_case(special.as_bytes()))
}

/// The special scheme that a word ends with, the longest first: `1https` of a binary text.
fn special_end(word: &[u8]) -> Option<&'static str> {
    let ends = |special: &&str| {
        let start = word.len().checked_sub(special.len());
        start.is_some_and(|start| word[start..].eq_ignore_ascii_case(special.as_bytes()))
    };
    ["https", "http", "wss", "ws", "ftp"].into_iter().find(ends)
}

const fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}

/// Whether a reference may begin behind this byte.
const fn delimits(byte: u8) -> bool {
    is_quote(byte)
        || byte <= b' '
        || matches!(byte, b'=' | b'(' | b'[' | b'{' | b'<' | b'>' | b',' | b';' | b'|')
}

/// Whether a text begins with a host that has a dot or a port, or is this machine. Base64 and words of prose
/// have neither.
fn has_labels(text: &[u8]) -> bool {
    let host = authority(text, Ends::Text);
    host.iter().any(|byte| matches!(byte, b'.' | b':')) || host.eq_ignore_ascii_case(b"localhost")
}

/// A browser takes these out before it reads a URL.
fn without_line_ends(text: &[u8]) -> Cow<'_, [u8]> {
    match memchr::memchr3(b'\t', b'\n', b'\r', text) {
        None => Cow::Borrowed(text),
        Some(_) => {
            let is_kept = |byte: &u8| !matches!(byte, b'\t' | b'\n' | b'\r');
            Cow::Owned(text.iter().copied().filter(is_kept).collect())
        }
    }
}

/// A text with the escapes of JSON and of XML for ASCII characters taken off.
fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'\\', b'&', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let (character, len) = match byte {
            b'\\' => json_escape(&text[at..]),
            b'&' => xml_reference(&text[at..]),
            _ => None,
        }
        .unwrap_or((byte, 1));
        plain.push(character);
        at += len;
    }
    Cow::Owned(plain)
}

fn json_escape(text: &[u8]) -> Option<(u8, usize)> {
    match text.get(1)? {
        b'/' => Some((b'/', 2)),
        b'\\' => Some((b'\\', 2)),
        b'"' => Some((b'"', 2)),
        b't' => Some((b'\t', 2)),
        b'n' => Some((b'\n', 2)),
        b'r' => Some((b'\r', 2)),
        b'u' => Some((number(text.get(2..6)?, 16)?, 6)),
        b'x' => Some((number(text.get(2..4)?, 16)?, 4)),
        _ => None,
    }
}

fn xml_reference(text: &[u8]) -> Option<(u8, usize)> {
    let end = memchr::memchr(b';', &text[..text.len().min(12)])?;
    let character = match &text[1..end] {
        b"quot" => b'"',
        b"apos" => b'\'',
        b"lt" => b'<',
        b"gt" => b'>',
        b"amp" => b'&',
        b"sol" => b'/',
        b"bsol" => b'\\',
        b"colon" => b':',
        [b'#', b'x' | b'X', digits @ ..] => number(digits, 16)?,
        [b'#', digits @ ..] => number(digits, 10)?,
        _ => return None,
    };
    Some((character, end + 1))
}

/// An ASCII character by its number.
fn number(digits: &[u8], radix: u32) -> Option<u8> {
    let number = u8::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok();
    number.filter(u8::is_ascii)
}

/// What a text stands for that is in base64, in hexadecimal digits, or ends with a `data:` URI in base64.
fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii();
    let encoded = match memchr::memmem::rfind(text, b"base64,") {
        Some(at) => &text[at + b"base64,".len()..],
        None => text,
    };
    if encoded.len() < MIN_ENCODED {
        return None;
    }
    if let Some(digits) = encoded.strip_prefix(b"0x").or_else(|| encoded.strip_prefix(b"0X")) {
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        return digits.chunks(2).map(byte).collect();
    }
    let is_encoded = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || byte.is_ascii_whitespace()
            || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=')
    };
    if !encoded.iter().all(is_encoded) {
        return None;
    }
    let standard =
        encoded.iter().filter(|byte| !byte.is_ascii_whitespace()).map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            byte => *byte,
        });
    BASE64.decode(standard.collect::<Vec<_>>()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search<T>(found: impl FnOnce(&Search<'_>) -> T) -> T {
        let base = Url::parse("https://cdn.example.com/vod/i.mpd").unwrap();
        let budget = Budget::of(&crate::Limits::default(), 0, None);
        let is_ours = |url: &Url| url.origin() == base.origin();
        found(&Search { base: &base, is_ours: &is_ours, budget: &budget })
    }

    /// Each with whether it leads away as a reference, and whether it does within a text.
    #[test]
    fn hosts_are_found_as_browsers_find_them() {
        for (text, leads, names) in [
            ("https://evil.example/x", true, true),
            ("HtTpS://evil.example", true, true),
            ("http:evil.example/x", true, true),
            ("http:/evil.example/x", true, true),
            ("https:/\\evil.example", true, true),
            ("https:\\\\evil.example", true, true),
            ("https:\\/\\/evil.example/", true, true),
            ("https:///evil.example/", true, true),
            ("ws://evil.example/", true, true),
            ("wss:evil.example", true, true),
            ("ftp://evil.example/", true, true),
            ("rtmp://evil.example/live", true, true),
            ("//evil.example/x", true, true),
            ("//evil/x", true, true),
            ("//2130706433/", true, true),
            ("//[2001:db8::1]/", true, true),
            ("\\\\evil.example\\x", true, true),
            ("/\\evil.example", true, true),
            ("\\/evil.example", true, true),
            ("\\/\\/evil.example/", true, true),
            ("ht\ttps:\n//evil.example/", true, true),
            ("/\t/evil.example/", true, true),
            (" \u{1}//evil.example/ ", true, true),
            ("https://cdn.example.com@evil.example/", true, true),
            ("https://cdn.example.com @evil.example/", true, true),
            ("https://cdn.example.com:8443/", true, true),
            ("https://cdn.example.com.evil.example", true, true),
            ("see https://evil.example/", false, true),
            ("a=//evil.example/x", false, true),
            ("{\"u\":\"https:\\/\\/evil.example\\/x\"}", false, true),
            ("{\"u\":\"\\/\\/evil.example\\/x\"}", false, true),
            ("{\"u\":\"https:\\u002f\\u002Fevil.example\"}", false, true),
            ("{\"u\":\"https\\u003a//evil.example\"}", false, true),
            ("<a href='http:evil.example'/>", false, true),
            ("<a href='//evil/x'/>", false, true),
            ("<a href='https&#58;&#x2f;/evil.example'/>", false, true),
            ("aHR0cHM6Ly9ldmlsLmV4YW1wbGUv", false, true),
            ("Ly9ldmlsLmV4YW1wbGUv", false, true),
            ("aHR0cHM6\n Ly9ldmls\tLmV4YW1wbGU", false, true),
            ("YUhSMGNITTZMeTlsZG1sc0xtVjRZVzF3YkdVdg==", false, true),
            ("data:application/json;base64,aHR0cHM6Ly9ldmlsLmV4YW1wbGUv", false, true),
            ("0x68747470733a2f2f6576696c2e6578616d706c652f", false, true),
            ("\u{0}\u{f}1https://evil.example\u{0}", false, true),
            ("a.ts?u=https://evil.example/", false, true),
            // Nobody's host, or one of ours.
            ("", false, false),
            ("a/b.ts", false, false),
            ("/a/b", false, false),
            ("a//b.c/d", false, false),
            ("words // and words", false, false),
            ("a //8AAA== b", false, false),
            ("/DAlAAAAAAAAAP/wFAUAAAABf+/+AAAAAH4AUmXAAQEAAM0xrlk=", false, false),
            ("0xFC302500000000000000FFF01405", false, false),
            ("urn:mpeg:dash:schema:mpd:2011", false, false),
            ("urn:mpeg:dash:utc:http-xsdate:2014", false, false),
            ("urn:x:http:2014", false, false),
            ("urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed", false, false),
            ("tag:example.com,2026:x", false, false),
            ("skd://key.example/1", false, false),
            ("data:text/plain,a", false, false),
            ("file:///a/b", false, false),
            ("12:30:45", false, false),
            ("https: and http", false, false),
            ("https://", false, false),
            ("C:\\dir\\file.txt", false, false),
            ("https://cdn.example.com/x", false, false),
            ("HTTPS:\\\\CDN.example.com:443\\x", false, false),
            ("https:cdn.example.com", false, false),
            ("wss://cdn.example.com/", false, false),
            ("//cdn.example.com/x", false, false),
            ("see https://u@cdn.example.com, and //cdn.example.com/", false, false),
            ("aHR0cHM6Ly9jZG4uZXhhbXBsZS5jb20v", false, false),
        ] {
            search(|search| {
                assert_eq!(search.leads_away(text.as_bytes()), Ok(leads), "{text:?} leads");
                assert_eq!(search.names_stranger(text.as_bytes()), Ok(names), "{text:?} names");
            });
        }
    }

    #[test]
    fn an_authority_that_is_too_long_to_read_is_a_strangers() {
        let text = format!("https://cdn.example.com{}@evil.example/", "a".repeat(MAX_AUTHORITY));
        search(|search| {
            assert_eq!(search.leads_away(text.as_bytes()), Ok(true));
            assert_eq!(search.names_stranger(text.as_bytes()), Ok(true));
        });
    }

    /// Each candidate is charged, so that many of them come to an end.
    #[test]
    fn the_work_of_many_candidates_is_bounded() {
        let base = Url::parse("https://cdn.example.com/").unwrap();
        let is_ours = |_: &Url| true;
        for piece in ["=http:a", "://", "\\\\", " //a.b", "x:/"] {
            let limits =
                crate::Limits { max_steps: 1 << 20, steps_per_byte: 0, ..crate::Limits::default() };
            let text = piece.repeat((1 << 20) / piece.len());
            let budget = Budget::of(&limits, 0, None);
            let search = Search { base: &base, is_ours: &is_ours, budget: &budget };
            let found = search.names_stranger(text.as_bytes());
            assert!(!matches!(found, Ok(true)), "{piece}: {found:?}");
            assert!(budget.steps() <= 1 << 20, "{piece}");
        }
    }
}
