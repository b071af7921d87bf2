//! An existing server delivers the segments and asks the gateway whether it may: nginx with
//! `auth_request`, Caddy with `forward_auth`.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use sluicegate_testkit::http::Client;
use sluicegate_testkit::players::ffmpeg_frames;
use sluicegate_testkit::port::free_port;
use sluicegate_testkit::process::{Process, wait_for_port};
use sluicegate_testkit::tools::tool;
use sluicegate_testkit::{Browser, Gateway, Nginx, fixtures, require_browser, require_tools};

use crate::playback::assert_played;
use crate::setup::{SESSION_SECS, config, streams_config, streams_origin};
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

// === X-Accel-Redirect ===

#[test]
fn nginx_delivers_the_file_that_the_gateway_names_in_chromium() {
    require_browser!();
    require_tools!("ffmpeg", "nginx");
    let settings = "carry = \"query\"\naccel = \"/_files/\"";
    let gateway = Gateway::start(&config(&streams_origin(), settings));
    let nginx = Nginx::builder().accel_redirect(gateway.url(""), fixtures::streams()).start();
    let link = link(&gateway, &nginx);
    let run = ffmpeg_frames(&link);
    assert!(run.exit_ok && run.frames == FRAMES, "{run:?}");
    let played = Browser::play(&link, &SUBDIRS.play_options());
    assert_played(&SUBDIRS, &link, &played);
    let get =
        |addr, target: &str| Client::connect(addr).unwrap().get(target.as_bytes(), &[]).unwrap();
    let log = nginx.access_log();
    let segment = log.iter().find(|line| line.request_uri.contains(".m4s?")).unwrap();
    let delivered = get(nginx.addr(), &segment.request_uri);
    assert_eq!((delivered.status, delivered.header("x-accel-redirect")), (200, None));
    let file = fixtures::streams().join(segment.request_uri[1..].split('?').next().unwrap());
    assert!(delivered.body == std::fs::read(file).unwrap());
    // The gateway itself sends no byte of it.
    let named = get(gateway.addr(), &segment.request_uri);
    assert!(named.body.is_empty() && named.header("x-accel-redirect").is_some());
    assert_eq!(get(nginx.addr(), "/_files/subdirs/360p/seg-0.m4s").status, 404, "it is internal");
    assert_eq!(get(nginx.addr(), "/subdirs/360p/seg-0.m4s?sg=x").status, 403);
}

// === Caddy ===

/// A Caddy in front of a gateway, with a folder of its own; it ends with the value.
struct Caddy {
    addr: SocketAddr,
    _process: Process,
    _folder: tempfile::TempDir,
}

impl Caddy {
    fn before(gateway: &Gateway) -> Self {
        let addr = free_port().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (upstream, streams) = (gateway.addr(), fixtures::streams());
        let text = format!(
            r#"{{
    admin off
    auto_https off
}}
http://:{port} {{
    bind 127.0.0.1
    @media path_regexp media ^/s/[^/]+(/.+\.(?:m4s|mp4|ts|aac|vtt|bin|key))$
    route @media {{
        forward_auth {upstream} {{
            uri /auth
        }}
        rewrite * {{re.media.1}}
        root * "{streams}"
        header Access-Control-Allow-Origin *
        file_server
    }}
    reverse_proxy {upstream}
}}
"#,
            port = addr.port(),
            streams = streams.display(),
        );
        let file = folder.path().join("Caddyfile");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(tool("caddy").unwrap());
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&file);
        command
            .env("HOME", folder.path())
            .env_remove("XDG_DATA_HOME")
            .env_remove("XDG_CONFIG_HOME");
        let process = Process::spawn(&mut command).unwrap();
        let is_up = wait_for_port(addr, Duration::from_secs(20));
        assert!(is_up, "Caddy does not start:\n{}", process.stderr());
        Self { addr, _process: process, _folder: folder }
    }

    fn link(&self, gateway: &Gateway) -> String {
        let link = gateway.entry_link(&SUBDIRS.master());
        format!("http://{}{}", self.addr, link.strip_prefix(&gateway.url("")).unwrap())
    }
}

#[test]
fn ffmpeg_plays_what_caddy_delivers_after_it_asked() {
    require_tools!("ffmpeg", "caddy");
    let gateway = Gateway::start(&streams_config("path"));
    let caddy = Caddy::before(&gateway);
    let run = ffmpeg_frames(&caddy.link(&gateway));
    assert!(run.exit_ok && run.frames == FRAMES, "{run:?}");
    let status = |target: &str| {
        Client::connect(caddy.addr).unwrap().get(target.as_bytes(), &[]).unwrap().status
    };
    let token = "A".repeat(52);
    assert_eq!(status(&format!("/s/{token}/subdirs/360p/seg-0.m4s")), 403);
}

#[test]
fn subdirectories_play_behind_caddy_in_chromium() {
    require_browser!();
    require_tools!("caddy");
    let gateway = Gateway::start(&streams_config("path"));
    let caddy = Caddy::before(&gateway);
    let link = caddy.link(&gateway);
    let played = Browser::play(&link, &SUBDIRS.play_options());
    assert_played(&SUBDIRS, &link, &played);
}
