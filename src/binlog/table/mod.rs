//! Tables: what their columns are called and mean, now and at any earlier place of the binlog, and which of them are wanted.

pub mod filter;
pub mod hidden;
pub mod history;
pub mod schema;
