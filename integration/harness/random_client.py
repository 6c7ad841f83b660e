"""A client that does whatever the protocol has, by chance: every command that can be done again elsewhere."""

import struct

from . import wire
from .wire import Raw, ServerError

STEPS = 150
# The session's table, which its texts call t.
TABLE = "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v LONGBLOB)"
PROCEDURE = "CREATE PROCEDURE both_results() BEGIN SELECT 1; SELECT 2, 3; END"


def lenenc(data):
    length = len(data)
    return (bytes([length]) if length < 251 else b"\xfc" + struct.pack("<H", length) if length < 1 << 16
            else b"\xfd" + length.to_bytes(3, "little")) + data


class Values:
    """Bound values as client libraries write them: type byte, flag, bytes; no bytes are NULL."""

    def __init__(self, chance):
        self.chance = chance

    def plainly(self, is_text):
        """A value that means the same to all servers; not all of them refuse a text where a number should be."""
        chosen = self.chance.choice(["null", "number", "text" if is_text else "number"])
        if chosen == "null":
            return 253, 0, None
        if chosen == "number":
            return 8, 0, struct.pack("<q", self.chance.randrange(-1000, 1000))
        return 253, 0, lenenc(self.chance.choice([b"", b"it's", "Gr\u00fc\u00dfe".encode(), b"x" * 300]))

    def any(self):
        if self.chance.random() < 0.15:
            return self.chance.choice([6, 8, 12, 253]), 0, None
        return self.chance.choice([self.integer, self.floating, self.date, self.time, self.text])()

    def integer(self):
        kind, size = self.chance.choice([(1, 1), (2, 2), (3, 4), (8, 8)])
        value = self.chance.choice([bytes(size), b"\xff" * size, bytes(size - 1) + b"\x80", b"\xff" * (size - 1) + b"\x7f", self.chance.randbytes(size)])
        return kind, self.chance.choice([0, 0x80]), value

    def floating(self):
        chance = self.chance
        value = chance.choice([0.0, -0.5, 0.1, 1e-30, 3.4e38, 1e15, 1e16, -1e-15, 2.0**-126, chance.uniform(-1e9, 1e9), chance.gauss(0, 1)])
        if chance.random() < 0.5:
            return 4, 0, struct.pack("<f", value)
        return 5, 0, struct.pack("<d", chance.choice([value, 1.7976931348623157e308, 5e-324]))

    def date(self):
        chance = self.chance
        kind = chance.choice([7, 10, 12])
        date = struct.pack("<HBB", chance.choice([0, 1, 1970, 2024, 9999]), chance.choice([0, 1, 2, 12]), chance.choice([0, 1, 28, 31]))
        time = bytes([chance.randrange(24), chance.randrange(60), chance.randrange(60)])
        forms = [b"", date] if kind == 10 else [b"", date, date + time, date + time + struct.pack("<I", chance.choice([0, 1, 999999]))]
        return kind, 0, lenenc(chance.choice(forms))

    def time(self):
        chance = self.chance
        time = struct.pack("<BIBBB", chance.randrange(2), chance.choice([0, 1, 34]), chance.randrange(24), chance.randrange(60), chance.randrange(60))
        return 11, 0, lenenc(chance.choice([b"", time, time + struct.pack("<I", chance.choice([0, 1, 500000]))]))

    def text(self):
        chance = self.chance
        kind = chance.choice([15, 246, 249, 250, 251, 252, 253, 254])
        text = b"12.50" if kind == 246 else chance.choice([b"", b"it's", "Grüße \U0001f40b".encode(), b"\\", chance.randbytes(3).hex().encode(), b"x" * 300, b"y" * 70000])
        if 249 <= kind <= 252:
            text = chance.choice([text, chance.randbytes(20)])
        return kind, 0, lenenc(text)


class Client:
    """One session of an account in its database: what it does next is chance's choice. Plain: nothing that servers understand in different ways."""

    def __init__(self, chance, raw, account, database, bulk=False, plain=False):
        self.chance, self.raw, self.account, self.database, self.bulk, self.plain = chance, raw, account, database, bulk, plain
        self.values = Values(chance)
        self.prepared, self.bound_before = {}, {}
        self.with_attributes = raw.capabilities & wire.QUERY_ATTRIBUTES

    def results(self, **more):
        try:
            self.raw.results(**more)
        except ServerError:
            pass

    def bound(self, params, names=None):
        """NULL bitmap, types, values; each type with a name where there are attributes."""
        bitmap = bytearray((len(params) + 7) // 8)
        types, values = b"", b""
        for index, (kind, flag, value) in enumerate(params):
            types += bytes([kind, flag]) + (lenenc(names[index]) if names else b"")
            if value is None:
                bitmap[index // 8] |= 1 << index % 8
            else:
                values += value
        return bytes(bitmap) + b"\x01" + types + values

    def query(self):
        text = self.chance.choice([
            "SELECT id, v FROM t ORDER BY id", "INSERT INTO t (v) VALUES ('text')", "SELEC", "UPDATE t SET v = CONCAT(v, 'x') LIMIT 3", "CALL both_results()",
            "SELECT 1; DELETE FROM t WHERE id = 3; SELECT 2", "SELECT 1; SELEC; SELECT 2", "BEGIN", "COMMIT", "ROLLBACK", "SET time_zone = '+01:00'",
            "SET NAMES latin1", "SET NAMES utf8mb4", f"USE {self.database}", "SET @a = 1", "SELECT @a", "SELECT 'Grüße'", "DO 1", "SHOW TABLES"])
        self.say(text)
        self.results()

    def say(self, text):
        attributes = b""
        if self.with_attributes:
            attributes = b"\x00\x01"
            if self.chance.random() < 0.3:
                attributes = b"\x02\x01" + self.bound([(8, 0, struct.pack("<q", -5)), (254, 0, lenenc(b"abc"))], [b"one", b"two"])
        self.raw.command(3, attributes + text.encode())

    def load(self):
        self.say("LOAD DATA LOCAL INFILE 'anything' INTO TABLE t (v)")
        first = self.raw.packet()
        if first[0] != 0xFB:
            return
        for part in self.chance.choice([[], [b"a line\n"], [b"two\nli", b"nes\n"], [b"z" * 100000 + b"\n"] * 3]):
            self.raw.send(part, fresh=False)
        self.raw.send(b"", fresh=False)
        self.results()

    def prepare(self):
        text = self.chance.choice(["INSERT INTO t (v) VALUES (?)", "SELECT ?, ?", "SELECT id FROM t WHERE id < ? ORDER BY id", "DO 1", "DO ?", "SELECT * FROM missing",
                                   "SELECT id FROM t ORDER BY id", "UPDATE t SET v = ? WHERE id = ?"])
        self.raw.command(0x16, text.encode())
        first = self.raw.packet()
        if first[0] == 0xFF:
            return
        number, columns, params = struct.unpack_from("<IHH", first, 1)
        for count in (params, columns):
            for _ in range(count):
                self.raw.packet()
            if count and not self.raw.capabilities & wire.DEPRECATE_EOF:
                self.raw.packet()
        self.prepared[number] = (params, "SELECT id" in text)

    def execute(self):
        if not self.prepared:
            return self.prepare()
        number, (count, is_select) = self.chance.choice(list(self.prepared.items()))
        params = [self.values.plainly(count == 1 and not is_select) if self.plain else self.values.any() for _ in range(count)]
        for index in range(count):
            if self.chance.random() < 0.1 and self.takes_long_data(number, index):
                for part in self.chance.choice([[b""], [b"long ", b"data"], [self.chance.randbytes(9)]]):
                    self.raw.command(0x18, struct.pack("<IH", number, index) + part)
                params[index] = (252, 0, b"")
            self.bound_before[number, index] = params[index][0]
        # With parameters MySQL may know that there are no rows, and ends the definitions with a packet that is no EOF.
        cursor = is_select and not count and not self.raw.capabilities & wire.DEPRECATE_EOF
        # MySQL 9.7 sends no rows without a cursor where the statement had one before.
        cursor = cursor and (self.plain or self.chance.random() < 0.5)
        front = struct.pack("<IBI", number, int(cursor), 1)
        if self.with_attributes and count:
            front += bytes([count])
        self.raw.command(0x17, front + (self.bound(params, [b""] * count if self.with_attributes else None) if count else b""))
        self.results(cursor=True)
        if cursor:
            self.raw.command(0x1C, struct.pack("<II", number, self.chance.choice([1, 1000])))
            self.fetched()

    def takes_long_data(self, number, index):
        """MariaDB 10.11 stores an address in the place of long data where a number or a date was bound before."""
        return not self.plain and ("MariaDB" not in self.raw.version or self.bound_before.get((number, index), 252) >= 249)

    def fetched(self):
        while True:
            row = self.raw.packet()
            if row[0] == 0xFF or self.raw.is_end(row):
                return

    def bulk_execute(self):
        if not self.bulk:
            return
        for number, (count, is_select) in self.prepared.items():
            if count == 1 and not is_select:
                kind, rows = self.chance.choice([8, 253]), b""
                for _ in range(self.chance.choice([1, 3, 50])):
                    value = struct.pack("<q", self.chance.randrange(1000)) if kind == 8 else lenenc(b"bulk")
                    rows += self.chance.choice([b"\x00" + value, b"\x00" + value, b"\x01", b"\x02"])
                self.raw.command(0xFA, struct.pack("<IH", number, 128) + bytes([kind, 0]) + rows)
                return self.results()

    def about_statement(self):
        if not self.prepared:
            return
        number = self.chance.choice(list(self.prepared))
        if self.chance.random() < 0.5:
            del self.prepared[number]
            return self.raw.command(0x19, struct.pack("<I", number))
        self.raw.command(0x1A, struct.pack("<I", number))
        self.results()

    def simple(self):
        code, rest = self.chance.choice([(0x0E, b""), (0x02, self.database.encode()), (0x02, b"missing"), (0x1B, b"\0\0"), (0x1B, b"\1\0")])
        self.raw.command(code, rest)
        self.raw.packet()

    def statistics(self):
        self.raw.command(0x09)
        self.raw.packet()

    def reset(self):
        self.raw.command(0x1F)
        self.results()
        self.prepared.clear()
        # MySQL goes back to the server's character sets: say what texts are in.
        self.raw.query("SET NAMES utf8mb4")

    def change_user(self):
        user, password = self.account
        self.raw.command(0x11, f"{user}\0\0{self.database}\0".encode() + struct.pack("<H", 45) + b"none\0")
        self.prepared.clear()
        while True:
            reply = self.raw.packet()
            if reply[0] == 0xFE:
                plugin, _, data = reply[1:].partition(b"\0")
                self.raw.send(Raw.scrambled(plugin, password.encode(), data.rstrip(b"\0")), fresh=False)
            elif reply[0] == 0xFF:
                raise ServerError(reply)
            elif reply[0] == 0:
                return

    def live(self, count=STEPS):
        steps = [self.query] * 5 + [self.prepare] * 4 + [self.execute] * 8 + [self.bulk_execute] * 2 + [self.about_statement] * 2 + [self.load]
        steps += [self.simple] * 2 + [self.statistics, self.reset, self.change_user]
        for _ in range(count):
            self.chance.choice(steps)()
        if self.chance.random() < 0.5:
            self.raw.command(0x01)
