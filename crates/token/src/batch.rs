//! Many paths and many texts in one allocation each: what signing in batches works on.

use std::ops::Range;

/// Byte strings one after another in one buffer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ByteList {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl ByteList {
    /// An empty list with room for `count` strings of `total` bytes together.
    #[must_use]
    pub fn with_capacity(count: usize, total: usize) -> Self {
        Self { bytes: Vec::with_capacity(total), ends: Vec::with_capacity(count) }
    }

    /// Appends a string.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
    }

    /// Appends one string that is made of pieces.
    #[inline]
    pub fn push_pieces<const N: usize>(&mut self, pieces: [&[u8]; N]) {
        self.bytes.reserve(pieces.iter().map(|piece| piece.len()).sum());
        for piece in pieces {
            self.bytes.extend_from_slice(piece);
        }
        self.ends.push(self.bytes.len());
    }

    /// How many strings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The string at `index`, from 0; an empty one past the end.
    #[must_use]
    #[inline]
    pub fn get(&self, index: usize) -> &[u8] {
        &self.bytes[self.range(index)]
    }

    /// Bytes of memory that the list takes.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<usize>()
    }

    /// All strings, one after another.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All strings, one after another, if each has this length.
    #[must_use]
    pub fn of_length(&self, len: usize) -> Option<&[u8]> {
        let is_uniform = self.ends.iter().zip(1..).all(|(&end, count)| end == len * count);
        is_uniform.then_some(&self.bytes)
    }

    /// All strings in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Bytes of all strings together.
    #[must_use]
    pub fn total_len(&self) -> usize {
        self.bytes.len()
    }

    #[inline]
    fn range(&self, index: usize) -> Range<usize> {
        match self.ends.get(index) {
            Some(&end) => index.checked_sub(1).map_or(0, |before| self.ends[before])..end,
            None => 0..0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_stay_apart() {
        let mut list = ByteList::default();
        list.push(b"ab");
        list.push(b"");
        list.push_pieces([b"c", b"", b"d"]);
        assert_eq!(list.iter().collect::<Vec<_>>(), [&b"ab"[..], b"", b"cd"]);
        assert_eq!((list.len(), list.total_len(), list.get(3)), (3, 4, &b""[..]));
        assert_eq!(list.of_length(1), None);
        let mut pairs = ByteList::default();
        pairs.push(b"ab");
        pairs.push(b"cd");
        assert_eq!((pairs.of_length(2), pairs.of_length(4)), (Some(&b"abcd"[..]), None));
    }
}
