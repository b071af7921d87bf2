//! Names of the keys of encrypted segments. A request says nothing of what a manifest named, so that
//! the name alone tells a key from a segment, where the manifest is planned and where a request is
//! let in.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode;
use sluicegate_token::Scope;

use crate::request::DECODINGS;

/// The names of a route's keys: patterns of one or more path segments, `*` standing for any characters
/// of one. A pattern fits a path that has such segments side by side, also with more behind them: a
/// folder stands for all below it, and a script for what it takes behind its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyNames(Vec<KeyName>);

/// One pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
struct KeyName {
    /// Begins at the root of the gateway's paths.
    is_anchored: bool,
    /// In small letters, one at least.
    segments: Vec<String>,
}

impl KeyNames {
    /// Reads patterns: printable ASCII without what a path must escape, or what servers end a name at.
    ///
    /// # Errors
    /// What is wrong with them, as text for the configuration's reader.
    pub fn parse<T: AsRef<str>>(names: &[T]) -> Result<Self, String> {
        if names.is_empty() {
            return Err("there is none, and no key could be told from a segment".to_owned());
        }
        names.iter().map(|name| KeyName::parse(name.as_ref())).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a path, decoded once, is that of a key. So is every path that some server takes for
    /// one: with letters of the other case, with escapes that are decoded later, with parameters behind
    /// a name, with what Windows and macOS pass over in names.
    pub(crate) fn cover(&self, path: &[u8]) -> bool {
        let mut path = Cow::Borrowed(path);
        for _ in 1..DECODINGS {
            if self.0.iter().any(|name| name.fits(&path)) {
                return true;
            }
            let Cow::Owned(next) = Cow::from(percent_decode(&path)) else { return false };
            path = Cow::Owned(next);
        }
        self.0.iter().any(|name| name.fits(&path))
    }

    /// The first pattern of which a CDN's token may open a key, where the token is of this scope and was
    /// made for another file of the same host.
    pub(crate) fn opened_beside(&self, host: usize, scope: Scope) -> Option<impl fmt::Display> {
        self.0.iter().find(|name| {
            name.may_be_on(host)
                && match scope {
                    Scope::File => false,
                    // A folder that holds a key holds nothing else where the pattern fits all of it.
                    Scope::Directory => name.segments.last().is_none_or(|last| last != "*"),
                    Scope::Tree => true,
                }
        })
    }
}

impl KeyName {
    fn parse(text: &str) -> Result<Self, String> {
        let (is_anchored, inner) = match text.strip_prefix('/') {
            Some(inner) => (true, inner),
            None => (false, text),
        };
        let is_sound = |segment: &str| {
            let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\\%?#;:".contains(&byte);
            !segment.is_empty() && !segment.ends_with('.') && segment.bytes().all(is_plain)
        };
        if !inner.split('/').all(is_sound) {
            return Err(format!(
                "'{text}' is no name such as \"*.key\", \"keys/*\" or \"/~1/*\": printable ASCII without \
                 any of \\ % ? # ; : and without a dot at the end, where * stands for any characters \
                 of a segment"
            ));
        }
        let segments = inner.split('/').map(str::to_ascii_lowercase).collect();
        Ok(Self { is_anchored, segments })
    }

    fn fits(&self, path: &[u8]) -> bool {
        let mut rest = path.strip_prefix(b"/").unwrap_or(path).split(|byte| *byte == b'/');
        loop {
            let mut segments = rest.clone();
            let is_next = |pattern: &String| {
                segments.next().is_some_and(|name| fits_segment(pattern.as_bytes(), name))
            };
            if self.segments.iter().all(is_next) {
                return true;
            }
            if self.is_anchored || rest.next().is_none() {
                return false;
            }
        }
    }

    /// Whether a path of this host may fit: those of entry n of `allow_hosts` begin with `/~n`.
    fn may_be_on(&self, host: usize) -> bool {
        let Some(first) = self.segments.first().filter(|_| self.is_anchored) else { return true };
        match host {
            0 => {
                let digits = first.strip_prefix('~').unwrap_or_default();
                digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit())
            }
            _ => fits_segment(first.as_bytes(), format!("~{host}").as_bytes()),
        }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = if self.is_anchored { "/" } else { "" };
        write!(f, "{root}{}", self.segments.join("/"))
    }
}

fn fits_segment(pattern: &[u8], name: &[u8]) -> bool {
    let folded;
    let name = match name.is_ascii() {
        true => name,
        false => {
            folded = folded_text(&String::from_utf8_lossy(name));
            folded.as_bytes()
        }
    };
    // Servers end a name at its parameters, at an escaped query or at a stream of NTFS, and Windows passes
    // over dots and blanks behind it.
    let end = name.iter().position(|byte| b";:?#".contains(byte)).unwrap_or(name.len());
    let is_passed_over = |byte: &u8| matches!(byte, b'.' | b' ');
    let end = name[..end].iter().rposition(|byte| !is_passed_over(byte)).map_or(0, |at| at + 1);
    fits_text(pattern, name) || (end < name.len() && fits_text(pattern, &name[..end]))
}

/// What a server may read in the place of a text that is not ASCII: letters of the same case (`K` may be
/// the sign of kelvins) and width, without what file systems pass over.
fn folded_text(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => {}
            '\u{ad}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' => {}
            '\u{ff01}'..='\u{ff5e}' => {
                folded.extend(char::from_u32(u32::from(character) - 0xfee0));
            }
            '\u{37e}' => folded.push(';'),
            _ => folded.extend(character.to_uppercase().flat_map(char::to_lowercase)),
        }
    }
    folded
}

/// Whether a pattern in small letters fits a whole text of any case; `*` stands for any bytes.
fn fits_text(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut in_text) = (0, 0);
    // Behind the last `*`, and where what it stands for ends.
    let mut star = None;
    while let Some(byte) = text.get(in_text) {
        match pattern.get(at) {
            Some(b'*') => {
                at += 1;
                star = Some((at, in_text));
            }
            Some(expected) if *expected == byte.to_ascii_lowercase() => {
                at += 1;
                in_text += 1;
            }
            _ => {
                let Some((behind, end)) = star else { return false };
                at = behind;
                in_text = end + 1;
                star = Some((behind, in_text));
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> KeyNames {
        KeyNames::parse(names).unwrap()
    }

    #[test]
    fn a_key_is_told_by_its_name_and_its_folders() {
        let keys = names(&["*.key", "key*.bin", "Keys/*", "drm/*/k-*", "/~1/*"]);
        for key in [
            "/v/two.key",
            "/v/.key",
            "/key.bin",
            "/v/key2.bin",
            "/v/keys/one",
            "/keys/a/b/c.ts",
            "/keys/",
            "/a/drm/7/k-",
            "/drm/7/k-1/x.ts",
            "/~1/v/a.ts",
            "/v/two.key/a.ts",
        ] {
            assert!(keys.cover(key.as_bytes()), "{key}");
        }
        for other in [
            "/v/two.keys",
            "/v/key",
            "/v/xkey.bin",
            "/v/monkeys/one",
            "/v/keys",
            "/drm/k-1",
            "/drm/7/8/k-1",
            "/v/~1/a.ts",
            "/~2/v/a.ts",
            "/~11/v/a.ts",
            "/",
        ] {
            assert!(!keys.cover(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn what_some_server_takes_for_a_key_is_one() {
        let keys = names(&["*.key", "keys/*"]);
        for key in [
            "/v/TWO.KEY",
            "/v/two.kEy",
            "/v/two.key;a=b",
            "/v/two.key;x.ts",
            "/v/KEYS;a/one.ts",
            "/v/two.key.",
            "/v/two.key. ",
            "/v/two.key.;x",
            "/v/two.key::$DATA",
            "/v/two.key?x.ts",
            "/v/two.key#x.ts",
            "/v/two%2ekey",
            "/v/two.%6B%65y",
            "/v/two%252ekey",
            "/v/k%65ys/one.ts",
            "/v/two.key%3bx",
            "/v/two.key%20",
            "/v/two.\u{212a}ey",
            "/v/two.\u{ff4b}\u{ff45}\u{ff59}",
            "/v/two\u{ff0e}key",
            "/v/two.k\u{200c}ey",
            "/v/two.key\u{feff}",
            "/v/two.key\u{37e}x",
            "/v/key\u{17f}/one.ts",
            "/v/cl\u{e9}.key",
        ] {
            assert!(keys.cover(key.as_bytes()), "{key}");
        }
        assert!(keys.cover(b"/v/\xe9\xff.KEY") && keys.cover(b"/v/two.key;\xff"));
        for other in ["/v/two.%256b", "/v/two.ke\u{301}y", "/v/cl\u{e9}", "/v/a%", "/v/100%25.ts"] {
            assert!(!keys.cover(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_folders_token_may_lie_where_no_key_does() {
        let opened = |text: &[&str], host, scope| {
            names(text).opened_beside(host, scope).map(|name| name.to_string())
        };
        let found = |text: &str| Some(text.to_owned());
        for host in [0, 1] {
            assert_eq!(opened(&["*.key"], host, Scope::File), None);
            assert_eq!(opened(&["keys/*", "*.key"], host, Scope::Directory), found("*.key"));
            assert_eq!(opened(&["keys/*.bin"], host, Scope::Directory), found("keys/*.bin"));
            assert_eq!(opened(&["keys/*"], host, Scope::Directory), None);
            assert_eq!(opened(&["keys/*"], host, Scope::Tree), found("keys/*"));
        }
        for scope in [Scope::Directory, Scope::Tree] {
            assert_eq!(opened(&["/~2/k.php"], 2, scope), found("/~2/k.php"));
            assert_eq!(opened(&["/~2/k.php"], 0, scope), None);
            assert_eq!(opened(&["/~2/k.php"], 1, scope), None);
            assert_eq!(opened(&["/~*/k.php"], 1, scope), found("/~*/k.php"));
            assert_eq!(opened(&["/v/k.php"], 1, scope), None);
        }
    }

    #[test]
    fn patterns_have_no_second_reading() {
        for bad in ["", "/", "a//b", "keys/", "a b", "%6b.key", "a?", "a;b", "k\u{e9}y", "a."] {
            assert!(KeyNames::parse(&[bad]).unwrap_err().contains(bad), "{bad}");
        }
        assert!(KeyNames::parse::<&str>(&[]).is_err());
    }

    #[test]
    fn a_pattern_of_many_stars_takes_no_long_time() {
        let keys = names(&["*a*a*a*a*a*a*a*a*a*a*b"]);
        assert!(!keys.cover(format!("/{}", "a".repeat(4096)).as_bytes()));
    }
}
