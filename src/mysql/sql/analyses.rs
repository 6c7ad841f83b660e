//! Analyses of the texts that came lately.
//!
//! A text without literals is looked up as it is: what is prepared comes again letter by letter. Of statements about rows that differ in
//! nothing but their literals all but the places of these is the same; they are looked up by their [`Shape`]. Both are compared in full,
//! with what they are read by.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::num::NonZeroUsize;
use std::ops::Range;

use lru::LruCache;
use twox_hash::XxHash3_64;

use super::analysis::Analysis;
use super::keys::Keys;
use super::lexis::{Flavor, Lexis};
use super::redactions::Redactions;
use super::sites::{Shape, Site, SiteKind};

/// A longer text is not kept.
const LONGEST_TEXT: usize = 16 * 1024;
/// How much all of them may take, in bytes, and how many there may be.
const MOST_BYTES: usize = 4 << 20;
const MOST_ENTRIES: usize = 8192;

/// Finds out about texts, and remembers what it found.
#[derive(Debug)]
pub struct Analyses {
    keys: Keys,
    known: LruCache<Box<[u8]>, Known, Seeded>,
    /// What the entries take, in bytes.
    bytes: usize,
    /// The key that is looked for; and the shape of the text.
    key: Vec<u8>,
    shape: Shape,
    /// The last one that was asked for.
    current: Analysis,
}

/// What is known of a text, or of all of one shape.
#[derive(Debug)]
struct Known {
    /// The places of literals are those of the text that came first.
    analysis: Analysis,
    /// Of a shape: for each site whether it is shown.
    redacted: Option<Box<[bool]>>,
}

impl Known {
    fn byte_len(&self) -> usize {
        let spans = size_of_val(self.analysis.redactions.literals.as_slice());
        size_of::<Self>() + spans + self.redacted.as_ref().map_or(0, |redacted| redacted.len()) + 2 * size_of::<usize>()
    }
}

impl Default for Analyses {
    fn default() -> Self {
        Self::new(Keys::none())
    }
}

impl Analyses {
    /// With these redact keys.
    pub fn new(keys: Keys) -> Self {
        let most = NonZeroUsize::new(MOST_ENTRIES).unwrap_or(NonZeroUsize::MIN);
        let current = Analysis::with_keys(b"", false, Lexis::default(), &keys);
        let known = LruCache::with_hasher(most, Seeded::default());
        Self { keys, known, bytes: 0, key: Vec::new(), shape: Shape::default(), current }
    }

    /// What a text tells. `is_torn`: it is only the front of what was sent.
    pub fn of(&mut self, sql: &[u8], is_torn: bool, lexis: Lexis) -> &Analysis {
        if is_torn || sql.len() > LONGEST_TEXT {
            self.current = Analysis::with_keys(sql, is_torn, lexis, &self.keys);
            return &self.current;
        }
        self.key.clear();
        self.key.extend(tag(lexis));
        let front = self.key.len();
        self.key.extend_from_slice(sql);
        if self.known.contains(self.key.as_slice()) {
            return self.known.get(self.key.as_slice()).map_or(&self.current, |known| &known.analysis);
        }
        // No text begins like a shape.
        self.shape.bytes.clear();
        self.shape.bytes.extend_from_slice(self.key.get(..front).unwrap_or_default());
        self.shape.bytes.push(SHAPE);
        let has_literals = self.shape.read(sql, lexis, &self.keys)
            && self.shape.sites.iter().any(|site| site.kind != SiteKind::Placeholder);
        if !has_literals {
            self.current = Analysis::with_keys(sql, false, lexis, &self.keys);
            self.remember(Known { analysis: self.current.clone(), redacted: None });
            return &self.current;
        }
        std::mem::swap(&mut self.key, &mut self.shape.bytes);
        if let Some(known) = self.known.get(self.key.as_slice()) {
            let redacted = known.redacted.as_deref().unwrap_or_default();
            known.analysis.clone_facts_to(&mut self.current);
            self.current.redactions.literals.extend(redacted_sites(&self.shape.sites, redacted));
            return &self.current;
        }
        self.current = Analysis::with_keys(sql, false, lexis, &self.keys);
        let redacted = hidden(&self.shape.sites, &self.current.redactions);
        // What the sites do not explain is not for other texts.
        if redacted_sites(&self.shape.sites, &redacted).eq(self.current.redactions.literals.iter().cloned()) {
            let mut analysis = self.current.clone();
            analysis.redactions.literals = Vec::new();
            self.remember(Known { analysis, redacted: Some(redacted) });
        }
        &self.current
    }

    /// What is remembered takes this many bytes.
    pub fn byte_len(&self) -> usize {
        self.bytes
    }

    fn remember(&mut self, known: Known) {
        let key: Box<[u8]> = self.key.as_slice().into();
        self.bytes += key.len() + known.byte_len();
        if let Some((key, known)) = self.known.push(key, known) {
            self.bytes -= key.len() + known.byte_len();
        }
        while self.bytes > MOST_BYTES {
            let Some((key, known)) = self.known.pop_lru() else { break };
            self.bytes -= key.len() + known.byte_len();
        }
    }
}

/// Which of the sites are not shown.
fn hidden(sites: &[Site], redactions: &Redactions) -> Box<[bool]> {
    let mut params = 0;
    let is_hidden = |site: &Site| {
        if site.kind == SiteKind::Placeholder {
            params += 1;
            return redactions.params.contains(params - 1);
        }
        redactions.literals.binary_search_by_key(&site.span.start, |span| span.start).is_ok()
    };
    sites.iter().map(is_hidden).collect()
}

fn redacted_sites<'s>(sites: &'s [Site], redacted: &'s [bool]) -> impl Iterator<Item = Range<usize>> + 's {
    let literals =
        sites.iter().zip(redacted).filter(|(site, redacted)| **redacted && site.kind != SiteKind::Placeholder);
    literals.map(|(site, _)| site.span.clone())
}

/// What marks the key of a shape. A text has no zero byte at its front that a server would accept.
const SHAPE: u8 = 0;

/// What a text is read by, as bytes.
fn tag(lexis: Lexis) -> [u8; 9] {
    let Lexis { flavor, version, ansi_quotes, backslash_escapes, charset } = lexis;
    let flavor = match flavor {
        None => 0,
        Some(Flavor::MySql) => 1,
        Some(Flavor::MariaDb) => 2,
    };
    let of_mode = |mode: Option<bool>| mode.map_or(2, u8::from);
    let [v0, v1, v2, v3] = version.map_or(u32::MAX, |version| version).to_le_bytes();
    [flavor, v0, v1, v2, v3, of_mode(ansi_quotes), of_mode(backslash_escapes), charset as u8, 1]
}

/// XXH3 with a seed that nobody knows: texts come from outside.
#[derive(Debug, Clone, Copy)]
struct Seeded(u64);

impl Default for Seeded {
    fn default() -> Self {
        Self(RandomState::new().hash_one(0))
    }
}

impl BuildHasher for Seeded {
    type Hasher = Hash;

    fn build_hasher(&self) -> Hash {
        Hash(self.0)
    }
}

struct Hash(u64);

impl Hasher for Hash {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = XxHash3_64::oneshot_with_seed(self.0, bytes);
    }

    fn write_usize(&mut self, length: usize) {
        self.0 ^= u64::try_from(length).unwrap_or_default().rotate_left(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
