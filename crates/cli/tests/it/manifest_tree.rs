//! `sluicegate manifest sign --out`: folders of manifests.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::run::{Run, sluicegate};

const BASE: &str = "https://cdn.example.com/vod/";
const MASTER: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n360p/index.m3u8\n";
const MEDIA: &str = "#EXTM3U\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n";

fn film() -> TempDir {
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

fn sign(input: &Path, out: &Path, options: &[&str]) -> Run {
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
