"""Chromium without a screen, told what to do through its DevTools protocol over two pipes: no port, no driver, no package."""

import base64
import json
import os
import pathlib
import select
import shutil
import subprocess
import time

from harness import missing

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


class Browser:
    """One browser for several pages."""

    def __init__(self, folder):
        program = next(filter(None, map(shutil.which, NAMES)), None)
        if program is None:
            missing("Chromium: integration/servers/install.sh browser")
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        # The browser reads commands from descriptor 3 and writes to 4. Root, as in a container, has no sandbox.
        script = f'exec "$@" 3<&{to_browser} 4>&{from_browser}'
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
                   "--disable-background-networking", "--remote-debugging-pipe", f"--user-data-dir={folder}", "about:blank"]
        self.log = open(pathlib.Path(folder).with_suffix(".log"), "w+b")
        self.process = subprocess.Popen(["bash", "-c", script, "bash", program, *options], stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log, pass_fds=(to_browser, from_browser))
        os.close(to_browser)
        os.close(from_browser)
        self._buffer, self._number, self.events = b"", 0, []

    def call(self, method, session=None, **params):
        """What a command of the protocol is answered."""
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        os.write(self._out, json.dumps(message).encode() + b"\0")
        return self._until(lambda message: message.get("id") == number)["result"]

    def wait_for(self, method, session):
        """The next event of this name, which may have come already."""
        for at, event in enumerate(self.events):
            if event["method"] == method and event.get("sessionId") == session:
                return self.events.pop(at)
        return self._until(lambda message: message.get("method") == method and message.get("sessionId") == session)

    def _until(self, is_it, patience=60):
        deadline = time.monotonic() + patience
        while True:
            while b"\0" in self._buffer:
                line, self._buffer = self._buffer.split(b"\0", 1)
                message = json.loads(line)
                if "error" in message:
                    raise AssertionError(message["error"])
                if is_it(message):
                    return message
                if "method" in message:
                    self.events.append(message)
            if not select.select([self._in], [], [], max(0, deadline - time.monotonic()))[0]:
                raise TimeoutError(self.tail())
            chunk = os.read(self._in, 1 << 20)
            if not chunk:
                raise ConnectionError(self.tail())
            self._buffer += chunk

    def tail(self):
        self.log.seek(0)
        return self.log.read()[-2000:].decode("utf-8", "replace")

    def open(self, url, width=1400, height=1000, dark=False):
        return Page(self, url, width, height, dark)

    def close(self):
        self.process.terminate()
        self.process.wait(timeout=20)
        os.close(self._in)
        os.close(self._out)
        self.log.close()


class Page:
    """One page, and whatever it complained about or asked the network for."""

    def __init__(self, browser, url, width, height, dark):
        self.browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.target = target
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.size(width, height)
        scheme = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.go(url)

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def go(self, url):
        self.call("Page.navigate", url=str(url))
        self.browser.wait_for("Page.loadEventFired", self.session)

    def size(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def js(self, expression):
        """The value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def click(self, selector):
        assert self.js(f"(() => {{ const node = document.querySelector({json.dumps(selector)}); node?.click(); return !!node }})()"), selector

    def type(self, selector, text):
        """Puts the text into a field by the keyboard."""
        self.js(f"(() => {{ const field = document.querySelector({json.dumps(selector)}); field.focus(); field.select(); }})()")
        self.call("Input.insertText", text=text)

    def texts(self, selector):
        return self.js(f"[...document.querySelectorAll({json.dumps(selector)})].map((node) => node.textContent)")

    def screenshot(self, path, whole=True):
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        pathlib.Path(path).write_bytes(base64.b64decode(shot["data"]))

    def _mine(self, *methods):
        return [event["params"] for event in self.browser.events if event["method"] in methods and event.get("sessionId") == self.session]

    def complaints(self):
        """Errors and warnings of the console, exceptions, and what the page's policy refused."""
        self.js("1")
        calls = [call for call in self._mine("Runtime.consoleAPICalled") if call["type"] in ("error", "warning", "assert")]
        return calls + self._mine("Runtime.exceptionThrown", "Log.entryAdded")

    def requests(self):
        """The addresses that the page asked for."""
        self.js("1")
        return [request["request"]["url"] for request in self._mine("Network.requestWillBeSent")]

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)
