//! The protocol's basic types as they are written.

/// Appends an `int<lenenc>` in its shortest form.
///
/// ```
/// use mysql_interceptor::mysql::wire::write_lenenc_int;
/// let mut out = Vec::new();
/// write_lenenc_int(&mut out, 251);
/// assert_eq!(out, [0xfc, 251, 0]);
/// ```
pub fn write_lenenc_int(out: &mut Vec<u8>, value: u64) {
    let bytes = value.to_le_bytes();
    match value {
        0..=0xfa => out.push(bytes[0]),
        0xfb..=0xffff => out.extend_from_slice(&[0xfc, bytes[0], bytes[1]]),
        0x1_0000..=0xff_ffff => out.extend_from_slice(&[0xfd, bytes[0], bytes[1], bytes[2]]),
        _ => {
            out.push(0xfe);
            out.extend_from_slice(&bytes);
        }
    }
}

/// Appends a `string<lenenc>`.
pub fn write_lenenc_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_lenenc_int(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::wire::Reader;

    #[test]
    fn what_is_written_is_read_again() {
        for value in [0, 250, 251, 0xffff, 0x1_0000, 0xff_ffff, 0x100_0000, u64::MAX] {
            let mut out = Vec::new();
            write_lenenc_int(&mut out, value);
            let mut reader = Reader::new(&out, "test");
            assert_eq!(reader.lenenc_int(), Ok(value));
            assert!(reader.is_empty());
        }
        let mut out = Vec::new();
        write_lenenc_bytes(&mut out, &[7; 300]);
        assert_eq!(Reader::new(&out, "test").lenenc_bytes(), Ok(&[7; 300][..]));
    }
}
