//! `sluicegate completions` and `sluicegate man`.

use crate::run::{Run, without_key};

#[test]
fn every_shell_gets_completions_of_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = Run::of(without_key().args(["completions", shell]));
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{shell}");
        for word in ["serve", "manifest", "only-expiring", "completions"] {
            assert!(run.stdout.contains(word), "{shell} does not know {word}");
        }
    }
    assert_eq!(Run::of(without_key().args(["completions", "dos"])).code, 64);
}

#[test]
fn every_command_has_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    let run = Run::of(without_key().arg("man").arg(&pages));
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (0, "", ""));
    for (page, text) in [
        ("sluicegate.1", "Streaming gateway"),
        ("sluicegate-serve.1", "gateway.toml"),
        ("sluicegate-manifest-sign.1", "only\\-expiring"),
    ] {
        let page = std::fs::read_to_string(pages.join(page)).unwrap();
        assert!(page.contains(text), "{page}");
    }
}
