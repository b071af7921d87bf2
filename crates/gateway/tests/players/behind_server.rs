//! An existing server delivers the segments and asks the gateway whether it may: nginx with
//! `auth_request`.

use sluicegate_testkit::http::Client;
use sluicegate_testkit::players::ffmpeg_frames;
use sluicegate_testkit::{Browser, Gateway, Nginx, fixtures, require_browser, require_tools};

use crate::playback::assert_played;
use crate::setup::{SESSION_SECS, streams_config};
use crate::streams::{FRAMES, SUBDIRS};

/// A gateway behind an nginx that serves the same folder.
fn behind_nginx() -> (Gateway, Nginx) {
    let gateway = Gateway::start(&streams_config("path"));
    let nginx = Nginx::builder().auth_request(gateway.url(""), fixtures::streams()).start();
    (gateway, nginx)
}

/// The entry link at nginx.
fn link(gateway: &Gateway, nginx: &Nginx) -> String {
    let link = gateway.entry_link(&SUBDIRS.master());
    nginx.url(link.strip_prefix(&gateway.url("")).unwrap())
}

#[test]
fn ffmpeg_plays_what_nginx_delivers_after_it_asked() {
    require_tools!("ffmpeg", "nginx");
    let (gateway, nginx) = behind_nginx();
    let run = ffmpeg_frames(&link(&gateway, &nginx));
    assert!(run.exit_ok && run.frames == FRAMES, "{run:?}");
    let log = nginx.access_log();
    let mut media = log.iter().filter(|line| line.uri.ends_with(".m4s"));
    assert!(media.all(|line| line.status < 400), "{log:#?}");
    let segment = log.iter().find(|line| line.uri.ends_with(".m4s")).unwrap().uri.clone();
    let status = |target: &str| {
        Client::connect(nginx.addr()).unwrap().get(target.as_bytes(), &[]).unwrap().status
    };
    assert_eq!(status(&segment), 200);
    // Another token, another folder, no token, and the time over: nginx refuses for the gateway.
    let (_, rest) = segment.split_once("/s/").unwrap();
    let (token, path) = rest.split_at(52);
    let other =
        format!("/s/{}{}{path}", &token[..51], if token.ends_with('A') { 'B' } else { 'A' });
    for target in [&other, &segment.replace("/subdirs/", "/flat/"), path, "/s/x/subdirs/a.m4s"] {
        let refused = status(target);
        assert!(matches!(refused, 403 | 404), "{target}: {refused}");
    }
    gateway.clock.advance(2 * SESSION_SECS + 1);
    assert_eq!(status(&segment), 403, "nginx knows no other refusal");
}

#[test]
fn subdirectories_play_behind_nginx_in_chromium() {
    require_browser!();
    require_tools!("nginx");
    let (gateway, nginx) = behind_nginx();
    let link = link(&gateway, &nginx);
    let played = Browser::play(&link, &SUBDIRS.play_options());
    assert_played(&SUBDIRS, &link, &played);
}
