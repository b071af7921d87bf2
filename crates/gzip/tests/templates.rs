//! Bodies from templates against a plain reading of them.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fmt::Write as _;
use std::io::Read as _;

use flate2::read::GzDecoder;
use proptest::prelude::*;
use sluicegate_gzip::{Gap, Template};

/// Texts are written with these marks where tokens stand, which are as long as those.
fn parse(marked: &str, lens: &[usize]) -> (Vec<u8>, Vec<Gap>) {
    let (mut text, mut gaps) = (Vec::new(), Vec::new());
    let mut rest = marked;
    while let Some(at) = rest.find(['\u{1}', '\u{2}', '\u{3}']) {
        text.extend_from_slice(&rest.as_bytes()[..at]);
        let token = usize::from(rest.as_bytes()[at] - 1);
        gaps.push(Gap { at: text.len(), len: lens[token], token });
        text.resize(text.len() + lens[token], b'x');
        rest = &rest[at + 1..];
    }
    text.extend_from_slice(rest.as_bytes());
    (text, gaps)
}

fn with(text: &[u8], gaps: &[Gap], tokens: &[Vec<u8>]) -> Vec<u8> {
    let mut text = text.to_vec();
    for gap in gaps {
        text[gap.at..gap.at + gap.len].copy_from_slice(&tokens[gap.token]);
    }
    text
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut text).unwrap();
    text
}

/// A playlist whose segments have one token.
fn playlist(segments: usize) -> String {
    let mut text =
        "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MAP:URI=\"init.mp4?\u{1}\"\n".to_owned();
    for number in 0..segments {
        writeln!(text, "#EXTINF:6.000,\nsegment-{number:06}.m4s?\u{1}").unwrap();
    }
    text
}

const QUERY: usize = 45;

fn query(number: u64) -> Vec<u8> {
    let token =
        format!("{:032x}", u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060));
    format!("md5={}&expires={}", &token[..22], 1_700_000_000 + number % 100_000_000).into_bytes()
}

#[test]
fn a_playlist_of_any_length_is_small_and_right() {
    for (segments, most) in [(1, 300), (10, 300), (600, 2_400), (7_200, 40_000), (20_000, 120_000)]
    {
        let (text, gaps) = parse(&playlist(segments), &[QUERY]);
        let template = Template::compile(&text, &gaps).unwrap();
        assert!(template.compressed_len() < most, "{segments}: {}", template.compressed_len());
        for number in [0, 1, 987_654_321] {
            let tokens = [query(number)];
            let body = template.fill(&tokens).unwrap();
            assert_eq!(body.len(), template.compressed_len());
            assert!(gunzip(&body) == with(&text, &gaps, &tokens), "{segments} {number}");
        }
    }
}

#[test]
fn several_tokens_stand_side_by_side() {
    let mut marked = "#EXTM3U\n".to_owned();
    for number in 0..200 {
        let token = ['\u{1}', '\u{2}', '\u{3}'][number % 3];
        writeln!(marked, "#EXTINF:4,\n{}/segment-{number}.ts?{token}", number % 3).unwrap();
    }
    let (text, gaps) = parse(&marked, &[QUERY, 55, 22]);
    let template = Template::compile(&text, &gaps).unwrap();
    let tokens = [query(5), vec![b'k'; 55], b"abcdefghijabcdefghijab".to_vec()];
    assert!(gunzip(&template.fill(&tokens).unwrap()) == with(&text, &gaps, &tokens));
    // Two of them may be the same, and be like the text around.
    let tokens = [query(5), b"segment-1.ts?md5=".repeat(4)[..55].to_vec(), query(5)[..22].to_vec()];
    assert!(gunzip(&template.fill(&tokens).unwrap()) == with(&text, &gaps, &tokens));
}

#[test]
fn a_token_that_stands_again_far_behind_is_stored_again() {
    let far = "nothing of interest 0123456789\n".repeat(2_000);
    let (text, gaps) = parse(&format!("a?\u{1}\n{far}b?\u{1}\nc?\u{1}\n"), &[QUERY]);
    let template = Template::compile(&text, &gaps).unwrap();
    let tokens = [query(77)];
    assert!(gunzip(&template.fill(&tokens).unwrap()) == with(&text, &gaps, &tokens));
}

#[test]
fn tokens_of_other_lengths_or_number_are_refused() {
    let (text, gaps) = parse("a?\u{1}\nb?\u{2}\n", &[8, 9]);
    let template = Template::compile(&text, &gaps).unwrap();
    assert!(template.fill(&[b"12345678".to_vec(), b"123456789".to_vec()]).is_some());
    assert!(template.fill(&[b"12345678".to_vec(), b"12345678".to_vec()]).is_none());
    assert!(template.fill(&[b"12345678".to_vec()]).is_none());
    assert!(template.fill::<Vec<u8>>(&[]).is_none());
}

#[test]
fn what_is_not_worth_it_or_makes_no_sense_is_refused() {
    let mut marked = String::new();
    for _ in 0..100 {
        marked.push_str("a?\u{1}\n");
    }
    let (text, mut gaps) = parse(&marked, &[QUERY]);
    assert!(Template::compile(&text, &gaps).is_some());
    for (number, gap) in gaps.iter_mut().enumerate() {
        gap.token = number;
    }
    assert!(Template::compile(&text, &gaps).is_none(), "a token for each");
    let gap = |at, len, token| Gap { at, len, token };
    for gaps in [
        vec![gap(0, 0, 0)],
        vec![gap(0, 5, 0), gap(4, 5, 0)],
        vec![gap(8, 5, 0), gap(0, 5, 0)],
        vec![gap(0, 5, 0), gap(8, 6, 0)],
        vec![gap(0, 5, 1)],
        vec![gap(0, 5, usize::MAX)],
        vec![gap(text.len() - 4, 5, 0)],
        vec![gap(usize::MAX, 5, 0)],
    ] {
        assert!(Template::compile(&text, &gaps).is_none(), "{gaps:?}");
    }
    let all: Vec<u8> = (0..=255).collect();
    assert!(Template::compile(&all, &[gap(5, 8, 0)]).is_none(), "no byte is left for stand-ins");
}

#[test]
fn a_text_without_tokens_is_one_for_all() {
    let template = Template::compile(b"#EXTM3U\n", &[]).unwrap();
    assert_eq!(gunzip(&template.fill::<Vec<u8>>(&[]).unwrap()), b"#EXTM3U\n");
}

/// Lines of playlists, of which some repeat, with marks where tokens stand.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("#EXTINF:6.000,\n".to_owned()),
        "[a-z0-9-]{1,12}\\.ts\\?\u{1}\n",
        "seg-[0-9]{1,6}\\.m4s\\?\u{1}\n",
        "[a-z]{1,3}/[0-9]{1,4}\\?\u{2}&x=\u{1}\n",
        Just("\u{3}\n".to_owned()),
        "[ -~]{0,300}\n",
        "[ -~ä-ü\u{4e00}-\u{4e20}]{0,40}\n",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_the_text_and_the_tokens_the_body_inflates_to_them(
        lines in prop::collection::vec(line(), 0..400),
        lens in prop::array::uniform3(1_usize..120),
        seeds in prop::collection::vec(prop::collection::vec(any::<u8>(), 120), 3),
    ) {
        let marked: String = lines.concat();
        let (text, gaps) = parse(&marked, &lens);
        // Tokens are counted without leaving one out.
        let mut used: Vec<usize> = gaps.iter().map(|gap| gap.token).collect();
        used.sort_unstable();
        used.dedup();
        let gaps: Vec<Gap> = gaps
            .iter()
            .map(|gap| Gap { token: used.binary_search(&gap.token).unwrap(), ..*gap })
            .collect();
        let tokens: Vec<Vec<u8>> =
            used.iter().map(|token| seeds[*token][..lens[*token]].to_vec()).collect();
        if let Some(template) = Template::compile(&text, &gaps) {
            let body = template.fill(&tokens).unwrap();
            prop_assert_eq!(gunzip(&body), with(&text, &gaps, &tokens));
        }
    }
}
