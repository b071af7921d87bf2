//! Short MPDs that stand for very much, since Representations share what is written once: they are
//! rendered or refused before they take the memory or the minutes of a server.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use sluicegate_manifest::{Options, Place, RefuseReason, RenderError, SignHost, Template};
use sluicegate_token::Scope;

use common::NOW;

const BASE: &str = "https://cdn.example.com/vod/movie/manifest.mpd";
/// How long each of the documents is, about.
const BYTES: usize = 1 << 20;

/// An MPD of 1,000 s with these, each repeated until it says nothing or takes its share of the document.
fn mpd(parts: &[&dyn Fn(usize) -> String]) -> String {
    let mut text = "<MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static' \
                    mediaPresentationDuration='PT1000S'>"
        .to_owned();
    for part in parts {
        let end = text.len() + BYTES / 2;
        for at in 0.. {
            let next = part(at);
            text.push_str(&next);
            if next.is_empty() || text.len() > end {
                break;
            }
        }
    }
    text.push_str("</MPD>");
    text
}

/// What stands there once.
fn once(text: &'static str) -> impl Fn(usize) -> String {
    move |at| if at == 0 { text.to_owned() } else { String::new() }
}

fn representation(at: usize) -> String {
    format!("<Representation id='{at}'/>")
}

/// How many bytes are rendered, or why none.
fn render(text: &str, scope: Scope) -> Result<usize, RefuseReason> {
    let template = Template::compile(text.to_owned().into(), &Options::default()).unwrap();
    let base = common::url(BASE);
    let gcore = common::gcore(scope);
    let place = Place { now: Some(NOW), ..Place::at(base.clone()) };
    let mut policy = SignHost::new(&base, &gcore);
    let plan = template.plan(&place, &mut policy).map_err(|error| match error {
        RenderError::Refused { reason, .. } => reason,
        other => panic!("{other}"),
    })?;
    let tokens = policy.sign(common::EXPIRES, None).unwrap();
    Ok(plan.render(&tokens).bytes.len())
}

fn is_too_much(rendered: &Result<usize, RefuseReason>) -> bool {
    matches!(
        rendered,
        Err(RefuseReason::TooMuchWork { .. }
            | RefuseReason::TooMuchWrittenOut { .. }
            | RefuseReason::UriTooLong { .. })
    )
}

#[test]
fn a_list_that_many_share_is_too_much() {
    let segment = |at: usize| format!("<SegmentURL media='{at}.m4s'/>");
    let text = mpd(&[
        &once("<Period><AdaptationSet><SegmentList>"),
        &segment,
        &once("</SegmentList>"),
        &representation,
        &once("</AdaptationSet></Period>"),
    ]);
    let rendered = render(&text, Scope::Directory);
    assert!(is_too_much(&rendered), "{rendered:?}");
}

#[test]
fn a_timeline_that_many_share_is_too_much() {
    let text = mpd(&[
        &once(
            "<Period><AdaptationSet><SegmentTemplate media='$RepresentationID$/$Time$'>\
             <SegmentTimeline>",
        ),
        &|at: usize| if at < 5_000 { "<S d='1'/>".to_owned() } else { String::new() },
        &once("</SegmentTimeline></SegmentTemplate>"),
        &representation,
        &once("</AdaptationSet></Period>"),
    ]);
    let rendered = render(&text.replace("<S d='1'/>", "<S d='1' r='1'/>"), Scope::File);
    assert!(is_too_much(&rendered), "{rendered:?}");
    // Each gets a template of its own, and no more.
    assert!(render(&text, Scope::Directory).unwrap() < 10 * text.len());
}

#[test]
fn a_timeline_of_nothing_that_many_share_is_too_much() {
    let text = mpd(&[
        &once(
            "<Period><AdaptationSet><SegmentTemplate media='$RepresentationID$/$Time$'>\
             <SegmentTimeline>",
        ),
        &|at: usize| {
            if at < 5_000 { "<S t='9' d='1' r='-1'/>".to_owned() } else { String::new() }
        },
        &once("<S t='8' d='1'/></SegmentTimeline></SegmentTemplate>"),
        &representation,
        &once("</AdaptationSet></Period>"),
    ]);
    let rendered = render(&text, Scope::File);
    assert!(is_too_much(&rendered), "{rendered:?}");
}

#[test]
fn a_long_attribute_that_many_share_is_too_much() {
    let attribute = || format!("<SegmentTemplate x='{}' duration='1000' ", "y".repeat(BYTES / 4));
    let text = mpd(&[
        &once("<Period><AdaptationSet>"),
        &|at: usize| {
            if at == 0 {
                attribute() + "media='$RepresentationID$/$Number$'/>"
            } else {
                String::new()
            }
        },
        &representation,
        &once("</AdaptationSet></Period>"),
    ]);
    let rendered = render(&text, Scope::File);
    assert!(is_too_much(&rendered), "{rendered:?}");
    assert!(render(&text, Scope::Directory).unwrap() < 10 * text.len());
}

#[test]
fn a_long_base_url_that_many_share_is_too_much() {
    let text = mpd(&[
        &|at: usize| match at {
            0 => format!("<BaseURL>{}/</BaseURL>", "y".repeat(BYTES / 4)),
            _ => String::new(),
        },
        &once("<Period><AdaptationSet><Representation><SegmentList>"),
        &|at: usize| format!("<SegmentURL media='{at}/s.m4s'/>"),
        &once("</SegmentList></Representation></AdaptationSet></Period>"),
    ]);
    let rendered = render(&text, Scope::File);
    assert!(is_too_much(&rendered), "{rendered:?}");
}

#[test]
fn many_periods_of_unknown_length_are_looked_at_once() {
    let text = mpd(&[&|at: usize| {
        format!(
            "<Period start='PT{at}S'><AdaptationSet><Representation id='v'><SegmentTemplate \
             duration='1' media='{at}/$Number$'/></Representation></AdaptationSet></Period>"
        )
    }]);
    assert!(render(&text, Scope::File).is_ok());
}

#[test]
fn many_references_of_the_document_are_each_looked_at_once() {
    let text = mpd(&[
        &|at: usize| format!("<PatchLocation>p{at}.mpd</PatchLocation>"),
        &once(
            "<Period><AdaptationSet><SegmentTemplate media='$RepresentationID$/$Number$' \
               duration='1'/><Representation id='1'/><Representation id='2'/></AdaptationSet>\
               </Period><UTCTiming schemeIdUri='urn:mpeg:dash:utc:http-iso:2014' value='",
        ),
        &|at: usize| format!("https://t.example/{at}\n"),
        &once("'/>"),
    ]);
    assert!(render(&text, Scope::Directory).is_ok());
}
