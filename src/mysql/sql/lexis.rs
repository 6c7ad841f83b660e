//! What a text's bytes mean depends on the server and on the session's settings.

use crate::mysql::charset::Charset;

/// Which server reads the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavor {
    /// MySQL, and what is made of it.
    MySql,
    /// MariaDB.
    MariaDb,
}

/// A version such as `9.7.4-2` or `5.5.5-10.11.19-MariaDB` as servers compare it with `/*!NNNNNN`: 90704, 101119.
pub fn version_number(version: &str) -> Option<u32> {
    let version = version.strip_prefix("5.5.5-").unwrap_or(version);
    let mut parts = version.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().ok());
    let [major, minor, patch] = [parts.next()??, parts.next()??, parts.next()??];
    (major < 100 && minor < 100 && patch < 1000).then_some(major * 10_000 + minor * 100 + patch.min(99))
}

/// The parts of `sql_mode` that change how a text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SqlMode {
    /// `"..."` is a name.
    pub ansi_quotes: bool,
    /// A backslash is a character like any other.
    pub no_backslash_escapes: bool,
}

impl SqlMode {
    const ANSI_QUOTES: u64 = 1 << 2;
    const NO_BACKSLASH_ESCAPES: u64 = 1 << 20;

    /// From its bits, which are the same on both servers (`MODE_..` in `sql/system_variables.h`, `sql/sql_class.h`).
    pub fn from_bits(bits: u64) -> Self {
        Self {
            ansi_quotes: bits & Self::ANSI_QUOTES != 0,
            no_backslash_escapes: bits & Self::NO_BACKSLASH_ESCAPES != 0,
        }
    }

    /// From a value as `SET sql_mode = value` or session tracking has it: names, or a number.
    pub fn from_value(value: &[u8]) -> Self {
        let number = std::str::from_utf8(value).ok().and_then(|value| value.trim().parse().ok());
        if let Some(bits) = number {
            return Self::from_bits(bits);
        }
        let mut mode = Self::default();
        for name in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            // Modes that combine several (`sql_mode` in both manuals).
            const WITH_ANSI_QUOTES: [&str; 7] =
                ["ANSI_QUOTES", "ANSI", "ORACLE", "MSSQL", "DB2", "MAXDB", "POSTGRESQL"];
            mode.ansi_quotes |= WITH_ANSI_QUOTES.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
            mode.no_backslash_escapes |= name.eq_ignore_ascii_case(b"NO_BACKSLASH_ESCAPES");
        }
        mode
    }
}

/// The character set of statements (`character_set_client`), as far as the lexer cares: whether the second byte of a character may look
/// like a backslash or a backtick, and whether a byte above ASCII is white space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ClientCharset {
    /// None of it: utf8mb4 and many others.
    #[default]
    Plain,
    /// 0xA0 is a space that does not break, and the servers take it for one: latin1 and others.
    SpaceA0,
    /// The same with 0xFF: cp852, cp866, keybcs2.
    SpaceFf,
    /// big5
    Big5,
    /// gbk
    Gbk,
    /// gb18030
    Gb18030,
    /// sjis and cp932, whose characters have the same bytes.
    Sjis,
    /// Not known.
    Unknown,
}

impl ClientCharset {
    /// Those with characters of several bytes.
    pub(super) const DOUBLE_BYTE: [Self; 4] = [Self::Big5, Self::Gbk, Self::Gb18030, Self::Sjis];

    /// Of a character set. Each server was asked with every byte in every one of them.
    pub fn of(charset: Option<Charset>) -> Self {
        match charset {
            None => Self::Unknown,
            Some(Charset::Latin1 | Charset::Latin2 | Charset::Latin5 | Charset::Latin7 | Charset::Armscii8) => {
                Self::SpaceA0
            }
            Some(Charset::Cp1250 | Charset::Dec8 | Charset::Geostd8 | Charset::Greek | Charset::Hebrew) => {
                Self::SpaceA0
            }
            Some(Charset::Cp852 | Charset::Cp866 | Charset::Keybcs2) => Self::SpaceFf,
            Some(Charset::Big5) => Self::Big5,
            Some(Charset::Gbk) => Self::Gbk,
            Some(Charset::Gb18030) => Self::Gb18030,
            Some(Charset::Sjis | Charset::Cp932) => Self::Sjis,
            Some(_) => Self::Plain,
        }
    }

    /// The byte above ASCII that is white space.
    fn space(self) -> Option<u8> {
        match self {
            Self::SpaceA0 => Some(0xa0),
            Self::SpaceFf => Some(0xff),
            _ => None,
        }
    }

    /// Whether a character may have more than one byte that looks like another's.
    pub(super) fn is_double_byte(self) -> bool {
        matches!(self, Self::Big5 | Self::Gbk | Self::Gb18030 | Self::Sjis)
    }

    /// How many bytes the character at the front of `bytes` has: 1 where they are not a character of several bytes.
    ///
    /// Source: the functions `ismbchar_..` and their byte classes in `strings/ctype-big5.c`, `ctype-gbk.c`, `ctype-gb18030.c`,
    /// `ctype-sjis.c` and `ctype-cp932.c` of both servers. A lead byte without a trail byte is a byte of its own.
    pub(super) fn character_length(self, bytes: &[u8]) -> usize {
        let (Some(&lead), Some(&trail)) = (bytes.first(), bytes.get(1)) else { return 1 };
        let is_two = match self {
            Self::Plain | Self::SpaceA0 | Self::SpaceFf | Self::Unknown => false,
            Self::Big5 => matches!(lead, 0xa1..=0xf9) && matches!(trail, 0x40..=0x7e | 0xa1..=0xfe),
            Self::Gbk => matches!(lead, 0x81..=0xfe) && matches!(trail, 0x40..=0x7e | 0x80..=0xfe),
            Self::Sjis => matches!(lead, 0x81..=0x9f | 0xe0..=0xfc) && matches!(trail, 0x40..=0x7e | 0x80..=0xfc),
            Self::Gb18030 => {
                if let [0x81..=0xfe, 0x30..=0x39, 0x81..=0xfe, 0x30..=0x39, ..] = bytes {
                    return 4;
                }
                matches!(lead, 0x81..=0xfe) && matches!(trail, 0x40..=0x7e | 0x80..=0xfe)
            }
        };
        if is_two { 2 } else { 1 }
    }
}

/// Everything that the lexer must be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Lexis {
    /// `None`: whatever either server reads.
    pub flavor: Option<Flavor>,
    /// The number that `/*!NNNNN .. */` is compared with. `None`: the content of all of them counts, as in a binlog, where the
    /// source has turned what it did not execute into plain comments (`sql/sql_lex.cc`).
    pub version: Option<u32>,
    /// `None`: not known.
    pub ansi_quotes: Option<bool>,
    /// Whether a backslash escapes (it does unless `NO_BACKSLASH_ESCAPES`); `None`: not known.
    pub backslash_escapes: Option<bool>,
    /// The character set of the text.
    pub charset: ClientCharset,
}

impl Lexis {
    /// Of a text that a binlog has, in UTF-8 by now, under this `sql_mode`.
    pub fn logged(sql_mode: Option<u64>) -> Self {
        let mode = sql_mode.map(SqlMode::from_bits);
        Self {
            ansi_quotes: mode.map(|mode| mode.ansi_quotes),
            backslash_escapes: mode.map(|mode| !mode.no_backslash_escapes),
            ..Self::default()
        }
    }

    /// White space to the servers (`my_isspace`).
    pub(super) fn is_space(self, byte: u8) -> bool {
        byte.is_ascii_whitespace() || byte == 0x0b || (byte >= 0x80 && self.charset.space() == Some(byte))
    }

    /// A character of names without quotes and of keywords: letters, digits, `_ $` and nearly everything above ASCII.
    pub(super) fn is_word(self, byte: u8) -> bool {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'_' | b'$')
            || (byte >= 0x80 && self.charset.space() != Some(byte))
    }

    pub(super) fn may_be_mariadb(&self) -> bool {
        self.flavor != Some(Flavor::MySql)
    }

    /// Whether `$$..$$` quotes: from MySQL 9.0 on.
    pub(super) fn has_dollar_quotes(&self) -> bool {
        self.flavor != Some(Flavor::MariaDb) && self.version.is_none_or(|version| version >= 90_000)
    }
}
