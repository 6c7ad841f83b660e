//! Plain packets: where the text of a request begins, a comment is put in front of it.

use crate::mysql::wire::{CapabilityFlags, Command, MAX_PACKET_PAYLOAD, PacketHeader, query_text_at};

const HEADER: usize = PacketHeader::LENGTH;

/// How much of a request is kept until it is known where its text begins. Query attributes that are longer go without a comment.
const FRONT_KEPT: usize = 64 * 1024;

/// What texts may have that is nothing.
const BLANK: &[u8] = b" \t\n\x0b\x0c\r;\0";

/// What bytes are read by, and the comments.
pub(super) struct Annotating<'a> {
    /// Whether a packet that begins an exchange is a request.
    pub(super) takes_requests: bool,
    /// Whether the client's packets are a file's content, until an empty one.
    pub(super) in_file: bool,
    /// Those in force.
    pub(super) capabilities: CapabilityFlags,
    /// How many bytes may be added.
    pub(super) room: usize,
    /// Makes the next text's comment; told whether the text is only prepared.
    pub(super) comment: &'a mut dyn FnMut(bool) -> Vec<u8>,
    /// How many texts went without.
    pub(super) left_out: u64,
}

/// The packets of one client.
#[derive(Debug, Default)]
pub(super) struct Packets {
    header: [u8; HEADER],
    header_length: usize,
    /// How much of the header has gone on already, because it could not wait.
    header_gone: usize,
    /// Payload bytes of the packet under way that are still to come.
    missing: usize,
    /// The packet under way is a full one: another belongs to it.
    continued: bool,
    /// Whether the next packet continues what had the last sequence id there is, and so begins with 0 without beginning anything.
    wraps: bool,
    /// The front of a request, until it is known where its text begins.
    front: Option<Vec<u8>>,
}

impl Packets {
    /// Appends to `out` what is to be sent for `bytes`. What cannot be decided yet is kept.
    pub(super) fn feed(&mut self, mut bytes: &[u8], with: &mut Annotating<'_>, out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            if self.front.is_some() {
                bytes = self.gather(bytes, with, out);
            } else if self.missing > 0 {
                let (payload, rest) = bytes.split_at(self.missing.min(bytes.len()));
                self.missing -= payload.len();
                out.extend_from_slice(payload);
                bytes = rest;
            } else {
                let (head, rest) = bytes.split_at((HEADER - self.header_length).min(bytes.len()));
                self.header[self.header_length..][..head.len()].copy_from_slice(head);
                self.header_length += head.len();
                bytes = rest;
                if self.header_length == HEADER {
                    self.begin(with, out);
                }
            }
        }
    }

    /// Whether a request's front is kept because it is not known yet where its text begins.
    pub(super) fn is_undecided(&self) -> bool {
        self.front.is_some()
    }

    /// What was kept goes on as it is, because its rest cannot be waited for.
    pub(super) fn give_back(&mut self, out: &mut Vec<u8>) {
        if let Some(front) = self.front.take() {
            out.extend_from_slice(&self.header);
            out.extend_from_slice(&front);
        } else if self.header_length < HEADER {
            out.extend_from_slice(self.header.get(self.header_gone..self.header_length).unwrap_or_default());
            self.header_gone = self.header_length;
        }
    }

    /// A packet's header is there.
    fn begin(&mut self, with: &mut Annotating<'_>, out: &mut Vec<u8>) {
        let header = PacketHeader::parse(self.header);
        let (continues, gone) = (self.continued, std::mem::take(&mut self.header_gone));
        let begins = header.sequence == 0 && !continues && !self.wraps && with.takes_requests;
        self.header_length = 0;
        self.missing = header.length;
        self.continued = header.is_continued();
        self.wraps = header.sequence == u8::MAX && header.length > 0;
        let is_content = with.in_file;
        if header.length == 0 && !continues {
            with.in_file = false;
        }
        if begins && !is_content && gone == 0 && header.length > 0 {
            self.front = Some(Vec::new());
        } else {
            out.extend_from_slice(self.header.get(gone..).unwrap_or_default());
        }
    }

    /// More of a request's front. Returns what is left of `bytes`.
    fn gather<'b>(&mut self, bytes: &'b [u8], with: &mut Annotating<'_>, out: &mut Vec<u8>) -> &'b [u8] {
        let Some(mut front) = self.front.take() else { return bytes };
        let room = FRONT_KEPT.saturating_sub(front.len()).max(1);
        let (more, rest) = bytes.split_at(self.missing.min(bytes.len()).min(room));
        self.missing -= more.len();
        front.extend_from_slice(more);
        match self.text_at(&front, with.capabilities) {
            TextAt::Unknown if self.missing > 0 && front.len() < FRONT_KEPT => self.front = Some(front),
            TextAt::Unknown => {
                with.left_out += 1;
                self.pass(&front, out);
            }
            TextAt::None => self.pass(&front, out),
            TextAt::At { at, is_prepare } => self.insert(&front, at, is_prepare, with, out),
        }
        rest
    }

    fn text_at(&self, front: &[u8], capabilities: CapabilityFlags) -> TextAt {
        let Some((code, body)) = front.split_first() else { return TextAt::Unknown };
        let (at, is_prepare) = match Command::from_byte(*code) {
            Command::StmtPrepare => (0, true),
            Command::Query => match query_text_at(body, capabilities) {
                // Of attributes that are cut the last one seems to be shorter than it is.
                Ok(at) if at < body.len() || self.missing == 0 => (at, false),
                _ => return TextAt::Unknown,
            },
            _ => return TextAt::None,
        };
        // Servers refuse a text of nothing (error 1065), and run one of a comment.
        let is_blank = body.get(at..).unwrap_or_default().iter().all(|byte| BLANK.contains(byte));
        match (is_blank, self.missing > 0 && front.len() < FRONT_KEPT) {
            (true, true) => TextAt::Unknown,
            (true, false) if self.missing == 0 => TextAt::None,
            _ => TextAt::At { at: at + 1, is_prepare },
        }
    }

    /// The front as it came.
    fn pass(&mut self, front: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(&self.header);
        out.extend_from_slice(front);
    }

    /// The front with a comment in front of the text, if the packet bears it.
    fn insert(&mut self, front: &[u8], at: usize, is_prepare: bool, with: &mut Annotating<'_>, out: &mut Vec<u8>) {
        let comment = (with.comment)(is_prepare);
        let length = PacketHeader::parse(self.header).length + comment.len();
        let (before, text) = front.split_at_checked(at).unwrap_or((front, &[]));
        if length >= MAX_PACKET_PAYLOAD || comment.len() > with.room {
            with.left_out += 1;
            return self.pass(front, out);
        }
        with.room -= comment.len();
        let [a, b, c, _] = (length as u32).to_le_bytes();
        out.extend_from_slice(&[a, b, c, self.header[HEADER - 1]]);
        out.extend_from_slice(before);
        out.extend_from_slice(&comment);
        out.extend_from_slice(text);
    }
}

/// Where a request's text begins, in its payload.
enum TextAt {
    At {
        at: usize,
        is_prepare: bool,
    },
    /// It has none.
    None,
    /// More has to be seen, if there is more.
    Unknown,
}
