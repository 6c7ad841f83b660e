//! Values that a statement which is logged as text takes from its session: INTVAR, RAND and USER_VAR events stand before it.
//!
//! Source: MySQL's `libs/mysql/binlog/event/statement_events.h`.

use crate::mysql::wire::{Malformed, Reader};

/// The value of an INTVAR event: what `LAST_INSERT_ID()` or the next AUTO_INCREMENT was for a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntVar {
    /// 1: `LAST_INSERT_ID()`, 2: `INSERT_ID`.
    pub kind: u8,
    /// Its value.
    pub value: u64,
}

impl IntVar {
    /// Parses the body, without the checksum.
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body, "INTVAR event");
        Ok(Self { kind: reader.u8()?, value: reader.u64()? })
    }
}

/// A user variable, `@name`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UserVar<'a> {
    /// The name, without the `@`.
    pub name: &'a [u8],
    /// The value.
    pub value: UserValue<'a>,
}

/// A user variable's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum UserValue<'a> {
    /// NULL.
    Null,
    /// Text in the character set with this collation id, or bytes (63).
    Text(&'a [u8], u32),
    /// A number with a point.
    Real(f64),
    /// A signed integer.
    Int(i64),
    /// An unsigned integer.
    Unsigned(u64),
    /// A DECIMAL in its packed form: precision and scale, then the digits.
    Decimal(&'a [u8]),
}

impl<'a> UserVar<'a> {
    /// Parses the body, without the checksum.
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        const WHAT: &str = "USER_VAR event";
        let mut reader = Reader::new(body, WHAT);
        let name_length = reader.u32()? as usize;
        let name = reader.bytes(name_length)?;
        if reader.u8()? != 0 {
            return Ok(Self { name, value: UserValue::Null });
        }
        let (kind, collation) = (reader.u8()?, reader.u32()?);
        let length = reader.u32()? as usize;
        let bytes = reader.bytes(length)?;
        let mut value = Reader::new(bytes, WHAT);
        // Old servers do not write the flags.
        let is_unsigned = reader.u8().is_ok_and(|flags| flags & 1 != 0);
        let value = match kind {
            0 => UserValue::Text(bytes, collation),
            1 => UserValue::Real(f64::from_bits(value.u64()?)),
            2 if is_unsigned => UserValue::Unsigned(value.u64()?),
            2 => UserValue::Int(value.u64()?.cast_signed()),
            4 => UserValue::Decimal(bytes),
            _ => return Err(Malformed(WHAT)),
        };
        Ok(Self { name, value })
    }
}

/// The two seeds of RAND().
pub(crate) fn rand_seeds(body: &[u8]) -> Result<(u64, u64), Malformed> {
    let mut reader = Reader::new(body, "RAND event");
    Ok((reader.u64()?, reader.u64()?))
}
