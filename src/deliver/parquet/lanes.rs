//! Threads that encode and compress columns while the next rows are gathered.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};

use ::parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, compute_leaves};
use ::parquet::errors::ParquetError;
use arrow_array::ArrayRef;
use arrow_schema::Field;

use crate::deliver::SinkError;

/// This many threads share the columns of each file.
const LANES: usize = 2;
/// This many batches wait for a thread; a batch has about [`super::file::BATCH_BYTES`].
const WAITING: usize = 2;

/// The columns of a group with their numbers.
type Numbered<T> = Vec<(usize, T)>;
type Encoded = Result<Numbered<ArrowColumnChunk>, ParquetError>;

enum Job {
    Begin { group: u64, writers: Numbered<ArrowColumnWriter> },
    Write { group: u64, arrays: Numbered<(Arc<Field>, ArrayRef)> },
    End { group: u64, answer: Sender<Encoded> },
}

/// The threads. Each has its part of the columns of every row group that is open, and they end with this.
pub(crate) struct Lanes {
    lanes: Vec<SyncSender<Job>>,
    next_group: u64,
}

/// A row group that is being encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GroupId(u64);

impl Lanes {
    pub(crate) fn start() -> Result<Self, SinkError> {
        let mut lanes = Vec::with_capacity(LANES);
        for index in 0..LANES {
            let (jobs, inbox) = mpsc::sync_channel(WAITING);
            let name = format!("parquet-{index}");
            std::thread::Builder::new()
                .name(name.clone())
                .spawn(move || work(&inbox))
                .map_err(|source| SinkError::Thread { name, source })?;
            lanes.push(jobs);
        }
        Ok(Self { lanes, next_group: 0 })
    }

    /// Begins a row group with a writer for each column. Columns that lie side by side go to different threads: the large ones, the images
    /// before and after, do.
    pub(crate) fn begin(&mut self, writers: Vec<ArrowColumnWriter>) -> Result<GroupId, ParquetError> {
        let group = self.next_group;
        self.next_group += 1;
        for (lane, writers) in self.lanes.iter().zip(dealt(writers)) {
            lane.send(Job::Begin { group, writers }).map_err(|_| ended())?;
        }
        Ok(GroupId(group))
    }

    /// Gives the threads the next rows; waits while they are busy with earlier ones.
    pub(crate) fn write(&self, group: GroupId, arrays: Vec<(Arc<Field>, ArrayRef)>) -> Result<(), ParquetError> {
        for (lane, arrays) in self.lanes.iter().zip(dealt(arrays)) {
            lane.send(Job::Write { group: group.0, arrays }).map_err(|_| ended())?;
        }
        Ok(())
    }

    /// Waits until the group is encoded; its columns in their order.
    pub(crate) fn end(&self, group: GroupId) -> Result<Vec<ArrowColumnChunk>, ParquetError> {
        let mut answers = Vec::with_capacity(self.lanes.len());
        for lane in &self.lanes {
            let (answer, encoded) = mpsc::channel();
            lane.send(Job::End { group: group.0, answer }).map_err(|_| ended())?;
            answers.push(encoded);
        }
        let mut chunks = Vec::new();
        for encoded in answers {
            chunks.extend(encoded.recv().map_err(|_| ended())??);
        }
        chunks.sort_by_key(|(index, _)| *index);
        Ok(chunks.into_iter().map(|(_, chunk)| chunk).collect())
    }
}

fn ended() -> ParquetError {
    ParquetError::General("a thread that encodes columns has ended".to_owned())
}

fn dealt<T>(columns: Vec<T>) -> Vec<Numbered<T>> {
    let mut dealt: Vec<Numbered<T>> = (0..LANES).map(|_| Vec::new()).collect();
    for (index, column) in columns.into_iter().enumerate() {
        if let Some(lane) = dealt.get_mut(index % LANES) {
            lane.push((index, column));
        }
    }
    dealt
}

fn work(inbox: &Receiver<Job>) {
    let mut groups: HashMap<u64, Result<Numbered<ArrowColumnWriter>, ParquetError>> = HashMap::new();
    while let Ok(job) = inbox.recv() {
        match job {
            Job::Begin { group, writers } => {
                groups.insert(group, Ok(writers));
            }
            Job::Write { group, arrays } => {
                // A failure is told at the end.
                let Some(state) = groups.get_mut(&group) else { continue };
                if let Ok(writers) = state
                    && let Err(error) = write(writers, &arrays)
                {
                    *state = Err(error);
                }
            }
            Job::End { group, answer } => {
                let encoded = groups.remove(&group).unwrap_or_else(|| Ok(Vec::new())).and_then(close);
                // Nobody may be waiting any more.
                let _ = answer.send(encoded);
            }
        }
    }
}

fn write(
    writers: &mut Numbered<ArrowColumnWriter>,
    arrays: &Numbered<(Arc<Field>, ArrayRef)>,
) -> Result<(), ParquetError> {
    for ((_, writer), (_, (field, array))) in writers.iter_mut().zip(arrays) {
        for leaf in compute_leaves(field, array)? {
            writer.write(&leaf)?;
        }
    }
    Ok(())
}

fn close(writers: Numbered<ArrowColumnWriter>) -> Encoded {
    writers.into_iter().map(|(index, writer)| Ok((index, writer.close()?))).collect()
}
