//! One message of a row: its images, its key, its place in its transaction.

use crate::binlog::event::rows::Row;
use crate::binlog::output::context::RowContext;
use crate::binlog::output::debezium::value::{Presence, Values};
use crate::binlog::table::schema::Table;
use crate::binlog::value::Value;
use crate::json::escaped;
use crate::mysql::value::digits::integer;
use crate::mysql::wire::Malformed;

/// The operations, as `op` names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Update,
    Delete,
}

impl Operation {
    fn letter(self) -> &'static [u8] {
        match self {
            Self::Create => b"c",
            Self::Update => b"u",
            Self::Delete => b"d",
        }
    }
}

/// One message of a row.
#[derive(Clone, Copy)]
pub(crate) struct Message<'r, 'a> {
    pub(crate) operation: Operation,
    pub(crate) row: Row<'r, 'a>,
    /// The row's number within its event.
    pub(crate) number: u64,
    pub(crate) order: Order,
}

/// The event's number within its transaction, and among those of its table, from 1 on.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Order {
    pub(crate) total: u64,
    pub(crate) of_table: u64,
}

impl<'r, 'a> Message<'r, 'a> {
    fn before(self) -> Option<&'r [Value<'a>]> {
        if self.operation == Operation::Create { None } else { self.row.before }
    }

    fn after(self) -> Option<&'r [Value<'a>]> {
        if self.operation == Operation::Delete { None } else { self.row.after }
    }

    /// The row as its key shows it.
    pub(crate) fn keyed(self) -> Row<'r, 'a> {
        Row { after: self.after(), ..self.row }
    }
}

/// What the messages of an event have in common.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'f> {
    pub(crate) source: &'f [u8],
    pub(crate) middle: &'f [u8],
    pub(crate) tail: &'f [u8],
    pub(crate) schema: Option<&'f [u8]>,
    pub(crate) context: &'f RowContext,
    pub(crate) transactions: bool,
}

impl Frame<'_> {
    pub(crate) fn write(
        &self,
        out: &mut Vec<u8>,
        values: &mut Values,
        table: &Table,
        message: Message<'_, '_>,
    ) -> Result<(), Malformed> {
        if let Some(schema) = self.schema {
            out.extend_from_slice(b"{\"schema\":");
            out.extend_from_slice(schema);
            out.extend_from_slice(b",\"payload\":");
        }
        out.extend_from_slice(b"{\"before\":");
        image(out, values, table, message.before(), None)?;
        out.extend_from_slice(b",\"after\":");
        image(out, values, table, message.after(), message.row.before)?;
        out.push(b',');
        out.extend_from_slice(self.source);
        integer(out, message.number);
        out.extend_from_slice(self.middle);
        out.extend_from_slice(b",\"transaction\":");
        if self.transactions {
            out.extend_from_slice(b"{\"id\":");
            transaction_id(out, self.context);
            out.extend_from_slice(b",\"total_order\":");
            integer(out, message.order.total);
            out.extend_from_slice(b",\"data_collection_order\":");
            integer(out, message.order.of_table);
            out.push(b'}');
        } else {
            out.extend_from_slice(b"null");
        }
        out.extend_from_slice(b",\"op\":\"");
        out.extend_from_slice(message.operation.letter());
        out.push(b'"');
        out.extend_from_slice(self.tail);
        out.push(b'}');
        if self.schema.is_some() {
            out.push(b'}');
        }
        Ok(())
    }
}

/// The GTID, or the place in the log (`BinlogOffsetContext.getTransactionId`).
pub(crate) fn transaction_id(out: &mut Vec<u8>, context: &RowContext) {
    match &context.gtid {
        Some(gtid) => escaped(out, gtid),
        None => escaped(out, &format!("file={},pos={}", context.file, context.offset)),
    }
}

pub(crate) fn write_key(
    out: &mut Vec<u8>,
    values: &mut Values,
    schema: Option<&[u8]>,
    table: &Table,
    row: Row<'_, '_>,
) -> Result<(), Malformed> {
    if table.primary_key.is_empty() {
        return Ok(());
    }
    if let Some(schema) = schema {
        out.extend_from_slice(b"{\"schema\":");
        out.extend_from_slice(schema);
        out.extend_from_slice(b",\"payload\":");
    }
    out.push(b'{');
    for (place, index) in table.primary_key.iter().enumerate() {
        let (Some(column), Some(mapped)) = (table.columns.get(*index), table.map.columns.get(*index)) else { continue };
        if place > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&column.json_key);
        values.write(out, column, mapped, &row.latest(*index), None)?;
    }
    out.push(b'}');
    if schema.is_some() {
        out.push(b'}');
    }
    Ok(())
}

/// Appends an image, or null for one there is none of. `before` is the row as it was, for changes to JSON documents.
fn image(
    out: &mut Vec<u8>,
    values: &mut Values,
    table: &Table,
    image: Option<&[Value<'_>]>,
    before: Option<&[Value<'_>]>,
) -> Result<(), Malformed> {
    let Some(image) = image else {
        out.extend_from_slice(b"null");
        return Ok(());
    };
    out.push(b'{');
    let mut first = true;
    for (index, ((column, mapped), value)) in table.columns.iter().zip(&table.map.columns).zip(image).enumerate() {
        if Presence::of(column, value) == Presence::LeftOut {
            continue;
        }
        if !first {
            out.push(b',');
        }
        first = false;
        out.extend_from_slice(&column.json_key);
        let before = before.and_then(|values| values.get(index));
        values.write(out, column, mapped, value, before)?;
    }
    out.push(b'}');
    Ok(())
}
