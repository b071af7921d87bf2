//! Sessions that end before their token does, and how many streams of them play at once.

use serde_json::Value;
use sluicegate_testkit::gateway::BEARER;
use sluicegate_testkit::{Gateway, fixtures};

use crate::support::{Site, Viewer, api, ask_from, bearer, open};

const MASTER: &str = "/subdirs/master.m3u8";

/// A gateway whose `[session]` table has further keys.
fn gateway(rules: &str) -> Gateway {
    let config = Site::default().config(&format!("file:{}", fixtures::streams().display()));
    Gateway::start(&config.replace("[session]\n", &format!("[session]\n{rules}\n")))
}

/// Status and code of a request by a player of this name.
fn play(gateway: &Gateway, player: &str, target: &str) -> (u16, String) {
    let answer = Viewer::of(gateway).ask("GET", target, &[("User-Agent", player)]);
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    (answer.status, body["code"].as_str().unwrap_or_default().to_owned())
}

fn refused(code: &str) -> (u16, String) {
    (403, code.to_owned())
}

#[test]
fn an_ended_session_is_403_from_the_next_request_on() {
    let gateway = gateway("");
    let (id, target) = open(&gateway, MASTER, "");
    let segment = target.replace("master.m3u8", "360p/seg-0.m4s");
    assert_eq!(play(&gateway, "a", &target).0, 200);
    assert_eq!(play(&gateway, "a", &segment).0, 200);
    let (status, session) = api(&gateway, "GET", &format!("/v1/sessions/{id}"));
    assert_eq!((status, session["state"].as_str()), (200, Some("open")));
    assert_eq!(api(&gateway, "DELETE", &format!("/v1/sessions/{id}")).0, 204);
    for target in [&target, &segment] {
        assert_eq!(play(&gateway, "a", target), refused("session-revoked"));
    }
    assert_eq!(api(&gateway, "GET", &format!("/v1/sessions/{id}")).1["state"], "revoked");
    assert_eq!(api(&gateway, "DELETE", &format!("/v1/sessions/{id}")).0, 204, "again");

    // The session of a link, which does not begin anew.
    let mut viewer = Viewer::of(&gateway);
    let link = viewer.link(MASTER);
    let entered = viewer.get(&link).header("location").unwrap().to_owned();
    assert_eq!(viewer.status(&entered), 200);
    let (_, page) = api(&gateway, "GET", "/v1/sessions?state=open");
    let id = page["sessions"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(api(&gateway, "DELETE", &format!("/v1/sessions/{id}")).0, 204);
    assert_eq!(viewer.status(&entered), 403);
    let again = viewer.get(&link).header("location").map(str::to_owned);
    assert_eq!(viewer.status(&again.unwrap()), 403);
}

const NO_SESSION: &str = "no session has this id, or its time is over";

#[test]
fn what_the_api_is_asked_wrongly_is_told() {
    let gateway = gateway("");
    for (method, target, told) in [
        ("GET", "/v1/sessions/nonsense", "28 hexadecimal digits"),
        ("DELETE", "/v1/sessions/00", "28 hexadecimal digits"),
        ("GET", "/v1/sessions?limit=0", "limit: it must be 1 to 1000"),
        ("GET", "/v1/sessions?stat=open", "unknown field `stat`"),
        ("GET", "/v1/sessions?state=closed", "unknown variant `closed`"),
        ("GET", "/v1/sessions?after=1", "28 hexadecimal digits"),
    ] {
        let (status, answer) = api(&gateway, method, target);
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(status == 400 && message.contains(told), "{target}: {answer}");
    }
    let (status, answer) = api(&gateway, "GET", &format!("/v1/sessions/{}", "0".repeat(28)));
    assert_eq!((status, &answer["message"]), (404, &NO_SESSION.into()));
    for (path, more, status, code, told) in [
        (MASTER, ", \"max_streams\": 0", 400, "bad-call", "max_streams: it must be 1 or more"),
        (MASTER, ", \"ttl\": 0", 400, "bad-call", "ttl: it must be 1 to"),
        (MASTER, ", \"profile\": \"none\"", 400, "bad-call", "profile: there is none named"),
        (MASTER, ", \"unknown\": 1", 400, "bad-call", "unknown field `unknown`"),
        ("/subdirs/../a.m3u8", "", 400, "bad-path", "the path is refused"),
        ("/subdirs/360p/seg-0.m4s", "", 400, "bad-call", "path: it is no manifest"),
        ("/subdirs/360p/", "", 400, "bad-call", "path: it is no manifest"),
        ("/subdirs/poster.jpg", "", 400, "bad-call", "path: it is no manifest"),
    ] {
        let body = format!("{{\"path\": \"{path}\"{more}}}");
        let answer = Viewer::of(&gateway).call(&[("Authorization", &bearer())], &body);
        let text = answer.text();
        assert_eq!(answer.status, status, "{path} {more}: {text}");
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["code"], code, "{path} {more}: {text}");
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(message.contains(told), "{path} {more}: {text}");
        // Without the bearer nobody is shown a reason.
        let stranger = Viewer::of(&gateway).call(&[("Authorization", "Bearer x")], &body);
        assert_eq!(stranger.status, 401);
        assert!(!stranger.text().contains("message"), "{}", stranger.text());
    }
}

#[test]
fn sessions_are_listed_in_pages() {
    let gateway = gateway("");
    let mut ids = Vec::new();
    for number in 0..5 {
        let user = if number < 3 { "alice" } else { "bob" };
        let more = format!(", \"user\": \"{user}\", \"data\": {{\"plan\": {number}}}");
        ids.push(open(&gateway, MASTER, &more).0);
    }
    let mut alices = ids[..3].to_vec();
    alices.sort();
    let (_, first) = api(&gateway, "GET", "/v1/sessions?user=alice&limit=2");
    let listed = |page: &Value| -> Vec<String> {
        let sessions = page["sessions"].as_array().unwrap().iter();
        sessions.map(|session| session["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(listed(&first), alices[..2]);
    let next = first["next"].as_str().unwrap();
    let (_, second) =
        api(&gateway, "GET", &format!("/v1/sessions?user=alice&limit=2&after={next}"));
    assert_eq!((listed(&second), &second["next"]), (alices[2..].to_vec(), &Value::Null));
    let session = &first["sessions"][0];
    assert_eq!((&session["route"], &session["path"]), (&"vod".into(), &MASTER.into()));
    assert!(session["data"]["plan"].is_u64() && session["streams"] == 0, "{session}");
    assert_eq!(listed(&api(&gateway, "GET", "/v1/sessions?route=other").1), [""; 0]);
    gateway.clock.advance(4 * 3600 + 1);
    assert_eq!(listed(&api(&gateway, "GET", "/v1/sessions").1), [""; 0], "they are over");
}

#[test]
fn an_idle_session_is_over() {
    let gateway = gateway("idle_secs = 60");
    let (id, target) = open(&gateway, MASTER, "");
    for _ in 0..3 {
        gateway.clock.advance(60);
        assert_eq!(play(&gateway, "a", &target).0, 200);
    }
    gateway.clock.advance(61);
    assert_eq!(play(&gateway, "a", &target), refused("session-idle"));
    assert_eq!(api(&gateway, "GET", &format!("/v1/sessions/{id}")).1["state"], "idle");
    // A link begins its session again.
    let mut viewer = Viewer::of(&gateway);
    let entered = viewer.enter(MASTER);
    gateway.clock.advance(61);
    assert_eq!(viewer.status(&entered), 403);
    let entered = viewer.enter(MASTER);
    assert_eq!(viewer.status(&entered), 200);
}

#[test]
fn a_session_plays_at_as_many_places_as_it_may() {
    let gateway = gateway("max_streams = 1\nstream_secs = 20");
    let (id, target) = open(&gateway, MASTER, "");
    assert_eq!(play(&gateway, "one", &target).0, 200);
    assert_eq!(play(&gateway, "two", &target), refused("too-many-streams"));
    // Another address is another player.
    assert_eq!(ask_from(&gateway, "198.51.100.9", &target).0, 403);
    let head = Viewer::of(&gateway).ask("HEAD", &target, &[("User-Agent", "two")]);
    assert_eq!(head.status, 200, "HEAD plays nothing");
    assert_eq!(api(&gateway, "GET", &format!("/v1/sessions/{id}")).1["streams"], 1);
    gateway.clock.advance(21);
    assert_eq!(play(&gateway, "two", &target).0, 200, "the first one is gone");
    assert_eq!(play(&gateway, "one", &target), refused("too-many-streams"));
    // A session with a number of its own.
    let (_, target) = open(&gateway, MASTER, ", \"max_streams\": 2");
    for (player, status) in [("one", 200), ("two", 200), ("three", 403), ("one", 200)] {
        assert_eq!(play(&gateway, player, &target).0, status, "{player}");
    }
}

#[test]
fn a_users_streams_count_over_all_sessions() {
    let gateway = gateway("max_streams_per_user = 2");
    let open = |user: &str| open(&gateway, MASTER, &format!(", \"user\": \"{user}\"")).1;
    let (first, second, third) = (open("alice"), open("alice"), open("alice"));
    assert_eq!(play(&gateway, "tv", &first).0, 200);
    assert_eq!(play(&gateway, "phone", &second).0, 200);
    assert_eq!(play(&gateway, "tablet", &third), refused("too-many-streams"));
    assert_eq!(play(&gateway, "tv", &open("bob")).0, 200);
    gateway.clock.advance(31);
    assert_eq!(play(&gateway, "tablet", &third).0, 200);
}

#[test]
fn several_bearers_may_call() {
    let config = Site::default().config(&format!("file:{}", fixtures::streams().display()));
    let bearers = "bearers = [{ id = \"web\", file = \"bearer.key\" }, \
                   { id = \"ops\", command = [\"printf\", \"ops-bearer-0123456789\"] }]";
    let gateway = Gateway::start(&config.replace("bearer = { file = \"bearer.key\" }", bearers));
    let mut viewer = Viewer::of(&gateway);
    for (token, status) in
        [(BEARER, 200), ("ops-bearer-0123456789", 200), ("ops-bearer-012345678", 401), ("", 401)]
    {
        let authorization = format!("Bearer {token}");
        let answer = viewer.ask("GET", "/v1/sessions", &[("Authorization", &authorization)]);
        assert_eq!(answer.status, status, "{token}");
    }
}
