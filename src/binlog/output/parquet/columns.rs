//! The values of rows, gathered column by column.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{
    ArrayBuilder, BinaryBuilder, Date32Builder, Decimal128Builder, Decimal256Builder, Float32Builder, Float64Builder,
    Int8Builder, Int16Builder, Int32Builder, Int64Builder, ListBuilder, TimestampMicrosecondBuilder, UInt8Builder,
    UInt16Builder, UInt32Builder, UInt64Builder,
};
use arrow_buffer::i256;
use arrow_schema::{DataType, Field};

use crate::binlog::output::parquet::kind::Kind;
use crate::binlog::output::parquet::message::read_cell;
use crate::binlog::output::parquet::schema::Schema;
use crate::mysql::wire::{Malformed, Reader};

const WHAT: Malformed = Malformed("row on its way to a Parquet file");

/// A page's length and Arrow's offsets have 31 bits; less a batch's other rows and what stands around a value. No event that a server
/// writes has a value of half that, but as JSON it may be longer.
const LONGEST: usize = (1 << 31) - (16 << 20);

/// Builds the arrays of a schema's columns.
pub(crate) struct Columns {
    columns: Vec<(Option<usize>, Builder)>,
    rows: usize,
}

enum Builder {
    I8(Int8Builder),
    I16(Int16Builder),
    I32(Int32Builder),
    I64(Int64Builder),
    U8(UInt8Builder),
    U16(UInt16Builder),
    U32(UInt32Builder),
    U64(UInt64Builder),
    F32(Float32Builder),
    F64(Float64Builder),
    Decimal128(Decimal128Builder),
    Decimal256(Decimal256Builder),
    Date(Date32Builder),
    Moment(TimestampMicrosecondBuilder),
    Bytes(BinaryBuilder),
    Vector(ListBuilder<Float32Builder>),
}

impl Columns {
    pub(crate) fn new(schema: &Schema) -> Self {
        let column = |kind: Kind| (kind.width(), Builder::new(kind));
        Self { columns: schema.columns.iter().map(|spec| column(spec.kind)).collect(), rows: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Appends the cells of one row. After an error the columns are of no use any more.
    pub(crate) fn append(&mut self, cells: &mut Reader<'_>) -> Result<(), Malformed> {
        for (width, builder) in &mut self.columns {
            builder.append(read_cell(cells, *width)?)?;
        }
        if !cells.is_empty() {
            return Err(WHAT);
        }
        self.rows += 1;
        Ok(())
    }

    /// The arrays of all rows, in the order of the columns; the columns are empty then.
    pub(crate) fn take(&mut self) -> Vec<ArrayRef> {
        self.rows = 0;
        self.columns.iter_mut().map(|(_, builder)| builder.finish()).collect()
    }
}

impl Builder {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::I8 => Self::I8(Int8Builder::new()),
            Kind::I16 => Self::I16(Int16Builder::new()),
            Kind::I32 => Self::I32(Int32Builder::new()),
            Kind::I64 => Self::I64(Int64Builder::new()),
            Kind::U8 => Self::U8(UInt8Builder::new()),
            Kind::U16 => Self::U16(UInt16Builder::new()),
            Kind::U32 => Self::U32(UInt32Builder::new()),
            Kind::U64 => Self::U64(UInt64Builder::new()),
            Kind::F32 => Self::F32(Float32Builder::new()),
            Kind::F64 => Self::F64(Float64Builder::new()),
            Kind::Decimal128 { .. } => Self::Decimal128(Decimal128Builder::new().with_data_type(kind.encoded_type())),
            Kind::Decimal256 { .. } => Self::Decimal256(Decimal256Builder::new().with_data_type(kind.encoded_type())),
            Kind::Date => Self::Date(Date32Builder::new()),
            Kind::DateTime | Kind::Timestamp => {
                Self::Moment(TimestampMicrosecondBuilder::new().with_data_type(kind.encoded_type()))
            }
            Kind::Text | Kind::Json | Kind::Bytes => Self::Bytes(BinaryBuilder::new()),
            Kind::Vector => {
                let element = Field::new("element", DataType::Float32, false);
                Self::Vector(ListBuilder::new(Float32Builder::new()).with_field(element))
            }
        }
    }

    #[inline]
    fn append(&mut self, cell: Option<&[u8]>) -> Result<(), Malformed> {
        match self {
            Self::I8(builder) => builder.append_option(number(cell, i8::from_le_bytes)?),
            Self::I16(builder) => builder.append_option(number(cell, i16::from_le_bytes)?),
            Self::I32(builder) => builder.append_option(number(cell, i32::from_le_bytes)?),
            Self::I64(builder) => builder.append_option(number(cell, i64::from_le_bytes)?),
            Self::U8(builder) => builder.append_option(number(cell, u8::from_le_bytes)?),
            Self::U16(builder) => builder.append_option(number(cell, u16::from_le_bytes)?),
            Self::U32(builder) => builder.append_option(number(cell, u32::from_le_bytes)?),
            Self::U64(builder) => builder.append_option(number(cell, u64::from_le_bytes)?),
            Self::F32(builder) => builder.append_option(number(cell, f32::from_le_bytes)?),
            Self::F64(builder) => builder.append_option(number(cell, f64::from_le_bytes)?),
            Self::Decimal128(builder) => builder.append_option(number(cell, i128::from_le_bytes)?),
            Self::Decimal256(builder) => builder.append_option(number(cell, i256::from_le_bytes)?),
            Self::Date(builder) => builder.append_option(number(cell, i32::from_le_bytes)?),
            Self::Moment(builder) => builder.append_option(number(cell, i64::from_le_bytes)?),
            Self::Bytes(builder) => {
                if cell.is_some_and(|cell| cell.len() > LONGEST) {
                    return Err(Malformed("a value of more than 2 GB, which Parquet cannot hold"));
                }
                builder.append_option(cell);
            }
            Self::Vector(builder) => {
                for element in cell.unwrap_or_default().as_chunks::<4>().0 {
                    builder.values().append_value(f32::from_le_bytes(*element));
                }
                builder.append(cell.is_some());
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::I8(builder) => Arc::new(builder.finish()),
            Self::I16(builder) => Arc::new(builder.finish()),
            Self::I32(builder) => Arc::new(builder.finish()),
            Self::I64(builder) => Arc::new(builder.finish()),
            Self::U8(builder) => Arc::new(builder.finish()),
            Self::U16(builder) => Arc::new(builder.finish()),
            Self::U32(builder) => Arc::new(builder.finish()),
            Self::U64(builder) => Arc::new(builder.finish()),
            Self::F32(builder) => Arc::new(builder.finish()),
            Self::F64(builder) => Arc::new(builder.finish()),
            Self::Decimal128(builder) => Arc::new(builder.finish()),
            Self::Decimal256(builder) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::Moment(builder) => Arc::new(builder.finish()),
            Self::Bytes(builder) => {
                // The next batch is as large as this one: its memory is had at once and not by doubling.
                let (rows, bytes) = (builder.len(), builder.values_slice().len());
                let array = std::mem::replace(builder, BinaryBuilder::with_capacity(rows, bytes)).finish();
                Arc::new(array)
            }
            Self::Vector(builder) => Arc::new(builder.finish()),
        }
    }
}

#[inline]
fn number<const N: usize, T>(cell: Option<&[u8]>, read: impl Fn([u8; N]) -> T) -> Result<Option<T>, Malformed> {
    let Some(cell) = cell else { return Ok(None) };
    <[u8; N]>::try_from(cell).map(|bytes| Some(read(bytes))).map_err(|_| WHAT)
}
