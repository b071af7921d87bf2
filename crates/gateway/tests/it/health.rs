//! Health, and stopping without cutting anybody off.

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use sluicegate_testkit::clock::ManualClock;
use sluicegate_testkit::gateway::{self, entry_path};
use sluicegate_testkit::http::Client;

use crate::support::{Site, Viewer, Watched, folder, multivariant};

#[test]
fn a_gateway_tells_that_it_lives_and_whether_it_is_ready() {
    let outside = folder(&[("media/v/master.m3u8", &multivariant(&["a.m3u8"]))]);
    let gateway = Site::default().folder(&outside.path().join("media"));
    let mut viewer = Viewer::of(&gateway);
    let mut ready = || {
        let (health, ready) = (viewer.get("/healthz"), viewer.get("/readyz"));
        assert_eq!((health.status, health.text().as_str()), (200, "ok\n"));
        for answer in [&health, &ready] {
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
        assert_eq!(viewer.ask("HEAD", "/readyz", &[]).status, ready.status);
        (ready.status, ready.text())
    };
    assert_eq!(ready(), (200, "ready\n".to_owned()));
    std::fs::rename(outside.path().join("media"), outside.path().join("moved")).unwrap();
    let (status, why) = ready();
    assert_eq!(status, 503);
    assert!(why.contains("vod") && !why.contains(outside.path().to_str().unwrap()), "{why}");
    std::fs::rename(outside.path().join("moved"), outside.path().join("media")).unwrap();
    assert_eq!(ready().0, 200);
    gateway.app.drain();
    assert_eq!(ready(), (503, "stopping\n".to_owned()));
}

#[test]
fn a_gateway_that_stops_still_serves_who_is_there_already() {
    let gateway = Site::default().folder(&sluicegate_testkit::fixtures::streams());
    let mut viewer = Viewer::of(&gateway);
    let session = viewer.enter("/subdirs/master.m3u8");
    gateway.app.drain();
    assert_eq!(viewer.status(&session), 200);
}

/// A byte that no header holds.
static PIECE: [u8; 1000] = [0xAA; 1000];

/// A body of ten pieces, one each tenth of a second.
fn slow_body() -> Body {
    let pieces = futures_util::stream::unfold(0, |at| async move {
        if at == 10 {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        Some((Ok::<_, Infallible>(Bytes::from_static(&PIECE)), at + 1))
    });
    Body::from_stream(pieces)
}

#[test]
fn stopping_waits_for_a_running_download_and_takes_no_new_connection() {
    let origin = Watched::start(Router::new().fallback(get(async || slow_body())));
    let keys = tempfile::tempdir().unwrap();
    let clock = ManualClock::at_real_time();
    let config = Site::default().config(&origin.url("/"));
    let app = gateway::build(&config, keys.path(), &clock).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listening = runtime.block_on(sluicegate_gateway::bind(([127, 0, 0, 1], 0).into())).unwrap();
    let addr = listening.addr();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let was_told = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&was_told);
    let shutdown = async move {
        let _ = stopped.await;
    };
    let serving = runtime.spawn(sluicegate_gateway::serve(
        listening,
        app.router(),
        app.door().clone(),
        shutdown,
        move || {
            told.store(true, Ordering::SeqCst);
        },
    ));

    use sluicegate_gateway::Clock as _;
    let link = entry_path("/v/master.m3u8", clock.now().saturating_add(60));
    let entry = Client::connect(addr).unwrap().get(link.as_bytes(), &[]).unwrap();
    let segment = entry.header("location").unwrap().replace("master.m3u8", "seg.ts");
    let mut download = TcpStream::connect(addr).unwrap();
    download.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(download, "GET {segment} HTTP/1.1\r\nHost: gateway\r\n\r\n").unwrap();
    let mut first = [0; 12];
    download.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");

    stop.send(()).unwrap();
    let began = Instant::now();
    while Client::connect(addr).is_ok() {
        assert!(began.elapsed() < Duration::from_secs(5), "it still takes connections");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(was_told.load(Ordering::SeqCst));
    assert!(!serving.is_finished(), "it stopped before the download ended");
    let mut rest = Vec::new();
    download.read_to_end(&mut rest).unwrap();
    assert_eq!(rest.iter().filter(|&&byte| byte == PIECE[0]).count(), 10 * PIECE.len());
    assert!(rest.ends_with(b"0\r\n\r\n"), "the download was cut");
    runtime.block_on(serving).unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "it waited for more than the download");
}
