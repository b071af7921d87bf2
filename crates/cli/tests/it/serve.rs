//! `sluicegate serve`: the gateway as a process.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::folder::{Folder, config, streams};
use crate::run::{Run, program, without_key};
use crate::serving::Serving;

const MASTER: &str = "/videos/subdirs/master.m3u8";

/// More than the buffers of a connection hold.
const SLOW_BYTES: u64 = 32 << 20;

fn command(folder: &Folder, origin: &str) -> std::process::Command {
    let file = folder.write("gateway.toml", config("127.0.0.1:0", origin));
    let mut command = program();
    command.args(["serve", "--config"]).arg(file);
    command
}

fn start(folder: &Folder, origin: &str) -> Serving {
    Serving::start(&mut command(folder, origin), "gateway")
}

/// Follows an entry link for `path` to its session path.
fn enter(folder: &Folder, gateway: &Serving, path: &str) -> String {
    let entered = gateway.get(&folder.sign(&gateway.url(path), &[]));
    assert_eq!(entered.status, 302, "{}", entered.text());
    let session = entered.header("location").unwrap();
    assert!(session.starts_with("/s/") && session.ends_with(path), "{session}");
    session.to_owned()
}

#[test]
fn a_signed_link_leads_to_the_stream() {
    let folder = Folder::new();
    let gateway = start(&folder, &streams());
    assert_eq!(gateway.stdout(), format!("gateway: {}\n", gateway.url("/")));
    let session = enter(&folder, &gateway, MASTER);
    let playlist = gateway.get(&session);
    assert_eq!(playlist.status, 200);
    assert!(playlist.text().starts_with("#EXTM3U"), "{}", playlist.text());
    assert_eq!(gateway.get(&session.replace("master", "360p/index")).status, 200);
    assert_eq!(gateway.get(&session.replace("master.m3u8", "360p/seg-0.m4s")).status, 200);
    for (path, status) in
        [(MASTER, 403), ("/s/x/videos/a.ts", 403), ("/healthz", 200), ("/readyz", 200)]
    {
        assert_eq!(gateway.get(path).status, status, "{path}");
    }
}

/// A core dump would hold the keys.
#[cfg(target_os = "linux")]
#[test]
fn a_core_dump_is_written_only_where_that_is_wanted() {
    let folder = Folder::new();
    let limit = |more: &[&str]| {
        let mut start = command(&folder, &streams());
        let gateway = Serving::start(start.args(more), "gateway");
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", gateway.id())).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        line.split_whitespace().nth(4).unwrap().to_owned()
    };
    assert_eq!(limit(&[]), "0");
    let own = std::fs::read_to_string("/proc/self/limits").unwrap();
    let own = own.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(limit(&["--core-dumps"]), own.split_whitespace().nth(4).unwrap());
}

#[test]
fn operators_have_a_listener_of_their_own() {
    let folder = Folder::new();
    let config = config("127.0.0.1:0", &streams()) + "\n[admin]\nlisten = \"127.0.0.1:0\"\n";
    let file = folder.write("gateway.toml", config);
    let mut command = program();
    command.args(["serve", "--config"]).arg(file);
    // The line of the gateway comes first.
    let admin = Serving::start(&mut command, "admin");
    let page = admin.get("/");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let metrics = admin.get("/metrics").text();
    assert!(metrics.contains("sluicegate_sessions 0") && metrics.ends_with("# EOF\n"), "{metrics}");
    assert!(admin.stdout().starts_with("gateway: http://127.0.0.1:"), "{}", admin.stdout());
}

#[test]
fn a_port_in_use_is_a_failure_that_says_what_to_do() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let file = folder.write("gateway.toml", config(&addr, &streams()));
    let run = Run::of(without_key().args(["serve", "--config"]).arg(file));
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert_eq!(
        run.stderr,
        format!(
            "sluicegate: cannot listen on {addr}: the port is in use; stop the other program or \
             choose another port (0 picks a free one)\n"
        )
    );
}

#[test]
fn an_origin_that_is_down_is_502_and_the_log_says_why() {
    let folder = Folder::new();
    // Nobody listens on port 1.
    let gateway = start(&folder, "http://127.0.0.1:1/");
    let session = enter(&folder, &gateway, MASTER);
    let failed = gateway.get(&session);
    assert_eq!(failed.status, 502);
    let body: Value = serde_json::from_slice(&failed.body).unwrap();
    let fields: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["code", "request_id"]);
    assert_eq!(body["code"], "origin-unreachable");
    let id = body["request_id"].as_str().unwrap();
    assert_eq!(failed.header("x-request-id"), Some(id));
    let log = gateway.log(2);
    let line = log.iter().find(|line| line.contains(id)).unwrap();
    assert!(line.contains("the origin cannot be reached") && line.contains(" WARN "), "{line}");
    // The process is well; it is for the origin that somebody has to look.
    assert_eq!(gateway.get("/healthz").status, 200);
}

/// The status and headers' end of an answer that is read by and by.
fn read_head(stream: &mut BufReader<TcpStream>) -> (String, u64) {
    let (mut status, mut length) = (String::new(), 0);
    stream.read_line(&mut status).unwrap();
    loop {
        let mut line = String::new();
        assert_ne!(stream.read_line(&mut line).unwrap(), 0, "the answer is cut: {status}");
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            return (status, length);
        }
    }
}

fn open(gateway: &Serving) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(gateway.addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    BufReader::new(stream)
}

fn send(stream: &mut BufReader<TcpStream>, text: &str) {
    stream.get_mut().write_all(text.as_bytes()).unwrap();
}

/// A gateway with a file too large for the buffers of a connection, and a download of it that has
/// begun.
fn slow_download(folder: &Folder) -> (Serving, BufReader<TcpStream>) {
    let media = folder.path().join("media/a");
    std::fs::create_dir_all(&media).unwrap();
    std::fs::write(media.join("master.m3u8"), "#EXTM3U\n").unwrap();
    write_sparse(&media.join("long.ts"), SLOW_BYTES);
    let gateway = start(folder, "file:media");
    let session = enter(folder, &gateway, "/videos/a/master.m3u8");
    let target = session.replace("master.m3u8", "long.ts");
    let mut download = open(&gateway);
    send(&mut download, &format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
    let (status, length) = read_head(&mut download);
    assert_eq!((status.as_str(), length), ("HTTP/1.1 200 OK\r\n", SLOW_BYTES));
    (gateway, download)
}

fn write_sparse(path: &Path, len: u64) {
    std::fs::File::create(path).unwrap().set_len(len).unwrap();
}

#[test]
fn a_signal_lets_downloads_end_and_takes_no_new_ones() {
    for signal in ["TERM", "INT"] {
        let folder = Folder::new();
        let (mut gateway, mut download) = slow_download(&folder);
        let mut other = open(&gateway);
        // Half a request, so that the connection is not idle when the stop begins.
        send(&mut other, "GET /readyz HTTP/1.1\r\n");
        assert_eq!(gateway.get("/readyz").status, 200);

        gateway.signal(signal);
        gateway.wait_until_closed();
        send(&mut other, "Host: x\r\n\r\n");
        assert_eq!(read_head(&mut other).0, "HTTP/1.1 503 Service Unavailable\r\n");

        let mut body = Vec::new();
        download.read_to_end(&mut body).unwrap();
        assert_eq!(body.len() as u64, SLOW_BYTES, "{signal}");
        assert_eq!(gateway.exit_code(), Some(0), "{signal}");
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    let folder = Folder::new();
    let (mut gateway, _download) = slow_download(&folder);
    gateway.signal("INT");
    gateway.wait_until_closed();
    gateway.signal("INT");
    assert_eq!(gateway.exit_code(), Some(2));
    let log = gateway.log(1).join("\n");
    assert!(log.contains("sluicegate: told to stop a second time"), "{log}");
}

/// What the gateway is asked in the tests of the log; the status of each answer.
fn ask(folder: &Folder, gateway: &Serving) -> Vec<(&'static str, &'static str, u16)> {
    let session = enter(folder, gateway, MASTER);
    let query = "?md5=c2VjcmV0LXRva2VuLTAwMQ&expires=4102444800&viewer=alice";
    assert_eq!(gateway.get(&session).status, 200);
    assert_eq!(gateway.request("HEAD", &session, &[]).status, 200);
    assert_eq!(gateway.get(&format!("{MASTER}{query}")).status, 403);
    assert_eq!(gateway.get(&session.replacen("/s/", "/s/x", 1)).status, 403);
    let referer = gateway.url(&session);
    assert_eq!(gateway.get_with("/readyz?viewer=alice", &[("Referer", &referer)]).status, 200);
    vec![
        ("GET", MASTER, 302),
        ("GET", MASTER, 200),
        ("HEAD", MASTER, 200),
        ("GET", MASTER, 403),
        ("GET", MASTER, 403),
        ("GET", "/readyz", 200),
    ]
}

/// Nothing that opens anything: no query, no token of a link or a session.
fn assert_opens_nothing(lines: &[String]) {
    for line in lines {
        for part in ["md5", "expires=", "viewer", "alice", "c2VjcmV0", "/s/", "?"] {
            assert!(!line.contains(part), "{part} in {line}");
        }
    }
}

#[test]
fn the_text_log_has_a_line_a_request_and_opens_nothing() {
    let folder = Folder::new();
    let gateway = start(&folder, &streams());
    let asked = ask(&folder, &gateway);
    let log = gateway.log(asked.len());
    assert_eq!(log.len(), asked.len(), "{log:#?}");
    let mut ids = std::collections::HashSet::new();
    for (line, (method, path, status)) in log.iter().zip(asked) {
        for part in
            [format!("method={method} "), format!("path={path:?} "), format!("status={status} ")]
        {
            assert!(line.contains(&part), "{part} is not in {line}");
        }
        let id = line.split_once(" request_id=").unwrap().1.split(' ').next().unwrap();
        assert!(id.len() == 16 && ids.insert(id.to_owned()), "{line}");
    }
    assert_opens_nothing(&log);
}

#[test]
fn the_json_log_has_an_object_a_request_and_opens_nothing() {
    let folder = Folder::new();
    let gateway =
        Serving::start(command(&folder, &streams()).args(["--log-format", "json"]), "gateway");
    let asked = ask(&folder, &gateway);
    let log = gateway.log(asked.len());
    assert_eq!(log.len(), asked.len(), "{log:#?}");
    for (line, (method, path, status)) in log.iter().zip(asked) {
        let line: Value = serde_json::from_str(line).unwrap();
        let fields = &line["fields"];
        assert_eq!((&fields["method"], &fields["path"]), (&method.into(), &path.into()), "{line}");
        assert_eq!(fields["status"], status, "{line}");
        assert_eq!(fields["request_id"].as_str().unwrap().len(), 16, "{line}");
        assert_eq!(line["level"], "INFO");
    }
    assert_opens_nothing(&log);
}

/// The libraries beneath have much to tell at this level.
#[test]
fn all_that_can_be_logged_opens_nothing() {
    let folder = Folder::new();
    let gateway =
        Serving::start(command(&folder, &streams()).env("SLUICEGATE_LOG", "trace"), "gateway");
    let asked = ask(&folder, &gateway);
    assert_opens_nothing(&gateway.log(asked.len()));
}

#[test]
fn a_log_level_that_is_none_is_a_usage_error() {
    let folder = Folder::new();
    for filter in ["verbose", "info,sluicegate_gateway=loud", "info;debug"] {
        let mut command = command(&folder, &streams());
        let run = Run::of(&mut assert_cmd::Command::from_std({
            command.env("SLUICEGATE_LOG", filter);
            command
        }));
        assert_eq!((run.code, run.stdout.as_str()), (64, ""), "{filter}");
        assert!(
            run.stderr.contains("SLUICEGATE_LOG") && run.stderr.contains("debug"),
            "{}",
            run.stderr
        );
    }
}
