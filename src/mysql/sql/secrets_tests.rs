//! Secrets in every statement that has some, in every spelling, wherever it stands.

use proptest::prelude::*;

use super::*;

fn masked(sql: &str) -> String {
    String::from_utf8(mask_secrets(sql.as_bytes(), Lexis::logged(Some(0))).into_owned()).unwrap()
}

#[test]
fn secrets_are_masked_and_names_are_not() {
    for (sql, shown) in [
        (
            "CREATE USER 'a''b'@'%' IDENTIFIED WITH 'caching_sha2_password' AS '$A$005$x' REQUIRE NONE",
            "CREATE USER 'a''b'@'%' IDENTIFIED WITH 'caching_sha2_password' AS '***' REQUIRE NONE",
        ),
        (
            "create user u identified by \"pw\", v identified by 'p\\'w'",
            "create user u identified by '***', v identified by '***'",
        ),
        (
            "ALTER USER u IDENTIFIED WITH p AS 0x2441 REPLACE 'old'",
            "ALTER USER u IDENTIFIED WITH p AS '***' REPLACE '***'",
        ),
        (
            "ALTER USER u IDENTIFIED BY /* it is */ -- this one\n 'x' RETAIN CURRENT PASSWORD COMMENT 'c'",
            "ALTER USER u IDENTIFIED BY /* it is */ -- this one\n '***' RETAIN CURRENT PASSWORD COMMENT 'c'",
        ),
        (
            "CREATE USER u IDENTIFIED WITH a INITIAL AUTHENTICATION IDENTIFIED BY 'x' AND IDENTIFIED WITH b BY 'y'",
            "CREATE USER u IDENTIFIED WITH a INITIAL AUTHENTICATION IDENTIFIED BY '***' AND IDENTIFIED WITH b BY '***'",
        ),
        (
            "CREATE OR REPLACE USER u IDENTIFIED VIA ed25519 USING PASSWORD('x') OR unix_socket OR x AS 'hash'",
            "CREATE OR REPLACE USER u IDENTIFIED VIA ed25519 USING PASSWORD('***') OR unix_socket OR x AS '***'",
        ),
        ("SET PASSWORD FOR 'u'@'h' = 'secret'", "SET PASSWORD FOR 'u'@'h' = '***'"),
        ("SET PASSWORD FOR `u`@`h`='*ABC'", "SET PASSWORD FOR `u`@`h`='***'"),
        ("SET PASSWORD = PASSWORD('x')", "SET PASSWORD = PASSWORD('***')"),
        ("SET @a = 1, PASSWORD = OLD_PASSWORD('x')", "SET @a = 1, PASSWORD = OLD_PASSWORD('***')"),
        ("SET PASSWORD = 'new' REPLACE 'old'", "SET PASSWORD = '***' REPLACE '***'"),
        (
            "SET STATEMENT sql_log_bin=0 FOR SET PASSWORD FOR CURRENT_USER() = PASSWORD('x')",
            "SET STATEMENT sql_log_bin=0 FOR SET PASSWORD FOR CURRENT_USER() = PASSWORD('***')",
        ),
        (
            "GRANT ALL ON *.* TO u@h IDENTIFIED BY PASSWORD '*AB'",
            "GRANT ALL ON *.* TO u@h IDENTIFIED BY PASSWORD '***'",
        ),
        (
            "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (USER 'u', PASSWORD 'p', HOST 'h')",
            "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (USER 'u', PASSWORD '***', HOST 'h')",
        ),
        (
            "CREATE TABLE f (a INT) ENGINE=FEDERATED CONNECTION='mysql://user:pw@host/db/t' COMMENT 'c'",
            "CREATE TABLE f (a INT) ENGINE=FEDERATED CONNECTION='***' COMMENT 'c'",
        ),
        (
            "CREATE TABLE f (a INT) ENGINE=SPIDER COMMENT='host \"h\", user \"u\", password \"pw\"'",
            "CREATE TABLE f (a INT) ENGINE=SPIDER COMMENT='***'",
        ),
        (
            "CREATE TABLE f (a INT) ENGINE=CONNECT OPTION_LIST='user=u,password=pw'",
            "CREATE TABLE f (a INT) ENGINE=CONNECT OPTION_LIST='***'",
        ),
        (
            "CHANGE MASTER TO MASTER_USER='u', MASTER_PASSWORD = 'x', MASTER_HOST='h'",
            "CHANGE MASTER TO MASTER_USER='u', MASTER_PASSWORD = '***', MASTER_HOST='h'",
        ),
        (
            "CHANGE REPLICATION SOURCE TO SOURCE_PASSWORD='x' FOR CHANNEL 'c'",
            "CHANGE REPLICATION SOURCE TO SOURCE_PASSWORD='***' FOR CHANNEL 'c'",
        ),
        ("START REPLICA USER='u' PASSWORD='x'", "START REPLICA USER='u' PASSWORD='***'"),
        ("START GROUP_REPLICATION USER='u', PASSWORD='x'", "START GROUP_REPLICATION USER='u', PASSWORD='***'"),
        (
            "CLONE INSTANCE FROM 'u'@'h':3306 IDENTIFIED BY 'x' DATA DIRECTORY = '/d'",
            "CLONE INSTANCE FROM 'u'@'h':3306 IDENTIFIED BY '***' DATA DIRECTORY = '/d'",
        ),
        ("PREPARE s FROM 'alter user u identified by \\'x\\''", "PREPARE s FROM '***'"),
        (
            "EXECUTE IMMEDIATE CONCAT('alter user u identified by ''', 'x', '''')",
            "EXECUTE IMMEDIATE CONCAT('***', '***', '***')",
        ),
        (
            "CREATE PROCEDURE p() BEGIN INSERT INTO t VALUES ('v'); ALTER USER u IDENTIFIED BY 'x'; END",
            "CREATE PROCEDURE p() BEGIN INSERT INTO t VALUES ('v'); ALTER USER u IDENTIFIED BY '***'; END",
        ),
        (
            "/* who */ CREATE /*!50001 OR */ USER u IDENTIFIED BY 'x",
            "/* who */ CREATE /*!50001 OR */ USER u IDENTIFIED BY '***'",
        ),
        ("/*!999999 ALTER USER u IDENTIFIED BY 'x' */", "/*!999999 ALTER USER u IDENTIFIED BY '***' */"),
        ("SELECT 1; SET PASSWORD = 'x'; SELECT 'y'", "SELECT 1; SET PASSWORD = '***'; SELECT 'y'"),
        (
            "UPDATE mysql.user SET p = PASSWORD('x') WHERE a = 'y'",
            "UPDATE mysql.user SET p = PASSWORD('***') WHERE a = 'y'",
        ),
        // What was to stand in quotes.
        ("ALTER USER u IDENTIFIED BY hunter2", "ALTER USER u IDENTIFIED BY '***'"),
        ("CREATE USER u IDENTIFIED WITH p BY 12345", "CREATE USER u IDENTIFIED WITH p BY '***'"),
        (
            "ALTER USER u 2 FACTOR FINISH REGISTRATION SET CHALLENGE_RESPONSE AS 'x'",
            "ALTER USER u 2 FACTOR FINISH REGISTRATION SET CHALLENGE_RESPONSE AS '***'",
        ),
        (
            "SET GLOBAL s3_secret_key = CONCAT('a', 'b'), x = 'c'",
            "SET GLOBAL s3_secret_key = CONCAT('***', '***'), x = 'c'",
        ),
        (
            "SET @@global.ldap_root_pwd = 'x', GLOBAL component.passphrase := 'y', `s3_access_key` = 5",
            "SET @@global.ldap_root_pwd = '***', GLOBAL component.passphrase := '***', `s3_access_key` = '***'",
        ),
        (
            "SET STATEMENT x_password = 'a' FOR SELECT 'b' FROM t",
            "SET STATEMENT x_password = '***' FOR SELECT 'b' FROM t",
        ),
        ("SET GLOBAL wsrep_sst_auth = 'user:pw'", "SET GLOBAL wsrep_sst_auth = '***'"),
        (
            "INSTALL COMPONENT 'file://c' SET GLOBAL c.password = 'x'",
            "INSTALL COMPONENT 'file://c' SET GLOBAL c.password = '***'",
        ),
        (
            "INSERT INTO t (a, b) VALUES (AES_ENCRYPT('text', SHA2('key', 256)), 'shown')",
            "INSERT INTO t (a, b) VALUES (AES_ENCRYPT('***', SHA2('***', 256)), 'shown')",
        ),
        ("SELECT PASSWORD(CONCAT('a', ('b'))), 'c'", "SELECT PASSWORD(CONCAT('***', ('***'))), 'c'"),
        (
            "UPDATE mysql.user SET a = 'b', authentication_string = '*AB'",
            "UPDATE mysql.user SET a = 'b', authentication_string = '***'",
        ),
        (
            "CHANGE MASTER TO MASTER_SSL_KEY = '/etc/key.pem', MASTER_SSL_CERT = '/etc/cert.pem'",
            "CHANGE MASTER TO MASTER_SSL_KEY = '***', MASTER_SSL_CERT = '/etc/cert.pem'",
        ),
    ] {
        assert_eq!(masked(sql), shown);
    }
}

#[test]
fn other_statements_come_back_as_they_are() {
    for sql in [
        "GRANT SELECT ON shop.* TO 'reader'@'10.%'",
        "CREATE TABLE t (password TEXT DEFAULT 'x') COMMENT 'by'",
        "CREATE TABLE t (a INT COMMENT 'the hashed password', b INT DEFAULT '1') COMMENT 'identified by id'",
        "CREATE TABLE t (connection VARCHAR(10) DEFAULT 'x', secret ENUM('a') COMMENT 'my secret')",
        "INSERT INTO posts VALUES ('it was identified by ''Bob''', 'my password = ''x''')",
        "INSERT INTO t (password) VALUES ('x')",
        "UPDATE t SET password = 'x' WHERE connection = 'y'",
        "SELECT password, 'x' FROM t",
        "ALTER USER u PASSWORD EXPIRE INTERVAL 90 DAY COMMENT 'x'",
        "CREATE USER u IDENTIFIED BY RANDOM PASSWORD FAILED_LOGIN_ATTEMPTS 3 COMMENT 'x'",
        "SET PASSWORD TO RANDOM",
        "DROP USER 'identified'@'password'",
        "CREATE VIEW v AS SELECT user, identified FROM t ORDER BY name",
        "CREATE TABLE t (a INT, KEY (password(10))) ENCRYPTION = 'Y' COMMENT 'x'",
    ] {
        assert_eq!(masked(sql), sql);
    }
}

/// How a literal is written.
fn spellings() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "'{}'",
        "\"{}\"",
        "N'{}'",
        "_utf8mb4'{}'",
        "_binary '{}'",
        "'a''{}'",
        "'a\\'{}'",
        "('{}')",
        "'' '{}'",
        "'{}",
    ])
}

/// Statements with a secret at `{s}`, with something to be passed over at `{ }`.
const STATEMENTS: [&str; 34] = [
    "CREATE USER u@h{ }IDENTIFIED{ }BY{ }{s}",
    "CREATE USER IF NOT EXISTS 'u'@'h' IDENTIFIED WITH mysql_native_password{ }AS{ }{s}",
    "CREATE USER u IDENTIFIED WITH 'p'{ }BY{ }{s} REPLACE 'x'",
    "ALTER USER u@h IDENTIFIED BY 'x' REPLACE{ }{s}",
    "ALTER USER u ADD 2 FACTOR IDENTIFIED BY{ }{s}",
    "ALTER USER USER() IDENTIFIED BY{ }{s} DISCARD OLD PASSWORD",
    "CREATE USER u IDENTIFIED VIA ed25519{ }USING{ }PASSWORD({s})",
    "CREATE USER u IDENTIFIED VIA a OR b USING{ }{s}",
    "GRANT ALL ON *.* TO u IDENTIFIED BY{ }PASSWORD{ }{s} WITH GRANT OPTION",
    "SET{ }PASSWORD{ }={ }{s}",
    "SET PASSWORD{ }FOR{ }'u'@'h'{ }:={ }{s}",
    "SET PASSWORD FOR u = PASSWORD({ }{s})",
    "SET @a = 'b', PASSWORD = {s}",
    "CHANGE MASTER 'c' TO MASTER_HOST='h', MASTER_PASSWORD{ }={ }{s}",
    "CHANGE REPLICATION SOURCE TO SOURCE_PASSWORD ={ }{s}, SOURCE_PORT = 1",
    "START SLAVE UNTIL SQL_AFTER_GTIDS = 'x' USER = 'u' PASSWORD ={ }{s}",
    "START GROUP_REPLICATION USER='u', PASSWORD={s}",
    "CLONE INSTANCE FROM u@h:3306 IDENTIFIED BY{ }{s}",
    "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST 'h', PASSWORD{ }{s})",
    "ALTER SERVER s OPTIONS (PASSWORD {s})",
    "CREATE TABLE t (a INT) CONNECTION{ }={ }{s}",
    "CREATE TABLE t (a INT) ENGINE=FEDERATED CONNECTION {s}",
    "ALTER TABLE t CONNECTION={s} COMMENT 'x'",
    "SET GLOBAL s3_secret_key{ }={ }{s}",
    "SET @@GLOBAL.s3_secret_key ={ }{s}",
    "SET PERSIST `ldap_root_pwd`{ }:={ }CONCAT('x', {s})",
    "SET SESSION a = 'b', x.passphrase ={ }{s}",
    "ALTER USER u 2 FACTOR FINISH REGISTRATION SET CHALLENGE_RESPONSE AS{ }{s}",
    "INSTALL COMPONENT 'file://c' SET PERSIST c.password ={ }{s}",
    "DO AES_ENCRYPT(@a,{ }{s})",
    "SELECT AES_DECRYPT(UNHEX('00'),{ }SHA2({s}, 512)) FROM t",
    "DO keyring_key_store('id', 'AES',{ }{s})",
    "UPDATE mysql.user SET authentication_string{ }={ }{s}",
    "SELECT PASSWORD({ }CONCAT('a', {s}))",
];

/// Where a statement may stand.
const PLACES: [&str; 10] = [
    "{}",
    "/* x */ {}",
    "SET STATEMENT max_statement_time=1, x=IF(1, 'FOR', 2) FOR {}",
    "CREATE PROCEDURE p() BEGIN SELECT 'x'; IF 1 THEN {}; END IF; END",
    "CREATE DEFINER=u@h EVENT e ON SCHEDULE EVERY 1 DAY DO {}",
    "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW BEGIN SET @a = 'it''s'; {}; END",
    "SELECT 'a;\\'b'; {}; SELECT 1",
    "/*!999999 {} */",
    "BEGIN NOT ATOMIC {}; END",
    "IF 'x' = \"y\" THEN SELECT 1; ELSE {}; END IF",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_planted_secret_never_survives(
        statement in prop::sample::select(&STATEMENTS[..]),
        place in prop::sample::select(&PLACES[..]),
        spelling in spellings(),
        blank in prop::sample::select(vec![" ", "\n", "/**/", " /* 'x' */ ", " -- it's\n ", " # \"\n", " /*!50000 ", " /*!99999 x */ ", " /*!99999 ; */ ", " /*!99999 'x' = */ "]),
        upper in any::<bool>(),
        wrapped in 0..4,
        mode in prop::sample::select(vec![Some(0), None, Some(4)]),
    ) {
        // A literal that does not end takes the rest with it.
        let literal = spelling.replace("{}", "hunter2");
        let statement = statement.replace("{ }", blank).replace("{s}", &literal);
        let statement = if upper { statement } else { statement.to_ascii_lowercase() };
        let mut sql = place.replace("{}", &statement);
        if wrapped == 1 {
            sql = format!("PREPARE s FROM '{}'", sql.replace('\\', "\\\\").replace('\'', "''"));
        } else if wrapped == 2 {
            sql = format!("EXECUTE IMMEDIATE \"{}\"", sql.replace('\\', "\\\\").replace('"', "\\\""));
        }
        let shown = mask_secrets(sql.as_bytes(), Lexis::logged(mode));
        let shown = String::from_utf8_lossy(&shown);
        prop_assert!(!shown.contains("hunter2"), "{sql}\n{shown}");
    }

    #[test]
    fn spans_are_in_the_text(sql in "[a-z'\"` \\\\;@=()*/!-]{0,60}(identified by|password|connection)[a-z'\"` \\\\;@=()*/!-]{0,60}") {
        let mut end = 0;
        for span in secret_spans(sql.as_bytes(), Lexis::default()) {
            prop_assert!(end <= span.start && span.start < span.end && span.end <= sql.len());
            end = span.end;
        }
    }
}
