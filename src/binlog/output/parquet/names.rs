//! Names of files.

use crate::binlog::output::parquet::rows::Origin;
use crate::deliver::parquet::names::{SUFFIX, escape};

/// The name of the file that begins with this row: the same whenever the row is read.
///
/// `binlog.000002-0000001234.parquet`: where the row's event begins. Behind it `-7` where the row is not its transaction's first: the
/// events of a compressed transaction all begin in one place.
pub(crate) fn file_name(first: &Origin) -> String {
    let file = escape(&first.file);
    let row = match first.row_in_transaction {
        0 => String::new(),
        row => format!("-{row}"),
    };
    format!("{file}-{:010}{row}{SUFFIX}", first.offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_after_its_first_row() {
        let mut head = Origin { file: "binlog.000002".into(), offset: 1234, row_in_transaction: 0 };
        assert_eq!(file_name(&head), "binlog.000002-0000001234.parquet");
        head.row_in_transaction = 7;
        assert_eq!(file_name(&head), "binlog.000002-0000001234-7.parquet");
    }
}
