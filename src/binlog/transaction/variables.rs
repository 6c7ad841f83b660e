//! The session's values that a statement logged as text depends on, as JSON.

use crate::binlog::event::variables::{IntVar, UserValue, UserVar};
use crate::json::number;
use crate::json::{base64, escaped};
use crate::mysql::charset::Charset;
use crate::mysql::value::decimal::Decimal;
use crate::mysql::value::digits::integer;
use crate::mysql::wire::Reader;

/// The values for the next statement, as the members of a JSON object.
#[derive(Debug, Default)]
pub(crate) struct StatementVariables {
    members: Vec<u8>,
}

impl StatementVariables {
    fn member(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.members.is_empty() {
            self.members.push(b',');
        }
        escaped(&mut self.members, name);
        self.members.push(b':');
        &mut self.members
    }

    pub(crate) fn int_var(&mut self, variable: IntVar) {
        let name = if variable.kind == 1 { "lastInsertId" } else { "insertId" };
        integer(self.member(name), variable.value);
    }

    pub(crate) fn rand(&mut self, first: u64, second: u64) {
        let out = self.member("randSeeds");
        out.push(b'[');
        integer(out, first);
        out.push(b',');
        integer(out, second);
        out.push(b']');
    }

    pub(crate) fn user_var(&mut self, variable: &UserVar<'_>) {
        let out = self.member(&format!("@{}", String::from_utf8_lossy(variable.name)));
        match variable.value {
            UserValue::Null => out.extend_from_slice(b"null"),
            UserValue::Text(bytes, collation) => {
                match u16::try_from(collation).ok().and_then(Charset::from_collation) {
                    Some(charset) if !charset.is_binary() => escaped(out, &charset.to_utf8(bytes)),
                    _ => base64(out, bytes),
                }
            }
            UserValue::Real(value) => number(out, value),
            UserValue::Int(value) => integer(out, value),
            UserValue::Unsigned(value) => integer(out, value),
            UserValue::Decimal(bytes) => match decimal(bytes) {
                Some(text) => escaped(out, &text),
                None => base64(out, bytes),
            },
        }
    }

    /// The object; nothing is left for the statement after the next.
    pub(crate) fn take(&mut self) -> String {
        let members = std::mem::take(&mut self.members);
        format!("{{{}}}", String::from_utf8_lossy(&members))
    }
}

fn decimal(bytes: &[u8]) -> Option<String> {
    let (precision, scale, digits) = match bytes {
        [precision, scale, digits @ ..] => (*precision, *scale, digits),
        _ => return None,
    };
    let mut reader = Reader::new(digits, "DECIMAL");
    let mut text = Vec::new();
    Decimal::read(&mut reader, precision, scale).ok()?.write(&mut text);
    String::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_as_the_server_writes_them() {
        let mut variables = StatementVariables::default();
        assert_eq!(variables.take(), "{}");
        variables.int_var(IntVar { kind: 2, value: 7 });
        variables.rand(1, 2);
        let mut body = vec![1, 0, 0, 0, b'n', 0, 2, 63, 0, 0, 0, 8, 0, 0, 0];
        body.extend_from_slice(&(-5_i64).to_le_bytes());
        body.push(0);
        variables.user_var(&UserVar::parse(&body).unwrap());
        let mut unsigned = body.clone();
        *unsigned.last_mut().unwrap() = 1;
        variables.user_var(&UserVar::parse(&unsigned).unwrap());
        let text = [&[1, 0, 0, 0, b't', 0, 0, 45, 0, 0, 0, 2, 0, 0, 0][..], b"a\"", &[0]].concat();
        variables.user_var(&UserVar::parse(&text).unwrap());
        variables.user_var(&UserVar::parse(&[1, 0, 0, 0, b'z', 1]).unwrap());
        assert_eq!(
            variables.take(),
            r#"{"insertId":7,"randSeeds":[1,2],"@n":-5,"@n":18446744073709551611,"@t":"a\"","@z":null}"#
        );
        assert_eq!(variables.take(), "{}");
        for end in 0..body.len() - 1 {
            assert!(UserVar::parse(&body[..end]).is_err(), "{end}");
        }
    }
}
