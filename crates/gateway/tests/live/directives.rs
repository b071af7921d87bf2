//! Delivery directives and what depends on them: delta updates and rendition reports.

use sluicegate_testkit::{LiveOrigin, require_tools};

use crate::setup::{Viewer, by_cdn, gateway, with_query};

/// The target and the text of the origin's last playlist.
fn last_playlist(origin: &LiveOrigin) -> (String, String) {
    let asked = origin.asked().pop().unwrap();
    (asked.target, asked.answer.unwrap().playlist.unwrap())
}

#[test]
fn delta_updates_pass_by_byte_when_the_gateway_delivers_segments() {
    require_tools!("ffmpeg");
    let origin = LiveOrigin::start();
    let gateway = gateway(&origin, "");
    let mut viewer = Viewer::enter(&gateway, "/ll/master.m3u8");
    let playlist = viewer.variant("360p");

    let whole = viewer.playlist(&playlist);
    assert_eq!(last_playlist(&origin), ("/ll/360p/index.m3u8".to_owned(), whole.clone()));
    assert!(whole.contains(",CAN-SKIP-UNTIL=12.0\n"), "{whole}");

    // A directive is one by its name; what others append to URLs stays here.
    let query = "utm_source=x&_HLS_msn=3&hls=_HLS_part&_HLS_part=1&_HLS_skip=YES&md5=0";
    let delta = viewer.playlist(&with_query(&playlist, query));
    // The playlist has that segment already: nothing is waited for.
    let target = "/ll/360p/index.m3u8?_HLS_skip=YES";
    assert_eq!(last_playlist(&origin), (target.to_owned(), delta.clone()));
    assert!(delta.contains("\n#EXT-X-SKIP:SKIPPED-SEGMENTS="), "{delta}");
}

/// Players keep the URLs of segments that an update skips, tokens and all.
#[test]
fn delta_updates_are_off_when_a_cdn_delivers_segments() {
    require_tools!("ffmpeg");
    let origin = LiveOrigin::start();
    let gateway = gateway(&origin, &by_cdn("http://cdn.test/", 60));
    let mut viewer = Viewer::enter(&gateway, "/ll/master.m3u8");
    let playlist = viewer.variant("360p");
    let text =
        viewer.playlist(&with_query(&playlist, "_HLS_msn=3&_HLS_skip=YES&_HLS_part=1&other=1"));
    let (target, sent) = last_playlist(&origin);
    assert_eq!(target, "/ll/360p/index.m3u8");
    let control = |text: &str| {
        text.lines().find(|line| line.starts_with("#EXT-X-SERVER-CONTROL:")).unwrap().to_owned()
    };
    assert_eq!(control(&sent), control(&text) + ",CAN-SKIP-UNTIL=12.0");
    assert!(!text.contains("SKIP"), "{text}");
    for carrier in ["EXT-X-MAP:URI=\"", "EXT-X-PART:DURATION=0.400000,URI=\"", "seg-"] {
        assert!(text.contains(carrier), "{text}");
    }
    let uris = text.matches(".m4s").count() + text.matches(".mp4").count();
    assert_eq!(text.matches("?md5=").count(), uris, "{text}");
}

/// hls.js switches renditions by comparing these URLs as text.
#[test]
fn a_rendition_report_names_the_url_of_the_multivariant_playlist() {
    require_tools!("ffmpeg");
    let origin = LiveOrigin::start();
    let by_cdn = by_cdn("http://cdn.test/", 60);
    for settings in ["carry = \"path\"", "carry = \"query\"", &by_cdn] {
        let gateway = gateway(&origin, settings);
        let mut viewer = Viewer::enter(&gateway, "/ll/master.m3u8");
        let wanted = ["180p", "360p"].map(|name| viewer.variant(name));
        for (name, other) in [("360p", &wanted[0]), ("180p", &wanted[1])] {
            let playlist = viewer.variant(name);
            let text = viewer.playlist(&playlist);
            let reports: Vec<_> = text
                .lines()
                .filter_map(|line| line.strip_prefix("#EXT-X-RENDITION-REPORT:URI=\""))
                .map(|rest| playlist.join(rest.split('"').next().unwrap()).unwrap())
                .collect();
            assert_eq!(reports.len(), 2, "{text}");
            assert!(reports.contains(other), "{settings}: {other} is not among {reports:#?}");
            let has_token = |url: &str| url.contains("/s/") || url.contains("?sg=");
            assert!(reports.iter().all(|url| has_token(url.as_str())), "{reports:#?}");
        }
    }
    assert_eq!(origin.refused(), []);
}
