//! MPDs as packagers, muxers and people write them: always well-formed, and always with segments
//! that can be told.

#![allow(dead_code, reason = "each test binary uses a part")]

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// The text of an MPD.
pub(crate) fn mpd() -> impl Strategy<Value = String> {
    any::<bool>().prop_flat_map(mpd_in_style)
}

/// The text of a live one that began up to half a minute before 2026-01-01, with Periods that are
/// over, that are on and that are to come.
pub(crate) fn live_mpd() -> impl Strategy<Value = String> {
    let depth = select(vec!["", " timeShiftBufferDepth='PT4S'", " timeShiftBufferDepth=\"PT1M\""]);
    (mpd(), 30_u32..60, depth, any::<bool>()).prop_map(|(text, second, depth, is_open)| {
        let live = format!(
            "type = \"dynamic\" availabilityStartTime='2025-12-31T23:59:{second}Z' \
             publishTime='2025-12-31T23:59:59Z' minimumUpdatePeriod=\"PT2S\"{depth}"
        );
        let text = text.replace("type = \"static\"", &live);
        // Of the last Period, the end may not be known.
        match text.rfind("Period duration='").filter(|_| is_open) {
            Some(at) => {
                let start = at + "Period".len();
                let end = start + text[start..].find('>').unwrap_or(0);
                format!("{}{}", &text[..start], &text[end..])
            }
            None => text,
        }
    })
}

/// `has_elements`: initialization segments of templates are told by elements, else by attributes.
/// No MPD may do both, not even on two levels.
fn mpd_in_style(has_elements: bool) -> impl Strategy<Value = String> {
    let root = (base_urls(2), vec(period(has_elements), 1..=2), noise(), noise());
    let form = (select(vec!["", "mpd:", "d-1."]), any::<bool>(), any::<bool>(), any::<bool>());
    (root, form).prop_map(|((bases, periods, before, after), form)| {
        let (prefix, is_crlf, has_declaration, has_document_type) = form;
        let colon = prefix.strip_suffix(':').map(|prefix| format!(":{prefix}")).unwrap_or_default();
        let declaration =
            if has_declaration { "<?xml version='1.0' encoding=\"UTF-8\"?>\n" } else { "" };
        let document_type = if has_document_type { "<!-- MPD --><!DOCTYPE MPD>\n" } else { "" };
        let prefix = if colon.is_empty() { "" } else { prefix };
        let text = format!(
            "{declaration}{document_type}<@MPD xmlns{colon}='urn:mpeg:dash:schema:mpd:2011'\n \
             type = \"static\" profiles='urn:mpeg:dash:profile:isoff-live:2011'>\n{before}{bases}{}\
             {after}</@MPD\n>\n",
            periods.concat()
        );
        // Elements of the standard are marked in all that is generated here.
        let text = text.replace("<@", &format!("<{prefix}")).replace("</@", &format!("</{prefix}"));
        if is_crlf { text.replace('\n', "\r\n") } else { text }
    })
}

// === Text ===

/// How a value is written.
#[derive(Clone, Copy, Debug)]
struct Style {
    quote: char,
    /// Instead of a plain `&`.
    ampersand: &'static str,
    equals: &'static str,
    gap: &'static str,
}

fn style() -> impl Strategy<Value = Style> {
    let ampersand = select(vec!["&amp;", "&#38;", "&#x26;"]);
    (
        select(vec!['"', '\'']),
        ampersand,
        select(vec!["=", "=", " = "]),
        select(vec![" ", " ", "\n    ", "\t"]),
    )
        .prop_map(|(quote, ampersand, equals, gap)| Style { quote, ampersand, equals, gap })
}

impl Style {
    fn text(self, value: &str) -> String {
        value.replace('&', self.ampersand).replace('<', "&lt;")
    }

    fn attribute(self, name: &str, value: &str) -> String {
        let Self { quote, equals, gap, .. } = self;
        let own = if quote == '"' { "&quot;" } else { "&apos;" };
        format!("{gap}{name}{equals}{quote}{}{quote}", self.text(value).replace(quote, own))
    }
}

/// What is between elements and means nothing.
fn noise() -> impl Strategy<Value = String> {
    let all = [
        "",
        "",
        "\n",
        "\n\n  \t",
        "<!-- <BaseURL>no/</BaseURL> & -->",
        "<?packager version=\"1\" > ?>",
        "<x:Delay xmlns:x='urn:x' ms=\"5\">5 &lt; 6<x:BaseURL/></x:Delay>",
        "<Plain xmlns=''/>",
        "<@SupplementalProperty schemeIdUri='urn:x' value=\"1 > 0\"/>",
    ];
    select(all.to_vec()).prop_map(str::to_owned)
}

// === Base URLs ===

fn base_url() -> impl Strategy<Value = String> {
    let reference = select(vec![
        "a/",
        "b/c/",
        "f.mp4",
        "./",
        "../",
        "../../../../up/",
        "/root/",
        "/root/f.mp4?t=1",
        "v?t=a/b",
        "d/?a=1&b=2&amp=3",
        "e/#f",
        "?only=query",
        "https://cdn.example.com/same/",
        "https://cdn.example.com",
        "HTTPS://CDN.example.com:443/port/",
        "//cdn.example.com/scheme/",
        "https://other.example.net/host/?k=v",
        "//other.example.net",
        "a b/\u{e9}/",
        "p%20c/%2F/",
    ]);
    let attributes =
        select(vec!["", " serviceLocation='a'", " dvb:priority=\"1\" xmlns:dvb='urn:dvb'"]);
    (reference, attributes, style(), 0..6).prop_map(|(reference, attributes, style, form)| {
        let plain = style.text(reference);
        let text = match form {
            0 => format!("<![CDATA[{reference}]]>"),
            1 => format!("\n    {plain}\n  "),
            2 => format!("<!-- -->{plain}<?x?>"),
            3 => {
                let (start, end) = reference.split_at(1);
                format!(" {}<![CDATA[{end}]]>", style.text(start))
            }
            _ => plain,
        };
        format!("<@BaseURL{attributes}>{text}</@BaseURL>")
    })
}

fn base_urls(most: usize) -> impl Strategy<Value = String> {
    vec((base_url(), noise()), 0..=most)
        .prop_map(|all| all.into_iter().map(|(base, noise)| base + &noise).collect())
}

// === Segments ===

/// Segments of a level: of a Representation, or of what is around it.
fn segments(has_elements: bool) -> impl Strategy<Value = String> {
    prop_oneof![
        5 => template(has_elements),
        2 => list(),
        1 => base(),
        3 => Just(String::new()),
    ]
}

fn media() -> impl Strategy<Value = &'static str> {
    select(vec![
        "$Number$.m4s",
        "$RepresentationID$/$Number%05d$.m4s",
        "$RepresentationID$/$Bandwidth$/$Time$.m4s?a=1&b=2",
        "b$Bandwidth%08d$/$Number$.m4s",
        "seg-$RepresentationID$-$Number$.m4s#f",
        "$Number%03d$/in-a-folder.m4s",
        "$Time$/$RepresentationID$.m4s?q='\"",
        "/root/$$$RepresentationID$$$/$Time%012d$",
        "../up/$RepresentationID$_$Number$_$Number%02d$.m4s",
        "https://cdn.example.com/x/$RepresentationID$/$Number$.m4s",
        "//other.example.net/$RepresentationID$/$Time$.m4s",
        "?n=$Number$&r=$RepresentationID$",
        "one/$RepresentationID$.mp4",
        "one.mp4",
    ])
}

fn template(has_elements: bool) -> impl Strategy<Value = String> {
    let initialization = select(vec![
        None,
        Some("init.mp4"),
        Some("$RepresentationID$/init.mp4?x='\"&y"),
        Some("../i-$Bandwidth$.mp4"),
        Some("$$/i"),
    ]);
    let index = select(vec![None, None, Some("$RepresentationID$/$Number$.sidx"), Some("x.sidx")]);
    let switching = select(vec![None, None, Some("s/$RepresentationID$.mp4")]);
    let child = select(vec!["", "<@Initialization sourceURL='child.mp4' range=\"0-9\"/>"]);
    let names = (media(), initialization, index, switching, child);
    (names, style(), style(), times(), noise()).prop_map(
        move |(names, style, other, times, noise)| {
            let (media, initialization, index, switching, child) = names;
            let child = if has_elements { child } else { "" };
            let (attributes, timeline) = times;
            let named = [
                ("initialization", initialization.filter(|_| !has_elements)),
                ("index", index),
                ("bitstreamSwitching", switching),
            ];
            let named: String = named
                .iter()
                .filter_map(|(name, value)| Some(other.attribute(name, (*value)?)))
                .collect();
            let media = style.attribute("media", media);
            let start = format!("<@SegmentTemplate{attributes}{named}{media}");
            match format!("{child}{noise}{timeline}") {
                inside if inside.is_empty() => format!("{start}\n/>"),
                inside => format!("{start}>{inside}</@SegmentTemplate>"),
            }
        },
    )
}

/// What says when segments are: attributes, and a timeline or none.
fn times() -> impl Strategy<Value = (String, String)> {
    // The end is never before a start, wherever this one is inherited from.
    let ends = select(vec![None, None, Some(12_u32), Some(15)]);
    let numbers = (0_u32..12, ends, 0_u32..30);
    let entries = vec((any::<bool>(), 1_u32..40, 0_i32..3), 1..4);
    (numbers, any::<bool>(), any::<bool>(), entries, 5_u32..40).prop_map(
        |((start, end, offset), has_timeline, is_open, entries, duration)| {
            let mut attributes = format!(
                " timescale='10' startNumber=\"{start}\" presentationTimeOffset='{offset}'"
            );
            if let Some(end) = end {
                attributes += &format!(" endNumber='{end}'");
            }
            if !has_timeline {
                return (format!("{attributes} duration=\"{duration}\""), String::new());
            }
            let last = entries.len() - 1;
            let mut time = offset;
            let entries = entries.iter().enumerate().map(|(at, (has_time, duration, repeats))| {
                let is_told = *has_time || at == 0;
                let t = if is_told { format!(" t='{time}'") } else { String::new() };
                time += duration * (repeats.unsigned_abs() + 1);
                match repeats {
                    _ if at == last && is_open => format!("<@S{t} d=\"{duration}\" r='-1'/>"),
                    0 => format!("<@S{t} d=\"{duration}\"></@S>"),
                    _ => format!("<@S d='{duration}' r=\"{repeats}\"{t}/>"),
                }
            });
            let entries: String = entries.collect();
            (attributes, format!("<@SegmentTimeline>\n{entries}</@SegmentTimeline>"))
        },
    )
}

fn list() -> impl Strategy<Value = String> {
    let segment = select(vec![
        (Some("1.m4s"), None),
        (Some("s/2.m4s?a=1&b=2"), None),
        (None, None),
        (Some("../3.m4s"), Some("3.sidx")),
        (Some("https://other.example.net/4.m4s"), None),
        (Some("/root/5\".m4s"), None),
    ]);
    let unit = select(vec![
        "",
        "<@Initialization sourceURL='i/init.mp4'/>",
        "<@Initialization range=\"0-9\"/><@RepresentationIndex sourceURL='x/x.sidx'/>",
        "<@BitstreamSwitching sourceURL='s.mp4'/>",
    ]);
    (vec((segment, style(), noise()), 1..5), unit).prop_map(|(segments, unit)| {
        let segments: String = segments
            .into_iter()
            .map(|((media, index), style, noise)| {
                let [media, index] = [("media", media), ("index", index)].map(|(name, value)| {
                    value.map(|value| style.attribute(name, value)).unwrap_or_default()
                });
                format!("<@SegmentURL{media} mediaRange='0-1'{index}/>{noise}")
            })
            .collect();
        format!("<@SegmentList duration='2'>{unit}{segments}</@SegmentList>")
    })
}

fn base() -> impl Strategy<Value = String> {
    select(vec![
        "<@SegmentBase/>",
        "<@SegmentBase indexRange='10-20'><@Initialization range='0-9'/></@SegmentBase>",
        "<@SegmentBase><@Initialization sourceURL=\"i.mp4\"/></@SegmentBase>",
        "<@SegmentBase><@RepresentationIndex sourceURL='x/i.sidx?a=1&amp;b'/></@SegmentBase>",
    ])
    .prop_map(str::to_owned)
}

// === Levels ===

fn representation(has_elements: bool) -> impl Strategy<Value = String> {
    let id = select(vec![
        "v1", "v 2", "a/b", "\u{e9}", "5", "q\"", "x.y?z=1", "h#1", "..", "%2E%2E", "a&b",
    ]);
    let own = (base_urls(2), segments(has_elements), noise(), any::<bool>());
    (id, 1_u32..9_000_000, style(), own).prop_map(|(id, bandwidth, style, own)| {
        let (bases, segments, noise, is_base_last) = own;
        let inside = match is_base_last {
            true => format!("{segments}{noise}{bases}"),
            false => format!("{bases}{noise}{segments}"),
        };
        let attributes =
            style.attribute("bandwidth", &bandwidth.to_string()) + &style.attribute("id", id);
        match inside.is_empty() {
            true => format!("<@Representation{attributes} />"),
            false => format!("<@Representation{attributes}>{inside}</@Representation>"),
        }
    })
}

fn adaptation_set(has_elements: bool) -> impl Strategy<Value = String> {
    (
        base_urls(2),
        segments(has_elements),
        vec(representation(has_elements), 1..=3),
        noise(),
        any::<bool>(),
    )
        .prop_map(|(bases, segments, representations, noise, is_base_last)| {
            let inside = match is_base_last {
                true => format!("{segments}{}{noise}{bases}", representations.concat()),
                false => format!("{bases}{noise}{segments}{}", representations.concat()),
            };
            format!("<@AdaptationSet mimeType='video/mp4'>{inside}</@AdaptationSet>\n")
        })
}

fn period(has_elements: bool) -> impl Strategy<Value = String> {
    let duration = select(vec!["PT6S", "PT0H0M5.500S", "PT0.1M"]);
    (
        duration,
        base_urls(1),
        segments(has_elements),
        vec(adaptation_set(has_elements), 1..=2),
        noise(),
    )
        .prop_map(|(duration, bases, segments, sets, noise)| {
            let sets = sets.concat();
            format!("<@Period duration='{duration}'>{segments}{noise}{sets}{bases}</@Period>")
        })
}
