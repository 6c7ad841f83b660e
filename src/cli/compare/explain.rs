//! Both servers' plans for the statements that matter most.

use std::time::Duration;

use crate::cli::exit::Failure;
use crate::cli::settings::ServerUrl;
use crate::client::{ClientError, ConnectOptions, Connection, TlsOptions};
use crate::mysql::sql::{Flavor, Lexis, Safety, version_number};
use crate::report::{Explained, Report};

/// For how many patterns of statements plans are asked for.
const MOST: usize = 100;
/// How long a plan may take: an EXPLAIN may run subqueries.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that is asked, and how it reads texts.
pub(super) struct Explainer {
    connection: Connection,
    lexis: Lexis,
    is_mariadb: bool,
}

impl Explainer {
    /// Connects to the server that a setting names.
    pub(super) fn connect(url: &ServerUrl) -> Result<Self, Failure> {
        let from_environment = || std::env::var("MYSQL_PWD").ok();
        let options = ConnectOptions {
            host: url.server.host.clone(),
            port: url.server.port,
            user: url.user.clone(),
            password: url.password.clone().or_else(from_environment).unwrap_or_default(),
            tls: TlsOptions::default(),
            connect_timeout: PATIENCE,
        };
        let mut connection = Connection::open(&options).map_err(Failure::failed)?;
        connection.set_patience(PATIENCE).map_err(Failure::failed)?;
        if let Some(database) = &url.database {
            let command = [&[2], database.as_bytes()].concat();
            connection.command_ok(&command).map_err(Failure::failed)?;
        }
        let is_mariadb = connection.is_mariadb();
        let flavor = Some(if is_mariadb { Flavor::MariaDb } else { Flavor::MySql });
        let lexis = Lexis { flavor, version: version_number(connection.server_version()), ..Lexis::default() };
        Ok(Self { connection, lexis, is_mariadb })
    }

    /// The server's plan, if the text is one whose plan may be asked for. A connection that is lost ends the questions.
    fn explain(&mut self, sql: &str, is_cut: bool) -> Result<Explained, Failure> {
        let refused = |why: &str| Ok(Explained { plan: String::new(), error: Some(why.to_owned()) });
        if is_cut {
            return refused("Not asked: the text is not complete.");
        }
        if Safety::of(sql.as_bytes(), self.lexis) != Safety::ReadOnly {
            return refused("Not asked: the statement does more than read.");
        }
        let form = if self.is_mariadb { "JSON" } else { "TREE" };
        match self.connection.query(&format!("EXPLAIN FORMAT={form} {sql}")) {
            Ok(rows) => {
                let lines: Vec<_> = rows.into_iter().flatten().flatten().collect();
                Ok(Explained { plan: lines.join("\n"), error: None })
            }
            Err(error @ ClientError::Server { .. }) => refused(&error.to_string()),
            Err(error) => Err(Failure::failed(error)),
        }
    }
}

/// Asks both servers about the statements with the largest impact and those that differ.
pub(super) fn explain_all(
    report: &mut Report,
    recorded: &mut Explainer,
    target: &mut Explainer,
) -> Result<(), Failure> {
    for statement in report.statements_to_explain(MOST) {
        let expected = recorded.explain(&statement.sql, statement.is_cut)?;
        let observed = target.explain(&statement.sql, statement.is_cut)?;
        report.explained(&statement.digest, expected, observed);
    }
    Ok(())
}
