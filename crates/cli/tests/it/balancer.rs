//! The load balancer of docker/nginx.conf, on ports of a test.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use sluicegate_testkit::process::wait_for_port;
use sluicegate_testkit::tools::tool;
use sluicegate_testkit::{Process, fixtures};

use crate::folder::Folder;

const TIMEOUT: Duration = Duration::from_secs(20);

/// docker/nginx.conf with ports and folders of the test.
pub(crate) fn balance(folder: &Folder, listen: SocketAddr, gateways: &[SocketAddr]) -> Process {
    let path = fixtures::workspace_root().join("docker/nginx.conf");
    let mut text = std::fs::read_to_string(path).unwrap();
    let temporary = format!("{}/", folder.path().display());
    let mut changes = vec![
        ("listen 8000;".to_owned(), format!("listen {listen};")),
        // First of all: the folder itself may be there.
        ("/tmp/".to_owned(), temporary.clone()),
        ("/dev/stdout".to_owned(), format!("{temporary}access.log")),
        ("/dev/stderr".to_owned(), format!("{temporary}error.log")),
        ("worker_processes auto;".to_owned(), "worker_processes 1;\ndaemon off;".to_owned()),
    ];
    for (number, addr) in (1..).zip(gateways) {
        changes.push((format!("gateway-{number}:8080"), addr.to_string()));
    }
    for (from, to) in changes {
        assert!(text.contains(&from), "{from}");
        text = text.replace(&from, &to);
    }
    let config = folder.write("nginx.conf", text);
    let mut command = Command::new(tool("nginx").unwrap());
    let process = Process::spawn(command.arg("-c").arg(config)).unwrap();
    assert!(wait_for_port(listen, TIMEOUT), "{}", process.stderr());
    process
}
