//! Which statements are left out, by whose they are, what they do and how long they took.
//!
//! All of it is decided before anything is written. An error is never left out, unless that is asked for.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;
use strum::VariantArray;
use twox_hash::XxHash3_64;

use super::table::TableName;
use crate::mysql::sql::{Digest, Lexis, StatementKind};
use crate::rules::wildcard::Wildcard;
use crate::session::{SessionFacts, Statement};

/// One thing that a statement is chosen by: `user=NAME`, `database=NAME`, `client=ADDRESS`, `client=NETWORK/BITS`, `kind=KIND`,
/// `table=NAME`, `table=DATABASE.NAME` or `digest=DIGEST`.
///
/// In names `*` stands for any characters, unless the name is in backticks. An empty name is that of a session without a user or database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Criterion {
    /// The user who is logged in.
    User(Wildcard),
    /// The database current after the statement.
    Database(Wildcard),
    /// The client's address.
    Client(IpNet),
    /// What the statement is.
    Kind(StatementKind),
    /// A table that its text names.
    Table(TableName),
    /// Its digest (docs/digest.md).
    Digest(Digest),
}

impl FromStr for Criterion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORMS: &str =
            "it is user=NAME, database=NAME, client=ADDRESS[/BITS], kind=KIND, table=NAME or digest=DIGEST";
        let (key, value) = text.split_once('=').ok_or_else(|| format!("'{text}' has no '=': {FORMS}"))?;
        match key.trim() {
            "user" => Ok(Self::User(value.parse()?)),
            "database" => Ok(Self::Database(value.parse()?)),
            "client" => network(value).map(Self::Client),
            "kind" => kind(value).map(Self::Kind),
            "table" => value.trim().parse().map(Self::Table),
            "digest" => value.trim().parse().map(Self::Digest),
            _ => Err(format!("'{key}' is nothing that statements are chosen by: {FORMS}")),
        }
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let alone = || text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
    let network = text.parse::<IpNet>().or_else(|_| alone());
    network.map_err(|_| format!("'{text}' is neither an address nor a network such as 10.0.0.0/8 or fd00::/8"))
}

fn kind(text: &str) -> Result<StatementKind, String> {
    text.to_ascii_lowercase().parse().map_err(|_| {
        let kinds: Vec<_> = StatementKind::VARIANTS.iter().map(ToString::to_string).collect();
        format!("'{text}' is no kind of statement; these are: {}", kinds.join(", "))
    })
}

/// Which part of all sessions is looked at, always the same ones for the same seed and the same connection ids.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Between 0 and 1.
    pub share: f64,
    /// Another seed chooses other sessions.
    pub seed: u64,
}

impl Sample {
    /// All sessions.
    pub const ALL: Self = Self { share: 1.0, seed: 0 };

    /// A session without an id is always looked at.
    fn includes(&self, session: &SessionFacts) -> bool {
        self.takes(session.connection_id)
    }

    /// Whether the session with this connection id is looked at; one without an id always is.
    pub fn takes(&self, connection_id: Option<u32>) -> bool {
        let Some(id) = connection_id.filter(|_| self.share < 1.0) else { return true };
        let hash = XxHash3_64::oneshot_with_seed(self.seed, &id.to_le_bytes());
        // The upper 53 bits are a number between 0 and 1, exactly.
        #[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
        let place = (hash >> 11) as f64 / (1_u64 << 53) as f64;
        place < self.share
    }
}

/// What is left out.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageFilter {
    /// Only statements for which of each key that is here one criterion holds; all of them if this is empty.
    pub only: Vec<Criterion>,
    /// No statement for which one of these holds.
    pub skip: Vec<Criterion>,
    /// No statement that took less, in nanoseconds.
    pub min_duration_ns: u64,
    /// Only statements of these sessions.
    pub sample: Sample,
    /// Whether statements with errors pass, whatever the rest says.
    pub keeps_errors: bool,
}

impl Default for MessageFilter {
    /// Everything passes.
    fn default() -> Self {
        Self { only: Vec::new(), skip: Vec::new(), min_duration_ns: 0, sample: Sample::ALL, keeps_errors: true }
    }
}

impl MessageFilter {
    /// Whether everything passes.
    pub fn is_empty(&self) -> bool {
        self.only.is_empty() && self.skip.is_empty() && self.min_duration_ns == 0 && self.sample.share >= 1.0
    }

    /// Whether a statement of a client with this address passes. `digest` is that of its text, if this is known to its end; `kind` is asked only
    /// if it matters.
    pub fn passes(
        &self,
        statement: &Statement<'_>,
        client: IpAddr,
        digest: Option<Digest>,
        kind: impl FnOnce() -> StatementKind,
    ) -> bool {
        if self.is_empty() || (self.keeps_errors && statement.outcome.error().is_some()) {
            return true;
        }
        if statement.duration_ns < self.min_duration_ns || !self.sample.includes(statement.session) {
            return false;
        }
        let needs_kind = self.only.iter().chain(&self.skip).any(|criterion| matches!(criterion, Criterion::Kind(_)));
        chosen(
            &self.only,
            &self.skip,
            &Subject {
                user: statement.session.user.as_deref(),
                database: statement.session.current_database.as_deref(),
                client: Some(client),
                kind: Some(if needs_kind { kind() } else { StatementKind::Other }),
                digest,
                text: statement.sql.map(|sql| (sql, statement.reading.lexis)),
            },
        )
    }
}

/// What `--only` and `--skip` of other subcommands choose by: no statement at hand, as a recording has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Criteria {
    /// Only that for which of each key that is here one criterion holds; everything if this is empty.
    pub only: Vec<Criterion>,
    /// Nothing for which one of these holds.
    pub skip: Vec<Criterion>,
}

impl Criteria {
    /// Whether everything passes.
    pub fn is_empty(&self) -> bool {
        self.only.is_empty() && self.skip.is_empty()
    }

    /// Whether it passes, whatever it is: nothing relies on what is left out.
    pub fn choose(&self, subject: &Subject<'_>) -> bool {
        chosen(&self.only, &self.skip, subject)
    }

    /// Whether the tables of a statement matter.
    pub fn have_tables(&self) -> bool {
        self.only.iter().chain(&self.skip).any(|criterion| matches!(criterion, Criterion::Table(_)))
    }

    /// Whether what a statement's text tells matters: its kind or digest.
    pub fn need_text(&self) -> bool {
        let of_text = |criterion: &Criterion| matches!(criterion, Criterion::Kind(_) | Criterion::Digest(_));
        self.only.iter().chain(&self.skip).any(of_text)
    }

    /// Whether a subject's digest matters.
    pub fn have_digests(&self) -> bool {
        self.only.iter().chain(&self.skip).any(|criterion| matches!(criterion, Criterion::Digest(_)))
    }

    /// Whether it passes. What is the session's own ([`StatementKind::is_of_session`]) passes with its session unless its kind or digest is
    /// left out by name: what is chosen relies on it.
    pub fn pass(&self, subject: &Subject<'_>) -> bool {
        if !subject.kind.is_some_and(StatementKind::is_of_session) {
            return chosen(&self.only, &self.skip, subject);
        }
        let is_left_out = |criterion: &Criterion| !matches!(criterion, Criterion::Database(_)) && subject.is(criterion);
        self.pass_session(subject.user, subject.client) && !self.skip.iter().any(is_left_out)
    }

    /// Whether a session with this user and client may have statements that pass, whatever these are.
    pub fn pass_session(&self, user: Option<&str>, client: Option<IpAddr>) -> bool {
        let of_session = |criterion: &&Criterion| matches!(criterion, Criterion::User(_) | Criterion::Client(_));
        let only = |list: &[Criterion]| list.iter().filter(of_session).cloned().collect::<Vec<_>>();
        chosen(&only(&self.only), &only(&self.skip), &Subject { user, client, ..Subject::default() })
    }
}

/// What criteria are held against. What is not known is like no name, and in no network.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject<'a> {
    /// Who is logged in.
    pub user: Option<&'a str>,
    /// The current database.
    pub database: Option<&'a str>,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// What the statement is.
    pub kind: Option<StatementKind>,
    /// Its digest, if that matters.
    pub digest: Option<Digest>,
    /// Its text, for the tables that it names, and how that is read.
    pub text: Option<(&'a [u8], Lexis)>,
}

impl Subject<'_> {
    fn is(&self, criterion: &Criterion) -> bool {
        match criterion {
            Criterion::User(user) => user.matches(self.user.unwrap_or_default()),
            Criterion::Database(database) => database.matches(self.database.unwrap_or_default()),
            Criterion::Client(network) => self.client.is_some_and(|client| network.contains(&client)),
            Criterion::Kind(kind) => self.kind == Some(*kind),
            Criterion::Table(table) => self.text.is_some_and(|(sql, lexis)| table.is_in(sql, lexis, self.database)),
            Criterion::Digest(digest) => self.digest == Some(*digest),
        }
    }
}

/// The address of a client, which may have a port; `None` of a name.
pub fn client_address(client: Option<&str>) -> Option<IpAddr> {
    let client = client?;
    let with_port = client.parse::<SocketAddr>().map(|client| client.ip());
    with_port.or_else(|_| client.parse()).ok().map(|address: IpAddr| address.to_canonical())
}

fn chosen(only: &[Criterion], skip: &[Criterion], subject: &Subject<'_>) -> bool {
    let of_key = |key: &Criterion| {
        let mut same = only.iter().filter(|criterion| is_of_same_key(criterion, key));
        same.any(|criterion| subject.is(criterion))
    };
    only.iter().all(of_key) && !skip.iter().any(|criterion| subject.is(criterion))
}

fn is_of_same_key(one: &Criterion, other: &Criterion) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::wire::{ErrPacket, OkPacket};
    use crate::session::{BatchPart, Now, Outcome, StatementParams};

    fn criteria(texts: &[&str]) -> Vec<Criterion> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn passes(filter: &MessageFilter, duration_ns: u64, failed: bool) -> bool {
        let session = SessionFacts {
            user: Some("app_1".into()),
            current_database: Some("shop".into()),
            connection_id: Some(7),
            ..SessionFacts::default()
        };
        let error = ErrPacket { code: 1064, sql_state: None, message: b"near" };
        let statement = Statement {
            session: &session,
            sql: Some(b"SELECT 1"),
            truncated: false,
            reading: session.reading(),
            params: StatementParams::None,
            started: Now::default(),
            duration_ns,
            outcome: if failed {
                Outcome::Error(error)
            } else {
                Outcome::Ok(OkPacket::new(0, 0, Default::default(), 0, b""))
            },
            was_executed: true,
            batch_part: BatchPart::Last,
            command: 1,
        };
        let digest = statement.sql.map(|sql| Digest::of(sql, statement.reading.lexis));
        filter.passes(&statement, "10.1.2.3".parse().unwrap(), digest, || StatementKind::Select)
    }

    #[test]
    fn only_and_skip() {
        for (only, skip, expected) in [
            (&[][..], &[][..], true),
            (&["user=app_*"], &[], true),
            (&["user=root"], &[], false),
            // Of one key any, of different keys each.
            (&["user=root", "user=app_1"], &[], true),
            (&["user=app_1", "kind=insert"], &[], false),
            (&["user=app_1", "kind=insert", "kind=SELECT"], &[], true),
            (&["client=10.0.0.0/8"], &[], true),
            (&["client=10.1.2.3"], &[], true),
            (&["client=fd00::/8"], &[], false),
            (&["database="], &[], false),
            (&[], &["database=sh*"], false),
            (&["user=app_1"], &["kind=select"], false),
            (&[], &["kind=insert", "user=root"], true),
            (&["table=t"], &[], false),
            (&[], &["table=t"], true),
            (&["digest=E1C71D1661ae46e09b7aaec1c390957f"], &[], true),
            (&["digest=d9204c266563048f044fb0e739db8255"], &[], false),
            (&[], &["digest=e1c71d1661ae46e09b7aaec1c390957f"], false),
        ] {
            let filter = MessageFilter { only: criteria(only), skip: criteria(skip), ..MessageFilter::default() };
            assert_eq!(passes(&filter, 1, false), expected, "{only:?} {skip:?}");
            assert!(passes(&filter, 1, true), "an error: {only:?} {skip:?}");
            let strict = MessageFilter { keeps_errors: false, ..filter };
            assert_eq!(passes(&strict, 1, true), expected, "{only:?} {skip:?}");
        }
    }

    #[test]
    fn fast_statements_are_left_out() {
        let filter = MessageFilter { min_duration_ns: 10, ..MessageFilter::default() };
        assert!(!passes(&filter, 9, false) && passes(&filter, 10, false) && passes(&filter, 0, true));
    }

    #[test]
    fn a_sample_is_of_sessions_and_can_be_repeated() {
        let session = |id| SessionFacts { connection_id: Some(id), ..SessionFacts::default() };
        let chosen = |seed| (0..10_000).filter(move |id| Sample { share: 0.25, seed }.includes(&session(*id)));
        let first: Vec<_> = chosen(1).collect();
        assert!((2_300..2_700).contains(&first.len()), "{}", first.len());
        assert!(chosen(1).eq(first.iter().copied()) && !chosen(2).eq(first.iter().copied()));
        assert!(Sample::ALL.includes(&session(1)) && !Sample { share: 0.0, seed: 1 }.includes(&session(1)));
        assert!(Sample { share: 0.0, seed: 1 }.includes(&SessionFacts::default()));
    }

    #[test]
    fn a_session_passes_if_one_of_its_statements_may() {
        let filter = Criteria { only: criteria(&["user=app", "kind=select"]), skip: criteria(&["client=10.0.0.0/8"]) };
        let at = |client: &str| client.parse().ok();
        assert!(filter.pass_session(Some("app"), at("192.0.2.1")) && filter.pass_session(Some("app"), None));
        assert!(!filter.pass_session(Some("root"), at("192.0.2.1")) && !filter.pass_session(None, None));
        assert!(!filter.pass_session(Some("app"), at("10.1.2.3")));
        let subject = Subject { user: Some("app"), client: at("192.0.2.1"), ..Subject::default() };
        assert!(filter.pass(&Subject { kind: Some(StatementKind::Select), ..subject }));
        assert!(!filter.pass(&Subject { kind: Some(StatementKind::Insert), ..subject }) && !filter.pass(&subject));
        assert!(Criteria::default().is_empty() && Criteria::default().pass(&Subject::default()));
    }

    #[test]
    fn what_is_the_sessions_own_passes_with_its_session() {
        let select = Digest::of(b"SELECT 1", Default::default());
        let filter =
            Criteria { only: criteria(&["user=app", "database=a", &format!("digest={select}")]), skip: Vec::new() };
        assert!(filter.have_digests());
        let set =
            Subject { user: Some("app"), database: Some("b"), kind: Some(StatementKind::Set), ..Subject::default() };
        assert!(filter.pass(&set) && !filter.pass(&Subject { user: Some("root"), ..set }));
        let read = Subject { database: Some("a"), kind: Some(StatementKind::Select), ..set };
        assert!(!filter.pass(&read) && filter.pass(&Subject { digest: Some(select), ..read }));
        let left_out = Criteria { only: Vec::new(), skip: criteria(&["kind=set", "database=b"]) };
        assert!(!left_out.pass(&set) && left_out.pass(&Subject { kind: Some(StatementKind::Use), ..set }));
    }

    #[test]
    fn criteria_that_are_none() {
        let error = |text: &str| text.parse::<Criterion>().unwrap_err();
        assert!(error("app").contains("has no '='") && error("host=x").contains("'host' is nothing"));
        assert!(error("client=localhost").contains("neither an address nor a network"));
        assert!(error("digest=12").contains("32 hexadecimal digits"));
        assert!(error("kind=selects").contains("these are: select, insert"));
    }
}
