//! Tokens that clients have broken: no log line, event, metric or span shows a part of one.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::get;
use sluicegate_gateway::{Clock as _, Edge, Recorder, Span, record_traces};
use sluicegate_testkit::broken::{Parts, broken, targets};
use sluicegate_testkit::clock::ManualClock;
use sluicegate_testkit::gateway::BEARER;
use sluicegate_testkit::http::Client;
use sluicegate_testkit::{Gateway, Server};
use sluicegate_token::{CdnKey, Link, SchemeKind, SchemeOptions, SchemeRing};

use crate::logs::capture;
use crate::support::{Admin, LOCAL_ADMIN, Site, Viewer, Watched, folder, playlist, token_of};

/// All spans of this process.
#[derive(Clone, Debug, Default)]
struct Spans(Arc<Mutex<String>>);

impl Recorder for Spans {
    fn wants(&self, _: u128, _: Option<bool>) -> bool {
        true
    }

    fn record(&self, span: Span) {
        *self.0.lock().unwrap() += &format!("{span:?}\n");
    }
}

/// Some of the targets that hold a broken token: `of` as many as there are.
fn sample(token: &str, of: usize) -> Vec<String> {
    let all = broken(token).into_iter().flat_map(|broken| targets(&broken));
    // What begins a fragment or a query elsewhere is no path.
    all.step_by(of).filter(|target| target.starts_with('/')).collect()
}

/// The link's hash, and a session's token.
fn tokens(gateway: &Gateway) -> [String; 2] {
    let mut viewer = Viewer::of(gateway);
    let link = viewer.link("/v/master.m3u8");
    let md5 = link.split_once("md5=").unwrap().1.split('&').next().unwrap().to_owned();
    [md5, token_of(&viewer.enter("/v/master.m3u8")).to_owned()]
}

fn shows_no_part(tokens: &[String], shown: &str) {
    for token in tokens {
        let parts = Parts::of(token);
        for line in shown.lines() {
            assert_eq!(parts.in_text(line), None, "{line}");
        }
    }
}

#[test]
fn no_sink_shows_a_part_of_a_token_that_a_client_broke() {
    let captured = capture();
    let spans = Spans::default();
    record_traces(Box::new(spans.clone()));
    let media = folder(&[("v/master.m3u8", &playlist(&["0.ts"])), ("v/0.ts", b"0")]);
    for carry in ["path", "query"] {
        let route = format!("carry = \"{carry}\"\npath = \"/v/\"");
        let gateway = Site { top: LOCAL_ADMIN, route: &route, ..Site::default() }
            .folder(&media.path().join("v"));
        let admin = Admin::of(&gateway);
        let tokens = tokens(&gateway);
        let mut viewer = Viewer::of(&gateway);
        let bearer = format!("Bearer {BEARER}");
        let authorized = [("Authorization", bearer.as_str())];
        let mut events = String::new();
        for token in &tokens {
            let right = &tokens[1];
            for target in sample(token, 211) {
                viewer.get(&target);
                viewer.ask("HEAD", &target, &authorized);
                viewer.ask("DELETE", &target, &authorized);
                // Behind a right one.
                viewer.get(&format!("/s/{right}{target}"));
                viewer.get(&format!("{target}?sg={right}"));
                viewer.get(&format!("/v/0.ts?Sg={right}&sg;{target}&%73g={token}"));
                viewer.ask("GET", "/auth", &[("X-Original-URI", &target)]);
                viewer.call(&authorized, &format!("{{\"path\": {target:?}}}"));
                admin.ask("GET", &target, &[]);
                events += &admin.json("/api/events").to_string().replace('{', "\n");
            }
            for text in broken(token).into_iter().step_by(97) {
                let text = text.replace(['%', '&'], "");
                for key in ["path", "ttl", "ip", "profile", "max_streams", &text] {
                    let call = serde_json::json!({ "path": "/v/master.m3u8", key: text });
                    viewer.call(&authorized, &call.to_string());
                }
                for key in ["state", "limit", "after", &text] {
                    viewer.ask("GET", &format!("/v1/sessions?{key}={text}"), &authorized);
                    admin.ask("GET", &format!("/api/sessions?{key}={text}"), &[]);
                }
            }
            // A method is any word.
            let word: String = token.chars().filter(char::is_ascii_alphanumeric).collect();
            assert_eq!(viewer.ask(&word, "/v/0.ts", &[]).status, 405);
            events += &admin.json("/api/events").to_string().replace('{', "\n");
        }
        gateway.clock.advance(86_400 * 2);
        viewer.get(&format!("/s/{}/v/{}/0.ts", tokens[1], &tokens[0][..20]));
        shows_no_part(&tokens, &captured.text());
        shows_no_part(&tokens, &events);
        shows_no_part(&tokens, &spans.0.lock().unwrap());
        shows_no_part(&tokens, &admin.ask("GET", "/metrics", &[]).text());
    }
    let text = captured.text();
    for expected in ["path=\"/v/***\"", "path=\"/v/***/master.m3u8\"", "method=_OTHER"] {
        assert!(text.contains(expected), "{expected} is not logged");
    }
    assert!(spans.0.lock().unwrap().contains("***"));
}

/// What is served is logged whole, and an origin may serve every path.
#[test]
fn an_origin_that_serves_every_path_gets_no_token_and_none_is_logged() {
    let captured = capture();
    let every = Router::new().fallback(get(async || playlist(&["0.ts"])));
    let origin = Watched::start(every);
    let gateway = Site { top: LOCAL_ADMIN, ..Site::default() }.start(&origin.url("/"));
    let [_, token] = tokens(&gateway);
    let mut viewer = Viewer::of(&gateway);
    let mut served = 0;
    for target in sample(&token, 61) {
        for target in [format!("/s/{token}{target}"), format!("{target}?sg={token}")] {
            served += usize::from(viewer.get(&target).status == 200);
        }
    }
    // Parts that are too short to be of use.
    assert!(served > 0);
    let token = [token];
    shows_no_part(&token, &captured.text());
    let asked: Vec<_> = origin.take().into_iter().map(|seen| seen.target).collect();
    shows_no_part(&token, &asked.join("\n"));
    let events = Admin::of(&gateway).json("/api/events");
    shows_no_part(&token, &events.to_string().replace('{', "\n"));
}

/// What a session's token or a link vouches for is logged of what is refused afterwards, too.
#[test]
fn a_refused_path_is_shown_as_far_as_its_token_vouches_for_it() {
    let captured = capture();
    let film = "films/0f8fad5b-d9cb-469f-a165-70867728950e";
    let master = format!("{film}/master.m3u8");
    let media = folder(&[(&master, &playlist(&["0.ts"]))]);
    let gateway = Site::default().folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let link = viewer.link(&format!("/{master}"));
    let session = viewer.enter(&format!("/{master}"));
    let file = session.replace("master", "missing");
    assert_eq!(viewer.status(&file), 404);
    assert_eq!(viewer.status(&session.replacen("/s/", "/s/x", 1)), 403);
    assert_eq!(viewer.status(&link.replace("md5=", "md5=x")), 403);
    gateway.clock.advance(86_400 * 2);
    assert_eq!(viewer.status(&session), 410);
    assert_eq!(viewer.status(&link), 410);
    let text = captured.text();
    let line = |status: u16, path: &str| {
        let part = format!("path=\"{path}\" status={status} ");
        text.lines().filter(|line| line.contains(&part)).count()
    };
    assert_eq!(line(404, &format!("/{film}/missing.m3u8")), 1);
    assert_eq!(line(403, "/films/***/master.m3u8"), 2);
    assert_eq!(line(410, &format!("/{master}")), 2);
}

/// The stand-in for a CDN, whose tokens stand in paths.
#[test]
fn an_edge_shows_no_part_of_a_token_in_a_path() {
    let captured = capture();
    let media = folder(&[("v/a/0.ts", b"0")]);
    for name in ["cdn77-path", "gcore-streaming", "nginx-secret", "alibaba-b", "alibaba-c"] {
        let key = CdnKey::plain("k", b"secret_key");
        let scheme = SchemeKind::named(name).unwrap();
        let scheme = scheme.with_key(key, &SchemeOptions::default()).unwrap();
        let clock = ManualClock::at_real_time();
        let link = Link::parse("/v/a/0.ts").unwrap();
        let signed = link.sign(&*scheme, clock.now().saturating_add(600), None).unwrap();
        let edge = Edge::open(media.path(), SchemeRing::of(scheme), Arc::new(clock)).unwrap();
        let edge = Server::start(edge.router());
        let mut client = Client::connect(edge.addr()).unwrap();
        let mut status = |target: &str| client.get(target.as_bytes(), &[]).unwrap().status;
        assert_eq!(status(&signed), 200, "{name}: {signed}");
        let token = signed.split('/').max_by_key(|segment| segment.len()).unwrap().to_owned();
        for broken in broken(&token).into_iter().step_by(7) {
            status(&signed.replace(&token, &broken));
        }
        for target in sample(&token, 397) {
            status(&target);
        }
        let events = Client::connect(edge.addr()).unwrap().get(b"/_edge/requests", &[]).unwrap();
        let tokens = [token];
        shows_no_part(&tokens, &events.text().replace('{', "\n"));
        shows_no_part(&tokens, &captured.text());
    }
}
