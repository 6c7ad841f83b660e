//! Numbers of what one reader pushes.

use std::collections::HashMap;
use std::sync::Arc;

use crate::deliver::batch::Batch;
use crate::deliver::seq::Seq;

/// Numbers the messages of a reader, in one form: 1, 2, 3 and so on within each topic, which stands for a session; what has no topic is the first.
#[derive(Debug, Default)]
pub struct Sequences {
    /// By topic; `None`: of messages without one.
    topics: HashMap<Option<Arc<str>>, Seq>,
    /// A topic whose messages have no numbers.
    except: Option<String>,
}

impl Sequences {
    /// None has a number yet; messages for the topic `except` get none.
    pub fn new(except: Option<String>) -> Self {
        Self { topics: HashMap::new(), except }
    }

    /// Numbers the messages of a batch, which is the next one. Returns the topics that are new, with what stands for each.
    pub fn number(&mut self, batch: &mut Batch) -> Vec<(Arc<str>, u64)> {
        let Self { topics, except } = self;
        let (mut last, mut new) = (topics.len() as u64, Vec::new());
        let numbered = batch.number(|topic| {
            if topic.is_some() && topic.map(|topic| &**topic) == except.as_deref() {
                return None;
            }
            Some(topics.get(&topic.cloned()).copied().unwrap_or_else(|| {
                last += 1;
                new.extend(topic.map(|topic| (Arc::clone(topic), last)));
                Seq::of(last)
            }))
        });
        topics.extend(numbered);
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(topics: &[Option<&str>]) -> Batch {
        let mut batch = Batch::new();
        for topic in topics {
            let topic = topic.map(Arc::<str>::from);
            batch.push_routed(topic.as_ref(), |_, _| Ok::<(), ()>(())).unwrap();
        }
        batch
    }

    fn numbers(batch: &Batch) -> Vec<(u64, u64)> {
        let numbered = (0..batch.len()).map(|index| batch.numbered(index));
        numbered.map(|numbered| numbered.map_or((0, 0), |numbered| (numbered.session, numbered.seq))).collect()
    }

    #[test]
    fn each_topic_has_numbers_of_its_own() {
        let mut sequences = Sequences::new(Some("checkpoints".to_owned()));
        let mut first = batch(&[Some("a"), Some("b"), Some("a"), Some("checkpoints"), Some("b")]);
        assert_eq!(sequences.number(&mut first), [("a".into(), 1), ("b".into(), 2)]);
        assert_eq!(numbers(&first), [(1, 1), (2, 1), (1, 2), (0, 0), (2, 2)]);
        let mut second = batch(&[Some("b"), Some("c"), Some("b"), None]);
        assert_eq!(sequences.number(&mut second), [("c".into(), 3)]);
        assert_eq!(numbers(&second), [(2, 3), (3, 1), (2, 4), (4, 1)]);
    }

    #[test]
    fn what_has_no_topic_is_the_first() {
        let mut sequences = Sequences::default();
        for round in 0..3 {
            let mut lines = batch(&[None, None]);
            assert!(sequences.number(&mut lines).is_empty());
            assert_eq!(numbers(&lines), [(1, round * 2 + 1), (1, round * 2 + 2)]);
        }
    }
}
