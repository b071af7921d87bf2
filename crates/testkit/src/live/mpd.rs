//! The text of live MPDs and of their patches (ISO/IEC 23009-1 clauses 5.3 and 5.15).

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use super::fragments::{Fragments, PARTS_PER_SEGMENT};

/// Segments that an MPD offers.
const WINDOW: u64 = 10;
/// Seconds of a segment.
const SEGMENT_SECS: u64 = 2;

/// How an MPD tells its segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `$Time$` and a SegmentTimeline.
    Timeline,
    /// `$Number$` and @duration: it says the same all the time.
    Number,
    /// As the timeline, with a PatchLocation.
    Patch,
}

/// An MPD at one moment.
pub(super) struct Presentation<'a> {
    /// Name of the folder and media, of each Representation: video first.
    pub(super) renditions: &'a [(&'static str, Fragments)],
    /// How many whole segments there are of all of them.
    pub(super) segments: u64,
    /// The wall clock at the beginning of the stream.
    pub(super) epoch: SystemTime,
}

impl Presentation<'_> {
    pub(super) fn mpd(&self, kind: Kind) -> String {
        let mut text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" \
             id=\"live\" profiles=\"urn:mpeg:dash:profile:isoff-live:2011\" type=\"dynamic\" \
             availabilityStartTime=\"{}\" publishTime=\"{}\" minimumUpdatePeriod=\"PT2S\" \
             timeShiftBufferDepth=\"PT{}S\" suggestedPresentationDelay=\"PT6S\" \
             minBufferTime=\"PT2S\" maxSegmentDuration=\"PT3S\">\n",
            humantime::format_rfc3339_millis(self.epoch),
            self.published(self.segments),
            WINDOW * SEGMENT_SECS,
        );
        if kind == Kind::Patch {
            text += &self.patch_location(self.segments);
            text.push('\n');
        }
        text += "  <Period id=\"1\" start=\"PT0S\">\n";
        let (video, audio) = self.renditions.split_at(self.renditions.len() - 1);
        text += &self.adaptation_set("video", kind, video);
        text += &self.adaptation_set("audio", kind, audio);
        text += "  </Period>\n";
        let direct = "urn:mpeg:dash:utc:direct:2014";
        let now = now();
        text + &format!("  <UTCTiming schemeIdUri=\"{direct}\" value=\"{now}\"/>\n</MPD>\n")
    }

    /// Whether the MPD with `known` segments has one in common with the current MPD or the next.
    pub(super) const fn can_patch(&self, known: u64) -> bool {
        first(self.segments) <= known && known <= self.segments
    }

    /// What changed since there were `known` segments.
    pub(super) fn patch(&self, known: u64) -> String {
        let mut text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Patch \
             xmlns=\"urn:mpeg:dash:schema:mpd-patch:2020\" mpdId=\"live\" \
             originalPublishTime=\"{}\" publishTime=\"{}\">\n",
            self.published(known),
            self.published(self.segments)
        );
        let replaced = [
            ("/MPD/@publishTime", self.published(self.segments)),
            ("/MPD/PatchLocation[1]", self.patch_location(self.segments)),
            // dash.js reads it again every 30 s: the first one would set its clock back.
            ("/MPD/UTCTiming[1]/@value", now()),
        ];
        for (selector, new) in replaced {
            text += &format!("  <replace sel=\"{selector}\">{new}</replace>\n");
        }
        let (video, audio) = self.renditions.split_at(self.renditions.len() - 1);
        for (id, fragments) in [("video", &video[0].1), ("audio", &audio[0].1)] {
            let timeline = format!(
                "/MPD/Period[@id='1']/AdaptationSet[@id='{id}']/SegmentTemplate/SegmentTimeline"
            );
            for _ in first(known)..first(self.segments) {
                text += &format!("  <remove sel=\"{timeline}/S[1]\"/>\n");
            }
            text += &format!("  <add sel=\"{timeline}\">");
            for segment in known..self.segments {
                text += &times(fragments, segment);
            }
            text += "</add>\n";
        }
        text + "</Patch>\n"
    }

    fn adaptation_set(
        &self,
        kind: &str,
        told: Kind,
        renditions: &[(&'static str, Fragments)],
    ) -> String {
        let codec = |name: &str| match name {
            "360p" => "codecs=\"avc1.4D401E\" width=\"640\" height=\"360\" bandwidth=\"290000\"",
            "180p" => "codecs=\"avc1.42C00D\" width=\"320\" height=\"180\" bandwidth=\"190000\"",
            _ => "codecs=\"mp4a.40.2\" audioSamplingRate=\"48000\" bandwidth=\"40000\"",
        };
        let fragments = &renditions[0].1;
        let mut text = format!(
            "    <AdaptationSet id=\"{kind}\" contentType=\"{kind}\" mimeType=\"{kind}/mp4\" \
             segmentAlignment=\"true\" startWithSAP=\"1\">\n      <SegmentTemplate \
             initialization=\"$RepresentationID$/init.mp4\""
        );
        let written = if told == Kind::Number {
            writeln!(
                text,
                " duration=\"{SEGMENT_SECS}\" startNumber=\"0\" \
                 media=\"$RepresentationID$/n$Number$.m4s\"/>"
            )
        } else {
            let times: String =
                (first(self.segments)..self.segments).map(|at| times(fragments, at)).collect();
            writeln!(
                text,
                " timescale=\"{}\" media=\"$RepresentationID$/t$Time$.m4s\">\n        \
                 <SegmentTimeline>{times}</SegmentTimeline>\n      </SegmentTemplate>",
                fragments.ticks_per_second(),
            )
        };
        written.unwrap();
        for (name, _) in renditions {
            text += &format!("      <Representation id=\"{name}\" {}/>\n", codec(name));
        }
        text + "    </AdaptationSet>\n"
    }

    fn patch_location(&self, segments: u64) -> String {
        let time = self.published(segments);
        format!(
            "<PatchLocation ttl=\"60\">patch.mpp?publishTime={time}&amp;known={segments}</PatchLocation>"
        )
    }

    /// The moment at which there were so many segments.
    fn published(&self, segments: u64) -> String {
        let moment = self.epoch + Duration::from_secs(segments * SEGMENT_SECS);
        humantime::format_rfc3339_millis(moment).to_string()
    }
}

fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

/// The first segment that is offered.
const fn first(segments: u64) -> u64 {
    segments.saturating_sub(WINDOW)
}

fn times(fragments: &Fragments, segment: u64) -> String {
    let start = fragments.start_ticks(segment * PARTS_PER_SEGMENT);
    let end = fragments.start_ticks((segment + 1) * PARTS_PER_SEGMENT);
    format!("<S t=\"{start}\" d=\"{}\"/>", end - start)
}

/// The segment that begins at a time.
pub(super) fn segment_at(fragments: &Fragments, ticks: u64) -> Option<u64> {
    let about = ticks / (fragments.ticks_per_second() * SEGMENT_SECS);
    (about.saturating_sub(1)..=about + 1)
        .find(|segment| fragments.start_ticks(segment * PARTS_PER_SEGMENT) == ticks)
}
