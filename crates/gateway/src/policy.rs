//! What becomes of each URI of a manifest on its route: the same for every session of one kind.

use std::collections::HashMap;

use sluicegate_manifest::{
    CdnPaths, Decision, KeepReason, Options, OwnQuery, RefuseReason, Role, TokenAt, TokenRef, Uri,
    UriPolicy, Varies,
};
use sluicegate_token::SessionKey;
use sluicegate_token::session::Grant;
use url::Url;

use crate::config::ProfileConfig;
use crate::media_type;
use crate::profile_scope::Confines;
use crate::request::{Carried, SESSION_PARAMETER, carrying_path};
use crate::route::{Located, Place, Route, Segments, ThirdParty, Unexpandable};
use crate::session::{self, Extension, Opens};
use crate::variables::{self, VARIABLES_PARAMETER};

/// The list of session tokens among those that a plan is rendered with.
pub(crate) const SESSION_LIST: u16 = 0;
/// The list of the queries for the origin's CDN; those of further hosts come after it.
pub(crate) const CDN_LIST: u16 = 1;

/// The session token that the manifest's own URL carries.
const OWN_TOKEN: TokenRef = TokenRef { list: SESSION_LIST, index: 0 };

/// Stands among a document's variables for what its references are resolved against, where that is
/// not its own URL. No EXT-X-DEFINE can define it.
pub(crate) const CONTEXT_VARIABLE: &str = ":context";

/// Stands there for the query with which the origin is asked for the document: the one that the
/// manifest wrote, whatever the route forwards of a viewer's.
pub(crate) const QUERY_VARIABLE: &str = ":query";

/// What a plan is made for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene<'a> {
    /// The key that seals what travels with a URL.
    pub(crate) signer: &'a SessionKey,
    /// Scheme, host and port of the gateway's public URL. Most URLs are written without it.
    pub(crate) public_host: &'a str,
    /// The path of the gateway's public URL.
    pub(crate) public_path: &'a str,
    pub(crate) route: &'a Route,
    /// The manifest.
    pub(crate) place: &'a Place,
    /// What the session's token opens.
    pub(crate) grant: Grant,
    /// Where the session's token stands.
    pub(crate) carried: Carried,
    /// What manifests are compiled with.
    pub(crate) options: &'a Options,
    /// What the session may have at most.
    pub(crate) profile: Option<&'a ProfileConfig>,
}

/// The policy of a route for one manifest.
pub(crate) struct RoutePolicy<'a> {
    scene: Scene<'a>,
    /// What the session's profile keeps shut.
    confines: Option<&'a Confines>,
    /// The variables that the manifest defines, for the documents that it names.
    exported: Vec<(String, String)>,
    /// What must be signed for the CDN of each host, if segments come from there.
    pub(crate) cdns: Vec<Option<CdnPaths<'a>>>,
    /// What further session tokens are for, after the manifest's own.
    pub(crate) extended: Vec<Extension>,
    /// Which of them opens a folder or a path, and whether for a key.
    known: HashMap<(Vec<u8>, Opens), TokenRef>,
    /// How many templates go through the gateway since they cannot be written out, and why the first one
    /// cannot.
    pub(crate) unexpanded: Option<(usize, String)>,
}

impl Scene<'_> {
    /// The URL at which players see the manifest, a placeholder in the place of a token in the
    /// path.
    pub(crate) fn served(&self) -> Option<Url> {
        self.gateway_url(OWN_TOKEN, self.place)
    }

    fn gateway_url(&self, token: TokenRef, place: &Place) -> Option<Url> {
        let path = carrying_path(self.public_path, &token.placeholder(), self.carried, &place.raw);
        Url::parse(self.public_host).ok()?.join(&path).ok()
    }
}

impl<'a> RoutePolicy<'a> {
    pub(crate) fn new(
        scene: Scene<'a>,
        confines: Option<&'a Confines>,
        exported: Vec<(String, String)>,
    ) -> Self {
        let config = &scene.route.config;
        let has_cdns = config.segments == Segments::Cdn;
        let hosts = 0..if has_cdns { scene.route.hosts() } else { 0 };
        let paths = |host| {
            let cdn = scene.route.cdn_at(host)?;
            // A configuration has some hosts, not thousands.
            let list = CDN_LIST + u16::try_from(host).ok()?;
            Some(CdnPaths::new(list, cdn.ring.scheme().as_ref()))
        };
        Self {
            scene,
            confines,
            exported,
            cdns: hosts.map(paths).collect(),
            extended: Vec::new(),
            known: HashMap::new(),
            unexpanded: None,
        }
    }

    /// The session token for a place; none if it would open less than the URI stands for.
    fn token_for(
        &mut self,
        place: &Place,
        varies: Varies,
    ) -> Result<Option<TokenRef>, RefuseReason> {
        let Scene { place: manifest, grant: own, .. } = self.scene;
        let is_folder = matches!(own, Grant::Folder { .. });
        if place.host == manifest.host
            && own.covers(&manifest.path, &place.path)
            && (is_folder || varies == Varies::Nothing)
        {
            return Ok(Some(OWN_TOKEN));
        }
        let too_deep = || RefuseReason::Unsignable("its path is too deep".to_owned());
        let (grant, opens) = self.grant_beyond(place, varies).ok_or_else(too_deep)?;
        match (grant, varies) {
            (_, Varies::Nothing) | (Grant::Folder { .. }, Varies::Name) => {}
            _ if self.is_shut(place, varies) => return Err(RefuseReason::OpensLeftOut),
            _ => return Ok(None),
        }
        let key = match grant {
            Grant::Folder { .. } => place.path.directory(),
            Grant::Exact { .. } | Grant::First { .. } => place.path.as_bytes(),
        };
        let key = key.to_vec();
        let extension = Extension { place: place.clone(), grant, opens };
        Ok(Some(self.extend(key, extension)))
    }

    /// What may be granted of a place that the manifest's own grant does not cover.
    fn grant_beyond(&self, place: &Place, varies: Varies) -> Option<(Grant, Opens)> {
        let Scene { route, place: manifest, grant, .. } = self.scene;
        let is_template = varies != Varies::Nothing;
        let confines = self.confines;
        session::grant_beyond(
            route,
            &session::Beyond { place, manifest, grant, is_template, confines },
        )
    }

    /// Whether a template of the manifest with which a session began is kept shut by a profile, and so
    /// is not written out.
    fn is_shut(&self, place: &Place, varies: Varies) -> bool {
        let is_first = matches!(self.scene.grant, Grant::First { .. });
        let may_open = |confines: &Confines| confines.may_open_folder(place);
        is_first && (varies == Varies::Folder || !self.confines.is_some_and(may_open))
    }

    /// Whether tokens for a URI stay within what a profile leaves, the CDN's as well as the session's.
    fn is_confined(&self, confines: &Confines, uri: &Uri<'_>, place: &Place) -> bool {
        let Scene { route, place: manifest, grant, .. } = self.scene;
        if confines.are_crossed_by(grant, &manifest.path) {
            return false;
        }
        // A base URL is not fetched.
        let is_base = uri.role == Role::BaseUrl;
        match uri.role.is_document() {
            _ if !is_base && confines.share_path_with(place) => false,
            _ if is_base || self.is_apart(uri) => true,
            false => confines.may_sign(route, place, grant, manifest),
            true if uri.role.is_playlist() && confines.hides_qualities() => false,
            // The segments of a variant get the CDN's tokens where its own token is one of a folder.
            true if uri.role.is_playlist() && confines.lists_qualities() => {
                let is_of_folder = || {
                    let beyond = self.grant_beyond(place, Varies::Nothing);
                    grant.covers(&manifest.path, &place.path)
                        || matches!(beyond, Some((Grant::Folder { .. }, _)))
                };
                !confines.has_wide_tokens(route, place)
                    || confines.may_sign(route, place, grant, manifest) && is_of_folder()
            }
            // The report's token is another playlist's, and does not open it.
            true if uri.role == Role::RenditionReport
                && !grant.covers(&manifest.path, &place.path) =>
            {
                true
            }
            // Where no name promises a manifest, it may be none, and is the CDN's to deliver then.
            true => {
                media_type::names_a_manifest(&place.raw)
                    || confines.may_sign(route, place, grant, manifest)
            }
        }
    }

    /// The session token for a key, which ends by itself.
    fn token_for_key(&mut self, place: &Place) -> Result<TokenRef, RefuseReason> {
        let too_deep = || RefuseReason::Unsignable("its path is too deep".to_owned());
        let grant = Grant::exactly(&place.path).ok_or_else(too_deep)?;
        let key = place.path.as_bytes().to_vec();
        Ok(self.extend(key, Extension { place: place.clone(), grant, opens: Opens::Key }))
    }

    /// A token for what is not fetched: that of the folder if that is open, else the manifest's own.
    fn token_without_right(&mut self, uri: &Uri<'_>, place: &Place) -> Option<TokenRef> {
        let beyond = self.grant_beyond(place, Varies::Nothing);
        match (uri.role, beyond) {
            (Role::BaseUrl, Some((Grant::Folder { .. }, _))) => {
                self.token_for(place, Varies::Nothing).ok().flatten()
            }
            _ => Some(OWN_TOKEN),
        }
    }

    fn extend(&mut self, key: Vec<u8>, extension: Extension) -> TokenRef {
        let key = (key, extension.opens);
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        self.extended.push(extension);
        // A manifest has less than 4 Gi URIs.
        let index = u32::try_from(self.extended.len()).unwrap_or(u32::MAX);
        let token = TokenRef { list: SESSION_LIST, index };
        self.known.insert(key, token);
        token
    }

    fn through_gateway(&mut self, uri: &Uri<'_>, place: &Place) -> Result<Decision, RefuseReason> {
        let existing = self.scene.route.config.existing_token;
        let from = existing.make_room(uri.url, &[SESSION_PARAMETER, VARIABLES_PARAMETER])?;
        // A report is about a playlist that a player has by another URL, and may be of one that a profile
        // leaves out. A base URL is not fetched.
        let opens_nothing = matches!(uri.role, Role::RenditionReport | Role::BaseUrl);
        let token = match self.is_apart(uri) {
            true => Some(self.token_for_key(place)?),
            false if self.confines.is_some() && opens_nothing => {
                self.token_without_right(uri, place)
            }
            false => self.token_for(place, uri.varies)?,
        };
        let Some(token) = token else { return Ok(Decision::Expand) };
        let mut url = self.scene.gateway_url(token, place).ok_or(RefuseReason::BadReference)?;
        url.set_query(from.query());
        url.set_fragment(from.fragment());
        if uri.role.is_document() {
            self.add_variables(uri, place, from.query(), &mut url)?;
        }
        let token = match self.scene.carried {
            Carried::Path => Some(TokenAt::Path(token)),
            // What is relative to a base URL does not inherit its query.
            Carried::Query if uri.role == Role::BaseUrl => None,
            Carried::Query => Some(TokenAt::Query(token)),
        };
        Ok(Decision::Deliver { url, token })
    }

    /// Adds to a document's URL what planning it needs of this manifest. `query` is the one that this
    /// manifest wrote.
    fn add_variables(
        &self,
        uri: &Uri<'_>,
        place: &Place,
        query: Option<&str>,
        url: &mut Url,
    ) -> Result<(), RefuseReason> {
        let is_same_folder = |context: &&Url| context.join(".") == uri.url.join(".");
        let context = uri.context.filter(|context| !is_same_folder(context));
        let context = context.map(|url| (CONTEXT_VARIABLE.to_owned(), url.to_string()));
        let has_own_query = matches!(uri.role, Role::Location | Role::PatchLocation | Role::Remote);
        let own_query = query.filter(|query| has_own_query && !query.is_empty());
        let own_query = own_query.map(|query| (QUERY_VARIABLE.to_owned(), query.to_owned()));
        let exported: Vec<_> =
            self.exported.iter().cloned().chain(context).chain(own_query).collect();
        if exported.is_empty() {
            return Ok(());
        }
        let Scene { signer, route, .. } = self.scene;
        let sealed = variables::seal(signer, route, place, &exported).ok_or_else(|| {
            RefuseReason::Unsignable("the manifest's variables are too long".to_owned())
        })?;
        let old = url.query().map(|old| format!("{old}&")).unwrap_or_default();
        url.set_query(Some(&format!("{old}{VARIABLES_PARAMETER}={sealed}")));
        Ok(())
    }

    /// Whether a URI is that of a key, and keys are delivered apart.
    fn is_apart(&self, uri: &Uri<'_>) -> bool {
        uri.role.is_key() && self.scene.route.config.keys.is_some()
    }

    fn through_cdn(
        &mut self,
        uri: &Uri<'_>,
        place: &Place,
    ) -> Option<Result<Decision, RefuseReason>> {
        let route = self.scene.route;
        let paths = self.cdns.get_mut(place.host)?.as_mut()?;
        let mut url = route.cdn_url(place, uri.url.query())?;
        url.set_fragment(uri.url.fragment());
        if uri.role == Role::BaseUrl {
            return Some(Ok(Decision::Deliver { url, token: None }));
        }
        if !paths.covers(uri.varies) {
            return Some(Ok(Decision::Expand));
        }
        Some(paths.deliver(&url, route.config.existing_token))
    }
}

impl UriPolicy for RoutePolicy<'_> {
    fn decide(&mut self, uri: &Uri<'_>) -> Decision {
        let config = &self.scene.route.config;
        if uri.role == Role::License && !config.sign_licenses {
            return Decision::Keep(KeepReason::License);
        }
        let place = match self.scene.route.locate(uri.url) {
            Located::Here(place) => place,
            Located::Outside if !uri.role.is_media() => {
                return Decision::Keep(KeepReason::NotMedia);
            }
            Located::Outside => return Decision::Refuse(RefuseReason::OutsideRoute),
            Located::Foreign => {
                return match config.third_party {
                    ThirdParty::Keep | ThirdParty::Trust => Decision::Keep(KeepReason::ForeignHost),
                    ThirdParty::Refuse => Decision::Refuse(RefuseReason::ForeignHost),
                };
            }
        };
        if config.keys.is_some() {
            // A request shows its name alone: what is a key must be one by its name, and nothing else may.
            match (uri.role.is_key(), self.scene.route.names_a_key(&place)) {
                (true, false) => return Decision::Refuse(RefuseReason::KeyNotNamed),
                (false, true) => return Decision::Refuse(RefuseReason::NamedAsKey),
                _ => {}
            }
        }
        if let Some(confines) = self.confines
            && !self.is_confined(confines, uri, &place)
        {
            return Decision::Refuse(RefuseReason::OpensLeftOut);
        }
        let is_ours = uri.role.is_document() || self.is_apart(uri);
        let by_cdn = if is_ours { None } else { self.through_cdn(uri, &place) };
        let decided = by_cdn.unwrap_or_else(|| self.through_gateway(uri, &place));
        decided.unwrap_or_else(Decision::Refuse)
    }

    fn token_len(&self) -> usize {
        match (self.cdns.iter().flatten().next(), self.scene.carried) {
            (Some(_), _) => sluicegate_manifest::GCORE_QUERY_LEN,
            (None, Carried::Query) => {
                SESSION_PARAMETER.len() + 1 + sluicegate_token::SessionToken::CHARS
            }
            (None, Carried::Path) => sluicegate_token::SessionToken::CHARS,
        }
    }

    fn token_ampersands(&self) -> usize {
        let paths = self.cdns.iter().flatten().next();
        paths.map_or(0, |paths| paths.parameters().len().saturating_sub(1))
    }

    fn decide_unexpandable(&mut self, uri: &Uri<'_>, reason: &str) -> Decision {
        let config = &self.scene.route.config;
        let reason_of = || RefuseReason::NotExpandable(reason.to_owned());
        let refused = || Decision::Refuse(reason_of());
        match (config.unexpandable, self.scene.route.locate(uri.url)) {
            (Unexpandable::Redirect, Located::Here(place)) => {
                self.unexpanded.get_or_insert_with(|| (0, reason.to_owned())).0 += 1;
                match self.through_gateway(uri, &place) {
                    Ok(Decision::Expand) => refused(),
                    // Written out, it would open nothing else: the bound is why it is not.
                    Err(RefuseReason::OpensLeftOut) if !reason_of().limits().is_empty() => {
                        refused()
                    }
                    decided => decided.unwrap_or_else(Decision::Refuse),
                }
            }
            _ => refused(),
        }
    }

    /// ffmpeg resolves against the entry link, dash.js against the Location.
    fn writes_absolute_bases(&self) -> bool {
        true
    }

    /// A token for a file is for that file alone, so that no reader may take it elsewhere.
    fn writes_absolute_references(&self) -> bool {
        self.scene.grant.is_exact()
    }

    fn trusts_strangers(&self) -> bool {
        self.scene.route.config.third_party == ThirdParty::Trust
    }

    /// Beside the token that a reference has already, the copy of one is refused.
    fn own_query(&self) -> OwnQuery {
        match self.scene.carried {
            Carried::Path => OwnQuery::Open,
            Carried::Query => OwnQuery::ForItself,
        }
    }

    fn is_copied_by_players(&self, token: TokenRef) -> bool {
        self.scene.route.config.url_query_info && token == OWN_TOKEN
    }

    /// An entry link redirected the player here, and a reload must not need that again.
    fn location(&mut self, served: &Url) -> Option<Decision> {
        let token = match self.scene.carried {
            Carried::Path => TokenAt::Path(OWN_TOKEN),
            Carried::Query => TokenAt::Query(OWN_TOKEN),
        };
        Some(Decision::Deliver { url: served.clone(), token: Some(token) })
    }

    fn owned_parameters(&self) -> Vec<String> {
        let route = self.scene.route;
        let cdns = (0..route.hosts()).filter_map(|host| route.cdn_at(host));
        let theirs = cdns.flat_map(|cdn| cdn.ring.scheme().parameters());
        let ours = [SESSION_PARAMETER, VARIABLES_PARAMETER];
        ours.into_iter().chain(theirs).map(str::to_owned).collect()
    }

    fn protects(&self, url: &Url) -> bool {
        !matches!(self.scene.route.locate(url), Located::Foreign)
    }

    /// CDN tokens of live playlists are for a window, not for the session.
    fn allows_delta_updates(&self) -> bool {
        // Nor may an update bring what a profile left out.
        self.cdns.iter().all(Option::is_none) && self.scene.profile.is_none()
    }

    fn refuses_foreign_hosts(&self) -> bool {
        self.scene.route.config.third_party == ThirdParty::Refuse
    }

    fn is_strict(&self) -> bool {
        self.scene.route.config.strict
    }
}
