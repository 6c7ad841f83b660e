//! What queues and sinks are like, for metrics and for whoever asks whether all is well.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::deliver::backlog::Lag;
use crate::deliver::counters::{LossReason, SinkCounter};
use crate::deliver::ingest::Shared;
use crate::deliver::outlet::Outlet;
use crate::deliver::queue::lock;
use crate::deliver::spool::Spool;
use crate::metrics::{Check, Kind, Metric, Readings, Source, Verdict};

/// A sink that has delivered nothing for this long, beyond what it waits for by itself, is stuck.
const STUCK: Duration = Duration::from_secs(10);

/// What the queues and sinks of a pipeline are like, while it runs and afterwards.
#[derive(Debug)]
pub(crate) struct Overview {
    outlets: Vec<Outlet>,
    shared: Arc<Shared>,
}

/// A metric of each sink, and where its value is.
struct OfSink {
    metric: Metric,
    read: fn(&Outlet, &Shared, Instant) -> f64,
}

const fn of_sink(
    kind: Kind,
    name: &'static str,
    help: &'static str,
    read: fn(&Outlet, &Shared, Instant) -> f64,
) -> OfSink {
    OfSink { metric: Metric { name, kind, help, labels: &["sink"] }, read }
}

const SINKS: &[OfSink] = &[
    of_sink(
        Kind::Counter,
        "mysql_interceptor_sink_queued_messages_total",
        "Messages that entered the sink's queue",
        |outlet, _, _| outlet.counter.queued() as f64,
    ),
    of_sink(
        Kind::Counter,
        "mysql_interceptor_sink_taken_messages_total",
        "Messages that the sink took out of its queue",
        |outlet, _, _| outlet.counter.taken() as f64,
    ),
    of_sink(
        Kind::Counter,
        "mysql_interceptor_sink_delivered_messages_total",
        "Messages that the sink's destination has (acknowledged, written or synced, as the sink is set)",
        |outlet, _, _| outlet.counter.delivered() as f64,
    ),
    of_sink(
        Kind::Counter,
        "mysql_interceptor_sink_retried_messages_total",
        "Messages that were sent again after a failed delivery, each time",
        |outlet, _, _| outlet.counter.resent() as f64,
    ),
    of_sink(
        Kind::Counter,
        "mysql_interceptor_sink_shortened_messages_total",
        "Messages that were too large and were delivered with their texts cut",
        |outlet, _, _| outlet.counter.shortened() as f64,
    ),
    of_sink(Kind::Counter, "mysql_interceptor_sink_failures_total", "Failed attempts to write", |outlet, _, _| {
        outlet.counter.failures() as f64
    }),
    of_sink(Kind::Gauge, "mysql_interceptor_sink_queue_messages", "Messages in the sink's queue", |outlet, _, _| {
        outlet.queue.load().0 as f64
    }),
    of_sink(
        Kind::Gauge,
        "mysql_interceptor_sink_queue_bytes",
        "Bytes of the messages in the sink's queue",
        |outlet, _, _| outlet.queue.load().1 as f64,
    ),
    of_sink(
        Kind::Gauge,
        "mysql_interceptor_sink_queue_limit_messages",
        "Messages that the sink's queue may hold",
        |_, shared, _| shared.bounds.messages as f64,
    ),
    of_sink(
        Kind::Gauge,
        "mysql_interceptor_sink_queue_limit_bytes",
        "Bytes that the sink's queue may hold (one larger message when it is alone)",
        |_, shared, _| shared.bounds.bytes as f64,
    ),
    of_sink(
        Kind::Gauge,
        "mysql_interceptor_sink_lag_seconds",
        "Age of the oldest message that the sink has not delivered, since it entered delivery; 0 without one",
        |outlet, shared, now| outlet.behind(shared, now).age.as_secs_f64(),
    ),
    of_sink(
        Kind::Gauge,
        "mysql_interceptor_sink_lag_messages",
        "Messages that entered delivery, or wait in the spool, and that the sink has not delivered",
        |outlet, shared, now| outlet.behind(shared, now).messages as f64,
    ),
    of_sink(
        Kind::Gauge,
        "mysql_interceptor_sink_lag_bytes",
        "Bytes of these messages; of those that only the spool has, an estimate",
        |outlet, shared, now| outlet.behind(shared, now).bytes as f64,
    ),
    of_sink(
        Kind::Gauge,
        "mysql_interceptor_sink_up",
        "1 while the sink delivers what it gets; 0 where it is stuck or has ended, as /readyz says",
        |outlet, shared, now| if outlet.trouble(shared, now).is_none() { 1.0 } else { 0.0 },
    ),
];

const PRODUCERS: &[OfSink] = &[
    of_sink(
        Kind::Gauge,
        "mysql_interceptor_kafka_unacknowledged_messages",
        "Messages that are kept until a broker has acknowledged them and all before them",
        |outlet, _, _| outlet.counter.producer().kept_messages.load(Relaxed) as f64,
    ),
    of_sink(Kind::Gauge, "mysql_interceptor_kafka_unacknowledged_bytes", "Bytes of these messages", |outlet, _, _| {
        outlet.counter.producer().kept_bytes.load(Relaxed) as f64
    }),
    of_sink(
        Kind::Gauge,
        "mysql_interceptor_kafka_in_flight_messages",
        "Messages that librdkafka has, sent or about to be",
        |outlet, _, _| outlet.counter.producer().in_flight.load(Relaxed) as f64,
    ),
    of_sink(
        Kind::Counter,
        "mysql_interceptor_kafka_errors_total",
        "Errors of brokers and connections, and messages that came back undelivered",
        |outlet, _, _| outlet.counter.producer().errors.load(Relaxed) as f64,
    ),
    of_sink(
        Kind::Counter,
        "mysql_interceptor_kafka_producers_total",
        "Producers that were made: one at the start, and another after each that failed or got stuck",
        |outlet, _, _| outlet.counter.producer().made.load(Relaxed) as f64,
    ),
];

const DROPPED: Metric = Metric::counter(
    "mysql_interceptor_sink_dropped_messages_total",
    "Messages that the sink did not deliver and never will",
    &["sink", "reason"],
);

const WAITING: Metric = Metric::gauge(
    "mysql_interceptor_clients_waiting",
    "Clients that are kept waiting now because a queue or the spool is full (--backpressure=block, --spool-full=block)",
    &[],
);

/// A metric of the spool, and where its value is.
struct OfSpool {
    metric: Metric,
    read: fn(&Spool) -> u64,
}

const SPOOL: &[OfSpool] = &[
    OfSpool {
        metric: Metric::counter(
            "mysql_interceptor_spool_messages_total",
            "Messages that were ever put into the spool",
            &[],
        ),
        read: |spool| spool.counts().last,
    },
    OfSpool {
        metric: Metric::gauge("mysql_interceptor_spool_bytes", "Bytes that messages take of the spool's disk", &[]),
        read: |spool| spool.counts().bytes,
    },
    OfSpool {
        metric: Metric::gauge(
            "mysql_interceptor_spool_limit_bytes",
            "Bytes that they may take (--spool-max-bytes)",
            &[],
        ),
        read: Spool::most_bytes,
    },
    OfSpool {
        metric: Metric::gauge(
            "mysql_interceptor_spool_full",
            "1 while the spool, or its disk, is full (--spool-full)",
            &[],
        ),
        read: |spool| spool.counts().is_full.into(),
    },
    OfSpool {
        metric: Metric::counter("mysql_interceptor_spool_filled_total", "How often it has become full", &[]),
        read: |spool| spool.counts().times_full,
    },
];

/// Every metric of delivery; none is in the log under a key of its own.
#[cfg(test)]
pub(crate) fn metrics() -> Vec<(Metric, Option<&'static str>)> {
    let of_sinks = SINKS.iter().chain(PRODUCERS).map(|of_sink| of_sink.metric);
    let of_spool = SPOOL.iter().map(|of_spool| of_spool.metric);
    of_sinks.chain([DROPPED, WAITING]).chain(of_spool).map(|metric| (metric, None)).collect()
}

impl Overview {
    pub(crate) const fn new(outlets: Vec<Outlet>, shared: Arc<Shared>) -> Self {
        Self { outlets, shared }
    }
}

impl Source for Overview {
    fn tell(&self, readings: &mut Readings) {
        let now = Instant::now();
        for outlet in &self.outlets {
            let counter: &SinkCounter = &outlet.counter;
            let has_producer = counter.producer().made.load(Relaxed) > 0;
            for of_sink in SINKS.iter().chain(PRODUCERS.iter().filter(|_| has_producer)) {
                readings.decimal(&of_sink.metric, &[counter.name()], (of_sink.read)(outlet, &self.shared, now));
            }
            // All reasons from the start: a series that begins at 1 has no increase.
            for reason in LossReason::ALL {
                readings.whole(&DROPPED, &[counter.name(), reason.label()], counter.lost(reason));
            }
        }
        readings.whole(&WAITING, &[], self.shared.held_up.load(Relaxed) as u64);
        if let Some(spool) = &self.shared.spool {
            for OfSpool { metric, read } in SPOOL {
                readings.whole(metric, &[], read(spool));
            }
        }
    }
}

impl Check for Overview {
    fn check(&self) -> Pin<Box<dyn Future<Output = Verdict> + Send + '_>> {
        let now = Instant::now();
        let is_full = self.shared.spool.as_ref().filter(|spool| spool.is_full());
        let full = is_full.map(|spool| format!("the spool is full (--spool-full={})", spool.policy()));
        let troubles: Vec<_> =
            self.outlets.iter().filter_map(|outlet| outlet.trouble(&self.shared, now)).chain(full).collect();
        let verdict = if troubles.is_empty() { Ok(()) } else { Err(troubles.join("\n")) };
        Box::pin(async { verdict })
    }
}

/// How far behind a sink is, with what waits for it in the spool.
#[derive(Debug, Clone, Copy)]
struct Behind {
    /// The age of the oldest message; zero without one.
    age: Duration,
    /// How long ago messages were last delivered.
    quiet: Duration,
    messages: u64,
    bytes: u64,
}

impl Outlet {
    fn behind(&self, shared: &Shared, now: Instant) -> Behind {
        let (Lag { age, quiet, bytes }, messages) = (self.counter.lag(now), self.counter.outstanding());
        let queued = Behind { age, quiet, messages, bytes };
        let Some(spool) = &shared.spool else { return queued };
        let through = self.counter.delivered_through();
        let all = spool.last().saturating_sub(through);
        let only_spooled = all.saturating_sub(messages);
        if only_spooled == 0 {
            return queued;
        }
        let age = age.max(lock(&shared.timeline).age(through, now));
        Behind { age, quiet, messages: all, bytes: bytes + self.counter.estimate_bytes(only_spooled) }
    }

    /// What is wrong with the sink, if anything is.
    fn trouble(&self, shared: &Shared, now: Instant) -> Option<String> {
        let name = self.counter.name();
        if self.queue.has_ended() {
            return Some(format!("sink {name} has ended: it takes nothing any more"));
        }
        let Behind { age, quiet, messages, .. } = self.behind(shared, now);
        let is_stuck = age.min(quiet) > self.holds_for.saturating_add(STUCK);
        is_stuck.then(|| format!("sink {name} is stuck: {messages} messages wait, the oldest for {} s", age.as_secs()))
    }
}
