//! What stands in for tokens while a text is compressed.

use std::collections::HashSet;

/// The shortest piece that a compressor refers back to.
const SHORTEST_MATCH: usize = 3;
/// Attempts for a byte before one gives up.
const TRIES: usize = 64;

/// Two stand-ins for tokens of these lengths. Their bytes are nowhere in the text nor in one another, nothing
/// that a compressor would refer to stands twice in one, and no two places have the same pair of bytes. None
/// if the text has too many different bytes for that.
pub(crate) fn pair(text: &[u8], lens: &[usize]) -> Option<[Vec<Vec<u8>>; 2]> {
    let mut is_used = [false; 256];
    for &byte in text {
        is_used[usize::from(byte)] = true;
    }
    let unused: Vec<u8> = (0..=255).filter(|byte| !is_used[usize::from(*byte)]).collect();
    let (one, other) = unused.split_at(unused.len() / 2);
    let total: usize = lens.iter().sum();
    let (one, other) = Maker::fill(one, other, total)?;
    Some([one, other].map(|all| {
        let mut rest = &all[..];
        let mut take = |len: &usize| {
            let (token, after) = rest.split_at(*len);
            rest = after;
            token.to_vec()
        };
        lens.iter().map(&mut take).collect()
    }))
}

struct Maker<'a> {
    alphabet: &'a [u8],
    made: Vec<u8>,
    seen: HashSet<[u8; SHORTEST_MATCH]>,
}

impl<'a> Maker<'a> {
    fn new(alphabet: &'a [u8]) -> Self {
        Self { alphabet, made: Vec::new(), seen: HashSet::new() }
    }

    fn fill(one: &'a [u8], other: &'a [u8], total: usize) -> Option<(Vec<u8>, Vec<u8>)> {
        if one.is_empty() || other.is_empty() || total > one.len() * other.len() / 2 {
            return None;
        }
        let (mut one, mut other) = (Maker::new(one), Maker::new(other));
        let mut pairs = HashSet::new();
        let mut random = XorShift(0x9E37_79B9);
        while one.made.len() < total {
            let mut candidates =
                (0..TRIES).map(|_| (one.pick(&mut random), other.pick(&mut random)));
            let (a, b) = candidates
                .find(|&(a, b)| !pairs.contains(&(a, b)) && one.is_new(a) && other.is_new(b))?;
            pairs.insert((a, b));
            one.push(a);
            other.push(b);
        }
        Some((one.made, other.made))
    }

    fn pick(&self, random: &mut XorShift) -> u8 {
        self.alphabet[random.next() as usize % self.alphabet.len()]
    }

    fn ending(&self, next: u8) -> Option<[u8; SHORTEST_MATCH]> {
        let last = self.made.last_chunk::<{ SHORTEST_MATCH - 1 }>()?;
        Some([last[0], last[1], next])
    }

    fn is_new(&self, next: u8) -> bool {
        self.ending(next).is_none_or(|ending| !self.seen.contains(&ending))
    }

    fn push(&mut self, next: u8) {
        self.seen.extend(self.ending(next));
        self.made.push(next);
    }
}

/// Marsaglia's generator: the same stand-ins each time, so that a template never depends on luck.
struct XorShift(u32);

impl XorShift {
    const fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }
}
