//! `sluicegate sign --batch`.

use std::fmt::Write as _;

use serde_json::Value;

use crate::run::{Run, sluicegate};

const EXPIRES: [&str; 2] = ["--expires", "2147483647"];

fn batch(input: impl Into<Vec<u8>>, options: &[&str]) -> Run {
    let mut command = sluicegate();
    command.args(["sign", "--batch"]).args(EXPIRES).args(options);
    Run::of(command.write_stdin(input))
}

fn one(url: &str) -> String {
    Run::line(sluicegate().args(["sign", url]).args(EXPIRES))
}

#[test]
fn each_line_is_signed_in_its_place() {
    let run = batch("/a/1.ts\r\nhttps://h/b c.ts?x=1\n\n/last", &[]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let expected = [one("/a/1.ts"), one("https://h/b c.ts?x=1"), String::new(), one("/last")];
    assert_eq!(run.stdout.lines().collect::<Vec<_>>(), expected);
    assert_eq!(batch("", &[]).stdout, "");
}

#[test]
fn what_cannot_be_signed_is_told_by_its_line_and_left_empty() {
    let long = format!("/{}", "x".repeat(70_000));
    let input =
        [b"/a\nnot a url\n/b?md5=THETOKEN\n/%zz\n\xff\n".to_vec(), long.into(), b"\n/c".to_vec()];
    let run = batch(input.concat(), &[]);
    assert_eq!(run.code, 1);
    let lines: Vec<_> = run.stdout.lines().collect();
    assert_eq!(lines, [&one("/a")[..], "", "", "", "", "", &one("/c")]);
    for (number, told) in
        [(2, "expected a URL"), (3, "'md5'"), (4, "byte 1"), (5, "UTF-8"), (6, "longer than")]
    {
        let line = run.stderr.lines().find(|line| line.contains(&format!("line {number}: ")));
        assert!(line.is_some_and(|line| line.contains(told)), "{told}: {}", run.stderr);
    }
    assert!(!run.stderr.contains("THETOKEN"));
}

#[test]
fn json_has_an_object_a_line() {
    let run = batch("/a/1.ts\n/b?md5=x\n", &["--json", "--scope", "directory"]);
    assert_eq!(run.code, 1);
    let lines: Vec<Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["signed"], "/a/");
    assert_eq!(lines[0]["scope"], "directory");
    assert_eq!(lines[1]["line"], 2);
    assert!(lines[1]["error"].as_str().unwrap().contains("md5"));
}

#[test]
fn a_long_list_keeps_its_order() {
    let mut input = String::new();
    for number in 0..50_000 {
        writeln!(input, "/vod/seg-{number}.ts").unwrap();
    }
    let run = batch(input.clone(), &[]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let mut lines = input.lines().zip(run.stdout.lines());
    assert!(lines.all(|(line, signed)| signed.starts_with(&format!("{line}?md5="))));
    assert_eq!(run.stdout.lines().count(), 50_000);
    assert_eq!(run.stdout.lines().nth(41_234).unwrap(), one("/vod/seg-41234.ts"));
}

#[test]
fn a_url_and_a_batch_do_not_go_together() {
    let run = Run::of(sluicegate().args(["sign", "--batch", "/a"]));
    assert_eq!(run.code, 64);
}
