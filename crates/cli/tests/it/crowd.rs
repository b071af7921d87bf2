//! Hostile manifests at once through one gateway: each is answered, and others do not notice.

#[path = "../../../manifest/tests/common/hostile.rs"]
#[allow(dead_code, reason = "the tests of the manifest crate grow all pairs")]
mod growing;
mod hostile;
mod live_play;
mod silent;
mod site;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use sluicegate_testkit::http::Response;
use sluicegate_testkit::{LiveOrigin, require_proof, require_tools};

use self::hostile::{Hostile, Route};
use self::silent::Silent;
use self::site::Site;

/// The peak of the process's memory, in MiB.
const MOST_MIB: u64 = 700;
/// As often as that all are asked for, each time in another folder, so that the cache is full in the end.
const ROUNDS: usize = 6;

/// The program that these tests were built with.
fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_sluicegate"))
}

/// The program as it is released, which `make proof` builds.
fn released() -> PathBuf {
    let built = program();
    let release = built.ancestors().nth(2).unwrap().join("release/sluicegate");
    assert!(release.is_file(), "cargo build --release --package sluicegate");
    release
}

/// An answer, and how long it took to come to its end.
struct Answered {
    file: &'static str,
    response: Response,
    took: Duration,
}

impl Answered {
    /// The status, with the code of a refusal.
    fn told(&self) -> String {
        let body: serde_json::Value = match self.response.status {
            200 => return "200".to_owned(),
            _ => serde_json::from_slice(&self.response.body).unwrap(),
        };
        format!("{} {}", self.response.status, body["code"].as_str().unwrap())
    }
}

/// Asks for all at once, each in a session of its own.
fn ask_at_once(site: &Site, all: &[Hostile], folder: &str) -> Vec<Answered> {
    let targets: Vec<_> = all.iter().map(|hostile| site.session(hostile, folder)).collect();
    let begin = Barrier::new(all.len());
    scope(|scope| {
        let ask = |(hostile, target): (&Hostile, &String)| {
            let (begin, file, target) = (&begin, hostile.file, target.clone());
            scope.spawn(move || {
                let mut client = site.client();
                begin.wait();
                let began = Instant::now();
                let response = client.get(target.as_bytes(), &[]).unwrap();
                Answered { file, response, took: began.elapsed() }
            })
        };
        let asked: Vec<_> = all.iter().zip(&targets).map(ask).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    })
}

/// Asks for `/healthz` again and again: the longest that it took.
fn watch_health(site: &Site, is_over: &AtomicBool) -> Duration {
    let mut client = site.client();
    let mut slowest = Duration::ZERO;
    while !is_over.load(Ordering::SeqCst) {
        let began = Instant::now();
        assert_eq!(client.get(b"/healthz", &[]).unwrap().status, 200);
        slowest = slowest.max(began.elapsed());
        sleep(Duration::from_millis(20));
    }
    slowest
}

/// Each is rendered, refused for what it is, or for want of a thread, and good ones are served then.
fn assert_answered(site: &Site, answers: &[Answered], folder: &str) {
    for answer in answers {
        let told = answer.told();
        let is_known = ["200", "502 manifest-uri-refused", "502 manifest-invalid"]
            .contains(&&*told)
            || ["502 manifest-too-large", "503 manifest-busy"].contains(&&*told);
        assert!(is_known, "{}: {told}", answer.file);
    }
    for route in ["folder", "files"] {
        let good = site.open(&format!("/{route}/{folder}/good.m3u8"), "");
        assert_eq!(site.get(&good).status, 200);
    }
}

fn report(name: &str, answers: &[Answered]) {
    let mut counts = BTreeMap::new();
    for answer in answers {
        let told = answer.told();
        eprintln!("{name} {}: {told} in {:.2?}", answer.file, answer.took);
        *counts.entry(told).or_insert(0) += 1;
    }
    eprintln!("{name}: {counts:?}");
}

#[test]
fn hostile_manifests_at_once_are_answered_and_take_no_more_memory_than_there_may_be() {
    let all = hostile::all();
    let site = Site::start(&program(), &all, None, "");
    let is_over = AtomicBool::new(false);
    let answers = scope(|scope| {
        scope.spawn(|| watch_health(&site, &is_over));
        let answers = ask_at_once(&site, &all, "at-once");
        is_over.store(true, Ordering::SeqCst);
        answers
    });
    report("debug", &answers);
    assert_answered(&site, &answers, "at-once");
    let peak = site.peak_mib();
    assert!(peak < MOST_MIB, "{peak} MiB");
}

/// The comparison with what a profile leaves holds hashes, and takes no more work than one manifest may.
#[test]
fn a_profile_and_long_urls_take_little_more_memory_than_the_urls() {
    const LITTLE_MIB: u64 = 128;
    let is_long = |hostile: &Hostile| hostile.file == "long-urls.mpd";
    let all: Vec<_> = hostile::all().into_iter().filter(is_long).collect();
    let site = Site::start(&program(), &all, None, "");
    let answers = ask_at_once(&site, &all, "alone");
    report("alone", &answers);
    assert_answered(&site, &answers, "alone");
    let peak = site.peak_mib();
    assert!(peak < LITTLE_MIB, "{peak} MiB");
}

/// Eighty manifests go through a cache that holds thirty of them.
#[test]
fn the_process_takes_no_more_memory_than_the_cache_says_that_it_holds() {
    const CACHE_MIB: u64 = 64;
    /// For what is no cache: what is under way, and what the allocator keeps for a moment.
    const REST_MIB: u64 = 48;
    let all = [hostile::long()];
    let site = Site::start(&program(), &all, None, &format!("cache_bytes = {}", CACHE_MIB << 20));
    let before = site.peak_mib();
    for number in 0..80 {
        let target = site.session(&all[0], &format!("folder-{number}"));
        assert_eq!(site.get(&target).status, 200);
    }
    let (cached, taken) = (site.cached_mib(), site.peak_mib() - before);
    eprintln!("{cached} MiB are kept, {taken} MiB were taken beside the {before} MiB of the start");
    assert!((CACHE_MIB - 8..=CACHE_MIB).contains(&cached), "{cached} MiB");
    assert!((cached..=cached + REST_MIB).contains(&taken), "{taken} MiB for {cached} MiB");
}

/// A text for many clients counts once, and so does one of which the cache holds a newer version or none.
#[test]
fn texts_that_nobody_reads_take_no_more_memory_than_there_may_be() {
    const TEXT_MIB: usize = 4;
    const BUFFER_MIB: usize = 32;
    const READERS: usize = 80;
    /// Beside the buffers: the cache, what is compiled and rendered, and the program itself.
    const REST_MIB: usize = 160;
    let limits = format!(
        "cache_bytes = 8388608\nmanifest_wait_secs = 0\nmanifest_buffer_bytes = {}",
        BUFFER_MIB << 20
    );
    // Texts of many manifests, which are the same for all viewers, and of one, which are each viewer's own.
    for (route, folders) in [(Route::Folder, READERS), (Route::Profile, 1)] {
        let all = [silent::playlist(route, TEXT_MIB)];
        let site = Site::start(&program(), &all, None, &limits);
        let target = |number| site.session(&all[0], &format!("folder-{}", number % folders));
        let targets: Vec<_> = (0..READERS).map(target).collect();
        let silent = Silent::ask(site.addr(), &targets);
        let served = silent.statuses.iter().filter(|&&status| status == 200).count();
        assert!((2..READERS).contains(&served), "{route:?}: {:?}", silent.statuses);
        let busy = silent.statuses.iter().filter(|&&status| status == 503).count();
        assert_eq!(served + busy, READERS, "{route:?}: {:?}", silent.statuses);
        let peak = site.peak_mib();
        eprintln!("{route:?}: {served} of {READERS} texts, a peak of {peak} MiB");
        assert!(peak < (BUFFER_MIB + REST_MIB) as u64, "{route:?}: {peak} MiB");
        let good = site.open("/folder/other/good.m3u8", "");
        assert_eq!(site.get(&good).status, 200, "short texts need none of it");
        drop(silent);
        let again = || site.get(&target(0)).status == 200;
        assert!((0..50).any(|_| again() || {
            sleep(Duration::from_millis(100));
            false
        }));
    }
}

/// A segment of the live stream has two seconds, an answer to a hostile manifest three.
#[test]
fn proof_hostile_manifests_at_once_disturb_no_other_viewer() {
    require_proof!();
    require_tools!("ffmpeg");
    let all = hostile::all();
    let origin = LiveOrigin::start();
    let site = Site::start(&released(), &all, Some(&origin.url("/")), "");
    let live = site.open("/live/plain/360p/index.m3u8", "");
    let is_over = AtomicBool::new(false);
    let (rounds, health, played) = scope(|scope| {
        let health = scope.spawn(|| watch_health(&site, &is_over));
        let play = scope.spawn(|| live_play::play(site.client(), &live, &is_over));
        sleep(Duration::from_secs(4));
        let round = |number| {
            let folder = format!("round-{number}");
            let answers = ask_at_once(&site, &all, &folder);
            report(&folder, &answers);
            eprintln!("{folder}: a peak of {} MiB", site.peak_mib());
            answers
        };
        let rounds: Vec<_> = (1..=ROUNDS).map(round).collect();
        sleep(Duration::from_secs(4));
        is_over.store(true, Ordering::SeqCst);
        (rounds, health.join().unwrap(), play.join().unwrap())
    });
    let slowest = rounds.iter().flatten().map(|answer| answer.took).max().unwrap();
    let peak = site.peak_mib();
    eprintln!(
        "the slowest answer {slowest:.2?}, /healthz {health:.2?}, a peak of {peak} MiB; {played:.2?}"
    );
    for answers in &rounds {
        assert_answered(&site, answers, "after");
    }
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    assert!(health < Duration::from_secs(1), "{health:?}");
    assert!(peak < MOST_MIB, "{peak} MiB");
    assert!(played.stalls == 0 && played.segments >= 5, "{played:?}");
    assert!(played.slowest < LiveOrigin::TARGET_DURATION, "{played:?}");
}
