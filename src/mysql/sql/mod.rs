//! As much of SQL as watching a server needs: one lexer, where each statement of a text ends, what a statement does, which session
//! state it sets or shows, where its secrets are, and its digest.
//!
//! Bytes in, spans out. Nothing here fails: what is not recognised is left alone. It is no parser; where the servers' grammars are
//! followed (`sql/sql_yacc.yy` of both), it is only as far as statements' ends depend on them.
//!
//! ```text
//!   lexis       how a text is read: server, version, sql_mode, character set
//!   tokens      the lexer; comments, quoted; parts: texts of any size
//!   program     where a statement ends that has statements of its own
//!   statements  the statements of a text            kind      what one does
//!   settings    session state                       secrets   passwords
//!   xid         names of XA transactions             safety     what one may do at worst; functions: whose they are
//!   nature      why two servers may answer differently, and both be right
//!   digest      what is the same but for values and spelling
//!   split_rows  rows of VALUES (..), (..), each as a statement
//!   sites       literals and placeholders, and names          redactions  which of them are not shown; keys: by which names
//!   analysis    all of it, of one text                       analyses    of those that came lately
//!   memo        what others find out about texts, remembered
//! ```
//!
//! A parser that others wrote (`sqlparser`) answers the one question that a lexer cannot: which literal belongs to which column (`parsed`).
//! It is given a plain spelling of the statement (`skeleton`), and fails as a whole at one clause that it does not know; the answer is
//! then from the tokens, and hides more (`redactions`). In tests it judges where statements end.

mod analyses;
#[cfg(test)]
mod analyses_tests;
mod analysis;
mod comments;
mod control;
mod dialect;
mod digest;
#[cfg(test)]
mod digest_tests;
mod fronts;
mod functions;
mod insert_rows;
mod keys;
mod kind;
mod lexis;
mod memo;
mod named;
mod nature;
mod normal;
mod parsed;
#[cfg(test)]
mod parser_tests;
mod parts;
mod program;
mod quoted;
mod redactions;
#[cfg(test)]
mod redactions_properties;
#[cfg(test)]
mod redactions_tests;
mod relations;
mod safety;
#[cfg(test)]
mod safety_tests;
mod savepoints;
mod secrets;
#[cfg(test)]
mod secrets_tests;
mod settings;
mod sites;
mod skeleton;
mod split_rows;
#[cfg(test)]
mod split_rows_tests;
mod statements;
mod stored;
#[cfg(test)]
mod tests;
mod tokens;
mod unit;
mod walk;
mod words;
mod xid;

pub use analyses::Analyses;
pub use analysis::Analysis;
pub use control::{TransactionControl, XaControl};
pub use digest::{Digest, Digester, normalized};
pub use fronts::skip_statement_variables;
pub use keys::Keys;
pub use kind::{Effects, ResultCount, StatementKind, StatementSummary};
pub use lexis::{ClientCharset, Flavor, Lexis, SqlMode, version_number};
pub use memo::TextMemo;
pub use named::{NamedCommand, named_command};
pub use nature::Nature;
pub use quoted::unquote;
pub use redactions::{RedactedParams, Redactions};
pub use relations::tables_named;
pub use safety::{NamedSafety, Safety};
pub use savepoints::{SavepointNames, Savepoints};
pub(crate) use secrets::may_have_secrets;
pub use secrets::{mask_secrets, secret_spans};
pub use settings::{IsolationLevel, SessionSetting, SqlModeValue, variables_selected, variables_set};
pub use split_rows::{InsertRow, InsertRows, InsertValue, Literal};
pub use statements::{Piece, next_statement};
pub use tokens::{Kind, Token, Tokens};
pub use words::{dropped_database, first_keyword, use_database};
pub use xid::Xid;
