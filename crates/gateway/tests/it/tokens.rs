//! Session tokens: what they open, and above all what they do not.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sluicegate_testkit::{Gateway, fixtures};

use crate::support::{
    Site, Viewer, Watched, folder, multivariant, playlist, resolve, token_of, uris,
};

fn site(route: &str) -> Gateway {
    Site { route, ..Site::default() }.folder(&fixtures::streams())
}

#[test]
fn a_token_opens_by_path_and_by_query_and_two_tokens_open_nothing() {
    let gateway = site("");
    let mut viewer = Viewer::of(&gateway);
    let token = token_of(&viewer.enter("/subdirs/master.m3u8")).to_owned();
    for (target, status) in [
        (format!("/s/{token}/subdirs/360p/seg-0.m4s"), 200),
        (format!("/subdirs/360p/seg-0.m4s?sg={token}"), 200),
        (format!("/subdirs/360p/seg-0.m4s?a=b&SG={token}&c"), 200),
        (format!("/s/{token}/subdirs/360p/seg-0.m4s?sg={token}"), 403),
        (format!("/s/{token}/subdirs/360p/seg-0.m4s?sg"), 403),
        (format!("/subdirs/360p/seg-0.m4s?sg={token}&sg={token}"), 403),
        (format!("/subdirs/360p/seg-0.m4s?sg={token}&Sg=x"), 403),
        (format!("/s/{token}/s/{token}/subdirs/360p/seg-0.m4s"), 400),
        (format!("/S/{token}/subdirs/360p/seg-0.m4s"), 403),
        (format!("/%73/{token}/subdirs/360p/seg-0.m4s"), 403),
        (format!("/subdirs/360p/seg-0.m4s?%73g={token}"), 403),
        (format!("/subdirs/360p/seg-0.m4s?xsg={token}"), 403),
        (format!("/s/{token}"), 403),
        (format!("/s/{token}/"), 403),
        ("/s/".to_owned(), 403),
        ("/s//subdirs/360p/seg-0.m4s".to_owned(), 403),
    ] {
        assert_eq!(viewer.status(&target), status, "{target}");
    }
}

#[test]
fn a_token_opens_neither_another_folder_nor_one_whose_name_begins_alike() {
    let media = folder(&[
        ("a/master.m3u8", &multivariant(&["v/index.m3u8"])),
        ("a/v/seg.ts", b"own"),
        ("ab/seg.ts", b"neighbour"),
        ("a.ts", b"neighbour"),
        ("b/master.m3u8", &multivariant(&["v/index.m3u8"])),
        ("b/v/seg.ts", b"other"),
        ("A/v/seg.ts", b"upper"),
        ("seg.ts", b"root"),
    ]);
    let gateway = Site::default().folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let a = token_of(&viewer.enter("/a/master.m3u8")).to_owned();
    let b = token_of(&viewer.enter("/b/master.m3u8")).to_owned();
    for (token, path, status) in [
        (&a, "/a/v/seg.ts", 200),
        (&a, "/%61/v/seg.ts", 200),
        (&a, "/ab/seg.ts", 403),
        (&a, "/a.ts", 403),
        (&a, "/a", 403),
        (&a, "/A/v/seg.ts", 403),
        (&a, "/b/v/seg.ts", 403),
        (&a, "/seg.ts", 403),
        (&a, "/", 403),
        (&b, "/b/v/seg.ts", 200),
        (&b, "/a/v/seg.ts", 403),
    ] {
        for target in [format!("/s/{token}{path}"), format!("{path}?sg={token}")] {
            assert_eq!(viewer.status(&target), status, "{path}");
        }
    }
}

#[test]
fn a_token_of_another_route_or_another_gateways_key_opens_nothing() {
    let origin = format!("file:{}", fixtures::streams().display());
    let two = |id: &str, entry: &str| {
        format!(
            "[[route]]\nid = \"{id}\"\npath = \"/{id}/\"\norigin = \"{origin}\"\n\
             [route.entry]\nkey = {{ file = \"{entry}.key\" }}\n"
        )
    };
    let session = "[session]\nkey = { file = \"session.key\" }\n";
    let both = Gateway::start(&format!("{session}{}{}", two("one", "entry"), two("two", "entry")));
    let mut viewer = Viewer::of(&both);
    let one = viewer.enter("/one/subdirs/master.m3u8");
    assert_eq!(viewer.status(&one), 200);
    assert_eq!(viewer.status(&one.replace("/one/", "/two/")), 403);

    // The same path on a gateway whose route has another name, with the same key.
    let other = Site { route: "path = \"/one/\"", ..Site::default() }.start(&origin);
    assert_eq!(Viewer::of(&other).status(&one), 403);
    let own = Viewer::of(&other).enter("/one/subdirs/master.m3u8");
    assert_eq!(viewer.status(&own), 403);
}

#[test]
fn a_token_with_any_byte_changed_opens_nothing() {
    let gateway = site("");
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/subdirs/master.m3u8");
    let token = token_of(&session).to_owned();
    let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
    assert_eq!(bytes.len(), 39);
    for at in 0..bytes.len() {
        for change in [0x01, 0x80, 0xFF] {
            let mut changed = bytes.clone();
            changed[at] ^= change;
            let changed = session.replace(&token, &URL_SAFE_NO_PAD.encode(&changed));
            assert_eq!(viewer.status(&changed), 403, "byte {at} by {change:#x}");
        }
    }
    assert_eq!(viewer.status(&session), 200);
}

#[test]
fn the_expiry_of_a_longer_session_cannot_be_spliced_in() {
    let gateway = site("");
    let mut viewer = Viewer::of(&gateway);
    let body = |ttl: u32| format!("{{\"path\": \"/subdirs/master.m3u8\", \"ttl\": {ttl}}}");
    let (short, long) = (viewer.open(&body(60)), viewer.open(&body(86_400)));
    let decode = |session: &str| URL_SAFE_NO_PAD.decode(token_of(session)).unwrap();
    let (short_bytes, long_bytes) = (decode(&short), decode(&long));
    for range in [5..9, 0..9, 5..23, 9..23, 23..39] {
        let mut spliced = short_bytes.clone();
        spliced[range.clone()].copy_from_slice(&long_bytes[range.clone()]);
        let spliced = short.replace(token_of(&short), &URL_SAFE_NO_PAD.encode(&spliced));
        assert_eq!(viewer.status(&spliced), 403, "{range:?}");
    }
    gateway.clock.advance(61);
    assert_eq!(viewer.status(&short), 410);
    assert_eq!(viewer.status(&long), 200);
}

#[test]
fn a_token_of_another_length_or_alphabet_opens_nothing() {
    let gateway = site("");
    let mut viewer = Viewer::of(&gateway);
    let token = token_of(&viewer.enter("/subdirs/master.m3u8")).to_owned();
    let (head, last) = token.split_at(51);
    for bad in [
        String::new(),
        head.to_owned(),
        format!("{token}A"),
        format!("{token}="),
        format!("{token}=="),
        format!("{head}="),
        format!("{head}+"),
        format!("{head}~"),
        format!("{head}."),
        format!("{head}%{:02X}", last.as_bytes()[0]),
        format!(" {token}").replace(' ', "+"),
        token.to_lowercase(),
        token.chars().rev().collect(),
        "A".repeat(52),
        "_".repeat(52),
        "A".repeat(5000),
    ] {
        for target in
            [format!("/s/{bad}/subdirs/master.m3u8"), format!("/subdirs/master.m3u8?sg={bad}")]
        {
            assert_eq!(viewer.status(&target), 403, "{target}");
        }
    }
}

#[test]
fn a_session_is_good_in_its_last_second_and_410_after_it() {
    let gateway = site("");
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.open(r#"{"path": "/subdirs/master.m3u8", "ttl": 100}"#);
    let segment = session.replace("master.m3u8", "360p/seg-0.m4s");
    gateway.clock.advance(100);
    assert_eq!((viewer.status(&session), viewer.status(&segment)), (200, 200));
    gateway.clock.advance(1);
    for target in [&session, &segment] {
        let answer = viewer.get(target);
        assert_eq!(answer.status, 410);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    // Where it is not good, its age is nobody's business.
    assert_eq!(viewer.status(&session.replace("/subdirs/", "/flat/")), 403);
}

/// Every URI that playlists name, from one on: where it leads, playlists among them.
fn walk(viewer: &mut Viewer<'_>, from: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![from.to_owned()];
    while let Some(at) = open.pop() {
        let text = viewer.get(&at).text();
        for uri in uris(&text) {
            let target = resolve(&at, &uri);
            if target.contains(".m3u8") {
                open.push(target.clone());
            }
            found.push(target);
        }
    }
    found
}

#[test]
fn a_grant_per_file_opens_each_uri_that_the_manifest_names_and_no_neighbour() {
    for carry in ["path", "query"] {
        let gateway = site(&format!("grant = \"file\"\ncarry = \"{carry}\""));
        let mut viewer = Viewer::of(&gateway);
        let master = viewer.enter("/flat/master.m3u8");
        let named = walk(&mut viewer, &master);
        assert_eq!(named.len(), 5, "{named:?}");
        let all: Vec<_> = [master].into_iter().chain(named).collect();
        for target in &all {
            assert_eq!(viewer.status(target), 200, "{carry} {target}");
        }
        // The token of each opens none of the others.
        let path = |target: &str| {
            let start = target.find("/flat/").unwrap();
            target[start..].split('?').next().unwrap().to_owned()
        };
        for own in &all {
            for other in all.iter().filter(|other| path(other) != path(own)) {
                let crossed = own.replace(&path(own), &path(other));
                assert_eq!(viewer.status(&crossed), 403, "{carry}: {own} for {}", path(other));
            }
            assert_eq!(viewer.status(&own.replace(&path(own), "/subdirs/master.m3u8")), 403);
        }
    }
}

#[test]
fn a_uri_outside_the_grant_gets_a_token_for_its_own_folder_that_opens_only_that() {
    let media = folder(&[
        ("v/a/master.m3u8", &multivariant(&["index.m3u8", "../../shared/x.m3u8"])),
        ("v/a/index.m3u8", &playlist(&["seg.ts", "/ads/one/ad.ts"])),
        ("v/a/seg.ts", b"own"),
        ("v/b/seg.ts", b"neighbour"),
        ("shared/x.m3u8", &playlist(&["x.ts", "deep/y.ts"])),
        ("shared/x.ts", b"shared"),
        ("shared/deep/y.ts", b"deep"),
        ("sharedx/x.ts", b"alike"),
        ("ads/one/ad.ts", b"advertisement"),
        ("ads/two/ad.ts", b"another"),
    ]);
    for carry in ["path", "query"] {
        let route = format!("carry = \"{carry}\"");
        let gateway = Site { route: &route, ..Site::default() }.folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/v/a/master.m3u8");
        let named = walk(&mut viewer, &session);
        assert_eq!(named.len(), 6, "{named:?}");
        for target in &named {
            assert_eq!(viewer.status(target), 200, "{carry} {target}");
        }
        let of = |end: &str| named.iter().find(|target| target.contains(end)).unwrap();
        for (own, opens) in [
            ("/v/a/index.m3u8", "/v/a/"),
            ("/shared/x.m3u8", "/shared/"),
            ("/shared/deep/y.ts", "/shared/"),
            ("/ads/one/ad.ts", "/ads/one/"),
        ] {
            for path in [
                "/v/a/seg.ts",
                "/v/b/seg.ts",
                "/shared/x.ts",
                "/shared/deep/y.ts",
                "/sharedx/x.ts",
                "/ads/one/ad.ts",
                "/ads/two/ad.ts",
            ] {
                let status = if path.starts_with(opens) { 200 } else { 403 };
                let target = of(own).replace(own, path);
                assert_eq!(viewer.status(&target), status, "{carry}: {own} for {path}");
            }
        }
    }
}

#[test]
fn a_uri_above_the_manifest_does_not_open_the_folders_beside_it() {
    let media = folder(&[
        ("v/a/master.m3u8", &multivariant(&["../shared.m3u8", "/top.m3u8"])),
        ("v/shared.m3u8", &playlist(&["shared.ts", "b/named.ts"])),
        ("v/shared.ts", b"shared"),
        ("v/unnamed.ts", b"not named"),
        ("v/b/named.ts", b"named"),
        ("v/b/c/seg.ts", b"another asset"),
        ("v/d/seg.ts", b"another asset"),
        ("top.m3u8", &playlist(&["top.ts"])),
        ("top.ts", b"top"),
    ]);
    for carry in ["path", "query"] {
        let route = format!("carry = \"{carry}\"");
        let gateway = Site { route: &route, ..Site::default() }.folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/v/a/master.m3u8");
        let named = walk(&mut viewer, &session);
        assert_eq!(named.len(), 5, "{named:?}");
        for target in &named {
            assert_eq!(viewer.status(target), 200, "{carry} {target}");
        }
        let tokens: Vec<_> = named.iter().map(|target| token_of(target).to_owned()).collect();
        for token in tokens {
            for path in ["/v/unnamed.ts", "/v/d/seg.ts"] {
                let target = format!("{path}?sg={token}");
                assert_eq!(viewer.status(&target), 403, "{carry} {path}");
            }
        }
    }
}

#[test]
fn a_uri_on_a_further_host_gets_a_token_for_its_own_folder_there() {
    let further = folder(&[
        ("media/v/a/index.m3u8", &playlist(&["seg.ts"])),
        ("media/v/a/seg.ts", b"further"),
        ("media/v/b/seg.ts", b"neighbour"),
        ("other/seg.ts", b"outside"),
    ]);
    let further = Watched::folder(further.path());
    let media = folder(&[
        ("v/a/master.m3u8", &multivariant(&[&further.url("/media/v/a/index.m3u8")])),
        ("v/a/seg.ts", b"origin"),
        // What has the name of a further host in the origin is not to be had at all.
        ("~1/media/v/a/seg.ts", b"wrong host"),
        ("~2/v/a/seg.ts", b"wrong host"),
    ]);
    for carry in ["path", "query"] {
        let route = format!("carry = \"{carry}\"\nallow_hosts = [\"{}\"]", further.url("/media/"));
        let gateway = Site { route: &route, ..Site::default() }.folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/v/a/master.m3u8");
        let variant = uris(&viewer.get(&session).text()).remove(0);
        assert!(variant.contains("/~1/media/v/a/index.m3u8"), "{variant}");
        let of_origin = token_of(&session).to_owned();
        let of_further = token_of(&variant).to_owned();
        for (token, path, status) in [
            (&of_further, "/~1/media/v/a/index.m3u8", 200),
            (&of_further, "/~1/media/v/a/seg.ts", 200),
            (&of_further, "/~1/media/v/b/seg.ts", 403),
            (&of_further, "/~1/other/seg.ts", 403),
            (&of_further, "/~2/media/v/a/seg.ts", 403),
            (&of_further, "/~01/media/v/a/seg.ts", 403),
            (&of_further, "/%7E1/media/v/a/seg.ts", 403),
            (&of_further, "/~%31/media/v/a/seg.ts", 403),
            (&of_further, "/media/v/a/seg.ts", 403),
            (&of_further, "/v/a/seg.ts", 403),
            (&of_origin, "/v/a/seg.ts", 200),
            (&of_origin, "/~1/v/a/seg.ts", 403),
            (&of_origin, "/~1/media/v/a/seg.ts", 403),
        ] {
            let answer = viewer.get(&format!("{path}?sg={token}"));
            assert_eq!(answer.status, status, "{carry} {path}: {}", answer.text());
        }
        assert_eq!(viewer.get(&format!("/~1/media/v/a/seg.ts?sg={of_further}")).text(), "further",);
    }
}

#[test]
fn no_url_without_a_token_ever_answers_200() {
    let gateway = site("");
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/subdirs/master.m3u8");
    assert_eq!(viewer.status(&session), 200);
    for path in files_below(&fixtures::streams()) {
        for target in [
            path.clone(),
            format!("{path}?"),
            format!("{path}?sg="),
            format!("{path}?md5=&expires="),
            format!("{path}?sg={}", "A".repeat(52)),
            format!("/s/{}{path}", "A".repeat(52)),
        ] {
            assert_eq!(viewer.status(&target), 403, "{target}");
        }
    }
}

/// The paths of all files below a folder, as a server of it names them.
fn files_below(root: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(format!("/{}", path.strip_prefix(root).unwrap().display()));
            }
        }
    }
    assert!(files.len() > 30, "{files:?}");
    files
}
