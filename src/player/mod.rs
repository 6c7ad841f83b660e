//! Does a recorded session again, on a server of the caller's choice: one connection, the session's commands in order, and what they are answered.
