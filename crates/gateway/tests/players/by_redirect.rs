//! Redirects: a player asks the gateway for each segment, and gets a CDN URL whose token is new.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use sluicegate_gateway::{Clock as _, SystemClock};
use sluicegate_testkit::browser::{self, Playback};
use sluicegate_testkit::clock::ManualClock;
use sluicegate_testkit::http::{Client, Response};
use sluicegate_testkit::nginx::Scope;
use sluicegate_testkit::{
    Browser, Gateway, Nginx, Server, fixtures, require_browser, require_tools,
};
use tower_http::services::ServeDir;
use url::{Position, Url};

use crate::behind_cdn::assert_delivered;
use crate::decoders::{assert_decoded, assert_played};
use crate::playback::{assert_played_by_redirects, resource, urls_at};
use crate::replay;
use crate::setup::{CDN_FOLDER, cdn_location, nginx_cdn, redirecting_gateway};
use crate::streams::{ALL, Resource, SUBDIRS, Stream};

const LONG_TTL_SECS: u64 = 3600;

/// Plays to the end by redirects: each file but playlists is asked of the gateway once, and then of
/// the CDN.
fn plays(stream: &Stream, gateway: &Gateway, nginx: &Nginx) -> Playback {
    let link = gateway.entry_link(&stream.master());
    let played = Browser::play(&link, &stream.play_options());
    let redirects = assert_played_by_redirects(stream, &link, &played);
    let (home, cdn) = (gateway.url("/"), nginx.url(CDN_FOLDER));
    assert!(redirects.iter().all(|request| request.url.starts_with(&home)), "{redirects:#?}");
    let is_of_cdn =
        |request: &&browser::Request| request.method == "GET" && request.url.starts_with(&cdn);
    let sorted = |mut resources: Vec<Resource>| {
        resources.sort();
        resources
    };
    let redirected = sorted(redirects.iter().filter_map(|request| resource(request)).collect());
    let from_cdn = played.requests.iter().filter(is_of_cdn);
    assert_eq!(sorted(from_cdn.filter_map(resource).collect()), redirected);
    let is_media = |resource: &&Resource| !resource.is_playlist();
    let expected: BTreeSet<_> = stream.implied().iter().filter(is_media).cloned().collect();
    assert!(expected.iter().all(|file| redirected.contains(file)), "{redirected:#?}");
    eprintln!("{}: {} redirects to the CDN", stream.name, redirects.len());
    assert_delivered(nginx, &expected);
    played
}

#[test]
fn subdirectories_play_by_redirects_to_a_cdn_with_a_token_a_directory_in_chromium() {
    require_tools!("nginx");
    require_browser!();
    let nginx = nginx_cdn(Scope::Directory);
    let gateway = redirecting_gateway(&nginx.url(CDN_FOLDER), Scope::Directory, LONG_TTL_SECS);
    let played = plays(&SUBDIRS, &gateway, &nginx);
    replay::at_redirecting_gateway(&gateway, &SUBDIRS, &urls_at(&played, &gateway.url("/")));
    replay::at_nginx(&nginx, Scope::Directory, &urls_at(&played, &nginx.url(CDN_FOLDER)));
}

/// A gateway's clock that runs, until this is dropped.
struct Running(Arc<AtomicBool>);

impl Running {
    fn start(clock: &ManualClock) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (clock, seen) = (clock.clone(), Arc::clone(&is_over));
        thread::spawn(move || {
            while !seen.load(Ordering::SeqCst) {
                clock.set_to_real_time();
                thread::sleep(Duration::from_millis(10));
            }
        });
        Self(is_over)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Where a CDN takes its files from, slowly, so that a player is still loading when the tokens of
/// its start have ended.
fn slow_streams() -> Server {
    let slowly = async |request: Request, next: Next| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        next.run(request).await
    };
    let files = Router::new().fallback_service(ServeDir::new(fixtures::streams()));
    Server::start(files.layer(middleware::from_fn(slowly)))
}

fn get(url: &Url) -> Response {
    let addr = url.socket_addrs(|| None).unwrap()[0];
    Client::connect(addr).unwrap().get(url[Position::BeforePath..].as_bytes(), &[]).unwrap()
}

/// What the mode is for: playlists that are loaded once, and tokens that end within 2 s.
#[test]
fn subdirectories_play_with_tokens_that_end_while_they_play_in_chromium() {
    require_tools!("nginx");
    require_browser!();
    let origin = slow_streams();
    let location = cdn_location(CDN_FOLDER, Scope::Directory);
    let nginx = Nginx::builder().secure_proxy(location, origin.url("/")).start();
    let gateway = redirecting_gateway(&nginx.url(CDN_FOLDER), Scope::Directory, 1);
    let _running = Running::start(&gateway.clock);
    let played = plays(&SUBDIRS, &gateway, &nginx);

    let urls = urls_at(&played, &nginx.url(CDN_FOLDER));
    let urls: Vec<_> = urls.iter().map(|url| Url::parse(url).unwrap()).collect();
    let expires = |url: &Url| -> u64 {
        let (_, expires) = url.query_pairs().find(|(name, _)| name == "expires").unwrap();
        expires.parse().unwrap()
    };
    let (first, last) =
        (urls.iter().map(expires).min().unwrap(), urls.iter().map(expires).max().unwrap());
    // A token that ends at `last` was made two seconds before that.
    assert!(first < last - 2, "no token ended before the last one was made: {first}, {last}");

    while SystemClock.now().0 <= last + 1 {
        thread::sleep(Duration::from_millis(100));
    }
    for url in &urls {
        assert_eq!(get(url).status, 410, "{url}");
    }
    let segments = urls_at(&played, &gateway.url("/s/"));
    let segments: Vec<_> = segments.iter().filter(|url| !url.ends_with(".m3u8")).collect();
    assert_eq!(segments.len(), SUBDIRS.implied().iter().filter(|file| !file.is_playlist()).count());
    for (at, url) in segments.into_iter().enumerate() {
        let answer = get(&Url::parse(url).unwrap());
        assert_eq!(answer.status, 302, "{url}");
        let renewed = Url::parse(answer.header("location").unwrap()).unwrap();
        assert!(!urls.contains(&renewed), "{renewed}");
        // The others would take as long again.
        assert!(at > 0 || get(&renewed).status == 200, "{renewed}");
    }
}

#[test]
fn ffmpeg_decodes_every_stream_by_redirects() {
    require_tools!("nginx", "ffmpeg");
    for scope in [Scope::Directory, Scope::File] {
        let nginx = nginx_cdn(scope);
        let gateway = redirecting_gateway(&nginx.url(CDN_FOLDER), scope, LONG_TTL_SECS);
        for stream in ALL {
            assert_decoded(&gateway.entry_link(&stream.master()));
        }
        assert_delivered(&nginx, &ALL.map(|stream| stream.video_files()).concat());
    }
}

#[test]
fn gstreamer_plays_subdirectories_by_redirects() {
    require_tools!("nginx", "gst-launch-1.0");
    let nginx = nginx_cdn(Scope::Directory);
    let gateway = redirecting_gateway(&nginx.url(CDN_FOLDER), Scope::Directory, LONG_TTL_SECS);
    assert_played(&gateway.entry_link(&SUBDIRS.master()));
    assert_delivered(&nginx, SUBDIRS.implied().iter().filter(|resource| !resource.is_playlist()));
}
