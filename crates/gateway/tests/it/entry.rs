//! Entry by a signed link.

use std::net::IpAddr;

use sluicegate_gateway::Clock as _;
use sluicegate_testkit::gateway::{CDN_SECRET, ENTRY_SECRET, entry_path};
use sluicegate_testkit::{Gateway, fixtures};
use sluicegate_token::{CdnKey, Gcore, Link, Scope};

use crate::support::{Site, Viewer, ask_from, folder, multivariant, playlist, token_of};

fn site(route: &str, entry: &str) -> Gateway {
    Site { route, entry, ..Site::default() }.folder(&fixtures::streams())
}

#[test]
fn a_good_link_leads_to_a_session_by_get_and_by_head() {
    let gateway = site("", "");
    let mut viewer = Viewer::of(&gateway);
    let link = viewer.link("/subdirs/master.m3u8");
    let mut locations = Vec::new();
    // shaka-project/shaka-player#2616, develop202/migu_video#114 (clients ask by HEAD).
    for method in ["GET", "HEAD"] {
        let entry = viewer.ask(method, &link, &[("Origin", "https://site.example.com")]);
        assert_eq!(entry.status, 302, "{method}");
        assert!(entry.body.is_empty());
        assert_eq!(entry.header("cache-control"), Some("no-store"));
        assert_eq!(entry.header("access-control-allow-origin"), Some("*"));
        locations.push(entry.header("location").unwrap().to_owned());
    }
    assert_eq!(locations[0], locations[1]);
    let token = token_of(&locations[0]);
    assert_eq!(locations[0], format!("/s/{token}/subdirs/master.m3u8"));
    assert_eq!(viewer.status(&locations[0]), 200);
}

#[test]
fn a_link_that_is_not_good_opens_nothing() {
    let gateway = site("", "");
    let mut viewer = Viewer::of(&gateway);
    let link = viewer.link("/subdirs/master.m3u8");
    let (path, query) = link.split_once('?').unwrap();
    let (md5, expires) = query.split_once('&').unwrap();
    let other_key = Gcore::new(CdnKey::plain("k", CDN_SECRET.as_bytes()), Scope::File);
    let later = gateway.clock.now().saturating_add(3600);
    let foreign = Link::parse(path).unwrap().sign(&other_key, later, None).unwrap();
    for target in [
        path.to_owned(),
        format!("{path}?"),
        format!("{path}?{md5}"),
        format!("{path}?{expires}"),
        format!("{path}?{md5}&expires={}", later.0 + 1),
        format!("{path}?{md5}&expires=0{}", later.0),
        format!("{path}?{md5}x&{expires}"),
        format!("{path}?md5=AAAAAAAAAAAAAAAAAAAAAA&{expires}"),
        format!("{path}?md5=&{md5}&{expires}"),
        format!("{path}?md5=%41&{expires}"),
        format!("/subdirs/360p/index.m3u8?{query}"),
        format!("/flat/master.m3u8?{query}"),
        format!("/subdirs/missing.m3u8?{query}"),
        foreign,
    ] {
        let answer = viewer.get(&target);
        assert_eq!(answer.status, 403, "{target}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("location"), None);
    }
}

#[test]
fn a_link_is_good_in_its_last_second_and_410_after_it() {
    for (leeway, entry) in [(0, ""), (30, "leeway_secs = 30")] {
        let gateway = site("", entry);
        let mut viewer = Viewer::of(&gateway);
        let link = entry_path("/subdirs/master.m3u8", gateway.clock.now().saturating_add(60));
        let session = viewer.get(&link).header("location").unwrap().to_owned();
        gateway.clock.advance(60 + leeway);
        assert_eq!(viewer.status(&link), 302, "leeway {leeway}");
        gateway.clock.advance(1);
        let answer = viewer.get(&link);
        assert_eq!(answer.status, 410, "leeway {leeway}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(viewer.status(&session), 200, "the session goes on");
        // A wrong link whose time is over is wrong first.
        assert_eq!(viewer.status(&link.replace("md5=", "md5=A")), 403);
    }
}

/// A leeway is for clocks that are ahead of those who make links, not for links of the future.
#[test]
fn a_leeway_does_not_keep_fresh_links_out() {
    for leeway in [0, 900] {
        let settings = format!("scheme = \"nginx-hmac\"\nleeway_secs = {leeway}");
        let gateway = site("", &settings);
        let kind = sluicegate_token::SchemeKind::named("nginx-hmac").unwrap();
        let key = CdnKey::plain("k", ENTRY_SECRET.as_bytes());
        let scheme = kind.with_key(key, &sluicegate_token::SchemeOptions::default()).unwrap();
        let link = |issued_in: u64| {
            let expires = gateway.clock.now().saturating_add(3600 + issued_in);
            Link::parse("/subdirs/master.m3u8").unwrap().sign(&*scheme, expires, None).unwrap()
        };
        let mut viewer = Viewer::of(&gateway);
        assert_eq!(viewer.status(&link(0)), 302, "{leeway}");
        assert_eq!(viewer.status(&link(600)), 403, "{leeway}");
    }
}

#[test]
fn a_link_bound_to_an_address_opens_a_session_bound_to_it() {
    let gateway = site("", "bind_ip = true");
    let key = CdnKey::bound("k", ENTRY_SECRET.as_bytes());
    let gcore = Gcore::new(key, Scope::File);
    let later = gateway.clock.now().saturating_add(3600);
    let sign = |ip: &str| {
        let ip: IpAddr = ip.parse().unwrap();
        Link::parse("/subdirs/master.m3u8").unwrap().sign(&gcore, later, Some(ip)).unwrap()
    };
    let mut viewer = Viewer::of(&gateway);
    let entry = viewer.get(&sign("127.0.0.1"));
    assert_eq!(entry.status, 302);
    let session = entry.header("location").unwrap().to_owned();
    assert_eq!(viewer.status(&session), 200);
    assert_eq!(ask_from(&gateway, "127.0.0.1", &session).0, 200);
    assert_eq!(ask_from(&gateway, "192.0.2.1", &session).0, 403);
    assert_eq!(viewer.status(&sign("192.0.2.1")), 403);
    assert_eq!(ask_from(&gateway, "192.0.2.1", &sign("192.0.2.1")).0, 302);
    // A plain link of the same secret is none here.
    assert_eq!(viewer.status(&entry_path("/subdirs/master.m3u8", later)), 403);
}

#[test]
fn a_directory_link_opens_each_manifest_of_its_folder() {
    let gateway = site("", "scope = \"directory\"");
    let gcore = Gcore::new(CdnKey::plain("k", ENTRY_SECRET.as_bytes()), Scope::Directory);
    let later = gateway.clock.now().saturating_add(3600);
    let signed = Link::parse("/subdirs/360p/any").unwrap().sign(&gcore, later, None).unwrap();
    let query = signed.split_once('?').unwrap().1;
    let mut viewer = Viewer::of(&gateway);
    for (path, status) in [
        ("/subdirs/360p/index.m3u8", 302),
        ("/subdirs/360p/iframes.m3u8", 302),
        ("/subdirs/180p/index.m3u8", 403),
        ("/subdirs/master.m3u8", 403),
    ] {
        assert_eq!(viewer.status(&format!("{path}?{query}")), status, "{path}");
    }
}

#[test]
fn the_same_link_from_the_same_place_is_the_same_session_within_a_window() {
    let gateway = site("", "");
    let window = 4 * 3600;
    // Away from the edge of a window, so that the two entries fall into one.
    let into_window = gateway.clock.now().0 % window;
    gateway.clock.advance(window - into_window);
    let mut viewer = Viewer::of(&gateway);
    let link = entry_path("/subdirs/master.m3u8", gateway.clock.now().saturating_add(10 * window));
    let mut enter = || viewer.get(&link).header("location").unwrap().to_owned();
    let first = enter();
    gateway.clock.advance(window - 1);
    assert_eq!(enter(), first, "a reload stays in its session");
    gateway.clock.advance(1);
    let next = enter();
    assert_ne!(next, first, "the next window has another expiry");
    let location = |ip: &str| {
        let (status, headers) = ask_from(&gateway, ip, &link);
        assert_eq!(status, 302);
        headers["location"].to_str().unwrap().to_owned()
    };
    assert_eq!(location("127.0.0.1"), next);
    assert_ne!(location("192.0.2.1"), next, "another client has another session");
    assert_eq!(location("2001:db8::1"), location("2001:db8::2"), "one IPv6 network is one client");
    let other = entry_path("/subdirs/master.m3u8", gateway.clock.now().saturating_add(60));
    assert_ne!(viewer.get(&other).header("location"), Some(next.as_str()), "another link");
}

#[test]
fn a_link_is_one_session_however_its_token_is_written() {
    let gateway = site("", "");
    let mut viewer = Viewer::of(&gateway);
    let link = viewer.link("/subdirs/master.m3u8");
    let first = viewer.get(&link).header("location").unwrap().to_owned();
    let (path, query) = link.split_once('?').unwrap();
    let (md5, expires) = query.split_once('&').unwrap();
    // The last of 22 characters has four bits that nobody reads.
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = *md5.as_bytes().last().unwrap();
    let at = alphabet.iter().position(|byte| *byte == last).unwrap();
    let mut targets = vec![format!("{path}?{md5}==&{expires}"), format!("{path}?{expires}&{md5}")];
    targets.extend((0..16).map(|bits| {
        let spare = char::from(alphabet[(at & 0b11_0000) | bits]);
        format!("{path}?{}{spare}&{expires}", &md5[..md5.len() - 1])
    }));
    for target in &targets {
        assert_eq!(viewer.get(target).header("location"), Some(&*first), "{target}");
    }
    // So whoever is shut out stays so.
    let id = crate::support::api(&gateway, "GET", "/v1/sessions").1["sessions"][0]["id"].clone();
    let end = format!("/v1/sessions/{}", id.as_str().unwrap());
    assert_eq!(crate::support::api(&gateway, "DELETE", &end).0, 204);
    for target in &targets {
        let session = viewer.get(target).header("location").unwrap().to_owned();
        assert_eq!(viewer.status(&session), 403, "{target}");
    }
}

/// The hash of a bound link has the address right behind the path.
#[test]
fn a_name_that_could_lack_a_digit_opens_nothing_where_digits_may_move() {
    let media = folder(&[
        ("subdirs/master.m3u8", &playlist(&["0.ts"])),
        ("subdirs/master.m3u", &playlist(&["0.ts"])),
    ]);
    let gateway = Site { entry: "bind_ip = true", ..Site::default() }.folder(media.path());
    let gcore = Gcore::new(CdnKey::bound("k", ENTRY_SECRET.as_bytes()), Scope::File);
    let later = gateway.clock.now().saturating_add(3600);
    let link = Link::parse("/subdirs/master.m3u8").unwrap();
    let link = link.sign(&gcore, later, Some("1.2.3.4".parse().unwrap())).unwrap();
    assert_eq!(ask_from(&gateway, "1.2.3.4", &link).0, 302);
    assert_eq!(ask_from(&gateway, "81.2.3.4", &link.replace("m3u8", "m3u")).0, 403);
}

#[test]
fn a_link_to_a_segment_opens_nothing_although_its_token_is_right() {
    let media = folder(&[
        ("v/seg.ts", &[0x47; 4096]),
        ("v/page.html", b"<!DOCTYPE html><html><p>#EXTM3U"),
        ("v/poster.jpg", b"\xFF\xD8\xFF"),
        ("v/empty", b""),
        ("v/key.bin", b"0123456789abcdef"),
    ]);
    let gateway = Site::default().folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    for path in ["/v/seg.ts", "/v/page.html", "/v/poster.jpg", "/v/empty", "/v/key.bin"] {
        let answer = viewer.get(&viewer.link(path));
        assert_eq!(answer.status, 403, "{path}");
        assert!(answer.text().contains("entry-not-a-manifest"), "{}", answer.text());
    }
    assert_eq!(viewer.get(&viewer.link("/v/missing.ts")).status, 404);
}

#[test]
fn a_playlist_without_an_extension_is_known_by_its_content() {
    let media = folder(&[
        ("v/live", &multivariant(&["a/stream"])),
        ("v/a/stream", b"\xEF\xBB\xBF\r\n#EXTM3U\n#EXTINF:2,\nseg\n"),
        ("v/a/seg", b"segment"),
    ]);
    let gateway = Site { route: "carry = \"query\"", ..Site::default() }.folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/live");
    let token = token_of(&session).to_owned();
    let master = viewer.get(&session);
    assert_eq!(master.header("content-type"), Some("application/vnd.apple.mpegurl"));
    assert!(master.text().contains(&format!("a/stream?sg={token}")), "{}", master.text());
    let stream = viewer.get(&session.replace("/v/live", "/v/a/stream"));
    assert!(stream.text().contains(&format!("seg?sg={token}")), "{}", stream.text());
    assert_eq!(viewer.get(&session.replace("/v/live", "/v/a/seg")).text(), "segment");
}

#[test]
fn a_session_is_not_granted_for_a_root_nor_for_what_is_no_asset() {
    let media = folder(&[
        ("master.m3u8", &multivariant(&["v/a/index.m3u8"])),
        ("v/master.m3u8", &multivariant(&["a/index.m3u8"])),
        ("v/a/index.m3u8", &playlist(&["seg.ts"])),
        ("w/a/index.m3u8", &playlist(&["seg.ts"])),
    ]);
    for (route, granted) in [
        ("", [false, true, true, true]),
        ("asset = \"/v/{asset}/\"", [false, false, true, false]),
        ("asset = \"/{library}/{asset}/\"", [false, false, true, true]),
        ("grant = \"file\"", [true, true, true, true]),
    ] {
        let gateway = Site { route, ..Site::default() }.folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        let paths = ["/master.m3u8", "/v/master.m3u8", "/v/a/index.m3u8", "/w/a/index.m3u8"];
        for (path, granted) in paths.into_iter().zip(granted) {
            let answer = viewer.get(&viewer.link(path));
            assert_eq!(answer.status == 302, granted, "{route} {path}: {}", answer.text());
            if !granted {
                assert_eq!(answer.status, 403);
                assert!(answer.text().contains("grant-refused"), "{}", answer.text());
            }
        }
    }
}

#[test]
fn of_a_links_query_only_what_is_forwarded_stays() {
    for (carry, start) in [("path", "/subdirs/master.m3u8?"), ("query", "&")] {
        let gateway =
            site(&format!("carry = \"{carry}\"\nforward_query = [\"_HLS_*\", \"lang\"]"), "");
        let mut viewer = Viewer::of(&gateway);
        for (query, kept) in [
            ("_HLS_msn=3&x=1&lang=en", Some("_HLS_msn=3&lang=en")),
            ("lang=a%20b&langs=x&utm=1", Some("lang=a%20b")),
            ("x=1&_hls_msn=3", None),
        ] {
            let location = viewer.enter(&format!("/subdirs/master.m3u8?{query}"));
            match kept {
                Some(kept) => assert!(location.ends_with(&format!("{start}{kept}")), "{location}"),
                None => {
                    assert_eq!(location.matches(['?', '&']).count(), usize::from(carry == "query"));
                }
            }
            assert!(!location.contains("md5=") && !location.contains("expires="), "{location}");
            assert_eq!(viewer.status(&location), 200, "{location}");
        }
    }
}

#[test]
fn a_links_own_parameters_go_nowhere_even_where_everything_is_forwarded() {
    let gateway = site("forward_query = [\"*\"]", "");
    let mut viewer = Viewer::of(&gateway);
    let location = viewer.enter("/subdirs/master.m3u8?a=1&b");
    assert!(location.ends_with("/subdirs/master.m3u8?a=1&b"), "{location}");
}

#[test]
fn a_link_whose_query_is_not_ascii_still_leads_to_a_session() {
    let gateway = site("forward_query = [\"lang\"]", "");
    let mut viewer = Viewer::of(&gateway);
    let link = viewer.link("/subdirs/master.m3u8") + "&lang=\u{e9}";
    let entry = viewer.get(&link);
    assert!([302, 400].contains(&entry.status), "{} {}", entry.status, entry.text());
    if let Some(location) = entry.header("location") {
        assert!(location.ends_with("?lang=%C3%A9"), "{location}");
    }
}

#[test]
fn a_route_without_entry_lets_nobody_in_by_link() {
    let config = Site::default().config(&format!("file:{}", fixtures::streams().display()));
    let gateway = Gateway::start(config.split("[route.entry]").next().unwrap());
    let mut viewer = Viewer::of(&gateway);
    assert_eq!(viewer.get(&viewer.link("/subdirs/master.m3u8")).status, 403);
}

/// With one key for links and tokens of directories, the token of `/v/` is what a link of the path `/v/`
/// would be: no session begins there, whatever the origin has.
#[test]
fn a_token_of_a_directory_is_no_link() {
    let media = folder(&[("v/index.m3u8", &playlist(&["0.ts"])), ("v/0.ts", b"segment")]);
    let config = format!(
        "[session]\nkey = {{ file = \"session.key\" }}\n[[route]]\nid = \"vod\"\norigin = \"file:{}\"\n\
         segments = \"cdn\"\n[route.entry]\nkey = {{ file = \"cdn.key\" }}\n[route.cdn]\n\
         base_url = \"https://cdn.test/\"\nkey = {{ file = \"cdn.key\" }}\nttl_secs = 20000\n",
        media.path().display()
    );
    let gateway = Gateway::start(&config);
    let key = CdnKey::plain("cdn", CDN_SECRET.as_bytes());
    let links = Gcore::new(key, Scope::File);
    let link = Link::parse("/v/index.m3u8").unwrap();
    let link = link.sign(&links, gateway.clock.now().saturating_add(600), None).unwrap();
    let mut viewer = Viewer::of(&gateway);
    let entry = viewer.get(&link);
    assert_eq!(entry.status, 302, "{}", entry.text());
    let session = entry.header("location").unwrap().to_owned();
    let text = viewer.get(&session).text();
    let token =
        text.lines().find_map(|line| line.strip_prefix("https://cdn.test/v/0.ts?")).unwrap();
    for path in ["/v/", "/v/index.m3u8", "/v/0.ts", "/v/x", "/v", "/v//", "/"] {
        let answer = viewer.get(&format!("{path}?{token}"));
        assert!((400..500).contains(&answer.status), "{path}: {} {}", answer.status, answer.text());
    }
}
