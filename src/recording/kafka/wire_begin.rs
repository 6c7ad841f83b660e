//! A session's beginning as JSON.

use serde::{Deserialize, Serialize};

use super::wire_content::{Content, content, is_false};
use crate::mysql::wire::CapabilityFlags;
use crate::recording::{PreparedBefore, RecordedError, SessionBegin, SessionSettings};

#[derive(Serialize, Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(super) struct WireBegin {
    #[serde(skip_serializing_if = "is_false")]
    began_before: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attributes: Vec<(String, String)>,
    settings: WireSettings,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    prepared: Vec<(u32, Content)>,
    #[serde(skip_serializing_if = "is_false")]
    in_transaction: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<WireServerError>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct WireSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    client_charset: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    results_charset: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    login_collation: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    isolation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sql_mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    autocommit: Option<bool>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct WireServerError {
    code: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    message: String,
}

impl WireServerError {
    pub(super) fn of(error: &RecordedError) -> Self {
        Self { code: error.code, state: error.state.clone(), message: error.message.clone() }
    }

    pub(super) fn into_error(self) -> RecordedError {
        RecordedError { code: self.code, state: self.state, message: self.message }
    }
}

impl WireBegin {
    pub(super) fn of(begin: &SessionBegin) -> Self {
        let settings = &begin.settings;
        Self {
            began_before: begin.began_before,
            client: begin.client.clone(),
            connection_id: begin.connection_id,
            server_version: begin.server_version.clone(),
            user: begin.user.clone(),
            database: begin.database.clone(),
            capabilities: begin.capabilities.map(|flags| flags.bits()),
            attributes: begin.attributes.clone(),
            settings: WireSettings {
                client_charset: settings.client_charset.clone(),
                results_charset: settings.results_charset.clone(),
                login_collation: settings.login_collation,
                time_zone: settings.time_zone.clone(),
                isolation: settings.isolation.clone(),
                sql_mode: settings.sql_mode.clone(),
                autocommit: settings.autocommit,
            },
            prepared: begin.prepared.iter().map(|prepared| (prepared.id, content(&prepared.sql))).collect(),
            in_transaction: begin.in_transaction,
            refused: begin.refused.as_ref().map(WireServerError::of),
        }
    }

    pub(super) fn into_begin(self) -> SessionBegin {
        let settings = self.settings;
        SessionBegin {
            began_before: self.began_before,
            client: self.client,
            connection_id: self.connection_id,
            server_version: self.server_version,
            user: self.user,
            database: self.database,
            capabilities: self.capabilities.map(CapabilityFlags::from_bits_retain),
            attributes: self.attributes,
            settings: SessionSettings {
                client_charset: settings.client_charset,
                results_charset: settings.results_charset,
                login_collation: settings.login_collation,
                time_zone: settings.time_zone,
                isolation: settings.isolation,
                sql_mode: settings.sql_mode,
                autocommit: settings.autocommit,
            },
            prepared: self.prepared.into_iter().map(|(id, sql)| PreparedBefore { id, sql: sql.0 }).collect(),
            in_transaction: self.in_transaction,
            refused: self.refused.map(WireServerError::into_error),
        }
    }
}
