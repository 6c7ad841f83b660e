//! The command line of `verify`.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, Command};

use crate::audit::PublicKey;
use crate::binlog::TopicTemplate;
use crate::cli::settings::{KafkaArgs, LogArgs, change, choice};
use crate::settings::Otherwise::NoEffect;
use crate::settings::{ConfigError, Origins, Rule, boolean};

/// The settings of `mysql-interceptor verify`.
#[derive(Debug, Args)]
pub(in crate::cli) struct VerifyArgs {
    /// Configuration file (TOML): its keys are the long flags with _ for -
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// What to verify: kafka:TOPIC, FILE that --sink ndjson:FILE has written, parquet:DIR, or spool:DIR
    ///
    /// Of a topic TOPIC_MARKERS is read, too; TOPIC may be what `binlog --kafka-topic` was given, with {database} and {table}. Of a file FILE.audit is, and the rotated files beside it with theirs, also where they are compressed. Of a folder of Parquet files all that --sink parquet:DIR has written there is; DIR/FILE.parquet is one of them, with its own sidecar. A spool has what is not delivered yet: manifests in it cover that.
    #[arg(value_name = "SOURCE", num_args = 1..)]
    pub(super) sources: Vec<Stored>,

    /// Public key that signatures must be of: Ed25519, PEM
    ///
    /// `openssl pkey -in PRIVATE -pubout` writes it. Without it everything is verified but who wrote it.
    #[arg(long, value_name = "FILE", help_heading = "Verdict")]
    pub(super) key: Option<PathBuf>,

    /// Messages that no marker covers are no failure
    ///
    /// A process that runs has always written some since its last marker.
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean, help_heading = "Verdict")]
    pub(super) allow_unproven: bool,

    /// What the verdict looks like
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = choice::<Format>(), help_heading = "Verdict")]
    pub(super) format: Format,

    #[command(flatten)]
    pub(super) kafka: KafkaArgs,

    #[command(flatten)]
    pub(in crate::cli) log: LogArgs,
}

/// What the verdict looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumMessage, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum Format {
    /// For people: a line for each source, and one for each finding
    Text,
    /// One JSON object for each source
    Json,
}

/// Where messages are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stored {
    Topic(TopicTemplate),
    File(PathBuf),
    Parquet(PathBuf),
    Spool(PathBuf),
}

impl FromStr for Stored {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("kafka", name)) => name.parse().map(Self::Topic),
            Some(("ndjson", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("parquet", path)) if !path.is_empty() => Ok(Self::Parquet(path.into())),
            Some(("spool", path)) if !path.is_empty() => Ok(Self::Spool(path.into())),
            _ if text.is_empty() => Err("expected kafka:TOPIC, a file, parquet:DIR, or spool:DIR".to_owned()),
            _ if is_parquet(Path::new(text)) => Ok(Self::Parquet(text.into())),
            _ => Ok(Self::File(text.into())),
        }
    }
}

fn is_parquet(path: &Path) -> bool {
    path.is_dir() || path.extension().is_some_and(|extension| extension == "parquet")
}

/// What differs here from other subcommands that have the same flags.
pub(in crate::cli) fn adapt(command: Command) -> Command {
    change(command, "kafka_bootstrap_servers", |argument| {
        argument.long("bootstrap-servers").alias("kafka-bootstrap-servers").default_value("127.0.0.1:9092")
    })
}

/// Settings that matter only together with others.
pub(in crate::cli) fn rules() -> Vec<Rule<VerifyArgs>> {
    vec![Rule {
        settings: &["kafka_bootstrap_servers", "kafka_option"],
        needs: |args| args.sources.iter().any(|source| matches!(source, Stored::Topic(_))),
        otherwise: NoEffect("no source is kafka:TOPIC"),
    }]
}

impl VerifyArgs {
    /// The key, if one is given.
    pub(super) fn public_key(&self, origins: &Origins) -> Result<Option<PublicKey>, ConfigError> {
        let Some(path) = &self.key else { return Ok(None) };
        let refused = |reason: String| ConfigError::Refused {
            origin: origins.of("key"),
            message: format!("{}: {reason}", path.display()),
        };
        let pem = std::fs::read(path).map_err(|error| refused(error.to_string()))?;
        PublicKey::from_pem(&pem).map(Some).map_err(|error| refused(error.to_string()))
    }
}
