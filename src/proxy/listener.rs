//! Accepting clients, and stopping in order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::counters::add;
use super::worker::WorkerHandle;
use super::{ProxyError, Shared};
use crate::deliver::Hub;

/// How often the counters are logged while there is something to log.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

/// Listens until `stop` is cancelled, then drains. Returns when the drain began.
pub(super) async fn listen(shared: &Arc<Shared>, hub: &Hub, stop: &CancellationToken) -> Result<Instant, ProxyError> {
    let address = shared.config.listen;
    let listener = TcpListener::bind(address).await.map_err(|source| ProxyError::Listen { address, source })?;
    let address = listener.local_addr().unwrap_or(address);
    let count = match shared.config.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        count => count,
    };
    let workers = (0..count)
        .map(|index| WorkerHandle::start(index, shared.clone(), hub.ingest(), stop.clone()))
        .collect::<Result<Vec<_>, _>>()?;
    let mut report = tokio::time::interval(REPORT_INTERVAL);
    report.tick().await;
    announce(shared, hub, address, count);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, peer)) => {
                    add(&shared.counters.connections, 1);
                    if let (Ok(client), Some(worker)) = (client.into_std(), workers.iter().min_by_key(|worker| worker.load())) {
                        worker.assign(client, peer);
                    }
                }
                Err(error) => accept_failed(&error).await,
            },
            _ = report.tick() => shared.counters.log("so far", hub.counters().lost_total()),
            () = stop.cancelled() => break,
        }
    }
    let stopping_since = Instant::now();
    // Closed first: a client that comes now is refused, not left waiting.
    drop(listener);
    tracing::info!("stopping: no new clients, running statements may end");
    let ended = tokio::task::spawn_blocking(move || workers.into_iter().map(WorkerHandle::join).sum::<usize>());
    let cut_off = ended.await.unwrap_or(0);
    if cut_off > 0 {
        tracing::warn!(cut_off, "sessions were cut off because they did not end within --drain-timeout");
    }
    Ok(stopping_since)
}

/// What a look at the log should tell: which program this is, between whom, and where the messages go.
fn announce(shared: &Shared, hub: &Hub, address: SocketAddr, workers: usize) {
    let counters = hub.counters();
    let sinks: Vec<_> = counters.sinks().iter().map(|sink| sink.name()).collect();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        upstream = %shared.server_host,
        tls = %shared.config.tls.mode,
        sinks = sinks.join(", "),
        backpressure = %shared.config.queue.backpressure,
        workers,
        "listening on {address}"
    );
}

/// Out of descriptors or memory: the client waits in the backlog until there are some again.
async fn accept_failed(error: &io::Error) {
    tracing::warn!(%error, "a client could not be accepted");
    tokio::time::sleep(Duration::from_millis(100)).await;
}
