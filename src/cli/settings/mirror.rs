//! Sessions on a second server, the same for live and for captured ones.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::account::{first_line, tls};
use super::choices::choice;
use super::server_url::ServerUrl;
use crate::client::TlsMode;
use crate::message::{Criteria, Criterion, Sample};
use crate::mirror::{Lag, MirrorConfig, ReportConfig};
use crate::player::{Accounts, PlayOptions, SchemaMap, Target, UserMap};
use crate::rules::names::Patterns;
use crate::settings::{
    ConfigError, Origins, Otherwise::NoEffect, Otherwise::Refused, Rule, duration, memory_size, positive, share, size,
};

/// How long connecting to the second server may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What becomes of sessions that fall behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::EnumMessage, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub(in crate::cli) enum LagMode {
    /// They are dropped, and come back later
    #[default]
    Drop,
    /// They wait in `mirror_queue_dir`
    Queue,
}

/// Whether and how sessions are done on a second server.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Mirror")]
pub(in crate::cli) struct MirrorArgs {
    /// Do each session on this server, too: mysql://USER[:PASSWORD]@HOST[:PORT]
    ///
    /// As it happens, with this account, read-only unless --mirror-allow-writes. Clients never wait for it. What it answers is compared.
    #[arg(long, value_name = "URL", value_parser = ServerUrl::without_database, hide_short_help = true)]
    pub(in crate::cli) mirror: Option<ServerUrl>,

    /// File whose first line is the password
    ///
    /// Without it: the URL's password.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    mirror_password_file: Option<PathBuf>,

    /// Accounts on it by the client's user (TOML)
    ///
    /// A table for each user: [users.app], with user and password or password_file. Who is not in it has the URL's account.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    mirror_user_map: Option<PathBuf>,

    /// TLS to it
    ///
    /// Without it: verify-ca with --mirror-tls-ca, else preferred.
    #[arg(long, value_name = "MODE", value_parser = choice::<TlsMode>(), hide_short_help = true)]
    mirror_tls_mode: Option<TlsMode>,

    /// Authorities for its certificate (PEM)
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    mirror_tls_ca: Option<PathBuf>,

    /// Execute statements that change data, too
    ///
    /// Without it they are refused and counted. What manages the server (SHUTDOWN, KILL, SET GLOBAL, accounts, replication) is refused in any case.
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = crate::settings::boolean, hide_short_help = true)]
    mirror_allow_writes: bool,

    /// Other databases for the clients': app=app_test. Several with commas between
    ///
    /// Sessions log in to them, choose them, and name them in their statements. Where a name may be something else's the statement is not executed.
    #[arg(long, value_name = "DB=NAME", hide_short_help = true)]
    mirror_schema_map: Option<SchemaMap>,

    /// Only this share of the sessions
    ///
    /// From 0 to 1. Sessions are chosen by their connection ids.
    #[arg(long, value_name = "SHARE", default_value = "1", value_parser = share, hide_short_help = true)]
    mirror_sample: f64,

    /// Another number chooses other sessions
    #[arg(long, value_name = "N", default_value_t = 0, hide_short_help = true)]
    mirror_sample_seed: u64,

    /// Only this user, database, client or kind; repeatable
    ///
    /// As --only of the proxy. User and client choose sessions, database, kind and digest statements. SET, USE, BEGIN and COMMIT are executed whatever the kind.
    #[arg(long, value_name = "KEY=VALUE", hide_short_help = true)]
    mirror_only: Vec<Patterns<Criterion>>,

    /// Not this user, database, client or kind; repeatable
    #[arg(long, value_name = "KEY=VALUE", hide_short_help = true)]
    mirror_skip: Vec<Patterns<Criterion>>,

    /// What becomes of sessions that fall behind
    #[arg(long, value_name = "WHAT", default_value = "drop", value_parser = choice::<LagMode>(), hide_short_help = true)]
    mirror_lag: LagMode,

    /// Bytes of all sessions that wait in memory
    ///
    /// One session has at most an eighth of it; with --mirror-lag queue an equal share for each of --mirror-connections.
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = memory_size, hide_short_help = true)]
    mirror_queue_bytes: usize,

    /// queue: where sessions wait that fall behind
    ///
    /// A folder of its own: what is left there from a run before is removed.
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    mirror_queue_dir: Option<PathBuf>,

    /// queue: bytes that the folder may have
    ///
    /// A session that finds no room there is dropped.
    #[arg(long, value_name = "SIZE", default_value = "10GiB", value_parser = size, hide_short_help = true)]
    mirror_queue_dir_bytes: u64,

    /// Connections to the server; further sessions are dropped
    #[arg(long, value_name = "N", default_value = "500", value_parser = positive, hide_short_help = true)]
    mirror_connections: usize,

    /// How long a dropped session stays out
    ///
    /// After that it is mirrored again from its next command on, if the mirror can take it then; a transaction that is open is left out.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration, hide_short_help = true)]
    mirror_rejoin: Duration,

    /// Folder for the report of what was answered differently
    ///
    /// report.json, diffs.ndjson and report.html, written at the end and every --mirror-report-every.
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    mirror_report: Option<PathBuf>,

    /// How often the report is written while the mirror runs
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = duration, hide_short_help = true)]
    mirror_report_every: Duration,
}

impl MirrorArgs {
    /// What the mirror is told; `None` if there is none.
    pub(in crate::cli) fn config(&self, origins: &Origins) -> Result<Option<MirrorConfig>, ConfigError> {
        let Some(url) = &self.mirror else { return Ok(None) };
        Ok(Some(MirrorConfig {
            target: self.target(url, origins)?,
            options: PlayOptions { schema_map: self.mirror_schema_map.clone().map(Arc::new), ..PlayOptions::default() },
            sample: Sample { share: self.mirror_sample, seed: self.mirror_sample_seed },
            criteria: Criteria { only: Patterns::flat(&self.mirror_only), skip: Patterns::flat(&self.mirror_skip) },
            allow_writes: self.mirror_allow_writes,
            queue_bytes: self.mirror_queue_bytes,
            session_bytes: match self.mirror_lag {
                LagMode::Drop => self.mirror_queue_bytes / 8,
                // So that none takes the room of another: the rest of it can wait on the disk.
                LagMode::Queue => self.mirror_queue_bytes / self.mirror_connections,
            },
            connections: self.mirror_connections,
            rejoin_after: self.mirror_rejoin,
            lag: self.lag(origins)?,
            report: self.report(origins)?,
        }))
    }

    /// What is in the files that these settings name: by setting, a number that another content changes.
    pub(in crate::cli) fn contents(&self) -> FileContents {
        let file = |path: &Option<PathBuf>| fingerprint(&path.as_ref().map(|path| std::fs::read(path).ok()));
        let accounts = self.mirror_user_map.as_deref().map(|path| UserMap::read(path).ok());
        vec![
            ("mirror_password_file", file(&self.mirror_password_file)),
            // With the passwords in the files that it names.
            ("mirror_user_map", fingerprint(&accounts)),
            ("mirror_tls_ca", file(&self.mirror_tls_ca)),
        ]
    }

    fn target(&self, url: &ServerUrl, origins: &Origins) -> Result<Target, ConfigError> {
        let refused = |id: &str, message: String| ConfigError::Refused { origin: origins.of(id), message };
        let password = match &self.mirror_password_file {
            Some(path) => first_line(path).map_err(|message| refused("mirror_password_file", message))?,
            None => url.password.clone().unwrap_or_default(),
        };
        let mut accounts = Accounts::one(&url.user, &password);
        if let Some(path) = &self.mirror_user_map {
            let map = UserMap::read(path).map_err(|error| refused("mirror_user_map", error.to_string()))?;
            accounts = accounts.with_map(map);
        }
        let tls = tls(self.mirror_tls_mode, self.mirror_tls_ca.as_ref())
            .map_err(|message| refused("mirror_tls_ca", message))?;
        let id = if self.mirror_tls_ca.is_some() { "mirror_tls_ca" } else { "mirror" };
        Target::new(&url.server.host, url.server.port, tls, CONNECT_TIMEOUT, accounts)
            .map_err(|message| refused(id, message))
    }

    fn lag(&self, origins: &Origins) -> Result<Lag, ConfigError> {
        match (self.mirror_lag, &self.mirror_queue_dir) {
            (LagMode::Queue, Some(folder)) => {
                writable_folder(folder, "mirror_queue_dir", origins)?;
                Ok(Lag::Queue { folder: folder.clone(), max_bytes: self.mirror_queue_dir_bytes })
            }
            (LagMode::Drop, _) | (LagMode::Queue, None) => Ok(Lag::Drop),
        }
    }

    fn report(&self, origins: &Origins) -> Result<Option<ReportConfig>, ConfigError> {
        let Some(folder) = &self.mirror_report else { return Ok(None) };
        writable_folder(folder, "mirror_report", origins)?;
        Ok(Some(ReportConfig { folder: folder.clone(), every: self.mirror_report_every }))
    }
}

/// What is in files: by the setting that names one, a number that another content changes.
pub(in crate::cli) type FileContents = Vec<(&'static str, u64)>;

fn fingerprint(content: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}

/// Makes the folder if it is not there.
fn writable_folder(folder: &std::path::Path, id: &str, origins: &Origins) -> Result<(), ConfigError> {
    std::fs::create_dir_all(folder).map_err(|error| ConfigError::Refused {
        origin: origins.of(id),
        message: format!("cannot make the folder {folder:?}: {error}"),
    })
}

/// Settings of a subcommand that mirrors.
pub(in crate::cli) trait Mirrors {
    /// Whether and how.
    fn mirror(&self) -> &MirrorArgs;
}

/// When these settings matter.
pub(in crate::cli) fn mirror_rules<S: Mirrors>() -> [Rule<S>; 7] {
    [
        Rule {
            settings: &[
                "mirror_password_file",
                "mirror_user_map",
                "mirror_tls_mode",
                "mirror_tls_ca",
                "mirror_allow_writes",
                "mirror_schema_map",
                "mirror_sample",
                "mirror_sample_seed",
                "mirror_only",
                "mirror_skip",
                "mirror_lag",
                "mirror_queue_bytes",
                "mirror_queue_dir",
                "mirror_queue_dir_bytes",
                "mirror_connections",
                "mirror_rejoin",
                "mirror_report",
                "mirror_report_every",
            ],
            needs: |settings| settings.mirror().mirror.is_some(),
            otherwise: NoEffect("there is no second server: set --mirror"),
        },
        Rule {
            settings: &["mirror_password_file"],
            needs: |settings| settings.mirror().mirror.as_ref().is_none_or(|url| url.password.is_none()),
            otherwise: Refused("--mirror has a password, too: leave one of them out"),
        },
        Rule {
            settings: &["mirror_lag"],
            needs: |settings| {
                let mirror = settings.mirror();
                mirror.mirror_lag == LagMode::Drop || mirror.mirror_queue_dir.is_some()
            },
            otherwise: Refused("queue needs --mirror-queue-dir too"),
        },
        Rule {
            settings: &["mirror_queue_dir", "mirror_queue_dir_bytes"],
            needs: |settings| settings.mirror().mirror_lag == LagMode::Queue,
            otherwise: NoEffect("nothing waits on the disk without --mirror-lag queue"),
        },
        Rule {
            settings: &["mirror_sample_seed"],
            needs: |settings| settings.mirror().mirror_sample < 1.0,
            otherwise: NoEffect("all sessions are mirrored unless --mirror-sample is below 1"),
        },
        Rule {
            settings: &["mirror_report_every"],
            needs: |settings| settings.mirror().mirror_report.is_some(),
            otherwise: NoEffect("there is no report without --mirror-report"),
        },
        Rule {
            settings: &["mirror_tls_mode"],
            needs: |settings| {
                let mirror = settings.mirror();
                mirror.mirror_tls_ca.is_some() || !mirror.mirror_tls_mode.is_some_and(TlsMode::verifies)
            },
            otherwise: Refused("needs --mirror-tls-ca too"),
        },
    ]
}
