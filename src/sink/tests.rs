//! The hub with sinks of its own.
