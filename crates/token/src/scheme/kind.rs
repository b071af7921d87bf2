//! Schemes by name: the way from a configuration or a command line to a [`Scheme`].

use std::collections::BTreeMap;
use std::sync::Arc;

use thiserror::Error;

use super::akamai::Akamai;
use super::bunny::Bunny;
use super::cloudfront::CloudFront;
use super::nginx_secret::NginxSecret;
use crate::ip::{IpForm, IpText};
use crate::layout::moment::MomentText;
use crate::{CdnKey, Gcore, Layout, LayoutScheme, Scheme, Scope, UnixTime};

/// A scheme without its key.
#[derive(Clone, Debug)]
pub enum SchemeKind {
    /// [`Gcore`].
    Gcore,
    /// [`NginxSecret`].
    NginxSecret,
    /// [`Akamai`].
    Akamai,
    /// [`Bunny`].
    Bunny,
    /// [`CloudFront`].
    CloudFront,
    /// Any other, as data.
    Layout(Layout),
}

/// What goes with a key; whatever is absent is as the scheme has it.
#[derive(Clone, Debug, Default)]
pub struct SchemeOptions {
    /// What each token opens.
    pub scope: Option<Scope>,
    /// How the client's address is written.
    pub ip: Option<IpForm>,
    /// How long a token lives from its issue, in seconds, for schemes that write that moment.
    pub ttl_secs: Option<u64>,
    /// Fields of the scheme's own.
    pub fields: BTreeMap<String, String>,
    /// Whether keys that are shorter or longer than the CDN takes are let through.
    pub any_key_len: bool,
}

/// Why a scheme does not go with a key, a scope or values.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SchemeError {
    /// Its tokens cannot open that.
    #[error("tokens of '{name}' cannot open a {scope}; there is: {known}")]
    Scope {
        /// The scheme's name.
        name: String,
        /// What was asked for.
        scope: Scope,
        /// What there is.
        known: String,
    },
    /// Its message has no place for an address.
    #[error("tokens of '{0}' cannot be bound to an address")]
    NoBinding(String),
    /// The key is too short or too long.
    #[error("a key of '{name}' has {min} to {max} characters, and this one has {len}")]
    KeyLen {
        /// The scheme's name.
        name: String,
        /// The shortest.
        min: usize,
        /// The longest.
        max: usize,
        /// How many this one has.
        len: usize,
    },
    /// The key's text is not what the scheme decodes.
    #[error("a key of '{0}' is written in {1}, and this one is not")]
    KeyText(String, &'static str),
    /// There is no such field.
    #[error("'{name}' has no field '{field}'; {known}")]
    NoField {
        /// The scheme's name.
        name: String,
        /// What was asked for.
        field: String,
        /// What there is, in words.
        known: String,
    },
    /// A field has a value that it cannot have.
    #[error("the field '{field}': {problem}")]
    FieldValue {
        /// The field.
        field: String,
        /// What is wrong.
        problem: String,
    },
    /// The scheme writes addresses in one way.
    #[error("'{0}' writes addresses in its own way")]
    NoIpForm(String),
    /// The scheme writes an expiry.
    #[error("'{0}' writes when a token ends, not when it was made")]
    NoTtl(String),
}

/// How many characters Gcore's keys have.
const GCORE_KEY_CHARS: (usize, usize) = (6, 32);

// === impl SchemeKind ===

impl SchemeKind {
    /// The scheme of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|kind| kind.name() == name)
    }

    /// All schemes that this crate knows.
    pub fn all() -> impl Iterator<Item = Self> {
        let in_code = [Self::Gcore, Self::NginxSecret, Self::Akamai, Self::Bunny, Self::CloudFront];
        // Gcore's layout serves `explain`; the scheme itself is written in code.
        let layouts = Layout::builtins().filter(|layout| layout.name() != Gcore::NAME);
        in_code.into_iter().chain(layouts.map(Self::Layout))
    }

    /// Its name, as configurations write it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Gcore => Gcore::NAME,
            Self::NginxSecret => NginxSecret::NAME,
            Self::Akamai => Akamai::NAME,
            Self::Bunny => Bunny::NAME,
            Self::CloudFront => CloudFront::NAME,
            Self::Layout(layout) => layout.name(),
        }
    }

    /// Its name for people.
    #[must_use]
    pub fn title(&self) -> &str {
        match self {
            Self::Gcore => "Gcore CDN secure token",
            Self::NginxSecret => "nginx secure_link_secret",
            Self::Akamai => "Akamai EdgeAuth 2.0",
            Self::Bunny => "Bunny.net advanced token, HS256",
            Self::CloudFront => "Amazon CloudFront signed URLs",
            Self::Layout(layout) => layout.title(),
        }
    }

    /// What its tokens can open, the default first.
    #[must_use]
    pub fn scopes(&self) -> &[Scope] {
        match self {
            Self::Gcore => &[Scope::File, Scope::Directory],
            Self::NginxSecret => &[Scope::File],
            Self::Akamai | Self::Bunny | Self::CloudFront => &[Scope::File, Scope::Tree],
            Self::Layout(layout) => layout.scopes(),
        }
    }

    /// What manifests are best signed with: a token for each directory, or what comes nearest.
    #[must_use]
    pub fn widest_scope(&self) -> Scope {
        let wide = [Scope::Directory, Scope::Tree].into_iter();
        wide.into_iter().find(|scope| self.scopes().contains(scope)).unwrap_or(Scope::File)
    }

    /// The fields of its own, each with its default.
    #[must_use]
    pub fn fields(&self) -> Vec<(&str, &str)> {
        match self {
            Self::Gcore | Self::NginxSecret => Vec::new(),
            Self::Akamai => Akamai::FIELDS.to_vec(),
            Self::Bunny => Bunny::FIELDS.to_vec(),
            Self::CloudFront => CloudFront::FIELDS.to_vec(),
            Self::Layout(layout) => {
                layout.fields().iter().map(|(name, value)| (&name[..], &value[..])).collect()
            }
        }
    }

    /// The query parameters that its tokens stand in, with its fields as they are by default.
    #[must_use]
    pub fn parameters(&self) -> Vec<&str> {
        match self {
            Self::Gcore => Gcore::PARAMETERS.to_vec(),
            Self::NginxSecret => Vec::new(),
            Self::Akamai => vec![Akamai::DEFAULT_PARAMETER],
            Self::Bunny => Bunny::PARAMETERS.to_vec(),
            Self::CloudFront => CloudFront::PARAMETERS.to_vec(),
            Self::Layout(layout) => layout.parameters(),
        }
    }

    /// The scheme with its key.
    ///
    /// # Errors
    /// [`SchemeError`] if key, scope, fields and the rest do not go together.
    pub fn with_key(
        &self,
        key: CdnKey,
        options: &SchemeOptions,
    ) -> Result<Arc<dyn Scheme>, SchemeError> {
        let scope = self.scope(options.scope)?;
        self.check_fields(&options.fields)?;
        let name = || self.name().to_owned();
        match self {
            Self::Gcore | Self::Layout(_) => {}
            _ if options.ip.is_some() => return Err(SchemeError::NoIpForm(name())),
            _ => {}
        }
        if options.ttl_secs.is_some() && !matches!(self, Self::Layout(layout) if layout.is_issue())
        {
            return Err(SchemeError::NoTtl(name()));
        }
        let fields = &options.fields;
        Ok(match self {
            Self::Gcore => {
                if !options.any_key_len {
                    check_key_len(Gcore::NAME, &key, GCORE_KEY_CHARS)?;
                }
                Arc::new(Gcore::new(key, scope).ip_form(options.ip.unwrap_or_default()))
            }
            Self::NginxSecret => Arc::new(NginxSecret::new(key)?),
            Self::Akamai => Arc::new(Akamai::new(&key, scope, fields)?),
            Self::Bunny => Arc::new(Bunny::new(key, scope, fields)?),
            Self::CloudFront => Arc::new(CloudFront::new(&key, scope, fields)?),
            Self::Layout(layout) => {
                let mut scheme = LayoutScheme::new(layout.clone(), key, scope)?;
                if !options.any_key_len {
                    scheme.check_key_len()?;
                }
                if let Some(form) = options.ip {
                    if layout.writes_ip() && form.text == IpText::Octets {
                        let problem = "the address stands in the URL, which cannot hold octets";
                        return Err(value_error("ip_form", problem));
                    }
                    scheme = scheme.ip_form(form);
                }
                if let Some(ttl_secs) = options.ttl_secs {
                    scheme = scheme.ttl_secs(ttl_secs);
                }
                for (name, value) in fields {
                    scheme = scheme.field(name, value)?;
                }
                Arc::new(scheme)
            }
        })
    }

    fn scope(&self, wanted: Option<Scope>) -> Result<Scope, SchemeError> {
        let scopes = self.scopes();
        // Every scheme has one.
        let scope = wanted.or_else(|| scopes.first().copied()).unwrap_or(Scope::File);
        if scopes.contains(&scope) {
            return Ok(scope);
        }
        let known: Vec<_> = scopes.iter().map(Scope::to_string).collect();
        Err(SchemeError::Scope { name: self.name().to_owned(), scope, known: known.join(", ") })
    }

    fn check_fields(&self, given: &BTreeMap<String, String>) -> Result<(), SchemeError> {
        let fields = self.fields();
        let is_known = |field: &str| fields.iter().any(|(known, _)| *known == field);
        let Some(unknown) = given.keys().find(|field| !is_known(field)) else { return Ok(()) };
        let names: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
        Err(SchemeError::NoField {
            name: self.name().to_owned(),
            field: unknown.clone(),
            known: match names.is_empty() {
                true => "it has none".to_owned(),
                false => format!("there is: {}", names.join(", ")),
            },
        })
    }
}

/// Whether a key has as many characters as its CDN asks for.
pub(crate) fn check_key_len(
    name: &str,
    key: &CdnKey,
    (min, max): (usize, usize),
) -> Result<(), SchemeError> {
    match key.secret().len() {
        len if (min..=max).contains(&len) => Ok(()),
        len => Err(SchemeError::KeyLen { name: name.to_owned(), min, max, len }),
    }
}

/// A field's value, or its default. The names are checked before.
pub(super) fn field<'f>(
    given: &'f BTreeMap<String, String>,
    known: &'f [(&str, &str)],
    name: &str,
) -> &'f str {
    let default = known.iter().find(|(known, _)| *known == name).map(|(_, default)| *default);
    given.get(name).map(String::as_str).or(default).unwrap_or_default()
}

/// A field that is a moment, or empty.
pub(super) fn moment(name: &str, value: &str) -> Result<Option<UnixTime>, SchemeError> {
    if value.is_empty() {
        return Ok(None);
    }
    let moment = MomentText::Decimal.read(value.as_bytes());
    moment.map(Some).ok_or_else(|| value_error(name, "it is Unix time"))
}

/// A field that says yes or no.
pub(super) fn switch(name: &str, value: &str) -> Result<bool, SchemeError> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(value_error(name, "it is true or false")),
    }
}

pub(super) fn value_error(field: &str, problem: impl Into<String>) -> SchemeError {
    SchemeError::FieldValue { field: field.to_owned(), problem: problem.into() }
}
