//! A manifest as source bytes and slots: compiled once, however many sessions it is rendered for.

mod size;

use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;

use crate::budget::Budget;
use crate::dash::tree::{SlotUse, Tree};
use crate::slot::Slot;
use crate::steering::{self, Replacement};
use crate::variables::{Definer, Definition};
use crate::{CompileError, Format, Limits, Options, Role, asset_list, dash, detect, hls, vtt};

/// A compiled manifest. Cheap to clone but for its slots.
#[derive(Clone, Debug)]
pub struct Template {
    source: Bytes,
    format: Format,
    slots: Vec<Slot>,
    is_reloaded: bool,
    definitions: Vec<Definition>,
    delta_updates: Vec<Range<usize>>,
    /// Whether a live media playlist has EXT-X-SERVER-CONTROL.
    has_server_control: bool,
    replacements: Vec<Replacement>,
    tree: Option<Tree>,
    update_interval: Option<Duration>,
    /// EXT-X-TARGETDURATION.
    longest: Option<Duration>,
    /// Bounds on what becomes of it.
    limits: Limits,
}

impl Template {
    /// Finds every URI of a manifest.
    ///
    /// # Errors
    /// [`CompileError`] for what is no manifest, is malformed or exceeds the limits.
    pub fn compile(source: Bytes, options: &Options) -> Result<Self, CompileError> {
        // Offsets have 32 bits.
        let limit = options.limits.max_bytes.min(u32::MAX as usize);
        if source.len() > limit {
            return Err(CompileError::TooLong { bytes: source.len(), limit });
        }
        if detect::is_utf16(&source) {
            return Err(CompileError::Utf16);
        }
        match Format::detect(&source) {
            Some(Format::Hls) => {
                let hls::Scan {
                    slots,
                    is_reloaded,
                    definitions,
                    delta_updates,
                    has_server_control,
                    target,
                    longest,
                } = hls::scan(&source, options)?;
                let format = Format::Hls;
                let replacements = Vec::new();
                Ok(Self {
                    source,
                    format,
                    slots,
                    is_reloaded,
                    definitions,
                    delta_updates,
                    has_server_control: has_server_control && is_reloaded,
                    replacements,
                    tree: None,
                    update_interval: target.filter(|_| is_reloaded),
                    longest,
                    limits: options.limits,
                })
            }
            Some(Format::AssetList) => {
                let slots = asset_list::scan(&source, options)?;
                Ok(Self::of_slots(source, Format::AssetList, slots, options))
            }
            Some(Format::Steering) => {
                let (slots, replacements) = steering::scan(&source, options)?;
                Ok(Self {
                    replacements,
                    ..Self::of_slots(source, Format::Steering, slots, options)
                })
            }
            Some(Format::WebVtt) => {
                let slots = vtt::scan(&source, options)?;
                Ok(Self::of_slots(source, Format::WebVtt, slots, options))
            }
            Some(format @ (Format::Dash | Format::DashElement | Format::DashPatch)) => {
                let (slots, tree) = dash::scan(&source, options)?;
                let is_reloaded = tree.is_reloaded;
                let update_interval = tree.update_period;
                let tree = Some(tree);
                let plain = Self::of_slots(source, format, slots, options);
                Ok(Self { is_reloaded, tree, update_interval, ..plain })
            }
            None => Err(CompileError::NotAManifest),
        }
    }

    /// A document that is loaded once and has neither variables nor updates.
    fn of_slots(source: Bytes, format: Format, slots: Vec<Slot>, options: &Options) -> Self {
        Self {
            source,
            format,
            slots,
            is_reloaded: false,
            definitions: Vec::new(),
            delta_updates: Vec::new(),
            has_server_control: false,
            replacements: Vec::new(),
            tree: None,
            update_interval: None,
            longest: None,
            limits: options.limits,
        }
    }

    /// What the document is.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
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
    /// media playlist without EXT-X-ENDLIST, a dynamic MPD with @minimumUpdatePeriod.
    #[must_use]
    pub const fn is_reloaded(&self) -> bool {
        self.is_reloaded
    }

    /// How long a manifest that is reloaded stays as it is, as far as it says so: the target duration
    /// of a media playlist, or of its parts; @minimumUpdatePeriod of an MPD.
    #[must_use]
    pub const fn update_interval(&self) -> Option<Duration> {
        self.update_interval
    }

    /// The end of a live media playlist whose server offers delivery directives. It is read anew each
    /// time.
    #[must_use]
    pub fn live_edge(&self) -> Option<hls::live_edge::LiveEdge> {
        self.has_server_control.then(|| hls::live_edge::live_edge(&self.source))
    }

    /// How long what it describes plays, as far as it says so and is whole: the segments of a media
    /// playlist that has ended, @mediaPresentationDuration of an MPD.
    #[must_use]
    pub fn presentation_duration(&self) -> Option<Duration> {
        match &self.tree {
            Some(tree) => {
                let document = tree.levels.first().filter(|_| !tree.is_part)?;
                let text = document.shape.attribute(&self.source, "mediaPresentationDuration")?;
                let nanos = dash::timeline::time::duration(&text).ok()?;
                u64::try_from(nanos).ok().map(Duration::from_nanos)
            }
            None if self.format == Format::Hls && !self.is_reloaded => {
                hls::total_duration(&self.source)
            }
            None => None,
        }
    }

    /// The same if it is longer than that. Of a playlist whose segments are surely shorter together it
    /// is not read how long each is.
    #[must_use]
    pub fn plays_longer_than(&self, time: Duration) -> Option<Duration> {
        if self.is_surely_shorter(time) {
            return None;
        }
        self.presentation_duration().filter(|length| *length > time)
    }

    /// No segment is longer than the target duration, rounded (RFC 8216bis section 4.4.3.1).
    fn is_surely_shorter(&self, time: Duration) -> bool {
        let longest = self.longest.map(|longest| longest.saturating_add(Duration::from_secs(1)));
        let count = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        longest.is_some_and(|longest| longest.saturating_mul(count) <= time)
    }

    /// What bears a slot's URI: tag and attribute, or `URI line`.
    #[must_use]
    pub fn carrier(&self, slot: &Slot) -> Cow<'_, str> {
        slot.carrier(&self.source)
    }

    /// Name and value of each variable that the manifest itself defines: what the playlists that
    /// it names may import.
    pub fn own_variables(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        self.definitions.iter().filter_map(|definition| match &definition.value {
            Definer::Value(value) => {
                Some((String::from_utf8_lossy(&definition.name), String::from_utf8_lossy(value)))
            }
            Definer::Import | Definer::QueryParameter => None,
        })
    }

    /// Whether the manifest takes values from its own URL's query, so that these decide with: a
    /// playlist with QUERYPARAM, and a dynamic MPD that names no Location of its own, which is loaded
    /// again with the query that it was loaded with.
    #[must_use]
    pub fn reads_its_query(&self) -> bool {
        self.definitions.iter().any(|known| known.value == Definer::QueryParameter)
            || self.tree.as_ref().is_some_and(|tree| tree.is_dynamic && !self.has_location(tree))
    }

    /// Whether an MPD names the URL that it is loaded from again.
    fn has_location(&self, tree: &Tree) -> bool {
        let mut slots = self.slots.iter().zip(&tree.uses);
        slots.any(|(slot, used)| {
            matches!(used, SlotUse::Document { .. }) && slot.role() == Role::Location
        })
    }

    /// Whether it is an MPD of type dynamic.
    #[must_use]
    pub fn is_dynamic(&self) -> bool {
        self.tree.as_ref().is_some_and(|tree| tree.is_dynamic)
    }

    /// Steps that planning it takes at most ([`Limits::max_steps`], [`Limits::steps_per_byte`]).
    #[must_use]
    pub fn max_steps(&self) -> usize {
        self.limits.max_steps(self.source.len())
    }

    /// The budget of one plan, of `max_steps` at most.
    pub(crate) fn budget(&self, max_steps: Option<usize>) -> Budget {
        Budget::of(&self.limits, self.source.len(), max_steps)
    }

    /// The skeleton of a DASH document.
    pub(crate) const fn tree(&self) -> Option<&Tree> {
        self.tree.as_ref()
    }

    /// The attributes that offer delta updates, each with the comma that goes with it.
    pub(crate) fn delta_updates(&self) -> &[Range<usize>] {
        &self.delta_updates
    }

    /// What pathway clones of a content steering manifest replace.
    pub(crate) fn replacements(&self) -> &[Replacement] {
        &self.replacements
    }

    pub(crate) fn definitions(&self) -> &[Definition] {
        &self.definitions
    }
}
