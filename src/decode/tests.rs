//! Whole captures of sessions that real clients had, disturbed, cut and changed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::traffic::{Sent, disturbed, lossy, segments};
use super::{DecodeConfig, Limits, Outputs, Servers, run};
use crate::deliver::{Pipeline, QueueConfig, SinkConfig, open_all};
use crate::fuzzing::mutations::{Random, mutate};
use crate::message::MessageOptions;
use crate::publish::Publishing;
use crate::session::{ObserverConfig, Side};

/// What is in front of the packets of each link type.
const LINKS: [(u32, &[u8]); 6] = [
    (1, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0]),
    // QinQ.
    (1, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x88, 0xa8, 0, 1, 0x81, 0, 0, 2, 8, 0]),
    (113, &[0, 0, 3, 4, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0]),
    (276, &[8, 0, 0, 0, 0, 0, 0, 1, 3, 4, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0]),
    (0, &[2, 0, 0, 0]),
    (101, &[]),
];

/// Of an IPv4 packet with this segment.
fn packet(sent: &Sent) -> Vec<u8> {
    let segment = sent.segment();
    let mut packet = vec![0x45, 0];
    packet.extend((40 + sent.payload.len() as u16 + sent.cut as u16).to_be_bytes());
    packet.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
    for end in [segment.from, segment.to] {
        let std::net::IpAddr::V4(address) = end.ip() else { panic!("{end}") };
        packet.extend(address.octets());
    }
    packet.extend(segment.from.port().to_be_bytes());
    packet.extend(segment.to.port().to_be_bytes());
    packet.extend(sent.sequence.to_be_bytes());
    packet.extend(sent.acknowledged.unwrap_or(0).to_be_bytes());
    let flags = u8::from(sent.is_fin) | u8::from(sent.is_syn) << 1 | u8::from(sent.acknowledged.is_some()) << 4;
    packet.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    packet.extend(&sent.payload);
    packet
}

/// A pcap file of these segments, a millisecond apart.
fn pcap(sent: &[Sent], (link, front): (u32, &[u8])) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 4 << 16 | 2, 0, 0, 262_144, link] {
        file.extend(word.to_le_bytes());
    }
    for (index, sent) in sent.iter().enumerate() {
        let data = [front, &packet(sent)].concat();
        let length = data.len() as u32;
        for word in [1_700_000_000 + index as u32 / 1000, index as u32 % 1000 * 1000, length, length + sent.cut] {
            file.extend(word.to_le_bytes());
        }
        file.extend(data);
    }
    file
}

/// The records of `tests/captured`: who has sent what.
fn captured(name: &str) -> Vec<(Side, Vec<u8>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captured").join(name).with_extension("bin");
    let bytes = std::fs::read(path).unwrap();
    let (mut rest, mut records) = (bytes.as_slice(), Vec::new());
    while let Some((&[who, a, b, c, d], tail)) = rest.split_first_chunk::<5>() {
        let (data, tail) = tail.split_at(u32::from_le_bytes([a, b, c, d]) as usize);
        records.push((if who == b'C' { Side::Client } else { Side::Server }, data.to_vec()));
        rest = tail;
    }
    records
}

const NAMES: [&str; 5] =
    ["mysql_cli", "mariadb_cli", "node_mysql2", "connector_python_prepared", "connector_python_change_user"];

/// The messages of a capture: text, parameters, rows, error.
fn messages(capture: &[u8]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let (input, output): (PathBuf, PathBuf) = (folder.path().join("in"), folder.path().join("out"));
    std::fs::write(&input, capture).unwrap();
    let sink = crate::deliver::NdjsonConfig {
        path: output.clone(),
        rotate_size: 0,
        rotate_age: Duration::ZERO,
        compress: crate::deliver::Compression::None,
        keep: 0,
        mode: crate::files::FileMode::default(),
        fsync: crate::deliver::Fsync::Never,
    };
    let sinks = open_all(&[SinkConfig::Ndjson(sink)]).unwrap().into_iter().map(|sink| (0, sink)).collect();
    let mut pipeline = Pipeline::start(sinks, &QueueConfig::default()).unwrap();
    let config = DecodeConfig {
        input,
        servers: Servers { ports: [3306].into(), others: false },
        limits: Limits::default(),
        observer: ObserverConfig { interest: Publishing::INTEREST, ..ObserverConfig::default() },
    };
    let publishing = Some(Arc::new(Publishing::new(MessageOptions::default(), None)));
    let outputs = Outputs { publishing, ..Outputs::default() };
    run(&config, &outputs, &pipeline, &CancellationToken::new()).1.unwrap();
    assert!(pipeline.shutdown(Instant::now() + Duration::from_secs(60)).is_complete());
    let written = std::fs::read_to_string(output).unwrap();
    let shown = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).unwrap();
        format!("{} {} {} {}", message["sql"], message["queryParams"], message["updateCount"], message["errorMessage"])
    };
    written.lines().map(shown).collect()
}

#[test]
fn sessions_are_the_same_however_they_were_captured() {
    for (number, name) in NAMES.into_iter().enumerate() {
        let random = &mut Random::new(number as u64 + 1);
        let said = captured(name);
        let plain = messages(&pcap(&segments(&said, usize::MAX, random), LINKS[0]));
        let expected = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captured").join(name).with_extension("txt");
        let expected = std::fs::read_to_string(expected).unwrap().lines().count();
        assert_eq!(plain.len(), expected, "{name}: {plain:#?}");
        for link in LINKS {
            let largest = 1 + random.below(1448);
            let sent = segments(&said, largest, random);
            let order = disturbed(&sent, 4, random);
            assert_eq!(messages(&pcap(&order, link)), plain, "{name} in {link:?}");
        }
    }
}

#[test]
fn what_was_lost_makes_no_wrong_statement() {
    let (mut heard, mut missed) = (0, 0);
    for (number, name) in NAMES.into_iter().enumerate() {
        let random = &mut Random::new(number as u64 + 1);
        let said = captured(name);
        let whole = messages(&pcap(&segments(&said, usize::MAX, random), LINKS[0]));
        for _ in 0..12 {
            let largest = 100 + random.below(1348);
            let sent = segments(&said, largest, random);
            let order = lossy(sent, 4 + random.below(30), random);
            for message in messages(&pcap(&order, LINKS[0])) {
                // Of unknown outcome, or a text in part.
                if message.contains("missing") || message.contains("lost") {
                    missed += 1;
                    continue;
                }
                heard += 1;
                let text = message.split(' ').next().unwrap_or_default();
                assert!(
                    whole.contains(&message) || (text == "null" || message.contains("null null")),
                    "{name}: {message}"
                );
            }
        }
    }
    assert!(heard > 100 && missed > 20, "{heard} {missed}");
}

#[test]
fn captures_that_were_changed_at_random_are_survived() {
    let random = &mut Random::new(0x5eed);
    let mut seeds = Vec::new();
    for name in NAMES {
        let said = captured(name);
        let sent = segments(&said, 700, random);
        let link = LINKS[random.below(LINKS.len())];
        seeds.push(pcap(&sent[..sent.len().min(60)], link));
    }
    for number in 0..1500 {
        let mut data = seeds[random.below(seeds.len())].clone();
        let other = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(4) {
            mutate(&mut data, &other, random);
        }
        data.splice(0..0, (1 + random.below(5000) as u16).to_le_bytes());
        let survived = std::panic::catch_unwind(|| super::fuzzing::capture(&data));
        assert!(survived.is_ok(), "mutation {number}");
    }
}
