//! A cursor over the text of a GTID or a set of them.

/// Text that is no GTID, or no set of GTIDs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at character {}", .offset + 1)]
pub struct ParseGtidError {
    /// What was expected or found.
    pub reason: &'static str,
    /// Where, in bytes from the start of the text.
    pub offset: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text: text.as_bytes(), at: 0 }
    }

    /// What has not been read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    pub(super) fn error(&self, reason: &'static str) -> ParseGtidError {
        ParseGtidError { reason, offset: self.at }
    }

    pub(super) fn skip(&mut self, count: usize) {
        self.at = self.at.saturating_add(count).min(self.text.len());
    }

    /// White space as C's `isspace` has it: what the servers skip.
    pub(super) fn skip_space(&mut self) {
        while let Some(b' ' | b'\t'..=b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Skips `byte` if it comes next.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// A decimal number up to `max`.
    ///
    /// Leading zeros are refused: `010` is 8 for MySQL 8 (`parse_gno`) and 10 for MySQL 9.7, and a position that means
    /// something else to the server than to its reader is worse than an error. No server prints them.
    pub(super) fn number(&mut self, max: u64) -> Result<u64, ParseGtidError> {
        let rest = self.rest();
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let digits = rest.get(..length).unwrap_or_default();
        match digits {
            [] => return Err(self.error("expected a number")),
            [b'0', _, ..] => return Err(self.error("a number with a leading zero")),
            _ => {}
        }
        let value = digits.iter().try_fold(0_u64, |sum, digit| {
            sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')).filter(|sum| *sum <= max)
        });
        let value = value.ok_or_else(|| self.error("a number that is too large"))?;
        self.skip(length);
        Ok(value)
    }

    /// Fails unless everything but white space has been read.
    pub(super) fn end(&mut self) -> Result<(), ParseGtidError> {
        self.skip_space();
        if self.at == self.text.len() { Ok(()) } else { Err(self.error("unexpected text")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_up_to_the_limit_and_no_further() {
        assert_eq!(Scanner::new("18446744073709551615").number(u64::MAX), Ok(u64::MAX));
        assert!(Scanner::new("18446744073709551616").number(u64::MAX).is_err());
        assert!(Scanner::new("99999999999999999999999").number(u64::MAX).is_err());
        assert_eq!(Scanner::new("7x").number(7), Ok(7));
        assert!(Scanner::new("8").number(7).is_err());
        assert_eq!(Scanner::new("0").number(7), Ok(0));
        for bad in ["010", "", "-1", "+1", " 1", "x"] {
            assert!(Scanner::new(bad).number(u64::MAX).is_err(), "{bad}");
        }
    }

    #[test]
    fn errors_say_where() {
        let mut scanner = Scanner::new(" \n\x0b5?");
        scanner.skip_space();
        scanner.number(9).unwrap();
        assert_eq!(scanner.end().unwrap_err().to_string(), "unexpected text at character 5");
    }
}
