//! The reading of MPDs that other tests lean on, against lists that were made by hand. Needs nothing
//! of the crate.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "common/dash_urls/fetches.rs"]
mod fetches;
#[path = "common/mpd_gen.rs"]
mod mpd_gen;

use fetches::{Fetch, Kind, expand, other_urls};
use proptest::prelude::*;
use url::Url;

const BASE: &str = "https://cdn.example.com/vod/movie/manifest.mpd?q=a/b";
/// 2026-01-01.
const NOW: u64 = 1_767_225_600;

/// An MPD of 8 s with this in it.
fn mpd(inside: &str) -> String {
    mpd_with("type='static' mediaPresentationDuration='PT8S'", inside)
}

fn mpd_with(attributes: &str, inside: &str) -> String {
    format!("<MPD xmlns='urn:mpeg:dash:schema:mpd:2011' {attributes}>{inside}</MPD>")
}

/// One Representation with this around it.
fn one(set: &str) -> String {
    mpd(&format!("<Period><AdaptationSet>{set}</AdaptationSet></Period>"))
}

fn told(mpd: &str) -> Vec<Fetch> {
    expand(mpd, &BASE.parse().unwrap(), Some(NOW)).unwrap_or_else(|error| panic!("{error}\n{mpd}"))
}

/// The URLs without the folder that most of them are in.
fn urls(mpd: &str) -> Vec<String> {
    let short = |url: &Url| url.as_str().replace("https://cdn.example.com/vod/movie/", "");
    told(mpd).iter().flat_map(|fetch| fetch.urls.iter().map(short).collect::<Vec<_>>()).collect()
}

fn error(mpd: &str) -> String {
    expand(mpd, &BASE.parse().unwrap(), Some(NOW)).unwrap_err()
}

// === Base URLs ===

#[test]
fn a_representation_that_says_nothing_is_in_its_base_url() {
    let mpd =
        one("<Representation id='v'><BaseURL> v/1.mp4?a=1&amp;b=2 </BaseURL></Representation>");
    assert_eq!(urls(&mpd), ["v/1.mp4?a=1&b=2"]);
    assert_eq!(told(&mpd)[0].representation, "0/0/0:v");
    assert_eq!(told(&mpd)[0].kind, Kind::Media);
}

#[test]
fn base_urls_are_resolved_level_by_level_and_alternatives_multiply() {
    let mpd = mpd("<BaseURL>https://a.example/x/?t=1</BaseURL><BaseURL>m/</BaseURL>
         <Period><BaseURL>p/</BaseURL>
           <AdaptationSet><BaseURL>s1/</BaseURL><BaseURL>/s2/</BaseURL>
             <Representation id='1'><BaseURL><![CDATA[../r.mp4?a&b]]></BaseURL></Representation>
             <Representation id='2'><BaseURL>//b.example/r.mp4</BaseURL></Representation>
             <Representation id='3'/>
           </AdaptationSet>
         </Period>");
    assert_eq!(
        urls(&mpd),
        [
            "https://a.example/x/p/r.mp4?a&b",
            "https://a.example/r.mp4?a&b",
            "m/p/r.mp4?a&b",
            "https://cdn.example.com/r.mp4?a&b",
            "https://b.example/r.mp4",
            "https://b.example/r.mp4",
            "https://b.example/r.mp4",
            "https://b.example/r.mp4",
            "https://a.example/x/p/s1/",
            "https://a.example/s2/",
            "m/p/s1/",
            "https://cdn.example.com/s2/",
        ]
    );
}

#[test]
fn a_query_of_a_base_url_goes_and_one_of_the_manifest_too() {
    let mpd = one("<Representation><BaseURL>v?t=a/b</BaseURL>
        <SegmentList duration='2'><SegmentURL media='1.m4s'/></SegmentList></Representation>");
    assert_eq!(urls(&mpd), ["1.m4s"]);
}

#[test]
fn where_a_base_url_stands_does_not_matter() {
    let template = "<SegmentTemplate duration='8' media='$Number$.m4s'/>";
    let base = "<BaseURL>b/</BaseURL>";
    for inside in [format!("{base}{template}"), format!("{template}<!-- -->{base}")] {
        assert_eq!(urls(&one(&format!("<Representation/>{inside}"))), ["b/1.m4s"]);
    }
}

// === Templates ===

#[test]
fn identifiers_are_filled_with_their_widths() {
    let mpd = one("<Representation id='v%05d' bandwidth='1000'/>
        <SegmentTemplate duration='4' startNumber='9' initialization='$$$RepresentationID$$$/$Number$'
          media='$Bandwidth%06d$-$Number%04d$-$RepresentationID$-$$-$Other$-$Number%1$.m4s'/>");
    assert_eq!(
        urls(&mpd),
        [
            "$v%05d$/$Number$",
            "001000-0009-v%05d-$-$Other$-$Number%1$.m4s",
            "001000-0010-v%05d-$-$Other$-$Number%1$.m4s",
        ]
    );
}

#[test]
fn identifiers_without_a_value_stay_and_are_not_taken_apart() {
    let mpd = one("<Representation id='v'/><SegmentTemplate media='$RepresentationID$$Number%03d$'
        initialization='$Number$$RepresentationID$$SubNumber$' duration='8'/>");
    assert_eq!(urls(&mpd), ["$Number$v$SubNumber$", "v001"]);
}

#[test]
fn without_a_duration_there_is_one_segment() {
    let mpd = one("<Representation/><SegmentTemplate startNumber='3' media='$Number$'/>");
    assert_eq!(urls(&mpd), ["3"]);
}

#[test]
fn durations_end_with_their_period() {
    let template = "<AdaptationSet><Representation/><SegmentTemplate timescale='10' duration='30' \
                    presentationTimeOffset='100' media='$Number$-$Time$'/></AdaptationSet>";
    let mpd = mpd(&format!(
        "<Period duration='PT3S'>{template}</Period><Period>{template}</Period>
         <Period start='PT4.1S'>{template}</Period>"
    ));
    assert_eq!(urls(&mpd), ["1-100", "1-100", "1-100", "2-130"]);
}

#[test]
fn an_end_number_and_a_delta_change_the_count() {
    let set = |attributes: &str| {
        one(&format!(
            "<Representation/><SegmentTemplate duration='3' {attributes} media='$Number$'/>"
        ))
    };
    assert_eq!(urls(&set("")), ["1", "2", "3"]);
    assert_eq!(urls(&set("startNumber='5' endNumber='6'")), ["5", "6"]);
    assert_eq!(urls(&set("eptDelta='2'")), ["1", "2"]);
    assert_eq!(urls(&set("eptDelta='-2'")), ["1", "2", "3", "4"]);
    let endless = mpd_with(
        "",
        "<Period><AdaptationSet><Representation/><SegmentTemplate duration='3' endNumber='2' \
         media='$Number$'/></AdaptationSet></Period>",
    );
    assert_eq!(urls(&endless), ["1", "2"]);
    assert_eq!(error(&endless.replace("endNumber='2'", "")), "the end of the Period is not known");
}

#[test]
fn a_timeline_repeats_up_to_the_next_entry_or_the_end() {
    let set = |entries: &str| {
        one(&format!(
            "<Representation/><SegmentTemplate timescale='10' startNumber='0' media='$Number$-$Time$'>
             <SegmentTimeline>{entries}</SegmentTimeline></SegmentTemplate>"
        ))
    };
    assert_eq!(urls(&set("<S t='5' d='10' r='1'/><S d='20'/>")), ["0-5", "1-15", "2-25"]);
    assert_eq!(urls(&set("<S d='15' r='-1'/><S t='40' d='10'/>")), ["0-0", "1-15", "2-30", "3-40"]);
    assert_eq!(urls(&set("<S t='20' d='25' r='-1'/>")), ["0-20", "1-45", "2-70"]);
    assert_eq!(urls(&set("<S t='0' d='1'/><S n='7' t='9' d='1'/>")), ["0-0", "7-9"]);
    let offset = set("<S t='20' d='25' r='-1'/>")
        .replace("timescale='10'", "timescale='10' presentationTimeOffset='20'");
    assert_eq!(urls(&offset), ["0-20", "1-45", "2-70", "3-95"]);
}

#[test]
fn sequences_have_numbers_of_their_own() {
    let mpd = one("<Representation/><SegmentTemplate media='$Number$.$SubNumber%02d$'>
        <SegmentTimeline><S t='0' d='4' k='2' r='1'/></SegmentTimeline></SegmentTemplate>");
    assert_eq!(urls(&mpd), ["1.01", "1.02", "2.01", "2.02"]);
}

#[test]
fn attributes_and_children_are_inherited_one_by_one() {
    let mpd = mpd(
        "<Period><SegmentTemplate timescale='2' startNumber='4' bitstreamSwitching='bs.mp4'>
           <Initialization sourceURL='i.mp4' range='0-9'/></SegmentTemplate>
         <AdaptationSet><SegmentTemplate media='$RepresentationID$/$Number$' index='$Number$.x'>
             <SegmentTimeline><S d='8' r='1'/></SegmentTimeline></SegmentTemplate>
           <Representation id='a'/>
           <Representation id='b'><SegmentTemplate startNumber='1' media='b$Number$'/></Representation>
         </AdaptationSet></Period>",
    );
    assert_eq!(
        urls(&mpd),
        [
            "i.mp4", "bs.mp4", "a/4", "a/5", "4.x", "5.x", //
            "i.mp4", "bs.mp4", "b1", "b2", "1.x", "2.x",
        ]
    );
    assert_eq!(told(&mpd)[0].range.as_deref(), Some("0-9"));
}

#[test]
fn the_nearest_level_decides_the_kind() {
    let mpd = one("<SegmentTemplate duration='4' media='$Number$'/>
        <Representation id='t'/>
        <Representation id='b'><BaseURL>b.mp4</BaseURL><SegmentBase/></Representation>");
    assert_eq!(urls(&mpd), ["1", "2", "b.mp4"]);
}

#[test]
fn a_template_without_numbers_is_one_file() {
    let mpd = one("<Representation id='v'/>
        <SegmentTemplate duration='2' media='$RepresentationID$.mp4' index='all.sidx'/>");
    assert_eq!(urls(&mpd), ["v.mp4", "all.sidx"]);
}

// === Live ===

fn live(attributes: &str, template: &str) -> String {
    mpd_with(
        &format!("type='dynamic' availabilityStartTime='2025-12-31T23:59:00Z' {attributes}"),
        &format!(
            "<Period start='PT10S'><AdaptationSet><Representation/>{template}</AdaptationSet></Period>"
        ),
    )
}

#[test]
fn a_live_window_ends_with_what_is_complete() {
    let template = "<SegmentTemplate duration='4' media='$Number$'/>";
    // 50 s of the Period: from 35 s, which is in the ninth, up to the twelfth, which ends at 48 s.
    assert_eq!(urls(&live("timeShiftBufferDepth='PT15S'", template)), ["9", "10", "11", "12"]);
    let early = template.replace("duration", "availabilityTimeOffset='3' duration");
    assert_eq!(urls(&live("timeShiftBufferDepth='PT5S'", &early)), ["12", "13"]);
    assert_eq!(urls(&live("", template)).len(), 12);
    let unzoned = live("", template).replace("00Z", "00");
    assert_eq!(urls(&unzoned).len(), 12);
    let zoned = live("", template).replace("00Z", "00+00:01");
    assert_eq!(urls(&zoned).len(), 27);
}

#[test]
fn the_last_segment_of_a_period_that_is_over_may_be_short() {
    let template = "<SegmentTemplate duration='4' media='$Number$'/>";
    let over = live("timeShiftBufferDepth='PT30S'", template)
        .replace("start='PT10S'", "start='PT10S' duration='PT26S'");
    assert_eq!(urls(&over), ["6", "7"]);
}

#[test]
fn a_live_timeline_repeats_until_now() {
    let template = "<SegmentTemplate media='$Time$'><SegmentTimeline><S t='30' d='6' r='-1'/>\
                    </SegmentTimeline></SegmentTemplate>";
    assert_eq!(urls(&live("", template)), ["30", "36", "42"]);
    let url = BASE.parse().unwrap();
    assert!(expand(&live("", template), &url, None).is_err());
}

// === Lists and bases ===

#[test]
fn lists_name_each_segment() {
    let mpd = one("<SegmentList duration='2'><Initialization sourceURL='i.mp4'/>
          <SegmentURL media='1.m4s' index='1.x'/><SegmentURL media='2.m4s' indexRange='0-1'/>
          <SegmentURL mediaRange='5-9'/></SegmentList>
        <Representation><BaseURL>all.mp4</BaseURL></Representation>");
    assert_eq!(urls(&mpd), ["i.mp4", "1.m4s", "1.x", "2.m4s", "2.m4s", "all.mp4"]);
    let told = told(&mpd);
    assert_eq!(told[5].range.as_deref(), Some("5-9"));
    assert_eq!((told[4].kind, told[4].sequence), (Kind::Index, 1));
}

#[test]
fn what_names_no_source_is_in_the_base_url() {
    let mpd = one("<Representation><BaseURL>v.mp4</BaseURL><SegmentBase indexRange='10-20'>
          <Initialization range='0-9'/></SegmentBase></Representation>
        <Representation><BaseURL>w.mp4</BaseURL><SegmentBase>
          <Initialization sourceURL='i.mp4'/><RepresentationIndex sourceURL='x/w.sidx'/>
        </SegmentBase></Representation>");
    assert_eq!(urls(&mpd), ["v.mp4", "v.mp4", "v.mp4", "i.mp4", "x/w.sidx", "w.mp4"]);
    let ranges: Vec<_> = told(&mpd).into_iter().take(3).map(|fetch| fetch.range).collect();
    assert_eq!(ranges, [Some("0-9".to_owned()), Some("10-20".to_owned()), None]);
}

// === XML ===

#[test]
fn names_count_and_prefixes_do_not() {
    let text = one("<Representation id='v'><BaseURL>v.mp4</BaseURL></Representation>");
    let prefixed = text.replace("</", "{/").replace('<', "<d:").replace("{/", "</d:");
    assert_eq!(urls(&prefixed.replace("xmlns", "xmlns:d")), ["v.mp4"]);
    assert_eq!(urls(&text.replace(" xmlns='urn:mpeg:dash:schema:mpd:2011'", "")), ["v.mp4"]);
    let foreign = text.replace("<BaseURL>", "<x:BaseURL xmlns:x='urn:x'>no</x:BaseURL><BaseURL>");
    assert_eq!(urls(&foreign), ["v.mp4"]);
    let entity = format!("<!DOCTYPE MPD [<!ENTITY e 'v.mp4'>]>{}", text.replace("v.mp4", "&e;"));
    assert_eq!(urls(&entity), ["v.mp4"]);
}

#[test]
fn what_cannot_be_told_is_an_error() {
    assert!(error("<MPD>").starts_with("XML: "));
    assert_eq!(error("<Period/>"), "no MPD");
    let many = "<Representation/><SegmentTemplate duration='1' media='$Number$'/>";
    assert_eq!(error(&one(many).replace("PT8S", "PT100001S")), "too many segments");
    let endless = "<Representation/><SegmentTemplate media='$Time$'><SegmentTimeline>\
                   <S d='0' r='-1'/></SegmentTimeline></SegmentTemplate>";
    assert!(error(&one(endless)).contains("without end"));
    assert!(
        error(&one("<Representation><BaseURL>http://</BaseURL></Representation>")).contains("host")
    );
}

#[test]
fn other_documents_are_named() {
    let mpd = mpd("<Location> l.mpd </Location><PatchLocation>p?a=1&amp;b=2</PatchLocation>
         <ContentSteering proxyServerURL='https://p.example/'>s.json</ContentSteering>
         <Period xmlns:xlink='http://www.w3.org/1999/xlink' xlink:href='p.xml'/>
         <UTCTiming schemeIdUri='urn:mpeg:dash:utc:http-iso:2014' value='https://t.example/'/>");
    let others = other_urls(&mpd).unwrap();
    let others: Vec<_> = others.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(
        others,
        [
            ("Location", "l.mpd"),
            ("PatchLocation", "p?a=1&b=2"),
            ("ContentSteering", "s.json"),
            ("ContentSteering@proxyServerURL", "https://p.example/"),
            ("Period@xlink:href", "p.xml"),
            ("UTCTiming@value", "https://t.example/"),
        ]
    );
}

// === Generated ===

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn generated_mpds_can_be_told(text in mpd_gen::mpd()) {
        prop_assert!(!told(&text).is_empty(), "{text}");
    }

    #[test]
    fn generated_live_mpds_can_be_told(text in mpd_gen::live_mpd()) {
        told(&text);
    }
}
