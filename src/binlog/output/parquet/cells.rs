//! A value of a row in its column.

use arrow_buffer::i256;

use crate::binlog::event::compression::decompress_column;
use crate::binlog::output::json_value::{ValueOptions, write_meaning, write_value};
use crate::binlog::output::parquet::kind::kind_of;
use crate::binlog::table::schema::{Column, Meaning};
use crate::binlog::value::column::Storage;
use crate::binlog::value::{Integer, Value};
use crate::deliver::parquet::{Kind, NO_SLOT, Slots, Values};
use crate::mysql::value::decimal::Decimal;
use crate::mysql::value::temporal::Date;
use crate::mysql::wire::Malformed;

/// Whether a column's type can hold a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    Fits,
    /// It cannot; the cell is NULL.
    Unfit,
}

impl Slots<'_> {
    /// The low bytes of the number, as many as the column has.
    #[inline]
    fn integer(&mut self, value: Integer) -> Result<(), Malformed> {
        let (signed, unsigned) = (value.signed(), value.unsigned());
        self.put(|values| {
            match values {
                Values::I8(vec) => vec.push(signed as i8),
                Values::I16(vec) => vec.push(signed as i16),
                Values::I32(vec) => vec.push(signed as i32),
                Values::I64(vec) => vec.push(signed),
                Values::U8(vec) => vec.push(unsigned as u8),
                Values::U16(vec) => vec.push(unsigned as u16),
                Values::U32(vec) => vec.push(unsigned as u32),
                Values::U64(vec) => vec.push(unsigned),
                _ => return Err(NO_SLOT),
            }
            Ok(8)
        })
    }

    /// The digits without their point, which the column's type has.
    fn decimal(&mut self, value: &Decimal<'_>) -> Result<(), Malformed> {
        const TOO_LARGE: Malformed = Malformed("DECIMAL");
        self.put(|values| match values {
            Values::I128(vec) => {
                vec.push(value.unscaled().ok_or(TOO_LARGE)?);
                Ok(16)
            }
            Values::I256(vec) => {
                vec.push(i256::from_le_bytes(value.unscaled_bytes().ok_or(TOO_LARGE)?));
                Ok(32)
            }
            _ => Err(NO_SLOT),
        })
    }

    /// 4-byte floats as they are stored.
    fn vector(&mut self, value: &[u8]) -> Result<(), Malformed> {
        self.put(|values| {
            let Values::Vectors(lists) = values else { return Err(NO_SLOT) };
            lists.items.extend(value.as_chunks::<4>().0.iter().map(|element| f32::from_le_bytes(*element)));
            lists.end();
            Ok(value.len())
        })
    }

    /// Puts the value of `column` into the next column. `before` is the same column in the before image, for changes to a JSON document.
    pub(crate) fn value(
        &mut self,
        column: &Column,
        value: &Value<'_>,
        before: Option<&Value<'_>>,
    ) -> Result<Fit, Malformed> {
        match value {
            // A value that is not to be shown has no text that every type could hold.
            Value::Absent | Value::Null | Value::Redacted => self.null()?,
            Value::Pseudonym(pseudonym) if kind_of(column) == Kind::Text => {
                self.bytes(pseudonym.to_string().as_bytes())?;
            }
            Value::Pseudonym(_) => self.null()?,
            Value::Integer(value) => self.integer(*value)?,
            Value::Float(value) => self.f32(*value)?,
            Value::Double(value) => self.f64(*value)?,
            Value::Decimal(value) => self.decimal(value)?,
            Value::Year(value) => self.u16(*value)?,
            Value::Time(value) => self.i64(value.total_microseconds())?,
            Value::Date(value) => match value.days_since_epoch().filter(|_| has_year(*value)) {
                Some(days) => self.i32(days)?,
                None => return self.unfit(),
            },
            Value::DateTime(value) => match value.microseconds_since_epoch().filter(|_| has_year(value.date)) {
                Some(microseconds) => self.i64(microseconds)?,
                None => return self.unfit(),
            },
            Value::Timestamp(value) => match i64::from(value.seconds) * 1_000_000 + i64::from(value.microseconds) {
                // It stands for 0000-00-00 00:00:00.
                0 => return self.unfit(),
                microseconds => self.i64(microseconds)?,
            },
            Value::Bytes(value) => self.text_or_bytes(column, value)?,
            Value::Compressed(value) => {
                let mut content = Vec::new();
                decompress_column(value, &mut content).map_err(|_| Malformed("MariaDB's compressed column"))?;
                self.text_or_bytes(column, &content)?;
            }
            Value::JsonDiff(_) if !matches!(before, Some(Value::Json(_))) => return self.unfit(),
            Value::Json(_) | Value::JsonDiff(_) => {
                self.bytes_with(|out| write_value(out, column, value, before, ValueOptions::default()))?;
            }
            Value::Geometry(value) => self.bytes(value)?,
            Value::Vector(value) => self.vector(value)?,
            Value::Bit(value) => self.u64(*value)?,
            Value::Enum(number) => match usize::from(*number).checked_sub(1) {
                None => self.bytes(b"")?,
                Some(index) => match column.members.get(index) {
                    Some(name) => self.bytes(name.as_bytes())?,
                    None => self.bytes(itoa::Buffer::new().format(*number).as_bytes())?,
                },
            },
            Value::Set(bits) => self.set(column, *bits)?,
        }
        Ok(Fit::Fits)
    }

    fn unfit(&mut self) -> Result<Fit, Malformed> {
        self.null()?;
        Ok(Fit::Unfit)
    }

    fn text_or_bytes(&mut self, column: &Column, value: &[u8]) -> Result<(), Malformed> {
        match (column.charset, column.storage, column.meaning) {
            (Some(charset), ..) if charset.is_utf8() && std::str::from_utf8(value).is_ok() => self.bytes(value),
            (Some(charset), ..) => self.bytes(charset.to_utf8(value).as_bytes()),
            (None, Storage::Fixed { max_bytes }, meaning) => self.bytes_with(|out| {
                // BINARY loses its trailing zeros in the log.
                let missing = usize::from(max_bytes).saturating_sub(value.len());
                if meaning == Meaning::Bytes {
                    out.extend_from_slice(value);
                    out.resize(out.len() + missing, 0);
                    return Ok(());
                }
                let mut padded = value.to_vec();
                padded.resize(value.len() + missing, 0);
                write_meaning(out, meaning, &padded);
                Ok(())
            }),
            (None, ..) => self.bytes(value),
        }
    }

    fn set(&mut self, column: &Column, bits: u64) -> Result<(), Malformed> {
        if column.members.is_empty() && bits != 0 {
            return self.bytes(itoa::Buffer::new().format(bits).as_bytes());
        }
        self.bytes_with(|out| {
            let start = out.len();
            for (index, name) in column.members.iter().take(64).enumerate() {
                if bits >> index & 1 == 1 {
                    if out.len() > start {
                        out.push(b',');
                    }
                    out.extend_from_slice(name.as_bytes());
                }
            }
            Ok(())
        })
    }
}

/// The year 0 is before the first of many a reader's calendar (Python's), which then fails for the whole column.
fn has_year(date: Date) -> bool {
    date.year > 0
}
