//! What both halves of the program know of MySQL and MariaDB. All of it is pure: bytes in, values out; no I/O, no clock.

pub mod charset;
pub mod sql;
pub mod value;
pub mod wire;
