//! `mysql-interceptor decode`: sessions out of captured packets.

mod args;
mod config;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::exit::{Failure, at_once};
use super::settings::with_origins;
use crate::decode::{DecodeError, Outputs, Summary};
use crate::deliver::{self, Pipeline};
use crate::lifecycle::{self, HangUp, Patience};
use crate::mirror::MirrorSwitch;
use crate::publish::Publishing;
use crate::settings::Origins;
pub(super) use args::{DecodeArgs, adapt, rules};
pub(super) use config::{Plan, plan};

pub(super) const EXAMPLES: &str = "\
Examples:
  tcpdump -i any -s 0 -w traffic.pcap tcp port 3306
  mysql-interceptor decode traffic.pcap --pretty
  tcpdump -i any -s 0 -U -w - tcp port 3306 | mysql-interceptor decode - --pretty
  mysql-interceptor decode traffic.pcap.zst --sink ndjson:/data/sql.ndjson
  mysql-interceptor decode traffic.pcapng --port 3306,4000 --kafka-bootstrap-servers kafka:9092

What cannot be read (TLS, lost packets) is named and counted in the log. docs/decode.md says how to capture.

Each option has an environment variable (--help names it) and a key in the configuration file.
Flags win over variables, variables over the file, the file over the defaults.
SIZE is bytes, or 500MB, 256MiB, 1GiB; TIME is seconds, or 500ms, 10m, 1h.";

/// What the sinks have at the end to deliver what is queued.
const FLUSH: Duration = Duration::from_secs(30);

/// Reads the capture to its end, or until it is told to stop.
pub(super) fn run(plan: Plan, origins: &Origins) -> Result<(), Failure> {
    tracing::debug!(?plan, "configuration");
    let stop = lifecycle::watch(Patience::Endless, HangUp::Ignored, at_once)
        .map_err(|error| Failure::failed(format_args!("cannot watch for signals: {error}")))?;
    let sinks = deliver::open_all(&plan.sinks).map_err(Failure::usage)?;
    let sinks = sinks.into_iter().map(|sink| (0, sink)).collect();
    let mut pipeline = Pipeline::start(sinks, &plan.queue).map_err(Failure::failed)?;
    let mirror = MirrorSwitch::default();
    mirror.turn(plan.mirror, "the capture").map_err(|error| Failure::failed(format_args!("cannot start: {error}")))?;
    let publishing = plan.messages.map(|messages| Arc::new(Publishing::new(messages, plan.buffer.as_ref())));
    let outputs = Outputs { publishing, recording: plan.recording, mirror };
    let started = Instant::now();
    let (summary, result) = crate::decode::run(&plan.decode, &outputs, &pipeline, &stop);
    let read_for = started.elapsed();
    outputs.mirror.finish(Instant::now() + FLUSH);
    let report = pipeline.shutdown(Instant::now() + FLUSH);
    report.log("messages were lost");
    log(&summary, read_for);
    log_outputs(&summary, &outputs);
    match result {
        Ok(()) if report.is_complete() => Ok(()),
        Ok(()) => Err(Failure::Incomplete),
        Err(error) => Err(explained(&error, origins)),
    }
}

fn explained(error: &DecodeError, origins: &Origins) -> Failure {
    let text = with_origins(&error.to_string(), origins);
    match error {
        DecodeError::Input(_) => Failure::Usage(text),
        _ => Failure::Failed(text),
    }
}

/// The closing summary: what was read, what was not, and why.
fn log(summary: &Summary, elapsed: Duration) {
    let Summary { frames, tcp, sessions, other_blocks, clock_steps, is_torn, .. } = summary;
    let seconds = elapsed.as_secs_f64();
    tracing::info!(
        packets = frames.frames,
        bytes = frames.bytes,
        not_ip = frames.not_ip,
        not_tcp = frames.not_tcp,
        fragments = frames.fragments,
        joined = frames.joined,
        malformed = frames.malformed,
        unknown_link_type = frames.unknown_links,
        other_blocks,
        clock_steps,
        is_torn,
        seconds,
        megabytes_per_second = frames.bytes as f64 / 1e6 / seconds.max(1e-9),
        "packets"
    );
    tracing::info!(
        connections = tcp.connections,
        begun_before = tcp.begun_before,
        other_segments = tcp.other_segments,
        reordered_segments = tcp.reordered_segments,
        repeated_bytes = tcp.repeated_bytes,
        gaps = tcp.gaps,
        lost_bytes = tcp.lost_bytes,
        cut_bytes = tcp.cut_bytes,
        strange_segments = tcp.strange_segments,
        forgotten = tcp.forgotten,
        "connections"
    );
    tracing::info!(
        read = sessions.read,
        from_the_middle = sessions.from_the_middle,
        resumed = sessions.resumed,
        empty = sessions.empty,
        "sessions"
    );
    for (what, count) in sessions.lines() {
        tracing::warn!(sessions = count, "not read: {what}");
    }
    if tcp.lost_bytes > 0 {
        tracing::warn!(
            bytes = tcp.lost_bytes,
            "packets are missing from the capture: tcpdump says how many the kernel dropped; a larger buffer (-B 65536) and a filter (tcp port 3306) help"
        );
    }
    if tcp.cut_bytes > 0 {
        tracing::warn!(bytes = tcp.cut_bytes, "packets were cut when they were captured: capture with -s 0");
    }
}

/// What became of sessions that were read.
fn log_outputs(summary: &Summary, outputs: &Outputs) {
    if let Some(publishing) = &outputs.publishing {
        let counters = publishing.counters.snapshot();
        tracing::info!(
            statements = counters.statements,
            filtered_statements = counters.filtered_statements,
            truncated_statements = counters.truncated_statements,
            rolled_back = counters.rolled_back,
            outcome_unknown = counters.outcome_unknown,
            "messages"
        );
    }
    match (&outputs.recording, &summary.written) {
        (Some(config), Some(written)) => tracing::info!(place = config.place(), "recorded: {written}"),
        (Some(config), None) => {
            tracing::warn!(place = config.place(), "nothing was recorded: no session was found");
        }
        (None, _) => {}
    }
}
