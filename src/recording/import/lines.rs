//! Lines of any length, of which so much is kept, and texts of several lines.

use super::chain::Chain;
use crate::mysql::sql::{Lexis, Tokens};
use crate::stored::InputError;

/// A text that is not at its end where the next entry seems to begin goes on for a limited number of bytes and of such places: it may be a
/// text that nobody could parse, as MariaDB logs them, too.
const OPEN_BYTES: usize = 1 << 20;
const OPEN_PLACES: usize = 200;

/// A line without its end, and whether it is only the front.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) bytes: Vec<u8>,
    pub(super) is_cut: bool,
    /// Whether a newline ends it: the last one of a log may lack it.
    pub(super) is_ended: bool,
}

/// The lines of a log, of which the next one can be looked at.
pub(super) struct Lines {
    input: Chain,
    /// Bytes of a line and of a text that are kept.
    limit: usize,
    line: Line,
    /// Whether `line` has not been used yet.
    has_line: bool,
}

/// A text of one or more lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) bytes: Vec<u8>,
    /// Whether it is only the front.
    pub(super) is_cut: bool,
}

impl Lines {
    pub(super) fn new(input: Chain, limit: usize) -> Self {
        Self { input, limit, line: Line::default(), has_line: false }
    }

    /// The next line, without using it; `None` after the last.
    pub(super) fn peek(&mut self) -> Result<Option<&Line>, InputError> {
        if !self.has_line {
            self.has_line = self.read()?;
        }
        Ok(self.has_line.then_some(&self.line))
    }

    /// Goes on after the line that was looked at.
    pub(super) fn advance(&mut self) {
        self.has_line = false;
    }

    fn read(&mut self) -> Result<bool, InputError> {
        let line = &mut self.line;
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

    /// The rest of a text whose front is `text`, up to a line with which an entry `begins`. The log has `end` after each text; where that is not
    /// there, or the text is within a quote or a comment, the line is the text's own.
    pub(super) fn text(
        &mut self,
        mut text: Text,
        end: &[u8],
        lexis: Lexis,
        begins: impl Fn(&[u8]) -> bool,
    ) -> Result<Text, InputError> {
        let mut open_since = None;
        let mut places = 0;
        while let Some(line) = self.peek()? {
            if begins(&line.bytes)
                && let Some(whole) = text.bytes.strip_suffix(end)
            {
                if !is_open(whole, lexis) {
                    open_since = None;
                    break;
                }
                let since = *open_since.get_or_insert(text.bytes.len());
                places += 1;
                if places > OPEN_PLACES || text.bytes.len() - since > OPEN_BYTES {
                    break;
                }
            }
            self.append_line(&mut text);
        }
        // It ended where it seemed to, although its quote did not.
        if let Some(since) = open_since
            && !(self.peek()?.is_none() && text.bytes.strip_suffix(end).is_some_and(|whole| !is_open(whole, lexis)))
        {
            self.put_back(text.bytes.split_off(since));
        }
        let length = text.bytes.strip_suffix(end).map(<[u8]>::len);
        // A log that is being written may end anywhere.
        text.is_cut |= length.is_none();
        text.bytes.truncate(length.unwrap_or(text.bytes.len()));
        Ok(text)
    }

    /// Adds the line that was looked at, and goes on after it.
    fn append_line(&mut self, text: &mut Text) {
        let line = &self.line;
        let room = self.limit.saturating_sub(text.bytes.len());
        text.is_cut |= line.is_cut || line.bytes.len() >= room;
        text.bytes.extend_from_slice(line.bytes.get(..line.bytes.len().min(room)).unwrap_or_default());
        if line.is_ended && !text.is_cut {
            text.bytes.push(b'\n');
        }
        self.advance();
    }

    fn put_back(&mut self, mut bytes: Vec<u8>) {
        if std::mem::take(&mut self.has_line) {
            bytes.extend_from_slice(&self.line.bytes);
            if self.line.is_ended {
                bytes.push(b'\n');
            }
        }
        self.input.put_back(bytes);
    }
}

/// Whether the text's end is within a quote or a comment, so that what follows it may be more of it.
fn is_open(text: &[u8], lexis: Lexis) -> bool {
    let mut tokens = Tokens::new(text, lexis);
    tokens.by_ref().for_each(drop);
    tokens.is_cut_off()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_at_the_limit_and_the_next_one_is_whole() {
        let mut lines = Lines::new(Chain::of_bytes(b"abc\n0123456789\n\nend"), 4);
        let mut all = Vec::new();
        while let Some(line) = lines.peek().unwrap() {
            all.push((String::from_utf8(line.bytes.clone()).unwrap(), line.is_cut, line.is_ended));
            lines.advance();
        }
        let expected = [("abc", false, true), ("0123", true, true), ("", false, true), ("end", false, false)];
        assert_eq!(all, expected.map(|(text, cut, ended)| (text.to_owned(), cut, ended)));
    }
}
