//! Parameters that are sent ahead of an execution (COM_STMT_SEND_LONG_DATA).

use std::collections::BTreeMap;

/// What was sent for one parameter: its front, and how long it was.
#[derive(Debug, Clone, Default)]
pub(super) struct LongData {
    pub(super) front: Vec<u8>,
    pub(super) length: u64,
}

/// How much of a parameter's long data is kept: messages show at most the configured length of it.
pub(super) const LONG_DATA_KEPT: usize = 64 * 1024;

/// How much is kept for all parameters of a statement.
const LONG_DATA_KEPT_IN_ALL: usize = 4 << 20;

/// Long data of one statement, by parameter number.
#[derive(Debug, Clone, Default)]
pub(super) struct LongDataSet {
    by_param: BTreeMap<usize, LongData>,
    kept: usize,
    is_incomplete: bool,
}

impl LongDataSet {
    pub(super) fn get(&self, param: usize) -> Option<&LongData> {
        self.by_param.get(&param)
    }

    pub(super) fn contains(&self, param: usize) -> bool {
        self.by_param.contains_key(&param)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_param.is_empty() && !self.is_incomplete
    }

    pub(super) fn kept_bytes(&self) -> usize {
        self.kept + self.by_param.len() * size_of::<(usize, LongData)>()
    }

    /// Whether there were parameters of which nothing could be kept.
    pub(super) fn is_incomplete(&self) -> bool {
        self.is_incomplete
    }

    /// Keeps at most `room` bytes more than before.
    pub(super) fn add(&mut self, param: usize, data: &[u8], length: u64, room: usize) {
        let Some(room_for_data) = room.checked_sub(size_of::<(usize, LongData)>()) else {
            self.is_incomplete = true;
            return;
        };
        let known = self.by_param.entry(param).or_default();
        let room =
            LONG_DATA_KEPT.saturating_sub(known.front.len()).min(LONG_DATA_KEPT_IN_ALL.saturating_sub(self.kept));
        let front = data.get(..room.min(room_for_data).min(data.len())).unwrap_or_default();
        known.front.extend_from_slice(front);
        known.length += length;
        self.kept += front.len();
    }
}
