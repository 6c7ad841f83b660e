//! What the target answered against what the client was answered.

use std::time::{Duration, Instant};

use super::config::{MirrorConfig, ReportConfig};
use super::counters::{Dropped, MirrorCounters};
use crate::deliver::RateLimit;
use crate::mysql::sql::Lexis;
use crate::player::PlayClock;
use crate::recording::{Record, RecordedCommand, SessionId};
use crate::report::{Collector, CollectorOptions, Execution, Facts, SessionFailure, Side};
use crate::session::Now;

/// How often the log shows a difference.
const SPEAKS_EVERY: Duration = Duration::from_secs(10);

/// Takes in what all sessions do.
pub(super) struct Comparison {
    collector: Collector,
    facts: Facts,
    report: Option<ReportConfig>,
    clock: PlayClock,
    began: Now,
    said: RateLimit,
}

impl Comparison {
    pub(super) fn new(config: &MirrorConfig, source: &str) -> Self {
        let began = config.options.clock.now();
        let side =
            |name: &str| Side { name: name.to_owned(), started_epoch_ms: Some(began.epoch_ms), ..Side::default() };
        Self {
            collector: Collector::new(CollectorOptions::default()),
            facts: Facts {
                made_by: "mirror".to_owned(),
                expected: side(source),
                observed: side(&config.target.address()),
                ..Facts::default()
            },
            report: config.report.clone(),
            clock: config.options.clock,
            began,
            said: RateLimit::new(SPEAKS_EVERY),
        }
    }

    /// A session is mirrored.
    pub(super) fn session_began(&mut self, server_version: Option<&str>) {
        self.collector.session_began();
        if self.facts.expected.server_version.is_none() {
            self.facts.expected.server_version = server_version.map(str::to_owned);
        }
    }

    /// A command was executed on the target, from `started` on.
    pub(super) fn executed(
        &mut self,
        record: &Record,
        expected: &RecordedCommand,
        observed: &RecordedCommand,
        lexis: Lexis,
        started: Now,
        counters: &MirrorCounters,
    ) {
        let found = self.collector.add(&Execution {
            session: record.session,
            number: record.number,
            lexis,
            expected,
            observed,
            // Both in one clock: the wall's.
            recorded_ns: record.started.epoch_ms.saturating_sub(self.began.epoch_ms).saturating_mul(1_000_000),
            started_ns: started.monotonic_ns.saturating_sub(self.began.monotonic_ns),
            lateness: None,
        });
        let Some(found) = found else { return };
        counters.differ(found.class);
        // Which differ by nature, or in nothing but their time, are in the report: the log is for what somebody should look at.
        if !found.class.is_outcome() {
            return;
        }
        if let Some(count) = self.said.add(1, Instant::now()) {
            tracing::warn!(
                session = %record.session,
                command = record.number,
                class = %found.class,
                expected = found.expected,
                observed = found.observed,
                count,
                "the mirror's target answered differently"
            );
        }
    }

    /// A session is given up because of the target.
    pub(super) fn failed(&mut self, session: SessionId, number: u64, why: Dropped, detail: &str) {
        let expected = if number == 0 { "logged in" } else { "went on" };
        self.collector.session_failed(&SessionFailure { session, number, expected, reason: why.reason(), detail });
    }

    /// A command was not executed.
    pub(super) fn skipped(&mut self, reason: &str) {
        self.collector.skipped(reason, 1);
    }

    /// How often the report is written.
    pub(super) fn every(&self) -> Option<Duration> {
        self.report.as_ref().map(|report| report.every)
    }

    /// Writes the report as it is now.
    pub(super) fn write(&self) {
        let Some(ReportConfig { folder, .. }) = &self.report else { return };
        let elapsed = self.clock.now().monotonic_ns.saturating_sub(self.began.monotonic_ns);
        let mut facts = self.facts.clone();
        facts.expected.duration_ns = Some(elapsed);
        facts.observed.duration_ns = Some(elapsed);
        if let Err(error) = self.collector.clone().finish(facts).write(folder) {
            let folder = folder.display();
            tracing::error!(%error, "the mirror's report cannot be written to {folder} (--mirror-report)");
        }
    }
}
