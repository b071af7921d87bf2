//! Layouts of CDN tokens as data: what is hashed, how it is written, and where it stands in the URL.
//!
//! A layout is a TOML file. Those of known CDNs are part of this crate ([`Layout::builtin`]); anybody
//! can write another.
//!
//! ```
//! use sluicegate_token::{CdnKey, Layout, LayoutScheme, Link, Scope, UnixTime};
//!
//! let layout = Layout::parse(
//!     r#"
//!     name = "example"
//!     title = "An example"
//!     source = "https://example.com/"
//!     algorithm = "sha256"
//!     message = "{secret}{path}{time}"
//!     output = "hex"
//!     scopes = ["file"]
//!     query = ["until={time}", "sign={token}"]
//!     "#,
//! )?;
//! let scheme = LayoutScheme::new(layout, CdnKey::plain("k", b"secret"), Scope::File)?;
//! let signed = Link::parse("/a.mp4")?.sign(&scheme, UnixTime(1_900_000_000), None)?;
//! assert!(signed.starts_with("/a.mp4?until=1900000000&sign="));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub(crate) mod digest;
pub(crate) mod moment;
pub(crate) mod raw;
pub(crate) mod scheme;
pub(crate) mod template;

use std::sync::{Arc, LazyLock};

use thiserror::Error;

use self::digest::{Algorithm, KeyText, Output};
use self::moment::MomentText;
use self::raw::PathForm;
use self::template::{Field, Template, TemplateError};
use crate::Scope;
use crate::ip::IpForm;

/// A layout, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout(Arc<Parts>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) source: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) hmac: bool,
    pub(crate) key: KeyText,
    pub(crate) key_chars: Option<(usize, usize)>,
    pub(crate) message: Template,
    /// Whether digits of the time could be those of a field beside it.
    pub(crate) time_may_shift: bool,
    pub(crate) output: Output,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) place: Place,
    pub(crate) form: PathForm,
    pub(crate) has_last_slash: bool,
    pub(crate) tree_segments: Option<usize>,
    pub(crate) strip_extensions: Vec<String>,
    pub(crate) drop_last_segment: Option<String>,
    pub(crate) time: Time,
    pub(crate) ip: IpForm,
    pub(crate) refused: u16,
    pub(crate) expired: u16,
    /// Name and default of each field of its own.
    pub(crate) fields: Vec<(String, String)>,
}

/// Where a token stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Parameters, each with its name.
    Query(Vec<(String, Template)>),
    /// Segments of the path behind the first ones.
    Path { after: usize, segments: Vec<Template> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time {
    pub(crate) is_issue: bool,
    pub(crate) ttl_secs: u64,
    pub(crate) text: MomentText,
    pub(crate) over_at_expiry: bool,
}

/// Why a text is no layout.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// It is no TOML, or not of the shape of a layout.
    #[error("{0}")]
    Shape(String),
    /// A template is broken.
    #[error("{key} = \"{text}\", {error}")]
    Template {
        /// The key that the template is the value of.
        key: String,
        /// The template.
        text: String,
        /// What is wrong, and where.
        error: TemplateError,
    },
    /// A value does not go with the others.
    #[error("{key}: {problem}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong.
        problem: String,
    },
}

/// The files that are part of the crate.
const BUILTIN: &[&str] = &[
    include_str!("../layouts/gcore.toml"),
    include_str!("../layouts/gcore-streaming.toml"),
    include_str!("../layouts/gcore-mp4.toml"),
    include_str!("../layouts/nginx.toml"),
    include_str!("../layouts/nginx-hmac.toml"),
    include_str!("../layouts/keycdn.toml"),
    include_str!("../layouts/cdn77.toml"),
    include_str!("../layouts/cdn77-path.toml"),
    include_str!("../layouts/onapp.toml"),
    include_str!("../layouts/bunny-basic.toml"),
    include_str!("../layouts/fastly.toml"),
    include_str!("../layouts/cloudflare.toml"),
    include_str!("../layouts/alibaba-a.toml"),
    include_str!("../layouts/alibaba-b.toml"),
    include_str!("../layouts/alibaba-c.toml"),
    include_str!("../layouts/alibaba-c-query.toml"),
];

/// How long a token lives from its issue, where neither layout nor caller says.
const DEFAULT_TTL_SECS: u64 = 1800;

// === impl Layout ===

impl Layout {
    /// Reads and checks a layout.
    ///
    /// # Errors
    /// [`LayoutError`] with the place.
    pub fn parse(text: &str) -> Result<Self, LayoutError> {
        let raw: raw::Layout =
            toml::from_str(text).map_err(|error| LayoutError::Shape(error.to_string()))?;
        check(raw).map(|parts| Self(Arc::new(parts)))
    }

    /// Checks a layout that stands in another document of TOML.
    ///
    /// # Errors
    /// [`LayoutError`].
    pub fn from_table(table: toml::Table) -> Result<Self, LayoutError> {
        let raw: raw::Layout = table
            .try_into()
            .map_err(|error: toml::de::Error| LayoutError::Shape(error.to_string()))?;
        check(raw).map(|parts| Self(Arc::new(parts)))
    }

    /// The layouts that are part of this crate.
    ///
    /// # Panics
    /// Never: a test reads them all.
    pub fn builtins() -> impl Iterator<Item = Self> {
        static READ: LazyLock<Vec<Layout>> = LazyLock::new(|| {
            let read = |text: &&str| Layout::parse(text).expect("a test reads every one");
            BUILTIN.iter().map(read).collect()
        });
        READ.iter().cloned()
    }

    /// The one of this name among them.
    #[must_use]
    pub fn builtin(name: &str) -> Option<Self> {
        Self::builtins().find(|layout| layout.name() == name)
    }

    /// The file of the one of this name among them.
    #[must_use]
    pub fn builtin_text(name: &str) -> Option<&'static str> {
        Self::builtins()
            .zip(BUILTIN)
            .find(|(layout, _)| layout.name() == name)
            .map(|(_, &text)| text)
    }

    /// Its name, as configurations write it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its name for people.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.0.title
    }

    /// Where it is described.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// What its tokens can open, the default first.
    #[must_use]
    pub fn scopes(&self) -> &[Scope] {
        &self.0.scopes
    }

    /// The query parameters that its tokens stand in.
    #[must_use]
    pub fn parameters(&self) -> Vec<&str> {
        match &self.0.place {
            Place::Query(parameters) => parameters.iter().map(|(name, _)| &name[..]).collect(),
            Place::Path { .. } => Vec::new(),
        }
    }

    /// Whether its tokens say when they were made, rather than when they end.
    #[must_use]
    pub fn is_issue(&self) -> bool {
        self.0.time.is_issue
    }

    /// Whether its tokens say how long they live.
    #[must_use]
    pub fn writes_lifetime(&self) -> bool {
        self.places(Field::Ttl)
    }

    /// Whether its tokens hold the client's address, for people.
    pub(crate) fn writes_ip(&self) -> bool {
        self.places(Field::Ip)
    }

    fn places(&self, field: Field) -> bool {
        let templates = match &self.0.place {
            Place::Query(parameters) => parameters.iter().map(|(_, value)| value).collect(),
            Place::Path { segments, .. } => segments.iter().collect::<Vec<_>>(),
        };
        templates.iter().any(|template| template.fields().contains(&field))
    }

    /// The fields of its own, each with its default.
    #[must_use]
    pub fn fields(&self) -> &[(String, String)] {
        &self.0.fields
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.0
    }
}

impl Parts {
    /// Whether the client's address can be in the hash.
    pub(crate) fn binds_ip(&self) -> bool {
        self.message.fields().contains(&Field::Ip)
    }

    /// What may stand in the value of a field in a URL.
    pub(crate) fn holds(&self, field: Field, byte: u8) -> bool {
        match field {
            Field::Token => self.output.holds(byte),
            Field::Time => self.time.text.holds(byte),
            Field::Ttl => byte.is_ascii_digit(),
            Field::Ip => byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':' | b'/'),
            Field::Path | Field::Segment(_) | Field::Secret => false,
            Field::Own(_) => byte.is_ascii_alphanumeric(),
        }
    }
}

// === Checking ===

fn check(raw: raw::Layout) -> Result<Parts, LayoutError> {
    let wrong =
        |key: &'static str, problem: &str| LayoutError::Value { key, problem: problem.to_owned() };
    if raw.name.is_empty() || !raw.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err(wrong("name", "it is made of letters, digits and '-'"));
    }
    let own: Vec<String> = raw.fields.keys().cloned().collect();
    let template = |key: &str, text: &str| {
        Template::parse(text, &own).map_err(|error| LayoutError::Template {
            key: key.to_owned(),
            text: text.to_owned(),
            error,
        })
    };
    let message = template("message", &raw.message)?;
    let fields = message.fields();
    if fields.contains(&Field::Token) {
        return Err(wrong("message", "the hash cannot hold itself: {token} belongs to the URL"));
    }
    if !raw.hmac && !fields.contains(&Field::Secret) {
        return Err(wrong(
            "message",
            "without {secret}, or hmac = true, anybody could make tokens",
        ));
    }
    let place = match (raw.query, raw.path) {
        (Some(parameters), None) => {
            let parameter = |text: &String| {
                let (name, value) = text
                    .split_once('=')
                    .filter(|(name, _)| !name.is_empty())
                    .ok_or_else(|| wrong("query", "a parameter is written name=value"))?;
                Ok((name.to_owned(), template("query", value)?))
            };
            Place::Query(parameters.iter().map(parameter).collect::<Result<_, LayoutError>>()?)
        }
        (None, Some(path)) => {
            let segments = path.segments.split('/');
            let segments = segments.map(|segment| template("path.segments", segment));
            Place::Path { after: path.after, segments: segments.collect::<Result<_, _>>()? }
        }
        _ => return Err(wrong("query", "give either query or [path]")),
    };
    let scopes: Vec<Scope> = raw
        .scopes
        .iter()
        .map(|scope| match scope {
            raw::ScopeName::File => Scope::File,
            raw::ScopeName::Directory => Scope::Directory,
            raw::ScopeName::Tree => Scope::Tree,
        })
        .collect();
    if scopes.is_empty() {
        return Err(wrong("scopes", "name at least one of file, directory and tree"));
    }
    let says_path = fields.iter().any(|field| matches!(field, Field::Path | Field::Segment(_)));
    if !says_path {
        return Err(wrong("message", "without {path} or {segment.N} a token opens everything"));
    }
    if message.segments_touch() {
        return Err(wrong(
            "message",
            "of two segments side by side nobody can tell where one ends",
        ));
    }
    if raw.signed.no_last_slash && message.path_may_shift(&|_| true) {
        return Err(wrong(
            "message",
            "the folder has no slash at its end, and what is hashed right behind could be part of its name",
        ));
    }
    if raw.ip.v4_bits > 32 || raw.ip.v6_bits > 128 {
        return Err(wrong("ip", "v4_bits is at most 32, and v6_bits 128"));
    }
    let ip = IpForm { v4_bits: raw.ip.v4_bits, v6_bits: raw.ip.v6_bits, text: raw.ip.text };
    let time = Time {
        is_issue: raw.time.is_issue,
        ttl_secs: raw.time.ttl_secs.unwrap_or(DEFAULT_TTL_SECS),
        text: raw.time.text,
        over_at_expiry: raw.time.over_at_expiry,
    };
    let parts = Parts {
        name: raw.name,
        title: raw.title,
        source: raw.source,
        algorithm: raw.algorithm,
        hmac: raw.hmac,
        key: raw.key,
        key_chars: raw.key_chars.map(|chars| (chars.min, chars.max)),
        time_may_shift: message.time_may_shift(),
        message,
        output: raw.output,
        scopes,
        place,
        form: raw.signed.form,
        has_last_slash: !raw.signed.no_last_slash,
        tree_segments: raw.signed.tree_segments,
        strip_extensions: raw.signed.strip_extensions,
        drop_last_segment: raw.signed.drop_last_segment,
        time,
        ip,
        refused: raw.status.refused,
        expired: raw.status.expired,
        fields: raw.fields.into_iter().collect(),
    };
    check_place(&parts)?;
    Ok(parts)
}

/// Whoever verifies must find everything in the URL that the hash is of.
fn check_place(parts: &Parts) -> Result<(), LayoutError> {
    let (key, templates): (_, Vec<&Template>) = match &parts.place {
        Place::Query(parameters) => ("query", parameters.iter().map(|(_, value)| value).collect()),
        Place::Path { segments, .. } => ("path", segments.iter().collect()),
    };
    let wrong = |problem: String| LayoutError::Value { key, problem };
    let holds = |field, byte| parts.holds(field, byte);
    for template in &templates {
        template.check_apart(&holds).map_err(wrong)?;
    }
    let placed: Vec<Field> = templates.iter().flat_map(|template| template.fields()).collect();
    if placed.iter().filter(|field| **field == Field::Token).count() != 1 {
        return Err(wrong("{token} stands there once".to_owned()));
    }
    let is_hidden =
        |field: &Field| matches!(field, Field::Path | Field::Segment(_) | Field::Secret);
    if placed.iter().any(is_hidden) {
        return Err(wrong("path and secret have no place in a token".to_owned()));
    }
    let needed = parts
        .message
        .fields()
        .into_iter()
        .filter(|field| matches!(field, Field::Time | Field::Own(_)));
    for field in needed {
        if !placed.contains(&field) {
            return Err(wrong(format!(
                "the hash is of {field:?}, which a verifier must find in the URL"
            )));
        }
    }
    for (field, name) in [(Field::Time, "time"), (Field::Ttl, "ttl")] {
        if placed.contains(&field) && !parts.message.fields().contains(&field) {
            return Err(wrong(format!(
                "{{{name}}} is not in the message: anybody could change it"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_is_read_and_has_a_name_of_its_own() {
        let mut names: Vec<_> = Layout::builtins().map(|layout| layout.name().to_owned()).collect();
        assert_eq!(names.len(), BUILTIN.len());
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), BUILTIN.len());
    }

    const GOOD: &str = r#"
name = "x"
title = "X"
source = "https://example.com/"
algorithm = "md5"
message = "{secret}{path}{time}"
output = "hex"
scopes = ["file"]
query = ["t={time}", "h={token}"]
"#;

    #[test]
    fn a_broken_layout_is_refused_with_the_place() {
        assert!(Layout::parse(GOOD).is_ok());
        for (from, to, says) in [
            ("{path}", "{pth}", "character 9: {pth} is no field"),
            ("{path}", "", "a token opens everything"),
            ("{secret}", "", "anybody could make tokens"),
            ("h={token}", "h={token}{time}", "side by side"),
            ("h={token}", "h=1", "{token} stands there once"),
            ("\"t={time}\", ", "", "a verifier must find"),
            ("{path}{time}", "{path}", "anybody could change it"),
            ("{path}", "{segment.1}{segment.2}", "where one ends"),
            ("t={time}", "t={time}-{ttl}", "{ttl} is not in the message"),
            ("t={time}", "{time}", "written name=value"),
            ("\"md5\"", "\"md6\"", "line 5"),
            ("scopes = [\"file\"]", "scopes = []", "at least one"),
            ("name = \"x\"", "name = \"x y\"", "letters, digits"),
            ("output", "outptu = 1\noutput", "unknown field `outptu`"),
            ("h={token}", "h={token}a", "may stand in the value before it"),
            ("{secret}{path}", "{secret}{token}{path}", "cannot hold itself"),
        ] {
            let text = GOOD.replace(from, to);
            let error = Layout::parse(&text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}\n{error}");
        }
    }
}
