//! What origins compress, and what players get compressed.

use std::io::{Read as _, Write as _};

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse as _;
use axum::routing::get;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::{GzEncoder, ZlibEncoder};

use crate::support::{Site, Viewer, Watched, cdn, folder, playlist, uris};

fn compressed(coding: &str, bytes: &[u8]) -> Vec<u8> {
    match coding {
        "gzip" | "x-gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        "deflate" => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        "br" => {
            let mut out = Vec::new();
            brotli::BrotliCompress(&mut &*bytes, &mut out, &Default::default()).unwrap();
            out
        }
        _ => zstd::encode_all(bytes, 3).unwrap(),
    }
}

/// warren-bank/HLS-Proxy#61 (G2): a manifest that is compressed, whatever its name.
/// ModSecurity-nginx#107 (G4): it is decoded, rewritten, and only then encoded.
#[test]
fn what_an_origin_compresses_is_read() {
    let text = playlist(&["a.ts", "b/c.ts"]);
    let segment = vec![0x47; 100_000];
    let answer = async move |Path((coding, file)): Path<(String, String)>| {
        let plain: &[u8] = if file == "a.ts" { &segment } else { &text };
        let headers = [(header::CONTENT_ENCODING, coding.clone()), (header::ETAG, "\"1\"".into())];
        (headers, compressed(&coding, plain)).into_response()
    };
    let origin = Watched::start(Router::new().route("/{coding}/{file}", get(answer)));
    let gateway = Site::default().start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    for coding in ["gzip", "x-gzip", "deflate", "br", "zstd"] {
        for file in ["index.m3u8", "stream.dat", "stream"] {
            let session = viewer.enter(&format!("/{coding}/{file}"));
            let answer = viewer.get(&session);
            assert_eq!(answer.status, 200, "{coding} {file}: {}", answer.text());
            assert_eq!(uris(&answer.text()), ["a.ts", "b/c.ts"], "{coding} {file}");
            assert_eq!(answer.header("content-encoding"), None);
        }
        // What is no document comes decoded, too: the client did not ask for a coding.
        let session = viewer.enter(&format!("/{coding}/index.m3u8"));
        let answer = viewer.get(&session.replace("index.m3u8", "a.ts"));
        assert_eq!((answer.status, answer.body.len()), (200, 100_000), "{coding}");
        assert_eq!(answer.header("content-encoding"), None, "{coding}");
        assert_eq!(answer.header("etag"), Some("W/\"1\""), "{coding}");
    }
}

#[test]
fn what_cannot_be_decoded_is_the_origins_fault() {
    let answer = async || ([(header::CONTENT_ENCODING, "gzip")], "#EXTM3U\n").into_response();
    let origin = Watched::start(Router::new().fallback(get(answer)));
    let gateway = Site::default().start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/index.m3u8");
    let answer = viewer.get(&session);
    assert_eq!(answer.status, 502);
    assert!(answer.text().contains("origin-unreachable"), "{}", answer.text());
}

/// kaltura/nginx-vod-module#1273 (G3): a client gets what it asks for, with the true length and a tag
/// of its own.
#[test]
fn a_player_that_asks_for_gzip_gets_it() {
    let names: Vec<_> = (0..500).map(|number| format!("segment-{number}.ts")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let media = folder(&[("v/index.m3u8", &playlist(&names)), ("v/segment-0.ts", b"segment")]);
    for carry in ["path", "query"] {
        let route = format!("carry = \"{carry}\"");
        let gateway = Site { route: &route, ..Site::default() }.folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/v/index.m3u8");
        let plain = viewer.get(&session);
        assert_eq!(plain.header("content-encoding"), None);
        for accepted in ["gzip", "gzip, deflate, br, zstd"] {
            let asked = [("Accept-Encoding", accepted)];
            let small = viewer.ask("GET", &session, &asked);
            assert_eq!(small.header("content-encoding"), Some("gzip"));
            assert_eq!(small.header("content-type"), plain.header("content-type"));
            assert!(small.body.len() * 5 < plain.body.len(), "{}", small.body.len());
            let mut text = String::new();
            GzDecoder::new(&small.body[..]).read_to_string(&mut text).unwrap();
            assert_eq!(text, plain.text());
            assert_ne!(small.header("etag"), plain.header("etag"));
            for answer in [&small, &plain] {
                let vary = answer.header("vary").unwrap().to_ascii_lowercase();
                assert!(vary.contains("accept-encoding"), "{vary}");
            }
            let head = viewer.ask("HEAD", &session, &asked);
            if head.header("etag") == small.header("etag") {
                assert_eq!(head.header("content-length"), small.header("content-length"));
            }
            let tag = small.header("etag").unwrap();
            let known = [asked[0], ("If-None-Match", tag)];
            assert_eq!(viewer.ask("GET", &session, &known).status, 304);
            assert_eq!(viewer.ask("GET", &session, &known[1..]).status, 200);
        }
        for accepted in ["br", "identity", "gzip;q=0"] {
            let answer = viewer.ask("GET", &session, &[("Accept-Encoding", accepted)]);
            assert_eq!(answer.body, plain.body, "{accepted}");
        }
        // Media do not shrink.
        let segment = uris(&plain.text()).remove(0);
        let segment = crate::support::resolve(&session, &segment);
        let answer = viewer.ask("GET", &segment, &[("Accept-Encoding", "gzip")]);
        assert_eq!((answer.header("content-encoding"), &answer.body[..]), (None, &b"segment"[..]));
    }
}

/// nginx/nginx#1709 (G25): the gateway changes manifests, whatever `no-transform` says, and says so in
/// its documentation.
#[test]
fn no_transform_does_not_keep_tokens_out() {
    let answer = async |_: HeaderMap| {
        let no_transform = [(header::CACHE_CONTROL, "no-transform")];
        (no_transform, playlist(&["https://elsewhere.example.com/a.ts", "b.ts"]))
    };
    let origin = Watched::start(Router::new().fallback(get(answer)));
    let gateway = Site { route: "carry = \"query\"", ..Site::default() }.start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/index.m3u8");
    let uris = uris(&viewer.get(&session).text());
    assert!(uris[1].starts_with("b.ts?sg="), "{uris:?}");
}

fn gunzip(body: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(body).read_to_string(&mut text).unwrap();
    text
}

/// Where a viewer's token stands in every line, the text is compressed once, and copied for each.
#[test]
fn what_differs_by_tokens_alone_is_compressed_once() {
    let names: Vec<_> = (0..600).map(|number| format!("segment-{number:05}.ts")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let media = folder(&[("v/index.m3u8", &playlist(&names))]);
    let by_cdn = cdn("https://cdn.example.com/", "directory", 60);
    for (route, entry) in [
        ("carry = \"query\"".to_owned(), ""),
        (by_cdn.replace("scope = ", "bind_ip = true\nscope = "), ""),
    ] {
        let gateway = Site { route: &route, entry, ..Site::default() }.folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        let mut sessions = (0..200).map(|_| viewer.open(r#"{"path": "/v/index.m3u8"}"#));
        let sessions: Vec<_> = sessions.by_ref().take(20).collect();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        let mut copies = 0;
        for session in sessions.iter().cycle() {
            let plain = viewer.get(session);
            assert_eq!(plain.status, 200, "{route}: {}", plain.text());
            let small = viewer.ask("GET", session, &[("Accept-Encoding", "gzip")]);
            assert_eq!(gunzip(&small.body), plain.text(), "{route}");
            let tag = small.header("etag").unwrap();
            let known = [("Accept-Encoding", "gzip"), ("If-None-Match", tag)];
            assert_eq!(viewer.ask("GET", session, &known).status, 304);
            if tag.ends_with("-gc\"") {
                assert!(small.body.len() * 15 < plain.body.len(), "{}", small.body.len());
                copies += 1;
            }
            if copies > sessions.len() {
                break;
            }
            assert!(std::time::Instant::now() < deadline, "{route}: {copies} copies");
        }
    }
}

/// With a token for each file there is nothing to share: it is compressed as it is sent, or not at all.
#[test]
fn what_differs_in_every_line_is_compressed_as_hard_as_the_configuration_says() {
    let names: Vec<_> = (0..5000).map(|number| format!("segment-{number:05}.ts")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let media = folder(&[("v/index.m3u8", &playlist(&names))]);
    let by_cdn = cdn("https://cdn.example.com/", "file", 60);
    let route = by_cdn.replace("scope = ", "bind_ip = true\nscope = ");
    let mut lens = Vec::new();
    for level in [0, 1, 9] {
        let top = format!("limits.gzip_level = {level}\n");
        let gateway = Site { top: &top, route: &route, ..Site::default() }.folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/v/index.m3u8");
        let plain = viewer.get(&session);
        assert!(plain.text().lines().filter(|line| line.contains("?md5=")).count() == 5000);
        for _ in 0..3 {
            let answer = viewer.ask("GET", &session, &[("Accept-Encoding", "gzip")]);
            match level {
                0 => {
                    assert_eq!(answer.header("content-encoding"), None);
                    assert_eq!(answer.header("etag"), plain.header("etag"));
                    assert_eq!(answer.body, plain.body);
                }
                _ => {
                    assert_eq!(answer.header("content-encoding"), Some("gzip"));
                    assert_eq!(gunzip(&answer.body), plain.text());
                }
            }
            lens.push(answer.body.len());
        }
    }
    lens.dedup();
    assert!(lens.len() == 3 && lens.is_sorted_by(|one, other| one > other), "{lens:?}");
}
