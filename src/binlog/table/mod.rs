//! Tables: what their columns are called and mean, now and at any earlier position of the binlog, and which of them are wanted.
//!
//! ```text
//!   filter     which tables are wanted
//!   history    columns' names through time
//!   schema     a table as its rows are shown            stored    the same in a file
//!   hiding     columns that are left out or not shown
//!   hidden     columns of row images that no catalogue lists           catalog   columns that one lists
//! ```

pub(crate) mod catalog;
pub(crate) mod filter;
pub(crate) mod hidden;
mod hiding;
pub(crate) mod history;
pub(crate) mod schema;
mod stored;
