//! Folders of manifests, signed.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sluicegate_manifest::{ExistingToken, Limits, Options, Place, SignHost, Template, undo};
use sluicegate_offline::{
    Done, Durability, Finding, Gate, Host, Links, Others, Outcome, Output, Places, Problem, Terms,
    Tree, TreeError, is_not_regular, open,
};
use sluicegate_testkit::fixtures::files_below as files;
use sluicegate_token::{CdnKey, Gcore, SchemeRing, Scope, UnixTime};
use tempfile::TempDir;
use url::Url;

const BASE: &str = "https://cdn.example.com/vod/";
const NOW: UnixTime = UnixTime(1_800_000_000);

fn terms(scope: Scope) -> Terms {
    let scheme = Arc::new(Gcore::new(CdnKey::plain("cdn", b"offline-secret"), scope));
    let host = Host { url: Url::parse(BASE).unwrap(), scheme, expires: UnixTime(1_900_000_000) };
    Terms {
        hosts: vec![host],
        ip: None,
        existing: ExistingToken::Refuse,
        trusts_strangers: false,
        refuses_strangers: false,
        now: NOW,
        limits: Limits::OWN_FILE,
    }
}

fn places() -> Places {
    Places::at(Url::parse(BASE).unwrap()).unwrap()
}

fn to(folder: &Path) -> Output {
    let folder = Some(folder.to_owned());
    Output {
        folder,
        durability: Durability::Unsynced,
        others: Others::Leave,
        links: Links::Within,
        unless_good_for: None,
    }
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        put(folder.path(), path, text);
    }
    folder
}

fn put(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn sign(inputs: &[&Path], output: &Output) -> Result<Vec<Done>, TreeError> {
    let inputs: Vec<_> = inputs.iter().map(PathBuf::from).collect();
    let mut tree = Tree::find(&inputs, Links::Within)?;
    tree.follow(&places(), &Limits::OWN_FILE);
    tree.sign(&places(), &terms(Scope::Directory), output, &|_| ())
}

fn names(folder: &Path) -> Vec<String> {
    files(folder).into_keys().map(|path| path.display().to_string()).collect()
}

const MASTER: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n360p/index.m3u8\n";
const MEDIA: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n";

fn film() -> TempDir {
    folder(&[
        ("film/master.m3u8", MASTER),
        ("film/360p/index.m3u8", MEDIA),
        ("film/360p/a.ts", "media"),
        // Found by its content, as nothing in its name says what it is.
        ("film/360p/list", MEDIA),
        ("film/readme.txt", "a film"),
    ])
}

#[test]
fn a_folder_becomes_a_folder_of_signed_manifests() {
    let (film, out) = (film(), tempfile::tempdir().unwrap());
    let before = files(film.path());
    let done = sign(&[film.path()], &to(&out.path().join("signed"))).unwrap();
    assert_eq!(done.len(), 3);
    let signed = out.path().join("signed/film");
    assert_eq!(names(&signed), ["360p/index.m3u8", "360p/list", "master.m3u8"]);
    let text = fs::read_to_string(signed.join("360p/index.m3u8")).unwrap();
    let md5 = "a.ts?md5=";
    assert!(text.contains(md5) && text.contains("&expires=1900000000\n"), "{text}");
    let master = fs::read_to_string(signed.join("master.m3u8")).unwrap();
    assert!(master.contains("360p/index.m3u8?md5="), "{master}");
    assert_eq!(files(film.path()), before, "inputs are never touched");
    // Once more it is the same to the byte.
    let first = files(&signed);
    sign(&[film.path()], &to(&out.path().join("signed"))).unwrap();
    assert_eq!(files(&signed), first);
    assert_eq!(
        fs::metadata(signed.join("master.m3u8")).unwrap().permissions().mode() & 0o777,
        0o644
    );
}

#[test]
fn a_named_manifest_brings_what_it_leads_to() {
    let (film, out) = (film(), tempfile::tempdir().unwrap());
    let done = sign(&[&film.path().join("film/master.m3u8")], &to(out.path())).unwrap();
    assert_eq!(done.len(), 2);
    assert_eq!(names(out.path()), ["360p/index.m3u8", "master.m3u8"]);
}

#[test]
fn other_files_are_left_copied_or_linked() {
    for (others, expected, is_same) in
        [(Others::Leave, 3, false), (Others::Copy, 5, false), (Others::Link, 5, true)]
    {
        let (film, out) = (film(), tempfile::tempdir().unwrap());
        let output = Output { others, ..to(out.path()) };
        sign(&[film.path()], &output).unwrap();
        assert_eq!(files(out.path()).len(), expected, "{others:?}");
        if others != Others::Leave {
            let inode = |folder: &Path| fs::metadata(folder.join("film/360p/a.ts")).unwrap().ino();
            assert_eq!(inode(film.path()) == inode(out.path()), is_same, "{others:?}");
        }
    }
}

#[test]
fn nothing_is_written_where_nothing_shall_be() {
    let film = film();
    let before = names(film.path());
    let output = Output { folder: None, ..to(film.path()) };
    let done = sign(&[film.path()], &output).unwrap();
    assert!(done.iter().all(|done| matches!(done.outcome, Outcome::Signed(_))));
    assert_eq!(names(film.path()), before);
}

#[test]
fn broken_manifests_keep_no_other_from_being_signed() {
    let (film, out) = (film(), tempfile::tempdir().unwrap());
    put(film.path(), "film/broken.mpd", "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"><Period>");
    put(film.path(), "film/error.m3u8", "<html>not found</html>");
    put(film.path(), "film/signed.m3u8", "#EXTM3U\n#EXTINF:2,\na.ts?md5=x\n");
    let done = sign(&[film.path()], &to(out.path())).unwrap();
    let of = |name: &str| &done.iter().find(|done| done.path.ends_with(name)).unwrap().outcome;
    assert!(matches!(of("broken.mpd"), Outcome::Broken(_)));
    assert!(matches!(of("error.m3u8"), Outcome::Broken(_)));
    assert!(matches!(of("signed.m3u8"), Outcome::Refused(_)));
    assert!(matches!(of("master.m3u8"), Outcome::Signed(_)));
    assert_eq!(names(&out.path().join("film")), ["360p/index.m3u8", "360p/list", "master.m3u8"]);
}

#[test]
fn what_would_go_wrong_is_refused_before_anything_is_written() {
    let (film, other, out) = (film(), film(), tempfile::tempdir().unwrap());
    let message = |result: Result<Vec<Done>, TreeError>| result.unwrap_err().to_string();
    let same = message(sign(&[film.path(), other.path()], &to(out.path())));
    assert!(same.contains("would both become"), "{same}");
    for output in
        [film.path().to_owned(), film.path().join("film/out"), film.path().join("new/out")]
    {
        let overlap = message(sign(&[film.path()], &to(&output)));
        assert!(overlap.contains("within each other"), "{overlap}");
    }
    let inner = message(sign(&[&film.path().join("film")], &to(film.path())));
    assert!(inner.contains("within each other"), "{inner}");
    let itself =
        message(sign(&[&film.path().join("film/master.m3u8")], &to(&film.path().join("film"))));
    assert!(itself.contains("within each other"), "{itself}");
    let missing = message(sign(&[&film.path().join("missing")], &to(out.path())));
    assert!(missing.contains("missing"), "{missing}");
    let nothing = message(sign(&[&film.path().join("*.mpd")], &to(out.path())));
    assert!(nothing.contains("fits no file"), "{nothing}");
    symlink("..", film.path().join("film/loop")).unwrap();
    let circle = message(sign(&[film.path()], &to(out.path())));
    assert!(circle.contains("leads back to"), "{circle}");
    assert_eq!(names(out.path()), [""; 0]);
    assert!(!film.path().join("new").exists());
}

#[test]
fn patterns_find_manifests() {
    let (film, out) = (film(), tempfile::tempdir().unwrap());
    sign(&[&film.path().join("film/*.m3u8")], &to(out.path())).unwrap();
    assert_eq!(names(out.path()), ["360p/index.m3u8", "master.m3u8"]);
}

#[test]
fn what_cannot_be_written_is_told_and_nothing_half_is_there() {
    let film = film();
    // A file stands where a folder would be.
    let out = folder(&[("film/360p", "in the way")]);
    let done = sign(&[film.path()], &to(out.path())).unwrap();
    let unwritten = done.iter().filter(|done| matches!(done.outcome, Outcome::Unwritten(_)));
    assert_eq!(unwritten.count(), 2);
    assert_eq!(names(out.path()), ["film/360p", "film/master.m3u8"]);
}

#[test]
fn a_film_that_is_longer_than_its_tokens_is_told_of() {
    let hour = "#EXTM3U\n#EXTINF:4000,\na.ts\n#EXT-X-ENDLIST\n";
    let mpd = r#"<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" mediaPresentationDuration="PT2H"/>"#;
    let film = folder(&[("long.m3u8", hour), ("long.mpd", mpd), ("short.m3u8", MEDIA)]);
    let mut terms = terms(Scope::Directory);
    terms.hosts[0].expires = NOW.saturating_add(3600);
    let tree = Tree::find(&[film.path().to_owned()], Links::Within).unwrap();
    let output = Output { folder: None, ..to(film.path()) };
    let done = tree.sign(&places(), &terms, &output, &|_| ()).unwrap();
    let secs = |name: &str| {
        let done = done.iter().find(|done| done.path.ends_with(name)).unwrap();
        let Outcome::Signed(signed) = &done.outcome else { panic!("{done:?}") };
        signed.outlives_tokens.map(|length| length.as_secs())
    };
    assert_eq!(
        (secs("long.m3u8"), secs("long.mpd"), secs("short.m3u8")),
        (Some(4000), Some(7200), None)
    );
}

#[test]
fn what_is_good_for_long_enough_stays() {
    let (film, out) = (film(), tempfile::tempdir().unwrap());
    sign(&[film.path()], &to(out.path())).unwrap();
    let before = files(out.path());
    let again = |rest_secs: u64| {
        let rest = Some(Duration::from_secs(rest_secs));
        let output = Output { unless_good_for: rest, ..to(out.path()) };
        let mut later = terms(Scope::Directory);
        later.hosts[0].expires = UnixTime(2_000_000_000);
        let tree = Tree::find(&[film.path().to_owned()], Links::Within).unwrap();
        let done = tree.sign(&places(), &later, &output, &|_| ()).unwrap();
        done.iter().filter(|done| matches!(done.outcome, Outcome::Signed(_))).count()
    };
    let left = 100_000_000;
    assert_eq!(again(left - 1), 0);
    assert_eq!(files(out.path()), before);
    // Somebody broke one, and another changed since.
    fs::write(out.path().join("film/master.m3u8"), MASTER).unwrap();
    assert_eq!(again(left - 1), 1);
    let future = SystemTime::now() + Duration::from_secs(10);
    let list = fs::File::options().write(true).open(film.path().join("film/360p/list")).unwrap();
    list.set_modified(future).unwrap();
    assert_eq!(again(left - 1), 1);
    assert_eq!(again(left + 1), 2, "the list's and the master's tokens are new by now");
}

/// Real manifests: each is signed or refused as it is alone, and what was signed gives it back.
#[test]
fn the_corpus_is_signed_as_a_tree() {
    let Some(corpus) = std::env::var_os("SLUICEGATE_CORPUS") else { return };
    let corpus = PathBuf::from(corpus);
    let tree = Tree::find(std::slice::from_ref(&corpus), Links::Within).unwrap();
    for scope in [Scope::Directory, Scope::File] {
        let out = tempfile::tempdir().unwrap();
        let terms = terms(scope);
        let done = tree.sign(&places(), &terms, &to(out.path()), &|_| ()).unwrap();
        let mut signed = 0;
        for done in &done {
            let Outcome::Signed(_) = &done.outcome else {
                assert!(!out.path().join(&done.relative).exists(), "{done:?}");
                continue;
            };
            signed += 1;
            let source = fs::read(&done.path).unwrap();
            let options = Options { limits: Limits::OWN_FILE, ..Options::default() };
            let template = Template::compile(source.clone().into(), &options).unwrap();
            let place = Place { now: Some(NOW), ..Place::at(places().url_of(&done.relative)) };
            let host = &terms.hosts[0];
            let mut policy = SignHost::new(&host.url, &*host.scheme);
            let plan = template.plan(&place, &mut policy).unwrap();
            let rendered = plan.render(&policy.sign(host.expires, None).unwrap());
            assert_eq!(fs::read(out.path().join(&done.relative)).unwrap(), rendered.bytes);
            assert_eq!(undo(&rendered.bytes, &rendered.edits), source, "{}", done.path.display());
        }
        assert!(signed > 350, "{signed} of {}", done.len());
        // No URI of the host is left without a token that opens it.
        let ring = SchemeRing::of(Arc::clone(&terms.hosts[0].scheme));
        let hosts = vec![(terms.hosts[0].url.clone(), ring)];
        let written = Tree::find(&[out.path().to_owned()], Links::Within).unwrap();
        let audit = written
            .verify(&places(), &Gate { hosts, ip: None, now: NOW, limits: Limits::OWN_FILE });
        let mut checked = 0;
        for manifest in &audit.manifests {
            checked += manifest.uris;
            let is_refused = |finding: &&Finding| !matches!(finding.problem, Problem::Missing);
            let wrong = manifest.findings.iter().find(is_refused);
            assert!(wrong.is_none(), "{scope}: {}: {wrong:?}", manifest.path.display());
        }
        assert!(checked > 20_000, "{checked}");
    }
}

/// A folder beside which lies what is not to be published, and symbolic links to it.
fn film_with_links() -> TempDir {
    let all = folder(&[
        ("secret.txt", "SECRET"),
        ("secret/index.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nSECRET.ts\n"),
        ("secret/b.ts", "SECRET"),
        ("in/film/master.m3u8", MASTER),
        ("in/film/360p/index.m3u8", MEDIA),
        ("in/film/360p/a.ts", "media"),
    ]);
    let film = all.path().join("in/film");
    symlink("360p/a.ts", film.join("inside.ts")).unwrap();
    symlink(film.join("360p/a.ts"), film.join("absolute-inside.ts")).unwrap();
    symlink("360p", film.join("alias")).unwrap();
    symlink("../../secret.txt", film.join("out.ts")).unwrap();
    symlink(all.path().join("secret.txt"), film.join("absolute.ts")).unwrap();
    symlink("../../secret/index.m3u8", film.join("out.m3u8")).unwrap();
    symlink("../../secret", film.join("out")).unwrap();
    all
}

fn is_published(out: &Path, secret: &str) -> bool {
    files(out).values().any(|bytes| String::from_utf8_lossy(bytes).contains(secret))
}

#[test]
fn links_that_lead_out_of_the_inputs_publish_nothing() {
    for others in [Others::Leave, Others::Copy, Others::Link] {
        let (all, out) = (film_with_links(), tempfile::tempdir_in(".").unwrap());
        let out = out.path().canonicalize().unwrap();
        let out = if others == Others::Link { all.path().join("www") } else { out };
        let done = sign(&[&all.path().join("in")], &Output { others, ..to(&out) }).unwrap();
        assert!(!is_published(&out, "SECRET"), "{others:?}: {:?}", names(&out));
        let refused = done.iter().filter(|done| match &done.outcome {
            Outcome::Unreadable(error) => error.to_string().contains("--follow"),
            Outcome::Unwritten(error) => panic!("{error}"),
            _ => false,
        });
        let refused: Vec<_> = refused.map(|done| done.relative.display().to_string()).collect();
        let all_led_out = ["film/absolute.ts", "film/out", "film/out.m3u8", "film/out.ts"];
        let expected = if others == Others::Leave { &all_led_out[2..3] } else { &all_led_out[..] };
        assert_eq!(refused, expected, "{others:?}");
        let of_media = ["film/absolute-inside.ts", "film/alias/a.ts", "film/inside.ts"];
        for name in of_media.iter().filter(|_| others != Others::Leave) {
            let path = out.join(name);
            assert_eq!(fs::read(&path).unwrap(), b"media", "{name}");
            assert!(fs::symlink_metadata(&path).unwrap().is_file(), "{name}");
        }
    }
}

#[test]
fn links_are_followed_where_that_is_wanted() {
    let (all, out) = (film_with_links(), tempfile::tempdir().unwrap());
    let tree = Tree::find(&[all.path().join("in")], Links::Follow).unwrap();
    let output = Output { others: Others::Copy, links: Links::Follow, ..to(out.path()) };
    tree.sign(&places(), &terms(Scope::Directory), &output, &|_| ()).unwrap();
    for name in ["film/out.ts", "film/absolute.ts", "film/out/b.ts"] {
        assert_eq!(fs::read_to_string(out.path().join(name)).unwrap(), "SECRET", "{name}");
    }
}

#[test]
fn what_a_named_manifest_leads_to_stays_within_its_folder() {
    let (all, out) = (film_with_links(), tempfile::tempdir().unwrap());
    let film = all.path().join("in/film");
    put(&film, "led.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nout/index.m3u8\n");
    let done = sign(&[&film.join("led.m3u8")], &to(out.path())).unwrap();
    assert!(!is_published(out.path(), "SECRET"), "{:?}", names(out.path()));
    assert!(matches!(&done[1].outcome, Outcome::Unreadable(_)), "{:?}", done[1]);
}

#[test]
fn nothing_is_written_through_a_link_of_the_output() {
    let (film, out, elsewhere) =
        (film(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    put(elsewhere.path(), "index.m3u8", "untouched");
    put(elsewhere.path(), ".sluicegate-left", "untouched");
    fs::create_dir(out.path().join("film")).unwrap();
    symlink(elsewhere.path(), out.path().join("film/360p")).unwrap();
    // A file that is a link is replaced, and what it leads to stays.
    symlink(elsewhere.path().join("index.m3u8"), out.path().join("film/master.m3u8")).unwrap();
    let output = Output { others: Others::Copy, ..to(out.path()) };
    let done = sign(&[film.path()], &output).unwrap();
    let before = [(".sluicegate-left", "untouched"), ("index.m3u8", "untouched")];
    let found = files(elsewhere.path());
    assert_eq!(found.len(), before.len(), "{found:?}");
    assert!(found.values().all(|bytes| bytes == b"untouched"));
    let unwritten: Vec<_> =
        done.iter().filter(|done| matches!(done.outcome, Outcome::Unwritten(_))).collect();
    assert_eq!(unwritten.len(), 3, "{done:?}");
    assert!(fs::symlink_metadata(out.path().join("film/master.m3u8")).unwrap().is_file());
    let tree = Tree::find(&[film.path().to_owned()], Links::Within).unwrap();
    let output = Output { links: Links::Follow, ..output };
    tree.sign(&places(), &terms(Scope::Directory), &output, &|_| ()).unwrap();
    assert_eq!(fs::read(elsewhere.path().join("a.ts")).unwrap(), b"media");
}

/// Whoever looks first and opens then meets what has taken its place meanwhile.
#[test]
fn only_what_is_opened_as_a_regular_file_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    symlink("pipe", at("led")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    fs::create_dir(at("folder")).unwrap();
    fs::write(at("file"), "text").unwrap();
    for within in [None, Some(folder.path())] {
        for name in ["pipe", "led", "socket", "folder"] {
            let refused = open(&at(name), within).unwrap_err();
            assert!(is_not_regular(&refused), "{name}: {refused:?}");
        }
        assert_eq!(std::io::read_to_string(open(&at("file"), within).unwrap()).unwrap(), "text");
        assert!(!is_not_regular(&open(&at("missing"), within).unwrap_err()));
    }
}

#[test]
fn a_named_pipe_is_refused_and_not_waited_for() {
    let film = film();
    let pipe = film.path().join("film/pipe.m3u8");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let refused = Tree::find(std::slice::from_ref(&pipe), Links::Within).unwrap_err();
    assert!(refused.to_string().contains("no regular file"), "{refused}");
    // Of a folder it is left out, as sockets and devices are.
    let out = tempfile::tempdir().unwrap();
    assert_eq!(sign(&[film.path()], &to(out.path())).unwrap().len(), 3);
    symlink("pipe.m3u8", film.path().join("film/led.m3u8")).unwrap();
    assert_eq!(sign(&[film.path()], &to(out.path())).unwrap().len(), 3);
}
