//! `sluicegate manifest sign --out`: folders of manifests.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use sluicegate_testkit::fixtures::files_below as files;
use sluicegate_testkit::require_tools;
use tempfile::TempDir;

use crate::run::{KEY, Run, program, sluicegate};

pub(crate) const BASE: &str = "https://cdn.example.com/vod/";
const MASTER: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n360p/index.m3u8\n";
pub(crate) const MEDIA: &str = "#EXTM3U\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n";

pub(crate) fn film() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("film/360p")).unwrap();
    put(folder.path(), "film/master.m3u8", MASTER);
    put(folder.path(), "film/360p/index.m3u8", MEDIA);
    put(folder.path(), "film/360p/a.ts", "media");
    folder
}

fn put(folder: &Path, path: &str, text: &str) {
    fs::write(folder.join(path), text).unwrap();
}

pub(crate) fn sign(input: &Path, out: &Path, options: &[&str]) -> Run {
    let mut command = sluicegate();
    command.args(["manifest", "sign", "--base-url", BASE, "--expires", "2147483647"]);
    Run::of(command.arg(input).arg("--out").arg(out).args(options))
}

#[test]
fn a_folder_is_signed_into_another() {
    let (film, out) = (film(), tempfile::tempdir().unwrap());
    let run = sign(film.path(), out.path(), &[]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{}", run.stderr);
    assert_eq!(run.stderr, "2 manifests signed, 2 URIs\n");
    let signed = fs::read_to_string(out.path().join("film/360p/index.m3u8")).unwrap();
    assert!(signed.contains("a.ts?md5=") && signed.contains("&expires=2147483647"), "{signed}");
    assert!(!out.path().join("film/360p/a.ts").exists());
    let run = sign(film.path(), out.path(), &["--copy", "--no-fsync"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(out.path().join("film/360p/a.ts").exists());
}

#[test]
fn a_report_tells_of_every_manifest() {
    let (film, out) = (film(), tempfile::tempdir().unwrap());
    put(film.path(), "film/broken.m3u8", "not a playlist");
    put(
        film.path(),
        "film/other.m3u8",
        "#EXTM3U\n#EXTINF:2,\nhttps://elsewhere.example.com/a.ts\n",
    );
    let run = sign(film.path(), out.path(), &["--json"]);
    assert_eq!((run.code, run.stderr.as_str()), (1, ""));
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["signed"], 3);
    assert_eq!(report["failed"], 1);
    let of = |name: &str| {
        let manifests = report["manifests"].as_array().unwrap();
        manifests.iter().find(|row| row["output"] == format!("film/{name}")).unwrap().clone()
    };
    assert_eq!(of("master.m3u8")["signed"], 1);
    assert_eq!(of("master.m3u8")["expires"], 2_147_483_647);
    assert_eq!(of("other.m3u8")["kept"]["foreign host"], 1);
    assert!(of("broken.m3u8")["problem"].as_str().unwrap().contains("manifest"), "{report}");
    assert!(!out.path().join("film/broken.m3u8").exists());
    // For people the same.
    let run = sign(film.path(), out.path(), &[]);
    assert_eq!(run.code, 1);
    assert!(
        run.stderr.contains("broken.m3u8: ") && run.stderr.contains("1 manifest not"),
        "{}",
        run.stderr
    );
}

#[test]
fn only_what_runs_out_is_signed_again() {
    let (film, out) = (film(), tempfile::tempdir().unwrap());
    assert_eq!(sign(film.path(), out.path(), &[]).code, 0);
    let run = sign(film.path(), out.path(), &["--only-expiring", "7d"]);
    assert_eq!(run.stderr, "0 manifests signed, 0 URIs; 2 manifests good for longer\n");
    let run = sign(film.path(), out.path(), &["--only-expiring", "100y"]);
    assert_eq!(run.stderr, "2 manifests signed, 2 URIs\n");
}

#[test]
fn a_check_writes_nothing() {
    let (film, out) = (film(), tempfile::tempdir().unwrap());
    let run = sign(film.path(), &out.path().join("new"), &["--check"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(!out.path().join("new").exists());
    // Then no output is needed.
    let mut command = sluicegate();
    command.args(["manifest", "sign", "--check", "--base-url", BASE]).arg(film.path());
    assert_eq!(Run::of(&mut command).code, 0);
}

#[test]
fn what_makes_no_sense_is_a_usage_error_that_says_what_to_do() {
    let (film, out) = (film(), tempfile::tempdir().unwrap());
    let master = film.path().join("film/master.m3u8");
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (film_path, out_path, master) = (path(film.path()), path(out.path()), path(&master));
    for (arguments, said) in [
        (vec!["--base-url", BASE, &film_path], "--out"),
        (vec!["--base-url", BASE, &master, &master], "--out"),
        (
            vec!["--base-url", "https://cdn.example.com/a.m3u8", &film_path, "--out", &out_path],
            "ends in '/'",
        ),
        (vec!["--base-url", BASE, "-", "--out", &out_path], "standard input"),
        (vec!["--base-url", BASE, &film_path, "--out", &film_path], "within each other"),
        (vec!["--base-url", BASE, &film_path, "--out", &out_path, "--copy", "--link"], "--link"),
    ] {
        let mut command = sluicegate();
        let run = Run::of(command.args(["manifest", "sign"]).args(&arguments));
        assert_eq!(run.code, 64, "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.contains(said), "{arguments:?}: {}", run.stderr);
    }
    let mut command = sluicegate();
    command.args(["manifest", "sign", "--base-url", BASE, "--out", &out_path]);
    let run = Run::of(command.arg(film.path().join("film/360p/a.ts")));
    assert_eq!(run.code, 1, "who names a file means it: {}", run.stderr);
}

fn verify(folder: &Path, options: &[&str]) -> Run {
    let mut command = sluicegate();
    command.args(["manifest", "verify", "--base-url", BASE]).arg(folder);
    Run::of(command.args(options))
}

#[test]
fn what_was_signed_is_good() {
    for scope in ["directory", "file"] {
        let (film, out) = (film(), tempfile::tempdir().unwrap());
        assert_eq!(sign(film.path(), out.path(), &["--copy", "--scope", scope]).code, 0);
        let run = verify(out.path(), &["--scope", scope]);
        assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{}", run.stderr);
        assert_eq!(run.stderr, "2 manifests, 2 URIs, good until 2038-01-19T03:14:07Z; 0 wrong\n");
    }
}

#[test]
fn what_is_wrong_is_listed_with_its_place() {
    let (film, out) = (film(), tempfile::tempdir().unwrap());
    assert_eq!(sign(film.path(), out.path(), &["--copy"]).code, 0);
    let index = out.path().join("film/360p/index.m3u8");
    let good = fs::read_to_string(&index).unwrap();
    for (text, code, said) in [
        (good.replace("?md5=", "?md5=A"), "token-malformed", "not well-formed"),
        (good.replace("a.ts?", "sub/a.ts?"), "token-wrong", "does not match"),
        (MEDIA.to_owned(), "token-missing", "missing"),
        (good.replace("a.ts?", "b.ts?"), "file-missing", "not in the tree"),
        ("nothing".to_owned(), "broken", "manifest"),
    ] {
        fs::write(&index, &text).unwrap();
        let run = verify(out.path(), &[]);
        assert_eq!(run.code, 1, "{code}: {}", run.stderr);
        assert!(run.stdout.contains("index.m3u8") && run.stdout.contains(said), "{}", run.stdout);
        assert!(!run.stdout.contains("md5=A"), "no token is shown: {}", run.stdout);
        let report: Value = serde_json::from_str(&verify(out.path(), &["--json"]).stdout).unwrap();
        let codes: Vec<_> =
            report["problems"].as_array().unwrap().iter().map(|row| row["code"].clone()).collect();
        assert!(codes.contains(&code.into()), "{codes:?}");
        if code != "broken" {
            assert_eq!(report["problems"][0]["line"], 3);
        }
    }
    fs::write(&index, good.replace("a.ts?", "b.ts?")).unwrap();
    assert_eq!(verify(out.path(), &["--tokens-only"]).code, 0);
    fs::write(&index, &good).unwrap();
    let late = verify(out.path(), &["--now", "2147483648"]);
    assert_eq!(late.code, 1);
    assert!(late.stdout.contains("expired 1 s ago"), "{}", late.stdout);
    put(out.path(), "film/360p/forgotten.ts", "media");
    let run = verify(out.path(), &[]);
    assert!(run.stderr.contains("no manifest leads to film/360p/forgotten.ts"), "{}", run.stderr);
    assert_eq!(run.code, 0);
}

#[test]
fn trees_differ_in_what_is_no_token() {
    let (film, out) = (film(), tempfile::tempdir().unwrap());
    assert_eq!(sign(film.path(), out.path(), &[]).code, 0);
    let diff = |one: &Path, other: &Path| {
        Run::of(sluicegate().args(["manifest", "diff"]).arg(one).arg(other))
    };
    let same = diff(film.path(), out.path());
    assert_eq!((same.code, same.stdout.as_str()), (0, ""), "{}", same.stderr);
    put(film.path(), "film/360p/index.m3u8", &MEDIA.replace("a.ts", "b.ts"));
    put(film.path(), "film/new.m3u8", MEDIA);
    let changed = diff(film.path(), out.path());
    assert_eq!(changed.code, 1);
    assert!(changed.stdout.contains("-b.ts\n+a.ts\n"), "{}", changed.stdout);
    assert!(changed.stdout.contains("only in ") && changed.stdout.contains("film/new.m3u8"));
    let index = "film/360p/index.m3u8";
    let one = diff(&film.path().join(index), &out.path().join(index));
    assert!(
        one.code == 1 && one.stdout.contains("-b.ts") && !one.stdout.contains("md5"),
        "{}",
        one.stdout
    );
    assert_eq!(diff(film.path(), &out.path().join(index)).code, 64);
}

/// A tree that takes a while: so many playlists of so many segments.
fn large(manifests: usize, segments: usize) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text: String =
        (0..segments).map(|at| format!("#EXTINF:2,\nsegment-{at:05}.ts\n")).collect();
    let text = format!("#EXTM3U\n{text}#EXT-X-ENDLIST\n");
    for number in 0..manifests {
        let film = folder.path().join(format!("film-{number:03}"));
        fs::create_dir(&film).unwrap();
        fs::write(film.join("index.m3u8"), &text).unwrap();
    }
    folder
}

fn is_unfinished(path: &Path) -> bool {
    path.file_name().unwrap().to_str().unwrap().starts_with(".sluicegate-")
}

fn signing(input: &Path, out: &Path) -> Command {
    let mut command = program();
    command.env("SLUICEGATE_KEY", KEY);
    command.args(["manifest", "sign", "--base-url", BASE, "--expires", "2147483647"]);
    command.args(["--scope", "file"]).arg(input).arg("--out").arg(out);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Killed at fifty moments: what is there is whole, and the next run finishes it.
#[test]
fn a_run_that_is_killed_leaves_whole_files_only() {
    let (tree, whole, out) =
        (large(60, 400), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert!(signing(tree.path(), whole.path()).status().unwrap().success());
    let expected = files(whole.path());
    assert_eq!(expected.len(), 60);
    let mut cut = 0;
    let begun = || fs::read_dir(out.path()).unwrap().count();
    for round in 0..50 {
        if round % 5 == 0 {
            fs::remove_dir_all(out.path()).unwrap();
            fs::create_dir(out.path()).unwrap();
        }
        let enough = begun() + 1 + round * 37 % 20;
        let mut running = signing(tree.path(), out.path()).spawn().unwrap();
        // Spread over the whole run by what it has done: its time depends on the machine.
        while begun() < enough && running.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(100));
        }
        running.kill().unwrap();
        running.wait().unwrap();
        let found = files(out.path());
        cut += usize::from(!found.is_empty() && found.len() < 60);
        for (path, text) in found.iter().filter(|(path, _)| !is_unfinished(path)) {
            assert!(expected[path] == *text, "round {round}: {} is not whole", path.display());
        }
    }
    assert!(cut > 3, "the kills came too early or too late: {cut}");
    assert!(signing(tree.path(), out.path()).status().unwrap().success());
    assert!(files(out.path()) == expected, "the last run finished it, and left nothing over");
}

/// A disk that is full, or as good as: files may not be longer than what there is room for.
#[test]
fn a_full_disk_leaves_whole_files_only() {
    let tree = large(3, 400);
    fs::create_dir(tree.path().join("small")).unwrap();
    put(tree.path(), "small/index.m3u8", MEDIA);
    let shell = |script: &str, out: &Path| {
        let mut command = Command::new("sh");
        command.env("SLUICEGATE_KEY", KEY).args([
            "-c",
            script,
            "sh",
            env!("CARGO_BIN_EXE_sluicegate"),
        ]);
        command.arg(tree.path()).arg(out).output().unwrap()
    };
    let sign = "\"$1\" manifest sign --base-url https://cdn.example.com/vod/ --scope file --out \"$3\" \"$2\"";
    // Eight kilobytes; a write beyond is an error, not a signal.
    let out = tempfile::tempdir().unwrap();
    let limited = shell(&format!("trap '' XFSZ; ulimit -f 16; {sign}"), out.path());
    assert_eq!(limited.status.code(), Some(2), "{}", String::from_utf8_lossy(&limited.stderr));
    let left: Vec<_> = files(out.path()).into_keys().collect();
    assert_eq!(left, [Path::new("small/index.m3u8")]);
    assert!(String::from_utf8_lossy(&limited.stderr).contains("cannot write"));
    // A real one, where this user may mount a file system of its own.
    let out = tempfile::tempdir().unwrap();
    let full = shell(
        &format!(
            "exec unshare -rm sh -c 'mount -t tmpfs -o size=48k tmpfs \"$3\" || exit 99; {sign}; code=$?; ls -A \"$3\"/*; exit $code' sh \"$1\" \"$2\" \"$3\""
        ),
        out.path(),
    );
    if full.status.code() == Some(99) || String::from_utf8_lossy(&full.stderr).contains("unshare") {
        eprintln!("no file system could be mounted here");
        return;
    }
    let (said, listed) =
        (String::from_utf8_lossy(&full.stderr), String::from_utf8_lossy(&full.stdout));
    assert_eq!(full.status.code(), Some(2), "{said}");
    assert!(said.contains("No space left"), "{said}");
    assert!(!listed.contains(".sluicegate-"), "nothing unfinished is left: {listed}");
}

/// The program as a user who is not root, whom no permission stops: in a place that all may read.
fn as_nobody(place: &Path) -> Command {
    let (own, open) = (program(), place.join("sluicegate"));
    if !open.exists() {
        fs::copy(own.get_program(), &open).unwrap();
        allow(place, 0o755);
        allow(&open, 0o755);
    }
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if !is_root {
        return Command::new(open);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(open);
    command
}

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn without_permission_it_is_said_to_what() {
    require_tools!("setpriv");
    let (film, out, place) = (film(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    allow(film.path(), 0o755);
    allow(out.path(), 0o777);
    let sign = || {
        let mut command = as_nobody(place.path());
        command.args(["manifest", "sign", "--base-url", BASE, "--ttl", "1h"]).arg(film.path());
        command.arg("--out").arg(out.path()).env("SLUICEGATE_KEY", KEY);
        Run::of(&mut assert_cmd::Command::from_std(command))
    };
    let (playlist, folder) =
        (film.path().join("film/360p/index.m3u8"), film.path().join("film/360p"));
    allow(&folder, 0);
    let run = sign();
    allow(&folder, 0o755);
    let told = format!("cannot read {}: Permission denied", folder.display());
    assert!(run.code == 2 && run.stderr.contains(&told), "{}", run.stderr);
    assert!(files(out.path()).is_empty(), "who knows what is in it");
    allow(&playlist, 0);
    let run = sign();
    allow(&playlist, 0o644);
    let told = format!("{}: cannot be read: Permission denied", playlist.display());
    assert!(run.code == 2 && run.stderr.contains(&told), "{}", run.stderr);
    assert_eq!(files(out.path()).len(), 1, "all others are signed");
    fs::remove_dir_all(out.path().join("film")).unwrap();
    allow(out.path(), 0o755);
    let run = sign();
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert_eq!(run.stderr.matches("Permission denied").count(), 2, "{}", run.stderr);
    assert!(run.stderr.contains("master.m3u8: cannot write"), "{}", run.stderr);
    allow(out.path(), 0o777);
    assert_eq!(sign().code, 0);
}
