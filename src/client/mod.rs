//! Our own connections to a server: log in, ask, and read what comes.
//!
//! ```text
//!   login        the connection phase without I/O: packets in, packets out          auth   what each plugin expects
//!   connection   blocking, on a thread of its own: binlogs, questions                stream its socket
//!   duplex       for a task: bytes of both directions, shown to whoever taps them   dial  its socket
//!   tls, error, options
//! ```
//!
//! The blocking one is for a thread that has nothing else to do while the source has nothing to say: a plain `read` into a large buffer is
//! the fastest there is. The other is for thousands of sessions at once.

mod auth;
mod connection;
mod dial;
mod duplex;
mod error;
mod login;
mod options;
mod stream;
mod tls;

pub(crate) use auth::Exchange;
pub(crate) use connection::Connection;
pub(crate) use dial::{dial, tune};
pub(crate) use duplex::{Duplex, Tap};
pub use error::ClientError;
pub(crate) use login::LoginOptions;
pub use options::ConnectOptions;
pub(crate) use options::Endpoint;
pub use tls::{TlsMode, TlsOptions};
