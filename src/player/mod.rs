//! Does a recorded session again, on a server of the caller's choice: one connection, the session's commands in order, and what they are answered.
//!
//! The bytes of both directions pass an [`Observer`](crate::session::Observer) with a [`Recorder`](crate::recording::Recorder): what a command was
//! answered here is a [`RecordedCommand`](crate::recording::RecordedCommand) made by the same code as the recorded one.
//!
//! ```text
//!   session        TargetSession: open, play, close
//!   capabilities, restore, change_user   what it asks for, the state that it began with, a login within it
//!   conversation   connection, observer and recorder: a packet out, its outcome back
//!   encode         commands as packets           statements  prepared ones: ids here and there
//!   target         where to, and as whom         account, user_map      the file with accounts
//!   schema_map     other databases in texts       deterministic   times, keys and seeds as recorded
//!   permit         what commands do at worst, and what is allowed        boundary      transactions are whole or not played
//!   options, error
//! ```

mod account;
mod boundary;
mod capabilities;
mod change_user;
mod conversation;
mod deterministic;
mod encode;
mod error;
mod options;
mod permit;
mod restore;
mod schema_map;
mod session;
mod statements;
mod target;
#[cfg(test)]
mod tests;
mod user_map;

pub use account::Account;
pub use boundary::Boundary;
pub use error::{PlayError, Unplayable};
pub use options::{PlayClock, PlayOptions};
pub use permit::{Judge, Judged, JudgedTexts, Permits};
pub use schema_map::SchemaMap;
pub use session::TargetSession;
pub use target::{Accounts, Target};
pub use user_map::{UserMap, UserMapError};
