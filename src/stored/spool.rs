//! What is in a spool: read while its process writes to it, without a lock.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::block::{Block, Record, Spot};
use super::source::{Source, SourceError, Step};
use crate::deliver::{Batch, Found, SpoolReader};

/// As many messages are read at once, of about so many bytes.
const MESSAGES: usize = 2000;
const BYTES: usize = 1 << 20;
/// How long a spool that is followed may have nothing new before it is looked at again.
const PAUSE: Duration = Duration::from_millis(100);

/// Reads a spool from its first message on.
pub(crate) struct SpoolSource {
    name: Arc<str>,
    reader: SpoolReader,
    batch: Batch,
    follows: bool,
}

impl SpoolSource {
    pub(crate) fn new(folder: &Path, follows: bool) -> Result<Self, SourceError> {
        let reader = SpoolReader::open(folder)?;
        Ok(Self { name: format!("spool:{}", folder.display()).into(), reader, batch: Batch::new(), follows })
    }
}

impl Source for SpoolSource {
    fn read(&mut self, block: &mut Block) -> Result<Step, SourceError> {
        block.clear();
        self.batch.clear();
        match self.reader.read(&mut self.batch, MESSAGES, BYTES)? {
            Found::Messages => {}
            Found::Nothing if self.follows => {
                std::thread::sleep(PAUSE);
                return Ok(Step::Waiting);
            }
            Found::Nothing => return Ok(Step::End),
            Found::Missing { messages, bytes } => {
                tracing::warn!(spool = %self.name, messages, bytes, "messages of the spool cannot be read");
                return Ok(Step::Waiting);
            }
        }
        for index in 0..self.batch.len() {
            let Some(message) = self.batch.routed(index) else { continue };
            let record = Record {
                name: Arc::clone(&self.name),
                seq: message.numbered.map(|numbered| numbered.seq),
                proxy: message.origin.cloned(),
                digest: message.numbered.and_then(|numbered| numbered.label.digest),
                spot: Spot::Position(self.batch.position(index)),
                ..Record::default()
            };
            block.push(record, |out| out.extend_from_slice(message.value));
        }
        Ok(Step::Filled)
    }
}
