//! Whether clients are served: the port is open, and the server behind it can be reached.

use std::pin::Pin;
use std::sync::atomic::Ordering;

use super::figures::Figures;
use crate::metrics::{Check, Verdict};

impl Check for Figures {
    fn check(&self) -> Pin<Box<dyn Future<Output = Verdict> + Send + '_>> {
        Box::pin(async {
            if !self.is_listening.load(Ordering::Relaxed) {
                return Err("the listener is closed: the proxy is starting or stopping".to_owned());
            }
            let reached = self.shared.reach.check(&self.shared.config.upstream).await;
            reached.map_err(|reason| format!("the server {} cannot be reached: {reason}", self.shared.server_host))
        })
    }
}
