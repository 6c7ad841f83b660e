//! Where in a connection's bytes a session can be read from, and what is no session that can be.

use crate::mysql::wire::Command;

/// What the client's bytes look like from here on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Front {
    /// They begin a request.
    Request,
    /// TLS.
    Encrypted,
    /// Frames of the compressed protocol, of which nobody has seen what was agreed on.
    Compressed,
    /// Not known.
    Other,
}

/// What the bytes of a segment of the client's are. `in_frames`: the session is known to be compressed.
///
/// Anything may begin a segment in the middle of a long text: what counts as a request either fills the segment exactly, or comes right
/// after an answer of the server's (`follows_answer`) and is so long that the segment is filled by it.
pub(super) fn front_of(bytes: &[u8], in_frames: bool, follows_answer: bool) -> Front {
    if is_tls_record(bytes) {
        return Front::Encrypted;
    }
    if in_frames {
        let is_frame = bytes.get(3) == Some(&0) && tiles(bytes, FRAME_HEADER);
        return if is_frame { Front::Request } else { Front::Other };
    }
    if is_frame_of_request(bytes) {
        return Front::Compressed;
    }
    let Some(([_, _, _, 0, code], _)) = bytes.split_first_chunk::<5>() else { return Front::Other };
    let command = Command::from_byte(*code);
    if matches!(command, Command::Sleep | Command::Unknown(_)) {
        return Front::Other;
    }
    let is_long = matches!(
        command,
        Command::Query
            | Command::StmtPrepare
            | Command::StmtExecute
            | Command::StmtSendLongData
            | Command::StmtBulkExecute
    );
    let fills = || length(bytes) + PACKET_HEADER > bytes.len() && bytes.len() >= FULL_SEGMENT;
    if tiles(bytes, PACKET_HEADER) || (follows_answer && is_long && fills()) { Front::Request } else { Front::Other }
}

/// Whether a server's first bytes greet a client of MySQL's protocol, version 10.
pub(super) fn is_greeting(bytes: &[u8]) -> bool {
    let Some(([_, _, _, 0, 10, digit], rest)) = bytes.split_first_chunk::<6>() else { return false };
    let version = rest.iter().position(|byte| *byte == 0).and_then(|end| rest.get(..end));
    let is_version = version.is_some_and(|version| version.contains(&b'.') && version.iter().all(u8::is_ascii_graphic));
    digit.is_ascii_digit() && is_version && (30..1024).contains(&length(bytes))
}

const PACKET_HEADER: usize = 4;
const FRAME_HEADER: usize = 7;
/// No path has a smaller maximum segment size: RFC 879's default, less options.
const FULL_SEGMENT: usize = 500;

fn length(bytes: &[u8]) -> usize {
    match bytes {
        [a, b, c, ..] => usize::from(*a) | usize::from(*b) << 8 | usize::from(*c) << 16,
        _ => 0,
    }
}

/// Whether packets with headers of this length fill the bytes exactly.
fn tiles(bytes: &[u8], header: usize) -> bool {
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = header + length(rest);
        match rest.get(end..) {
            Some(after) if rest.len() >= header => rest = after,
            _ => return false,
        }
    }
    !bytes.is_empty()
}

/// Records of TLS 1.0 to 1.3, the first of which is in the bytes as a whole, or at least begins.
fn is_tls_record(bytes: &[u8]) -> bool {
    match bytes {
        [20..=23, 3, 0..=4, high, low, ..] => {
            let length = usize::from(*high) << 8 | usize::from(*low);
            // No record is longer: RFC 8446, 5.2.
            (1..=16_640).contains(&length) && (bytes.len() >= length + 5 || bytes.len() >= FULL_SEGMENT)
        }
        _ => false,
    }
}

/// A frame with a request: packed by zlib or zstd, or as it is.
fn is_frame_of_request(bytes: &[u8]) -> bool {
    if bytes.get(3) != Some(&0) || !tiles(bytes, FRAME_HEADER) {
        return false;
    }
    let content = bytes.get(FRAME_HEADER..).unwrap_or_default();
    match bytes.get(4..FRAME_HEADER) {
        Some([0, 0, 0]) => {
            content.get(3) == Some(&0)
                && content.get(4).is_some_and(|code| !matches!(Command::from_byte(*code), Command::Unknown(_)))
                && tiles(content, PACKET_HEADER)
        }
        Some(_) => content.first() == Some(&0x78) || content.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
        [&length[..3], &[sequence], payload].concat()
    }

    fn plain(bytes: &[u8]) -> Front {
        front_of(bytes, false, false)
    }

    #[test]
    fn a_request_fills_its_segment_or_follows_an_answer() {
        let query = packet(0, b"\x03SELECT 1");
        assert_eq!(plain(&query), Front::Request);
        assert_eq!(plain(&[query.clone(), packet(0, b"\x0e")].concat()), Front::Request);
        assert_eq!(plain(&query[..query.len() - 1]), Front::Other);
        assert_eq!(plain(&query[1..]), Front::Other);
        assert_eq!(plain(&packet(1, b"\x03SELECT 1")), Front::Other, "it continues something");
        assert_eq!(plain(&packet(0, b"\x00")), Front::Other);
        assert_eq!(plain(b""), Front::Other);
        let long = packet(0, &[b"\x03SELECT '".as_slice(), &[b'a'; 5000]].concat());
        assert_eq!(front_of(&long[..1448], false, true), Front::Request);
        assert_eq!(front_of(&long[..1448], false, false), Front::Other, "it may be anything");
    }

    #[test]
    fn what_cannot_be_read_is_known() {
        let record = [&[23, 3, 3, 0, 100][..], &[9; 100]].concat();
        assert_eq!(plain(&record), Front::Encrypted);
        let inner = packet(0, b"\x03SELECT 1");
        let frame = [&packet(0, &[])[..3], &[0, 0, 0, 0], &inner].concat();
        let frame = [&[inner.len() as u8, 0, 0][..], &frame[3..]].concat();
        assert_eq!(plain(&frame), Front::Compressed);
        assert_eq!(front_of(&frame, true, false), Front::Request);
        let packed = [&[3, 0, 0, 0, 90, 0, 0][..], &[0x78, 0x9c, 1]].concat();
        assert_eq!(plain(&packed), Front::Compressed);
    }

    #[test]
    fn only_a_server_of_mysql_greets_like_one() {
        let greeting = packet(0, &[b"\x0a9.7.4\0".as_slice(), &[1; 60]].concat());
        assert!(is_greeting(&greeting));
        assert!(!is_greeting(b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n"));
        assert!(!is_greeting(b"SSH-2.0-OpenSSH_9.6\r\n"));
        assert!(!is_greeting(&greeting[..7]));
    }
}
