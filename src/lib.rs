//! mysql-interceptor: a transparent MySQL and MariaDB wire proxy whose every statement becomes a message.
//!
//! What flows where:
//!
//! ```text
//!   client <-bytes-> proxy <-bytes-> server        proxy:   sockets, TLS, forwarding; no protocol knowledge beyond the handshake
//!                      |
//!            same bytes and a clock
//!                      v
//!                   session                        session: sans-IO observer of one connection; statements come out
//!                      |     uses wire             wire:    pure parsers of packets and values
//!                      v
//!                   message                        message: SqlLogMessage, the JSON that consumers read
//!                      |
//!                      v
//!                    sink                          sink:    bounded queues, then Kafka, files, the terminal
//! ```
//!
//! Beside it `binlog` turns a server's binlog into rows: `cli -> binlog -> sink`, `wire`.
//!
//! `lifecycle` watches for signals, for every subcommand.
//!
//! Arrows point one way: `cli -> proxy -> session -> message -> sink`, and everything may use `wire` and `mysql`, what both halves know of the servers.

pub mod binlog;
mod cli;
pub mod config;
mod files;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod lifecycle;
pub mod message;
pub mod mysql;
mod proxy;
mod segment;
pub mod session;
pub mod sink;
mod tls;
pub mod wire;

pub use cli::run;
