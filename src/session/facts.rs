//! What is known of a session, as its messages show it.

use crate::wire::{
    CapabilityFlags, IsolationLevel, Lexis, OkPacket, SessionChange, SessionSetting, StatusFlags,
    is_double_byte_charset,
};

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
    /// Whether characters of the client's character set may hold bytes that look like quotes or backslashes.
    pub double_byte_charset: bool,
    /// Statements so far, each parameter set of a batch counted.
    pub execution_count: u64,
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl SessionFacts {
    pub(super) fn in_force(&self) -> CapabilityFlags {
        self.capabilities.unwrap_or_default()
    }

    /// Takes over what an OK packet says of the session.
    pub(super) fn apply_ok(&mut self, ok: &OkPacket<'_>) {
        self.status = Some(ok.status);
        for change in ok.session_changes() {
            match change {
                SessionChange::Schema(name) => {
                    self.current_database = Some(text(name)).filter(|name| !name.is_empty());
                }
                SessionChange::SystemVariable { name, value } => {
                    if let Some(setting) = SessionSetting::from_variable(name, Some(value)) {
                        self.apply_setting(setting);
                    }
                }
            }
        }
    }

    pub(super) fn apply_setting(&mut self, setting: SessionSetting) {
        match setting {
            SessionSetting::TimeZone(value) => self.time_zone = value,
            SessionSetting::Isolation(value) => self.isolation = value,
            SessionSetting::ClientCharset(name) => {
                self.double_byte_charset = name.is_some_and(|name| is_double_byte_charset(name.as_bytes()));
            }
        }
    }

    /// Session variables went back to values that the wire does not show.
    pub(super) fn forget_variables(&mut self) {
        self.time_zone = None;
        self.isolation = None;
    }

    pub(super) fn lexis(&self) -> Lexis {
        Lexis {
            backslash_escapes: !self.status.unwrap_or_default().contains(StatusFlags::NO_BACKSLASH_ESCAPES),
            double_byte: self.double_byte_charset,
        }
    }
}
