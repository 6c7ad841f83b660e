//! What benchmarks of delivery have in common.

use std::time::Instant;

use mysql_interceptor::deliver::{Batch, Sink, SinkError};

/// Of each message.
pub(crate) const MESSAGE_BYTES: usize = 600;

/// Takes everything and does nothing: what is left is the pipeline's own cost.
#[derive(Default)]
pub(crate) struct Nothing {
    delivered: u64,
}

impl Sink for Nothing {
    fn name(&self) -> &str {
        "nothing"
    }

    fn write(&mut self, batch: &Batch, from: usize) -> Result<usize, SinkError> {
        self.delivered = batch.position(batch.len().saturating_sub(1));
        Ok(batch.len() - from)
    }

    fn delivered_through(&self) -> u64 {
        self.delivered
    }

    fn tick(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn flush(&mut self, _deadline: Instant) -> Result<(), SinkError> {
        Ok(())
    }
}

/// A number from the environment.
pub(crate) fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}
