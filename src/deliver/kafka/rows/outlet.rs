//! A producer with the messages that are on their way through it.

use std::ffi::CString;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, PurgeConfig};

use crate::deliver::counters::LossReason;
use crate::deliver::kafka::rows::answers::{Answer, Answers};
use crate::deliver::kafka::rows::settings::{
    BATCH_BYTES, Batching, LEAST_BATCH_BYTES, OnRefused, RowsSinkConfig, producer_options,
};
use crate::deliver::kafka::rows::window::{State, Window};
use crate::deliver::kafka::{bootstrap, client::describe_client_error};
use crate::deliver::rate_limit::RateLimit;
use crate::deliver::{Batch, SinkError};

const LOG_INTERVAL: Duration = Duration::from_secs(10);
const WAIT: Duration = Duration::from_millis(1);
/// How much more than what is under way may be kept until what is before it is answered.
const KEPT_TIMES: usize = 4;

pub(crate) struct Outlet {
    config: RowsSinkConfig,
    pub(crate) producer: BaseProducer<Answers>,
    servers: CString,
    pub(crate) window: Window,
    answers: Vec<(usize, Answer)>,
    refusals: RateLimit,
    batching: Batching,
    /// Bytes of a batch when messages share requests again.
    batch_bytes: u32,
    /// A request with several messages was refused: nobody knows for which of them.
    suspicious: bool,
    refused_alone: bool,
    /// Why the sink ends: a message that will never be taken, and is not to be left out.
    refused: Option<String>,
}

impl Outlet {
    pub(crate) fn open(config: &RowsSinkConfig) -> Result<Self, SinkError> {
        let batching = Batching::Bytes(BATCH_BYTES);
        Ok(Self {
            config: config.clone(),
            producer: create(config, batching)?,
            servers: bootstrap::servers(&producer_options(config, batching)),
            window: Window::default(),
            answers: Vec::new(),
            refusals: RateLimit::new(LOG_INTERVAL),
            batching,
            batch_bytes: BATCH_BYTES,
            suspicious: false,
            refused_alone: false,
            refused: None,
        })
    }

    /// Why nothing more is handed over: a message that Kafka will never take. `None` while others are under way.
    pub(crate) fn refused(&self) -> Option<&str> {
        self.refused.as_deref().filter(|_| self.in_flight() <= 0)
    }

    /// Lets librdkafka call back. True where a message failed for now.
    pub(crate) fn hear(&mut self) -> bool {
        self.producer.poll(Duration::ZERO);
        while self.producer.context().was_called() {
            self.producer.poll(Duration::ZERO);
        }
        let mut answers = std::mem::take(&mut self.answers);
        self.producer.context().take(&mut answers);
        let mut failed = false;
        for (number, answer) in answers.drain(..) {
            match answer {
                Answer::Delivered => self.window.answer(number, State::Delivered),
                Answer::Failed => failed = true,
                Answer::Refused(reason) if self.batching == Batching::Single => self.refuse(number, reason),
                Answer::Refused(_) => {
                    self.suspicious = true;
                    failed = true;
                }
            }
        }
        self.answers = answers;
        failed
    }

    /// Waits a moment for answers. A poll that may wait would spin through the last millisecond of its time (rdkafka 0.39).
    pub(crate) fn wait(&self) {
        std::thread::sleep(WAIT);
        self.producer.poll(Duration::ZERO);
    }

    /// How many messages from `from` on there is room for now.
    pub(crate) fn room(&self, batch: &Batch, from: usize, keep_bytes: Option<usize>) -> usize {
        let is_single = self.batching == Batching::Single && !self.window.is_empty();
        if is_single || self.refused.is_some() {
            return 0;
        }
        let limit = self.config.in_flight_bytes;
        let kept = keep_bytes.unwrap_or(limit * KEPT_TIMES).saturating_sub(self.window.bytes());
        let room = limit.saturating_sub(self.window.waiting_bytes()).min(kept);
        let fitting = batch.messages_within(from, room);
        // One message larger than all room there is.
        if fitting == 0 && self.window.waiting_bytes() == 0 { 1.min(batch.len().saturating_sub(from)) } else { fitting }
    }

    /// Gives librdkafka what it does not have yet. True where that failed.
    pub(crate) fn hand_over(&mut self) -> bool {
        loop {
            if self.refused.is_some() {
                return false;
            }
            let Some((number, message)) = self.window.next() else { return false };
            let topic = message.topic.map_or(self.config.topic.as_str(), |topic| topic.as_ref());
            let mut record = BaseRecord::<'_, [u8], [u8], usize>::with_opaque_to(topic, number);
            if !message.value.is_empty() {
                record = record.payload(message.value);
            }
            if !message.key.is_empty() {
                record = record.key(message.key);
            }
            let Err((error, _)) = self.producer.send(record) else {
                self.window.advance();
                continue;
            };
            if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) {
                return false;
            }
            match self.producer.context().judge(&error) {
                // librdkafka judges each message alone.
                Answer::Refused(reason) => self.refuse(number, reason),
                Answer::Delivered | Answer::Failed => return true,
            }
        }
    }

    /// A message that nobody will ever take.
    fn refuse(&mut self, number: usize, reason: LossReason) {
        self.refused_alone = true;
        if self.config.on_refused == OnRefused::Fail {
            self.refused = self.refused.take().or_else(|| Some(self.explain(number, reason)));
            return;
        }
        let now = Instant::now();
        if let (Some(message), Some(messages)) = (self.window.get(number), self.refusals.add(1, now)) {
            tracing::error!(
                sink = "kafka",
                messages,
                topic = message.topic.map_or(self.config.topic.as_str(), |topic| topic.as_ref()),
                key = %String::from_utf8_lossy(message.key.get(..200).unwrap_or(message.key)),
                bytes = message.value.len(),
                %reason,
                error = self.producer.context().last_failure(),
                "message refused for good and counted as lost; this is the latest"
            );
        }
        self.window.answer(number, State::Refused(reason));
    }

    fn explain(&self, number: usize, reason: LossReason) -> String {
        let Some(message) = self.window.get(number) else { return reason.to_string() };
        format!(
            "the message with key {} for topic {} ({} bytes) is refused for good: {reason}, {}. Let it be taken \
             (--kafka-option message.max.bytes=..., and the topic's max.message.bytes), or leave such messages out with \
             --kafka-on-refused=skip. What comes behind the last checkpoint is read again at the next start",
            String::from_utf8_lossy(message.key.get(..200).unwrap_or(message.key)),
            message.topic.map_or(self.config.topic.as_str(), |topic| topic.as_ref()),
            message.value.len(),
            self.producer.context().last_failure(),
        )
    }

    pub(crate) fn in_flight(&self) -> i32 {
        self.producer.in_flight_count()
    }

    /// Takes back what librdkafka has not sent; with `all`, also what it has.
    pub(crate) fn purge(&self, all: bool) {
        let queue = PurgeConfig::default().queue();
        self.producer.purge(if all { queue.inflight() } else { queue });
    }

    /// Tells librdkafka the brokers again (see `stall`).
    pub(crate) fn nudge(&self) {
        bootstrap::add_servers(self.producer.client(), &self.servers);
    }

    pub(crate) fn fatal_error(&self) -> Option<String> {
        self.producer.client().fatal_error().map(|(_, reason)| reason)
    }

    pub(crate) fn last_failure(&self) -> String {
        self.producer.context().last_failure()
    }

    /// Whether another producer is needed for messages to share requests in another way.
    pub(crate) fn wants_other_batching(&self) -> bool {
        self.suspicious || (self.batching == Batching::Single && self.window.is_empty())
    }

    /// A new producer in place of the old.
    pub(crate) fn replace(&mut self) -> Result<(), SinkError> {
        if std::mem::take(&mut self.suspicious) {
            self.batching = Batching::Single;
            self.refused_alone = false;
        } else if self.batching == Batching::Single && self.window.is_empty() {
            if !self.refused_alone && self.batch_bytes > LEAST_BATCH_BYTES {
                self.batch_bytes /= 2;
                tracing::warn!(
                    sink = "kafka",
                    bytes = self.batch_bytes,
                    "a topic takes no batches as large as ours; they are made smaller. \
                     Raise the topic's max.message.bytes, or give batch.size as a Kafka option"
                );
            }
            self.batching = Batching::Bytes(self.batch_bytes);
        }
        self.producer = create(&self.config, self.batching)?;
        Ok(())
    }
}

fn create(config: &RowsSinkConfig, batching: Batching) -> Result<BaseProducer<Answers>, SinkError> {
    producer_options(config, batching)
        .create_with_context(Answers::default())
        .map_err(|error: KafkaError| SinkError::Client { reason: describe_client_error(&error) })
}
