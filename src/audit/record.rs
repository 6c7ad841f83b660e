//! A marker stream's records: events as lines of JSON, numbered, each with the hash of the one before, some of them signed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::hash::{Hash, Instance, push_hexadecimal};
use super::key::{PublicKey, Signer};

/// What stands before a record's own hash: that is of all bytes before this.
const HASH: &[u8] = b",\"hash\":\"";

/// Writes the records of one instance for one sink.
#[derive(Debug, Clone)]
pub struct Scribe {
    instance: Instance,
    signer: Option<Arc<Signer>>,
    written: u64,
    previous: Hash,
}

/// What a record has besides its hash and its signature.
#[derive(Serialize)]
struct Body<'a> {
    n: u64,
    instance: Instance,
    time: u64,
    previous: Hash,
    #[serde(flatten)]
    event: &'a Event,
}

/// A record that was read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Record {
    /// Its number in the instance's stream, from 1.
    pub n: u64,
    /// The instance.
    pub instance: Instance,
    /// When it was written, in milliseconds since 1970.
    pub time: u64,
    /// The hash of the record before it; zero for the first.
    pub previous: Hash,
    /// What it tells.
    #[serde(flatten)]
    pub event: Event,
    /// SHA-256 of its bytes up to the member `hash`.
    pub hash: Hash,
    /// Ed25519, of markers, manifests, the instance's start and its end.
    #[serde(default)]
    pub signature: Option<String>,
}

/// What is wrong with a line that should be a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It is none.
    #[error("no record of a marker stream")]
    Malformed,
    /// It is not what it was: its hash is another one.
    #[error("changed since it was written")]
    Changed,
}

impl Scribe {
    /// Begins the stream.
    pub fn new(instance: Instance, signer: Option<Arc<Signer>>) -> Self {
        Self { instance, signer, written: 0, previous: Hash::default() }
    }

    /// Appends the next record, without a newline.
    ///
    /// # Errors
    ///
    /// None that can happen: an event is always JSON. Nothing is appended then, and no number is used.
    pub fn write(&mut self, event: &Event, time: u64, out: &mut Vec<u8>) -> serde_json::Result<()> {
        let begin = out.len();
        let n = self.written + 1;
        let body = Body { n, instance: self.instance, time, previous: self.previous, event };
        if let Err(error) = serde_json::to_writer(&mut *out, &body) {
            out.truncate(begin);
            return Err(error);
        }
        // Without its last brace.
        out.pop();
        let hash = Hash::of(out.get(begin..).unwrap_or_default());
        out.extend_from_slice(HASH);
        push_hexadecimal(&hash.0, out);
        out.push(b'"');
        if let Some(signer) = self.signer.as_ref().filter(|_| event.is_signed()) {
            out.extend_from_slice(b",\"signature\":\"");
            signer.sign(&hash, out);
            out.push(b'"');
        }
        out.push(b'}');
        (self.written, self.previous) = (n, hash);
        Ok(())
    }
}

impl Event {
    /// Whether its record is signed. The others are what the next signed one depends on.
    pub fn is_signed(&self) -> bool {
        matches!(
            self,
            Self::Marker(_)
                | Self::FileFinished(_)
                | Self::StreamOpened(_)
                | Self::StreamClosed(_)
                | Self::InstanceStarted(_)
                | Self::InstanceStopped(_)
        )
    }
}

impl Record {
    /// Reads a line. One that was changed is given as well, as far as it can be read.
    pub fn parse(line: &[u8]) -> (Option<Self>, Result<(), Damage>) {
        let Ok(record) = serde_json::from_slice::<Self>(line) else { return (None, Err(Damage::Malformed)) };
        let body = memchr::memmem::rfind(line, HASH).and_then(|at| line.get(..at)).unwrap_or_default();
        let sound = if Hash::of(body) == record.hash { Ok(()) } else { Err(Damage::Changed) };
        (Some(record), sound)
    }

    /// Whether its signature is that of the key.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        self.signature.as_ref().is_some_and(|signature| key.verifies(&self.hash, signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::key::tests::PRIVATE;
    use crate::audit::{Closed, Totals};

    #[test]
    fn records_are_numbered_chained_and_signed() {
        let signer = Arc::new(Signer::from_pem(PRIVATE).unwrap());
        let mut scribe = Scribe::new(Instance([1; 16]), Some(Arc::clone(&signer)));
        let closed = Event::SessionClosed(Closed { session: 3, statements: 9, messages: 7 });
        let stopped = Event::InstanceStopped(Totals { delivered: 7, ..Totals::default() });
        let lines = [&closed, &stopped].map(|event| {
            let mut line = Vec::new();
            scribe.write(event, 1_700_000_000_000, &mut line).unwrap();
            line
        });
        let records = lines.each_ref().map(|line| Record::parse(line));
        let [(Some(first), Ok(())), (Some(second), Ok(()))] = records else { panic!("{records:?}") };
        assert_eq!((first.n, second.n, second.previous), (1, 2, first.hash));
        assert_eq!((&first.event, &second.event), (&closed, &stopped));
        assert!(first.signature.is_none() && second.is_signed_by(&signer.public_key()));
        let text = String::from_utf8(lines[0].clone()).unwrap();
        assert!(text.starts_with(
            r#"{"n":1,"instance":"01010101010101010101010101010101","time":1700000000000,"previous":"0000"#
        ));
        assert!(
            text.contains(r#","event":"session_closed","session":3,"statements":9,"messages":7,"hash":""#),
            "{text}"
        );
        let changed = text.replace(r#""messages":7"#, r#""messages":6"#);
        assert_eq!(Record::parse(changed.as_bytes()).1, Err(Damage::Changed));
        assert_eq!(Record::parse(b"{}"), (None, Err(Damage::Malformed)));
    }
}
