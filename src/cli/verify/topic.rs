//! A topic of messages, or several, and the topic of their marker stream.

use std::collections::BTreeMap;

use rdkafka::message::{BorrowedMessage, Headers, Message};

use super::error::VerifyError;
use crate::audit::verify::{Report, Retention, Seen, Verification, place};
use crate::audit::{Hash, Instance, Link, MessageId, PublicKey};
use crate::binlog::{TopicTemplate, relation};
use crate::deliver::KafkaOption;
use crate::stored::{SourceError, Topics, Watermarks};

/// Verifies the messages that a topic has now; of a template all topics that the markers name.
pub(super) fn verify(
    servers: &str,
    template: &TopicTemplate,
    options: &[KafkaOption],
    key: Option<PublicKey>,
) -> Result<Report, VerifyError> {
    let topics = Topics::connect(servers, "verify", options)?;
    let (source, markers) = (format!("kafka:{template}"), template.markers());
    if template.is_constant() {
        topics.named(&[template.to_string()])?;
    }
    topics.named(std::slice::from_ref(&markers)).map_err(|_| VerifyError::NoMarkers(source.clone()))?;
    let records = topics.watermarks(&markers)?;
    let mut verification = Verification::new(source, key, Retention::default()).related_by(relation);
    topics.read_whole(&markers, &records, |record| {
        record.payload().into_iter().for_each(|line| verification.record(line));
    })?;
    // After the markers: what they cover is there by now.
    let mut names = verification.topics();
    names.extend(template.is_constant().then(|| template.to_string()));
    let mut retention = Retention { records: records.values().any(|(low, _)| *low > 0), ..Retention::default() };
    let mut wholes = Vec::new();
    // One that is not there any more has none of its messages.
    for (number, name) in names.iter().enumerate().filter(|(_, name)| topics.named(&[(*name).clone()]).is_ok()) {
        let messages = topics.watermarks(name)?;
        retention.messages.extend(oldest(&topics, name, number, &messages)?);
        wholes.push((number, name, messages));
    }
    verification.forgets(retention);
    for (number, name, messages) in wholes {
        topics.read_whole(name, &messages, |message| match seen(message, number) {
            Some(seen) => verification.message(&seen),
            None => verification.unaudited(1),
        })?;
    }
    Ok(verification.finish())
}

/// Of partitions whose beginning is gone: when the oldest message that is left was written. One that has none has forgotten all.
fn oldest(
    topics: &Topics,
    topic: &str,
    number: usize,
    messages: &Watermarks,
) -> Result<BTreeMap<u32, u64>, SourceError> {
    let forgetful = || messages.iter().filter(|(_, (low, _))| *low > 0);
    let mut oldest: BTreeMap<u32, u64> =
        forgetful().map(|(partition, _)| (place(number, *partition), u64::MAX)).collect();
    let firsts = forgetful().filter(|(_, (low, high))| low < high);
    let firsts = firsts.map(|(partition, (low, _))| (*partition, (*low, low + 1))).collect();
    topics.read_whole(topic, &firsts, |message| {
        let time = message.timestamp().to_millis().and_then(|time| u64::try_from(time).ok());
        oldest.insert(place(number, message.partition()), time.unwrap_or(u64::MAX));
    })?;
    Ok(oldest)
}

/// What a message says of itself in its headers.
fn seen<'a>(message: &'a BorrowedMessage<'_>, topic: usize) -> Option<Seen<'a>> {
    let headers = message.headers()?;
    let text = |name: &str| {
        let header = headers.iter().find(|header| header.key == name)?;
        std::str::from_utf8(header.value?).ok()
    };
    let instance: Instance = text("instance")?.parse().ok()?;
    let hash = |name| text(name)?.parse::<Hash>().ok();
    Some(Seen {
        id: MessageId { instance, session: text("session")?.parse().ok()?, seq: text("seq")?.parse().ok()? },
        link: Link { previous: hash("previous")?, hash: hash("hash")? },
        // A tombstone has none.
        message: message.payload().unwrap_or_default(),
        place: place(topic, message.partition()),
    })
}
