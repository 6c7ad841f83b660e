//! Binlog files, or standard input.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

use super::BinlogError;
use crate::binlog::event::header::{ENCRYPTED_MAGIC, EventHeader, HEADER_LENGTH, MAGIC};
use crate::binlog::event::position::Position;

const READ_BYTES: usize = 512 * 1024;

/// Reads the events of one file.
pub(crate) struct FileSource {
    name: String,
    input: Box<dyn Read + Send>,
    offset: u64,
    event: Vec<u8>,
}

impl std::fmt::Debug for FileSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileSource").field("name", &self.name).field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl FileSource {
    /// Opens a file, or standard input for `-`. Files compressed by gzip or zstd are recognised by their first bytes.
    pub(crate) fn open(path: &Path) -> Result<Self, BinlogError> {
        let is_stdin = path.as_os_str() == "-";
        let name = Self::name_of(path);
        let shown = path.display().to_string();
        let failed = |source| BinlogError::File { file: shown.clone(), source };
        let mut input: Box<dyn Read + Send> =
            if is_stdin { Box::new(std::io::stdin()) } else { Box::new(File::open(path).map_err(failed)?) };
        let mut magic = [0; 4];
        let read = read_up_to(&mut input, &mut magic).map_err(failed)?;
        let head = std::io::Cursor::new(magic.get(..read).unwrap_or_default().to_vec());
        let whole = head.chain(input);
        let input: Box<dyn Read + Send> = match magic {
            MAGIC => Box::new(BufReader::with_capacity(READ_BYTES, whole)),
            [0x1f, 0x8b, ..] => {
                Box::new(BufReader::with_capacity(READ_BYTES, flate2::read::MultiGzDecoder::new(whole)))
            }
            [0x28, 0xb5, 0x2f, 0xfd] => {
                let decoder = zstd::stream::read::Decoder::new(whole).map_err(failed)?;
                Box::new(BufReader::with_capacity(READ_BYTES, decoder))
            }
            ENCRYPTED_MAGIC => {
                let reason = "it is encrypted; the server sends the events in clear (--source)";
                return Err(BinlogError::NoBinlog { file: shown, reason });
            }
            _ => {
                let reason = if read == 0 { "it is empty" } else { "it does not begin with the bytes fe 'bin'" };
                return Err(BinlogError::NoBinlog { file: shown, reason });
            }
        };
        let mut source = Self { name, input, offset: 0, event: Vec::new() };
        let mut again = [0; 4];
        source.input.read_exact(&mut again).map_err(failed)?;
        if again != MAGIC {
            return Err(BinlogError::NoBinlog {
                file: shown,
                reason: "its content does not begin with the bytes fe 'bin'",
            });
        }
        source.offset = 4;
        Ok(source)
    }

    /// Whether the file `name` goes on where the file `previous` ends, which says that `expected` follows, if it says anything: then a
    /// transaction goes on in it too. Relay logs are cut wherever they are large enough.
    pub(crate) fn continues(name: &str, previous: &str, expected: Option<&str>) -> bool {
        let plain = |name: &str| {
            let suffix = [".gz", ".zst"].iter().find_map(|suffix| name.strip_suffix(suffix));
            suffix.unwrap_or(name).to_owned()
        };
        let (name, previous) = (plain(name), plain(previous));
        // A relay log also names the files of the log it copies.
        if let Some(expected) = expected.filter(|expected| Position::is_of_one_log(expected, &previous)) {
            return name == *expected;
        }
        let number = |file: &str| Position { file: file.to_owned(), offset: 0 }.file_number();
        let is_next = number(&previous).is_some_and(|previous| number(&name) == previous.checked_add(1));
        is_next && Position::is_of_one_log(&name, &previous)
    }

    /// What positions in the file at `path` are called: its name without its folders.
    pub(crate) fn name_of(path: &Path) -> String {
        path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The file's name without its folders.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The size of a file that is not compressed.
    pub(crate) fn plain_size(path: &Path) -> Option<u64> {
        let mut magic = [0; 4];
        let mut file = File::open(path).ok()?;
        file.read_exact(&mut magic).ok()?;
        (magic == MAGIC).then(|| file.metadata().ok()).flatten().map(|metadata| metadata.len())
    }

    /// The offset at which the next event begins.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Where the next event begins.
    fn position(&self) -> Position {
        Position { file: self.name.clone(), offset: self.offset }
    }

    /// The next event, or `None` at the end of the file.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>, BinlogError> {
        self.event.clear();
        let mut header = [0; HEADER_LENGTH];
        let failed = |name: &str, source| BinlogError::File { file: name.to_owned(), source };
        match read_up_to(&mut self.input, &mut header).map_err(|error| failed(&self.name, error))? {
            0 => return Ok(None),
            HEADER_LENGTH => {}
            _ => return Err(BinlogError::Truncated { position: self.position() }),
        }
        let parsed = EventHeader::parse(&header)
            .map_err(|what| BinlogError::Event { position: self.position(), source: what.into() })?;
        self.event.extend_from_slice(&header);
        let rest = u64::from(parsed.length) - HEADER_LENGTH as u64;
        // Grows with what is really there.
        let read =
            (&mut self.input).take(rest).read_to_end(&mut self.event).map_err(|error| failed(&self.name, error))?;
        if read as u64 != rest {
            return Err(BinlogError::Truncated { position: self.position() });
        }
        self.offset += u64::from(parsed.length);
        Ok(Some(&self.event))
    }
}

/// Reads until the buffer is full or the input ends; returns how many bytes.
fn read_up_to(input: &mut dyn Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match input.read(room) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_continue_each_other() {
        for (name, previous, expected, is_next) in [
            ("relay.000003", "relay.000002", Some("relay.000003"), true),
            ("relay.000003.gz", "relay.000002.zst", Some("relay.000003"), true),
            // The log that is copied; its end without a ROTATE.
            ("relay.000003", "relay.000002", Some("binlog.000009"), true),
            ("relay.000003", "relay.000002", None, true),
            ("relay.1000000", "relay.999999", None, true),
            ("relay.000004", "relay.000002", Some("relay.000003"), false),
            ("relay.000004", "relay.000002", None, false),
            ("relay.000002", "relay.000002", None, false),
            ("other.000003", "relay.000002", None, false),
            ("-", "-", None, false),
            ("relay.18446744073709551615", "relay.18446744073709551615", None, false),
        ] {
            assert_eq!(
                FileSource::continues(name, previous, expected),
                is_next,
                "{name} after {previous}, {expected:?}"
            );
        }
    }
}
