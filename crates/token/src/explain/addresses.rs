//! In which forms an address may have been signed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Mistake;
use crate::ip::{IpForm, IpText, canonical};

/// What machines have that make links, and no viewer has.
const SERVERS: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
    IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    IpAddr::V6(Ipv6Addr::UNSPECIFIED),
];

/// The candidates for a client, if it is known; `right` is what should have been signed, nothing
/// for a key of plain links.
pub(super) fn candidates(right: &[u8], ip: Option<IpAddr>) -> Vec<(Mistake, Vec<u8>)> {
    let is_plain = right.is_empty();
    let mut found: Vec<(Mistake, Vec<u8>)> = Vec::new();
    let mut add = |mistake: Mistake, bytes: Vec<u8>| {
        if bytes != right && !found.iter().any(|(_, known)| *known == bytes) {
            found.push((mistake, bytes));
        }
    };
    if !is_plain {
        add(Mistake::AddressLeftOut, Vec::new());
    }
    if let Some(ip) = ip.map(canonical) {
        for bytes in forms(ip) {
            let mistake = match is_plain {
                true => Mistake::AddressSigned,
                false => Mistake::AddressForm(shown(&bytes)),
            };
            add(mistake, bytes);
        }
    }
    for server in SERVERS {
        let text = server.to_string();
        add(Mistake::ServerAddressSigned(text.clone()), text.into_bytes());
    }
    found
}

/// Addresses near a client's, in the form that is signed.
pub(super) fn neighbours(ip: IpAddr, form: IpForm) -> Vec<(Mistake, Vec<u8>)> {
    let IpAddr::V4(v4) = canonical(ip) else { return Vec::new() };
    let network = u32::from(v4) & 0xffff_0000;
    // Those of the same /24 come first.
    let near = u32::from(v4) & 0xffff_ff00;
    let all = (near..=near | 0xff).chain(network..=network | 0xffff);
    let others = all.map(|bits| IpAddr::from(Ipv4Addr::from(bits)));
    others.map(|ip| (Mistake::OtherAddress(ip.to_string()), form.write(ip))).collect()
}

fn forms(ip: IpAddr) -> Vec<Vec<u8>> {
    let mut forms = vec![ip.to_string().into_bytes()];
    let lengths: &[u8] = if ip.is_ipv4() { &[32, 24, 16, 8] } else { &[128, 64, 56, 48, 32] };
    for &len in lengths {
        for text in [IpText::Address, IpText::Cidr, IpText::Leading, IpText::Octets] {
            let form = IpForm { v4_bits: len, v6_bits: len, text };
            let written = form.write(ip);
            if text == IpText::Leading {
                // `1.2.3.`: the first octets, cut out of the text.
                let dot: &[u8] = if ip.is_ipv4() { b"." } else { b":" };
                forms.push([&written, dot].concat());
            }
            forms.push(written);
        }
    }
    match ip {
        IpAddr::V4(v4) => {
            forms.push(format!("::ffff:{v4}").into_bytes());
            forms.push(u32::from(v4).to_string().into_bytes());
        }
        IpAddr::V6(v6) => {
            forms.push(v6.to_string().to_ascii_uppercase().into_bytes());
            let groups = v6.segments();
            let full = groups.map(|group| format!("{group:04x}")).join(":");
            forms.push(full.to_ascii_uppercase().into_bytes());
            forms.push(full.into_bytes());
            forms.push(groups.map(|group| format!("{group:x}")).join(":").into_bytes());
            forms.push(format!("[{v6}]").into_bytes());
        }
    }
    forms
}

fn shown(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.chars().all(|c| c.is_ascii_graphic()) => format!("'{text}'"),
        _ => format!("{} bytes", bytes.len()),
    }
}
