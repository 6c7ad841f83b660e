//! A message taken apart into its fields, which stay where they are in its text.
//!
//! Of a message of ours nothing is copied, and its fields are found in the order in which they are written; other spellings of JSON are
//! read as well, only not as quickly.

use std::borrow::Cow;

use serde::de::IgnoredAny;

/// A text as it stands in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<'a> {
    /// Without its quotes.
    raw: &'a str,
    has_escapes: bool,
}

impl<'a> Text<'a> {
    /// As it is written, between the quotes, with its escapes. Equal texts of one writer are written in the same way.
    pub fn raw(&self) -> &'a str {
        self.raw
    }

    /// What it says. Half of a surrogate pair becomes U+FFFD, and so does an escape that JSON does not have.
    pub fn decode(&self) -> Cow<'a, str> {
        if !self.has_escapes {
            return Cow::Borrowed(self.raw);
        }
        let quoted = format!("\"{}\"", self.raw);
        match serde_json::from_str::<String>(&quoted) {
            Ok(text) => Cow::Owned(text),
            Err(_) => Cow::Owned(decode_leniently(self.raw)),
        }
    }
}

fn decode_leniently(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        out.push_str(plain);
        let length = match escaped.bytes().next() {
            Some(b'u') => 5.min(escaped.len()),
            Some(_) => escaped.chars().next().map_or(0, char::len_utf8),
            None => 0,
        };
        let Some((escape, tail)) = escaped.split_at_checked(length) else {
            out.push(char::REPLACEMENT_CHARACTER);
            rest = escaped;
            continue;
        };
        let quoted = format!("\"\\{escape}\"");
        match serde_json::from_str::<String>(&quoted) {
            Ok(text) => out.push_str(&text),
            Err(_) => out.push(char::REPLACEMENT_CHARACTER),
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// The fields of a message (`docs/messages.md` has the contract); `None`: null, or not there.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[expect(missing_docs, reason = "the contract's own names")]
pub struct Fields<'a> {
    pub timestamp: Option<u64>,
    pub server_host: Option<Text<'a>>,
    pub server_version: Option<Text<'a>>,
    pub user: Option<Text<'a>>,
    pub client: Option<Text<'a>>,
    pub db_name: Option<Text<'a>>,
    pub stmt_db_name: Option<Text<'a>>,
    pub debug: Option<Text<'a>>,
    pub connection_id: Option<u64>,
    pub total_pool_count: Option<u64>,
    pub execution_count: Option<u64>,
    pub server_flags: Option<u64>,
    pub client_flags: Option<u64>,
    pub i_flags: Option<u64>,
    pub default_tz: Option<Text<'a>>,
    pub server_tz: Option<Text<'a>>,
    pub isolation_lvl: Option<u64>,
    pub duration_ns: Option<u64>,
    pub update_count: Option<u64>,
    pub sql: Option<Text<'a>>,
    /// The array as it is written.
    pub query_params: Option<&'a str>,
    pub error_message: Option<Text<'a>>,
    pub server_info: Option<Text<'a>>,
}

/// The fields' names in the order of the contract, as they are written.
const NAMES: [&str; 23] = [
    "timestamp",
    "serverHost",
    "serverVersion",
    "user",
    "client",
    "dbName",
    "stmtDbName",
    "debug",
    "connectionId",
    "totalPoolCount",
    "executionCount",
    "serverFlags",
    "clientFlags",
    "iFlags",
    "defaultTZ",
    "serverTZ",
    "isolationLvl",
    "durationNs",
    "updateCount",
    "sql",
    "queryParams",
    "errorMessage",
    "serverInfo",
];

impl<'a> Fields<'a> {
    /// The names of the fields, in the order of the contract.
    pub const NAMES: [&'static str; 23] = NAMES;

    /// Takes a message apart. `None` if it is not one of ours: not JSON, or not an object with a `timestamp` and `iFlags`, or a field has
    /// another type. What is JSON is what `serde_json` reads; half of a surrogate pair is, as in its values that nobody looks at.
    pub fn parse(json: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(json).ok()?;
        let mut scanner = Scanner::new(text);
        let mut fields = Self::default();
        scanner.expect(b'{')?;
        if scanner.peek()? == b'}' {
            return None;
        }
        let mut expected = 0;
        loop {
            let name = scanner.name(expected)?;
            scanner.field(name, &mut fields)?;
            expected = name.map_or(expected, |name| name + 1);
            match scanner.next()? {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
        scanner.space();
        let is_ours = fields.timestamp.is_some() && fields.i_flags.is_some();
        (is_ours && scanner.at == json.len()).then_some(fields)
    }

    /// The values of `queryParams`; `None` is NULL.
    pub fn params(&self) -> Option<Vec<Option<Cow<'a, str>>>> {
        let mut scanner = Scanner::new(self.query_params?);
        let mut params = Vec::new();
        scanner.expect(b'[')?;
        if scanner.peek()? == b']' {
            return Some(params);
        }
        loop {
            params.push(scanner.text()?.map(|text| text.decode()));
            if scanner.next()? != b',' {
                return Some(params);
            }
        }
    }
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Control characters may stand between values, and not in strings. Our messages have none at all, which is quicker to see of the whole
    /// text than of each string.
    has_controls: bool,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        Self { text, bytes, at: 0, has_controls: has_controls(bytes) }
    }

    #[inline]
    fn space(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// The next byte that is no white space.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        self.space();
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The number of the next member's name, `Some(None)` if it is none of the contract's; `expected` is likely.
    #[inline]
    fn name(&mut self, expected: usize) -> Option<Option<usize>> {
        if let Some(name) = NAMES.get(expected)
            && let Some([b'"', rest @ ..]) = self.bytes.get(self.at..)
            && let Some([b'"', b':', ..]) = rest.strip_prefix(name.as_bytes())
        {
            self.at += name.len() + 3;
            return Some(Some(expected));
        }
        self.expect(b'"')?;
        let name = self.string()?;
        self.expect(b':')?;
        let name = name.decode();
        Some(NAMES.iter().position(|known| *known == name))
    }

    #[inline]
    fn field(&mut self, name: Option<usize>, fields: &mut Fields<'a>) -> Option<()> {
        match name {
            Some(0) => fields.timestamp = self.number()?,
            Some(1) => fields.server_host = self.text()?,
            Some(2) => fields.server_version = self.text()?,
            Some(3) => fields.user = self.text()?,
            Some(4) => fields.client = self.text()?,
            Some(5) => fields.db_name = self.text()?,
            Some(6) => fields.stmt_db_name = self.text()?,
            Some(7) => fields.debug = self.text()?,
            Some(8) => fields.connection_id = self.number()?,
            Some(9) => fields.total_pool_count = self.number()?,
            Some(10) => fields.execution_count = self.number()?,
            Some(11) => fields.server_flags = self.number()?,
            Some(12) => fields.client_flags = self.number()?,
            Some(13) => fields.i_flags = self.number()?,
            Some(14) => fields.default_tz = self.text()?,
            Some(15) => fields.server_tz = self.text()?,
            Some(16) => fields.isolation_lvl = self.number()?,
            Some(17) => fields.duration_ns = self.number()?,
            Some(18) => fields.update_count = self.number()?,
            Some(19) => fields.sql = self.text()?,
            Some(20) => fields.query_params = self.list()?,
            Some(21) => fields.error_message = self.text()?,
            Some(22) => fields.server_info = self.text()?,
            _ => self.skip()?,
        }
        Some(())
    }

    #[inline]
    fn null<T>(&mut self) -> Option<Option<T>> {
        self.rest().starts_with(b"null").then(|| {
            self.at += 4;
            None
        })
    }

    /// A whole number that is not negative, or null.
    #[inline]
    fn number(&mut self) -> Option<Option<u64>> {
        if !self.peek()?.is_ascii_digit() {
            return self.null();
        }
        let start = self.at;
        let mut number = 0_u64;
        while let Some(digit) = self.bytes.get(self.at).filter(|byte| byte.is_ascii_digit()) {
            number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
            self.at += 1;
        }
        if self.at > start + 1 && self.bytes.get(start) == Some(&b'0') {
            return None;
        }
        // A fraction is no number of ours.
        (!matches!(self.bytes.get(self.at), Some(b'.' | b'e' | b'E'))).then_some(Some(number))
    }

    /// A string, or null.
    #[inline]
    fn text(&mut self) -> Option<Option<Text<'a>>> {
        if self.peek()? != b'"' {
            return self.null();
        }
        self.at += 1;
        self.string().map(Some)
    }

    /// The rest of a string whose quote is behind.
    #[inline]
    fn string(&mut self) -> Option<Text<'a>> {
        let start = self.at;
        let mut has_escapes = false;
        loop {
            self.at += memchr::memchr2(b'"', b'\\', self.rest())?;
            if self.bytes.get(self.at) == Some(&b'"') {
                let raw = self.text.get(start..self.at)?;
                self.at += 1;
                let is_json = !(self.has_controls && has_controls(raw.as_bytes()));
                return is_json.then_some(Text { raw, has_escapes });
            }
            has_escapes = true;
            self.at += match self.rest() {
                [_, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
                [_, b'u', digits @ ..] if digits.get(..4)?.iter().all(u8::is_ascii_hexdigit) => 6,
                _ => return None,
            };
        }
    }

    /// An array of strings and nulls as it is written, or null.
    fn list(&mut self) -> Option<Option<&'a str>> {
        if self.peek()? != b'[' {
            return self.null();
        }
        let start = self.at;
        self.at += 1;
        if self.peek()? == b']' {
            self.at += 1;
            return self.text.get(start..self.at).map(Some);
        }
        loop {
            self.text()?;
            match self.next()? {
                b',' => {}
                b']' => return self.text.get(start..self.at).map(Some),
                _ => return None,
            }
        }
    }

    /// Steps over any value.
    fn skip(&mut self) -> Option<()> {
        let mut values = serde_json::Deserializer::from_str(self.text.get(self.at..)?).into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        self.at += values.byte_offset();
        Some(())
    }
}

fn has_controls(bytes: &[u8]) -> bool {
    // Without an early end, so that many bytes are looked at together.
    bytes.iter().fold(false, |found, byte| found | (*byte < 0x20))
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use serde::de::{MapAccess, Visitor};
    use serde::{Deserialize, Deserializer};
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::fuzzing::mutations::Random;

    const MESSAGE: &str = concat!(
        r#"{"timestamp":1795253970978,"serverHost":"127.0.0.1:30853","serverVersion":"9.7.4-2","user":"app","client":"vm","#,
        r#""dbName":"test","stmtDbName":"test","debug":"doc","connectionId":30,"totalPoolCount":3,"executionCount":3,"#,
        r#""serverFlags":33,"clientFlags":406563341,"iFlags":100663305,"defaultTZ":"UTC","serverTZ":null,"isolationLvl":null,"#,
        r#""durationNs":744050,"updateCount":18446744073709551615,"sql":"UPDATE a SET b = \"\u00e4\" /* \\ */ WHERE o = ?","#,
        r#""queryParams":["25",null,"A\"da, \ud83d\ude00"],"errorMessage":null,"serverInfo":"Rows"}"#
    );

    /// The same fields, as JSON that was taken apart by another parser would have them.
    fn as_json(fields: &Fields<'_>) -> Map<String, Value> {
        let text = |text: Option<Text<'_>>| json!(text.map(|text| text.decode()));
        let values = [
            json!(fields.timestamp),
            text(fields.server_host),
            text(fields.server_version),
            text(fields.user),
            text(fields.client),
            text(fields.db_name),
            text(fields.stmt_db_name),
            text(fields.debug),
            json!(fields.connection_id),
            json!(fields.total_pool_count),
            json!(fields.execution_count),
            json!(fields.server_flags),
            json!(fields.client_flags),
            json!(fields.i_flags),
            text(fields.default_tz),
            text(fields.server_tz),
            json!(fields.isolation_lvl),
            json!(fields.duration_ns),
            json!(fields.update_count),
            text(fields.sql),
            json!(fields.params()),
            text(fields.error_message),
            text(fields.server_info),
        ];
        Fields::NAMES.iter().map(|name| (*name).to_owned()).zip(values).collect()
    }

    #[test]
    fn a_message_is_what_another_parser_says() {
        let expected: Map<String, Value> = serde_json::from_str(MESSAGE).unwrap();
        assert_eq!(as_json(&Fields::parse(MESSAGE.as_bytes()).unwrap()), expected);
        // In another order, with white space and other members.
        let mut other: Map<String, Value> = expected.clone().into_iter().rev().collect();
        other.insert("more".to_owned(), json!({"a": [1, -2.5e3, {"b": "}\""}], "c": true}));
        let spaced = serde_json::to_string_pretty(&other).unwrap();
        assert_eq!(as_json(&Fields::parse(spaced.as_bytes()).unwrap()), expected);
    }

    #[test]
    fn what_is_no_message() {
        for json in [
            "",
            "{}",
            "[]",
            "{\"timestamp\":1}",
            "{\"timestamp\":1,\"iFlags\":9",
            "{\"timestamp\":1,\"iFlags\":9}x",
            "{\"timestamp\":1,\"iFlags\":9,}",
            "{\"timestamp\":1.5,\"iFlags\":9}",
            "{\"timestamp\":-1,\"iFlags\":9}",
            "{\"timestamp\":\"x\",\"iFlags\":9}",
            "{\"timestamp\":99999999999999999999,\"iFlags\":9}",
            "{\"timestamp\":1,\"iFlags\":9,\"sql\":\"x}",
            "{\"timestamp\":1,\"iFlags\":9,\"queryParams\":[1]}",
            "{\"timestamp\":1,\"iFlags\":9,\"x\":]}",
            "{\"timestamp\":1,\"iFlags\":9,\"x\":nul}",
            "{\"timestamp\":1,\"iFlags\":9,\"x\":[1 2]}",
            "{\"timestamp\":1,\"iFlags\":9,\"x\":{]}",
            "{\"timestamp\":1,\"iFlags\":09}",
            "{\"timestamp\":1,\"iFlags\":9,\"sql\":\"a\nb\"}",
            "{\"timestamp\":1,\n\"iFlags\":9,\"sql\":\"a\\qb\"}",
            "{\"timestamp\":1,\"iFlags\":9,\"sql\":\"a\\u00e\"}",
            "{\"timestamp\":1,\"iFlags\":9,\"queryParams\":[\"\t\"]}",
        ] {
            assert_eq!(Fields::parse(json.as_bytes()), None, "{json}");
        }
        assert_eq!(Fields::parse(b"{\"timestamp\":1,\"iFlags\":9,\"user\":\"\xff\"}"), None);
        assert!(Fields::parse(b" {\"timestamp\":1,\"iFlags\":9 } ").is_some());
        assert!(Fields::parse(b"{\"timestamp\":1,\n\t\"iFlags\":9, \"x\":{\"\":[-1.5e-3,true]}}").is_some());
        let half = Fields::parse(b"{\"\\u0074imestamp\":1,\"iFlags\":9,\"sql\":\"\\ud83d\"}").unwrap();
        assert_eq!(half.sql.unwrap().decode(), "\u{fffd}");
    }

    #[test]
    fn odd_escapes_say_something() {
        let of = |raw: &str| Text { raw, has_escapes: true }.decode().into_owned();
        assert_eq!(of("a\\ud83d b"), "a\u{fffd} b");
        assert_eq!(of("\\q\\n"), "\u{fffd}\n");
        assert_eq!(of("é\\é"), "é\u{fffd}");
    }

    /// The members of an object, also those that are there twice.
    struct Members(Vec<(String, Value)>);

    impl<'de> Deserialize<'de> for Members {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Gather;
            impl<'de> Visitor<'de> for Gather {
                type Value = Members;

                fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                    formatter.write_str("an object")
                }

                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                    let mut members = Vec::new();
                    while let Some(member) = map.next_entry()? {
                        members.push(member);
                    }
                    Ok(Members(members))
                }
            }
            deserializer.deserialize_map(Gather)
        }
    }

    /// Whether a member has the type that the contract gives it.
    fn is_typed(name: &str, value: &Value) -> bool {
        const TEXTS: [usize; 13] = [1, 2, 3, 4, 5, 6, 7, 14, 15, 19, 20, 21, 22];
        let Some(number) = NAMES.iter().position(|known| *known == name) else { return true };
        let is_text = |value: &Value| value.is_string() || value.is_null();
        match number {
            _ if value.is_null() => true,
            20 => value.as_array().is_some_and(|list| list.iter().all(is_text)),
            _ if TEXTS.contains(&number) => value.is_string(),
            _ => value.is_u64(),
        }
    }

    /// Whatever is changed in a message: it is refused if and only if it is no JSON or no message, and both parsers find the same.
    #[test]
    fn mutations_are_refused_or_mean_the_same() {
        const PIECES: &[u8] = b"\"\\,:{}[]0nu \n\t\x01/1-.eEtdD8f\x7f";
        let members = MESSAGE.strip_suffix('}').unwrap();
        let longer = format!("{members},\"more\":[1,-2.5e3,{{\"\\u00e4\":true,\"b\":[false,null]}}, \"c\" ]}}");
        let (mut same, mut refused) = (0, 0);
        for (message, seed) in [(MESSAGE, 13), (&longer, 14)] {
            let mut random = Random::new(seed);
            for _ in 0..10_000 {
                let mut bytes = message.as_bytes().to_vec();
                for _ in 0..=random.below(2) {
                    let at = random.below(bytes.len());
                    let piece = PIECES[random.below(PIECES.len())];
                    match random.below(3) {
                        0 => drop(bytes.remove(at)),
                        1 => bytes[at] = piece,
                        _ => bytes.insert(at, piece),
                    }
                }
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let found = Fields::parse(text.as_bytes());
                if serde_json::from_str::<IgnoredAny>(&text).is_err() {
                    assert_eq!(found, None, "{text}");
                    refused += 1;
                    continue;
                }
                // What is JSON to one and not to the other has half of a surrogate pair, or a number that is too large for a float.
                let Ok(Members(other)) = serde_json::from_str(&text) else { continue };
                let object: Map<String, Value> = other.iter().cloned().collect();
                let is_ours = ["timestamp", "iFlags"].iter().all(|name| object.get(*name).is_some_and(Value::is_u64))
                    && other.iter().all(|(name, value)| is_typed(name, value));
                assert_eq!(found.is_some(), is_ours, "{text}");
                let Some(fields) = found else { continue };
                let expected: Map<String, Value> = as_json(&fields)
                    .into_iter()
                    .map(|(name, _)| (name.clone(), object.get(&name).cloned().unwrap_or_default()))
                    .collect();
                assert_eq!(as_json(&fields), expected, "{text}");
                same += 1;
            }
        }
        assert!(same > 1000 && refused > 1000, "{same}, {refused}");
    }
}
