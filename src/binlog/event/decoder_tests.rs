use crate::binlog::event::decoder::*;

fn event(event_type: EventType, body: &[u8]) -> Vec<u8> {
    let mut event = vec![0, 0, 0, 0, event_type.code(), 1, 0, 0, 0];
    event.extend_from_slice(&((HEADER_LENGTH + body.len()) as u32).to_le_bytes());
    event.extend_from_slice(&[0; 6]);
    event.extend_from_slice(body);
    event
}

#[test]
fn a_server_has_decrypted_what_it_says_was_encrypted() {
    let mut format = b"\x04\x0010.11.19-MariaDB-log".to_vec();
    format.resize(56, 0);
    // The header's length, no types, no checksums and the room for this event's own.
    format.extend_from_slice(&[HEADER_LENGTH as u8, 0, 0, 0, 0, 0]);
    // Scheme, version of the key, nonce.
    let encryption = event(EventType::StartEncryption, &[1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for is_stream in [true, false] {
        let mut decoder = Decoder::default();
        if is_stream {
            decoder.begin_stream(false);
        }
        decoder.decode(&event(EventType::FormatDescription, &format), &mut |_, _| Ok(())).unwrap();
        let result = decoder.decode(&encryption, &mut |_, event| {
            assert!(matches!(event, Event::Ignored));
            Ok(())
        });
        assert_eq!(result.is_ok(), is_stream, "{result:?}");
        assert!(is_stream || matches!(result, Err(DecodeError::Encrypted)));
    }
}
