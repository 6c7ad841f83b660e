//! A whole recording done again on another server: its sessions, each on a connection of its own, at their recorded times.
//!
//! ```text
//!   run         begins everything and ends it; config: what is asked for; error
//!   kafka       a topic that several players share
//!   source      where records come from                 feed       reads ahead, and hands each session its records
//!   session     one recorded session                    connection its connection to the target, and that it breaks
//!   pace        when commands are due                   alarm      wakes tasks in time
//!   late        by how much they are late, and why      order      the recorded order across sessions
//!   gate        how many sessions go on at once         cut        why transactions are not played
//!   permit      what is refused                         selection  what is chosen
//!   outcome     what came of it: report and results; event, item
//!   progress   says how far it is; counters, shared
//!   check       what can be known before the start
//! ```

mod alarm;
mod check;
mod config;
mod connection;
mod counters;
mod cut;
mod error;
mod event;
mod feed;
mod gate;
mod item;
mod kafka;
mod late;
mod order;
mod outcome;
mod pace;
mod permit;
mod progress;
mod run;
#[cfg(test)]
mod samples;
mod selection;
mod session;
mod shared;
mod source;
mod workers;

pub(crate) use check::{Check, Checked, check};
pub(crate) use config::{Amplify, ReplayConfig, Reporting};
pub(crate) use error::ReplayError;
pub(crate) use kafka::GroupSource;
pub(crate) use order::CommitOrder;
pub(crate) use pace::Pace;
pub(crate) use run::{Played, run};
pub(crate) use selection::Selection;
pub(crate) use source::{FolderSource, RecordSource};
