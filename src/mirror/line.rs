//! The way of one session's records from the thread that forwards its bytes to the mirror.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::budget::{Room, Share};
use super::connections::Connection;
use crate::recording::{Record, SessionId};

/// How often somebody who is to stop looks whether records are still on the disk.
const LOOK: Duration = Duration::from_millis(20);

/// A record that waits for its turn. Its room is taken until it is dropped.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) record: Record,
    pub(super) since: Instant,
    _room: Room,
}

/// Where records go in. Nothing here waits.
#[derive(Debug)]
pub(super) struct Entrance {
    records: UnboundedSender<Queued>,
    share: Arc<Share>,
    /// Cancelled: what waits is given up.
    cut: CancellationToken,
    /// Records that wait on the disk.
    on_disk: Arc<AtomicU64>,
    session: SessionId,
    key: SessionId,
}

/// What becomes of a record that is given to the mirror.
#[derive(Debug)]
pub(super) enum Pushed {
    Taken,
    /// There is no room; here it is back.
    Full(Record),
    /// Nobody is there who would take it.
    Closed,
}

impl Entrance {
    /// Takes a record if there is room for it.
    pub(super) fn push(&self, record: Record) -> Pushed {
        if self.records.is_closed() {
            return Pushed::Closed;
        }
        let Some(room) = self.share.take(record.bytes()) else { return Pushed::Full(record) };
        let queued = Queued { record, since: Instant::now(), _room: room };
        if self.records.send(queued).is_ok() { Pushed::Taken } else { Pushed::Closed }
    }

    /// Whether nobody takes records any more.
    pub(super) fn is_closed(&self) -> bool {
        self.records.is_closed()
    }

    /// The client's session.
    pub(super) fn session(&self) -> SessionId {
        self.session
    }

    /// What tells this line from others of the same session: it may have been dropped, and come back.
    pub(super) fn key(&self) -> SessionId {
        self.key
    }

    /// Whether what comes now has to wait for records on the disk.
    pub(super) fn waits_on_disk(&self) -> bool {
        self.on_disk.load(Ordering::Acquire) > 0
    }

    /// Another record goes there.
    pub(super) fn goes_to_disk(&self) {
        self.on_disk.fetch_add(1, Ordering::Relaxed);
    }

    /// One that was there is in the queue now.
    pub(super) fn came_from_disk(&self) {
        self.on_disk.fetch_sub(1, Ordering::Release);
    }

    /// The session is given up, with what waits.
    pub(super) fn cut(&self) {
        self.cut.cancel();
    }
}

/// Where they come out.
#[derive(Debug)]
pub(super) struct Exit {
    records: UnboundedReceiver<Queued>,
    pub(super) cut: CancellationToken,
    on_disk: Arc<AtomicU64>,
    /// The client's address.
    pub(super) client: Option<IpAddr>,
    /// Counted while it exists.
    _connection: Connection,
}

impl Exit {
    /// The next record; `None`: there will be none. With `stop` those that wait are the last.
    pub(super) async fn next(&mut self, stop: &CancellationToken) -> Option<Queued> {
        loop {
            tokio::select! {
                biased;
                queued = self.records.recv() => return queued,
                () = stop.cancelled() => {}
            }
            if self.on_disk.load(Ordering::Acquire) == 0 {
                return self.records.try_recv().ok();
            }
            // Some of them are on the disk.
            if let Ok(queued) = timeout(LOOK, self.records.recv()).await {
                return queued;
            }
        }
    }

    /// How many records wait. They are given up.
    pub(super) fn discard(&mut self) -> u64 {
        self.records.close();
        let mut count = 0;
        while self.records.try_recv().is_ok() {
            count += 1;
        }
        count
    }
}

/// A line for one session, told from its others by a key.
pub(super) fn line(
    share: Arc<Share>,
    cut: CancellationToken,
    connection: Connection,
    client: Option<IpAddr>,
    (session, key): (SessionId, SessionId),
) -> (Entrance, Exit) {
    let (sender, receiver) = unbounded_channel();
    let on_disk: Arc<AtomicU64> = Arc::default();
    let entrance = Entrance { records: sender, share, cut: cut.clone(), on_disk: Arc::clone(&on_disk), session, key };
    (entrance, Exit { records: receiver, cut, on_disk, client, _connection: connection })
}
