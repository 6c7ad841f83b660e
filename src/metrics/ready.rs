//! What `/readyz` asks.

use std::fmt::Debug;
use std::pin::Pin;

/// Ready, or why not.
pub(crate) type Verdict = Result<(), String>;

/// Something that must be so for clients to be served as they should be.
pub(crate) trait Check: Debug + Send + Sync {
    /// Finds out. Called each time that `/readyz` is asked for, on the thread that serves it: what costs others something should be
    /// remembered for a while.
    fn check(&self) -> Pin<Box<dyn Future<Output = Verdict> + Send + '_>>;
}
