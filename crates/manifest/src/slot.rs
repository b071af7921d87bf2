//! Where one URI stands in the source.

use std::borrow::Cow;
use std::ops::Range;

use crate::Quoting;
use crate::Role;

/// A URI's place, or that of a value that looks like one. Offsets are bytes of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    start: u32,
    end: u32,
    line: u32,
    role: Role,
    quoting: Quoting,
    carrier: Carrier,
}

/// What bears a URI. Names are ranges of the source, to keep a slot small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// A line that is no tag.
    UriLine,
    /// A payload line of a WebVTT cue.
    CuePayload,
    /// A JSON document without any name on the way to the value.
    Document,
    /// A tag as a whole, or a member of a JSON document's outermost object.
    Tag { start: u32, len: u8 },
    /// An attribute of a tag, or a JSON member with the name of what it is in.
    Attribute { tag_start: u32, tag_len: u8, name_start: u32, name_len: u8 },
}

impl Slot {
    /// `span` and `line` must fit 32 bits, which [`crate::Template::compile`] makes sure of.
    pub(crate) fn new(
        span: Range<usize>,
        line: usize,
        role: Role,
        quoting: Quoting,
        carrier: Carrier,
    ) -> Self {
        Self {
            start: narrow(span.start),
            end: narrow(span.end),
            line: narrow(line),
            role,
            quoting,
            carrier,
        }
    }

    /// The reference's bytes, quotes and white space excluded; half-open.
    #[must_use]
    pub const fn span(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Line number, from 1.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line as usize
    }

    /// What the URI is.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// How the reference stands there.
    #[must_use]
    pub const fn quoting(&self) -> Quoting {
        self.quoting
    }

    pub(crate) fn set_role(&mut self, role: Role) {
        self.role = role;
    }

    /// Tag and attribute, or `URI line`, as `source` writes them.
    pub(crate) fn carrier<'s>(&self, source: &'s [u8]) -> Cow<'s, str> {
        self.carrier.text(source)
    }
}

impl Carrier {
    /// As `source` writes it.
    pub(crate) fn text(self, source: &[u8]) -> Cow<'_, str> {
        let text = |start: u32, len: u8| {
            let start = start as usize;
            String::from_utf8_lossy(source.get(start..start + usize::from(len)).unwrap_or_default())
        };
        match self {
            Self::UriLine => Cow::Borrowed("URI line"),
            Self::CuePayload => Cow::Borrowed("cue payload"),
            Self::Document => Cow::Borrowed("document"),
            Self::Tag { start, len } => text(start, len),
            Self::Attribute { tag_start, tag_len, name_start, name_len } => {
                Cow::Owned(format!("{} {}", text(tag_start, tag_len), text(name_start, name_len)))
            }
        }
    }

    pub(crate) fn tag(name: &Range<usize>) -> Self {
        Self::Tag { start: narrow(name.start), len: narrow_len(name.len()) }
    }

    pub(crate) fn attribute(tag: &Range<usize>, name: &Range<usize>) -> Self {
        Self::Attribute {
            tag_start: narrow(tag.start),
            tag_len: narrow_len(tag.len()),
            name_start: narrow(name.start),
            name_len: narrow_len(name.len()),
        }
    }
}

/// Sources are shorter than 4 GiB, so nothing is cut here.
fn narrow(offset: usize) -> u32 {
    debug_assert!(u32::try_from(offset).is_ok());
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// A name longer than that is shown cut.
fn narrow_len(len: usize) -> u8 {
    u8::try_from(len).unwrap_or(u8::MAX)
}
