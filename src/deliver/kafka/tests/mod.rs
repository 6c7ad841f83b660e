//! Both sinks against librdkafka's mock cluster, which runs in this process; and against a real broker where INTERCEPTOR_TEST_KAFKA
//! names one (`host:port`).

mod real;
mod relay;
mod statements;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{Offset, TopicPartitionList};

use crate::deliver::batch::numbered;
use crate::deliver::counters::{LossReason, SinkCounter};
use crate::deliver::kafka::*;
use crate::deliver::{Batch, Sink, SinkError};

type Cluster = MockCluster<'static, DefaultProducerContext>;

fn cluster() -> Cluster {
    let cluster = MockCluster::new(1).unwrap();
    for topic in ["A", "B", "CP"] {
        cluster.create_topic(topic, 2, 1).unwrap();
    }
    cluster
}

fn config(servers: String, exactly_once: Option<&str>) -> RowsSinkConfig {
    RowsSinkConfig {
        bootstrap_servers: servers,
        topic: "A".to_owned(),
        in_flight_bytes: 4 << 20,
        transactions: exactly_once
            .map(|id| TransactionSettings { transactional_id: id.to_owned(), checkpoint_topic: "CP".to_owned() }),
        on_refused: OnRefused::Skip,
        options: Vec::new(),
    }
}

/// Messages of topic, key and value.
fn rows(messages: &[(&str, &str, &str)]) -> Batch {
    let mut batch = Batch::new();
    for (topic, key, value) in messages {
        batch
            .push_routed(Some(&Arc::from(*topic)), |value_bytes, key_bytes| {
                value_bytes.extend_from_slice(value.as_bytes());
                key_bytes.extend_from_slice(key.as_bytes());
                Ok::<(), ()>(())
            })
            .unwrap();
    }
    numbered(batch)
}

fn attached<S: Sink>(mut sink: S) -> (S, Arc<SinkCounter>) {
    let counter = Arc::new(SinkCounter::new("kafka".to_owned()));
    sink.attach(&counter);
    (sink, counter)
}

/// How many messages were delivered, without those that were lost.
fn delivered(sink: &dyn Sink, counter: &SinkCounter) -> u64 {
    sink.delivered_through() - counter.lost_total()
}

fn write_all(sink: &mut dyn Sink, batch: &Batch) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut from = 0;
    while from < batch.len() {
        assert!(Instant::now() < deadline);
        match sink.write(batch, from) {
            Ok(taken) => from += taken,
            Err(error) => assert!(!error.ends_sink(), "{error}"),
        }
    }
}

/// Only a failure takes this long.
fn in_a_minute() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// What a topic holds: partition, key and value, in the order of each partition.
fn consume(servers: &str, topic: &str, partitions: i32) -> Vec<(i32, Option<String>, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let part = |message: &BorrowedMessage<'_>| {
        (message.partition(), message.key().map(text), text(message.payload().unwrap()))
    };
    consume_as(servers, topic, partitions, part)
}

/// What is wanted of each message that a topic holds, in the order of each partition.
fn consume_as<T>(servers: &str, topic: &str, partitions: i32, wanted: impl Fn(&BorrowedMessage<'_>) -> T) -> Vec<T> {
    let defaults = [
        ("group.id", "g".to_owned()),
        ("enable.partition.eof", "true".to_owned()),
        ("isolation.level", "read_committed".to_owned()),
    ];
    let consumer: BaseConsumer = client_options(servers, &defaults, &[]).create().unwrap();
    let mut assignment = TopicPartitionList::new();
    for partition in 0..partitions {
        assignment.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let (mut found, mut ends) = (Vec::new(), 0);
    while ends < partitions && Instant::now() < deadline {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => found.push(wanted(&message)),
            Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => ends += 1,
            _ => {}
        }
    }
    assert_eq!(ends, partitions, "{topic} was not read to its end");
    found
}

fn values(messages: &[(i32, Option<String>, String)]) -> Vec<&str> {
    messages.iter().map(|(.., value)| value.as_str()).collect()
}

#[test]
fn rows_go_to_their_topics_with_their_keys() {
    let cluster = cluster();
    let (mut sink, counter) = attached(KafkaSink::open_rows(&config(cluster.bootstrap_servers(), None)).unwrap());
    write_all(&mut sink, &rows(&[("A", r#"{"id":1}"#, "a"), ("B", "", "b"), ("A", r#"{"id":1}"#, "c")]));
    sink.flush(in_a_minute()).unwrap();
    assert_eq!(delivered(&sink, &counter), 3);
    let found = consume(&cluster.bootstrap_servers(), "A", 2);
    // murmur2 of the key as in the Java client: both in one partition.
    assert_eq!(values(&found), ["a", "c"]);
    assert_eq!(found[0].0, found[1].0);
    assert_eq!(found[0].1.as_deref(), Some(r#"{"id":1}"#));
    let found = consume(&cluster.bootstrap_servers(), "B", 2);
    assert_eq!((found.len(), found[0].1.as_deref(), found[0].2.as_str()), (1, None, "b"));
}

/// librdkafka tries most errors again by itself; this one comes back to us.
const FINAL: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;

#[test]
fn what_failed_is_sent_again_in_the_order_of_each_key() {
    let cluster = cluster();
    let (mut sink, counter) = attached(KafkaSink::open_rows(&config(cluster.bootstrap_servers(), None)).unwrap());
    cluster.request_errors(RDKafkaApiKey::Produce, &[FINAL, FINAL]);
    let texts: Vec<String> = (0..3000).map(|number| number.to_string()).collect();
    for part in texts.chunks(100) {
        let messages: Vec<_> = part.iter().map(|text| ("A", "k", text.as_str())).collect();
        write_all(&mut sink, &rows(&messages));
    }
    sink.flush(in_a_minute()).unwrap();
    assert!(counter.resent() > 0);
    assert_eq!((delivered(&sink, &counter), counter.lost_total()), (3000, 0));
    assert_eq!(values(&consume(&cluster.bootstrap_servers(), "A", 2)), texts);
}

#[test]
fn only_the_message_that_is_too_large_is_lost() {
    let cluster = cluster();
    let (mut sink, counter) = attached(KafkaSink::open_rows(&config(cluster.bootstrap_servers(), None)).unwrap());
    let large = "x".repeat(2 << 20);
    write_all(&mut sink, &rows(&[("A", "1", "a"), ("A", "1", &large), ("A", "1", "b")]));
    sink.flush(in_a_minute()).unwrap();
    assert_eq!((delivered(&sink, &counter), counter.lost(LossReason::TooLarge)), (2, 1));
    // A broker finds a whole batch too large: its messages are tried alone before any is given up.
    cluster.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE]);
    write_all(&mut sink, &rows(&[("A", "1", "c"), ("A", "1", "d")]));
    sink.flush(in_a_minute()).unwrap();
    assert_eq!((delivered(&sink, &counter), counter.lost_total()), (4, 1));
    assert_eq!(values(&consume(&cluster.bootstrap_servers(), "A", 2)), ["a", "b", "c", "d"]);
    // And alone it is too large as well.
    let too_large = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    cluster.request_errors(RDKafkaApiKey::Produce, &[too_large, too_large]);
    write_all(&mut sink, &rows(&[("A", "1", "e")]));
    sink.flush(in_a_minute()).unwrap();
    assert_eq!((delivered(&sink, &counter), counter.lost(LossReason::TooLarge)), (4, 2));
}

/// Ticks until the sink ends; the reason.
fn end_of(sink: &mut dyn Sink) -> String {
    let deadline = in_a_minute();
    loop {
        match sink.tick() {
            Err(SinkError::Ended { reason, .. }) => return reason,
            Err(error) => panic!("{error}"),
            Ok(()) => assert!(Instant::now() < deadline, "it did not end"),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_message_that_is_too_large_ends_the_sink_after_those_before_it() {
    let cluster = cluster();
    let config = RowsSinkConfig { on_refused: OnRefused::Fail, ..config(cluster.bootstrap_servers(), None) };
    let (mut sink, counter) = attached(KafkaSink::open_rows(&config).unwrap());
    let large = "x".repeat(2 << 20);
    write_all(&mut sink, &rows(&[("A", "1", "a"), ("A", "1", "b")]));
    let _ = sink.write(&rows(&[("A", "large", &large), ("A", "1", "c")]), 0);
    let reason = end_of(&mut sink);
    assert!(reason.contains("key large for topic A (2097152 bytes)") && reason.contains("too_large"), "{reason}");
    assert_eq!((delivered(&sink, &counter), counter.lost_total()), (2, 0));
    assert!(sink.flush(Instant::now()).is_err());
    assert_eq!(values(&consume(&cluster.bootstrap_servers(), "A", 2)), ["a", "b"]);
    // A broker refuses one that librdkafka accepted.
    let (mut sink, counter) = attached(KafkaSink::open_rows(&config).unwrap());
    let too_large = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    cluster.request_errors(RDKafkaApiKey::Produce, &[too_large, too_large]);
    write_all(&mut sink, &rows(&[("B", "1", "d")]));
    assert!(end_of(&mut sink).contains("key 1 for topic B (1 bytes)"));
    assert_eq!((delivered(&sink, &counter), counter.lost_total()), (0, 0));
}

#[test]
fn exactly_once_ends_with_what_is_too_large_too() {
    let cluster = cluster();
    let config = RowsSinkConfig { on_refused: OnRefused::Fail, ..config(cluster.bootstrap_servers(), Some("me")) };
    let (mut sink, counter) = attached(ExactlyOnceSink::open(&config).unwrap());
    write_all(&mut sink, &rows(&[("A", "1", "a"), ("CP", "me", "1")]));
    sink.flush(in_a_minute()).unwrap();
    let large = "x".repeat(2 << 20);
    let _ = sink.write(&rows(&[("A", "1", "b"), ("A", "large", &large), ("CP", "me", "2")]), 0);
    let reason = end_of(&mut sink);
    assert!(reason.contains("key large for topic A") && !reason.contains("another instance"), "{reason}");
    assert_eq!((delivered(&sink, &counter), counter.lost_total()), (2, 0));
    assert_eq!(values(&consume(&cluster.bootstrap_servers(), "CP", 2)), ["1"]);
}

#[test]
fn a_message_counts_only_after_those_before_it() {
    let cluster = cluster();
    for partition in 0..2 {
        cluster.partition_leader("A", partition, None).unwrap();
    }
    let (mut sink, counter) = attached(KafkaSink::open_rows(&config(cluster.bootstrap_servers(), None)).unwrap());
    write_all(&mut sink, &rows(&[("A", "1", "first")]));
    write_all(&mut sink, &rows(&[("B", "1", "second")]));
    let deadline = in_a_minute();
    // The second has arrived, the first cannot.
    while values(&consume(&cluster.bootstrap_servers(), "B", 2)) != ["second"] {
        assert!(Instant::now() < deadline);
        sink.tick().unwrap();
    }
    sink.tick().unwrap();
    assert_eq!(delivered(&sink, &counter), 0);
    for partition in 0..2 {
        cluster.partition_leader("A", partition, Some(1)).unwrap();
    }
    sink.flush(in_a_minute()).unwrap();
    assert_eq!(delivered(&sink, &counter), 2);
}

#[test]
fn while_brokers_are_away_the_window_fills_and_what_is_left_is_reported() {
    let config = RowsSinkConfig { in_flight_bytes: 1000, ..config("127.0.0.1:1".to_owned(), None) };
    let (mut sink, counter) = attached(KafkaSink::open_rows(&config).unwrap());
    let text = "x".repeat(100);
    let batch = rows(&vec![("A", "", text.as_str()); 50]);
    let taken = sink.write(&batch, 0).unwrap();
    assert!(taken > 0 && taken < 50);
    assert!(matches!(sink.write(&batch, taken), Err(SinkError::BufferFull)));
    let Err(SinkError::Undelivered { messages, .. }) = sink.flush(Instant::now() + Duration::from_millis(300)) else {
        panic!("delivered to nobody")
    };
    assert_eq!((messages, delivered(&sink, &counter)), (taken as u64, 0));
}

#[test]
fn rows_are_acknowledged_with_the_checkpoint_after_them() {
    let cluster = cluster();
    let servers = cluster.bootstrap_servers();
    let (mut sink, counter) = attached(ExactlyOnceSink::open(&config(servers.clone(), Some("me"))).unwrap());
    write_all(&mut sink, &rows(&[("A", "1", "a"), ("CP", "me", "1"), ("A", "1", "b"), ("CP", "me", "2")]));
    sink.flush(in_a_minute()).unwrap();
    assert_eq!((delivered(&sink, &counter), counter.lost_total()), (4, 0));
    // Of two checkpoints in a transaction, only the last is sent.
    assert_eq!(values(&consume(&servers, "CP", 2)), ["2"]);
    // A row without a checkpoint is not committed.
    write_all(&mut sink, &rows(&[("A", "1", "c"), ("CP", "me", "3"), ("A", "1", "half")]));
    let Err(SinkError::Undelivered { messages, reason }) = sink.flush(in_a_minute()) else {
        panic!("committed without a checkpoint")
    };
    assert!(reason.contains("no end yet"), "{reason}");
    assert_eq!((messages, delivered(&sink, &counter)), (1, 6));
}

#[test]
fn a_failed_transaction_is_aborted_and_sent_again() {
    let cluster = cluster();
    let (mut sink, counter) =
        attached(ExactlyOnceSink::open(&config(cluster.bootstrap_servers(), Some("me"))).unwrap());
    cluster.request_errors(RDKafkaApiKey::Produce, &[FINAL]);
    write_all(&mut sink, &rows(&[("A", "1", "a"), ("A", "1", "b"), ("CP", "me", "1")]));
    sink.flush(in_a_minute()).unwrap();
    assert_eq!((delivered(&sink, &counter), counter.lost_total()), (3, 0));
    assert!(counter.resent() > 0);
    // The mock cluster does not know which transactions were aborted: only a real broker can show that each row is there once.
    assert_eq!(values(&consume(&cluster.bootstrap_servers(), "CP", 2)).last(), Some(&"1"));
}

#[test]
fn exactly_once_loses_only_what_is_too_large() {
    let cluster = cluster();
    let (mut sink, counter) =
        attached(ExactlyOnceSink::open(&config(cluster.bootstrap_servers(), Some("me"))).unwrap());
    let large = "x".repeat(2 << 20);
    write_all(&mut sink, &rows(&[("A", "1", "a"), ("A", "1", &large), ("A", "1", "b"), ("CP", "me", "1")]));
    // What is lost counts as done, so not before the commit.
    assert_eq!(counter.lost_total(), 0);
    sink.flush(in_a_minute()).unwrap();
    assert_eq!((delivered(&sink, &counter), counter.lost(LossReason::TooLarge)), (3, 1));
    assert_eq!(values(&consume(&cluster.bootstrap_servers(), "A", 2)), ["a", "b"]);
}

#[test]
fn exactly_once_ends_with_what_a_broker_finds_too_large() {
    let cluster = cluster();
    let config = RowsSinkConfig { on_refused: OnRefused::Fail, ..config(cluster.bootstrap_servers(), Some("me")) };
    let (mut sink, counter) = attached(ExactlyOnceSink::open(&config).unwrap());
    // Of the request with the row and of the one with the checkpoint; and then of each alone.
    let too_large = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    cluster.request_errors(RDKafkaApiKey::Produce, &[too_large; 4]);
    write_all(&mut sink, &rows(&[("A", "large", "a"), ("CP", "me", "1")]));
    assert!(end_of(&mut sink).contains("is refused for good: too_large"));
    assert_eq!((delivered(&sink, &counter), counter.lost_total()), (0, 0));
}
