//! Reads the recording ahead, and tells each command what it waits for.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use super::CommitOrder;
use super::latch::{Latch, Turn};
use super::tables::{Tables, TablesOf};
use crate::mysql::sql::{Lexis, Safety, StatementSummary, TransactionControl, use_database};
use crate::mysql::wire::Command;
use crate::recording::{Event, Record, RecordedCommand, SessionId};

/// Knows the recorded order. It is shown every record once, in the order of their beginnings.
#[derive(Debug)]
pub(in crate::replay) struct Sequencer {
    order: CommitOrder,
    lexis: Lexis,
    tables: TablesOf,
    /// Events that have no places yet, the one whose place may be the first one first.
    open: BTreeMap<Key, Open>,
    /// Ends of transactions that began lately.
    ends: VecDeque<(u64, Tables)>,
    /// Events that have their places, and whose answers come later than what was shown so far.
    unanswered: BinaryHeap<Reverse<Unanswered>>,
    /// How many events have their places.
    placed: u64,
    /// What the next event waits for, and what everything else waits for.
    events: Last,
    answered: Last,
    sessions: HashMap<SessionId, Session>,
}

/// What an event's place is decided by: a time, when it began, and whose it is.
type Key = (u64, u64, SessionId, u64);

/// An event.
#[derive(Debug, Clone)]
struct Open {
    kind: EventKind,
    start: u64,
    /// When its answer was complete.
    end: u64,
    /// Which place it has in the order.
    place: u64,
    latch: Arc<Latch>,
    tables: Tables,
}

impl Open {
    fn key(&self, time: u64) -> Key {
        (time, self.start, self.latch.session(), self.latch.number())
    }
}

/// An event that has its place, by when its answer was complete.
#[derive(Debug)]
struct Unanswered(Open);

impl PartialEq for Unanswered {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Unanswered {}

impl PartialOrd for Unanswered {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Unanswered {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.key(self.0.end).cmp(&other.0.key(other.0.end))
    }
}

/// The last events: of all, of each table, and of those that may have touched any table.
#[derive(Debug, Default)]
struct Last {
    of_all: Option<(u64, Arc<Latch>)>,
    of: BTreeMap<String, (u64, Arc<Latch>)>,
    of_any: Option<(u64, Arc<Latch>)>,
}

impl Last {
    fn add(&mut self, open: &Open) {
        let is_later = |last: &Option<(u64, Arc<Latch>)>| last.as_ref().is_none_or(|(place, _)| *place < open.place);
        let this = || (open.place, Arc::clone(&open.latch));
        if is_later(&self.of_all) {
            self.of_all = Some(this());
        }
        match &open.tables {
            Tables::All if is_later(&self.of_any) => self.of_any = Some(this()),
            Tables::All => {}
            Tables::Known(names) => {
                for name in names.iter() {
                    if self.of.get(name).is_none_or(|(place, _)| *place < open.place) {
                        self.of.insert(name.clone(), this());
                    }
                }
            }
        }
        if open.place.is_multiple_of(SWEEP) {
            self.of.retain(|_, (_, latch)| !latch.is_done());
        }
    }

    /// What touches these tables waits for this.
    fn before(&self, order: CommitOrder, tables: &Tables) -> Vec<Arc<Latch>> {
        let any = self.of_any.iter();
        let last: Vec<&(u64, Arc<Latch>)> = match (order, tables) {
            (CommitOrder::Strict, _) => self.of_all.iter().collect(),
            (_, Tables::All) => self.of.values().chain(any).collect(),
            (_, Tables::Known(names)) => names.iter().filter_map(|name| self.of.get(name)).chain(any).collect(),
        };
        last.into_iter().filter(|(_, latch)| !latch.is_done()).map(|(_, latch)| Arc::clone(latch)).collect()
    }
}

/// After this many events tables are forgotten whose last event is done.
const SWEEP: u64 = 1024;

/// What is known of a session.
#[derive(Debug, Default)]
struct Session {
    database: Option<String>,
    /// What its transaction touched so far.
    touched: Tables,
    /// Whether one is open.
    in_transaction: bool,
}

impl Sequencer {
    /// `lexis`: how texts are read.
    pub(in crate::replay) fn new(order: CommitOrder, lexis: Lexis) -> Self {
        Self {
            order,
            lexis,
            tables: TablesOf::default(),
            open: BTreeMap::new(),
            ends: VecDeque::new(),
            unanswered: BinaryHeap::new(),
            placed: 0,
            events: Last::default(),
            answered: Last::default(),
            sessions: HashMap::new(),
        }
    }

    /// What the next record waits for.
    pub(in crate::replay) fn next(&mut self, record: &Record) -> Turn {
        if self.order == CommitOrder::Off {
            return Turn::default();
        }
        self.settle_until(record.started.monotonic_ns);
        match &record.event {
            Event::Begin(begin) => {
                let session = Session {
                    database: begin.database.clone(),
                    touched: Tables::default(),
                    in_transaction: begin.in_transaction,
                };
                self.sessions.insert(record.session, session);
                // Whoever logs in may see what was there before.
                Turn::after(self.answered.before(self.order, &Tables::default()))
            }
            Event::Command(command) => self.command(record, command),
            Event::Lost(_) => Turn::default(),
            Event::End(_) => {
                self.sessions.remove(&record.session);
                Turn::default()
            }
        }
    }

    /// Nothing more comes.
    pub(in crate::replay) fn finish(&mut self) {
        self.settle_until(u64::MAX);
    }

    /// All events up to then are in their places, as far as these can be known.
    fn settle_until(&mut self, time: u64) {
        while let Some((key, open)) = self.open.pop_first() {
            let settled = match open.kind {
                // It may have had to wait for locks until it ended.
                EventKind::Single if open.end > time => None,
                EventKind::Single => Some(self.place_of_single(&open)),
                EventKind::Part | EventKind::Ends => Some(key.0).filter(|due| *due <= time),
            };
            match settled {
                Some(due) if due > key.0 => {
                    let open = Open { kind: EventKind::Part, ..open };
                    self.open.insert(open.key(due), open);
                }
                Some(_) => self.place(open),
                None => {
                    self.open.insert(key, open);
                    break;
                }
            }
        }
        while self.unanswered.peek().is_some_and(|Reverse(open)| open.0.end <= time) {
            let Some(Reverse(open)) = self.unanswered.pop() else { return };
            self.answered.add(&open.0);
        }
        let old = time.saturating_sub(LONG_NS);
        while self.ends.front().is_some_and(|(start, _)| *start < old) {
            self.ends.pop_front();
        }
    }

    fn place(&mut self, mut open: Open) {
        open.latch.wait_for(self.events.before(self.order, &open.tables));
        open.place = self.placed;
        self.placed += 1;
        self.events.add(&open);
        self.unanswered.push(Reverse(Unanswered(open)));
    }

    /// Of a transaction of one statement. Whoever arrives first has the lock first, unless it was another transaction's: then it comes after that
    /// one's end. By its answer it cannot be told, since it frees its locks before that.
    fn place_of_single(&self, open: &Open) -> u64 {
        let ends = self
            .ends
            .iter()
            .filter(|(start, tables)| (open.start..open.end).contains(start) && tables.meets(&open.tables));
        ends.map(|(start, _)| start + 1).max().unwrap_or(open.start)
    }

    fn command(&mut self, record: &Record, command: &RecordedCommand) -> Turn {
        let was_open = self.sessions.get(&record.session).is_some_and(|session| session.in_transaction);
        let tables = self.touched(record.session, command);
        let start = record.started.monotonic_ns;
        let end = start.saturating_add(command.duration_ns.unwrap_or(0));
        let Some(kind) = self.event(command, was_open, end - start) else {
            return Turn::after(self.answered.before(self.order, &tables));
        };
        if kind == EventKind::Ends {
            self.ends.push_back((start, tables.clone()));
        }
        let latch = Latch::new(record.session, record.number);
        let open = Open { kind, start, end, place: 0, latch: Arc::clone(&latch), tables };
        let due = if kind == EventKind::Part { end } else { start };
        self.open.insert(open.key(due), open);
        Turn::of_event(latch)
    }

    /// The tables that matter: the command's own, and where it ends a transaction those of all of it.
    fn touched(&mut self, session: SessionId, command: &RecordedCommand) -> Tables {
        let of = self.sessions.entry(session).or_default();
        let own = match &command.sql {
            Some(sql) => self.tables.text(sql, of.database.as_deref(), self.lexis),
            None => Tables::default(),
        };
        if let Some(database) = next_database(command, self.lexis) {
            of.database = Some(database);
        }
        let all = of.touched.union(&own);
        of.in_transaction = command.in_transaction().unwrap_or(of.in_transaction);
        match command.in_transaction() {
            Some(false) => std::mem::take(&mut of.touched).union(&own),
            _ => {
                of.touched = all;
                own
            }
        }
    }

    /// Whether it writes, locks, or ends a transaction. `was_open`: one was open before.
    fn event(&self, command: &RecordedCommand, was_open: bool, duration_ns: u64) -> Option<EventKind> {
        let Some(sql) = &command.sql else {
            // These roll back.
            let ends = matches!(command.command, Command::ResetConnection | Command::ChangeUser);
            return ends.then_some(EventKind::Ends);
        };
        if command.command == Command::StmtPrepare {
            return None;
        }
        if Safety::of(sql, self.lexis) >= Safety::Locks {
            let is_single = !was_open && command.in_transaction() == Some(false) && duration_ns <= LONG_NS;
            return Some(if is_single { EventKind::Single } else { EventKind::Part });
        }
        let summary = StatementSummary::of_text(sql, self.lexis, &|_| None);
        let control = TransactionControl::of_text(sql, self.lexis, summary);
        let is_none = matches!(
            control,
            TransactionControl::Nothing | TransactionControl::Begin | TransactionControl::Savepoint(_)
        );
        (!is_none).then_some(EventKind::Ends)
    }
}

/// What makes a command an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EventKind {
    /// It writes or locks, and is a transaction of its own.
    Single,
    /// It writes or locks as a part of a transaction, or took long: it had all its locks when it was answered.
    Part,
    /// It ends a transaction, and with it locks, and does nothing else: it counts from when it was sent, since it frees locks before it is answered.
    Ends,
}

/// Where the place of a statement is not clear, the recording is read ahead for so long at most.
const LONG_NS: u64 = 1_000_000_000;

/// The database that is current after a command, if it changes that.
fn next_database(command: &RecordedCommand, lexis: Lexis) -> Option<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match command.command {
        Command::InitDb => command.argument.as_ref().map(|name| text(name)),
        Command::ChangeUser => command.change_user.as_ref()?.database.clone(),
        Command::Query => use_database(command.sql.as_deref()?, lexis).map(|name| text(&name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::latch::NotKnown;
    use super::*;
    use crate::mysql::wire::StatusFlags;
    use crate::replay::samples;

    fn record(session: u64, number: u64, started: u64, duration: u64, sql: &str, open: bool) -> Record {
        let status = if open { StatusFlags::IN_TRANS } else { StatusFlags::empty() };
        let command = RecordedCommand { duration_ns: Some(duration), ..samples::answered(sql, Some(status)) };
        samples::record(session, number, started, Event::Command(Box::new(command)))
    }

    fn sequencer(order: CommitOrder) -> Sequencer {
        let mut sequencer = Sequencer::new(order, Lexis::default());
        for session in 1..=3 {
            let begin = crate::recording::SessionBegin { database: Some("db".into()), ..Default::default() };
            sequencer.next(&samples::record(session, 0, 0, Event::Begin(Box::new(begin))));
        }
        sequencer
    }

    /// Whose event a turn waits for.
    fn awaited(turn: &Turn) -> Option<u64> {
        turn.awaited().unwrap().map(|latch| latch.session().0)
    }

    #[test]
    fn a_read_waits_for_what_was_answered_before_it_began() {
        let mut order = sequencer(CommitOrder::Strict);
        let write = order.next(&record(1, 1, 10, 5, "INSERT INTO t VALUES (1)", false));
        let early = order.next(&record(2, 1, 12, 1, "SELECT * FROM t", false));
        let late = order.next(&record(3, 1, 20, 1, "SELECT * FROM t", false));
        assert_eq!((awaited(&early), awaited(&late)), (None, Some(1)));
        assert!(awaited(&write).is_none());
        drop(write);
        assert_eq!(awaited(&late), None);
    }

    #[test]
    fn parts_of_transactions_come_in_the_order_of_their_answers() {
        let mut order = sequencer(CommitOrder::Strict);
        // The first one waits for a lock.
        let slow = order.next(&record(1, 1, 10, 50, "UPDATE t SET a = 1", true));
        assert_eq!(slow.awaited().unwrap_err(), NotKnown);
        let quick = order.next(&record(2, 1, 20, 5, "UPDATE t SET a = 2", true));
        order.finish();
        assert_eq!((awaited(&slow), awaited(&quick)), (Some(2), None));
    }

    #[test]
    fn a_transactions_end_comes_before_what_waited_for_its_locks() {
        let mut order = sequencer(CommitOrder::Strict);
        drop(order.next(&record(2, 1, 5, 1, "UPDATE t SET a = 2", true)));
        let waiting = order.next(&record(1, 1, 10, 50, "UPDATE t SET a = 1", false));
        // The lock was free before the answer was there.
        let commit = order.next(&record(2, 2, 55, 10, "COMMIT", false));
        let read = order.next(&record(3, 1, 62, 1, "SELECT * FROM t", false));
        let late = order.next(&record(3, 2, 70, 1, "SELECT * FROM t", false));
        order.finish();
        assert_eq!((awaited(&commit), awaited(&waiting)), (None, Some(2)));
        // What was not answered yet may not be seen yet; and what was answered comes after the commit.
        assert_eq!((awaited(&read), awaited(&late)), (Some(1), Some(1)));
    }

    #[test]
    fn single_statements_come_in_the_order_in_which_they_arrived() {
        let mut order = sequencer(CommitOrder::Strict);
        // It had the lock first, although its answer came last.
        let first = order.next(&record(1, 1, 10, 20, "UPDATE t SET a = 1", false));
        let second = order.next(&record(2, 1, 12, 17, "UPDATE t SET a = 2", true));
        let third = order.next(&record(3, 1, 13, 1, "UPDATE u SET a = 2", false));
        assert_eq!(second.awaited().unwrap_err(), NotKnown);
        order.finish();
        assert_eq!((awaited(&first), awaited(&third), awaited(&second)), (None, Some(1), Some(3)));
    }

    #[test]
    fn tables_in_common_decide() {
        let mut order = sequencer(CommitOrder::Tables);
        let _write = order.next(&record(1, 1, 10, 1, "INSERT INTO t VALUES (1)", false));
        let other = order.next(&record(2, 1, 20, 1, "SELECT * FROM u", false));
        let same = order.next(&record(2, 2, 21, 1, "SELECT * FROM db.T", false));
        let unknown = order.next(&record(3, 1, 30, 1, "CALL p()", false));
        let after_unknown = order.next(&record(2, 3, 40, 1, "SELECT * FROM u", false));
        order.finish();
        assert_eq!((awaited(&other), awaited(&same), awaited(&unknown)), (None, Some(1), Some(1)));
        assert_eq!(awaited(&after_unknown), Some(3));
    }

    #[test]
    fn a_commit_counts_for_all_that_its_transaction_touched() {
        let mut order = sequencer(CommitOrder::Tables);
        drop(order.next(&record(1, 1, 10, 1, "INSERT INTO t VALUES (1)", true)));
        drop(order.next(&record(1, 2, 12, 1, "INSERT INTO u VALUES (1)", true)));
        let _commit = order.next(&record(1, 3, 14, 1, "COMMIT", false));
        let read = order.next(&record(2, 1, 20, 1, "SELECT * FROM t", false));
        let other = order.next(&record(2, 2, 21, 1, "SELECT * FROM v", false));
        assert_eq!((awaited(&read), awaited(&other)), (Some(1), None));
        // The next transaction has touched nothing yet.
        let _next = order.next(&record(1, 4, 30, 1, "COMMIT", false));
        let last = order.next(&record(3, 1, 40, 1, "SELECT * FROM v", false));
        assert_eq!(awaited(&last), None);
    }

    #[test]
    fn without_an_order_nothing_waits() {
        let mut order = sequencer(CommitOrder::Off);
        let _write = order.next(&record(1, 1, 10, 1, "INSERT INTO t VALUES (1)", false));
        assert_eq!(awaited(&order.next(&record(2, 1, 20, 1, "SELECT * FROM t", false))), None);
    }
}
