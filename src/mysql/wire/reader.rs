//! A cursor over one packet's payload whose every step is checked.

/// A packet that does not have the form the protocol gives it; the text says which part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed {0}")]
pub struct Malformed(pub &'static str);

/// Reads the protocol's basic types (all little-endian) from the front of a slice.
///
/// ```
/// use mysql_interceptor::mysql::wire::Reader;
/// let mut reader = Reader::new(&[0xfc, 0x2c, 0x01, b'a', b'b', 0], "example");
/// assert_eq!(reader.lenenc_int()?, 300);
/// assert_eq!(reader.nul_bytes()?, b"ab");
/// # Ok::<(), mysql_interceptor::mysql::wire::Malformed>(())
/// ```
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// Starts at the front of `bytes`; `what` names the packet in errors.
    pub fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    /// The error of this packet, for a caller that found a value it cannot accept.
    pub fn malformed(&self) -> Malformed {
        Malformed(self.what)
    }

    /// What has not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether everything has been read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `count` bytes.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.rest.split_at_checked(count).ok_or(Malformed(self.what))?;
        self.rest = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, tail) = self.rest.split_first_chunk::<N>().ok_or(Malformed(self.what))?;
        self.rest = tail;
        Ok(*head)
    }

    /// `int<1>`.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// `int<2>`.
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    /// `int<4>`.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    /// `int<8>`.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    /// `int<lenenc>`: one byte below 251, else 0xfc, 0xfd or 0xfe and 2, 3 or 8 bytes.
    pub fn lenenc_int(&mut self) -> Result<u64, Malformed> {
        match self.u8()? {
            small @ 0..=0xfa => Ok(u64::from(small)),
            0xfc => self.u16().map(u64::from),
            0xfd => self.array::<3>().map(|[a, b, c]| u64::from(u32::from_le_bytes([a, b, c, 0]))),
            0xfe => self.u64(),
            _ => Err(Malformed(self.what)),
        }
    }

    /// `string<lenenc>`.
    pub fn lenenc_bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.lenenc_int()?;
        let length = usize::try_from(length).map_err(|_| Malformed(self.what))?;
        self.bytes(length)
    }

    /// An `int<lenenc>` of a client's packet, as the servers read it: of eight bytes the lower four count, and whatever is
    /// neither small nor 0xfc nor 0xfd is taken for eight bytes (`get_param_length` in both servers).
    pub fn sent_length(&mut self) -> Result<usize, Malformed> {
        let length = match self.rest.first() {
            Some(0xfb..) if !matches!(self.rest.first(), Some(0xfc | 0xfd)) => {
                self.u8()?;
                let [a, b, c, d, ..] = self.array::<8>()?;
                u64::from(u32::from_le_bytes([a, b, c, d]))
            }
            _ => self.lenenc_int()?,
        };
        usize::try_from(length).map_err(|_| Malformed(self.what))
    }

    /// A client's `string<lenenc>`, as the servers read it: one that claims to be longer than the packet ends with it.
    pub fn sent_bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.sent_length()?;
        self.bytes(length.min(self.rest.len()))
    }

    /// `string<NUL>`, without its terminator.
    pub fn nul_bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let end = memchr::memchr(0, self.rest).ok_or(Malformed(self.what))?;
        let text = self.bytes(end)?;
        self.bytes(1)?;
        Ok(text)
    }

    /// `string<NUL>` whose terminator may be missing at the end of the packet.
    pub fn nul_bytes_or_rest(&mut self) -> &'a [u8] {
        match memchr::memchr(0, self.rest) {
            Some(end) => {
                let text = &self.rest[..end];
                self.rest = &self.rest[end + 1..];
                text
            }
            None => std::mem::take(&mut self.rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lenenc_integers_of_every_width() {
        let mut reader = Reader::new(&[0xfa, 0xfc, 0xfb, 0x00, 0xfd, 1, 2, 3, 0xfe, 1, 0, 0, 0, 0, 0, 0, 0x80], "test");
        assert_eq!(reader.lenenc_int(), Ok(0xfa));
        assert_eq!(reader.lenenc_int(), Ok(0xfb));
        assert_eq!(reader.lenenc_int(), Ok(0x03_02_01));
        assert_eq!(reader.lenenc_int(), Ok(0x8000_0000_0000_0001));
        assert!(reader.is_empty());
    }

    #[test]
    fn lengths_as_the_servers_read_them() {
        let mut reader = Reader::new(&[0xfa, 0xfc, 1, 0, 0xfd, 1, 2, 0, 0xfe, 1, 2, 3, 4, 7, 7, 7, 7], "test");
        assert_eq!([(); 4].map(|()| reader.sent_length()), [Ok(0xfa), Ok(1), Ok(0x201), Ok(0x0403_0201)]);
        assert!(reader.is_empty());
        for first in [0xfb, 0xff] {
            assert_eq!(Reader::new(&[first, 2, 0, 0, 0, 9, 9, 9, 9], "test").sent_length(), Ok(2));
        }
        assert!(Reader::new(&[0xfe, 1, 2, 3, 4, 5, 6, 7], "test").sent_length().is_err());
        assert_eq!(Reader::new(b"\x7fabc", "test").sent_bytes(), Ok(&b"abc"[..]));
        assert_eq!(Reader::new(b"\xfe\xff\xff\xff\xff\0\0\0\0abc", "test").sent_bytes(), Ok(&b"abc"[..]));
    }

    #[test]
    fn nothing_is_read_past_the_end() {
        assert_eq!(Reader::new(&[0xfe, 1, 2], "test").lenenc_int(), Err(Malformed("test")));
        assert_eq!(Reader::new(&[5, 1, 2], "test").lenenc_bytes(), Err(Malformed("test")));
        assert_eq!(Reader::new(&[0xff], "test").lenenc_int(), Err(Malformed("test")));
        assert_eq!(Reader::new(b"abc", "test").nul_bytes(), Err(Malformed("test")));
        // A length near u64::MAX must neither wrap nor be used for an allocation.
        let huge = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, b'x'];
        assert_eq!(Reader::new(&huge, "test").lenenc_bytes(), Err(Malformed("test")));
    }
}
