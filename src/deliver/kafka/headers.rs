//! Record headers of statements: what the message's 23 fields must not carry.

use rdkafka::message::{Header, OwnedHeaders};

use crate::audit::push_hexadecimal;
use crate::deliver::batch::Numbered;
use crate::deliver::kafka::chain::Chained;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Makes records' headers: `seq`, `proxy`, of statements `kind`, `digest` where there is one, and `cut` where the message is not whole; with a
/// marker stream `instance`, `session`, `previous` and `hash`; all of them text.
pub(crate) struct Headers {
    /// Which process this is: the value of `proxy`, unless a message is an earlier one's.
    proxy: String,
    /// Whether messages say of what kind they are.
    has_kinds: bool,
    number: itoa::Buffer,
    text: Vec<u8>,
}

impl Headers {
    pub(crate) fn new(proxy: String, has_kinds: bool) -> Self {
        Self { proxy, has_kinds, number: itoa::Buffer::new(), text: Vec::new() }
    }

    /// The headers of one record; `origin`: another process that it is of; `cut`: what was cut of it; `chained`: its place in its chain.
    pub(crate) fn of(
        &mut self,
        numbered: &Numbered,
        origin: Option<&str>,
        cut: Option<&str>,
        chained: Option<&Chained>,
    ) -> OwnedHeaders {
        let add = |headers: OwnedHeaders, key, value: &[u8]| headers.insert(Header { key, value: Some(value) });
        let mut headers = OwnedHeaders::new_with_capacity(LARGEST);
        headers = add(headers, "seq", self.number.format(numbered.seq).as_bytes());
        headers = add(headers, "proxy", origin.unwrap_or(&self.proxy).as_bytes());
        if self.has_kinds {
            headers = add(headers, "kind", numbered.label.kind.as_str().as_bytes());
        }
        if let Some(digest) = &numbered.label.digest {
            headers = add(headers, "digest", &hexadecimal(digest.as_bytes()));
        }
        if let Some(cut) = cut {
            headers = add(headers, "cut", cut.as_bytes());
        }
        if let Some(Chained { id, link }) = chained {
            headers = add(headers, "session", self.number.format(id.session).as_bytes());
            for (key, bytes) in
                [("instance", &id.instance.0[..]), ("previous", &link.previous.0), ("hash", &link.hash.0)]
            {
                self.text.clear();
                push_hexadecimal(bytes, &mut self.text);
                headers = add(headers, key, &self.text);
            }
        }
        headers
    }
}

/// How many headers a record has at most.
const LARGEST: usize = 9;

/// As `Digest` is displayed; formatting would take as long as the rest of the headers.
fn hexadecimal(bytes: &[u8; 16]) -> [u8; 32] {
    let mut digits = [0; 32];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        if let [high, low] = pair {
            (*high, *low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
        }
    }
    digits
}

#[cfg(test)]
mod tests {
    use rdkafka::message::Headers as _;

    use super::*;
    use crate::deliver::label::{Label, MessageKind};
    use crate::mysql::sql::{Digest, Lexis, StatementKind};

    #[test]
    fn headers_are_text() {
        let digest = Digest::of(b"SELECT 1", Lexis::default());
        let kind = MessageKind::Statement(StatementKind::Select);
        let mut headers = Headers::new("web-1@2026-01-31T12:00:00.000Z".to_owned(), true);
        let mut of = |seq, label, cut| {
            let made = headers.of(&Numbered { session: 0, seq, label }, None, cut, None);
            let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or(b"none")).into_owned();
            made.iter().map(|header| format!("{}={}", header.key, text(header.value))).collect::<Vec<_>>()
        };
        assert_eq!(
            of(42, Label { kind, digest: Some(digest) }, None),
            ["seq=42", "proxy=web-1@2026-01-31T12:00:00.000Z", "kind=select", &format!("digest={digest}")]
        );
        assert_eq!(
            of(u64::MAX, Label { kind: MessageKind::ObservationLost, digest: None }, Some("sql=7")),
            ["seq=18446744073709551615", "proxy=web-1@2026-01-31T12:00:00.000Z", "kind=observation-lost", "cut=sql=7"]
        );
    }
}
