//! Properties of every MPD: the edits give the source back, what is written is well-formed, and the
//! same files are fetched as before, each with a token that opens it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;
#[path = "common/dash_urls/fetches.rs"]
mod fetches;
#[path = "common/same_urls.rs"]
mod same_urls;

use common::{Mode, compile, url};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use same_urls::{Sameness, assert_same_urls};
use sluicegate_manifest::{RefuseReason, RenderError, strip, undo};
use sluicegate_token::{Gcore, Scope};

const BASE: &str = "https://cdn.example.com/vod/movie/manifest.mpd";

/// A text that is written in XML one way or another.
fn written(text: &str, style: u8, quote: char) -> String {
    let text = text.replace('&', if style.is_multiple_of(2) { "&amp;" } else { "&#38;" });
    match quote {
        '"' => text.replace('"', "&quot;"),
        _ => text.replace('\'', "&apos;"),
    }
}

fn base_url() -> impl Strategy<Value = String> {
    let reference = select(vec![
        "a/",
        "b/c/",
        "../up/",
        "./",
        "/root/",
        "v?t=1",
        "d/?a=1&b=2",
        "https://cdn.example.com/abs/",
        "//cdn.example.com/rel/",
        "https://other.example.net/x/",
        "sp ace/",
    ]);
    (reference, any::<u8>()).prop_map(|(reference, style)| {
        let text = match style % 5 {
            0 => format!("<![CDATA[{reference}]]>"),
            1 => format!("\n   {}\t", written(reference, style, '"')),
            2 => format!("<!-- here: -->{}", written(reference, style, '"')),
            _ => written(reference, style, '"'),
        };
        format!("<@BaseURL serviceLocation='{style}'>{text}</@BaseURL>")
    })
}

fn base_urls(most: usize) -> impl Strategy<Value = String> {
    vec(base_url(), 0..=most).prop_map(|all| all.concat())
}

/// Attribute and value in either quotes.
fn attribute(name: &str, value: &str, style: u8) -> String {
    let quote = if style & 4 == 0 { '"' } else { '\'' };
    let gap = if style & 8 == 0 { "=" } else { " =\n " };
    format!(" {name}{gap}{quote}{}{quote}", written(value, style, quote))
}

fn template() -> impl Strategy<Value = String> {
    let media = select(vec![
        "$Number$.m4s",
        "$RepresentationID$/$Number%05d$.m4s",
        "b$Bandwidth$/$Time$.m4s?a=1&b=2",
        "all/$RepresentationID$-$Number$.m4s#f",
        "$Number$/in-a-folder.m4s",
        "/root/$RepresentationID$$$$Time%07d$.m4s",
        "https://cdn.example.com/x/$RepresentationID$/$Number$",
        "https://other.example.net/x/$Number$.m4s",
        "one-file.m4s",
    ]);
    let init =
        select(vec!["init.mp4", "$RepresentationID$/init.mp4?x='\"", "../i-$Bandwidth$.mp4"]);
    (media, init, any::<u8>(), 0_u32..4, 1_u32..4, any::<bool>()).prop_map(
        |(media, init, style, start, duration, has_timeline)| {
            let mut text = format!(
                "<@SegmentTemplate timescale=\"10\" startNumber=\"{start}\" presentationTimeOffset='{start}'{}{}",
                attribute("media", media, style),
                attribute("initialization", init, style >> 1),
            );
            if has_timeline {
                let s = format!("<@S t=\"{start}\" d='{duration}0' r=\"{}\"/>", i64::from(style % 4) - 1);
                text += &format!("><@SegmentTimeline>{s}</@SegmentTimeline></@SegmentTemplate>");
            } else {
                text += &format!(" duration=\"{duration}0\"/>");
            }
            text
        },
    )
}

fn list() -> impl Strategy<Value = String> {
    let media = select(vec![
        " media='1.m4s'",
        " media=\"s/2.m4s?a=1&amp;b=2\"",
        "",
        " media='../3.m4s' index='3.sidx'",
    ]);
    (vec(media, 0..4), any::<bool>()).prop_map(|(urls, has_init)| {
        let init = if has_init { "<@Initialization sourceURL='i/init.mp4'/>" } else { "" };
        let urls: String =
            urls.iter().map(|media| format!("<@SegmentURL{media} mediaRange='0-1'/>")).collect();
        format!("<@SegmentList duration='2'>{init}{urls}</@SegmentList>")
    })
}

fn segments() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => template(),
        2 => list(),
        1 => Just("<@SegmentBase indexRange='1-2'><@Initialization range='0-1'/></@SegmentBase>".to_owned()),
        1 => Just("<@SegmentBase><@RepresentationIndex sourceURL='x/i.sidx'/></@SegmentBase>".to_owned()),
        3 => Just(String::new()),
    ]
}

fn noise() -> impl Strategy<Value = String> {
    select(vec![
        "",
        "",
        "\n  ",
        "<!-- a -- -->",
        "<?x y?>",
        "<x:y xmlns:x='urn:x' z='1'>t &amp; u</x:y>",
        "\r\n",
    ])
    .prop_map(|text| text.replace("-- -->", "-->"))
}

fn representation() -> impl Strategy<Value = String> {
    let id = select(vec!["v1", "v 2", "a/b", "\u{e9}"]);
    (id, 1_u32..5, base_urls(2), segments(), noise(), any::<bool>()).prop_map(
        |(id, bandwidth, bases, segments, noise, is_base_last)| {
            let inside = match is_base_last {
                true => format!("{segments}{noise}{bases}"),
                false => format!("{bases}{noise}{segments}"),
            };
            let start = format!("<@Representation id=\"{id}\" bandwidth='{bandwidth}'");
            match inside.is_empty() {
                true => format!("{start} />"),
                false => format!("{start}>{inside}</@Representation>"),
            }
        },
    )
}

fn adaptation_set() -> impl Strategy<Value = String> {
    (base_urls(1), segments(), vec(representation(), 1..4), noise()).prop_map(
        |(bases, segments, representations, noise)| {
            let representations = representations.concat();
            format!("<@AdaptationSet>{segments}{bases}{noise}{representations}</@AdaptationSet>")
        },
    )
}

fn mpd() -> impl Strategy<Value = String> {
    let period = (base_urls(1), vec(adaptation_set(), 1..3), segments()).prop_map(
        |(bases, sets, segments)| {
            format!("<@Period duration='PT6S'>{bases}{segments}{}</@Period>", sets.concat())
        },
    );
    (base_urls(2), vec(period, 1..3), select(vec!["", "mpd:"]), noise())
        .prop_map(|(bases, periods, prefix, noise)| {
            let xmlns = if prefix.is_empty() { "xmlns" } else { "xmlns:mpd" };
            let text = format!(
                "<?xml version='1.0'?>{noise}<@MPD {xmlns}='urn:mpeg:dash:schema:mpd:2011' \
                 type='static'>{bases}{}</@MPD>",
                periods.concat()
            );
            text.replace('@', prefix)
        })
        // Text outside of the root is nothing but white space.
        .prop_filter("noise before the root", |text| !text.contains("?><x:y"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn edits_give_the_source_back_and_the_output_is_well_formed(text in mpd()) {
        let template = compile(text.as_bytes());
        for mode in Mode::ALL {
            let rendered = match mode.render(&template) {
                Ok((rendered, _)) => rendered,
                Err(error) => {
                    prop_assert!(is_known(&error), "{error}\n{text}");
                    continue;
                }
            };
            prop_assert_eq!(&undo(&rendered.bytes, &rendered.edits)[..], text.as_bytes());
            let output = std::str::from_utf8(&rendered.bytes).unwrap();
            prop_assert!(roxmltree::Document::parse(output).is_ok(), "{output}");
            prop_assert!(mode != Mode::Identity || output == text);
            let is_inserted = rendered.edits.iter().all(|edit| {
                edit.removed.is_empty() && matches!(rendered.bytes[edit.output.start], b'?' | b'&')
            });
            if is_inserted && matches!(mode, Mode::SignDirectory | Mode::SignFile) {
                let stripped = strip(&compile(&rendered.bytes), Gcore::PARAMETERS);
                prop_assert_eq!(stripped.as_deref(), Ok(text.as_bytes()));
            }
        }
    }

    #[test]
    fn the_same_files_are_fetched_and_open(text in mpd()) {
        let template = compile(text.as_bytes());
        for scope in [Scope::Directory, Scope::File] {
            let sameness = assert_same_urls(&text, &template, &url(BASE), scope);
            prop_assert!(!matches!(sameness, Sameness::Untold(_)), "{sameness:?}\n{text}");
        }
    }
}

/// What a generated MPD may be refused for.
fn is_known(error: &RenderError) -> bool {
    matches!(error, RenderError::Refused { reason: RefuseReason::NotExpandable(_), .. })
}
