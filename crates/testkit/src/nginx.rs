//! A real nginx on loopback, with stock `secure_link` locations.
//!
//! It runs as one process in the foreground, with its configuration, logs and temporary files in a
//! directory of its own, and is gone with it when the value is dropped.

mod config;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tempfile::TempDir;

use crate::http::Client;
use crate::port::free_port;
use crate::process::Process;
use crate::tools::tool;

const START_ATTEMPTS: usize = 5;
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// A running nginx.
#[derive(Debug)]
pub struct Nginx {
    // Dropped in this order: the process has ended before its directory goes.
    process: Process,
    dir: TempDir,
    addr: SocketAddr,
}

/// What nginx shall serve; see [`Nginx::builder`].
#[derive(Clone, Debug, Default)]
pub struct NginxBuilder {
    locations: Vec<Location>,
}

/// A location that lets in who has a token:
/// `secure_link_md5 "$secure_link_expires$uri$remote_addr secret"`.
///
/// A bad or missing token is 403, a good one whose time is over 410.
#[derive(Clone, Debug)]
pub struct SecureLink {
    /// Where the location begins; starts and ends with `/`.
    pub prefix: String,
    /// The folder whose files are served below the prefix; without one every path answers 200.
    pub root: Option<PathBuf>,
    /// How much of the path is hashed.
    pub scope: Scope,
    /// The secret, of the characters `A-Z a-z 0-9 _ . -`.
    pub secret: String,
    /// Whether the client's address is hashed as well.
    pub bind_ip: bool,
}

/// How much of the path a token signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The file's whole path.
    File,
    /// The path up to and with its last slash, by a `map`.
    Directory,
    /// The same, by the group of a location's regular expression.
    CapturedDirectory,
}

/// A line of the access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLine {
    /// The status of the answer.
    pub status: u16,
    /// The method; empty for what was no HTTP.
    pub method: String,
    /// The decoded and normalised path, without the query.
    pub uri: String,
    /// The request target as it came.
    pub request_uri: String,
}

#[derive(Clone, Debug)]
enum Location {
    Plain {
        prefix: String,
        root: PathBuf,
    },
    SecureLink(SecureLink),
    /// The same in front of a server, whose URL it has.
    SecureProxy(SecureLink, String),
    AuthRequest {
        gateway: String,
        root: PathBuf,
    },
    AccelRedirect {
        gateway: String,
        root: PathBuf,
    },
    /// nginx's older module: `/{prefix}/{hash}/{link}`.
    SecureLinkSecret {
        prefix: String,
        secret: String,
    },
}

// === impl NginxBuilder ===

impl NginxBuilder {
    /// Serves the files of the folder `root` below `prefix` to everybody.
    #[must_use]
    pub fn plain(mut self, prefix: impl Into<String>, root: impl Into<PathBuf>) -> Self {
        self.locations.push(Location::Plain { prefix: prefix.into(), root: root.into() });
        self
    }

    /// Adds a location that asks for a token.
    #[must_use]
    pub fn secure_link(mut self, location: SecureLink) -> Self {
        self.locations.push(Location::SecureLink(location));
        self
    }

    /// Adds a location that asks for a token and takes its files from a server: `upstream` is the URL
    /// that stands for the prefix. The server sees no token.
    #[must_use]
    pub fn secure_proxy(mut self, location: SecureLink, upstream: impl Into<String>) -> Self {
        self.locations.push(Location::SecureProxy(location, upstream.into()));
        self
    }

    /// Adds a location with `secure_link_secret`: `prefix` is one folder, such as `/p/`.
    #[must_use]
    pub fn secure_link_secret(
        mut self,
        prefix: impl Into<String>,
        secret: impl Into<String>,
    ) -> Self {
        let (prefix, secret) = (prefix.into(), secret.into());
        self.locations.push(Location::SecureLinkSecret { prefix, secret });
        self
    }

    /// Passes everything to a gateway, whose URL is given, but for media files of sessions with the
    /// token in the path: these are files of `root`, after the gateway was asked.
    #[must_use]
    pub fn auth_request(mut self, gateway: impl Into<String>, root: impl Into<PathBuf>) -> Self {
        let (gateway, root) = (gateway.into(), root.into());
        self.locations.push(Location::AuthRequest { gateway, root });
        self
    }

    /// Passes everything to a gateway, and delivers from `root` what that redirects to `/_files/`.
    #[must_use]
    pub fn accel_redirect(mut self, gateway: impl Into<String>, root: impl Into<PathBuf>) -> Self {
        let (gateway, root) = (gateway.into(), root.into());
        self.locations.push(Location::AccelRedirect { gateway, root });
        self
    }

    /// Starts nginx and waits until it answers.
    ///
    /// # Panics
    /// When it is not installed or does not start, and for a prefix, secret or path that would need
    /// quoting in its configuration.
    #[must_use]
    pub fn start(&self) -> Nginx {
        let program = tool("nginx").expect("nginx is not installed");
        let mut last_failure = String::new();
        for _ in 0..START_ATTEMPTS {
            let addr = free_port().expect("a free port");
            match self.start_at(&program, addr) {
                Ok(nginx) => return nginx,
                // Another process may have taken the port meanwhile.
                Err(failure) => last_failure = failure,
            }
        }
        panic!("nginx does not start:\n{last_failure}");
    }

    fn start_at(&self, program: &Path, addr: SocketAddr) -> Result<Nginx, String> {
        let dir = tempfile::Builder::new().prefix("sluicegate-nginx-").tempdir().unwrap();
        let ready = ready_text(dir.path());
        let text = config::render(&self.locations, dir.path(), addr, &ready);
        let config = dir.path().join("nginx.conf");
        fs::write(&config, text).unwrap();
        let process = Process::spawn(
            Command::new(program)
                .arg("-p")
                .arg(dir.path())
                .arg("-c")
                .arg(&config)
                .arg("-e")
                .arg(dir.path().join("error.log")),
        )
        .expect("nginx can be run");
        let mut nginx = Nginx { process, dir, addr };
        if nginx.wait_until_ready(&ready) {
            Ok(nginx)
        } else {
            nginx.process.stop();
            Err(format!("{}{}", nginx.process.stderr(), nginx.error_log()))
        }
    }
}

// === impl Nginx ===

impl Nginx {
    /// An nginx without any location; add some and start it.
    #[must_use]
    pub fn builder() -> NginxBuilder {
        NginxBuilder::default()
    }

    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The URL of a request target, which begins with `/`.
    #[must_use]
    pub fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.addr)
    }

    /// The requests that were answered up to now, in order.
    ///
    /// # Panics
    /// When nginx no longer answers.
    #[must_use]
    pub fn access_log(&self) -> Vec<AccessLine> {
        // The one process writes a line before it turns to the next request, so the answer to
        // this one, which is not logged, says that the lines of all earlier ones are there.
        assert!(self.answers(&ready_text(self.dir.path())), "nginx no longer answers");
        let log = fs::read(self.dir.path().join("access.log")).unwrap_or_default();
        log.split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| parse_access_line(line).unwrap())
            .collect()
    }

    /// What nginx complained about up to now.
    #[must_use]
    pub fn error_log(&self) -> String {
        let log = fs::read(self.dir.path().join("error.log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    fn wait_until_ready(&mut self, ready: &str) -> bool {
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline && self.process.is_running() {
            if self.answers(ready) {
                return true;
            }
            sleep(Duration::from_millis(10));
        }
        false
    }

    /// Whether it is this nginx that answers, and not another server that got the port first.
    fn answers(&self, ready: &str) -> bool {
        Client::connect(self.addr)
            .and_then(|mut client| {
                client.get(config::READY_PATH.as_bytes(), &[("Connection", "close")])
            })
            .is_ok_and(|response| response.text() == ready)
    }
}

/// The name of the directory, which no other nginx has.
fn ready_text(dir: &Path) -> String {
    dir.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn parse_access_line(line: &[u8]) -> Result<AccessLine, serde_json::Error> {
    #[derive(Deserialize)]
    struct Line {
        // A string, since nginx writes 000 when it has sent nothing.
        status: String,
        method: String,
        uri: String,
        request_uri: String,
    }
    let line: Line = serde_json::from_str(&String::from_utf8_lossy(line))?;
    Ok(AccessLine {
        status: line.status.parse().unwrap_or(0),
        method: line.method,
        uri: line.uri,
        request_uri: line.request_uri,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_is_read_with_odd_bytes_in_it() {
        let line =
            b"{\"status\":\"403\",\"method\":\"GET\",\"uri\":\"/\xFF\\u0001\\\"\",\"request_uri\":\"/%FF\"}";
        assert_eq!(
            parse_access_line(line).unwrap(),
            AccessLine {
                status: 403,
                method: "GET".to_owned(),
                uri: "/\u{FFFD}\u{1}\"".to_owned(),
                request_uri: "/%FF".to_owned(),
            }
        );
    }
}
