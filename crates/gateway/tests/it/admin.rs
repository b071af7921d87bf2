//! The operators' listener: what is counted, who may look, and that nothing there opens anything.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sluicegate_gateway::{Bound, Config, Live};
use sluicegate_testkit::gateway::BEARER;

use crate::support::{
    Admin, LOCAL_ADMIN, Site, Viewer, Watched, folder, multivariant, playlist, token_of,
};

#[test]
fn what_happens_is_counted() {
    let media = folder(&[
        ("v/master.m3u8", &multivariant(&["index.m3u8"])),
        ("v/index.m3u8", &playlist(&["a.ts"])),
        ("v/a.ts", b"segment"),
    ]);
    let origin = Watched::folder(media.path());
    let gateway = Site { top: LOCAL_ADMIN, ..Site::default() }.start(&origin.url("/"));
    let admin = Admin::of(&gateway);
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/master.m3u8");
    let at = |file: &str| session.replace("master.m3u8", file);
    for (target, status) in [
        (session.clone(), 200),
        (session.clone(), 200),
        (at("index.m3u8"), 200),
        (at("a.ts"), 200),
        (at("b.ts"), 404),
        ("/v/a.ts".to_owned(), 403),
        (session.replace(&token_of(&session)[..8], "AAAAAAAA"), 403),
        ("/healthz".to_owned(), 200),
    ] {
        assert_eq!(viewer.status(&target), status, "{target}");
    }
    gateway.clock.advance(86_400);
    assert_eq!(viewer.status(&session), 410);

    let vod = "route=\"vod\"";
    assert_eq!(admin.count("requests_total", &[vod, "status=\"200\""]), 4.0);
    assert_eq!(admin.count("requests_total", &[vod, "status=\"302\""]), 1.0);
    assert_eq!(admin.count("requests_total", &[vod, "reason=\"not-found\""]), 1.0);
    assert_eq!(admin.count("requests_total", &[vod, "reason=\"forbidden\""]), 2.0);
    assert_eq!(admin.count("requests_total", &[vod, "reason=\"expired\""]), 1.0);
    assert_eq!(admin.count("requests_total", &["route=\"\"", "status=\"200\""]), 1.0);
    assert_eq!(admin.count("request_duration_seconds_count", &[vod]), 9.0);
    assert_eq!(admin.count("refusals_total", &["token-missing"]), 1.0);
    assert_eq!(admin.count("refusals_total", &["token-expired"]), 1.0);
    assert_eq!(admin.count("refusals_total", &[]), 3.0);
    // The same text is written once for all who get it.
    assert_eq!(admin.count("render_duration_seconds_count", &[]), 2.0);
    assert_eq!(admin.count("manifests_total", &[]), 3.0);
    assert_eq!(admin.count("cached_manifests", &[]), 2.0);
    assert!(admin.count("cached_manifests_bytes", &[]) > 100.0);
    let asked = origin.take().len();
    assert_eq!(admin.count("origin_requests_total", &[]), asked as f64);
    assert_eq!(admin.count("origin_duration_seconds_count", &[&origin.url("")]), asked as f64);
    assert_eq!(admin.count("origin_up", &[&origin.url("")]), 1.0);
    assert!(admin.count("process_resident_memory_bytes", &[]) > 1e6);
    assert!(admin.count("process_open_fds", &[]) > 5.0);
}

#[test]
fn sessions_and_streams_are_counted_while_they_last() {
    let media = folder(&[("v/master.m3u8", &multivariant(&["index.m3u8"]))]);
    let gateway = Site { top: LOCAL_ADMIN, ..Site::default() }.folder(media.path());
    let admin = Admin::of(&gateway);
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.open(r#"{"path": "/v/master.m3u8", "user": "alice", "ttl": 600}"#);
    viewer.open(r#"{"path": "/v/master.m3u8", "user": "bob", "ttl": 600}"#);
    viewer.status(&session);
    assert_eq!((admin.count("sessions", &[]), admin.count("streams", &[])), (2.0, 1.0));
    let list = admin.json("/api/sessions?user=alice");
    let id = list["sessions"][0]["id"].as_str().unwrap();
    assert_eq!(list["sessions"][0]["streams"], 1);
    assert_eq!(admin.ask("DELETE", &format!("/api/sessions/{id}"), &[]).status, 204);
    let ended = viewer.get(&session);
    assert_eq!(ended.status, 403);
    assert!(ended.text().contains("session-revoked"), "{}", ended.text());
    assert_eq!((admin.count("sessions", &[]), admin.count("streams", &[])), (1.0, 0.0));
    gateway.clock.advance(601);
    assert_eq!(admin.count("sessions", &[]), 0.0);
}

/// hls.js and dash.js send it in the query or in headers (CTA-5004).
#[test]
fn what_players_tell_of_themselves_is_counted_and_goes_no_further() {
    let media =
        folder(&[("v/master.m3u8", &multivariant(&["index.m3u8"])), ("v/a.ts", b"segment")]);
    let origin = Watched::folder(media.path());
    let gateway = Site { top: LOCAL_ADMIN, ..Site::default() }.start(&origin.url("/"));
    let admin = Admin::of(&gateway);
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/master.m3u8");
    let told = "CMCD=bl%3D4000%2Cbr%3D3200%2Cbs%2Csid%3D%22marker%22";
    assert_eq!(viewer.status(&format!("{session}?{told}")), 200);
    let headers = [("CMCD-Object", "br=800"), ("CMCD-Request", "bl=500")];
    let segment = session.replace("master.m3u8", "a.ts");
    assert_eq!(viewer.ask("GET", &segment, &headers).status, 200);
    let vod = ["route=\"vod\""];
    assert_eq!(admin.count("cmcd_requests_total", &vod), 2.0);
    assert_eq!(admin.count("cmcd_rebufferings_total", &vod), 1.0);
    assert_eq!(admin.count("cmcd_bitrate_kbps_sum", &vod), 4000.0);
    assert_eq!(admin.count("cmcd_buffer_seconds_sum", &vod), 4.5);
    let seen = format!("{:?}", origin.take()).to_ascii_lowercase();
    assert!(!seen.contains("cmcd") && !seen.contains("marker"), "{seen}");
    let asked = [
        ("Origin", "https://player.example.com"),
        ("Access-Control-Request-Method", "GET"),
        ("Access-Control-Request-Headers", "cmcd-object,cmcd-request,cmcd-session,cmcd-status"),
    ];
    let preflight = viewer.ask("OPTIONS", &session, &asked);
    let allowed = preflight.header("access-control-allow-headers").unwrap();
    assert!(allowed.contains("cmcd-object") && allowed.contains("cmcd-session"), "{allowed}");
}

#[test]
fn the_last_requests_show_neither_a_token_nor_a_query() {
    let media = folder(&[("v/master.m3u8", &multivariant(&["index.m3u8"]))]);
    let gateway = Site { top: LOCAL_ADMIN, ..Site::default() }.folder(media.path());
    let admin = Admin::of(&gateway);
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/master.m3u8");
    let token = token_of(&session).to_owned();
    // Nobody looks yet.
    viewer.status(&session);
    assert_eq!(admin.json("/api/events")["served"].as_array().unwrap().len(), 0);
    viewer.ask("GET", &format!("{session}?x=query-marker"), &[("Referer", &gateway.url(&session))]);
    viewer.status("/v/master.m3u8?md5=link-marker&expires=9999999999");
    viewer.status(&format!("/x/{token}/s/{token}"));
    let events = admin.json("/api/events");
    assert_eq!(events["served"][0]["path"], "/v/master.m3u8");
    assert_eq!(events["served"][0]["status"], 200);
    assert_eq!(events["refused"].as_array().unwrap().len(), 2);
    assert_eq!(events["refused"][1]["code"], "forbidden");
    assert_eq!(events["refused"][0]["path"], "/x/***/s/***");
    let all = events.to_string() + &admin.ask("GET", "/metrics", &[]).text();
    for hidden in [token.as_str(), "query-marker", "link-marker", BEARER] {
        assert!(!all.contains(hidden), "{hidden}: {all}");
    }
}

#[test]
fn who_may_look_has_a_bearer_or_calls_a_loopback_address() {
    let media = folder(&[("v/master.m3u8", &multivariant(&["index.m3u8"]))]);
    let pages = ["/", "/page.js", "/chart.js", "/page.css", "/api/events", "/api/sessions"];
    let gateway = Site { top: LOCAL_ADMIN, ..Site::default() }.folder(media.path());
    let admin = Admin::of(&gateway);
    for page in pages {
        let answer = admin.ask("GET", page, &[]);
        assert_eq!(answer.status, 200, "{page}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    // A name of the web that resolves to this machine (DNS rebinding).
    let raw = raw_get(admin.0.addr(), "/api/sessions", "rebound.example.com");
    assert!(raw.starts_with("HTTP/1.1 403") && raw.contains("foreign-host"), "{raw}");

    let top = "[admin]\nlisten = \"0.0.0.0:0\"\nbearers = [{ id = \"ops\", env = \"ADMIN_TEST_BEARER\" }]\n";
    let refused = sluicegate_testkit::gateway::build(
        &Site { top: "[admin]\nlisten = \"0.0.0.0:0\"\n", ..Site::default() }
            .config("http://a.test/"),
        media.path(),
        &gateway.clock,
    );
    assert!(refused.unwrap_err().contains("admin.listen"), "an address that others reach");
    let key = media.path().join("admin.key");
    std::fs::write(&key, "admin-bearer-0123456789").unwrap();
    let top = top.replace("env = \"ADMIN_TEST_BEARER\"", &format!("file = \"{}\"", key.display()));
    let gateway = Site { top: &top, ..Site::default() }.folder(media.path());
    let admin = Admin::of(&gateway);
    let basic = |password: &str| format!("Basic {}", STANDARD.encode(format!("ops:{password}")));
    for page in pages {
        let status = |authorization: &str| {
            admin.ask("GET", page, &[("Authorization", authorization)]).status
        };
        let anonymous = admin.ask("GET", page, &[]);
        assert_eq!(anonymous.status, 401, "{page}");
        assert!(anonymous.header("www-authenticate").unwrap().starts_with("Basic "));
        assert_eq!(status("Bearer admin-bearer-0123456789"), 200, "{page}");
        assert_eq!(status(&basic("admin-bearer-0123456789")), 200, "{page}");
        // The API's bearer is for another purpose.
        for wrong in [format!("Bearer {BEARER}"), basic("x"), basic(BEARER), "Basic !".to_owned()] {
            assert_eq!(status(&wrong), 401, "{page} {wrong}");
        }
    }
    assert_eq!(admin.ask("GET", "/metrics", &[]).status, 200);
    assert_eq!(admin.ask("GET", "/v/master.m3u8", &[]).status, 404);
    // And the players' listener has none of it.
    assert_eq!(Viewer::of(&gateway).status("/metrics"), 403);
}

fn raw_get(addr: std::net::SocketAddr, path: &str, host: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(addr).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_trace_goes_on_to_the_origin() {
    let origin = Watched::start(Router::new().fallback(get(async || StatusCode::NOT_FOUND)));
    let gateway = Site::default().start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/master.m3u8");
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let sent = format!("00-{trace}-00f067aa0ba902b7-01");
    for file in ["a.m3u8", "a.ts"] {
        let target = session.replace("master.m3u8", file);
        let answer = viewer.ask("GET", &target, &[("traceparent", &sent)]);
        let id = answer.header("x-request-id").unwrap();
        let told = format!("00-{trace}-{id}-01");
        let name = HeaderName::from_static("traceparent");
        assert_eq!(origin.take()[0].headers[name], HeaderValue::from_str(&told).unwrap(), "{file}");
    }
}

/// A process keeps the address that it has, whatever a new configuration says of it.
#[test]
fn where_others_can_come_operators_need_a_bearer_after_a_change_too() {
    let folder = tempfile::tempdir().unwrap();
    let clock = sluicegate_testkit::clock::ManualClock::at_real_time();
    let config = |admin: &str| {
        let media = folder.path().display().to_string();
        let text = Site { top: admin, ..Site::default() }.config(&format!("file:{media}"));
        // The keys are those of any test's gateway.
        drop(sluicegate_testkit::gateway::build(&text, folder.path(), &clock));
        Config::parse(&text, folder.path(), std::path::Path::new("gateway.toml")).unwrap()
    };
    let players = "127.0.0.1:8080".parse().unwrap();
    let bound = |operators: &str| Bound { players, operators: Some(operators.parse().unwrap()) };
    let build = |admin: &str, operators: &str| {
        Live::build(config(admin), bound(operators), Arc::new(clock.clone()))
    };
    let with_bearer = "[admin]\nlisten = \"0.0.0.0:9090\"\nbearer = { file = \"admin.key\" }\n";
    std::fs::write(folder.path().join("admin.key"), "admins-bearer-0123456789").unwrap();
    assert!(build(LOCAL_ADMIN, "127.0.0.1:9090").is_ok());
    let refused = build(LOCAL_ADMIN, "0.0.0.0:9090").unwrap_err();
    assert!(refused.to_string().contains("give a bearer"), "{refused}");
    let live = build(with_bearer, "0.0.0.0:9090").unwrap();
    assert!(live.exchange(config(LOCAL_ADMIN)).is_err(), "a loopback address, which it has not");
    assert_eq!(live.exchange(config(with_bearer)).unwrap(), Vec::<&str>::new());
}
