//! Client addresses as tokens bind to them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address with an IPv4-mapped IPv6 address (`::ffff:1.2.3.4`) unwrapped, since a dual-stack
/// listener sees an IPv4 client in that form.
#[must_use]
pub fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

/// A masked client address and the length of its mask in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IpPrefix {
    masked: IpAddr,
    len: u8,
}

impl IpPrefix {
    /// The prefix that a session binds to: the whole address for IPv4, the /64 for IPv6, since one
    /// host changes its IPv6 interface part at will.
    #[must_use]
    pub fn for_session(ip: IpAddr) -> Self {
        match canonical(ip) {
            IpAddr::V4(_) => Self::mask(ip, 32),
            IpAddr::V6(_) => Self::mask(ip, 64),
        }
    }

    /// Keeps the first `len` bits of `ip`; a longer `len` than the address has keeps all.
    #[must_use]
    pub fn mask(ip: IpAddr, len: u8) -> Self {
        match canonical(ip) {
            IpAddr::V4(v4) => {
                let len = len.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0);
                Self { masked: Ipv4Addr::from(u32::from(v4) & mask).into(), len }
            }
            IpAddr::V6(v6) => {
                let len = len.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0);
                Self { masked: Ipv6Addr::from(u128::from(v6) & mask).into(), len }
            }
        }
    }

    /// Length of the mask in bits: 0 to 32, or 0 to 128.
    #[must_use]
    pub const fn len(&self) -> u8 {
        self.len
    }

    /// Whether the mask keeps no bit at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether this is an IPv4 prefix.
    #[must_use]
    pub const fn is_v4(&self) -> bool {
        self.masked.is_ipv4()
    }

    /// The masked address in network byte order: 4 or 16 bytes.
    #[must_use]
    pub fn octets(&self) -> Vec<u8> {
        match self.masked {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str, len: u8) -> IpPrefix {
        IpPrefix::mask(text.parse().unwrap(), len)
    }

    #[test]
    fn v4_mapped_equals_v4() {
        assert_eq!(prefix("::ffff:1.2.3.4", 32), prefix("1.2.3.4", 32));
    }

    #[test]
    fn masks_keep_the_leading_bits() {
        assert_eq!(prefix("1.2.3.4", 24).octets(), [1, 2, 3, 0]);
        assert_eq!(prefix("1.2.3.4", 0).octets(), [0, 0, 0, 0]);
        assert_eq!(prefix("2001:db8::1:2", 64), prefix("2001:db8::ffff:9", 64));
        assert_ne!(prefix("2001:db8::1", 64), prefix("2001:db8:0:1::1", 64));
        assert_eq!(IpPrefix::for_session("2001:db8::1".parse().unwrap()).len(), 64);
    }
}
