//! How much of an answer there is, and what comes next of it.

use super::rows::ResultWatch;
use super::time::Now;
use crate::mysql::wire::{Packet, PrepareOk};

/// What the server's next packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    /// The first packet of the response, or of its next result.
    Head,
    /// Column or parameter definitions, this many more.
    Definitions { left: u64, then: AfterDefinitions },
    /// The EOF after definitions.
    DefinitionsEof { then: AfterDefinitions },
    /// The same, or what comes after definitions where there is no EOF: which dialect it is, is not known yet.
    PerhapsEof { then: AfterDefinitions },
    /// Rows, or what ends them.
    Rows,
    /// The same, but an OK may stand where the first row would: see [`PerhapsOk`].
    RowsOrOk,
    /// What follows the packet in [`Progress::perhaps_ok`].
    AfterPerhapsOk,
    /// Nothing: the client sends a file's content, an empty packet last.
    FileContent,
}

/// What comes after definitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterDefinitions {
    Rows,
    /// A prepare response's column definitions, after those of its parameters.
    PreparedColumns(PrepareOk),
    /// Definitions were left out of a prepare response, but not the EOF after the columns'.
    SecondEof(PrepareOk),
    /// A prepare response is complete.
    Prepared(PrepareOk),
}

impl AfterDefinitions {
    /// Whether nothing comes but perhaps an EOF.
    pub(super) fn is_nothing(self) -> bool {
        match self {
            Self::Prepared(_) => true,
            Self::PreparedColumns(prepare) => prepare.columns == 0,
            Self::Rows | Self::SecondEof(_) => false,
        }
    }
}

/// A packet that is the first row, or an OK in its place and with it the end of the answer.
///
/// MySQL 9.7 so answers the plain execution of a statement whose first execution was to open a cursor: the rows go where those of the cursor went,
/// and nobody sends an end of them (`Prepared_statement::execute` in `sql/sql_prepare.cc` takes the cursor's result for the regular one). With
/// `CLIENT_DEPRECATE_EOF` only what follows tells such an OK from a row of the same bytes.
#[derive(Debug)]
pub(super) struct PerhapsOk {
    pub(super) payload: Box<[u8]>,
    sequence: u8,
    next_sequence: u8,
    pub(super) now: Now,
}

impl PerhapsOk {
    /// Without affected rows, an id and a text; an empty text may have a length of its own.
    const LENGTH: usize = 7;
    /// Where the status is.
    const STATUS: usize = 3;
    /// SERVER_SESSION_STATE_CHANGED, in the upper byte of the status: only then an OK is longer.
    const STATE_CHANGED: u8 = 0x40;

    pub(super) fn new(packet: &Packet<'_>, now: Now) -> Option<Self> {
        let is_like_one = packet.payload.starts_with(&[0, 0, 0])
            && packet.length == packet.payload.len() as u64
            && match packet.payload.get(Self::LENGTH..) {
                Some([] | [0]) => true,
                Some(_) => packet.payload.get(Self::STATUS + 1).is_some_and(|upper| upper & Self::STATE_CHANGED != 0),
                None => false,
            };
        let Packet { payload, sequence, next_sequence, .. } = *packet;
        is_like_one.then(|| Self { payload: payload.into(), sequence, next_sequence, now })
    }

    /// As it came.
    pub(super) fn as_packet(&self) -> Packet<'_> {
        Packet {
            payload: &self.payload,
            length: self.payload.len() as u64,
            sequence: self.sequence,
            next_sequence: self.next_sequence,
            started_ns: self.now.monotonic_ns,
        }
    }

    /// Whether it was a row, since this packet goes on with the same answer. Another answer begins with an id of its own: 1, unless the request
    /// was longer than 16 MiB. In compressed sessions ids may begin again within an answer, but never with 1.
    pub(super) fn is_row_before(&self, packet: &Packet<'_>, has_sequence: bool) -> bool {
        packet.sequence == self.next_sequence || (!has_sequence && packet.sequence != 1)
    }
}

/// Progress of the response to the current request.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) expect: Expect,
    pub(super) rows: u64,
    /// Results that are complete.
    pub(super) results: u32,
    /// The EOF after the definitions of OUT parameters said that more follows, which the one after their row may leave out.
    pub(super) more_announced: bool,
    /// The first result set's rows, while one statement (a CALL) brings several results.
    pub(super) first_rows: Option<u64>,
    /// When the previous statement of a multi-statement text was done.
    pub(super) previous_end: Option<Now>,
    /// Columns of a `SELECT @@..` whose first row tells session state: number, and the variable.
    pub(super) variables: Vec<(usize, Vec<u8>)>,
    /// Where somebody looks into the result set.
    pub(super) watch: Option<Box<ResultWatch>>,
    /// A packet of which the next one tells what it is.
    pub(super) perhaps_ok: Option<Box<PerhapsOk>>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            expect: Expect::Head,
            rows: 0,
            results: 0,
            more_announced: false,
            first_rows: None,
            previous_end: None,
            variables: Vec::new(),
            watch: None,
            perhaps_ok: None,
        }
    }
}

impl Progress {
    /// Whether the server has said a part of its response.
    pub(super) fn has_begun(&self) -> bool {
        self.expect != Expect::Head || self.first_rows.is_some() || self.previous_end.is_some()
    }

    /// Nobody looks into the result under way any more, or not from its beginning.
    pub(super) fn stop_watching(&mut self) {
        self.watch = None;
    }

    /// Whether column definitions are looked at.
    pub(super) fn reads_definitions(&self) -> bool {
        self.watch.as_ref().is_some_and(|watch| watch.reads_definitions())
    }

    /// A part of a packet that is no end of rows is missing: whether anybody can do without.
    pub(super) fn bears_gap_in_row(&mut self) -> bool {
        let bears = self.expect == Expect::Rows && self.variables.is_empty();
        if bears && let Some(watch) = &mut self.watch {
            watch.row_is_torn();
        }
        bears
    }

    /// A result is complete, and another one comes.
    pub(super) fn next_result(&mut self) {
        self.expect = Expect::Head;
        self.results += 1;
        self.watch = None;
    }
}
