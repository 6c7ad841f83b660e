"""What the integration tests share: servers, the proxy, client programs, messages, raw protocol."""

import os
import pathlib
import subprocess
import time

import pytest

INTEGRATION = pathlib.Path(__file__).resolve().parents[1]
ROOT = INTEGRATION.parent
CACHE = pathlib.Path(os.environ.get("INTERCEPTOR_CACHE") or ROOT / ".cache")
# Seconds until a test gives up on what must come. Much longer than the slowest machine needs: only a failure takes this long.
PATIENCE = 120
REQUIRE_ALL = os.environ.get("REQUIRE_ALL", "") not in ("", "0", "false")


def missing(what, optional=False):
    """Skips the test and says what is not there; fails instead where everything is required (but for the optional)."""
    if REQUIRE_ALL and not optional:
        pytest.fail(f"required but missing: {what}", pytrace=False)
    pytest.skip(f"missing: {what}")


def within(condition, what, seconds=PATIENCE):
    """What the condition returns as soon as that is true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.05)
    return found


def run(command, **options):
    """Runs a command to its end and returns it; its output is captured as text."""
    options.setdefault("timeout", 300)
    return subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def file_system(folder, kilobytes):
    """A small file system, for a fixture: it is there until the test is over."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here (needs root)")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
