//! Logs of the commands that serve: one line a request on stderr.

use std::env::VarError;
use std::io::{self, IsTerminal as _, Write};

use anyhow::anyhow;
use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::exit::Failed;
use crate::output::{escaped_but, escaped_json};

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
struct Lines<W> {
    out: W,
    format: LogFormat,
}

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let Ok(text) = std::str::from_utf8(line) else {
            self.out.write_all(line)?;
            return Ok(line.len());
        };
        let shown = match self.format {
            LogFormat::Text => escaped_but(text, &['\n', '\t', '\u{1b}']),
            LogFormat::Json => escaped_json(text),
        };
        self.out.write_all(shown.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
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
        let builder = tracing_subscriber::fmt().with_env_filter(filter);
        let format = self.log_format;
        let builder = builder.with_writer(move || Lines { out: io::stderr(), format });
        match format {
            LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).init(),
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
        let of = |format| Lines { out: Vec::new(), format };
        let mut lines = of(LogFormat::Text);
        let line =
            "WARN \u{9b}31m \u{202e}gpj.exe a\u{2028}b \u{2066}c\u{feff} \r\u{8} città 日本\n";
        lines.write_all(line.as_bytes()).unwrap();
        let written = String::from_utf8(lines.out).unwrap();
        assert_eq!(
            written,
            "WARN \\u{9b}31m \\u{202e}gpj.exe a\\u{2028}b \\u{2066}c\\u{feff} \\u{d}\\u{8} città 日本\n"
        );
        let mut plain = of(LogFormat::Text);
        plain.write_all("\u{1b}[2mINFO\u{1b}[0m path=/v/a\tb\n".as_bytes()).unwrap();
        assert_eq!(plain.out, "\u{1b}[2mINFO\u{1b}[0m path=/v/a\tb\n".as_bytes());
        let mut json = of(LogFormat::Json);
        json.write_all("{\"path\":\"\u{202e}4pm.\u{85}\u{2029}日本\"}\n".as_bytes()).unwrap();
        assert_eq!(json.out, "{\"path\":\"\\u202e4pm.\\u0085\\u2029日本\"}\n".as_bytes());
    }
}
