//! Other sites' players may use the gateway: CORS on every answer.

use std::collections::BTreeMap;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use sluicegate_testkit::fixtures;
use sluicegate_testkit::http::Response;

use crate::support::{Site, Viewer, Watched, token_of};

const ORIGIN: (&str, &str) = ("Origin", "https://player.example.com");

fn list(answer: &Response, name: &str) -> Vec<String> {
    let value = answer.header(name).unwrap_or_default();
    value.split(',').map(|item| item.trim().to_ascii_lowercase()).collect()
}

/// videojs/http-streaming#1441 (preflight lacks range), Dash-Industry-Forum/dash.js#1326
/// (OPTIONS bears no credentials).
#[test]
fn a_preflight_is_never_authenticated_whatever_its_path_is() {
    let gateway = Site::default().folder(&fixtures::streams());
    let mut viewer = Viewer::of(&gateway);
    let token = token_of(&viewer.enter("/subdirs/master.m3u8")).to_owned();
    for target in [
        format!("/s/{token}/subdirs/360p/seg-0.m4s"),
        format!("/s/{token}/flat/seg-0.ts"),
        "/s/broken/subdirs/master.m3u8".to_owned(),
        format!("/subdirs/master.m3u8?sg={token}"),
        "/subdirs/master.m3u8".to_owned(),
        "/subdirs/master.m3u8?md5=x&expires=1".to_owned(),
        "/no/such/path".to_owned(),
        "/a/../b".to_owned(),
        "/".to_owned(),
        "/v1/sessions".to_owned(),
        "/healthz".to_owned(),
    ] {
        for wanted in
            ["range", "if-none-match", "content-type", "x-requested-with", "authorization"]
        {
            let asked = [
                ORIGIN,
                ("Access-Control-Request-Method", "GET"),
                ("Access-Control-Request-Headers", wanted),
            ];
            let answer = viewer.ask("OPTIONS", &target, &asked);
            assert!([200, 204].contains(&answer.status), "{target}: {}", answer.status);
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{target}");
            let allowed = list(&answer, "access-control-allow-headers");
            assert!(allowed.contains(&wanted.to_owned()), "{target}: {allowed:?}");
            let methods = list(&answer, "access-control-allow-methods");
            for method in ["get", "head"] {
                assert!(methods.contains(&method.to_owned()), "{target}: {methods:?}");
            }
            assert!(answer.header("access-control-max-age").is_some());
        }
    }
}

#[test]
fn every_answer_may_be_read_by_other_sites_whatever_its_status() {
    let failing =
        Watched::start(Router::new().fallback(get(|| async { StatusCode::INTERNAL_SERVER_ERROR })));
    let route = format!("allow_hosts = [\"{}\"]", failing.url("/"));
    let site = Site { route: &route, ..Site::default() };
    let gateway = site.folder(&fixtures::streams());
    let broken = site.start(&failing.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let link = viewer.link("/subdirs/master.m3u8");
    let session = viewer.enter("/subdirs/master.m3u8");
    let short = viewer.open(r#"{"path": "/subdirs/master.m3u8", "ttl": 100}"#);
    gateway.clock.advance(101);
    let segment = session.replace("master.m3u8", "360p/seg-0.m4s");
    let tag = viewer.get(&session).header("etag").unwrap().to_owned();
    let mut other = Viewer::of(&broken);
    let failed = other.enter("/v/master.m3u8");

    let mut statuses = BTreeMap::new();
    let mut check = |answer: &Response, what: &str| {
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{what}");
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{what}");
        let exposed = list(answer, "access-control-expose-headers");
        for name in ["content-range", "content-length", "accept-ranges", "etag", "x-request-id"] {
            assert!(exposed.contains(&name.to_owned()), "{what}: {exposed:?}");
        }
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{what}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{what}");
        statuses.insert(answer.status, what.to_owned());
    };
    let too_long = format!("/{}", "a".repeat(5000));
    for (method, target, header) in [
        ("GET", session.as_str(), None),
        ("HEAD", &session, None),
        ("GET", &session, Some(("If-None-Match", tag.as_str()))),
        ("GET", &link, None),
        ("GET", &segment, None),
        ("GET", &segment, Some(("Range", "bytes=0-9"))),
        ("GET", &segment, Some(("Range", "bytes=9999999-"))),
        ("GET", "/a//b", None),
        ("GET", "/subdirs/master.m3u8", None),
        ("GET", "/s/broken/subdirs/master.m3u8", None),
        ("GET", "/v1/nothing", None),
        ("GET", &session.replace("master", "missing"), None),
        ("PUT", &session, None),
        ("GET", &short, None),
        ("GET", &too_long, None),
        ("POST", "/v1/sessions", None),
        ("GET", "/healthz", None),
    ] {
        let headers: Vec<_> = [ORIGIN].into_iter().chain(header).collect();
        let answer = viewer.ask(method, target, &headers);
        check(&answer, &format!("{method} {target}"));
    }
    check(&other.ask("GET", &failed, &[ORIGIN]), "a failing origin");
    // Some clients send no Origin at all, and a redirect makes it "null".
    for origin in [&[][..], &[("Origin", "null")]] {
        check(&viewer.ask("GET", &segment, origin), "another Origin");
    }
    let seen: Vec<_> = statuses.into_keys().collect();
    assert_eq!(seen, [200, 206, 302, 304, 400, 401, 403, 404, 405, 410, 414, 416, 502]);
}

#[test]
fn with_a_list_the_pages_of_other_sites_read_nothing() {
    let top = "allowed_sites = [\"https://player.example.com\", \"http://localhost:3000\"]";
    let gateway = Site { top, ..Site::default() }.folder(&fixtures::streams());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/subdirs/master.m3u8");
    for (site, allowed) in [
        ("https://player.example.com", true),
        ("http://localhost:3000", true),
        ("http://player.example.com", false),
        ("https://player.example.com:8443", false),
        ("https://player.example.com.evil.example", false),
        ("null", false),
    ] {
        let wanted = [("Origin", site), ("Access-Control-Request-Method", "GET")];
        for answer in [
            viewer.ask("GET", &session, &[("Origin", site)]),
            viewer.ask("GET", "/subdirs/master.m3u8", &[("Origin", site)]),
            viewer.ask("OPTIONS", &session, &wanted),
        ] {
            let told = answer.header("access-control-allow-origin");
            assert_eq!(told, allowed.then_some(site), "{site}: {}", answer.status);
            // What is kept for one site is not what another is told.
            let mut lines =
                answer.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("vary"));
            let varies = lines.any(|(_, value)| value.to_ascii_lowercase().contains("origin"));
            assert!(varies, "{site}: {:?}", answer.headers);
            assert_eq!(answer.header("access-control-allow-credentials"), None);
        }
    }
    // Players that are no web pages need no leave.
    assert_eq!(viewer.status(&session), 200);
}
