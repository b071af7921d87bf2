//! How a command ends.

use std::process::ExitCode;

/// The exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All went well, and what was checked is good.
    Ok = 0,
    /// What was given was understood, and is refused or invalid.
    Refused = 1,
    /// Something outside failed: a file, the network.
    Failure = 2,
    /// The command line is wrong (`EX_USAGE`).
    Usage = 64,
}

/// An error, and the exit code it ends the command with. `?` makes any error a [`Exit::Failure`].
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) exit: Exit,
    pub(crate) error: anyhow::Error,
}

/// What a command returns. `Ok(Exit::Refused)` says that it printed the reason as its result.
pub(crate) type Outcome = Result<Exit, Failed>;

/// Gives an error another exit code than 2.
pub(crate) trait OrExit<T> {
    fn or_exit(self, exit: Exit) -> Result<T, Failed>;
}

// === impl Exit ===

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

// === impl Failed ===

impl Failed {
    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Usage, error: error.into() }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self { exit: Exit::Failure, error: error.into() }
    }
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, exit: Exit) -> Result<T, Failed> {
        self.map_err(|error| Failed { exit, error: error.into() })
    }
}
