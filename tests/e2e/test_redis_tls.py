"""rediss://: a real redis-server with TLS; certificates that are good, of others, old, of nobody."""
import json
import socket
import subprocess

import pytest
from redis_groups import Node, SentinelGroup
from support import BIN, Stand, envelope, wait_for

import redis


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)


class Authority:
    """A CA in a directory, and what it has signed."""

    def __init__(self, directory, name="ca"):
        self.directory, self.key, self.cert = directory, directory / f"{name}.key", \
            directory / f"{name}.crt"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-days", "2", "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.cert)

    def sign(self, name, subject="DNS:localhost", days=2):
        """Certificate and key of somebody."""
        key, request, cert = (self.directory / f"{name}.{end}" for end in ("key", "csr", "crt"))
        extra = self.directory / f"{name}.ext"
        extra.write_text(f"subjectAltName={subject}\n")
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key,
                "-CAcreateserial", "-days", str(days), "-extfile", extra, "-out", cert)
        return cert, key


class TlsServer:
    """A redis-server that speaks TLS alone, as `Stand` wants it."""

    def __init__(self, directory, ca, cert, key, clients="no"):
        node = Node(directory, "--tls-auth-clients", clients, tls=(ca.cert, cert, key)).start()
        self.node, self.client = node, node.client
        self.raw = redis.Redis(port=node.port, **node.tls)
        self.url = f"rediss://localhost:{node.port}"


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def secure(tmp_path, sandbox, ca):
    made = []

    def make(cert, key, **more):
        server = TlsServer(tmp_path / "s", ca, cert, key, **more)
        made.append((server, Stand(tmp_path, server, sandbox)))
        return made[-1][1]

    yield make
    for server, stand in made:
        stand.close()
        server.node.kill()


def settings(stand, ca, **more):
    return {"redis": {"url": stand.server.url, "timeout": "3s", "ca_file": str(ca.cert)} | more}


def ctl(daemon, *arguments):
    return subprocess.run([BIN / "sendqctl", "--config", daemon.config_path, *arguments],
                          capture_output=True, text=True)


@pytest.mark.parametrize("by", ["name", "address", "server_name"])
def test_messages_go_through_tls(secure, ca, by):
    subject = {"name": "DNS:localhost", "address": "IP:127.0.0.1", "server_name": "DNS:redis.example"}
    stand = secure(*ca.sign(by, subject[by]))
    more = {"name": {}, "address": {"url": stand.server.url.replace("localhost", "127.0.0.1")},
            "server_name": {"server_name": "redis.example"}}
    daemon = stand.start(**settings(stand, ca, **more[by]))
    big = envelope({"message_data": {"recipient": "a@example.com", "subject": "S",
                                     "content": "x" * 300000}})
    ids = stand.push(*[envelope() for _ in range(50)], big)
    assert {m["status"] for m in stand.wait_final(ids).values()} == {"sent"}
    out = ctl(daemon, "message", ids[0])
    assert out.returncode == 0 and "sent" in out.stdout, out.stderr
    # Cut off, it comes back.
    stand.redis.client_kill_filter(_type="normal", skipme=True)
    stand.wait_final(stand.push(envelope()))
    assert daemon.stop() == 0
    assert not stand.redis.exists(stand.key("workers"))  # its last words have left


def test_own_certificate(secure, ca):
    stand = secure(*ca.sign("localhost"), clients="yes")
    cert, key = ca.sign("worker")
    daemon = stand.start(**settings(stand, ca, cert_file=str(cert), key_file=str(key)))
    stand.wait_final(stand.push(envelope()))
    assert daemon.stop() == 0
    without = stand.daemon(stand.config(**settings(stand, ca))).start(ready=False)
    wait_for(lambda: without.log_lines("event=redis_down", "TLS: "), without.log)


@pytest.mark.parametrize("fault, expected", [
    ("other name", "hostname mismatch"),
    ("other address", "IP address mismatch"),
    ("expired", "certificate has expired"),
    ("other authority", "self-signed certificate"),
    ("no authority", "TLS: "),
])
def test_certificates_that_prove_nothing(secure, ca, fault, expected, tmp_path):
    signed = {"other name": dict(subject="DNS:evil.example"),
              "other address": dict(subject="DNS:localhost"), "expired": dict(days=-1)}
    stand = secure(*ca.sign(fault.replace(" ", "-"), **signed.get(fault, {})))
    more = settings(stand, ca)
    if fault == "other address":
        more["redis"]["url"] = stand.server.url.replace("localhost", "127.0.0.1")
    if fault == "other authority":
        more["redis"]["ca_file"] = str(Authority(tmp_path, "other").cert)
    if fault == "no authority":
        del more["redis"]["ca_file"]
    more["redis"]["password"] = "s3cret"
    daemon = stand.daemon(stand.config(**more)).start(ready=False)
    wait_for(lambda: daemon.log_lines("event=redis_down", expected), daemon.log)
    out = ctl(daemon, "status")
    assert out.returncode == 3 and expected in out.stderr, out.stderr
    assert not [v for k, v in stand.redis.info("commandstats").items() if k == "cmdstat_auth"]
    # Told once, however often it tries.
    assert len(daemon.log_lines("event=redis_down")) == 1, daemon.log()


def test_sentinels_and_whom_they_name(tmp_path, sandbox, ca):
    """All of them speak TLS alone; the primary dies, and its successor is found."""
    servers = SentinelGroup(tmp_path / "s", tls=(ca.cert, *ca.sign("group", "IP:127.0.0.1")))
    stand = Stand(tmp_path, servers, sandbox)
    try:
        tls = servers.redis_settings(ca_file=str(ca.cert))
        daemon = stand.start(redis=tls)
        ids = stand.push(*[envelope() for _ in range(20)])
        stand.wait_final(ids)
        assert servers.primary.client.wait(1, 10000) == 1
        servers.primary.kill()
        wait_for(servers.has_failed_over, stand.logs, timeout=60)
        assert stand.wait_final(stand.push(envelope()), timeout=60)
        out = ctl(daemon, "message", ids[0])
        assert out.returncode == 0 and "sent" in out.stdout, out.stderr
        assert daemon.stop() == 0
        other = stand.daemon(stand.config(redis=tls | {"server_name": "evil.example"}))
        other.start(ready=False)
        wait_for(lambda: other.log_lines("event=redis_down", "hostname mismatch"), other.log)
        assert servers.sentinel_password not in other.log()
    finally:
        stand.close()
        servers.close()


def test_a_server_that_says_nothing(ca, tmp_path):
    """The tool gives up as it does without TLS: its thread must not wait for the server."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = tmp_path / "ctl.yaml"
        config.write_text(json.dumps({"redis": {
            "url": f"rediss://127.0.0.1:{listening.getsockname()[1]}", "timeout": "200ms",
            "ca_file": str(ca.cert)}}))
        done = subprocess.run([BIN / "sendqctl", "--config", config, "status"], timeout=20,
                              capture_output=True, text=True)
    assert done.returncode == 3, done.stderr


def test_faults_of_files(stand, ca):
    nonsense = stand.directory / "nonsense.pem"
    nonsense.write_text("nothing")
    for more, expected in (({"ca_file": str(nonsense)}, "cannot use the CA file"),
                           ({"cert_file": str(nonsense)}, "cannot use the certificate"),
                           ({"cert_file": str(ca.cert)}, "cannot use the key")):
        config = stand.config(redis={"url": "rediss://127.0.0.1:1"} | more)
        daemon = stand.daemon(config).start(ready=False)
        wait_for(lambda d=daemon, e=expected: d.log_lines("event=redis_down", e), daemon.log)
    daemon = stand.daemon(stand.config(redis={"ca_file": str(ca.cert)}))
    out = subprocess.run([BIN / "sendqd", "--check", "--config", daemon.config_path],
                         capture_output=True, text=True)
    assert out.returncode == 1 and "belong to rediss://" in out.stderr
