"""`decode`: captured packets become the same messages that the proxy has made of the same sessions."""

import gzip
import json
import random
import signal
import subprocess

import mysql.connector
import pymysql
import pytest
import zstandard

from harness import PATIENCE, breadth, links, packets
from harness.packets import Decoded, Dump
from harness.proxy import FIELDS, Messages, binary, environment
from harness.recording import Recording

# What cannot be the same: when the packets came and how long it took them, how the client's host is called, and how many connections were open.
APART = {"timestamp", "durationNs", "client", "totalPoolCount"}
DB = "decoded"


@pytest.fixture
def dumps(tmp_path):
    """Starts captures for a test and kills what is left of them at its end."""
    started = []

    def start(*ports, options=()):
        started.append(Dump(tmp_path / f"capture{len(started)}.pcap", *ports, options=options))
        return started[-1]

    yield start
    for dump in started:
        dump.kill()


def by_session(messages):
    """Each connection's messages in their order, without what cannot be the same."""
    sessions = {}
    for message in messages:
        assert list(message) == FIELDS
        kept = {name: value for name, value in message.items() if name not in APART}
        sessions.setdefault(message["connectionId"], []).append(kept)
    return sessions


def test_messages_are_the_proxys(server, proxies, dumps, tmp_path):
    server.fresh_databases(DB)
    proxy = proxies(server)
    dump = dumps(server.port)
    with proxy.connect(database=DB, autocommit=False) as db, db.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, a VARCHAR(40), b DECIMAL(10,2))")
        for n in range(50):
            cursor.execute("INSERT INTO t (a, b) VALUES (%s, %s)", (f"größe {n}", n / 4))
        db.commit()
        cursor.execute("UPDATE t SET a = 'x' WHERE id < 10")
        db.rollback()
        cursor.execute("SELECT * FROM t")
        cursor.fetchall()
        with pytest.raises(Exception):
            cursor.execute("SELECT nothing FROM nowhere")
        cursor.execute("SET time_zone = '+02:00'")
        cursor.execute("SELECT NOW()")
    proxy.stop()
    decoded = Decoded(dump.stop(), tmp_path / "decoded", "--port", str(server.port))
    expected = by_session(proxy.messages.all())
    assert expected and by_session(decoded.messages.all()) == expected


class Sessions:
    """The messages of a proxy and the packets of the same sessions."""

    def __init__(self, server, proxies, dumps, tmp_path, *options):
        self.server, self.tmp_path, self.proxies = server, tmp_path, proxies
        server.fresh_databases(DB)
        self.proxy = proxies(server, *options)
        self.dump = dumps(server.port)
        self.options = options

    def end(self):
        self.proxy.stop()
        self.capture = self.dump.stop()
        return by_session(self.proxy.messages.all())

    def decode(self, capture=None, *options, name="decoded", **more):
        port = ("--port", str(self.server.port)) if "--port" not in options else ()
        return Decoded(capture or self.capture, self.tmp_path / name, *port, *options, *self.options, **more)


@pytest.fixture
def sessions(server, proxies, dumps, tmp_path):
    return lambda *options: Sessions(server, proxies, dumps, tmp_path, *options)


def work(connection, seed, statements=60):
    """A table, and statements about it: what they are depends on the seed."""
    chance = random.Random(seed)
    with connection as db, db.cursor() as cursor:
        cursor.execute(f"CREATE TABLE t{seed} (id INT PRIMARY KEY AUTO_INCREMENT, a TEXT, b DOUBLE)")
        for n in range(statements):
            kind = chance.randrange(6)
            if kind == 0:
                cursor.execute(f"INSERT INTO t{seed} (a, b) VALUES (%s, %s)", (chance.choice("xyäß") * chance.randrange(15000), n / 3))
            elif kind == 1:
                cursor.execute(f"SELECT * FROM t{seed} WHERE id > %s", (chance.randrange(20),))
                cursor.fetchall()
            elif kind == 2:
                cursor.execute(f"UPDATE t{seed} SET b = {n} WHERE id % 3 = {n % 3}")
            elif kind == 3:
                cursor.execute("BEGIN")
                cursor.execute(f"DELETE FROM t{seed} WHERE id = {chance.randrange(20)}")
                cursor.execute(chance.choice(["COMMIT", "ROLLBACK"]))
            elif kind == 4:
                with pytest.raises(pymysql.Error):
                    cursor.execute(f"SELECT mistake{n}")
            else:
                cursor.execute(f"SELECT {n}")


def test_packets_in_another_order_or_twice(sessions):
    both = sessions()
    for seed in range(3):
        work(both.proxy.connect(database=DB), seed)
    expected = both.end()
    header, found = packets.packets(both.capture)
    for seed in breadth.seeds(2, 1):
        capture = packets.write(both.tmp_path / f"disturbed{seed}.pcap", header, packets.disturbed(found, seed))
        decoded = both.decode(capture, name=f"disturbed{seed}")
        assert by_session(decoded.messages.all()) == expected, seed
        assert decoded.count("repeated_bytes") > 0 and decoded.count("lost_bytes") == 0


def test_formats(sessions):
    both = sessions()
    work(both.proxy.connect(database=DB), 1, statements=20)
    expected = both.end()
    header, found = packets.packets(both.capture)
    plain = both.capture.read_bytes()
    swapped = packets.big_endian(both.tmp_path / "big.pcap", header, found)
    ng = packets.as_pcapng(both.tmp_path / "capture.pcapng", header, found)
    gz, zst = both.tmp_path / "capture.gz", both.tmp_path / "capture.zst"
    gz.write_bytes(gzip.compress(plain))
    zst.write_bytes(zstandard.compress(plain))
    for capture in (swapped, ng, gz, zst):
        decoded = both.decode(capture, name=capture.name + ".out")
        assert by_session(decoded.messages.all()) == expected, capture
    with open(both.capture, "rb") as stdin:
        decoded = both.decode("-", name="stdin", stdin=stdin)
    assert by_session(decoded.messages.all()) == expected
    # Torn: what came before is there, and it is said.
    torn = both.tmp_path / "torn.pcap"
    torn.write_bytes(plain[:-3])
    decoded = both.decode(torn, name="torn")
    assert "ends in the middle of a packet" in decoded.log
    # None at all.
    (both.tmp_path / "no.pcap").write_bytes(b"SELECT 1;\n" * 10)
    assert "this is no capture" in both.decode(both.tmp_path / "no.pcap", name="none", expect=1).log
    assert "cannot open" in both.decode(both.tmp_path / "not-there.pcap", name="absent", expect=2).log


def test_links_versions_and_blocks(sessions):
    both = sessions()
    work(both.proxy.connect(database=DB), 1, statements=25)
    # A server's address is another one in IPv6.
    anywhere = lambda sessions: {key: [{**message, "serverHost": None} for message in said] for key, said in sessions.items()}
    expected = anywhere(both.end())
    _, found = packets.packets(both.capture)
    path = lambda name: both.tmp_path / f"{name}.pcap"
    captures, cut_packets = {}, {}
    for name, (link, rewrap) in links.LINKS.items():
        captures[name] = links.write(path(name), found, link, rewrap)
        captures[f"{name}_6"] = links.write(path(f"{name}_6"), found, link, lambda packet: rewrap(links.of_version_6(packet)))
    for seed in breadth.seeds(3, 1):
        captures[f"pcapng_{seed}"] = links.PcapNg(seed).write(path(f"ng{seed}"), found)
        for version in (4, 6):
            chance, numbers = random.Random(seed), iter(range(1, 1 << 20))
            name = f"fragments_{version}_{seed}"
            cut_packets[name] = 0

            def fragments(packet):
                cut = links.in_fragments(packet, next(numbers) & 0xFFFF, 8 * chance.randint(3, 200), version)
                cut_packets[name] += len(cut) > 1
                chance.shuffle(cut)
                return cut + chance.sample(cut, chance.randint(0, 1))

            captures[name] = links.write(path(name), found, links.RAW, fragments)
    for name, capture in captures.items():
        decoded = both.decode(capture, name=capture.name + ".out")
        assert anywhere(by_session(decoded.messages.all())) == expected, (name, decoded.log)
        assert decoded.count("malformed") == 0 and decoded.count("lost_bytes") == 0, (name, decoded.log)
        assert decoded.count("joined") == cut_packets.get(name, 0), (name, decoded.log)


def test_a_lost_fragment_is_a_lost_packet(sessions):
    both = sessions("--buffer-until-commit=false")
    work(both.proxy.connect(database=DB), 1, statements=60)
    both.end()
    said = {(message["sql"], message["updateCount"]) for message in both.proxy.messages.all()}
    _, found = packets.packets(both.capture)
    chance, numbers = random.Random(1), iter(range(1, 1 << 20))

    def lossy(packet):
        # The numbers are used again soon: parts of two packets have the same.
        cut = links.in_fragments(packet, next(numbers) % 7, 512, 4)
        return cut if len(cut) < 2 else [part for part in cut if chance.random() > 0.02]

    decoded = both.decode(links.write(both.tmp_path / "lossy.pcap", found, links.RAW, lossy))
    heard = 0
    for message in decoded.messages.all():
        if message["sql"] is None or "outcome unknown" in (message["errorMessage"] or "") or message["sql"].endswith("..."):
            continue
        heard += 1
        assert (message["sql"], message["updateCount"]) in said, message
    assert heard > 20 and decoded.count("lost_bytes") > 0, decoded.log


def test_lost_packets_make_gaps_and_nothing_wrong(sessions):
    both = sessions("--buffer-until-commit=false")
    for seed in range(3):
        work(both.proxy.connect(database=DB), seed, statements=100)
    both.end()
    header, found = packets.packets(both.capture)
    # What each session has said, with what came of it.
    said = {}
    for message in both.proxy.messages.all():
        said.setdefault(message["connectionId"], set()).add((message["sql"], message["updateCount"]))
    heard = lost = 0
    for seed in breadth.seeds(4, 1):
        chance = random.Random(seed)
        kept = [packet for packet in found if packets.tcp(packet[3])[4] == 0 or chance.random() > 0.02]
        decoded = both.decode(packets.write(both.tmp_path / f"lossy{seed}.pcap", header, kept), name=f"lossy{seed}")
        lost += decoded.count("lost_bytes")
        for message in decoded.messages.all():
            if message["sql"] is None or "outcome unknown" in (message["errorMessage"] or "") or message["sql"].endswith("..."):
                continue
            heard += 1
            assert (message["sql"], message["updateCount"]) in said[message["connectionId"]], (seed, message)
    assert heard > 200 and lost > 0


def test_a_capture_that_begins_in_the_middle(sessions):
    both = sessions("--buffer-until-commit=false")
    with both.proxy.connect(database=DB) as db, db.cursor() as cursor:
        cursor.execute("SELECT 'before'")
        # The later capture has not seen the login.
        before = both.dump.rest()
        for n in range(5):
            cursor.execute(f"SELECT {n}, 'after'")
            cursor.fetchall()
    both.end()
    header, found = packets.packets(both.capture)
    decoded = both.decode(packets.write(both.tmp_path / "middle.pcap", header, found[before:]))
    messages = decoded.messages.all()
    assert [message["sql"] for message in messages] == [f"SELECT {n}, 'after'" for n in range(5)]
    assert all(message["updateCount"] == 1 and message["user"] is None for message in messages)
    assert decoded.count("begun_before") == 1 and decoded.count("from_the_middle") == 1


def test_compressed_and_encrypted_sessions(server, dumps, tmp_path):
    dump = dumps(server.port)
    login = {"host": server.host, "port": server.port, "user": "app", "password": "app-secret", "use_pure": True}
    with mysql.connector.connect(**login, compress=True, ssl_disabled=True) as db, db.cursor() as cursor:
        cursor.execute("SELECT 'compressed', REPEAT('x', 100000)")
        assert len(cursor.fetchall()) == 1
    with mysql.connector.connect(**login) as db, db.cursor() as cursor:
        cursor.execute("SELECT 'encrypted'")
        cursor.fetchall()
    decoded = Decoded(dump.stop(), tmp_path / "out", "--port", str(server.port))
    texts = [message["sql"] or "" for message in decoded.messages.all()]
    assert "SELECT 'compressed', REPEAT('x', 100000)" in texts
    assert not any("'encrypted'" in text for text in texts)
    assert decoded.log.count("the session is encrypted (TLS): its statements cannot be seen") >= 2


def test_prepared_statements_and_large_packets(sessions):
    both = sessions("--max-statement-bytes=40MiB")
    host, port = both.proxy.address.split(":")
    login = {"host": host, "port": int(port), "user": "app", "password": "app-secret", "database": DB, "ssl_disabled": True, "use_pure": True}
    with mysql.connector.connect(**login) as db, db.cursor(prepared=True) as cursor:
        cursor.execute("CREATE TABLE t (id INT, a LONGTEXT, b DATETIME, c DECIMAL(20,5))")
        for n in range(20):
            cursor.execute("INSERT INTO t VALUES (?, ?, ?, ?)", (n, "ü" * n, "2026-01-02 03:04:05", n * 1.5))
        cursor.execute("SELECT * FROM t WHERE id < ?", (7,))
        assert len(cursor.fetchall()) == 7
        db.commit()
    with both.proxy.connect(database=DB) as db, db.cursor() as cursor:
        cursor.execute("SELECT LENGTH('" + "l" * (17 << 20) + "')")
        assert cursor.fetchall() == ((17 << 20,),)
        cursor.execute(f"SELECT REPEAT('r', {20 << 20})")
        cursor.fetchall()
        cursor.execute("SELECT 'last'")
    expected = both.end()
    assert by_session(both.decode().messages.all()) == expected


def test_servers_on_other_ports_are_found_by_their_greeting(sessions):
    both = sessions()
    work(both.proxy.connect(database=DB), 1, statements=5)
    expected = both.end()
    decoded = Decoded(both.capture, both.tmp_path / "found")
    assert by_session(decoded.messages.all()) == expected
    nothing = Decoded(both.capture, both.tmp_path / "other", "--port", "3306")
    assert nothing.messages.all() == [] and nothing.count("other_segments") > 0


# Of a recording's row: what is about the time, and whose it is; and whether the proxy was stopped before it had seen the end.
APART_IN_RECORDINGS = {"session", "started_ns", "started", "duration_ns", "close"}


def recorded(folder):
    """Each connection's rows, without what cannot be the same. The client is to the server who has connected to it: the proxy."""
    sessions = {}
    for rows in Recording(folder).sessions().values():
        kept = [{name: value for name, value in row.items() if name not in APART_IN_RECORDINGS} for row in rows]
        facts = json.loads(kept[0].pop("facts"))
        del facts["client"]
        sessions[facts["connection_id"]] = [facts, *kept]
    return sessions


def test_a_recording_is_the_proxys(sessions):
    folder = lambda name: both.tmp_path / name
    both = sessions()
    both.proxy.stop()
    both.proxy = both.proxies(both.server, "--record", str(folder("by-proxy")))
    work(both.proxy.connect(database=DB), 1, statements=40)
    host, port = both.proxy.address.split(":")
    login = {"host": host, "port": int(port), "user": "app", "password": "app-secret", "database": DB, "ssl_disabled": True, "use_pure": True}
    with mysql.connector.connect(**login) as db, db.cursor(prepared=True) as cursor:
        for n in range(5):
            cursor.execute("SELECT ?, ?", (n, "ü" * n))
            cursor.fetchall()
    both.end()
    decoded = both.decode(None, "--record", str(folder("by-decode")), sinks=False)
    expected = recorded(folder("by-proxy"))
    assert len(expected) == 2 and recorded(folder("by-decode")) == expected
    assert decoded.printed == "" and "recorded" in decoded.log


def test_a_capture_is_done_on_a_second_server(sessions, mysql, mariadb):
    both = sessions()
    second = mariadb if both.server is mysql else mysql
    second.fresh_databases(DB)
    # One after the other: a mirror of a file is as quick as it can be, and sessions do not wait for each other there.
    work(both.proxy.connect(database=DB), 1)
    both.end()
    target = f"mysql://app:app-secret@{second.address}"
    both.decode(None, "--mirror", target, sinks=False)
    assert second.sql(f"SHOW TABLES FROM {DB}") == (), "nothing is written unless that is allowed"
    decoded = both.decode(None, "--mirror", target, "--mirror-allow-writes", sinks=False)
    rows = [server.sql(f"SELECT id, a, b FROM {DB}.t1 ORDER BY id") for server in (both.server, second)]
    assert rows[0] and rows[0] == rows[1], decoded.log


def test_live(server, tmp_path):
    """tcpdump | decode: each statement is there soon after it was made, and the end of the one is that of the other."""
    messages, log = Messages(tmp_path / "live.ndjson"), tmp_path / "log"
    dump = packets.tcpdump("-", server.port)
    try:
        with open(log, "w") as out:
            decode = subprocess.Popen([binary(), "decode", "-", "--port", str(server.port), "--sink", f"ndjson:{messages.path}"],
                                      stdin=dump.stdout, stderr=out, env=environment())
        dump.stdout.close()
        with server.connect() as db, db.cursor() as cursor:
            for n in range(3):
                cursor.execute(f"SELECT 'live {n}'")
                messages.wait(1, lambda message: message["sql"] == f"SELECT 'live {n}'")
        dump.send_signal(signal.SIGINT)
        assert decode.wait(PATIENCE) == 0, log.read_text()
    finally:
        dump.kill()
        dump.wait()
