//! Random actions on what is held and on a simple model of it, side by side; a disk that is full; a disk that is broken.

use std::convert::Infallible;
use std::sync::atomic::Ordering::Relaxed;

use super::*;
use crate::deliver::label::MessageKind;
use crate::fuzzing::mutations::Random;
use crate::mysql::sql::{Digest, StatementKind};

const ALL: Bounds = Bounds { messages: usize::MAX, bytes: usize::MAX };

/// A message: what it is of, what it says of itself, and its text.
type Message = (u64, Label, String);

fn holding(messages: usize, bytes: usize) -> Arc<Holding> {
    Arc::new(Holding::new(messages, bytes, std::env::temp_dir()))
}

fn message(random: &mut Random, number: usize) -> Message {
    let length = match random.below(20) {
        0 => BLOCK + random.below(BLOCK),
        1..=4 => random.below(3000),
        _ => random.below(100),
    };
    let kind = match random.below(4) {
        0 => MessageKind::ObservationLost,
        1 => MessageKind::Statement(StatementKind::Insert),
        _ => MessageKind::Statement(StatementKind::Other),
    };
    let digest = (random.below(2) == 0).then(|| Digest::from_bytes([random.next() as u8; 16]));
    (random.below(3) as u64, Label { kind, digest }, format!("{number} {}", "x".repeat(length)))
}

fn push(held: &mut Held, (key, label, text): &Message) -> Result<(), HoldError<Infallible>> {
    held.push(*key, *label, |out| {
        out.extend_from_slice(text.as_bytes());
        Ok(())
    })
}

fn mark(as_it_was: &[u8], out: &mut Vec<u8>) {
    out.push(b'?');
    out.extend_from_slice(as_it_was);
}

fn messages(batch: &Batch) -> Vec<(u64, Message)> {
    let message = |index| {
        let (numbered, (key, json)) = (batch.numbered(index)?, batch.get(index)?);
        Some((numbered.seq, (key, numbered.label, String::from_utf8(json.to_vec()).unwrap())))
    };
    (0..batch.len()).map_while(message).collect()
}

/// Those of a model, as they come out: numbered from `seq` on, the first ones marked.
fn expected(model: &[Message], seq: u64, marked: u64) -> Vec<(u64, Message)> {
    let text = |index: usize, text: &str| if (index as u64) < marked { format!("?{text}") } else { text.to_owned() };
    let messages = model.iter().enumerate();
    messages.map(|(index, (key, label, json))| (seq + 1 + index as u64, (*key, *label, text(index, json)))).collect()
}

/// All of a run, in pieces of random sizes.
fn read(mut run: Run, random: &mut Random, seq: &mut Seq) -> Vec<(u64, Message)> {
    let mut read = Vec::new();
    while run.left() > 0 {
        let most = Bounds { messages: 1 + random.below(50), bytes: random.below(100_000) };
        let (mut batch, before) = (Batch::new(), run.left());
        run.take(most, &mut batch, seq).unwrap();
        let taken = before - run.left();
        assert!(taken > 0 && taken == batch.len() as u64, "{taken} {}", batch.len());
        assert!(batch.len() == 1 || (batch.len() <= most.messages && batch.byte_len() <= most.bytes));
        read.extend(messages(&batch));
    }
    read
}

#[test]
fn it_behaves_as_its_model() {
    for seed in 1..=40 {
        let mut random = Random::new(seed);
        let holding = holding(random.below(60), random.below(60_000));
        // Two sessions in the same room.
        let mut held = [Held::new(Arc::clone(&holding)), Held::new(Arc::clone(&holding))];
        let mut models: [Vec<Message>; 2] = Default::default();
        let mut seqs = [Seq::default(), Seq::default()];
        for number in 0..600 {
            let session = random.below(2);
            let (held, model, seq) = (&mut held[session], &mut models[session], &mut seqs[session]);
            match random.below(40) {
                0..=33 => {
                    model.push(message(&mut random, number));
                    push(held, model.last().unwrap()).unwrap();
                }
                34 | 35 => {
                    let keep = random.below(model.len() + 2);
                    let (dropped, kept) = held.truncate(keep as u64);
                    assert_eq!(dropped as usize, model.len().saturating_sub(keep));
                    kept.unwrap();
                    model.truncate(keep);
                }
                36 => {
                    held.clear();
                    model.clear();
                }
                37 => {
                    let (marked, mut batch) = (random.below(model.len() + 1) as u64, Batch::new());
                    let before = seq.last();
                    let lost = held.release_into(&mut batch, seq, Rewrite { first: marked, with: mark });
                    assert!(lost.is_empty());
                    assert_eq!(messages(&batch), expected(model, before, marked));
                    model.clear();
                }
                _ => {
                    let marked = random.below(model.len() + 1) as u64;
                    let before = seq.last();
                    let run = held.release(Rewrite { first: marked, with: mark });
                    assert_eq!((run.left(), held.len()), (model.len() as u64, 0));
                    assert_eq!(read(run, &mut random, seq), expected(model, before, marked));
                    model.clear();
                }
            }
            assert_eq!(held.len(), model.len() as u64, "seed {seed}");
            let counts = holding.counts();
            assert!(counts.bytes <= 60_000, "{counts:?}");
        }
        drop(held);
        let counts = holding.counts();
        assert_eq!(counts, HeldCounts { spilled: counts.spilled, ..HeldCounts::default() }, "seed {seed}");
    }
}

#[test]
fn what_the_disk_does_not_take_is_held_all_the_same() {
    for seed in 1..=40 {
        let mut random = Random::new(seed);
        let holding = holding(3, 10_000);
        holding.disk_limit.store(random.below(200_000) as u64, Relaxed);
        let (mut held, mut model) = (Held::new(Arc::clone(&holding)), Vec::new());
        for number in 0.. {
            model.push(message(&mut random, number));
            match push(&mut held, model.last().unwrap()) {
                Ok(()) => {}
                Err(HoldError::Disk(error)) => {
                    assert!(error.to_string().contains("is full"), "{error}");
                    break;
                }
                Err(HoldError::Message(_)) => panic!("it can be written"),
            }
        }
        let seq = &mut Seq::default();
        let run = held.release(Rewrite { first: u64::MAX, with: mark });
        assert_eq!(read(run, &mut random, seq), expected(&model, 0, u64::MAX), "seed {seed}");
        drop(held);
        let counts = holding.counts();
        assert_eq!((counts.messages, counts.bytes, counts.bytes_on_disk), (0, 0, 0));
    }
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let holding = Arc::new(Holding::new(1, 1000, "/nowhere/at/all".into()));
    let mut held = Held::new(holding);
    push(&mut held, &(1, Label::default(), "a".to_owned())).unwrap();
    let error = push(&mut held, &(1, Label::default(), "b".to_owned())).unwrap_err();
    assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
    assert_eq!((held.len(), held.holding().counts().messages), (2, 2));
}

#[test]
fn what_the_disk_does_not_give_back_leaves_a_gap_in_the_numbers() {
    let holding = holding(1, 1000);
    let mut held = Held::new(Arc::clone(&holding));
    let all: Vec<Message> = (0..3000).map(|number| (1, Label::default(), format!("{number:0100}"))).collect();
    all.iter().for_each(|message| push(&mut held, message).unwrap());
    let disk = held.disk.as_mut().unwrap();
    let second = disk.block_of(1);
    disk.damage(1);
    // What is rolled back needs no more than its first block.
    let mut run = held.release(Rewrite::NONE);
    let (mut batch, mut lost, mut seq) = (Batch::new(), 0, Seq::default());
    while run.left() > 0 {
        match run.take(ALL, &mut batch, &mut seq) {
            Ok(()) => {}
            Err(unreadable) => lost += unreadable.messages,
        }
    }
    assert_eq!(lost, second.end - second.start);
    let read = messages(&batch);
    let expected = expected(&all, 0, 0).into_iter().filter(|(seq, _)| !second.contains(&(seq - 1)));
    assert_eq!(read, expected.collect::<Vec<_>>());
    assert_eq!(seq.last(), all.len() as u64);
}

#[test]
fn what_is_written_in_vain_is_not_held() {
    let mut held = Held::new(holding(10, 1000));
    let failed = held.push(1, Label::default(), |_| Err("no"));
    assert!(matches!(failed, Err(HoldError::Message("no"))));
    assert_eq!((held.len(), held.holding().counts().messages), (0, 0));
}
