//! Which statements' plans are worth asking for.

use super::class::DifferenceClass;
use super::model::{Explained, Pair, Report};

/// A statement whose plan is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToExplain {
    /// Its digest.
    pub(crate) digest: String,
    /// One of its texts.
    pub(crate) sql: String,
    /// Whether that is only the front.
    pub(crate) is_cut: bool,
}

impl Report {
    /// SELECTs that take longer, or are answered differently; those with the largest change of time first.
    pub(crate) fn statements_to_explain(&self, most: usize) -> Vec<ToExplain> {
        let differs = |class: &DifferenceClass| class.is_outcome() || *class == DifferenceClass::Time;
        let mut wanted: Vec<_> = self
            .digests
            .iter()
            .filter(|digest| digest.kind == "select" && (digest.impact > 0.0 || digest.classes.keys().any(differs)))
            .collect();
        wanted.sort_by(|a, b| b.impact.abs().total_cmp(&a.impact.abs()).then_with(|| a.digest.cmp(&b.digest)));
        wanted.truncate(most);
        let to_explain = |digest: &super::model::DigestTotals| ToExplain {
            digest: digest.digest.clone(),
            sql: digest.sample.clone(),
            is_cut: digest.sample_is_cut,
        };
        wanted.into_iter().map(to_explain).collect()
    }

    /// The plans of a statement.
    pub(crate) fn explained(&mut self, digest: &str, expected: Explained, observed: Explained) {
        if let Some(totals) = self.digests.iter_mut().find(|totals| totals.digest == digest) {
            totals.explain = Some(Pair { expected, observed });
        }
    }
}
