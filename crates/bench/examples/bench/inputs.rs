//! What is served: a playlist of a live stream, segments, and keys.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use sluicegate_token::{CdnKey, Gcore, Link, Scope, UnixTime};
use tempfile::TempDir;

/// Segments of the playlist.
const SEGMENTS: usize = 600;
/// Bytes of a segment.
pub(crate) const SEGMENT_BYTES: usize = 1_000_000;
/// The secret of links, for the gateway's CDN and for nginx.
pub(crate) const SECRET: &str = "bench-secret-0123456789";
/// The bearer token of the API.
pub(crate) const BEARER: &str = "bench-bearer-0123456789";

/// A folder with everything.
pub(crate) struct Inputs {
    folder: TempDir,
}

impl Inputs {
    pub(crate) fn write() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the inputs");
        let inputs = Self { folder };
        let mut playlist =
            "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:1000\n"
                .to_owned();
        for number in 0..SEGMENTS {
            let written = writeln!(playlist, "#EXTINF:6.000,\nsegment-{:06}.ts", 1000 + number);
            written.expect("a string takes what is written");
        }
        inputs.put("media/index.m3u8", playlist.as_bytes());
        let noise: Vec<u8> = (0..SEGMENT_BYTES).map(|at| (at * 31 % 251) as u8).collect();
        inputs.put("media/segment.ts", &noise);
        inputs.put("media/small.ts", &noise[..10_000]);
        inputs.put("session.key", b"c2Vzc2lvbi1rZXktb2YtdGhlLWJlbmNobWFyay0zMmI");
        inputs.put("cdn.key", SECRET.as_bytes());
        inputs.put("link.key", SECRET.as_bytes());
        inputs.put("bound.key", b"bench-secret-of-bound-links-0123");
        inputs.put("bearer.key", BEARER.as_bytes());
        inputs
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder");
        fs::write(&path, bytes).expect("a file");
        if name.ends_with(".key") {
            let own = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            fs::set_permissions(path, own).expect("a file of one's own");
        }
    }

    /// Keeps what the gateway rendered, for the others to serve.
    pub(crate) fn keep_rendered(&self, body: &[u8]) {
        assert!(body.starts_with(b"#EXTM3U"), "the gateway did not answer with a playlist");
        self.put("rendered/index.m3u8", body);
    }

    /// A path with a link's query, as nginx checks it.
    pub(crate) fn signed(&self, path: &str) -> String {
        let key = CdnKey::plain("bench", SECRET.as_bytes());
        let scheme = Gcore::new(key, Scope::File);
        let url = format!("http://bench.invalid{path}");
        let link = Link::parse(&url).expect("a URL").sign(&scheme, UnixTime(4_102_444_800), None);
        link.expect("a link")
            .strip_prefix("http://bench.invalid")
            .expect("the same host")
            .to_owned()
    }
}
