//! Takes messages apart, chooses among them, and counts what was read.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use super::choice::Choice;
use super::facts::{FactFinder, Facts};
use crate::pretty::bar;
use crate::stored::{Block, Fields, Message, Place, Source, SourceError};

/// How often the bar is drawn.
const DRAW_EVERY: Duration = Duration::from_millis(500);

/// What was read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    /// Messages of statements.
    pub(crate) statements: u64,
    /// Those of them that were chosen.
    pub(crate) chosen: u64,
    /// JSON that is no statement's message: rows, or what another program wrote.
    pub(crate) others: u64,
    /// What is no JSON.
    pub(crate) broken: u64,
    /// Where the first of these is.
    pub(crate) first_broken: Option<Place>,
    /// Lines that were being written.
    pub(crate) unfinished: u64,
}

/// Why the inspection ended before its time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InspectError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
    #[error("cannot watch for signals: {0}")]
    Signals(io::Error),
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

impl Counts {
    pub(super) fn add(&mut self, other: &Self) {
        self.statements += other.statements;
        self.chosen += other.chosen;
        self.others += other.others;
        self.broken += other.broken;
        self.unfinished += other.unfinished;
        if self.first_broken.is_none() {
            self.first_broken.clone_from(&other.first_broken);
        }
    }
}

/// Whether a text is JSON, whatever it says.
fn is_json(text: &[u8]) -> bool {
    // serde_json skips what is in strings.
    std::str::from_utf8(text).is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
}

/// Takes messages apart, chooses among them and counts.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) finder: FactFinder,
    pub(super) counts: Counts,
}

/// What is called with each message that was chosen: itself, its fields if it is a statement's, and what is known of that already.
type Take<'t> = &'t mut dyn FnMut(&mut FactFinder, &Message<'_>, Option<&Fields<'_>>, Option<Facts>) -> io::Result<()>;

impl Reader {
    /// Calls `take` with each message of a block that is wanted; `shows_broken`: also with what is no JSON.
    pub(super) fn read(
        &mut self,
        block: &Block,
        choice: &Choice,
        needs_facts: bool,
        shows_broken: bool,
        take: Take<'_>,
    ) -> io::Result<()> {
        for (at, message) in block.messages() {
            let Some(fields) = Fields::parse(message.json) else {
                self.other(block, at, &message, choice, shows_broken, take)?;
                continue;
            };
            self.counts.statements += 1;
            let mut facts = None;
            if !choice.wants(&message, &fields, &mut self.finder, &mut facts) {
                continue;
            }
            self.counts.chosen += 1;
            if needs_facts && facts.is_none() {
                facts = Some(self.finder.of(&message, &fields));
            }
            take(&mut self.finder, &message, Some(&fields), facts.flatten())?;
        }
        Ok(())
    }

    fn other(
        &mut self,
        block: &Block,
        at: std::ops::Range<usize>,
        message: &Message<'_>,
        choice: &Choice,
        shows_broken: bool,
        take: Take<'_>,
    ) -> io::Result<()> {
        if !is_json(message.json) {
            let place = block.place(at);
            if place.is_unfinished {
                self.counts.unfinished += 1;
                return Ok(());
            }
            self.counts.broken += 1;
            self.counts.first_broken.get_or_insert(place);
            if !shows_broken {
                return Ok(());
            }
        } else {
            self.counts.others += 1;
        }
        if choice.wants_other(message.json) { take(&mut self.finder, message, None, None) } else { Ok(()) }
    }
}

/// The bar on standard error.
pub(super) struct Progress {
    is_shown: bool,
    began: Instant,
    drawn: Instant,
}

impl Progress {
    pub(super) fn new(is_wanted: bool) -> Self {
        let now = Instant::now();
        Self { is_shown: is_wanted && io::stderr().is_terminal(), began: now, drawn: now }
    }

    /// Draws it if it is time.
    pub(super) fn draw(&mut self, source: &(dyn Source + Send), counts: &Counts) {
        if !self.is_shown || self.drawn.elapsed() < DRAW_EVERY {
            return;
        }
        self.drawn = Instant::now();
        let seconds = self.began.elapsed().as_secs();
        let messages = counts.statements + counts.others;
        let line = match source.progress().filter(|progress| progress.total > 0) {
            Some(progress) => {
                let percent = progress.done.min(progress.total) * 100 / progress.total;
                let left = self.began.elapsed().as_secs_f64() * (progress.total.saturating_sub(progress.done)) as f64
                    / (progress.done.max(1)) as f64;
                format!("{percent:3} %  {messages} messages  {} left", bar::duration(left as u64))
            }
            None => format!("{messages} messages in {}", bar::duration(seconds)),
        };
        bar::draw(&line);
    }
}

/// Writes what is ready to standard output.
pub(super) fn write_out(text: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text)?;
    stdout.flush()
}
