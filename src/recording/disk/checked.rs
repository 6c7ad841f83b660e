//! Messages that are looked at before Arrow's own reader gets them: it trusts the lengths in them, allocates by them, and panics on some.

use std::collections::HashMap;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_ipc::{Message, root_as_message};
use arrow_schema::SchemaRef;

use super::error::Failure;
use super::layout;
use super::message::{MAX_BODY, checksum, rows_of, written_checksum};

/// More rows, or values in a row's lists, are not ours.
const MAX_ROWS: i64 = 1 << 26;

/// A message with its body, checked.
pub(super) struct Checked<'a> {
    message: Message<'a>,
    body: Buffer,
    schema: &'a SchemaRef,
}

/// Looks at a message of a file with this schema.
pub(super) fn check<'a>(metadata: &'a [u8], body: Vec<u8>, schema: &'a SchemaRef) -> Result<Checked<'a>, Failure> {
    let message = root_as_message(metadata).map_err(Failure::damaged)?;
    let batch = rows_of(message).ok_or_else(|| Failure::damaged("a message of an unknown kind"))?;
    if written_checksum(message)? != Some(checksum(batch, &body)) {
        return Err(Failure::damaged("a checksum does not agree"));
    }
    check_lengths(message, body, schema)
}

/// The same, whatever the checksum.
#[cfg(test)]
pub(super) fn check_with_any_checksum<'a>(
    metadata: &'a [u8],
    body: Vec<u8>,
    schema: &'a SchemaRef,
) -> Result<Checked<'a>, Failure> {
    check_lengths(root_as_message(metadata).map_err(Failure::damaged)?, body, schema)
}

fn check_lengths<'a>(message: Message<'a>, body: Vec<u8>, schema: &'a SchemaRef) -> Result<Checked<'a>, Failure> {
    let batch = rows_of(message).ok_or_else(|| Failure::damaged("a message of an unknown kind"))?;
    let widths = match message.header_as_dictionary_batch() {
        Some(_) => layout::of_dictionary(),
        None => layout::of_batch(schema),
    };
    check_rows(batch)?;
    check_buffers(batch, &body, &widths)?;
    Ok(Checked { message, body: Buffer::from_vec(body), schema })
}

fn wrong() -> Failure {
    Failure::damaged("a length in a message is impossible")
}

fn check_rows(batch: arrow_ipc::RecordBatch<'_>) -> Result<(), Failure> {
    let is_possible = |rows: i64| (0..=MAX_ROWS).contains(&rows);
    let mut nodes = batch.nodes().ok_or_else(wrong)?.iter();
    let are_possible = nodes.all(|node| is_possible(node.length()) && is_possible(node.null_count()));
    if is_possible(batch.length()) && are_possible { Ok(()) } else { Err(wrong()) }
}

/// Each buffer lies within the body, and has whole values; all of them together are not too many.
fn check_buffers(batch: arrow_ipc::RecordBatch<'_>, body: &[u8], widths: &[u64]) -> Result<(), Failure> {
    let is_compressed = batch.compression().is_some();
    if batch.compression().is_some_and(|it| it.codec() != arrow_ipc::CompressionType::ZSTD) {
        return Err(wrong());
    }
    let buffers = batch.buffers().ok_or_else(wrong)?;
    if buffers.len() != widths.len() {
        return Err(wrong());
    }
    let mut unpacked = 0_u64;
    for (buffer, width) in buffers.iter().zip(widths) {
        let start = usize::try_from(buffer.offset()).map_err(|_| wrong())?;
        let length = usize::try_from(buffer.length()).map_err(|_| wrong())?;
        let bytes = start.checked_add(length).and_then(|end| body.get(start..end)).ok_or_else(wrong)?;
        let length = if is_compressed && !bytes.is_empty() { unpacked_length(bytes)? } else { bytes.len() as u64 };
        unpacked = unpacked.saturating_add(length);
        if length % width != 0 || unpacked > MAX_BODY {
            return Err(wrong());
        }
    }
    Ok(())
}

/// Before compressed bytes stands how many they will be; -1 where they are as they are.
fn unpacked_length(bytes: &[u8]) -> Result<u64, Failure> {
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(wrong)?;
    match i64::from_le_bytes(*length) {
        -1 => Ok(rest.len() as u64),
        length => u64::try_from(length).map_err(|_| wrong()),
    }
}

impl Checked<'_> {
    /// Takes a dictionary in.
    pub(super) fn dictionary(&self, dictionaries: &mut HashMap<i64, ArrayRef>) -> Result<(), Failure> {
        let batch = self.message.header_as_dictionary_batch().filter(|batch| !batch.isDelta());
        let batch = batch.ok_or_else(|| Failure::damaged("a dictionary that is none"))?;
        let version = self.message.version();
        read_dictionary(&self.body, batch, self.schema, dictionaries, &version).map_err(Failure::damaged)
    }

    /// Reads a batch.
    pub(super) fn batch(&self, dictionaries: &HashMap<i64, ArrayRef>) -> Result<RecordBatch, Failure> {
        let batch = self.message.header_as_record_batch();
        let batch = batch.ok_or_else(|| Failure::damaged("a batch that is none"))?;
        let version = self.message.version();
        let schema = SchemaRef::clone(self.schema);
        read_record_batch(&self.body, batch, schema, dictionaries, None, &version).map_err(Failure::damaged)
    }
}
