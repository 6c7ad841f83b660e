//! Room that is reserved after a segment's records, and written to as memory: a record that is copied there survives the process as one that was
//! written does, without a system call for each.
//!
//! Only where the file system keeps what it has reserved: elsewhere writing to memory that has no block on the disk ends the process (SIGBUS), where
//! a call would return an error. The file becomes longer by a window at a time: zeros come after the last record then, until the segment is sealed or opened again.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use memmap2::{MmapMut, MmapOptions};

/// Longer ones are written: a call costs less than the faults of so many pages.
const LONGEST: usize = 8 << 10;
/// What is in memory at a time.
const WINDOW: usize = 256 << 10;
static ZEROS: [u8; WINDOW] = [0; WINDOW];
/// A multiple of any page's size.
const PAGES: u64 = 64 << 10;
/// File systems whose `fallocate` gives blocks that a page of memory is written to without asking for others: ext4, XFS, tmpfs. Those that write
/// each change to another place (Btrfs, ZFS) ask again.
const KEEPS_WHAT_IS_RESERVED: [u64; 3] = [0xef53, 0x5846_5342, 0x0102_1994];

/// Room in a file of which the end of the records is somewhere before.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// Where it ends.
    end: u64,
    window: Option<Window>,
}

#[derive(Debug)]
struct Window {
    start: u64,
    map: MmapMut,
}

impl Ahead {
    /// Blocks up to here are the file's.
    pub(super) fn reserved(&mut self, file: &File, end: u64) {
        let kind = rustix::fs::fstatfs(file).map(|statistics| u64::try_from(statistics.f_type).unwrap_or(0));
        if kind.is_ok_and(|kind| KEEPS_WHAT_IS_RESERVED.contains(&kind)) {
            self.end = end;
        }
    }

    /// There is none any more. To be called before the file becomes shorter.
    pub(super) fn give_up(&mut self) {
        *self = Self::default();
    }

    /// Whether the file is longer than its records.
    pub(super) fn is_used(&self) -> bool {
        self.window.is_some()
    }

    /// Copies a record's header and parts to the file, from `at` on. False where they have to be written.
    pub(super) fn copy(&mut self, file: &File, at: u64, header: &[u8], parts: &[&[u8]]) -> bool {
        let length = header.len() + parts.iter().map(|part| part.len()).sum::<usize>();
        if length > LONGEST || at + length as u64 > self.end {
            return false;
        }
        #[cfg(test)]
        if super::faults::are_set() {
            return false;
        }
        let Some(mut room) = self.room(file, at, length) else {
            self.give_up();
            return false;
        };
        for part in std::iter::once(header).chain(parts.iter().copied()) {
            let (now, later) = room.split_at_mut(part.len());
            now.copy_from_slice(part);
            room = later;
        }
        true
    }

    /// The memory of these bytes of the file; `None` where there cannot be any.
    fn room(&mut self, file: &File, at: u64, length: usize) -> Option<&mut [u8]> {
        let is_there =
            |window: &Window| at >= window.start && at + length as u64 <= window.start + window.map.len() as u64;
        if !self.window.as_ref().is_some_and(is_there) {
            self.window = Some(Window::open(file, at, self.end).ok()?);
        }
        let window = self.window.as_mut()?;
        let from = usize::try_from(at - window.start).ok()?;
        window.map.get_mut(from..from + length)
    }
}

impl Window {
    /// What `at` is in, and the file's end after it.
    #[allow(unsafe_code)]
    fn open(file: &File, at: u64, reserved: u64) -> io::Result<Self> {
        let start = at - at % PAGES;
        let end = (start + WINDOW as u64).min(reserved);
        // A fault finds these pages instead of making them, which costs less (benches/README.md).
        let bytes = |from: u64| usize::try_from(end - from).map_err(io::Error::other);
        file.write_all_at(ZEROS.get(..bytes(at)?).unwrap_or_default(), at)?;
        let length = bytes(start)?;
        // SAFETY: the file is this process's alone, which locks it and never looks at it as memory but here, through one window. Its blocks are
        // reserved, and it becomes shorter only when the window is gone.
        let map = unsafe { MmapOptions::new().offset(start).len(length).map_mut(file)? };
        Ok(Self { start, map })
    }
}
