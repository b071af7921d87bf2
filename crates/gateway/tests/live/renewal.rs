//! Short CDN tokens of live playlists: each reload brings new ones while the old ones still open.

use std::collections::BTreeMap;

use sluicegate_gateway::Clock as _;
use sluicegate_testkit::gateway::CDN_SECRET;
use sluicegate_testkit::http::Client;
use sluicegate_testkit::{LiveOrigin, require_tools};
use sluicegate_token::{CdnKey, Gcore, Link, Scope, UnixTime};
use url::{Position, Url};

use crate::setup::{Viewer, by_cdn, gateway, nginx_before};

const TTL_SECS: u64 = 30;

/// The CDN's URL of each segment and part of a playlist, by path.
fn cdn_urls(base: &Url, playlist: &str) -> BTreeMap<String, Url> {
    let reference = |line: &str| match line.split_once("URI=\"") {
        Some((_, rest)) => rest.split('"').next().map(str::to_owned),
        None => (!line.starts_with('#')).then(|| line.to_owned()),
    };
    let urls = playlist.lines().filter_map(reference).map(|text| base.join(&text).unwrap());
    urls.filter(|url| !url.path().ends_with(".m3u8"))
        .map(|url| (url.path().to_owned(), url))
        .collect()
}

fn expires(url: &Url) -> u64 {
    let (_, expires) = url.query_pairs().find(|(name, _)| name == "expires").unwrap();
    expires.parse().unwrap()
}

#[test]
fn reloads_renew_the_tokens_of_segments_before_they_end() {
    require_tools!("ffmpeg", "nginx");
    let origin = LiveOrigin::start();
    let nginx = nginx_before(&origin);
    let gateway = gateway(&origin, &by_cdn(&nginx.url("/"), TTL_SECS));
    let gcore = Gcore::new(CdnKey::plain("cdn", CDN_SECRET.as_bytes()), Scope::Directory);
    for kind in ["plain", "ll"] {
        let mut viewer = Viewer::enter(&gateway, &format!("/{kind}/master.m3u8"));
        let playlist = viewer.variant("360p");
        let mut load = || {
            let window = gateway.clock.now().0 / TTL_SECS;
            let urls = cdn_urls(&playlist, &viewer.playlist(&playlist));
            for url in urls.values() {
                // A token lives one window at least and two at most.
                assert_eq!(expires(url), (window + 2) * TTL_SECS, "{url}");
                let signed = Link::parse(url.path())
                    .unwrap()
                    .sign(&gcore, UnixTime(expires(url)), None)
                    .unwrap();
                assert_eq!(url[Position::BeforePath..], signed);
            }
            urls
        };
        let before = load();
        let again = load();
        assert_eq!(shared(&before, &again), 0, "in one window a URL keeps its text");
        gateway.clock.advance(TTL_SECS);
        let after = load();
        let renewed = shared(&before, &after);
        assert!(renewed >= 8, "{before:#?} {after:#?}");
        // Both are good now: the old token lives on in the window that follows its own.
        assert!(before.values().all(|url| expires(url) > gateway.clock.now().0));
        let mut client = Client::connect(nginx.addr()).unwrap();
        for (path, old) in before.iter().filter(|(path, _)| !path.contains("part-")) {
            let Some(new) = after.get(path) else { continue };
            for url in [old, new] {
                let target = url[Position::BeforePath..].as_bytes();
                assert_eq!(client.get(target, &[]).unwrap().status, 200, "{url}");
            }
        }
    }
    let is_refused = |line: &&sluicegate_testkit::nginx::AccessLine| line.status >= 400;
    assert_eq!(nginx.access_log().iter().find(is_refused), None);
}

/// How many resources have another URL in each of two playlists, of those in both.
fn shared(one: &BTreeMap<String, Url>, other: &BTreeMap<String, Url>) -> usize {
    let both: Vec<_> =
        one.iter().filter_map(|(path, url)| other.get(path).map(|same| (url, same))).collect();
    assert!(both.len() >= 8, "{both:#?}");
    both.iter().filter(|(one, other)| one != other).count()
}
