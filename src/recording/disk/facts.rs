//! The column `facts`: what is rarely there, as JSON.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::error::Failure;
use crate::mysql::wire::CapabilityFlags;
use crate::recording::{SessionBegin, SessionSettings, UserChange};

/// A [`SessionBegin`] without what has columns: its prepared statements, and the error of a login that was refused.
#[derive(Serialize, Deserialize)]
struct BeginFacts<'a> {
    began_before: bool,
    client: Option<Cow<'a, str>>,
    connection_id: Option<u32>,
    server_version: Option<Cow<'a, str>>,
    user: Option<Cow<'a, str>>,
    database: Option<Cow<'a, str>>,
    capabilities: Option<u64>,
    attributes: Cow<'a, [(String, String)]>,
    client_charset: Option<Cow<'a, str>>,
    results_charset: Option<Cow<'a, str>>,
    login_collation: Option<u16>,
    time_zone: Option<Cow<'a, str>>,
    isolation: Option<Cow<'a, str>>,
    sql_mode: Option<Cow<'a, str>>,
    autocommit: Option<bool>,
    in_transaction: bool,
}

#[derive(Serialize, Deserialize)]
struct UserFacts<'a> {
    user: Cow<'a, str>,
    database: Option<Cow<'a, str>>,
    collation: Option<u16>,
}

fn borrowed(text: &Option<String>) -> Option<Cow<'_, str>> {
    text.as_deref().map(Cow::Borrowed)
}

fn owned(text: Option<Cow<'_, str>>) -> Option<String> {
    text.map(Cow::into_owned)
}

pub(super) fn write_begin(begin: &SessionBegin) -> Result<String, Failure> {
    let settings = &begin.settings;
    let facts = BeginFacts {
        began_before: begin.began_before,
        client: borrowed(&begin.client),
        connection_id: begin.connection_id,
        server_version: borrowed(&begin.server_version),
        user: borrowed(&begin.user),
        database: borrowed(&begin.database),
        capabilities: begin.capabilities.map(|flags| flags.bits()),
        attributes: Cow::Borrowed(&begin.attributes),
        client_charset: borrowed(&settings.client_charset),
        results_charset: borrowed(&settings.results_charset),
        login_collation: settings.login_collation,
        time_zone: borrowed(&settings.time_zone),
        isolation: borrowed(&settings.isolation),
        sql_mode: borrowed(&settings.sql_mode),
        autocommit: settings.autocommit,
        in_transaction: begin.in_transaction,
    };
    serde_json::to_string(&facts).map_err(Failure::invalid)
}

pub(super) fn read_begin(text: &str) -> Result<SessionBegin, Failure> {
    let facts: BeginFacts<'_> = serde_json::from_str(text).map_err(Failure::damaged)?;
    Ok(SessionBegin {
        began_before: facts.began_before,
        client: owned(facts.client),
        connection_id: facts.connection_id,
        server_version: owned(facts.server_version),
        user: owned(facts.user),
        database: owned(facts.database),
        capabilities: facts.capabilities.map(CapabilityFlags::from_bits_retain),
        attributes: facts.attributes.into_owned(),
        settings: SessionSettings {
            client_charset: owned(facts.client_charset),
            results_charset: owned(facts.results_charset),
            login_collation: facts.login_collation,
            time_zone: owned(facts.time_zone),
            isolation: owned(facts.isolation),
            sql_mode: owned(facts.sql_mode),
            autocommit: facts.autocommit,
        },
        prepared: Vec::new(),
        in_transaction: facts.in_transaction,
        refused: None,
    })
}

pub(super) fn write_user(change: &UserChange) -> Result<String, Failure> {
    let facts = UserFacts {
        user: Cow::Borrowed(&change.user),
        database: borrowed(&change.database),
        collation: change.collation,
    };
    serde_json::to_string(&facts).map_err(Failure::invalid)
}

pub(super) fn read_user(text: &str) -> Result<UserChange, Failure> {
    let facts: UserFacts<'_> = serde_json::from_str(text).map_err(Failure::damaged)?;
    Ok(UserChange { user: facts.user.into_owned(), database: owned(facts.database), collation: facts.collation })
}
