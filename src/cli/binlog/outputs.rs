//! From the command line to the sinks and the forms they take.

use std::sync::Arc;
use std::time::Duration;

use super::args::{BigInt, Binlog};
use crate::binlog::{FormFactory, Geometry, Native, ValueOptions};
use crate::config::{ColorChoice, Compression, NdjsonConfig, StdoutConfig};
use crate::sink::{Direct, NdjsonSink, Sink, StdoutSink};

/// Where messages go, and in which forms.
pub(super) struct Outputs {
    pub(super) forms: Vec<FormFactory>,
    pub(super) sinks: Direct,
}

/// Opens the sinks.
pub(super) fn open(settings: &Binlog) -> Result<Outputs, String> {
    let values = ValueOptions { bigint_as_string: settings.bigint == BigInt::String, geometry: Geometry::Wkb };
    let native: FormFactory = Arc::new(move || Box::new(Native::new(values)));
    let stdout = vec!["stdout".to_owned()];
    let names = if settings.sink.is_empty() { &stdout } else { &settings.sink };
    let sinks = names.iter().map(|name| Ok((0, sink(name)?))).collect::<Result<Vec<_>, String>>()?;
    let sinks = Direct::start(sinks, settings.queue_bytes).map_err(|error| error.to_string())?;
    Ok(Outputs { forms: vec![native], sinks })
}

fn sink(name: &str) -> Result<Box<dyn Sink>, String> {
    let opened = match name.split_once(':') {
        None if name == "stdout" => {
            StdoutSink::open(&StdoutConfig { pretty: false, color: ColorChoice::Auto }).map(|sink| Box::new(sink) as _)
        }
        Some(("ndjson", path)) if !path.is_empty() => NdjsonSink::open(NdjsonConfig {
            path: path.into(),
            rotate_size: 0,
            rotate_age: Duration::ZERO,
            compress: Compression::None,
            keep: 0,
        })
        .map(|sink| Box::new(sink) as _),
        _ => return Err(format!("--sink {name}: it is stdout or ndjson:PATH")),
    };
    opened.map_err(|error| error.to_string())
}
