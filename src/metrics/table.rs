//! One list for both the log line and the metrics of what a room counts.

use std::fmt;

use super::metric::Metric;
use super::reading::Readings;

/// What a room counts, in one row: its key in the log line (which the documentation names), its metric, and where its value is.
#[derive(Debug)]
pub(crate) struct Row<S: 'static> {
    #[cfg(test)]
    pub(crate) key: &'static str,
    /// `None`: only the log has it.
    pub(crate) metric: Option<Metric>,
    /// The value of the row's own label, where several rows make one metric.
    pub(crate) label: Option<&'static str>,
    pub(crate) read: Read<S>,
}

/// Where a value is.
#[derive(Debug)]
pub(crate) enum Read<S: 'static> {
    One(fn(&S) -> u64),
    /// Milliseconds, which are seconds in the metric.
    Millis(fn(&S) -> u64),
    /// Some that a label tells apart.
    By(fn(&S) -> Vec<(&'static str, u64)>),
    None,
}

impl<S> Row<S> {
    /// Adds the row's values.
    pub(crate) fn tell(&self, state: &S, readings: &mut Readings) {
        let Some(metric) = &self.metric else { return };
        let labels = self.label.as_slice();
        match self.read {
            Read::One(read) => readings.whole(metric, labels, read(state)),
            Read::Millis(read) => readings.decimal(metric, labels, read(state) as f64 / 1e3),
            Read::By(read) => {
                for (value, count) in read(state) {
                    readings.whole(metric, &[value], count);
                }
            }
            Read::None => {}
        }
    }
}

/// Those that are not zero, by name: `behind 3, lost 1`.
pub(crate) struct Named(pub(crate) Vec<(&'static str, u64)>);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut found = self.0.iter().filter(|(_, count)| *count > 0).peekable();
        if found.peek().is_none() {
            return f.write_str("none");
        }
        for (index, (name, count)) in found.enumerate() {
            write!(f, "{}{name} {count}", if index > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

/// Makes a table, and the function that logs it in one line. An entry is `key = form(...);`, with these forms:
///
/// ```text
///   counter("name_total", "help", |state| value)           gauge("name", "help", |state| value)
///   counter_of("name_total", "help", label = "value", |state| value)     one of several rows that make a metric
///   counter_by("name_total", "help", label, |state| [("value", count), ...])
///   millis("name_seconds", "help", |state| milliseconds)
///   logged(|state| value)                                  only in the log
/// ```
///
/// All values are `u64`.
macro_rules! table {
    (
        $(#[$meta:meta])* $vis:vis const $table:ident of $state:ty;
        $(#[$log_meta:meta])* $log_vis:vis fn $log:ident;
        $($key:ident = $form:ident($($args:tt)*);)*
    ) => {
        $(#[$meta])*
        $vis const $table: &[$crate::metrics::Row<$state>] =
            &[$($crate::metrics::table!(@row $form $key $state, $($args)*)),*];

        $(#[$log_meta])*
        $log_vis fn $log(state: &$state, what: &'static str) {
            tracing::info!($($key = $crate::metrics::table!(@logged $form state, $state, $($args)*),)* "{what}");
        }
    };
    (@row counter $key:ident $state:ty, $name:literal, $help:expr, |$s:ident| $read:expr) => {
        $crate::metrics::Row {
            #[cfg(test)]
            key: stringify!($key),
            metric: Some($crate::metrics::Metric::counter($name, $help, &[])),
            label: None,
            read: $crate::metrics::Read::One(|$s: &$state| $read),
        }
    };
    (@row gauge $key:ident $state:ty, $name:literal, $help:expr, |$s:ident| $read:expr) => {
        $crate::metrics::Row {
            #[cfg(test)]
            key: stringify!($key),
            metric: Some($crate::metrics::Metric::gauge($name, $help, &[])),
            label: None,
            read: $crate::metrics::Read::One(|$s: &$state| $read),
        }
    };
    (@row millis $key:ident $state:ty, $name:literal, $help:expr, |$s:ident| $read:expr) => {
        $crate::metrics::Row {
            #[cfg(test)]
            key: stringify!($key),
            metric: Some($crate::metrics::Metric::gauge($name, $help, &[])),
            label: None,
            read: $crate::metrics::Read::Millis(|$s: &$state| $read),
        }
    };
    (@row counter_of $key:ident $state:ty, $name:literal, $help:expr, $own:ident = $value:literal, |$s:ident| $read:expr) => {
        $crate::metrics::Row {
            #[cfg(test)]
            key: stringify!($key),
            metric: Some($crate::metrics::Metric::counter($name, $help, &[stringify!($own)])),
            label: Some($value),
            read: $crate::metrics::Read::One(|$s: &$state| $read),
        }
    };
    (@row counter_by $key:ident $state:ty, $name:literal, $help:expr, $own:ident, |$s:ident| $read:expr) => {
        $crate::metrics::Row {
            #[cfg(test)]
            key: stringify!($key),
            metric: Some($crate::metrics::Metric::counter($name, $help, &[stringify!($own)])),
            label: None,
            read: $crate::metrics::Read::By(|$s: &$state| $read),
        }
    };
    (@row logged $key:ident $state:ty, |$s:ident| $read:expr) => {
        $crate::metrics::Row {
            #[cfg(test)]
            key: stringify!($key),
            metric: None,
            label: None,
            read: $crate::metrics::Read::None,
        }
    };
    (@logged counter_by $from:ident, $state:ty, $name:literal, $help:expr, $own:ident, |$s:ident| $read:expr) => {{
        let $s: &$state = $from;
        tracing::field::display($crate::metrics::Named($read))
    }};
    (@logged counter_of $from:ident, $state:ty, $name:literal, $help:expr, $own:ident = $value:literal, |$s:ident| $read:expr) => {{
        let $s: &$state = $from;
        $read
    }};
    (@logged logged $from:ident, $state:ty, |$s:ident| $read:expr) => {{
        let $s: &$state = $from;
        $read
    }};
    (@logged $form:ident $from:ident, $state:ty, $name:literal, $help:expr, |$s:ident| $read:expr) => {{
        let $s: &$state = $from;
        $read
    }};
}
pub(crate) use table;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_by_kind_is_named() {
        assert_eq!(Named(vec![("behind", 0), ("lost", 0)]).to_string(), "none");
        assert_eq!(Named(vec![("behind", 1), ("gap", 0), ("lost", 2)]).to_string(), "behind 1, lost 2");
    }
}
