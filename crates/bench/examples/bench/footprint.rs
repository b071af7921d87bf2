//! What the program itself takes: on disk, at its start, and idle.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use sluicegate_testkit::port::free_port;

use crate::inputs::Inputs;
use crate::report::{Figures, Report};
use crate::servers::{Origin, Server, program};

const STARTS: usize = 11;

pub(crate) fn measure(report: &mut Report) {
    let inputs = Inputs::write();
    let origin = Origin::start(&inputs);
    let bytes = std::fs::metadata(program()).unwrap().len();
    let mut starts: Vec<Duration> = (0..STARTS).map(|_| cold_start(&inputs, &origin)).collect();
    starts.sort_unstable();
    let gateway = Server::gateway(&inputs, &origin, "");
    // Until it has settled.
    std::thread::sleep(Duration::from_secs(2));
    let idle = gateway.footprint().resident_kib as f64 / 1024.0;
    report.note(&Figures {
        name: "footprint",
        title: "The program itself".to_owned(),
        columns: &["value"],
        rows: vec![
            ("binary, MB".to_owned(), vec![format!("{:.1}", bytes as f64 / 1e6)]),
            (
                "start to the first byte of a manifest's answer, ms".to_owned(),
                vec![format!("{:.1}", starts[STARTS / 2].as_secs_f64() * 1e3)],
            ),
            ("idle, RSS MiB".to_owned(), vec![format!("{idle:.1}")]),
        ],
    });
}

/// From the program's start until it answers a link.
fn cold_start(inputs: &Inputs, origin: &Origin) -> Duration {
    let addr: SocketAddr = free_port().unwrap();
    let began = Instant::now();
    let mut child = Server::spawn_at(inputs, origin, addr);
    let target = inputs.signed("/v/linked/index.m3u8");
    let answered = loop {
        if let Some(answered) = first_byte(addr, &target) {
            break answered;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "it does not answer");
        std::thread::sleep(Duration::from_micros(200));
    };
    child.kill().unwrap();
    child.wait().unwrap();
    answered - began
}

/// When the first byte of an answer came, if anybody answers.
fn first_byte(addr: SocketAddr, target: &str) -> Option<Instant> {
    let mut stream = TcpStream::connect(addr).ok()?;
    write!(stream, "GET {target} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n").ok()?;
    let mut first = [0];
    stream.read_exact(&mut first).ok()?;
    Some(Instant::now())
}
