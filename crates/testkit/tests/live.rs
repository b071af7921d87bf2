//! The live origin by itself: what it says, holds and refuses.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::time::Duration;

use sluicegate_testkit::http::{Client, Response};
use sluicegate_testkit::{LiveOrigin, require_tools};

fn get(origin: &LiveOrigin, target: &str) -> Response {
    Client::connect(origin.addr()).unwrap().get(target.as_bytes(), &[]).unwrap()
}

/// The number after a tag or an attribute.
fn number_after(text: &str, name: &str) -> u64 {
    let (_, after) = text.split_once(name).unwrap_or_else(|| panic!("no {name} in {text}"));
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

#[test]
fn segments_move_on_with_the_time() {
    require_tools!("ffmpeg");
    let origin = LiveOrigin::start_after(Duration::from_secs(31));
    let text = get(&origin, "/plain/180p/index.m3u8").text();
    // 15 segments at the start, the last 12 of them in the playlist.
    let first = number_after(&text, "#EXT-X-MEDIA-SEQUENCE:");
    assert!(first >= 3 && !text.contains("#EXT-X-ENDLIST"), "{text}");
    let named = text.lines().filter(|line| line.starts_with("seg-")).count();
    assert_eq!((named, number_after(&text, "\nseg-")), (12, first));

    let start = origin.now();
    std::thread::sleep(LiveOrigin::TARGET_DURATION);
    let later = get(&origin, "/plain/180p/index.m3u8").text();
    let moved = number_after(&later, "#EXT-X-MEDIA-SEQUENCE:") - first;
    let most = (origin.now() - start).as_secs().div_ceil(LiveOrigin::TARGET_DURATION.as_secs());
    assert!((1..=most + 1).contains(&moved), "{later}");
}

#[test]
fn what_cannot_be_awaited_is_refused() {
    require_tools!("ffmpeg");
    let origin = LiveOrigin::start();
    for (target, status) in [
        ("/ll/360p/index.m3u8?_HLS_part=1", 400),
        ("/ll/360p/index.m3u8?_HLS_msn=x", 400),
        ("/ll/360p/index.m3u8?_HLS_msn=1000", 400),
        ("/ll/360p/part-1000.0.m4s", 404),
        ("/ll/360p/part-1.m4s", 404),
        ("/ll/720p/index.m3u8", 404),
        ("/other", 404),
        ("/ll/360p/index.m3u8?_HLS_msn=0", 200),
        ("/ll/360p/init.mp4", 200),
    ] {
        assert_eq!(get(&origin, target).status, status, "{target}");
    }
    assert_eq!(origin.asked().len(), 9);
    assert_eq!(origin.refused().len(), 7);
}

#[test]
fn a_hinted_part_is_held_until_it_is_there() {
    require_tools!("ffmpeg");
    let origin = LiveOrigin::start();
    let text = get(&origin, "/ll/audio/index.m3u8").text();
    let (msn, part) = (number_after(&text, "TYPE=PART,URI=\"part-"), {
        let (_, hint) = text.split_once("TYPE=PART,URI=\"part-").unwrap();
        number_after(hint, ".")
    });
    assert_eq!(get(&origin, &format!("/ll/audio/part-{msn}.{part}.m4s")).status, 200);
    let answer = origin.asked().pop().unwrap().answer.unwrap();
    assert!(answer.at >= origin.has_part_at("audio", msn, part));
}

#[test]
fn a_delta_update_leaves_out_what_is_old_and_nothing_else() {
    require_tools!("ffmpeg");
    let origin = LiveOrigin::start();
    let delta = get(&origin, "/ll/360p/index.m3u8?_HLS_msn=0&_HLS_skip=YES").text();
    let skipped = number_after(&delta, "#EXT-X-SKIP:SKIPPED-SEGMENTS=");
    // 24 s and the parts of the current segment, of which the last 12 s must be named.
    assert!((6..=7).contains(&skipped), "{delta}");
    let first = number_after(&delta, "#EXT-X-MEDIA-SEQUENCE:");
    assert_eq!(number_after(&delta, "\nseg-"), first + skipped);
}
