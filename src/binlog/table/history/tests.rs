use std::collections::HashMap;

use crate::binlog::event::position::Position;
use crate::binlog::event::table_map::TableMap;
use crate::binlog::table::catalog::CatalogColumn;
use crate::binlog::table::hidden::Hidden;
use crate::binlog::table::history::apply::{Surroundings, alter, create, unalter};
use crate::binlog::table::history::ddl::parse;
use crate::binlog::table::history::definition::{Ddl, TableName};
use crate::binlog::table::history::fill::fill;
use crate::binlog::table::history::parser::Naming;
use crate::binlog::table::history::*;
use crate::files::FileMode;
use crate::mysql::charset::Charset;

fn schema(sql: &str) -> TableSchema {
    match parsed(sql) {
        Ddl::Create { body, .. } => create(&body, around()).unwrap_or_else(|| panic!("{sql}: not sure")),
        other => panic!("{sql}: {other:?}"),
    }
}

fn around() -> Surroundings {
    Surroundings { database: Some(Charset::Utf8mb4), ..Surroundings::default() }
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
            "d decimal(10,0), n decimal(8,2) unsigned, r , p double, f double, bo tinyint(1), se bigint unsigned, y year, ts timestamp(3), \
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
    let schema =
        create(&body, Surroundings { is_mariadb: true, database: Some(Charset::Latin1), ..Surroundings::default() })
            .unwrap();
    assert_eq!(shown(&schema), "a int(11), b bigint(20) unsigned, j longtext utf8mb4, c char(2) latin1");
    // The names are sure all the same.
    let schema = create(&body, Surroundings { is_mariadb: true, ..Surroundings::default() }).unwrap();
    assert_eq!(shown(&schema), "a int(11), b bigint(20) unsigned, j longtext utf8mb4, c char(2)");
    assert_eq!(schema.charset, None);
}

#[test]
fn columns_without_a_known_character_set_are_altered() {
    let around = Surroundings::default();
    let Ddl::Create { body, .. } = parsed("CREATE TABLE t (a INT, b VARCHAR(5), e ENUM('x'))") else { panic!() };
    let before = create(&body, around).unwrap();
    let altered = |before: &TableSchema, sql: &str| match parsed(sql) {
        Ddl::Alter { specs, .. } => alter(before, &specs, around),
        other => panic!("{other:?}"),
    };
    let convert = "ALTER TABLE t CONVERT TO CHARACTER SET latin1";
    assert_eq!(
        altered(&before, convert).as_ref().map(shown).as_deref(),
        Some("a int, b varchar(5) latin1, e enum('x') latin1")
    );
    let longer = altered(&before, "ALTER TABLE t ADD d TEXT, MODIFY e CHAR(3)").unwrap();
    assert_eq!(shown(&longer), "a int, b varchar(5), e char(3), d text");
    // It may have become a MEDIUMTEXT, which is stored in the same way.
    let converted = altered(&longer, convert).unwrap();
    assert_eq!(shown(&converted), "a int, b varchar(5) latin1, e char(3) latin1, d text latin1");
    for unknown in ["DEFAULT", "klingon"] {
        let converted = altered(&converted, &format!("ALTER TABLE t CONVERT TO CHARACTER SET {unknown}")).unwrap();
        assert_eq!(shown(&converted), "a int, b varchar(5), e char(3), d text", "{unknown}");
    }
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
        (
            "SET STATEMENT max_statement_time=1, x=2 FOR ALTER TABLE t RENAME COLUMN a TO z",
            "z int PK1, b varchar(9) latin1, c date",
        ),
        ("DROP INDEX `PRIMARY` ON t", "a int, b varchar(9) latin1, c date"),
        (
            "ALTER TABLE t ADD d BLOB(50), ADD e TEXT(9) COLLATE klingon_ci, ADD f SDO_GEOMETRY(1) NOT NULL, ADD g REAL(7,2) DEFAULT 1",
            "a int PK1, b varchar(9) latin1, c date, d blob, e text, f , g ",
        ),
        (
            "ALTER IGNORE ONLINE TABLE t ADD d INT REFERENCES p (a) ON DELETE SET DEFAULT, ADD e INT COLUMN_FORMAT DEFAULT FIRST",
            "e int, a int PK1, b varchar(9) latin1, c date, d int",
        ),
        ("ALTER TABLE t ADD d INT PARTITION BY KEY (a) PARTITIONS 2", "a int PK1, b varchar(9) latin1, c date, d int"),
        (
            "ALTER TABLE t ADD system INT, DROP c, ADD period INT",
            "a int PK1, b varchar(9) latin1, system int, period int",
        ),
        (
            "ALTER TABLE t RENAME COLUMN c TO cc, PAGE_COMPRESSED=1 `my option`='x, DROP b' CHARACTER SET DEFAULT, ADD d CHAR",
            "a int PK1, b varchar(9) latin1, cc date, d char(1) utf8mb4",
        ),
        ("ALTER TABLE t", "a int PK1, b varchar(9) latin1, c date"),
    ] {
        assert_eq!(altered(T, sql).as_ref().map(shown).as_deref(), Some(expected), "{sql}");
    }
}

#[test]
fn what_is_not_sure_is_not_guessed() {
    for sql in [
        "ALTER TABLE t DROP q",
        "ALTER TABLE t ADD a INT",
        "ALTER TABLE t ADD d INT AFTER q",
        "ALTER TABLE t RENAME COLUMN q TO r",
        "ALTER TABLE t MODIFY q INT",
        "ALTER TABLE t FROBNICATE",
    ] {
        assert_eq!(altered(T, sql), None, "{sql}");
    }
    for sql in ["CREATE TABLE t SELECT 1 AS a", "CREATE TABLE t (a INT) AS SELECT 1 AS b"] {
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
        "CREATE VECTOR INDEX i ON t (v)",
        "SET STATEMENT max_statement_time=1 FOR INSERT INTO t VALUES (1)",
        "SET STATEMENT max_statement_time=1, sql_mode='' FOR SELECT 1",
        "ALTER SEQUENCE IF EXISTS s RESTART 7",
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
        (T, "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4", Some("a int PK1, b , c date")),
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

/// Statements that leave the columns as they are, in words that look like parts of their own.
#[test]
fn harmless_statements_change_nothing() {
    for to_table in [
        "DROP PARTITION p0, p1",
        "DROP PARTITION IF EXISTS p0, p1",
        "TRUNCATE PARTITION p0, p1",
        "ANALYZE PARTITION p0, p1",
        "CHECK PARTITION p0, p1 FOR UPGRADE",
        "REBUILD PARTITION NO_WRITE_TO_BINLOG p0, p1",
        "OPTIMIZE PARTITION p0, p1",
        "REPAIR PARTITION p0, p1 QUICK",
        "REORGANIZE PARTITION p0, p1 INTO (PARTITION n VALUES LESS THAN (9))",
        "COALESCE PARTITION 2",
        "ADD PARTITION IF NOT EXISTS (PARTITION p2 VALUES IN (1, 2))",
        "EXCHANGE PARTITION p0 WITH TABLE x WITHOUT VALIDATION",
        "DISCARD PARTITION p0, p1 TABLESPACE",
        "IMPORT PARTITION p0, p1 TABLESPACE",
        "PARTITION BY RANGE COLUMNS (a, c) (PARTITION p0 VALUES LESS THAN (1, '2024-01-01'))",
        "REMOVE PARTITIONING",
        "ORDER BY a, b DESC, c",
        "STORAGE DISK",
        "TABLESPACE x STORAGE MEMORY",
        "DISCARD TABLESPACE",
        "SECONDARY_LOAD",
        "ALGORITHM=INPLACE, LOCK=NONE, WITHOUT VALIDATION, ADD INDEX (b, c)",
        "ALTER COLUMN a SET DEFAULT (b + c), ALTER INDEX i INVISIBLE, ALTER CHECK k NOT ENFORCED, ALTER c DROP DEFAULT",
        "ALTER a SET INVISIBLE, ALTER CONSTRAINT k ENFORCED, ALTER INDEX IF EXISTS i NOT IGNORED",
        "ADD CONSTRAINT IF NOT EXISTS k CHECK (a > 1), DROP CONSTRAINT IF EXISTS k, DROP CHECK k",
        "ADD PERIOD FOR p (b, c), DROP PERIOD IF EXISTS FOR p, DROP PERIOD FOR SYSTEM_TIME",
        "INDEX DIRECTORY='x' DATA DIRECTORY='y' CONNECTION='z' UNION=(a, b) TRANSACTIONAL=1 SEQUENCE=0",
        "ENGINE_ATTRIBUTE='{}' AUTOEXTEND_SIZE 4M `option`=ON, COMMENT='DROP b'",
        "NOWAIT FORCE",
        "WAIT 5 ENGINE=InnoDB",
    ] {
        let sql = format!("ALTER TABLE t {to_table}");
        let Ddl::Alter { specs, rename: None, .. } = parsed(&sql) else { panic!("{sql}") };
        let after = alter(&schema(T), &specs, around());
        assert_eq!(after.as_ref().map(shown).as_deref(), Some("a int PK1, b varchar(9) latin1, c date"), "{sql}");
    }
}

#[test]
fn partitions_become_tables_and_tables_partitions() {
    let table = |name: &str| ("d".to_owned(), name.to_owned());
    assert_eq!(
        parsed("ALTER TABLE t CONVERT PARTITION p TO TABLE n"),
        Ddl::CreateLike { table: table("n"), if_not_exists: false, like: table("t") }
    );
    assert_eq!(
        parsed("ALTER TABLE t CONVERT TABLE n TO PARTITION p VALUES LESS THAN (1)"),
        Ddl::Drop(vec![table("n")])
    );
}

/// What only the table map says: the types of columns before MODIFY, and those that this program does not know.
#[test]
fn the_map_says_the_types() {
    use crate::binlog::value::column::Storage;
    let column = |storage| crate::binlog::event::table_map::MappedColumn {
        type_code: 0,
        storage,
        nullable: true,
        unsigned: None,
        collation: None,
        name: None,
        members: None,
        visible: None,
        geometry_type: None,
    };
    let variable = Storage::Variable { max_bytes: 9, compressed: false };
    let blob = Storage::Blob { length_bytes: 2, compressed: false };
    for (storage, unsigned, collation, expected) in [
        (Storage::Integer { bytes: 4 }, Some(true), None, Some("int unsigned")),
        (Storage::Integer { bytes: 1 }, Some(false), None, Some("tinyint")),
        (Storage::Integer { bytes: 4 }, None, None, None),
        (variable, None, Some(45), Some("varchar")),
        (variable, None, Some(63), Some("varbinary")),
        (variable, None, None, None),
        (blob, None, Some(63), Some("blob")),
        (Storage::Fixed { max_bytes: 9 }, None, Some(8), Some("char")),
        (Storage::Enum { bytes: 1 }, None, None, Some("enum")),
        (Storage::Null, None, None, None),
    ] {
        let mapped = crate::binlog::event::table_map::MappedColumn { unsigned, collation, ..column(storage) };
        let map = TableMap { columns: vec![mapped], ..TableMap::default() };
        let unknown = CatalogColumn { name: "a".into(), ..CatalogColumn::default() };
        let schema = TableSchema { columns: vec![unknown], ..TableSchema::default() };
        let filled = fill(schema, &map).map(|schema| schema.columns[0].column_type.clone());
        assert_eq!(filled.as_deref(), expected, "{storage:?}");
    }
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

/// A server of which a test says what it has.
#[derive(Debug, Default, Clone)]
struct Server {
    end: u64,
    tables: HashMap<TableName, TableSchema>,
    /// The binlog's statements, with their ends.
    binlog: Vec<(u64, &'static str)>,
    /// What comes between two questions.
    comes: Vec<(u64, &'static str)>,
    is_blind: bool,
    knows_no_database: bool,
    looked: std::rc::Rc<std::cell::Cell<usize>>,
}

fn at(offset: u64) -> Position {
    Position { file: "binlog.000009".into(), offset }
}

impl SchemaSource for Server {
    fn end(&mut self) -> Option<Position> {
        Some(at(self.end))
    }

    fn table(&mut self, database: &str, table: &str) -> Snapshot {
        let found = self.tables.get(&(database.to_owned(), table.to_owned())).cloned();
        if let Some((end, sql)) = self.comes.pop() {
            self.binlog.push((end, sql));
            self.end = end;
        }
        found.map_or(Snapshot::Absent, Snapshot::Table)
    }

    fn database_charset(&mut self, _: &str) -> Option<String> {
        (!self.knows_no_database).then(|| "utf8mb4".into())
    }

    fn is_mariadb(&mut self) -> Option<bool> {
        Some(false)
    }

    fn folds_names(&mut self) -> Option<bool> {
        Some(false)
    }

    fn identity(&mut self) -> Option<String> {
        Some("server".into())
    }

    fn statements(&mut self, from: &Position, to: &Position, found: &mut dyn FnMut(&Position, Statement<'_>)) -> bool {
        self.looked.set(self.looked.get() + 1);
        for (end, sql) in &self.binlog {
            if at(*end).is_after(from) && !at(*end).is_after(to) {
                found(&at(*end), Statement { database: "d", sql, sql_mode: Some(0), ..Statement::default() });
            }
        }
        !self.is_blind
    }
}

/// A map of as many INT columns.
fn map(columns: usize) -> TableMap {
    let column = crate::binlog::event::table_map::MappedColumn {
        type_code: 3,
        storage: crate::binlog::value::column::Storage::Integer { bytes: 4 },
        nullable: true,
        unsigned: None,
        collation: None,
        name: None,
        members: None,
        visible: None,
        geometry_type: None,
    };
    TableMap { columns: vec![column; columns], ..TableMap::default() }
}

fn server(sql: &str, end: u64, binlog: &[(u64, &'static str)]) -> Server {
    let tables = HashMap::from([(("d".to_owned(), "t".to_owned()), schema(sql))]);
    Server { end, tables, binlog: binlog.to_vec(), ..Server::default() }
}

fn names<S: SchemaSource>(history: &mut SchemaHistory<S>, offset: u64, columns: usize) -> Option<String> {
    let found = history.columns("d", "t", &at(offset), &map(columns))?;
    Some(found.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(","))
}

fn define<S: SchemaSource>(history: &mut SchemaHistory<S>, offset: u64, sql: &str) {
    history.definition(&Statement { database: "d", sql, sql_mode: Some(0), ..Statement::default() }, &at(offset));
}

#[test]
fn the_catalogue_is_of_now_and_the_row_is_not() {
    let binlog = [
        (50, "ALTER TABLE t RENAME COLUMN x TO a"),
        (150, "ALTER TABLE t RENAME COLUMN a TO b"),
        (160, "CREATE TABLE u (a INT)"),
    ];
    let mut history = SchemaHistory::new(server("CREATE TABLE t (b INT)", 200, &binlog));
    history.begin(&at(100), None, false).unwrap();
    assert_eq!(names(&mut history, 100, 1).as_deref(), Some("a"));
    define(&mut history, 150, binlog[1].1);
    assert_eq!(names(&mut history, 155, 1).as_deref(), Some("b"));
    // A new connection, and the same again.
    define(&mut history, 150, binlog[1].1);
    assert_eq!(names(&mut history, 155, 1).as_deref(), Some("b"));
    // The map does not fit: something has happened that is not in the binlog.
    assert_eq!(names(&mut history, 170, 2), None);
}

#[test]
fn without_a_look_ahead_there_are_no_names() {
    let mut blind = server("CREATE TABLE t (b INT)", 200, &[]);
    blind.is_blind = true;
    let mut history = SchemaHistory::new(blind);
    history.begin(&at(100), None, false).unwrap();
    assert_eq!(names(&mut history, 100, 1), None);
    // Nothing to look at.
    assert_eq!(names(&mut history, 200, 1).as_deref(), Some("b"));
    // The catalogue of a replica that is behind.
    let mut history = SchemaHistory::new(server("CREATE TABLE t (b INT)", 200, &[]));
    assert_eq!(names(&mut history, 201, 1), None);
}

#[test]
fn a_statement_between_two_questions() {
    let mut busy = server("CREATE TABLE t (b INT)", 200, &[]);
    // The catalogue was read before, the end of the binlog after it: the answer may not be taken for the table of then.
    busy.comes = vec![(210, "ALTER TABLE t RENAME COLUMN b TO c")];
    let mut history = SchemaHistory::new(busy);
    assert_eq!(names(&mut history, 100, 1), None);
}

#[test]
fn what_is_looked_at_is_looked_at_once() {
    let binlog = [(150, "ALTER TABLE t RENAME COLUMN a TO b"), (160, "DROP TABLE u")];
    let source = server("CREATE TABLE t (b INT)", 200, &binlog);
    let looked = source.looked.clone();
    let mut history = SchemaHistory::new(source);
    for _ in 0..3 {
        assert_eq!(history.columns("d", "u", &at(100), &map(1)), None);
        assert_eq!(names(&mut history, 100, 1).as_deref(), Some("a"));
    }
    assert_eq!(looked.get(), 1);
}

#[test]
fn a_statement_that_is_not_understood_makes_its_table_unknown() {
    let mut history = SchemaHistory::new(NoSource);
    let define = |history: &mut SchemaHistory<NoSource>, offset, sql| {
        history.definition(&Statement { database: "d", sql, sql_mode: Some(0), ..Statement::default() }, &at(offset));
    };
    let knows = |history: &mut SchemaHistory<NoSource>, table| history.columns("d", table, &at(900), &map(1)).is_some();
    define(&mut history, 10, "CREATE DATABASE d CHARSET latin1");
    define(&mut history, 20, "CREATE TABLE IF NOT EXISTS t (a INT)");
    define(&mut history, 30, "CREATE TABLE T (b INT)");
    // Whether T is t is not known.
    assert!(!knows(&mut history, "t") && knows(&mut history, "T"));
    define(&mut history, 40, "CREATE TABLE u (a INT)");
    define(&mut history, 50, "ALTER TABLE u FROBNICATE a");
    assert!(!knows(&mut history, "u") && knows(&mut history, "T"));
    define(&mut history, 60, "CREATE TEMPORARY TABLE T (c INT)");
    assert!(knows(&mut history, "T"));
    define(&mut history, 70, "ALTER TABLE T RENAME COLUMN b TO c");
    assert!(!knows(&mut history, "T"));
    define(&mut history, 80, "CREATE TABLE v (a INT)");
    define(&mut history, 90, "FROBNICATE ALL");
    assert!(!knows(&mut history, "v"));
}

#[test]
fn statements_tell_of_hidden_columns() {
    let around = Surroundings { is_mariadb: true, ..around() };
    let Ddl::Create { body, .. } = parsed("CREATE TABLE t (a INT, `unique` INT COMMENT 'UNIQUE')") else { panic!() };
    let plain = create(&body, around).unwrap();
    assert_eq!(plain.hidden, Hidden::default());
    for (sql, versioned, hashes) in [
        ("ALTER TABLE t ADD c TEXT, ADD KEY (a)", false, 0),
        ("ALTER TABLE t ADD c TEXT UNIQUE, ADD CONSTRAINT x UNIQUE (a)", false, 2),
        ("CREATE OR REPLACE UNIQUE INDEX IF NOT EXISTS x USING BTREE ON t (a)", false, 1),
        ("DROP INDEX x ON t", false, 1),
        ("ALTER TABLE t DROP KEY x, DROP INDEX IF EXISTS y", false, 2),
        ("ALTER TABLE t ADD SYSTEM VERSIONING, ADD b INT", true, 0),
        ("ALTER TABLE t DROP SYSTEM VERSIONING", true, 0),
    ] {
        let Ddl::Alter { specs, table, .. } = parsed(sql) else { panic!("{sql}: {:?}", parsed(sql)) };
        assert_eq!(table, ("d".to_owned(), "t".to_owned()), "{sql}");
        let (expected, after) = (Hidden { versioned, hashes }, alter(&plain, &specs, around).unwrap());
        assert_eq!(after.hidden, expected, "{sql}");
        // What was there before a key was dropped is not known either.
        let now = TableSchema { hidden: Hidden::default(), ..after };
        assert_eq!(unalter(&now, &specs, around).unwrap().hidden, expected, "{sql}");
        let of_mysql = Surroundings { is_mariadb: false, ..around };
        assert_eq!(alter(&plain, &specs, of_mysql).unwrap().hidden, Hidden::default());
    }
    for (sql, versioned, hashes) in [
        ("CREATE TABLE t (a INT, b TEXT UNIQUE, c TEXT, UNIQUE (c)) WITH SYSTEM VERSIONING", true, 2),
        ("CREATE TABLE t (a INT, b INT WITH SYSTEM VERSIONING, UNIQUE KEY USING HASH (b))", true, 1),
        ("CREATE TABLE t (a INT) /*M!100300 WITH SYSTEM VERSIONING */", true, 0),
    ] {
        let Ddl::Create { body, .. } = parsed(sql) else { panic!("{sql}") };
        assert_eq!(create(&body, around).unwrap().hidden, Hidden { versioned, hashes }, "{sql}");
    }
}

#[test]
fn hidden_columns_of_a_tracked_table() {
    let mut history = SchemaHistory::new(NoSource);
    history.set_flavor(true);
    let define = |history: &mut SchemaHistory<NoSource>, offset, sql| {
        history.definition(&Statement { database: "d", sql, sql_mode: Some(0), ..Statement::default() }, &at(offset));
    };
    let mut map = TableMap { is_mariadb: true, ..map(2) };
    map.columns[1].storage = crate::binlog::value::column::Storage::Integer { bytes: 8 };
    define(&mut history, 10, "CREATE TABLE t (a INT, UNIQUE (a) USING HASH)");
    let found = history.columns("d", "t", &at(20), &map).unwrap();
    assert_eq!(
        found.iter().map(|column| (column.name.as_str(), column.is_hash)).collect::<Vec<_>>(),
        [("a", false), ("DB_ROW_HASH_1", true)]
    );
    // Nothing says that there is one.
    define(&mut history, 30, "CREATE TABLE t (a INT)");
    assert_eq!(history.columns("d", "t", &at(40), &map), None);
}

#[test]
fn the_catalogue_may_know_the_character_set() {
    const SQL: &str = "CREATE TABLE t (b VARCHAR(5))";
    let mut varchar = map(1);
    varchar.columns[0].storage = crate::binlog::value::column::Storage::Variable { max_bytes: 20, compressed: false };
    let found = |history: &mut SchemaHistory<Server>, map: &TableMap| {
        let found = history.columns("d", "t", &at(100), map)?;
        Some(found.iter().map(|column| (column.name.clone(), column.charset.clone())).collect::<Vec<_>>())
    };
    let named = |charset: Option<&str>| Some(vec![("b".to_owned(), charset.map(str::to_owned))]);
    for (source, expected) in [
        (server(SQL, 200, &[]), Some("utf8mb4")),
        // Not known: it was dropped later. Not to be asked: it lags behind the stream.
        (server(SQL, 200, &[(150, "DROP TABLE t")]), None),
        (server(SQL, 50, &[]), None),
    ] {
        let mut history = SchemaHistory::new(Server { knows_no_database: true, ..source });
        history.begin(&at(10), None, false).unwrap();
        define(&mut history, 20, SQL);
        for _ in 0..2 {
            assert_eq!(found(&mut history, &varchar), named(expected));
        }
        let mut wrong = varchar.clone();
        wrong.columns.push(map(1).columns[0].clone());
        assert_eq!(found(&mut history, &wrong), None);
    }
    // The map says it.
    varchar.columns[0].collation = Some(8);
    let source = Server { knows_no_database: true, ..server(SQL, 200, &[]) };
    let looked = source.looked.clone();
    let mut history = SchemaHistory::new(source);
    define(&mut history, 20, SQL);
    let before = looked.get();
    assert_eq!(found(&mut history, &varchar), named(None));
    assert_eq!(looked.get(), before);
}

#[test]
fn another_source_keeps_what_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history");
    let mut history = SchemaHistory::new(server("CREATE TABLE t (a INT)", 100, &[]));
    history.begin(&at(100), Some((&path, FileMode::default())), true).unwrap();
    assert_eq!(names(&mut history, 100, 1).as_deref(), Some("a"));
    let mut other = server("CREATE TABLE t (b INT)", 50, &[]);
    other.is_blind = true;
    history.source_changed(other);
    assert_eq!(names(&mut history, 7, 1).as_deref(), Some("a"));
    define(&mut history, 9, "ALTER TABLE t RENAME COLUMN a TO c");
    assert_eq!(names(&mut history, 9, 1).as_deref(), Some("c"));
    history.sync_handle().unwrap().sync().unwrap();
    // After a restart, at a place before the statement and at one after it.
    for (offset, expected) in [(8, "a"), (9, "c")] {
        let text = std::fs::read(&path).unwrap();
        let mut again = SchemaHistory::new(Server { end: 1, ..Server::default() });
        again.begin(&at(offset), Some((&path, FileMode::default())), true).unwrap();
        assert_eq!(names(&mut again, offset, 1).as_deref(), Some(expected));
        std::fs::write(&path, text).unwrap();
    }
}

/// With and without knowing whether the case of names counts.
#[test]
fn tables_that_are_made_if_they_are_not_there() {
    const MAKE: &str = "CREATE TABLE IF NOT EXISTS t (z INT)";
    for folds in [None, Some(false)] {
        let known = |statements: &[(&str, bool)], is_mariadb| {
            let mut history = SchemaHistory::new(NoSource);
            history.set_flavor(is_mariadb);
            history.begin(&at(4), None, false).unwrap();
            history.folds = folds;
            for (number, (sql, is_atomic)) in statements.iter().enumerate() {
                let statement =
                    Statement { database: "d", sql, sql_mode: Some(0), is_atomic: *is_atomic, ..Statement::default() };
                history.definition(&statement, &at(10 * (number as u64 + 1)));
            }
            names(&mut history, 1000, 1)
        };
        assert_eq!(known(&[(MAKE, false)], false), None);
        assert_eq!(known(&[(MAKE, true)], false).as_deref(), Some("z"));
        assert_eq!(known(&[(MAKE, false)], true).as_deref(), Some("z"));
        assert_eq!(known(&[("DROP TABLE IF EXISTS t", false), (MAKE, false)], false).as_deref(), Some("z"));
        assert_eq!(known(&[("RENAME TABLE t TO u", true), (MAKE, false)], false).as_deref(), Some("z"));
        let unknown = [("DROP TABLE t", true), ("CREATE TABLE t SELECT 1", true), (MAKE, false)];
        assert_eq!(known(&unknown, false), None);
        // The same table, where case does not count.
        let other_case = [("DROP TABLE t", true), ("CREATE TABLE T (a INT)", true), (MAKE, false)];
        assert_eq!(known(&other_case, false).as_deref(), folds.map(|_| "z"));
        assert_eq!(
            known(&[("DROP DATABASE d", true), ("CREATE DATABASE d", true), (MAKE, false)], false).as_deref(),
            Some("z")
        );
    }
}

#[test]
fn columns_that_were_added_if_they_were_not_there() {
    let binlog = [
        (50, "ALTER TABLE t ADD COLUMN IF NOT EXISTS b INT, MODIFY COLUMN IF EXISTS q INT"),
        (60, "ALTER TABLE t ADD c INT"),
    ];
    for (columns, expected) in [(1, Some("a")), (2, Some("a,b")), (3, None)] {
        let mut history = SchemaHistory::new(server("CREATE TABLE t (a INT, b INT, c INT)", 100, &binlog));
        history.begin(&at(10), None, false).unwrap();
        assert_eq!(names(&mut history, 10, columns).as_deref(), expected);
    }
}

#[test]
fn a_database_that_is_replaced_loses_its_tables() {
    let mut history = SchemaHistory::new(NoSource);
    history.begin(&at(4), None, false).unwrap();
    define(&mut history, 10, "CREATE TABLE t (a INT)");
    assert_eq!(names(&mut history, 10, 1).as_deref(), Some("a"));
    define(&mut history, 20, "CREATE OR REPLACE DATABASE d");
    assert_eq!(names(&mut history, 20, 1), None);
}

#[test]
fn a_table_is_hidden_only_while_a_session_has_its_own() {
    let mut history = SchemaHistory::new(NoSource);
    history.begin(&at(4), None, false).unwrap();
    for (offset, sql, expected) in [
        (10, "CREATE TABLE t (a INT)", Some("a")),
        (20, "CREATE TEMPORARY TABLE t (x INT)", Some("a")),
        (30, "DROP TEMPORARY TABLE t", Some("a")),
        (40, "ALTER TABLE t RENAME COLUMN a TO b", Some("b")),
        (50, "CREATE TEMPORARY SEQUENCE t", Some("b")),
        (60, "ALTER TABLE t RENAME COLUMN b TO c", None),
    ] {
        define(&mut history, offset, sql);
        assert_eq!(names(&mut history, offset, 1).as_deref(), expected, "{sql}");
    }
}
