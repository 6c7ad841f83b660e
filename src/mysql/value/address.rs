//! MariaDB's UUIDs and addresses as text.

use std::fmt::Write;
// The types alone, which need no network: `core`, not `std`.
use core::net::{Ipv4Addr, Ipv6Addr};

/// Appends an IPv4 address as text; nothing if it has another length.
pub(crate) fn write_inet4(out: &mut Vec<u8>, stored: &[u8]) {
    if let Ok(address) = <[u8; 4]>::try_from(stored) {
        out.extend_from_slice(Ipv4Addr::from(address).to_string().as_bytes());
    }
}

/// Appends an IPv6 address as text; nothing if it has another length.
pub(crate) fn write_inet6(out: &mut Vec<u8>, stored: &[u8]) {
    if let Ok(address) = <[u8; 16]>::try_from(stored) {
        out.extend_from_slice(inet6(address).as_bytes());
    }
}

/// The text that MariaDB prints (its `plugin/type_inet/sql_type_inet.cc`, Inet6::to_string): the longest run of zeros is left out even
/// if it is a single one, and addresses that hold an IPv4 one end in its own form.
fn inet6(address: [u8; 16]) -> String {
    let groups = Ipv6Addr::from(address).segments();
    let [_, _, _, _, _, _, _, _, _, _, _, _, a, b, c, d] = address;
    let (mut best, mut best_length) = (0, 0);
    let mut start = 0;
    while start < groups.len() {
        let length = groups.iter().skip(start).take_while(|group| **group == 0).count();
        if length > best_length {
            (best, best_length) = (start, length);
        }
        start += length.max(1);
    }
    let mut text = String::new();
    let mut at = 0;
    while at < groups.len() {
        if best_length > 0 && at == best {
            text.push_str(if at == 0 { "::" } else { ":" });
            at += best_length;
            continue;
        }
        // Compatible with IPv4, or mapped from it.
        if at == 6 && best == 0 && (best_length == 6 || (best_length == 5 && groups.get(5) == Some(&0xffff))) {
            let _ = write!(text, "{a}.{b}.{c}.{d}");
            break;
        }
        let _ = write!(text, "{:x}", groups.get(at).copied().unwrap_or(0));
        at += 1;
        if at < groups.len() {
            text.push(':');
        }
    }
    text
}

/// MariaDB stores the parts of a UUID from the last to the first, except for those of a variant it does not know or of version 6
/// and later (its `sql/sql_type_uuid.h`, memory_to_record). The variant has the highest bit of its byte set; a version below 6 has not.
pub(crate) fn write_uuid(out: &mut Vec<u8>, stored: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    // In the order of the text the version is at 6 and the variant at 8; swapped it is the other way round.
    let high_bit = |at: usize| stored.get(at).is_some_and(|byte| byte & 0x80 != 0);
    let swapped = high_bit(6) && !high_bit(8);
    let parts: [std::ops::Range<usize>; 5] =
        if swapped { [12..16, 10..12, 8..10, 6..8, 0..6] } else { [0..4, 4..6, 6..8, 8..10, 10..16] };
    for (index, part) in parts.into_iter().enumerate() {
        if index > 0 {
            out.push(b'-');
        }
        for byte in stored.get(part).unwrap_or_default() {
            let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
            out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_of_version_6_and_later_are_stored_as_they_are_printed() {
        let shown = |stored: u128| {
            let mut out = Vec::new();
            write_uuid(&mut out, &stored.to_be_bytes());
            String::from_utf8(out).unwrap()
        };
        // Stored by a MariaDB 11.8.
        assert_eq!(shown(0x4266_1417_4000_a456_12d3_e89b_123e_4567), "123e4567-e89b-12d3-a456-426614174000");
        assert_eq!(shown(0x019a_8b2c_3d4e_7f50_8162_7384_95a6_b7c8), "019a8b2c-3d4e-7f50-8162-738495a6b7c8");
        assert_eq!(shown(0x320c_3d4d_cc00_875b_8ec9_32d5_f691_81c0), "320c3d4d-cc00-875b-8ec9-32d5f69181c0");
        assert_eq!(shown(0x123e_4567_e89b_72d3_2456_4266_1417_4000), "123e4567-e89b-72d3-2456-426614174000");
    }

    #[test]
    fn addresses_as_the_server_prints_them() {
        let mut compatible = [0; 16];
        compatible[12..].copy_from_slice(&[192, 0, 2, 1]);
        assert_eq!(inet6(compatible), "::192.0.2.1");
        assert_eq!(inet6([0; 16]), "::");
        let mut mapped = compatible;
        mapped[10..12].copy_from_slice(&[0xff, 0xff]);
        assert_eq!(inet6(mapped), "::ffff:192.0.2.1");
        for text in ["::1:2:3:4:5:6:7", "1::", "1:2:3:4:5:6:7:8", "2001:db8::1", "1::2:0:3:0", "::1", "1:0:2:3:4:5:6::"]
        {
            let canonical: Ipv6Addr = text.parse().unwrap();
            let printed = inet6(canonical.octets());
            assert_eq!(printed.parse::<Ipv6Addr>().unwrap(), canonical, "{printed}");
        }
        assert_eq!(inet6("::1:2:3:4:5:6:7".parse::<Ipv6Addr>().unwrap().octets()), "::1:2:3:4:5:6:7");
    }
}
