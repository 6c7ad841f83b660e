//! How the buffers of a batch lie: how wide the values in each of them are.

use arrow_schema::{DataType, Field, Schema};

/// The width of offsets, of texts and lists.
const OFFSET: u64 = 4;
/// Bits and bytes: any length will do.
const ANY: u64 = 1;

/// Of each buffer of a batch with this schema, how many bytes a value takes. Arrow's reader takes a buffer for as many values, and panics if
/// it is longer or shorter by a part of one.
pub(super) fn of_batch(schema: &Schema) -> Vec<u64> {
    let mut widths = Vec::new();
    schema.fields().iter().for_each(|field| add(field, &mut widths));
    widths
}

/// Of the buffers of a dictionary: its values are texts.
pub(super) fn of_dictionary() -> Vec<u64> {
    vec![ANY, OFFSET, ANY]
}

fn add(field: &Field, widths: &mut Vec<u64>) {
    // Whether there is a value, a bit each.
    widths.push(ANY);
    match field.data_type() {
        DataType::Utf8 | DataType::Binary => widths.extend([OFFSET, ANY]),
        DataType::List(item) => {
            widths.push(OFFSET);
            add(item, widths);
        }
        DataType::Struct(fields) => fields.iter().for_each(|field| add(field, widths)),
        DataType::Dictionary(key, _) => widths.push(width(key)),
        other => widths.push(width(other)),
    }
}

fn width(of: &DataType) -> u64 {
    of.primitive_width().map_or(ANY, |width| width as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_follow_the_schema() {
        let list = DataType::List(Field::new("item", DataType::Utf8, true).into());
        let key = DataType::Dictionary(Box::new(DataType::UInt8), Box::new(DataType::Utf8));
        let fields = [("a", DataType::UInt64), ("b", list), ("c", key), ("d", DataType::Boolean)];
        let fields: Vec<_> = fields.into_iter().map(|(name, of)| Field::new(name, of, true)).collect();
        assert_eq!(of_batch(&Schema::new(fields)), [1, 8, 1, 4, 1, 4, 1, 1, 1, 1, 1]);
    }
}
