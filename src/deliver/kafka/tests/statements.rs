//! The sink for statements.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::message::{Headers as _, Message as _};
use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::deliver::batch::{batch_of, numbered};
use crate::deliver::counters::{LossReason, SinkCounter};
use crate::deliver::kafka::KafkaSink;
use crate::deliver::kafka::tests::relay::Relay;
use crate::deliver::kafka::tests::{Cluster, attached, delivered, in_a_minute, write_all};
use crate::deliver::{Acks, Batch, KafkaConfig, KafkaOption, Label, MessageKind, Seq, Sink, SinkError};
use crate::mysql::sql::{Digest, Lexis, StatementKind};

fn cluster() -> Cluster {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("T", 2, 1).unwrap();
    cluster
}

pub(crate) fn config(bootstrap_servers: String, topic: &str) -> KafkaConfig {
    KafkaConfig {
        bootstrap_servers,
        topic: topic.to_owned(),
        proxy: "test@2026-01-31T12:00:00.000Z".to_owned(),
        acks: Acks::All,
        retries: 3,
        linger: Duration::from_millis(5),
        batch_size: 16_384,
        buffer_memory: 32 << 20,
        options: Vec::new(),
    }
}

fn sink(config: &KafkaConfig) -> (KafkaSink, Arc<SinkCounter>) {
    attached(KafkaSink::open(config).unwrap())
}

/// What the topic holds once it holds this many messages: key and payload, in the order of each partition.
fn consume(servers: &str, messages: usize) -> Vec<(String, String)> {
    let deadline = in_a_minute();
    loop {
        let found = super::consume(servers, "T", 2);
        if found.len() >= messages || Instant::now() > deadline {
            return found.into_iter().map(|(_, key, payload)| (key.unwrap_or_default(), payload)).collect();
        }
    }
}

impl KafkaSink {
    /// Ticks as the runner would; returns how many messages are still not delivered.
    fn tick_until_delivered(&mut self, patience: Duration) -> usize {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline && self.outstanding() > 0 {
            let _ = self.tick();
            std::thread::sleep(Duration::from_millis(2));
        }
        self.outstanding()
    }
}

#[test]
fn messages_arrive_with_their_keys_and_are_counted() {
    let cluster = cluster();
    let (mut sink, counter) = sink(&config(cluster.bootstrap_servers(), "T"));
    write_all(&mut sink, &batch_of(&[(42, r#"{"a":1}"#), (42, r#"{"a":2}"#), (7, r#"{"a":3}"#)]));
    sink.flush(in_a_minute()).unwrap();
    assert_eq!(delivered(&sink, &counter), 3);
    let mut found = consume(&cluster.bootstrap_servers(), 3);
    found.sort();
    let expected = [("42", r#"{"a":1}"#), ("42", r#"{"a":2}"#), ("7", r#"{"a":3}"#)];
    assert_eq!(found, expected.map(|(key, payload)| (key.to_owned(), payload.to_owned())));
}

/// Messages of connections, numbered, of kind `insert` and with a digest.
fn statements(messages: &[(u64, &str)]) -> Batch {
    let mut batch = Batch::new();
    let mut seqs: BTreeMap<u64, Seq> = BTreeMap::new();
    let kind = MessageKind::Statement(StatementKind::Insert);
    let label = Label { kind, digest: Some(Digest::of(b"SELECT 1", Lexis::default())) };
    for (connection, json) in messages {
        let seq = seqs.entry(*connection).or_default();
        let pushed = batch.push_numbered(*connection, seq, label, |out| {
            out.extend_from_slice(json.as_bytes());
            Ok::<(), ()>(())
        });
        pushed.unwrap();
    }
    numbered(batch)
}

/// Each message's value and its headers, once there are this many, sorted.
fn consume_headers(servers: &str, messages: usize) -> Vec<(String, BTreeMap<String, String>)> {
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap();
    let deadline = in_a_minute();
    loop {
        let mut found = super::consume_as(servers, "T", 2, |message| {
            let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
            (text(message.payload()), headers.map(|header| (header.key.to_owned(), text(header.value))).collect())
        });
        if found.len() >= messages || Instant::now() > deadline {
            found.sort();
            return found;
        }
    }
}

#[test]
fn statements_have_headers_also_when_they_are_sent_again() {
    let cluster = cluster();
    let (mut sink, counter) = sink(&config(cluster.bootstrap_servers(), "T"));
    let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    cluster.request_errors(RDKafkaApiKey::Produce, &[refused]);
    write_all(&mut sink, &statements(&[(1, "a"), (1, "b"), (2, "c")]));
    write_all(&mut sink, &batch_of(&[(1, "d, not numbered")]));
    sink.flush(in_a_minute()).unwrap();
    assert!(sink.reads_labels() && counter.resent() > 0);
    let headers = |seq: &str| {
        let given = [
            ("seq", seq),
            ("proxy", "test@2026-01-31T12:00:00.000Z"),
            ("kind", "insert"),
            ("digest", "e1c71d1661ae46e09b7aaec1c390957f"),
        ];
        given.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect()
    };
    let found = consume_headers(&cluster.bootstrap_servers(), 4);
    let expected =
        [("a", headers("1")), ("b", headers("2")), ("c", headers("1")), ("d, not numbered", BTreeMap::new())];
    assert_eq!(found, expected.map(|(value, headers)| (value.to_owned(), headers)));
}

/// A statement's message with that much SQL.
fn with_sql(length: usize) -> String {
    format!(r#"{{"connectionId":1,"sql":"{}","queryParams":null,"serverInfo":null}}"#, "x".repeat(length))
}

#[test]
fn a_statement_that_is_too_large_is_sent_with_its_sql_cut() {
    let cluster = cluster();
    let (mut sink, counter) = sink(&config(cluster.bootstrap_servers(), "T"));
    write_all(&mut sink, &statements(&[(1, "a"), (1, &with_sql(3 << 20)), (1, "b")]));
    sink.flush(in_a_minute()).unwrap();
    assert_eq!((delivered(&sink, &counter), counter.lost_total(), counter.shortened()), (3, 0, 1));
    let found = consume_headers(&cluster.bootstrap_servers(), 3);
    let cut: serde_json::Value = serde_json::from_str(&found[2].0).unwrap();
    assert!(cut["sql"].as_str().unwrap().ends_with("x...") && found[2].0.len() > 1_000_000);
    assert_eq!((found[2].1.get("cut").map(String::as_str), found[2].1.len()), (Some("sql=3145728"), 5));
    assert_eq!((found[0].1.get("cut"), found[1].1.get("cut")), (None, None));
}

#[test]
fn a_statement_that_a_broker_finds_too_large_is_cut_in_its_place_and_the_next_at_once() {
    let cluster = cluster();
    let (mut sink, counter) = sink(&config(cluster.bootstrap_servers(), "T"));
    // Of a request with three, then of the first alone.
    let too_large = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    cluster.request_errors(RDKafkaApiKey::Produce, &[too_large; 2]);
    write_all(&mut sink, &statements(&[(1, &with_sql(60_000)), (1, "b"), (1, "c")]));
    sink.flush(in_a_minute()).unwrap();
    assert_eq!((delivered(&sink, &counter), counter.lost_total(), counter.shortened()), (3, 0, 1));
    // One of the size that was refused is not tried whole, a smaller one is.
    let mut more = statements(&[(1, &with_sql(60_001)), (1, &with_sql(20_000))]);
    more.set_position(4);
    write_all(&mut sink, &more);
    sink.flush(in_a_minute()).unwrap();
    assert_eq!((delivered(&sink, &counter), counter.lost_total(), counter.shortened()), (5, 0, 2));
    let found: Vec<_> = super::consume_as(&cluster.bootstrap_servers(), "T", 2, |message| message.payload_len());
    let whole = with_sql(60_000).len() / 2;
    assert_eq!(found, [whole, 1, 1, whole, with_sql(20_000).len()]);
}

#[test]
fn a_message_that_is_too_large_is_counted_and_the_others_pass() {
    let cluster = cluster();
    let (mut sink, counter) = sink(&config(cluster.bootstrap_servers(), "T"));
    let large = "x".repeat(2 << 20);
    write_all(&mut sink, &batch_of(&[(1, "a"), (1, &large), (1, "b")]));
    sink.flush(in_a_minute()).unwrap();
    assert_eq!((delivered(&sink, &counter), counter.lost(LossReason::TooLarge)), (2, 1));
}

#[test]
fn a_message_the_broker_finds_too_large_is_counted() {
    let cluster = cluster();
    let (mut sink, counter) = sink(&config(cluster.bootstrap_servers(), "T"));
    cluster.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE]);
    write_all(&mut sink, &batch_of(&[(1, "a")]));
    sink.flush(in_a_minute()).unwrap();
    assert_eq!((delivered(&sink, &counter), counter.lost(LossReason::TooLarge)), (0, 1));
}

#[test]
fn only_the_statement_that_is_too_large_is_lost_of_those_in_a_request() {
    let cluster = cluster();
    let (mut sink, counter) = sink(&config(cluster.bootstrap_servers(), "T"));
    // Of the whole request, and then of its first message alone.
    let too_large = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    cluster.request_errors(RDKafkaApiKey::Produce, &[too_large, too_large]);
    write_all(&mut sink, &batch_of(&[(1, "a"), (1, "b"), (1, "c")]));
    sink.flush(in_a_minute()).unwrap();
    assert_eq!((delivered(&sink, &counter), counter.lost(LossReason::TooLarge)), (2, 1));
    assert_eq!(consume(&cluster.bootstrap_servers(), 2).len(), 2);
}

#[test]
fn messages_that_failed_for_now_are_sent_again_in_order() {
    let cluster = cluster();
    let (mut sink, counter) = sink(&config(cluster.bootstrap_servers(), "T"));
    // librdkafka does not retry these, so they come back to us.
    let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    cluster.request_errors(RDKafkaApiKey::Produce, &[refused, refused]);
    let texts: Vec<_> = (0..500).map(|number| number.to_string()).collect();
    let messages: Vec<_> = texts.iter().map(|text| (9, text.as_str())).collect();
    for part in messages.chunks(100) {
        write_all(&mut sink, &batch_of(part));
    }
    sink.flush(in_a_minute()).unwrap();
    assert!(counter.resent() > 0);
    assert_eq!((delivered(&sink, &counter), counter.lost_total()), (500, 0));
    let found: Vec<_> = consume(&cluster.bootstrap_servers(), 500).into_iter().map(|(_, payload)| payload).collect();
    assert_eq!(found, texts);
}

#[test]
fn after_a_fatal_error_a_new_producer_sends_what_the_old_one_had() {
    let cluster = cluster();
    // Fatal for an idempotent producer (KIP-360).
    cluster.request_errors(
        RDKafkaApiKey::InitProducerId,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED],
    );
    // Away until the producer has the messages.
    cluster.broker_down(1).unwrap();
    let (mut sink, counter) = sink(&config(cluster.bootstrap_servers(), "T"));
    write_all(&mut sink, &batch_of(&[(1, "a"), (1, "b")]));
    sink.advance(true).unwrap();
    // It may say that the broker is away as well.
    assert!(sink.in_flight() >= 2);
    cluster.broker_up(1).unwrap();
    sink.flush(in_a_minute()).unwrap();
    assert_eq!((delivered(&sink, &counter), counter.lost_total(), counter.resent()), (2, 0, 2));
    assert_eq!(consume(&cluster.bootstrap_servers(), 2).len(), 2);
}

/// A broker that was fenced for a short time makes librdkafka forget all brokers (its issue 5430 is about the same event).
#[test]
fn messages_arrive_after_a_time_without_any_broker() {
    let cluster = cluster();
    let relay = Relay::start(&cluster.bootstrap_servers());
    let (mut sink, counter) = sink(&config(relay.bootstrap_servers.clone(), "T"));
    write_all(&mut sink, &batch_of(&[(1, "before"), (2, "before")]));
    assert_eq!(sink.tick_until_delivered(Duration::from_secs(60)), 0);
    relay.fence(true);
    write_all(&mut sink, &batch_of(&[(1, "during"), (2, "during")]));
    let deadline = in_a_minute();
    while relay.brokerless_answers() == 0 && Instant::now() < deadline {
        sink.tick_until_delivered(Duration::from_millis(10));
    }
    relay.fence(false);
    assert_eq!(sink.tick_until_delivered(Duration::from_secs(60)), 0);
    assert_eq!((delivered(&sink, &counter), counter.lost_total(), counter.resent()), (4, 0, 0));
    assert_eq!(consume(&cluster.bootstrap_servers(), 4).len(), 4);
}

#[test]
fn a_producer_that_makes_no_progress_is_replaced() {
    let cluster = cluster();
    for partition in 0..2 {
        cluster.partition_leader("T", partition, None).unwrap();
    }
    let (mut sink, counter) = sink(&config(cluster.bootstrap_servers(), "T"));
    sink.set_patience(Duration::from_millis(200));
    write_all(&mut sink, &batch_of(&[(1, "a"), (1, "b"), (2, "c")]));
    let deadline = in_a_minute();
    while counter.resent() == 0 && Instant::now() < deadline {
        sink.tick_until_delivered(Duration::from_millis(10));
    }
    // On a slow machine the new producer may need longer than that: what it has sent already would arrive twice.
    sink.set_patience(Duration::from_secs(60));
    for partition in 0..2 {
        cluster.partition_leader("T", partition, Some(1)).unwrap();
    }
    write_all(&mut sink, &batch_of(&[(1, "d")]));
    assert_eq!(sink.tick_until_delivered(Duration::from_secs(60)), 0);
    assert_eq!((delivered(&sink, &counter), counter.lost_total()), (4, 0));
    let mut found = consume(&cluster.bootstrap_servers(), 4);
    found.sort();
    let expected = [("1", "a"), ("1", "b"), ("1", "d"), ("2", "c")];
    assert_eq!(found, expected.map(|(key, payload)| (key.to_owned(), payload.to_owned())));
}

#[test]
fn while_a_broker_is_away_the_buffer_fills_and_what_is_not_delivered_in_time_is_reported() {
    let config = KafkaConfig { buffer_memory: 1024, ..config("127.0.0.1:1".to_owned(), "T") };
    let (mut sink, counter) = sink(&config);
    let text = "x".repeat(100);
    let messages = vec![(1, text.as_str()); 50];
    let batch = batch_of(&messages);
    let taken = sink.write(&batch, 0).unwrap();
    assert!(taken > 0 && taken < 50);
    assert!(matches!(sink.write(&batch, taken), Err(SinkError::BufferFull)));
    let Err(SinkError::Undelivered { messages, reason }) = sink.flush(Instant::now() + Duration::from_millis(300))
    else {
        panic!("delivered to nobody")
    };
    assert_eq!((messages, delivered(&sink, &counter)), (taken as u64, 0));
    assert!(!reason.is_empty());
}

#[test]
fn an_unknown_option_is_refused_by_name() {
    let option: KafkaOption = "no.such=1".parse().unwrap();
    let config = KafkaConfig { options: vec![option], ..config("127.0.0.1:1".to_owned(), "T") };
    let error = KafkaSink::open(&config).err().unwrap().to_string();
    assert!(error.contains("no.such"), "{error}");
}
