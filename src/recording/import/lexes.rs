//! How each session's texts are read: where one ends in the log may depend on its character set and sql_mode.

use std::num::NonZeroUsize;

use lru::LruCache;

use crate::mysql::sql::{ClientCharset, Lexis, SessionSetting, variables_set};

/// Sessions that are remembered; those that set nothing need not be.
const SESSIONS: NonZeroUsize = NonZeroUsize::new(65_536).expect("not zero");

/// What sessions have set, by connection id.
#[derive(Debug)]
pub(super) struct Lexes(LruCache<u64, Lexis>);

impl Lexes {
    pub(super) fn new() -> Self {
        Self(LruCache::new(SESSIONS))
    }

    /// How the session's next text is read.
    pub(super) fn of(&mut self, thread: u64) -> Lexis {
        self.0.get(&thread).copied().unwrap_or_default()
    }

    /// The session is another one.
    pub(super) fn forget(&mut self, thread: u64) {
        self.0.pop(&thread);
    }

    /// Takes in what a text sets.
    pub(super) fn follow(&mut self, thread: u64, text: &[u8]) {
        let lexis = self.of(thread);
        let mut next = lexis;
        for setting in variables_set(text, lexis) {
            match setting {
                SessionSetting::ClientCharset(charset) => next.charset = ClientCharset::of(charset),
                SessionSetting::SqlMode(Some(mode)) => {
                    next.ansi_quotes = Some(mode.mode.ansi_quotes);
                    next.backslash_escapes = Some(!mode.mode.no_backslash_escapes);
                }
                _ => {}
            }
        }
        if next != lexis {
            self.0.put(thread, next);
        }
    }
}
