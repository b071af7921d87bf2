//! Manifests that take as much work and memory as they can, or ask for far more: of each format some
//! that just stay within a bound, and some that are far beyond it.

use std::fmt::Write as _;

use super::growing::{self, Amounts, Quantity as Q};

/// A hostile manifest, and how it is asked for.
pub(crate) struct Hostile {
    /// Its file, of which the ending says the format.
    pub(crate) file: &'static str,
    pub(crate) text: String,
    /// The query of a viewer.
    pub(crate) query: String,
    /// The route, which says how tokens are written.
    pub(crate) route: Route,
}

/// The routes of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// All from the gateway, with one token for the folder.
    Folder,
    /// Segments from a CDN, with a token for each file, so that templates are written out.
    Files,
    /// The sessions have a profile, so that manifests are looked through for what exceeds it.
    Profile,
}

use Route::{Files, Folder, Profile};

fn hls(file: &'static str, route: Route, grown: &[(Q, usize)], query_bytes: usize) -> Hostile {
    let (text, _) = growing::playlist(&Amounts { grown: grown.to_vec() });
    Hostile { file, text, query: format!("?q={}", "x".repeat(query_bytes)), route }
}

fn mpd(file: &'static str, route: Route, grown: &[(Q, usize)]) -> Hostile {
    let text = growing::mpd(&Amounts { grown: grown.to_vec() });
    Hostile { file, text, query: String::new(), route }
}

fn json(file: &'static str, grown: &[(Q, usize)]) -> Hostile {
    let text = growing::json(&Amounts { grown: grown.to_vec() });
    Hostile { file, text, query: String::new(), route: Folder }
}

fn vtt(file: &'static str, grown: &[(Q, usize)]) -> Hostile {
    let text = growing::vtt(&Amounts { grown: grown.to_vec() });
    Hostile { file, text, query: String::new(), route: Files }
}

/// A playlist that is long, and harmless.
pub(crate) fn long() -> Hostile {
    hls("long.m3u8", Folder, &[(Q::Uris, 20_000)], 1)
}

/// An MPD of long URLs, of which a profile leaves half out.
fn long_urls(file: &'static str, base_bytes: usize, segments: usize) -> Hostile {
    let base = "b".repeat(base_bytes);
    let mut text = format!(
        "<MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static' \
         mediaPresentationDuration='PT{segments}S'><BaseURL>{base}/</BaseURL>\
         <Period><AdaptationSet><SegmentList duration='1'>"
    );
    for at in 0..segments {
        let _ = write!(text, "<SegmentURL media='segment-{at:08}/media.m4s'/>");
    }
    text.push_str("</SegmentList>");
    for height in [360, 1080] {
        let _ = write!(
            text,
            "<Representation id='{height}' height='{height}' bandwidth='9'>\
             <BaseURL>{height}/</BaseURL></Representation>"
        );
    }
    text.push_str("</AdaptationSet></Period></MPD>");
    Hostile { file, text, query: String::new(), route: Profile }
}

/// All of them.
pub(crate) fn all() -> Vec<Hostile> {
    vec![
        hls("query.m3u8", Folder, &[(Q::Uris, 4_000), (Q::QueryUses, 1)], 7_500),
        hls("many-queries.m3u8", Files, &[(Q::Uris, 150_000), (Q::QueryUses, 2)], 3_000),
        hls("uses.m3u8", Folder, &[(Q::ValueBytes, 65_000), (Q::Uses, 16_000)], 1),
        hls(
            "definitions.m3u8",
            Files,
            &[(Q::Definitions, 100_000), (Q::Uris, 100_000), (Q::Uses, 1)],
            1,
        ),
        hls("uris.m3u8", Files, &[(Q::Uris, 400_000)], 1),
        hls("loose.m3u8", Folder, &[(Q::LooseUrls, 600), (Q::Attributes, 600)], 1),
        mpd("wide.mpd", Files, &[(Q::Width, 600), (Q::Segments, 9_000)]),
        mpd("width.mpd", Files, &[(Q::Width, 57), (Q::Segments, 9_000)]),
        mpd("ids.mpd", Folder, &[(Q::Identifiers, 10_000), (Q::IdBytes, 180_000)]),
        mpd("id.mpd", Files, &[(Q::Identifiers, 40), (Q::IdBytes, 80), (Q::Segments, 9_000)]),
        mpd("runs.mpd", Files, &[(Q::Runs, 20_000), (Q::Representations, 20_000)]),
        mpd("run.mpd", Files, &[(Q::Runs, 300), (Q::Representations, 300)]),
        mpd("lists.mpd", Files, &[(Q::SegmentUrls, 20_000), (Q::Representations, 20_000)]),
        mpd("list.mpd", Files, &[(Q::SegmentUrls, 300), (Q::Representations, 300)]),
        mpd(
            "bases.mpd",
            Files,
            &[(Q::BaseUrls, 1_000), (Q::InnerBaseUrls, 1_000), (Q::Representations, 10)],
        ),
        mpd("elements.mpd", Folder, &[(Q::Periods, 100_000)]),
        mpd(
            "profile.mpd",
            Profile,
            &[(Q::AttributeBytes, 4_000_000), (Q::Representations, 100_000)],
        ),
        long_urls("long-urls.mpd", 3_900, 7_400),
        long_urls("many-urls.mpd", 100, 100_000),
        json("clones.json", &[(Q::Clones, 120), (Q::Parameters, 120), (Q::TextBytes, 50)]),
        json("deep.json", &[(Q::Depth, 100_000), (Q::Members, 4_000), (Q::TextBytes, 150)]),
        vtt("cues.vtt", &[(Q::Cues, 200_000), (Q::UriBytes, 30)]),
    ]
}
