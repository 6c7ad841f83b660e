//! A look at something that is begun later.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use super::reading::{Readings, Source};
use super::ready::{Check, Verdict};

/// A look at something that runs, from before its start until after its end: what it counts, and whether it is ready. Clones look at the
/// same thing.
#[derive(Debug, Clone, Default)]
pub struct Watch(Arc<OnceLock<Watched>>);

#[derive(Debug)]
struct Watched {
    source: Arc<dyn Source>,
    check: Arc<dyn Check>,
}

impl Watch {
    /// Here it is. Only the first one is looked at.
    pub(crate) fn begin<T: Source + Check + 'static>(&self, watched: &Arc<T>) {
        let (source, check) = (Arc::clone(watched) as Arc<dyn Source>, Arc::clone(watched) as Arc<dyn Check>);
        let _ = self.0.set(Watched { source, check });
    }
}

impl Source for Watch {
    fn tell(&self, readings: &mut Readings) {
        if let Some(watched) = self.0.get() {
            watched.source.tell(readings);
        }
    }
}

impl Check for Watch {
    fn check(&self) -> Pin<Box<dyn Future<Output = Verdict> + Send + '_>> {
        match self.0.get() {
            Some(watched) => watched.check.check(),
            None => Box::pin(async { Err("starting".to_owned()) }),
        }
    }
}
