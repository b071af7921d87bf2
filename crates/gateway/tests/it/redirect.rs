//! `segments = "redirect"`: a segment's URL is the gateway's, and leads to a CDN URL that is signed
//! at each request.

use axum::Router;
use axum::http::header;
use axum::routing::get;
use sluicegate_gateway::Clock as _;
use sluicegate_testkit::Gateway;
use sluicegate_testkit::gateway::CDN_SECRET;
use sluicegate_testkit::http::Response;
use sluicegate_token::{CdnKey, Gcore, Presented, ResourcePath, Scheme as _, Scope, UnixTime};
use url::Url;

use crate::support::{
    Site, Viewer, Watched, ask_from, cdn, folder, multivariant, playlist, resolve, token_of, uris,
};

const CDN: &str = "https://cdn.example.com/media/";
const TTL_SECS: u64 = 10;

fn settings() -> String {
    cdn(CDN, "directory", TTL_SECS).replace("segments = \"cdn\"", "segments = \"redirect\"")
}

fn site(settings: &str) -> Site<'_> {
    Site { route: settings, ..Site::default() }
}

/// The redirect's target, which must be signed until the end of the window.
fn target(gateway: &Gateway, answer: &Response) -> Url {
    assert_eq!(answer.status, 302, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.text(), "");
    let url: Url = answer.header("location").unwrap().parse().unwrap();
    let gcore = Gcore::new(CdnKey::plain("cdn", CDN_SECRET.as_bytes()), Scope::Directory);
    let path = ResourcePath::parse(url.path().as_bytes()).unwrap();
    let presented = Presented { path: &path, query: url.query().map(str::as_bytes), ip: None };
    let now = gateway.clock.now();
    let valid = gcore.verify(&presented, now).unwrap();
    assert_eq!(valid.expires, now.window_expiry(TTL_SECS));
    url
}

#[test]
fn a_segments_url_stays_and_its_cdn_token_is_new_each_time() {
    let media = folder(&[
        ("v/master.m3u8", &multivariant(&["low/index.m3u8"])),
        ("v/low/index.m3u8", &playlist(&["0.ts", "../key.bin?x=1"])),
    ]);
    let settings = settings();
    for carry in ["path", "query"] {
        let settings = format!("carry = \"{carry}\"\n{settings}");
        let gateway = site(&settings).folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/v/master.m3u8");
        let variant = resolve(&session, &uris(&viewer.get(&session).text())[0]);
        let segments = uris(&viewer.get(&variant).text());
        let segment = resolve(&variant, &segments[0]);
        let first = target(&gateway, &viewer.get(&segment));
        assert_eq!(first.path(), "/media/v/low/0.ts");
        assert_eq!(target(&gateway, &viewer.ask("HEAD", &segment, &[])), first);
        gateway.clock.advance(2 * TTL_SECS + 1);
        let later = target(&gateway, &viewer.get(&segment));
        assert_eq!(later.path(), first.path());
        assert_ne!(later, first, "a token of its own time");
        // A range is for the CDN to serve.
        assert_eq!(
            target(&gateway, &viewer.ask("GET", &segment, &[("Range", "bytes=0-1")])),
            later
        );

        let key = resolve(&variant, &segments[1]);
        assert_eq!(target(&gateway, &viewer.get(&key)).path(), "/media/v/key.bin");
        let broken = segment.replacen(&token_of(&segment)[..9], "AAAAAAAAA", 1);
        let refused = viewer.get(&broken);
        assert_eq!((refused.status, refused.header("location")), (403, None));
        gateway.clock.advance(9 * 3600);
        let expired = viewer.get(&segment);
        assert_eq!((expired.status, expired.header("location")), (410, None));
    }
}

#[test]
fn what_a_viewer_sends_is_passed_as_the_route_says_and_never_as_a_token() {
    let media = folder(&[("v/master.m3u8", &multivariant(&["a.m3u8"]))]);
    let settings = format!("forward_query = [\"v\", \"md5\", \"expires\"]\n{}", settings());
    let gateway = site(&settings).folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let segment = viewer.enter("/v/master.m3u8").replace("master.m3u8", "0.ts");
    let url = target(&gateway, &viewer.get(&format!("{segment}?v=1&w=2&MD5=x&expires=9")));
    let names: Vec<_> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(names, ["v", "md5", "expires"], "{url}");
}

/// The origin is asked once for what its name does not tell, and never for a media file.
#[test]
fn documents_are_told_from_segments_whatever_their_names_are() {
    let thumbnails = "WEBVTT\n\n00:00.000 --> 00:05.000\nsprites/1.jpg#xywh=0,0,160,90\n";
    let html = get(async || ([(header::CONTENT_TYPE, "application/octet-stream")], "\x47media"));
    let origin = Watched::start(
        Router::new()
            .route("/v/master.m3u8", get(async || multivariant(&["index"])))
            .route("/v/index", get(async || playlist(&["segment", "0.ts"])))
            .route("/v/thumbnails.vtt", get(move || async move { thumbnails }))
            .route("/v/subtitles.vtt", get(async || "WEBVTT\n\n00:00.000 --> 00:05.000\nhi\n"))
            .route("/v/segment", html),
    );
    let settings = settings();
    let gateway = site(&settings).start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/master.m3u8");
    let at = |name: &str| session.replace("master.m3u8", name);
    origin.take();
    for _ in 0..3 {
        assert_eq!(target(&gateway, &viewer.get(&at("0.ts"))).path(), "/media/v/0.ts");
    }
    assert!(origin.take().is_empty(), "a media file is the CDN's");
    for _ in 0..3 {
        assert_eq!(target(&gateway, &viewer.get(&at("segment"))).path(), "/media/v/segment");
    }
    assert_eq!(origin.take().len(), 1, "one look");
    for name in ["index", "thumbnails.vtt"] {
        let answer = viewer.get(&at(name));
        assert_eq!(answer.status, 200, "{name}");
    }
    assert_eq!(
        target(&gateway, &viewer.get(&at("subtitles.vtt"))).path(),
        "/media/v/subtitles.vtt"
    );
    assert_eq!(viewer.status(&at("missing")), 404);
}

#[test]
fn a_key_that_binds_signs_for_the_viewers_address() {
    let media = folder(&[("v/master.m3u8", &multivariant(&["a.m3u8"]))]);
    let settings = format!("{}bind_ip = true\n", settings());
    let gateway = site(&settings).folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let segment = viewer.enter("/v/master.m3u8").replace("master.m3u8", "0.ts");
    let (status, headers) = ask_from(&gateway, "203.0.113.7", &segment);
    assert_eq!(status, 302);
    let url: Url = headers["location"].to_str().unwrap().parse().unwrap();
    let gcore = Gcore::new(CdnKey::bound("cdn", CDN_SECRET.as_bytes()), Scope::Directory);
    let path = ResourcePath::parse(url.path().as_bytes()).unwrap();
    let from = |ip: &str| {
        let ip = Some(ip.parse().unwrap());
        let presented = Presented { path: &path, query: url.query().map(str::as_bytes), ip };
        gcore.verify(&presented, UnixTime(0)).is_ok()
    };
    assert!(from("203.0.113.7") && !from("203.0.113.8"));
}

/// Each host has its own scheme and key.
#[test]
fn a_further_host_is_signed_for_its_own_cdn() {
    let media = folder(&[(
        "v/master.m3u8",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n0.ts\n#EXTINF:2,\nhttps://b.test/x/1.ts\n\
          #EXTINF:2,\nhttps://c.test/y/2.ts\n#EXT-X-ENDLIST\n",
    )]);
    let hosts = "allow_hosts = [\"https://c.test/y/\", { url = \"https://b.test/x/\", cdn = { \
                 base_url = \"https://cdn-b.test/z/\", scope = \"file\", key = { file = \
                 \"cdn.key\" } } }]";
    let settings = format!("{hosts}\n{}", cdn(CDN, "directory", TTL_SECS));
    let gateway = site(&settings).folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/master.m3u8");
    let segments = uris(&viewer.get(&session).text());
    assert!(segments[0].starts_with("https://cdn.example.com/media/v/0.ts?md5="), "{segments:#?}");
    assert!(segments[1].starts_with("https://cdn-b.test/z/1.ts?md5="), "{segments:#?}");
    assert!(segments[2].contains("/~1/y/2.ts"), "{segments:#?}");
    let file = Gcore::new(CdnKey::plain("cdn", CDN_SECRET.as_bytes()), Scope::File);
    let path = ResourcePath::parse(b"/z/1.ts").unwrap();
    let query = segments[1].split_once('?').unwrap().1;
    let presented = Presented { path: &path, query: Some(query.as_bytes()), ip: None };
    file.verify(&presented, gateway.clock.now()).unwrap();
}
