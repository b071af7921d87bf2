//! Properties of the documents that playlists name: JSON with slots, and WebVTT.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use common::Mode;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use sluicegate_manifest::{Format, Options, RefuseReason, RenderError, Role, Template, undo};
use url::Url;

/// A reference that no mode refuses.
fn reference() -> impl Strategy<Value = String> {
    let lead = select(vec![
        "",
        "a/",
        "../",
        "/abs/",
        "//cdn.example.com/s/",
        "https://cdn.example.com/vod/movie/",
        "https://other.example.net/x/",
    ]);
    let query = select(vec!["", "", "?", "?a=1", "?x=1,2&y=a/b?c", "?\u{e9}=\"", "? "]);
    let fragment = select(vec!["", "", "#", "#f", "#a?b#c"]);
    (lead, "[a-z]( |[a-z+&'\"(]|%20|é|第){0,5}\\.m3u8", query, fragment)
        .prop_map(|(lead, name, query, fragment)| format!("{lead}{name}{query}{fragment}"))
}

/// A JSON string that stands for `text`, some characters of it escaped.
fn quoted(text: &str, escapes: &[u8]) -> String {
    let mut quoted = String::from("\"");
    for (index, character) in text.chars().enumerate() {
        let mut units = [0; 2];
        match (character, escapes.get(index % escapes.len().max(1))) {
            (_, Some(0)) => {
                for unit in character.encode_utf16(&mut units) {
                    quoted += &format!("\\u{unit:04x}");
                }
            }
            ('/', Some(1)) => quoted += "\\/",
            ('"', _) => quoted += "\\\"",
            _ => quoted.push(character),
        }
    }
    quoted + "\""
}

fn written() -> impl Strategy<Value = String> {
    (reference(), vec(0..6_u8, 1..20)).prop_map(|(text, escapes)| quoted(&text, &escapes))
}

fn blank() -> impl Strategy<Value = &'static str> {
    select(vec!["", "", " ", "\n", "\r\n\t"])
}

/// A member that holds no URI.
fn other() -> impl Strategy<Value = String> {
    select(vec![
        "\"DURATION\":1.5e1",
        "\"X-A\":[{},[],null,true,\"text ? # 第\"]",
        "\"\\u0058\":\"\\ud83d\\ude00 \\\"\\\\\"",
        "\"X-URL\":\"https:\\/\\/t.example.net\\/?a\"",
        "\"x-uri\":\"\"",
    ])
    .prop_map(str::to_owned)
}

fn asset_list() -> impl Strategy<Value = String> {
    let asset =
        (written(), blank(), other(), any::<bool>()).prop_map(|(uri, blank, other, last)| {
            let uri = format!("{blank}\"URI\"{blank}:{blank}{uri}{blank}");
            if last { format!("{{{other},{uri}}}") } else { format!("{{{uri},{other}}}") }
        });
    (vec(asset, 0..5), other(), blank(), any::<bool>()).prop_map(|(assets, other, blank, bom)| {
        let bom = if bom { "\u{feff}" } else { "" };
        format!("{bom}{blank}{{{other},\"ASSETS\":[{}]}}{blank}", assets.join(","))
    })
}

fn steering() -> impl Strategy<Value = String> {
    (written(), vec(written(), 0..4), vec(written(), 0..3), blank()).prop_map(
        |(reload, variants, renditions, blank)| {
            let members = |uris: &[String]| {
                let named = uris.iter().enumerate().map(|(id, uri)| format!("\"id {id}\":{uri}"));
                named.collect::<Vec<_>>().join(&format!(",{blank}"))
            };
            format!(
                "{{\"VERSION\":1,\"RELOAD-URI\":{reload},{blank}\"PATHWAY-CLONES\":[{{\"ID\":\"B\",\
                 \"URI-REPLACEMENT\":{{\"PARAMS\":{{\"x\":\"1\"}},\"PER-VARIANT-URIS\":{{{}}},\
                 \"PER-RENDITION-URIS\":{{{}}}}}}}]}}",
                members(&variants),
                members(&renditions)
            )
        },
    )
}

fn thumbnails() -> impl Strategy<Value = String> {
    let cue = (reference(), select(vec!["\n", "\r\n", "\r"]), any::<bool>());
    vec(cue, 0..5).prop_map(|cues| {
        let mut text = "WEBVTT\n\n".to_owned();
        for (reference, end, is_picture) in cues {
            // A picture has one fragment, the part.
            let picture = reference.split('#').next().unwrap();
            let part = if is_picture { "#xywh=0,0,1,1" } else { "" };
            text += &format!("00:01.000 --> 00:02.000{end}{picture}{part}{end}{end}");
        }
        text
    })
}

/// Every string of a JSON document, in order.
fn strings(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| strings(value, found)),
        Value::Object(members) => members.values().for_each(|value| strings(value, found)),
        _ => {}
    }
}

fn parse(json: &[u8]) -> Value {
    serde_json::from_slice(json.strip_prefix("\u{feff}".as_bytes()).unwrap_or(json)).unwrap()
}

/// Undone it is the source, it is JSON still, and each string that changed is one that leads to
/// what was decided.
fn check_json(source: &str) {
    let template = common::compile(source.as_bytes());
    for mode in Mode::ALL {
        let (rendered, delivered) = mode.render(&template).unwrap();
        assert_eq!(undo(&rendered.bytes, &rendered.edits), source.as_bytes(), "{mode:?}");
        if mode == Mode::Identity {
            assert_eq!(rendered.bytes, source.as_bytes());
        }
        let (mut before, mut after) = (Vec::new(), Vec::new());
        strings(&parse(source.as_bytes()), &mut before);
        strings(&parse(&rendered.bytes), &mut after);
        assert_eq!(before.len(), after.len());
        let served = mode.place().served;
        let leads: Vec<Url> =
            after.iter().filter_map(|text| common::lead_to(&served, text.as_bytes())).collect();
        for url in &delivered {
            assert!(leads.contains(url), "{mode:?}: {url} is nowhere in {after:?}");
        }
        // A steering server of strangers is left out.
        let is_changed =
            |(before, after): &(&String, &String)| before != after && !after.is_empty();
        let changed = before.iter().zip(&after).filter(is_changed).count();
        assert!(changed <= delivered.len(), "{mode:?}");
        if matches!(mode, Mode::SignDirectory | Mode::SignFile) {
            assert_eq!(changed, delivered.len(), "{mode:?}");
        }
    }
}

proptest! {
    #[test]
    fn asset_lists_change_in_their_uris_alone(source in asset_list()) {
        check_json(&source);
    }

    #[test]
    fn steering_manifests_change_in_their_uris_alone(source in steering()) {
        check_json(&source);
    }

    #[test]
    fn thumbnail_tracks_change_in_their_pictures_alone(source in thumbnails()) {
        let template = common::compile(source.as_bytes());
        prop_assert_eq!(template.slots().len(), source.matches("#xywh=").count());
        for mode in Mode::ALL {
            let (rendered, delivered) = mode.render(&template).unwrap();
            prop_assert_eq!(undo(&rendered.bytes, &rendered.edits), source.as_bytes());
            prop_assert_eq!(delivered.len() + rendered.kept.len(), template.slots().len());
            let text = String::from_utf8(rendered.bytes).unwrap();
            prop_assert_eq!(text.matches("#xywh=0,0,1,1").count(), template.slots().len());
        }
    }

    #[test]
    fn no_json_makes_it_panic(
        pieces in vec(
            select(vec![
                "{", "}", "[", "]", ":", ",", "\"", "\\", "\"ASSETS\"", "\"URI\"", "\"VERSION\":1",
                "\"RELOAD-URI\"", "\"PATHWAY-CLONES\"", "\"URI-REPLACEMENT\"", "\"HOST\"", "\"PARAMS\"",
                "\"a\"", "\\u003f", "\\ud800", "é", "1", "null", "\n", "#xywh=", " --> ", "//",
            ]),
            0..40,
        ),
        lead in select(vec!["{\"ASSETS\":[", "{\"VERSION\":1,\"PATHWAY-CLONES\":[", "WEBVTT\n", "{"]),
    ) {
        let source = format!("{lead}{}", pieces.concat());
        if let Ok(template) = Template::compile(source.clone().into(), &Options::default()) {
            for mode in Mode::ALL {
                if let Ok((rendered, _)) = mode.render(&template) {
                    prop_assert_eq!(undo(&rendered.bytes, &rendered.edits), source.as_bytes());
                }
            }
        }
    }
}

#[test]
fn roles_are_told_by_the_way_to_a_value() {
    let of = |document: &Value| -> Vec<(Role, String)> {
        let source = document.to_string();
        let template = common::compile(source.as_bytes());
        let text = |span: std::ops::Range<usize>| source.get(span).unwrap().to_owned();
        template.slots().iter().map(|slot| (slot.role(), text(slot.span()))).collect()
    };
    let list = json!({"ASSETS": [{"URI": "a", "X": {"URI": "b"}}, {"URI": 1}, "c"], "URI": "d"});
    let named = |role, text: &str| (role, text.to_owned());
    assert_eq!(
        of(&list),
        [named(Role::Asset, "a"), named(Role::Unclassified, "b"), named(Role::Unclassified, "d"),]
    );
    let clone = json!({"URI-REPLACEMENT": {
        "PER-RENDITION-URIS": {"r": "a", "s": ["b"]}, "PER-VARIANT-URIS": {"v": "c"}}});
    let steering = json!({"PATHWAY-CLONES": [clone], "RELOAD-URI": "d", "VERSION": 1,
        "PATHWAY-PRIORITY": ["A", "https://other.example.net/"]});
    let mut found = of(&steering);
    found.sort_by(|a, b| a.1.cmp(&b.1));
    assert_eq!(
        found,
        [
            named(Role::Rendition, "a"),
            named(Role::Variant, "c"),
            named(Role::Steering, "d"),
            named(Role::Unclassified, "https://other.example.net/"),
        ]
    );
}

#[test]
fn a_document_says_what_it_is() {
    for (source, format) in [
        ("#EXTM3U\n", Format::Hls),
        ("{\"ASSETS\":[]}", Format::AssetList),
        ("{\"VERSION\":1,\"PATHWAY-PRIORITY\":[\"A\"]}", Format::Steering),
        ("WEBVTT\n", Format::WebVtt),
    ] {
        assert_eq!(common::compile(source.as_bytes()).format(), format, "{source}");
    }
}

fn reason(source: &str) -> RefuseReason {
    match common::sign(source.as_bytes(), common::BASE).unwrap_err() {
        RenderError::Refused { reason, .. } => reason,
        error => panic!("{error}"),
    }
}

#[test]
fn no_clone_replaces_a_host_or_a_token_however_its_name_is_written() {
    let steering = |replacement: &str| {
        format!("{{\"VERSION\":1,\"PATHWAY-CLONES\":[{{\"URI-REPLACEMENT\":{{{replacement}}}}}]}}")
    };
    let host = RefuseReason::ReplacesHost("evil.example".to_owned());
    assert_eq!(reason(&steering(r#""HOST":"evil.example""#)), host);
    assert_eq!(reason(&steering(r#""H\u004fST":"\u0065vil.example""#)), host);
    assert_eq!(reason(&steering(r#""HOST":"evil.example","HOST":null"#)), host);
    let parameter = |name: &str| RefuseReason::ReplacesParameter(name.to_owned());
    assert_eq!(reason(&steering(r#""PARAMS":{"md5":1}"#)), parameter("md5"));
    assert_eq!(reason(&steering(r#""PARAMS":{"EXPIRES":{}}"#)), parameter("expires"));
    assert_eq!(reason(&steering(r#""PARAMS":{"a":"1","\u006dd5":null}"#)), parameter("md5"));
    for harmless in [r#""HOST":"""#, r#""HOST":null"#, r#""PARAMS":{"a":"md5"}"#, r#""PARAMS":{}"#]
    {
        let source = steering(harmless);
        assert_eq!(common::signed(&source, common::BASE), source);
    }
}

#[test]
fn a_document_is_bound_by_the_limits() {
    let mut options = Options::default();
    options.limits.max_uris = 1;
    options.limits.max_line_bytes = 40;
    for (source, part) in [
        ("{\"ASSETS\":[{\"URI\":\"a\"},\n{\"URI\":\"b\"}]}".to_owned(), "line 2: more than"),
        (format!("WEBVTT\n{}\n", "x".repeat(41)), "line 2 (byte 7) has more"),
        ("WEBVTT\n\n1 --> 2\na#xywh=1\nb#xywh=1\n".to_owned(), "line 5: more than"),
        (format!("{{\"ASSETS\":[{}{}]}}", "[".repeat(63), "]".repeat(63)), "more than 64 levels"),
    ] {
        let error = Template::compile(source.into(), &options).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}
