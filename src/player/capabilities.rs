//! What a session asks of the target.

use crate::mysql::wire::CapabilityFlags;

/// What is asked of the target: everything that may change a result, and nothing that only changes how it travels.
pub(super) fn to_ask_for(recorded: Option<CapabilityFlags>) -> CapabilityFlags {
    let transport = CapabilityFlags::SSL
        | CapabilityFlags::COMPRESS
        | CapabilityFlags::ZSTD_COMPRESSION_ALGORITHM
        | CapabilityFlags::MARIADB_PROGRESS
        // With it MySQL 9.7 may end an answer with what could be a row, and only the answer to the next command would tell.
        | CapabilityFlags::DEPRECATE_EOF
        | CapabilityFlags::from_bits_retain(MULTI_FACTOR_AUTHENTICATION | VERIFY_SERVER_CERT);
    recorded.unwrap_or_else(usual_capabilities) - transport
}

/// `CLIENT_MULTI_FACTOR_AUTHENTICATION`
const MULTI_FACTOR_AUTHENTICATION: u64 = 1 << 28;
/// `CLIENT_SSL_VERIFY_SERVER_CERT`
const VERIFY_SERVER_CERT: u64 = 1 << 30;

/// Of a client of which only the statements are known.
fn usual_capabilities() -> CapabilityFlags {
    CapabilityFlags::MULTI_STATEMENTS
        | CapabilityFlags::MULTI_RESULTS
        | CapabilityFlags::PS_MULTI_RESULTS
        | CapabilityFlags::SESSION_TRACK
        | CapabilityFlags::LOCAL_FILES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_results_stays_and_what_only_travels_does_not() {
        let found_rows = CapabilityFlags::from_bits_retain(1 << 1);
        let recorded = found_rows
            | CapabilityFlags::MARIADB_STMT_BULK_OPERATIONS
            | CapabilityFlags::SSL
            | CapabilityFlags::COMPRESS
            | CapabilityFlags::DEPRECATE_EOF
            | CapabilityFlags::ZSTD_COMPRESSION_ALGORITHM;
        assert_eq!(to_ask_for(Some(recorded)), found_rows | CapabilityFlags::MARIADB_STMT_BULK_OPERATIONS);
        assert!(to_ask_for(None).contains(CapabilityFlags::MULTI_STATEMENTS));
    }
}
