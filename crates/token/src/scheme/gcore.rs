//! Gcore's CDN token: nginx `secure_link_md5 "$secure_link_expires$uri$remote_addr secret"`.
//!
//! `md5 = base64url(MD5("{expires}{path}{ip} {secret}"))` without padding, one space before the
//! secret always, `ip` empty when the link is not bound. Where Gcore's page is silent this does as
//! `ngx_http_secure_link_module` does, since the edge's answers are that module's.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use md5::{Digest as _, Md5};
use md5_many::Md5Many;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{Presented, Refusal, Scheme, Scope, SignError, Valid, check_expiry};
use crate::ip::IpForm;
use crate::{Binding, ByteList, CdnKey, Layout, LayoutScheme, UnixTime, query};

/// Length of a token: 16 bytes in base64url without padding.
const TOKEN_CHARS: usize = 22;
const BEFORE_TOKEN: &[u8] = b"md5=";
const AFTER_TOKEN: &[u8] = b"&expires=";
/// Length of what is after the token, if the expiry has ten digits: from the year 2001 to 2286.
const COMMON_LEN: usize = AFTER_TOKEN.len() + 10;
/// A hash with two zero bytes, so that it has a whole number of base64 groups.
const PADDED_BYTES: usize = 18;
/// The same in base64url, of which the first [`TOKEN_CHARS`] are the hash.
const PADDED_CHARS: usize = 24;
/// nginx looks at no hash text that is longer, padding included.
const MAX_TOKEN_CHARS: usize = 24;

/// How many messages are hashed side by side at a time: enough for every width of lanes, and few to clear.
const BATCH: usize = 48;

/// nginx ignores the four spare bits of the 22nd character, so links in the field may hold any.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// The Gcore scheme with its key and scope.
#[derive(Clone, Debug)]
pub struct Gcore {
    key: CdnKey,
    scope: Scope,
    ip: IpForm,
}

impl Gcore {
    /// The scheme's name.
    pub const NAME: &'static str = "gcore";
    /// The parameters of a Gcore link.
    pub const PARAMETERS: &'static [&'static str] = &["md5", "expires"];

    /// Signs and verifies with `key`, whose [`Binding`] says whether the client's address is in
    /// the hash.
    #[must_use]
    pub fn new(key: CdnKey, scope: Scope) -> Self {
        Self { key, scope, ip: IpForm::default() }
    }

    /// How the client's address is written: Gcore documents none for its /24 and /16.
    #[must_use]
    pub const fn ip_form(mut self, ip: IpForm) -> Self {
        self.ip = ip;
        self
    }

    /// The key in use.
    #[must_use]
    pub const fn key(&self) -> &CdnKey {
        &self.key
    }

    /// What the hash is of, `expires` and the signed part of the path excluded.
    fn tail(&self, ip: Option<IpAddr>) -> Zeroizing<Vec<u8>> {
        let ip = ip.map(|ip| self.ip.write(ip)).unwrap_or_default();
        let secret = self.key.secret();
        // Sized at once, so that no copy of the secret is left behind by growing.
        let mut tail = Zeroizing::new(Vec::with_capacity(ip.len() + 1 + secret.len()));
        tail.extend_from_slice(&ip);
        tail.push(b' ');
        tail.extend_from_slice(secret);
        tail
    }

    fn hash(&self, expires: &[u8], signed: &[u8], ip: Option<IpAddr>) -> [u8; 16] {
        let mut md5 = Md5::new();
        md5.update(expires);
        md5.update(signed);
        md5.update(&*self.tail(ip));
        md5.finalize().into()
    }
}

/// Appends a query with each of the tokens. Piece by piece: whoever reads back what was just written in
/// other pieces waits. Where the length of `after` is known, the copies are a few moves.
fn push_queries<A: AsRef<[u8]>>(texts: &[[u8; PADDED_CHARS]], after: &A, tokens: &mut ByteList) {
    for text in texts {
        tokens.push_pieces([BEFORE_TOKEN, &text[..TOKEN_CHARS], after.as_ref()]);
    }
}

/// Writes the parameters of a token.
fn write_parameters(token: &[u8], expires: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(BEFORE_TOKEN);
    out.extend_from_slice(token);
    out.extend_from_slice(AFTER_TOKEN);
    out.extend_from_slice(expires);
}

impl Scheme for Gcore {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn parameters(&self) -> Vec<&str> {
        Self::PARAMETERS.to_vec()
    }

    fn scope(&self) -> Scope {
        self.scope
    }

    fn binding(&self) -> Binding {
        self.key.binding()
    }

    fn write_token(
        &self,
        signed: &[u8],
        expires: UnixTime,
        ip: Option<IpAddr>,
        out: &mut Vec<u8>,
    ) -> Result<(), SignError> {
        super::check_terms(self.key.binding(), expires, ip)?;
        let expires = expires.to_string();
        let hash = self.hash(expires.as_bytes(), signed, ip);
        let mut token = [0_u8; TOKEN_CHARS];
        let written = BASE64URL.encode_slice(hash, &mut token);
        debug_assert_eq!(written, Ok(TOKEN_CHARS));
        write_parameters(&token, expires.as_bytes(), out);
        Ok(())
    }

    fn signs_decoded_path(&self) -> bool {
        true
    }

    fn write_tokens(
        &self,
        signed: &ByteList,
        expires: UnixTime,
        ip: Option<IpAddr>,
        tokens: &mut ByteList,
    ) -> Result<(), SignError> {
        super::check_terms(self.key.binding(), expires, ip)?;
        let expires = expires.to_string();
        let tail = self.tail(ip);
        let lanes = Md5Many::new();
        // A slot for each message of a batch, with the expiry in it from the beginning. Sized at
        // once and cleared once at the end: growing would leave copies of the secret behind, and
        // clearing after each batch would cost more than the hashes.
        let longest = signed.iter().map(<[u8]>::len).max().unwrap_or_default();
        let path_at = expires.len();
        let slot_len = path_at + longest + tail.len();
        let mut slots = Zeroizing::new(vec![0; signed.len().min(BATCH) * slot_len]);
        for slot in slots.chunks_exact_mut(slot_len) {
            slot[..path_at].copy_from_slice(expires.as_bytes());
        }
        let mut path_ends = [0_usize; BATCH];
        let mut hashes = [[0_u8; 16]; BATCH];
        // With two zero bytes after each hash the whole batch is encoded in one call.
        let mut padded = [[0_u8; PADDED_BYTES]; BATCH];
        let mut text = [[0_u8; PADDED_CHARS]; BATCH];
        let after = [AFTER_TOKEN, expires.as_bytes()].concat();
        for first in (0..signed.len()).step_by(BATCH) {
            let batch = first..signed.len().min(first + BATCH);
            let filled = slots.chunks_exact_mut(slot_len).zip(&mut path_ends);
            for (at, (slot, path_end)) in batch.clone().zip(filled) {
                let path = signed.get(at);
                let end = path_at + path.len();
                slot[path_at..end].copy_from_slice(path);
                // Paths of one manifest often have one length: then the tail is there already.
                if *path_end != end {
                    slot[end..end + tail.len()].copy_from_slice(&tail);
                    *path_end = end;
                }
            }
            let mut inputs = [&[][..]; BATCH];
            let filled = slots.chunks_exact(slot_len).zip(&path_ends);
            for (input, (slot, path_end)) in inputs[..batch.len()].iter_mut().zip(filled) {
                *input = &slot[..path_end + tail.len()];
            }
            lanes.hash_many(&inputs[..batch.len()], &mut hashes[..batch.len()]);
            for (hash, padded) in hashes[..batch.len()].iter().zip(&mut padded) {
                padded[..hash.len()].copy_from_slice(hash);
            }
            let bytes = padded[..batch.len()].as_flattened();
            let written = BASE64URL.encode_slice(bytes, text.as_flattened_mut());
            debug_assert_eq!(written, Ok(batch.len() * PADDED_CHARS));
            match <&[u8; COMMON_LEN]>::try_from(&after[..]) {
                Ok(after) => push_queries(&text[..batch.len()], after, tokens),
                Err(_) => push_queries(&text[..batch.len()], &after, tokens),
            }
        }
        Ok(())
    }

    fn verify(&self, presented: &Presented<'_>, now: UnixTime) -> Result<Valid, Refusal> {
        let query = presented.query.unwrap_or_default();
        let token = query::first(query, "md5").unwrap_or_default();
        let expires_text = query::first(query, "expires").unwrap_or_default();
        // nginx reads "$arg_md5,$arg_expires" and splits at the first comma: a comma smuggled into
        // the token would move the expiry, so it can only make the expiry malformed.
        if token.contains(&b',') {
            return Err(Refusal::MalformedExpiry);
        }
        if expires_text.is_empty() {
            return Err(Refusal::Missing("expires".into()));
        }
        let expires = parse_expires(expires_text).ok_or(Refusal::MalformedExpiry)?;
        if token.is_empty() {
            return Err(Refusal::Missing("md5".into()));
        }
        let presented_hash = decode_token(token)?;
        let ip = match self.key.binding() {
            Binding::Plain => None,
            Binding::Ip => Some(presented.ip.ok_or(Refusal::NoClientAddress)?),
        };
        // The text as it came is what was signed, leading zeros included.
        let hash = self.hash(expires_text, self.scope.signed_part(presented.path), ip);
        if !bool::from(hash.ct_eq(&presented_hash)) {
            return Err(Refusal::WrongToken);
        }
        check_expiry(expires, now)?;
        Ok(Valid::until(expires, &hash))
    }

    fn may_shift_path(&self) -> bool {
        self.scope == Scope::File && self.key.binding() == Binding::Ip
    }

    fn with_scope(&self, scope: Scope) -> Option<Arc<dyn Scheme>> {
        Some(Arc::new(Self { scope, ..self.clone() }))
    }

    fn as_layout(&self) -> Option<LayoutScheme> {
        let layout = Layout::builtin(Self::NAME)?;
        Some(LayoutScheme::new(layout, self.key.clone(), self.scope).ok()?.ip_form(self.ip))
    }
}

/// `ngx_atotm` and the module's `<= 0` rule: digits alone, a signed 64-bit value above zero.
fn parse_expires(text: &[u8]) -> Option<UnixTime> {
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    u64::try_from(value).ok().filter(|&secs| secs > 0).map(UnixTime)
}

/// `ngx_decode_base64url`: at most 24 characters, read up to the first `=`.
fn decode_token(text: &[u8]) -> Result<[u8; 16], Refusal> {
    if text.len() > MAX_TOKEN_CHARS {
        return Err(Refusal::MalformedToken("it is longer than 24 characters"));
    }
    let end = text.iter().position(|&byte| byte == b'=').unwrap_or(text.len());
    if end != TOKEN_CHARS {
        return Err(Refusal::MalformedToken("it is not 22 characters long"));
    }
    let mut hash = [0_u8; 16];
    match BASE64URL.decode_slice_unchecked(&text[..end], &mut hash) {
        Ok(16) => Ok(hash),
        _ => Err(Refusal::MalformedToken("it holds a character outside base64url")),
    }
}
