//! Clients that read slowly, or ask for much at once: they keep nobody else waiting.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use sluicegate_testkit::Gateway;

use crate::support::{Admin, LOCAL_ADMIN, Site, Viewer, Watched, folder, multivariant, playlist};

/// More than the buffers between an origin and a client that reads nothing.
const LONG: usize = 64 << 20;

/// Long segments, and manifests of any name.
fn long_segments() -> Watched {
    let piece = Bytes::from(vec![0x47; 64 << 10]);
    let answer = move |uri: Uri| {
        let piece = piece.clone();
        async move {
            if uri.path().ends_with(".m3u8") {
                return playlist(&["a.ts"]).into_response();
            }
            let count = LONG / piece.len();
            let pieces = futures_util::stream::iter(
                (0..count).map(move |_| Ok::<_, std::convert::Infallible>(piece.clone())),
            );
            let length = [(header::CONTENT_LENGTH, LONG.to_string())];
            (length, Body::from_stream(pieces)).into_response()
        }
    };
    Watched::start(Router::new().fallback(answer))
}

/// A client that has read the head of an answer and stops.
struct SlowReader {
    stream: TcpStream,
    status: u16,
    head: String,
}

impl SlowReader {
    fn ask(gateway: &Gateway, target: &str) -> Self {
        let mut stream = TcpStream::connect(gateway.addr()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        write!(stream, "GET {target} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { stream, status, head }
    }

    /// Bytes of the body until it ends.
    fn rest(mut self) -> usize {
        let (mut total, mut piece) = (0, vec![0; 1 << 20]);
        while let Ok(read @ 1..) = self.stream.read(&mut piece) {
            total += read;
        }
        total
    }
}

fn segment(session: &str, name: &str) -> String {
    session.replace("live.m3u8", name)
}

/// So many readers of segments that have read the heads alone.
fn readers(gateway: &Gateway, session: &str, count: usize) -> Vec<SlowReader> {
    let one = |number: usize| {
        let reader = SlowReader::ask(gateway, &segment(session, &format!("{number}.ts")));
        assert_eq!(reader.status, 200, "{number}: {}", reader.head);
        reader
    };
    (0..count).map(one).collect()
}

#[test]
fn readers_of_nothing_keep_no_request_from_an_origin() {
    let origin = long_segments();
    let top = "[limits]\norigin_requests = 2\n[timeouts]\nfirst_byte_secs = 5\n";
    let gateway = Site { top, ..Site::default() }.start(&origin.url("/"));
    let session = Viewer::of(&gateway).enter("/v/live.m3u8");
    let readers = readers(&gateway, &session, 12);
    let mut other = Viewer::of(&gateway);
    let session = other.enter("/w/live.m3u8");
    assert_eq!(other.status(&session), 200);
    let further = SlowReader::ask(&gateway, &segment(&session, "a.ts"));
    assert_eq!(further.status, 200, "{}", further.head);
    drop(readers);
}

#[test]
fn a_body_that_is_not_read_ends_once_another_one_is_wanted() {
    let origin = long_segments();
    let top = &format!(
        "[limits]\norigin_bodies = 2\nmin_body_bytes_per_sec = 100000000\nstall_secs = 600\n\
         {LOCAL_ADMIN}"
    );
    let gateway = Site { top, ..Site::default() }.start(&origin.url("/"));
    let session = Viewer::of(&gateway).enter("/v/live.m3u8");
    let readers = readers(&gateway, &session, 2);
    let mut other = Viewer::of(&gateway);
    let session = other.enter("/w/live.m3u8");
    assert_eq!(other.status(&session), 200, "manifests wait for no body");
    let admin = Admin::of(&gateway);
    assert_eq!(admin.count("slow_bodies_total", &[]), 0.0, "nobody waits");
    let wanted = SlowReader::ask(&gateway, &segment(&session, "a.ts"));
    assert_eq!(wanted.status, 200, "{}", wanted.head);
    assert_eq!(admin.count("slow_bodies_total", &[]), 1.0, "one makes room for one");
    let read: Vec<_> = readers.into_iter().map(SlowReader::rest).collect();
    let is_cut = |read: &&usize| **read < LONG;
    assert_eq!(read.iter().filter(is_cut).count(), 1, "{read:?}");
}

#[test]
fn a_folders_bodies_are_bounded_as_well() {
    let media = folder(&[
        ("v/live.m3u8", &playlist(&["0.ts"])),
        ("v/0.ts", &vec![0x47; LONG]),
        ("v/1.ts", &[0x47; 100]),
    ]);
    let top = "[limits]\norigin_bodies = 1\n[timeouts]\nfirst_byte_secs = 1\n";
    let gateway = Site { top, ..Site::default() }.folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/live.m3u8");
    let reader = readers(&gateway, &session, 1);
    let busy = viewer.get(&segment(&session, "1.ts"));
    assert_eq!((busy.status, busy.text().contains("origin-busy")), (503, true), "{}", busy.text());
    assert_eq!(viewer.status(&session), 200);
    drop(reader);
    assert_eq!(viewer.status(&segment(&session, "1.ts")), 200);
}

/// Each answer without a body gives back what it did not need.
#[test]
fn answers_without_a_body_are_none_in_flight() {
    let answer = |request: Request| async move {
        let redirects = request.uri().path().ends_with("moved.ts");
        match (request.headers().contains_key(header::IF_NONE_MATCH), redirects) {
            (true, _) => StatusCode::NOT_MODIFIED.into_response(),
            (_, true) => axum::response::Redirect::temporary("a.ts").into_response(),
            _ if request.headers().contains_key(header::RANGE) => {
                StatusCode::RANGE_NOT_SATISFIABLE.into_response()
            }
            _ if request.uri().path().ends_with("gone.ts") => StatusCode::NOT_FOUND.into_response(),
            _ => vec![0x47; 4 << 20].into_response(),
        }
    };
    let origin = Watched::start(Router::new().fallback(answer));
    let top = "[limits]\norigin_bodies = 1\norigin_requests = 1\nsession_bodies = 1\n\
               session_requests = 1\n[timeouts]\nfirst_byte_secs = 5\n";
    let gateway = Site { top, ..Site::default() }.start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/v/live.m3u8");
    for _ in 0..3 {
        for (method, name, headers, status) in [
            ("GET", "a.ts", &[][..], 200),
            ("HEAD", "a.ts", &[], 200),
            ("GET", "a.ts", &[("If-None-Match", "\"x\"")], 304),
            ("GET", "a.ts", &[("Range", "bytes=9-")], 416),
            ("GET", "moved.ts", &[], 200),
            ("GET", "gone.ts", &[], 404),
        ] {
            let answer = viewer.ask(method, &segment(&session, name), headers);
            assert_eq!(answer.status, status, "{method} {name} {headers:?}: {}", answer.text());
        }
    }
}

/// An answer that says why, and when to ask again.
fn is_refused(answer: &sluicegate_testkit::http::Response) -> bool {
    answer.status == 503
        && answer.text().contains("too-many-in-flight")
        && answer.header("retry-after") == Some("1")
}

#[test]
fn a_session_has_so_many_bodies_and_others_have_theirs() {
    let origin = long_segments();
    let top = "[limits]\nsession_bodies = 3\naddress_bodies = 5\n";
    let gateway = Site { top, ..Site::default() }.start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let (session, other) = (viewer.enter("/v/live.m3u8"), viewer.enter("/w/live.m3u8"));
    let mut of_session = readers(&gateway, &session, 3);
    assert!(is_refused(&viewer.get(&segment(&session, "a.ts"))));
    assert!(is_refused(&viewer.get(&session)), "a manifest has a body, too");
    origin.take();
    assert!(is_refused(&viewer.get(&segment(&session, "b.ts"))));
    assert!(origin.take().is_empty(), "the origin is not asked in vain");
    let of_other = readers(&gateway, &other, 2);
    assert!(is_refused(&viewer.get(&segment(&other, "a.ts"))), "five of one address");
    of_session.pop();
    // The gateway learns of it in a moment.
    let is_free = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        SlowReader::ask(&gateway, &segment(&session, "a.ts")).status == 200
    });
    assert!(is_free);
    drop(of_other);
}

#[test]
fn the_streams_of_one_connection_are_counted_each() {
    let origin = long_segments();
    let top = "[limits]\nsession_bodies = 3\n";
    let gateway = Site { top, ..Site::default() }.start(&origin.url("/"));
    let session = Viewer::of(&gateway).enter("/v/live.m3u8");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let statuses = runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(gateway.addr()).await.unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        let (mut statuses, mut bodies) = (Vec::new(), Vec::new());
        for number in 0..6 {
            let uri =
                format!("http://{}{}", gateway.addr(), segment(&session, &format!("{number}.ts")));
            let request = axum::http::Request::get(uri).body(()).unwrap();
            client = client.ready().await.unwrap();
            let (answer, _) = client.send_request(request, true).unwrap();
            let answer = answer.await.unwrap();
            statuses.push(answer.status().as_u16());
            bodies.push(answer.into_body());
        }
        connection.abort();
        statuses
    });
    assert_eq!(statuses, [200, 200, 200, 503, 503, 503]);
}

/// A playlist that is held until it changes (RFC 8216bis section 6.2.5.2) is a request in flight.
#[test]
fn a_session_has_so_many_requests_that_wait() {
    let held = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&held);
    let answer = move |uri: Uri| {
        let count = Arc::clone(&count);
        async move {
            if uri.query().is_some_and(|query| query.contains("_HLS_msn")) {
                count.fetch_add(1, Ordering::Relaxed);
                std::future::pending::<()>().await;
            }
            Response::new(Body::from(
                "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES\n\
                 #EXTINF:2,\na.ts\n",
            ))
        }
    };
    let origin = Watched::start(Router::new().fallback(answer));
    let top = "[limits]\nsession_requests = 2\naddress_requests = 3\n";
    let gateway = Site { top, ..Site::default() }.start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    let (session, other) = (viewer.enter("/v/live.m3u8"), viewer.enter("/w/live.m3u8"));
    let wait = |target: &str, msn: usize, all: usize| {
        let separator = if target.contains('?') { '&' } else { '?' };
        let mut stream = TcpStream::connect(gateway.addr()).unwrap();
        write!(stream, "GET {target}{separator}_HLS_msn={msn} HTTP/1.1\r\nHost: gateway\r\n\r\n")
            .unwrap();
        let is_held = (0..400).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            held.load(Ordering::Relaxed) == all
        });
        assert!(is_held, "{all} are held");
        stream
    };
    let beside = session.replace("live.m3u8", "beside.m3u8");
    let waiting = [wait(&session, 1, 1), wait(&beside, 2, 2)];
    assert!(is_refused(&viewer.get(&session)));
    assert_eq!(viewer.status(&other), 200);
    let third = wait(&other, 1, 3);
    assert!(is_refused(&viewer.get(&other)), "three of one address");
    let link = viewer.link("/x/live.m3u8");
    assert!(is_refused(&viewer.get(&link)), "a link is a request of its address");
    drop((waiting, third));
    let is_free = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        viewer.status(&session) == 200
    });
    assert!(is_free);
}

/// The memory for JSON that is looked at is free again before the client has read it.
#[test]
fn readers_of_json_keep_no_memory_for_others() {
    let long = format!("{{\"text\": \"{}\"}}", "x".repeat(900_000));
    let answer = move |uri: Uri| {
        let long = long.clone();
        async move {
            match uri.path().ends_with(".m3u8") {
                true => multivariant(&["a.m3u8"]).into_response(),
                false => ([(header::CONTENT_TYPE, "application/json")], long).into_response(),
            }
        }
    };
    let origin = Watched::start(Router::new().fallback(answer));
    let top = "[limits]\nall_json_bytes = 1048576\nmanifest_wait_secs = 5\n";
    let gateway = Site { top, ..Site::default() }.start(&origin.url("/"));
    let session = Viewer::of(&gateway).enter("/v/live.m3u8");
    let mut readers = Vec::new();
    for number in 0..8 {
        let reader = SlowReader::ask(&gateway, &segment(&session, &format!("{number}.json")));
        assert_eq!(reader.status, 200, "{number}: {}", reader.head);
        readers.push(reader);
    }
}
