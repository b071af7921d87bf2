//! `sluicegate config check`, and `serve` with the same file.

use std::net::TcpListener;
use std::path::Path;

use serde_json::json;
use sluicegate_testkit::fixtures;

use crate::folder::{CDN_KEY, Folder, config, streams};
use crate::run::{Run, without_key};

fn check(file: &Path, options: &[&str]) -> Run {
    Run::of(without_key().args(["config", "check"]).arg(file).args(options))
}

#[test]
fn a_good_file_is_told_so() {
    let folder = Folder::new();
    let file = folder.write("gateway.toml", config("127.0.0.1:8080", &streams()));
    let run = check(&file, &[]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_eq!(run.only_line(), format!("{}: good; routes: vod at /videos/", file.display()));
    let run = check(&file, &["--json"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_eq!(
        run.json(),
        json!({
            "valid": true,
            "error": null,
            "listen": "127.0.0.1:8080",
            "routes": [{ "id": "vod", "path": "/videos/" }],
            "warnings": [],
        })
    );
}

/// Names in a configuration are relative to it, and not to where one happens to stand.
#[test]
fn relative_names_begin_at_the_file() {
    let folder = Folder::new();
    folder.write("gateway.toml", config("127.0.0.1:8080", "file:media"));
    std::fs::create_dir(folder.path().join("media")).unwrap();
    for (stand_in, name) in [
        (folder.path(), "gateway.toml".into()),
        (Path::new("/"), folder.path().join("gateway.toml")),
    ] {
        let mut command = without_key();
        let run = Run::of(command.current_dir(stand_in).args(["config", "check"]).arg(&name));
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", stand_in.display());
    }
}

/// What is wrong with a file is told by `config check` and by `serve`, in the same words.
#[test]
fn a_fault_is_named_and_nothing_is_served() {
    // Taken: whoever tried to listen before the file is found good would fail for another reason.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let good = config(&taken.local_addr().unwrap().to_string(), &streams());
    for (from, to, told) in [
        ("listen =", "lisen =", &["line 1,", "unknown field `lisen`"][..]),
        ("[route.entry]", "[route.entri]", &["unknown field `entri`", "expected one of"]),
        ("listen = \"", "listen = \"x", &["line 1,", "socket address"]),
        ("id = \"vod\"", "id = 5", &["line 10,", "string"]),
        (
            "session.key",
            "other.key",
            &["session.key: cannot read ", "other.key", "`sluicegate keygen --session --out"],
        ),
        (
            "{ file = \"cdn.key\" }",
            &format!("\"{CDN_KEY}\""),
            &["line 15,", "a key never stands in the configuration"],
        ),
        ("cdn.key", "other.key", &["route \"vod\": entry.key: cannot read ", "`sluicegate keygen"]),
        (
            "file = \"cdn.key\"",
            "env = \"SLUICEGATE_TEST_UNSET\"",
            &["entry.key", "SLUICEGATE_TEST_UNSET is not set"],
        ),
        ("cdn.key", "bearer.key", &["entry.key", "equals a bearer token"]),
        ("cdn.key", "session.key", &["entry.key", "equals a session key"]),
        ("bearer.key", "session.key", &["api.bearer", "equals a session key"]),
        ("session.key", "cdn.key", &["session.key", "`sluicegate keygen --session`"]),
        ("file:", "file:/missing", &["route \"vod\": origin: the folder /missing", "No such file"]),
        ("file:", "", &["route \"vod\": origin: ", "\"file:FOLDER\""]),
        (
            "[[route]]",
            "[[route]]\nid=\"vod\"\norigin=\"http://127.0.0.1/\"\n[[route]]",
            &["route \"vod\"", "two routes"],
        ),
    ] {
        assert!(good.contains(from), "{from}");
        let folder = Folder::new();
        let file = folder.write("gateway.toml", good.replacen(from, to, 1));
        assert_told(&file, told);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = Folder::new();
    assert_told(
        &folder.path().join("missing.toml"),
        &["cannot read ", "missing.toml: No such file"],
    );
    assert_told(folder.path(), &["cannot read ", "Is a directory"]);
    assert_told(
        &folder.write("binary.toml", b"\xFF\xFE"),
        &["cannot read ", "binary.toml", "UTF-8"],
    );
    assert_told(&folder.write("empty.toml", ""), &["empty.toml: ", "missing field `session`"]);
}

fn assert_told(file: &Path, told: &[&str]) {
    let checked = check(file, &[]);
    assert_eq!((checked.code, checked.stdout.as_str()), (1, ""), "{told:?}");
    let message = checked.stderr.strip_prefix("sluicegate: ").unwrap().strip_suffix('\n').unwrap();
    for part in told.iter().chain([&&*file.display().to_string()]) {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
    assert_eq!(message, message.trim());

    let checked = check(file, &["--json"]);
    assert_eq!((checked.code, checked.stderr.as_str()), (1, ""));
    let document = checked.json();
    assert_eq!((&document["valid"], &document["error"]), (&json!(false), &json!(message)));

    let served = Run::of(without_key().args(["serve", "--config"]).arg(file));
    assert_eq!((served.code, served.stdout.as_str()), (1, ""));
    assert_eq!(served.stderr, format!("sluicegate: {message}\n"));
}

#[test]
fn a_key_may_come_from_the_environment() {
    let folder = Folder::new();
    let text = config("127.0.0.1:8080", &streams());
    let text = text.replace("file = \"cdn.key\"", "env = \"SLUICEGATE_TEST_CDN\"");
    let file = folder.write("gateway.toml", text);
    let mut command = without_key();
    command.args(["config", "check"]).arg(file).env("SLUICEGATE_TEST_CDN", CDN_KEY);
    Run::line(&mut command);
}

#[test]
fn what_is_hardly_meant_is_warned_of() {
    let folder = Folder::new();
    let good = config("127.0.0.1:8080", &streams());
    let no_entry = good
        .split("[route.entry]")
        .next()
        .unwrap()
        .replace("[api]\nbearer = { file = \"bearer.key\" }\n", "");
    let everywhere = good.replace("127.0.0.1", "0.0.0.0");
    for (text, told) in
        [(&no_entry, "route \"vod\": nobody gets in"), (&everywhere, "public_url is not set")]
    {
        let file = folder.write("gateway.toml", text);
        let run = check(&file, &[]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert!(run.stderr.starts_with(&format!("sluicegate: warning: {told}")), "{}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
        let warnings = check(&file, &["--json"]).json()["warnings"].clone();
        assert!(warnings[0].as_str().unwrap().starts_with(told), "{warnings}");
    }
}

/// The example is good once its own comments have been followed.
#[test]
fn the_example_is_good_after_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let example = fixtures::workspace_root().join("examples/gateway.toml");
    let text = std::fs::read_to_string(&example).unwrap();
    std::fs::write(folder.path().join("gateway.toml"), &text).unwrap();
    let run = |args: &[&str]| Run::of(without_key().current_dir(folder.path()).args(args));
    for keygen in [
        &["keygen", "--session", "--out", "session.key"][..],
        &["keygen", "--out", "entry.key"],
        &["keygen", "--out", "cdn.key"],
        &["keygen", "--out", "bearer.key"],
    ] {
        let line = format!("\n#   sluicegate {}", keygen.join(" "));
        assert!(text.contains(&line), "its comments do not say{line}");
        assert_eq!(run(keygen).code, 0);
    }
    assert!(text.contains("\n#   mkdir -p media\n"));
    std::fs::create_dir(folder.path().join("media")).unwrap();
    assert!(text.contains("\n#   sluicegate config check gateway.toml\n"));
    let checked = run(&["config", "check", "gateway.toml"]);
    assert_eq!((checked.code, checked.stderr.as_str()), (0, ""));
    assert!(checked.only_line().starts_with("gateway.toml: good; routes: "), "{}", checked.stdout);
}
