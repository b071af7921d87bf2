//! For commands that ask the network one thing.

use anyhow::Context as _;

/// Runs a future to its end on this thread.
pub(crate) fn run_to_end<T>(future: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    Ok(runtime.block_on(future))
}
