"""`--inline-debug`: the server gets a comment in front of each text, and what it runs and answers stays the same."""

import random
import re

import pymysql
import pytest

from harness import wire
from harness.breadth import seeds
from harness.wire import Raw

ON = "--inline-debug=true"
COMMENT = re.compile(r"/\* Id \[(\d+)\] User \[([^\]]*)\] Client \[([^\]]*)\] Count \[(\d+)\] Debug \[([^\]]*)\] \*/\n")


def logged(server, user, run):
    """The texts that the server was told of by that user while `run` ran: comment or None, and text."""
    server.general_log_on()
    run()
    found = []
    for entry in server.general_log_off(user):
        if entry.command in ("Query", "Prepare", "Execute"):
            comment = COMMENT.match(entry.argument)
            found.append((entry.command, comment, entry.argument[comment.end():] if comment else entry.argument))
    return found


@pytest.mark.newer_mariadb
@pytest.mark.smoke
def test_the_server_is_told_whose_it_is(server, proxies):
    proxy = proxies(server, ON, "--debug-value", "shop */ DROP TABLE t; -- [é")

    def run():
        with proxy.connect() as db, db.cursor() as cursor:
            cursor.execute("DO 'first'")
            cursor.execute("SELECT 'second'")
            assert cursor.fetchall() == (("second",),)
        with Raw(proxy.host, proxy.port) as raw:
            raw.login("app", "app-secret")
            raw.command(0x16, b"SELECT ?")
            raw.packet()

    texts = logged(server, "app", run)
    proxy.stop()
    messages = {m["sql"]: m for m in proxy.messages.all()}
    for text in ("DO 'first'", "SELECT 'second'"):
        command, comment, _ = next(entry for entry in texts if entry[2] == text)
        message = messages[text]
        assert comment.groups() == (str(message["connectionId"]), "app", message["client"], str(message["executionCount"]),
                                    "shop *\\x2F DROP TABLE t; -- \\x5B\\xC3\\xA9")
        assert message["debug"] == "shop */ DROP TABLE t; -- [é"
    assert [bool(comment) for command, comment, text in texts if text == "SELECT ?" and command == "Prepare"] == [True]
    assert not [sql for sql in messages if "Id [" in sql]
    assert proxy.counter("uncommented_statements") == 0


@pytest.mark.newer_mariadb
def test_without_messages_there_are_comments_too(server, proxies):
    proxy = proxies(server, ON, "--statement-logging=false")

    def run():
        with proxy.connect() as db, db.cursor() as cursor:
            cursor.execute("DO 'quiet'")

    assert [comment.group(2) for _, comment, text in logged(server, "app", run) if text == "DO 'quiet'"] == ["app"]
    proxy.stop()
    assert proxy.messages.all() == []


CHARACTERS = {"utf8mb4": "aé好😀", "gbk": "a好饊誠", "cp932": "aソ表能", "sjis": "aソ表能", "latin1": "aéß", "big5": "a功許蓋", "binary": "aé"}


@pytest.mark.newer_mariadb
@pytest.mark.parametrize("charset", CHARACTERS)
def test_texts_of_any_character_set(server, proxies, charset):
    """Random texts: the log has each as it was sent, and the answers are what they are without the proxy."""
    proxy = proxies(server, ON, "--debug-value", "好 表\\")
    codec = {"utf8mb4": "utf-8", "binary": "utf-8", "sjis": "cp932"}.get(charset, charset)
    words = ["'{}'", "\"{}\"", "/* {} */ 1", "/*! 2 */", "/*!99999 3 */ 4", "/* ' */ 'x'", "-- {}\n 5", "'*/' ", "# */ {}\n 6", "'\\'{}'", "@@version_comment"]
    for seed in seeds(3):
        chance = random.Random(f"{charset} {seed}")
        texts = []
        for _ in range(20):
            items = [chance.choice(words).format("".join(chance.choices(CHARACTERS[charset], k=3))) for _ in range(chance.randrange(1, 4))]
            front = chance.choice(("SELECT ", "SELECT /*+ MAX_EXECUTION_TIME(1000) */ ", "  \n SELECT ", "/* {} */ SELECT ", "SELEC "))
            texts.append((front + ", ".join(items)).encode(codec))
        answers = []
        for address in (server, proxy):
            with Raw(address.host, address.port) as raw:
                raw.login("app", "app-secret")
                raw.query(f"SET NAMES {charset}")
                got = []
                for text in texts:
                    try:
                        got.append(raw.query(text))
                    except wire.ServerError as error:
                        got.append((error.code, re.sub(r"line \d+", "", error.text)))
                answers.append(got)
        assert answers[0] == answers[1], seed
    proxy.stop()
    assert proxy.counter("uncommented_statements") == 0 and proxy.counter("observer_lost_sessions") == 0


@pytest.mark.newer_mariadb
def test_a_file_is_loaded_as_it_is(server, proxies, tmp_path):
    """Though each of its packets looks like a statement, and there are so many that their numbers begin again."""
    lines = [f"\x03SELECT {number}" for number in range(60_000)]
    (tmp_path / "lines").write_text("\n".join(lines) + "\n")
    server.sql("DROP TABLE IF EXISTS test.inline_lines", "CREATE TABLE test.inline_lines (line VARCHAR(100))")
    proxy = proxies(server, ON)
    with proxy.connect(local_infile=True) as db, db.cursor() as cursor:
        cursor.execute(f"LOAD DATA LOCAL INFILE '{tmp_path}/lines' INTO TABLE inline_lines")
        # Small packets, of a client of our own.
        with Raw(proxy.host, proxy.port) as raw:
            raw.login("app", "app-secret", capabilities=wire.BASIC | wire.LOCAL_FILES)
            raw.command(3, b"LOAD DATA LOCAL INFILE 'x' INTO TABLE inline_lines")
            assert raw.packet()[0] == 0xFB
            data = b""
            for line in range(700):
                data += Raw.frame(b"\x03row\n", (2 + line) % 256)[0]
            raw.sock.sendall(data + Raw.frame(b"", (2 + 700) % 256)[0])
            raw.sequence = (3 + 700) % 256
            assert raw.packet()[0] == 0
            raw.query("DO 'after'")
        cursor.execute("SELECT COUNT(*), SUM(line LIKE '%/*%') FROM inline_lines")
        assert cursor.fetchall() == ((60_700, 0),)
    proxy.stop()


def test_a_text_that_fills_its_packet_goes_without(server, proxies):
    proxy = proxies(server, ON)
    with Raw(proxy.host, proxy.port) as raw:
        raw.login("app", "app-secret")
        for length in (0xFFFFFF - 1, 0xFFFFFF, 0xFFFFFF + 10, 1000):
            text = b"DO '" + b"x" * (length - 6) + b"'"
            raw.query(text)
    proxy.wait_log("a statement went without its comment")
    proxy.stop()
    assert proxy.counter("uncommented_statements") == 3 and proxy.log.count("went without its comment") == 1


def test_hints_stay_in_force(mysql, proxies):
    proxy = proxies(mysql, ON)
    with proxy.connect() as db, db.cursor() as cursor:
        cursor.execute("SELECT /*+ SET_VAR(sort_buffer_size = 123456) */ @@sort_buffer_size")
        assert cursor.fetchall() == ((123456,),)
        with pytest.raises(pymysql.err.ProgrammingError, match="at line 2"):
            cursor.execute("SELEC 1")
        cursor.execute("CREATE OR REPLACE VIEW inline_view AS SELECT 1 AS a")
        cursor.execute("SHOW CREATE VIEW inline_view")
        assert "Id [" not in str(cursor.fetchall())
    proxy.stop()


EMPTY = ["", " ", ";", "-- nothing", "-- nothing\n", "# x", "/* x */", "/*! */", "/*!99999 x */", "\n\n", "/* unfinished", "\0", "DO 1;", "DO 1; ", "DO 1;-- x", "--", ";DO 1"]


@pytest.mark.newer_mariadb
def test_texts_that_are_hardly_any(server, proxies):
    """What the server says to them is what it says without a comment in front."""
    proxy = proxies(server, ON)
    server.connect().close()
    for capabilities in (wire.BASIC, wire.BASIC & ~wire.MULTI_STATEMENTS):
        answers = []
        for address in (server, proxy):
            with Raw(address.host, address.port) as raw:
                raw.login("app", "app-secret", capabilities=capabilities)
                got = []
                for text in EMPTY:
                    try:
                        got.append((text, raw.query(text)))
                    except wire.ServerError as error:
                        got.append((text, error.code))
                answers.append(got)
        assert answers[0] == answers[1], [pair[0][0] for pair in zip(*answers) if pair[0] != pair[1]]
    proxy.stop()


def test_it_is_not_promised_for_what_is_passed_through():
    from harness.proxy import once
    refused = once("proxy", "--upstream", "127.0.0.1:3306", "--listen", "127.0.0.1:0", "--tls", "passthrough", ON)
    assert refused.returncode != 0 and "--inline-debug" in refused.stderr
