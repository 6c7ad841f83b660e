"""Which statements are left out: the proxy's choice is held against one made here, by the rules as the documents state them."""

import fnmatch
import ipaddress
import random

import pytest

from harness.breadth import seeds
from harness.proxy import AS_SENT

ERROR = "SELECT nothing FROM nowhere"
STATEMENTS = {"SELECT 1": "select", "INSERT INTO filtered.t VALUES (1)": "insert", "DELETE FROM filtered.t": "delete", "USE filtered": "use",
              "SET @a = 1": "set", "SHOW DATABASES": "show", "CREATE TABLE IF NOT EXISTS filtered.u (a INT)": "ddl",
              "ANALYZE TABLE filtered.t": "admin", "DO 1": "other", "PREPARE p FROM 'SELECT 2'": "prepare", "EXECUTE p": "select", ERROR: "select"}
# With what the driver sends of its own accord.
KINDS = {**STATEMENTS, "SET NAMES utf8mb4": "set", "SET AUTOCOMMIT = 1": "set", "SELECT 2": "select"}


@pytest.fixture(scope="module")
def table(mysql):
    mysql.sql("DROP DATABASE IF EXISTS filtered", "CREATE DATABASE filtered", "CREATE TABLE filtered.t (a INT)",
              "GRANT ALL ON filtered.* TO app")
    yield mysql
    mysql.sql("DROP DATABASE filtered")


def session(proxy, statements):
    """Runs them; what failed is no matter here."""
    with proxy.connect(autocommit=True) as connection:
        cursor = connection.cursor()
        for sql in statements:
            try:
                cursor.execute(sql)
            except Exception:  # noqa: BLE001 - what the server thinks of it is in the message
                pass


def holds(criterion, message, kind):
    key, value = criterion.split("=", 1)
    of = {"user": message["user"], "database": message["stmtDbName"] or "", "kind": kind}
    if key == "client":
        return ipaddress.ip_address("127.0.0.1") in ipaddress.ip_network(value)
    return fnmatch.fnmatchcase(of[key], value)


def kind_of(message):
    """EXECUTE of what no PREPARE of this session named, which is an error, is `prepare`."""
    return "prepare" if message["sql"] == "EXECUTE p" and message["errorMessage"] else KINDS[message["sql"]]


def wanted(message, only, skip, keep_errors):
    if message["errorMessage"] and keep_errors:
        return True
    kind = kind_of(message)
    keys = {criterion.split("=")[0] for criterion in only}
    return (all(any(holds(c, message, kind) for c in only if c.startswith(key + "=")) for key in keys)
            and not any(holds(c, message, kind) for c in skip))


@pytest.mark.parametrize("seed", seeds(4))
def test_a_choice(table, proxies, seed):
    dice = random.Random(seed)
    pool = ["user=app", "user=a*", "user=root", "database=", "database=filtered", "database=f*d", "client=127.0.0.0/8", "client=::1",
            *(f"kind={kind}" for kind in sorted(set(STATEMENTS.values())))]
    only = dice.sample(pool, dice.randrange(0, 4))
    skip = dice.sample(pool, dice.randrange(0, 4))
    keep_errors = dice.random() < 0.5
    options = [option for criterion in only for option in ("--only", criterion)]
    options += ["--skip", ",".join(skip)] if skip else []
    # Two in a chain: the one in front sees everything that the other one does.
    behind = proxies(table, *options, f"--keep-errors={str(keep_errors).lower()}", *AS_SENT)
    front = proxies(behind.address, *AS_SENT)
    run = [dice.choice(list(STATEMENTS)) for _ in range(40)]
    session(front, run)
    front.stop()
    behind.stop()
    key = lambda message: (message["executionCount"], message["sql"])  # noqa: E731
    seen = front.messages.all()
    expected = [key(message) for message in seen if wanted(message, only, skip, keep_errors)]
    assert len(seen) >= 40
    assert [key(message) for message in behind.messages.all()] == expected, (only, skip, keep_errors)
    assert behind.counter("filtered_statements") == len(seen) - len(expected)
    assert behind.counter("statements") == len(seen)


def test_slow_ones_and_errors(table, proxies):
    proxy = proxies(table, "--min-duration", "0.15", "--buffer-until-commit=false")
    session(proxy, ["SELECT 1", "SELECT SLEEP(0.3)", ERROR, "DO SLEEP(0.2)"])
    proxy.stop()
    assert [message["sql"] for message in proxy.messages.all()] == ["SELECT SLEEP(0.3)", ERROR, "DO SLEEP(0.2)"]


def test_a_sample_is_of_whole_sessions(table, proxies):
    proxy = proxies(table, "--sample", "0.5", "--sample-seed", "3", "--buffer-until-commit=false")
    for _ in range(40):
        session(proxy, ["SELECT 1", ERROR, "SELECT 1"])
    proxy.stop()
    by_session = {}
    for message in proxy.messages.all():
        by_session.setdefault(message["connectionId"], []).append(message)
    # An error of each, and all or nothing of the rest.
    whole = [messages for messages in by_session.values() if len(messages) > 1]
    assert len(by_session) == 40 and 8 <= len(whole) <= 32
    assert len({len(messages) for messages in whole}) == 1
    assert all(messages[0]["errorMessage"] for messages in by_session.values() if len(messages) == 1)


@pytest.mark.parametrize("option, said", [
    ("--only=app", "has no '='"), ("--skip=host=x", "'host' is nothing that statements are chosen by"),
    ("--only=client=10.0.0.0/33", "neither an address nor a network"), ("--only=kind=selects", "these are: select, insert"),
    ("--sample=2", "from 0 to 1"), ("--min-duration=soon", "expected seconds")])
def test_what_is_no_filter_is_refused(mysql, proxies, option, said):
    with pytest.raises(AssertionError) as refused:
        proxies(mysql, option)
    assert option.split("=")[0] in str(refused.value) and said in str(refused.value)
