//! Manifests as a session gets them.

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use sluicegate_gateway::Clock as _;
use sluicegate_testkit::gateway::CDN_SECRET;
use sluicegate_testkit::{Gateway, fixtures};
use sluicegate_token::{CdnKey, Gcore, Presented, ResourcePath, Scheme as _, Scope, UnixTime};
use url::Url;

use crate::support::{
    Site, Viewer, Watched, ask_from, cdn, folder, multivariant, playlist, resolve, token_of, uris,
};

const CDN: &str = "https://cdn.example.com/media/";

/// The expiry of a CDN URL, whose token must be good until then.
fn cdn_expiry(url: &str, scope: Scope) -> UnixTime {
    let url = Url::parse(url).unwrap();
    let gcore = Gcore::new(CdnKey::plain("cdn", CDN_SECRET.as_bytes()), scope);
    let path = ResourcePath::parse(url.path().as_bytes()).unwrap();
    let presented = Presented::at(&path, url.query().map(str::as_bytes), None);
    gcore.verify(&presented, UnixTime(0)).unwrap().expires
}

/// What the playlist at `path` of the fixtures should look like for a viewer, and the playlists
/// that it names.
fn check_playlist(viewer: &mut Viewer<'_>, target: &str, path: &str, mode: &Mode) -> Vec<String> {
    let source = std::fs::read_to_string(fixtures::streams().join(&path[1..])).unwrap();
    let answer = viewer.get(target);
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    let rendered = answer.text();
    let (written, delivered) = (uris(&source), uris(&rendered));
    assert_eq!(written.len(), delivered.len(), "{path}");
    let token = token_of(target);
    let mut undone = rendered;
    let mut playlists = Vec::new();
    for (written, delivered) in written.iter().zip(&delivered) {
        let is_playlist = written.contains(".m3u8");
        if let Some(scope) = mode.cdn.filter(|_| !is_playlist) {
            let folder = path.rsplit_once('/').unwrap().0;
            let (url, query) = delivered.split_once('?').unwrap();
            assert_eq!(url, format!("{CDN}{}/{written}", &folder[1..]), "{path} {mode:?}");
            let names: Vec<_> =
                query.split('&').map(|pair| pair.split('=').next().unwrap()).collect();
            assert_eq!(names, ["md5", "expires"]);
            cdn_expiry(delivered, scope);
        } else {
            let expected = match mode.carry {
                "path" => written.clone(),
                _ => format!("{written}?sg={token}"),
            };
            assert_eq!(*delivered, expected, "{path} {mode:?}");
            let next = resolve(target, delivered);
            if is_playlist {
                playlists.push(next);
            } else {
                assert_eq!(viewer.status(&next), 200, "{next}");
            }
        }
        undone = undone.replacen(delivered.as_str(), written, 1);
    }
    assert_eq!(undone, source, "{path} {mode:?}: more than URIs was changed");
    playlists
}

#[derive(Clone, Copy, Debug)]
struct Mode {
    carry: &'static str,
    /// The CDN's scope where segments come from there.
    cdn: Option<Scope>,
}

#[test]
fn every_uri_of_every_playlist_is_what_carry_segments_and_scope_say() {
    for carry in ["path", "query"] {
        for scope in [None, Some(Scope::File), Some(Scope::Directory)] {
            let mode = Mode { carry, cdn: scope };
            let delivery = scope.map_or(String::new(), |scope| cdn(CDN, &scope.to_string(), 3600));
            let route = format!("carry = \"{carry}\"\n{delivery}");
            let gateway = Site { route: &route, ..Site::default() }.folder(&fixtures::streams());
            let mut viewer = Viewer::of(&gateway);
            let master = viewer.enter("/subdirs/master.m3u8");
            let mut open = vec![master];
            let mut seen = 0;
            while let Some(target) = open.pop() {
                let start = target.find("/subdirs/").unwrap();
                let path = target[start..].split('?').next().unwrap().to_owned();
                open.extend(check_playlist(&mut viewer, &target, &path, &mode));
                seen += 1;
            }
            assert_eq!(seen, 7, "{mode:?}");
        }
    }
}

#[test]
fn one_token_per_directory_is_the_same_text_and_one_per_file_is_not() {
    for (scope, tokens) in [("directory", 1), ("file", 5)] {
        let route = cdn(CDN, scope, 3600);
        let gateway = Site { route: &route, ..Site::default() }.folder(&fixtures::streams());
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/subdirs/360p/index.m3u8");
        let mut queries: Vec<_> = uris(&viewer.get(&session).text())
            .iter()
            .map(|uri| uri.split_once('?').unwrap().1.to_owned())
            .collect();
        queries.sort();
        queries.dedup();
        assert_eq!(queries.len(), tokens, "{scope}");
    }
}

#[test]
fn what_is_no_manifest_that_can_be_served_is_not_passed_on() {
    let utf16: Vec<u8> = "\u{feff}#EXTM3U\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let long_line = format!("#EXTM3U\n#{}\n", "x".repeat(70_000));
    let documents: &[(&str, &[u8], &str)] = &[
        ("page.m3u8", b"<!DOCTYPE html><html>sign in first</html>", "manifest-invalid"),
        ("empty.m3u8", b"", "manifest-invalid"),
        ("text.m3u", b"first in the list", "manifest-invalid"),
        ("video.m3u8", &[0x47; 1000], "manifest-invalid"),
        ("utf16.m3u8", &utf16, "manifest-invalid"),
        ("stream.mpd", b"<?xml version=\"1.0\"?>\n<MPD><Period></MPD>", "manifest-invalid"),
        ("stream", b"<?xml version=\"1.0\"?>\n<MPD><Period></MPD>", "manifest-invalid"),
        ("line.m3u8", long_line.as_bytes(), "manifest-invalid"),
        ("quote.m3u8", b"#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"k", "manifest-invalid"),
        (
            "variable.m3u8",
            b"#EXTM3U\n#EXT-X-DEFINE:IMPORT=\"a\"\n#EXTINF:2,\n{$a}.ts\n",
            "manifest-uri-refused",
        ),
        ("unknown.m3u8", b"#EXTM3U\n#EXT-X-NEW:URI=\"secret/a.ts\"\n", "manifest-uri-refused"),
        (
            "attribute.m3u8",
            b"#EXTM3U\n#EXT-X-DATERANGE:ID=\"1\",X-COM-EXAMPLE-URI=\"ad.m3u8\"\n",
            "manifest-uri-refused",
        ),
        ("backslash.m3u8", b"#EXTM3U\n#EXTINF:2,\na\\b.ts\n", "manifest-uri-refused"),
        ("above.m3u8", b"#EXTM3U\n#EXTINF:2,\na//b.ts\n", "manifest-uri-refused"),
    ];
    let files: Vec<_> = documents
        .iter()
        .map(|(name, content, _)| (format!("v/{name}"), *content))
        .chain([("v/master.m3u8".to_owned(), &b"#EXTM3U\n"[..])])
        .collect();
    let files: Vec<_> = files.iter().map(|(name, content)| (name.as_str(), *content)).collect();
    let media = folder(&files);
    let over_http = Watched::folder(media.path());
    for gateway in
        [Site::default().folder(media.path()), Site::default().start(&over_http.url("/"))]
    {
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/v/master.m3u8");
        for (name, content, code) in documents {
            for method in ["GET", "HEAD"] {
                let answer = viewer.ask(method, &session.replace("master.m3u8", name), &[]);
                assert_eq!(answer.status, 502, "{name}: {}", answer.text());
                assert_eq!(answer.header("content-type"), Some("application/json"));
                if method == "GET" {
                    assert!(answer.text().contains(code), "{name}: {}", answer.text());
                    let shown = content.len() > 8
                        && answer.text().contains(&*String::from_utf8_lossy(&content[..8]));
                    assert!(!shown, "{name}: {}", answer.text());
                }
            }
        }
    }
}

/// Ten kilobytes of a playlist without an end, for ever.
fn endless_playlist(sent: &std::sync::Arc<std::sync::atomic::AtomicUsize>) -> Body {
    use std::sync::atomic::Ordering;
    let sent = std::sync::Arc::clone(sent);
    let piece = Bytes::from("#EXTINF:2,\nsegment.ts\n".repeat(500));
    let pieces = futures_util::stream::iter(0..60 * 1024 / 10).map(move |at| {
        let piece = if at == 0 { Bytes::from_static(b"#EXTM3U\n") } else { piece.clone() };
        sent.fetch_add(piece.len(), Ordering::Relaxed);
        Ok::<_, std::convert::Infallible>(piece)
    });
    use futures_util::StreamExt as _;
    Body::from_stream(pieces)
}

/// kuu/hls-parser#111, tphakala/go-audio-stream#130 (memory without a bound).
#[test]
fn a_playlist_of_60_mib_is_refused_at_once_and_not_read_to_its_end() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let sent = Arc::new(AtomicUsize::new(0));
    let log = Arc::clone(&sent);
    let origin =
        Watched::start(Router::new().fallback(get(move || async move { endless_playlist(&log) })));
    let media = folder(&[("v/master.m3u8", b"#EXTM3U\n")]);
    let huge = std::fs::File::create(media.path().join("v/huge.m3u8")).unwrap();
    huge.set_len(60 << 20).unwrap();
    let limits = "[limits]\nmax_manifest_bytes = 1048576\n";
    for gateway in [
        Site { top: limits, ..Site::default() }.start(&origin.url("/")),
        Site { top: limits, ..Site::default() }.folder(media.path()),
    ] {
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/v/master.m3u8").replace("master.m3u8", "huge.m3u8");
        let began = Instant::now();
        let answer = viewer.get(&session);
        assert_eq!(answer.status, 502);
        assert!(answer.text().contains("manifest-too-large"), "{}", answer.text());
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    }
    let sent = sent.load(Ordering::Relaxed);
    assert!((1 << 20..20 << 20).contains(&sent), "{sent} bytes were sent");
}

fn expiries(gateway: &Gateway, target: &str) -> Vec<u64> {
    let text = Viewer::of(gateway).get(target).text();
    uris(&text).iter().map(|uri| cdn_expiry(uri, Scope::Directory).0).collect()
}

/// video-dev/hls.js#1450 (a rendition that is opened late must still open).
#[test]
fn segments_of_a_live_playlist_live_for_a_window_and_of_one_that_ended_for_the_session() {
    let media = folder(&[
        ("v/live.m3u8", b"#EXTM3U\n#EXTINF:2,\na.ts\n#EXTINF:2,\nb.ts\n"),
        ("v/ended.m3u8", &playlist(&["a.ts", "b.ts"])),
    ]);
    for ttl in [60, 86_400] {
        let route = cdn(CDN, "directory", ttl);
        let gateway = Site { route: &route, ..Site::default() }.folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        let live = viewer.open(r#"{"path": "/v/live.m3u8", "ttl": "6h"}"#);
        let now = gateway.clock.now();
        let (window, session) = (now.window_expiry(ttl).0, now.0 + 6 * 3600);
        assert_eq!(expiries(&gateway, &live), [window, window]);
        let ended = session.max(window);
        assert_eq!(expiries(&gateway, &live.replace("live", "ended")), [ended, ended]);
    }
}

/// shaka-project/shaka-player#5964 (HEAD must tell what GET does).
#[test]
fn a_manifest_is_answered_whole_private_and_without_a_date() {
    let gateway = Site::default().folder(&fixtures::streams());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/subdirs/master.m3u8");
    let got = viewer.get(&session);
    assert_eq!(got.status, 200);
    // tsduck/tsduck#906, ossrs/srs#2991, Matszwe02/ytdlp_web_player#22.
    assert_eq!(got.header("content-type"), Some("application/vnd.apple.mpegurl"));
    assert_eq!(got.header("cache-control"), Some("private, no-cache"));
    assert_eq!(got.header("last-modified"), None);
    assert_eq!(got.header("accept-ranges"), None);
    let length = got.header("content-length").unwrap().to_owned();
    assert_eq!(length, got.body.len().to_string());
    let head = viewer.ask("HEAD", &session, &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    for name in ["content-length", "content-type", "etag", "cache-control"] {
        assert_eq!(head.header(name), got.header(name), "{name}");
    }
    for range in ["bytes=0-9", "bytes=-5", "bytes=100000-", "bytes=0-1,4-5"] {
        let ranged = viewer.ask("GET", &session, &[("Range", range)]);
        assert_eq!((ranged.status, &ranged.body), (200, &got.body), "{range}");
        assert_eq!(ranged.header("content-range"), None);
    }
    let since = ("If-Modified-Since", "Fri, 31 Dec 2100 23:59:59 GMT");
    assert_eq!(viewer.ask("GET", &session, &[since]).status, 200, "there is no date to compare");
}

#[test]
fn an_entity_tag_is_stable_within_a_window_and_changes_with_its_tokens() {
    let media = folder(&[
        ("v/live.m3u8", b"#EXTM3U\n#EXTINF:2,\na.ts\n"),
        ("v/other.m3u8", b"#EXTM3U\n#EXTINF:2,\na.ts\n"),
    ]);
    let route = cdn(CDN, "directory", 60);
    let gateway = Site { route: &route, ..Site::default() }.folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let into_window = gateway.clock.now().0 % 60;
    gateway.clock.advance(60 - into_window);
    let session = viewer.open(r#"{"path": "/v/live.m3u8", "ttl": "1h"}"#);
    let first = viewer.get(&session);
    let tag = first.header("etag").unwrap().to_owned();
    gateway.clock.advance(59);
    let again = viewer.get(&session);
    assert_eq!((again.header("etag"), &again.body), (Some(tag.as_str()), &first.body));
    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        for method in ["GET", "HEAD"] {
            let answer = viewer.ask(method, &session, &[("If-None-Match", &known)]);
            assert_eq!((answer.status, answer.body.len()), (304, 0), "{known}");
            assert_eq!(answer.header("etag"), Some(tag.as_str()));
            assert_eq!(answer.header("cache-control"), Some("private, no-cache"));
        }
    }
    assert_eq!(viewer.ask("GET", &session, &[("If-None-Match", "\"x\"")]).status, 200);
    gateway.clock.advance(1);
    let next = viewer.ask("GET", &session, &[("If-None-Match", &tag)]);
    assert_eq!(next.status, 200, "the tokens are new, so the text is");
    assert_ne!(next.body, first.body);
    // Another session, and another source, have tags of their own.
    let next_tag = next.header("etag").unwrap();
    let other = viewer.open(r#"{"path": "/v/live.m3u8", "ttl": "1h"}"#);
    assert_ne!(viewer.get(&other).header("etag"), Some(next_tag));
    assert_ne!(viewer.get(&session.replace("live", "other")).header("etag"), Some(next_tag));
    std::fs::write(media.path().join("v/live.m3u8"), "#EXTM3U\n#EXTINF:2,\nb.ts\n").unwrap();
    // The file is looked at again in a moment.
    std::thread::sleep(std::time::Duration::from_millis(150));
    assert_ne!(viewer.get(&session).header("etag"), Some(next_tag));
}

#[test]
fn a_host_that_the_route_does_not_name_is_kept_or_refused() {
    let foreign = "https://ads.example.org/ad.ts";
    let media = folder(&[("v/a.m3u8", &playlist(&["own.ts", foreign]))]);
    for (route, status) in
        [("", 200), ("third_party = \"keep\"", 200), ("third_party = \"refuse\"", 502)]
    {
        let gateway = Site { route, ..Site::default() }.folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/v/a.m3u8");
        let answer = viewer.get(&session);
        assert_eq!(answer.status, status, "{route}");
        if status == 200 {
            assert_eq!(uris(&answer.text()), ["own.ts", foreign], "no token goes there");
        } else {
            assert!(answer.text().contains("manifest-uri-refused"), "{}", answer.text());
        }
    }
}

#[test]
fn a_reference_that_is_signed_already_is_refused_or_signed_anew() {
    let media = folder(&[
        ("v/sg.m3u8", &multivariant(&["a.m3u8?x=1&SG=old"])),
        ("v/md5.m3u8", &playlist(&["a.ts?MD5=old&x=1&expires=1"])),
    ]);
    for (carry, existing) in
        [("path", "refuse"), ("path", "replace"), ("query", "refuse"), ("query", "replace")]
    {
        let route = format!(
            "carry = \"{carry}\"\nexisting_token = \"{existing}\"\n{}",
            cdn(CDN, "file", 3600)
        );
        let gateway = Site { route: &route, ..Site::default() }.folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        for (path, start) in [("/v/sg.m3u8", "a.m3u8?x=1"), ("/v/md5.m3u8", "a.ts?x=1&md5=")] {
            let session = viewer.enter(path);
            let answer = viewer.get(&session);
            if existing == "refuse" {
                assert_eq!(answer.status, 502, "{route} {path}");
                assert!(answer.text().contains("manifest-uri-refused"), "{}", answer.text());
                continue;
            }
            let uri = uris(&answer.text()).remove(0);
            assert!(uri.contains(start), "{uri}");
            assert!(!uri.contains("old"), "{uri}");
            if path == "/v/sg.m3u8" {
                let tokens = uri.matches("sg=").count();
                assert_eq!(tokens, usize::from(carry == "query"), "{uri}");
            } else {
                cdn_expiry(&uri, Scope::File);
            }
        }
    }
}

#[test]
fn a_strict_route_refuses_what_another_one_keeps_and_reports() {
    let source = b"#EXTM3U\n#EXT-X-VENDOR:LINK=\"https://stats.example.org/x\"\n#EXTINF:2,\na.ts\n";
    let media = folder(&[("v/a.m3u8", source)]);
    for (route, status) in [("", 200), ("strict = true", 502)] {
        let gateway = Site { route, ..Site::default() }.folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/v/a.m3u8");
        assert_eq!(viewer.status(&session), status, "{route}");
    }
}

#[test]
fn a_cdn_key_that_binds_signs_for_the_viewers_address() {
    let delivery = format!("{}bind_ip = true\n", cdn(CDN, "file", 3600));
    let gateway = Site { route: &delivery, ..Site::default() }.folder(&fixtures::streams());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/flat/index.m3u8");
    let gcore = Gcore::new(CdnKey::bound("cdn", CDN_SECRET.as_bytes()), Scope::File);
    for uri in uris(&viewer.get(&session).text()) {
        let url = Url::parse(&uri).unwrap();
        let path = ResourcePath::parse(url.path().as_bytes()).unwrap();
        for (ip, is_good) in [("127.0.0.1", true), ("127.0.0.2", false)] {
            let ip = Some(ip.parse().unwrap());
            let presented = Presented::at(&path, url.query().map(str::as_bytes), ip);
            assert_eq!(gcore.verify(&presented, UnixTime(0)).is_ok(), is_good, "{uri}");
        }
    }
    // The session itself is bound to nothing: gateway and CDN may see different addresses.
    assert_eq!(ask_from(&gateway, "192.0.2.1", &session).0, 200);
}

#[test]
fn an_absolute_url_of_the_origin_or_of_the_cdn_leads_through_the_session_too() {
    let media = folder(&[
        (
            "v/master.m3u8",
            &multivariant(&[
                "/v/b.m3u8?x=1#f",
                "https://cdn.example.com/media/v/c.m3u8",
                "https://cdn.example.com/elsewhere/d.m3u8",
            ]),
        ),
        ("w/master.m3u8", &multivariant(&["https://cdn.example.com/media/w/c.m3u8"])),
        ("w/c.m3u8", &playlist(&["https://cdn.example.com/media/w/a.ts"])),
    ]);
    let route = cdn(CDN, "file", 3600);
    let gateway = Site { route: &route, ..Site::default() }.folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/master.m3u8");
    // One of its URIs is on the CDN's host and outside its folder: nobody vouches for that.
    assert_eq!(viewer.status(&session), 502);
    let session = viewer.enter("/w/master.m3u8");
    let token = token_of(&session).to_owned();
    let variant = uris(&viewer.get(&session).text()).remove(0);
    assert_eq!(variant, format!("/s/{token}/w/c.m3u8"));
    let segment = uris(&viewer.get(&variant).text()).remove(0);
    assert!(segment.starts_with("https://cdn.example.com/media/w/a.ts?md5="), "{segment}");
    cdn_expiry(&segment, Scope::File);
}
