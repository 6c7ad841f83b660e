//! COM_STMT_EXECUTE, MariaDB's COM_STMT_BULK_EXECUTE, and the attributes in front of a COM_QUERY.

use bitflags::bitflags;

use crate::mysql::wire::{CapabilityFlags, ColumnType, Malformed, Reader, Value};

bitflags! {
    /// COM_STMT_EXECUTE's flags (`enum_cursor_type` in MySQL's `include/mysql.h`).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct ExecuteFlags: u8 {
        /// Open a read-only cursor, one for update, or a scrollable one.
        const CURSOR_TYPES = 1 | 2 | 4;
        /// A parameter count is sent even for a statement without parameters.
        const PARAMETER_COUNT_AVAILABLE = 8;
        const _ = !0;
    }
}

bitflags! {
    /// COM_STMT_BULK_EXECUTE's flags.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct BulkFlags: u16 {
        /// The answer is a result set with one row per parameter set.
        const SEND_UNIT_RESULTS = 64;
        /// Types are sent.
        const SEND_TYPES_TO_SERVER = 128;
        const _ = !0;
    }
}

/// A bound parameter's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParamType {
    /// The type byte.
    pub column_type: ColumnType,
    /// Flag 0x80 of the byte after it.
    pub unsigned: bool,
}

impl ParamType {
    /// A type that the servers do not know is a string to MySQL (`get_ps_param_len` in its `sql/protocol_classic.cc`), which takes
    /// all but the last bit of the second byte as part of the type, and an error to MariaDB.
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (column_type, flags) = (reader.u8()?, reader.u8()?);
        let known = ColumnType::from_byte(column_type).filter(|_| flags & 0x7f == 0);
        Ok(Self { column_type: known.unwrap_or(ColumnType::String), unsigned: flags & 0x80 != 0 })
    }

    /// The type of a query attribute: MySQL reads as a string whatever it does not read as a number, a date or a time.
    fn of_attribute(self) -> Self {
        let column_type = match self.column_type {
            ColumnType::Null | ColumnType::Int24 | ColumnType::Year | ColumnType::Bit | ColumnType::Geometry => {
                ColumnType::String
            }
            other => other,
        };
        Self { column_type, ..self }
    }
}

const EXECUTE: &str = "COM_STMT_EXECUTE";
const BULK_EXECUTE: &str = "COM_STMT_BULK_EXECUTE";

/// The parsed front of a COM_STMT_EXECUTE; values are read on demand by [`Params`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutePacket {
    /// Types, if this execution binds them again (`new_params_bind_flag`), of the statement's own parameters only.
    pub new_types: Option<Vec<ParamType>>,
    /// Where in the body the NULL bitmap is.
    pub null_bitmap: std::ops::Range<usize>,
    /// Where in the body the first value is.
    pub values_at: usize,
}

impl ExecutePacket {
    /// The statement id, the flags: the packet's fixed front after the command byte.
    pub fn statement_id(body: &[u8]) -> Result<(u32, ExecuteFlags), Malformed> {
        let mut reader = Reader::new(body, EXECUTE);
        Ok((reader.u32()?, ExecuteFlags::from_bits_retain(reader.u8()?)))
    }

    /// Parses the body (the payload after the command byte) for a statement of `params` parameters.
    ///
    /// With `CLIENT_QUERY_ATTRIBUTES` attributes travel as further parameters with names after the statement's own;
    /// they are skipped (`Protocol_classic::parse_packet` in MySQL's `sql/protocol_classic.cc`).
    pub fn parse(body: &[u8], params: usize, capabilities: CapabilityFlags) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body, EXECUTE);
        let at = |reader: &Reader<'_>| body.len() - reader.rest().len();
        reader.u32()?;
        let flags = ExecuteFlags::from_bits_retain(reader.u8()?);
        reader.u32()?; // iteration count, always 1
        let attributes = capabilities.contains(CapabilityFlags::QUERY_ATTRIBUTES);
        let mut sent = params;
        if attributes && (params > 0 || flags.contains(ExecuteFlags::PARAMETER_COUNT_AVAILABLE)) {
            sent = reader.sent_length()?;
        }
        if sent < params {
            return Err(reader.malformed());
        }
        if sent == 0 {
            let here = at(&reader);
            return Ok(Self { new_types: None, null_bitmap: here..here, values_at: here });
        }
        let bitmap_at = at(&reader);
        reader.bytes(sent.div_ceil(8))?;
        let null_bitmap = bitmap_at..at(&reader);
        let mut new_types = None;
        if reader.u8()? != 0 {
            // No with_capacity(sent): the number came from the wire and the packet may be shorter.
            let mut types = Vec::new();
            for index in 0..sent {
                let param_type = ParamType::read(&mut reader)?;
                if attributes {
                    reader.sent_bytes()?;
                }
                if index < params {
                    types.push(param_type);
                }
            }
            new_types = Some(types);
        }
        Ok(Self { new_types, null_bitmap, values_at: at(&reader) })
    }
}

/// Whether bit `index` of a NULL bitmap is set.
pub fn is_null(bitmap: &[u8], index: usize) -> bool {
    bitmap.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
}

/// The values of one execution, in order; `None` at a parameter that was sent as long data.
#[derive(Debug, Clone)]
pub struct Params<'a, L> {
    reader: Reader<'a>,
    null_bitmap: &'a [u8],
    types: &'a [ParamType],
    is_long_data: L,
    index: usize,
}

impl<'a, L: Fn(usize) -> bool> Params<'a, L> {
    /// Values of `body` as `packet` describes them; `is_long_data` tells for which parameters COM_STMT_SEND_LONG_DATA came.
    pub fn new(
        body: &'a [u8],
        packet_null_bitmap: std::ops::Range<usize>,
        values_at: usize,
        types: &'a [ParamType],
        is_long_data: L,
    ) -> Self {
        Self {
            reader: Reader::new(body.get(values_at..).unwrap_or_default(), EXECUTE),
            null_bitmap: body.get(packet_null_bitmap).unwrap_or_default(),
            types,
            is_long_data,
            index: 0,
        }
    }
}

impl<'a, L: Fn(usize) -> bool> Iterator for Params<'a, L> {
    type Item = Result<Option<Value<'a>>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let param_type = *self.types.get(self.index)?;
        let index = self.index;
        self.index += 1;
        Some(if (self.is_long_data)(index) {
            Ok(None)
        } else if is_null(self.null_bitmap, index) {
            Ok(Some(Value::Null))
        } else {
            let value = Value::read(&mut self.reader, param_type.column_type, param_type.unsigned);
            if value.is_err() {
                self.index = self.types.len();
            }
            value.map(Some)
        })
    }
}

/// The parameter sets of a COM_STMT_BULK_EXECUTE.
#[derive(Debug, Clone)]
pub struct BulkRows<'a> {
    reader: Reader<'a>,
    types: Vec<ParamType>,
}

/// One parameter set.
pub type BulkRow<'a> = Vec<Value<'a>>;

/// The parameter sets of a bulk execution's body, and the types if they were sent.
///
/// Each value is preceded by an indicator byte: 0 a value follows, 1 NULL, 2 DEFAULT, 3 IGNORE.
pub fn bulk_rows<'a>(
    body: &'a [u8],
    params: usize,
    bound: Option<&[ParamType]>,
) -> Result<(BulkRows<'a>, BulkFlags), Malformed> {
    let mut reader = Reader::new(body, BULK_EXECUTE);
    reader.u32()?;
    let flags = BulkFlags::from_bits_retain(reader.u16()?);
    let types = if flags.contains(BulkFlags::SEND_TYPES_TO_SERVER) {
        let mut types = Vec::new();
        for _ in 0..params {
            types.push(ParamType::read(&mut reader)?);
        }
        types
    } else {
        bound.filter(|types| types.len() == params).ok_or_else(|| reader.malformed())?.to_vec()
    };
    Ok((BulkRows { reader, types }, flags))
}

impl BulkRows<'_> {
    /// The types in force.
    pub fn types(&self) -> &[ParamType] {
        &self.types
    }
}

impl<'a> Iterator for BulkRows<'a> {
    type Item = Result<BulkRow<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() || self.types.is_empty() {
            return None;
        }
        let reader = &mut self.reader;
        let row = self
            .types
            .iter()
            .map(|param_type| match reader.u8()? {
                0 => Value::read(reader, param_type.column_type, param_type.unsigned),
                1 => Ok(Value::Null),
                2 => Ok(Value::Default),
                3 => Ok(Value::Ignore),
                _ => Err(reader.malformed()),
            })
            .collect();
        if matches!(row, Err(Malformed(_))) {
            self.types.clear();
        }
        Some(row)
    }
}

/// A query attribute: a value with a name that travels with a statement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QueryAttribute<'a> {
    /// Its name, in the connection's character set.
    pub name: &'a [u8],
    /// How its value was read.
    pub param_type: ParamType,
    /// The value.
    pub value: Value<'a>,
}

/// Where the SQL text begins in a COM_QUERY's body: after the query attributes, if the session has them.
///
/// An error where MySQL refuses to run anything (`parse_query_bind_params` in its `sql/protocol_classic.cc`), but not wherever it does: it
/// knows more wrong lengths than this.
pub fn query_text_at(body: &[u8], capabilities: CapabilityFlags) -> Result<usize, Malformed> {
    query_attributes(body, capabilities).map(|(_, text_at)| text_at)
}

/// The attributes in front of a COM_QUERY's text, and where that begins.
pub fn query_attributes(
    body: &[u8],
    capabilities: CapabilityFlags,
) -> Result<(Vec<QueryAttribute<'_>>, usize), Malformed> {
    if !capabilities.contains(CapabilityFlags::QUERY_ATTRIBUTES) {
        return Ok((Vec::new(), 0));
    }
    let mut reader = Reader::new(body, "query attributes");
    let count = reader.sent_length()?;
    reader.sent_length()?; // parameter set count, always 1
    let mut attributes = Vec::new();
    if count > 0 {
        let null_bitmap = reader.bytes(count.div_ceil(8))?;
        if reader.u8()? == 0 {
            return Err(reader.malformed());
        }
        for _ in 0..count {
            let param_type = ParamType::read(&mut reader)?.of_attribute();
            attributes.push(QueryAttribute { name: reader.sent_bytes()?, param_type, value: Value::Null });
        }
        for (index, attribute) in attributes.iter_mut().enumerate() {
            if !is_null(null_bitmap, index) {
                let ParamType { column_type, unsigned } = attribute.param_type;
                attribute.value = Value::read(&mut reader, column_type, unsigned)?;
            }
        }
    }
    Ok((attributes, body.len() - reader.rest().len()))
}

/// The attributes of a COM_STMT_EXECUTE, which come after the values of the statement's own parameters: those are of `types`, and have none
/// in the packet where `is_long_data` says so.
///
/// None are found where the packet does not bind types: a client that has attributes always does, as their names are sent with them.
pub fn execute_attributes<'a>(
    body: &'a [u8],
    types: &[ParamType],
    is_long_data: impl Fn(usize) -> bool,
    capabilities: CapabilityFlags,
) -> Result<Vec<QueryAttribute<'a>>, Malformed> {
    let mut reader = Reader::new(body, EXECUTE);
    reader.u32()?;
    let flags = ExecuteFlags::from_bits_retain(reader.u8()?);
    reader.u32()?;
    let counts = !types.is_empty() || flags.contains(ExecuteFlags::PARAMETER_COUNT_AVAILABLE);
    if !capabilities.contains(CapabilityFlags::QUERY_ATTRIBUTES) || !counts {
        return Ok(Vec::new());
    }
    let sent = reader.sent_length()?;
    if sent <= types.len() {
        return Ok(Vec::new());
    }
    let null_bitmap = reader.bytes(sent.div_ceil(8))?;
    if reader.u8()? == 0 {
        return Ok(Vec::new());
    }
    let mut attributes = Vec::new();
    for index in 0..sent {
        let (param_type, name) = (ParamType::read(&mut reader)?, reader.sent_bytes()?);
        if index >= types.len() {
            attributes.push(QueryAttribute { name, param_type: param_type.of_attribute(), value: Value::Null });
        }
    }
    for (index, param_type) in types.iter().enumerate() {
        if !is_long_data(index) && !is_null(null_bitmap, index) {
            Value::read(&mut reader, param_type.column_type, param_type.unsigned)?;
        }
    }
    for (index, attribute) in attributes.iter_mut().enumerate() {
        if !is_null(null_bitmap, types.len() + index) {
            let ParamType { column_type, unsigned } = attribute.param_type;
            attribute.value = Value::read(&mut reader, column_type, unsigned)?;
        }
    }
    Ok(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(body: &[u8], params: usize, capabilities: CapabilityFlags) -> Vec<Option<String>> {
        let packet = ExecutePacket::parse(body, params, capabilities).unwrap();
        let types = packet.new_types.clone().unwrap_or_default();
        Params::new(body, packet.null_bitmap.clone(), packet.values_at, &types, |index| index == 7)
            .map(|value| value.unwrap().map(|value| value.to_string()))
            .collect()
    }

    #[test]
    fn nulls_types_and_values() {
        let body =
            [&[1, 0, 0, 0, 0, 1, 0, 0, 0, 0b010, 1, 8, 0, 6, 0, 253, 0][..], &7u64.to_le_bytes(), b"\x02hi"].concat();
        let plain = CapabilityFlags::empty();
        assert_eq!(values(&body, 3, plain), [Some("7".into()), Some("NULL".into()), Some("hi".into())]);
    }

    #[test]
    fn query_attributes_are_not_parameters() {
        let attributes = CapabilityFlags::QUERY_ATTRIBUTES;
        let body = [
            &[1, 0, 0, 0, 8, 1, 0, 0, 0, 2, 0, 1, 8, 0x80, 0, 253, 0, 5][..],
            b"trace",
            &u64::MAX.to_le_bytes(),
            b"\x02id",
        ]
        .concat();
        assert_eq!(values(&body, 1, attributes), [Some("18446744073709551615".into())]);
        let types = [ParamType { column_type: ColumnType::LongLong, unsigned: true }];
        let told = |body, types: &[ParamType]| -> Vec<String> {
            let found = execute_attributes(body, types, |_| false, attributes).unwrap();
            found.iter().map(|one| format!("{}={}", one.name.escape_ascii(), one.value)).collect()
        };
        assert_eq!(told(&body, &types), ["trace=id"]);
        // No parameters at all, but an attribute.
        let body = [&[1, 0, 0, 0, 8, 1, 0, 0, 0, 1, 0, 1, 253, 0, 5][..], b"trace", b"\x02id"].concat();
        assert_eq!(values(&body, 0, attributes), [] as [Option<String>; 0]);
        assert_eq!(told(&body, &[]), ["trace=id"]);
    }

    #[test]
    fn a_count_that_the_packet_does_not_hold_is_refused() {
        let body = [1, 0, 0, 0, 8, 1, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        assert!(ExecutePacket::parse(&body, 1, CapabilityFlags::QUERY_ATTRIBUTES).is_err());
    }

    #[test]
    fn text_behind_query_attributes() {
        let attributes = CapabilityFlags::QUERY_ATTRIBUTES;
        assert_eq!(query_text_at(b"\x00\x01SELECT 1", attributes), Ok(2));
        let body = b"\x01\x01\x00\x01\xfe\x00\x05trace\x02idSELECT 1";
        assert_eq!(query_text_at(body, attributes).map(|at| &body[at..]), Ok(&b"SELECT 1"[..]));
        let (found, _) = query_attributes(body, attributes).unwrap();
        assert_eq!(
            found.iter().map(|one| (one.name, one.value)).collect::<Vec<_>>(),
            [(&b"trace"[..], Value::Text(b"id"))]
        );
        assert_eq!(query_text_at(b"SELECT 1", CapabilityFlags::empty()), Ok(0));
    }

    /// What MySQL 9.7 runs, each of it.
    #[test]
    fn text_behind_odd_query_attributes() {
        for attributes in [
            &b"\xfc\0\0\x01"[..],
            b"\xfd\0\0\0\xfc\x01\0",
            b"\xfe\0\0\0\0\x01\0\0\0\xfe\x01\0\0\0\x05\0\0\0",
            b"\xff\0\0\0\0\0\0\0\0\x01",
            // The value's length: lower four bytes, and not minimal.
            b"\x01\x01\0\x01\xfd\0\x01a\xfe\x02\0\0\0\x07\0\0\0hi",
            b"\x01\x01\0\x01\xfd\0\x01a\xfd\x02\0\0hi",
            // The name's.
            b"\x01\x01\0\x01\xfd\0\xff\x01\0\0\0\x07\0\0\0a\x02hi",
            // Any bind flag but 0; the sign on a string; unknown types; a known one with further bits; those only of columns.
            b"\x01\x01\0\x02\xfd\0\x01a\x02hi",
            b"\x01\x01\0\x01\xfd\x80\x01a\x02hi",
            b"\x01\x01\0\x01\x64\0\x01a\x02hi",
            b"\x01\x01\0\x01\x08\x01\x01a\x02hi",
            b"\x01\x01\0\x01\x0d\0\x01a\x02hi",
            b"\x01\x01\0\x01\x06\0\x01a\x02hi",
            b"\x01\x01\0\x01\x09\0\x01a\x02hi",
        ] {
            let body = [attributes, b"delete from t"].concat();
            let at = query_text_at(&body, CapabilityFlags::QUERY_ATTRIBUTES).unwrap();
            assert_eq!(String::from_utf8_lossy(&body[at..]), "delete from t", "{attributes:x?}");
        }
    }

    #[test]
    fn bulk_rows_with_indicators() {
        let body = [&[9, 0, 0, 0, 128, 0, 3, 0, 253, 0][..], &[0, 5, 0, 0, 0, 0, 1, b'x', 1, 2, 3, 1]].concat();
        let (rows, flags) = bulk_rows(&body, 2, None).unwrap();
        assert_eq!(flags, BulkFlags::SEND_TYPES_TO_SERVER);
        let rows: Vec<_> = rows.map(Result::unwrap).collect();
        assert_eq!(
            rows,
            [
                vec![Value::Int(5), Value::Text(b"x")],
                vec![Value::Null, Value::Default],
                vec![Value::Ignore, Value::Null]
            ]
        );
    }
}
