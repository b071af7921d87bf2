//! What the gateway remembers of sessions: whom they are for, when they were seen, which were ended.
//!
//! A session's token alone lets it in; this can only end a session earlier. A session of which
//! nothing is known, after a restart for example, is taken as it comes.
//!
//! Each process has its [`memory`]. Replicas agree by a store that they [share](shared): Redis, or what
//! speaks its protocol.

mod hashed;
mod memory;
mod shared;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use sluicegate_token::{ResourcePath, SessionId, UnixTime};

use self::memory::Memory;
pub use self::shared::{OnFailure, SharedConfig};
use self::shared::{Shared, Touch, Touched};
use crate::Error;
use crate::metrics::Metrics;

/// When sessions end early, and how many play at once.
#[derive(Clone, Copy, Debug)]
pub struct SessionRules {
    /// Seconds without a request after which a session is over.
    pub idle_secs: Option<u64>,
    /// Seconds after its last request during which a stream counts.
    pub stream_secs: u64,
    /// The most streams of one session at once, unless it was opened with a number of its own.
    pub max_streams: Option<u32>,
    /// The most streams of one user at once, over all sessions.
    pub max_streams_per_user: Option<u32>,
}

/// What a session was opened with.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Opened {
    pub(crate) route: String,
    pub(crate) path: String,
    pub(crate) user: Option<String>,
    pub(crate) ip: Option<IpAddr>,
    /// The name of its profile.
    pub(crate) profile: Option<String>,
    pub(crate) max_streams: Option<u32>,
    /// The platform's own, given back as it came.
    pub(crate) data: Option<Value>,
    #[serde(with = "unix_time")]
    pub(crate) expires: UnixTime,
}

/// Why a session is over before its token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Somebody ended it.
    Revoked,
    /// Nobody asked for anything.
    Idle,
}

/// Why a request of a session is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotServed {
    Ended(Ended),
    /// The session plays at as many places as it may.
    TooManyStreams,
    /// The user does.
    TooManyOfUser,
    /// The store that replicas share does not answer, and may not be done without.
    StoreGone,
}

/// One session as it stands.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) id: SessionId,
    pub(crate) opened: Opened,
    pub(crate) created: UnixTime,
    pub(crate) last: UnixTime,
    pub(crate) streams: usize,
    pub(crate) ended: Option<Ended>,
}

/// So many streams of a session are remembered where nothing limits them; more are served and not counted.
const MOST_REMEMBERED: usize = 64;

/// A player: an address with a program. Two windows of one browser are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StreamId(u64);

/// The sessions. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct SessionStore {
    memory: Arc<Memory>,
    shared: Option<Arc<Shared>>,
    rules: SessionRules,
}

/// Unix time as a number.
mod unix_time {
    use serde::{Deserialize as _, Deserializer, Serializer};
    use sluicegate_token::UnixTime;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(time: &UnixTime, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(time.0)
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<UnixTime, D::Error> {
        u64::deserialize(from).map(UnixTime)
    }
}

impl Default for SessionRules {
    fn default() -> Self {
        Self { idle_secs: None, stream_secs: 30, max_streams: None, max_streams_per_user: None }
    }
}

impl Opened {
    /// A session of which nothing is known but what its token says.
    pub(crate) fn by_token(route: &str, path: &ResourcePath, expires: UnixTime) -> Self {
        Self { route: route.to_owned(), path: path.to_string(), ..Self::unknown(expires) }
    }

    /// A session of which nothing is known at all.
    pub(crate) const fn unknown(expires: UnixTime) -> Self {
        Self {
            route: String::new(),
            path: String::new(),
            user: None,
            ip: None,
            profile: None,
            max_streams: None,
            data: None,
            expires,
        }
    }
}

// === impl StreamId ===

impl StreamId {
    /// The player that a request comes from.
    pub(crate) fn of(client: Option<IpAddr>, agent: &[u8]) -> Self {
        // The same in every replica, whatever built it.
        let mut hasher = Sha256::new();
        match client.map(|client| client.to_canonical()) {
            None => {}
            Some(IpAddr::V4(client)) => hasher.update(client.octets()),
            Some(IpAddr::V6(client)) => hasher.update(client.octets()),
        }
        hasher.update([0]);
        hasher.update(agent);
        let hash: [u8; 32] = hasher.finalize().into();
        let (first, _) = hash.split_first_chunk().unwrap_or((&[0; 8], &[]));
        Self(u64::from_be_bytes(*first))
    }
}

impl StreamId {
    /// Reads what [`fmt::Display`] writes.
    fn from_text(text: &str) -> Option<Self> {
        u64::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

// === impl SessionStore ===

impl SessionStore {
    /// # Errors
    /// [`Error::Internal`] if the shared store's address cannot be used.
    pub(crate) fn new(
        rules: SessionRules,
        shared: Option<&SharedConfig>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, Error> {
        let shared = shared.map(|config| Shared::new(config, Arc::clone(metrics))).transpose()?;
        Ok(Self { memory: Arc::default(), shared: shared.map(Arc::new), rules })
    }

    /// The same sessions under other rules.
    pub(crate) fn with_rules(&self, rules: SessionRules) -> Self {
        Self { rules, ..self.clone() }
    }

    /// Begins a session, or goes on with one that was idle. A revoked one stays so.
    ///
    /// # Errors
    /// [`NotServed::StoreGone`] if the shared store does not answer, and may not be done without.
    pub(crate) async fn open(
        &self,
        id: SessionId,
        opened: Opened,
        now: UnixTime,
    ) -> Result<(), NotServed> {
        if let Some(shared) = &self.shared {
            let touch = Touch { id, opened: &opened, stream: None, begins: true };
            match shared.touch(&touch, &self.rules, now).await {
                Ok(touched) => self.memory.learn(touched.seen, &touched.playing, &self.rules, now),
                Err(_) if shared.may_go_on() => {}
                Err(_) => return Err(NotServed::StoreGone),
            }
        }
        self.memory.open(id, opened, now);
        Ok(())
    }

    /// Decides whether a request of a session is served, and remembers that it was seen. `stream` is
    /// none for what plays nothing, as HEAD.
    ///
    /// # Errors
    /// [`NotServed`].
    pub(crate) async fn admit(
        &self,
        id: SessionId,
        unknown: impl FnOnce() -> Opened,
        stream: Option<StreamId>,
        now: UnixTime,
    ) -> Result<(), NotServed> {
        if let Some(shared) = &self.shared
            && !shared.was_told(id, stream, &self.rules, now)
        {
            if self.memory.is_revoked(id) {
                return Err(NotServed::Ended(Ended::Revoked));
            }
            let counted = self.memory.counted(id, stream, &self.rules);
            if counted == stream || !shared.was_told(id, counted, &self.rules, now) {
                return Box::pin(self.admit_shared(shared, id, unknown(), counted, now)).await;
            }
        }
        self.memory.admit(id, unknown, stream, &self.rules, now)
    }

    async fn admit_shared(
        &self,
        shared: &Shared,
        id: SessionId,
        unknown: Opened,
        stream: Option<StreamId>,
        now: UnixTime,
    ) -> Result<(), NotServed> {
        let known = self.memory.playing(id, stream, &self.rules, now);
        let plays = known.as_ref().is_some_and(|(_, plays)| *plays);
        let is_known = known.is_some();
        let opened = known.map_or(unknown, |(opened, _)| opened);
        // What plays here is known elsewhere, or will be: so many do not become fewer by asking.
        if let Some(stream) = stream
            && let Some(refused) = self.memory.refuses(id, stream, &self.rules, now)
        {
            return Err(refused);
        }
        let touch = Touch { id, opened: &opened, stream, begins: false };
        match shared.touch(&touch, &self.rules, now).await {
            Ok(Touched { seen, refused, playing }) => {
                self.memory.learn(seen, &playing, &self.rules, now);
                if let Some(refused) = refused {
                    return Err(refused);
                }
            }
            // What plays here goes on, whatever else there may be elsewhere.
            Err(_) if plays || shared.may_go_on() => {}
            Err(_) if is_known && !self.rules.limit(&opened) => {}
            Err(_) => return Err(NotServed::StoreGone),
        }
        self.memory.admit(id, || opened, stream, &self.rules, now)
    }

    /// Ends a session, whether anything is known of it or not: `unknown` is until when its token
    /// could be good.
    ///
    /// # Errors
    /// [`NotServed::StoreGone`]: it is over here, and elsewhere when the shared store is back.
    pub(crate) async fn revoke(
        &self,
        id: SessionId,
        unknown: Opened,
        now: UnixTime,
    ) -> Result<(), NotServed> {
        let expires = unknown.expires;
        self.memory.revoke(id, unknown, now);
        match &self.shared {
            Some(shared) => shared.revoke(id, expires, now).await.map_err(|_| NotServed::StoreGone),
            None => Ok(()),
        }
    }

    /// What is known of a session.
    ///
    /// # Errors
    /// [`NotServed::StoreGone`].
    pub(crate) async fn find(
        &self,
        id: SessionId,
        now: UnixTime,
    ) -> Result<Option<Seen>, NotServed> {
        match &self.shared {
            Some(shared) => {
                shared.find(id, &self.rules, now).await.map_err(|_| NotServed::StoreGone)
            }
            None => Ok(self.memory.find(id, &self.rules, now)),
        }
    }

    /// Those that `wanted` wants and whose token may be good still, in the order of their ids, behind
    /// `after`, `limit` at most. If only those of one `user` are wanted, no others are looked at.
    ///
    /// # Errors
    /// [`NotServed::StoreGone`].
    pub(crate) async fn list(
        &self,
        wanted: impl Fn(&Seen) -> bool,
        user: Option<&str>,
        after: Option<SessionId>,
        limit: usize,
        now: UnixTime,
    ) -> Result<Vec<Seen>, NotServed> {
        match &self.shared {
            Some(shared) => {
                let wanted = |seen: &Seen| seen.opened.expires >= now && wanted(seen);
                let listed = shared.list(wanted, user, after, limit, &self.rules, now).await;
                listed.map_err(|_| NotServed::StoreGone)
            }
            None => Ok(self.memory.list(wanted, after, limit, &self.rules, now)),
        }
    }

    /// How many sessions this process has seen whose time is not over, and how many of their streams
    /// play.
    pub(crate) fn count(&self, now: UnixTime) -> (usize, usize) {
        self.memory.count(&self.rules, now)
    }

    /// Hears of what other replicas revoke, for as long as it is polled.
    pub(crate) async fn watch(&self, now: impl Fn() -> UnixTime) {
        if let Some(shared) = &self.shared {
            shared.watch(&self.memory, &self.rules, now).await;
        }
    }
}

impl SessionRules {
    /// Whether the streams of a session, or of its user, are limited.
    const fn limit(&self, opened: &Opened) -> bool {
        self.max_streams.is_some()
            || opened.max_streams.is_some()
            || (self.max_streams_per_user.is_some() && opened.user.is_some())
    }
}
