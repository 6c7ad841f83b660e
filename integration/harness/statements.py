"""Random statements of every kind that may or may not change a server, from a seed: what a judge by text has to tell apart."""

import random
import re

DB = "safety"
FUNCTION = "writes_it"
# What `prepare` makes is there for the statements to change.
SCHEMA = [
    f"CREATE TABLE {DB}.t (id INT AUTO_INCREMENT PRIMARY KEY, a INT, b VARCHAR(50), KEY (a))",
    f"INSERT INTO {DB}.t (a, b) VALUES (1, 'one'), (2, 'two'), (3, 'three')",
    f"CREATE TABLE {DB}.log (id INT AUTO_INCREMENT PRIMARY KEY, who VARCHAR(20))",
    f"CREATE TABLE {DB}.m (a INT) ENGINE=MyISAM",
    f"CREATE FUNCTION {DB}.{FUNCTION}() RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN INSERT INTO {DB}.log (who) VALUES ('f'); RETURN 1; END",
    f"CREATE FUNCTION {DB}.`count`() RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN INSERT INTO {DB}.log (who) VALUES ('count'); RETURN 1; END",
    f"CREATE FUNCTION {DB}.`it's` (x INT) RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN INSERT INTO {DB}.log (who) VALUES ('it'); RETURN 1; END",
    f"CREATE PROCEDURE {DB}.p() INSERT INTO {DB}.log (who) VALUES ('p')",
    f"CREATE VIEW {DB}.v AS SELECT a FROM {DB}.t",
    "CREATE USER IF NOT EXISTS safety_user",
]


class Statements:
    """Texts for one server: `flavor` is mysql or mariadb, `files` a folder that the server may write."""

    def __init__(self, seed, flavor, files):
        self.chance, self.is_mariadb, self.files = random.Random(f"{seed} {flavor}"), flavor == "mariadb", files
        self.number = 0

    def one(self, of):
        found = self.chance.choice(of)
        return found(self) if callable(found) else found

    def session(self):
        """The texts of a session."""
        texts = [self.chance.choice(["SET sql_mode = 'ANSI_QUOTES'", "SET sql_mode = 'NO_BACKSLASH_ESCAPES'", "SET NAMES gbk", "SET sql_mode = 'IGNORE_SPACE'",
                                     "SET sql_mode = ''", "SET @text = 'DELETE FROM t'", "SET sql_mode = 'PIPES_AS_CONCAT,ANSI'",
                                     *(["SET sql_mode = 'ORACLE'", "SET sql_mode = 'MSSQL'"] if self.is_mariadb else [])])] if self.chance.random() < 0.3 else []
        return texts + [self.text() for _ in range(self.chance.choice([1, 1, 2]))]

    def text(self):
        text = self.statement()
        if self.chance.random() < 0.25:
            text = self.chance.choice(["; ", ";", ";\n-- x\n", "; /* y */ "]).join([text, self.statement()][::self.chance.choice([1, -1])])
        if self.chance.random() < 0.5:
            text = self.disguised(text)
        return text

    def statement(self):
        kind = self.chance.random()
        if kind < 0.35:
            return self.one(READS)
        if kind < 0.6:
            return self.query_with(self.one(CALLS))
        if kind < 0.7:
            return self.wrapped(self.one(WRITES))
        return self.one(WRITES + (MARIADB if self.is_mariadb else MYSQL))

    def query_with(self, call):
        """A statement that reads, but for this expression in it."""
        return self.one(PLACES).replace("CALL()", call)

    def wrapped(self, text):
        quoted = text.replace("'", "''")
        ways = [f"PREPARE s FROM '{quoted}'; EXECUTE s", f"SET @x = '{quoted}'; PREPARE s FROM @x; EXECUTE s", f"EXPLAIN {text}", f"EXPLAIN ANALYZE {text}",
                f"/*!{text}*/", f"/*!50000 {text} */", f"/*!99999 SELECT 1 */ {text}", f"SELECT 1; {text}", f"/*M! {text} */", f"/*M!100000 {text} */",
                f"SELECT '\\'; {text}; -- '", f"SELECT \"\\\"; {text}; -- \"", f"SELECT 1 /* '; */; {text} -- ' */", f"SELECT 1 -- '\n; {text} -- '",
                f"SELECT 1 # \"\n; {text} # \"", f"SELECT 1 --1; {text}", f"SET sql_mode = 'NO_BACKSLASH_ESCAPES'; SELECT '\\'; {text}; -- '",
                f"SET sql_mode = 'ANSI_QUOTES'; SELECT \"a\\\" FROM t; {text}; -- \"", f"SELECT 1 /*! ; {text} */", f"SELECT 1 /*!50000 ; */ ; {text}",
                f"DESCRIBE {text}", f"EXPLAIN FORMAT=JSON {text}", f"SELECT 'a' 'b\\\\'; {text} -- '", f"SELECT `a\\`; {text}; -- `"]
        if self.is_mariadb:
            ways += [f"SET STATEMENT max_statement_time = 5 FOR {text}", f"EXECUTE IMMEDIATE '{quoted}'", f"ANALYZE {text}", f"BEGIN NOT ATOMIC {text}; END",
                     f"IF 1 THEN {text}; END IF", f"ANALYZE FORMAT=JSON {text}", f"SET @x = '{quoted}'; EXECUTE IMMEDIATE @x", f"WHILE 0 DO SELECT 1; END WHILE; {text}",
                     f"CASE 1 WHEN 1 THEN {text}; END CASE", f"x: LOOP {text}; LEAVE x; END LOOP", f"FOR i IN 1..2 DO {text}; END FOR",
                     f"EXECUTE IMMEDIATE CONCAT('{quoted}', '')", f"/*M!999999 SELECT 1 */ {text}", f"SET STATEMENT sql_mode = 'NO_BACKSLASH_ESCAPES' FOR SELECT '\\'; {text}; -- '"]
        return self.chance.choice(ways)

    def disguised(self, text):
        """The same in another spelling: comments between words, other white space, other case."""
        def between(found):
            return self.chance.choice([" ", " ", "\n", "\t", " /* c */ ", "/**/ ", " /*! */ ", " -- c\n", " # c\n", "  ", "\r\n", " /*!99999 x */ ", "\x0b"])
        parts = re.split(r"('(?:[^'\\]|\\.|'')*'|\"[^\"]*\"|`[^`]*`|/\*.*?\*/|--.*)", text, flags=re.S)
        for at in range(0, len(parts), 2):
            parts[at] = re.sub(r" ", between, parts[at])
            if self.chance.random() < 0.5:
                parts[at] = self.chance.choice([str.upper, str.lower, str.title])(parts[at])
        return "".join(parts)

    def file(self):
        self.number += 1
        return f"'{self.files}/{self.chance.randrange(10**9)}_{self.number}'"


READS = [
    "SELECT 1", "SELECT * FROM t WHERE b = 'DELETE FROM t; UPDATE' ORDER BY id", "SELECT COUNT(*), MAX(a) FROM t GROUP BY b", "TABLE t", "SHOW TABLES",
    "SELECT a INTO @v FROM t LIMIT 1", "SELECT @w := 5", "WITH c AS (SELECT a FROM t) SELECT * FROM c", "(SELECT 1) UNION (SELECT 2)", "SHOW CREATE TABLE t",
    "SELECT * FROM v", "DO 1", "DO SLEEP(0)", "SET @a = 1", "SET SESSION sort_buffer_size = 300000", "SET NAMES utf8mb4", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT s",
    "START TRANSACTION READ ONLY", "USE safety", "CREATE TEMPORARY TABLE tmp (a INT)", "CREATE TEMPORARY TABLE tmp2 SELECT * FROM t", "DROP TEMPORARY TABLE IF EXISTS tmp",
    "HANDLER t OPEN", "HANDLER t READ FIRST", "CHECKSUM TABLE t", "SELECT * FROM t FOR UPDATE", "SELECT * FROM t LOCK IN SHARE MODE", "LOCK TABLES t WRITE",
    "UNLOCK TABLES", "SELECT GET_LOCK('l', 0)", "SELECT RELEASE_LOCK('l')", "EXPLAIN SELECT * FROM t", "EXPLAIN DELETE FROM t", "SHOW VARIABLES LIKE 'max%'",
    "PREPARE p FROM 'SELECT a FROM t WHERE a = ?'", "EXECUTE p USING @a", "DEALLOCATE PREPARE p", "SELECT LAST_INSERT_ID(77)", "SHOW WARNINGS", "SET autocommit = 0",
    "SET TRANSACTION ISOLATION LEVEL READ COMMITTED", "SET ROLE NONE", "SELECT 1 FROM DUAL WHERE 1 IN (SELECT a FROM t)", "SELECT * FROM information_schema.tables LIMIT 1",
    "SET max_join_size = DEFAULT", "SELECT NOW(), UUID(), RAND()", "SHOW GRANTS", "SET @x = (SELECT MAX(a) FROM t)", "HELP 'select'", "CHECKSUM TABLE t, m EXTENDED",
    "SELECT BENCHMARK(3, 1)", "SET CHARACTER SET utf8mb4", "SELECT a FROM t PROCEDURE ANALYSE()", "SHOW FUNCTION STATUS", "RELEASE SAVEPOINT s", "CACHE INDEX m IN DEFAULT",
    "SET profiling = 1", "SIGNAL SQLSTATE '45000'", "GET DIAGNOSTICS @n = NUMBER", "SELECT JSON_SET('{}', '$.a', 1), INSERT('abc', 1, 1, 'x'), REPLACE('a', 'b', 'c')",
    "SHOW CREATE FUNCTION writes_it", "DESCRIBE t", "DESC t a", "VALUES ROW(1)", "SELECT RELEASE_ALL_LOCKS()", "SET TRANSACTION READ WRITE",
]
CALLS = [
    f"{FUNCTION}()", f"`{FUNCTION}`()", f"{DB}.{FUNCTION}()", f"{DB} . {FUNCTION} ()", f"`{DB}`.`{FUNCTION}` ( )", f"{FUNCTION} /* c */ ()", f"{FUNCTION}\n()",
    f"{FUNCTION}/**/()", f"{FUNCTION} -- c\n ()", f"{DB}.count()", f"{DB}.`count`()", "`count`()", "count ()", "`it's`(1)", f"{DB}.`it's`(1)", f"/*!50000 {FUNCTION}() */",
    f"/*! {FUNCTION} */ ()", f"\"{FUNCTION}\"()", f"{DB}./* c */{FUNCTION}()", f".{FUNCTION}()", f"{FUNCTION.upper()}()", f"CAST({FUNCTION}() AS CHAR)", f"IF({FUNCTION}(), 1, 2)",
    f"(SELECT {FUNCTION}())", f"-{FUNCTION}()", f"+{FUNCTION}()", f"@z := {FUNCTION}()", f"CASE WHEN {FUNCTION}() THEN 1 END", f"COALESCE({FUNCTION}(), 1)", f"NOT {FUNCTION}()",
    f"({FUNCTION})()", f"{FUNCTION}(/* ) */)", f"\ufeff{FUNCTION}()", f"BINARY {FUNCTION}()", f"INTERVAL {FUNCTION}() DAY + NOW()", f"_utf8mb4'x' || {FUNCTION}()",
    f"DATE_ADD(NOW(), INTERVAL {FUNCTION}() DAY)", f"EXTRACT(DAY FROM {FUNCTION}())", f"JSON_ARRAY({FUNCTION}())", f"ROW({FUNCTION}(), 1) = ROW(1, 1)", f"EXISTS (SELECT {FUNCTION}())",
    f"1 IN ({FUNCTION}())", f"1 = ANY (SELECT {FUNCTION}())", f"CONVERT({FUNCTION}() USING utf8mb4)", f"TRIM(BOTH 'x' FROM {FUNCTION}())",
]
PLACES = [
    "SELECT CALL()", "SELECT 1 FROM t WHERE CALL()", "SELECT a FROM t ORDER BY CALL()", "SELECT a FROM t GROUP BY a, CALL()", "SELECT a FROM t GROUP BY a HAVING CALL()",
    "SELECT * FROM t JOIN m ON CALL()", "SELECT * FROM (SELECT CALL() AS x) d", "WITH c AS (SELECT CALL() AS x) SELECT * FROM c", "DO CALL()", "SET @a = CALL()",
    "SELECT 1 INTO @x FROM DUAL WHERE CALL()", "SHOW TABLES WHERE CALL()", "SHOW VARIABLES WHERE CALL()", "SHOW COLUMNS FROM t WHERE CALL()", "SHOW STATUS WHERE CALL()",
    "SELECT SUM(a) OVER (PARTITION BY CALL()) FROM t", "SELECT 1 UNION SELECT CALL()", "EXPLAIN ANALYZE SELECT CALL()", "EXPLAIN SELECT * FROM (SELECT CALL() AS x) d",
    "SET SESSION sort_buffer_size = 300000 + CALL()", "SELECT IFNULL(NULL, CALL())", "VALUES ROW(CALL(), 2)", "CREATE TEMPORARY TABLE tmp3 SELECT CALL() AS x",
    "CREATE TEMPORARY TABLE tmp4 AS (SELECT CALL() AS x)", "CREATE TEMPORARY TABLE tmp5 (a INT DEFAULT (CALL()))", "SELECT * FROM t WHERE a IN (SELECT CALL())", "SELECT (SELECT CALL() FROM t LIMIT 1)",
    "SELECT a, CALL() AS c FROM t FOR UPDATE", "HANDLER t OPEN; HANDLER t READ FIRST WHERE CALL()", "SELECT CALL() LIMIT 1", "KILL CALL()", "SELECT COUNT(DISTINCT CALL()) FROM t",
    "SELECT GROUP_CONCAT(a ORDER BY CALL()) FROM t", "PREPARE s FROM 'SELECT CALL()'; EXECUTE s", "SELECT SQL_NO_CACHE DISTINCT CALL()", "WITH RECURSIVE c (n) AS (SELECT CALL()) SELECT n FROM c",
    "SELECT * FROM JSON_TABLE(CONCAT('[', CALL(), ']'), '$[*]' COLUMNS (a INT PATH '$')) j", "SELECT 1 AS `a` FROM t AS x (a) WHERE CALL()", "SELECT x.y FROM (VALUES ROW(CALL())) AS x (y)",
    "DESCRIBE SELECT * FROM (SELECT CALL() AS a) x", "SET @a := 1, @b := CALL()", "SELECT MAX(a) FROM t WHERE a > ALL (SELECT CALL())", "ANALYZE SELECT CALL()", "EXECUTE IMMEDIATE 'SELECT CALL()'",
    "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = CALL()", "SELECT TIMESTAMPDIFF(DAY, NOW(), CALL())", "SET STATEMENT max_statement_time = 5 + CALL() FOR SELECT 1", "RETURN CALL()", "EXECUTE p USING CALL()",
    "SELECT CALL() INTO @y", "SELECT * FROM t LIMIT 1 OFFSET 0 UNION ALL SELECT CALL(), 1, 2", "TABLE t UNION SELECT CALL(), 2, 3", "SET @@session.sort_buffer_size = CALL() + 400000",
]
WRITES = [
    "DELETE FROM t", "UPDATE t SET a = a + 1", "INSERT INTO t (a) VALUES (9)", "REPLACE INTO t VALUES (1, 9, 'x')", "TRUNCATE t", "DROP TABLE IF EXISTS m", "INSERT INTO m VALUES (1)",
    "WITH c AS (SELECT 1 AS a) DELETE FROM t WHERE a IN (SELECT a FROM c)", "WITH c AS (SELECT 1 AS a) UPDATE t, c SET t.a = 7", "CALL p()", "ALTER TABLE t ADD COLUMN c INT",
    "CREATE TABLE n (a INT)", "CREATE OR REPLACE VIEW v AS SELECT 5 AS a", "DROP VIEW v", "RENAME TABLE t TO u", "CREATE INDEX i ON t (b)", "ALTER DATABASE safety CHARACTER SET latin1",
    "CREATE DATABASE safety_more", "INSERT INTO t (a) SELECT a FROM t", "DELETE t FROM t JOIN m", "DROP FUNCTION writes_it", "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1",
    "SET GLOBAL sort_buffer_size = 310000", "SET @@GLOBAL.sort_buffer_size = 310000", "SET @@global . sort_buffer_size = 320000", "SET @a = 1, GLOBAL sort_buffer_size = 330000",
    "SET @@`global`.sort_buffer_size = 340000", "SET GLOBAL `sort_buffer_size` = 350000", "CREATE USER safety_new", "DROP USER safety_user", "GRANT SELECT ON *.* TO safety_user",
    "ALTER USER safety_user ACCOUNT LOCK", "CREATE ROLE safety_role", "SET PASSWORD FOR safety_user = 'Xy-1234567'", "INSERT INTO mysql.time_zone_name VALUES ('x', 1)",
    "XA START 'x'; INSERT INTO t (a) VALUES (1); XA END 'x'; XA PREPARE 'x'; XA COMMIT 'x'", "CREATE EVENT e ON SCHEDULE EVERY 1 YEAR DO SELECT 1", "BEGIN; DELETE FROM t; COMMIT",
    "SET autocommit = 1; DELETE FROM t", "CREATE TEMPORARY TABLE tmp (a INT); INSERT INTO t (a) VALUES (5)", "START TRANSACTION; UPDATE t SET a = 0; COMMIT", "LOCK TABLES t WRITE; DELETE FROM t",
    "PREPARE q FROM @text; EXECUTE q", "EXECUTE q", "ANALYZE TABLE t", "FLUSH STATUS", "DROP DATABASE IF EXISTS safety_more", "SET GLOBAL TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "DROP TABLE IF EXISTS m, log", "CREATE TABLE n LIKE t", "CREATE TABLE n AS SELECT * FROM t", "INSERT INTO v VALUES (6)", "UPDATE v SET a = 1", "DELETE LOW_PRIORITY QUICK IGNORE FROM t",
    "CREATE FUNCTION g2() RETURNS INT DETERMINISTIC RETURN 1", "ALTER TABLE t AUTO_INCREMENT = 500", "GRANT ALL ON safety.* TO safety_user", "REVOKE ALL PRIVILEGES, GRANT OPTION FROM safety_user",
    lambda it: f"SELECT a FROM t INTO OUTFILE {it.file()}", lambda it: f"SELECT 1 INTO DUMPFILE {it.file()}", lambda it: f"SELECT a INTO OUTFILE {it.file()} FROM t",
    lambda it: f"(SELECT 1) UNION (SELECT 2) INTO OUTFILE {it.file()}", lambda it: f"WITH c AS (SELECT 1) SELECT * FROM c INTO OUTFILE {it.file()}", lambda it: f"SELECT 1 INTO/**/OUTFILE {it.file()}",
]
MYSQL = [
    "SET PERSIST sort_buffer_size = 360000", "SET @@PERSIST_ONLY.sort_buffer_size = 370000", "RESET PERSIST", "CREATE RESOURCE GROUP safety_group TYPE = USER", "EXPLAIN ANALYZE DELETE FROM t",
    "ALTER TABLE t SECONDARY_ENGINE = NULL", "UPDATE performance_schema.setup_consumers SET ENABLED = 'YES'", "CREATE SPATIAL REFERENCE SYSTEM 990000 NAME 'x' DEFINITION ''", "ALTER TABLE t RENAME COLUMN b TO c",
    "SET DEFAULT ROLE NONE TO safety_user", "CREATE UNDO TABLESPACE x ADD DATAFILE 'x.ibu'", "INSERT INTO t (a) TABLE m", "REPLACE INTO t TABLE t", "CREATE TABLE n TABLE t", "EXPLAIN INTO @e SELECT 1",
    "SET @@global.sort_buffer_size := 380000", "SET PERSIST_ONLY sort_buffer_size = 390000", "CREATE JSON RELATIONAL DUALITY VIEW jdv AS SELECT JSON_DUALITY_OBJECT('_id': id, 'a': a) FROM t",
    "CALL sys.ps_setup_enable_consumer('x')", "SELECT sys.ps_is_consumer_enabled('x')", "CREATE LIBRARY l LANGUAGE JAVASCRIPT AS 'x'", "INSTALL COMPONENT 'file://component_x'",
    lambda it: f"TABLE t INTO OUTFILE {it.file()}", lambda it: f"VALUES ROW(1) INTO OUTFILE {it.file()}", lambda it: f"EXPLAIN ANALYZE SELECT 1 INTO OUTFILE {it.file()}",
]
MARIADB = [
    "INSERT INTO t (a) VALUES (1) RETURNING a", "DELETE FROM t RETURNING *", "REPLACE INTO t VALUES (1, 1, 'y') RETURNING b", "SELECT NEXT VALUE FOR s", "SELECT NEXTVAL(s)", "SELECT SETVAL(s, 900)",
    "SELECT nextval ( s )", "SELECT NEXTVAL(safety.s)", "SELECT `NEXTVAL`(s)", "DO NEXT VALUE FOR s", "SET @a = NEXTVAL(s)", "SELECT s.nextval", "SELECT safety.s.nextval", "SELECT s.`nextval`",
    "SELECT next /* c */ value for s", "SELECT 1 FROM t WHERE NEXTVAL(s) > 0", "SELECT LASTVAL(s)", "SELECT PREVIOUS VALUE FOR s", "ALTER SEQUENCE s RESTART 50", "CREATE SEQUENCE s2", "DROP SEQUENCE s",
    "BEGIN NOT ATOMIC DELETE FROM t; END", "BEGIN NOT ATOMIC DECLARE x INT DEFAULT writes_it(); SELECT x; END", "IF writes_it() THEN SELECT 1; END IF", "WHILE writes_it() < 0 DO SELECT 1; END WHILE",
    "SET STATEMENT sort_buffer_size = 300000 FOR DELETE FROM t", "ANALYZE DELETE FROM t", "EXECUTE IMMEDIATE 'DELETE FROM t'", "EXECUTE IMMEDIATE @text", "EXECUTE IMMEDIATE 'SELECT ?' USING writes_it()",
    "ANALYZE TABLE t PERSISTENT FOR ALL", "CREATE OR REPLACE TABLE t (z INT)", "SET GLOBAL x.key_buffer_size = 9000000", "BACKUP LOCK t", "CREATE OR REPLACE USER safety_new", "INSERT INTO t (a) VALUES (NEXTVAL(s))",
    "SELECT * FROM t FOR SYSTEM_TIME ALL", "CREATE TEMPORARY SEQUENCE q", "SELECT PACKAGE_X.f()", "RENAME TABLE IF EXISTS t WAIT 1 TO u", "SET DEFAULT ROLE NONE", "DELETE HISTORY FROM t",
    "BEGIN NOT ATOMIC SET GLOBAL sort_buffer_size = 400000; END", "SET STATEMENT max_statement_time = 2 FOR SET GLOBAL sort_buffer_size = 410000", "CHECK TABLE t", "REPAIR TABLE m", "CHECK VIEW v",
    "SELECT writes_it() FROM s", "SELECT * FROM s", "FOR r IN (SELECT writes_it() AS x) DO SELECT 1; END FOR", "UPDATE t SET a = 4 ORDER BY id LIMIT 1", "SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 5",
]
