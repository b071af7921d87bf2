//! What an origin's faults cost: no viewer of a manifest that was seen, and no more memory than one
//! manifest may have.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sluicegate_testkit::{Misbehaving, Mood};

use crate::support::{Site, Viewer};

const LIVE: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na.ts\n#EXTINF:2,\nb.ts\n";

/// Every fault that may pass, for three seconds each, with players that reload each half second.
#[test]
fn a_playlist_that_was_seen_plays_through_every_fault() {
    let origin = Misbehaving::start(LIVE);
    let top = "[timeouts]\nfirst_byte_secs = 30\nidle_secs = 30\n";
    let gateway = Site { top, ..Site::default() }.start(&origin.url("/"));
    let session = Viewer::of(&gateway).enter("/v/live.m3u8");
    assert_eq!(Viewer::of(&gateway).status(&session), 200);
    let (failed, served, slowest_ms) =
        (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                let mut viewer = Viewer::of(&gateway);
                while !is_over.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    let answer = viewer.get(&session);
                    let is_whole = answer.status == 200 && answer.text().contains("a.ts");
                    if is_whole { &served } else { &failed }.fetch_add(1, Ordering::Relaxed);
                    let took = usize::try_from(began.elapsed().as_millis()).unwrap();
                    slowest_ms.fetch_max(took, Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(500));
                }
            });
        }
        for mood in [
            Mood::Status(500),
            Mood::Slow(Duration::from_secs(20)),
            Mood::Cut,
            Mood::TooShort,
            Mood::HangUp,
            Mood::Flapping,
            Mood::GzipBomb,
            Mood::RedirectLoop,
            Mood::Huge,
            Mood::HugeInChunks,
            Mood::Status(429),
        ] {
            origin.set(mood.clone());
            thread::sleep(Duration::from_secs(3));
            assert_eq!(failed.load(Ordering::Relaxed), 0, "{mood:?}");
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let (served, slowest_ms) = (served.into_inner(), slowest_ms.into_inner());
    assert!(served > 300, "{served}");
    assert!(slowest_ms < 4000, "the slowest answer took {slowest_ms} ms");
    // Well again, it is heard again.
    origin.set(Mood::Well);
    origin.serve(LIVE.replace("b.ts", "c.ts"));
    thread::sleep(Duration::from_millis(3000));
    assert!(Viewer::of(&gateway).get(&session).text().contains("c.ts"));
}

/// Half a minute of 503: not one failed manifest.
#[test]
fn half_a_minute_without_an_origin_costs_no_manifest() {
    let origin = Misbehaving::start(LIVE);
    let gateway = Site::default().start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/live.m3u8");
    assert_eq!(viewer.status(&session), 200);
    origin.set(Mood::Status(503));
    let began = Instant::now();
    let mut served = 0;
    while began.elapsed() < Duration::from_secs(30) {
        assert_eq!(viewer.status(&session), 200, "after {:?}", began.elapsed());
        served += 1;
        thread::sleep(Duration::from_millis(100));
    }
    assert!(served > 200, "{served}");
    // It was asked about once a second, each time twice.
    let asked = origin.asked();
    assert!((20..=80).contains(&asked), "{asked}");
}

/// What was never seen fails, soon and with a reason, and nothing of it stays in memory.
#[test]
fn what_is_too_large_is_refused_in_bounded_memory() {
    let before = resident_bytes();
    let origin = Misbehaving::start(LIVE);
    let top = "[timeouts]\nretries = 0\nfirst_byte_secs = 2\nidle_secs = 2\n";
    let gateway = Site { top, ..Site::default() }.start(&origin.url("/"));
    let (mut most, mut round) = (0, 0);
    for (mood, status, code) in [
        (Mood::GzipBomb, 502, "manifest-too-large"),
        (Mood::Huge, 502, "manifest-too-large"),
        (Mood::HugeInChunks, 502, "manifest-too-large"),
        (Mood::RedirectLoop, 502, "origin-redirect"),
        (Mood::Cut, 502, "origin-unreachable"),
        (Mood::TooShort, 504, "origin-timeout"),
        (Mood::Slow(Duration::from_secs(9)), 504, "origin-timeout"),
    ] {
        origin.set(mood.clone());
        round += 1;
        thread::scope(|scope| {
            let asks: Vec<_> = (0..4)
                .map(|number| {
                    let gateway = &gateway;
                    // Each is another manifest, under two kinds of names.
                    let name = ["m3u8", "dat"][number % 2];
                    let path = format!("/v{round}/index.m3u8");
                    scope.spawn(move || {
                        let mut viewer = Viewer::of(gateway);
                        let session = viewer.open(&format!("{{\"path\": \"{path}\"}}"));
                        viewer.get(&session.replace("index.m3u8", &format!("{number}.{name}")))
                    })
                })
                .collect();
            while asks.iter().any(|ask| !ask.is_finished()) {
                most = most.max(resident_bytes());
                thread::sleep(Duration::from_millis(2));
            }
            for ask in asks {
                let answer = ask.join().unwrap();
                assert_eq!(answer.status, status, "{mood:?}: {}", answer.text());
                assert!(answer.text().contains(code), "{mood:?}: {}", answer.text());
            }
        });
    }
    // Four manifests of 16 MiB at once, each while its buffer grows, and what tests need themselves.
    let grown = most.saturating_sub(before) >> 20;
    assert!(grown < 320, "{grown} MiB");
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
