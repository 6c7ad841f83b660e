//! As much of SQL as watching a server needs: one lexer, where the statements of a text part, what a statement does, which session
//! state it sets or shows, and where its secrets are.
//!
//! Bytes in, spans out. Nothing here fails: what is not recognised is left alone. It is no parser; where the servers' grammars are
//! followed (`sql/sql_yacc.yy` of both), it is only as far as statements' ends depend on them.

mod kind;
mod lexis;
mod named;
#[cfg(test)]
mod parser_tests;
mod program;
mod quoted;
mod secrets;
#[cfg(test)]
mod secrets_tests;
mod settings;
mod statements;
#[cfg(test)]
mod tests;
mod tokens;
mod words;

pub use kind::{Effects, ResultCount, StatementSummary};
pub use lexis::{ClientCharset, Flavor, Lexis, SqlMode, version_number};
pub use named::{NamedCommand, named_command};
pub use program::skip_statement_variables;
pub use quoted::unquote;
pub use secrets::{mask_secrets, secret_spans};
pub use settings::{IsolationLevel, SessionSetting, variables_selected, variables_set};
pub use statements::{Piece, next_statement};
pub use tokens::{Kind, Token, Tokens};
pub use words::{dropped_database, first_keyword, use_database};
