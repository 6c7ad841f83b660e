//! Does a recorded session again, on a server of the caller's choice: one connection, the session's commands in order, and what they are answered.
//!
//! The bytes of both directions pass an [`Observer`](crate::session::Observer) with a [`Recorder`](crate::recording::Recorder): what a command was
//! answered here is a [`RecordedCommand`](crate::recording::RecordedCommand) made by the same code as the recorded one.
//!
//! ```text
//!   session        TargetSession: open, play, close
//!   change_user, restore   a login within the session; the state that it began with
//!   conversation   connection, observer and recorder: a packet out, its outcome back
//!   encode         commands as packets           statements  prepared ones: ids here and there
//!   target         where to, and as whom         account, user_map      the file with accounts
//!   options, error
//! ```

mod account;
mod change_user;
mod conversation;
mod encode;
mod error;
mod options;
mod restore;
mod session;
mod statements;
mod target;
mod user_map;

pub use account::Account;
pub use error::{PlayError, Unplayable};
pub use options::{PlayClock, PlayOptions};
pub use session::TargetSession;
pub use target::{Accounts, Target};
pub use user_map::{UserMap, UserMapError};
