//! A template with everything decided but the tokens: what is the same for all sessions.

mod beside;
pub(crate) mod writer;

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use sluicegate_token::UnixTime;
use url::{Position, Url};

use self::beside::Beside;
use self::writer::{Left, Writer};
use crate::budget::{Budget, DECISION};
use crate::policy::{Decision, TokenAt, TokenRef, Uri, UriPolicy};
use crate::resolve::{self, Resolved};
use crate::slot::Slot;
use crate::strangers;
use crate::variables::{Defined, Definer, Definition, Expanded, Variables};
use crate::{KeepReason, Lines, Quoting, RefuseReason, RenderError, Role, Template, dash, json};

/// Where a manifest came from and where players will see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The manifest's own URL, after redirects: what its references are resolved against.
    pub base: Url,
    /// The URL at which a player fetches the rendered text. A reference keeps its written form if
    /// it leads to the intended URL from there.
    pub served: Url,
    /// What the manifest's variables get from outside.
    pub variables: Variables,
    /// The moment that it is for. A DASH template of a live stream that is told by durations can be
    /// written out only if it is known.
    pub now: Option<UnixTime>,
    /// Steps that planning takes at most, if that is less than the limits allow: for who would rather
    /// do more work elsewhere.
    pub max_steps: Option<usize>,
}

/// A manifest whose every URI is decided: the text with a gap in the place of each token.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(crate) source: Bytes,
    /// The output with [`Self::gap`] zero bytes in the place of each token.
    pub(crate) text: Vec<u8>,
    /// Length of each gap: what most tokens have, so that rendering is a copy and some overwriting.
    pub(crate) gap: usize,
    /// Whether the tokens' `&` are written `&amp;`.
    pub(crate) is_xml: bool,
    pub(crate) holes: Vec<Hole>,
    pub(crate) cuts: Vec<Cut>,
    kept: Vec<Kept>,
    dropped: Vec<usize>,
    withheld: Vec<usize>,
    steps: usize,
}

/// A place in the text where a token goes: the start of its gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) at: u32,
    pub(crate) token: TokenRef,
}

/// Bytes of the source that became other bytes of the text, and the holes among these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) source: Range<u32>,
    pub(crate) text: Range<u32>,
}

/// A URI that stayed as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Index into [`Template::slots`].
    pub slot: usize,
    /// Why it stayed.
    pub reason: KeepReason,
}

/// A URI with what would become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided<'t> {
    /// Where it stands.
    pub slot: Cow<'t, Slot>,
    /// Where it leads, resolved against the manifest's own URL. None if it is not fetched, or is
    /// refused before it is resolved.
    pub url: Option<Url>,
    /// What would become of it.
    pub decision: Decision,
}

// === impl Place ===

impl Place {
    /// A manifest that players fetch at its own URL.
    #[must_use]
    pub fn at(url: Url) -> Self {
        Self {
            base: url.clone(),
            served: url,
            variables: Variables::default(),
            now: None,
            max_steps: None,
        }
    }
}

// === impl Plan ===

impl Plan {
    /// The URIs that stay as they are, in order.
    #[must_use]
    pub fn kept(&self) -> &[Kept] {
        &self.kept
    }

    /// Indices into [`Template::slots`] of what was left out: base URLs of a DASH manifest that one
    /// template with one token cannot serve beside others.
    #[must_use]
    pub fn dropped(&self) -> &[usize] {
        &self.dropped
    }

    /// Where in the source stands what was left out, since it would make players tell hosts that are none
    /// of ours the manifest's URL or its tokens: offsets, rising. [`UriPolicy::trusts_strangers`] keeps it.
    #[must_use]
    pub fn withheld(&self) -> &[usize] {
        &self.withheld
    }

    /// How many tokens stand in the text.
    #[must_use]
    pub const fn tokens(&self) -> usize {
        self.holes.len()
    }

    /// Bytes of the text if all tokens are as long as [`UriPolicy::token_len`] says.
    #[must_use]
    pub const fn text_len(&self) -> usize {
        self.text.len()
    }

    /// Whether a token of this list stands in the text. Without any, the list changes nothing.
    #[must_use]
    pub fn takes_from(&self, list: u16) -> bool {
        self.holes.iter().any(|hole| hole.token.list == list)
    }

    /// Steps that planning took, about one for each byte that was read or written:
    /// [`crate::Limits::max_steps`] bounds them.
    #[must_use]
    pub const fn steps(&self) -> usize {
        self.steps
    }

    /// The manifest that it was made of: with a profile, what that left.
    #[must_use]
    pub const fn source(&self) -> &Bytes {
        &self.source
    }

    /// Bytes of memory that the plan takes beside its source.
    #[must_use]
    pub fn size(&self) -> usize {
        size_of::<Self>()
            + self.text.capacity()
            + self.holes.capacity() * size_of::<Hole>()
            + self.cuts.capacity() * size_of::<Cut>()
            + self.kept.capacity() * size_of::<Kept>()
            + (self.dropped.capacity() + self.withheld.capacity()) * size_of::<usize>()
    }
}

// === impl Template ===

impl Template {
    /// Asks the policy what shall become of each URI.
    ///
    /// # Errors
    /// [`RenderError`] if the policy refuses a URI, or if an unclassified value looks protected.
    pub fn plan(&self, place: &Place, policy: &mut dyn UriPolicy) -> Result<Plan, RenderError> {
        if policy.refuses_foreign_hosts() {
            strangers::check(self, place, policy)?;
        }
        if let Some(tree) = self.tree() {
            return dash::plan(self, tree, place, policy);
        }
        for replacement in self.replacements() {
            replacement.check(self.source(), policy)?;
        }
        self.check_definitions(policy)?;
        let mut planner = Planner::new(self, place, policy.token_len());
        let withdrawn = if policy.allows_delta_updates() { &[] } else { self.delta_updates() };
        let mut withdrawn = withdrawn.iter().peekable();
        let mut beside = Beside::of(place, policy);
        let mut left_out = LeftOut::default();
        let refused = |slot: &Slot, reason| RenderError::Refused {
            line: slot.line(),
            offset: slot.span().start,
            carrier: self.carrier(slot).into_owned(),
            role: slot.role(),
            reason,
        };
        for (index, slot) in self.slots().iter().enumerate() {
            while let Some(offer) = withdrawn.next_if(|offer| offer.start < slot.span().start) {
                planner.writer.remove(offer.clone());
            }
            let reference = &self.source()[slot.span()];
            if let Some(path) = beside.as_mut().and_then(|beside| beside.path_of(reference))
                && is_signed_in_place(slot.role())
                && matches!(slot.quoting(), Quoting::Line | Quoting::Double)
            {
                let token = policy.token_of_path(path);
                planner
                    .budget
                    .check_uri(reference.len())
                    .map_err(|reason| refused(slot, reason))?;
                planner.writer.insert_query(slot.span().end, token);
                planner.writer.check()?;
                continue;
            }
            // On the line of what is left out, nothing else is signed in place.
            if slot.span().start < left_out.end {
                continue;
            }
            let refused = |reason| refused(slot, reason);
            let expanded = planner.expand(slot, reference).map_err(refused)?;
            planner.charge(&expanded.reference).map_err(refused)?;
            match planner.decide(slot, &expanded.reference, policy).map_err(refused)? {
                // What it answers could send our tokens to any host.
                Decision::Keep(KeepReason::ForeignHost)
                    if slot.role() == Role::Steering && !policy.trusts_strangers() =>
                {
                    let span = planner.leave_out(slot).map_err(refused)?;
                    left_out.offsets.push(span.start);
                    left_out.end = span.end;
                }
                Decision::Keep(reason) => planner.kept.push(Kept { slot: index, reason }),
                Decision::Refuse(reason) => return Err(refused(reason)),
                // What is no template is one file.
                Decision::Expand => return Err(refused(RefuseReason::NeedsRepresentation)),
                Decision::Deliver { url, token } => {
                    planner.deliver(slot, reference, &expanded, &url, token).map_err(refused)?;
                }
            }
            planner.writer.check()?;
        }
        for offer in withdrawn {
            planner.writer.remove(offer.clone());
        }
        let left = Left { dropped: Vec::new(), withheld: left_out.offsets };
        planner.writer.finish(planner.kept, left, planner.budget.steps())
    }

    /// Refuses a variable that takes a token out of the playlist's own URL: a playlist that imports it
    /// could send the token to any host.
    fn check_definitions(&self, policy: &dyn UriPolicy) -> Result<(), RenderError> {
        let from_query = |definition: &&Definition| definition.value == Definer::QueryParameter;
        let mut taken = self.definitions().iter().filter(from_query).peekable();
        if taken.peek().is_none() {
            return Ok(());
        }
        let owned = policy.owned_parameters();
        for definition in taken {
            let name: Vec<u8> = percent_encoding::percent_decode(&definition.name).collect();
            let is_taken = |owned: &&String| {
                owned.as_bytes().eq_ignore_ascii_case(&name)
                    || owned.as_bytes().eq_ignore_ascii_case(&definition.name)
            };
            if let Some(parameter) = owned.iter().find(is_taken) {
                let before = &self.source()[..=definition.offset];
                return Err(RenderError::Refused {
                    line: Lines::new(before).count(),
                    offset: definition.offset,
                    carrier: "EXT-X-DEFINE QUERYPARAM".to_owned(),
                    role: Role::Unclassified,
                    reason: RefuseReason::TokenParameter(parameter.clone()),
                });
            }
        }
        Ok(())
    }

    /// What would become of each URI, in order. Decides as [`Self::plan`] does, goes on after one
    /// that is refused, and holds one at a time.
    pub fn decisions<'t>(
        &'t self,
        place: &'t Place,
        policy: &'t mut dyn UriPolicy,
    ) -> Box<dyn Iterator<Item = Decided<'t>> + 't> {
        if policy.refuses_foreign_hosts() {
            return Box::new(self.decisions_and_strangers(place, policy).into_iter());
        }
        self.decisions_of_slots(place, policy)
    }

    fn decisions_of_slots<'t>(
        &'t self,
        place: &'t Place,
        policy: &'t mut dyn UriPolicy,
    ) -> Box<dyn Iterator<Item = Decided<'t>> + 't> {
        if let Some(tree) = self.tree() {
            return Box::new(dash::decisions(self, tree, place, policy).into_iter());
        }
        let mut planner = Planner::new(self, place, policy.token_len());
        Box::new(self.slots().iter().map(move |slot| planner.try_out(slot, policy)))
    }

    /// The same with each value that names a host which is none of ours.
    fn decisions_and_strangers<'t>(
        &'t self,
        place: &'t Place,
        policy: &'t mut dyn UriPolicy,
    ) -> Vec<Decided<'t>> {
        let strangers = strangers::find(self, place, policy, false);
        let mut decided: Vec<_> = self.decisions_of_slots(place, policy).collect();
        let start = |decided: &Decided<'_>| decided.slot.span().start;
        decided.sort_by_key(start);
        for (slot, reason) in strangers {
            let first = decided.partition_point(|other| start(other) < slot.span().start);
            let behind = decided.partition_point(|other| start(other) <= slot.span().start);
            let decision = Decision::Refuse(reason);
            for other in &mut decided[first..behind] {
                other.decision = decision.clone();
            }
            if first == behind {
                decided.insert(first, Decided { slot: Cow::Owned(slot), url: None, decision });
            }
        }
        decided
    }
}

// === Planner ===

/// What is left out of a document: where it stands, and where the last of it ends.
#[derive(Default)]
struct LeftOut {
    offsets: Vec<usize>,
    end: usize,
}

/// The plan under construction.
struct Planner<'t> {
    source: &'t Bytes,
    place: &'t Place,
    budget: Budget,
    defined: Defined,
    writer: Writer<'t>,
    kept: Vec<Kept>,
}

impl<'t> Planner<'t> {
    fn new(template: &'t Template, place: &'t Place, gap: usize) -> Self {
        let slots = template.slots().len();
        let budget = template.budget(place.max_steps);
        let limit = budget.max_result();
        Self {
            source: template.source(),
            place,
            budget,
            defined: Defined::new(template.definitions(), &place.served, &place.variables),
            writer: Writer::new(template.source(), gap, slots, false, limit),
            kept: Vec::new(),
        }
    }

    /// What a reference's text stands for.
    fn expand<'r>(&self, slot: &Slot, reference: &'r [u8]) -> Result<Expanded<'r>, RefuseReason> {
        if slot.quoting() == Quoting::Json {
            return self.unquote(slot, reference);
        }
        if self.defined.is_empty() {
            return Ok(Expanded { reference: Cow::Borrowed(reference), hides_fragment: false });
        }
        self.defined.expand(reference, slot.span().start, &self.budget)
    }

    /// Charges a decision on a reference before its URL is made.
    fn charge(&self, reference: &[u8]) -> Result<(), RefuseReason> {
        self.budget.check_reference(reference, reference.len())?;
        self.budget.charge(DECISION + self.place.base.as_str().len() + reference.len())
    }

    fn unquote<'r>(&self, slot: &Slot, written: &'r [u8]) -> Result<Expanded<'r>, RefuseReason> {
        if !written.contains(&b'\\') {
            return Ok(Expanded { reference: Cow::Borrowed(written), hides_fragment: false });
        }
        let quoted = &self.source[slot.span().start - 1..slot.span().end + 1];
        let text = std::str::from_utf8(quoted).ok().and_then(|quoted| json::unquote(quoted).ok());
        let reference = text.ok_or(RefuseReason::BadReference)?.into_owned().into_bytes();
        // An escape may stand for a delimiter, too.
        let delimiters = |text: &[u8]| memchr::memchr2_iter(b'?', b'#', text).count();
        let hides_fragment = delimiters(written) != delimiters(&reference);
        Ok(Expanded { reference: Cow::Owned(reference), hides_fragment })
    }

    fn decide(
        &self,
        slot: &Slot,
        reference: &[u8],
        policy: &mut dyn UriPolicy,
    ) -> Result<Decision, RefuseReason> {
        let base = &self.place.base;
        if slot.role() == Role::Unclassified {
            let decided = decide_unsigned(base, reference, policy, RefuseReason::Unclassified)?;
            return if policy.is_strict() { Err(RefuseReason::Unclassified) } else { Ok(decided) };
        }
        if slot.quoting() == Quoting::Line && resolve::has_player_headers(reference) {
            return decide_unsigned(base, reference, policy, RefuseReason::PlayerHeaders);
        }
        Ok(match resolve::resolve(base, reference)? {
            Resolved::Kept(reason) => Decision::Keep(reason),
            Resolved::Http(url) => {
                self.budget.check_uri(url.as_str().len())?;
                policy.decide(&Uri::of(slot.role(), &url))
            }
        })
    }

    /// Decides a slot and forgets what would be written.
    fn try_out<'s>(&mut self, slot: &'s Slot, policy: &mut dyn UriPolicy) -> Decided<'s> {
        let source = self.source;
        let reference = &source[slot.span()];
        self.writer.restart(slot.span().start);
        let expanded = match self.expand(slot, reference) {
            Ok(expanded) => expanded,
            Err(reason) => {
                let decision = Decision::Refuse(reason);
                return Decided { slot: Cow::Borrowed(slot), url: None, decision };
            }
        };
        if let Err(reason) = self.charge(&expanded.reference) {
            let decision = Decision::Refuse(reason);
            return Decided { slot: Cow::Borrowed(slot), url: None, decision };
        }
        let url = match resolve::resolve(&self.place.base, &expanded.reference) {
            Ok(Resolved::Http(url)) => Some(url),
            Ok(Resolved::Kept(_)) | Err(_) => None,
        };
        let decided = self.decide(slot, &expanded.reference, policy).and_then(|decision| {
            if let Decision::Deliver { url, token } = &decision {
                self.deliver(slot, reference, &expanded, url, *token)?;
            }
            Ok(decision)
        });
        let decision = decided.unwrap_or_else(Decision::Refuse);
        Decided { slot: Cow::Borrowed(slot), url, decision }
    }

    /// Leaves a slot's tag out, or its text where a document is no list of tags. Says what is left out.
    fn leave_out(&mut self, slot: &Slot) -> Result<Range<usize>, RefuseReason> {
        let span = match slot.quoting() {
            Quoting::Json => slot.span(),
            _ => {
                let Range { start, end } = slot.span();
                let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
                let before = self.source[..start].iter().rposition(is_end);
                let behind = self.source[end..].iter().position(|byte| *byte == b'\n');
                let line = before.map_or(0, |at| at + 1);
                line..behind.map_or(self.source.len(), |at| end + at + 1)
            }
        };
        // Another URI of the same tag stands before it, and was written.
        if span.start < self.writer.copied() {
            return Err(RefuseReason::ForeignHost);
        }
        self.writer.remove(span.clone());
        Ok(span)
    }

    /// Makes the slot lead to `url` with its token. `written` is the reference's text, `expanded`
    /// what its variables make of it.
    fn deliver(
        &mut self,
        slot: &Slot,
        written: &[u8],
        expanded: &Expanded<'_>,
        url: &Url,
        token: Option<TokenAt>,
    ) -> Result<(), RefuseReason> {
        self.budget.check_uri(url.as_str().len())?;
        let reference = &expanded.reference[..];
        let at = fragment_start(written);
        let has_query = reference[..fragment_start(reference)].contains(&b'?');
        let is_for_page =
            token.is_some() && is_resolved_elsewhere(slot) && !resolve::has_scheme(reference);
        let leads_there = !expanded.hides_fragment
            && !is_for_page
            && resolve::join(&self.place.served, reference).is_some_and(|led_to| led_to == *url);
        let added = match token {
            Some(TokenAt::Query(token)) => Some(token),
            // The reference leads there, so it inherits the token of the manifest's own URL.
            Some(TokenAt::Path(_)) | None => None,
        };
        if leads_there && (added.is_none() || may_be_extended(reference, url, has_query)) {
            if let Some(token) = added {
                let at = slot.span().start + at;
                self.writer.cut(at..at);
                self.writer.write(if has_query { b"&" } else { b"?" });
                self.writer.hole(token);
                self.writer.end_cut();
            }
            return Ok(());
        }
        // A path that begins with two slashes would be read as a host.
        let is_path = url.origin() == self.place.served.origin()
            && !url.path().starts_with("//")
            && !is_for_page
            && !stays_absolute(slot, reference);
        let text = if is_path { &url[Position::BeforePath..] } else { url.as_str() };
        if slot.quoting() == Quoting::Bare && text.contains([',', '"', ' ']) {
            return Err(RefuseReason::NeedsQuotes);
        }
        let text = match slot.quoting() {
            Quoting::Json => json::escape(text),
            _ => Cow::Borrowed(text),
        };
        self.writer.cut(slot.span());
        self.write_url(&text, token);
        self.writer.end_cut();
        Ok(())
    }

    fn write_url(&mut self, text: &str, token: Option<TokenAt>) {
        match token {
            None => self.writer.write(text.as_bytes()),
            Some(TokenAt::Query(token)) => {
                let (head, fragment) = text.split_at(fragment_start(text.as_bytes()));
                self.writer.write(head.as_bytes());
                self.writer.write(if head.contains('?') { b"&" } else { b"?" });
                self.writer.hole(token);
                self.writer.write(fragment.as_bytes());
            }
            Some(TokenAt::Path(token)) => {
                let placeholder = token.placeholder();
                let (before, after) = text.split_once(&placeholder).unwrap_or((text, ""));
                self.writer.write(before.as_bytes());
                self.writer.hole(token);
                self.writer.write(after.as_bytes());
            }
        }
    }
}

/// Fail closed where nothing can be signed: a relative value may name anything below the manifest,
/// so only what is surely somebody else's may stay.
pub(crate) fn decide_unsigned(
    base: &Url,
    reference: &[u8],
    policy: &dyn UriPolicy,
    refusal: RefuseReason,
) -> Result<Decision, RefuseReason> {
    match resolve::resolve(base, reference)? {
        Resolved::Kept(reason) => Ok(Decision::Keep(reason)),
        Resolved::Http(url) if resolve::is_absolute(reference) && !policy.protects(&url) => {
            Ok(Decision::Keep(KeepReason::ForeignHost))
        }
        Resolved::Http(_) => Err(refusal),
    }
}

/// Reports if a relative reference of this role stays as it is, with a token behind it.
const fn is_signed_in_place(role: Role) -> bool {
    !matches!(role, Role::Asset | Role::Unclassified)
}

/// Whether hls.js resolves a reference against the page: the host of the page would get its token.
fn is_resolved_elsewhere(slot: &Slot) -> bool {
    slot.role() == Role::Asset
}

/// Whether an absolute reference must be written as one: players make a URL of what a pathway clone
/// puts in the place of a variant's or rendition's URI, and give it no base.
fn stays_absolute(slot: &Slot, reference: &[u8]) -> bool {
    slot.quoting() == Quoting::Json
        && matches!(slot.role(), Role::Variant | Role::Rendition)
        && resolve::is_absolute(reference)
}

/// Whether a reference that leads to `url` leads there with more parameters at its end, too: not
/// if its query is the base's, nor if it ends in a space that nobody reads at an end.
pub(crate) fn may_be_extended(reference: &[u8], url: &Url, has_query: bool) -> bool {
    (has_query || url.query().is_none()) && !reference.ends_with(b" ")
}

pub(crate) fn fragment_start(reference: &[u8]) -> usize {
    memchr::memchr(b'#', reference).unwrap_or(reference.len())
}
