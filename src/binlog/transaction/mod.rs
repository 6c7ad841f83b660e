//! Transactions: events are put together until the end is known, and only then passed on.

pub mod assembler;
pub mod piece;
pub mod piece_record;
pub mod statement;
