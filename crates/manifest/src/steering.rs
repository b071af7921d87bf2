//! Content steering manifests (RFC 8216bis section 7.2, draft-pantos-content-steering).
//!
//! A pathway clone makes URLs that no manifest shows: a player takes those of another pathway and
//! replaces their host or parameters of their query. What it must not replace is asked of the
//! policy before anything is rendered.

use percent_encoding::percent_decode_str;
use sluicegate_token::query;

use crate::hls::carriers::AttributeUse;
use crate::json::{self, Step, Value};
use crate::slot::{Carrier, Slot};
use crate::{CompileError, Options, RefuseReason, RenderError, Role, UriPolicy};

/// What a pathway clone does to every URI of its base pathway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replacement {
    line: usize,
    offset: usize,
    carrier: Carrier,
    what: Replaced,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Replaced {
    /// HOST: the URIs are sent to this host, token and all.
    Host(String),
    /// A member of PARAMS: the query gets this parameter, instead of those of the same name.
    Parameter { name: String, value: String },
}

/// Finds every URI, and what pathway clones replace.
pub(crate) fn scan(
    source: &[u8],
    options: &Options,
) -> Result<(Vec<Slot>, Vec<Replacement>), CompileError> {
    let mut replacements = Vec::new();
    let slots = json::scan(source, options, |value| {
        let rest = match value.path {
            [reload] if reload.is("RELOAD-URI") => {
                return Ok(AttributeUse::Carrier(Role::Steering));
            }
            [clones, Step::Element, replacement, rest @ ..]
                if clones.is("PATHWAY-CLONES") && replacement.is("URI-REPLACEMENT") =>
            {
                rest
            }
            _ => return Ok(AttributeUse::NeedsLook),
        };
        Ok(match rest {
            [host] if host.is("HOST") => {
                let host = text_of(value)?;
                if !host.is_empty() {
                    replacements.push(Replacement::new(value, Replaced::Host(host)));
                }
                AttributeUse::NoUri
            }
            [params, Step::Member(key)] if params.is("PARAMS") => {
                let (name, value_text) = (key.name.to_string(), text_of(value)?);
                let parameter = Replaced::Parameter { name, value: value_text };
                replacements.push(Replacement::new(value, parameter));
                AttributeUse::NeedsLook
            }
            [uris, Step::Member(_)] if uris.is("PER-VARIANT-URIS") => {
                AttributeUse::Carrier(Role::Variant)
            }
            [uris, Step::Member(_)] if uris.is("PER-RENDITION-URIS") => {
                AttributeUse::Carrier(Role::Rendition)
            }
            _ => AttributeUse::NeedsLook,
        })
    })?;
    Ok((slots, replacements))
}

/// A string's text, and any other value as it is written: players make text of it.
fn text_of(value: &Value<'_, '_>) -> Result<String, CompileError> {
    Ok(match value.string()? {
        Some(text) => text.into_owned(),
        None if value.text == "null" => String::new(),
        None => value.text.to_owned(),
    })
}

impl Replacement {
    fn new(value: &Value<'_, '_>, what: Replaced) -> Self {
        Self { line: value.line, offset: value.span.start, carrier: value.carrier(), what }
    }

    /// Refuses what would send a token elsewhere, or take its place.
    pub(crate) fn check(&self, source: &[u8], policy: &dyn UriPolicy) -> Result<(), RenderError> {
        let reason = match &self.what {
            Replaced::Host(host) if policy.may_replace_host(host) => return Ok(()),
            Replaced::Host(host) => RefuseReason::ReplacesHost(host.clone()),
            Replaced::Parameter { name, value } => {
                let mut owned = policy.owned_parameters().into_iter();
                match owned.find(|owned| replaces(name, value, owned)) {
                    Some(owned) => RefuseReason::ReplacesParameter(owned),
                    None => return Ok(()),
                }
            }
        };
        Err(RenderError::Refused {
            line: self.line,
            offset: self.offset,
            carrier: self.carrier.text(source).into_owned(),
            role: Role::Steering,
            reason,
        })
    }
}

/// Whether setting `name` to `value` may set `owned`. Players differ in what they escape, so both
/// readings count, and a `&` in either text may begin another parameter.
fn replaces(name: &str, value: &str, owned: &str) -> bool {
    let written = format!("{name}={value}");
    let decoded: Vec<u8> = percent_decode_str(&written).collect();
    [written.as_bytes(), &decoded].into_iter().any(|text| {
        let mut names = text.split(|byte| matches!(byte, b'&' | b'?' | b'#'));
        names.any(|parameter| query::count(parameter.trim_ascii_start(), owned) > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_replaced_by_its_name_in_any_case_and_spelling() {
        for (name, value) in [
            ("sg", "x"),
            ("SG", ""),
            ("s%67", "x"),
            ("a&sg", "x"),
            ("a", "1&sg=x"),
            ("a", "1%26Sg=x"),
            (" sg", "x"),
        ] {
            assert!(replaces(name, value, "sg"), "{name}={value}");
        }
        for (name, value) in [("sgv", "x"), ("a", "sg"), ("a", "sg=1"), ("xsg", "x"), ("", "")] {
            assert!(!replaces(name, value, "sg"), "{name}={value}");
        }
    }
}
