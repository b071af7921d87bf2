//! The streams of the fixtures: what a player must ask for when it plays one to the end.

use std::collections::BTreeSet;
use std::fs;

use sluicegate_testkit::browser::PlayOptions;
use sluicegate_testkit::fixtures;
use url::Url;

/// Frames of each rendition of each stream.
pub(crate) const FRAMES: u64 = 200;

/// A stream, and the rendition of it that the tests play.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    /// Its folder.
    pub(crate) name: &'static str,
    /// hls.js's number of the rendition; none where there is one rendition only.
    level: Option<usize>,
    /// The media playlists that belong to it, that of the pictures first.
    media_playlists: &'static [&'static str],
}

/// A file, or a range of one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Resource {
    /// The path below the folder of all streams, with a slash before it.
    pub(crate) path: String,
    /// The value of the `Range` header.
    pub(crate) range: Option<String>,
}

pub(crate) const SUBDIRS: Stream = Stream {
    name: "subdirs",
    level: Some(1),
    media_playlists: &["360p/index.m3u8", "audio/en/index.m3u8", "subs/en/index.m3u8"],
};
pub(crate) const AES128: Stream =
    Stream { name: "aes128", level: None, media_playlists: &["v/index.m3u8"] };
pub(crate) const BYTERANGES: Stream =
    Stream { name: "byteranges", level: None, media_playlists: &["video/index.m3u8"] };
pub(crate) const FLAT: Stream =
    Stream { name: "flat", level: None, media_playlists: &["index.m3u8"] };
pub(crate) const ALL: [Stream; 4] = [SUBDIRS, AES128, BYTERANGES, FLAT];

impl Stream {
    /// The path of its multivariant playlist below the folder of all streams.
    pub(crate) fn master(&self) -> String {
        format!("/{}/master.m3u8", self.name)
    }

    /// How the browser plays it: the chosen rendition to the end, in 4 s. At twice the speed no
    /// frame is lost even on busy processors.
    pub(crate) fn play_options(&self) -> PlayOptions {
        PlayOptions { level: self.level, rate: 2.0, ..PlayOptions::default() }
    }

    /// The files of the rendition's pictures, which a player of pictures alone asks for as well.
    pub(crate) fn video_files(&self) -> Vec<Resource> {
        named_by(&format!("/{}/{}", self.name, self.media_playlists[0]))
    }

    /// All that a player must ask for to play the rendition to the end.
    pub(crate) fn implied(&self) -> BTreeSet<Resource> {
        let mut implied = BTreeSet::from([Resource::whole(self.master())]);
        for playlist in self.media_playlists {
            let path = format!("/{}/{playlist}", self.name);
            implied.extend(named_by(&path));
            implied.insert(Resource::whole(path));
        }
        implied
    }
}

impl Resource {
    fn whole(path: String) -> Self {
        Self { path, range: None }
    }

    /// Whether it is a playlist, which the gateway renders.
    pub(crate) fn is_playlist(&self) -> bool {
        self.path.ends_with(".m3u8")
    }
}

/// The resources that a media playlist of the fixtures names, read with the few rules that these
/// files need.
fn named_by(playlist: &str) -> Vec<Resource> {
    let text = fs::read_to_string(fixtures::streams().join(&playlist[1..])).unwrap();
    let base = Url::parse("http://streams.invalid/").unwrap().join(playlist).unwrap();
    let resource = |reference: &str, range: Option<&str>| Resource {
        path: base.join(reference).unwrap().path().to_owned(),
        range: range.map(range_header),
    };
    let mut named = Vec::new();
    let mut range = None;
    for line in text.lines() {
        if let Some(given) = line.strip_prefix("#EXT-X-BYTERANGE:") {
            range = Some(given);
        } else if let Some(reference) = quoted(line, "URI") {
            named.push(resource(reference, quoted(line, "BYTERANGE")));
        } else if !line.starts_with('#') {
            named.push(resource(line, range.take()));
        }
    }
    named
}

/// The value of a quoted attribute of a tag.
fn quoted<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let (_, value) = line.strip_prefix('#')?.split_once(&format!("{name}=\""))?;
    value.split('"').next()
}

/// `1325@0` as a `Range` header has it.
fn range_header(length_and_start: &str) -> String {
    let (length, start) = length_and_start.split_once('@').unwrap();
    let (length, start): (u64, u64) = (length.parse().unwrap(), start.parse().unwrap());
    format!("bytes={start}-{}", start + length - 1)
}

#[test]
fn the_fixtures_imply_what_their_readme_says() {
    let counts = ALL.map(|stream| stream.implied().len());
    // Master and playlists, init sections, segments, key.
    assert_eq!(counts, [1 + 3 + 2 + 12, 1 + 1 + 4 + 1, 1 + 1 + 1 + 4, 1 + 1 + 4]);
    let key = Resource::whole("/aes128/keys/key.bin".to_owned());
    assert!(AES128.implied().contains(&key));
    let last = Resource {
        path: "/byteranges/video/media.mp4".to_owned(),
        range: Some("bytes=107725-146819".to_owned()),
    };
    assert!(BYTERANGES.implied().contains(&last));
}
