//! Ports on loopback.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// An address on loopback whose port nobody listens on.
///
/// Between this answer and the server's own bind another process may take the port. Whoever
/// starts a server that cannot bind port 0 itself must therefore check that it is its own server
/// that answers, and try again with another port if not.
///
/// # Errors
/// When no port can be had.
pub fn free_port() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_can_be_bound() {
        let addr = free_port().unwrap();
        assert!(addr.ip().is_loopback());
        TcpListener::bind(addr).unwrap();
    }
}
