//! What can go wrong.

use std::io;

use crate::deliver::SpoolError;
use crate::stored::SourceError;

/// Why a source cannot be verified.
#[derive(Debug, thiserror::Error)]
pub(super) enum VerifyError {
    #[error("cannot read {name}: {source}")]
    Read { name: String, source: io::Error },
    #[error("{0}: no marker stream: it is written with --markers")]
    NoMarkers(String),
    #[error(transparent)]
    Topic(#[from] SourceError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
}
