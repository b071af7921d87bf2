//! A certificate that signs itself, for 127.0.0.1, by openssl.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Makes `NAME.pem` and `NAME.key` in a folder; gives the certificate's path.
#[must_use]
pub fn make(folder: &Path, name: &str) -> PathBuf {
    let (key, path) = (folder.join(format!("{name}.key")), folder.join(format!("{name}.pem")));
    let mut command = Command::new("openssl");
    command.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ]);
    command.args(["-days", "30", "-subj", &format!("/CN={name}")]);
    command.args(["-addext", "subjectAltName=IP:127.0.0.1", "-keyout"]).arg(&key);
    assert!(command.arg("-out").arg(&path).output().unwrap().status.success());
    path
}
