//! Bunny.net's advanced token: `HS256-`, an HMAC-SHA256 of path, expiry, address and parameters.
//!
//! `message = {path}{expires}{ip}{parameters}`: the path is `token_path` if there is one, the address
//! is binary (4 bytes, or 16 of which the last 8 are zero), and the parameters are those of the query
//! without `token` and `expires`, decoded, sorted by name and joined as `k=v&k=v`. Source:
//! BunnyWay/BunnyCDN.TokenAuthentication, whose vectors have the address before the parameters.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};
use subtle::ConstantTimeEq as _;

use super::kind::{field, switch, value_error};
use super::{Placement, Presented, Refusal, Scheme, Scope, SignError, Target, Valid, check_expiry};
use crate::ip::{IpPrefix, canonical};
use crate::layout::digest::{Algorithm, Output};
use crate::layout::moment::MomentText;
use crate::layout::scheme::{SHIFTED, without_token};
use crate::path::folder_of;
use crate::{Binding, CdnKey, ResourcePath, SchemeError, UnixTime, query};

/// RFC 3986's unreserved characters stay.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What the token's parameters are called, in the order of their names.
const COUNTRIES: &str = "token_countries";
const BLOCKED: &str = "token_countries_blocked";
const IGNORE: &str = "token_ignore_params";
const PATH: &str = "token_path";
const LIMIT: &str = "limit";
const TOKEN: &str = "token";
const EXPIRES: &str = "expires";
/// The token's name where it stands in the path.
const IN_PATH: &str = "bcdn_token";

const PREFIX: &[u8] = b"HS256-";
/// Behind the prefix, if the client's address is in the hash.
const BOUND: &[u8] = b"1-";

/// Between the parts of what is signed; cannot stand in a URL.
const SEPARATOR: u8 = b'\n';

/// The scheme with its key, scope and fields.
#[derive(Clone, Debug)]
pub struct Bunny {
    key: CdnKey,
    scope: Scope,
    placement: Placement,
    ignores_parameters: bool,
    /// Its own parameters and their values, decoded.
    own: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Parameters by name, decoded. None if one stands there twice, which Bunny refuses.
type Parameters = BTreeMap<Vec<u8>, Vec<u8>>;

impl Bunny {
    /// The scheme's name.
    pub const NAME: &'static str = "bunny";
    /// The parameters of a Bunny link.
    pub const PARAMETERS: &'static [&'static str] =
        &[TOKEN, EXPIRES, COUNTRIES, BLOCKED, IGNORE, PATH, LIMIT];
    /// Its fields, each with its default.
    pub const FIELDS: &'static [(&'static str, &'static str)] = &[
        ("placement", "query"),
        ("token_path", ""),
        ("countries", ""),
        ("countries_blocked", ""),
        ("limit", ""),
        ("ignore_params", "false"),
    ];

    /// Signs and verifies with `key`. With [`Scope::Tree`] a token is for all below the URL's
    /// folder, or below `token_path`.
    ///
    /// # Errors
    /// [`SchemeError::FieldValue`].
    pub fn new(
        key: CdnKey,
        scope: Scope,
        fields: &BTreeMap<String, String>,
    ) -> Result<Self, SchemeError> {
        let of = |name| field(fields, Self::FIELDS, name);
        let placement = match of("placement") {
            "query" => Placement::Query,
            "path" => Placement::Path { after: 0, segments: 1 },
            _ => return Err(value_error("placement", "it is query or path")),
        };
        let path = of("token_path");
        if !path.is_empty() && (scope == Scope::File || !path.starts_with('/')) {
            return Err(value_error("token_path", "it begins with '/' and needs scope tree"));
        }
        let limit = of("limit");
        if !limit.is_empty() && !limit.parse::<u32>().is_ok_and(|limit| limit > 0) {
            return Err(value_error("limit", "it is a number of kB/s"));
        }
        let ignores_parameters = switch("ignore_params", of("ignore_params"))?;
        let mut own = Parameters::new();
        let mut set = |name: &str, value: &str| {
            if !value.is_empty() {
                own.insert(name.into(), value.into());
            }
        };
        set(PATH, path);
        if ignores_parameters {
            set(IGNORE, "true");
            let lost = ["countries", "countries_blocked", "limit"];
            if let Some(lost) = lost.into_iter().find(|name| !of(name).is_empty()) {
                return Err(value_error(lost, "with ignore_params it would not be signed"));
            }
        }
        set(COUNTRIES, of("countries"));
        set(BLOCKED, of("countries_blocked"));
        set(LIMIT, limit);
        Ok(Self { key, scope, placement, ignores_parameters, own })
    }

    fn hash(&self, path: &[u8], expires: &[u8], ip: Option<IpAddr>, parameters: &[u8]) -> Vec<u8> {
        let mut message = path.to_vec();
        message.extend_from_slice(expires);
        message.extend(ip.map(octets).unwrap_or_default());
        message.extend_from_slice(parameters);
        Algorithm::Sha256.hash(Some(self.key.secret()), &message)
    }
}

/// The address as it is hashed: an IPv6 host changes its lower half at will.
fn octets(ip: IpAddr) -> Vec<u8> {
    match canonical(ip) {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        v6 @ IpAddr::V6(_) => IpPrefix::mask(v6, 64).octets(),
    }
}

/// The parameters of a query. None if one is there twice, or holds what separates them.
fn read(query: &[u8]) -> Option<Parameters> {
    let mut parameters = Parameters::new();
    for (name, value) in query::parameters(query).filter(|(name, _)| !name.is_empty()) {
        let name: Vec<u8> = percent_decode(name).collect();
        let value: Vec<u8> = percent_decode(value.unwrap_or_default()).collect();
        // What is hashed tells them apart by these.
        let holds_another = name.iter().any(|byte| b"&=".contains(byte)) || value.contains(&b'&');
        if holds_another || parameters.insert(name, value).is_some() {
            return None;
        }
    }
    Some(parameters)
}

fn joined(parameters: &Parameters) -> Vec<u8> {
    let written = parameters.iter().map(|(name, value)| [&name[..], b"=", &value[..]].concat());
    written.collect::<Vec<_>>().join(&b'&')
}

fn query_of(request: &[u8]) -> &[u8] {
    memchr::memchr(b'?', request).map_or(b"", |at| &request[at + 1..])
}

impl Scheme for Bunny {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn parameters(&self) -> Vec<&str> {
        match self.placement {
            Placement::Query => Self::PARAMETERS.to_vec(),
            Placement::Path { .. } => Vec::new(),
        }
    }

    fn scope(&self) -> Scope {
        self.scope
    }

    fn binding(&self) -> Binding {
        self.key.binding()
    }

    fn placement(&self) -> Placement {
        self.placement
    }

    /// The path that is hashed, and the query where that is hashed, too.
    fn signed_part<'t>(&self, target: &Target<'t>) -> Cow<'t, [u8]> {
        let path = match (self.scope, self.own.get(PATH.as_bytes())) {
            (Scope::File, _) => target.raw_path(),
            (_, None) => folder_of(target.raw_path()),
            (_, Some(path)) => path,
        };
        let query = match self.ignores_parameters {
            true => b"",
            false => query_of(target.raw_request()),
        };
        Cow::Owned([path, &[SEPARATOR], query].concat())
    }

    fn write_token(
        &self,
        signed: &[u8],
        expires: UnixTime,
        ip: Option<IpAddr>,
        out: &mut Vec<u8>,
    ) -> Result<(), SignError> {
        super::check_terms(self.key.binding(), expires, ip)?;
        let at = memchr::memchr(SEPARATOR, signed).unwrap_or(signed.len());
        let (path, query) = (&signed[..at], signed.get(at + 1..).unwrap_or_default());
        let twice = "its query holds a parameter twice, which Bunny refuses, or one with '&' in it";
        let mut parameters = read(query).ok_or(SignError::NoPlace(twice))?;
        let mut own = self.own.clone();
        if self.scope != Scope::File {
            own.entry(PATH.into()).or_insert_with(|| path.to_vec());
        }
        for (name, value) in &own {
            if parameters.insert(name.clone(), value.clone()).is_some() {
                let name = String::from_utf8_lossy(name).into_owned();
                return Err(SignError::AlreadySigned(name));
            }
        }
        let expires = expires.to_string();
        let hash = self.hash(path, expires.as_bytes(), ip, &joined(&parameters));
        let name = match self.placement {
            Placement::Query => TOKEN,
            Placement::Path { .. } => IN_PATH,
        };
        out.extend_from_slice(name.as_bytes());
        out.push(b'=');
        out.extend_from_slice(PREFIX);
        if ip.is_some() {
            out.extend_from_slice(BOUND);
        }
        Output::Base64url.write(&hash, out);
        for (name, value) in &own {
            out.push(b'&');
            out.extend_from_slice(name);
            out.push(b'=');
            out.extend(percent_encode(value, ESCAPED).flat_map(str::bytes));
        }
        out.extend_from_slice(format!("&{EXPIRES}={expires}").as_bytes());
        Ok(())
    }

    fn may_shift_path(&self) -> bool {
        self.scope == Scope::File
    }

    fn verify(&self, presented: &Presented<'_>, now: UnixTime) -> Result<Valid, Refusal> {
        let malformed = Refusal::MalformedToken;
        let twice = malformed("a parameter stands there twice, or holds another");
        let mut path = presented.target().raw_path().to_vec();
        let mut parameters = match self.placement {
            Placement::Query => read(presented.query.unwrap_or_default()).ok_or(twice)?,
            Placement::Path { after, .. } => {
                let missing = || Refusal::Missing(IN_PATH.into());
                let (taken, rest) = without_token(&path, after, 1).ok_or_else(missing)?;
                let mut parameters = read(taken[0]).ok_or_else(|| twice.clone())?;
                path = rest;
                for (name, value) in read(presented.query.unwrap_or_default()).ok_or(twice)? {
                    if parameters.contains_key(&name) {
                        return Err(malformed("a parameter stands in path and query"));
                    }
                    parameters.insert(name, value);
                }
                parameters
            }
        };
        let name = match self.placement {
            Placement::Query => TOKEN,
            Placement::Path { .. } => IN_PATH,
        };
        let mut take = |name: &'static str| {
            let value = parameters.remove(name.as_bytes()).filter(|value| !value.is_empty());
            value.ok_or_else(|| Refusal::Missing(name.into()))
        };
        let (token, expires_text) = (take(name)?, take(EXPIRES)?);
        let expires = MomentText::Decimal.read(&expires_text).ok_or(Refusal::MalformedExpiry)?;
        if !MomentText::Decimal.has_usual_length(&expires_text) {
            return Err(SHIFTED);
        }
        let hash = token.strip_prefix(PREFIX).ok_or(malformed("it does not begin with HS256-"))?;
        let (hash, is_bound) = match hash.strip_prefix(BOUND) {
            // 43 characters of a hash could begin with "1-", too.
            Some(rest) if hash.len() > 43 => (rest, true),
            _ => (hash, false),
        };
        let hash = Output::Base64url.read(hash).filter(|hash| hash.len() == 32);
        let hash = hash.ok_or(malformed("it is no hash of the right length"))?;
        let ip = match (is_bound, self.key.binding()) {
            (true, _) => Some(presented.ip.ok_or(Refusal::NoClientAddress)?),
            (false, Binding::Plain) => None,
            (false, Binding::Ip) => return Err(Refusal::OtherClient),
        };
        if parameters.get(IGNORE.as_bytes()).is_some_and(|value| value == b"true") {
            parameters.retain(|name, _| [IGNORE, PATH].iter().any(|kept| name == kept.as_bytes()));
        }
        let signed = parameters.get(PATH.as_bytes()).unwrap_or(&path);
        if !bool::from(self.hash(signed, &expires_text, ip, &joined(&parameters)).ct_eq(&hash)) {
            return Err(Refusal::WrongToken);
        }
        if let Some(prefix) = parameters.get(PATH.as_bytes()) {
            let raw_is_below = path.starts_with(prefix);
            // As servers resolve it: `/a/../b` is not below `/a/`.
            let resolved = ResourcePath::parse(&path).ok();
            let resolved = resolved.filter(|path| path.as_bytes().starts_with(&decoded(prefix)));
            if !raw_is_below || resolved.is_none() {
                return Err(Refusal::NotCovered);
            }
        }
        let asks = |name: &str| parameters.contains_key(name.as_bytes());
        let unchecked = (asks(COUNTRIES) || asks(BLOCKED)).then_some("the client's country");
        check_expiry(expires, now)?;
        Ok(Valid { unchecked, ..Valid::until(expires, &hash) })
    }
}

fn decoded(path: &[u8]) -> Vec<u8> {
    percent_decode(path).collect()
}
