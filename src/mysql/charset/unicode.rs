//! Encodings of Unicode, and UTF-8 to be written.

/// U+FFFD, which stands for what is no character.
pub(crate) const REPLACEMENT: u16 = 0xFFFD;

/// Appends one character of the Basic Multilingual Plane; a surrogate becomes U+FFFD.
#[inline]
pub(crate) fn push(char: u16, out: &mut Vec<u8>) {
    // Slices of a known length, which is what makes this faster than `char::encode_utf8`.
    let [high, low] = char.to_be_bytes();
    match char {
        0..=0x7F => out.push(low),
        0x80..=0x7FF => out.extend_from_slice(&[0xC0 | high << 2 | low >> 6, 0x80 | low & 0x3F]),
        0xD800..=0xDFFF => out.extend_from_slice("\u{FFFD}".as_bytes()),
        _ => {
            out.extend_from_slice(&[0xE0 | high >> 4, 0x80 | (high & 0xF) << 2 | low >> 6, 0x80 | low & 0x3F]);
        }
    }
}

fn push_char(char: char, out: &mut Vec<u8>) {
    out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Copies what is valid.
pub(crate) fn append_utf8(bytes: &[u8], out: &mut Vec<u8>) {
    if std::str::from_utf8(bytes).is_ok() {
        out.extend_from_slice(bytes);
        return;
    }
    for chunk in bytes.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            push(REPLACEMENT, out);
        }
    }
}

/// UTF-16 of either byte order, by `unit`.
pub(crate) fn append_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16, out: &mut Vec<u8>) {
    let (units, rest) = bytes.as_chunks::<2>();
    out.reserve(bytes.len());
    for char in char::decode_utf16(units.iter().map(|&bytes| unit(bytes))) {
        match char {
            Ok(char) => push_char(char, out),
            Err(_) => push(REPLACEMENT, out),
        }
    }
    if !rest.is_empty() {
        push(REPLACEMENT, out);
    }
}

/// UTF-32 with the most significant byte first.
pub(crate) fn append_utf32(bytes: &[u8], out: &mut Vec<u8>) {
    let (units, rest) = bytes.as_chunks::<4>();
    for &unit in units {
        push_char(char::from_u32(u32::from_be_bytes(unit)).unwrap_or(char::REPLACEMENT_CHARACTER), out);
    }
    if !rest.is_empty() {
        push(REPLACEMENT, out);
    }
}
