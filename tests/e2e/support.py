"""Private servers and small tools for the end-to-end tests: Redis, sendqd, waiting, jobs."""
import contextlib
import ctypes
import itertools
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time
import uuid

import redis

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = ROOT / os.environ.get("SENDQ_BUILD", "build/dev") / "bin"
SANITIZER = re.compile(
    r"(ERROR: \w*Sanitizer|runtime error:|SUMMARY: \w*Sanitizer|LeakSanitizer has)")
FINAL = ("sent", "failed", "cancelled")
PR_SET_PDEATHSIG = 1
GENTLE = "E2E_GENTLE_END" in os.environ  # what is counted for coverage is written at an exit


class GaveUp(AssertionError):
    """A condition did not come true in time."""


def wait_for(condition, what, timeout=20.0, pause=0.01):
    """condition()'s first true value; GaveUp after `timeout` seconds. `what` may be a callable
    that describes how things stand."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        for daemon in Daemon.watched:
            daemon.assert_alive()
        if time.monotonic() > end:
            raise GaveUp(f"gave up after {timeout:g} s: {what() if callable(what) else what}")
        time.sleep(pause)


def end_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def sanitizer_env():
    """Sanitizers report and end the process; tools/test.sh may have set them already."""
    return {
        "ASAN_OPTIONS": os.environ.get(
            "ASAN_OPTIONS", "abort_on_error=0:detect_leaks=1:strict_string_checks=1"),
        "UBSAN_OPTIONS": os.environ.get("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1"),
    }


class RedisServer:
    """A Redis of one's own on a unix socket; with aof=True it survives being killed."""

    def __init__(self, directory, aof=False, options=()):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.path = self.directory / "redis.sock"
        self.url = f"unix://{self.path}"
        self.aof, self.options = aof, options
        self.process = None
        # Raw bytes everywhere: a rejected job need not be text.
        self.raw = redis.Redis(unix_socket_path=str(self.path))
        self.client = redis.Redis(unix_socket_path=str(self.path), decode_responses=True)

    def start(self):
        with open(self.directory / "redis.log", "ab") as log:
            self.process = subprocess.Popen(
                ["redis-server", "--port", "0", "--unixsocket", str(self.path),
                 "--dir", str(self.directory), "--save", "",
                 "--appendonly", "yes" if self.aof else "no", "--appendfsync", "always",
                 "--maxmemory-policy", "noeviction", *self.options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=end_with_parent)
        wait_for(self.answers, "Redis does not answer")
        return self

    def answers(self):
        try:
            return self.client.ping()
        except redis.RedisError:  # not there yet, or loading its file
            return False

    def kill(self):
        """SIGKILL: what was not written is gone."""
        self._end(signal.SIGKILL)

    def stop(self):
        self._end(signal.SIGTERM)

    def _end(self, number):
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait()
            self.process = None


class NotifySocket:
    """Plays systemd's side of sd_notify."""

    def __init__(self, path):
        self.path = str(path)
        self.seen = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._socket.setblocking(False)

    def poll(self):
        """Everything heard so far, one datagram an entry."""
        while True:
            try:
                self.seen.append(self._socket.recv(65536).decode())
            except BlockingIOError:
                return self.seen

    def count(self, line):
        """How many datagrams hold this line."""
        return sum(line in datagram.split("\n") for datagram in self.poll())

    def close(self):
        self._socket.close()
        pathlib.Path(self.path).unlink(missing_ok=True)


class Daemon:
    """One sendqd process with its configuration file, log and notify socket."""

    numbers = itertools.count(1)
    watched = set()  # those that nobody has told to end: whoever waits fails if one has

    def __init__(self, directory, config, env=None, program="sendqd"):
        self.name = f"{program}{next(Daemon.numbers)}"
        self.directory = pathlib.Path(directory)
        self.config_path = self.directory / f"{self.name}.yaml"
        self.log_path = self.directory / f"{self.name}.log"
        self.env = env or {}
        self.command = [str(BIN / "sendqd")]  # a test may put another program around it
        self.more_configs = []  # of further namespaces: paths
        self.process = None
        self.notify = None
        self.configure(config)

    def configure(self, config):
        """Writes the configuration: a dict (JSON is YAML), or the text itself."""
        text = config if isinstance(config, str) else json.dumps(config, indent=1)
        self.config_path.write_text(text)

    def start(self, ready=True, timeout=30):
        """Starts it; with ready, waits until it says READY=1."""
        if self.notify is not None:
            self.notify.close()
        self.notify = NotifySocket(self.directory / f"{self.name}.notify")
        env = os.environ | sanitizer_env() | {"NOTIFY_SOCKET": self.notify.path} | self.env
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*self.command, *(f"--config={path}" for path in
                                  (self.config_path, *self.more_configs))],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env,
                preexec_fn=end_with_parent)
        if "SENDQ_CRASH" not in self.env:
            Daemon.watched.add(self)
        if ready:
            self.wait_ready(timeout)
        return self

    def assert_alive(self):
        status = self.process.poll()
        if status is not None:
            Daemon.watched.discard(self)
            raise AssertionError(f"{self.name} has ended with {status}:\n{self.log()[-6000:]}")

    def wait_ready(self, timeout=30):
        wait_for(lambda: self.notify.count("READY=1"),
                 lambda: f"{self.name} is not ready:\n{self.log()}", timeout)

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """SIGKILL, and waits until it is gone."""
        Daemon.watched.discard(self)
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self, timeout=40):
        """SIGTERM; its exit status."""
        Daemon.watched.discard(self)
        self.process.terminate()
        return self.wait_exit(timeout)

    def leave(self, timeout=3):
        """SIGTERM, and some time to end in."""
        Daemon.watched.discard(self)
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout)

    def wait_exit(self, timeout=40):
        Daemon.watched.discard(self)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise GaveUp(f"{self.name} did not end in {timeout:g} s:\n{self.log()[-4000:]}")

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def worker_ids(self):
        """Its identities as a worker, the latest last."""
        return re.findall(r"event=registered msg=\"worker (\w+)", self.log())

    def log_lines(self, *words):
        """The lines that hold all of these words."""
        return [line for line in self.log().splitlines() if all(w in line for w in words)]

    def assert_sane(self):
        """No sanitizer has complained."""
        found = SANITIZER.search(self.log())
        assert not found, f"{self.name}: {self.log()[max(0, found.start() - 200):][:6000]}"


def new_id():
    return str(uuid.uuid4())


def body(recipient="a@example.com", content="Hello.", **data):
    """A bare `messaging` body; email unless the recipient is a number."""
    message = {"recipient": recipient, "content": content}
    if "@" in recipient:
        message["subject"] = "A subject"
    message.update(data)
    return {"message_data": message}


def envelope(inner=None, **members):
    """An envelope around a body, with an id of its own."""
    return {"id": new_id(), "body": inner or body()} | members


def cpu_wait(pid):
    """Seconds for which a process was ready to run and had to wait for a CPU."""
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def rfc3339(seconds):
    """That wall-clock time as the contract writes it."""
    whole = time.gmtime(seconds)
    return time.strftime("%Y-%m-%dT%H:%M:%S", whole) + f".{int(seconds % 1 * 1000):03d}Z"


TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


class Stand:
    """What one test works with: an empty Redis, a sandbox, and the daemons it starts."""

    def __init__(self, directory, server, sandbox, namespace="t"):
        self.directory = pathlib.Path(directory)
        self.server = server
        self.redis = server.client
        self.sandbox = sandbox
        self.ns = namespace
        self.daemons = []

    # --- configuration and daemons ---

    def sender(self, name="mail", channels=("email",), dialect="sandbox", **settings):
        known = {"id": name, "provider": dialect, "channels": list(channels), "default": True,
                 "from": {"address": "support@acme.example", "name": "Acme"},
                 "endpoint": self.sandbox.endpoint(dialect),
                 "breaker": {"errors": 0}}  # it would stop what tests of failures do
        if dialect != "sandbox":  # what providers publish would slow down the other tests
            known["limits"] = {"rate": "", "day": "", "recipient": "", "concurrency": 0}
        return known | settings

    def config(self, senders=None, **settings):
        known = {"namespace": self.ns, "redis": {"url": self.server.url, "timeout": "1500ms"},
                 "worker": {"lease": "2s"}, "log": {"level": "info"},
                 "senders": [self.sender()] if senders is None else senders}
        for name, value in settings.items():
            both = isinstance(value, dict) and isinstance(known.get(name), dict)
            known[name] = known[name] | value if both else value
        return known

    def daemon(self, config=None, env=None):
        """A daemon that is not started yet."""
        daemon = Daemon(self.directory, config or self.config(), env)
        self.daemons.append(daemon)
        return daemon

    def start(self, senders=None, env=None, **settings):
        """A started daemon that is ready."""
        return self.daemon(self.config(senders, **settings), env).start()

    def close(self):
        """Ends every daemon; then a sanitizer's report in any log fails the test."""
        for daemon in self.daemons:
            if GENTLE and daemon.running():
                daemon.leave()
            daemon.kill()
            if daemon.notify is not None:
                daemon.notify.close()
        for daemon in self.daemons:
            daemon.assert_sane()

    # --- pushing and reading ---

    def key(self, *parts):
        return ":".join((self.ns, *parts))

    def push(self, *jobs, to="jobs"):
        """LPUSHes jobs (dicts, texts or bytes) in order; the ids of those that name one."""
        raw = [j if isinstance(j, (str, bytes)) else json.dumps(j) for j in jobs]
        for start in range(0, len(raw), 500):
            self.server.raw.lpush(self.key(to), *raw[start:start + 500])
        return [j["id"] for j in jobs if isinstance(j, dict) and "id" in j]

    def message(self, message_id):
        return self.redis.hgetall(self.key("message", message_id))

    def status(self, message_id):
        return self.redis.hget(self.key("message", message_id), "status")

    def messages(self):
        """All message hashes, by id."""
        keys = list(self.redis.scan_iter(self.key("message", "*"), count=1000))
        pipe = self.redis.pipeline(transaction=False)
        for key in keys:
            pipe.hgetall(key)
        prefix = len(self.key("message", ""))
        return {key[prefix:]: value for key, value in zip(keys, pipe.execute())}

    def wait_status(self, message_id, status, timeout=20):
        """Waits until the message has that status; its hash."""
        wait_for(lambda: self.status(message_id) == status,
                 lambda: f"{message_id} should be {status}: {self.message(message_id)}\n"
                 + self.logs(), timeout)
        return self.message(message_id)

    def wait_final(self, ids, timeout=30):
        """Waits until all of these are final; their hashes by id."""
        open_ids = set(ids)

        def all_final():
            pipe = self.redis.pipeline(transaction=False)
            asked = list(open_ids)
            for message_id in asked:
                pipe.hget(self.key("message", message_id), "status")
            open_ids.difference_update(
                i for i, status in zip(asked, pipe.execute()) if status in FINAL)
            return not open_ids

        wait_for(all_final, lambda: f"{len(open_ids)} are not final, such as "
                 + str([self.message(i) for i in list(open_ids)[:3]]) + "\n" + self.logs(),
                 timeout, pause=0.02)
        return {i: self.message(i) for i in ids}

    def rejected(self):
        """Entries of NS:rejected, oldest first, as dicts: names are text, `raw` is bytes."""
        found = []
        for _, fields in self.server.raw.xrange(self.key("rejected")):
            entry = {k.decode(): v for k, v in fields.items()}
            found.append({k: v if k == "raw" else v.decode() for k, v in entry.items()})
        return found

    def wait_rejected(self, count, timeout=20):
        wait_for(lambda: len(self.rejected()) >= count,
                 lambda: f"{count} rejected: {len(self.rejected())} are\n{self.logs()}", timeout)
        return self.rejected()

    def reply(self, name, timeout=20):
        """What BLPOP of NS:reply:<name> gives a producer."""
        got = self.redis.blpop(self.key("reply", name), timeout)
        assert got, f"no answer in {self.key('reply', name)}\n{self.logs()}"
        return json.loads(got[1])

    def events(self):
        return [fields for _, fields in self.redis.xrange(self.key("events"))]

    def everything(self):
        """All that Redis holds, as one piece of bytes: to look for what must not be there."""
        raw, found = self.server.raw, []
        readers = {b"string": raw.get, b"hash": raw.hgetall, b"set": raw.smembers,
                   b"list": lambda k: raw.lrange(k, 0, -1),
                   b"zset": lambda k: raw.zrange(k, 0, -1), b"stream": raw.xrange}
        for key in raw.scan_iter(count=1000):
            read = readers.get(raw.type(key))  # none: it has just gone
            found += [key, repr(read(key)).encode() if read else b""]
        return b"\n".join(found)

    def stats(self):
        """Counters of all days together."""
        total = {}
        for key in self.redis.scan_iter(self.key("stats", "*")):
            for name, count in self.redis.hgetall(key).items():
                total[name] = total.get(name, 0) + int(count)
        return total

    def logs(self, tail=2500):
        return "\n".join(f"--- {d.name}\n{d.log()[-tail:]}" for d in self.daemons)
