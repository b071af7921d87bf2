//! A real Redis on loopback that keeps nothing on disk. It may be killed and started again.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::port::free_port;
use crate::process::Process;
use crate::tools::tool;

const START_ATTEMPTS: usize = 5;
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// A running Redis.
#[derive(Debug)]
pub struct Redis {
    // Dropped in this order: the process has ended before its directory goes.
    process: Option<Process>,
    dir: TempDir,
    addr: SocketAddr,
    password: Option<String>,
}

impl Redis {
    /// Starts one, with a password if there is one.
    #[must_use]
    pub fn start(password: Option<&str>) -> Self {
        for _ in 0..START_ATTEMPTS {
            let mut redis = Self {
                process: None,
                dir: tempfile::tempdir().unwrap(),
                addr: free_port().unwrap(),
                password: password.map(str::to_owned),
            };
            if redis.try_again() {
                return redis;
            }
        }
        panic!("redis-server does not start");
    }

    /// The URL for clients.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.addr)
    }

    /// SIGKILL: everything that it held is lost.
    pub fn kill(&mut self) {
        let process = self.process.take().expect("it runs");
        let id = process.id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -KILL \"$1\"", "sh", &id]).status();
        assert!(sent.unwrap().success());
        drop(process);
    }

    /// Starts it again at the same address, empty.
    pub fn start_again(&mut self) {
        let began = Instant::now();
        while !self.try_again() {
            assert!(began.elapsed() < START_TIMEOUT, "redis-server does not start again");
        }
    }

    /// Asks it one thing, in one line without spaces in its words; the answer as it came.
    #[must_use]
    pub fn ask(&self, command: &str) -> String {
        self.try_ask(command).expect("Redis answers")
    }

    fn try_ask(&self, command: &str) -> Option<String> {
        let mut stream = TcpStream::connect_timeout(&self.addr, Duration::from_secs(1)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
        let auth = self.password.as_ref().map(|password| format!("AUTH {password}\r\n"));
        let sent = format!("{}{command}\r\nQUIT\r\n", auth.unwrap_or_default());
        stream.write_all(sent.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    fn try_again(&mut self) -> bool {
        let program = tool("redis-server").expect("redis-server is installed");
        let mut command = Command::new(program);
        command.args(["--bind", "127.0.0.1", "--port", &self.addr.port().to_string()]);
        command.args(["--save", "", "--appendonly", "no", "--dir"]).arg(self.dir.path());
        if let Some(password) = &self.password {
            command.args(["--requirepass", password]);
        }
        let mut process = Process::spawn(&mut command).unwrap();
        let began = Instant::now();
        while process.is_running() && began.elapsed() < START_TIMEOUT {
            // That it is this one that answers, its id says.
            let is_own = format!("process_id:{}\r", process.id());
            if self.try_ask("INFO server").is_some_and(|answer| answer.contains(&is_own)) {
                self.process = Some(process);
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }
}
