//! Which statements become messages.

use crate::mysql::sql::Effects;
use crate::session::Statement;

/// `INTERCEPTOR_CAPTURE_*` and `DEBUGQUERYINTERCEPTOR_STATEMENTLOGGING`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapturePolicy {
    /// False: no messages at all.
    pub enabled: bool,
    /// SELECTs and everything else. Otherwise statements that change data, and what the next two add.
    pub all: bool,
    /// DDL too.
    pub ddl: bool,
    /// CALL too.
    pub callproc: bool,
}

impl Default for CapturePolicy {
    fn default() -> Self {
        Self { enabled: true, all: true, ddl: false, callproc: true }
    }
}

impl CapturePolicy {
    /// Whether a statement becomes a message. Rather one too many than one too few: what is not known is wanted.
    pub fn wants(&self, statement: &Statement<'_>) -> bool {
        if self.all || !self.enabled {
            return self.enabled;
        }
        let Some(summary) = statement.summary() else { return true };
        statement.truncated
            || summary.effects.intersects(Effects::ROWS | Effects::UNKNOWN)
            || (self.ddl && summary.effects.contains(Effects::DEFINITIONS))
            || (self.callproc && summary.effects.contains(Effects::CALLS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::sql::Flavor;
    use crate::mysql::wire::OkPacket;
    use crate::session::{BatchPart, Now, Outcome, SessionFacts, StatementParams};

    fn wants(policy: CapturePolicy, sql: Option<&str>) -> bool {
        let session = SessionFacts { flavor: Some(Flavor::MariaDb), ..SessionFacts::default() };
        policy.wants(&Statement {
            session: &session,
            sql: sql.map(str::as_bytes),
            truncated: false,
            reading: session.reading(),
            params: StatementParams::None,
            started: Now::default(),
            duration_ns: 1,
            outcome: Outcome::Ok(OkPacket::new(0, 0, Default::default(), 0, b"")),
            was_executed: true,
            batch_part: BatchPart::Last,
            command: 1,
        })
    }

    #[test]
    fn what_is_wanted() {
        let some = CapturePolicy { all: false, ..CapturePolicy::default() };
        for sql in [
            "UPDATE t SET a = 1",
            "CALL p()",
            "/* x */ insert into t values (1)",
            "SELECT 1; DELETE FROM t",
            "EXECUTE nobody_knows",
            "SELEC 1",
            "SET STATEMENT max_statement_time=1 FOR DELETE FROM t",
            "BEGIN NOT ATOMIC DELETE FROM t; END",
            // Whether this is a string or a name, only the mode tells.
            "SELECT \"a\\\"; DELETE FROM t; SELECT \" \"",
        ] {
            assert!(wants(some, Some(sql)), "{sql}");
        }
        for sql in
            ["SELECT 1", "CREATE TABLE t (a INT)", "BEGIN", "COMMIT; SELECT 1", "-- nothing", "SET @a = 'DELETE'"]
        {
            assert!(!wants(some, Some(sql)), "{sql}");
        }
        assert!(wants(some, None), "a text that was never seen");
        assert!(wants(CapturePolicy { ddl: true, ..some }, Some("CREATE TABLE t (a INT)")));
        assert!(!wants(CapturePolicy { callproc: false, ..some }, Some("CALL p()")));
        assert!(wants(CapturePolicy::default(), Some("SELECT 1")));
        assert!(!wants(CapturePolicy { enabled: false, ..CapturePolicy::default() }, Some("SELECT 1")));
    }
}
