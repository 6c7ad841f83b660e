#!/usr/bin/env python3
"""Writes the seeds of the targets `session` and `wire` in tests/data/fuzz: conversations and packets put together by hand, beside the
captured ones in tests/captured. What it writes is in git; no other file there is touched, so seeds of bugs that were found stay."""

import pathlib
import struct
import zlib

SEEDS = pathlib.Path(__file__).resolve().parents[1] / "tests/data/fuzz"

# src/fuzzing/session.rs, `begin`.
CLASSIC, MODERN, MARIADB, ZLIB, ZSTD, ZLIB_FRAMES, ZSTD_FRAMES = 1, 2, 3, 4, 5, 6, 7
SHORT_STATEMENTS = 8
AUTOCOMMIT, MORE, CURSOR, LAST_ROW, CHANGED = 2, 8, 0x40, 0x80, 0x4000
DEFINITION = b"\x03def\0\0\0\x01a\0\x0c\x3f\0\x01\0\0\0\x08\x81\0\0\0\0"


def lenenc(text):
    return bytes([len(text)]) + text if len(text) < 251 else b"\xfc" + struct.pack("<H", len(text)) + text


def packet(payload, sequence=0):
    return struct.pack("<I", len(payload))[:3] + bytes([sequence]) + payload


class Conversation:
    """Records of a session that begins with the login of `mode`."""

    def __init__(self, mode, short=False):
        self.data = bytes([0x80 | mode | (SHORT_STATEMENTS if short else 0), 7])
        self.modern = mode != CLASSIC
        self.tracks = mode in (MODERN, ZLIB, ZLIB_FRAMES)
        self.raw = mode in (ZLIB_FRAMES, ZSTD_FRAMES)

    def said(self, who, payload):
        if self.raw:
            who, payload = who.upper(), self.frame(packet(payload, 0 if who == b"c" else 1))
        self.data += who + struct.pack("<I", len(payload)) + payload
        return self

    def client(self, payload):
        return self.said(b"c", payload)

    def server(self, payload):
        return self.said(b"s", payload)

    def query(self, sql):
        return self.client(b"\x03" + (b"\0\x01" if self.tracks else b"") + sql)

    def ok(self, affected=0, info=b"", status=AUTOCOMMIT, changes=b"", header=0):
        payload = bytes([header, affected, 0]) + struct.pack("<HH", status | (CHANGED if changes else 0), 0)
        payload += lenenc(info) if info or self.tracks else b""
        return self.server(payload + (lenenc(changes) if changes else b""))

    def eof(self, status=AUTOCOMMIT):
        return self.server(b"\xfe\0\0" + struct.pack("<H", status))

    def definitions(self, count):
        for _ in range(count):
            self.server(DEFINITION)
        return self if self.modern or not count else self.eof()

    def rows(self, rows, status=AUTOCOMMIT):
        self.server(b"\x01" + (b"\x01" if self.tracks and not self.raw and self.data[0] & 7 == MODERN else b"")).definitions(1)
        for row in rows:
            self.server(lenenc(row))
        return self.ok(status=status, header=0xfe) if self.modern else self.eof(status)

    def prepared(self, sql, statement, params, columns=0):
        self.client(b"\x16" + sql).server(b"\0" + struct.pack("<IHHBHB", statement, columns, params, 0, 0, 1)[:11 + (self.data[0] & 7 == MODERN)])
        return self.definitions(params).definitions(columns)

    def execute(self, statement, flags=0, types=b"\xfd\0", values=b"\x02hi"):
        body = struct.pack("<IBI", statement, flags, 1)
        if self.tracks:
            types = b"".join(types[at:at + 2] + b"\0" for at in range(0, len(types), 2))
            body += bytes([len(types) // 3])
        return self.client(b"\x17" + body + b"\0\x01" + types + values)

    def frame(self, plain):
        if self.data[0] & 7 == ZLIB_FRAMES:
            content = zlib.compress(plain)
        else:
            # One segment with its length in a byte, one raw block that is the last (RFC 8878).
            content = b"\x28\xb5\x2f\xfd\x20" + bytes([len(plain)]) + struct.pack("<I", len(plain) << 3 | 1)[:3] + plain
        return struct.pack("<I", len(content))[:3] + b"\0" + struct.pack("<I", len(plain))[:3] + content


def statements(mode, short=False):
    talk = Conversation(mode, short)
    talk.query(b"SELECT 1; UPDATE t SET a = 2").rows([b"1"], AUTOCOMMIT | MORE).ok(4, b"Rows matched: 4")
    talk.query(b"SELECT @@time_zone, @@session.transaction_isolation").rows([b"+02:00"])
    talk.query(b"SET NAMES gbk, time_zone = '+01:00'").ok(changes=b"\0\x11\x09time_zone\x06+01:00\x01\x05\x04shop" if talk.tracks else b"")
    talk.query(b"CALL p()").rows([b"1", b"2"], AUTOCOMMIT | MORE).ok()
    talk.query(b"LOAD DATA LOCAL INFILE 'f' INTO TABLE t").server(b"\xfbf").client(b"1\n").client(b"").ok(1)
    talk.query(b"SELEC").server(b"\xff\x28\x04#42000You have an error").client(b"\x0e").ok().client(b"\x02other").ok()
    return talk


def prepared(mode, short=False):
    talk = Conversation(mode, short)
    talk.prepared(b"INSERT INTO t VALUES (?)", 7, 1).execute(7).ok(1)
    talk.client(b"\x18\x07\0\0\0\0\0long").client(b"\x18\x07\0\0\0\0\0data").execute(7, values=b"").ok(1)
    types = b"\x01\0\x02\x80\x03\0\x08\0\x04\0\x05\0\x0a\0\x0c\0\x0b\0\xf6\0"
    values = b"\xff\xff\xff\x01\0\0\0" + b"\x07" * 8 + struct.pack("<fd", 1.5, -2e300) + b"\x04\xea\x07\x01\x02\x0b\xea\x07\x01\x02\x0c\x0d\x0e\x01\0\0\0"
    values += b"\x0c\x01\x02\0\0\0\x03\x04\x05\x06\0\0\0\x0412.5"
    talk.prepared(b"SELECT ?", 8, 10, 1)
    talk.client(b"\x17" + struct.pack("<IBI", 8, 1, 1) + (b"\x0a" if talk.tracks else b"") + b"\0\0\x01"
                + (b"".join(types[at:at + 2] + b"\x01n" for at in range(0, 20, 2)) if talk.tracks else types) + values)
    talk.server(b"\x01" + (b"\x01" if mode == MODERN else b"")).server(DEFINITION).eof(AUTOCOMMIT | CURSOR)
    talk.client(b"\x1c\x08\0\0\0\x02\0\0\0").server(b"\0\0\x01a").server(b"\0\0\x01b").eof(AUTOCOMMIT | CURSOR | LAST_ROW)
    talk.client(b"\x1a\x08\0\0\0").ok().client(b"\x19\x08\0\0\0")
    bulk = b"\x80\0\x03\0\xfd\0" + b"\0\x05\0\0\0\0\x01x" + b"\x01\x02" + b"\x03\x01"
    talk.prepared(b"INSERT INTO t VALUES (?, ?)", 9, 2).client(b"\xfa\x09\0\0\0" + bulk).ok(3)
    # Sent before the prepare was answered, with MariaDB's id for the last statement.
    talk.client(b"\x16DO ?").client(b"\x17\xff\xff\xff\xff\0\x01\0\0\0" + (b"\x01" if talk.tracks else b"") + b"\0\x01\xfd\0" + (b"\0" if talk.tracks else b"") + b"\x01z")
    talk.server(b"\0\x0a\0\0\0\0\0\x01\0\0\0\0" + (b"\x01" if mode == MODERN else b"")).definitions(1).ok()
    talk.client(b"\x11root\0\0shop\0\x2d\0mysql_native_password\0").said(b"s", b"\xfemysql_native_password\0salt").said(b"g", b"secret").ok()
    return talk.client(b"\x1f").ok().client(b"\x01")


def last_words():
    """A login with compression; the server's OK packet and, compressed already, its last words come in one read."""
    lower, upper = 1 | 8 | 1 << 5 | 1 << 9 | 1 << 15, 1 << 3
    greeting = b"\x0a9.7.4\0\x08\0\0\x0012345678\0" + struct.pack("<HBHH", lower, 255, 2, upper) + b"\x15" + bytes(10) + b"abcdefghijkl\0"
    login = struct.pack("<HHIB", lower, upper, 1 << 24, 45) + bytes(23) + b"app\0\x01\x01shop\0mysql_native_password\0"
    error = packet(b"\xff\xbf\x0f#08S01idle")
    query = packet(b"\x03SELECT 1")
    stored = [struct.pack("<I", len(plain)) + b"\0\0\0" + plain for plain in (error, query)]
    said = [(b"S", packet(greeting)), (b"C", packet(login, 1)), (b"S", packet(b"\0\0\0\x02\0\0\0", 2) + stored[0]), (b"C", stored[1])]
    return b"".join(who + struct.pack("<I", len(content)) + content for who, content in said)


def packets():
    """Name, capabilities, parameters, bytes."""
    track, deprecate, attributes = 1 << 23, 1 << 24, 1 << 27
    p41 = 1 << 9
    yield "ok", p41 | track, 0, b"\0\x01\x02\x02\x40\0\0\x04info\x11\0\x0b\x09time_zone\0\x01\x02\x01a"
    yield "err", p41, 0, b"\xff\x28\x04#42000You have an error"
    yield "eof", p41 | deprecate, 0, b"\xfe\0\0\x02\0"
    yield "prepare", p41 | 1 << 25, 0, b"\0\x07\0\0\0\x01\0\x02\0\0\0\0\x01"
    yield "greeting", p41, 0, b"\x0a5.5.5-11.8.3-MariaDB\0\x08\0\0\0" + b"12345678\0\xfe\xff\x2d\x02\0\xff\xc1\x15" + bytes(6) + b"\x1d\0\0\0abcdefghijkl\0mysql_native_password\0"
    yield "login", p41 | 8 | 1 << 15, 0, struct.pack("<IIB", p41 | 8 | 1 << 15, 1 << 24, 45) + bytes(23) + b"app\0\x03abcshop\0mysql_native_password\0"
    yield "change_user", 1 << 15, 0, b"app\0\x03abcshop\0\x2d\0caching_sha2_password\0"
    yield "execute", p41, 3, b"\x07\0\0\0\0\x01\0\0\0\x02\x01\x08\0\x06\0\xfd\0" + b"\x01" * 8 + b"\x02hi"
    yield "execute_attributes", p41 | attributes, 1, b"\x07\0\0\0\x08\x01\0\0\0\x02\0\x01\x08\x80\0\xfd\0\x05trace" + b"\x01" * 8 + b"\x02id"
    yield "bulk", p41, 2, b"\x09\0\0\0\x80\0\x03\0\xfd\0\0\x05\0\0\0\0\x01x\x01\x02\x03\x01"
    yield "attributes", p41 | attributes, 0, b"\x01\x01\0\x01\xfe\0\x05trace\x02idSELECT 1"
    yield "datetime", p41, 1, b"\x0b\xea\x07\x01\x1f\x0c\0\0\x40\xe2\x01\0\x0d\xea\x07\x01\x1f\x0c\0\0\0\0\0\0\xb6\xff"
    yield "time", p41, 1, b"\x0c\x01\x22\0\0\0\x16\x3b\x3b\x07\0\0\0\x08\0\0\0\0\0\x01\x02\x03\0"
    yield "zlib", p41, 0, Conversation(ZLIB_FRAMES).frame(b"SELECT 1" * 20)
    yield "zstd", p41, 0, Conversation(ZSTD_FRAMES).frame(b"SELECT 1" * 20)
    yield "procedure", 0, 0, b"CREATE PROCEDURE p() BEGIN IF a THEN SELECT 1; END IF; CASE WHEN 1 THEN SELECT ';'; END CASE; END; SELECT 2 -- ;\n; /*! SELECT 3; */"
    yield "javascript", 0, 0, b"CREATE FUNCTION f() RETURNS INT LANGUAGE JAVASCRIPT AS $js$ return 1; $js$; SELECT 1"
    yield "block", 0, 0, b"BEGIN NOT ATOMIC SELECT 1; SELECT 2; END; # x\nUSE `a``b`"
    yield "set", 2, 0, b"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, NAMES 'gbk', @@session.time_zone := \"+00:00\", GLOBAL tx_isolation = 2"
    yield "select", 1, 0, b"SELECT (@@a), @@time_zone AS z, @@session.transaction_isolation, @@local.character_set_client FROM dual LIMIT 1"


def main():
    names = {CLASSIC: "classic", MODERN: "modern", MARIADB: "mariadb", ZLIB: "zlib", ZSTD: "zstd", ZLIB_FRAMES: "zlib_frames", ZSTD_FRAMES: "zstd_frames"}
    (SEEDS / "session").mkdir(parents=True, exist_ok=True)
    (SEEDS / "wire").mkdir(parents=True, exist_ok=True)
    for mode, name in names.items():
        (SEEDS / "session" / f"{name}_statements").write_bytes(statements(mode).data)
        (SEEDS / "session" / f"{name}_prepared").write_bytes(prepared(mode, short=mode == MODERN).data)
    (SEEDS / "session" / "found_last_words_behind_ok").write_bytes(last_words())
    for name, capabilities, params, content in packets():
        (SEEDS / "wire" / name).write_bytes(struct.pack("<Q", capabilities)[:5] + bytes([params]) + content)


if __name__ == "__main__":
    main()
