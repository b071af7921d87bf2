//! What the product's own pages share: for people who run it, never for players.

use std::net::SocketAddr;

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::routing::{MethodRouter, get};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::Error;

/// A page has no script but its own, and is nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'; \
                      base-uri 'none'; form-action 'none'";

pub(crate) fn html<S: Clone + Send + Sync + 'static>(text: &'static str) -> MethodRouter<S> {
    asset("text/html; charset=utf-8", text)
}

pub(crate) fn script<S: Clone + Send + Sync + 'static>(text: &'static str) -> MethodRouter<S> {
    asset("text/javascript", text)
}

/// The style of all pages.
pub(crate) fn style<S: Clone + Send + Sync + 'static>() -> MethodRouter<S> {
    asset("text/css", include_str!("page/page.css"))
}

/// The script of all pages.
pub(crate) fn shared_script<S: Clone + Send + Sync + 'static>() -> MethodRouter<S> {
    script(include_str!("page/shared.js"))
}

fn asset<S: Clone + Send + Sync + 'static>(
    content_type: &'static str,
    text: &'static str,
) -> MethodRouter<S> {
    get(async move || ([(header::CONTENT_TYPE, content_type)], text))
}

/// Nothing of a page is kept, and it runs nothing from elsewhere.
pub(crate) fn wrap(router: Router) -> Router {
    let set = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
    };
    router
        .layer(set(header::CACHE_CONTROL, "no-store"))
        .layer(set(header::CONTENT_SECURITY_POLICY, POLICY))
}

/// Lets in who calls the listener by an address of this machine: a page of the web that leads a
/// browser here by a name of its own knows none.
///
/// # Errors
/// [`Error::ForeignHost`].
pub(crate) fn refuse_foreign_host(headers: &HeaderMap) -> Result<(), Error> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    if host.is_some_and(is_local) { Ok(()) } else { Err(Error::ForeignHost) }
}

/// Whether a Host is this machine's own name or address.
fn is_local(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost" || host.parse::<SocketAddr>().is_ok_and(|addr| addr.ip().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machines_names_are_local() {
        for host in ["localhost", "localhost:9090", "127.0.0.1:9090", "127.9.9.9:1", "[::1]:9090"] {
            assert!(is_local(host), "{host}");
        }
        for host in ["", "rebound.example.com:9090", "10.0.0.1:9090", "127.0.0.1.example.com:80"] {
            assert!(!is_local(host), "{host}");
        }
    }
}
