//! What replicas hear of each other: what was revoked, by a subscription and by reading what that may
//! have missed; and a store that comes back empty is told what it has forgotten.

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use futures_util::StreamExt as _;
use redis::RedisResult;
use sluicegate_token::{SessionId, UnixTime};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::super::memory::Memory;
use super::super::{Opened, SessionRules};
use super::{Shared, Touch};

/// How often is read what a subscription may have missed.
const READ_EVERY: Duration = Duration::from_secs(10);
/// So much of what was read is read again: clocks of replicas differ.
const OVERLAP_SECS: u64 = 120;
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// How long a subscription may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// What stands for a revoked session, with the end of its token.
pub(super) fn entry(id: SessionId, expires: UnixTime) -> String {
    format!("{id}:{expires}")
}

fn read_entry(entry: &str) -> Option<(SessionId, UnixTime)> {
    let (id, expires) = entry.split_once(':')?;
    Some((SessionId::from_text(id)?, UnixTime(expires.parse().ok()?)))
}

impl Shared {
    /// Keeps a memory told of what is revoked anywhere, for as long as it is polled.
    pub(in super::super) async fn watch(
        &self,
        memory: &Memory,
        rules: &SessionRules,
        now: impl Fn() -> UnixTime,
    ) {
        loop {
            if let Err(error) = self.listen(memory, rules, &now).await {
                self.connection.is_gone(&error);
            }
            sleep(RETRY_AFTER).await;
        }
    }

    /// Returns when the connection is lost, or the store does not answer.
    async fn listen(
        &self,
        memory: &Memory,
        rules: &SessionRules,
        now: &impl Fn() -> UnixTime,
    ) -> RedisResult<()> {
        let subscribe = async {
            let mut subscription = self.connection.client.get_async_pubsub().await?;
            subscription.subscribe(self.keys.named("revoked")).await?;
            RedisResult::Ok(subscription)
        };
        // Whoever never answers must not keep it from trying again.
        let in_vain = |_| redis::RedisError::from(io::Error::from(io::ErrorKind::TimedOut));
        let subscription = timeout(CONNECT_WITHIN, subscribe).await.map_err(in_vain)??;
        self.connection.is_back();
        // The subscription is there first, so that nothing falls between.
        if !self.exchange(memory, rules, now()).await {
            return Ok(());
        }
        let mut messages = subscription.into_on_message();
        let mut reads = interval(READ_EVERY);
        reads.set_missed_tick_behavior(MissedTickBehavior::Delay);
        reads.tick().await;
        let mut read_until = now();
        loop {
            tokio::select! {
                message = messages.next() => {
                    let Some(message) = message else { return Ok(()) };
                    if let Ok(entry) = message.get_payload::<String>() {
                        take(memory, &entry, now());
                    }
                }
                _ = reads.tick() => {
                    let from = read_until.saturating_sub(OVERLAP_SECS).0;
                    if self.read_revoked(memory, from, now()).await.is_some() {
                        read_until = now();
                    }
                }
                () = self.connection.back.notified() => {
                    // A store that was started anew may have forgotten everything.
                    if !self.exchange(memory, rules, now()).await {
                        return Ok(());
                    }
                    read_until = now();
                }
            }
        }
    }

    /// Learns what is revoked, and tells what the store does not know: what was revoked, and what plays.
    async fn exchange(&self, memory: &Memory, rules: &SessionRules, now: UnixTime) -> bool {
        let Some(known) = self.read_revoked(memory, 0, now).await else { return false };
        let known: HashSet<_> = known.into_iter().collect();
        for (id, expires) in memory.revoked(now) {
            if !known.contains(&id) && self.revoke(id, expires, now).await.is_err() {
                return false;
            }
        }
        self.told.invalidate_all();
        for (id, opened, streams) in memory.streams(rules, now) {
            for stream in streams {
                let touch = Touch { id, opened: &opened, stream: Some(stream), begins: false };
                if self.touch(&touch, rules, now).await.is_err() {
                    return false;
                }
            }
        }
        true
    }

    async fn read_revoked(
        &self,
        memory: &Memory,
        from: u64,
        now: UnixTime,
    ) -> Option<Vec<SessionId>> {
        let mut call = redis::cmd("ZRANGEBYSCORE");
        call.arg(self.keys.named("revoked")).arg(from).arg("+inf");
        let entries: Vec<String> =
            self.connection.ask(async |mut redis| call.query_async(&mut redis).await).await.ok()?;
        Some(entries.iter().filter_map(|entry| take(memory, entry, now)).collect())
    }
}

fn take(memory: &Memory, entry: &str, now: UnixTime) -> Option<SessionId> {
    let (id, expires) = read_entry(entry)?;
    if expires >= now {
        memory.revoke(id, Opened::unknown(expires), now);
    }
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_as_it_is_written() {
        let (id, expires) = (SessionId([7; 14]), UnixTime(1_893_456_000));
        assert_eq!(read_entry(&entry(id, expires)), Some((id, expires)));
        for bad in ["", ":", "07:1", &format!("{id}"), &format!("{id}:x")] {
            assert_eq!(read_entry(bad), None, "{bad}");
        }
    }
}
