//! `sluicegate manifest sign` and `verify` with folders of object storage, on an S3 server on loopback.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use assert_cmd::Command;
use sluicegate_testkit::http::{Client, Response};
use sluicegate_testkit::port::free_port;
use sluicegate_testkit::process::wait_for_port;
use sluicegate_testkit::tools::tool;
use sluicegate_testkit::{Process, fixtures, require_tools};
use yaml_rust2::YamlLoader;

use crate::manifest_tree::{BASE, MEDIA, film};
use crate::pipelines;
use crate::run::{KEY, Run, assert_clean, sluicegate};

const SECRET: &str = "secret-of-the-object-storage-test";

/// moto, which stands in for S3; `make test` installs it.
struct S3 {
    _server: Process,
    addr: SocketAddr,
}

impl S3 {
    fn start() -> Self {
        let program = tool("moto_server").expect("the test asks for it");
        let addr = free_port().unwrap();
        let port = addr.port().to_string();
        let mut command = std::process::Command::new(program);
        let server = Process::spawn(command.args(["-H", "127.0.0.1", "-p", &port])).unwrap();
        assert!(wait_for_port(addr, Duration::from_secs(60)), "{}", server.stderr());
        let s3 = Self { _server: server, addr };
        assert_eq!(s3.ask("PUT", "/films", b"").status, 200);
        s3
    }

    fn ask(&self, method: &str, target: &str, body: &[u8]) -> Response {
        let mut client = Client::connect(self.addr).unwrap();
        // It tells services by their signatures, which it does not check.
        let scope = "AWS4-HMAC-SHA256 Credential=tests/20260101/us-east-1/s3/aws4_request, \
                     SignedHeaders=host, Signature=0";
        client.send(method, target.as_bytes(), &[("Authorization", scope)], body).unwrap()
    }

    fn put(&self, key: &str, body: &[u8]) {
        assert_eq!(self.ask("PUT", &format!("/films/{key}"), body).status, 200, "{key}");
    }

    fn get(&self, key: &str) -> Response {
        self.ask("GET", &format!("/films/{key}"), b"")
    }

    fn text(&self, key: &str) -> String {
        let response = self.get(key);
        assert_eq!(response.status, 200, "{key}");
        String::from_utf8(response.body).unwrap()
    }
}

/// The program, with the server and its credentials in its environment.
fn at(endpoint: SocketAddr) -> Command {
    let mut command = sluicegate();
    command.env("AWS_ENDPOINT", format!("http://{endpoint}")).env("AWS_ALLOW_HTTP", "true");
    command.env("AWS_ACCESS_KEY_ID", "tests").env("AWS_SECRET_ACCESS_KEY", SECRET);
    command.env("AWS_REGION", "us-east-1");
    command
}

fn sign(endpoint: SocketAddr, input: &str, out: &str, options: &[&str]) -> Run {
    let mut command = at(endpoint);
    command.args(["manifest", "sign", "--base-url", BASE, "--expires", "2147483647"]);
    let run = Run::of(command.args([input, "--out", out]).args(options));
    assert_clean(&(run.stdout.clone() + &run.stderr));
    assert!(!run.stderr.contains(SECRET));
    run
}

/// A server in front that fails half of all connections, and cuts the others after some bytes.
fn flaky(before: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (addr, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(client) = client else { return };
            let number = counted.fetch_add(1, Ordering::SeqCst);
            thread::spawn(move || fail(number, client, before));
        }
    });
    (addr, count)
}

fn fail(number: usize, mut client: TcpStream, before: SocketAddr) {
    match number % 4 {
        // It hangs up.
        0 => {}
        1 => {
            let _ = client.read(&mut [0; 4096]);
            let _ = client.write_all(
                b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            );
        }
        _ => {
            const CUT_AFTER: u64 = 60_000;
            let server = TcpStream::connect(before).unwrap();
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut from, &mut to));
            let _ = std::io::copy(&mut server.take(CUT_AFTER), &mut client);
            let _ = client.shutdown(std::net::Shutdown::Both);
        }
    }
}

#[test]
fn a_folder_of_objects_is_signed_into_another() {
    require_tools!("moto_server");
    let s3 = S3::start();
    for (path, bytes) in fixtures::files_below(film().path()) {
        s3.put(&format!("packaged/{}", path.display()), &bytes);
    }
    s3.put("packaged/film/list", MEDIA.as_bytes());
    s3.put("packaged/film/notes.txt", b"no manifest");
    let run = sign(s3.addr, "s3://films/packaged", "s3://films/public", &[]);
    assert_eq!((run.code, run.stderr.as_str()), (0, "3 manifests signed, 3 URIs\n"));
    let signed = s3.get("public/film/360p/index.m3u8");
    assert_eq!(signed.header("content-type"), Some("application/vnd.apple.mpegurl"));
    assert!(signed.text().contains("a.ts?md5="), "{}", signed.text());
    assert!(s3.text("public/film/list").contains("a.ts?md5="), "found by its content");
    assert_eq!(s3.get("public/film/360p/a.ts").status, 404, "media stay where they are");
    assert_eq!(s3.text("packaged/film/360p/index.m3u8"), MEDIA, "inputs are not touched");

    let verify = || {
        let mut command = at(s3.addr);
        Run::of(command.args(["manifest", "verify", "--base-url", BASE, "s3://films/public"]))
    };
    let run = verify();
    assert_eq!(run.code, 1);
    assert!(run.stdout.contains("s3://films/public/film/list:3"), "{}", run.stdout);
    assert!(run.stdout.contains("the file is not in the tree"), "{}", run.stdout);
    s3.put("packaged/film/a.ts", b"media");
    let run = sign(s3.addr, "s3://films/packaged", "s3://films/public", &["--copy"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(s3.text("public/film/360p/a.ts"), "media");
    let run = verify();
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{}", run.stderr);

    // What is good for long is not written again.
    let run = sign(s3.addr, "s3://films/packaged", "s3://films/public", &["--only-expiring", "7d"]);
    assert_eq!(run.stderr, "0 manifests signed, 0 URIs; 3 manifests good for longer\n");
    let run = sign(s3.addr, "s3://films/packaged", "s3://films/none", &["--check"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(s3.get("none/film/master.m3u8").status, 404);
}

#[test]
fn objects_and_files_go_into_each_other() {
    require_tools!("moto_server");
    let s3 = S3::start();
    let (film, out) = (film(), tempfile::tempdir().unwrap());
    let (film, out) = (film.path().to_str().unwrap(), out.path().to_str().unwrap());
    let run = sign(s3.addr, film, "s3://films/public", &["--copy"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, "2 manifests signed, 2 URIs\n"));
    assert_eq!(s3.text("public/film/360p/a.ts"), "media");
    s3.put("packaged/a.m3u8", MEDIA.as_bytes());
    s3.put("packaged/a.ts", b"media");
    let run = sign(s3.addr, "s3://films/packaged", out, &["--copy"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(fs::read_to_string(format!("{out}/a.m3u8")).unwrap().contains("a.ts?md5="));
    assert_eq!(fs::read(format!("{out}/a.ts")).unwrap(), b"media");
}

#[test]
fn what_fails_in_passing_is_tried_again() {
    require_tools!("moto_server");
    let s3 = S3::start();
    let (proxy, connections) = flaky(s3.addr);
    let media: Vec<u8> = (0..100_000_u32).map(|at| at.to_le_bytes()[at as usize % 3]).collect();
    for number in 0..8 {
        s3.put(&format!("packaged/{number}/a.m3u8"), MEDIA.as_bytes());
        s3.put(&format!("packaged/{number}/a.ts"), &media);
    }
    let run = sign(proxy, "s3://films/packaged", "s3://films/public", &["--copy"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, "8 manifests signed, 8 URIs\n"));
    for number in 0..8 {
        assert!(s3.text(&format!("public/{number}/a.m3u8")).contains("a.ts?md5="));
        assert_eq!(s3.get(&format!("public/{number}/a.ts")).body, media, "{number}");
    }
    assert!(connections.load(Ordering::SeqCst) > 10, "{connections:?}");
}

#[test]
fn what_cannot_be_had_is_a_clear_error() {
    require_tools!("moto_server");
    let s3 = S3::start();
    s3.put("packaged/a.m3u8", MEDIA.as_bytes());
    s3.put("packaged/b.m3u8", b"broken");
    s3.put("packaged/a.ts", b"media");
    for (input, out, options, code, said) in [
        ("s3://none/a", "s3://films/b", &[][..], 2, "NoSuchBucket"),
        ("s3://films/none", "s3://films/b", &[], 1, "no manifest among the inputs"),
        ("s3://films/packaged", "s3://films/c", &["--link"], 64, "--copy"),
        ("s3://films/packaged", "s3://films/c", &["--watch"], 64, "--watch"),
        ("s3://films/packaged", "s3://films/packaged", &[], 64, "within each other"),
        ("s3://films/packaged", "s3://films/d", &[], 1, "s3://films/packaged/b.m3u8: "),
        ("s3://films/packaged", "s3://none/d", &[], 2, "s3://none/d/a.m3u8"),
        ("s3://films/packaged", "s3://none/d", &["--copy"], 2, "s3://none/d/a.ts"),
    ] {
        let run = sign(s3.addr, input, out, options);
        assert_eq!(run.code, code, "{input} {out}: {}", run.stderr);
        assert!(run.stderr.contains(said), "{input} {out}: {}", run.stderr);
    }
    assert!(s3.text("d/a.m3u8").contains("md5="), "the good one is there");
    assert_eq!(s3.get("d/b.m3u8").status, 404);
}

/// The job of `examples/pipelines/publish.yml`, step by step, but for those that set a machine up.
#[test]
fn the_job_publishes_what_was_pushed() {
    require_tools!("ffmpeg", "moto_server");
    let s3 = S3::start();
    let text = fs::read_to_string(pipelines::examples().join("publish.yml")).unwrap();
    let jobs = &YamlLoader::load_from_str(&text).unwrap()[0]["jobs"]["publish"];
    let work = tempfile::tempdir().unwrap();
    fs::create_dir_all(work.path().join("films")).unwrap();
    pipelines::film(&work.path().join("films/one.mp4"));
    std::os::unix::fs::symlink(
        fixtures::workspace_root().join("examples"),
        work.path().join("examples"),
    )
    .unwrap();
    let mut names = Vec::new();
    for step in jobs["steps"].as_vec().unwrap() {
        let name = step["name"].as_str().unwrap_or_default();
        if name.is_empty() || name == "Install" {
            continue;
        }
        let mut shell = std::process::Command::new("bash");
        shell.args(["-e", "-o", "pipefail", "-c", step["run"].as_str().unwrap()]);
        shell.current_dir(work.path()).env("AWS_ALLOW_HTTP", "true");
        shell.env("AWS_ENDPOINT", format!("http://{}", s3.addr));
        for (variable, value) in jobs["env"].as_hash().unwrap() {
            let (variable, value) = (variable.as_str().unwrap(), value.as_str().unwrap());
            // What stands in braces is the platform's to fill in.
            let value = if value.contains("${{") { KEY } else { value };
            shell.env(variable, value);
        }
        pipelines::succeed(&mut shell);
        names.push(name.to_owned());
    }
    assert_eq!(names, ["Package", "Check", "Publish", "Verify"]);
    assert!(s3.text("public/one/hls/360p/index.m3u8").contains("seg-0.m4s?md5="));
    assert_eq!(s3.get("public/one/dash/1/init.mp4").status, 200);
}
