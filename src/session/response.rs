//! The server's packets of the command phase: which packet is what.

use std::sync::Arc;

use super::ending::current_sql;
use super::exchange::{ClientSide, Exchange};
use super::listener::{Answer, ColumnsOf, Interest, Listener};
use super::login::PendingLogin;
use super::outcome::{LastWords, Outcome};
use super::progress::{AfterDefinitions, Expect};
use super::request::{Request, RequestKind};
use super::rows::ResultWatch;
use super::sight::Trouble;
use super::time::Now;
use crate::mysql::sql::{SessionSetting, variables_selected};
use crate::mysql::wire::{
    EofPacket, ErrPacket, Malformed, OkPacket, Packet, PrepareOk, RowEnd, RowFormat, TextRow, column_count,
    is_progress_report, row_end,
};

/// `ER_MAX_PREPARED_STMT_COUNT_REACHED`: MariaDB refuses before it begins to prepare, so that the statement prepared last stays what it was.
const MAX_PREPARED_STMT_COUNT_REACHED: u16 = 1461;

impl Exchange {
    #[inline]
    pub(super) fn response(&mut self, packet: &Packet<'_>, now: Now, to: &mut Listener<'_>) -> Result<(), Trouble> {
        if self.last_words.is_some() && packet.payload.first() != Some(&0xff) {
            // It went on: an error that nobody had asked for was not its last word.
            self.last_words = None;
        }
        self.response_packet(packet, now, to)?;
        self.begin_waiting(to);
        Ok(())
    }

    pub(super) fn response_packet(
        &mut self,
        packet: &Packet<'_>,
        now: Now,
        to: &mut Listener<'_>,
    ) -> Result<(), Trouble> {
        let Some(current) = self.requests.current.as_mut() else {
            return self.unasked(packet);
        };
        if is_progress_report(packet.payload) {
            return Ok(());
        }
        match current.progress.expect {
            Expect::Rows => {
                if packet.payload.first().is_none_or(|first| *first < 0xfe) {
                    self.row(packet, to);
                    return Ok(());
                }
                self.rows_or_end(packet, now, to)
            }
            Expect::RowsOrOk => self.row_or_ok(packet, now, to),
            Expect::AfterPerhapsOk => self.after_perhaps_ok(packet, now, to),
            Expect::Definitions { left, then } => {
                if packet.payload.first() == Some(&0xff) {
                    return self.result(Outcome::Error(ErrPacket::parse(packet.payload)?), now, to);
                }
                if let Some(watch) = &mut current.progress.watch {
                    watch.definition(packet.payload);
                }
                if left > 1 {
                    current.progress.expect = Expect::Definitions { left: left - 1, then };
                    return Ok(());
                }
                self.defined(then, to);
                self.definitions_end(then, now, to)
            }
            Expect::DefinitionsEof { then } => self.definitions_eof(packet, then, now, to),
            Expect::PerhapsEof { then } => self.perhaps_eof(packet, then, now, to),
            Expect::FileContent => match packet.payload.first() {
                // The server gave up before the file's end.
                Some(0xff) => {
                    if self.client == ClientSide::Requests {
                        self.client = ClientSide::RefusedFile;
                    }
                    self.result(Outcome::Error(ErrPacket::parse(packet.payload)?), now, to)
                }
                _ => Err(Malformed("server packet while the client sends a file").into()),
            },
            Expect::Head => self.head(packet, now, to),
        }
    }

    /// The first packet of an answer, or of another result of it.
    fn head(&mut self, packet: &Packet<'_>, now: Now, to: &mut Listener<'_>) -> Result<(), Trouble> {
        let Some(current) = self.requests.current.as_mut() else { return Ok(()) };
        match &current.request.kind {
            RequestKind::Query { .. }
            | RequestKind::Probe
            | RequestKind::Execute(_)
            | RequestKind::BulkExecute(_)
            | RequestKind::ResultSet => self.result_head(packet, now, to),
            RequestKind::Prepare => self.prepare_head(packet, now, to),
            RequestKind::Fetch { statement_id } => {
                if self.interest.in_rows() {
                    let columns = self.statements.get(*statement_id).and_then(|statement| statement.columns.clone());
                    current.progress.watch =
                        Some(Box::new(ResultWatch::new(RowFormat::Binary, columns, self.interest)));
                }
                current.progress.expect = Expect::Rows;
                self.response_packet(packet, now, to)
            }
            RequestKind::FieldList => self.field_list(packet, now, to),
            RequestKind::AnyPacket => self.answered_by_itself(packet, now, to),
            RequestKind::ChangeUser(_) => self.change_user(packet, now, to),
            RequestKind::Simple
            | RequestKind::SetOption
            | RequestKind::Reset { .. }
            | RequestKind::InitDb
            | RequestKind::ResetConnection => self.simple(packet, now, to),
            RequestKind::Stream(_) | RequestKind::Unknown if packet.payload.first() == Some(&0xff) => {
                self.refused(packet, now, to)
            }
            RequestKind::Stream(trouble) => Err(*trouble),
            RequestKind::Unknown => Err(Malformed("answer to an unknown command").into()),
            // The server refuses what is out of order, and closes.
            RequestKind::EarlyContent { .. } => self.unasked(packet),
            // They are never in front.
            RequestKind::LongData { .. } | RequestKind::Close { .. } | RequestKind::Quit | RequestKind::Ignored => {
                self.unasked(packet)
            }
        }
    }

    /// Another row.
    #[inline]
    pub(super) fn row(&mut self, packet: &Packet<'_>, to: &mut Listener<'_>) {
        let Some(current) = self.requests.current.as_mut() else { return };
        let progress = &mut current.progress;
        if let Some(watch) = &mut progress.watch {
            let number = current.request.number;
            watch.row(number, progress.results, progress.rows, packet, self.interest, to);
        }
        progress.rows += 1;
        if progress.rows == 1 && !progress.variables.is_empty() {
            self.variables_row(packet.payload);
        }
    }

    pub(super) fn unasked(&mut self, packet: &Packet<'_>) -> Result<(), Trouble> {
        if packet.payload.first() != Some(&0xff) {
            return Err(Malformed("server packet without a request").into());
        }
        // The last words before the server closes: idle too long, shut down, packet too large.
        self.last_words = Some(LastWords::new(&ErrPacket::parse(packet.payload)?));
        Ok(())
    }

    fn rows_or_end(&mut self, packet: &Packet<'_>, now: Now, to: &mut Listener<'_>) -> Result<(), Trouble> {
        if packet.payload.first() == Some(&0xff) {
            return self.result(Outcome::Error(ErrPacket::parse(packet.payload)?), now, to);
        }
        match row_end(packet.payload, packet.length, self.dialect.in_force())? {
            Some(end) => {
                let count = self.requests.current.as_ref().map_or(0, |current| current.progress.rows);
                self.result(Outcome::Rows { count, end: Some(end) }, now, to)
            }
            None => {
                self.row(packet, to);
                Ok(())
            }
        }
    }

    fn result_head(&mut self, packet: &Packet<'_>, now: Now, to: &mut Listener<'_>) -> Result<(), Trouble> {
        let capabilities = self.dialect.in_force();
        match packet.payload.first() {
            Some(0x00) => self.result(Outcome::Ok(OkPacket::parse(packet.payload, capabilities)?), now, to),
            Some(0xff) => self.result(Outcome::Error(ErrPacket::parse(packet.payload)?), now, to),
            Some(0xfb) => {
                self.file_asked_for(to);
                Ok(())
            }
            // Some commands of the text protocol end with an EOF where an OK would do.
            Some(0xfe) if packet.length < EofPacket::BELOW => {
                let end = Some(RowEnd::Eof(EofPacket::parse(packet.payload)?));
                self.result(Outcome::Rows { count: 0, end }, now, to)
            }
            _ => {
                let (count, definitions_follow) = column_count(packet.payload, capabilities)?;
                self.watch_result();
                self.find_variables();
                let Some(current) = self.requests.current.as_mut() else { return Ok(()) };
                current.progress.rows = 0;
                if definitions_follow {
                    current.progress.expect = Expect::Definitions { left: count, then: AfterDefinitions::Rows };
                    return Ok(());
                }
                self.definitions_end(AfterDefinitions::Rows, now, to)
            }
        }
    }

    /// Begins to look into the result set that is about to come, if anybody wants that.
    fn watch_result(&mut self) {
        let Some(current) = self.requests.current.as_mut() else { return };
        current.progress.watch = None;
        if !self.interest.in_rows() && !self.interest.in_columns() {
            return;
        }
        let (format, columns) = match &current.request.kind {
            RequestKind::Execute(execution) | RequestKind::BulkExecute(execution) => {
                let statement = self.statements.get(execution.statement_id);
                (RowFormat::Binary, statement.and_then(|statement| statement.columns.clone()))
            }
            _ => (RowFormat::Text, None),
        };
        current.progress.watch = Some(Box::new(ResultWatch::new(format, columns, self.interest)));
    }

    /// All definitions are there, whatever comes after them.
    fn defined(&mut self, then: AfterDefinitions, to: &mut Listener<'_>) {
        let Some(current) = self.requests.current.as_mut() else { return };
        let Some(watch) = &mut current.progress.watch else { return };
        let of = match then {
            AfterDefinitions::Rows => ColumnsOf::Result,
            AfterDefinitions::PreparedColumns(_) => ColumnsOf::Params,
            AfterDefinitions::SecondEof(_) | AfterDefinitions::Prepared(_) => ColumnsOf::Prepared,
        };
        watch.defined(current.request.number, current.progress.results, of, self.interest, to);
        if let (RequestKind::Execute(execution), Some(columns)) = (&current.request.kind, watch.columns()) {
            let columns = Arc::clone(columns);
            self.statements.remember_columns(execution.statement_id, &columns);
        }
    }

    fn prepare_head(&mut self, packet: &Packet<'_>, now: Now, to: &mut Listener<'_>) -> Result<(), Trouble> {
        if packet.payload.first() == Some(&0xff) {
            // The statement will never be executed, so its failure is told here.
            let error = ErrPacket::parse(packet.payload)?;
            if error.code != MAX_PREPARED_STMT_COUNT_REACHED {
                self.statements.forget_last();
            }
            return self.result(Outcome::Error(error), now, to);
        }
        let prepare = PrepareOk::parse(packet.payload, self.dialect.in_force())?;
        let PrepareOk { params, columns, definitions_follow, .. } = prepare;
        if definitions_follow && params > 0 {
            self.watch_result();
            if let Some(current) = self.requests.current.as_mut() {
                let then = AfterDefinitions::PreparedColumns(prepare);
                current.progress.expect = Expect::Definitions { left: u64::from(params), then };
            }
            return Ok(());
        }
        if definitions_follow {
            self.watch_result();
            return self.after_definitions(AfterDefinitions::PreparedColumns(prepare), now, to);
        }
        match (params, columns) {
            (0, 0) => self.prepared(prepare, now, to),
            // Without definitions their EOFs come anyway.
            (0, _) | (_, 0) => self.definitions_end(AfterDefinitions::Prepared(prepare), now, to),
            _ => self.definitions_end(AfterDefinitions::SecondEof(prepare), now, to),
        }
    }

    pub(super) fn prepared(&mut self, prepare: PrepareOk, now: Now, to: &mut Listener<'_>) -> Result<(), Trouble> {
        if let Some(current) = self.requests.current.as_mut() {
            let Request { body, truncated, reading, .. } = &current.request;
            let params = usize::from(prepare.params);
            self.statements.insert(prepare.statement_id, body, *truncated, params, *reading);
            let columns = current.progress.watch.as_ref().and_then(|watch| watch.columns());
            if let Some(columns) = columns.filter(|_| prepare.columns > 0) {
                let columns = Arc::clone(columns);
                self.statements.remember_columns(prepare.statement_id, &columns);
            }
        }
        self.tell_result(Answer::Prepared(prepare), false, now, to);
        self.done()
    }

    fn field_list(&mut self, packet: &Packet<'_>, now: Now, to: &mut Listener<'_>) -> Result<(), Trouble> {
        match packet.payload.first() {
            Some(0xff) => self.refused(packet, now, to),
            Some(0xfe) => match row_end(packet.payload, packet.length, self.dialect.in_force())? {
                Some(end) => {
                    let count = self.requests.current.as_ref().map_or(0, |current| current.progress.rows);
                    let outcome = Outcome::Rows { count, end: Some(end) };
                    self.tell_result(Answer::Outcome(outcome), false, now, to);
                    self.done()
                }
                None => Ok(()),
            },
            _ => {
                if let Some(current) = self.requests.current.as_mut() {
                    current.progress.rows += 1;
                }
                Ok(())
            }
        }
    }

    /// The answer has a form of its own and tells nothing of the session.
    fn answered_by_itself(&mut self, packet: &Packet<'_>, now: Now, to: &mut Listener<'_>) -> Result<(), Trouble> {
        let error = packet.payload.first() == Some(&0xff);
        let answer = match ErrPacket::parse(packet.payload) {
            Ok(refused) if error => Answer::Outcome(Outcome::Error(refused)),
            _ => Answer::Packet(packet.payload),
        };
        self.tell_result(answer, false, now, to);
        self.done()
    }

    /// The server answers with an error, which tells nothing of the session.
    fn refused(&mut self, packet: &Packet<'_>, now: Now, to: &mut Listener<'_>) -> Result<(), Trouble> {
        self.answered_by_itself(packet, now, to)
    }

    fn change_user(&mut self, packet: &Packet<'_>, now: Now, to: &mut Listener<'_>) -> Result<(), Trouble> {
        let Some(current) = self.requests.current.as_mut() else { return Ok(()) };
        let number = Some(current.request.number);
        let login = match &mut current.request.kind {
            RequestKind::ChangeUser(login) if matches!(packet.payload.first(), Some(0x00 | 0xff)) => {
                std::mem::take(&mut **login)
            }
            _ => PendingLogin::default(),
        };
        match packet.payload.first() {
            Some(0x00) => {
                let ok = OkPacket::parse(packet.payload, self.dialect.in_force())?;
                self.begin_again(to);
                self.logged_in(login, &ok, number, now, to);
                self.tell_result(Answer::Outcome(Outcome::Ok(ok)), false, now, to);
                self.done()
            }
            // MariaDB takes an empty COM_CHANGE_USER for a new connection, capabilities included.
            Some(0x0a) => Err(Malformed("greeting as the answer to COM_CHANGE_USER").into()),
            Some(0xff) => {
                // MariaDB drops the old session's state before it authenticates the new one.
                self.begin_again(to);
                self.login_refused(&login, packet.payload, number, now, to);
                self.refused(packet, now, to)
            }
            _ => Ok(()),
        }
    }

    /// The server dropped the session's variables, its prepared statements, and their cursors with them.
    fn begin_again(&mut self, to: &mut Listener<'_>) {
        self.facts.connection_reset();
        for cursor in self.statements.clear() {
            self.end_cursor(cursor, to);
        }
        if self.interest.contains(Interest::RESETS) {
            to.reset(&self.facts);
        }
    }

    fn simple(&mut self, packet: &Packet<'_>, now: Now, to: &mut Listener<'_>) -> Result<(), Trouble> {
        let capabilities = self.dialect.in_force();
        let outcome = match packet.payload.first() {
            Some(0x00) => {
                let ok = OkPacket::parse(packet.payload, capabilities)?;
                match self.requests.current.as_ref().map(|current| (&current.request.kind, &current.request.body)) {
                    Some((RequestKind::InitDb, name)) => self.facts.enter_database(name),
                    Some((RequestKind::ResetConnection, _)) => self.begin_again(to),
                    _ => {}
                }
                self.facts.apply_ok(&ok);
                self.option_set();
                Outcome::Ok(ok)
            }
            Some(0xfe) => {
                let end = row_end(packet.payload, packet.length, capabilities)?;
                if let Some(end) = end {
                    self.facts.status = Some(end.status());
                }
                self.option_set();
                Outcome::Rows { count: 0, end }
            }
            Some(0xff) => return self.refused(packet, now, to),
            _ => return Err(Malformed("answer where an OK packet is due").into()),
        };
        self.tell_result(Answer::Outcome(outcome), false, now, to);
        self.done()
    }

    /// A successful COM_SET_OPTION: 0 switches multi-statements on, 1 off.
    fn option_set(&mut self) {
        if let Some(current) = &self.requests.current
            && let Request { kind: RequestKind::SetOption, body, .. } = &current.request
        {
            self.multi_statements = Some(body.first().is_none_or(|option| *option == 0));
        }
    }

    /// The oldest request is answered completely.
    pub(super) fn done(&mut self) -> Result<(), Trouble> {
        if let Some(body) = self.requests.finish() {
            self.recycle(body);
        }
        Ok(())
    }

    pub(super) fn recycle(&mut self, mut body: Vec<u8>) {
        // One large statement must not be paid for by the session's whole life.
        if self.spare.len() < 2 && body.capacity() <= 64 * 1024 {
            body.clear();
            self.spare.push(body);
        }
    }

    // Session state that statements show

    /// Remembers which columns of the result about to come tell session state.
    fn find_variables(&mut self) {
        let Some(current) = self.requests.current.as_mut() else { return };
        current.progress.variables.clear();
        if let RequestKind::Query { .. } | RequestKind::Probe = current.request.kind
            && let Some(sql) = current_sql(&current.request)
        {
            let selected = variables_selected(sql, self.facts.lexis()).into_iter();
            current.progress.variables.extend(selected.map(|(column, name)| (column, name.to_ascii_lowercase())));
        }
    }

    /// Reads the columns of a text protocol row that tell session state.
    fn variables_row(&mut self, row: &[u8]) {
        let Some(current) = self.requests.current.as_mut() else { return };
        // In the order of their columns.
        let variables = std::mem::take(&mut current.progress.variables);
        let mut variables = variables.iter().peekable();
        for (column, value) in TextRow::new(row).enumerate() {
            let Ok(value) = value else { break };
            while let Some((_, name)) = variables.next_if(|(wanted, _)| *wanted == column) {
                // Of these variables only a character set may be NULL.
                if let Some(setting) = SessionSetting::from_variable(name, value.or(Some(b"NULL"))) {
                    self.facts.apply_setting(setting);
                }
            }
            if variables.peek().is_none() {
                break;
            }
        }
    }
}
