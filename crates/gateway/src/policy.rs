//! What becomes of each URI of a manifest, for one session.

use std::collections::HashMap;

use sluicegate_manifest::{CdnSigner, Decision, KeepReason, RefuseReason, Uri, UriPolicy};
use sluicegate_token::session::Grant;
use sluicegate_token::{SessionKeys, SessionToken};
use url::Url;

use crate::request::{Carried, SESSION_PARAMETER, carrying_path};
use crate::route::{Located, Place, Segments, ThirdParty};
use crate::session::{self, Admitted};

/// Stands for the gateway's own host in URLs that are written without one.
const GATEWAY_HOST: &str = "http://gateway.invalid";

/// The policy of a session on its route.
pub(crate) struct SessionPolicy<'a> {
    keys: &'a SessionKeys,
    admitted: &'a Admitted,
    /// The path of the gateway's public URL.
    public_path: &'a str,
    /// Signs for the CDN, if segments come from there.
    signer: Option<CdnSigner<'a>>,
    /// The tokens made for URIs outside the session's grant, by folder or by path.
    extended: HashMap<Vec<u8>, SessionToken>,
}

impl<'a> SessionPolicy<'a> {
    pub(crate) fn new(
        keys: &'a SessionKeys,
        admitted: &'a Admitted,
        public_path: &'a str,
        signer: Option<CdnSigner<'a>>,
    ) -> Self {
        Self { keys, admitted, public_path, signer, extended: HashMap::new() }
    }

    /// The URL at which the gateway serves a resource with a token that stands in the path.
    pub(crate) fn gateway_url(
        public_path: &str,
        token: &SessionToken,
        carried: Carried,
        raw_path: &str,
    ) -> Option<Url> {
        let path = carrying_path(public_path, token, carried, raw_path);
        Url::parse(GATEWAY_HOST).ok()?.join(&path).ok()
    }

    fn token_for(&mut self, place: &Place) -> Option<SessionToken> {
        let Admitted { claims, token, place: manifest, .. } = self.admitted;
        if place.host == manifest.host && claims.grant.covers(&manifest.path, &place.path) {
            return Some(*token);
        }
        let grant = session::grant_beyond(&self.admitted.route, place, manifest)?;
        let key = match grant {
            Grant::Folder { .. } => place.path.directory(),
            Grant::Exact { .. } => place.path.as_bytes(),
        };
        if let Some(known) = self.extended.get(key) {
            return Some(*known);
        }
        let made = session::extend(self.keys, self.admitted, place, grant);
        self.extended.insert(key.to_vec(), made);
        Some(made)
    }

    fn through_gateway(&mut self, uri: &Uri<'_>, place: &Place, query: &mut Vec<u8>) -> Decision {
        let existing = self.admitted.route.config.existing_token;
        let from = match existing.make_room(uri.url, &[SESSION_PARAMETER]) {
            Ok(url) => url,
            Err(reason) => return Decision::Refuse(reason),
        };
        let Some(token) = self.token_for(place) else {
            return Decision::Refuse(RefuseReason::Unsignable("its path is too deep".to_owned()));
        };
        let carried = self.admitted.carried;
        let Some(mut url) = Self::gateway_url(self.public_path, &token, carried, &place.raw) else {
            return Decision::Refuse(RefuseReason::BadReference);
        };
        url.set_query(from.query());
        url.set_fragment(from.fragment());
        if carried == Carried::Query {
            query.extend_from_slice(SESSION_PARAMETER.as_bytes());
            query.push(b'=');
            query.extend_from_slice(token.as_str().as_bytes());
        }
        Decision::Deliver(url)
    }

    fn through_cdn(
        &mut self,
        uri: &Uri<'_>,
        place: &Place,
        query: &mut Vec<u8>,
    ) -> Option<Decision> {
        let route = &self.admitted.route;
        let signer = self.signer.as_mut()?;
        let mut url = route.cdn_url(place, uri.url.query())?;
        url.set_fragment(uri.url.fragment());
        let signed = route
            .config
            .existing_token
            .make_room(&url, signer.parameters())
            .and_then(|url| signer.write_query(&url, query).map(|()| url));
        Some(signed.map_or_else(Decision::Refuse, Decision::Deliver))
    }
}

impl UriPolicy for SessionPolicy<'_> {
    fn decide(&mut self, uri: &Uri<'_>, query: &mut Vec<u8>) -> Decision {
        let place = match self.admitted.route.locate(uri.url) {
            Located::Here(place) => place,
            Located::Outside => return Decision::Refuse(RefuseReason::OutsideRoute),
            Located::Foreign => {
                return match self.admitted.route.config.third_party {
                    ThirdParty::Keep => Decision::Keep(KeepReason::ForeignHost),
                    ThirdParty::Refuse => Decision::Refuse(RefuseReason::ForeignHost),
                };
            }
        };
        if self.admitted.route.config.segments == Segments::Cdn
            && !uri.role.is_playlist()
            && let Some(decision) = self.through_cdn(uri, &place, query)
        {
            return decision;
        }
        self.through_gateway(uri, &place, query)
    }

    fn protects(&self, url: &Url) -> bool {
        !matches!(self.admitted.route.locate(url), Located::Foreign)
    }

    fn is_strict(&self) -> bool {
        self.admitted.route.config.strict
    }
}
