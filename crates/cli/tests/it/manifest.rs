//! `sluicegate manifest`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use assert_cmd::Command;
use sluicegate_testkit::fixtures;

use crate::run::{Run, sluicegate, without_key};

/// Where the manifests of most fixtures come from.
const BASE: &str = "https://cdn.example.com/vod/movie/master.m3u8";
/// A playlist whose one segment holds a token.
const SIGNED: &str = "#EXTM3U\n#EXTINF:4,\n0.ts?md5=THETOKEN&expires=2147483647\n";

fn case(name: &str) -> PathBuf {
    fixtures::fixtures().join("hls").join(name)
}

/// `manifest sign` as the golden files were signed.
fn sign(file: impl AsRef<Path>, base_url: &str, scope: &str) -> Command {
    let mut command = without_key();
    command.env("SLUICEGATE_KEY", "golden-test-key");
    command.args(["manifest", "sign", "--base-url", base_url, "--scope", scope]);
    command.args(["--expires", "2147483647"]).arg(file.as_ref());
    command
}

/// Standard output, which need not be text.
fn bytes(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn strip(signed: impl Into<Vec<u8>>) -> Command {
    let mut command = without_key();
    command.args(["manifest", "strip", "-"]).write_stdin(signed);
    command
}

/// Inspects a text at the URL of most fixtures.
fn inspect(text: impl Into<Vec<u8>>, options: &[&str]) -> Run {
    let mut command = without_key();
    command.args(["manifest", "inspect", "-", "--base-url", BASE]).args(options);
    Run::of(command.write_stdin(text))
}

// === sign ===

#[test]
fn golden_files_come_out_byte_for_byte() {
    for (name, scope) in [
        ("multivariant-every-carrier", "directory"),
        ("multivariant-file-scope", "file"),
        ("line-ends-crlf", "directory"),
        ("no-last-newline-after-uri", "directory"),
        ("bytes-that-are-not-utf-8", "file"),
        ("byte-order-mark", "directory"),
    ] {
        let expected = std::fs::read(case(name).join("expected.m3u8")).unwrap();
        let input = case(name).join("input.m3u8");
        assert_eq!(bytes(&mut sign(&input, BASE, scope)), expected, "{name}");
        let source = std::fs::read(input).unwrap();
        let piped = bytes(sign("-", BASE, scope).write_stdin(source));
        assert_eq!(piped, expected, "{name} on standard input");
    }
}

#[test]
fn a_base_url_with_a_slash_at_its_end_is_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a b%.m3u8");
    std::fs::write(&file, "#EXTM3U\n?v=1\nx/0.ts\n").unwrap();
    let by_folder = bytes(&mut sign(&file, "https://cdn.example.com/vod/", "file"));
    let url = "https://cdn.example.com/vod/a%20b%25.m3u8";
    assert_eq!(by_folder, bytes(&mut sign(&file, url, "file")));
    // A host alone is its root folder.
    assert_eq!(
        bytes(&mut sign(&file, "https://cdn.example.com", "file")),
        bytes(&mut sign(&file, "https://cdn.example.com/a%20b%25.m3u8", "file"))
    );

    let run = Run::of(&mut sign("-", "https://cdn.example.com/vod/", "file"));
    assert_eq!((run.code, run.stdout.as_str()), (64, ""));
    assert!(run.stderr.contains("give the manifest's own URL, such as"), "{}", run.stderr);
}

#[test]
fn directory_scope_one_hour_and_the_plain_key_are_the_defaults() {
    let text = "#EXTM3U\n0.ts\n1.ts\nhttps://other.example.net/2.ts\nskd://k\n";
    let mut command = sluicegate();
    command.args(["manifest", "sign", "--base-url", BASE, "-"]).write_stdin(text);
    let run = Run::of(&mut command);
    assert_eq!(run.code, 0);
    assert_eq!(run.stderr, "1 URI kept: foreign host; 1 URI kept: not fetched over HTTP\n");
    let tokens: Vec<_> =
        run.stdout.lines().filter_map(|line| line.split_once(".ts?md5=")).collect();
    assert_eq!(tokens.len(), 2);
    assert_eq!(tokens[0].1, tokens[1].1);
}

#[test]
fn bound_tokens_are_those_of_the_command_sign() {
    let text = "#EXTM3U\n/images/1.jpg\n";
    let mut command = sign("-", BASE, "file");
    let run = Run::of(command.args(["--ip", "1.2.3.4"]).write_stdin(text));
    let mut link = without_key();
    link.args(["sign", "/images/1.jpg", "--expires", "2147483647", "--ip", "1.2.3.4"]);
    let link = Run::line(link.env("SLUICEGATE_KEY", "golden-test-key"));
    assert_eq!((run.code, run.stdout), (0, format!("#EXTM3U\n{link}\n")));
}

#[test]
fn foreign_hosts_are_noted() {
    let run = Run::of(&mut sign(case("foreign-hosts-stay").join("input.m3u8"), BASE, "directory"));
    assert_eq!(run.code, 0);
    assert!(run.stderr.contains(" kept: foreign host"), "{}", run.stderr);
    assert!(!run.stderr.trim_end().contains('\n'));
}

#[test]
fn a_refused_manifest_prints_its_place_and_nothing_else() {
    for (name, message) in [
        ("unknown-tag-with-a-relative-uri-is-refused", "line 3 (byte 62), EXT-X-EXAMPLE URI, "),
        ("existing-token-is-refused", "line 6 (byte 59), URI line, segment: it already holds"),
        ("not-a-playlist-is-refused", "not a manifest"),
    ] {
        let file = case(name).join("input.m3u8");
        let run = Run::of(&mut sign(&file, BASE, "directory"));
        assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{name}");
        let start = format!("sluicegate: {}: {message}", file.display());
        assert!(run.stderr.starts_with(&start), "{}", run.stderr);
    }
}

#[test]
fn an_old_token_is_refused_or_replaced() {
    let run = Run::of(sign("-", BASE, "file").write_stdin(SIGNED));
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
    assert!(run.stderr.contains("`manifest sign --existing-token replace`"), "{}", run.stderr);
    assert!(!run.stderr.contains("THETOKEN"));

    let mut command = sign("-", BASE, "file");
    let run = Run::of(command.args(["--existing-token", "replace"]).write_stdin(SIGNED));
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains("0.ts?md5=") && !run.stdout.contains("THETOKEN"));
}

#[test]
fn what_tells_strangers_of_tokens_is_left_out_or_trusted() {
    const STEERED: &str = "#EXTM3U\n\
        #EXT-X-CONTENT-STEERING:SERVER-URI=\"https://other.example.net/s\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n";
    let run = Run::of(sign("-", BASE, "directory").write_stdin(STEERED));
    assert!(run.code == 0 && !run.stdout.contains("other.example.net"), "{}", run.stdout);
    assert!(run.stderr.contains("`--third-party trust` keeps"), "{}", run.stderr);

    let mut command = sign("-", BASE, "directory");
    let run = Run::of(command.args(["--third-party", "trust"]).write_stdin(STEERED));
    assert!(
        run.code == 0 && run.stdout.contains("https://other.example.net/s\""),
        "{}",
        run.stdout
    );
    assert!(!run.stderr.contains("--third-party"), "{}", run.stderr);

    let mut command = sign("-", BASE, "directory");
    let run = Run::of(command.args(["--third-party", "refuse"]).write_stdin(STEERED));
    assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{}", run.stderr);
    assert!(run.stderr.contains("`--third-party keep` keeps it"), "{}", run.stderr);
}

#[test]
fn inspect_shows_what_becomes_of_third_party_hosts() {
    const STEERED: &str = "#EXTM3U\n\
        #EXT-X-CONTENT-STEERING:SERVER-URI=\"https://other.example.net/s\"\n\
        #EXT-X-SESSION-DATA:DATA-ID=\"d\",VALUE=\"aHR0cHM6Ly9vdGhlci5leGFtcGxlLm5ldC8=\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n";
    const REPORTING: &str = "<MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static'>\n\
        <Metrics metrics='x'><Reporting reportingUrl='https://other.example.net/'/></Metrics>\n\
        <Period/></MPD>";
    for (text, third_party, shown) in [
        (STEERED, "trust", &[][..]),
        (STEERED, "keep", &[("EXT-X-CONTENT-STEERING", 2, "omit", "third-party trust")]),
        (
            STEERED,
            "refuse",
            &[
                ("EXT-X-CONTENT-STEERING SERVER-URI", 2, "refuse", "third-party keep"),
                ("EXT-X-SESSION-DATA VALUE", 3, "refuse", "third-party keep"),
            ],
        ),
        (REPORTING, "trust", &[]),
        (REPORTING, "keep", &[("Metrics", 2, "omit", "third-party trust")]),
        (REPORTING, "refuse", &[("Metrics", 2, "omit", "third-party trust")]),
    ] {
        let run = inspect(text, &["--json", "--third-party", third_party]);
        let is_refused = shown.iter().any(|(_, _, decision, _)| *decision == "refuse");
        assert_eq!(run.code, i32::from(is_refused), "{third_party}: {}", run.stderr);
        let json = run.json();
        let rows = json["uris"].as_array().unwrap().iter();
        let rows: Vec<_> =
            rows.filter(|row| row["decision"] == "omit" || row["decision"] == "refuse").collect();
        assert_eq!(rows.len(), shown.len(), "{third_party}: {json}");
        for (row, (carrier, line, decision, why)) in rows.iter().zip(shown) {
            assert_eq!((&row["carrier"], &row["line"]), (&(*carrier).into(), &(*line).into()));
            assert_eq!(row["decision"], *decision, "{row}");
            assert!(row["why"].as_str().unwrap().contains(why), "{row}");
        }
    }
}

#[test]
fn what_cannot_be_read_exits_2_and_a_missing_key_64() {
    for command in ["sign", "inspect", "strip"] {
        let mut run = sluicegate();
        run.args(["manifest", command, "no/such.m3u8"]);
        if command == "sign" {
            run.args(["--base-url", BASE]);
        }
        let run = Run::of(&mut run);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{command}");
        let start = "sluicegate: cannot read the manifest no/such.m3u8: ";
        let last = run.stderr.lines().last().unwrap();
        assert!(last.starts_with(start), "{last}");
    }
    let run = Run::of(without_key().args(["manifest", "sign", "--base-url", BASE, "-"]));
    assert_eq!(run.code, 64);
    assert!(run.stderr.contains("no key: set SLUICEGATE_KEY"));
}

/// A name with control characters is somebody's attempt at the terminal.
#[test]
fn control_characters_of_a_manifest_are_not_printed() {
    let text = "#EXTM3U\n#EXT-X-\u{1b}[2J:URI=\"a\u{1b}[31m\u{7f}.ts\"\n";
    let refused = Run::of(sign("-", BASE, "file").write_stdin(text));
    assert_eq!(refused.code, 1);
    for shown in [refused.stderr, inspect(text, &[]).stdout] {
        assert!(shown.contains("EXT-X-\\u{1b}[2J"), "{shown}");
        assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown}");
    }
}

// === inspect ===

#[test]
fn each_uri_is_told_with_its_fate() {
    let text = "#EXTM3U\n#EXT-X-MAP:URI=\"init/i.mp4?v=SECRET\"\n../0.ts\nhttps://other.example.net/1.ts\n";
    let run = inspect(text, &[]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let expected = "\
LINE  ROLE          CARRIER        DECISION  REFERENCE                       URL; WHY
   2  init section  EXT-X-MAP URI  sign      init/i.mp4?v=…                  https://cdn.example.com/vod/movie/init/i.mp4?v=…; on the manifest's host
   3  segment       URI line       sign      ../0.ts                         https://cdn.example.com/vod/0.ts; on the manifest's host
   4  segment       URI line       keep      https://other.example.net/1.ts  https://other.example.net/1.ts; foreign host

3 URIs: 1 init section, 2 segment
2 to sign, 1 to keep, 0 to refuse
";
    assert_eq!(run.stdout, expected);

    let json = inspect(text, &["--json"]).json();
    let expected = serde_json::json!({
        "line": 2, "role": "init section", "carrier": "EXT-X-MAP URI",
        "reference": "init/i.mp4?v=…",
        "url": "https://cdn.example.com/vod/movie/init/i.mp4?v=…",
        "decision": "sign", "why": "on the manifest's host",
    });
    assert_eq!(json["uris"][0], expected);
    assert_eq!(json["uris"][2]["why"], "foreign host");
    let summary = serde_json::json!({
        "uris": 3, "roles": {"init section": 1, "segment": 2},
        "decisions": {"sign": 2, "expand": 0, "keep": 1, "omit": 0, "refuse": 0}, "unclassified": 0,
    });
    assert_eq!(json["summary"], summary);
}

#[test]
fn inspecting_goes_on_after_a_refused_uri() {
    let text =
        "#EXTM3U\n0.ts?md5=THETOKEN&expires=1\nback\\slash.ts\n#EXT-X-NEW:URI=\"x.ts\"\n1.ts\n";
    let run = inspect(text, &[]);
    assert_eq!(run.code, 1);
    assert!(run.stdout.contains("0.ts?md5=…&expires=…") && !run.stdout.contains("THETOKEN"));
    assert!(run.stdout.ends_with("\n1 to sign, 0 to keep, 3 to refuse\n"), "{}", run.stdout);

    let run = inspect(text, &["--json"]);
    assert_eq!(run.code, 1);
    let json = run.json();
    let decisions: Vec<_> =
        json["uris"].as_array().unwrap().iter().map(|uri| &uri["decision"]).collect();
    assert_eq!(decisions, ["refuse", "refuse", "refuse", "sign"]);
    assert_eq!(json["uris"][2]["role"], "unclassified");
    assert!(!run.stdout.contains("THETOKEN"));
}

/// It would be signed; that nobody knows what it is makes the exit code 1 all the same.
#[test]
fn an_unclassified_uri_that_would_be_kept_exits_1() {
    let text = "#EXTM3U\n#EXT-X-NEW:LINK=\"https://other.example.net/x\"\n0.ts\n";
    let run = inspect(text, &["--json"]);
    assert_eq!(run.code, 1);
    let json = run.json();
    assert_eq!(json["uris"][0]["decision"], "keep");
    assert_eq!(json["summary"]["unclassified"], 1);
}

/// Whatever signing says, inspecting says.
#[test]
fn the_fixtures_are_inspected_as_they_are_signed() {
    for entry in std::fs::read_dir(fixtures::fixtures().join("hls")).unwrap() {
        let file = entry.unwrap().path().join("input.m3u8");
        let signed = sign(&file, BASE, "directory").output().unwrap();
        let mut command = without_key();
        command.args(["manifest", "inspect", "--json", "--base-url", BASE]).arg(&file);
        let run = Run::of(&mut command);
        if run.stdout.is_empty() {
            assert_eq!((run.code, signed.status.code()), (1, Some(1)), "{}", file.display());
            continue;
        }
        let refused = run.json()["summary"]["decisions"]["refuse"] != 0;
        assert_eq!(refused, !signed.status.success(), "{}", file.display());
    }
}

#[test]
fn without_a_base_url_references_are_not_resolved() {
    let mut command = without_key();
    command.args(["manifest", "inspect", "--json", "-"]);
    let run = Run::of(command.write_stdin("#EXTM3U\n../0.ts\nhttps://cdn.example.com/1.ts\n"));
    assert_eq!(run.code, 0);
    assert!(run.stderr.starts_with("without --base-url, "), "{}", run.stderr);
    let json = run.json();
    assert!(json["uris"][0]["url"].is_null());
    assert_eq!(json["uris"][0]["decision"], "sign");
    assert_eq!(json["uris"][1]["decision"], "keep");
}

#[test]
fn a_playlist_without_uris_is_good() {
    let run = inspect("#EXTM3U\n", &[]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "0 URIs\n0 to sign, 0 to keep, 0 to refuse\n"));
}

/// Some seconds are allowed on a busy machine; anything quadratic would take minutes.
#[test]
fn a_hundred_thousand_segments_take_no_time() {
    let mut text = String::from("#EXTM3U\n");
    for number in 0..100_000 {
        text.push_str(&format!("#EXTINF:4,\nsegments/{number}.ts\n"));
    }
    let begun = Instant::now();
    let run = inspect(text, &[]);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(run.code, 0);
    assert!(
        run.stdout
            .ends_with("100000 URIs: 100000 segment\n100000 to sign, 0 to keep, 0 to refuse\n")
    );
}

// === strip ===

#[test]
fn stripping_gives_back_what_was_signed() {
    for name in ["multivariant-every-carrier", "existing-queries", "variables", "line-ends-mixed"] {
        let input = case(name).join("input.m3u8");
        let signed = bytes(&mut sign(&input, BASE, "directory"));
        let source = std::fs::read(&input).unwrap();
        assert_ne!(signed, source, "{name}");
        assert_eq!(bytes(&mut strip(signed)), source, "{name}");
    }
    assert_eq!(bytes(&mut strip(SIGNED)), b"#EXTM3U\n#EXTINF:4,\n0.ts\n");
}

#[test]
fn what_was_not_inserted_is_not_stripped() {
    for (reference, problem) in [
        ("0.ts?md5=THETOKEN&expires=1&x=1", "not at the end of its query"),
        ("0.ts?md5=THETOKEN", "without the parameter 'expires'"),
        ("0.ts?md5=THETOKEN&expires=1&expires=2", "'expires' more than once"),
    ] {
        let text = format!("#EXTM3U\n{reference}\n");
        let run = Run::of(&mut strip(text));
        assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{reference}");
        let start = "sluicegate: standard input: line 2 (byte 8), URI line, segment: ";
        assert!(run.stderr.starts_with(start) && run.stderr.contains(problem), "{}", run.stderr);
        assert!(run.stderr.contains("take its parameters out by hand"));
        assert!(!run.stderr.contains("THETOKEN"));
    }
}

#[test]
fn a_url_is_inspected_where_its_redirects_lead() {
    use axum::response::Redirect;
    use axum::routing::get;

    let server = sluicegate_testkit::Server::start(
        axum::Router::new()
            .route("/old.m3u8", get(async || Redirect::temporary("/new/master.m3u8")))
            .route("/new/master.m3u8", get(async || "#EXTM3U\n#EXTINF:4,\n0.ts\n")),
    );
    let run = Run::of(
        without_key()
            .args(["manifest", "inspect", "--json"])
            .arg(server.url("/old.m3u8?md5=SECRET")),
    );
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert!(run.stdout.contains(&server.url("/new/0.ts")), "{}", run.stdout);

    let run =
        Run::of(without_key().args(["manifest", "inspect"]).arg(server.url("/none?md5=SECRET")));
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("status 404") && !run.stderr.contains("SECRET"), "{}", run.stderr);
}

// === bounds ===

/// A URI beyond the bound, and the argument that allows it.
fn long_uri() -> (String, &'static str) {
    (format!("#EXTM3U\n#EXTINF:4,\n{}.ts\n", "a".repeat(9_000)), "max_uri_bytes=10000")
}

#[test]
fn a_refused_manifest_names_the_limit_and_passes_with_it() {
    let (text, limit) = long_uri();
    let signed = |options: &[&str]| {
        let mut command = sign("-", BASE, "directory");
        Run::of(command.args(options).write_stdin(text.clone()))
    };
    let refused = signed(&[]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    assert!(refused.stderr.contains("allow more by --limit max_uri_bytes=…"), "{}", refused.stderr);
    let passed = signed(&["--limit", limit]);
    assert_eq!(passed.code, 0, "{}", passed.stderr);
    assert!(passed.stdout.contains(".ts?md5="), "{}", passed.stdout);

    let inspected = inspect(text.clone(), &[]);
    assert_eq!(inspected.code, 1);
    assert!(inspected.stdout.contains("--limit max_uri_bytes=…"), "{}", inspected.stdout);
    let inspected = inspect(text, &["--limit", limit]);
    assert_eq!(inspected.code, 0, "{}", inspected.stdout);
}

#[test]
fn more_segments_of_a_template_are_allowed_by_their_limit() {
    let text = "<MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static' \
                mediaPresentationDuration='PT10001S'><Period><AdaptationSet>\
                <SegmentTemplate duration='1' media='$Number$.m4s'/>\
                <Representation id='v'/></AdaptationSet></Period></MPD>";
    let signed = |options: &[&str]| {
        let mut command = sign("-", "https://cdn.example.com/a.mpd", "file");
        Run::of(command.args(options).write_stdin(text))
    };
    let refused = signed(&[]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("--limit max_expanded_segments=…"), "{}", refused.stderr);
    let passed = signed(&["--limit", "max_expanded_segments=10001"]);
    assert_eq!(passed.code, 0, "{}", passed.stderr);
    assert!(passed.stdout.contains("10001.m4s?md5="));
}

#[test]
fn bounds_hold_for_folders_and_for_what_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    let (text, limit) = long_uri();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    std::fs::create_dir(&input).unwrap();
    std::fs::write(input.join("a.m3u8"), text).unwrap();
    let base = "https://cdn.example.com/v/";
    let signed = |options: &[&str]| {
        let mut command = sign(&input, base, "directory");
        Run::of(command.arg("--out").arg(&output).args(options))
    };
    let refused = signed(&[]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("--limit max_uri_bytes=…"), "{}", refused.stderr);
    assert!(!output.join("a.m3u8").exists());
    let passed = signed(&["--limit", limit]);
    assert_eq!(passed.code, 0, "{}", passed.stderr);

    let verified = |options: &[&str]| {
        let mut command = without_key();
        command.env("SLUICEGATE_KEY", "golden-test-key");
        command.args(["manifest", "verify", "--tokens-only", "--scope", "directory"]);
        Run::of(command.args(["--base-url", base]).args(options).arg(&output))
    };
    let limit = ["--limit", limit];
    assert_eq!(verified(&limit).code, 0, "{}", verified(&limit).stdout);
    let broken = verified(&[&limit[..], &["--limit", "max_lines=2"]].concat());
    assert_eq!(broken.code, 1);
    assert!(broken.stdout.contains("--limit max_lines=…"), "{}", broken.stdout);
    // What is not read is not said to be good.
    let unread = verified(&[]);
    assert_eq!(unread.code, 1, "{}", unread.stderr);
    assert!(unread.stdout.contains("--limit max_uri_bytes=…"), "{}", unread.stdout);
}

#[test]
fn a_uri_of_which_nobody_can_say_where_it_leads_is_not_good() {
    let folder = tempfile::tempdir().unwrap();
    for (uri, why) in [("a\\b.ts", "backslash"), ("{$x}/b.ts", "{$x}")] {
        let text = format!("#EXTM3U\n#EXT-X-DEFINE:NAME=\"y\",VALUE=\"1\"\n#EXTINF:4,\n{uri}\n");
        std::fs::write(folder.path().join("a.m3u8"), text).unwrap();
        let mut command = without_key();
        command.env("SLUICEGATE_KEY", "golden-test-key");
        command.args(["manifest", "verify", "--tokens-only", "--base-url"]);
        let run = Run::of(command.arg("https://cdn.example.com/v/").arg(folder.path()));
        assert_eq!(run.code, 1, "{uri}: {}", run.stderr);
        assert!(
            run.stdout.contains(":4  URI line  ") && run.stdout.contains(why),
            "{}",
            run.stdout
        );
    }
}

#[test]
fn a_limit_that_is_none_is_told_the_keys() {
    for wrong in ["max_uri_byte=1", "max_uri_bytes", "max_uri_bytes=", "max_uri_bytes=-1", "=1", ""]
    {
        for name in ["inspect", "sign", "verify", "strip"] {
            let mut command = without_key();
            command.args(["manifest", name, "--limit", wrong, "a.m3u8"]);
            let run = Run::of(&mut command);
            assert_eq!(run.code, 64, "{name} {wrong}");
            for key in ["max_manifest_bytes, ", "max_uri_bytes, ", "max_expanded_segments"] {
                assert!(run.stderr.contains(key), "{name} {wrong}: {}", run.stderr);
            }
        }
    }
}

#[test]
fn a_named_pipe_without_a_writer_is_refused_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.m3u8");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for name in ["inspect", "strip"] {
        let run = Run::of(without_key().args(["manifest", name]).arg(&pipe));
        assert_eq!(run.code, 64, "{}", run.stderr);
        assert!(run.stderr.contains("no regular file: give - and"), "{}", run.stderr);
    }
    let run = Run::of(&mut sign(&pipe, BASE, "directory"));
    assert_eq!(run.code, 64, "{}", run.stderr);
}
