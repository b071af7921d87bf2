//! When an origin is asked again, and when not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::get;

use crate::support::{Site, Viewer, Watched};

/// An origin whose every answer differs, with these headers.
fn changing(headers: &[(&'static str, &'static str)]) -> Watched {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
    let count = Arc::new(AtomicUsize::new(0));
    let answer = async move || {
        let count = count.fetch_add(1, Ordering::Relaxed);
        let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{count}.ts\n");
        (headers.clone(), text)
    };
    Watched::start(Router::new().fallback(get(answer)))
}

/// Whether two loads, so many milliseconds apart, show the same.
fn is_kept(headers: &[(&'static str, &'static str)], wait_ms: u64) -> bool {
    let origin = changing(headers);
    let gateway = Site::default().start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/live.m3u8");
    let first = viewer.get(&session).text();
    thread::sleep(Duration::from_millis(wait_ms));
    let is_same = viewer.get(&session).text() == first;
    assert_eq!(origin.take().len(), if is_same { 1 } else { 2 });
    is_same
}

/// owncast/owncast#1781 (G21): what viewers' clocks say decides nothing; the target duration does.
#[test]
fn a_live_playlist_is_kept_for_half_a_target_duration() {
    assert!(is_kept(&[], 500));
    assert!(!is_kept(&[], 1100));
}

#[test]
fn what_the_origin_says_is_obeyed() {
    for (headers, wait_ms, expected) in [
        (&[("cache-control", "no-store")][..], 0, false),
        (&[("cache-control", "no-cache")], 0, false),
        (&[("cache-control", "private, max-age=60")], 0, false),
        (&[("cache-control", "max-age=60")], 1200, true),
        (&[("cache-control", "max-age=1")], 1100, false),
        (&[("cache-control", "max-age=60, s-maxage=0")], 0, false),
        (&[("expires", "Thu, 01 Jan 2099 00:00:00 GMT")], 1200, true),
        (&[("expires", "Thu, 01 Jan 1970 00:00:00 GMT")], 0, false),
        (&[("cache-control", "max-age=60"), ("age", "60")], 0, false),
        (&[("cache-control", "max-age=60"), ("age", "30")], 1200, true),
    ] {
        assert_eq!(is_kept(headers, wait_ms), expected, "{headers:?}");
    }
}

#[test]
fn while_a_manifest_is_fetched_again_the_old_one_is_served() {
    let slow = |count: usize| Duration::from_millis(if count == 0 { 0 } else { 700 });
    let count = Arc::new(AtomicUsize::new(0));
    let answer = async move || {
        let count = count.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(slow(count)).await;
        let text = format!("#EXTM3U\n#EXTINF:2,\n{count}.ts\n#EXT-X-ENDLIST\n");
        ([(header::CACHE_CONTROL, "max-age=0, stale-while-revalidate=60")], text)
    };
    let origin = Watched::start(Router::new().fallback(get(answer)));
    let gateway = Site::default().start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/index.m3u8");
    let first = viewer.get(&session).text();
    for _ in 0..20 {
        assert_eq!(viewer.get(&session).text(), first);
    }
    assert_eq!(origin.take().len(), 2, "and it is asked once");
    thread::sleep(Duration::from_millis(1000));
    assert_ne!(viewer.get(&session).text(), first);
}

#[test]
fn a_file_that_has_not_changed_for_long_is_kept_for_a_while() {
    let since = |ago_secs| {
        let then = SystemTime::now() - Duration::from_secs(ago_secs);
        move || httpdate(then)
    };
    let answer = async move |Path(file): Path<String>| {
        let modified = if file == "old.m3u8" { since(3600)() } else { since(1)() };
        ([(header::LAST_MODIFIED, modified)], "#EXTM3U\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n")
    };
    let origin = Watched::start(Router::new().route("/v/{file}", get(answer)));
    let gateway = Site::default().start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    for (file, requests) in [("old.m3u8", 1), ("new.m3u8", 2)] {
        let session = viewer.enter(&format!("/v/{file}"));
        origin.take();
        assert_eq!(viewer.status(&session), 200);
        thread::sleep(Duration::from_millis(400));
        assert_eq!(viewer.status(&session), 200);
        assert_eq!(origin.take().len(), requests, "{file}");
    }
}

/// A date as HTTP writes it.
fn httpdate(time: SystemTime) -> String {
    let date = headers::LastModified::from(time);
    let mut headers = HeaderMap::new();
    headers::HeaderMapExt::typed_insert(&mut headers, date);
    headers[header::LAST_MODIFIED].to_str().unwrap().to_owned()
}

#[test]
fn what_is_missing_is_not_asked_for_again_at_once() {
    let origin = Watched::start(
        Router::new().route("/v/gone.m3u8", get(async || StatusCode::GONE.into_response())),
    );
    let gateway = Site::default().start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/master.m3u8");
    for (file, kept_ms) in [("gone.m3u8", 1000), ("missing.m3u8", 1000), ("missing.ts", 200)] {
        origin.take();
        let target = session.replace("master.m3u8", file);
        let began = Instant::now();
        for _ in 0..10 {
            assert_eq!(viewer.status(&target), 404, "{file}");
        }
        let most = 1 + began.elapsed().as_millis() / kept_ms;
        assert!(origin.take().len() <= usize::try_from(most).unwrap(), "{file}");
        thread::sleep(Duration::from_millis(u64::try_from(kept_ms).unwrap() + 100));
        assert_eq!(viewer.status(&target), 404, "{file}");
        assert_eq!(origin.take().len(), 1, "{file}");
    }
}

/// The first who asks comes a little early, as players with a fast clock do.
#[test]
fn a_segment_that_appears_is_there_for_all_at_once() {
    let is_there = Arc::new(AtomicBool::new(false));
    let appears = Arc::clone(&is_there);
    let answer = async move || match is_there.load(Ordering::SeqCst) {
        true => "media".into_response(),
        false => StatusCode::NOT_FOUND.into_response(),
    };
    let origin = Watched::start(Router::new().fallback(get(answer)));
    // A manifest that is missing is so for an hour; a segment is kept by its own key.
    for (keys, is_hidden) in
        [("missing_segment_ms = 0", false), ("missing_segment_ms = 3600000", true)]
    {
        appears.store(false, Ordering::SeqCst);
        let top = format!("[limits]\nmissing_secs = 3600\n{keys}\n");
        let gateway = Site { top: &top, ..Site::default() }.start(&origin.url("/"));
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/v/master.m3u8");
        let segment = session.replace("master.m3u8", "next.ts");
        assert_eq!((viewer.status(&session), viewer.status(&segment)), (404, 404));
        appears.store(true, Ordering::SeqCst);
        assert_eq!(viewer.status(&segment), if is_hidden { 404 } else { 200 }, "{keys}");
        assert_eq!(viewer.status(&session), 404);
    }
}

/// What is guessed of a manifest's freshness has a bound, however seldom it says that it changes.
#[test]
fn a_guess_of_freshness_has_a_bound() {
    let playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:86400\n#EXTINF:9,\na.ts\n";
    let mpd = "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"dynamic\" \
               minimumUpdatePeriod=\"PT24H\"><Period/></MPD>";
    let answer = async move |Path(file): Path<String>| match file.as_str() {
        "live.mpd" => mpd,
        _ => playlist,
    };
    let origin = Watched::start(Router::new().route("/v/{file}", get(answer)));
    for (heuristic_secs, requests) in [(0, 2), (3600, 1)] {
        let top = format!("[limits]\nheuristic_secs = {heuristic_secs}\n");
        let gateway = Site { top: &top, ..Site::default() }.start(&origin.url("/"));
        let mut viewer = Viewer::of(&gateway);
        for file in ["live.m3u8", "live.mpd"] {
            let session = viewer.enter(&format!("/v/{file}"));
            origin.take();
            assert_eq!((viewer.status(&session), viewer.status(&session)), (200, 200));
            assert_eq!(origin.take().len(), requests, "{file}, {heuristic_secs} s");
        }
    }
}

/// Thousands who come at once cost one request, whatever the origin says of keeping.
#[test]
fn a_thousand_viewers_at_once_cost_one_request() {
    let answer = async || {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        ([(header::CACHE_CONTROL, "no-cache")], "#EXTM3U\n#EXTINF:2,\na.ts\n")
    };
    let origin = Watched::start(Router::new().fallback(get(answer)));
    // All of them come from one address by one link, so they are one session.
    let top = "[limits]\nsession_requests = 0\nsession_bodies = 0\n";
    let gateway = Site { top, ..Site::default() }.start(&origin.url("/"));
    let session = Viewer::of(&gateway).enter("/v/live.m3u8");
    let viewers: Vec<_> = (0..1000).map(|_| Viewer::of(&gateway)).collect();
    thread::scope(|scope| {
        for mut viewer in viewers {
            let session = &session;
            thread::Builder::new()
                .stack_size(128 << 10)
                .spawn_scoped(scope, move || assert_eq!(viewer.status(session), 200))
                .unwrap();
        }
    });
    assert_eq!(origin.take().len(), 1);
}
