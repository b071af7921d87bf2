//! Clients that ask for texts and read none of them.

use std::fmt::Write as _;
use std::net::SocketAddr;

use axum::http::Request;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

use super::hostile::{Hostile, Route};

/// A playlist of about so many MiB that is harmless.
pub(crate) fn playlist(route: Route, mib: usize) -> Hostile {
    const LINE_BYTES: usize = 128;
    let mut text = String::from("#EXTM3U\n#EXT-X-TARGETDURATION:4\n");
    for number in 0..(mib << 20) / LINE_BYTES {
        let _ = write!(text, "#EXTINF:4,\n{number:0>113}.ts\n");
    }
    text.push_str("#EXT-X-ENDLIST\n");
    Hostile { file: "silent.m3u8", text, query: String::new(), route }
}

/// Requests whose answers nobody reads, on one connection.
pub(crate) struct Silent {
    pub(crate) statuses: Vec<u16>,
    _bodies: Vec<h2::RecvStream>,
    _runtime: Runtime,
}

impl Silent {
    /// Asks for each target, one behind the other, and reads the heads alone. HTTP/2 takes 64 KiB of all
    /// bodies together.
    pub(crate) fn ask(addr: SocketAddr, targets: &[String]) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (statuses, bodies) = runtime.block_on(async {
            let stream = TcpStream::connect(addr).await.unwrap();
            let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
            tokio::spawn(connection);
            let (mut statuses, mut bodies) = (Vec::new(), Vec::new());
            for target in targets {
                let request = Request::get(format!("http://{addr}{target}")).body(()).unwrap();
                client = client.ready().await.unwrap();
                let (answer, _) = client.send_request(request, true).unwrap();
                let answer = answer.await.unwrap();
                statuses.push(answer.status().as_u16());
                bodies.push(answer.into_body());
            }
            (statuses, bodies)
        });
        Self { statuses, _bodies: bodies, _runtime: runtime }
    }
}
