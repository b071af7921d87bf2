//! Half of what the gateway can do, for so many minutes: nothing may grow after the first.

use std::time::Duration;

use crate::inputs::Inputs;
use crate::report::Soak;
use crate::servers::{Origin, Server};
use crate::wrk::{self, Load};

const SESSIONS: usize = 10_000;
const CONNECTIONS: usize = 100;

pub(crate) fn run(minutes: u64) {
    let inputs = Inputs::write();
    let origin = Origin::start(&inputs);
    let gateway = Server::gateway(&inputs, &origin, "");
    let targets =
        ["live-all", "folder-all"].into_iter().flat_map(|route| gateway.sessions(route, SESSIONS));
    let targets = targets.flat_map(|session| {
        ["index.m3u8", "small.ts", "missing.ts"].map(|file| session.replacen("{file}", file, 1))
    });
    let load = Load::of(targets.collect(), CONNECTIONS).with_misses();
    // All that it ever needs at once, it needs here.
    let full = wrk::run(&gateway, &load, 20);
    // Half of its connections, each of which waits as long as it is served.
    let half = load.at_rate(full.per_second / 2.0);
    let samples = wrk::watch(&gateway, &half, Duration::from_secs(60 * minutes));
    let soak = Soak { full: full.per_second, samples };
    println!("{soak}");
    assert!(soak.is_steady(), "memory or open files grew after the first minute");
}
