//! `sluicegate sign`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::folder::keep_private;
use crate::run::{KEY, Run, sluicegate, without_key};

/// Arguments of a fixed expiry, and the tokens of vectors in fixtures/token/vectors.json.
const EXPIRES: [&str; 2] = ["--expires", "2147483647"];
const IMAGE: &str = "/images/1.jpg?md5=vHEnxR8VaxpEDgyNzJuWwA&expires=2147483647";
const BOUND_IMAGE: &str = "/images/1.jpg?md5=14nsJ0zrjGipdIbehZ1tRw&expires=2147483647";

fn signed(url: &str) -> String {
    Run::line(sluicegate().args(["sign", url]).args(EXPIRES))
}

/// The query that is appended to a link, which tests below compare apart from what precedes it.
fn token_of(url: &str) -> String {
    let signed = signed(url);
    let start = signed.find("md5=").unwrap();
    signed[start..].split('#').next().unwrap().to_owned()
}

fn refused(args: &[&str]) -> (i32, String) {
    let run = Run::of(sluicegate().arg("sign").args(args));
    assert_eq!(run.stdout, "", "{args:?}");
    (run.code, run.stderr)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn expiry(url: &str) -> u64 {
    url.rsplit_once("expires=").unwrap().1.parse().unwrap()
}

#[test]
fn public_vectors_come_out() {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../../fixtures/token/vectors.json")).unwrap();
    let mut signed = 0;
    for vector in vectors["sign"].as_array().unwrap() {
        let text = |name: &str| vector[name].as_str().unwrap();
        let path = text("path");
        if path.contains("//") {
            continue; // Merged before it is hashed, as nginx does.
        }
        let expires = vector["expires"].to_string();
        let mut command = without_key();
        command.args(["sign", path, "--scope", text("scope"), "--expires", &expires]);
        command.env("SLUICEGATE_KEY", text("secret"));
        if let Some(ip) = vector["ip"].as_str() {
            command.args(["--ip", ip]);
        }
        let line = Run::line(&mut command);
        let expected = format!("?md5={}&expires={expires}", text("token"));
        assert!(line.ends_with(&expected), "{}: {line}", text("name"));
        signed += 1;
    }
    assert!(signed >= 10);
}

#[test]
fn the_key_comes_from_a_file_a_variable_or_another_variable() {
    let folder = tempfile::tempdir().unwrap();
    let plain = [b"secret_key".to_vec(), b"secret_key\n".to_vec(), b"secret_key\r\n".to_vec()];
    for (number, text) in plain.into_iter().enumerate() {
        let file = folder.path().join(format!("{number}.key"));
        std::fs::write(&file, text).unwrap();
        keep_private(&file);
        // The file wins over the default variable, which is set here.
        let mut command = sluicegate();
        command.args(["sign", "/images/1.jpg", "--key-file"]).arg(file).args(EXPIRES);
        assert_eq!(Run::line(&mut command), IMAGE);
    }
    let mut command = without_key();
    command.args(["sign", "/images/1.jpg"]).args(EXPIRES).env("SLUICEGATE_KEY", "secret_key");
    assert_eq!(Run::line(&mut command), IMAGE);
    let mut command = sluicegate();
    command.args(["sign", "/images/1.jpg", "--key-env", "OTHER_KEY"]).args(EXPIRES);
    command.env("OTHER_KEY", "secret_key");
    assert_eq!(Run::line(&mut command), IMAGE);
}

#[test]
fn a_missing_key_says_what_to_do_next() {
    let missing = "sluicegate: no key: set SLUICEGATE_KEY, or pass --key-file F; `sluicegate keygen` makes one\n";
    for command in ["sign", "verify"] {
        let run = Run::of(without_key().args([command, "/a"]));
        assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (64, "", missing));
        let run = Run::of(without_key().args([command, "/a"]).env("SLUICEGATE_KEY", ""));
        assert_eq!((run.code, run.stderr.as_str()), (64, missing));
    }

    let run = Run::of(without_key().args(["sign", "/a"]).env("SLUICEGATE_KEY", "\n"));
    assert_eq!(run.code, 64);
    assert!(run.stderr.contains("SLUICEGATE_KEY holds no key: write the key there"));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("empty.key");
    std::fs::write(&file, "\n").unwrap();
    let run = Run::of(sluicegate().args(["sign", "/a", "--key-file"]).arg(&file));
    assert_eq!(run.code, 64);
    assert!(run.stderr.contains("empty.key holds no key: write the key there"), "{}", run.stderr);

    let (code, stderr) = refused(&["/a", "--key-file", "no/such.key"]);
    assert_eq!(code, 2);
    assert!(stderr.starts_with("sluicegate: cannot read the key file no/such.key: "), "{stderr}");

    let (code, _) = refused(&["/a", "--key-file", "a.key", "--key-env", "A"]);
    assert_eq!(code, 64);
}

/// People put the secret where its variable's name belongs; it must not end up in a CI log.
#[test]
fn a_key_in_the_wrong_place_is_not_printed() {
    for args in [&["--key-env", KEY][..], &["--key-env", "a=b"], &["--key-env", ""]] {
        let (code, stderr) = refused(&[&["/a"], args].concat());
        assert_eq!(code, 64);
        assert!(stderr.contains("give its name, not the key"), "{stderr}");
    }
    assert_eq!(refused(&["/a", "--key", KEY]).0, 64);
    assert_eq!(refused(&["/a", &format!("--key={KEY}")]).0, 64);
}

#[test]
fn the_query_goes_on_and_the_fragment_stays_last() {
    let token = token_of("/live/a.m3u8");
    for (url, expected) in [
        ("/live/a.m3u8", format!("/live/a.m3u8?{token}")),
        ("/live/a.m3u8?", format!("/live/a.m3u8?&{token}")),
        ("/live/a.m3u8?lang=it&x", format!("/live/a.m3u8?lang=it&x&{token}")),
        ("/live/a.m3u8#t=10", format!("/live/a.m3u8?{token}#t=10")),
        ("/live/a.m3u8?a=%20#t?u", format!("/live/a.m3u8?a=%20&{token}#t?u")),
        (
            "https://cdn.example.com:8443/live/a.m3u8?lang=it#t",
            format!("https://cdn.example.com:8443/live/a.m3u8?lang=it&{token}#t"),
        ),
    ] {
        assert_eq!(signed(url), expected);
    }
}

#[test]
fn spaces_and_non_ascii_are_escaped_on_output() {
    let token = token_of("/live/citt%C3%A0/a%20b.m3u8");
    assert_eq!(
        signed("/live/città/a b.m3u8?q=è é#à"),
        format!("/live/citt%C3%A0/a%20b.m3u8?q=%C3%A8%20%C3%A9&{token}#%C3%A0")
    );
    assert_eq!(signed("/a\n\x1b"), format!("/a%0A%1B?{}", token_of("/a%0A%1B")));
}

#[test]
fn the_path_is_hashed_as_the_server_sees_it() {
    for other in ["/live//a.m3u8", "/live/./a.m3u8", "/live/x/../a.m3u8", "/l%69ve/a.m3u8"] {
        assert_eq!(token_of(other), token_of("/live/a.m3u8"), "{other}");
    }
    assert_ne!(token_of("/live/A.m3u8"), token_of("/live/a.m3u8"));
}

#[test]
fn what_is_no_link_is_refused_with_its_place() {
    let bad_escape = "'%' is not followed by two hexadecimal digits (write a percent sign as %25)";
    for (url, message) in [
        ("/a%2", format!("byte 2 of the path: {bad_escape}")),
        ("https://cdn.example.com/100%/a", format!("byte 4 of the path: {bad_escape}")),
        ("/a%00", "byte 2 of the path: a NUL byte".to_owned()),
        ("/a/../../b", "'..' leads above the root of the path".to_owned()),
        (
            "images/1.jpg",
            "expected a URL (https://host/path) or a path that begins with '/'".into(),
        ),
        ("", "expected a URL (https://host/path) or a path that begins with '/'".into()),
    ] {
        assert_eq!(refused(&[url]), (64, format!("sluicegate: {message}\n")), "{url}");
    }
}

#[test]
fn a_link_that_is_signed_already_is_refused() {
    for (url, name) in [(IMAGE, "md5"), ("/a?MD5=x", "md5"), ("/a?b&Expires", "expires")] {
        let message = format!(
            "sluicegate: the URL already holds the parameter '{name}': take the old token off and sign the URL again\n"
        );
        assert_eq!(refused(&[url]), (1, message));
    }
}

#[test]
fn a_ttl_counts_from_now() {
    for (ttl, secs) in [
        (None, 3_600),
        (Some("90s"), 90),
        (Some("10m"), 600),
        (Some("2h"), 7_200),
        (Some("30d"), 2_592_000),
        (Some("1h 30m"), 5_400),
    ] {
        let before = now();
        let mut command = sluicegate();
        command.args(["sign", "/a"]).args(ttl.map(|ttl| format!("--ttl={ttl}")));
        let expires = expiry(&Run::line(&mut command));
        assert!((before + secs..=now() + secs).contains(&expires), "{ttl:?}");
    }
}

#[test]
fn wrong_times_are_usage_errors() {
    for (args, hint) in [
        (&["--ttl", "1h", "--expires", "2147483647"][..], "cannot be used with"),
        (&["--ttl", "3600"], "write it as 90s, 10m, 2h or 30d"),
        (&["--ttl", "soon"], "write it as 90s, 10m, 2h or 30d"),
        (&["--ttl", ""], "write it as 90s, 10m, 2h or 30d"),
        (&["--ttl", "0s"], "at least one second"),
        (&["--ttl", "900ms"], "at least one second"),
        (&["--ttl", "500000000000y"], "at most 9223372036854775807"),
        (&["--expires", "0"], "not in 1..="),
        (&["--expires=-1"], "invalid value"),
        (&["--expires", "9223372036854775808"], "not in 1..="),
        (&["--expires", "2038-01-19T03:14:07Z"], "invalid value"),
    ] {
        let (code, stderr) = refused(&[&["/a"], args].concat());
        assert_eq!(code, 64, "{args:?}");
        assert!(stderr.contains(hint), "{args:?}: {stderr}");
    }
}

#[test]
fn json_tells_what_was_signed() {
    let run = |args: &[&str]| {
        let mut command = without_key();
        command.args(["sign", "--json"]).args(args).env("SLUICEGATE_KEY", "secret_key");
        let run = Run::of(&mut command);
        assert_eq!(run.code, 0);
        run.json()
    };
    assert_eq!(
        run(&["/images/1.jpg", "--expires", "2147483647"]),
        json!({
            "url": IMAGE, "scope": "file", "signed": "/images/1.jpg",
            "expires": 2_147_483_647, "expires_at": "2038-01-19T03:14:07Z", "ip": null,
        })
    );
    // The address as it is hashed: an IPv4-mapped one is that IPv4 address.
    for ip in ["1.2.3.4", "::ffff:1.2.3.4"] {
        let object = run(&["/images/1.jpg", "--expires", "2147483647", "--ip", ip]);
        assert_eq!((&object["url"], &object["ip"]), (&json!(BOUND_IMAGE), &json!("1.2.3.4")));
    }
    let object = run(&["/citt%C3%A0/a%20b/x.ts?q", "--scope", "directory", "--scheme", "gcore"]);
    assert_eq!(object["scope"], "directory");
    assert_eq!(object["signed"], "/città/a b/");
    let left = Duration::from_secs(object["expires"].as_u64().unwrap() - now());
    assert!(left <= Duration::from_secs(3_600), "{left:?}");
    // RFC 3339 ends with the year 9999.
    let object = run(&["/a", "--expires", "9223372036854775807"]);
    assert_eq!(object["expires_at"], Value::Null);
}
