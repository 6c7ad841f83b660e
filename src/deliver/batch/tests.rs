//! What a batch keeps of its messages.

use super::*;
use crate::deliver::label::MessageKind;
use crate::mysql::sql::{Digest, Lexis, StatementKind};

#[test]
fn a_failed_write_leaves_nothing() {
    let mut batch = batch_of(&[(1, "a")]);
    let result = batch.push_with(2, |out| {
        out.extend_from_slice(b"half");
        Err("no")
    });
    assert_eq!(result, Err("no"));
    assert_eq!((batch.len(), batch.byte_len()), (1, 2));
}

#[test]
fn each_connection_numbers_its_own_messages() {
    let kinds = [StatementKind::Insert, StatementKind::Update];
    let label = |key: u64| Label {
        kind: MessageKind::Statement(kinds[key as usize - 1]),
        digest: Some(Digest::of(b"SELECT 1", Lexis::default())),
    };
    let (mut first, mut second, mut batch) = (Seq::default(), Seq::of(9), batch_of(&[(0, "a row")]));
    for (key, seq) in [(1, &mut first), (2, &mut second)] {
        batch.push_numbered(key, seq, Label::default(), |_| Ok::<(), ()>(())).unwrap();
        // What is not added has no number.
        assert_eq!(batch.push_numbered(key, seq, Label::default(), |_| Err(())), Err(()));
        batch.push_numbered(key, seq, label(key), |_| Ok::<(), ()>(())).unwrap();
    }
    assert_eq!((first.last(), second.last()), (2, 2));
    let numbers = |batch: &Batch| {
        (0..batch.len()).map(|index| batch.numbered(index).map(|numbered| numbered.seq)).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&batch), [None, Some(1), Some(2), Some(1), Some(2)]);
    let mut copy = Batch::new();
    copy.extend_from(&batch, 2..4);
    assert_eq!((numbers(&copy), numbers(&batch.prefix(2))), (vec![Some(2), Some(1)], vec![None, Some(1)]));
    let labels = |index| (batch.numbered(index), batch.routed(index).and_then(|message| message.numbered));
    assert_eq!(labels(0), (None, None));
    let numbered = Some(Numbered { session: 9, seq: 2, label: label(2) });
    assert_eq!((labels(4), copy.numbered(0).map(|numbered| numbered.label)), ((numbered, numbered), Some(label(1))));
}

#[test]
fn messages_are_found_by_index_and_range() {
    let batch = batch_of(&[(1, "a"), (2, "bb"), (3, "")]);
    assert_eq!(batch.get(1), Some((2, &b"bb"[..])));
    assert_eq!(batch.get(2), Some((3, &b""[..])));
    assert_eq!(batch.get(3), None);
    assert_eq!(batch.lines(1..3), b"bb\n\n");
    assert_eq!(batch.lines(0..99), b"a\nbb\n\n");
    assert_eq!(batch.lines(7..9), b"");
    assert_eq!(batch.iter().map(|(key, _)| key).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn routed_messages_keep_topic_and_key_wherever_they_go() {
    let (orders, users): (Arc<str>, Arc<str>) = ("orders".into(), "users".into());
    let mut batch = batch_of(&[(1, "a")]);
    for (topic, key, value) in [(Some(&orders), "1", "b"), (Some(&users), "22", "c"), (None, "", "d")] {
        let pushed = batch.push_routed(topic, |value_bytes, key_bytes| {
            value_bytes.extend_from_slice(value.as_bytes());
            key_bytes.extend_from_slice(key.as_bytes());
            Ok::<(), ()>(())
        });
        assert_eq!(pushed, Ok(()));
    }
    let failed = batch.push_routed(Some(&users), |value, key| {
        value.push(b'x');
        key.push(b'x');
        Err(())
    });
    assert_eq!(failed, Err(()));
    let shown = |batch: &Batch| -> Vec<String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let message = |index| batch.routed(index).map(|routed| (routed.topic.cloned(), routed.key, routed.value));
        let messages = (0..batch.len()).filter_map(message);
        messages.map(|(topic, key, value)| format!("{topic:?}/{}/{}", text(key), text(value))).collect()
    };
    let all = ["None//a", "Some(\"orders\")/1/b", "Some(\"users\")/22/c", "None//d"];
    assert_eq!(shown(&batch), all);
    assert_eq!(shown(&batch.prefix(2)), all[..2]);
    let mut other = batch_of(&[(9, "z")]);
    other.extend_from(&batch, 2..4);
    assert_eq!(shown(&other)[1..], all[2..]);
    batch.truncate(3);
    assert_eq!(shown(&batch), all[..3]);
}

#[derive(Debug, Default)]
struct Numbers(Vec<u64>);

impl Packed for Numbers {
    fn messages(&self) -> usize {
        self.0.len()
    }

    fn byte_len(&self) -> usize {
        self.0.len() * 8 + 5
    }
}

#[test]
fn packed_messages_are_counted_and_measured() {
    let mut batch = Batch::new();
    batch.packed_mut::<Numbers>().unwrap().0.extend([1, 2, 3]);
    assert_eq!((batch.len(), batch.byte_len(), batch.is_empty()), (3, 29, false));
    assert_eq!((0..3).map(|index| batch.bytes_of(index..index + 1)).sum::<usize>(), 29);
    assert_eq!(batch.packed::<Numbers>().map(|numbers| numbers.0.as_slice()), Some(&[1, 2, 3][..]));
    assert!((batch.get(0), batch.lines(0..3)) == (None, &b""[..]));
    batch.clear();
    assert!(batch.is_empty() && batch.packed::<Numbers>().is_none());
    assert!(batch_of(&[(1, "a")]).packed_mut::<Numbers>().is_none());
}

#[test]
fn prefix_truncate_and_byte_budget_agree() {
    let mut batch = batch_of(&[(1, "a"), (2, "bb"), (3, "ccc")]);
    assert_eq!(batch.messages_within(0, 4), 1);
    assert_eq!(batch.messages_within(0, 5), 2);
    assert_eq!(batch.messages_within(1, 3), 1);
    assert_eq!(batch.messages_within(3, 100), 0);
    assert_eq!(batch.prefix(2).lines(0..9), b"a\nbb\n");
    batch.truncate(1);
    assert_eq!((batch.len(), batch.byte_len()), (1, 2));
    batch.truncate(5);
    assert_eq!(batch.len(), 1);
}
