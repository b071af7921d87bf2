//! Which sites' pages may read what the gateway answers (CORS, of the Fetch standard). It keeps no
//! viewer out: a session's token does that.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use url::Url;

use crate::layers::REQUEST_ID;
use crate::trace::TRACEPARENT;

/// Request headers that players send across origins. The star covers any other, but never
/// Authorization, and old browsers do not know it.
const ALLOWED_HEADERS: [HeaderName; 14] = [
    header::RANGE,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_RANGE,
    header::CACHE_CONTROL,
    header::CONTENT_TYPE,
    header::AUTHORIZATION,
    HeaderName::from_static("x-requested-with"),
    TRACEPARENT,
    HeaderName::from_static("cmcd-request"),
    HeaderName::from_static("cmcd-object"),
    HeaderName::from_static("cmcd-status"),
    HeaderName::from_static("cmcd-session"),
    HeaderName::from_static("*"),
];

/// Response headers that a player's script may read.
const EXPOSED_HEADERS: [HeaderName; 6] = [
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::ACCEPT_RANGES,
    header::ETAG,
    header::DATE,
    REQUEST_ID,
];

/// What every answer says to browsers, but for those to preflight requests.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    origins: Option<Vec<HeaderValue>>,
    exposed: HeaderValue,
}

/// What an answer depends on when others are asked from other sites: caches keep them apart.
const VARY: &str = "origin, access-control-request-method, access-control-request-headers";

/// The same with what the answer itself depends on.
const VARY_OF_MANIFESTS: &str =
    "accept-encoding, origin, access-control-request-method, access-control-request-headers";

/// All sites, or those of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedSites(Option<Vec<HeaderValue>>);

impl AllowedSites {
    /// Reads origins as browsers write them: `https://tv.example.com`, with a port if that is another
    /// than the scheme's. No origin at all means every site.
    ///
    /// # Errors
    /// The first text that is none.
    pub fn parse<T: AsRef<str>>(origins: &[T]) -> Result<Self, String> {
        if origins.is_empty() {
            return Ok(Self::default());
        }
        let origin = |text: &T| {
            let text = text.as_ref();
            let written = Url::parse(text).ok().map(|url| url.origin().ascii_serialization());
            let is_origin =
                written.as_deref() == Some(text) && text.starts_with("http") && !text.contains('*');
            let value = HeaderValue::from_str(text).ok().filter(|_| is_origin);
            value.ok_or_else(|| text.to_owned())
        };
        origins.iter().map(origin).collect::<Result<_, _>>().map(|origins| Self(Some(origins)))
    }

    /// What other requests are answered with.
    pub(crate) fn answered(&self) -> Answered {
        let names = EXPOSED_HEADERS.map(|name| name.as_str().to_owned()).join(",");
        let exposed = HeaderValue::from_str(&names);
        Answered {
            origins: self.0.clone(),
            exposed: exposed.expect("names of headers are a header's value"),
        }
    }

    /// Preflight requests end in it: they bear no token, so they are never authenticated.
    pub(crate) fn layer(&self) -> CorsLayer {
        let origins = match &self.0 {
            Some(origins) => AllowOrigin::list(origins.clone()),
            None => AllowOrigin::any(),
        };
        CorsLayer::new()
            .allow_origin(origins)
            .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::OPTIONS])
            .allow_headers(AllowHeaders::list(ALLOWED_HEADERS))
            .max_age(Duration::from_secs(86_400))
    }
}

impl Answered {
    /// The site that may read the answer to a request with these headers, if any.
    pub(crate) fn origin_of(&self, request: &HeaderMap) -> Option<HeaderValue> {
        match &self.origins {
            None => Some(HeaderValue::from_static("*")),
            Some(origins) => {
                let origin = request.get(header::ORIGIN)?;
                origins.iter().find(|known| *known == origin).cloned()
            }
        }
    }

    /// Says so to browsers.
    pub(crate) fn add(&self, origin: Option<HeaderValue>, headers: &mut HeaderMap) {
        match headers.get(header::VARY) {
            None => {
                headers.insert(header::VARY, HeaderValue::from_static(VARY));
            }
            // Of a manifest: one line is shorter than two.
            Some(value) if value == header::ACCEPT_ENCODING.as_str() => {
                headers.insert(header::VARY, HeaderValue::from_static(VARY_OF_MANIFESTS));
            }
            Some(_) => {
                headers.append(header::VARY, HeaderValue::from_static(VARY));
            }
        }
        if let Some(origin) = origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, self.exposed.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_browsers_write() {
        for good in
            ["https://tv.example.com", "http://localhost:3000", "https://[2001:db8::1]:8443"]
        {
            assert!(AllowedSites::parse(&[good]).is_ok(), "{good}");
        }
        for bad in [
            "https://tv.example.com/",
            "https://TV.example.com",
            "https://tv.example.com:443",
            "tv.example.com",
            "*",
            "null",
            "https://*.example.com",
            "file:///a",
        ] {
            assert_eq!(AllowedSites::parse(&[bad]).unwrap_err(), bad);
        }
    }
}
