//! A player in a consumer group: a thread that reads its partitions, and says how far they are.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};
use tokio_util::sync::CancellationToken;

use super::progress::{Done, Zero};
use super::scan::{PATIENCE, Scan, ScanError, is_passing, partitions};
use super::share::{Share, ShareCounts, Turn};
use super::wire::decode;
use crate::deliver::{ClientLog, KafkaOption, client_options, describe_client_error};
use crate::recording::{Record, RecordingAbout, SessionId};

const POLL: Duration = Duration::from_millis(20);
/// How often it is said how far the sessions are. What ends between two is done again if the player is killed.
const COMMIT: Duration = Duration::from_millis(50);
/// How often the other players are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How long sessions have that are given up.
const CLOSING: Duration = Duration::from_secs(5);
/// How long a partition without messages holds up the others.
const ORDERING: Duration = Duration::from_millis(300);
/// From the players' agreement on their start to that start.
const LEAD_MS: u64 = 2000;

/// Which group, and of what topic.
#[derive(Debug, Clone)]
pub(crate) struct GroupConfig {
    pub(crate) brokers: String,
    pub(crate) topic: String,
    pub(crate) group: String,
    pub(crate) options: Vec<KafkaOption>,
    /// The topic is being written: it ends when nothing has come for so long. Without, it ends where it ended at the start.
    pub(crate) until_idle: Option<Duration>,
    /// Bytes of records of a partition that are read and not handed out.
    pub(crate) partition_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    share: Share,
    is_over: bool,
    error: Option<String>,
    last_message: Option<Instant>,
    /// Since when a record waits for partitions that have nothing to compare with.
    waits_since: Option<Instant>,
}

#[derive(Debug, Default)]
struct Common {
    state: Mutex<State>,
    changed: Condvar,
}

impl Common {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A player's place in its group.
pub(crate) struct Group {
    common: Arc<Common>,
    leave: CancellationToken,
    thread: Option<JoinHandle<()>>,
    about: RecordingAbout,
}

/// Tells the group what becomes of the sessions.
#[derive(Debug, Clone)]
pub(crate) struct GroupWatch(Arc<Common>);

impl Group {
    /// Joins the group, as soon as the topic has anything.
    pub(crate) fn join(config: GroupConfig) -> Result<Self, ScanError> {
        if let Some(wrong) = config.options.iter().find_map(KafkaOption::missing_file) {
            return Err(ScanError::Client(wrong));
        }
        let (about, recorded_ns) = first(&config)?;
        let common = Arc::new(Common::default());
        let consumer = consumer(&config, &common)?;
        let ends = partitions(&consumer, &config.brokers, &config.topic)?;
        let read = |error: KafkaError| ScanError::Read { topic: config.topic.clone(), reason: error.to_string() };
        consumer.subscribe(&[&config.topic]).map_err(read)?;
        let leave = CancellationToken::new();
        let ends = ends.into_iter().map(|(partition, (low, high))| (partition, low, high)).collect();
        let reader = Reader {
            config,
            common: Arc::clone(&common),
            leave: leave.clone(),
            consumer,
            ends,
            recorded_ns,
            last_commit: Instant::now(),
            last_look: Instant::now(),
        };
        let spawn = std::thread::Builder::new().name("kafka-group".to_owned()).spawn(move || reader.run());
        let thread = spawn.map_err(|error| ScanError::Client(error.to_string()))?;
        Ok(Self { common, leave, thread: Some(thread), about })
    }

    /// What the recording says of itself.
    pub(crate) fn about(&self) -> &RecordingAbout {
        &self.about
    }

    /// Waits for the common start; `None` if `stop` comes first, or the group fails: [`Self::next`] says why.
    pub(crate) fn zero(&self, stop: &CancellationToken) -> Option<Zero> {
        let mut state = self.common.lock();
        while state.share.zero.is_none() {
            if stop.is_cancelled() || state.error.is_some() || state.is_over {
                return None;
            }
            state = self.wait(state);
        }
        state.share.zero
    }

    /// The next record; `None` when the group is done, or `stop` comes.
    pub(crate) fn next(&self, stop: &CancellationToken) -> Result<Option<Record>, String> {
        let mut state = self.common.lock();
        loop {
            if let Some(error) = &state.error {
                return Err(error.clone());
            }
            if state.is_over || stop.is_cancelled() {
                return Ok(None);
            }
            let is_late = state.waits_since.is_some_and(|since| since.elapsed() > ORDERING);
            if let Turn::Record(record) = state.share.next(is_late) {
                state.waits_since = None;
                return Ok(Some(*record));
            }
            state.waits_since.get_or_insert_with(Instant::now);
            if state.last_message.is_none()
                && let Some(end) = state.share.missing_end()
            {
                return Ok(Some(end));
            }
            state = self.wait(state);
        }
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let waited = self.common.changed.wait_timeout(state, POLL);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    pub(crate) fn watch(&self) -> GroupWatch {
        GroupWatch(Arc::clone(&self.common))
    }

    /// What became of the topic's records.
    pub(crate) fn counts(&self) -> ShareCounts {
        self.common.lock().share.counts
    }

    /// Leaves the group, and says how far the sessions are.
    pub(crate) fn leave(&mut self) {
        self.leave.cancel();
        if let Some(thread) = self.thread.take() {
            // A thread that has panicked has said so.
            let _ = thread.join();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.leave();
    }
}

impl GroupWatch {
    /// The session is opened on the target.
    pub(crate) fn began(&self, session: SessionId) {
        self.0.lock().share.began(session);
    }

    /// The session is over, or closed after `token` had it given up.
    pub(crate) fn ended(&self, session: SessionId, token: &CancellationToken) {
        self.0.lock().share.ended(session, token);
        self.0.changed.notify_all();
    }

    /// What has the session given up; one that is unknown already is.
    pub(crate) fn token(&self, session: SessionId) -> CancellationToken {
        self.0.lock().share.token(session).unwrap_or_else(|| {
            let token = CancellationToken::new();
            token.cancel();
            token
        })
    }
}

/// What the first messages say of the recording, and when the earliest began, in nanoseconds since 1970.
fn first(config: &GroupConfig) -> Result<(RecordingAbout, u64), ScanError> {
    let scan = Scan::begin(&config.brokers, &config.topic, &config.options)?;
    let mut missing = scan.partitions_with_messages();
    let mut found: Option<RecordingAbout> = None;
    let mut earliest = u64::MAX;
    let mut wrong = None;
    scan.read(|message| {
        match decode(message.payload().unwrap_or_default()) {
            Ok((record, about)) => {
                earliest = earliest.min(record.started.epoch_ms);
                found = found.take().or(about);
            }
            Err(error) => wrong = Some(error.to_string()),
        }
        missing.remove(&message.partition());
        !missing.is_empty() || found.is_none()
    })?;
    match found {
        Some(about) => Ok((about, earliest.saturating_mul(1_000_000))),
        None => {
            let reason = wrong.unwrap_or_else(|| "there is no recording in it yet".to_owned());
            Err(ScanError::Read { topic: config.topic.clone(), reason })
        }
    }
}

/// Hears of partitions that come and go.
struct Rebalances {
    common: Arc<Common>,
    topic: String,
    ends: Mutex<std::collections::BTreeMap<i32, i64>>,
    log: ClientLog,
}

impl ClientContext for Rebalances {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.log.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.log.error(&error, reason);
    }
}

impl ConsumerContext for Rebalances {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(gone) = rebalance {
            self.revoke(consumer, gone);
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(come) => self.assign(consumer, come),
            Rebalance::Revoke(_) => {}
            Rebalance::Error(error) => {
                tracing::warn!(%error, "the consumer group could not share the partitions out; it is tried again")
            }
        }
    }
}

impl Rebalances {
    /// What was done of partitions that come is in their committed offsets.
    fn assign(&self, consumer: &BaseConsumer<Self>, come: &TopicPartitionList) {
        let committed = match consumer.committed_offsets(come.clone(), PATIENCE) {
            Ok(committed) => committed,
            Err(error) => {
                self.common.lock().error = Some(format!("the group's offsets cannot be read: {error}"));
                return;
            }
        };
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.common.lock();
        for element in committed.elements() {
            let end = ends.get(&element.partition()).copied().unwrap_or(0);
            let (done, zero) = match element.offset() {
                Offset::Offset(offset) => Done::from_metadata(offset, element.metadata()),
                _ => (Done::default(), None),
            };
            state.share.zero = state.share.zero.or(zero);
            tracing::info!(
                topic = self.topic,
                partition = element.partition(),
                from = done.offset(),
                unfinished = done.unfinished.len(),
                "partition assigned"
            );
            state.share.assign(element.partition(), done, end);
        }
        drop(state);
        self.common.changed.notify_all();
    }

    /// Sessions of partitions that go are given up, and it is said which: their next player begins them again.
    fn revoke(&self, consumer: &BaseConsumer<Self>, gone: &TopicPartitionList) {
        let mut list = TopicPartitionList::new();
        let mut state = self.common.lock();
        let zero = state.share.zero;
        for element in gone.elements() {
            if let Some(done) = state.share.revoke(element.partition()) {
                tracing::info!(
                    topic = self.topic,
                    partition = element.partition(),
                    unfinished = done.unfinished.len(),
                    "partition goes to another player"
                );
                add(&mut list, &self.topic, element.partition(), &done, zero);
            }
        }
        let deadline = Instant::now() + CLOSING;
        while !state.share.closing.is_empty() && Instant::now() < deadline {
            let waited = self.common.changed.wait_timeout(state, POLL);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(state);
        if list.count() > 0
            && let Err(error) = consumer.commit(&list, CommitMode::Sync)
        {
            tracing::warn!(%error, "how far the partitions are could not be saved: more sessions than necessary are done again");
        }
    }
}

/// Adds what is to be committed of a partition.
fn add(list: &mut TopicPartitionList, topic: &str, partition: i32, done: &Done, zero: Option<Zero>) {
    let mut element = list.add_partition(topic, partition);
    // An offset that was read is none that could be refused.
    let _ = element.set_offset(Offset::Offset(done.offset()));
    element.set_metadata(done.to_metadata(zero));
}

fn consumer(config: &GroupConfig, common: &Arc<Common>) -> Result<BaseConsumer<Rebalances>, ScanError> {
    let defaults = [
        ("group.id", config.group.clone()),
        ("enable.auto.commit", "false".to_owned()),
        ("enable.auto.offset.store", "false".to_owned()),
        ("enable.partition.eof", "true".to_owned()),
        ("isolation.level", "read_committed".to_owned()),
        ("allow.auto.create.topics", "false".to_owned()),
        ("auto.offset.reset", "earliest".to_owned()),
        // Sessions of partitions that stay where they are go on.
        ("partition.assignment.strategy", "cooperative-sticky".to_owned()),
        // A player that is gone is noticed soon.
        ("session.timeout.ms", "10000".to_owned()),
        ("heartbeat.interval.ms", "1000".to_owned()),
    ];
    let rebalances = Rebalances {
        common: Arc::clone(common),
        topic: config.topic.clone(),
        ends: Mutex::default(),
        log: ClientLog::default(),
    };
    let created = client_options(&config.brokers, &defaults, &config.options).create_with_context(rebalances);
    let consumer: BaseConsumer<Rebalances> =
        created.map_err(|error| ScanError::Client(describe_client_error(&error)))?;
    let known = partitions(&consumer, &config.brokers, &config.topic)?;
    let ends = known.into_iter().map(|(partition, (_, high))| (partition, high)).collect();
    *consumer.context().ends.lock().unwrap_or_else(PoisonError::into_inner) = ends;
    Ok(consumer)
}

/// The thread that reads.
struct Reader {
    config: GroupConfig,
    common: Arc<Common>,
    leave: CancellationToken,
    consumer: BaseConsumer<Rebalances>,
    /// Each partition with the offsets of its first message and past its last.
    ends: Vec<(i32, i64, i64)>,
    recorded_ns: u64,
    last_commit: Instant,
    last_look: Instant,
}

impl Reader {
    fn run(mut self) {
        if self.config.until_idle.is_some() {
            self.common.lock().last_message = Some(Instant::now());
        }
        while !self.leave.is_cancelled() {
            if let Err(error) = self.step() {
                self.common.lock().error = Some(error);
                break;
            }
            self.common.changed.notify_all();
        }
        self.common.changed.notify_all();
        self.commit(CommitMode::Sync);
        self.consumer.unsubscribe();
    }

    fn step(&mut self) -> Result<(), String> {
        match self.consumer.poll(POLL) {
            Some(Ok(message)) => self.take(&message)?,
            Some(Err(KafkaError::PartitionEOF(partition))) => self.common.lock().share.at_end(partition),
            Some(Err(error)) if !is_passing(&error) => {
                return Err(format!("topic {}: {error}", self.config.topic));
            }
            Some(Err(_)) | None => {}
        }
        self.throttle();
        if self.last_commit.elapsed() >= COMMIT {
            self.commit(CommitMode::Async);
        }
        if self.last_look.elapsed() >= LOOK {
            self.last_look = Instant::now();
            self.look();
        }
        Ok(())
    }

    fn take(&self, message: &BorrowedMessage<'_>) -> Result<(), String> {
        let decoded = decode(message.payload().unwrap_or_default());
        let mut state = self.common.lock();
        if state.last_message.is_some() {
            state.last_message = Some(Instant::now());
        }
        match decoded {
            Ok((record, about)) => state.share.push(message.partition(), message.offset(), record, about),
            Err(super::wire::WireError::Version(version)) => {
                return Err(super::wire::WireError::Version(version).to_string());
            }
            Err(super::wire::WireError::Foreign(_)) => state.share.counts.foreign += 1,
        }
        Ok(())
    }

    /// Partitions of which enough was read pause.
    fn throttle(&self) {
        let (mut pause, mut resume) = (TopicPartitionList::new(), TopicPartitionList::new());
        let limit = self.config.partition_bytes;
        for (partition, part) in &mut self.common.lock().share.parts {
            if part.waiting_bytes > limit && !part.is_paused {
                part.is_paused = true;
                pause.add_partition(&self.config.topic, *partition);
            } else if part.waiting_bytes < limit / 2 && part.is_paused {
                part.is_paused = false;
                resume.add_partition(&self.config.topic, *partition);
            }
        }
        // A partition that is no longer ours needs neither.
        if pause.count() > 0 {
            let _ = self.consumer.pause(&pause);
        }
        if resume.count() > 0 {
            let _ = self.consumer.resume(&resume);
        }
    }

    /// Says how far the partitions are that have come further.
    fn commit(&mut self, mode: CommitMode) {
        self.last_commit = Instant::now();
        let mut list = TopicPartitionList::new();
        let mut state = self.common.lock();
        let zero = state.share.zero;
        if zero.is_none() {
            return;
        }
        for (partition, part) in &mut state.share.parts {
            if std::mem::take(&mut part.is_changed) {
                add(&mut list, &self.config.topic, *partition, &part.done(), zero);
            }
        }
        drop(state);
        if list.count() > 0
            && let Err(error) = self.consumer.commit(&list, mode)
        {
            tracing::debug!(%error, "offsets not committed");
        }
    }

    /// Looks at the whole group: whether it has a common start, and whether it is done.
    fn look(&mut self) {
        let (has_zero, has_first, is_done, last_message) = {
            let state = self.common.lock();
            let first = self.ends.first().map(|(partition, ..)| *partition);
            let has_first = first.is_some_and(|first| state.share.parts.contains_key(&first));
            (state.share.zero.is_some(), has_first, state.share.is_done(), state.last_message)
        };
        if has_zero && !is_done {
            return self.end_if_idle(last_message);
        }
        let mut all = TopicPartitionList::new();
        for (partition, ..) in &self.ends {
            all.add_partition(&self.config.topic, *partition);
        }
        let Ok(committed) = self.consumer.committed_offsets(all, PATIENCE) else { return };
        let found = |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| match element.offset() {
            Offset::Offset(offset) => Some(Done::from_metadata(offset, element.metadata())),
            _ => None,
        };
        if !has_zero {
            let zero = committed.elements().iter().find_map(|element| found(element)?.1);
            let proposal = Zero { recorded_ns: self.recorded_ns, start_ms: now_ms().saturating_add(LEAD_MS) };
            let zero = zero.or(has_first.then_some(proposal));
            let mut state = self.common.lock();
            state.share.zero = zero;
            if let Some(part) = state.share.parts.values_mut().next() {
                part.is_changed |= zero.is_some();
            }
            return;
        }
        let is_over = |(partition, low, high): &(i32, i64, i64)| {
            let committed = committed.elements().into_iter().find(|element| element.partition() == *partition);
            low == high || committed.and_then(|element| found(&element)).is_some_and(|(done, _)| done.offset() >= *high)
        };
        let is_idle = match (self.config.until_idle, last_message) {
            (Some(_), Some(_)) => false,
            _ => true,
        };
        if is_idle && self.ends.iter().all(is_over) {
            self.common.lock().is_over = true;
        }
        self.end_if_idle(last_message);
    }

    /// Nothing has come for so long that nothing will.
    fn end_if_idle(&self, last_message: Option<Instant>) {
        if let (Some(idle), Some(last)) = (self.config.until_idle, last_message)
            && last.elapsed() >= idle
        {
            self.common.lock().last_message = None;
        }
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
