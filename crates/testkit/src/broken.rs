//! Tokens as clients, proxies and people break them, and what of a token no log may show.

use std::collections::HashSet;

/// As many characters of a token in a row are too many.
const PART: usize = 10;

/// What is put within a token: separators of every kind, escapes, another character.
const INSERTED: [&str; 24] = [
    ".", "=", "+", ",", ";", "~", "!", "@", ":", "*", "(", "$", "'", "&", "&amp;", "-", "_", "/",
    "//", "%20", "%2E", "%252E", "%", "x",
];

/// A token in every way that it is broken here.
#[must_use]
pub fn broken(token: &str) -> Vec<String> {
    let mut all = vec![token.to_owned()];
    for at in 0..=token.len() {
        let (before, after) = token.split_at(at);
        all.extend(INSERTED.map(|inserted| format!("{before}{inserted}{after}")));
        all.extend([before, after].map(str::to_owned));
        all.push(format!("{after}{before}"));
        if let Some(byte) = after.bytes().next() {
            all.push(format!("{before}{}", &after[1..]));
            all.push(format!("{before}%{byte:02X}{}", &after[1..]));
            all.push(format!("{before}%25{byte:02x}{}", &after[1..]));
        }
    }
    for every in [1, 2, 3, 5, 8, 9, 10] {
        let pieces: Vec<_> = token.as_bytes().chunks(every).map(String::from_utf8_lossy).collect();
        all.extend(INSERTED.map(|inserted| pieces.join(inserted)));
    }
    let escaped = |with: &str| token.bytes().map(|byte| format!("{with}{byte:02x}")).collect();
    all.extend([escaped("%"), escaped("%25")]);
    let swapped =
        |c: char| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    all.push(token.chars().map(swapped).collect());
    all.extend([token.to_ascii_lowercase(), token.to_ascii_uppercase(), token.repeat(2)]);
    all.push(format!("{token}/{token}"));
    all
}

/// Where in a request's target a token is put.
#[must_use]
pub fn targets(token: &str) -> Vec<String> {
    [
        "/s/TOKEN/v/master.m3u8",
        "/s/TOKEN",
        "/S/TOKEN/v/master.m3u8",
        "//s/TOKEN/v/master.m3u8",
        "/tv/s/TOKEN/v/master.m3u8",
        "/v/TOKEN/master.m3u8",
        "/v/TOKEN",
        "/TOKEN/1893456000/v/0.ts",
        "/v/TOKEN.ts",
        "/v/seg-TOKEN-1.m4s",
        "/v/0.ts;sg=TOKEN",
        "/v;sg=TOKEN;x/0.ts",
        "/v/sg;TOKEN/Sg=TOKEN/0.ts",
        "/v/hdnts=exp=1893456000~acl=/*~hmac=TOKEN/0.ts",
        "/v/0.ts&sg=TOKEN",
        "/v/0.ts%3Fsg=TOKEN",
        "/v/0.ts%3f%73g%3DTOKEN",
        "/v1/sessions/TOKEN",
        "/healthz/TOKEN",
    ]
    .map(|target| target.replace("TOKEN", token))
    .to_vec()
}

/// The parts of a token that no log may show.
#[derive(Debug)]
pub struct Parts {
    whole: HashSet<Vec<u8>>,
    bare: HashSet<Vec<u8>>,
}

impl Parts {
    /// Of this token.
    #[must_use]
    pub fn of(token: &str) -> Self {
        let whole = token.to_ascii_lowercase();
        let parts = |text: &[u8]| text.windows(PART).map(<[u8]>::to_vec).collect();
        Self { whole: parts(whole.as_bytes()), bare: parts(&bare(&whole)) }
    }

    /// A part that a text shows: in any case, and with or without separators.
    #[must_use]
    pub fn in_text(&self, text: &str) -> Option<String> {
        let text = text.to_ascii_lowercase();
        let bare_text = bare(&text);
        let mut whole = text.as_bytes().windows(PART).filter(|part| self.whole.contains(*part));
        let mut bare = bare_text.windows(PART).filter(|part| self.bare.contains(*part));
        let found = whole.next().or_else(|| bare.next())?;
        Some(String::from_utf8_lossy(found).into_owned())
    }
}

fn bare(text: &str) -> Vec<u8> {
    text.bytes().filter(u8::is_ascii_alphanumeric).collect()
}
