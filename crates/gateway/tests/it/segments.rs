//! Everything but manifests, as a session gets it: from a folder and from an HTTP origin alike.

use sluicegate_gateway::Clock as _;
use sluicegate_testkit::Gateway;
use tempfile::TempDir;

use crate::support::{Site, Viewer, Watched, folder, multivariant};

const LEN: usize = 1000;

fn content() -> Vec<u8> {
    (0..LEN).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

/// Runs `check` with the same files in a folder and behind an HTTP origin. The session's path ends
/// in `master.m3u8`.
fn from_both(check: impl Fn(&str, &Gateway, &mut Viewer<'_>, &str)) {
    let media: TempDir = folder(&[
        ("v/master.m3u8", &multivariant(&["index.m3u8"])),
        ("v/seg.ts", &content()),
        ("v/empty.ts", b""),
    ]);
    for name in NAMES.iter().map(|(name, _)| name) {
        std::fs::write(media.path().join("v").join(name), content()).unwrap();
    }
    let origin = Watched::folder(media.path());
    for (from, gateway) in [
        ("folder", Site::default().folder(media.path())),
        ("HTTP", Site::default().start(&origin.url("/"))),
    ] {
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/v/master.m3u8");
        check(from, &gateway, &mut viewer, &session);
    }
}

const NAMES: &[(&str, &str)] = &[
    ("a.ts", "video/mp2t"),
    ("A.TS", "video/mp2t"),
    ("a.m4s", "video/iso.segment"),
    ("a.mp4", "video/mp4"),
    ("a.cmfv", "video/mp4"),
    ("a.m4a", "audio/mp4"),
    ("a.cmfa", "audio/mp4"),
    ("a.aac", "audio/aac"),
    ("a.mp3", "audio/mpeg"),
    ("a.vtt", "text/vtt; charset=utf-8"),
    ("a.key", "application/octet-stream"),
    ("a.bin", "application/octet-stream"),
    ("a.jpg", "image/jpeg"),
];

/// mhdzumair/mediaflow-proxy#254, video-dev/hls.js#1830 (ranges as they were asked for).
#[test]
fn one_range_is_served_and_several_are_answered_with_the_whole() {
    from_both(|from, _, viewer, session| {
        let segment = session.replace("master.m3u8", "seg.ts");
        let whole = content();
        for (range, part) in [
            ("bytes=0-0", Some(0..1)),
            ("bytes=0-99", Some(0..100)),
            ("bytes=500-599", Some(500..600)),
            ("bytes=900-", Some(900..1000)),
            ("bytes=0-", Some(0..1000)),
            ("bytes=-100", Some(900..1000)),
            ("bytes=-1000", Some(0..1000)),
            ("bytes=999-999", Some(999..1000)),
            ("bytes=990-5000", Some(990..1000)),
            ("bytes=0-9,20-29", None),
            ("bytes=0-9, -5", None),
            ("lines=0-9", None),
        ] {
            let answer = viewer.ask("GET", &segment, &[("Range", range)]);
            let told = answer.header("content-range").map(str::to_owned);
            match part {
                Some(part) => {
                    assert_eq!(answer.status, 206, "{from} {range}");
                    let expected = format!("bytes {}-{}/{LEN}", part.start, part.end - 1);
                    assert_eq!(told, Some(expected), "{from} {range}");
                    assert_eq!(answer.body, whole[part], "{from} {range}");
                }
                None => {
                    assert_eq!(answer.status, 200, "{from} {range}");
                    assert_eq!((told, &answer.body), (None, &whole), "{from} {range}");
                }
            }
            let length = answer.body.len().to_string();
            assert_eq!(answer.header("content-length"), Some(length.as_str()), "{from} {range}");
            assert_eq!(answer.header("content-type"), Some("video/mp2t"), "{from} {range}");
        }
    });
}

#[test]
fn the_last_bytes_of_a_file_are_all_of_it_when_it_has_fewer() {
    let media = folder(&[("v/master.m3u8", &multivariant(&["a.m3u8"])), ("v/seg.ts", b"short")]);
    let gateway = Site::default().folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let segment = viewer.enter("/v/master.m3u8").replace("master.m3u8", "seg.ts");
    let answer = viewer.ask("GET", &segment, &[("Range", "bytes=-500")]);
    assert_eq!((answer.status, answer.text().as_str()), (206, "short"));
    assert_eq!(answer.header("content-range"), Some("bytes 0-4/5"));
}

#[test]
fn a_range_beyond_the_end_is_416_and_is_not_kept() {
    from_both(|from, _, viewer, session| {
        for (name, range, told) in [
            ("seg.ts", "bytes=1000-", "bytes */1000"),
            ("seg.ts", "bytes=5000-6000", "bytes */1000"),
        ] {
            let target = session.replace("master.m3u8", name);
            let answer = viewer.ask("GET", &target, &[("Range", range)]);
            assert_eq!(answer.status, 416, "{from} {name} {range}");
            assert_eq!(answer.header("content-range"), Some(told), "{from} {name} {range}");
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
            assert!(answer.body.is_empty(), "{from}");
            // The file may grow.
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{from}");
        }
    });
}

#[test]
fn conditions_are_answered_from_the_entity_tag_and_the_date() {
    from_both(|from, _, viewer, session| {
        let segment = session.replace("master.m3u8", "seg.ts");
        let first = viewer.get(&segment);
        let modified = first.header("last-modified").unwrap().to_owned();
        let tag = first.header("etag").unwrap().to_owned();
        let past = "Mon, 01 Jan 2001 00:00:00 GMT";
        for (headers, status) in [
            (vec![("If-None-Match", tag.as_str())], 304),
            (vec![("If-None-Match", "\"other\"")], 200),
            (vec![("If-None-Match", "*")], 304),
            (vec![("If-Modified-Since", &modified)], 304),
            (vec![("If-Modified-Since", past)], 200),
            // The tag goes before the date (RFC 9110 section 13.2.2).
            (vec![("If-None-Match", "\"other\""), ("If-Modified-Since", &modified)], 200),
        ] {
            for method in ["GET", "HEAD"] {
                let answer = viewer.ask(method, &segment, &headers);
                assert_eq!(answer.status, status, "{from} {method} {headers:?}");
                if status == 304 {
                    assert!(answer.body.is_empty());
                    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
                    assert!(answer.header("cache-control").unwrap().starts_with("private"));
                }
            }
        }
    });
}

#[test]
fn a_range_of_an_older_file_is_answered_with_the_whole() {
    // A folder alone: what an HTTP origin makes of If-Range is its own affair.
    let media =
        folder(&[("v/master.m3u8", &multivariant(&["index.m3u8"])), ("v/seg.ts", &content())]);
    let gateway = Site::default().folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let segment = viewer.enter("/v/master.m3u8").replace("master.m3u8", "seg.ts");
    let first = viewer.get(&segment);
    let tag = first.header("etag").unwrap().to_owned();
    let weak = format!("W/{tag}");
    let modified = first.header("last-modified").unwrap().to_owned();
    for (if_range, status) in [
        (tag.as_str(), 206),
        (modified.as_str(), 206),
        ("\"other\"", 200),
        (weak.as_str(), 200),
        ("Mon, 01 Jan 2001 00:00:00 GMT", 200),
    ] {
        let headers = [("Range", "bytes=0-9"), ("If-Range", if_range)];
        let answer = viewer.ask("GET", &segment, &headers);
        assert_eq!(answer.status, status, "{if_range}");
        assert_eq!(answer.body.len(), if status == 206 { 10 } else { LEN });
    }
}

#[test]
fn head_tells_what_get_does_and_knows_no_range() {
    from_both(|from, _, viewer, session| {
        let segment = session.replace("master.m3u8", "seg.ts");
        let get = viewer.get(&segment);
        for headers in [&[][..], &[("Range", "bytes=0-9")]] {
            let head = viewer.ask("HEAD", &segment, headers);
            assert_eq!((head.status, head.body.len()), (200, 0), "{from}");
            for name in ["content-length", "content-type", "accept-ranges", "etag", "last-modified"]
            {
                assert_eq!(head.header(name), get.header(name), "{from} {name}");
                assert!(head.header(name).is_some(), "{from} {name}");
            }
        }
    });
}

/// harlanc/xiu#156 (content types of playlists and segments).
#[test]
fn content_types_are_told_by_name_and_no_browser_may_guess() {
    from_both(|from, _, viewer, session| {
        for (name, content_type) in NAMES {
            let answer = viewer.get(&session.replace("master.m3u8", name));
            assert_eq!(answer.status, 200, "{from} {name}");
            assert_eq!(answer.header("content-type"), Some(*content_type), "{from} {name}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
            assert_eq!(answer.header("accept-ranges"), Some("bytes"));
            assert_eq!(answer.body, content(), "{from} {name}");
        }
        let empty = viewer.get(&session.replace("master.m3u8", "empty.ts"));
        assert_eq!((empty.status, empty.body.len()), (200, 0), "{from}");
    });
}

/// ossrs/srs#2991, Matszwe02/ytdlp_web_player#22 (what bears a token in a cache).
#[test]
fn a_segment_is_kept_by_the_viewer_alone_and_not_for_longer_than_its_token() {
    from_both(|from, gateway, viewer, _| {
        for (ttl, lives) in [("100", 100), ("604800", 86_400)] {
            let body = format!("{{\"path\": \"/v/master.m3u8\", \"ttl\": {ttl}}}");
            let segment = viewer.open(&body).replace("master.m3u8", "seg.ts");
            let told = |answer: &sluicegate_testkit::http::Response| {
                answer.header("cache-control").unwrap().to_owned()
            };
            assert_eq!(told(&viewer.get(&segment)), format!("private, max-age={lives}"), "{from}");
            let part = viewer.ask("GET", &segment, &[("Range", "bytes=0-9")]);
            assert_eq!(told(&part), format!("private, max-age={lives}"), "{from}");
            if lives == 100 {
                let before = gateway.clock.now();
                gateway.clock.advance(100);
                assert_eq!(told(&viewer.get(&segment)), "private, max-age=0", "{from}");
                assert_eq!(gateway.clock.now().0 - before.0, 100);
            }
        }
    });
}
