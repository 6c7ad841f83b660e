//! From the command line to the configuration of a replay.

use std::io::IsTerminal;
use std::sync::Arc;

use super::args::{ReplayArgs, TargetArgs};
use super::values::{From, FromOrTo, KAFKA};
use crate::cli::settings::{password, tls};
use crate::client::ConnectOptions;
use crate::message::Criteria;
use crate::player::{Accounts, Permits, PlayOptions, Target, UserMap};
use crate::recording::disk::Key;
use crate::recording::kafka::GroupConfig;
use crate::replay::{Amplify, Pace, ReplayConfig, Reporting, Selection};
use crate::rules::names::Patterns;
use crate::settings::Origins;

/// Records of a partition that are read and wait for earlier ones of others, in bytes.
const PARTITION_BYTES: usize = 8 << 20;

/// What a replay needs to be told, and how the target is asked before.
pub(super) struct Plan {
    pub(super) config: ReplayConfig,
    pub(super) connect: ConnectOptions,
    pub(super) accounts: Accounts,
}

/// The key of an encrypted recording.
pub(super) fn key(args: &ReplayArgs, origins: &Origins) -> Result<Option<Key>, String> {
    let Some(path) = &args.key_file else { return Ok(None) };
    Key::read(path).map(Some).map_err(|error| format!("{}: {error}", origins.of("key_file").name()))
}

/// How the topic is shared, if it is one that is played.
pub(super) fn group(args: &ReplayArgs, origins: &Origins) -> Result<Option<GroupConfig>, String> {
    let Some(topic) = args.topic() else { return Ok(None) };
    let name = format!("{KAFKA}{topic}");
    let sharing = &args.sharing;
    let Some(brokers) = sharing.kafka.brokers() else {
        return Err(format!("{name}: --kafka-bootstrap-servers is missing"));
    };
    let Some(group) = &sharing.group else {
        return Err(format!("{name}: --group is missing: the players with the same name share the topic's sessions"));
    };
    sharing.kafka.check(origins).map_err(|error| error.to_string())?;
    Ok(Some(GroupConfig {
        brokers: brokers.to_owned(),
        topic: topic.to_owned(),
        group: group.clone(),
        options: sharing.kafka.kafka_option.clone(),
        until_idle: sharing.until_idle,
        partition_bytes: PARTITION_BYTES,
    }))
}

/// Builds the configuration of settings that the rules let pass. `began_ms`: when the recording began.
pub(super) fn plan(args: &ReplayArgs, origins: &Origins, began_ms: u64, key: Option<Key>) -> Result<Plan, String> {
    let connect = connect(&args.target, origins)?;
    let mut accounts = Accounts::one(&connect.user, &connect.password);
    if let Some(path) = &args.target.user_map {
        let map = UserMap::read(path).map_err(|error| format!("{}: {error}", origins.of("user_map").name()))?;
        accounts = accounts.with_map(map);
    }
    let target =
        Target::new(&connect.host, connect.port, connect.tls.clone(), connect.connect_timeout, accounts.clone())?;
    let pace = &args.pace;
    let place = |place: FromOrTo| place.nanoseconds(began_ms);
    let from = args.selection.from.as_ref().and_then(From::place);
    let (from_ns, to_ns) = (from.map_or(0, place), args.selection.to.map_or(u64::MAX, place));
    if to_ns <= from_ns {
        return Err(format!("{}: it is not after --from", origins.of("to").name()));
    }
    let config = ReplayConfig {
        target,
        pace: Pace {
            connect_percent: pace.connect_scale.unwrap_or_else(|| pace.speed.percent()),
            think_percent: pace.think_scale.unwrap_or_else(|| pace.speed.percent()),
            think_auto: pace.think_auto,
        },
        selection: Selection {
            criteria: Criteria {
                only: Patterns::flat(&args.selection.only),
                skip: Patterns::flat(&args.selection.skip),
            },
            from_ns,
            to_ns,
        },
        permits: Permits { writes: args.permits.allow_writes, admin: args.permits.allow_admin },
        amplify: Amplify { copies: pace.amplify, offset: pace.amplify_offset },
        loops: pace.loops,
        order: args.fidelity.commit_order,
        play: PlayOptions {
            statement_timeout: args.target.statement_timeout,
            schema_map: args.pace.schema_map.clone().map(Arc::new),
            deterministic: args.fidelity.deterministic,
            ..PlayOptions::default()
        },
        read_ahead_bytes: pace.read_ahead,
        reporting: args.report.report.clone().map(|dir| Reporting { dir, key: key.map(Arc::new) }),
        name: args.recording_name().unwrap_or_default(),
        time_limits: args.report.time_limits(),
        draws_progress: std::io::stderr().is_terminal(),
    };
    Ok(Plan { config, connect, accounts })
}

fn connect(target: &TargetArgs, origins: &Origins) -> Result<ConnectOptions, String> {
    let Some(url) = &target.target else { return Err("nowhere to play it: give --target URL".to_owned()) };
    let elsewhere = password(target.password_file.as_deref(), target.ask_password, origins)?;
    Ok(ConnectOptions {
        host: url.server.host.clone(),
        port: url.server.port,
        user: url.user.clone(),
        password: url.password.clone().or(elsewhere).unwrap_or_default(),
        tls: tls(target.tls_mode, target.tls_ca.as_ref())
            .map_err(|error| format!("{}: {error}", origins.of("tls_ca").name()))?,
        connect_timeout: target.connect_timeout,
    })
}
