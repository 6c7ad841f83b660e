//! Character sets of columns, and their text as UTF-8.
//!
//! What each code means is what the servers' own `CONVERT(... USING utf8mb4)` says; the tables were made from real
//! servers by `integration/charset_tables.py`. `latin1` is the server's: Windows-1252 whose five unused bytes are the
//! control characters of ISO 8859-1.

mod collations;
mod exceptions;
mod multi_byte;
mod single_byte;
mod tables;
#[cfg(test)]
mod tests;
mod unicode;

use std::borrow::Cow;

/// A character set of MySQL 9.7 or MariaDB 10.11 (`SHOW CHARACTER SET`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the servers' own")]
pub enum Charset {
    Armscii8,
    Ascii,
    Big5,
    Binary,
    Cp1250,
    Cp1251,
    Cp1256,
    Cp1257,
    Cp850,
    Cp852,
    Cp866,
    Cp932,
    Dec8,
    Eucjpms,
    Euckr,
    Gb18030,
    Gb2312,
    Gbk,
    Geostd8,
    Greek,
    Hebrew,
    Hp8,
    Keybcs2,
    Koi8r,
    Koi8u,
    Latin1,
    Latin2,
    Latin5,
    Latin7,
    Macce,
    Macroman,
    Sjis,
    Swe7,
    Tis620,
    Ucs2,
    Ujis,
    Utf16,
    Utf16le,
    Utf32,
    Utf8mb3,
    Utf8mb4,
}

impl Charset {
    /// Every character set, by name.
    pub const ALL: &[Self] = &[
        Self::Armscii8,
        Self::Ascii,
        Self::Big5,
        Self::Binary,
        Self::Cp1250,
        Self::Cp1251,
        Self::Cp1256,
        Self::Cp1257,
        Self::Cp850,
        Self::Cp852,
        Self::Cp866,
        Self::Cp932,
        Self::Dec8,
        Self::Eucjpms,
        Self::Euckr,
        Self::Gb18030,
        Self::Gb2312,
        Self::Gbk,
        Self::Geostd8,
        Self::Greek,
        Self::Hebrew,
        Self::Hp8,
        Self::Keybcs2,
        Self::Koi8r,
        Self::Koi8u,
        Self::Latin1,
        Self::Latin2,
        Self::Latin5,
        Self::Latin7,
        Self::Macce,
        Self::Macroman,
        Self::Sjis,
        Self::Swe7,
        Self::Tis620,
        Self::Ucs2,
        Self::Ujis,
        Self::Utf16,
        Self::Utf16le,
        Self::Utf32,
        Self::Utf8mb3,
        Self::Utf8mb4,
    ];

    /// The character set of the collation with this id, `None` if neither server has such a collation.
    pub fn from_collation(id: u16) -> Option<Self> {
        collations::charset_of(id)
    }

    /// By the servers' name, in whatever case. `utf8` is `utf8mb3`, as it is in every server by default.
    pub fn from_name(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("utf8") {
            return Some(Self::Utf8mb3);
        }
        Self::ALL.iter().copied().find(|charset| name.eq_ignore_ascii_case(charset.name()))
    }

    /// The servers' name, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Armscii8 => "armscii8",
            Self::Ascii => "ascii",
            Self::Big5 => "big5",
            Self::Binary => "binary",
            Self::Cp1250 => "cp1250",
            Self::Cp1251 => "cp1251",
            Self::Cp1256 => "cp1256",
            Self::Cp1257 => "cp1257",
            Self::Cp850 => "cp850",
            Self::Cp852 => "cp852",
            Self::Cp866 => "cp866",
            Self::Cp932 => "cp932",
            Self::Dec8 => "dec8",
            Self::Eucjpms => "eucjpms",
            Self::Euckr => "euckr",
            Self::Gb18030 => "gb18030",
            Self::Gb2312 => "gb2312",
            Self::Gbk => "gbk",
            Self::Geostd8 => "geostd8",
            Self::Greek => "greek",
            Self::Hebrew => "hebrew",
            Self::Hp8 => "hp8",
            Self::Keybcs2 => "keybcs2",
            Self::Koi8r => "koi8r",
            Self::Koi8u => "koi8u",
            Self::Latin1 => "latin1",
            Self::Latin2 => "latin2",
            Self::Latin5 => "latin5",
            Self::Latin7 => "latin7",
            Self::Macce => "macce",
            Self::Macroman => "macroman",
            Self::Sjis => "sjis",
            Self::Swe7 => "swe7",
            Self::Tis620 => "tis620",
            Self::Ucs2 => "ucs2",
            Self::Ujis => "ujis",
            Self::Utf16 => "utf16",
            Self::Utf16le => "utf16le",
            Self::Utf32 => "utf32",
            Self::Utf8mb3 => "utf8mb3",
            Self::Utf8mb4 => "utf8mb4",
        }
    }

    /// Whether this is `binary`: bytes rather than text.
    pub fn is_binary(self) -> bool {
        self == Self::Binary
    }

    /// Whether valid text of this character set is UTF-8 as it is.
    pub fn is_utf8(self) -> bool {
        matches!(self, Self::Utf8mb4 | Self::Utf8mb3 | Self::Ascii)
    }

    /// `Maxlen` of `SHOW CHARACTER SET`: 1 to 4.
    pub fn max_bytes_per_char(self) -> usize {
        match self {
            Self::Gb18030 | Self::Utf16 | Self::Utf16le | Self::Utf32 | Self::Utf8mb4 => 4,
            Self::Eucjpms | Self::Ujis | Self::Utf8mb3 => 3,
            Self::Big5 | Self::Cp932 | Self::Euckr | Self::Gb2312 | Self::Gbk | Self::Sjis | Self::Ucs2 => 2,
            _ => 1,
        }
    }

    /// Appends text of this character set as UTF-8. What is no character becomes U+FFFD, one for every byte that cannot
    /// begin a character and one for every character that Unicode does not have. `binary` is taken for UTF-8.
    pub fn append_utf8(self, bytes: &[u8], out: &mut Vec<u8>) {
        match self.decoder() {
            Decoder::Utf8 => unicode::append_utf8(bytes, out),
            Decoder::SingleByte(upper) => single_byte::append(upper, bytes, out),
            Decoder::Swe7 => single_byte::append_swe7(bytes, out),
            Decoder::MultiByte => multi_byte::append(self, bytes, out),
            Decoder::Utf16 => unicode::append_utf16(bytes, u16::from_be_bytes, out),
            Decoder::Utf16le => unicode::append_utf16(bytes, u16::from_le_bytes, out),
            Decoder::Utf32 => unicode::append_utf32(bytes, out),
        }
    }

    /// The same as [`Charset::append_utf8`] as a string; borrowed if `bytes` are valid UTF-8 that means the same.
    pub fn to_utf8(self, bytes: &[u8]) -> Cow<'_, str> {
        let same = match self.decoder() {
            Decoder::Utf8 => true,
            Decoder::SingleByte(_) | Decoder::MultiByte => bytes.is_ascii(),
            Decoder::Swe7 | Decoder::Utf16 | Decoder::Utf16le | Decoder::Utf32 => false,
        };
        if same {
            return String::from_utf8_lossy(bytes);
        }
        let mut out = Vec::new();
        self.append_utf8(bytes, &mut out);
        // Always valid; a check is what safe code has to pay.
        let text = String::from_utf8(out);
        Cow::Owned(text.unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
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
