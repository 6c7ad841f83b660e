"""Texts of several statements: what the server ran of them, the messages have, in order, and nothing else.

A seed makes a session: texts of random statements in random modes, character sets and comments, sent as bytes. Every statement leaves a mark
of its own, a row that it returns or inserts. MySQL's general log has each statement of a text by itself and is the judge there too; MariaDB's
has whole texts. INTERCEPTOR_SEEDS=N tries N of them."""

import codecs
import random
import re
import struct

import pytest

from harness.breadth import seeds
from harness.proxy import AS_SENT
from harness.wire import BASIC, MULTI_STATEMENTS, Raw, ServerError, lenenc

pytestmark = pytest.mark.newer_mariadb

TEXTS = 20
MODES = ["", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES", "IGNORE_SPACE", "ANSI"]
# Characters of several bytes whose last one looks like a backslash or a backtick, and bytes that are characters of their own.
CHARACTERS = {
    "utf8mb4": ["é".encode(), "漢".encode(), "🙂".encode()],
    "latin1": [b"\xe9", b"\xd5", b"\x81"],
    "gbk": [b"\xd5\x5c", b"\x81\x5c", b"\xc4\xe3", b"\x81\x60"],
    "gb18030": [b"\xd5\x5c", b"\x81\x30\x81\x30", b"\xc4\xe3", b"\x81\x60"],
    "big5": [b"\xa5\x5c", b"\xb3\x5c", b"\xa4\xa4"],
    "sjis": [b"\x83\x5c", b"\x95\x5c", b"\xb1", b"\xdf"],
    "cp932": [b"\x83\x5c", b"\x95\x5c", b"\xb1", b"\xdf", b"\xfa\x5c"],
}


# As Python calls them; latin1's unused bytes are control characters to the servers, as they are to Python's.
CODECS = {"utf8mb4": "utf-8", "latin1": "latin-1", "gbk": "gbk", "gb18030": "gb18030", "big5": "big5", "sjis": "shift_jis", "cp932": "cp932"}


def shown(data, charset):
    """Bytes as messages show them."""
    return data.decode(CODECS[charset], "slash")


def _slash(error):
    return "".join(f"\\x{byte:02X}" for byte in error.object[error.start:error.end]), error.end


codecs.register_error("slash", _slash)


class Statement:
    """Its text, the marks in the result sets and rows that it makes, and whether it fails, or brings results that cannot be counted."""

    def __init__(self, sql, rows=(), inserts=(), fails=False, unsure=False):
        self.sql = sql if isinstance(sql, bytes) else sql.encode()
        self.rows, self.inserts, self.fails, self.unsure = list(rows), list(inserts), fails, unsure
        # That in which it is sent.
        self.charset = None


class Generator:
    """Random statements, and what each is to do. Follows the session's settings as the server does."""

    def __init__(self, seed, flavor):
        self.random, self.flavor, self.mark = random.Random(seed), flavor, 0
        self.modes, self.charset, self.oracle = "", "utf8mb4", False
        self.in_program = False

    def pick(self, *choices):
        return self.random.choice(choices)

    def chance(self, share):
        return self.random.random() < share

    def next_mark(self):
        self.mark += 1
        return self.mark

    # Pieces of texts

    def words(self):
        pieces = [b";", b"a", b" ", b"--", b"-- ", b"/*", b"*/", b"#", b"begin", b"end;", b"`", b"@x", b"case", b"$$", b"(", b"/*!99999 ", b"\n"]
        return [self.random.choice(pieces + CHARACTERS[self.charset]) for _ in range(self.random.randrange(5))]

    def text(self):
        """A string."""
        escapes = "NO_BACKSLASH" not in self.modes
        quote = b"'" if "ANSI" in self.modes or self.oracle or self.chance(0.6) else b'"'
        pieces = self.words()
        for _ in range(self.random.randrange(3)):
            extra = [quote * 2, b'"' if quote == b"'" else b"'", b"\\\\", b"\\" if not escapes else b"\\" + quote]
            pieces.insert(self.random.randrange(len(pieces) + 1), self.random.choice(extra))
        if not escapes and self.chance(0.3):
            pieces.append(b"\\")
        return quote + b"".join(pieces) + quote

    def name(self):
        """An alias in quotes."""
        quotes = [b"`"] + ([b'"'] * 2 if "ANSI" in self.modes or self.oracle else [])
        quote = self.random.choice(quotes)
        other = b'"' if quote == b"`" else b"`"
        body = [piece for piece in self.words() if b"`" not in piece or len(piece) > 1] + [b"n"]
        body += [self.pick(b"\\", b"'", b";", quote * 2, other, b"end")]
        # What characters a name may hold depends on the conversion.
        body = [piece for piece in body if max(piece) < 0x80]
        return quote + b"".join(body).strip() + b"z" + quote if not self.chance(0.3) else quote + b"q\\" + quote

    def comment(self):
        inside = self.pick(b" x ", b" ; ", b" ' ", b" begin ", b"; select 99 ", b' " ')
        version = self.pick(b"!99999", b"!999999", b"!099999", b"M!999999")
        if version == b"M!999999" or self.chance(0.4):
            return b"/*" + (b" " if self.flavor == "mysql" else self.pick(b" ", version + b" ")) + inside.replace(b"'", b"") + b"*/"
        if self.chance(0.5):
            return self.pick(b"-- ", b"#", b"--\t") + inside + b"\n"
        # The rest of a comment for another version may have plain ones inside.
        return b"/*" + self.pick(b"!99999", b"!999999 ") + inside + self.pick(b"", b"/* ; */ ") + b"*/"

    def space(self):
        # In latin1 the servers take the space that does not break for one, though MySQL keeps no program with it.
        unbroken = b"\xa0" if self.charset == "latin1" and not self.in_program else b" "
        return self.pick(b" ", b" ", unbroken, b"\n", b"\t", b" " + self.comment() + b" ")

    def extra(self):
        """One more item of a select list, or none, by the server's version."""
        return self.pick(b"", b"", b"/*!40000 , 5 */", b"/*!99999 , ; */", b"/*!50701 , 6 */", b"/*M!100100 , 7 */", b"/*! , 8 */", b"/*!080000 , 9 */",
                         b"/*!100100 , 10 /* ; */ */", b"/*M! , 11 */")

    def columns(self):
        sql = self.extra()
        for _ in range(self.random.randrange(3)):
            item = self.pick(self.text, lambda: b"case 1 when 1 then 2 end as `end`", lambda: b"if(1, 2, 3)", lambda: b"1 as " + self.name(), lambda: b"1.5e1",
                             lambda: b"@end", lambda: b"@@session.autocommit", lambda: b"0x1F")()
            sql += self.space() + b"," + self.space() + item
        return sql

    # Statements

    def select(self):
        mark = self.next_mark()
        return Statement(b"select" + self.space() + b"%d" % mark + self.columns(), [mark])

    def insert(self):
        mark = self.next_mark()
        return Statement(b"insert into log_t" + self.space() + b"(id, note) values (%d, " % mark + self.text() + b")", inserts=[mark])

    def inner(self, depth=2):
        """Statements within a stored program: text, rows, inserts."""
        parts, rows, inserts = [], [], []
        outer, self.in_program = self.in_program, True
        for _ in range(self.random.randrange(1, 4)):
            choice = self.random.randrange(7) if depth else self.random.randrange(2)
            if choice == 0:
                statement = self.select()
                parts.append(statement.sql)
                rows += statement.rows
            elif choice == 1:
                statement = self.insert()
                parts.append(statement.sql)
                inserts += statement.inserts
            else:
                text, more, marks = self.block(choice, depth)
                parts.append(text)
                rows += more
                inserts += marks
        text = b"".join(part + self.space() + b";" + self.space() for part in parts)
        self.in_program = outer
        return text, rows, inserts

    def block(self, choice, depth):
        body, rows, inserts = self.inner(depth - 1)
        cond = self.pick(b"1", b"(1)", b"case 1 when 1 then 1 end", b"if(1, 1, 0)", b"'a;' = 'a;'")
        if choice == 2:
            text = b"if " + cond + b" then " + body + self.pick(b"", b"elseif 2 then do 1; ", b"else do 1; ") + b"end if"
            if self.oracle:
                text = text.replace(b"elseif 2", b"elsif 2")
        elif choice == 3:
            text = b"case " + cond + b" when 1 then " + body + b"else do 1; end case"
        elif choice == 4 and not self.oracle:
            label = self.pick(b"l%d: ", b"`begin %d`: ", b"")
            text = (label and label % self.next_mark()) + b"begin declare end int; declare exit handler for not found, 1062 begin do 1; end; " + body + b"end"
        elif choice == 4:
            label = self.pick(b"<<l%d>> ", b"")
            text = (label and label % self.next_mark()) + b"begin " + body + b"end"
        elif choice == 5:
            text = b"repeat " + body + b"until case 1 when 1 then 1 end end repeat"
        elif self.oracle:
            text = b"loop " + body + b"exit; end loop"
        elif self.flavor == "mariadb" and self.chance(0.5):
            text = b"for i in 1..1 do " + body + b"end for"
        else:
            label = b"l%d" % self.next_mark()
            text = label + b": loop " + body + b"leave " + label + b"; end loop " + label
        return text, rows, inserts

    def compound(self):
        """A compound statement by itself, as MariaDB has it."""
        choice = self.pick(2, 3, 5, 6, 7)
        if choice == 7:
            body, rows, inserts = self.inner()
            if not self.oracle:
                text = b"begin not atomic " + body + b"end"
            else:
                text = self.pick(b"begin ", b"declare x int; y int := 1; begin ") + body + b"end"
        else:
            text, rows, inserts = self.block(choice, 2)
            if text.startswith(b"l"):
                text = b"begin not atomic " + text + b"; end"
        if self.chance(0.3):
            text = b"set statement max_statement_time=100 for " + text
        return [Statement(text, rows, inserts)]

    def procedure(self):
        """A procedure, made, called and dropped; sometimes by EXECUTE."""
        name = self.pick(b"begin", b"p%d" % self.next_mark(), b"`procedure`", b"test.end")
        if name == b"begin" and self.oracle:
            name = b"pb"
        body, rows, inserts = self.inner()
        characteristics = self.pick(b"", b"comment 'begin' ", b"language sql not deterministic ", b"sql security invoker ")
        if self.oracle:
            head = self.pick(b" as ", b" is y int; ")
            made = b"create procedure " + name + head + b"begin " + body + b"end"
        else:
            made = b"create procedure " + name + self.space() + b"() " + characteristics + self.pick(b"", b"l0: ") + b"begin " + body + b"end"
        found = [Statement(b"drop procedure if exists " + name), Statement(made)]
        called = b"call " + name + b"()"
        if self.chance(0.5):
            handle = self.pick(b"s", b"S2", b"`s3`")
            prepared = b"prepare " + handle + b" from '" + called + b"'"
            if self.chance(0.3):
                # Where the text is not known, how many results there are is not either.
                found += [Statement(b"set @text = '" + called + b"'"), Statement(b"prepare " + handle + b" from @text")]
                found.append(Statement(b"execute " + handle, rows, inserts, unsure=True))
            else:
                found += [Statement(prepared), Statement(b"execute " + handle, rows, inserts)]
        else:
            found.append(Statement(called, rows, inserts))
        return found

    def program(self):
        """Programs that are made and dropped."""
        plain = b"begin do 1; if 1 then do 2; end if; do case 1 when 1 then 2 end; end"
        if self.oracle:
            function = [Statement("drop function if exists f"), Statement(b"create function f(a int) return int deterministic as x int; begin return 1; end")]
            package = [Statement("drop package if exists pk"),
                       Statement("create package pk as function f1 return int; procedure q1(a int); end"),
                       Statement("create package body pk as v int := 1; function f1 return int as begin return 1; end; "
                                 "procedure q1(a int) is x int; begin x := 1; end q1; begin v := 2; end")]
            return self.random.choice([function, package])
        event = [Statement("drop event if exists e"),
                 Statement(b"create event e on schedule every if(1, 2, 3) day disable comment 'do begin' do " + self.pick(plain, b"do 1")),
                 Statement(b"alter event e do " + plain), Statement("alter event e rename to `do`"), Statement("drop event `do`")]
        trigger = [Statement("drop trigger if exists tr"),
                   Statement(b"create trigger tr before update on log_t for each row " + self.pick(plain, b"set @a = case 1 when 1 then 2 end"))]
        function = [Statement("drop function if exists f"),
                    Statement(b"create function f(begin int) returns varchar(10) charset utf8mb4 no sql " +
                              self.pick(b"return 'a;'", b"begin if begin then return 'x'; end if; return if(1, 'a', 'b'); end")),
                    Statement("drop function f")]
        return self.random.choice([event, trigger, function])

    def names(self):
        """Names that look like keywords."""
        created = Statement("create table if not exists event (id int, begin datetime, `end` int)")
        return [created, self.random.choice([Statement(f"insert into event (begin) values (null)"), Statement("update event set id = 1 where begin is null"),
                                             Statement("alter table event comment = 'begin;'"), Statement("delete from event")])]

    def settings(self):
        """SET changes how the next statement is read."""
        choice = self.random.randrange(4)
        if choice == 0:
            self.modes, self.oracle = self.random.choice(MODES), False
            return [Statement(f"set sql_mode = '{self.modes}'")]
        if choice == 1:
            self.charset = self.random.choice([name for name in CHARACTERS if self.flavor == "mysql" or name != "gb18030"])
            return [Statement(f"set names {self.charset}")]
        if choice == 2 and self.flavor == "mariadb":
            self.modes, self.oracle = "", True
            return [Statement("set sql_mode = 'ORACLE'")]
        return [Statement(self.pick("set @a = 1, @b = 'x;y'", "set session transaction read write, isolation level read committed"))]

    def other(self):
        statements = [Statement("do 1"), Statement("set @x = 1"), Statement("select 0 from log_t where 0", [0])]
        if not self.oracle:
            statements += [Statement("begin"), Statement("begin work"), Statement("start transaction")]
        return [self.random.choice(statements), Statement("commit")]

    def failing(self):
        mark = self.next_mark()
        return [Statement(self.pick("select nope_%d", "selec %d", "insert into nope values (%d)", "select '%d") % mark, fails=True)]

    def one(self):
        weights = [(self.select, 6), (self.insert, 5), (self.procedure, 3), (self.program, 2), (self.names, 1), (self.settings, 3), (self.other, 1)]
        if self.flavor == "mariadb":
            weights.append((self.compound, 4))
        made = self.random.choices([make for make, _ in weights], [weight for _, weight in weights])[0]()
        return made if isinstance(made, list) else [made]

    def statements(self):
        found = []
        for _ in range(self.random.randrange(1, 5)):
            charset = self.charset
            found += self.one()
            for statement in found:
                statement.charset = statement.charset or charset
        if self.chance(0.15):
            found += self.failing()
            found[-1].charset = self.charset
        return found

    def whole(self, statements):
        """The text, and each statement as it stands in it."""
        text, parts = b"", []
        for at, statement in enumerate(statements):
            front = self.comment() + b" " if self.chance(0.1) else b""
            tail = b" " + self.comment().rstrip() + b"\n" if self.chance(0.1) and not statement.fails else b""
            part = front + statement.sql + tail
            text += self.pick(b"", b" ", b"\n") + part + (b"" if statement.fails else self.pick(b";", b" ;", b";\n"))
            parts.append(part.strip())
        if self.chance(0.2) and not statements[-1].fails:
            text += self.pick(b" ; ", b";;", b"\n")
        elif self.chance(0.1) and not statements[-1].fails:
            text += b"-- end"
            parts.append(b"-- end")
            statements.append(Statement("-- end"))
            statements[-1].charset = self.charset
        return text, parts


def results(raw):
    """Marks of the result sets and how many OKs, up to an error, which ends them."""
    rows, oks = [], 0
    while True:
        first = raw.packet()
        if first[0] == 0xFF:
            return rows, oks, ServerError(first)
        if first[0] == 0:
            _, at = lenenc(first, 1)
            _, at = lenenc(first, at)
            status = struct.unpack_from("<H", first, at)[0]
            oks += 1
        else:
            for _ in range(lenenc(first)[0] + 1):
                raw.packet()
            marks = []
            while True:
                row = raw.packet()
                if row[0] == 0xFF:
                    return rows, oks, ServerError(row)
                if raw.is_end(row):
                    break
                length, at = lenenc(row)
                marks.append(row[at:at + length])
            rows.append(int(marks[0]) if marks and marks[0].isdigit() else 0)
            status = struct.unpack_from("<H", row, 3)[0]
        if not status & 8:
            return rows, oks, None


# Between texts.
END = "do 0 /* that was all */"


class Session:
    """A client that speaks packets, through the proxy."""

    def __init__(self, server, proxy, capabilities=BASIC):
        self.server, self.proxy = server, proxy
        proxy.connect().close()  # caches the password
        self.raw = Raw(proxy.host, proxy.port).login("app", "app-secret", "test", capabilities)
        self.sent = 0

    def send(self, text):
        """The results of a text."""
        self.raw.command(3, text)
        found = results(self.raw)
        self.raw.command(3, END.encode())
        assert results(self.raw) == ([], 1, None)
        self.sent += 1
        return found

    def messages(self):
        """The messages that each text became."""
        of_session = lambda message: message["connectionId"] == self.raw.connection_id
        self.proxy.messages.wait(self.sent, lambda message: of_session(message) and message["sql"] == END)
        found = [[]]
        for message in self.proxy.messages.all(of_session):
            if message["sql"] == END:
                found.append([])
            else:
                found[-1].append(message)
        assert found.pop() == []
        return found

    def run(self, text):
        """The results of a text, and the messages that it became."""
        return self.send(text), self.messages()[-1]


def rows_inserted(server):
    """The marks since the last time."""
    with server.root() as cursor:
        cursor.execute("select id from test.log_t order by id")
        found = [row[0] for row in cursor.fetchall()]
        if found:
            cursor.execute("delete from test.log_t")
    return found


def expected_messages(statements, parts, text):
    """The texts that messages must have."""
    texts = []
    for at, (statement, part) in enumerate(zip(statements, parts)):
        is_last = at + 1 == len(statements)
        if statement.fails:
            return texts + [(part, statement.charset)]
        if statement.unsure and statement.rows and not is_last:
            # How many results it has is not known: the rest is one.
            rest = text[text.index(part, sum(len(one) for one, _ in texts)):].strip(b"; \n\t")
            return texts + [(rest, statement.charset)]
        texts.append((part, statement.charset))
    return texts


def reset(server):
    for table in ("log_t", "event"):
        server.sql(f"drop table if exists test.{table}")
    server.sql("create table test.log_t (id int, note longblob)")


@pytest.mark.parametrize("seed", seeds(2, first=1))
def test_random_texts(server, proxies, seed):
    reset(server)
    proxy = proxies(server, *AS_SENT)
    session = Session(server, proxy)
    generator = Generator(seed, server.flavor)
    for setting in ("set sql_mode = ''", "set names utf8mb4"):
        session.send(setting.encode())
    if server.flavor == "mysql":
        server.sql("set global log_raw = off", "set global log_output = 'TABLE'", "truncate mysql.general_log", "set global general_log = on")
    try:
        run_texts(server, session, generator)
    finally:
        if server.flavor == "mysql":
            server.sql("set global general_log = off")


def run_texts(server, session, generator):
    begun, texts = session.sent, []
    for number in range(TEXTS):
        statements = generator.statements()
        text, parts = generator.whole(statements)
        rows, oks, error = session.send(text)
        where = f"text {number}: {text!r}\nanswered: {rows} {oks} {error}"
        texts.append((statements, text, parts, where))
        # The server ran what the generator says: else the test is wrong.
        assert (error is not None) == any(statement.fails for statement in statements), where
        assert rows == [mark for statement in statements for mark in statement.rows], where
        inserted = rows_inserted(server)
        assert inserted == sorted(mark for statement in statements for mark in statement.inserts), where
    log = []
    for (statements, text, parts, where), messages in zip(texts, session.messages()[begun:], strict=True):
        where += f"\nmessages: {[message['sql'] for message in messages]}"
        want = [shown(*one) for one in expected_messages(statements, parts, text)]
        # A single statement is shown as it was sent.
        got = [message["sql"].strip("; \n\t") if len(messages) == 1 else message["sql"] for message in messages]
        want = [one.strip("; \n\t") for one in want] if len(want) == 1 else want
        assert got == want, where
        fails = any(statement.fails for statement in statements)
        failed = [message["errorMessage"] is not None for message in messages]
        assert failed == [False] * (len(messages) - fails) + [True] * fails, where
        log += [part for statement, part in zip(statements, parts) if not statement.fails or b"selec " not in part]
    if server.flavor == "mysql":
        check_log(server, session, log)


def check_log(server, session, statements):
    """MySQL's log has what was parsed, each by itself."""
    log = server.sql(f"select argument from mysql.general_log where thread_id = {session.raw.connection_id} and command_type = 'Query' "
                     f"and argument <> '{END}' order by event_time")
    # A comment for another version has been made a plain one there.
    unmarked = lambda data: re.sub(rb"/\*!", b"/* ", data.replace(b"(*", b"/*").replace(b"*)", b"*/"))
    plain = lambda data: unmarked(bytes(data)).strip(b"; \n\t")
    logged = [plain(argument) for (argument,) in log]
    wanted = [plain(statement) for statement in statements]
    # Texts of PREPARE are left out there, errors of the parser altogether.
    assert [one for one in logged if not one.startswith(b"PREPARE ")] == [
        one for one in wanted if not re.search(rb"select '\d+$|prepare \S+ from '", one)]


def test_texts_that_were_split_wrongly(server, proxies):
    """Cases that were wrong once; their statements are told apart as the server does it."""
    reset(server)
    session = Session(server, proxies(server, *AS_SENT))
    both = [
        ["alter event e do begin delete from log_t; delete from log_t; end", "select 2"],
        ["create index i on event (begin)", "delete from event"],
        ["create table if not exists event (id int, begin datetime)", "insert into event values (1, null)", "select 3"],
        ["prepare s from 'call p3()'", "execute s", "select 7", "select 8"],
        ["set names cp932", "select '\\xb1'", "select 9"],
        ["set sql_mode = 'ANSI_QUOTES'", 'select 1 as "a\\"', "select 2"],
        ["set sql_mode = 'NO_BACKSLASH_ESCAPES'", "select '\\'", "select 2"],
        ["set sql_mode = ''", "/*!999999 set time_zone = '+09:00' */ select 1", "select 2"],
    ]
    mariadb = [
        ["if 1 then select 1; select 2; end if", "select 3"],
        ["begin not atomic select 1; end", "select 3"],
        ["set statement time_zone = '+09:00' for select 1", "select 4"],
    ]
    session.run(b"create event if not exists e on schedule every 1 day disable do do 1")
    session.run(b"create table event (id int, begin datetime)")
    session.run(b"create procedure if not exists p3() begin select 1; select 2; end")
    for case in both + (mariadb if server.flavor == "mariadb" else []):
        text = "; ".join(case).encode().replace(b"\\xb1", b"\xb1")
        (_, _, error), messages = session.run(text)
        assert error is None, (text, error)
        assert [message["sql"] for message in messages] == [one.replace("\\xb1", "ｱ") for one in case]
        assert all(message["serverTZ"] != "+09:00" for message in messages), text
    for sql in ("drop event e", "drop table event", "drop procedure p3"):
        session.run(sql.encode())


def test_compound_statements_of_clients_without_multi_statements(server, proxies):
    if server.flavor != "mariadb":
        pytest.skip("MySQL has no compound statements outside of programs")
    session = Session(server, proxies(server, *AS_SENT), BASIC & ~MULTI_STATEMENTS)
    for text in (b"if 1 then select 1; select 2; end if", b"begin not atomic select 1; select 2; end", b"for i in 1..2 do select i; end for"):
        (rows, oks, error), messages = session.run(text)
        assert (rows, oks, error) == ([1, 2], 1, None)
        assert [message["sql"] for message in messages] == [text.decode()]


def test_a_mode_that_was_never_seen(server, proxies):
    """The global mode is in force from the login on, and on MySQL no packet tells it: rather the rest of the text than a wrong piece."""
    reset(server)
    before = server.sql("select @@global.sql_mode")[0][0]
    server.sql("set global sql_mode = 'ANSI_QUOTES'")
    try:
        session = Session(server, proxies(server, *AS_SENT))
    finally:
        server.sql(f"set global sql_mode = '{before}'")
    certain = ['select 1 as "a\\"', "select 2", "do 3"]
    _, messages = session.run("; ".join(certain).encode())
    assert [message["sql"] for message in messages] == certain
    doubtful = ["do 1", 'select 1 as "a\\"', "do 2", 'select 3 as " "', "do 4"]
    (_, _, error), messages = session.run("; ".join(doubtful).encode())
    assert error is None
    rest = doubtful if server.flavor == "mariadb" else [doubtful[0], "; ".join(doubtful[1:])]
    assert [message["sql"] for message in messages] == rest


def test_what_changes_rows_is_captured(server, proxies):
    """--capture-all=false: no change of a row without a message, whatever statement makes it."""
    reset(server)
    session_free = proxies(server, *AS_SENT, "--capture-all=false")
    changes = [
        "insert into log_t (id) values (1)",
        "with c as (select 1 as a) update log_t, c set note = c.a",
        "prepare s from 'delete from log_t'",
        "execute s",
        "set @t = 'delete from log_t'",
        "prepare s from @t",
        "execute s",
        "do sleep(0)",
        "select 1; delete from log_t; select 2",
        "explain analyze select 1",
        "values row(1)",
        "handler log_t open",
        "handler log_t read first",
        "handler log_t close",
        "prepare s from 'select 5'",
        "execute s",
        "begin",
        "commit",
    ]
    wanted = ["insert into log_t (id) values (1)", "with c as (select 1 as a) update log_t, c set note = c.a", "execute s", "execute s", "do sleep(0)",
              "delete from log_t"]
    if server.flavor == "mariadb":
        # It has no UPDATE after WITH, and another EXPLAIN and VALUES.
        changes = [sql for sql in changes if not sql.startswith(("with", "explain", "values"))]
        wanted = [sql for sql in wanted if not sql.startswith("with")]
        more = ["set statement max_statement_time=100 for delete from log_t", "analyze delete from log_t", "analyze format=json update log_t set id = 2",
                "execute immediate 'delete from log_t'", "begin not atomic delete from log_t; end", "if 1 then delete from log_t; end if",
                "for i in 1..2 do delete from log_t; end for"]
        changes += more + ["analyze select 1", "execute immediate 'select 1'"]
        wanted += more
    session_free.connect().close()
    raw = Raw(session_free.host, session_free.port).login("app", "app-secret", "test")
    for sql in changes:
        raw.command(3, sql.encode())
        assert results(raw)[2] is None, sql
    raw.command(3, b"delete from log_t where 0")
    results(raw)
    session_free.messages.wait(1, lambda message: message["sql"] == "delete from log_t where 0")
    assert [message["sql"] for message in session_free.messages.all()][:-1] == wanted
