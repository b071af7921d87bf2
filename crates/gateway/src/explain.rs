//! Why a URL of this gateway, or of one of its CDNs, is refused: for `sluicegate explain`.

use std::net::IpAddr;

use sluicegate_token::{
    Effort, Explanation, Link, Mistake, Presented, Refusal, Target, UnixTime, explain,
};
use url::Url;

use crate::app::App;
use crate::refusals::explained_session;
use crate::request::MediaRequest;
use crate::{Error, session};

/// What a URL was taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A session URL of the gateway.
    Session {
        /// The route.
        route: String,
    },
    /// A link that opens a session.
    Link {
        /// The route.
        route: String,
    },
    /// A URL of a route's CDN.
    Cdn {
        /// The route.
        route: String,
    },
}

impl App {
    /// Says what a URL, or a path of the gateway, is, and why it is let in or refused. None if it
    /// has no route here.
    #[must_use]
    pub fn explain(
        &self,
        url: &str,
        ip: Option<IpAddr>,
        now: UnixTime,
    ) -> Option<(Subject, Explanation)> {
        self.explain_cdn(url, ip, now).or_else(|| self.explain_own(url, ip, now))
    }

    fn explain_cdn(
        &self,
        url: &str,
        ip: Option<IpAddr>,
        now: UnixTime,
    ) -> Option<(Subject, Explanation)> {
        let parsed = Url::parse(url).ok()?;
        let link = Link::parse(url).ok()?;
        let cdns = self.routes().iter().flat_map(|route| {
            (0..route.hosts()).filter_map(move |host| Some((route, route.cdn_at(host)?)))
        });
        let is_below =
            |base: &Url| base.origin() == parsed.origin() && parsed.path().starts_with(base.path());
        let (route, cdn) = cdns.into_iter().find(|(_, cdn)| is_below(&cdn.base_url))?;
        let (path, query) = (link.path(), link.query());
        let presented = Presented { path, url: url.as_bytes(), query, ip };
        let explained = explain(&cdn.ring, &presented, now, Effort::Thorough);
        Some((Subject::Cdn { route: route.config.id.clone() }, explained))
    }

    fn explain_own(
        &self,
        url: &str,
        ip: Option<IpAddr>,
        now: UnixTime,
    ) -> Option<(Subject, Explanation)> {
        let link = Link::parse(url).ok()?;
        let written = link.without_fragment();
        let target = Target { path: link.path(), url: written.as_bytes() };
        let raw = std::str::from_utf8(target.raw_path()).ok()?;
        let raw = raw.strip_prefix(self.public_path()).unwrap_or(raw);
        let query = link.query().and_then(|query| std::str::from_utf8(query).ok());
        let request = MediaRequest::parse(raw, query, ip, self.limits().max_path_bytes).ok()?;
        let route = self.routes().iter().find(|route| route.place(&request.path).is_some())?;
        let id = route.config.id.clone();
        if let Some(mut explained) = explained_session(self.keys(), self.routes(), &request, now) {
            let admitted = session::admit(self.keys(), self.routes(), &request, now);
            let mistake = match admitted {
                Err(Error::KeyNeedsOwnToken) => Some(Mistake::SessionOfKey),
                Err(Error::BeyondMediaToken) => Some(Mistake::SessionOfMedia),
                _ => None,
            };
            if let Some(mistake) = mistake {
                let (verdict, mistakes) = (Err(Refusal::WrongToken), vec![mistake]);
                explained = Explanation { verdict, status: 403, mistakes };
            }
            return Some((Subject::Session { route: id }, explained));
        }
        let entry = route.config.entry.as_ref()?;
        let presented = Presented {
            path: &request.path.decoded,
            url: written.as_bytes(),
            query: Some(request.query.as_bytes()),
            ip: request.client,
        };
        let now = now.saturating_sub(entry.leeway_secs);
        let explained = explain(&entry.ring, &presented, now, Effort::Thorough);
        Some((Subject::Link { route: id }, explained))
    }
}
