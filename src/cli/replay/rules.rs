//! What the settings of `replay` are to each other.

use super::args::ReplayArgs;
use super::values::{From, Speed};
use crate::client::TlsMode;
use crate::settings::Otherwise::{NoEffect, Refused};
use crate::settings::Rule;

const PLAYED_WHOLE: &str = "a topic that players share is played once, whole, and without an order across sessions: each player knows only its own";

/// Settings that matter only together with others.
pub(in crate::cli) fn rules() -> Vec<Rule<ReplayArgs>> {
    vec![
        Rule {
            settings: &["tls_mode"],
            needs: |args| !args.target.tls_mode.is_some_and(TlsMode::verifies) || args.target.tls_ca.is_some(),
            otherwise: Refused("verify-ca and verify-identity need --tls-ca too"),
        },
        Rule {
            settings: &["tls_ca"],
            needs: |args| args.target.tls_mode.is_none_or(TlsMode::verifies),
            otherwise: NoEffect(
                "nothing is checked with this --tls-mode: leave that out, or set it to verify-ca or verify-identity",
            ),
        },
        Rule {
            settings: &["password_file", "ask_password"],
            needs: |args| args.target.target.as_ref().is_none_or(|url| url.password.is_none()),
            otherwise: NoEffect("the password is in --target"),
        },
        Rule {
            settings: &["speed"],
            needs: |args| args.pace.connect_scale.is_none() || args.pace.think_scale.is_none(),
            otherwise: NoEffect("--connect-scale and --think-scale say it all"),
        },
        Rule {
            settings: &["think_auto"],
            needs: |args| {
                args.pace.think_scale != Some(0.0) && (args.pace.speed != Speed::Max || args.pace.think_scale.is_some())
            },
            otherwise: NoEffect("there are no pauses at this speed"),
        },
        Rule {
            settings: &["amplify_offset"],
            needs: |args| args.pace.amplify > 1,
            otherwise: NoEffect("there is one copy of each session: set --amplify"),
        },
        Rule {
            settings: &["group", "until_idle", "kafka_bootstrap_servers", "kafka_option"],
            needs: |args| args.topic().is_some(),
            otherwise: NoEffect("it is about kafka:TOPIC, and a folder is played"),
        },
        Rule {
            settings: &["from"],
            needs: |args| !matches!(args.selection.from, Some(From::Topic(_))) || args.recording.is_none(),
            otherwise: Refused("there is a recording already: give either its folder or kafka:TOPIC"),
        },
        Rule {
            settings: &["from"],
            needs: |args| args.topic().is_none() || args.selection.from.as_ref().and_then(From::place).is_none(),
            otherwise: Refused(PLAYED_WHOLE),
        },
        Rule {
            settings: &["to", "loops", "amplify", "commit_order", "key_file"],
            needs: |args| args.topic().is_none(),
            otherwise: Refused(PLAYED_WHOLE),
        },
        Rule {
            settings: &["report", "fail_on", "baseline", "loops", "amplify", "start_anyway"],
            needs: |args| !args.check,
            otherwise: NoEffect("--check plays nothing"),
        },
    ]
}
