//! The stand-in CDN in the place of nginx: players and plain requests see no difference.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use sluicegate_gateway::{Clock as _, Edge, SystemClock};
use sluicegate_testkit::browser::PageOptions;
use sluicegate_testkit::clock::ManualClock;
use sluicegate_testkit::http::Client;
use sluicegate_testkit::nginx::Scope;
use sluicegate_testkit::players::ffmpeg_frames;
use sluicegate_testkit::{Browser, Server, fixtures, require_browser, require_tools};
use sluicegate_token::SchemeRing;

use crate::setup::{cdn_link, cdn_scheme, gateway_before, nginx_cdn_at};
use crate::streams::{FRAMES, SUBDIRS};

fn edge(scope: Scope) -> Server {
    let clock = Arc::new(ManualClock::at_real_time());
    let edge = Edge::open(&fixtures::streams(), SchemeRing::of(Arc::new(cdn_scheme(scope))), clock)
        .unwrap();
    Server::start(edge.router())
}

#[test]
fn ffmpeg_decodes_subdirectories_from_the_stand_in_cdn() {
    require_tools!("ffmpeg");
    for scope in [Scope::Directory, Scope::File] {
        let edge = edge(scope);
        let gateway = gateway_before(&edge.url("/"), scope);
        let run = ffmpeg_frames(&gateway.entry_link(&SUBDIRS.master()));
        assert!(run.exit_ok && run.frames == FRAMES, "{scope:?}: {run:?}");
    }
}

#[test]
fn the_stand_in_cdn_answers_with_the_statuses_of_nginx() {
    require_tools!("nginx");
    let now = SystemClock.now();
    let (soon, past) = (now.saturating_add(600), now.saturating_sub(600));
    let file = "/subdirs/360p/seg-0.m4s";
    for scope in [Scope::File, Scope::Directory] {
        let sign = |path, expires| cdn_link(path, scope, expires);
        let good = sign(file, soon);
        let token = good.strip_prefix(file).unwrap();
        let range = Some("bytes=0-99");
        let neighbour = if scope == Scope::Directory { 200 } else { 403 };
        let requests: Vec<(&str, String, Option<&str>, u16)> = vec![
            ("GET", good.clone(), None, 200),
            ("HEAD", good.clone(), None, 200),
            ("GET", good.clone(), range, 206),
            ("GET", good.clone(), Some("bytes=-1"), 206),
            ("GET", good.clone(), Some("bytes=99999999-"), 416),
            ("GET", file.to_owned(), None, 403),
            ("GET", file.to_owned(), range, 403),
            ("GET", good.replace("expires=", "expires=1"), None, 403),
            ("GET", good.replace("md5=", "md5=A"), None, 403),
            ("GET", format!("{good}&md5=x&expires=1"), None, 200),
            ("GET", sign(file, past), None, 410),
            ("HEAD", sign(file, past), range, 410),
            ("GET", sign(file, past).replace("md5=", "md5=A"), None, 403),
            ("GET", format!("/subdirs/360p/seg-1.m4s{token}"), None, neighbour),
            ("GET", format!("/subdirs/180p/seg-0.m4s{token}"), None, 403),
            ("GET", format!("/subdirs/master.m3u8{token}"), None, 403),
            ("GET", sign("/subdirs/360p/nothing.m4s", soon), None, 404),
            ("GET", "/subdirs/360p/nothing.m4s".to_owned(), None, 403),
            ("GET", format!("/%zz{token}"), None, 400),
        ];
        let (edge, nginx) = (edge(scope), nginx_cdn_at("/", scope));
        let mut at_edge = Client::connect(edge.addr()).unwrap();
        let mut at_nginx = Client::connect(nginx.addr()).unwrap();
        for (method, target, range, status) in requests {
            let headers = range.map(|range| ("Range", range));
            let [edge, nginx] = [&mut at_edge, &mut at_nginx].map(|client| {
                client.request(method, target.as_bytes(), headers.as_slice()).unwrap()
            });
            let what = format!("{scope:?} {method} {target} {range:?}");
            assert_eq!((edge.status, nginx.status), (status, status), "{what}");
            if status < 300 {
                assert_eq!(edge.body, nginx.body, "{what}");
                for header in ["content-length", "content-range"] {
                    assert_eq!(edge.header(header), nginx.header(header), "{what}");
                }
            }
        }
    }
}

/// Waits until the page shows as many rows as there were requests, and reads it.
const LOOK: &str = r##"(async () => {
  const rows = () => [...document.querySelectorAll("#requests tbody tr")].map((row) => row.innerText);
  for (let n = 0; n < 100 && rows().length < 6; n++) await new Promise((go) => setTimeout(go, 100));
  const all = rows();
  document.querySelector("[name=refused]").click();
  return { all, refused: rows(), scheme: document.getElementById("scheme").innerText,
    wide: document.documentElement.scrollWidth > window.innerWidth };
})()"##;

#[test]
fn a_page_of_the_stand_in_cdn_says_why_each_request_is_refused_in_chromium() {
    require_browser!();
    let edge = edge(Scope::Directory);
    let mut client = Client::connect(edge.addr()).unwrap();
    let mut get = |target: &str| client.get(target.as_bytes(), &[]).unwrap().status;
    let now = SystemClock.now();
    let good = cdn_link("/subdirs/master.m3u8", Scope::Directory, now.saturating_add(600));
    let of_a_file = cdn_link("/flat/master.m3u8", Scope::File, now.saturating_add(600));
    let over = cdn_link("/flat/master.m3u8", Scope::Directory, now.saturating_sub(60));
    assert_eq!(get(&good), 200);
    assert_eq!(get(&good.replace("master.m3u8", "360p/index.m3u8")), 403);
    assert_eq!(get("/subdirs/360p/index.m3u8"), 403);
    assert_eq!(get(&of_a_file), 403);
    assert_eq!(get(&over), 410);
    assert_eq!(get(&good.replace("master", "%3Cb%3Enone")), 404);

    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script.js");
    std::fs::write(&script, LOOK).unwrap();
    let shots = std::env::var_os("SLUICEGATE_SCREENSHOTS").map(std::path::PathBuf::from);
    for (viewport, name) in [((1280, 900), "edge.png"), ((390, 844), "edge-phone.png")] {
        let options = PageOptions {
            timeout: std::time::Duration::from_secs(1),
            eval_file: Some(script.clone()),
            screenshot: shots.as_ref().map(|shots| shots.join(name)),
            viewport,
            ..PageOptions::default()
        };
        let page = Browser::page(&edge.url(Edge::PAGE), &options);
        assert_eq!(page.console_errors, [""; 0], "{name}");
        let shown = page.eval["all"].as_array().unwrap();
        assert_eq!(shown.len(), 6, "the newest first: {shown:#?}");
        for (row, told) in shown.iter().rev().zip([
            &["200", "GET /subdirs/master.m3u8"][..],
            &["403", "/subdirs/360p/index.m3u8", "for the folder above"],
            &["403", "/subdirs/360p/index.m3u8", "is missing"],
            &["403", "/flat/master.m3u8", "file"],
            &["410", "/flat/master.m3u8", "expired"],
            &["404", "none"],
        ]) {
            let row = row.as_str().unwrap();
            assert!(told.iter().all(|told| row.contains(told)), "{told:?}: {row}");
            assert!(!row.contains("md5="), "{row}");
        }
        assert_eq!(page.eval["refused"].as_array().unwrap().len(), 5, "{:#?}", page.eval);
        assert!(page.eval["scheme"].as_str().unwrap().contains("directory"), "{:#?}", page.eval);
        assert_eq!(page.eval["wide"], false, "{name}: it is wider than the window");
    }
    // Nobody elsewhere reads it.
    let mut stream = TcpStream::connect(edge.addr()).unwrap();
    let ask =
        b"GET /_edge/requests HTTP/1.1\r\nHost: rebound.example.com\r\nConnection: close\r\n\r\n";
    stream.write_all(ask).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("foreign-host"), "{answer}");
}
