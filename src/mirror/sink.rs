//! A client's session, on the side of the thread that forwards its bytes.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::budget::Share;
use super::counters::{Dropped, add};
use super::disk::Put;
use super::hub::Hub;
use super::line::{Entrance, Pushed, line};
use crate::recording::{Admission, Event, Record, RecordSink, SessionBegin, SessionId};

/// Takes a session's records for the mirror. It never waits: what has no room ends the mirrored session, which may begin again later.
#[derive(Debug)]
pub struct MirroredSession {
    hub: Arc<Hub>,
    id: SessionId,
    client: Option<IpAddr>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Not mirrored before this time.
    Out(Option<Instant>),
    /// Mirrored.
    In(Arc<Entrance>),
    /// Never again.
    Left,
}

impl MirroredSession {
    pub(super) fn new(hub: Arc<Hub>, id: SessionId, client: Option<IpAddr>) -> Self {
        Self { hub, id, client, state: State::Out(None) }
    }

    /// Whether the session is, or may be, mirrored.
    fn is_wanted(&self, begin: &SessionBegin) -> bool {
        let config = &self.hub.config;
        // Its server did not let it in.
        begin.refused.is_none()
            && config.sample.takes(begin.connection_id)
            && config.criteria.pass_session(begin.user.as_deref(), self.client)
    }

    /// Begins with a `Begin`.
    fn join(&mut self, record: Record, begin: &SessionBegin, not_before: Option<Instant>) -> Admission {
        if !self.is_wanted(begin) {
            self.state = State::Left;
            if begin.refused.is_none() {
                add(&self.hub.counters.left_out_sessions, 1);
            }
            return Admission::Closed;
        }
        let now = Instant::now();
        if not_before.is_some_and(|not_before| now < not_before) {
            return Admission::Full;
        }
        // Who waits on the disk waits for the target, too.
        if self.hub.disk.is_none() && !self.hub.may_connect(now) {
            return self.out(Dropped::Unreachable);
        }
        let Some(connection) = self.hub.connections.claim() else { return self.out(Dropped::Connections) };
        let share = Share::new(self.hub.config.session_bytes, Arc::clone(&self.hub.budget));
        let ids = (self.id, self.hub.next_id());
        let (entrance, exit) = line(share, self.hub.cut.child_token(), connection, self.client, ids);
        let entrance = Arc::new(entrance);
        let joins = begin.began_before;
        if let Err(why) = self.hand_over(record, &entrance) {
            return self.out(why);
        }
        if self.hub.arrivals.send(exit).is_err() {
            return self.leave();
        }
        add(&self.hub.counters.sessions, 1);
        add(&self.hub.counters.joined, u64::from(joins));
        self.state = State::In(entrance);
        Admission::Taken
    }

    /// The session is not mirrored for a while.
    fn out(&mut self, why: Dropped) -> Admission {
        self.hub.drops.dropped(why, self.id, "");
        self.pause()
    }

    fn pause(&mut self) -> Admission {
        self.state = State::Out(Some(Instant::now() + self.hub.config.rejoin_after));
        Admission::Full
    }

    fn leave(&mut self) -> Admission {
        self.state = State::Left;
        Admission::Closed
    }

    fn push(&mut self, record: Record) -> Admission {
        let State::In(entrance) = &self.state else { return Admission::Closed };
        if entrance.is_closed() {
            // Whoever takes its records has given it up, and has said why.
            return self.pause();
        }
        match self.hand_over(record, entrance) {
            Ok(()) => Admission::Taken,
            Err(why) => {
                entrance.cut();
                self.out(why)
            }
        }
    }

    /// Into the session's queue, or onto the disk.
    fn hand_over(&self, record: Record, entrance: &Arc<Entrance>) -> Result<(), Dropped> {
        let pushed = if entrance.waits_on_disk() { Pushed::Full(record) } else { entrance.push(record) };
        match (pushed, &self.hub.disk) {
            // Of one that was closed just now the next record will tell.
            (Pushed::Taken | Pushed::Closed, _) => Ok(()),
            (Pushed::Full(_), None) => Err(Dropped::Behind),
            (Pushed::Full(record), Some(disk)) => match disk.put(record, entrance) {
                Put::Taken => Ok(()),
                Put::Behind => Err(Dropped::Behind),
                Put::Full => Err(Dropped::Disk),
            },
        }
    }
}

impl RecordSink for MirroredSession {
    fn has_room(&self) -> bool {
        match &self.state {
            State::Out(not_before) => not_before.is_none_or(|not_before| Instant::now() >= not_before),
            State::In(_) => true,
            State::Left => false,
        }
    }

    fn record(&mut self, record: Record) -> Admission {
        if self.hub.stop.is_cancelled() {
            return self.leave();
        }
        match (&self.state, &record.event) {
            (State::Left, _) => Admission::Closed,
            (State::Out(not_before), Event::Begin(begin)) => {
                let (not_before, begin) = (*not_before, begin.clone());
                self.join(record, &begin, not_before)
            }
            // What is lost was not wanted.
            (State::Out(_), Event::Lost(_) | Event::End(_)) => Admission::Taken,
            (State::Out(_), Event::Command(_)) => Admission::Full,
            (State::In(_), Event::Begin(begin)) => {
                // What came before it is lost; the mirrored session ends without a word.
                let begin = begin.clone();
                self.join(record, &begin, None)
            }
            (State::In(_), Event::Lost(_)) => {
                let taken = self.push(record);
                self.state = State::Out(None);
                taken
            }
            (State::In(_), Event::End(_)) => {
                let taken = self.push(record);
                self.state = State::Left;
                taken
            }
            (State::In(_), Event::Command(_)) => self.push(record),
        }
    }
}
