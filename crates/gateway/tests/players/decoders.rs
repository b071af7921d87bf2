//! ffmpeg and GStreamer, which follow the entry's redirect and resolve URIs in their own ways.

use std::fs;

use sluicegate_testkit::http::Client;
use sluicegate_testkit::nginx::Scope;
use sluicegate_testkit::players::{ffmpeg_frames, gstreamer};
use sluicegate_testkit::{Gateway, Nginx, fixtures, require_tools};

use crate::behind_cdn::assert_delivered;
use crate::session_url::SessionUrl;
use crate::setup::{CDN_FOLDER, config, gateway_before, nginx_cdn, streams_config};
use crate::streams::{ALL, FLAT, FRAMES, SUBDIRS};

/// Every frame of the link is decoded, without a complaint.
pub(crate) fn assert_decoded(link: &str) {
    let run = ffmpeg_frames(link);
    assert!(run.exit_ok && run.frames == FRAMES, "{link}: {run:?}");
    if !run.stderr.is_empty() {
        eprintln!("{link}: {}", run.stderr);
    }
}

pub(crate) fn assert_played(link: &str) {
    let run = gstreamer(link);
    assert!(run.ok, "{link}: {run:?}");
}

#[test]
fn ffmpeg_decodes_every_stream() {
    require_tools!("ffmpeg");
    for carry in ["path", "query"] {
        let gateway = Gateway::start(&streams_config(carry));
        for stream in ALL {
            assert_decoded(&gateway.entry_link(&stream.master()));
        }
    }
}

#[test]
fn gstreamer_plays_every_stream() {
    require_tools!("gst-launch-1.0");
    let gateway = Gateway::start(&streams_config("path"));
    for stream in ALL {
        assert_played(&gateway.entry_link(&stream.master()));
    }
}

#[test]
fn gstreamer_plays_subdirectories_with_the_session_in_the_query() {
    require_tools!("gst-launch-1.0");
    let gateway = Gateway::start(&streams_config("query"));
    assert_played(&gateway.entry_link(&SUBDIRS.master()));
}

#[test]
fn ffmpeg_decodes_every_stream_from_a_cdn() {
    require_tools!("nginx", "ffmpeg");
    for scope in [Scope::Directory, Scope::File] {
        let nginx = nginx_cdn(scope);
        let gateway = gateway_before(&nginx.url(CDN_FOLDER), scope);
        for stream in ALL {
            assert_decoded(&gateway.entry_link(&stream.master()));
        }
        assert_delivered(&nginx, &ALL.map(|stream| stream.video_files()).concat());
    }
}

#[test]
fn gstreamer_plays_subdirectories_from_a_cdn() {
    require_tools!("nginx", "gst-launch-1.0");
    let nginx = nginx_cdn(Scope::Directory);
    let gateway = gateway_before(&nginx.url(CDN_FOLDER), Scope::Directory);
    assert_played(&gateway.entry_link(&SUBDIRS.master()));
    assert_delivered(&nginx, SUBDIRS.implied().iter().filter(|resource| !resource.is_playlist()));
}

#[test]
fn ffmpeg_decodes_a_stream_in_a_folder_whose_other_files_stay_shut() {
    require_tools!("ffmpeg");
    let folder = tempfile::tempdir().unwrap();
    // The same stream twice, side by side.
    for file in fs::read_dir(fixtures::streams().join(FLAT.name)).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        let mut bytes = fs::read(file.path()).unwrap();
        fs::write(folder.path().join(&name), &bytes).unwrap();
        if name.ends_with(".m3u8") {
            let text = String::from_utf8(bytes).unwrap();
            bytes = text.replace("seg-", "other-seg-").replace("index", "other-index").into();
        }
        fs::write(folder.path().join(format!("other-{name}")), bytes).unwrap();
    }
    for carry in ["path", "query"] {
        let settings = format!("grant = \"file\"\ncarry = \"{carry}\"");
        let origin = format!("file:{}", folder.path().display());
        let gateway = Gateway::start(&config(&origin, &settings));
        for master in ["/master.m3u8", "/other-master.m3u8"] {
            assert_decoded(&gateway.entry_link(master));
        }
        let urls = urls_of_session(&gateway, "/master.m3u8");
        assert_eq!(urls.len(), 6, "{urls:#?}");
        let mut client = Client::connect(gateway.addr()).unwrap();
        for url in &urls {
            let own = client.get(url.target().as_bytes(), &[]).unwrap();
            assert_eq!(own.status, 200, "{}", url.path);
            for path in ["/other-master.m3u8", "/other-index.m3u8", "/other-seg-0.ts"] {
                let neighbour = url.elsewhere(path).target();
                let answer = client.get(neighbour.as_bytes(), &[]).unwrap();
                assert_eq!(answer.status, 403, "{path} with the token of {}", url.path);
            }
        }
    }
}

/// All URLs that a session's playlists name, from the multivariant playlist down.
fn urls_of_session(gateway: &Gateway, master: &str) -> Vec<SessionUrl> {
    let mut client = Client::connect(gateway.addr()).unwrap();
    let mut urls = vec![SessionUrl::enter(gateway, master)];
    let mut at = 0;
    while at < urls.len() {
        let url = urls[at].clone();
        at += 1;
        if url.path.ends_with(".m3u8") {
            let base = url::Url::parse(&gateway.url(&url.target())).unwrap();
            let playlist = client.get(url.target().as_bytes(), &[]).unwrap().text();
            let references = playlist.lines().filter(|line| !line.starts_with('#'));
            urls.extend(references.map(|reference| {
                SessionUrl::parse(base.join(reference).unwrap().as_str()).unwrap()
            }));
        }
    }
    urls
}

#[test]
fn ffmpeg_decodes_a_stream_of_an_http_origin_that_sees_no_token() {
    require_tools!("nginx", "ffmpeg");
    let nginx = Nginx::builder().plain("/media/", fixtures::streams()).start();
    for carry in ["path", "query"] {
        let settings = format!("carry = \"{carry}\"");
        let gateway = Gateway::start(&config(&nginx.url("/media/"), &settings));
        assert_decoded(&gateway.entry_link(&SUBDIRS.master()));
    }
    let log = nginx.access_log();
    for line in &log {
        assert!(matches!(line.status, 200 | 206 | 304), "{line:?}");
        assert_eq!(line.request_uri, line.uri, "{line:?}");
        assert!(line.uri.starts_with("/media/subdirs/"), "{line:?}");
    }
    assert!(log.iter().any(|line| line.uri == "/media/subdirs/360p/seg-3.m4s"), "{log:#?}");
}
