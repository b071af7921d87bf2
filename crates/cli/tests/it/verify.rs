//! `sluicegate verify`.

use serde_json::json;

use crate::run::{Run, sluicegate, without_key};

fn sign(args: &[&str]) -> String {
    Run::line(sluicegate().arg("sign").args(args))
}

fn verify(args: &[&str]) -> Run {
    Run::of(sluicegate().arg("verify").args(args))
}

/// Exit code, and what the JSON says, which must agree.
fn status(args: &[&str]) -> (i32, u64) {
    let run = verify(&[args, &["--json"]].concat());
    assert_eq!(run.stderr, "");
    let object = run.json();
    assert_eq!(object["valid"], json!(run.code == 0));
    (run.code, object["status"].as_u64().unwrap())
}

#[test]
fn what_sign_makes_is_valid() {
    for url in [
        "/images/1.jpg",
        "/",
        "https://cdn.example.com",
        "https://cdn.example.com/a/b.m3u8?lang=it#t=10",
        "/live/città/a b.m3u8?",
        "/a/%2e%2e//b%2Fc.ts",
        "/caf%E9/100%25.ts",
    ] {
        for scope in ["file", "directory"] {
            for ip in [&[][..], &["--ip", "203.0.113.7"], &["--ip", "2001:db8::1"]] {
                let how = [&["--scheme", "gcore", "--scope", scope], ip].concat();
                let signed = sign(&[&[url, "--ttl", "1m"][..], &how].concat());
                assert_eq!(status(&[&[signed.as_str()][..], &how].concat()), (0, 200), "{signed}");
            }
        }
    }
}

#[test]
fn the_last_good_second_is_the_expiry_itself() {
    let url = sign(&["/a.m3u8", "--expires", "1800000000"]);
    assert_eq!(status(&[&url, "--now", "0"]), (0, 200));
    assert_eq!(status(&[&url, "--now", "1799999999"]), (0, 200));
    assert_eq!(status(&[&url, "--now", "1800000000"]), (0, 200));
    assert_eq!(status(&[&url, "--now", "1800000001"]), (1, 410));
}

#[test]
fn without_now_the_clock_decides() {
    let long_ago = sign(&["/a.m3u8", "--expires", "1000000000"]);
    assert_eq!(status(&[&long_ago]), (1, 410));
    assert_eq!(status(&[&sign(&["/a.m3u8", "--ttl", "1h"])]), (0, 200));
}

#[test]
fn people_are_told_why() {
    let url = sign(&["/a.m3u8", "--expires", "2147483647"]);
    for (now, told) in [
        ("2147483635", "in 12 seconds"),
        ("1800000000", "in 11 years 4 days"),
        ("2147483647", "in 0 seconds"),
    ] {
        let run = verify(&[&url, "--now", now]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""));
        assert_eq!(run.only_line(), format!("valid until 2038-01-19T03:14:07Z ({told})"));
    }

    let run = verify(&[&url, "--now", "2147483659"]);
    assert_eq!(run.code, 1);
    assert_eq!(run.only_line(), "refused (410): the token expired 12 s ago");
    assert_eq!(run.stderr, "`sluicegate sign` makes a fresh link.\n");

    let run = verify(&[&url.replace("a.m3u8", "b.m3u8")]);
    assert_eq!(run.code, 1);
    assert_eq!(
        run.only_line(),
        "refused (403): the token does not match: another path, expiry, address or key was signed"
    );
    assert!(run.stderr.starts_with("`sluicegate explain` tries the known mistakes"));

    // What is left of a link that stood in a shell without quotes.
    let run = verify(&[url.split('&').next().unwrap()]);
    assert_eq!(run.code, 1);
    assert_eq!(run.only_line(), "refused (403): the parameter 'expires' is missing");
    assert!(run.stderr.starts_with("Is the URL in single quotes?"));

    let far = sign(&["/a.m3u8", "--expires", "9223372036854775807"]);
    assert!(verify(&[&far]).only_line().starts_with("valid until Unix time 9223372036854775807 ("));
}

#[test]
fn json_tells_why() {
    let url = sign(&["/a.m3u8", "--expires", "1800000000"]);
    let object = |args: &[&str]| verify(&[args, &["--json"]].concat()).json();
    assert_eq!(
        object(&[&url, "--now", "1700000000"]),
        json!({
            "valid": true, "status": 200, "code": null, "reason": null, "expires": 1_800_000_000,
        })
    );
    assert_eq!(
        object(&[&url, "--now", "1800000012"]),
        json!({
            "valid": false, "status": 410, "code": "token-expired",
            "reason": "the token expired 12 s ago", "expires": 1_800_000_000,
        })
    );
    for (url, code) in [
        ("/a.m3u8".to_owned(), "token-missing"),
        ("/a.m3u8?md5=&expires=1800000000".to_owned(), "token-missing"),
        ("/a.m3u8?md5=short&expires=1800000000".to_owned(), "token-malformed"),
        (url.replace("expires=", "expires=x"), "expiry-malformed"),
        (url.replace("a.m3u8", "b.m3u8"), "token-wrong"),
        (url.replace("18000", "28000"), "token-wrong"),
    ] {
        let object = object(&[&url]);
        assert_eq!((&object["code"], &object["status"]), (&json!(code), &json!(403)), "{url}");
        assert_eq!(object["expires"], json!(null), "nobody vouches for it");
        assert!(object["reason"].as_str().is_some_and(|reason| !reason.is_empty()));
    }
}

#[test]
fn another_scope_address_or_key_is_refused() {
    let file = sign(&["/a/b.ts"]);
    let directory = sign(&["/a/b.ts", "--scope", "directory"]);
    let bound = sign(&["/a/b.ts", "--ip", "203.0.113.7"]);
    for args in [
        &[file.as_str(), "--scope", "directory"][..],
        &[&directory],
        &[&directory, "--scope", "file"],
        &[&file, "--ip", "203.0.113.7"],
        &[&bound],
        &[&bound, "--ip", "203.0.113.8"],
        &[&bound, "--ip", "2001:db8::1"],
    ] {
        assert_eq!(status(args), (1, 403), "{args:?}");
    }
    assert_eq!(status(&[&bound, "--ip", "::ffff:203.0.113.7"]), (0, 200));

    let another_key =
        Run::of(without_key().args(["verify", &file]).env("SLUICEGATE_KEY", "another"));
    assert_eq!(another_key.code, 1);
    let too_short = Run::of(without_key().args(["verify", &file]).env("SLUICEGATE_KEY", "other"));
    assert_eq!(too_short.code, 64);
    assert!(too_short.stderr.contains("6 to 32 characters"), "{}", too_short.stderr);
}

#[test]
fn a_directory_token_opens_its_files_and_no_subdirectory() {
    let signed = sign(&["/a/master.m3u8", "--scope", "directory"]);
    let query = signed.split_once('?').unwrap().1;
    for (path, expected) in [
        ("/a/seg-1.ts", (0, 200)),
        ("/a/", (0, 200)),
        ("/a/x/../seg-1.ts", (0, 200)),
        ("/a/b/seg-1.ts", (1, 403)),
        ("/a/b%2Fseg-1.ts", (1, 403)),
        ("/ab/seg-1.ts", (1, 403)),
    ] {
        let url = format!("{path}?{query}");
        assert_eq!(status(&[&url, "--scope", "directory"]), expected, "{url}");
    }
}

#[test]
fn the_first_parameter_of_a_name_counts() {
    let url = sign(&["/a.ts"]);
    assert_eq!(status(&[&format!("{url}&md5=x&EXPIRES=1")]), (0, 200));
    let (path, query) = url.split_once('?').unwrap();
    assert_eq!(status(&[&format!("{path}?MD5=x&{query}")]), (1, 403));
}

#[test]
fn what_is_no_link_is_a_usage_error() {
    let run = verify(&["/a%2x?md5=x"]);
    assert_eq!((run.code, run.stdout.as_str()), (64, ""));
    assert_eq!(
        run.stderr,
        "sluicegate: byte 2 of the path: '%' is not followed by two hexadecimal digits \
         (write a percent sign as %25)\n"
    );
    assert_eq!(verify(&["a.m3u8", "--json"]).code, 64);
}

#[test]
fn the_key_is_read_from_a_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cdn.key");
    assert_eq!(Run::of(sluicegate().args(["keygen", "--out"]).arg(&file)).code, 0);
    let url = Run::line(without_key().args(["sign", "/a", "--key-file"]).arg(&file));
    let run = Run::of(without_key().args(["verify", &url, "--key-file"]).arg(&file));
    assert_eq!(run.code, 0);
    assert_eq!(verify(&[&url]).code, 1);
    let run = Run::of(
        without_key()
            .args(["verify", &url, "--key-env", "K"])
            .env("K", std::fs::read_to_string(&file).unwrap()),
    );
    assert_eq!(run.code, 0);
}
