//! `sluicegate manifest verify` of what servers answer.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use sluicegate_testkit::Server;

use crate::manifest_tree::{MEDIA, film};
use crate::run::{KEY, Run, assert_clean, program, sluicegate, without_key};
use crate::serving::Serving;

/// A server that knows no HEAD, has a bad moment, and counts what it is asked at once.
#[derive(Default)]
struct Odd {
    running: AtomicUsize,
    most: AtomicUsize,
    bad_moments: AtomicUsize,
}

async fn answer(State(odd): State<Arc<Odd>>, request: Request) -> StatusCode {
    let running = odd.running.fetch_add(1, Ordering::SeqCst) + 1;
    odd.most.fetch_max(running, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(20)).await;
    odd.running.fetch_sub(1, Ordering::SeqCst);
    let is_small = request.headers().get(header::RANGE).is_some_and(|range| range == "bytes=0-0");
    match request.uri().path() {
        _ if request.method() == Method::HEAD => StatusCode::METHOD_NOT_ALLOWED,
        _ if !is_small => StatusCode::PAYLOAD_TOO_LARGE,
        "/vod/seg7.ts" => StatusCode::NOT_FOUND,
        "/vod/seg8.ts" => StatusCode::RANGE_NOT_SATISFIABLE,
        "/vod/seg9.ts" if odd.bad_moments.fetch_add(1, Ordering::SeqCst) < 2 => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        _ => StatusCode::PARTIAL_CONTENT,
    }
}

#[test]
fn every_uri_is_requested_and_some_at_a_time() {
    let odd = Arc::new(Odd::default());
    let server = Server::start(Router::new().fallback(answer).with_state(Arc::clone(&odd)));
    let folder = tempfile::tempdir().unwrap();
    let segments: String = (0..40).map(|at| format!("#EXTINF:2,\nseg{at}.ts\n")).collect();
    fs::write(folder.path().join("a.m3u8"), format!("#EXTM3U\n{segments}#EXT-X-ENDLIST\n"))
        .unwrap();
    let mut command = without_key();
    command.args(["manifest", "verify", "--http", "--at-once", "5", "--base-url"]);
    let run = Run::of(command.arg(server.url("/vod/")).arg(folder.path()));
    assert_eq!(run.code, 1, "{}", run.stderr);
    let problems: Vec<_> = run.stdout.lines().collect();
    assert_eq!(problems.len(), 1, "{}", run.stdout);
    assert!(problems[0].ends_with("a.m3u8:17  URI line  /vod/seg7.ts  the server answers 404"));
    assert_eq!(run.stderr, "1 manifest, 40 URIs; 1 wrong\n");
    let most = odd.most.load(Ordering::SeqCst);
    assert!((2..=5).contains(&most), "{most} at once");
}

#[test]
fn a_server_that_is_not_there_is_a_problem_of_each_uri() {
    let folder = film();
    let mut command = without_key();
    command.args([
        "manifest",
        "verify",
        "--http",
        "--json",
        "--base-url",
        "http://127.0.0.1:1/vod/",
    ]);
    let run = Run::of(command.arg(folder.path()));
    assert_eq!(run.code, 1, "{}", run.stderr);
    let report = run.json();
    let problems = report["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 2, "{report}");
    assert!(problems.iter().all(|problem| problem["code"] == "no-answer"), "{report}");
}

#[test]
fn a_url_is_followed_to_all_that_it_leads_to() {
    let (film, out) = (film(), tempfile::tempdir().unwrap());
    let mut command = program();
    command.arg("edge").arg(out.path()).args(["--scope", "directory", "--listen", "127.0.0.1:0"]);
    let edge = Serving::start(command.env("SLUICEGATE_KEY", KEY), "edge");
    let mut command = sluicegate();
    command.args(["manifest", "sign", "--copy", "--base-url", &edge.url("/")]).arg(film.path());
    assert_eq!(Run::of(command.arg("--out").arg(out.path())).code, 0);
    let mut command = sluicegate();
    command.args(["sign", "--scope", "directory"]).arg(edge.url("/film/master.m3u8"));
    let master = Run::line(&mut command);

    let online = || Run::of(without_key().args(["manifest", "verify", "--http", &master]));
    let run = online();
    assert_eq!((run.code, run.stderr.as_str()), (0, "2 manifests, 2 URIs; 0 wrong\n"));
    let with_key = || Run::of(sluicegate().args(["manifest", "verify", "--json", &master]));
    let run = with_key();
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert!(run.json()["expires"].as_u64().is_some(), "{}", run.stdout);

    // A playlist that was never signed: both ways tell of it, and neither of the token.
    fs::write(out.path().join("film/360p/index.m3u8"), MEDIA).unwrap();
    for (run, told) in [(online(), "the server answers 403"), (with_key(), "is missing")] {
        assert_eq!(run.code, 1, "{}", run.stderr);
        assert!(
            run.stdout.contains("/film/360p/a.ts") && run.stdout.contains(told),
            "{}",
            run.stdout
        );
        assert!(!run.stdout.contains("md5="), "{}", run.stdout);
        assert_clean(&(run.stdout + &run.stderr));
    }
    let altered = master.replace("/film/", "/other/");
    let run = Run::of(without_key().args(["manifest", "verify", "--http", &altered]));
    assert_eq!(run.code, 1);
    let told = format!("{}  the server answers 403\n", edge.url("/other/master.m3u8"));
    assert_eq!(run.stdout, told);
}

#[test]
fn folders_and_urls_do_not_mix() {
    let film = film();
    let url = "http://127.0.0.1:1/a.m3u8";
    let run = Run::of(sluicegate().args(["manifest", "verify", url]).arg(film.path()));
    assert_eq!(run.code, 64, "{}", run.stderr);
    let run = Run::of(sluicegate().args(["manifest", "verify"]).arg(film.path()));
    assert_eq!(run.code, 64);
    assert!(run.stderr.contains("--base-url"), "{}", run.stderr);
}
