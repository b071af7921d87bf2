//! A profile where names and folders do not tell qualities apart, and where it takes much work to compare
//! what is kept with what is left out.

use std::fmt::Write as _;

use sluicegate_testkit::Gateway;

use crate::profile_scope::{PROFILES, mpd, multivariant};
use crate::support::{
    Admin, LOCAL_ADMIN, Site, Viewer, cdn, folder, open, playlist, resolve, uris,
};

/// A gateway whose links open sessions of a profile.
fn gateway(media: &tempfile::TempDir, route: &str, profile: &str, limits: &str) -> Gateway {
    let top = format!("{LOCAL_ADMIN}{limits}\n{PROFILES}");
    let entry = format!("profile = \"{profile}\"");
    Site { top: &top, route, entry: &entry }.folder(media.path())
}

/// The status of a manifest, which tells the code of a refusal.
fn told(gateway: &Gateway, path: &str) -> String {
    let mut viewer = Viewer::of(gateway);
    let session = viewer.enter(path);
    let answer = viewer.get(&session);
    match answer.status {
        200 => "200".to_owned(),
        status => {
            let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            format!("{status} {}", body["code"].as_str().unwrap())
        }
    }
}

/// Why the gateway refused a manifest, as the operators see it.
fn reason(gateway: &Gateway) -> String {
    Admin::of(gateway).json("/api/events")["refused"][0].to_string()
}

#[test]
fn qualities_that_differ_by_their_query_alone_are_refused() {
    let by_query = multivariant(|name| format!("list.m3u8?q={name}"));
    let without = multivariant(|name| match name {
        "360" => "list.m3u8".to_owned(),
        _ => format!("list.m3u8?q={name}"),
    });
    let media = folder(&[
        ("v/a/master.m3u8", &by_query),
        ("v/a/without.m3u8", &without),
        ("v/a/list.m3u8", &playlist(&["1.ts"])),
        ("v/a/templates.mpd", &mpd("m/$Number$.m4s?q=$RepresentationID$")),
    ]);
    let files = cdn("https://cdn.example.com/", "file", 3600);
    for route in ["", "forward_query = [\"q\"]", "grant = \"file\"", "carry = \"query\"", &files] {
        for path in ["/v/a/master.m3u8", "/v/a/without.m3u8", "/v/a/templates.mpd"] {
            let enforced = gateway(&media, route, "sd", "");
            assert_eq!(told(&enforced, path), "502 profile-scope", "{route}: {path}");
            assert!(reason(&enforced).contains("profile_scope"), "{}", reason(&enforced));
            let advised = gateway(&media, route, "advised", "");
            assert_eq!(told(&advised, path), "200", "{route}: {path}");
        }
    }
}

#[test]
fn what_is_kept_and_left_out_with_the_same_query_is_kept() {
    let shared = multivariant(|name| match name {
        "audio" => "audio.m3u8?v=1".to_owned(),
        "1080" => "360.m3u8?v=1".to_owned(),
        name => format!("{name}.m3u8?v=1"),
    });
    let shared = String::from_utf8(shared).unwrap().replace("720.m3u8?v=1", "audio.m3u8?v=1");
    let list = playlist(&["1.ts"]);
    let media = folder(&[
        ("v/a/master.m3u8", shared.as_bytes()),
        ("v/a/360.m3u8", &list),
        ("v/a/audio.m3u8", &list),
    ]);
    for route in ["forward_query = [\"v\"]", "grant = \"file\"", "carry = \"query\""] {
        let gateway = gateway(&media, route, "sd", "");
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/v/a/master.m3u8");
        let found = uris(&viewer.get(&session).text());
        assert_eq!(found.len(), 2, "{route}: {found:?}");
        for uri in found {
            assert_eq!(viewer.status(&resolve(&session, &uri)), 200, "{route}: {uri}");
        }
    }
}

/// Whoever may raise the bound is shown its key, and not that of the profile.
#[test]
fn more_segments_than_may_be_written_out_are_refused_by_the_key_of_that_bound() {
    let media = folder(&[("v/a/one.mpd", &mpd("m/$RepresentationID$-$Number$.m4s"))]);
    let files = cdn("https://cdn.example.com/", "file", 3600);
    for route in [&files, &format!("unexpandable = \"redirect\"\n{files}")] {
        let few = gateway(&media, route, "sd", "[limits]\nmax_expanded_segments = 1");
        assert_eq!(told(&few, "/v/a/one.mpd"), "502 manifest-uri-refused", "{route}");
        assert!(reason(&few).contains("limits.max_expanded_segments"), "{}", reason(&few));
        assert_eq!(told(&gateway(&media, route, "sd", ""), "/v/a/one.mpd"), "200", "{route}");
    }
}

/// An MPD of one Representation that is kept and one that is left out, of so many segments each.
fn lists(kept: usize, left_out: usize, folder_bytes: usize) -> Vec<u8> {
    let mut text = "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" \
        mediaPresentationDuration=\"PT4S\"><Period><AdaptationSet>"
        .to_owned();
    for (height, count) in [(360, kept), (1080, left_out)] {
        let _ = write!(
            text,
            "<Representation id=\"{height}\" height=\"{height}\" bandwidth=\"1\">\
             <SegmentList duration=\"1\">"
        );
        let folder = "f".repeat(folder_bytes);
        for at in 0..count {
            let _ = write!(text, "<SegmentURL media=\"{height}/{folder}{at}/s.m4s\"/>");
        }
        text.push_str("</SegmentList></Representation>");
    }
    (text + "</AdaptationSet></Period></MPD>").into_bytes()
}

#[test]
fn an_enforced_profile_takes_no_more_work_and_memory_than_one_manifest_may() {
    let media = folder(&[
        ("v/a/kept.mpd", &lists(1_000, 1, 1)),
        ("v/a/left-out.mpd", &lists(1, 100, 3_000)),
    ]);
    for (path, max_steps, enough) in
        [("/v/a/kept.mpd", 450_000, 1_500_000), ("/v/a/left-out.mpd", 1_000_000, 2_000_000)]
    {
        let limits = |steps: usize| format!("[limits]\nmax_steps = {steps}\nsteps_per_byte = 1");
        for (profile, steps, expected) in [
            ("advised", max_steps, "200"),
            ("sd", max_steps, "502 manifest-uri-refused"),
            ("sd", enough, "200"),
        ] {
            let gateway = gateway(&media, "", profile, &limits(steps));
            assert_eq!(told(&gateway, path), expected, "{path}: {profile}, {steps}");
            let names_limit = || {
                let why = reason(&gateway);
                why.contains("limits.max_steps") && why.contains(&format!("{steps} steps"))
            };
            assert!(expected == "200" || names_limit(), "{}", reason(&gateway));
        }
    }
}

#[test]
fn a_document_that_is_none_gets_no_token_of_the_cdn_that_opens_what_is_left_out() {
    let steered = |server: &str| {
        let mut text =
            format!("#EXTM3U\n#EXT-X-CONTENT-STEERING:SERVER-URI=\"{server}\"\n").into_bytes();
        text.extend_from_slice(&multivariant(|name| format!("{name}/index.m3u8"))[8..]);
        text
    };
    let interstitial = |list: &str| {
        format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\n\
             #EXT-X-DATERANGE:ID=\"x\",CLASS=\"com.apple.hls.interstitial\",\
             START-DATE=\"2026-01-01T00:00:00Z\",X-ASSET-LIST=\"{list}\"\n\
             #EXTINF:2,\n1.ts\n#EXT-X-ENDLIST\n"
        )
    };
    let media = folder(&[
        ("v/a/crossing.m3u8", &steered("1080/steer")),
        ("v/a/beside.m3u8", &steered("steer")),
        ("v/a/steer", b"no document"),
        ("v/a/1080/steer", b"no document"),
        ("v/a/360/index.m3u8", interstitial("../1080/list.json").as_bytes()),
        ("v/a/audio/index.m3u8", interstitial("list.json").as_bytes()),
    ]);
    for delivery in ["cdn", "redirect"] {
        for (scope, crossing, beside) in [
            ("directory", "502 profile-scope", "200"),
            ("tree", "502 profile-scope", "502 profile-scope"),
            ("file", "200", "200"),
        ] {
            let route = cdn("https://cdn.example.com/", scope, 3600)
                .replace("\"cdn\"", &format!("\"{delivery}\""));
            let route = match scope {
                "tree" => route.replace("scope", "scheme = \"bunny\"\nscope"),
                _ => route,
            };
            let enforced = gateway(&media, &route, "sd", "");
            assert_eq!(told(&enforced, "/v/a/crossing.m3u8"), crossing, "{delivery} {scope}");
            assert_eq!(told(&enforced, "/v/a/beside.m3u8"), beside, "{delivery} {scope}");
            let advised = gateway(&media, &route, "advised", "");
            assert_eq!(told(&advised, "/v/a/crossing.m3u8"), "200", "{delivery} {scope}");
        }
        let route = cdn("https://cdn.example.com/", "directory", 3600)
            .replace("\"cdn\"", &format!("\"{delivery}\""));
        let gateway = gateway(&media, &route, "sd", "");
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/v/a/beside.m3u8");
        let found = uris(&viewer.get(&session).text());
        let statuses: Vec<_> = found
            .iter()
            .filter(|uri| uri.contains(".m3u8"))
            .map(|uri| (uri.contains("360"), viewer.status(&resolve(&session, uri))))
            .collect();
        assert_eq!(statuses, [(false, 200), (true, 502)], "{delivery}: {found:?}");
    }
}

#[test]
fn a_session_that_begins_with_no_manifest_gets_no_token_of_the_cdn() {
    for scope in ["directory", "file"] {
        let media = folder(&[("v/other/x", b"no document")]);
        let route = cdn("https://cdn.example.com/", scope, 3600).replace("\"cdn\"", "\"redirect\"");
        let gateway = gateway(&media, &route, "sd", "");
        let mut viewer = Viewer::of(&gateway);
        // Nobody knows yet what will be there.
        let sessions = [(", \"profile\": \"sd\"", 200), ("", 302)]
            .map(|(more, status)| (open(&gateway, "/v/a/plain", more).1, status));
        std::fs::create_dir(media.path().join("v/a")).unwrap();
        std::fs::write(media.path().join("v/a/plain"), b"no document").unwrap();
        for (session, status) in sessions {
            assert_eq!(viewer.status(&session), status, "{scope}");
        }
    }
}

#[test]
fn no_folder_is_opened_where_remote_elements_may_name_what_is_left_out() {
    let remote = |href: &str, media: Vec<u8>| {
        let remote = format!(
            "<Period xmlns:xlink=\"http://www.w3.org/1999/xlink\" xlink:href=\"{href}\"/></MPD>"
        );
        let text = String::from_utf8(media).unwrap();
        text.replace("<Period>", "<Period duration=\"PT4S\">")
            .replace("</MPD>", &remote)
            .into_bytes()
    };
    let template = || mpd("$RepresentationID$/$Number$.m4s");
    let never = "urn:mpeg:dash:resolve-to-zero:2013";
    let media = folder(&[
        ("v/a/template.mpd", &remote("more.xml", template())),
        ("v/a/nothing.mpd", &remote(never, template())),
        ("v/a/strange.mpd", &remote("http://other.example/more.xml", template())),
        ("v/a/list.mpd", &remote("more.xml", lists(1, 1, 1))),
        ("v/a/360/f0/s.m4s", b"segment"),
        ("v/a/360/f0/large.m4s", b"segment"),
    ]);
    let directory = cdn("https://cdn.example.com/", "directory", 3600);
    for (route, profile, path, expected) in [
        ("", "sd", "/v/a/template.mpd", "502 profile-scope"),
        ("carry = \"query\"", "sd", "/v/a/template.mpd", "502 profile-scope"),
        ("grant = \"file\"", "sd", "/v/a/template.mpd", "200"),
        ("", "advised", "/v/a/template.mpd", "200"),
        ("", "sd", "/v/a/nothing.mpd", "200"),
        ("", "sd", "/v/a/strange.mpd", "200"),
        ("third_party = \"trust\"", "sd", "/v/a/strange.mpd", "502 profile-scope"),
        ("", "sd", "/v/a/list.mpd", "200"),
        (&directory, "sd", "/v/a/list.mpd", "502 profile-scope"),
    ] {
        let gateway = gateway(&media, route, profile, "");
        assert_eq!(told(&gateway, path), expected, "{route}: {profile}, {path}");
    }
    let gateway = gateway(&media, "", "sd", "");
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/a/list.mpd");
    let text = viewer.get(&session).text();
    let named = text.split('"').find(|value| value.contains("s.m4s")).unwrap();
    let segment = resolve(&session, named);
    assert_eq!(viewer.status(&segment), 200, "{segment}");
    assert_eq!(viewer.status(&segment.replace("/s.m4s", "/large.m4s")), 403, "{segment}");
}
