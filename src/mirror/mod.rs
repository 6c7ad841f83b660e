//! Live sessions, as they happen, on a second server.
