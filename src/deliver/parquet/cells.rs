//! Numbers and bytes in their columns.

use super::columns::{NO_SLOT, Slots, Values};
use crate::mysql::wire::Malformed;

/// A page's length and Arrow's offsets have 31 bits; less a batch's other rows and what stands around a value. No event that a server
/// writes has a value of half that, but as JSON it may be longer.
const LONGEST: usize = (1 << 31) - (16 << 20);

/// Defines functions that put a number into the next column.
macro_rules! numbers {
    ($($(#[$meta:meta])* $name:ident($type:ty) => $variant:ident;)*) => {
        impl Slots<'_> {
            $($(#[$meta])*
            #[inline]
            pub(crate) fn $name(&mut self, value: $type) -> Result<(), Malformed> {
                self.put(|values| match values {
                    Values::$variant(vec) => {
                        vec.push(value);
                        Ok(size_of::<$type>())
                    }
                    _ => Err(NO_SLOT),
                })
            })*
        }
    };
}

numbers! {
    u8(u8) => U8;
    u16(u16) => U16;
    u32(u32) => U32;
    u64(u64) => U64;
    i32(i32) => I32;
    i64(i64) => I64;
    f32(f32) => F32;
    f64(f64) => F64;
}

impl Slots<'_> {
    /// Bytes that `write` appends to those of the column.
    #[inline]
    pub(crate) fn bytes_with(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        self.put(|values| {
            let Values::Bytes(lists) = values else { return Err(NO_SLOT) };
            write(&mut lists.items)?;
            match lists.end() {
                length if length <= LONGEST => Ok(length),
                _ => Err(Malformed("a value of more than 2 GB, which Parquet cannot hold")),
            }
        })
    }

    #[inline]
    pub(crate) fn bytes(&mut self, value: &[u8]) -> Result<(), Malformed> {
        self.bytes_with(|out| {
            out.extend_from_slice(value);
            Ok(())
        })
    }
}
