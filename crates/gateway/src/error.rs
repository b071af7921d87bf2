//! One error type, whose source decides the status, and one place that makes a response of it.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sluicegate_manifest::{CompileError, RefuseReason, RenderError};
use sluicegate_token::Refusal;
use thiserror::Error;

use crate::session_store::{Ended, NotServed};

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorSource {
    /// The request cannot be served as it is.
    Client,
    /// The origin failed, or sent what cannot be passed on.
    Origin,
    /// The gateway itself failed.
    Internal,
}

/// Why a request was not served.
///
/// The text is for the log. The client gets the status and `{code, request_id}` alone.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The path breaks one of the gateway's rules for paths.
    #[error("the path is refused: {0}")]
    BadPath(&'static str),
    /// The path is longer than `limits.max_path_bytes`.
    #[error("the path has more than limits.max_path_bytes = {0}")]
    PathTooLong(usize),
    /// An HTTP/1.1 request has no `Host`, or several (RFC 9112 section 3.2).
    #[error("the request has no Host, or several")]
    BadHost,
    /// The method is none of these, which are.
    #[error("the method is none of {0}")]
    MethodNotAllowed(&'static str),
    /// A token was refused, or is missing.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// A token was refused, and what is wrong with it was found.
    #[error("{refusal}: {cause}")]
    Explained {
        /// The status that the scheme has for it.
        status: u16,
        /// What the server says.
        refusal: Refusal,
        /// What is wrong.
        cause: String,
    },
    /// The session is over before its token is.
    #[error("the session is over: {}", match .0 {
        Ended::Revoked => "it was ended by the API",
        Ended::Idle => "nothing was asked for in a long time",
    })]
    SessionEnded(Ended),
    /// As many streams play as may.
    #[error("{} plays as many streams as it may", if *.of_user { "the user" } else { "the session" })]
    TooManyStreams {
        /// Whether it is the user's number, over all sessions.
        of_user: bool,
    },
    /// What replicas share cannot be asked.
    #[error("the session store does not answer: session.store")]
    StoreGone,
    /// A server asked whether it may deliver something, and may not.
    #[error("{0}")]
    NotLetIn(Box<Self>),
    /// A call of the API, whose caller is shown the reason.
    #[error("{0}")]
    Call(Box<Self>),
    /// A server asked so, and did not say what.
    #[error("neither X-Original-URI nor X-Forwarded-Uri says what is asked for")]
    NoTarget,
    /// A link is good if something holds that the gateway cannot know.
    #[error("the link asks for {0}, which the gateway does not know")]
    Unchecked(&'static str),
    /// Two session tokens in one request.
    #[error("the request carries two session tokens")]
    TwoTokens,
    /// A session's token is good, and the path is that of a key.
    #[error(
        "the path is named as keys are, and a key's own token alone opens it: route.keys.names"
    )]
    KeyNeedsOwnToken,
    /// The token is for the segments of a template's folder, and the path leads elsewhere.
    #[error(
        "the token is for the segments of a template's folder, and opens no manifest and no folder there"
    )]
    BeyondMediaToken,
    /// The token is for the segments of a template's folder, and a server asks about a name that does
    /// not tell what the file is.
    #[error(
        "the token is for the segments of a template's folder, and the name does not show that it is one: \
         give segments an extension such as .m4s, or set profile_scope = \"advisory\""
    )]
    NotNamedAsMedia,
    /// A link is good, and what it names is no manifest, so that no session can begin there.
    #[error("a link to something that is no manifest opens no session")]
    EntryNotAManifest,
    /// The manifest's folder may not be granted as a whole.
    #[error("a session may not be granted there: {0}")]
    GrantRefused(String),
    /// The client asks for more than it may in so short a time.
    #[error("the client asks too often: limits.entries_per_sec, limits.refusals_per_sec")]
    TooManyRequests {
        /// Seconds until it may ask again.
        retry_secs: u64,
    },
    /// No route has this path.
    #[error("no route has this path")]
    NoRoute,
    /// The API's bearer token is missing or wrong.
    #[error("the bearer token is missing or wrong")]
    Unauthorized,
    /// The operators' page was called by a name that is not this machine's.
    #[error(
        "the operators' page is called by a foreign name; call it by its address, or configure a bearer"
    )]
    ForeignHost,
    /// The API call cannot be used.
    #[error("the call's {part} cannot be used; its answer says why")]
    BadCall {
        /// What of the call.
        part: &'static str,
        /// What the caller is told. It may hold what the caller sent, so that no log has it.
        message: String,
    },
    /// The API call's body does not come.
    #[error("the call's body did not come within ten seconds")]
    CallTooSlow,
    /// The API call's body is longer than any call is.
    #[error("the call's body is too long")]
    CallTooLarge,
    /// No session has this id.
    #[error("no session has this id, or its time is over")]
    NoSession,
    /// The origin has no such resource.
    #[error("the origin has no such resource")]
    NotFound,
    /// A folder's entry is refused, such as a symbolic link that leaves the folder.
    #[error("the file is refused: {0}")]
    ForbiddenFile(String),
    /// The origin cannot be reached.
    #[error("the origin cannot be reached: {0}")]
    OriginUnreachable(String),
    /// The origin did not answer in time.
    #[error("the origin did not answer within {0}")]
    OriginTimeout(&'static str),
    /// The origin answered with a status that cannot be passed on.
    #[error("the origin answered with status {0}")]
    OriginStatus(u16),
    /// The origin refuses the viewer's parameters that were passed to it, such as a playlist that
    /// is too far ahead to wait for (RFC 8216bis section 6.2.5.2).
    #[error("the origin refuses the viewer's parameters")]
    BadQuery,
    /// A viewer asks a live playlist for a segment or a part that is too far ahead to wait for (RFC
    /// 8216bis section 6.2.5.2).
    #[error(
        "_HLS_msn={asked} or its _HLS_part is too far ahead: the next segment of the playlist is {next}"
    )]
    TooFarAhead {
        /// The Media Sequence Number.
        asked: u64,
        /// The Media Sequence Number of the segment that comes next.
        next: u64,
    },
    /// As many requests to the origin, or bodies of it, are in flight as may be; this key says how many.
    #[error("as many are in flight as {0} allows: clients, or the origin, are slow")]
    OriginBusy(&'static str),
    /// The client reads a body more slowly than it must while others wait.
    #[error("the client reads too slowly, and others wait: limits.min_body_bytes_per_sec")]
    ReadTooSlowly,
    /// As many requests or bodies of a session, or of a client, are in flight as may be.
    #[error("{key} = {most} are in flight (behind a proxy, name it in trusted_proxies)")]
    TooManyInFlight {
        /// The key that says how many.
        key: &'static str,
        /// So many.
        most: u32,
    },
    /// As many manifests are worked on, read and sent as may be.
    #[error(
        "no thread or no memory was free for the manifest: limits.manifest_threads, \
         limits.manifest_queue, limits.manifest_wait_secs, limits.manifest_buffer_bytes, \
         limits.all_json_bytes"
    )]
    ManifestBusy,
    /// The origin did not answer lately, so it was not asked.
    #[error("the origin does not answer; it is asked again in a moment")]
    OriginDown,
    /// The origin redirects to a place that the route does not allow.
    #[error("the origin redirects: {0}")]
    OriginRedirect(&'static str),
    /// The origin compressed a manifest although it was asked not to.
    #[error("the origin sent a manifest with Content-Encoding {0}, which was not asked for")]
    OriginEncoding(String),
    /// What the origin sent is no manifest that can be served.
    #[error("the origin's manifest is refused: {0}")]
    Manifest(#[from] CompileError),
    /// The manifest holds a URI that must not leave.
    #[error("the origin's manifest is refused: {0}")]
    Uri(#[from] RenderError),
    /// The session has a profile that the configuration does not know any more.
    #[error("the session has the profile {0}, which is not configured")]
    UnknownProfile(u8),
    /// What stands in the place of a key is none.
    #[error("the origin's key has {0}, and a key has 16 bytes")]
    NotAKey(&'static str),
    /// No CDN token can be made for this client.
    #[error("no CDN token can be made: {0}")]
    Unsignable(String),
    /// Something that should not happen.
    #[error("{0}")]
    Internal(String),
}

/// What the response layer needs to write the body and the log line.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// How many of the path's segments the request's token vouches for.
    pub(crate) vouched: usize,
}

impl Error {
    /// For a method that does not read.
    pub(crate) const READ_ONLY: Self = Self::MethodNotAllowed("GET, HEAD, OPTIONS");

    /// Whether a manifest was refused since planning it takes more than so many steps.
    pub(crate) const fn is_work_beyond(&self, steps: usize) -> bool {
        matches!(
            self,
            Self::Uri(RenderError::Refused { reason: RefuseReason::TooMuchWork { limit }, .. })
                if *limit == steps
        )
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn source_kind(&self) -> ErrorSource {
        match self {
            Self::Uri(RenderError::NothingLeft) => ErrorSource::Client,
            Self::Call(error) => error.source_kind(),
            Self::OriginUnreachable(_)
            | Self::OriginTimeout(_)
            | Self::OriginStatus(_)
            | Self::OriginBusy(_)
            | Self::OriginDown
            | Self::OriginRedirect(_)
            | Self::OriginEncoding(_)
            | Self::NotAKey(_)
            | Self::Manifest(_)
            | Self::Uri(_) => ErrorSource::Origin,
            Self::Internal(_) | Self::StoreGone | Self::ManifestBusy => ErrorSource::Internal,
            _ => ErrorSource::Client,
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadPath(_)
            | Self::BadHost
            | Self::BadCall { .. }
            | Self::BadQuery
            | Self::TooFarAhead { .. }
            | Self::NoTarget => StatusCode::BAD_REQUEST,
            Self::PathTooLong(_) => StatusCode::URI_TOO_LONG,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Refused(refusal) => {
                StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::FORBIDDEN)
            }
            Self::Explained { status, .. } => {
                StatusCode::from_u16(*status).unwrap_or(StatusCode::FORBIDDEN)
            }
            Self::Call(error) => error.status(),
            Self::TwoTokens
            | Self::KeyNeedsOwnToken
            | Self::BeyondMediaToken
            | Self::NotNamedAsMedia
            | Self::Unchecked(_)
            | Self::NotLetIn(_)
            | Self::ForeignHost
            | Self::SessionEnded(_)
            | Self::TooManyStreams { .. }
            | Self::EntryNotAManifest
            | Self::GrantRefused(_)
            | Self::UnknownProfile(_)
            | Self::Uri(RenderError::NothingLeft)
            | Self::Unsignable(_)
            | Self::ForbiddenFile(_) => StatusCode::FORBIDDEN,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NoRoute | Self::NoSession | Self::NotFound => StatusCode::NOT_FOUND,
            Self::CallTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::CallTooSlow | Self::ReadTooSlowly => StatusCode::REQUEST_TIMEOUT,
            Self::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::OriginTimeout(_) => StatusCode::GATEWAY_TIMEOUT,
            // Players ask again after a 503, and hls.js gives up after any 4xx.
            Self::OriginBusy(_)
            | Self::StoreGone
            | Self::ManifestBusy
            | Self::TooManyInFlight { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::OriginUnreachable(_)
            | Self::OriginDown
            | Self::OriginStatus(_)
            | Self::OriginRedirect(_)
            | Self::OriginEncoding(_)
            | Self::NotAKey(_)
            | Self::Manifest(_)
            | Self::Uri(_) => StatusCode::BAD_GATEWAY,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Seconds after which the client may ask again, if it may.
    const fn retry_secs(&self) -> Option<u64> {
        match self {
            Self::StoreGone
            | Self::ManifestBusy
            | Self::OriginBusy(_)
            | Self::TooManyInFlight { .. } => Some(1),
            Self::TooManyRequests { retry_secs } => Some(*retry_secs),
            Self::Call(error) => error.retry_secs(),
            _ => None,
        }
    }

    /// For a call that cannot be used for what is wrong with this part of it.
    pub(crate) fn bad_call(part: &'static str, message: impl Into<String>) -> Self {
        Self::BadCall { part, message: message.into() }
    }

    /// What was wrong with a token or its session, if that is why: more than the client is told.
    #[must_use]
    pub const fn refusal_code(&self) -> Option<&'static str> {
        match self {
            Self::Refused(refusal) | Self::Explained { refusal, .. } => Some(refusal.code()),
            Self::TwoTokens => Some("two-tokens"),
            Self::KeyNeedsOwnToken => Some("key-needs-own-token"),
            Self::BeyondMediaToken | Self::NotNamedAsMedia => Some("beyond-media-token"),
            Self::Unchecked(_) => Some("unchecked"),
            Self::SessionEnded(_) | Self::TooManyStreams { .. } => Some(self.code()),
            Self::NotLetIn(error) | Self::Call(error) => error.refusal_code(),
            _ => None,
        }
    }

    /// The stable code that the client is told. One for every refused token, so that an answer
    /// does not help to search for a good one.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::BadPath(_) => "bad-path",
            Self::BadHost => "bad-host",
            Self::BadQuery | Self::TooFarAhead { .. } => "bad-query",
            Self::PathTooLong(_) => "path-too-long",
            Self::MethodNotAllowed(_) => "method-not-allowed",
            Self::Refused(Refusal::Expired { .. })
            | Self::Explained { refusal: Refusal::Expired { .. }, .. } => "expired",
            Self::Refused(_)
            | Self::Explained { .. }
            | Self::Unchecked(_)
            | Self::TwoTokens
            | Self::KeyNeedsOwnToken
            | Self::BeyondMediaToken
            | Self::NotNamedAsMedia => "forbidden",
            Self::NotLetIn(error) | Self::Call(error) => error.code(),
            Self::NoTarget => "no-target",
            Self::SessionEnded(Ended::Revoked) => "session-revoked",
            Self::SessionEnded(Ended::Idle) => "session-idle",
            Self::TooManyStreams { .. } => "too-many-streams",
            Self::StoreGone => "store-gone",
            Self::EntryNotAManifest => "entry-not-a-manifest",
            Self::GrantRefused(_) => "grant-refused",
            Self::NoRoute | Self::NoSession | Self::NotFound => "not-found",
            Self::ForbiddenFile(_) => "forbidden-file",
            Self::Unauthorized => "unauthorized",
            Self::ForeignHost => "foreign-host",
            Self::BadCall { .. } => "bad-call",
            Self::CallTooLarge => "call-too-large",
            Self::CallTooSlow => "call-too-slow",
            Self::TooManyRequests { .. } => "too-many-requests",
            Self::OriginUnreachable(_) => "origin-unreachable",
            Self::OriginTimeout(_) => "origin-timeout",
            Self::OriginStatus(_) => "origin-status",
            Self::OriginBusy(_) => "origin-busy",
            Self::ReadTooSlowly => "read-too-slowly",
            Self::TooManyInFlight { .. } => "too-many-in-flight",
            Self::ManifestBusy => "manifest-busy",
            Self::OriginDown => "origin-down",
            Self::OriginRedirect(_) => "origin-redirect",
            Self::OriginEncoding(_) => "origin-encoding",
            Self::Manifest(CompileError::TooLong { .. }) => "manifest-too-large",
            Self::Manifest(_) => "manifest-invalid",
            Self::UnknownProfile(_) => "profile-unknown",
            Self::NotAKey(_) => "not-a-key",
            Self::Uri(RenderError::NothingLeft) => "profile-leaves-nothing",
            Self::Uri(RenderError::Refused { reason: RefuseReason::OpensLeftOut, .. }) => {
                "profile-scope"
            }
            Self::Uri(_) => "manifest-uri-refused",
            Self::Unsignable(_) => "unsignable",
            Self::Internal(_) => "internal",
        }
    }
}

impl From<NotServed> for Error {
    fn from(why: NotServed) -> Self {
        match why {
            NotServed::Ended(ended) => Self::SessionEnded(ended),
            NotServed::TooManyStreams => Self::TooManyStreams { of_user: false },
            NotServed::TooManyOfUser => Self::TooManyStreams { of_user: true },
            NotServed::StoreGone => Self::StoreGone,
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.answer_to_vouched(0)
    }
}

impl Error {
    /// Whether the request's token may be right, or was.
    pub(crate) const fn may_be_vouched(&self) -> bool {
        match self {
            Self::Refused(refusal) | Self::Explained { refusal, .. } => {
                matches!(refusal, Refusal::Expired { .. })
            }
            Self::TooManyRequests { .. } => false,
            _ => true,
        }
    }

    /// The answer to a request whose token vouches for so many segments of its path.
    pub(crate) fn answer_to_vouched(self, vouched: usize) -> Response {
        let mut response = self.status().into_response();
        if let Some(retry_secs) = self.retry_secs() {
            response.headers_mut().insert(header::RETRY_AFTER, retry_secs.into());
        }
        let no_store = HeaderValue::from_static("no-store");
        response.headers_mut().insert(header::CACHE_CONTROL, no_store);
        response.extensions_mut().insert(Failure { error: self, vouched });
        response
    }
}

#[cfg(test)]
mod tests {
    /// Every code that a client may be told has its row in the documentation, and the reasons of
    /// refused tokens have theirs.
    #[test]
    fn every_code_is_documented() {
        let documentation = include_str!("../../../docs/errors.md");
        let source = include_str!("error.rs").split("#[cfg(test)]").next().unwrap();
        let token = include_str!("../../token/src/scheme.rs");
        let codes = |text: &'static str, of: &str| {
            let body = text.split(of).nth(1).unwrap().split("\n    }\n").next().unwrap();
            body.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
        };
        let mut all = codes(source, "pub const fn code(&self)");
        assert!(all.len() > 30, "{all:?}");
        all.extend(codes(source, "pub const fn refusal_code(&self)"));
        let reasons = codes(token, "pub const fn code(&self)");
        assert!(reasons.len() > 10, "{reasons:?}");
        all.extend(reasons);
        for code in all {
            assert!(documentation.contains(&format!("`{code}`")), "docs/errors.md lacks {code}");
        }
    }
}
