//! The gateway beside Debian's nginx and a bare axum handler with the same bytes, and how it grows.
//!
//!     make bench           # all of it; SECS=10 ROUNDS=5 for other runs, OUT=DIR for where its report goes
//!
//! Each server has core 0; `wrk`, the origin and this program share core 1. Servers take turns, so that all of
//! them meet the same moods of the machine. A figure is the median of its rounds.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot set up must fail")]

mod bare;
mod chart;
mod footprint;
mod growth;
mod held;
mod inputs;
mod playlists;
mod report;
mod segments;
mod servers;
mod soak;
mod turns;
mod wrk;

use std::env;
use std::path::{Path, PathBuf};

use self::report::Report;
use self::turns::Plan;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let plan = Plan { secs: number("SECS", 5), rounds: number("ROUNDS", 5) as usize };
    let mut report = Report::of_this_machine();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        // The harness is the bare server, too, in a process of its own.
        ["bare", folder] => return bare::serve(Path::new(folder)),
        ["soak", minutes] => return soak::run(minutes.parse().expect("a number of minutes")),
        [] => {
            servers::stay_off_their_core();
            playlists::compare(plan, &mut report);
            segments::compare(plan, &mut report);
            held::release(&mut report);
            growth::of_texts(&mut report);
            growth::of_sessions(&mut report);
            growth::of_manifests(&mut report);
            footprint::measure(&mut report);
        }
        ref parts => {
            servers::stay_off_their_core();
            for part in parts {
                match *part {
                    "playlists" => playlists::compare(plan, &mut report),
                    "segments" => segments::compare(plan, &mut report),
                    "held" => held::release(&mut report),
                    "texts" => growth::of_texts(&mut report),
                    "sessions" => growth::of_sessions(&mut report),
                    "manifests" => growth::of_manifests(&mut report),
                    "footprint" => footprint::measure(&mut report),
                    _ => panic!(
                        "bench [playlists | segments | held | texts | sessions | manifests | footprint]... \
                         | soak MINUTES"
                    ),
                }
            }
        }
    }
    let out = env::var_os("OUT").map_or_else(|| PathBuf::from("target/bench"), PathBuf::from);
    report.write(&out);
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}
