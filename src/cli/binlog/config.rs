//! From the command line to what is to be done.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use super::args::{Binlog, Kind, Progress};
use super::source_url::SourceUrl;
use crate::binlog::{
    AssemblerOptions, BinlogConfig, ConnectOptions, From, Patterns, ProgressStyle, SourceConfig, SourceOptions,
    TableRules, TlsMode, TlsOptions,
};
use crate::rules::columns::ColumnRules;

pub(super) fn config(settings: &Binlog) -> Result<BinlogConfig, String> {
    let source = match (settings.source.as_slice(), settings.file.as_slice()) {
        ([], []) => return Err("nothing to read: give --source URL or --file FILE".into()),
        ([], files) => SourceConfig::Files(files.to_vec()),
        ([_, ..], [_, ..]) => {
            return Err(format!("{} and {} do not go together", settings.named("source"), settings.named("file")));
        }
        (urls, []) => SourceConfig::Servers(servers(settings, urls)?),
    };
    let keeps_checkpoint = settings.checkpoint.is_some() || settings.exactly_once;
    let from = match &settings.from {
        Some(place) => place.0.clone(),
        None if keeps_checkpoint => From::Checkpoint,
        None if !settings.file.is_empty() => From::Oldest,
        None => From::Now,
    };
    if from == From::Now && !settings.file.is_empty() {
        return Err(format!(
            "{}: files have no now; it is oldest, FILE:POS, a time or checkpoint",
            settings.named("from")
        ));
    }
    let wants = |kind| settings.only.is_empty() || settings.only.contains(&kind);
    Ok(BinlogConfig {
        source,
        from,
        until: settings.until.0.clone(),
        messages: AssemblerOptions {
            inserts: wants(Kind::Insert),
            updates: wants(Kind::Update),
            deletes: wants(Kind::Delete),
            ddl: wants(Kind::Ddl),
            statements: wants(Kind::Statement),
            tables: TableRules::new(&flat(&settings.include), &flat(&settings.exclude))?,
            columns: ColumnRules {
                drop: flat(&settings.drop_columns),
                redact_keys: settings.redact_keys.clone(),
                redact_value: settings.redact_value.clone(),
            },
            temp_dir: temp_dir(settings),
        },
        checkpoint: settings.checkpoint.clone(),
        schema_history: settings.schema_history.clone().or_else(|| {
            let mut path = settings.checkpoint.clone()?.into_os_string();
            path.push(".schema");
            Some(path.into())
        }),
        file_mode: settings.file_mode.unwrap_or_default(),
        resume: None,
        keeps_checkpoint_elsewhere: settings.exactly_once,
        on_purged: settings.on_purged,
        progress: progress(settings),
        strict: settings.strict,
    })
}

fn flat<T: Clone>(patterns: &[Patterns<T>]) -> Vec<T> {
    patterns.iter().flat_map(|patterns| patterns.0.iter().cloned()).collect()
}

/// Beside the checkpoint there is a disk that is kept; `/tmp` may be memory.
fn temp_dir(settings: &Binlog) -> Option<PathBuf> {
    let beside = || {
        let folder = settings.checkpoint.as_ref()?.parent()?;
        Some(if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() })
    };
    settings.temp_dir.clone().or_else(beside)
}

fn servers(settings: &Binlog, urls: &[SourceUrl]) -> Result<Vec<SourceOptions>, String> {
    let tls = tls(settings)?;
    let from_file = match &settings.password_file {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                format!("{}: cannot read {}: {error}", settings.named("password_file"), path.display())
            })?;
            Some(text.lines().next().unwrap_or_default().to_owned())
        }
        None => None,
    };
    let asked = match settings.ask_password {
        true => Some(rpassword::prompt_password("password: ").map_err(|error| format!("--ask-password: {error}"))?),
        false => None,
    };
    let elsewhere = from_file.or(asked).or_else(|| std::env::var("MYSQL_PWD").ok());
    if !(settings.heartbeat > 0.0 && settings.heartbeat < 86_400.0) {
        return Err(format!("{}: expected a number of seconds above 0 and below 86400", settings.named("heartbeat")));
    }
    let server = |url: &SourceUrl| SourceOptions {
        connect: ConnectOptions {
            host: url.host.clone(),
            port: url.port,
            user: url.user.clone(),
            password: url.password.clone().or_else(|| elsewhere.clone()).unwrap_or_default(),
            tls: tls.clone(),
            connect_timeout: Duration::from_secs(10),
        },
        server_id: settings.server_id,
        report_host: settings.report_host.clone(),
        heartbeat: Duration::from_secs_f64(settings.heartbeat),
    };
    Ok(urls.iter().map(server).collect())
}

fn tls(settings: &Binlog) -> Result<TlsOptions, String> {
    // Who names authorities wants them to be heeded, as with the mysql client's --ssl-ca.
    let mode = match (settings.tls_mode, &settings.tls_ca) {
        (Some(mode), None) if mode.verifies() => {
            return Err(format!("{}: {mode} needs --tls-ca too", settings.named("tls_mode")));
        }
        (Some(mode), _) => mode,
        (None, Some(_)) => TlsMode::VerifyCa,
        (None, None) => TlsMode::Preferred,
    };
    // Read where it is used: at each connection. That it cannot be is to be known before the first.
    if let Some(ca) = settings.tls_ca.as_ref().filter(|_| mode.verifies()) {
        crate::tls::read_chain(ca)
            .map_err(|error| format!("{}: cannot use {}: {}", settings.named("tls_ca"), ca.display(), error.reason))?;
    }
    Ok(TlsOptions { mode, ca: settings.tls_ca.clone() })
}

/// Rows on the same terminal would tear a bar to pieces.
fn progress(settings: &Binlog) -> ProgressStyle {
    let writes_to_stdout = settings.sink.is_empty() || settings.sink.iter().any(|sink| sink == "stdout");
    let is_free = std::io::stderr().is_terminal() && !(writes_to_stdout && std::io::stdout().is_terminal());
    match settings.progress {
        Progress::Bar => ProgressStyle::Bar,
        Progress::Auto if is_free => ProgressStyle::Bar,
        Progress::Auto | Progress::Log => ProgressStyle::Log,
    }
}
