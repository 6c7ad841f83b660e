//! Files of JSON lines, their rotation, and the rights of all files.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::choices::choice;
use crate::deliver::{Compression, Fsync, NdjsonConfig};
use crate::files::FileMode;
use crate::settings::{Otherwise, Rule, SinkKind, duration, size};

/// How files are written.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Files")]
pub(in crate::cli) struct FileArgs {
    /// ndjson: rotate before this size; 0: never
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = size)]
    ndjson_rotate_size: u64,

    /// ndjson: rotate at this age; 0: never
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = duration)]
    ndjson_rotate_age: Duration,

    /// ndjson: what happens to rotated files
    #[arg(long, value_name = "HOW", default_value = "none", value_parser = choice::<Compression>())]
    ndjson_compress: Compression,

    /// ndjson: how many rotated files to keep; 0: all
    #[arg(long, value_name = "N", default_value_t = 0)]
    ndjson_keep: usize,

    /// Rights of new files, in octal [default: 0640]
    ///
    /// Files of every kind: NDJSON, Parquet, checkpoint, schema history. They are set whatever the umask is; the default is reduced by the umask. A file that already exists keeps its rights.
    #[arg(long, value_name = "RIGHTS")]
    file_mode: Option<FileMode>,

    /// When files count as delivered
    ///
    /// When what is written to a file counts as delivered. A checkpoint never passes what is not delivered. Without this: interval for files of a reader that has a checkpoint, and for Parquet, which is on the disk before a file has its name; else never. Pipes and devices have nothing to wait for.
    #[arg(long, value_name = "WHEN", value_parser = choice::<Fsync>())]
    fsync: Option<Fsync>,
}

/// Where what does not fit into memory waits.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Files")]
pub(in crate::cli) struct TempArgs {
    /// Where large transactions wait for their end
    ///
    /// In files without a name, which disappear with the process. Without it: in the folder of the checkpoint if there is one, else in TMPDIR or /tmp.
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) temp_dir: Option<PathBuf>,
}

impl FileArgs {
    /// The file of JSON lines at `path`; `default` is for where `fsync` is not given.
    pub(in crate::cli) fn ndjson(&self, path: PathBuf, default: Fsync) -> NdjsonConfig {
        NdjsonConfig {
            path,
            rotate_size: self.ndjson_rotate_size,
            rotate_age: self.ndjson_rotate_age,
            compress: self.ndjson_compress,
            keep: self.ndjson_keep,
            mode: self.mode(),
            fsync: self.fsync_or(default),
        }
    }

    /// When what is written to a file counts as delivered.
    pub(in crate::cli) fn fsync_or(&self, default: Fsync) -> Fsync {
        self.fsync.unwrap_or(default)
    }

    /// The rights of new files.
    pub(in crate::cli) fn mode(&self) -> FileMode {
        self.file_mode.unwrap_or_default()
    }

    fn rotates(&self) -> bool {
        self.ndjson_rotate_size > 0 || !self.ndjson_rotate_age.is_zero()
    }
}

/// Settings of a subcommand that writes messages.
pub(in crate::cli) trait Writes {
    /// Whether there is a sink of this kind.
    fn writes_to(&self, kind: SinkKind) -> bool;

    /// How files are written.
    fn files(&self) -> &FileArgs;
}

/// When these settings matter.
pub(in crate::cli) fn file_rules<S: Writes>() -> [Rule<S>; 3] {
    [
        Rule {
            settings: &["ndjson_rotate_size", "ndjson_rotate_age", "ndjson_compress", "ndjson_keep"],
            needs: |settings| settings.writes_to(SinkKind::Ndjson),
            otherwise: Otherwise::NoEffect("no sink is a file of JSON lines: add --sink ndjson:PATH"),
        },
        Rule {
            settings: &["fsync"],
            needs: |settings| {
                [SinkKind::Ndjson, SinkKind::Parquet, SinkKind::Stdout].iter().any(|kind| settings.writes_to(*kind))
            },
            otherwise: Otherwise::NoEffect("no sink is a file: add --sink ndjson:PATH"),
        },
        Rule {
            settings: &["ndjson_compress", "ndjson_keep"],
            needs: |settings| settings.files().rotates(),
            otherwise: Otherwise::NoEffect(
                "the file is never rotated: set --ndjson-rotate-size or --ndjson-rotate-age",
            ),
        },
    ]
}
