//! A mirror that runs, on a thread of its own.

use std::cell::RefCell;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::LocalSet;
use tokio_util::task::TaskTracker;

use super::comparison::Comparison;
use super::config::MirrorConfig;
use super::counters::MirrorCounters;
use super::hub::Hub;
use super::line::Exit;
use super::server::{RealServer, Server};
use super::session::{Mirroring, mirror};
use super::sink::MirroredSession;
use crate::recording::SessionId;

/// How long sessions have to notice that they are cut off.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A mirror that runs.
#[derive(Debug)]
pub(super) struct Mirror {
    hub: Arc<Hub>,
    /// Until when sessions may end by themselves, once it is told to stop.
    until: Arc<Mutex<Option<Instant>>>,
    thread: JoinHandle<()>,
    /// Those with what waits on the disk.
    disk: Vec<JoinHandle<()>>,
}

impl Mirror {
    /// Starts one. `source` is what the report calls the server whose sessions are mirrored.
    ///
    /// # Errors
    ///
    /// What the system refuses.
    pub(super) fn start(config: MirrorConfig, source: &str, counters: Arc<MirrorCounters>) -> io::Result<Self> {
        let server = RealServer { target: config.target.clone(), options: config.options.clone() };
        Self::start_with(config, source, counters, move || server)
    }

    pub(super) fn start_with<S: Server>(
        config: MirrorConfig,
        source: &str,
        counters: Arc<MirrorCounters>,
        server: impl FnOnce() -> S + Send + 'static,
    ) -> io::Result<Self> {
        let (sender, arrivals) = unbounded_channel();
        let comparison = Comparison::new(&config, source);
        let (hub, disk) = Hub::new(config, counters, sender)?;
        let hub = Arc::new(hub);
        let until: Arc<Mutex<Option<Instant>>> = Arc::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("mirror".to_owned()).spawn({
            let (hub, until) = (Arc::clone(&hub), Arc::clone(&until));
            move || {
                let comparison = RefCell::new(comparison);
                let mirroring = Rc::new(Mirroring { hub, server: server(), comparison });
                LocalSet::new().block_on(&runtime, run(mirroring, arrivals, &until));
            }
        })?;
        Ok(Self { hub, until, thread, disk })
    }

    /// Takes the records of another session, of the client with this address.
    pub(super) fn session(&self, client: Option<IpAddr>) -> (SessionId, MirroredSession) {
        let id = self.hub.next_id();
        (id, MirroredSession::new(Arc::clone(&self.hub), id, client))
    }

    /// Whether at least half of the memory is free that may be used.
    pub(super) fn has_room(&self) -> bool {
        self.hub.budget.is_half_free() || self.thread.is_finished()
    }

    /// Takes nothing more from now on, does what waits until `deadline`, and writes the report. Blocks meanwhile.
    pub(super) fn finish(self, deadline: Instant) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = Some(deadline);
        self.hub.stop.cancel();
        for thread in std::iter::once(self.thread).chain(self.disk) {
            if thread.join().is_err() {
                tracing::error!("a thread of the mirror's panicked, which is a bug");
            }
            // The first is the one that mirrors: nobody needs the disk without it, also if it has panicked.
            self.hub.cut.cancel();
        }
    }
}

async fn run<S: Server>(
    mirroring: Rc<Mirroring<S>>,
    mut arrivals: UnboundedReceiver<Exit>,
    until: &Mutex<Option<Instant>>,
) {
    let tracker = TaskTracker::new();
    let begin = |exit| {
        tracker.spawn_local(mirror(exit, Rc::clone(&mirroring)));
    };
    // Without a report the interval is of no consequence.
    let every = mirroring.comparison.borrow().every();
    let mut reports = tokio::time::interval(every.unwrap_or(Duration::from_secs(3600)).max(LAST_WORDS));
    reports.tick().await;
    loop {
        tokio::select! {
            biased;
            () = mirroring.hub.stop.cancelled() => break,
            arrived = arrivals.recv() => match arrived {
                Some(exit) => begin(exit),
                None => break,
            },
            _ = reports.tick() => mirroring.comparison.borrow().write(),
        }
    }
    arrivals.close();
    while let Ok(exit) = arrivals.try_recv() {
        begin(exit);
    }
    tracker.close();
    let until = until.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or_else(Instant::now);
    if tokio::time::timeout_at(until.into(), tracker.wait()).await.is_err() {
        mirroring.hub.cut.cancel();
        // Nothing can be done about one that does not notice.
        let _ = tokio::time::timeout(LAST_WORDS, tracker.wait()).await;
    }
    mirroring.comparison.borrow().write();
}
