//! What a stranger must not learn, and where it is looked for.

use std::collections::BTreeSet;

/// So many characters in a row are a part of a token, and no chance.
const PART: usize = 8;

/// Names of the parameters that tokens stand in.
const PARAMETERS: [&str; 4] = ["sg", "sgv", "md5", "expires"];

/// Tokens of a playback.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets {
    tokens: BTreeSet<String>,
}

impl Secrets {
    /// Adds the tokens that a URL bears.
    pub(crate) fn add_from(&mut self, url: &str) {
        self.tokens.extend(in_path(url).map(str::to_owned));
        for (name, value) in parameters(url) {
            if matches!(name, "sg" | "md5") && value.len() >= PART {
                self.tokens.insert(value.to_owned());
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// A token of which a part stands in the text, however often that is percent-encoded.
    pub(crate) fn part_in(&self, text: &str) -> Option<&str> {
        let readings = readings(text);
        let is_there = |token: &&String| {
            let parts = token.as_bytes().windows(PART);
            let mut parts = parts.filter_map(|part| std::str::from_utf8(part).ok());
            parts.any(|part| readings.iter().any(|reading| reading.contains(part)))
        };
        self.tokens.iter().find(is_there).map(String::as_str)
    }
}

/// Whether a text holds a place where tokens stand, whatever stands there.
pub(crate) fn has_place_of_token(text: &str) -> bool {
    readings(text).iter().any(|reading| {
        reading.contains("/s/")
            || parameters(reading)
                .any(|(name, _)| PARAMETERS.contains(&name.to_lowercase().as_str()))
    })
}

/// A text, and what percent-decoding makes of it.
fn readings(text: &str) -> [String; 3] {
    let decoded = |text: &str| percent_decoded(text.as_bytes());
    let once = decoded(text);
    let twice = decoded(&once);
    [text.to_owned(), once, twice]
}

fn percent_decoded(text: &[u8]) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        let digits = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped.filter(|_| byte == b'%') {
            Some(escaped) => {
                decoded.push(escaped);
                rest = &behind[2..];
            }
            None => {
                decoded.push(byte);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The token of a URL whose path begins with one.
fn in_path(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("/s/")?;
    rest.split('/').next().filter(|token| token.len() >= PART)
}

/// Everything of the form `name=value`.
fn parameters(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    text.match_indices('=').map(move |(at, _)| {
        let (before, behind) = (&text[..at], &text[at + 1..]);
        let name = before
            .rfind(|c| !is_token(c))
            .map_or(0, |end| end + before[end..].chars().next().map_or(0, char::len_utf8));
        let end = behind.find(|c| !is_token(c)).unwrap_or(behind.len());
        (&before[name..], &behind[..end])
    })
}

#[test]
fn a_part_of_a_token_is_found_in_every_writing() {
    let mut secrets = Secrets::default();
    secrets.add_from("http://h/a.mpd?x=1&sg=ABCDEFGHIJKLMNOP");
    secrets.add_from("http://h/s/abcdefghijklmnop/a.mpd");
    secrets.add_from("http://h/msg=none/a.ts?md5=0123456789&expires=5");
    assert_eq!(secrets.len(), 3);
    for text in [
        "GET /?u=xx%41BCDEFGHyy",
        "GET /s%2Fx?q=%2530%2531234567",
        "referer: http://p/hijklmno",
        "CDEFGHIJ",
    ] {
        assert!(secrets.part_in(text).is_some(), "{text}");
    }
    assert_eq!(secrets.part_in("GET /ABCDEFG/0123456/msg=1"), None);
    for text in ["?a=1&sg=", "u=%3Fsg%3Dx", "\"expires=9", "md5=", "/s/x", "u=%253Fsgv%253D"] {
        assert!(has_place_of_token(text), "{text}");
    }
    assert!(!has_place_of_token("GET /msg=1?expiress=2&sgx=3 sg md5"));
}
