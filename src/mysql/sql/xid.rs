//! The name of an XA transaction, as statements spell it.

use super::lexis::Lexis;
use super::quoted::unquote;
use super::tokens::{Kind, Token, Tokens};

/// Neither part of a name may be longer (`MAXGTRIDSIZE`, `MAXBQUALSIZE`).
const LONGEST_PART: usize = 64;

/// An XA transaction's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Xid {
    /// `gtrid`: the global transaction, of at most 64 bytes.
    pub global: Vec<u8>,
    /// `bqual`: the branch, of at most 64 bytes.
    pub branch: Vec<u8>,
    /// `formatID`, 1 where a statement does not say it. Its lower 32 bits: that is what the servers keep of it.
    pub format: u32,
}

impl Xid {
    /// A name alone, as the servers write it.
    pub fn parse(name: &[u8]) -> Option<Self> {
        let mut words = Tokens::new(name, Lexis::logged(None));
        Self::read(&mut words).filter(|_| words.next().is_none())
    }

    /// Reads a name where it stands in a statement, behind `XA START`, `XA COMMIT` and their like: `'a'`, `'a','b'`, `X'61',X'62',1`.
    /// What follows it, such as `ONE PHASE`, comes next. `None` where there is no name that a server accepts.
    ///
    /// A text's bytes are those of the statement: the servers convert it from the client's character set into the connection's.
    pub fn read(words: &mut Tokens<'_>) -> Option<Self> {
        let global = part(words)?;
        let branch = if skip_comma(words) { part(words)? } else { Vec::new() };
        let format = if skip_comma(words) { format(words)? } else { 1 };
        Some(Self { global, branch, format })
    }
}

/// As the servers write it: `X'61',X'62',1`.
impl std::fmt::Display for Xid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for part in [&self.global, &self.branch] {
            f.write_str("X'")?;
            part.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
            f.write_str("',")?;
        }
        write!(f, "{}", self.format)
    }
}

fn skip_comma(words: &mut Tokens<'_>) -> bool {
    let is_there = words.peek().is_some_and(|token| token.kind == Kind::Comma);
    if is_there {
        words.next();
    }
    is_there
}

/// A string, or what is written as a number: `X'61'`, `0x61`, `b'1100001'`.
fn part(words: &mut Tokens<'_>) -> Option<Vec<u8>> {
    let token = words.next()?;
    let text = words.text(&token);
    let part = match token.kind {
        Kind::Text => unquote(text, words.lexis()).into_owned(),
        Kind::Binary => binary(text)?,
        _ => return None,
    };
    (part.len() <= LONGEST_PART).then_some(part)
}

/// What a number of base 16 or 2 is as bytes.
fn binary(text: &[u8]) -> Option<Vec<u8>> {
    let (base, digits) = match text {
        [base, b'\'', digits @ .., b'\''] | [b'0', base, digits @ ..] => (base, digits),
        _ => return None,
    };
    let (radix, per_byte) = match base.to_ascii_lowercase() {
        b'x' => (16, 2),
        b'b' => (2, 8),
        _ => return None,
    };
    let mut bytes = Vec::with_capacity(digits.len() / per_byte + 1);
    // The first byte has what is too much for whole ones.
    let (first, rest) = digits.split_at_checked(digits.len() % per_byte)?;
    for digits in Some(first).filter(|first| !first.is_empty()).into_iter().chain(rest.chunks(per_byte)) {
        let digits = std::str::from_utf8(digits).ok()?;
        bytes.push(u8::from_str_radix(digits, radix).ok()?);
    }
    Some(bytes)
}

/// The digits at the number's beginning count, as with `my_strtoll10`.
fn format(words: &mut Tokens<'_>) -> Option<u32> {
    let token: Token = words.next()?;
    let text = words.text(&token);
    let number = match (token.kind, text) {
        (Kind::Number, _) => {
            let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
            std::str::from_utf8(text.get(..length)?).ok()?.parse::<u64>().ok()?
        }
        (Kind::Binary, [b'0', b'x', digits @ ..]) => u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?,
        _ => return None,
    };
    Some(number as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name in a statement, and the word that follows it.
    fn read(sql: &str) -> Option<(Xid, String)> {
        let mut words = Tokens::new(sql.as_bytes(), Lexis::logged(None));
        words.next();
        words.next();
        let xid = Xid::read(&mut words)?;
        let next = words.next().map(|token| String::from_utf8_lossy(words.text(&token)).into_owned());
        Some((xid, next.unwrap_or_default()))
    }

    fn xid(global: &[u8], branch: &[u8], format: u32) -> Xid {
        Xid { global: global.to_vec(), branch: branch.to_vec(), format }
    }

    #[test]
    fn names_in_every_spelling() {
        for (sql, expected, next) in [
            ("XA START X'61',X'',1", xid(b"a", b"", 1), ""),
            ("XA COMMIT X'6100ff',X'2c27',4294967295", xid(b"a\0\xff", b",'", u32::MAX), ""),
            ("xa commit 'a' ONE PHASE", xid(b"a", b"", 1), "ONE"),
            ("XA START 'a','b' JOIN", xid(b"a", b"b", 1), "JOIN"),
            ("XA END /* , */ 'a''b\\n' , \"b\" -- x\n , 7 SUSPEND", xid(b"a'b\n", b"b", 7), "SUSPEND"),
            ("XA PREPARE 0x616, b'101100001', 0x10", xid(b"\x06\x16", b"\x01a", 16), ""),
            ("XA PREPARE 0b0, x'', 4294967298", xid(b"\0", b"", 2), ""),
            ("XA PREPARE '','',18446744073709551615", xid(b"", b"", u32::MAX), ""),
        ] {
            assert_eq!(read(sql), Some((expected, next.to_owned())), "{sql}");
        }
    }

    #[test]
    fn what_is_no_name() {
        let long = format!("XA START '{}'", "x".repeat(65));
        for sql in [
            "XA START",
            "XA START a",
            "XA START 1",
            "XA START 'a',",
            "XA START 'a',b",
            "XA START 'a','b',",
            "XA START 'a','b','c'",
            "XA START 'a','b',18446744073709551616",
            "XA START X'6g'",
            "XA RECOVER",
            "XA RECOVER CONVERT XID",
            &long,
        ] {
            assert_eq!(read(sql), None, "{sql}");
        }
        assert!(read(&long.replace("xx'", "x'")).is_some());
    }

    #[test]
    fn it_is_shown_as_the_servers_log_it() {
        let xid = xid(b"a\0\xff", b"'", 7);
        assert_eq!(xid.to_string(), "X'6100ff',X'27',7");
        assert_eq!(Xid::parse(xid.to_string().as_bytes()), Some(xid));
        assert_eq!(Xid::parse(b"X'61',X'62',1 ONE PHASE"), None);
    }
}
