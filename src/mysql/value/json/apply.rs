//! A document after a partial update.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::mysql::value::json::diff::{JsonDiff, JsonDiffOperation, JsonDiffs};
use crate::mysql::value::json::document::{Parsed, Value};
use crate::mysql::value::json::path::{self, Leg};
use crate::mysql::value::json::text;
use crate::mysql::value::json::write::{Budget, Writer, deeper, or_undo};
use crate::mysql::wire::Malformed;

/// A diff for another document than this one: the server rejects it too (`enum_json_diff_status::REJECTED`).
const REJECTED: Malformed = Malformed("JSON diff: does not fit the document");

/// Appends the text of a whole document as it is after a partial update.
///
/// `before` is the column's binary document in the before image, `diffs` what [`crate::mysql::value::json::JsonDiffs`] reads. Only the
/// objects and arrays on the diffs' paths are taken apart; all else is written from `before`.
///
/// # Errors
///
/// For bytes that do not have the form, and for diffs that do not fit the document: a path that is not there, or that is
/// there already in the case of a new member. `out` is then as it was.
pub(crate) fn apply_diffs(before: &[u8], diffs: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    // Each byte of the two may be used once; see `Budget`.
    let mut budget = Budget(before.len().saturating_add(diffs.len()));
    let mut root = Node::Raw(Value::document(before)?);
    for diff in JsonDiffs::new(diffs) {
        root.apply(&diff?, &mut budget)?;
    }
    or_undo(out, |out| root.write(&mut Writer { out, budget }, 0))
}

/// A value that is as it was, or one that has been taken apart to change something in it.
#[derive(Debug)]
enum Node<'a> {
    Raw(Value<'a>),
    /// In the order of [`compare_keys`].
    Object(Vec<(Cow<'a, [u8]>, Self)>),
    Array(Vec<Self>),
}

/// The order of an object's members: short keys first, keys of one length by their bytes (`Json_key_comparator`).
fn compare_keys(left: &[u8], right: &[u8]) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

/// Where a key is, or belongs.
fn find(members: &[(Cow<'_, [u8]>, Node<'_>)], key: &[u8]) -> Result<usize, usize> {
    members.binary_search_by(|(other, _)| compare_keys(other, key))
}

impl<'a> Node<'a> {
    /// Takes an object or array apart, one level of it.
    fn expand(&mut self, budget: &mut Budget) -> Result<(), Malformed> {
        let Self::Raw(value) = self else { return Ok(()) };
        match value.parse()? {
            Parsed::Object(object) => {
                budget.spend(object.header_length())?;
                let mut members = Vec::with_capacity(object.count());
                for member in object.members() {
                    let (key, value) = member?;
                    budget.spend(key.len())?;
                    members.push((Cow::Borrowed(key), Self::Raw(value)));
                }
                // The server writes them in order; the search relies on it.
                if !members.is_sorted_by(|(left, _), (right, _)| compare_keys(left, right).is_le()) {
                    members.sort_by(|(left, _), (right, _)| compare_keys(left, right));
                }
                *self = Self::Object(members);
            }
            Parsed::Array(array) => {
                budget.spend(array.header_length())?;
                let mut elements = Vec::with_capacity(array.count());
                for value in array.values() {
                    elements.push(Self::Raw(value?));
                }
                *self = Self::Array(elements);
            }
            _ => {}
        }
        Ok(())
    }

    /// The node at the end of the path, taken apart like those on the way.
    fn seek(&mut self, legs: &[Leg<'_>], budget: &mut Budget) -> Result<&mut Self, Malformed> {
        let mut node = self;
        node.expand(budget)?;
        for leg in legs {
            node = match (node, leg) {
                (Self::Object(members), Leg::Member(key)) => {
                    let index = find(members, key).map_err(|_| REJECTED)?;
                    members.get_mut(index).map(|(_, value)| value)
                }
                (Self::Array(elements), cell) => {
                    let index = cell.index(elements.len()).ok_or(REJECTED)?;
                    elements.get_mut(index)
                }
                _ => None,
            }
            .ok_or(REJECTED)?;
            node.expand(budget)?;
        }
        Ok(node)
    }

    /// `apply_json_diff` in `sql-common/json_diff.cc`.
    fn apply(&mut self, diff: &JsonDiff<'a>, budget: &mut Budget) -> Result<(), Malformed> {
        let legs = path::parse(diff.path)?;
        // There are no diffs for the root: it is written as a whole.
        let (last, way) = legs.split_last().ok_or(REJECTED)?;
        let parent = self.seek(way, budget)?;
        let value = Self::Raw(Value::document(diff.value.unwrap_or_default())?);
        match (parent, last, diff.operation) {
            (Self::Object(members), Leg::Member(key), operation) => match (operation, find(members, key)) {
                (JsonDiffOperation::Replace, Ok(index)) => {
                    members.get_mut(index).ok_or(REJECTED)?.1 = value;
                }
                (JsonDiffOperation::Remove, Ok(index)) => {
                    members.remove(index);
                }
                (JsonDiffOperation::Insert, Err(index)) => {
                    members.insert(index, (Cow::Owned(key.to_vec()), value));
                }
                _ => return Err(REJECTED),
            },
            (Self::Array(_), Leg::Member(_), _) => return Err(REJECTED),
            (Self::Array(elements), cell, JsonDiffOperation::Insert) => {
                // The server puts it at the nearest end if there is no such place.
                let index = cell.index(elements.len()).unwrap_or(0).min(elements.len());
                elements.insert(index, value);
            }
            (Self::Array(elements), cell, operation) => {
                let index = cell.index(elements.len()).ok_or(REJECTED)?;
                let element = elements.get_mut(index).ok_or(REJECTED)?;
                if operation == JsonDiffOperation::Replace {
                    *element = value;
                } else {
                    elements.remove(index);
                }
            }
            _ => return Err(REJECTED),
        }
        Ok(())
    }

    fn write(&self, writer: &mut Writer<'_>, depth: usize) -> Result<(), Malformed> {
        match self {
            Self::Raw(value) => writer.value(*value, depth)?,
            Self::Object(members) => {
                let depth = deeper(depth)?;
                writer.out.push(b'{');
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        writer.out.push(b',');
                    }
                    text::string(key, writer.out);
                    writer.out.push(b':');
                    value.write(writer, depth)?;
                }
                writer.out.push(b'}');
            }
            Self::Array(elements) => {
                let depth = deeper(depth)?;
                writer.out.push(b'[');
                for (index, value) in elements.iter().enumerate() {
                    if index > 0 {
                        writer.out.push(b',');
                    }
                    value.write(writer, depth)?;
                }
                writer.out.push(b']');
            }
        }
        Ok(())
    }
}
