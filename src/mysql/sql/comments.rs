//! White space and comments, of which the servers execute some.

use super::lexis::Flavor;
use super::tokens::{Open, Tokens};

impl Tokens<'_> {
    pub(super) fn skip_past(&mut self, from: usize, end: &[u8], open: Open) {
        let rest = self.sql.get(from..).unwrap_or_default();
        match memchr::memmem::find(rest, end) {
            Some(found) => self.at = from + found + end.len(),
            // The end itself may be cut in two.
            None => self.cut_off(open, from.max((self.sql.len() + 1).saturating_sub(end.len())).min(self.sql.len())),
        }
    }

    pub(super) fn skip_line(&mut self) {
        // The servers end such a comment at a zero byte too.
        match memchr::memchr2(b'\n', 0, self.rest()) {
            Some(length) => self.at += length,
            None => self.cut_off(Open::Line, self.sql.len()),
        }
    }

    pub(super) fn skip_blank(&mut self) {
        loop {
            self.skip_space();
            let mark = (self.at, self.in_comment);
            if self.shows_comments || !self.skip_comment() {
                return;
            }
            self.last_blank = mark;
        }
    }

    fn skip_space(&mut self) {
        let blank = self.rest().iter().take_while(|byte| self.lexis.is_space(**byte)).count();
        self.at += blank;
    }

    /// Passes over a comment, or a mark of one that is executed.
    pub(super) fn skip_comment(&mut self) -> bool {
        match self.rest() {
            [b'#', ..] => self.skip_line(),
            [b'-', b'-'] => self.at += 2,
            [b'-', b'-', next, ..] if self.lexis.is_space(*next) || next.is_ascii_control() => self.skip_line(),
            [b'/', b'*', ..] => self.comment(),
            [b'*', b'/', ..] if self.in_comment => {
                self.in_comment = false;
                self.at += 2;
            }
            _ => return false,
        }
        true
    }

    /// `/* .. */`, or the front of `/*! .. */` if its content counts.
    fn comment(&mut self) {
        let marker = match self.rest() {
            [b'/', b'*', b'!', ..] => 3,
            [b'/', b'*', b'M', b'!', ..] if self.lexis.may_be_mariadb() => 4,
            _ => return self.skip_past(self.at + 2, b"*/", Open::Comment),
        };
        let digits = self.rest().iter().skip(marker).take(7).take_while(|byte| byte.is_ascii_digit()).count();
        let length = match (digits, self.lexis.flavor) {
            (..=4, _) => 0,
            (6.., Some(Flavor::MariaDb)) => 6,
            // MySQL's six digits are told by the white space after them.
            (6, _) if self.byte(marker + 6).is_some_and(|next| next.is_ascii_whitespace()) => 6,
            (6.., None) => 6,
            _ => 5,
        };
        let number = self.rest().iter().skip(marker).take(length);
        let version = number.fold(0_u32, |number, digit| number * 10 + u32::from(digit - b'0'));
        if length == 0 || self.executes(version, marker == 4) {
            self.at += marker + length;
            self.in_comment = true;
        } else {
            self.skip_version_comment(self.at + marker, false);
        }
    }

    fn executes(&self, version: u32, is_mariadbs: bool) -> bool {
        let Some(own) = self.lexis.version else { return true };
        // MariaDB does not take what MySQL has had since 5.7 for its own.
        let is_foreign =
            self.lexis.flavor == Some(Flavor::MariaDb) && (50_700..=99_999).contains(&version) && !is_mariadbs;
        version <= own && !is_foreign
    }

    /// A comment for another version may have plain ones inside.
    pub(super) fn skip_version_comment(&mut self, mut at: usize, mut in_plain: bool) {
        loop {
            if in_plain {
                self.skip_past(at, b"*/", Open::Version { in_plain: true });
                if self.open.is_some() {
                    return;
                }
                at = self.at;
                in_plain = false;
            }
            let rest = self.sql.get(at..).unwrap_or_default();
            let Some(found) = memchr::memchr2(b'/', b'*', rest) else {
                return self.cut_off(Open::Version { in_plain: false }, self.sql.len());
            };
            at += found;
            match self.sql.get(at..at + 2) {
                Some(b"*/") => {
                    self.at = at + 2;
                    return;
                }
                Some(b"/*") => {
                    at += 2;
                    in_plain = true;
                }
                Some(_) => at += 1,
                None => return self.cut_off(Open::Version { in_plain: false }, at),
            }
        }
    }
}
