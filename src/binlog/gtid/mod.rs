//! GTIDs, the names of transactions, of MySQL and of MariaDB: text, sets, and the binlog events that carry them.
//!
//! The two servers share the word and nothing else. MySQL's [`Gtid`] is `uuid:n` (since 8.3 also `uuid:tag:n`) and what
//! a replica has is a [`GtidSet`], which may have holes. MariaDB's [`MariaDbGtid`] is `domain-server-n` and what a replica
//! has is the last GTID of each domain, a [`MariaDbGtidSet`]. [`AnyGtid`] and [`AnyGtidSet`] are for code that serves both.
//!
//! Sources: MySQL `libs/mysql/gtid`, `sql/rpl_gtid_set.cc`, `libs/mysql/binlog/event/control_events.{h,cpp}`,
//! `libs/mysql/serialization`; MariaDB `sql/rpl_gtid.{h,cc}`, `sql/log_event.{h,cc}`.

mod any;
mod event;
mod intervals;
mod mariadb;
mod mariadb_event;
mod mysql;
mod set;
mod text;
mod varlen;

pub use any::{AnyGtid, AnyGtidSet, MixedGtids};
pub use event::GtidEvent;
pub use mariadb::{MariaDbGtid, MariaDbGtidSet};
pub use mariadb_event::{MariaDbExtraFlags, MariaDbGtidEvent, MariaDbGtidFlags, Xid, parse_gtid_list};
pub use mysql::{Gtid, Tag, Uuid};
pub use set::GtidSet;
pub use text::ParseGtidError;

/// Bytes from the hexadecimal text in which tests keep captured events.
#[cfg(test)]
fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
