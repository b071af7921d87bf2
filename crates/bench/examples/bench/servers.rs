//! The servers: each a process of its own on core 0, and the origin of both on core 1.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sluicegate_testkit::http::Client;
use sluicegate_testkit::port::free_port;
use sluicegate_testkit::process::wait_for_port;

use crate::inputs::{BEARER, Inputs, SECRET};

/// The core of the servers, and the one of everything else.
const SERVER_CORE: &str = "0";
pub(crate) const CLIENT_CORE: &str = "1";

/// A server under load; it ends with this.
pub(crate) struct Server {
    child: Child,
    pub(crate) addr: SocketAddr,
}

/// nginx with the media, for the gateway and for the nginx that passes on.
pub(crate) struct Origin {
    server: Server,
    log: PathBuf,
}

/// Memory and files of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Footprint {
    pub(crate) resident_kib: u64,
    pub(crate) open_files: usize,
    /// Of processor time since its start, in hundredths of a second.
    pub(crate) ticks: u64,
}

impl Origin {
    pub(crate) fn start(inputs: &Inputs) -> Self {
        let log = inputs.path("origin.log");
        let media = inputs.path("media").display().to_string();
        let locations = format!("location /live/ {{ alias {media}/; }}");
        let log_line = format!("access_log {} combined;", log.display());
        let server = nginx(inputs, "origin", CLIENT_CORE, &log_line, &locations);
        Self { server, log }
    }

    fn url(&self) -> String {
        format!("http://{}", self.server.addr)
    }

    /// How many requests it got so far.
    pub(crate) fn asked(&self) -> usize {
        fs::read(&self.log).map_or(0, |log| log.iter().filter(|byte| **byte == b'\n').count())
    }
}

/// The routes of the gateway, each with its origin and how it delivers: by the CDN with a token for each
/// directory or each file, bound to the viewer's address or not, or all by itself.
const ROUTES: [(&str, bool, &str); 10] = [
    ("live", true, "directory"),
    ("folder", false, "directory"),
    ("file", false, "file"),
    ("bound", false, "directory"),
    ("bound-file", false, "file"),
    ("query", false, ""),
    ("live-all", true, ""),
    ("folder-all", false, ""),
    ("linked", false, ""),
    ("many", false, "directory"),
];

/// Which of the gateway's programs is measured.
pub(crate) fn program() -> PathBuf {
    std::env::var_os("SLUICEGATE").map_or_else(|| "target/release/sluicegate".into(), PathBuf::from)
}

/// Leaves the servers' core to them.
pub(crate) fn stay_off_their_core() {
    let own = std::process::id().to_string();
    let moved = Command::new("taskset").args(["-acp", CLIENT_CORE, &own]).output();
    assert!(moved.is_ok_and(|moved| moved.status.success()), "taskset runs (util-linux)");
}

impl Server {
    /// The gateway, with all routes; `more` are tables and keys before them.
    pub(crate) fn gateway(inputs: &Inputs, origin: &Origin, more: &str) -> Self {
        let command = command(inputs, &config(inputs, origin, "127.0.0.1:0", more));
        Self::announced(command)
    }

    /// The gateway with one route over HTTP that it delivers itself.
    pub(crate) fn gateway_of(inputs: &Inputs, id: &str, origin: &str) -> Self {
        let route = format!(
            "[[route]]\nid = \"{id}\"\npath = \"/v/{id}/\"\norigin = \"{origin}\"\nforward_query = [\"_HLS_*\"]\n"
        );
        Self::announced(command(inputs, &(start_of_config("127.0.0.1:0", "") + &route)))
    }

    /// Starts the gateway at an address and does not wait for it.
    pub(crate) fn spawn_at(inputs: &Inputs, origin: &Origin, addr: SocketAddr) -> Child {
        let mut command = command(inputs, &config(inputs, origin, &addr.to_string(), ""));
        command.stdout(Stdio::null()).spawn().expect("the gateway starts")
    }

    /// nginx: the rendered playlist behind `secure_link`, the files, and the origin passed on.
    pub(crate) fn nginx(inputs: &Inputs, origin: &Origin) -> Self {
        let folder = inputs.folder().display();
        let locations = format!(
            "location /rendered/ {{ secure_link $arg_md5,$arg_expires; \
             secure_link_md5 \"$secure_link_expires$uri {SECRET}\"; \
             if ($secure_link = \"\") {{ return 403; }} if ($secure_link = \"0\") {{ return 410; }} \
             alias {folder}/rendered/; }}\n\
             location /files/ {{ alias {folder}/media/; }}\n\
             location /proxied/ {{ proxy_pass http://origin/; proxy_http_version 1.1; \
             proxy_set_header Connection \"\"; }}"
        );
        let upstream = format!(
            "access_log off; upstream origin {{ server {}; keepalive 64; }}",
            origin.server.addr
        );
        nginx(inputs, "nginx", SERVER_CORE, &upstream, &locations)
    }

    /// The bare handler.
    pub(crate) fn bare(inputs: &Inputs) -> Self {
        let own = std::env::current_exe().expect("the path of this program");
        let mut command = pinned(SERVER_CORE, own);
        command.arg("bare").arg(inputs.folder());
        Self::announced(command)
    }

    /// Starts a server that prints `name: http://address/`.
    fn announced(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the server starts");
        let mut stdout = child.stdout.take().expect("its output");
        let mut text = Vec::new();
        let mut byte = [0];
        while !text.ends_with(b"/\n") {
            assert_eq!(stdout.read(&mut byte).expect("its output"), 1, "the server ended");
            text.push(byte[0]);
        }
        let text = String::from_utf8(text).expect("an address");
        let addr = text.trim().trim_end_matches('/').rsplit('/').next().expect("an address");
        Self { child, addr: addr.parse().expect("an address") }
    }

    pub(crate) fn get(&self, target: &str) -> Vec<u8> {
        let mut client = Client::connect(self.addr).expect("the server accepts");
        let answer = client.get(target.as_bytes(), &[]).expect("the server answers");
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        answer.body
    }

    /// Opens sessions for a playlist by the API: their URLs, `{file}` in the place of the playlist's name.
    pub(crate) fn sessions(&self, route: &str, count: usize) -> Vec<String> {
        self.sessions_of(&format!("/v/{route}/index.m3u8"), 0..count)
    }

    /// The same for any path, for viewers of these numbers. Many calls are under way at once.
    pub(crate) fn sessions_of(&self, path: &str, viewers: std::ops::Range<usize>) -> Vec<String> {
        const AT_ONCE: usize = 64;
        let mut stream = TcpStream::connect(self.addr).expect("the gateway accepts");
        let mut answers = BufReader::new(stream.try_clone().expect("a socket"));
        let mut urls = Vec::with_capacity(viewers.len());
        let numbers: Vec<usize> = viewers.collect();
        for numbers in numbers.chunks(AT_ONCE) {
            let mut calls = String::new();
            for number in numbers {
                let body = format!("{{\"path\": \"{path}\", \"user\": \"viewer-{number}\"}}");
                write!(
                    calls,
                    "POST /v1/sessions HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {BEARER}\r\n\
                     Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                    self.addr,
                    body.len()
                )
                .expect("a string takes what is written");
            }
            stream.write_all(calls.as_bytes()).expect("the gateway reads");
            urls.extend(numbers.iter().map(|_| opened(&mut answers)));
        }
        urls
    }

    pub(crate) fn footprint(&self) -> Footprint {
        let process = format!("/proc/{}", self.child.id());
        let status = fs::read_to_string(format!("{process}/status")).expect("a running server");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        let resident_kib = line.trim().trim_end_matches("kB").trim().parse().expect("a number");
        let open_files = fs::read_dir(format!("{process}/fd")).expect("its files").count();
        let stat = fs::read_to_string(format!("{process}/stat")).expect("a running server");
        // Behind the name, which may hold anything: utime and stime are the 12th and 13th (proc(5)).
        let after_name = stat.rsplit(')').next().expect("a line");
        let ticks = after_name.split_whitespace().skip(11).take(2);
        let ticks = ticks.map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
        Footprint { resident_kib, open_files, ticks }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads one answer of the API: the session's URL.
fn opened(answers: &mut BufReader<TcpStream>) -> String {
    let (mut length, mut line) = (0, String::new());
    answers.read_line(&mut line).expect("an answer");
    assert!(line.contains(" 201 "), "{line}");
    loop {
        line.clear();
        answers.read_line(&mut line).expect("an answer");
        let text = line.trim().to_ascii_lowercase();
        if text.is_empty() {
            break;
        }
        if let Some(value) = text.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
    }
    let mut body = vec![0; length];
    answers.read_exact(&mut body).expect("an answer");
    let answer: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    let url = answer["urls"]["hls"].as_str().expect("a URL").to_owned();
    let path = url.splitn(4, '/').nth(3).expect("a path");
    format!("/{}", path.replacen("index.m3u8", "{file}", 1))
}

fn start_of_config(listen: &str, more: &str) -> String {
    // Some measurements ask with all connections for one session.
    let limits = "limits.session_requests = 1000\nlimits.session_bodies = 1000";
    format!(
        "listen = \"{listen}\"\n{limits}\n{more}\n[session]\nkey = {{ file = \"session.key\" }}\n[api]\nbearer = {{ \
         file = \"bearer.key\" }}\n"
    )
}

fn config(inputs: &Inputs, origin: &Origin, listen: &str, more: &str) -> String {
    let http = format!("{}/live/", origin.url());
    let folder = format!("file:{}", inputs.path("media").display());
    let mut config = start_of_config(listen, more);
    for (id, is_http, scope) in ROUTES {
        let origin = if is_http { &http } else { &folder };
        config +=
            &format!("[[route]]\nid = \"{id}\"\npath = \"/v/{id}/\"\norigin = \"{origin}\"\n");
        match (id, scope) {
            ("query", _) => config += "carry = \"query\"\n",
            ("linked", _) => config += "[route.entry]\nkey = { file = \"link.key\" }\n",
            (_, "") => {}
            (_, scope) => {
                let (key, is_bound) = match id.starts_with("bound") {
                    true => ("bound.key", true),
                    false => ("cdn.key", false),
                };
                config += &format!(
                    "segments = \"cdn\"\ncdn = {{ base_url = \"https://cdn.example.com/live/\", scope = \"{scope}\", \
                     bind_ip = {is_bound}, key = {{ file = \"{key}\" }} }}\n"
                );
            }
        }
    }
    config
}

fn command(inputs: &Inputs, config: &str) -> Command {
    inputs.put("gateway.toml", config.as_bytes());
    let mut command = pinned(SERVER_CORE, program());
    command.arg("serve").arg("--config").arg(inputs.path("gateway.toml"));
    command.env("SLUICEGATE_LOG", "warn");
    command
}

fn pinned(core: &str, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", core]).arg(program);
    command
}

fn nginx(inputs: &Inputs, name: &str, core: &str, http: &str, locations: &str) -> Server {
    let addr = free_port().expect("a free port");
    let folder = inputs.path(name);
    fs::create_dir_all(&folder).expect("a folder");
    let folder = folder.display();
    let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {folder}/{kind}; "))
        .concat();
    let config = format!(
        "daemon off; master_process off; user root; worker_processes 1; pid {folder}/pid; \
         error_log {folder}/error.log warn;\nevents {{ worker_connections 4096; }}\n\
         http {{ {temp} sendfile on; tcp_nopush on; keepalive_requests 100000000; open_file_cache max=1000; \
         types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; }}\n{http}\n\
         server {{ listen {addr}; {locations} }} }}\n"
    );
    inputs.put(&format!("{name}.conf"), config.as_bytes());
    let mut command = pinned(core, "nginx");
    command
        .env("PATH", "/usr/sbin:/usr/bin:/bin")
        .arg("-c")
        .arg(inputs.path(&format!("{name}.conf")));
    let child = command.stderr(Stdio::null()).spawn().expect("nginx starts");
    assert!(wait_for_port(addr, Duration::from_secs(10)), "nginx does not listen");
    Server { child, addr }
}
