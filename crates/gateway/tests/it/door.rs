//! How connections are taken: TLS with HTTP/2, both families of addresses, and a stop that is seen
//! before it happens.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use sluicegate_gateway::{Config, Tls, TlsConfig};
use sluicegate_testkit::gateway::{self, entry_path};
use sluicegate_testkit::http::Client;
use sluicegate_testkit::{Gateway, certificate, fixtures, require_tools};
use tempfile::TempDir;

use crate::support::{Admin, LOCAL_ADMIN, Site, Viewer};

const MASTER: &str = "/subdirs/master.m3u8";

fn site(top: &str) -> String {
    Site { top, ..Site::default() }.config(&format!("file:{}", fixtures::streams().display()))
}

fn tls(folder: &TempDir, name: &str) -> TlsConfig {
    let read = |extension: &str| std::fs::read(folder.path().join(format!("{name}.{extension}")));
    TlsConfig::of_pem(&read("pem").unwrap(), &read("key").unwrap()).unwrap()
}

/// Status, version of HTTP and the body, as curl gets them.
fn curl(ca: &Path, url: &str, options: &[&str]) -> Option<(String, Vec<u8>)> {
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "20", "--cacert"]).arg(ca).args(options);
    let output = command.args(["-w", "\n%{http_code} %{http_version}", url]).output().unwrap();
    if !output.status.success() {
        return None;
    }
    let at = output.stdout.iter().rposition(|byte| *byte == b'\n').unwrap();
    let told = String::from_utf8(output.stdout[at + 1..].to_vec()).unwrap();
    Some((told, output.stdout[..at].to_vec()))
}

/// A server with TLS: the URL of its root.
fn serve_tls(config: &str, folder: &TempDir, tls: &Tls) -> (sluicegate_testkit::Server, String) {
    let clock = sluicegate_testkit::clock::ManualClock::at_real_time();
    let app = gateway::build(config, folder.path(), &clock).unwrap();
    let mut door = app.door().clone();
    door.tls = Some(tls.clone());
    let server = sluicegate_testkit::Server::start_with(|_| (app.router(), door));
    let url = format!("https://{}", server.addr());
    (server, url)
}

#[test]
fn tls_speaks_both_versions_of_http_and_exchanges_its_certificate() {
    require_tools!("openssl", "curl");
    let folder = tempfile::tempdir().unwrap();
    let (first, second) =
        (certificate::make(folder.path(), "first"), certificate::make(folder.path(), "second"));
    let served = Tls::new(&tls(&folder, "first"));
    let (_server, url) = serve_tls(&site(""), &folder, &served);
    let now = sluicegate_testkit::clock::ManualClock::at_real_time();
    let link = entry_path(MASTER, {
        use sluicegate_gateway::Clock as _;
        now.now().saturating_add(3600)
    });
    let whole = format!("{url}{link}");
    for (options, version) in [
        (&["--http2"][..], "2"),
        (&["--http1.1"], "1.1"),
        (&["--tlsv1.3"], "2"),
        (&["--tls-max", "1.2"], "2"),
    ] {
        let (told, body) = curl(&first, &whole, &[&["-L"], options].concat()).unwrap();
        assert_eq!(told, format!("200 {version}"), "{options:?}");
        assert!(body.starts_with(b"#EXTM3U"));
    }
    assert!(curl(&first, &whole, &["--tls-max", "1.1"]).is_none(), "TLS 1.1 is over");
    assert!(curl(&second, &whole, &[]).is_none());
    served.exchange(&tls(&folder, "second"));
    assert!(curl(&second, &whole, &[]).is_some());
    assert!(curl(&first, &whole, &[]).is_none());
}

#[test]
fn what_is_no_certificate_with_its_key_is_told() {
    require_tools!("openssl");
    let folder = tempfile::tempdir().unwrap();
    for name in ["one", "other"] {
        let _ = certificate::make(folder.path(), name);
    }
    for name in ["session.key", "bearer.key", "entry.key"] {
        std::fs::write(folder.path().join(name), "c2Vzc2lvbi1rZXktb2YtdGhlLXRlc3RraXQtMzItYnk")
            .unwrap();
    }
    std::fs::write(folder.path().join("empty.pem"), "").unwrap();
    std::fs::write(folder.path().join("bearer.key"), gateway::BEARER).unwrap();
    std::fs::write(folder.path().join("entry.key"), gateway::ENTRY_SECRET).unwrap();
    for (certificate, key, told) in [
        ("one.pem", "one.key", ""),
        ("one.pem", "other.key", "tls: certificate and key do not fit"),
        ("one.key", "one.key", "tls: the file of the certificate holds none"),
        ("one.pem", "one.pem", "tls: the key is no private key"),
        ("none.pem", "one.key", "tls.certificate: cannot read"),
        ("empty.pem", "one.key", "tls: the file of the certificate holds none"),
    ] {
        let tls =
            format!("tls = {{ certificate = \"{certificate}\", key = {{ file = \"{key}\" }} }}\n");
        let config = format!("{tls}{}", site(""));
        let found = Config::parse(&config, folder.path(), Path::new("gateway.toml"));
        match found {
            Ok(config) => assert!(told.is_empty() && config.tls.is_some(), "{certificate} {key}"),
            Err(error) => {
                let error = error.to_string();
                assert!(
                    !told.is_empty() && error.starts_with(told),
                    "{certificate} {key}: {error}"
                );
            }
        }
    }
}

#[test]
fn an_address_for_all_takes_both_families() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Ok(listening) = runtime.block_on(sluicegate_gateway::bind("[::]:0".parse().unwrap()))
    else {
        eprintln!("SKIPPED: this machine has no IPv6");
        return;
    };
    let port = listening.addr().port();
    let folder = tempfile::tempdir().unwrap();
    let clock = sluicegate_testkit::clock::ManualClock::at_real_time();
    let config =
        site("").replace("[[route]]\nid = \"vod\"\n", "[[route]]\nid = \"vod\"\nbind_ip = true\n");
    let app = gateway::build(&config, folder.path(), &clock).unwrap();
    let serving = sluicegate_gateway::serve(
        listening,
        app.router(),
        app.door().clone(),
        std::future::pending(),
        || (),
    );
    runtime.spawn(serving);
    use sluicegate_gateway::Clock as _;
    let link = entry_path(MASTER, clock.now().saturating_add(3600));
    for (host, other) in [("127.0.0.1", "[::1]"), ("[::1]", "127.0.0.1")] {
        let mut client = Client::connect(format!("{host}:{port}").parse().unwrap()).unwrap();
        let entry = client.get(link.as_bytes(), &[]).unwrap();
        let session = entry.header("location").unwrap().to_owned();
        assert_eq!(client.get(session.as_bytes(), &[]).unwrap().status, 200, "{host}");
        // The session is for its client's address, whichever way it came.
        let mut client = Client::connect(format!("{other}:{port}").parse().unwrap()).unwrap();
        assert_eq!(client.get(session.as_bytes(), &[]).unwrap().status, 403, "{other}");
    }
    runtime.shutdown_background();
}

#[test]
fn connections_beyond_the_limit_are_closed_and_counted() {
    let top = format!("{LOCAL_ADMIN}[limits]\nconnections = 3\n");
    let gateway = Gateway::start(&site(&top));
    let admin = Admin::of(&gateway);
    let mut open: Vec<_> = (0..3).map(|_| Viewer::of(&gateway)).collect();
    for viewer in &mut open {
        assert_eq!(viewer.status("/healthz"), 200);
    }
    let mut client = Client::connect(gateway.addr()).unwrap();
    assert!(client.get(b"/healthz", &[]).is_err());
    assert_eq!(admin.count("connections", &[]), 3.0);
    assert!(admin.count("connections_refused", &[]) >= 1.0);
    open.pop();
    let began = Instant::now();
    while Client::connect(gateway.addr()).unwrap().get(b"/healthz", &[]).is_err() {
        assert!(began.elapsed() < Duration::from_secs(5), "a place that was left is not free");
    }
}

#[test]
fn a_stop_is_seen_before_it_happens() {
    let folder = tempfile::tempdir().unwrap();
    let clock = sluicegate_testkit::clock::ManualClock::at_real_time();
    let config = site("stop = { notice_secs = 1, drain_secs = 1 }\n");
    let app = gateway::build(&config, folder.path(), &clock).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listening = runtime.block_on(sluicegate_gateway::bind(([127, 0, 0, 1], 0).into())).unwrap();
    let addr = listening.addr();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async move {
        let _ = stopped.await;
    };
    let (router, door) = (app.router(), app.door().clone());
    let serving =
        runtime.spawn(sluicegate_gateway::serve(listening, router, door, shutdown, move || {
            app.drain();
        }));
    let ready = || Client::connect(addr)?.get(b"/readyz", &[]).map(|answer| answer.status);
    assert_eq!(ready().unwrap(), 200);
    let began = Instant::now();
    stop.send(()).unwrap();
    while ready().unwrap() == 200 {
        assert!(began.elapsed() < Duration::from_secs(1), "it is ready still");
    }
    // Connections are taken for a second more.
    assert_eq!(ready().unwrap(), 503);
    runtime.block_on(serving).unwrap().unwrap();
    assert!((Duration::from_secs(1)..Duration::from_secs(4)).contains(&began.elapsed()));
    assert!(ready().is_err());
}
