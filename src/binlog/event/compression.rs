//! MariaDB's compressed events and columns.

use std::io::Read;

use crate::binlog::event::error::DecodeError;
use crate::mysql::wire::Malformed;

/// The largest event that is decoded: the servers' own limit (`slave_max_allowed_packet`).
pub(crate) const LARGEST_EVENT: u64 = 1 << 30;

/// Decompresses what MariaDB's `log_bin_compress` has compressed: a byte with the algorithm and the length of the length, the
/// length (most significant byte first), and zlib data (MariaDB's `sql/log_event.cc`, binlog_buf_uncompress).
pub(crate) fn decompress_event(compressed: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    const WHAT: Malformed = Malformed("MariaDB's compressed event");
    let (first, rest) = compressed.split_first().ok_or(WHAT)?;
    if first & 0xe0 != 0x80 {
        return Err(WHAT.into());
    }
    let (length, data) = rest.split_at_checked(usize::from(first & 7)).ok_or(WHAT)?;
    let length = length.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    if length > LARGEST_EVENT {
        return Err(WHAT.into());
    }
    let read = flate2::read::ZlibDecoder::new(data).take(length).read_to_end(out).map_err(DecodeError::Decompress)?;
    if read as u64 == length { Ok(()) } else { Err(WHAT.into()) }
}

/// Decompresses the value of one of MariaDB's `COMPRESSED` columns (its `sql/field.cc`, Field_longstr::compress): a byte, the length
/// (most significant byte first), and zlib data with or without zlib's own header; or a zero and the value.
pub(crate) fn decompress_column(value: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    const WHAT: Malformed = Malformed("MariaDB's compressed column");
    let Some((first, rest)) = value.split_first() else {
        return Ok(());
    };
    if *first == 0 {
        out.extend_from_slice(rest);
        return Ok(());
    }
    if first & 0x80 == 0 {
        return Err(WHAT.into());
    }
    let (length, data) = rest.split_at_checked(usize::from(first & 7)).ok_or(WHAT)?;
    let length = length.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    if length > LARGEST_EVENT {
        return Err(WHAT.into());
    }
    let read = if first & 8 == 0 {
        flate2::read::ZlibDecoder::new(data).take(length).read_to_end(out)
    } else {
        flate2::read::DeflateDecoder::new(data).take(length).read_to_end(out)
    };
    if read.map_err(DecodeError::Decompress)? as u64 == length { Ok(()) } else { Err(WHAT.into()) }
}
