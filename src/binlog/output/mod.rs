//! What becomes of rows: one message each, in one of several forms.
//!
//! ```text
//!   native, text, maxwell, debezium, parquet     forms
//!   kafka, routing                               topics, keys, markers of transactions, checkpoints in Kafka
//!   json_value                                   a value as JSON
//!   form, context                                what a form has to do, and what it is told
//! ```

pub(crate) mod context;
pub(crate) mod debezium;
#[cfg(test)]
pub(crate) mod fixture;
pub(crate) mod form;
pub(crate) mod json_value;
pub(crate) mod kafka;
pub(crate) mod maxwell;
pub(crate) mod native;
pub mod parquet;
pub(crate) mod routing;
pub(crate) mod text;
