//! Values to text.

use crate::mysql::value::digits::integer;
use crate::mysql::value::json::document::{Container, MAX_DEPTH, Parsed, Value, WHAT};
use crate::mysql::value::json::{opaque, text};
use crate::mysql::wire::Malformed;

/// Appends the text of a whole document. No bytes at all stand for JSON null, as in the server (`parse_binary`).
///
/// Bytes that are not UTF-8 become U+FFFD. The text is at most a small multiple of `bytes` long, whatever they are: the
/// values of a document may not share bytes.
///
/// # Errors
///
/// For a document that does not have the form, or nests deeper than 100; `out` is then as it was.
pub(crate) fn write_json(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    or_undo(out, |out| {
        let mut writer = Writer { out, budget: Budget(bytes.len()) };
        writer.value(Value::document(bytes)?, 0)
    })
}

/// Leaves in `out` all that `write` appends, or nothing of it.
pub(crate) fn or_undo(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let length = out.len();
    let result = write(out);
    if result.is_err() {
        out.truncate(length);
    }
    result
}

/// How many bytes of a document may still be read. In a proper one no byte belongs to two values; without a bound, a
/// few hundred bytes with many places that say the same could become any amount of text.
#[derive(Debug)]
pub(crate) struct Budget(pub(crate) usize);

impl Budget {
    #[inline]
    pub(crate) fn spend(&mut self, bytes: usize) -> Result<(), Malformed> {
        self.0 = self.0.checked_sub(bytes).ok_or(Malformed(WHAT))?;
        Ok(())
    }
}

/// Appends values to `out`.
#[derive(Debug)]
pub(crate) struct Writer<'o> {
    pub(crate) out: &'o mut Vec<u8>,
    pub(crate) budget: Budget,
}

impl Writer<'_> {
    /// `depth` is the number of arrays and objects around the value.
    pub(crate) fn value(&mut self, value: Value<'_>, depth: usize) -> Result<(), Malformed> {
        match value.parse()? {
            Parsed::Object(object) => self.object(&object, deeper(depth)?)?,
            Parsed::Array(array) => self.array(&array, deeper(depth)?)?,
            Parsed::Null => self.out.extend_from_slice(b"null"),
            Parsed::Bool(true) => self.out.extend_from_slice(b"true"),
            Parsed::Bool(false) => self.out.extend_from_slice(b"false"),
            Parsed::Int(value) => integer(self.out, value),
            Parsed::UInt(value) => integer(self.out, value),
            Parsed::Double(value) => text::double(value, self.out),
            Parsed::String(bytes) => {
                self.budget.spend(bytes.len())?;
                text::string(bytes, self.out);
            }
            Parsed::Opaque { field_type, bytes } => {
                self.budget.spend(bytes.len())?;
                opaque::write(field_type, bytes, self.out)?;
            }
        }
        Ok(())
    }

    fn array(&mut self, array: &Container<'_>, depth: usize) -> Result<(), Malformed> {
        self.budget.spend(array.header_length())?;
        self.out.push(b'[');
        for (index, value) in array.values().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.value(value?, depth)?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn object(&mut self, object: &Container<'_>, depth: usize) -> Result<(), Malformed> {
        self.budget.spend(object.header_length())?;
        self.out.push(b'{');
        for (index, member) in object.members().enumerate() {
            let (key, value) = member?;
            if index > 0 {
                self.out.push(b',');
            }
            self.budget.spend(key.len())?;
            text::string(key, self.out);
            self.out.push(b':');
            self.value(value, depth)?;
        }
        self.out.push(b'}');
        Ok(())
    }
}

/// The depth inside an array or object at `depth`.
pub(crate) fn deeper(depth: usize) -> Result<usize, Malformed> {
    if depth < MAX_DEPTH { Ok(depth + 1) } else { Err(Malformed("binary JSON document: too deep")) }
}
