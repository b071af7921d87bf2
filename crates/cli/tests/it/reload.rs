//! A gateway whose configuration, keys and process change while viewers play.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sluicegate_testkit::http::Client;
use sluicegate_testkit::{Process, certificate, require_tools};

use crate::folder::{Folder, config, keep_private, streams};
use crate::run::{Run, program, without_key};
use crate::serving::{Serving, signal, wait_until};

const MASTER: &str = "/videos/subdirs/master.m3u8";

fn start(folder: &Folder, text: &str) -> Serving {
    let path = folder.path().join("gateway.toml");
    std::fs::write(&path, text).unwrap();
    Serving::start(
        program().args(["serve", "--log-format", "json", "--config"]).arg(path),
        "gateway",
    )
}

/// Enters by a link: the session's path.
fn enter(serving: &Serving, folder: &Folder) -> String {
    let entry = serving.get(&folder.sign(&serving.url(MASTER), &[]));
    assert_eq!(entry.status, 302, "{}", entry.text());
    entry.header("location").unwrap().to_owned()
}

fn has_logged(serving: &Serving, text: &str) -> bool {
    serving.log(1).iter().any(|line| line.contains(text))
}

/// How often the configuration was read again and taken.
fn readings(serving: &Serving) -> usize {
    serving.log(1).iter().filter(|line| line.contains("was read again")).count()
}

fn new_key(path: &Path, options: &[&str]) {
    let _ = std::fs::remove_file(path);
    let run = Run::of(without_key().arg("keygen").args(options).arg("--out").arg(path));
    assert_eq!(run.code, 0, "{}", run.stderr);
    keep_private(path);
}

#[test]
fn a_configuration_is_read_again_when_it_changes_and_at_sighup() {
    let folder = Folder::new();
    let text = config("127.0.0.1:0", &streams());
    let serving = start(&folder, &text);
    let session = enter(&serving, &folder);
    let path = folder.path().join("gateway.toml");

    // By the change of the file: another route.
    let more = format!(
        "{text}\n[[route]]\nid = \"more\"\npath = \"/more/\"\norigin = \"{}\"\n[route.entry]\nkey = {{ file = \"cdn.key\" }}\n",
        streams()
    );
    std::fs::write(&path, &more).unwrap();
    let link = folder.sign(&serving.url("/more/subdirs/master.m3u8"), &[]);
    wait_until(|| serving.get(&link).status == 302);
    assert_eq!(serving.get(&session).status, 200, "who plays plays on");

    // What cannot be used changes nothing, and is said once for each change.
    std::fs::write(&path, more.replace("origin =", "orign =")).unwrap();
    wait_until(|| has_logged(&serving, "the configuration is not taken, and the old one stays"));
    wait_until(|| has_logged(&serving, "unknown field `orign`"));
    assert_eq!((serving.get(&link).status, serving.get(&session).status), (302, 200));

    // Replaced by renaming, as by Kubernetes; what needs a new process is said.
    let beside = folder.path().join("gateway.toml.new");
    std::fs::write(&beside, text.replace("listen = \"127.0.0.1:0\"", "listen = \"127.0.0.1:1\""))
        .unwrap();
    std::fs::rename(&beside, &path).unwrap();
    wait_until(|| serving.get(&link).status == 403);
    wait_until(|| has_logged(&serving, "a change of this key is taken at the next start"));
    assert_eq!(serving.get(&session).status, 200);

    // By the signal, at once and without any change.
    let before = readings(&serving);
    serving.signal("HUP");
    wait_until(|| readings(&serving) == before + 1);
    assert_eq!(serving.get(&session).status, 200);
}

#[test]
fn keys_are_exchanged_while_sessions_of_the_old_one_play() {
    let folder = Folder::new();
    let text = config("127.0.0.1:0", &streams());
    let serving = start(&folder, &text);
    let old = enter(&serving, &folder);
    new_key(&folder.path().join("next.key"), &["--session"]);
    let keys =
        |keys: &str| text.replace("key = { file = \"session.key\" }", &format!("keys = [{keys}]"));
    let write = |text: &str| std::fs::write(folder.path().join("gateway.toml"), text).unwrap();

    // The new key is known to all before it signs, then it signs, then the old one goes.
    let both = keys("{ id = 1, file = \"session.key\" }, { id = 2, file = \"next.key\" }");
    write(&both);
    wait_until(|| readings(&serving) == 1);
    assert_eq!(serving.get(&old).status, 200);
    let by_the_old = enter(&serving, &folder);
    write(&keys("{ id = 2, file = \"next.key\" }, { id = 1, file = \"session.key\" }"));
    wait_until(|| readings(&serving) == 2);
    let new = enter(&serving, &folder);
    for session in [&old, &by_the_old, &new] {
        assert_eq!(serving.get(session).status, 200);
    }
    write(&keys("{ id = 2, file = \"next.key\" }"));
    wait_until(|| serving.get(&old).status == 403);
    assert_eq!(serving.get(&by_the_old).status, 403);
    assert_eq!(serving.get(&new).status, 200);

    // A file of a key that changes is read, too: all its sessions end.
    new_key(&folder.path().join("next.key"), &["--session"]);
    wait_until(|| serving.get(&new).status == 403);
    assert_eq!(serving.get(&enter(&serving, &folder)).status, 200);
}

/// Starts a gateway that takes over a listening socket, as systemd and systemfd hand it over.
fn take_over(listener: &TcpListener, folder: &Folder) -> Process {
    let socket = OwnedFd::from(listener.try_clone().unwrap());
    let mut command = Command::new("sh");
    // The socket is number 3, and the process that it is for says so itself.
    let script = "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\"";
    command.args(["-c", script, "sh"]).arg(env!("CARGO_BIN_EXE_sluicegate"));
    command.args(["serve", "--config"]).arg(folder.path().join("gateway.toml"));
    let process = Process::spawn_with_stdin(&mut command, Stdio::from(socket)).unwrap();
    wait_until(|| process.stdout().contains("gateway: http://"));
    process.with_grace(Duration::from_secs(20))
}

#[test]
fn one_process_takes_over_from_another_and_nobody_is_refused() {
    let folder = Folder::new();
    // What the configuration says of the port does not count then.
    std::fs::write(folder.path().join("gateway.toml"), config("127.0.0.1:1", &streams())).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let mut process = take_over(&listener, &folder);
    assert_eq!(process.stdout(), format!("gateway: http://{addr}/\n"));
    let link = folder.sign(&format!("http://{addr}{MASTER}"), &[]);
    let target = link.strip_prefix(&format!("http://{addr}")).unwrap();
    let entry = Client::connect(addr).unwrap().get(target.as_bytes(), &[]).unwrap();
    let session = entry.header("location").unwrap().to_owned();

    let is_over = AtomicBool::new(false);
    let asked = std::thread::scope(|scope| {
        let viewers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut asked = 0;
                    while !is_over.load(Ordering::Relaxed) {
                        // A connection for each: none is found closed by a stop.
                        let answer = Client::connect(addr).unwrap().get(session.as_bytes(), &[]);
                        assert_eq!(answer.unwrap().status, 200);
                        asked += 1;
                    }
                    asked
                })
            })
            .collect();
        for _ in 0..3 {
            let next = take_over(&listener, &folder);
            signal(&process, "TERM");
            assert_eq!(process.wait(Duration::from_secs(20)).unwrap().unwrap().code(), Some(0));
            process = next;
        }
        is_over.store(true, Ordering::Relaxed);
        viewers.into_iter().map(|viewer| viewer.join().unwrap()).sum::<usize>()
    });
    assert!(asked > 100, "{asked}");
}

#[test]
fn a_socket_that_does_not_listen_is_told() {
    let folder = Folder::new();
    std::fs::write(folder.path().join("gateway.toml"), config("127.0.0.1:0", &streams())).unwrap();
    let script = "exec 3</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(env!("CARGO_BIN_EXE_sluicegate"));
    command.args(["serve", "--config"]).arg(folder.path().join("gateway.toml"));
    let run = Run::of(&mut assert_cmd::Command::from_std(command));
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert!(run.stderr.contains("the socket number 0 that was handed over"), "{}", run.stderr);
}

#[test]
fn a_renewed_certificate_is_served() {
    require_tools!("openssl", "curl");
    let folder = Folder::new();
    for name in ["tls", "renewed"] {
        let _ = certificate::make(folder.path(), name);
        keep_private(&folder.path().join(format!("{name}.key")));
    }
    let tls = "tls = { certificate = \"tls.pem\", key = { file = \"tls.key\" } }\n";
    let path = folder.write("gateway.toml", format!("{tls}{}", config("127.0.0.1:0", &streams())));
    let process = Process::spawn(program().args(["serve", "--config"]).arg(path)).unwrap();
    wait_until(|| process.stdout().contains('\n'));
    let stdout = process.stdout();
    let url = stdout.trim_end().strip_prefix("gateway: ").unwrap();
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    let is_trusted = |name: &str| {
        let mut command = Command::new("curl");
        command.args(["-sS", "--max-time", "10", "--cacert"]).arg(folder.path().join(name));
        command.arg(format!("{url}healthz")).output().unwrap().status.success()
    };
    std::fs::copy(folder.path().join("tls.pem"), folder.path().join("first.pem")).unwrap();
    assert!(is_trusted("first.pem") && !is_trusted("renewed.pem"));
    // A key that is not the certificate's changes nothing.
    std::fs::copy(folder.path().join("renewed.pem"), folder.path().join("tls.pem")).unwrap();
    wait_until(|| process.stderr().contains("certificate and key do not fit"));
    assert!(is_trusted("first.pem"));
    std::fs::copy(folder.path().join("renewed.key"), folder.path().join("tls.key")).unwrap();
    wait_until(|| is_trusted("renewed.pem"));
    assert!(!is_trusted("first.pem"));
}
