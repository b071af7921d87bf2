//! The text of live playlists (RFC 8216bis sections 4.4.3, 4.4.4 and 6.2.5).

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use super::fragments::{Fragments, PARTS_PER_SEGMENT};

/// Segments in a playlist.
const WINDOW: u64 = 12;
/// The last segments whose parts are listed.
const SEGMENTS_IN_PARTS: u64 = 3;
pub(super) const TARGET_DURATION: Duration = Duration::from_secs(2);
/// The least that the specification allows: six times the target duration.
const CAN_SKIP_UNTIL: Duration = Duration::from_secs(12);

/// A media playlist at one moment.
pub(super) struct Snapshot<'a> {
    pub(super) fragments: &'a Fragments,
    /// How many fragments there are.
    pub(super) count: u64,
    /// The wall clock at the beginning of the stream.
    pub(super) epoch: SystemTime,
}

/// Another rendition, for a report: the reference to it, and how many fragments it has.
pub(super) struct Report {
    pub(super) uri: String,
    pub(super) count: u64,
}

/// The multivariant playlist: the renditions of `fixtures/streams/subdirs` that the origin has.
pub(super) fn multivariant() -> String {
    let video = |codec: &str, size: &str, bandwidth: u32, uri: &str| {
        format!(
            "#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},CODECS=\"{codec},mp4a.40.2\",\
             RESOLUTION={size},FRAME-RATE=25.000,AUDIO=\"audio\"\n{uri}\n"
        )
    };
    format!(
        "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"English\",LANGUAGE=\"en\",DEFAULT=YES,\
         AUTOSELECT=YES,CHANNELS=\"1\",URI=\"audio/index.m3u8\"\n{}{}",
        video("avc1.4D401E", "640x360", 290_000, "360p/index.m3u8"),
        video("avc1.42C00D", "320x180", 190_000, "180p/index.m3u8"),
    )
}

impl Snapshot<'_> {
    /// A playlist of whole segments.
    pub(super) fn plain(&self) -> String {
        let mut text = self.head(7);
        for segment in self.first()..self.segments() {
            self.segment(&mut text, segment);
        }
        text
    }

    /// A playlist of segments and parts; `skip` asks for a delta update.
    pub(super) fn low_latency(&self, reports: &[Report], skip: bool) -> String {
        let part_target = self.fragments.part_target().as_secs_f64();
        let mut text = self.head(9);
        writeln!(
            text,
            "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={:.3},CAN-SKIP-UNTIL={:.1}",
            3.0 * part_target + 0.3,
            CAN_SKIP_UNTIL.as_secs_f64()
        )
        .unwrap();
        writeln!(text, "#EXT-X-PART-INF:PART-TARGET={:.3}", part_target + 0.0005).unwrap();
        let first = self.first();
        let skipped = if skip { self.skippable() } else { 0 };
        if skipped > 0 {
            writeln!(text, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}").unwrap();
        }
        let segments = self.segments();
        for segment in first + skipped..segments {
            if segment + SEGMENTS_IN_PARTS >= segments {
                self.parts(&mut text, segment);
            }
            self.segment(&mut text, segment);
        }
        self.parts(&mut text, segments);
        let (msn, part) = place_of(self.count);
        writeln!(text, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"part-{msn}.{part}.m4s\"").unwrap();
        for Report { uri, count } in reports.iter().filter(|report| report.count > 0) {
            let (msn, part) = place_of(count - 1);
            writeln!(text, "#EXT-X-RENDITION-REPORT:URI=\"{uri}\",LAST-MSN={msn},LAST-PART={part}")
                .unwrap();
        }
        text
    }

    fn head(&self, version: u32) -> String {
        let (target, first) = (TARGET_DURATION.as_secs(), self.first());
        format!(
            "#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-TARGETDURATION:{target}\n\
             #EXT-X-MEDIA-SEQUENCE:{first}\n#EXT-X-MAP:URI=\"init.mp4\"\n"
        )
    }

    fn segment(&self, text: &mut String, segment: u64) {
        let start = self.fragments.start(segment * PARTS_PER_SEGMENT);
        let end = self.fragments.start((segment + 1) * PARTS_PER_SEGMENT);
        let since_1970 = (self.epoch + start).duration_since(SystemTime::UNIX_EPOCH).unwrap();
        writeln!(
            text,
            "#EXT-X-PROGRAM-DATE-TIME:{}\n#EXTINF:{:.6},\nseg-{segment}.m4s",
            date_time(since_1970),
            (end - start).as_secs_f64()
        )
        .unwrap();
    }

    /// The parts of a segment that there are.
    fn parts(&self, text: &mut String, segment: u64) {
        for part in 0..PARTS_PER_SEGMENT {
            let index = segment * PARTS_PER_SEGMENT + part;
            if index >= self.count {
                return;
            }
            let duration = self.fragments.start(index + 1) - self.fragments.start(index);
            let independent = if part == 0 { ",INDEPENDENT=YES" } else { "" };
            writeln!(
                text,
                "#EXT-X-PART:DURATION={:.6},URI=\"part-{segment}.{part}.m4s\"{independent}",
                duration.as_secs_f64()
            )
            .unwrap();
        }
    }

    /// Whole segments up to now.
    fn segments(&self) -> u64 {
        self.count / PARTS_PER_SEGMENT
    }

    fn first(&self) -> u64 {
        self.segments().saturating_sub(WINDOW)
    }

    /// Segments that end before the boundary from which on a delta update must name them.
    fn skippable(&self) -> u64 {
        let boundary = self.fragments.start(self.count).saturating_sub(CAN_SKIP_UNTIL);
        let is_before =
            |segment: &u64| self.fragments.start((segment + 1) * PARTS_PER_SEGMENT) <= boundary;
        u64::try_from((self.first()..self.segments()).take_while(is_before).count()).unwrap()
    }
}

/// Media sequence number and part of a fragment.
pub(super) const fn place_of(fragment: u64) -> (u64, u64) {
    (fragment / PARTS_PER_SEGMENT, fragment % PARTS_PER_SEGMENT)
}

/// As RFC 3339 has it, from the days since 1970 by Howard Hinnant's `civil_from_days`.
fn date_time(since_1970: Duration) -> String {
    let secs = since_1970.as_secs();
    let days = secs / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (secs / 3600 % 24, secs / 60 % 60, secs % 60);
    let millis = since_1970.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (secs, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_868_799, "2000-02-29T23:59:59.000Z"),
            (1_772_323_200, "2026-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(date_time(Duration::from_secs(secs)), text);
        }
    }
}
