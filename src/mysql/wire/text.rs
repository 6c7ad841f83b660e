//! Bytes that should be text, for people.

/// The front of `bytes`, at most `limit` of them, without half a character at its end.
pub fn front_of_text(bytes: &[u8], limit: usize) -> &[u8] {
    let Some((front, rest)) = bytes.split_at_checked(limit) else { return bytes };
    // A character is of at most four bytes, those after the first 0b10xxxxxx.
    let is_inside = |byte: Option<&u8>| byte.is_some_and(|byte| byte & 0xc0 == 0x80);
    if !is_inside(rest.first()) {
        return front;
    }
    let torn = front.iter().rev().take(3).take_while(|byte| is_inside(Some(byte))).count() + 1;
    front.get(..front.len().saturating_sub(torn)).unwrap_or(front)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_between_characters() {
        let text = "aé€😀".as_bytes();
        let fronts: Vec<_> = (0..=text.len()).map(|limit| front_of_text(text, limit).len()).collect();
        assert_eq!(fronts, [0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10]);
        // What is not text is cut anywhere.
        assert!(front_of_text(&[0x80; 20], 10).len() >= 6);
    }
}
