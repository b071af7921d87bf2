//! A router of this process on a loopback port, for clients that are other programs.

use std::net::SocketAddr;
use std::thread::JoinHandle;

use axum::Router;
use sluicegate_gateway::{Door, Listening};
use tokio::sync::oneshot;

/// A router that listens on a port of its own until it is dropped.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves `router` on a free loopback port.
    #[must_use]
    pub fn start(router: Router) -> Self {
        Self::start_with(|_| (router, Door::default()))
    }

    /// Serves the router that is made once the port is known, and takes connections as it says.
    #[must_use]
    pub fn start_with(router: impl FnOnce(SocketAddr) -> (Router, Door)) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let listening: Listening =
            runtime.block_on(sluicegate_gateway::bind(([127, 0, 0, 1], 0).into())).unwrap();
        let addr = listening.addr();
        let (router, door) = {
            // What it spawns runs beside it.
            let _entered = runtime.enter();
            router(addr)
        };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                // Open connections are cut: the test is over.
                tokio::select! {
                    served = sluicegate_gateway::serve(listening, router, door, std::future::pending(), || ()) => {
                        served.unwrap();
                    }
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        });
        Self { addr, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The URL of a path that begins with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The thread may have ended by itself.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
