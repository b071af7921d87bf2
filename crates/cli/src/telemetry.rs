//! Logs of the commands that serve: one line a request on stderr.

use std::env::VarError;
use std::io::{self, IsTerminal as _};

use anyhow::anyhow;
use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::exit::Failed;

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
