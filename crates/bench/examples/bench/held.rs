//! Low latency: viewers who ask for a playlist that is not out yet, and get it at once when it is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::{Uri, header};
use axum::routing::get;
use sluicegate_bench::low_latency_playlist;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;

use crate::inputs::Inputs;
use crate::report::{Figures, Report};
use crate::servers::Server;

const VIEWERS: usize = 1_000;
const ROUNDS: u64 = 10;
/// Until all that ask wait.
const SETTLE: Duration = Duration::from_millis(700);

pub(crate) fn release(report: &mut Report) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (out, is_out) = watch::channel(0_u64);
    let origin = runtime.block_on(origin(is_out));
    let inputs = Inputs::write();
    let gateway = Server::gateway_of(&inputs, "held", &format!("http://{origin}/live/"));
    // The origin runs where the viewers do, so it must run while sessions are opened, too.
    let sessions = std::thread::scope(|scope| {
        let opened = scope.spawn(|| gateway.sessions_of("/v/held/video/index.m3u8", 0..VIEWERS));
        runtime.block_on(async {
            while !opened.is_finished() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        opened.join().unwrap()
    });
    let mut took = Vec::new();
    for round in 1..=ROUNDS {
        took.extend(runtime.block_on(one_round(&gateway, &sessions, round, &out)));
    }
    took.sort_unstable();
    let ms = |share: f64| {
        let at = (share * (took.len() - 1) as f64).round() as usize;
        took[at].as_secs_f64() * 1e3
    };
    report.note(&Figures {
        name: "held",
        title: format!(
            "{VIEWERS} requests for a low-latency playlist of 200 parts, held and released at once, {ROUNDS} times"
        ),
        columns: &["p50 ms", "p99 ms", "longest ms"],
        rows: vec![(
            "from the origin's answer to the last byte".to_owned(),
            [0.5, 0.99, 1.0].map(|share| format!("{:.1}", ms(share))).to_vec(),
        )],
    });
}

/// An origin that holds what is asked with `_HLS_msn` until that is out.
async fn origin(is_out: watch::Receiver<u64>) -> SocketAddr {
    let text: Arc<str> = low_latency_playlist().into();
    let answer = move |uri: Uri| {
        let (mut is_out, text) = (is_out.clone(), Arc::clone(&text));
        async move {
            let wanted = uri.query().and_then(|query| query.split_once("_HLS_msn="));
            let wanted = wanted.and_then(|(_, number)| number.split('&').next()?.parse().ok());
            if let Some(wanted) = wanted {
                let waited = is_out.wait_for(|out| *out >= wanted).await;
                waited.expect("the bench goes on");
            }
            ([(header::CONTENT_TYPE, "application/vnd.apple.mpegurl")], text.to_string())
        }
    };
    let router = Router::new().route("/live/video/index.m3u8", get(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    addr
}

async fn one_round(
    gateway: &Server,
    sessions: &[String],
    round: u64,
    out: &watch::Sender<u64>,
) -> Vec<Duration> {
    let ask = |session: &String| {
        let target = session.replacen("{file}", "index.m3u8", 1);
        let addr = gateway.addr;
        tokio::spawn(async move {
            let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
            let request = format!(
                "GET {target}?_HLS_msn={round} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            let end = Instant::now();
            assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
            assert!(answer.len() > 10_000, "{} bytes", answer.len());
            end
        })
    };
    let asked: Vec<_> = sessions.iter().map(ask).collect();
    tokio::time::sleep(SETTLE).await;
    let released = Instant::now();
    out.send_replace(round);
    let mut took = Vec::new();
    for asked in asked {
        took.push(asked.await.unwrap() - released);
    }
    took
}
