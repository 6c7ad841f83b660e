//! From the command line to the configuration of a run.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use super::args::{BinlogArgs, SourceArgs};
use super::forms::{Kind, Progress};
use crate::binlog::{
    AssemblerOptions, BinlogConfig, ConnectOptions, From, Patterns, ProgressStyle, SourceConfig, SourceOptions,
    TableRules,
};
use crate::cli::settings::{ServerUrl, Writes, password, tls};
use crate::metrics::Watch;
use crate::rules::columns::ColumnRules;
use crate::settings::{Origins, SinkKind};

/// Builds the configuration of settings that the rules let pass.
pub(super) fn config(args: &BinlogArgs, origins: &Origins) -> Result<BinlogConfig, String> {
    let files = &args.source.file;
    let source = match (args.source.source.as_slice(), files.as_slice()) {
        ([], []) => return Err("nothing to read: give --source URL or --file FILE".into()),
        (_, [_, ..]) => SourceConfig::Files(files.clone()),
        (urls, []) => SourceConfig::Servers(servers(&args.source, urls, origins)?),
    };
    let keeps_checkpoint = args.range.checkpoint.is_some() || args.topics.exactly_once;
    let from = match &args.range.from {
        Some(place) => place.0.clone(),
        None if keeps_checkpoint => From::Checkpoint,
        None if !files.is_empty() => From::Oldest,
        None => From::Now,
    };
    let wants = |kind| args.selection.only.is_empty() || args.selection.only.contains(&kind);
    Ok(BinlogConfig {
        source,
        from,
        until: args.range.until.0.clone(),
        messages: AssemblerOptions {
            inserts: wants(Kind::Insert),
            updates: wants(Kind::Update),
            deletes: wants(Kind::Delete),
            ddl: wants(Kind::Ddl),
            statements: wants(Kind::Statement),
            tables: TableRules::new(
                &Patterns::flat(&args.selection.include),
                &Patterns::flat(&args.selection.exclude),
            )?,
            columns: ColumnRules {
                drop: Patterns::flat(&args.selection.drop_columns),
                redactor: args.selection.redaction.redactor(origins).map_err(|error| error.to_string())?,
            },
            temp_dir: temp_dir(args),
        },
        checkpoint: args.range.checkpoint.clone(),
        xa_dir: xa_dir(args),
        schema_history: args.range.schema_history.clone().or_else(|| {
            let mut path = args.range.checkpoint.clone()?.into_os_string();
            path.push(".schema");
            Some(path.into())
        }),
        file_mode: args.files.mode(),
        resume: None,
        keeps_checkpoint_elsewhere: args.topics.exactly_once,
        checkpoint_topic: args.topics.exactly_once.then(|| args.topics.kafka_checkpoint_topic.clone()),
        on_purged: args.range.on_purged,
        progress: progress(args),
        watch: Watch::default(),
        strict: args.source.strict,
    })
}

/// Beside the checkpoint there is a disk that is kept; `/tmp` may be memory.
fn temp_dir(args: &BinlogArgs) -> Option<PathBuf> {
    let beside = || {
        let folder = args.range.checkpoint.as_ref()?.parent()?;
        Some(if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() })
    };
    args.temp.temp_dir.clone().or_else(beside)
}

/// Beside what is kept for a restart.
fn xa_dir(args: &BinlogArgs) -> Option<PathBuf> {
    let range = &args.range;
    let beside = || {
        let mut path = range.checkpoint.clone().or_else(|| range.schema_history.clone())?.into_os_string();
        path.push(".xa");
        Some(path.into())
    };
    let keeps_checkpoint = range.checkpoint.is_some() || args.topics.exactly_once;
    range.xa_dir.clone().or_else(beside).filter(|_| keeps_checkpoint)
}

fn servers(source: &SourceArgs, urls: &[ServerUrl], origins: &Origins) -> Result<Vec<SourceOptions>, String> {
    let tls = tls(source.tls_mode, source.tls_ca.as_ref())
        .map_err(|error| format!("{}: {error}", origins.of("tls_ca").name()))?;
    let elsewhere = password(source.password_file.as_deref(), source.ask_password, origins)?;
    let server = |url: &ServerUrl| SourceOptions {
        connect: ConnectOptions {
            host: url.server.host.clone(),
            port: url.server.port,
            user: url.user.clone(),
            password: url.password.clone().or_else(|| elsewhere.clone()).unwrap_or_default(),
            tls: tls.clone(),
            connect_timeout: Duration::from_secs(10),
        },
        server_id: source.server_id,
        report_host: source.report_host.clone(),
        heartbeat: source.heartbeat,
    };
    Ok(urls.iter().map(server).collect())
}

/// Rows on the same terminal would tear a bar to pieces.
fn progress(args: &BinlogArgs) -> ProgressStyle {
    let writes_to_stdout = args.writes_to(SinkKind::Stdout);
    let is_free = std::io::stderr().is_terminal() && !(writes_to_stdout && std::io::stdout().is_terminal());
    match args.rows.progress {
        Progress::Bar => ProgressStyle::Bar,
        Progress::Auto if is_free => ProgressStyle::Bar,
        Progress::Auto | Progress::Log => ProgressStyle::Log,
    }
}
