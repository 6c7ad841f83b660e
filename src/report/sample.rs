//! A statement's text with its parameters' values in their places: for people, and for EXPLAIN.

use super::statement::shown;
use crate::mysql::sql::{Kind, Lexis, Tokens};
use crate::recording::{Param, ParamValue, RecordedCommand};

/// A longer value is not put into a text.
const LONGEST_VALUE: usize = 256;

/// The command's text as it is shown, and whether that is not all of it. Where its values are all known and short, they stand in it.
pub(super) fn sample(command: &RecordedCommand, lexis: Lexis) -> (String, bool) {
    let sql = command.sql.as_deref().unwrap_or_default();
    if command.param_rows == 1
        && !command.params.is_empty()
        && sql.len() < 4096
        && let Some(text) = with_values(sql, &command.params, lexis)
    {
        return shown(&text);
    }
    shown(sql)
}

/// `None` where there are not as many values as places, or one of them cannot stand in a text.
fn with_values(sql: &[u8], params: &[Param], lexis: Lexis) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(sql.len() + params.len() * 8);
    let mut copied = 0;
    let mut params = params.iter();
    let mut tokens = Tokens::new(sql, lexis);
    while let Some(token) = tokens.next() {
        if token.kind == Kind::Other && tokens.text(&token) == b"?" {
            text.extend_from_slice(sql.get(copied..token.start)?);
            literal(&mut text, params.next()?)?;
            copied = token.end;
        }
    }
    text.extend_from_slice(sql.get(copied..)?);
    params.next().is_none().then_some(text)
}

fn literal(out: &mut Vec<u8>, param: &Param) -> Option<()> {
    let value = match &param.value {
        ParamValue::Null => {
            out.extend_from_slice(b"NULL");
            return Some(());
        }
        ParamValue::Given(value) if value.len() <= LONGEST_VALUE => value,
        _ => return None,
    };
    let is_number = is_number_type(param.column_type & !Param::UNSIGNED) && is_number(value);
    let is_plain = std::str::from_utf8(value)
        .is_ok_and(|text| !text.contains(['\'', '\\']) && !text.chars().any(char::is_control));
    if is_number {
        out.extend_from_slice(value);
    } else if is_plain {
        out.push(b'\'');
        out.extend_from_slice(value);
        out.push(b'\'');
    } else {
        out.extend_from_slice(b"X'");
        value.iter().for_each(|byte| out.extend_from_slice(format!("{byte:02X}").as_bytes()));
        out.push(b'\'');
    }
    Some(())
}

/// TINY, SHORT, LONG, FLOAT, DOUBLE, LONGLONG, INT24, YEAR, NEWDECIMAL (`enum_field_types` in both servers' headers).
fn is_number_type(column_type: u16) -> bool {
    matches!(column_type, 1..=5 | 8 | 9 | 13 | 246)
}

fn is_number(value: &[u8]) -> bool {
    value.iter().any(u8::is_ascii_digit) && value.iter().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::query;

    fn shown_with(sql: &str, params: &[(u16, ParamValue)]) -> String {
        let params =
            params.iter().map(|(column_type, value)| Param { column_type: *column_type, value: value.clone() });
        sample(&RecordedCommand { params: params.collect(), ..query(sql) }, Lexis::default()).0
    }

    fn given(value: &'static [u8]) -> ParamValue {
        ParamValue::Given(value.into())
    }

    #[test]
    fn values_stand_where_the_placeholders_are() {
        let sql = "SELECT '?', `?`, ? /* ? */ FROM t WHERE a = ? AND b IN (?,?)";
        let params = [
            (8 | Param::UNSIGNED, given(b"18446744073709551615")),
            (253, given(b"it is")),
            (6, ParamValue::Null),
            (253, given(b"a'b\n")),
        ];
        let expected =
            "SELECT '?', `?`, 18446744073709551615 /* ? */ FROM t WHERE a = 'it is' AND b IN (NULL,X'6127620A')";
        assert_eq!(shown_with(sql, &params), expected);
    }

    #[test]
    fn what_cannot_stand_in_a_text_leaves_it_as_it_is() {
        let sql = "SELECT ? FROM t WHERE a = ?";
        for params in [
            &[(8, given(b"1"))][..],
            &[(8, given(b"1")), (252, ParamValue::LongData)],
            &[(8, given(b"1")), (8, given(b"1")), (8, given(b"1"))],
        ] {
            assert_eq!(shown_with(sql, params), sql);
        }
        // A type is the client's word only.
        assert_eq!(shown_with("SELECT ?", &[(8, given(b"1; DROP TABLE t"))]), "SELECT '1; DROP TABLE t'");
    }
}
