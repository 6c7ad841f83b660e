//! From a character set's bytes to UTF-8.

use std::borrow::Cow;

use crate::mysql::charset::names::Charset;
use crate::mysql::charset::unicode::{Bad, ByteOrder};
use crate::mysql::charset::{collations, multi_byte, single_byte, tables, unicode};

impl Charset {
    /// The character set of the collation with this id, `None` if neither server has such a collation.
    pub fn from_collation(id: u16) -> Option<Self> {
        collations::charset_of(id)
    }

    /// Appends text of this character set as UTF-8. What is no character becomes U+FFFD, one for every byte that cannot
    /// begin a character and one for every character that Unicode does not have. `binary` is taken for UTF-8.
    pub fn append_utf8(self, bytes: &[u8], out: &mut Vec<u8>) {
        self.append(bytes, out, &mut unicode::replace);
    }

    /// Appends text of this character set as UTF-8; `bad` appends something for bytes that are no character.
    pub(super) fn append(self, bytes: &[u8], out: &mut Vec<u8>, bad: Bad<'_>) {
        match self.decoder() {
            Decoder::Utf8 => unicode::append_utf8(bytes, out, bad),
            Decoder::SingleByte(upper) => single_byte::append(upper, bytes, out, bad),
            Decoder::Swe7 => single_byte::append_swe7(bytes, out, bad),
            Decoder::MultiByte => multi_byte::append(self, bytes, out, bad),
            Decoder::Utf16 => unicode::append_utf16(bytes, ByteOrder::Big, out, bad),
            Decoder::Utf16le => unicode::append_utf16(bytes, ByteOrder::Little, out, bad),
            Decoder::Utf32 => unicode::append_utf32(bytes, out, bad),
        }
    }

    /// The same as [`Charset::append_utf8`] as a string; borrowed if `bytes` are valid UTF-8 that means the same.
    pub fn to_utf8(self, bytes: &[u8]) -> Cow<'_, str> {
        if self.is_same_in_utf8(bytes) {
            return String::from_utf8_lossy(bytes);
        }
        let mut out = Vec::new();
        self.append_utf8(bytes, &mut out);
        Cow::Owned(valid(out))
    }

    /// Whether `bytes` mean the same in UTF-8, where they are valid in it.
    #[inline]
    pub(super) fn is_same_in_utf8(self, bytes: &[u8]) -> bool {
        match self.decoder() {
            Decoder::Utf8 => true,
            Decoder::SingleByte(_) | Decoder::MultiByte => bytes.is_ascii(),
            Decoder::Swe7 | Decoder::Utf16 | Decoder::Utf16le | Decoder::Utf32 => false,
        }
    }

    fn decoder(self) -> Decoder {
        let upper = match self {
            Self::Ascii | Self::Binary | Self::Utf8mb3 | Self::Utf8mb4 => return Decoder::Utf8,
            Self::Swe7 => return Decoder::Swe7,
            // MariaDB lets surrogates into ucs2. Two that make a pair were meant as one character.
            Self::Ucs2 | Self::Utf16 => return Decoder::Utf16,
            Self::Utf16le => return Decoder::Utf16le,
            Self::Utf32 => return Decoder::Utf32,
            Self::Big5 | Self::Cp932 | Self::Eucjpms | Self::Euckr | Self::Gb18030 => return Decoder::MultiByte,
            Self::Gb2312 | Self::Gbk | Self::Sjis | Self::Ujis => return Decoder::MultiByte,
            Self::Armscii8 => &tables::ARMSCII8,
            Self::Cp1250 => &tables::CP1250,
            Self::Cp1251 => &tables::CP1251,
            Self::Cp1256 => &tables::CP1256,
            Self::Cp1257 => &tables::CP1257,
            Self::Cp850 => &tables::CP850,
            Self::Cp852 => &tables::CP852,
            Self::Cp866 => &tables::CP866,
            Self::Dec8 => &tables::DEC8,
            Self::Geostd8 => &tables::GEOSTD8,
            Self::Greek => &tables::GREEK,
            Self::Hebrew => &tables::HEBREW,
            Self::Hp8 => &tables::HP8,
            Self::Keybcs2 => &tables::KEYBCS2,
            Self::Koi8r => &tables::KOI8R,
            Self::Koi8u => &tables::KOI8U,
            Self::Latin1 => &tables::LATIN1,
            Self::Latin2 => &tables::LATIN2,
            Self::Latin5 => &tables::LATIN5,
            Self::Latin7 => &tables::LATIN7,
            Self::Macce => &tables::MACCE,
            Self::Macroman => &tables::MACROMAN,
            Self::Tis620 => &tables::TIS620,
        };
        Decoder::SingleByte(upper)
    }
}

/// What was appended is always valid; a check is what safe code has to pay.
pub(super) fn valid(utf8: Vec<u8>) -> String {
    String::from_utf8(utf8).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// How text is read.
enum Decoder {
    Utf8,
    /// ASCII and the characters of the bytes from 0x80 on.
    SingleByte(&'static [u16; 128]),
    Swe7,
    /// [`multi_byte`] knows which.
    MultiByte,
    Utf16,
    Utf16le,
    Utf32,
}
