//! Listening, and stopping without cutting anybody off.

mod door;
mod entrance;
mod tls;

use std::convert::Infallible;
use std::future::ready;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use axum_server::tls_rustls::RustlsAcceptor;
use axum_server::{Handle, Server};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use listenfd::ListenFd;
use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower::{Service, service_fn};

use self::door::Porter;
pub use self::door::{ConnectionLimits, Door};
use self::entrance::{Entrance, FromPeer, Peer};
pub use self::tls::{Tls, TlsConfig};

/// Connections that the system keeps until they are accepted.
const BACKLOG: i32 = 4096;
/// From the last connection that is taken until those without a request are closed.
const SETTLE: Duration = Duration::from_millis(200);
/// How often a server without requests asks whether an HTTP/2 client is still there.
const PING_EVERY: Duration = Duration::from_secs(30);

/// A bound port.
#[derive(Debug)]
pub struct Listening {
    listener: TcpListener,
    addr: SocketAddr,
}

/// Sockets that whoever started the process has bound for it, by the protocol of systemd: the new
/// process takes over from the old one, and nobody is refused in between.
pub struct Inherited(ListenFd);

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
    /// A socket that was handed over is of no use.
    #[error("the socket number {number} that was handed over (LISTEN_FDS): {reason}")]
    Inherited {
        /// Which, from 0.
        number: usize,
        /// What is wrong with it.
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

impl Inherited {
    /// Those that the environment names (`LISTEN_FDS`, `LISTEN_PID`); often none.
    #[must_use]
    pub fn of_environment() -> Self {
        Self(ListenFd::from_env())
    }

    /// Takes the socket of this number, if there is one.
    ///
    /// # Errors
    /// [`ServeError::Inherited`] if it does not listen for TCP.
    pub fn take(&mut self, number: usize) -> Result<Option<Listening>, ServeError> {
        let unusable =
            |error: std::io::Error| ServeError::Inherited { number, reason: error.to_string() };
        if number >= self.0.len() {
            return Ok(None);
        }
        let Some(listener) = self.0.take_tcp_listener(number).map_err(unusable)? else {
            return Ok(None);
        };
        listener.set_nonblocking(true).map_err(unusable)?;
        let addr = listener.local_addr().map_err(unusable)?;
        Ok(Some(Listening { listener: TcpListener::from_std(listener).map_err(unusable)?, addr }))
    }
}

impl std::fmt::Debug for Inherited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inherited").field("count", &self.0.len()).finish()
    }
}

/// Binds a port; 0 picks a free one. `[::]` takes IPv4 as well.
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
    let socket = || {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
        if addr.is_ipv6() {
            // Whatever the system's default is.
            socket.set_only_v6(false)?;
        }
        // A port whose last connections are still being forgotten is free.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&addr.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket)
    };
    let listener = TcpListener::from_std(socket().map_err(failed)?.into()).map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    Ok(Listening { listener, addr })
}

/// Serves until `shutdown` completes; then running requests get [`ConnectionLimits::drain`] to end.
///
/// `on_shutdown` is called once when the stop begins. New connections are taken for
/// [`ConnectionLimits::notice`] more, so that whoever asks `/readyz` sees it first.
///
/// # Errors
/// [`ServeError::Io`].
pub async fn serve<S>(
    listening: Listening,
    service: S,
    door: Door,
    shutdown: impl Future<Output = ()> + Send + 'static,
    on_shutdown: impl FnOnce() + Send + 'static,
) -> Result<(), ServeError>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    let handle = Handle::new();
    let (leave, is_left) = watch::channel(false);
    let entrance = Entrance::new(listening.listener, is_left)?;
    let mut server = Server::<Peer>::from_listener(entrance)
        .handle(handle.clone())
        .first_request_timeout(door.limits.first_request);
    bound(server.http_builder(), &door.limits);
    let stopping = tokio::spawn(stop(handle, leave, door.limits, shutdown, on_shutdown));
    let porter = Porter::of(&door);
    let service = service_fn(move |peer: Peer| {
        ready(Ok::<_, Infallible>(FromPeer::new(peer, service.clone())))
    });
    let served = match &door.tls {
        Some(tls) => {
            let acceptor = RustlsAcceptor::new(tls.config())
                .handshake_timeout(door.limits.first_request)
                .acceptor(porter);
            server.acceptor(acceptor).serve(service).await
        }
        None => server.acceptor(porter).serve(service).await,
    };
    stopping.abort();
    Ok(served?)
}

/// Sets the bounds of HTTP itself.
fn bound(http: &mut Builder<TokioExecutor>, limits: &ConnectionLimits) {
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle)
        .max_buf_size(limits.max_header_bytes);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(limits.stall)
        .max_concurrent_streams(limits.max_concurrent_streams)
        .max_header_list_size(u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX));
}

/// Waits for the stop, and sees to it that it comes to an end.
async fn stop(
    handle: Handle<Peer>,
    leave: watch::Sender<bool>,
    limits: ConnectionLimits,
    shutdown: impl Future<Output = ()>,
    on_shutdown: impl FnOnce(),
) {
    shutdown.await;
    on_shutdown();
    tokio::time::sleep(limits.notice).await;
    leave.send_replace(true);
    // Whoever came in just before has not asked yet.
    tokio::time::sleep(SETTLE).await;
    handle.graceful_shutdown(Some(limits.drain));
    tokio::time::sleep(limits.drain).await;
    tracing::warn!("some requests did not end within {} s", limits.drain.as_secs());
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
