//! Programs that tests need, and what happens when one is not installed.

use std::env;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::fixtures;

/// Program, and the Debian package that brings it.
const KNOWN: &[(&str, &str)] = &[
    ("chromium", "chromium"),
    ("curl", "curl"),
    ("ffmpeg", "ffmpeg"),
    ("ffprobe", "ffmpeg"),
    (
        "gst-launch-1.0",
        "gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good \
         gstreamer1.0-plugins-bad gstreamer1.0-libav",
    ),
    ("caddy", "caddy"),
    ("make", "make"),
    ("moto_server", "python3-venv, then scripts/test-tools.sh"),
    ("nginx", "nginx"),
    ("node", "nodejs"),
    ("openssl", "openssl"),
    ("php", "php-cli"),
    ("python3", "python3"),
    ("redis-server", "redis-server"),
    ("setpriv", "util-linux"),
];

/// Debian keeps servers outside an ordinary user's `PATH`.
const MORE_FOLDERS: &[&str] = &["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Returns from the test when one of the named programs is not installed; see [`require`].
///
/// ```no_run
/// fn plays() {
///     sluicegate_testkit::require_tools!("nginx", "ffmpeg");
/// }
/// ```
#[macro_export]
macro_rules! require_tools {
    ($($name:expr),+ $(,)?) => {
        if !$crate::tools::require(&[$($name),+]) {
            return;
        }
    };
}

/// Returns from the test when the browser or its scripts are not installed; see
/// [`require_browser`].
#[macro_export]
macro_rules! require_browser {
    () => {
        if !$crate::tools::require_browser() {
            return;
        }
    };
}

/// Returns from a test that only `make proof` runs.
#[macro_export]
macro_rules! require_proof {
    () => {
        if std::env::var_os("SLUICEGATE_PROOF").is_none() {
            eprintln!("SKIPPED: make proof runs this");
            return;
        }
    };
}

/// The path of an installed program. The variable `CHROMIUM` may name the browser.
#[must_use]
pub fn tool(name: &str) -> Option<PathBuf> {
    if name == "chromium"
        && let Some(named) = env::var_os("CHROMIUM").filter(|named| !named.is_empty())
    {
        return Some(PathBuf::from(named)).filter(|path| is_program(path));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(MORE_FOLDERS.iter().map(PathBuf::from))
        // Where `scripts/test-tools.sh` puts moto, which stands in for S3.
        .chain([fixtures::workspace_root().join("target/moto/bin")])
        .map(|folder| folder.join(name))
        .find(|program| is_program(program))
}

/// Whether all the programs are installed. If not, says on stderr what the test was skipped for.
///
/// # Panics
/// Instead of skipping when the variable `CI` is `true`, and for a name that is not known here.
#[must_use]
pub fn require(names: &[&str]) -> bool {
    go_on(names.iter().filter_map(|name| lack_of(name)).collect())
}

/// As [`require`], for `node`, `chromium` and the npm packages of `crates/testkit/browser`.
///
/// # Panics
/// As [`require`].
#[must_use]
pub fn require_browser() -> bool {
    let programs = ["node", "chromium"].into_iter().filter_map(lack_of);
    let packages = (!fixtures::browser_dir().join("node_modules").is_dir()).then(|| {
        "crates/testkit/browser/node_modules (run `npm ci` there; `make test` does)".to_owned()
    });
    go_on(programs.chain(packages).collect())
}

fn lack_of(name: &str) -> Option<String> {
    let package = package_of(name).unwrap_or_else(|| panic!("{name} is not among the known tools"));
    tool(name).is_none().then(|| format!("{name} (apt-get install {package})"))
}

fn package_of(name: &str) -> Option<&'static str> {
    KNOWN.iter().find(|(known, _)| *known == name).map(|&(_, package)| package)
}

#[expect(clippy::needless_pass_by_value, reason = "both callers collect the list for this")]
fn go_on(lacking: Vec<String>) -> bool {
    if lacking.is_empty() {
        return true;
    }
    let needs = lacking.join(", ");
    assert!(env::var("CI").as_deref() != Ok("true"), "needs {needs}");
    // Past the test harness, which swallows what a passing test prints.
    let _ = writeln!(std::io::stderr(), "SKIPPED: needs {needs}");
    false
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_and_a_missing_one_is_not() {
        assert!(tool("sh").is_some_and(|path| path.is_absolute()));
        assert_eq!(tool("sluicegate-no-such-program"), None);
    }

    #[test]
    fn a_folder_or_an_ordinary_file_is_no_program() {
        assert!(!is_program(Path::new("/")));
        assert!(!is_program(&fixtures::workspace_root().join("Cargo.toml")));
    }

    #[test]
    fn a_lack_names_the_package() {
        assert_eq!(package_of("php"), Some("php-cli"));
        assert_eq!(package_of("rm"), None);
    }
}
