//! Printing: results on stdout, notes and errors on stderr.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::Context as _;
use serde::Serialize;

/// What a coloured word says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tone {
    Good,
    Bad,
}

/// Prints a result and a line end. A reader that has gone away (`| head -1`) has read enough.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to stdout"),
    }
}

/// Prints a result as one line of JSON.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(&serde_json::to_string(value)?)
}

/// Prints a remark for the person at the terminal.
pub(crate) fn note(text: &str) {
    // Without a stderr there is nobody to remark to.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints a warning about something that works all the same.
pub(crate) fn warning(text: &str) {
    note(&format!("sluicegate: warning: {text}"));
}

/// Prints an error with its causes.
pub(crate) fn error(error: &anyhow::Error) {
    note(&format!("sluicegate: {error:#}"));
}

/// `text` in the colour of its tone, if stdout is a terminal and `NO_COLOR` is not set.
pub(crate) fn coloured(text: &str, tone: Tone) -> String {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if unwanted || !io::stdout().is_terminal() {
        return text.to_owned();
    }
    let code = match tone {
        Tone::Good => 32,
        Tone::Bad => 31,
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}
