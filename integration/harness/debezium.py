"""Debezium's own engine (integration/debezium), to compare with."""

import json
import subprocess
import time

from . import CACHE, INTEGRATION, PATIENCE, missing
from .binlog import PASSWORD, USER

CONNECTORS = {"mysql": "io.debezium.connector.mysql.MySqlConnector", "mariadb": "io.debezium.connector.mariadb.MariaDbConnector"}


class Engine:
    """The engine on a server, with the connector's own options but for what a test says."""

    def __init__(self, server, folder, database, options):
        libraries = CACHE.resolve() / "debezium" / server.flavor
        if not libraries.is_dir():
            missing("Debezium (integration/servers/install.sh debezium)")
        folder.mkdir(parents=True, exist_ok=True)
        self.out, self.log_path = folder / "events", folder / "log"
        properties = {
            "name": "engine", "connector.class": CONNECTORS[server.flavor], "topic.prefix": "dbz", "database.server.id": 900_000 + server.port,
            "database.hostname": server.host, "database.port": server.port, "database.user": USER, "database.password": PASSWORD,
            "database.include.list": database, "snapshot.mode": "no_data", "poll.interval.ms": 50,
            "offset.storage": "org.apache.kafka.connect.storage.MemoryOffsetBackingStore", "offset.flush.interval.ms": 3_600_000,
            "schema.history.internal": "io.debezium.relational.history.MemorySchemaHistory", "converter.schemas.enable": "true",
            # What its parser does not know it has no events of.
            "schema.history.internal.skip.unparseable.ddl": "true", "inconsistent.schema.handling.mode": "skip",
            "event.processing.failure.handling.mode": "warn",
            **options,
        }
        (folder / "properties").write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        command = ["java", "-Xmx400m", "-XX:TieredStopAtLevel=1", "-cp", f"{libraries}/*", str(INTEGRATION / "debezium/Engine.java"), str(folder / "properties")]
        with open(self.out, "wb") as out, open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=log)

    def events(self):
        """(topic, key, value) of whole lines."""
        def read(text):
            return None if text == "null" else json.loads(text)
        lines = self.out.read_text(encoding="utf-8").split("\n")[:-1]
        return [(topic, read(key), read(value)) for topic, key, value in (line.split("\t") for line in lines)]

    def wait(self, found, act=lambda: None, timeout=6 * PATIENCE):
        """Until its text has that; `act` is done again and again meanwhile."""
        end = time.monotonic() + timeout
        while found not in self.out.read_text(encoding="utf-8"):
            assert self.process.poll() is None, self.log_path.read_text(errors="replace")[-3000:]
            assert time.monotonic() < end, f"no {found!r} after {timeout} s:\n{self.log_path.read_text(errors='replace')[-3000:]}"
            act()
            time.sleep(0.3)

    def close(self):
        """It ends when its standard input does."""
        self.process.stdin.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
