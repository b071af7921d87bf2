//! One run of the program, and what must hold for every one.

use assert_cmd::Command;

/// The secret in `SLUICEGATE_KEY` unless a test sets another.
pub(crate) const KEY: &str = "Zm9v-not-to-be-shown-anywhere";

/// The program with [`KEY`] in its environment.
pub(crate) fn sluicegate() -> Command {
    let mut command = without_key();
    command.env("SLUICEGATE_KEY", KEY);
    command
}

/// The program without any key.
pub(crate) fn without_key() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    command.env_remove("SLUICEGATE_KEY");
    command
}

/// What a run left behind.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Runs to the end. No output may ever hold the secret, nor a colour when it is no terminal.
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let run = Self {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        for text in [&run.stdout, &run.stderr] {
            assert!(!text.contains(KEY) && !text.contains('\x1b'), "{text}");
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
