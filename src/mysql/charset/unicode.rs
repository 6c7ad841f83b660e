//! Encodings of Unicode, and UTF-8 to be written.

/// What is done with bytes that are no character.
pub(crate) type Bad<'b> = &'b mut dyn FnMut(&[u8], &mut Vec<u8>);

/// U+FFFD in their place.
pub(crate) fn replace(_: &[u8], out: &mut Vec<u8>) {
    push(REPLACEMENT, out);
}

/// Which byte of a UTF-16 unit comes first.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ByteOrder {
    Big,
    Little,
}

impl ByteOrder {
    fn unit(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Big => u16::from_be_bytes(bytes),
            Self::Little => u16::from_le_bytes(bytes),
        }
    }

    fn bytes(self, unit: u16) -> [u8; 2] {
        match self {
            Self::Big => unit.to_be_bytes(),
            Self::Little => unit.to_le_bytes(),
        }
    }
}

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
pub(crate) fn append_utf8(bytes: &[u8], out: &mut Vec<u8>, bad: Bad<'_>) {
    if std::str::from_utf8(bytes).is_ok() {
        out.extend_from_slice(bytes);
        return;
    }
    for chunk in bytes.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            bad(chunk.invalid(), out);
        }
    }
}

/// UTF-16.
pub(crate) fn append_utf16(bytes: &[u8], order: ByteOrder, out: &mut Vec<u8>, bad: Bad<'_>) {
    let (units, rest) = bytes.as_chunks::<2>();
    out.reserve(bytes.len());
    for char in char::decode_utf16(units.iter().map(|&bytes| order.unit(bytes))) {
        match char {
            Ok(char) => push_char(char, out),
            Err(lone) => bad(&order.bytes(lone.unpaired_surrogate()), out),
        }
    }
    if !rest.is_empty() {
        bad(rest, out);
    }
}

/// UTF-32 with the most significant byte first.
pub(crate) fn append_utf32(bytes: &[u8], out: &mut Vec<u8>, bad: Bad<'_>) {
    let (units, rest) = bytes.as_chunks::<4>();
    for unit in units {
        match char::from_u32(u32::from_be_bytes(*unit)) {
            Some(char) => push_char(char, out),
            None => bad(unit, out),
        }
    }
    if !rest.is_empty() {
        bad(rest, out);
    }
}
