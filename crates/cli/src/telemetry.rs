//! Logs of the commands that serve: one line a request on stderr.

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// The variable that says what is logged, in the syntax of `tracing-subscriber`'s filters.
const FILTER_VARIABLE: &str = "SLUICEGATE_LOG";

/// How log lines are written.
#[derive(Debug, clap::Args)]
pub(crate) struct LogArgs {
    /// How log lines are written; SLUICEGATE_LOG=debug shows more of them
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
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
    pub(crate) fn start(&self, default_filter: &str) {
        use std::io::IsTerminal as _;
        let filter = EnvFilter::try_from_env(FILTER_VARIABLE)
            .unwrap_or_else(|_| EnvFilter::new(default_filter));
        let builder =
            tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        match self.log_format {
            LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).init(),
            LogFormat::Json => builder.json().init(),
        }
    }
}
