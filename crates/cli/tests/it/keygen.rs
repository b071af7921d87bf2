//! `sluicegate keygen`.

use std::collections::HashSet;
use std::path::Path;

use crate::run::{Run, without_key};

fn is_base64url(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn keygen_to(file: &Path, flags: &[&str]) -> Run {
    Run::of(without_key().arg("keygen").args(flags).arg("--out").arg(file))
}

#[test]
fn keys_are_of_the_right_length_and_differ() {
    for (flags, chars) in [(&[][..], 32), (&["--session"], 43)] {
        let keys: HashSet<String> =
            (0..8).map(|_| Run::line(without_key().arg("keygen").args(flags))).collect();
        assert_eq!(keys.len(), 8, "two keys are equal");
        assert!(keys.iter().all(|key| key.len() == chars && is_base64url(key)), "{keys:?}");
    }
}

#[test]
fn a_session_key_is_one_that_the_library_reads() {
    let key = Run::line(without_key().args(["keygen", "--session"]));
    assert!(sluicegate_token::SessionKey::from_text(1, key.as_bytes()).is_ok());
}

#[test]
fn a_file_is_made_for_its_owner_alone_and_nothing_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    for (name, flags, chars) in [("cdn.key", &[][..], 32), ("session.key", &["--session"], 43)] {
        let file = folder.path().join(name);
        let run = keygen_to(&file, flags);
        assert_eq!((run.code, run.stdout.as_str()), (0, ""));
        assert_eq!(run.stderr, format!("wrote {}\n", file.display()));
        let text = std::fs::read_to_string(&file).unwrap();
        let key = text.strip_suffix('\n').unwrap();
        assert!(key.len() == chars && is_base64url(key));
        assert!(!run.stderr.contains(key));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}

#[test]
fn a_key_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cdn.key");
    std::fs::write(&file, "the old key").unwrap();
    let run = keygen_to(&file, &[]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert!(run.stderr.contains("cdn.key exists already"), "{}", run.stderr);
    assert!(run.stderr.contains("give another name"), "{}", run.stderr);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "the old key");
}

/// A link that leads nowhere counts as a file that exists: what it points to is not created.
#[cfg(unix)]
#[test]
fn a_symlink_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("cdn.key");
    std::os::unix::fs::symlink(folder.path().join("elsewhere"), &link).unwrap();
    assert_eq!(keygen_to(&link, &[]).code, 2);
    assert!(!folder.path().join("elsewhere").exists());
}

#[test]
fn a_folder_that_is_missing_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let run = keygen_to(&folder.path().join("missing/cdn.key"), &[]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert!(run.stderr.starts_with("sluicegate: cannot create "), "{}", run.stderr);
}
