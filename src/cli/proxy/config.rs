//! From the command line to what the proxy is told.

use std::net::SocketAddr;
use std::time::Duration;

use super::args::{FilterArgs, ProxyArgs, TlsArgs};
use crate::cli::settings::{check_distinct, specs};
use crate::deliver::{Fsync, KafkaConfig, QueueConfig, SinkConfig, StdoutConfig};
use crate::message::{Criterion, MessageFilter, Sample};
use crate::proxy::{BufferConfig, CaptureConfig, ProxyConfig, TlsConfig, UpstreamVerify};
use crate::rules::names::Patterns;
use crate::settings::{ConfigError, Origins, SinkKind, SinkSpec};

/// All that `mysql-interceptor proxy` is to do.
#[derive(Debug)]
pub(in crate::cli) struct Plan {
    /// Where clients connect.
    pub(in crate::cli) listen: Vec<SocketAddr>,
    pub(in crate::cli) proxy: ProxyConfig,
    /// Where messages go; never empty.
    pub(in crate::cli) sinks: Vec<SinkConfig>,
    /// The queues in front of the sinks.
    pub(in crate::cli) queue: QueueConfig,
}

/// Makes the plan from settings that the rules let pass.
pub(in crate::cli) fn plan(args: ProxyArgs, origins: &Origins) -> Result<Plan, ConfigError> {
    args.kafka.check(origins)?;
    check_distinct(&args.sink, origins)?;
    let sinks = sinks(&args);
    let buffer = buffer(&args, origins)?;
    let redactor = args.redaction.redactor(origins)?;
    let capture = args.capture;
    let non_empty = |text: Option<String>| text.filter(|text| !text.is_empty());
    let proxy = ProxyConfig {
        upstream: args.connections.upstream,
        workers: args.connections.workers,
        tls: tls(args.tls),
        connect_timeout: args.connections.connect_timeout,
        handshake_timeout: args.connections.handshake_timeout,
        drain_timeout: args.connections.drain_timeout,
        buffer,
        capture: CaptureConfig {
            statement_logging: capture.statement_logging,
            on_unobservable: capture.on_unobservable,
            session_probe: capture.session_probe,
            inline_debug: capture.inline_debug,
            all: capture.capture_all,
            ddl: capture.capture_ddl,
            callproc: capture.capture_callproc,
            include_sql: capture.include_sql,
            include_params: capture.include_params,
            split_values: capture.split_values,
            max_param_length: capture.max_param_length,
            redactor,
            max_statement_bytes: capture.max_statement_bytes,
            debug: non_empty(capture.debug_value).unwrap_or(capture.service_name),
            default_tz: non_empty(capture.default_tz),
            filter: filter(&args.filter),
        },
    };
    let queue = QueueConfig {
        max_messages: args.queues.publish_queue_maxsize,
        max_bytes: args.queues.publish_queue_bytes,
        batch_size: args.queues.publish_batch_size,
        flush_interval: args.queues.publish_flush_interval_s,
        backpressure: args.queues.backpressure,
    };
    Ok(Plan { listen: args.connections.listen, proxy, sinks, queue })
}

fn filter(args: &FilterArgs) -> MessageFilter {
    let all = |lists: &[Patterns<Criterion>]| lists.iter().flat_map(|list| list.0.iter().cloned()).collect();
    MessageFilter {
        only: all(&args.only),
        skip: all(&args.skip),
        min_duration_ns: u64::try_from(args.min_duration.as_nanos()).unwrap_or(u64::MAX),
        sample: Sample { share: args.sample, seed: args.sample_seed },
        keeps_errors: args.keep_errors,
    }
}

fn buffer(args: &ProxyArgs, origins: &Origins) -> Result<Option<BufferConfig>, ConfigError> {
    if !args.buffer.buffer_until_commit {
        return Ok(None);
    }
    let folder = match &args.temp.temp_dir {
        Some(folder) if !folder.is_dir() => {
            // Quoted: it may have characters that do something to a terminal.
            let message = format!("{folder:?} is no folder");
            return Err(ConfigError::Refused { origin: origins.of("temp_dir"), message });
        }
        Some(folder) => folder.clone(),
        None => std::env::temp_dir(),
    };
    Ok(Some(BufferConfig { messages: args.buffer.buffer_messages, bytes: args.buffer.buffer_bytes, folder }))
}

fn tls(args: TlsArgs) -> TlsConfig {
    // Whoever names authorities wants them to be used, as with the mysql client's --ssl-ca.
    let verify = match (args.upstream_tls_verify, &args.upstream_ca) {
        (Some(verify), _) => verify,
        (None, Some(_)) => UpstreamVerify::Ca,
        (None, None) => UpstreamVerify::None,
    };
    TlsConfig {
        mode: args.tls,
        cert: args.tls_cert,
        key: args.tls_key,
        upstream_ca: args.upstream_ca,
        upstream_verify: verify,
    }
}

fn sinks(args: &ProxyArgs) -> Vec<SinkConfig> {
    let open = |spec: &SinkSpec| match spec {
        SinkSpec::Stdout => Some(SinkConfig::Stdout(stdout(args))),
        SinkSpec::Ndjson(path) => Some(SinkConfig::Ndjson(args.files.ndjson(path.clone(), Fsync::Never))),
        SinkSpec::Kafka => kafka(args).map(SinkConfig::Kafka),
        // Not a sink of statements: refused where the setting is read.
        SinkSpec::Parquet(_) => None,
    };
    let mut sinks: Vec<_> = specs(&args.sink).filter_map(open).collect();
    if !args.names(SinkKind::Kafka) {
        sinks.extend(kafka(args).map(SinkConfig::Kafka));
    }
    if sinks.is_empty() {
        sinks.push(SinkConfig::Stdout(stdout(args)));
    }
    sinks
}

fn stdout(args: &ProxyArgs) -> StdoutConfig {
    StdoutConfig {
        pretty: args.pretty.pretty,
        color: args.pretty.color,
        columns: args.columns.pretty_columns.clone(),
        fsync: args.files.fsync_or(Fsync::Never),
    }
}

fn kafka(args: &ProxyArgs) -> Option<KafkaConfig> {
    let producer = &args.producer;
    Some(KafkaConfig {
        bootstrap_servers: args.kafka.brokers()?.to_owned(),
        topic: producer.kafka_topic.clone(),
        proxy: running(producer.instance.as_deref(), jiff::Timestamp::now()),
        acks: producer.kafka_acks,
        retries: producer.kafka_retries,
        linger: Duration::from_millis(producer.kafka_linger_ms.into()),
        batch_size: producer.kafka_batch_size,
        buffer_memory: producer.kafka_buffer_memory,
        options: args.kafka.kafka_option.clone(),
    })
}

/// Which process this is: the instance, by default this host, and when it started, in UTC.
fn running(instance: Option<&str>, started: jiff::Timestamp) -> String {
    let instance = instance.map_or_else(|| gethostname::gethostname().to_string_lossy().into_owned(), str::to_owned);
    format!("{instance}@{started:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_its_instance_and_its_start() {
        let started = jiff::Timestamp::from_millisecond(1_795_239_646_900).unwrap();
        assert_eq!(running(Some("web-1"), started), "web-1@2026-11-21T05:40:46.900Z");
        assert!(running(None, started).ends_with("@2026-11-21T05:40:46.900Z"));
    }
}
