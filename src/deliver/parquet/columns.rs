//! Columns of values, and the Arrow arrays that are made of them.
//!
//! The threads that read row images fill them, one value after the other; the sink appends ranges of rows to those of a file.

use std::ops::Range;
use std::slice;
use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{ArrayRef, BinaryArray, ListArray, PrimitiveArray};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer, i256};
use arrow_schema::{ArrowError, DataType, Field};

use super::kind::Kind;
use super::schema::Schema;
use crate::mysql::wire::Malformed;

/// A row takes this much besides its values.
const ROW_BYTES: usize = 16;

/// The columns of a schema.
#[derive(Debug)]
pub(crate) struct Columns {
    columns: Vec<Column>,
    /// About how many bytes each row and those before it take.
    ends: Vec<usize>,
}

impl Columns {
    pub(crate) fn new(schema: &Schema) -> Self {
        Self { columns: schema.columns.iter().map(|spec| Column::new(spec.kind)).collect(), ends: Vec::new() }
    }

    pub(crate) fn rows(&self) -> usize {
        self.ends.len()
    }

    /// About how many bytes the rows before this one take.
    fn start_of(&self, row: usize) -> usize {
        row.checked_sub(1).and_then(|row| self.ends.get(row)).copied().unwrap_or(0)
    }

    /// About how many bytes these rows take. It depends on them alone, so that files that are written again end with the same rows.
    pub(crate) fn bytes_of(&self, rows: Range<usize>) -> usize {
        self.start_of(rows.end) - self.start_of(rows.start)
    }

    /// How many rows from `from` on make up `bytes`, and the row beyond: at least one, and not more than up to `to`.
    pub(crate) fn rows_up_to(&self, from: usize, to: usize, bytes: usize) -> usize {
        let limit = self.start_of(from).saturating_add(bytes);
        let rest = self.ends.get(from..to).unwrap_or_default();
        (rest.partition_point(|end| *end < limit) + 1).min(rest.len())
    }

    /// About how much memory they take.
    pub(crate) fn byte_len(&self) -> usize {
        self.columns.len() * size_of::<Column>() + self.start_of(self.rows())
    }

    /// Appends a row, for which `write` has to give one value to each column. If it fails, the columns are as they were.
    #[inline]
    pub(crate) fn push<E>(&mut self, write: impl FnOnce(&mut Slots<'_>) -> Result<(), E>) -> Result<(), E> {
        let mut slots = Slots { columns: self.columns.iter_mut(), bytes: ROW_BYTES };
        let result = write(&mut slots);
        let is_whole = slots.columns.len() == 0;
        let bytes = slots.bytes;
        if result.is_ok() && is_whole {
            self.ends.push(self.start_of(self.rows()) + bytes);
        } else {
            let rows = self.rows();
            self.columns.iter_mut().for_each(|column| column.truncate(rows));
        }
        debug_assert!(result.is_err() || is_whole, "a row without a value for each column");
        result
    }

    /// Appends rows of other columns, of the same schema.
    pub(crate) fn extend(&mut self, other: &Self, rows: Range<usize>) {
        let (base, start) = (self.start_of(self.rows()), other.start_of(rows.start));
        self.ends.extend(other.ends.get(rows.clone()).unwrap_or_default().iter().map(|end| end - start + base));
        for (column, other) in self.columns.iter_mut().zip(&other.columns) {
            column.extend(other, rows.clone());
        }
    }

    /// The arrays of all rows, in the order of the columns; the columns are empty then. The next rows are likely as many: their memory is
    /// allocated at once and not by doubling.
    pub(crate) fn take(&mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        let rows = self.ends.len();
        self.ends.clear();
        self.columns.iter_mut().map(|column| column.take(rows)).collect()
    }
}

/// The columns of one row, which get their values from the first to the last.
pub(crate) struct Slots<'a> {
    columns: slice::IterMut<'a, Column>,
    bytes: usize,
}

/// A column that cannot hold what it is given, or no column at all.
pub(crate) const NO_SLOT: Malformed = Malformed("a value that is not of its column's type");

impl Slots<'_> {
    /// NULL in the next column.
    #[inline]
    pub(crate) fn null(&mut self) -> Result<(), Malformed> {
        let column = self.columns.next().ok_or(NO_SLOT)?;
        column.null();
        self.bytes += 1;
        Ok(())
    }

    /// A value in the next column: `put` appends it and says how many bytes it has.
    #[inline]
    pub(crate) fn put(&mut self, put: impl FnOnce(&mut Values) -> Result<usize, Malformed>) -> Result<(), Malformed> {
        let column = self.columns.next().ok_or(NO_SLOT)?;
        self.bytes += 1 + put(&mut column.values)?;
        column.nulls.append(true);
        Ok(())
    }
}

#[derive(Debug)]
struct Column {
    kind: Kind,
    values: Values,
    nulls: Nulls,
}

/// The values of a column. In place of NULL there is any.
#[derive(Debug)]
pub(crate) enum Values {
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    I128(Vec<i128>),
    I256(Vec<i256>),
    Bytes(Lists<u8>),
    Vectors(Lists<f32>),
}

/// Values of any length, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Lists<T> {
    pub(crate) items: Vec<T>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl<T: Copy> Lists<T> {
    /// What was appended to the items since the last end is one value; returns its length.
    pub(crate) fn end(&mut self) -> usize {
        let start = self.start_of(self.ends.len());
        self.ends.push(self.items.len());
        self.items.len() - start
    }

    fn start_of(&self, index: usize) -> usize {
        index.checked_sub(1).and_then(|index| self.ends.get(index)).copied().unwrap_or(0)
    }

    fn truncate(&mut self, count: usize) {
        self.items.truncate(self.start_of(count));
        self.ends.truncate(count);
    }

    fn extend(&mut self, other: &Self, range: Range<usize>) {
        let (start, end) = (other.start_of(range.start), other.start_of(range.end));
        let base = self.items.len();
        self.items.extend_from_slice(other.items.get(start..end).unwrap_or_default());
        self.ends.extend(other.ends.get(range).unwrap_or_default().iter().map(|end| end - start + base));
    }

    fn take(&mut self) -> Result<(OffsetBuffer<i32>, Vec<T>), ArrowError> {
        let mut offsets = Vec::with_capacity(self.ends.len() + 1);
        offsets.push(0);
        for end in &self.ends {
            offsets.push(i32::try_from(*end).map_err(|_| ArrowError::OffsetOverflowError(*end))?);
        }
        self.ends.clear();
        let capacity = self.items.len();
        let items = std::mem::replace(&mut self.items, Vec::with_capacity(capacity));
        Ok((OffsetBuffer::new(offsets.into()), items))
    }
}

/// Which values are NULL. Most columns have none, and then nothing is kept.
#[derive(Debug, Default)]
struct Nulls {
    rows: usize,
    valid: Option<BooleanBufferBuilder>,
}

impl Nulls {
    #[inline]
    fn append(&mut self, is_valid: bool) {
        if let Some(valid) = &mut self.valid {
            valid.append(is_valid);
        } else if !is_valid {
            self.kept().append(false);
        }
        self.rows += 1;
    }

    fn kept(&mut self) -> &mut BooleanBufferBuilder {
        self.valid.get_or_insert_with(|| {
            let mut valid = BooleanBufferBuilder::new(self.rows + 64);
            valid.append_n(self.rows, true);
            valid
        })
    }

    fn truncate(&mut self, rows: usize) {
        if rows < self.rows {
            self.rows = rows;
            if let Some(valid) = &mut self.valid {
                valid.truncate(rows);
            }
        }
    }

    fn extend(&mut self, other: &Self, rows: Range<usize>) {
        let count = rows.len();
        match (&other.valid, &mut self.valid) {
            (None, None) => {}
            (None, Some(valid)) => valid.append_n(count, true),
            (Some(others), _) => self.kept().append_packed_range(rows, others.as_slice()),
        }
        self.rows += count;
    }

    fn take(&mut self) -> Option<NullBuffer> {
        self.rows = 0;
        self.valid.take().map(|valid| NullBuffer::new(valid.build())).filter(|nulls| nulls.null_count() > 0)
    }
}

/// Does the same with the vector of numbers or of lists that `Values` has.
macro_rules! each {
    ($values:expr, $vec:ident => $numbers:expr, $lists:ident => $of_lists:expr) => {
        match $values {
            Values::I8($vec) => $numbers,
            Values::I16($vec) => $numbers,
            Values::I32($vec) => $numbers,
            Values::I64($vec) => $numbers,
            Values::U8($vec) => $numbers,
            Values::U16($vec) => $numbers,
            Values::U32($vec) => $numbers,
            Values::U64($vec) => $numbers,
            Values::F32($vec) => $numbers,
            Values::F64($vec) => $numbers,
            Values::I128($vec) => $numbers,
            Values::I256($vec) => $numbers,
            Values::Bytes($lists) => $of_lists,
            Values::Vectors($lists) => $of_lists,
        }
    };
}

impl Column {
    fn new(kind: Kind) -> Self {
        let values = match kind {
            Kind::I8 => Values::I8(Vec::new()),
            Kind::I16 => Values::I16(Vec::new()),
            Kind::I32 | Kind::Date => Values::I32(Vec::new()),
            Kind::I64 | Kind::DateTime | Kind::Timestamp => Values::I64(Vec::new()),
            Kind::U8 => Values::U8(Vec::new()),
            Kind::U16 => Values::U16(Vec::new()),
            Kind::U32 => Values::U32(Vec::new()),
            Kind::U64 => Values::U64(Vec::new()),
            Kind::F32 => Values::F32(Vec::new()),
            Kind::F64 => Values::F64(Vec::new()),
            Kind::Decimal128 { .. } => Values::I128(Vec::new()),
            Kind::Decimal256 { .. } => Values::I256(Vec::new()),
            Kind::Text | Kind::Json | Kind::Bytes => Values::Bytes(Lists::default()),
            Kind::Vector => Values::Vectors(Lists::default()),
        };
        Self { kind, values, nulls: Nulls::default() }
    }

    #[inline]
    fn null(&mut self) {
        each!(&mut self.values, vec => vec.push(Default::default()), lists => drop(lists.end()));
        self.nulls.append(false);
    }

    fn truncate(&mut self, rows: usize) {
        each!(&mut self.values, vec => vec.truncate(rows), lists => lists.truncate(rows));
        self.nulls.truncate(rows);
    }

    fn extend(&mut self, other: &Self, rows: Range<usize>) {
        macro_rules! pair {
            ($($name:ident),*) => {
                match (&mut self.values, &other.values) {
                    $((Values::$name(vec), Values::$name(others)) => {
                        vec.extend_from_slice(others.get(rows.clone()).unwrap_or_default());
                    })*
                    (Values::Bytes(lists), Values::Bytes(others)) => lists.extend(others, rows.clone()),
                    (Values::Vectors(lists), Values::Vectors(others)) => lists.extend(others, rows.clone()),
                    // Columns of one schema have the same kinds.
                    _ => {}
                }
            };
        }
        pair!(I8, I16, I32, I64, U8, U16, U32, U64, F32, F64, I128, I256);
        self.nulls.extend(&other.nulls, rows);
    }

    fn take(&mut self, rows: usize) -> Result<ArrayRef, ArrowError> {
        let nulls = self.nulls.take();
        Ok(match &mut self.values {
            Values::I8(vec) => primitive::<Int8Type>(vec, nulls, rows),
            Values::I16(vec) => primitive::<Int16Type>(vec, nulls, rows),
            Values::I32(vec) if self.kind == Kind::Date => primitive::<Date32Type>(vec, nulls, rows),
            Values::I32(vec) => primitive::<Int32Type>(vec, nulls, rows),
            Values::I64(vec) if self.kind == Kind::I64 => primitive::<Int64Type>(vec, nulls, rows),
            Values::I64(vec) => typed::<TimestampMicrosecondType>(vec, nulls, rows, self.kind),
            Values::U8(vec) => primitive::<UInt8Type>(vec, nulls, rows),
            Values::U16(vec) => primitive::<UInt16Type>(vec, nulls, rows),
            Values::U32(vec) => primitive::<UInt32Type>(vec, nulls, rows),
            Values::U64(vec) => primitive::<UInt64Type>(vec, nulls, rows),
            Values::F32(vec) => primitive::<Float32Type>(vec, nulls, rows),
            Values::F64(vec) => primitive::<Float64Type>(vec, nulls, rows),
            Values::I128(vec) => typed::<Decimal128Type>(vec, nulls, rows, self.kind),
            Values::I256(vec) => typed::<Decimal256Type>(vec, nulls, rows, self.kind),
            Values::Bytes(lists) => {
                let (offsets, bytes) = lists.take()?;
                Arc::new(BinaryArray::try_new(offsets, Buffer::from_vec(bytes), nulls)?)
            }
            Values::Vectors(lists) => {
                let (offsets, elements) = lists.take()?;
                let elements = PrimitiveArray::<Float32Type>::new(elements.into(), None);
                let field = Arc::new(Field::new("element", DataType::Float32, false));
                Arc::new(ListArray::try_new(field, offsets, Arc::new(elements), nulls)?)
            }
        })
    }
}

fn numbers<T: ArrowPrimitiveType>(
    vec: &mut Vec<T::Native>,
    nulls: Option<NullBuffer>,
    rows: usize,
) -> PrimitiveArray<T> {
    let numbers = std::mem::replace(vec, Vec::with_capacity(rows));
    PrimitiveArray::new(ScalarBuffer::from(numbers), nulls)
}

fn primitive<T: ArrowPrimitiveType>(vec: &mut Vec<T::Native>, nulls: Option<NullBuffer>, rows: usize) -> ArrayRef {
    Arc::new(numbers::<T>(vec, nulls, rows))
}

/// The same, with a type that has more to it: a scale, a time zone.
fn typed<T: ArrowPrimitiveType>(
    vec: &mut Vec<T::Native>,
    nulls: Option<NullBuffer>,
    rows: usize,
    kind: Kind,
) -> ArrayRef {
    Arc::new(numbers::<T>(vec, nulls, rows).with_data_type(kind.encoded_type()))
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;

    use super::super::schema::{ColumnSpec, Packing};
    use super::*;

    fn schema() -> Schema {
        let spec = |name: &str, kind| ColumnSpec::new(name, kind, true, Packing::Usual);
        let columns = vec![spec("number", Kind::I64), spec("text", Kind::Text), spec("vector", Kind::Vector)];
        Schema { folder: "".into(), columns, notes: Vec::new() }
    }

    fn push(columns: &mut Columns, number: Option<i64>, text: &str) -> Result<(), Malformed> {
        columns.push(|slots| {
            match number {
                Some(number) => slots.put(|values| match values {
                    Values::I64(vec) => {
                        vec.push(number);
                        Ok(8)
                    }
                    _ => Err(NO_SLOT),
                })?,
                None => slots.null()?,
            }
            slots.put(|values| match values {
                Values::Bytes(lists) => {
                    lists.items.extend_from_slice(text.as_bytes());
                    // What failed in the middle leaves nothing.
                    if text == "bad" { Err(NO_SLOT) } else { Ok(lists.end()) }
                }
                _ => Err(NO_SLOT),
            })?;
            slots.null()
        })
    }

    #[test]
    fn rows_are_appended_whole_or_not_at_all_and_come_out_in_any_range() {
        let mut columns = Columns::new(&schema());
        for (number, text) in [(Some(1), "a"), (None, "bb"), (Some(3), ""), (None, "dddd")] {
            assert!(push(&mut columns, Some(9), "bad").is_err());
            push(&mut columns, number, text).unwrap();
        }
        assert_eq!(columns.rows(), 4);
        assert_eq!(columns.bytes_of(0..2) + columns.bytes_of(2..4), columns.bytes_of(0..4));
        let mut file = Columns::new(&schema());
        push(&mut file, Some(0), "first").unwrap();
        file.extend(&columns, 1..4);
        let arrays = file.take().unwrap();
        assert_eq!(file.rows(), 0);
        let numbers = arrays[0].as_any().downcast_ref::<PrimitiveArray<Int64Type>>().unwrap();
        assert_eq!(numbers.iter().collect::<Vec<_>>(), [Some(0), None, Some(3), None]);
        let texts = arrays[1].as_any().downcast_ref::<BinaryArray>().unwrap();
        assert_eq!(texts.iter().flatten().collect::<Vec<_>>(), [&b"first"[..], b"bb", b"", b"dddd"]);
        assert_eq!((arrays[2].len(), arrays[2].null_count()), (4, 4));
    }

    #[test]
    fn rows_up_to_a_size() {
        let mut columns = Columns::new(&schema());
        for _ in 0..10 {
            push(&mut columns, Some(1), "x").unwrap();
        }
        let row = columns.bytes_of(0..1);
        assert_eq!(columns.rows_up_to(2, 10, 0), 1);
        assert_eq!(columns.rows_up_to(2, 10, row), 1);
        assert_eq!(columns.rows_up_to(2, 10, row + 1), 2);
        assert_eq!(columns.rows_up_to(2, 5, row * 100), 3);
    }
}
