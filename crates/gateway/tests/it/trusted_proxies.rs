//! Clients behind proxies: whose word on an address is taken.

use std::net::IpAddr;

use sluicegate_gateway::Clock as _;
use sluicegate_testkit::gateway::ENTRY_SECRET;
use sluicegate_testkit::http::Client;
use sluicegate_testkit::{Gateway, fixtures};
use sluicegate_token::{CdnKey, Gcore, Link, Scope};

use crate::support::Site;

const CLIENT: &str = "203.0.113.7";

fn site(top: &str) -> Gateway {
    let site = Site { top, entry: "bind_ip = true", ..Site::default() };
    site.folder(&fixtures::streams())
}

/// A link that only [`CLIENT`] may use.
fn link(gateway: &Gateway) -> String {
    let gcore = Gcore::new(CdnKey::bound("k", ENTRY_SECRET.as_bytes()), Scope::File);
    let later = gateway.clock.now().saturating_add(3600);
    let ip: IpAddr = CLIENT.parse().unwrap();
    Link::parse("/subdirs/master.m3u8").unwrap().sign(&gcore, later, Some(ip)).unwrap()
}

/// The status of a target, and where it leads, asked for with a header that proxies write.
fn ask(gateway: &Gateway, target: &str, hops: &str) -> (u16, String) {
    let mut client = Client::connect(gateway.addr()).unwrap();
    let answer = client.get(target.as_bytes(), &[("X-Forwarded-For", hops)]).unwrap();
    (answer.status, answer.header("location").unwrap_or_default().to_owned())
}

#[test]
fn the_last_hop_before_the_trusted_ones_is_the_client() {
    let gateway = site("trusted_proxies = [\"127.0.0.0/8\", \"10.1.0.0/16\"]");
    let link = link(&gateway);
    let (status, session) = ask(&gateway, &link, CLIENT);
    assert_eq!(status, 302);
    for (hops, status) in [
        (CLIENT, 200),
        ("203.0.113.7, 10.1.2.3", 200),
        ("198.51.100.1, 203.0.113.7", 200),
        // What a client writes itself stands further left.
        ("203.0.113.7, 198.51.100.1", 403),
        ("203.0.113.7, unknown", 403),
        ("10.1.2.3", 403),
    ] {
        assert_eq!(ask(&gateway, &session, hops).0, status, "{hops}");
    }
    assert_eq!(ask(&gateway, &link, "198.51.100.1").0, 403);
}

#[test]
fn nobody_else_is_believed() {
    for top in ["", "trusted_proxies = [\"10.1.0.0/16\"]"] {
        let gateway = site(top);
        assert_eq!(ask(&gateway, &link(&gateway), CLIENT).0, 403, "{top}");
    }
}

#[test]
fn a_server_that_asks_for_its_client_says_who_that_is() {
    let gateway = site("trusted_proxies = [\"127.0.0.1\"]");
    let (status, session) = ask(&gateway, &link(&gateway), CLIENT);
    assert_eq!(status, 302);
    let mut client = Client::connect(gateway.addr()).unwrap();
    for (hops, status) in [(CLIENT, 204), ("198.51.100.1", 403)] {
        let headers = [("X-Original-URI", session.as_str()), ("X-Forwarded-For", hops)];
        assert_eq!(client.get(b"/auth", &headers).unwrap().status, status, "{hops}");
    }
}
