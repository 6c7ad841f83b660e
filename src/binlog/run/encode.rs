//! From pieces to batches of messages, in its own thread.

use std::sync::mpsc::{Receiver, Sender, SyncSender};

use crate::audit::StreamOpened;
use crate::binlog::output::form::RowForm;
use crate::binlog::run::error::RunError;
use crate::binlog::source::BinlogError;
use crate::binlog::transaction::piece::{BrokenPiece, Piece};
use crate::deliver::{Batch, SpareBatches};

/// What the encoding threads receive, each in turn.
#[derive(Debug)]
pub(super) enum Job {
    /// A binlog is read from here on.
    Opened(Box<StreamOpened>),
    Piece(Box<Piece>),
    /// There is no more, and why. It takes its turn, so that everything before it is delivered first.
    End(Result<(), RunError>),
}

/// What they produce.
#[derive(Debug)]
pub(super) enum Encoded {
    /// It takes its turn as well: it is told before what comes after it.
    Opened(Box<StreamOpened>),
    Piece(EncodedPiece),
    /// A row of the piece cannot be read: the transactions before it, then the earlier rows of its own transaction, and the error.
    Broken {
        before: Vec<EncodedPiece>,
        error: RunError,
    },
    End(Result<(), RunError>),
}

#[derive(Debug)]
pub(super) struct EncodedPiece {
    /// One for each form.
    pub(super) batches: Vec<Batch>,
    /// The piece without its rows: where it ends, and what was counted.
    pub(super) end: Box<Piece>,
}

/// Encodes until there is no more, or nobody receives it.
pub(super) fn encode(
    jobs: &Receiver<Job>,
    encoded: &SyncSender<Encoded>,
    mut forms: Vec<Box<dyn RowForm>>,
    used: &Sender<Piece>,
    spare_batches: &SpareBatches,
) {
    while let Ok(job) = jobs.recv() {
        let result = match job {
            Job::Opened(opened) => Encoded::Opened(opened),
            Job::End(result) => Encoded::End(result),
            Job::Piece(piece) => match write(&piece, &mut forms, spare_batches) {
                (encoded, None) => {
                    // If the reader has ended, nobody needs it.
                    let _ = used.send(*piece);
                    Encoded::Piece(encoded)
                }
                (_, Some(broken)) => write_broken(*piece, broken, &mut forms, spare_batches),
            },
        };
        if encoded.send(result).is_err() {
            return;
        }
    }
}

/// Writes a piece in every form; with an error, what comes before the first row that cannot be read.
fn write(
    piece: &Piece,
    forms: &mut [Box<dyn RowForm>],
    spare_batches: &SpareBatches,
) -> (EncodedPiece, Option<BrokenPiece>) {
    let mut rows = 0;
    let mut broken: Option<BrokenPiece> = None;
    let mut batches = Vec::with_capacity(forms.len());
    for form in forms {
        let mut batch = spare_batches.take();
        match piece.write(form.as_mut(), &mut batch) {
            Ok(count) => rows = count,
            Err(error) => {
                if broken.as_ref().is_none_or(|first| error.item < first.item) {
                    rows = error.rows;
                    broken = Some(error);
                }
            }
        }
        batches.push(batch);
    }
    let mut end = Box::new(piece.without_items());
    end.counters.rows = rows;
    (EncodedPiece { batches, end }, broken)
}

/// The whole transactions before the row that cannot be read get their own boundary, so that they do not come again with each attempt,
/// and so that they are visible where rows become visible only with a checkpoint.
fn write_broken(
    mut piece: Piece,
    broken: BrokenPiece,
    forms: &mut [Box<dyn RowForm>],
    spare_batches: &SpareBatches,
) -> Encoded {
    let whole = piece.split_off_whole(broken.item);
    piece.position.clone_from(&broken.error.position);
    let before = whole.iter().chain([&piece]).map(|piece| write(piece, forms, spare_batches).0).collect();
    Encoded::Broken { before, error: BinlogError::from(broken.error).into() }
}
