//! The sink: which row goes to which file, and when a file ends.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::binlog::checkpoint::CheckpointFile;
use crate::binlog::output::parquet::config::ParquetConfig;
use crate::binlog::output::parquet::names;
use crate::binlog::output::parquet::rows::{EventRows, Origin, PackedRows, Run};
use crate::deliver::parquet::Broken;
use crate::deliver::parquet::Folder;
use crate::deliver::parquet::Lanes;
use crate::deliver::parquet::PartFile;
use crate::deliver::parquet::{Registry, Schema};
use crate::deliver::parquet::{ended, failed};
use crate::deliver::{Batch, Sink, SinkError, Staged};

/// A row group ends when this many bytes of rows are in it. Compressed it waits in memory until then.
const GROUP_BYTES: usize = 32 << 20;
/// All row groups that are open together have no more than this: else the largest ends.
const OPEN_BYTES: usize = 48 << 20;
/// This many files are open at once at most.
const OPEN_FILES: usize = 200;
/// When whole files of this many times the size wait for others, all end.
const MOST_WAITING: u64 = 8;
/// The pause between attempts when the sink is to be closed.
const FLUSH_PAUSE: Duration = Duration::from_millis(50);

/// The files of one folder: one of them is open at most. A number, because it is looked up for each row.
type Series = u32;

/// A file that is open.
struct Open {
    schema: u32,
    file: PartFile,
    /// The position of the last row.
    last_position: u64,
}

/// Where the messages stand that were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// More rows of the transaction may follow.
    Inside,
    /// Between two transactions.
    Between,
    /// Where reading could go on.
    Boundary,
}

/// Writes rows to Parquet files; see [`super`].
pub(crate) struct ParquetSink {
    name: String,
    config: ParquetConfig,
    registry: Arc<Registry>,
    lanes: Lanes,
    /// Schemas by their numbers, as far as they were asked for, each with its series.
    schemas: HashMap<u32, (Arc<Schema>, Series)>,
    /// The series of each folder.
    series: HashMap<PathBuf, Series>,
    open: HashMap<Series, Open>,
    /// When the oldest of the open files, or of those that were open with it, was begun.
    since: Option<Instant>,
    /// The binlog file of the last row.
    binlog: String,
    /// The last row's event is its transaction's last.
    ends_transaction: bool,
    place: Place,
    /// The position of the last message that was taken.
    taken: u64,
    /// The position up to which all rows are in whole files.
    delivered: u64,
    /// Bytes of whole files with rows after that.
    waiting_bytes: u64,
    folder: Arc<Folder>,
    /// Bytes of rows in row groups that are open.
    open_bytes: usize,
    /// All files are to end: something went wrong before they all had.
    ending: bool,
    broken: Broken,
}

impl ParquetSink {
    /// Takes the directory (see [`Folder::open`]) and starts the encoding threads.
    pub(crate) fn open(config: ParquetConfig, registry: Arc<Registry>) -> Result<Self, SinkError> {
        let covered = || match &config.checkpoint {
            None => Ok(BTreeMap::new()),
            Some(path) => {
                let saved = CheckpointFile::new(path.clone(), config.mode).load();
                let saved = saved.map_err(|error| ended(&config.dir, &error))?;
                Ok(saved.map(|checkpoint| checkpoint.staged.into_iter().collect()).unwrap_or_default())
            }
        };
        let covered = config.checkpoint.is_some().then_some(&covered as _);
        let folder = Arc::new(Folder::open(&config.dir, config.mode, covered)?);
        let name = format!("parquet:{}", config.dir.display());
        Ok(Self {
            name,
            config,
            registry,
            lanes: Lanes::start()?,
            schemas: HashMap::new(),
            series: HashMap::new(),
            open: HashMap::new(),
            since: None,
            binlog: String::new(),
            ends_transaction: false,
            place: Place::Boundary,
            taken: 0,
            delivered: 0,
            waiting_bytes: 0,
            folder,
            open_bytes: 0,
            ending: false,
            broken: Broken::default(),
        })
    }

    fn group_limit(&self) -> usize {
        match usize::try_from(self.config.roll_bytes) {
            // Whether a file is large enough is seen when a row group is complete.
            Ok(roll) if roll > 0 => roll.clamp(1024, GROUP_BYTES),
            _ => GROUP_BYTES,
        }
    }

    /// Does again what could not be done before.
    fn resume(&mut self) -> Result<(), SinkError> {
        self.broken.check()?;
        if self.ending {
            return self.end_all();
        }
        let unfinished = self.open.iter().find(|(_, open)| !open.file.is_open());
        match unfinished.map(|(series, _)| *series) {
            Some(series) => self.end_file(series),
            None => Ok(()),
        }
    }

    /// Ends every file.
    fn end_all(&mut self) -> Result<(), SinkError> {
        self.ending = true;
        let all: Vec<Series> = self.open.keys().copied().collect();
        for series in all {
            self.end_file(series)?;
        }
        self.ending = false;
        Ok(())
    }

    /// Ends the open file of a series.
    fn end_file(&mut self, series: Series) -> Result<(), SinkError> {
        let Some(open) = self.open.get_mut(&series) else { return Ok(()) };
        self.open_bytes = self.open_bytes.saturating_sub(open.file.group_bytes());
        let whole = self.folder.whole_name(open.file.path(), open.last_position);
        open.file.finish(&whole, &mut self.lanes)?;
        tracing::debug!(sink = self.name, file = %whole.display(), bytes = open.file.written(), "complete");
        self.folder.is_whole(open.file.path(), open.last_position);
        self.waiting_bytes += open.file.written();
        self.open.remove(&series);
        self.acknowledge();
        Ok(())
    }

    /// When no file is open, everything is on the disk: rows are acknowledged in their order, whatever file they are in. What waits for
    /// a checkpoint must end where one can be: a file that it cuts in two could neither be shown nor left out.
    fn acknowledge(&mut self) {
        if self.open.is_empty() && (!self.folder.is_staged() || self.place == Place::Boundary) {
            self.since = None;
            self.waiting_bytes = 0;
            self.delivered = self.taken;
        }
    }

    /// Whether the files have their age. Inside a transaction they may become twice as old: a file that begins inside one is read again
    /// from its transaction's begin, and some of its rows are in two files then.
    fn is_old(&self, place: Place, now: Instant) -> bool {
        let limit = match place {
            // They would not be acknowledged, and so be as old as before.
            Place::Inside | Place::Between if self.folder.is_staged() => return false,
            Place::Inside => self.config.roll_age.saturating_mul(2),
            Place::Between | Place::Boundary => self.config.roll_age,
        };
        !self.config.roll_age.is_zero() && self.since.is_some_and(|since| now.saturating_duration_since(since) >= limit)
    }

    /// Whether a file is as large as it may be. With checkpoints it had better end at one.
    fn is_large(&self, file: &PartFile, place: Place) -> bool {
        let times = match place {
            Place::Boundary => 1,
            Place::Between => 1 + u64::from(self.folder.is_staged()),
            Place::Inside => 2 + 2 * u64::from(self.folder.is_staged()),
        };
        let limit = self.config.roll_bytes.saturating_mul(times);
        limit > 0 && file.written() >= limit
    }

    /// Reading could go on here: a checkpoint will cover what came before when all of it is in whole files.
    fn boundary(&mut self, position: u64, now: Instant) -> Result<(), SinkError> {
        let is_large = |(_, open): &(&Series, &Open)| self.is_large(&open.file, Place::Boundary);
        let large: Vec<Series> = self.open.iter().filter(is_large).map(|(series, _)| *series).collect();
        for series in large {
            self.end_file(series)?;
        }
        let most = self.config.roll_bytes.saturating_mul(MOST_WAITING);
        if self.is_old(Place::Boundary, now) || (most > 0 && self.waiting_bytes >= most) {
            self.end_all()?;
        }
        self.take(position, Place::Boundary);
        self.acknowledge();
        Ok(())
    }

    /// Takes note of the message at this position.
    fn take(&mut self, position: u64, place: Place) {
        self.taken = position;
        self.place = place;
    }

    fn schema(&mut self, number: u32) -> Result<(Arc<Schema>, Series), SinkError> {
        if let Some((schema, series)) = self.schemas.get(&number) {
            return Ok((Arc::clone(schema), *series));
        }
        let schema = self.registry.schema(number).ok_or_else(|| self.not_ours())?;
        let next = Series::try_from(self.series.len()).unwrap_or(Series::MAX);
        let series = *self.series.entry(schema.folder.clone()).or_insert(next);
        self.schemas.insert(number, (Arc::clone(&schema), series));
        Ok((schema, series))
    }

    fn not_ours(&self) -> SinkError {
        SinkError::Ended {
            target: self.name.clone(),
            reason: "a message that no Parquet form has made (this is a bug)".to_owned(),
        }
    }

    /// Takes the rows of an event from row `from` on, as many as go together into one file and one row group; returns how many these
    /// were. After an error none was taken.
    fn rows(
        &mut self,
        packed: &PackedRows,
        event: &EventRows,
        from: usize,
        position: u64,
        now: Instant,
    ) -> Result<usize, SinkError> {
        let other_file = self.binlog != *event.origin.file;
        let place = match self.place {
            Place::Boundary => Place::Boundary,
            _ if other_file || (self.ends_transaction && from == 0) => Place::Between,
            _ => Place::Inside,
        };
        if !self.open.is_empty() && ((other_file && self.config.roll_with_binlog) || self.is_old(place, now)) {
            self.end_all()?;
        }
        let (schema, series) = self.schema(event.schema)?;
        let columns = packed.columns(event.schema).ok_or_else(|| self.not_ours())?;
        if let Some(open) = self.open.get_mut(&series) {
            open.file.settle()?;
        }
        let ends = self.open.get(&series);
        if ends.is_some_and(|open| open.schema != event.schema || self.is_large(&open.file, place)) {
            self.end_file(series)?;
        }
        if !self.open.contains_key(&series) {
            let row_in_transaction = event.origin.row_in_transaction + from as u64;
            let first = Origin { row_in_transaction, ..event.origin.clone() };
            self.begin_file(&first, (event.schema, &schema), series, now)?;
        }
        let limit = self.group_limit();
        let Some(open) = self.open.get_mut(&series) else { return Err(self.not_ours()) };
        let before = open.file.group_bytes();
        let room = limit.saturating_sub(before).min(OPEN_BYTES.saturating_sub(self.open_bytes));
        let rows = event.rows.start + from..event.rows.end;
        let count = open.file.append(columns, rows, room, &mut self.lanes)?;
        open.last_position = position + count as u64 - 1;
        let group_bytes = open.file.group_bytes();
        self.open_bytes += group_bytes - before;
        self.ends_transaction = event.ends_transaction;
        let last = open.last_position;
        self.take(last, Place::Inside);
        if other_file {
            self.binlog = event.origin.file.to_string();
        }
        if group_bytes >= limit {
            self.end_group(series)?;
        } else if self.open_bytes >= OPEN_BYTES {
            self.end_largest_group()?;
        }
        Ok(count)
    }

    /// Takes what `run` has from its message `from` on, of which `taken` counts those that were taken.
    fn run(
        &mut self,
        packed: &PackedRows,
        run: &Run,
        from: usize,
        first_position: u64,
        now: Instant,
        taken: &mut usize,
    ) -> Result<(), SinkError> {
        match run {
            Run::Boundary => {
                self.boundary(first_position, now)?;
                *taken += 1;
            }
            Run::Rows(event) => {
                let mut at = from;
                while at < event.rows.len() {
                    let count = self.rows(packed, event, at, first_position + (at - from) as u64, now)?;
                    at += count;
                    *taken += count;
                }
            }
        }
        Ok(())
    }

    fn begin_file(
        &mut self,
        first: &Origin,
        (number, schema): (u32, &Schema),
        series: Series,
        now: Instant,
    ) -> Result<(), SinkError> {
        if self.open.len() >= OPEN_FILES {
            let idle = self.open.iter().min_by_key(|(_, open)| open.last_position);
            if let Some(idle) = idle.map(|(series, _)| *series) {
                self.end_file(idle)?;
            }
        }
        let folder = self.config.dir.join(&schema.folder);
        // The directory itself must be there: a disk that is not mounted is not to be written beside.
        if !self.config.dir.is_dir() {
            return Err(failed("write to", &self.config.dir, io::ErrorKind::NotFound.into()));
        }
        let file = PartFile::create(&folder, &names::file_name(first), schema, self.config.file_options())?;
        self.open.insert(series, Open { schema: number, file, last_position: self.taken });
        self.since.get_or_insert(now);
        Ok(())
    }

    fn end_largest_group(&mut self) -> Result<(), SinkError> {
        let largest = self.open.iter().max_by_key(|(_, open)| open.file.group_bytes()).map(|(series, _)| *series);
        largest.map_or(Ok(()), |series| self.end_group(series))
    }

    fn end_group(&mut self, series: Series) -> Result<(), SinkError> {
        let Some(open) = self.open.get_mut(&series) else { return Ok(()) };
        self.open_bytes = self.open_bytes.saturating_sub(open.file.group_bytes());
        open.file.end_group(&mut self.lanes)
    }
}

impl Sink for ParquetSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn staged(&self) -> Option<Arc<dyn Staged>> {
        Some(Arc::clone(&self.folder) as Arc<dyn Staged>)
    }

    fn holds_for(&self) -> Duration {
        match self.config.roll_age {
            Duration::ZERO => Duration::MAX,
            // A transaction in which a file gets old is waited for.
            age => age.saturating_mul(2),
        }
    }

    fn delivered_through(&self) -> u64 {
        self.delivered
    }

    fn write(&mut self, batch: &Batch, from: usize) -> Result<usize, SinkError> {
        let resumed = self.resume();
        self.broken.note(resumed)?;
        let now = Instant::now();
        let Some(packed) = batch.packed::<PackedRows>() else {
            return if batch.is_empty() { Ok(0) } else { Err(self.not_ours()) };
        };
        let (mut end, mut taken) = (0, 0);
        for run in packed.runs() {
            let start = end;
            end += run.messages();
            if end <= from {
                continue;
            }
            let skipped = from.saturating_sub(start);
            let result = self.run(packed, run, skipped, batch.position(start + skipped), now, &mut taken);
            match self.broken.note(result) {
                Ok(()) => {}
                // What is in the way is still there at the next attempt.
                Err(SinkError::Io { .. }) if taken > 0 => return Ok(taken),
                Err(error) => return Err(error),
            }
        }
        if self.place == Place::Inside && self.ends_transaction {
            // A batch holds whole events.
            self.place = Place::Between;
        }
        Ok(batch.len() - from)
    }

    fn tick(&mut self) -> Result<(), SinkError> {
        let result =
            self.resume().and_then(|()| if self.is_old(self.place, Instant::now()) { self.end_all() } else { Ok(()) });
        self.broken.note(result)
    }

    fn flush(&mut self, deadline: Instant) -> Result<(), SinkError> {
        loop {
            let result = self.broken.check().and_then(|()| self.end_all());
            let Err(error) = self.broken.note(result) else { break };
            if matches!(error, SinkError::Ended { .. }) || Instant::now() + FLUSH_PAUSE > deadline {
                return Err(SinkError::Undelivered {
                    messages: self.taken - self.delivered,
                    reason: error.to_string(),
                });
            }
            std::thread::sleep(FLUSH_PAUSE);
        }
        self.acknowledge();
        if self.taken > self.delivered {
            let rows = self.taken - self.delivered;
            tracing::info!(
                sink = self.name,
                rows,
                "stopped inside a transaction: rows since the checkpoint come again"
            );
        }
        Ok(())
    }
}
