//! What goes to Kafka besides rows: the beginning and end of each transaction, and checkpoints.

use std::sync::Arc;

use crate::binlog::checkpoint::Checkpoint;
use crate::binlog::event::rows::RowsEvent;
use crate::binlog::output::context::{Definition, LoggedStatement, RowContext, TableEvents, TransactionEdge};
use crate::binlog::output::form::RowForm;
use crate::binlog::table::schema::Table;
use crate::deliver::Batch;
use crate::json::escaped;
use crate::mysql::wire::Malformed;

/// A form, with messages about transactions and checkpoints added to its own.
pub(crate) struct WithTransactions {
    pub(crate) form: Box<dyn RowForm>,
    /// The topic for the beginning and end of each transaction.
    pub(crate) transaction_topic: Option<Arc<str>>,
    /// The topic and key of checkpoints.
    pub(crate) checkpoint: Option<(Arc<str>, Arc<str>)>,
}

impl RowForm for WithTransactions {
    fn rows(
        &mut self,
        rows: &RowsEvent<'_>,
        table: &Table,
        context: &RowContext,
        out: &mut Batch,
    ) -> Result<u64, Malformed> {
        self.form.rows(rows, table, context, out)
    }

    fn definition(&mut self, definition: Definition<'_>, context: &RowContext, out: &mut Batch) {
        self.form.definition(definition, context, out);
    }

    fn statement(&mut self, statement: LoggedStatement<'_>, context: &RowContext, out: &mut Batch) {
        self.form.statement(statement, context, out);
    }

    fn continues(&mut self, rows: u64, tables: &[TableEvents]) {
        self.form.continues(rows, tables);
    }

    fn transaction(&mut self, edge: TransactionEdge, context: &RowContext, out: &mut Batch) {
        self.form.transaction(edge, context, out);
        if let Some(topic) = &self.transaction_topic {
            // Writing to memory does not fail.
            let _ = out.push_routed(Some(topic), |value, key| {
                marker(edge, context, value);
                // Both edges of a transaction that has a GTID are in the same partition.
                if let Some(gtid) = &context.gtid {
                    key.extend_from_slice(b"{\"gtid\":");
                    escaped(key, gtid);
                    key.push(b'}');
                }
                Ok::<(), ()>(())
            });
        }
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint, out: &mut Batch) {
        self.form.checkpoint(checkpoint, out);
        if let Some((topic, name)) = &self.checkpoint {
            // Texts and numbers can always be written as JSON.
            let _ = out.push_routed(Some(topic), |value, key| {
                key.extend_from_slice(name.as_bytes());
                serde_json::to_writer(value, checkpoint)
            });
        }
    }
}

/// `{"type":"begin","gtid":"..","position":{"file":"..","offset":4},"xid":7,"timestamp":1795260000000}`, and an end with `rows`.
fn marker(edge: TransactionEdge, context: &RowContext, out: &mut Vec<u8>) {
    let mut number = itoa::Buffer::new();
    out.extend_from_slice(match edge {
        TransactionEdge::Begin => b"{\"type\":\"begin\",\"gtid\":",
        TransactionEdge::End { .. } => b"{\"type\":\"end\",\"gtid\":".as_slice(),
    });
    match &context.gtid {
        Some(gtid) => escaped(out, gtid),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"position\":{\"file\":");
    escaped(out, &context.file);
    out.extend_from_slice(b",\"offset\":");
    out.extend_from_slice(number.format(context.offset).as_bytes());
    out.extend_from_slice(b"},\"xid\":");
    match context.xid {
        Some(xid) => out.extend_from_slice(number.format(xid).as_bytes()),
        None => out.extend_from_slice(b"null"),
    }
    if let TransactionEdge::End { rows } = edge {
        out.extend_from_slice(b",\"rows\":");
        out.extend_from_slice(number.format(rows).as_bytes());
    }
    out.extend_from_slice(b",\"timestamp\":");
    out.extend_from_slice(number.format(context.timestamp_ms).as_bytes());
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binlog::output::json_value::ValueOptions;
    use crate::binlog::output::native::Native;
    use crate::binlog::output::routing::Routing;

    fn context(gtid: Option<&str>) -> RowContext {
        RowContext {
            timestamp_ms: 5000,
            commit_timestamp_us: None,
            server_id: 1,
            file: "binlog.000002".into(),
            offset: 157,
            next_position: 200,
            gtid: gtid.map(Arc::from),
            thread_id: None,
            xid: Some(9),
            query: None,
            first_row: 0,
            ends_transaction: true,
        }
    }

    fn shown(batch: &Batch) -> Vec<(String, String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let messages = (0..batch.len()).filter_map(|index| batch.routed(index));
        messages
            .map(|message| {
                let topic = message.topic.map(|topic| topic.to_string()).unwrap_or_default();
                (topic, text(message.key), text(message.value))
            })
            .collect()
    }

    #[test]
    fn transactions_and_checkpoints_have_topics_of_their_own() {
        let routing = Routing::to("{database}.{table}".parse().unwrap());
        let mut form = WithTransactions {
            form: Box::new(Native::routed(ValueOptions::default(), routing)),
            transaction_topic: Some("TX".into()),
            checkpoint: Some(("CP".into(), "me".into())),
        };
        let mut out = Batch::new();
        form.transaction(TransactionEdge::Begin, &context(Some("u:1")), &mut out);
        form.transaction(TransactionEdge::End { rows: 3 }, &context(None), &mut out);
        form.definition(
            Definition { database: "shop", table: Some("t"), sql: "DROP TABLE t" },
            &context(None),
            &mut out,
        );
        form.checkpoint(&Checkpoint { file: "binlog.000002".into(), offset: 200, ..Checkpoint::default() }, &mut out);
        let found = shown(&out);
        let found: Vec<_> = found.iter().map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str())).collect();
        let place = r#""position":{"file":"binlog.000002","offset":157},"xid":9"#;
        assert_eq!(
            found[..2],
            [
                ("TX", r#"{"gtid":"u:1"}"#, &*format!(r#"{{"type":"begin","gtid":"u:1",{place},"timestamp":5000}}"#)),
                ("TX", "", &*format!(r#"{{"type":"end","gtid":null,{place},"rows":3,"timestamp":5000}}"#)),
            ]
        );
        assert_eq!((found[2].0, found[2].1), ("shop.DDL", ""));
        assert!(found[2].2.contains(r#""sql":"DROP TABLE t""#));
        assert_eq!(found[3], ("CP", "me", r#"{"file":"binlog.000002","offset":200}"#));
    }
}
