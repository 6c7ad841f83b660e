//! Messages on standard output: raw, or for people.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use crate::deliver::batch::Batch;
use crate::deliver::config::StdoutConfig;
use crate::deliver::error::SinkError;
use crate::deliver::fsync::Durability;
use crate::deliver::sink::Sink;
use crate::pretty::{Palette, Pretty};

/// How long to wait when standard output is full and another process that shares it has made it non-blocking.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// Writes each message as a line of JSON, or in the form for people.
#[derive(Debug)]
pub struct StdoutSink {
    /// Unbuffered, unlike `io::stdout()`: a batch is one write.
    output: File,
    pretty: Option<Pretty>,
    rendered: Vec<u8>,
    /// Bytes of the next message that were written before an error.
    partial: usize,
    durability: Durability,
}

impl StdoutSink {
    /// A sink on this process's standard output.
    pub fn open(config: &StdoutConfig) -> Result<Self, SinkError> {
        let stdout = io::stdout();
        let output = stdout.as_fd().try_clone_to_owned().map_err(|source| failed("open", source))?;
        let pretty = config.pretty.then(|| {
            Pretty::new(Palette::choose(config.color, stdout.is_terminal()), &config.columns, jiff::Timestamp::now())
        });
        Ok(Self {
            output: File::from(output),
            pretty,
            rendered: Vec::new(),
            partial: 0,
            durability: Durability::new(config.fsync),
        })
    }

    fn write_pretty(&mut self, batch: &Batch, from: usize) -> Result<usize, SinkError> {
        let Some(pretty) = &mut self.pretty else {
            return Ok(0);
        };
        self.rendered.clear();
        pretty.start_batch();
        for (_, json) in batch.iter().skip(from) {
            pretty.render(json, &mut self.rendered);
        }
        let (_, error) = write_as_much(&self.output, &self.rendered);
        self.rendered.shrink_to(1 << 20);
        match error {
            None => Ok(batch.len().saturating_sub(from)),
            Some(error) => Err(error),
        }
    }

    fn write_lines(&mut self, batch: &Batch, from: usize) -> Result<usize, SinkError> {
        let lines = batch.lines(from..batch.len()).get(self.partial..).unwrap_or_default();
        let (written, error) = write_as_much(&self.output, lines);
        let written = written + self.partial;
        let taken = batch.messages_within(from, written);
        self.partial = written.saturating_sub(batch.lines(from..from + taken).len());
        match error {
            Some(error) if taken == 0 => Err(error),
            _ => Ok(taken),
        }
    }
}

impl Sink for StdoutSink {
    fn name(&self) -> &str {
        "stdout"
    }

    fn write(&mut self, batch: &Batch, from: usize) -> Result<usize, SinkError> {
        self.durability.check(self.name())?;
        let taken = if self.pretty.is_some() { self.write_pretty(batch, from) } else { self.write_lines(batch, from) }?;
        if let Some(last) = (from + taken).checked_sub(1) {
            self.durability.wrote(batch.position(last), &self.output);
        }
        Ok(taken)
    }

    fn delivered_through(&self) -> u64 {
        self.durability.delivered_through()
    }

    fn tick(&mut self) -> Result<(), SinkError> {
        self.durability.tick(&self.output);
        self.durability.check(self.name())
    }

    fn flush(&mut self, _deadline: Instant) -> Result<(), SinkError> {
        self.durability.sync(&self.output);
        self.durability.check(self.name())
    }
}

/// Writes until everything is out or an error other than "not now" comes; returns how many bytes went out.
fn write_as_much(mut output: &File, bytes: &[u8]) -> (usize, Option<SinkError>) {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match output.write(rest) {
            Ok(0) => {
                return (written, Some(failed("write to", io::ErrorKind::WriteZero.into())));
            }
            Ok(bytes) => written += bytes,
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock => thread::sleep(FULL_PAUSE),
                io::ErrorKind::BrokenPipe => {
                    return (written, Some(SinkError::Closed { target: "standard output".to_owned() }));
                }
                _ => return (written, Some(failed("write to", error))),
            },
        }
    }
    (written, None)
}

fn failed(action: &'static str, source: io::Error) -> SinkError {
    SinkError::Io { action, target: "standard output".to_owned(), source }
}
