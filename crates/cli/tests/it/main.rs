//! The commands as a shell runs them.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod abuse;
mod balancer;
mod batch;
mod config;
#[cfg(target_os = "linux")]
mod crowd;
mod demo;
mod edge;
mod examples;
mod explain;
mod folder;
mod keygen;
mod manifest;
mod manifest_tree;
mod manifest_verify;
mod manifest_watch;
#[cfg(feature = "object-store")]
mod object_store;
mod pipelines;
mod reload;
mod replicas;
mod run;
mod schemes;
mod serve;
mod serving;
mod shell;
mod sign;
#[cfg(feature = "otel")]
mod traces;
mod verify;

use run::{Run, sluicegate};

#[test]
fn help_and_version_are_success_and_go_to_stdout() {
    for command in [
        &[][..],
        &["serve"],
        &["demo"],
        &["edge"],
        &["sign"],
        &["verify"],
        &["keygen"],
        &["manifest"],
        &["manifest", "sign"],
        &["manifest", "inspect"],
        &["manifest", "strip"],
        &["config"],
        &["config", "check"],
        &["ready"],
    ] {
        let run = Run::of(sluicegate().args(command).arg("--help"));
        assert_eq!((run.code, run.stderr.as_str()), (0, ""));
        assert!(run.stdout.contains("\nExamples:\n  "), "{}", run.stdout);
    }
    let version = Run::of(sluicegate().arg("--version"));
    assert_eq!(
        (version.code, version.stdout),
        (0, format!("sluicegate {}\n", env!("CARGO_PKG_VERSION")))
    );
}

#[test]
fn a_wrong_command_line_exits_64() {
    for args in [
        &[][..],
        &["nonsense"],
        &["sign"],
        &["verify"],
        &["sign", "/a", "/b"],
        &["sign", "--nonsense", "/a"],
        &["sign", "--scheme", "other", "/a"],
        &["sign", "--scope", "everything", "/a"],
        &["sign", "--ip", "1.2.3", "/a"],
        &["verify", "--now", "yesterday", "/a"],
        &["keygen", "--json"],
        &["serve"],
        &["serve", "gateway.toml"],
        &["serve", "--config", "gateway.toml", "--nonsense"],
        &["serve", "--config", "gateway.toml", "--log-format", "xml"],
        &["demo", "fixtures/streams"],
        &["demo", "--nonsense"],
        &["demo", "--segments", "redirect"],
        &["demo", "--listen", "localhost:8080"],
        &["edge"],
        &["edge", "--nonsense", "."],
        &["edge", "--listen", "8081", "."],
        &["edge", "--scope", "everything", "."],
        &["manifest"],
        &["manifest", "nonsense"],
        &["manifest", "sign"],
        &["manifest", "sign", "a.m3u8"],
        &["manifest", "sign", "--base-url", "cdn.example.com", "a.m3u8"],
        &["manifest", "sign", "--base-url", "ftp://cdn.example.com/", "a.m3u8"],
        &["manifest", "sign", "--base-url", "https://cdn.example.com/", "-"],
        &["manifest", "sign", "--base-url", "https://h/", "--expires", "1", "--ttl", "1s", "a"],
        &["manifest", "inspect"],
        &["manifest", "strip", "https://cdn.example.com/a.m3u8"],
        &["manifest", "strip"],
        &["manifest", "strip", "--scheme", "other", "a.m3u8"],
        &["config"],
        &["config", "check"],
        &["config", "check", "--nonsense", "gateway.toml"],
        &["config", "nonsense"],
        &["ready"],
        &["ready", "127.0.0.1"],
    ] {
        let run = Run::of(sluicegate().args(args));
        assert_eq!((run.code, run.stdout.as_str()), (64, ""), "{args:?}");
        assert!(!run.stderr.is_empty());
    }
}

/// A reader that stops early, as `head -1` does, is no failure.
#[cfg(unix)]
#[test]
fn a_broken_pipe_on_stdout_is_success() {
    for args in [&["sign", "/a"][..], &["keygen"], &["--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = std::process::Command::new(env!("CARGO_BIN_EXE_sluicegate"))
            .args(args)
            .env("SLUICEGATE_KEY", run::KEY)
            .stdout(writer)
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
