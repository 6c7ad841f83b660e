//! Which commands of two recordings belong together: those of the same session and number.
//!
//! Both are read side by side. A command waits until the other recording has come to it; what waits is bounded, however far the two are
//! apart. When there is no more room, half of the sessions are put off: they are dropped here, and read again from the beginning when
//! the others are done.

use std::collections::{HashMap, VecDeque};

use super::collector::{Collector, SessionFailure};
use super::execution::Execution;
use super::outcome::code;
use crate::mysql::sql::Lexis;
use crate::recording::{Event, Record, RecordedCommand, SessionBegin, SessionId};

/// A recording that can be read again from its beginning.
pub(crate) trait Readable {
    /// Why it cannot be read.
    type Error;

    /// All of its records; those of one session in order.
    fn read(&self) -> Result<impl Iterator<Item = Result<Record, Self::Error>>, Self::Error>;
}

/// What was found besides differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Paired {
    /// Commands of both.
    pub(crate) commands: u64,
    /// Commands of the first recording that the second does not have.
    pub(crate) only_expected: u64,
    /// Commands of the second recording that the first does not have.
    pub(crate) only_observed: u64,
    /// When the last command of each was answered, in nanoseconds from its start.
    pub(crate) ends_ns: (u64, u64),
}

/// Gives every pair of commands to the collector. At most about `room` bytes of commands wait; besides there are 16 bytes for each session.
pub(crate) fn pair<R: Readable>(
    expected: &R,
    observed: &R,
    room: usize,
    collector: &mut Collector,
) -> Result<Paired, R::Error> {
    let mut pairing = Pairing {
        room,
        paired: Paired::default(),
        settled: HashMap::new(),
        range: (0, u64::MAX),
        put_off: vec![(0, u64::MAX)],
        waiting: [0, 0],
        sessions: HashMap::new(),
    };
    while let Some(range) = pairing.put_off.pop() {
        pairing.range = range;
        pairing.pass(expected, observed, collector)?;
    }
    Ok(pairing.paired)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Expected,
    Observed,
}

struct Pairing {
    room: usize,
    paired: Paired,
    /// Up to which number it is known of each session what belongs together.
    settled: HashMap<SessionId, u64>,
    /// Which sessions this pass is about, by their places.
    range: (u64, u64),
    put_off: Vec<(u64, u64)>,
    /// How many bytes wait of each recording.
    waiting: [usize; 2],
    sessions: HashMap<SessionId, Session>,
}

/// A session of which something waits, or whose texts' lexis is known.
#[derive(Default)]
struct Session {
    lexis: Lexis,
    /// What one of the recordings has beyond the other, by number.
    ahead: VecDeque<Waiter>,
    of: Option<Of>,
}

struct Waiter {
    number: u64,
    started_ns: u64,
    what: What,
    bytes: usize,
}

enum What {
    Begin(Box<SessionBegin>),
    Command(Box<RecordedCommand>),
}

/// Where a session stands among all: neighbours are not of the same time.
fn place(session: SessionId) -> u64 {
    (session.0 ^ session.0 >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Pairing {
    fn pass<R: Readable>(&mut self, expected: &R, observed: &R, collector: &mut Collector) -> Result<(), R::Error> {
        let mut first = expected.read()?.peekable();
        let mut second = observed.read()?.peekable();
        loop {
            // The one that less waits of is behind.
            let [expected, observed] = self.waiting;
            let (of, next) = match (first.peek().is_some(), second.peek().is_some()) {
                (false, false) => break,
                (true, false) => (Of::Expected, first.next()),
                (false, true) => (Of::Observed, second.next()),
                (true, true) if observed < expected => (Of::Observed, second.next()),
                (true, true) => (Of::Expected, first.next()),
            };
            if let Some(record) = next {
                self.take(of, record?, collector);
            }
        }
        self.give_up();
        Ok(())
    }

    fn take(&mut self, of: Of, record: Record, collector: &mut Collector) {
        let Record { session, number, started, event } = record;
        if !(self.range.0..=self.range.1).contains(&place(session)) {
            return;
        }
        let started_ns = started.monotonic_ns;
        let what = match event {
            Event::Begin(begin) => {
                if of == Of::Expected {
                    self.sessions.entry(session).or_default().lexis = begin.lexis();
                }
                What::Begin(begin)
            }
            Event::Command(mut command) => {
                let end = started_ns.saturating_add(command.duration_ns.unwrap_or(0));
                let longest = self.end_of(of);
                *longest = end.max(*longest);
                if of == Of::Observed {
                    // The first recording has the text.
                    (command.sql, command.params) = (None, Vec::new());
                }
                What::Command(command)
            }
            Event::End(_) | Event::Lost(_) => return,
        };
        if self.settled.get(&session).is_some_and(|settled| number <= *settled) {
            return;
        }
        self.pass_by(of, session, number);
        let bytes = size_of::<Waiter>() + what.bytes();
        let this = Waiter { number, started_ns, what, bytes };
        let held = self.sessions.entry(session).or_default();
        let is_there = held.of == Some(of.other()) && held.ahead.front().is_some_and(|ahead| ahead.number == number);
        match if is_there { held.ahead.pop_front() } else { None } {
            Some(other) => {
                let lexis = held.lexis;
                self.free(of.other(), other.bytes);
                self.settled.insert(session, number);
                let (before, now) = if of == Of::Expected { (this, other) } else { (other, this) };
                self.compare(session, lexis, before, now, collector);
            }
            // The other recording is past this number, without it.
            None if held.of == Some(of.other()) && !held.ahead.is_empty() => {
                self.settled.insert(session, number);
                self.count_alone(of, &this.what);
            }
            None => {
                held.of = Some(of);
                held.ahead.push_back(this);
                *self.waiting_of(of) += bytes;
                if self.waiting.iter().sum::<usize>() > self.room {
                    self.make_room();
                }
            }
        }
    }

    /// The recording has come to this number of a session: what the other one has before it, it does not have.
    fn pass_by(&mut self, of: Of, session: SessionId, number: u64) {
        let Some(held) = self.sessions.get_mut(&session) else { return };
        if held.of != Some(of.other()) {
            return;
        }
        let mut passed = Vec::new();
        while held.ahead.front().is_some_and(|ahead| ahead.number < number) {
            passed.extend(held.ahead.pop_front());
        }
        for waiter in passed {
            self.settled.insert(session, waiter.number);
            self.free(of.other(), waiter.bytes);
            self.count_alone(of.other(), &waiter.what);
        }
    }

    fn compare(&mut self, session: SessionId, lexis: Lexis, before: Waiter, now: Waiter, collector: &mut Collector) {
        match (before.what, now.what) {
            (What::Command(expected), What::Command(observed)) => {
                self.paired.commands += 1;
                collector.add(&Execution {
                    session,
                    number: before.number,
                    lexis,
                    expected: &expected,
                    observed: &observed,
                    recorded_ns: before.started_ns,
                    started_ns: now.started_ns,
                    lateness: None,
                });
            }
            (What::Begin(expected), What::Begin(observed)) => {
                collector.session_began();
                compare_logins(session, before.number, &expected, &observed, collector);
            }
            // Not the same commands.
            (before, now) => {
                self.count_alone(Of::Expected, &before);
                self.count_alone(Of::Observed, &now);
            }
        }
    }

    fn count_alone(&mut self, of: Of, what: &What) {
        if matches!(what, What::Command(_)) {
            match of {
                Of::Expected => self.paired.only_expected += 1,
                Of::Observed => self.paired.only_observed += 1,
            }
        }
    }

    /// Puts off half of the sessions; where only one is left, what waits of it is given up.
    fn make_room(&mut self) {
        let (from, to) = self.range;
        let middle = from + (to - from) / 2;
        if middle == to {
            self.give_up();
            return;
        }
        self.sessions.retain(|session, _| place(*session) <= middle);
        self.waiting = [0, 0];
        for session in self.sessions.values() {
            let bytes: usize = session.ahead.iter().map(|waiter| waiter.bytes).sum();
            match session.of {
                Some(Of::Observed) => self.waiting[1] += bytes,
                _ => self.waiting[0] += bytes,
            }
        }
        self.put_off.push((middle + 1, to));
        self.range = (from, middle);
    }

    /// What still waits has no counterpart.
    fn give_up(&mut self) {
        for (session, held) in std::mem::take(&mut self.sessions) {
            for waiter in &held.ahead {
                self.settled.insert(session, waiter.number);
                self.count_alone(held.of.unwrap_or(Of::Expected), &waiter.what);
            }
        }
        self.waiting = [0, 0];
    }

    fn waiting_of(&mut self, of: Of) -> &mut usize {
        let [expected, observed] = &mut self.waiting;
        match of {
            Of::Expected => expected,
            Of::Observed => observed,
        }
    }

    fn free(&mut self, of: Of, bytes: usize) {
        let waiting = self.waiting_of(of);
        *waiting = waiting.saturating_sub(bytes);
    }

    fn end_of(&mut self, of: Of) -> &mut u64 {
        match of {
            Of::Expected => &mut self.paired.ends_ns.0,
            Of::Observed => &mut self.paired.ends_ns.1,
        }
    }
}

impl Of {
    fn other(self) -> Self {
        match self {
            Self::Expected => Self::Observed,
            Self::Observed => Self::Expected,
        }
    }
}

impl What {
    fn bytes(&self) -> usize {
        match self {
            // Its texts are short; they are bounded by what a login packet holds.
            Self::Begin(_) => size_of::<SessionBegin>() + 512,
            Self::Command(command) => {
                size_of::<RecordedCommand>()
                    + command.sql.as_ref().map_or(0, |sql| sql.len())
                    + command.params.len() * 64
                    + command.results.len() * 128
            }
        }
    }
}

fn compare_logins(
    session: SessionId,
    number: u64,
    expected: &SessionBegin,
    observed: &SessionBegin,
    collector: &mut Collector,
) {
    let in_general = |begin: &SessionBegin| match &begin.refused {
        Some(error) => format!("login refused: {}", code(error)),
        None => "logged in".to_owned(),
    };
    let (before, now) = (in_general(expected), in_general(observed));
    if before != now {
        let detail = observed.refused.as_ref().map_or(now.as_str(), |error| error.message.as_str());
        collector.session_failed(&SessionFailure { session, number, expected: &before, reason: &now, detail });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{RecordedError, SessionClose};
    use crate::report::collector::CollectorOptions;
    use crate::report::fixture::{answered, error, rows};
    use crate::report::model::{Facts, Report};
    use crate::session::Now;

    struct InMemory(Vec<Record>);

    impl Readable for InMemory {
        type Error = std::convert::Infallible;

        fn read(&self) -> Result<impl Iterator<Item = Result<Record, Self::Error>>, Self::Error> {
            Ok(self.0.iter().cloned().map(Ok))
        }
    }

    fn record(session: u64, number: u64, at: u64, event: Event) -> Record {
        let started = Now { monotonic_ns: at * 1_000_000, epoch_ms: 0 };
        Record { session: SessionId(session), number, started, event }
    }

    /// Sessions of different lengths whose commands come in an order that depends on `seed`; some fail there, and some are missing.
    fn recording(
        sessions: u64,
        seed: u64,
        fails: impl Fn(u64, u64) -> bool,
        lacks: impl Fn(u64, u64) -> bool,
    ) -> InMemory {
        let mut records = Vec::new();
        for session in 0..sessions {
            let length = 3 + session % 9;
            for number in 0..length {
                let sql = format!("SELECT a{} FROM t WHERE b = {number}", session % 3);
                let answer = if fails(session, number) { error(1146) } else { rows(&["1"]) };
                let event = match number {
                    0 => Event::Begin(Box::default()),
                    number if number + 1 == length => Event::End(SessionClose::Quit),
                    _ => Event::Command(Box::new(answered(&sql, [answer]))),
                };
                // Deterministic, and another order for each seed.
                let at = (session.wrapping_mul(seed | 1) % 101) * 50 + number * (1 + (session ^ seed) % 7);
                if !lacks(session, number) {
                    records.push(record(session, number, at, event));
                }
            }
        }
        records.sort_by_key(|record| (record.started.monotonic_ns, record.session, record.number));
        // Times that are equal in one order may not bring a session out of its own.
        records.sort_by_key(|record| record.started.monotonic_ns);
        InMemory(records)
    }

    fn paired(expected: &InMemory, observed: &InMemory, room: usize) -> (Paired, Report) {
        let mut collector = Collector::new(CollectorOptions::default());
        let Ok(paired) = pair(expected, observed, room, &mut collector);
        (paired, collector.finish(Facts::default()))
    }

    #[test]
    fn commands_find_each_other_whatever_their_order_and_the_room() {
        let never = |_, _| false;
        let expected = recording(300, 3, never, never);
        let observed = recording(300, 77, |session, number| (session + number) % 5 == 0, never);
        let (all, whole) = paired(&expected, &observed, usize::MAX);
        let commands = (0..300).map(|session| 1 + session % 9).sum::<u64>();
        assert_eq!((all.commands, all.only_expected, all.only_observed), (commands, 0, 0));
        assert_eq!(whole.sessions, 300);
        for room in [100_000, 20_000, 3_000, 1] {
            let (paired, report) = paired(&expected, &observed, room);
            if room > 1 {
                assert_eq!(paired, all, "{room}");
                assert_eq!(
                    (report.statements, report.equal, report.classes),
                    (whole.statements, whole.equal, whole.classes.clone())
                );
            }
            // With no room at all nothing is lost without being counted.
            assert_eq!(paired.commands + paired.only_expected, commands, "{room}");
            assert_eq!(paired.commands + paired.only_observed, commands, "{room}");
        }
    }

    #[test]
    fn what_only_one_of_them_has_is_counted() {
        let never = |_, _| false;
        let expected = recording(60, 3, never, |session, number| session == 4 && number == 2);
        let observed = recording(60, 9, never, |session, number| session % 10 == 3 || (session == 8 && number == 1));
        let lacking: u64 = (0..60).filter(|session| session % 10 == 3).map(|session| 1 + session % 9).sum::<u64>() + 1;
        for room in [usize::MAX, 10_000] {
            let (paired, report) = paired(&expected, &observed, room);
            assert_eq!((paired.only_expected, paired.only_observed), (lacking, 1), "{room}");
            assert_eq!(report.sessions, 54);
        }
    }

    #[test]
    fn a_login_that_is_refused_is_a_difference() {
        let refused = RecordedError { code: 1045, state: Some("28000".into()), message: "Access denied".into() };
        let begin = |refused| Event::Begin(Box::new(SessionBegin { refused, ..SessionBegin::default() }));
        let expected = InMemory(vec![record(1, 0, 0, begin(None))]);
        let observed = InMemory(vec![record(1, 0, 0, begin(Some(refused)))]);
        let (_, report) = paired(&expected, &observed, 1000);
        assert_eq!(report.differences[0].observed, "login refused: error 1045 (28000)");
        assert_eq!(report.differences[0].example.observed, "Access denied");
        assert!(paired(&observed, &observed, 1000).1.differences.is_empty());
    }
}
