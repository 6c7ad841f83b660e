//! Where rows go as Parquet, and how.

use std::path::PathBuf;
use std::time::Duration;

use crate::deliver::Fsync;
pub use crate::deliver::ParquetCompression as Compression;
use crate::deliver::parquet::FileOptions;
use crate::files::FileMode;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// The rows of all tables, their values as JSON.
    #[default]
    Events,
    /// The rows of one table, each column with its type.
    Tables,
}

/// Where rows go as Parquet, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParquetConfig {
    /// The directory. It is made at the start if only it, and not the one it is in, is missing.
    pub dir: PathBuf,
    /// What a file holds.
    pub layout: Layout,
    /// How pages are compressed.
    pub compression: Compression,
    /// A file of at least this many bytes is ended; 0: however large.
    pub roll_bytes: u64,
    /// A file of this age is ended, so that its rows are acknowledged; zero: however old.
    pub roll_age: Duration,
    /// A file ends with the binlog file its rows are of.
    pub roll_with_binlog: bool,
    /// The rights of a new file.
    pub mode: FileMode,
    /// A file is on the disk before it has its name, unless this is [`Fsync::Never`].
    pub fsync: Fsync,
    /// Where checkpoints are saved: files become visible when one covers their rows. Without, when they are whole.
    pub checkpoint: Option<PathBuf>,
}

impl ParquetConfig {
    /// Files in `dir`, of 256 MiB or 5 minutes.
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            layout: Layout::default(),
            compression: Compression::default(),
            roll_bytes: 256 << 20,
            roll_age: Duration::from_secs(300),
            roll_with_binlog: true,
            mode: FileMode::default(),
            fsync: Fsync::Interval,
            checkpoint: None,
        }
    }

    pub(crate) fn file_options(&self) -> FileOptions {
        FileOptions { compression: self.compression, mode: self.mode, fsync: self.fsync }
    }
}
