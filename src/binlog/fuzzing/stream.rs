//! Streams of events: decoded, put together, and every row given to every form.

use super::forms::Forms;
use super::split;
use crate::binlog::event::content::Event;
use crate::binlog::event::decoder::AllTables;
use crate::binlog::event::decoder::Decoder;
use crate::binlog::event::event_type::EventType;
use crate::binlog::event::format::FormatDescription;
use crate::binlog::event::header::{CHECKSUM_LENGTH, EventHeader, HEADER_LENGTH, MAGIC};
use crate::binlog::event::position::Position;
use crate::binlog::event::rows::RowsType;
use crate::binlog::table::history::NoSource;
use crate::binlog::transaction::assembler::{Assembler, AssemblerOptions};
use crate::rules::columns::ColumnRules;
use crate::rules::redaction::Redactor;

/// A binlog file, with or without its first four bytes; without a FORMAT_DESCRIPTION at its front it gets one that knows no checksums.
/// It is read as it is, and once more with all lengths and checksums mended, which a mutation would have to guess.
pub fn event(data: &[u8]) {
    let events = data.strip_prefix(&MAGIC).unwrap_or(data);
    for is_mended in [false, true] {
        let mut run = Run::new();
        if events.get(4).is_none_or(|code| *code != EventType::FormatDescription.code()) {
            run.event(&format_description(events.first().is_some_and(|byte| byte & 1 != 0)));
        }
        let mut rest = events;
        while let Ok(header) = EventHeader::parse(rest) {
            let (event, after) = rest.split_at(rest.len().min(header.length as usize));
            rest = after;
            let mut event = event.to_vec();
            if is_mended {
                mend(&mut event, run.decoder.format());
            }
            run.event(&event);
        }
        run.end();
    }
}

/// A table map and a row event: whether MariaDB wrote them, the map's length (2 bytes), the map, the row event's type, its body.
pub fn rows(data: &[u8]) {
    let Some((is_mariadb, data)) = data.split_first() else { return };
    let (map, rows) = split(data);
    let Some((code, rows)) = rows.split_first() else { return };
    let row_types = (0..=u8::MAX).filter(|code| RowsType::of(EventType::from_code(*code)).is_some());
    let row_types: Vec<u8> = row_types.collect();
    // A code that is no row event's stands for one that is.
    let code = if row_types.contains(code) { *code } else { row_types[usize::from(*code) % row_types.len()] };
    let mut rows = rows.to_vec();
    // Both say which table they are of; a mutation would seldom say the same.
    let number = rows.len().min(map.len()).min(6);
    rows[..number].copy_from_slice(&map[..number]);
    let mut run = Run::new();
    run.event(&format_description(is_mariadb & 1 != 0));
    run.event(&whole(EventType::TableMap.code(), map));
    run.event(&whole(code, &rows));
    run.end();
}

/// An event without a checksum.
fn whole(code: u8, body: &[u8]) -> Vec<u8> {
    let mut event = vec![0x80, 0x3c, 0x40, 0x67, code, 1, 0, 0, 0];
    event.extend_from_slice(&u32::try_from(HEADER_LENGTH + body.len()).unwrap_or(u32::MAX).to_le_bytes());
    event.extend_from_slice(&[0; 6]);
    event.extend_from_slice(body);
    event
}

fn format_description(is_mariadb: bool) -> Vec<u8> {
    let mut body = vec![4, 0];
    let version: &[u8] = if is_mariadb { b"11.8.6-MariaDB-log" } else { b"9.7.0" };
    body.extend_from_slice(version);
    body.resize(52, 0);
    body.extend_from_slice(&[0, 0, 0, 0, HEADER_LENGTH as u8]);
    // Of use are only those of table maps and of row events, whose second version has two bytes more.
    let is_second = |code: u8| matches!(code, 30..=32 | 39 | 169..=171);
    body.extend((1..=171).map(|code| if is_second(code) { 10 } else { 8 }));
    // No checksums, and the room for this event's own.
    body.extend_from_slice(&[0; 1 + CHECKSUM_LENGTH]);
    whole(EventType::FormatDescription.code(), &body)
}

fn mend(event: &mut [u8], format: Option<&FormatDescription>) {
    let length = u32::try_from(event.len()).unwrap_or(u32::MAX).to_le_bytes();
    event[9..13].copy_from_slice(&length);
    let has_checksum = if event[4] == EventType::FormatDescription.code() {
        event[HEADER_LENGTH - 2] &= !1;
        FormatDescription::parse(event).is_ok_and(|format| format.checksum)
    } else {
        format.is_some_and(|format| format.checksum)
    };
    if let Some((bytes, checksum)) = event.split_last_chunk_mut::<CHECKSUM_LENGTH>().filter(|_| has_checksum) {
        *checksum = crc32fast::hash(bytes).to_le_bytes();
    }
}

/// A reader of one stream.
struct Run {
    decoder: Decoder<AllTables>,
    assembler: Assembler<NoSource>,
    forms: Forms,
}

impl Run {
    fn new() -> Self {
        let columns = ColumnRules {
            drop: ["dropped".parse().unwrap()].into(),
            redactor: Redactor::new(&["secret".to_owned()], "\"***").with_pseudonyms(b"of no use to anybody"),
        };
        let options = AssemblerOptions { columns, ..AssemblerOptions::default() };
        let start = Position { file: "binlog.000001".into(), offset: 4 };
        Self {
            decoder: Decoder::default(),
            assembler: Assembler::new(options, NoSource, start),
            forms: Forms::default(),
        }
    }

    /// As the thread that reads does it, but that an error is not the end.
    fn event(&mut self, event: &[u8]) {
        if let Ok(header) = EventHeader::parse(event) {
            self.assembler.begin_event(&header, event, false);
        }
        let (assembler, forms) = (&mut self.assembler, &mut self.forms);
        let _ = self.decoder.decode(event, &mut |header, event| {
            if let Event::Rows(rows) = &event {
                rows.is_full();
            }
            assembler.event(header, event)?;
            while let Ok(Some(piece)) = assembler.next_piece(false) {
                forms.write(&piece);
                assembler.recycle(piece);
            }
            Ok(())
        });
    }

    fn end(mut self) {
        // What has no end is not given out, but it is to be written too.
        let header = EventHeader {
            timestamp: 0,
            event_type: EventType::Xid,
            server_id: 0,
            length: 0,
            next_position: 0,
            flags: 0,
        };
        let _ = self.assembler.event(&header, Event::Xid(1));
        while let Ok(Some(piece)) = self.assembler.next_piece(true) {
            self.forms.write(&piece);
        }
    }
}
