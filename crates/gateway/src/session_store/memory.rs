//! Sessions as this process knows them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sluicegate_token::{SessionId, UnixTime};

use super::hashed::ById;
use super::{Ended, MOST_REMEMBERED, NotServed, Opened, Seen, SessionRules, StreamId};

/// Sessions are spread over so many locks.
const SHARDS: usize = 64;
/// A shard is swept of what is over when it has grown by so many.
const SWEEP_EVERY: usize = 1024;

/// When each stream of a user was seen, over all sessions.
type StreamsOfUser = HashMap<(SessionId, StreamId), UnixTime>;

/// The sessions.
#[derive(Debug)]
pub(crate) struct Memory {
    shards: Vec<Mutex<Shard>>,
    users: Mutex<HashMap<String, StreamsOfUser>>,
}

impl Default for Memory {
    fn default() -> Self {
        let shards = std::iter::repeat_with(Mutex::default).take(SHARDS).collect();
        Self { shards, users: Mutex::default() }
    }
}

#[derive(Debug, Default)]
struct Shard {
    sessions: ById<SessionId, Record>,
    sweep_at: usize,
}

#[derive(Debug)]
struct Record {
    opened: Opened,
    created: UnixTime,
    last: UnixTime,
    streams: ById<StreamId, UnixTime>,
    ended: Option<Ended>,
    /// Until when it is remembered, if that is longer than its token lives: a link may begin it again.
    kept_until: UnixTime,
}

// === impl Memory ===

impl Memory {
    /// Begins a session, or goes on with one that was idle. A revoked one stays so.
    pub(crate) fn open(&self, id: SessionId, opened: Opened, now: UnixTime) {
        let mut shard = self.shard(id);
        match shard.sessions.get_mut(&id) {
            Some(record) if record.ended == Some(Ended::Revoked) => {}
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
        rules: &SessionRules,
        now: UnixTime,
    ) -> Result<(), NotServed> {
        let mut shard = self.shard(id);
        let shard = &mut *shard;
        if let Some(record) = shard.sessions.get_mut(&id)
            && record.goes_on(stream, rules, now)
        {
            return Ok(());
        }
        if !shard.sessions.contains_key(&id) {
            shard.insert(id, Record::new(unknown(), now), now);
        }
        let Some(record) = shard.sessions.get_mut(&id) else { return Ok(()) };
        if record.ended.is_none() && record.is_idle(rules, now) {
            record.ended = Some(Ended::Idle);
        }
        if let Some(ended) = record.ended {
            return Err(NotServed::Ended(ended));
        }
        if let Some(stream) = stream {
            let oldest = now.saturating_sub(rules.stream_secs);
            record.streams.retain(|_, seen| *seen >= oldest);
            let most = record.opened.max_streams.or(rules.max_streams);
            let is_new = !record.streams.contains_key(&stream);
            let is_limited = rules.limit(&record.opened);
            if is_new && !is_limited && record.streams.len() >= MOST_REMEMBERED {
                record.last = now;
                return Ok(());
            }
            if is_new && most.is_some_and(|most| record.streams.len() >= most as usize) {
                return Err(NotServed::TooManyStreams);
            }
            if let Some(user) = &record.opened.user {
                let most = rules.max_streams_per_user;
                self.admit_user(user, (id, stream), most, (oldest, now))?;
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
        most: Option<u32>,
        (oldest, now): (UnixTime, UnixTime),
    ) -> Result<(), NotServed> {
        let Some(most) = most else { return Ok(()) };
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let streams = of_user(&mut users, user, oldest);
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
        let kept_until = unknown.expires;
        let mut shard = self.shard(id);
        if !shard.sessions.contains_key(&id) {
            shard.insert(id, Record::new(unknown, now), now);
        }
        if let Some(record) = shard.sessions.get_mut(&id) {
            record.kept_until = record.kept_until.max(kept_until);
            record.ended = Some(Ended::Revoked);
            record.streams.clear();
        }
    }

    /// What else is known of a session is learned, from whoever saw it last.
    /// `playing` are streams of it, and of others of its user.
    pub(crate) fn learn(
        &self,
        seen: Seen,
        playing: &[(SessionId, StreamId, UnixTime)],
        rules: &SessionRules,
        now: UnixTime,
    ) {
        let oldest = now.saturating_sub(rules.stream_secs);
        let (id, user) = (seen.id, seen.opened.user.clone());
        let mut shard = self.shard(id);
        match shard.sessions.get_mut(&seen.id) {
            Some(record) => {
                record.opened = seen.opened;
                record.last = record.last.max(seen.last);
                // Who is idle elsewhere may play here, and who was revoked here is so everywhere.
                if record.ended != Some(Ended::Revoked) {
                    record.ended = seen.ended;
                }
            }
            None => {
                let Seen { id, opened, created, last, ended, .. } = seen;
                let record = Record { created, last, ended, ..Record::new(opened, now) };
                shard.insert(id, record, now);
            }
        }
        let Some(record) = shard.sessions.get_mut(&id) else { return };
        for (_, stream, at) in playing.iter().filter(|(of, ..)| *of == id) {
            let known = record.streams.entry(*stream).or_insert(*at);
            *known = (*known).max(*at);
        }
        if let Some(user) = user.filter(|_| !playing.is_empty()) {
            let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
            let streams = of_user(&mut users, &user, oldest);
            for (of, stream, at) in playing {
                let known = streams.entry((*of, *stream)).or_insert(*at);
                *known = (*known).max(*at);
            }
        }
    }

    /// Whether a session is known to be over for good.
    pub(crate) fn is_revoked(&self, id: SessionId) -> bool {
        let shard = self.shard(id);
        shard.sessions.get(&id).is_some_and(|record| record.ended == Some(Ended::Revoked))
    }

    /// The stream if it is one that is counted, or none if the session has too many for that.
    pub(crate) fn counted(
        &self,
        id: SessionId,
        stream: Option<StreamId>,
        rules: &SessionRules,
    ) -> Option<StreamId> {
        let shard = self.shard(id);
        let is_counted = |stream: &StreamId| {
            shard.sessions.get(&id).is_none_or(|record| {
                record.streams.len() < MOST_REMEMBERED
                    || record.streams.contains_key(stream)
                    || rules.limit(&record.opened)
            })
        };
        stream.filter(is_counted)
    }

    /// What a session was opened with, and whether this stream of it plays.
    pub(crate) fn playing(
        &self,
        id: SessionId,
        stream: Option<StreamId>,
        rules: &SessionRules,
        now: UnixTime,
    ) -> Option<(Opened, bool)> {
        let oldest = now.saturating_sub(rules.stream_secs);
        let shard = self.shard(id);
        let record = shard.sessions.get(&id)?;
        let plays = |stream| record.streams.get(&stream).is_some_and(|seen| *seen >= oldest);
        Some((record.opened.clone(), stream.is_none_or(plays)))
    }

    /// Why a new stream may not play, by the streams that play here alone.
    pub(crate) fn refuses(
        &self,
        id: SessionId,
        stream: StreamId,
        rules: &SessionRules,
        now: UnixTime,
    ) -> Option<NotServed> {
        let oldest = now.saturating_sub(rules.stream_secs);
        let shard = self.shard(id);
        let record = shard.sessions.get(&id)?;
        let playing = || record.streams.values().filter(|seen| **seen >= oldest).count();
        if record.streams.get(&stream).is_some_and(|seen| *seen >= oldest) {
            return None;
        }
        let most = record.opened.max_streams.or(rules.max_streams);
        if most.is_some_and(|most| playing() >= most as usize) {
            return Some(NotServed::TooManyStreams);
        }
        let (user, most) = (record.opened.user.as_ref()?, rules.max_streams_per_user?);
        let users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let playing = users.get(user)?.values().filter(|seen| **seen >= oldest).count();
        (playing >= most as usize).then_some(NotServed::TooManyOfUser)
    }

    /// The streams that play here, with what their sessions were opened with.
    pub(crate) fn streams(
        &self,
        rules: &SessionRules,
        now: UnixTime,
    ) -> Vec<(SessionId, Opened, Vec<StreamId>)> {
        let oldest = now.saturating_sub(rules.stream_secs);
        let mut playing = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            playing.extend(shard.sessions.iter().filter_map(|(id, record)| {
                let streams = record.streams.iter().filter(|(_, seen)| **seen >= oldest);
                let streams: Vec<_> = streams.map(|(stream, _)| *stream).collect();
                let plays = record.ended.is_none() && !streams.is_empty();
                plays.then(|| (*id, record.opened.clone(), streams))
            }));
        }
        playing
    }

    /// The sessions that were revoked and whose tokens may be good still, with their ends.
    pub(crate) fn revoked(&self, now: UnixTime) -> Vec<(SessionId, UnixTime)> {
        let mut revoked = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let ended = shard
                .sessions
                .iter()
                .filter(|(_, record)| record.ended == Some(Ended::Revoked) && record.end() >= now);
            revoked.extend(ended.map(|(id, record)| (*id, record.end())));
        }
        revoked
    }

    pub(crate) fn find(&self, id: SessionId, rules: &SessionRules, now: UnixTime) -> Option<Seen> {
        let shard = self.shard(id);
        shard.sessions.get(&id).map(|record| record.seen(id, rules, now))
    }

    /// Those that `wanted` wants and whose token may be good still, in the order of their ids, behind
    /// `after`, `limit` at most.
    pub(crate) fn list(
        &self,
        wanted: impl Fn(&Seen) -> bool,
        after: Option<SessionId>,
        limit: usize,
        rules: &SessionRules,
        now: UnixTime,
    ) -> Vec<Seen> {
        let mut found: BTreeMap<[u8; 14], Seen> = BTreeMap::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            for (id, record) in &shard.sessions {
                let is_behind = after.is_none_or(|after| id.0 > after.0);
                let last = found.last_key_value().filter(|_| found.len() >= limit);
                // What comes behind a full page is not copied.
                let is_on_page = limit > 0 && last.is_none_or(|(last, _)| id.0 < *last);
                if !is_behind || !is_on_page || record.opened.expires < now {
                    continue;
                }
                let seen = record.seen(*id, rules, now);
                if wanted(&seen) {
                    found.insert(id.0, seen);
                    if found.len() > limit {
                        found.pop_last();
                    }
                }
            }
        }
        found.into_values().collect()
    }

    /// How many sessions there are whose time is not over, and how many streams play.
    pub(crate) fn count(&self, rules: &SessionRules, now: UnixTime) -> (usize, usize) {
        let oldest = now.saturating_sub(rules.stream_secs);
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

/// A user's streams; those of others that do not play are forgotten now and then.
fn of_user<'u>(
    users: &'u mut HashMap<String, StreamsOfUser>,
    user: &str,
    oldest: UnixTime,
) -> &'u mut StreamsOfUser {
    if !users.contains_key(user) && users.len().is_multiple_of(SWEEP_EVERY) {
        users.retain(|_, streams| streams.values().any(|seen| *seen >= oldest));
    }
    users.entry(user.to_owned()).or_default()
}

impl Shard {
    fn insert(&mut self, id: SessionId, record: Record, now: UnixTime) {
        if self.sessions.len() >= self.sweep_at {
            self.sessions.retain(|_, record| record.end() >= now);
            self.sweep_at = self.sessions.len() + SWEEP_EVERY;
        }
        self.sessions.insert(id, record);
    }
}

impl Record {
    fn new(opened: Opened, now: UnixTime) -> Self {
        Self {
            opened,
            created: now,
            last: now,
            streams: ById::default(),
            ended: None,
            kept_until: UnixTime(0),
        }
    }

    /// Whether nothing changes but the time: most requests are of a stream that plays.
    fn goes_on(&mut self, stream: Option<StreamId>, rules: &SessionRules, now: UnixTime) -> bool {
        let is_counted_elsewhere =
            rules.max_streams_per_user.is_some() && self.opened.user.is_some();
        if self.ended.is_some() || self.is_idle(rules, now) || is_counted_elsewhere {
            return false;
        }
        let oldest = now.saturating_sub(rules.stream_secs);
        let playing =
            stream.map(|stream| self.streams.get_mut(&stream).filter(|seen| **seen >= oldest));
        match playing {
            Some(None) => return false,
            Some(Some(seen)) => *seen = now,
            None => {}
        }
        self.last = now;
        true
    }

    /// Whether nobody has asked for anything for too long.
    fn is_idle(&self, rules: &SessionRules, now: UnixTime) -> bool {
        rules.idle_secs.is_some_and(|idle| now > self.last.saturating_add(idle))
    }

    /// Until when it is remembered.
    fn end(&self) -> UnixTime {
        self.opened.expires.max(self.kept_until)
    }

    fn seen(&self, id: SessionId, rules: &SessionRules, now: UnixTime) -> Seen {
        let oldest = now.saturating_sub(rules.stream_secs);
        Seen {
            id,
            opened: self.opened.clone(),
            created: self.created,
            last: self.last,
            streams: self.streams.values().filter(|seen| **seen >= oldest).count(),
            ended: self.ended.or(self.is_idle(rules, now).then_some(Ended::Idle)),
        }
    }
}

#[cfg(test)]
mod tests;
