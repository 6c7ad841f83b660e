use super::apply::unalter;
use super::*;

fn schema(sql: &str) -> TableSchema {
    match parsed(sql) {
        Ddl::Create { body, .. } => create(&body, around()).unwrap_or_else(|| panic!("{sql}: not sure")),
        other => panic!("{sql}: {other:?}"),
    }
}

fn around() -> Surroundings {
    Surroundings { is_mariadb: false, database: Some(Charset::Utf8mb4) }
}

fn parsed(sql: &str) -> Ddl {
    parse(&Statement { database: "d", sql, sql_mode: Some(0), ..Statement::default() }, Naming::default())
}

/// `id int PRI, name varchar(20) utf8mb4`
fn shown(schema: &TableSchema) -> String {
    let column = |column: &CatalogColumn| {
        let charset = column.charset.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
        let key = column.primary_key_place.map(|place| format!(" PK{place}")).unwrap_or_default();
        format!("{} {}{charset}{key}", column.name, column.column_type)
    };
    schema.columns.iter().map(column).collect::<Vec<_>>().join(", ")
}

fn altered(before: &str, sql: &str) -> Option<TableSchema> {
    match parsed(sql) {
        Ddl::Alter { specs, .. } => alter(&schema(before), &specs, around()),
        Ddl::Unclear(_) => None,
        other => panic!("{sql}: {other:?}"),
    }
}

const T: &str = "CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(9) CHARACTER SET latin1, c DATE)";

#[test]
fn tables_are_created() {
    for (sql, expected) in [
        (T, "a int PK1, b varchar(9) latin1, c date"),
        (
            "CREATE TABLE `t` (`id` int(10) unsigned NOT NULL AUTO_INCREMENT, n bigint DEFAULT '7' COMMENT 'a, key (b)',\n PRIMARY KEY (n, `id`), \
             KEY `x` (n), CONSTRAINT f FOREIGN KEY (n) REFERENCES o (n)) ENGINE=InnoDB DEFAULT CHARSET=latin1 COMMENT='x'",
            "id int unsigned PK2, n bigint PK1",
        ),
        (
            "create table if not exists t (e ENUM('a','b''c'), s SET('x ','y') CHARSET ascii, t TEXT COLLATE utf8mb3_bin, j JSON, \
             v VARBINARY(3), w CHAR(3) CHARACTER SET binary) CHARSET=latin1",
            "e enum('a','b''c') latin1, s set('x','y') ascii, t text utf8mb3, j json, v varbinary(3), w binary(3)",
        ),
        (
            "CREATE TABLE t (d DEC, n NUMERIC(8,2) UNSIGNED, r REAL, p DOUBLE PRECISION, f FLOAT(30), bo BOOL, se SERIAL, y YEAR, ts TIMESTAMP(3) NULL \
             DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3), bi BIT, nc NCHAR(2), nv NATIONAL VARCHAR(3), l LONG)",
            "d decimal(10,0), n decimal(8,2) unsigned, r double, p double, f double, bo tinyint(1), se bigint unsigned, y year, ts timestamp(3), \
             bi bit(1), nc char(2) utf8mb3, nv varchar(3) utf8mb3, l mediumtext utf8mb4",
        ),
        (
            "CREATE TABLE t (`key` INT KEY, g INT GENERATED ALWAYS AS (`key` + 1) STORED, h VARCHAR(5) AS (concat('a', 'b,')) VIRTUAL, \
             period INT, CHECK (g > 0)) PARTITION BY HASH(`key`) PARTITIONS 2",
            "key int PK1, g int, h varchar(5) utf8mb4, period int",
        ),
        ("CREATE TABLE t /*!40100 (a INT) */ /*!50100 DEFAULT CHARSET latin1 */", "a int"),
        (
            "CREATE TABLE t (a TINYTEXT, b TEXT) COLLATE='latin1_bin' START TRANSACTION",
            "a tinytext latin1, b text latin1",
        ),
        ("CREATE TABLE t (a UUID, i INET6, geo GEOMETRYCOLLECTION)", "a uuid, i inet6, geo geomcollection"),
    ] {
        assert_eq!(shown(&schema(sql)), expected, "{sql}");
    }
}

#[test]
fn the_defaults_of_mariadb() {
    let Ddl::Create { body, .. } = parsed("CREATE TABLE t (a INT, b BIGINT UNSIGNED, j JSON, c CHAR(2))") else {
        panic!()
    };
    let schema = create(&body, Surroundings { is_mariadb: true, database: Some(Charset::Latin1) }).unwrap();
    assert_eq!(shown(&schema), "a int(11), b bigint(20) unsigned, j longtext utf8mb4, c char(2) latin1");
    assert_eq!(create(&body, Surroundings { is_mariadb: true, database: None }), None);
}

#[test]
fn tables_are_altered() {
    for (sql, expected) in [
        ("ALTER TABLE t ADD d INT", "a int PK1, b varchar(9) latin1, c date, d int"),
        (
            "ALTER TABLE t ADD COLUMN d CHAR(2) FIRST, ADD e INT AFTER a",
            "d char(2) utf8mb4, a int PK1, e int, b varchar(9) latin1, c date",
        ),
        (
            "ALTER TABLE t ADD (d INT, e INT UNSIGNED, KEY (d))",
            "a int PK1, b varchar(9) latin1, c date, d int, e int unsigned",
        ),
        ("ALTER TABLE t DROP b, DROP COLUMN c", "a int PK1"),
        ("ALTER TABLE t DROP a", "b varchar(9) latin1, c date"),
        ("ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a", "b int PK1, a varchar(9) latin1, c date"),
        ("ALTER TABLE t CHANGE a z BIGINT, ADD y INT AFTER z", "z bigint PK1, y int, b varchar(9) latin1, c date"),
        (
            "ALTER TABLE t CHANGE COLUMN a z BIGINT UNSIGNED AFTER c",
            "b varchar(9) latin1, c date, z bigint unsigned PK1",
        ),
        ("ALTER TABLE t MODIFY c DATETIME FIRST, MODIFY a INT AFTER b", "c datetime, b varchar(9) latin1, a int PK1"),
        ("ALTER TABLE t MODIFY b VARCHAR(30)", "a int PK1, b varchar(30) utf8mb4, c date"),
        ("ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (c, a)", "a int PK2, b varchar(9) latin1, c date PK1"),
        ("ALTER TABLE t ADD CONSTRAINT PRIMARY KEY USING BTREE (b(3) DESC)", "a int, b varchar(9) latin1 PK1, c date"),
        ("ALTER TABLE t CONVERT TO CHARACTER SET ucs2 COLLATE ucs2_bin", "a int PK1, b varchar(9) ucs2, c date"),
        (
            "ALTER TABLE t DEFAULT CHARACTER SET = sjis, ADD d TEXT",
            "a int PK1, b varchar(9) latin1, c date, d text sjis",
        ),
        (
            "ALTER TABLE t ENGINE=InnoDB CHARSET latin2, ADD d TEXT",
            "a int PK1, b varchar(9) latin1, c date, d text latin2",
        ),
        (
            "ALTER TABLE t ADD INDEX (b), DROP INDEX x, DROP FOREIGN KEY y, ALTER b SET DEFAULT 'x', RENAME INDEX i TO j, FORCE, ALGORITHM=INPLACE, LOCK=NONE",
            "a int PK1, b varchar(9) latin1, c date",
        ),
        (
            "ALTER TABLE t ADD COLUMN IF NOT EXISTS b INT, DROP COLUMN IF EXISTS q, ADD COLUMN IF NOT EXISTS d INT",
            "a int PK1, b varchar(9) latin1, c date, d int",
        ),
        ("ALTER TABLE t ADD PARTITION (PARTITION p1 VALUES LESS THAN (10))", "a int PK1, b varchar(9) latin1, c date"),
        ("DROP INDEX `PRIMARY` ON t", "a int, b varchar(9) latin1, c date"),
        ("ALTER TABLE t", "a int PK1, b varchar(9) latin1, c date"),
    ] {
        assert_eq!(altered(T, sql).as_ref().map(shown).as_deref(), Some(expected), "{sql}");
    }
}

#[test]
fn what_is_not_sure_is_not_guessed() {
    for sql in [
        "ALTER TABLE t ADD d SDO_GEOMETRY",
        "ALTER TABLE t DROP q",
        "ALTER TABLE t ADD a INT",
        "ALTER TABLE t ADD d INT AFTER q",
        "ALTER TABLE t RENAME COLUMN q TO r",
        "ALTER TABLE t MODIFY q INT",
        "ALTER TABLE t ADD d TEXT COLLATE klingon_ci",
        "ALTER TABLE t ADD d TEXT(50)",
        "ALTER TABLE t FROBNICATE",
    ] {
        assert_eq!(altered(T, sql), None, "{sql}");
    }
    for sql in
        ["CREATE TABLE t SELECT 1 AS a", "CREATE TABLE t (a INT) AS SELECT 1 AS b", "CREATE TABLE t (a ENUM(x'61'))"]
    {
        assert_eq!(parsed(sql), Ddl::Unclear(vec![("d".into(), "t".into())]), "{sql}");
    }
    assert_eq!(parsed("FROBNICATE TABLE t"), Ddl::Anything);
    assert_eq!(parsed("ALTER TABLE 'x"), Ddl::Anything);
    let failed = Statement { database: "d", sql: "DROP TABLE a, e.b", failed: true, ..Statement::default() };
    let tables = vec![("d".to_owned(), "a".to_owned()), ("e".to_owned(), "b".to_owned())];
    assert_eq!(parse(&failed, Naming::default()), Ddl::Unclear(tables));
}

#[test]
fn statements_without_columns() {
    for sql in [
        "",
        "/* nothing */",
        "CREATE USER x",
        "GRANT ALL ON *.* TO x",
        "CREATE INDEX i ON t (a)",
        "CREATE DEFINER=`root`@`%` TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @a = 1",
        "CREATE OR REPLACE ALGORITHM=UNDEFINED VIEW v AS SELECT 1",
        "DROP TEMPORARY TABLE IF EXISTS t",
        "TRUNCATE TABLE t",
        "ANALYZE TABLE t",
        "DROP PROCEDURE p",
        "FLUSH TABLES",
    ] {
        assert_eq!(parsed(sql), Ddl::Nothing, "{sql}");
    }
}

#[test]
fn tables_are_what_they_were_before() {
    for (before, sql, expected) in [
        (T, "ALTER TABLE t RENAME COLUMN a TO z", Some("a int PK1, b varchar(9) latin1, c date")),
        (T, "ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a", Some("a int PK1, b varchar(9) latin1, c date")),
        (T, "ALTER TABLE t ADD d INT FIRST, ADD e INT AFTER b", Some("a int PK1, b varchar(9) latin1, c date")),
        (T, "ALTER TABLE t CHANGE c z DATETIME", Some("a int PK1, b varchar(9) latin1, c ")),
        (T, "ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (c)", Some("a int, b varchar(9) latin1, c date")),
        (T, "ALTER TABLE t ADD INDEX (b)", Some("a int PK1, b varchar(9) latin1, c date")),
        (T, "ALTER TABLE t DROP c", None),
        (T, "ALTER TABLE t MODIFY c DATE FIRST", None),
        (T, "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4", None),
        ("CREATE TABLE t (a INT)", "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4", Some("a int")),
    ] {
        let Ddl::Alter { specs, .. } = parsed(sql) else { panic!("{sql}") };
        let after = alter(&schema(before), &specs, around()).unwrap();
        assert_eq!(unalter(&after, &specs, around()).as_ref().map(shown).as_deref(), expected, "{sql}");
    }
    // The catalogue does not show the statement's work.
    let Ddl::Alter { specs, .. } = parsed("ALTER TABLE t RENAME COLUMN x TO y") else { panic!() };
    assert_eq!(unalter(&schema(T), &specs, around()), None);
}

proptest::proptest! {
    #[test]
    fn any_text_is_read(sql in ".*", start in "(CREATE TABLE t|ALTER TABLE t|DROP|RENAME TABLE|CREATE|ALTER TABLE t ADD|)") {
        let _ = parsed(&format!("{start} {sql}"));
    }

    #[test]
    fn any_words_are_read(words in proptest::collection::vec(
        proptest::sample::select(vec![
            "CREATE", "TABLE", "ALTER", "t", "`a`", "(", ")", ",", "INT", "ENUM", "'x'", "ADD", "DROP", "COLUMN", "PRIMARY", "KEY",
            "CHARACTER", "SET", "latin1", "COLLATE", "AFTER", "FIRST", "RENAME", "TO", "IF", "NOT", "EXISTS", "LIKE", "12", ".", "=",
            "CONSTRAINT", "DEFAULT", "/*!", "*/", "DATABASE", "PARTITION", "CONVERT", "CHANGE", "MODIFY", "b",
        ]), 0..24)) {
        let ddl = parsed(&words.join(" "));
        if let Ddl::Alter { specs, .. } = ddl {
            let before = schema(T);
            if let Some(after) = alter(&before, &specs, around()) {
                let _ = unalter(&after, &specs, around());
            }
        }
    }
}
