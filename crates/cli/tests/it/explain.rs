//! `sluicegate explain`.

use sluicegate_testkit::fixtures;

use crate::folder::{Folder, config, keep_private};
use crate::run::{Run, sluicegate, without_key};

const URL: &str = "https://cdn.example.com/videos/a b/1.ts";
const EXPIRES: [&str; 2] = ["--expires", "2000000000"];
const NOW: [&str; 2] = ["--now", "1900000000"];

fn sign(options: &[&str]) -> String {
    Run::line(sluicegate().arg("sign").args(options).args(EXPIRES).arg(URL))
}

/// Exit code, and the codes of the causes.
fn explain(url: &str, options: &[&str]) -> (i32, Vec<String>) {
    let run = Run::of(sluicegate().args(["explain", "--json"]).args(NOW).args(options).arg(url));
    let token = url.split("md5=").nth(1).and_then(|rest| rest.split('&').next());
    for text in [&run.stdout, &run.stderr] {
        assert!(token.is_none_or(|token| token.is_empty() || !text.contains(token)), "{text}");
    }
    let explained = run.json();
    let causes = explained["causes"].as_array().unwrap().iter();
    for cause in causes.clone() {
        assert!(["cause", "remedy"].iter().all(|text| !cause[text].as_str().unwrap().is_empty()));
    }
    assert_eq!(explained["valid"].as_bool().unwrap(), run.code == 0);
    (run.code, causes.map(|cause| cause["code"].as_str().unwrap().to_owned()).collect())
}

#[test]
fn the_mistake_is_named() {
    let file = sign(&[]);
    let directory = sign(&["--scope", "directory"]);
    let bound = sign(&["--ip", "203.0.113.7"]);
    let other = file.replace("/1.ts?", "/2.ts?");
    let doubled = file.replace("?md5=", "?md5=AAAAAAAAAAAAAAAAAAAAAA&md5=");
    let escaped = file.replace('&', "&amp;");
    let cut = file.split('&').next().unwrap().to_owned();
    for (url, options, causes) in [
        (&file, &[][..], &[][..]),
        (&directory, &[], &["directory-signed"]),
        (&file, &["--scope", "directory"], &["file-signed"]),
        (&directory, &["--scope", "either"], &[]),
        (&other, &[], &["other-file"]),
        (&doubled, &[], &["parameter-doubled"]),
        (&escaped, &[], &["ampersand-escaped"]),
        (&cut, &[], &["parameter-lost"]),
        (&file, &["--ip", "203.0.113.7"], &["address-left-out"]),
        (&bound, &["--ip", "203.0.113.7", "--plain"], &["address-signed"]),
        (&bound, &["--ip", "203.0.113.7", "--ip-form", "address/24"], &["address-form"]),
        (&file, &["--now", "2000000005"], &["expired"]),
    ] {
        let options: Vec<_> = match options.contains(&"--now") {
            true => options.to_vec(),
            false => [&NOW, options].concat(),
        };
        let run = Run::of(sluicegate().args(["explain", "--json"]).args(&options).arg(url));
        let explained = run.json();
        let told: Vec<_> = explained["causes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|cause| cause["code"].as_str().unwrap())
            .collect();
        assert_eq!(told, causes, "{url} {options:?}");
        assert_eq!(run.code, i32::from(!causes.is_empty()), "{url} {options:?}");
    }
}

#[test]
fn people_are_told_the_cause_and_the_remedy() {
    let directory = sign(&["--scope", "directory"]);
    let run = Run::of(sluicegate().arg("explain").args(NOW).arg(&directory));
    assert_eq!(run.code, 1);
    let lines: Vec<_> = run.stdout.lines().collect();
    assert!(lines[0].starts_with("refused (403): "), "{}", run.stdout);
    assert_eq!(lines[1], "cause: the token is for the directory, and the file's is asked for");
    assert!(lines[2].starts_with("  remedy: sign the whole path"), "{}", run.stdout);

    let (before, after) = directory.split_once("md5=").unwrap();
    let unknown = format!("{before}md5=AAAAAAAAAAAAAAAAAAAAAA{}", &after[22..]);
    let run = Run::of(sluicegate().arg("explain").args(NOW).arg(unknown));
    assert!(run.stdout.contains("none of the known mistakes fits"), "{}", run.stdout);
}

#[test]
fn an_older_key_is_found() {
    let folder = Folder::new();
    let old = folder.write("old.key", "the-key-of-last-year\n");
    let mut command = without_key();
    command.args(["sign", "--key-file"]).arg(&old).args(EXPIRES).arg(URL);
    let url = Run::line(&mut command);
    assert_eq!(explain(&url, &[]), (1, vec![]));
    let old = old.to_str().unwrap();
    assert_eq!(explain(&url, &["--older-key-file", old]), (1, vec!["older-key".to_owned()]));
}

#[test]
fn another_path_may_be_named() {
    let url = sign(&[]).replace("/1.ts?", "/the-cat-in-the-hat.mp4?");
    assert_eq!(explain(&url, &[]), (1, vec![]));
    let others = ["--other", "/videos/x.ts", "--other", URL];
    assert_eq!(explain(&url, &others), (1, vec!["other-file".to_owned()]));
}

#[test]
fn the_gateways_own_urls_are_explained_from_its_configuration() {
    let folder = Folder::new();
    let streams = fixtures::streams();
    let text = config("127.0.0.1:0", &format!("file:{}", streams.display()));
    let file = folder.write("gateway.toml", text);
    keep_private(&file);
    let explain = |url: &str| {
        let mut command = without_key();
        command.args(["explain", "--json", "--config"]).arg(&file).arg(url);
        let run = Run::of(&mut command);
        let causes = run.json()["causes"].clone();
        let codes = causes.as_array().unwrap().iter();
        let codes = codes.map(|cause| cause["code"].as_str().unwrap().to_owned());
        (run.code, codes.collect::<Vec<_>>().join(","), run.stderr)
    };
    let link = folder.sign("/videos/subdirs/master.m3u8", &[]);
    let (code, causes, note) = explain(&link);
    assert_eq!((code, causes.as_str()), (0, ""));
    assert!(note.contains("a link to route \"vod\""), "{note}");
    let (code, causes, _) = explain(&link.replace("master", "other"));
    assert_eq!((code, causes.as_str()), (1, "other-file"));
    let (code, causes, note) = explain("/s/short/videos/subdirs/master.m3u8");
    assert_eq!((code, causes.as_str()), (1, "session-token-length"), "{note}");
    let mut command = without_key();
    command.args(["explain", "--config"]).arg(&file).arg("/nowhere/at.all?md5=x");
    let run = Run::of(&mut command);
    assert_eq!(run.code, 64);
    assert!(run.stderr.contains("no route of"), "{}", run.stderr);
}
