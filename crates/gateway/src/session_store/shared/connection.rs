//! The connection to the store: it heals by itself, and while it is broken nobody waits for it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, ErrorKind, IntoConnectionInfo as _, RedisError, RedisResult, ServerErrorKind};
use secrecy::ExposeSecret as _;
use tokio::sync::Notify;

use super::SharedConfig;
use crate::Error;
use crate::metrics::Metrics;

/// After a failure the store is asked again by one request in so long.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The store does not answer.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Gone;

pub(super) struct Connection {
    /// For subscriptions, which need a connection of their own.
    pub(super) client: Client,
    manager: ConnectionManager,
    is_up: AtomicBool,
    /// Until then nobody asks, in milliseconds from `began`.
    quiet_until: AtomicU64,
    began: Instant,
    /// Told when the store is back.
    pub(super) back: Notify,
    metrics: Arc<Metrics>,
}

impl Connection {
    pub(super) fn new(config: &SharedConfig, metrics: Arc<Metrics>) -> Result<Self, Error> {
        let unusable = |error: redis::RedisError| {
            Error::Internal(format!("session.store.url cannot be used: {error}"))
        };
        let info = config.url.as_str().into_connection_info().map_err(unusable)?;
        let mut server = info.redis_settings().clone();
        if let Some(username) = &config.username {
            server = server.set_username(username);
        }
        if let Some(password) = &config.password {
            let password = String::from_utf8_lossy(password.expose_secret());
            server = server.set_password(password);
        }
        let client = Client::open(info.set_redis_settings(server)).map_err(unusable)?;
        let settings = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(config.timeout))
            .set_response_timeout(Some(config.timeout))
            .set_number_of_retries(1)
            .set_max_delay(config.timeout);
        let manager = client.get_connection_manager_lazy(settings).map_err(unusable)?;
        metrics.session_store_is(true);
        Ok(Self {
            client,
            manager,
            is_up: AtomicBool::new(true),
            quiet_until: AtomicU64::new(0),
            began: Instant::now(),
            back: Notify::new(),
            metrics,
        })
    }

    /// Asks the store, unless it did not answer a moment ago.
    pub(super) async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(ConnectionManager) -> RedisResult<T>,
    ) -> Result<T, Gone> {
        if !self.is_up.load(Ordering::Relaxed) && !self.is_next_to_try() {
            return Err(Gone);
        }
        match question(self.manager.clone()).await {
            Ok(answer) => {
                self.is_back();
                Ok(answer)
            }
            Err(error) if concerns_one_record(&error) => {
                self.is_back();
                self.metrics.session_store_failed();
                // Its text names no value of any command.
                tracing::warn!(reason = %error.category(), "a record of the session store is broken");
                Err(Gone)
            }
            Err(error) => {
                self.be_quiet();
                self.is_gone(&error);
                Err(Gone)
            }
        }
    }

    /// What cannot be asked is said once, not for every request.
    pub(super) fn is_gone(&self, error: &redis::RedisError) {
        self.metrics.session_store_failed();
        if self.is_up.swap(false, Ordering::Relaxed) {
            self.metrics.session_store_is(false);
            // Its text names no value of any command.
            tracing::warn!(reason = %error.category(), "the session store does not answer");
        }
    }

    pub(super) fn is_back(&self) {
        if !self.is_up.swap(true, Ordering::Relaxed) {
            self.metrics.session_store_is(true);
            tracing::info!("the session store is back");
            self.back.notify_one();
        }
    }

    /// One of those that come asks, the others do not wait.
    fn is_next_to_try(&self) -> bool {
        let until = self.quiet_until.load(Ordering::Relaxed);
        let next = self.millis_in(ASK_AGAIN_AFTER);
        self.millis_in(Duration::ZERO) >= until
            && self
                .quiet_until
                .compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    fn be_quiet(&self) {
        self.quiet_until.store(self.millis_in(ASK_AGAIN_AFTER), Ordering::Relaxed);
    }

    fn millis_in(&self, wait: Duration) -> u64 {
        u64::try_from((self.began.elapsed() + wait).as_millis()).unwrap_or(u64::MAX)
    }
}

/// Whether the store answered, and what it holds under the names of this call is of another type than
/// what is written there, or no number. All other sessions are as they were.
fn concerns_one_record(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::UnexpectedReturnType | ErrorKind::Server(ServerErrorKind::ResponseError) => true,
        _ => error.code() == Some("WRONGTYPE"),
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("is_up", &self.is_up).finish_non_exhaustive()
    }
}
