//! Profiles: sessions that may have less than there is.

use serde_json::Value;
use sluicegate_testkit::gateway::BEARER;

use crate::support::{Site, Viewer, folder, uris};

const MULTIVARIANT: &[u8] = b"#EXTM3U\n\
    #EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360\n360/index.m3u8\n\
    #EXT-X-STREAM-INF:BANDWIDTH=5000000,RESOLUTION=1920x1080\n1080/index.m3u8\n";
const MPD: &[u8] = br#"<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT4S"><Period>
<AdaptationSet><SegmentTemplate media="$RepresentationID$/$Number$.m4s" duration="2"/>
<Representation id="360" height="360" bandwidth="800000"/>
<Representation id="1080" height="1080" bandwidth="5000000"/>
</AdaptationSet></Period></MPD>"#;
const PROFILES: &str = "[[profile]]\nid = 1\nname = \"sd\"\nmax_height = 576\n\
    [[profile]]\nid = 2\nname = \"none\"\nmax_bitrate = 1\n";

fn open(viewer: &mut Viewer<'_>, path: &str, profile: &str) -> (u16, String, String) {
    let body =
        format!("{{\"path\": \"{path}\", \"profile\": \"{profile}\", \"user\": \"{profile}\"}}");
    let bearer = format!("Bearer {BEARER}");
    let opened = viewer.call(&[("Authorization", bearer.as_str())], &body);
    let json: Value = serde_json::from_slice(&opened.body).unwrap();
    let url = json["urls"]["hls"].as_str().or(json["urls"]["dash"].as_str()).unwrap_or_default();
    let path = url.splitn(4, '/').nth(3).map(|path| format!("/{path}")).unwrap_or_default();
    (opened.status, path, opened.text())
}

#[test]
fn a_session_sees_what_its_profile_allows() {
    let media = folder(&[("v/master.m3u8", MULTIVARIANT), ("v/stream.mpd", MPD)]);
    for route in ["", "carry = \"query\"", "grant = \"file\""] {
        let gateway = Site { top: PROFILES, route, ..Site::default() }.folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        let all = viewer.enter("/v/master.m3u8");
        let (_, limited, _) = open(&mut viewer, "/v/master.m3u8", "sd");
        // One template serves both, in any order.
        for _ in 0..2 {
            assert_eq!(uris(&viewer.get(&all).text()).len(), 2, "{route}");
            let text = viewer.get(&limited).text();
            assert_eq!(uris(&text).len(), 1, "{route}");
            assert!(text.contains("640x360") && !text.contains("1080"), "{text}");
        }
        assert_ne!(viewer.get(&all).header("etag"), viewer.get(&limited).header("etag"));
        let (_, limited, _) = open(&mut viewer, "/v/stream.mpd", "sd");
        let text = viewer.get(&limited).text();
        assert!(text.contains("id=\"360\"") && !text.contains("1080"), "{text}");
        let listed = viewer.ask(
            "GET",
            "/v1/sessions?user=sd",
            &[("Authorization", &format!("Bearer {BEARER}"))],
        );
        assert!(listed.text().contains("\"profile\":\"sd\""), "{}", listed.text());
    }
}

#[test]
fn what_a_profile_leaves_nothing_of_is_refused() {
    let media = folder(&[("v/master.m3u8", MULTIVARIANT), ("v/stream.mpd", MPD)]);
    let gateway = Site { top: PROFILES, ..Site::default() }.folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    for path in ["/v/master.m3u8", "/v/stream.mpd"] {
        let (_, session, _) = open(&mut viewer, path, "none");
        let answer = viewer.get(&session);
        assert_eq!(answer.status, 403, "{path}: {}", answer.text());
        assert!(answer.text().contains("profile-leaves-nothing"), "{}", answer.text());
    }
    let (status, _, text) = open(&mut viewer, "/v/master.m3u8", "hd");
    assert_eq!(status, 400);
    assert!(text.contains("profile: there is none named") && text.contains("hd"), "{text}");
}

#[test]
fn links_open_sessions_of_a_profile() {
    let media = folder(&[("v/master.m3u8", MULTIVARIANT)]);
    let entry = "profile = \"sd\"";
    let gateway = Site { top: PROFILES, entry, ..Site::default() }.folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/master.m3u8");
    assert_eq!(uris(&viewer.get(&session).text()).len(), 1);
    // A profile that the configuration does not know any more is not none.
    let without = Site { top: "", ..Site::default() }.folder(media.path());
    let answer = Viewer::of(&without).get(&session);
    assert_eq!(answer.status, 403);
    assert!(answer.text().contains("profile-unknown"), "{}", answer.text());
}
