//! One finished statement, borrowed from the observer while it is handed out.

use super::facts::SessionFacts;
use super::long_data::LongDataSet;
use super::outcome::Outcome;
use super::reading::Reading;
use super::time::Now;
use crate::mysql::sql::StatementSummary;
use crate::mysql::wire::{Malformed, ParamType, Params, Value};

/// Which part of a batch (one request with several parameter sets) a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchPart {
    /// Not the last: duration, count and info belong to the last one.
    Earlier,
    /// The last one, or a statement that is no batch.
    Last,
}

/// A statement and its outcome.
#[derive(Debug)]
pub struct Statement<'a> {
    /// The session after the statement, `execution_count` included.
    pub session: &'a SessionFacts,
    /// The text as sent (or as prepared), in the connection's character set; `None` if it was never seen.
    pub sql: Option<&'a [u8]>,
    /// Whether the text is only the front of what was sent, which was longer than the limit.
    pub truncated: bool,
    /// How the text, the parameters and the outcome are read.
    pub reading: Reading,
    /// False for one that the server refused when it was to be prepared.
    pub was_executed: bool,
    /// Bound parameters.
    pub params: StatementParams<'a>,
    /// When the command's first byte came; of several statements in one text, when the one before was done.
    pub started: Now,
    /// From the command's first byte to its response's last.
    pub duration_ns: u64,
    /// How it ended.
    pub outcome: Outcome<'a>,
    /// Place in a batch.
    pub batch_part: BatchPart,
    /// The number of the command that it came in; see [`SentCommand::number`](super::SentCommand).
    pub command: u64,
}

impl Statement<'_> {
    /// What kind of statement the text is, or which kinds, as far as it tells; `None` without a text.
    pub fn summary(&self) -> Option<StatementSummary> {
        let session = self.session;
        let sql = self.sql?;
        Some(StatementSummary::of_text(sql, self.reading.lexis, &|name| session.named.summary(name)))
    }
}

/// A statement's bound parameters.
#[derive(Debug, Clone)]
pub enum StatementParams<'a> {
    /// A statement without any.
    None,
    /// Of a COM_STMT_EXECUTE: still in the binary protocol, decoded while they are visited.
    Bound(BoundParams<'a>),
    /// One parameter set of a COM_STMT_BULK_EXECUTE.
    Row(&'a [Value<'a>]),
    /// One row of an INSERT that has several; text is UTF-8.
    Split(&'a [RowValue<'a>]),
    /// Some were sent that could not be understood.
    Undecodable,
}

/// A value of one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowValue<'a> {
    /// As it is, or its front.
    pub value: Value<'a>,
    /// Of a value of which only the front is there.
    pub full_length: Option<u64>,
}

impl RowValue<'_> {
    pub(super) const NULL: Self = Self { value: Value::Null, full_length: None };
}

/// Parameters of one execution, in the packet they came in.
#[derive(Debug, Clone)]
pub struct BoundParams<'a> {
    pub(super) body: &'a [u8],
    pub(super) null_bitmap: std::ops::Range<usize>,
    pub(super) values_at: usize,
    pub(super) types: &'a [ParamType],
    pub(super) long_data: &'a LongDataSet,
}

impl<'a> BoundParams<'a> {
    /// Each parameter's type as it is bound, and its value; `None` for one that COM_STMT_SEND_LONG_DATA sent before.
    pub fn values(&self) -> impl Iterator<Item = Result<(ParamType, Option<Value<'a>>), Malformed>> {
        let long_data = self.long_data;
        let is_long_data = move |index| long_data.contains(index);
        let params = Params::new(self.body, self.null_bitmap.clone(), self.values_at, self.types, is_long_data);
        self.types.iter().zip(params).map(|(param_type, value)| Ok((*param_type, value?)))
    }
}

impl<'a> StatementParams<'a> {
    /// Calls `visit` with each value in order; a value that cannot be decoded is an error.
    ///
    /// A value sent as long data comes with its full length, since only its front is kept.
    pub fn visit<E>(
        &self,
        mut visit: impl FnMut(Value<'a>, Option<u64>) -> Result<(), E>,
    ) -> Result<Result<(), E>, Malformed> {
        match self {
            Self::None => {}
            Self::Undecodable => return Err(Malformed("parameters")),
            Self::Row(values) => {
                for value in *values {
                    if let Err(error) = visit(*value, None) {
                        return Ok(Err(error));
                    }
                }
            }
            Self::Split(values) => {
                for RowValue { value, full_length } in *values {
                    if let Err(error) = visit(*value, *full_length) {
                        return Ok(Err(error));
                    }
                }
            }
            Self::Bound(bound) => {
                let long = |index: usize| bound.long_data.get(index);
                let params =
                    Params::new(bound.body, bound.null_bitmap.clone(), bound.values_at, bound.types, |index| {
                        long(index).is_some()
                    });
                for (index, value) in params.enumerate() {
                    let visited = match (value?, long(index)) {
                        (Some(value), _) => visit(value, None),
                        (None, Some(data)) => {
                            let binary = bound.types.get(index).is_some_and(|of| of.column_type.is_binary());
                            let value = if binary { Value::Bytes(&data.front) } else { Value::Text(&data.front) };
                            visit(value, Some(data.length))
                        }
                        (None, None) => Ok(()),
                    };
                    if let Err(error) = visited {
                        return Ok(Err(error));
                    }
                }
            }
        }
        Ok(Ok(()))
    }

    /// Whether the statement has no parameters.
    pub fn is_none(&self) -> bool {
        match self {
            Self::None => true,
            Self::Bound(bound) => bound.types.is_empty(),
            Self::Row(values) => values.is_empty(),
            Self::Split(values) => values.is_empty(),
            Self::Undecodable => false,
        }
    }

    /// The values as text, for people and tests; `None` for NULL.
    pub fn to_strings(&self) -> Result<Vec<Option<String>>, Malformed> {
        let mut strings = Vec::new();
        let visited: Result<(), std::convert::Infallible> = self.visit(|value, _| {
            strings.push((value != Value::Null).then(|| value.to_string()));
            Ok(())
        })?;
        match visited {
            Ok(()) => Ok(strings),
        }
    }
}
