//! Character sets of columns, and their text as UTF-8.
//!
//! What each code means is what the servers' own `CONVERT(... USING utf8mb4)` says; the tables were made from real
//! servers by `integration/charset_tables.py`. `latin1` is the server's: Windows-1252 whose five unused bytes are the
//! control characters of ISO 8859-1.

mod collations;
mod decode;
mod escape;
mod exceptions;
mod multi_byte;
mod names;
mod single_byte;
mod tables;
#[cfg(test)]
mod tests;
mod unicode;

pub use escape::bytes_of_text;
pub use names::Charset;
