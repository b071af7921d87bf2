//! Keys: named secrets that never print.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _};
use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{KeyPeriod, UnixTime};

/// The name of a key, for logs and for rotation. Not a secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(String);

/// Whether a CDN key signs links for anybody or for one client address.
///
/// This belongs to the key, so that one key can never serve both: the plain token of
/// `/images/1.jpg1.2.3.4` is, byte for byte, the bound token of `/images/1.jpg` for 1.2.3.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// The address is left out of the hash.
    Plain,
    /// The client's address is part of the hash.
    Ip,
}

/// A secret shared with a CDN.
#[derive(Clone)]
pub struct CdnKey {
    id: KeyId,
    secret: SecretSlice<u8>,
    binding: Binding,
}

/// A 32-byte key that makes session tokens and nothing else.
#[derive(Clone)]
pub struct SessionKey {
    id: u8,
    bytes: Zeroizing<[u8; SessionKey::LEN]>,
    /// The MAC with the key in it, before any message. It wipes itself.
    mac: Hmac<Sha256>,
}

/// The session keys: the newest that is active signs, all that are not retired are accepted.
#[derive(Clone, Debug)]
pub struct SessionKeys(Vec<(SessionKey, KeyPeriod)>);

/// Why text is no key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Nothing was left after the line end was cut.
    #[error("the key is empty")]
    Empty,
    /// A session key must be 32 bytes in base64url (43 characters) or hex (64).
    #[error(
        "a session key is 32 random bytes, written as 43 characters of base64url or 64 of hex; \
         `sluicegate keygen --session` makes one"
    )]
    NotASessionKey,
    /// Two session keys have the same number, so a token could not name its key.
    #[error("two session keys have the id {0}")]
    DuplicateId(u8),
    /// There is no key to sign with.
    #[error("no session key is given")]
    NoSessionKey,
}

// === impl KeyId ===

impl KeyId {
    /// Names a key.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl CdnKey ===

impl CdnKey {
    /// A key with the given binding.
    pub fn new(id: impl Into<String>, secret: &[u8], binding: Binding) -> Self {
        Self { id: KeyId::new(id), secret: secret.to_vec().into(), binding }
    }

    /// A key for links that anybody may use.
    pub fn plain(id: impl Into<String>, secret: &[u8]) -> Self {
        Self::new(id, secret, Binding::Plain)
    }

    /// A key for links that are bound to a client's address.
    pub fn bound(id: impl Into<String>, secret: &[u8]) -> Self {
        Self::new(id, secret, Binding::Ip)
    }

    /// Reads a key as it stands in a file or a variable: one line end at its end is not part of it.
    ///
    /// # Errors
    /// [`KeyError::Empty`].
    pub fn from_text(
        id: impl Into<String>,
        text: &[u8],
        binding: Binding,
    ) -> Result<Self, KeyError> {
        let secret = without_line_end(text);
        if secret.is_empty() {
            return Err(KeyError::Empty);
        }
        Ok(Self::new(id, secret, binding))
    }

    /// The key's name.
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// What the key's links are bound to.
    #[must_use]
    pub const fn binding(&self) -> Binding {
        self.binding
    }

    /// Whether two keys hold the same secret, whatever their names.
    #[must_use]
    pub fn same_secret(&self, other: &[u8]) -> bool {
        use subtle::ConstantTimeEq as _;
        self.secret().ct_eq(other).into()
    }

    pub(crate) fn secret(&self) -> &[u8] {
        self.secret.expose_secret()
    }
}

impl fmt::Debug for CdnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CdnKey")
            .field("id", &self.id)
            .field("binding", &self.binding)
            .finish_non_exhaustive()
    }
}

// === impl SessionKey ===

impl SessionKey {
    /// Length of a session key in bytes.
    pub const LEN: usize = 32;

    /// A key from its bytes, which must be random and used for nothing else.
    #[must_use]
    pub fn new(id: u8, bytes: [u8; Self::LEN]) -> Self {
        Self::of(id, Zeroizing::new(bytes))
    }

    /// Reads a key as it stands in a file or a variable: base64url or hex, with or without a line
    /// end.
    ///
    /// # Errors
    /// [`KeyError::NotASessionKey`].
    pub fn from_text(id: u8, text: &[u8]) -> Result<Self, KeyError> {
        let text = without_line_end(text);
        let mut bytes = Zeroizing::new([0_u8; Self::LEN]);
        let decoded = match text.len() {
            43 => URL_SAFE_NO_PAD.decode_slice(text, &mut bytes[..]).ok(),
            64 => decode_hex(text, &mut bytes[..]),
            _ => None,
        };
        if decoded == Some(Self::LEN) {
            Ok(Self::of(id, bytes))
        } else {
            Err(KeyError::NotASessionKey)
        }
    }

    /// The key's number, which each of its tokens names.
    #[must_use]
    pub const fn id(&self) -> u8 {
        self.id
    }

    /// Whether `secret` is this key, as bytes or as either text that [`Self::from_text`] reads.
    #[must_use]
    pub fn same_secret(&self, secret: &[u8]) -> bool {
        use subtle::ConstantTimeEq as _;
        let same = |other: &[u8]| bool::from(self.bytes.as_slice().ct_eq(other));
        same(secret) || Self::from_text(0, secret).is_ok_and(|other| same(&other.bytes[..]))
    }

    fn of(id: u8, bytes: Zeroizing<[u8; Self::LEN]>) -> Self {
        let mac = Hmac::<Sha256>::new_from_slice(&bytes[..]);
        Self { id, bytes, mac: mac.expect("HMAC takes a key of any length") }
    }

    pub(crate) fn mac(&self) -> Hmac<Sha256> {
        self.mac.clone()
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionKey").field("id", &self.id).finish_non_exhaustive()
    }
}

// === impl SessionKeys ===

impl SessionKeys {
    /// Takes keys that are good for ever: the first one signs.
    ///
    /// # Errors
    /// [`KeyError::NoSessionKey`] for an empty list, [`KeyError::DuplicateId`].
    pub fn new(keys: Vec<SessionKey>) -> Result<Self, KeyError> {
        Self::with_periods(keys.into_iter().map(|key| (key, KeyPeriod::ALWAYS)).collect())
    }

    /// Takes keys, each with the time in which it is good.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_periods(keys: Vec<(SessionKey, KeyPeriod)>) -> Result<Self, KeyError> {
        if keys.is_empty() {
            return Err(KeyError::NoSessionKey);
        }
        for (at, (key, _)) in keys.iter().enumerate() {
            if keys[..at].iter().any(|(earlier, _)| earlier.id == key.id) {
                return Err(KeyError::DuplicateId(key.id));
            }
        }
        Ok(Self(keys))
    }

    /// The key that signs at this moment. None if all are retired, or none is active yet.
    #[must_use]
    pub fn signing(&self, now: UnixTime) -> Option<&SessionKey> {
        let at = KeyPeriod::signing(self.0.iter().map(|(_, period)| period), now)?;
        self.0.get(at).map(|(key, _)| key)
    }

    /// The key that a token names, unless it is retired.
    #[must_use]
    pub fn by_id(&self, id: u8, now: UnixTime) -> Option<&SessionKey> {
        self.accepted(now).find(|key| key.id == id)
    }

    /// The keys that are accepted at this moment.
    pub fn accepted(&self, now: UnixTime) -> impl Iterator<Item = &SessionKey> {
        self.0.iter().filter(move |(_, period)| period.is_accepted(now)).map(|(key, _)| key)
    }
}

fn without_line_end(text: &[u8]) -> &[u8] {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.strip_suffix(b"\r").unwrap_or(text)
}

fn decode_hex(text: &[u8], out: &mut [u8]) -> Option<usize> {
    let digit = |byte: u8| (byte as char).to_digit(16);
    for (pair, byte) in text.chunks_exact(2).zip(out.iter_mut()) {
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
    }
    Some(text.len() / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_prints_its_secret() {
        let cdn = CdnKey::plain("k1", b"hunter2-hunter2");
        let session = SessionKey::new(7, [0x41; 32]);
        let printed = format!("{cdn:?} {session:?} {:?}", SessionKeys::new(vec![session.clone()]));
        assert!(printed.contains("k1") && printed.contains('7'));
        for leak in ["hunter2", "AAAA", "65, 65", "4141"] {
            assert!(!printed.contains(leak), "{printed}");
        }
    }

    #[test]
    fn key_text_loses_one_line_end_and_nothing_else() {
        let key = CdnKey::from_text("k", b" with spaces \r\n", Binding::Plain).unwrap();
        assert_eq!(key.secret(), b" with spaces ");
        assert_eq!(CdnKey::from_text("k", b"\n", Binding::Plain).unwrap_err(), KeyError::Empty);
    }

    #[test]
    fn session_keys_are_read_from_base64url_and_hex_alone() {
        let hex = "00".repeat(32);
        let base64url = "A".repeat(43);
        for text in [hex.as_bytes(), base64url.as_bytes(), format!("{hex}\n").as_bytes()] {
            let key = SessionKey::from_text(1, text).unwrap();
            assert!(key.same_secret(&[0; 32]) && key.same_secret(text.trim_ascii_end()));
        }
        for bad in ["", "short", &"A".repeat(44), &"g".repeat(64), &"=".repeat(43)] {
            assert_eq!(
                SessionKey::from_text(1, bad.as_bytes()).unwrap_err(),
                KeyError::NotASessionKey
            );
        }
    }

    #[test]
    fn two_keys_of_one_number_are_refused() {
        let key = |id| SessionKey::new(id, [id; 32]);
        assert_eq!(SessionKeys::new(vec![key(1), key(1)]).unwrap_err(), KeyError::DuplicateId(1));
        assert_eq!(SessionKeys::new(vec![]).unwrap_err(), KeyError::NoSessionKey);
        let keys = SessionKeys::new(vec![key(2), key(1)]).unwrap();
        let now = UnixTime(1_000);
        assert_eq!(keys.signing(now).unwrap().id(), 2);
        assert!(keys.by_id(1, now).is_some() && keys.by_id(3, now).is_none());
    }

    #[test]
    fn the_newest_active_key_signs_and_a_retired_one_is_not_accepted() {
        let key = |id, active_from, retired_from: Option<u64>| {
            let retired_from = retired_from.map(UnixTime);
            let period = KeyPeriod { active_from: UnixTime(active_from), retired_from };
            (SessionKey::new(id, [id; 32]), period)
        };
        let keys = vec![key(1, 0, Some(300)), key(2, 100, None), key(3, 200, Some(250))];
        let keys = SessionKeys::with_periods(keys).unwrap();
        let signing = |now| keys.signing(UnixTime(now)).map(SessionKey::id);
        assert_eq!([signing(99), signing(100), signing(200)], [Some(1), Some(2), Some(3)]);
        assert_eq!(signing(250), Some(2));
        let accepted = |now| keys.accepted(UnixTime(now)).map(SessionKey::id).collect::<Vec<_>>();
        assert_eq!(accepted(0), [1, 2, 3]);
        assert_eq!(accepted(300), [2]);
        let late = SessionKeys::with_periods(vec![key(1, 0, Some(5))]).unwrap();
        assert_eq!(late.signing(UnixTime(5)).map(SessionKey::id), None);
    }
}
