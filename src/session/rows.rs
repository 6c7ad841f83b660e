//! Result sets that somebody looks into: their columns and their rows.

use std::sync::Arc;

use super::checksum::RowChecksum;
use super::listener::{Columns, ColumnsOf, Interest, Listener, Row};
use crate::mysql::wire::{ColumnSet, Packet, RowFormat};

/// A result set, or a prepare response's definitions, under observation.
#[derive(Debug)]
pub(super) struct ResultWatch {
    format: RowFormat,
    columns: Option<Arc<ColumnSet>>,
    /// Definitions that are coming; `None` once one of them could not be kept.
    coming: Option<ColumnSet>,
    checksum: Option<RowChecksum>,
}

impl ResultWatch {
    /// `columns`: what they are if no definitions come.
    pub(super) fn new(format: RowFormat, columns: Option<Arc<ColumnSet>>, interest: Interest) -> Self {
        let checksum = interest.contains(Interest::ROW_CHECKSUMS).then(RowChecksum::default);
        Self { format, columns, coming: Some(ColumnSet::default()), checksum }
    }

    pub(super) fn definition(&mut self, payload: &[u8]) {
        if let Some(coming) = &mut self.coming
            && coming.push(payload).is_err()
        {
            self.coming = None;
        }
    }

    /// All definitions are there.
    pub(super) fn defined(
        &mut self,
        command: u64,
        result: u32,
        of: ColumnsOf,
        interest: Interest,
        to: &mut Listener<'_>,
    ) {
        self.columns = self.coming.replace(ColumnSet::default()).map(Arc::new);
        if interest.contains(Interest::COLUMNS) {
            to.columns(&Columns { command, result, of, columns: self.columns.as_deref() });
        }
    }

    pub(super) fn columns(&self) -> Option<&Arc<ColumnSet>> {
        self.columns.as_ref()
    }

    pub(super) fn checksum(&self) -> Option<RowChecksum> {
        self.checksum
    }

    /// A part of a row was not seen: what is known of the others is not the whole.
    pub(super) fn row_is_torn(&mut self) {
        self.checksum = None;
    }

    pub(super) fn row(
        &mut self,
        command: u64,
        result: u32,
        index: u64,
        packet: &Packet<'_>,
        interest: Interest,
        to: &mut Listener<'_>,
    ) {
        if let Some(checksum) = &mut self.checksum {
            checksum.add(packet.payload, packet.length);
        }
        if interest.contains(Interest::ROWS) {
            let (payload, length) = (packet.payload, packet.length);
            let columns = self.columns.as_deref();
            to.row(&Row { command, result, index, payload, length, format: self.format, columns });
        }
    }

    /// Bytes that are kept for it.
    #[cfg(any(test, fuzzing))]
    pub(super) fn kept_bytes(&self) -> usize {
        self.columns.as_ref().map_or(0, |columns| columns.kept_bytes())
            + self.coming.as_ref().map_or(0, ColumnSet::kept_bytes)
    }
}
