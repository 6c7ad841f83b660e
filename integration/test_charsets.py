"""Text in every character set that a connection can speak, as the servers themselves read it."""

import random
import struct

import pytest

from harness import breadth
from harness.wire import BASIC, Raw, ServerError

# No client may speak them.
RESULTS_ONLY = ("ucs2", "utf16", "utf16le", "utf32")
QUERY, PREPARE, EXECUTE, INIT_DB, CHANGE_USER, RESET = 3, 0x16, 0x17, 2, 0x11, 0x1F
RANGES = [(0x20, 0x7E), (0xA0, 0x17F), (0x370, 0x3FF), (0x400, 0x4FF), (0x531, 0x586), (0x5D0, 0x5EA), (0x620, 0x64A), (0xE01, 0xE3A),
          (0x10D0, 0x10F0), (0x2010, 0x203A), (0x2190, 0x2199), (0x3041, 0x30FE), (0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0xFF61, 0xFF9F)]


def pool(seed):
    """Characters of many scripts, without what SQL gives a meaning, and without `?`, which servers put for what they cannot say."""
    chosen = random.Random(f"charsets {seed}")
    chars = [chr(chosen.randint(*chosen.choice(RANGES))) for _ in range(4000)]
    chars += [chr(code) for first, last in RANGES[1:9] for code in range(first, last + 1)]
    return "".join(sorted({char for char in chars if char not in "'\"`\\?%_#-/*;"}))


def speaks(cursor, text, charset):
    """The bytes that the server has for those of the characters that the character set has, and what it takes these bytes for."""
    def convert(chars):
        cursor.execute(f"SELECT HEX(CONVERT(_utf8mb4 X'{chars.encode().hex()}' USING {charset}))")
        return bytes.fromhex(cursor.fetchone()[0])

    single = [char for char in text if convert(char) != b"?"] if charset not in ("utf8mb4", "gb18030", "utf8mb3") else text
    encoded = convert("".join(single))
    cursor.execute(f"SELECT HEX(CONVERT(_{charset} X'{encoded.hex()}' USING utf8mb4))")
    return encoded, bytes.fromhex(cursor.fetchone()[0]).decode()


def charsets_of(cursor):
    cursor.execute("SHOW CHARACTER SET")
    return [row[0] for row in cursor.fetchall() if row[0] not in RESULTS_ONLY]


def few(text, seed, count):
    chosen = random.Random(seed)
    return "".join(chosen.sample(text, min(count, len(text))))


class Session(Raw):
    """A session whose statements are known by their connection's number."""

    def __init__(self, proxy):
        super().__init__(proxy.host, proxy.port)
        self.login("app", "app-secret", capabilities=BASIC)

    def prepared(self, sql, value):
        self.command(PREPARE, sql)
        reply = self.packet()
        statement, columns, params = struct.unpack_from("<IHH", reply, 1)
        for _ in range((columns + 1 if columns else 0) + (params + 1 if params else 0)):
            self.packet()
        length = bytes([len(value)]) if len(value) < 251 else b"\xfc" + struct.pack("<H", len(value))
        self.command(EXECUTE, struct.pack("<IBIBBH", statement, 0, 1, 0, 1, 0xFD) + length + value)
        return self.results()


@pytest.fixture
def known(server):
    """The account's password is cached: a raw session may log in."""
    server.connect().close()
    return server


@pytest.mark.newer_mariadb
@pytest.mark.parametrize("seed", breadth.seeds(1))
def test_every_character_set(known, proxies, seed):
    server = known
    proxy = proxies(server, "--buffer-until-commit=false", "--max-param-length=100000")
    text, wanted = pool(seed), {}
    with server.root() as cursor:
        charsets = [charset for charset in charsets_of(cursor) if charset != "binary"]
        for charset in charsets:
            encoded, meant = speaks(cursor, few(text, f"{charset} {seed}", 150), charset)
            name, named = speaks(cursor, few(meant.replace(" ", ""), f"name {seed}", 12), charset)
            with Session(proxy) as session:
                session.query(f"SET NAMES {charset}")
                session.query(b"SELECT '" + encoded + b"'")
                session.prepared(b"SELECT /* " + encoded + b" */ ?", encoded)
                with pytest.raises(ServerError):
                    session.query(b"SELECT * FROM `" + name + b"`")
                wanted[session.connection_id] = (charset, meant, named)
        # How the server shows a name in an error is its own affair: it is asked in UTF-8.
        errors = {}
        for charset, _, named in wanted.values():
            with pytest.raises(Exception) as error:
                cursor.execute(f"SELECT * FROM test.`{named}`")
            errors[charset] = error.value.args[1]
    proxy.stop()
    assert len(charsets) > 30
    for connection, (charset, meant, named) in wanted.items():
        mine = proxy.messages.all(lambda message: message["connectionId"] == connection)
        # In swe7 the byte of a backtick is a letter.
        quote = "é" if charset == "swe7" else "`"
        assert [message["sql"] for message in mine] == [
            f"SET NAMES {charset}", f"SELECT '{meant}'", f"SELECT /* {meant} */ ?", f"SELECT * FROM {quote}{named}{quote}"], charset
        assert mine[2]["queryParams"] == [meant], charset
        assert mine[3]["errorMessage"].endswith(errors[charset]), charset


@pytest.mark.newer_mariadb
def test_results_in_character_sets_that_no_client_speaks(known, proxies):
    """Both servers cut such a text at its first zero byte; what is left is shown."""
    server, proxy = known, proxies(known, "--buffer-until-commit=false")
    with server.root() as cursor:
        cursor.execute("SET lc_messages = 'ja_JP'")
        with pytest.raises(Exception) as error:
            cursor.execute("SELECT * FROM test.nope")
    first = error.value.args[1][0]
    left = {"ucs2": first, "utf16": first, "utf16le": first + "\\x20", "utf32": "", "binary": error.value.args[1], "NULL": error.value.args[1]}
    with Session(proxy) as session:
        session.query("SET lc_messages = 'ja_JP'")
        session.query("CREATE TABLE IF NOT EXISTS charset_rows (a INT)")
        for charset in left:
            session.query(f"SET character_set_results = {charset}")
            with pytest.raises(ServerError):
                session.query("SELECT * FROM nope")
            session.query("UPDATE charset_rows SET a = 1")
    proxy.stop()
    shown = [message["errorMessage"] for message in proxy.messages.sql("SELECT * FROM nope")]
    assert shown == [f"ERROR 1146 (42S02): {text}" for text in left.values()]
    infos = {message["serverInfo"] for message in proxy.messages.sql("UPDATE charset_rows SET a = 1")}
    assert len(infos) == 1 and "\\x" not in infos.pop()


def test_names_and_what_is_no_text(known, proxies):
    server, proxy = known, proxies(known, "--buffer-until-commit=false")
    with Session(proxy) as session:
        session.query("SET NAMES latin1")
        session.query(b"CREATE DATABASE IF NOT EXISTS `d\xe9`")
        session.query(b"USE `d\xe9`")
        session.command(INIT_DB, b"d\xe9")
        session.results()
        session.query("SELECT 1")
        session.query(b"DROP DATABASE `d\xe9`")
        session.query("SET NAMES utf8mb4")
        session.query(b"SELECT _binary'\xff\\'\\\\xE9', _latin1'\xe9'")
        session.prepared(b"SELECT ?", b"\xff\xfe")
        session.query("SET NAMES binary")
        session.query(b"SELECT 'caf\xc3\xa9', '\xe9'")
        session.query("SET NAMES latin1; SET NAMES gbk; SELECT '中'".encode("gbk"))
        session.command(RESET)
        session.results()
        session.query(b"SELECT 'reset \xc3\xa9'")
        session.command(CHANGE_USER, b"app\0\0\0" + struct.pack("<H", 8))
        with pytest.raises((ServerError, EOFError)):
            session.results()
    proxy.stop()
    messages = proxy.messages.all()
    assert [message["stmtDbName"] for message in messages if message["sql"] in ("USE `dé`", "SELECT 1")] == ["dé", "dé"]
    texts = [message["sql"] for message in messages]
    assert "SELECT _binary'\\xFF\\'\\\\x5CxE9', _latin1'\\xE9'" in texts
    assert [message["queryParams"] for message in messages if message["sql"] == "SELECT ?"] == [["<bytes:2>"]]
    assert "SELECT 'café', '\\xE9'" in texts and " SELECT '中'".strip() in [text.strip() for text in texts]
    assert "SELECT 'reset é'" in texts
