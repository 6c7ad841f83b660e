//! mysql-interceptor: a transparent MySQL and MariaDB wire proxy whose every statement becomes a message, and a reader of binlogs.
//!
//! The rooms, from top to bottom. Each may use only what stands below it; those on one line know nothing of each other
//! (`tests/architecture.rs` reads this list and holds every import against it):
//!
//! ```text
//!   cli             one file per subcommand; flags, exit codes
//!   settings        typed settings, layer over layer, each with its origin
//!   lifecycle       signals and the stop
//!   proxy, binlog, replay, decode, inspect
//!                   sockets, TLS, forwarding; events -> rows -> transactions -> output; recordings done again; captured packets -> sessions;
//!                   messages chosen, shown and counted
//!   mirror          live sessions on a second server
//!   player          a recorded session done again on a server
//!   report          what two executions differ in
//!   recording       what sessions did: records, recorders, files
//!   stored          messages that were written somewhere, read again
//!   publish         a session's statements as messages, into delivery
//!   message         a statement as a SqlLogMessage
//!   session         sans-IO observer of one connection: bytes and a clock in, statements out
//!   client          our own connection to a server
//!   deliver         queues; sinks: stdout, files, Kafka, Parquet
//!   pretty, fields  messages as lines for people; messages taken apart into their fields
//!   audit           what proves that messages are complete: hash chains, marker streams, their verification
//!   rules, segment, tls, backoff, clocks, metrics
//!                   leaves: names of tables and columns, records on disk, certificates, pauses between attempts, the time, what is counted
//!   files           the files that we make: permissions, owners, whole replacements
//!   mysql           what both halves know of MySQL and MariaDB, all of it pure: wire, charset, sql, value
//!   json            JSON as text
//! ```

pub mod audit;
mod backoff;
pub mod binlog;
mod cli;
mod client;
mod clocks;
mod decode;
pub mod deliver;
mod fields;
pub mod files;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod inspect;
mod json;
mod lifecycle;
pub mod message;
mod metrics;
pub mod mirror;
pub mod mysql;
pub mod player;
pub mod pretty;
pub mod proxy;
mod publish;
pub mod recording;
mod replay;
mod report;
pub mod rules;
mod segment;
pub mod session;
mod settings;
pub mod stored;
mod tls;

pub use cli::run;
