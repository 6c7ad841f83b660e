//! Accepting clients, and stopping in order.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::counters::add;
use super::error::ProxyError;
use super::figures::{Figures, log_counters};
use super::shared::Shared;
use super::worker::WorkerHandle;
use crate::deliver::Pipeline;

/// Clients that may wait to be accepted.
const BACKLOG: i32 = 1024;
/// How often the counters are logged while there is something to log.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

/// Listens on each of these addresses.
///
/// # Errors
///
/// The first address that is unavailable.
pub fn bind(addresses: &[SocketAddr]) -> Result<Vec<std::net::TcpListener>, ProxyError> {
    let bind = |&address: &SocketAddr| listen_on(address).map_err(|source| ProxyError::Listen { address, source });
    addresses.iter().map(bind).collect()
}

fn listen_on(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // So that a restart need not wait for connections of the process before to time out.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Serves the clients of these listeners until `stop` is cancelled, then drains. Returns when the drain began.
pub(super) async fn listen(
    figures: &Figures,
    listeners: Vec<std::net::TcpListener>,
    pipeline: &Pipeline,
    stop: &CancellationToken,
) -> Result<Instant, ProxyError> {
    let shared = &figures.shared;
    let mut listeners = Listeners::new(listeners).map_err(ProxyError::Worker)?;
    if listeners.all.is_empty() {
        return Err(ProxyError::NoListener);
    }
    let count = match shared.config.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        count => count,
    };
    let workers = (0..count)
        .map(|index| WorkerHandle::start(index, shared.clone(), pipeline.ingest()?, stop.clone()))
        .collect::<Result<Vec<_>, _>>()?;
    let mut report = tokio::time::interval(REPORT_INTERVAL);
    report.tick().await;
    figures.is_listening.store(true, Ordering::Relaxed);
    announce(shared, pipeline, &listeners.addresses(), count);
    loop {
        tokio::select! {
            accepted = listeners.accept() => match accepted {
                Ok((client, peer)) => {
                    add(&shared.counters.connections, 1);
                    if let (Ok(client), Some(worker)) = (client.into_std(), workers.iter().min_by_key(|worker| worker.load())) {
                        worker.assign(client, peer);
                    }
                }
                Err(error) => accept_failed(&error).await,
            },
            _ = report.tick() => {
                log_counters(figures, "so far");
                shared.config.mirror.log("mirror so far");
            }
            () = stop.cancelled() => break,
        }
    }
    let stopping_since = Instant::now();
    shared.config.recording.ends_soon();
    figures.is_listening.store(false, Ordering::Relaxed);
    // Closed first: a client that comes now is refused, not left waiting.
    drop(listeners);
    tracing::info!("stopping: no new clients, running statements may end");
    let ended = tokio::task::spawn_blocking(move || workers.into_iter().map(WorkerHandle::join).sum::<usize>());
    let cut_off = ended.await.unwrap_or(0);
    if cut_off > 0 {
        tracing::warn!(cut_off, "sessions were cut off because they did not end within --drain-timeout");
    }
    Ok(stopping_since)
}

/// Where clients come from.
struct Listeners {
    all: Vec<TcpListener>,
    /// Whose turn it is: a busy one does not keep the others waiting.
    next: usize,
}

impl Listeners {
    fn new(listeners: Vec<std::net::TcpListener>) -> io::Result<Self> {
        let watched = listeners.into_iter().map(|listener| {
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        });
        Ok(Self { all: watched.collect::<io::Result<_>>()?, next: 0 })
    }

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|context| {
            let (first, last) = self.all.split_at(self.next.min(self.all.len()));
            let ready = last.iter().chain(first).map(|listener| listener.poll_accept(context)).find(Poll::is_ready);
            if ready.is_some() {
                self.next = (self.next + 1) % self.all.len().max(1);
            }
            ready.unwrap_or(Poll::Pending)
        })
        .await
    }

    fn addresses(&self) -> String {
        let addresses = self.all.iter().filter_map(|listener| listener.local_addr().ok());
        addresses.map(|address| address.to_string()).collect::<Vec<_>>().join(", ")
    }
}

/// What a look at the log should tell: which program this is, between whom, and where the messages go.
fn announce(shared: &Shared, pipeline: &Pipeline, addresses: &str, workers: usize) {
    let counters = pipeline.counters();
    let sinks: Vec<_> = counters.sinks().iter().map(|sink| sink.name()).collect();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        upstream = %shared.server_host,
        tls = %shared.config.tls.mode,
        sinks = sinks.join(", "),
        backpressure = %pipeline.backpressure(),
        workers,
        "listening on {addresses}"
    );
}

/// Out of descriptors or memory: the client waits in the backlog until there are some again.
async fn accept_failed(error: &io::Error) {
    tracing::warn!(%error, "a client could not be accepted");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::thread;

    use super::*;
    use crate::deliver::QueueConfig;
    use crate::proxy::{ProxyConfig, run};

    #[test]
    fn clients_are_served_at_every_address_until_the_token_is_cancelled() {
        let any = "127.0.0.1:0".parse().unwrap();
        let listeners = bind(&[any, any]).unwrap();
        let addresses: Vec<_> = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
        // Nobody listens on port 1: each client is told so, by the proxy.
        let config = ProxyConfig::new("127.0.0.1:1".parse().unwrap());
        let (stop, pipeline) =
            (CancellationToken::new(), Pipeline::start(Vec::new(), &QueueConfig::default()).unwrap());
        thread::scope(|scope| {
            let proxy = scope.spawn(|| run(config, listeners, &pipeline, &stop));
            for address in addresses.iter().chain(&addresses) {
                let mut client = std::net::TcpStream::connect(address).unwrap();
                client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
                let mut said = Vec::new();
                client.read_to_end(&mut said).unwrap();
                assert!(String::from_utf8_lossy(&said).contains("127.0.0.1:1"), "{address}: {said:?}");
            }
            stop.cancel();
            assert!(proxy.join().unwrap().is_ok());
        });
        assert!(std::net::TcpStream::connect(addresses[0]).is_err());
    }

    #[test]
    fn an_address_in_use_is_an_error_that_names_the_setting() {
        let taken = bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
        let error = bind(&[taken[0].local_addr().unwrap()]).unwrap_err().to_string();
        assert!(error.starts_with("cannot listen on 127.0.0.1:") && error.contains("`listen`"), "{error}");
    }
}
