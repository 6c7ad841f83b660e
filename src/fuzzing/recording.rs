//! The reader of recordings over arbitrary bytes.

use crate::recording::disk::Recording;

/// A recording of one file. What is read of it is what was written, or it is refused: here, it is read at all.
pub fn recording(data: &[u8]) {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no folder: {error}"));
    let written = std::fs::write(folder.path().join("00000001.arrows"), data);
    written.unwrap_or_else(|error| panic!("{}: {error}", folder.path().display()));
    let Ok(recording) = Recording::open(folder.path(), None) else { return };
    recording.records().for_each(drop);
    if let Ok(timeline) = recording.timeline(1_000_000, u64::MAX) {
        timeline.for_each(drop);
    }
}
