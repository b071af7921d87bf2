//! All URLs of an MPD, told a second time and in another way: over a document tree, each segment of
//! each Representation by itself (ISO/IEC 23009-1 clauses 5.3.9 and 5.6). Shares no code with the
//! crate.

use std::collections::BTreeMap;

use roxmltree::{Document, Node};
use url::Url;

/// More is no test's.
const MAX_URLS: usize = 200_000;

/// The URLs of what may be fetched, by what it is: for each Representation and each segment the
/// URLs of all alternatives.
pub(crate) type Fetches = BTreeMap<String, Vec<String>>;

/// A document as its text, for the tree takes no other encoding.
pub(crate) struct Mpd<'m> {
    pub(crate) text: &'m str,
    pub(crate) url: Url,
    /// Seconds since 1970, for live streams that are told by durations.
    pub(crate) now: f64,
}

impl Mpd<'_> {
    /// Expands everything. An error says what this reading of the standard cannot do.
    pub(crate) fn fetches(&self) -> Result<Fetches, String> {
        let text = self.text.trim_start_matches('\u{feff}');
        let document = Document::parse(text).map_err(|error| error.to_string())?;
        let root = document.root_element();
        let mut fetches = Fetches::new();
        let is_live = root.attribute("type") == Some("dynamic");
        let periods: Vec<_> = children(root, "Period").collect();
        let mut start = Some(0.0);
        for (p, period) in periods.iter().enumerate() {
            let begins = seconds(*period, "start")?.or(start);
            let next =
                periods.get(p + 1).map(|next| seconds(*next, "start")).transpose()?.flatten();
            let lasts = match (seconds(*period, "duration")?, next, begins) {
                (Some(lasts), _, _) => Some(lasts),
                (None, Some(next), Some(begins)) => Some(next - begins),
                (None, None, Some(begins)) if p + 1 == periods.len() => {
                    seconds(root, "mediaPresentationDuration")?.map(|whole| whole - begins)
                }
                _ => None,
            };
            start = begins.zip(lasts).map(|(begins, lasts)| begins + lasts);
            let window =
                if is_live { Some(self.window(root, begins.unwrap_or(0.0))?) } else { None };
            for (a, set) in children(*period, "AdaptationSet").enumerate() {
                for (r, representation) in children(set, "Representation").enumerate() {
                    let id = representation.attribute("id").unwrap_or_default();
                    let line = [root, *period, set, representation];
                    let one = Representation {
                        name: format!("{p}/{a}/{r}:{id}"),
                        line,
                        bases: self.bases(&line)?,
                        lasts,
                        window,
                    };
                    one.tell(&mut fetches)?;
                    if fetches.len() > MAX_URLS {
                        return Err("too many URLs".to_owned());
                    }
                }
            }
        }
        Ok(fetches)
    }

    /// What references are resolved against: every combination of alternatives.
    fn bases(&self, line: &[Node<'_, '_>]) -> Result<Vec<Url>, String> {
        let mut bases = vec![self.url.clone()];
        for level in line {
            let alternatives: Vec<String> = children(*level, "BaseURL").map(text_of).collect();
            let alternatives: Vec<_> =
                alternatives.iter().filter(|text| !text.is_empty()).collect();
            if alternatives.is_empty() {
                continue;
            }
            let mut joined = Vec::new();
            for alternative in alternatives {
                for base in &bases {
                    joined.push(base.join(alternative).map_err(|error| error.to_string())?);
                }
            }
            bases = joined;
        }
        Ok(bases)
    }

    /// From and to which second of the Period segments are there.
    fn window(&self, root: Node<'_, '_>, begins: f64) -> Result<(f64, f64), String> {
        let available =
            root.attribute("availabilityStartTime").ok_or("no availabilityStartTime")?;
        let available = available.trim();
        let has_zone = available.ends_with('Z')
            || available.rsplit('T').next().is_some_and(|time| time.contains(['+', '-']));
        let moment = if has_zone { available.to_owned() } else { format!("{available}Z") };
        let moment: jiff::Timestamp = moment.parse().map_err(|error| format!("{error}"))?;
        #[allow(clippy::cast_precision_loss, reason = "seconds")]
        let elapsed = self.now - moment.as_second() as f64 - begins;
        let depth = seconds(root, "timeShiftBufferDepth")?.unwrap_or(f64::INFINITY);
        Ok(((elapsed - depth).max(0.0), elapsed))
    }
}

// === Representation ===

struct Representation<'d> {
    name: String,
    line: [Node<'d, 'd>; 4],
    bases: Vec<Url>,
    lasts: Option<f64>,
    window: Option<(f64, f64)>,
}

impl<'d> Representation<'d> {
    fn tell(&self, fetches: &mut Fetches) -> Result<(), String> {
        let kinds = ["SegmentBase", "SegmentList", "SegmentTemplate"];
        let kind = self.line.iter().rev().find_map(|level| {
            level
                .children()
                .filter_map(|child| kinds.iter().find(|kind| child.tag_name().name() == **kind))
                .next_back()
        });
        match kind {
            Some(&"SegmentTemplate") => self.template(fetches),
            Some(&"SegmentList") => self.list(fetches),
            _ => self.base(fetches),
        }
    }

    /// The elements of a kind, the nearest first.
    fn chain(&self, kind: &str) -> Vec<Node<'d, 'd>> {
        self.line.iter().rev().filter_map(|level| children(*level, kind).last()).collect()
    }

    fn put(&self, fetches: &mut Fetches, what: &str, reference: &str) -> Result<(), String> {
        let urls = self.bases.iter().map(|base| base.join(reference).map(String::from));
        let urls =
            urls.collect::<Result<_, _>>().map_err(|error| format!("{reference}: {error}"))?;
        fetches.insert(format!("{} {what}", self.name), urls);
        Ok(())
    }

    /// Elements that name one resource each; without a name it is in the base URL.
    fn unit(
        &self,
        fetches: &mut Fetches,
        chain: &[Node<'d, 'd>],
        name: &str,
    ) -> Result<(), String> {
        let found = chain.iter().find_map(|segments| children(*segments, name).next());
        match found.map(|unit| unit.attribute("sourceURL")) {
            Some(Some(url)) => self.put(fetches, name, url.trim()),
            Some(None) => self.put(fetches, name, ""),
            None => Ok(()),
        }
    }

    fn base(&self, fetches: &mut Fetches) -> Result<(), String> {
        let chain = self.chain("SegmentBase");
        self.unit(fetches, &chain, "Initialization")?;
        self.unit(fetches, &chain, "RepresentationIndex")?;
        self.put(fetches, "media", "")
    }

    fn list(&self, fetches: &mut Fetches) -> Result<(), String> {
        let chain = self.chain("SegmentList");
        self.unit(fetches, &chain, "Initialization")?;
        self.unit(fetches, &chain, "RepresentationIndex")?;
        self.unit(fetches, &chain, "BitstreamSwitching")?;
        let named = chain.iter().find(|list| children(**list, "SegmentURL").next().is_some());
        for (n, url) in named.into_iter().flat_map(|list| children(*list, "SegmentURL")).enumerate()
        {
            self.put(
                fetches,
                &format!("media {n:06}"),
                url.attribute("media").unwrap_or("").trim(),
            )?;
            if let Some(index) = url.attribute("index") {
                self.put(fetches, &format!("index {n:06}"), index.trim())?;
            }
        }
        Ok(())
    }

    fn template(&self, fetches: &mut Fetches) -> Result<(), String> {
        let chain = self.chain("SegmentTemplate");
        let attribute = |name: &str| chain.iter().find_map(|segments| segments.attribute(name));
        let fill = |template: &str, number: u64, time: u64| {
            filled(template.trim(), &self.line[3], number, time)
        };
        self.unit(fetches, &chain, "Initialization")?;
        self.unit(fetches, &chain, "RepresentationIndex")?;
        self.unit(fetches, &chain, "BitstreamSwitching")?;
        // Numbers and times mean nothing in these two, and stay as they are.
        let fill_one = |template: &str| {
            let marked = template.replace("$Number", "\u{1}").replace("$Time", "\u{2}");
            fill(&marked, 0, 0).replace('\u{1}', "$Number").replace('\u{2}', "$Time")
        };
        if let Some(template) = attribute("initialization") {
            self.put(fetches, "Initialization", &fill_one(template))?;
        }
        if let Some(template) = attribute("bitstreamSwitching") {
            self.put(fetches, "BitstreamSwitching", &fill_one(template))?;
        }
        let Some(media) = attribute("media") else { return Ok(()) };
        if media.contains("$SubNumber") {
            return Err("sequences of segments".to_owned());
        }
        let is_one = !["$Number", "$Time"].iter().any(|varying| media.contains(varying));
        // One file for all of them needs no numbers.
        let segments = match self.segments(&chain) {
            Err(_) if is_one => vec![(0, 0)],
            told => told?,
        };
        for (n, (number, time)) in segments.into_iter().enumerate() {
            self.put(fetches, &format!("media {n:06}"), &fill(media, number, time))?;
            if let Some(index) = attribute("index") {
                self.put(fetches, &format!("index {n:06}"), &fill(index, number, time))?;
            }
        }
        Ok(())
    }

    /// Number and time of each segment of a template.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "numbers of segments"
    )]
    fn segments(&self, chain: &[Node<'d, 'd>]) -> Result<Vec<(u64, u64)>, String> {
        let value = |name: &str, default: u64| {
            let found = chain.iter().find_map(|segments| segments.attribute(name));
            found.map_or(Ok(default), |text| text.trim().parse().map_err(|_| format!("@{name}")))
        };
        let timescale = value("timescale", 1)? as f64;
        let start = value("startNumber", 1)?;
        let end = value("endNumber", u64::MAX)?;
        let offset = value("presentationTimeOffset", 0)?;
        let mut told = Vec::new();
        let timeline = chain.iter().find_map(|one| children(*one, "SegmentTimeline").next());
        if let Some(timeline) = timeline {
            let runs: Vec<_> = children(timeline, "S").collect();
            let mut time = 0;
            for (at, run) in runs.iter().enumerate() {
                let value = |name: &str| run.attribute(name).map(|text| text.trim().parse::<i64>());
                let value = |name: &str| value(name).transpose().map_err(|_| format!("S@{name}"));
                if value("k")?.is_some_and(|k| k > 1) {
                    return Err("sequences of segments".to_owned());
                }
                let duration = value("d")?.unwrap_or(0) as u64;
                time = value("t")?.map_or(time, |t| t as u64);
                let count = match value("r")?.unwrap_or(0) {
                    repeat if repeat >= 0 => repeat as u64 + 1,
                    _ => {
                        let next = runs.get(at + 1).and_then(|next| next.attribute("t"));
                        let left = match (next, self.window) {
                            (Some(next), _) => {
                                let next: u64 = next.trim().parse().map_err(|_| "S@t")?;
                                (next - time) as f64 / duration as f64
                            }
                            (None, Some((_, now))) => {
                                let end = now.min(self.lasts.unwrap_or(f64::INFINITY));
                                ((end * timescale + offset as f64 - time as f64) / duration as f64)
                                    .floor()
                            }
                            (None, None) => {
                                let end = self.lasts.ok_or("the end is not known")? * timescale;
                                (end + offset as f64 - time as f64) / duration as f64
                            }
                        };
                        (left - 1e-6).ceil().max(0.0) as u64
                    }
                };
                for _ in 0..count {
                    told.push((start + told.len() as u64, time));
                    time += duration;
                    if told.len() > MAX_URLS {
                        return Err("too many segments".to_owned());
                    }
                }
            }
        } else {
            let duration = value("duration", 0)?;
            if duration == 0 {
                return Err("no duration".to_owned());
            }
            let shift = chain.iter().find_map(|one| one.attribute("eptDelta"));
            let shift: i64 = shift.map_or(Ok(0), str::parse).map_err(|_| "eptDelta")?;
            let first = offset as i64 + shift;
            let each = duration as f64 / timescale;
            let lead = shift as f64 / timescale;
            let (from, to) = match self.window {
                Some((from, now)) => {
                    let end = now.min(self.lasts.unwrap_or(f64::INFINITY));
                    (
                        ((from - lead) / each + 1e-9).floor().max(0.0),
                        ((end - lead) / each + 1e-9).floor(),
                    )
                }
                None if self.lasts.is_none() && end != u64::MAX => (0.0, f64::INFINITY),
                None => {
                    (0.0, ((self.lasts.ok_or("the end is not known")? - lead) / each - 1e-9).ceil())
                }
            };
            let to = to.min((end - start).saturating_add(1) as f64);
            if to - from > MAX_URLS as f64 {
                return Err("too many segments".to_owned());
            }
            for at in from as u64..to.max(from) as u64 {
                told.push((start + at, (first + (at * duration) as i64) as u64));
            }
        }
        told.retain(|(number, _)| *number <= end);
        Ok(told)
    }
}

// === Text ===

fn children<'a, 'd>(
    node: Node<'a, 'd>,
    name: &str,
) -> impl DoubleEndedIterator<Item = Node<'a, 'd>> {
    node.children().filter(move |child| child.is_element() && child.tag_name().name() == name)
}

fn text_of(node: Node<'_, '_>) -> String {
    let text: String =
        node.children().filter_map(|child| child.text().filter(|_| child.is_text())).collect();
    text.trim().to_owned()
}

/// An attribute that is a duration such as `PT1H2M3.5S`.
fn seconds(node: Node<'_, '_>, name: &str) -> Result<Option<f64>, String> {
    let Some(text) = node.attribute(name) else { return Ok(None) };
    let wrong = || format!("@{name} = {text}");
    let mut rest = text.trim().strip_prefix('P').ok_or_else(wrong)?;
    let mut is_time = false;
    let mut total = 0.0;
    while !rest.is_empty() {
        if let Some(time) = rest.strip_prefix('T') {
            is_time = true;
            rest = time;
            continue;
        }
        let len = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let value: f64 = rest[..len].parse().map_err(|_| wrong())?;
        total += value
            * match (&rest[len..=len], is_time) {
                ("D", false) => 86_400.0,
                ("H", true) => 3600.0,
                ("M", true) => 60.0,
                ("S", true) => 1.0,
                ("Y" | "M", false) if value == 0.0 => 0.0,
                _ => return Err(wrong()),
            };
        rest = &rest[len + 1..];
    }
    Ok(Some(total))
}

/// A template with its identifiers replaced, one after the other from the left.
fn filled(template: &str, representation: &Node<'_, '_>, number: u64, time: u64) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(start) = rest.find('$') {
        out.push_str(&rest[..start]);
        let after = &rest[start + 1..];
        let Some(end) = after.find('$') else {
            rest = &rest[start..];
            break;
        };
        let (name, width) = match after[..end].split_once("%0") {
            Some((name, format)) => (name, format.strip_suffix('d').and_then(|w| w.parse().ok())),
            None => (&after[..end], Some(1)),
        };
        let value = match (name, width) {
            ("", _) if end == 0 => Some("$".to_owned()),
            ("RepresentationID", Some(1)) if end == name.len() => {
                representation.attribute("id").map(str::to_owned)
            }
            ("Bandwidth", Some(width)) => {
                representation.attribute("bandwidth").map(|value| format!("{value:0>width$}"))
            }
            ("Number", Some(width)) => Some(format!("{number:0width$}")),
            ("Time", Some(width)) => Some(format!("{time:0width$}")),
            _ => None,
        };
        match value {
            Some(value) => {
                out.push_str(&value);
                rest = &after[end + 1..];
            }
            None => {
                out.push('$');
                rest = after;
            }
        }
    }
    out + rest
}
