use std::borrow::Cow;

use proptest::prelude::*;

use crate::mysql::charset::*;

fn utf8(charset: Charset, bytes: &[u8]) -> String {
    let mut out = b">".to_vec();
    charset.append_utf8(bytes, &mut out);
    let text = String::from_utf8(out).unwrap();
    assert_eq!(charset.to_utf8(bytes), &text[1..]);
    text[1..].to_string()
}

#[test]
fn names() {
    for &charset in Charset::ALL {
        assert_eq!(Charset::from_name(charset.name()), Some(charset));
        assert_eq!(Charset::from_name(&charset.name().to_uppercase()), Some(charset));
    }
    assert_eq!(Charset::from_name("utf8"), Some(Charset::Utf8mb3));
    assert_eq!(Charset::from_name("latin3"), None);
    assert_eq!(Charset::ALL.iter().filter(|charset| charset.is_binary()).count(), 1);
}

#[test]
fn collations() {
    let cases = [
        (8, "latin1"),          // latin1_swedish_ci
        (33, "utf8mb3"),        // utf8mb3_general_ci
        (63, "binary"),         // binary
        (579, "utf8mb3"),       // MariaDB 11: utf8mb3_general1400_as_ci
        (611, "utf8mb4"),       // MariaDB 11: utf8mb4_general1400_as_ci
        (76, "utf8mb3"),        // MySQL: utf8mb3_tolower_ci
        (159, "ucs2"),          // ucs2_general_mysql500_ci
        (249, "gb18030"),       // MySQL: gb18030_bin
        (255, "utf8mb4"),       // MySQL: utf8mb4_0900_ai_ci
        (309, "utf8mb4"),       // MySQL: utf8mb4_0900_bin
        (577, "utf8mb3"),       // MariaDB: utf8mb3_myanmar_ci
        (738, "utf32"),         // MariaDB: utf32_thai_520_w2
        (1024 + 47, "latin1"),  // MariaDB: latin1_nopad_bin
        (1024 + 46, "utf8mb4"), // MariaDB: utf8mb4_nopad_bin
        (2048, "utf8mb3"),      // MariaDB: utf8mb3_uca1400_ai_ci
        (2304, "utf8mb4"),      // MariaDB: utf8mb4_uca1400_ai_ci
        (3271, "utf32"),        // MariaDB: the last one
    ];
    for (id, name) in cases {
        assert_eq!(Charset::from_collation(id).map(Charset::name), Some(name), "{id}");
    }
    for id in [0, 17, 100, 152, 251, 324, 580, 612, 1024, 1272, 2047, 3328, u16::MAX] {
        assert_eq!(Charset::from_collation(id), None, "{id}");
    }
}

/// What `SELECT CONVERT(CONVERT(UNHEX(...) USING latin1) USING utf8mb4)` and the like say, except that a server has `?`
/// for U+FFFD, and MySQL no surrogates in ucs2.
#[test]
fn known_text() {
    let cases: &[(Charset, &[u8], &str)] = &[
        (Charset::Armscii8, b"a\xB2", "aԱ"),
        (Charset::Ascii, b"a\x00\x7F", "a\0\u{7F}"),
        (Charset::Big5, b"a\xA4\xA4\xA4\xE5\xC6\xE7\xA2\x42", "a中文ゃ＼"),
        (Charset::Binary, b"a\xC3\xA9", "aé"),
        (Charset::Cp1250, b"\x9A\xE8\x81", "šč\u{FFFD}"),
        (Charset::Cp1251, b"\xCF\xF0\xE8\xE2\xE5\xF2", "Привет"),
        (Charset::Cp1256, b"\xD3\xE1\xC7\xE3", "سلام"),
        (Charset::Cp1257, b"\xC0\xF0", "Ąš"),
        (Charset::Cp850, b"\x82\xDB", "é█"),
        (Charset::Cp852, b"\x9F", "č"),
        (Charset::Cp866, b"\x8F\xE0\xA8", "При"),
        (Charset::Cp932, b"\x93\xFA\x96\x7B\xB1\x87\x40\x81\x60", "日本ｱ①～"),
        (Charset::Dec8, b"\xD7\xE9", "Œé"),
        (Charset::Eucjpms, b"\xC6\xFC\xCB\xDC\x8E\xB1\x8F\xF4\xAE\xA1\xC1\x8F\xF5\xA1", "日本ｱ炻～\u{E3AC}"),
        (Charset::Euckr, b"\xC7\xD1\xB1\xDB", "한글"),
        (Charset::Gb18030, b"\xD6\xD0\x94\x39\xFC\x36\xA6\xD9", "中😀\u{E78D}"),
        (Charset::Gb2312, b"\xD6\xD0\xA1\xA4", "中・"),
        (Charset::Gbk, b"\xD6\xD0\x81\x40", "中丂"),
        (Charset::Geostd8, b"\xC0\xC1", "აბ"),
        (Charset::Greek, b"\xC1\xE2", "Αβ"),
        (Charset::Hebrew, b"\xF9\xEC\xE5\xED", "שלום"),
        (Charset::Hp8, b"\xC5", "é"),
        (Charset::Keybcs2, b"\x87", "č"),
        (Charset::Koi8r, b"\xF0\xD2\xC9", "При"),
        (Charset::Koi8u, b"\xF0\xA7", "Пї"),
        (Charset::Latin1, b"caf\xE9 \x80\x81", "café €\u{81}"),
        (Charset::Latin2, b"\xB9\xE8", "šč"),
        (Charset::Latin5, b"\xFE\xF0", "şğ"),
        (Charset::Latin7, b"\xC0\xF0", "Ąš"),
        (Charset::Macce, b"\x8B", "č"),
        (Charset::Macroman, b"\x8E", "é"),
        (Charset::Sjis, b"\x93\xFA\x96\x7B\xB1\x81\x60\\", "日本ｱ〜\\"),
        (Charset::Swe7, b"a{}|[]\\@`^~", "aäåöÄÅÖÉéÜü"),
        (Charset::Tis620, b"\xA1\xE0", "กเ"),
        (Charset::Ucs2, b"\x00a\x4E\x2D\xD8\x3D\xDE\x00", "a中😀"),
        (Charset::Ujis, b"\xC6\xFC\xCB\xDC\x8E\xB1\x8F\xB0\xA1\xA1\xC1\xF5\xA1", "日本ｱ丂〜\u{E000}"),
        (Charset::Utf16, b"\x00a\x4E\x2D\xD8\x3D\xDE\x00", "a中😀"),
        (Charset::Utf16le, b"a\x00\x2D\x4E\x3D\xD8\x00\xDE", "a中😀"),
        (Charset::Utf32, b"\0\0\0a\0\0\x4E\x2D\0\x01\xF6\x00", "a中😀"),
        (Charset::Utf8mb3, "aé中".as_bytes(), "aé中"),
        (Charset::Utf8mb4, "aé中😀".as_bytes(), "aé中😀"),
    ];
    for (charset, bytes, text) in cases {
        assert_eq!(utf8(*charset, bytes), *text, "{charset:?}");
    }
    let missing: Vec<_> = Charset::ALL.iter().filter(|charset| !cases.iter().any(|case| case.0 == **charset)).collect();
    assert_eq!(missing, [] as [&Charset; 0]);
}

#[test]
fn what_is_no_text() {
    let cases: &[(Charset, &[u8], &str)] = &[
        (Charset::Utf8mb4, b"a\xE4\xB8b\xFF", "a\u{FFFD}b\u{FFFD}"),
        (Charset::Ascii, b"a\xFFb", "a\u{FFFD}b"),
        (Charset::Swe7, b"\x7F\x80", "\u{FFFD}\u{FFFD}"),
        (Charset::Utf16, b"\xD8\x3D\x00a\x00", "\u{FFFD}a\u{FFFD}"),
        (Charset::Ucs2, b"\xDE\x00\x00a", "\u{FFFD}a"),
        (Charset::Utf16le, b"\x00\xDEa\x00a", "\u{FFFD}a\u{FFFD}"),
        (Charset::Utf32, b"\x00\x11\x00\x00\x00\x00\xD8\x00\x00\x00\x00", "\u{FFFD}\u{FFFD}\u{FFFD}"),
        // A byte that begins nothing, a character that does not exist, one that was cut.
        (Charset::Sjis, b"a\x80b\x85\x40c\x93", "a\u{FFFD}b\u{FFFD}c\u{FFFD}"),
        (Charset::Gbk, b"\x81\x30\x81\x30", "\u{FFFD}0\u{FFFD}0"),
        (Charset::Gb18030, b"\x84\x31\xA5\x30a\xFE\x39\xFE\x39b", "\u{FFFD}a\u{FFFD}b"),
        (Charset::Ujis, b"\x8F\xA1", "\u{FFFD}\u{FFFD}"),
        // Not in the server.
        (Charset::Sjis, b"\x87\x40", "①"),
        (Charset::Big5, b"\xA1\x5A", "╴"),
    ];
    for (charset, bytes, text) in cases {
        assert_eq!(utf8(*charset, bytes), *text, "{charset:?}");
    }
}

#[test]
fn borrowed_where_nothing_changes() {
    for &charset in Charset::ALL {
        let cheap = !matches!(charset.name(), "swe7" | "ucs2" | "utf16" | "utf16le" | "utf32");
        assert_eq!(matches!(charset.to_utf8(b"plain"), Cow::Borrowed(_)), cheap, "{charset:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn always_utf8(bytes in prop::collection::vec(any::<u8>(), 0..64), front in "[a-é]{0,3}") {
        for &charset in Charset::ALL {
            let mut out = front.clone().into_bytes();
            charset.append_utf8(&bytes, &mut out);
            let text = String::from_utf8(out).expect("UTF-8");
            prop_assert_eq!(text.strip_prefix(&front).unwrap_or("?"), &*charset.to_utf8(&bytes));
            prop_assert!(text.chars().count() <= front.chars().count() + bytes.len());
        }
    }

    /// Big enough for several pieces.
    #[test]
    fn long_text(char in any::<[u8; 2]>(), times in 200..600_usize) {
        for &charset in Charset::ALL {
            utf8(charset, &char.repeat(times));
        }
    }
}

/// Against what a real server says: `integration/charset_tables.py dump` makes the file.
#[test]
#[ignore = "needs the dump of a server in $CHARSET_DUMP"]
fn agrees_with_a_server() {
    let dump = std::fs::read_to_string(std::env::var("CHARSET_DUMP").unwrap()).unwrap();
    let unhex = |hex: &str| -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    };
    let (mut collations, mut charsets, mut codes, mut additional) = (0, 0, 0, 0);
    for line in dump.lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["collation", id, name] => {
                let charset = Charset::from_collation(id.parse().unwrap()).map(Charset::name);
                assert_eq!(charset, Some(name), "{id}");
                collations += 1;
            }
            ["charset", name, length] => {
                let charset = Charset::from_name(name).expect(name);
                assert_eq!(charset.max_bytes_per_char(), length.parse::<usize>().unwrap(), "{name}");
                charsets += 1;
            }
            ["code", name, code, expected] => {
                let text = Charset::from_name(name).unwrap().to_utf8(&unhex(code)).into_owned();
                // Big5's U+FFFD in the server are characters here.
                if expected == "-" || expected == "EFBFBD" {
                    additional += u32::from(!text.contains('\u{FFFD}') && !text.is_ascii());
                    continue;
                }
                assert_eq!(text.as_bytes(), unhex(expected), "{name} {code}");
                codes += 1;
            }
            _ => panic!("{line}"),
        }
    }
    eprintln!("{collations} collations, {charsets} character sets, {codes} codes; {additional} more codes are known");
    assert!(collations > 250 && charsets >= 40 && codes > 100_000);
}
