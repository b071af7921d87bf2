//! Several origins with the same media: one after the other.

use std::thread;
use std::time::{Duration, Instant};

use sluicegate_testkit::{Gateway, Misbehaving, Mood};

use crate::support::{Viewer, playlist, uris};

/// A gateway with these origins, which are looked after each second.
fn gateway(origins: &[&Misbehaving], top: &str) -> Gateway {
    let urls: Vec<_> = origins.iter().map(|origin| format!("\"{}\"", origin.url("/"))).collect();
    Gateway::start(&format!(
        "{top}\n[session]\nkey = {{ file = \"session.key\" }}\n[[route]]\nid = \"vod\"\n\
         origins = [{}]\n[route.health]\npath = \"health.txt\"\nevery_secs = 1\n[route.entry]\n\
         key = {{ file = \"entry.key\" }}\n",
        urls.join(", ")
    ))
}

fn origins() -> (Misbehaving, Misbehaving) {
    let of = |name: &str| {
        // Each fetch is to be seen.
        Misbehaving::start(playlist(&[name]))
    };
    (of("first.ts"), of("second.ts"))
}

/// Who made the playlist that a viewer gets.
fn source(viewer: &mut Viewer<'_>, session: &str) -> String {
    let answer = viewer.get(session);
    assert_eq!(answer.status, 200, "{}", answer.text());
    uris(&answer.text()).remove(0)
}

#[test]
fn the_next_origin_is_asked_when_one_fails() {
    for mood in
        [Mood::Status(500), Mood::Status(503), Mood::HangUp, Mood::Slow(Duration::from_secs(9))]
    {
        let (first, second) = origins();
        let gateway = gateway(&[&first, &second], "[timeouts]\nfirst_byte_secs = 1\n");
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/v/index.m3u8");
        assert_eq!(source(&mut viewer, &session), "first.ts");
        first.set(mood.clone());
        assert_eq!(source(&mut viewer, &session), "second.ts", "{mood:?}");
        let segment = session.replace("index.m3u8", "a.ts");
        assert_eq!(viewer.status(&segment), 200, "{mood:?}");
        // It takes a check, or some failures, until the first is not asked any more.
        thread::sleep(Duration::from_millis(2500));
        let began = Instant::now();
        assert_eq!(source(&mut viewer, &session), "second.ts", "{mood:?}");
        assert!(began.elapsed() < Duration::from_millis(900), "{mood:?}: {:?}", began.elapsed());
        first.set(Mood::Well);
        thread::sleep(Duration::from_millis(2500));
        assert_eq!(source(&mut viewer, &session), "first.ts", "{mood:?}");
    }
}

#[test]
fn an_origin_without_a_file_is_not_an_origin_that_fails() {
    let (first, second) = origins();
    first.set(Mood::Status(404));
    let gateway = gateway(&[&first, &second], "");
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/index.m3u8");
    assert_eq!(viewer.status(&session), 404);
}

#[test]
fn tries_are_bounded() {
    let (first, second) = origins();
    first.set(Mood::Status(503));
    second.set(Mood::Status(503));
    let top = "[timeouts]\nretries = 4\n";
    let config = gateway(&[&first, &second], top);
    let mut viewer = Viewer::of(&config);
    let session = viewer.enter("/v/index.m3u8");
    let (_, _) = (first.asked(), second.asked());
    assert_eq!(viewer.status(&session), 502);
    // Beside the checks.
    let asked = first.asked() + second.asked();
    assert!((5..=8).contains(&asked), "{asked}");
}

#[test]
fn no_more_requests_are_under_way_to_an_origin_than_it_bears() {
    let origin = Misbehaving::start(b"segment");
    origin.set(Mood::Slow(Duration::from_millis(1500)));
    let top = "[limits]\norigin_requests = 2\n[timeouts]\nfirst_byte_secs = 2\n";
    let gateway = gateway(&[&origin], top);
    let session = Viewer::of(&gateway).enter("/v/index.m3u8");
    let statuses: Vec<u16> = thread::scope(|scope| {
        let asks: Vec<_> = (0..6)
            .map(|number| {
                let (gateway, target) =
                    (&gateway, session.replace("index.m3u8", &format!("{number}.ts")));
                scope.spawn(move || Viewer::of(gateway).status(&target))
            })
            .collect();
        asks.into_iter().map(|ask| ask.join().unwrap()).collect()
    });
    let of = |status| statuses.iter().filter(|known| **known == status).count();
    // Two at once, and two more within the patience of the others.
    assert_eq!((of(200), of(503)), (4, 2), "{statuses:?}");
}
