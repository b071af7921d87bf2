//! A template written out: a SegmentList with a SegmentTimeline, so that each segment has a URI, and
//! a token, of its own.

use std::collections::HashSet;
use std::fmt::Write as _;

use quick_xml::events::BytesStart;

use super::bases::Combination;
use super::changes::Written;
use super::leaf::Leaf;
use super::outcome::{Outcome, Question};
use super::reference::{Reference, Values};
use super::text;
use super::timeline::Segment;
use crate::budget::Budget;
use crate::policy::UriPolicy;
use crate::{Quoting, RefuseReason, Role};

/// Attributes of a template that its list gets otherwise, or not at all: a SegmentTimeline says it,
/// and ffmpeg passes over segments of a list that has a @startNumber.
const NOT_COPIED: [&str; 8] = [
    "media",
    "initialization",
    "index",
    "bitstreamSwitching",
    "duration",
    "startNumber",
    "endNumber",
    "eptDelta",
];

/// What a segment takes beside its URIs: its S with two numbers of 20 digits, and its SegmentURL.
pub(crate) const SEGMENT_BYTES: usize = 100;

/// A template that is written out for one Representation.
pub(crate) struct Expansion<'e> {
    pub(crate) source: &'e [u8],
    pub(crate) leaf: &'e Leaf<'e>,
    pub(crate) segments: &'e [Segment],
    /// In the order of [`super::carriers::TEMPLATE_ATTRIBUTES`].
    pub(crate) references: &'e [Option<Reference>; 4],
    pub(crate) combinations: &'e [Combination],
    pub(crate) budget: &'e Budget,
    pub(crate) may_drop: bool,
    /// The elements of the template that name a resource each, as they are to be written.
    pub(crate) units: Written,
}

impl Expansion<'_> {
    /// The whole element. `losers` gets the base URLs that it does not serve.
    ///
    /// # Errors
    /// Which of the attributes has a URI that is refused, and why.
    pub(crate) fn write(
        &self,
        policy: &mut dyn UriPolicy,
        losers: &mut Vec<u32>,
    ) -> Result<Written, (usize, RefuseReason)> {
        let Some((_, nearest)) = self.leaf.chain.first() else { return Ok(Written::default()) };
        let prefix = nearest.shape.prefix(self.source);
        let [_, initialization, _, switching] = self.references;
        let mut list = Written::text("<");
        list.push(prefix).push_str("SegmentList").push_str(&self.attributes()).push_str(">");
        let mut unit =
            |list: &mut Written, at: usize, reference: &Option<Reference>, name, role| {
                let Some(reference) = reference else { return Ok(()) };
                let values = &self.leaf.values;
                let written =
                    self.value(role, reference, values, policy, losers).map_err(|why| (at, why))?;
                list.push_str("<").push(prefix).push_str(name).push_str(" sourceURL=\"");
                list.append(&written).push_str("\"/>");
                Ok(())
            };
        unit(&mut list, 1, initialization, "Initialization", Role::InitSection)?;
        list.append(&self.units);
        list.push(&self.timeline(prefix));
        unit(&mut list, 3, switching, "BitstreamSwitching", Role::BitstreamSwitching)?;
        let [media, _, index, _] = self.references;
        let limit = self.budget.max_result();
        for segment in self.segments {
            let values = Values {
                number: Some(segment.number),
                time: Some(segment.time),
                ..self.leaf.values.clone()
            };
            list.push_str("<").push(prefix).push_str("SegmentURL");
            let parts =
                [(0, "media", media, Role::Segment), (2, "index", index, Role::SegmentIndex)];
            for (at, name, reference, role) in parts {
                let Some(reference) = reference else { continue };
                let written = self
                    .value(role, reference, &values, policy, losers)
                    .map_err(|why| (at, why))?;
                list.push_str(" ").push_str(name).push_str("=\"").append(&written).push_str("\"");
            }
            list.push_str("/>");
            // The policy may write more than the template says. So long a list is no change that is kept.
            if list.len() > limit {
                break;
            }
        }
        list.push_str("</").push(prefix).push_str("SegmentList>");
        Ok(list)
    }

    /// The value of an attribute in double quotes.
    fn value(
        &self,
        role: Role,
        template: &Reference,
        values: &Values,
        policy: &mut dyn UriPolicy,
        losers: &mut Vec<u32>,
    ) -> Result<Written, RefuseReason> {
        self.budget.check_uri(template.filled_len(values))?;
        let filled = template.fill(values).text;
        let reference = Reference::plain(filled.clone());
        let question = Question {
            may_drop: self.may_drop,
            ..Question::of(role, &reference, values, self.combinations, self.budget)
        };
        let evaluated = question.evaluate(policy)?;
        losers.extend(evaluated.losers);
        let as_it_is = || Written::text(&text::escape(&filled, Quoting::XmlDouble));
        // The filled reference is not escaped, as if it stood in CDATA.
        let written = match &evaluated.outcome {
            Outcome::Expand => return Err(RefuseReason::NeedsRepresentation),
            outcome => outcome.written(filled.as_bytes(), Quoting::XmlCdata, Quoting::XmlDouble),
        };
        Ok(written.unwrap_or_else(as_it_is))
    }

    /// The attributes of the templates as they are written, the nearest first.
    fn attributes(&self) -> String {
        let mut attributes = String::new();
        let mut seen: HashSet<String> = NOT_COPIED.iter().map(|name| (*name).to_owned()).collect();
        for (_, segments) in &self.leaf.chain {
            let tag = String::from_utf8_lossy(&self.source[segments.shape.tag.clone()]);
            let inside = tag.trim_start_matches('<').trim_end_matches('>').trim_end_matches('/');
            let tag = BytesStart::from_content(inside, segments.shape.name.len());
            for attribute in tag.attributes().flatten() {
                let name = attribute.key.as_ref();
                if seen.insert(name.to_owned()) {
                    let quote = if attribute.value.contains('"') { '\'' } else { '"' };
                    let written = write!(attributes, " {name}={quote}{}{quote}", attribute.value);
                    debug_assert!(written.is_ok());
                }
            }
        }
        attributes
    }

    /// One S for each segment: dash.js takes the SegmentURL by the number of its S, whatever is
    /// repeated.
    fn timeline(&self, prefix: &[u8]) -> Vec<u8> {
        let prefix = String::from_utf8_lossy(prefix);
        let mut timeline = format!("<{prefix}SegmentTimeline>");
        for Segment { time, duration, .. } in self.segments {
            let written = write!(timeline, "<{prefix}S t=\"{time}\" d=\"{duration}\"/>");
            debug_assert!(written.is_ok());
        }
        timeline.push_str("</");
        timeline.push_str(&prefix);
        timeline.push_str("SegmentTimeline>");
        timeline.into_bytes()
    }
}
