//! Schemes by name, and by a file of one's own.

use std::path::Path;

use sluicegate_testkit::fixtures;
use sluicegate_token::{Layout, SchemeKind};

use crate::folder::Folder;
use crate::run::{Run, sluicegate, without_key};

/// A CDN that nobody here has heard of.
const LAYOUT: &str = r#"
name = "example-cdn"
title = "An example"
source = "https://example.com/"
algorithm = "sha256"
message = "{secret}|{path}|{time}"
output = "hex"
scopes = ["file", "directory"]
query = ["until={time}", "sig={token}"]
status = { refused = 401, expired = 410 }
"#;

#[test]
fn every_scheme_is_listed_and_printed() {
    let run = Run::of(sluicegate().arg("schemes"));
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    for kind in SchemeKind::all() {
        assert!(run.stdout.lines().any(|line| line.starts_with(kind.name())), "{}", kind.name());
        let printed = Run::of(sluicegate().args(["schemes", kind.name()]));
        assert_eq!(printed.code, 0, "{}", kind.name());
        assert!(printed.stdout.contains(kind.title()), "{}", printed.stdout);
    }
    let list = Run::of(sluicegate().args(["schemes", "--json"])).json();
    assert_eq!(list.as_array().unwrap().len(), SchemeKind::all().count());
    assert_eq!(Run::of(sluicegate().args(["schemes", "nonsense"])).code, 64);
}

#[test]
fn a_layout_of_ones_own_signs_and_verifies() {
    let folder = Folder::new();
    let file = folder.write("example.toml", LAYOUT);
    let scheme = ["--scheme", file.to_str().unwrap()];
    let mut command = sluicegate();
    command.args(["sign", "--expires", "1999999999"]).args(scheme).arg("/a/b.mp4");
    let signed = Run::line(&mut command);
    assert!(signed.starts_with("/a/b.mp4?until=1999999999&sig="), "{signed}");
    let verify = |url: &str, options: &[&str]| {
        let mut command = sluicegate();
        command.args(["verify", "--json"]).args(scheme).args(options).arg(url);
        let run = Run::of(&mut command);
        (run.code, run.json()["status"].as_u64().unwrap())
    };
    assert_eq!(verify(&signed, &[]), (0, 200));
    assert_eq!(verify(&signed.replace("b.mp4", "c.mp4"), &[]), (1, 401));
    assert_eq!(verify(&signed, &["--now", "2000000000"]), (1, 410));

    let broken = folder.write("broken.toml", LAYOUT.replace("{path}", "{pth}"));
    let run = Run::of(sluicegate().args(["sign", "/a", "--scheme"]).arg(broken));
    assert_eq!(run.code, 64);
    assert!(run.stderr.contains("broken.toml") && run.stderr.contains("{pth}"), "{}", run.stderr);
    let missing = Run::of(sluicegate().args(["sign", "/a", "--scheme", "no/such.toml"]));
    assert_eq!(missing.code, 2);
}

#[test]
fn schemes_take_fields_and_lifetimes() {
    let sign = |options: &[&str], url: &str| {
        let mut command = without_key();
        command.env("SLUICEGATE_KEY", "aliyuncdnexp1234").arg("sign").args(options).arg(url);
        Run::of(&mut command)
    };
    // The example of Alibaba's documentation: made at 1444435200, good for half an hour.
    let signed = sign(
        &["--scheme", "alibaba-a", "--lifetime", "30m", "--expires", "1444437000"],
        "/video/standard/test.mp4",
    );
    assert_eq!(
        signed.only_line(),
        "/video/standard/test.mp4?auth_key=1444435200-0-0-23bf85053008f5c0e791667a313e28ce"
    );
    let too_long = sign(&["--scheme", "alibaba-a", "--ttl", "2h"], "/a.mp4");
    assert_eq!(too_long.code, 64);
    assert!(too_long.stderr.contains("--lifetime"), "{}", too_long.stderr);
    let in_the_url = sign(&["--scheme", "nginx-hmac", "--ttl", "10m"], "/a.mp4");
    assert!(in_the_url.only_line().ends_with("&e=600"), "{}", in_the_url.stdout);
    let unknown = sign(&["--scheme", "alibaba-a", "--field", "speed=1"], "/a.mp4");
    assert_eq!(unknown.code, 64);
    assert!(unknown.stderr.contains("rand, uid"), "{}", unknown.stderr);
    let scope = sign(&["--scheme", "alibaba-a", "--scope", "tree"], "/a.mp4");
    assert!(scope.code == 64 && scope.stderr.contains("there is: file"), "{}", scope.stderr);
}

#[test]
fn a_key_comes_from_a_command_and_not_from_a_file_that_anybody_writes() {
    let expected = Run::line(sluicegate().args(["sign", "/a", "--expires", "1999999999"]));
    let mut command = without_key();
    command.args(["sign", "/a", "--expires", "1999999999", "--key-command"]);
    command.arg(format!("printf %s {}", crate::run::KEY));
    assert_eq!(Run::line(&mut command), expected);
    let failed = Run::of(without_key().args(["sign", "/a", "--key-command", "false"]));
    assert_eq!(failed.code, 2);

    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let file = folder.write("cdn.key", "long-enough-secret");
    let with_mode = |mode| {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        Run::of(without_key().args(["sign", "/a", "--key-file"]).arg(&file))
    };
    assert_eq!(with_mode(0o600).stderr, "");
    let readable = with_mode(0o644);
    assert!(readable.code == 0 && readable.stderr.contains("chmod 600"), "{}", readable.stderr);
    let writable = with_mode(0o666);
    assert!(writable.code == 2 && writable.stderr.contains("chmod 600"), "{}", writable.stderr);
}

#[test]
fn each_host_of_a_manifest_has_its_row() {
    let folder = Folder::new();
    folder.write("other.key", "the-key-of-another-cdn");
    let policy = r#"
        [[host]]
        base_url = "https://a.example.com/"
        ttl_secs = 3600
        key = { file = "cdn.key" }

        [[host]]
        base_url = "https://b.example.net/"
        scheme = "example-cdn"
        scope = "file"
        key = { file = "other.key" }
    "#;
    let policy = folder.write("hosts.toml", format!("layouts = [\"example.toml\"]\n{policy}"));
    folder.write("example.toml", LAYOUT);
    let playlist = "#EXTM3U\n#EXTINF:4,\n0.ts\n#EXTINF:4,\nhttps://b.example.net/v/1.ts\n\
        #EXTINF:4,\nhttps://c.example.org/2.ts\n";
    let mut command = without_key();
    command.args(["manifest", "sign", "-", "--base-url", "https://a.example.com/v/a.m3u8"]);
    command.arg("--policy").arg(&policy);
    let run = Run::of(command.write_stdin(playlist));
    assert_eq!(run.code, 0, "{}", run.stderr);
    let uris: Vec<_> = run.stdout.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(uris[0].starts_with("0.ts?md5="), "{}", uris[0]);
    assert!(uris[1].starts_with("https://b.example.net/v/1.ts?until="), "{}", uris[1]);
    assert_eq!(uris[2], "https://c.example.org/2.ts");
    // And each opens at its host.
    let verify = |url: &str, options: &[&str]| {
        Run::of(without_key().current_dir(folder.path()).args(["verify", url]).args(options)).code
    };
    let first = format!("https://a.example.com/v/{}", uris[0]);
    assert_eq!(verify(&first, &["--key-file", "cdn.key", "--scope", "directory"]), 0);
    let other = ["--key-file", "other.key", "--scheme", "example.toml"];
    assert_eq!(verify(uris[1], &other), 0);
    assert_eq!(verify(uris[1], &["--key-file", "cdn.key"]), 1);
    // Without a row for the manifest's own host the key of the command line is asked for.
    let mut command = without_key();
    command.args(["manifest", "sign", "-", "--base-url", "https://own.example.com/a.m3u8"]);
    command.arg("--policy").arg(&policy);
    let run = Run::of(command.write_stdin(playlist));
    assert!(run.code == 64 && run.stderr.contains("no key"), "{}", run.stderr);
}

/// `docs/schemes.md`: a section for each scheme, and what its commands print.
#[test]
fn the_page_has_a_working_example_of_every_scheme() {
    let root = fixtures::workspace_root();
    let page = std::fs::read_to_string(root.join("docs/schemes.md")).unwrap();
    let sections: Vec<_> = page.split("\n## ").skip(1).collect();
    for kind in SchemeKind::all() {
        let name = kind.name();
        let section = sections.iter().find(|section| section.starts_with(&format!("`{name}`")));
        let section = section.unwrap_or_else(|| panic!("there is no section on {name}"));
        let named = format!("--scheme {name} ");
        assert!(name == "gcore" || section.contains(&named), "no example of {name}");
        assert!(run_examples(section, &root) > 0, "{name}");
    }
}

/// Runs the commands behind `$`, and compares what they print with the lines that follow.
fn run_examples(section: &str, folder: &Path) -> usize {
    let (_, rest) = section.split_once("```console\n").unwrap();
    let (block, _) = rest.split_once("\n```").unwrap();
    let mut count = 0;
    for example in block.split("$ ").filter(|example| !example.is_empty()) {
        let (command, expected) = example.split_once('\n').unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_sluicegate")).parent().unwrap();
        let path = std::env::var("PATH").unwrap();
        let output = std::process::Command::new("sh")
            .args(["-c", command])
            .current_dir(folder)
            .env_remove("SLUICEGATE_KEY")
            .env("PATH", format!("{}:{path}", program.display()))
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {stderr}");
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert_eq!(stdout.trim_end(), expected.trim_end(), "{command}");
        count += 1;
    }
    count
}

#[test]
fn the_pages_layout_is_one() {
    let page = std::fs::read_to_string(fixtures::workspace_root().join("docs/schemes.md")).unwrap();
    let layouts = page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut layouts = layouts.filter(|text| text.starts_with("name ="));
    let layout = Layout::parse(layouts.next().unwrap()).unwrap();
    assert_eq!(layout.name(), "mine");
}
