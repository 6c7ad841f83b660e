//! The bytes of a capture in, its frames out: pcap of both byte orders and resolutions, and pcapng.

use std::ops::Range;

use pcap_parser::nom;
use pcap_parser::pcapng::{parse_block_be, parse_block_le};
use pcap_parser::traits::PcapNGPacketBlock;
use pcap_parser::{
    Block, PcapHeader, parse_pcap_frame, parse_pcap_frame_be, parse_pcap_frame_modified, parse_pcap_header,
};

/// No block is longer: packets of offloading network cards have up to 64 KiB, with "BIG TCP" 512 KiB.
const LONGEST_BLOCK: usize = 16 << 20;
/// No capture has more interfaces in a section.
const MOST_INTERFACES: usize = 65_536;

/// What a frame begins with: the numbers of <https://www.tcpdump.org/linktypes.html>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LinkType(pub(crate) u32);

/// A captured frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) link: LinkType,
    /// Nanoseconds since 1970; `None` where the format has no place for it.
    pub(crate) time_ns: Option<u64>,
    /// The bytes that were kept.
    pub(crate) data: &'a [u8],
    /// How many bytes it had on the wire.
    pub(crate) length: usize,
}

/// Why no more can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CaptureError {
    /// It begins with something else.
    #[error("this is no capture: it begins neither as pcap nor as pcapng")]
    NotACapture,
    /// A block contradicts the format.
    #[error("the capture is damaged: {what} at byte {offset}")]
    Damaged {
        /// What was read.
        what: &'static str,
        /// Where.
        offset: u64,
    },
    /// It ends in the middle of a packet.
    #[error(
        "the capture ends in the middle of a packet, at byte {offset}, as one does that was cut or is still being written"
    )]
    Torn {
        /// Where that packet begins.
        offset: u64,
    },
}

/// Takes bytes as they come, and gives frames.
#[derive(Debug, Default)]
pub(crate) struct CaptureParser {
    buffer: Vec<u8>,
    /// What of it is consumed.
    start: usize,
    /// How much was consumed before the buffer.
    offset: u64,
    format: Option<Format>,
    /// Blocks without a packet, and of kinds that are not known.
    pub(crate) other_blocks: u64,
}

#[derive(Debug)]
enum Format {
    Pcap { link: LinkType, order: Order, nanoseconds: bool },
    PcapNg { big_endian: bool, interfaces: Vec<Interface> },
}

/// How the headers of pcap's packets are laid out.
#[derive(Debug, Clone, Copy)]
enum Order {
    Little,
    Big,
    /// Little-endian, with 8 more bytes in each packet's header.
    Modified,
}

#[derive(Debug, Clone, Copy)]
struct Interface {
    link: LinkType,
    /// 0: without limit.
    snaplen: u32,
    units_per_second: u64,
    offset_seconds: i64,
}

/// A frame, by where its bytes are in the buffer.
struct Found {
    link: LinkType,
    time_ns: Option<u64>,
    data: Range<usize>,
    length: usize,
}

enum Step {
    Frame(Found),
    /// A block without a frame.
    Passed,
    /// More bytes are needed.
    Incomplete,
}

impl CaptureParser {
    /// The next bytes of the capture.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.offset += self.start as u64;
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame that has come as a whole.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
        let found = loop {
            match self.step()? {
                Step::Frame(found) => break found,
                Step::Passed => {}
                Step::Incomplete => return Ok(None),
            }
        };
        let data = self.buffer.get(found.data).unwrap_or_default();
        Ok(Some(Frame { link: found.link, time_ns: found.time_ns, length: found.length.max(data.len()), data }))
    }

    /// No more bytes come.
    pub(crate) fn finish(&self) -> Result<(), CaptureError> {
        let is_at_end = self.buffer.len() == self.start;
        match &self.format {
            Some(_) if is_at_end => Ok(()),
            Some(_) => Err(CaptureError::Torn { offset: self.position() }),
            None => Err(CaptureError::NotACapture),
        }
    }

    fn position(&self) -> u64 {
        self.offset + self.start as u64
    }

    fn damaged(&self, what: &'static str) -> CaptureError {
        CaptureError::Damaged { what, offset: self.position() }
    }

    fn incomplete(&self) -> Result<Step, CaptureError> {
        if self.buffer.len() - self.start > LONGEST_BLOCK {
            return Err(self.damaged("a packet or block longer than 16 MiB"));
        }
        Ok(Step::Incomplete)
    }

    fn step(&mut self) -> Result<Step, CaptureError> {
        match &self.format {
            None => self.begin(),
            Some(Format::Pcap { link, order, nanoseconds }) => self.pcap_packet(*link, *order, *nanoseconds),
            Some(Format::PcapNg { .. }) => self.block(),
        }
    }

    fn begin(&mut self) -> Result<Step, CaptureError> {
        let Some(magic) = self.buffer.first_chunk::<4>() else { return Ok(Step::Incomplete) };
        if u32::from_le_bytes(*magic) == SECTION_HEADER {
            self.format = Some(Format::PcapNg { big_endian: false, interfaces: Vec::new() });
            return Ok(Step::Passed);
        }
        let header = match parse_pcap_header(&self.buffer) {
            Ok((_, header)) => header,
            Err(nom::Err::Incomplete(_)) => return Ok(Step::Incomplete),
            Err(_) => return Err(CaptureError::NotACapture),
        };
        self.start = PCAP_HEADER;
        self.format = Some(Format::of_pcap(&header));
        Ok(Step::Passed)
    }

    fn pcap_packet(&mut self, link: LinkType, order: Order, nanoseconds: bool) -> Result<Step, CaptureError> {
        let left = self.buffer.get(self.start..).unwrap_or_default();
        let parsed = match order {
            Order::Little => parse_pcap_frame(left),
            Order::Big => parse_pcap_frame_be(left),
            Order::Modified => parse_pcap_frame_modified(left),
        };
        match parsed {
            Ok((rest, packet)) => {
                let end = self.buffer.len() - rest.len();
                let fraction = u64::from(packet.ts_usec) * if nanoseconds { 1 } else { 1000 };
                let found = Found {
                    link,
                    time_ns: Some(u64::from(packet.ts_sec) * 1_000_000_000 + fraction),
                    data: end - packet.data.len()..end,
                    length: usize::try_from(packet.origlen).unwrap_or(usize::MAX),
                };
                self.start = end;
                Ok(Step::Frame(found))
            }
            Err(nom::Err::Incomplete(_)) => self.incomplete(),
            Err(_) => Err(self.damaged("no packet")),
        }
    }

    /// A block of pcapng.
    fn block(&mut self) -> Result<Step, CaptureError> {
        let Some(Format::PcapNg { big_endian, interfaces }) = &mut self.format else { return Ok(Step::Incomplete) };
        let left = self.buffer.get(self.start..).unwrap_or_default();
        let parsed = if *big_endian { parse_block_be(left) } else { parse_block_le(left) };
        let (rest, block) = match parsed {
            Ok(parsed) => parsed,
            Err(nom::Err::Incomplete(_)) => return self.incomplete(),
            Err(_) => return Err(self.damaged("no block")),
        };
        let consumed = left.len() - rest.len();
        let within = |data: &[u8]| {
            // The data are a part of what was parsed.
            let from = (data.as_ptr() as usize).saturating_sub(left.as_ptr() as usize) + self.start;
            from..from + data.len()
        };
        let step = match &block {
            Block::SectionHeader(header) => {
                *big_endian = header.big_endian();
                interfaces.clear();
                Ok(Step::Passed)
            }
            Block::InterfaceDescription(description) if interfaces.len() < MOST_INTERFACES => {
                interfaces.push(Interface {
                    link: LinkType(u32::try_from(description.linktype.0).unwrap_or(u32::MAX)),
                    snaplen: description.snaplen,
                    units_per_second: units_per_second(description.if_tsresol),
                    // The crate takes the option for little-endian in either byte order.
                    offset_seconds: match *big_endian {
                        true => description.ts_offset().swap_bytes(),
                        false => description.ts_offset(),
                    },
                });
                Ok(Step::Passed)
            }
            Block::EnhancedPacket(packet) => match interfaces.get(packet.if_id as usize) {
                Some(interface) => Ok(Step::Frame(Found {
                    link: interface.link,
                    time_ns: Some(interface.time_ns((u64::from(packet.ts_high) << 32) | u64::from(packet.ts_low))),
                    data: within(packet.packet_data()),
                    length: packet.origlen as usize,
                })),
                None => Err("a packet of an interface that is not described"),
            },
            Block::SimplePacket(packet) => match interfaces.first() {
                Some(interface) => {
                    let mut data = packet.packet_data();
                    if interface.snaplen > 0 {
                        data = data.get(..interface.snaplen as usize).unwrap_or(data);
                    }
                    let (link, length) = (interface.link, packet.origlen as usize);
                    Ok(Step::Frame(Found { link, time_ns: None, data: within(data), length }))
                }
                None => Err("a packet of an interface that is not described"),
            },
            // The crate has its kind in little-endian in either byte order.
            Block::Unknown(unknown) if matches!(unknown.block_type, OBSOLETE_PACKET | OBSOLETE_PACKET_BIG_ENDIAN) => {
                match ObsoletePacket::parse(unknown.data, *big_endian) {
                    Some(packet) => match interfaces.get(packet.interface) {
                        Some(interface) => Ok(Step::Frame(Found {
                            link: interface.link,
                            time_ns: Some(interface.time_ns(packet.units)),
                            data: within(packet.data),
                            length: packet.length,
                        })),
                        None => Err("a packet of an interface that is not described"),
                    },
                    None => Err("a packet that is longer than its block"),
                }
            }
            _ => {
                self.other_blocks += 1;
                Ok(Step::Passed)
            }
        };
        let step = step.map_err(|what| self.damaged(what))?;
        self.start += consumed;
        Ok(step)
    }
}

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const PCAP_HEADER: usize = 24;

/// The block that was in use before the enhanced one: draft-ietf-opsawg-pcapng, appendix A.
const OBSOLETE_PACKET: u32 = 2;
const OBSOLETE_PACKET_BIG_ENDIAN: u32 = OBSOLETE_PACKET.swap_bytes();

/// Of `if_tsresol`: a negative power of 10, or of 2 where the highest bit is set.
fn units_per_second(resolution: u8) -> u64 {
    let exponent = u32::from(resolution & 0x7f);
    let base: u64 = if resolution & 0x80 == 0 { 10 } else { 2 };
    base.checked_pow(exponent).unwrap_or(1_000_000)
}

struct ObsoletePacket<'a> {
    interface: usize,
    units: u64,
    data: &'a [u8],
    length: usize,
}

impl<'a> ObsoletePacket<'a> {
    fn parse(body: &'a [u8], big_endian: bool) -> Option<Self> {
        let (header, rest) = body.split_first_chunk::<20>()?;
        let number = |at: usize, width: usize| {
            let bytes = header.get(at..at + width).unwrap_or_default().iter();
            let shifted = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
            if big_endian { bytes.fold(0, shifted) } else { bytes.rev().fold(0, shifted) }
        };
        // Two bytes of the interface, two of packets that were dropped before.
        let captured = usize::try_from(number(12, 4)).ok()?;
        Some(Self {
            interface: usize::try_from(number(0, 2)).ok()?,
            units: number(4, 4) << 32 | number(8, 4),
            data: rest.get(..captured)?,
            length: usize::try_from(number(16, 4)).ok()?,
        })
    }
}

impl Format {
    fn of_pcap(header: &PcapHeader) -> Self {
        let order = match header {
            _ if header.is_bigendian() => Order::Big,
            _ if header.is_modified_format() => Order::Modified,
            _ => Order::Little,
        };
        // The upper bits tell of checksums at the frames' ends.
        let link = LinkType(u32::try_from(header.network.0 & 0xffff).unwrap_or(u32::MAX));
        Self::Pcap { link, order, nanoseconds: header.is_nanosecond_precision() }
    }
}

impl Interface {
    /// Nanoseconds since 1970.
    fn time_ns(&self, units: u64) -> u64 {
        let nanoseconds = u128::from(units) * 1_000_000_000 / u128::from(self.units_per_second);
        let offset = i128::from(self.offset_seconds) * 1_000_000_000;
        let time = i128::try_from(nanoseconds).unwrap_or(i128::MAX).saturating_add(offset);
        u64::try_from(time.max(0)).unwrap_or(u64::MAX)
    }
}
