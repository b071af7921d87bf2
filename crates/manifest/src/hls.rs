//! HLS playlists (RFC 8216bis): from bytes to slots.

pub(crate) mod attributes;
pub(crate) mod carriers;
pub(crate) mod lines;
pub(crate) mod live_edge;

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;

use self::attributes::Attributes;
use self::carriers::{AttributeUse, TagUse, tag_use};
use self::lines::{Frequent, Line, LineKind, Lines};
use crate::slot::{Carrier, Slot};
use crate::variables::{Definer, Definition};
use crate::{CompileError, Options, Quoting, Role};

/// What one pass over a playlist found.
pub(crate) struct Scan {
    pub(crate) slots: Vec<Slot>,
    /// A media playlist without EXT-X-ENDLIST: players load it again.
    pub(crate) is_reloaded: bool,
    pub(crate) definitions: Vec<Definition>,
    /// CAN-SKIP-UNTIL and CAN-SKIP-DATERANGES, each with a comma beside it.
    pub(crate) delta_updates: Vec<Range<usize>>,
    /// Whether there is EXT-X-SERVER-CONTROL.
    pub(crate) has_server_control: bool,
    /// The longest segment, or part if there are parts.
    pub(crate) target: Option<Duration>,
    /// The longest segment, rounded.
    pub(crate) longest: Option<Duration>,
}

/// To size the list of slots.
const TYPICAL_BYTES_PER_URI: usize = 36;

/// Finds every URI of a playlist, and whatever looks like one.
pub(crate) fn scan(source: &[u8], options: &Options) -> Result<Scan, CompileError> {
    let mut scanner = Scanner {
        source,
        options,
        // A media playlist has a URI every other line or so.
        slots: Vec::with_capacity(source.len() / TYPICAL_BYTES_PER_URI),
        is_ended: false,
        is_multivariant: false,
        definitions: Vec::new(),
        delta_updates: Vec::new(),
        has_server_control: false,
        target: None,
        longest: None,
    };
    let mut lines = match has_line_feeds_alone(source) {
        true => Lines::by_line_feeds(source),
        false => {
            refuse_other_line_ends(source)?;
            Lines::new(source)
        }
    };
    while let Some(span) = lines.next_span() {
        scanner.check_length(&span, lines.number())?;
        match Frequent::of(&source[span.clone()]) {
            Some(Frequent::Duration) => {}
            Some(Frequent::Uri) => scanner.uri_line(lines.number(), span)?,
            None => scanner.line(&Line::new(source, lines.number(), span))?,
        }
    }
    if lines.number() > options.limits.max_lines {
        return Err(CompileError::TooManyLines { limit: options.limits.max_lines });
    }
    scanner.finish()
}

/// Whether there is nothing that might end a line but line feeds: no CR, VT or FF, and no character beyond
/// ASCII. Nearly every playlist is so, and one pass without a branch for each byte tells it.
fn has_line_feeds_alone(source: &[u8]) -> bool {
    const VT: u8 = 0x0B;
    let (mut ored, mut least) = (0_u8, u8::MAX);
    for byte in source {
        ored |= byte;
        least = least.min(byte.wrapping_sub(VT));
    }
    ored.is_ascii() && least > b'\r' - VT
}

/// Refuses what ends a line for some players and not for others: hls.js ends a title at U+2028 and
/// U+2029, other readers end a line at VT, FF and NEL. A URI behind it would leave unsigned.
fn refuse_other_line_ends(source: &[u8]) -> Result<(), CompileError> {
    let is_end = |at: &usize| {
        let rest = &source[*at..];
        ["\u{b}", "\u{c}", "\u{85}", "\u{2028}", "\u{2029}"]
            .iter()
            .any(|end| rest.starts_with(end.as_bytes()))
    };
    let found = memchr::memchr3_iter(0x0B, 0x0C, 0xC2, source).find(is_end);
    let found = found.into_iter().chain(memchr::memchr_iter(0xE2, source).find(is_end)).min();
    let Some(offset) = found else { return Ok(()) };
    // The character belongs to the line that it would end.
    let line = Lines::new(&source[..=offset]).count();
    Err(CompileError::OtherLineEnd { line, offset })
}

/// The sum of all EXTINF; none without any, as in a multivariant playlist.
pub(crate) fn total_duration(source: &[u8]) -> Option<Duration> {
    let mut total = None;
    for line in Lines::new(source) {
        let LineKind::Tag { name, value } = line.kind else { continue };
        if &source[name] != b"#EXTINF" {
            continue;
        }
        let text = std::str::from_utf8(&source[value]).ok()?;
        let secs = text.split(',').next()?.trim().parse().ok()?;
        let segment = Duration::try_from_secs_f64(secs).ok()?;
        total = Some(total.unwrap_or(Duration::ZERO).saturating_add(segment));
    }
    total
}

struct Scanner<'s> {
    source: &'s [u8],
    options: &'s Options,
    slots: Vec<Slot>,
    is_ended: bool,
    is_multivariant: bool,
    definitions: Vec<Definition>,
    delta_updates: Vec<Range<usize>>,
    has_server_control: bool,
    target: Option<Duration>,
    longest: Option<Duration>,
}

impl Scanner<'_> {
    #[inline]
    fn check_length(&self, span: &Range<usize>, line: usize) -> Result<(), CompileError> {
        let limit = self.options.limits.max_line_bytes;
        if span.len() > limit {
            return Err(CompileError::LineTooLong { line, offset: span.start, limit });
        }
        Ok(())
    }

    #[inline]
    fn uri_line(&mut self, line: usize, reference: Range<usize>) -> Result<(), CompileError> {
        // `finish` makes it a variant if the playlist turns out to be multivariant.
        self.slot(line, reference, Role::Segment, Quoting::Line, Carrier::UriLine)
    }

    #[inline(never)]
    fn line(&mut self, line: &Line) -> Result<(), CompileError> {
        match &line.kind {
            LineKind::Blank | LineKind::Comment => Ok(()),
            LineKind::Uri(reference) => self.uri_line(line.number, reference.clone()),
            LineKind::Tag { name, value } => self.tag(line, name.clone(), value.clone()),
        }
    }

    fn tag(
        &mut self,
        line: &Line,
        name: Range<usize>,
        value: Range<usize>,
    ) -> Result<(), CompileError> {
        let text = &self.source[name.clone()];
        match text {
            b"#EXT-X-ENDLIST" => self.is_ended = true,
            b"#EXT-X-DEFINE" => self.define(line, name.start, value.clone())?,
            b"#EXT-X-SERVER-CONTROL" => self.server_control(line, value.clone()),
            b"#EXT-X-TARGETDURATION" => self.longest = self.target(value.clone()),
            b"#EXT-X-PART-INF" => {
                let attributes = Attributes::new(self.source, value.clone()).map_while(Result::ok);
                for attribute in attributes {
                    if &self.source[attribute.name] == b"PART-TARGET" {
                        let _ = self.target(attribute.value);
                    }
                }
            }
            _ => {}
        }
        let tag_use = tag_use(text);
        self.is_multivariant |= tag_use.is_multivariant();
        match tag_use {
            TagUse::Opaque => Ok(()),
            TagUse::Attributes { .. } | TagUse::Unknown => {
                self.attributes(line, name, value, tag_use)
            }
        }
    }

    fn attributes(
        &mut self,
        line: &Line,
        name: Range<usize>,
        value: Range<usize>,
        tag_use: TagUse,
    ) -> Result<(), CompileError> {
        // Messages call a tag by its name without the hash.
        let tag = name.start + 1..name.end;
        for attribute in Attributes::new(self.source, value.clone()) {
            let attribute = match attribute {
                Ok(attribute) => attribute,
                // What an unknown tag holds need not be an attribute list.
                Err(_) if tag_use == TagUse::Unknown => break,
                Err(unterminated) => {
                    return Err(CompileError::UnterminatedQuote {
                        line: line.number,
                        offset: unterminated.offset,
                        tag: String::from_utf8_lossy(&self.source[tag]).into_owned(),
                    });
                }
            };
            let attribute_name = &self.source[attribute.name.clone()];
            let text = &self.source[attribute.value.clone()];
            let role = match tag_use.attribute(attribute_name) {
                AttributeUse::Carrier(role) => role,
                AttributeUse::NeedsLook if self.is_listed(&tag, attribute_name) => Role::DateRange,
                AttributeUse::NeedsLook if carriers::looks_like_uri(attribute_name, text) => {
                    Role::Unclassified
                }
                AttributeUse::NeedsLook | AttributeUse::NoUri => continue,
            };
            let carrier = Carrier::attribute(&tag, &attribute.name);
            self.slot(line.number, attribute.value, role, attribute.quoting, carrier)?;
        }
        if tag_use == TagUse::Unknown {
            self.loose_urls(line, value, &tag)?;
        }
        Ok(())
    }

    /// Whether the operator says that this attribute of EXT-X-DATERANGE holds a URI.
    fn is_listed(&self, tag: &Range<usize>, attribute: &[u8]) -> bool {
        &self.source[tag.clone()] == b"EXT-X-DATERANGE"
            && self.options.daterange_uris.iter().any(|listed| listed.as_bytes() == attribute)
    }

    /// Absolute URLs of an unknown tag that stand outside every attribute found so far.
    fn loose_urls(
        &mut self,
        line: &Line,
        value: Range<usize>,
        tag: &Range<usize>,
    ) -> Result<(), CompileError> {
        let first = self.slots.partition_point(|slot| slot.line() < line.number);
        let attributes = first..self.slots.len();
        for url in carriers::loose_urls(self.source, value) {
            // Attributes stand in order and apart: only the last one before the URL may hold it.
            let before = &self.slots[attributes.clone()];
            let before = before.partition_point(|slot| slot.span().start <= url.start);
            let attribute = before.checked_sub(1).map(|at| &self.slots[first + at]);
            if attribute.is_some_and(|slot| url.end <= slot.span().end) {
                continue;
            }
            let carrier = Carrier::tag(tag);
            self.slot(line.number, url, Role::Unclassified, Quoting::Bare, carrier)?;
        }
        // Slots stand in order, and attributes of this line may come behind one of its loose URLs.
        self.slots[first..].sort_by_key(|slot| slot.span().start);
        Ok(())
    }

    #[inline]
    fn slot(
        &mut self,
        line: usize,
        span: Range<usize>,
        role: Role,
        quoting: Quoting,
        carrier: Carrier,
    ) -> Result<(), CompileError> {
        if self.slots.len() >= self.options.limits.max_uris {
            return Err(CompileError::TooManyUris { line, limit: self.options.limits.max_uris });
        }
        self.slots.push(Slot::new(span, line, role, quoting, carrier));
        Ok(())
    }

    fn finish(mut self) -> Result<Scan, CompileError> {
        if self.is_multivariant {
            // A URI line without its EXT-X-STREAM-INF still names a playlist there.
            for slot in &mut self.slots {
                if slot.role() == Role::Segment {
                    slot.set_role(Role::Variant);
                }
            }
        }
        Ok(Scan {
            slots: self.slots,
            is_reloaded: !self.is_ended && !self.is_multivariant,
            definitions: self.definitions,
            delta_updates: self.delta_updates,
            has_server_control: self.has_server_control,
            target: self.target,
            longest: self.longest,
        })
    }

    /// Parts are shorter than segments, whichever tag comes first.
    fn target(&mut self, value: Range<usize>) -> Option<Duration> {
        let text = std::str::from_utf8(self.source[value].trim_ascii()).ok()?;
        let target = Duration::try_from_secs_f64(text.parse().ok()?).ok()?;
        self.target = Some(self.target.map_or(target, |known| known.min(target)));
        Some(target)
    }

    /// Notes what offers delta updates, so that the offer can be taken away.
    fn server_control(&mut self, line: &Line, value: Range<usize>) {
        self.has_server_control = true;
        let mut cuts: Vec<Range<usize>> = Vec::new();
        let mut kept = 0;
        for attribute in Attributes::new(self.source, value.clone()).map_while(Result::ok) {
            let name = &self.source[attribute.name.clone()];
            if !matches!(name, b"CAN-SKIP-UNTIL" | b"CAN-SKIP-DATERANGES") {
                kept += 1;
                continue;
            }
            let quote = usize::from(attribute.quoting == Quoting::Double);
            let mut cut = attribute.name.start..attribute.value.end + quote;
            let free_from = cuts.last().map_or(value.start, |cut| cut.end);
            // One comma goes along: the one before, or the one after where there is none.
            if cut.start > free_from && self.source[cut.start - 1] == b',' {
                cut.start -= 1;
            } else if self.source[..value.end].get(cut.end) == Some(&b',') {
                cut.end += 1;
            }
            cuts.push(cut);
        }
        if kept == 0 && !cuts.is_empty() {
            // No list may be empty; an empty line means nothing.
            cuts = vec![line.span.clone()];
        }
        self.delta_updates.append(&mut cuts);
    }

    /// A tag of another shape defines nothing, so that its variable is refused where it is used.
    /// One of which players take different names or values is refused.
    fn define(
        &mut self,
        line: &Line,
        offset: usize,
        value: Range<usize>,
    ) -> Result<(), CompileError> {
        let (mut names, mut values) = (0, 0);
        let mut name = None;
        let mut definer = None;
        for attribute in Attributes::new(self.source, value).map_while(Result::ok) {
            let text = || Bytes::copy_from_slice(&self.source[attribute.value.clone()]);
            let attribute_name = &self.source[attribute.name.clone()];
            names += usize::from(matches!(attribute_name, b"NAME" | b"IMPORT" | b"QUERYPARAM"));
            match attribute_name {
                b"NAME" => name = Some(text()),
                b"VALUE" => {
                    values += 1;
                    definer = Some(Definer::Value(text()));
                }
                b"IMPORT" => (name, definer) = (Some(text()), Some(Definer::Import)),
                b"QUERYPARAM" => (name, definer) = (Some(text()), Some(Definer::QueryParameter)),
                _ => {}
            }
        }
        if let (Some(name), Some(value)) = (name, definer) {
            self.definitions.push(Definition { name, value, offset });
        }
        if names > 1 || values > 1 {
            return Err(CompileError::AmbiguousDefinition { line: line.number, offset });
        }
        Ok(())
    }
}
