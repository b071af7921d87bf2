//! Printing: results on stdout, notes and errors on stderr.

use std::borrow::Cow;
use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// What a coloured word says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tone {
    Good,
    Bad,
}

/// A long result that is printed as it comes.
pub(crate) struct Stream {
    out: BufWriter<StdoutLock<'static>>,
    is_gone: bool,
}

/// How far long work is, for the person at the terminal: nothing is shown elsewhere.
pub(crate) struct Progress(ProgressBar);

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
        Self { out: BufWriter::with_capacity(64 << 10, io::stdout().lock()), is_gone: false }
    }

    pub(crate) fn write(&mut self, text: &str) -> anyhow::Result<()> {
        let written = self.out.write_all(text.as_bytes());
        self.is_gone |= written.as_ref().is_err_and(|why| why.kind() == io::ErrorKind::BrokenPipe);
        unless_gone(written)
    }

    /// Whether nobody reads any more.
    pub(crate) const fn is_gone(&self) -> bool {
        self.is_gone
    }

    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        unless_gone(self.out.flush())
    }
}

impl Progress {
    /// Counts things of this name.
    pub(crate) fn of(name: &str) -> Self {
        let bar = ProgressBar::new_spinner();
        let template = format!("{{spinner}} {{human_pos}} {name}, {{per_sec}}, {{elapsed}}");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// So many are done.
    pub(crate) fn at(&self, count: u64) {
        // Asking the clock at each would cost more than the work.
        if count.is_multiple_of(1024) {
            self.0.set_position(count);
        }
    }

    /// One more is done.
    pub(crate) fn one_more(&self) {
        self.0.inc(1);
    }

    /// Prints a remark above the bar.
    pub(crate) fn note(&self, text: &str) {
        self.0.suspend(|| note(text));
    }

    pub(crate) fn finish(self) {
        self.0.finish_and_clear();
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

/// Reports if a character controls a terminal instead of being displayed: a control character, a line
/// or paragraph separator, or an invisible format character (Unicode `Cc`, `Zl`, `Zp` and a part of `Cf`).
pub(crate) fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Text of somebody else's file, with the characters escaped that a terminal obeys.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut printable = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_obeyed(character) {
            printable.extend(character.escape_default());
        } else {
            printable.push(character);
        }
    }
    Cow::Owned(printable)
}
