//! How files are written.

use std::path::PathBuf;
use std::time::Duration;

use ::parquet::basic::{Compression as Codec, GzipLevel, ZstdLevel};

use crate::deliver::Fsync;
use crate::files::FileMode;

/// How pages are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::EnumMessage, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum ParquetCompression {
    /// Zstandard, level 1
    #[default]
    Zstd,
    /// gzip, level 6
    Gzip,
    /// No compression
    None,
}

impl ParquetCompression {
    pub(crate) fn codec(self) -> Codec {
        match self {
            Self::Zstd => Codec::ZSTD(ZstdLevel::try_new(1).unwrap_or_default()),
            Self::Gzip => Codec::GZIP(GzipLevel::default()),
            Self::None => Codec::UNCOMPRESSED,
        }
    }
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileOptions {
    /// How pages are compressed.
    pub(crate) compression: ParquetCompression,
    /// The rights of a new file.
    pub(crate) mode: FileMode,
    /// A file is on the disk before it has its name, unless this is [`Fsync::Never`].
    pub(crate) fsync: Fsync,
}

/// A folder of Parquet files with statements.
#[derive(Debug, Clone)]
pub struct StatementParquetConfig {
    /// The folder. It is made at the start if only it, and not the one it is in, is missing.
    pub dir: PathBuf,
    /// How pages are compressed.
    pub compression: ParquetCompression,
    /// A file of at least this many bytes is ended; 0: however large.
    pub roll_bytes: u64,
    /// A file of this age is ended, so that its messages are delivered; zero: however old.
    pub roll_age: Duration,
    /// The rights of a new file.
    pub mode: FileMode,
    /// A file is on the disk before it has its name, unless this is [`Fsync::Never`].
    pub fsync: Fsync,
    /// The column `proxy`: which process writes, and since when it runs.
    pub proxy: String,
}
