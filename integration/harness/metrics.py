"""What `--metrics` serves, and a real Prometheus that scrapes it."""

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

from . import CACHE, PATIENCE, missing, run, within


def program(name):
    """`prometheus` or `promtool`, as installed or as install.sh has unpacked it."""
    unpacked = CACHE.resolve() / "prometheus/usr/bin" / name
    found = shutil.which(name) or (str(unpacked) if unpacked.exists() else None)
    return found or missing(f"{name} (integration/servers/install.sh prometheus)")


class Pages:
    """The pages of a program that was started with `--metrics 127.0.0.1:0`."""

    def __init__(self, process):
        self.url = within(lambda: re.search(r"metrics at (http://\S+)/metrics", process.log), "the address is logged").group(1)
        self.address = self.url.removeprefix("http://")

    def get(self, path, method="GET"):
        """Status and body."""
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, method=method), timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read().decode()

    def values(self):
        """Every sample, by its name with its labels."""
        status, text = self.get("/metrics")
        assert status == 200, text
        samples = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
        found = {name: float(value) for name, value in samples}
        assert len(found) == len(samples), "a sample is there twice"
        return found

    def total(self, name, *labels):
        """The sum of a metric's samples that have these labels."""
        of_name = {key: value for key, value in self.values().items() if key.split("{")[0] == f"mysql_interceptor_{name}"}
        assert of_name, f"there is no {name}"
        return sum(value for key, value in of_name.items() if all(label in key for label in labels))

    def ready(self, wanted, pattern=""):
        """Waits until /readyz says so."""
        def says():
            status, text = self.get("/readyz")
            return status == wanted and re.search(pattern, text)
        within(says, f"/readyz says {wanted} {pattern}")

    def lint(self):
        """What promtool has to say, which should be nothing."""
        done = run([program("promtool"), "check", "metrics"], input=self.get("/metrics")[1])
        assert done.returncode == 0 and not done.stdout and not done.stderr, done.stdout + done.stderr


class Prometheus:
    """A server that scrapes these addresses every second."""

    def __init__(self, folder, *addresses):
        folder.mkdir()
        config = {"global": {"scrape_interval": "1s"},
                  "scrape_configs": [{"job_name": "mysql-interceptor", "static_configs": [{"targets": list(addresses)}]}]}
        (folder / "prometheus.yml").write_text(json.dumps(config))
        # It does not say which port it got.
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = "127.0.0.1:%d" % free.getsockname()[1]
        self.url, self.log = f"http://{address}", folder / "log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([program("prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                                             f"--web.listen-address={address}"], stdout=log, stderr=log)
        within(self._is_ready, "Prometheus is ready")

    def _is_ready(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=PATIENCE) as answer:
                return answer.status == 200
        except OSError:
            return False

    def ask(self, path, **query):
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=PATIENCE) as answer:
            return json.load(answer)["data"]

    def query(self, expression):
        """The value of each series that the expression gives."""
        return self.ask("query", query=expression, time=time.time())["result"]

    def targets(self):
        return self.ask("targets")["activeTargets"]

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
