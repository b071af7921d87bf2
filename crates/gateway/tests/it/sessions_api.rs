//! `POST /v1/sessions`: a platform's backend opens sessions.

use sluicegate_gateway::Clock as _;
use sluicegate_testkit::gateway::BEARER;
use sluicegate_testkit::http::Response;
use sluicegate_testkit::{Gateway, fixtures};

use serde_json::Value;

use crate::support::{Site, Viewer, ask_from, folder, multivariant, token_of};

fn site(route: &str) -> Gateway {
    Site { route, ..Site::default() }.folder(&fixtures::streams())
}

fn call(gateway: &Gateway, body: &str) -> Response {
    Viewer::of(gateway).call(&[("Authorization", &format!("Bearer {BEARER}"))], body)
}

fn json(answer: &Response) -> serde_json::Value {
    serde_json::from_slice(&answer.body).unwrap()
}

#[test]
fn a_backend_opens_a_session_whose_url_plays() {
    for carry in ["path", "query"] {
        let gateway = site(&format!("carry = \"{carry}\""));
        let answer = call(&gateway, r#"{"path": "/subdirs/master.m3u8"}"#);
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let opened = json(&answer);
        let keys: Vec<_> = opened.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["expires_at", "id", "urls"]);
        assert_eq!(opened["urls"].as_object().unwrap().len(), 1);
        let id = opened["id"].as_str().unwrap();
        assert!(id.len() == 28 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        let four_hours = gateway.clock.now().0 + 4 * 3600;
        assert_eq!(opened["expires_at"].as_u64(), Some(four_hours));
        let url = opened["urls"]["hls"].as_str().unwrap();
        let target = url.strip_prefix(&gateway.url("")).unwrap();
        let mut viewer = Viewer::of(&gateway);
        assert_eq!(viewer.status(target), 200);
        assert_eq!(viewer.status(&target.replace("master.m3u8", "360p/seg-0.m4s")), 200);
        gateway.clock.advance(4 * 3600);
        assert_eq!(viewer.status(target), 200, "the last good second");
        gateway.clock.advance(1);
        assert_eq!(viewer.status(target), 410);
    }
}

#[test]
fn each_call_opens_a_session_of_its_own() {
    let gateway = site("");
    let body = r#"{"path": "/subdirs/master.m3u8"}"#;
    let (one, two) = (json(&call(&gateway, body)), json(&call(&gateway, body)));
    assert_ne!(one["id"], two["id"]);
    assert_ne!(one["urls"]["hls"], two["urls"]["hls"]);
}

#[test]
fn without_the_bearer_token_nobody_opens_a_session() {
    let gateway = site("");
    let mut viewer = Viewer::of(&gateway);
    let body = r#"{"path": "/subdirs/master.m3u8"}"#;
    let right = format!("Bearer {BEARER}");
    for presented in [
        None,
        Some(""),
        Some("Bearer"),
        Some("Bearer "),
        Some(BEARER),
        Some("Bearer testkit-bearer-012345678"),
        Some("Bearer testkit-bearer-0123456789x"),
        Some("Bearer testkit-bearer-0123456780"),
        Some("Basic dGVzdGtpdA=="),
    ] {
        let headers: Vec<_> = presented.map(|value| ("Authorization", value)).into_iter().collect();
        // A body that cannot be used changes nothing: nobody learns what is wrong with it.
        for body in [body, "{", ""] {
            let answer = viewer.call(&headers, body);
            assert_eq!(answer.status, 401, "{presented:?} {body}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            assert!(!answer.text().contains("message"), "{}", answer.text());
        }
    }
    // The scheme's name has no case (RFC 9110 section 11.1).
    let lower = right.replace("Bearer", "bearer");
    assert_eq!(viewer.call(&[("Authorization", &lower)], body).status, 201);
}

#[test]
fn the_bearer_token_is_in_no_answer() {
    let gateway = site("");
    for body in [r#"{"path": "/subdirs/master.m3u8"}"#, r#"{"path": "x"}"#, "{", ""] {
        let answer = call(&gateway, body);
        assert!(!answer.text().contains(BEARER), "{}", answer.text());
        assert!(!format!("{:?}", answer.headers).contains(BEARER));
    }
}

#[test]
fn a_call_that_cannot_be_served_says_why() {
    let gateway = site("asset = \"/{asset}/\"");
    for (body, status, code, message) in [
        ("", 400, "bad-call", ""),
        ("{", 400, "bad-call", ""),
        ("[]", 400, "bad-call", ""),
        (r#"{"path": 1}"#, 400, "bad-call", "path"),
        (r#"{"ttl": 60}"#, 400, "bad-call", "path"),
        (r#"{"path": "/subdirs/master.m3u8", "tll": 60}"#, 400, "bad-call", "tll"),
        (r#"{"path": "/subdirs/master.m3u8", "ip": "localhost"}"#, 400, "bad-call", "ip"),
        (r#"{"path": "/subdirs/master.m3u8?x=1"}"#, 400, "bad-call", "path"),
        (r#"{"path": "/subdirs/master.m3u8#t"}"#, 400, "bad-call", "path"),
        (r#"{"path": "subdirs/master.m3u8"}"#, 400, "bad-path", "no leading slash"),
        (r#"{"path": "https://host/master.m3u8"}"#, 400, "bad-path", ""),
        (r#"{"path": ""}"#, 400, "bad-path", ""),
        (r#"{"path": "/subdirs/../flat/master.m3u8"}"#, 400, "bad-path", ""),
        (r#"{"path": "//subdirs/master.m3u8"}"#, 400, "bad-path", ""),
        (r#"{"path": "/città/master.m3u8"}"#, 400, "bad-path", ""),
        (r#"{"path": "/~1/master.m3u8"}"#, 404, "not-found", "no route has this path"),
        (r#"{"path": "/master.m3u8"}"#, 403, "grant-refused", "a session may not be granted there"),
    ] {
        let answer = call(&gateway, body);
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        let told = json(&answer);
        assert_eq!(told["code"], code, "{body}");
        assert!(told["message"].as_str().unwrap_or_default().contains(message), "{body}: {told}");
        assert!(
            told["message"].as_str().is_some_and(|message| !message.is_empty()),
            "{body}: {told}"
        );
    }
    let elsewhere = site("path = \"/videos/\"");
    assert_eq!(call(&elsewhere, r#"{"path": "/subdirs/master.m3u8"}"#).status, 404);
}

#[test]
fn a_session_lives_as_long_as_the_call_says() {
    let gateway = site("");
    let now = gateway.clock.now().0;
    for (ttl, lives) in [
        ("7200", Some(7200)),
        ("\"2h\"", Some(7200)),
        ("\"1h 30m\"", Some(5400)),
        ("1", Some(1)),
        ("2678400", Some(2_678_400)),
        ("null", Some(4 * 3600)),
        ("0", None),
        ("\"0s\"", None),
        ("\"999ms\"", None),
        ("2678401", None),
        ("\"2 years\"", None),
        ("18446744073709551615", None),
        ("-1", None),
        ("1.5", None),
        ("\"abc\"", None),
        ("\"7200\"", None),
        ("\"\"", None),
        ("true", None),
    ] {
        let body = format!("{{\"path\": \"/subdirs/master.m3u8\", \"ttl\": {ttl}}}");
        let answer = call(&gateway, &body);
        match lives {
            Some(lives) => {
                assert_eq!(answer.status, 201, "{ttl}: {}", answer.text());
                assert_eq!(json(&answer)["expires_at"].as_u64(), Some(now + lives), "{ttl}");
            }
            None => {
                assert_eq!(answer.status, 400, "{ttl}: {}", answer.text());
                assert_eq!(json(&answer)["code"], "bad-call", "{ttl}");
            }
        }
    }
}

/// kaltura/nginx-akamai-token-validate-module#5 (a bound address was never checked).
#[test]
fn a_session_bound_to_an_address_opens_from_there_alone() {
    let gateway = site("");
    let open = |ip: &str| {
        let body = format!("{{\"path\": \"/subdirs/master.m3u8\", \"ip\": \"{ip}\"}}");
        Viewer::of(&gateway).open(&body)
    };
    let here = open("127.0.0.1");
    assert_eq!(Viewer::of(&gateway).status(&here), 200);
    assert_eq!(Viewer::of(&gateway).status(&here.replace("master.m3u8", "360p/seg-0.m4s")), 200);
    let elsewhere = open("192.0.2.1");
    assert_eq!(Viewer::of(&gateway).status(&elsewhere), 403);
    // firezone/firezone#6522 (one host has many IPv6 addresses).
    for (bound, from, status) in [
        ("192.0.2.1", "192.0.2.1", 200),
        ("192.0.2.1", "::ffff:192.0.2.1", 200),
        ("::ffff:192.0.2.1", "192.0.2.1", 200),
        ("192.0.2.1", "192.0.2.2", 403),
        ("192.0.2.1", "2001:db8::1", 403),
        ("2001:db8::1", "2001:db8::ffff:2", 200),
        ("2001:db8::1", "2001:db8:0:1::1", 403),
        ("2001:db8::1", "192.0.2.1", 403),
    ] {
        assert_eq!(ask_from(&gateway, from, &open(bound)).0, status, "{bound} {from}");
    }
}

#[test]
fn a_route_that_binds_sessions_asks_the_backend_for_the_address() {
    let gateway = site("bind_ip = true");
    let answer = call(&gateway, r#"{"path": "/subdirs/master.m3u8"}"#);
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("ip"), "{}", answer.text());
    let bound = Viewer::of(&gateway).open(r#"{"path":"/subdirs/master.m3u8","ip":"127.0.0.1"}"#);
    assert_eq!(Viewer::of(&gateway).status(&bound), 200);
    assert_eq!(ask_from(&gateway, "127.0.0.2", &bound).0, 403);
}

#[test]
fn without_an_api_table_there_is_no_api() {
    let config = Site::default().config(&format!("file:{}", fixtures::streams().display()));
    let config = config.replace("[api]\nbearer = { file = \"bearer.key\" }\n", "");
    let gateway = Gateway::start(&config);
    let answer = call(&gateway, r#"{"path": "/subdirs/master.m3u8"}"#);
    assert_eq!((answer.status, json(&answer)["code"].as_str()), (404, Some("not-found")));
}

#[test]
fn a_body_over_64_kib_is_refused() {
    let gateway = site("");
    let fill = |len: usize| format!("{{\"path\": \"/{}\"}}", "a".repeat(len));
    let answer = call(&gateway, &fill(65 << 10));
    assert_eq!((answer.status, json(&answer)["code"].as_str()), (413, Some("call-too-large")));
    assert_eq!(call(&gateway, &fill(60 << 10)).status, 414, "only its path is too long");
}

#[test]
fn sessions_have_their_methods_and_no_other() {
    let gateway = site("");
    let mut viewer = Viewer::of(&gateway);
    let one = format!("/v1/sessions/{}", "0".repeat(28));
    for (target, methods, allowed) in [
        ("/v1/sessions", ["PUT", "DELETE"], "GET, POST, OPTIONS"),
        (&one, ["PUT", "POST"], "GET, DELETE, OPTIONS"),
    ] {
        for method in methods {
            let answer = viewer.ask(method, target, &[]);
            assert_eq!(answer.status, 405, "{method} {target}");
            assert_eq!(answer.header("allow"), Some(allowed), "{method} {target}");
        }
        assert_eq!(viewer.status(target), 401, "{target}");
    }
    assert_eq!(viewer.ask("DELETE", &one, &[]).status, 401);
    for target in ["/v1/session", "/v1/sessions/", "/v1/%73essions"] {
        assert_eq!(viewer.status(target), 404, "{target}");
    }
}

#[test]
fn a_public_url_stands_before_the_sessions_urls_and_the_paths_of_redirects() {
    let site = Site { top: "public_url = \"https://play.example.com/tv/\"", ..Site::default() };
    let gateway = site.folder(&fixtures::streams());
    let opened = json(&call(&gateway, r#"{"path": "/subdirs/master.m3u8"}"#));
    let url = opened["urls"]["hls"].as_str().unwrap();
    let token = token_of(url);
    assert_eq!(url, format!("https://play.example.com/tv/s/{token}/subdirs/master.m3u8"));
    let location = Viewer::of(&gateway).enter("/subdirs/master.m3u8");
    let token = token_of(&location);
    assert_eq!(location, format!("/tv/s/{token}/subdirs/master.m3u8"));
}

#[test]
fn the_api_describes_itself() {
    let media = folder(&[("v/master.m3u8", &multivariant(&["index.m3u8"]))]);
    let top = "public_url = \"https://tv.example.com/live\"\n";
    let gateway = Site { top, ..Site::default() }.folder(media.path());
    let answer = Viewer::of(&gateway).get("/v1/openapi.json");
    assert_eq!(answer.status, 200);
    let document: Value = serde_json::from_slice(&answer.body).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    assert_eq!(document["servers"][0]["url"], "https://tv.example.com/live");
    let methods = |path: &str| {
        document["paths"][path].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(methods("/v1/sessions"), ["get", "post"]);
    assert_eq!(methods("/v1/sessions/{id}"), ["delete", "get"]);
    // What is described is what is answered: every field, and no other.
    let schemas = &document["components"]["schemas"];
    let described = |name: &str| {
        let properties = schemas[name]["properties"].as_object().unwrap();
        properties.keys().cloned().collect::<std::collections::BTreeSet<_>>()
    };
    let bearer = format!("Bearer {BEARER}");
    let mut viewer = Viewer::of(&gateway);
    let headers = [("Authorization", bearer.as_str())];
    let opened = viewer.call(&headers, r#"{"path": "/v/master.m3u8", "user": "a"}"#);
    let opened: Value = serde_json::from_slice(&opened.body).unwrap();
    let answered = |value: &Value| value.as_object().unwrap().keys().cloned().collect();
    assert_eq!(described("OpenedSession"), answered(&opened));
    let target = format!("/v1/sessions/{}", opened["id"].as_str().unwrap());
    let shown = viewer.ask("GET", &target, &headers);
    assert_eq!(described("ListedSession"), answered(&serde_json::from_slice(&shown.body).unwrap()));
    let failed = viewer.call(&headers, "{}");
    assert_eq!(described("Failed"), answered(&serde_json::from_slice(&failed.body).unwrap()));
    let taken = described("NewSession");
    assert!(taken.contains("profile") && taken.contains("max_streams"), "{taken:?}");
    assert_eq!(schemas["NewSession"]["required"], serde_json::json!(["path"]));
    assert_eq!(document["security"][0]["bearer"], serde_json::json!([]));
}
