//! What calls of the API hold, and their answers.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluicegate_token::{SessionId, UnixTime};
use utoipa::{IntoParams, ToSchema};

use crate::Error;
use crate::session_store::{Ended, Seen};

const DEFAULT_PAGE: usize = 100;
const LONGEST_PAGE: usize = 1000;

/// A session to open.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSession {
    /// The manifest's path on the gateway.
    #[schema(example = "/videos/a/master.m3u8")]
    pub(crate) path: String,
    /// How long the session lives: seconds, or text such as `"4h"`.
    ttl: Option<Ttl>,
    /// The client's address, if the session shall be bound to it.
    #[schema(value_type = Option<String>, example = "203.0.113.7")]
    pub(crate) ip: Option<IpAddr>,
    /// Whose session it is, for limits and lists.
    pub(crate) user: Option<String>,
    /// What it may have at most: a name of the configuration.
    pub(crate) profile: Option<String>,
    /// How many streams of it may play at once.
    pub(crate) max_streams: Option<u32>,
    /// The platform's own, given back as it came.
    #[schema(value_type = Option<Object>)]
    pub(crate) data: Option<Value>,
}

/// Seconds, or text such as `"4h"`.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
enum Ttl {
    Secs(u64),
    Text(String),
}

/// A session that was opened.
#[derive(Serialize, ToSchema)]
pub(crate) struct OpenedSession {
    /// 28 hexadecimal digits.
    pub(crate) id: String,
    /// Unix time, in seconds.
    pub(crate) expires_at: u64,
    pub(crate) urls: Urls,
}

/// Where a player begins; one of them, by the manifest's format.
#[derive(Serialize, ToSchema)]
pub(crate) struct Urls {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hls: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dash: Option<String>,
}

/// Which sessions are listed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Of this route.
    route: Option<String>,
    /// Of this user.
    user: Option<String>,
    /// In this state.
    state: Option<State>,
    /// How many at most: 100 unless told, 1000 at most.
    limit: Option<usize>,
    /// Behind this session: `next` of the page before.
    after: Option<String>,
}

/// How a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Open,
    Idle,
    Revoked,
    Expired,
}

/// A page of the list.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionPage {
    pub(crate) sessions: Vec<ListedSession>,
    /// What to give as `after` for the next page.
    pub(crate) next: Option<String>,
}

/// A session as it stands; times are Unix time, in seconds.
#[derive(Serialize, ToSchema)]
pub(crate) struct ListedSession {
    id: String,
    state: State,
    route: String,
    path: String,
    user: Option<String>,
    #[schema(value_type = Option<String>)]
    ip: Option<IpAddr>,
    profile: Option<String>,
    max_streams: Option<u32>,
    #[schema(value_type = Option<Object>)]
    data: Option<Value>,
    created_at: u64,
    seen_at: u64,
    expires_at: u64,
    /// How many play now.
    streams: usize,
}

impl NewSession {
    pub(crate) fn ttl_secs(&self, default: u64, most: u64) -> Result<u64, Error> {
        let secs = match &self.ttl {
            None => default,
            Some(Ttl::Secs(secs)) => *secs,
            Some(Ttl::Text(text)) => humantime::parse_duration(text)
                .map_err(|error| {
                    let message = format!("ttl: {error}; write seconds, or text such as \"4h\"");
                    Error::bad_call("ttl", message)
                })?
                .as_secs(),
        };
        if (1..=most).contains(&secs) {
            Ok(secs)
        } else {
            Err(Error::bad_call("ttl", format!("ttl: it must be 1 to {most} seconds")))
        }
    }
}

impl Filter {
    pub(crate) fn limit(&self) -> Result<usize, Error> {
        match self.limit.unwrap_or(DEFAULT_PAGE) {
            limit @ 1..=LONGEST_PAGE => Ok(limit),
            _ => Err(Error::bad_call("limit", format!("limit: it must be 1 to {LONGEST_PAGE}"))),
        }
    }

    pub(crate) fn after(&self) -> Result<Option<SessionId>, Error> {
        self.after.as_deref().map(parse_id).transpose()
    }

    /// The one user whose sessions are wanted.
    pub(crate) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    pub(crate) fn wants(&self, seen: &Seen) -> bool {
        self.route.as_ref().is_none_or(|route| *route == seen.opened.route)
            && self.user.as_ref().is_none_or(|user| Some(user) == seen.opened.user.as_ref())
            && self.state.is_none_or(|state| state == State::of(seen, UnixTime(0)))
    }
}

impl State {
    fn of(seen: &Seen, now: UnixTime) -> Self {
        match seen.ended {
            Some(Ended::Revoked) => Self::Revoked,
            Some(Ended::Idle) => Self::Idle,
            None if seen.opened.expires < now => Self::Expired,
            None => Self::Open,
        }
    }
}

impl ListedSession {
    pub(crate) fn new(seen: Seen, now: UnixTime) -> Self {
        Self {
            id: seen.id.to_string(),
            state: State::of(&seen, now),
            route: seen.opened.route,
            path: seen.opened.path,
            user: seen.opened.user,
            ip: seen.opened.ip,
            profile: seen.opened.profile,
            max_streams: seen.opened.max_streams,
            data: seen.opened.data,
            created_at: seen.created.0,
            seen_at: seen.last.0,
            expires_at: seen.opened.expires.0,
            streams: seen.streams,
        }
    }
}

/// A session's id: 28 hexadecimal digits.
pub(crate) fn parse_id(text: &str) -> Result<SessionId, Error> {
    SessionId::from_text(text)
        .ok_or_else(|| Error::bad_call("id", "id: a session's id is 28 hexadecimal digits"))
}
