//! What of a partition a group of players has done, as its committed offset has it.
//!
//! The offset is the beginning of the oldest session that is not over: whoever takes the partition over reads from there. Its metadata say how
//! far the partition was read (`next`) and which of the sessions that began before are not over: all others before `next` are done, and are not
//! done again.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};

/// Kafka takes metadata of up to this many bytes (`offset.metadata.max.bytes`), less what stands around the list.
const LIST_BYTES: usize = 3600;

/// The common start of a group's players.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Zero {
    /// What of the recorded time is played first, in nanoseconds since 1970.
    pub(crate) recorded_ns: u64,
    /// When that is, in milliseconds since 1970.
    pub(crate) start_ms: u64,
}

/// A session that is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Unfinished {
    /// The offset of its beginning.
    pub(crate) begin: i64,
    /// Whether it was opened on the target.
    pub(crate) has_begun: bool,
}

/// How far a partition is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// The first offset that was not read.
    pub(crate) next: i64,
    /// Sessions that began before it and are not over, in the order of their beginnings.
    pub(crate) unfinished: Vec<Unfinished>,
}

#[derive(Serialize, Deserialize)]
struct Metadata {
    v: u32,
    next: i64,
    /// Differences of beginnings, each doubled, and one more if it was opened: variable-length integers, in base64.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    open: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zero: Option<Zero>,
}

impl Done {
    /// The offset to commit.
    pub(crate) fn offset(&self) -> i64 {
        self.unfinished.first().map_or(self.next, |oldest| oldest.begin.min(self.next))
    }

    /// Whether the session that began at this offset is done; of those that are not: whether it was opened by another player.
    pub(crate) fn find(&self, begin: i64) -> Found {
        if begin >= self.next {
            return Found::New;
        }
        match self.unfinished.binary_search_by_key(&begin, |unfinished| unfinished.begin) {
            Ok(at) => match self.unfinished.get(at) {
                Some(Unfinished { has_begun: true, .. }) => Found::Interrupted,
                _ => Found::New,
            },
            Err(_) => Found::Done,
        }
    }

    /// As metadata. Where there are more sessions than these have room for, less counts as read: what is done beyond is done again.
    pub(crate) fn to_metadata(&self, zero: Option<Zero>) -> String {
        let mut list = Vec::new();
        let mut next = self.next;
        let mut before = 0;
        for unfinished in &self.unfinished {
            let length = list.len();
            let difference = u64::try_from(unfinished.begin.saturating_sub(before)).unwrap_or(0);
            push_varint(&mut list, difference << 1 | u64::from(unfinished.has_begun));
            if list.len() * 4 / 3 > LIST_BYTES {
                list.truncate(length);
                next = next.min(unfinished.begin);
                break;
            }
            before = unfinished.begin;
        }
        let metadata = Metadata { v: 1, next, open: BASE64.encode(list), zero };
        serde_json::to_string(&metadata).unwrap_or_default()
    }

    /// From a committed offset and its metadata; without any, or with another program's, everything from the offset on is new.
    pub(crate) fn from_metadata(offset: i64, metadata: &str) -> (Self, Option<Zero>) {
        let plain = Self { next: offset, unfinished: Vec::new() };
        let Ok(found) = serde_json::from_str::<Metadata>(metadata) else { return (plain, None) };
        let list = if found.v == 1 { BASE64.decode(&found.open).ok() } else { None };
        let Some(list) = list else { return (plain, found.zero) };
        let mut unfinished = Vec::new();
        let mut rest = list.as_slice();
        let mut begin = 0_i64;
        while let Some(value) = take_varint(&mut rest) {
            let difference = i64::try_from(value >> 1).unwrap_or(i64::MAX);
            begin = begin.saturating_add(difference);
            unfinished.push(Unfinished { begin, has_begun: value & 1 == 1 });
        }
        (Self { next: found.next, unfinished }, found.zero)
    }
}

/// What is known of a session by the offset of its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nobody has opened it.
    New,
    /// Another player, or this one, had opened it and did not come to its end.
    Interrupted,
    /// It is over.
    Done,
}

fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn done(next: i64, unfinished: &[(i64, bool)]) -> Done {
        let unfinished =
            unfinished.iter().map(|(begin, has_begun)| Unfinished { begin: *begin, has_begun: *has_begun });
        Done { next, unfinished: unfinished.collect() }
    }

    #[test]
    fn what_began_before_and_is_not_named_is_done() {
        let done = done(100, &[(5, true), (40, false)]);
        assert_eq!(done.offset(), 5);
        let found: Vec<_> = [5, 6, 40, 99, 100, 200].iter().map(|begin| done.find(*begin)).collect();
        assert_eq!(found, [Found::Interrupted, Found::Done, Found::New, Found::Done, Found::New, Found::New]);
    }

    #[test]
    fn foreign_metadata_say_nothing() {
        for metadata in ["", "x", "{}", "{\"v\":9,\"next\":3}", "{\"v\":1,\"next\":3,\"open\":\"!\"}"] {
            assert_eq!(Done::from_metadata(7, metadata).0, done(7, &[]), "{metadata}");
        }
    }

    proptest! {
        #[test]
        fn metadata_are_read_as_they_were_written(
            begins in prop::collection::btree_set(0_i64..1_000_000_000, 0..400),
            begun in any::<u64>(),
            more in 1_i64..1000,
        ) {
            let unfinished: Vec<_> = begins.iter().map(|begin| (*begin, begun >> (begin % 64) & 1 == 1)).collect();
            let next = begins.last().copied().unwrap_or(0) + more;
            let done = done(next, &unfinished);
            let zero = Some(Zero { recorded_ns: 5, start_ms: 6 });
            let metadata = done.to_metadata(zero);
            prop_assert!(metadata.len() <= 4096);
            prop_assert_eq!(Done::from_metadata(done.offset(), &metadata), (done, zero));
        }

        /// Nothing that is not over counts as done.
        #[test]
        fn a_list_that_is_too_long_makes_less_of_it_read(count in 3000_usize..6000, apart in 1_i64..10_000) {
            let unfinished: Vec<_> = (0..count as i64).map(|number| (number * apart, true)).collect();
            let done = done(count as i64 * apart, &unfinished);
            let metadata = done.to_metadata(None);
            prop_assert!(metadata.len() <= 4096);
            let (read, _) = Done::from_metadata(0, &metadata);
            for (begin, _) in unfinished {
                prop_assert!(read.find(begin) != Found::Done);
            }
        }
    }
}
