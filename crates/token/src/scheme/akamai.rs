//! Akamai's EdgeAuth token 2.0: fields joined by `~`, with an HMAC at the end.
//!
//! `[ip=I~][st=S~]exp=E~[acl=A~][id=SESSION~][data=PAYLOAD~]hmac=H`, where H is of all fields before
//! it and then of `~url=PATH` for a token of one URL and of `~salt=SALT` if there is one; these two
//! are not written. The key is hexadecimal. Source: akamai/EdgeAuth-Token-Python.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use subtle::ConstantTimeEq as _;

use super::kind::{field, moment, switch, value_error};
use super::{Presented, Refusal, Scheme, Scope, SignError, Target, Valid, check_expiry, wildcard};
use crate::ip::canonical;
use crate::layout::digest::{Algorithm, KeyText, Output, read_hex};
use crate::layout::moment::MomentText;
use crate::layout::scheme::Secret;
use crate::path::folder_of;
use crate::{Binding, CdnKey, SchemeError, UnixTime, query};

/// The scheme with its key, scope and fields.
#[derive(Clone, Debug)]
pub struct Akamai {
    binding: Binding,
    secret: Secret,
    scope: Scope,
    algorithm: Algorithm,
    parameter: String,
    start: Option<UnixTime>,
    acl: Option<String>,
    session: String,
    payload: String,
    salt: Secret,
    escapes: bool,
}

/// A token, taken apart. The texts are as they are written.
#[derive(Default)]
struct Shown<'t> {
    ip: Option<&'t [u8]>,
    start: Option<&'t [u8]>,
    expires: Option<&'t [u8]>,
    acl: Option<&'t [u8]>,
}

impl Akamai {
    /// The scheme's name.
    pub const NAME: &'static str = "akamai";
    /// The parameter that the token stands in, unless `parameter` names another.
    pub const DEFAULT_PARAMETER: &'static str = "hdnts";
    /// Its fields, each with its default.
    pub const FIELDS: &'static [(&'static str, &'static str)] = &[
        ("parameter", Self::DEFAULT_PARAMETER),
        ("algorithm", "sha256"),
        ("acl", ""),
        ("start", ""),
        ("id", ""),
        ("data", ""),
        ("salt", ""),
        ("escape", "false"),
    ];

    /// Signs and verifies with `key`, which is hexadecimal. With [`Scope::Tree`] a token is for the
    /// access list `{folder}*`, or for that of the field `acl`.
    ///
    /// # Errors
    /// [`SchemeError`] for a key that is not hexadecimal, and for values that fields cannot have.
    pub fn new(
        key: &CdnKey,
        scope: Scope,
        fields: &BTreeMap<String, String>,
    ) -> Result<Self, SchemeError> {
        let of = |name| field(fields, Self::FIELDS, name);
        let secret = KeyText::Hex
            .read(key.secret())
            .filter(|bytes| !bytes.is_empty())
            .ok_or_else(|| SchemeError::KeyText(Self::NAME.to_owned(), "hexadecimal"))?;
        let algorithm = match of("algorithm") {
            "sha256" => Algorithm::Sha256,
            "sha1" => Algorithm::Sha1,
            "md5" => Algorithm::Md5,
            _ => return Err(value_error("algorithm", "it is sha256, sha1 or md5")),
        };
        let parameter = of("parameter");
        if parameter.is_empty()
            || !parameter.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        {
            return Err(value_error("parameter", "it is made of letters, digits and '_'"));
        }
        let start = moment("start", of("start"))?;
        let acl = Some(of("acl")).filter(|acl| !acl.is_empty());
        if acl.is_some() && scope == Scope::File {
            return Err(value_error("acl", "a token of one file has none: take scope tree"));
        }
        let escapes = switch("escape", of("escape"))?;
        for name in ["acl", "id", "data"] {
            let is_escaped = escapes && name != "acl";
            let fits = |byte: u8| {
                let is_escape = byte == b'%' && name != "acl";
                is_escaped
                    || (byte.is_ascii_graphic()
                        && !is_escape
                        && !matches!(byte, b'~' | b'&' | b'#'))
            };
            if !of(name).bytes().all(fits) {
                return Err(value_error(
                    name,
                    "spaces and the characters ~ & # % cannot stand in it; the field escape = true \
                     escapes those of id and data",
                ));
            }
        }
        Ok(Self {
            binding: key.binding(),
            secret: Secret::new(secret),
            scope,
            algorithm,
            parameter: parameter.to_owned(),
            start,
            acl: acl.map(str::to_owned),
            session: of("id").to_owned(),
            payload: of("data").to_owned(),
            salt: Secret::new(of("salt").as_bytes().to_vec()),
            escapes,
        })
    }

    /// The HMAC of the fields as they are written, and of what is hashed alone.
    fn hash(&self, body: &[u8], url: Option<&[u8]>) -> Vec<u8> {
        let mut message = body.to_vec();
        if let Some(url) = url {
            message.extend_from_slice(b"~url=");
            message.extend_from_slice(&self.escaped(url));
        }
        if !self.salt.bytes().is_empty() {
            message.extend_from_slice(b"~salt=");
            message.extend_from_slice(self.salt.bytes());
        }
        self.algorithm.hash(Some(self.secret.bytes()), &message)
    }

    /// The text as the field `escape` wants it.
    fn escaped<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        if self.escapes { Cow::Owned(escape(text)) } else { Cow::Borrowed(text) }
    }
}

/// As Akamai's Python library does: spaces as `+`, lower-case digits.
fn escape(text: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(text.len());
    for &byte in text {
        match byte {
            b' ' => escaped.push(b'+'),
            b'_' | b'.' | b'-' | b'~' => escaped.push(byte),
            byte if byte.is_ascii_alphanumeric() => escaped.push(byte),
            byte => escaped.extend_from_slice(format!("%{byte:02x}").as_bytes()),
        }
    }
    escaped
}

fn read(body: &[u8]) -> Option<Shown<'_>> {
    let mut shown = Shown::default();
    for field in body.split(|&byte| byte == b'~') {
        let equals = memchr::memchr(b'=', field)?;
        let (name, value) = (&field[..equals], &field[equals + 1..]);
        let place = match name {
            b"ip" => &mut shown.ip,
            b"st" => &mut shown.start,
            b"exp" => &mut shown.expires,
            b"acl" => &mut shown.acl,
            _ => continue,
        };
        // Two of a name: nobody knows which of them the edge takes.
        if place.replace(value).is_some() {
            return None;
        }
    }
    Some(shown)
}

impl Scheme for Akamai {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn parameters(&self) -> Vec<&str> {
        vec![&self.parameter]
    }

    fn scope(&self) -> Scope {
        self.scope
    }

    fn binding(&self) -> Binding {
        self.binding
    }

    fn signed_part<'t>(&self, target: &Target<'t>) -> Cow<'t, [u8]> {
        match (self.scope, &self.acl) {
            (Scope::File, _) => Cow::Borrowed(target.raw_path()),
            (_, Some(acl)) => Cow::Owned(acl.clone().into_bytes()),
            (_, None) => Cow::Owned([folder_of(target.raw_path()), b"*"].concat()),
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
        let mut fields = Vec::new();
        if let Some(ip) = ip {
            let ip = canonical(ip).to_string();
            fields.push([b"ip=", &*self.escaped(ip.as_bytes())].concat());
        }
        if let Some(start) = self.start {
            fields.push(format!("st={start}").into_bytes());
        }
        fields.push(format!("exp={expires}").into_bytes());
        if self.scope != Scope::File {
            let folder = signed.strip_suffix(b"*").unwrap_or(signed);
            if self.acl.is_none() && folder.iter().any(|byte| b"*?!~".contains(byte)) {
                let why = "its path holds one of * ? ! ~, which access lists read otherwise";
                return Err(SignError::NoPlace(why));
            }
            fields.push([b"acl=", signed].concat());
        }
        for (name, value) in [("id=", &self.session), ("data=", &self.payload)] {
            if !value.is_empty() {
                fields.push([name.as_bytes(), &self.escaped(value.as_bytes())].concat());
            }
        }
        let body = fields.join(&b'~');
        let url = (self.scope == Scope::File).then_some(signed);
        let hash = self.hash(&body, url);
        out.extend_from_slice(self.parameter.as_bytes());
        out.push(b'=');
        out.extend_from_slice(&body);
        out.extend_from_slice(b"~hmac=");
        Output::Hex.write(&hash, out);
        Ok(())
    }

    fn verify(&self, presented: &Presented<'_>, now: UnixTime) -> Result<Valid, Refusal> {
        let token = query::first(presented.query.unwrap_or_default(), &self.parameter);
        let token = token.filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| Refusal::Missing(self.parameter.clone().into()))?;
        let malformed = Refusal::MalformedToken;
        let at = memchr::memmem::rfind(token, b"~hmac=").ok_or(malformed("it has no hmac"))?;
        let (body, hash) = (&token[..at], &token[at + b"~hmac=".len()..]);
        let hash = read_hex(hash).filter(|hash| hash.len() == self.algorithm.len());
        let hash = hash.ok_or(malformed("its hmac is no hash of the right length"))?;
        let shown = read(body).ok_or(malformed("its fields cannot be told apart"))?;
        let path = presented.target().raw_path();
        let url = shown.acl.is_none().then_some(path);
        if !bool::from(self.hash(body, url).ct_eq(&hash)) {
            return Err(Refusal::WrongToken);
        }
        if let Some(acl) = shown.acl {
            // Of the path as servers resolve it: `/live/../vod/` is not below `/live/`.
            let is_open =
                |pattern: &[u8]| wildcard::fits(&decoded(pattern), presented.path.as_bytes());
            if !acl.split(|&byte| byte == b'!').any(is_open) {
                return Err(Refusal::NotCovered);
            }
        }
        match (shown.ip, presented.ip) {
            (None, _) if self.binding == Binding::Plain => {}
            // A key for bound links lets no other in.
            (None, _) => return Err(Refusal::OtherClient),
            (Some(_), None) => return Err(Refusal::NoClientAddress),
            (Some(bound), Some(ip)) => {
                let ip = canonical(ip).to_string();
                if bound != &*self.escaped(ip.as_bytes()) {
                    return Err(Refusal::OtherClient);
                }
            }
        }
        let read = |text| MomentText::Decimal.read(text).ok_or(Refusal::MalformedExpiry);
        let expires = read(shown.expires.ok_or_else(|| Refusal::Missing("exp".into()))?)?;
        if let Some(start) = shown.start.map(read).transpose()?
            && now < start
        {
            return Err(Refusal::NotYetValid { in_secs: start.0 - now.0 });
        }
        check_expiry(expires, now)?;
        Ok(Valid::until(expires, &hash))
    }
}

/// A pattern with its escapes decoded; such as would be read as a wildcard stays.
fn decoded(pattern: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first == b'%'
            && let Some((pair, after)) = rest.split_at_checked(2)
            && let Some([byte]) = read_hex(pair).as_deref()
            && !b"*?".contains(byte)
        {
            decoded.push(*byte);
            rest = after;
        } else {
            decoded.push(first);
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn akamai(scope: Scope, fields: &[(&str, &str)]) -> Akamai {
        let key = CdnKey::plain("k", b"52a152a152a152a152a152a152a1");
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Akamai::new(&key, scope, &fields.collect()).unwrap()
    }

    fn hmac(scheme: &Akamai, signed: &str) -> String {
        let mut token = Vec::new();
        let (expires, ip) = (UnixTime(1_800_000_000), None);
        scheme.write_token(signed.as_bytes(), expires, ip, &mut token).unwrap();
        String::from_utf8(token).unwrap().rsplit_once("~hmac=").unwrap().1.to_owned()
    }

    /// Computed with Akamai's own Python library, which takes URLs that no `Link` holds.
    #[test]
    fn urls_are_hashed_as_they_are_or_escaped() {
        let url = "/live/a b/master.m3u8?x=1";
        let start = ("start", "1700000000");
        for (fields, expected) in [
            (vec![start], "393c35258fffceb71e16071e69b492c7a75783988228acc97f5aa5f99abe9ebf"),
            (
                vec![start, ("escape", "true")],
                "18ab1c32eec536b1a028fab744192adb76ff0b0c6f068e03001dfe695d5431c2",
            ),
        ] {
            assert_eq!(hmac(&akamai(Scope::File, &fields), url), expected);
        }
    }

    #[test]
    fn an_access_list_opens_what_it_names_and_no_path_that_leaves_it() {
        let scheme = akamai(Scope::Tree, &[("acl", "/live/*!/vod/a%20b/*")]);
        let mut token = Vec::new();
        let far = UnixTime(1_800_000_000);
        let acl = b"/live/*!/vod/a%20b/*";
        scheme.write_token(acl, far, None, &mut token).unwrap();
        let opens = |raw: &str| {
            let path = crate::ResourcePath::parse(raw.as_bytes()).unwrap();
            let (url, query) = (raw.as_bytes(), Some(&token[..]));
            let presented = Presented { path: &path, url, query, ip: None };
            scheme.verify(&presented, UnixTime(1_700_000_000))
        };
        for raw in ["/live/a/b.ts", "/vod/a%20b/1.ts"] {
            assert!(opens(raw).is_ok(), "{raw}");
        }
        for raw in ["/live/../secret.ts", "/live/%2e%2e/secret.ts", "/other"] {
            assert_eq!(opens(raw), Err(Refusal::NotCovered), "{raw}");
        }
    }

    #[test]
    fn values_that_no_token_can_hold_are_refused() {
        let key = || CdnKey::plain("k", b"52a1");
        for (name, value) in [
            ("id", "a b"),
            ("id", "a~b"),
            ("algorithm", "sha512"),
            ("escape", "yes"),
            ("start", "soon"),
            ("parameter", "a-b"),
        ] {
            let fields = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            let error = Akamai::new(&key(), Scope::Tree, &fields).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
        let not_hex = Akamai::new(&CdnKey::plain("k", b"secret"), Scope::File, &BTreeMap::new());
        assert!(matches!(not_hex, Err(SchemeError::KeyText(..))));
    }
}
