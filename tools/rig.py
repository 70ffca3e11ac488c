"""Private servers for the demo and the benchmark: Redis, nginx, the sandbox provider, sendqd.

Everything lives in one temporary directory, listens on unix sockets or on free loopback ports,
and ends with the program that started it, however that ends."""
import contextlib
import ctypes
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

import redis

ROOT = pathlib.Path(__file__).resolve().parent.parent
PR_SET_PDEATHSIG = 1


class RigError(Exception):
    """A server did not start or did not do what it must; the text says which and why."""


def wait_until(condition, what, timeout=20.0, pause=0.01):
    """Returns condition()'s first true value; RigError after `timeout` seconds."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(pause)
    raise RigError(f"gave up after {timeout:g} s: {what}")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def get_json(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


class Rig(contextlib.AbstractContextManager):
    """Starts servers and stops them, last started first."""

    def __init__(self, build="build/release", verbose=False):
        self.bin = ROOT / build / "bin"
        self.verbose = verbose
        self._temp = tempfile.TemporaryDirectory(prefix="sendq-")
        self.dir = pathlib.Path(self._temp.name)
        self._stack = contextlib.ExitStack()
        self.wrap = {}       # by name: what a program is run under
        self.processes = {}  # by name: the last one started

    def __exit__(self, *exc):
        self._stack.close()
        self._temp.cleanup()

    def spawn(self, name, argv, cpu=None, env=None):
        """Starts a program with its output in <name>.log."""
        argv = [*self.wrap.get(name, []), *argv]
        if cpu is not None:
            argv = ["taskset", "-c", str(cpu), *argv]
        log = open(self.dir / f"{name}.log", "ab")
        process = subprocess.Popen(
            [str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env=os.environ | (env or {}), preexec_fn=die_with_parent)
        log.close()
        self._stack.callback(self.stop, process)
        self.processes[name] = process
        return process

    @staticmethod
    def stop(process, timeout=30):
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def log_tail(self, name, lines=20):
        text = (self.dir / f"{name}.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def running(self, name, process):
        if process.poll() is not None:
            raise RigError(f"{name} ended with status {process.returncode}:\n"
                           + self.log_tail(name))
        return True

    def redis(self, aof=False, cpu=None):
        """A Redis on a unix socket; returns (url for sendqd, client)."""
        path = self.dir / "redis.sock"
        process = self.spawn("redis", [
            "redis-server", "--port", "0", "--unixsocket", path, "--dir", self.dir,
            "--save", "", "--appendonly", "yes" if aof else "no", "--appendfsync", "everysec",
            "--maxmemory-policy", "noeviction"], cpu)
        client = redis.Redis(unix_socket_path=str(path), decode_responses=True)

        def answers():
            self.running("redis", process)
            try:
                return client.ping()
            except redis.ConnectionError:
                return False

        wait_until(answers, "Redis does not answer")
        return f"unix://{path}", client

    def nginx(self, cpu=None, name="nginx", delay_ms=0, tls=None):
        """A sink: answers POST with 202 and a small JSON body, after a while if delay_ms; over
        HTTP/2 only where `tls` is (certificate, key). Returns a Sink."""
        sink = Sink(free_port(), free_port(), "https" if tls else "http")
        conf = self.dir / f"{name}.conf"
        conf.write_text(NGINX_CONF.format(
            dir=self.dir, name=name, port=sink.port, status=sink.status_port,
            module=f"load_module {NGINX_ECHO};" if delay_ms else "",
            answer=ANSWER_LATE.format(seconds=delay_ms / 1000) if delay_ms else ANSWER_NOW,
            tls=NGINX_H2.format(cert=tls[0], key=tls[1]) if tls else "",
            listen=" ssl http2" if tls else ""))
        process = self.spawn(name, ["nginx", "-p", self.dir, "-c", conf, "-e",
                                    self.dir / f"{name}-error.log"], cpu)

        def answers():
            self.running("nginx", process)
            try:
                return sink.requests() >= 0
            except OSError:
                return False

        wait_until(answers, "nginx does not answer")
        return sink

    def sandbox(self):
        """The sandbox provider; returns its base URL."""
        port_file = self.dir / "sandbox.port"
        process = self.spawn("sandbox", [self.bin / "sendq-sandbox", "--listen", "127.0.0.1:0",
                                         "--port-file", port_file])

        def port():
            self.running("sandbox", process)
            return port_file.read_text().strip() if port_file.exists() else ""

        return f"http://127.0.0.1:{wait_until(port, 'the sandbox names no port')}"

    def sendqd(self, config_text, cpu=None, name="sendqd"):
        """A sendqd that has said READY; returns the process."""
        config = self.dir / f"{name}.yaml"
        config.write_text(config_text)
        notify = self.dir / f"{name}.notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(str(notify))
            ready.settimeout(0.2)
            process = self.spawn(name, [self.bin / "sendqd", "--config", config], cpu,
                                 {"NOTIFY_SOCKET": str(notify)})

            def said_ready():
                self.running(name, process)
                with contextlib.suppress(TimeoutError):
                    return b"READY=1" in ready.recv(4096)

            wait_until(said_ready, f"{name} does not get ready", pause=0)
        notify.unlink()
        return process

    def sendqctl(self, *arguments):
        """Runs sendqctl with sendqd's configuration; returns what it printed."""
        argv = [self.bin / "sendqctl", "--config", self.dir / "sendqd.yaml", *arguments]
        done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=60, check=False)
        if done.returncode != 0:
            raise RigError(f"sendqctl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout


NGINX_ECHO = "/usr/lib/nginx/modules/ngx_http_echo_module.so"
ANSWER_NOW = """return 202 '{"id":"x"}';"""
ANSWER_LATE = """echo_sleep {seconds}; echo_status 202; echo -n '{{"id":"x"}}';"""
NGINX_H2 = """
        ssl_certificate {cert};
        ssl_certificate_key {key};
        http2_max_concurrent_streams 256;
        if ($server_protocol != "HTTP/2.0") {{ return 505; }}
"""
# One process, so that one pid pins, measures and stops it.
NGINX_CONF = """
{module}
daemon off;
master_process off;
pid {dir}/{name}.pid;
error_log {dir}/{name}-error.log crit;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 300s;
    client_body_temp_path {dir}/nginx-body;
    proxy_temp_path {dir}/nginx-proxy;
    fastcgi_temp_path {dir}/nginx-fastcgi;
    uwsgi_temp_path {dir}/nginx-uwsgi;
    scgi_temp_path {dir}/nginx-scgi;
    default_type application/json;
    server {{
        listen 127.0.0.1:{port}{listen};
        client_max_body_size 64m;
        {tls}
        location / {{
            if ($request_method != POST) {{ return 405; }}
            {answer}
        }}
    }}
    server {{
        listen 127.0.0.1:{status};
        location / {{ stub_status; }}
    }}
}}
"""


class Sink:
    """The nginx sink and its count of requests."""

    def __init__(self, port, status_port, scheme="http"):
        self.port = port
        self.status_port = status_port
        self.url = f"{scheme}://127.0.0.1:{port}"
        self._own = 0  # status queries count as requests too

    def requests(self):
        """Requests so far, without the queries of this counter itself."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.status_port}/", timeout=10) as page:
            lines = page.read().decode().splitlines()
        self._own += 1
        return int(lines[2].split()[2]) - self._own
