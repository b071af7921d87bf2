//! What a client is told when it is not served.

use std::collections::BTreeSet;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::get;
use sluicegate_testkit::fixtures;
use sluicegate_testkit::http::Response;

use crate::support::{Site, Viewer, Watched, folder, multivariant, token_of};

/// The code of an answer that has the one shape of errors.
fn code(answer: &Response) -> String {
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let length = answer.body.len().to_string();
    assert_eq!(answer.header("content-length"), Some(length.as_str()));
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let keys: Vec<_> = body.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["code", "request_id"], "{body}");
    let id = body["request_id"].as_str().unwrap();
    assert_eq!(answer.header("x-request-id"), Some(id));
    assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    body["code"].as_str().unwrap().to_owned()
}

#[test]
fn an_error_is_a_code_and_a_request_id_and_nothing_more() {
    let origin = Router::new().fallback(get(async |uri: axum::http::Uri| match uri.path() {
        "/v/status.ts" => StatusCode::IM_A_TEAPOT.into_response(),
        "/v/redirect.ts" => {
            (StatusCode::FOUND, [(header::LOCATION, "http://127.0.0.9/x")]).into_response()
        }
        "/v/slow.ts" => {
            tokio::time::sleep(std::time::Duration::from_secs(60)).await;
            StatusCode::OK.into_response()
        }
        "/v/coded.m3u8" => ([(header::CONTENT_ENCODING, "compress")], "#EXTM3U\n").into_response(),
        "/v/invalid.m3u8" => "no manifest".into_response(),
        "/v/refused.m3u8" => "#EXTM3U\n#EXT-X-NEW:URI=\"a\"\n".into_response(),
        "/v/large.m3u8" => "#EXTM3U\n".repeat(1000).into_response(),
        "/v/segment.ts" => "segment".into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }));
    let origin = Watched::start(origin);
    let top = "[timeouts]\nfirst_byte_secs = 1\n[limits]\nmax_manifest_bytes = 4096\n";
    let gateway = Site { top, ..Site::default() }.start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/master.m3u8");
    let short = viewer.open(r#"{"path": "/v/master.m3u8", "ttl": 1}"#);
    gateway.clock.advance(2);
    let at = |file: &str| session.replace("master.m3u8", file);
    let too_long = format!("/{}", "a".repeat(5000));
    let (root, not_a_manifest) = (viewer.link("/master.m3u8"), viewer.link("/v/segment.ts"));
    let mut codes = BTreeSet::new();
    for (method, target, status, expected) in [
        ("GET", "/a//b".to_owned(), 400, "bad-path"),
        ("GET", too_long, 414, "path-too-long"),
        ("DELETE", "/v/a".to_owned(), 405, "method-not-allowed"),
        ("GET", short, 410, "expired"),
        ("GET", "/v/master.m3u8".to_owned(), 403, "forbidden"),
        ("GET", not_a_manifest, 403, "entry-not-a-manifest"),
        ("GET", root, 403, "grant-refused"),
        ("GET", at("missing.ts"), 404, "not-found"),
        ("POST", "/v1/sessions".to_owned(), 401, "unauthorized"),
        ("GET", at("status.ts"), 502, "origin-status"),
        ("GET", at("redirect.ts"), 502, "origin-redirect"),
        ("GET", at("slow.ts"), 504, "origin-timeout"),
        ("GET", at("coded.m3u8"), 502, "origin-encoding"),
        ("GET", at("invalid.m3u8"), 502, "manifest-invalid"),
        ("GET", at("refused.m3u8"), 502, "manifest-uri-refused"),
        ("GET", at("large.m3u8"), 502, "manifest-too-large"),
    ] {
        let answer = viewer.ask(method, &target, &[]);
        assert_eq!(answer.status, status, "{target}: {}", answer.text());
        assert_eq!(code(&answer), expected, "{target}");
        codes.insert(expected);
    }
    drop(origin);
    let answer = viewer.get(&at("segment.ts"));
    assert_eq!((answer.status, code(&answer).as_str()), (502, "origin-unreachable"));

    let media = folder(&[("v/master.m3u8", &multivariant(&["a.m3u8"])), ("secret", b"x")]);
    std::os::unix::fs::symlink("../../", media.path().join("v/out")).unwrap();
    let gateway = Site::default().folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/master.m3u8");
    let answer = viewer.get(&session.replace("master.m3u8", "out/x"));
    assert_eq!((answer.status, code(&answer).as_str()), (403, "forbidden-file"));
    assert_eq!(codes.len(), 16);
}

#[test]
fn an_answer_to_head_has_the_headers_of_its_error_and_no_body() {
    let gateway = Site::default().folder(&fixtures::streams());
    let mut viewer = Viewer::of(&gateway);
    for target in ["/subdirs/master.m3u8", "/a//b", "/v1/x"] {
        let (get, head) = (viewer.get(target), viewer.ask("HEAD", target, &[]));
        assert_eq!((get.status, head.body.len()), (head.status, 0), "{target}");
        assert_eq!(get.header("content-length"), head.header("content-length"), "{target}");
    }
}

#[test]
fn a_refused_token_is_answered_alike_whatever_was_wrong_with_it() {
    let gateway = Site::default().folder(&fixtures::streams());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/subdirs/master.m3u8");
    let token = token_of(&session).to_owned();
    let link = viewer.link("/subdirs/master.m3u8");
    let bound = viewer.open(r#"{"path": "/subdirs/master.m3u8", "ip": "192.0.2.1"}"#);
    let mut answers = BTreeSet::new();
    for target in [
        "/subdirs/master.m3u8".to_owned(),
        "/no/route/at/all".to_owned(),
        "/~7/x".to_owned(),
        link.replace("md5=", "md5=A"),
        link.replace("expires=", "expires=1"),
        link.replace("expires=", "expires=x"),
        session.replace(&token, "short"),
        session.replace(&token, &"A".repeat(52)),
        session.replace(&token, &"*".repeat(52)),
        session.replace("/subdirs/", "/flat/"),
        format!("{session}?sg={token}"),
        bound,
    ] {
        let mut answer = viewer.get(&target);
        assert_eq!(answer.status, 403, "{target}");
        assert_eq!(code(&answer), "forbidden");
        let id = answer.header("x-request-id").unwrap().to_owned();
        answer.body = answer.text().replace(&id, "ID").into_bytes();
        answer.headers.retain(|(name, _)| !matches!(name.as_str(), "x-request-id" | "date"));
        answers.insert(format!("{answer:?}"));
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[test]
fn other_methods_are_told_which_ones_there_are() {
    let gateway = Site::default().folder(&fixtures::streams());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/subdirs/master.m3u8");
    for target in ["/subdirs/master.m3u8", session.as_str(), "/healthz", "/readyz"] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"] {
            let answer = viewer.ask(method, target, &[]);
            assert_eq!(answer.status, 405, "{method} {target}");
            assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"), "{method} {target}");
        }
    }
}
