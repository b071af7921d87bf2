//! A rendition of the fixtures cut into short CMAF fragments, on a timeline without end.
//!
//! The fixtures have one fragment a segment. ffmpeg cuts them anew without encoding; each round after
//! the first is the same bytes with the times moved on, so that a player sees one continuous
//! stream (ISO/IEC 14496-12, sections 8.8.5 `mfhd` and 8.8.12 `tfdt`).

use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::process::run;
use crate::tools::tool;

/// Fragments of one segment, which are its parts.
pub(super) const PARTS_PER_SEGMENT: u64 = 5;

/// A part of 10 pictures at 25 a second; one of audio lasts until the next frame of 21.3 ms.
const PART: Duration = Duration::from_millis(400);

/// An initialization section and the fragments of one round.
#[derive(Debug)]
pub(super) struct Fragments {
    pub(super) init: Vec<u8>,
    ticks_per_second: u64,
    ticks_per_round: u64,
    fragments: Vec<Fragment>,
}

#[derive(Debug)]
struct Fragment {
    bytes: Vec<u8>,
    /// Where `baseMediaDecodeTime` stands, in 8 bytes.
    time: Range<usize>,
    /// Where the sequence number stands, in 4 bytes.
    number: Range<usize>,
    start_ticks: u64,
}

impl Fragments {
    /// Cuts the first stream of a playlist that lasts `round`.
    pub(super) fn cut(playlist: &Path, round: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cut.mp4");
        let mut command = Command::new(tool("ffmpeg").expect("ffmpeg is not installed"));
        command.args(["-nostdin", "-v", "error", "-allowed_extensions", "ALL", "-i"]).arg(playlist);
        command.args(["-map", "0:0", "-c", "copy", "-fflags", "+bitexact"]);
        command.args(["-movflags", "+empty_moov+default_base_moof", "-frag_duration"]);
        command.arg(PART.as_micros().to_string()).args(["-f", "mp4"]).arg(&file);
        let done = run(&mut command, Duration::from_secs(30)).expect("ffmpeg can be run");
        assert!(done.status.is_some_and(|status| status.success()), "{done:?}");
        Self::parse(&std::fs::read(file).unwrap(), round)
    }

    fn parse(file: &[u8], round: Duration) -> Self {
        let mut init = Vec::new();
        let mut fragments = Vec::new();
        for (kind, whole) in boxes(file, 0..file.len()) {
            match &kind {
                b"ftyp" | b"moov" => init.extend_from_slice(&file[whole]),
                b"moof" => fragments.push(Fragment::parse(file[whole].to_vec())),
                b"mdat" => fragments.last_mut().unwrap().bytes.extend_from_slice(&file[whole]),
                _ => {}
            }
        }
        let header = inner(&init, &[b"moov", b"trak", b"mdia", b"mdhd"]);
        // Version and flags, then two times of 4 bytes, or of 8 in version 1.
        let at = header.start + if init[header.start] == 0 { 12 } else { 20 };
        let ticks_per_second = number(&init[at..at + 4]);
        let ticks_per_round = ticks_per_second * u64::try_from(round.as_millis()).unwrap() / 1000;
        assert_eq!(u64::try_from(fragments.len()).unwrap() % PARTS_PER_SEGMENT, 0);
        Self { init, ticks_per_second, ticks_per_round, fragments }
    }

    /// The bytes of fragment `index`, counted from the beginning of the stream.
    pub(super) fn bytes(&self, index: u64) -> Vec<u8> {
        let fragment = self.fragment(index);
        let mut bytes = fragment.bytes.clone();
        bytes[fragment.time.clone()].copy_from_slice(&self.start_ticks(index).to_be_bytes());
        let number = u32::try_from(index + 1).unwrap();
        bytes[fragment.number.clone()].copy_from_slice(&number.to_be_bytes());
        bytes
    }

    /// When fragment `index` begins, on the stream's timeline.
    pub(super) fn start(&self, index: u64) -> Duration {
        let nanos = u128::from(self.start_ticks(index)) * 1_000_000_000;
        Duration::from_nanos((nanos / u128::from(self.ticks_per_second)).try_into().unwrap())
    }

    pub(super) const fn ticks_per_second(&self) -> u64 {
        self.ticks_per_second
    }

    /// How many fragments have ended at a time of the stream.
    pub(super) fn ended_at(&self, time: Duration) -> u64 {
        // A part of audio is a little longer than this, the last one of a round shorter.
        let mut count = u64::try_from(time.as_millis() / PART.as_millis()).unwrap();
        while count > 0 && self.start(count) > time {
            count -= 1;
        }
        while self.start(count + 1) <= time {
            count += 1;
        }
        count
    }

    /// The longest fragment.
    pub(super) fn part_target(&self) -> Duration {
        let durations =
            (0..self.per_round()).map(|index| self.start(index + 1) - self.start(index));
        durations.max().unwrap()
    }

    /// The same in units of the media's own timescale.
    pub(super) fn start_ticks(&self, index: u64) -> u64 {
        index / self.per_round() * self.ticks_per_round + self.fragment(index).start_ticks
    }

    fn fragment(&self, index: u64) -> &Fragment {
        &self.fragments[usize::try_from(index % self.per_round()).unwrap()]
    }

    fn per_round(&self) -> u64 {
        u64::try_from(self.fragments.len()).unwrap()
    }
}

impl Fragment {
    fn parse(bytes: Vec<u8>) -> Self {
        let time = inner(&bytes, &[b"moof", b"traf", b"tfdt"]);
        assert_eq!(bytes[time.start], 1, "the time has 8 bytes");
        let time = time.start + 4..time.start + 12;
        let number_at = inner(&bytes, &[b"moof", b"mfhd"]).start + 4;
        let start_ticks = number(&bytes[time.clone()]);
        Self { bytes, time, number: number_at..number_at + 4, start_ticks }
    }
}

/// The boxes side by side in a range: type, and where the whole box lies.
fn boxes(file: &[u8], range: Range<usize>) -> Vec<([u8; 4], Range<usize>)> {
    let mut found = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let len = usize::try_from(number(&file[at..at + 4])).unwrap();
        assert!(len >= 8 && at + len <= range.end, "a box of an ordinary length");
        found.push((file[at + 4..at + 8].try_into().unwrap(), at..at + len));
        at += len;
    }
    found
}

/// The content of the first box at a path of types.
fn inner(file: &[u8], path: &[&[u8; 4]]) -> Range<usize> {
    path.iter().fold(0..file.len(), |range, wanted| {
        let found = boxes(file, range).into_iter().find(|(kind, _)| kind == *wanted);
        let (_, whole) = found.expect("the file has the box");
        whole.start + 8..whole.end
    })
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fixtures, require_tools};

    #[test]
    fn a_round_follows_the_other_without_a_gap() {
        require_tools!("ffmpeg");
        let round = Duration::from_secs(8);
        for (rendition, longest_millis) in [("180p", 400), ("audio/en", 405)] {
            let playlist = fixtures::streams().join("subdirs").join(rendition).join("index.m3u8");
            let cut = Fragments::cut(&playlist, round);
            assert_eq!((cut.per_round(), cut.part_target().as_millis()), (20, longest_millis));
            assert_eq!(cut.start(20), round);
            assert_eq!(cut.start(43), round * 2 + cut.start(3));
            let moved = Fragment::parse(cut.bytes(43));
            assert_eq!(moved.start_ticks, cut.start_ticks(43));
            assert_eq!(number(&moved.bytes[moved.number.clone()]), 44);
            for index in 1..50 {
                let start = cut.start(index);
                assert_eq!(cut.ended_at(start), index);
                assert_eq!(cut.ended_at(start - Duration::from_micros(1)), index - 1);
            }
            assert_eq!(cut.ended_at(Duration::ZERO), 0);
        }
    }
}
