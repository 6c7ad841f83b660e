//! The command line of `compare`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::settings::{LogArgs, ReportArgs, ServerUrl, choice};
use crate::pretty::ColorChoice;
use crate::settings::Otherwise::{NoEffect, Refused};
use crate::settings::{Rule, boolean};

/// The settings of `mysql-interceptor compare`.
#[derive(Debug, Args)]
pub(in crate::cli) struct CompareArgs {
    /// Configuration file (TOML): its keys are the long flags with _ for -
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// What to compare: two recordings, or two replays' reports, the older one first; with --merge, the reports to add up
    #[arg(value_name = "DIR", num_args = 1..)]
    pub(super) folders: Vec<PathBuf>,

    /// Add up the reports of several players, or read one again
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean)]
    pub(super) merge: bool,

    /// Key file of encrypted recordings
    #[arg(long, value_name = "FILE")]
    pub(super) key_file: Option<PathBuf>,

    #[command(flatten)]
    pub(in crate::cli) report: ReportArgs,

    /// Server to ask for the plans of recorded statements: mysql://USER[:PASSWORD]@HOST[:PORT]/DATABASE
    ///
    /// With --explain-target: EXPLAIN of up to 100 SELECTs that became slower or differ, and do nothing but read. Without a password in the
    /// URL that of the variable MYSQL_PWD is taken.
    #[arg(long, value_name = "URL")]
    #[arg(help_heading = "Report")]
    pub(super) explain_recorded: Option<ServerUrl>,

    /// ... and the server that they went to again
    #[arg(long, value_name = "URL")]
    #[arg(help_heading = "Report")]
    pub(super) explain_target: Option<ServerUrl>,

    /// Colours of the summary
    #[arg(long, value_name = "WHEN", default_value = "auto", value_parser = choice::<ColorChoice>())]
    #[arg(help_heading = "Report")]
    pub(super) color: ColorChoice,

    #[command(flatten)]
    pub(in crate::cli) log: LogArgs,
}

/// Settings that matter only together with others.
pub(in crate::cli) fn rules() -> Vec<Rule<CompareArgs>> {
    vec![
        Rule {
            settings: &["folders"],
            needs: |args| args.merge || args.folders.len() == 2,
            otherwise: Refused("expected two folders, the older execution first (--merge adds up reports)"),
        },
        Rule {
            settings: &["explain_recorded", "explain_target"],
            needs: |args| args.explain_recorded.is_some() == args.explain_target.is_some(),
            otherwise: Refused("both servers are asked: give --explain-recorded and --explain-target"),
        },
        Rule {
            settings: &["explain_recorded", "explain_target"],
            needs: |args| args.report.report.is_some(),
            otherwise: NoEffect("plans are part of the report: give --report"),
        },
        Rule {
            settings: &["time_factor", "time_floor", "key_file"],
            needs: |args| !args.merge,
            otherwise: NoEffect("reports are added up as they are (--merge)"),
        },
    ]
}
