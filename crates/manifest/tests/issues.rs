//! What players, parsers and proxies were reported to get wrong. Each test names the reports; the
//! inputs are our own. Reports that a golden playlist shows best stand in its `case.toml`.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use common::{BASE, Mode, compile, gcore, sign, signed, url};
use sluicegate_manifest::{
    CdnPaths, CompileError, Decision, Format, KeepReason, Limits, Options, Place, RefuseReason,
    RenderError, Role, SignHost, Template, TokenAt, TokenRef, Uri, UriPolicy, Variables,
};
use sluicegate_token::{ByteList, Presented, ResourcePath, Scheme, Scope, UnixTime};
use url::Url;

/// The slots as role and reference.
fn slots(source: &str) -> Vec<(Role, String)> {
    let template = compile(source.as_bytes());
    template.slots().iter().map(|slot| (slot.role(), source[slot.span()].to_owned())).collect()
}

/// The slots' references.
fn references(source: &str) -> Vec<String> {
    slots(source).into_iter().map(|(_, reference)| reference).collect()
}

/// Whether the signed reference opens, at the edge, the path that a player asks for.
fn opens(base: &str, reference: &str) -> bool {
    let asked = common::lead_to(&url(base), reference.as_bytes()).unwrap();
    let path = ResourcePath::parse(asked.path().as_bytes()).unwrap();
    let presented = Presented::at(&path, asked.query().map(str::as_bytes), None);
    gcore(Scope::Directory).verify(&presented, UnixTime(1)).is_ok()
}

// === Lexing ===

// kristofferR/IPTVChecker#86
#[test]
fn attributes_are_found_in_any_order() {
    for list in [
        "URI=\"a.m3u8\",CODECS=\"avc1.4d401e,mp4a.40.2\",BANDWIDTH=1",
        "CODECS=\"avc1.4d401e,mp4a.40.2\",URI=\"a.m3u8\",BANDWIDTH=1",
        "CODECS=\"avc1.4d401e,mp4a.40.2\",BANDWIDTH=1,URI=\"a.m3u8\"",
    ] {
        let source = format!("#EXTM3U\n#EXT-X-I-FRAME-STREAM-INF:{list}\n");
        assert_eq!(slots(&source), [(Role::IFrameVariant, "a.m3u8".to_owned())], "{list}");
    }
}

// tedconf/node-m3u8#3
#[test]
fn a_tag_ends_at_its_first_colon() {
    let source = "#EXTM3U\n#EXT-X-MAP:URI=\"https://cdn.example.com:443/a:b/init.mp4\"\n";
    assert_eq!(references(source), ["https://cdn.example.com:443/a:b/init.mp4"]);
}

// Eyevinn/hls-splice#13
#[test]
fn a_value_goes_on_after_a_second_equal_sign() {
    let source =
        "#EXTM3U\n#EXT-X-DATERANGE:ID=\"a\",X-ASSET-URI=\"https://ads.example.net/?a=b&c=d\"\n";
    assert_eq!(references(source), ["https://ads.example.net/?a=b&c=d"]);
}

// streamlink/streamlink#5307
#[test]
fn a_longer_name_that_ends_in_uri_is_no_uri() {
    let source =
        "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,X-URI=\"https://other.example.net/x\",URI=\"k\"\n";
    let expected = [
        (Role::Unclassified, "https://other.example.net/x".to_owned()),
        (Role::Key, "k".to_owned()),
    ];
    assert_eq!(slots(source), expected);
}

// videojs/m3u8-parser#28
#[test]
fn a_list_in_which_quotes_were_forgotten_does_no_harm() {
    let source = "#EXTM3U\n#EXT-X-STREAM-INF:CODECS=avc1.4d401e,mp4a.40.2,BANDWIDTH=,=,\nv.m3u8\n";
    assert_eq!(slots(source), [(Role::Variant, "v.m3u8".to_owned())]);
    assert!(
        signed(source, BASE).contains(":CODECS=avc1.4d401e,mp4a.40.2,BANDWIDTH=,=,\nv.m3u8?md5=")
    );
}

// ikhvorost/M3U8Decoder#2
#[test]
fn a_comment_is_no_uri() {
    let source = "#EXTM3U\n## made by a packager\n#USP-X-TIMESTAMP-MAP:MPEGTS=900000\n#\n0.ts\n";
    assert_eq!(references(source), ["0.ts"]);
}

// warren-bank/HLS-Proxy#25
#[test]
fn a_segment_needs_no_neighbour() {
    let source =
        "#EXTM3U\n#EXTINF:4,\n#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05Z\n\n0.ts\n1.ts\n";
    assert_eq!(references(source), ["0.ts", "1.ts"]);
}

// video-dev/hls.js#6396
#[test]
fn only_cr_and_lf_end_a_line() {
    for space in ["\u{3000}", "\u{a0}", "\u{feff}"] {
        let source = format!("#EXTM3U\n#EXTINF:4,\na{space}b.ts\n");
        assert_eq!(references(&source), [format!("a{space}b.ts")]);
    }
}

// hls.js ends a title there, so that what follows is a URI that nobody signed.
#[test]
fn what_ends_a_line_for_some_players_is_refused() {
    for end in ["\u{b}", "\u{c}", "\u{85}", "\u{2028}", "\u{2029}"] {
        let source = format!("#EXTM3U\n\n#EXTINF:4,t{end}http://other.example/y.ts\n0.ts\n");
        let compiled = Template::compile(source.clone().into(), &Options::default());
        let offset = source.find(end).unwrap();
        assert_eq!(compiled.unwrap_err(), CompileError::OtherLineEnd { line: 3, offset });
    }
    let first = Template::compile("#EXTM3U\n\u{b}".into(), &Options::default()).unwrap_err();
    assert_eq!(first, CompileError::OtherLineEnd { line: 2, offset: 8 });
    // Other characters whose first byte is the same stay.
    assert_eq!(references("#EXTM3U\n#EXTINF:4,\u{a9} \u{201c}\u{2026}\n0.ts\n"), ["0.ts"]);
}

// A playlist on another host could import the variable, and write it into any URI.
#[test]
fn no_variable_takes_the_token_of_the_playlist() {
    let base = common::url(BASE);
    let gcore = gcore(Scope::Directory);
    for name in ["md5", "MD5", "expires", "%6dd5"] {
        let source = format!("#EXTM3U\n\n#EXT-X-DEFINE:QUERYPARAM=\"{name}\"\n0.ts\n");
        let template = Template::compile(source.into(), &Options::default()).unwrap();
        let planned = template.plan(&Place::at(base.clone()), &mut SignHost::new(&base, &gcore));
        let refused = planned.unwrap_err().to_string();
        assert!(refused.starts_with("line 3 (byte 9), EXT-X-DEFINE QUERYPARAM"), "{refused}");
    }
    let source = "#EXTM3U\n#EXT-X-DEFINE:QUERYPARAM=\"region\"\n0.ts\n";
    let template = Template::compile(source.into(), &Options::default()).unwrap();
    assert!(template.plan(&Place::at(base.clone()), &mut SignHost::new(&base, &gcore)).is_ok());
}

#[test]
fn a_definition_that_names_its_variable_twice_is_refused() {
    for attributes in [
        "NAME=\"a\",VALUE=\"1\",QUERYPARAM=\"b\"",
        "IMPORT=\"a\",QUERYPARAM=\"b\"",
        "NAME=\"a\",IMPORT=\"a\"",
        "NAME=\"a\",VALUE=\"1\",VALUE=\"2\"",
    ] {
        let source = format!("#EXTM3U\n#EXT-X-DEFINE:{attributes}\n{{$a}}.ts\n");
        let compiled = Template::compile(source.into(), &Options::default());
        assert_eq!(compiled.unwrap_err(), CompileError::AmbiguousDefinition { line: 2, offset: 8 });
    }
}

// hls.js takes the last of two definitions and fills in a variable that a value holds; Shaka takes the
// first. What no URI uses is nobody's harm.
#[test]
fn a_variable_of_which_players_take_different_values_is_refused_where_it_is_used() {
    for (definitions, uri, is_refused) in [
        ("NAME=\"a\",VALUE=\"1\"\n#EXT-X-DEFINE:NAME=\"a\",VALUE=\"2\"", "{$a}.ts", true),
        ("NAME=\"a\",VALUE=\"1\"\n#EXT-X-DEFINE:NAME=\"b\",VALUE=\"{$a}\"", "{$b}.ts", true),
        ("NAME=\"a\",VALUE=\"1\"\n#EXT-X-DEFINE:NAME=\"b\",VALUE=\"{$a}\"", "{$a}.ts", false),
    ] {
        let source = format!("#EXTM3U\n#EXT-X-DEFINE:{definitions}\n#EXTINF:4,\n{uri}\n");
        let template = compile(source.as_bytes());
        let gcore = gcore(Scope::Directory);
        let place = Place::at(url(BASE));
        let plan = template.plan(&place, &mut SignHost::new(&place.base, &gcore)).map(|_| ());
        let reason = match plan {
            Err(RenderError::Refused { reason, .. }) => Some(reason),
            _ => None,
        };
        let is_ambiguous = matches!(reason, Some(RefuseReason::AmbiguousVariable(_)));
        assert_eq!(is_ambiguous, is_refused, "{reason:?}: {source}");
    }
}

// By the URL standard, `http:a/b` is a path where the base is http, and the host `a` where it is https.
#[test]
fn a_scheme_without_a_host_is_refused_everywhere() {
    for reference in [
        "http:evil.invalid/0",
        "HTTPS:evil.invalid/0",
        " http:/evil.invalid/0",
        "http:///evil.invalid/0",
        "https:?a",
    ] {
        let playlist = format!("#EXTM3U\n#EXT-X-MAP:URI=\"{reference}\"\n{reference}\n");
        let variable = format!(
            "#EXTM3U\n#EXT-X-DEFINE:NAME=\"a\",VALUE=\"{reference}\"\n#EXTINF:4,\n{{$a}}.ts\n"
        );
        let mpd = |inner: &str, media: &str| {
            format!(
                "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" \
                 mediaPresentationDuration=\"PT4S\"><Period>{inner}<AdaptationSet>\
                 <SegmentTemplate media=\"{media}\" duration=\"4\"/><Representation id=\"r\" \
                 bandwidth=\"1\"/></AdaptationSet></Period></MPD>"
            )
        };
        let template = mpd("", &format!("{reference}$Number$"));
        let base = mpd(&format!("<BaseURL>{reference}/</BaseURL>"), "$Number$");
        for source in [playlist, variable, template, base] {
            let template = Template::compile(source.clone().into(), &Options::default()).unwrap();
            let gcore = gcore(Scope::Directory);
            let place = Place::at(url(BASE));
            let plan = template.plan(&place, &mut SignHost::new(&place.base, &gcore)).map(|_| ());
            assert!(
                matches!(plan, Err(RenderError::Refused { reason: RefuseReason::Ambiguous, .. })),
                "{plan:?}: {source}"
            );
        }
    }
}

// Indented tags: players that trim lines read them, so they must not pass as comments.
#[test]
fn an_indented_carrier_is_signed() {
    let source = "#EXTM3U\n\t #EXT-X-MAP:URI=\"init.mp4\"\n  #EXTINF:4,\n0.ts\n";
    assert!(signed(source, BASE).contains("\t #EXT-X-MAP:URI=\"init.mp4?md5="));
}

// globocom/m3u8#49
#[test]
fn what_is_no_playlist_is_refused() {
    for source in
        ["", "\n", "<html>", "{\"error\":1}", "0.ts\n#EXTM3U\n", "#EXTM3U8\n", "#extm3u\n"]
    {
        assert_eq!(Format::detect(source.as_bytes()), None, "{source}");
        let compiled = Template::compile(source.as_bytes().to_vec().into(), &Options::default());
        assert_eq!(compiled.unwrap_err(), CompileError::NotAManifest);
    }
}

// === URIs ===

/// Keys go elsewhere than everything else.
struct KeysElsewhere;

impl UriPolicy for KeysElsewhere {
    fn decide(&mut self, uri: &Uri<'_>) -> Decision {
        if uri.role.is_key() {
            let url = url(&format!("https://keys.example.com{}", uri.url.path()));
            Decision::Deliver { url, token: None }
        } else {
            Decision::Keep(KeepReason::Identity)
        }
    }

    fn protects(&self, _url: &Url) -> bool {
        true
    }
}

// mhdzumair/mediaflow-proxy#234
#[test]
fn a_rule_for_keys_leaves_init_sections_alone() {
    let source =
        "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"k.bin\"\n#EXT-X-MAP:URI=\"init.mp4\"\n0.mp4\n";
    let plan = compile(source.as_bytes()).plan(&Place::at(url(BASE)), &mut KeysElsewhere).unwrap();
    assert_eq!(
        String::from_utf8(plan.render(&[]).bytes).unwrap(),
        source.replace("\"k.bin", "\"https://keys.example.com/vod/movie/k.bin")
    );
}

// 5rahim/seanime#510, Eyevinn/chaos-stream-proxy#64, hjdhjd/prismcast#45
#[test]
fn init_sections_are_resolved_and_signed_as_segments_are() {
    for reference in ["init.mp4", "../init.mp4", "/a/init.mp4", "https://cdn.example.com/init.mp4"]
    {
        let source = format!("#EXTM3U\n#EXT-X-MAP:URI=\"{reference}\"\n#EXTINF:4,\n{reference}\n");
        let text = signed(&source, BASE);
        let segment = text.lines().last().unwrap();
        assert!(opens(BASE, segment), "{segment}");
        assert!(text.contains(&format!("#EXT-X-MAP:URI=\"{segment}\"")), "{text}");
    }
}

// Inside4ndroid/TMDB-Embed-API#55
#[test]
fn the_role_comes_from_the_tag_and_never_from_the_extension() {
    let source = "#EXTM3U\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\",URI=\"play?id=1\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1\n\
        video.ts\n\
        #EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"list.m3u8\"\n";
    let roles: Vec<_> = slots(source).into_iter().map(|(role, _)| role).collect();
    assert_eq!(roles, [Role::Rendition, Role::Variant, Role::SessionKey]);
}

// kaltura/nginx-secure-token-module#72
#[test]
fn no_segment_of_a_long_playlist_is_missed() {
    let mut source = "#EXTM3U\n".to_owned();
    for index in 0..5_000 {
        source.push_str(&format!("#EXTINF:4,\n{index}/{}.ts\n", "x".repeat(index % 61)));
    }
    let text = signed(&source, BASE);
    let uris: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(uris.len(), 5_000);
    assert!(uris.into_iter().all(|uri| opens(BASE, uri)));
}

// kaltura/nginx-secure-token-module#108
#[test]
fn what_leaves_unsigned_is_told() {
    let source = "#EXTM3U\n0.ts\nhttps://other.example.net/1.ts\nrtmp://cdn.example.com/2\n";
    let rendered = sign(source.as_bytes(), BASE).unwrap();
    let kept: Vec<_> = rendered.kept.iter().map(|kept| (kept.slot, kept.reason)).collect();
    assert_eq!(kept, [(1, KeepReason::ForeignHost), (2, KeepReason::ForeignScheme)]);
}

// videojs/videojs-contrib-hls#548, mhdzumair/mediaflow-proxy#242, pierre-emmanuelJ/iptv-proxy#157
#[test]
fn references_are_resolved_against_the_url_after_redirects() {
    let source = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv/i.m3u8\n";
    let place = Place {
        base: url("https://edge-7.example.com/x/y/master.m3u8?token=1"),
        served: url(BASE),
        variables: Variables::default(),
        now: None,
        max_steps: None,
    };
    let template = compile(source.as_bytes());
    let rendered = common::sign_with(&gcore(Scope::Directory), &template, &place).unwrap();
    let text = String::from_utf8(rendered.bytes).unwrap();
    assert!(text.ends_with("2147483647\n"), "{text}");
    assert!(text.contains("\nhttps://edge-7.example.com/x/y/v/i.m3u8?md5="), "{text}");
}

// video-dev/hls.js#1439, DIYgod/DPlayer#187
#[test]
fn the_path_that_a_player_will_ask_for_is_the_one_that_is_signed() {
    for name in
        ["a b/0.ts", "a%20b/0.ts", "citt\u{e0}/0.ts", "a+b/0.ts", "x/../y/0.ts", "./%7Ea/0.ts"]
    {
        let text = signed(&format!("#EXTM3U\n{name}\n"), BASE);
        let uri = text.lines().last().unwrap();
        assert!(uri.starts_with(&format!("{name}?md5=")), "{uri}");
        assert!(opens(BASE, uri), "{uri}");
    }
}

// A space at the end of a quoted reference is not read there, but is read before a token.
#[test]
fn a_space_at_the_end_of_a_quoted_reference_is_not_signed() {
    let text = signed("#EXTM3U\n#EXT-X-MAP:URI=\" init.mp4 \"\n", BASE);
    let reference = text.split('"').nth(1).unwrap();
    assert!(reference.starts_with("/vod/movie/init.mp4?md5=") && opens(BASE, reference), "{text}");
}

// A reference that is a fragment alone has the query of the playlist, until it gets its own.
#[test]
fn a_query_that_comes_from_the_playlist_s_own_url_is_not_lost() {
    let base = "https://cdn.example.com/vod/media.mp4?v=2";
    let text = signed("#EXTM3U\n#EXT-X-MAP:URI=\"#t=1\"\n", base);
    assert!(text.contains("URI=\"/vod/media.mp4?v=2&md5="), "{text}");
    assert!(text.contains("=2147483647#t=1\""), "{text}");
}

// MetaHat/m3u8-streaming-proxy#4
#[test]
fn escapes_are_decoded_once() {
    let text = signed("#EXTM3U\n%253D/0.ts\n", BASE);
    let uri = text.lines().last().unwrap();
    assert!(opens(BASE, uri) && !opens(BASE, &uri.replace("%253D", "%3D")), "{uri}");
}

// warren-bank/HLS-Proxy#27
#[test]
fn a_key_that_only_looks_like_a_url_stays() {
    let source = "#EXTM3U\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://cdn.example.com/k?md5=1\"\n";
    assert_eq!(signed(source, BASE), source);
}

// video-dev/hls.js#5240, shaka-project/shaka-player#5333
#[test]
fn a_viewer_s_variable_is_kept_in_a_query_and_refused_in_a_path() {
    let base = "https://cdn.example.com/vod/movie/master.m3u8?token=a%20b";
    let source = "#EXTM3U\n#EXT-X-DEFINE:QUERYPARAM=\"token\"\n0.ts?t={$token}#f\n";
    let text = signed(source, base);
    let uri = text.lines().nth(2).unwrap();
    assert!(uri.starts_with("0.ts?t={$token}&md5=") && uri.ends_with("#f"), "{uri}");
    let source = "#EXTM3U\n#EXT-X-DEFINE:QUERYPARAM=\"token\"\n{$token}/0.ts\n";
    let RenderError::Refused { line, reason, .. } = sign(source.as_bytes(), base).unwrap_err()
    else {
        panic!("another error")
    };
    assert_eq!((line, reason), (3, RefuseReason::ViewersVariable("token".to_owned())));
}

// video-dev/hls.js#5161, shaka-project/shaka-player#5333
#[test]
fn an_undefined_variable_is_refused_by_its_name() {
    for source in [
        "#EXTM3U\n0.ts?t={$token}\n#EXT-X-DEFINE:NAME=\"token\",VALUE=\"1\"\n",
        "#EXTM3U\n#EXT-X-DEFINE:IMPORT=\"token\"\n0.ts?t={$token}\n",
        "#EXTM3U\n#EXT-X-DEFINE:QUERYPARAM=\"token\"\n0.ts?t={$token}\n",
        "#EXTM3U\n#EXT-X-DEFINE:NAME=\"other\",VALUE=\"1\"\n0.ts?t={$token}\n",
    ] {
        let RenderError::Refused { reason, .. } = sign(source.as_bytes(), BASE).unwrap_err() else {
            panic!("another error")
        };
        assert_eq!(reason, RefuseReason::UndefinedVariable("token".to_owned()), "{source}");
    }
}

// pierre-emmanuelJ/iptv-proxy#157, DeveloperJosh/m3u8-proxy#2
#[test]
fn the_origin_s_url_in_an_unknown_place_does_not_leave() {
    for line in [
        "#EXT-X-EXAMPLE:https://cdn.example.com/a",
        "#EXT-X-EXAMPLE:A=1,https://cdn.example.com/a",
        "#EXT-X-EXAMPLE https://cdn.example.com/a",
        "#EXT-X-EXAMPLE:A=\"HTTPS://CDN.EXAMPLE.COM/a\"",
        "#EXT-X-EXAMPLE:A=x B=\"https://cdn.example.com/a\"",
        "#EXT-X-MEDIA:TYPE=AUDIO,X-THUMBS=\"https://cdn.example.com/a\"",
    ] {
        let error = sign(format!("#EXTM3U\n{line}\n").as_bytes(), BASE).unwrap_err();
        let RenderError::Refused { line: number, reason, .. } = error else { panic!("{error}") };
        assert_eq!((number, reason), (2, RefuseReason::Unclassified), "{line}");
    }
}

// A space before a scheme is passed over when the reference is resolved, so it hides no scheme.
#[test]
fn a_space_before_a_scheme_hides_nothing() {
    let key = "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\" data:;base64,MDEyMzQ1Njc4OWFiY2RlZg==\"\n";
    let rendered = sign(key.as_bytes(), BASE).unwrap();
    assert_eq!((rendered.edits.len(), rendered.kept[0].reason), (0, KeepReason::NotFetched));
    let link = "#EXTM3U\n#EXT-X-DATERANGE:ID=\"a\",X-URL=\" https://other.example.net/a\"\n";
    assert_eq!(signed(link, BASE), link);
}

// A relative value in an unknown place may be anything: it is refused even where nothing is signed.
#[test]
fn a_relative_uri_in_an_unknown_place_is_refused_in_every_mode() {
    let template = compile(b"#EXTM3U\n#EXT-X-EXAMPLE:URI=\"a.json\"\n");
    for mode in Mode::ALL {
        let RenderError::Refused { reason, .. } = mode.render(&template).unwrap_err() else {
            panic!("another error")
        };
        assert_eq!(reason, RefuseReason::Unclassified, "{mode:?}");
    }
}

// A comma would end a value without quotes.
#[test]
fn a_url_with_a_comma_is_not_written_without_quotes() {
    let place = Place {
        base: url("https://cdn.example.com/a,b/i.m3u8"),
        served: url(BASE),
        variables: Variables::default(),
        now: None,
        max_steps: None,
    };
    let gcore = gcore(Scope::Directory);
    let sign = |template: &Template, place: &Place| common::sign_with(&gcore, template, place);
    let template = compile(b"#EXTM3U\n#EXT-X-MAP:URI=init.mp4\n");
    let RenderError::Refused { reason, .. } = sign(&template, &place).unwrap_err() else {
        panic!("another error")
    };
    assert_eq!(reason, RefuseReason::NeedsQuotes);
    assert!(sign(&template, &Place::at(place.base)).is_ok());
}

// === Tokens ===

// bluenviron/mediamtx#3275, xbmc/inputstream.adaptive#1093, video-dev/hls.js#4755,
// OvenMediaLabs/OvenPlayer#489, ant-media/Ant-Media-Server#6043
#[test]
fn every_level_is_signed_and_inherits_nothing_from_the_playlist_s_query() {
    let base = "https://cdn.example.com/vod/movie/master.m3u8?key=v&md5=x&expires=1";
    for source in [
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n360p/index.m3u8\n",
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttps://cdn.example.com/live/index.m3u8\n",
        "#EXTM3U\n#EXTINF:4,\nseg-0.ts\n",
    ] {
        let text = signed(source, base);
        let uri = text.lines().last().unwrap();
        assert!(opens(base, uri) && !uri.contains("key=v"), "{uri}");
    }
}

// kaltura/nginx-vod-module#1319
#[test]
fn the_decoded_path_is_signed_and_the_written_one_stays() {
    for (written, decoded) in [
        ("%21%40%5B%5D/0.ts", "!@[]/0.ts"),
        ("!@%5B%5D/0.ts", "!@[]/0.ts"),
        ("a%2Fb/0.ts", "a/b/0.ts"),
        ("100%25/0.ts", "100%/0.ts"),
    ] {
        let text = signed(&format!("#EXTM3U\n{written}\n"), BASE);
        let uri = text.lines().last().unwrap();
        assert!(uri.starts_with(&format!("{written}?md5=")) && opens(BASE, uri), "{uri}");
        let path = common::lead_to(&url(BASE), written.as_bytes()).unwrap().path().to_owned();
        let path = ResourcePath::parse(path.as_bytes()).unwrap();
        assert_eq!(path.as_bytes(), format!("/vod/movie/{decoded}").as_bytes());
    }
}

// videojs/http-streaming#1506: not every player knows EXT-X-DEFINE, so no token hides behind one.
#[test]
fn tokens_stand_in_the_uris_themselves() {
    let text = signed("#EXTM3U\n#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:4,\n0.mp4\n", BASE);
    assert!(!text.contains("DEFINE") && !text.contains("{$"), "{text}");
    assert_eq!(text.matches("md5=").count(), 2);
}

// montevideo-tech/vast-2-sgai#2, shaka-project/shaka-player#5722
#[test]
fn what_a_player_adds_to_a_query_is_outside_the_signature() {
    let source = "#EXTM3U\n#EXT-X-DATERANGE:ID=\"a\",X-ASSET-LIST=\"ads.json?v=1\"\n";
    let text = signed(source, BASE);
    let uri = text.rsplit('"').nth(1).unwrap();
    assert!(opens(BASE, uri), "{uri}");
    for added in ["_HLS_primary_id=1f2e", "_HLS_msn=0&_HLS_part=0", "_HLS_start_offset=4.5"] {
        assert!(opens(BASE, &format!("{uri}&{added}")), "{uri}");
        assert!(opens(BASE, &uri.replacen('?', &format!("?{added}&"), 1)), "{uri}");
    }
}

// video-dev/hls.js#6641: a player that loads a steering manifest again gets fresh tokens there.
#[test]
fn a_steering_manifest_is_signed_as_a_role_of_its_own() {
    let source =
        "#EXTM3U\n#EXT-X-CONTENT-STEERING:SERVER-URI=\"/steer.json?s=1\",PATHWAY-ID=\"a\"\n";
    assert_eq!(slots(source), [(Role::Steering, "/steer.json?s=1".to_owned())]);
    let text = signed(source, BASE);
    let uri = text.split('"').nth(1).unwrap();
    assert!(uri.starts_with("/steer.json?s=1&md5=") && opens(BASE, uri), "{uri}");
    assert!(opens(BASE, &format!("{uri}&_HLS_pathway=a&_HLS_throughput=5000000")), "{uri}");
}

/// Playlists go to a gateway, segments to one CDN and keys to another, each with its own tokens.
struct ByRole<'s> {
    segments: CdnPaths<'s>,
    keys: CdnPaths<'s>,
}

/// Its tokens: list 0 is the session, list 1 the segments' tokens, list 2 the keys'.
impl ByRole<'_> {
    const SESSION: TokenRef = TokenRef { list: 0, index: 0 };

    fn render(source: &str, session: &str, keys_expire: UnixTime) -> String {
        let (segments, keys) = (gcore(Scope::Directory), gcore(Scope::File));
        let mut policy =
            ByRole { segments: CdnPaths::new(1, &segments), keys: CdnPaths::new(2, &keys) };
        let session_path = Self::SESSION.placeholder();
        let served = format!("https://gw.example.com/s/{session_path}/vod/movie/i.m3u8");
        let place = Place {
            base: url(BASE),
            served: url(&served),
            variables: Variables::default(),
            now: None,
            max_steps: None,
        };
        let plan = compile(source.as_bytes()).plan(&place, &mut policy).unwrap();
        let mut sessions = ByteList::default();
        sessions.push(session.as_bytes());
        let tokens = [
            sessions,
            policy.segments.sign(common::EXPIRES, None).unwrap(),
            policy.keys.sign(keys_expire, None).unwrap(),
        ];
        String::from_utf8(plan.render(&tokens).bytes).unwrap()
    }
}

impl UriPolicy for ByRole<'_> {
    fn decide(&mut self, uri: &Uri<'_>) -> Decision {
        let path = uri.url.path();
        let (url, token) = if uri.role.is_key() {
            let token = self.keys.token_for(uri.url).unwrap();
            (format!("https://keys.example.com{path}"), TokenAt::Query(token))
        } else if matches!(uri.role, Role::Segment | Role::InitSection) {
            let token = self.segments.token_for(uri.url).unwrap();
            (format!("https://edge.example.com{path}"), TokenAt::Query(token))
        } else {
            let token = Self::SESSION.placeholder();
            (format!("https://gw.example.com/s/{token}{path}"), TokenAt::Path(Self::SESSION))
        };
        Decision::Deliver { url: self::url(&url), token: Some(token) }
    }

    fn protects(&self, _url: &Url) -> bool {
        true
    }
}

const OF_EVERY_ROLE: &str = "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"k.bin\"\n\
    #EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:4,\n0.mp4\n\
    #EXT-X-RENDITION-REPORT:URI=\"../b/i.m3u8\",LAST-MSN=0\n";

// sergey-dryabzhinsky/nginx-rtmp-module#279, ossrs/srs#4426
#[test]
fn playlists_segments_and_keys_have_bases_and_lifetimes_of_their_own() {
    let text = ByRole::render(OF_EVERY_ROLE, "SESSION", UnixTime(1_000_000_060));
    let uris: Vec<_> = text.lines().filter_map(|line| line.split('"').nth(1)).collect();
    assert!(uris[0].starts_with("https://keys.example.com/vod/movie/k.bin?md5="), "{text}");
    assert!(uris[0].ends_with("&expires=1000000060"), "{text}");
    assert!(uris[1].starts_with("https://edge.example.com/vod/movie/init.mp4?md5="), "{text}");
    assert!(uris[1].ends_with("&expires=2147483647"), "{text}");
    assert_eq!(uris[2], "../b/i.m3u8");
}

// OvenMediaLabs/OvenMediaEngine#976, datarhei/restreamer#721, Novage/p2p-media-loader#113
#[test]
fn two_sessions_get_the_same_segment_urls_in_one_window() {
    let source = OF_EVERY_ROLE.replace("../b/i.m3u8", "/b/i.m3u8");
    let of_session = |session: &str| {
        let text = ByRole::render(&source, session, common::EXPIRES);
        assert!(text.contains(&format!("URI=\"/s/{session}/b/i.m3u8\"")), "{text}");
        let lines = text.lines().filter(|line| line.contains("md5=")).map(str::to_owned);
        lines.collect::<Vec<_>>()
    };
    assert_eq!(of_session("session-1").len(), 3);
    assert_eq!(of_session("session-1"), of_session("session-2"));
}

// === Size ===

fn compile_within(source: &str, limits: Limits) -> Result<usize, CompileError> {
    let options = Options { limits, ..Options::default() };
    Template::compile(source.to_owned().into(), &options).map(|template| template.slots().len())
}

// video-dev/hls.js#875
#[test]
fn a_playlist_of_half_a_million_lines_is_within_the_limits() {
    let mut source = "#EXTM3U\n".to_owned();
    for index in 0..250_000 {
        source.push_str(&format!("#EXTINF:2,\n{index}.ts\n"));
    }
    assert_eq!(compile_within(&source, Limits::default()), Ok(250_000));
}

// kuu/hls-parser#111
#[test]
fn more_bytes_than_the_limit_are_refused() {
    let source = "#EXTM3U\n0.ts\n";
    let within = |max_bytes| compile_within(source, Limits { max_bytes, ..Limits::default() });
    assert_eq!(within(source.len()), Ok(1));
    let error = within(source.len() - 1).unwrap_err();
    assert_eq!(error, CompileError::TooLong { bytes: 13, limit: 12 });
    assert!(error.to_string().contains("limits.max_manifest_bytes = 12"), "{error}");
}

// kuu/hls-parser#111
#[test]
fn a_longer_line_than_the_limit_is_refused() {
    for (line, is_last) in
        [("0123456789.ts", false), ("#EXTINF:4,abc", false), ("# comment 123", true)]
    {
        let source = format!("#EXTM3U\n{line}{}", if is_last { "" } else { "\r\n" });
        let within = |max_line_bytes| {
            compile_within(&source, Limits { max_line_bytes, ..Limits::default() }).map(|_| ())
        };
        assert_eq!(within(line.len()), Ok(()), "its end does not count");
        let error = within(line.len() - 1).unwrap_err();
        assert_eq!(error, CompileError::LineTooLong { line: 2, offset: 8, limit: 12 }, "{line}");
        assert!(error.to_string().contains("limits.max_line_bytes = 12"), "{error}");
    }
}

// tphakala/go-audio-stream#130
#[test]
fn more_uris_than_the_limit_are_refused() {
    for carrier in ["0.ts", "#EXT-X-KEY:URI=\"k\"", "#EXT-X-X:URI=\"k\"", "#EXT-X-X:http://h/"] {
        let source = format!("#EXTM3U\n{carrier}\n{carrier}\n");
        let within = |max_uris| compile_within(&source, Limits { max_uris, ..Limits::default() });
        assert_eq!(within(2), Ok(2));
        let error = within(1).unwrap_err();
        assert_eq!(error, CompileError::TooManyUris { line: 3, limit: 1 }, "{carrier}");
        assert!(error.to_string().contains("limits.max_uris = 1"), "{error}");
    }
}

// IPTV lists: url|Header=value lines are reported and kept, and never half-signed.
#[test]
fn a_url_with_headers_for_the_player_is_kept_or_refused_and_never_half_signed() {
    let foreign = "#EXTM3U\n#EXTVLCOPT:http-referrer=https://other.example.net/\n\
                   https://other.example.net/1.ts|User-Agent=x&Referer=y\n";
    assert_eq!(signed(foreign, BASE), foreign);
    for ours in ["1.ts|User-Agent=x", "https://cdn.example.com/1.ts|user-agent=x"] {
        let error = sign(format!("#EXTM3U\n{ours}\n").as_bytes(), BASE).unwrap_err();
        let RenderError::Refused { reason, .. } = error else { panic!("another error") };
        assert_eq!(reason, RefuseReason::PlayerHeaders, "{ours}");
    }
    assert!(signed("#EXTM3U\na|b.ts\n", BASE).contains("md5="));
}

#[test]
fn more_lines_than_the_limit_are_refused() {
    let source = "#EXTM3U\n#EXTINF:4,\n0.ts\n";
    let within = |max_lines| compile_within(source, Limits { max_lines, ..Limits::default() });
    assert!(within(3).is_ok());
    let error = within(2).unwrap_err();
    assert_eq!(error, CompileError::TooManyLines { limit: 2 });
    assert!(error.to_string().contains("limits.max_lines = 2"), "{error}");
}

#[test]
fn a_date_range_attribute_that_the_operator_lists_is_signed() {
    let source =
        "#EXTM3U\n#EXT-X-DATERANGE:ID=\"a\",X-COM-TILE=\"tiles/1.jpg\",X-COM-TEXT=\"b/c\"\n";
    assert_eq!(signed(source, BASE), source, "unlisted, and nothing says that it is a URI");
    let options = Options { daterange_uris: vec!["X-COM-TILE".to_owned()], ..Options::default() };
    let template = Template::compile(source.as_bytes().to_vec().into(), &options).unwrap();
    assert_eq!(template.slots()[0].role(), Role::DateRange);
    let rendered =
        common::sign_with(&gcore(Scope::Directory), &template, &Place::at(url(BASE))).unwrap();
    let text = String::from_utf8(rendered.bytes).unwrap();
    assert!(text.contains("X-COM-TILE=\"tiles/1.jpg?md5="), "{text}");
    assert!(text.contains("X-COM-TEXT=\"b/c\""), "{text}");
}
