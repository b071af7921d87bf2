//! What the logs hold, and above all what they do not.

use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::get;
use sluicegate_testkit::fixtures;
use sluicegate_testkit::gateway::{BEARER, CDN_SECRET, ENTRY_SECRET};
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{Admin, LOCAL_ADMIN, Site, Viewer, Watched, cdn, token_of};

/// Everything that this process logs.
#[derive(Clone, Default)]
pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Captured {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

impl Captured {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// Captures from now on. The servers have threads of their own, so it is for the whole process;
/// tests that run meanwhile are captured too.
pub(crate) fn capture() -> &'static Captured {
    static CAPTURED: OnceLock<Captured> = OnceLock::new();
    CAPTURED.get_or_init(|| {
        let captured = Captured::default();
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(captured.clone())
            .init();
        captured
    })
}

#[test]
fn no_log_line_at_any_level_holds_a_token_a_secret_or_a_query() {
    let captured = capture();
    let failing =
        Watched::start(Router::new().fallback(get(
            async |uri: axum::http::Uri| match uri.path() {
                "/logs-redirect/x.m3u8" => {
                    let away = "http://127.0.0.9/x?location-marker=1";
                    (StatusCode::FOUND, [(header::LOCATION, away)]).into_response()
                }
                "/logs-redirect/refused.m3u8" => {
                    "#EXTM3U\n#EXT-X-NEW:URI=\"a.ts?reference-marker=1\"\n".into_response()
                }
                _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            },
        )));
    let mut hidden: Vec<(String, String)> = [
        ("the CDN's secret", CDN_SECRET),
        ("the links' secret", ENTRY_SECRET),
        ("the bearer token", BEARER),
        ("the session key", "c2Vzc2lvbi1rZXktb2YtdGhlLXRlc3RraXQtMzItYnk"),
        ("a viewer's query", "viewer-marker"),
        ("a query that is forwarded", "_HLS_"),
        ("a redirect's query", "location-marker"),
        ("a reference's query", "reference-marker"),
        ("a wrong bearer token", "wrong-bearer-marker"),
    ]
    .map(|(what, text)| (what.to_owned(), text.to_owned()))
    .to_vec();

    for carry in ["path", "query"] {
        let by_cdn = cdn("https://cdn.example.com/", "file", 3600);
        let by_redirect = by_cdn.replace("\"cdn\"", "\"redirect\"");
        for delivery in [String::new(), by_cdn, by_redirect] {
            let route = format!("carry = \"{carry}\"\n{delivery}");
            let gateway = Site { route: &route, ..Site::default() }.folder(&fixtures::streams());
            let mut viewer = Viewer::of(&gateway);
            let query = "_HLS_msn=1&x=viewer-marker";
            let link = viewer.link(&format!("/subdirs/master.m3u8?{query}"));
            let md5 = link.split_once("md5=").unwrap().1.split('&').next().unwrap();
            hidden.push(("a link's token".to_owned(), md5.to_owned()));
            let entry = viewer.get(&link);
            assert_eq!(entry.status, 302);
            let session = entry.header("location").unwrap().to_owned();
            let token = token_of(&session).to_owned();
            hidden.push(("a session's token".to_owned(), token.clone()));
            assert_eq!(viewer.status(&session), 200);
            let variant = session.replace("master.m3u8", "360p/index.m3u8");
            for uri in crate::support::uris(&viewer.get(&variant).text()) {
                if let Some((_, md5)) = uri.split_once("md5=") {
                    hidden.push(("a CDN token".to_owned(), md5[..22].to_owned()));
                }
            }
            // The link's query is still there, of which `_HLS_msn` goes on.
            let segment = viewer.get(&session.replace("master.m3u8", "360p/seg-0.m4s"));
            match segment.header("location").map(|url| url.split_once("md5=").unwrap().1) {
                Some(md5) => hidden.push(("a redirect's token".to_owned(), md5[..22].to_owned())),
                None => assert_eq!(segment.status, 200),
            }

            // Refused, in every way that leaves the token in the target.
            for target in [
                link.replace("expires=", "expires=1"),
                session.replace("/subdirs/", "/flat/"),
                session.replace("master.m3u8", "a//b"),
                session.replace("master.m3u8", "missing.m3u8"),
                format!("/s/{token}"),
                format!("/s/{token}/s/{token}/subdirs/master.m3u8"),
                format!("//s/{token}/subdirs/master.m3u8"),
                format!("/S/{token}/subdirs/master.m3u8"),
                format!("/tv/s/{token}/subdirs/master.m3u8"),
                format!("/subdirs/{token}"),
                format!("/v1/{token}"),
                format!("/subdirs/master.m3u8?sg={token}&sg={token}"),
            ] {
                let answer = viewer.get(&target);
                assert!((400..500).contains(&answer.status), "{target}: {}", answer.status);
            }
            // Some players say where they come from with the whole signed URL.
            for referer in [&session, &link] {
                viewer.ask("GET", &session, &[("Referer", &gateway.url(referer))]);
            }
            viewer.ask("DELETE", &session, &[]);
            viewer.ask("OPTIONS", &session, &[("Origin", "https://player.example.com")]);
            let opened = viewer.open(r#"{"path": "/subdirs/master.m3u8"}"#);
            hidden.push(("an opened session's token".to_owned(), token_of(&opened).to_owned()));
            for authorization in [&format!("Bearer {BEARER}"), "Bearer wrong-bearer-marker"] {
                viewer.call(&[("Authorization", authorization)], "{\"path\": \"x\"}");
            }
            gateway.clock.advance(86_400);
            for target in [&session, &link, &opened] {
                assert_eq!(viewer.status(target), 410);
            }
        }
        let route = format!("carry = \"{carry}\"");
        let nobody = format!("http://{}/", sluicegate_testkit::port::free_port().unwrap());
        for origin in [failing.url("/"), nobody] {
            let gateway = Site { route: &route, ..Site::default() }.start(&origin);
            let mut viewer = Viewer::of(&gateway);
            for path in
                ["/logs-failing/x.m3u8", "/logs-redirect/x.m3u8", "/logs-redirect/refused.m3u8"]
            {
                let session = viewer.enter(&format!("{path}?_HLS_msn=1&x=viewer-marker"));
                hidden.push(("a session's token".to_owned(), token_of(&session).to_owned()));
                assert_eq!(viewer.status(&session), 502);
            }
        }
    }

    let text = captured.text();
    for expected in [
        "served",
        "refused",
        "origin failed",
        "Connection refused",
        "/subdirs/360p/index.m3u8",
        "TRACE",
    ] {
        assert!(text.contains(expected), "{expected} is not logged");
    }
    for (what, secret) in hidden {
        let found = text.lines().find(|line| line.contains(&secret));
        assert_eq!(found, None, "{what} is logged");
    }
}

/// Somebody may ask the operators' listener for what is a viewer's.
#[test]
fn the_operators_listener_logs_no_token_either() {
    let captured = capture();
    let gateway = Site { top: LOCAL_ADMIN, ..Site::default() }.folder(&fixtures::streams());
    let session = Viewer::of(&gateway).enter("/subdirs/master.m3u8").replace("master", "misled");
    assert!(Admin::of(&gateway).ask("GET", &session, &[]).status >= 400);
    let text = captured.text();
    let is_it = |line: &&str| line.contains("refused to an operator") && line.contains("misled");
    assert!(text.lines().any(|line| is_it(&line)));
    assert!(!text.contains(token_of(&session)));
}

/// The line of a refused request says what is wrong with it, and the answer does not.
#[test]
fn the_log_says_why_a_link_or_a_session_is_refused() {
    let captured = capture();
    let gateway = Site::default().folder(&fixtures::streams());
    let mut viewer = Viewer::of(&gateway);
    let link = viewer.link("/subdirs/master.m3u8");
    let session = viewer.enter("/subdirs/master.m3u8");
    let other_folder = session.replace("/subdirs/", "/other/");
    let other_file = link.replace("master.m3u8", "refused.m3u8");
    for (target, marker, cause) in [
        (other_file, "refused.m3u8", "the token does not match"),
        (link.replace('&', "&amp;"), "&amp;", "the URL holds '&amp;' where '&' belongs"),
        (other_folder, "/other/", "the session token does not open /other"),
    ] {
        let answer = viewer.get(&target);
        assert_eq!(answer.status, 403, "{target}");
        assert!(!answer.text().contains("token"), "{}", answer.text());
        let text = captured.text();
        let line = text.lines().find(|line| line.contains(marker) && line.contains("status=403"));
        let line = line.unwrap_or_else(|| panic!("no line on {target}"));
        assert!(line.contains(cause), "{line}");
    }
}
