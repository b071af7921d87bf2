//! What clients send that mean no good, to the gateway itself and through docker's nginx: each row of
//! the tables in docs/security.md is what is observed here.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use sluicegate_testkit::port::free_port;
use sluicegate_testkit::{fixtures, require_tools};

use crate::balancer::balance;
use crate::folder::{Folder, config, streams};
use crate::run::program;
use crate::serving::Serving;

/// Long enough for an answer; a connection that is kept after it says nothing more.
const WAIT: Duration = Duration::from_millis(700);

/// The statuses of all answers to some bytes, with ` closed` if the connection ends by itself. Who closes
/// with something unread resets the connection, and an answer may be lost with it: then again.
fn answers(addr: SocketAddr, sent: &[u8]) -> String {
    let mut tries = (0..5).map(|_| answers_once(addr, sent));
    tries.find(|told| told != "closed").unwrap_or_else(|| "closed".to_owned())
}

fn answers_once(addr: SocketAddr, sent: &[u8]) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(WAIT)).unwrap();
    // Whoever refuses early does not read all.
    let _ = stream.write_all(sent);
    let (mut all, mut piece, mut is_kept) = (Vec::new(), [0; 4096], false);
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => all.extend_from_slice(&piece[..count]),
            Err(error) => {
                is_kept = error.kind() == std::io::ErrorKind::WouldBlock;
                break;
            }
        }
    }
    let text = String::from_utf8_lossy(&all);
    let statuses: Vec<&str> = text.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    let end = if is_kept { "" } else { ", closed" };
    if statuses.is_empty() { "closed".to_owned() } else { format!("{}{end}", statuses.join(", ")) }
}

/// Name, and what is sent.
fn requests() -> Vec<(String, Vec<u8>)> {
    let long = "x".repeat(64 << 10);
    let many: String = (0..200).map(|number| format!("X-{number}: 1\r\n")).collect();
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: g\r\n\r\n";
    let whole = [
        (
            "two lengths",
            "GET /healthz HTTP/1.1\r\nHost: g\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"
                .to_owned(),
        ),
        (
            "CL.TE: a length, and chunks behind which a request hides",
            format!(
                "GET /healthz HTTP/1.1\r\nHost: g\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n\
                 0\r\n\r\n{smuggled}"
            ),
        ),
        (
            "TE.CL: chunks, and a length after which a request hides",
            format!(
                "POST /healthz HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n\
                 {:x}\r\n{smuggled}\r\n0\r\n\r\n",
                smuggled.len()
            ),
        ),
        (
            "TE.TE: `Transfer-Encoding: xchunked`",
            format!("GET /healthz HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{smuggled}"),
        ),
        (
            "`Transfer-Encoding :` with a blank",
            "GET /healthz HTTP/1.1\r\nHost: g\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n".to_owned(),
        ),
        (
            "two of `Transfer-Encoding`",
            "GET /healthz HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\
             Transfer-Encoding: identity\r\n\r\n0\r\n\r\n"
                .to_owned(),
        ),
        ("a folded header", "GET /healthz HTTP/1.1\r\nHost: g\r\n X: folded\r\n\r\n".to_owned()),
        ("a bare CR", "GET /healthz HTTP/1.1\r\nHost: g\rX: y\r\n\r\n".to_owned()),
        ("no `Host`", "GET /healthz HTTP/1.1\r\n\r\n".to_owned()),
        ("two of `Host`", "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned()),
        ("a header of 64 KiB", format!("GET /healthz HTTP/1.1\r\nHost: g\r\nX: {long}\r\n\r\n")),
        ("a path of 64 KiB", format!("GET /{long} HTTP/1.1\r\nHost: g\r\n\r\n")),
        ("200 headers", format!("GET /healthz HTTP/1.1\r\nHost: g\r\n{many}\r\n")),
    ];
    let paths = [
        "/videos/../x",
        "/videos/%2e%2e/x",
        "/videos/a%2fb",
        "/videos/a%00b",
        "/videos//x",
        "//videos/x",
        "/videos/a\\b",
        "/videos/a%5cb",
        "/videos/a%0d%0ab",
        "/videos/%zz",
        "/videos/a;b",
        "/videos/..;/x",
        "/videos/%252e%252e/x",
        "/videos/a%252fb",
        "/videos/%c0%ae%c0%ae/x",
        "/s/AAAA/../videos/x",
    ];
    let whole = whole.into_iter().map(|(name, sent)| (name.to_owned(), sent.into_bytes()));
    let paths = paths.into_iter().map(|path| {
        let sent = format!("GET {path} HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n");
        (format!("`GET {path}`"), sent.into_bytes())
    });
    whole.chain(paths).collect()
}

#[test]
fn what_is_observed_is_documented() {
    require_tools!("nginx");
    let folder = Folder::new();
    folder.write("gateway.toml", config("127.0.0.1:0", &streams()));
    let mut command = program();
    command.args(["serve", "--config"]).arg(folder.path().join("gateway.toml"));
    let gateway = Serving::start(&mut command, "gateway");
    let nginx = free_port().unwrap();
    let _nginx = balance(&folder, nginx, &[gateway.addr(); 3]);
    let documented =
        std::fs::read_to_string(fixtures::workspace_root().join("docs/security.md")).unwrap();
    let mut missing = String::new();
    for (name, sent) in requests() {
        let row =
            format!("| {name} | {} | {} |", answers(gateway.addr(), &sent), answers(nginx, &sent));
        if !documented.contains(&row) {
            missing += &format!("{row}\n");
        }
    }
    assert!(missing.is_empty(), "docs/security.md has other rows than these:\n{missing}");
    let log = gateway.log(1);
    assert!(log.iter().all(|line| !line.contains("smuggled")), "{log:?}");
    assert!(log.len() > 20, "{log:?}");
    assert_eq!(gateway.get("/healthz").status, 200);
}
