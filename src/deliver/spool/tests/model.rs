//! Random actions, faults of the disk among them.

use std::fs;

use super::*;
use crate::fuzzing::mutations::Random;
use crate::segment::faults;

const SINKS: [&str; 2] = ["ndjson:/a", "kafka:b"];

/// What a spool is: messages by position, from 1, and how far each sink is.
#[derive(Debug, Default)]
struct Model {
    messages: Vec<Vec<u8>>,
    delivered: [u64; 2],
    /// What of that is on the disk.
    saved: [u64; 2],
}

impl Model {
    fn last(&self) -> u64 {
        self.messages.len() as u64
    }

    fn from(&self, position: u64) -> Vec<(u64, Vec<u8>)> {
        let numbered = (1..).zip(self.messages.iter().cloned());
        numbered.filter(|(number, _)| *number >= position).collect()
    }
}

fn messages(random: &mut Random) -> Vec<Vec<u8>> {
    (0..=random.below(5))
        .map(|_| {
            let length = if random.below(20) == 0 { random.below(9000) } else { random.below(200) };
            vec![b'a' + random.below(26) as u8; length]
        })
        .collect()
}

fn step(random: &mut Random, spool: &Spool, model: &mut Model, seed: u64) {
    match random.below(8) {
        0..=4 => {
            let messages = messages(random);
            let mut batch = batch(&messages);
            match spool.append(&mut batch) {
                Appended::Taken => {
                    assert_eq!(batch.position(0), model.last() + 1, "seed {seed}");
                    model.messages.extend(messages);
                }
                Appended::Refused => assert!(spool.is_full(), "seed {seed}: refused, and not full"),
                Appended::Dropped => panic!("seed {seed}: dropped"),
            }
        }
        5 | 6 => {
            for delivered in &mut model.delivered {
                *delivered += random.below((model.messages.len() as u64 - *delivered) as usize + 1) as u64;
            }
            if spool.delivered(&model.delivered) {
                model.saved = model.delivered;
            }
        }
        _ => {
            let room = (random.below(2) == 0).then(|| random.below(30_000) as u64);
            faults::set_room(room);
        }
    }
}

/// Whatever happened to the disk: with room, it goes on.
fn recovers(spool: &Spool, model: &mut Model, seed: u64) {
    faults::set_room(None);
    model.delivered = [model.last(); 2];
    assert!(spool.delivered(&model.delivered), "seed {seed}");
    model.saved = model.delivered;
    assert!(!spool.is_full(), "seed {seed}: everything is delivered, and it is full");
    assert_eq!(append(spool, &["again"]), Appended::Taken, "seed {seed}");
    model.messages.push(b"again".to_vec());
}

#[test]
fn it_behaves_as_its_model() {
    for seed in 1..=20 {
        let mut random = Random::new(seed);
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), 40_000);
        let mut model = Model::default();
        for _ in 0..12 {
            faults::set_room(None);
            let spool = open(&config, &SINKS);
            assert_eq!(spool.last(), model.last(), "seed {seed}");
            assert_eq!(spool.delivered_at_start(), model.saved, "seed {seed}");
            model.delivered = model.saved;
            for _ in 0..random.below(40) {
                step(&mut random, &spool, &mut model, seed);
                if random.below(4) > 0 {
                    continue;
                }
                let needed = model.delivered.iter().min().unwrap() + 1;
                assert!(all_from(folder.path(), needed) == model.from(needed), "seed {seed}");
            }
            if random.below(3) == 0 {
                recovers(&spool, &mut model, seed);
            }
            // Killed: nothing is closed. A record may be torn.
            drop(spool);
            if random.below(2) == 0
                && let Some(last) = folder::segments(folder.path()).unwrap().last()
            {
                let path = folder::segment(folder.path(), *last);
                let mut bytes = fs::read(&path).unwrap();
                bytes.extend((0..random.below(50)).map(|_| random.next() as u8));
                fs::write(&path, bytes).unwrap();
            }
        }
    }
    faults::set_room(None);
}
