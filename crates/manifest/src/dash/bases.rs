//! The chain of base URLs (clause 5.6): where a reference of a level leads, before and after.

use std::collections::BTreeMap;
use std::rc::Rc;

use url::{Position, Url};

use super::tree::{LevelKind, Tree};
use super::{outcome, text};
use crate::budget::{Budget, COMBINATION};
use crate::plan::Place;
use crate::policy::{Decision, TokenAt, Uri, UriPolicy};
use crate::resolve::{self, Resolved};
use crate::slot::Slot;
use crate::{KeepReason, RefuseReason, Role};

/// More combinations of alternatives than this nobody offers.
pub(crate) const MAX_COMBINATIONS: usize = 64;

/// One choice among the alternatives: what a reference is resolved against.
#[derive(Clone, Debug)]
pub(crate) struct Combination {
    /// By the source. None if that is no HTTP URL.
    pub(crate) source: Option<Rc<Url>>,
    /// As players will resolve it in what is written. None if nobody can tell: then only an absolute
    /// URL leads anywhere.
    pub(crate) written: Option<Rc<Url>>,
    /// The base URLs that were chosen: their slots, from the outside in.
    pub(crate) chosen: Vec<u32>,
}

/// The combinations of each level, and what becomes of the base URLs themselves.
#[derive(Debug)]
pub(crate) struct Bases {
    /// For each level, those that hold for what is in it.
    pub(crate) of_level: Vec<Rc<[Combination]>>,
    /// The text that must be written for a base URL, by its slot: not where it stays.
    pub(crate) rebased: BTreeMap<u32, outcome::Rewritten>,
    /// A base URL that must be written where the document has none.
    pub(crate) inserted: Option<outcome::Rewritten>,
    /// Why a base URL stays, by its slot, if the policy says so.
    pub(crate) kept: BTreeMap<u32, KeepReason>,
}

impl Bases {
    /// What references within a level are resolved against, in the first of the combinations.
    pub(crate) fn context(&self, level: u32) -> Option<&Url> {
        self.of_level.get(level as usize)?.first()?.source.as_deref()
    }
}

/// Resolves every chain. `is_dropped` says which base URLs are left out.
pub(crate) fn resolve_all(
    source: &[u8],
    slots: &[Slot],
    tree: &Tree,
    place: &Place,
    is_dropped: &dyn Fn(u32) -> bool,
    budget: &Budget,
    policy: &mut dyn UriPolicy,
) -> Result<Bases, (u32, RefuseReason)> {
    let mut bases = Bases {
        of_level: Vec::with_capacity(tree.levels.len()),
        rebased: BTreeMap::new(),
        inserted: None,
        kept: BTreeMap::new(),
    };
    for level in &tree.levels {
        // Levels without base URLs of their own share what is around them.
        let around = match level.parent {
            Some(parent) => Rc::clone(&bases.of_level[parent as usize]),
            None => Rc::from([document(source, slots, tree, place)]),
        };
        let alternatives: Vec<u32> =
            level.bases.iter().map(|base| base.slot).filter(|&slot| !is_dropped(slot)).collect();
        let is_outermost = level.parent.is_none() && !tree.is_part;
        let must_be_absolute = is_outermost && policy.writes_absolute_bases();
        if alternatives.is_empty() {
            if must_be_absolute {
                let mut around = around.to_vec();
                bases.inserted = insert(&mut around, policy);
                bases.of_level.push(around.into());
            } else {
                bases.of_level.push(around);
            }
            continue;
        }
        let mut combinations = Vec::with_capacity(alternatives.len() * around.len());
        for slot in alternatives {
            if combinations.len() + around.len() > MAX_COMBINATIONS {
                return Err((slot, RefuseReason::TooManyBases(MAX_COMBINATIONS)));
            }
            let place = &slots[slot as usize];
            let raw = &source[place.span()];
            let base_len = |one: &Combination| one.source.as_ref().map_or(0, |u| u.as_str().len());
            let around_len: usize = around.iter().map(base_len).sum();
            let each = COMBINATION + raw.len();
            budget.charge(around.len() * each + around_len).map_err(|why| (slot, why))?;
            let reference = text::decode(raw, place.quoting());
            budget.check_reference(&reference, reference.len()).map_err(|why| (slot, why))?;
            if resolve::is_ambiguous(&reference) {
                return Err((slot, RefuseReason::Ambiguous));
            }
            let (resolved, rewritten, kept) = rebase(&around, &reference, must_be_absolute, policy);
            bases.kept.extend(kept.map(|reason| (slot, reason)));
            bases.rebased.extend(rewritten.map(|rewritten| (slot, rewritten)));
            for (around, (source, written)) in around.iter().zip(resolved) {
                let mut chosen = around.chosen.clone();
                chosen.push(slot);
                combinations.push(Combination { source, written, chosen });
            }
        }
        bases.of_level.push(combinations.into());
    }
    Ok(bases)
}

/// What the outermost references are resolved against.
pub(crate) fn document(source: &[u8], slots: &[Slot], tree: &Tree, place: &Place) -> Combination {
    // Some players take Location for the base (dash.js), others the URL that answered (Shaka).
    let leads_elsewhere = |slot: &Slot| {
        let reference = text::decode(&source[slot.span()], slot.quoting());
        resolve::join(&place.base, &reference)
            .is_none_or(|url| url.join(".").ok() != place.base.join(".").ok())
    };
    let is_certain = !tree.is_part
        && !slots.iter().any(|slot| slot.role() == Role::Location && leads_elsewhere(slot));
    Combination {
        source: Some(Rc::new(place.base.clone())),
        written: is_certain.then(|| Rc::new(place.served.clone())),
        chosen: Vec::new(),
    }
}

type Resolutions = Vec<(Option<Rc<Url>>, Option<Rc<Url>>)>;

/// Resolves one base URL within each combination around it. It is written anew if it would lead
/// elsewhere than the policy wants, and one text serves all of them.
fn rebase(
    around: &[Combination],
    reference: &[u8],
    must_be_absolute: bool,
    policy: &mut dyn UriPolicy,
) -> (Resolutions, Option<outcome::Rewritten>, Option<KeepReason>) {
    let mut kept = None;
    let mut resolved = Vec::with_capacity(around.len());
    let mut wanted: Vec<Option<(Url, Option<TokenAt>)>> = Vec::with_capacity(around.len());
    for combination in around {
        let source = match &combination.source {
            Some(base) => match resolve::resolve(base, reference) {
                Ok(Resolved::Http(url)) => Some(url),
                Ok(Resolved::Kept(_)) | Err(_) => None,
            },
            None => Url::parse(&String::from_utf8_lossy(reference)).ok(),
        };
        let written =
            combination.written.as_deref().and_then(|base| resolve::join(base, reference));
        let written = written.or_else(|| {
            // An absolute one needs no base.
            source.clone().filter(|_| resolve::is_absolute(reference))
        });
        wanted.push(source.as_ref().and_then(|url| {
            match policy.decide(&Uri::of(Role::BaseUrl, url)) {
                Decision::Deliver { url, token } => Some((url, token)),
                // Whatever is kept must lead to where the source leads.
                Decision::Keep(reason) => {
                    kept = Some(reason);
                    let leads_elsewhere =
                        written.as_ref().is_some_and(|written| !is_same_base(written, url));
                    leads_elsewhere.then(|| (url.clone(), None))
                }
                Decision::Expand | Decision::Refuse(_) => None,
            }
        }));
        resolved.push((source.map(Rc::new), written));
    }
    let fits = resolved.iter().zip(&wanted).all(|((_, written), wanted)| match wanted {
        Some((url, _)) => written.as_ref().is_some_and(|written| is_same_base(written, url)),
        None => true,
    });
    let as_written = |resolved: Vec<(Option<Rc<Url>>, Option<Url>)>| -> Resolutions {
        resolved.into_iter().map(|(source, written)| (source, written.map(Rc::new))).collect()
    };
    let one = match wanted.first() {
        Some(Some(first)) if wanted.iter().all(|other| other.as_ref() == Some(first)) => first,
        _ => return (as_written(resolved), None, kept),
    };
    // dash.js takes the scheme of the page for one that has none.
    let lacks_scheme = !resolve::has_scheme(reference);
    let is_bare_host = lacks_scheme && resolve::is_absolute(reference);
    if fits && !is_bare_host && !(must_be_absolute && lacks_scheme) {
        return (as_written(resolved), None, kept);
    }
    let (url, token) = one;
    let text = match must_be_absolute {
        true => url.as_str().to_owned(),
        false => outcome::shortest(url, around.iter().map(|around| around.written.as_deref())),
    };
    let written = Rc::new(url.clone());
    let resolved =
        resolved.into_iter().map(|(source, _)| (source, Some(Rc::clone(&written)))).collect();
    // A query would not be inherited.
    let token = token.filter(|token| matches!(token, TokenAt::Path(_)));
    (resolved, Some(outcome::Rewritten { text, token }), kept)
}

/// The folder of the document as a base URL, if the policy delivers it; then all else is relative to
/// that.
fn insert(around: &mut [Combination], policy: &mut dyn UriPolicy) -> Option<outcome::Rewritten> {
    let [document] = around else { return None };
    let folder = document.source.as_deref()?.join(".").ok()?;
    let Decision::Deliver { url, token } = policy.decide(&Uri::of(Role::BaseUrl, &folder)) else {
        return None;
    };
    let text = url.as_str().to_owned();
    document.written = Some(Rc::new(url));
    let token = token.filter(|token| matches!(token, TokenAt::Path(_)));
    Some(outcome::Rewritten { text, token })
}

/// Whether what is relative to either leads to the same place: query and fragment are dropped.
/// Origins are not compared, since that of an unknown scheme is not even equal to itself.
fn is_same_base(a: &Url, b: &Url) -> bool {
    a[..Position::AfterPath] == b[..Position::AfterPath]
}

/// What the document's own references are resolved against, where base URLs are `bases`: players
/// differ in whether these count, so a reference is relative only if both lead to one place.
pub(crate) fn beside(document: Combination, bases: &Bases) -> Combination {
    let outermost = bases.of_level.first().map(|bases| &bases[..]).unwrap_or_default();
    let folder = |url: &Option<Rc<Url>>| url.as_deref().and_then(|url| url.join(".").ok());
    let is_certain =
        outermost.iter().all(|base| folder(&base.written) == folder(&document.written));
    let written = document.written.filter(|_| is_certain);
    Combination { written, ..document }
}

/// Whether any level below the outermost has a base URL of its own.
pub(crate) fn has_inner_bases(tree: &Tree) -> bool {
    tree.levels.iter().any(|level| level.kind != LevelKind::Mpd && !level.bases.is_empty())
}
