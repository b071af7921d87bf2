//! Keys of segments, delivered apart from these.

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::routing::get;
use axum::{Router, extract::Path};

use crate::support::{Site, Viewer, Watched, cdn, folder, resolve, token_of, uris};

const KEY: &[u8; 16] = b"0123456789abcdef";
const ENCRYPTED: &[u8] = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n\
    #EXT-X-KEY:METHOD=AES-128,URI=\"keys/one.bin\"\n#EXTINF:2,\na.ts\n\
    #EXT-X-KEY:METHOD=AES-128,URI=\"two.key?id=7\"\n#EXTINF:2,\nb.ts\n";

fn origin() -> Watched {
    let answer = async |Path(path): Path<String>| match path.as_str() {
        "index.m3u8" => ENCRYPTED.into_response(),
        "keys/one.bin" | "two.key" => KEY.into_response(),
        "a.ts" => "segment".into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    };
    Watched::start(Router::new().route("/v/{*path}", get(answer)))
}

#[test]
fn a_key_has_a_token_of_its_own_and_is_kept_by_nobody() {
    let origin = origin();
    for (carry, further) in [
        ("path", String::new()),
        ("query", String::new()),
        ("path", cdn("https://cdn.example.com/", "file", 60)),
    ] {
        let route = format!(
            "carry = \"{carry}\"\nkeys = {{ ttl_secs = 60, names = [\"*.key\", \"keys/*\"] }}\n{further}"
        );
        let gateway = Site { route: &route, ..Site::default() }.start(&origin.url("/"));
        let mut viewer = Viewer::of(&gateway);
        let session = viewer.enter("/v/index.m3u8");
        let playlist = viewer.get(&session).text();
        let found = uris(&playlist);
        let segment = if further.is_empty() { found[1].clone() } else { String::new() };
        for (at, path) in [(0, "keys/one.bin"), (2, "two.key")] {
            let target = resolve(&session, &found[at]);
            assert_ne!(token_of(&target), token_of(&session), "{carry} {path}");
            origin.take();
            let key = viewer.ask("GET", &target, &[("Range", "bytes=0-3")]);
            assert_eq!((key.status, &key.body[..]), (200, &KEY[..]), "{carry} {path}");
            assert_eq!(key.header("cache-control"), Some("no-store"));
            assert_eq!(key.header("content-type"), Some("application/octet-stream"));
            let asked = origin.take().remove(0);
            assert!(asked.target.starts_with(&format!("/v/{path}")), "{}", asked.target);
            assert!(!asked.headers.contains_key("range"));
            // The token opens nothing else.
            for other in ["a.ts", "index.m3u8", "keys/two.bin"] {
                let other = target.replacen(path, other, 1);
                assert_eq!(viewer.status(&other), 403, "{other}");
            }
        }
        if !segment.is_empty() {
            assert_eq!(viewer.status(&resolve(&session, &segment)), 200);
        }
        // The key's time ends, the session goes on, and the next playlist has a fresh one.
        let old = resolve(&session, &found[0]);
        gateway.clock.advance(121);
        assert_eq!(viewer.status(&old), 410, "{carry}");
        let fresh = resolve(&session, &uris(&viewer.get(&session).text())[0]);
        assert_eq!(viewer.status(&fresh), 200, "{carry}");
    }
}

#[test]
fn what_is_no_key_is_not_passed_on() {
    let answer = async |Path(path): Path<String>| match path.as_str() {
        "short.bin" => KEY[..15].into_response(),
        "long.bin" => [&KEY[..], b"\n"].concat().into_response(),
        "page.bin" => "<html>please log in</html>".into_response(),
        name => format!(
            "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"{}.bin\"\n#EXTINF:2,\na.ts\n",
            &name[..name.len() - 5]
        )
        .into_response(),
    };
    let origin = Watched::start(Router::new().route("/v/{path}", get(answer)));
    let gateway =
        Site { route: "keys = { names = [\"*.bin\"] }", ..Site::default() }.start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    for name in ["short", "long", "page"] {
        let session = viewer.enter(&format!("/v/{name}.m3u8"));
        let target = resolve(&session, &uris(&viewer.get(&session).text())[0]);
        let answer = viewer.get(&target);
        assert_eq!(answer.status, 502, "{name}");
        assert!(answer.text().contains("not-a-key"), "{name}: {}", answer.text());
    }
}

#[test]
fn a_cdn_may_deliver_keys_by_tokens_that_are_shorter_than_those_of_segments() {
    let origin = origin();
    let route = format!(
        "keys = {{ delivery = \"redirect\", ttl_secs = 30, names = [\"*.key\", \"keys/*\"] }}\n{}",
        cdn("https://cdn.example.com/", "file", 3600)
    );
    let gateway = Site { route: &route, ..Site::default() }.start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/index.m3u8");
    let found = uris(&viewer.get(&session).text());
    assert!(found[1].starts_with("https://cdn.example.com/v/a.ts?md5="), "{found:?}");
    let expiry = |url: &str| url.rsplit("expires=").next().unwrap().parse::<u64>().unwrap();
    let answer = viewer.get(&resolve(&session, &found[0]));
    assert_eq!((answer.status, answer.header("cache-control")), (302, Some("no-store")));
    let location = answer.header("location").unwrap();
    assert!(location.starts_with("https://cdn.example.com/v/keys/one.bin?md5="), "{location}");
    assert!(expiry(location) + 3000 < expiry(&found[1]), "{location} {}", found[1]);
}

/// Without a table of their own keys are segments, but for one whose name says what it is.
#[test]
fn a_file_of_a_keys_name_is_kept_by_nobody() {
    let media = folder(&[("v/index.m3u8", ENCRYPTED), ("v/two.key", KEY)]);
    let gateway = Site::default().folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/index.m3u8");
    let found = uris(&viewer.get(&session).text());
    assert_eq!(found[2], "two.key?id=7");
    let key = viewer.get(&session.replace("index.m3u8", "two.key"));
    assert_eq!((key.status, key.header("cache-control")), (200, Some("no-store")));
}
