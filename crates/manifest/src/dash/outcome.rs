//! What becomes of one reference: decided for each combination of base URLs, and written so that
//! all of them lead to what was decided.

use url::{Position, Url};

use super::bases::Combination;
use super::changes::Written;
use super::reference::{Filled, Reference, Values};
use super::text;
use crate::budget::{Budget, DECISION};
use crate::plan::{decide_unsigned, fragment_start, may_be_extended};
use crate::policy::{Decision, TokenAt, TokenRef, Uri, UriPolicy, Varies};
use crate::resolve::{self, Resolved};
use crate::{KeepReason, Quoting, RefuseReason, Role};

/// What must be written for a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It stays.
    Keep(KeepReason),
    /// It leads there; the token, if any, goes to its end.
    Insert(Option<TokenRef>),
    /// Another reference.
    Write(Rewritten),
    /// A template that must be written out.
    Expand,
}

/// A reference that is written anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rewritten {
    /// Not escaped yet; of a template, with its identifiers.
    pub(crate) text: String,
    pub(crate) token: Option<TokenAt>,
}

/// An outcome, and what goes with it.
#[derive(Clone, Debug)]
pub(crate) struct Evaluated {
    pub(crate) outcome: Outcome,
    /// The slots of base URLs that the outcome does not serve: they must be left out.
    pub(crate) losers: Vec<u32>,
    /// Where the reference leads, in the combination that was taken.
    pub(crate) url: Option<Url>,
    pub(crate) decision: Decision,
}

/// A reference in its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'q> {
    pub(crate) role: Role,
    pub(crate) reference: &'q Reference,
    pub(crate) values: &'q Values,
    pub(crate) combinations: &'q [Combination],
    pub(crate) budget: &'q Budget,
    pub(crate) context: Option<&'q Url>,
    /// Why the template cannot be written out, if that is known.
    pub(crate) unexpandable: Option<&'q str>,
    /// Whether base URLs that the outcome does not serve may be left out. Else the reference is
    /// written so that it needs none.
    pub(crate) may_drop: bool,
}

/// One combination's answer.
struct Answer {
    url: Option<Url>,
    decision: Decision,
    /// Where the reference as it is written will lead players.
    led_to: Option<Url>,
}

impl<'q> Question<'q> {
    /// Of what has no context, and may be written out.
    pub(crate) const fn of(
        role: Role,
        reference: &'q Reference,
        values: &'q Values,
        combinations: &'q [Combination],
        budget: &'q Budget,
    ) -> Self {
        let (context, unexpandable, may_drop) = (None, None, true);
        Self { role, reference, values, combinations, budget, context, unexpandable, may_drop }
    }

    /// Charges what the answer takes, before anything is filled in.
    fn charge(&self) -> Result<(), RefuseReason> {
        let len = self.reference.filled_len(self.values);
        let id = self.values.representation_id.as_ref().map_or(0, |id| id.len());
        self.budget.charge(id)?;
        match self.reference.is_template() {
            true => self.budget.check_uri(len)?,
            false => self.budget.check_reference(self.reference.text().as_bytes(), len)?,
        }
        for Combination { source, .. } in self.combinations {
            let base = source.as_ref().map_or(0, |url| url.as_str().len());
            self.budget.charge(DECISION + len + base)?;
        }
        Ok(())
    }

    /// Asks the policy.
    ///
    /// # Errors
    /// Why nothing can be written, if the policy refuses what there is.
    pub(crate) fn evaluate(&self, policy: &mut dyn UriPolicy) -> Result<Evaluated, RefuseReason> {
        self.charge()?;
        let bases = self.combinations.iter().filter_map(|one| one.source.as_deref());
        let filled = self.reference.fill_beside(self.values, &mut bases.map(Url::as_str));
        // A name would begin the query, or the fragment, that a token goes to.
        let id = self.values.representation_id.as_deref().unwrap_or_default();
        if self.reference.is_template() && id.contains(['?', '#']) {
            return Err(RefuseReason::BadReference);
        }
        let mut answers = Vec::with_capacity(self.combinations.len());
        for combination in self.combinations {
            answers.push(self.ask(&filled, combination, policy)?);
        }
        let is_ours = |answer: &Answer| {
            matches!(answer.decision, Decision::Deliver { .. } | Decision::Expand)
        };
        let taken = answers.iter().position(is_ours).or_else(|| {
            answers.iter().position(|answer| matches!(answer.decision, Decision::Refuse(_)))
        });
        let taken = taken.unwrap_or(0);
        let Some(answer) = answers.get(taken) else {
            return Err(RefuseReason::BadReference);
        };
        // As a template again, for people to read.
        let as_template = |url: &Url| Url::parse(&filled.restore(url.as_str())).ok();
        let url = match &answer.url {
            Some(url) if self.reference.is_template() => as_template(url),
            url => url.clone(),
        };
        let decision = answer.decision.clone();
        let mut losers = Vec::new();
        let outcome = match &decision {
            Decision::Keep(reason) => Outcome::Keep(*reason),
            Decision::Refuse(reason) => return Err(reason.clone()),
            Decision::Expand if self.reference.is_template() => Outcome::Expand,
            Decision::Expand => return Err(RefuseReason::NeedsRepresentation),
            Decision::Deliver { url, token } => {
                self.budget.check_uri(url.as_str().len())?;
                let added = added(*token);
                let is_absolute = policy.writes_absolute_references();
                let fits = !self.must_be_absolute(&filled.text, *token, is_absolute)
                    && leads_there(&filled.text, answer, url, added);
                for (other, combination) in answers.iter().zip(self.combinations) {
                    if fits && !is_served(&filled.text, other, added) {
                        losers.extend(difference(&self.combinations[taken], combination));
                    }
                }
                if fits && (losers.is_empty() || self.may_drop) {
                    Outcome::Insert(added)
                } else {
                    losers.clear();
                    let text = self.text(&filled, answer, url, is_absolute && added.is_some());
                    Outcome::Write(Rewritten { text, token: *token })
                }
            }
        };
        Ok(Evaluated { outcome, losers, url, decision })
    }

    fn ask(
        &self,
        filled: &Filled,
        combination: &Combination,
        policy: &mut dyn UriPolicy,
    ) -> Result<Answer, RefuseReason> {
        let reference = filled.text.as_bytes();
        let kept = |reason| Answer { url: None, decision: Decision::Keep(reason), led_to: None };
        let nowhere;
        let base = match &combination.source {
            Some(base) => &**base,
            None if resolve::is_absolute(reference) => {
                nowhere =
                    Url::parse("http://base.invalid/").map_err(|_| RefuseReason::BadReference)?;
                &nowhere
            }
            None => return Ok(kept(KeepReason::ForeignScheme)),
        };
        if self.role == Role::Unclassified {
            let decided = decide_unsigned(base, reference, policy, RefuseReason::Unclassified)?;
            if policy.is_strict() {
                return Err(RefuseReason::Unclassified);
            }
            return Ok(Answer { url: None, decision: decided, led_to: None });
        }
        let url = match resolve::resolve(base, reference)? {
            Resolved::Kept(reason) => return Ok(kept(reason)),
            Resolved::Http(url) => url,
        };
        self.budget.check_uri(url.as_str().len())?;
        if matches!(self.role, Role::OtherPresentation | Role::Information) {
            let decision = Decision::Keep(KeepReason::ReportedOnly);
            return Ok(Answer { url: Some(url), decision, led_to: None });
        }
        let uri =
            Uri { role: self.role, url: &url, varies: varies(filled, &url), context: self.context };
        let decision = match (policy.decide(&uri), self.unexpandable) {
            (Decision::Expand, Some(reason)) => policy.decide_unexpandable(&uri, reason),
            (decision, _) => decision,
        };
        let base = match combination.written.as_deref() {
            Some(written) => Some(written),
            None => resolve::is_absolute(reference).then_some(base),
        };
        let led_to = base.and_then(|base| resolve::join(base, reference));
        Ok(Answer { url: Some(url), decision, led_to })
    }

    /// Whether the reference must be written as an absolute URL. A relative one with a token would send
    /// the token to another host, where a player resolves it against something else. One without a scheme
    /// takes that of the page for dash.js.
    fn must_be_absolute(
        &self,
        reference: &str,
        token: Option<TokenAt>,
        are_all_absolute: bool,
    ) -> bool {
        let reference = reference.as_bytes();
        let lacks_scheme = !resolve::has_scheme(reference);
        let is_for_host = lacks_scheme && resolve::is_absolute(reference);
        let is_for_all = are_all_absolute && added(token).is_some();
        self.role == Role::Location
            || token.is_some() && is_for_host
            || token.is_some() && lacks_scheme && (is_for_all || is_resolved_elsewhere(self.role))
    }

    /// How `url` is written. Of a template, the last segment and the query stay as they are written
    /// if nothing there changed, so that all Representations of a folder can share the text.
    fn text(&self, filled: &Filled, answer: &Answer, url: &Url, is_absolute: bool) -> String {
        let written = self.combinations.iter().map(|combination| combination.written.as_deref());
        let is_absolute =
            is_absolute || self.role == Role::Location || is_resolved_elsewhere(self.role);
        let text = if is_absolute { url.as_str().to_owned() } else { shortest(url, written) };
        if !self.reference.is_template() {
            return text;
        }
        let own = answer.url.as_ref().map(|url| &url.as_str()[name_start(url)..]);
        let name_len = url.as_str().len() - name_start(url);
        let (folder, name) = text.split_at(text.len() - name_len.min(text.len()));
        let own_tail = (own == Some(name))
            .then(|| {
                let path_end = filled.text.find(['?', '#']).unwrap_or(filled.text.len());
                let at = filled.text[..path_end].rfind('/').map_or(0, |slash| slash + 1);
                self.reference.tail(filled, at)
            })
            .flatten();
        match own_tail {
            Some(tail) => filled.restore(folder) + tail,
            None => filled.restore(&text),
        }
    }
}

impl Evaluated {
    /// Writes host and path instead of adding a token to what is there, for a base URL that is
    /// fetched itself: ffmpeg 5 joins base URLs on its own, as XML, and loses a query with a `&`
    /// unless the text begins with a slash. It resolves that against `served`.
    pub(crate) fn write_from_slash(&mut self, served: &Url) {
        let is_inserted = matches!(self.outcome, Outcome::Insert(Some(_)));
        let Decision::Deliver { url, token } = &self.decision else { return };
        if !is_inserted || url.scheme() != served.scheme() || url.path().starts_with("//") {
            return;
        }
        let text = match url.origin() == served.origin() {
            true => url[Position::BeforePath..].to_owned(),
            false => url[Position::AfterScheme..].trim_start_matches(':').to_owned(),
        };
        self.outcome = Outcome::Write(Rewritten { text, token: *token });
    }
}

// === Writing ===

impl Outcome {
    /// The token that goes to the query.
    pub(crate) const fn query_token(&self) -> Option<TokenRef> {
        match self {
            Self::Insert(token) => *token,
            Self::Write(rewritten) => added(rewritten.token),
            Self::Keep(_) | Self::Expand => None,
        }
    }

    /// Whether another outcome leads to the same text.
    pub(crate) fn writes_as(&self, other: &Self) -> bool {
        let is_unchanged = |outcome: &Self| matches!(outcome, Self::Keep(_) | Self::Insert(None));
        self == other || is_unchanged(self) && is_unchanged(other)
    }

    pub(crate) fn take_query_token(&mut self) {
        match self {
            Self::Insert(token) => *token = None,
            Self::Write(Rewritten { token: token @ Some(TokenAt::Query(_)), .. }) => *token = None,
            Self::Write(_) | Self::Keep(_) | Self::Expand => {}
        }
    }

    /// The reference that it makes of `raw`, which stands in `quoting`; written for `target`. None
    /// if it stays as it is.
    pub(crate) fn written(&self, raw: &[u8], quoting: Quoting, target: Quoting) -> Option<Written> {
        match self {
            Self::Keep(_) | Self::Expand | Self::Insert(None) => None,
            Self::Insert(Some(token)) => {
                let reference = text::decode(raw, quoting);
                let reference = String::from_utf8_lossy(&reference);
                let (head, fragment) = reference.split_at(fragment_start(reference.as_bytes()));
                let mut written = Written::text(&text::escape(head, target));
                written.push(joint(head)).push_token(*token);
                written.push_str(&text::escape(fragment, target));
                Some(written)
            }
            Self::Write(rewritten) => Some(rewritten.written(target)),
        }
    }
}

impl Rewritten {
    pub(crate) fn written(&self, quoting: Quoting) -> Written {
        let escaped = |text: &str| Written::text(&text::escape(text, quoting));
        match self.token {
            None => escaped(&self.text),
            Some(TokenAt::Query(token)) => {
                let (head, fragment) = self.text.split_at(fragment_start(self.text.as_bytes()));
                let mut written = escaped(head);
                written.push(joint(head)).push_token(token);
                written.append(&escaped(fragment));
                written
            }
            Some(TokenAt::Path(token)) => {
                let placeholder = token.placeholder();
                let (before, after) =
                    self.text.split_once(&placeholder).unwrap_or((&self.text, ""));
                let mut written = escaped(before);
                written.push_token(token).append(&escaped(after));
                written
            }
        }
    }
}

/// What joins a query to a reference in XML.
pub(crate) fn joint(reference: &str) -> &'static [u8] {
    if reference.contains('?') { text::AMPERSAND } else { b"?" }
}

/// The URL's shortest text that leads to it from each of these: its path, if they are all on its
/// host.
pub(crate) fn shortest<'u>(url: &Url, mut from: impl Iterator<Item = Option<&'u Url>>) -> String {
    // A path that begins with two slashes would be read as a host.
    let is_path = !url.path().starts_with("//")
        && from.all(|from| from.is_some_and(|from| from.origin() == url.origin()));
    if is_path { url[Position::BeforePath..].to_owned() } else { url.as_str().to_owned() }
}

// === Deciding ===

/// References that dash.js resolves against the page.
const fn is_resolved_elsewhere(role: Role) -> bool {
    matches!(role, Role::Steering | Role::UtcTiming)
}

/// What a token adds to a reference that leads to its URL. One in the path comes from the base.
const fn added(token: Option<TokenAt>) -> Option<TokenRef> {
    match token {
        Some(TokenAt::Query(token)) => Some(token),
        Some(TokenAt::Path(_)) | None => None,
    }
}

fn leads_there(reference: &str, answer: &Answer, url: &Url, token: Option<TokenRef>) -> bool {
    let has_query = reference[..fragment_start(reference.as_bytes())].contains('?');
    answer.led_to.as_ref() == Some(url)
        && (token.is_none() || may_be_extended(reference.as_bytes(), url, has_query))
}

/// Whether a reference that gets this token is right in another combination, too.
fn is_served(reference: &str, other: &Answer, token: Option<TokenRef>) -> bool {
    match &other.decision {
        Decision::Deliver { url, token: others } => {
            added(*others) == token && leads_there(reference, other, url, token)
        }
        // A token must not go to another's host.
        Decision::Keep(_) => token.is_none(),
        Decision::Expand | Decision::Refuse(_) => false,
    }
}

/// The innermost base URL by which another combination differs: the fewest others need it.
fn difference(taken: &Combination, other: &Combination) -> Option<u32> {
    let mut pairs = taken.chosen.iter().zip(&other.chosen).rev();
    pairs.find(|(taken, other)| taken != other).map(|(_, &other)| other)
}

fn varies(filled: &Filled, url: &Url) -> Varies {
    if !filled.differs_by_segment && !filled.lacks_representation {
        return Varies::Nothing;
    }
    let folder = &url.path()[..url.path().rfind('/').unwrap_or(0)];
    if filled.is_standing_in(folder) { Varies::Folder } else { Varies::Name }
}

/// Where the last segment of a URL's path begins.
fn name_start(url: &Url) -> usize {
    let path_end = url[..Position::AfterPath].len();
    url.as_str()[..path_end].rfind('/').map_or(path_end, |slash| slash + 1)
}
