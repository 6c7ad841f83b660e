//! The one producer: a librdkafka client and the messages on their way through it.

use std::borrow::Cow;
use std::ffi::CString;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, PurgeConfig};

use crate::deliver::batch::{Batch, Routed};
use crate::deliver::counters::{LossReason, ProducerCounter};
use crate::deliver::error::SinkError;
use crate::deliver::kafka::bootstrap;
use crate::deliver::kafka::chain::Chain;
use crate::deliver::kafka::client::describe_client_error;
use crate::deliver::kafka::headers::Headers;
use crate::deliver::kafka::oversize::Oversize;
use crate::deliver::kafka::pacing::Pacing;
use crate::deliver::kafka::reports::{Answer, Reports};
use crate::deliver::kafka::settings::{Keys, LEAST_BATCH_BYTES, OnRefused, ProducerConfig, Sharing};
use crate::deliver::kafka::window::{Due, State, Window};
use crate::deliver::rate_limit::RateLimit;

const REFUSAL_LOG_INTERVAL: Duration = Duration::from_secs(10);
const WAIT: Duration = Duration::from_millis(1);
/// Answered messages wait for unanswered ones before them; this many times the unanswered bytes are kept in all.
const KEPT_TIMES: usize = 4;
/// A key is logged up to this length.
const LOGGED_KEY_BYTES: usize = 200;

pub(crate) struct Producer {
    config: ProducerConfig,
    client: BaseProducer<Reports>,
    servers: CString,
    pub(crate) window: Window,
    pacing: Pacing,
    requests: Requests,
    /// The size of a batch where messages share requests.
    batch_bytes: u32,
    /// How many messages were handed over since librdkafka last had none.
    attempt: usize,
    answers: Vec<(usize, Answer)>,
    refusals: RateLimit,
    oversize: Oversize,
    cuts: RateLimit,
    /// The largest message that was delivered alone: smaller ones will not be refused for their size.
    accepted: usize,
    /// One that may be refused is on its way alone: if it is made smaller, those after it must not have overtaken it.
    is_barred: bool,
    /// Why the sink ends: a message that Kafka will never accept and that must not be skipped.
    refused: Option<String>,
    key: itoa::Buffer,
    headers: Headers,
    /// How many clients were made.
    made: u64,
}

/// What a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Requests {
    /// Several messages.
    Shared,
    /// Several messages, and such a request was refused, without saying for which of them: they have to be tried alone.
    Suspicious,
    /// One message each, until everything in the window is answered; `refused`: at least one was refused.
    Single { refused: bool },
}

impl Producer {
    /// Makes the client; fails only if librdkafka refuses an option.
    pub(crate) fn open(config: ProducerConfig) -> Result<Self, SinkError> {
        let sharing = Sharing::Bytes(config.batch_bytes);
        Ok(Self {
            client: create(&config, sharing)?,
            servers: bootstrap::servers(&config.client_options(sharing)),
            window: Window::default(),
            pacing: config.pacing.clone(),
            requests: Requests::Shared,
            batch_bytes: config.batch_bytes,
            attempt: 0,
            answers: Vec::new(),
            refusals: RateLimit::new(REFUSAL_LOG_INTERVAL),
            oversize: config.oversize(),
            cuts: RateLimit::new(REFUSAL_LOG_INTERVAL),
            accepted: 0,
            is_barred: false,
            refused: None,
            key: itoa::Buffer::new(),
            headers: Headers::new(config.proxy.clone(), config.keys == Keys::Connections),
            made: 1,
            config,
        })
    }

    /// Its messages are chained.
    pub(crate) fn chain(&mut self, chain: Chain) {
        self.window = Window::chained(chain);
    }

    pub(crate) fn client(&self) -> &BaseProducer<Reports> {
        &self.client
    }

    pub(crate) fn reports(&self) -> &Reports {
        self.client.context()
    }

    pub(crate) fn config(&self) -> &ProducerConfig {
        &self.config
    }

    /// Why nothing more is handed over: a message that Kafka will never accept. `None` while others are in flight.
    pub(crate) fn refused(&self) -> Option<&str> {
        self.refused.as_deref().filter(|_| self.in_flight() <= 0)
    }

    /// Lets librdkafka call back. True if a message failed for now.
    pub(crate) fn hear(&mut self) -> bool {
        self.client.poll(Duration::ZERO);
        while self.reports().was_called() {
            self.client.poll(Duration::ZERO);
        }
        let mut answers = std::mem::take(&mut self.answers);
        self.reports().take(&mut answers);
        let mut failed = false;
        for (number, answer) in answers.drain(..) {
            match answer {
                Answer::Delivered => {
                    if self.is_barred {
                        let bytes = self.window.get(number).map_or(0, |due| due.message.value.len());
                        self.accepted = self.accepted.max(bytes);
                    }
                    self.window.answer(number, State::Delivered);
                }
                Answer::Failed => failed = true,
                // It was the only message of its request.
                Answer::Refused(reason) if self.attempt == 1 || matches!(self.requests, Requests::Single { .. }) => {
                    failed |= self.refuse(number, reason);
                }
                Answer::Refused(_) => {
                    self.requests = Requests::Suspicious;
                    failed = true;
                }
            }
        }
        self.answers = answers;
        failed
    }

    /// Waits briefly for answers. A poll with a timeout would spin through its last millisecond (rdkafka 0.39).
    pub(crate) fn wait(&self) {
        std::thread::sleep(WAIT);
        self.client.poll(Duration::ZERO);
    }

    /// How many messages, starting with `from`, there is room for now.
    pub(crate) fn room(&self, batch: &Batch, from: usize, keep_bytes: Option<usize>) -> usize {
        let is_single = self.requests != Requests::Shared && !self.window.is_empty();
        if is_single || self.refused.is_some() {
            return 0;
        }
        let limit = self.config.waiting_bytes;
        let kept = keep_bytes.unwrap_or_else(|| limit.saturating_mul(KEPT_TIMES)).saturating_sub(self.window.bytes());
        let room = limit.saturating_sub(self.window.waiting_bytes()).min(kept);
        let fitting = batch.messages_within(from, room);
        // A single message may exceed the limit.
        if fitting == 0 && self.window.waiting_bytes() == 0 { 1.min(batch.len().saturating_sub(from)) } else { fitting }
    }

    /// Gives librdkafka the messages that are due, all of them when `flushing`. True if that failed.
    pub(crate) fn hand_over(&mut self, now: Instant, flushing: bool) -> bool {
        self.pacing.release(&mut self.window, now, flushing);
        if self.in_flight() <= 0 {
            self.attempt = 0;
            self.is_barred = false;
        }
        if self.is_barred {
            return false;
        }
        while self.refused.is_none() {
            if self.oversize.is_known() {
                self.shorten_next(now);
            }
            let link = self.window.link_next();
            let Some(Due { number, message, note }) = self.window.next() else { return false };
            let topic = topic_of(&self.config, &message);
            let mut record = BaseRecord::<'_, [u8], [u8], usize>::with_opaque_to(topic, number);
            if !message.value.is_empty() {
                record = record.payload(message.value);
            }
            let key = match self.config.keys {
                Keys::Connections => self.key.format(message.connection).as_bytes(),
                Keys::OfMessages => message.key,
            };
            if !key.is_empty() {
                record = record.key(key);
            }
            if let Some(numbered) = &message.numbered {
                let origin = message.origin.map(|origin| &**origin);
                record = record.headers(self.headers.of(numbered, origin, note, link.as_ref()));
            }
            let bytes = message.value.len();
            let Err((error, _)) = self.client.send(record) else {
                self.window.advance();
                self.attempt += 1;
                let is_single = matches!(self.requests, Requests::Single { .. });
                if self.config.cuts && is_single && bytes > self.accepted {
                    self.is_barred = true;
                    return false;
                }
                continue;
            };
            if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) {
                return false;
            }
            match self.reports().judge(&error) {
                // librdkafka judges each message alone.
                Answer::Refused(reason) => {
                    self.refuse(number, reason);
                }
                // An unknown topic and the like, known from an earlier answer.
                Answer::Delivered | Answer::Failed => return true,
            }
        }
        false
    }

    /// How long until the next messages are due; `None` if there are none.
    pub(crate) fn until_due(&self, now: Instant) -> Option<Duration> {
        self.pacing.until_due(&self.window, now)
    }

    /// Kafka will never accept this message as it is. True if it is to be sent again, made smaller.
    fn refuse(&mut self, number: usize, reason: LossReason) -> bool {
        if let Requests::Single { refused } = &mut self.requests {
            *refused = true;
        }
        let Some(Due { message, .. }) = self.window.get(number) else { return false };
        let bytes = message.value.len();
        if self.config.cuts && reason == LossReason::TooLarge {
            let limit = self.oversize.refused(bytes, Instant::now());
            if self.shorten(number, limit) {
                return true;
            }
        }
        let Some(Due { message, .. }) = self.window.get(number) else { return false };
        let topic = topic_of(&self.config, &message);
        let (key, failure) = (self.key_of(&message), self.reports().last_failure());
        if self.config.on_refused == OnRefused::Fail {
            let explained = || explain(topic, &key, bytes, reason, &failure);
            self.refused = self.refused.take().or_else(|| Some(explained()));
            return false;
        }
        if let Some(messages) = self.refusals.add(1, Instant::now()) {
            tracing::error!(
                sink = "kafka",
                messages,
                topic,
                %key,
                bytes,
                %reason,
                error = failure,
                "message refused for good and counted as lost; this is the latest"
            );
        }
        self.window.answer(number, State::Refused(reason));
        false
    }

    /// Makes the next message smaller if brokers are known to refuse it.
    fn shorten_next(&mut self, now: Instant) {
        let Some((number, bytes)) = self.window.next().map(|due| (due.number, due.message.value.len())) else { return };
        if let Some(limit) = self.oversize.limit(bytes, now) {
            // What cannot be made smaller is for the brokers to judge.
            self.shorten(number, limit);
        }
    }

    /// Makes a message smaller; false if it cannot be.
    fn shorten(&mut self, number: usize, limit: usize) -> bool {
        let bytes = self.window.get(number).map_or(0, |due| due.message.value.len());
        if !self.window.shorten(number, limit) {
            return false;
        }
        let Some(Due { message, note, .. }) = self.window.get(number) else { return false };
        if let Some(messages) = self.cuts.add(1, Instant::now()) {
            tracing::warn!(
                sink = "kafka",
                messages,
                topic = topic_of(&self.config, &message),
                key = %self.key_of(&message),
                bytes,
                sent_bytes = message.value.len(),
                cut = note,
                "message too large: sent with its SQL or parameters cut, the header `cut` says so; this is the latest"
            );
        }
        true
    }

    /// A message's key, for people.
    fn key_of<'a>(&self, message: &Routed<'a>) -> Cow<'a, str> {
        match self.config.keys {
            Keys::Connections => message.connection.to_string().into(),
            Keys::OfMessages => String::from_utf8_lossy(message.key.get(..LOGGED_KEY_BYTES).unwrap_or(message.key)),
        }
    }

    /// Says how it is.
    pub(crate) fn report(&self, counter: &ProducerCounter) {
        counter.kept_messages.store(self.window.len() as u64, Relaxed);
        counter.kept_bytes.store(self.window.bytes() as u64, Relaxed);
        counter.in_flight.store(u64::try_from(self.in_flight()).unwrap_or(0), Relaxed);
        counter.errors.store(self.reports().errors(), Relaxed);
        counter.made.store(self.made, Relaxed);
    }

    pub(crate) fn in_flight(&self) -> i32 {
        self.client.in_flight_count()
    }

    /// Takes back what librdkafka has not sent.
    pub(crate) fn take_back_unsent(&self) {
        self.client.purge(PurgeConfig::default().queue());
    }

    /// Takes back everything that is unanswered, sent or not.
    pub(crate) fn take_back(&self) {
        self.client.purge(PurgeConfig::default().queue().inflight());
    }

    /// Tells librdkafka the bootstrap servers again (see `stall`).
    pub(crate) fn nudge(&self) {
        bootstrap::add_servers(self.client.client(), &self.servers);
    }

    pub(crate) fn fatal_error(&self) -> Option<String> {
        self.client.client().fatal_error().map(|(_, reason)| reason)
    }

    pub(crate) fn last_failure(&self) -> String {
        self.reports().last_failure()
    }

    /// Whether a new client is needed because messages have to share requests differently.
    pub(crate) fn wants_replacement(&self) -> bool {
        match self.requests {
            Requests::Shared => false,
            Requests::Suspicious => true,
            Requests::Single { .. } => self.window.is_empty(),
        }
    }

    /// Puts a new client in place of the old one, which has no messages left.
    pub(crate) fn replace(&mut self) -> Result<(), SinkError> {
        let mut batch_bytes = self.batch_bytes;
        let requests = match self.requests {
            Requests::Suspicious => {
                self.accepted = 0;
                Requests::Single { refused: false }
            }
            Requests::Single { refused } if self.window.is_empty() => {
                // Each was accepted alone: together they were too large.
                if !refused && batch_bytes > LEAST_BATCH_BYTES {
                    batch_bytes /= 2;
                }
                Requests::Shared
            }
            same => same,
        };
        let sharing = match requests {
            Requests::Single { .. } => Sharing::Single,
            Requests::Shared | Requests::Suspicious => Sharing::Bytes(batch_bytes),
        };
        let client = create(&self.config, sharing)?;
        if batch_bytes < self.batch_bytes {
            tracing::warn!(
                sink = "kafka",
                bytes = batch_bytes,
                "a topic accepts no batches as large as ours; they are made smaller. \
                 Raise the topic's max.message.bytes, or give batch.size as a Kafka option"
            );
        }
        client.context().inherit(self.reports());
        self.made += 1;
        self.client = client;
        self.requests = requests;
        self.batch_bytes = batch_bytes;
        self.attempt = 0;
        self.is_barred = false;
        Ok(())
    }
}

fn topic_of<'a>(config: &'a ProducerConfig, message: &Routed<'a>) -> &'a str {
    message.topic.map_or(config.topic.as_str(), |topic| topic.as_ref())
}

fn explain(topic: &str, key: &str, bytes: usize, reason: LossReason, failure: &str) -> String {
    format!(
        "the message with key {key} for topic {topic} ({bytes} bytes) is refused for good: {reason}, {failure}. Let it be taken \
         (--kafka-option message.max.bytes=..., and the topic's max.message.bytes), or leave such messages out with \
         --kafka-on-refused=skip. What comes after the last checkpoint is read again at the next start"
    )
}

fn create(config: &ProducerConfig, sharing: Sharing) -> Result<BaseProducer<Reports>, SinkError> {
    config
        .client_options(sharing)
        .create_with_context(Reports::default())
        .map_err(|error: KafkaError| SinkError::Client { reason: describe_client_error(&error) })
}
