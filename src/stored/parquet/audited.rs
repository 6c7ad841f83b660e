//! Rows with their places in hash chains.

use std::path::Path;

use super::{Cells, Open, write_json};
use crate::audit::{Link, MessageId};
use crate::deliver::parquet::{AUDIT_COLUMNS, COLUMNS};
use crate::stored::source::SourceError;

/// Gives each row of a file to `take`: the message, and what the row says of its place in its session's chain. `None`: it says nothing, because
/// it was written without markers.
///
/// A hash that is none is given as zero, which no message has.
pub(crate) fn each_audited_row(
    file: &Path,
    mut take: impl FnMut(&[u8], Option<(MessageId, Link)>),
) -> Result<(), SourceError> {
    let mut open = Open::new(file)?;
    let seq = COLUMNS.iter().position(|column| column.name == "seq");
    let mut message = Vec::new();
    while let Some(batch) = open.reader.next() {
        let batch = batch.map_err(|error| open.damaged(&error))?;
        let columns = open.columns(&batch)?;
        let audit = AUDIT_COLUMNS.each_ref().map(|column| Cells::of(batch.column_by_name(column.name)?.as_ref()));
        let [instance, session, previous, hash] = &audit;
        for row in 0..batch.num_rows() {
            message.clear();
            write_json(&columns, row, &mut message);
            let hash_in = |cells: &Option<Cells<'_>>| {
                cells.as_ref().and_then(|cells| cells.text(row)?.parse().ok()).unwrap_or_default()
            };
            let id = || {
                Some(MessageId {
                    instance: instance.as_ref()?.text(row)?.parse().ok()?,
                    session: session.as_ref()?.number(row)?,
                    seq: columns.get(seq?)?.number(row)?,
                })
            };
            take(&message, id().map(|id| (id, Link { previous: hash_in(previous), hash: hash_in(hash) })));
        }
    }
    Ok(())
}
