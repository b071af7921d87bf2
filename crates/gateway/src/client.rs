//! Who asks: behind proxies that are trusted, the last hop that none of them is.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

/// Each proxy appends the address that it saw to this header; the client may have begun it with what
/// it likes.
const HOPS: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Networks of load balancers and CDNs whose word on a client's address is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

/// The address of the connection's other end.
pub(crate) fn peer_address(request: &Request) -> Option<IpAddr> {
    request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|ConnectInfo(peer)| peer.ip().to_canonical())
}

impl TrustedProxies {
    /// Reads networks, `10.0.0.0/8`, and single addresses.
    ///
    /// # Errors
    /// The first text that is neither.
    pub fn parse<T: AsRef<str>>(networks: &[T]) -> Result<Self, String> {
        let network = |text: &T| {
            let text = text.as_ref();
            let single = || IpAddr::from_str(text).map(|ip| IpNet::from(ip.to_canonical()));
            IpNet::from_str(text).or_else(|_| single()).map_err(|_| text.to_owned())
        };
        networks.iter().map(network).collect::<Result<_, _>>().map(Self)
    }

    /// The client's address: of the hops from the connection back, the first that is no trusted proxy.
    /// What is no address ends the search, so that a client which writes there gains nothing.
    pub(crate) fn client(&self, request: &Request) -> Option<IpAddr> {
        let peer = peer_address(request)?;
        Some(self.behind(peer, request.headers()))
    }

    fn behind(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        if !self.trusts(client) {
            return client;
        }
        let lines = headers.get_all(HOPS).iter().rev();
        for hop in lines.flat_map(|line| line.as_bytes().rsplit(|&byte| byte == b',')) {
            let Some(address) = hop_address(hop) else { break };
            client = address;
            if !self.trusts(client) {
                break;
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1` or `[2001:db8::1]:4711`: proxies write all of them.
fn hop_address(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse::<SocketAddr>().map(|addr| addr.ip());
    bare.parse::<IpAddr>().or_else(|_| with_port()).ok().map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn client(trusted: &[&str], peer: &str, hops: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in hops {
            headers.append(HOPS, HeaderValue::from_str(line).unwrap());
        }
        let trusted = TrustedProxies::parse(trusted).unwrap();
        trusted.behind(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn the_last_hop_that_is_not_trusted_is_the_client() {
        let trusted = ["10.0.0.0/8", "2001:db8:1::/48", "192.0.2.9"];
        for (peer, hops, expected) in [
            ("203.0.113.7", &[][..], "203.0.113.7"),
            // Nobody trusts a client's own word.
            ("203.0.113.7", &["198.51.100.1"], "203.0.113.7"),
            ("10.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["198.51.100.1", "203.0.113.7, 10.2.3.4,192.0.2.9"], "203.0.113.7"),
            ("2001:db8:1::5", &["[2001:db8:2::1]:443"], "2001:db8:2::1"),
            ("10.0.0.1", &["203.0.113.7:4711"], "203.0.113.7"),
            ("10.0.0.1", &["::ffff:203.0.113.7"], "203.0.113.7"),
            // What is no address is not passed over.
            ("10.0.0.1", &["203.0.113.7, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.7, "], "10.0.0.1"),
            // All are ours: the one furthest away asks.
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &[], "10.0.0.1"),
        ] {
            assert_eq!(client(&trusted, peer, hops), expected, "{peer} {hops:?}");
        }
        assert_eq!(client(&[], "10.0.0.1", &["203.0.113.7"]), "10.0.0.1");
    }

    #[test]
    fn what_is_no_network_is_told() {
        assert_eq!(TrustedProxies::parse(&["10.0.0.0/8", "lb.example"]).unwrap_err(), "lb.example");
        assert!(TrustedProxies::parse(&["::1", "10.0.0.0/33"]).is_err());
    }
}
