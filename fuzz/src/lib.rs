//! The bodies of the fuzz targets: ordinary code, which `crates/manifest/tests/fuzz_seeds.rs` runs
//! on every fixture and on every input that once failed.

#[path = "../../crates/manifest/tests/common/mod.rs"]
pub(crate) mod common;
mod mpd;
mod verify;

pub use mpd::mpd;
pub use verify::verify;

use std::ops::Range;

use common::Mode;
use sluicegate_manifest::{
    Attributes, CompileError, Decision, Edit, Format, LineKind, Lines, Options, Place, Quoting,
    RenderError, Role, SignHost, Slot, Template, Uri, UriPolicy, strip, undo,
};
use sluicegate_token::Scope;
use url::Url;

/// Lines, attributes and slots lie where they say, whatever the bytes are.
pub fn lexer(data: &[u8]) {
    let lines = lines_that_cover(data);
    attributes_in_order(data, 0..data.len());
    if let Ok(template) = Template::compile(data.to_vec().into(), &Options::default()) {
        slots_in_order(&template, &lines);
    }
    limits_are_kept(data);
}

/// Whatever a manifest is rendered to, its edits give it back.
pub fn render(data: &[u8]) {
    // No run is spent on what is no manifest.
    let header: &[u8] = if Format::detect(data).is_none() { b"#EXTM3U\n" } else { b"" };
    let source = [header, data].concat();
    if let Ok(template) = Template::compile(source.into(), &Options::default()) {
        render_in_every_mode(&template);
    }
}

/// Steps of planning for each byte that comes in or goes out. A reference of a few bytes is decided for
/// each of up to 64 combinations of base URLs.
const STEPS_PER_BYTE: usize = 64 * 600;

fn render_in_every_mode(template: &Template) {
    let is_dash = template.format().is_dash();
    for mode in Mode::ALL {
        let common::Rendered { bytes, edits, kept } = match mode.render(template) {
            Ok((rendered, _)) => rendered,
            Err(error) => {
                has_its_place(template, &error);
                continue;
            }
        };
        edits_give_the_source_back(template, &bytes, &edits);
        let output =
            if is_dash { mpd::reads_again(&bytes) } else { slots_stay(template, &bytes, &edits) };
        let is_signed = matches!(mode, Mode::SignDirectory | Mode::SignFile);
        if is_signed && edits.iter().all(|edit| is_a_token(edit, &bytes)) {
            stripping_gives_the_source_back(template, output.as_ref());
        }
        assert!(kept.iter().all(|kept| kept.slot < template.slots().len()));
        assert!(mode != Mode::Identity || bytes == template.source()[..]);
    }
    let place = Place::at(common::url(common::BASE));
    let gcore = common::gcore(Scope::File);
    let mut policy = ShortLived(SignHost::new(&place.base, &gcore));
    if let Ok(plan) = template.plan(&place, &mut policy) {
        let tokens = policy.0.sign(common::EXPIRES, None).expect("the key needs no address");
        let rendered = plan.render(&tokens);
        let bytes = template.source().len() + rendered.bytes.len();
        let steps = plan.steps();
        assert!(steps <= STEPS_PER_BYTE * bytes, "{steps} steps for {bytes} bytes");
        edits_give_the_source_back(template, &rendered.bytes, &rendered.edits);
    }
    // A report goes on where a plan stops.
    for decided in template.decisions(&place, &mut policy) {
        assert!(template.slots().contains(&decided.slot));
    }
}

/// A refusal says where in the source, and what stands there.
fn has_its_place(template: &Template, error: &RenderError) {
    let RenderError::Refused { line, offset, carrier, .. } = error else { return };
    let is_there = |slot: &Slot| (slot.line(), slot.span().start) == (*line, *offset);
    // What a pathway clone would replace is no slot.
    let is_replacement = template.format() == Format::Steering && *offset < template.source().len();
    assert!(template.slots().iter().any(is_there) || is_replacement, "{error}");
    assert!(!carrier.is_empty() && !error.to_string().is_empty());
}

/// Whether an edit inserts a query, and not elements of a DASH manifest.
fn is_a_token(edit: &Edit, bytes: &[u8]) -> bool {
    edit.removed.is_empty() && matches!(bytes.get(edit.output.start), Some(b'?' | b'&'))
}

/// Signs, takes every offer of delta updates away, and refuses what nobody knows.
struct ShortLived<'s>(SignHost<'s>);

impl UriPolicy for ShortLived<'_> {
    fn decide(&mut self, uri: &Uri<'_>) -> Decision {
        self.0.decide(uri)
    }

    fn protects(&self, url: &Url) -> bool {
        self.0.protects(url)
    }

    fn allows_delta_updates(&self) -> bool {
        false
    }

    fn is_strict(&self) -> bool {
        true
    }
}

// === What the lexer must keep to ===

/// The spans of the lines, which with their ends are the whole of the source.
fn lines_that_cover(source: &[u8]) -> Vec<Range<usize>> {
    let mut at = if source.starts_with("\u{feff}".as_bytes()) { 3 } else { 0 };
    let mut lines = Vec::new();
    for line in Lines::new(source) {
        assert_eq!((line.number, line.span.start), (lines.len() + 1, at));
        let text = &source[line.span.clone()];
        assert!(!text.iter().any(|byte| b"\r\n".contains(byte)));
        at = line.span.end
            + match &source[line.span.end..] {
                [b'\r', b'\n', ..] => 2,
                [b'\r' | b'\n', ..] => 1,
                rest => {
                    assert!(rest.is_empty());
                    0
                }
            };
        let trimmed = text.trim_ascii_start();
        match line.kind {
            LineKind::Blank => assert!(text.iter().all(|byte| b" \t".contains(byte))),
            LineKind::Comment => assert!(trimmed.starts_with(b"#")),
            LineKind::Tag { name, value } => {
                assert!(is_within(&name, &line.span) && is_within(&value, &line.span));
                assert!(name.end <= value.start && source[name].starts_with(b"#EXT"));
                attributes_in_order(source, value);
            }
            LineKind::Uri(uri) => {
                assert!(is_within(&uri, &line.span) && !uri.is_empty());
                assert!(source[uri.start] != b'#');
            }
        }
        lines.push(line.span);
    }
    assert_eq!(at, source.len());
    lines
}

/// Attributes stand one after another within `value`.
fn attributes_in_order(source: &[u8], value: Range<usize>) {
    let mut at = value.start;
    let mut attributes = Attributes::new(source, value.clone());
    for attribute in attributes.by_ref() {
        let attribute = match attribute {
            Ok(attribute) => attribute,
            Err(unterminated) => {
                assert!(at <= unterminated.offset && unterminated.offset < value.end);
                assert_eq!(source[unterminated.offset], b'"');
                break;
            }
        };
        assert!(at <= attribute.name.start && attribute.name.start <= attribute.name.end);
        assert!(source[attribute.name.end..attribute.value.start].contains(&b'='));
        assert!(is_within(&attribute.value, &value));
        at = attribute.value.end;
        let text = &source[attribute.value.clone()];
        match attribute.quoting {
            Quoting::Double => {
                assert_eq!(source[attribute.value.start - 1], b'"');
                assert_eq!(source[at], b'"');
                assert!(!text.contains(&b'"'));
            }
            _ => assert!(!text.contains(&b',')),
        }
    }
}

/// Slots are in order and in their lines. Those that may be written over lie apart; values that
/// merely look like URIs may lie in one another, and nothing is ever written there.
fn slots_in_order(template: &Template, lines: &[Range<usize>]) {
    let is_hls = Format::detect(template.source()) == Some(Format::Hls);
    let (mut start, mut end) = (0, 0);
    for slot in template.slots() {
        let span = slot.span();
        assert!(start <= span.start && span.start <= span.end);
        assert!(span.end <= template.source().len());
        assert!(!is_hls || is_within(&span, &lines[slot.line() - 1]));
        assert!(end <= span.start || slot.role() == Role::Unclassified);
        assert!(!template.carrier(slot).is_empty());
        start = span.start;
        end = span.end.max(end);
    }
}

/// Under tight limits a manifest is refused or within them.
fn limits_are_kept(data: &[u8]) {
    let mut options = Options { daterange_uris: vec!["X-A".to_owned()], ..Options::default() };
    options.limits.max_bytes = 256;
    options.limits.max_line_bytes = 32;
    options.limits.max_uris = 3;
    match Template::compile(data.to_vec().into(), &options) {
        Ok(template) => {
            assert!(data.len() <= 256 && template.slots().len() <= 3);
            let is_hls = Format::detect(data) == Some(Format::Hls);
            assert!(!is_hls || Lines::new(data).all(|line| line.span.len() <= 32));
        }
        Err(CompileError::TooLong { .. }) => assert!(data.len() > 256),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

// === What rendering must keep to ===

fn edits_give_the_source_back(template: &Template, bytes: &[u8], edits: &[Edit]) {
    let mut at = 0;
    for edit in edits {
        assert!(at <= edit.output.start && edit.output.start <= edit.output.end);
        at = edit.output.end;
    }
    assert!(at <= bytes.len());
    assert_eq!(undo(bytes, edits), template.source()[..]);
}

/// Where only tokens were inserted, their text is enough to find them.
fn stripping_gives_the_source_back(template: &Template, output: Option<&Template>) {
    let stripped = |template| strip(template, &["md5", "expires"]);
    // A source that holds such parameters itself would lose them, too.
    let holds_none = stripped(template).is_ok_and(|same| same == template.source()[..]);
    if let Some(output) = output.filter(|_| holds_none) {
        assert_eq!(stripped(output).as_deref(), Ok(&template.source()[..]));
    }
}

/// What was written reads as what it replaced: the slots that were not left out, each of its role and on
/// its line. None if the tokens made it longer than the limits.
fn slots_stay(template: &Template, bytes: &[u8], edits: &[Edit]) -> Option<Template> {
    let left_out = left_out(edits);
    let source = template.source();
    let lines =
        |range: &Range<usize>| source[range.clone()].iter().filter(|b| **b == b'\n').count();
    let mut expected = Vec::new();
    let mut has_steering = vec![false; left_out.len()];
    for slot in template.slots() {
        let before = left_out.partition_point(|range| range.end <= slot.span().start);
        if left_out.get(before).is_some_and(|range| is_within(&slot.span(), range)) {
            has_steering[before] |= slot.role() == Role::Steering;
            continue;
        }
        let above: usize = left_out[..before].iter().map(lines).sum();
        expected.push((slot.line() - above, slot.role()));
    }
    assert!(has_steering.iter().all(|has| *has), "of a playlist, steering alone is left out");
    match Template::compile(bytes.to_vec().into(), &Options::default()) {
        Ok(output) => {
            let mut slots: Vec<_> =
                output.slots().iter().map(|slot| (slot.line(), slot.role())).collect();
            if !left_out.is_empty() {
                // A broken playlist may have been a multivariant one by the tag that was left out alone.
                let of_media = |(_, role): &mut (usize, Role)| {
                    if *role == Role::Variant {
                        *role = Role::Segment;
                    }
                };
                slots.iter_mut().for_each(of_media);
                expected.iter_mut().for_each(of_media);
            }
            assert_eq!(slots, expected);
            Some(output)
        }
        Err(CompileError::TooLong { .. } | CompileError::LineTooLong { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

/// What the source has and the output has nothing for, in order.
fn left_out(edits: &[Edit]) -> Vec<Range<usize>> {
    let (mut in_source, mut in_output) = (0, 0);
    let mut left_out = Vec::new();
    for edit in edits {
        let start = in_source + (edit.output.start - in_output);
        in_source = start + edit.removed.len();
        in_output = edit.output.end;
        if edit.output.is_empty() && !edit.removed.is_empty() {
            left_out.push(start..in_source);
        }
    }
    left_out
}

fn is_within(inner: &Range<usize>, outer: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.start <= inner.end && inner.end <= outer.end
}
