//! Paths as logs and messages show them.
//!
//! [`path`] is for paths of requests, of which a client may have made anything. It does not look for
//! tokens, since a token that a client has cut, split or mixed with other text looks like nothing
//! that is known. It shows what cannot be one: names that are known, and of all others fewer
//! characters than a part of a token that would be of use.
//!
//! [`holds_part_of`] is for requests whose token is right.
//!
//! [`may_be_token`] is for documents and file trees, which tools write and operators read.

use std::borrow::Cow;

use crate::SessionToken;
use crate::path::decode;

/// Stands for what is not shown.
pub const MASK: &str = "***";

/// How many unknown characters of a path are shown, all together, with the slashes between them.
const MOST_UNKNOWN: usize = 9;

/// How many segments of a path are shown or masked one by one.
const MOST_SEGMENTS: usize = 32;

/// Types of files.
const TYPES: &[&str] = &[
    "aac", "ac3", "ass", "bin", "cmfa", "cmft", "cmfv", "css", "dash", "dat", "ec3", "gif", "html",
    "jpeg", "jpg", "js", "json", "key", "m3u", "m3u8", "m4a", "m4f", "m4i", "m4s", "m4v", "mkv",
    "mp3", "mp4", "mpd", "png", "srt", "ts", "ttml", "txt", "vtt", "webm", "webp", "xml",
];

/// Names that packagers and platforms give, in lower case. None has fewer than three characters, so
/// that hardly any part of a token is one by chance.
const NAMES: &[&str] = &[
    "1080",
    "1080p",
    "1440",
    "1440p",
    "144p",
    "2160",
    "2160p",
    "240",
    "240p",
    "270p",
    "288p",
    "360",
    "360p",
    "396p",
    "432p",
    "480",
    "480p",
    "540",
    "540p",
    "576p",
    "720",
    "720p",
    "aac",
    "api",
    "asset",
    "assets",
    "audio",
    "auth",
    "auto",
    "avc",
    "av1",
    "channel",
    "channels",
    "chunk",
    "chunklist",
    "chunks",
    "clip",
    "cmaf",
    "content",
    "dash",
    "events",
    "file",
    "files",
    "film",
    "films",
    "frag",
    "fragment",
    "h264",
    "h265",
    "healthz",
    "hevc",
    "high",
    "hls",
    "image",
    "images",
    "index",
    "init",
    "iframe",
    "iframes",
    "key",
    "keys",
    "live",
    "low",
    "main",
    "manifest",
    "master",
    "media",
    "medium",
    "metrics",
    "mid",
    "movie",
    "movies",
    "openapi",
    "out",
    "page",
    "part",
    "playlist",
    "playlists",
    "png",
    "prog",
    "public",
    "readyz",
    "rendition",
    "season",
    "seg",
    "segment",
    "segments",
    "segs",
    "series",
    "sessions",
    "stream",
    "streams",
    "sub",
    "subs",
    "subtitle",
    "subtitles",
    "text",
    "thumbs",
    "track",
    "tracks",
    "trailer",
    "variant",
    "video",
    "videos",
    "vod",
];

/// A path of a request. Its first `known` segments are shown as they are: whoever calls knows them
/// from elsewhere, such as from a configuration or from a verified MAC. At most nine of the other
/// characters are shown, beside names and types of files that are on a list. The number of segments
/// stays visible.
#[must_use]
pub fn path(raw: &str, known: usize) -> Cow<'_, str> {
    let segments: Vec<_> = raw.split('/').collect();
    let last = segments.len() - 1;
    let mut left = Left { characters: MOST_UNKNOWN };
    let mut show = |at: usize| match segments[at] {
        // What stands before the first slash is no segment.
        known_one if (1..=known).contains(&at) => Cow::Borrowed(known_one),
        segment => left.show(segment),
    };
    // The name of the file tells most.
    let file = show(last);
    let mut shown: Vec<_> = (0..last.min(MOST_SEGMENTS)).map(show).collect();
    if last > MOST_SEGMENTS {
        shown.push(format!("({} segments)", last - MOST_SEGMENTS).into());
    }
    shown.push(file);
    match shown.iter().all(|segment| matches!(segment, Cow::Borrowed(_))) {
        true => Cow::Borrowed(raw),
        false => Cow::Owned(shown.join("/")),
    }
}

/// How many unknown characters may still be shown.
struct Left {
    characters: usize,
}

impl Left {
    fn show<'p>(&mut self, segment: &'p str) -> Cow<'p, str> {
        let dot = segment.rfind('.').filter(|dot| TYPES.contains(&&segment[dot + 1..]));
        let (stem, kind) = segment.split_at(dot.unwrap_or(segment.len()));
        let cost = match unknown_characters(stem) {
            // A slash between two parts may be a character of what was split there.
            cost @ 1.. if self.characters < MOST_UNKNOWN => cost + 1,
            cost => cost,
        };
        // What escapes stand for is not what is seen.
        let is_plain = stem.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'%');
        match self.characters.checked_sub(cost).filter(|_| is_plain) {
            Some(characters) => {
                self.characters = characters;
                Cow::Borrowed(segment)
            }
            None => Cow::Owned(format!("{MASK}{kind}")),
        }
    }
}

/// The characters of a name but those of words that are on the list.
fn unknown_characters(name: &str) -> usize {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let unknown_of = |word: &str| {
        let letters = word.trim_end_matches(|c: char| c.is_ascii_digit());
        match word {
            _ if NAMES.contains(&word) => 0,
            _ if NAMES.contains(&letters) => word.len() - letters.len(),
            _ => word.len(),
        }
    };
    let marks = name.bytes().filter(|byte| !byte.is_ascii_alphanumeric()).count();
    words.map(unknown_of).sum::<usize>() + marks
}

/// Whether a name in a document or a file tree may be a token, by its shape alone, since the scheme is
/// not known: a session token; a hash in base64url or hexadecimal, alone or beside an expiry; or
/// parameters as a segment.
#[must_use]
pub fn may_be_token(segment: &str) -> bool {
    let decoded = decode(segment.as_bytes()).unwrap_or_else(|_| segment.as_bytes().to_vec());
    let is_of_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    decoded.split(|byte| !is_of_token(byte)).any(|run| {
        let has = |kind: fn(&u8) -> bool| run.iter().any(kind);
        // Names that people give rarely mix both cases and are so long.
        let is_mixed = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
        let is_hex = run.iter().all(u8::is_ascii_hexdigit);
        (is_mixed && run.len() >= 20)
            || (is_hex && matches!(run.len(), 32 | 40 | 64 | 128))
            || run.len() == SessionToken::CHARS
    }) || memchr::memmem::find(&decoded, b"token=").is_some()
}

/// Whether a path holds a part of the token that it came with, which has eight letters and digits or
/// more. Case does not count, nor do characters that a client may have put between.
#[must_use]
pub fn holds_part_of(path: &[u8], token: &[u8]) -> bool {
    const PART: usize = size_of::<u64>();
    /// Each run of ten characters holds a part that begins at a multiple of this.
    const STEP: usize = 3;
    const MOST: usize = SessionToken::CHARS / STEP;
    let mut parts = [0_u64; MOST];
    let mut count = 0;
    for part in windows(token).skip(PART - 1).step_by(STEP).take(MOST) {
        parts[count] = part;
        count += 1;
    }
    let parts = &parts[..count];
    windows(path).skip(PART - 1).any(|window| parts.contains(&window))
}

/// The last eight letters and digits up to each of a text's, in lower case.
fn windows(text: &[u8]) -> impl Iterator<Item = u64> {
    let letters = text.iter().filter(|byte| byte.is_ascii_alphanumeric());
    letters.scan(0_u64, |window, letter| {
        *window = *window << 8 | u64::from(letter.to_ascii_lowercase());
        Some(*window)
    })
}
