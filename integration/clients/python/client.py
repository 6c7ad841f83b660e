"""The client script for the Python drivers: PyMySQL, SQLAlchemy (over PyMySQL) and MySQL Connector/Python."""

import argparse
import datetime
import decimal
import hashlib
import json
import ssl
import warnings

TABLE = """CREATE TABLE all_types (id INT PRIMARY KEY AUTO_INCREMENT, ti TINYINT, tu TINYINT UNSIGNED, si SMALLINT, mi MEDIUMINT,
 i INT, iu INT UNSIGNED, bi BIGINT, bu BIGINT UNSIGNED, de DECIMAL(20,6), fl FLOAT, db DOUBLE, da DATE, dt DATETIME(6),
 tm TIME(6), ye YEAR, ch CHAR(10), vc VARCHAR(200), tx TEXT, bn BINARY(4), vb VARBINARY(50), bl BLOB, js JSON,
 en ENUM('a','b','c'), se SET('x','y','z'), bt BIT(10)) DEFAULT CHARSET=utf8mb4"""
COLUMNS = "ti,tu,si,mi,i,iu,bi,bu,de,fl,db,da,dt,tm,ye,ch,vc,tx,bn,vb,bl,js,en,se,bt"
INSERT = f"INSERT INTO all_types ({COLUMNS}) VALUES ({','.join(['%s'] * 25)})"
D = decimal.Decimal
ROWS = [
    (127, 255, 32767, 8388607, 2147483647, 4294967295, 9223372036854775807, 18446744073709551615,
     D("99999999999999.999999"), 1.5, 3.141592653589793, datetime.date(2026, 1, 31),
     datetime.datetime(2026, 1, 31, 12, 0, 0, 123456), datetime.timedelta(hours=100, minutes=59, seconds=58, microseconds=999999),
     2155, "char", "h\u00e9llo \U0001f600 \"dq\" 'sq' \\ back\nnewline; -- no comment ?", "", b"\x00\xff\x10\x41", b"\x00\xff",
     bytes(range(256)), '{"k": [1, 2.5, null, "\u00fc"]}', "b", "x,z", 513),
    (-128, 0, -32768, -8388608, -2147483648, 0, -9223372036854775808, 0,
     D("-0.000001"), -0.25, -1234.5678, datetime.date(1000, 1, 1),
     datetime.datetime(9999, 12, 31, 23, 59, 59), -datetime.timedelta(hours=12, minutes=34, seconds=56, microseconds=1),
     1901, "", "''", "\U0001f680" * 100, b"\x80\x00\x00\x00", b"\xff", b"\x00\xff" * 150, "[]", "a", "", 0),
    (None,) * 25,
]
LARGE = "".join(f"{i:08d}" for i in range(20 * 1024 * 1024 // 8))


def contract(value):
    """The text of a bound value as a message holds it."""
    if value is None:
        return None
    if isinstance(value, (bytes, bytearray)):
        return f"<bytes:{len(value)}>"
    if isinstance(value, datetime.datetime):
        return value.strftime(f"{value.year:04d}-%m-%d %H:%M:%S") + (f".{value.microsecond:06d}" if value.microsecond else "")
    if isinstance(value, datetime.timedelta):
        sign, value = ("-", -value) if value < datetime.timedelta() else ("", value)
        seconds = value.days * 86400 + value.seconds
        text = f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        return text + (f".{value.microseconds:06d}" if value.microseconds else "")
    text = str(value)
    return {"prefix": text[:1000]} if len(text) > 2048 else text


def short(value):
    text = repr(value)
    if len(text) > 3000:
        raw = value if isinstance(value, (bytes, bytearray)) else str(value).encode()
        return f"large:{len(raw)}:{hashlib.md5(raw).hexdigest()}"
    return text


class Script:
    def __init__(self, expect_file):
        self.out = open(expect_file, "w", encoding="utf-8") if expect_file else None

    def expect(self, sql, params, count, error=None):
        if isinstance(sql, (bytes, bytearray)):
            sql = sql.decode("utf-8", "backslashreplace")
        if sql is not None and len(sql) > 1_000_000:
            sql = {"prefix": sql[:1000]}
        if self.out:
            self.out.write(json.dumps({"sql": sql, "params": params, "count": count, "error": error}) + "\n")

    def show(self, label, rows):
        for row in rows:
            print(f"{label}: {' | '.join(short(value) for value in row)}")

    def body(self):
        """The whole script in terms of do(label, sql, args), multi(..), call(..), commit() and rollback()."""
        do = self.do
        do("drop", "DROP TABLE IF EXISTS all_types")
        do("create", TABLE)
        for row in ROWS:
            do("insert", INSERT, row)
        for number in (1, 2, 3):
            do("select", "SELECT * FROM all_types WHERE id = %s", (number,))
        do("update", "UPDATE all_types SET vc = %s, de = %s WHERE id = %s", ("it's \U0001f600", D("12.5"), 2))
        do("update null", "UPDATE all_types SET vc = %s WHERE id = %s", (None, 1))
        do("delete", "DELETE FROM all_types WHERE id = %s", (3,))
        do("syntax", "SELEC 1")
        do("duplicate", "INSERT INTO all_types (id) VALUES (1)")
        do("drop mt", "DROP TABLE IF EXISTS mt")
        do("create mt", "CREATE TABLE mt (v INT)")
        self.multi(["INSERT INTO mt VALUES (1)", "INSERT INTO mt VALUES (2),(3)", "SELECT v FROM mt ORDER BY v",
                    "UPDATE mt SET v = v + 10", "SELECT 'a;b' AS s, \"c;d\" AS t /* e;f */"])
        do("drop proc", "DROP PROCEDURE IF EXISTS two_results")
        do("create proc", "CREATE PROCEDURE two_results(IN a INT, IN b INT) BEGIN "
           "SELECT a + b AS inner_s UNION ALL SELECT a * b; SELECT a - b AS inner_d; END")
        self.call("two_results", (7, 3))
        do("begin", "START TRANSACTION")
        do("in trx", "INSERT INTO mt VALUES (%s)", (99,))
        self.rollback()
        do("after rollback", "SELECT COUNT(*) FROM mt")
        do("begin 2", "START TRANSACTION")
        do("in trx 2", "INSERT INTO mt VALUES (%s)", (100,))
        self.commit()
        do("after commit", "SELECT COUNT(*) FROM mt")
        do("use", "USE ct2")
        do("other", "CREATE TABLE other (v VARCHAR(20))")
        do("other insert", "INSERT INTO other VALUES (%s)", ("elsewhere",))
        do("where", "SELECT DATABASE(), v FROM other")
        do("use back", "USE ct")
        do("drop big", "DROP TABLE IF EXISTS big")
        do("create big", "CREATE TABLE big (v LONGTEXT)")
        do("big insert", "INSERT INTO big VALUES (%s)", (LARGE,))
        do("big select", "SELECT LENGTH(v), CRC32(v), v FROM big")


class PyMySql(Script):
    def __init__(self, args):
        super().__init__(args.expect)
        import pymysql
        from pymysql.constants import CLIENT
        self.driver = pymysql
        context = None
        if args.tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.db = pymysql.connect(host=args.host, port=args.port, user=args.user, password=args.password, database=args.db, ssl=context,
                                  ssl_disabled=not args.tls, autocommit=True, client_flag=CLIENT.MULTI_STATEMENTS, charset="utf8mb4")
        self.cur = self.db.cursor()

    def do(self, label, sql, args=None):
        cur, text = self.cur, self.cur.mogrify(sql, args)
        try:
            cur.execute(sql, args)
        except self.driver.Error as error:
            print(f"{label}: error {error.args}")
            return self.expect(text, None, 0, error.args[0])
        print(f"{label}: {cur.rowcount} {cur.lastrowid}")
        self.show(label, cur.fetchall())
        self.expect(text, None, cur.rowcount)

    def results(self, label):
        counts = []
        while True:
            counts.append(self.cur.rowcount)
            print(f"{label}: {self.cur.rowcount}")
            self.show(label, self.cur.fetchall())
            if not self.cur.nextset():
                return counts

    def multi(self, parts):
        self.cur.execute("; ".join(parts) + ";")
        for part, count in zip(parts, self.results("multi")):
            self.expect(part, None, count)

    def call(self, name, args):
        self.cur.execute(f"CALL {name}(%s, %s)", args)
        counts = self.results("call")
        self.expect(f"CALL {name}({args[0]}, {args[1]})", None, counts[0])
        self.cur.callproc(name, args)
        counts = self.results("callproc")
        self.expect(f"SET @`_{name}_0`={args[0]},@`_{name}_1`={args[1]}", None, 0)
        self.expect(f"CALL `{name}`(@`_{name}_0`,@`_{name}_1`)", None, counts[0])

    def rollback(self):
        self.db.rollback()
        self.expect("ROLLBACK", None, 0)

    def commit(self):
        self.db.commit()
        self.expect("COMMIT", None, 0)

    def close(self):
        self.db.close()


class SqlAlchemy(PyMySql):
    """The same script as SQLAlchemy users do it: an engine with a pool, connections, transactions begun by it."""

    def __init__(self, args):
        Script.__init__(self, args.expect)
        import pymysql
        import sqlalchemy
        from pymysql.constants import CLIENT
        self.sa = sqlalchemy
        connect = {"client_flag": CLIENT.MULTI_STATEMENTS, "charset": "utf8mb4"}
        if args.tls:
            connect["ssl"] = ssl.create_default_context()
            connect["ssl"].check_hostname, connect["ssl"].verify_mode = False, ssl.CERT_NONE
        else:
            connect["ssl_disabled"] = True
        url = sqlalchemy.URL.create("mysql+pymysql", args.user, args.password, args.host, args.port, args.db)
        self.engine = sqlalchemy.create_engine(url, connect_args=connect, isolation_level="AUTOCOMMIT")
        self.text = None
        sqlalchemy.event.listen(self.engine, "before_cursor_execute", self.before)
        self.db = self.engine.connect()

    def before(self, conn, cursor, statement, parameters, context, executemany):
        # A list is an executemany, which PyMySQL writes itself.
        self.text = None if executemany else cursor.mogrify(statement, parameters or None)

    def do(self, label, sql, args=None):
        try:
            result = self.db.exec_driver_sql(sql, tuple(args) if args else None)
        except self.sa.exc.DBAPIError as error:
            print(f"{label}: error {error.orig.args}")
            return self.expect(self.text, None, 0, error.orig.args[0])
        print(f"{label}: {result.rowcount}")
        count = result.rowcount
        if result.returns_rows:
            self.show(label, result.fetchall())
        self.expect(self.text, None, count)

    def multi(self, parts):
        raw = self.db.connection.driver_connection
        self.cur = raw.cursor()
        super().multi(parts)

    def call(self, name, args):
        raw = self.db.connection.driver_connection
        self.cur = raw.cursor()
        super().call(name, args)
        table = self.sa.Table("mt", self.sa.MetaData(), self.sa.Column("v", self.sa.Integer))
        result = self.db.execute(self.sa.insert(table), [{"v": 1000}, {"v": 1001}])
        print(f"core executemany: {result.rowcount}")
        self.expect("INSERT INTO mt (v) VALUES (1000),(1001)", None, 2)
        rows = self.db.execute(self.sa.select(table.c.v).where(table.c.v > 999).order_by(table.c.v)).fetchall()
        self.show("core select", rows)
        self.expect(self.text, None, len(rows))
        self.db.execute(self.sa.delete(table).where(table.c.v.in_([1000, 1001])))
        self.expect(self.text, None, 2)

    def rollback(self):
        self.do("rollback", "ROLLBACK")

    def commit(self):
        self.do("commit", "COMMIT")

    def close(self):
        self.db.close()
        self.engine.dispose()


class Connector(Script):
    """MySQL Connector/Python: its pure and its C implementation; prepared cursors in the third mode."""

    def __init__(self, args, pure, prepared):
        super().__init__(args.expect)
        import mysql.connector
        self.driver, self.prepared = mysql.connector, prepared
        self.db = mysql.connector.connect(host=args.host, port=args.port, user=args.user, password=args.password, database=args.db,
                                          use_pure=pure, ssl_disabled=not args.tls, autocommit=True, charset="utf8mb4",
                                          collation="utf8mb4_general_ci")

    def do(self, label, sql, args=None):
        # A prepared cursor only where there is something to bind, as its users have it.
        prepared = self.prepared and args is not None
        if prepared:  # this driver cannot decode a YEAR of the binary protocol
            sql = sql.replace("SELECT * FROM all_types", f"SELECT id,{COLUMNS.replace('ye,', '')} FROM all_types")
            # Nor encode a negative time: it sends -35:25:03.999999 for -12:34:56.000001.
            args = tuple("-12:34:56.000001" if isinstance(a, datetime.timedelta) and a < datetime.timedelta() else a for a in args)
        cur = self.db.cursor(prepared=True) if prepared else self.db.cursor()
        try:
            cur.execute(sql, args or ())
            rows = cur.fetchall() if cur.with_rows else []
        except self.driver.Error as error:
            print(f"{label}: error {error.errno} {error.sqlstate} {error.msg}")
            return self.expect(sql, None, 0, error.errno)
        count = len(rows) if cur.with_rows else cur.rowcount
        print(f"{label}: {count} {cur.lastrowid}")
        self.show(label, rows)
        if prepared:
            self.expect(sql.replace("%s", "?"), [contract(a) for a in args], count)
        else:
            text = cur.statement
            self.expect(None if args and any(isinstance(a, bytes) for a in args) else text, None, count)
        cur.close()

    def multi(self, parts):
        cur = self.db.cursor()
        cur.execute("; ".join(parts))
        for number, _ in enumerate(cur.fetchsets()):
            rows = cur.fetchall() if cur.with_rows else []
            self.show("multi", rows)
            print(f"multi: {cur.rowcount}")
            self.expect(parts[number], None, [1, 2, 3, 3, 1][number])
        cur.close()

    def call(self, name, args):
        cur = self.db.cursor()
        cur.callproc(name, args)
        with warnings.catch_warnings(action="ignore"):
            for result in cur.stored_results():
                self.show("callproc", result.fetchall())
        # Integers are passed as literals, but how they come there differs by version.
        self.expect(None, None, None)
        cur.close()

    def rollback(self):
        self.db.rollback()
        self.expect("ROLLBACK", None, 0)

    def commit(self):
        self.db.commit()
        self.expect("COMMIT", None, 0)

    def close(self):
        self.db.close()


def main():
    parser = argparse.ArgumentParser()
    for name in ("host", "port", "user", "password", "db"):
        parser.add_argument(name, type=int if name == "port" else str)
    parser.add_argument("--mode", default="pymysql")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--expect")
    args = parser.parse_args()
    if args.mode == "pymysql":
        script = PyMySql(args)
    elif args.mode == "sqlalchemy":
        script = SqlAlchemy(args)
    else:
        script = Connector(args, pure=args.mode != "connector-c", prepared=args.mode == "connector-prepared")
    script.body()
    script.do("tls", "SHOW SESSION STATUS LIKE 'Ssl_version'")
    script.close()
    print("done")


if __name__ == "__main__":
    main()
