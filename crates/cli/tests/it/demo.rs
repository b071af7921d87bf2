//! `sluicegate demo`: what it prints, what it serves, and what a browser sees.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sluicegate_testkit::browser::{Browser, PageOptions, Side};
use sluicegate_testkit::{fixtures, require_browser, require_tools};
use tempfile::TempDir;

use crate::run::{Run, program, without_key};
use crate::serving::Serving;

/// The page's folder with its packages, which only the browser needs to be the real ones.
fn stand_in_page() -> TempDir {
    let page = tempfile::tempdir().unwrap();
    let hls = page.path().join("node_modules/hls.js/dist");
    std::fs::create_dir_all(&hls).unwrap();
    std::fs::write(hls.join("hls.mjs"), "").unwrap();
    std::fs::write(page.path().join("index.html"), "<!doctype html><title>page</title>").unwrap();
    page
}

fn real_page() -> PathBuf {
    fixtures::workspace_root().join("examples/player")
}

fn start(page: &Path, options: &[&str]) -> Serving {
    let elsewhere = tempfile::tempdir().unwrap();
    let mut command = program();
    command.current_dir(elsewhere.path()).args(["demo", "--listen", "127.0.0.1:0"]);
    command.arg("--streams").arg(fixtures::streams()).arg("--page").arg(page).args(options);
    Serving::start(&mut command, "player")
}

/// The three lines that are printed, without their names.
fn printed(demo: &Serving) -> [String; 3] {
    crate::serving::wait_until(|| demo.stdout().lines().count() >= 3);
    let stdout = demo.stdout();
    let lines: Vec<_> = stdout.lines().collect();
    assert!(lines.len() == 3 && stdout.ends_with('\n'), "{stdout}");
    let rest = |at: usize, name| lines[at].strip_prefix(name).unwrap().to_owned();
    [rest(0, "player: "), rest(1, "hls: "), rest(2, "curl: ")]
}

#[test]
fn it_prints_the_page_a_link_and_a_command() {
    let page = stand_in_page();
    let demo = start(page.path(), &[]);
    let [player, hls, curl] = printed(&demo);
    assert_eq!(player, demo.url("/player/"));
    assert_eq!(curl, format!("curl -sL '{hls}'"));
    assert_eq!(demo.get(&hls).status, 302);
    let index = demo.get(&player);
    assert_eq!(index.status, 200);
    assert_eq!(index.header("content-type"), Some("text/html"));
    for path in ["/", "/player"] {
        assert_eq!(demo.get(path).header("location"), Some("/player/"));
    }
    assert_eq!(demo.get("/player/missing.js").status, 404);
}

#[test]
fn the_printed_command_fetches_a_playlist() {
    require_tools!("curl");
    let page = stand_in_page();
    let demo = start(page.path(), &[]);
    let [_, _, curl] = printed(&demo);
    let output = Command::new("sh").args(["-c", &curl]).output().unwrap();
    assert!(output.status.success());
    let playlist = String::from_utf8(output.stdout).unwrap();
    assert!(playlist.starts_with("#EXTM3U\n"), "{playlist}");
}

#[test]
fn the_page_gets_a_link_of_each_kind_for_each_stream() {
    let page = stand_in_page();
    let demo = start(page.path(), &[]);
    let answer = demo.get("/player/config.json");
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    let config: Value = serde_json::from_slice(&answer.body).unwrap();
    let mut paths = Vec::new();
    for stream in config["streams"].as_array().unwrap() {
        let text = |name: &str| stream[name].as_str().unwrap();
        paths.push(text("path"));
        assert!(!text("name").is_empty());
        let (cdn, gateway) = (text("cdn"), text("gateway"));
        assert!(gateway.starts_with(&format!("{}?md5=", demo.url(text("path")))), "{gateway}");
        assert_eq!(demo.get(gateway).status, 302);
        // The stand-in CDN is another origin: the same path on another port.
        let (host, target) = cdn.strip_prefix("http://").unwrap().split_once('/').unwrap();
        assert!(target.starts_with(&text("path")[1..]) && host != demo.addr().to_string());
        let mut client = sluicegate_testkit::http::Client::connect(host.parse().unwrap()).unwrap();
        assert_eq!(client.get(format!("/{target}").as_bytes(), &[]).unwrap().status, 200);
    }
    assert_eq!(
        paths,
        [
            "/subdirs/master.m3u8",
            "/aes128/master.m3u8",
            "/byteranges/master.m3u8",
            "/flat/master.m3u8",
            "/timeline/manifest.mpd",
            "/list/manifest.mpd",
            "/ondemand/manifest.mpd",
            "/number/manifest.mpd"
        ]
    );
}

#[test]
fn a_stream_of_any_name_has_links_that_open_it() {
    let page = stand_in_page();
    let streams = tempfile::tempdir().unwrap();
    for name in ["my stream", "100% città", "what?#now"] {
        std::fs::create_dir(streams.path().join(name)).unwrap();
        std::fs::write(streams.path().join(name).join("master.m3u8"), "#EXTM3U\n").unwrap();
    }
    let mut command = program();
    command.args(["demo", "--listen", "127.0.0.1:0", "--streams"]).arg(streams.path());
    let demo = Serving::start(command.arg("--page").arg(page.path()), "player");
    let config: Value = serde_json::from_slice(&demo.get("/player/config.json").body).unwrap();
    let streams = config["streams"].as_array().unwrap();
    assert_eq!(streams.len(), 3);
    for stream in streams {
        let entered = demo.get(stream["gateway"].as_str().unwrap());
        assert_eq!(entered.status, 302, "{stream}");
        assert_eq!(demo.get(entered.header("location").unwrap()).text(), "#EXTM3U\n", "{stream}");
    }
}

/// One who listens on all interfaces still gets links that a browser on this machine opens.
#[test]
fn links_lead_to_this_machine() {
    let page = stand_in_page();
    let mut command = program();
    command.args(["demo", "--listen", "0.0.0.0:0", "--streams"]).arg(fixtures::streams());
    let demo = Serving::start(command.arg("--page").arg(page.path()), "player");
    assert!(demo.addr().ip().is_loopback());
    let [_, hls, _] = printed(&demo);
    assert_eq!(demo.get(&hls).status, 302);
}

#[test]
fn what_is_missing_is_said_with_what_to_do() {
    let (page, empty) = (stand_in_page(), tempfile::tempdir().unwrap());
    let missing = empty.path().join("missing");
    let streams = fixtures::streams();
    for (streams, page, told) in [
        (&*missing, page.path(), ["there is no folder", "pass --streams DIR"]),
        (empty.path(), page.path(), ["holds a master.m3u8", "--streams DIR"]),
        (&*streams, &*missing, ["there is no folder", "pass --page DIR"]),
        (&*streams, empty.path(), ["has no hls.js", "run `npm ci` there"]),
    ] {
        let mut command = without_key();
        command.arg("demo").arg("--streams").arg(streams).arg("--page").arg(page);
        let run = Run::of(&mut command);
        assert_eq!((run.code, run.stdout.as_str()), (64, ""), "{told:?}");
        for part in told {
            assert!(run.stderr.contains(part), "{part} is not in: {}", run.stderr);
        }
    }
    // The folders of the source tree are looked for where one stands.
    let run = Run::of(without_key().current_dir(empty.path()).arg("demo"));
    assert_eq!(run.code, 64);
    assert!(run.stderr.contains("fixtures/streams: run this in the source tree"), "{}", run.stderr);
}

#[test]
fn a_port_in_use_is_a_failure() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let page = stand_in_page();
    let mut command = without_key();
    command.args(["demo", "--listen", &addr, "--streams"]).arg(fixtures::streams());
    let run = Run::of(command.arg("--page").arg(page.path()));
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    let begin = format!("sluicegate: cannot listen on {addr}: the port is in use; ");
    assert!(run.stderr.starts_with(&begin), "{}", run.stderr);
}

#[test]
fn a_signal_ends_it() {
    let page = stand_in_page();
    for signal in ["TERM", "INT"] {
        let mut demo = start(page.path(), &[]);
        demo.signal(signal);
        assert_eq!(demo.exit_code(), Some(0), "{signal}");
    }
}

/// Whether the page's own packages are installed, which is said aloud if not; in CI they must be.
fn has_packages(page: &Path) -> bool {
    let has = page.join("node_modules/hls.js").is_dir();
    let needs = "needs examples/player/node_modules (run `npm ci` there; `make test` does)";
    assert!(has || std::env::var("CI").as_deref() != Ok("true"), "{needs}");
    if !has {
        eprintln!("SKIPPED: {needs}");
    }
    has
}

/// Looks at the page until the right player has shown two seconds of the stream.
fn look(options: &[&str], fragment: &str) -> (Side, Side, Serving) {
    let demo = start(&real_page(), options);
    let [player, ..] = printed(&demo);
    let player = format!("{player}{fragment}");
    let page = Browser::page(&player, &PageOptions { wait_frames: 50, ..PageOptions::default() });
    assert!(!page.timed_out, "{page:#?}");
    (page.left.unwrap(), page.right.unwrap(), demo)
}

fn assert_one_plays(left: &Side, right: &Side) {
    assert_eq!(left.frames, 0, "{left:#?}");
    let error = left.error.as_deref().unwrap();
    assert!(error.contains("403"), "{error}");
    assert_eq!(right.error, None, "{right:#?}");
    assert!(right.frames >= 50, "{right:#?}");
    let is_well = |outcome: Option<&str>, status| match outcome {
        // The look may come before an answer, and hls.js gives requests up when it changes renditions.
        Some("pending" | "cancelled") => true,
        _ => status == Some(200),
    };
    for row in &right.requests {
        assert!(is_well(row.outcome.as_deref(), row.status), "{row:#?}");
    }
    let segments =
        right.requests.iter().filter(|row| row.kind == "segment" && row.status == Some(200));
    assert!(segments.count() >= 1, "{right:#?}");
}

#[test]
fn the_right_side_plays_and_the_left_one_is_refused_in_chromium() {
    require_browser!();
    if !has_packages(&real_page()) {
        return;
    }
    let (left, right, demo) = look(&[], "");
    assert_one_plays(&left, &right);
    assert!(right.requests.iter().all(|row| row.url.starts_with(&demo.url("/"))), "{right:#?}");
}

#[test]
fn the_cdn_delivers_segments_in_chromium() {
    require_browser!();
    if !has_packages(&real_page()) {
        return;
    }
    let (left, right, demo) = look(&["--segments", "cdn"], "");
    assert_one_plays(&left, &right);
    for row in &right.requests {
        let by_gateway = row.url.starts_with(&demo.url("/"));
        let is_playlist = row.kind.ends_with("playlist") || row.kind == "manifest";
        assert_eq!(by_gateway, is_playlist, "{row:#?}");
    }
}

#[test]
fn the_page_plays_dash_with_either_player_in_chromium() {
    require_browser!();
    if !has_packages(&real_page()) {
        return;
    }
    for player in ["", "?Shaka%20Player"] {
        let (left, right, demo) = look(&[], &format!("#/timeline/manifest.mpd{player}"));
        assert_one_plays(&left, &right);
        assert!(right.requests.iter().all(|row| row.url.starts_with(&demo.url("/"))), "{right:#?}");
    }
}
