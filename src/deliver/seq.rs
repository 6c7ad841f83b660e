//! Numbers of the messages of one connection.

/// Numbers a connection's messages as they enter delivery: 1, 2, 3 and so on.
///
/// A session has one, and [`Batch::push_numbered`](crate::deliver::Batch::push_numbered) takes the next number from it for each message
/// that is really added. What a filter, sampling or a rollback leaves out never gets there and leaves no gap. A message that is dropped
/// later leaves one, which is counted by sink and reason ([`SinkCounter::lost`](crate::deliver::SinkCounter::lost)).
///
/// It is not a position, which counts the messages of all connections and means something only within this process; and it is no field
/// of the message, whose fields are a contract: what carries it to a consumer is the sink's business.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Seq {
    session: u64,
    last: u64,
}

impl Seq {
    /// That of a connection without a message, and without a number of its own.
    pub const fn new() -> Self {
        Self::of(0)
    }

    /// That of the connection with this number within the process, without a message.
    pub const fn of(session: u64) -> Self {
        Self { session, last: 0 }
    }

    /// The connection's number within the process, from 1; 0 for one that has none.
    pub const fn session(self) -> u64 {
        self.session
    }

    /// The number of the last message; 0 before the first.
    pub const fn last(self) -> u64 {
        self.last
    }

    /// The number of one more message.
    pub(crate) const fn advance(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// These many messages are lost before they have numbers: the gap tells of them.
    pub(crate) const fn skip(&mut self, messages: u64) {
        self.last += messages;
    }
}
