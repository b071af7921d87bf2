//! Amazon CloudFront's signed URLs: a policy in JSON, signed by RSA (PKCS#1 v1.5, SHA-1).
//!
//! A token of one URL has the canned policy, which the edge writes itself from URL and expiry:
//! `Expires=N&Signature=S&Key-Pair-Id=K`. Any other carries its policy:
//! `Policy=P&Signature=S&Key-Pair-Id=K`. Both are in base64 with `-`, `_` and `~` for `+`, `=` and
//! `/`. Source: CloudFront developer guide, "Use signed URLs".

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsa::PrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::pkcs8::DecodePrivateKey as _;
use serde::{Deserialize, Serialize};
use sha1::Sha1;

use super::kind::{field, moment, value_error};
use super::{Presented, Refusal, Scheme, Scope, SignError, Target, Valid, check_expiry, wildcard};
use crate::ip::{IpPrefix, canonical};
use crate::layout::moment::MomentText;
use crate::path::folder_of;
use crate::{Binding, CdnKey, SchemeError, UnixTime, query};

const EXPIRES: &str = "Expires";
const POLICY: &str = "Policy";
const SIGNATURE: &str = "Signature";
const KEY_PAIR: &str = "Key-Pair-Id";

/// The scheme with its key, scope and fields.
#[derive(Clone)]
pub struct CloudFront {
    key: Arc<PrivateKey>,
    binding: Binding,
    key_pair: String,
    scope: Scope,
    start: Option<UnixTime>,
    resource: Option<String>,
}

/// What a token allows. The order of the fields is the order in which they are written.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Policy {
    statement: [Statement; 1],
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Statement {
    /// Absent, it is every URL.
    #[serde(default = "every_url")]
    resource: String,
    condition: Condition,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Condition {
    date_less_than: Moment,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    date_greater_than: Option<Moment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ip_address: Option<SourceIp>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Moment {
    #[serde(rename = "AWS:EpochTime")]
    secs: u64,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct SourceIp {
    #[serde(rename = "AWS:SourceIp")]
    network: String,
}

fn every_url() -> String {
    "*".to_owned()
}

impl CloudFront {
    /// The scheme's name.
    pub const NAME: &'static str = "cloudfront";
    /// The parameters of a CloudFront link.
    pub const PARAMETERS: &'static [&'static str] = &[EXPIRES, POLICY, SIGNATURE, KEY_PAIR];
    /// Its fields, each with its default.
    pub const FIELDS: &'static [(&'static str, &'static str)] =
        &[("key_pair_id", ""), ("start", ""), ("resource", "")];

    /// Signs and verifies with `key`: an RSA private key as PEM. With [`Scope::Tree`] a token is for
    /// `{folder}*`, or for the field `resource`.
    ///
    /// # Errors
    /// [`SchemeError`] for another key, and for values that fields cannot have.
    pub fn new(
        key: &CdnKey,
        scope: Scope,
        fields: &BTreeMap<String, String>,
    ) -> Result<Self, SchemeError> {
        let of = |name| field(fields, Self::FIELDS, name);
        let pem = std::str::from_utf8(key.secret()).ok();
        let private = pem.and_then(|pem| {
            PrivateKey::from_pkcs8_pem(pem).ok().or_else(|| PrivateKey::from_pkcs1_pem(pem).ok())
        });
        let what = "PEM (an RSA private key, PKCS#8 or PKCS#1)";
        let private = private.ok_or_else(|| SchemeError::KeyText(Self::NAME.to_owned(), what))?;
        let key_pair = of("key_pair_id");
        if key_pair.is_empty() || !key_pair.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(value_error(
                "key_pair_id",
                "give the id of the public key, as the CloudFront console shows it",
            ));
        }
        let start = moment("start", of("start"))?;
        let resource = Some(of("resource")).filter(|resource| !resource.is_empty());
        if resource.is_some() && scope == Scope::File {
            return Err(value_error("resource", "a token of one file has none: take scope tree"));
        }
        Ok(Self {
            key: Arc::new(private),
            binding: key.binding(),
            key_pair: key_pair.to_owned(),
            scope,
            start,
            resource: resource.map(str::to_owned),
        })
    }

    fn policy(&self, resource: &str, expires: UnixTime, ip: Option<IpAddr>) -> Policy {
        let network = |ip: IpAddr| {
            let ip = canonical(ip);
            format!("{ip}/{}", if ip.is_ipv4() { 32 } else { 128 })
        };
        Policy {
            statement: [Statement {
                resource: resource.to_owned(),
                condition: Condition {
                    date_less_than: Moment { secs: expires.0 },
                    date_greater_than: self.start.map(|start| Moment { secs: start.0 }),
                    ip_address: ip.map(|ip| SourceIp { network: network(ip) }),
                },
            }],
        }
    }

    fn is_canned(&self, ip: Option<IpAddr>) -> bool {
        self.scope == Scope::File && self.start.is_none() && ip.is_none()
    }
}

/// Without spaces: the edge writes the canned policy so, and compares bytes.
fn written(policy: &Policy) -> Result<String, SignError> {
    serde_json::to_string(policy).map_err(|_| SignError::NoPlace("its policy cannot be written"))
}

fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    let text = STANDARD.encode(bytes);
    out.extend(text.bytes().map(|byte| match byte {
        b'+' => b'-',
        b'=' => b'_',
        b'/' => b'~',
        byte => byte,
    }));
}

fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let standard = |byte: &u8| match byte {
        b'-' => Some(b'+'),
        b'_' => Some(b'='),
        b'~' => Some(b'/'),
        b'+' | b'=' | b'/' => None,
        byte => Some(*byte),
    };
    STANDARD.decode(text.iter().map(standard).collect::<Option<Vec<u8>>>()?).ok()
}

fn is_absolute(url: &[u8]) -> bool {
    url.starts_with(b"https://") || url.starts_with(b"http://")
}

/// The URL as it was before it was signed.
fn unsigned(presented: &Presented<'_>) -> Vec<u8> {
    let end = memchr::memchr2(b'?', b'#', presented.url).unwrap_or(presented.url.len());
    let mut url = presented.url[..end].to_vec();
    let is_own = |name: &[u8]| {
        CloudFront::PARAMETERS.iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes()))
    };
    let rest = query::without(presented.query.unwrap_or_default(), is_own);
    if !rest.is_empty() {
        url.push(b'?');
        url.extend_from_slice(&rest);
    }
    url
}

/// Whether the client lies in the network, which is an address or one with a length.
fn is_within(network: &str, ip: IpAddr) -> Option<bool> {
    let (address, len) = match network.split_once('/') {
        Some((address, len)) => (address, Some(len.parse().ok()?)),
        None => (network, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let len = len.unwrap_or(if address.is_ipv4() { 32 } else { 128 });
    Some(IpPrefix::mask(address, len) == IpPrefix::mask(ip, len))
}

impl Scheme for CloudFront {
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
        self.binding
    }

    /// The resource of the policy.
    fn signed_part<'t>(&self, target: &Target<'t>) -> Cow<'t, [u8]> {
        let end = memchr::memchr(b'#', target.url).unwrap_or(target.url.len());
        let url = target.url[..end].strip_suffix(b"?").unwrap_or(&target.url[..end]);
        match (self.scope, &self.resource) {
            (Scope::File, _) => Cow::Borrowed(url),
            (_, Some(resource)) => Cow::Owned(resource.clone().into_bytes()),
            (_, None) => {
                let path = &url[..memchr::memchr(b'?', url).unwrap_or(url.len())];
                Cow::Owned([folder_of(path), b"*"].concat())
            }
        }
    }

    fn write_token(
        &self,
        signed: &[u8],
        expires: UnixTime,
        ip: Option<IpAddr>,
        out: &mut Vec<u8>,
    ) -> Result<(), SignError> {
        super::check_terms(self.binding, expires, ip)?;
        if self.start.is_some_and(|start| start >= expires) {
            return Err(SignError::BadExpiry);
        }
        if self.resource.is_none() && !is_absolute(signed) {
            return Err(SignError::NoHost);
        }
        let resource = std::str::from_utf8(signed);
        let resource = resource.map_err(|_| SignError::NoPlace("its URL is not UTF-8"))?;
        let policy = written(&self.policy(resource, expires, ip))?;
        let signature = self.key.pkcs1v15_sign::<Sha1>(policy.as_bytes());
        let signature = signature.map_err(|_| SignError::NoPlace("its key is too short"))?;
        if self.is_canned(ip) {
            out.extend_from_slice(format!("{EXPIRES}={expires}").as_bytes());
        } else {
            out.extend_from_slice(format!("{POLICY}=").as_bytes());
            encode(policy.as_bytes(), out);
        }
        out.extend_from_slice(format!("&{SIGNATURE}=").as_bytes());
        encode(&signature, out);
        out.extend_from_slice(format!("&{KEY_PAIR}={}", self.key_pair).as_bytes());
        Ok(())
    }

    fn verify(&self, presented: &Presented<'_>, now: UnixTime) -> Result<Valid, Refusal> {
        let shown = presented.query.unwrap_or_default();
        let first =
            |name: &'static str| query::first(shown, name).filter(|value| !value.is_empty());
        let malformed = Refusal::MalformedToken;
        let missing = |name: &'static str| Refusal::Missing(name.into());
        let signature = first(SIGNATURE).ok_or_else(|| missing(SIGNATURE))?;
        let signature = decode(signature).ok_or(malformed("its signature is not in base64"))?;
        let key_pair = first(KEY_PAIR).ok_or_else(|| missing(KEY_PAIR))?;
        if key_pair != self.key_pair.as_bytes() {
            return Err(Refusal::WrongToken);
        }
        if !is_absolute(presented.url) {
            return Err(Refusal::NoHost);
        }
        let url = unsigned(presented);
        let policy = match first(POLICY) {
            Some(policy) => decode(policy).ok_or(malformed("its policy is not in base64"))?,
            None => {
                let expires = first(EXPIRES).ok_or_else(|| missing(EXPIRES))?;
                let expires = MomentText::Decimal.read(expires).ok_or(Refusal::MalformedExpiry)?;
                let url = std::str::from_utf8(&url).map_err(|_| malformed("a URL not in UTF-8"))?;
                let canned = Self { start: None, ..self.clone() }.policy(url, expires, None);
                written(&canned).map_err(|_| malformed("no policy"))?.into_bytes()
            }
        };
        self.key
            .as_public_key()
            .pkcs1v15_verify::<Sha1>(&policy, &signature)
            .map_err(|_| Refusal::WrongToken)?;
        let policy: Policy = serde_json::from_slice(&policy)
            .map_err(|_| malformed("its policy is not of CloudFront's shape"))?;
        let [Statement { resource, condition }] = policy.statement;
        let is_canned = first(POLICY).is_none();
        if !is_canned && !wildcard::fits(resource.as_bytes(), &url) {
            return Err(Refusal::NotCovered);
        }
        match (condition.ip_address, self.binding) {
            (None, Binding::Plain) => {}
            (None, Binding::Ip) => return Err(Refusal::OtherClient),
            (Some(SourceIp { network }), _) => {
                let ip = presented.ip.ok_or(Refusal::NoClientAddress)?;
                if !is_within(&network, ip).ok_or(malformed("its address is none"))? {
                    return Err(Refusal::OtherClient);
                }
            }
        }
        if let Some(Moment { secs }) = condition.date_greater_than
            && now.0 <= secs
        {
            return Err(Refusal::NotYetValid { in_secs: secs + 1 - now.0 });
        }
        let expires = UnixTime(condition.date_less_than.secs);
        check_expiry(expires, now)?;
        Ok(Valid::until(expires, &signature))
    }
}

impl std::fmt::Debug for CloudFront {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CloudFront")
            .field("key_pair", &self.key_pair)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}
