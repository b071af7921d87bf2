//! Taking tokens out of a manifest by their text alone, where nobody kept the edits.

use std::borrow::Cow;
use std::ops::Range;

use sluicegate_token::query;
use thiserror::Error;
use url::Url;

use crate::dash::text;
use crate::resolve::{self, Resolved};
use crate::slot::Slot;
use crate::{Role, Template};

/// Why tokens could not be taken out. There is no output then.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
#[error("line {line} (byte {offset}), {carrier}, {role}: {reason}")]
pub struct StripError {
    /// Line number, from 1.
    pub line: usize,
    /// Byte offset of the reference.
    pub offset: usize,
    /// The tag, with its attribute, or `URI line`.
    pub carrier: String,
    /// What the URI is.
    pub role: Role,
    /// What is wrong with its parameters.
    pub reason: StripReason,
}

/// Why the parameters of a reference are not what signing inserted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StripReason {
    /// Some of the token's parameters are there and this one is not.
    #[error("it holds a part of a token, without the parameter '{0}'")]
    Missing(String),
    /// A parameter is there more than once.
    #[error("it holds the parameter '{0}' more than once")]
    Repeated(String),
    /// They are in another order or case, without a value, or others follow.
    #[error("the token is not at the end of its query as signing writes it there")]
    Arrangement,
}

/// Takes out, in every reference, the query parameters that a scheme's token consists of
/// ([`sluicegate_token::Scheme::parameters`]), with the `?` or `&` that joins them.
///
/// This gives the source back, byte for byte, where rendering only inserted tokens and the source
/// held no such parameters. It cannot tell which references rendering wrote out anew (an absolute
/// URL where there was a relative one): these only lose their token. Nor does it know hosts: a
/// reference that stayed as it was, on a foreign host with parameters of the same names, loses
/// them, too. [`crate::undo`] has none of these limits.
///
/// # Errors
/// [`StripError`] for a reference that holds the parameters in any other way than rendering
/// inserts them.
pub fn strip(template: &Template, parameters: &[&str]) -> Result<Vec<u8>, StripError> {
    let source = template.source();
    let mut stripped = Vec::with_capacity(source.len());
    let mut copied = 0;
    // Nothing is ever inserted where no URI is known to stand.
    for slot in template.slots().iter().filter(|slot| slot.role().may_be_signed()) {
        let raw = &source[slot.span()];
        let reference = match slot.quoting().is_xml() {
            true => text::decode(raw, slot.quoting()),
            false => Cow::Borrowed(raw),
        };
        let token =
            token_span(&reference, parameters).map_err(|reason| error(template, slot, reason))?;
        if let Some(token) = token {
            let start = slot.span().start;
            let raw_offset = |at: usize| match &reference {
                Cow::Borrowed(_) => start + at,
                Cow::Owned(_) => start + text::raw_offset(raw, slot.quoting(), at),
            };
            stripped.extend_from_slice(&source[copied..raw_offset(token.start)]);
            copied = raw_offset(token.end);
        }
    }
    stripped.extend_from_slice(&source[copied..]);
    Ok(stripped)
}

fn error(template: &Template, slot: &Slot, reason: StripReason) -> StripError {
    StripError {
        line: slot.line(),
        offset: slot.span().start,
        carrier: template.carrier(slot).into_owned(),
        role: slot.role(),
        reason,
    }
}

/// Where a reference holds its token, with what joins it.
fn token_span(reference: &[u8], parameters: &[&str]) -> Result<Option<Range<usize>>, StripReason> {
    let end = memchr::memchr(b'#', reference).unwrap_or(reference.len());
    let Some(joint) = query_joint(&reference[..end]) else { return Ok(None) };
    let present = &reference[joint + 1..end];
    let count = |name: &&str| query::count(present, name);
    if parameters.iter().all(|name| count(name) == 0) || is_not_fetched(reference) {
        return Ok(None);
    }
    if let Some(repeated) = parameters.iter().find(|name| count(name) > 1) {
        return Err(StripReason::Repeated((*repeated).to_owned()));
    }
    if let Some(missing) = parameters.iter().find(|name| count(name) == 0) {
        return Err(StripReason::Missing((*missing).to_owned()));
    }
    let mut start = end;
    for name in parameters.iter().rev() {
        let piece = memchr::memrchr(b'&', &reference[joint + 1..start])
            .map_or(joint, |ampersand| joint + 1 + ampersand);
        let value = reference[piece + 1..start].strip_prefix(name.as_bytes());
        let value = value.and_then(|rest| rest.strip_prefix(b"="));
        if value.is_none_or(<[u8]>::is_empty) {
            return Err(StripReason::Arrangement);
        }
        start = piece;
    }
    Ok(Some(start..end))
}

/// Where the query begins: at its `?`, or, if a variable may hold that, at the first `&` after one.
fn query_joint(reference: &[u8]) -> Option<usize> {
    memchr::memchr(b'?', reference).or_else(|| {
        let variable = memchr::memmem::find(reference, b"{$")?;
        memchr::memchr(b'&', &reference[variable..]).map(|ampersand| variable + ampersand)
    })
}

/// Whether the reference's own scheme says that it is never signed.
fn is_not_fetched(reference: &[u8]) -> bool {
    Url::parse("http://localhost/")
        .is_ok_and(|base| matches!(resolve::resolve(&base, reference), Ok(Resolved::Kept(_))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMETERS: &[&str] = &["md5", "expires"];

    fn stripped(reference: &str) -> Result<String, StripReason> {
        let token = token_span(reference.as_bytes(), PARAMETERS)?;
        let mut text = reference.to_owned();
        if let Some(token) = token {
            text.replace_range(token, "");
        }
        Ok(text)
    }

    #[test]
    fn the_token_goes_with_its_joint() {
        for (signed, plain) in [
            ("a.ts?md5=x&expires=1", "a.ts"),
            ("a.ts?md5=x&expires=1#f?md5=1", "a.ts#f?md5=1"),
            ("a.ts?&md5=x&expires=1", "a.ts?"),
            ("a.ts?b=1&md5=x&expires=1", "a.ts?b=1"),
            ("a.ts?b&&md5=x&expires=1#", "a.ts?b&#"),
            ("a.ts?b=?&md5=x&expires=1", "a.ts?b=?"),
            ("{$file}&md5=x&expires=1", "{$file}"),
            ("a&{$file}&b&md5=x&expires=1", "a&{$file}&b"),
        ] {
            assert_eq!(stripped(signed).as_deref(), Ok(plain));
        }
    }

    #[test]
    fn what_holds_no_token_stays() {
        for reference in [
            "",
            "a.ts",
            "a.ts?b=1",
            "a.ts?xmd5=1&expiresx=2",
            "md5=1&expires=2",
            "a&md5=1&expires=2.ts",
            "a.ts#?md5=x&expires=1",
            "data:text/plain,a?md5=x&expires=1",
            "skd://key?md5=x",
        ] {
            assert_eq!(stripped(reference).as_deref(), Ok(reference));
        }
    }

    #[test]
    fn any_other_arrangement_is_refused() {
        let missing = |name: &str| Err(StripReason::Missing(name.to_owned()));
        let repeated = |name: &str| Err(StripReason::Repeated(name.to_owned()));
        for (reference, refused) in [
            ("a?md5=x", missing("expires")),
            ("a?expires=1#f", missing("md5")),
            ("a?md5=x&md5=y&expires=1", repeated("md5")),
            ("a?md5=x&expires=1&md5=x&expires=1", repeated("md5")),
            ("a?md5=x&expires=1&EXPIRES=1", repeated("expires")),
            ("a?md5=x&expires=1&b", Err(StripReason::Arrangement)),
            ("a?md5=x&b&expires=1", Err(StripReason::Arrangement)),
            ("a?expires=1&md5=x", Err(StripReason::Arrangement)),
            ("a?MD5=x&expires=1", Err(StripReason::Arrangement)),
            ("a?md5=&expires=1", Err(StripReason::Arrangement)),
            ("a?md5&expires=1", Err(StripReason::Arrangement)),
            ("a?md5=x&expires=1&", Err(StripReason::Arrangement)),
        ] {
            assert_eq!(stripped(reference), refused, "{reference}");
        }
    }
}
