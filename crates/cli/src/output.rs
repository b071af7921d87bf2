//! Printing: results on stdout, notes and errors on stderr.

use std::borrow::Cow;
use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write};

use anyhow::Context as _;
use serde::Serialize;

/// What a coloured word says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tone {
    Good,
    Bad,
}

/// A long result that is printed as it comes.
pub(crate) struct Stream(BufWriter<StdoutLock<'static>>);

/// Prints a result and a line end.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    unless_gone(writeln!(io::stdout().lock(), "{text}"))
}

/// Prints a result that brings its own line ends, or has none.
pub(crate) fn bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    unless_gone(stdout.write_all(bytes).and_then(|()| stdout.flush()))
}

/// A reader that has gone away (`| head -1`) has read enough.
fn unless_gone(written: io::Result<()>) -> anyhow::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to stdout"),
    }
}

impl Stream {
    pub(crate) fn to_stdout() -> Self {
        Self(BufWriter::new(io::stdout().lock()))
    }

    pub(crate) fn write(&mut self, text: &str) -> anyhow::Result<()> {
        unless_gone(self.0.write_all(text.as_bytes()))
    }

    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        unless_gone(self.0.flush())
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

/// Text of somebody else's file, with its control characters escaped: a terminal obeys some.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut printable = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if character.is_control() {
            printable.extend(character.escape_default());
        } else {
            printable.push(character);
        }
    }
    Cow::Owned(printable)
}
