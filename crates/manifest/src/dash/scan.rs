//! One pass over an MPD, a remote element or a patch: from XML to slots and their tree.

mod text;
mod withheld;

use std::ops::Range;
use std::time::Duration;

use self::text::Content;
use super::carriers::{
    ElementUse, SegmentsKind, TEMPLATE_ATTRIBUTES, Unit, attribute_use, copies_query, element_use,
    operated_on,
};
use super::timeline::time;
use super::tree::{Level, LevelKind, Segments, Shape, SlotUse, Tree, UnitSlot, Value};
use super::xml::{self, Attribute, Namespace, Piece, Tag};
use crate::hls::carriers::{AttributeUse, has_host, is_named_as_uri};
use crate::slot::{Carrier, Slot};
use crate::{CompileError, Options, Quoting, Role};

/// Finds every URI of a document, and whatever looks like one.
pub(crate) fn scan(source: &[u8], options: &Options) -> Result<(Vec<Slot>, Tree), CompileError> {
    let mut scanner = Scanner {
        source,
        limit: options.limits.max_uris,
        memory: 0,
        max_memory: options.limits.max_result(source.len()),
        lines: Lines { source, at: 0, line: 1 },
        slots: Vec::new(),
        tree: Tree::default(),
        open: Vec::new(),
        unsafe_depth: 0,
    };
    xml::walk(source, &mut |piece| match piece {
        Piece::Start(tag) => scanner.start(tag),
        Piece::End(span) => scanner.end(&span),
        Piece::Text(span) => {
            scanner.text(span, false);
            Ok(())
        }
        Piece::Cdata(span) => {
            scanner.text(span, true);
            Ok(())
        }
        Piece::Aside => {
            scanner.aside();
            Ok(())
        }
    })?;
    debug_assert_eq!(scanner.slots.len(), scanner.tree.uses.len());
    Ok((scanner.slots, scanner.tree))
}

struct Scanner<'s> {
    source: &'s [u8],
    limit: usize,
    /// Bytes that the elements take so far, and may take.
    memory: usize,
    max_memory: usize,
    lines: Lines<'s>,
    slots: Vec<Slot>,
    tree: Tree,
    open: Vec<Open>,
    /// Open elements within one that is left out, and that one. Nothing there is looked at.
    unsafe_depth: usize,
}

/// An element whose end has not come yet.
struct Open {
    is: ElementUse,
    name: Range<usize>,
    start: usize,
    /// The level that it belongs to, or is.
    level: u32,
    /// Whether it is a level, or holds one as a patch does.
    is_level: bool,
    /// Whether something around it concerns licences.
    is_protection: bool,
    /// Of an operation, what its text is.
    operated_on: Option<Role>,
    /// Index into [`Tree::remotes`], if it is kept elsewhere.
    remote: Option<usize>,
    /// Of a descriptor, what the elements in it do with a query.
    query: DescribedQuery,
    content: Content,
}

/// The query that a descriptor describes (annex I).
#[derive(Clone, Copy, Default)]
struct DescribedQuery {
    /// It holds that of the MPD's own URL.
    is_copied: bool,
    /// It holds parameters that stand in the descriptor.
    has_own: bool,
}

impl Scanner<'_> {
    fn start(&mut self, tag: &Tag<'_>) -> Result<(), CompileError> {
        let mut is = element_use(tag);
        if self.unsafe_depth > 0 || self.is_unsafe(tag, is) {
            self.refuse_in_uri(tag)?;
            return self.leave_out(tag);
        }
        let is_root = self.open.is_empty();
        if self.open.is_empty() {
            if self.tree.levels.is_empty() {
                self.begin(tag, is)?;
            }
            if is == ElementUse::Level(LevelKind::Mpd) {
                is = ElementUse::Other;
            }
        } else {
            self.look_at_text(true)?;
        }
        self.refuse_in_uri(tag)?;
        let around = self.open.last();
        let level = around.map_or(0, |around| around.level);
        let is_protection = around.is_some_and(|around| around.is_protection);
        let outer = level;
        let level = match is {
            ElementUse::Level(kind) => self.level(tag, kind, level)?,
            // What a base URL in it is for is told by its selector, and at least not the others.
            ElementUse::Operation if self.tree.is_part => self.level(tag, LevelKind::Mpd, level)?,
            ElementUse::Segments(kind) => {
                self.take_memory(size_of::<Segments>(), tag.span.start)?;
                let segments = Segments::new(kind, shape(tag));
                self.tree.levels[level as usize].push_segments(segments);
                level
            }
            _ => level,
        };
        let is_utc_timing = tag.namespace == Namespace::Dash && tag.local == "UTCTiming";
        let mut unit = match is {
            ElementUse::Unit(unit) if self.is_within_segments() => {
                self.take_memory(size_of::<UnitSlot>(), tag.span.start)?;
                Some(UnitSlot { unit, slot: None, index: None, element: tag.span.clone() })
            }
            _ => None,
        };
        let mut remote = None;
        for attribute in &tag.attributes {
            if copies_query(attribute.local) {
                self.copy_of_query(attribute);
                continue;
            }
            if attribute.local == "queryString"
                && let Some(around) = self.open.last_mut()
            {
                around.query.has_own = true;
            }
            if is_utc_timing && attribute.local == "value" {
                self.utc_timing(tag, attribute)?;
                continue;
            }
            let role = match attribute_use(tag, attribute) {
                AttributeUse::NoUri => continue,
                AttributeUse::NeedsLook if !self.looks_like_uri(attribute) => continue,
                AttributeUse::NeedsLook if is_protection || is == ElementUse::Protection => {
                    Role::License
                }
                AttributeUse::NeedsLook => Role::Unclassified,
                AttributeUse::Carrier(role) => role,
            };
            let is_of_segments = unit.is_some()
                || is == ElementUse::Segments(SegmentsKind::Template)
                || role == Role::InitSection;
            let is_of_segments = is_of_segments
                && matches!(
                    role,
                    Role::Segment
                        | Role::InitSection
                        | Role::SegmentIndex
                        | Role::BitstreamSwitching
                );
            let slot_use = match is_of_segments {
                true => SlotUse::Segments { level },
                false => SlotUse::Document { level: outer },
            };
            let slot = self.attribute_slot(tag, attribute, role, slot_use)?;
            if role == Role::Remote {
                remote = Some(self.remote(tag, attribute, slot)?);
            }
            if let Some(unit) = unit.as_mut().filter(|_| is_of_segments) {
                let is_index = unit.unit == Unit::SegmentUrl && role == Role::SegmentIndex;
                *if is_index { &mut unit.index } else { &mut unit.slot } = Some(slot);
            } else if is == ElementUse::Segments(SegmentsKind::Template)
                && let Some(at) =
                    TEMPLATE_ATTRIBUTES.iter().position(|name| *name == attribute.local)
                && let Some(segments) = self.segments_of(level)
            {
                segments.attributes[at] = Some(slot);
            }
        }
        if let Some(unit) = unit
            && let Some(segments) = self.segments_of(level)
        {
            segments.push_unit(unit);
        }
        let operated_on = (is == ElementUse::Operation && self.tree.is_part)
            .then(|| {
                let value = |name: &str| {
                    let found = tag.attributes.iter().find(|a| a.local == name)?;
                    Some(value_of(found).text(self.source).into_owned())
                };
                operated_on(&value("sel").unwrap_or_default(), value("type").as_deref())
            })
            .flatten();
        self.open.push(Open {
            is,
            name: tag.name.clone(),
            start: tag.span.start,
            level,
            is_level: is_root
                || matches!(is, ElementUse::Level(_))
                || is == ElementUse::Operation && self.tree.is_part,
            is_protection: is_protection || is == ElementUse::Protection,
            operated_on,
            remote,
            query: DescribedQuery::default(),
            content: Content::default(),
        });
        if tag.is_empty { self.close(tag.span.end, None) } else { Ok(()) }
    }

    /// Players differ in what the text of an element is that has others in it.
    fn refuse_in_uri(&mut self, tag: &Tag<'_>) -> Result<(), CompileError> {
        let around = self.open.last().map(|around| around.is);
        let is_uri = matches!(around, Some(ElementUse::Text(role)) if role != Role::License);
        if !is_uri {
            return Ok(());
        }
        let (line, offset) = (self.lines.of(tag.span.start), tag.span.start);
        let problem = "an element stands within the text of a URI".to_owned();
        Err(CompileError::Xml { line, offset, problem })
    }

    fn end(&mut self, span: &Range<usize>) -> Result<(), CompileError> {
        if self.unsafe_depth > 0 {
            self.unsafe_depth -= 1;
            if self.unsafe_depth == 0
                && let Some(element) = self.tree.unsafe_elements.last_mut()
            {
                element.end = span.end;
            }
            return Ok(());
        }
        self.close(span.end, Some(span.start))
    }

    /// The document's element: a level of its own, whatever it is.
    fn begin(&mut self, tag: &Tag<'_>, is: ElementUse) -> Result<(), CompileError> {
        let value = |name: &str| {
            let found = tag.attributes.iter().find(|a| a.local == name)?;
            Some(value_of(found).text(self.source))
        };
        let is_mpd = is == ElementUse::Level(LevelKind::Mpd);
        self.tree.is_part = !is_mpd;
        self.tree.is_dynamic = is_mpd && value("type").is_some_and(|kind| kind == "dynamic");
        if let Some(period) = value("minimumUpdatePeriod").filter(|_| self.tree.is_dynamic) {
            self.tree.is_reloaded = true;
            self.tree.update_period = time::duration(&period)
                .ok()
                .and_then(|nanos| u64::try_from(nanos).ok())
                .map(Duration::from_nanos);
        }
        self.tree.location_at = tag.span.end;
        self.take_memory(size_of::<Level>(), tag.span.start)?;
        self.tree.levels.push(Level::new(LevelKind::Mpd, None, shape(tag)));
        Ok(())
    }

    fn level(&mut self, tag: &Tag<'_>, kind: LevelKind, parent: u32) -> Result<u32, CompileError> {
        self.take_memory(size_of::<Level>(), tag.span.start)?;
        let value = |name: &str| {
            let is_it = |a: &&Attribute<'_>| a.namespace == Namespace::Dash && a.local == name;
            tag.attributes.iter().find(is_it).map(value_of)
        };
        let is_representation = kind == LevelKind::Representation;
        let level = narrow(self.tree.levels.len());
        self.tree.levels.push(Level {
            id: value("id").filter(|_| is_representation),
            bandwidth: value("bandwidth").filter(|_| is_representation),
            ..Level::new(kind, Some(parent), shape(tag))
        });
        Ok(level)
    }

    /// Charges what an element takes, of which a few bytes of XML can make many.
    fn take_memory(&mut self, bytes: usize, at: usize) -> Result<(), CompileError> {
        self.memory += bytes;
        if self.memory > self.max_memory {
            let (line, limit) = (self.lines.of(at), self.max_memory);
            return Err(CompileError::TooManyElements { line, limit });
        }
        Ok(())
    }

    fn close(&mut self, end: usize, end_tag: Option<usize>) -> Result<(), CompileError> {
        self.look_at_text(false)?;
        let Some(open) = self.open.pop() else { return Ok(()) };
        if let Some(remote) = open.remote.and_then(|at| self.tree.remotes.get_mut(at)) {
            let inside = &self.source[remote.element.end.min(end)..end_tag.unwrap_or(end)];
            remote.has_content = memchr::memchr(b'<', inside).is_some();
            remote.element.end = end;
        }
        let is_top = self.open.len() <= 1;
        if self.open.is_empty()
            && let Some(document) = self.tree.levels.first_mut()
        {
            document.shape.end = end;
            document.shape.end_tag = end_tag;
        }
        match open.is {
            ElementUse::Operation if !self.tree.is_part => {}
            ElementUse::Level(_) | ElementUse::Operation => {
                let shape = &mut self.tree.levels[open.level as usize].shape;
                shape.end = end;
                shape.end_tag = end_tag;
            }
            ElementUse::Segments(_) => {
                if let Some(segments) = self.segments_of(open.level) {
                    segments.shape.end = end;
                    segments.shape.end_tag = end_tag;
                }
            }
            ElementUse::Unit(unit) => {
                if let Some(unit) =
                    self.segments_of(open.level).and_then(|segments| segments.last_unit(unit))
                    && unit.element.start == open.start
                {
                    unit.element.end = end;
                }
            }
            ElementUse::Timeline => {
                if let Some(segments) = self.segments_of(open.level) {
                    segments.timeline = Some(open.start..end);
                }
            }
            ElementUse::Text(Role::BaseUrl) => {
                if let Some(base) = self.tree.levels[open.level as usize].bases.last_mut()
                    && base.element.start == open.start
                {
                    base.element.end = end;
                }
            }
            ElementUse::Text(Role::PatchLocation | Role::Steering) => {
                self.tree.documents.push(open.start..end);
            }
            _ => {}
        }
        let name = &self.source[open.name];
        let local = name.rsplit(|&byte| byte == b':').next().unwrap_or_default();
        // Players pass over what has an EssentialProperty that describes no query at all.
        if open.query.is_copied
            && !open.query.has_own
            && matches!(local, b"EssentialProperty" | b"SupplementalProperty")
        {
            let copies = &mut self.tree.copies_of_query;
            while copies.pop_if(|copy| copy.start >= open.start).is_some() {}
            copies.push(open.start..end);
        }
        if is_top && matches!(local, b"ProgramInformation" | b"BaseURL") {
            self.tree.location_at = end;
        }
        Ok(())
    }

    // === Attributes ===

    fn attribute_slot(
        &mut self,
        tag: &Tag<'_>,
        attribute: &Attribute<'_>,
        role: Role,
        slot_use: SlotUse,
    ) -> Result<u32, CompileError> {
        let span = trimmed(self.source, attribute.value.clone());
        self.value_slot(tag, attribute, span, role, slot_use)
    }

    fn value_slot(
        &mut self,
        tag: &Tag<'_>,
        attribute: &Attribute<'_>,
        span: Range<usize>,
        role: Role,
        slot_use: SlotUse,
    ) -> Result<u32, CompileError> {
        let carrier = Carrier::attribute(&tag.name, &attribute.name);
        self.slot(span, role, value_of(attribute).quoting, carrier, slot_use)
    }

    /// The schemes that ask an HTTP server (clause 5.8.5.7) name some, with spaces between them.
    fn utc_timing(&mut self, tag: &Tag<'_>, attribute: &Attribute<'_>) -> Result<(), CompileError> {
        let scheme = tag.attributes.iter().find(|a| a.local == "schemeIdUri");
        let is_http = scheme.is_some_and(|scheme| {
            value_of(scheme).text(self.source).starts_with("urn:mpeg:dash:utc:http-")
        });
        if !is_http {
            return Ok(());
        }
        let mut at = attribute.value.start;
        let value = &self.source[attribute.value.clone()];
        for url in value.split(u8::is_ascii_whitespace) {
            let span = at..at + url.len();
            at = span.end + 1;
            if !url.is_empty() {
                let slot_use = SlotUse::Document { level: 0 };
                self.value_slot(tag, attribute, span, Role::UtcTiming, slot_use)?;
            }
        }
        Ok(())
    }

    fn looks_like_uri(&self, attribute: &Attribute<'_>) -> bool {
        let value = &self.source[attribute.value.clone()];
        !value.trim_ascii().is_empty()
            && (is_named_as_uri(attribute.local.as_bytes()) || has_host(value))
    }

    fn slot(
        &mut self,
        span: Range<usize>,
        role: Role,
        quoting: Quoting,
        carrier: Carrier,
        slot_use: SlotUse,
    ) -> Result<u32, CompileError> {
        let line = self.lines.of(span.start);
        if self.slots.len() >= self.limit {
            return Err(CompileError::TooManyUris { line, limit: self.limit });
        }
        let index = narrow(self.slots.len());
        self.slots.push(Slot::new(span, line, role, quoting, carrier));
        self.tree.uses.push(slot_use);
        Ok(index)
    }

    // === Where we are ===

    fn is_within_segments(&self) -> bool {
        matches!(self.open.last(), Some(Open { is: ElementUse::Segments(_), .. }))
    }

    fn segments_of(&mut self, level: u32) -> Option<&mut Segments> {
        self.tree.levels[level as usize].segments.last_mut()
    }
}

/// Counts lines from one place to the next, which is seldom far.
struct Lines<'s> {
    source: &'s [u8],
    at: usize,
    line: usize,
}

impl Lines<'_> {
    /// The number of the line of `offset`, from 1.
    fn of(&mut self, offset: usize) -> usize {
        let count = |span: Range<usize>| memchr::memchr_iter(b'\n', &self.source[span]).count();
        self.line += count(self.at.min(offset)..offset);
        self.line -= count(offset.min(self.at)..self.at);
        self.at = offset;
        self.line
    }
}

fn shape(tag: &Tag<'_>) -> Shape {
    Shape { tag: tag.span.clone(), name: tag.name.clone(), end: tag.span.end, end_tag: None }
}

fn value_of(attribute: &Attribute<'_>) -> Value {
    let quoting = if attribute.quote == b'\'' { Quoting::XmlSingle } else { Quoting::XmlDouble };
    Value { span: attribute.value.clone(), quoting }
}

fn trimmed(source: &[u8], span: Range<usize>) -> Range<usize> {
    let raw = &source[span.clone()];
    let start = span.start + (raw.len() - raw.trim_ascii_start().len());
    start..start + raw.trim_ascii().len()
}

/// Sources are shorter than 4 GiB, and so is any number of what is in them.
fn narrow(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
