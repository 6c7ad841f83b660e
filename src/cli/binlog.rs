//! `mysql-interceptor binlog`: row images from a server's binlog or from files.

use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use super::{FAILURE, USAGE, logging};
use crate::binlog::gtid::{AnyGtid, AnyGtidSet};
use crate::binlog::{
    AssemblerOptions, BinlogConfig, ConnectOptions, From, Position, RunError, SourceConfig, SourceOptions,
    TablePattern, TableRules, TlsMode, TlsOptions, Until, ValueOptions,
};
use crate::config::{ColorChoice, Compression, LogConfig, LogFormat, NdjsonConfig, SinkConfig, StdoutConfig};
use crate::sink::{self, Direct};

/// How long the sinks have for what was read when reading has ended.
const FLUSH: Duration = Duration::from_secs(30);

/// The command line of `binlog`.
#[derive(Debug, Args)]
pub(super) struct Binlog {
    /// The server to read from: mysql://USER[:PASSWORD]@HOST[:PORT]; repeatable, the next one is tried when one fails
    #[arg(
        long,
        env = "INTERCEPTOR_BINLOG_SOURCE",
        value_name = "URL",
        help_heading = "Source",
        hide_env_values = true
    )]
    source: Vec<SourceUrl>,

    /// A binlog file, plain or compressed (gzip, zstd), or - for standard input; repeatable, in this order
    #[arg(long, value_name = "FILE", help_heading = "Source", conflicts_with = "source")]
    file: Vec<PathBuf>,

    /// File whose first line is the password [default: the URL's, then MYSQL_PWD]
    #[arg(long, value_name = "FILE", help_heading = "Source")]
    password_file: Option<PathBuf>,

    /// How the connection to the source is protected
    #[arg(long, value_name = "MODE", default_value = "preferred", help_heading = "Source")]
    tls_mode: TlsMode,

    /// Authorities that the source's certificate is checked with (PEM)
    #[arg(long, value_name = "FILE", help_heading = "Source")]
    tls_ca: Option<PathBuf>,

    /// Our number among the source's replicas [default: one that is not used]
    #[arg(long, value_name = "N", help_heading = "Source")]
    server_id: Option<u32>,

    /// Our name in SHOW REPLICAS [default: the host's name]
    #[arg(long, value_name = "NAME", help_heading = "Source")]
    report_host: Option<String>,

    /// How often the source says that it is there; three times that without a word and the link counts as dead
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, help_heading = "Source")]
    heartbeat: f64,

    /// Where to begin: now, oldest, FILE:POS, a GTID set, a moment (2026-11-21T12:00:00Z, or seconds since 1970), checkpoint
    /// [default: checkpoint with --checkpoint, else now; files are read from their beginning]
    #[arg(long, value_name = "PLACE", help_heading = "Range")]
    from: Option<FromPlace>,

    /// Where to end: FILE:POS, a GTID, a moment, now (what is there at the start), never
    #[arg(long, value_name = "PLACE", default_value = "never", help_heading = "Range")]
    until: UntilPlace,

    /// Save how far everything is delivered in this file
    #[arg(long, value_name = "FILE", help_heading = "Range")]
    checkpoint: Option<PathBuf>,

    /// Keep the tables' columns as they change in this file, so that rows have names after a restart too
    /// [default: the checkpoint's name with .schema]
    #[arg(long, value_name = "FILE", help_heading = "Range")]
    schema_history: Option<PathBuf>,

    /// Only these tables: schema.table, schema.* or *.table; repeatable
    #[arg(long, value_name = "PATTERN", help_heading = "Selection", value_delimiter = ',')]
    include: Vec<TablePattern>,

    /// Not these tables; the more specific rule wins (schema.table over *.table over schema.*); repeatable
    #[arg(long, value_name = "PATTERN", help_heading = "Selection", value_delimiter = ',')]
    exclude: Vec<TablePattern>,

    /// Only these kinds of events
    #[arg(long, value_name = "KIND", help_heading = "Selection", value_delimiter = ',')]
    only: Vec<Kind>,

    /// BIGINT as a JSON number or string
    #[arg(long, value_name = "HOW", default_value = "number", help_heading = "Output")]
    bigint: BigInt,

    /// Where rows go: stdout or ndjson:PATH; repeatable [default: stdout]
    #[arg(long, value_name = "SINK", help_heading = "Output")]
    sink: Vec<String>,

    /// Bytes in one sink's queue; the source is read more slowly when it is full
    #[arg(long, value_name = "BYTES", default_value_t = 16 << 20, help_heading = "Output")]
    queue_bytes: usize,

    /// An event of a type that is not known ends the program instead of being skipped and counted
    #[arg(long)]
    strict: bool,

    /// error, warn, info, debug, trace or a filter in the syntax of RUST_LOG
    #[arg(long, env = "INTERCEPTOR_LOG_LEVEL", value_name = "LEVEL", default_value = "info")]
    log_level: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Insert,
    Update,
    Delete,
    Ddl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BigInt {
    /// As a number, with all its digits
    Number,
    /// As a string
    String,
}

#[derive(Clone)]
struct SourceUrl {
    user: String,
    password: Option<String>,
    host: String,
    port: u16,
}

impl std::fmt::Debug for SourceUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "mysql://{}@{}:{}", self.user, self.host, self.port)
    }
}

impl FromStr for SourceUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = "it is mysql://USER[:PASSWORD]@HOST[:PORT]";
        let rest = ["mysql://", "mariadb://"].iter().find_map(|scheme| text.strip_prefix(scheme)).ok_or(FORM)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (login, place) = rest.rsplit_once('@').ok_or(FORM)?;
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(percent_decoded(password)?)),
            None => (login, None),
        };
        let (host, port) = match place.strip_prefix('[').and_then(|place| place.split_once(']')) {
            Some((host, port)) => {
                host.parse::<Ipv6Addr>().map_err(|_| format!("'{host}' is no IPv6 address"))?;
                (host, port.strip_prefix(':'))
            }
            None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(Ok(3306), |port| port.parse().map_err(|_| format!("'{port}' is no port")))?;
        if user.is_empty() || host.is_empty() {
            return Err(FORM.into());
        }
        Ok(Self { user: percent_decoded(user)?, password, host: host.to_owned(), port })
    }
}

fn percent_decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(value.ok_or("a % in the URL is not followed by two hexadecimal digits")?);
        rest = tail.get(2..).unwrap_or_default();
    }
    String::from_utf8(bytes).map_err(|_| "the URL is not UTF-8".into())
}

#[derive(Debug, Clone)]
struct FromPlace(From);

impl FromStr for FromPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(match text {
            "now" => From::Now,
            "oldest" => From::Oldest,
            "checkpoint" => From::Checkpoint,
            _ => match (moment(text), text.parse::<AnyGtidSet>(), position(text)) {
                (Some(moment), ..) => From::Timestamp(moment),
                (_, Ok(gtids), _) => From::Gtids(gtids),
                (.., Some(position)) => From::Position(position),
                _ => return Err("it is now, oldest, FILE:POS, a GTID set, a moment or checkpoint".into()),
            },
        }))
    }
}

#[derive(Debug, Clone)]
struct UntilPlace(Until);

impl FromStr for UntilPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(match text {
            "now" => Until::Now,
            "never" => Until::Never,
            _ => match (moment(text), text.parse::<AnyGtid>(), position(text)) {
                (Some(moment), ..) => Until::Timestamp(moment),
                (_, Ok(gtid), _) => Until::Gtid(gtid),
                (.., Some(position)) => Until::Position(position),
                _ => return Err("it is FILE:POS, a GTID, a moment, now or never".into()),
            },
        }))
    }
}

/// `binlog.000002:1234`
fn position(text: &str) -> Option<Position> {
    let (file, offset) = text.rsplit_once(':')?;
    let offset = offset.parse().ok()?;
    (!file.is_empty() && !file.contains([':', ','])).then(|| Position { file: file.to_owned(), offset })
}

/// Seconds since 1970, or a date and time; in UTC where it names no zone.
fn moment(text: &str) -> Option<u32> {
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let seconds = match text.parse::<jiff::Timestamp>() {
        Ok(moment) => moment.as_second(),
        Err(_) => {
            text.parse::<jiff::civil::DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second()
        }
    };
    u32::try_from(seconds).ok()
}

/// Runs until the end that was asked for, or a signal.
pub(super) fn run(settings: &Binlog) -> ExitCode {
    logging::start(&LogConfig { filter: settings.log_level.clone(), format: LogFormat::Text });
    let made = config(settings).and_then(|config| Ok((config, sinks(settings)?)));
    let (config, sinks) = match made {
        Ok(made) => made,
        Err(reason) => {
            eprintln!("error: {reason}");
            return ExitCode::from(USAGE);
        }
    };
    let stop = Arc::new(AtomicBool::new(false));
    if let Err(error) = super::stop_on_signals(&stop) {
        eprintln!("error: signals cannot be caught: {error}");
        return ExitCode::from(FAILURE);
    }
    let mut direct = match sink::open_all(&sinks).and_then(|sinks| Direct::start(sinks, settings.queue_bytes)) {
        Ok(direct) => direct,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(USAGE);
        }
    };
    let started = Instant::now();
    let result = crate::binlog::run(&config, &mut direct, &stop);
    let report = direct.shutdown(Instant::now() + FLUSH);
    for sink in &report.sinks {
        if sink.lost > 0 || !sink.finished {
            tracing::warn!(
                sink = sink.name,
                delivered = sink.delivered,
                lost = sink.lost,
                "sink closed, rows were lost"
            );
        }
    }
    match result {
        Ok(summary) => {
            let counters = summary.counters;
            let seconds = started.elapsed().as_secs_f64();
            tracing::info!(
                position = %summary.position,
                rows = counters.rows,
                transactions = counters.transactions,
                events = counters.events,
                bytes = counters.bytes,
                ddl = counters.ddl,
                filtered = counters.filtered,
                unknown = counters.unknown,
                statements_without_rows = counters.statements_without_rows,
                nameless = counters.nameless,
                seconds,
                rows_per_second = (counters.rows as f64 / seconds) as u64,
                "{}",
                if stop.load(Ordering::Relaxed) { "stopped" } else { "done" }
            );
            if report.lost() > 0 { ExitCode::from(FAILURE) } else { ExitCode::SUCCESS }
        }
        Err(RunError::Start(reason)) => {
            eprintln!("error: {reason}");
            ExitCode::from(USAGE)
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(FAILURE)
        }
    }
}

fn config(settings: &Binlog) -> Result<BinlogConfig, String> {
    let source = match (settings.source.as_slice(), settings.file.as_slice()) {
        ([], []) => return Err("nothing to read: give --source URL or --file FILE".into()),
        ([], files) => SourceConfig::Files(files.to_vec()),
        (urls, _) => SourceConfig::Servers(servers(settings, urls)?),
    };
    let from = match (&settings.from, &settings.checkpoint) {
        (Some(place), _) => place.0.clone(),
        (None, Some(_)) => From::Checkpoint,
        (None, None) => From::Now,
    };
    let wants = |kind| settings.only.is_empty() || settings.only.contains(&kind);
    Ok(BinlogConfig {
        source,
        from,
        until: settings.until.0.clone(),
        tables: TableRules::new(&settings.include, &settings.exclude)?,
        messages: AssemblerOptions {
            inserts: wants(Kind::Insert),
            updates: wants(Kind::Update),
            deletes: wants(Kind::Delete),
            ddl: wants(Kind::Ddl),
            values: ValueOptions { bigint_as_string: settings.bigint == BigInt::String },
        },
        checkpoint: settings.checkpoint.clone(),
        schema_history: settings.schema_history.clone().or_else(|| {
            let mut path = settings.checkpoint.clone()?.into_os_string();
            path.push(".schema");
            Some(path.into())
        }),
        strict: settings.strict,
    })
}

fn servers(settings: &Binlog, urls: &[SourceUrl]) -> Result<Vec<SourceOptions>, String> {
    let from_file = match &settings.password_file {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| format!("--password-file {}: {error}", path.display()))?;
            Some(text.lines().next().unwrap_or_default().to_owned())
        }
        None => None,
    };
    let elsewhere = from_file.or_else(|| std::env::var("MYSQL_PWD").ok());
    if !(settings.heartbeat > 0.0 && settings.heartbeat < 86_400.0) {
        return Err("--heartbeat: it is a number of seconds above 0".into());
    }
    let server = |url: &SourceUrl| SourceOptions {
        connect: ConnectOptions {
            host: url.host.clone(),
            port: url.port,
            user: url.user.clone(),
            password: url.password.clone().or_else(|| elsewhere.clone()).unwrap_or_default(),
            tls: TlsOptions { mode: settings.tls_mode, ca: settings.tls_ca.clone() },
            connect_timeout: Duration::from_secs(10),
        },
        server_id: settings.server_id,
        report_host: settings.report_host.clone(),
        heartbeat: Duration::from_secs_f64(settings.heartbeat),
    };
    Ok(urls.iter().map(server).collect())
}

fn sinks(settings: &Binlog) -> Result<Vec<SinkConfig>, String> {
    let stdout = || SinkConfig::Stdout(StdoutConfig { pretty: false, color: ColorChoice::Auto });
    if settings.sink.is_empty() {
        return Ok(vec![stdout()]);
    }
    settings
        .sink
        .iter()
        .map(|name| match name.split_once(':') {
            None if name == "stdout" => Ok(stdout()),
            Some(("ndjson", path)) if !path.is_empty() => Ok(SinkConfig::Ndjson(NdjsonConfig {
                path: path.into(),
                rotate_size: 0,
                rotate_age: Duration::ZERO,
                compress: Compression::None,
                keep: 0,
            })),
            _ => Err(format!("--sink {name}: it is stdout or ndjson:PATH")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_apart() {
        let from = |text: &str| text.parse::<FromPlace>().map(|place| place.0);
        assert_eq!(
            from("binlog.000002:1234"),
            Ok(From::Position(Position { file: "binlog.000002".into(), offset: 1234 }))
        );
        assert_eq!(from("1795260000"), Ok(From::Timestamp(1_795_260_000)));
        assert_eq!(from("2026-11-21T12:00:00Z"), Ok(From::Timestamp(1_795_262_400)));
        assert_eq!(from("2026-11-21 12:00:00"), Ok(From::Timestamp(1_795_262_400)));
        assert!(matches!(from("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:7"), Ok(From::Gtids(AnyGtidSet::MySql(_)))));
        assert!(matches!(from("0-1-42,1-2-3"), Ok(From::Gtids(AnyGtidSet::MariaDb(_)))));
        assert!(from("yesterday").is_err() && from("binlog.000002:").is_err());
    }

    #[test]
    fn urls_may_hold_anything_that_is_escaped() {
        let url: SourceUrl = "mysql://us%40er:p%3a%2F@[::1]:3307".parse().unwrap();
        assert_eq!(
            (url.user.as_str(), url.password.as_deref(), url.host.as_str(), url.port),
            ("us@er", Some("p:/"), "::1", 3307)
        );
        let url: SourceUrl = "mysql://root@db".parse().unwrap();
        assert_eq!((url.password, url.port), (None, 3306));
        for wrong in ["db:3306", "mysql://db", "mysql://@db", "mysql://u@", "mysql://u@h:x", "mysql://u:%zz@h"] {
            assert!(wrong.parse::<SourceUrl>().is_err(), "{wrong}");
        }
    }
}
