//! A row on its way from a form to the sink: where it stands, and a cell for each column of its schema.
//!
//! ```text
//!   u32  number of the schema in the registry
//!   u8   1: its event is the last of its transaction
//!   u64  where its event begins in the binlog file
//!   u64  its number in its transaction
//!   u32  its number in its event
//!   u16  length of the file's name, and the name
//!   cells: 0 for NULL, or 1 and the value: as many bytes as its type has, or a u32 with the length and so many bytes
//! ```
//!
//! All numbers are little-endian. Where reading could go on there is a message of four bytes: a number that no schema has.

use crate::binlog::output::context::RowContext;
use crate::deliver::Batch;
use crate::mysql::wire::{Malformed, Reader};

/// In place of a row: reading could go on here.
pub(crate) const BOUNDARY: &[u8] = &u32::MAX.to_le_bytes();
const ENDS_TRANSACTION: u8 = 1;
const NULL: u8 = 0;
const VALUE: u8 = 1;

/// What stands in front of a row's cells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowHead<'a> {
    pub(crate) schema: u32,
    /// Its event is the last of its transaction.
    pub(crate) ends_transaction: bool,
    pub(crate) offset: u64,
    pub(crate) row_in_transaction: u64,
    pub(crate) row_in_event: u32,
    pub(crate) file: &'a str,
}

impl<'a> RowHead<'a> {
    /// The head of row `index` of an event.
    pub(crate) fn of(schema: u32, context: &'a RowContext, index: u32) -> Self {
        Self {
            schema,
            ends_transaction: context.ends_transaction,
            offset: context.offset,
            row_in_transaction: context.first_row + u64::from(index),
            row_in_event: index,
            file: &context.file,
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        // Names of binlog files are shorter than 512 bytes (FN_REFLEN).
        let name = self.file.as_bytes();
        let name = name.get(..usize::from(u16::MAX)).unwrap_or(name);
        out.extend_from_slice(&self.schema.to_le_bytes());
        out.push(if self.ends_transaction { ENDS_TRANSACTION } else { 0 });
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.row_in_transaction.to_le_bytes());
        out.extend_from_slice(&self.row_in_event.to_le_bytes());
        out.extend_from_slice(&(name.len() as u16).to_le_bytes());
        out.extend_from_slice(name);
    }

    /// Takes the head from the front of a message.
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let (schema, flags) = (reader.u32()?, reader.u8()?);
        let (offset, row_in_transaction, row_in_event) = (reader.u64()?, reader.u64()?, reader.u32()?);
        let length = usize::from(reader.u16()?);
        let file = std::str::from_utf8(reader.bytes(length)?).map_err(|_| reader.malformed())?;
        let ends_transaction = flags & ENDS_TRANSACTION != 0;
        Ok(Self { schema, ends_transaction, offset, row_in_transaction, row_in_event, file })
    }
}

/// Appends a [`BOUNDARY`].
pub(crate) fn boundary(out: &mut Batch) {
    // Writing to memory does not fail.
    let _ = out.push_with(0, |out| {
        out.extend_from_slice(BOUNDARY);
        Ok::<(), ()>(())
    });
}

pub(crate) fn null(out: &mut Vec<u8>) {
    out.push(NULL);
}

/// A cell whose type has a fixed number of bytes.
pub(crate) fn fixed<const N: usize>(out: &mut Vec<u8>, value: [u8; N]) {
    out.push(VALUE);
    out.extend_from_slice(&value);
}

/// A cell whose type has none.
pub(crate) fn bytes(out: &mut Vec<u8>, value: &[u8]) {
    // The largest event has a gigabyte.
    out.push(VALUE);
    out.extend_from_slice(&u32::try_from(value.len()).unwrap_or(0).to_le_bytes());
    if u32::try_from(value.len()).is_ok() {
        out.extend_from_slice(value);
    }
}

/// The same, written in place.
pub(crate) fn bytes_with<E>(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
    out.push(VALUE);
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out)?;
    let length = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&length.to_le_bytes());
    }
    Ok(())
}

/// Takes a cell from the front of a row's cells; `None` for NULL. `width` is its type's.
pub(crate) fn read_cell<'a>(reader: &mut Reader<'a>, width: Option<usize>) -> Result<Option<&'a [u8]>, Malformed> {
    if reader.u8()? == NULL {
        return Ok(None);
    }
    let length = match width {
        Some(width) => width,
        None => reader.u32()? as usize,
    };
    reader.bytes(length).map(Some)
}
