//! Ids of collations, which is how binlogs name character sets.

use crate::mysql::charset::Charset;

/// MariaDB's collations that compare without padding (`_nopad_`) have the id of the padding one plus this.
const NOPAD: u16 = 1024;

/// The character set of a collation's id.
///
/// Made from `information_schema.COLLATIONS` of MySQL 9.7 and of MariaDB 10.11 and 11.8 and MariaDB's
/// `COLLATION_CHARACTER_SET_APPLICABILITY` (`integration/charset_tables.py collations`): no id means two things.
/// Below 255 the ids are common to both, from 255 to 323 they are MySQL's, above they are MariaDB's.
/// Gaps inside 255..=323 and MariaDB's blocks of 256 for the Unicode 14 collations (`_uca1400_`) are included: neither
/// server gives them to anything else.
pub(crate) fn charset_of(id: u16) -> Option<Charset> {
    match id {
        // Once `utf8_general_cs`, in servers that were compiled with it.
        254 => Some(Charset::Utf8mb3),
        0..=254 => charset_of_common(id),
        255..=323 => Some(Charset::Utf8mb4),
        576..=579 => Some(Charset::Utf8mb3),
        608..=611 => Some(Charset::Utf8mb4),
        640..=642 => Some(Charset::Ucs2),
        672..=674 => Some(Charset::Utf16),
        736..=738 => Some(Charset::Utf32),
        1024..=1271 => charset_of_common(id - NOPAD),
        2048..=2303 => Some(Charset::Utf8mb3),
        2304..=2559 => Some(Charset::Utf8mb4),
        2560..=2815 => Some(Charset::Ucs2),
        2816..=3071 => Some(Charset::Utf16),
        3072..=3327 => Some(Charset::Utf32),
        _ => None,
    }
}

fn charset_of_common(id: u16) -> Option<Charset> {
    Some(match id {
        1 | 84 => Charset::Big5,
        2 | 9 | 21 | 27 | 77 => Charset::Latin2,
        3 | 69 => Charset::Dec8,
        4 | 80 => Charset::Cp850,
        5 | 8 | 15 | 31 | 47..=49 | 94 => Charset::Latin1,
        6 | 72 => Charset::Hp8,
        7 | 74 => Charset::Koi8r,
        10 | 82 => Charset::Swe7,
        11 | 65 => Charset::Ascii,
        12 | 91 => Charset::Ujis,
        13 | 88 => Charset::Sjis,
        14 | 23 | 50..=52 => Charset::Cp1251,
        16 | 71 => Charset::Hebrew,
        18 | 89 => Charset::Tis620,
        19 | 85 => Charset::Euckr,
        20 | 41 | 42 | 79 => Charset::Latin7,
        22 | 75 => Charset::Koi8u,
        24 | 86 => Charset::Gb2312,
        25 | 70 => Charset::Greek,
        26 | 34 | 44 | 66 | 99 => Charset::Cp1250,
        28 | 87 => Charset::Gbk,
        29 | 58 | 59 => Charset::Cp1257,
        30 | 78 => Charset::Latin5,
        32 | 64 => Charset::Armscii8,
        33 | 76 | 83 | 192..=215 | 223 => Charset::Utf8mb3,
        35 | 90 | 128..=151 | 159 => Charset::Ucs2,
        36 | 68 => Charset::Cp866,
        37 | 73 => Charset::Keybcs2,
        38 | 43 => Charset::Macce,
        39 | 53 => Charset::Macroman,
        40 | 81 => Charset::Cp852,
        45 | 46 | 224..=247 => Charset::Utf8mb4,
        54 | 55 | 101..=124 => Charset::Utf16,
        56 | 62 => Charset::Utf16le,
        57 | 67 => Charset::Cp1256,
        60 | 61 | 160..=183 => Charset::Utf32,
        63 => Charset::Binary,
        92 | 93 => Charset::Geostd8,
        95 | 96 => Charset::Cp932,
        97 | 98 => Charset::Eucjpms,
        248..=250 => Charset::Gb18030,
        _ => return None,
    })
}
