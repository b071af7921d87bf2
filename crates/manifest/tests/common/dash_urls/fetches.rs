//! Every URL that a player could fetch for an MPD, read off a document tree (ISO/IEC 23009-1,
//! 5.3.9 and 5.6). Where the standard leaves a choice, dash.js and Shaka decide.

#![allow(dead_code, reason = "each test binary uses a part")]

mod identifiers;
mod segments;
mod times;
mod tree;

use roxmltree::Node;
use url::Url;

use identifiers::{Values, fill, names, varies};
use segments::{Extent, Segment, Window, segments};
use times::{SECOND, duration, moment};
use tree::{Inherited, all, text};

/// Beyond this many URLs there is an error.
pub(crate) const MAX_URLS: usize = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Initialization,
    Media,
    Index,
    BitstreamSwitching,
}

/// One thing to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fetch {
    /// `period/adaptation set/representation:id`, counted from 0.
    pub(crate) representation: String,
    pub(crate) kind: Kind,
    /// Which one of its kind it is, counted from 0.
    pub(crate) sequence: usize,
    /// Bytes of it, as the manifest writes them.
    pub(crate) range: Option<String>,
    /// One for each combination of alternative base URLs, those of the MPD varying last.
    pub(crate) urls: Vec<Url>,
}

/// Tells all of them. `now`, in seconds since 1970, matters for live streams that do not list
/// their segments.
pub(crate) fn expand(mpd: &str, url: &Url, now: Option<u64>) -> Result<Vec<Fetch>, String> {
    let document = tree::parse(mpd)?;
    let root = document.root_element();
    if !tree::is_dash(root) || root.tag_name().name() != "MPD" {
        return Err("no MPD".to_owned());
    }
    let mut told = Told::default();
    for (p, (period, extent)) in periods(root, now)?.into_iter().enumerate() {
        for (a, set) in all(period, "AdaptationSet").into_iter().enumerate() {
            for (r, node) in all(set, "Representation").into_iter().enumerate() {
                let id = node.attribute("id");
                let name = format!("{p}/{a}/{r}:{}", id.unwrap_or_default());
                let representation = Representation {
                    levels: [node, set, period],
                    values: Values {
                        id,
                        bandwidth: tree::integer(node, "bandwidth")?,
                        ..Values::default()
                    },
                    extent,
                    early: early(&[node, set, period, root])?,
                };
                told.start(name, bases(url, &[root, period, set, node])?);
                representation.tell(&mut told)?;
            }
        }
    }
    Ok(told.fetches)
}

/// What else names documents: the element or `element@attribute`, and its text.
pub(crate) fn other_urls(mpd: &str) -> Result<Vec<(String, String)>, String> {
    let document = tree::parse(mpd)?;
    let mut others = Vec::new();
    for node in document.descendants().filter(Node::is_element) {
        let name = node.tag_name().name();
        if let Some(href) = tree::xlink(node) {
            others.push((format!("{name}@xlink:href"), href.to_owned()));
        }
        if !tree::is_dash(node) {
            continue;
        }
        if ["Location", "PatchLocation", "ContentSteering", "ImportedMPD"].contains(&name) {
            others.push((name.to_owned(), text(node)));
        }
        let attribute = match name {
            "ContentSteering" => "proxyServerURL",
            "UTCTiming" => "value",
            "InitializationSet" => "initialization",
            _ => continue,
        };
        if let Some(value) = node.attribute(attribute) {
            others.push((format!("{name}@{attribute}"), value.to_owned()));
        }
    }
    Ok(others)
}

// === Levels ===

/// The Periods and when they are.
fn periods<'a, 'd>(
    root: Node<'a, 'd>,
    now: Option<u64>,
) -> Result<Vec<(Node<'a, 'd>, Extent)>, String> {
    let span = |node: Node<'_, '_>, name| node.attribute(name).map(duration).transpose();
    let whole = span(root, "mediaPresentationDuration")?;
    let depth = span(root, "timeShiftBufferDepth")?;
    let begin = root.attribute("availabilityStartTime").map(moment).transpose()?;
    let nodes = all(root, "Period");
    let mut periods = Vec::new();
    let mut previous_end = Some(0);
    for (at, period) in nodes.iter().enumerate() {
        let start = span(*period, "start")?.or(previous_end);
        let next = nodes.get(at + 1).map_or(Ok(None), |next| span(*next, "start"))?;
        let is_last = at + 1 == nodes.len();
        let end = next.or(whole.filter(|_| is_last));
        let lasts = span(*period, "duration")?;
        let lasts = lasts.or_else(|| end.zip(start).map(|(end, start)| end - start));
        previous_end = start.zip(lasts).map(|(start, lasts)| start + lasts);
        let window = match (root.attribute("type"), now, begin, start) {
            (Some("dynamic"), Some(now), Some(begin), Some(start)) => {
                let to = i128::from(now) * SECOND - begin - start;
                Window::Live { from: depth.map_or(0, |depth| to - depth), to }
            }
            (Some("dynamic"), ..) => Window::Unknown,
            _ => Window::Static,
        };
        periods.push((*period, Extent { duration: lasts, window }));
    }
    Ok(periods)
}

/// What the references of a Representation are resolved against; `levels` begins with the MPD.
fn bases(url: &Url, levels: &[Node<'_, '_>]) -> Result<Vec<Url>, String> {
    let mut bases = vec![url.clone()];
    for level in levels {
        let alternatives: Vec<_> = all(*level, "BaseURL").into_iter().map(text).collect();
        if alternatives.is_empty() {
            continue;
        }
        let mut joined = Vec::new();
        for base in &bases {
            for alternative in &alternatives {
                joined.push(join(base, alternative)?);
            }
        }
        if joined.len() > MAX_URLS {
            return Err("too many base URLs".to_owned());
        }
        bases = joined;
    }
    Ok(bases)
}

/// How much earlier than complete a segment may be fetched: the sum over the levels. `None` is
/// without end.
fn early(levels: &[Node<'_, '_>]) -> Result<Option<i128>, String> {
    let mut sum = 0;
    for level in levels {
        let mut most = 0;
        for child in level.children().filter(|child| tree::is_dash(*child)) {
            let Some(offset) = child.attribute("availabilityTimeOffset") else { continue };
            if offset.trim() == "INF" {
                return Ok(None);
            }
            most = most.max(duration(&format!("PT{}S", offset.trim()))?);
        }
        sum += most;
    }
    Ok(Some(sum))
}

fn join(base: &Url, reference: &str) -> Result<Url, String> {
    base.join(reference).map_err(|error| format!("{reference:?}: {error}"))
}

// === Representation ===

struct Representation<'a, 'd> {
    /// The Representation, its AdaptationSet and its Period.
    levels: [Node<'a, 'd>; 3],
    values: Values<'a>,
    extent: Extent,
    early: Option<i128>,
}

impl<'a, 'd> Representation<'a, 'd> {
    fn tell(&self, told: &mut Told) -> Result<(), String> {
        // Of several kinds in one place, which is not allowed, both players take the first of these.
        let kinds = ["SegmentBase", "SegmentList", "SegmentTemplate"];
        let kind = self
            .levels
            .iter()
            .find_map(|level| kinds.iter().find(|kind| !all(*level, kind).is_empty()));
        let inherited = |kind| Inherited::new(&self.levels, kind);
        match kind {
            Some(&"SegmentTemplate") => self.template(&inherited("SegmentTemplate"), told),
            Some(&"SegmentList") => list(&inherited("SegmentList"), told),
            Some(_) => base(&inherited("SegmentBase"), told),
            None => told.add(Kind::Media, "", None),
        }
    }

    fn template(&self, template: &Inherited<'a, 'd>, told: &mut Told) -> Result<(), String> {
        units(template, told)?;
        let of_all = [
            ("initialization", Kind::Initialization),
            ("bitstreamSwitching", Kind::BitstreamSwitching),
        ];
        for (attribute, kind) in of_all {
            if let Some(value) = template.attribute(attribute) {
                told.add(kind, &fill(value, self.values), None)?;
            }
        }
        let media = template.attribute("media");
        let index = template.attribute("index");
        let of_each = [(media, Kind::Media), (index, Kind::Index)];
        let does_any_vary = of_each.iter().any(|(value, _)| value.is_some_and(varies));
        let each =
            if does_any_vary { segments(template, self.extent, self.early)? } else { vec![] };
        for (value, kind) in of_each {
            let Some(value) = value else { continue };
            if !varies(value) {
                // Where the other one shows that there is no segment, there is nothing to fetch.
                if does_any_vary && each.is_empty() {
                    continue;
                }
                told.add(kind, &fill(value, self.values), None)?;
                continue;
            }
            let has_parts = names(value, "SubNumber");
            for Segment { number, time, parts } in &each {
                for part in 1..=(if has_parts { *parts } else { 1 }) {
                    let values = Values {
                        number: Some(*number),
                        time: Some(*time),
                        sub_number: Some(part),
                        ..self.values
                    };
                    told.add(kind, &fill(value, values), None)?;
                }
            }
        }
        // An index without media is that of one file.
        if media.is_none() && index.is_some() { told.add(Kind::Media, "", None) } else { Ok(()) }
    }
}

/// The children that name one resource each; without a name it is in the base URL.
fn units(segments: &Inherited<'_, '_>, told: &mut Told) -> Result<(), String> {
    let units = [
        ("Initialization", Kind::Initialization),
        ("RepresentationIndex", Kind::Index),
        ("BitstreamSwitching", Kind::BitstreamSwitching),
    ];
    for (name, kind) in units {
        if let Some(unit) = segments.child(name) {
            let source = unit.attribute("sourceURL").unwrap_or_default();
            told.add(kind, source, unit.attribute("range"))?;
        }
    }
    Ok(())
}

fn base(segments: &Inherited<'_, '_>, told: &mut Told) -> Result<(), String> {
    units(segments, told)?;
    if segments.child("RepresentationIndex").is_none()
        && let Some(range) = segments.attribute("indexRange")
    {
        told.add(Kind::Index, "", Some(range))?;
    }
    told.add(Kind::Media, "", None)
}

fn list(segments: &Inherited<'_, '_>, told: &mut Told) -> Result<(), String> {
    units(segments, told)?;
    for segment in segments.children("SegmentURL") {
        let media = segment.attribute("media").unwrap_or_default();
        told.add(Kind::Media, media, segment.attribute("mediaRange"))?;
        let range = segment.attribute("indexRange");
        if let Some(index) = segment.attribute("index").or(range.map(|_| media)) {
            told.add(Kind::Index, index, range)?;
        }
    }
    Ok(())
}

// === What was told ===

#[derive(Default)]
struct Told {
    fetches: Vec<Fetch>,
    urls: usize,
    /// Of the Representation at hand.
    name: String,
    bases: Vec<Url>,
    first: usize,
}

impl Told {
    fn start(&mut self, name: String, bases: Vec<Url>) {
        self.name = name;
        self.bases = bases;
        self.first = self.fetches.len();
    }

    fn add(&mut self, kind: Kind, reference: &str, range: Option<&str>) -> Result<(), String> {
        self.urls += self.bases.len();
        if self.urls > MAX_URLS {
            return Err("too many URLs".to_owned());
        }
        let reference = reference.trim();
        let urls = self.bases.iter().map(|base| join(base, reference));
        // Index and media of a template come one after the other, so the last of a kind is near.
        let last = self.fetches[self.first..].iter().rev().find(|fetch| fetch.kind == kind);
        let fetch = Fetch {
            representation: self.name.clone(),
            kind,
            sequence: last.map_or(0, |last| last.sequence + 1),
            range: range.map(str::to_owned),
            urls: urls.collect::<Result<_, _>>()?,
        };
        self.fetches.push(fetch);
        Ok(())
    }
}
