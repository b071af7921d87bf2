//! Three gateways with Redis behind docker's nginx, while many play: what is killed, restarted and
//! exchanged costs nobody a frame.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use sluicegate_testkit::http::{Client, Response};
use sluicegate_testkit::port::free_port;
use sluicegate_testkit::process::wait_for_port;
use sluicegate_testkit::{Process, Redis, require_tools};
use url::Url;

use crate::balancer::balance;
use crate::folder::{BEARER, Folder, streams};
use crate::run::{Run, program, without_key};
use crate::serving::signal;

const MASTER: &str = "/videos/subdirs/master.m3u8";
const VIEWERS: usize = 50;
const TIMEOUT: Duration = Duration::from_secs(20);

/// Three gateways, Redis and a load balancer.
struct Cluster {
    folder: Folder,
    redis: Redis,
    gateways: Vec<(SocketAddr, Option<Process>)>,
    nginx: SocketAddr,
    _process: Process,
}

impl Cluster {
    fn start(keys: &str) -> Self {
        let folder = Folder::new();
        let redis = Redis::start(None);
        let addrs: Vec<_> = (0..3).map(|_| free_port().unwrap()).collect();
        let nginx = free_port().unwrap();
        let process = balance(&folder, nginx, &addrs);
        let gateways = addrs.into_iter().map(|addr| (addr, None)).collect();
        let mut cluster = Self { folder, redis, gateways, nginx, _process: process };
        for number in 0..3 {
            cluster.configure(number, keys);
            cluster.start_gateway(number);
        }
        cluster
    }

    /// Writes the configuration of one gateway, whose session keys are these.
    fn configure(&self, number: usize, keys: &str) {
        let addr = self.gateways[number].0;
        let text = crate::folder::config(&addr.to_string(), &streams());
        let key = "key = { file = \"session.key\" }\n\n[api]";
        assert!(text.contains(key));
        let shared = format!(
            "keys = [{keys}]\n[session.store]\nurl = \"{}\"\ntimeout_ms = 250\n[api]",
            self.redis.url()
        );
        let text = text.replace(key, &shared).replace(
            "[session]",
            &format!(
                "public_url = \"http://{}\"\nstop = {{ drain_secs = 5 }}\n[session]",
                self.nginx
            ),
        );
        self.folder.write(&format!("gateway-{number}.toml"), text);
    }

    fn start_gateway(&mut self, number: usize) {
        let config = self.folder.path().join(format!("gateway-{number}.toml"));
        let mut command = program();
        command.env("SLUICEGATE_LOG", "warn").args(["serve", "--config"]).arg(config);
        let process = Process::spawn(&mut command).unwrap();
        let addr = self.gateways[number].0;
        assert!(wait_for_port(addr, TIMEOUT), "{}", process.stderr());
        let run = Run::of(without_key().args(["ready", &format!("http://{addr}")]));
        assert_eq!(run.code, 0, "{}", run.stderr);
        self.gateways[number].1 = Some(process);
    }

    /// Ends one and waits for its end: by SIGTERM everything under way is finished.
    fn end_gateway(&mut self, number: usize, by: &str) {
        let mut process = self.gateways[number].1.take().unwrap();
        signal(&process, by);
        let status = process.wait(TIMEOUT).unwrap().unwrap();
        assert_eq!(status.success(), by == "TERM", "{}", process.stderr());
    }

    /// One process after another, each with these keys.
    fn roll(&mut self, keys: &str) {
        for number in 0..3 {
            self.configure(number, keys);
            self.end_gateway(number, "TERM");
            self.start_gateway(number);
        }
    }

    fn link(&self) -> String {
        let link = self.folder.sign(&format!("http://{}{MASTER}", self.nginx), &[]);
        link.strip_prefix(&format!("http://{}", self.nginx)).unwrap().to_owned()
    }

    /// Opens a session by the API: its id, and its path.
    fn open(&self, more: &str) -> (String, String) {
        let headers =
            [("Authorization", &*format!("Bearer {BEARER}")), ("Content-Type", "application/json")];
        let body = format!("{{\"path\": \"{MASTER}\"{more}}}");
        let mut client = Client::connect(self.nginx).unwrap();
        let answer = client.send("POST", b"/v1/sessions", &headers, body.as_bytes()).unwrap();
        assert_eq!(answer.status, 201, "{}", answer.text());
        let opened: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        let url = Url::parse(opened["urls"]["hls"].as_str().unwrap()).unwrap();
        (opened["id"].as_str().unwrap().to_owned(), url.path().to_owned())
    }

    fn revoke(&self, id: &str) -> u16 {
        let headers = [("Authorization", &*format!("Bearer {BEARER}"))];
        let mut client = Client::connect(self.nginx).unwrap();
        client.request("DELETE", format!("/v1/sessions/{id}").as_bytes(), &headers).unwrap().status
    }
}

/// What all viewers have seen.
#[derive(Default)]
struct Seen {
    asked: AtomicUsize,
    /// Connections that broke, and were made again.
    broken: AtomicUsize,
    /// Answers that no viewer should get.
    wrong: Mutex<Vec<String>>,
    is_over: AtomicBool,
}

/// A player that walks a stream at its pace, from its beginning again and again.
struct Viewer<'s> {
    addr: SocketAddr,
    name: String,
    seen: &'s Seen,
    client: Option<Client>,
}

impl<'s> Viewer<'s> {
    fn new(addr: SocketAddr, name: impl Into<String>, seen: &'s Seen) -> Self {
        Self { addr, name: name.into(), seen, client: None }
    }

    /// An answer, whatever it is. Only a broken connection is tried again.
    fn ask(&mut self, target: &str) -> Response {
        for _ in 0..20 {
            let client = match self.client.take() {
                Some(client) => Ok(client),
                None => Client::connect(self.addr),
            };
            let headers = [("User-Agent", &*self.name)];
            let answer = client.and_then(|mut client| {
                let answer = client.get(target.as_bytes(), &headers)?;
                self.client = Some(client);
                Ok(answer)
            });
            match answer {
                Ok(answer) => {
                    self.seen.asked.fetch_add(1, Ordering::Relaxed);
                    return answer;
                }
                Err(_) => {
                    self.seen.broken.fetch_add(1, Ordering::Relaxed);
                    sleep(Duration::from_millis(50));
                }
            }
        }
        panic!("the load balancer is gone");
    }

    /// The text of what must be there.
    fn get(&mut self, target: &str, status: u16) -> Response {
        let answer = self.ask(target);
        if answer.status != status {
            let told = format!("{} of {}: {}", answer.status, self.name, answer.text());
            self.seen.wrong.lock().unwrap().push(told);
        }
        answer
    }

    /// Plays until all is over, or the time is.
    fn play(&mut self, session: &str, until: Option<Instant>) {
        let is_over = || {
            self.seen.is_over.load(Ordering::Relaxed)
                || until.is_some_and(|until| Instant::now() >= until)
        };
        let base = Url::parse(&format!("http://{}{session}", self.addr)).unwrap();
        let lines = |text: &str| -> Vec<String> {
            text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
        };
        'plays: while !is_over() {
            let master = self.get(base.path(), 200).text();
            let Some(variant) = lines(&master).first().map(|line| base.join(line).unwrap()) else {
                return;
            };
            let playlist = self.get(variant.path(), 200).text();
            for segment in lines(&playlist) {
                if is_over() {
                    break 'plays;
                }
                let began = Instant::now();
                self.get(variant.join(&segment).unwrap().path(), 200);
                // Each has two seconds.
                sleep(Duration::from_secs(2).saturating_sub(began.elapsed()));
            }
        }
    }

    fn enter(&mut self, link: &str) -> String {
        self.get(link, 302).header("location").unwrap_or_default().to_owned()
    }
}

impl Seen {
    fn check(&self, least: usize) {
        let wrong = self.wrong.lock().unwrap();
        assert!(wrong.is_empty(), "{} wrong: {:?}", wrong.len(), &wrong[..wrong.len().min(5)]);
        let (asked, broken) =
            (self.asked.load(Ordering::Relaxed), self.broken.load(Ordering::Relaxed));
        eprintln!("{asked} requests, {broken} broken connections");
        assert!(asked >= least, "{asked}");
        assert!(broken <= VIEWERS, "{broken} connections broke");
    }
}

/// The time of the whole, in parts of it: `make proof` takes six times as long.
fn part() -> Duration {
    let is_long = std::env::var_os("SLUICEGATE_PROOF").is_some();
    Duration::from_secs(if is_long { 12 } else { 2 })
}

#[test]
fn proof_kills_cost_no_viewer_anything() {
    require_tools!("nginx", "redis-server");
    let mut cluster = Cluster::start("{ id = 1, file = \"session.key\" }");
    let seen = Seen::default();
    let (addr, link) = (cluster.nginx, cluster.link());
    let (revoked_id, revoked) = cluster.open("");
    let (_, limited) = cluster.open(", \"max_streams\": 2");
    let extra = [(); 3].map(|()| AtomicUsize::new(0));
    let was_revoked = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for number in 0..VIEWERS - 2 {
            let (seen, link) = (&seen, &link);
            scope.spawn(move || {
                let mut viewer = Viewer::new(addr, format!("viewer-{number}"), seen);
                let session = viewer.enter(link);
                viewer.play(&session, None);
            });
        }
        for name in ["first", "second"] {
            let (seen, limited) = (&seen, &limited);
            scope.spawn(move || Viewer::new(addr, name, seen).play(limited, None));
        }
        // Those that are too many ask all the time.
        for (number, let_in) in extra.iter().enumerate() {
            let (seen, limited) = (&seen, &limited);
            scope.spawn(move || {
                sleep(Duration::from_secs(1));
                let mut viewer = Viewer::new(addr, format!("extra-{number}"), seen);
                while !seen.is_over.load(Ordering::Relaxed) {
                    if viewer.ask(limited).status == 200 {
                        let_in.fetch_add(1, Ordering::Relaxed);
                    }
                    sleep(Duration::from_millis(300));
                }
            });
        }
        let (seen_, revoked, was_revoked) = (&seen, &revoked, &was_revoked);
        scope.spawn(move || {
            let mut viewer = Viewer::new(addr, "revoked", seen_);
            while !seen_.is_over.load(Ordering::Relaxed) {
                match was_revoked.load(Ordering::SeqCst) {
                    true => viewer.get(revoked, 403),
                    // It is being revoked, perhaps.
                    false => viewer.ask(revoked),
                };
                sleep(Duration::from_millis(100));
            }
        });

        // Each lasts at least until every viewer has asked every gateway.
        sleep(part().max(Duration::from_secs(4)));
        assert_eq!(cluster.revoke(&revoked_id), 204);
        // As long as others take to hear it.
        sleep(Duration::from_millis(300));
        was_revoked.store(true, Ordering::SeqCst);
        sleep(part());
        cluster.end_gateway(1, "KILL");
        sleep(part());
        cluster.redis.kill();
        sleep(part());
        cluster.redis.start_again();
        sleep(part());
        cluster.start_gateway(1);
        sleep(part().max(Duration::from_secs(4)));
        seen.is_over.store(true, Ordering::Relaxed);
    });
    seen.check(VIEWERS * 5);
    let let_in = extra.iter().filter(|count| count.load(Ordering::Relaxed) > 0).count();
    assert!(let_in <= 1, "{let_in} more than two play");
    let log = std::fs::read_to_string(cluster.folder.path().join("access.log")).unwrap();
    assert!(log.lines().count() > VIEWERS && !log.contains(&limited[3..55]), "tokens are logged");
}

#[test]
fn proof_rolling_restarts_with_another_key_fail_no_request() {
    require_tools!("nginx", "redis-server");
    let (old, new) = ("{ id = 1, file = \"session.key\" }", "{ id = 2, file = \"next.key\" }");
    let mut cluster = Cluster::start(old);
    let next = cluster.folder.path().join("next.key");
    let run = Run::of(without_key().args(["keygen", "--session", "--out"]).arg(next));
    assert_eq!(run.code, 0, "{}", run.stderr);
    let seen = Seen::default();
    let (addr, link) = (cluster.nginx, cluster.link());
    let enter_and_play = |name: String, until: Option<Instant>| {
        let mut viewer = Viewer::new(addr, name, &seen);
        let session = viewer.enter(&link);
        viewer.play(&session, until);
    };
    std::thread::scope(|scope| {
        let before: Vec<_> = (0..VIEWERS / 2)
            .map(|number| {
                let until = Instant::now() + 4 * part() + Duration::from_secs(2);
                scope.spawn(move || enter_and_play(format!("before-{number}"), Some(until)))
            })
            .collect();
        sleep(part());
        // All know the new key before one signs with it.
        cluster.roll(&format!("{old}, {new}"));
        cluster.roll(&format!("{new}, {old}"));
        for number in 0..VIEWERS / 2 {
            scope.spawn(move || enter_and_play(format!("after-{number}"), None));
        }
        before.into_iter().for_each(|viewer| viewer.join().unwrap());
        cluster.roll(new);
        sleep(part().max(Duration::from_secs(4)));
        seen.is_over.store(true, Ordering::Relaxed);
    });
    seen.check(VIEWERS * 3);
    // A session of the old key is over: it was retired.
    assert_eq!(seen.broken.load(Ordering::Relaxed), 0, "not even a connection broke");
}
