//! MySQL's GTID: the UUID of a server, perhaps a tag, and a number.

use std::fmt;
use std::str::FromStr;

use super::text::{ParseGtidError, Scanner};

/// The UUID of the server on which a transaction was first committed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// Characters of its text.
    pub const TEXT_LENGTH: usize = 36;

    /// Its text, in lower case.
    pub fn to_text(self) -> [u8; Self::TEXT_LENGTH] {
        let mut text = [b'-'; Self::TEXT_LENGTH];
        // Everything but the dashes.
        let places = text.iter_mut().enumerate().filter(|(at, _)| !is_dash(*at)).map(|(_, place)| place);
        let halves = self.0.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
        for (place, half) in places.zip(halves) {
            *place = if half < 10 { b'0' + half } else { b'a' - 10 + half };
        }
        text
    }

    pub(super) fn scan(scanner: &mut Scanner<'_>) -> Result<Self, ParseGtidError> {
        let error = scanner.error("expected a UUID");
        let text = scanner.rest().get(..Self::TEXT_LENGTH).ok_or(error)?;
        let mut bytes = [0; 16];
        let mut digits = text.iter().enumerate().filter(|(at, _)| !is_dash(*at)).map(|(_, digit)| hex_value(*digit));
        for byte in &mut bytes {
            let (Some(Some(high)), Some(Some(low))) = (digits.next(), digits.next()) else { return Err(error) };
            *byte = high << 4 | low;
        }
        if text.iter().enumerate().any(|(at, byte)| is_dash(at) && *byte != b'-') {
            return Err(error);
        }
        scanner.skip(Self::TEXT_LENGTH);
        Ok(Self(bytes))
    }
}

/// Whether a UUID's text has a dash there: 8-4-4-4-12 digits.
fn is_dash(at: usize) -> bool {
    matches!(at, 8 | 13 | 18 | 23)
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.to_text()).unwrap_or_default())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Uuid {
    type Err = ParseGtidError;

    fn from_str(text: &str) -> Result<Self, ParseGtidError> {
        let mut scanner = Scanner::new(text);
        scanner.skip_space();
        let uuid = Self::scan(&mut scanner)?;
        scanner.end()?;
        Ok(uuid)
    }
}

/// The tag of a GTID, since MySQL 8.3: lower-case letters, digits and underscores, not a digit first. Often empty.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Tag {
    /// Zero after `length`, so that comparing them all is comparing the text.
    bytes: [u8; Self::MAX_LENGTH],
    length: u8,
}

impl Tag {
    /// The most characters that a tag has (`tag_max_length` in `libs/mysql/gtid/gtid_constants.h`).
    pub const MAX_LENGTH: usize = 32;

    /// No tag.
    pub const EMPTY: Self = Self { bytes: [0; Self::MAX_LENGTH], length: 0 };

    /// The tag of this text, in lower case; `None` if the text is none. The empty tag is one.
    pub fn new(text: &[u8]) -> Option<Self> {
        let valid = text.iter().enumerate().all(|(at, byte)| is_tag_character(*byte, at));
        let mut tag = Self { length: u8::try_from(text.len()).ok()?, ..Self::EMPTY };
        tag.bytes.get_mut(..text.len())?.copy_from_slice(text);
        tag.bytes.make_ascii_lowercase();
        valid.then_some(tag)
    }

    /// Its text.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// A tag, if one comes next rather than a number.
    pub(super) fn scan(scanner: &mut Scanner<'_>) -> Result<Option<Self>, ParseGtidError> {
        let rest = scanner.rest();
        let length = rest.iter().enumerate().take_while(|(at, byte)| is_tag_character(**byte, *at)).count();
        if length == 0 {
            return Ok(None);
        }
        let tag = Self::new(rest.get(..length).unwrap_or_default());
        let tag = tag.ok_or_else(|| scanner.error("a tag of more than 32 characters"))?;
        scanner.skip(length);
        Ok(Some(tag))
    }
}

fn is_tag_character(byte: u8, at: usize) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte.is_ascii_digit() && at > 0
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// The name of one MySQL transaction: `uuid:n` or `uuid:tag:n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gtid {
    uuid: Uuid,
    tag: Tag,
    sequence: u64,
}

impl Gtid {
    /// The largest number (`GNO_END` in `libs/mysql/gtid/gtid_constants.h` is the one after).
    pub const MAX_SEQUENCE: u64 = i64::MAX as u64 - 1;

    /// `None` if `sequence` is zero or above [`Gtid::MAX_SEQUENCE`].
    pub fn new(uuid: Uuid, tag: Tag, sequence: u64) -> Option<Self> {
        (1..=Self::MAX_SEQUENCE).contains(&sequence).then_some(Self { uuid, tag, sequence })
    }

    /// The server that made the transaction.
    pub fn uuid(&self) -> Uuid {
        self.uuid
    }

    /// The tag, empty for most.
    pub fn tag(&self) -> Tag {
        self.tag
    }

    /// The number, from 1 on for each pair of UUID and tag (the server's sources call it GNO).
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Appends the text that `Display` gives, faster.
    pub fn append_text(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.uuid.to_text());
        if !self.tag.is_empty() {
            out.push(b':');
            out.extend_from_slice(self.tag.as_bytes());
        }
        out.push(b':');
        out.extend_from_slice(itoa::Buffer::new().format(self.sequence).as_bytes());
    }
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uuid.fmt(f)?;
        if !self.tag.is_empty() {
            write!(f, ":{}", self.tag)?;
        }
        write!(f, ":{}", self.sequence)
    }
}

impl FromStr for Gtid {
    type Err = ParseGtidError;

    fn from_str(text: &str) -> Result<Self, ParseGtidError> {
        let mut scanner = Scanner::new(text);
        scanner.skip_space();
        let uuid = Uuid::scan(&mut scanner)?;
        let colon = |scanner: &mut Scanner<'_>| {
            scanner.skip_space();
            let found = scanner.take(b':');
            scanner.skip_space();
            if found { Ok(()) } else { Err(scanner.error("expected ':'")) }
        };
        colon(&mut scanner)?;
        let tag = Tag::scan(&mut scanner)?;
        if tag.is_some() {
            colon(&mut scanner)?;
        }
        let zero = scanner.error("a number of zero");
        let sequence = scanner.number(Self::MAX_SEQUENCE)?;
        scanner.end()?;
        Self::new(uuid, tag.unwrap_or_default(), sequence).ok_or(zero)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "abda21a4-e5a9-11f1-beca-02fc00000001";

    fn appended(gtid: &Gtid) -> String {
        let mut out = Vec::new();
        gtid.append_text(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_of_gtids() {
        let gtid: Gtid = format!(" {}\n: MyTag :\t7 ", TEXT.to_uppercase()).parse().unwrap();
        assert_eq!(gtid.to_string(), format!("{TEXT}:mytag:7"));
        assert_eq!(gtid.uuid().0[..3], [0xab, 0xda, 0x21]);
        let most = format!("{TEXT}:9223372036854775806");
        assert_eq!(most.parse::<Gtid>().unwrap().to_string(), most);
        let bad = [
            ":0",
            ":9223372036854775807",
            ":010",
            "",
            ":",
            ":1-2",
            ":tag",
            ":tag:",
            ":1:2",
            ":1,",
            ":t-g:1",
            ":1tag:1",
        ];
        for bad in bad {
            assert!(format!("{TEXT}{bad}").parse::<Gtid>().is_err(), "{bad}");
        }
        let long = format!("{TEXT}:{}:1", "t".repeat(33));
        assert_eq!(long.parse::<Gtid>().unwrap_err().reason, "a tag of more than 32 characters");
        assert!("abda21a4-e5a9-11f1-beca+02fc00000001".parse::<Uuid>().is_err());
        assert!("abda21a4-e5a9-11f1-beca-02fc0000000g".parse::<Uuid>().is_err());
        // The 36th byte is in the middle of a character.
        assert!("abda21a4-e5a9-11f1-beca-02fc0000000é".parse::<Uuid>().is_err());
    }

    #[test]
    fn what_is_a_tag() {
        assert_eq!(Tag::new(b"A_9"), Tag::new(b"a_9"));
        assert_eq!(Tag::new(b""), Some(Tag::EMPTY));
        assert_eq!(Tag::new(&[b'x'; 32]).unwrap().as_str(), "x".repeat(32));
        assert!(
            [&b"9a"[..], b"a-b", b"a b", &[b'x'; 33], &[b'x'; 300], b"\xc3\xa9"]
                .iter()
                .all(|bad| Tag::new(bad).is_none())
        );
        // The server's order is that of the texts.
        assert!(
            Tag::new(b"a") < Tag::new(b"a_") && Tag::new(b"a_") < Tag::new(b"b") && Some(Tag::EMPTY) < Tag::new(b"_")
        );
    }

    proptest! {
        #[test]
        fn text_round_trips(uuid: [u8; 16], tag in "([a-z_][a-z0-9_]{0,31})?", sequence in 1..=Gtid::MAX_SEQUENCE) {
            let gtid = Gtid::new(Uuid(uuid), Tag::new(tag.as_bytes()).unwrap(), sequence).unwrap();
            let text = gtid.to_string();
            prop_assert_eq!(&appended(&gtid), &text);
            prop_assert_eq!(text.parse::<Gtid>().unwrap(), gtid);
            prop_assert_eq!(text.to_uppercase().parse::<Gtid>().unwrap(), gtid);
        }

        #[test]
        fn any_text_is_a_gtid_or_an_error(text in "\\PC*", tail in "[:,0-9a-z \n-]{0,20}") {
            let _ = text.parse::<Gtid>();
            let _ = format!("{TEXT}{tail}").parse::<Gtid>();
        }
    }
}
