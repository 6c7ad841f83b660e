//! One recorded session on the target.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::conversation::{Broken, Conversation};
use super::deterministic::OwnSettings;
use super::encode::{self, PacketBuffer};
use super::error::{PlayError, Unplayable};
use super::options::PlayOptions;
use super::restore::AfterLogin;
use super::statements::{Prepared, Statements, prepared_by};
use super::target::Target;
use super::{capabilities, change_user, deterministic, restore};
use crate::client::{Exchange, LoginOptions};
use crate::mysql::wire::{CapabilityFlags, Command, LoginFacts, StatusFlags};
use crate::recording::{RecordedAnswer, RecordedCommand, SessionBegin, SessionClose};
use crate::session::{Now, SessionFacts};

/// What our sessions say of themselves beside what the recorded client said.
const ATTRIBUTE: (&str, &str) = ("replayed_by", "mysql-interceptor");

/// What cannot be restored is told up to this many times.
const MOST_COMPLAINTS: usize = 100;

/// A recorded session on the target: an open connection, and what is known of the session.
///
/// Its commands are played one after the other, in the recorded order; those that the client sent without waiting for answers, too.
pub struct TargetSession {
    conversation: Conversation,
    target: Target,
    options: PlayOptions,
    attributes: Vec<(String, String)>,
    statements: Statements,
    out: PacketBuffer,
    is_open: bool,
    not_restored: Vec<String>,
    own_settings: OwnSettings,
}

impl std::fmt::Debug for TargetSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let id = self.connection_id();
        f.debug_struct("TargetSession").field("target", &self.target).field("id", &id).finish_non_exhaustive()
    }
}

impl TargetSession {
    /// Logs in as the recorded user's account with what the recorded session agreed on, and restores what is known of the session's state.
    pub async fn open(target: &Target, begin: &SessionBegin, options: &PlayOptions) -> Result<Self, PlayError> {
        if begin.refused.is_some() {
            return Err(Unplayable::RefusedLogin.into());
        }
        let account = target.account(begin.user.as_deref())?;
        let mut attributes = begin.attributes.clone();
        attributes.push((ATTRIBUTE.0.to_owned(), ATTRIBUTE.1.to_owned()));
        let database = begin.database.as_deref().map(|name| options.database(name));
        let login = LoginOptions {
            database: database.as_deref(),
            collation: begin.settings.login_collation,
            capabilities: capabilities::to_ask_for(begin.capabilities),
            attributes: &attributes,
            ..LoginOptions::new(&account.user, &account.password, target.endpoint().tls.mode)
        };
        let conversation = Conversation::open(target.endpoint(), login, options).await?;
        let mut session = Self {
            conversation,
            target: target.clone(),
            options: options.clone(),
            attributes,
            statements: Statements::default(),
            out: PacketBuffer::default(),
            is_open: true,
            not_restored: Vec::new(),
            own_settings: OwnSettings::default(),
        };
        session.restore(begin).await?;
        Ok(session)
    }

    async fn restore(&mut self, begin: &SessionBegin) -> Result<(), PlayError> {
        let collation = begin.settings.login_collation;
        let facts = self.facts();
        let here = AfterLogin {
            has_collation: facts.client_charset.is_some() && collation.is_some_and(|id| id < 256),
            autocommit: facts.status.map(|status| status.contains(StatusFlags::AUTOCOMMIT)),
            time_zone: facts.time_zone.as_deref(),
            sql_mode: facts.sql_mode_text.as_deref(),
        };
        for statement in restore::statements(&begin.settings, here) {
            self.ask_for(&statement).await?;
        }
        for prepared in &begin.prepared {
            self.prepare_again(prepared.id, &prepared.sql).await?;
        }
        Ok(())
    }

    /// Runs a statement of our own that sets something of the session.
    async fn ask_for(&mut self, statement: &str) -> Result<(), PlayError> {
        encode::query(self.out.begin(), statement.as_bytes(), &[], self.conversation.capabilities())?;
        let observed = self.ask(&[]).await?;
        if let Some(error) = observed.error()
            && self.not_restored.len() < MOST_COMPLAINTS
        {
            self.not_restored.push(format!("{statement}: ERROR {}: {}", error.code, error.message));
        }
        Ok(())
    }

    /// The session as the target has it.
    pub fn facts(&self) -> &SessionFacts {
        self.conversation.facts()
    }

    /// The target's id of the connection, as KILL takes it.
    pub fn connection_id(&self) -> Option<u32> {
        self.facts().connection_id
    }

    /// The target's version as its greeting has it.
    pub fn server_version(&self) -> &str {
        self.conversation.server_version()
    }

    /// What the target and we agreed on.
    pub fn capabilities(&self) -> CapabilityFlags {
        self.conversation.capabilities()
    }

    /// Whether the connection is there.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether a transaction is open on the target.
    pub fn in_transaction(&self) -> bool {
        self.is_open && self.facts().status.is_some_and(|status| status.contains(StatusFlags::IN_TRANS))
    }

    /// What of the session's state could not be restored: statements of ours, and the target's errors.
    pub fn not_restored(&self) -> &[String] {
        &self.not_restored
    }

    /// Plays a command, and returns it as the target answered it. It bears the recorded id of its prepared statement.
    ///
    /// `recorded` is when it began in the recording. An error other than [`PlayError::Unplayable`] means that the connection is gone: the session
    /// can be opened again, at the recorded session's next transaction at best.
    pub async fn play(&mut self, command: &RecordedCommand, recorded: Now) -> Result<RecordedCommand, PlayError> {
        if !self.is_open {
            return Err(PlayError::Lost { reason: "it had been closed before".into(), observed: None });
        }
        if command.truncated {
            return Err(Unplayable::Truncated.into());
        }
        if command.undecodable {
            return Err(Unplayable::Undecodable.into());
        }
        if self.options.deterministic {
            self.make_deterministic(command, recorded).await?;
        }
        let mut observed =
            if is_abandoned(command) { self.abandon(command).await? } else { self.play_whole(command).await? };
        // A text may have gone in place of an execution.
        (observed.command, observed.statement) = (command.command, command.statement);
        Ok(*observed)
    }

    /// Gives what runs next the recorded time, key and random numbers, as far as its text needs them.
    async fn make_deterministic(&mut self, command: &RecordedCommand, recorded: Now) -> Result<(), PlayError> {
        let runs = matches!(command.command, Command::Query | Command::StmtExecute | Command::StmtBulkExecute);
        let Some(sql) = command.sql.as_deref().filter(|_| runs) else { return Ok(()) };
        let lexis = self.facts().lexis();
        // The same in every replay, and another for every statement.
        let seed = recorded.monotonic_ns;
        let prelude = deterministic::prelude(sql, command, recorded, self.own_settings, seed, lexis);
        self.own_settings.apply(sql, lexis);
        match prelude {
            Some(statement) => self.ask_for(&statement).await,
            None => Ok(()),
        }
    }

    async fn play_whole(&mut self, command: &RecordedCommand) -> Result<Box<RecordedCommand>, PlayError> {
        match command.command {
            Command::StmtPrepare => self.prepare(command).await,
            Command::ChangeUser => self.change_user(command).await,
            // Nothing is there to close.
            Command::StmtClose if command.statement.is_some_and(|recorded| self.statements.is_text(recorded)) => {
                self.statements.remove(command.statement.unwrap_or_default());
                Ok(Box::new(RecordedCommand::new(Command::StmtClose)))
            }
            Command::StmtClose => {
                let closed = self.encode_and_ask(command).await;
                self.statements.remove(command.statement.unwrap_or_default());
                closed
            }
            Command::ResetConnection => {
                let reset = self.encode_and_ask(command).await?;
                if reset.error().is_none() {
                    self.statements.clear();
                    self.own_settings = OwnSettings::default();
                }
                Ok(reset)
            }
            _ => self.encode_and_ask(command).await,
        }
    }

    async fn encode_and_ask(&mut self, command: &RecordedCommand) -> Result<Box<RecordedCommand>, PlayError> {
        self.encode(command).await?;
        self.ask(&command.files).await
    }

    /// Writes the command's packet.
    async fn encode(&mut self, command: &RecordedCommand) -> Result<(), PlayError> {
        let in_force = self.conversation.capabilities();
        match command.command {
            Command::Query => self.encode_text(command, in_force)?,
            Command::StmtPrepare => {
                let sql = self.rewritten(command.sql.as_deref().ok_or(Unplayable::NoText)?)?;
                encode::prepare(self.out.begin(), &sql);
            }
            Command::StmtExecute => {
                let known = self.statement(command).await;
                // What is skipped here would be the beginnings of transactions.
                if known.is_err() && self.is_text(command) {
                    return Ok(self.encode_text(command, in_force)?);
                }
                let (id, params) = known?;
                if usize::from(params) != command.params.len() {
                    return Err(Unplayable::ParamCount.into());
                }
                encode::execute(self.out.begin(), id, command, in_force)?;
            }
            Command::StmtBulkExecute => {
                if !in_force.contains(CapabilityFlags::MARIADB_STMT_BULK_OPERATIONS) {
                    return Err(Unplayable::NoBulk.into());
                }
                let (id, _) = self.statement(command).await?;
                encode::bulk_execute(self.out.begin(), id, command)?;
            }
            Command::StmtFetch | Command::StmtReset | Command::StmtClose | Command::StmtSendLongData => {
                let (id, _) = self.statement(command).await?;
                encode::about_statement(self.out.begin(), id, command);
            }
            Command::BinlogDump
            | Command::BinlogDumpGtid
            | Command::TableDump
            | Command::RegisterSlave
            | Command::Clone
            | Command::SubscribeGroupReplicationStream => return Err(Unplayable::Stream.into()),
            Command::Unknown(_) | Command::Quit | Command::ChangeUser => return Err(Unplayable::UnknownCommand.into()),
            Command::InitDb | Command::CreateDb | Command::DropDb => {
                let name = String::from_utf8_lossy(command.argument.as_deref().unwrap_or_default());
                let known = self.options.schema_map.as_ref().and_then(|map| map.name(&name, self.options.copy));
                let argument = known.map(Bytes::from).or_else(|| command.argument.clone());
                encode::as_recorded(self.out.begin(), command.command, argument.as_deref());
            }
            _ => encode::as_recorded(self.out.begin(), command.command, command.argument.as_deref()),
        }
        Ok(())
    }

    fn encode_text(&mut self, command: &RecordedCommand, in_force: CapabilityFlags) -> Result<(), Unplayable> {
        let sql = self.rewritten(command.sql.as_deref().ok_or(Unplayable::NoText)?)?;
        encode::query(self.out.begin(), &sql, &command.attributes, in_force)
    }

    /// Whether the text of a prepared statement does the same as its execution: the target prepares none of its kind, and there is nothing to bind.
    fn is_text(&self, command: &RecordedCommand) -> bool {
        let has_flags = command.argument.as_ref().is_some_and(|flags| flags.iter().any(|byte| *byte != 0));
        let is_text = command.statement.is_some_and(|recorded| self.statements.is_text(recorded));
        is_text && command.sql.is_some() && command.params.is_empty() && !has_flags
    }

    /// A text with this copy's databases.
    fn rewritten<'a>(&self, sql: &'a [u8]) -> Result<Cow<'a, [u8]>, Unplayable> {
        match &self.options.schema_map {
            Some(map) => map.rewrite(sql, self.options.copy, self.facts().lexis()),
            None => Ok(Cow::Borrowed(sql)),
        }
    }

    /// The target's id of the command's prepared statement, and its number of parameters. One that was prepared out of the recording's sight is
    /// prepared now, if its text is known.
    async fn statement(&mut self, command: &RecordedCommand) -> Result<(u32, u16), PlayError> {
        let recorded = command.statement.ok_or(Unplayable::UnknownStatement)?;
        if let Some(known) = self.statements.get(recorded)? {
            return Ok(known);
        }
        let sql = command.sql.as_deref().ok_or(Unplayable::UnknownStatement)?;
        self.prepare_again(recorded, sql).await?;
        Ok(self.statements.get(recorded)?.ok_or(Unplayable::UnknownStatement)?)
    }

    async fn prepare(&mut self, command: &RecordedCommand) -> Result<Box<RecordedCommand>, PlayError> {
        let observed = self.encode_and_ask(command).await?;
        let prepared = prepared_by(&observed);
        let stale = match (command.statement, prepared) {
            (Some(recorded), prepared) => self.statements.insert(recorded, prepared),
            // The recorded server refused it: nobody will use it here either.
            (None, Prepared::Here { id, .. }) => Some(id),
            (None, Prepared::AsText | Prepared::Refused) => None,
        };
        self.close_statement(stale).await?;
        Ok(observed)
    }

    /// Prepares a statement whose PREPARE is not played.
    async fn prepare_again(&mut self, recorded: u32, sql: &[u8]) -> Result<(), PlayError> {
        let prepared = match self.rewritten(sql) {
            Ok(sql) => {
                encode::prepare(self.out.begin(), &sql);
                prepared_by(&*self.ask(&[]).await?)
            }
            Err(_) => Prepared::Refused,
        };
        let stale = self.statements.insert(recorded, prepared);
        self.close_statement(stale).await
    }

    async fn close_statement(&mut self, id: Option<u32>) -> Result<(), PlayError> {
        if let Some(id) = id {
            encode::about_statement(self.out.begin(), id, &RecordedCommand::new(Command::StmtClose));
            self.ask(&[]).await?;
        }
        Ok(())
    }

    async fn change_user(&mut self, command: &RecordedCommand) -> Result<Box<RecordedCommand>, PlayError> {
        let change = command.change_user.as_deref().ok_or(Unplayable::Undecodable)?;
        let account = self.target.account(Some(&change.user)).map_err(|_| Unplayable::NoAccount)?.clone();
        let database = change.database.as_deref().map(|name| self.options.database(name));
        let login = LoginFacts {
            collation: change.collation,
            database: database.as_deref(),
            attributes: &self.attributes,
            ..LoginFacts::new(self.conversation.capabilities(), &account.user)
        };
        let is_tls = login.capabilities.contains(CapabilityFlags::SSL);
        let mut exchange = change_user::begin(&mut self.out, &login, &account.password, is_tls);
        // Whatever comes of it, the servers drop what was prepared.
        self.statements.clear();
        self.own_settings = OwnSettings::default();
        self.authenticate(&mut exchange).await
    }

    /// The recorded client was gone before the answer was complete: the target gets the command, the same time for it, and is left, too.
    async fn abandon(&mut self, command: &RecordedCommand) -> Result<Box<RecordedCommand>, PlayError> {
        self.encode(command).await?;
        let limit = Duration::from_nanos(command.duration_ns.unwrap_or_default()).max(LEAST_PATIENCE);
        let packet = self.out.finish(0);
        let answered = timeout(limit, self.conversation.ask(packet, &command.files)).await;
        self.is_open = false;
        let observed = match answered {
            Ok(Ok(observed)) => Some(observed),
            _ => self.conversation.give_up(),
        };
        self.conversation.abort();
        observed.ok_or_else(|| PlayError::Lost { reason: "the recorded client was gone, too".into(), observed: None })
    }

    async fn ask(&mut self, files: &[Bytes]) -> Result<Box<RecordedCommand>, PlayError> {
        let packet = self.out.finish(0);
        let answer = self.conversation.ask(packet, files);
        let answer = within(self.options.statement_timeout, answer).await;
        self.answered(answer)
    }

    async fn authenticate(&mut self, exchange: &mut Exchange<'_>) -> Result<Box<RecordedCommand>, PlayError> {
        let packet = self.out.finish(0);
        let answer = self.conversation.authenticate(packet, exchange);
        let answer = within(self.options.statement_timeout, answer).await;
        self.answered(answer)
    }

    fn answered(
        &mut self,
        answer: Result<Result<Box<RecordedCommand>, Broken>, Duration>,
    ) -> Result<Box<RecordedCommand>, PlayError> {
        let answer = match answer {
            Ok(Ok(observed)) => return Ok(observed),
            other => other,
        };
        self.is_open = false;
        let observed = self.conversation.give_up();
        self.conversation.abort();
        Err(match answer {
            Err(after) => PlayError::TimedOut { after, observed },
            Ok(answer) => {
                let reason = answer.err().map(|error| error.to_string()).unwrap_or_default();
                PlayError::Lost { reason, observed }
            }
        })
    }

    /// Ends the session as the recorded one ended.
    pub async fn close(mut self, how: SessionClose) {
        if !self.is_open {
            return;
        }
        let last_packet: &[u8] = match how {
            SessionClose::Closed => &[],
            SessionClose::Quit | SessionClose::RecordingEnded => {
                self.out.begin().push(Command::Quit.byte());
                self.out.finish(0)
            }
        };
        self.conversation.close(last_packet).await;
    }
}

/// A target gets at least this long for what the recorded client did not wait for.
const LEAST_PATIENCE: Duration = Duration::from_millis(20);

/// The limit is the error.
async fn within<T>(limit: Option<Duration>, future: impl Future<Output = T>) -> Result<T, Duration> {
    match limit {
        Some(limit) => timeout(limit, future).await.map_err(|_| limit),
        None => Ok(future.await),
    }
}

/// Whether the recorded connection was gone before the command was answered.
fn is_abandoned(command: &RecordedCommand) -> bool {
    let last = command.results.last().map(|result| &result.answer);
    matches!(last, Some(RecordedAnswer::Unknown(reason)) if reason.starts_with("connection lost"))
}
