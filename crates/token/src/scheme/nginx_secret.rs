//! nginx's older `secure_link_secret`: `/{prefix}/{hash}/{link}`, without an end.
//!
//! The hash is MD5 of the link and the secret, in hexadecimal. The link is what stands in the URL
//! behind the hash, escapes and query as they are written.

use std::borrow::Cow;
use std::net::IpAddr;

use md5::{Digest as _, Md5};
use subtle::ConstantTimeEq as _;

use super::{Placement, Presented, Refusal, Scheme, Scope, SignError, Target, Valid};
use crate::layout::digest::read_hex;
use crate::{Binding, CdnKey, SchemeError, UnixTime};

/// The scheme with its key.
#[derive(Clone, Debug)]
pub struct NginxSecret {
    key: CdnKey,
}

impl NginxSecret {
    /// The scheme's name.
    pub const NAME: &'static str = "nginx-secret";

    /// Signs and verifies with `key`.
    ///
    /// # Errors
    /// [`SchemeError::NoBinding`] for a key of bound links.
    pub fn new(key: CdnKey) -> Result<Self, SchemeError> {
        match key.binding() {
            Binding::Plain => Ok(Self { key }),
            Binding::Ip => Err(SchemeError::NoBinding(Self::NAME.to_owned())),
        }
    }

    fn hash(&self, link: &[u8]) -> [u8; 16] {
        let mut md5 = Md5::new();
        md5.update(link);
        md5.update(self.key.secret());
        md5.finalize().into()
    }
}

/// What stands behind the first segment, query and all.
fn link(url: &[u8]) -> &[u8] {
    let Some(rest) = url.strip_prefix(b"/") else { return b"" };
    memchr::memchr(b'/', rest).map_or(b"", |slash| &rest[slash + 1..])
}

impl Scheme for NginxSecret {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn parameters(&self) -> Vec<&str> {
        Vec::new()
    }

    fn scope(&self) -> Scope {
        Scope::File
    }

    fn binding(&self) -> Binding {
        Binding::Plain
    }

    fn placement(&self) -> Placement {
        Placement::Path { after: 1, segments: 1 }
    }

    fn signed_part<'t>(&self, target: &Target<'t>) -> Cow<'t, [u8]> {
        Cow::Borrowed(link(target.raw_request()))
    }

    fn write_token(
        &self,
        signed: &[u8],
        _expires: UnixTime,
        ip: Option<IpAddr>,
        out: &mut Vec<u8>,
    ) -> Result<(), SignError> {
        if ip.is_some() {
            return Err(SignError::PlainKey);
        }
        if signed.is_empty() {
            let why = "it has one segment, and the token stands between the first and the rest";
            return Err(SignError::NoPlace(why));
        }
        crate::layout::digest::Output::Hex.write(&self.hash(signed), out);
        Ok(())
    }

    fn verify(&self, presented: &Presented<'_>, _now: UnixTime) -> Result<Valid, Refusal> {
        let rest = link(presented.target().raw_path());
        let slash = memchr::memchr(b'/', rest).ok_or_else(|| Refusal::Missing("token".into()))?;
        let shown = read_hex(&rest[..slash]).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
        let shown = shown.ok_or(Refusal::MalformedToken("it is not 32 hexadecimal digits"))?;
        let mut signed = rest[slash + 1..].to_vec();
        if let Some(query) = presented.query {
            signed.push(b'?');
            signed.extend_from_slice(query);
        }
        if !bool::from(self.hash(&signed).ct_eq(&shown)) {
            return Err(Refusal::WrongToken);
        }
        Ok(Valid::until(UnixTime(u64::MAX), &shown))
    }
}
