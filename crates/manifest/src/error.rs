//! Why a manifest was not compiled or rendered. Every error has its place in the input.

use thiserror::Error;

use crate::Role;
use crate::dash::timeline::is_too_many;

/// Why bytes are no manifest that can be served. Nothing of such a document is passed on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The document does not begin as a manifest does.
    #[error(
        "not a manifest: an HLS playlist begins with #EXTM3U, the element of a DASH manifest is MPD"
    )]
    NotAManifest,
    /// The document is a manifest in UTF-16, which no specification allows.
    #[error("the manifest is written in UTF-16; HLS and DASH manifests are UTF-8")]
    Utf16,
    /// An XML document is not well-formed, or holds what a manifest may not: declarations of
    /// entities, too many levels.
    #[error("line {line} (byte {offset}): the XML is refused: {problem}")]
    Xml {
        /// Line number, from 1.
        line: usize,
        /// Byte offset of what is wrong.
        offset: usize,
        /// What is wrong.
        problem: String,
    },
    /// The document is longer than [`crate::Limits::max_bytes`].
    #[error("the manifest has {bytes} bytes or more; limits.max_manifest_bytes = {limit}")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A line is longer than [`crate::Limits::max_line_bytes`].
    #[error("line {line} (byte {offset}) has more than limits.max_line_bytes = {limit}")]
    LineTooLong {
        /// Line number, from 1.
        line: usize,
        /// Byte offset of the line.
        offset: usize,
        /// The limit.
        limit: usize,
    },
    /// There are more lines than [`crate::Limits::max_lines`].
    #[error("the manifest has more than limits.max_lines = {limit}")]
    TooManyLines {
        /// The limit.
        limit: usize,
    },
    /// There are more URIs than [`crate::Limits::max_uris`].
    #[error("line {line}: more than limits.max_uris = {limit} URIs")]
    TooManyUris {
        /// Line number of the first one too many, from 1.
        line: usize,
        /// The limit.
        limit: usize,
    },
    /// The elements of an XML document take more memory than [`crate::Limits::max_result_bytes`] and
    /// [`crate::Limits::result_bytes_per_byte`] allow.
    #[error(
        "line {line}: its elements take more than {limit} bytes of memory; limits.max_result_bytes, limits.result_bytes_per_byte"
    )]
    TooManyElements {
        /// Line number of the first one too many, from 1.
        line: usize,
        /// The limit.
        limit: usize,
    },
    /// A JSON document breaks the grammar of RFC 8259, or is nested too deeply.
    #[error("line {line} (byte {offset}): the JSON is malformed: {problem}")]
    Json {
        /// Line number, from 1.
        line: usize,
        /// Byte offset of what is wrong, or of the byte before it.
        offset: usize,
        /// What is wrong.
        problem: String,
    },
    /// Players take different names or values: one EXT-X-DEFINE has several of NAME, IMPORT and
    /// QUERYPARAM, or several of VALUE (RFC 8216bis section 4.4.2.3).
    #[error(
        "line {line} (byte {offset}): EXT-X-DEFINE has more than one of NAME, IMPORT and QUERYPARAM, or of VALUE, of which players take different ones; write one tag for each variable"
    )]
    AmbiguousDefinition {
        /// Line number, from 1.
        line: usize,
        /// Byte offset of the tag.
        offset: usize,
    },
    /// A playlist holds a character that ends a line for some players alone: VT, FF, NEL, U+2028 or
    /// U+2029. RFC 8216bis section 4.1 knows CR and LF.
    #[error(
        "line {line} (byte {offset}): a character (VT, FF, NEL, U+2028 or U+2029) that ends a line for some players alone; remove it from the playlist"
    )]
    OtherLineEnd {
        /// Line number, from 1.
        line: usize,
        /// Byte offset of the character.
        offset: usize,
    },
    /// A quoted value does not end on its line.
    #[error("line {line} (byte {offset}): a quoted value of {tag} has no end")]
    UnterminatedQuote {
        /// Line number, from 1.
        line: usize,
        /// Byte offset of the opening quote.
        offset: usize,
        /// The tag's name.
        tag: String,
    },
}

/// Why one URI must not leave as it is and could not be delivered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RefuseReason {
    /// The reference does not resolve to a URL.
    #[error("it is not a valid URI reference")]
    BadReference,
    /// Players differ in how they read it: a backslash, a control character, a scheme without a host.
    #[error(
        "players read it differently: it holds a backslash or a control character, or a scheme without two slashes and a host"
    )]
    Ambiguous,
    /// It already holds a parameter that would be added, and a verifier takes the first.
    #[error("it already holds the parameter '{0}'; set existing_token = \"replace\" to drop it")]
    ExistingToken(String),
    /// The URL is on a known host and outside the prefix that the route may deliver.
    #[error("it lies outside what the route may deliver")]
    OutsideRoute,
    /// The URL is on a host that the route does not name, and the route refuses such hosts.
    #[error(
        "it names a host that the route does not allow; add the host to allow_hosts, or set third_party = \"keep\""
    )]
    ForeignHost,
    /// A key's name is not one of those that tell the route a key, so that more than its own token would
    /// open it.
    #[error(
        "the route delivers keys apart, and this key is not named as keys are; add its name to the list keys.names, which replaces the default [\"*.key\", \"key*.bin\"]"
    )]
    KeyNotNamed,
    /// What is no key is named as a key of the route is, so that its token would not open it.
    #[error(
        "it is no key, and named as keys of the route are, which their own tokens alone open; make keys.names narrower, or give it another name"
    )]
    NamedAsKey,
    /// Its token would open what the session's profile leaves out, too.
    #[error(
        "a token for it would open what the profile leaves out, or may do so; keep qualities in folders of their own, or sign file by file (the route's grant = \"file\", the CDN's scope = \"file\"), or set the profile's profile_scope = \"advisory\""
    )]
    OpensLeftOut,
    /// A value looks like a protected URI, in a place that is not known to carry one.
    #[error("it looks like a protected URI, in a place that is not known to carry one")]
    Unclassified,
    /// The text that would be written cannot stand unquoted in an attribute.
    #[error("the signed URL cannot stand there without quotes")]
    NeedsQuotes,
    /// It uses a variable of which players take different values.
    #[error(
        "the variable '{0}' is defined more than once, or by a value that holds a variable, which players read differently; define it once, with its value written out"
    )]
    AmbiguousVariable(String),
    /// It uses a variable that no EXT-X-DEFINE before it defines, or whose value did not come.
    #[error("the variable {{${0}}} is not defined")]
    UndefinedVariable(String),
    /// Its host or path would be chosen by the viewer, through a QUERYPARAM variable.
    #[error("the variable {{${0}}} comes from the viewer's query and may stand in a query alone")]
    ViewersVariable(String),
    /// A pathway clone sends every URI of another pathway to this host, with its token.
    #[error("it would send URIs and their tokens to the host '{0}', where they cannot be signed")]
    ReplacesHost(String),
    /// A pathway clone sets, on every URI of another pathway, a parameter that bears a token.
    #[error("it would overwrite the parameter '{0}', which bears a token")]
    ReplacesParameter(String),
    /// A variable takes its value from a parameter that bears a token.
    #[error("it takes the parameter '{0}', which bears a token, out of the playlist's own URL")]
    TokenParameter(String),
    /// The URL goes on with request headers for the player, as IPTV lists write them.
    #[error("it goes on with headers for the player (url|Name=value), which cannot be signed")]
    PlayerHeaders,
    /// A template needs a token for each segment and cannot be written out as a list of segments.
    #[error("it needs a token for each segment, and cannot be written out: {0}")]
    NotExpandable(String),
    /// Its URL depends on a Representation that is not known here.
    #[error("it depends on a Representation that is not in this document")]
    NeedsRepresentation,
    /// There are more combinations of alternative base URLs than anybody needs.
    #[error("it has more than {0} combinations of alternative base URLs")]
    TooManyBases(usize),
    /// The URI is longer than [`crate::Limits::max_uri_bytes`] with its variables and identifiers filled
    /// in.
    #[error(
        "with its variables and identifiers filled in it has {bytes} bytes or more; limits.max_uri_bytes = {limit}"
    )]
    UriTooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Planning takes more steps than [`crate::Limits::max_steps`] and
    /// [`crate::Limits::steps_per_byte`] allow.
    #[error(
        "planning the manifest up to here takes more than {limit} steps; limits.max_steps, limits.steps_per_byte"
    )]
    TooMuchWork {
        /// The limit.
        limit: usize,
    },
    /// The templates stand for more text than [`crate::Limits::max_expanded_bytes`].
    #[error("its segments, written out, have more than limits.max_expanded_bytes = {limit}")]
    TooMuchWrittenOut {
        /// The limit.
        limit: usize,
    },
    /// No token could be made for it.
    #[error("no token could be made for it: {0}")]
    Unsignable(String),
}

/// Why a manifest was not rendered. There is no output then.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RenderError {
    /// A URI was refused. The reference itself is not shown: it may hold a token.
    #[error("line {line} (byte {offset}), {carrier}, {role}: {reason}")]
    Refused {
        /// Line number, from 1.
        line: usize,
        /// Byte offset of the reference in the source.
        offset: usize,
        /// The tag, with its attribute, or `URI line`.
        carrier: String,
        /// What the URI is.
        role: Role,
        /// Why it was refused.
        reason: RefuseReason,
    },
    /// A profile leaves out all that there is, or every picture.
    #[error("the profile leaves nothing to play")]
    NothingLeft,
    /// The text would be longer than [`crate::Limits::max_result_bytes`] and
    /// [`crate::Limits::result_bytes_per_byte`] allow.
    #[error(
        "the rendered manifest would have more than {limit} bytes; limits.max_result_bytes, limits.result_bytes_per_byte"
    )]
    TooLong {
        /// The limit.
        limit: usize,
    },
}

/// Offsets have 32 bits, which no key changes.
const MOST_BYTES: usize = u32::MAX as usize;

/// The keys of the bounds on a result.
const RESULT_BYTES: &[&str] = &["max_result_bytes", "result_bytes_per_byte"];

impl CompileError {
    /// The keys of [`crate::Limits::by_key`] with which it would be compiled if they were higher.
    #[must_use]
    pub const fn limits(&self) -> &'static [&'static str] {
        match self {
            Self::TooLong { limit: MOST_BYTES, .. }
            | Self::TooManyElements { limit: MOST_BYTES, .. } => &[],
            Self::TooLong { .. } => &["max_manifest_bytes"],
            Self::LineTooLong { .. } => &["max_line_bytes"],
            Self::TooManyLines { .. } => &["max_lines"],
            Self::TooManyUris { .. } => &["max_uris"],
            Self::TooManyElements { .. } => RESULT_BYTES,
            Self::NotAManifest
            | Self::Utf16
            | Self::Xml { .. }
            | Self::Json { .. }
            | Self::AmbiguousDefinition { .. }
            | Self::OtherLineEnd { .. }
            | Self::UnterminatedQuote { .. } => &[],
        }
    }
}

impl RefuseReason {
    /// The keys of [`crate::Limits::by_key`] with which it would not be refused if they were higher.
    #[must_use]
    pub fn limits(&self) -> &'static [&'static str] {
        match self {
            Self::UriTooLong { .. } => &["max_uri_bytes"],
            Self::TooMuchWork { .. } => &["max_steps", "steps_per_byte"],
            Self::TooMuchWrittenOut { .. } => &["max_expanded_bytes"],
            Self::NotExpandable(reason) if is_too_many(reason) => &["max_expanded_segments"],
            _ => &[],
        }
    }
}

impl RenderError {
    /// The keys of [`crate::Limits::by_key`] with which it would be rendered if they were higher.
    #[must_use]
    pub fn limits(&self) -> &'static [&'static str] {
        match self {
            Self::Refused { reason, .. } => reason.limits(),
            Self::TooLong { limit: MOST_BYTES } | Self::NothingLeft => &[],
            Self::TooLong { .. } => RESULT_BYTES,
        }
    }
}
