//! A live packager's folder, signed as it changes.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sluicegate_manifest::{ExistingToken, Limits};
use sluicegate_offline::{
    Done, Durability, Host, Links, News, Others, Outcome, Output, Places, Stopper, Terms,
    TreeError, Watch, WatchError,
};
use sluicegate_token::{CdnKey, Gcore, Scope, UnixTime};
use tempfile::TempDir;
use url::Url;

const BASE: &str = "https://cdn.example.com/live/";
const TIMEOUT: Duration = Duration::from_secs(20);
/// Long enough for what must not happen to happen.
const A_WHILE: Duration = Duration::from_millis(300);
const MASTER: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv/index.m3u8\n";

/// What the watch tells, in the order in which it does.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Signed(PathBuf, u64),
    NotSigned(PathBuf),
    Taken(PathBuf),
    Waits(PathBuf, PathBuf),
    Removed(PathBuf),
    Trouble,
}

/// A packager's folder, what it is signed into, and the watch.
struct Live {
    input: TempDir,
    out: TempDir,
    told: Receiver<Told>,
    stopper: Stopper,
    watch: JoinHandle<Result<(), WatchError>>,
}

impl Live {
    fn start(others: Others, files: &[(&str, &str)]) -> Self {
        Self::renewing(others, files, None)
    }

    fn renewing(others: Others, files: &[(&str, &str)], renew_after: Option<Duration>) -> Self {
        let (input, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (path, text) in files {
            write(&input.path().join(path), text);
        }
        let watch = Watch::open(input.path(), places(), output(out.path(), others)).unwrap();
        let stopper = watch.stopper();
        let (sender, told) = channel();
        let watch = thread::spawn(move || {
            watch.run(&|| Ok(terms()), renew_after, &mut |news| {
                // A test that has seen enough has gone.
                let _ = sender.send(told_by(news));
            })
        });
        Self { input, out, told, stopper, watch }
    }

    /// Writes a file beside its place, and renames it: as packagers do.
    fn put(&self, path: &str, text: &str) {
        let path = self.input.path().join(path);
        let unfinished = path.with_extension("tmp");
        write(&unfinished, text);
        fs::rename(unfinished, path).unwrap();
    }

    fn next(&self) -> Told {
        self.told.recv_timeout(TIMEOUT).expect("the watch tells something")
    }

    fn expect(&self, told: &Told) {
        assert_eq!(self.next(), *told);
    }

    fn expect_nothing(&self) {
        let told = self.told.recv_timeout(A_WHILE);
        assert!(told.is_err(), "{told:?}");
    }

    fn signed(&self, path: &str) -> String {
        fs::read_to_string(self.out.path().join(path)).unwrap()
    }

    fn has(&self, path: &str) -> bool {
        self.out.path().join(path).exists()
    }

    fn stop(self) {
        self.stopper.stop();
        self.watch.join().unwrap().unwrap();
        let left: Vec<_> = self.told.try_iter().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn places() -> Places {
    Places::at(Url::parse(BASE).unwrap()).unwrap()
}

fn output(folder: &Path, others: Others) -> Output {
    let folder = Some(folder.to_owned());
    Output {
        folder,
        durability: Durability::Synced,
        others,
        links: Links::Within,
        unless_good_for: None,
    }
}

fn terms() -> Terms {
    let scheme = Arc::new(Gcore::new(CdnKey::plain("cdn", b"offline-secret"), Scope::File));
    let host = Host { url: Url::parse(BASE).unwrap(), scheme, expires: UnixTime(1_900_000_000) };
    let now = UnixTime(1_800_000_000);
    Terms {
        hosts: vec![host],
        ip: None,
        existing: ExistingToken::Refuse,
        trusts_strangers: false,
        refuses_strangers: false,
        now,
        limits: Limits::OWN_FILE,
    }
}

fn told_by(news: &News) -> Told {
    match news {
        News::Done(Done { relative, outcome: Outcome::Signed(signed), .. }) => {
            Told::Signed(relative.clone(), signed.tokens as u64)
        }
        News::Done(Done { relative, outcome: Outcome::Taken, .. }) => Told::Taken(relative.clone()),
        News::Done(done) => Told::NotSigned(done.relative.clone()),
        News::Waits { relative, what } => Told::Waits(relative.clone(), what.clone()),
        News::Removed(relative) => Told::Removed(relative.clone()),
        News::Trouble(_) => Told::Trouble,
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A sliding playlist of three segments.
fn sliding(first: u32) -> String {
    let segments: String =
        (first..first + 3).map(|number| format!("#EXTINF:2,\nseg{number}.ts\n")).collect();
    format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n{segments}")
}

fn signed(path: &str, tokens: u64) -> Told {
    Told::Signed(path.into(), tokens)
}

fn taken(path: &str) -> Told {
    Told::Taken(path.into())
}

fn waits(path: &str, what: &str) -> Told {
    Told::Waits(path.into(), what.into())
}

#[test]
fn what_is_there_is_signed_and_what_is_replaced_signed_again() {
    let segments = [("v/seg1.ts", "1"), ("v/seg2.ts", "2"), ("v/seg3.ts", "3")];
    let mut files = vec![("master.m3u8", MASTER), ("v/index.m3u8", "")];
    files.extend(segments);
    let first = sliding(1);
    files[1].1 = &first;
    let live = Live::start(Others::Leave, &files);
    // The master names the playlist, so that comes first, in whatever order they are found.
    live.expect(&waits("master.m3u8", "v/index.m3u8"));
    live.expect(&signed("v/index.m3u8", 3));
    live.expect(&signed("master.m3u8", 1));
    live.put("v/seg4.ts", "4");
    live.put("v/index.m3u8", &sliding(2));
    live.expect(&signed("v/index.m3u8", 3));
    assert!(live.signed("v/index.m3u8").contains("seg4.ts?md5="));
    assert!(!live.has("v/seg1.ts") && !live.has("v/index.tmp"), "media stay, others have no name");
    live.stop();
}

#[test]
fn no_playlist_is_published_before_the_files_that_it_names() {
    for others in [Others::Leave, Others::Copy, Others::Link] {
        let live = Live::start(others, &[("seg1.ts", "1"), ("seg2.ts", "2")]);
        if others != Others::Leave {
            live.expect(&taken("seg1.ts"));
            live.expect(&taken("seg2.ts"));
        }
        live.put("index.m3u8", &sliding(1));
        live.expect(&waits("index.m3u8", "seg3.ts"));
        live.expect_nothing();
        assert!(!live.has("index.m3u8"), "{others:?}");
        live.put("seg3.ts", "3");
        if others != Others::Leave {
            live.expect(&taken("seg3.ts"));
        }
        live.expect(&signed("index.m3u8", 3));
        // The one before stays until the next is complete.
        live.put("index.m3u8", &sliding(2));
        live.expect(&waits("index.m3u8", "seg4.ts"));
        assert!(live.signed("index.m3u8").contains("seg1.ts?md5="));
        live.put("seg4.ts", "4");
        if others != Others::Leave {
            live.expect(&taken("seg4.ts"));
            assert_eq!(live.signed("seg4.ts"), "4");
        }
        live.expect(&signed("index.m3u8", 3));
        live.stop();
    }
}

#[test]
fn what_is_not_there_yet_by_its_nature_is_not_waited_for() {
    let live = Live::start(Others::Leave, &[("seg1.ts", "1"), ("part1.ts", "p")]);
    let playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-GAP\n#EXTINF:2,\nlost.ts\n\
                    #EXTINF:2,\nseg1.ts\n#EXT-X-PART:DURATION=1,URI=\"part1.ts\"\n\
                    #EXT-X-PART:DURATION=1,GAP=YES,URI=\"part2.ts\"\n\
                    #EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"part3.ts\"\n\
                    #EXT-X-RENDITION-REPORT:URI=\"other.m3u8\"\n";
    live.put("index.m3u8", playlist);
    live.expect(&signed("index.m3u8", 6));
    live.stop();
}

#[test]
fn a_dash_timeline_is_published_with_its_last_segment() {
    let mpd = |last: u32| {
        format!(
            "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"dynamic\" \
             availabilityStartTime=\"2026-01-01T00:00:00Z\" minimumUpdatePeriod=\"PT2S\">\
             <Period id=\"1\" start=\"PT0S\"><AdaptationSet contentType=\"video\" mimeType=\"video/mp4\">\
             <SegmentTemplate timescale=\"1\" initialization=\"init-$RepresentationID$.mp4\" \
             media=\"$RepresentationID$-$Number$.m4s\" startNumber=\"1\"><SegmentTimeline>\
             <S t=\"0\" d=\"2\" r=\"{}\"/></SegmentTimeline></SegmentTemplate>\
             <Representation id=\"v\" bandwidth=\"1\"/></AdaptationSet></Period></MPD>",
            last - 1
        )
    };
    let live = Live::start(Others::Leave, &[("init-v.mp4", "i"), ("v-1.m4s", "1")]);
    live.put("live.mpd", &mpd(2));
    live.expect(&waits("live.mpd", "v-2.m4s"));
    live.put("v-2.m4s", "2");
    assert!(matches!(live.next(), Told::Signed(path, _) if path == Path::new("live.mpd")));
    live.stop();
}

#[test]
fn what_goes_from_the_input_goes_from_the_output() {
    let live = Live::start(Others::Link, &[("a/seg1.ts", "1"), ("b/x.ts", "x")]);
    live.expect(&taken("a/seg1.ts"));
    live.expect(&taken("b/x.ts"));
    fs::remove_file(live.input.path().join("a/seg1.ts")).unwrap();
    live.expect(&Told::Removed("a/seg1.ts".into()));
    assert!(!live.has("a/seg1.ts"));
    // A folder with all that is in it.
    fs::rename(live.input.path().join("b"), live.out.path().with_extension("away")).unwrap();
    live.expect(&Told::Removed("b/x.ts".into()));
    fs::rename(live.out.path().with_extension("away"), live.input.path().join("c")).unwrap();
    live.expect(&taken("c/x.ts"));
    live.stop();
}

#[test]
fn a_broken_playlist_is_told_of_and_the_one_before_stays() {
    let live = Live::start(Others::Leave, &[("seg1.ts", ""), ("seg2.ts", ""), ("seg3.ts", "")]);
    live.put("index.m3u8", &sliding(1));
    live.expect(&signed("index.m3u8", 3));
    live.put("index.m3u8", "#EXTM3U\n#EXTINF:2,\nseg1.ts?md5=old&expires=1\n");
    live.expect(&Told::NotSigned("index.m3u8".into()));
    assert!(live.signed("index.m3u8").contains("seg1.ts?md5="));
    live.put("index.m3u8", &sliding(1));
    live.expect(&signed("index.m3u8", 3));
    live.stop();
}

#[test]
fn tokens_are_renewed_in_time() {
    let files = [("a.m3u8", "#EXTM3U\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n"), ("a.ts", "a")];
    let after = Duration::from_millis(200);
    let live = Live::renewing(Others::Copy, &files, Some(after));
    let began = Instant::now();
    live.expect(&taken("a.ts"));
    for _ in 0..4 {
        live.expect(&signed("a.m3u8", 1));
    }
    assert!(began.elapsed() >= after * 3, "{:?}", began.elapsed());
    live.stopper.stop();
    live.watch.join().unwrap().unwrap();
}

#[test]
fn a_folder_that_cannot_be_watched_is_an_error_each() {
    let (input, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let open = |input: &Path, out: &Path| Watch::open(input, places(), output(out, Others::Leave));
    let error = open(&input.path().join("none"), out.path()).unwrap_err();
    assert!(error.to_string().contains("No such file"), "{error}");
    let error = open(input.path(), &input.path().join("out")).unwrap_err();
    assert!(matches!(error, WatchError::Tree(TreeError::Overlap { .. })), "{error}");
    fs::write(input.path().join("a.m3u8"), "#EXTM3U\n#EXT-X-ENDLIST\n").unwrap();
    let watch = open(input.path(), out.path()).unwrap();
    let folder = input.path().to_owned();
    let running = thread::spawn(move || watch.run(&|| Ok(terms()), None, &mut |_| {}));
    thread::sleep(Duration::from_millis(100));
    let away = tempfile::tempdir().unwrap();
    fs::rename(input.path(), away.path().join("moved")).unwrap();
    let error = running.join().unwrap().unwrap_err();
    assert_eq!(error.to_string(), format!("{} has gone", folder.display()));
    assert!(out.path().join("a.m3u8").exists(), "what is published stays");
}

#[test]
fn a_named_pipe_and_a_link_out_of_the_folder_stop_no_watch() {
    let secret = tempfile::tempdir().unwrap();
    write(&secret.path().join("secret.ts"), "SECRET");
    let live = Live::start(Others::Copy, &[]);
    let input = live.input.path();
    for name in ["pipe.m3u8", "pipe.ts"] {
        let made = std::process::Command::new("mkfifo").arg(input.join(name)).status();
        assert!(made.unwrap().success());
        live.expect(&Told::NotSigned(name.into()));
    }
    std::os::unix::fs::symlink(secret.path().join("secret.ts"), input.join("out.ts")).unwrap();
    live.expect(&Told::NotSigned("out.ts".into()));
    write(&input.join("v.ts"), "media");
    live.expect(&Told::Taken("v.ts".into()));
    assert!(!live.has("out.ts") && !live.has("pipe.ts"));
    live.stop();
}
