//! Captured network traffic: packets become sessions.
//!
//! ```text
//!   capture    a file or pipe -> frames with times
//!   packet     a frame -> a TCP segment
//!   fragments  parts of packets that IP has cut -> packets
//!   tcp        segments -> the bytes of both directions, in their order, and gaps
//!   session    bytes -> an observer, from the beginning or from the middle
//!   listeners  what the observer tells -> messages, a recording, a second server
//! ```

mod border;
mod capture;
mod clock;
mod counters;
mod fragments;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod listeners;
mod packet;
mod recording;
mod run;
mod session;
mod sessions;
mod tcp;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod traffic;

pub(crate) use run::{DecodeConfig, DecodeError, Outputs, Summary, run};
pub(crate) use tcp::{Limits, Servers};
