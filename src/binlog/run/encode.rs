//! From pieces to batches of messages, in a thread of its own.

use std::sync::mpsc::{Receiver, Sender, SyncSender};

use super::RunError;
use crate::binlog::form::RowForm;
use crate::binlog::piece::Piece;
use crate::binlog::source::BinlogError;
use crate::sink::{Batch, SpareBatches};

/// What the encoding threads get, each in turn.
#[derive(Debug)]
pub(super) enum Job {
    Piece(Piece),
    /// There is no more, and why. It takes its turn so that all that came before is delivered first.
    End(Result<(), RunError>),
}

/// What they make of it.
#[derive(Debug)]
pub(super) enum Encoded {
    Piece {
        /// One for each form.
        batches: Vec<Batch>,
        /// The piece without its rows: where it ends, and what was counted.
        end: Box<Piece>,
    },
    End(Result<(), RunError>),
}

/// Encodes until there is no more, or nobody wants it.
pub(super) fn encode(
    jobs: &Receiver<Job>,
    encoded: &SyncSender<Encoded>,
    mut forms: Vec<Box<dyn RowForm>>,
    used: &Sender<Piece>,
    spare_batches: &SpareBatches,
) {
    while let Ok(job) = jobs.recv() {
        let result = match job {
            Job::End(result) => Encoded::End(result),
            Job::Piece(piece) => match write(&piece, &mut forms, spare_batches) {
                Ok((batches, rows)) => {
                    let mut end = Box::new(piece.without_items());
                    end.counters.rows = rows;
                    // Nobody reads any more: then nobody needs it.
                    let _ = used.send(piece);
                    Encoded::Piece { batches, end }
                }
                Err(error) => Encoded::End(Err(error.into())),
            },
        };
        if encoded.send(result).is_err() {
            return;
        }
    }
}

fn write(
    piece: &Piece,
    forms: &mut [Box<dyn RowForm>],
    spare_batches: &SpareBatches,
) -> Result<(Vec<Batch>, u64), BinlogError> {
    let mut rows = 0;
    let mut batches = Vec::with_capacity(forms.len());
    for form in forms {
        let mut batch = spare_batches.take();
        rows = piece.write(form.as_mut(), &mut batch)?;
        batches.push(batch);
    }
    Ok((batches, rows))
}
