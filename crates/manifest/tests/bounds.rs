//! Little text that stands for very much: a bound refuses it before it is allocated, and names its key.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use std::fmt::Write as _;
use std::process::Command;

use sluicegate_manifest::{
    CompileError, Limits, Options, Place, Profile, RefuseReason, RenderError, SignHost, Template,
};
use sluicegate_token::Scope;

use common::NOW;

const BASE: &str = "https://cdn.example.com/vod/movie/manifest";

/// The rendered bytes and the steps of planning, or why there are none.
fn render(source: &str, query: &str, limits: Limits) -> Result<(usize, usize), String> {
    let options = Options { limits, ..Options::default() };
    let template = Template::compile(source.to_owned().into(), &options).unwrap();
    let base = common::url(BASE);
    let gcore = common::gcore(Scope::File);
    let mut place = Place { now: Some(NOW), ..Place::at(base.clone()) };
    place.served.set_query(Some(query).filter(|query| !query.is_empty()));
    let mut policy = SignHost::new(&base, &gcore);
    let plan =
        template.plan(&place, &mut policy).map_err(|error: RenderError| error.to_string())?;
    let tokens = policy.sign(common::EXPIRES, None).unwrap();
    Ok((plan.render(&tokens).bytes.len(), plan.steps()))
}

fn segments(count: usize, uri: &str) -> String {
    (0..count).fold(String::new(), |mut text, at| {
        let _ = writeln!(text, "#EXTINF:4,\nseg{at}{uri}");
        text
    })
}

fn one_template(media: &str, id: &str, seconds: usize) -> String {
    format!(
        "<MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static' \
         mediaPresentationDuration='PT{seconds}S'><Period><AdaptationSet>\
         <SegmentTemplate duration='1' media='{media}'/><Representation id='{id}'/>\
         </AdaptationSet></Period></MPD>"
    )
}

/// The hostile documents, each with its query and the key that its refusal names.
fn hostile(name: &str) -> (String, String, &'static str) {
    let viewers = "#EXTM3U\n#EXT-X-DEFINE:QUERYPARAM=\"t\"\n";
    match name {
        "a query in every URI" => {
            let text = viewers.to_owned() + &segments(18_000, ".ts?t={$t}");
            (text, format!("t={}", "x".repeat(29_000)), "limits.max_uri_bytes")
        }
        "a shorter query in every URI" => {
            let text = viewers.to_owned() + &segments(18_000, ".ts?t={$t}");
            (text, format!("t={}", "x".repeat(8_000)), "limits.max_steps")
        }
        "a value many times in one URI" => {
            let value = "v".repeat(65_000);
            let define = format!("#EXTM3U\n#EXT-X-DEFINE:NAME=\"a\",VALUE=\"{value}\"\n");
            let text = define + "#EXTINF:4,\n" + &"{$a}".repeat(16_000) + "\n";
            (text, String::new(), "limits.max_uri_bytes")
        }
        "wide numbers" => {
            let text = one_template(&"$Number%0255d$".repeat(600), "v", 9_000);
            (text, String::new(), "limits.max_uri_bytes")
        }
        "segments that are too much together" => {
            let text = one_template(&"$Number%0255d$".repeat(30), "v", 9_000);
            (text, String::new(), "limits.max_expanded_bytes")
        }
        "a long identifier many times" => {
            let media = "$RepresentationID$".repeat(10_000);
            let text = one_template(&media, &"i".repeat(180_000), 10);
            (text, String::new(), "limits.max_uri_bytes")
        }
        _ => panic!("no document {name}"),
    }
}

const HOSTILE: [&str; 6] = [
    "a query in every URI",
    "a shorter query in every URI",
    "a value many times in one URI",
    "wide numbers",
    "segments that are too much together",
    "a long identifier many times",
];

#[test]
fn what_would_become_too_much_is_refused_by_the_key_of_its_bound() {
    for name in HOSTILE {
        let (source, query, key) = hostile(name);
        let refused = render(&source, &query, Limits::default()).unwrap_err();
        assert!(refused.contains(key), "{name}: {refused}");
    }
}

/// A bound on the address space is the net: without the bounds these take gigabytes.
#[test]
fn what_would_become_too_much_takes_little_memory() {
    let this = std::env::current_exe().unwrap();
    for name in HOSTILE {
        let (source, query, _) = hostile(name);
        let child = Command::new("sh")
            .args(["-c", "ulimit -v 1500000; exec \"$0\" \"$@\""])
            .arg(&this)
            .args(["--exact", "peak_memory_of_one_document", "--nocapture"])
            .env("SLUICEGATE_HOSTILE", name)
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&child.stdout).into_owned();
        let peak = output.split("VmHWM:").nth(1).and_then(|rest| rest.split_whitespace().next());
        let peak: usize = peak.unwrap_or_else(|| panic!("{name}: {output}")).parse().unwrap();
        let limit = 32 * 1024 + (source.len() + query.len()) * 20 / 1024;
        assert!(peak < limit, "{name}: {peak} kB of {limit}");
    }
}

/// Runs as a child of the test above, or with the first document.
#[test]
#[allow(clippy::disallowed_methods, reason = "the parent names the document")]
fn peak_memory_of_one_document() {
    let name = std::env::var("SLUICEGATE_HOSTILE").unwrap_or_else(|_| HOSTILE[0].to_owned());
    let (source, query, key) = hostile(&name);
    assert!(render(&source, &query, Limits::default()).unwrap_err().contains(key));
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default());
}

#[test]
fn many_definitions_are_looked_up_and_not_walked() {
    let playlist = |count: usize| {
        let mut text = "#EXTM3U\n".to_owned();
        for at in 0..count {
            let _ = writeln!(text, "#EXT-X-DEFINE:NAME=\"v{at}\",VALUE=\"x\"");
        }
        text + &segments(count, "{$v0}.ts")
    };
    let (_, few) = render(&playlist(1_000), "", Limits::default()).unwrap();
    let (_, many) = render(&playlist(10_000), "", Limits::default()).unwrap();
    assert!(many < 11 * few, "{few} and {many} steps");
}

/// Without a place where it is kept, the tag would be read once for each Representation: 40 GB.
#[test]
fn a_profile_reads_the_tag_of_an_adaptation_set_once() {
    let mut text = format!(
        "<MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><Period><AdaptationSet x='{}' height='720'>",
        "y".repeat(1 << 20)
    );
    for at in 0..40_000 {
        let _ = write!(text, "<Representation id='{at}'/>");
    }
    text.push_str("</AdaptationSet></Period></MPD>");
    let template = Template::compile(text.into(), &Options::default()).unwrap();
    let profile = Profile { max_height: Some(720), max_bitrate: None };
    assert_eq!(template.excess(&profile).unwrap(), []);
    let profile = Profile { max_height: Some(480), max_bitrate: None };
    assert_eq!(template.excess(&profile), Err(RenderError::NothingLeft));
}

#[test]
fn a_data_uri_may_be_longer_than_any_other() {
    let long = "A".repeat(20_000);
    let data = format!("#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"data:;base64,{long}\"\na.ts\n");
    assert!(render(&data, "", Limits::default()).is_ok());
    let file = data.replace("data:;base64,", "");
    assert!(render(&file, "", Limits::default()).unwrap_err().contains("limits.max_uri_bytes"));
    let limits = Limits { max_uri_bytes: 40_000, ..Limits::default() };
    assert!(render(&file, "", limits).is_ok());
}

#[test]
fn four_hours_of_ten_representations_with_a_token_for_each_file_pass() {
    let mut text = "<MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static' \
                    mediaPresentationDuration='PT4H'><Period><AdaptationSet>\
                    <SegmentTemplate timescale='1000' duration='2000' \
                    initialization='$RepresentationID$/init.mp4' \
                    media='$RepresentationID$/segment-$Number%06d$.m4s'/>"
        .to_owned();
    for at in 0..10 {
        let _ = write!(text, "<Representation id='video-{at}' bandwidth='{at}000000'/>");
    }
    text.push_str("</AdaptationSet></Period></MPD>");
    let (bytes, _) = render(&text, "", Limits::default()).unwrap();
    assert!(bytes > 72_000 * 80, "{bytes}");
}

#[test]
fn written_out_segments_beyond_the_result_name_its_key() {
    let text = one_template("$Number$.m4s", "v", 1_000);
    let limits = Limits { max_result_bytes: 20_000, result_bytes_per_byte: 1, ..Limits::default() };
    let refused = render(&text, "", limits).unwrap_err();
    assert!(refused.contains("more than 20000 bytes; limits.max_result_bytes"), "{refused}");
}

#[test]
fn elements_of_a_few_bytes_cannot_take_all_memory() {
    let periods = "<Period/>".repeat(1_800_000);
    let text = format!("<MPD xmlns='urn:mpeg:dash:schema:mpd:2011'>{periods}</MPD>");
    let refused = Template::compile(text.into(), &Options::default()).unwrap_err().to_string();
    assert!(refused.contains("limits.max_result_bytes"), "{refused}");
}

#[test]
fn a_template_of_more_segments_than_its_bound_names_its_key() {
    let text = one_template("$Number$.m4s", "v", 10);
    let within = |max_expanded_segments| {
        render(&text, "", Limits { max_expanded_segments, ..Limits::default() })
    };
    assert!(within(10).is_ok());
    let refused = within(9).unwrap_err();
    assert!(refused.contains("more than 9 segments; limits.max_expanded_segments"), "{refused}");
}

#[test]
fn each_bound_is_told_by_its_key_and_in_the_message() {
    let limit = 1;
    let mut told: Vec<(&[&str], String)> = Vec::new();
    for error in [
        CompileError::TooLong { bytes: 2, limit },
        CompileError::LineTooLong { line: 1, offset: 0, limit },
        CompileError::TooManyLines { limit },
        CompileError::TooManyUris { line: 1, limit },
        CompileError::TooManyElements { line: 1, limit },
    ] {
        told.push((error.limits(), error.to_string()));
    }
    for reason in [
        RefuseReason::UriTooLong { bytes: 2, limit },
        RefuseReason::TooMuchWork { limit },
        RefuseReason::TooMuchWrittenOut { limit },
    ] {
        told.push((reason.limits(), reason.to_string()));
    }
    let too_long = RenderError::TooLong { limit };
    told.push((too_long.limits(), too_long.to_string()));
    let text = one_template("$Number$.m4s", "v", 10);
    let options = Options {
        limits: Limits { max_expanded_segments: 9, ..Limits::default() },
        ..Options::default()
    };
    let template = Template::compile(text.into(), &options).unwrap();
    let base = common::url(BASE);
    let gcore = common::gcore(Scope::File);
    let refused = template.plan(&Place::at(base.clone()), &mut SignHost::new(&base, &gcore));
    let refused = refused.unwrap_err();
    told.push((refused.limits(), refused.to_string()));

    let mut keys = std::collections::BTreeSet::new();
    for (of_error, message) in told {
        assert!(!of_error.is_empty(), "{message}");
        for key in of_error {
            assert!(message.contains(&format!("limits.{key}")), "{key}: {message}");
            keys.insert(*key);
        }
    }
    let all: std::collections::BTreeSet<_> =
        Limits::default().by_key().map(|(key, _)| key).into_iter().collect();
    assert_eq!(keys, all);
}

#[test]
fn what_no_key_changes_names_none() {
    let limit = u32::MAX as usize;
    assert_eq!(CompileError::TooLong { bytes: limit + 1, limit }.limits(), [""; 0]);
    assert_eq!(RenderError::TooLong { limit }.limits(), [""; 0]);
    assert_eq!(RefuseReason::NotExpandable("its end is not known".to_owned()).limits(), [""; 0]);
}
