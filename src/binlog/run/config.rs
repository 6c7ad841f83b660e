//! What `mysql-interceptor binlog` is told.

use std::path::PathBuf;

use crate::binlog::checkpoint::Checkpoint;
use crate::binlog::run::place::{From, Until};
use crate::binlog::source::SourceOptions;
use crate::binlog::transaction::assembler::AssemblerOptions;
use crate::files::FileMode;
use crate::metrics::Watch;

/// Where to read from.
#[derive(Debug, Clone)]
pub(crate) enum SourceConfig {
    /// One of these servers.
    Servers(Vec<SourceOptions>),
    /// These files, in this order.
    Files(Vec<PathBuf>),
}

/// What to do where the source does not have any more what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::EnumMessage, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum OnPurged {
    /// End with an error
    #[default]
    Fail,
    /// Say what is missing, and continue with the oldest event that is there
    Oldest,
}

/// All that `mysql-interceptor binlog` is told.
#[derive(Debug, Clone)]
pub(crate) struct BinlogConfig {
    pub(crate) source: SourceConfig,
    pub(crate) from: From,
    pub(crate) until: Until,
    pub(crate) on_purged: OnPurged,
    pub(crate) messages: AssemblerOptions,
    pub(crate) checkpoint: Option<PathBuf>,
    /// Where the tables' columns are kept through time.
    pub(crate) schema_history: Option<PathBuf>,
    /// Where XA transactions wait that are prepared, for a restart.
    pub(crate) xa_dir: Option<PathBuf>,
    /// The rights of these files.
    pub(crate) file_mode: FileMode,
    /// The checkpoint of an earlier run, where it is not in a file.
    pub(crate) resume: Option<Checkpoint>,
    /// A sink keeps checkpoints (`--exactly-once`).
    pub(crate) keeps_checkpoint_elsewhere: bool,
    /// The topic of those.
    pub(crate) checkpoint_topic: Option<String>,
    pub(crate) strict: bool,
    pub(crate) progress: ProgressStyle,
    /// Who looks at it from outside.
    pub(crate) watch: Watch,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ProgressStyle {
    /// A log line every ten seconds.
    #[default]
    Log,
    /// A line on the terminal that is drawn over again.
    Bar,
}
