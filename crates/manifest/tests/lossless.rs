//! Properties of every playlist: nothing but the URIs changes, and what was changed can be undone.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use std::collections::HashMap;

use common::{Mode, Rendered};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sluicegate_manifest::{
    CompileError, Decision, Options, Place, RenderError, SignHost, Template, Uri, UriPolicy, undo,
};
use sluicegate_token::{CdnKey, Gcore, Presented, ResourcePath, Scheme, Scope, UnixTime};
use url::Url;

// === Playlists ===

/// The bytes of a document, legible in the report of a failure.
#[derive(Clone)]
struct Text(Vec<u8>);

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

/// A path's last piece, without anything that a player or this crate would refuse.
fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[a-z0-9][a-zA-Z0-9._~-]{0,8}\\.(ts|m4s|m3u8|key)".prop_map(String::into_bytes),
        1 => "[a-z]( |[a-z+!$&'()*;@=,]|%20|%2F|%C3%A9|à|\u{3000}|第){0,6}[a-z]".prop_map(String::into_bytes),
        1 => vec(select(&b"a\x80\xE9\xFF"[..]), 1..5),
    ]
}

/// A reference of any form.
fn reference() -> impl Strategy<Value = Vec<u8>> {
    let lead = select(vec![
        "",
        "",
        "",
        "a/",
        "./",
        "./b:c/",
        "../",
        "../../../x/",
        "/",
        "/abs/",
        "//cdn.example.com/s/",
        "//other.example.net/",
        "https://cdn.example.com/vod/movie/",
        "https://cdn.example.com//two/",
        "HTTPS://CDN.EXAMPLE.COM:443/up/",
        "http://cdn.example.com/",
        "https://other.example.net/x/",
    ]);
    let query = select(vec!["", "", "", "?", "?a=1", "?x=1,2&y=a/b?c", "?t=%2F+~*= z&", "?\u{e9}"]);
    let fragment = select(vec!["", "", "", "#", "#f", "#a?b#c d"]);
    prop_oneof![
        12 => (lead, name(), query, fragment).prop_map(|(lead, name, query, fragment)| {
            [lead.as_bytes(), &name, query.as_bytes(), fragment.as_bytes()].concat()
        }),
        1 => select(vec![
            "data:text/plain;base64,AAAA+/==",
            "DATA:,x",
            "skd://asset-1?x=1",
            "ep1:part2",
            "?only=query",
        ]).prop_map(|text| text.as_bytes().to_vec()),
    ]
}

/// A reference that holds a token, which only some modes accept.
fn tokened() -> impl Strategy<Value = Vec<u8>> {
    (name(), select(vec!["?md5=x&expires=1", "?a=1&EXPIRES=2&b#f", "?md5"]))
        .prop_map(|(name, query)| [&name, query.as_bytes()].concat())
}

/// `URI=...`, quoted or not.
fn uri_attribute(reference: &[u8], equals: &str, is_bare: bool) -> Vec<u8> {
    let may_be_bare = !reference.iter().any(|byte| matches!(byte, b',' | b' ' | b'"'));
    let quote: &[u8] = if is_bare && may_be_bare { b"" } else { b"\"" };
    // The simple scan knows no spaces around the sign.
    let equals = if quote.is_empty() { equals } else { "=" };
    [b"URI", equals.as_bytes(), quote, reference, quote].concat()
}

/// A tag that carries a URI.
fn carrier_tag() -> impl Strategy<Value = Vec<u8>> {
    let tag = select(vec![
        "#EXT-X-MEDIA:",
        "#EXT-X-I-FRAME-STREAM-INF:",
        "#EXT-X-IMAGE-STREAM-INF:",
        "#EXT-X-SESSION-KEY:",
        "#EXT-X-SESSION-DATA:",
        "#EXT-X-KEY:",
        "#EXT-X-MAP:",
        "#EXT-X-PART:",
        "#EXT-X-PRELOAD-HINT:",
        "#EXT-X-RENDITION-REPORT:",
        " #EXT-X-MAP:",
        "#EXT-X-KEY: ",
    ]);
    (
        tag,
        reference(),
        any::<bool>(),
        select(vec!["=", " = ", "= "]),
        attributes(),
        attributes(),
        separator(),
    )
        .prop_map(|(tag, reference, is_bare, equals, before, after, separator)| {
            let mut pieces = before;
            // Without a comma after it, a piece that is no attribute joins the next name.
            pieces.retain(|piece| separator.contains(',') || piece != b"bare");
            pieces.push(uri_attribute(&reference, equals, is_bare));
            pieces.extend(after);
            [tag.as_bytes(), &pieces.join(separator.as_bytes())].concat()
        })
}

fn separator() -> impl Strategy<Value = &'static str> {
    select(vec![",", ",", ", ", " , ", ",\t", ",,", " "])
}

/// Attributes without a URI.
fn attributes() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let texts = vec![
        "TYPE=AUDIO",
        "BANDWIDTH=1280000",
        "METHOD=AES-128",
        "CODECS=\"avc1.4d401e, mp4a.40.2\"",
        "NAME=\"a=b, c\"",
        "NAME=\"Città\"",
        "LANGUAGE=\"\"",
        "BYTERANGE=\"10@0\"",
        "IV=0x00",
        "KEYFORMAT=\"urn:uuid:1\"",
        "X-URN=\"a/b\"",
        "bare",
    ];
    vec(select(texts).prop_map(|text| text.as_bytes().to_vec()), 0..3)
}

/// A line without a URI, or with one that stays.
fn inert_line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        select(vec![
            "",
            " \t",
            "# comment",
            "## URI=\"no.ts\"",
            "#USP-X:1",
            "#EXTINF:4.0,",
            "#EXTINF:4,a, title \"",
            "#EXTINF:-1 tvg-name=\"A, B\",C",
            "#EXT-X-VERSION:7",
            "#EXT-X-TARGETDURATION:4",
            "#EXT-X-MEDIA-SEQUENCE:1",
            "#EXT-X-DISCONTINUITY-SEQUENCE:0",
            "#EXT-X-DISCONTINUITY",
            "#EXT-X-ENDLIST ",
            "#EXT-X-PLAYLIST-TYPE:EVENT",
            "#EXT-X-I-FRAMES-ONLY",
            "#EXT-X-INDEPENDENT-SEGMENTS",
            "#EXT-X-BYTERANGE:10@0",
            "#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05Z",
            "#EXT-X-GAP",
            "#EXT-X-BITRATE:800",
            "#EXT-X-ALLOW-CACHE:YES",
            "#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2026-01-02T03:04:05Z\",SCTE35-OUT=0xFC",
            "#EXT-X-SKIP:SKIPPED-SEGMENTS=3",
            "#EXT-X-START:TIME-OFFSET=-12.50",
            "#EXT-X-PART-INF:PART-TARGET=0.33334",
            "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES",
            "#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"a,b\"",
            "#EXT-X-UNKNOWN",
            "#EXT-X-UNKNOWN:a \"b, c=\"d",
            "#EXT-X-UNKNOWN:LINK=\"https://other.example.net/a,b\",x",
            "#EXT-X-UNKNOWN:https://other.example.net/a?u=https://third.example.org/b",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        vec(
            any::<u8>().prop_filter("no line end", |byte| !b"\r\n\x0b\x0c\xC2\xE2".contains(byte)),
            0..20
        )
        .prop_map(|bytes| [b"#", &bytes[..]].concat())
        .prop_filter("no tag", |line| !line.starts_with(b"#EXT")),
    ]
}

fn uri_line() -> impl Strategy<Value = Vec<u8>> {
    (reference(), select(vec!["", "", "", " ", "\t "]), select(vec!["", "", "", " ", " \t"]))
        .prop_map(|(reference, lead, tail)| [lead.as_bytes(), &reference, tail.as_bytes()].concat())
}

/// A line that must not leave, at least in some mode.
fn risky_line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        tokened(),
        tokened().prop_map(|reference| [
            b"#EXT-X-MAP:",
            &uri_attribute(&reference, "=", false)[..]
        ]
        .concat()),
        select(vec![
            "#EXT-X-UNKNOWN:URI=\"relative.ts\"",
            "#EXT-X-UNKNOWN:x-url=relative.ts",
            "#EXT-X-UNKNOWN https://cdn.example.com/vod/movie/0.ts",
            "#EXT-X-DATERANGE:ID=\"a\",X-ASSET-URI=\"ad.m3u8\"",
            "#EXT-X-MAP:URI=\" spaces around \"",
            "#EXT-X-MAP:URI=\"#only-a-fragment\"",
            "#EXT-X-MAP:URI=\"\"",
            "back\\slash.ts",
            "100%.ts",
            "http://[::1/x.ts",
            "#EXT-X-KEY:URI=\"unterminated",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ]
}

fn playlist_of(line: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Text> {
    let line_end = || select(vec!["\n", "\n", "\r\n", "\r\n", "\r", "\n\n", "\r\r\n"]);
    (
        select(vec!["", "", "", "\u{feff}", "\n", " "]),
        line_end(),
        vec((line, line_end()), 0..24),
        any::<bool>(),
    )
        .prop_map(|(lead, first_end, lines, has_last_end)| {
            let mut playlist = [lead, "#EXTM3U", first_end].concat().into_bytes();
            let last = lines.len().saturating_sub(1);
            for (index, (line, end)) in lines.into_iter().enumerate() {
                playlist.extend(line);
                if index != last || has_last_end {
                    playlist.extend(end.as_bytes());
                }
            }
            Text(playlist)
        })
}

/// A playlist that every mode renders.
fn playlist() -> impl Strategy<Value = Text> {
    playlist_of(prop_oneof![3 => carrier_tag(), 3 => uri_line(), 3 => inert_line()])
}

/// A playlist that some mode may refuse.
fn risky_playlist() -> impl Strategy<Value = Text> {
    playlist_of(
        prop_oneof![4 => carrier_tag(), 4 => uri_line(), 4 => inert_line(), 1 => risky_line()],
    )
}

/// Bytes that look more or less like a playlist.
fn soup() -> impl Strategy<Value = Text> {
    let piece = prop_oneof![
        select(vec![
            "#EXTM3U",
            "#EXT-X-KEY:",
            "#EXT-X-FOO:",
            "#EXTINF:",
            "URI",
            "URI=\"",
            "\"",
            ",",
            "=",
            ":",
            "/",
            "?",
            "#",
            " ",
            "\t",
            "\r",
            "\n",
            "\\",
            "://",
            "http://h/",
            "{$v}",
            "\u{feff}",
            "#EXT-X-DEFINE:",
            "\0",
            "%",
            "//",
            "a",
            "..",
            "md5=1",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        vec(any::<u8>(), 0..3),
    ];
    vec(piece, 0..40).prop_map(|pieces| Text(pieces.concat()))
}

// === Properties ===

/// Each stretch between edits is in the source as it is in the output, and each edit lies in one
/// slot.
fn assert_only_slots_changed(template: &Template, rendered: &Rendered) {
    let source = template.source();
    let (mut at, mut copied) = (0, 0);
    for edit in &rendered.edits {
        let same = &rendered.bytes[copied..edit.output.start];
        assert_eq!(&source[at..at + same.len()], same);
        at += same.len();
        let removed = at..at + edit.removed.len();
        assert_eq!(&source[removed.clone()], &edit.removed[..]);
        let is_inside =
            |span: &std::ops::Range<usize>| span.start <= removed.start && removed.end <= span.end;
        assert!(template.slots().iter().any(|slot| is_inside(&slot.span())), "{removed:?}");
        at = removed.end;
        copied = edit.output.end;
    }
    assert_eq!(&source[at..], &rendered.bytes[copied..]);
}

/// The output has the same slots; kept ones read as before, the others lead to what was delivered.
fn assert_delivered(mode: Mode, template: &Template, rendered: &Rendered, delivered: &[Url]) {
    let output = common::compile(&rendered.bytes);
    let served = mode.place().served;
    assert_eq!(output.slots().len(), template.slots().len());
    let mut kept = rendered.kept.iter().peekable();
    let mut delivered = delivered.iter();
    for (index, (before, after)) in template.slots().iter().zip(output.slots()).enumerate() {
        assert_eq!(
            (before.line(), before.role(), template.carrier(before)),
            (after.line(), after.role(), output.carrier(after))
        );
        let reference = &rendered.bytes[after.span()];
        if kept.next_if(|kept| kept.slot == index).is_some() {
            assert_eq!(&template.source()[before.span()], reference);
        } else {
            let led_to = common::lead_to(&served, reference).unwrap();
            assert_eq!(&led_to, delivered.next().unwrap(), "{}", reference.escape_ascii());
        }
    }
    assert!(kept.next().is_none() && delivered.next().is_none());
}

/// What the simple scan finds is either kept with a reason, or signed with a token that opens it.
fn assert_signed_or_kept(mode: Mode, template: &Template, rendered: &Rendered) {
    let base = mode.place().base;
    let before = common::simple_scan(template.source());
    let after = common::simple_scan(&rendered.bytes);
    assert_eq!(before.len(), after.len());
    let mut text_of: HashMap<Vec<u8>, &[u8]> = HashMap::new();
    for (before, after) in before.into_iter().zip(after) {
        let (old, new) = (&template.source()[before.clone()], &rendered.bytes[after]);
        let is_kept = rendered.kept.iter().any(|kept| template.slots()[kept.slot].span() == before);
        assert_eq!(is_kept, old == new, "{}", old.escape_ascii());
        let same = text_of.entry(old.to_vec()).or_insert(new);
        assert_eq!(*same, new, "one reference, two texts");
        if is_kept {
            continue;
        }
        let head = new.split(|&byte| byte == b'#').next().unwrap();
        let has_token = memchr::memmem::find(head, b"md5=").is_some();
        assert!(has_token, "{}", new.escape_ascii());
        let (old, new) =
            (common::lead_to(&base, old).unwrap(), common::lead_to(&base, new).unwrap());
        assert_eq!((old.path(), old.fragment()), (new.path(), new.fragment()));
        let path = ResourcePath::parse(new.path().as_bytes()).unwrap();
        let presented = Presented::at(&path, new.query().map(str::as_bytes), None);
        let valid = common::gcore(mode.scope().unwrap()).verify(&presented, UnixTime(1));
        assert!(valid.is_ok(), "{new}: {valid:?}");
    }
}

/// Everything that holds of a playlist in one mode; false if the mode refused it.
fn check(mode: Mode, template: &Template) -> Result<(), RenderError> {
    let (rendered, delivered) = mode.render(template)?;
    assert_eq!(undo(&rendered.bytes, &rendered.edits), &template.source()[..], "{mode:?}");
    assert_only_slots_changed(template, &rendered);
    assert_delivered(mode, template, &rendered, &delivered);
    match mode {
        Mode::Identity => assert_eq!(rendered.bytes, &template.source()[..]),
        Mode::SignDirectory | Mode::SignFile => assert_signed_or_kept(mode, template, &rendered),
        _ => {}
    }
    assert_eq!(mode.render(template).unwrap().0, rendered, "rendering again gives the same");
    Ok(())
}

/// The policy of a CDN's own manifests, asked for every URI by its URL.
struct ByUrl<'s>(SignHost<'s>);

impl UriPolicy for ByUrl<'_> {
    fn decide(&mut self, uri: &Uri<'_>) -> Decision {
        self.0.decide(uri)
    }

    fn token_len(&self) -> usize {
        self.0.token_len()
    }

    fn protects(&self, url: &Url) -> bool {
        self.0.protects(url)
    }

    fn owned_parameters(&self) -> Vec<String> {
        self.0.owned_parameters()
    }
}

/// The text that a manifest at this URL is signed to, or why it is not. References that need no URL
/// are told by their paths, unless `by_url`.
fn signed(
    template: &Template,
    url: &str,
    scope: Scope,
    by_url: bool,
) -> Result<String, RenderError> {
    let scheme = Gcore::new(CdnKey::plain("cdn", b"secret-of-the-tests"), scope);
    let place = Place::at(Url::parse(url).unwrap());
    let mut policy = ByUrl(SignHost::new(&place.base, &scheme));
    let plan = match by_url {
        true => template.plan(&place, &mut policy)?,
        false => template.plan(&place, &mut policy.0)?,
    };
    let tokens = policy.0.sign(UnixTime(1_900_000_000), None).unwrap();
    let mut text = Vec::new();
    plan.render_into(&tokens, &mut text);
    assert_eq!(text, plan.into_text(&tokens), "however often it is rendered");
    Ok(text.escape_ascii().to_string())
}

proptest! {
    #[test]
    fn references_that_need_no_url_are_signed_as_all_others(
        Text(source) in risky_playlist(),
        url in select(vec![
            "https://cdn.example.com/vod/movie/index.m3u8",
            "https://cdn.example.com/index.m3u8?x=1",
            "https://cdn.example.com/a//b/index.m3u8",
            "https://cdn.example.com/.a/b%20c/index.m3u8",
        ]),
    ) {
        let Ok(template) = Template::compile(source.into(), &Options::default()) else {
            return Ok(());
        };
        for scope in [Scope::File, Scope::Directory] {
            let (quick, slow) =
                (signed(&template, url, scope, false), signed(&template, url, scope, true));
            match (quick, slow) {
                (Ok(quick), Ok(slow)) => prop_assert_eq!(quick, slow),
                (quick, slow) => {
                    let told = |text: Result<String, RenderError>| text.map_err(|why| why.to_string());
                    prop_assert_eq!(told(quick), told(slow));
                }
            }
        }
    }

    #[test]
    fn nothing_but_uris_changes_and_edits_can_be_undone(Text(source) in playlist()) {
        let template = common::compile(&source);
        for mode in Mode::ALL {
            check(mode, &template).unwrap();
        }
    }

    #[test]
    fn what_is_not_refused_is_lossless_in_every_mode(Text(source) in risky_playlist()) {
        match Template::compile(source.into(), &Options::default()) {
            Ok(template) => {
                for mode in Mode::ALL {
                    if let Err(error) = check(mode, &template) {
                        prop_assert!(!error.to_string().is_empty());
                    }
                }
            }
            Err(CompileError::UnterminatedQuote { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn every_uri_that_a_simple_scan_finds_is_a_slot(Text(source) in risky_playlist()) {
        let Ok(template) = Template::compile(source.clone().into(), &Options::default()) else {
            return Ok(());
        };
        for span in common::simple_scan(&source).into_iter().filter(|span| !span.is_empty()) {
            let is_slot = template.slots().iter().any(|slot| slot.span() == span);
            prop_assert!(is_slot, "{}", source[span].escape_ascii());
        }
    }

    #[test]
    fn no_bytes_make_it_panic(
        Text(source) in prop_oneof![vec(any::<u8>(), 0..200).prop_map(Text), soup()],
        is_headed: bool,
    ) {
        let source = if is_headed { [b"#EXTM3U\n", &source[..]].concat() } else { source };
        if let Ok(template) = Template::compile(source.into(), &Options::default()) {
            for mode in Mode::ALL {
                if let Ok((rendered, _)) = mode.render(&template) {
                    prop_assert_eq!(undo(&rendered.bytes, &rendered.edits), &template.source()[..]);
                }
            }
        }
    }

    #[test]
    fn lines_and_their_ends_cover_the_source(Text(source) in soup()) {
        let mut at = if source.starts_with("\u{feff}".as_bytes()) { 3 } else { 0 };
        for line in sluicegate_manifest::Lines::new(&source) {
            prop_assert_eq!(line.span.start, at);
            at = line.span.end;
            let end_len = source[at..].iter().take_while(|byte| b"\r\n".contains(byte)).count();
            at += match &source[at..at + end_len] {
                [b'\r', b'\n', ..] => 2,
                [] => 0,
                _ => 1,
            };
        }
        prop_assert_eq!(at, source.len());
    }
}
