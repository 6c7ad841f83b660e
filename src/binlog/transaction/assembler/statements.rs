//! What statements and row events become.

use std::sync::Arc;

use crate::binlog::event::error::DecodeError;
use crate::binlog::event::format::Writer;
use crate::binlog::event::header::EventHeader;
use crate::binlog::event::query::Query;
use crate::binlog::event::rows::{RowKind, RowsEvent};
use crate::binlog::event::table_map::TableMap;
use crate::binlog::table::catalog::lacks_charsets;
use crate::binlog::table::history::{OwnedStatement, SchemaSource, Subject, statement_text, without_secrets};
use crate::binlog::table::schema::Table;
use crate::binlog::transaction::assembler::transaction::End;
use crate::binlog::transaction::assembler::{Assembler, Resolved};
use crate::binlog::transaction::hold_error::HoldError;
use crate::binlog::transaction::piece::{Item, Mark};
use crate::binlog::transaction::progress::Progress;
use crate::binlog::transaction::statement::{Logged, classify};
use crate::mysql::sql::{Lexis, first_keyword};

impl<S: SchemaSource> Assembler<S> {
    pub(crate) fn query(&mut self, header: &EventHeader, query: &Query<'_>) -> Result<Progress, DecodeError> {
        let thread_id = Some(query.thread_id);
        match classify(&query.sql) {
            Logged::Begin | Logged::XaStart => {
                // A transaction without a GTID may be under way whose end never came.
                if self.transaction.as_ref().is_none_or(|transaction| transaction.has_begin) {
                    self.begin(None);
                }
                if let Some(transaction) = &mut self.transaction {
                    transaction.has_begin = true;
                }
                self.context.thread_id = thread_id;
                self.charset_client = query.charset_client;
            }
            Logged::XaCommit(xid) if !self.has_own_statements() => {
                return Ok(self.xa_complete(&xid, true));
            }
            Logged::XaRollback(xid) if !self.has_own_statements() => {
                return Ok(self.xa_complete(&xid, false));
            }
            Logged::Commit | Logged::XaCommit(_) => {
                return Ok(self.end(header, End::Commit(None), thread_id));
            }
            Logged::Rollback | Logged::XaRollback(_) => {
                return Ok(self.end(header, End::Rollback, thread_id));
            }
            // MariaDB's only word of the connection.
            Logged::XaEnd => self.context.thread_id = thread_id,
            Logged::Savepoint(name) => {
                let (mark, names) = (self.mark(), self.savepoint_names);
                if let Some(transaction) = &mut self.transaction {
                    transaction.savepoints.set(&name, names, (mark, transaction.rows));
                }
            }
            Logged::RollbackTo(name) => self.roll_back(&name),
            Logged::Neutral => {}
            Logged::Dml => {
                self.context.query = None;
                self.counters.statements_without_rows += 1;
                // Its text has the values that are not to be seen, wherever they are.
                let hides = !self.options.columns.is_empty();
                if !std::mem::replace(&mut self.warned_of_statements, true) {
                    let verb = first_keyword(&query.sql, Lexis::logged(query.sql_mode)).to_ascii_uppercase();
                    tracing::warn!(
                        position = %self.position,
                        statement = %String::from_utf8_lossy(&verb),
                        "a statement is logged as text (binlog_format=STATEMENT or MIXED): there are no rows of it, and this is said only once; \
                         set binlog_format=ROW at the source"
                    );
                }
                let variables = self.variables.take();
                let database = String::from_utf8_lossy(query.database);
                let is_wanted = self.options.statements && self.options.tables.may_want(&database);
                if is_wanted && !hides && !self.is_skipping {
                    self.make_room().map_err(held)?;
                    self.start_with_text();
                    self.stamp(header);
                    self.context.thread_id = thread_id;
                    self.filling.push(Item::Statement {
                        database: database.into_owned(),
                        sql: without_secrets(
                            &statement_text(&query.sql, query.charset_client),
                            false,
                            query.sql_mode,
                            &self.options.columns.redactor,
                        ),
                        variables,
                        is_rolled_back: false,
                        context: Box::new(self.context.clone()),
                    });
                }
            }
            Logged::Other => {
                self.context.query = None;
                // The tables' definitions may have changed.
                self.tables.clear();
                let statement = OwnedStatement::new(query);
                if self.has_effect {
                    self.history.definition(&statement.as_statement(), &self.position);
                }
                self.counters.ddl += 1;
                // Definitions of temporary tables do not end a transaction. MariaDB's rows of a CREATE TABLE ... SELECT follow in the same
                // transaction; its other definitions are marked STANDALONE.
                let continues = header_continues(query)
                    || self.transaction.as_ref().is_some_and(|it| it.has_begin || self.writer != Writer::MySql);
                let tables = &self.options.tables;
                let subject = Subject::of(&statement.as_statement());
                let is_wanted = self.options.ddl && (tables.is_empty() || tables.wants_definition(&subject));
                if is_wanted && !self.is_skipping {
                    if continues {
                        self.make_room().map_err(held)?;
                        self.start_with_text();
                    }
                    self.stamp(header);
                    self.context.thread_id = thread_id;
                    // What the statement names counts, whatever database is the current one.
                    let current = String::from_utf8_lossy(query.database);
                    let definition = Item::Definition {
                        database: subject.database().unwrap_or(&current).to_owned(),
                        table: subject.table().map(str::to_owned),
                        sql: statement.sql_without_secrets(&self.options.columns.redactor),
                        context: Box::new(self.context.clone()),
                    };
                    self.filling.push(definition);
                }
                // It commits by itself, except for `CREATE TABLE ... SELECT`, whose rows follow.
                if continues {
                    return Ok(Progress::Going);
                }
                return Ok(self.end(header, End::Commit(None), None));
            }
        }
        Ok(Progress::Going)
    }

    /// Whether the group under way has more than what ends it.
    fn has_own_statements(&self) -> bool {
        self.transaction.as_ref().is_some_and(|it| it.has_begin || it.has_events || it.start.is_some())
    }

    /// The next statement has a text of its own or none: whether it is logged is a setting of each session.
    pub(crate) fn end_statement(&mut self, ends: bool) {
        if ends {
            self.context.query = None;
        }
    }

    /// A statement or definition is the next item.
    fn start_with_text(&mut self) {
        self.start();
        if let Some(transaction) = &mut self.transaction {
            transaction.has_texts = true;
        }
    }

    /// Takes from the event's header what its messages say.
    pub(crate) fn stamp(&mut self, header: &EventHeader) {
        self.context.timestamp_ms = u64::from(header.timestamp) * 1000;
        self.context.server_id = header.server_id;
        // Not said by MariaDB 11.7 and later, which has no compressed transactions.
        let is_unsaid = header.next_position == 0 && self.writer != Writer::MySql;
        self.context.next_position = if is_unsaid { self.position.offset as u32 } else { header.next_position };
    }

    pub(crate) fn rows(&mut self, header: &EventHeader, rows: &RowsEvent<'_>) -> Result<(), DecodeError> {
        let wanted = match rows.kind {
            RowKind::Insert => self.options.inserts,
            RowKind::Update => self.options.updates,
            RowKind::Delete => self.options.deletes,
        };
        if !wanted {
            self.counters.filtered += 1;
            return Ok(());
        }
        if self.is_skipping {
            return Ok(());
        }
        let table = self.table(&rows.table);
        if !table.has_names {
            self.counters.nameless += 1;
        }
        self.stamp(header);
        if self.transaction.is_none() && !std::mem::replace(&mut self.warned_of_beginning, true) {
            tracing::warn!(
                position = %self.position,
                "rows come whose transaction began before what is read: earlier rows of it are missing (said once)"
            );
        }
        self.transaction.get_or_insert_default();
        self.make_room().map_err(held)?;
        self.start();
        let begin = self.mark();
        if let Some(transaction) = &mut self.transaction {
            let is_first = !std::mem::replace(&mut transaction.has_begun, true);
            let item = begin.item + usize::from(is_first);
            transaction.rows.events += 1;
            transaction.rows.last = Some(Mark { item, ..begin });
            if is_first {
                self.filling.push(Item::Begin(Box::new(self.context.clone())));
            }
        }
        let mut context = Box::new(self.context.clone());
        if table.hides_columns() {
            // The text has the values that are not to be seen.
            context.query = None;
        }
        let rows = rows.store(&mut self.filling.bytes);
        self.filling.push(Item::Rows { rows, table, context });
        Ok(())
    }

    pub(crate) fn table(&mut self, map: &Arc<TableMap>) -> Arc<Table> {
        // Where it is the same map in memory, which is almost always, it is not compared byte by byte.
        let known = self.tables.get(&map.table_id).filter(|known| known.map == *map).map(|known| &known.table);
        if let Some(table) = known.filter(|table| table.has_names && !table.lacks_charsets) {
            return Arc::clone(table);
        }
        let catalog = if Table::needs_catalog(map, self.writer) {
            self.history.columns(&map.database, &map.table, &self.position, map)
        } else {
            None
        };
        // The names may become known without a statement: the catalogue may have been away. They are still not known, or the character sets.
        let is_as_before = |table: &&Arc<Table>| match &catalog {
            Some(columns) => table.has_names && lacks_charsets(map, columns),
            None => true,
        };
        if let Some(table) = known.filter(is_as_before) {
            return Arc::clone(table);
        }
        if let Some(error) = map.metadata_error
            && self.warned_of_names.insert((map.database.clone(), map.table.clone()))
        {
            tracing::warn!(
                database = map.database,
                table = map.table,
                position = %self.position,
                %error,
                "what the binlog says of the columns' names and character sets is not understood; the source's catalogue is asked"
            );
        }
        let mut table = Table::resolve(map, catalog.as_deref().map(Vec::as_slice));
        table.hide(&self.options.columns);
        let table = Arc::new(table);
        if !table.has_names && self.warned_of_names.insert((map.database.clone(), map.table.clone())) {
            tracing::warn!(
                database = map.database,
                table = map.table,
                position = %self.position,
                "the columns' names are not known: they are called @1, @2 and so on; binlog_row_metadata=FULL at the source has them in the binlog"
            );
        }
        if self.tables.len() >= 1024 {
            self.tables.clear();
        }
        self.tables.insert(map.table_id, Resolved { map: Arc::clone(map), table: Arc::clone(&table) });
        table
    }
}

fn held(error: HoldError) -> DecodeError {
    DecodeError::Consumer(error.into())
}

/// Whether rows follow a statement that would end its transaction otherwise.
fn header_continues(query: &Query<'_>) -> bool {
    // MySQL 8.0.21 and later write `START TRANSACTION` after the definition of an atomic CREATE TABLE ... SELECT.
    query.sql.trim_ascii_end().to_ascii_uppercase().ends_with(b"START TRANSACTION")
}
