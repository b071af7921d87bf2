//! HLS playlists (RFC 8216bis): from bytes to slots.

pub(crate) mod attributes;
pub(crate) mod carriers;
pub(crate) mod lines;

use std::ops::Range;

use self::attributes::{Attributes, Quoting};
use self::carriers::{AttributeUse, TagUse, tag_use};
use self::lines::{Line, LineKind, Lines};
use crate::template::Slot;
use crate::{CompileError, Limits, Role};

/// What one pass over a playlist found.
pub(crate) struct Scan {
    pub(crate) slots: Vec<Slot>,
    /// A media playlist without EXT-X-ENDLIST: players load it again.
    pub(crate) is_reloaded: bool,
}

/// Finds every URI of a playlist, and whatever looks like one.
pub(crate) fn scan(source: &[u8], limits: &Limits) -> Result<Scan, CompileError> {
    let mut scanner = Scanner {
        source,
        limits,
        slots: Vec::new(),
        is_ended: false,
        is_multivariant: false,
        has_variables: false,
    };
    for line in Lines::new(source) {
        scanner.line(&line)?;
    }
    scanner.finish()
}

struct Scanner<'s> {
    source: &'s [u8],
    limits: &'s Limits,
    slots: Vec<Slot>,
    is_ended: bool,
    is_multivariant: bool,
    has_variables: bool,
}

impl Scanner<'_> {
    fn line(&mut self, line: &Line) -> Result<(), CompileError> {
        if line.span.len() > self.limits.max_line_bytes {
            return Err(CompileError::LineTooLong {
                line: line.number,
                offset: line.span.start,
                limit: self.limits.max_line_bytes,
            });
        }
        match &line.kind {
            LineKind::Blank | LineKind::Comment => Ok(()),
            LineKind::Uri(reference) => {
                // `finish` makes it a variant if the playlist turns out to be multivariant.
                let role = Role::Segment;
                self.slot(line.number, reference.clone(), role, Quoting::Line, None)
            }
            LineKind::Tag { name, value } => self.tag(line, name.clone(), value.clone()),
        }
    }

    fn tag(
        &mut self,
        line: &Line,
        name: Range<usize>,
        value: Range<usize>,
    ) -> Result<(), CompileError> {
        let name = &self.source[name];
        match name {
            b"#EXT-X-ENDLIST" => self.is_ended = true,
            b"#EXT-X-DEFINE" => self.has_variables = true,
            _ => {}
        }
        let tag_use = tag_use(name);
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
        name: &[u8],
        value: Range<usize>,
        tag_use: TagUse,
    ) -> Result<(), CompileError> {
        let tag = || String::from_utf8_lossy(name.strip_prefix(b"#").unwrap_or(name)).into_owned();
        for attribute in Attributes::new(self.source, value.clone()) {
            let attribute = match attribute {
                Ok(attribute) => attribute,
                // What an unknown tag holds need not be an attribute list.
                Err(_) if tag_use == TagUse::Unknown => break,
                Err(unterminated) => {
                    return Err(CompileError::UnterminatedQuote {
                        line: line.number,
                        offset: unterminated.offset,
                        tag: tag(),
                    });
                }
            };
            let attribute_name = &self.source[attribute.name.clone()];
            let text = &self.source[attribute.value.clone()];
            let role = match tag_use.attribute(attribute_name) {
                AttributeUse::Carrier(role) => role,
                AttributeUse::NeedsLook if carriers::looks_like_uri(attribute_name, text) => {
                    Role::Unclassified
                }
                AttributeUse::NeedsLook | AttributeUse::NoUri => continue,
            };
            let carrier = format!("{} {}", tag(), String::from_utf8_lossy(attribute_name));
            self.slot(line.number, attribute.value, role, attribute.quoting, Some(carrier))?;
        }
        if tag_use == TagUse::Unknown {
            self.loose_urls(line, value, &tag())?;
        }
        Ok(())
    }

    /// Absolute URLs of an unknown tag that stand outside every attribute found so far.
    fn loose_urls(
        &mut self,
        line: &Line,
        value: Range<usize>,
        tag: &str,
    ) -> Result<(), CompileError> {
        let first = self.slots.partition_point(|slot| slot.line < line.number);
        let attributes = first..self.slots.len();
        for url in carriers::loose_urls(self.source, value) {
            // Attributes stand in order and apart: only the last one before the URL may hold it.
            let before = &self.slots[attributes.clone()];
            let before = before.partition_point(|slot| slot.span.start <= url.start);
            let attribute = before.checked_sub(1).map(|at| &self.slots[first + at]);
            if attribute.is_some_and(|slot| url.end <= slot.span.end) {
                continue;
            }
            self.slot(line.number, url, Role::Unclassified, Quoting::Bare, Some(tag.to_owned()))?;
        }
        Ok(())
    }

    fn slot(
        &mut self,
        line: usize,
        span: Range<usize>,
        role: Role,
        quoting: Quoting,
        carrier: Option<String>,
    ) -> Result<(), CompileError> {
        if self.slots.len() >= self.limits.max_uris {
            return Err(CompileError::TooManyUris { line, limit: self.limits.max_uris });
        }
        self.slots.push(Slot { span, line, role, quoting, carrier });
        Ok(())
    }

    fn finish(mut self) -> Result<Scan, CompileError> {
        if self.has_variables {
            self.refuse_variables()?;
        }
        if self.is_multivariant {
            // A URI line without its EXT-X-STREAM-INF still names a playlist there.
            for slot in &mut self.slots {
                if slot.role == Role::Segment {
                    slot.role = Role::Variant;
                }
            }
        }
        // Attributes may be found after a loose URL of the same line.
        self.slots.sort_by_key(|slot| slot.span.start);
        Ok(Scan { slots: self.slots, is_reloaded: !self.is_ended && !self.is_multivariant })
    }

    fn refuse_variables(&self) -> Result<(), CompileError> {
        for slot in &self.slots {
            let reference = &self.source[slot.span.clone()];
            if let Some(at) = memchr::memmem::find(reference, b"{$") {
                let end = memchr::memchr(b'}', &reference[at..])
                    .map_or(reference.len(), |end| at + end + 1);
                return Err(CompileError::Variable {
                    line: slot.line,
                    offset: slot.span.start,
                    name: String::from_utf8_lossy(&reference[at..end]).into_owned(),
                });
            }
        }
        Ok(())
    }
}
