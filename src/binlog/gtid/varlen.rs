//! Variable-length integers of MySQL's serialization library (`libs/mysql/serialization/readme.md`, "Variable-length
//! integers"): as many one bits at the low end of the first byte as there are further bytes, a zero bit, the value.

use crate::mysql::wire::{Malformed, Reader};

/// The next integer: 1 to 9 bytes.
pub(super) fn unsigned(reader: &mut Reader<'_>) -> Result<u64, Malformed> {
    let first = reader.u8()?;
    let more = first.trailing_ones(); // 0 to 8
    let rest = little_endian(reader, more as usize)?;
    if more == 8 {
        return Ok(rest);
    }
    // With 7 further bytes nothing of the first belongs to the value, and a shift by 8 would overflow.
    let low = first.checked_shr(more + 1).unwrap_or(0);
    Ok(rest << (7 - more) | u64::from(low))
}

/// The next signed integer: its sign is the lowest bit of the unsigned one.
pub(super) fn signed(reader: &mut Reader<'_>) -> Result<i64, Malformed> {
    let value = unsigned(reader)?;
    let magnitude = (value >> 1).cast_signed();
    Ok(if value & 1 == 0 { magnitude } else { !magnitude })
}

/// The next `size` bytes, at most eight of them, as a little-endian integer.
pub(super) fn little_endian(reader: &mut Reader<'_>, size: usize) -> Result<u64, Malformed> {
    let mut bytes = [0; 8];
    let target = bytes.get_mut(..size).ok_or_else(|| reader.malformed())?;
    target.copy_from_slice(reader.bytes(size)?);
    Ok(u64::from_le_bytes(bytes))
}

/// Appends a number below 64, which takes one byte whose lowest bit is zero.
pub(super) fn push_small(out: &mut Vec<u8>, value: u8) {
    debug_assert!(value < 64);
    out.push(value << 1);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<u64, Malformed> {
        let mut reader = Reader::new(bytes, "test");
        let value = unsigned(&mut reader)?;
        assert!(reader.is_empty());
        Ok(value)
    }

    /// By the text of the format, not by the reader turned round: shift the value, set the bits that give the length.
    fn write(value: u64) -> Vec<u8> {
        let more = (0..8).find(|more| value.checked_shr(7 * (more + 1)).unwrap_or(0) == 0).unwrap_or(8);
        if more == 8 {
            return [vec![0xff], value.to_le_bytes().to_vec()].concat();
        }
        let whole = u128::from(value) << (more + 1) | ((1 << more) - 1);
        whole.to_le_bytes()[..=more as usize].to_vec()
    }

    #[test]
    fn examples_of_the_specification() {
        assert_eq!(read(&[0b1111_1011, 0xff, 0x07]), Ok(65535));
        let signed_of = |bytes: &[u8]| signed(&mut Reader::new(bytes, "test"));
        assert_eq!(signed_of(&[0b1111_0011, 0xff, 0x0f]), Ok(65535));
        assert_eq!(signed_of(&[0b1110_1011, 0xff, 0x0f]), Ok(-65535));
        assert_eq!(signed_of(&[0b1111_1011, 0xff, 0x0f]), Ok(-65536));
        assert_eq!(read(&[0x7f, 0xe5, 0xb2, 0x68, 0xc5, 0xc8, 0x60, 0x06]), Ok(1_795_265_281_962_725));
        assert!(read(&[]).is_err());
        assert!(read(&[0xff, 1, 2, 3, 4, 5, 6, 7]).is_err());
    }

    proptest! {
        #[test]
        fn every_width(value: u64, shift in 0_u32..64) {
            let value = value >> shift;
            prop_assert_eq!(read(&write(value)), Ok(value));
        }
    }
}
