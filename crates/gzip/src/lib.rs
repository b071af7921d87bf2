//! gzip (RFC 1952) of a text that is the same for everybody but for some tokens, each of a fixed length.
//!
//! The text is compressed once. Where a token stands for the first time, its bytes are in a stored block
//! (RFC 1951 section 3.2.4), and where it stands again there is a reference back to them. So a body for other
//! tokens is a copy with a few bytes overwritten, and a checksum that is corrected for them.
//!
//! ```
//! use sluicegate_gzip::{Gap, Template};
//!
//! let text = b"a.ts?t=XXXXXXXX\nb.ts?t=XXXXXXXX\nc.ts?t=XXXXXXXX\n";
//! let gaps = [7, 23, 39].map(|at| Gap { at, len: 8, token: 0 });
//! let template = Template::compile(text, &gaps).expect("one token, three times");
//! let body = template.fill(&[b"12345678"]).expect("it is as long as its gaps");
//! # let mut inflated = String::new();
//! # std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*body), &mut inflated)?;
//! # assert_eq!(inflated, "a.ts?t=12345678\nb.ts?t=12345678\nc.ts?t=12345678\n");
//! # Ok::<(), std::io::Error>(())
//! ```

mod checksum;
mod deflate;
mod stand_in;

use self::checksum::Weights;
use self::deflate::Stored;

/// A place of the text where a token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Where it begins, in bytes.
    pub at: usize,
    /// The token's length in bytes. All gaps of one token have one.
    pub len: usize,
    /// Which token: they are counted from 0, each of which has a gap.
    pub token: usize,
}

/// A compressed text with places for tokens.
#[derive(Clone, Debug)]
pub struct Template {
    /// A whole gzip file, with nothing of worth where tokens stand.
    bytes: Vec<u8>,
    tokens: Vec<Token>,
    /// The checksum of the text with zeros for tokens.
    crc: u32,
}

#[derive(Clone, Debug)]
struct Token {
    len: usize,
    /// Where it is stored in the compressed bytes.
    stored: Vec<usize>,
    weights: Weights,
}

/// The compressor's levels that are tried. The lower ones often write a token's first byte out, although they
/// refer back for the rest; the highest one hardly ever does, and takes thrice as long as the first of these.
const LEVELS: [u32; 2] = [7, 9];
/// The most copies of tokens that a template may store: what has more is not worth it.
const MAX_STORED: usize = 64;
/// Magic number, deflate, no flags, no time, no extra flags, unknown system (RFC 1952 section 2.3).
const HEADER: [u8; 10] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255];
/// Checksum and length.
const TRAILER_LEN: usize = 8;

impl Template {
    /// Compresses a text whose gaps lie in order and apart.
    ///
    /// It is proven that every byte of a token, wherever it stands, comes from where that token is stored: the
    /// text is compressed with two sets of stand-ins, of bytes that are nowhere else in it and of which no two
    /// places have the same pair, and both must give the same.
    ///
    /// None if that does not hold, or if the tokens are too many for it to be worth while, as one for each
    /// file: compress as usual then.
    #[must_use]
    pub fn compile(text: &[u8], gaps: &[Gap]) -> Option<Self> {
        let lens = lengths(text, gaps)?;
        let stored = deflate::to_store(gaps, lens.len());
        if stored.iter().filter(|is_stored| **is_stored).count() > MAX_STORED {
            return None;
        }
        let texts =
            stand_in::pair(text, &lens)?.map(|tokens| filled(text, gaps, |token| &tokens[token]));
        let compressed = LEVELS.iter().find_map(|&level| {
            let compress = |text: &Vec<u8>| {
                let mut stored = deflate::compress(text, gaps, &stored, level)?;
                stored.forget_tokens(&lens);
                Some(stored)
            };
            let [one, other] = texts.each_ref().map(compress);
            if one == other { one } else { None }
        })?;
        let zeros = filled(text, gaps, |token| vec![0; lens[token]]);
        let crc = crc32fast::hash(&zeros);
        let mut bytes = HEADER.to_vec();
        bytes.extend_from_slice(&compressed.bytes);
        bytes.extend_from_slice(&[0; TRAILER_LEN / 2]);
        // RFC 1952 wants it modulo 2^32.
        bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
        let token = |(token, &len): (usize, &usize)| Token {
            len,
            stored: compressed.places_of(token).map(|at| HEADER.len() + at).collect(),
            weights: Weights::of(gaps.iter().filter(|gap| gap.token == token), text.len()),
        };
        let tokens = lens.iter().enumerate().map(token).collect();
        let template = Self { bytes, tokens, crc };
        template.is_right(text, gaps).then_some(template)
    }

    /// The gzip file of the text with these tokens. None if one is not as long as its gaps, or missing.
    #[must_use]
    pub fn fill<T: AsRef<[u8]>>(&self, tokens: &[T]) -> Option<Vec<u8>> {
        if tokens.len() != self.tokens.len() {
            return None;
        }
        let mut bytes = self.bytes.clone();
        let mut crc = self.crc;
        for (known, token) in self.tokens.iter().zip(tokens) {
            let token = token.as_ref();
            if token.len() != known.len {
                return None;
            }
            for &at in &known.stored {
                bytes[at..at + known.len].copy_from_slice(token);
            }
            crc ^= known.weights.of_token(token);
        }
        let trailer = bytes.len() - TRAILER_LEN;
        bytes[trailer..trailer + 4].copy_from_slice(&crc.to_le_bytes());
        Some(bytes)
    }

    /// How long each body is.
    #[must_use]
    pub fn compressed_len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of memory that the template takes.
    #[must_use]
    pub fn size(&self) -> usize {
        let of_token = |token: &Token| size_of::<Token>() + size_of_val(&token.stored[..]);
        let weights = self.tokens.iter().map(|token| token.weights.size()).sum::<usize>();
        self.bytes.capacity() + self.tokens.iter().map(of_token).sum::<usize>() + weights
    }

    /// Whether tokens of another kind than those that it was made with come out right, too.
    fn is_right(&self, text: &[u8], gaps: &[Gap]) -> bool {
        let token = |token: &Token| {
            let token: Vec<u8> = (0..token.len).map(|at| b"0Az_&=-"[at * at % 7]).collect();
            token
        };
        let tokens: Vec<Vec<u8>> = self.tokens.iter().map(token).collect();
        let expected = filled(text, gaps, |token| &tokens[token]);
        self.fill(&tokens).is_some_and(|body| deflate::inflates_to(&body, &expected))
    }
}

/// The length of each token. None if the gaps are not as they must be.
fn lengths(text: &[u8], gaps: &[Gap]) -> Option<Vec<usize>> {
    // Whoever counts tokens otherwise would let this allocate without bounds.
    if gaps.iter().any(|gap| gap.token >= gaps.len()) {
        return None;
    }
    let count = gaps.iter().map(|gap| gap.token + 1).max().unwrap_or(0);
    let mut lens = vec![0; count];
    let mut end = 0;
    for gap in gaps {
        let is_as_others = lens[gap.token] == 0 || lens[gap.token] == gap.len;
        if gap.len == 0 || gap.at < end || !is_as_others {
            return None;
        }
        lens[gap.token] = gap.len;
        end = gap.at.checked_add(gap.len).filter(|end| *end <= text.len())?;
    }
    lens.iter().all(|len| *len > 0).then_some(lens)
}

/// The text with other tokens.
fn filled<T: AsRef<[u8]>>(text: &[u8], gaps: &[Gap], token: impl Fn(usize) -> T) -> Vec<u8> {
    let mut filled = text.to_vec();
    for gap in gaps {
        filled[gap.at..gap.at + gap.len].copy_from_slice(token(gap.token).as_ref());
    }
    filled
}

impl Stored {
    /// Leaves zeros where tokens are stored.
    fn forget_tokens(&mut self, lens: &[usize]) {
        for &(token, at) in &self.places {
            self.bytes[at..at + lens[token]].fill(0);
        }
    }

    fn places_of(&self, token: usize) -> impl Iterator<Item = usize> + '_ {
        self.places.iter().filter(move |(of, _)| *of == token).map(|(_, at)| *at)
    }
}
