//! What each byte of a token adds to the checksum of the whole text. CRC-32 is linear: the checksum with a token
//! is that with zeros, and what the token's bits add, each for itself.

use crc32fast::Hasher;

use crate::Gap;

/// The polynomial of gzip's checksum, lowest powers in the highest bits (RFC 1952 section 8).
const POLYNOMIAL: u32 = 0xEDB8_8320;

/// For each byte of a token, what its lower and its higher half add, over all places where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Weights(Vec<[[u32; 16]; 2]>);

impl Weights {
    /// Bytes of memory that they take.
    pub(crate) fn size(&self) -> usize {
        size_of_val(&self.0[..])
    }

    /// The weights of a token with these gaps in a text of `len` bytes.
    pub(crate) fn of<'g>(gaps: impl Iterator<Item = &'g Gap>, len: usize) -> Self {
        // What the highest bit of a text's last byte adds.
        let last_bit = crc32fast::hash(&[0x80]) ^ crc32fast::hash(&[0]);
        let (mut sum, mut token_len) = (0, 0);
        for gap in gaps {
            token_len = gap.len;
            sum ^= followed_by_zeros(last_bit, len - gap.at - gap.len);
        }
        let mut weights = vec![[[0; 16]; 2]; token_len];
        for halves in weights.iter_mut().rev() {
            for bit in (0..8).rev() {
                let values = &mut halves[bit / 4];
                for (value, weight) in values.iter_mut().enumerate() {
                    if value >> (bit % 4) & 1 == 1 {
                        *weight ^= sum;
                    }
                }
                sum = times_x(sum);
            }
        }
        Self(weights)
    }

    /// What a token of this length adds.
    pub(crate) fn of_token(&self, token: &[u8]) -> u32 {
        self.0.iter().zip(token).fold(0, |crc, ([low, high], byte)| {
            crc ^ low[usize::from(byte & 15)] ^ high[usize::from(byte >> 4)]
        })
    }
}

/// What something adds that so many bytes stand behind.
fn followed_by_zeros(crc: u32, count: usize) -> u32 {
    let mut hasher = Hasher::new_with_initial(crc);
    hasher.combine(&Hasher::new_with_initial_len(0, count as u64));
    hasher.finalize()
}

const fn times_x(crc: u32) -> u32 {
    (crc >> 1) ^ (POLYNOMIAL & (crc & 1).wrapping_neg())
}
