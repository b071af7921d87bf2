//! Clients that mean no good: each row of the table in docs/security.md. Whatever one of them does,
//! others are served.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use sluicegate_testkit::gateway::BEARER;
use sluicegate_testkit::http::Client;
use sluicegate_testkit::{Gateway, fixtures};

use crate::support::{Site, Viewer, folder, playlist};

const MASTER: &str = "/subdirs/master.m3u8";
const QUICK: &str = "[limits]\nfirst_request_secs = 1\nidle_secs = 1\nstall_secs = 1\n";

fn gateway(top: &str) -> Gateway {
    let origin = format!("file:{}", fixtures::streams().display());
    Site { top, ..Site::default() }.start(&origin)
}

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Everything that comes until the server closes, however it does.
fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        all.extend_from_slice(&piece[..count]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

fn is_served(gateway: &Gateway) -> bool {
    Client::connect(gateway.addr()).unwrap().get(b"/healthz", &[]).unwrap().status == 200
}

#[test]
fn slow_heads_are_cut() {
    let gateway = gateway(QUICK);
    let began = Instant::now();
    let mut slow = connect(gateway.addr());
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHost: g\r\n").unwrap();
    let mut dripping = connect(gateway.addr());
    let mut further = connect(gateway.addr());
    further.write_all(b"GET /healthz HTTP/1.1\r\nHost: g\r\n\r\n").unwrap();
    let drips = std::thread::spawn(move || {
        for byte in b"GET /healthz HTTP/1.1\r\nX: ".iter().cycle() {
            if dripping.write_all(&[*byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    assert!(is_served(&gateway));
    assert!(!rest(&mut slow).contains("200"), "it has no whole head");
    // After an answer, too: the second head never comes.
    assert!(rest(&mut further).starts_with("HTTP/1.1 200"));
    drips.join().unwrap();
    assert!((Duration::from_millis(900)..Duration::from_secs(6)).contains(&began.elapsed()));
}

#[test]
fn slow_and_endless_bodies_are_cut() {
    let gateway = gateway("");
    let call = |length: &str| {
        format!(
            "POST /v1/sessions HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {BEARER}\r\n\
             Content-Type: application/json\r\n{length}\r\n\r\n"
        )
    };
    // Of a body that does not come no more than ten seconds are spent.
    let mut slow = connect(gateway.addr());
    slow.write_all(call("Content-Length: 100").as_bytes()).unwrap();
    slow.write_all(b"{\"path\":").unwrap();
    // A body without an end is cut at 64 KiB.
    let mut endless = connect(gateway.addr());
    endless.write_all(call("Transfer-Encoding: chunked").as_bytes()).unwrap();
    let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
    let sent = (0..4096).take_while(|_| endless.write_all(chunk.as_bytes()).is_ok()).count();
    assert!(sent < 4096 || rest(&mut endless).contains("413"), "4 MB were taken");
    // One of a request that has none is not read.
    let mut unread = connect(gateway.addr());
    unread
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n")
        .unwrap();
    let sent = (0..65_536).take_while(|_| unread.write_all(chunk.as_bytes()).is_ok()).count();
    assert!(sent < 65_536, "64 MB were taken");
    assert!(is_served(&gateway));
    let began = Instant::now();
    let told = rest(&mut slow);
    assert!(told.starts_with("HTTP/1.1 408") && told.contains("call-too-slow"), "{told}");
    assert!(began.elapsed() < Duration::from_secs(15));
}

#[test]
fn who_stops_to_read_is_cut() {
    let media = folder(&[("v/index.m3u8", &playlist(&["a.ts"])), ("v/a.ts", &vec![7; 32 << 20])]);
    let gateway = Site { top: QUICK, ..Site::default() }.folder(media.path());
    let session = Viewer::of(&gateway).enter("/v/index.m3u8");
    let mut stopped = connect(gateway.addr());
    let segment = session.replace("index.m3u8", "a.ts");
    write!(stopped, "GET {segment} HTTP/1.1\r\nHost: g\r\n\r\n").unwrap();
    let open = || gateway.app.door().count().0;
    let began = Instant::now();
    while open() == 0 {
        assert!(began.elapsed() < Duration::from_secs(5));
    }
    while open() > 0 {
        assert!(began.elapsed() < Duration::from_secs(15), "it is held");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(is_served(&gateway));
}

#[test]
fn ten_thousand_idle_connections_hold_nobody_up() {
    let gateway = gateway("[limits]\nfirst_request_secs = 3\n");
    // As many as this process may have: both ends are its own.
    let limit = std::fs::read_to_string("/proc/self/limits").unwrap();
    let limit = limit.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let limit: usize = limit.split_whitespace().nth(3).unwrap().parse().unwrap_or(usize::MAX);
    let wanted = 10_000.min(limit.saturating_sub(200) / 2);
    let idle: Vec<_> = (0..wanted).map_while(|_| TcpStream::connect(gateway.addr()).ok()).collect();
    assert_eq!(idle.len(), wanted);
    let began = Instant::now();
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter(MASTER);
    assert_eq!(viewer.status(&session), 200);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let open = || gateway.app.door().count().0;
    while open() > 1 {
        assert!(began.elapsed() < Duration::from_secs(20), "{} are open", open());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn heads_that_are_too_long_are_refused() {
    let gateway = gateway("");
    let long = "x".repeat(64 << 10);
    let mut client = connect(gateway.addr());
    let _ = write!(client, "GET /healthz HTTP/1.1\r\nHost: g\r\nX-Long: {long}\r\n\r\n");
    assert!(rest(&mut client).starts_with("HTTP/1.1 431"));
    let mut client = connect(gateway.addr());
    let _ = write!(client, "GET /{long} HTTP/1.1\r\nHost: g\r\n\r\n");
    let told = rest(&mut client);
    assert!(told.starts_with("HTTP/1.1 414") || told.starts_with("HTTP/1.1 431"), "{told}");
    // Many small ones, too.
    let mut client = connect(gateway.addr());
    let many: String = (0..200).map(|number| format!("X-{number}: 1\r\n")).collect();
    let _ = write!(client, "GET /healthz HTTP/1.1\r\nHost: g\r\n{many}\r\n");
    assert!(rest(&mut client).starts_with("HTTP/1.1 431"));
    assert!(is_served(&gateway));
}

#[test]
fn requests_that_can_be_read_two_ways_are_refused() {
    let gateway = gateway("");
    for head in [
        "GET /healthz HTTP/1.1\r\nHost: g\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nGET /x",
        "GET /healthz HTTP/1.1\r\nHost: g\r\nContent-Length: +5\r\n\r\nhello",
        "GET /healthz HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: identity, chunked, x\r\n\r\n0\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost : g\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: g\r\n X: folded\r\n\r\n",
        "GET  /healthz HTTP/1.1\r\nHost: g\r\n\r\n",
        "GET /healthz HTTP/1.1\nHost: g\rX: y\n\n",
    ] {
        let mut client = connect(gateway.addr());
        client.write_all(head.as_bytes()).unwrap();
        // It may have been closed already.
        let _ = client.shutdown(Shutdown::Write);
        let told = rest(&mut client);
        assert!(told.starts_with("HTTP/1.1 400"), "{head:?}: {told}");
        assert_eq!(told.matches("HTTP/1.1 ").count(), 1, "{head:?}: {told}");
    }
    assert!(is_served(&gateway));
}

#[tokio::test]
async fn streams_that_are_reset_at_once_end_the_connection() {
    let gateway = std::thread::spawn(|| gateway("")).join().unwrap();
    let stream = tokio::net::TcpStream::connect(gateway.addr()).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut reset = 0;
    let request =
        || axum::http::Request::get(format!("http://{}/healthz", gateway.addr())).body(()).unwrap();
    for _ in 0..20_000 {
        match client.clone().ready().await {
            Ok(ready) => client = ready,
            Err(_) => break,
        }
        let Ok((answer, mut sent)) = client.send_request(request(), true) else { break };
        sent.send_reset(h2::Reason::CANCEL);
        drop(answer);
        reset += 1;
        if reset % 64 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let ended = tokio::time::timeout(Duration::from_secs(10), connection).await;
    let ended = ended.expect("the connection ends").unwrap();
    assert!(ended.is_err_and(|error| error.is_go_away() || error.is_io()), "after {reset} resets");
    let served = std::thread::spawn(move || (is_served(&gateway), gateway)).join().unwrap();
    assert!(served.0);
    std::thread::spawn(move || drop(served)).join().unwrap();
}
