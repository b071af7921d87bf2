//! What replicas share, in Redis or Valkey: sessions with what they were opened with, the streams that
//! play, and what was revoked.
//!
//! Media requests ask for it once in a few seconds per stream; between these the process's own memory
//! decides. Every key has one hash tag, since a session is counted and listed in one script.

mod connection;
mod exchange;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use redis::Script;
use secrecy::SecretSlice;
use sluicegate_token::{SessionId, UnixTime};
use url::Url;

use self::connection::{Connection, Gone};
use super::{Ended, NotServed, Opened, Seen, SessionRules, StreamId};
use crate::Error;
use crate::metrics::Metrics;

/// A stream that plays is told of again after so long, at most.
const TOLD_FOR_SECS: u64 = 5;
/// Streams that are remembered as told of. One that is forgotten is told of once more.
const MOST_TOLD: u64 = 200_000;
/// How many sessions are read at once for a list.
const LISTED_AT_ONCE: usize = 500;
/// What was revoked is told to replicas that come for so long, and longer if its session may live longer.
const REVOKED_FOR_SECS: u64 = 32 * 86_400;

/// What happens to new streams while the store does not answer. What plays goes on, and what was
/// revoked stays so, in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// They play, and each replica counts for itself.
    #[default]
    Open,
    /// Those that have a limit, or of which nothing is known, are refused.
    Closed,
}

/// Where the store is, and how it is used.
#[derive(Clone)]
pub struct SharedConfig {
    /// `redis://host:port/database`, or `rediss://` with TLS; without credentials.
    pub url: Url,
    /// The name of an ACL's user.
    pub username: Option<String>,
    /// The password.
    pub password: Option<SecretSlice<u8>>,
    /// What all keys begin with.
    pub prefix: String,
    /// What happens while it does not answer.
    pub on_failure: OnFailure,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// A session that is seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touch<'s> {
    pub(super) id: SessionId,
    /// What is known of it, if the store knows nothing.
    pub(super) opened: &'s Opened,
    pub(super) stream: Option<StreamId>,
    /// Whether it begins, by a link or by the API.
    pub(super) begins: bool,
}

/// What the store says of a session.
#[derive(Debug)]
pub(super) struct Touched {
    pub(super) seen: Seen,
    /// Why it is not served, if so.
    pub(super) refused: Option<NotServed>,
    /// The streams that count with this one, if they are limited, and when they were seen.
    pub(super) playing: Vec<(SessionId, StreamId, UnixTime)>,
}

/// The store.
#[derive(Debug)]
pub(super) struct Shared {
    connection: Connection,
    keys: Keys,
    on_failure: OnFailure,
    /// When the store last heard of a stream.
    told: Cache<(SessionId, Option<StreamId>), UnixTime>,
    scripts: Scripts,
}

#[derive(Debug)]
struct Scripts {
    touch: Script,
    revoke: Script,
    list: Script,
    read: Script,
}

/// What things are called in the store.
#[derive(Debug)]
struct Keys {
    prefix: String,
}

impl Shared {
    pub(super) fn new(config: &SharedConfig, metrics: Arc<Metrics>) -> Result<Self, Error> {
        let scripts = Scripts {
            touch: Script::new(concat!(
                include_str!("shared/lists.lua"),
                include_str!("shared/touch.lua")
            )),
            revoke: Script::new(concat!(
                include_str!("shared/lists.lua"),
                include_str!("shared/revoke.lua")
            )),
            list: Script::new(concat!(
                include_str!("shared/lists.lua"),
                include_str!("shared/list.lua")
            )),
            read: Script::new(include_str!("shared/read.lua")),
        };
        Ok(Self {
            connection: Connection::new(config, metrics)?,
            keys: Keys { prefix: format!("{{{}}}", config.prefix) },
            on_failure: config.on_failure,
            told: Cache::builder().max_capacity(MOST_TOLD).build(),
            scripts,
        })
    }

    /// Whether new streams may play without the store.
    pub(super) fn may_go_on(&self) -> bool {
        self.on_failure == OnFailure::Open
    }

    /// Whether the store heard of a stream a moment ago.
    pub(super) fn was_told(
        &self,
        id: SessionId,
        stream: Option<StreamId>,
        rules: &SessionRules,
        now: UnixTime,
    ) -> bool {
        // Never so long ago that it would count as gone.
        let shortest = rules.stream_secs.min(rules.idle_secs.unwrap_or(u64::MAX));
        let told_for = TOLD_FOR_SECS.min(shortest / 4);
        let told = self.told.get(&(id, stream));
        told.is_some_and(|told| now < told.saturating_add(told_for))
    }

    /// Tells of a session, and learns what is known of it.
    pub(super) async fn touch(
        &self,
        touch: &Touch<'_>,
        rules: &SessionRules,
        now: UnixTime,
    ) -> Result<Touched, Gone> {
        let Touch { id, opened, stream, begins } = *touch;
        let text =
            |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        let mut call = self.scripts.touch.prepare_invoke();
        call.key(self.keys.session(id))
            .key(self.keys.streams(id))
            .key(self.keys.named("sessions"))
            .key(self.keys.named("ends"))
            .arg(now.0)
            .arg(id.to_string())
            .arg(stream.map(|stream| stream.to_string()).unwrap_or_default())
            .arg(u8::from(begins))
            .arg(serde_json::to_string(opened).unwrap_or_default())
            .arg(opened.user.as_deref().unwrap_or_default())
            .arg(opened.expires.0)
            .arg(rules.stream_secs)
            .arg(text(rules.idle_secs))
            .arg(text(opened.max_streams.map(u64::from)))
            .arg(text(rules.max_streams_per_user.map(u64::from)))
            .arg(self.keys.named("user:"))
            .arg(text(rules.max_streams.map(u64::from)))
            .arg(self.keys.named("plays:"));
        type Playing = Vec<(String, u64)>;
        let answer: (String, u64, u64, String, String, Playing, Playing) =
            self.connection.ask(async |mut redis| call.invoke_async(&mut redis).await).await?;
        let (known, created, last, ended, refused, playing, of_user) = answer;
        let seen = Seen {
            id,
            opened: serde_json::from_str(&known).unwrap_or_else(|_| opened.clone()),
            created: UnixTime(created),
            last: UnixTime(last),
            streams: 0,
            ended: ended_of(&ended),
        };
        let refused = match (&*refused, seen.ended) {
            (_, Some(ended)) => Some(NotServed::Ended(ended)),
            ("session", _) => Some(NotServed::TooManyStreams),
            ("user", _) => Some(NotServed::TooManyOfUser),
            _ => None,
        };
        if refused.is_none() {
            self.told.insert((id, stream), now);
        }
        let own =
            playing.iter().filter_map(|(stream, at)| Some((id, StreamId::from_text(stream)?, *at)));
        let others = of_user.iter().filter_map(|(member, at)| {
            let (id, stream) = member.split_once(':')?;
            Some((SessionId::from_text(id)?, StreamId::from_text(stream)?, *at))
        });
        let playing =
            own.chain(others).map(|(id, stream, at)| (id, stream, UnixTime(at))).collect();
        Ok(Touched { seen, refused, playing })
    }

    /// Ends a session everywhere.
    pub(super) async fn revoke(
        &self,
        id: SessionId,
        expires: UnixTime,
        now: UnixTime,
    ) -> Result<(), Gone> {
        let mut call = self.scripts.revoke.prepare_invoke();
        call.key(self.keys.session(id))
            .key(self.keys.streams(id))
            .key(self.keys.named("revoked"))
            .arg(self.keys.named("revoked"))
            .arg(now.0)
            .arg(exchange::entry(id, expires))
            .arg(REVOKED_FOR_SECS.max(expires.0.saturating_sub(now.0)))
            .arg(expires.0);
        self.connection.ask(async |mut redis| call.invoke_async(&mut redis).await).await
    }

    pub(super) async fn find(
        &self,
        id: SessionId,
        rules: &SessionRules,
        now: UnixTime,
    ) -> Result<Option<Seen>, Gone> {
        Ok(self.read(&[id], rules, now).await?.pop().flatten())
    }

    /// As [`super::SessionStore::list`].
    pub(super) async fn list(
        &self,
        wanted: impl Fn(&Seen) -> bool,
        user: Option<&str>,
        after: Option<SessionId>,
        limit: usize,
        rules: &SessionRules,
        now: UnixTime,
    ) -> Result<Vec<Seen>, Gone> {
        let list = match user {
            Some(user) => self.keys.named(&format!("user:{user}")),
            None => self.keys.named("sessions"),
        };
        let mut found = Vec::new();
        let mut from = after.map_or_else(|| "-".to_owned(), |after| format!("({after}"));
        loop {
            let mut call = self.scripts.list.prepare_invoke();
            call.key(&list).arg(&from).arg(LISTED_AT_ONCE);
            let page: Vec<String> =
                self.connection.ask(async |mut redis| call.invoke_async(&mut redis).await).await?;
            let ids: Vec<_> = page.iter().filter_map(|id| SessionId::from_text(id)).collect();
            let read = self.read(&ids, rules, now).await?;
            found.extend(read.into_iter().flatten().filter(&wanted));
            match page.last() {
                Some(last) if page.len() == LISTED_AT_ONCE && found.len() < limit => {
                    from = format!("({last}");
                }
                _ => break,
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// Reads sessions; none where there is none.
    async fn read(
        &self,
        ids: &[SessionId],
        rules: &SessionRules,
        now: UnixTime,
    ) -> Result<Vec<Option<Seen>>, Gone> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let oldest = now.saturating_sub(rules.stream_secs).0;
        let mut call = self.scripts.read.prepare_invoke();
        for id in ids {
            call.key(self.keys.session(*id)).key(self.keys.streams(*id));
        }
        call.arg(oldest);
        type Row = (String, String, String, String, usize);
        let rows: Vec<Row> =
            self.connection.ask(async |mut redis| call.invoke_async(&mut redis).await).await?;
        let seen = ids.iter().zip(rows).map(|(id, (opened, created, last, ended, streams))| {
            let last = UnixTime(last.parse().ok()?);
            let is_idle = rules.idle_secs.is_some_and(|idle| now > last.saturating_add(idle));
            Some(Seen {
                id: *id,
                opened: serde_json::from_str(&opened).ok()?,
                created: UnixTime(created.parse().ok()?),
                last,
                streams,
                ended: ended_of(&ended).or(is_idle.then_some(Ended::Idle)),
            })
        });
        Ok(seen.collect())
    }
}

impl Keys {
    fn named(&self, name: &str) -> String {
        format!("{}:{name}", self.prefix)
    }

    fn session(&self, id: SessionId) -> String {
        self.named(&format!("session:{id}"))
    }

    fn streams(&self, id: SessionId) -> String {
        self.named(&format!("streams:{id}"))
    }
}

impl fmt::Debug for SharedConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, prefix, on_failure, timeout, .. } = self;
        f.debug_struct("SharedConfig")
            .field("url", &url.as_str())
            .field("prefix", prefix)
            .field("on_failure", on_failure)
            .field("timeout", timeout)
            .finish_non_exhaustive()
    }
}

fn ended_of(text: &str) -> Option<Ended> {
    match text {
        "revoked" => Some(Ended::Revoked),
        "idle" => Some(Ended::Idle),
        _ => None,
    }
}
