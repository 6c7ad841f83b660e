//! XA transactions of this proxy that are prepared, and wait for XA COMMIT or XA ROLLBACK from whatever connection.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::deliver::{Held, SharedLine};
use crate::session::Xid;

/// More than these do not wait. Each may have a file of its own.
const MOST: usize = 1000;

/// By their names, which are the server's: a proxy has one server.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    waiting: Mutex<ByName>,
}

#[derive(Debug, Default)]
struct ByName {
    transactions: HashMap<Xid, Waiting>,
    /// How many there were.
    count: u64,
}

/// One that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) held: Held,
    /// The way of the connection whose messages these are: they keep its key and its numbers.
    pub(super) line: SharedLine,
    number: u64,
}

impl Prepared {
    fn lock(&self) -> MutexGuard<'_, ByName> {
        // It is consistent at every point where a thread could panic.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more waits. Returns one that waits no more: of the same name, whose end was not seen, or the oldest if there are too many.
    pub(super) fn wait(&self, xid: Xid, held: Held, line: SharedLine) -> Option<(Xid, Waiting)> {
        let mut by_name = self.lock();
        by_name.count += 1;
        let waiting = Waiting { held, line, number: by_name.count };
        if let Some(displaced) = by_name.transactions.insert(xid.clone(), waiting) {
            return Some((xid, displaced));
        }
        if by_name.transactions.len() <= MOST {
            return None;
        }
        let oldest = by_name.transactions.iter().min_by_key(|(_, waiting)| waiting.number)?.0.clone();
        by_name.transactions.remove_entry(&oldest)
    }

    /// The one of this name, which waits no more.
    pub(super) fn take(&self, xid: &Xid) -> Option<Waiting> {
        self.lock().transactions.remove(xid)
    }

    /// All of them, the oldest first.
    pub(super) fn take_all(&self) -> Vec<Waiting> {
        let mut all: Vec<_> = std::mem::take(&mut self.lock().transactions).into_values().collect();
        all.sort_by_key(|waiting| waiting.number);
        all
    }
}
