//! docs/metrics.md names what there is, and what there is follows conventions.

use std::collections::BTreeMap;

use crate::metrics::{Kind, Metric, document};
use crate::{binlog, deliver, mirror, proxy};

type Metrics = Vec<(Metric, Option<&'static str>)>;

fn sections() -> Vec<(&'static str, Metrics)> {
    vec![
        ("proxy", proxy::metrics()),
        ("sinks", deliver::metrics()),
        ("binlog", binlog::metrics()),
        ("mirror", mirror::metrics()),
    ]
}

/// `INTERCEPTOR_BLESS=1 cargo test --lib metrics_md` writes it.
#[test]
fn metrics_md_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    let found = std::fs::read_to_string(path).unwrap();
    let wanted = document(&found, sections());
    if std::env::var_os("INTERCEPTOR_BLESS").is_some() {
        std::fs::write(path, &wanted).unwrap();
    } else {
        assert!(
            found == wanted,
            "docs/metrics.md is out of date: INTERCEPTOR_BLESS=1 cargo test --lib metrics_md writes it"
        );
    }
}

/// The conventions that `promtool check metrics` knows, and some that it does not.
#[test]
fn names_follow_conventions() {
    let mut known: BTreeMap<&str, Metric> = BTreeMap::new();
    for (metric, _) in sections().into_iter().flat_map(|(_, metrics)| metrics) {
        let Metric { name, kind, help, labels } = metric;
        assert!(name.starts_with("mysql_interceptor_"), "{name}");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        assert_eq!(name.ends_with("_total"), kind == Kind::Counter, "{name}");
        assert!(!help.is_empty() && !help.ends_with('.') && !help.contains(['\n', '|']), "{name}: {help}");
        for unit in ["_ms", "_milliseconds", "_us", "_ns", "_kb", "_mb", "_count", "_sum", "_bucket"] {
            assert!(!name.trim_end_matches("_total").ends_with(unit), "{name}");
        }
        assert!(labels.iter().all(|label| !["le", "quantile", "job", "instance", "user"].contains(label)), "{name}");
        // Several rows may be one metric, which is the same in each.
        assert_eq!(*known.entry(name).or_insert(metric), metric, "{name}");
    }
    assert!(known.len() > 60, "{}", known.len());
}
