//! XML with byte spans: what `quick-xml` reads, checked for all that a manifest may not hold.
//!
//! Nothing is expanded: a document type declaration with declarations of its own, an unknown entity
//! and anything ill-formed are refused with their place.

use std::ops::Range;

use memchr::{memchr, memchr_iter};
use quick_xml::NsReader;
use quick_xml::errors::{Error as XmlError, IllFormedError};
use quick_xml::events::attributes::AttrError;
use quick_xml::events::{BytesDecl, BytesStart, Event};
use quick_xml::name::{NamespaceResolver, ResolveResult};

use super::text;
use crate::CompileError;
use crate::detect::BOM;

/// Elements within each other; real manifests have some ten levels.
const MAX_DEPTH: usize = 64;

/// Attributes of one tag: looking for one that is there twice takes the square of their number.
const MAX_ATTRIBUTES: usize = 256;

/// Namespaces that are in force at one place.
const MAX_NAMESPACES: usize = 256;

const DASH: &str = "urn:mpeg:dash:schema:mpd:";
const XLINK: &str = "http://www.w3.org/1999/xlink";

/// Whose a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Namespace {
    /// The manifest's own: the root's namespace, any edition of the MPD schema, or none at all. An
    /// attribute without a prefix is its element's own.
    Dash,
    /// XLink.
    Xlink,
    /// Anybody else's.
    Foreign,
}

/// A start tag, or an empty element's tag.
#[derive(Debug)]
pub(crate) struct Tag<'s> {
    pub(crate) namespace: Namespace,
    pub(crate) local: &'s str,
    /// The whole name, prefix and all.
    pub(crate) name: Range<usize>,
    /// From `<` to behind `>`.
    pub(crate) span: Range<usize>,
    pub(crate) is_empty: bool,
    pub(crate) attributes: Vec<Attribute<'s>>,
}

/// An attribute; declarations of namespaces are none.
#[derive(Debug)]
pub(crate) struct Attribute<'s> {
    pub(crate) namespace: Namespace,
    pub(crate) local: &'s str,
    pub(crate) name: Range<usize>,
    /// The raw value between its quotes.
    pub(crate) value: Range<usize>,
    /// The quotes in use: `"` or `'`.
    pub(crate) quote: u8,
}

/// A piece of the document, in order.
#[derive(Debug)]
pub(crate) enum Piece<'x, 's> {
    Start(&'x Tag<'s>),
    /// An end tag, from `<` to behind `>`; an empty element has none.
    End(Range<usize>),
    /// Text, or a reference to a character in it.
    Text(Range<usize>),
    /// A CDATA section, its delimiters included.
    Cdata(Range<usize>),
    /// A comment or a processing instruction.
    Aside,
}

/// Shows every piece to `see`.
pub(crate) fn walk<'s>(
    source: &'s [u8],
    see: &mut dyn FnMut(Piece<'_, 's>) -> Result<(), CompileError>,
) -> Result<(), CompileError> {
    let start = if source.starts_with(BOM) { BOM.len() } else { 0 };
    let document = std::str::from_utf8(&source[start..])
        .map_err(|error| wrong(source, start + error.valid_up_to(), "it is not UTF-8"))?;
    let mut walker = Walker {
        source,
        start,
        document,
        root: None,
        is_whole: true,
        depth: 0,
        tag: None,
        has_root_ended: false,
    };
    let mut reader = NsReader::from_str(document);
    reader.resolver_mut().set_max_namespace_bindings(MAX_NAMESPACES);
    let config = reader.config_mut();
    config.check_comments = true;
    config.allow_dangling_amp = false;
    loop {
        let from = position(&reader);
        let event = reader.read_event();
        let span = start + from..start + position(&reader);
        match event {
            Ok(Event::Eof) => break,
            Ok(event) => walker.piece(event, span, reader.resolver(), see)?,
            Err(error) => {
                let at = usize::try_from(reader.error_position()).unwrap_or(usize::MAX);
                let at = match error {
                    // Their place is that of the tag.
                    XmlError::IllFormed(IllFormedError::MismatchedEndTag { .. }) => from,
                    _ => at.min(document.len()),
                };
                return Err(wrong(source, start + at, &error.to_string()));
            }
        }
    }
    if walker.depth > 0 || !walker.has_root_ended {
        return Err(wrong(source, source.len(), "the document ends inside of an element"));
    }
    Ok(())
}

fn position(reader: &NsReader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

// === Walker ===

struct Walker<'s> {
    source: &'s [u8],
    /// Where the document begins in the source.
    start: usize,
    document: &'s str,
    /// The root element's namespace.
    root: Option<String>,
    /// Whether the root is the whole document.
    is_whole: bool,
    depth: usize,
    /// The last tag, whose list of attributes is used again.
    tag: Option<Tag<'s>>,
    has_root_ended: bool,
}

impl<'s> Walker<'s> {
    fn wrong(&self, offset: usize, problem: &str) -> CompileError {
        wrong(self.source, offset, problem)
    }

    fn piece(
        &mut self,
        event: Event<'s>,
        span: Range<usize>,
        resolver: &NamespaceResolver,
        see: &mut dyn FnMut(Piece<'_, 's>) -> Result<(), CompileError>,
    ) -> Result<(), CompileError> {
        match event {
            Event::Start(tag) => self.tag(&tag, span, false, resolver, see),
            Event::Empty(tag) => self.tag(&tag, span, true, resolver, see),
            Event::End(_) => {
                self.depth -= 1;
                self.has_root_ended |= self.depth == 0;
                see(Piece::End(span))
            }
            Event::Text(_) | Event::GeneralRef(_) => {
                let raw = &self.document[span.start - self.start..span.end - self.start];
                if self.depth == 0 && !raw.trim_ascii().is_empty() {
                    return Err(self.wrong(span.start, "text stands outside of the root"));
                }
                if raw.contains("]]>") {
                    return Err(self.wrong(span.start, "']]>' stands in text"));
                }
                self.check(raw, span.start)?;
                see(Piece::Text(span))
            }
            Event::CData(_) if self.depth == 0 => {
                Err(self.wrong(span.start, "text stands outside of the root"))
            }
            Event::CData(_) => see(Piece::Cdata(span)),
            Event::Comment(_) | Event::PI(_) => see(Piece::Aside),
            Event::Decl(declaration) => self.declaration(&declaration, span.start),
            Event::DocType(doctype) => {
                if doctype.contains(['[', '<']) {
                    let problem = "the document type declares entities or other markup";
                    return Err(self.wrong(span.start, problem));
                }
                Ok(())
            }
            Event::Eof => Ok(()),
        }
    }

    fn declaration(&self, declaration: &BytesDecl<'_>, at: usize) -> Result<(), CompileError> {
        let named = match declaration.encoding() {
            None => return Ok(()),
            Some(Ok(named)) => named,
            Some(Err(error)) => return Err(self.wrong(at, &error.to_string())),
        };
        // What is ASCII alone reads the same in all of them.
        let is_known = ["utf-8", "utf8", "us-ascii"].iter().any(|n| named.eq_ignore_ascii_case(n));
        if is_known || self.document.is_ascii() {
            return Ok(());
        }
        Err(self.wrong(at, "it declares an encoding other than UTF-8"))
    }

    fn tag(
        &mut self,
        read: &BytesStart<'s>,
        span: Range<usize>,
        is_empty: bool,
        resolver: &NamespaceResolver,
        see: &mut dyn FnMut(Piece<'_, 's>) -> Result<(), CompileError>,
    ) -> Result<(), CompileError> {
        // What an xlink leads to may be several elements in a row (clause 5.5.3).
        if self.depth == 0 && self.has_root_ended && self.is_whole {
            return Err(self.wrong(span.start, "a second root element"));
        }
        if self.depth == MAX_DEPTH {
            let problem = format!("more than {MAX_DEPTH} elements within each other");
            return Err(self.wrong(span.start, &problem));
        }
        let raw = &self.document[span.start - self.start..span.end - self.start];
        let name = span.start + 1..span.start + 1 + read.name().as_ref().len();
        if !is_name(read.name().as_ref()) {
            return Err(self.wrong(span.start, "a tag without a proper name"));
        }
        if self.root.is_none() {
            let local = read.local_name();
            self.is_whole = matches!(local.as_ref(), "MPD" | "Patch");
            self.root = Some(match resolver.resolve_element(read.name()).0 {
                ResolveResult::Bound(namespace) => namespace.0.to_owned(),
                ResolveResult::Unbound | ResolveResult::Unknown(_) => String::new(),
            });
        }
        let local = |from: &str, at: usize| -> &'s str {
            let end = at - self.start + from.len();
            let local = from.rfind(':').map_or(0, |colon| colon + 1);
            &self.document[at - self.start + local..end]
        };
        let mut attributes = self.tag.take().map_or_else(Vec::new, |tag| cleared(tag.attributes));
        for (count, attribute) in read.attributes().enumerate() {
            if count == MAX_ATTRIBUTES {
                let problem = format!("more than {MAX_ATTRIBUTES} attributes in one tag");
                return Err(self.wrong(span.start, &problem));
            }
            let attribute = attribute
                .map_err(|error| self.wrong(span.start + 1 + place(&error), &error.to_string()))?;
            let key = attribute.key.as_ref();
            // Both are slices of the document.
            let key_at = self.start + offset_in(self.document, key);
            let value_at = self.start + offset_in(self.document, &attribute.value);
            if !is_name(key) {
                return Err(self.wrong(key_at, "an attribute without a proper name"));
            }
            self.check(&attribute.value, value_at)?;
            if attribute.value.contains('<') {
                return Err(self.wrong(value_at, "'<' stands in the value of an attribute"));
            }
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            attributes.push(Attribute {
                namespace: self
                    .attribute_namespace(key, &resolver.resolve_attribute(attribute.key).0),
                local: local(key, key_at),
                name: key_at..key_at + key.len(),
                quote: raw.as_bytes()[value_at - span.start - 1],
                value: value_at..value_at + attribute.value.len(),
            });
        }
        let tag = Tag {
            namespace: self.element_namespace(&resolver.resolve_element(read.name()).0),
            local: local(read.name().as_ref(), name.start),
            name,
            span,
            is_empty,
            attributes,
        };
        if is_empty {
            self.has_root_ended |= self.depth == 0;
        } else {
            self.depth += 1;
        }
        let seen = see(Piece::Start(&tag));
        self.tag = Some(tag);
        seen
    }

    fn element_namespace(&self, resolved: &ResolveResult<'_>) -> Namespace {
        match resolved {
            ResolveResult::Bound(namespace) => self.bound(namespace.0),
            // A prefix that nobody declared may be meant for ours: players look at the name alone.
            ResolveResult::Unbound | ResolveResult::Unknown(_) => Namespace::Dash,
        }
    }

    fn attribute_namespace(&self, name: &str, resolved: &ResolveResult<'_>) -> Namespace {
        match resolved {
            ResolveResult::Unbound => Namespace::Dash,
            // dash.js looks at the prefix alone.
            _ if name.starts_with("xlink:") => Namespace::Xlink,
            ResolveResult::Bound(namespace) => self.bound(namespace.0),
            ResolveResult::Unknown(_) => Namespace::Foreign,
        }
    }

    fn bound(&self, namespace: &str) -> Namespace {
        let is_dash =
            namespace.get(..DASH.len()).is_some_and(|start| start.eq_ignore_ascii_case(DASH));
        if is_dash || self.root.as_deref() == Some(namespace) {
            Namespace::Dash
        } else if namespace == XLINK {
            Namespace::Xlink
        } else {
            Namespace::Foreign
        }
    }

    /// Every `&` begins a reference that XML itself knows.
    fn check(&self, raw: &str, at: usize) -> Result<(), CompileError> {
        if memchr(b'&', raw.as_bytes()).is_none() {
            return Ok(());
        }
        text::check_references(raw)
            .map_err(|offset| self.wrong(at + offset, "'&' begins no reference that XML knows"))
    }
}

fn cleared<'s>(mut attributes: Vec<Attribute<'s>>) -> Vec<Attribute<'s>> {
    attributes.clear();
    attributes
}

fn is_name(name: &str) -> bool {
    let is_start = |c: char| c.is_alphabetic() || matches!(c, '_' | ':');
    let is_inner = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':' | '-' | '.' | '\u{b7}');
    name.starts_with(is_start) && name.chars().all(is_inner)
}

/// Where a slice of the document begins in it.
fn offset_in(document: &str, slice: &str) -> usize {
    slice.as_ptr().addr() - document.as_ptr().addr()
}

/// Where an attribute is wrong, from behind its tag's `<`.
const fn place(error: &AttrError) -> usize {
    match error {
        AttrError::ExpectedEq(at)
        | AttrError::ExpectedValue(at)
        | AttrError::UnquotedValue(at)
        | AttrError::ExpectedQuote(at, _)
        | AttrError::Duplicated(at, _) => *at,
    }
}

fn wrong(source: &[u8], offset: usize, problem: &str) -> CompileError {
    let offset = offset.min(source.len());
    let line = 1 + memchr_iter(b'\n', &source[..offset]).count();
    CompileError::Xml { line, offset, problem: problem.to_owned() }
}
