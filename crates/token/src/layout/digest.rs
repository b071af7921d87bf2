//! What is hashed to what: algorithms, and how their output is written.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use percent_encoding::percent_decode;
use serde::Deserialize;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// 16 bytes.
    Md5,
    /// 20 bytes.
    Sha1,
    /// 32 bytes.
    Sha256,
    /// 64 bytes.
    Sha512,
}

/// How a hash is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// RFC 4648 section 5, without padding.
    Base64url,
    /// RFC 4648 section 5, with padding.
    Base64urlPadded,
    /// RFC 4648 section 4, with padding.
    Base64,
    /// The same, with `+`, `/` and `=` percent-encoded.
    Base64Percent,
    /// Lower-case digits.
    Hex,
}

/// How a key's text becomes bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyText {
    /// The bytes of the text.
    #[default]
    Text,
    /// Pairs of hexadecimal digits.
    Hex,
    /// RFC 4648 section 4.
    Base64,
}

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const PADDED_URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);
const PLAIN_URL: GeneralPurpose =
    GeneralPurpose::new(&URL_SAFE, LENIENT.with_encode_padding(false));
const PADDED: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);

// === impl Algorithm ===

impl Algorithm {
    /// Length of a hash in bytes.
    pub(crate) const fn len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// The hash of `message`, keyed by HMAC (RFC 2104) if there is a key.
    pub(crate) fn hash(self, key: Option<&[u8]>, message: &[u8]) -> Vec<u8> {
        macro_rules! of {
            ($hash:ty) => {
                match key {
                    None => <$hash>::digest(message).to_vec(),
                    Some(key) => {
                        let mut mac = Hmac::<$hash>::new_from_slice(key)
                            .expect("HMAC takes a key of any length");
                        mac.update(message);
                        mac.finalize().into_bytes().to_vec()
                    }
                }
            };
        }
        match self {
            Self::Md5 => of!(Md5),
            Self::Sha1 => of!(Sha1),
            Self::Sha256 => of!(Sha256),
            Self::Sha512 => of!(Sha512),
        }
    }
}

// === impl Output ===

impl Output {
    /// Appends `hash` as text.
    pub(crate) fn write(self, hash: &[u8], out: &mut Vec<u8>) {
        let text = match self {
            Self::Base64url => PLAIN_URL.encode(hash),
            Self::Base64urlPadded => PADDED_URL.encode(hash),
            Self::Base64 => PADDED.encode(hash),
            Self::Base64Percent => {
                let text = PADDED.encode(hash);
                text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
            }
            Self::Hex => return write_hex(hash, out),
        };
        out.extend_from_slice(text.as_bytes());
    }

    /// The bytes that a text stands for. Padding may be there or not, and spare bits may be set, as
    /// nginx has it; hexadecimal digits may be of either case.
    pub(crate) fn read(self, text: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Base64url | Self::Base64urlPadded => PADDED_URL.decode(text).ok(),
            Self::Base64 => PADDED.decode(text).ok(),
            Self::Base64Percent => PADDED.decode(percent_decode(text).collect::<Vec<_>>()).ok(),
            Self::Hex => read_hex(text),
        }
    }

    /// Whether `byte` can stand in a written hash.
    pub(crate) fn holds(self, byte: u8) -> bool {
        byte.is_ascii_alphanumeric()
            || match self {
                Self::Base64url => matches!(byte, b'-' | b'_'),
                Self::Base64urlPadded => matches!(byte, b'-' | b'_' | b'='),
                Self::Base64 => matches!(byte, b'+' | b'/' | b'='),
                Self::Base64Percent => matches!(byte, b'+' | b'/' | b'=' | b'%'),
                Self::Hex => false,
            }
    }
}

// === impl KeyText ===

impl KeyText {
    pub(crate) fn read(self, text: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Text => Some(text.to_vec()),
            Self::Hex => read_hex(text),
            Self::Base64 => PADDED.decode(text).ok(),
        }
    }
}

fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| DIGITS[usize::from(value & 0xf)];
    out.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]));
}

pub(crate) fn read_hex(text: &[u8]) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| (byte as char).to_digit(16);
    let byte = |pair: &[u8]| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok();
    text.chunks_exact(2).map(byte).collect()
}
