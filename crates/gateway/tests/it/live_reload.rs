//! Blocking playlist reload and delta updates (RFC 8216bis section 6.2.5): what of a viewer's directives reaches the
//! origin.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::http::{Uri, header};
use axum::response::IntoResponse as _;

use crate::support::{Admin, LOCAL_ADMIN, Site, Viewer, Watched};

const SERVER_CONTROL: &str =
    "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12,PART-HOLD-BACK=1\n";
const PARTS: &str = "#EXT-X-PART-INF:PART-TARGET=0.5\n";

/// A live playlist that goes on by itself when somebody waits for what it lacks.
#[derive(Debug)]
struct Live {
    next: u64,
    parts: u64,
    has_parts: bool,
}

impl Live {
    /// How many parts a segment has.
    const OF_ONE: u64 = 4;

    fn text(&self, control: &str) -> String {
        let first = self.next - 3;
        let mut text = format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n{control}{}#EXT-X-MEDIA-SEQUENCE:{first}\n",
            if self.has_parts { PARTS } else { "" }
        );
        let part = |text: &mut String, msn: u64, part: u64| {
            if self.has_parts {
                writeln!(text, "#EXT-X-PART:DURATION=0.5,URI=\"{msn}.{part}.mp4\"").unwrap();
            }
        };
        for msn in first..self.next {
            (0..Self::OF_ONE).for_each(|number| part(&mut text, msn, number));
            writeln!(text, "#EXTINF:2,\n{msn}.mp4").unwrap();
        }
        (0..self.parts).for_each(|number| part(&mut text, self.next, number));
        text
    }

    /// One part further.
    fn advance(&mut self) {
        self.parts += 1;
        if !self.has_parts || self.parts == Self::OF_ONE {
            (self.next, self.parts) = (self.next + 1, 0);
        }
    }

    fn has(&self, msn: u64, part: Option<u64>) -> bool {
        msn < self.next || (msn == self.next && part.is_some_and(|part| part < self.parts))
    }
}

struct Origin {
    origin: Watched,
    live: Arc<Mutex<Live>>,
    has_ended: Arc<AtomicBool>,
}

impl Origin {
    /// It says for how long its answers are good.
    fn start(control: &'static str, has_parts: bool, max_age: u32) -> Self {
        let live = Arc::new(Mutex::new(Live { next: 103, parts: 0, has_parts }));
        let has_ended = Arc::new(AtomicBool::new(false));
        let (state, end) = (Arc::clone(&live), Arc::clone(&has_ended));
        let answer = async move |uri: Uri| {
            let number = |name: &str| {
                let mut pairs = uri.query().unwrap_or_default().split('&');
                pairs.find_map(|pair| pair.strip_prefix(name)?.parse::<u64>().ok())
            };
            if let Some(msn) = number("_HLS_msn=") {
                while !state.lock().unwrap().has(msn, number("_HLS_part=")) {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    state.lock().unwrap().advance();
                }
            }
            let mut text = state.lock().unwrap().text(control);
            if end.load(Ordering::Relaxed) {
                text.push_str("#EXT-X-ENDLIST\n");
            }
            ([(header::CACHE_CONTROL, format!("max-age={max_age}"))], text)
        };
        let origin = Watched::start(Router::new().fallback(answer));
        Self { origin, live, has_ended }
    }

    fn queries(&self) -> Vec<String> {
        let seen = self.origin.take();
        let query =
            |target: &String| target.split_once('?').map_or("", |(_, query)| query).to_owned();
        seen.iter().map(|seen| query(&seen.target)).collect()
    }
}

#[test]
fn a_live_playlist_is_asked_for_what_comes_next_alone() {
    let live = Origin::start(SERVER_CONTROL, false, 60);
    let gateway = Site::default().start(&live.origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/live.m3u8");
    live.queries();
    // It is learnt first where the playlist ends.
    assert_eq!(viewer.status(&format!("{session}?_HLS_msn=103")), 200);
    assert_eq!(live.queries(), ["", "_HLS_msn=103"]);
    // What it has is told by the newest answer, whatever else is asked for.
    for msn in 0..104 {
        for more in ["", "&_HLS_part=0", "&_HLS_part=7"] {
            let answer = viewer.get(&format!("{session}?_HLS_msn={msn}{more}"));
            assert!(answer.text().contains("\n103.mp4") || answer.text().contains("/103.mp4"));
        }
    }
    assert_eq!(live.queries(), [""; 0]);
    // What is too far ahead to wait for is refused (RFC 8216bis section 6.2.5.2).
    for msn in (106..400).chain([u64::from(u32::MAX), 999_999_999_999_999_999]) {
        let answer = viewer.get(&format!("{session}?_HLS_msn={msn}"));
        assert_eq!(answer.status, 400, "{msn}");
        assert!(answer.text().contains("\"bad-query\""), "{}", answer.text());
    }
    assert_eq!(live.queries(), [""; 0]);
    // Two segments ahead is one after the other.
    assert!(viewer.get(&format!("{session}?_HLS_msn=105")).text().contains("105.mp4"));
    assert_eq!(live.queries(), ["_HLS_msn=104", "_HLS_msn=105"]);
}

#[test]
fn parts_are_asked_for_one_after_the_other_and_once_for_all() {
    let live = Origin::start(SERVER_CONTROL, true, 60);
    let gateway = Site::default().start(&live.origin.url("/"));
    let session = Viewer::of(&gateway).enter("/v/live.m3u8");
    let mut viewer = Viewer::of(&gateway);
    assert_eq!(viewer.status(&session), 200);
    live.queries();
    let answer = viewer.get(&format!("{session}?_HLS_msn=103&_HLS_part=2"));
    assert!(answer.text().contains("103.2.mp4"), "{}", answer.text());
    assert_eq!(live.queries(), [0, 1, 2].map(|part| format!("_HLS_msn=103&_HLS_part={part}")));
    // The Advance Part Limit is six here.
    for (query, status) in [
        ("_HLS_msn=103&_HLS_part=9", 400),
        ("_HLS_msn=104&_HLS_part=6", 400),
        ("_HLS_msn=105&_HLS_part=0", 400),
        ("_HLS_msn=103&_HLS_part=1", 200),
        ("_HLS_msn=102&_HLS_part=3", 200),
        ("_HLS_part=5", 200),
    ] {
        assert_eq!(viewer.status(&format!("{session}?{query}")), status, "{query}");
    }
    assert_eq!(live.queries(), [""; 0]);
    // Many at once ask for many things, and no URL is asked for twice.
    let statuses: Vec<u16> = thread::scope(|scope| {
        let asked: Vec<_> = (0..12)
            .map(|number| {
                let (gateway, session) = (&gateway, &session);
                let query = format!("_HLS_msn=103&_HLS_part={}", 3 + number % 4);
                scope.spawn(move || Viewer::of(gateway).status(&format!("{session}?{query}")))
            })
            .collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    assert_eq!(statuses, [200; 12]);
    let mut queries = live.queries();
    let all = queries.len();
    queries.sort();
    queries.dedup();
    assert_eq!(queries.len(), all, "{queries:?}");
    assert!(all <= 8, "{queries:?}");
}

#[test]
fn delta_updates_are_asked_for_where_they_are_offered() {
    let offered = Origin::start(SERVER_CONTROL, false, 60);
    let skips_alone = Origin::start("#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=12\n", false, 60);
    let blocks_alone = Origin::start("#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES\n", false, 60);
    let nothing = Origin::start("", false, 60);
    for (live, expected) in [
        (&offered, &["", "_HLS_msn=103&_HLS_skip=YES"][..]),
        (&skips_alone, &["", "_HLS_skip=YES"]),
        (&blocks_alone, &["", "_HLS_msn=103"]),
        (&nothing, &[""]),
    ] {
        let gateway = Site::default().start(&live.origin.url("/"));
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/v/live.m3u8");
        live.queries();
        assert_eq!(viewer.status(&format!("{session}?_HLS_msn=103&_HLS_skip=YES")), 200);
        assert_eq!(live.queries(), expected);
    }
}

#[test]
fn another_replicas_viewer_may_know_more() {
    let live = Origin::start(SERVER_CONTROL, false, 0);
    let gateway = Site::default().start(&live.origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/live.m3u8");
    assert_eq!(viewer.status(&format!("{session}?_HLS_msn=103")), 200);
    live.queries();
    live.live.lock().unwrap().next = 200;
    // The origin is asked once more for what it said last, before somebody is refused.
    assert_eq!(viewer.status(&format!("{session}?_HLS_msn=200")), 200);
    assert_eq!(live.queries(), ["_HLS_msn=103", "_HLS_msn=200"]);
    // An encoder that begins anew counts from there.
    *live.live.lock().unwrap() = Live { next: 5, parts: 0, has_parts: false };
    assert_eq!(viewer.status(&session), 200);
    assert_eq!(viewer.status(&format!("{session}?_HLS_msn=5")), 200);
    assert_eq!(viewer.status(&format!("{session}?_HLS_msn=9")), 400);
    assert_eq!(live.queries(), ["", "_HLS_msn=5", "_HLS_msn=5"]);
}

#[test]
fn a_playlist_that_ends_waits_for_nothing() {
    let live = Origin::start(SERVER_CONTROL, true, 0);
    let gateway = Site::default().start(&live.origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/live.m3u8");
    assert_eq!(viewer.status(&format!("{session}?_HLS_msn=103&_HLS_part=0")), 200);
    live.has_ended.store(true, Ordering::Relaxed);
    let last = viewer.get(&format!("{session}?_HLS_msn=103&_HLS_part=1"));
    assert!(last.text().contains("#EXT-X-ENDLIST"));
    live.queries();
    for msn in [0, 103, 104, 99_999] {
        assert_eq!(viewer.status(&format!("{session}?_HLS_msn={msn}")), 200, "{msn}");
    }
    assert_eq!(live.queries(), [""; 4]);
}

/// A steering server is told what a player measured (RFC 8216bis section 7.2), and nobody else.
#[test]
fn directives_of_one_player_reach_no_playlist_and_are_kept_for_nobody() {
    const MPD: &str = "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" \
        mediaPresentationDuration=\"PT2S\" minBufferTime=\"PT2S\" \
        profiles=\"urn:mpeg:dash:profile:isoff-live:2011\"><Period><AdaptationSet mimeType=\"video/mp4\">\
        <Representation id=\"v\" bandwidth=\"1\"><BaseURL>v.mp4</BaseURL></Representation></AdaptationSet>\
        </Period></MPD>";
    let answer = async |uri: Uri| {
        let text = match uri.path() {
            "/v/steering" => "{\"VERSION\": 1, \"TTL\": 300, \"PATHWAY-PRIORITY\": [\"a\"]}",
            "/v/a.mpd" => MPD,
            _ => "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n",
        };
        let kind = if uri.path() == "/v/steering" { "application/json" } else { "text/plain" };
        ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "max-age=60")], text)
            .into_response()
    };
    let origin = Watched::start(Router::new().fallback(answer));
    let route = "forward_query = [\"_HLS_*\", \"_DASH_*\"]";
    let gateway = Site { top: LOCAL_ADMIN, route, ..Site::default() }.start(&origin.url("/"));
    let admin = Admin::of(&gateway);
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/master.m3u8");
    for file in ["master.m3u8", "a.mpd"] {
        let target = session.replace("master.m3u8", file);
        assert_eq!(viewer.status(&target), 200);
        origin.take();
        for number in 0..20 {
            let query = format!(
                "_HLS_pathway=a{number}&_HLS_throughput={number}&_DASH_pathway=b{number}&_DASH_throughput={number}"
            );
            assert_eq!(viewer.status(&format!("{target}?{query}")), 200, "{file}");
            assert_eq!(viewer.status(&format!("{target}?_HLS_msn={number}")), 200, "{file}");
        }
        assert_eq!(origin.take().len(), 0, "{file}");
    }
    let kept = || admin.count("cached_manifests", &[]);
    let before = kept();
    assert!(before > 0.0);
    let steering = session.replace("master.m3u8", "steering");
    for number in 0..20 {
        let query = format!("_HLS_pathway=a&_HLS_throughput={number}");
        assert_eq!(viewer.status(&format!("{steering}?{query}")), 200);
        assert_eq!(origin.take().last().unwrap().target, format!("/v/steering?{query}"));
    }
    assert!(kept() <= before, "{before} {}", kept());
}
