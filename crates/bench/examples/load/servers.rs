//! The servers: each a process of its own on core 0, and the origin of both on core 1.

use std::fs;
use std::io::Read as _;
use std::net::SocketAddr;
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

impl Server {
    /// The gateway, with routes over HTTP and over the folder: of each, one whose segments are the
    /// CDN's, by a token for each directory, and one that delivers all.
    pub(crate) fn gateway(inputs: &Inputs, origin: &Origin) -> Self {
        let cdn = "segments = \"cdn\"\ncdn = { base_url = \"https://cdn.example.com/live/\", \
                   scope = \"directory\", key = { file = \"cdn.key\" } }";
        let http = format!("{}/live/", origin.url());
        let folder = format!("file:{}", inputs.path("media").display());
        let mut config = "listen = \"127.0.0.1:0\"\n[session]\nkey = { file = \"session.key\" }\n\
                          [api]\nbearer = { file = \"bearer.key\" }\n"
            .to_owned();
        for (id, origin, delivery) in [
            ("live", &http, cdn),
            ("folder", &folder, cdn),
            ("live-all", &http, ""),
            ("folder-all", &folder, ""),
        ] {
            config += &format!(
                "[[route]]\nid = \"{id}\"\npath = \"/v/{id}/\"\norigin = \"{origin}\"\n{delivery}\n"
            );
        }
        inputs.put("gateway.toml", config.as_bytes());
        let program = std::env::var_os("SLUICEGATE").unwrap_or("target/release/sluicegate".into());
        let mut command = pinned(SERVER_CORE, program);
        command.arg("serve").arg("--config").arg(inputs.path("gateway.toml"));
        command.env("SLUICEGATE_LOG", "warn");
        Self::announced(command)
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

    /// Opens sessions for a playlist by the API: the folders of their URLs.
    pub(crate) fn sessions(&self, route: &str, count: usize) -> Vec<String> {
        let mut client = Client::connect(self.addr).expect("the gateway accepts");
        let bearer = format!("Bearer {BEARER}");
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        let mut open = |number: usize| {
            let path = format!("/v/{route}/index.m3u8");
            let body = format!("{{\"path\": \"{path}\", \"user\": \"viewer-{number}\"}}");
            let answer = client.send("POST", b"/v1/sessions", &headers, body.as_bytes());
            let answer = answer.expect("the gateway answers");
            assert_eq!(answer.status, 201, "{}", answer.text());
            let answer: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
            let url = answer["urls"]["hls"].as_str().expect("a URL").to_owned();
            let path = url.splitn(4, '/').nth(3).expect("a path");
            format!("/{}", path.strip_suffix("/index.m3u8").expect("the path that was given"))
        };
        (0..count).map(&mut open).collect()
    }

    pub(crate) fn footprint(&self) -> Footprint {
        let process = format!("/proc/{}", self.child.id());
        let status = fs::read_to_string(format!("{process}/status")).expect("a running server");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        let resident_kib = line.trim().trim_end_matches("kB").trim().parse().expect("a number");
        let open_files = fs::read_dir(format!("{process}/fd")).expect("its files").count();
        Footprint { resident_kib, open_files }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
