//! What the gateway remembers of sessions: whom they are for, when they were seen, which were ended.
//!
//! A session's token alone lets it in; this can only end a session earlier. A session of which
//! nothing is known, after a restart for example, is taken as it comes.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use sluicegate_token::{ResourcePath, SessionId, UnixTime};

/// Sessions are spread over so many locks.
const SHARDS: usize = 64;
/// A shard is swept of what is over when it has grown by so many.
const SWEEP_EVERY: usize = 1024;

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
#[derive(Clone, Debug)]
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

/// A player: an address with a program. Two windows of one browser are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StreamId(u64);

/// When each stream of a user was seen, over all sessions.
type StreamsOfUser = HashMap<(SessionId, StreamId), UnixTime>;

/// The sessions.
#[derive(Debug)]
pub(crate) struct SessionStore {
    shards: Vec<Mutex<Shard>>,
    users: Mutex<HashMap<String, StreamsOfUser>>,
    rules: SessionRules,
}

#[derive(Debug, Default)]
struct Shard {
    sessions: HashMap<SessionId, Record>,
    sweep_at: usize,
}

#[derive(Debug)]
struct Record {
    opened: Opened,
    created: UnixTime,
    last: UnixTime,
    streams: HashMap<StreamId, UnixTime>,
    ended: Option<Ended>,
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
        let mut hasher = DefaultHasher::new();
        (client, agent).hash(&mut hasher);
        Self(hasher.finish())
    }
}

// === impl SessionStore ===

impl SessionStore {
    pub(crate) fn new(rules: SessionRules) -> Self {
        let shards = std::iter::repeat_with(Mutex::default).take(SHARDS).collect();
        Self { shards, users: Mutex::default(), rules }
    }

    /// Begins a session, or goes on with one that was idle. A revoked one stays so.
    pub(crate) fn open(&self, id: SessionId, opened: Opened, now: UnixTime) {
        let mut shard = self.shard(id);
        match shard.sessions.get_mut(&id) {
            Some(record) => {
                record.opened = opened;
                record.last = now;
                if record.ended == Some(Ended::Idle) {
                    record.ended = None;
                }
            }
            None => shard.insert(id, Record::new(opened, now), now),
        }
    }

    /// Decides whether a request of a session is served, and remembers that it was seen. `stream` is
    /// none for what plays nothing, as HEAD.
    pub(crate) fn admit(
        &self,
        id: SessionId,
        unknown: impl FnOnce() -> Opened,
        stream: Option<StreamId>,
        now: UnixTime,
    ) -> Result<(), NotServed> {
        let mut shard = self.shard(id);
        if !shard.sessions.contains_key(&id) {
            shard.insert(id, Record::new(unknown(), now), now);
        }
        let Some(record) = shard.sessions.get_mut(&id) else { return Ok(()) };
        if record.ended.is_none()
            && let Some(idle_secs) = self.rules.idle_secs
            && now > record.last.saturating_add(idle_secs)
        {
            record.ended = Some(Ended::Idle);
        }
        if let Some(ended) = record.ended {
            return Err(NotServed::Ended(ended));
        }
        if let Some(stream) = stream {
            let oldest = now.saturating_sub(self.rules.stream_secs);
            record.streams.retain(|_, seen| *seen >= oldest);
            let most = record.opened.max_streams.or(self.rules.max_streams);
            let is_new = !record.streams.contains_key(&stream);
            if is_new && most.is_some_and(|most| record.streams.len() >= most as usize) {
                return Err(NotServed::TooManyStreams);
            }
            if let Some(user) = &record.opened.user {
                self.admit_user(user, (id, stream), oldest, now)?;
            }
            record.streams.insert(stream, now);
        }
        record.last = now;
        Ok(())
    }

    fn admit_user(
        &self,
        user: &str,
        stream: (SessionId, StreamId),
        oldest: UnixTime,
        now: UnixTime,
    ) -> Result<(), NotServed> {
        let Some(most) = self.rules.max_streams_per_user else { return Ok(()) };
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if !users.contains_key(user) && users.len().is_multiple_of(SWEEP_EVERY) {
            users.retain(|_, streams| streams.values().any(|seen| *seen >= oldest));
        }
        let streams = users.entry(user.to_owned()).or_default();
        streams.retain(|_, seen| *seen >= oldest);
        if !streams.contains_key(&stream) && streams.len() >= most as usize {
            return Err(NotServed::TooManyOfUser);
        }
        streams.insert(stream, now);
        Ok(())
    }

    /// Ends a session, whether anything is known of it or not: `unknown` is until when its token
    /// could be good.
    pub(crate) fn revoke(&self, id: SessionId, unknown: Opened, now: UnixTime) {
        let mut shard = self.shard(id);
        if !shard.sessions.contains_key(&id) {
            shard.insert(id, Record::new(unknown, now), now);
        }
        if let Some(record) = shard.sessions.get_mut(&id) {
            record.ended = Some(Ended::Revoked);
            record.streams.clear();
        }
    }

    pub(crate) fn find(&self, id: SessionId, now: UnixTime) -> Option<Seen> {
        let shard = self.shard(id);
        shard.sessions.get(&id).map(|record| record.seen(id, &self.rules, now))
    }

    /// Those that `wanted` wants and whose token may be good still, in the order of their ids, behind
    /// `after`, `limit` at most.
    pub(crate) fn list(
        &self,
        wanted: impl Fn(&Seen) -> bool,
        after: Option<SessionId>,
        limit: usize,
        now: UnixTime,
    ) -> Vec<Seen> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let seen = shard.sessions.iter().map(|(id, record)| record.seen(*id, &self.rules, now));
            found.extend(seen.filter(|seen| {
                seen.opened.expires >= now && after.is_none_or(|after| seen.id.0 > after.0)
            }));
        }
        found.retain(|seen| wanted(seen));
        found.sort_unstable_by_key(|seen| seen.id.0);
        found.truncate(limit);
        found
    }

    /// How many sessions there are whose time is not over, and how many streams play.
    pub(crate) fn count(&self, now: UnixTime) -> (usize, usize) {
        let oldest = now.saturating_sub(self.rules.stream_secs);
        let (mut sessions, mut streams) = (0, 0);
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            for record in shard.sessions.values() {
                if record.ended.is_none() && record.opened.expires >= now {
                    sessions += 1;
                    streams += record.streams.values().filter(|seen| **seen >= oldest).count();
                }
            }
        }
        (sessions, streams)
    }

    fn shard(&self, id: SessionId) -> MutexGuard<'_, Shard> {
        // Ids are random, or the output of a MAC.
        let at = usize::from(id.0[0]) % SHARDS;
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    fn insert(&mut self, id: SessionId, record: Record, now: UnixTime) {
        if self.sessions.len() >= self.sweep_at {
            self.sessions.retain(|_, record| record.opened.expires >= now);
            self.sweep_at = self.sessions.len() + SWEEP_EVERY;
        }
        self.sessions.insert(id, record);
    }
}

impl Record {
    fn new(opened: Opened, now: UnixTime) -> Self {
        Self { opened, created: now, last: now, streams: HashMap::new(), ended: None }
    }

    fn seen(&self, id: SessionId, rules: &SessionRules, now: UnixTime) -> Seen {
        let oldest = now.saturating_sub(rules.stream_secs);
        let is_idle = rules.idle_secs.is_some_and(|idle| now > self.last.saturating_add(idle));
        Seen {
            id,
            opened: self.opened.clone(),
            created: self.created,
            last: self.last,
            streams: self.streams.values().filter(|seen| **seen >= oldest).count(),
            ended: self.ended.or(is_idle.then_some(Ended::Idle)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: UnixTime = UnixTime(1_000_000);

    fn store(rules: SessionRules) -> SessionStore {
        SessionStore::new(rules)
    }

    fn opened(user: Option<&str>, max_streams: Option<u32>) -> Opened {
        Opened {
            route: "vod".to_owned(),
            path: "/a/master.m3u8".to_owned(),
            user: user.map(str::to_owned),
            max_streams,
            ..Opened::unknown(T.saturating_add(3600))
        }
    }

    fn id(number: u8) -> SessionId {
        SessionId([number; 14])
    }

    fn player(number: u8) -> Option<StreamId> {
        Some(StreamId::of(Some(IpAddr::from([10, 0, 0, number])), b"player"))
    }

    fn unknown() -> Opened {
        opened(None, None)
    }

    #[test]
    fn a_revoked_session_is_not_served_again() {
        let store = store(SessionRules::default());
        store.open(id(1), opened(None, None), T);
        assert_eq!(store.admit(id(1), unknown, player(1), T), Ok(()));
        store.revoke(id(1), unknown(), T);
        let revoked = Err(NotServed::Ended(Ended::Revoked));
        assert_eq!(store.admit(id(1), unknown, player(1), T), revoked);
        store.open(id(1), opened(None, None), T);
        assert_eq!(store.admit(id(1), unknown, None, T), revoked, "nor by its link");
        store.revoke(id(2), unknown(), T);
        assert_eq!(
            store.admit(id(2), unknown, player(1), T),
            revoked,
            "of which nothing was known"
        );
    }

    #[test]
    fn an_idle_session_is_over_until_it_begins_again() {
        let store = store(SessionRules { idle_secs: Some(60), ..SessionRules::default() });
        store.open(id(1), opened(None, None), T);
        assert_eq!(store.admit(id(1), unknown, None, T.saturating_add(60)), Ok(()));
        let late = T.saturating_add(121);
        let idle = Err(NotServed::Ended(Ended::Idle));
        assert_eq!(store.admit(id(1), unknown, None, late), idle);
        assert_eq!(store.admit(id(1), unknown, None, late), idle);
        store.open(id(1), opened(None, None), late);
        assert_eq!(store.admit(id(1), unknown, None, late), Ok(()));
    }

    #[test]
    fn streams_count_while_they_are_seen() {
        let store = store(SessionRules { max_streams: Some(5), ..SessionRules::default() });
        store.open(id(1), opened(None, Some(2)), T);
        assert_eq!(store.admit(id(1), unknown, player(1), T), Ok(()));
        assert_eq!(store.admit(id(1), unknown, player(2), T), Ok(()));
        let refused = Err(NotServed::TooManyStreams);
        assert_eq!(store.admit(id(1), unknown, player(3), T), refused);
        assert_eq!(store.admit(id(1), unknown, None, T), Ok(()), "HEAD plays nothing");
        // The first goes on, the second is gone.
        let later = T.saturating_add(31);
        assert_eq!(store.admit(id(1), unknown, player(1), T.saturating_add(20)), Ok(()));
        assert_eq!(store.admit(id(1), unknown, player(3), later), Ok(()));
        assert_eq!(store.admit(id(1), unknown, player(2), later), refused);
        assert_eq!(store.find(id(1), later).unwrap().streams, 2);
    }

    #[test]
    fn a_users_streams_count_over_all_sessions() {
        let rules = SessionRules { max_streams_per_user: Some(1), ..SessionRules::default() };
        let store = store(rules);
        for number in [1, 2] {
            store.open(id(number), opened(Some("alice"), None), T);
        }
        store.open(id(3), opened(Some("bob"), None), T);
        assert_eq!(store.admit(id(1), unknown, player(1), T), Ok(()));
        assert_eq!(store.admit(id(2), unknown, player(1), T), Err(NotServed::TooManyOfUser));
        assert_eq!(store.admit(id(3), unknown, player(1), T), Ok(()));
        let later = T.saturating_add(31);
        assert_eq!(store.admit(id(2), unknown, player(1), later), Ok(()));
    }

    #[test]
    fn the_list_has_pages_and_forgets_what_is_over() {
        let store = store(SessionRules::default());
        for number in 0..10 {
            let user = if number % 2 == 0 { "alice" } else { "bob" };
            store.open(id(number), opened(Some(user), None), T);
        }
        let is_alices = |seen: &Seen| seen.opened.user.as_deref() == Some("alice");
        let ids = |after, limit, now| {
            let found = store.list(is_alices, after, limit, now);
            found.iter().map(|seen| seen.id.0[0]).collect::<Vec<_>>()
        };
        assert_eq!(ids(None, 2, T), [0, 2]);
        assert_eq!(ids(Some(id(2)), 100, T), [4, 6, 8]);
        let over = T.saturating_add(3601);
        assert_eq!(ids(None, 100, over), [0_u8; 0]);
        for number in 0..2 * SWEEP_EVERY as u64 {
            let mut long = id(1);
            long.0[1..9].copy_from_slice(&number.to_be_bytes());
            store.open(long, Opened { expires: over, ..unknown() }, over);
        }
        assert!(store.find(id(1), over).is_none(), "it was swept away");
    }
}
