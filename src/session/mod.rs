//! The sans-IO observer of one connection: both directions' bytes and a clock in, what happens in the session out.
//!
//! The observer only listens. It is deterministic, holds no socket and asks for no time; it never panics, whatever the
//! bytes are, and its memory follows the statement under way. When it cannot follow any more it says so once
//! ([`SessionListener::end`], [`Observer::out_of_sight`]) and ignores the rest: whoever forwards the bytes need not care.
//!
//! What it tells, and to whom, is a [`SessionListener`]'s [`Interest`]. To print a session's commands and what they were answered:
//!
//! ```
//! use mysql_interceptor::session::{
//!     Answer, Interest, Now, Observer, ObserverConfig, SentCommand, SessionListener, SessionResult,
//! };
//!
//! #[derive(Default)]
//! struct Printer(String);
//!
//! impl SessionListener for Printer {
//!     fn command(&mut self, command: &SentCommand<'_>) {
//!         let text = String::from_utf8_lossy(command.sql.unwrap_or_default());
//!         self.0 += &format!("{} {:?} {text}\n", command.number, command.command);
//!     }
//!
//!     fn result(&mut self, result: &SessionResult<'_>) {
//!         if let Answer::Outcome(outcome) = &result.answer {
//!             let error = outcome.error().map_or("well".into(), |error| error.to_string());
//!             self.0 += &format!("{} ends: {error}, {} rows\n", result.command, outcome.update_count());
//!         }
//!     }
//! }
//!
//! let interest = Interest::COMMANDS | Interest::RESULTS;
//! let mut observer = Observer::new(ObserverConfig { interest, ..ObserverConfig::default() });
//! let (mut printer, now) = (Printer::default(), Now::default());
//! # let greeting = [&b"\x4a\0\0\0\x0a9.7.4\0\x08\0\0\x0012345678\0\x08\xa2\x21\x02\0\x08\0\x15"[..], &[0; 10],
//! #     b"abcdefghijkl\0caching_sha2_password\0"].concat();
//! # let login = [&b"\x29\0\0\x01\x08\xa2\x08\0\0\0\0\x01\x2d"[..], &[0; 23], b"app\0\0shop\0"].concat();
//! # let login = [&[(login.len() - 4) as u8][..], &login[1..]].concat();
//! # let greeting = [&[(greeting.len() - 4) as u8][..], &greeting[1..]].concat();
//! // As they are read from the two sockets, in whatever pieces:
//! observer.server_bytes(&greeting, now, &mut printer);
//! observer.client_bytes(&login, now, &mut printer);
//! observer.server_bytes(b"\x07\0\0\x02\0\0\0\x02\0\0\0", now, &mut printer);
//! observer.client_bytes(b"\x0e\0\0\0\x03DELETE FROM t", now, &mut printer);
//! observer.server_bytes(b"\x07\0\0\x01\0\x03\0\x02\0\0\0", now, &mut printer);
//! observer.close(now, &mut printer);
//! assert_eq!(printer.0, "1 Query DELETE FROM t\n1 ends: well, 3 rows\n");
//! ```

mod checksum;
mod definitions;
mod dialect;
mod ending;
mod exchange;
mod execution;
mod facts;
mod listener;
mod login;
mod long_data;
mod named;
mod observer;
mod outcome;
mod perhaps_ok;
mod prepared;
mod probe;
mod progress;
mod queue;
mod reading;
mod request;
mod requests;
mod response;
mod results;
mod rows;
mod rows_of_insert;
mod seeking;
mod sight;
mod statement;
mod stream;
mod telling;
#[cfg(test)]
pub(crate) mod tests;
mod texts;
mod time;
mod transaction;

pub use checksum::RowChecksum;
pub use facts::SessionFacts;
pub use listener::{
    Answer, ChangedUser, Columns, ColumnsOf, CommandBody, EndReason, FilePart, Gap, Interest, LoginAnswer, Row,
    SentCommand, SessionEnd, SessionListener, SessionResult,
};
pub use observer::{MidSession, Observer, ObserverConfig, Phase};
pub use outcome::{ErrorText, Outcome, ProbeAnswer, TransactionState, UnknownOutcome};
pub use prepared::OpenStatements;
pub use reading::Reading;
pub use sight::{OutOfSight, Side, SightLoss};
pub use statement::{BatchPart, BoundParams, RowValue, Statement, StatementParams};
pub use time::Now;
pub use transaction::{Change, Mark, Place, Step, TransactionTracker, Xid};
