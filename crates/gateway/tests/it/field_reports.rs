//! What others' users reported of HTTP, tokens and time, each under its place in the table of reports
//! and its public name. Reports that a whole area of tests is about stand there under the same names.

use axum::Router;
use axum::http::header;
use axum::routing::get;
use serde_json::Value;
use sluicegate_gateway::Clock as _;
use sluicegate_testkit::Gateway;
use sluicegate_testkit::gateway::{BEARER, build, entry_path};

use crate::support::{
    Site, Viewer, Watched, ask_from, cdn, folder, multivariant, playlist, resolve, token_of, uris,
};

fn media() -> tempfile::TempDir {
    folder(&[
        ("v/master.m3u8", &multivariant(&["a/index.m3u8"])),
        ("v/a/index.m3u8", &playlist(&["a.ts"])),
        ("v/a/a.ts", b"segment"),
    ])
}

/// G10: develop202/migu_video#114. A probe by HEAD is answered like GET and counts as no stream.
#[test]
fn g10_a_head_counts_as_no_stream() {
    let media = media();
    let top = "[admin]\nlisten = \"127.0.0.1:0\"\n";
    let gateway = Site { top, ..Site::default() }.folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.open(r#"{"path": "/v/master.m3u8", "max_streams": 1}"#);
    for agent in ["VLC", "a smart TV", "a set-top box"] {
        assert_eq!(viewer.ask("HEAD", &session, &[("User-Agent", agent)]).status, 200);
    }
    assert_eq!(viewer.ask("GET", &session, &[("User-Agent", "VLC")]).status, 200);
    assert_eq!(viewer.ask("GET", &session, &[("User-Agent", "a smart TV")]).status, 403);
    assert_eq!(viewer.ask("HEAD", &session, &[("User-Agent", "a smart TV")]).status, 200);
}

/// G11: video-dev/hls.js#329. A star and credentials never go together; no cookie is of any use here.
#[test]
fn g11_no_answer_allows_credentials() {
    let media = media();
    let gateway = Site::default().folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/master.m3u8");
    let headers = [("Origin", "https://player.example.com"), ("Cookie", "CloudFront-Policy=x")];
    for target in [session.as_str(), "/v/master.m3u8", "/v1/sessions"] {
        for method in ["GET", "OPTIONS"] {
            let answer = viewer.ask(method, target, &headers);
            assert_eq!(
                answer.header("access-control-allow-origin"),
                Some("*"),
                "{method} {target}"
            );
            assert_eq!(answer.header("access-control-allow-credentials"), None);
            assert_eq!(answer.header("set-cookie"), None);
        }
    }
}

/// G17, G18, G19: warren-bank/HLS-Proxy#50 and #37, kaltura/nginx-vod-module#1532,
/// bluenviron/mediamtx#5445. TLS ends in front, and the gateway is a folder there.
#[test]
fn g17_what_players_see_is_the_public_url() {
    let mpd =
        br#"<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="dynamic" minimumUpdatePeriod="PT2S"
        availabilityStartTime="2026-01-01T00:00:00Z"><Period><AdaptationSet>
        <SegmentTemplate media="$RepresentationID$/$Number$.m4s" duration="2"/>
        <Representation id="a" bandwidth="1"/></AdaptationSet></Period></MPD>"#;
    let media = folder(&[
        ("v/live.mpd", mpd),
        ("v/master.m3u8", &multivariant(&["/v/other/index.m3u8", "a/index.m3u8"])),
    ]);
    let top = "public_url = \"https://tv.example.com/streams\"\n";
    for route in ["", "carry = \"query\""] {
        let gateway = Site { top, route, ..Site::default() }.folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        // A proxy in front takes its prefix off, so the gateway gets the path behind it.
        let behind = |public: &str| public.strip_prefix("/streams").unwrap().to_owned();
        let entered = viewer.enter("/v/live.mpd");
        assert!(entered.starts_with("/streams/"), "{entered}");
        let text = viewer.get(&behind(&entered)).text();
        let location = text.split("<Location>").nth(1).unwrap().split('<').next().unwrap();
        assert!(location.starts_with("https://tv.example.com/streams/"), "{location}");
        assert!(!text.contains("http://"), "{text}");
        let entered = viewer.enter("/v/master.m3u8");
        let found = uris(&viewer.get(&behind(&entered)).text());
        assert!(found[0].starts_with("/streams/"), "{found:?}");
        let opened = viewer.call(
            &[("Authorization", &format!("Bearer {BEARER}"))],
            r#"{"path": "/v/master.m3u8"}"#,
        );
        let opened: Value = serde_json::from_slice(&opened.body).unwrap();
        let url = opened["urls"]["hls"].as_str().unwrap();
        assert!(url.starts_with("https://tv.example.com/streams/"), "{url}");
    }
}

/// G20: OvenMediaLabs/OvenMediaEngine#1886. A session is good behind whatever host and port a POP asks.
#[test]
fn g20_a_session_does_not_depend_on_the_host_that_is_asked() {
    let media = media();
    let gateway = Site::default().folder(media.path());
    let session = Viewer::of(&gateway).enter("/v/master.m3u8");
    // By another name, from elsewhere, and by another gateway with the same keys.
    assert_eq!(ask_from(&gateway, "203.0.113.9", &session).0, 200);
    let other = Site::default().folder(media.path());
    assert_eq!(Viewer::of(&other).status(&session), 200);
}

/// H2, H18: videojs/video.js#8803, auth0/node-jsonwebtoken#141. Over is another answer than wrong, and
/// clocks may differ a little.
#[test]
fn h2_over_and_wrong_differ_and_clocks_may_too() {
    let media = media();
    let gateway = Site { entry: "leeway_secs = 6", ..Site::default() }.folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let link = |ago: u64| entry_path("/v/master.m3u8", gateway.clock.now().saturating_sub(ago));
    for (ago, status, code) in [(0, 302, ""), (6, 302, ""), (7, 410, "expired")] {
        let answer = viewer.get(&link(ago));
        assert_eq!(answer.status, status, "{ago} s ago");
        assert!(answer.text().contains(code), "{}", answer.text());
    }
    let wrong = link(0).replace("md5=", "md5=A");
    let answer = viewer.get(&wrong);
    assert_eq!(answer.status, 403);
    assert!(answer.text().contains("forbidden"), "{}", answer.text());
}

/// H6: OvenMediaLabs/OvenMediaEngine#342. Who was let in is looked at with each request.
#[test]
fn h6_a_running_play_ends_with_its_session() {
    let media = media();
    let origin = Watched::folder(media.path());
    let gateway = Site::default().start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.open(r#"{"path": "/v/master.m3u8", "ttl": 30}"#);
    let at = |file: &str| session.replace("master.m3u8", file);
    let files = ["master.m3u8", "a/index.m3u8", "a/a.ts"];
    for file in files {
        assert_eq!(viewer.status(&at(file)), 200, "{file}");
    }
    gateway.clock.advance(31);
    origin.take();
    for file in files {
        assert_eq!(viewer.status(&at(file)), 410, "{file}");
    }
    assert_eq!(origin.take().len(), 0, "and the origin is not asked for it");
}

/// H9: OvenMediaLabs/OvenMediaEngine#284. One secret, one purpose.
#[test]
fn h9_a_secret_for_two_purposes_is_refused() {
    let media = media();
    let gateway = Site::default().folder(media.path());
    let route = cdn("https://cdn.example.com/", "file", 60);
    let config = Site { route: &route, ..Site::default() }.config("http://origin.test/");
    let own = |config: &str| build(config, media.path(), &gateway.clock);
    assert!(own(&config).is_ok());
    let shared =
        config.replace("bearer = { file = \"bearer.key\" }", "bearer = { file = \"cdn.key\" }");
    assert_ne!(shared, config);
    assert!(own(&shared).is_err());
}

/// H10: Mi-Bee-Studio/MiBeeNvr#331. AVPlayer sends no headers: the URL alone opens everything.
#[test]
fn h10_no_header_is_needed() {
    let media = media();
    for route in ["carry = \"path\"", "carry = \"query\""] {
        let gateway = Site { route, ..Site::default() }.folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        let mut target = viewer.enter("/v/master.m3u8");
        for _ in 0..2 {
            let next = uris(&viewer.get(&target).text()).remove(0);
            target = resolve(&target, &next);
        }
        assert_eq!(viewer.get(&target).body, b"segment", "{route}");
    }
}

/// H12: ant-media/Ant-Media-Server#4373. A token for several, that can be ended for all of them.
#[test]
fn h12_a_shared_session_has_a_number_of_viewers_and_an_end() {
    let media = media();
    let gateway = Site::default().folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let bearer = format!("Bearer {BEARER}");
    let call = [("Authorization", bearer.as_str())];
    let opened = viewer.call(&call, r#"{"path": "/v/master.m3u8", "max_streams": 3}"#);
    let opened: Value = serde_json::from_slice(&opened.body).unwrap();
    let (id, url) = (opened["id"].as_str().unwrap(), opened["urls"]["hls"].as_str().unwrap());
    let session = url.strip_prefix(&gateway.url("")).unwrap();
    let mut play = |agent: &str| viewer.ask("GET", session, &[("User-Agent", agent)]).status;
    assert_eq!(["1", "2", "3", "4", "1"].map(&mut play), [200, 200, 200, 403, 200]);
    assert_eq!(viewer.ask("DELETE", &format!("/v1/sessions/{id}"), &call).status, 204);
    let mut play = |agent: &str| viewer.ask("GET", session, &[("User-Agent", agent)]).status;
    assert_eq!(["1", "2", "3"].map(&mut play), [403, 403, 403]);
}

/// H13: kaltura/nginx-secure-token-module#46. A link that goes from hand to hand is one session, and
/// viewers behind one address are told apart by their players.
#[test]
fn h13_a_link_that_is_passed_on_plays_at_few_places() {
    let media = media();
    let top = "";
    let config =
        Site { top, ..Site::default() }.config(&format!("file:{}", media.path().display()));
    let config = config.replace("[session]", "[session]\nmax_streams = 2");
    let gateway = Gateway::start(&config);
    let link = Viewer::of(&gateway).link("/v/master.m3u8");
    let plays = |agent: &str| {
        let mut viewer = Viewer::of(&gateway);
        let agent = [("User-Agent", agent)];
        let entered = viewer.ask("GET", &link, &agent);
        let session = entered.header("location").unwrap().to_owned();
        (viewer.ask("GET", &session, &agent).status, token_of(&session).to_owned())
    };
    let (first, token) = plays("Firefox");
    let (second, same) = plays("Chrome");
    let (third, _) = plays("Safari");
    assert_eq!((first, second, third), (200, 200, 403));
    assert_eq!(token, same, "the same link from the same address is the same session");
}

/// H24: arut/nginx-rtmp-module#1541. Viewers of HLS are counted while they play.
#[test]
fn h24_viewers_are_counted() {
    let media = media();
    let gateway = Site::default().folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/master.m3u8");
    let bearer = format!("Bearer {BEARER}");
    let streams = || {
        let mut viewer = Viewer::of(&gateway);
        let listed = viewer.ask("GET", "/v1/sessions", &[("Authorization", bearer.as_str())]);
        let listed: Value = serde_json::from_slice(&listed.body).unwrap();
        listed["sessions"][0]["streams"].as_u64().unwrap()
    };
    assert_eq!(streams(), 0);
    for agent in ["a", "b", "a"] {
        viewer.ask("GET", &session, &[("User-Agent", agent)]);
    }
    assert_eq!(streams(), 2);
    gateway.clock.advance(31);
    assert_eq!(streams(), 0);
}

/// G14, G16: tsduck/tsduck#906, harlanc/xiu#156. Types are the gateway's own, whatever an origin says.
#[test]
fn g16_every_file_has_the_type_of_what_it_is() {
    let answer = async |uri: axum::http::Uri| {
        let body = if uri.path().ends_with("m3u8") { "#EXTM3U\n#EXTINF:2,\na.ts\n" } else { "x" };
        ([(header::CONTENT_TYPE, "application/octet-stream")], body)
    };
    let origin = Watched::start(Router::new().fallback(get(answer)));
    let gateway = Site::default().start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/index.m3u8");
    for (file, content_type) in [
        ("index.m3u8", "application/vnd.apple.mpegurl"),
        ("a.ts", "video/mp2t"),
        ("a.m4s", "video/iso.segment"),
        ("a.mp4", "video/mp4"),
        ("a.aac", "audio/aac"),
        ("a.vtt", "text/vtt; charset=utf-8"),
    ] {
        let answer = viewer.get(&session.replace("index.m3u8", file));
        assert_eq!(answer.header("content-type"), Some(content_type), "{file}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{file}");
    }
}

/// H23: videojs/mpd-parser#186. Twelve hours of segments are not written out one by one.
#[test]
fn h23_a_template_is_written_out_up_to_a_bound() {
    let mpd = |hours: u32| {
        format!(
            "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" \
             mediaPresentationDuration=\"PT{hours}H\"><Period><AdaptationSet><Representation id=\"a\" \
             bandwidth=\"1\"><SegmentTemplate media=\"$Number$.m4s\" duration=\"2\"/></Representation>\
             </AdaptationSet></Period></MPD>"
        )
    };
    let media = folder(&[("v/long.mpd", mpd(12).as_bytes()), ("v/short.mpd", mpd(1).as_bytes())]);
    for (settings, long) in [("", 200), ("unexpandable = \"refuse\"\n", 502)] {
        let route = format!("{settings}{}", cdn("https://cdn.example.com/", "file", 60));
        let gateway = Site { route: &route, ..Site::default() }.folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/v/short.mpd");
        let short = viewer.get(&session).text();
        assert_eq!(short.matches("<SegmentURL").count(), 1800);
        let answer = viewer.get(&session.replace("short", "long"));
        assert_eq!(answer.status, long, "{settings}");
        assert!(answer.body.len() < 2000, "{} bytes", answer.body.len());
        // The gateway redirects each of its segments instead.
        assert_eq!(answer.text().contains("$Number$"), long == 200);
    }
}
