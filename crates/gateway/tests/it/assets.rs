//! A session for one asset, whose manifests name files of another: these open, and nothing beside them.

use std::collections::BTreeSet;

use crate::support::{Site, Viewer, folder, multivariant, playlist, resolve, token_of, uris};

/// Follows every playlist from `target` on, and collects each token with the path that it came for.
fn follow(viewer: &mut Viewer<'_>, target: &str, tokens: &mut BTreeSet<String>) -> usize {
    tokens.insert(token_of(target).to_owned());
    let answer = viewer.get(target);
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    if !answer.text().starts_with("#EXTM3U") {
        return 1;
    }
    let named = uris(&answer.text());
    1 + named.iter().map(|uri| follow(viewer, &resolve(target, uri), tokens)).sum::<usize>()
}

#[test]
fn a_session_opens_of_another_asset_what_was_named_and_nothing_else() {
    let media = folder(&[
        ("v/a/master.m3u8", &multivariant(&["i.m3u8", "../b/ad.m3u8"])),
        ("v/a/i.m3u8", &playlist(&["0.ts", "../b/bumper.ts"])),
        ("v/a/0.ts", b"0"),
        ("v/a/1.ts", b"1"),
        ("v/b/bumper.ts", b"b"),
        ("v/b/ad.m3u8", &playlist(&["ad.ts", "sub/1.ts", "../c/x.ts"])),
        ("v/b/ad.ts", b"d"),
        ("v/b/sub/1.ts", b"1"),
        ("v/b/sub/2.ts", b"2"),
        ("v/b/master.m3u8", &multivariant(&["film.m3u8"])),
        ("v/b/film.m3u8", &playlist(&["film.ts"])),
        ("v/b/film.ts", b"f"),
        ("v/c/x.ts", b"x"),
        ("v/c/y.ts", b"y"),
    ]);
    for carry in ["path", "query"] {
        let route = format!("asset = \"/v/{{asset}}/\"\ncarry = \"{carry}\"");
        let gateway = Site { route: &route, ..Site::default() }.folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        let master = viewer.enter("/v/a/master.m3u8");
        let mut tokens = BTreeSet::new();
        assert_eq!(follow(&mut viewer, &master, &mut tokens), 8, "{carry}");
        assert!(tokens.len() > 4, "{tokens:?}");
        let shut =
            ["b/film.ts", "b/film.m3u8", "b/master.m3u8", "b/sub/2.ts", "c/y.ts", "b/", "c/"];
        for token in &tokens {
            for path in shut {
                let target = match carry {
                    "path" => format!("/s/{token}/v/{path}"),
                    _ => format!("/v/{path}?sg={token}"),
                };
                assert_eq!(viewer.status(&target), 403, "{carry}: {path}");
            }
        }
        // The session's own asset is open as a whole.
        let own = token_of(&master);
        let neighbour = match carry {
            "path" => format!("/s/{own}/v/a/1.ts"),
            _ => format!("/v/a/1.ts?sg={own}"),
        };
        assert_eq!(viewer.status(&neighbour), 200);
    }
}

/// A template stands for files that nobody lists, so its token opens their folder. A manifest in that
/// folder would lead to the rest of the other asset.
#[test]
fn a_template_in_another_asset_opens_segments_and_no_manifest_beside_them() {
    let mpd = br#"<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT8S"
profiles="urn:mpeg:dash:profile:isoff-live:2011" minBufferTime="PT2S"><Period><AdaptationSet mimeType="video/mp4">
<SegmentTemplate media="../b/$Number$.m4s" initialization="../b/init.mp4" duration="4"/>
<Representation id="v" bandwidth="1000"/></AdaptationSet></Period></MPD>"#;
    let json = br#"{"ASSETS":[{"URI":"film.m3u8","DURATION":4.0}]}"#;
    let media = folder(&[
        ("v/a/a.mpd", mpd),
        ("v/b/init.mp4", b"i"),
        ("v/b/1.m4s", b"1"),
        ("v/b/2.m4s", b"2"),
        ("v/b/master.m3u8", &multivariant(&["sub/film.m3u8"])),
        ("v/b/unnamed", &multivariant(&["sub/film.m3u8"])),
        ("v/b/b.mpd", mpd),
        ("v/b/assets.json", json),
        ("v/b/sub/film.m3u8", &playlist(&["1.ts"])),
        ("v/b/sub/1.ts", b"f"),
    ]);
    for carry in ["path", "query"] {
        let route = format!("asset = \"/v/{{asset}}/\"\ncarry = \"{carry}\"");
        let gateway = Site { route: &route, ..Site::default() }.folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        let entry = viewer.enter("/v/a/a.mpd");
        let text = viewer.get(&entry).text();
        let media = text.split("media=\"").nth(1).unwrap().split('"').next().unwrap();
        let target = resolve(&entry, &media.replace("&amp;", "&"));
        for number in ["1", "2"] {
            assert_eq!(viewer.status(&target.replace("$Number$", number)), 200, "{target}");
        }
        for manifest in ["master.m3u8", "b.mpd", "unnamed", "assets.json"] {
            let target = target.replace("$Number$.m4s", manifest);
            let answer = viewer.get(&target);
            assert_eq!(answer.status, 403, "{target}: {}", answer.text());
        }
        assert_eq!(viewer.status(&target.replace("$Number$.m4s", "sub/1.ts")), 403);
        // A server that asks delivers what lies there, so that the name has to show what it is.
        for (name, expected) in [
            ("1.m4s", 204),
            ("init.mp4", 204),
            ("unnamed", 403),
            ("master.m3u8", 403),
            ("b.mpd", 403),
            ("assets.json", 403),
            ("1.php", 403),
            ("sub/1.ts", 403),
        ] {
            let target = target.replace("$Number$.m4s", name);
            let asked = [("X-Original-URI", target.as_str())];
            assert_eq!(viewer.ask("GET", "/auth", &asked).status, expected, "{target}");
        }
        let own = [("X-Original-URI", entry.as_str())];
        assert_eq!(viewer.ask("GET", "/auth", &own).status, 204);
    }
}
