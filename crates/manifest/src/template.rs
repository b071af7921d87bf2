//! The heart: a manifest as source bytes and slots, compiled once and rendered per session.

use std::ops::Range;

use bytes::Bytes;
use url::{Position, Url};

use crate::hls::attributes::Quoting;
use crate::resolve::{self, Resolved};
use crate::{
    CompileError, Decision, Edit, Format, KeepReason, Limits, RefuseReason, RenderError, Role, Uri,
    UriPolicy, detect, hls,
};

/// A compiled manifest.
#[derive(Clone, Debug)]
pub struct Template {
    source: Bytes,
    slots: Vec<Slot>,
    is_reloaded: bool,
}

/// Where one URI stands in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The reference's bytes, quotes and white space excluded.
    pub span: Range<usize>,
    /// Line number, from 1.
    pub line: usize,
    /// What the URI is.
    pub role: Role,
    /// How the reference stands there.
    pub quoting: Quoting,
    /// Tag and attribute; none for a URI line.
    pub carrier: Option<String>,
}

/// Where a manifest came from and where players will see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The manifest's own URL, after redirects: what its references are resolved against.
    pub base: Url,
    /// The URL at which a player fetches the rendered text. A reference keeps its written form if
    /// it leads to the intended URL from there.
    pub served: Url,
}

/// A rendered manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The text for the player.
    pub bytes: Vec<u8>,
    /// What was changed, in order; [`crate::undo`] takes it back.
    pub edits: Vec<Edit>,
    /// The URIs that stayed as they were, in order.
    pub kept: Vec<Kept>,
}

/// A URI that stayed as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Index into [`Template::slots`].
    pub slot: usize,
    /// Why it stayed.
    pub reason: KeepReason,
}

// === impl Place ===

impl Place {
    /// A manifest that players fetch at its own URL.
    #[must_use]
    pub fn at(url: Url) -> Self {
        Self { base: url.clone(), served: url }
    }
}

// === impl Slot ===

impl Slot {
    /// Tag and attribute, or `URI line`.
    #[must_use]
    pub fn carrier(&self) -> &str {
        self.carrier.as_deref().unwrap_or("URI line")
    }
}

// === impl Template ===

impl Template {
    /// Finds every URI of a manifest.
    ///
    /// # Errors
    /// [`CompileError`] for what is no manifest, is malformed or exceeds `limits`.
    pub fn compile(source: Bytes, limits: &Limits) -> Result<Self, CompileError> {
        if source.len() > limits.max_bytes {
            return Err(CompileError::TooLong { bytes: source.len(), limit: limits.max_bytes });
        }
        if detect::is_utf16(&source) {
            return Err(CompileError::Utf16);
        }
        match Format::detect(&source) {
            Some(Format::Hls) => {
                let hls::Scan { slots, is_reloaded } = hls::scan(&source, limits)?;
                Ok(Self { source, slots, is_reloaded })
            }
            Some(Format::Dash) => Err(CompileError::DashUnsupported),
            None => Err(CompileError::NotAManifest),
        }
    }

    /// The bytes as they came in.
    #[must_use]
    pub const fn source(&self) -> &Bytes {
        &self.source
    }

    /// Every URI, in order, and whatever looks like one.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Whether players load the manifest again, so that each rendering brings fresh tokens: a
    /// media playlist without EXT-X-ENDLIST.
    #[must_use]
    pub const fn is_reloaded(&self) -> bool {
        self.is_reloaded
    }

    /// Copies the source with the policy's answers spliced in.
    ///
    /// # Errors
    /// [`RenderError`] if the policy refuses a URI, or if an unclassified value looks protected.
    pub fn render(
        &self,
        place: &Place,
        policy: &mut dyn UriPolicy,
    ) -> Result<Rendered, RenderError> {
        let mut splicer = Splicer::new(&self.source, self.slots.len());
        let mut query = Vec::new();
        for (index, slot) in self.slots.iter().enumerate() {
            let reference = &self.source[slot.span.clone()];
            query.clear();
            let refused = |reason| RenderError::Refused {
                line: slot.line,
                offset: slot.span.start,
                carrier: slot.carrier().to_owned(),
                role: slot.role,
                reason,
            };
            match decide(slot, reference, place, policy, &mut query).map_err(refused)? {
                Decision::Keep(reason) => splicer.kept.push(Kept { slot: index, reason }),
                Decision::Refuse(reason) => return Err(refused(reason)),
                Decision::Deliver(url) => {
                    splicer.deliver(slot, reference, place, &url, &query).map_err(refused)?;
                }
            }
        }
        Ok(splicer.finish())
    }
}

fn decide(
    slot: &Slot,
    reference: &[u8],
    place: &Place,
    policy: &mut dyn UriPolicy,
    query: &mut Vec<u8>,
) -> Result<Decision, RefuseReason> {
    if slot.role == Role::Unclassified {
        return decide_unclassified(reference, place, policy);
    }
    Ok(match resolve::resolve(&place.base, reference)? {
        Resolved::Kept(reason) => Decision::Keep(reason),
        Resolved::Http(url) => policy.decide(&Uri { role: slot.role, url: &url }, query),
    })
}

/// Fail closed: a relative value may name anything below the manifest, so only what is surely
/// somebody else's may stay.
fn decide_unclassified(
    reference: &[u8],
    place: &Place,
    policy: &dyn UriPolicy,
) -> Result<Decision, RefuseReason> {
    let kept = match resolve::resolve(&place.base, reference)? {
        Resolved::Kept(reason) => reason,
        Resolved::Http(url) if resolve::is_absolute(reference) && !policy.protects(&url) => {
            KeepReason::ForeignHost
        }
        Resolved::Http(_) => return Err(RefuseReason::Unclassified),
    };
    if policy.is_strict() { Err(RefuseReason::Unclassified) } else { Ok(Decision::Keep(kept)) }
}

// === Splicer ===

/// The output under construction.
struct Splicer<'s> {
    source: &'s Bytes,
    copied: usize,
    bytes: Vec<u8>,
    edits: Vec<Edit>,
    kept: Vec<Kept>,
}

impl<'s> Splicer<'s> {
    fn new(source: &'s Bytes, slots: usize) -> Self {
        /// Length of `?md5=..&expires=..`, to size the output.
        const TOKEN_ESTIMATE: usize = 64;
        Self {
            source,
            copied: 0,
            bytes: Vec::with_capacity(source.len() + slots * TOKEN_ESTIMATE),
            edits: Vec::with_capacity(slots),
            kept: Vec::new(),
        }
    }

    /// Makes the slot lead to `url` with `added` as (further) parameters.
    fn deliver(
        &mut self,
        slot: &Slot,
        reference: &[u8],
        place: &Place,
        url: &Url,
        added: &[u8],
    ) -> Result<(), RefuseReason> {
        let at = fragment_start(reference);
        let has_query = reference[..at].contains(&b'?');
        if resolve::join(&place.served, reference).is_some_and(|led_to| led_to == *url)
            && (added.is_empty() || may_be_extended(reference, url, has_query))
        {
            if !added.is_empty() {
                let joint = if has_query { b'&' } else { b'?' };
                self.splice(slot.span.start + at..slot.span.start + at, |out| {
                    out.push(joint);
                    out.extend_from_slice(added);
                });
            }
            return Ok(());
        }
        // A path that begins with two slashes would be read as a host.
        let is_path = url.origin() == place.served.origin() && !url.path().starts_with("//");
        let text = if is_path { &url[Position::BeforePath..] } else { url.as_str() };
        if slot.quoting == Quoting::Bare && text.contains([',', '"', ' ']) {
            return Err(RefuseReason::NeedsQuotes);
        }
        let (head, fragment) = text.split_at(fragment_start(text.as_bytes()));
        self.splice(slot.span.clone(), |out| {
            out.extend_from_slice(head.as_bytes());
            if !added.is_empty() {
                out.push(if url.query().is_some() { b'&' } else { b'?' });
                out.extend_from_slice(added);
            }
            out.extend_from_slice(fragment.as_bytes());
        });
        Ok(())
    }

    /// Puts what `write` appends in the place of `span`.
    fn splice(&mut self, span: Range<usize>, write: impl FnOnce(&mut Vec<u8>)) {
        self.bytes.extend_from_slice(&self.source[self.copied..span.start]);
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.copied = span.end;
        self.edits.push(Edit { output: start..self.bytes.len(), removed: self.source.slice(span) });
    }

    fn finish(mut self) -> Rendered {
        self.bytes.extend_from_slice(&self.source[self.copied..]);
        Rendered { bytes: self.bytes, edits: self.edits, kept: self.kept }
    }
}

/// Whether a reference that leads to `url` leads there with more parameters at its end, too: not
/// if its query is the base's, nor if it ends in a space that nobody reads at an end.
fn may_be_extended(reference: &[u8], url: &Url, has_query: bool) -> bool {
    (has_query || url.query().is_none()) && !reference.ends_with(b" ")
}

fn fragment_start(reference: &[u8]) -> usize {
    memchr::memchr(b'#', reference).unwrap_or(reference.len())
}
