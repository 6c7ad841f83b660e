"""A known load on one server, recorded by the proxy and captured by tcpdump at the same time; both done again on a second server that had the
same tables at the start, which must then have the same tables at the end."""

import re
import shutil
import sys

import pytest

from harness import PATIENCE, ROOT, missing
from harness.breadth import LONG
from harness.packets import Decoded, Dump
from harness.replay import Replay, recorded

sys.path.append(str(ROOT / "benches"))
from proxybench.sysbench import Account, Load, Sysbench, Tables  # noqa: E402

DB = "known_load"
TABLES = Tables(count=4, rows=10000 if LONG else 2000)
CONNECTIONS = 32
SECONDS = 60
# Of a short run: transactions, of 20 statements each.
EVENTS = () if LONG else ("--events=160",)
MODES = {"text": "disable", "prepared": "auto"}
SERVERS = {"mysql": "mysql", "mariadb": "mariadb", "second mysql": "binlog_mysql", "second mariadb": "binlog_mariadb"}
# Source, target, how statements are sent: of its own kind the target is another server, of the other kind the usual one.
TARGETS = [("mysql", "second mysql"), ("mysql", "mariadb"), ("mariadb", "mysql"), ("mariadb", "second mariadb")]
PAIRS = [(*servers, mode) for servers in TARGETS for mode in MODES]


def chosen(*few):
    return pytest.mark.parametrize("source, target, mode", PAIRS if LONG else few)


class Work:
    """What sysbench did through a recording proxy in front of a server, with tcpdump between the two."""

    def __init__(self, script, mode, source, proxies, tmp_path):
        program = shutil.which("sysbench") or missing("sysbench (integration/servers/install.sh sysbench)")
        sysbench = Sysbench(program, Account("app", "app-secret", DB), TABLES)
        source.fresh_databases(DB)
        # A collation that both kinds of server have.
        source.sql(f"ALTER DATABASE {DB} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
        # The server knows the password from here on: sysbench has not what a first login without TLS takes.
        source.connect().close()
        sysbench.prepare(source.port)
        self.start = source.dump(DB)
        # Its buffer has room for so many packets of the largest size: none of these is larger.
        dump = Dump(tmp_path / "capture.pcap", source.port, options=("-s", "20000"))
        try:
            with recorded(proxies, source, tmp_path / "recording") as proxy:
                client = sysbench.start(Load(script, script, MODES[mode], ""), proxy.port, CONNECTIONS, 1, SECONDS, *EVENTS)
                printed, _ = client.communicate(timeout=SECONDS + PATIENCE)
                assert client.returncode == 0, printed
            capture = dump.stop()
        finally:
            dump.kill()
        decoded = Decoded(capture, tmp_path / "decode", "--port", str(source.port), "--record", str(tmp_path / "captured"), sinks=False)
        assert decoded.count("lost_bytes") == 0, decoded.log
        # A report after the warm-up, if it lasted as long as that, and one at the end.
        self.statements = sum(int(count) for count in re.findall(r"queries: +(\d+)", printed))
        self.recordings = [tmp_path / "recording", tmp_path / "captured"]

    def replayed_on(self, target, *options):
        """Each recording, done again on a server that has the tables of the start."""
        for recording in self.recordings:
            target.load(DB, self.start)
            target.connect().close()
            replay = Replay(recording, target, recording.with_suffix(".replayed"), "--speed=max", *options).wait(timeout=30 * SECONDS)
            # Logins' and preparing statements come to a few more.
            assert replay.report["statements"] >= self.statements and replay.skipped == {}, replay.log
            yield replay


def differences(replay):
    """What differs besides durations. MariaDB prepares BEGIN; MySQL does not, and the player sends it as a text there."""
    return [found for found in replay.report["differences"] if found["class"] != "time" and not
            (found["class"] == "error" and found["example"]["sql"] == "BEGIN" and "error 1295 (HY000)" in (found["expected"], found["observed"]))]


def checksums(server):
    return server.sql("CHECKSUM TABLE " + ", ".join(f"{DB}.sbtest{number + 1}" for number in range(TABLES.count)))


@chosen(("mysql", "second mysql", "text"), ("mariadb", "mysql", "prepared"))
def test_writes_leave_the_same_tables(request, proxies, tmp_path, source, target, mode):
    source, target = (request.getfixturevalue(SERVERS[name]) for name in (source, target))
    work = Work("oltp_read_write", mode, source, proxies, tmp_path)
    for replay in work.replayed_on(target, "--allow-writes", "--commit-order=tables"):
        # Which rows a read sees of what others are changing no order of commits decides.
        assert not [found for found in differences(replay) if found["class"] != "rows"]
        assert checksums(target) == checksums(source)


@chosen(("mysql", "mariadb", "prepared"))
def test_reads_have_the_same_results(request, proxies, tmp_path, source, target, mode):
    source, target = (request.getfixturevalue(SERVERS[name]) for name in (source, target))
    work = Work("oltp_read_only", mode, source, proxies, tmp_path)
    for replay in work.replayed_on(target):
        assert not differences(replay)
