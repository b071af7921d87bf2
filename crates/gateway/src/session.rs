//! Sessions: how they begin, and how a request shows that it belongs to one.

use std::net::IpAddr;
use std::sync::Arc;

use sluicegate_token::session::{BoundBits, Grant, SessionClaims, SessionId, SessionToken};
use sluicegate_token::{IpPrefix, Refusal, SessionKey, SessionKeys, UnixTime};

use crate::config::ProfileConfig;
use crate::profile_scope::{Confines, ProfileScope};
use crate::request::{Carried, MediaRequest};
use crate::route::{GrantMode, Place, Route};
use crate::{Error, media_type};

/// The largest id of a profile.
pub(crate) const MAX_PROFILE: u8 = 63;
/// Of a token's profile, what says that the token opens no manifest.
const FOR_MEDIA: u8 = 64;
/// Of a token's profile, what says that the token is for a key of segments.
const FOR_KEY: u8 = 128;

/// A request that a session token let in.
#[derive(Clone, Debug)]
pub(crate) struct Admitted {
    pub(crate) route: Arc<Route>,
    pub(crate) place: Place,
    pub(crate) claims: SessionClaims,
    pub(crate) token: SessionToken,
    pub(crate) carried: Carried,
    pub(crate) client: Option<IpAddr>,
}

impl Admitted {
    /// The number of the session's profile; 0 is none.
    pub(crate) const fn profile(&self) -> u8 {
        self.claims.profile & MAX_PROFILE
    }

    /// Reports if the token opens media alone, and no manifest.
    pub(crate) const fn is_for_media(&self) -> bool {
        self.claims.profile & FOR_MEDIA != 0
    }

    /// Whether the token was made for a key of segments.
    pub(crate) const fn is_for_key(&self) -> bool {
        self.claims.profile & FOR_KEY != 0
    }
}

/// What a further token of a session is for.
#[derive(Clone, Debug)]
pub(crate) struct Extension {
    pub(crate) place: Place,
    pub(crate) grant: Grant,
    pub(crate) opens: Opens,
}

/// The resources that a further token opens at the paths of its grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Opens {
    /// Manifests and media.
    All,
    /// Media of another asset, or beside a manifest that a profile cuts. A manifest among them would lead
    /// to the rest.
    Media,
    /// A key of segments. The token has an end of its own.
    Key,
}

/// Lets a request with a token in, on whichever route it was made for.
pub(crate) fn admit(
    keys: &SessionKeys,
    routes: &[Arc<Route>],
    request: &MediaRequest,
    now: UnixTime,
) -> Result<Admitted, Error> {
    let Some((text, carried)) = &request.token else {
        return Err(Refusal::Missing("session token".into()).into());
    };
    let mut refusal = None;
    // A path of a further host may belong to several routes; the token's MAC names the one.
    for route in routes {
        let Some(place) = route.place(&request.path) else { continue };
        match keys.verify(text.as_bytes(), &route.config.id, &place.path, request.client, now) {
            Ok(claims) => {
                if claims.profile & FOR_KEY == 0 && route.names_a_key(&place) {
                    return Err(Error::KeyNeedsOwnToken);
                }
                // A template's files lie in the one folder, and none below it. What is a manifest
                // without such a name is refused when that is known.
                if claims.profile & FOR_MEDIA != 0
                    && (Grant::folder_of(&place.path) != Some(claims.grant)
                        || media_type::names_a_manifest(&place.raw))
                {
                    return Err(Error::BeyondMediaToken);
                }
                let token = SessionToken::from_text(text).ok_or_else(|| {
                    Error::Internal("a verified token has a wrong length".to_owned())
                })?;
                return Ok(Admitted {
                    route: Arc::clone(route),
                    place,
                    claims,
                    token,
                    carried: *carried,
                    client: request.client,
                });
            }
            Err(new) if refusal.is_none() || matches!(new, Refusal::Expired { .. }) => {
                refusal = Some(new);
            }
            Err(_) => {}
        }
    }
    // Without a valid token nobody learns which paths have a route.
    Err(refusal.unwrap_or(Refusal::WrongToken).into())
}

/// How many segments of a request's path the MAC of its token covers, whether its time is over or not:
/// the gateway itself has sealed them.
pub(crate) fn vouched(keys: &SessionKeys, routes: &[Arc<Route>], request: &MediaRequest) -> usize {
    let Some((text, _)) = &request.token else { return 0 };
    let places = routes.iter().filter_map(|route| Some((route, route.place(&request.path)?)));
    let mut sealed = places.filter_map(|(route, place)| {
        // Then no token is over.
        let now = UnixTime(0);
        keys.verify(text.as_bytes(), &route.config.id, &place.path, request.client, now).ok()
    });
    sealed.next().map_or(0, |claims| usize::from(claims.grant.depth()))
}

/// What a session begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    pub(crate) expires: UnixTime,
    /// The address that the session is bound to, if any.
    pub(crate) bind_to: Option<IpAddr>,
    /// What it may have at most.
    pub(crate) profile: Option<&'a ProfileConfig>,
}

/// Makes the token with which a session begins at a manifest.
///
/// `terms` say until when and for whom it is.
pub(crate) fn begin(
    signer: &SessionKey,
    route: &Route,
    place: &Place,
    session: SessionId,
    terms: &Terms<'_>,
) -> Result<(SessionToken, SessionClaims), Error> {
    let too_deep = || Error::GrantRefused("the path has more than 255 folders".to_owned());
    if route.names_a_key(place) {
        let problem = "its name is one of a key: route.keys.names";
        return Err(Error::GrantRefused(problem.to_owned()));
    }
    let grant = match route.config.grant {
        GrantMode::Directory => {
            route.may_grant_folder_of(place).map_err(Error::GrantRefused)?;
            let is_enforced = |profile: &ProfileConfig| profile.scope == ProfileScope::Enforced;
            // What is kept of the folder is known from the manifest.
            let grant = match terms.profile.is_some_and(is_enforced) {
                true => Grant::first(&place.path),
                false => Grant::folder_of(&place.path),
            };
            grant.ok_or_else(too_deep)?
        }
        GrantMode::File => Grant::exactly(&place.path).ok_or_else(too_deep)?,
    };
    let claims = SessionClaims {
        grant,
        bound_bits: terms.bind_to.map(|ip| BoundBits::of(&IpPrefix::for_session(ip))),
        profile: terms.profile.map_or(0, |profile| profile.id),
        expires: terms.expires,
        session,
    };
    Ok((signer.seal(&claims, &route.config.id, &place.path, terms.bind_to), claims))
}

/// A URI that the grant of its manifest does not cover.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beyond<'a> {
    pub(crate) place: &'a Place,
    /// The manifest that names it, and what the token of that opens.
    pub(crate) manifest: &'a Place,
    pub(crate) grant: Grant,
    /// Whether it stands for many files of one folder.
    pub(crate) is_template: bool,
    /// What a profile keeps shut.
    pub(crate) confines: Option<&'a Confines>,
}

/// What may be granted of a URI that the manifest's own grant does not cover: its folder, or the
/// one path where that would be too much. A folder above the manifest is too much, since it holds
/// the manifest's neighbours. So is any folder outside of the session's asset, but for a template's,
/// and one that may hold what a profile leaves out.
pub(crate) fn grant_beyond(route: &Route, beyond: &Beyond<'_>) -> Option<(Grant, Opens)> {
    let Beyond { place, manifest, grant, is_template, confines } = *beyond;
    let is_around = manifest.path.is_under(place.path.directory());
    // With a profile the manifest's own folder is not open yet, and its templates may need it.
    let is_needed = is_template && confines.is_some();
    let may_open_folder = route.config.grant == GrantMode::Directory
        && (is_needed || !is_around)
        && confines.is_none_or(|confines| confines.may_open_folder(place))
        && route.may_grant_folder_of(place).is_ok();
    let opens = match (&route.config.asset, grant) {
        (None, _) => Some(Opens::All),
        // A manifest that was opened by its exact path may be another asset's, whose folders are not
        // this session's.
        (Some(_), Grant::Exact { .. }) => None,
        (Some(asset), Grant::Folder { .. } | Grant::First { .. })
            if place.host == manifest.host
                && asset.covers_together(&manifest.path, &place.path) =>
        {
            Some(Opens::All)
        }
        (Some(_), Grant::Folder { .. } | Grant::First { .. }) => {
            is_template.then_some(Opens::Media)
        }
    };
    match opens {
        Some(_) if may_open_folder && is_around => {
            Some((Grant::folder_of(&place.path)?, Opens::Media))
        }
        Some(opens) if may_open_folder => Some((Grant::folder_of(&place.path)?, opens)),
        _ => Some((Grant::exactly(&place.path)?, Opens::All)),
    }
}

/// Makes a further token of the same session. One for a key ends with `keys_end`, if that is before
/// the session does.
pub(crate) fn extend(
    signer: &SessionKey,
    admitted: &Admitted,
    extension: &Extension,
    keys_end: Option<UnixTime>,
) -> SessionToken {
    let Extension { place, grant, opens } = extension;
    let mut claims = SessionClaims { grant: *grant, ..admitted.claims };
    match opens {
        Opens::All => {}
        Opens::Media => claims.profile |= FOR_MEDIA,
        Opens::Key => {
            claims.profile |= FOR_KEY;
            claims.expires = keys_end.map_or(claims.expires, |end| end.min(claims.expires));
        }
    }
    signer.seal(&claims, &admitted.route.config.id, &place.path, admitted.client)
}
