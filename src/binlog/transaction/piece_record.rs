//! Pieces as records: what is kept of one on the disk until its transaction has ended.

use std::collections::HashMap;
use std::sync::Arc;

use crate::binlog::event::rows::StoredRows;
use crate::binlog::output::context::RowContext;
use crate::binlog::table::schema::Table;
use crate::binlog::transaction::piece::{Item, Piece};
use crate::mysql::wire::{Malformed, Reader};
use crate::rules::columns::ColumnRules;

const WHAT: Malformed = Malformed("a piece that was kept on the disk");

/// The tables that records refer to by number. They stay in memory: there are few, each with very many rows.
#[derive(Debug, Default)]
pub(crate) struct RecordTables {
    tables: Vec<Arc<Table>>,
    /// By name: one is resolved again now and then, which must not make the list longer.
    numbers: HashMap<String, Vec<usize>>,
}

impl RecordTables {
    fn number(&mut self, table: &Arc<Table>) -> usize {
        let name = format!("{}\0{}", table.map.database, table.map.table);
        let numbers = self.numbers.entry(name).or_default();
        let is_it = |number: &&usize| {
            self.tables.get(**number).is_some_and(|known| Arc::ptr_eq(known, table) || **known == **table)
        };
        if let Some(number) = numbers.iter().rev().find(is_it) {
            return *number;
        }
        numbers.push(self.tables.len());
        self.tables.push(Arc::clone(table));
        self.tables.len() - 1
    }
}

impl RecordTables {
    /// By their numbers.
    pub(crate) fn all(&self) -> &[Arc<Table>] {
        &self.tables
    }

    /// Hides columns of all of them.
    pub(crate) fn hide(&mut self, rules: &ColumnRules) {
        self.tables.iter_mut().for_each(|table| Arc::make_mut(table).hide(rules));
    }

    /// The next one.
    pub(crate) fn add(&mut self, table: Table) {
        self.tables.push(Arc::new(table));
    }
}

/// Writes all of a piece but its bytes.
pub(crate) fn write(piece: &Piece, tables: &mut RecordTables, out: &mut Vec<u8>) {
    out.clear();
    let mut writer = Writer { out, last: Shared::default() };
    writer.number(piece.items.len() as u64);
    for item in &piece.items {
        match item {
            Item::Begin(context) => writer.context(0, context),
            Item::End(context) => writer.context(1, context),
            Item::Definition { database, table, sql, context } => {
                writer.context(if table.is_some() { 6 } else { 2 }, context);
                [Some(database), Some(sql), table.as_ref()].into_iter().flatten().for_each(|text| writer.text(text));
            }
            Item::Statement { database, sql, variables, is_rolled_back, context } => {
                writer.context(if *is_rolled_back { 4 } else { 3 }, context);
                [database, sql, variables].iter().for_each(|text| writer.text(text));
            }
            Item::Rows { rows, table, context } => {
                writer.context(5, context);
                writer.number(tables.number(table) as u64);
                rows.to_numbers().iter().for_each(|number| writer.number(*number));
            }
        }
    }
}

/// Adds the items to a piece that has its bytes already.
pub(crate) fn read(items: &[u8], piece: &mut Piece, tables: &RecordTables) -> Result<(), Malformed> {
    let mut reader = ItemReader { reader: Reader::new(items, WHAT.0), last: Shared::default() };
    for _ in 0..reader.reader.u64()? {
        let (kind, context) = reader.context()?;
        piece.push(match kind {
            0 => Item::Begin(context),
            1 => Item::End(context),
            2 | 6 => {
                let (database, sql) = (reader.text()?, reader.text()?);
                let table = if kind == 6 { Some(reader.text()?) } else { None };
                Item::Definition { database, table, sql, context }
            }
            3 | 4 => Item::Statement {
                database: reader.text()?,
                sql: reader.text()?,
                variables: reader.text()?,
                is_rolled_back: kind == 4,
                context,
            },
            5 => {
                let number = usize::try_from(reader.reader.u64()?).map_err(|_| WHAT)?;
                let table = Arc::clone(tables.tables.get(number).ok_or(WHAT)?);
                let mut numbers = [0; StoredRows::NUMBERS];
                for number in &mut numbers {
                    *number = reader.reader.u64()?;
                }
                let rows = StoredRows::from_numbers(numbers).ok_or(WHAT)?;
                let mut context = context;
                if table.hides_columns() {
                    // More may be hidden now than when it was written.
                    context.query = None;
                }
                Item::Rows { rows, table, context }
            }
            _ => return Err(WHAT),
        });
    }
    Ok(())
}

/// Texts that follow each other in items and are mostly the same.
#[derive(Default)]
struct Shared {
    file: Option<Arc<str>>,
    gtid: Option<Arc<str>>,
    query: Option<Arc<str>>,
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    last: Shared,
}

impl Writer<'_> {
    fn number(&mut self, number: u64) {
        self.out.extend_from_slice(&number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.out.extend_from_slice(text.as_bytes());
    }

    fn optional(&mut self, number: Option<u64>) {
        self.out.push(u8::from(number.is_some()));
        self.number(number.unwrap_or_default());
    }

    fn context(&mut self, kind: u8, context: &RowContext) {
        self.out.push(kind);
        self.number(context.timestamp_ms);
        self.number(u64::from(context.server_id));
        self.number(context.offset);
        self.number(u64::from(context.next_position));
        self.number(context.first_row);
        self.out.push(u8::from(context.ends_transaction));
        self.optional(context.commit_timestamp_us);
        self.optional(context.thread_id.map(u64::from));
        self.optional(context.xid);
        let file = Some(Arc::clone(&context.file));
        for (text, last) in [(&file, 0), (&context.gtid, 1), (&context.query, 2)] {
            let last = self.last.field(last);
            let is_same = match (text, &*last) {
                (Some(text), Some(last)) => Arc::ptr_eq(text, last),
                _ => false,
            };
            if is_same {
                self.out.push(2);
                continue;
            }
            last.clone_from(text);
            self.out.push(u8::from(text.is_some()));
            if let Some(text) = text {
                self.text(text);
            }
        }
    }
}

impl Shared {
    fn field(&mut self, number: usize) -> &mut Option<Arc<str>> {
        match number {
            0 => &mut self.file,
            1 => &mut self.gtid,
            _ => &mut self.query,
        }
    }
}

struct ItemReader<'a> {
    reader: Reader<'a>,
    last: Shared,
}

impl ItemReader<'_> {
    fn text(&mut self) -> Result<String, Malformed> {
        let length = usize::try_from(self.reader.u64()?).map_err(|_| WHAT)?;
        String::from_utf8(self.reader.bytes(length)?.to_vec()).map_err(|_| WHAT)
    }

    fn optional(&mut self) -> Result<Option<u64>, Malformed> {
        let is_some = self.reader.u8()? != 0;
        let number = self.reader.u64()?;
        Ok(is_some.then_some(number))
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        u32::try_from(self.reader.u64()?).map_err(|_| WHAT)
    }

    fn context(&mut self) -> Result<(u8, Box<RowContext>), Malformed> {
        let kind = self.reader.u8()?;
        let mut context = RowContext {
            timestamp_ms: self.reader.u64()?,
            commit_timestamp_us: None,
            server_id: self.u32()?,
            file: Arc::from(""),
            offset: self.reader.u64()?,
            next_position: self.u32()?,
            gtid: None,
            thread_id: None,
            xid: None,
            query: None,
            first_row: self.reader.u64()?,
            ends_transaction: self.reader.u8()? != 0,
        };
        context.commit_timestamp_us = self.optional()?;
        context.thread_id = self.optional()?.map(u32::try_from).transpose().map_err(|_| WHAT)?;
        context.xid = self.optional()?;
        for field in 0..3 {
            let text = match self.reader.u8()? {
                0 => None,
                1 => Some(Arc::from(self.text()?)),
                _ => continue,
            };
            *self.last.field(field) = text;
        }
        context.file = self.last.file.clone().ok_or(WHAT)?;
        context.gtid.clone_from(&self.last.gtid);
        context.query.clone_from(&self.last.query);
        Ok((kind, Box::new(context)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binlog::event::rows::RowKind;
    use crate::binlog::output::fixture::{Body, INT, VARCHAR, int, table, varchar};

    fn context(number: u64) -> Box<RowContext> {
        Box::new(RowContext {
            timestamp_ms: number,
            commit_timestamp_us: number.is_multiple_of(2).then_some(u64::MAX),
            server_id: u32::MAX,
            file: if number < 3 { "binlog.000001".into() } else { "binlog.000002".into() },
            offset: 5_000_000_000,
            next_position: 7,
            gtid: number.is_multiple_of(3).then(|| "a:1".into()),
            thread_id: (number == 1).then_some(9),
            xid: None,
            query: (number == 4).then(|| "INSERT".into()),
            first_row: number,
            ends_transaction: number == 5,
        })
    }

    #[test]
    fn a_piece_is_read_back_as_it_was() {
        let table = table("shop", "orders", &[("id", INT, false), ("text", VARCHAR, true)], &[0]);
        let shared = Arc::new(table.clone());
        let mut piece = Piece::default();
        piece.push(Item::Begin(context(0)));
        for number in 1..4 {
            let images = [vec![int(number), varchar("x")], vec![int(number + 10), varchar("y")]];
            let body = Body::full(RowKind::Insert, &images);
            let rows = body.event(&table).store(&mut piece.bytes);
            // The same table, resolved once more.
            let table = if number == 2 { Arc::new(table.clone()) } else { Arc::clone(&shared) };
            piece.push(Item::Rows { rows, table, context: context(number as u64) });
        }
        let text = |text: &str| text.to_owned();
        for table in [None, Some(text("t"))] {
            piece.push(Item::Definition { database: text("d"), table, sql: text("CREATE"), context: context(4) });
        }
        for is_rolled_back in [false, true] {
            let (database, sql, variables) = (text(""), text("UPDATE é"), text("{}"));
            piece.push(Item::Statement { database, sql, variables, is_rolled_back, context: context(5) });
        }
        piece.push(Item::End(context(6)));
        let (mut tables, mut record) = (RecordTables::default(), Vec::new());
        write(&piece, &mut tables, &mut record);
        assert_eq!(tables.tables.len(), 1);
        let mut again = Piece::default();
        again.bytes.clone_from(&piece.bytes);
        read(&record, &mut again, &tables).unwrap();
        assert_eq!(format!("{:?}", again.items), format!("{:?}", piece.items));
        assert_eq!(again.weight(), piece.weight());
        for cut in 0..record.len() {
            assert!(read(&record[..cut], &mut Piece::default(), &tables).is_err(), "{cut}");
        }
    }
}
