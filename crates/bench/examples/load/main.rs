//! The gateway under load, beside Debian's nginx and a bare axum handler with the same bytes.
//!
//!     make load            # the table; SECS=10 ROUNDS=5 for longer runs
//!
//! Each server gets core 0, `wrk` and the origin share core 1, and the servers take turns, so that all
//! of them meet the same moods of the machine. A figure is the median of its rounds.

mod bare;
mod inputs;
mod report;
mod servers;
mod wrk;

use std::env;
use std::path::Path;
use std::time::Duration;

use self::inputs::{Inputs, SEGMENT_BYTES};
use self::report::{Row, Soak, Table};
use self::servers::{Origin, Server};
use self::wrk::{Load, Run};

/// How many sessions one live playlist is asked for by.
const SESSIONS: usize = 10_000;
/// Connections of `wrk`.
const CONNECTIONS: usize = 100;
/// And for segments of a megabyte.
const SEGMENT_CONNECTIONS: usize = 16;

/// How long, and how often.
#[derive(Clone, Copy)]
struct Plan {
    secs: u64,
    rounds: usize,
}

/// A server with what is asked of it.
struct Entrant<'s> {
    name: &'static str,
    server: &'s Server,
    load: Load,
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        // The harness is the bare server, too, in a process of its own.
        ["bare", folder] => bare::serve(Path::new(folder)),
        ["soak", minutes] => soak(minutes.parse().expect("a number of minutes")),
        [] => compare(true, true),
        ["playlists"] => compare(true, false),
        ["segments"] => compare(false, true),
        _ => eprintln!("load [playlists | segments | soak MINUTES]"),
    }
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

fn compare(with_playlists: bool, with_segments: bool) {
    let rounds = usize::try_from(number("ROUNDS", 3)).expect("a small number");
    let plan = Plan { secs: number("SECS", 6), rounds };
    let inputs = Inputs::write();
    let origin = Origin::start(&inputs);
    let gateway = Server::gateway(&inputs, &origin);
    if with_playlists {
        playlists(plan, &inputs, &origin, &gateway);
    }
    if with_segments {
        segments(plan, &inputs, &origin, &gateway);
    }
}

fn playlists(plan: Plan, inputs: &Inputs, origin: &Origin, gateway: &Server) {
    let live = gateway.sessions("live", SESSIONS);
    let folder = gateway.sessions("folder", SESSIONS);
    let nginx = Server::nginx(inputs, origin);
    let bare = Server::bare(inputs);
    let crowd = |targets: Vec<String>| Load::of(targets, CONNECTIONS);
    let all = |sessions: &[String], file: &str| {
        sessions.iter().map(|session| format!("{session}/{file}")).collect::<Vec<_>>()
    };
    let of_live = crowd(all(&live, "index.m3u8"));
    let of_folder = crowd(all(&folder, "index.m3u8"));
    // The bytes that the gateway sends, as a file and from memory.
    inputs.keep_rendered(&gateway.get(&of_live.targets[0]));
    let before = origin.asked();
    let rows = take_turns(
        plan,
        &[
            Entrant { name: "sluicegate, HTTP origin", server: gateway, load: of_live },
            Entrant { name: "sluicegate, folder", server: gateway, load: of_folder },
            Entrant {
                name: "nginx, secure_link, the same bytes",
                server: &nginx,
                load: crowd(vec![inputs.signed("/rendered/index.m3u8")]),
            },
            Entrant {
                name: "bare axum, the same bytes",
                server: &bare,
                load: crowd(vec!["/rendered/index.m3u8".into()]),
            },
        ],
    );
    let title =
        format!("600-segment live playlist, {SESSIONS} sessions, {CONNECTIONS} connections");
    let table = Table { title, rows, against: "bare axum, the same bytes" };
    println!("{table}");
    println!("origin requests meanwhile: {}\n", origin.asked() - before);
}

fn segments(plan: Plan, inputs: &Inputs, origin: &Origin, gateway: &Server) {
    let nginx = Server::nginx(inputs, origin);
    let bare = Server::bare(inputs);
    let (live, folder) = (gateway.sessions("live-all", 1), gateway.sessions("folder-all", 1));
    let crowd = |targets: Vec<String>| Load::of(targets, SEGMENT_CONNECTIONS);
    let rows = take_turns(
        plan,
        &[
            Entrant {
                name: "sluicegate, HTTP origin",
                server: gateway,
                load: crowd(vec![format!("{}/segment.ts", live[0])]),
            },
            Entrant {
                name: "nginx proxy_pass",
                server: &nginx,
                load: crowd(vec!["/proxied/live/segment.ts".into()]),
            },
        ],
    );
    let title =
        format!("{SEGMENT_BYTES} byte segments over HTTP, {SEGMENT_CONNECTIONS} connections");
    println!("{}\n", Table { title, rows, against: "nginx proxy_pass" });
    let rows = take_turns(
        plan,
        &[
            Entrant {
                name: "sluicegate, folder",
                server: gateway,
                load: crowd(vec![format!("{}/segment.ts", folder[0])]),
            },
            Entrant {
                name: "tower-http ServeDir",
                server: &bare,
                load: crowd(vec!["/files/segment.ts".into()]),
            },
            Entrant {
                name: "nginx, sendfile",
                server: &nginx,
                load: crowd(vec!["/files/segment.ts".into()]),
            },
        ],
    );
    let title =
        format!("{SEGMENT_BYTES} byte segments of a folder, {SEGMENT_CONNECTIONS} connections");
    println!("{}", Table { title, rows, against: "tower-http ServeDir" });
}

fn take_turns(plan: Plan, entrants: &[Entrant<'_>]) -> Vec<Row> {
    let mut runs: Vec<Vec<Run>> = entrants.iter().map(|_| Vec::new()).collect();
    for round in 0..=plan.rounds {
        for (entrant, runs) in entrants.iter().zip(&mut runs) {
            // The first round warms everything up.
            let secs = if round == 0 { 1 } else { plan.secs };
            let run = wrk::run(entrant.server, &entrant.load, secs);
            if round > 0 {
                runs.push(run);
            }
        }
    }
    entrants
        .iter()
        .zip(runs)
        .map(|(entrant, runs)| Row::of(entrant.name, entrant.server, &runs))
        .collect()
}

/// Half of what the gateway can do, for so many minutes: nothing may grow after the first.
fn soak(minutes: u64) {
    let inputs = Inputs::write();
    let origin = Origin::start(&inputs);
    let gateway = Server::gateway(&inputs, &origin);
    let targets =
        ["live-all", "folder-all"].into_iter().flat_map(|route| gateway.sessions(route, SESSIONS));
    let targets = targets.flat_map(|session| {
        ["index.m3u8", "small.ts", "missing.ts"].map(|file| format!("{session}/{file}"))
    });
    let load = Load::of(targets.collect(), CONNECTIONS);
    // All that it ever needs at once, it needs here.
    let full = wrk::run(&gateway, &load, 20);
    // Half of its connections, each of which waits as long as it is served.
    let half = load.at_rate(full.per_second / 2.0);
    let samples = wrk::watch(&gateway, &half, Duration::from_secs(60 * minutes));
    let soak = Soak { full: full.per_second, samples };
    println!("{soak}");
    assert!(soak.is_steady(), "memory or open files grew after the first minute");
}
