//! What a statement leaves open: why it may be answered differently by two servers that have the same data, and both be right.

use super::kind::{StatementKind, StatementSummary};
use super::lexis::Lexis;
use super::tokens::{Kind, Token, Tokens};

bitflags::bitflags! {
    /// Why a statement's answer is not determined by the data.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Nature: u16 {
        /// It asks for the time: NOW(), CURRENT_DATE and the like.
        const CLOCK = 1;
        /// It asks for chance: RAND(), UUID() and the like.
        const RANDOM = 1 << 1;
        /// It asks who is connected: CONNECTION_ID(), USER().
        const CONNECTION = 1 << 2;
        /// It asks about the server itself: VERSION(), system variables, SHOW, information_schema.
        const SERVER = 1 << 3;
        /// It asks for generated keys: LAST_INSERT_ID(), sequences.
        const KEYS = 1 << 4;
        /// It takes some of the rows, and nothing says which: LIMIT without ORDER BY.
        const LIMIT = 1 << 5;
        /// It puts values together, and nothing says in which order: GROUP_CONCAT without ORDER BY.
        const GROUP_ORDER = 1 << 6;
        /// It depends on what others hold at that time: SKIP LOCKED, GET_LOCK().
        const LOCKS = 1 << 7;
        /// No reason to differ, but the outermost query says in which order its rows come.
        const ORDERED = 1 << 8;
    }
}

impl Nature {
    /// The reasons for which any part of an answer may differ, even the number of rows.
    const ANY_PART: Self = Self::CLOCK
        .union(Self::RANDOM)
        .union(Self::CONNECTION)
        .union(Self::SERVER)
        .union(Self::KEYS)
        .union(Self::LOCKS);

    /// Whether the number of rows, returned or affected, may differ by nature.
    pub fn may_change_count(self) -> bool {
        self.intersects(Self::ANY_PART)
    }

    /// Whether the rows' values may differ by nature.
    pub fn may_change_values(self) -> bool {
        self.intersects(Self::ANY_PART.union(Self::LIMIT).union(Self::GROUP_ORDER))
    }

    /// The reasons, for people.
    pub fn reasons(self) -> impl Iterator<Item = &'static str> {
        const REASONS: [(Nature, &str); 8] = [
            (Nature::CLOCK, "asks for the time"),
            (Nature::RANDOM, "asks for random values"),
            (Nature::CONNECTION, "asks who is connected"),
            (Nature::SERVER, "asks about the server"),
            (Nature::KEYS, "asks for generated keys"),
            (Nature::LIMIT, "LIMIT without ORDER BY"),
            (Nature::GROUP_ORDER, "GROUP_CONCAT without ORDER BY"),
            (Nature::LOCKS, "depends on other sessions' locks"),
        ];
        REASONS.into_iter().filter(move |(reason, _)| self.contains(*reason)).map(|(_, text)| text)
    }

    /// Of a text of one or several statements.
    pub fn of(sql: &[u8], lexis: Lexis) -> Self {
        let mut tokens = Tokens::new(sql, lexis);
        let mut walk = Walk { nature: Self::of_kind(sql, lexis), blocks: vec![Block::default()] };
        while let Some(token) = tokens.next() {
            walk.token(&mut tokens, &token);
        }
        while walk.blocks.len() > 1 {
            walk.close();
        }
        walk.end_statement();
        walk.nature
    }

    fn of_kind(sql: &[u8], lexis: Lexis) -> Self {
        match StatementSummary::of_text(sql, lexis, &|_| None).kind {
            StatementKind::Show | StatementKind::Admin => Self::SERVER,
            _ => Self::empty(),
        }
    }
}

/// Keywords that are functions without parentheses. All of them are reserved, so that no column has such a name without quotes.
const BARE: [(&str, Nature); 10] = [
    ("current_timestamp", Nature::CLOCK),
    ("current_date", Nature::CLOCK),
    ("current_time", Nature::CLOCK),
    ("localtime", Nature::CLOCK),
    ("localtimestamp", Nature::CLOCK),
    ("utc_date", Nature::CLOCK),
    ("utc_time", Nature::CLOCK),
    ("utc_timestamp", Nature::CLOCK),
    ("current_user", Nature::CONNECTION),
    ("current_role", Nature::CONNECTION),
];

/// Functions, whatever their arguments.
const FUNCTIONS: [(&str, Nature); 26] = [
    ("now", Nature::CLOCK),
    ("sysdate", Nature::CLOCK),
    ("curdate", Nature::CLOCK),
    ("curtime", Nature::CLOCK),
    ("uuid", Nature::RANDOM),
    ("uuid_short", Nature::RANDOM),
    ("uuid_v4", Nature::RANDOM),
    ("uuid_v7", Nature::RANDOM),
    ("sys_guid", Nature::RANDOM),
    ("random_bytes", Nature::RANDOM),
    ("connection_id", Nature::CONNECTION),
    ("user", Nature::CONNECTION),
    ("session_user", Nature::CONNECTION),
    ("system_user", Nature::CONNECTION),
    ("version", Nature::SERVER),
    ("icu_version", Nature::SERVER),
    ("ps_thread_id", Nature::SERVER),
    ("ps_current_thread_id", Nature::SERVER),
    ("nextval", Nature::KEYS),
    ("lastval", Nature::KEYS),
    ("get_lock", Nature::LOCKS),
    ("is_free_lock", Nature::LOCKS),
    ("is_used_lock", Nature::LOCKS),
    ("release_lock", Nature::LOCKS),
    ("release_all_locks", Nature::LOCKS),
    ("roles_graphml", Nature::SERVER),
];

/// Functions that leave something open only without arguments: a seed, a time and a key that are given are the same for both servers.
const WITHOUT_ARGUMENTS: [(&str, Nature); 3] =
    [("unix_timestamp", Nature::CLOCK), ("rand", Nature::RANDOM), ("last_insert_id", Nature::KEYS)];

/// Schemas that tell of the server, not of the data.
const SERVER_SCHEMAS: [&str; 4] = ["information_schema", "performance_schema", "mysql", "sys"];

/// What stands between two parentheses, or in none.
#[derive(Debug, Clone, Copy, Default)]
struct Block {
    has_order: bool,
    has_limit: bool,
    is_group_concat: bool,
}

struct Walk {
    nature: Nature,
    blocks: Vec<Block>,
}

/// Deeper than this no parentheses are told apart; neither server takes a statement like it.
const DEEPEST: usize = 10_000;

impl Walk {
    fn token(&mut self, tokens: &mut Tokens<'_>, token: &Token) {
        match token.kind {
            Kind::Open if self.blocks.len() < DEEPEST => self.blocks.push(Block::default()),
            Kind::Close if self.blocks.len() > 1 => self.close(),
            // The semicolon at a text's end is no further statement's beginning.
            Kind::Semicolon if self.blocks.len() == 1 && tokens.peek().is_some() => self.end_statement(),
            Kind::Variable if tokens.text(token).starts_with(b"@@") => self.nature |= Nature::SERVER,
            Kind::Word => self.word(tokens, token),
            Kind::Name => self.qualifier(tokens, token),
            _ => {}
        }
    }

    fn word(&mut self, tokens: &mut Tokens<'_>, token: &Token) {
        let text = tokens.text(token);
        let next = tokens.peek();
        let is = |word: &str| text.eq_ignore_ascii_case(word.as_bytes());
        let found = |table: &[(&str, Nature)]| table.iter().find(|(word, _)| is(word)).map(|(_, nature)| *nature);
        if let Some(nature) = found(&BARE) {
            self.nature |= nature;
            return;
        }
        match next.map(|next| next.kind) {
            Some(Kind::Open) => {
                if let Some(nature) = found(&FUNCTIONS) {
                    self.nature |= nature;
                } else if let Some(nature) = found(&WITHOUT_ARGUMENTS) {
                    self.call_without_arguments(tokens, nature);
                } else if is("group_concat") || is("json_arrayagg") || is("json_objectagg") {
                    tokens.next();
                    self.blocks.push(Block { is_group_concat: true, ..Block::default() });
                }
            }
            Some(Kind::Dot) => self.qualifier(tokens, token),
            _ => self.clause(tokens, token),
        }
    }

    fn call_without_arguments(&mut self, tokens: &Tokens<'_>, nature: Nature) {
        let mut ahead = tokens.clone();
        ahead.next();
        if ahead.next().is_some_and(|token| token.kind == Kind::Close) {
            self.nature |= nature;
        }
    }

    fn clause(&mut self, tokens: &mut Tokens<'_>, token: &Token) {
        let next_is = |word: &str| tokens.peek().is_some_and(|next| tokens.is(&next, word));
        let Some(block) = self.blocks.last_mut() else { return };
        if tokens.is(token, "order") {
            block.has_order |= next_is("by");
        } else if tokens.is(token, "limit") {
            // LIMIT 0 takes none, whichever they are.
            let takes_none = tokens.peek().is_some_and(|next| tokens.text(&next) == b"0");
            block.has_limit |= !takes_none;
        } else if tokens.is(token, "fetch") {
            block.has_limit |= next_is("first") || next_is("next");
        } else if tokens.is(token, "skip") && next_is("locked") {
            self.nature |= Nature::LOCKS;
        }
    }

    /// A name in front of a dot may be that of a schema.
    fn qualifier(&mut self, tokens: &Tokens<'_>, token: &Token) {
        if tokens.peek().is_none_or(|next| next.kind != Kind::Dot) {
            return;
        }
        let name = tokens.text(token).trim_ascii();
        let name = name.strip_prefix(b"`").and_then(|name| name.strip_suffix(b"`")).unwrap_or(name);
        if SERVER_SCHEMAS.iter().any(|schema| name.eq_ignore_ascii_case(schema.as_bytes())) {
            self.nature |= Nature::SERVER;
        }
    }

    fn close(&mut self) {
        let block = self.blocks.pop().unwrap_or_default();
        self.settle(block);
    }

    /// The statement's own clauses are complete.
    fn end_statement(&mut self) {
        let block = self.blocks.first_mut().map(std::mem::take).unwrap_or_default();
        self.settle(block);
        self.nature.set(Nature::ORDERED, block.has_order);
    }

    fn settle(&mut self, block: Block) {
        if block.has_limit && !block.has_order {
            self.nature |= Nature::LIMIT;
        }
        if block.is_group_concat && !block.has_order {
            self.nature |= Nature::GROUP_ORDER;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sql: &str) -> Nature {
        Nature::of(sql.as_bytes(), Lexis::default())
    }

    #[test]
    fn what_is_determined_by_the_data_has_no_reason_to_differ() {
        for sql in [
            "SELECT a FROM t WHERE b = 'now()' -- UUID()",
            "SELECT now, uuid, version, user FROM t",
            "SELECT t.now, t.current_timestamp, `current_user`, `rand` FROM t",
            "SELECT RAND(3), UNIX_TIMESTAMP(a), LAST_INSERT_ID(7) FROM t",
            "SELECT a FROM t LIMIT 0",
            "SELECT @a, limit_ FROM orders, `order`",
            "SELECT COUNT(*) FROM mysql_things, sys_log",
            "UPDATE t SET a = 1 WHERE b IN (SELECT b FROM u)",
            "INSERT INTO t (`limit`, `by`) VALUES ('a LIMIT 1', 'skip locked')",
        ] {
            assert_eq!(of(sql), Nature::empty(), "{sql}");
        }
    }

    #[test]
    fn reasons_are_found_by_the_grammar() {
        for (sql, nature) in [
            ("SELECT NOW()", Nature::CLOCK),
            ("select current_timestamp", Nature::CLOCK),
            ("SELECT sysdate ( 3 ), UNIX_TIMESTAMP( )", Nature::CLOCK),
            ("UPDATE t SET a = a + 1 WHERE d < CURRENT_DATE - INTERVAL 1 DAY", Nature::CLOCK),
            ("SELECT RAND( /* no seed */ )", Nature::RANDOM),
            ("INSERT INTO t VALUES (UUID())", Nature::RANDOM),
            ("SELECT /*!80000 uuid() */ 1", Nature::RANDOM),
            ("SELECT CONNECTION_ID(), CURRENT_USER", Nature::CONNECTION),
            ("SELECT VERSION(), @@sql_mode", Nature::SERVER),
            ("SHOW TABLES", Nature::SERVER),
            ("EXPLAIN SELECT 1", Nature::SERVER),
            ("SELECT * FROM `information_schema`.tables", Nature::SERVER),
            ("SELECT * FROM mysql . user", Nature::SERVER),
            ("SELECT LAST_INSERT_ID()", Nature::KEYS),
            ("SELECT a FROM t LIMIT 5", Nature::LIMIT),
            ("DELETE FROM t WHERE a > 3 LIMIT 10", Nature::LIMIT),
            ("SELECT a FROM t FETCH FIRST 3 ROWS ONLY", Nature::LIMIT),
            ("SELECT a, GROUP_CONCAT(b) FROM t GROUP BY a", Nature::GROUP_ORDER),
            ("SELECT a FROM t WHERE b = 1 FOR UPDATE SKIP LOCKED", Nature::LOCKS),
            ("SELECT GET_LOCK('x', 1)", Nature::LOCKS),
        ] {
            assert_eq!(of(sql), nature, "{sql}");
            assert!(nature.may_change_values() && nature.reasons().count() == 1, "{sql}");
        }
    }

    #[test]
    fn order_is_that_of_the_outermost_query() {
        let ordered = Nature::ORDERED;
        for (sql, nature) in [
            ("SELECT a FROM t ORDER BY a", ordered),
            ("SELECT a FROM t ORDER BY a LIMIT 3", ordered),
            ("SELECT a FROM t UNION SELECT b FROM u ORDER BY 1 LIMIT 3", ordered),
            ("SELECT GROUP_CONCAT(a ORDER BY b) FROM t", Nature::empty()),
            ("SELECT ROW_NUMBER() OVER (ORDER BY a) FROM t", Nature::empty()),
            ("SELECT * FROM (SELECT a FROM t ORDER BY a LIMIT 3) x", Nature::empty()),
            ("SELECT * FROM (SELECT a FROM t LIMIT 3) x ORDER BY a", ordered | Nature::LIMIT),
            ("SELECT a FROM t ORDER BY a; SELECT 1", Nature::empty()),
            ("SELECT 1; SELECT a FROM t ORDER BY a;", ordered),
            ("((SELECT", Nature::empty()),
            ("))) LIMIT 3", Nature::LIMIT),
        ] {
            assert_eq!(of(sql), nature, "{sql}");
        }
        assert!(!Nature::LIMIT.may_change_count() && Nature::CLOCK.may_change_count());
        assert!(!ordered.may_change_values() && ordered.reasons().count() == 0);
    }
}
