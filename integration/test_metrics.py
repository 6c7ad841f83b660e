"""`--metrics`: what it says of real traffic, whether it is ready, and what a real Prometheus makes of it."""

import json
import re
import socket

import pymysql
import pytest

from harness import ROOT, within
from harness.binlog import source
from harness.metrics import Pages, Prometheus
from harness.proxy import once

DB = "metrics"
SERVE = ["--metrics", "127.0.0.1:0"]
BOARD = ROOT / "docker/grafana/mysql-interceptor.json"


@pytest.fixture
def scraped(tmp_path):
    """Starts a Prometheus that scrapes."""
    started = []

    def start(*pages):
        started.append(Prometheus(tmp_path / "prometheus", *(page.address for page in pages)))
        return started[-1]

    yield start
    for prometheus in started:
        prometheus.stop()


def expressions(board):
    """Every query of the board, as Prometheus gets it."""
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")


def test_proxy_and_binlog_in_a_real_prometheus(mysql, binlog_mysql, proxies, binlogs, scraped):
    """promtool has nothing to say, the values are those of the traffic while its sessions are open, and each query of the board finds
    the metrics that it names."""
    binlog_mysql.fresh_databases(DB)
    proxy = proxies(mysql, *SERVE, "--on-unobservable", "close")
    binlog = binlogs("--source", source(binlog_mysql), "--from", "oldest", *SERVE, env={"MYSQL_PWD": "app-secret"})
    pages, tail = Pages(proxy), Pages(binlog)
    with proxy.connect() as db, db.cursor() as cursor, binlog_mysql.root(database=DB) as writer:
        for number in range(25):
            cursor.execute(f"SELECT {number}")
        cursor.execute("SELECT SLEEP(0.3)")
        writer.execute("CREATE TABLE t (v INT)")
        writer.execute("INSERT INTO t VALUES (1), (2), (3)")
        # The session is still open.
        within(lambda: pages.total("sink_delivered_messages_total") >= 26, "all messages are delivered")
        within(lambda: tail.total("binlog_rows_total") >= 3 and tail.total("binlog_lag_seconds") == 0, "the rows have come")
        pages.lint()
        tail.lint()
        values = pages.values()
        assert values["mysql_interceptor_sessions_open"] == values["mysql_interceptor_connections_total"] == 1
        statements = values["mysql_interceptor_statements_total"]
        assert statements == values["mysql_interceptor_statement_duration_seconds_count"] >= 26
        slow = values['mysql_interceptor_statement_duration_seconds_bucket{le="0.5"}'] - values['mysql_interceptor_statement_duration_seconds_bucket{le="0.25"}']
        assert slow == 1 and 0.3 <= values["mysql_interceptor_statement_duration_seconds_sum"] < 30
        assert values['mysql_interceptor_forwarded_bytes_total{direction="to_server"}'] > 25 * len("SELECT 1")
        assert pages.total("sink_lag_messages") == pages.total("sink_lag_bytes") == pages.total("sink_lag_seconds") == 0
        assert pages.total("sink_up") == 1 and pages.total("sink_dropped_messages_total") == 0
        for page in (pages, tail):
            page.ready(200, "^ready$")
            assert page.get("/healthz") == (200, "ok\n") and page.get("/metrics", "POST")[0] == 405 and page.get("/")[0] == 404
            assert page.get("/metrics", "HEAD") == (200, "")
        prometheus = scraped(pages, tail)
        wanted = {page.address for page in (pages, tail)}
        seen = lambda: {series["metric"]["instance"] for series in prometheus.query("count_over_time(up[1m]) > 2") if int(series["value"][1])}
        within(lambda: seen() == wanted, "both are scraped")
        assert all(target["health"] == "up" for target in prometheus.targets()), prometheus.targets()
        [series] = prometheus.query("mysql_interceptor_statements_total")
        assert float(series["value"][1]) == statements
        # Every metric of every query is there, and every query is one.
        board = json.loads(BOARD.read_text())
        names = set(re.findall(r"(?m)^([a-z_]+)(?=[{ ])", pages.get("/metrics")[1] + tail.get("/metrics")[1]))
        # There is neither Kafka nor a spool here: docs/metrics.md is made of the same list as the page.
        names |= set(re.findall(r"`(mysql_interceptor_(?:kafka|spool)_\w+)`", (ROOT / "docs/metrics.md").read_text()))
        count = 0
        for title, expression in expressions(board):
            used = set(re.findall(r"\b(?:mysql_interceptor|process)_\w+", expression))
            assert used and used <= names, f"{title}: {used - names}"
            # Nothing is dropped here.
            is_empty = expression.endswith("> 0") or any(name.startswith(("mysql_interceptor_kafka_", "mysql_interceptor_spool_")) for name in used)
            assert bool(prometheus.query(expression)) != is_empty, f"{title}: {expression}"
            count += 1
        assert count > 40
        said = re.findall(r"```promql\n(.*?)```", (ROOT / "docs/metrics.md").read_text(), re.S)[0]
        for alert in said.splitlines():
            assert not prometheus.query(alert), alert
    proxy.stop()
    assert proxy.counter("statements") == statements


def test_the_board_is_one():
    """Grafana itself is no package of Debian's: its shape, as the schema of version 38 has it."""
    board = json.loads(BOARD.read_text())
    assert board["schemaVersion"] >= 38 and board["uid"] and board["title"]
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    variables = {variable["name"] for variable in board["templating"]["list"]}
    places = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert 0 <= place["x"] and place["x"] + place["w"] <= 24
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & places, f"{panel['title']} lies on another panel"
        places |= cells
        if panel["type"] == "row":
            continue
        assert panel["type"] in ("timeseries", "stat", "heatmap") and panel["targets"] and panel["fieldConfig"]["defaults"]["unit"]
        for target in panel["targets"]:
            used = set(re.findall(r"\$\{?(\w+)", target["expr"] + target["datasource"]["uid"]))
            assert used <= variables | {"__rate_interval"}, used
            # Several processes on one board: what is not added up says whose it is.
            assert target["legendFormat"] and ("{{instance}}" in target["legendFormat"] or re.search(r"\b(sum|max)\b", target["expr"])), panel["title"]


def test_readiness_of_the_proxy(mysql, proxies, door):
    """Not ready without its server, and while it stops; a look at the server is no login, so it is rare."""
    door.to = mysql.address
    proxy = proxies(door.address, *SERVE)
    pages = Pages(proxy)
    pages.ready(200)
    looked = door.accepted
    for _ in range(50):
        pages.ready(200)
    assert looked <= door.accepted <= looked + 2
    door.shut()
    pages.ready(503, f"server {door.address} cannot be reached")
    assert pages.get("/healthz")[0] == 200
    door.open()
    # A client finds out first.
    with proxy.connect() as db, db.cursor() as cursor:
        pages.ready(200)
        cursor.execute("SELECT 1")
    assert pages.total("upstream_failures_total") == 0


def test_a_sink_that_is_stuck_is_named(mysql, proxies):
    """No broker answers: after ten seconds beyond the linger /readyz names the sink, and the metrics say how much waits."""
    proxy = proxies(mysql, *SERVE, "--drain-timeout", 1, sinks=[],
                    env={"INTERCEPTOR_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "INTERCEPTOR_KAFKA_LINGER_MS": "50"})
    pages = Pages(proxy)
    pages.ready(200)
    with proxy.connect() as db, db.cursor() as cursor:
        cursor.execute("SELECT 'it waits'")
    within(lambda: pages.total("sink_lag_messages") == proxy_messages(pages), "the messages wait")
    assert pages.total("sink_up") == 1 and pages.ready(200) is None
    pages.ready(503, "^sink kafka is stuck: [0-9]+ messages wait, the oldest for 1[0-9] s")
    assert pages.total("sink_up") == 0 and pages.total("sink_lag_seconds") > 10 and pages.total("sink_lag_bytes") > 400
    assert pages.total("kafka_unacknowledged_messages") == proxy_messages(pages) and pages.total("kafka_errors_total") > 0
    assert pages.get("/healthz")[0] == 200
    pages.lint()


def test_what_waits_in_the_spool(mysql, proxies, tmp_path):
    """No broker answers and the queue is small: what only the spool has counts in the lag, after another start too; a full spool is not ready."""
    options = [*SERVE, "--spool", tmp_path / "spool", "--spool-full", "error", "--spool-max-bytes", "4MiB", "--publish-queue-maxsize", 5, "--kafka-buffer-memory", 2000,
               "--drain-timeout", 1]
    start = lambda: proxies(mysql, *options, sinks=[],
                            env={"INTERCEPTOR_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "INTERCEPTOR_KAFKA_LINGER_MS": "50"})
    proxy = start()
    pages = Pages(proxy)
    with proxy.connect() as db, db.cursor() as cursor:
        for number in range(60):
            cursor.execute(f"SELECT {number}")
    within(lambda: pages.total("sink_lag_messages") == pages.total("statements_total") >= 60, "all messages wait")
    waiting, queued = pages.total("sink_lag_messages"), pages.total("sink_queued_messages_total")
    assert 0 < queued < 30 and pages.total("sink_lag_bytes") > 60 * 400 and pages.total("sink_lag_seconds") < 60
    assert 60 * 400 < pages.total("spool_bytes") < pages.total("spool_limit_bytes") == 4 << 20 and pages.total("spool_full") == 0
    pages.lint()
    proxy.kill()
    proxy = start()
    pages = Pages(proxy)
    within(lambda: pages.total("sink_lag_messages") == waiting, "they wait after another start")
    with proxy.connect() as db, db.cursor() as cursor, pytest.raises(pymysql.MySQLError):
        for number in range(100):
            cursor.execute(f"SELECT LENGTH('{'x' * 100_000}')")
    pages.ready(503, "^the spool is full")
    assert pages.total("spool_full") == 1 <= pages.total("spool_filled_total") and pages.total("refused_requests_total") > 0


def proxy_messages(pages):
    return pages.total("sink_queued_messages_total") or -1


def test_a_port_that_is_taken(mysql):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        for command in (["proxy", "--listen", "127.0.0.1:0", "--upstream", mysql.address], ["binlog", "--source", source(mysql)]):
            done = once(*command, "--metrics", address, env={"MYSQL_PWD": "app-secret"})
            assert done.returncode == 1 and re.search(rf"^error: cannot serve metrics on {address}: Address already in use .*--metrics", done.stderr, re.M), done.stderr
    done = once("proxy", "--metrics", "9104")
    assert done.returncode == 2 and "--metrics" in done.stderr, done.stderr


def test_readiness_of_binlog(binlog_mysql, binlogs, door):
    """Not ready while its source is away."""
    door.to = binlog_mysql.address
    binlog = binlogs("--source", f"mysql://app@{door.address}", "--from", "now", *SERVE, env={"MYSQL_PWD": "app-secret"})
    pages = Pages(binlog)
    pages.ready(200)
    assert pages.total("binlog_connected") == 1
    door.shut()
    pages.ready(503, "the source is not read: ")
    assert pages.total("binlog_connected") == 0
    door.open()
    pages.ready(200)
