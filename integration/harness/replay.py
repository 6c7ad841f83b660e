"""Recordings through the proxy, and replays of them."""

import contextlib
import json
import signal
import subprocess
import threading

from . import PATIENCE
from .proxy import binary, environment


@contextlib.contextmanager
def recorded(proxies, server, folder, *options):
    """A proxy that records; when the block ends, so does the recording."""
    proxy = proxies(server, "--record", folder, *options)
    yield proxy
    proxy.signal(signal.SIGTERM)
    assert proxy.wait() == 0, proxy.log


class Replay:
    """A replay that runs, or ran."""

    def __init__(self, recording, target, folder, *options, url=None, user="app", password="app-secret"):
        folder.mkdir(parents=True, exist_ok=True)
        self.dir = folder / "report"
        url = url or f"mysql://{user}:{password}@{target.address}"
        command = [binary(), "replay", str(recording), "--target", url]
        if "--check" not in options:
            command += ["--report", str(self.dir)]
        self.process = subprocess.Popen(command + [str(option) for option in options], stdin=subprocess.DEVNULL, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())

    def wait(self, code=0, timeout=PATIENCE * 4):
        try:
            self.out, self.log = self.process.communicate(timeout=timeout)
        finally:
            self.process.kill()
        assert "panicked" not in self.log, self.log
        assert self.process.returncode == code, f"{self.process.returncode}: {self.out}\n{self.log}"
        return self

    @property
    def report(self):
        return json.loads((self.dir / "report.json").read_text())

    @property
    def classes(self):
        """How many statements differ, by class."""
        return {name: found["count"] for name, found in self.report["classes"].items()}

    @property
    def skipped(self):
        return self.report["skipped"]


def at_once(jobs):
    """Runs each in a thread of its own, and fails if one does."""
    failures = []

    def guarded(job):
        try:
            job()
        except Exception as error:  # whatever it is, the test fails by it
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
