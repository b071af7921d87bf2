//! What was measured, for people: on the terminal, as a Markdown file, and drawn.

use std::fmt::{self, Write as _};
use std::fs;
use std::path::Path;

use crate::chart;
use crate::wrk::Run;

/// All that was measured.
pub(crate) struct Report {
    head: String,
    parts: Vec<String>,
    charts: Vec<(String, String)>,
}

/// The median of a server's runs.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) run: Run,
}

/// Servers beside each other.
pub(crate) struct Table {
    /// Of its files.
    pub(crate) name: &'static str,
    pub(crate) title: String,
    pub(crate) rows: Vec<Row>,
    /// The name of the row that the others are compared with.
    pub(crate) against: &'static str,
}

/// Figures of the gateway alone.
pub(crate) struct Figures {
    /// Of its files.
    pub(crate) name: &'static str,
    pub(crate) title: String,
    pub(crate) columns: &'static [&'static str],
    pub(crate) rows: Vec<(String, Vec<String>)>,
}

impl Report {
    pub(crate) fn of_this_machine() -> Self {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
        let model = model.map_or("an unknown processor", |(_, model)| model);
        let date = std::process::Command::new("date").arg("+%Y-%m-%d").output();
        let date = date.map(|date| String::from_utf8_lossy(&date.stdout).trim().to_owned());
        let head = format!("{}, {cores} cores of {model}", date.unwrap_or_default());
        Self { head, parts: Vec::new(), charts: Vec::new() }
    }

    pub(crate) fn add(&mut self, table: &Table) {
        println!("{table}");
        self.charts.push((table.name.to_owned(), chart::bars(table)));
        self.parts.push(table.to_string());
    }

    pub(crate) fn note(&mut self, figures: &Figures) {
        println!("{figures}");
        self.parts.push(figures.to_string());
    }

    /// The same with a curve: the first column over the rows' names, which are numbers.
    pub(crate) fn curve(&mut self, figures: &Figures, unit: &str) {
        self.charts.push((figures.name.to_owned(), chart::curve(figures, unit)));
        self.note(figures);
    }

    pub(crate) fn write(&self, folder: &Path) {
        fs::create_dir_all(folder).expect("a folder for the report");
        let mut text = format!("{}\n", self.head);
        for part in &self.parts {
            write!(text, "\n{part}").expect("a string takes what is written");
        }
        fs::write(folder.join("report.md"), text).expect("the report");
        for (name, svg) in &self.charts {
            fs::write(folder.join(format!("{name}.svg")), svg).expect("a chart");
        }
        println!("{}: report.md and {} charts", folder.display(), self.charts.len());
    }
}

impl Row {
    pub(crate) fn of(name: &'static str, runs: &[Run]) -> Self {
        let median = |figure: fn(&Run) -> f64| {
            let mut figures: Vec<f64> = runs.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures[figures.len() / 2]
        };
        let run = Run {
            per_second: median(|run| run.per_second),
            mb_per_second: median(|run| run.mb_per_second),
            bytes: median(|run| run.bytes),
            p50_ms: median(|run| run.p50_ms),
            p99_ms: median(|run| run.p99_ms),
            footprint: runs[runs.len() - 1].footprint,
            cpu: median(|run| run.cpu),
        };
        Self { name, run }
    }
}

impl Table {
    /// How each compares with the one that is the measure.
    pub(crate) fn ratios(&self) -> Vec<f64> {
        let against = self.rows.iter().find(|row| row.name == self.against);
        let measure = against.expect("the measure is there").run.per_second;
        self.rows.iter().map(|row| row.run.per_second / measure).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.title)?;
        writeln!(f, "| | requests/s | ratio | bytes | MB/s | p50 ms | p99 ms | core | RSS MiB |")?;
        writeln!(f, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")?;
        for (Row { name, run }, ratio) in self.rows.iter().zip(self.ratios()) {
            let Run { per_second, mb_per_second, bytes, p50_ms, p99_ms, cpu, .. } = run;
            let (mib, cpu) = (mib(run), cpu * 100.0);
            writeln!(
                f,
                "| {name} | {per_second:.0} | {ratio:.2} | {bytes:.0} | {mb_per_second:.0} | {p50_ms:.2} | {p99_ms:.2} | \
                 {cpu:.0} % | {mib:.1} |"
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n\n| | {} |", self.title, self.columns.join(" | "))?;
        writeln!(f, "| ---: |{}", " ---: |".repeat(self.columns.len()))?;
        for (name, values) in &self.rows {
            writeln!(f, "| {name} | {} |", values.join(" | "))?;
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
