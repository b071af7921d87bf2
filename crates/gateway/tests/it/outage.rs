//! What an origin's trouble costs the viewers: nothing, for a while, of manifests that were seen.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::get;

use crate::support::{Site, Viewer, Watched, multivariant};

/// An origin whose state is set: the status that it answers, and how often it was asked.
#[derive(Clone, Default)]
struct Moody {
    status: Arc<AtomicU16>,
    asked: Arc<AtomicUsize>,
    delay: Duration,
}

impl Moody {
    fn start(&self) -> Watched {
        let mood = self.clone();
        let answer = async move |Path(file): Path<String>| {
            mood.asked.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(mood.delay).await;
            let status = mood.status.load(Ordering::Relaxed);
            if status != 0 {
                return StatusCode::from_u16(status).unwrap().into_response();
            }
            let tag = (file == "tag.m3u8").then_some("\"v1\"");
            let text = multivariant(&["index.m3u8"]);
            match tag {
                Some(tag) => ([(header::ETAG, tag)], text).into_response(),
                None => text.into_response(),
            }
        };
        Watched::start(Router::new().route("/v/{file}", get(answer)))
    }

    fn set(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::Relaxed)
    }
}

#[test]
fn a_manifest_that_was_seen_is_served_while_its_origin_fails() {
    let mood = Moody::default();
    let origin = mood.start();
    let top = "[limits]\nmissing_secs = 0\n[timeouts]\nretries = 0\n";
    let gateway = Site { top, ..Site::default() }.start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    for file in ["tag.m3u8", "plain.m3u8"] {
        mood.set(0);
        let session = viewer.enter(&format!("/v/{file}"));
        let text = viewer.get(&session).text();
        mood.asked();
        for status in [500, 503, 504, 429] {
            mood.set(status);
            for _ in 0..20 {
                let answer = viewer.get(&session);
                assert_eq!((answer.status, answer.text()), (200, text.clone()), "{file} {status}");
            }
        }
        // It is left alone for a second.
        let asked = mood.asked();
        assert!((1..=4).contains(&asked), "{asked}");
        // What the origin says of the manifest itself is taken at once.
        thread::sleep(Duration::from_millis(1100));
        mood.set(404);
        assert_eq!(viewer.status(&session), 404, "{file}");
        mood.set(0);
        assert_eq!(viewer.get(&session).text(), text);
    }
    // Of what was never seen there is nothing to serve.
    mood.set(503);
    let unseen = viewer.enter("/v/unseen.m3u8");
    assert_eq!(viewer.status(&unseen), 502);
}

#[test]
fn an_origin_that_is_gone_costs_no_manifest_until_the_time_is_over() {
    let mood = Moody::default();
    let origin = mood.start();
    let top = "[limits]\nstale_secs = 3\n";
    let gateway = Site { top, ..Site::default() }.start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/plain.m3u8");
    assert_eq!(viewer.status(&session), 200);
    drop(origin);
    for _ in 0..4 {
        assert_eq!(viewer.status(&session), 200);
        thread::sleep(Duration::from_millis(400));
    }
    thread::sleep(Duration::from_millis(1700));
    assert_eq!(viewer.status(&session), 502, "what it said is too old");
}

#[test]
fn viewers_who_come_at_once_cost_one_request() {
    let mood = Moody { delay: Duration::from_millis(800), ..Moody::default() };
    let origin = mood.start();
    let top = "[timeouts]\nretries = 0\n";
    let gateway = Site { top, ..Site::default() }.start(&origin.url("/"));
    let session = Viewer::of(&gateway).enter("/v/plain.m3u8");
    mood.asked();
    thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| assert_eq!(Viewer::of(&gateway).status(&session), 200));
        }
    });
    assert_eq!(mood.asked(), 1);
    // And so does a failure.
    mood.set(500);
    let unseen = Viewer::of(&gateway).enter("/v/unseen.m3u8");
    mood.asked();
    thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| assert_eq!(Viewer::of(&gateway).status(&unseen), 502));
        }
    });
    assert_eq!(mood.asked(), 1);
}
