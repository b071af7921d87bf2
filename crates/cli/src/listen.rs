//! The argument that says where to listen.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Reads `ADDRESS:PORT`.
pub(crate) fn parse(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "write an IP address and a port: 127.0.0.1:8080, 0.0.0.0:8080 or [::1]:8080".to_owned()
    })
}

/// The address at which this machine reaches a listener: one for all interfaces is none to open.
pub(crate) const fn reachable(mut listening: SocketAddr) -> SocketAddr {
    match listening.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => listening.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => listening.set_ip(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        _ => {}
    }
    listening
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_for_all_interfaces_is_reached_on_loopback() {
        for (listening, reached) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("127.0.0.2:80", "127.0.0.2:80"),
            ("203.0.113.7:80", "203.0.113.7:80"),
        ] {
            assert_eq!(reachable(parse(listening).unwrap()).to_string(), reached);
        }
    }

    #[test]
    fn what_is_no_address_with_a_port_is_told_what_is() {
        for text in ["localhost:8080", "127.0.0.1", ":8080", "8080", "::1:x"] {
            assert!(parse(text).unwrap_err().contains("127.0.0.1:8080"), "{text}");
        }
    }
}
