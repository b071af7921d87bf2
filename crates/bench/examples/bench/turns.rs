//! Servers that are measured by turns.

use crate::report::Row;
use crate::servers::Server;
use crate::wrk::{self, Load, Run};

/// How long, and how often.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) secs: u64,
    pub(crate) rounds: usize,
}

/// A server with what is asked of it.
pub(crate) struct Entrant<'s> {
    pub(crate) name: &'static str,
    pub(crate) server: &'s Server,
    pub(crate) load: Load,
}

/// Measures each in each round.
pub(crate) fn take(plan: Plan, entrants: &[Entrant<'_>]) -> Vec<Row> {
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
        eprintln!("round {round} of {}", plan.rounds);
    }
    entrants.iter().zip(runs).map(|(entrant, runs)| Row::of(entrant.name, &runs)).collect()
}
