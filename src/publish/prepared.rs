//! XA transactions that are prepared, and wait for XA COMMIT or XA ROLLBACK from whatever connection.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::deliver::{Held, SharedLine};
use crate::session::Xid;

/// More than these do not wait. Each may have a file of its own.
const MOST: usize = 1000;

/// By their names, which are the server's.
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::deliver::{Holding, Line, Pipeline, QueueConfig};

    fn xid(name: usize) -> Xid {
        Xid { global: name.to_string().into_bytes(), branch: Vec::new(), format: 1 }
    }

    #[test]
    fn one_of_the_same_name_and_the_oldest_of_too_many_wait_no_more() {
        let pipeline = Pipeline::start(Vec::new(), &QueueConfig::default()).unwrap();
        let holding = Arc::new(Holding::new(10, 1000, std::env::temp_dir()));
        let mut line = Line::new(pipeline.ingest().unwrap());
        let prepared = Prepared::default();
        let mut wait = |name| {
            let held = Held::new(Arc::clone(&holding));
            let line = line.share(&held);
            prepared.wait(xid(name), held, line).map(|(xid, waiting)| (xid, waiting.number))
        };
        for name in 0..MOST {
            assert_eq!(wait(name), None);
        }
        assert_eq!(wait(0), Some((xid(0), 1)), "its end was not seen");
        assert_eq!(wait(MOST), Some((xid(1), 2)), "one too many");
        assert!(prepared.take(&xid(1)).is_none() && prepared.take(&xid(2)).is_some());
        let numbers: Vec<_> = prepared.take_all().iter().map(|waiting| waiting.number).collect();
        assert!(numbers.len() == MOST - 1 && numbers.is_sorted(), "{numbers:?}");
        assert!(prepared.take_all().is_empty());
    }
}
