//! What a gateway asks for in MPDs beside tokens: absolute base URLs, a Location, players that copy
//! the query, and a way out for templates that cannot be written out.

use sluicegate_manifest::{
    CdnPaths, Decision, KeepReason, Limits, Options, Place, Role, Template, TokenAt, TokenRef, Uri,
    UriPolicy,
};
use sluicegate_token::{ByteList, Scope};
use url::{Position, Url};

use super::super::{common, edits_give_the_source_back, has_its_place};

/// Where players get the MPD, and what cannot be signed.
const SERVED: &str = "https://gateway.invalid/~0.0~/vod/manifest.mpd";
const SESSION: &[u8] = b"a-session";
const LIST_OF_SESSIONS: TokenRef = TokenRef { list: 0, index: 0 };

pub(super) fn render_there(template: &Template) {
    // So few that many templates cannot be written out.
    let limits = Limits { max_expanded_segments: 20, ..Limits::default() };
    let options = Options { limits, ..Options::default() };
    let Ok(template) = &Template::compile(template.source().clone(), &options) else { return };
    for scope in [Scope::Directory, Scope::File] {
        for copies_query in [false, true] {
            render(template, scope, copies_query);
        }
    }
}

fn render(template: &Template, scope: Scope, copies_query: bool) {
    let base = common::url(common::BASE);
    let gcore = common::gcore(scope);
    let place =
        Place { served: common::url(SERVED), now: Some(common::NOW), ..Place::at(base.clone()) };
    let mut policy = Gateway { base, paths: CdnPaths::new(1, &gcore), copies_query };
    let plan = match template.plan(&place, &mut policy) {
        Ok(plan) => plan,
        Err(error) => return has_its_place(template, &error),
    };
    let mut sessions = ByteList::default();
    sessions.push(SESSION);
    let signed = policy.paths.sign(common::EXPIRES, None);
    let rendered = plan.render(&[sessions, signed.expect("the key needs no address")]);
    edits_give_the_source_back(template, &rendered.bytes, &rendered.edits);
    assert!(plan.dropped().iter().all(|&slot| template.slots()[slot].role() == Role::BaseUrl));
    super::reads_again(&rendered.bytes);
}

/// Documents through the gateway, with the session in the path, all else from a CDN.
struct Gateway<'s> {
    base: Url,
    paths: CdnPaths<'s>,
    copies_query: bool,
}

impl Gateway<'_> {
    fn through_gateway(&self, url: &Url) -> Decision {
        let placeholder = LIST_OF_SESSIONS.placeholder();
        let path = &url[Position::BeforePath..];
        Decision::Deliver {
            url: common::url(&format!("https://gateway.invalid/{placeholder}{path}")),
            token: Some(TokenAt::Path(LIST_OF_SESSIONS)),
        }
    }
}

impl UriPolicy for Gateway<'_> {
    fn decide(&mut self, uri: &Uri<'_>) -> Decision {
        if uri.url.origin() != self.base.origin() {
            return Decision::Keep(KeepReason::ForeignHost);
        }
        if uri.role.is_document() {
            return self.through_gateway(uri.url);
        }
        let url = common::url(&format!("https://edge.invalid{}", &uri.url[Position::BeforePath..]));
        if uri.role == Role::BaseUrl {
            return Decision::Deliver { url, token: None };
        }
        if !self.paths.covers(uri.varies) {
            return Decision::Expand;
        }
        match self.paths.token_for(uri.url) {
            Ok(token) => Decision::Deliver { url, token: Some(TokenAt::Query(token)) },
            Err(reason) => Decision::Refuse(reason),
        }
    }

    fn decide_unexpandable(&mut self, uri: &Uri<'_>, _reason: &str) -> Decision {
        self.through_gateway(uri.url)
    }

    fn is_copied_by_players(&self, _token: TokenRef) -> bool {
        self.copies_query
    }

    fn writes_absolute_bases(&self) -> bool {
        true
    }

    fn location(&mut self, served: &Url) -> Option<Decision> {
        Some(Decision::Deliver {
            url: served.clone(),
            token: Some(TokenAt::Path(LIST_OF_SESSIONS)),
        })
    }

    fn token_ampersands(&self) -> usize {
        1
    }

    fn protects(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }
}
