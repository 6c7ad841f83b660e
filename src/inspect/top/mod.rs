//! Which statements take the time: counts, durations, rows and errors by digest.

mod config;
mod page;
mod stat;

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{panic, thread};

use tokio_util::sync::CancellationToken;

use super::choice::Choice;
use super::output::OutputConfig;
use super::reader::{Counts, InspectError, Progress, Reader, write_out};
use crate::stored::{Block, Source, Step};
pub(crate) use config::{TopConfig, TopSort};
use page::Page;
use stat::Stats;

/// How often the table is drawn again while it is followed.
const REDRAW: Duration = Duration::from_secs(1);
/// As many threads as take messages apart, at most: one reads for all of them.
const MOST_THREADS: usize = 8;

/// Gathers and shows them.
pub(super) struct Top<'a> {
    choice: &'a Choice,
    follows: bool,
    page: Page,
}

/// What a thread has found.
#[derive(Debug, Default)]
struct Found {
    reader: Reader,
    stats: Stats,
}

impl Found {
    fn take(&mut self, block: &Block, choice: &Choice) {
        let Self { reader, stats } = self;
        // Nothing is written here, and so nothing fails.
        let _ = reader.read(block, choice, true, false, &mut |_, _, fields, facts| {
            if let Some(fields) = fields {
                stats.add(fields, facts);
            }
            Ok(())
        });
    }
}

impl<'a> Top<'a> {
    pub(super) fn new(choice: &'a Choice, follows: bool, config: &TopConfig, output: &OutputConfig) -> Self {
        Self { choice, follows, page: Page::new(config, output) }
    }

    pub(super) fn run(
        &self,
        source: &mut (dyn Source + Send),
        stop: &CancellationToken,
    ) -> Result<Counts, InspectError> {
        let found = if self.follows { self.follow(source, stop)? } else { self.gather(source, stop)? };
        crate::pretty::bar::end();
        write_out(&self.page.render(&found.stats, None)?)?;
        Ok(found.reader.counts)
    }

    /// Reads on until it is stopped, and shows what there is so far.
    fn follow(&self, source: &mut (dyn Source + Send), stop: &CancellationToken) -> Result<Found, InspectError> {
        let (mut found, mut block, mut drawn) = (Found::default(), Block::default(), Instant::now());
        let redraws = io::stdout().is_terminal() && self.page.is_for_people();
        while !stop.is_cancelled() {
            match source.read(&mut block)? {
                Step::End => break,
                Step::Waiting => {}
                Step::Filled => found.take(&block, self.choice),
            }
            if redraws && drawn.elapsed() >= REDRAW {
                drawn = Instant::now();
                let height = terminal_size::terminal_size().map(|(_, height)| usize::from(height.0));
                // From the corner on, and then nothing.
                let page = self.page.render(&found.stats, height)?;
                write_out(&[b"\x1b[H\x1b[J", page.as_slice()].concat())?;
            }
        }
        if redraws {
            write_out(b"\x1b[H\x1b[J")?;
        }
        Ok(found)
    }

    /// Reads everything, in several threads.
    fn gather(&self, source: &mut (dyn Source + Send), stop: &CancellationToken) -> Result<Found, InspectError> {
        let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let (blocks, inbox) = sync_channel::<Block>(threads * 2);
        let (spare, spares) = channel();
        let inbox = Mutex::new(inbox);
        let messages = AtomicU64::new(0);
        thread::scope(|scope| {
            let mut workers = Vec::new();
            for number in 0..threads {
                let (inbox, messages, spare, choice) = (&inbox, &messages, spare.clone(), self.choice);
                let work = move || work(inbox, messages, &spare, choice);
                let name = format!("top-{number}");
                let worker = thread::Builder::new().name(name).spawn_scoped(scope, work);
                workers.push(worker.map_err(InspectError::Thread)?);
            }
            let mut progress = Progress::new(true);
            let mut read = || -> Result<(), InspectError> {
                while !stop.is_cancelled() {
                    let mut block: Block = spares.try_recv().unwrap_or_default();
                    match source.read(&mut block)? {
                        Step::End => return Ok(()),
                        Step::Waiting => {}
                        // Nobody takes it only if all have ended, which they do not before this.
                        Step::Filled => drop(blocks.send(block)),
                    }
                    let counts = Counts { statements: messages.load(Relaxed), ..Counts::default() };
                    progress.draw(source, &counts);
                }
                Ok(())
            };
            let result = read();
            drop(blocks);
            let mut all = Found::default();
            for worker in workers {
                let found = worker.join().unwrap_or_else(|panic| panic::resume_unwind(panic));
                all.reader.counts.add(&found.reader.counts);
                all.stats.merge(found.stats);
            }
            result.map(|()| all)
        })
    }
}

fn work(inbox: &Mutex<Receiver<Block>>, messages: &AtomicU64, spare: &Sender<Block>, choice: &Choice) -> Found {
    let mut found = Found::default();
    loop {
        let block = inbox.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(block) = block else { return found };
        let before = found.reader.counts.statements;
        found.take(&block, choice);
        messages.fetch_add(found.reader.counts.statements - before, Relaxed);
        // The reader may have come to its end.
        let _ = spare.send(block);
    }
}
