//! Where a form's messages go: a topic for each table, and keys, for sinks that know of them.

use std::fmt;
use std::sync::Arc;

use crate::binlog::table_map::TableMap;
use crate::sink::Batch;

/// Names the topic of a table's rows. It is asked once per event, so it should keep the names it has made.
pub type TopicOf = Arc<dyn Fn(&TableMap) -> Arc<str> + Send + Sync>;

/// What a message carries besides its text.
#[derive(Clone, Default)]
pub struct Routing {
    /// Rows go to a topic for their table; `None` for the sink's own.
    pub topic: Option<TopicOf>,
    /// Rows have a key in the form's way, from their primary key.
    pub keys: bool,
}

impl fmt::Debug for Routing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routing").field("topic", &self.topic.is_some()).field("keys", &self.keys).finish()
    }
}

impl Routing {
    /// The topic of a table's rows.
    pub(super) fn topic_of(&self, table: &TableMap) -> Option<Arc<str>> {
        self.topic.as_ref().map(|topic| topic(table))
    }

    /// Appends one message; `write` gets its bytes, and its key's where it has one. Without topics and keys it keeps its connection's
    /// order, as all messages of this program do.
    #[inline]
    pub(super) fn push<E>(
        &self,
        batch: &mut Batch,
        topic: Option<&Arc<str>>,
        thread_id: Option<u32>,
        write: impl FnOnce(&mut Vec<u8>, Option<&mut Vec<u8>>) -> Result<(), E>,
    ) -> Result<(), E> {
        if topic.is_none() && !self.keys {
            return batch.push_with(u64::from(thread_id.unwrap_or_default()), |out| write(out, None));
        }
        batch.push_routed(topic, |out, key| write(out, self.keys.then_some(key)))
    }
}
