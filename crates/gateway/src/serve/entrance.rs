//! A listener that can be left: whoever has come in is served, and nobody else is let in. Of a socket that
//! another process has, too, that one goes on to take connections.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody as _};
use axum::extract::{ConnectInfo, Request};
use axum_server::{AddrListener, Address};
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::Service;

/// The address of a connection's other end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(SocketAddr);

/// A service as one connection sees it: requests say where they come from.
#[derive(Clone, Debug)]
pub(super) struct FromPeer<S> {
    peer: Peer,
    service: S,
}

/// A listener until it is left.
#[derive(Debug)]
pub(super) struct Entrance {
    /// None once it is left: then the system refuses who comes.
    listener: Mutex<Option<Arc<TcpListener>>>,
    is_left: watch::Receiver<bool>,
    addr: SocketAddr,
}

impl Entrance {
    /// Lets connections in until `is_left` says otherwise.
    pub(super) fn new(listener: TcpListener, is_left: watch::Receiver<bool>) -> io::Result<Self> {
        let addr = listener.local_addr()?;
        Ok(Self { listener: Mutex::new(Some(Arc::new(listener))), is_left, addr })
    }

    fn listener(&self) -> Option<Arc<TcpListener>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn leave(&self) {
        *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Address for Peer {
    type Stream = TcpStream;
    type Listener = Entrance;
}

impl AddrListener<TcpStream, Peer> for Entrance {
    async fn bind_to(addr: Peer) -> io::Result<Self> {
        let (_, is_left) = watch::channel(false);
        Self::new(TcpListener::bind(addr.0).await?, is_left)
    }

    async fn accept_stream(&self) -> io::Result<(TcpStream, Peer)> {
        if let Some(listener) = self.listener() {
            let mut is_left = self.is_left.clone();
            let left = async {
                // Who would say so may be gone: then it is never left.
                if is_left.wait_for(|is_left| *is_left).await.is_err() {
                    pending::<()>().await;
                }
            };
            tokio::select! {
                accepted = listener.accept() => {
                    let (stream, addr) = accepted?;
                    return Ok((stream, Peer(addr)));
                }
                () = left => {}
            }
        }
        self.leave();
        pending().await
    }

    fn get_local_addr(&self) -> io::Result<Peer> {
        Ok(Peer(self.addr))
    }
}

impl<S> FromPeer<S> {
    pub(super) const fn new(peer: Peer, service: S) -> Self {
        Self { peer, service }
    }
}

impl<S: Service<Request>> Service<hyper::Request<Incoming>> for FromPeer<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: hyper::Request<Incoming>) -> S::Future {
        let body = |incoming: Incoming| match incoming.is_end_stream() {
            true => Body::empty(),
            false => Body::new(incoming),
        };
        let mut request = request.map(body);
        request.extensions_mut().insert(ConnectInfo(self.peer.0));
        self.service.call(request)
    }
}
