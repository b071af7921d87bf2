//! Replicas that share a real Redis: what one knows of sessions all know, and without it they go on.

use std::time::{Duration, Instant};

use sluicegate_testkit::{Gateway, Redis, fixtures, require_tools};

use crate::support::{Admin, LOCAL_ADMIN, Site, Viewer, api, bearer, open};

const MASTER: &str = "/subdirs/master.m3u8";

/// A replica with these rules for sessions; its clock begins at the real time.
fn replica(redis: &Redis, rules: &str, store: &str) -> Gateway {
    let config = Site { top: LOCAL_ADMIN, ..Site::default() }
        .config(&format!("file:{}", fixtures::streams().display()));
    let tables = format!("{rules}\n[session.store]\nurl = \"{}\"\n{store}\n", redis.url());
    Gateway::start(&config.replace("[api]", &format!("{tables}[api]")))
}

fn replicas(redis: &Redis, rules: &str) -> [Gateway; 3] {
    [(); 3].map(|()| replica(redis, rules, ""))
}

fn play(gateway: &Gateway, player: &str, target: &str) -> u16 {
    Viewer::of(gateway).ask("GET", target, &[("User-Agent", player)]).status
}

/// Waits for what a subscription brings.
fn comes_to_be(mut it: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(5);
    while Instant::now() < deadline {
        if it() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

#[test]
fn a_session_of_one_is_known_to_all() {
    require_tools!("redis-server");
    let redis = Redis::start(None);
    let [a, b, c] = replicas(&redis, "");
    let (id, target) = open(&a, MASTER, ", \"user\": \"alice\", \"data\": {\"plan\": 7}");
    for gateway in [&a, &b, &c] {
        assert_eq!(play(gateway, "player", &target), 200);
        let (status, session) = api(gateway, "GET", &format!("/v1/sessions/{id}"));
        assert_eq!(
            (status, &session["user"], &session["state"]),
            (200, &"alice".into(), &"open".into())
        );
        assert_eq!((&session["data"]["plan"], &session["streams"]), (&7.into(), &1.into()));
        let (_, page) = api(gateway, "GET", "/v1/sessions?user=alice");
        assert_eq!(page["sessions"].as_array().unwrap().len(), 1, "{page}");
        let (_, page) = api(gateway, "GET", "/v1/sessions?user=bob");
        assert_eq!(page["sessions"].as_array().unwrap().len(), 0, "{page}");
    }
    // Pages in the order of ids, from whichever replica.
    let mut ids: Vec<_> =
        (0..7).map(|number| open([&a, &b, &c][number % 3], MASTER, "").0).collect();
    ids.push(id);
    ids.sort();
    let (mut listed, mut after) = (Vec::new(), String::new());
    for gateway in [&a, &b, &c].into_iter().cycle().take(4) {
        let (_, page) = api(gateway, "GET", &format!("/v1/sessions?limit=2{after}"));
        let sessions = page["sessions"].as_array().unwrap();
        listed.extend(sessions.iter().map(|session| session["id"].as_str().unwrap().to_owned()));
        after = format!("&after={}", page["next"].as_str().unwrap_or_default());
    }
    assert_eq!(listed, ids);
}

#[test]
fn a_session_that_one_ends_is_over_at_all() {
    require_tools!("redis-server");
    let redis = Redis::start(None);
    let [a, b, c] = replicas(&redis, "");
    let (id, target) = open(&a, MASTER, "");
    for gateway in [&a, &b, &c] {
        assert_eq!(play(gateway, "player", &target), 200);
    }
    assert_eq!(api(&c, "DELETE", &format!("/v1/sessions/{id}")).0, 204);
    for gateway in [&c, &a, &b] {
        assert!(comes_to_be(|| play(gateway, "player", &target) == 403));
        assert_eq!(api(gateway, "GET", &format!("/v1/sessions/{id}")).1["state"], "revoked");
    }
    // One that comes later knows it, and so does one of which nobody had heard.
    let late = replica(&redis, "", "");
    assert_eq!(play(&late, "player", &target), 403);
    let (id, target) = open(&a, MASTER, "");
    assert_eq!(api(&late, "DELETE", &format!("/v1/sessions/{id}")).0, 204);
    assert!(comes_to_be(|| play(&b, "player", &target) == 403));
}

/// Others who write into the store break what they write, and nothing else.
#[test]
fn a_broken_record_concerns_its_session_alone() {
    require_tools!("redis-server");
    let redis = Redis::start(None);
    let [a, b] = [(); 2].map(|()| replica(&redis, "", "on_failure = \"closed\""));
    let (broken, of_broken) = open(&a, MASTER, "");
    let (id, target) = open(&a, MASTER, "");
    let key = format!("{{sluicegate}}:session:{broken}");
    assert!(redis.ask(&format!("EXISTS {key}")).contains(":1"), "{key}");
    assert!(redis.ask(&format!("DEL {key}")).contains(":1"));
    assert!(redis.ask(&format!("SET {key} text")).contains("OK"));
    for player in ["one", "two", "three"] {
        // Nothing is known of this session, so the configuration decides.
        assert_eq!(play(&b, player, &of_broken), 503);
        // The store is asked for all others meanwhile.
        assert_eq!(play(&b, player, &target), 200);
    }
    assert_eq!(api(&b, "GET", &format!("/v1/sessions/{id}")).0, 200);
    // A number that is none.
    assert!(redis.ask(&format!("DEL {key}")).contains(":1"));
    assert!(
        redis.ask(&format!("HSET {key} opened {{}} expires never ended - user u")).contains(":4")
    );
    let _ = play(&b, "four", &of_broken);
    assert_eq!(play(&b, "four", &target), 200);
}

/// A list that was overwritten refuses no session and hides no other; what was ended stays so.
#[test]
fn broken_lists_are_made_anew_and_forget_no_revocation() {
    require_tools!("redis-server");
    let redis = Redis::start(None);
    let rules = "max_streams_per_user = 99";
    let [a, b] = [(); 2].map(|()| replica(&redis, rules, "on_failure = \"closed\""));
    let user = ", \"user\": \"u\", \"max_streams\": 99";
    let (id, target) = open(&a, MASTER, user);
    assert_eq!(play(&a, "player", &target), 200);
    let (over, of_over) = open(&a, MASTER, user);
    assert_eq!(api(&a, "DELETE", &format!("/v1/sessions/{over}")).0, 204);
    let ids = |gateway: &Gateway, query: &str| -> Vec<String> {
        let (status, page) = api(gateway, "GET", &format!("/v1/sessions{query}"));
        assert_eq!(status, 200, "{query}: {page}");
        let sessions = page["sessions"].as_array().unwrap().iter();
        sessions.map(|session| session["id"].as_str().unwrap().to_owned()).collect()
    };
    let streams = format!("streams:{id}");
    for list in ["sessions", "ends", "user:u", "plays:u", &streams, "revoked"] {
        let key = format!("{{sluicegate}}:{list}");
        let _ = redis.ask(&format!("DEL {key}"));
        assert!(redis.ask(&format!("SET {key} text")).contains("OK"), "{key}");
        for query in ["", "?user=u"] {
            ids(&b, query);
        }
        let (new, of_new) = open(&b, MASTER, user);
        assert_eq!(play(&a, list, &of_new), 200, "{list}");
        assert_eq!(play(&b, list, &target), 200, "{list}");
        for query in ["", "?user=u"] {
            let listed = ids(&a, query);
            assert!(listed.contains(&new), "{list}: {listed:?}");
            // One that was seen since is listed again.
            assert!(listed.contains(&id), "{list}: {listed:?}");
        }
        assert_eq!(play(&b, list, &of_over), 403, "{list}");
        assert_eq!(api(&a, "DELETE", &format!("/v1/sessions/{new}")).0, 204, "{list}");
        assert!(comes_to_be(|| play(&b, list, &of_new) == 403), "{list}");
        let late = replica(&redis, rules, "on_failure = \"closed\"");
        assert_eq!((play(&late, list, &of_over), play(&late, list, &of_new)), (403, 403), "{list}");
    }
    // A record that is none is listed nowhere, hides no other, and can be ended.
    let key = format!("{{sluicegate}}:session:{id}");
    let _ = redis.ask(&format!("DEL {key}"));
    assert!(redis.ask(&format!("SET {key} text")).contains("OK"));
    let (new, _) = open(&b, MASTER, user);
    for query in ["", "?user=u"] {
        let listed = ids(&a, query);
        assert!(listed.contains(&new) && !listed.contains(&id), "{listed:?}");
    }
    assert_eq!(api(&a, "GET", &format!("/v1/sessions/{id}")).0, 404);
    assert_eq!(api(&a, "DELETE", &format!("/v1/sessions/{id}")).0, 204);
    let late = replica(&redis, rules, "on_failure = \"closed\"");
    assert_eq!(play(&late, "late", &target), 403);
}

/// A store that answers slowly holds no more requests than may be in flight.
#[test]
fn requests_that_wait_for_the_store_are_in_flight() {
    require_tools!("redis-server");
    let redis = Redis::start(None);
    let config = Site::default().config(&format!("file:{}", fixtures::streams().display()));
    let store = format!("[session.store]\nurl = \"{}\"\ntimeout_ms = 30000\n", redis.url());
    let limits = "[limits]\nsession_requests = 3\n";
    let gateway = Gateway::start(&config.replace("[api]", &format!("{store}{limits}[api]")));
    let target = Viewer::of(&gateway).enter(MASTER);
    let asked = |number: usize| {
        let agent = format!("player-{number}");
        let answer = Viewer::of(&gateway).ask("GET", &target, &[("User-Agent", &agent)]);
        (answer.status, answer.text())
    };
    assert!(redis.ask("CLIENT PAUSE 4000 WRITE").contains("OK"));
    let answers: Vec<_> = std::thread::scope(|scope| {
        let plays: Vec<_> = (0..12)
            .map(|number| {
                let asked = &asked;
                scope.spawn(move || asked(number))
            })
            .collect();
        plays.into_iter().map(|play| play.join().unwrap()).collect()
    });
    let of = |status: u16| answers.iter().filter(|answer| answer.0 == status).count();
    assert!(of(503) > 0 && of(200) >= 3 && of(200) + of(503) == 12, "{answers:?}");
    assert!(
        answers
            .iter()
            .all(|(status, text)| *status == 200 || text.contains("\"too-many-in-flight\""))
    );
    assert_eq!(asked(12).0, 200);
}

#[test]
fn streams_are_counted_over_all() {
    require_tools!("redis-server");
    let redis = Redis::start(None);
    let [a, b, c] = replicas(&redis, "max_streams_per_user = 3");
    let (_, target) = open(&a, MASTER, ", \"max_streams\": 2");
    assert_eq!(play(&a, "one", &target), 200);
    assert_eq!(play(&b, "two", &target), 200);
    assert_eq!(play(&c, "three", &target), 403);
    // A player goes to whichever replica.
    for gateway in [&a, &b, &c] {
        assert_eq!((play(gateway, "one", &target), play(gateway, "two", &target)), (200, 200));
        assert_eq!(play(gateway, "three", &target), 403);
    }
    for gateway in [&a, &b, &c] {
        gateway.clock.advance(33);
    }
    assert_eq!(play(&b, "three", &target), 200, "the others are gone");

    let targets = [0, 1].map(|_| open(&b, MASTER, ", \"user\": \"alice\"").1);
    assert_eq!((play(&a, "one", &targets[0]), play(&b, "two", &targets[1])), (200, 200));
    assert_eq!((play(&c, "three", &targets[0]), play(&a, "four", &targets[1])), (200, 403));
}

#[test]
fn many_at_once_are_never_more_than_the_limit() {
    require_tools!("redis-server");
    let redis = Redis::start(None);
    let gateways = replicas(&redis, "");
    let (_, target) = open(&gateways[0], MASTER, ", \"max_streams\": 3");
    let let_in = std::thread::scope(|scope| {
        let plays: Vec<_> = (0..24)
            .map(|number| {
                let (gateway, target) = (&gateways[number % 3], &target);
                scope.spawn(move || play(gateway, &format!("player-{number}"), target))
            })
            .collect();
        plays.into_iter().map(|play| play.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(let_in.iter().filter(|status| **status == 200).count(), 3, "{let_in:?}");
    assert_eq!(let_in.iter().filter(|status| **status == 403).count(), 21, "{let_in:?}");
}

#[test]
fn a_session_that_plays_elsewhere_is_not_idle() {
    require_tools!("redis-server");
    let redis = Redis::start(None);
    let [a, b, _] = replicas(&redis, "idle_secs = 60");
    let (_, target) = open(&a, MASTER, "");
    assert_eq!((play(&a, "one", &target), play(&b, "one", &target)), (200, 200));
    for _ in 0..4 {
        a.clock.advance(30);
        b.clock.advance(30);
        assert_eq!(play(&b, "two", &target), 200);
    }
    assert_eq!(play(&a, "three", &target), 200);
    a.clock.advance(61);
    b.clock.advance(61);
    assert_eq!((play(&a, "four", &target), play(&b, "four", &target)), (403, 403));
}

/// An older replica wrote the sessions that end without their users, and anybody may write what is none.
#[test]
fn what_others_wrote_into_the_store_does_not_stop_it() {
    require_tools!("redis-server");
    let redis = Redis::start(None);
    let [a, b, _] = replicas(&redis, "");
    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let over = ["00112233445566778899aabbccdd", "", ":", "x:y:z"];
    for member in over {
        let () = redis::cmd("ZADD")
            .arg("{sluicegate}:ends")
            .arg(1)
            .arg(member)
            .query(&mut connection)
            .unwrap();
    }
    for gateway in [&a, &b] {
        let (_, target) = open(gateway, MASTER, ", \"user\": \"alice\"");
        assert_eq!(play(&a, "one", &target), 200);
        assert_eq!(play(&b, "one", &target), 200);
        assert_eq!(Admin::of(gateway).count("session_store_failures_total", &[]), 0.0);
    }
    let left: Vec<String> = redis::cmd("ZRANGEBYSCORE")
        .arg("{sluicegate}:ends")
        .arg("-inf")
        .arg(1)
        .query(&mut connection)
        .unwrap();
    assert_eq!(left, [""; 0], "what is over leaves the list");
}

#[test]
fn without_the_store_what_plays_goes_on_and_it_heals() {
    require_tools!("redis-server");
    let mut redis = Redis::start(Some("of-redis"));
    let with_password = "password = { file = \"bearer.key\" }\ntimeout_ms = 300";
    let wrong = replica(&redis, "", with_password);
    let (_, target) = open(&wrong, MASTER, "");
    assert_eq!(play(&wrong, "one", &target), 200, "a wrong password is as no store");
    drop(wrong);
    drop(redis);

    redis = Redis::start(None);
    let [a, b, c] = replicas(&redis, "");
    let (revoked, was_revoked) = open(&a, MASTER, "");
    assert_eq!(api(&a, "DELETE", &format!("/v1/sessions/{revoked}")).0, 204);
    let (id, target) = open(&a, MASTER, ", \"max_streams\": 2");
    for gateway in [&a, &b, &c] {
        assert_eq!(play(gateway, "one", &target), 200);
        assert!(comes_to_be(|| play(gateway, "one", &was_revoked) == 403));
    }
    assert_eq!(Admin::of(&a).count("session_store_up", &[]), 1.0);
    redis.kill();
    for gateway in [&a, &b, &c] {
        assert_eq!(play(gateway, "one", &target), 200);
        assert_eq!(play(gateway, "one", &was_revoked), 403, "revoked stays revoked");
    }
    assert_eq!(play(&b, "two", &target), 200, "new ones are counted by each replica");
    assert_eq!(play(&b, "three", &target), 403);
    assert_eq!(api(&a, "GET", &format!("/v1/sessions/{id}")).0, 503);
    assert_eq!(api(&a, "GET", "/v1/sessions").0, 503);
    assert_eq!(Admin::of(&a).count("session_store_up", &[]), 0.0);
    assert!(Admin::of(&a).count("session_store_failures_total", &[]) > 0.0);
    // Said to be over here alone, until the store is back.
    assert_eq!(api(&b, "DELETE", &format!("/v1/sessions/{id}")).0, 503);
    assert_eq!((play(&b, "one", &target), play(&c, "one", &target)), (403, 200));

    redis.start_again();
    assert!(comes_to_be(|| play(&c, "one", &target) == 403), "it was told when it was back");
    for gateway in [&a, &b, &c] {
        assert!(comes_to_be(|| Admin::of(gateway).count("session_store_up", &[]) == 1.0));
    }
    // The new Redis knew nothing, and learned what had been revoked before.
    let late = replica(&redis, "", "");
    assert!(comes_to_be(|| play(&late, "one", &was_revoked) == 403));
    let (_, target) = open(&a, MASTER, ", \"max_streams\": 1");
    assert_eq!((play(&b, "one", &target), play(&c, "two", &target)), (200, 403));
}

#[test]
fn a_store_that_may_not_fail_lets_nobody_new_in() {
    require_tools!("redis-server");
    let mut redis = Redis::start(None);
    let [a, b] = [(); 2].map(|()| replica(&redis, "", "on_failure = \"closed\""));
    let (_, limited) = open(&a, MASTER, ", \"max_streams\": 2");
    let (_, free) = open(&a, MASTER, "");
    assert_eq!((play(&a, "one", &limited), play(&a, "one", &free)), (200, 200));
    redis.kill();
    assert_eq!(play(&a, "one", &limited), 200, "what plays goes on");
    assert_eq!(play(&a, "two", &limited), 503, "a new stream of a limited session");
    assert_eq!(play(&a, "two", &free), 200, "nothing limits this one");
    assert_eq!(play(&b, "one", &free), 503, "of which nothing is known here");
    let body = format!("{{\"path\": \"{MASTER}\"}}");
    let answer = Viewer::of(&a).call(&[("Authorization", &bearer())], &body);
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    let link = Viewer::of(&a).link(MASTER);
    assert_eq!(Viewer::of(&a).status(&link), 503);
    redis.start_again();
    assert!(comes_to_be(|| play(&b, "one", &free) == 200));
    assert!(comes_to_be(|| Viewer::of(&a).status(&link) == 302));
}
