//! Captured packets, as files and pipes hold them.

mod input;
mod parser;

pub(super) use input::{Input, InputError, Read};
pub(super) use parser::{CaptureError, CaptureParser, Frame, LinkType};
