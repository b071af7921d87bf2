//! Logs of the commands that serve: one line a request on stderr.

use std::env::VarError;
use std::io::{self, IsTerminal as _, Write};

use anyhow::anyhow;
use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::exit::Failed;
use crate::output::is_obeyed;

/// The variable that says what is logged, in the syntax of `tracing-subscriber`'s filters.
const FILTER_VARIABLE: &str = "SLUICEGATE_LOG";

/// How log lines are written.
#[derive(Debug, clap::Args)]
pub(crate) struct LogArgs {
    /// How log lines are written to stderr; the variable SLUICEGATE_LOG says which: error, warn,
    /// info, debug
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// Writes lines of a log in which nothing moves a terminal or hides text. The formatter's own marks of
/// colour begin with ESC, which it escapes elsewhere itself.
struct Lines<W>(W);

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let is_shown = |c: char| matches!(c, '\n' | '\t' | '\u{1b}') || !is_obeyed(c);
        match std::str::from_utf8(line) {
            Ok(text) if !text.chars().all(is_shown) => {
                let escape = |c: char| match is_shown(c) {
                    true => c.to_string(),
                    false => c.escape_unicode().to_string(),
                };
                self.0.write_all(text.chars().map(escape).collect::<String>().as_bytes())?;
            }
            _ => self.0.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl LogArgs {
    /// Begins to log.
    pub(crate) fn start(&self, default_level: LevelFilter) -> Result<(), Failed> {
        let filter = match std::env::var(FILTER_VARIABLE) {
            Ok(text) if !text.is_empty() => parse_filter(&text)?,
            Ok(_) | Err(VarError::NotPresent) => EnvFilter::new(default_level.to_string()),
            Err(VarError::NotUnicode(_)) => return Err(unusable("it is no UTF-8")),
        };
        let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
        match self.log_format {
            LogFormat::Text => builder
                .with_ansi(io::stderr().is_terminal())
                .with_writer(|| Lines(io::stderr()))
                .init(),
            LogFormat::Json => builder.json().init(),
        }
        Ok(())
    }
}

fn parse_filter(text: &str) -> Result<EnvFilter, Failed> {
    for directive in text.split(',').map(str::trim) {
        // A lone word that is no level would name a module, and silence all others.
        if !directive.contains('=') && directive.parse::<LevelFilter>().is_err() {
            return Err(unusable(&format!("\"{directive}\" is no level")));
        }
    }
    EnvFilter::try_new(text).map_err(|error| unusable(&error.to_string()))
}

fn unusable(why: &str) -> Failed {
    Failed::usage(anyhow!(
        "{FILTER_VARIABLE}: {why}; write off, error, warn, info, debug, trace, or MODULE=LEVEL"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_log_hold_nothing_that_a_terminal_obeys() {
        let mut lines = Lines(Vec::new());
        let line =
            "WARN \u{9b}31m \u{202e}gpj.exe a\u{2028}b \u{2066}c\u{feff} \r\u{8} città 日本\n";
        lines.write_all(line.as_bytes()).unwrap();
        let written = String::from_utf8(lines.0).unwrap();
        assert_eq!(
            written,
            "WARN \\u{9b}31m \\u{202e}gpj.exe a\\u{2028}b \\u{2066}c\\u{feff} \\u{d}\\u{8} città 日本\n"
        );
        let mut plain = Lines(Vec::new());
        plain.write_all("\u{1b}[2mINFO\u{1b}[0m path=/v/a\tb\n".as_bytes()).unwrap();
        assert_eq!(plain.0, "\u{1b}[2mINFO\u{1b}[0m path=/v/a\tb\n".as_bytes());
    }
}
