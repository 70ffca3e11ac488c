"""A headless Chromium over its DevTools pipe: opens a page, looks at it. No other package needed."""
import itertools
import json
import os
import select
import shutil
import subprocess
import time

from support import wait_for

CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")


class Browser:
    """One page. Commands go out on descriptor 3, answers come on 4, each ended by a NUL."""

    def __init__(self, directory):
        out_read, self._out = os.pipe()
        self._in, in_write = os.pipe()

        # Both are moved out of the way first: one may be 3 or 4 already.
        def place():
            first, second = os.dup(out_read), os.dup(in_write)
            first, second = os.dup2(first, 103), os.dup2(second, 104)
            os.dup2(first, 3)
            os.dup2(second, 4)

        with open(f"{directory}/browser.log", "wb") as log:
            self._process = subprocess.Popen(
                [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu",
                 "--disable-dev-shm-usage", "--remote-debugging-pipe",
                 f"--user-data-dir={directory}/browser"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, close_fds=False,
                preexec_fn=place)
        os.close(out_read)
        os.close(in_write)
        self._numbers = itertools.count(1)
        self._heard = b""
        self._session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target,
                                  flatten=True)["sessionId"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        os.close(self._out)
        os.close(self._in)

    def _next(self, timeout):
        end = time.monotonic() + timeout
        while b"\0" not in self._heard:
            ready, _, _ = select.select([self._in], [], [], max(0, end - time.monotonic()))
            chunk = os.read(self._in, 1 << 16) if ready else b""
            assert chunk, "the browser says nothing"
            self._heard += chunk
        text, _, self._heard = self._heard.partition(b"\0")
        return json.loads(text)

    def call(self, method, **parameters):
        number = next(self._numbers)
        command = {"id": number, "method": method, "params": parameters}
        if self._session:
            command["sessionId"] = self._session
        os.write(self._out, json.dumps(command).encode() + b"\0")
        while True:
            answer = self._next(60)
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def open(self, url, width=1200, height=900, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.call("Page.navigate", url=url)

    def value(self, expression):
        """What JavaScript makes of it; None while the page is not there yet."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")

    def wait(self, expression, timeout=30):
        return wait_for(lambda: self.value(expression), lambda: expression, timeout, pause=0.1)

    def cells(self, table):
        """The texts of a table, row by row."""
        return self.value(f"[...document.querySelectorAll('#{table} tr')].map("
                          "r => [...r.children].map(c => c.textContent.trim()))")
