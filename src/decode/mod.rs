//! Captured network traffic: packets become sessions.
//!
//! ```text
//!   capture    a file or pipe -> frames with times
//!   packet     a frame -> a TCP segment
//!   tcp        segments -> the bytes of both directions, in their order, and gaps
//!   session    bytes -> an observer, from the beginning or from the middle
//!   listeners  what the observer tells -> messages
//! ```

mod border;
mod capture;
mod clock;
mod counters;
mod listeners;
mod packet;
mod run;
mod session;
mod sessions;
mod tcp;

pub(crate) use run::{DecodeConfig, DecodeError, Summary, run};
pub(crate) use tcp::{Limits, Servers};
