//! Faults of the file system, for tests: a disk with so much room and no more. Those of the current thread only.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;

thread_local! {
    static ROOM: Cell<Option<u64>> = const { Cell::new(None) };
}

/// From now on segments may take so many bytes more; `None`: as many as the disk has.
pub(crate) fn set_room(bytes: Option<u64>) {
    ROOM.set(bytes);
}

/// Whether there are any: then everything is written, as where the file system keeps nothing.
pub(super) fn are_set() -> bool {
    ROOM.get().is_some()
}

/// A write beyond the room is short, and then fails.
pub(super) fn before_write(file: &File, slices: &[IoSlice<'_>], at: u64) -> io::Result<()> {
    let Some(room) = ROOM.get() else { return Ok(()) };
    let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
    let fits = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
    ROOM.set(Some(room - fits as u64));
    if fits < bytes.len() {
        file.write_all_at(&bytes[..fits], at)?;
        return Err(io::ErrorKind::StorageFull.into());
    }
    Ok(())
}

/// Room that is reserved does not count until it is written to, but it must be there.
pub(super) fn before_allocate(bytes: u64) -> io::Result<()> {
    match ROOM.get() {
        Some(room) if room < bytes => Err(io::ErrorKind::StorageFull.into()),
        _ => Ok(()),
    }
}
