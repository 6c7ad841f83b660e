//! The message as JSON, written by hand.
//!
//! serde_json looks at every byte of every key for something to escape, once a message; the keys are constants. Writing
//! them as such halves what a message costs (`cargo bench --bench observer`). A test holds the result against serde's.

use std::io::{self, Write};

use serde::Serialize;

use super::SqlLogMessage;
use super::text::MessageText;
use crate::json::escaped;
use crate::mysql::value::digits::integer;

impl SqlLogMessage<'_> {
    /// Appends the object, compact, to `out`. The same bytes as serialising it with serde_json.
    pub fn write_json(&self, out: &mut Vec<u8>) -> io::Result<()> {
        out.extend_from_slice(b"{\"timestamp\":");
        integer(out, self.timestamp);
        string(out, b",\"serverHost\":", Some(self.server_host));
        string(out, b",\"serverVersion\":", self.server_version);
        string(out, b",\"user\":", self.user);
        string(out, b",\"client\":", Some(self.client));
        string(out, b",\"dbName\":", self.db_name);
        string(out, b",\"stmtDbName\":", self.stmt_db_name);
        string(out, b",\"debug\":", Some(self.debug));
        number(out, b",\"connectionId\":", self.connection_id);
        number(out, b",\"totalPoolCount\":", Some(self.total_pool_count));
        number(out, b",\"executionCount\":", Some(self.execution_count));
        number(out, b",\"serverFlags\":", self.server_flags);
        number(out, b",\"clientFlags\":", self.client_flags);
        number(out, b",\"iFlags\":", Some(self.i_flags.bits()));
        string(out, b",\"defaultTZ\":", self.default_tz);
        string(out, b",\"serverTZ\":", self.server_tz);
        number(out, b",\"isolationLvl\":", self.isolation_lvl);
        number(out, b",\"durationNs\":", self.duration_ns);
        number(out, b",\"updateCount\":", self.update_count);
        text(out, b",\"sql\":", self.sql.as_ref());
        value(out, b",\"queryParams\":", self.query_params.as_ref())?;
        value(out, b",\"errorMessage\":", self.error_message.as_ref())?;
        text(out, b",\"serverInfo\":", self.server_info.as_ref());
        out.push(b'}');
        Ok(())
    }
}

fn number(out: &mut Vec<u8>, key: &'static [u8], value: Option<impl itoa::Integer>) {
    out.extend_from_slice(key);
    match value {
        Some(value) => integer(out, value),
        None => out.extend_from_slice(b"null"),
    }
}

fn string(out: &mut Vec<u8>, key: &'static [u8], text: Option<&str>) {
    out.extend_from_slice(key);
    match text {
        Some(text) => escaped(out, text),
        None => out.extend_from_slice(b"null"),
    }
}

fn text(out: &mut Vec<u8>, key: &'static [u8], text: Option<&MessageText<'_>>) {
    match text {
        Some(text) => string(out, key, Some(&text.to_utf8())),
        None => string(out, key, None),
    }
}

fn value(out: &mut Vec<u8>, key: &'static [u8], value: Option<impl Serialize>) -> io::Result<()> {
    out.extend_from_slice(key);
    match value {
        Some(value) => serde_json::to_writer(out, &value).map_err(io::Error::from),
        None => out.write_all(b"null"),
    }
}
