//! Listening, and stopping without cutting anybody off.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How long running requests may take after the signal to stop.
const DRAIN_DEADLINE: Duration = Duration::from_secs(10);

/// A bound port.
#[derive(Debug)]
pub struct Listening {
    listener: TcpListener,
    addr: SocketAddr,
}

/// Why serving did not begin or ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The port cannot be had.
    #[error("cannot listen on {addr}: {reason}")]
    Bind {
        /// The address that was asked for.
        addr: SocketAddr,
        /// What the system says, and what to do.
        reason: String,
    },
    /// The server failed while it ran.
    #[error("the server failed: {0}")]
    Io(#[from] std::io::Error),
}

impl Listening {
    /// The address that is really bound: port 0 became a free one.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }
}

/// Binds a port; 0 picks a free one.
///
/// # Errors
/// [`ServeError::Bind`].
pub async fn bind(addr: SocketAddr) -> Result<Listening, ServeError> {
    let failed = |error: std::io::Error| {
        ServeError::Bind {
        addr,
        reason: match error.kind() {
            ErrorKind::AddrInUse => {
                "the port is in use; stop the other program or choose another port (0 picks a free one)"
                    .to_owned()
            }
            ErrorKind::PermissionDenied => format!("{error}; ports below 1024 need privileges"),
            _ => error.to_string(),
        },
    }
    };
    let listener = TcpListener::bind(addr).await.map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    Ok(Listening { listener, addr })
}

/// Serves until `shutdown` completes; then running requests get ten seconds to end.
///
/// `on_shutdown` is called once when the stop begins.
///
/// # Errors
/// [`ServeError::Io`].
pub async fn serve(
    listening: Listening,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
    on_shutdown: impl FnOnce() + Send + 'static,
) -> Result<(), ServeError> {
    let (stop, mut stopping) = watch::channel(false);
    let begin_stop = async move {
        shutdown.await;
        on_shutdown();
        // Nobody listens any more only if the server has ended already.
        let _ = stop.send(true);
    };
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listening.listener, service).with_graceful_shutdown(begin_stop);
    let deadline = async move {
        if stopping.wait_for(|stopped| *stopped).await.is_ok() {
            tokio::time::sleep(DRAIN_DEADLINE).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        result = server => Ok(result?),
        () = deadline => {
            tracing::warn!("some requests did not end within {} s", DRAIN_DEADLINE.as_secs());
            Ok(())
        }
    }
}

/// Completes at SIGTERM or Ctrl-C.
///
/// # Errors
/// If the signals cannot be watched.
pub async fn shutdown_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        result = tokio::signal::ctrl_c() => result,
    }
}
