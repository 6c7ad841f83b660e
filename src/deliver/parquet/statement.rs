//! Statements in columns.
//!
//! The first 23 are the fields of a message, under their names (`docs/messages.md`); then what a record in Kafka has as headers, that of markers
//! only where there are some.

use super::columns::{NO_SLOT, Slots};
use super::kind::Kind;
use super::schema::{ColumnSpec, Packing, Schema};
use crate::audit::{Hash, Link, MessageId, push_hexadecimal};
use crate::deliver::batch::Numbered;
use crate::fields::{Fields, Text};
use crate::mysql::wire::Malformed;

/// Where the footer says that these are statements.
pub(crate) const SCHEMA_KEY: &str = "mysql_interceptor.statements.version";
/// What it says there. A greater one is refused by who reads; columns that are added do not make it one.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    nullable: bool,
    packing: Packing,
}

const fn some(name: &'static str, kind: Kind, packing: Packing) -> Column {
    Column { name, kind, nullable: false, packing }
}

const fn text(name: &'static str) -> Column {
    Column { name, kind: Kind::Text, nullable: true, packing: Packing::Usual }
}

const fn number(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, nullable: true, packing: Packing::Usual }
}

/// The columns, in order.
pub(crate) const COLUMNS: [Column; 27] = [
    some("timestamp", Kind::Timestamp, Packing::Deltas),
    text("serverHost"),
    text("serverVersion"),
    text("user"),
    text("client"),
    text("dbName"),
    text("stmtDbName"),
    text("debug"),
    number("connectionId", Kind::U32),
    number("totalPoolCount", Kind::I64),
    number("executionCount", Kind::I64),
    number("serverFlags", Kind::U16),
    number("clientFlags", Kind::U32),
    number("iFlags", Kind::U32),
    text("defaultTZ"),
    text("serverTZ"),
    number("isolationLvl", Kind::U8),
    number("durationNs", Kind::I64),
    // 2^64 - 1 where the server says -1.
    number("updateCount", Kind::U64),
    text("sql"),
    Column { name: "queryParams", kind: Kind::Json, nullable: true, packing: Packing::Plain },
    text("errorMessage"),
    text("serverInfo"),
    number("seq", Kind::U64),
    text("proxy"),
    text("kind"),
    text("digest"),
];

/// The columns after those, of messages that are in a hash chain (`docs/audit.md`).
pub(crate) const AUDIT_COLUMNS: [Column; 4] = [
    text("instance"),
    number("session", Kind::U64),
    Column { name: "previous", kind: Kind::Text, nullable: true, packing: Packing::Plain },
    Column { name: "hash", kind: Kind::Text, nullable: true, packing: Packing::Plain },
];

/// The schema of the files.
pub(super) fn schema(is_audited: bool) -> Schema {
    let spec = |column: &Column| ColumnSpec::new(column.name, column.kind, column.nullable, column.packing);
    let audit: &[Column] = if is_audited { &AUDIT_COLUMNS } else { &[] };
    Schema {
        folder: "".into(),
        columns: COLUMNS.iter().chain(audit).map(spec).collect(),
        notes: vec![(SCHEMA_KEY, SCHEMA_VERSION.to_string())],
    }
}

/// Puts a message into the columns of a row.
pub(super) fn write(
    fields: &Fields<'_>,
    numbered: Option<Numbered>,
    proxy: &str,
    slots: &mut Slots<'_>,
) -> Result<(), Malformed> {
    let micros = fields.timestamp.and_then(|ms| i64::try_from(ms.checked_mul(1000)?).ok());
    slots.i64(micros.ok_or(NO_SLOT)?)?;
    let texts = [
        fields.server_host,
        fields.server_version,
        fields.user,
        fields.client,
        fields.db_name,
        fields.stmt_db_name,
        fields.debug,
    ];
    texts.into_iter().try_for_each(|text| write_text(text, slots))?;
    write_number(fields.connection_id, slots, Slots::u32)?;
    write_number(fields.total_pool_count, slots, Slots::i64)?;
    write_number(fields.execution_count, slots, Slots::i64)?;
    write_number(fields.server_flags, slots, Slots::u16)?;
    write_number(fields.client_flags, slots, Slots::u32)?;
    write_number(fields.i_flags, slots, Slots::u32)?;
    [fields.default_tz, fields.server_tz].into_iter().try_for_each(|text| write_text(text, slots))?;
    write_number(fields.isolation_lvl, slots, Slots::u8)?;
    write_number(fields.duration_ns, slots, Slots::i64)?;
    write_number(fields.update_count, slots, Slots::u64)?;
    write_text(fields.sql, slots)?;
    write_bytes(fields.query_params, slots)?;
    [fields.error_message, fields.server_info].into_iter().try_for_each(|text| write_text(text, slots))?;
    write_number(numbered.map(|numbered| numbered.seq), slots, Slots::u64)?;
    write_bytes(Some(proxy).filter(|proxy| !proxy.is_empty()), slots)?;
    write_bytes(numbered.map(|numbered| numbered.label.kind.as_str()), slots)?;
    let digest = numbered.and_then(|numbered| numbered.label.digest).map(|digest| digest.to_string());
    write_bytes(digest.as_deref(), slots)
}

/// Puts a message's place in its session's chain into the columns after those.
pub(super) fn write_place(place: Option<&(MessageId, Link)>, slots: &mut Slots<'_>) -> Result<(), Malformed> {
    let Some((id, Link { previous, hash })) = place else {
        return (0..AUDIT_COLUMNS.len()).try_for_each(|_| slots.null());
    };
    write_hexadecimal(&id.instance.0, slots)?;
    slots.u64(id.session)?;
    [previous, hash].into_iter().try_for_each(|Hash(hash)| write_hexadecimal(hash, slots))
}

fn write_hexadecimal(bytes: &[u8], slots: &mut Slots<'_>) -> Result<(), Malformed> {
    slots.bytes_with(|out| {
        push_hexadecimal(bytes, out);
        Ok(())
    })
}

fn write_text(text: Option<Text<'_>>, slots: &mut Slots<'_>) -> Result<(), Malformed> {
    match text {
        Some(text) => slots.bytes(text.decode().as_bytes()),
        None => slots.null(),
    }
}

fn write_bytes(text: Option<&str>, slots: &mut Slots<'_>) -> Result<(), Malformed> {
    match text {
        Some(text) => slots.bytes(text.as_bytes()),
        None => slots.null(),
    }
}

fn write_number<'s, T: TryFrom<u64>>(
    number: Option<u64>,
    slots: &mut Slots<'s>,
    put: impl FnOnce(&mut Slots<'s>, T) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    match number {
        Some(number) => put(slots, T::try_from(number).map_err(|_| NO_SLOT)?),
        None => slots.null(),
    }
}
