//! Where a secret comes from: a file, an environment variable, or what a command prints.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use secrecy::SecretSlice;
use thiserror::Error;
use zeroize::Zeroizing;

/// How long a command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// No key is longer; an RSA key as PEM has some thousand bytes.
const MAX_BYTES: u64 = 64 << 10;

/// A place of a secret. It is never part of a configuration or a command line itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// A program and its arguments, which prints the secret. No shell is in between.
    Command(Vec<String>),
}

/// A secret's text as it was found.
#[derive(Debug)]
pub struct FoundKey {
    /// The text, line end and all.
    pub text: SecretSlice<u8>,
    /// What is wrong with its place, although it can be read.
    pub warning: Option<String>,
}

/// Why there is no secret. No message holds a part of one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyProblem {
    /// There is nothing but white space.
    #[error("the key is empty")]
    Empty,
    /// The file cannot be read.
    #[error("cannot read {}: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// Anybody may choose the key.
    #[error("anybody may write {}, and so choose the key: chmod 600 {}", .0.display(), .0.display())]
    WrittenByOthers(PathBuf),
    /// The variable is not set.
    #[error("the environment variable {0} is not set")]
    NoVariable(String),
    /// The command prints no key. Its arguments are not shown: one may be a secret, too.
    #[error("the command {program}: {problem}")]
    Command {
        /// The program.
        program: String,
        /// What is wrong.
        problem: String,
    },
}

impl KeySource {
    /// Reads the secret.
    ///
    /// # Errors
    /// [`KeyProblem`].
    pub fn read(&self) -> Result<FoundKey, KeyProblem> {
        let (text, warning) = match self {
            Self::File(path) => read_file(path)?,
            Self::Env(name) => (variable(name)?, None),
            Self::Command(words) => (run(words)?, None),
        };
        if text.trim_ascii().is_empty() {
            return Err(KeyProblem::Empty);
        }
        Ok(FoundKey { text: text.to_vec().into(), warning })
    }

    /// Its name, for key ids and messages.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Env(name) => name.clone(),
            Self::Command(words) => words.first().cloned().unwrap_or_default(),
        }
    }
}

fn read_file(path: &Path) -> Result<(Zeroizing<Vec<u8>>, Option<String>), KeyProblem> {
    let cannot =
        |why: io::Error| KeyProblem::Unreadable { path: path.to_owned(), why: why.to_string() };
    let file = std::fs::File::open(path).map_err(cannot)?;
    let warning = check_mode(&file, path)?;
    let mut text = Zeroizing::new(Vec::new());
    file.take(MAX_BYTES).read_to_end(&mut text).map_err(cannot)?;
    Ok((text, warning))
}

/// Who else may read the file, or even write it.
#[cfg(unix)]
fn check_mode(file: &std::fs::File, path: &Path) -> Result<Option<String>, KeyProblem> {
    use std::os::unix::fs::PermissionsExt as _;
    const WRITTEN_BY_OTHERS: u32 = 0o002;
    const READ_BY_OTHERS: u32 = 0o004;
    // A pipe or a device (`/dev/stdin`, `<(...)`) has no owner to protect it from.
    let Some(metadata) = file.metadata().ok().filter(std::fs::Metadata::is_file) else {
        return Ok(None);
    };
    let mode = metadata.permissions().mode();
    if mode & WRITTEN_BY_OTHERS != 0 {
        return Err(KeyProblem::WrittenByOthers(path.to_owned()));
    }
    let path = path.display();
    Ok((mode & READ_BY_OTHERS != 0)
        .then(|| format!("every user of this machine may read {path}: chmod 600 {path}")))
}

#[cfg(not(unix))]
fn check_mode(_: &std::fs::File, _: &Path) -> Result<Option<String>, KeyProblem> {
    Ok(None)
}

fn variable(name: &str) -> Result<Zeroizing<Vec<u8>>, KeyProblem> {
    // `var_os` panics on such a name on some systems.
    let is_name = !name.is_empty() && !name.contains(['=', '\0']);
    let value = is_name.then(|| std::env::var_os(name)).flatten();
    let value = value.ok_or_else(|| KeyProblem::NoVariable(name.to_owned()))?;
    Ok(Zeroizing::new(value.into_encoded_bytes()))
}

fn run(words: &[String]) -> Result<Zeroizing<Vec<u8>>, KeyProblem> {
    let program = words.first().cloned().unwrap_or_default();
    let failed = |problem: String| KeyProblem::Command { program: program.clone(), problem };
    if program.is_empty() {
        return Err(failed("it is empty: give the program and its arguments".to_owned()));
    }
    let mut child = Command::new(&program)
        .args(&words[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|why| failed(format!("cannot be run: {why}")))?;
    let stdout = child.stdout.take();
    let mut stdout = stdout.ok_or_else(|| failed("has no output".to_owned()))?.take(MAX_BYTES);
    let reader = std::thread::spawn(move || {
        let mut text = Zeroizing::new(Vec::new());
        stdout.read_to_end(&mut text).map(|_| text)
    });
    let began = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if began.elapsed() < COMMAND_TIMEOUT => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Ok(None) => {
                // It may have ended by now; then there is nothing to end.
                let _ = child.kill();
                let _ = child.wait();
                let problem = format!("did not end within {} s", COMMAND_TIMEOUT.as_secs());
                return Err(failed(problem));
            }
            Err(why) => return Err(failed(why.to_string())),
        }
    };
    if !status.success() {
        return Err(failed(format!("ended with {status}")));
    }
    let text = reader.join().map_err(|_| failed("its output cannot be read".to_owned()))?;
    text.map_err(|why| failed(why.to_string()))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn read(source: &KeySource) -> Result<(Vec<u8>, Option<String>), String> {
        let found = source.read().map_err(|problem| problem.to_string())?;
        Ok((found.text.expose_secret().to_vec(), found.warning))
    }

    fn command(words: &[&str]) -> KeySource {
        KeySource::Command(words.iter().map(|&word| word.to_owned()).collect())
    }

    #[cfg(unix)]
    #[test]
    fn a_file_is_read_unless_anybody_may_write_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cdn.key");
        std::fs::write(&path, "secret\n").unwrap();
        let with_mode = |mode| {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            read(&KeySource::File(path.clone()))
        };
        assert_eq!(with_mode(0o600), Ok((b"secret\n".to_vec(), None)));
        assert_eq!(with_mode(0o640), Ok((b"secret\n".to_vec(), None)));
        let (_, warning) = with_mode(0o644).unwrap();
        assert!(warning.unwrap().contains("chmod 600"));
        assert!(with_mode(0o666).unwrap_err().contains("chmod 600"));
    }

    #[cfg(unix)]
    #[test]
    fn a_command_prints_the_key_or_fails() {
        let printed = read(&command(&["printf", "%s", "secret"]));
        assert_eq!(printed, Ok((b"secret".to_vec(), None)));
        let failed = read(&command(&["sh", "-c", "echo secret; exit 3"])).unwrap_err();
        assert!(failed.contains("sh") && failed.contains('3') && !failed.contains("secret"));
        assert!(read(&command(&["/nowhere/at/all"])).unwrap_err().contains("cannot be run"));
        assert_eq!(read(&command(&["true"])), Err("the key is empty".to_owned()));
        assert!(read(&command(&[])).unwrap_err().contains("give the program"));
    }
}
