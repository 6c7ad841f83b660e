//! Events: their headers and bodies, the tables and rows in them, and the decoder that turns bytes into them.

pub mod decoder;
pub mod header;
pub mod rows;
pub mod table_map;
pub mod variables;
