//! Does a whole recording again: which sessions, when, how fast, and in what order.
