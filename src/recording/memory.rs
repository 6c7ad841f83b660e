//! How much memory records take, for queues that are bounded in bytes.

use bytes::Bytes;

use super::model::{
    Event, Param, ParamValue, PreparedBefore, QueryAttribute, Record, RecordedAnswer, RecordedCommand, RecordedResult,
    SessionBegin,
};

impl Record {
    /// About how much memory it takes. A text that it shares with others is counted as if it were its own.
    pub fn bytes(&self) -> usize {
        let event = match &self.event {
            Event::Begin(begin) => of_begin(begin),
            Event::Command(command) => of_command(command),
            Event::Lost(reason) => reason.len(),
            Event::End(_) => 0,
        };
        size_of::<Self>() + event
    }
}

fn of_begin(begin: &SessionBegin) -> usize {
    let pair = |(name, value): &(String, String)| size_of::<(String, String)>() + name.len() + value.len();
    let prepared = |prepared: &PreparedBefore| size_of::<PreparedBefore>() + prepared.sql.len();
    let names = [&begin.client, &begin.server_version, &begin.user, &begin.database];
    size_of::<SessionBegin>()
        + begin.attributes.iter().map(pair).sum::<usize>()
        + begin.prepared.iter().map(prepared).sum::<usize>()
        + names.into_iter().flatten().map(String::len).sum::<usize>()
}

fn of_command(command: &RecordedCommand) -> usize {
    let attribute = |attribute: &QueryAttribute| {
        size_of::<QueryAttribute>() + attribute.name.len() + of_value(&attribute.param.value)
    };
    size_of::<RecordedCommand>()
        + command.sql.as_ref().map_or(0, |sql| sql.len())
        + command.params.iter().map(|param| size_of::<Param>() + of_value(&param.value)).sum::<usize>()
        + command.attributes.iter().map(attribute).sum::<usize>()
        + command.argument.as_ref().map_or(0, Bytes::len)
        + command.files.iter().map(|file| size_of::<Bytes>() + file.len()).sum::<usize>()
        + command.results.iter().map(of_result).sum::<usize>()
}

fn of_value(value: &ParamValue) -> usize {
    match value {
        ParamValue::Given(bytes) => bytes.len(),
        ParamValue::Null | ParamValue::LongData | ParamValue::Default | ParamValue::Ignore => 0,
    }
}

fn of_result(result: &RecordedResult) -> usize {
    let text = match &result.answer {
        RecordedAnswer::Error(error) => error.message.len(),
        RecordedAnswer::Unknown(reason) => reason.len(),
        RecordedAnswer::Ok { .. } | RecordedAnswer::Rows { .. } | RecordedAnswer::Prepared { .. } => 0,
        RecordedAnswer::Packet => 0,
    };
    size_of::<RecordedResult>() + text
}
