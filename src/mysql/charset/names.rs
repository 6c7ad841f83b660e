//! The character sets and their names.

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
}
