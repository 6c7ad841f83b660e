//! How a recording ends.

use crate::recording::RecordingSwitch;

/// All that has come is written, and it is said what that is.
pub(super) fn end_recording(recording: &RecordingSwitch) {
    // Why one ended early has been said.
    if let Some(Ok(summary)) = recording.turn_off() {
        let gaps = recording.counts().refused;
        if gaps > 0 {
            tracing::warn!(
                gaps,
                "the recording has gaps: records came faster than they could be written (--record-queue-bytes)"
            );
        }
        tracing::info!("recorded: {summary}");
    }
}
