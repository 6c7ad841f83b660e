//! Reads a source to its end, or follows it, and prints what was chosen.

use std::io::{self, IsTerminal};

use tokio_util::sync::CancellationToken;

use super::choice::Choice;
use super::output::{Output, OutputConfig};
use super::reader::{Counts, InspectError, Progress, Reader};
use super::top::{Top, TopConfig};
use crate::pretty::bar;
use crate::stored::{Block, Source, Step};

/// What is to be done.
#[derive(Debug, Clone)]
pub(crate) struct Inspection {
    pub(crate) choice: Choice,
    pub(crate) output: OutputConfig,
    /// In place of messages, which statements take the time.
    pub(crate) top: Option<TopConfig>,
    /// It does not end by itself.
    pub(crate) follows: bool,
}

/// Does it; what was read until then, if it was stopped.
pub(crate) fn run(
    inspection: &Inspection,
    source: &mut (dyn Source + Send),
    stop: &CancellationToken,
) -> Result<Counts, InspectError> {
    let counts = match &inspection.top {
        Some(config) => Top::new(&inspection.choice, inspection.follows, config, &inspection.output).run(source, stop),
        None => print(inspection, source, stop),
    };
    bar::end();
    counts
}

fn print(
    inspection: &Inspection,
    source: &mut (dyn Source + Send),
    stop: &CancellationToken,
) -> Result<Counts, InspectError> {
    let mut output = Output::new(&inspection.output);
    let mut reader = Reader::default();
    let mut block = Block::default();
    // Beside lines on the same terminal a bar is in the way.
    let mut progress = Progress::new(!inspection.follows && !io::stdout().is_terminal());
    let (shows_others, shows_broken) = (output.shows_others(), output.shows_anything());
    while !stop.is_cancelled() {
        match source.read(&mut block)? {
            Step::End => break,
            Step::Waiting => {}
            Step::Filled => {
                reader.read(&block, &inspection.choice, false, shows_broken, &mut |_, message, fields, _| {
                    if fields.is_some() || shows_others { output.message(message.json, fields) } else { Ok(()) }
                })?;
            }
        }
        // Whoever watches a pipe sees each message as it comes.
        output.flush()?;
        progress.draw(source, &reader.counts);
    }
    output.flush()?;
    Ok(reader.counts)
}
