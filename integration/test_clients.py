"""Real clients: what they see is the same with and without the proxy, and each of their statements is a message.

Two witnesses besides the client's own output: what the client program says that it sent (--expect), and the server's general log.
"""

import json
import re

import pymysql
import pytest

from harness import clients
from harness.breadth import sample
from harness.proxy import AS_SENT

USER, PASSWORD = "ct", "ct-secret"
# Every way of use, with and without TLS, and every driver with every server. A long run takes all combinations of these.
CASES = sample([(client, flavor, tls) for client in clients.ALL for flavor in client.servers for tls in ((False, True) if client.tls else (False,))],
               lambda case: {(case[0].name, case[2]), (case[0].build, case[1])})
IDS = [f"{client.name}-{flavor}-{'tls' if tls else 'plain'}" for client, flavor, tls in CASES]


def logged_run(server, client, host, port, tls, expect=None, log=True):
    """One run of the client with a new account and new databases; and what the server saw of it."""
    server.fresh_user(USER, PASSWORD)
    server.fresh_databases("ct", "ct2")
    if client.warm and not tls and server.flavor == "mysql":
        pymysql.connect(host=server.host, port=server.port, user=USER, password=PASSWORD, ssl_disabled=True).close()
    if log:
        server.general_log_on()
    done = client.run(host, port, USER, PASSWORD, "ct", tls, expect)
    return done, server.general_log_off(USER) if log else None


def commands(log):
    return [(entry.command, entry.length, entry.argument) for entry in log if entry.command != "Connect"]


def plain(text):
    """A text without what a general log writes in its own way: characters beyond ASCII and bytes that are not characters."""
    return re.sub(r"(?:\\x[0-9A-Fa-f]{2}|[^\x20-\x7e\n\t]|\?)+", "*", text)


def same(message, entry):
    ours, logged = message["sql"].strip().rstrip(";").strip(), entry.argument.strip().rstrip(";").strip()
    if entry.length > 100_000:
        return plain(ours[:50_000]) == plain(logged[:50_000])
    return plain(ours) == plain(logged)


def same_bound(message, entry):
    """The log has a prepared statement's text with the values in place of its `?`."""
    pieces = [re.escape(piece) for piece in re.split(r"\?", message["sql"].strip())]
    return re.fullmatch(".*?".join(pieces), entry.argument.strip(), re.S) is not None if entry.length <= 100_000 else \
        re.match(pieces[0], entry.argument.strip()) is not None


def piece_of(message, rest):
    """What remains of a multi-statement text after this message's statement, or None if it does not begin with it."""
    text = plain(message["sql"].strip())
    rest = rest.lstrip(" \t\r\n;")
    return rest[len(text):] if rest.startswith(text) else None


def check_against_log(messages, log):
    """Every command of the log has its messages, in its order, and there are no others. A message with an error may be of a prepare
    that failed, which is not in the log."""
    assert {m["connectionId"] for m in messages} <= {entry.thread for entry in log}
    for thread in {entry.thread for entry in log}:
        left = [m for m in messages if m["connectionId"] == thread]
        for entry in (e for e in log if e.thread == thread and e.command in ("Query", "Execute")):
            if entry.command == "Execute" and "AS inner_p" in entry.argument:
                continue  # what the SQL statement EXECUTE ran, which is in the log as well
            if entry.command == "Query":
                matches = lambda m: same(m, entry) or (";" in entry.argument and piece_of(m, plain(entry.argument)) is not None)
            else:
                matches = lambda m: same_bound(m, entry)
            while left and not matches(left[0]) and left[0]["errorMessage"]:
                left.pop(0)
            if entry.command == "Query" and left and left[0]["errorMessage"] and len(left) > 1 and left[1]["sql"] == left[0]["sql"] and not left[1]["errorMessage"]:
                left.pop(0)  # cannot be prepared, so the driver sends it as text
            assert left, f"no message for {entry.command} {entry.argument[:300]!r}"
            assert matches(left[0]), f"the log has {entry.command} {entry.argument[:300]!r}, the next message {left[0]['sql'][:300]!r}"
            if entry.command == "Query" and not same(left[0], entry):
                rest, failed = plain(entry.argument), False
                while rest.strip(" \t\r\n;") and not failed:
                    assert left, f"no message for the rest {rest[:300]!r} of a multi-statement"
                    after = piece_of(left[0], rest)
                    assert after is not None, f"the rest of a multi-statement is {rest[:300]!r}, the next message {left[0]['sql'][:300]!r}"
                    rest, failed = after, left.pop(0)["errorMessage"] is not None
            else:
                # One command, but a message per parameter set, of which the last has the duration.
                while entry.command == "Execute" and left[0]["durationNs"] is None:
                    left.pop(0)
                    assert left and matches(left[0]), "a batch without an end"
                left.pop(0)
        extra = [m for m in left if not m["errorMessage"]]
        assert not extra, f"messages of statements that the server's log has not: {[m['sql'][:300] for m in extra]}"


def matches_text(expected, seen):
    if isinstance(expected, dict):
        return seen is not None and seen.startswith(expected["prefix"])
    if expected in ("START TRANSACTION", "COMMIT", "ROLLBACK"):  # drivers' own texts: some are in lower case, some end in a space
        return seen is not None and seen.strip().upper() == expected
    return expected == seen


def number(text):
    """Floats may be written in several ways that mean the same."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def matches_param(expected, seen):
    if matches_text(expected, seen):
        return True
    if isinstance(expected, str) and isinstance(seen, str) and ("e" in expected or "." in expected) and number(expected) is not None:
        return number(expected) == number(seen)
    if isinstance(expected, str) and isinstance(seen, str) and re.fullmatch(r"[-\d: .]+", expected):
        # A time or date-time may have been bound as text, or with a midnight that the client left out.
        return expected.removesuffix(" 00:00:00") == seen.removesuffix(" 00:00:00")
    return False


def check_expectations(messages, expectations):
    at = 0
    for expected in expectations:
        if expected["sql"] is None:
            continue
        start = at
        while at < len(messages) and not (matches_text(expected["sql"], messages[at]["sql"])
                                          and bool(messages[at]["errorMessage"]) == (expected["error"] is not None)):
            at += 1
        assert at < len(messages), (f"no message after the {start}th for {json.dumps(expected)[:600]}; next is "
                                    f"{json.dumps(messages[start])[:900] if start < len(messages) else 'none'}")
        message = messages[at]
        at += 1
        if expected["error"] is not None:
            if expected["error"] > 0:
                assert message["errorMessage"].startswith(f"ERROR {expected['error']} ("), message["errorMessage"]
            assert message["updateCount"] == 0
            continue
        if expected["count"] is not None:
            assert message["updateCount"] == expected["count"], f"{message['sql'][:300]}: {message['updateCount']} not {expected['count']}"
        if expected["params"] is None:
            assert message["queryParams"] is None, f"{message['sql'][:300]}: {message['queryParams']}"
        else:
            seen = message["queryParams"]
            assert seen is not None and len(seen) == len(expected["params"]), f"{message['sql'][:300]}: {seen} not {expected['params']}"
            for index, (ours, theirs) in enumerate(zip(seen, expected["params"])):
                assert matches_param(theirs, ours), f"{message['sql'][:300]}: parameter {index} is {ours!r:.300}, bound was {theirs!r:.300}"


# The first case of a client builds it, which may take minutes; what a client does has a limit of its own (harness/clients.py).
@pytest.mark.timeout(1000)
@pytest.mark.parametrize("client,flavor,tls", CASES, ids=IDS)
def test_client(client, flavor, tls, request, proxies, tmp_path):
    server = request.getfixturevalue(flavor)
    # Logging 20 MiB takes its time: what a driver sends is the same with and without TLS, so once is enough.
    direct, direct_log = logged_run(server, client, server.host, server.port, tls, log=not tls)
    assert direct.returncode == 0, f"the client fails without the proxy too:\n{direct.stdout[-1500:]}{direct.stderr[-1500:]}"

    # The server's log has what is rolled back, too.
    proxy = proxies(server, *AS_SENT)
    expect = tmp_path / "expect"
    through, through_log = logged_run(server, client, proxy.host, proxy.port, tls, expect)
    proxy.stop()
    assert through.returncode == 0, f"{through.stdout[-1500:]}{through.stderr[-1500:]}\n{proxy.log[-1500:]}"
    assert through.stdout.splitlines() == direct.stdout.splitlines()
    assert through.stdout == direct.stdout
    if direct_log is not None:
        assert commands(through_log) == commands(direct_log), "the server got other commands than without the proxy"

    messages = proxy.messages.all()
    check_against_log(messages, through_log)
    check_expectations(messages, [json.loads(line) for line in expect.read_text().splitlines()])
    for message in messages:
        assert message["user"] == USER and message["dbName"] == "ct" and message["serverHost"] == server.address
        assert message["iFlags"] & ~(1 << 25 | 1 << 26) == 9 and message["timestamp"] > 1_600_000_000_000
    for thread in {m["connectionId"] for m in messages}:
        mine = [m["executionCount"] for m in messages if m["connectionId"] == thread]
        assert mine == list(range(1, len(mine) + 1))
    assert proxy.counter("dropped") == 0 and proxy.counter("observer_lost_sessions") == 0


def test_every_client_is_known():
    """A row per way of use: names are unique, so that a skip or a failure says which."""
    names = [client.name for client in clients.ALL]
    assert len(names) == len(set(names))
