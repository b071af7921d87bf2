//! URLs of a playback, tried again with tokens that must not open them.

use sluicegate_gateway::{Clock as _, SystemClock};
use sluicegate_testkit::http::Client;
use sluicegate_testkit::nginx::Scope;
use sluicegate_testkit::{Gateway, Nginx};
use url::Url;

use crate::session_url::{EXPIRY, SessionUrl, TOKEN_BYTES, token_text};
use crate::setup::{SESSION_SECS, cdn_link};
use crate::streams::{FLAT, SUBDIRS, Stream};

/// How many URLs are tried with each byte of their token changed.
const THOROUGH: usize = 4;

/// One byte each of the token's head, its session id and its MAC: changed in every URL's token.
const SAMPLED_BYTES: [usize; 3] = [2, 12, TOKEN_BYTES - 1];

/// Asks one server, and counts.
struct Replay {
    client: Client,
    requests: usize,
}

impl Replay {
    fn expect(&mut self, status: u16, target: &str, why: &str) {
        self.requests += 1;
        let answer = self.client.get(target.as_bytes(), &[]).unwrap();
        assert_eq!(answer.status, status, "{why}: {target}");
        // What leads on would open without the token.
        assert_eq!(answer.header("location").is_some(), status == 302, "{why}: {target}");
    }
}

/// Tries a playback's gateway URLs again. Moves the gateway's clock past the end of the session.
pub(crate) fn at_gateway(gateway: &Gateway, stream: &Stream, urls: &[String]) {
    at_gateway_with(200, gateway, stream, urls);
}

/// The same at a gateway that redirects everything but playlists.
pub(crate) fn at_redirecting_gateway(gateway: &Gateway, stream: &Stream, urls: &[String]) {
    at_gateway_with(302, gateway, stream, urls);
}

/// `segments` is the status of what is no playlist.
fn at_gateway_with(segments: u16, gateway: &Gateway, stream: &Stream, urls: &[String]) {
    let good = |url: &SessionUrl| if url.path.ends_with(".m3u8") { 200 } else { segments };
    let urls: Vec<_> = urls.iter().filter_map(|url| SessionUrl::parse(url)).collect();
    assert!(!urls.is_empty());
    let mut replay = Replay { client: Client::connect(gateway.addr()).unwrap(), requests: 0 };
    replay.expect(403, &stream.master(), "an entry without a link");

    let other_stream = if stream.name == FLAT.name { SUBDIRS } else { FLAT };
    let other_asset = SessionUrl::enter(gateway, &other_stream.master()).token;
    for (at, url) in urls.iter().enumerate() {
        replay.expect(good(url), &url.target(), "as it was");
        replay.expect(403, &url.path, "no token");
        replay.expect(403, &url.with(&other_asset), "another asset's token");
        for byte in 0..TOKEN_BYTES {
            if at < THOROUGH || SAMPLED_BYTES.contains(&byte) {
                let mut changed = url.token_bytes();
                changed[byte] ^= 1;
                replay.expect(403, &url.with(&token_text(&changed)), "a changed byte");
            }
        }
    }

    gateway.clock.advance(SESSION_SECS);
    let later = SessionUrl::enter(gateway, &stream.master()).token_bytes();
    for url in &urls {
        let mut spliced = url.token_bytes();
        assert_ne!(spliced[EXPIRY], later[EXPIRY]);
        spliced[EXPIRY].copy_from_slice(&later[EXPIRY]);
        replay.expect(good(url), &url.target(), "a session lives for its length at least");
        replay.expect(403, &url.with(&token_text(&spliced)), "another session's expiry");
    }

    // A token is good to the very second of its expiry.
    gateway.clock.advance(SESSION_SECS + 1);
    for url in &urls {
        let mut changed = url.token_bytes();
        changed[TOKEN_BYTES - 1] ^= 1;
        replay.expect(410, &url.target(), "expired");
        replay.expect(403, &url.with(&token_text(&changed)), "a changed byte, expired");
    }
    eprintln!("{}: {} URLs of the gateway, {} requests", stream.name, urls.len(), replay.requests);
}

/// Tries a playback's CDN URLs again.
pub(crate) fn at_nginx(nginx: &Nginx, scope: Scope, urls: &[String]) {
    let urls: Vec<_> = urls.iter().map(|url| Url::parse(url).unwrap()).collect();
    assert!(!urls.is_empty());
    let mut replay = Replay { client: Client::connect(nginx.addr()).unwrap(), requests: 0 };
    let directory = |url: &Url| url.path().rsplit_once('/').unwrap().0.to_owned();
    for url in &urls {
        let (path, query) = (url.path(), url.query().unwrap());
        replay.expect(200, &format!("{path}?{query}"), "as it was");
        replay.expect(403, path, "no token");

        let elsewhere = urls.iter().find(|other| directory(other) != directory(url)).unwrap();
        replay.expect(403, &with_query_of(url, elsewhere), "another directory's token");
        let neighbour =
            urls.iter().find(|other| *other != url && directory(other) == directory(url));
        let opens_neighbours = if scope == Scope::Directory { 200 } else { 403 };
        let neighbour = with_query_of(url, neighbour.unwrap());
        replay.expect(opens_neighbours, &neighbour, "another file's token");

        let (start, expires) = query.split_once("expires=").unwrap();
        let expires: u64 = expires.parse().unwrap();
        for other in [expires - 1, expires + 1] {
            replay.expect(403, &format!("{path}?{start}expires={other}"), "another expiry");
        }
        let past = SystemClock.now().saturating_sub(5);
        replay.expect(410, &cdn_link(path, scope, past), "expired");
    }
    eprintln!("{} URLs of the CDN, {} requests", urls.len(), replay.requests);
}

fn with_query_of(url: &Url, other: &Url) -> String {
    format!("{}?{}", url.path(), other.query().unwrap())
}
