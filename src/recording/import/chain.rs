//! The bytes of a log's files, one after the other.

use std::collections::VecDeque;
use std::io::{self, BufRead};

use crate::stored::{Input, InputError};

/// The bytes of several inputs, one after the other.
pub(super) struct Chain {
    rest: VecDeque<Input>,
    open: Option<(String, Box<dyn BufRead + Send>)>,
    /// Bytes to be read again, and how many of them were.
    again: (Vec<u8>, usize),
}

impl Chain {
    pub(super) fn new(inputs: Vec<Input>) -> Self {
        Self { rest: inputs.into(), open: None, again: (Vec::new(), 0) }
    }

    #[cfg(test)]
    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        let open: Box<dyn BufRead + Send> = Box::new(io::Cursor::new(bytes.to_vec()));
        Self { rest: VecDeque::new(), open: Some(("test".to_owned(), open)), again: (Vec::new(), 0) }
    }

    /// Bytes that have not been used; none at the end of the last file. A file's last line need not end.
    pub(super) fn fill(&mut self) -> Result<&[u8], InputError> {
        if self.again.1 < self.again.0.len() {
            return Ok(self.again.0.get(self.again.1..).unwrap_or_default());
        }
        loop {
            let is_done = match &mut self.open {
                None => true,
                Some((name, reader)) => match reader.fill_buf() {
                    Ok(bytes) => bytes.is_empty(),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(source) => return Err(InputError { name: name.clone(), source }),
                },
            };
            if !is_done {
                break;
            }
            let Some(next) = self.rest.pop_front() else { return Ok(&[]) };
            let opened = next.open().map_err(|source| InputError { name: next.name(), source })?;
            self.open = Some((next.name(), opened));
        }
        match &mut self.open {
            Some((name, reader)) => reader.fill_buf().map_err(|source| InputError { name: name.clone(), source }),
            None => Ok(&[]),
        }
    }

    pub(super) fn consume(&mut self, bytes: usize) {
        if self.again.1 < self.again.0.len() {
            self.again.1 += bytes;
        } else if let Some((_, reader)) = &mut self.open {
            reader.consume(bytes);
        }
    }

    /// Has bytes read once more, before all others.
    pub(super) fn put_back(&mut self, mut bytes: Vec<u8>) {
        bytes.extend_from_slice(self.again.0.get(self.again.1..).unwrap_or_default());
        self.again = (bytes, 0);
    }
}
