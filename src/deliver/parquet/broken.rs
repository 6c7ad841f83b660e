//! A sink that cannot go on.

use crate::deliver::error::SinkError;

/// Once broken, always broken: the state of the files is not known any more.
#[derive(Debug, Default)]
pub(crate) struct Broken(Option<(String, String)>);

impl Broken {
    /// Remembers it, if this is the error of a sink that has ended.
    pub(crate) fn note<T>(&mut self, result: Result<T, SinkError>) -> Result<T, SinkError> {
        if let Err(SinkError::Ended { target, reason }) = &result {
            self.0 = Some((target.clone(), reason.clone()));
        }
        result
    }

    /// The same error again, if it was there.
    pub(crate) fn check(&self) -> Result<(), SinkError> {
        match &self.0 {
            Some((target, reason)) => Err(SinkError::Ended { target: target.clone(), reason: reason.clone() }),
            None => Ok(()),
        }
    }
}
