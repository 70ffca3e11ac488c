"""A sendq-sandbox of one's own: starts it on a free port, asks its control API, stops it.

    with Sandbox() as sandbox:
        sandbox.faults([{"dialect": "sandbox", "times": 1, "action": {"status": 503}}])
        ... point a sender at sandbox.endpoint("sandbox") ...
        sandbox.wait_accepted(1, "sandbox")
        assert sandbox.ids("sandbox") == {"m1": 1}
"""
import base64
import ctypes
import http.client
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
PR_SET_PDEATHSIG = 1


def binary():
    """The program under $SENDQ_BUILD, build/dev if that is not set."""
    return ROOT / os.environ.get("SENDQ_BUILD", "build/dev") / "bin" / "sendq-sandbox"


class SandboxError(Exception):
    """The sandbox did not start, refused a control request, or did not see what was awaited."""


def _end_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Sandbox:
    """One process. Options become flags: Sandbox(latency_ms=20) adds --latency-ms 20."""

    def __init__(self, **options):
        self.options = options
        self.process = None
        self.port = None
        self._directory = None
        self._log = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.stop()

    def start(self, timeout=20):
        """Starts it and waits until it listens. A stopped one can be started again: it gets the
        port it had, so that a sender's configuration stays good."""
        self._directory = tempfile.TemporaryDirectory(prefix="sendq-sandbox-")
        directory = pathlib.Path(self._directory.name)
        port_file = directory / "port"
        flags = ["--quiet", "--listen", f"127.0.0.1:{self.port or 0}", "--port-file", port_file]
        for name, value in self.options.items():
            flags += ["--" + name.replace("_", "-"), value]
        self._log = open(directory / "log", "w+b")
        self.process = subprocess.Popen(
            [str(f) for f in [binary(), *flags]], stdin=subprocess.DEVNULL, stdout=self._log,
            stderr=self._log, preexec_fn=_end_with_parent)
        end = time.monotonic() + timeout
        while not port_file.exists():
            if self.process.poll() is not None or time.monotonic() > end:
                log = self.stop()[1]
                raise SandboxError(f"the sandbox does not start: {log}")
            time.sleep(0.005)
        self.port = int(port_file.read_text())
        return self

    def stop(self, timeout=30):
        """Ends it by SIGTERM. Returns (exit status, what it printed): a sanitizer's report makes
        the status other than 0."""
        if self.process is None:
            return 0, ""
        self.process.terminate()
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self._log.seek(0)
        log = self._log.read().decode(errors="replace")
        self._log.close()
        self._directory.cleanup()
        self.process = None
        return status, log

    def kill(self):
        """SIGKILL: the provider is gone in the middle of everything."""
        self.process.kill()
        self.stop()

    def endpoint(self, dialect):
        """The base URL that a sender of this provider is given."""
        return f"http://127.0.0.1:{self.port}/{dialect}"

    def control(self, method, resource, body=None, **query):
        """One request to the control API; its JSON."""
        query = {k: v for k, v in query.items() if v is not None}
        path = f"/_control/{resource}" + ("?" + urllib.parse.urlencode(query) if query else "")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise SandboxError(f"{method} {path}: {answer.status} {text.decode()}")
        return json.loads(text)

    def reset(self):
        """Forgets requests, totals, faults and drafts; ids are counted from 1 again."""
        self.control("POST", "reset")

    def faults(self, rules=None):
        """Replaces the fault rules, or shows them with their counts. An empty list ends all."""
        if rules is None:
            return self.control("GET", "faults")
        return self.control("POST", "faults", rules)

    def configure(self, dialect, **settings):
        self.control("POST", f"dialects/{dialect}", settings)

    def stats(self, dialect=None):
        """All totals, or those of one dialect."""
        stats = self.control("GET", "stats")
        return stats if dialect is None else stats["dialects"][dialect]

    def requests(self, dialect=None, since=0, compact=False):
        """Every request kept, oldest first, in as many pages as it takes. Full ones have their
        headers as a dict (names in lower case) and the body as text, or bytes if it is not."""
        found, more = [], True
        while more:
            page = self.control("GET", "requests", dialect=dialect, since=since,
                                fields="compact" if compact else None)
            found += page["requests"]
            since, more = page["last"], page["more"]
        if not compact:
            for request in found:
                _decode(request)
        return found

    def ids(self, dialect):
        """Accepted answers by message identity."""
        return self.control("GET", "ids", dialect=dialect)

    def window(self, dialect=None, ms=1000, recipient=None):
        """The most accepted requests in any window of `ms` ("max"), and all of them ("total")."""
        return self.control("GET", "window", dialect=dialect, ms=ms, recipient=recipient)

    def wait(self, condition, what, timeout=30):
        """Returns condition()'s first true value."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            value = condition()
            if value:
                return value
            time.sleep(0.01)
        raise SandboxError(f"gave up after {timeout} s: {what}; {self.stats()}")

    def wait_accepted(self, count, dialect=None, timeout=30):
        """Until that many requests were accepted."""
        return self.wait(lambda: self.stats(dialect)["accepted"] >= count,
                         f"{count} accepted requests", timeout)

    def wait_requests(self, count, dialect=None, timeout=30):
        """Until that many requests arrived, whatever became of them."""
        return self.wait(lambda: self.stats(dialect)["requests"] >= count,
                         f"{count} requests", timeout)


def _decode(request):
    headers = {}
    for name, value in request["headers"]:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    request["headers"] = headers
    if "body_base64" in request:
        request["body"] = base64.b64decode(request.pop("body_base64"))
