//! Blocking reloads (RFC 8216bis section 6.2.5.2): as long as the origin holds one, so does the gateway.

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use sluicegate_testkit::live::Asked;
use sluicegate_testkit::{Gateway, LiveOrigin, Server, require_tools};

use crate::setup::{Viewer, awaiting, config, gateway, hinted, parts_later, with_query};

/// What an answer may take beyond the moment from which on it can be given, on a busy machine.
const SLACK: Duration = Duration::from_millis(1500);

/// The one request for this target.
fn asked_for(origin: &LiveOrigin, target: &str) -> Asked {
    let mut asked: Vec<_> =
        origin.asked().into_iter().filter(|asked| asked.target == target).collect();
    assert_eq!(asked.len(), 1, "{target}: {asked:#?}");
    asked.remove(0)
}

/// Asks through the gateway for the playlist that has a part, and checks that the answer is the
/// origin's, from when there is that part.
fn assert_held(viewer: &mut Viewer, origin: &LiveOrigin, query: &str, (msn, part): (u64, u64)) {
    let playlist = viewer.variant("360p");
    let text = viewer.playlist(&with_query(&playlist, query));
    let back = origin.now();
    let asked = asked_for(origin, &format!("/ll/360p/index.m3u8?{query}"));
    let answer = asked.answer.unwrap();
    let there = origin.has_part_at("360p", msn, part);
    let free = there.max(asked.arrived);
    eprintln!(
        "{query}: asked at {:?}, part at {there:?}, answered at {:?}, back at {back:?}",
        asked.arrived, answer.at
    );
    assert!(answer.at >= free && answer.at <= free + SLACK);
    assert!(back >= answer.at && back <= answer.at + SLACK);
    assert_eq!(Some(&text), answer.playlist.as_ref());
    assert!(text.contains(&format!("part-{msn}.{part}.m4s\"")), "{text}");
    assert!(hinted(&text) > (msn, part), "{text}");
}

#[test]
fn a_blocking_reload_is_held_until_the_part_is_there() {
    require_tools!("ffmpeg");
    let origin = LiveOrigin::start();
    let gateway = gateway(&origin, "");
    let mut viewer = Viewer::enter(&gateway, "/ll/master.m3u8");
    let playlist = viewer.variant("360p");
    let next = hinted(&viewer.playlist(&playlist));
    let (msn, part) = parts_later(next, 2);
    assert_held(&mut viewer, &origin, &format!("_HLS_msn={msn}&_HLS_part={part}"), (msn, part));
}

#[test]
fn a_blocking_reload_of_a_streams_first_segment_is_held() {
    require_tools!("ffmpeg");
    let origin = LiveOrigin::start_after(Duration::ZERO);
    let gateway = gateway(&origin, "");
    let mut viewer = Viewer::enter(&gateway, "/ll/master.m3u8");
    assert_held(&mut viewer, &origin, "_HLS_msn=0&_HLS_part=1", (0, 1));
    assert_held(&mut viewer, &origin, "_HLS_msn=0", (0, 4));
}

#[test]
fn viewers_who_wait_for_different_parts_each_get_their_own() {
    require_tools!("ffmpeg");
    let origin = LiveOrigin::start();
    let gateway = gateway(&origin, "");
    let mut viewer = Viewer::enter(&gateway, "/ll/master.m3u8");
    let playlist = viewer.variant("360p");
    let next = hinted(&viewer.playlist(&playlist));
    let texts = std::thread::scope(|scope| {
        let waiting = [1, 3].map(|n| {
            let (gateway, place) = (&gateway, parts_later(next, n));
            scope.spawn(move || {
                let mut viewer = Viewer::enter(gateway, "/ll/master.m3u8");
                let playlist = viewer.variant("360p");
                (place, viewer.playlist(&awaiting(&playlist, place.0, place.1)))
            })
        });
        waiting.map(|thread| thread.join().unwrap())
    });
    for ((msn, part), text) in texts {
        let query = format!("_HLS_msn={msn}&_HLS_part={part}");
        let asked = asked_for(&origin, &format!("/ll/360p/index.m3u8?{query}"));
        assert_eq!(asked.answer.unwrap().playlist, Some(text));
    }
}

#[test]
fn what_is_too_far_ahead_is_refused_and_not_held() {
    require_tools!("ffmpeg");
    let origin = LiveOrigin::start();
    let gateway = gateway(&origin, "");
    let mut viewer = Viewer::enter(&gateway, "/ll/master.m3u8");
    let playlist = viewer.variant("360p");
    let response = viewer.get(&awaiting(&playlist, 100_000, 0));
    assert_eq!(origin.refused(), [], "the origin is not asked for it");
    assert_eq!(response.status, 400, "{}", response.text());
    assert!(response.text().contains("bad-query"), "{}", response.text());
    // The next one is answered at once, as ever.
    assert!(viewer.playlist(&playlist).starts_with("#EXTM3U"));
}

/// The directives are part of the cache's key: this origin says of any two that they are the same
/// as soon as it is asked about one with the other's validator.
#[test]
fn a_playlist_is_kept_for_its_directives_alone() {
    async fn answer(request: Request) -> axum::response::Response {
        if request.headers().contains_key(header::IF_NONE_MATCH) {
            return StatusCode::NOT_MODIFIED.into_response();
        }
        let query = request.uri().query().unwrap_or("none").replace(['=', '&'], "-");
        let text = format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n\
             #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12\n#EXTINF:2,\n{query}.m4s\n"
        );
        ([(header::ETAG, "\"same\"")], text).into_response()
    }
    let origin = Server::start(Router::new().fallback(answer));
    let gateway = Gateway::start(&config(&origin.url("/"), ""));
    let mut viewer = Viewer::enter(&gateway, "/ll/index.m3u8");
    let playlist = viewer.master.clone();
    for _ in 0..2 {
        assert!(viewer.playlist(&playlist).contains("\nnone.m4s"));
        for query in ["_HLS_msn=1", "_HLS_msn=1&_HLS_skip=YES"] {
            let text = viewer.playlist(&with_query(&playlist, query));
            let name = query.replace(['=', '&'], "-");
            assert!(text.contains(&format!("\n{name}.m4s")), "{text}");
        }
    }
}
