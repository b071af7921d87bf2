//! Client addresses as tokens bind to them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::Deserialize;

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

/// How a scheme writes an address into what it hashes: bound to all of it, or to its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IpForm {
    /// Bits of an IPv4 address that count: 32, 24, 16.
    pub v4_bits: u8,
    /// Bits of an IPv6 address that count: 128, 64.
    pub v6_bits: u8,
    /// How it is written.
    pub text: IpText,
}

/// A way to write an address or a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IpText {
    /// The address, bits that do not count being zero: `1.2.3.0`.
    #[default]
    Address,
    /// The same with the length: `1.2.3.0/24`.
    Cidr,
    /// The whole octets, or groups, that count: `1.2.3`, `2001:db8:0:1`.
    Leading,
    /// 4 or 16 bytes.
    Octets,
}

impl Default for IpForm {
    fn default() -> Self {
        Self { v4_bits: 32, v6_bits: 128, text: IpText::Address }
    }
}

impl IpForm {
    /// The bytes that are hashed for a client.
    #[must_use]
    pub fn write(self, ip: IpAddr) -> Vec<u8> {
        let ip = canonical(ip);
        let bits = if ip.is_ipv4() { self.v4_bits } else { self.v6_bits };
        let IpPrefix { masked, len } = IpPrefix::mask(ip, bits);
        match (self.text, masked) {
            (IpText::Address, masked) => masked.to_string().into_bytes(),
            (IpText::Cidr, masked) => format!("{masked}/{len}").into_bytes(),
            (IpText::Octets, IpAddr::V4(v4)) => v4.octets().to_vec(),
            (IpText::Octets, IpAddr::V6(v6)) => v6.octets().to_vec(),
            (IpText::Leading, IpAddr::V4(v4)) => {
                let octets = v4.octets();
                let counting = octets.iter().take(usize::from(len / 8));
                counting.map(u8::to_string).collect::<Vec<_>>().join(".").into_bytes()
            }
            (IpText::Leading, IpAddr::V6(v6)) => {
                let groups = v6.segments();
                let counting = groups.iter().take(usize::from(len / 16));
                let text = counting.map(|group| format!("{group:x}")).collect::<Vec<_>>();
                text.join(":").into_bytes()
            }
        }
    }
}

/// `address`, `cidr`, `leading` or `octets`, and how many bits count: `cidr/24`, `address/24/64` for
/// IPv4 and IPv6. Without them all do.
impl FromStr for IpForm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            format!(
                "\"{text}\" is no form of an address: write address, cidr, leading or octets, and \
                 perhaps the bits that count for IPv4 and IPv6, as in address/24/64"
            )
        };
        let mut parts = text.split('/');
        let written = match parts.next() {
            Some("address") => IpText::Address,
            Some("cidr") => IpText::Cidr,
            Some("leading") => IpText::Leading,
            Some("octets") => IpText::Octets,
            _ => return Err(wrong()),
        };
        let mut bits = |most: u8| match parts.next() {
            None => Ok(most),
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most).ok_or_else(wrong),
        };
        let form = Self { v4_bits: bits(32)?, v6_bits: bits(128)?, text: written };
        if parts.next().is_some() { Err(wrong()) } else { Ok(form) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str, len: u8) -> IpPrefix {
        IpPrefix::mask(text.parse().unwrap(), len)
    }

    #[test]
    fn networks_are_written_in_each_form() {
        let write = |ip: &str, v4_bits, v6_bits, text| {
            let form = IpForm { v4_bits, v6_bits, text };
            String::from_utf8(form.write(ip.parse().unwrap())).unwrap()
        };
        assert_eq!(write("1.2.3.4", 32, 128, IpText::Address), "1.2.3.4");
        assert_eq!(write("::ffff:1.2.3.4", 32, 128, IpText::Address), "1.2.3.4");
        assert_eq!(write("1.2.3.4", 24, 64, IpText::Address), "1.2.3.0");
        assert_eq!(write("1.2.3.4", 16, 64, IpText::Cidr), "1.2.0.0/16");
        assert_eq!(write("1.2.3.4", 24, 64, IpText::Leading), "1.2.3");
        assert_eq!(write("2001:db8:0:1::9", 24, 64, IpText::Address), "2001:db8:0:1::");
        assert_eq!(write("2001:db8:0:1::9", 24, 64, IpText::Leading), "2001:db8:0:1");
        let octets = IpForm { text: IpText::Octets, ..IpForm::default() };
        assert_eq!(octets.write("1.2.3.4".parse().unwrap()), [1, 2, 3, 4]);
    }

    #[test]
    fn a_form_is_read_from_text() {
        let form = |v4_bits, v6_bits, text| Ok(IpForm { v4_bits, v6_bits, text });
        assert_eq!("address".parse(), form(32, 128, IpText::Address));
        assert_eq!("cidr/24".parse(), form(24, 128, IpText::Cidr));
        assert_eq!("leading/16/64".parse(), form(16, 64, IpText::Leading));
        for bad in ["", "adress", "cidr/33", "cidr/24/129", "cidr/24/64/1", "octets/x"] {
            assert!(bad.parse::<IpForm>().is_err(), "{bad}");
        }
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
