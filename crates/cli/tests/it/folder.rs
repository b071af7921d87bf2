//! A folder with keys and a configuration, as `sluicegate keygen` and an editor leave it.

use std::path::{Path, PathBuf};

use sluicegate_testkit::fixtures;
use tempfile::TempDir;

use crate::run::{Run, without_key};

/// What is in `session.key`.
pub(crate) const SESSION_KEY: &str = "Y29tbWFuZC1saW5lLXRlc3RzLXNlc3Npb24ta2V5LTM";
/// What is in `cdn.key`.
pub(crate) const CDN_KEY: &str = "cdn-key-of-the-command-line-test";
/// What is in `bearer.key`.
pub(crate) const BEARER: &str = "bearer-of-the-command-line-tests";

/// A folder that is gone at the end of the test.
pub(crate) struct Folder(TempDir);

impl Folder {
    /// A folder with the three keys.
    pub(crate) fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, key) in
            [("session.key", SESSION_KEY), ("cdn.key", CDN_KEY), ("bearer.key", BEARER)]
        {
            folder.write(name, format!("{key}\n"));
        }
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        if name.ends_with(".key") {
            keep_private(&path);
        }
        path
    }

    /// Signs a link with `cdn.key`, as a website does.
    pub(crate) fn sign(&self, url: &str, options: &[&str]) -> String {
        let mut command = without_key();
        command.arg("sign").arg("--key-file").arg(self.path().join("cdn.key"));
        Run::line(command.args(options).arg(url))
    }
}

/// Makes a file one that its owner alone may read, as keys must be.
pub(crate) fn keep_private(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A configuration whose one route `vod` serves `/videos/` from `origin`.
pub(crate) fn config(listen: &str, origin: &str) -> String {
    format!(
        r#"listen = "{listen}"

[session]
key = {{ file = "session.key" }}

[api]
bearer = {{ file = "bearer.key" }}

[[route]]
id = "vod"
path = "/videos/"
origin = "{origin}"

[route.entry]
key = {{ file = "cdn.key" }}
"#
    )
}

/// The streams of the fixtures as an origin.
pub(crate) fn streams() -> String {
    format!("file:{}", fixtures::streams().display())
}
