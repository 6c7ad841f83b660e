//! What an event says.

use std::sync::Arc;

use crate::binlog::event::control::Rotate;
use crate::binlog::event::format::FormatDescription;
use crate::binlog::event::query::Query;
use crate::binlog::event::rows::RowsEvent;
use crate::binlog::event::table_map::TableMap;
use crate::binlog::event::variables::{IntVar, UserVar};
use crate::binlog::gtid::{AnyGtid, GtidEvent, GtidSet, MariaDbGtid, MariaDbGtidEvent};

/// What an event says. Borrows from the event's bytes.
#[derive(Debug)]
pub enum Event<'a> {
    /// The format of what follows.
    FormatDescription(&'a FormatDescription),
    /// The file ends, or (synthetic, from the server) this is the file that follows.
    Rotate(Rotate<'a>),
    /// A MySQL transaction begins.
    Gtid(GtidEvent),
    /// A MariaDB transaction begins.
    MariaDbGtid(MariaDbGtidEvent<'a>),
    /// The GTIDs of all earlier files.
    PreviousGtids(GtidSet),
    /// The last GTIDs of all earlier files.
    GtidList(Vec<MariaDbGtid>),
    /// A statement: BEGIN, COMMIT, DDL, or a change in statement format.
    Query(Query<'a>),
    /// A transaction commits.
    Xid(u64),
    /// A transaction is prepared for a two-phase commit; the body.
    XaPrepare(&'a [u8]),
    /// The text of the statement whose rows follow.
    RowsQuery(&'a [u8]),
    /// The table whose rows follow.
    TableMap(Arc<TableMap>),
    /// Rows.
    Rows(RowsEvent<'a>),
    /// Rows of a table that the filter has left out.
    FilteredRows {
        /// Whether they are their statement's last.
        ends_statement: bool,
    },
    /// A compressed transaction begins; its events follow.
    PayloadBegin,
    /// The compressed transaction's events have all come.
    PayloadEnd,
    /// Nothing has happened for a while.
    Heartbeat,
    /// The same, and everything up to here was sent or left out.
    HeartbeatAt {
        /// The file.
        file: &'a [u8],
        /// The offset in it.
        position: u64,
    },
    /// The server may have lost events: number and message.
    Incident(u16, &'a [u8]),
    /// The server was stopped.
    Stop,
    /// A value of a statement in statement format.
    IntVar(IntVar),
    /// Seeds of a statement in statement format.
    Rand(u64, u64),
    /// A variable of a statement in statement format.
    UserVar(UserVar<'a>),
    /// An event that says nothing about data: checkpoints, group replication, ignorable ones.
    Ignored,
    /// An event of a type that is not known.
    Unknown,
}

impl Event<'_> {
    /// The GTID that a transaction begins with, if it does here.
    pub fn gtid(&self) -> Option<AnyGtid> {
        match self {
            Self::Gtid(event) => event.gtid.map(AnyGtid::MySql),
            Self::MariaDbGtid(event) => Some(AnyGtid::MariaDb(event.gtid)),
            _ => None,
        }
    }
}
