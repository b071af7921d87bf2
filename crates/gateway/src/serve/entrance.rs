//! A listener that can be left: whoever has come in is served, and nobody else is let in. Of a socket that
//! another process has, too, that one goes on to take connections.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::connect_info::Connected;
use axum_server::{AddrListener, Address};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The address of a connection's other end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(SocketAddr);

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

impl Connected<Peer> for SocketAddr {
    fn connect_info(peer: Peer) -> Self {
        peer.0
    }
}
