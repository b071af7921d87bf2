//! `wrk` as the crowd.

use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::servers::{CLIENT_CORE, Footprint, Server};

/// Until a server has seen that its clients are gone.
const SETTLE: Duration = Duration::from_secs(1);

/// What is asked, by how many connections.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) targets: Vec<String>,
    connections: usize,
    /// Requests a second over all connections, if not as many as go.
    rate: Option<f64>,
    accepts_gzip: bool,
    /// Whether some of what is asked for is not there.
    misses: bool,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) per_second: f64,
    pub(crate) mb_per_second: f64,
    /// Of a whole answer, head and body.
    pub(crate) bytes: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) footprint: Footprint,
    /// How much of its core the server took.
    pub(crate) cpu: f64,
}

impl Load {
    pub(crate) const fn of(targets: Vec<String>, connections: usize) -> Self {
        Self { targets, connections, rate: None, accepts_gzip: false, misses: false }
    }

    /// The same of clients that take gzip.
    pub(crate) fn with_gzip(&self) -> Self {
        Self { accepts_gzip: true, ..self.clone() }
    }

    /// Some of what is asked for is not there.
    pub(crate) fn with_misses(self) -> Self {
        Self { misses: true, ..self }
    }

    pub(crate) fn at_rate(&self, per_second: f64) -> Self {
        Self { rate: Some(per_second), ..self.clone() }
    }

    /// Each connection begins elsewhere in the list and goes through it.
    fn script(&self) -> String {
        let mut script = "local targets = {\n".to_owned();
        for target in &self.targets {
            writeln!(script, "  \"{target}\",").expect("a string takes what is written");
        }
        script.push_str("}\nlocal at = 0\nlocal requests = {}\n");
        if self.accepts_gzip {
            script.push_str("wrk.headers['Accept-Encoding'] = 'gzip'\n");
        }
        script.push_str(
            "function init() for n, target in ipairs(targets) do requests[n] = wrk.format('GET', target) end end\n\
             function request() at = at % #requests + 1; return requests[at] end\n",
        );
        if let Some(rate) = self.rate {
            let wait_ms = (1000.0 * self.connections as f64 / rate).round();
            writeln!(script, "function delay() return {wait_ms} end").expect("a string");
        }
        script.push_str(
            "function done(summary, latency, _)\n\
             io.write(string.format('RESULT %d %d %d %d %d %d\\n', summary.requests, summary.duration, summary.bytes, \
             latency:percentile(50), latency:percentile(99), summary.errors.status + summary.errors.read + \
             summary.errors.timeout + summary.errors.connect))\nend\n",
        );
        script
    }
}

/// Loads a server for so many seconds, with as much as it takes.
pub(crate) fn run(server: &Server, load: &Load, secs: u64) -> Run {
    let script = tempfile::Builder::new().suffix(".lua").tempfile().expect("a file");
    std::fs::write(script.path(), load.script()).expect("a file");
    let before = server.footprint();
    let output = Command::new("taskset")
        .args(["-c", CLIENT_CORE, "wrk", "-t1", "--timeout", "10s"])
        .arg(format!("-c{}", load.connections))
        .arg(format!("-d{secs}s"))
        .arg("-s")
        .arg(script.path())
        .arg(format!("http://{}/", server.addr))
        .output()
        .expect("wrk runs (apt-get install wrk)");
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("RESULT ")).unwrap_or_else(|| {
        panic!("wrk did not report: {text}{}", String::from_utf8_lossy(&output.stderr))
    });
    let figures: Vec<f64> =
        line.split(' ').map(|figure| figure.parse().expect("a number")).collect();
    let [requests, micros, bytes, p50, p99, errors] = figures[..] else {
        panic!("six figures: {line}")
    };
    assert!(errors == 0.0 || load.misses, "{errors} errors");
    let secs = micros / 1e6;
    assert!(load.misses || bytes / requests > 1000.0, "{line}: the answers are too short");
    let footprint = server.footprint();
    Run {
        per_second: requests / secs,
        mb_per_second: bytes / secs / 1e6,
        bytes: bytes / requests,
        p50_ms: p50 / 1e3,
        p99_ms: p99 / 1e3,
        footprint,
        cpu: (footprint.ticks - before.ticks) as f64 / 100.0 / secs,
    }
}

/// Loads a server and looks at it each ten seconds.
pub(crate) fn watch(server: &Server, load: &Load, time: Duration) -> Vec<Run> {
    let began = Instant::now();
    let mut samples = Vec::new();
    while began.elapsed() < time {
        let sample = run(server, load, 10);
        // Connections that have just ended are not open files that stay.
        std::thread::sleep(SETTLE);
        samples.push(Run { footprint: server.footprint(), ..sample });
    }
    samples
}
