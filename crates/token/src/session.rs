//! Session tokens: what opens the gateway for one viewer, verified without any stored state.
//!
//! 39 bytes, which are exactly 52 characters of base64url with no spare bit:
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | version (high half, 1) and flags: bits 0-1 the IP kind (0 none, 1 IPv4, 2 IPv6), bit 2 exact path, bit 3 with it the session's first path |
//! | 1 | key id |
//! | 1 | depth: how many leading path segments the token is for |
//! | 1 | length of the IP prefix in bits |
//! | 1 | profile: a set of limits that the configuration names |
//! | 4 | expiry, Unix seconds, big-endian |
//! | 14 | session id |
//! | 16 | HMAC-SHA256, cut to 128 bits |
//!
//! The MAC is over these parts, each with its length before it: a label, the first 23 bytes, the
//! route's id, the first *depth* decoded path segments one by one, the masked client address.

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::layout::digest::read_hex;
use crate::scheme::check_expiry;
use crate::{IpPrefix, Refusal, ResourcePath, SessionKey, SessionKeys, TokenMark, UnixTime};

const VERSION: u8 = 1;
const IP_KIND_MASK: u8 = 0b11;
const EXACT_FLAG: u8 = 0b100;
const FIRST_FLAG: u8 = 0b1000;
const CLAIMS_LEN: usize = 23;
const MAC_LEN: usize = 16;
const TOKEN_LEN: usize = CLAIMS_LEN + MAC_LEN;

/// The name of a session: 14 bytes, from a random source or from [`SessionId::of_link`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub [u8; 14]);

/// The part of a route's paths that a token opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Grant {
    /// Everything below the folder that the first `depth` segments name. Segments are compared
    /// whole: `/a` never opens `/ab`.
    Folder {
        /// Number of leading segments, at most 255.
        depth: u8,
    },
    /// The one path, which has `depth` segments.
    Exact {
        /// Number of segments, at most 255.
        depth: u8,
    },
    /// The same for the path with which a session begins, whose folder is the session's.
    First {
        /// Number of segments, at most 255.
        depth: u8,
    },
}

/// What a session token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionClaims {
    /// What it opens.
    pub grant: Grant,
    /// Length of the client prefix it is bound to, if it is bound.
    pub bound_bits: Option<BoundBits>,
    /// A set of limits that the configuration names; 0 for none.
    pub profile: u8,
    /// The last good second, at most `u32::MAX`.
    pub expires: UnixTime,
    /// The session it belongs to.
    pub session: SessionId,
}

/// Address family and prefix length of a bound session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoundBits {
    /// An IPv4 prefix of this many bits.
    V4(u8),
    /// An IPv6 prefix of this many bits.
    V6(u8),
}

/// A token as it stands in a URL. `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SessionToken([u8; SessionToken::CHARS]);

// === impl SessionId ===

impl SessionId {
    /// The session that a link opens: the same link from the same client prefix is the same session, so
    /// that a reload stays in it, and what is known of it holds. No key is in it: a new one would make
    /// other sessions of the same links.
    #[must_use]
    pub fn of_link(route: &str, link: TokenMark, client: Option<IpPrefix>) -> Self {
        let octets = client.map(|prefix| prefix.octets()).unwrap_or_default();
        let mut hasher = Sha256::new();
        for part in [&b"sluicegate/entry/2"[..], route.as_bytes(), link.as_bytes(), &octets] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let mut id = [0_u8; 14];
        id.copy_from_slice(&hasher.finalize()[..14]);
        Self(id)
    }

    /// Reads what [`fmt::Display`] writes: 28 hexadecimal digits.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        read_hex(text.as_bytes())?.try_into().ok().map(Self)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// === impl Grant ===

impl Grant {
    /// The folder that `path` lies in, with everything below it.
    ///
    /// None for more than 255 segments.
    #[must_use]
    pub fn folder_of(path: &ResourcePath) -> Option<Self> {
        let depth = path.segments().count() - 1;
        u8::try_from(depth).ok().map(|depth| Self::Folder { depth })
    }

    /// `path` and nothing else.
    ///
    /// None for more than 255 segments.
    #[must_use]
    pub fn exactly(path: &ResourcePath) -> Option<Self> {
        u8::try_from(path.segments().count()).ok().map(|depth| Self::Exact { depth })
    }

    /// `path` and nothing else, with which a session begins.
    ///
    /// None for more than 255 segments.
    #[must_use]
    pub fn first(path: &ResourcePath) -> Option<Self> {
        u8::try_from(path.segments().count()).ok().map(|depth| Self::First { depth })
    }

    /// Whether it opens one path alone.
    #[must_use]
    pub const fn is_exact(self) -> bool {
        matches!(self, Self::Exact { .. } | Self::First { .. })
    }

    /// Number of segments that the token's MAC covers.
    #[must_use]
    pub const fn depth(self) -> u8 {
        match self {
            Self::Folder { depth } | Self::Exact { depth } | Self::First { depth } => depth,
        }
    }

    /// Whether a grant made for `granted` opens `path`.
    #[must_use]
    pub fn covers(self, granted: &ResourcePath, path: &ResourcePath) -> bool {
        let depth = usize::from(self.depth());
        self.fits(path.segments().count())
            && granted.segments().take(depth).eq(path.segments().take(depth))
    }

    /// Whether a path of so many segments can be one that the grant opens.
    pub(crate) fn fits(self, segments: usize) -> bool {
        match self {
            Self::Folder { depth } => segments > usize::from(depth),
            Self::Exact { depth } | Self::First { depth } => segments == usize::from(depth),
        }
    }
}

// === impl BoundBits ===

impl BoundBits {
    /// The binding that keeps the whole of `prefix`.
    #[must_use]
    pub const fn of(prefix: &IpPrefix) -> Self {
        if prefix.is_v4() { Self::V4(prefix.len()) } else { Self::V6(prefix.len()) }
    }

    /// The bytes of `ip` that a token bound in this way covers; none for the other family.
    fn masked(self, ip: IpAddr) -> Option<Vec<u8>> {
        let bits = match self {
            Self::V4(bits) | Self::V6(bits) => bits,
        };
        let prefix = IpPrefix::mask(ip, bits);
        (Self::of(&prefix) == self).then(|| prefix.octets())
    }
}

// === impl SessionToken ===

impl SessionToken {
    /// Length of a token in characters.
    pub const CHARS: usize = 52;

    /// A token's text as a type, unverified; none of another length.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        text.as_bytes().try_into().ok().map(Self)
    }

    /// The token's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(..)")
    }
}

// === impl SessionKey ===

impl SessionKey {
    /// Makes the token of `claims` for `route` and for a path that the grant covers.
    ///
    /// `ip` is the client's address if the session is bound; one of another family than
    /// `claims.bound_bits` says gives a token that opens nothing. An expiry past `u32::MAX` is cut
    /// to it.
    #[must_use]
    pub fn seal(
        &self,
        claims: &SessionClaims,
        route: &str,
        path: &ResourcePath,
        ip: Option<IpAddr>,
    ) -> SessionToken {
        let mut bytes = [0_u8; TOKEN_LEN];
        let (ip_kind, ip_bits) = match claims.bound_bits {
            None => (0, 0),
            Some(BoundBits::V4(bits)) => (1, bits),
            Some(BoundBits::V6(bits)) => (2, bits),
        };
        let kind = match claims.grant {
            Grant::Folder { .. } => 0,
            Grant::Exact { .. } => EXACT_FLAG,
            Grant::First { .. } => EXACT_FLAG | FIRST_FLAG,
        };
        bytes[0] = (VERSION << 4) | kind | ip_kind;
        bytes[1] = self.id();
        bytes[2] = claims.grant.depth();
        bytes[3] = ip_bits;
        bytes[4] = claims.profile;
        bytes[5..9]
            .copy_from_slice(&u32::try_from(claims.expires.0).unwrap_or(u32::MAX).to_be_bytes());
        bytes[9..CLAIMS_LEN].copy_from_slice(&claims.session.0);
        let masked = claims.bound_bits.zip(ip).and_then(|(bound, ip)| bound.masked(ip));
        let mac =
            self.session_mac(&bytes[..CLAIMS_LEN], claims.grant, route, path, masked.as_deref());
        bytes[CLAIMS_LEN..].copy_from_slice(&mac.finalize().into_bytes()[..MAC_LEN]);

        let mut text = [0_u8; SessionToken::CHARS];
        let written = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text);
        debug_assert_eq!(written, Ok(SessionToken::CHARS));
        SessionToken(text)
    }

    /// A tag that shows that these parts come from a holder of this key. `label` names the purpose.
    #[must_use]
    pub fn tag(&self, label: &str, parts: &[&[u8]]) -> [u8; 16] {
        let mut tag = [0_u8; MAC_LEN];
        tag.copy_from_slice(&self.tag_mac(label, parts).finalize().into_bytes()[..MAC_LEN]);
        tag
    }

    /// Whether `tag` is the one that [`Self::tag`] makes; compared in constant time.
    #[must_use]
    pub fn has_tagged(&self, label: &str, parts: &[&[u8]], tag: &[u8; 16]) -> bool {
        self.tag_mac(label, parts).verify_truncated_left(tag).is_ok()
    }

    fn tag_mac(&self, label: &str, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.mac();
        update_with_length(&mut mac, b"sluicegate/tag/1");
        update_with_length(&mut mac, label.as_bytes());
        for part in parts {
            update_with_length(&mut mac, part);
        }
        mac
    }

    fn session_mac(
        &self,
        claims: &[u8],
        grant: Grant,
        route: &str,
        path: &ResourcePath,
        masked_ip: Option<&[u8]>,
    ) -> Hmac<Sha256> {
        let mut mac = self.mac();
        update_with_length(&mut mac, b"sluicegate/session/1");
        update_with_length(&mut mac, claims);
        update_with_length(&mut mac, route.as_bytes());
        for segment in path.segments().take(usize::from(grant.depth())) {
            update_with_length(&mut mac, segment);
        }
        update_with_length(&mut mac, masked_ip.unwrap_or_default());
        mac
    }
}

// === impl SessionKeys ===

impl SessionKeys {
    /// Verifies a token for a request: parse, decode, compare in constant time, then expiry.
    ///
    /// # Errors
    /// [`Refusal`]: whatever is not 52 characters of base64url, names an unknown key, is of another
    /// version, route, path or client, or has expired.
    pub fn verify(
        &self,
        text: &[u8],
        route: &str,
        path: &ResourcePath,
        ip: Option<IpAddr>,
        now: UnixTime,
    ) -> Result<SessionClaims, Refusal> {
        let bytes = decode(text)?;
        let claims = parse_claims(&bytes)?;
        let key = self.by_id(bytes[1], now).ok_or(Refusal::UnknownKey(bytes[1]))?;
        let masked = match claims.bound_bits {
            None => None,
            Some(bound) => {
                let ip = ip.ok_or(Refusal::NoClientAddress)?;
                Some(bound.masked(ip).ok_or(Refusal::WrongToken)?)
            }
        };
        if !claims.grant.fits(path.segments().count()) {
            return Err(Refusal::WrongToken);
        }
        key.session_mac(&bytes[..CLAIMS_LEN], claims.grant, route, path, masked.as_deref())
            .verify_truncated_left(&bytes[CLAIMS_LEN..])
            .map_err(|_| Refusal::WrongToken)?;
        check_expiry(claims.expires, now)?;
        Ok(claims)
    }
}

fn decode(text: &[u8]) -> Result<[u8; TOKEN_LEN], Refusal> {
    if text.len() != SessionToken::CHARS {
        return Err(Refusal::MalformedToken("a session token has 52 characters"));
    }
    let mut bytes = [0_u8; TOKEN_LEN];
    match URL_SAFE_NO_PAD.decode_slice_unchecked(text, &mut bytes) {
        Ok(TOKEN_LEN) => Ok(bytes),
        _ => Err(Refusal::MalformedToken("it holds a character outside base64url")),
    }
}

fn parse_claims(bytes: &[u8; TOKEN_LEN]) -> Result<SessionClaims, Refusal> {
    let depth = bytes[2];
    let grant = match bytes[0] & (EXACT_FLAG | FIRST_FLAG) {
        _ if bytes[0] >> 4 != VERSION => None,
        0 => Some(Grant::Folder { depth }),
        EXACT_FLAG => Some(Grant::Exact { depth }),
        FIRST_FLAG => None,
        _ => Some(Grant::First { depth }),
    };
    let grant = grant.ok_or(Refusal::MalformedToken("it is of an unknown version"))?;
    let bound_bits = match (bytes[0] & IP_KIND_MASK, bytes[3]) {
        (0, 0) => None,
        (1, bits @ 0..=32) => Some(BoundBits::V4(bits)),
        (2, bits @ 0..=128) => Some(BoundBits::V6(bits)),
        _ => return Err(Refusal::MalformedToken("its address binding makes no sense")),
    };
    let mut expires = [0_u8; 4];
    expires.copy_from_slice(&bytes[5..9]);
    let mut session = [0_u8; 14];
    session.copy_from_slice(&bytes[9..CLAIMS_LEN]);
    Ok(SessionClaims {
        grant,
        bound_bits,
        profile: bytes[4],
        expires: UnixTime(u64::from(u32::from_be_bytes(expires))),
        session: SessionId(session),
    })
}

/// What a token says of itself, unverified.
pub(crate) fn read_claims(text: &[u8]) -> Option<SessionClaims> {
    parse_claims(&decode(text).ok()?).ok()
}

fn update_with_length(mac: &mut Hmac<Sha256>, part: &[u8]) {
    mac.update(&(part.len() as u64).to_be_bytes());
    mac.update(part);
}

#[cfg(test)]
mod tests;
