//! Recorded commands as the packets that a client sends. Pure: what is known of the target's statements is given.

mod packet;
mod params;

use crate::mysql::wire::{BulkFlags, CapabilityFlags, Command, ExecuteFlags, write_lenenc_bytes, write_lenenc_int};
use crate::recording::{Param, QueryAttribute, RecordedCommand};

use super::error::Unplayable;
pub(super) use packet::PacketBuffer;
use params::{is_null, write_type, write_value};

/// COM_STMT_BULK_EXECUTE's indicators.
mod indicator {
    pub(super) const VALUE: u8 = 0;
    pub(super) const NULL: u8 = 1;
    pub(super) const DEFAULT: u8 = 2;
    pub(super) const IGNORE: u8 = 3;
}

/// COM_QUERY.
pub(super) fn query(
    out: &mut Vec<u8>,
    sql: &[u8],
    attributes: &[QueryAttribute],
    in_force: CapabilityFlags,
) -> Result<(), Unplayable> {
    out.push(Command::Query.byte());
    if in_force.contains(CapabilityFlags::QUERY_ATTRIBUTES) {
        write_lenenc_int(out, attributes.len() as u64);
        write_lenenc_int(out, 1);
        write_bound(out, &[], attributes, true)?;
    }
    out.extend_from_slice(sql);
    Ok(())
}

/// COM_STMT_PREPARE.
pub(super) fn prepare(out: &mut Vec<u8>, sql: &[u8]) {
    out.push(Command::StmtPrepare.byte());
    out.extend_from_slice(sql);
}

/// COM_STMT_EXECUTE of the target's statement `id`.
pub(super) fn execute(
    out: &mut Vec<u8>,
    id: u32,
    command: &RecordedCommand,
    in_force: CapabilityFlags,
) -> Result<(), Unplayable> {
    let has_attributes = in_force.contains(CapabilityFlags::QUERY_ATTRIBUTES);
    let attributes = if has_attributes { &command.attributes[..] } else { &[] };
    let first = command.argument.as_ref().and_then(|argument| argument.first().copied()).unwrap_or_default();
    let mut flags = ExecuteFlags::from_bits_retain(first) & ExecuteFlags::CURSOR_TYPES;
    flags.set(ExecuteFlags::PARAMETER_COUNT_AVAILABLE, !attributes.is_empty());
    out.push(Command::StmtExecute.byte());
    out.extend_from_slice(&id.to_le_bytes());
    out.push(flags.bits());
    out.extend_from_slice(&1u32.to_le_bytes());
    if has_attributes && (!command.params.is_empty() || !attributes.is_empty()) {
        write_lenenc_int(out, (command.params.len() + attributes.len()) as u64);
    }
    write_bound(out, &command.params, attributes, has_attributes)
}

/// NULL bitmap, types and values; `with_names`: a name comes with each type, a parameter's own is empty.
fn write_bound(
    out: &mut Vec<u8>,
    params: &[Param],
    attributes: &[QueryAttribute],
    with_names: bool,
) -> Result<(), Unplayable> {
    let count = params.len() + attributes.len();
    if count == 0 {
        return Ok(());
    }
    let named = || {
        let params = params.iter().map(|param| (&[][..], param));
        params.chain(attributes.iter().map(|attribute| (&attribute.name[..], &attribute.param)))
    };
    let bitmap_at = out.len();
    out.resize(bitmap_at + count.div_ceil(8), 0);
    for (index, (_, param)) in named().enumerate() {
        if is_null(param)
            && let Some(byte) = out.get_mut(bitmap_at + index / 8)
        {
            *byte |= 1 << (index % 8);
        }
    }
    out.push(1);
    for (name, param) in named() {
        write_type(out, param);
        if with_names {
            write_lenenc_bytes(out, name);
        }
    }
    named().filter(|(_, param)| !is_null(param)).try_for_each(|(_, param)| write_value(out, param))
}

/// COM_STMT_BULK_EXECUTE of the target's statement `id`.
pub(super) fn bulk_execute(out: &mut Vec<u8>, id: u32, command: &RecordedCommand) -> Result<(), Unplayable> {
    use crate::recording::ParamValue::{Default, Given, Ignore, LongData, Null};
    let rows = usize::try_from(command.param_rows).unwrap_or_default();
    let columns = command.params.len().checked_div(rows).unwrap_or_default();
    if columns == 0 || columns * rows != command.params.len() {
        return Err(Unplayable::ParamCount);
    }
    let sent = command.argument.as_ref().and_then(|argument| argument.first_chunk().copied()).unwrap_or_default();
    let flags = BulkFlags::from_bits_retain(u16::from_le_bytes(sent)) | BulkFlags::SEND_TYPES_TO_SERVER;
    out.push(Command::StmtBulkExecute.byte());
    out.extend_from_slice(&id.to_le_bytes());
    out.extend_from_slice(&flags.bits().to_le_bytes());
    command.params.iter().take(columns).for_each(|param| write_type(out, param));
    for param in &command.params {
        match &param.value {
            Null | LongData => out.push(indicator::NULL),
            Default => out.push(indicator::DEFAULT),
            Ignore => out.push(indicator::IGNORE),
            Given(_) if is_null(param) => out.push(indicator::NULL),
            Given(_) => {
                out.push(indicator::VALUE);
                write_value(out, param)?;
            }
        }
    }
    Ok(())
}

/// A command about the target's statement `id` that has nothing but what is in `argument`.
pub(super) fn about_statement(out: &mut Vec<u8>, id: u32, command: &RecordedCommand) {
    out.push(command.command.byte());
    out.extend_from_slice(&id.to_le_bytes());
    out.extend_from_slice(command.argument.as_deref().unwrap_or_default());
}

/// A command of which nothing has to be understood.
pub(super) fn as_recorded(out: &mut Vec<u8>, command: Command, argument: Option<&[u8]>) {
    out.push(command.byte());
    out.extend_from_slice(argument.unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::mysql::wire::{ExecutePacket, bulk_rows, query_text_at};
    use crate::recording::ParamValue;

    fn text(value: &'static str) -> Param {
        Param { column_type: 253, value: ParamValue::Given(Bytes::from_static(value.as_bytes())) }
    }

    fn int(value: &'static str) -> Param {
        Param { column_type: 8, value: ParamValue::Given(Bytes::from_static(value.as_bytes())) }
    }

    fn null() -> Param {
        Param { column_type: 6, value: ParamValue::Null }
    }

    fn attribute(name: &'static str, param: Param) -> QueryAttribute {
        QueryAttribute { name: Bytes::from_static(name.as_bytes()), param }
    }

    fn command(command: Command, params: Vec<Param>) -> RecordedCommand {
        RecordedCommand { params, ..RecordedCommand::new(command) }
    }

    #[test]
    fn attributes_stand_in_front_of_a_text_where_the_session_has_them() {
        let attributes = [attribute("trace", text("abc")), attribute("none", null()), attribute("n", int("-7"))];
        let in_force = CapabilityFlags::QUERY_ATTRIBUTES;
        for attributes in [&attributes[..], &[]] {
            let mut out = Vec::new();
            query(&mut out, b"SELECT 1", attributes, in_force).unwrap();
            assert_eq!(out.first(), Some(&3));
            let at = query_text_at(&out[1..], in_force).unwrap();
            assert_eq!(&out[1 + at..], b"SELECT 1");
            assert_eq!(out.windows(5).any(|part| part == b"trace"), !attributes.is_empty());
        }
        let mut out = Vec::new();
        query(&mut out, b"SELECT 1", &attributes, CapabilityFlags::empty()).unwrap();
        assert_eq!(out, b"\x03SELECT 1");
    }

    #[test]
    fn an_execution_is_read_as_it_was_bound() {
        let mut recorded = command(Command::StmtExecute, vec![int("-7"), null(), text("hi")]);
        recorded.argument = Some(Bytes::from_static(&[1]));
        for in_force in [CapabilityFlags::empty(), CapabilityFlags::QUERY_ATTRIBUTES] {
            let mut out = Vec::new();
            recorded.attributes = vec![attribute("trace", text("abc"))];
            execute(&mut out, 0x0102_0304, &recorded, in_force).unwrap();
            let (id, flags) = ExecutePacket::statement_id(&out[1..]).unwrap();
            assert_eq!(
                (out[0], id, flags & ExecuteFlags::CURSOR_TYPES),
                (0x17, 0x0102_0304, ExecuteFlags::from_bits_retain(1))
            );
            let packet = ExecutePacket::parse(&out[1..], 3, in_force).unwrap();
            assert_eq!(packet.new_types.unwrap().len(), 3);
            let values = &out[1 + packet.values_at..];
            let expected = [&(-7i64).to_le_bytes()[..], b"\x02hi"].concat();
            assert!(values.starts_with(&expected), "{values:?}");
            assert_eq!(values.len() > expected.len(), !in_force.is_empty(), "the attribute's value follows");
        }
    }

    #[test]
    fn a_statement_without_parameters_has_none() {
        let mut out = Vec::new();
        execute(&mut out, 7, &command(Command::StmtExecute, vec![]), CapabilityFlags::QUERY_ATTRIBUTES).unwrap();
        assert_eq!(out, [0x17, 7, 0, 0, 0, 0, 1, 0, 0, 0]);
    }

    #[test]
    fn a_long_parameter_has_a_type_and_no_value() {
        let long = Param { column_type: 252, value: ParamValue::LongData };
        let mut out = Vec::new();
        execute(&mut out, 7, &command(Command::StmtExecute, vec![long, int("5")]), CapabilityFlags::empty()).unwrap();
        assert!(out.ends_with(&[&[0, 1, 252, 0, 8, 0][..], &5i64.to_le_bytes()].concat()), "{out:?}");
    }

    #[test]
    fn rows_of_a_bulk_execution() {
        let indicators = [ParamValue::Default, ParamValue::Ignore].map(|value| Param { column_type: 8, value });
        let params = [vec![int("1"), text("a")], vec![null(), text("")], indicators.to_vec()].concat();
        let mut recorded = command(Command::StmtBulkExecute, params);
        recorded.param_rows = 3;
        let mut out = Vec::new();
        bulk_execute(&mut out, 9, &recorded).unwrap();
        let (rows, _) = bulk_rows(&out[1..], 2, None).unwrap();
        let shown: Vec<_> =
            rows.map(|row| row.unwrap().iter().map(ToString::to_string).collect::<Vec<_>>().join(",")).collect();
        assert_eq!(shown, ["1,a", "NULL,", "DEFAULT,IGNORE"]);
        recorded.param_rows = 4;
        assert_eq!(bulk_execute(&mut Vec::new(), 9, &recorded), Err(Unplayable::ParamCount));
        recorded.param_rows = 0;
        assert_eq!(bulk_execute(&mut Vec::new(), 9, &recorded), Err(Unplayable::ParamCount));
    }
}
