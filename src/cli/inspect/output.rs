//! What `inspect` prints, gathered into few writes.

use std::io::{self, IsTerminal, Stdout, Write};

use crate::pretty::{ColorChoice, PrettyColumn};
use crate::pretty::{Palette, Pretty};

/// Output is written when this many bytes have gathered, at the latest.
const GATHER: usize = 64 * 1024;

pub(super) struct Output {
    stdout: Stdout,
    pretty: Option<Pretty>,
    gathered: Vec<u8>,
}

impl Output {
    pub(super) fn new(pretty: bool, color: ColorChoice, columns: &[PrettyColumn]) -> Self {
        let stdout = io::stdout();
        let pretty =
            pretty.then(|| Pretty::new(Palette::choose(color, stdout.is_terminal()), columns, jiff::Timestamp::now()));
        Self { stdout, pretty, gathered: Vec::new() }
    }

    pub(super) fn message(&mut self, json: &[u8]) -> io::Result<()> {
        match &mut self.pretty {
            Some(pretty) => {
                if self.gathered.is_empty() {
                    pretty.start_batch();
                }
                pretty.render(json, &mut self.gathered);
            }
            None => {
                self.gathered.extend_from_slice(json);
                self.gathered.push(b'\n');
            }
        }
        if self.gathered.len() >= GATHER { self.flush() } else { Ok(()) }
    }

    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        self.gathered.extend_from_slice(text.as_bytes());
        self.gathered.push(b'\n');
        Ok(())
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let result = self.stdout.write_all(&self.gathered).and_then(|()| self.stdout.flush());
        self.gathered.clear();
        result
    }
}
