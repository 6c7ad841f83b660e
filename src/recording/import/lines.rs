//! Lines of any length, of which so much is kept.

use super::input::{Chain, InputError};

/// A line without its end, and whether it is only the front.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) bytes: Vec<u8>,
    pub(super) is_cut: bool,
    /// Whether a newline ends it: the last one of a log may lack it.
    pub(super) is_ended: bool,
}

pub(super) struct Lines {
    input: Chain,
    /// Bytes of a line that are kept.
    limit: usize,
}

impl Lines {
    pub(super) fn new(input: Chain, limit: usize) -> Self {
        Self { input, limit }
    }

    /// The next line; false after the last.
    pub(super) fn next(&mut self, line: &mut Line) -> Result<bool, InputError> {
        line.bytes.clear();
        (line.is_cut, line.is_ended) = (false, false);
        let mut found = false;
        loop {
            let bytes = self.input.fill()?;
            if bytes.is_empty() {
                return Ok(found);
            }
            found = true;
            let end = memchr::memchr(b'\n', bytes);
            let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
            let room = self.limit.saturating_sub(line.bytes.len());
            line.is_cut |= part.len() > room;
            line.bytes.extend_from_slice(part.get(..part.len().min(room)).unwrap_or_default());
            let used = part.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() {
                line.is_ended = true;
                return Ok(true);
            }
        }
    }

    pub(super) fn into_input(self) -> Chain {
        self.input
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_at_the_limit_and_the_next_one_is_whole() {
        let mut lines = Lines::new(Chain::of_bytes(b"abc\n0123456789\n\nend"), 4);
        let mut line = Line::default();
        let mut all = Vec::new();
        while lines.next(&mut line).unwrap() {
            all.push((String::from_utf8(line.bytes.clone()).unwrap(), line.is_cut, line.is_ended));
        }
        let expected = [("abc", false, true), ("0123", true, true), ("", false, true), ("end", false, false)];
        assert_eq!(all, expected.map(|(text, cut, ended)| (text.to_owned(), cut, ended)));
    }
}
