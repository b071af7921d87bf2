//! Paths that could lead out of what a route serves, and files that are none.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::{Duration, Instant};

use sluicegate_testkit::Gateway;
use sluicegate_testkit::http::Client;
use tempfile::TempDir;

use crate::support::{Site, Viewer, folder, multivariant, playlist, token_of, write};

const SECRET: &str = "nobody-shall-see-this";

/// A gateway of the folder `media`, beside which lies a file that is not to be had.
fn site() -> (TempDir, Gateway) {
    let outside = folder(&[
        ("secret.txt", SECRET.as_bytes()),
        ("media/v/master.m3u8", &multivariant(&["a/index.m3u8"])),
        ("media/v/a/index.m3u8", &playlist(&["seg.ts"])),
        ("media/v/a/seg.ts", b"segment"),
    ]);
    let gateway = Site::default().folder(&outside.path().join("media"));
    (outside, gateway)
}

/// harlanc/xiu#156 (path traversal out of the folder of media).
#[test]
fn paths_that_two_servers_could_read_differently_are_refused_with_and_without_a_token() {
    let (_outside, gateway) = site();
    let session = Viewer::of(&gateway).enter("/v/master.m3u8");
    let in_path = format!("/s/{}", token_of(&session));
    let in_query = format!("?sg={}", token_of(&session));
    let mut client = Client::connect(gateway.addr()).unwrap();
    let bad: &[&[u8]] = &[
        // Dot segments, written and escaped.
        b"/../secret.txt",
        b"/v/../../secret.txt",
        b"/v/a/../seg.ts",
        b"/v/..",
        b"/./v/a/seg.ts",
        b"/v/.",
        b"/%2e%2e/secret.txt",
        b"/v/%2E%2E/%2e%2e/secret.txt",
        b"/v/%2E./master.m3u8",
        b"/v/.%2e/master.m3u8",
        b"/v/%2e/master.m3u8",
        // Escaped slashes, and backslashes.
        b"/v%2fmaster.m3u8",
        b"/v/a%2Fseg.ts",
        b"/..%2fsecret.txt",
        b"/v/..%2f..%2fsecret.txt",
        b"/%2e%2e%2fsecret.txt",
        b"/v/..%5c..%5csecret.txt",
        b"/v/..\\..\\secret.txt",
        b"/v\\master.m3u8",
        b"/v%5Cmaster.m3u8",
        // NUL and control characters.
        b"/v/a/seg.ts%00",
        b"/v/a/seg.ts%00.m3u8",
        b"/v/%00/seg.ts",
        b"/v/a/seg%0a.ts",
        b"/v/a/seg%0D%0A.ts",
        b"/v/a/seg%7f.ts",
        b"/v/a/seg%1B.ts",
        b"/v/a/seg\x00.ts",
        b"/v/a/seg\x7f.ts",
        b"/v/a/seg\x01.ts",
        b"/v/a/s\xC3\xA9g.ts",
        b"/v/a/s\xE9g.ts",
        b"/v/a seg.ts",
        // Doubled slashes.
        b"//v/master.m3u8",
        b"/v//master.m3u8",
        b"/v/a///seg.ts",
        b"//secret.txt",
        // Broken escapes.
        b"/v/master.m3u8%",
        b"/v/master%2",
        b"/v/master%zz.m3u8",
        b"/v/master%2g.m3u8",
        b"/v/master%u002e.m3u8",
    ];
    for path in bad {
        let targets = [
            path.to_vec(),
            [in_path.as_bytes(), path].concat(),
            [path, in_query.as_bytes()].concat(),
        ];
        for target in targets {
            let shown = String::from_utf8_lossy(&target).into_owned();
            let answer = client.get(&target, &[]).unwrap();
            assert_eq!(answer.status, 400, "{shown}: {}", answer.text());
            assert!(!answer.text().contains(SECRET), "{shown}");
            // A server that asks about it is told no, with the session's token, too.
            let Ok(target) = std::str::from_utf8(&target) else { continue };
            if target.bytes().any(|byte| byte.is_ascii_control()) {
                continue;
            }
            let headers = [("X-Original-URI", target), ("X-Original-Method", "GET")];
            let answer = client.get(b"/auth", &headers).unwrap();
            assert!(matches!(answer.status, 400 | 403), "{target} at /auth: {}", answer.status);
        }
    }
}

#[test]
fn an_escaped_percent_sign_is_part_of_a_name() {
    let (outside, gateway) = site();
    std::fs::write(outside.path().join("media/v/100%.ts"), b"all").unwrap();
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/master.m3u8");
    let answer = viewer.get(&session.replace("master.m3u8", "100%25.ts"));
    assert_eq!((answer.status, answer.text().as_str()), (200, "all"));
    assert_eq!(viewer.get(&session.replace("master.m3u8", "a%2541.ts")).status, 404);
}

/// Names that servlet containers, proxies and older servers resolve: the origin is never asked.
#[test]
fn paths_that_some_origin_would_resolve_reach_no_origin() {
    let (_outside, gateway) = site();
    let session = Viewer::of(&gateway).enter("/v/master.m3u8");
    let token = token_of(&session);
    let mut client = Client::connect(gateway.addr()).unwrap();
    for path in RESOLVED_BY_SOME {
        for target in
            [(*path).to_owned(), format!("/s/{token}{path}"), format!("{path}?sg={token}")]
        {
            let answer = client.get(target.as_bytes(), &[]).unwrap();
            assert_eq!(answer.status, 400, "{target}: {}", answer.text());
        }
        let headers = [("X-Original-URI", path), ("X-Original-Method", &"GET")];
        let answer = client.get(b"/auth", &headers.map(|(name, value)| (name, *value))).unwrap();
        assert!((400..500).contains(&answer.status), "{path} at /auth: {}", answer.status);
    }
}

/// What a playlist names so is refused with the playlist, and asked of nobody.
#[test]
fn a_playlist_with_a_path_that_some_origin_would_resolve_is_refused() {
    let outside = folder(&[("seg.ts", b"segment")]);
    for (number, path) in RESOLVED_BY_SOME.iter().enumerate() {
        write(outside.path(), &format!("v/{number}.m3u8"), &playlist(&[path]));
    }
    let gateway = Site::default().folder(outside.path());
    let mut viewer = Viewer::of(&gateway);
    for (number, path) in RESOLVED_BY_SOME.iter().enumerate() {
        let session = viewer.enter(&format!("/v/{number}.m3u8"));
        let answer = viewer.get(&session);
        assert_eq!(answer.status, 502, "{path}: {}", answer.text());
    }
}

const RESOLVED_BY_SOME: &[&str] = &[
    "/v/..;/secret.ts",
    "/v/a/..;/..;/secret.ts",
    "/v/.;x/seg.ts",
    "/v/..;a=b/secret.ts",
    "/v/%2e%2e;/secret.ts",
    "/v/..%3b/secret.ts",
    "/v/;x/seg.ts",
    "/v/%252e%252e/secret.ts",
    "/v/%25252e%25252e/secret.ts",
    "/v/a%252fseg.ts",
    "/v/a%255cseg.ts",
    "/v/a/seg.ts%2500",
    "/v/%c0%ae%c0%ae/secret.ts",
    "/v/a%c0%afseg.ts",
    "/v/%e0%80%ae%e0%80%ae/secret.ts",
];

#[test]
fn an_overlong_path_is_414_and_one_within_the_limit_is_not() {
    let (_outside, gateway) = site();
    let mut viewer = Viewer::of(&gateway);
    let token = token_of(&viewer.enter("/v/master.m3u8")).to_owned();
    let path = |len: usize| format!("/v/{}", "a/".repeat(2100))[..len].to_owned() + "x";
    let (fits, too_long) = (path(4095), path(4096));
    assert_eq!(viewer.status(&too_long), 414);
    assert_eq!(viewer.status(&format!("/s/{token}{too_long}")), 414);
    assert_eq!(viewer.status(&format!("{too_long}?sg={token}")), 414);
    // Above what one name may have on any file system, and still only absent.
    assert_eq!(viewer.status(&format!("/s/{token}{fits}")), 404);
    assert_eq!(viewer.status(&format!("/s/{token}/v/{}", "n".repeat(3000))), 404);
    assert_eq!(viewer.status(&fits), 403);
}

#[test]
fn a_symbolic_link_that_leads_out_of_the_folder_is_refused_and_one_that_stays_inside_works() {
    let (outside, gateway) = site();
    let v = outside.path().join("media/v");
    symlink("a/seg.ts", v.join("inside.ts")).unwrap();
    symlink("a", v.join("inside")).unwrap();
    symlink("../../secret.txt", v.join("out.ts")).unwrap();
    symlink(outside.path().join("secret.txt"), v.join("absolute.ts")).unwrap();
    symlink("../..", v.join("above")).unwrap();
    symlink("loop.ts", v.join("loop.ts")).unwrap();
    symlink("nowhere.ts", v.join("dangling.ts")).unwrap();
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/master.m3u8");
    let mut at = |path: &str| viewer.get(&session.replace("master.m3u8", path));
    for path in ["inside.ts", "inside/seg.ts"] {
        let answer = at(path);
        assert_eq!((answer.status, answer.text().as_str()), (200, "segment"), "{path}");
    }
    for (path, status) in [
        ("out.ts", 403),
        ("absolute.ts", 403),
        ("above/secret.txt", 403),
        ("above/media/v/a/seg.ts", 403),
        ("loop.ts", 404),
        ("dangling.ts", 404),
    ] {
        let answer = at(path);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(!answer.text().contains(SECRET), "{path}");
    }
}

#[test]
fn what_is_no_file_is_not_found_and_nothing_waits_for_a_named_pipe() {
    let (outside, gateway) = site();
    let v = outside.path().join("media/v");
    assert!(Command::new("mkfifo").arg(v.join("pipe.ts")).status().unwrap().success());
    assert!(Command::new("mkfifo").arg(v.join("pipe.m3u8")).status().unwrap().success());
    let _socket = UnixListener::bind(v.join("socket.ts")).unwrap();
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/master.m3u8");
    let began = Instant::now();
    for path in [
        "",
        "a",
        "a/",
        "pipe.ts",
        "pipe.m3u8",
        "socket.ts",
        "missing.ts",
        "missing.m3u8",
        "missing/seg.ts",
        "a/seg.ts/",
        "a/seg.ts/x",
    ] {
        let answer = viewer.get(&session.replace("master.m3u8", path));
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
    }
    assert!(began.elapsed() < Duration::from_secs(5), "something waited");
}

#[test]
fn a_file_name_that_is_not_utf_8_is_served() {
    let (outside, gateway) = site();
    let v = outside.path().join("media/v");
    std::fs::write(v.join(OsStr::from_bytes(b"caf\xE9.ts")), b"latin-1").unwrap();
    std::fs::write(v.join("città nuova.ts"), b"utf-8").unwrap();
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/master.m3u8");
    for (path, text) in [("caf%E9.ts", "latin-1"), ("citt%C3%A0%20nuova.ts", "utf-8")] {
        let answer = viewer.get(&session.replace("master.m3u8", path));
        assert_eq!((answer.status, answer.text().as_str()), (200, text), "{path}");
    }
}

#[test]
fn a_folder_that_a_packager_made_anew_is_served_without_a_restart() {
    let (outside, gateway) = site();
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/master.m3u8");
    std::fs::remove_dir_all(outside.path().join("media")).unwrap();
    assert_eq!(viewer.status(&session), 502, "the folder is gone");
    write(outside.path(), "media/v/master.m3u8", &multivariant(&["new.m3u8"]));
    let answer = viewer.get(&session);
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("new.m3u8"), "{}", answer.text());
}

/// HTML, SVG and XML of an origin run nothing in a browser: the page's origin would be the gateway.
#[test]
fn what_a_browser_would_show_is_sandboxed_and_what_it_plays_is_not() {
    let script = "<script xmlns='http://www.w3.org/1999/xhtml'>alert(1)</script>";
    let mpd = format!("<MPD xmlns='urn:mpeg:dash:schema:mpd:2011'>{script}</MPD>");
    let media = folder(&[
        ("v/master.m3u8", &playlist(&["seg.ts"])),
        ("v/a.mpd", mpd.as_bytes()),
        ("v/page.html", script.as_bytes()),
        ("v/page", script.as_bytes()),
        ("v/pic.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("v/page.xhtml", script.as_bytes()),
        ("v/seg.ts", b"segment"),
        ("v/a.mp4", b"segment"),
    ]);
    let gateway = Site::default().folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/master.m3u8");
    for (name, is_sandboxed) in [
        ("page.html", true),
        ("page", true),
        ("pic.svg", true),
        ("page.xhtml", true),
        ("a.mpd", true),
        ("seg.ts", false),
        ("a.mp4", false),
        ("master.m3u8", false),
    ] {
        let answer = viewer.get(&session.replace("master.m3u8", name));
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        let policy = answer.header("content-security-policy");
        let expected = is_sandboxed.then_some("default-src 'none'; sandbox");
        assert_eq!(policy, expected, "{name}");
    }
}
