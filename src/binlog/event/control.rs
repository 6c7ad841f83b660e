//! Events about the stream itself: ROTATE, HEARTBEAT, INCIDENT.
//!
//! Source: MySQL's `libs/mysql/binlog/event/` (control_events.h, statement_events.h) and MariaDB's `sql/log_event.h`.

use crate::mysql::wire::{Malformed, Reader};

/// The body of a ROTATE event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotate<'a> {
    /// Where the next file is to be read from.
    pub position: u64,
    /// The next file's name.
    pub file: &'a [u8],
}

impl<'a> Rotate<'a> {
    /// Parses the body, without the checksum.
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body, "ROTATE event");
        Ok(Self { position: reader.u64()?, file: reader.rest() })
    }
}

/// The message of an INCIDENT event: the server may have lost events.
pub(crate) fn incident(body: &[u8]) -> Result<(u16, &[u8]), Malformed> {
    let mut reader = Reader::new(body, "INCIDENT event");
    let number = reader.u16()?;
    let length = usize::from(reader.u8()?);
    Ok((number, reader.bytes(length)?))
}

/// The file and position in the second form of a HEARTBEAT event, in 64 bits; nothing where it does not say both.
pub(crate) fn heartbeat(body: &[u8]) -> Result<Option<(&[u8], u64)>, Malformed> {
    let mut reader = Reader::new(body, "HEARTBEAT event");
    let (mut file, mut position) = (None, None);
    while !reader.is_empty() {
        match reader.lenenc_int()? {
            0 => break,
            1 => file = Some(reader.lenenc_bytes()?),
            2 => position = Some(Reader::new(reader.lenenc_bytes()?, "HEARTBEAT event").lenenc_int()?),
            _ => drop(reader.lenenc_bytes()?),
        }
    }
    Ok(file.zip(position))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_of_the_second_form_says_a_position_of_64_bits() {
        // Beyond 4 GiB; a field that is not known is passed over.
        let body = [&[1, 3][..], b"b.1", &[9, 1, 0, 2, 9, 0xfe], &4_527_458_311_u64.to_le_bytes(), &[0]].concat();
        assert_eq!(heartbeat(&body).unwrap(), Some((&b"b.1"[..], 4_527_458_311)));
        assert_eq!(heartbeat(&body[..5]).unwrap(), None);
        assert!(heartbeat(&body[..4]).is_err());
    }
}
