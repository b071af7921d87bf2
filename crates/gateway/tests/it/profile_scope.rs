//! A session with a profile opens what the profile keeps, and nothing of what it leaves out.

use std::collections::BTreeSet;

use sluicegate_testkit::clock::ManualClock;
use sluicegate_testkit::gateway::build;

use crate::support::{
    Admin, LOCAL_ADMIN, Site, Viewer, api, cdn, folder, open, playlist, resolve, token_of, uris,
};

pub(crate) const PROFILES: &str = "[[profile]]\nid = 1\nname = \"sd\"\nmax_height = 576\n\
    [[profile]]\nid = 2\nname = \"hd\"\nmax_height = 720\n\
    [[profile]]\nid = 3\nname = \"advised\"\nmax_height = 576\nprofile_scope = \"advisory\"\n";
const SD: &str = ", \"profile\": \"sd\"";

/// A multivariant playlist of 360, 720 and 1080 lines, with sound, whose playlists have these names.
pub(crate) fn multivariant(name: impl Fn(&str) -> String) -> Vec<u8> {
    let mut text = format!(
        "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",URI=\"{}\"\n",
        name("audio")
    );
    for (height, bandwidth) in [("360", 800_000), ("720", 2_000_000), ("1080", 5_000_000)] {
        text += &format!(
            "#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},RESOLUTION=1x{height},AUDIO=\"a\"\n{}\n",
            name(height)
        );
    }
    text.into_bytes()
}

/// An MPD of 360 and 1080 lines and sound.
pub(crate) fn mpd(media: &str) -> Vec<u8> {
    format!(
        "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" \
         mediaPresentationDuration=\"PT4S\"><Period><AdaptationSet>\
         <SegmentTemplate media=\"{media}\" initialization=\"$RepresentationID$/init.mp4\" \
         duration=\"2\"/>\
         <Representation id=\"360\" height=\"360\" bandwidth=\"800000\"/>\
         <Representation id=\"1080\" height=\"1080\" bandwidth=\"5000000\"/></AdaptationSet>\
         </Period></MPD>"
    )
    .into_bytes()
}

/// Variants in folders of their own, variants in one folder, and an MPD of either kind.
fn media() -> tempfile::TempDir {
    let apart = multivariant(|name| format!("{name}/index.m3u8"));
    let together = multivariant(|name| format!("{name}.m3u8"));
    let folder = folder(&[
        ("v/a/master.m3u8", &apart),
        ("v/a/flat/master.m3u8", &together),
        ("v/a/apart.mpd", &mpd("$RepresentationID$/$Number$.m4s")),
        ("v/a/flat/together.mpd", &mpd("$RepresentationID$-$Number$.m4s")),
    ]);
    for quality in ["360", "720", "1080", "audio"] {
        let names = [format!("{quality}-1.ts"), format!("{quality}-2.ts")];
        let names = names.each_ref().map(String::as_str);
        for (path, content) in [
            (format!("v/a/{quality}/index.m3u8"), playlist(&["1.ts", "more/2.ts"])),
            (format!("v/a/flat/{quality}.m3u8"), playlist(&names)),
            (format!("v/a/{quality}/1.ts"), b"segment".to_vec()),
            (format!("v/a/{quality}/more/2.ts"), b"segment".to_vec()),
            (format!("v/a/{quality}/1.m4s"), b"segment".to_vec()),
            (format!("v/a/{quality}/init.mp4"), b"segment".to_vec()),
            (format!("v/a/flat/{quality}-1.ts"), b"segment".to_vec()),
            (format!("v/a/flat/{quality}-2.ts"), b"segment".to_vec()),
            (format!("v/a/flat/{quality}-1.m4s"), b"segment".to_vec()),
        ] {
            crate::support::write(folder.path(), &path, &content);
        }
    }
    folder
}

/// A path with another's token.
fn with_token_of(target: &str, path: &str) -> String {
    let token = token_of(target);
    match target.contains("sg=") {
        true => format!("{path}?sg={token}"),
        false => format!("/s/{token}{path}"),
    }
}

/// All that a playlist leads to, and what these lead to.
fn reach(viewer: &mut Viewer<'_>, from: &str) -> Vec<String> {
    let text = viewer.get(from);
    assert_eq!(text.status, 200, "{from}: {}", text.text());
    let mut reached = Vec::new();
    for uri in uris(&text.text()) {
        let target = resolve(from, &uri);
        if target.contains(".m3u8") {
            reached.extend(reach(viewer, &target));
        }
        reached.push(target);
    }
    reached
}

#[test]
fn what_a_profile_leaves_out_is_opened_by_no_token_of_the_session() {
    let media = media();
    for route in [
        "",
        "carry = \"query\"",
        "grant = \"file\"",
        "asset = \"/v/{asset}/\"",
        "bind_ip = true",
        "accel = \"/_files/\"",
    ] {
        let gateway = Site { top: PROFILES, route, entry: "profile = \"sd\"" }.folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        for master in ["/v/a/master.m3u8", "/v/a/flat/master.m3u8"] {
            let session = viewer.enter(master);
            let reached = reach(&mut viewer, &session);
            assert_eq!(reached.len(), 6, "{route}: {reached:?}");
            for target in &reached {
                assert_eq!(viewer.status(target), 200, "{route}: {target}");
            }
            for target in reached.iter().chain([&session]) {
                for left_out in [
                    "/v/a/1080/index.m3u8",
                    "/v/a/1080/1.ts",
                    "/v/a/1080/more/2.ts",
                    "/v/a/1080/1.m4s",
                    "/v/a/720/index.m3u8",
                    "/v/a/flat/1080.m3u8",
                    "/v/a/flat/1080-1.ts",
                    "/v/a/flat/720-2.ts",
                ] {
                    let tried = with_token_of(target, left_out);
                    assert_eq!(viewer.status(&tried), 403, "{route}: {tried}");
                    let auth = viewer.ask("GET", "/auth", &[("X-Original-URI", &tried)]);
                    assert_eq!(auth.status, 403, "{route}: {tried}");
                }
            }
        }
    }
}

#[test]
fn representations_in_folders_of_their_own_are_opened_by_folder() {
    let media = media();
    for route in ["", "carry = \"query\"", "grant = \"file\"", "asset = \"/v/{asset}/\""] {
        let gateway = Site { top: PROFILES, route, entry: "profile = \"sd\"" }.folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/v/a/apart.mpd");
        let text = viewer.get(&session).text();
        assert!(!text.contains("1080"), "{route}: {text}");
        let is_template = text.contains("$Number$");
        assert_eq!(is_template, !route.contains("file"), "{route}: {text}");
        // The token of the segments, which is not the session's.
        let own = token_of(&session);
        let tokens: BTreeSet<_> = text
            .match_indices(if route.contains("query") { "sg=" } else { "/s/" })
            .map(|(at, mark)| text[at + mark.len()..][..52].to_owned())
            .collect();
        let opens = |viewer: &mut Viewer<'_>, path: &str| {
            let mut tokens = tokens.iter().map(String::as_str).chain([own]);
            tokens.any(|token| {
                let target = match route.contains("query") {
                    true => format!("{path}?sg={token}"),
                    false => format!("/s/{token}{path}"),
                };
                viewer.status(&target) == 200
            })
        };
        assert!(opens(&mut viewer, "/v/a/360/1.m4s"), "{route}: {text}");
        assert!(opens(&mut viewer, "/v/a/360/init.mp4"), "{route}: {text}");
        assert!(!opens(&mut viewer, "/v/a/1080/1.m4s"), "{route}");
        assert!(!opens(&mut viewer, "/v/a/1080/init.mp4"), "{route}");
        assert!(!opens(&mut viewer, "/v/a/flat/1080-1.m4s"), "{route}");
    }
}

#[test]
fn a_template_whose_folder_holds_what_is_left_out_is_refused_by_a_code_of_its_own() {
    let media = media();
    let top = format!("{PROFILES}{LOCAL_ADMIN}");
    for (route, profile, status) in [
        ("", "sd", 502),
        ("carry = \"query\"", "sd", 502),
        ("asset = \"/v/{asset}/\"", "sd", 502),
        ("grant = \"file\"", "sd", 200),
        ("", "advised", 200),
    ] {
        let entry = format!("profile = \"{profile}\"");
        let gateway = Site { top: &top, route, entry: &entry }.folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/v/a/flat/together.mpd");
        let answer = viewer.get(&session);
        assert_eq!(answer.status, status, "{route}: {}", answer.text());
        if status == 502 {
            assert!(answer.text().contains("\"profile-scope\""), "{}", answer.text());
            let told = Admin::of(&gateway).json("/api/events")["refused"][0].to_string();
            assert!(told.contains("profile_scope") && told.contains("line "), "{told}");
        }
    }
}

#[test]
fn a_template_beside_its_mpd_opens_segments_and_no_other_manifest() {
    let text = String::from_utf8(mpd("$RepresentationID$-$Number$.m4s")).unwrap();
    let text = text.replace("height=\"1080\"", "height=\"480\"").into_bytes();
    let media = folder(&[
        ("v/a.mpd", &text),
        ("v/large.mpd", &mpd("$RepresentationID$/$Number$.m4s")),
        ("v/360-1.m4s", b"segment"),
        ("v/below/1.m4s", b"segment"),
    ]);
    let gateway =
        Site { top: PROFILES, entry: "profile = \"sd\"", ..Site::default() }.folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/a.mpd");
    let text = viewer.get(&session).text();
    assert!(text.contains("$Number$"), "{text}");
    let tokens: BTreeSet<_> = text.split("/s/").skip(1).map(|rest| &rest[..52]).collect();
    let mut opened = |path: &str| {
        tokens.iter().filter(|token| viewer.status(&format!("/s/{token}{path}")) == 200).count()
    };
    assert_eq!(opened("/v/360-1.m4s"), 1, "{text}");
    assert_eq!([opened("/v/large.mpd"), opened("/v/below/1.m4s")], [0, 0], "{text}");
}

#[test]
fn an_advisory_profile_cuts_manifests_alone() {
    let media = media();
    let gateway = Site { top: PROFILES, entry: "profile = \"advised\"", ..Site::default() }
        .folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/a/master.m3u8");
    assert_eq!(uris(&viewer.get(&session).text()), ["audio/index.m3u8", "360/index.m3u8"]);
    assert_eq!(viewer.status(&session.replace("master.m3u8", "1080/1.ts")), 200);
}

#[test]
fn texts_are_of_one_profile_and_sessions_end() {
    let media = media();
    let gateway = Site { top: PROFILES, ..Site::default() }.folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let sessions: Vec<_> = ["sd", "hd", "sd"]
        .map(|name| {
            let more = format!(", \"profile\": \"{name}\"");
            open(&gateway, "/v/a/master.m3u8", &more)
        })
        .into();
    for _ in 0..2 {
        for ((_, session), variants) in sessions.iter().zip([1, 2, 1]) {
            let text = viewer.get(session).text();
            assert_eq!(text.matches("STREAM-INF").count(), variants, "{text}");
            let reached = reach(&mut viewer, session);
            let is_hd = reached.iter().any(|target| target.contains("/720/"));
            assert_eq!(is_hd, variants == 2, "{reached:?}");
            // No token of another session stands there.
            for (_, other) in sessions.iter().filter(|(_, other)| other != session) {
                assert!(!text.contains(token_of(other)), "{text}");
            }
        }
    }
    let (id, session) = &sessions[0];
    let reached = reach(&mut viewer, session);
    assert_eq!(api(&gateway, "DELETE", &format!("/v1/sessions/{id}")).0, 204);
    for target in reached.iter().chain([session]) {
        let answer = viewer.get(target);
        assert_eq!(answer.status, 403, "{target}");
        assert!(answer.text().contains("session-revoked"), "{}", answer.text());
    }
    assert_eq!(viewer.status(&sessions[1].1), 200);
}

#[test]
fn a_cdns_tokens_of_folders_are_given_where_qualities_have_folders() {
    let media = media();
    let base = "https://cdn.example.com/";
    let tree = cdn(base, "tree", 3600).replace("scope", "scheme = \"bunny\"\nscope");
    for (route, path, status) in [
        (cdn(base, "file", 3600), "/v/a/flat/master.m3u8", 200),
        (cdn(base, "file", 3600), "/v/a/flat/together.mpd", 200),
        (cdn(base, "directory", 3600), "/v/a/master.m3u8", 200),
        (cdn(base, "directory", 3600), "/v/a/apart.mpd", 200),
        (cdn(base, "directory", 3600), "/v/a/flat/master.m3u8", 502),
        (cdn(base, "directory", 3600), "/v/a/flat/together.mpd", 502),
        (tree.clone(), "/v/a/master.m3u8", 200),
        (tree.clone(), "/v/a/apart.mpd", 200),
        (tree, "/v/a/flat/master.m3u8", 502),
    ] {
        for delivery in ["cdn", "redirect"] {
            let route = route.replace("\"cdn\"", &format!("\"{delivery}\""));
            for asset in ["", "asset = \"/v/{asset}/\"\n"] {
                let route = format!("{asset}{route}");
                // Through the gateway such a template has a token of the folder, and is refused.
                let is_shared = path.contains("together") && delivery == "redirect";
                let status = if is_shared { 502 } else { status };
                let gateway = Site { top: PROFILES, route: &route, entry: "profile = \"sd\"" }
                    .folder(media.path());
                let mut viewer = Viewer::of(&gateway);
                let session = viewer.enter(path);
                let answer = viewer.get(&session);
                assert_eq!(answer.status, status, "{route} {path}: {}", answer.text());
                if status == 502 {
                    assert!(answer.text().contains("profile-scope"), "{}", answer.text());
                } else if path.ends_with("m3u8") {
                    for uri in uris(&answer.text()) {
                        let variant = viewer.get(&resolve(&session, &uri));
                        assert_eq!(variant.status, 200, "{route} {path}: {}", variant.text());
                    }
                }
            }
        }
    }
}

#[test]
fn what_a_kept_playlist_says_of_others_opens_nothing() {
    let live = "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n1.ts\n\
        #EXT-X-RENDITION-REPORT:URI=\"../1080/index.m3u8\",LAST-MSN=1\n";
    let media = media();
    let master = b"#EXTM3U\n\
        #EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID=\"big\",NAME=\"x\",URI=\"1080/index.m3u8\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=1x360\n360/live.m3u8\n\
        #EXT-X-STREAM-INF:BANDWIDTH=2,RESOLUTION=1x1080,VIDEO=\"big\"\n1080/other.m3u8\n";
    crate::support::write(media.path(), "v/a/live.m3u8", master);
    crate::support::write(media.path(), "v/a/360/live.m3u8", live.as_bytes());
    for route in ["", "carry = \"query\"", "grant = \"file\""] {
        let gateway = Site { top: PROFILES, route, ..Site::default() }.folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        let (_, session) = open(&gateway, "/v/a/live.m3u8", SD);
        let found = uris(&viewer.get(&session).text());
        assert_eq!(found.len(), 1, "{route}: {found:?}");
        let variant = resolve(&session, &found[0]);
        let named = uris(&viewer.get(&variant).text());
        assert_eq!(viewer.status(&resolve(&variant, &named[0])), 200, "{route}");
        let report = resolve(&variant, &named[1]);
        assert_eq!(viewer.status(&report), 403, "{route}: {report}");
    }
}

#[test]
fn a_steering_server_brings_no_variants_into_a_session_with_a_profile() {
    let clones = b"{\"VERSION\":1,\"TTL\":300,\"PATHWAY-PRIORITY\":[\"b\"],\"PATHWAY-CLONES\":[{\"BASE-ID\":\
        \"a\",\"ID\":\"b\",\"URI-REPLACEMENT\":{\"PER-VARIANT-URIS\":{\"x\":\"1080/index.m3u8\"}}}]}";
    let mut master = b"#EXTM3U\n#EXT-X-CONTENT-STEERING:SERVER-URI=\"steer.json\"\n".to_vec();
    master.extend_from_slice(&multivariant(|name| format!("{name}/index.m3u8"))[8..]);
    let media = media();
    crate::support::write(media.path(), "v/a/steered.m3u8", &master);
    crate::support::write(media.path(), "v/a/steer.json", clones);
    let gateway = Site { top: PROFILES, ..Site::default() }.folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    for (more, status) in [("", 200), (SD, 502)] {
        let (_, session) = open(&gateway, "/v/a/steered.m3u8", more);
        let found = uris(&viewer.get(&session).text());
        let answer = viewer.get(&resolve(&session, &found[0]));
        assert_eq!(answer.status, status, "{more}: {}", answer.text());
        assert!(status == 200 || answer.text().contains("profile-scope"), "{}", answer.text());
    }
}

#[test]
fn a_cdn_that_signs_all_alike_goes_with_no_enforced_profile_of_links() {
    let folder = tempfile::tempdir().unwrap();
    let tree = |fields: &str| {
        cdn("https://cdn.example.com/", "tree", 60)
            .replace("scope", &format!("scheme = \"bunny\"\n{fields}\nscope"))
    };
    let fixed = tree("fields = { token_path = \"/\" }");
    // One token of these opens all of a video.
    let video = cdn("https://cdn.example.com/videos/", "tree", 60)
        .replace("scope", "scheme = \"gcore-streaming\"\nscope");
    for (profile, route, is_good) in [
        ("sd", fixed.clone(), false),
        ("sd", fixed.replace("\"cdn\"", "\"redirect\""), false),
        ("sd", fixed.replace("\"cdn\"", "\"gateway\""), true),
        ("advised", fixed, true),
        ("sd", video.clone(), false),
        ("sd", format!("asset = \"/v/{{asset}}/\"\n{video}"), false),
        ("advised", video, true),
        ("sd", tree(""), true),
        ("sd", cdn("https://cdn.example.com/", "directory", 60), true),
    ] {
        let entry = format!("profile = \"{profile}\"");
        let text = Site { top: PROFILES, route: &route, entry: &entry }.config("http://a.test/");
        let built = build(&text, folder.path(), &ManualClock::at_real_time()).map(|_| ());
        match is_good {
            true => assert_eq!(built, Ok(()), "{profile}: {route}"),
            false => {
                let error = built.unwrap_err();
                assert!(error.contains("cdn.scope: one token"), "{route}: {error}");
                assert!(error.contains("profile_scope"), "{route}: {error}");
            }
        }
    }
}
