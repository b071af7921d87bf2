//! `sluicegate manifest sign --watch`: a live packager's folder.

use std::fs;
use std::time::Duration;

use serde_json::Value;
use sluicegate_testkit::Process;

use crate::manifest_tree::{BASE, MEDIA, film, sign};
use crate::run::{KEY, assert_clean, program};
use crate::serving::{signal, wait_until};

#[test]
fn a_live_folder_is_signed_until_it_is_told_to_stop() {
    let (film, out) = (film(), tempfile::tempdir().unwrap());
    let mut command = program();
    command.args(["manifest", "sign", "--watch", "--json", "--base-url", BASE, "--ttl", "1h"]);
    command.arg(film.path()).arg("--out").arg(out.path()).arg("--copy").env("SLUICEGATE_KEY", KEY);
    let mut watch = Process::spawn(&mut command).unwrap();
    let lines = |watch: &Process| {
        let stdout = watch.stdout();
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    wait_until(|| lines(&watch).iter().filter(|line| line["event"] == "manifest").count() == 2);
    let unfinished = film.path().join("film/360p/.index.m3u8");
    fs::write(&unfinished, MEDIA.replace("a.ts", "b.ts")).unwrap();
    fs::rename(&unfinished, film.path().join("film/360p/index.m3u8")).unwrap();
    wait_until(|| lines(&watch).iter().any(|line| line["event"] == "waits"));
    fs::write(film.path().join("film/360p/b.ts"), "media").unwrap();
    wait_until(|| lines(&watch).iter().filter(|line| line["event"] == "manifest").count() == 3);
    let last = lines(&watch).pop().unwrap();
    assert_eq!((&last["output"], &last["signed"]), (&"film/360p/index.m3u8".into(), &1.into()));
    let signed = fs::read_to_string(out.path().join("film/360p/index.m3u8")).unwrap();
    assert!(signed.contains("b.ts?md5=") && out.path().join("film/360p/b.ts").exists());
    signal(&watch, "INT");
    let ended = watch.wait(Duration::from_secs(10)).unwrap().unwrap();
    assert_eq!(ended.code(), Some(0), "{}", watch.stderr());
    assert!(watch.stderr().ends_with("3 manifests signed, 0 not\n"), "{}", watch.stderr());
    assert_clean(&(watch.stderr() + &watch.stdout()));
}

#[test]
fn what_cannot_be_watched_is_a_usage_error() {
    let (film, out) = (film(), tempfile::tempdir().unwrap());
    let master = film.path().join("film/master.m3u8");
    for (input, options, said) in [
        (&master, &[][..], "--watch takes a folder"),
        (&master, &["--check"], "--check"),
        (&film.path().to_owned(), &["--only-expiring", "1d"], "--only-expiring"),
    ] {
        let run = sign(input, out.path(), &[&["--watch"][..], options].concat());
        assert_eq!(run.code, 64, "{}", run.stderr);
        assert!(run.stderr.contains(said), "{}", run.stderr);
    }
}
