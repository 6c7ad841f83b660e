//! Which statements become messages, and what of them, the same for all subcommands that make messages of statements.

use std::time::Duration;

use clap::Args;

use crate::message::{Criterion, MessageFilter, Sample};
use crate::rules::names::Patterns;
use crate::settings::{boolean, duration, memory_size, share};

/// Which statements become messages, and what of them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Capture")]
pub(in crate::cli) struct MessageArgs {
    /// Every statement, not only changes of data
    ///
    /// With --capture-all=false only statements that change data become messages, and what --capture-ddl and --capture-callproc add.
    #[arg(long, value_name = "BOOL", default_value = "true", value_parser = boolean)]
    pub(in crate::cli) capture_all: bool,

    /// With --capture-all=false: DDL too
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean)]
    pub(in crate::cli) capture_ddl: bool,

    /// With --capture-all=false: CALL too
    #[arg(long, value_name = "BOOL", default_value = "true", value_parser = boolean)]
    pub(in crate::cli) capture_callproc: bool,

    /// Whether messages have the statement's text
    #[arg(long, value_name = "BOOL", default_value = "true", value_parser = boolean)]
    pub(in crate::cli) include_sql: bool,

    /// Whether messages have the bound values
    #[arg(long, value_name = "BOOL", default_value = "true", value_parser = boolean)]
    pub(in crate::cli) include_params: bool,

    /// One message per row of a multi-row INSERT
    ///
    /// Of INSERT and REPLACE with VALUES (..), (..), as batches of drivers send them: each message has the statement with one row, ? in place of its
    /// literals and these as queryParams. A text that is cut (--max-statement-bytes) is one message.
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean)]
    pub(in crate::cli) split_values: bool,

    /// Longer bound values are cut and end in ...
    #[arg(long, value_name = "CHARS", default_value_t = 2048)]
    pub(in crate::cli) max_param_length: usize,

    /// Longer statements are cut too
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = memory_size)]
    pub(in crate::cli) max_statement_bytes: usize,

    /// The field debug [default: --service-name]
    #[arg(long, env = "DEBUGQUERYINTERCEPTOR_DEBUG", value_name = "TEXT")]
    pub(in crate::cli) debug_value: Option<String>,

    /// The field debug without --debug-value
    #[arg(long, env = "SERVICE_NAME", value_name = "TEXT", default_value = "unknown-service")]
    pub(in crate::cli) service_name: String,

    /// The field defaultTZ [default: this host's time zone]
    #[arg(long, value_name = "ZONE")]
    pub(in crate::cli) default_tz: Option<String>,
}

/// Which statements are left out.
#[derive(Debug, Args)]
#[command(next_help_heading = "Filters")]
pub(in crate::cli) struct FilterArgs {
    /// Only statements of this user, database, client or kind; repeatable
    ///
    /// user=NAME, database=NAME, client=ADDRESS[/BITS], kind=KIND (select, insert, ddl and so on: docs/messages.md), table=[DATABASE.]NAME or digest=DIGEST (docs/digest.md). In names * stands for any characters; a name with an asterisk or a comma stands in
    /// backticks. Of criteria with the same key one must hold, of different keys each.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(in crate::cli) only: Vec<Patterns<Criterion>>,

    /// No statements of this user, database, client or kind; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    pub(in crate::cli) skip: Vec<Patterns<Criterion>>,

    /// No statements that took less
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = duration)]
    pub(in crate::cli) min_duration: Duration,

    /// Only statements of this share of the sessions
    ///
    /// From 0 to 1. Sessions are chosen by their connection ids.
    #[arg(long, value_name = "SHARE", default_value = "1", value_parser = share)]
    pub(in crate::cli) sample: f64,

    /// Another number chooses other sessions
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(in crate::cli) sample_seed: u64,

    /// Errors pass all filters
    ///
    /// Statements that failed, or whose outcome is not known, become messages whatever --only, --skip, --min-duration and --sample say.
    #[arg(long, value_name = "BOOL", default_value = "true", value_parser = boolean)]
    pub(in crate::cli) keep_errors: bool,
}

impl FilterArgs {
    /// Whether anything is left out.
    pub(in crate::cli) fn is_given(&self) -> bool {
        !self.only.is_empty() || !self.skip.is_empty() || !self.min_duration.is_zero() || self.sample < 1.0
    }

    /// What it leaves out.
    pub(in crate::cli) fn filter(&self) -> MessageFilter {
        MessageFilter {
            only: Patterns::flat(&self.only),
            skip: Patterns::flat(&self.skip),
            min_duration_ns: u64::try_from(self.min_duration.as_nanos()).unwrap_or(u64::MAX),
            sample: Sample { share: self.sample, seed: self.sample_seed },
            keeps_errors: self.keep_errors,
        }
    }
}

impl MessageArgs {
    /// The field `debug`.
    pub(in crate::cli) fn debug(&self) -> String {
        let given = self.debug_value.as_ref().filter(|text| !text.is_empty());
        given.unwrap_or(&self.service_name).clone()
    }

    /// The field `defaultTZ`, if it is given.
    pub(in crate::cli) fn default_tz(&self) -> Option<String> {
        self.default_tz.clone().filter(|zone| !zone.is_empty())
    }
}
