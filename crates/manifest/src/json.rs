//! JSON (RFC 8259) with byte spans: the walk behind the documents that a playlist names.
//!
//! The grammar is `serde_json`'s: each value is a slice of the input, so that its place is known
//! and nothing is ever printed from a model.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use memchr::memchr_iter;
use serde::de::{self, Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::Quoting;
use crate::detect::BOM;
use crate::hls::carriers::{AttributeUse, is_named_as_uri};
use crate::slot::{Carrier, Slot};
use crate::{CompileError, Options, Role, resolve};

/// Objects and arrays within each other.
const MAX_DEPTH: usize = 64;

/// Each level is read once more. In all, no more is read of a document than the whole so many
/// times, if it is longer than [`SHORT_BYTES`]. The documents that playlists name have some six
/// levels.
const MAX_READINGS: usize = 16;
const SHORT_BYTES: usize = 256 << 10;

/// A member's name.
#[derive(Clone, Debug)]
pub(crate) struct Key<'s> {
    /// Escapes taken off.
    pub(crate) name: Cow<'s, str>,
    /// As it is written, without its quotes.
    pub(crate) span: Range<usize>,
}

/// One step from the whole document to a value.
#[derive(Clone, Debug)]
pub(crate) enum Step<'s> {
    /// Into a member of an object.
    Member(Key<'s>),
    /// Into an element of an array.
    Element,
}

/// A value of the document, objects and arrays among them.
#[derive(Debug)]
pub(crate) struct Value<'v, 's> {
    /// The way to it.
    pub(crate) path: &'v [Step<'s>],
    /// As it is written.
    pub(crate) text: &'s str,
    /// Where it is written.
    pub(crate) span: Range<usize>,
    /// Line number, from 1.
    pub(crate) line: usize,
}

// === impl Step ===

impl Step<'_> {
    /// Whether this is the member `name`.
    pub(crate) fn is(&self, name: &str) -> bool {
        matches!(self, Self::Member(key) if key.name == name)
    }
}

// === impl Value ===

impl<'s> Value<'_, 's> {
    /// The text that a string stands for; none for any other value.
    ///
    /// # Errors
    /// [`CompileError::Json`] for half of a surrogate pair.
    pub(crate) fn string(&self) -> Result<Option<Cow<'s, str>>, CompileError> {
        if !self.text.starts_with('"') {
            return Ok(None);
        }
        let malformed = |error: serde_json::Error| CompileError::Json {
            line: self.line,
            offset: self.span.start,
            problem: problem(&error),
        };
        unquote(self.text).map(Some).map_err(malformed)
    }

    /// What bears the value: its name, and that of the object or list that it is in.
    pub(crate) fn carrier(&self) -> Carrier {
        let mut names = self.path.iter().rev().filter_map(|step| match step {
            Step::Member(key) => Some(&key.span),
            Step::Element => None,
        });
        match (names.next(), names.next()) {
            (Some(name), Some(within)) => Carrier::attribute(within, name),
            (Some(name), None) => Carrier::tag(name),
            (None, _) => Carrier::Document,
        }
    }

    /// The nearest name on the way to the value.
    fn name(&self) -> &str {
        let names = self.path.iter().rev().find_map(|step| match step {
            Step::Member(key) => Some(&*key.name),
            Step::Element => None,
        });
        names.unwrap_or_default()
    }
}

/// Finds the slots of a document: the strings that `use_of` says are URIs, and whatever looks like
/// one.
pub(crate) fn scan(
    source: &[u8],
    options: &Options,
    mut use_of: impl FnMut(&Value<'_, '_>) -> Result<AttributeUse, CompileError>,
) -> Result<Vec<Slot>, CompileError> {
    let limit = options.limits.max_uris;
    let mut slots = Vec::new();
    walk(source, &mut |value| {
        let found = use_of(value)?;
        let Some(text) = value.string()? else { return Ok(()) };
        let role = match found {
            AttributeUse::Carrier(role) => role,
            AttributeUse::NeedsLook if may_be_uri(value.name(), &text) => Role::Unclassified,
            AttributeUse::NeedsLook | AttributeUse::NoUri => return Ok(()),
        };
        if slots.len() >= limit {
            return Err(CompileError::TooManyUris { line: value.line, limit });
        }
        let within = value.span.start + 1..value.span.end - 1;
        slots.push(Slot::new(within, value.line, role, Quoting::Json, value.carrier()));
        Ok(())
    })?;
    Ok(slots)
}

/// Whether a string in a place that no table names looks as if it were a URI: by the name it has,
/// or since it is an absolute URL. Text for people may hold one.
fn may_be_uri(name: &str, text: &str) -> bool {
    let is_url = resolve::is_absolute(text.as_bytes()) && text.contains("//");
    is_url || (!text.is_empty() && is_named_as_uri(name.as_bytes()))
}

/// The members of the outermost object, each with its value as it is written; none if the source
/// is no JSON object.
pub(crate) fn members(source: &[u8]) -> Option<Vec<(String, &str)>> {
    let text = std::str::from_utf8(source.strip_prefix(BOM).unwrap_or(source)).ok()?;
    let mut members = Vec::new();
    let outermost = Outermost(&mut members);
    let mut json = serde_json::Deserializer::from_str(text);
    json.deserialize_map(outermost).ok()?;
    json.end().ok()?;
    Some(members)
}

/// What a written string stands for.
pub(crate) fn unquote(quoted: &str) -> Result<Cow<'_, str>, serde_json::Error> {
    match quoted.get(1..quoted.len().saturating_sub(1)) {
        Some(text) if !text.contains('\\') => Ok(Cow::Borrowed(text)),
        _ => serde_json::from_str(quoted).map(Cow::Owned),
    }
}

/// Escapes text that goes between quotes.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| !byte.is_ascii_control() && !matches!(byte, b'"' | b'\\');
    if text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let quoted = serde_json::Value::from(text).to_string();
    Cow::Owned(quoted[1..quoted.len() - 1].to_owned())
}

// === Walk ===

/// Shows every value to `see`, in the order of the source.
pub(crate) fn walk<'s>(
    source: &'s [u8],
    see: &mut dyn FnMut(&Value<'_, 's>) -> Result<(), CompileError>,
) -> Result<(), CompileError> {
    let start = if source.starts_with(BOM) { BOM.len() } else { 0 };
    let at = |offset: usize, problem: String| CompileError::Json {
        line: 1 + memchr_iter(b'\n', &source[..offset]).count(),
        offset,
        problem,
    };
    let text = std::str::from_utf8(&source[start..])
        .map_err(|error| at(start + error.valid_up_to(), "it is not UTF-8".to_owned()))?;
    let whole: &RawValue = serde_json::from_str(text).map_err(|error| {
        let line_start = match error.line().checked_sub(2) {
            Some(line) => memchr_iter(b'\n', text.as_bytes()).nth(line).map_or(0, |end| end + 1),
            None => 0,
        };
        let offset = line_start + error.column().saturating_sub(1);
        at(start + offset.min(text.len()), problem(&error))
    })?;
    let mut walker = Walker {
        source,
        see,
        path: Vec::new(),
        depth: 0,
        budget: source.len().max(SHORT_BYTES) * MAX_READINGS,
        counted: 0,
        line: 1,
        stopped: None,
    };
    walker.value(whole.get()).map_err(|error| {
        walker.stopped.take().unwrap_or_else(|| at(walker.counted, problem(&error)))
    })
}

struct Walker<'s, 'f> {
    source: &'s [u8],
    see: &'f mut dyn FnMut(&Value<'_, 's>) -> Result<(), CompileError>,
    path: Vec<Step<'s>>,
    /// Of the objects and arrays that are open.
    depth: usize,
    /// Bytes that may still be read.
    budget: usize,
    /// Lines are counted up to here.
    counted: usize,
    line: usize,
    /// Why the walk ended early.
    stopped: Option<CompileError>,
}

impl<'s> Walker<'s, '_> {
    fn value(&mut self, text: &'s str) -> Result<(), serde_json::Error> {
        let span = self.span(text);
        self.line += memchr_iter(b'\n', &self.source[self.counted..span.start]).count();
        self.counted = span.start;
        let value = Value { path: &self.path, text, span, line: self.line };
        let seen = (self.see)(&value);
        self.stop_at(seen)?;
        if !text.starts_with(['{', '[']) {
            return Ok(());
        }
        let budget = self.budget.checked_sub(text.len()).filter(|_| self.depth < MAX_DEPTH);
        let budget = budget.ok_or_else(|| CompileError::Json {
            line: self.line,
            offset: self.counted,
            problem: format!("more than {MAX_DEPTH} levels, or too much of it below many"),
        });
        self.budget = self.stop_at(budget)?;
        self.depth += 1;
        serde_json::Deserializer::from_str(text).deserialize_any(&mut *self)?;
        self.depth -= 1;
        Ok(())
    }

    fn stop_at<T, E: de::Error>(&mut self, result: Result<T, CompileError>) -> Result<T, E> {
        result.map_err(|error| {
            self.stopped = Some(error);
            E::custom("the walk ended")
        })
    }

    /// Where a slice of the source stands in it.
    fn span(&self, text: &str) -> Range<usize> {
        let start = text.as_ptr().addr() - self.source.as_ptr().addr();
        start..start + text.len()
    }

    fn child<E: de::Error>(&mut self, step: Step<'s>, value: &'s RawValue) -> Result<(), E> {
        self.path.push(step);
        let walked = self.value(value.get()).map_err(E::custom);
        self.path.pop();
        walked
    }
}

impl<'s> Visitor<'s> for &mut Walker<'s, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'s>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            let span = self.span(key.get());
            let name = unquote(key.get()).map_err(|error| CompileError::Json {
                line: self.line
                    + memchr_iter(b'\n', &self.source[self.counted..span.start]).count(),
                offset: span.start,
                problem: problem(&error),
            });
            let name = self.stop_at(name)?;
            let key = Key { name, span: span.start + 1..span.end - 1 };
            self.child(Step::Member(key), value)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'s>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(value) = seq.next_element::<&RawValue>()? {
            self.child(Step::Element, value)?;
        }
        Ok(())
    }
}

/// Gathers the members of one object.
struct Outermost<'m, 's>(&'m mut Vec<(String, &'s str)>);

impl<'s> Visitor<'s> for Outermost<'_, 's> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'s>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            self.0.push((name, value.get()));
        }
        Ok(())
    }
}

/// The message without the place, which is told in bytes instead.
fn problem(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.split(" at line ").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(source: &str) -> Result<Vec<(String, usize)>, CompileError> {
        let mut found = Vec::new();
        walk(source.as_bytes(), &mut |value| {
            if let Some(text) = value.string()? {
                assert_eq!(&source[value.span.clone()], value.text);
                let names = value.path.iter().map(|step| match step {
                    Step::Member(key) => &*key.name,
                    Step::Element => "[]",
                });
                let path: Vec<_> = names.collect();
                found.push((format!("{}={text}", path.join("/")), value.line));
            }
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn every_string_is_found_with_its_way_and_its_line() {
        let source =
            "\u{feff} {\"a\" : [\"x\",\n {\"b\\u0063\":\"y\\/\\\"\"}],\r\n\"d\":1, \"a\":\"\"}\n";
        let expected = [("a/[]=x", 1), ("a/[]/bc=y/\"", 2), ("a=", 3)];
        let expected = expected.map(|(text, line)| (text.to_owned(), line));
        assert_eq!(strings(source).unwrap(), expected);
    }

    #[test]
    fn what_breaks_the_grammar_is_refused_with_its_place() {
        for (source, line, offset) in [
            ("{\"a\":1,}", 1, 7),
            ("{\"a\":1}\n x", 2, 9),
            ("{\n\n\"a\" 1}", 3, 7),
            ("{\"a\":01}", 1, 6),
            ("{\"a\":\"\t\"}", 1, 5),
            ("{\"a\":\"\\x\"}", 1, 7),
            ("{'a':1}", 1, 1),
            ("{\"a\":\"\\ud800\"}", 1, 5),
            ("{\n\"\\ud800\":1}", 2, 2),
            ("{\"a\":", 1, 4),
        ] {
            let error = strings(source).unwrap_err();
            let CompileError::Json { line: found_line, offset: found, .. } = &error else {
                panic!("{source}: {error}");
            };
            assert_eq!((*found_line, *found), (line, offset), "{source}: {error}");
        }
        let not_utf_8 = walk(b"{\"a\":\"\xFF\"}", &mut |_| Ok(())).unwrap_err();
        assert!(not_utf_8.to_string().contains("(byte 6)"), "{not_utf_8}");
    }

    #[test]
    fn depth_has_a_limit() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(strings(&nested(MAX_DEPTH)).unwrap(), []);
        assert!(strings(&nested(MAX_DEPTH + 1)).unwrap_err().to_string().contains("more than 64"));
        let long = |depth: usize| {
            format!("{}\"{}\"{}", "[".repeat(depth), "x".repeat(1 << 20), "]".repeat(depth))
        };
        assert!(strings(&long(15)).is_ok());
        assert!(strings(&long(17)).unwrap_err().to_string().contains("too much of it"));
        assert!(strings(&nested(100_000)).is_err());
    }

    #[test]
    fn escaping_is_undone_by_reading() {
        for text in ["", "a/b?c", "a\"b\\c", "\u{1}\n\u{7f}\u{e9}"] {
            let quoted = format!("\"{}\"", escape(text));
            assert_eq!(unquote(&quoted).unwrap(), text);
        }
    }
}
