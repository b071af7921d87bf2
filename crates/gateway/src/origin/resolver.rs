//! Names of origins lead to servers of others, or to those that the configuration names: whoever can
//! change a name must not reach what listens on this machine or in its cloud's metadata.

use std::error::Error as StdError;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Resolves names as the system does, and refuses addresses that no name should lead to.
#[derive(Clone, Debug)]
pub(crate) struct Resolver {
    named: Arc<[IpNet]>,
}

impl Resolver {
    /// `named` are networks that may be reached nevertheless.
    pub(crate) fn new(named: &[IpNet]) -> Self {
        Self { named: named.into() }
    }

    /// Whether a name may lead to an address.
    fn may_lead_to(&self, name: &str, address: IpAddr) -> bool {
        let address = address.to_canonical();
        !is_inward(address)
            // Who writes that name means it.
            || (name == "localhost" && address.is_loopback())
            || self.named.iter().any(|network| network.contains(&address))
    }

    fn pick(&self, name: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Refused> {
        let refused = found.iter().find(|found| !self.may_lead_to(name, found.ip())).copied();
        match refused {
            None => Ok(found),
            // A name that leads to both is not to be trusted with either.
            Some(refused) => Err(Refused { name: name.to_owned(), address: refused.ip() }),
        }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let name = name.as_str().to_owned();
            let found: Vec<_> = tokio::net::lookup_host((&*name, 0)).await?.collect();
            if found.is_empty() {
                return Err(io::Error::other("the name leads nowhere").into());
            }
            let picked =
                resolver.pick(&name, found).map_err(Box::<dyn StdError + Send + Sync>::from)?;
            Ok(Box::new(picked.into_iter()) as Addrs)
        })
    }
}

/// A name leads inward.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the name {name} leads to {address}, which is this machine's own, link-local or for metadata; if it \
     is meant, add it to origin_addresses"
)]
struct Refused {
    name: String,
    address: IpAddr,
}

/// Addresses of this machine, of its link, and where clouds answer with their metadata.
fn is_inward(address: IpAddr) -> bool {
    /// Where Alibaba's metadata are, in a network that is for carriers.
    const ALIBABA: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
    /// What answers for the platform in each machine of Azure.
    const AZURE: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);
    /// Where Google's, Oracle's and Scaleway's are.
    const OF_OTHERS: [Ipv6Addr; 3] = [
        Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
        Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
        Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
    ];
    match address {
        IpAddr::V4(address) => {
            address.is_loopback()
                || address.is_link_local()
                || address.is_broadcast()
                || address.is_multicast()
                || address.octets()[0] == 0
                || address == ALIBABA
                || address == AZURE
        }
        IpAddr::V6(address) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_unicast_link_local()
                || address.is_multicast()
                // Amazon's services in each machine, its metadata among them.
                || address.segments()[..2] == [0xfd00, 0xec2]
                || OF_OTHERS.contains(&address)
                // Site-local (RFC 3879), which is no more.
                || address.segments()[0] & 0xffc0 == 0xfec0
                || carried(address).is_some_and(|carried| is_inward(carried.into()))
        }
    }
}

/// The IPv4 address to which a gateway would carry what is sent to an IPv6 address.
fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let ipv4 = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        // NAT64 (RFC 6052, and RFC 8215 as it is used most), and addresses of IPv4 in the deprecated form of RFC 4291.
        [0x64, 0xff9b, 0 | 1, _, _, _, high, low] | [0, 0, 0, 0, 0, 0, high, low] => {
            Some(ipv4(high, low))
        }
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => Some(ipv4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick(named: &[&str], name: &str, found: &[&str]) -> bool {
        let named: Vec<IpNet> = named.iter().map(|text| text.parse().unwrap()).collect();
        let address = |text: &&str| SocketAddr::new(text.parse().unwrap(), 0);
        Resolver::new(&named).pick(name, found.iter().map(address).collect()).is_ok()
    }

    #[test]
    fn names_lead_outward() {
        for good in
            ["192.0.2.1", "10.1.2.3", "172.16.0.1", "2001:db8::1", "fd00::1", "64:ff9b::192.0.2.1"]
        {
            assert!(pick(&[], "media.example.com", &[good]), "{good}");
        }
        for bad in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "100.100.100.200",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "ff02::1",
            "fd00:ec2::254",
            "fd00:ec2::253",
            "fd20:ce::254",
            "fd00:c1::a9fe:a9fe",
            "fd00:42::42",
            "fec0::1",
            "64:ff9b:1::169.254.169.254",
            "168.63.129.16",
            "64:ff9b::169.254.169.254",
            "64:ff9b::127.0.0.1",
            "2002:7f00:1::",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
        ] {
            assert!(!pick(&[], "media.example.com", &[bad]), "{bad}");
            assert!(!pick(&[], "media.example.com", &["192.0.2.1", bad]), "{bad} with another");
        }
    }

    #[test]
    fn what_is_named_may_be_reached() {
        assert!(pick(&[], "localhost", &["127.0.0.1", "::1"]));
        assert!(!pick(&[], "localhost", &["169.254.1.1"]));
        assert!(pick(&["127.0.0.0/8"], "media.example.com", &["127.0.0.1"]));
        assert!(!pick(&["127.0.0.0/8"], "media.example.com", &["127.0.0.1", "169.254.169.254"]));
    }
}
