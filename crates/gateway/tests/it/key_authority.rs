//! A key of `[route.keys]` is opened by its own token alone: not by a session's, not by a CDN's for a
//! segment, and not under another spelling of its path.

use axum::Router;
use axum::http::{StatusCode, Uri, header};
use axum::response::IntoResponse as _;
use axum::routing::get;
use sluicegate_gateway::Clock as _;
use sluicegate_testkit::clock::ManualClock;
use sluicegate_testkit::gateway::build;
use sluicegate_token::Mistake;

use crate::support::{
    Admin, LOCAL_ADMIN, Site, Viewer, Watched, cdn, folder, multivariant, open, playlist, resolve,
    token_of, uris,
};

const KEY: &[u8; 16] = b"0123456789abcdef";
const NAMES: &str = "names = [\"*.key\", \"keys/*\"]";

/// Two keys, as after a rotation, and segments.
const ENCRYPTED: &[u8] = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n\
    #EXT-X-KEY:METHOD=AES-128,URI=\"keys/one.bin\"\n#EXTINF:2,\na.ts\n\
    #EXT-X-KEY:METHOD=AES-128,URI=\"two.key?id=7\"\n#EXTINF:2,\nb.ts\n";

/// Spellings of keys that a lenient origin takes for one, and whether the key's own path is one.
const SPELLINGS: [(&str, bool); 26] = [
    ("two.key", true),
    ("%74wo.key", true),
    ("two%2Ekey", true),
    ("two.%6bey", true),
    ("TWO.KEY", false),
    ("two.kEy", false),
    ("two.key;x=1", false),
    ("two.key;a.ts", false),
    ("two%252ekey", false),
    ("two.key%2520", false),
    ("two.key%253bx", false),
    ("two.key/", false),
    ("two.key/a.ts", false),
    ("two.key.", false),
    ("two.key%20", false),
    ("two.key%3Fa.ts", false),
    ("two.key%23a.ts", false),
    ("two.key::$DATA", false),
    ("two.%E2%84%AAey", false),
    ("two.k%E2%80%8Cey", false),
    ("two%EF%BC%8Ekey", false),
    ("keys;x/one.bin", false),
    ("KEYS/one.bin", false),
    ("k%65ys/one.bin", false),
    ("keys/one.bin/a.ts", false),
    ("keys/of-nobody.bin", false),
];

/// An origin that takes every spelling for a key, as some do.
fn lenient_origin() -> Watched {
    let answer = async |uri: Uri| match uri.path() {
        "/v/a/index.m3u8" => ENCRYPTED.into_response(),
        "/v/a/a.ts" | "/v/a/b.ts" => "segment".into_response(),
        _ => KEY.into_response(),
    };
    Watched::start(Router::new().fallback(get(answer)))
}

/// A path with a token, as the route carries it.
fn carrying(carry: &str, token: &str, path: &str) -> String {
    match carry {
        "query" => format!("{path}?sg={token}"),
        _ => format!("/s/{token}{path}"),
    }
}

fn let_in(viewer: &mut Viewer<'_>, target: &str) -> u16 {
    viewer.ask("GET", "/auth", &[("X-Original-URI", target)]).status
}

#[test]
fn a_key_is_opened_by_its_own_token_alone_however_its_path_is_written() {
    let origin = lenient_origin();
    let from_cdn = cdn("https://cdn.example.com/", "file", 3600);
    let redirected = from_cdn.replace("\"cdn\"", "\"redirect\"");
    let profile = "[[profile]]\nid = 63\nname = \"all\"\nmax_height = 4320\n";
    for (top, entry, carry, route, delivery) in [
        ("", "", "path", String::new(), "gateway"),
        ("", "", "query", String::new(), "gateway"),
        ("", "", "path", "asset = \"/v/{asset}/\"".to_owned(), "gateway"),
        ("", "", "path", "grant = \"file\"".to_owned(), "gateway"),
        ("", "", "path", "bind_ip = true".to_owned(), "gateway"),
        (profile, "profile = \"all\"", "path", String::new(), "gateway"),
        ("", "", "path", "accel = \"/_files/\"".to_owned(), "gateway"),
        ("", "", "path", redirected.clone(), "gateway"),
        ("", "", "query", redirected, "redirect"),
        ("", "", "path", from_cdn.clone(), "gateway"),
        ("", "", "path", from_cdn, "redirect"),
    ] {
        let keys = format!("keys = {{ ttl_secs = 60, delivery = \"{delivery}\", {NAMES} }}");
        let route = format!("carry = \"{carry}\"\n{keys}\n{route}");
        let gateway = Site { top, route: &route, entry }.start(&origin.url("/"));
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/v/a/index.m3u8");
        let found = uris(&viewer.get(&session).text());
        let keys: Vec<_> = [0, 2].map(|at| resolve(&session, &found[at])).into();
        let [one, two] = [0, 1].map(|at| token_of(&keys[at]).to_owned());
        let session = token_of(&session).to_owned();
        let opened = if delivery == "redirect" { 302 } else { 200 };
        let is_exact = route.contains("grant = \"file\"") || entry.contains("profile");
        let cases = SPELLINGS.iter().chain([&("keys/one.bin", false)]);
        for (spelling, is_own) in cases.clone() {
            let at = |token: &str| carrying(carry, token, &format!("/v/a/{spelling}"));
            origin.take();
            for method in ["GET", "HEAD"] {
                let answer = viewer.ask(method, &at(&session), &[]);
                assert_eq!(answer.status, 403, "{route}: {method} {spelling}");
                assert_eq!(answer.header("location"), None);
                assert_eq!(answer.header("x-accel-redirect"), None);
            }
            assert_eq!(let_in(&mut viewer, &at(&session)), 403, "{route}: {spelling}");
            assert!(origin.take().is_empty(), "{route}: {spelling} is not asked for");
            let expected = if *is_own { (opened, 204) } else { (403, 403) };
            let own = (viewer.status(&at(&two)), let_in(&mut viewer, &at(&two)));
            assert_eq!(own, expected, "{route}: {spelling} with its own token");
            let is_one = ["keys/one.bin", "k%65ys/one.bin"].contains(spelling);
            let expected = if is_one { opened } else { 403 };
            assert_eq!(viewer.status(&at(&one)), expected, "{route}: {spelling} with another's");
        }
        let explain = |token: &str| {
            let target = carrying(carry, token, "/v/a/two.key");
            let ip = Some("127.0.0.1".parse().unwrap());
            gateway.app.explain(&target, ip, gateway.clock.now()).unwrap().1
        };
        if !is_exact {
            assert_eq!(explain(&session).mistakes, [Mistake::SessionOfKey], "{route}");
        }
        assert!(explain(&session).verdict.is_err() && explain(&two).verdict.is_ok(), "{route}");
        let segment = carrying(carry, &session, "/v/a/a.ts");
        let is_open = |status: u16| if is_exact { status == 403 } else { status < 400 };
        assert!(is_open(viewer.status(&segment)), "{route}");
        // The keys' time ends, and the session's token opens no more than before.
        gateway.clock.advance(121);
        for (key, token) in keys.iter().zip([&one, &two]) {
            assert_eq!(viewer.status(key), 410, "{route}");
            assert_eq!(let_in(&mut viewer, key), 403, "{route}");
            assert_eq!(viewer.status(&key.replace(token, &session)), 403, "{route}");
        }
        assert!(is_open(viewer.status(&segment)), "{route}");
    }
}

#[test]
fn keys_of_further_hosts_and_of_nested_playlists_are_opened_by_their_own_tokens_alone() {
    let further = lenient_origin();
    let host = further.url("/media/");
    let nested = format!(
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-KEY:METHOD=AES-128,URI=\"{host}v/one.key\"\n\
         #EXTINF:2,\n{host}v/a.ts\n#EXT-X-KEY:METHOD=AES-128,URI=\"../b/two.key\"\n#EXTINF:2,\n0.ts\n\
         #EXT-X-ENDLIST\n"
    );
    let master = [
        b"#EXTM3U\n#EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"first.key\"\n".as_slice(),
        b"#EXT-X-STREAM-INF:BANDWIDTH=1\nsub/index.m3u8\n",
    ]
    .concat();
    let media = folder(&[
        ("v/a/master.m3u8", &master),
        ("v/a/first.key", KEY),
        ("v/a/sub/index.m3u8", nested.as_bytes()),
        ("v/a/sub/0.ts", b"segment"),
        ("v/a/b/two.key", KEY),
    ]);
    for route in ["", "asset = \"/v/{asset}/\"\n", "grant = \"file\"\n", "carry = \"query\"\n"] {
        let route = format!("keys = {{ }}\nallow_hosts = [\"{host}\"]\n{route}");
        let gateway = Site { route: &route, ..Site::default() }.folder(media.path());
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/v/a/master.m3u8");
        let named = uris(&viewer.get(&session).text());
        let variant = resolve(&session, &named[1]);
        let nested = uris(&viewer.get(&variant).text());
        let keys = [
            resolve(&session, &named[0]),
            resolve(&variant, &nested[0]),
            resolve(&variant, &nested[2]),
        ];
        let segments = [1, 3].map(|at| resolve(&variant, &nested[at]));
        let others = [&session, &variant, &segments[0], &segments[1]].map(|url| token_of(url));
        for key in &keys {
            assert_eq!(viewer.status(key), 200, "{route}: {key}");
            for other in others {
                let target = key.replace(token_of(key), other);
                assert_eq!(viewer.status(&target), 403, "{route}: {target}");
            }
        }
        for segment in &segments {
            assert_eq!(viewer.status(segment), 200, "{route}: {segment}");
        }
    }
}

/// One host may have several entries, of which one lies in another. A resource has the path of the first
/// that fits it, and no second one.
#[test]
fn a_resource_of_overlapping_hosts_has_one_path() {
    let further = lenient_origin();
    let (inner, outer) = (further.url("/media/k1/"), further.url("/media/"));
    let playlist = format!(
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-KEY:METHOD=AES-128,URI=\"{inner}one\"\n\
         #EXTINF:2,\n{outer}0.ts\n#EXT-X-ENDLIST\n"
    );
    let media = folder(&[("v/index.m3u8", playlist.as_bytes())]);
    let route =
        format!("keys = {{ names = [\"/~1/*\"] }}\nallow_hosts = [\"{inner}\", \"{outer}\"]\n");
    let gateway = Site { route: &route, ..Site::default() }.folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/index.m3u8");
    let named = uris(&viewer.get(&session).text());
    let [key, segment] = [0, 1].map(|at| resolve(&session, &named[at]));
    assert_eq!([viewer.status(&key), viewer.status(&segment)], [200, 200]);
    assert!(key.contains("/~1/media/k1/one") && segment.contains("/~2/media/0.ts"), "{named:?}");
    for path in ["k1/one", "%6b1/one", "k1/%6Fne"] {
        let target = segment.replace("0.ts", path);
        assert_eq!(viewer.status(&target), 403, "{target}");
        assert_eq!(let_in(&mut viewer, &target), 403, "{target}");
    }
}

/// A session whose origin leads from a wrong name to the right one, as servers that mend spelling do.
#[test]
fn an_origins_redirect_opens_no_key() {
    let answer = async |uri: Uri| {
        let to = |path: &str| {
            (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, path.to_owned())]).into_response()
        };
        match uri.path() {
            "/v/index.m3u8" => ENCRYPTED.into_response(),
            "/v/two.kye" | "/v/twice" => to("/v/two.key"),
            "/v/a.ts" => to("/v/twice"),
            "/v/b.ts" => to("/v/elsewhere.ts"),
            "/v/keys/one.bin" => to("/v/elsewhere.ts"),
            _ => KEY.into_response(),
        }
    };
    let origin = Watched::start(Router::new().fallback(get(answer)));
    let route = format!("keys = {{ {NAMES} }}");
    let gateway = Site { route: &route, ..Site::default() }.start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/index.m3u8");
    for (name, status) in [("two.kye", 502), ("a.ts", 502), ("b.ts", 200)] {
        let answer = viewer.get(&session.replace("index.m3u8", name));
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
    }
    let key = resolve(&session, &uris(&viewer.get(&session).text())[0]);
    assert_eq!(viewer.status(&key), 200, "a key may be elsewhere");
}

#[test]
fn a_manifest_is_refused_where_names_do_not_tell_its_keys() {
    let with = |lines: &str| format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n{lines}\n").into_bytes();
    let key =
        |uri: &str| with(&format!("#EXT-X-KEY:METHOD=AES-128,URI=\"{uri}\"\n#EXTINF:2,\na.ts"));
    let mpd = |url: &str| {
        format!(
            "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" \
             mediaPresentationDuration=\"PT4S\"><Period><AdaptationSet><SegmentTemplate media=\"{url}\" \
             duration=\"2\"/><Representation id=\"1\" bandwidth=\"1\"/></AdaptationSet></Period></MPD>"
        )
        .into_bytes()
    };
    let licence = br#"<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" xmlns:dashif="https://dashif.org/CPS" type="static"
 mediaPresentationDuration="PT4S"><Period><AdaptationSet><ContentProtection schemeIdUri="urn:uuid:e2719d58-a985-b3c9-781a-b030af78d30e">
<dashif:Laurl>clear.key</dashif:Laurl></ContentProtection><SegmentTemplate media="$Number$.m4s" duration="2"/>
<Representation id="1" bandwidth="1"/></AdaptationSet></Period></MPD>"#;
    let not_named = Some("add its name to the list keys.names");
    let is_named = Some("make keys.names narrower");
    let cases: [(&str, Vec<u8>, Option<&str>); 21] = [
        ("named.m3u8", key("two.key?id=7"), None),
        ("folder.m3u8", key("keys/a/b"), None),
        ("data.m3u8", key("data:text/plain;base64,MDEyMzQ1Njc4OWFiY2RlZg=="), None),
        ("skd.m3u8", key("skd://asset-1"), None),
        ("foreign.m3u8", key("https://keys.example.com/k.php?id=1"), None),
        ("none.m3u8", with("#EXT-X-KEY:METHOD=NONE\n#EXTINF:2,\na.ts"), None),
        ("other.m3u8", key("k.php?id=7"), not_named),
        ("host.m3u8", key("http://further.example/x/k.php"), not_named),
        ("query.m3u8", key("k.php?name=two.key"), not_named),
        (
            "session.m3u8",
            with(
                "#EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"k\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\ni.m3u8",
            ),
            not_named,
        ),
        ("segment.m3u8", playlist(&["a.ts", "b.KEY"]), is_named),
        ("escaped.m3u8", playlist(&["a.k%65y"]), is_named),
        ("parameter.m3u8", playlist(&["a.key;v=1"]), is_named),
        ("below.m3u8", playlist(&["keys/a.ts"]), is_named),
        ("further.m3u8", playlist(&["http://further.example/x/a.key"]), is_named),
        ("variant.m3u8", multivariant(&["keys/index.m3u8"]), is_named),
        ("map.m3u8", with("#EXT-X-MAP:URI=\"init.key\"\n#EXTINF:2,\na.ts"), is_named),
        ("template.mpd", mpd("$Number$.key"), is_named),
        ("folder.mpd", mpd("keys/$Number$.m4s"), is_named),
        ("sound.mpd", mpd("$Number$.m4s"), None),
        ("licence.mpd", licence.to_vec(), is_named),
    ];
    let files: Vec<_> = cases.iter().map(|(name, text, _)| (format!("v/{name}"), text)).collect();
    let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_slice())).collect();
    let media = folder(&files);
    for segments in [String::new(), cdn("https://cdn.example.com/", "file", 60)] {
        let route = format!(
            "keys = {{ {NAMES} }}\nsign_licenses = true\nallow_hosts = [\"http://further.example/x/\"]\n{segments}"
        );
        let gateway =
            Site { top: LOCAL_ADMIN, route: &route, ..Site::default() }.folder(media.path());
        let admin = Admin::of(&gateway);
        admin.json("/api/events");
        let mut viewer = Viewer::of(&gateway);
        for (name, _, refused) in &cases {
            let session = viewer.enter(&format!("/v/{name}"));
            let answer = viewer.get(&session);
            let Some(reason) = refused else {
                assert_eq!(answer.status, 200, "{name}: {}", admin.json("/api/events"));
                continue;
            };
            assert_eq!(answer.status, 502, "{name}: {}", answer.text());
            assert!(answer.text().contains("manifest-uri-refused"), "{name}: {}", answer.text());
            let told = admin.json("/api/events")["refused"][0].to_string();
            assert!(told.contains(reason) && told.contains("line "), "{name}: {told}");
        }
    }
}

#[test]
fn no_session_begins_at_a_key() {
    let media = folder(&[
        ("v/index.m3u8", ENCRYPTED),
        ("v/two.key", KEY),
        ("v/odd.key", ENCRYPTED),
        ("v/a.ts", b"segment"),
    ]);
    let gateway = Site { route: "keys = {}", ..Site::default() }.folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    for (path, code) in [("/v/two.key", "entry-not-a-manifest"), ("/v/odd.key", "grant-refused")] {
        let link = viewer.link(path);
        let answer = viewer.get(&link);
        assert_eq!(answer.status, 403, "{path}");
        assert!(answer.text().contains(code), "{path}: {}", answer.text());
        let call = viewer.call(
            &[("Authorization", &crate::support::bearer())],
            &format!("{{\"path\": \"{path}\"}}"),
        );
        assert_eq!(call.status, 403, "{path}: {}", call.text());
        assert!(call.text().contains("grant-refused"), "{}", call.text());
    }
    let (_, session) = open(&gateway, "/v/index.m3u8", "");
    assert_eq!(viewer.status(&session.replace("index.m3u8", "a.ts")), 200);
    assert_eq!(viewer.status(&session.replace("index.m3u8", "two.key")), 403);
}

/// Without the table a key is a segment, as before.
#[test]
fn without_a_table_of_keys_names_say_nothing() {
    let media = folder(&[("v/index.m3u8", ENCRYPTED), ("v/two.key", KEY)]);
    let gateway = Site::default().folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/index.m3u8");
    assert_eq!(viewer.status(&session.replace("index.m3u8", "two.key")), 200);
}

#[test]
fn a_cdns_tokens_that_would_open_keys_beside_segments_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let host = |scope: &str| {
        format!(
            "allow_hosts = [{{ url = \"http://further.example/x/\", cdn = {{ base_url = \
             \"https://cdn-b.example/\", scope = \"{scope}\", key = {{ file = \"other.key\" }} }} }}]\n"
        )
    };
    let of = |scope: &str| cdn("https://cdn.example.com/", scope, 60);
    let redirect = |scope: &str| of(scope).replace("\"cdn\"", "\"redirect\"");
    let gateway = |scope: &str| of(scope).replace("\"cdn\"", "\"gateway\"");
    let akamai = of("tree").replace("scope", "scheme = \"bunny\"\nscope");
    for (keys, further, refused) in [
        ("{}", of("file"), None),
        ("{}", of("directory"), Some("cdn.scope: a token of a directory")),
        ("{}", redirect("directory"), Some("\"*.key\": set scope = \"file\"")),
        ("{ names = [\"keys/*.key\"] }", of("directory"), Some("keys.names = [\"keys/*\"]")),
        ("{ names = [\"keys/*\"] }", of("directory"), None),
        ("{ names = [\"keys/*\"] }", akamai.clone(), Some("cdn.scope: a token of a tree")),
        ("{ names = [\"/~1/*\"] }", akamai, None),
        ("{}", gateway("directory"), None),
        ("{ names = [\"keys/*\"], delivery = \"redirect\" }", of("file"), None),
        (
            "{ names = [\"keys/*\"], delivery = \"redirect\" }",
            gateway("directory"),
            Some("cdn.scope: the CDN's token for one key would open its neighbours"),
        ),
        ("{}", host("file") + &of("file"), None),
        ("{}", host("directory") + &of("file"), Some("allow_hosts: host 1: cdn.scope: a token")),
        ("{ names = [\"/~1/k.php\"] }", host("directory") + &of("file"), Some("\"/~1/k.php\"")),
        ("{ names = [\"/~2/k.php\"] }", host("directory") + &of("directory"), None),
        ("{ names = [] }", String::new(), Some("keys.names: there is none")),
        ("{ names = [\"a b\"] }", String::new(), Some("keys.names: 'a b' is no name")),
        ("{ names = [\"*\"] }", String::new(), Some("keys.names: they fit manifests")),
        ("{ names = [\"*.m3u8\"] }", String::new(), Some("keys.names: they fit manifests")),
    ] {
        let route = format!("keys = {keys}\n{further}");
        let text = Site { route: &route, ..Site::default() }.config("http://a.test/");
        let built = build(&text, folder.path(), &ManualClock::at_real_time()).map(|_| ());
        match refused {
            None => assert_eq!(built, Ok(()), "{route}"),
            Some(reason) => {
                let error = built.unwrap_err();
                assert!(error.contains(reason), "{route}: {error}");
            }
        }
    }
}
