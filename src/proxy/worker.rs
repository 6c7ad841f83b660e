//! Worker threads: each has an event loop of its own, and both sockets of a session belong to one of them.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::error::ProxyError;
use super::session::Session;
use super::shared::{Shared, Worker};
use crate::deliver::Ingest;

/// A running worker, as the listener sees it.
#[derive(Debug)]
pub(super) struct WorkerHandle {
    clients: mpsc::UnboundedSender<(TcpStream, SocketAddr)>,
    sessions: Arc<AtomicUsize>,
    thread: JoinHandle<usize>,
}

impl WorkerHandle {
    /// Starts a worker. It serves until `draining` is cancelled and its sessions have ended.
    pub(super) fn start(
        index: usize,
        shared: Arc<Shared>,
        ingest: Ingest,
        draining: CancellationToken,
    ) -> Result<Self, ProxyError> {
        let (clients, queue) = mpsc::unbounded_channel();
        let sessions = Arc::new(AtomicUsize::new(0));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ProxyError::Worker)?;
        let thread = std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn({
                let sessions = sessions.clone();
                move || {
                    let desk = shared.publishing.desk();
                    let bytes = [shared.counters.bytes_to_server.stripe(), shared.counters.bytes_to_client.stripe()];
                    let epoch = shared.config.recording.epoch();
                    let worker = Arc::new(Worker { shared, ingest, epoch, desk, bytes });
                    runtime.block_on(serve(worker, queue, sessions, draining))
                }
            })
            .map_err(ProxyError::Worker)?;
        Ok(Self { clients, sessions, thread })
    }

    /// Sessions that the worker has now.
    pub(super) fn load(&self) -> usize {
        self.sessions.load(Ordering::Relaxed)
    }

    /// Gives the worker another client.
    pub(super) fn assign(&self, client: TcpStream, peer: SocketAddr) {
        self.sessions.fetch_add(1, Ordering::Relaxed);
        // A worker ends only when it drains, and then its clients are closed anyhow.
        let _ = self.clients.send((client, peer));
    }

    /// Waits for the worker's end; returns how many sessions were cut off.
    pub(super) fn join(self) -> usize {
        self.thread.join().unwrap_or(0)
    }
}

/// Counts a session of the worker down when it ends, however it ends.
struct Load(Arc<AtomicUsize>);

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn serve(
    worker: Arc<Worker>,
    mut queue: mpsc::UnboundedReceiver<(TcpStream, SocketAddr)>,
    sessions: Arc<AtomicUsize>,
    draining: CancellationToken,
) -> usize {
    let tracker = TaskTracker::new();
    loop {
        let (client, peer) = tokio::select! {
            biased;
            () = draining.cancelled() => break,
            next = queue.recv() => match next {
                Some(next) => next,
                None => break,
            },
        };
        let load = Load(sessions.clone());
        match tokio::net::TcpStream::from_std(client) {
            Ok(client) => {
                let session = Session::new(worker.clone(), draining.clone());
                tracker.spawn(async move {
                    session.serve(client, peer).await;
                    drop(load);
                });
            }
            Err(error) => tracing::error!(%peer, %error, "a client's socket cannot be watched"),
        }
    }
    tracker.close();
    match timeout(worker.shared.config.drain_timeout, tracker.wait()).await {
        Ok(()) => 0,
        // The sessions left are dropped with this thread's event loop.
        Err(_) => tracker.len(),
    }
}
