//! Hosts that are none of ours, wherever a manifest names one, for policies that refuse them.
//!
//! A second pass over the document, which others never take. A value that is known to be a reference counts
//! by where it leads, any other value by all that it holds. Comments, namespaces, schema locations, DASH's
//! `schemeIdUri` and the page for people of ProgramInformation stay: no player fetches them. So do variables'
//! definitions, which count where they are used.

mod host;

use std::borrow::Cow;
use std::ops::Range;

use self::host::Search;
use crate::budget::Budget;
use crate::dash::carriers::{ElementUse, attribute_use, element_use};
use crate::dash::text;
use crate::dash::xml::{self, Namespace, Piece, Tag};
use crate::hls::attributes::Attributes;
use crate::hls::carriers::{AttributeUse, TagUse, tag_use};
use crate::hls::lines::{LineKind, Lines};
use crate::plan::Place;
use crate::policy::UriPolicy;
use crate::slot::{Carrier, Slot};
use crate::variables::Defined;
use crate::{Format, Quoting, RefuseReason, RenderError, Role, Template, json};

/// Refuses a manifest that names a host which is none of the policy's.
pub(crate) fn check(
    template: &Template,
    place: &Place,
    policy: &dyn UriPolicy,
) -> Result<(), RenderError> {
    let found = find(template, place, policy, true);
    let Some((slot, reason)) = found.into_iter().next() else { return Ok(()) };
    Err(RenderError::Refused {
        line: slot.line(),
        offset: slot.span().start,
        carrier: template.carrier(&slot).into_owned(),
        role: slot.role(),
        reason,
    })
}

/// Each value that is refused, in order, or the first one alone.
pub(crate) fn find(
    template: &Template,
    place: &Place,
    policy: &dyn UriPolicy,
    only_first: bool,
) -> Vec<(Slot, RefuseReason)> {
    let budget = template.budget(place.max_steps);
    let is_ours = |url: &url::Url| policy.protects(url);
    let search = Search { base: &place.base, is_ours: &is_ours, budget: &budget };
    let mut pass = Pass { template, search, only_first, found: Vec::new(), at: 0, line: 1 };
    match template.format() {
        Format::Hls => pass.playlist(place, &budget),
        Format::Dash | Format::DashElement | Format::DashPatch => pass.xml(),
        Format::AssetList | Format::Steering => pass.json(),
        _ => pass.cues(),
    }
    pass.found
}

/// How a value counts.
#[derive(Clone, Copy)]
enum Kind {
    /// It is a reference.
    Reference,
    /// It may hold anything.
    Text,
}

struct Pass<'t> {
    template: &'t Template,
    search: Search<'t>,
    only_first: bool,
    found: Vec<(Slot, RefuseReason)>,
    /// Lines are counted up to here.
    at: usize,
    line: usize,
}

impl Pass<'_> {
    fn is_over(&self) -> bool {
        self.found.last().is_some_and(|(_, reason)| {
            self.only_first || !matches!(reason, RefuseReason::ForeignHost)
        })
    }

    /// Looks at a value that stands at `span`.
    fn look(
        &mut self,
        value: &[u8],
        kind: Kind,
        span: Range<usize>,
        quoting: Quoting,
        carrier: Carrier,
    ) {
        if self.is_over() {
            return;
        }
        let looked = match kind {
            Kind::Reference => self.search.leads_away(value),
            Kind::Text => self.search.names_stranger(value),
        };
        let reason = match looked {
            Ok(false) => return,
            Ok(true) => RefuseReason::ForeignHost,
            Err(reason) => reason,
        };
        let known = self.slot_at(span.start).copied();
        let slot = known.unwrap_or_else(|| {
            let line = self.line_of(span.start);
            Slot::new(span, line, Role::Unclassified, quoting, carrier)
        });
        if self.found.last().is_none_or(|(last, _)| last.span() != slot.span()) {
            self.found.push((slot, reason));
        }
    }

    fn slot_at(&self, start: usize) -> Option<&Slot> {
        let slots = self.template.slots();
        let at = slots.partition_point(|slot| slot.span().start < start);
        slots.get(at).filter(|slot| slot.span().start == start)
    }

    /// Whether the value is a reference of a known role.
    fn kind_at(&self, start: usize) -> Kind {
        match self.slot_at(start) {
            Some(slot) if slot.role() != Role::Unclassified => Kind::Reference,
            _ => Kind::Text,
        }
    }

    fn line_of(&mut self, offset: usize) -> usize {
        let source = self.template.source();
        let from = if offset < self.at { 0 } else { self.at };
        let known = if from == 0 { 1 } else { self.line };
        let ends = memchr::memchr2_iter(b'\n', b'\r', &source[from..offset]);
        let is_end = |at: &usize| {
            let at = from + *at;
            source[at] == b'\n' || source.get(at + 1) != Some(&b'\n')
        };
        self.line = known + ends.filter(is_end).count();
        self.at = offset;
        self.line
    }

    // === HLS ===

    fn playlist(&mut self, place: &Place, budget: &Budget) {
        let source = self.template.source();
        let defined = Defined::new(self.template.definitions(), &place.served, &place.variables);
        // What no variable stands for is read as it is.
        let filled = |value: Range<usize>| -> Cow<'_, [u8]> {
            let raw = &source[value.clone()];
            match defined.expand(raw, value.start, budget) {
                Ok(expanded) if !defined.is_empty() => expanded.reference,
                _ => Cow::Borrowed(raw),
            }
        };
        for line in Lines::new(source) {
            if self.is_over() {
                return;
            }
            let (name, value) = match line.kind {
                LineKind::Blank | LineKind::Comment => continue,
                LineKind::Uri(span) => {
                    let reference = filled(span.clone());
                    self.look(&reference, Kind::Reference, span, Quoting::Line, Carrier::UriLine);
                    continue;
                }
                LineKind::Tag { name, value } => (name, value),
            };
            if &source[name.clone()] == b"#EXT-X-DEFINE" {
                continue;
            }
            let tag = name.start + 1..name.end;
            let tag_use = tag_use(&source[name]);
            if tag_use != TagUse::Opaque {
                for attribute in Attributes::new(source, value.clone()).map_while(Result::ok) {
                    let carrier = Carrier::attribute(&tag, &attribute.name);
                    let kind = self.kind_at(attribute.value.start);
                    let text = filled(attribute.value.clone());
                    self.look(&text, kind, attribute.value, attribute.quoting, carrier);
                }
            }
            // Of these, what is no attribute counts, too.
            if !matches!(tag_use, TagUse::Attributes { .. }) {
                let text = filled(value.clone());
                self.look(&text, Kind::Text, value, Quoting::Bare, Carrier::tag(&tag));
            }
        }
    }

    // === WebVTT ===

    /// Subtitles are for people, and hold no picture.
    fn cues(&mut self) {
        let source = self.template.source();
        if self.template.slots().is_empty() {
            return;
        }
        for line in Lines::new(source) {
            let span = trimmed(source, line.span);
            let is_picture = matches!(self.kind_at(span.start), Kind::Reference);
            let kind = if is_picture { Kind::Reference } else { Kind::Text };
            self.look(&source[span.clone()], kind, span, Quoting::Line, Carrier::CuePayload);
        }
    }

    // === JSON ===

    fn json(&mut self) {
        let source = self.template.source();
        // It was read when it was compiled.
        let _ = json::walk(source, &mut |value| {
            if let Some(json::Step::Member(key)) = value.path.last() {
                let carrier = value.carrier();
                self.look(
                    key.name.as_bytes(),
                    Kind::Text,
                    key.span.clone(),
                    Quoting::Json,
                    carrier,
                );
            }
            if let Some(text) = value.string()? {
                let within = value.span.start + 1..value.span.end - 1;
                let kind = self.kind_at(within.start);
                self.look(text.as_bytes(), kind, within, Quoting::Json, value.carrier());
            }
            Ok(())
        });
    }

    // === XML ===

    fn xml(&mut self) {
        let source = self.template.source();
        let mut open: Vec<(Range<usize>, ElementUse)> = Vec::new();
        let mut gathered = Gathered::default();
        // It was read when it was compiled.
        let _ = xml::walk(source, &mut |piece| {
            match piece {
                Piece::Text(span) => {
                    gathered.add(&text::decode(&source[span.clone()], Quoting::XmlText), span);
                }
                Piece::Cdata(span) => {
                    let inside = span.start + "<![CDATA[".len()..span.end - "]]>".len();
                    gathered.add(&source[inside], span);
                }
                Piece::Aside => {}
                Piece::Start(tag) => {
                    self.element_text(&open, &mut gathered);
                    self.tag(tag);
                    if !tag.is_empty {
                        open.push((tag.name.clone(), element_use(tag)));
                    }
                }
                Piece::End(_) => {
                    self.element_text(&open, &mut gathered);
                    open.pop();
                }
            }
            Ok(())
        });
    }

    fn element_text(&mut self, open: &[(Range<usize>, ElementUse)], gathered: &mut Gathered) {
        let Gathered { text, span } = std::mem::take(gathered);
        let Some((name, is)) = open.last() else { return };
        if text.trim_ascii().is_empty() || self.is_left_out(span.start) {
            return;
        }
        let kind = match is {
            ElementUse::Text(_) => Kind::Reference,
            _ => Kind::Text,
        };
        let span = trimmed(self.template.source(), span);
        self.look(text.trim_ascii(), kind, span, Quoting::XmlText, Carrier::tag(name));
    }

    fn tag(&mut self, tag: &Tag<'_>) {
        if self.is_left_out(tag.span.start) {
            return;
        }
        let source = self.template.source();
        for attribute in &tag.attributes {
            let kind = match attribute_use(tag, attribute) {
                AttributeUse::Carrier(Role::Information) => continue,
                AttributeUse::Carrier(_) => Kind::Reference,
                AttributeUse::NoUri if attribute.namespace != Namespace::Xlink => continue,
                AttributeUse::NoUri | AttributeUse::NeedsLook => Kind::Text,
            };
            let quoting =
                if attribute.quote == b'\'' { Quoting::XmlSingle } else { Quoting::XmlDouble };
            let value = text::decode(&source[attribute.value.clone()], quoting);
            let span = trimmed(source, attribute.value.clone());
            let carrier = Carrier::attribute(&tag.name, &attribute.name);
            self.look(&value, kind, span, quoting, carrier);
        }
    }

    /// Whether it stands in an element that does not leave.
    fn is_left_out(&self, at: usize) -> bool {
        let elements = self.template.tree().map_or(&[][..], |tree| &tree.unsafe_elements);
        let next = elements.partition_point(|element| element.start <= at);
        next.checked_sub(1).is_some_and(|before| elements[before].contains(&at))
    }
}

/// The text of an element, between two tags.
#[derive(Default)]
struct Gathered {
    text: Vec<u8>,
    span: Range<usize>,
}

impl Gathered {
    fn add(&mut self, text: &[u8], span: Range<usize>) {
        if self.span.is_empty() {
            self.span.start = span.start;
        }
        self.span.end = span.end;
        self.text.extend_from_slice(text);
    }
}

fn trimmed(source: &[u8], span: Range<usize>) -> Range<usize> {
    let raw = &source[span.clone()];
    let start = span.start + (raw.len() - raw.trim_ascii_start().len());
    start..start + raw.trim_ascii().len()
}
