//! Single packets of the client/server protocol, values, and texts of statements.

use crate::mysql::sql::{
    ClientCharset, Flavor, Lexis, StatementSummary, Tokens, first_keyword, mask_secrets, named_command, next_statement,
    use_database, variables_selected, variables_set,
};
use crate::mysql::wire::{
    Algorithm, CapabilityFlags, ChangeUser, ColumnType, Decompressor, EofPacket, ErrPacket, ExecutePacket, Greeting,
    HandshakeResponse, OkPacket, ParamType, Params, PrepareOk, Reader, Value, bulk_rows, column_count, query_text_at,
    row_end, strip_greeting_tls,
};

/// One packet, or one text, in every reading: capabilities (5 bytes), a number of parameters, the bytes.
pub fn wire(data: &[u8]) {
    let Some((&[a, b, c, d, e, params], bytes)) = data.split_first_chunk::<6>() else { return };
    let capabilities = CapabilityFlags::from_bits_retain(u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]));
    let params = usize::from(params);
    values(bytes);
    parameters(bytes, params, capabilities);
    packets(bytes, capabilities);
    text(bytes, lexis([a, b, c, d]));
    for algorithm in [Algorithm::Zlib, Algorithm::Zstd] {
        let (mut decompressor, mut rest) = (Decompressor::new(algorithm), bytes);
        while let Ok(Some(plain)) = decompressor.next(&mut rest) {
            assert!(plain.len() < 1 << 24, "more than three bytes can announce");
        }
    }
}

/// Values of every type, as many as there are bytes for.
fn values(bytes: &[u8]) {
    // No bytes of them are read.
    use ColumnType::{Bit, Geometry, Int24, Null, Year};
    let types =
        (0..=u8::MAX).filter_map(ColumnType::from_byte).filter(|of| ![Null, Int24, Year, Bit, Geometry].contains(of));
    for column_type in types {
        for unsigned in [false, true] {
            let mut reader = Reader::new(bytes, "value");
            let mut left = bytes.len();
            while let Ok(value) = Value::read(&mut reader, column_type, unsigned) {
                assert!(reader.rest().len() < left, "{column_type:?} of no bytes");
                left = reader.rest().len();
                assert!(!value.to_string().is_empty() || matches!(value, Value::Text([])));
            }
        }
    }
}

fn parameters(bytes: &[u8], params: usize, capabilities: CapabilityFlags) {
    let mut bound: Vec<ParamType> = Vec::new();
    if let Ok(packet) = ExecutePacket::parse(bytes, params, capabilities) {
        assert!(packet.values_at <= bytes.len() && packet.null_bitmap.end <= bytes.len());
        bound = packet.new_types.unwrap_or_default();
        assert!(bound.is_empty() || bound.len() == params);
        let found = Params::new(bytes, packet.null_bitmap, packet.values_at, &bound, |index| index == 3).count();
        assert!(found <= params);
    }
    if let Ok((rows, _)) = bulk_rows(bytes, params, Some(&bound)) {
        let mut cells = 0;
        for row in rows {
            cells += row.map_or(0, |row| row.len());
        }
        assert!(cells <= bytes.len(), "a cell has at least its indicator");
    }
    if let Ok(at) = query_text_at(bytes, capabilities) {
        assert!(at <= bytes.len());
    }
}

fn packets(bytes: &[u8], capabilities: CapabilityFlags) {
    if let Ok(ok) = OkPacket::parse(bytes, capabilities) {
        assert!(ok.session_changes().count() <= bytes.len());
    }
    if let Ok(error) = ErrPacket::parse(bytes) {
        assert!(error.to_string().starts_with("ERROR "));
    }
    let _ = EofPacket::parse(bytes);
    let _ = PrepareOk::parse(bytes, capabilities);
    let _ = column_count(bytes, capabilities);
    for length in [0, 5, 9, bytes.len() as u64, 1 << 24] {
        let _ = row_end(bytes, length, capabilities);
    }
    let _ = ChangeUser::parse(bytes, capabilities);
    let _ = HandshakeResponse::parse(bytes, capabilities, None);
    let _ = HandshakeResponse::parse(bytes, capabilities, Some(capabilities));
    HandshakeResponse::is_ssl_request(bytes);
    let greeting = Greeting::parse(bytes);
    let mut stripped = bytes.to_vec();
    if strip_greeting_tls(&mut stripped).is_ok()
        && let (Ok(before), Ok(after)) = (greeting, Greeting::parse(&stripped))
    {
        assert_eq!(after.capabilities, before.capabilities - CapabilityFlags::SSL);
    }
}

/// Any settings, known or not.
fn lexis([a, b, c, d]: [u8; 4]) -> Lexis {
    let unsure = |bits: u8| [None, Some(false), Some(true), Some(true)][usize::from(bits & 3)];
    let charsets = [
        ClientCharset::Plain,
        ClientCharset::SpaceA0,
        ClientCharset::Big5,
        ClientCharset::Gbk,
        ClientCharset::Gb18030,
        ClientCharset::Sjis,
        ClientCharset::Unknown,
    ];
    Lexis {
        flavor: unsure(a).map(|is_mysql| if is_mysql { Flavor::MySql } else { Flavor::MariaDb }),
        version: (c & 1 != 0).then_some(u32::from(d) * 1000),
        ansi_quotes: unsure(a >> 2),
        backslash_escapes: unsure(a >> 4),
        charset: charsets[usize::from(b) % charsets.len()],
    }
}

/// Tokens and statements of a text are in it, in order, and not empty.
fn text(sql: &[u8], lexis: Lexis) {
    let mut end = 0;
    for token in Tokens::new(sql, lexis) {
        assert!(end <= token.start && token.start < token.end && token.end <= sql.len());
        end = token.end;
    }
    let (mut from, mut end) = (0, 0);
    while let Some(piece) = next_statement(sql, from, lexis) {
        assert!(end <= piece.range.start && piece.range.start < piece.range.end && piece.range.end <= piece.next);
        assert!(piece.next <= piece.text_end && piece.text_end <= sql.len() && from < piece.next);
        (from, end) = (piece.next, piece.range.end);
    }
    StatementSummary::of_text(sql, lexis, &|_| None);
    mask_secrets(sql, lexis);
    named_command(sql, lexis);
    first_keyword(sql, lexis);
    use_database(sql, lexis);
    variables_set(sql, lexis);
    variables_selected(sql, lexis);
}
