//! The compressed bytes: which copies of tokens are stored, and where they come to stand.

use std::io::Read as _;

use flate2::read::GzDecoder;
use flate2::{Compress, Compression, FlushCompress, Status};

use crate::Gap;

/// Compressed bytes, with the place of each stored token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) bytes: Vec<u8>,
    /// Which token, and where it begins.
    pub(crate) places: Vec<(usize, usize)>,
}

/// How far a reference may lead back (RFC 1951 section 2).
const WINDOW: usize = 32_768;
/// Less what zlib keeps for itself of that (MIN_LOOKAHEAD).
const REACH: usize = WINDOW - 262;
/// What may be longer than the compressor's window is cut by it where it likes.
const LONGEST: usize = 60_000;

/// Which gaps must be stored: a token's first, and what lies too far behind the one before it.
pub(crate) fn to_store(gaps: &[Gap], tokens: usize) -> Vec<bool> {
    let mut last = vec![None; tokens];
    let is_stored = |gap: &Gap| {
        let before: Option<usize> = last[gap.token].replace(gap.at);
        before.is_none_or(|before| gap.at + gap.len - before > REACH)
    };
    gaps.iter().map(is_stored).collect()
}

/// Compresses a text. None if a stored token cannot be found again.
pub(crate) fn compress(text: &[u8], gaps: &[Gap], stored: &[bool], level: u32) -> Option<Stored> {
    let mut out = Stored { bytes: Vec::with_capacity(text.len() / 8 + 256), places: Vec::new() };
    let mut done = 0;
    for (gap, _) in gaps.iter().zip(stored).filter(|(_, stored)| **stored) {
        if gap.len > LONGEST {
            return None;
        }
        let (before, token) = (&text[..gap.at], &text[gap.at..gap.at + gap.len]);
        push(before, done, level, FlushCompress::Sync, &mut out.bytes)?;
        let mut as_it_is = Compress::new(Compression::none(), false);
        let block = out.bytes.len();
        write(&mut as_it_is, token, FlushCompress::Sync, &mut out.bytes)?;
        let at = memchr::memmem::find(&out.bytes[block..], token)?;
        out.places.push((gap.token, block + at));
        done = gap.at + gap.len;
    }
    push(text, done, level, FlushCompress::Finish, &mut out.bytes)?;
    Some(out)
}

/// Compresses what of a text is not done, with references back to what is: streams of blocks that end at
/// whole bytes can be put one behind the other.
fn push(
    text: &[u8],
    done: usize,
    level: u32,
    flush: FlushCompress,
    out: &mut Vec<u8>,
) -> Option<()> {
    let (before, piece) = text.split_at(done);
    if piece.is_empty() && flush == FlushCompress::Sync {
        return Some(());
    }
    let mut deflate = Compress::new(Compression::new(level), false);
    if !before.is_empty() {
        let from = before.len().saturating_sub(WINDOW);
        deflate.set_dictionary(&before[from..]).ok()?;
    }
    write(&mut deflate, piece, flush, out)
}

/// Writes a piece, and all that the compressor holds back.
fn write(
    deflate: &mut Compress,
    mut piece: &[u8],
    flush: FlushCompress,
    out: &mut Vec<u8>,
) -> Option<()> {
    loop {
        out.reserve(piece.len() / 2 + 256);
        let before = deflate.total_in();
        let status = deflate.compress_vec(piece, out, flush).ok()?;
        let taken = usize::try_from(deflate.total_in() - before).ok()?;
        piece = piece.get(taken..)?;
        let has_room = out.len() < out.capacity();
        match (status, flush) {
            (Status::StreamEnd, _) => return Some(()),
            (_, FlushCompress::Finish) => {}
            _ if piece.is_empty() && has_room => return Some(()),
            _ => {}
        }
    }
}

/// Whether a gzip file is that of a text.
pub(crate) fn inflates_to(gzip: &[u8], text: &[u8]) -> bool {
    let mut inflated = Vec::with_capacity(text.len() + 1);
    let read = GzDecoder::new(gzip).take(text.len() as u64 + 1).read_to_end(&mut inflated);
    read.is_ok() && inflated == text
}
