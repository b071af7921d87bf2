//! Bodies go through as they come.

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use futures_util::StreamExt as _;
use sluicegate_testkit::Gateway;

use crate::support::{Site, Viewer, Watched, folder, multivariant};

const PIECE: usize = 64 << 10;
const BODY: usize = 200 << 20;

/// Bytes of this process that are in memory.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

/// Sends a GET and leaves the answer unread.
fn ask(gateway: &Gateway, target: &str) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n").unwrap();
    stream
}

#[test]
fn a_body_of_200_mb_is_not_gathered_in_memory() {
    let sent = Arc::new(AtomicUsize::new(0));
    let log = Arc::clone(&sent);
    let big = move || async move {
        let piece = Bytes::from(vec![0x47; PIECE]);
        let pieces = futures_util::stream::iter(0..BODY / PIECE).map(move |_| {
            log.fetch_add(PIECE, Ordering::Relaxed);
            Ok::<_, Infallible>(piece.clone())
        });
        Body::from_stream(pieces)
    };
    let origin = Watched::start(Router::new().fallback(get(big)));
    let gateway = Site::default().start(&origin.url("/"));
    let session = Viewer::of(&gateway).enter("/v/master.m3u8");
    let before = resident_bytes();
    let mut stream = ask(&gateway, &session.replace("master.m3u8", "big.ts"));
    let mut first = vec![0; 1 << 20];
    stream.read_exact(&mut first).unwrap();
    assert!(first.starts_with(b"HTTP/1.1 200 OK\r\n"));
    // Whoever gathers has time to do it.
    std::thread::sleep(Duration::from_millis(300));
    let sent = sent.load(Ordering::Relaxed);
    assert!(sent < BODY / 4, "the origin has sent {sent} bytes to a reader of one MiB");
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < BODY / 2, "{grown} bytes more in memory");
}

#[test]
fn what_is_no_manifest_is_not_read_to_its_end_to_find_that_out() {
    let sent = Arc::new(AtomicUsize::new(0));
    let log = Arc::clone(&sent);
    let video = move || async move {
        let pieces = futures_util::stream::iter(0..BODY / PIECE).map(move |_| {
            log.fetch_add(PIECE, Ordering::Relaxed);
            Ok::<_, Infallible>(Bytes::from(vec![0x47; PIECE]))
        });
        Body::from_stream(pieces)
    };
    let origin = Watched::start(Router::new().fallback(get(video)));
    let gateway = Site::default().start(&origin.url("/"));
    let mut viewer = Viewer::of(&gateway);
    assert_eq!(viewer.get(&viewer.link("/v/video.ts")).status, 403);
    let session = viewer.enter("/v/video.m3u8");
    assert_eq!(viewer.status(&session), 502);
    let sent = sent.load(Ordering::Relaxed);
    assert!(sent < 12 << 20, "{sent} bytes were sent");
}

#[test]
fn the_first_bytes_of_a_segment_arrive_before_its_last_ones_are_made() {
    let slow = || async {
        let pieces = futures_util::stream::unfold(0, |at| async move {
            match at {
                0 => Some((Ok::<_, Infallible>(Bytes::from_static(b"first")), 1)),
                1 => std::future::pending().await,
                _ => None,
            }
        });
        Body::from_stream(pieces)
    };
    let origin = Watched::start(Router::new().fallback(get(slow)));
    let gateway = Site::default().start(&origin.url("/"));
    let session = Viewer::of(&gateway).enter("/v/master.m3u8");
    let mut stream = ask(&gateway, &session.replace("master.m3u8", "slow.ts"));
    let began = Instant::now();
    let mut text = Vec::new();
    while !text.windows(5).any(|bytes| bytes == b"first") {
        let mut piece = [0; 1024];
        let read = stream.read(&mut piece).unwrap();
        assert_ne!(read, 0, "the answer ended: {}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&piece[..read]);
    }
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_big_file_of_a_folder_arrives_whole() {
    let media = folder(&[("v/master.m3u8", &multivariant(&["index.m3u8"]))]);
    let content: Vec<u8> = (0..3_000_000_usize).map(|at| (at * 31 / 7).to_le_bytes()[0]).collect();
    std::fs::write(media.path().join("v/big.ts"), &content).unwrap();
    let gateway = Site::default().folder(media.path());
    let mut viewer = Viewer::of(&gateway);
    let segment = viewer.enter("/v/master.m3u8").replace("master.m3u8", "big.ts");
    assert!(viewer.get(&segment).body == content);
    let part = viewer.ask("GET", &segment, &[("Range", "bytes=1000000-2499999")]);
    assert!(part.status == 206 && part.body == content[1_000_000..2_500_000]);
}
