//! Variables of EXT-X-DEFINE (RFC 8216bis section 4.4.2.3): what `{$name}` stands for.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use percent_encoding::percent_decode;
use sluicegate_token::query;
use url::Url;

use crate::RefuseReason;
use crate::budget::Budget;

/// One EXT-X-DEFINE tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    pub(crate) name: Bytes,
    pub(crate) value: Definer,
    /// Where the tag stands: it is for what comes after it.
    pub(crate) offset: usize,
}

/// Where a variable's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Definer {
    /// VALUE.
    Value(Bytes),
    /// IMPORT: the multivariant playlist that led here.
    Import,
    /// QUERYPARAM: the query of the playlist's own URL.
    QueryParameter,
}

/// Values that a manifest gets from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    /// Name and value of each variable of the multivariant playlist that led to this one.
    pub imported: Vec<(String, String)>,
}

/// The variables of one playlist with their values, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Defined(HashMap<Bytes, Variable>);

#[derive(Clone, Debug)]
struct Variable {
    /// None if it is to come from outside and did not.
    value: Option<Bytes>,
    /// A viewer chose the value.
    is_viewers: bool,
    /// Players take different values: hls.js the last definition and Shaka the first, and hls.js fills in
    /// a variable that a value holds.
    is_ambiguous: bool,
    /// Where the first definition stands.
    offset: usize,
}

/// A reference with its variables filled in.
pub(crate) struct Expanded<'r> {
    pub(crate) reference: Cow<'r, [u8]>,
    /// Whether a value brought a `#`, so that the written text does not show where a fragment is.
    pub(crate) hides_fragment: bool,
}

impl Defined {
    pub(crate) fn new(definitions: &[Definition], served: &Url, given: &Variables) -> Self {
        if definitions.is_empty() {
            return Self::default();
        }
        // The last of two that are imported under one name counts, and the first parameter.
        let imported = given.imported.iter().map(|(name, value)| (name.as_bytes(), value));
        let imported: HashMap<_, _> = imported.collect();
        let mut parameters = HashMap::new();
        for (name, value) in query::parameters(served.query().unwrap_or_default().as_bytes()) {
            parameters.entry(name).or_insert(value);
        }
        let mut defined: HashMap<Bytes, Variable> = HashMap::new();
        for Definition { name, value, offset } in definitions {
            let (value, is_viewers) = match value {
                Definer::Value(value) => (Some(value.clone()), false),
                Definer::Import => {
                    let found = imported.get(&name[..]);
                    (found.map(|value| Bytes::copy_from_slice(value.as_bytes())), false)
                }
                Definer::QueryParameter => {
                    let found = parameters.get(&name[..]);
                    let decode = |value: &Option<&[u8]>| {
                        percent_decode(value.unwrap_or_default()).collect::<Vec<u8>>().into()
                    };
                    (found.map(decode), true)
                }
            };
            if let Some(again) = defined.get_mut(name) {
                again.is_ambiguous = true;
                continue;
            }
            let holds_variable = |value: &Bytes| memchr::memmem::find(value, b"{$").is_some();
            let is_ambiguous = value.as_ref().is_some_and(holds_variable);
            let variable = Variable { value, is_viewers, is_ambiguous, offset: *offset };
            defined.insert(name.clone(), variable);
        }
        Self(defined)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Fills in what was defined before `offset`.
    pub(crate) fn expand<'r>(
        &self,
        reference: &'r [u8],
        offset: usize,
        budget: &Budget,
    ) -> Result<Expanded<'r>, RefuseReason> {
        let mut pieces = Vec::new();
        let mut len = 0_usize;
        let mut copied = 0;
        let mut hides_fragment = false;
        let mut has_query = false;
        for Range { start, end } in references(reference) {
            let name = &reference[start + 2..end - 1];
            let shown = || String::from_utf8_lossy(name).into_owned();
            let undefined = || RefuseReason::UndefinedVariable(shown());
            let variable = self.0.get(name).filter(|variable| variable.offset < offset);
            let variable = variable.ok_or_else(undefined)?;
            if variable.is_ambiguous {
                return Err(RefuseReason::AmbiguousVariable(shown()));
            }
            let value = variable.value.as_deref().ok_or_else(undefined)?;
            let written = &reference[copied..start];
            has_query |= written.contains(&b'?');
            // Whoever chooses a path chooses what is signed; a query signs nothing.
            if variable.is_viewers && !has_query {
                return Err(RefuseReason::ViewersVariable(shown()));
            }
            len = len.saturating_add(written.len()).saturating_add(value.len());
            let begins_with = if written.is_empty() { value } else { written };
            budget.check_reference(pieces.first().copied().unwrap_or(begins_with), len)?;
            // A value is looked through once for each use.
            budget.charge(value.len())?;
            has_query |= value.contains(&b'?');
            hides_fragment |= value.contains(&b'#');
            pieces.extend([written, value]);
            copied = end;
        }
        if copied == 0 {
            return Ok(Expanded { reference: Cow::Borrowed(reference), hides_fragment });
        }
        pieces.push(&reference[copied..]);
        Ok(Expanded { reference: Cow::Owned(pieces.concat()), hides_fragment })
    }
}

/// The ranges of `{$name}` in a text.
fn references(text: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    memchr::memmem::find_iter(text, b"{$").filter_map(|start| {
        let len = text[start + 2..]
            .iter()
            .position(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'_'))?;
        let end = start + 2 + len;
        (len > 0 && text[end] == b'}').then_some(start..end + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defined(definitions: &[(&str, Definer)], url: &str, imported: &[(&str, &str)]) -> Defined {
        let definitions: Vec<_> = definitions
            .iter()
            .enumerate()
            .map(|(offset, (name, value))| Definition {
                name: Bytes::copy_from_slice(name.as_bytes()),
                value: value.clone(),
                offset,
            })
            .collect();
        let imported = imported
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Defined::new(&definitions, &url.parse().unwrap(), &Variables { imported })
    }

    fn value(text: &str) -> Definer {
        Definer::Value(Bytes::copy_from_slice(text.as_bytes()))
    }

    fn expand(defined: &Defined, reference: &str, offset: usize) -> Result<String, RefuseReason> {
        let budget = Budget::of(&crate::Limits::default(), reference.len(), None);
        let expanded = defined.expand(reference.as_bytes(), offset, &budget)?;
        Ok(String::from_utf8(expanded.reference.into_owned()).unwrap())
    }

    #[test]
    fn values_are_filled_in_where_all_players_take_the_same() {
        let definitions = [
            ("h", value("https://cdn")),
            ("p", value("{$h}")),
            ("d", value("1")),
            ("d", Definer::QueryParameter),
        ];
        let defined = defined(&definitions, "http://x/?d=2", &[]);
        assert_eq!(expand(&defined, "{$h}/a.ts", 9).unwrap(), "https://cdn/a.ts");
        assert_eq!(expand(&defined, "a{$/{b}/{$}.ts", 9).unwrap(), "a{$/{b}/{$}.ts");
        for name in ["p", "d"] {
            let ambiguous = Err(RefuseReason::AmbiguousVariable(name.to_owned()));
            assert_eq!(expand(&defined, &format!("{{${name}}}.ts"), 9), ambiguous);
        }
    }

    #[test]
    fn a_definition_is_for_what_comes_after_it() {
        let defined = defined(&[("a", value("1"))], "http://x/", &[]);
        let undefined = |name: &str| Err(RefuseReason::UndefinedVariable(name.to_owned()));
        assert_eq!(expand(&defined, "{$a}", 0), undefined("a"));
        assert_eq!(expand(&defined, "{$a}", 1).unwrap(), "1");
        assert_eq!(expand(&defined, "{$A}", 1), undefined("A"));
    }

    #[test]
    fn imports_come_from_the_playlist_that_led_here() {
        let definitions = [("t", Definer::Import)];
        let given = defined(&definitions, "http://x/", &[("t", "live")]);
        assert_eq!(expand(&given, "{$t}/a.ts", 9).unwrap(), "live/a.ts");
        let missing = defined(&definitions, "http://x/", &[]);
        assert_eq!(
            expand(&missing, "{$t}/a.ts", 9),
            Err(RefuseReason::UndefinedVariable("t".to_owned()))
        );
    }

    #[test]
    fn a_viewer_chooses_no_path() {
        let defined =
            defined(&[("t", Definer::QueryParameter)], "http://x/i.m3u8?a=1&t=%2Fx%26", &[]);
        assert_eq!(expand(&defined, "a.ts?t={$t}", 9).unwrap(), "a.ts?t=/x&");
        assert_eq!(
            expand(&defined, "{$t}/a.ts", 9),
            Err(RefuseReason::ViewersVariable("t".to_owned()))
        );
    }
}
