//! The server's packets of the command phase: which packet is what.

use super::Now;
use super::ending::{Outcome, current_sql};
use super::exchange::{AfterDefinitions, Exchange, Expect, Progress};
use super::observer::Emit;
use super::request::{Request, RequestKind};
use super::sight::Trouble;
use crate::mysql::sql::{SessionSetting, variables_selected};
use crate::mysql::wire::{
    CapabilityFlags, EofPacket, ErrPacket, Malformed, OkPacket, Packet, PrepareOk, Reader, RowEnd, StatusFlags,
    column_count, is_progress_report, row_end,
};

/// `ER_MAX_PREPARED_STMT_COUNT_REACHED`: MariaDB refuses before it begins to prepare, so that the statement prepared last stays what it was.
const MAX_PREPARED_STMT_COUNT_REACHED: u16 = 1461;

impl Exchange {
    pub(super) fn response(&mut self, packet: &Packet<'_>, now: Now, emit: &mut Emit<'_>) -> Result<(), Trouble> {
        if packet.payload.first() != Some(&0xff) {
            // It went on: an error that nobody had asked for was not its last word.
            self.last_words = None;
        }
        self.response_packet(packet, now, emit)?;
        self.begin_waiting(emit);
        Ok(())
    }

    fn response_packet(&mut self, packet: &Packet<'_>, now: Now, emit: &mut Emit<'_>) -> Result<(), Trouble> {
        let Some(request) = self.requests.front_mut() else {
            return self.unasked(packet);
        };
        if is_progress_report(packet.payload) {
            return Ok(());
        }
        match self.progress.expect {
            Expect::Rows => {
                if packet.payload.first().is_none_or(|first| *first < 0xfe) {
                    if self.progress.rows == 0 && !self.progress.watched.is_empty() {
                        self.watched_row(packet.payload);
                    }
                    self.progress.rows += 1;
                    return Ok(());
                }
                self.rows_or_end(packet, now, emit)
            }
            Expect::Definitions { left, then } => {
                if packet.payload.first() == Some(&0xff) {
                    return self.result(Outcome::Err(ErrPacket::parse(packet.payload)?), now, emit);
                }
                if left > 1 {
                    self.progress.expect = Expect::Definitions { left: left - 1, then };
                    return Ok(());
                }
                if self.facts.in_force().contains(CapabilityFlags::DEPRECATE_EOF) {
                    self.after_definitions(then)
                } else {
                    self.progress.expect = Expect::DefinitionsEof { then };
                    Ok(())
                }
            }
            Expect::DefinitionsEof { then } => {
                let eof = match packet.payload {
                    [0xfe, ..] if packet.length < EofPacket::BELOW => EofPacket::parse(packet.payload)?,
                    _ => return Err(Malformed("packet behind column definitions, where an EOF is due").into()),
                };
                if then == AfterDefinitions::Rows && eof.status.contains(StatusFlags::PS_OUT_PARAMS) {
                    // MySQL says it here and not behind the row (`Protocol_binary::send_parameters`); an OK of the CALL follows.
                    self.progress.more_announced = eof.status.contains(StatusFlags::MORE_RESULTS_EXISTS);
                }
                if then == AfterDefinitions::Rows && request.opens_cursor(eof.status) {
                    return self.result(Outcome::Rows { count: 0, end: RowEnd::Eof(eof) }, now, emit);
                }
                self.after_definitions(then)
            }
            Expect::FileContent => match packet.payload.first() {
                // The server gave up before the file's end.
                Some(0xff) => {
                    self.file_refused = true;
                    self.result(Outcome::Err(ErrPacket::parse(packet.payload)?), now, emit)
                }
                _ => Err(Malformed("server packet while the client sends a file").into()),
            },
            Expect::Head => match &request.kind {
                RequestKind::Query { .. }
                | RequestKind::Execute(_)
                | RequestKind::BulkExecute(_)
                | RequestKind::ResultSet => self.result_head(packet, now, emit),
                RequestKind::Prepare => self.prepare_head(packet, now, emit),
                RequestKind::Fetch { .. } => {
                    self.progress.expect = Expect::Rows;
                    self.response_packet(packet, now, emit)
                }
                RequestKind::FieldList => self.field_list(packet),
                RequestKind::AnyPacket => self.done(),
                RequestKind::ChangeUser(_) => self.change_user(packet, emit),
                RequestKind::Simple
                | RequestKind::SetOption
                | RequestKind::Reset { .. }
                | RequestKind::InitDb
                | RequestKind::ResetConnection => self.simple(packet, emit),
                RequestKind::Stream(_) if packet.payload.first() == Some(&0xff) => self.done(),
                RequestKind::Stream(trouble) => Err(*trouble),
                RequestKind::Unknown if packet.payload.first() == Some(&0xff) => self.done(),
                // The server refuses what is out of order, and closes.
                RequestKind::EarlyContent { .. } => self.unasked(packet),
                // They are never in front.
                RequestKind::LongData { .. } | RequestKind::Close { .. } => self.unasked(packet),
                RequestKind::Unknown => Err(Malformed("answer to an unknown command").into()),
            },
        }
    }

    pub(super) fn unasked(&mut self, packet: &Packet<'_>) -> Result<(), Trouble> {
        if packet.payload.first() != Some(&0xff) {
            return Err(Malformed("server packet without a request").into());
        }
        // The last words before the server closes: idle too long, shut down, packet too large.
        self.last_words = Some(ErrPacket::parse(packet.payload)?.to_string());
        Ok(())
    }

    pub(super) fn rows_or_end(&mut self, packet: &Packet<'_>, now: Now, emit: &mut Emit<'_>) -> Result<(), Trouble> {
        if packet.payload.first() == Some(&0xff) {
            return self.result(Outcome::Err(ErrPacket::parse(packet.payload)?), now, emit);
        }
        match row_end(packet.payload, packet.length, self.facts.in_force())? {
            Some(end) => self.result(Outcome::Rows { count: self.progress.rows, end }, now, emit),
            None => {
                self.progress.rows += 1;
                Ok(())
            }
        }
    }

    pub(super) fn result_head(&mut self, packet: &Packet<'_>, now: Now, emit: &mut Emit<'_>) -> Result<(), Trouble> {
        let capabilities = self.facts.in_force();
        match packet.payload.first() {
            Some(0x00) => self.result(Outcome::Ok(OkPacket::parse(packet.payload, capabilities)?), now, emit),
            Some(0xff) => self.result(Outcome::Err(ErrPacket::parse(packet.payload)?), now, emit),
            Some(0xfb) => {
                self.file_asked_for();
                Ok(())
            }
            // Some commands of the text protocol end with an EOF where an OK would do.
            Some(0xfe) if packet.length < EofPacket::BELOW => {
                let end = RowEnd::Eof(EofPacket::parse(packet.payload)?);
                self.result(Outcome::Rows { count: 0, end }, now, emit)
            }
            _ => {
                let (count, definitions_follow) = column_count(packet.payload, capabilities)?;
                self.progress.rows = 0;
                self.watch_variables();
                self.progress.expect = if definitions_follow {
                    Expect::Definitions { left: count, then: AfterDefinitions::Rows }
                } else if capabilities.contains(CapabilityFlags::DEPRECATE_EOF) {
                    Expect::Rows
                } else {
                    Expect::DefinitionsEof { then: AfterDefinitions::Rows }
                };
                Ok(())
            }
        }
    }

    pub(super) fn after_definitions(&mut self, then: AfterDefinitions) -> Result<(), Trouble> {
        match then {
            AfterDefinitions::Rows => {
                self.progress.expect = Expect::Rows;
                Ok(())
            }
            AfterDefinitions::PreparedColumns(0) | AfterDefinitions::Nothing => self.prepared(),
            AfterDefinitions::SecondEof => {
                self.progress.expect = Expect::DefinitionsEof { then: AfterDefinitions::Nothing };
                Ok(())
            }
            AfterDefinitions::PreparedColumns(left) => {
                self.progress.expect = Expect::Definitions { left, then: AfterDefinitions::Nothing };
                Ok(())
            }
        }
    }

    pub(super) fn prepare_head(&mut self, packet: &Packet<'_>, now: Now, emit: &mut Emit<'_>) -> Result<(), Trouble> {
        if packet.payload.first() == Some(&0xff) {
            // The statement will never be executed, so its failure is told here.
            let error = ErrPacket::parse(packet.payload)?;
            if error.code != MAX_PREPARED_STMT_COUNT_REACHED {
                self.statements.forget_last();
            }
            return self.result(Outcome::Err(error), now, emit);
        }
        let prepare = PrepareOk::parse(packet.payload, self.facts.in_force())?;
        self.progress.prepare = Some(prepare);
        let (params, columns) = (u64::from(prepare.params), u64::from(prepare.columns));
        let deprecate_eof = self.facts.in_force().contains(CapabilityFlags::DEPRECATE_EOF);
        match (prepare.definitions_follow, params) {
            (false, _) if deprecate_eof => self.prepared(),
            // Without definitions their EOFs come all the same.
            (false, 0) if columns == 0 => self.prepared(),
            (false, params) => {
                let then = match (params, columns) {
                    (0, _) | (_, 0) => AfterDefinitions::Nothing,
                    _ => AfterDefinitions::SecondEof,
                };
                self.progress.expect = Expect::DefinitionsEof { then };
                Ok(())
            }
            (true, 0) => self.after_definitions(AfterDefinitions::PreparedColumns(columns)),
            (true, left) => {
                self.progress.expect = Expect::Definitions { left, then: AfterDefinitions::PreparedColumns(columns) };
                Ok(())
            }
        }
    }

    pub(super) fn prepared(&mut self) -> Result<(), Trouble> {
        if let (Some(prepare), Some(request)) = (self.progress.prepare.take(), self.requests.front_mut()) {
            let params = usize::from(prepare.params);
            self.statements.insert(prepare.statement_id, &request.body, request.truncated, params);
        }
        self.done()
    }

    pub(super) fn field_list(&mut self, packet: &Packet<'_>) -> Result<(), Trouble> {
        match packet.payload.first() {
            Some(0xff) => self.done(),
            Some(0xfe) if row_end(packet.payload, packet.length, self.facts.in_force())?.is_some() => self.done(),
            _ => Ok(()),
        }
    }

    pub(super) fn change_user(&mut self, packet: &Packet<'_>, emit: &mut Emit<'_>) -> Result<(), Trouble> {
        match packet.payload.first() {
            Some(0x00) => {
                let ok = OkPacket::parse(packet.payload, self.facts.in_force())?;
                self.facts.forget_variables();
                self.forget_statements(emit);
                if let Some(RequestKind::ChangeUser(login)) = self.requests.front_mut().map(|request| &mut request.kind)
                {
                    self.login = std::mem::take(login);
                }
                self.logged_in(&ok);
                self.done()
            }
            // MariaDB takes an empty COM_CHANGE_USER for a new connection, capabilities included.
            Some(0x0a) => Err(Malformed("greeting as the answer to COM_CHANGE_USER").into()),
            Some(0xff) => {
                // MariaDB drops the old session's state before it authenticates the new one.
                self.facts.forget_variables();
                self.forget_statements(emit);
                self.done()
            }
            _ => Ok(()),
        }
    }

    /// The server dropped the session's prepared statements, and their cursors with them.
    pub(super) fn forget_statements(&mut self, emit: &mut Emit<'_>) {
        for cursor in self.statements.clear() {
            self.end_cursor(cursor, None, emit);
        }
    }

    pub(super) fn simple(&mut self, packet: &Packet<'_>, emit: &mut Emit<'_>) -> Result<(), Trouble> {
        let capabilities = self.facts.in_force();
        match packet.payload.first() {
            Some(0x00) => {
                let ok = OkPacket::parse(packet.payload, capabilities)?;
                match self.requests.front().map(|request| (&request.kind, &request.body)) {
                    Some((RequestKind::InitDb, name)) => self.facts.enter_database(name),
                    Some((RequestKind::ResetConnection, _)) => {
                        self.facts.forget_variables();
                        self.forget_statements(emit);
                    }
                    _ => {}
                }
                self.facts.apply_ok(&ok);
                self.option_set();
                self.done()
            }
            Some(0xfe) => {
                if let Some(end) = row_end(packet.payload, packet.length, capabilities)? {
                    self.facts.status = Some(end.status());
                }
                self.option_set();
                self.done()
            }
            Some(0xff) => self.done(),
            _ => Err(Malformed("answer where an OK packet is due").into()),
        }
    }

    /// A successful COM_SET_OPTION: 0 switches multi-statements on, 1 off.
    fn option_set(&mut self) {
        if let Some(Request { kind: RequestKind::SetOption, body, .. }) = self.requests.front() {
            self.multi_statements = Some(body.first().is_none_or(|option| *option == 0));
        }
    }

    /// The oldest request is answered completely.
    pub(super) fn done(&mut self) -> Result<(), Trouble> {
        self.progress = Progress::default();
        if let Some(request) = self.requests.pop() {
            self.recycle(request);
        }
        Ok(())
    }

    pub(super) fn recycle(&mut self, request: Request) {
        let mut body = request.body;
        // One large statement must not be paid for by the session's whole life.
        if self.spare.len() < 2 && body.capacity() <= 64 * 1024 {
            body.clear();
            self.spare.push(body);
        }
    }

    // Session state that statements show

    /// Remembers which columns of the result about to come tell session state.
    pub(super) fn watch_variables(&mut self) {
        self.progress.watched.clear();
        let Some(request) = self.requests.front() else { return };
        if let RequestKind::Query { .. } = request.kind
            && let Some(sql) = current_sql(request)
        {
            let selected = variables_selected(sql, self.facts.lexis()).into_iter();
            self.progress.watched.extend(selected.map(|(column, name)| (column, name.to_ascii_lowercase())));
        }
    }

    /// Reads the watched columns of a text protocol row.
    pub(super) fn watched_row(&mut self, row: &[u8]) {
        let mut reader = Reader::new(row, "row");
        let mut column = 0;
        // In the order of their columns.
        let watched = std::mem::take(&mut self.progress.watched);
        let mut watched = watched.iter().peekable();
        while !reader.is_empty() && watched.peek().is_some() {
            let value = if reader.rest().first() == Some(&0xfb) {
                reader.u8().ok();
                None
            } else {
                match reader.lenenc_bytes() {
                    Ok(value) => Some(value),
                    Err(_) => break,
                }
            };
            while let Some((_, name)) = watched.next_if(|(wanted, _)| *wanted == column) {
                if let Some(setting) = SessionSetting::from_variable(name, value) {
                    self.facts.apply_setting(setting);
                }
            }
            column += 1;
        }
    }
}
