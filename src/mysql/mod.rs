//! What both halves of the program know of MySQL and MariaDB: pure, no I/O, no clock.

pub mod sql;
