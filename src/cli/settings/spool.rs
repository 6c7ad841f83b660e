//! The spool: messages on the disk until they are delivered.

use std::path::PathBuf;

use clap::Args;

use super::choices::choice;
use super::statements::Publishes;
use crate::deliver::{AuditConfig, Fsync, SpoolConfig, SpoolFull, SpoolMode};
use crate::files::FileMode;
use crate::settings::Otherwise::NoEffect;
use crate::settings::{ConfigError, Origins, Rule, size};

/// Messages on the disk until every sink has them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Spool")]
pub(in crate::cli) struct SpoolArgs {
    /// Folder in which messages wait until they are delivered
    ///
    /// A message is removed from it when every sink has delivered it. What is there at a start is delivered first, so neither a killed process nor an outage of the brokers loses it. One process has a spool at a time.
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) spool: Option<PathBuf>,

    /// When a message must be in the spool
    ///
    /// With async, up to about 10 ms after its statement's end (see --publish-flush-interval-s): these are lost if the process is killed. With reply, before the client gets the end of its result: no statement whose outcome a client knows is lost.
    #[arg(long, value_name = "WHEN", default_value = "async", value_parser = choice::<SpoolMode>())]
    spool_mode: SpoolMode,

    /// When the spool is full, or its disk
    ///
    /// Clients wait before their next statement (block), messages are dropped and counted (drop), or clients' next statements are answered with error 1021 and not forwarded (error).
    #[arg(long, value_name = "WHAT", default_value = "block", value_parser = choice::<SpoolFull>(), hide_short_help = true)]
    spool_full: SpoolFull,

    /// Bytes that the spool may take of the disk
    ///
    /// At least 4MiB. Statements that are under way when it is reached are stored all the same.
    #[arg(long, value_name = "SIZE", default_value = "10GB", value_parser = size, hide_short_help = true)]
    spool_max_bytes: u64,

    /// When the spool is on the disk: against power failures
    ///
    /// A process that is killed loses nothing of the spool with any of these. With always and --spool-mode=reply, clients get the end of their results when the message is on the disk.
    #[arg(long, value_name = "WHEN", default_value = "interval", value_parser = choice::<Fsync>(), hide_short_help = true)]
    spool_fsync: Fsync,
}

impl SpoolArgs {
    /// The spool, if there is one. `run`: which process this is; with `audit` there are manifests in it.
    pub(in crate::cli) fn config(
        &self,
        run: String,
        file_mode: FileMode,
        audit: Option<AuditConfig>,
        origins: &Origins,
    ) -> Result<Option<SpoolConfig>, ConfigError> {
        let Some(folder) = self.spool.clone() else { return Ok(None) };
        if self.spool_max_bytes < SpoolConfig::LEAST_BYTES {
            let message = format!("a spool needs at least {} bytes", SpoolConfig::LEAST_BYTES);
            return Err(ConfigError::Refused { origin: origins.of("spool_max_bytes"), message });
        }
        Ok(Some(SpoolConfig {
            folder,
            mode: self.spool_mode,
            full: self.spool_full,
            max_bytes: self.spool_max_bytes,
            fsync: self.spool_fsync,
            file_mode,
            run,
            audit,
        }))
    }
}

/// When these settings matter.
pub(in crate::cli) fn spool_rules<S: Publishes>() -> [Rule<S>; 2] {
    [
        Rule {
            settings: &["spool_mode", "spool_full", "spool_max_bytes", "spool_fsync"],
            needs: |args| args.has_spool(),
            otherwise: NoEffect("there is no spool: set --spool"),
        },
        Rule {
            settings: &["backpressure"],
            needs: |args| !args.has_spool(),
            otherwise: NoEffect(
                "with --spool a full queue holds nobody up and drops nothing: --spool-full says what a full spool means",
            ),
        },
    ]
}
