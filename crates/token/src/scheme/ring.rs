//! Several keys for one purpose: which of them signs at a moment, and which are accepted.

use std::sync::Arc;

use super::{Presented, Refusal, Scheme, SignError, Valid};
use crate::{Binding, KeyId, UnixTime};

/// When a key signs, and until when it is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPeriod {
    /// It signs from this moment on, until a newer key does. Accepted it is before, too, so that
    /// machines whose clocks or configurations differ understand each other.
    pub active_from: UnixTime,
    /// From this moment on it is neither signed with nor accepted.
    pub retired_from: Option<UnixTime>,
}

/// One key of a ring, in its scheme.
#[derive(Clone, Debug)]
pub struct RingKey {
    /// The key's name.
    pub id: KeyId,
    /// Signs and verifies with it.
    pub scheme: Arc<dyn Scheme>,
    /// When it does.
    pub period: KeyPeriod,
}

/// The keys of one purpose, all of one kind of scheme.
///
/// The newest that is active signs; all that are not retired are accepted. A rotation is two changes
/// of a configuration: a key is added, and the old one taken out.
#[derive(Clone, Debug)]
pub struct SchemeRing {
    keys: Vec<RingKey>,
    /// Whose name, parameters, placement and scope stand for all.
    first: Arc<dyn Scheme>,
    opens: Opens,
}

/// What a ring's tokens are taken for where they are verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Opens {
    /// What the scheme's scope says.
    #[default]
    Scope,
    /// The file, or else its directory.
    Either,
    /// The directory for files of these extensions, the one file for all others.
    DirectoryOf(Vec<String>),
}

// === impl KeyPeriod ===

impl KeyPeriod {
    /// Always.
    pub const ALWAYS: Self = Self { active_from: UnixTime(0), retired_from: None };

    /// Whether a token of the key is accepted.
    #[must_use]
    pub fn is_accepted(&self, now: UnixTime) -> bool {
        self.retired_from.is_none_or(|retired| now < retired)
    }

    /// Whether the key may sign.
    #[must_use]
    pub fn is_active(&self, now: UnixTime) -> bool {
        self.active_from <= now && self.is_accepted(now)
    }

    /// The one of `periods` that signs: the newest that is active, of equals the first.
    pub(crate) fn signing<'p>(
        periods: impl Iterator<Item = &'p Self>,
        now: UnixTime,
    ) -> Option<usize> {
        let active = periods.enumerate().filter(|(_, period)| period.is_active(now));
        active
            .max_by_key(|(at, period)| (period.active_from, std::cmp::Reverse(*at)))
            .map(|(at, _)| at)
    }
}

// === impl SchemeRing ===

impl SchemeRing {
    /// A ring of one key, for ever.
    #[must_use]
    pub fn of(scheme: Arc<dyn Scheme>) -> Self {
        let key =
            RingKey { id: KeyId::new(""), scheme: Arc::clone(&scheme), period: KeyPeriod::ALWAYS };
        Self { keys: vec![key], first: scheme, opens: Opens::Scope }
    }

    /// A ring of these keys. None if there is no key.
    #[must_use]
    pub fn new(keys: Vec<RingKey>) -> Option<Self> {
        let first = Arc::clone(&keys.first()?.scheme);
        Some(Self { keys, first, opens: Opens::Scope })
    }

    /// The same with further keys.
    #[must_use]
    pub fn with(mut self, further: Vec<RingKey>) -> Self {
        self.keys.extend(further);
        self
    }

    /// What tokens are taken for where they are verified. Other scopes than the scheme's own are
    /// for schemes that [`Scheme::with_scope`] knows how to make.
    #[must_use]
    pub fn opens(mut self, opens: Opens) -> Self {
        self.opens = opens;
        self
    }

    /// The keys, in the order in which they were given.
    #[must_use]
    pub fn keys(&self) -> &[RingKey] {
        &self.keys
    }

    /// A scheme of the ring, for what does not depend on the key: name, parameters, placement,
    /// scope, and what of a URL is signed.
    #[must_use]
    pub fn scheme(&self) -> &Arc<dyn Scheme> {
        &self.first
    }

    /// Whether tokens are bound to the client's address.
    #[must_use]
    pub fn binding(&self) -> Binding {
        self.first.binding()
    }

    /// The key that signs at this moment.
    ///
    /// # Errors
    /// [`SignError::NoActiveKey`].
    pub fn signing(&self, now: UnixTime) -> Result<&RingKey, SignError> {
        let at = KeyPeriod::signing(self.keys.iter().map(|key| &key.period), now);
        at.and_then(|at| self.keys.get(at)).ok_or(SignError::NoActiveKey)
    }

    /// Decides whether a request is let in, by any key that is not retired.
    ///
    /// # Errors
    /// [`Refusal`]: of several the one of a token that is right and over, or else the first.
    pub fn verify(&self, presented: &Presented<'_>, now: UnixTime) -> Result<Valid, Refusal> {
        let mut refusal = None;
        for key in self.keys.iter().filter(|key| key.period.is_accepted(now)) {
            for scheme in self.read_as(&key.scheme, presented) {
                match scheme.verify(presented, now) {
                    Ok(valid) => return Ok(valid),
                    Err(new @ Refusal::Expired { .. }) => refusal = Some(new),
                    Err(new) => {
                        refusal.get_or_insert(new);
                    }
                }
            }
        }
        Err(refusal.unwrap_or(Refusal::WrongToken))
    }

    /// The HTTP status with which the CDN refuses.
    #[must_use]
    pub fn status(&self, refusal: &Refusal) -> u16 {
        self.first.status(refusal)
    }

    /// The schemes by which one key's token may open the request.
    fn read_as(&self, scheme: &Arc<dyn Scheme>, presented: &Presented<'_>) -> Vec<Arc<dyn Scheme>> {
        use super::Scope::{Directory, File};
        let of = |scope| scheme.with_scope(scope).unwrap_or_else(|| Arc::clone(scheme));
        match &self.opens {
            Opens::Scope => vec![Arc::clone(scheme)],
            Opens::Either => vec![of(File), of(Directory)],
            Opens::DirectoryOf(extensions) => {
                let path = presented.path.as_bytes();
                let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
                let dot = memchr::memrchr(b'.', name);
                let extension = dot.map_or(&b""[..], |dot| &name[dot + 1..]);
                let is_named = |known: &String| extension.eq_ignore_ascii_case(known.as_bytes());
                vec![of(if extensions.iter().any(is_named) { Directory } else { File })]
            }
        }
    }
}

impl From<Arc<dyn Scheme>> for SchemeRing {
    fn from(scheme: Arc<dyn Scheme>) -> Self {
        Self::of(scheme)
    }
}
