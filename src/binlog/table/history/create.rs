//! CREATE.

use crate::binlog::table::history::definition::{Body, Ddl, Exists, TableName};
use crate::binlog::table::history::parser::Parser;
use crate::binlog::table::history::sequence::sequence;

impl Parser<'_> {
    pub(crate) fn create(&mut self) -> Option<Ddl> {
        let or_replace = self.cursor.take("OR") && self.cursor.take("REPLACE");
        if self.cursor.take("TEMPORARY") {
            if !self.cursor.take("TABLE") {
                self.cursor.expect("SEQUENCE")?;
            }
            self.if_not_exists();
            return Some(Ddl::Temporary(self.table()?));
        }
        if self.cursor.take("TABLE") {
            let if_not_exists = self.if_not_exists() && !or_replace;
            let table = self.table()?;
            return Some(self.create_table(&table, if_not_exists).unwrap_or_else(|| Ddl::Unclear(vec![table])));
        }
        if self.cursor.take("DATABASE") || self.cursor.take("SCHEMA") {
            let exists = match self.if_not_exists() {
                true => Exists::Stays,
                false if or_replace => Exists::Goes,
                false => Exists::Fails,
            };
            let name = self.cursor.name()?;
            let database = self.folded(name);
            return Some(Ddl::CreateDatabase { database, exists, charset: self.options_charset()? });
        }
        if self.cursor.take("SEQUENCE") {
            let if_not_exists = self.if_not_exists() && !or_replace;
            let table = self.table()?;
            let body = sequence(self.cursor.has_word("AS"));
            return Some(Ddl::Create { table, if_not_exists, body });
        }
        self.cursor.take("ONLINE");
        if self.cursor.take("UNIQUE") {
            return Some(self.unique_index().unwrap_or(Ddl::Nothing));
        }
        let _ = self.cursor.take("FULLTEXT") || self.cursor.take("VECTOR");
        if self.cursor.take("INDEX") {
            return Some(Ddl::Nothing);
        }
        self.other_object()
    }

    fn unique_index(&mut self) -> Option<Ddl> {
        self.cursor.expect("INDEX")?;
        self.if_not_exists();
        self.cursor.name()?;
        while !self.cursor.take("ON") {
            if self.cursor.is_empty() {
                return None;
            }
            self.cursor.skip();
        }
        let table = self.table()?;
        Some(Ddl::Alter { table, specs: self.hides().into_iter().collect(), rename: None })
    }

    fn create_table(&mut self, table: &TableName, if_not_exists: bool) -> Option<Ddl> {
        let parenthesised = self.cursor.symbol('(');
        if self.cursor.take("LIKE") {
            let like = self.table()?;
            return Some(Ddl::CreateLike { table: table.clone(), if_not_exists, like });
        }
        if !parenthesised {
            return None;
        }
        let mut body = Body::default();
        loop {
            self.element(&mut body)?;
            self.cursor.skip_to_comma();
            if !self.cursor.symbol(',') {
                break;
            }
        }
        if !self.cursor.symbol(')') || self.cursor.has_word("SELECT") || body.columns.is_empty() {
            return None;
        }
        body.charset = self.options_charset()?;
        body.hidden = self.cursor.hides();
        Some(Ddl::Create { table: table.clone(), if_not_exists, body })
    }

    /// A column, or a key.
    fn element(&mut self, body: &mut Body) -> Option<()> {
        if let Some(key) = self.primary_key() {
            body.primary_key = key?;
            return Some(());
        }
        if self.is_other_key() {
            return Some(());
        }
        body.columns.push(self.column()?);
        Some(())
    }
}
