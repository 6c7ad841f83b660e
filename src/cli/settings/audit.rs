//! What proves that messages are complete.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::files::Writes;
use crate::audit::{Instance, Signer};
use crate::deliver::AuditConfig;
use crate::files;
use crate::settings::Otherwise::Refused;
use crate::settings::{ConfigError, Origins, Rule, SinkKind, duration};

/// Sinks look for what they have to say every 100 ms.
const SHORTEST: Duration = Duration::from_millis(100);
/// No private key of this kind is longer.
const LONGEST_KEY: u64 = 64 * 1024;

/// Markers and signatures.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub(in crate::cli) struct AuditArgs {
    /// Write markers, this far apart [default: none]
    ///
    /// A marker says which messages the sink has acknowledged, and which were lost and why; other records tell of sessions that were opened, denied, lost sight
    /// of and closed, or from where to where a binlog was read. They go to the topic TOPIC_MARKERS, to the file FILE.audit, where each message has its hash
    /// too, or to files beside those of Parquet, which get columns for hashes (statements). `mysql-interceptor verify` reads them.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(in crate::cli) markers: Option<Duration>,

    /// Private key that signs markers: Ed25519, PKCS#8 PEM [default: unsigned]
    ///
    /// `openssl genpkey -algorithm ed25519 -out FILE` makes one. Nobody but its owner may read the file.
    #[arg(long, hide_short_help = true, value_name = "FILE")]
    pub(in crate::cli) sign_key: Option<PathBuf>,
}

/// Settings of a subcommand that writes markers.
pub(in crate::cli) trait Audits: Writes {
    /// Markers and signatures.
    fn audit(&self) -> &AuditArgs;

    /// Whether its Parquet files have a place for markers.
    fn marks_parquet(&self) -> bool {
        false
    }
}

impl AuditArgs {
    /// What marker streams have in common; `None`: there are none. `proxy` is what record headers call this process.
    pub(in crate::cli) fn config(&self, proxy: &str, origins: &Origins) -> Result<Option<AuditConfig>, ConfigError> {
        let refused = |id, message| ConfigError::Refused { origin: origins.of(id), message };
        let Some(interval) = self.markers else { return Ok(None) };
        if interval < SHORTEST {
            return Err(refused("markers", "expected 100ms or more".to_owned()));
        }
        let signer = match &self.sign_key {
            None => None,
            Some(path) => {
                let pem = files::read_secret(path, LONGEST_KEY).map_err(|message| refused("sign_key", message))?;
                let signer = Signer::from_pem(&pem)
                    .map_err(|error| refused("sign_key", format!("{}: {error}", path.display())))?;
                Some(Arc::new(signer))
            }
        };
        let instance = Instance::of(proxy);
        let proxy = proxy.to_owned();
        Ok(Some(AuditConfig { instance, proxy, interval, signer }))
    }
}

/// When these settings matter.
pub(in crate::cli) fn audit_rules<S: Audits>() -> [Rule<S>; 2] {
    [
        Rule {
            settings: &["markers"],
            needs: |args| {
                let parquet = args.marks_parquet() && args.writes_to(SinkKind::Parquet);
                parquet || args.writes_to(SinkKind::Kafka) || args.writes_to(SinkKind::Ndjson)
            },
            otherwise: Refused(
                "stdout has no place for markers, and Parquet has one for statements only: add --sink ndjson:FILE, or Kafka",
            ),
        },
        Rule {
            settings: &["sign_key"],
            needs: |args| args.audit().markers.is_some(),
            otherwise: Refused("it signs markers, and there are none without --markers"),
        },
    ]
}
