//! Commands that serve run until they are told to stop.

use std::io::{self, IsTerminal as _};

use anyhow::{Context as _, anyhow};
use sluicegate_gateway::shutdown_signal;
use tokio::sync::watch;

use crate::exit::{Failed, Outcome};
use crate::output;

/// Tells the servers of a command that the process has been told to stop.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Completes at the first SIGTERM or Ctrl-C, however long ago that was.
    pub(crate) async fn begun(mut self) {
        if self.0.wait_for(|begun| *begun).await.is_err() {
            // Whoever would tell is gone, and the command with it.
            std::future::pending::<()>().await;
        }
    }
}

/// Runs a command that serves, on all cores. A second signal ends it at once.
pub(crate) fn run_until_stopped<F: Future<Output = Outcome>>(
    command: impl FnOnce(Stop) -> F,
) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
        .map_err(Failed::from)?;
    runtime.block_on(async {
        let (stop, stopped) = watch::channel(false);
        tokio::select! {
            // Signals are watched before the command says that it is there.
            biased;
            cut = watch_signals(&stop) => cut,
            ended = command(Stop(stopped)) => ended,
        }
    })
}

async fn watch_signals(stop: &watch::Sender<bool>) -> Outcome {
    shutdown_signal().await.context("cannot watch for signals")?;
    stop.send_replace(true);
    if io::stderr().is_terminal() {
        output::note("stopping when running requests have ended; Ctrl-C again cuts them");
    }
    shutdown_signal().await.context("cannot watch for signals")?;
    Err(anyhow!("told to stop a second time: running requests were cut").into())
}
