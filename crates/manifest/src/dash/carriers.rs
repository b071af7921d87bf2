//! Which element and attribute carries a URI, and what role it has: the one table of DASH
//! (ISO/IEC 23009-1, DASH-IF's content protection, SCTE and DVB extensions).

use super::tree::LevelKind;
use super::xml::{Attribute, Namespace, Tag};
use crate::Role;
use crate::hls::carriers::AttributeUse;

/// What an element is to the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ElementUse {
    /// It has base URLs and segments of its own.
    Level(LevelKind),
    /// It says where the segments of its level are.
    Segments(SegmentsKind),
    /// `Initialization` and its like: a part of what says where the segments are.
    Unit(Unit),
    /// A list of times.
    Timeline,
    /// Its text is a URI of this role.
    Text(Role),
    /// An operation of an MPD patch.
    Operation,
    /// Whatever stands in it concerns licences.
    Protection,
    /// It makes players report what they fetched, tokens and all (clause 5.9, ETSI TS 103 285 clause 10.12).
    Reporting,
    /// Anything else.
    Other,
}

/// The three ways to tell segments (clause 5.3.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SegmentsKind {
    Base,
    List,
    Template,
}

/// An element that names one resource of a Representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Initialization,
    Index,
    BitstreamSwitching,
    SegmentUrl,
}

/// What an element is by its name alone. Players such as dash.js and ffmpeg do not look at its
/// namespace.
pub(crate) fn element_use(tag: &Tag<'_>) -> ElementUse {
    if is_licence(tag.local) {
        return ElementUse::Text(Role::License);
    }
    match tag.local {
        "MPD" => ElementUse::Level(LevelKind::Mpd),
        "Period" => ElementUse::Level(LevelKind::Period),
        "AdaptationSet" | "EmptyAdaptationSet" => ElementUse::Level(LevelKind::AdaptationSet),
        "Representation" => ElementUse::Level(LevelKind::Representation),
        "SegmentBase" => ElementUse::Segments(SegmentsKind::Base),
        "SegmentList" => ElementUse::Segments(SegmentsKind::List),
        "SegmentTemplate" => ElementUse::Segments(SegmentsKind::Template),
        "Initialization" => ElementUse::Unit(Unit::Initialization),
        "RepresentationIndex" => ElementUse::Unit(Unit::Index),
        "BitstreamSwitching" => ElementUse::Unit(Unit::BitstreamSwitching),
        "SegmentURL" => ElementUse::Unit(Unit::SegmentUrl),
        "SegmentTimeline" => ElementUse::Timeline,
        "BaseURL" => ElementUse::Text(Role::BaseUrl),
        "Location" => ElementUse::Text(Role::Location),
        "PatchLocation" => ElementUse::Text(Role::PatchLocation),
        "ContentSteering" => ElementUse::Text(Role::Steering),
        "ImportedMPD" => ElementUse::Text(Role::OtherPresentation),
        "ContentProtection" => ElementUse::Protection,
        "add" | "replace" => ElementUse::Operation,
        "Metrics" | "Reporting" => ElementUse::Reporting,
        _ => ElementUse::Other,
    }
}

impl ElementUse {
    /// Whether players differ in what an element of this use is for if another namespace has it.
    pub(crate) const fn needs_namespace(self) -> bool {
        !matches!(
            self,
            Self::Other
                | Self::Operation
                | Self::Protection
                | Self::Reporting
                | Self::Text(Role::License)
        )
    }

    /// Whether players look for it within an element that is a level, and nowhere else.
    pub(crate) const fn needs_level(self) -> bool {
        matches!(self, Self::Level(_) | Self::Segments(_) | Self::Text(Role::BaseUrl))
    }
}

/// Whether an attribute makes players copy the query of the MPD's own URL to other requests (annex I, and
/// RequestParam of its sixth edition).
pub(crate) fn copies_query(name: &str) -> bool {
    matches!(name, "useMPDUrlQuery" | "headerParamSource")
}

/// DASH-IF's `Laurl`, `Authzurl` and `Certurl`, in any case and namespace.
fn is_licence(local: &str) -> bool {
    ["laurl", "authzurl", "certurl"].iter().any(|name| local.eq_ignore_ascii_case(name))
}

/// What an attribute holds. `UTCTiming` is not here: its scheme decides.
pub(crate) fn attribute_use(tag: &Tag<'_>, attribute: &Attribute<'_>) -> AttributeUse {
    let name = attribute.local;
    match attribute.namespace {
        Namespace::Xlink if name == "href" => return AttributeUse::Carrier(Role::Remote),
        Namespace::Xlink => return AttributeUse::NoUri,
        // Schema locations of XML Schema, identifiers of schemes.
        _ if name == "schemaLocation" || name.ends_with("schemeIdUri") => {
            return AttributeUse::NoUri;
        }
        Namespace::Foreign => return AttributeUse::NeedsLook,
        Namespace::Dash => {}
    }
    if tag.namespace != Namespace::Dash {
        return AttributeUse::NeedsLook;
    }
    match (tag.local, name) {
        ("SegmentTemplate" | "SegmentURL", "media") => AttributeUse::Carrier(Role::Segment),
        ("SegmentTemplate" | "InitializationSet", "initialization")
        | ("Initialization", "sourceURL") => AttributeUse::Carrier(Role::InitSection),
        ("SegmentTemplate" | "SegmentURL", "index") | ("RepresentationIndex", "sourceURL") => {
            AttributeUse::Carrier(Role::SegmentIndex)
        }
        ("SegmentTemplate", "bitstreamSwitching") | ("BitstreamSwitching", "sourceURL") => {
            AttributeUse::Carrier(Role::BitstreamSwitching)
        }
        ("ContentSteering", "proxyServerURL") => AttributeUse::Carrier(Role::Steering),
        ("ProgramInformation", "moreInformationURL") => AttributeUse::Carrier(Role::Information),
        ("ReplacePresentation" | "InsertPresentation", "url" | "uri") => {
            AttributeUse::Carrier(Role::OtherPresentation)
        }
        // An expression that selects elements, not a URI.
        ("add" | "replace" | "remove", "sel") | (_, "profiles") => AttributeUse::NoUri,
        _ => AttributeUse::NeedsLook,
    }
}

/// The place of a template's attributes in [`super::tree::Segments::attributes`].
pub(crate) const TEMPLATE_ATTRIBUTES: [&str; 4] =
    ["media", "initialization", "index", "bitstreamSwitching"];

/// What an operation of a patch replaces or adds, told by its selector (RFC 5261): a URI of this
/// role, if its text is one.
pub(crate) fn operated_on(selector: &str, added: Option<&str>) -> Option<Role> {
    let last = |text: &str| -> String {
        // A predicate may hold slashes, too.
        let mut depth = 0_usize;
        let steps = text.char_indices().filter_map(|(at, c)| {
            match c {
                '[' => depth += 1,
                ']' => depth = depth.saturating_sub(1),
                '/' if depth == 0 => return Some(at + 1),
                _ => {}
            }
            None
        });
        text[steps.last().unwrap_or(0)..].to_owned()
    };
    let name_of = |step: &str| -> String {
        let step = step.split('[').next().unwrap_or_default();
        step.rsplit(':').next().unwrap_or_default().trim_start_matches('@').to_owned()
    };
    let step =
        added.filter(|added| added.starts_with('@')).map_or_else(|| last(selector), str::to_owned);
    if step.starts_with('@') {
        return match name_of(&step).as_str() {
            "media" => Some(Role::Segment),
            "initialization" => Some(Role::InitSection),
            "index" => Some(Role::SegmentIndex),
            "bitstreamSwitching" => Some(Role::BitstreamSwitching),
            "sourceURL" if selector.contains("RepresentationIndex") => Some(Role::SegmentIndex),
            "sourceURL" => Some(Role::InitSection),
            "href" => Some(Role::Remote),
            "proxyServerURL" => Some(Role::Steering),
            "moreInformationURL" => Some(Role::Information),
            _ => None,
        };
    }
    let element = if step == "text()" {
        last(selector.strip_suffix("/text()").unwrap_or_default())
    } else {
        step
    };
    match name_of(&element).as_str() {
        "BaseURL" => Some(Role::BaseUrl),
        "Location" => Some(Role::Location),
        "PatchLocation" => Some(Role::PatchLocation),
        "ContentSteering" => Some(Role::Steering),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_tells_what_text_is() {
        for (selector, added, role) in [
            (
                "/MPD/Period[1]/AdaptationSet[@id='a/b']/SegmentTemplate/@media",
                None,
                Some(Role::Segment),
            ),
            (
                "/MPD/Period/AdaptationSet/SegmentTemplate",
                Some("@initialization"),
                Some(Role::InitSection),
            ),
            ("/d:MPD/d:PatchLocation[1]/text()", None, Some(Role::PatchLocation)),
            ("/MPD/BaseURL/text()", None, Some(Role::BaseUrl)),
            ("/MPD/@publishTime", None, None),
            (
                "/MPD/Period/SegmentList/RepresentationIndex/@sourceURL",
                None,
                Some(Role::SegmentIndex),
            ),
            ("", None, None),
        ] {
            assert_eq!(operated_on(selector, added), role, "{selector}");
        }
    }
}
