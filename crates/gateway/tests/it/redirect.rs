//! `segments = "redirect"`: a segment's URL is the gateway's, and leads to a CDN URL that is signed
//! at each request.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::routing::get;
use sluicegate_gateway::Clock as _;
use sluicegate_testkit::Gateway;
use sluicegate_testkit::gateway::CDN_SECRET;
use sluicegate_testkit::http::Response;
use sluicegate_token::{CdnKey, Gcore, Presented, ResourcePath, Scheme as _, Scope, UnixTime};
use tower::ServiceExt as _;
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
    let presented = Presented::at(&path, url.query().map(str::as_bytes), None);
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

/// Who asks where a segment is, plays it.
#[test]
fn a_head_that_is_redirected_counts_as_a_stream() {
    let media = folder(&[("v/index.m3u8", &playlist(&["0.ts"]))]);
    let config = site(&settings()).config(&format!("file:{}", media.path().display()));
    let gateway = Gateway::start(&config.replace("[session]\n", "[session]\nmax_streams = 1\n"));
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/index.m3u8");
    let segment = session.replace("index.m3u8", "0.ts");
    let mut ask =
        |player, method, target: &str| viewer.ask(method, target, &[("User-Agent", player)]).status;
    assert_eq!(ask("one", "GET", &session), 200);
    assert_eq!(ask("two", "HEAD", &session), 200, "a playlist alone plays nothing");
    assert_eq!((ask("one", "HEAD", &segment), ask("two", "HEAD", &segment)), (302, 403));
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

/// Without links, nothing but the CDN's own scheme owns the names of its parameters.
#[test]
fn a_token_that_a_viewer_brings_along_never_reaches_the_cdn() {
    let media = folder(&[("v/master.m3u8", &multivariant(&["a.m3u8"]))]);
    let config = format!(
        "[session]\nkey = {{ file = \"session.key\" }}\n[api]\nbearer = {{ file = \"bearer.key\" }}\n\
         [[route]]\nid = \"vod\"\norigin = \"file:{}\"\nforward_query = [\"*\"]\n{}",
        media.path().display(),
        settings()
    );
    let gateway = Gateway::start(&config);
    let mut viewer = Viewer::of(&gateway);
    let segment = viewer.open(r#"{"path": "/v/master.m3u8"}"#).replace("master.m3u8", "0.ts");
    for query in ["md5=x&expires=9&v=1", "v=1&MD5=x&Expires=9&md5", "md5=x&v=1&md5=y"] {
        let url = target(&gateway, &viewer.get(&format!("{segment}?{query}")));
        let names: Vec<_> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
        assert_eq!(names, ["v", "md5", "expires"], "{query}: {url}");
    }
}

/// Every URI of a playlist leads through the gateway: no token in it ends before the session.
#[test]
fn playlists_name_the_gateway_alone_and_may_be_updated_by_deltas() {
    let index = "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n\
        #EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=12.0,CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.5\n\
        #EXT-X-PART-INF:PART-TARGET=0.5\n#EXT-X-MAP:URI=\"init.mp4\"\n\
        #EXT-X-KEY:METHOD=AES-128,URI=\"../keys/1.key\"\n#EXTINF:2,\n0.m4s\n\
        #EXT-X-PART:DURATION=0.5,URI=\"1.0.m4s\"\n\
        #EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"https://cdn.example.com/media/other/1.1.m4s\"\n";
    let origin = Watched::start(
        Router::new()
            .route("/v/master.m3u8", get(async || multivariant(&["a/index.m3u8"])))
            .route("/v/a/index.m3u8", get(async move || index)),
    );
    let settings = settings();
    let gateway = site(&settings).start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/master.m3u8");
    let variant = resolve(&session, &uris(&viewer.get(&session).text())[0]);
    origin.take();
    let text = viewer.get(&format!("{variant}?_HLS_skip=YES")).text();
    assert_eq!(origin.take().last().unwrap().target, "/v/a/index.m3u8?_HLS_skip=YES");
    assert!(text.contains("CAN-SKIP-UNTIL=12.0"), "{text}");
    assert!(!text.contains("md5=") && !text.contains("cdn.example.com"), "{text}");
    let expected = ["v/a/init.mp4", "v/keys/1.key", "v/a/0.m4s", "v/a/1.0.m4s", "other/1.1.m4s"];
    let named = uris(&text);
    assert_eq!(named.len(), expected.len(), "{text}");
    for (uri, path) in named.iter().zip(expected) {
        let url = target(&gateway, &viewer.get(&resolve(&variant, uri)));
        assert_eq!(url.path(), format!("/media/{path}"));
    }
    assert!(origin.take().is_empty(), "the CDN alone is asked for what is named as a media file");
}

/// The origin is asked once for what its name does not tell, and never for a media file.
#[test]
fn documents_are_told_from_segments_whatever_their_names_are() {
    let thumbnails = "WEBVTT\n\n00:00.000 --> 00:05.000\nsprites/1.jpg#xywh=0,0,160,90\n";
    let subtitles = "WEBVTT\n\n00:00.000 --> 00:05.000\nhi\n";
    let assets = r#"{"ASSETS":[{"URI":"ad/i.m3u8","DURATION":2}]}"#;
    let steering = r#"{"VERSION":1,"TTL":300,"RELOAD-URI":"steering?n=2"}"#;
    let octets = || [(header::CONTENT_TYPE, "application/octet-stream")];
    let playlist_of = |segments: &'static [&'static str]| get(async || playlist(segments));
    let origin = Watched::start(
        Router::new()
            .route("/v/master.m3u8", get(async || multivariant(&["index"])))
            .route("/v/index", playlist_of(&["segment", "0.ts"]))
            .route("/v/index.php", playlist_of(&["segment", "0.ts"]))
            .route("/v/index.mpp", playlist_of(&["segment", "0.ts"]))
            .route("/v/index.dat", playlist_of(&["segment", "0.ts"]))
            .route("/v/thumbnails.vtt", get(async move || thumbnails))
            .route("/v/assets.json", get(async move || assets))
            .route("/v/steering", get(async move || steering))
            .route("/v/subtitles.vtt", get(async move || subtitles))
            .route("/v/chapters.json", get(async || "[{\"title\": \"1\"}]"))
            .route("/v/segment", get(async move || (octets(), "\x47media")))
            .route("/v/teapot", get(async || StatusCode::IM_A_TEAPOT)),
    );
    let settings = settings();
    let gateway = site(&settings).start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/master.m3u8");
    let at = |name: &str| session.replace("master.m3u8", name);
    for (name, looks) in [
        ("0.ts", 0),
        ("init.mp4", 0),
        ("1.cmfv", 0),
        ("a.AAC", 0),
        ("1.key", 0),
        ("poster.jpg", 0),
        ("segment", 1),
        ("subtitles.vtt", 1),
        ("chapters.json", 1),
    ] {
        origin.take();
        for method in ["HEAD", "GET", "GET"] {
            let url = target(&gateway, &viewer.ask(method, &at(name), &[]));
            assert_eq!(url.path(), format!("/media/v/{name}"));
        }
        assert_eq!(origin.take().len(), looks, "{name}");
    }
    for name in ["index", "index.php", "index.mpp", "index.dat"] {
        for _ in 0..2 {
            let answer = viewer.get(&at(name));
            assert_eq!((answer.status, uris(&answer.text()).len()), (200, 2), "{name}");
        }
        assert_eq!(origin.take().len(), 2, "{name}: asked once each time, as for any playlist");
    }
    for name in ["thumbnails.vtt", "assets.json", "steering"] {
        let answer = viewer.get(&at(name));
        assert_eq!((answer.status, answer.header("location")), (200, None), "{name}");
        assert_eq!(answer.header("cache-control"), Some("private, no-cache"), "{name}");
    }
    for (name, status) in [("missing", 404), ("missing.m3u8", 404), ("teapot", 502)] {
        let answer = viewer.get(&at(name));
        assert_eq!((answer.status, answer.header("location")), (status, None), "{name}");
    }
}

/// One viewer's request must not decide what others get.
#[test]
fn a_part_or_a_condition_hides_no_document() {
    let media = folder(&[
        ("v/master.m3u8", &multivariant(&["index"])),
        ("v/index", &playlist(&["segment"])),
    ]);
    let origin = Watched::folder(media.path());
    let settings = settings();
    for header in [
        ("Range", "bytes=5-9"),
        ("Range", "bytes=0-9"),
        ("Range", "bytes=99999-"),
        ("If-None-Match", "*"),
        ("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT"),
    ] {
        for gateway in
            [site(&settings).folder(media.path()), site(&settings).start(&origin.url("/"))]
        {
            let mut viewer = Viewer::of(&gateway);
            let index = viewer.enter("/v/master.m3u8").replace("master.m3u8", "index");
            let answer = viewer.ask("GET", &index, &[header]);
            assert_eq!(answer.header("location"), None, "{header:?}");
            let answer = viewer.get(&index);
            assert_eq!((answer.status, uris(&answer.text()).len()), (200, 1), "{header:?}");
        }
    }
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
        let presented = Presented::at(&path, url.query().map(str::as_bytes), ip);
        gcore.verify(&presented, UnixTime(0)).is_ok()
    };
    assert!(from("203.0.113.7") && !from("203.0.113.8"));

    let asked = Request::get(&segment).header(header::HOST, "gateway");
    let request = asked.body(Body::empty()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(gateway.app.router().oneshot(request)).unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN, "whose address is not known");
    assert_eq!(answer.headers().get(header::LOCATION), None);
}

#[test]
fn a_further_host_without_a_cdn_is_streamed() {
    let other = Watched::start(Router::new().route("/x/1.ts", get(async || "from the host")));
    let host = other.url("/x/");
    let index = playlist(&["0.ts", &format!("{host}1.ts")]);
    let media = folder(&[("v/master.m3u8", &index)]);
    let settings = format!("allow_hosts = [\"{host}\"]\n{}", settings());
    let gateway = site(&settings).folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/master.m3u8");
    let segments = uris(&viewer.get(&session).text());
    target(&gateway, &viewer.get(&resolve(&session, &segments[0])));
    let streamed = viewer.get(&resolve(&session, &segments[1]));
    assert_eq!((streamed.status, streamed.text().as_str()), (200, "from the host"));
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
    let presented = Presented::at(&path, Some(query.as_bytes()), None);
    file.verify(&presented, gateway.clock.now()).unwrap();
}
