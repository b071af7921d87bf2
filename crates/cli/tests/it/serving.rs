//! A command that serves: a process on a port of its own, which ends with the test.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use sluicegate_testkit::Process;
use sluicegate_testkit::http::{Client, Response};

use crate::run::assert_clean;

const TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) struct Serving {
    process: Process,
    addr: SocketAddr,
}

impl Serving {
    /// Starts a command and waits for its line `{what}: http://ADDRESS/...`.
    pub(crate) fn start(command: &mut Command, what: &str) -> Self {
        let mut process = Process::spawn(command).unwrap();
        let mut addr = None;
        wait_until(|| {
            addr = printed_address(&process.stdout(), what);
            addr.is_some() || !process.is_running()
        });
        let addr = addr.unwrap_or_else(|| {
            panic!("no address is printed:\n{}{}", process.stdout(), process.stderr())
        });
        Self { process, addr }
    }

    /// The id of its process.
    #[cfg(target_os = "linux")]
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The URL of a path that begins with a slash.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// Asks for a path with its query, or for a URL of this server.
    pub(crate) fn get(&self, target: &str) -> Response {
        self.get_with(target, &[])
    }

    pub(crate) fn get_with(&self, target: &str, headers: &[(&str, &str)]) -> Response {
        self.request("GET", target, headers)
    }

    pub(crate) fn request(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Response {
        let target = target.strip_prefix(&self.url("")).unwrap_or(target);
        let mut client = Client::connect(self.addr).unwrap();
        client.request(method, target.as_bytes(), headers).unwrap()
    }

    /// Sends a signal by its name: `TERM`, `INT`.
    pub(crate) fn signal(&self, name: &str) {
        signal(&self.process, name);
    }

    /// Waits until no connection is accepted any more.
    pub(crate) fn wait_until_closed(&self) {
        wait_until(|| {
            TcpStream::connect(self.addr)
                .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        });
    }

    /// Waits for the end, and gives the exit code.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        self.process.wait(TIMEOUT).unwrap().expect("it has ended").code()
    }

    /// All of stdout up to now.
    pub(crate) fn stdout(&self) -> String {
        let stdout = self.process.stdout();
        assert_clean(&stdout);
        stdout
    }

    /// The lines on stderr once there are `count` of them. A line is written after its answer, so
    /// one may be late.
    pub(crate) fn log(&self, count: usize) -> Vec<String> {
        let lines = || self.process.stderr().lines().map(str::to_owned).collect::<Vec<_>>();
        wait_until(|| lines().len() >= count);
        let lines = lines();
        lines.iter().for_each(|line| assert_clean(line));
        lines
    }
}

fn printed_address(stdout: &str, what: &str) -> Option<SocketAddr> {
    // A line that is not at its end yet may be half an address.
    let (lines, _) = stdout.rsplit_once('\n')?;
    let begin = format!("{what}: http://");
    let url = lines.lines().find_map(|line| line.strip_prefix(&begin))?;
    Some(url.split('/').next()?.parse().unwrap())
}

/// Sends a process a signal by its name.
pub(crate) fn signal(process: &Process, name: &str) {
    let id = process.id().to_string();
    let sent = Command::new("sh").args(["-c", "kill -s \"$1\" \"$2\"", "sh", name, &id]).status();
    assert!(sent.unwrap().success());
}

/// Waits until `condition` holds.
pub(crate) fn wait_until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !condition() {
        assert!(Instant::now() < deadline, "in vain");
        sleep(Duration::from_millis(10));
    }
}
