//! The way of one session's records from the thread that forwards its bytes to the mirror.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::budget::{Room, Share};
use super::connections::Connection;
use crate::recording::Record;

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
    /// The client's address.
    pub(super) client: Option<IpAddr>,
    /// Counted while it exists.
    _connection: Connection,
}

impl Exit {
    /// The next record; `None`: there will be none. With `stop` those that wait are the last.
    pub(super) async fn next(&mut self, stop: &CancellationToken) -> Option<Queued> {
        tokio::select! {
            biased;
            queued = self.records.recv() => queued,
            () = stop.cancelled() => self.records.try_recv().ok(),
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

/// A line for one session.
pub(super) fn line(
    share: Arc<Share>,
    cut: CancellationToken,
    connection: Connection,
    client: Option<IpAddr>,
) -> (Entrance, Exit) {
    let (sender, receiver) = unbounded_channel();
    let entrance = Entrance { records: sender, share, cut: cut.clone() };
    (entrance, Exit { records: receiver, cut, client, _connection: connection })
}
