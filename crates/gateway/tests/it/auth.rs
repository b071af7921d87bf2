//! `/auth`: another server asks whether it may deliver.

use serde_json::Value;
use sluicegate_testkit::fixtures;

use crate::support::{Site, Viewer};

#[test]
fn a_server_is_told_whether_a_sessions_url_is_open() {
    let gateway = Site::default().folder(&fixtures::streams());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/subdirs/master.m3u8");
    let segment = session.replace("master.m3u8", "360p/seg-0.m4s");
    let mut ask = |headers: &[(&str, &str)]| {
        let answer = viewer.ask("GET", "/auth", headers);
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        let code = body["code"].as_str().unwrap_or_default().to_owned();
        (answer.status, code, answer.header("x-sluicegate-path").map(str::to_owned))
    };
    // nginx's header, and Caddy's.
    for name in ["X-Original-URI", "X-Forwarded-Uri"] {
        let path = Some("/subdirs/360p/seg-0.m4s".to_owned());
        assert_eq!(ask(&[(name, &segment)]), (204, String::new(), path));
    }
    let elsewhere = segment.replace("/subdirs/", "/flat/");
    for (headers, status, code) in [
        (&[("X-Original-URI", &elsewhere[..])][..], 403, "forbidden"),
        (&[("X-Original-URI", "/subdirs/360p/seg-0.m4s")], 403, "forbidden"),
        (&[("X-Original-URI", "/s/x/../a")], 403, "bad-path"),
        (&[("X-Original-URI", &segment), ("X-Original-Method", "PUT")], 403, "method-not-allowed"),
        (&[("X-Original-URI", &segment), ("X-Original-Method", "P T")], 400, "no-target"),
        // One of two is the client's own: behind Caddy X-Original-URI, behind nginx the other.
        (&[("X-Original-URI", &segment), ("X-Forwarded-Uri", &elsewhere)], 400, "no-target"),
        (&[("X-Original-URI", &segment), ("X-Original-URI", &elsewhere)], 400, "no-target"),
        (&[("X-Forwarded-Uri", &segment), ("X-Original-Method", "HEAD")], 400, "no-target"),
        (&[], 400, "no-target"),
    ] {
        assert_eq!(ask(headers), (status, code.to_owned(), None), "{headers:?}");
    }
    gateway.clock.advance(8 * 3600);
    assert_eq!(ask(&[("X-Original-URI", &segment)]).0, 403, "not 410, which nginx does not know");
}

#[test]
fn what_a_server_asks_for_counts_as_a_stream() {
    let config = Site::default().config(&format!("file:{}", fixtures::streams().display()));
    let config = config.replace("[session]\n", "[session]\nmax_streams = 1\n");
    let gateway = sluicegate_testkit::Gateway::start(&config);
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/subdirs/master.m3u8");
    let segment = session.replace("master.m3u8", "360p/seg-0.m4s");
    let mut ask = |player: &str, method: &str| {
        let headers = [
            ("X-Original-URI", segment.as_str()),
            ("X-Original-Method", method),
            ("User-Agent", player),
        ];
        viewer.ask("GET", "/auth", &headers).status
    };
    // Nobody knows who says HEAD.
    assert_eq!([ask("one", "GET"), ask("two", "GET"), ask("two", "HEAD")], [204, 403, 403]);
}
