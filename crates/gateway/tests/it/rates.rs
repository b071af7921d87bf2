//! How much one client may ask for.

use sluicegate_gateway::Clock as _;
use sluicegate_testkit::Gateway;
use sluicegate_testkit::gateway::entry_path;

use crate::support::{Site, ask_from, folder, playlist};

fn gateway(limits: &str) -> (Gateway, tempfile::TempDir) {
    let media = folder(&[("v/index.m3u8", &playlist(&["a.ts"])), ("v/a.ts", b"segment")]);
    let top = format!("[limits]\n{limits}\n");
    (Site { top: &top, ..Site::default() }.folder(media.path()), media)
}

/// How many of so many requests of one client have each status.
fn statuses(gateway: &Gateway, ip: &str, target: &str, count: usize) -> Vec<(u16, usize)> {
    let mut found: Vec<(u16, usize)> = Vec::new();
    for _ in 0..count {
        let (status, headers) = ask_from(gateway, ip, target);
        assert_eq!(headers.contains_key("retry-after"), status == 429);
        match found.iter_mut().find(|(known, _)| *known == status) {
            Some((_, count)) => *count += 1,
            None => found.push((status, 1)),
        }
    }
    found.sort_unstable();
    found
}

#[test]
fn links_open_so_many_sessions_in_a_second() {
    let (gateway, _media) = gateway("entries_per_sec = 1");
    let link = entry_path("/v/index.m3u8", gateway.clock.now().saturating_add(3600));
    let found = statuses(&gateway, "192.0.2.1", &link, 40);
    let [(302, let_in), (429, _)] = found[..] else { panic!("{found:?}") };
    assert!((10..20).contains(&let_in), "{found:?}");
    assert_eq!(statuses(&gateway, "192.0.2.2", &link, 1), [(302, 1)], "another client");
    // Who is in plays on.
    let (_, headers) = ask_from(&gateway, "192.0.2.3", &link);
    let session = headers["location"].to_str().unwrap().to_owned();
    assert_eq!(statuses(&gateway, "192.0.2.1", &session, 30), [(200, 30)]);
}

#[test]
fn refused_tokens_are_looked_at_so_often_and_good_ones_always() {
    let (gateway, _media) = gateway("refusals_per_sec = 1");
    let link = entry_path("/v/index.m3u8", gateway.clock.now().saturating_add(3600));
    let (_, headers) = ask_from(&gateway, "192.0.2.1", &link);
    let session = headers["location"].to_str().unwrap().to_owned();
    let wrong_link = link.replace("md5=", "md5=A");
    let wrong_session = session.replace("/s/", "/s/A").replacen("/v/", "A/v/", 0);
    for wrong in [&wrong_link, &wrong_session] {
        let found = statuses(&gateway, "198.51.100.1", wrong, 40);
        assert!(found.iter().any(|(status, count)| *status == 429 && *count >= 20), "{found:?}");
        assert!(found.iter().all(|(status, _)| matches!(status, 403 | 429)), "{found:?}");
    }
    assert_eq!(statuses(&gateway, "198.51.100.1", &session, 30), [(200, 30)]);
    assert_eq!(statuses(&gateway, "198.51.100.1", &link, 3), [(302, 3)]);
}
