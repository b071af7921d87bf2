//! Tables for people.

use std::fmt;

use crate::servers::Server;
use crate::wrk::Run;

/// The median of a server's runs.
pub(crate) struct Row {
    name: &'static str,
    run: Run,
}

pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) rows: Vec<Row>,
    /// The name of the row that the others are compared with.
    pub(crate) against: &'static str,
}

impl Row {
    pub(crate) fn of(name: &'static str, server: &Server, runs: &[Run]) -> Self {
        let median = |figure: fn(&Run) -> f64| {
            let mut figures: Vec<f64> = runs.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures[figures.len() / 2]
        };
        let run = Run {
            per_second: median(|run| run.per_second),
            mb_per_second: median(|run| run.mb_per_second),
            p50_ms: median(|run| run.p50_ms),
            p99_ms: median(|run| run.p99_ms),
            footprint: server.footprint(),
        };
        Self { name, run }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let against = self.rows.iter().find(|row| row.name == self.against);
        writeln!(f, "{}\n", self.title)?;
        writeln!(f, "| server | requests/s | ratio | MB/s | p50 ms | p99 ms | RSS MiB |")?;
        writeln!(f, "| --- | ---: | ---: | ---: | ---: | ---: | ---: |")?;
        for Row { name, run } in &self.rows {
            let ratio = against.map_or(1.0, |other| run.per_second / other.run.per_second);
            let Run { per_second, mb_per_second, p50_ms, p99_ms, .. } = run;
            let mib = mib(run);
            writeln!(
                f,
                "| {name} | {per_second:.0} | {ratio:.2} | {mb_per_second:.0} | {p50_ms:.2} | {p99_ms:.2} | {mib:.1} |"
            )?;
        }
        Ok(())
    }
}

/// What a soak came to, a sample each ten seconds.
pub(crate) struct Soak {
    /// Requests a second at full load.
    pub(crate) full: f64,
    pub(crate) samples: Vec<Run>,
}

/// A minute's samples.
const A_MINUTE: usize = 6;
/// What a busy moment of the machine takes, and the allocator keeps. A leak of four bytes for each of
/// some five million requests would be more.
const MAX_GROWN_MIB: f64 = 16.0;
/// Connections come and go.
const MAX_GROWN_FILES: i64 = 8;

impl Soak {
    /// MiB and files that were grown from the end of the first minute to the end.
    fn growth(&self) -> (f64, i64) {
        let first = self.samples.get(A_MINUTE - 1).or(self.samples.first());
        let (Some(first), Some(last)) = (first, self.samples.last()) else { return (0.0, 0) };
        let files = |run: &Run| i64::try_from(run.footprint.open_files).unwrap_or(i64::MAX);
        (mib(last) - mib(first), files(last) - files(first))
    }

    pub(crate) fn is_steady(&self) -> bool {
        let (mib, files) = self.growth();
        mib <= MAX_GROWN_MIB && files <= MAX_GROWN_FILES
    }
}

impl fmt::Display for Soak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "half of {:.0} requests/s\n", self.full)?;
        writeln!(f, "| minute | requests/s | p99 ms | RSS MiB | files |")?;
        writeln!(f, "| ---: | ---: | ---: | ---: | ---: |")?;
        for (minute, samples) in (1..).zip(self.samples.chunks(A_MINUTE)) {
            let Some(run) = samples.last() else { continue };
            let Run { per_second, p99_ms, footprint, .. } = run;
            let files = footprint.open_files;
            writeln!(
                f,
                "| {minute} | {per_second:.0} | {p99_ms:.2} | {:.1} | {files} |",
                mib(run)
            )?;
        }
        let (mib, files) = self.growth();
        write!(f, "\nsince the first minute: {mib:+.1} MiB, {files:+} files")
    }
}

fn mib(run: &Run) -> f64 {
    run.footprint.resident_kib as f64 / 1024.0
}
