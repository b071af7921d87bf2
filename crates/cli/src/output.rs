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
    line(&json_text(value)?)
}

/// JSON on one line, which a terminal displays as it is.
pub(crate) fn json_text(value: &impl Serialize) -> serde_json::Result<String> {
    Ok(escaped_json(&serde_json::to_string(value)?).into_owned())
}

/// Prints a remark for the person at the terminal. Names of files in it may be anybody's.
pub(crate) fn note(text: &str) {
    let text = escaped_but(text, &['\n', '\t']);
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
    escaped(text, is_obeyed, |character, out| out.extend(character.escape_default()))
}

/// Text with the characters escaped that a terminal obeys, but for these.
pub(crate) fn escaped_but<'t>(text: &'t str, kept: &[char]) -> Cow<'t, str> {
    let is_escaped = |character| is_obeyed(character) && !kept.contains(&character);
    escaped(text, is_escaped, |character, out| out.extend(character.escape_unicode()))
}

/// Lines of JSON with the characters escaped that a terminal obeys. Such characters stand in strings
/// alone, so it is the same JSON.
pub(crate) fn escaped_json(lines: &str) -> Cow<'_, str> {
    let is_escaped = |character| is_obeyed(character) && character != '\n';
    escaped(lines, is_escaped, |character, out| {
        // JSON escapes UTF-16, of which some characters take two (RFC 8259 section 7).
        for unit in character.encode_utf16(&mut [0; 2]) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
    })
}

fn escaped(
    text: &str,
    is_escaped: impl Fn(char) -> bool,
    escape: impl Fn(char, &mut String),
) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_escaped(character) {
            escape(character, &mut escaped);
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_holds_nothing_that_a_terminal_obeys_and_says_the_same() {
        let told = "\u{202e}gpj.exe \u{9b}31m \u{7f} a\u{2028}b\u{2029} \u{2066}c\u{feff} \u{e0041} \r\n\u{8} \u{1b} città 日本 \u{1f600}";
        let text = json_text(&[told]).unwrap();
        assert_eq!(
            text,
            "[\"\\u202egpj.exe \\u009b31m \\u007f a\\u2028b\\u2029 \\u2066c\\ufeff \\udb40\\udc41 \\r\\n\\b \\u001b città 日本 \u{1f600}\"]"
        );
        assert_eq!(serde_json::from_str::<[String; 1]>(&text).unwrap(), [told]);
    }
}
