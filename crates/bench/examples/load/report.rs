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
    pub(crate) fn of(name: &'static str, server: &Server, runs: Vec<Run>) -> Self {
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
            let Run { per_second, mb_per_second, p50_ms, p99_ms, footprint } = run;
            let mib = footprint.resident_kib as f64 / 1024.0;
            writeln!(
                f,
                "| {name} | {per_second:.0} | {ratio:.2} | {mb_per_second:.0} | {p50_ms:.2} | {p99_ms:.2} | {mib:.1} |"
            )?;
        }
        Ok(())
    }
}

/// What a soak came to: a line a minute, and how much was grown after the first.
pub(crate) fn soak(samples: &[Run], full: f64) -> String {
    let mut text = format!(
        "half of {full:.0} requests/s\n\n| minute | requests/s | p99 ms | RSS MiB | files |\n| ---: | ---: | ---: | ---: | ---: |\n"
    );
    let mib = |run: &Run| run.footprint.resident_kib as f64 / 1024.0;
    for (at, run) in
        samples.iter().enumerate().filter(|(at, _)| at % 6 == 5 || *at + 1 == samples.len())
    {
        let minute = (at + 1) / 6;
        text += &format!(
            "| {minute} | {:.0} | {:.2} | {:.1} | {} |\n",
            run.per_second,
            run.p99_ms,
            mib(run),
            run.footprint.open_files
        );
    }
    let after_first = samples.get(5).or(samples.first());
    if let (Some(first), Some(last)) = (after_first, samples.last()) {
        let files = last.footprint.open_files as i64 - first.footprint.open_files as i64;
        text += &format!(
            "\nsince the first minute: {:+.1} MiB, {files:+} files\n",
            mib(last) - mib(first)
        );
    }
    text
}
