//! Child processes that never outlive the test.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

const POLL: Duration = Duration::from_millis(10);

/// A child process with its output in files. Dropping it ends it and waits for it, so it is gone
/// also when the test panics.
///
/// The child stays in the test's process group: a test runner that ends the group ends it as well.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdout: NamedTempFile,
    stderr: NamedTempFile,
    grace: Duration,
}

/// A child process that came to its end, or was ended when its time was over.
#[derive(Debug)]
pub struct Finished {
    /// How it ended; nothing if its time was over.
    pub status: Option<ExitStatus>,
    /// What it wrote to stdout, with replacement characters for what is not UTF-8.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

/// Runs a command to its end, for `timeout` at most.
///
/// # Errors
/// When the program cannot be started.
pub fn run(command: &mut Command, timeout: Duration) -> io::Result<Finished> {
    let mut process = Process::spawn(command)?;
    finish(&mut process, timeout)
}

/// Waits for a process's end, for `timeout` at most, then ends it.
///
/// # Errors
/// When the operating system cannot tell.
pub fn finish(process: &mut Process, timeout: Duration) -> io::Result<Finished> {
    let status = process.wait(timeout)?;
    if status.is_none() {
        process.stop();
    }
    Ok(Finished { status, stdout: process.stdout(), stderr: process.stderr() })
}

/// Waits until somebody accepts connections at `addr`; says whether that came to be.
#[must_use]
pub fn wait_for_port(addr: SocketAddr, timeout: Duration) -> bool {
    let deadline = Instant::now() + timeout;
    loop {
        if TcpStream::connect_timeout(&addr, Duration::from_secs(1)).is_ok() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        sleep(POLL);
    }
}

impl Process {
    /// Starts a command without stdin and with its output caught.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        Self::spawn_with_stdin(command, Stdio::null())
    }

    /// Starts a command with this stdin and with its output caught.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn spawn_with_stdin(command: &mut Command, stdin: Stdio) -> io::Result<Self> {
        let stdout = NamedTempFile::new()?;
        let stderr = NamedTempFile::new()?;
        let child =
            command.stdin(stdin).stdout(stdout.reopen()?).stderr(stderr.reopen()?).spawn()?;
        Ok(Self { child, stdout, stderr, grace: Duration::from_secs(2) })
    }

    /// How long the child may take for its end after SIGTERM: 2 s unless told.
    #[must_use]
    pub const fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that was written to stdout up to now.
    #[must_use]
    pub fn stdout(&self) -> String {
        written(self.stdout.path())
    }

    /// All that was written to stderr up to now.
    #[must_use]
    pub fn stderr(&self) -> String {
        written(self.stderr.path())
    }

    /// Whether the child has not ended yet.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for the child's end, for `timeout` at most; nothing if it still runs then.
    ///
    /// # Errors
    /// When the operating system cannot tell.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + timeout;
        loop {
            let status = self.child.try_wait()?;
            if status.is_some() || Instant::now() >= deadline {
                return Ok(status);
            }
            sleep(POLL);
        }
    }

    /// Sends SIGTERM, and SIGKILL if the child is still there when its grace is over. Harmless when
    /// it has ended already.
    pub fn stop(&mut self) {
        if !self.is_running() {
            return;
        }
        // The id cannot have passed to another process: the child has not been waited for.
        self.terminate();
        if !matches!(self.wait(self.grace), Ok(Some(_))) {
            // Either can fail only if the child is gone.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    /// SIGTERM by the shell's own `kill`: the standard library knows only SIGKILL, which would leave
    /// a browser or a server no time to clean up.
    fn terminate(&self) {
        let id = self.id().to_string();
        let sent = Command::new("sh")
            .args(["-c", "kill -TERM \"$1\"", "sh", &id])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        // If it could not be sent, SIGKILL follows when the grace is over.
        drop(sent);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

fn written(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn is_there(id: u32) -> bool {
        Path::new("/proc").join(id.to_string()).exists()
    }

    #[test]
    fn output_and_exit_code_are_caught() {
        let done =
            run(&mut shell("echo out; echo err >&2; exit 3"), Duration::from_secs(10)).unwrap();
        assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("out\n", "err\n"));
        assert_eq!(done.status.and_then(|status| status.code()), Some(3));
    }

    #[test]
    fn a_child_is_gone_after_a_panic() {
        let process = Process::spawn(&mut shell("exec sleep 60")).unwrap();
        let id = process.id();
        assert!(is_there(id));
        let panicked = std::thread::spawn(move || {
            let _process = process;
            std::panic::resume_unwind(Box::new("on purpose"));
        })
        .join();
        assert!(panicked.is_err() && !is_there(id));
    }

    #[test]
    fn a_child_that_ignores_sigterm_is_killed() {
        let mut process = Process::spawn(&mut shell("trap '' TERM; echo ready; exec sleep 60"))
            .unwrap()
            .with_grace(Duration::from_millis(200));
        while process.stdout().is_empty() {
            sleep(POLL);
        }
        process.stop();
        assert!(!process.is_running());
    }

    #[test]
    fn a_child_that_takes_too_long_is_ended() {
        let done = run(&mut shell("exec sleep 60"), Duration::from_millis(50)).unwrap();
        assert!(done.status.is_none());
    }

    #[test]
    fn a_port_is_awaited() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        assert!(wait_for_port(addr, Duration::from_secs(5)));
        // Nobody listens on port 1.
        assert!(!wait_for_port(([127, 0, 0, 1], 1).into(), Duration::from_millis(30)));
    }
}
