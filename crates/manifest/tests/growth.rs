//! Documents in which each quantity, and each pair of quantities, grows: the work stays in proportion
//! to what comes in and what may go out, and nothing is allocated beyond the bounds.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;
#[path = "common/hostile.rs"]
mod hostile;

use sluicegate_manifest::{
    CompileError, Limits, Options, Place, Profile, RenderError, SignHost, Template,
};
use sluicegate_token::Scope;

use common::NOW;
use hostile::{Amounts, HLS, JSON, MPD, VTT};

const BASE: &str = "https://cdn.example.com/vod/movie/manifest";

/// Bytes that a document of two grown quantities may have here.
const MAX_SOURCE: usize = 1 << 20;

/// Steps for each byte that comes in or goes out: a decision is for a few bytes.
const STEPS_PER_BYTE: usize = 600;

/// What became of a document.
#[derive(Debug)]
enum Outcome {
    NotCompiled(CompileError),
    Refused(RenderError),
    Rendered { steps: usize, bytes: usize },
}

fn render(source: &str, query: &str, scope: Scope) -> Outcome {
    let template = match Template::compile(source.to_owned().into(), &Options::default()) {
        Ok(template) => template,
        Err(error) => return Outcome::NotCompiled(error),
    };
    let base = common::url(BASE);
    let gcore = common::gcore(scope);
    let mut place = Place { now: Some(NOW), ..Place::at(base.clone()) };
    place.served.set_query(Some(query).filter(|query| !query.is_empty()));
    // A profile looks through the same document.
    let profile = Profile { max_height: Some(8), max_bitrate: Some(8) };
    let _ = template.excess(&profile);
    let mut policy = SignHost::new(&base, &gcore);
    // A report goes on after a refusal, within the same bounds.
    let reported = template.decisions(&place, &mut policy).count();
    assert!(reported <= Limits::DEFAULT.max_steps / 64, "{reported} decisions");
    let mut policy = SignHost::new(&base, &gcore);
    match template.plan(&place, &mut policy) {
        Err(error) => Outcome::Refused(error),
        Ok(plan) => {
            let tokens = policy.sign(common::EXPIRES, None).unwrap();
            let bytes = plan.render(&tokens).bytes.len();
            Outcome::Rendered { steps: plan.steps(), bytes }
        }
    }
}

/// Renders each document, and says how many were rendered and refused.
fn grow(documents: impl Iterator<Item = (Amounts, String, String)>) -> [usize; 2] {
    let mut counts = [0, 0];
    for (amounts, source, query) in documents {
        if source.len() > MAX_SOURCE {
            continue;
        }
        for scope in [Scope::Directory, Scope::File] {
            match render(&source, &query, scope) {
                Outcome::Rendered { steps, bytes } => {
                    counts[0] += 1;
                    let limit = STEPS_PER_BYTE * (source.len() + query.len() + bytes);
                    assert!(steps <= limit, "{amounts:?}, {scope:?}: {steps} of {limit} steps");
                    let result = Limits::DEFAULT.max_result_bytes.max(8 * source.len());
                    assert!(bytes <= 2 * result, "{amounts:?}, {scope:?}: {bytes} bytes");
                }
                Outcome::Refused(error) => {
                    counts[1] += 1;
                    assert!(is_a_bound(&error.to_string()), "{amounts:?}, {scope:?}: {error}");
                }
                Outcome::NotCompiled(error) => {
                    counts[1] += 1;
                    assert!(is_a_bound(&error.to_string()), "{amounts:?}, {scope:?}: {error}");
                }
            }
        }
    }
    counts
}

/// Whether a refusal names what was too much.
fn is_a_bound(message: &str) -> bool {
    ["limits.", "more than", "TooManyDeclarations"].iter().any(|named| message.contains(named))
}

/// Sizes that quantities grow to: the larger ones only where a run may take minutes.
fn sizes() -> &'static [usize] {
    match std::env::var_os("SLUICEGATE_PROOF") {
        Some(_) => &[3, 40, 200, 2_000, 20_000, 100_000],
        None => &[3, 40, 200],
    }
}

#[test]
fn what_grows_in_a_playlist_costs_no_more_than_its_share() {
    for &size in sizes() {
        let [rendered, _] = grow(hostile::grown(&HLS, size).map(|amounts| {
            let (text, query) = hostile::playlist(&amounts);
            (amounts, text, query)
        }));
        assert!(size > 200 || rendered > 0);
    }
}

#[test]
fn what_grows_in_an_mpd_costs_no_more_than_its_share() {
    for &size in sizes() {
        let [rendered, _] = grow(hostile::grown(&MPD, size).map(|amounts| {
            let text = hostile::mpd(&amounts);
            (amounts, text, String::new())
        }));
        assert!(size > 200 || rendered > 0);
    }
}

#[test]
fn what_grows_in_a_document_costs_no_more_than_its_share() {
    for &size in sizes() {
        let documents =
            hostile::grown(&JSON, size).map(|amounts| (hostile::json(&amounts), amounts));
        let tracks = hostile::grown(&VTT, size).map(|amounts| (hostile::vtt(&amounts), amounts));
        let all = documents.chain(tracks).map(|(text, amounts)| (amounts, text, String::new()));
        let [rendered, _] = grow(all);
        assert!(size > 200 || rendered > 0);
    }
}
