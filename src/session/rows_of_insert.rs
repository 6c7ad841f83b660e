//! An INSERT of several rows, told as a batch of statements.

use std::borrow::Cow;

use super::facts::SessionFacts;
use super::listener::{Interest, Listener};
use super::outcome::Outcome;
use super::reading::Reading;
use super::statement::{BatchPart, RowValue, StatementParams};
use super::telling::{StatementHead, emit_one};
use crate::mysql::charset::Charset;
use crate::mysql::sql::{InsertRow, InsertRows, Literal};
use crate::mysql::wire::{Malformed, Value};

/// Tells of each row as a statement. Whether it did: else it is no INSERT of several rows, or that is not certain.
pub(super) fn emit_rows(
    facts: &mut SessionFacts,
    interest: Interest,
    outcome: Outcome<'_>,
    head: &StatementHead<'_>,
    to: &mut Listener<'_>,
) -> bool {
    let is_whole = !head.truncated && matches!(head.params, StatementParams::None | StatementParams::Bound(_));
    let Some(sql) = head.sql.filter(|_| is_whole) else { return false };
    let lexis = head.reading.lexis;
    let Some(rows) = InsertRows::of(sql, lexis) else { return false };
    let Some(bound) = Bound::of(&head.params, head.reading.params) else { return false };
    let (in_front, behind) = rows.placeholders_around(lexis);
    if !bound.fit(rows.rows(lexis, head.reading.text), in_front + behind) {
        return false;
    }
    let mut next_bound = in_front;
    let mut rest = rows.rows(lexis, head.reading.text).peekable();
    while let Some(row) = rest.next() {
        let statement = rows.statement(&row);
        let mut values = Vec::with_capacity(in_front + row.values.len() + behind);
        values.extend(bound.range(0, in_front));
        for value in &row.values {
            values.push(match value_of(&value.literal) {
                Some(value) => RowValue { value, full_length: None },
                None => {
                    next_bound += 1;
                    bound.range(next_bound - 1, 1).next().unwrap_or(RowValue::NULL)
                }
            });
        }
        values.extend(bound.range(bound.values.len() - behind.min(bound.values.len()), behind));
        let part = StatementHead {
            sql: Some(&statement),
            truncated: false,
            // The values are UTF-8 by now.
            reading: Reading { params: Charset::Utf8mb4, ..head.reading },
            params: StatementParams::Split(&values),
            batch_part: if rest.peek().is_some() { BatchPart::Earlier } else { BatchPart::Last },
            ..*head
        };
        emit_one(facts, interest, outcome, part, to);
    }
    true
}

/// A literal's value; `None` for a placeholder.
fn value_of<'a>(literal: &'a Literal<'_>) -> Option<Value<'a>> {
    Some(match literal {
        Literal::Null => Value::Null,
        Literal::Number(text) | Literal::Text(text) => Value::Text(text.as_bytes()),
        Literal::Float(value) => Value::Double(*value),
        Literal::Bytes(bytes) => Value::Bytes(bytes),
        Literal::Placeholder => return None,
    })
}

/// Bound values; text in UTF-8.
struct Bound<'a> {
    values: Vec<(BoundValue<'a>, Option<u64>)>,
}

enum BoundValue<'a> {
    Text(Cow<'a, str>),
    Other(Value<'a>),
}

impl<'a> Bound<'a> {
    /// `None` if they cannot be understood.
    fn of(params: &StatementParams<'a>, charset: Charset) -> Option<Self> {
        let mut values = Vec::new();
        let visited: Result<Result<(), std::convert::Infallible>, Malformed> = params.visit(|value, full_length| {
            let is_front =
                full_length.is_some_and(|length| matches!(value, Value::Text(text) if (text.len() as u64) < length));
            values.push(match value {
                Value::Text(bytes) => match charset.to_valid_utf8(bytes, is_front) {
                    // In UTF-8 its length is another, but there is more of it all the same.
                    Some(text) => (BoundValue::Text(text), is_front.then_some(u64::MAX)),
                    None => (BoundValue::Other(Value::Bytes(bytes)), full_length),
                },
                other => (BoundValue::Other(other), full_length),
            });
            Ok(())
        });
        visited.ok()?.ok()?;
        Some(Self { values })
    }

    /// Whether there is one for each placeholder of the rows and `around` them.
    fn fit<'r>(&self, rows: impl Iterator<Item = InsertRow<'r>>, around: usize) -> bool {
        if self.values.is_empty() && around == 0 {
            // Nobody else has looked at all of the rows yet, and nobody needs to.
            return true;
        }
        let is_placeholder =
            |row: InsertRow<'_>| row.values.iter().filter(|value| value.literal == Literal::Placeholder).count();
        rows.map(is_placeholder).sum::<usize>() + around == self.values.len()
    }

    fn range(&self, from: usize, count: usize) -> impl Iterator<Item = RowValue<'_>> {
        self.values.iter().skip(from).take(count).map(|(value, full_length)| match value {
            BoundValue::Text(text) => RowValue { value: Value::Text(text.as_bytes()), full_length: *full_length },
            BoundValue::Other(value) => RowValue { value: *value, full_length: *full_length },
        })
    }
}
