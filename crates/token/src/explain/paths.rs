//! What of a URL may have been signed in place of what should.

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode, percent_encode};

use super::Mistake;
use crate::path::folder_of;
use crate::{Presented, Scope, Target, query};

/// What a path may hold unescaped, by RFC 3986 and by what libraries escape.
const LENIENT: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'`').add(b'%');
const STRICT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// In deeper paths no more slashes are doubled.
const MOST_SLASHES: usize = 16;

/// The candidates, the likeliest first; `right` is what should have been signed, and `own` are the
/// parameters of the scheme.
pub(super) fn candidates(
    right: &[u8],
    target: &Target<'_>,
    presented: &Presented<'_>,
    scope: Scope,
    own: &[&str],
) -> Vec<(Mistake, Vec<u8>)> {
    let (decoded, raw) = (target.path.as_bytes(), target.raw_path());
    let mut found: Vec<(Mistake, Vec<u8>)> = Vec::new();
    let mut add = |mistake: Mistake, bytes: Vec<u8>| {
        if bytes != right && !found.iter().any(|(_, known)| *known == bytes) {
            found.push((mistake, bytes));
        }
    };
    let folder = folder_of(decoded);
    match scope {
        Scope::File => add(Mistake::DirectorySigned, folder.to_vec()),
        Scope::Directory | Scope::Tree => add(Mistake::FileSigned, decoded.to_vec()),
    }
    let same = |path: &[u8]| if scope == Scope::File { path } else { folder_of(path) }.to_vec();
    let raw_decoded: Vec<u8> = percent_decode(raw).collect();
    let as_written =
        if raw_decoded == raw { Mistake::PathUnresolved } else { Mistake::PathEncoded };
    add(as_written, same(raw));
    for set in [LENIENT, STRICT] {
        let encoded = percent_encode(decoded, set).to_string();
        let spaces = encoded.replace("%20", "+");
        for text in [encoded.clone(), spaces, lower_digits(&encoded)] {
            add(Mistake::PathEncoded, same(text.as_bytes()));
        }
    }
    add(Mistake::PathDecoded, same(decoded));
    add(Mistake::PathUnresolved, same(&raw_decoded));
    add(Mistake::FirstSlashMissing, right.strip_prefix(b"/").unwrap_or(right).to_vec());
    for folder in [right, folder] {
        if folder.len() > 1 {
            add(Mistake::LastSlashMissing, folder.strip_suffix(b"/").unwrap_or(folder).to_vec());
        }
    }
    add(Mistake::SlashDoubled, [right, b"/"].concat());
    for slash in memchr::memchr_iter(b'/', right).take(MOST_SLASHES) {
        add(Mistake::SlashDoubled, [&right[..slash], b"/", &right[slash..]].concat());
    }
    for host in hosts(presented.target().origin()) {
        add(Mistake::HostSigned, [&host[..], right].concat());
        add(Mistake::HostSigned, [&host[..], decoded].concat());
    }
    let shown = presented.query.unwrap_or_default();
    let others = query::without(shown, |name| {
        own.iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes()))
    });
    for text in [&others[..], shown] {
        add(Mistake::QuerySigned, [right, b"?", text].concat());
        add(Mistake::QuerySigned, [decoded, b"?", text].concat());
    }
    let mut above = folder;
    while above.len() > 1 {
        above = folder_of(&above[..above.len() - 1]);
        add(Mistake::FolderAboveSigned(text(above)), above.to_vec());
    }
    let lower = right.to_ascii_lowercase();
    add(same_kind(scope, &lower), lower);
    found
}

/// Other files, or directories, whose names are near: what a token may have been copied from.
pub(super) fn neighbours(
    right: &[u8],
    target: &Target<'_>,
    scope: Scope,
) -> Vec<(Mistake, Vec<u8>)> {
    let is_folder = right.ends_with(b"/");
    let name_end = right.len() - usize::from(is_folder);
    let name_at = folder_of(&right[..name_end]).len();
    let name = &right[name_at..name_end];
    let mut names: Vec<Vec<u8>> = Vec::new();
    if !is_folder {
        names.extend(known_manifests());
        names.extend(other_extensions(stem_of(name)));
        names.extend(known_files());
    }
    names.extend(other_numbers(name));
    names.extend(other_characters(name));
    let with_name = |name: Vec<u8>| {
        let tail: &[u8] = if is_folder { b"/" } else { b"" };
        [&right[..name_at], &name, tail].concat()
    };
    let mut found: Vec<_> = names.into_iter().map(with_name).collect();
    found.extend(other_folders(&right[..name_at], &right[name_at..]));
    // The manifest's token on everything below it.
    if scope == Scope::File {
        let mut above = folder_of(target.path.as_bytes());
        while above.len() > 1 {
            above = folder_of(&above[..above.len() - 1]);
            found.extend(known_manifests().map(|name| [above, &name[..]].concat()));
        }
    }
    found.into_iter().map(|bytes| (same_kind(scope, &bytes), bytes)).collect()
}

fn same_kind(scope: Scope, path: &[u8]) -> Mistake {
    match scope {
        Scope::File => Mistake::OtherFile(text(path)),
        Scope::Directory | Scope::Tree => Mistake::OtherDirectory(text(path)),
    }
}

fn text(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

/// `https://host`, `//host` and `host`, if the URL has them.
fn hosts(origin: &[u8]) -> Vec<Vec<u8>> {
    let Some(at) = memchr::memmem::find(origin, b"//") else { return Vec::new() };
    let host = &origin[at + 2..];
    let mut hosts = vec![origin.to_vec(), origin[at..].to_vec(), host.to_vec()];
    if let Some(colon) = memchr::memrchr(b':', host) {
        hosts.push(host[..colon].to_vec());
    }
    hosts
}

/// `%C3` as `%c3`.
fn lower_digits(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let mut lowered = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let at = part.len().min(2);
        lowered.push('%');
        lowered.push_str(&part[..at].to_ascii_lowercase());
        lowered.push_str(&part[at..]);
    }
    lowered
}

fn known_manifests() -> impl Iterator<Item = Vec<u8>> {
    const STEMS: &str = "master index playlist manifest main stream chunklist prog_index video live \
        hls dash output out media test variant stream_0 stream_1 0 1 audio 360p 480p 720p 1080p";
    let stems = STEMS.split_ascii_whitespace();
    stems.flat_map(|stem| [format!("{stem}.m3u8").into_bytes(), format!("{stem}.mpd").into_bytes()])
}

/// The same name in folders of other renditions.
fn other_folders(folders: &[u8], name: &[u8]) -> Vec<Vec<u8>> {
    const RENDITIONS: &str = "144p 180p 240p 270p 360p 432p 480p 540p 576p 720p 1080p 1440p 2160p 4k \
        low mid medium high hd sd fhd uhd audio video subs hls dash cmaf";
    const MOST_NUMBERS: u32 = 99;
    let mut found = Vec::new();
    let mut at = 0;
    for segment in folders.split_inclusive(|&byte| byte == b'/') {
        let end = at + segment.len();
        let segment = segment.strip_suffix(b"/").unwrap_or(segment);
        let mut put = |other: &[u8]| {
            found.push([&folders[..at], other, &folders[at + segment.len()..], name].concat());
        };
        if !segment.is_empty() {
            RENDITIONS.split_ascii_whitespace().for_each(|other| put(other.as_bytes()));
            for other in numbered(segment, MOST_NUMBERS) {
                put(&other);
            }
        }
        at = end;
    }
    found
}

/// What files beside a video are often called.
fn known_files() -> impl Iterator<Item = Vec<u8>> {
    const STEMS: &str = "poster thumb thumbnail thumbnails cover preview trailer teaser intro outro \
        movie film clip episode sample file image photo picture logo banner init segment part track \
        sub subs subtitle subtitles caption captions chapters storyboard sprite key enc download \
        a b c d e f en de fr es it";
    let stems = STEMS.split_ascii_whitespace();
    let stems = stems.chain("master index playlist manifest main video audio test".split(' '));
    stems.flat_map(|stem| other_extensions(stem.as_bytes()))
}

fn stem_of(name: &[u8]) -> &[u8] {
    memchr::memrchr(b'.', name).map_or(name, |dot| &name[..dot])
}

fn other_extensions(stem: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    const EXTENSIONS: &str = "m3u8 mpd ts m4s mp4 m4v m4a cmfv cmfa aac mp3 vtt webvtt srt key bin \
        jpg jpeg png webp gif json xml mov mkv webm";
    EXTENSIONS
        .split_ascii_whitespace()
        .map(move |extension| [stem, b".", extension.as_bytes()].concat())
}

fn other_numbers(name: &[u8]) -> Vec<Vec<u8>> {
    numbered(name, 9_999)
}

/// Each number in the name as every number up to `most`.
fn numbered(name: &[u8], most: u32) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    let mut at = 0;
    while at < name.len() {
        let end = name[at..].iter().position(|byte| !byte.is_ascii_digit());
        let end = end.map_or(name.len(), |end| at + end);
        if end > at {
            let width = end - at;
            for number in 0..=most {
                let padded = format!("{number:0width$}");
                names.push([&name[..at], padded.as_bytes(), &name[end..]].concat());
            }
        }
        at = end.max(at + 1);
    }
    names
}

/// Each character as every other, or left out.
fn other_characters(name: &[u8]) -> Vec<Vec<u8>> {
    const LONGEST: usize = 256;
    const CHARACTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    let mut names = Vec::new();
    for at in 0..name.len().min(LONGEST) {
        names.push([&name[..at], &name[at + 1..]].concat());
        for &character in CHARACTERS {
            names.push([&name[..at], &[character], &name[at + 1..]].concat());
        }
    }
    names
}
