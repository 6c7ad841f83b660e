//! Where a form's messages go: a topic for each table, and keys, for sinks that know of them.

use std::sync::Arc;

use crate::binlog::output::kafka::topic::{TopicTemplate, Topics};
use crate::deliver::Batch;

/// What a message carries besides its text. Each form has one of its own.
#[derive(Debug, Clone, Default)]
pub struct Routing {
    /// `None`: messages have neither topics nor keys.
    topics: Option<Topics>,
}

impl Routing {
    /// Messages have keys, and topics as `template` says.
    pub fn to(template: TopicTemplate) -> Self {
        Self { topics: Some(Topics::new(template)) }
    }

    /// Whether messages have keys.
    pub(crate) fn has_keys(&self) -> bool {
        self.topics.is_some()
    }

    /// The topic of a table's rows. To be asked for once per event, not per row.
    pub(crate) fn topic(&mut self, database: &str, table: &str) -> Option<Arc<str>> {
        self.topics.as_mut().map(|topics| topics.of_table(database, table))
    }

    /// The topic of statements that change definitions in this database: that of a table `DDL`.
    pub(crate) fn definition_topic(&mut self, database: &str) -> Option<Arc<str>> {
        self.topics.as_mut().map(|topics| topics.of_definitions(database))
    }

    /// Appends one message; `write` gets its bytes, and its key's where it has one. Without topics and keys it keeps its connection's
    /// order, as all messages of this program do.
    #[inline]
    pub(crate) fn push<E>(
        &self,
        batch: &mut Batch,
        topic: Option<&Arc<str>>,
        thread_id: Option<u32>,
        write: impl FnOnce(&mut Vec<u8>, Option<&mut Vec<u8>>) -> Result<(), E>,
    ) -> Result<(), E> {
        match self.topics {
            None => batch.push_with(u64::from(thread_id.unwrap_or_default()), |out| write(out, None)),
            Some(_) => batch.push_routed(topic, |out, key| write(out, Some(key))),
        }
    }
}
