"""Tables with every column type, the values to put into them, and how to ask the server what they are in JSON."""

import base64
import dataclasses
import decimal
import json
import random
import re
import struct

from .binlog import FloatText


# --- What a value must be in JSON, from what the server says about it ---

def same_number(wanted, actual):
    """Numbers of a JSON column: the server may write a double in another way than we do."""
    if isinstance(wanted, int) and isinstance(actual, int):
        return wanted == actual
    exact = [value.decimal if isinstance(value, FloatText) else decimal.Decimal(value) for value in (wanted, actual)]
    if exact[0] == exact[1]:
        return True
    # More digits than a double has are those of a decimal, which must be exact.
    return max(len(value.as_tuple().digits) for value in exact) <= 17 and float(exact[0]) == float(exact[1])


def same_json(wanted, actual):
    if isinstance(wanted, bool) or isinstance(actual, bool) or wanted is None or actual is None:
        return wanted is actual
    if isinstance(wanted, (int, float)) and isinstance(actual, (int, float)):
        return same_number(wanted, actual)
    if isinstance(wanted, dict) and isinstance(actual, dict):
        return wanted.keys() == actual.keys() and all(same_json(wanted[key], actual[key]) for key in wanted)
    if isinstance(wanted, list) and isinstance(actual, list):
        return len(wanted) == len(actual) and all(map(same_json, wanted, actual))
    return type(wanted) is type(actual) and wanted == actual


def same(wanted, actual):
    return type(wanted) is type(actual) and wanted == actual


def digits(text):
    """How many digits a number was written with, zeros at its ends apart."""
    return len(text.lower().partition("e")[0].lstrip("-").replace(".", "").strip("0"))


def shortest(value, pack):
    """How many digits it takes to tell a value from all others."""
    for count in range(1, 18):
        if pack(float(f"{value:.{count - 1}e}")) == pack(value):
            return count
    raise AssertionError(value)


def floats(pack):
    def compare(wanted, actual):
        if isinstance(actual, bool) or not isinstance(actual, (int, float)):
            return False
        text = getattr(actual, "text", str(actual))
        if wanted == 0:
            return actual == 0
        return pack(float(text)) == pack(wanted) and digits(text) <= shortest(wanted, pack)
    return compare


def pack32(value):
    try:
        return struct.pack("<f", value)
    except OverflowError:  # rounded up beyond the largest one
        return None


def pack64(value):
    return struct.pack("<d", value)


def to_base64(text):
    return base64.b64encode(bytes.fromhex(text)).decode()


def from_json(text):
    return json.loads(text, parse_float=FloatText)


def vector(text):
    raw = bytes.fromhex(text)
    return [value for value, in struct.iter_unpack("<f", raw)]


def same_vector(wanted, actual):
    return isinstance(actual, list) and len(wanted) == len(actual) and all(map(floats(pack32), wanted, actual))


@dataclasses.dataclass(frozen=True)
class Kind:
    """The expression whose value is text, what makes the JSON value of it, and when two are the same."""

    sql: str
    convert: object
    same: object = same


def same_text(wanted, actual):
    """What means nothing in Unicode may be U+FFFD where the server writes `?`; where even the server has U+FFFD, anything."""
    return isinstance(actual, str) and len(wanted) == len(actual) and all(
        one == other or one == "\ufffd" or (one == "?" and other == "\ufffd") for one, other in zip(wanted, actual))


TEXT = Kind("CAST({} AS CHAR)", str)
ODD_TEXT = Kind("CAST({} AS CHAR)", str, same_text)
INTEGER = Kind("CAST({} AS CHAR)", int)
BITS = Kind("CAST({} + 0 AS CHAR)", int)
FLOAT = Kind("CAST({} AS DOUBLE)", float, floats(pack32))
DOUBLE = Kind("CAST({} AS DOUBLE)", float, floats(pack64))
BYTES = Kind("HEX({})", to_base64)
JSON = Kind("CAST({} AS CHAR)", from_json, same_json)
VECTOR = Kind("HEX({})", vector, same_vector)


@dataclasses.dataclass
class Column:
    """`blob`: what binlog_row_image=NOBLOB leaves out where it did not change: not JSON, geometry and vectors."""

    name: str
    type: str
    kind: Kind
    values: list
    blob: bool = False


def shown(wanted, actual):
    """Both values; of long texts what is around the first difference."""
    if isinstance(wanted, str) and isinstance(actual, str) and max(len(wanted), len(actual)) > 200:
        at = next((at for at, pair in enumerate(zip(wanted, actual)) if pair[0] != pair[1]), min(len(wanted), len(actual)))
        start = max(at - 10, 0)
        return f"lengths {len(wanted)} and {len(actual)}, from {start} on wanted {wanted[start:at + 30]!a}, is {actual[start:at + 30]!a}"
    return f"wanted {wanted!r:.300}, is {getattr(actual, 'text', actual)!r:.300}"


@dataclasses.dataclass
class Family:
    """A table: `id`, `touched` and the columns. `once`: large, so in few combinations only. `table_map`: what it takes is
    nowhere but in the table map of binlog_row_metadata=FULL."""

    name: str
    columns: list
    once: bool = False
    table_map: bool = False

    def ddl(self):
        columns = "".join(f", `{column.name}` {column.type} NULL" for column in self.columns)
        return f"CREATE TABLE `{self.name}` (id INT NOT NULL PRIMARY KEY, touched INT NOT NULL{columns}) ROW_FORMAT=DYNAMIC"

    def value_rows(self):
        """Each column's values, repeated until all have been used, and a row of NULLs."""
        count = max(len(column.values) for column in self.columns)
        rows = [[column.values[row % len(column.values)] for column in self.columns] for row in range(count)]
        return rows + [["NULL"] * len(self.columns)]

    def names(self):
        return ["id", "touched", *(column.name for column in self.columns)]

    def blobs(self):
        return {column.name for column in self.columns if column.blob}

    def select(self):
        return "SELECT id, touched{} FROM `{}` ORDER BY id".format(
            "".join(", " + column.kind.sql.format(f"`{column.name}`") for column in self.columns), self.name)

    def read(self, cursor):
        """{id: {column: JSON value}}, as the server has it."""
        cursor.execute(self.select())
        rows = {}
        for id_, touched, *values in cursor.fetchall():
            rows[id_] = {"id": id_, "touched": touched}
            for column, value in zip(self.columns, values):
                rows[id_][column.name] = None if value is None else column.kind.convert(value)
        return rows

    def difference(self, wanted, actual):
        """What is wrong with an image; None when nothing is."""
        if wanted is None or actual is None:
            return None if wanted is actual else f"wanted {wanted!r:.300}, is {actual!r:.300}"
        if wanted.keys() != actual.keys():
            return f"absent: {sorted(wanted.keys() - actual.keys())}, not wanted: {sorted(actual.keys() - wanted.keys())}"
        wrong = []
        kinds = {column.name: (column.kind, column.type) for column in self.columns}
        for name, value in wanted.items():
            kind, type_ = kinds.get(name, (INTEGER, "INT"))
            equal = actual[name] is None if value is None else kind.same(value, actual[name])
            if not equal:
                wrong.append(f"{name} {type_:.80}: {shown(value, actual[name])}")
        return "; ".join(wrong) or None


def family(name, *columns, once=False, table_map=False):
    """Columns as (type, kind, values[, is a blob]); they are called c1, c2, ..."""
    return Family(name, [Column(f"c{number}", column[0], column[1], [str(value) for value in column[2]], *column[3:])
                         for number, column in enumerate(columns, 1)], once, table_map)


def quoted(*texts):
    return ["'{}'".format(text.replace("\\", "\\\\").replace("'", "''")) for text in texts]


def bytes_of(*values):
    return [f"x'{value.hex()}'" for value in values]


def fractions(date_type, values):
    """A column for each number of fraction digits."""
    return [(f"{date_type}({count})", TEXT, quoted(*values)) for count in range(7)]


# --- Numbers ---

def integers():
    columns = []
    for type_, bits in (("TINYINT", 8), ("SMALLINT", 16), ("MEDIUMINT", 24), ("INT", 32), ("BIGINT", 64)):
        high = 1 << bits - 1
        columns += [(type_, INTEGER, [0, 1, -1, high - 1, -high, 100, -100, high // 2 + 1]),
                    (f"{type_} UNSIGNED", INTEGER, [0, 1, 2 * high - 1, high, high - 1, 200]),
                    (f"{type_} UNSIGNED ZEROFILL", INTEGER, [0, 7, 2 * high - 1, high]),
                    (f"{type_}(3)", INTEGER, [0, 5, -5, high - 1])]
    return family("integers", *columns, ("BOOL", INTEGER, [0, 1, "TRUE", "FALSE", -128, 127]),
                  ("BIGINT", INTEGER, [2**53, 2**53 + 1, -2**53 - 1, 9007199254740993]))


DECIMALS = [(1, 0), (1, 1), (5, 0), (5, 2), (9, 0), (9, 9), (10, 0), (10, 5), (14, 4), (18, 9), (19, 10), (20, 4), (27, 18), (30, 30),
            (38, 10), (38, 0), (60, 30), (65, 0), (65, 1), (65, 30)]


def decimals():
    columns = []
    for precision, scale in DECIMALS:
        whole, part = precision - scale, scale
        nines = "9" * whole + ("." + "9" * part if part else "")
        mixed = ("1234567890" * 7)[:whole] + ("." + ("0987654321" * 4)[:part] if part else "")
        least = "0." + "0" * (part - 1) + "1" if part else "1"
        columns.append((f"DECIMAL({precision},{scale})", TEXT, [0, nines, f"-{nines}", mixed, f"-{mixed}", least, f"-{least}"]))
        if scale in (0, 4, 30):
            columns.append((f"DECIMAL({precision},{scale}) UNSIGNED", TEXT, [0, nines, mixed, least]))
    return family("decimals", *columns)


def floating():
    single = ["0", "1", "-1", "0.1", "-0.1", "1.5", "3.4028234e38", "-3.4028234e38", "1.17549435e-38", "1e-45", "3.1415927", "16777216",
              "16777217", "123456.789", "1e20", "1e-7", "0.3", "9.999999e9", "8388608.5"]
    double = ["0", "1", "-1", "0.1", "-0.1", "0.3", "1.7976931348623157e308", "-1.7976931348623157e308", "2.2250738585072014e-308", "5e-324",
              "3.141592653589793", "9007199254740993", "1e22", "1e23", "123456789.123456789", "1e-7", "4.35", "1e15", "1e16", "1e17"]
    return family("floating", ("FLOAT", FLOAT, single), ("FLOAT UNSIGNED", FLOAT, [value for value in single if value[0] != "-"]),
                  ("FLOAT(7,3)", FLOAT, ["0", "1.234", "-9999.999", "9999.999", "0.001"]),
                  ("DOUBLE", DOUBLE, double), ("DOUBLE UNSIGNED", DOUBLE, [value for value in double if value[0] != "-"]),
                  ("DOUBLE(20,5)", DOUBLE, ["0", "1.23456", "-999999999999.12345", "0.00001"]),
                  ("FLOAT(53)", DOUBLE, double), ("FLOAT(10)", FLOAT, single), ("REAL", DOUBLE, double))


def bits():
    columns = []
    for width in range(1, 65):
        full = (1 << width) - 1
        columns.append((f"BIT({width})", BITS, [0, full, 1, 1 << width - 1, int("A5" * 8, 16) & full]))
    return family("bits", *columns)


# --- Dates and times (the session has sql_mode=ALLOW_INVALID_DATES and time_zone='+00:00') ---

DATES = ["0000-00-00", "1000-01-01", "9999-12-31", "2024-02-29", "2024-00-00", "2024-05-00", "0001-01-01", "1970-01-01", "2023-02-30",
         "0000-01-01"]
TIMES = ["00:00:00", "838:59:59", "-838:59:59", "12:34:56.789012", "-12:34:56.789012", "-00:00:00.000001", "-00:00:01", "-00:00:00.5",
         "23:59:59.999999", "-23:59:59.999999", "100:00:00.000001", "-100:00:00.999999", "838:59:58.999999", "-838:59:58.999999",
         "00:00:00.1", "-01:00:00.25", "-00:00:00.999", "00:01:00"]
DATETIMES = ["0000-00-00 00:00:00", "1000-01-01 00:00:00", "9999-12-31 23:59:59", "2024-02-29 12:34:56.789012", "2024-00-00 00:00:00",
             "2024-05-00 10:00:00.5", "0001-01-01 00:00:00.000001", "1969-12-31 23:59:59.999999", "2023-02-30 01:02:03.040506",
             "2024-12-31 23:59:59.999999"]
TIMESTAMPS = ["0000-00-00 00:00:00", "1970-01-01 00:00:01", "1970-01-01 00:00:01.000001", "2038-01-19 03:14:06.999999", "2038-01-19 03:14:07",
              "2024-02-29 12:34:56.789012", "2024-03-31 02:30:00", "2024-10-27 02:30:00.5", "1999-12-31 23:59:59.123456",
              "2001-09-09 01:46:40"]
# MariaDB from 11.5 on has another bit for them.
TIMESTAMPS_BEYOND_2038 = ["2038-01-19 03:14:08", "2106-02-07 06:28:15.999999", "2106-02-07 06:28:15", "2070-06-15 12:34:56.789012"]


def temporal(server):
    timestamps = TIMESTAMPS + (TIMESTAMPS_BEYOND_2038 if server == "mariadb-11.8" else [])

    def greatest(count):
        # More digits than the column has would be rounded into the year 10000.
        return "9999-12-31 23:59:59" + ("." + "9" * count if count else "")

    datetimes = [(f"DATETIME({count})", TEXT, quoted(*DATETIMES, greatest(count))) for count in range(7)]
    return family("temporal", ("YEAR", INTEGER, ["0", "'0000'", 1901, 2155, 2024, 1999, "'00'", 70]), ("DATE", TEXT, quoted(*DATES)),
                  ("TIME", TEXT, quoted(*TIMES)), *fractions("TIME", TIMES), ("DATETIME", TEXT, quoted(*DATETIMES)), *datetimes,
                  ("TIMESTAMP", TEXT, quoted(*timestamps)), *fractions("TIMESTAMP", timestamps))


# --- Text ---

SAMPLES = {
    "utf8mb4": "aé漢字😀\u0000\u0001\t\n\r\"\\/'\u2028\u2029\u007f\ufeff\uffff𐍈", "utf8mb3": "aé漢字\u2028\ufffd", "ascii": "plain ~`|\"\\",
    "latin1": "Äöüß€ŠžŸ\u00a0ÿ\u0081\u008d\u008f\u0090\u009d", "latin2": "ŁódźőŰąĘ˘˝", "cp1251": "ПриветЁё№ў«»", "gbk": "汉字測試。·—…《》￥", "utf16": "a漢𝄞😀",
    "sjis": "日本語ｶﾅ表ソ能、～―", "ucs2": "aщ漢ﬀ", "utf16le": "a漢𝄞", "utf32": "a漢𝄞", "koi8r": "Привет─│", "greek": "Ελληνικά", "hebrew": "שלום",
    "latin5": "ĞğİıŞş", "latin7": "ĄčĘėĮšŲūž", "cp1250": "Łódź€ő", "cp1256": "سلام€", "cp1257": "Ąčęėįšųū", "cp850": "éÄñ░╔", "cp852": "Łó╔",
    "cp866": "Привет╔", "armscii8": "Հայ", "big5": "漢字測試許功蓋", "cp932": "日本語ｶﾅ①㈱～", "dec8": "éÄñ", "eucjpms": "日本語ｶﾅ①", "euckr": "한국어",
    "gb18030": "汉字€😀ㆠ", "gb2312": "汉字", "geostd8": "ქართ", "hp8": "éÄñ", "keybcs2": "Žluť", "koi8u": "Їжак", "macce": "Łódź", "macroman": "éÄñ∑",
    "swe7": "ÅÄÖ", "tis620": "ไทย", "ujis": "日本語ｶﾅ", "binary": "bytes",
}


def text_columns(charset, sample):
    """Every way to store a text of a character set: with length of one byte, of two, and outside of the row."""
    set_ = f"CHARACTER SET {charset}"
    long = f"REPEAT(_utf8mb4 x'{sample.encode().hex()}', {{}})"
    short = f"_utf8mb4 x'{sample.encode().hex()}'"
    values = [short, "''", "' lead'", "'a'", "'trail  '"]
    return [(f"CHAR(30) {set_}", TEXT, values), (f"CHAR(255) {set_}", TEXT, [*values, long.format(3)]), (f"VARCHAR(30) {set_}", TEXT, values),
            (f"VARCHAR(400) {set_}", TEXT, [*values, long.format(12)]), (f"TINYTEXT {set_}", TEXT, values, True),
            (f"TEXT {set_}", TEXT, [*values, long.format(200)], True), (f"LONGTEXT {set_}", TEXT, [*values, long.format(6000)], True),
            (f"ENUM('x', {quoted(sample.translate(NAMES))[0]}) {set_}", TEXT, ["1", "2", "NULL"]),
            (f"SET('x', {quoted(sample.translate(NAMES))[0]}) {set_}", TEXT, ["0", "1", "2", "3"])]


# Left out of the names of ENUM and SET: a comma would part them, and a table's definition has no zero byte. Characters beyond
# the first plane are in a table of their own: information_schema and SHOW CREATE TABLE have `?` for them.
NAMES = {ord(","): None, 0: None, **{ord(char): None for char in "😀𐍈𝄞"}}


def texts():
    names = ["utf8mb4", "latin1", "gbk", "utf16", "sjis", "latin2", "cp1251", "ucs2"]
    return [family(f"text_{name}", *text_columns(name, SAMPLES[name])) for name in names]


def sizes():
    text = [f"REPEAT('é', {count})" for count in (0, 1, 127, 128)]
    more = [f"REPEAT('é', {count})" for count in (255, 256, 32767)]
    return family("sizes", ("TINYTEXT", TEXT, ["''", "REPEAT('a', 255)"], True), ("TEXT", TEXT, text + more[:2], True),
                  ("MEDIUMTEXT", TEXT, text + more + ["REPEAT('x', 70000)"], True), ("LONGTEXT", TEXT, text + ["REPEAT('x', 200000)"], True),
                  ("VARCHAR(63)", TEXT, ["REPEAT('é', 63)", "''"]), ("VARCHAR(64)", TEXT, ["REPEAT('é', 64)", "''"]),
                  ("VARCHAR(1000)", TEXT, text + more[:2]), ("CHAR(63)", TEXT, ["REPEAT('é', 63)", "'a  '"]),
                  ("CHAR(64)", TEXT, ["REPEAT('😀', 64)", "'a  '"]), ("CHAR(255)", TEXT, ["REPEAT('😀', 255)", "REPEAT('a', 64)", "''"]),
                  ("VARCHAR(0)", TEXT, ["''"]), ("CHAR(0)", TEXT, ["''"]))


def charsets(names):
    """A column for each character set the server has."""
    columns = []
    for name in names:
        if name == "binary":
            continue
        value = SAMPLES.get(name, "plain")
        columns.append((f"VARCHAR(40) CHARACTER SET {name}", TEXT, [f"_utf8mb4 x'{value.encode().hex()}'", "'abc'", "''"]))
    return family("charsets", *columns)


def single_bytes(names):
    """Every byte of the character sets with one byte a character; those that mean nothing in Unicode read back as `?`."""
    return family("single_bytes", *[(f"VARCHAR(260) CHARACTER SET {name}", ODD_TEXT, [f"_{name} x'{bytes(range(1, 256)).hex()}'"]) for name in names], once=True)


def every_character(names):
    """All of Unicode's first plane that a character set has, 500 characters a row."""
    plane = "".join(map(chr, [*range(1, 0xd800), *range(0xe000, 0x10000)]))
    chunks = [plane[start:start + 500] for start in range(0, len(plane), 500)]
    values = [f"_utf8mb4 x'{chunk.encode().hex()}'" for chunk in chunks]
    return [family(f"every_{name}", (f"VARCHAR(500) CHARACTER SET {name}", ODD_TEXT, values), once=True) for name in names]


# --- Bytes ---

def binary():
    raw = [b"", b"\0", b"abc", b"abc\0", b"\xff" * 8, bytes(range(8)), b"  "]
    columns = [("BINARY(8)", BYTES, bytes_of(*raw)), ("BINARY(1)", BYTES, bytes_of(b"", b"\0", b"\xff")), ("BINARY", BYTES, bytes_of(b"", b"a")),
               ("BINARY(255)", BYTES, bytes_of(b"x" * 255, b"", b"\0\1\0")), ("BINARY(16)", BYTES, bytes_of(bytes(range(16)), b"\1")),
               ("VARBINARY(8)", BYTES, bytes_of(*raw)), ("VARBINARY(255)", BYTES, bytes_of(*raw, b"y" * 255)),
               ("VARBINARY(256)", BYTES, bytes_of(*raw, b"y" * 256)), ("VARBINARY(2000)", BYTES, bytes_of(bytes(range(256)) * 7))]
    for type_, size in (("TINYBLOB", 255), ("BLOB", 65535), ("MEDIUMBLOB", 70000), ("LONGBLOB", 150000)):
        columns.append((type_, BYTES, [*bytes_of(*raw), f"REPEAT(x'00ff', {size // 2})"], True))
    return family("binary_data", *columns)


# --- ENUM and SET ---

def enumerations():
    odd = quoted("it's", 'quo"te', "com,ma", "漢字", "", "ab c", "back\\slash")
    large = quoted(*(f"name{number:03}" for number in range(1, 301)))
    members = quoted(*(f"s{number}" for number in range(64)))
    return family("enumerations", (f"ENUM({', '.join(odd)})", TEXT, [*range(0, 8)]),
                  ("ENUM('a','b','c')", TEXT, ["'a'", "'c'", "0"]), (f"ENUM({', '.join(large)})", TEXT, [1, 255, 256, 257, 300, 0]),
                  (f"ENUM({', '.join(large[:255])})", TEXT, [1, 127, 128, 255]), (f"SET({', '.join(members)})", TEXT, [0, 1, 2**63, 2**64 - 1, 2**32, 5]),
                  ("SET('a','b c','d')", TEXT, range(8)), (f"SET({', '.join(members[:9])})", TEXT, [0, 511, 256]),
                  (f"SET({', '.join(members[:17])})", TEXT, [0, 131071, 65536]), (f"SET({', '.join(members[:33])})", TEXT, [0, 2**33 - 1, 2**32]))


def enumerations_beyond():
    return family("enumerations_beyond", *[(f"{type_}('x', 'a😀') CHARACTER SET {charset}", TEXT, [1, 2])
                                           for type_ in ("ENUM", "SET") for charset in ("utf8mb4", "utf16")], table_map=True)


# --- JSON, geometry, vectors ---

def json_documents():
    texts = ["null", "true", "false", "0", "-1", "32767", "32768", "-32768", "-32769", "65535", "2147483647", "2147483648", "-2147483648",
             "-2147483649", "9223372036854775807", "9223372036854775808", "18446744073709551615", "-9223372036854775808", "1.5", "-0.1", "1e300",
             "5e-324", "1.0", "100000000000000000000", "1e20", '""', '"a"', '"é漢😀"', '"quote\\" back\\\\ tab\\t nul\\u0000 ctl\\u001f del\\u007f"',
             "{}", "[]", '{"": 1}', '{"a": {"b": [1, 2, {"c": null}]}, "é": "ü", "key with space": true}', "[1, \"two\", 3.5, null, true, [], {}]",
             "[0, 32767, 32768, 65535, 65536, -32768, -32769]", '{"b": 1, "a": 2, "aa": 3, "B": 4}', "[" * 90 + "]" * 90, '"\\u2028 \\u2029"']
    values = quoted(*texts)
    for length in (127, 128, 16383, 16384, 70000):
        values.append(f"JSON_QUOTE(REPEAT('x', {length}))")
        values.append(f"JSON_ARRAY(REPEAT('é', {length}), 1)")
    values += ["JSON_OBJECT('d', CAST('2024-02-29' AS DATE), 't', CAST('-12:34:56.789' AS TIME(3)), 'dt', CAST('2024-02-29 01:02:03.000004' AS DATETIME(6)))",
               "JSON_OBJECT('t1', CAST('838:59:59' AS TIME), 't2', CAST('-838:59:59' AS TIME), 'z', CAST('00:00:00' AS TIME))",
               "JSON_ARRAY(TIMESTAMP '2024-02-29 10:00:00.5', CAST('1000-01-01 00:00:00' AS DATETIME), CAST('9999-12-31 23:59:59.999999' AS DATETIME(6)))",
               "JSON_ARRAY(CAST(1.50 AS DECIMAL(10,2)), CAST(-12345678901234567890.123456789 AS DECIMAL(65,30)), CAST(0 AS DECIMAL(5,2)))",
               "JSON_ARRAY(CAST('12345678901234567890123456789012345' AS DECIMAL(65,0)))", "JSON_ARRAY(x'00ff', b'101', CAST('abc' AS BINARY(5)))",
               "JSON_ARRAY(CAST(2024 AS YEAR), 1 = 1, 18446744073709551615, -1, 0.1e0)",
               "JSON_OBJECT('big', REPEAT('y', 40000), 'big2', REPEAT('z', 40000), 'n', 123456, 'small', 7, 'nul', NULL)",
               "CONCAT('{', REPEAT('\"k\": 1, ', 5), '\"k\": 2}')", "CAST(CONCAT('[', REPEAT('70000,', 20000), '1]') AS JSON)",
               "CONCAT('{\"', REPEAT('k', 300), '\": \"', REPEAT('v', 300), '\"}')"]
    return family("json_documents", ("JSON", JSON, values), ("JSON", JSON, quoted('{"a": 1}', "[1]", "null")))


SHAPES = {
    "POINT": ["POINT(1 2)", "POINT(-1.5 1e10)"], "LINESTRING": ["LINESTRING(0 0, 1 1, 2.5 -3)"],
    "POLYGON": ["POLYGON((0 0, 10 0, 10 10, 0 10, 0 0), (2 2, 3 2, 3 3, 2 2))"], "MULTIPOINT": ["MULTIPOINT(1 1, 2 2)"],
    "MULTILINESTRING": ["MULTILINESTRING((0 0, 1 1), (2 2, 3 3))"], "MULTIPOLYGON": ["MULTIPOLYGON(((0 0, 1 0, 1 1, 0 0)))"],
    "GEOMETRYCOLLECTION": ["GEOMETRYCOLLECTION(POINT(1 1), LINESTRING(0 0, 1 1))"],
}


def shapes(server):
    columns = []
    for type_, values in SHAPES.items():
        columns.append((type_, BYTES, [f"ST_GeomFromText('{value}', {srid})" for value in values for srid in (0, 4326)
                                       if server != "mysql" or srid == 0 or value.startswith("POINT(1 ")]))
    columns.append(("GEOMETRY", BYTES, [f"ST_GeomFromText('{values[0]}')" for values in SHAPES.values()]))
    if server == "mysql":
        columns.append(("POINT SRID 4326", BYTES, ["ST_GeomFromText('POINT(10 20)', 4326)"]))
    return family("shapes", *columns)


def vectors():
    long = ",".join(str(number / 7) for number in range(1, 1537))
    return family("vectors", ("VECTOR(3)", VECTOR, ["STRING_TO_VECTOR('[1,2,3]')", "STRING_TO_VECTOR('[0.1,-0.1,3.4028234e38]')",
                                                    "STRING_TO_VECTOR('[1]')", "STRING_TO_VECTOR('[0,1.2e-38,16777217]')"]),
                  ("VECTOR(1)", VECTOR, ["STRING_TO_VECTOR('[1.5]')"]), ("VECTOR(1536)", VECTOR, [f"STRING_TO_VECTOR('[{long}]')"]),
                  ("VECTOR", VECTOR, ["STRING_TO_VECTOR('[1,2]')"]))


def mariadb_vectors():
    """Of a fixed length, and logged as VARBINARY, which one column is."""
    make = lambda numbers: f"VEC_FromText('[{','.join(numbers)}]')"
    long = [str(number / 7) for number in range(1, 1537)]
    return family("vectors", ("VECTOR(3)", VECTOR, [make(["1", "2", "3"]), make(["0.1", "-0.1", "16777217"]), make(["0", "1e-30", "-1e9"])]),
                  ("VECTOR(1)", VECTOR, [make(["1.5"])]), ("VECTOR(63)", VECTOR, [make(long[:63])]), ("VECTOR(64)", VECTOR, [make(long[:64])]),
                  ("VECTOR(1536)", VECTOR, [make(long)]), ("VARBINARY(12)", BYTES, bytes_of(b"", b"twelve bytes", b"\0\0\x80?")))


# --- MariaDB's own ---

def addresses():
    four = quoted("0.0.0.0", "255.255.255.255", "192.0.2.1", "10.0.0.32", "32.32.32.32", "1.2.3.0", "9.0.0.0")
    six = quoted("::", "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::", "2001:db8:0:1::20", "::ffff:192.0.2.1", "::192.0.2.1",
                 "2001:db8:0:0:1:0:0:1", "1:0:0:2:0:0:0:3", "fe80::2020", "1:2:3:4:5:6:7:8", "0:1:2:3:4:5:6:7", "::2:3")
    uuid = quoted("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "123e4567-e89b-12d3-a456-426614174000",
                  "123e4567-e89b-12d3-a456-426614170020", "6ccd780c-baba-1026-9564-5b8c656024db", "20202020-2020-2020-2020-202020202020",
                  # Version 6 and later, which are stored in another order; version 0 and another variant.
                  "1ec9414c-232a-6b00-b3c8-9f6bdeced846", "019a8b2c-3d4e-7f50-8162-738495a6b7c8", "320c3d4d-cc00-875b-8ec9-32d5f69181c0",
                  "123e4567-e89b-f2d3-f456-426614174000", "123e4567-e89b-02d3-a456-426614174000", "123e4567-e89b-72d3-2456-426614174000")
    return family("addresses", ("INET4", TEXT, four), ("INET6", TEXT, six), ("UUID", TEXT, uuid))


def compressed():
    return family("compressed_columns", ("VARCHAR(200) COMPRESSED", TEXT, [*quoted("", "a", "é漢😀"), "REPEAT('é', 200)", "REPEAT('a', 150)"]),
                  ("VARCHAR(2000) COMPRESSED CHARACTER SET latin1", TEXT, [*quoted("", "ä"), "REPEAT('ä', 2000)"]),
                  ("TEXT COMPRESSED", TEXT, [*quoted("", "a"), "REPEAT('long text ', 3000)"], True),
                  ("LONGTEXT COMPRESSED CHARACTER SET utf16", TEXT, [*quoted("", "a漢"), "REPEAT('漢', 3000)"], True),
                  ("VARBINARY(1000) COMPRESSED", BYTES, [*bytes_of(b"", b"\0", bytes(range(256))), "REPEAT(x'00', 1000)"]),
                  ("BLOB COMPRESSED", BYTES, [*bytes_of(b"", b"\xff"), "REPEAT(x'00ff', 30000)"], True),
                  ("TINYTEXT COMPRESSED", TEXT, [*quoted("", "x"), "REPEAT('y', 200)"], True),
                  ("MEDIUMBLOB COMPRESSED", BYTES, [*bytes_of(b"", b"\0\0"), "REPEAT('z', 100000)"], True))


def json_text():
    return family("json_text", ("JSON", TEXT, [*quoted('{"a": 1}', '{ "b" :  [1,2]}', "null", "[]"), "JSON_OBJECT('k', REPEAT('x', 300))"], True))


def wide():
    """More columns than a byte can count, so that both lengths and bitmaps get long."""
    types = [("INT", INTEGER, [1, -1, 0]), ("VARCHAR(5)", TEXT, quoted("é", "", "abc")), ("TINYINT UNSIGNED", INTEGER, [255, "NULL", 0]),
             ("ENUM('a','b')", TEXT, [1, 2, "NULL"]), ("DECIMAL(5,2)", TEXT, ["1.25", "-0.01", "NULL"])]
    return family("wide", *[(type_, kind, [*values[number % 3:], *values[:number % 3]]) for number in range(320) for type_, kind, values in [types[number % 5]]])


def mixed(server, others):
    """Tables of all sorts of columns side by side: what the table map says of a column counts only columns of its own sort."""
    columns = [column for other in others if not other.once and not other.table_map for column in other.columns
               if max(map(len, column.values)) < 2000 and not re.search(r"\(\d{4,}\)", column.type)]
    chosen = random.Random(server)
    tables = []
    for number in range(12):
        some = chosen.sample(columns, chosen.randrange(4, 25))
        # Those that few columns are of, and that the servers count among the texts.
        few = [column for column in columns if re.match("VECTOR|POINT|GEOMETRY|JSON|UUID|INET", column.type)]
        for column in chosen.sample(few, 3):
            some.insert(chosen.randrange(len(some)), column)
        # Few rows are enough, but of each column a value that is not empty.
        tables.append(Family(f"mixed_{number}", [dataclasses.replace(column, name=f"c{at}", values=column.values[-4:]) for at, column in enumerate(some)]))
    return tables


def families(server):
    """What a server of that release can have; character sets by what it knows."""
    common = [integers(), decimals(), floating(), bits(), temporal(server), *texts(), sizes(), binary(), enumerations(), enumerations_beyond(), shapes(server), wide()]
    single = ["latin1", "latin2", "cp1251", "cp1250", "cp1256", "cp1257", "koi8r", "koi8u", "greek", "hebrew", "latin5", "latin7", "cp850", "cp852",
              "cp866", "armscii8", "dec8", "geostd8", "hp8", "keybcs2", "macce", "macroman", "tis620"]
    multi = ["gbk", "sjis", "cp932", "big5", "euckr", "ujis", "eucjpms", "gb2312", "utf8mb3", "utf16", "ucs2"]
    names = [name for name in SAMPLES if name != "gb18030" or server == "mysql"]
    common += [charsets(names), single_bytes(single), *every_character(multi + ["gb18030"] * (server == "mysql"))]
    if server == "mysql":
        common += [json_documents(), vectors()]
    else:
        common += [addresses(), compressed(), json_text()] + [mariadb_vectors()] * (server == "mariadb-11.8")
    return common + mixed(server, common)
