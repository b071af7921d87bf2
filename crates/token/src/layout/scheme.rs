//! A layout with a key: a scheme.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::template::{Field, Template};
use super::{Layout, Parts, PathForm, Place};
use crate::ip::IpForm;
use crate::scheme::kind::check_key_len;
use crate::scheme::{Placement, Target};
use crate::scheme::{check_client, check_terms};
use crate::{
    Binding, CdnKey, PathError, Presented, Refusal, ResourcePath, Scheme, SchemeError, Scope,
    SignError, UnixTime, Valid, query,
};

/// The scheme that a [`Layout`] describes.
#[derive(Clone, Debug)]
pub struct LayoutScheme {
    layout: Layout,
    key: CdnKey,
    /// The key's bytes.
    secret: Secret,
    scope: Scope,
    ttl_secs: u64,
    ip: IpForm,
    /// The values of the layout's own fields.
    own: Vec<String>,
}

/// A key's bytes, which never print.
#[derive(Clone)]
pub(crate) struct Secret(Zeroizing<Vec<u8>>);

/// What a request shows, taken apart.
pub(crate) struct Shown<'r> {
    pub(crate) token: &'r [u8],
    pub(crate) time: &'r [u8],
    pub(crate) ttl: Option<&'r [u8]>,
    pub(crate) own: Vec<Cow<'r, str>>,
    /// The path without the token.
    pub(crate) target: Target<'r>,
}

/// What is hashed beside the key.
#[derive(Clone, Copy)]
pub(crate) struct Hashed<'h> {
    pub(crate) signed: &'h [u8],
    pub(crate) time: &'h [u8],
    pub(crate) ttl: &'h [u8],
    pub(crate) ip: &'h [u8],
    pub(crate) own: &'h [Cow<'h, str>],
}

impl LayoutScheme {
    /// Signs and verifies with `key`; tokens open `scope`.
    ///
    /// # Errors
    /// [`SchemeError`] if they do not go together. The length of the key is another matter:
    /// [`Self::check_key_len`].
    pub fn new(layout: Layout, key: CdnKey, scope: Scope) -> Result<Self, SchemeError> {
        let parts = layout.parts();
        let name = || parts.name.clone();
        if !parts.scopes.contains(&scope) {
            let known: Vec<_> = parts.scopes.iter().map(Scope::to_string).collect();
            return Err(SchemeError::Scope { name: name(), scope, known: known.join(", ") });
        }
        if key.binding() == Binding::Ip && !parts.binds_ip() {
            return Err(SchemeError::NoBinding(name()));
        }
        let written = match parts.key {
            super::KeyText::Text => "text",
            super::KeyText::Hex => "hexadecimal",
            super::KeyText::Base64 => "base64",
        };
        let secret = parts.key.read(key.secret());
        let secret = Secret::new(secret.ok_or_else(|| SchemeError::KeyText(name(), written))?);
        let own = parts.fields.iter().map(|(_, default)| default.clone()).collect();
        let (ttl_secs, ip) = (parts.time.ttl_secs, parts.ip);
        Ok(Self { layout, key, secret, scope, ttl_secs, ip, own })
    }

    /// Whether the key has as many characters as the CDN asks for.
    ///
    /// # Errors
    /// [`SchemeError::KeyLen`].
    pub fn check_key_len(&self) -> Result<(), SchemeError> {
        let parts = self.layout.parts();
        parts.key_chars.map_or(Ok(()), |chars| check_key_len(&parts.name, &self.key, chars))
    }

    /// How long a token lives from its issue, for layouts that write that moment.
    #[must_use]
    pub fn ttl_secs(mut self, ttl_secs: u64) -> Self {
        self.ttl_secs = ttl_secs;
        self
    }

    /// How the client's address is written.
    #[must_use]
    pub fn ip_form(mut self, ip: IpForm) -> Self {
        self.ip = ip;
        self
    }

    /// Sets a field of the layout's own.
    ///
    /// # Errors
    /// [`SchemeError::NoField`], [`SchemeError::FieldValue`].
    pub fn field(mut self, name: &str, value: &str) -> Result<Self, SchemeError> {
        let fields = &self.layout.parts().fields;
        let Some(at) = fields.iter().position(|(known, _)| known == name) else {
            let names: Vec<_> = fields.iter().map(|(name, _)| &name[..]).collect();
            return Err(SchemeError::NoField {
                name: self.name().to_owned(),
                field: name.to_owned(),
                known: format!("there is: {}", names.join(", ")),
            });
        };
        if !value.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            let problem = "it may hold letters and digits alone".to_owned();
            return Err(SchemeError::FieldValue { field: name.to_owned(), problem });
        }
        value.clone_into(&mut self.own[at]);
        Ok(self)
    }

    /// How an address is written.
    pub(crate) const fn written_form(&self) -> IpForm {
        self.ip
    }

    /// How long a token lives from its issue, unless the URL says otherwise.
    pub(crate) const fn default_ttl_secs(&self) -> u64 {
        self.ttl_secs
    }

    /// The layout.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The key in use.
    #[must_use]
    pub const fn key(&self) -> &CdnKey {
        &self.key
    }

    pub(crate) fn parts(&self) -> &Parts {
        self.layout.parts()
    }

    pub(crate) fn written_ip(&self, ip: Option<IpAddr>) -> Vec<u8> {
        ip.map(|ip| self.ip.write(ip)).unwrap_or_default()
    }

    /// The hash of `message`, which is the layout's or what somebody may have taken for it.
    pub(crate) fn hash(&self, message: &Template, hashed: &Hashed<'_>) -> Vec<u8> {
        let Hashed { signed, time, ttl, ip, own } = *hashed;
        let value = |field: Field, out: &mut Vec<u8>| match field {
            Field::Path => out.extend_from_slice(signed),
            Field::Segment(number) => {
                let segment = signed.split(|&byte| byte == b'/').nth(number);
                out.extend_from_slice(segment.unwrap_or_default());
            }
            Field::Time => out.extend_from_slice(time),
            Field::Ttl => out.extend_from_slice(ttl),
            Field::Ip => out.extend_from_slice(ip),
            Field::Secret => out.extend_from_slice(self.secret.bytes()),
            Field::Own(at) => {
                let value = own.get(at).map(|value| value.as_bytes());
                out.extend_from_slice(value.unwrap_or_default());
            }
            Field::Token => {}
        };
        // Sized at once, so that no copy of the secret is left behind by growing.
        let own_len: usize = own.iter().map(|value| value.len()).sum();
        let len = 2 * (signed.len() + time.len() + ttl.len() + ip.len() + own_len)
            + 2 * self.secret.bytes().len()
            + 256;
        let mut filled = Zeroizing::new(Vec::with_capacity(len));
        message.fill(&value, &mut filled);
        let key = self.parts().hmac.then_some(self.secret.bytes());
        self.parts().algorithm.hash(key, &filled)
    }

    fn write_placed(&self, token: &[u8], time: &[u8], ttl: &[u8], ip: &[u8], out: &mut Vec<u8>) {
        let value = |field: Field, out: &mut Vec<u8>| match field {
            Field::Token => out.extend_from_slice(token),
            Field::Time => out.extend_from_slice(time),
            Field::Ttl => out.extend_from_slice(ttl),
            Field::Ip => out.extend_from_slice(ip),
            Field::Own(at) => out.extend_from_slice(self.own[at].as_bytes()),
            Field::Path | Field::Segment(_) | Field::Secret => {}
        };
        let is_absent = |field: &Field| {
            let mut filled = Vec::new();
            value(*field, &mut filled);
            filled.is_empty()
        };
        match &self.parts().place {
            Place::Query(parameters) => {
                let start = out.len();
                for (name, template) in parameters {
                    if template.fields().iter().any(is_absent) {
                        continue;
                    }
                    if out.len() > start {
                        out.push(b'&');
                    }
                    out.extend_from_slice(name.as_bytes());
                    out.push(b'=');
                    template.fill(&value, out);
                }
            }
            Place::Path { segments, .. } => {
                for (at, template) in segments.iter().enumerate() {
                    if at > 0 {
                        out.push(b'/');
                    }
                    template.fill(&value, out);
                }
            }
        }
    }

    // === Reading ===

    /// Finds the token; `holds` says what may stand in the value of a field.
    pub(crate) fn read<'r>(
        &self,
        presented: &Presented<'r>,
        rest: &'r mut Option<(ResourcePath, Vec<u8>)>,
        holds: &dyn Fn(Field, u8) -> bool,
    ) -> Result<Shown<'r>, Refusal> {
        let mut values = Vec::new();
        let mut target = presented.target();
        match &self.parts().place {
            Place::Query(parameters) => {
                let shown = presented.query.unwrap_or_default();
                for (name, template) in parameters {
                    let value = query::first(shown, name).unwrap_or_default();
                    if value.is_empty() {
                        if template.fields().iter().all(|field| self.may_be_absent(*field)) {
                            continue;
                        }
                        return Err(Refusal::Missing(name.clone().into()));
                    }
                    values.extend(apart(template, value, holds)?);
                }
            }
            Place::Path { after, segments } => {
                let Some((taken, path)) = without_token(target.raw_path(), *after, segments.len())
                else {
                    return Err(Refusal::Missing("token".into()));
                };
                for (segment, template) in taken.into_iter().zip(segments) {
                    values.extend(apart(template, segment, holds)?);
                }
                let decoded = ResourcePath::parse(&path);
                let decoded = decoded.map_err(|_: PathError| MALFORMED_PATH)?;
                let (path, url) = &*rest.insert((decoded, path));
                target = Target { path, url };
            }
        }
        let value = |wanted: Field| {
            values.iter().find(|(field, _)| *field == wanted).map(|(_, value)| *value)
        };
        let own = (0..self.own.len())
            .map(|at| String::from_utf8_lossy(value(Field::Own(at)).unwrap_or_default()));
        Ok(Shown {
            token: value(Field::Token).ok_or_else(|| Refusal::Missing("token".into()))?,
            time: value(Field::Time).unwrap_or_default(),
            ttl: value(Field::Ttl),
            own: own.collect(),
            target,
        })
    }

    /// The last good second of a token that says `moment` and, perhaps, how long it lives.
    pub(crate) fn last_second(&self, moment: UnixTime, ttl: u64, says_ttl: bool) -> UnixTime {
        let time = self.parts().time;
        let expires = match (time.is_issue, ttl) {
            // nginx-hmac-secure-link: no end.
            (true, 0) if says_ttl => UnixTime(u64::MAX),
            (true, ttl) => moment.saturating_add(ttl),
            (false, _) => moment,
        };
        if time.over_at_expiry { expires.saturating_sub(1) } else { expires }
    }

    fn may_be_absent(&self, field: Field) -> bool {
        match field {
            Field::Ip => true,
            Field::Own(at) => self.parts().fields[at].1.is_empty(),
            _ => false,
        }
    }
}

/// Where path, time and what follows are hashed without a mark between, `/a1` until 790000000 and `/a` until
/// 1790000000 are one token. For one path, times of one length leave one way to read it; of paths see
/// [`Scheme::may_shift_path`].
pub(crate) const SHIFTED: Refusal =
    Refusal::MalformedToken("its time has another number of digits than today's");

/// How far the clock of whoever makes tokens may be ahead.
const MOST_SKEW_SECS: u64 = 300;

const MALFORMED_PATH: Refusal = Refusal::MalformedToken("the path cannot be read without it");

fn apart<'r>(
    template: &Template,
    value: &'r [u8],
    holds: &dyn Fn(Field, u8) -> bool,
) -> Result<Vec<(Field, &'r [u8])>, Refusal> {
    let malformed = Refusal::MalformedToken("it has another arrangement than the layout");
    template.take_apart(value, holds).ok_or(malformed)
}

/// The token's segments, and the path without them. None for too few segments, or such as servers
/// resolve: nobody knows then which of them are the first.
pub(crate) fn without_token(
    raw: &[u8],
    after: usize,
    count: usize,
) -> Option<(Vec<&[u8]>, Vec<u8>)> {
    let segments: Vec<&[u8]> = raw.strip_prefix(b"/")?.split(|&byte| byte == b'/').collect();
    let is_resolved = |segment: &&[u8]| matches!(*segment, b"" | b"." | b"..");
    let (_, folders) = segments.split_last()?;
    if segments.len() <= after + count || folders.iter().any(is_resolved) {
        return None;
    }
    let taken = segments[after..after + count].to_vec();
    let mut rest = Vec::with_capacity(raw.len());
    for segment in segments[..after].iter().chain(&segments[after + count..]) {
        rest.push(b'/');
        rest.extend_from_slice(segment);
    }
    Some((taken, rest))
}

impl Scheme for LayoutScheme {
    fn name(&self) -> &str {
        self.layout.name()
    }

    fn parameters(&self) -> Vec<&str> {
        self.layout.parameters()
    }

    fn scope(&self) -> Scope {
        self.scope
    }

    fn binding(&self) -> Binding {
        self.key.binding()
    }

    fn placement(&self) -> Placement {
        match self.parts().place {
            Place::Query(_) => Placement::Query,
            Place::Path { after, ref segments } => {
                Placement::Path { after, segments: segments.len() }
            }
        }
    }

    fn signed_part<'t>(&self, target: &Target<'t>) -> Cow<'t, [u8]> {
        let path = match self.parts().form {
            PathForm::Decoded => target.path.as_bytes(),
            PathForm::Raw => target.raw_path(),
        };
        let slash = |count: usize| {
            let mut slashes = memchr::memchr_iter(b'/', path);
            slashes.nth(count)
        };
        let end = match (self.scope, self.parts().tree_segments) {
            (Scope::File, _) => path.len(),
            (Scope::Tree, Some(count)) => slash(count).map_or(path.len(), |at| at + 1),
            (Scope::Directory | Scope::Tree, _) => {
                memchr::memrchr(b'/', path).map_or(path.len(), |at| at + 1)
            }
        };
        let mut part = &path[..end];
        if let Some(name) = &self.parts().drop_last_segment
            && let Some(slash) = memchr::memrchr(b'/', part)
            && let Some(rest) = part[slash + 1..].strip_prefix(name.as_bytes())
            && (rest.is_empty() || rest.starts_with(b"="))
        {
            part = &part[..slash];
        }
        let extension = |name: &String| {
            let part = part.strip_suffix(name.as_bytes())?;
            part.strip_suffix(b".")
        };
        if self.scope == Scope::File
            && let Some(stem) = self.parts().strip_extensions.iter().find_map(extension)
        {
            return Cow::Borrowed(stem);
        }
        let is_cut = self.scope != Scope::File && !self.parts().has_last_slash;
        Cow::Borrowed(if is_cut { part.strip_suffix(b"/").unwrap_or(part) } else { part })
    }

    fn write_token(
        &self,
        signed: &[u8],
        expires: UnixTime,
        ip: Option<IpAddr>,
        out: &mut Vec<u8>,
    ) -> Result<(), SignError> {
        let has_end = self.parts().message.fields().contains(&Field::Time);
        match has_end {
            true => check_terms(self.key.binding(), expires, ip)?,
            false => check_client(self.key.binding(), ip)?,
        }
        let parts = self.parts();
        let moment =
            if parts.time.is_issue { expires.saturating_sub(self.ttl_secs) } else { expires };
        let time = match has_end {
            true => parts.time.text.write(moment).filter(|_| moment.0 > 0),
            false => Some(String::new()),
        };
        let time = time.ok_or(SignError::BadExpiry)?;
        let (ttl, ip) = (self.ttl_secs.to_string(), self.written_ip(ip));
        let own: Vec<_> = self.own.iter().map(|value| Cow::Borrowed(value.as_str())).collect();
        let time = time.as_bytes();
        let hashed = Hashed { signed, time, ttl: ttl.as_bytes(), ip: &ip, own: &own };
        let hash = self.hash(&parts.message, &hashed);
        let mut token = Vec::new();
        parts.output.write(&hash, &mut token);
        self.write_placed(&token, time, ttl.as_bytes(), &ip, out);
        Ok(())
    }

    fn verify(&self, presented: &Presented<'_>, now: UnixTime) -> Result<Valid, Refusal> {
        let mut rest = None;
        // The borrow of what is left of the path ends with this call.
        let parts = self.parts();
        let shown = self.read(presented, &mut rest, &|field, byte| parts.holds(field, byte))?;
        let has_time = parts.message.fields().contains(&Field::Time);
        let moment = match has_time {
            true => parts.time.text.read(shown.time).ok_or(Refusal::MalformedExpiry)?,
            false => UnixTime(u64::MAX),
        };
        if parts.time_may_shift && !parts.time.text.has_usual_length(shown.time) {
            return Err(SHIFTED);
        }
        let ttl = match shown.ttl {
            Some(text) => {
                let secs = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
                secs.ok_or(Refusal::MalformedExpiry)?
            }
            None => self.ttl_secs,
        };
        let hash = parts.output.read(shown.token);
        let hash = hash.filter(|hash| hash.len() == parts.algorithm.len());
        let hash = hash.ok_or(Refusal::MalformedToken("it is no hash of the right length"))?;
        let ip = match self.key.binding() {
            Binding::Plain => None,
            Binding::Ip => Some(presented.ip.ok_or(Refusal::NoClientAddress)?),
        };
        let ttl_text = shown.ttl.map_or_else(|| ttl.to_string().into_bytes(), <[u8]>::to_vec);
        let signed = self.signed_part(&shown.target);
        let ip = self.written_ip(ip);
        let hashed =
            Hashed { signed: &signed, time: shown.time, ttl: &ttl_text, ip: &ip, own: &shown.own };
        let right = self.hash(&parts.message, &hashed);
        if !bool::from(right.ct_eq(&hash)) {
            return Err(Refusal::WrongToken);
        }
        if parts.time_may_shift
            && parts.time.is_issue
            && moment > now.saturating_add(MOST_SKEW_SECS)
        {
            return Err(Refusal::NotYetValid { in_secs: moment.0 - now.0 });
        }
        let expires = self.last_second(moment, ttl, shown.ttl.is_some());
        crate::scheme::check_expiry(expires, now)?;
        Ok(Valid::until(expires, &right))
    }

    fn status(&self, refusal: &Refusal) -> u16 {
        match refusal {
            Refusal::Expired { .. } => self.parts().expired,
            _ => self.parts().refused,
        }
    }

    fn may_shift_path(&self) -> bool {
        let is_bound = self.key.binding() == Binding::Ip;
        let is_there = |field: Field| field != Field::Ip || is_bound;
        self.scope == Scope::File && self.parts().message.path_may_shift(&is_there)
    }

    fn lifetime_secs(&self) -> Option<u64> {
        self.layout.is_issue().then_some(self.ttl_secs)
    }

    fn with_scope(&self, scope: Scope) -> Option<Arc<dyn Scheme>> {
        let is_known = self.parts().scopes.contains(&scope);
        is_known.then(|| Arc::new(Self { scope, ..self.clone() }) as Arc<dyn Scheme>)
    }

    fn as_layout(&self) -> Option<LayoutScheme> {
        Some(self.clone())
    }
}

// === impl Secret ===

impl Secret {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}
