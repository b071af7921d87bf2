//! What keeps the tokens of a session with a profile from what the profile leaves out.
//!
//! A multivariant playlist or an MPD names what is left out, so folders that hold none of it can be
//! opened as a whole. No other document tells that: what it names beyond its own folder is opened file
//! by file.

use std::collections::{BTreeSet, HashSet};
use std::ops::Bound;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use sluicegate_manifest::{
    Decision, Format, KeepReason, Place as Placement, RefuseReason, RenderError, Role, Template,
    Uri, UriPolicy,
};
use sluicegate_token::session::Grant;
use sluicegate_token::{ResourcePath, Scope, Target};
use url::Url;

use crate::config::CdnConfig;
use crate::route::{Located, Place, Route, Segments, ThirdParty};
use crate::work::Work;

/// How far a profile reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileScope {
    /// The session's tokens open nothing of what the profile leaves out.
    #[default]
    Enforced,
    /// The profile cuts manifests, and the session's token opens the manifest's folder.
    Advisory,
}

/// What tokens of one manifest must not open, as far as the manifest tells it.
#[derive(Debug)]
pub(crate) struct Confines {
    /// Whether the manifest names what is left out: it lists variants or Representations.
    lists_qualities: bool,
    /// Whether parts of the manifest are kept elsewhere, which may name what is left out.
    has_remote_elements: bool,
    /// Whether the manifest brings variants and does not tell how large they are.
    hides_qualities: bool,
    /// The paths of what the manifest names and the profile leaves out.
    left_out: HashSet<Hashed>,
    /// The folders that these are in.
    folders: BTreeSet<Vec<u8>>,
    /// By host, what CDN tokens for these would be made for, where a token opens more than a file.
    signed: BTreeSet<(usize, Vec<u8>)>,
}

impl Confines {
    /// Compares a manifest with what a profile leaves of it, which takes some of the work that the
    /// manifest may take.
    ///
    /// # Errors
    /// As [`Template::plan`].
    pub(crate) fn of(
        whole: &Template,
        left: &Template,
        placement: &mut Placement,
        route: &Route,
        work: &mut Work,
    ) -> Result<Self, RenderError> {
        let is_variant = |role| matches!(role, Role::Variant | Role::IFrameVariant);
        let lists_qualities = match whole.format() {
            Format::Hls => whole.slots().iter().any(|slot| is_variant(slot.role())),
            format => format == Format::Dash,
        };
        let is_cut = lists_qualities && whole.source() != left.source();
        let mut remotes = left.slots().iter().filter(|slot| slot.role() == Role::Remote);
        let mut left_out = HashSet::new();
        let mut folders = BTreeSet::new();
        let mut signed = BTreeSet::new();
        let mut has_remote_elements = false;
        if is_cut || remotes.next().is_some() {
            let mut kept = HashSet::new();
            let mut room = Room { bytes: work.limit() / STEPS_PER_BYTE, refusal: work.refusal() };
            let note = |place: &Place, query: Option<&str>| match kept.insert(hash_of(place, query))
            {
                true => room.take(HASH_BYTES),
                false => Ok(()),
            };
            let mut named = Named::of(route, note);
            work.plan(left, placement, &mut named)?;
            has_remote_elements = named.has_remote_elements;
            let note = |place: &Place, query: Option<&str>| {
                if kept.contains(&hash_of(place, query)) || !left_out.insert(hash_of(place, None)) {
                    return Ok(());
                }
                room.take(HASH_BYTES)?;
                let folder = place.path.directory();
                if !folders.contains(folder) {
                    room.take(folder.len())?;
                    folders.insert(folder.to_vec());
                }
                if let Some(cdn) = wide_cdn(route, place.host)
                    && let Some(url) = route.cdn_url(place, None)
                    && let Some(part) = signed_part(cdn, &url)
                {
                    let bytes = part.len();
                    if signed.insert((place.host, part)) {
                        room.take(bytes)?;
                    }
                }
                Ok(())
            };
            if is_cut {
                work.plan(whole, placement, &mut Named::of(route, note))?;
            }
        }
        let hides_qualities = whole.format() == Format::Steering;
        Ok(Self {
            lists_qualities,
            has_remote_elements,
            hides_qualities,
            left_out,
            folders,
            signed,
        })
    }

    /// Whether the manifest lists variants or Representations, and so names what is left out.
    pub(crate) const fn lists_qualities(&self) -> bool {
        self.lists_qualities
    }

    /// Whether a variant of this manifest may be anything: it does not tell.
    pub(crate) const fn hides_qualities(&self) -> bool {
        self.hides_qualities
    }

    /// Whether a path is that of something that is left out, by another query than what is kept of it.
    /// No token tells queries apart.
    pub(crate) fn share_path_with(&self, place: &Place) -> bool {
        !self.left_out.is_empty() && self.left_out.contains(&hash_of(place, None))
    }

    /// Whether the folder of a resource is known to hold nothing that is left out.
    pub(crate) fn may_open_folder(&self, place: &Place) -> bool {
        self.lists_qualities
            && !self.has_remote_elements
            && !self.is_beneath(place.path.directory())
    }

    /// Whether the grant of the manifest itself opens what is left out.
    pub(crate) fn are_crossed_by(&self, grant: Grant, manifest: &ResourcePath) -> bool {
        let Grant::Folder { depth } = grant else { return false };
        if self.has_remote_elements {
            return true;
        }
        let mut folder = Vec::from(b"/");
        for segment in manifest.segments().take(usize::from(depth)) {
            folder.extend_from_slice(segment);
            folder.push(b'/');
        }
        self.is_beneath(&folder)
    }

    /// Whether a CDN's token for a resource is known to open nothing that is left out. `own`
    /// is the manifest, which `grant` opens.
    pub(crate) fn may_sign(&self, route: &Route, place: &Place, grant: Grant, own: &Place) -> bool {
        let Some(cdn) = wide_cdn(route, place.host) else { return true };
        let Some(url) = route.cdn_url(place, None) else { return false };
        let Some(part) = signed_part(cdn, &url) else { return false };
        if self.lists_qualities {
            let is_tree = cdn.ring.scheme().scope() == Scope::Tree;
            let opens_left_out = self.has_remote_elements
                || self.signed.contains(&(place.host, part))
                || is_tree && self.is_beneath(place.path.directory());
            return !opens_left_out;
        }
        // The token of a folder within the one that was opened is no wider than that.
        let Grant::Folder { depth } = grant else { return false };
        place.host == own.host
            && grant.covers(&own.path, &place.path)
            && beside_folder(&url, place.path.segments().count() - usize::from(depth))
                .and_then(|beside| signed_part(cdn, &beside))
                .is_some_and(|beside| beside != part)
    }

    /// Whether the CDN of a resource's host has tokens that open more than a file.
    pub(crate) fn has_wide_tokens(&self, route: &Route, place: &Place) -> bool {
        wide_cdn(route, place.host).is_some()
    }

    fn is_beneath(&self, folder: &[u8]) -> bool {
        let from = (Bound::Included(folder), Bound::Unbounded);
        let first = self.folders.range::<[u8], _>(from).next();
        first.is_some_and(|path| path.starts_with(folder))
    }
}

/// Whether tokens of a CDN are the same wherever a file lies below its base URL, or below a folder that
/// is so many folders deeper.
pub(crate) fn signs_all_alike(cdn: &CdnConfig, depth: usize) -> bool {
    let part = |name: &str| signed_part(cdn, &cdn.base_url.join(name).ok()?);
    // Names that no file has, deeper than any scheme counts folders.
    let deep = |first: &str| part(&format!("{}{first}{}", "~/".repeat(depth), "/~".repeat(32)));
    cdn.ring.scheme().scope() != Scope::File && deep("~1") == deep("~2")
}

/// The CDN that delivers what is on a host, if one of its tokens opens more than a file.
fn wide_cdn(route: &Route, host: usize) -> Option<&CdnConfig> {
    let cdn = route.cdn_at(host).filter(|_| route.config.segments != Segments::Gateway)?;
    Some(cdn).filter(|cdn| cdn.ring.scheme().scope() != Scope::File)
}

/// What a token for a URL of a CDN is made for.
fn signed_part(cdn: &CdnConfig, url: &Url) -> Option<Vec<u8>> {
    let path = ResourcePath::parse(url.path().as_bytes()).ok()?;
    let target = Target { path: &path, url: url.as_str().as_bytes() };
    Some(cdn.ring.scheme().signed_part(&target).into_owned())
}

/// A URL that is as deep as this one, and beside the folder that is so many segments above its end.
fn beside_folder(url: &Url, segments: usize) -> Option<Url> {
    let mut beside = url.clone();
    let mut path = beside.path_segments_mut().ok()?;
    (0..=segments).for_each(|_| {
        path.pop();
    });
    path.extend(std::iter::repeat_n("~", segments + 1));
    drop(path);
    Some(beside)
}

/// Steps that stand for a byte that is held while a manifest is planned.
const STEPS_PER_BYTE: usize = 4;

/// About what a hash takes in a set.
const HASH_BYTES: usize = 2 * size_of::<Hashed>();

/// What may yet be held of the URIs that a manifest names.
struct Room {
    bytes: usize,
    refusal: RefuseReason,
}

impl Room {
    fn take(&mut self, bytes: usize) -> Result<(), RefuseReason> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(|| self.refusal.clone())?;
        Ok(())
    }
}

/// A hash that stands for a path, or for a path with a query.
type Hashed = [u8; 16];

/// The hash of a path with a query: as it is written, of a template.
fn hash_of(place: &Place, query: Option<&str>) -> Hashed {
    let path = place.path.as_bytes();
    let mut hash = Sha256::new();
    hash.update(path.len().to_be_bytes());
    hash.update(path);
    hash.update(query.unwrap_or_default());
    let hash: [u8; 32] = hash.finalize().into();
    let mut short = Hashed::default();
    short.copy_from_slice(&hash[..size_of::<Hashed>()]);
    short
}

/// Notes what a manifest names on a route, with its query, and changes nothing.
struct Named<'r, F> {
    route: &'r Route,
    note: F,
    /// Whether it names a remote element that players get. Those of other hosts are left out.
    has_remote_elements: bool,
}

impl<'r, F> Named<'r, F> {
    const fn of(route: &'r Route, note: F) -> Self {
        Self { route, note, has_remote_elements: false }
    }
}

impl<F> UriPolicy for Named<'_, F>
where
    F: FnMut(&Place, Option<&str>) -> Result<(), RefuseReason>,
{
    fn decide(&mut self, uri: &Uri<'_>) -> Decision {
        let located = self.route.locate(uri.url);
        if uri.role == Role::Remote {
            let is_left_out =
                located == Located::Foreign && self.route.config.third_party != ThirdParty::Trust;
            self.has_remote_elements |= !is_left_out;
        }
        // A base URL that is fetched itself is asked for as a segment, too.
        if uri.role != Role::BaseUrl
            && let Located::Here(place) = located
            && let Err(reason) = (self.note)(&place, uri.url.query())
        {
            return Decision::Refuse(reason);
        }
        Decision::Keep(KeepReason::Identity)
    }

    fn protects(&self, _url: &Url) -> bool {
        false
    }
}
