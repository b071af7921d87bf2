//! What is kept has a weight that is true, what is refused is remembered, and what takes long stands in
//! nobody's way.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use axum::Router;
use axum::extract::Request;
use axum::http::header;
use axum::response::IntoResponse as _;
use axum::routing::get;

use crate::support::{Admin, LOCAL_ADMIN, Site, Viewer, Watched, folder, open, uris};

fn long_playlist(segments: usize, end: &str) -> String {
    let mut text = String::from("#EXTM3U\n#EXT-X-TARGETDURATION:4\n");
    for number in 0..segments {
        write!(text, "#EXTINF:4,\nsegment-{number:08}.ts\n").unwrap();
    }
    text + end
}

fn site(top: &str) -> String {
    format!("{LOCAL_ADMIN}{top}")
}

fn busy(threads: &str) -> String {
    site(&format!("[limits]\ninline_manifest_bytes = 1000\nmanifest_threads = 1\n{threads}\n"))
}

/// An origin with one text for all names, by a header of cache control.
fn origin_of(text: String, content_type: &'static str) -> Watched {
    let answer = async move || {
        let headers =
            [(header::CACHE_CONTROL, "max-age=600"), (header::CONTENT_TYPE, content_type)];
        (headers, text.clone())
    };
    Watched::start(Router::new().fallback(get(answer)))
}

const HLS: &str = "application/vnd.apple.mpegurl";

#[test]
fn plans_and_texts_weigh_in_the_cache() {
    let text = long_playlist(2000, "#EXT-X-ENDLIST\n");
    let source = text.len() as f64;
    let origin = origin_of(text, HLS);
    let top = site("");
    let gateway =
        Site { top: &top, route: "carry = \"query\"\n", ..Site::default() }.start(&origin.url("/"));
    let admin = Admin::of(&gateway);
    let bytes = || admin.count("cached_manifests_bytes", &[]);
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/index.m3u8");
    let body = viewer.get(&session).body.len() as f64;
    let first = bytes();
    assert!(first > source + body, "{first} of {source} and {body}");
    // A grant of another depth is another kind.
    let deep = origin.take().len();
    assert_eq!(deep, 1);
    let in_path = session.split_once("?sg=").map(|(path, token)| format!("/s/{token}{path}"));
    assert_eq!(viewer.status(&in_path.unwrap()), 200);
    let second = bytes();
    assert!(second > first + source, "{second} after {first}");
    assert_eq!(origin.take().len(), 0);
}

#[test]
fn plans_of_one_manifest_have_a_bound() {
    let text = long_playlist(2000, "#EXT-X-ENDLIST\n");
    let source = text.len() as f64;
    let origin = origin_of(text, HLS);
    let top = site("[limits]\nplan_bytes = 1000\n");
    let gateway = Site { top: &top, ..Site::default() }.start(&origin.url("/"));
    let admin = Admin::of(&gateway);
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/index.m3u8");
    assert_eq!((viewer.status(&session), viewer.status(&session)), (200, 200));
    let bytes = admin.count("cached_manifests_bytes", &[]);
    // The template alone: its source, and where its URIs stand.
    assert!(bytes > source && bytes < 4.0 * source, "{bytes} of {source}");
    assert_eq!(origin.take().len(), 1);
}

#[test]
fn the_cache_holds_its_bound_with_all_plans() {
    let text = long_playlist(2000, "#EXT-X-ENDLIST\n");
    let origin = origin_of(text, HLS);
    let top = site("[limits]\ncache_bytes = 1000000\n");
    let gateway = Site { top: &top, ..Site::default() }.start(&origin.url("/"));
    let admin = Admin::of(&gateway);
    let mut viewer = Viewer::of(&gateway);
    for number in 0..20 {
        let session = viewer.enter(&format!("/v/{number}.m3u8"));
        assert_eq!(viewer.status(&session), 200);
        let bytes = admin.count("cached_manifests_bytes", &[]);
        assert!(bytes <= 1_000_000.0, "{bytes} after {number}");
    }
    assert!(admin.count("cached_manifests", &[]) >= 1.0);
}

#[test]
fn no_plan_is_kept_by_a_viewers_text() {
    let mut text = long_playlist(500, "#EXT-X-ENDLIST\n").replace(".ts", ".ts?t={$t}");
    text.insert_str("#EXTM3U\n".len(), "#EXT-X-DEFINE:QUERYPARAM=\"t\"\n");
    let source = text.len() as f64;
    let origin = origin_of(text, HLS);
    let top = site("");
    let gateway = Site { top: &top, ..Site::default() }.start(&origin.url("/"));
    let admin = Admin::of(&gateway);
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/index.m3u8");
    for number in 0..12 {
        let value = format!("{}{number}", "x".repeat(200));
        assert_eq!(viewer.status(&format!("{session}?t={value}")), 200);
    }
    let bytes = admin.count("cached_manifests_bytes", &[]);
    assert!(bytes < 4.0 * source, "{bytes} of {source}");
    assert_eq!(origin.take().len(), 1);
}

#[test]
fn a_refused_manifest_is_asked_for_once_a_second() {
    // A plan is refused for what it names, a template for what it is.
    let plan = "#EXTM3U\n#EXTINF:4,\nhttp://other.example/a.ts\n#EXT-X-ENDLIST\n".to_owned();
    let template = long_playlist(9, "#EXT-X-ENDLIST\n");
    let site = Site {
        top: "[limits]\nmax_uris = 5\n",
        route: "third_party = \"refuse\"\n",
        ..Site::default()
    };
    for (text, code) in [(plan, "manifest-uri-refused"), (template, "manifest-invalid")] {
        for name in ["index.m3u8", "index"] {
            let origin = origin_of(text.clone(), HLS);
            let gateway = site.start(&origin.url("/"));
            let (_, session) = open(&gateway, &format!("/v/{name}"), "");
            // A name that does not tell is asked about when the session is opened.
            origin.take();
            let mut viewer = Viewer::of(&gateway);
            let began = std::time::Instant::now();
            for _ in 0..8 {
                let answer = viewer.get(&session);
                assert_eq!(answer.status, 502);
                assert!(answer.text().contains(code), "{}", answer.text());
            }
            let seconds = usize::try_from(began.elapsed().as_secs()).unwrap();
            let asked = origin.take().len();
            assert!(asked <= 1 + seconds, "{asked} {name} {code}");
        }
    }
}

#[test]
fn a_full_queue_is_503_and_the_rest_is_served() {
    let text = long_playlist(20_000, "#EXT-X-ENDLIST\n");
    let short = "#EXTM3U\n#EXTINF:4,\na.ts\n#EXT-X-ENDLIST\n";
    let answer = async move |request: Request| {
        let is_short = request.uri().path().contains("short");
        let text = if is_short { short.to_owned() } else { text.clone() };
        ([(header::CACHE_CONTROL, "max-age=600")], text).into_response()
    };
    let origin = Watched::start(Router::new().fallback(get(answer)));
    let top = busy("manifest_queue = 0");
    let gateway = Site { top: &top, ..Site::default() }.start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let cached = viewer.enter("/v/short.m3u8");
    assert_eq!(viewer.status(&cached), 200);
    let sessions: Vec<_> =
        (0..24).map(|number| viewer.enter(&format!("/v/{number}.m3u8"))).collect();
    let (served, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for session in &sessions {
            let (gateway, served, refused) = (&gateway, &served, &refused);
            scope.spawn(move || {
                let answer = Viewer::of(gateway).get(session);
                if answer.status == 200 {
                    served.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                assert_eq!(answer.status, 503);
                assert_eq!(answer.header("retry-after"), Some("1"));
                assert!(answer.text().contains("manifest-busy"), "{}", answer.text());
                refused.fetch_add(1, Ordering::Relaxed);
            });
        }
        while served.load(Ordering::Relaxed) + refused.load(Ordering::Relaxed) < sessions.len() {
            assert_eq!((viewer.status("/healthz"), viewer.status(&cached)), (200, 200));
        }
    });
    assert!(refused.load(Ordering::Relaxed) > 0, "one thread, and no queue");
    // What was refused so is not remembered as the origin's fault.
    for session in &sessions {
        assert_eq!(viewer.status(session), 200);
    }
}

#[test]
fn a_crowd_waits_for_one_plan() {
    let origin = origin_of(long_playlist(5000, "#EXT-X-ENDLIST\n"), HLS);
    // A crowd is no queue: it waits for the first, who takes the one place.
    let top = busy("manifest_queue = 1\nmanifest_wait_secs = 60");
    let gateway = Site { top: &top, ..Site::default() }.start(&origin.url("/"));
    let session = Viewer::of(&gateway).enter("/v/index.m3u8");
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| assert_eq!(Viewer::of(&gateway).status(&session), 200));
        }
    });
    assert_eq!(origin.take().len(), 1);
}

#[test]
fn json_that_is_no_document_is_read_whole_once() {
    let text = format!("{{\"a\": \"{}\"}}", "x".repeat(600_000));
    let origin = origin_of(text.clone(), "application/json");
    // Two of them do not fit, so that a second look would have to wait.
    let top = site("[limits]\nall_json_bytes = 1048576\nmanifest_wait_secs = 0\n");
    let gateway = Site { top: &top, ..Site::default() }.start(&origin.url("/"));
    let (_, index) = open(&gateway, "/v/index.m3u8", "");
    let session = index.strip_suffix("index.m3u8").unwrap();
    let mut viewer = Viewer::of(&gateway);
    let answer = viewer.get(&format!("{session}a.json"));
    assert_eq!((answer.status, answer.body.len()), (200, text.len()));
    for _ in 0..4 {
        assert_eq!(viewer.get(&format!("{session}a.json")).body.len(), text.len());
    }
}

#[test]
fn long_json_is_delivered_as_it_is() {
    let text = format!("{{\"VERSION\": 1, \"TTL\": 300, \"x\": \"{}\"}}", "x".repeat(3000));
    let origin = origin_of(text.clone(), "application/json");
    let top = site("[limits]\njson_bytes = 2000\n");
    let gateway = Site { top: &top, ..Site::default() }.start(&origin.url("/"));
    let (_, index) = open(&gateway, "/v/index.m3u8", "");
    let session = index.strip_suffix("index.m3u8").unwrap();
    assert_eq!(Viewer::of(&gateway).get(&format!("{session}a.json")).body, text.as_bytes());
}

#[test]
fn a_viewer_chooses_no_further_keys_of_the_cache() {
    let origin = origin_of(long_playlist(3, "#EXT-X-ENDLIST\n"), HLS);
    let gateway = Site::default().start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/index.m3u8");
    assert_eq!(viewer.status(&session), 200);
    assert_eq!(origin.take().len(), 1);
    for number in 0..50 {
        for query in [
            format!("_HLS_x={number}"),
            format!("_HLS_msn=x{number}"),
            format!("_HLS_skip={number}"),
            format!("_DASH_x={number}"),
        ] {
            assert_eq!(viewer.status(&format!("{session}?{query}")), 200);
        }
    }
    assert_eq!(origin.take().len(), 0, "none of them is a directive");
    for number in 0..50 {
        assert_eq!(viewer.status(&format!("{session}?_HLS_msn={number}&_HLS_part=1")), 200);
    }
    assert_eq!(origin.take().len(), 0, "the playlist has ended");
}

#[test]
fn one_name_in_many_spellings_is_one_resource() {
    let origin = origin_of(long_playlist(3, "#EXT-X-ENDLIST\n"), HLS);
    let gateway = Site::default().start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/index.m3u8");
    let plain = viewer.get(&session).text();
    let folder = session.strip_suffix("index.m3u8").unwrap();
    for mask in 0_u32..128 {
        let mut name = String::new();
        for (at, letter) in "index.m3u8".chars().enumerate() {
            match mask >> at & 1 {
                1 => write!(name, "%{:02x}", u32::from(letter)).unwrap(),
                _ => name.push(letter),
            }
        }
        assert_eq!(uris(&viewer.get(&format!("{folder}{name}")).text()), uris(&plain), "{name}");
    }
    assert_eq!(origin.take().len(), 1);
}

#[test]
fn a_manifest_of_a_folder_weighs_what_it_takes() {
    let files = folder(&[("v/index.m3u8", long_playlist(100, "#EXT-X-ENDLIST\n").as_bytes())]);
    let top = site("");
    let gateway = Site { top: &top, ..Site::default() }.folder(files.path());
    let admin = Admin::of(&gateway);
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/index.m3u8");
    assert_eq!(viewer.status(&session), 200);
    assert!(admin.count("cached_manifests_bytes", &[]) > 5000.0);
}
