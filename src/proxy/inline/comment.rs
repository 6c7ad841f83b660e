//! The comment's text.

use std::fmt::Write;

use crate::session::SessionFacts;

/// `/* Id [..] User [..] Client [..] Count [..] Debug [..] */` and a newline, in printable ASCII: the same bytes in every character set that a client
/// may send texts in. `count`: the statement's number in its session.
pub(super) fn comment(session: &SessionFacts, client: &str, count: u64, debug: &str) -> Vec<u8> {
    let mut text = String::with_capacity(128);
    let id = session.connection_id.unwrap_or_default();
    // Writing to a string does not fail.
    let _ = write!(text, "/* Id [{id}] User [");
    push_plain(&mut text, session.user.as_deref().unwrap_or_default());
    text.push_str("] Client [");
    push_plain(&mut text, client);
    let _ = write!(text, "] Count [{count}] Debug [");
    push_plain(&mut text, debug);
    text.push_str("] */\n");
    text.into_bytes()
}

/// Appends a value that can neither end the comment nor look like another of its parts: whatever might is written as `\xHH`, byte by byte.
fn push_plain(text: &mut String, value: &str) {
    let mut previous = b' ';
    for byte in value.bytes() {
        let ends_or_begins = matches!((previous, byte), (b'*', b'/') | (b'/', b'*'));
        let is_plain = matches!(byte, b' '..=b'~') && !matches!(byte, b'[' | b']' | b'\\');
        if is_plain && !ends_or_begins {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "\\x{byte:02X}");
        }
        previous = byte;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(user: &str, client: &str, debug: &str) -> String {
        let session = SessionFacts { connection_id: Some(7), user: Some(user.into()), ..SessionFacts::default() };
        String::from_utf8(comment(&session, client, 3, debug)).unwrap()
    }

    #[test]
    fn the_parts_in_their_order() {
        assert_eq!(of("app", "10.0.0.1", "shop"), "/* Id [7] User [app] Client [10.0.0.1] Count [3] Debug [shop] */\n");
    }

    #[test]
    fn no_value_ends_the_comment_or_begins_another_part() {
        assert_eq!(
            of("*/ DROP", "/*/", "x] Debug [y\\\n\u{e9}"),
            "/* Id [7] User [*\\x2F DROP] Client [/\\x2A\\x2F] Count [3] Debug [x\\x5D Debug \\x5By\\x5C\\x0A\\xC3\\xA9] */\n"
        );
        let alphabet = ["*", "/", "[", "]", "\\", "a", "\u{815c}", "\0", "!", "+"];
        for first in alphabet {
            for second in alphabet {
                for third in alphabet {
                    let value = [first, second, third].concat();
                    let text = of(&value, &value, &value);
                    assert_eq!((text.matches("*/").count(), text.matches("/*").count()), (1, 1), "{text}");
                    assert!(text.trim_end().bytes().all(|byte| matches!(byte, b' '..=b'~')), "{text}");
                    assert_eq!((text.matches('[').count(), text.matches(']').count()), (5, 5), "{text}");
                }
            }
        }
    }
}
