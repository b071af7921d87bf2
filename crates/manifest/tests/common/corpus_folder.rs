//! Where the corpus of real manifests is, and what its lists of refusals say.

use std::path::PathBuf;

/// A folder of the corpus, if there is a corpus.
pub(crate) fn corpus(name: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("SLUICEGATE_CORPUS") else {
        println!("SKIPPED: SLUICEGATE_CORPUS is not set");
        return None;
    };
    let folder = PathBuf::from(root).join(name);
    if !folder.is_dir() {
        let is_ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
        assert!(!is_ci, "SLUICEGATE_CORPUS has no folder {}", folder.display());
        println!("SKIPPED: SLUICEGATE_CORPUS has no folder {}", folder.display());
        return None;
    }
    Some(folder)
}

/// The message without its place, `line 4 (byte 198), ` or `line 4 (byte 198): `.
pub(crate) fn reason(refusal: &str) -> String {
    let message = refusal.split_once(')').map_or(refusal, |(_, message)| message);
    message.trim_start_matches([',', ':', ' ']).to_owned()
}
