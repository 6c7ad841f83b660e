//! `mysql-interceptor proxy`.

mod args;
mod config;
mod recording;
mod reload;
mod rules;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::exit::{Failure, at_once};
use super::memory;
use super::settings::with_origins;
use crate::deliver::{self, Pipeline, Sink, Spool};
use crate::lifecycle::{self, Patience};
use crate::metrics::{Bound, MetricsError};
use crate::proxy::{self, ProxyError};
use crate::recording::{RecordingSource, StartError};
use crate::settings::Origins;
pub(super) use args::{ProxyArgs, adapt};
pub(super) use config::{Plan, plan};
use recording::end_recording;
use reload::Reload;
pub(super) use reload::{ReadAgain, Reread, Words};
pub(super) use rules::rules;

pub(super) const EXAMPLES: &str = "\
Examples:
  mysql-interceptor proxy --upstream db:3306 --pretty
  mysql-interceptor proxy --upstream db:3306 --sink ndjson:/data/sql.ndjson --ndjson-compress zstd
  mysql-interceptor proxy --upstream db:3306 --kafka-bootstrap-servers kafka:9092
  mysql-interceptor proxy --config /etc/mysql-interceptor.toml

Each option has an environment variable (--help names it) and a key in the configuration file.
Flags win over variables, variables over the file, the file over the defaults.
SIZE is bytes, or 500MB, 256MiB, 1GiB; TIME is seconds, or 500ms, 10m, 1h.";

/// What the sinks have at least to deliver what is queued.
const FLUSH_AT_LEAST: Duration = Duration::from_secs(2);

/// Runs the proxy until it is told to stop. `words` are the settings as they are written now; `read_again` tells how they are written when
/// SIGHUP comes.
pub(super) fn run(plan: Plan, origins: &Origins, words: Words, read_again: ReadAgain) -> Result<(), Failure> {
    memory::give_back_large();
    tracing::debug!(?plan, "configuration");
    let (hang_up, signals) = reload::signal();
    let stop = lifecycle::watch(Patience::Endless, hang_up, at_once)
        .map_err(|error| Failure::failed(format_args!("cannot watch for signals: {error}")))?;
    let metrics = plan.metrics.map(Bound::bind).transpose().map_err(|error| not_served(&error, origins))?;
    let sinks = match &plan.audit {
        Some(audit) => deliver::open_all_audited(&plan.sinks, audit),
        None => deliver::open_all(&plan.sinks),
    };
    let sinks = sinks.map_err(Failure::usage)?;
    let mut pipeline = start(sinks, &plan, origins)?;
    let overview = Arc::new(pipeline.overview());
    let (watch, switch) = (Arc::new(plan.proxy.watch.clone()), Arc::new(plan.proxy.mirror.clone()));
    let serve =
        |bound: Bound| bound.serve("proxy", vec![watch.clone(), overview.clone(), switch], vec![watch, overview]);
    // Until the end, so that what is lost there is seen.
    let _serving = metrics.map(serve).transpose().map_err(|error| not_served(&error, origins))?;
    let (drain_timeout, mirror) = (plan.proxy.drain_timeout, plan.proxy.mirror.clone());
    let recording = plan.proxy.recording.clone();
    let result = proxy::bind(&plan.listen).map_err(|error| explained(&error, origins)).and_then(|listeners| {
        let source = plan.proxy.upstream.to_string();
        let refused = |error| explained(&ProxyError::Worker(error), origins);
        if let Some(config) = &plan.recording {
            let server = Some(source.clone());
            config.begin(RecordingSource::Proxy, server, &recording).map_err(|error| not_recorded(&error, origins))?;
        }
        mirror.turn(plan.mirror, &source).map_err(refused)?;
        Reload { read_again, words, contents: plan.contents, mirror: mirror.clone(), recording: recording.clone() }
            .start(signals)
            .map_err(refused)?;
        proxy::run(plan.proxy, listeners, &pipeline, &stop).map_err(|error| explained(&error, origins))
    });
    end_recording(&recording);
    match result {
        Ok(ended) => {
            // One --drain-timeout for sessions and sinks, but sinks get a little time even if a session used it up.
            let deadline = (ended.stopping_since + drain_timeout).max(Instant::now() + FLUSH_AT_LEAST);
            // At the same time: neither takes the time of the other.
            let report = thread::scope(|scope| {
                scope.spawn(|| mirror.finish(deadline));
                pipeline.shutdown(deadline)
            });
            report.log("messages were lost");
            ended.log();
            Ok(())
        }
        Err(error) => {
            // Nothing was accepted, so there is nothing to say of the sinks.
            mirror.finish(Instant::now());
            pipeline.shutdown(Instant::now());
            Err(error)
        }
    }
}

fn not_served(error: &MetricsError, origins: &Origins) -> Failure {
    Failure::Failed(with_origins(&error.to_string(), origins))
}

fn start(sinks: Vec<Box<dyn Sink>>, plan: &Plan, origins: &Origins) -> Result<Pipeline, Failure> {
    let started = match &plan.spool {
        None => Pipeline::start(sinks.into_iter().map(|sink| (0, sink)).collect(), &plan.queue),
        Some(config) => {
            let identities: Vec<_> = sinks.iter().map(|sink| sink.identity()).collect();
            let refused = |error| Failure::usage(with_origins(&format!("`spool`: {error}"), origins));
            let spool = Spool::open(config.clone(), &identities).map_err(refused)?;
            Pipeline::start_spooled(sinks, &plan.queue, spool)
        }
    };
    started.map_err(Failure::failed)
}

fn not_recorded(error: &StartError, origins: &Origins) -> Failure {
    Failure::Failed(with_origins(&format!("{error} (`record`)"), origins))
}

fn explained(error: &ProxyError, origins: &Origins) -> Failure {
    Failure::Failed(with_origins(&error.to_string(), origins))
}
