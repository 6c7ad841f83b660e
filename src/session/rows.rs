//! Result sets that somebody looks into: their columns and their rows.

use std::sync::Arc;

use super::checksum::RowChecksum;
use super::listener::{Columns, ColumnsOf, Interest, Listener, Row};
use crate::mysql::wire::{ColumnSet, Packet, RowFormat, RowValues};

/// A result set, or a prepare response's definitions, under observation.
#[derive(Debug)]
pub(super) struct ResultWatch {
    format: RowFormat,
    /// What the columns are; until they are defined: what they were when they were last.
    columns: Option<Arc<ColumnSet>>,
    coming: Coming,
    checksum: Option<RowChecksum>,
    /// Rows of the binary protocol as text, one after the other.
    scratch: Vec<u8>,
}

/// Definitions that are coming.
#[derive(Debug)]
enum Coming {
    /// Nobody asks for them.
    Unread,
    /// So many were the same as those that are known.
    AsKnown(usize),
    /// At least one is another.
    Other(ColumnSet),
    /// One of them could not be kept.
    Lost,
}

impl ResultWatch {
    /// `columns`: what they are if no definitions come.
    pub(super) fn new(format: RowFormat, columns: Option<Arc<ColumnSet>>, interest: Interest) -> Self {
        let checksum = interest.contains(Interest::ROW_CHECKSUMS).then(RowChecksum::default);
        // The checksum of rows of the text protocol needs none.
        let reads = interest.in_columns() || (checksum.is_some() && format == RowFormat::Binary);
        let coming = if reads { Coming::AsKnown(0) } else { Coming::Unread };
        Self { format, columns, coming, checksum, scratch: Vec::new() }
    }

    /// Whether definitions are looked at.
    pub(super) fn reads_definitions(&self) -> bool {
        !matches!(self.coming, Coming::Unread)
    }

    pub(super) fn definition(&mut self, payload: &[u8]) {
        match &mut self.coming {
            Coming::Unread | Coming::Lost => {}
            // Nearly always those of the last execution come again.
            Coming::AsKnown(count) => {
                let known = self.columns.as_deref();
                if known.and_then(|known| known.packet(*count)) == Some(payload) {
                    *count += 1;
                    return;
                }
                let mut other = known.map(|known| known.front(*count)).unwrap_or_default();
                self.coming = if other.push(payload).is_ok() { Coming::Other(other) } else { Coming::Lost };
            }
            Coming::Other(other) => {
                if other.push(payload).is_err() {
                    self.coming = Coming::Lost;
                }
            }
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
        self.columns = match std::mem::replace(&mut self.coming, Coming::AsKnown(0)) {
            Coming::Unread => {
                self.coming = Coming::Unread;
                return;
            }
            Coming::AsKnown(count) => match self.columns.take() {
                Some(known) if known.len() == count => Some(known),
                known => Some(Arc::new(known.map(|known| known.front(count)).unwrap_or_default())),
            },
            Coming::Other(columns) => Some(Arc::new(columns)),
            Coming::Lost => None,
        };
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
        self.add_to_checksum(packet);
        if interest.contains(Interest::ROWS) {
            let (payload, length) = (packet.payload, packet.length);
            let columns = self.columns.as_deref();
            to.row(&Row { command, result, index, payload, length, format: self.format, columns });
        }
    }

    /// A row of the binary protocol counts as the text that its values have: servers differ in the widths of their integers.
    fn add_to_checksum(&mut self, packet: &Packet<'_>) {
        let Some(checksum) = &mut self.checksum else { return };
        let is_whole = packet.length == packet.payload.len() as u64;
        if self.format == RowFormat::Text || !is_whole {
            return checksum.add(packet.payload, packet.length);
        }
        let Some(columns) = self.columns.as_deref() else {
            self.checksum = None;
            return;
        };
        if let Some(strings) = columns.as_strings(packet.payload) {
            return checksum.add(strings, strings.len() as u64);
        }
        self.scratch.clear();
        let row = RowValues::new(packet.payload, self.format, columns);
        match row.write_as_text(&mut self.scratch) {
            Ok(()) => checksum.add(&self.scratch, self.scratch.len() as u64),
            Err(_) => self.checksum = None,
        }
    }

    /// Bytes that are kept for it.
    #[cfg(any(test, fuzzing))]
    pub(super) fn kept_bytes(&self) -> usize {
        self.columns.as_ref().map_or(0, |columns| columns.kept_bytes())
            + if let Coming::Other(other) = &self.coming { other.kept_bytes() } else { 0 }
            + self.scratch.capacity()
    }
}
