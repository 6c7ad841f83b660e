//! What texts tell, remembered for those that came lately.

use std::hash::{BuildHasher, RandomState};

use lru::LruCache;

use super::lexis::Lexis;

/// How many texts are remembered: those of prepared statements, and of what is sent again and again.
const REMEMBERED: usize = 4096;

/// What was found out about texts, by the text and how it is read. Texts are told apart by a hash and their length.
///
/// The hash has a random key: whoever sends texts cannot make one that is taken for another, which may be a harmless one.
#[derive(Debug, Clone)]
pub struct TextMemo<T> {
    known: LruCache<(u64, usize, Lexis), T>,
    hash: RandomState,
}

impl<T> Default for TextMemo<T> {
    fn default() -> Self {
        // Memory for as many as come.
        Self { known: LruCache::unbounded(), hash: RandomState::new() }
    }
}

impl<T: Clone> TextMemo<T> {
    /// What was found out about a text, if it came lately.
    pub fn get(&mut self, sql: &[u8], lexis: Lexis) -> Option<T> {
        self.known.get(&self.key(sql, lexis)).cloned()
    }

    /// Remembers what was found out about a text.
    pub fn put(&mut self, sql: &[u8], lexis: Lexis, found: T) {
        self.known.put(self.key(sql, lexis), found);
        if self.known.len() > REMEMBERED {
            self.known.pop_lru();
        }
    }

    /// What `find` finds out, once.
    pub fn get_or_find(&mut self, sql: &[u8], lexis: Lexis, find: impl FnOnce() -> T) -> T {
        self.get(sql, lexis).unwrap_or_else(|| {
            let found = find();
            self.put(sql, lexis, found.clone());
            found
        })
    }

    fn key(&self, sql: &[u8], lexis: Lexis) -> (u64, usize, Lexis) {
        (self.hash.hash_one(sql), sql.len(), lexis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_looked_at_once_in_each_way_of_reading_it_and_forgotten_at_last() {
        let mut memo = TextMemo::default();
        let ansi = Lexis { ansi_quotes: Some(true), ..Lexis::default() };
        let mut times = 0;
        let mut find = |memo: &mut TextMemo<u32>, sql: &str, lexis| {
            memo.get_or_find(sql.as_bytes(), lexis, || {
                times += 1;
                times
            })
        };
        assert_eq!(
            [Lexis::default(), ansi, Lexis::default()].map(|lexis| find(&mut memo, "SELECT 1", lexis)),
            [1, 2, 1]
        );
        for number in 0..REMEMBERED {
            find(&mut memo, &format!("SELECT {number}, 0"), Lexis::default());
        }
        assert_eq!(memo.known.len(), REMEMBERED);
        assert_eq!(memo.get(b"SELECT 1", ansi), None);
    }
}
