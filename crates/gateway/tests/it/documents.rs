//! Documents that a playlist names, whose own URIs are signed: asset lists, content steering
//! manifests, thumbnail tracks.

use axum::Router;
use axum::http::header;
use axum::routing::get;
use serde_json::Value;
use sluicegate_testkit::Gateway;
use url::Url;

use crate::support::{
    Site, Viewer, Watched, cdn, folder, multivariant, playlist, resolve, token_of, uris,
};

const SPRITES: &str = "WEBVTT\n\n00:00.000 --> 00:05.000\nsprites/1.jpg#xywh=0,0,160,90\n\n\
                       00:05.000 --> 00:10.000\n../art/2.jpg?v=1#xywh=160,0,160,90\n";

const SUBTITLES: &str = "WEBVTT\n\n00:00.000 --> 00:05.000\n<v Ann>Look: a.jpg\n";

/// Runs `check` with the same files in a folder and behind an HTTP origin, with the token in the
/// path and in the query.
fn from_both(files: &[(&str, &[u8])], check: impl Fn(&Gateway, &mut Viewer<'_>)) {
    let media = folder(files);
    let origin = Watched::folder(media.path());
    for carry in ["path", "query"] {
        let route = format!("carry = \"{carry}\"");
        let site = || Site { route: &route, ..Site::default() };
        for gateway in [site().folder(media.path()), site().start(&origin.url("/"))] {
            check(&gateway, &mut Viewer::of(&gateway));
        }
    }
}

/// The value of a playlist's attribute.
fn attribute(playlist: &str, name: &str) -> String {
    let (_, rest) = playlist.split_once(&format!("{name}=\"")).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// The target without its session token.
fn unsigned(target: &str) -> String {
    let token = token_of(target);
    let bare = target.replace(&format!("/s/{token}"), "").replace(&format!("sg={token}"), "x=1");
    assert_ne!(bare, target);
    bare
}

fn json(viewer: &mut Viewer<'_>, target: &str) -> Value {
    let answer = viewer.get(target);
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("private, no-cache"));
    let again = viewer.ask("GET", target, &[("If-None-Match", answer.header("etag").unwrap())]);
    assert_eq!(again.status, 304);
    let head = viewer.ask("HEAD", target, &[]);
    assert_eq!(head.header("content-length"), answer.header("content-length"));
    let part = viewer.ask("GET", target, &[("Range", "bytes=5-9")]);
    assert_eq!((part.status, part.text()), (200, answer.text()), "a part comes signed and whole");
    serde_json::from_slice(&answer.body).unwrap()
}

fn assert_opens_by_its_token_alone(viewer: &mut Viewer<'_>, target: &str) {
    assert_eq!(viewer.status(target), 200, "{target}");
    assert_eq!(viewer.status(&unsigned(target)), 403, "{target}");
}

#[test]
fn every_asset_of_a_list_behind_a_playlist_opens_and_none_without_its_token() {
    let index = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-DATERANGE:ID=\"1\",\
        CLASS=\"com.apple.hls.interstitial\",START-DATE=\"2026-01-01T00:00:00Z\",\
        X-ASSET-LIST=\"ads/list.json\"\n#EXTINF:2,\n0.ts\n#EXT-X-ENDLIST\n";
    let list = br#"{"ASSETS":[{"URI":"1/i.m3u8","DURATION":2},
        {"URI":"\/other\/2.m3u8","DURATION":2},{"URI":"../ads/1/i.m3u8\u003fx=1"},
        {"URI":"https://ads.example.net/3.m3u8"}]}"#;
    let files: &[(&str, &[u8])] = &[
        ("v/index.m3u8", index),
        ("v/0.ts", b"0"),
        ("v/ads/list.json", list),
        ("v/ads/1/i.m3u8", &playlist(&["a.ts"])),
        ("v/ads/1/a.ts", b"a"),
        ("other/2.m3u8", &playlist(&["b.ts"])),
        ("other/b.ts", b"b"),
    ];
    from_both(files, |gateway, viewer| {
        let session = viewer.enter("/v/index.m3u8");
        let list = resolve(&session, &attribute(&viewer.get(&session).text(), "X-ASSET-LIST"));
        let assets = json(viewer, &list);
        let assets = assets["ASSETS"].as_array().unwrap();
        assert_eq!(assets.len(), 4);
        assert_eq!(assets[3]["URI"], "https://ads.example.net/3.m3u8");
        for asset in &assets[..3] {
            // hls.js resolves it against the page.
            let asset = asset["URI"].as_str().unwrap().strip_prefix(&gateway.url("")).unwrap();
            assert_opens_by_its_token_alone(viewer, asset);
            for segment in uris(&viewer.get(asset).text()) {
                assert_opens_by_its_token_alone(viewer, &resolve(asset, &segment));
            }
        }
    });
}

/// The players that know pathway clones make a URL of each value, and give it no base.
#[test]
fn every_uri_of_a_steering_manifest_opens_and_absolute_ones_stay_absolute() {
    let master = b"#EXTM3U\n#EXT-X-CONTENT-STEERING:SERVER-URI=\"steer/m.json?video=1\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1,PATHWAY-ID=\"A\",STABLE-VARIANT-ID=\"v\"\na/i.m3u8\n";
    let files: &[(&str, &[u8])] = &[
        ("v/master.m3u8", master),
        ("v/a/i.m3u8", &playlist(&["0.ts"])),
        ("c/i.m3u8", &playlist(&["0.ts"])),
        ("c/0.ts", b"0"),
    ];
    let media = folder(files);
    let origin = Watched::folder(media.path());
    let steering = |host: &str| {
        format!(
            "{{\"VERSION\":1,\"TTL\":300,\"RELOAD-URI\":\"m.json?video=1&n=2\",\
             \"PATHWAY-PRIORITY\":[\"B\",\"A\"],\"PATHWAY-CLONES\":[{{\"BASE-ID\":\"A\",\"ID\":\"B\",\
             \"URI-REPLACEMENT\":{{\"PARAMS\":{{\"cdn\":\"b\"}},\
             \"PER-VARIANT-URIS\":{{\"v\":\"{host}c\\/i.m3u8\"}},\
             \"PER-RENDITION-URIS\":{{\"r\":\"https://other.example.net/r.m3u8\"}}}}}}]}}"
        )
    };
    std::fs::create_dir_all(media.path().join("v/steer")).unwrap();
    std::fs::write(media.path().join("v/steer/m.json"), steering(&origin.url("/"))).unwrap();
    for carry in ["path", "query"] {
        let route = format!("carry = \"{carry}\"");
        let gateway = Site { route: &route, ..Site::default() }.start(&origin.url("/"));
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/v/master.m3u8");
        let server = attribute(&viewer.get(&session).text(), "SERVER-URI");
        let server = resolve(&session, &server);
        let manifest = json(&mut viewer, &server);
        let reload = resolve(&server, manifest["RELOAD-URI"].as_str().unwrap());
        assert_opens_by_its_token_alone(&mut viewer, &reload);
        let replacement = &manifest["PATHWAY-CLONES"][0]["URI-REPLACEMENT"];
        assert_eq!(
            replacement["PER-RENDITION-URIS"]["r"], "https://other.example.net/r.m3u8",
            "{replacement}"
        );
        let variant = replacement["PER-VARIANT-URIS"]["v"].as_str().unwrap();
        let mut variant = Url::parse(variant).unwrap();
        assert_eq!(variant.origin(), Url::parse(&gateway.url("/")).unwrap().origin());
        variant.query_pairs_mut().append_pair("cdn", "b");
        let variant = &variant[url::Position::BeforePath..];
        assert_opens_by_its_token_alone(&mut viewer, variant);
        let segment = uris(&viewer.get(variant).text()).remove(0);
        assert_opens_by_its_token_alone(&mut viewer, &resolve(variant, &segment));
    }
}

#[test]
fn a_playlist_behind_a_steering_manifest_still_imports_variables() {
    let master = b"#EXTM3U\n#EXT-X-DEFINE:NAME=\"folder\",VALUE=\"parts\"\n\
        #EXT-X-CONTENT-STEERING:SERVER-URI=\"m.json\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\ni.m3u8\n";
    let variant = b"#EXTM3U\n#EXT-X-DEFINE:IMPORT=\"folder\"\n#EXTINF:2,\n{$folder}/0.ts\n";
    let steering = br#"{"VERSION":1,"PATHWAY-CLONES":[{"URI-REPLACEMENT":
        {"PER-VARIANT-URIS":{"v":"../clone/i.m3u8"}}}]}"#;
    let files: &[(&str, &[u8])] = &[
        ("v/master.m3u8", master),
        ("v/m.json", steering),
        ("clone/i.m3u8", variant),
        ("clone/parts/0.ts", b"0"),
    ];
    from_both(files, |_, viewer| {
        let session = viewer.enter("/v/master.m3u8");
        let server = attribute(&viewer.get(&session).text(), "SERVER-URI");
        let server = resolve(&session, &server);
        let manifest = json(viewer, &server);
        let replacement = &manifest["PATHWAY-CLONES"][0]["URI-REPLACEMENT"];
        let variant = resolve(&server, replacement["PER-VARIANT-URIS"]["v"].as_str().unwrap());
        assert!(variant.contains("sgv="), "{variant}");
        let answer = viewer.get(&variant);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = viewer.get(&variant.replace("sgv=", "x="));
        assert_eq!(answer.status, 502, "without its variables");
    });
}

#[test]
fn a_clone_that_replaces_a_host_or_a_parameter_of_ours_is_refused() {
    let steering = |replacement: &str| {
        format!(
            "{{\"VERSION\":1,\"PATHWAY-PRIORITY\":[\"A\"],\"PATHWAY-CLONES\":[{{\"BASE-ID\":\"A\",\
             \"ID\":\"B\",\"URI-REPLACEMENT\":{{{replacement}}}}}]}}"
        )
    };
    let files: Vec<_> = [
        ("host", steering(r#""HOST":"b.example.net""#)),
        ("session", steering(r#""PARAMS":{"SG":"x"}"#)),
        ("variables", steering(r#""PARAMS":{"sgv":"x"}"#)),
        ("cdn", steering(r#""PARAMS":{"a":"1","md5":"x"}"#)),
        ("hidden", steering(r#""PARAMS":{"s\u0067":"x"}"#)),
        ("unknown", "{\"ASSETS\":[],\"X-MORE-URI\":\"list.json\"}".to_owned()),
    ]
    .map(|(name, text)| (format!("v/{name}.json"), text))
    .into();
    let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    let media = folder(&[&files[..], &[("v/master.m3u8", &multivariant(&["i.m3u8"]))]].concat());
    let route = cdn("https://cdn.example.com/", "directory", 3600);
    let gateway = Site { route: &route, ..Site::default() }.folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/master.m3u8");
    for (name, _) in files {
        let answer = viewer.get(&session.replace("/v/master.m3u8", &format!("/{name}")));
        assert_eq!(answer.status, 502, "{name}: {}", answer.text());
        assert!(answer.text().contains("manifest-uri-refused"), "{name}: {}", answer.text());
    }
}

#[test]
fn every_picture_of_a_thumbnail_track_opens_and_none_without_its_token() {
    let files: &[(&str, &[u8])] = &[
        ("v/master.m3u8", &multivariant(&["i.m3u8"])),
        ("v/thumbs/track.vtt", SPRITES.as_bytes()),
        ("v/thumbs/sprites/1.jpg", b"1"),
        ("v/art/2.jpg", b"2"),
    ];
    from_both(files, |_, viewer| {
        let session = viewer.enter("/v/master.m3u8");
        let track = session.replace("master.m3u8", "thumbs/track.vtt");
        let answer = viewer.get(&track);
        assert_eq!(answer.status, 200);
        assert!(answer.header("content-type").unwrap().starts_with("text/vtt"));
        let part = viewer.ask("GET", &track, &[("Range", "bytes=9-")]);
        assert_eq!((part.status, part.text()), (200, answer.text()));
        let text = answer.text();
        let pictures: Vec<_> = text.lines().filter(|line| line.contains("#xywh=")).collect();
        assert_eq!(pictures.len(), 2);
        for picture in pictures {
            let picture = resolve(&track, picture);
            let (picture, part) = picture.split_once('#').unwrap();
            assert!(part.ends_with(",0,160,90"), "{part}");
            assert_opens_by_its_token_alone(viewer, picture);
        }
    });
}

#[test]
fn pictures_come_from_the_cdn_where_segments_do() {
    let media = folder(&[
        ("v/master.m3u8", &multivariant(&["i.m3u8"])),
        ("v/thumbs/track.vtt", SPRITES.as_bytes()),
    ]);
    let route = cdn("https://cdn.example.com/", "directory", 3600);
    let gateway = Site { route: &route, ..Site::default() }.folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/master.m3u8");
    let text = viewer.get(&session.replace("master.m3u8", "thumbs/track.vtt")).text();
    assert!(text.contains("\nhttps://cdn.example.com/v/thumbs/sprites/1.jpg?md5="), "{text}");
    assert!(text.contains("\nhttps://cdn.example.com/v/art/2.jpg?v=1&md5="), "{text}");
}

#[test]
fn ordinary_subtitles_and_other_json_are_streamed_unchanged_with_ranges() {
    let config = br#"{"player":{"URI":"a.m3u8"},"poster-url":"p.jpg"}"#;
    let files: &[(&str, &[u8])] = &[
        ("v/master.m3u8", &multivariant(&["i.m3u8"])),
        ("v/en.vtt", SUBTITLES.as_bytes()),
        ("v/config.json", config),
        ("v/config", config),
        ("v/broken.json", b"{\"a\":"),
    ];
    from_both(files, |_, viewer| {
        let session = viewer.enter("/v/master.m3u8");
        for (name, content) in &files[1..] {
            let target = session.replace("/v/master.m3u8", &format!("/{name}"));
            let whole = viewer.get(&target);
            assert_eq!((whole.status, &whole.body[..]), (200, *content), "{name}");
            for (range, part) in [("bytes=2-4", 2..5), ("bytes=0-2", 0..3)] {
                let answer = viewer.ask("GET", &target, &[("Range", range)]);
                assert_eq!(answer.status, 206, "{name}");
                assert_eq!(answer.body, content[part], "{name}");
            }
        }
        let subtitles = viewer.get(&session.replace("master.m3u8", "en.vtt"));
        assert!(subtitles.header("content-type").unwrap().starts_with("text/vtt"));
    });
}

#[test]
fn json_above_the_limit_is_streamed_and_an_asset_list_that_breaks_is_not_passed_on() {
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(5000));
    let media = folder(&[
        ("v/master.m3u8", &multivariant(&["i.m3u8"])),
        ("v/long.json", long.as_bytes()),
        ("v/broken.json", b"{\"ASSETS\":[{\"URI\":\"a.m3u8\"},]}"),
    ]);
    let top = "[limits]\nmax_manifest_bytes = 4096\n";
    let origin = Watched::folder(media.path());
    for gateway in [
        Site { top, ..Site::default() }.folder(media.path()),
        Site { top, ..Site::default() }.start(&origin.url("/")),
    ] {
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/v/master.m3u8");
        let answer = viewer.get(&session.replace("master.m3u8", "long.json"));
        assert_eq!((answer.status, answer.text()), (200, long.clone()));
        let answer = viewer.get(&session.replace("master.m3u8", "broken.json"));
        assert_eq!(answer.status, 502);
        assert!(answer.text().contains("manifest-invalid"), "{}", answer.text());
    }
}

#[test]
fn the_origins_own_type_of_json_is_kept_and_the_body_need_not_announce_its_length() {
    let list = || async {
        let pieces = ["{\"ASSETS\":[{\"URI\"", ":\"1.m3u8\"}]}"];
        let pieces = futures_util::stream::iter(pieces.map(Ok::<_, std::convert::Infallible>));
        let body = axum::body::Body::from_stream(pieces);
        ([(header::CONTENT_TYPE, "application/vnd.ads+json")], body)
    };
    let origin = Watched::start(
        Router::new()
            .route("/v/master.m3u8", get(|| async { "#EXTM3U\n" }))
            .route("/v/list", get(list)),
    );
    let route = "carry = \"query\"";
    let gateway = Site { route, ..Site::default() }.start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/master.m3u8");
    let answer = viewer.get(&session.replace("master.m3u8", "list"));
    assert_eq!(answer.header("content-type"), Some("application/vnd.ads+json"));
    let token = token_of(&session);
    // hls.js resolves an asset against the page.
    let asset = gateway.url(&format!("/v/1.m3u8?sg={token}"));
    assert_eq!(answer.text(), format!("{{\"ASSETS\":[{{\"URI\":\"{asset}\"}}]}}"));
}

#[test]
fn a_link_to_a_document_that_is_no_playlist_opens_no_session() {
    let media = folder(&[("v/list.json", b"{\"ASSETS\":[]}"), ("v/track.vtt", SPRITES.as_bytes())]);
    let gateway = Site::default().folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    for path in ["/v/list.json", "/v/track.vtt"] {
        let link = viewer.link(path);
        assert_eq!(viewer.status(&link), 403, "{path}");
    }
}
