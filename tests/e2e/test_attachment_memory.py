"""What messages attach is bounded in bytes over all that are sent at a time: the others wait, at no
cost, and let those pass that attach nothing."""
import http.server
import os
import socketserver
import threading

import pytest
from admin_client import Admin
from support import new_id, wait_for
from test_attachments import Files
from test_large_mail import inline, job
from test_limits_explain import explain

TO = {"to": "big@example.com"}


class Provider(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Plays SendGrid; keeps who sends a mail to `big@` waiting until `release` is set."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.release = threading.Event()
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,))
        self.thread.start()

    def close(self):
        self.release.set()
        self.shutdown()
        self.thread.join()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_POST(self):
        if b"big@example.com" in self.rfile.read(int(self.headers["Content-Length"])):
            self.server.release.wait(120)
        self.send_response(202)
        self.send_header("X-Message-Id", "1")
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def server():
    server = Provider()
    yield server
    server.close()


@pytest.fixture
def files():
    server = Files()
    yield server
    server.close()


def start(stand, server, limit, attachments=None, limits=None, **worker):
    sender = stand.sender(dialect="sendgrid", credentials={"api_key": "k"}, timeout="120s",
                          endpoint=f"http://127.0.0.1:{server.server_port}", limits=limits or {})
    return Admin(stand.start(
        [sender], admin={"listen": "127.0.0.1:0"}, worker={"lease": "10s"} | worker,
        attachments={"max_in_flight": str(limit)} | (attachments or {})))


def linked(url):
    return {"id": new_id(), "body": {"channel": "email", "recipient": TO["to"], "subject": "S",
                                     "message": "m", "attachments": [{"url": url}]}}


def in_flight(admin):
    return int(admin.metrics()["sendq_in_flight"])


def held(admin):
    return int(admin.metrics()["sendq_attachment_bytes"])


def wait_in_flight(admin, count):
    wait_for(lambda: in_flight(admin) == count,
             lambda: f"{count} in flight: {admin.metrics()}", timeout=20)


def wait_sent(stand, server, ids):
    """Lets all go; none has used an attempt by waiting, and nothing is counted any more."""
    server.release.set()
    for m in stand.wait_final(ids, timeout=120).values():
        assert (m["status"], m["attempts"]) == ("sent", "1"), m


@pytest.mark.parametrize("kind, size, count", [
    ("url", 3000, 12), ("path", 300_000, 12), ("inline", 300_000, 12), ("text", 1_600_000, 5)])
def test_three_fit(stand, server, files, tmp_path, kind, size, count):
    """However they come; others pass, by the same sender."""
    (tmp_path / "file").write_bytes(os.urandom(size))
    made = {"url": lambda: linked(files.url("/big")),
            "path": lambda: job(attachments=[{"filename": "f", "storage_path": "file"}], **TO)}
    content = os.urandom(size)
    make = made.get(kind, lambda: inline(content, **TO))
    admin = start(stand, server, 3 * size + 10, attachments={
        "allow_hosts": [files.host], "root": str(tmp_path), "max_size": str(size)})
    ids = stand.push(*(make() for _ in range(count)))
    wait_in_flight(admin, 3)
    stand.wait_final(stand.push(*(job(to=f"r{n}@example.com") for n in range(20))))
    assert in_flight(admin) == 3
    assert 3 * size - 10 <= held(admin) <= 3 * size + 10
    wait_sent(stand, server, ids)
    wait_for(lambda: held(admin) == 0, lambda: f"held: {held(admin)}")


def test_one_larger_than_all_goes_alone(stand, server):
    admin = start(stand, server, 1000)
    ids = stand.push(*(inline(b"x" * size, **TO) for size in (5000, 100, 5000, 100)))
    wait_in_flight(admin, 1)
    stand.wait_final(stand.push(job()))
    assert in_flight(admin) == 1
    assert held(admin) >= 5000
    wait_sent(stand, server, ids)


def test_more_than_may_wait_here_wait_in_redis(stand, server):
    """A worker of four transfers: two wait in it, one of the others may still begin."""
    admin = start(stand, server, 1000, in_flight=4)
    ids = stand.push(*(inline(b"x" * 900, **TO) for _ in range(8)))
    wait_in_flight(admin, 1)
    wait_for(lambda: stand.redis.zcard(stand.key("delayed")) >= 5, "they wait in Redis")
    wait_for(lambda: "attachments" in [explain(stand, i)["reason"] for i in ids], stand.logs)
    stand.wait_final(stand.push(job()))
    wait_sent(stand, server, ids)


def test_what_is_kept_counts(stand, server, files):
    """Messages over a rate give their slots up while they fetch, and go with what was kept."""
    admin = start(stand, server, 4000, limits={"rate": "20/s"}, attachments={
        "allow_hosts": [files.host], "max_size": "3000"})
    server.release.set()
    ids = stand.push(*(linked(files.url(f"/wait/{200 + n}")) for n in range(6)))
    wait_sent(stand, server, ids)
    assert len(files.seen) == 6
    wait_for(lambda: held(admin) == 0, lambda: f"held: {held(admin)}")
