//! The text of elements: gathered piece by piece, and looked at when its element ends or a child begins.

use std::ops::Range;

use memchr::memmem;

use super::Scanner;
use crate::dash::carriers::ElementUse;
use crate::dash::tree::{Base, SlotUse};
use crate::hls::carriers::loose_urls;
use crate::slot::Carrier;
use crate::{CompileError, Quoting, Role};

/// The text of an element so far.
#[derive(Default)]
pub(super) struct Content {
    /// From the first byte that is not white space to behind the last one.
    span: Option<Range<usize>>,
    /// The inside of the last CDATA section.
    cdata: Range<usize>,
    sections: u32,
    has_text: bool,
    has_aside: bool,
}

impl Scanner<'_> {
    pub(super) fn text(&mut self, span: Range<usize>, is_cdata: bool) {
        if self.unsafe_depth > 0 {
            return;
        }
        let Some(open) = self.open.last_mut() else { return };
        let content = &mut open.content;
        let text = if is_cdata {
            content.sections += 1;
            span.clone()
        } else {
            let raw = &self.source[span.clone()];
            let start = raw.iter().position(|byte| !byte.is_ascii_whitespace());
            let Some(start) = start.map(|start| span.start + start) else { return };
            content.has_text = true;
            start..span.start + raw.trim_ascii_end().len()
        };
        if is_cdata {
            let inside = span.start + "<![CDATA[".len()..span.end - "]]>".len();
            let raw = &self.source[inside.clone()];
            let start = inside.start + (raw.len() - raw.trim_ascii_start().len());
            content.cdata = start..(start + raw.trim_ascii().len());
        }
        match &mut content.span {
            Some(known) => known.end = text.end,
            None => content.span = Some(text),
        }
    }

    pub(super) fn aside(&mut self) {
        if let Some(open) = self.open.last_mut() {
            open.content.has_aside |= open.content.span.is_some();
        }
    }

    /// Finds what the text of the innermost element holds. `goes_on` if a child of it begins.
    pub(super) fn look_at_text(&mut self, goes_on: bool) -> Result<(), CompileError> {
        let Some(open) = self.open.last_mut() else { return Ok(()) };
        let content = std::mem::take(&mut open.content);
        let Some(span) = content.span else { return Ok(()) };
        let role = match open.is {
            ElementUse::Text(role) => Some(role),
            ElementUse::Operation => open.operated_on,
            _ => None,
        };
        let (level, start, is_protection) = (open.level, open.start, open.is_protection);
        let carrier = Carrier::tag(&open.name);
        let Some(role) = role.filter(|_| !goes_on) else {
            let found = loose_urls_in(self.source, span);
            let role = if is_protection { Role::License } else { Role::Unclassified };
            return found.into_iter().try_for_each(|span| {
                let slot_use = SlotUse::Document { level };
                self.slot(span, role, Quoting::XmlText, carrier, slot_use).map(|_| ())
            });
        };
        let is_one_section = content.sections == 1 && !content.has_text && !content.has_aside;
        let (span, quoting) = if is_one_section {
            (content.cdata, Quoting::XmlCdata)
        } else {
            (span, Quoting::XmlText)
        };
        let slot_use = match role {
            Role::BaseUrl => SlotUse::Base { level },
            Role::Segment | Role::InitSection | Role::SegmentIndex | Role::BitstreamSwitching => {
                SlotUse::Segments { level }
            }
            _ => SlotUse::Document { level },
        };
        let element = start..span.end;
        let slot = self.slot(span, role, quoting, carrier, slot_use)?;
        if role == Role::BaseUrl {
            self.tree.levels[level as usize].bases.push(Base { slot, element });
        }
        Ok(())
    }
}

/// The absolute URLs of a text; a line end is an end of one, too.
fn loose_urls_in(source: &[u8], span: Range<usize>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    if memmem::find(&source[span.clone()], b"//").is_none() {
        return found;
    }
    let mut at = span.start;
    for word in source[span].split(|byte| byte.is_ascii_whitespace() || matches!(byte, b'<' | b'>'))
    {
        found.extend(loose_urls(source, at..at + word.len()));
        at += word.len() + 1;
    }
    found
}
