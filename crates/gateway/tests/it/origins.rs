//! Origins over HTTP: what they are asked, and what becomes of their answers.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use sluicegate_testkit::Gateway;
use sluicegate_testkit::gateway::BEARER;
use url::Url;

use crate::support::{
    Site, Viewer, Watched, cdn, folder, multivariant, playlist, resolve, token_of, uris,
};

/// A session on `/v/`, of which an origin need not have anything.
fn session_of(gateway: &Gateway, file: &str) -> String {
    Viewer::of(gateway).enter("/v/master.m3u8").replace("master.m3u8", file)
}

fn expect(gateway: &Gateway, file: &str, status: u16, code: &str) {
    let answer = Viewer::of(gateway).get(&session_of(gateway, file));
    assert_eq!(answer.status, status, "{file}: {}", answer.text());
    assert!(answer.text().contains(&format!("\"{code}\"")), "{file}: {}", answer.text());
}

#[test]
fn an_origin_that_is_down_is_502_for_manifests_and_segments() {
    let nobody = sluicegate_testkit::port::free_port().unwrap();
    let top = "[timeouts]\nretries = 0\n";
    let gateway = Site { top, ..Site::default() }.start(&format!("http://{nobody}/"));
    for file in ["master.m3u8", "seg.ts", "seg.ts"] {
        expect(&gateway, file, 502, "origin-unreachable");
    }
    // After the third time it is left alone for a second.
    expect(&gateway, "seg.ts", 502, "origin-down");
}

#[test]
fn an_origin_that_is_slow_is_504_after_its_time() {
    let origin = Watched::start(Router::new().fallback(get(async || {
        tokio::time::sleep(Duration::from_secs(60)).await;
    })));
    let top = "[timeouts]\nfirst_byte_secs = 1\n";
    let gateway = Site { top, ..Site::default() }.start(&origin.url("/"));
    let began = Instant::now();
    expect(&gateway, "master.m3u8", 504, "origin-timeout");
    let waited = began.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_secs(5)).contains(&waited), "{waited:?}");
}

#[test]
fn an_origin_that_stops_in_a_manifest_is_504() {
    let origin = Watched::start(Router::new().fallback(get(async || {
        let start = futures_util::stream::once(async { Ok::<_, std::io::Error>("#EXTM3U\n") });
        let pending = futures_util::stream::pending();
        Body::from_stream(futures_util::StreamExt::chain(start, pending))
    })));
    let top = "[timeouts]\nidle_secs = 1\n";
    let gateway = Site { top, ..Site::default() }.start(&origin.url("/"));
    expect(&gateway, "master.m3u8", 504, "origin-timeout");
}

#[test]
fn statuses_of_an_origin_become_the_gateways_own() {
    let status = async |Path(file): Path<String>| {
        let number = file.split('.').next().unwrap().parse().unwrap();
        (StatusCode::from_u16(number).unwrap(), "the origin's own words").into_response()
    };
    let origin = Watched::start(Router::new().route("/v/{file}", get(status)));
    let gateway = Site::default().start(&origin.url("/"));
    for (status, expected, code) in [
        (404, 404, "not-found"),
        (410, 404, "not-found"),
        (400, 502, "origin-status"),
        (401, 502, "origin-status"),
        (403, 502, "origin-status"),
        (405, 502, "origin-status"),
        (429, 502, "origin-status"),
        (500, 502, "origin-status"),
        (503, 502, "origin-status"),
        (504, 504, "origin-timeout"),
        (204, 502, "origin-status"),
    ] {
        for extension in ["m3u8", "ts"] {
            let file = format!("{status}.{extension}");
            expect(&gateway, &file, expected, code);
            let text = Viewer::of(&gateway).get(&session_of(&gateway, &file)).text();
            assert!(!text.contains("words"), "{text}");
        }
    }
}

fn to(location: &str) -> Response {
    (StatusCode::FOUND, [(header::LOCATION, location.to_owned())]).into_response()
}

#[test]
fn a_redirect_within_the_routes_hosts_is_followed_and_the_manifests_base_is_where_it_ended() {
    let further = folder(&[
        ("media/x/deep/master.m3u8", &multivariant(&["a/index.m3u8"])),
        ("media/x/deep/a/index.m3u8", &playlist(&["seg.ts"])),
        ("media/x/deep/a/seg.ts", b"moved segment"),
        ("other/master.m3u8", &multivariant(&["a/index.m3u8"])),
    ]);
    let further = Watched::folder(further.path());
    let target = further.url("/media/x/deep/master.m3u8");
    let outside = further.url("/other/master.m3u8");
    let own = folder(&[
        ("w/master.m3u8", &multivariant(&["b/index.m3u8"])),
        ("w/b/index.m3u8", &playlist(&["seg.ts"])),
        ("w/b/seg.ts", b"own segment"),
    ]);
    let answer = async move |Path(file): Path<String>| match file.as_str() {
        "moved.m3u8" => to(&target),
        "own.m3u8" => to("../w/master.m3u8"),
        "outside.m3u8" => to(&outside),
        "elsewhere.m3u8" => to("http://127.0.0.9:9/media/x/deep/master.m3u8"),
        "scheme.m3u8" => to("ftp://127.0.0.1/x"),
        "file.m3u8" => to("file:///etc/hostname"),
        "loop.m3u8" => to("loop.m3u8"),
        "nowhere.m3u8" => StatusCode::FOUND.into_response(),
        "dots.m3u8" => to("/w/%2e%2e%2fsecret"),
        _ => StatusCode::NOT_FOUND.into_response(),
    };
    let files = tower_http::services::ServeDir::new(own.path());
    let origin =
        Watched::start(Router::new().route("/v/{file}", get(answer)).fallback_service(files));
    let route = format!("allow_hosts = [\"{}\"]", further.url("/media/"));
    let gateway = Site { route: &route, ..Site::default() }.start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    for (file, variant, segment) in [
        ("moved.m3u8", "/~1/media/x/deep/a/index.m3u8", "moved segment"),
        ("own.m3u8", "/w/b/index.m3u8", "own segment"),
    ] {
        let session = session_of(&gateway, file);
        let master = viewer.get(&session);
        assert_eq!(master.status, 200, "{file}: {}", master.text());
        let index = resolve(&session, &uris(&master.text())[0]);
        assert!(index.ends_with(variant), "{index}");
        let text = viewer.get(&index).text();
        let leaf = resolve(&index, &uris(&text)[0]);
        assert_eq!(viewer.get(&leaf).text(), segment, "{leaf}");
    }
    for file in [
        "outside.m3u8",
        "elsewhere.m3u8",
        "scheme.m3u8",
        "file.m3u8",
        "loop.m3u8",
        "nowhere.m3u8",
        "dots.m3u8",
    ] {
        origin.take();
        expect(&gateway, file, 502, "origin-redirect");
        assert!(origin.take().len() <= 6, "{file}");
    }
    assert!(further.take().iter().all(|seen| !seen.target.starts_with("/other/")));
}

/// The entity tag says what text is behind it, and the base of its references is a part of that.
#[test]
fn a_manifest_that_moved_has_another_entity_tag() {
    let at = std::sync::Arc::new(std::sync::Mutex::new("/w/one/master.m3u8"));
    let target = std::sync::Arc::clone(&at);
    let media = folder(&[
        ("w/one/master.m3u8", &multivariant(&["index.m3u8"])),
        ("w/two/master.m3u8", &multivariant(&["index.m3u8"])),
    ]);
    let moved = async move || to(*target.lock().unwrap());
    let files = tower_http::services::ServeDir::new(media.path());
    let origin =
        Watched::start(Router::new().route("/v/master.m3u8", get(moved)).fallback_service(files));
    let gateway = Site::default().start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let session = session_of(&gateway, "master.m3u8");
    let first = viewer.get(&session);
    let tag = first.header("etag").unwrap().to_owned();
    *at.lock().unwrap() = "/w/two/master.m3u8";
    let second = viewer.ask("GET", &session, &[("If-None-Match", &tag)]);
    assert_eq!(second.status, 200);
    assert!(second.text().contains("/w/two/index.m3u8"), "{}", second.text());
}

/// warren-bank/HLS-Proxy#61 (compressed playlists).
#[test]
fn a_manifest_in_a_coding_that_was_not_asked_for_is_not_passed_on() {
    let answer = async || ([(header::CONTENT_ENCODING, "compress")], "\x1f\u{9d}").into_response();
    let origin = Watched::start(Router::new().fallback(get(answer)));
    let gateway = Site::default().start(&origin.url("/"));
    expect(&gateway, "master.m3u8", 502, "origin-encoding");
    let seen = origin.take();
    assert!(seen.iter().all(|seen| seen.headers["accept-encoding"] == "gzip, br, zstd"));
}

/// kaltura/nginx-akamai-token-validate-module#17 (tokens in what the origin is asked).
#[test]
fn an_origin_sees_conditions_and_ranges_and_nothing_else_of_a_viewer() {
    let media =
        folder(&[("v/master.m3u8", &multivariant(&["index.m3u8"])), ("v/seg.ts", b"segment")]);
    let origin = Watched::folder(media.path());
    for carry in ["path", "query"] {
        let route = format!("carry = \"{carry}\"");
        let gateway = Site { route: &route, ..Site::default() }.start(&origin.url("/"));
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/v/master.m3u8");
        let token = token_of(&session).to_owned();
        let bearer = format!("Bearer {BEARER}");
        let referer = gateway.url(&session);
        let headers = [
            ("Range", "bytes=0-3"),
            ("If-Range", "\"x\""),
            ("If-None-Match", "\"y\""),
            ("If-Modified-Since", "Mon, 01 Jan 2001 00:00:00 GMT"),
            ("Referer", referer.as_str()),
            ("Authorization", &bearer),
            ("Cookie", "a=b"),
            ("Origin", "https://player.example.com"),
            ("User-Agent", "viewer/1"),
            ("Accept-Encoding", "gzip"),
            ("X-Forwarded-For", "192.0.2.1"),
            ("X-Custom", "1"),
        ];
        let joint = if session.contains('?') { '&' } else { '?' };
        let query =
            format!("{joint}_HLS_start_offset=2&x=1&md5=a&_HLS_primary_id=p&expires=1&start=0");
        origin.take();
        for file in ["seg.ts", "master.m3u8"] {
            let target = session.replace("master.m3u8", file) + &query;
            assert!([200, 206].contains(&viewer.ask("GET", &target, &headers).status), "{file}");
            let seen = origin.take().remove(0);
            assert_eq!(seen.method, "GET");
            assert_eq!(
                seen.target,
                format!("/v/{file}?_HLS_primary_id=p&_HLS_start_offset=2"),
                "{carry}"
            );
            let mut names: Vec<_> = seen.headers.keys().map(|name| name.as_str()).collect();
            names.sort_unstable();
            let conditions: &[_] = match file {
                "seg.ts" => &["if-modified-since", "if-none-match", "if-range", "range"],
                _ => &[],
            };
            let mut expected =
                [&["accept", "accept-encoding", "host", "traceparent", "user-agent"], conditions]
                    .concat();
            expected.sort_unstable();
            assert_eq!(names, expected, "{carry} {file}");
            let all = format!("{seen:?}");
            assert!(!all.contains(&token) && !all.contains(BEARER) && !all.contains("viewer/1"));
        }
        // A HEAD has no range either.
        let target = session.replace("master.m3u8", "seg.ts");
        viewer.ask("HEAD", &target, &[("Range", "bytes=0-3")]);
        assert!(!origin.take()[0].headers.contains_key("range"));
    }
}

/// A player keeps the URLs of segments that a delta update skips, and with them their old tokens.
#[test]
fn delta_updates_are_not_asked_for_where_segments_have_tokens_of_the_cdn() {
    let playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:2\n\
        #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12\n#EXTINF:2,\na.ts\n";
    let media = folder(&[("v/master.m3u8", playlist)]);
    let origin = Watched::folder(media.path());
    for (route, passed) in [
        (String::new(), "_HLS_msn=3&_HLS_skip=YES"),
        (cdn("https://cdn.example.com/", "file", 60), "_HLS_msn=3"),
    ] {
        let gateway = Site { route: &route, ..Site::default() }.start(&origin.url("/"));
        let session = session_of(&gateway, "master.m3u8");
        origin.take();
        let query = "_HLS_msn=3&_HLS_skip=YES";
        assert_eq!(Viewer::of(&gateway).status(&format!("{session}?{query}")), 200);
        assert_eq!(origin.take().last().unwrap().target, format!("/v/master.m3u8?{passed}"));
    }
}

#[test]
fn a_manifest_is_confirmed_by_its_origin_and_the_player_still_gets_its_text() {
    let answer = async |Path(file): Path<String>, headers: HeaderMap| {
        let (name, value) = match file.as_str() {
            "tag.m3u8" => (header::ETAG, "\"v1\""),
            _ => (header::LAST_MODIFIED, "Mon, 01 Jan 2001 00:00:00 GMT"),
        };
        let known = headers.get("if-none-match").or(headers.get("if-modified-since"));
        let fresh = known.is_some_and(|known| known == value);
        let ask = (header::CACHE_CONTROL, "no-cache");
        if fresh {
            (StatusCode::NOT_MODIFIED, [(name, value), ask]).into_response()
        } else {
            ([(name, value), ask], multivariant(&["index.m3u8"])).into_response()
        }
    };
    let origin = Watched::start(Router::new().route("/v/{file}", get(answer)));
    let gateway = Site::default().start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    for (file, condition, value) in [
        ("tag.m3u8", "if-none-match", "\"v1\""),
        ("date.m3u8", "if-modified-since", "Mon, 01 Jan 2001 00:00:00 GMT"),
    ] {
        let session = session_of(&gateway, file);
        origin.take();
        let first = viewer.get(&session);
        let second = viewer.get(&session);
        assert_eq!((first.status, second.status), (200, 200));
        assert_eq!(first.body, second.body);
        assert_eq!(first.header("etag"), second.header("etag"));
        let seen = origin.take();
        assert_eq!(seen.len(), 2, "{file}");
        assert!(!seen[0].headers.contains_key(condition));
        assert_eq!(seen[1].headers[condition], value);
        // A viewer's own tag is for the rendered text, and not the origin's business.
        let tag = first.header("etag").unwrap();
        let known = viewer.ask("GET", &session, &[("If-None-Match", tag)]);
        assert_eq!(known.status, 304);
        assert_eq!(origin.take()[0].headers[condition], value);
    }
}

#[test]
fn a_redirect_to_the_routes_own_cdn_is_followed() {
    let at_cdn = Watched::start(Router::new().fallback(get(async || playlist(&["a.ts"]))));
    let target = at_cdn.url("/v/index.m3u8");
    let redirect = async move || (StatusCode::FOUND, [(header::LOCATION, target)]);
    let origin = Watched::start(Router::new().fallback(get(redirect)));
    let route = cdn(&at_cdn.url("/"), "file", 60);
    let gateway = Site { route: &route, ..Site::default() }.start(&origin.url("/"));
    let playlist = Viewer::of(&gateway).get(&session_of(&gateway, "index.m3u8"));
    assert_eq!(playlist.status, 200, "{}", playlist.text());
    assert!(uris(&playlist.text())[0].starts_with(&at_cdn.url("/v/a.ts?md5=")));
    assert_eq!(at_cdn.take().len(), 1);
}

/// An origin that says it will send `announced` and hangs up after `head`.
fn hanging_up(head: &'static str) -> (String, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let read = stream.read(&mut request).unwrap();
        assert!(read > 0);
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&[0x47; 5000]).unwrap();
    });
    (url, thread)
}

#[test]
fn a_body_that_is_cut_in_its_middle_ends_as_an_error_and_not_as_a_short_success() {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-99999/200000\r\nContent-Length: 100000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n186A0\r\n",
    ] {
        let (url, thread) = hanging_up(head);
        let gateway = Site::default().start(&url);
        let target = session_of(&gateway, "seg.ts");
        let mut client = sluicegate_testkit::http::Client::connect(gateway.addr()).unwrap();
        let answer = client.get(target.as_bytes(), &[]);
        assert!(answer.is_err(), "{head}: {answer:?}");
        thread.join().unwrap();
    }
}

#[test]
fn a_manifest_that_is_cut_in_its_middle_is_502() {
    let (url, thread) = hanging_up("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n#EXTM3U\n");
    let gateway = Site::default().start(&url);
    expect(&gateway, "master.m3u8", 502, "origin-unreachable");
    thread.join().unwrap();
}

#[test]
fn a_host_that_the_route_does_not_name_is_never_fetched() {
    let stranger = Watched::start(Router::new().fallback(get(async || "stranger")));
    let media = folder(&[
        ("v/master.m3u8", &playlist(&[&stranger.url("/ad.ts")])),
        ("v/seg.ts", b"segment"),
    ]);
    let origin = Watched::folder(media.path());
    let further = Watched::folder(media.path());
    let route = format!("allow_hosts = [\"{}\"]", further.url("/"));
    let gateway = Site { route: &route, ..Site::default() }.start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/master.m3u8");
    let token = token_of(&session).to_owned();
    let url = stranger.url("/ad.ts");
    let host = url.strip_prefix("http://").unwrap();
    assert_eq!(uris(&viewer.get(&session).text()), [url.as_str()], "it is kept as it is");
    for target in [
        format!("/s/{token}/~2/ad.ts"),
        format!("/s/{token}/~9/v/seg.ts"),
        format!("/s/{token}/~0/v/seg.ts"),
        format!("/s/{token}/~/v/seg.ts"),
        format!("/s/{token}/~18446744073709551616/v/seg.ts"),
        format!("/s/{token}/~-1/v/seg.ts"),
        format!("/s/{token}/v/seg.ts?url={url}"),
        format!("/s/{token}/v/{url}").replace("//", "/"),
        format!("/s/{token}/{host}"),
        format!("/~2/ad.ts?sg={token}"),
        format!("/v/seg.ts?sg={token}&url={url}"),
        // A target in absolute form names a server; this one is asked all the same.
        format!("{}/s/{token}/v/seg.ts", stranger.url("")),
        format!("http://{host}"),
    ] {
        let answer = viewer.ask("GET", &target, &[("X-Forwarded-Host", host)]);
        let is_own = answer.status == 200 && answer.text() == "segment";
        assert!(is_own || [403, 404].contains(&answer.status), "{target}: {}", answer.text());
    }
    assert!(stranger.take().is_empty());
}

/// Whoever can change a name must not reach what listens on this machine.
#[test]
fn a_name_that_leads_to_this_machine_is_not_asked_unless_it_is_named() {
    let media = folder(&[("v/index.m3u8", &playlist(&["a.ts"]))]);
    let origin = Watched::folder(media.path());
    let port = Url::parse(&origin.url("/")).unwrap().port().unwrap();
    // Most machines have themselves in their table of hosts.
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned();
    let own: Vec<_> = (&*name, 0).to_socket_addrs().map(Iterator::collect).unwrap_or_default();
    if own.is_empty() || !own.iter().all(|addr| addr.ip() == Ipv4Addr::LOCALHOST) {
        eprintln!("SKIPPED: {name} does not lead to 127.0.0.1 here");
        return;
    }
    let by_name = format!("http://{name}:{port}/");
    for (top, status) in [("", 502), ("origin_addresses = [\"127.0.0.0/8\", \"::1\"]", 200)] {
        let gateway = Site { top, ..Site::default() }.start(&by_name);
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/v/index.m3u8");
        let answer = viewer.get(&session);
        assert_eq!(answer.status, status, "{top}: {}", answer.text());
    }
    let gateway = Site::default().start(&by_name.replace(&name, "localhost"));
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/index.m3u8");
    assert_eq!(viewer.status(&session), 200, "who writes localhost means it");
}
