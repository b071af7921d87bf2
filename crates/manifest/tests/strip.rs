//! Tokens taken out by their text: the source comes back wherever rendering only inserted.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use std::fs;

use common::Rendered;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sluicegate_manifest::{Options, Place, StripReason, Template, strip};
use sluicegate_token::Scope;

const PARAMETERS: &[&str] = &["md5", "expires"];

fn only_inserted(rendered: &Rendered) -> bool {
    rendered.edits.iter().all(|edit| edit.removed.is_empty())
}

fn stripped(text: &[u8]) -> Result<Vec<u8>, StripReason> {
    strip(&common::compile(text), PARAMETERS).map_err(|error| error.reason)
}

#[test]
fn golden_playlists_come_back() {
    let mut compared = 0;
    for input in common::files_below(&common::fixtures().join("hls")) {
        if input.file_name().unwrap() != "input.m3u8" {
            continue;
        }
        let source = fs::read(&input).unwrap();
        let case = fs::read_to_string(input.with_file_name("case.toml")).unwrap();
        let base = case.split("base = \"").nth(1).unwrap().split('"').next().unwrap();
        let Ok(template) = Template::compile(source.clone().into(), &Options::default()) else {
            continue;
        };
        for scope in [Scope::Directory, Scope::File] {
            let place = Place::at(common::url(base));
            let Ok(rendered) = common::sign_with(&common::gcore(scope), &template, &place) else {
                continue;
            };
            if only_inserted(&rendered) {
                assert_eq!(stripped(&rendered.bytes), Ok(source.clone()), "{}", input.display());
                compared += 1;
            }
        }
    }
    assert!(compared > 50, "only {compared} were compared");
}

#[test]
fn an_empty_query_stays() {
    let source = b"#EXTM3U\na?\nb?#f\nc?x\nd#f";
    let rendered = common::sign(source, common::BASE).unwrap();
    assert!(rendered.bytes.windows(7).any(|text| text == b"a?&md5="));
    assert_eq!(stripped(&rendered.bytes), Ok(source.to_vec()));
}

/// What rendering wrote anew cannot be told from what it extended.
#[test]
fn a_reference_that_was_written_anew_only_loses_its_token() {
    let source = b"#EXTM3U\n#EXT-X-MAP:URI=\"?v=1 \"\na.ts";
    let rendered = common::sign(source, common::BASE).unwrap();
    assert!(!only_inserted(&rendered));
    let expected = b"#EXTM3U\n#EXT-X-MAP:URI=\"/vod/movie/master.m3u8?v=1\"\na.ts";
    assert_eq!(stripped(&rendered.bytes), Ok(expected.to_vec()));
}

#[test]
fn another_arrangement_is_told_with_its_place() {
    let text = b"#EXTM3U\na.ts?md5=x&expires=1\n#EXT-X-MAP:URI=\"i.mp4?md5=TOKEN&b=1&expires=1\"\n";
    let error = strip(&common::compile(text), PARAMETERS).unwrap_err();
    assert_eq!(error.reason, StripReason::Arrangement);
    assert_eq!((error.line, error.offset), (3, 45));
    let message = error.to_string();
    assert!(message.starts_with("line 3 (byte 45), EXT-X-MAP URI, init section: "), "{message}");
    assert!(!message.contains("TOKEN"));
}

/// Values in places that are not known to carry a URI are never signed, so they are left alone.
#[test]
fn unclassified_values_stay() {
    let text = b"#EXTM3U\n#EXT-X-UNKNOWN:https://other.example.net/a?md5=x&expires=1\na.ts\n";
    assert_eq!(stripped(text), Ok(text.to_vec()));
}

/// A reference without a token, in a form that rendering extends or keeps.
fn reference() -> impl Strategy<Value = String> {
    let lead = select(vec![
        "",
        "a/",
        "./b:c/",
        "../../x/",
        "/abs&md5=1/",
        "//cdn.example.com/s/",
        "https://cdn.example.com/vod/",
        "https://other.example.net/x/",
        "{$folder}/",
        "{$file}",
    ]);
    let query = select(vec!["", "", "?", "?a=1", "?x=1,2&&y=a/b?c", "?xmd5=1&expires2", "?b&"]);
    let fragment = select(vec!["", "", "#", "#a?md5=1&expires=2"]);
    prop_oneof![
        12 => (lead, "[a-z0-9][a-z0-9&=;~ ]{0,6}[.]ts", query, fragment)
            .prop_map(|(lead, name, query, fragment)| [lead, &name, query, fragment].concat()),
        1 => select(vec!["data:text/plain,?md5=1", "skd://k?md5=1&expires=2", "?q", ""])
            .prop_map(str::to_owned),
    ]
}

fn playlist() -> impl Strategy<Value = String> {
    let line = (select(vec!["", "#EXT-X-MAP:URI=", "#EXT-X-KEY:A=B,URI="]), reference()).prop_map(
        |(tag, reference)| {
            if tag.is_empty() { reference } else { format!("{tag}\"{reference}\",C=D") }
        },
    );
    (vec(line, 0..12), select(vec!["\n", "\r\n"]), any::<bool>()).prop_map(
        |(lines, end, has_last_end)| {
            let mut text = [
                "#EXTM3U",
                "#EXT-X-DEFINE:NAME=\"folder\",VALUE=\"low\"",
                "#EXT-X-DEFINE:NAME=\"file\",VALUE=\"x.ts?a=1&b=\"",
            ]
            .into_iter()
            .chain(lines.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(end);
            if has_last_end {
                text.push_str(end);
            }
            text
        },
    )
}

proptest! {
    #[test]
    fn stripping_takes_back_what_rendering_inserted(source in playlist(), is_per_file: bool) {
        let scope = if is_per_file { Scope::File } else { Scope::Directory };
        let place = Place::at(common::url(common::BASE));
        let template = common::compile(source.as_bytes());
        // A name may happen to be a parameter of the scheme.
        let Ok(rendered) = common::sign_with(&common::gcore(scope), &template, &place) else {
            return Ok(());
        };
        if only_inserted(&rendered) {
            let stripped = stripped(&rendered.bytes).map(|text| String::from_utf8(text).unwrap());
            prop_assert_eq!(stripped, Ok(source));
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "(md5|expires|=|&|[?]|#|a|[{][$]v[}]|\"|,|\n){0,30}") {
        for head in ["#EXTM3U\n", "#EXTM3U\n#EXT-X-MAP:URI=\""] {
            let text = [head, &text].concat().into_bytes();
            if let Ok(template) = Template::compile(text.into(), &Options::default()) {
                let source_len = template.source().len();
                if let Ok(stripped) = strip(&template, PARAMETERS) {
                    prop_assert!(stripped.len() <= source_len);
                }
            }
        }
    }
}
