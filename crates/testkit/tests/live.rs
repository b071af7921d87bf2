//! The live origin by itself: what it says, holds and refuses.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::time::Duration;

use sluicegate_testkit::browser::{PlayOptions, Player};
use sluicegate_testkit::http::{Client, Response};
use sluicegate_testkit::{Browser, LiveOrigin, require_browser, require_tools};

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

/// The value of the first attribute of that name.
fn attribute<'a>(text: &'a str, name: &str) -> &'a str {
    let (_, after) = text.split_once(&format!(" {name}=\"")).unwrap_or_else(|| panic!("{text}"));
    after.split_once('"').unwrap().0
}

#[test]
fn a_live_mpd_offers_what_is_there() {
    require_tools!("ffmpeg");
    let origin = LiveOrigin::start();
    for name in ["timeline", "number", "patch"] {
        let text = get(&origin, &format!("/dash/{name}.mpd")).text();
        assert_eq!(attribute(&text, "type"), "dynamic");
        assert_eq!(attribute(&text, "timeShiftBufferDepth"), "PT20S");
        assert_eq!(text.contains("<PatchLocation "), name == "patch", "{text}");
        if name == "number" {
            continue;
        }
        let timelines: Vec<_> = text.split("<SegmentTimeline>").skip(1).collect();
        for (folder, timeline) in [("180p", timelines[0]), ("audio", timelines[1])] {
            assert_eq!(timeline.matches("<S ").count(), 10, "{text}");
            let target = format!("/dash/{folder}/t{}.m4s", attribute(timeline, "t"));
            assert_eq!(get(&origin, &target).status, 200, "{target}");
        }
    }
    // 30 s are 15 segments: the next one is held, the one after it is unheard of.
    assert_eq!(get(&origin, "/dash/360p/n14.m4s").status, 200);
    for target in ["n1000.m4s", "t1.m4s", "18446744073709551615.m4s", "n18446744073709551615.m4s"] {
        assert_eq!(get(&origin, &format!("/dash/360p/{target}")).status, 404, "{target}");
    }
}

#[test]
fn a_patch_leads_from_one_mpd_to_the_next() {
    require_tools!("ffmpeg");
    let origin = LiveOrigin::start_after(Duration::from_secs(31));
    let before = get(&origin, "/dash/patch.mpd").text();
    let patch = |from: &str| {
        let (_, location) = from.split_once("ttl=\"60\">").unwrap();
        let (location, _) = location.split_once('<').unwrap();
        get(&origin, &format!("/dash/{}", location.replace("&amp;", "&")))
    };
    let first = patch(&before).text();
    assert_eq!(attribute(&first, "mpdId"), attribute(&before, "id"));
    assert_eq!(attribute(&first, "originalPublishTime"), attribute(&before, "publishTime"));
    // As many segments more as less, of video and of audio.
    assert_eq!(
        (first.matches("<S ").count(), first.matches("<remove ").count()),
        (2, 2),
        "{first}"
    );
    let second = patch(&first).text();
    assert_eq!(attribute(&second, "originalPublishTime"), attribute(&first, "publishTime"));
    let (_, added) = second.split_once("<add ").unwrap();
    let later = get(&origin, "/dash/patch.mpd").text();
    assert!(later.contains(&format!("<S t=\"{}\"", attribute(added, "t"))), "{second}\n{later}");
    for known in ["0", "1000", "18446744073709551615", "x"] {
        assert_eq!(get(&origin, &format!("/dash/patch.mpp?known={known}")).status, 404, "{known}");
    }
}

/// Plays a live MPD without anything between the player and the origin.
fn play_live(name: &str, player: Player) -> LiveOrigin {
    let origin = LiveOrigin::start();
    let options = PlayOptions { player, live_seconds: Some(6), ..PlayOptions::default() };
    let played = Browser::play(&origin.url(&format!("/dash/{name}.mpd")), &options);
    assert!(!played.timed_out && played.frames >= 120, "{played:#?}");
    assert_eq!(played.errors, [], "{played:#?}");
    assert_eq!(origin.refused(), []);
    let is_near = |latency: &f64| (1.0..20.0).contains(latency);
    assert!(played.latency.as_ref().is_some_and(is_near), "{:?}", played.latency);
    origin
}

fn count(origin: &LiveOrigin, part: &str) -> usize {
    origin.asked().iter().filter(|asked| asked.target.contains(part)).count()
}

#[test]
fn dash_js_plays_a_live_timeline_in_chromium() {
    require_tools!("ffmpeg");
    require_browser!();
    let origin = play_live("timeline", Player::DashJs);
    assert!(count(&origin, ".mpd") >= 3 && count(&origin, ".m4s") >= 8, "{:#?}", origin.asked());
}

#[test]
fn dash_js_applies_patches_in_chromium() {
    require_tools!("ffmpeg");
    require_browser!();
    let origin = play_live("patch", Player::DashJs);
    assert_eq!(count(&origin, ".mpd"), 1, "{:#?}", origin.asked());
    assert!(count(&origin, ".mpp") >= 2 && count(&origin, ".m4s") >= 8, "{:#?}", origin.asked());
}

#[test]
fn shaka_plays_live_numbers_in_chromium() {
    require_tools!("ffmpeg");
    require_browser!();
    let origin = play_live("number", Player::Shaka);
    assert!(count(&origin, "/n") >= 8, "{:#?}", origin.asked());
}

#[test]
fn video_js_plays_a_live_timeline_in_chromium() {
    require_tools!("ffmpeg");
    require_browser!();
    let origin = play_live("timeline", Player::VideoJs);
    assert!(count(&origin, ".m4s") >= 8, "{:#?}", origin.asked());
}
