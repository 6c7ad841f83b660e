//! The form of a document: a type's byte, then the value; objects and arrays begin with a table of their members.

use crate::mysql::wire::{Malformed, Reader};

/// How deep arrays and objects may nest: `JSON_DOCUMENT_MAX_DEPTH` in `sql-common/json_syntax_check.h`.
pub(crate) const MAX_DEPTH: usize = 100;

/// What errors name.
pub(crate) const WHAT: &str = "binary JSON document";

// `JSONB_TYPE_...` in `sql-common/json_binary.cc`.
const SMALL_OBJECT: u8 = 0x00;
const LARGE_OBJECT: u8 = 0x01;
const SMALL_ARRAY: u8 = 0x02;
const LARGE_ARRAY: u8 = 0x03;
const LITERAL: u8 = 0x04;
const INT16: u8 = 0x05;
const UINT16: u8 = 0x06;
const INT32: u8 = 0x07;
const UINT32: u8 = 0x08;
const INT64: u8 = 0x09;
const UINT64: u8 = 0x0a;
const DOUBLE: u8 = 0x0b;
const STRING: u8 = 0x0c;
const OPAQUE: u8 = 0x0f;

/// A value that has not been looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'a> {
    kind: u8,
    /// From the value's first byte on; what follows the value may be there too.
    bytes: &'a [u8],
}

/// A value whose form has been checked, its members' excepted.
#[derive(Debug)]
pub(crate) enum Parsed<'a> {
    Object(Container<'a>),
    Array(Container<'a>),
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Double(f64),
    String(&'a [u8]),
    Opaque { field_type: u8, bytes: &'a [u8] },
}

impl<'a> Value<'a> {
    /// The value of a whole document.
    pub(crate) fn document(bytes: &'a [u8]) -> Result<Self, Malformed> {
        Ok(match bytes.split_first() {
            Some((&kind, bytes)) => Self { kind, bytes },
            None => Self { kind: LITERAL, bytes: &[0] },
        })
    }

    #[inline]
    pub(crate) fn parse(self) -> Result<Parsed<'a>, Malformed> {
        let mut reader = Reader::new(self.bytes, WHAT);
        Ok(match self.kind {
            SMALL_OBJECT => Parsed::Object(Container::new(self.bytes, false, true)?),
            LARGE_OBJECT => Parsed::Object(Container::new(self.bytes, true, true)?),
            SMALL_ARRAY => Parsed::Array(Container::new(self.bytes, false, false)?),
            LARGE_ARRAY => Parsed::Array(Container::new(self.bytes, true, false)?),
            LITERAL => match reader.u8()? {
                0 => Parsed::Null,
                1 => Parsed::Bool(true),
                2 => Parsed::Bool(false),
                _ => return Err(Malformed(WHAT)),
            },
            INT16 => Parsed::Int(i64::from(reader.u16()?.cast_signed())),
            UINT16 => Parsed::UInt(u64::from(reader.u16()?)),
            INT32 => Parsed::Int(i64::from(reader.u32()?.cast_signed())),
            UINT32 => Parsed::UInt(u64::from(reader.u32()?)),
            INT64 => Parsed::Int(reader.u64()?.cast_signed()),
            UINT64 => Parsed::UInt(reader.u64()?),
            DOUBLE => Parsed::Double(f64::from_bits(reader.u64()?)),
            STRING => Parsed::String(variable_bytes(&mut reader)?),
            OPAQUE => Parsed::Opaque { field_type: reader.u8()?, bytes: variable_bytes(&mut reader)? },
            _ => return Err(Malformed(WHAT)),
        })
    }
}

/// A string after its length, which is stored 7 bits a byte, the lowest first; the high bit is set in all bytes but
/// the last, of which there are at most 5 (`read_variable_length`).
#[inline]
fn variable_bytes<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let mut length = 0_u64;
    for shift in [0, 7, 14, 21, 28] {
        let byte = reader.u8()?;
        length |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let length = u32::try_from(length).map_err(|_| Malformed(WHAT))?;
            return reader.bytes(length as usize);
        }
    }
    Err(Malformed(WHAT))
}

/// An object or an array: the number of members, the length of it all, of an object the places of the keys, then the
/// types and places of the values. Places are counted from its first byte.
#[derive(Debug)]
pub(crate) struct Container<'a> {
    bytes: &'a [u8],
    key_entries: &'a [u8],
    value_entries: &'a [u8],
    large: bool,
}

impl<'a> Container<'a> {
    fn new(bytes: &'a [u8], large: bool, object: bool) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes, WHAT);
        let count = place(&mut reader, large)?;
        let length = place(&mut reader, large)?;
        let bytes = bytes.get(..length).ok_or(Malformed(WHAT))?;
        let mut table = |size: usize| reader.bytes(count.checked_mul(size).ok_or(Malformed(WHAT))?);
        let key_entries = if object { table(key_entry_size(large))? } else { &[] };
        let value_entries = table(value_entry_size(large))?;
        let container = Self { bytes, key_entries, value_entries, large };
        // The tables were taken from all that is there, which may be more than the length says.
        if container.header_length() > length { Err(Malformed(WHAT)) } else { Ok(container) }
    }

    /// How long the numbers and tables in front of the members are, in bytes.
    pub(crate) fn header_length(&self) -> usize {
        2 * place_size(self.large) + self.key_entries.len() + self.value_entries.len()
    }

    /// How many members there are. They have been seen to have an entry each.
    pub(crate) fn count(&self) -> usize {
        self.value_entries.len() / value_entry_size(self.large)
    }

    /// The elements of an array, or the values of an object.
    pub(crate) fn values(&self) -> impl Iterator<Item = Result<Value<'a>, Malformed>> {
        self.value_entries.chunks_exact(value_entry_size(self.large)).map(|entry| self.value(entry))
    }

    /// The keys of an object, and their values.
    pub(crate) fn members(&self) -> impl Iterator<Item = Result<(&'a [u8], Value<'a>), Malformed>> {
        let keys = self.key_entries.chunks_exact(key_entry_size(self.large)).map(|entry| self.key(entry));
        keys.zip(self.values()).map(|(key, value)| Ok((key?, value?)))
    }

    #[inline]
    fn key(&self, entry: &[u8]) -> Result<&'a [u8], Malformed> {
        let mut reader = Reader::new(entry, WHAT);
        let start = place(&mut reader, self.large)?;
        let length = usize::from(reader.u16()?);
        self.behind_header(start)?.get(..length).ok_or(Malformed(WHAT))
    }

    #[inline]
    fn value(&self, entry: &'a [u8]) -> Result<Value<'a>, Malformed> {
        let mut reader = Reader::new(entry, WHAT);
        let kind = reader.u8()?;
        // What fits into the place is stored instead of it.
        let inlined = match kind {
            LITERAL | INT16 | UINT16 => true,
            INT32 | UINT32 => self.large,
            _ => false,
        };
        let bytes = if inlined { reader.rest() } else { self.behind_header(place(&mut reader, self.large)?)? };
        Ok(Value { kind, bytes })
    }

    #[inline]
    fn behind_header(&self, start: usize) -> Result<&'a [u8], Malformed> {
        if start < self.header_length() {
            return Err(Malformed(WHAT));
        }
        self.bytes.get(start..).ok_or(Malformed(WHAT))
    }
}

fn place_size(large: bool) -> usize {
    if large { 4 } else { 2 }
}

/// A place, and the key's length in two bytes.
fn key_entry_size(large: bool) -> usize {
    place_size(large) + 2
}

/// A type, and a place.
fn value_entry_size(large: bool) -> usize {
    place_size(large) + 1
}

#[inline]
fn place(reader: &mut Reader<'_>, large: bool) -> Result<usize, Malformed> {
    if large { reader.u32().map(|place| place as usize) } else { reader.u16().map(usize::from) }
}
