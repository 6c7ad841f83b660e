//! Row events: the images of the rows that a statement wrote, changed or deleted.
//!
//! Source: MySQL's `libs/mysql/binlog/event/rows_event.h` (Rows_event) and `sql/log_event.cc` (print_verbose_one_row).

use std::ops::Range;
use std::sync::Arc;

use crate::binlog::event::event_type::EventType;
use crate::binlog::event::table_map::{TableMap, bit};
use crate::binlog::value::column::Storage;
use crate::binlog::value::{Value, with_length};
use crate::mysql::wire::{Malformed, Reader};
use crate::rules::redaction::Pseudonym;

const WHAT: &str = "row event";

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowKind {
    /// The row was inserted; there is an after image.
    Insert,
    /// The row was changed; there are both images.
    Update,
    /// The row was deleted; there is a before image.
    Delete,
}

/// The rows of one event.
#[derive(Debug, Clone)]
pub struct RowsEvent<'a> {
    /// The table they are of.
    pub table: Arc<TableMap>,
    /// What happened to them.
    pub kind: RowKind,
    /// Whether the statement ends here, and its table maps with it.
    pub ends_statement: bool,
    before_columns: &'a [u8],
    after_columns: &'a [u8],
    is_partial: bool,
    rows: &'a [u8],
    /// The columns that are hidden, if any are.
    hidden: Option<Arc<HiddenColumns>>,
}

/// Columns whose values are not given out.
#[derive(Debug, Clone, Default)]
pub(crate) struct HiddenColumns {
    /// Those that are left out, as if the image did not have them.
    pub(crate) dropped: Vec<usize>,
    /// Those of which it is only said whether they are NULL, or by a pseudonym whether they are the same.
    pub(crate) redacted: Vec<usize>,
    /// Who makes the pseudonyms, if there are any.
    pub(crate) pseudonyms: Option<Arc<dyn Pseudonyms>>,
}

/// Makes pseudonyms of a table's values.
pub(crate) trait Pseudonyms: std::fmt::Debug + Send + Sync {
    /// Of a value, which is there, of the column at `index`; `None` where the value is not known as a whole.
    fn pseudonym(&self, index: usize, value: &Value<'_>) -> Option<Pseudonym>;
}

impl PartialEq for HiddenColumns {
    fn eq(&self, other: &Self) -> bool {
        let has_pseudonyms = self.pseudonyms.is_some() == other.pseudonyms.is_some();
        has_pseudonyms && self.dropped == other.dropped && self.redacted == other.redacted
    }
}

impl Eq for HiddenColumns {}

impl HiddenColumns {
    /// Whether nothing is hidden.
    pub(crate) fn is_empty(&self) -> bool {
        self.dropped.is_empty() && self.redacted.is_empty()
    }

    fn hide(&self, values: &mut [Value<'_>]) {
        for index in &self.dropped {
            if let Some(value) = values.get_mut(*index) {
                *value = Value::Absent;
            }
        }
        for index in &self.redacted {
            if let Some(value) = values.get_mut(*index).filter(|value| !matches!(value, Value::Null | Value::Absent)) {
                let pseudonym = self.pseudonyms.as_ref().and_then(|pseudonyms| pseudonyms.pseudonym(*index, value));
                *value = pseudonym.map_or(Value::Redacted, Value::Pseudonym);
            }
        }
    }
}

/// What stands in front of a row event's images.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowsHeader<'a> {
    pub(crate) table_id: u64,
    pub(crate) ends_statement: bool,
    column_count: usize,
    first_columns: &'a [u8],
    second_columns: &'a [u8],
    /// The images; compressed in MariaDB's compressed events.
    pub(crate) rows: &'a [u8],
}

/// What a row event's type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowsType {
    pub(crate) kind: RowKind,
    is_partial: bool,
    pub(crate) is_compressed: bool,
}

impl RowsType {
    /// `None` for events of other types.
    pub(crate) fn of(event_type: EventType) -> Option<Self> {
        use EventType as T;
        let kind = match event_type {
            T::WriteRowsV0 | T::WriteRowsV1 | T::WriteRows | T::WriteRowsCompressedV1 | T::WriteRowsCompressed => {
                RowKind::Insert
            }
            T::UpdateRowsV0 | T::UpdateRowsV1 | T::UpdateRows | T::UpdateRowsCompressedV1 | T::UpdateRowsCompressed => {
                RowKind::Update
            }
            T::DeleteRowsV0 | T::DeleteRowsV1 | T::DeleteRows | T::DeleteRowsCompressedV1 | T::DeleteRowsCompressed => {
                RowKind::Delete
            }
            T::PartialUpdateRows => RowKind::Update,
            _ => return None,
        };
        Some(Self {
            kind,
            is_partial: event_type == T::PartialUpdateRows,
            is_compressed: (166..=171).contains(&event_type.code()),
        })
    }
}

impl<'a> RowsHeader<'a> {
    pub(crate) fn parse(body: &'a [u8], post_header_length: usize, rows_type: RowsType) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body, WHAT);
        let table_id = if post_header_length == 6 {
            u64::from(reader.u32()?)
        } else {
            let (low, high) = (reader.u32()?, reader.u16()?);
            u64::from(high) << 32 | u64::from(low)
        };
        let flags = reader.u16()?;
        if post_header_length >= 10 {
            // Its length counts itself.
            let extra = usize::from(reader.u16()?).checked_sub(2).ok_or(Malformed(WHAT))?;
            reader.bytes(extra)?;
        }
        let column_count = usize::try_from(reader.lenenc_int()?).map_err(|_| Malformed(WHAT))?;
        let first_columns = reader.bytes(column_count.div_ceil(8))?;
        let second_columns =
            if rows_type.kind == RowKind::Update { reader.bytes(column_count.div_ceil(8))? } else { first_columns };
        Ok(Self {
            table_id,
            ends_statement: flags & 1 != 0,
            column_count,
            first_columns,
            second_columns,
            rows: reader.rest(),
        })
    }

    /// The rows, once the table is known. `rows` are this header's, decompressed where they were compressed.
    pub(crate) fn with_table<'b>(
        self,
        table: &Arc<TableMap>,
        rows_type: RowsType,
        rows: &'b [u8],
    ) -> Result<RowsEvent<'b>, Malformed>
    where
        'a: 'b,
    {
        if table.columns.len() != self.column_count {
            return Err(Malformed("row event: not as many columns as its table map has"));
        }
        Ok(RowsEvent {
            table: Arc::clone(table),
            kind: rows_type.kind,
            ends_statement: self.ends_statement,
            before_columns: self.first_columns,
            after_columns: self.second_columns,
            is_partial: rows_type.is_partial,
            rows,
            hidden: None,
        })
    }
}

/// A row event without its bytes and its table, which are kept elsewhere.
#[derive(Debug, Clone)]
pub(crate) struct StoredRows {
    kind: RowKind,
    ends_statement: bool,
    is_partial: bool,
    before_columns: Range<usize>,
    after_columns: Range<usize>,
    rows: Range<usize>,
}

impl StoredRows {
    /// The event, with the table map and the bytes it was stored with.
    pub(crate) fn event<'a>(
        &self,
        map: &Arc<TableMap>,
        hidden: Option<&Arc<HiddenColumns>>,
        bytes: &'a [u8],
    ) -> RowsEvent<'a> {
        RowsEvent {
            table: Arc::clone(map),
            kind: self.kind,
            ends_statement: self.ends_statement,
            before_columns: part(bytes, &self.before_columns),
            after_columns: part(bytes, &self.after_columns),
            is_partial: self.is_partial,
            rows: part(bytes, &self.rows),
            hidden: hidden.map(Arc::clone),
        }
    }

    /// Forgets the rows in front of the last `bytes`, which begin with a row.
    pub(crate) fn keep_last(&mut self, bytes: usize) {
        self.rows.start = self.rows.end.saturating_sub(bytes).max(self.rows.start);
    }

    /// Where its bytes begin.
    pub(crate) fn start(&self) -> usize {
        self.before_columns.start
    }

    /// Its bytes stand at `to` now where those at `from` were.
    pub(crate) fn moved(mut self, from: usize, to: usize) -> Self {
        for range in [&mut self.before_columns, &mut self.after_columns, &mut self.rows] {
            *range = range.start.saturating_sub(from) + to..range.end.saturating_sub(from) + to;
        }
        self
    }

    /// How many numbers [`StoredRows::to_numbers`] gives.
    pub(crate) const NUMBERS: usize = 5;

    /// All that it says, as numbers.
    pub(crate) fn to_numbers(&self) -> [u64; Self::NUMBERS] {
        let kind = match self.kind {
            RowKind::Insert => 0,
            RowKind::Update => 1,
            RowKind::Delete => 2,
        };
        let flags = u64::from(self.ends_statement) << 8 | u64::from(self.is_partial) << 9;
        // They lie one after the other.
        let lengths = [&self.before_columns, &self.after_columns, &self.rows].map(|range| range.len() as u64);
        let [before, after, rows] = lengths;
        [kind | flags, self.before_columns.start as u64, before, after, rows]
    }

    /// What [`StoredRows::to_numbers`] was given; `None` for other numbers.
    pub(crate) fn from_numbers([kind, start, before, after, rows]: [u64; Self::NUMBERS]) -> Option<Self> {
        let mut at = usize::try_from(start).ok()?;
        let mut next = |length: u64| {
            let start = at;
            at = at.checked_add(usize::try_from(length).ok()?)?;
            Some(start..at)
        };
        Some(Self {
            kind: match kind & 0xff {
                0 => RowKind::Insert,
                1 => RowKind::Update,
                2 => RowKind::Delete,
                _ => return None,
            },
            ends_statement: kind & 1 << 8 != 0,
            is_partial: kind & 1 << 9 != 0,
            before_columns: next(before)?,
            after_columns: next(after)?,
            rows: next(rows)?,
        })
    }
}

impl<'a> RowsEvent<'a> {
    /// Appends the event's bytes to `bytes`.
    pub(crate) fn store(&self, bytes: &mut Vec<u8>) -> StoredRows {
        let mut append = |part: &[u8]| {
            let start = bytes.len();
            bytes.extend_from_slice(part);
            start..bytes.len()
        };
        StoredRows {
            kind: self.kind,
            ends_statement: self.ends_statement,
            is_partial: self.is_partial,
            before_columns: append(self.before_columns),
            after_columns: append(self.after_columns),
            rows: append(self.rows),
        }
    }

    /// How many rows there are.
    pub fn count(&self) -> Result<u64, Malformed> {
        let (mut rows, mut count) = (self.rows(), 0);
        while rows.next()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    /// How many of its rows are updates that change the primary key, which has these columns.
    pub(crate) fn count_key_changes(&self, primary_key: &[usize]) -> Result<u64, Malformed> {
        if self.kind != RowKind::Update || primary_key.is_empty() {
            return Ok(0);
        }
        let (mut rows, mut count) = (self.rows(), 0);
        while let Some(row) = rows.next()? {
            count += u64::from(row.changes_any(primary_key));
        }
        Ok(count)
    }

    /// How many rows there are in front of the first that cannot be read.
    pub(crate) fn count_whole(&self) -> u64 {
        let (mut rows, mut count) = (self.rows(), 0);
        while let Ok(Some(_)) = rows.next() {
            count += 1;
        }
        count
    }

    /// The rows in order.
    pub fn rows(&self) -> Rows<'_, 'a> {
        Rows {
            event: self,
            reader: Reader::new(self.rows, "row image"),
            // No bytes at all are one row of which no column is logged: a replica applies it so, and the servers write no event
            // without a row (`INSERT INTO t () VALUES ()` with binlog_row_image=MINIMAL).
            is_one_of_no_bytes: self.rows.is_empty(),
            before: Vec::new(),
            after: Vec::new(),
        }
    }

    /// Whether every column is in every image.
    pub fn is_full(&self) -> bool {
        let all = |bits: &[u8]| (0..self.table.columns.len()).all(|index| bit(bits, index));
        all(self.before_columns) && all(self.after_columns)
    }
}

/// Reads the rows of an event one after the other, each into the same memory.
#[derive(Debug)]
pub struct Rows<'e, 'a> {
    event: &'e RowsEvent<'a>,
    reader: Reader<'a>,
    /// The one row that is left takes no bytes.
    is_one_of_no_bytes: bool,
    before: Vec<Value<'a>>,
    after: Vec<Value<'a>>,
}

/// One row: a value for each column of the table, [`Value::Absent`] where the image has none.
#[derive(Debug, Clone, Copy)]
pub struct Row<'r, 'a> {
    /// The row as it was; not for an insert.
    pub before: Option<&'r [Value<'a>]>,
    /// The row as it is now; not for a delete.
    pub after: Option<&'r [Value<'a>]>,
    /// Whether it is the event's last.
    pub is_last: bool,
}

impl<'a> Row<'_, 'a> {
    /// A column's value as it is now where the after image has it, else as it was.
    #[inline]
    pub fn latest(&self, column: usize) -> Value<'a> {
        let of = |values: Option<&[Value<'a>]>| values.and_then(|values| values.get(column)).copied();
        match of(self.after) {
            Some(value) if value != Value::Absent => value,
            _ => of(self.before).unwrap_or(Value::Absent),
        }
    }

    /// Whether an update gives one of these columns another value. What an image does not have is not known to differ.
    pub(crate) fn changes_any(&self, columns: &[usize]) -> bool {
        let (Some(before), Some(after)) = (self.before, self.after) else { return false };
        columns.iter().any(|index| match (before.get(*index), after.get(*index)) {
            (Some(Value::Absent), _) | (_, Some(Value::Absent)) => false,
            (before, after) => before != after,
        })
    }
}

impl<'a> Rows<'_, 'a> {
    /// How many bytes of rows are left.
    pub(crate) fn left(&self) -> usize {
        self.reader.rest().len()
    }

    /// Whether there is no more.
    pub(crate) fn is_over(&self) -> bool {
        self.reader.is_empty() && !self.is_one_of_no_bytes
    }

    /// The next row, or `None` after the last.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Row<'_, 'a>>, Malformed> {
        if self.is_over() {
            return Ok(None);
        }
        let is_of_no_bytes = std::mem::take(&mut self.is_one_of_no_bytes);
        let event = self.event;
        let start = self.reader.rest().len();
        let (has_before, has_after) = (event.kind != RowKind::Insert, event.kind != RowKind::Delete);
        if has_before {
            image(&event.table, event.before_columns, false, &mut self.reader, &mut self.before)?;
        }
        if has_after {
            image(&event.table, event.after_columns, event.is_partial, &mut self.reader, &mut self.after)?;
        }
        if self.reader.rest().len() == start && !is_of_no_bytes {
            // A table without columns, or none of them present, and bytes all the same.
            return Err(Malformed("row event: rows of no length"));
        }
        if let Some(hidden) = &event.hidden {
            hidden.hide(&mut self.before);
            hidden.hide(&mut self.after);
        }
        Ok(Some(Row {
            before: has_before.then_some(self.before.as_slice()),
            after: has_after.then_some(self.after.as_slice()),
            is_last: self.reader.is_empty(),
        }))
    }
}

/// The bytes at a place that was noted when they were stored.
fn part<'a>(bytes: &'a [u8], range: &Range<usize>) -> &'a [u8] {
    bytes.get(range.clone()).unwrap_or_default()
}

/// Reads one image: the NULL bits of the columns that are present, then their values.
#[inline]
fn image<'a>(
    table: &TableMap,
    present: &[u8],
    is_partial: bool,
    reader: &mut Reader<'a>,
    values: &mut Vec<Value<'a>>,
) -> Result<(), Malformed> {
    values.clear();
    let mut json_diffs: &[u8] = &[];
    if is_partial {
        const PARTIAL_JSON_UPDATES: u64 = 1;
        if reader.lenenc_int()? & PARTIAL_JSON_UPDATES != 0 {
            let json_columns = table.columns.iter().filter(|column| is_json(column.storage)).count();
            json_diffs = reader.bytes(json_columns.div_ceil(8))?;
        }
    }
    let present_count: usize = match present.split_last() {
        // Bits beyond the last column may have any value.
        Some((last, full)) => {
            let used = table.columns.len() - full.len() * 8;
            let mask = if used >= 8 { 0xff } else { (1_u8 << used) - 1 };
            full.iter().map(|byte| byte.count_ones() as usize).sum::<usize>() + (last & mask).count_ones() as usize
        }
        None => 0,
    };
    let nulls = reader.bytes(present_count.div_ceil(8))?;
    if present_count == table.columns.len() && !is_partial && nulls.iter().all(|byte| *byte == 0) {
        // By far the most rows: nothing to ask about each column.
        values.reserve(table.columns.len());
        for column in &table.columns {
            values.push(Value::read(column.storage, reader)?);
        }
        return Ok(());
    }
    let (mut at, mut json_at) = (0, 0);
    for (index, column) in table.columns.iter().enumerate() {
        // There is a bit for every JSON column, in the image or not.
        let is_diff = is_json(column.storage) && {
            json_at += 1;
            bit(json_diffs, json_at - 1)
        };
        if !bit(present, index) {
            values.push(Value::Absent);
            continue;
        }
        let is_null = bit(nulls, at);
        at += 1;
        values.push(match column.storage {
            _ if is_null => Value::Null,
            Storage::Json { length_bytes } if is_diff => Value::JsonDiff(with_length(reader, length_bytes)?),
            storage => Value::read(storage, reader)?,
        });
    }
    Ok(())
}

fn is_json(storage: Storage) -> bool {
    matches!(storage, Storage::Json { .. })
}
