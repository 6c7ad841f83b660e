//! Settings of `proxy` that matter only together with others, or are refused without them.

use super::args::ProxyArgs;
use crate::cli::settings::{audit_rules, mirror_rules, record_rules, spool_rules, statement_rules};
use crate::proxy::{TlsMode, UpstreamVerify};
use crate::settings::Otherwise::{NoEffect, Refused};
use crate::settings::Rule;

/// Every rule.
pub(in crate::cli) fn rules() -> Vec<Rule<ProxyArgs>> {
    let mut rules = Vec::from(CAPTURE);
    rules.extend(FILTERS);
    rules.extend(BUFFER);
    rules.extend(TLS);
    rules.extend(SPOOL);
    rules.extend(statement_rules());
    rules.extend(spool_rules());
    rules.extend(audit_rules());
    rules.extend(mirror_rules());
    rules.extend(record_rules());
    rules
}

const CAPTURE: [Rule<ProxyArgs>; 4] = [
    Rule {
        settings: &["max_statement_bytes"],
        needs: |args| args.capture.statement_logging || args.recording.record.is_some(),
        otherwise: NoEffect("there are neither messages nor a recording with --statement-logging=false"),
    },
    Rule {
        settings: &["redact_keys", "redact_mode", "redact_value", "redact_key_file"],
        needs: |args| args.capture.statement_logging || args.recording.is_redacted(),
        otherwise: NoEffect(
            "there are neither messages nor a recording that is redacted with --statement-logging=false",
        ),
    },
    Rule {
        settings: &[
            "capture_all",
            "capture_ddl",
            "capture_callproc",
            "include_sql",
            "include_params",
            "split_values",
            "max_param_length",
            "on_unobservable",
            "session_probe",
            "default_tz",
            "markers",
            "sign_key",
        ],
        needs: |args| args.capture.statement_logging,
        otherwise: NoEffect("there are no messages with --statement-logging=false"),
    },
    Rule {
        settings: &["debug_value", "service_name"],
        needs: |args| args.capture.statement_logging || args.capture.inline_debug,
        otherwise: NoEffect("there are neither messages nor comments with --statement-logging=false"),
    },
];

const FILTERS: [Rule<ProxyArgs>; 1] = [Rule {
    settings: &["only", "skip", "min_duration", "sample", "sample_seed", "keep_errors"],
    needs: |args| args.capture.statement_logging,
    otherwise: NoEffect("there are no messages with --statement-logging=false"),
}];

const BUFFER: [Rule<ProxyArgs>; 1] = [Rule {
    settings: &["buffer_until_commit", "buffer_messages", "buffer_bytes", "temp_dir"],
    needs: |args| args.capture.statement_logging,
    otherwise: NoEffect("there are no messages with --statement-logging=false"),
}];

const SPOOL: [Rule<ProxyArgs>; 1] = [Rule {
    settings: &["spool"],
    needs: |args| args.capture.statement_logging,
    otherwise: NoEffect("there are no messages with --statement-logging=false"),
}];

const TLS: [Rule<ProxyArgs>; 6] = [
    Rule {
        settings: &["inline_debug"],
        needs: |args| !args.capture.inline_debug || args.tls.tls != TlsMode::Passthrough,
        otherwise: Refused("sessions with TLS that is passed through would have no comments: --tls terminate or strip"),
    },
    Rule {
        settings: &["tls_cert"],
        needs: |args| args.tls.tls_key.is_some(),
        otherwise: Refused("needs --tls-key too"),
    },
    Rule {
        settings: &["tls_key"],
        needs: |args| args.tls.tls_cert.is_some(),
        otherwise: Refused("needs --tls-cert too"),
    },
    Rule {
        settings: &["upstream_tls_verify"],
        needs: |args| {
            args.tls.upstream_ca.is_some() || args.tls.upstream_tls_verify.is_none_or(|how| how == UpstreamVerify::None)
        },
        otherwise: Refused("needs --upstream-ca too"),
    },
    Rule {
        settings: &["tls_cert", "tls_key", "upstream_ca", "upstream_tls_verify"],
        needs: |args| args.tls.tls == TlsMode::Terminate,
        otherwise: NoEffect("the proxy takes part in TLS only with --tls terminate"),
    },
    Rule {
        settings: &["upstream_ca"],
        needs: |args| args.tls.upstream_tls_verify != Some(UpstreamVerify::None),
        otherwise: NoEffect(
            "nothing is checked with --upstream-tls-verify none: leave that out, or set it to ca or full",
        ),
    },
];
