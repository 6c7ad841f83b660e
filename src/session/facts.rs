//! What is known of a session, as its messages show it.

use super::named::NamedStatements;
use super::reading::Reading;
use crate::mysql::charset::Charset;
use crate::mysql::sql::{ClientCharset, Flavor, IsolationLevel, Lexis, SessionSetting, SqlMode, version_number};
use crate::mysql::wire::{CapabilityFlags, Greeting, OkPacket, SessionChange, StatusFlags};

/// State of one session, followed from its greeting on. `None` means: not seen on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionFacts {
    /// From the greeting; MariaDB's compatibility prefix `5.5.5-` is kept as sent.
    pub server_version: Option<String>,
    /// The server's connection id, from the greeting.
    pub connection_id: Option<u32>,
    /// As the client logged in; follows COM_CHANGE_USER.
    pub user: Option<String>,
    /// The database given at login or by COM_CHANGE_USER.
    pub login_database: Option<String>,
    /// The database current now.
    pub current_database: Option<String>,
    /// Of the last OK or EOF packet.
    pub status: Option<StatusFlags>,
    /// What client and server agreed on.
    pub capabilities: Option<CapabilityFlags>,
    /// Session time zone.
    pub time_zone: Option<String>,
    /// Session isolation level.
    pub isolation: Option<IsolationLevel>,
    /// `sql_mode`, as far as texts are read by it.
    pub sql_mode: Option<SqlMode>,
    /// `sql_mode` as it was set, if that was a text or a number.
    pub sql_mode_text: Option<String>,
    /// `character_set_client`: the character set of statements.
    pub client_charset: Option<Charset>,
    /// `character_set_results`: that of errors; `binary` where they are not converted.
    pub results_charset: Option<Charset>,
    /// The collation id that the login asked for, or the last COM_CHANGE_USER.
    pub login_collation: Option<u16>,
    /// What the login asked for; MariaDB's COM_RESET_CONNECTION goes back to it.
    pub login_charset: Option<Charset>,
    /// Which server it is, told by more than its version's text.
    pub flavor: Option<Flavor>,
    /// Its version as comments are compared with it.
    pub version: Option<u32>,
    /// What EXECUTE would run.
    pub(crate) named: NamedStatements,
    /// Statements so far, each parameter set of a batch counted.
    pub execution_count: u64,
}

/// Text in a character set that may not be known.
pub(super) fn text(charset: Option<Charset>, bytes: &[u8]) -> String {
    charset.unwrap_or(Charset::Binary).to_text(bytes, false).into_owned()
}

/// The character set that a login's collation asks for. A server takes its own default for one that it does not have.
pub(super) fn charset_of_login(collation: Option<u16>, flavor: Option<Flavor>) -> Option<Charset> {
    let collation = collation?;
    let is_there = match flavor {
        Some(Flavor::MySql) => collation < 324,
        Some(Flavor::MariaDb) => !matches!(collation, 76 | 248..=250 | 255..=323),
        None => true,
    };
    Charset::from_collation(collation).filter(|_| is_there)
}

impl SessionFacts {
    /// Takes over what an OK packet says of the session.
    pub(super) fn apply_ok(&mut self, ok: &OkPacket<'_>) {
        self.status = Some(ok.status);
        for change in ok.session_changes() {
            match change {
                SessionChange::Schema(name) => {
                    self.current_database = Some(text(Some(Charset::Utf8mb4), name)).filter(|name| !name.is_empty());
                }
                SessionChange::SystemVariable { name, value } => {
                    if let Some(setting) = SessionSetting::from_variable(name, Some(value)) {
                        self.apply_setting(setting);
                    }
                }
            }
        }
    }

    /// A database became the current one. Both servers write one name in their own way.
    pub(super) fn enter_database(&mut self, name: &[u8]) {
        let is_fixed = name.eq_ignore_ascii_case(b"information_schema");
        let name = text(self.client_charset, name);
        self.current_database = Some(if is_fixed { name.to_ascii_lowercase() } else { name });
    }

    /// A database was dropped: whoever is in it is in none.
    pub(super) fn database_dropped(&mut self, name: &[u8]) {
        if self.current_database.as_ref().is_some_and(|current| *current == text(self.client_charset, name)) {
            self.current_database = None;
        }
    }

    pub(super) fn apply_setting(&mut self, setting: SessionSetting) {
        match setting {
            SessionSetting::TimeZone(value) => self.time_zone = value,
            SessionSetting::Isolation(value) => self.isolation = value,
            SessionSetting::ClientCharset(charset) => self.client_charset = charset,
            SessionSetting::ResultsCharset(charset) => self.results_charset = charset,
            SessionSetting::SqlMode(mode) => {
                self.sql_mode_text = mode.as_ref().map(|mode| mode.text.clone());
                self.sql_mode = mode.map(|mode| mode.mode);
            }
        }
    }

    /// Session variables went back to values that the wire does not show.
    pub(super) fn forget_variables(&mut self) {
        self.time_zone = None;
        self.isolation = None;
        self.sql_mode = None;
        self.sql_mode_text = None;
        self.client_charset = None;
        self.results_charset = None;
        self.named.clear();
    }

    /// COM_RESET_CONNECTION. MySQL goes back to the server's own character sets (`THD::cleanup_connection`), MariaDB to the login's
    /// (`COM_RESET_CONNECTION` in `sql/sql_parse.cc`).
    pub(super) fn connection_reset(&mut self) {
        self.forget_variables();
        if self.flavor == Some(Flavor::MariaDb) {
            self.client_charset = self.login_charset;
            self.results_charset = self.login_charset;
        }
    }

    /// Statements within a statement have set what their text mentions, perhaps.
    pub(super) fn forget_mentioned(&mut self, sql: &[u8]) {
        let mentions = |word: &str| sql.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()));
        if !mentions("set") {
            return;
        }
        if mentions("sql_mode") {
            self.sql_mode = None;
            self.sql_mode_text = None;
        }
        if mentions("character") || mentions("names") || mentions("charset") {
            self.client_charset = None;
            self.results_charset = None;
        }
        if mentions("time_zone") {
            self.time_zone = None;
        }
        if mentions("isolation") {
            self.isolation = None;
        }
    }

    /// Statements or their outcomes were missed: what they may have changed is not known any more.
    pub(super) fn forget_what_changes(&mut self) {
        self.forget_variables();
        self.current_database = None;
        self.status = None;
    }

    /// Takes over what the greeting tells.
    pub(super) fn greeted(&mut self, greeting: &Greeting<'_>) {
        let version = text(None, greeting.server_version);
        self.version = version_number(&version);
        self.server_version = Some(version);
        self.connection_id = Some(greeting.connection_id);
        self.status = Some(greeting.status);
        // MariaDB says that it is not MySQL by leaving out MySQL's oldest capability.
        let is_mysql = greeting.capabilities.contains(CapabilityFlags::LONG_PASSWORD);
        self.flavor = Some(if is_mysql { Flavor::MySql } else { Flavor::MariaDb });
    }

    /// How the session's texts are read now.
    pub fn lexis(&self) -> Lexis {
        let status = self.status.unwrap_or_default();
        let said_by_status = self
            .status
            .filter(|_| self.flavor == Some(Flavor::MariaDb))
            .map(|status| status.contains(StatusFlags::ANSI_QUOTES));
        Lexis {
            flavor: self.flavor,
            version: self.version,
            ansi_quotes: said_by_status.or_else(|| self.sql_mode.map(|mode| mode.ansi_quotes)),
            backslash_escapes: Some(!status.contains(StatusFlags::NO_BACKSLASH_ESCAPES)),
            charset: ClientCharset::of(self.client_charset),
        }
    }

    /// How what is sent now is read.
    pub fn reading(&self) -> Reading {
        let text = self.client_charset.unwrap_or(Charset::Binary);
        let results = self.results_charset.unwrap_or(Charset::Binary);
        Reading { lexis: self.lexis(), text, params: text, results }
    }
}
