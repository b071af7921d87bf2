//! Chromium by the scripts of this crate, against a plain nginx.

use std::fs;

use sluicegate_testkit::browser::{PageOptions, PlayOptions};
use sluicegate_testkit::{Browser, Nginx, fixtures, require_browser, require_tools};

#[test]
fn a_stream_with_subdirectories_plays_in_chromium() {
    require_tools!("nginx");
    require_browser!();
    let nginx = Nginx::builder().plain("/", fixtures::streams().join("subdirs")).start();
    let played = Browser::play(&nginx.url("/master.m3u8"), &PlayOptions::default());
    assert!(played.ended && !played.timed_out, "{played:#?}");
    assert_eq!(played.fatal_errors(), Vec::<&_>::new());
    assert_eq!(played.requests_other_than(&[200, 206]), Vec::<&_>::new());
    assert!(played.frames >= 190 && played.cues > 0, "{played:#?}");
    assert!(nginx.access_log().iter().all(|line| matches!(line.status, 200 | 206)));
}

#[test]
fn a_missing_stream_is_a_fatal_error_in_chromium() {
    require_tools!("nginx");
    require_browser!();
    let nginx = Nginx::builder().plain("/", fixtures::streams().join("subdirs")).start();
    let played = Browser::play(&nginx.url("/nothing.m3u8"), &PlayOptions::default());
    assert!(!played.ended && played.frames == 0);
    assert_eq!(played.fatal_errors()[0].status, Some(404));
    assert!(played.statuses().contains(&404));
}

#[test]
fn a_page_shows_its_two_players_in_chromium() {
    require_tools!("nginx");
    require_browser!();
    // Offers what the page of the demo offers, without playing anything.
    let page = r#"<!doctype html><title>Two players</title><script>
        const row = { number: 1, url: "http://x/a", short: "a", type: "manifest", status: 403,
                      outcome: "refused", redirectedTo: null };
        const side = (frames, error, requests) => ({ frames: () => frames, error, requests, ended: false });
        window.sluicegateDemo = { left: side(0, "403 on a", [row]), right: side(5, null, []) };
    </script>"#;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("index.html"), page).unwrap();
    fs::write(folder.path().join("title.js"), "document.title").unwrap();
    let nginx = Nginx::builder().plain("/", folder.path()).start();
    let options = PageOptions {
        wait_frames: 5,
        eval_file: Some(folder.path().join("title.js")),
        screenshot: Some(folder.path().join("page.png")),
        ..PageOptions::default()
    };
    let page = Browser::page(&nginx.url("/index.html"), &options);
    assert!(!page.timed_out, "{page:#?}");
    assert_eq!(page.eval, "Two players");
    let (left, right) = (page.left.unwrap(), page.right.unwrap());
    assert_eq!((left.error.as_deref(), left.requests[0].status), (Some("403 on a"), Some(403)));
    assert_eq!((right.frames, right.error), (5, None));
    assert!(folder.path().join("page.png").is_file());
}
