//! The URLs of a playback with broken tokens.

use std::collections::BTreeSet;

use sluicegate_testkit::browser::Playback;
use sluicegate_testkit::http::Client;
use url::{Position, Url};

/// Asks for every URL of the playback with a changed token, and without one.
pub(crate) fn with_broken_tokens(what: &str, played: &Playback, link: &str) {
    let asked = played.requests.iter().filter(|request| request.method == "GET");
    let urls: BTreeSet<_> = asked.map(|request| request.url.as_str()).collect();
    let mut requests = 0;
    for url in urls.into_iter().filter(|url| *url != link) {
        let parsed = Url::parse(url).unwrap();
        let addr = parsed.socket_addrs(|| None).unwrap()[0];
        let mut client = Client::connect(addr).unwrap();
        for target in broken(&parsed) {
            let answer = client.get(target.as_bytes(), &[]).unwrap();
            assert_eq!(answer.status, 403, "{what}: {target}");
            requests += 1;
        }
    }
    assert!(requests > 0, "{what}: no URL had a token");
    eprintln!("{what}: {requests} requests with broken tokens, all 403");
}

/// The targets with one character of the token changed, at three places, and without it.
fn broken(url: &Url) -> Vec<String> {
    let target = &url[Position::BeforePath..];
    let (start, len) = ["/s/", "sg=", "md5="]
        .iter()
        .find_map(|name| {
            let start = target.find(name)? + name.len();
            let len = target[start..].find(['/', '&']).unwrap_or(target.len() - start);
            Some((start, len))
        })
        .unwrap_or_else(|| panic!("{url} bears no token"));
    // The last character of an MD5 in base64url has spare bits.
    let changed = [0, len / 2, len - 2].map(|at| {
        let mut changed = target.as_bytes().to_vec();
        let byte = &mut changed[start + at];
        *byte = if *byte == b'A' { b'B' } else { b'A' };
        String::from_utf8(changed).unwrap()
    });
    let without = format!("{}{}", &target[..start], &target[start + len..]);
    changed.into_iter().chain([without]).collect()
}
