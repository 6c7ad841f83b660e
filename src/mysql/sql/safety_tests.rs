use super::lexis::{Flavor, Lexis};
use super::safety::{NamedSafety, Safety};
use crate::mysql::wire::Command;

const MYSQL: Lexis = Lexis {
    flavor: Some(Flavor::MySql),
    version: Some(90_704),
    ansi_quotes: Some(false),
    backslash_escapes: Some(true),
    charset: super::ClientCharset::Plain,
};
const MARIADB: Lexis = Lexis { flavor: Some(Flavor::MariaDb), version: Some(110_802), ..MYSQL };

fn of(sql: &str, lexis: Lexis) -> Safety {
    Safety::of(sql.as_bytes(), lexis)
}

#[track_caller]
fn each(expected: Safety, lexis: Lexis, statements: &[&str]) {
    for sql in statements {
        assert_eq!(of(sql, lexis), expected, "{sql}");
    }
}

#[test]
fn what_reads() {
    each(
        Safety::ReadOnly,
        MYSQL,
        &[
            "SELECT 1",
            "(SELECT 1) UNION (SELECT 2)",
            "SELECT * FROM t WHERE a = 'UPDATE' AND `delete` = 1 -- INTO OUTFILE",
            "SELECT COUNT(*), GROUP_CONCAT(a ORDER BY b), IF(a, 1, 2) FROM t WHERE a IN (1, 2) GROUP BY (a) HAVING (a)",
            "SELECT a INTO @x FROM t",
            "SELECT @a := 1",
            "WITH RECURSIVE c (a, `b`) AS (SELECT 1, 2), d AS (SELECT 3) SELECT * FROM c JOIN d ON (c.a = d.a)",
            "SELECT * FROM (SELECT 1, 2) AS d (a, b) WHERE a = ANY (SELECT 1) OR 1 MEMBER OF ('[1]')",
            "SELECT ROW_NUMBER() OVER (PARTITION BY a), SUM(b) OVER w FROM t WINDOW w AS (ORDER BY a)",
            "SELECT * FROM JSON_TABLE('[]', '$[*]' COLUMNS (a INT PATH '$')) AS j",
            "SELECT CAST(a AS DECIMAL(10, 2)), CAST(b AS CHAR(10)), CONVERT(c USING utf8mb4) FROM t USE INDEX (i)",
            "SELECT SLEEP(1), LAST_INSERT_ID(5)",
            "EXPLAIN UPDATE t SET a = 1",
            "EXPLAIN ANALYZE SELECT 1",
            "DESCRIBE t",
            "SHOW TABLES",
            "DO SLEEP(1)",
            "TABLE t",
            "VALUES ROW(1, 2)",
            "HANDLER t READ FIRST",
            "CHECKSUM TABLE t",
            "/*!50000 SELECT */ 1",
            "",
        ],
    );
    each(Safety::ReadOnly, MARIADB, &["SELECT NVL(a, 1) FROM t", "SELECT UUID_v7()", "ANALYZE SELECT 1"]);
}

#[test]
fn what_is_the_sessions_own() {
    each(
        Safety::Session,
        MYSQL,
        &[
            "SET NAMES utf8mb4",
            "SET @a = 1, SESSION sql_mode = '', autocommit = 0",
            "SET @a = @@global.max_connections",
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
            "SET ROLE r",
            "USE db",
            "BEGIN",
            "START TRANSACTION READ ONLY",
            "COMMIT",
            "ROLLBACK TO a",
            "PREPARE s FROM 'DELETE FROM t'",
            "DEALLOCATE PREPARE s",
            "CREATE TEMPORARY TABLE t (id INT(11) DEFAULT (1), name VARCHAR(10), KEY k (name))",
            "CREATE TEMPORARY TABLE t SELECT COUNT(*) FROM u",
            "DROP TEMPORARY TABLE IF EXISTS t",
        ],
    );
    each(Safety::Session, MARIADB, &["SET STATEMENT max_statement_time = 1 FOR COMMIT", "SET statement = 1"]);
}

#[test]
fn what_locks() {
    each(
        Safety::Locks,
        MYSQL,
        &[
            "SELECT * FROM t FOR UPDATE",
            "SELECT * FROM (SELECT 1 FROM t LOCK IN SHARE MODE) d",
            "SELECT 1 FROM t FOR SHARE OF t NOWAIT",
            "SELECT GET_LOCK('a', 1)",
            "DO RELEASE_LOCK('a')",
            "LOCK TABLES t WRITE",
            "UNLOCK TABLES",
            "SELECT 1; SELECT 1 FROM t FOR UPDATE; SELECT 2",
        ],
    );
}

#[test]
fn what_writes() {
    each(
        Safety::Writes,
        MYSQL,
        &[
            "INSERT INTO t VALUES (1)",
            "insert into t select 1",
            "WITH a AS (SELECT 1) DELETE FROM t WHERE a IN (SELECT * FROM a)",
            "SELECT 1 INTO OUTFILE '/tmp/x'",
            "SELECT a FROM t LIMIT 1 INTO DUMPFILE '/tmp/x'",
            "TABLE t INTO OUTFILE '/tmp/x'",
            "EXPLAIN ANALYZE UPDATE t, u SET t.a = 1",
            "SELECT my_function(1)",
            "SELECT db.f(1)",
            "SELECT `f`(1)",
            "SELECT count (*) FROM t",
            "SHOW TABLES WHERE f(1)",
            "SET @a = f(1)",
            "DO f()",
            "CALL p()",
            "EXECUTE s",
            "LOAD DATA INFILE 'x' INTO TABLE t",
            "TRUNCATE t",
            "CREATE TABLE t (a INT)",
            "CREATE TEMPORARY TABLE t SELECT f(1)",
            "ALTER TABLE t ADD b INT",
            "ANALYZE TABLE t",
            "OPTIMIZE TABLE t",
            "XA COMMIT 'a'",
            "/*!50000 DELETE FROM t */",
            "/*! DELETE */ FROM t",
            "SELECT 1; DELETE FROM t",
            "WHATEVER THIS IS",
        ],
    );
    each(
        Safety::Writes,
        MARIADB,
        &[
            "INSERT INTO t VALUES (1) RETURNING a",
            "SET STATEMENT max_statement_time = 1 FOR DELETE FROM t",
            "BEGIN NOT ATOMIC DELETE FROM t; END",
            "IF 1 THEN DELETE FROM t; END IF",
            "ANALYZE UPDATE t SET a = 1",
            "SELECT NEXT VALUE FOR s",
            "SELECT NEXTVAL(s)",
            "SELECT s.nextval",
            "SELECT NOW ()",
            "SELECT SETVAL(s, 5)",
            "/*M!100000 DELETE FROM t */",
            "EXECUTE IMMEDIATE 'DELETE FROM t'",
            "EXECUTE IMMEDIATE CONCAT('DEL', 'ETE FROM t')",
            "EXECUTE IMMEDIATE 'SELECT 1' USING f(1)",
        ],
    );
}

#[test]
fn what_manages_the_server() {
    each(
        Safety::Admin,
        MYSQL,
        &[
            "SHUTDOWN",
            "KILL QUERY 5",
            "SET GLOBAL a = 1",
            "SET @a = 1, PERSIST b = 2",
            "SET @@global.a = 1",
            "SET @@global . a = 1",
            "SET @a = 1, @@PERSIST /* c */ .a = 1",
            "SET SESSION sql_mode = '', @@persist_only.b = 2",
            "SET GLOBAL TRANSACTION READ ONLY",
            "SET sql_log_bin = 0",
            "SET @@session.gtid_next = 'AUTOMATIC'",
            "SET PASSWORD = 'x'",
            "SET DEFAULT ROLE NONE TO u",
            "SET RESOURCE GROUP g",
            "CREATE USER u",
            "GRANT ALL ON *.* TO u",
            "FLUSH TABLES WITH READ LOCK",
            "RESET BINARY LOGS AND GTIDS",
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST = 'x'",
            "START REPLICA",
            "STOP REPLICA",
            "PURGE BINARY LOGS TO 'x'",
            "INSTALL PLUGIN p SONAME 'p.so'",
            "CREATE FUNCTION f RETURNS STRING SONAME 'f.so'",
            "CREATE TABLESPACE t ADD DATAFILE 'x'",
            "ALTER INSTANCE ROTATE INNODB MASTER KEY",
            "LOCK INSTANCE FOR BACKUP",
            "BINLOG 'x'",
            "CLONE LOCAL DATA DIRECTORY = 'x'",
            "UPDATE mysql.user SET a = 1",
            "INSERT INTO `mysql`.`func` VALUES (1)",
            "DROP DATABASE mysql",
            "UPDATE performance_schema.setup_actors SET a = 1",
            "SELECT 1; SHUTDOWN; SELECT 2",
            "/*!80000 SHUTDOWN */",
        ],
    );
    each(
        Safety::Admin,
        MARIADB,
        &[
            "BEGIN NOT ATOMIC SET GLOBAL a = 1; END",
            "IF 1 THEN KILL 5; END IF",
            "SET STATEMENT sql_log_bin = 0 FOR INSERT INTO t VALUES (1)",
            "CREATE OR REPLACE USER u",
            "EXECUTE IMMEDIATE 'SHUTDOWN'",
            "BACKUP STAGE START",
        ],
    );
}

#[test]
fn columns_may_have_the_names_of_what_manages() {
    each(
        Safety::Writes,
        MYSQL,
        &["UPDATE t SET server_id = 1, `global` = 2", "INSERT INTO t (sql_log_bin) VALUES (1)"],
    );
    each(Safety::ReadOnly, MYSQL, &["SELECT server_id, shutdown FROM mysql.user WHERE kill = 1"]);
}

#[test]
fn comments_that_only_some_servers_execute() {
    let unknown = Lexis { flavor: None, version: None, ..MYSQL };
    each(
        Safety::Writes,
        unknown,
        &[
            "SELECT 1 /*!99999 INTO OUTFILE 'x' */",
            "/*!99999 SELECT 1 FROM t WHERE */ DELETE FROM t",
            "/*M! DELETE FROM t */",
        ],
    );
    each(Safety::ReadOnly, MYSQL, &["SELECT 1 /*!99999 INTO OUTFILE 'x' */", "/*M! DELETE FROM t */ SELECT 1"]);
    assert_eq!(of("SELECT 1 /* INTO OUTFILE */", unknown), Safety::ReadOnly);
}

#[test]
fn where_a_quote_ends_may_not_be_known() {
    let unknown = Lexis { backslash_escapes: None, ..MYSQL };
    assert_eq!(of(r"SELECT '\'; DELETE FROM t; -- '", unknown), Safety::Writes);
    assert_eq!(of(r"SELECT '\'; DELETE FROM t; -- '", MYSQL), Safety::ReadOnly);
    assert_eq!(
        of(r"SELECT '\'; DELETE FROM t; -- '", Lexis { backslash_escapes: Some(false), ..MYSQL }),
        Safety::Writes
    );
}

#[test]
fn what_is_prepared_by_name_is_remembered() {
    let mut names = NamedSafety::default();
    let mut next = |sql: &str| names.next(sql.as_bytes(), MYSQL);
    assert_eq!(next("EXECUTE s"), Safety::Writes);
    assert_eq!(next("PREPARE S FROM 'SELECT 1'"), Safety::Session);
    assert_eq!(next("EXECUTE `s` USING @a"), Safety::ReadOnly);
    assert_eq!(next("PREPARE s FROM 'SHUTDOWN'; SELECT 1"), Safety::Session);
    assert_eq!(next("EXECUTE s"), Safety::Admin);
    assert_eq!(next("PREPARE s FROM @text"), Safety::Session);
    assert_eq!(next("EXECUTE s"), Safety::Writes);
    assert_eq!(next("PREPARE s FROM 'SELECT 1'"), Safety::Session);
    assert_eq!(next("DEALLOCATE PREPARE s"), Safety::Session);
    assert_eq!(next("EXECUTE s"), Safety::Writes);
}

#[test]
fn commands_without_a_text() {
    assert_eq!(Safety::of_command(Command::Query), None);
    assert_eq!(Safety::of_command(Command::Shutdown), Some(Safety::Admin));
    assert_eq!(Safety::of_command(Command::Unknown(77)), Some(Safety::Admin));
    assert_eq!(Safety::of_command(Command::DropDb), Some(Safety::Writes));
    assert_eq!(Safety::of_command(Command::Ping), Some(Safety::ReadOnly));
    assert!(Safety::ReadOnly < Safety::Session && Safety::Locks < Safety::Writes && Safety::Writes < Safety::Admin);
}
