//! Events: the header and bodies, the tables and rows in them, and the decoder that turns bytes into them.
//!
//! ```text
//!   decoder      whole events in, what they say out (content): checksums, compression, which table map a row event means
//!   rows         row events: images                        table_map    their columns' storage, and names if the server logs them
//!   query, variables, control                              bodies of the other events
//!   position     where the stream stands                   error        what is wrong with an event, and where it is
//!   format       FORMAT_DESCRIPTION                        header, event_type
//! ```

pub(crate) mod compression;
pub(crate) mod content;
pub(crate) mod control;
pub(crate) mod decoder;
pub(crate) mod error;
pub(crate) mod event_type;
pub(crate) mod format;
pub(crate) mod header;
pub(crate) mod position;
pub(crate) mod query;
pub(crate) mod rows;
pub(crate) mod table_map;
pub(crate) mod variables;
