//! A statement's message that is too large for Kafka is made smaller: of its SQL, and then of its parameters, only the front is kept.

use std::fmt::Write as _;
use std::ops::Range;

/// What ends a text that is cut.
const MARK: &[u8] = b"...";
/// This much of the SQL is kept before parameters are cut, and of each parameter before any is left out: what it was can be told.
const FRONT: usize = 256;
const PARAM_FRONT: usize = 16;

/// A message that was made smaller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The message, with the same fields.
    pub(crate) value: Box<[u8]>,
    /// The fields that were cut, and how many bytes of text each had: `sql=3000021 queryParams=70000` (all parameters together).
    pub(crate) note: Box<str>,
}

/// Makes a message fit into `limit` bytes; `None` if it is no message of a statement, or has too much of what must not be cut.
pub(crate) fn cut(json: &[u8], limit: usize) -> Option<Cut> {
    let fields = Fields::find(json)?;
    let [sql, params] =
        [&fields.sql, &fields.params].map(|field| field.as_ref().and_then(|field| json.get(field.clone())));
    let (sql, params) = (sql.unwrap_or_default(), params.unwrap_or_default());
    // What is neither SQL nor parameters stays.
    let room = limit.checked_sub(json.len() - sql.len() - params.len())?;
    let for_sql = room.saturating_sub(params.len()).max(FRONT + MARK.len());
    for for_sql in [for_sql, MARK.len()] {
        let kept_sql = shortened(sql, for_sql);
        let Some(for_params) = room.checked_sub(kept_sql.len()) else { continue };
        let Some(kept_params) = shortened_array(params, for_params) else { continue };
        let mut note = String::new();
        if kept_sql.len() < sql.len() {
            note_length(&mut note, "sql", text_length(sql));
        }
        if kept_params.len() < params.len() {
            let texts = elements(params).into_iter().flatten();
            note_length(&mut note, "queryParams", texts.map(text_length).sum());
        }
        let value = spliced(json, [(fields.sql, &kept_sql), (fields.params, &kept_params)]);
        return Some(Cut { value: value.into(), note: note.into() });
    }
    None
}

fn note_length(note: &mut String, field: &str, bytes: usize) {
    let space = if note.is_empty() { "" } else { " " };
    // Writing to a string does not fail.
    let _ = write!(note, "{space}{field}={bytes}");
}

/// Where in the message its SQL is (without the quotes), and the array of its parameters; each only if it is not null.
struct Fields {
    sql: Option<Range<usize>>,
    params: Option<Range<usize>>,
}

impl Fields {
    fn find(json: &[u8]) -> Option<Self> {
        let mut fields = Self { sql: None, params: None };
        let mut at = 1;
        let mut is_statement = false;
        while json.get(at) == Some(&b'"') {
            let name = at + 1..string_end(json, at)? - 1;
            let start = name.end + 2;
            let end = value_end(json, start)?;
            match json.get(name)? {
                b"sql" => {
                    is_statement = true;
                    fields.sql = (json.get(start) == Some(&b'"')).then(|| start + 1..end - 1);
                }
                b"queryParams" => fields.params = (json.get(start) == Some(&b'[')).then_some(start..end),
                _ => {}
            }
            at = end + 1;
        }
        is_statement.then_some(fields)
    }
}

/// Where the string ends that begins at this quote.
fn string_end(json: &[u8], quote: usize) -> Option<usize> {
    let mut at = quote + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', json.get(at..)?)?;
        if json.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// Where the value ends that begins here: a string, an array of strings and nulls, a number or a word.
fn value_end(json: &[u8], start: usize) -> Option<usize> {
    match json.get(start)? {
        b'"' => string_end(json, start),
        b'[' => {
            let mut at = start + 1;
            loop {
                match json.get(at)? {
                    b']' => return Some(at + 1),
                    b'"' => at = string_end(json, at)?,
                    _ => at += 1,
                }
            }
        }
        _ => Some(start + json.get(start..)?.iter().position(|byte| matches!(byte, b',' | b'}'))?),
    }
}

/// The strings of an array (without the quotes), `None` for each null.
fn elements(array: &[u8]) -> Vec<Option<&[u8]>> {
    let mut found = Vec::new();
    let mut at = 1;
    while let Some(first) = array.get(at).filter(|first| **first != b']') {
        let is_text = *first == b'"';
        let end = if is_text { string_end(array, at) } else { Some(at + b"null".len()) };
        let Some(end) = end else { break };
        found.push(if is_text { array.get(at + 1..end - 1) } else { None });
        at = end + 1;
    }
    found
}

/// An array in at most `room` bytes: as it is, or with the front of each string, as much of each as there is room for; if that is next to
/// nothing, of the first ones only. `None` if not even that fits.
fn shortened_array(array: &[u8], room: usize) -> Option<Vec<u8>> {
    if array.len() <= room {
        return Some(array.to_vec());
    }
    let elements = elements(array);
    // With its comma, or the bracket in front of the first.
    let size = |text: Option<&[u8]>, most: usize| text.map_or(b"null".len(), |text| text.len().min(most) + 2) + 1;
    let all = |most: usize| elements.iter().map(|text| size(*text, most)).sum::<usize>() + 1;
    // The longest text that may stay as it is.
    let (mut fits, mut too_long) = (0, room);
    while fits + 1 < too_long {
        let middle = fits + (too_long - fits) / 2;
        if all(middle) <= room { fits = middle } else { too_long = middle }
    }
    let least = PARAM_FRONT + MARK.len();
    let (most, leaves_out) = (fits.max(least), fits < least);
    let mut out = b"[".to_vec();
    for (index, text) in elements.iter().enumerate() {
        let is_last = index + 1 == elements.len();
        let rest = if is_last { 1 } else { size(Some(MARK), MARK.len()) + 1 };
        if leaves_out && out.len() + size(*text, most) + rest > room {
            push_element(&mut out, Some(MARK));
            break;
        }
        push_element(&mut out, text.map(|text| shortened(text, most)).as_deref());
    }
    out.push(b']');
    (out.len() <= room).then_some(out)
}

fn push_element(out: &mut Vec<u8>, text: Option<&[u8]>) {
    if out.len() > 1 {
        out.push(b',');
    }
    match text {
        None => out.extend_from_slice(b"null"),
        Some(text) => {
            out.push(b'"');
            out.extend_from_slice(text);
            out.push(b'"');
        }
    }
}

/// Text as JSON has it, in at most `most` bytes: as it is, or its front, up to a character's end, and the mark.
fn shortened(text: &[u8], most: usize) -> Vec<u8> {
    if text.len() <= most {
        return text.to_vec();
    }
    let room = most.saturating_sub(MARK.len());
    let mut end = 0;
    while let Some(length) = character(text, end).filter(|length| end + length <= room) {
        end += length;
    }
    [text.get(..end).unwrap_or_default(), MARK].concat()
}

/// How many bytes the character at `at` takes as JSON has it.
fn character(text: &[u8], at: usize) -> Option<usize> {
    Some(match text.get(at)? {
        b'\\' if text.get(at + 1) == Some(&b'u') => 6,
        b'\\' => 2,
        0..0x80 => 1,
        0x80..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0.. => 4,
    })
}

/// How many bytes of UTF-8 the text has without JSON's escapes (`\u` stands only for characters below 0x20).
fn text_length(text: &[u8]) -> usize {
    let (mut at, mut escapes) = (0, 0);
    while let Some(found) = memchr::memchr(b'\\', text.get(at..).unwrap_or_default()) {
        let length = character(text, at + found).unwrap_or(2);
        escapes += length - 1;
        at += found + length;
    }
    text.len() - escapes
}

/// The message with something else in some places.
fn spliced(json: &[u8], places: [(Option<Range<usize>>, &[u8]); 2]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut from = 0;
    for (place, text) in places {
        let Some(place) = place else { continue };
        out.extend_from_slice(json.get(from..place.start).unwrap_or_default());
        out.extend_from_slice(text);
        from = place.end;
    }
    out.extend_from_slice(json.get(from..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::escape;

    fn message(sql: Option<&str>, params: Option<&[Option<&str>]>) -> Vec<u8> {
        let text = |text: &str| {
            let mut out = Vec::new();
            escape(text.as_bytes(), &mut out);
            format!("\"{}\"", String::from_utf8(out).unwrap())
        };
        let null = || "null".to_owned();
        let sql = sql.map_or_else(null, text);
        let params = params.map_or_else(null, |params| {
            let texts: Vec<_> = params.iter().map(|param| param.map_or_else(null, text)).collect();
            format!("[{}]", texts.join(","))
        });
        format!(r#"{{"user":"a\"],","connectionId":7,"sql":{sql},"queryParams":{params},"errorMessage":null,"serverInfo":"x"}}"#)
            .into_bytes()
    }

    fn value(cut: &Cut) -> serde_json::Value {
        serde_json::from_slice(&cut.value).unwrap()
    }

    #[test]
    fn the_sql_is_cut_first_and_at_a_character() {
        let sql = "INSERT 'é\n\u{1}😀' ".repeat(100);
        let params = [Some("a"), None, Some("é")];
        let whole = message(Some(&sql), Some(&params));
        let fixed = whole.len() - message(Some(""), Some(&params)).len();
        for limit in whole.len() - fixed + FRONT + 3..whole.len() {
            let cut = cut(&whole, limit).unwrap();
            assert!(cut.value.len() <= limit && cut.value.len() + 6 > limit, "{limit} {}", cut.value.len());
            let json = value(&cut);
            let front = json["sql"].as_str().unwrap().strip_suffix("...").unwrap();
            assert!(sql.starts_with(front), "{front}");
            assert_eq!(json["queryParams"], serde_json::json!(["a", null, "é"]));
            assert_eq!(*cut.note, format!("sql={}", sql.len()));
        }
    }

    #[test]
    fn then_parameters_are_cut_the_longest_first() {
        let (long, longer) = ("x".repeat(5000), "é".repeat(5000));
        let params = [Some("short"), None, Some(long.as_str()), Some(longer.as_str())];
        let whole = message(Some("INSERT"), Some(&params));
        let cut = cut(&whole, 8000).unwrap();
        assert!((7990..=8000).contains(&cut.value.len()));
        let json = value(&cut);
        let lengths: Vec<_> =
            json["queryParams"].as_array().unwrap().iter().map(|p| p.as_str().map(str::len)).collect();
        assert_eq!((&json["sql"], lengths[0], lengths[1]), (&"INSERT".into(), Some(5), None));
        assert!(lengths[2].unwrap().abs_diff(lengths[3].unwrap()) <= 1, "{lengths:?}");
        assert_eq!(*cut.note, *"queryParams=15005");
    }

    #[test]
    fn at_last_parameters_are_left_out() {
        let texts: Vec<_> = (0..60_000).map(|number| format!("the parameter with the number {number}")).collect();
        let params: Vec<_> = texts.iter().map(|text| Some(text.as_str())).collect();
        let sql = "SELECT ".repeat(100);
        let cut = cut(&message(Some(&sql), Some(&params)), 2000).unwrap();
        let json = value(&cut);
        let kept = json["queryParams"].as_array().unwrap();
        assert!(cut.value.len() <= 2000 && kept.len() > 50);
        assert_eq!((kept.first(), kept.last()), (Some(&"the parameter wi...".into()), Some(&"...".into())));
        assert_eq!(json["sql"].as_str().unwrap().len(), FRONT + 3);
        let bytes: usize = texts.iter().map(String::len).sum();
        assert_eq!(*cut.note, format!("sql=700 queryParams={bytes}"));
    }

    #[test]
    fn what_cannot_be_cut_is_not() {
        let whole = message(Some("SELECT 1"), None);
        assert_eq!(cut(&whole, whole.len() - 6), None);
        assert_eq!(cut(br#"{"id":1}"#, 5), None);
        assert_eq!(cut(b"no JSON", 5), None);
        assert_eq!(cut(br#"{"sql":"abcdefghijk"#, 5), None);
    }

    proptest! {
        #[test]
        fn it_is_a_message_within_the_limit(
            sql in proptest::option::of("\\PC{0,300}|[\\x00-\\x7f]{0,600}"),
            params in proptest::option::of(proptest::collection::vec(proptest::option::of("\\PC{0,40}|[\\x00-\\x7f]{0,80}"), 0..40)),
            share in 0.0..1.0f64,
        ) {
            let borrowed: Option<Vec<_>> = params.as_ref().map(|params| params.iter().map(Option::as_deref).collect());
            let whole = message(sql.as_deref(), borrowed.as_deref());
            let limit = (whole.len() as f64 * share) as usize;
            if let Some(cut) = cut(&whole, limit) {
                prop_assert!(cut.value.len() <= limit);
                let (before, after) = (serde_json::from_slice::<serde_json::Value>(&whole).unwrap(), value(&cut));
                let is_front = |before: &serde_json::Value, after: &serde_json::Value| {
                    before == after || after.as_str().and_then(|text| text.strip_suffix("...")).is_some_and(|front| before.as_str().is_some_and(|before| before.starts_with(front)))
                };
                prop_assert!(is_front(&before["sql"], &after["sql"]));
                for (name, value) in before.as_object().unwrap() {
                    prop_assert!(["sql", "queryParams"].contains(&name.as_str()) || after[name] == *value);
                }
                if let Some(kept) = after["queryParams"].as_array() {
                    for (index, kept) in kept.iter().enumerate() {
                        prop_assert!(is_front(&before["queryParams"][index], kept) || *kept == "...");
                    }
                }
                if after["sql"] != before["sql"] {
                    let noted = format!("sql={}", sql.as_ref().unwrap().len());
                    prop_assert!(cut.note.starts_with(&noted));
                }
            } else {
                // It has nothing left that could be cut.
                prop_assert!(limit < message(sql.as_ref().map(|_| "..."), borrowed.as_ref().map(|_| [Some("...")].as_slice())).len());
            }
        }
    }
}
