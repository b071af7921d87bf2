//! One run of the program, and what must hold for every one.

use std::time::Duration;

use assert_cmd::Command;

use crate::folder::{BEARER, CDN_KEY, SESSION_KEY};

/// The secret in `SLUICEGATE_KEY` unless a test sets another.
pub(crate) const KEY: &str = "Zm9v-not-to-be-shown-anywhere";

/// What serves although it should have failed is ended.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Whatever a test does, none of these is ever printed.
const SECRETS: [&str; 4] = [KEY, SESSION_KEY, CDN_KEY, BEARER];

/// The program with [`KEY`] in its environment.
pub(crate) fn sluicegate() -> Command {
    let mut command = without_key();
    command.env("SLUICEGATE_KEY", KEY);
    command
}

/// The program without any key.
pub(crate) fn without_key() -> Command {
    Command::from_std(program())
}

/// The program with nothing of the tester's own environment that it would heed.
pub(crate) fn program() -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    command.env_remove("SLUICEGATE_KEY").env_remove("SLUICEGATE_LOG");
    command
}

/// Neither a secret nor, since it is no terminal, a colour.
pub(crate) fn assert_clean(text: &str) {
    assert!(!text.contains('\x1b'), "{text}");
    for secret in SECRETS {
        assert!(!text.contains(secret), "a secret is printed: {text}");
    }
}

/// What a run left behind.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Runs to the end. The output is [`assert_clean`].
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.timeout(TIMEOUT).output().unwrap();
        let run = Self {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        for text in [&run.stdout, &run.stderr] {
            assert_clean(text);
        }
        run
    }

    /// The one line on stdout of a run that went well and had nothing to remark.
    pub(crate) fn line(command: &mut Command) -> String {
        let run = Self::of(command);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
        run.only_line()
    }

    /// The line on stdout, which is the only one.
    pub(crate) fn only_line(&self) -> String {
        let line = self.stdout.strip_suffix('\n').unwrap();
        assert!(!line.contains('\n'), "{line}");
        line.to_owned()
    }

    /// The JSON object on stdout.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.only_line()).unwrap()
    }
}
