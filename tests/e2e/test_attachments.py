"""Attachments that sendqd fetches: by URL through the guard, by storage_path below a root."""
import base64
import http.server
import json
import socketserver
import threading
import time

import pytest
from support import envelope, wait_for


class Files(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """A file server on loopback. /slow and /wait/MS wait, /flaky fails twice, /to/PATH redirects."""

    daemon_threads = True
    request_queue_size = 200

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen, self.lock, self.release = [], threading.Lock(), threading.Event()
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,))
        self.thread.start()

    @property
    def host(self):
        return f"127.0.0.1:{self.server_port}"

    def url(self, path):
        return f"http://{self.host}{path}"

    def note(self, path):
        with self.lock:
            self.seen.append(path)
            return self.seen.count(path)

    def close(self):
        self.release.set()
        self.shutdown()
        self.thread.join()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_GET(self):
        times = self.server.note(self.path)
        if self.path.startswith("/slow"):
            time.sleep(0.3)
        if self.path.startswith("/wait/"):
            time.sleep(int(self.path[6:]) / 1000)
        if self.path.startswith("/hang"):
            self.server.release.wait(60)
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path[4:])
            self.end_headers()
            return
        if self.path == "/missing" or (self.path == "/flaky" and times < 3):
            self.send_error(404 if self.path == "/missing" else 503)
            return
        content = b"x" * 3000 if self.path == "/big" else self.path.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def files():
    server = Files()
    yield server
    server.close()


def mail(*attachments, **members):
    """A mail with attachments: URLs, or dicts."""
    listed = [{"url": a} if isinstance(a, str) else a for a in attachments]
    return envelope({"channel": "email", "recipient": "a@example.com", "subject": "S",
                     "message": "m", "attachments": listed}, **members)


def stored(*paths):
    return envelope({"to": "a@example.com", "subject": "S", "body_text": "m", "attachments": [
        {"filename": p.rsplit("/", 1)[-1], "storage_path": p} for p in paths]})


def start(stand, files=None, senders=None, attachments=None, **settings):
    sender = stand.sender(dialect="sendgrid", credentials={"api_key": "k"},
                          retry={"base": "100ms", "max": "200ms"})
    known = {"allow_hosts": [files.host]} if files else {}
    return stand.start(senders or [sender], attachments=known | (attachments or {}), **settings)


def final(stand, *jobs, timeout=30):
    ids = stand.push(*jobs)
    return list(stand.wait_final(ids, timeout).values())


def attached(stand, dialect="sendgrid"):
    """The attachments of each request, in the order of the requests."""
    return [json.loads(r["body"]).get("attachments") for r in stand.sandbox.requests(dialect)]


def test_a_url_becomes_content(stand, files):
    start(stand, files)
    inline = {"filename": "c.txt", "content_base64": base64.b64encode(b"own").decode()}
    typed = {"url": files.url("/b"), "filename": "b.pdf", "mime_type": "application/pdf"}
    (m,) = final(stand, mail(files.url("/a.txt"), inline, typed))
    assert m["status"] == "sent"
    assert m["attempts"] == "1"
    first, second, third = attached(stand)[0]
    assert base64.b64decode(first["content"]) == b"/a.txt"
    assert first["type"] == "text/plain"
    assert base64.b64decode(second["content"]) == b"own"
    assert base64.b64decode(third["content"]) == b"/b"
    assert (third["filename"], third["type"]) == ("b.pdf", "application/pdf")
    assert files.seen == ["/a.txt", "/b"]


def test_a_private_address_is_refused(stand, files):
    daemon = start(stand)
    for url in (files.url("/hidden"), f"http://localhost:{files.server_port}/hidden"):
        (m,) = final(stand, mail(url))
        assert (m["status"], m["error_code"]) == ("failed", "validation_error")
        assert m["error_message"].startswith("attachments[0].url: the URL's ")
        assert "not a public one" in m["error_message"]
    assert files.seen == []
    assert stand.sandbox.requests("sendgrid") == []
    assert "hidden" not in daemon.log()


def test_a_redirect_is_checked_too(stand, figure, files):
    start(stand, files)
    good, bad = final(stand, mail(files.url("/to//a")),
                      mail(files.url(f"/to/http://localhost:{files.server_port}/a")))
    assert good["status"] == "sent"
    assert base64.b64decode(attached(stand)[0][0]["content"]) == b"/a"
    assert (bad["status"], bad["error_code"]) == ("failed", "validation_error")
    assert files.seen.count("/a") == 1
    figure(lost=0, redirects=2, to_this_host_followed=0)


@pytest.mark.parametrize("path, code, text", [
    ("/missing", "validation_error", "the server answered 404"),
    ("/big", "too_large", "it is larger than 1000 bytes"),
])
def test_a_file_that_cannot_be_had_fails_the_message(stand, files, path, code, text):
    start(stand, files, attachments={"max_size": "1000"})
    (m,) = final(stand, mail(files.url("/a"), files.url(path)))
    assert (m["status"], m["error_code"]) == ("failed", code)
    assert m["error_message"] == f"attachments[1].url: {text}"
    assert stand.sandbox.requests("sendgrid") == []


def test_all_files_of_a_message_share_a_cap(stand, files):
    start(stand, files, attachments={"max_total": "5000"})
    (m,) = final(stand, mail(files.url("/big"), files.url("/big")))
    assert (m["status"], m["error_code"]) == ("failed", "too_large")
    assert m["error_message"] == "attachments[1].url: it is larger than 2000 bytes"


def test_a_server_in_trouble_is_tried_again(stand, files):
    start(stand, files)
    (m,) = final(stand, mail(files.url("/flaky")))
    assert (m["status"], m["attempts"]) == ("sent", "3")
    assert len(stand.sandbox.requests("sendgrid")) == 1


def test_a_provider_that_takes_urls_gets_them(stand, files):
    stand.start([stand.sender()])
    (m,) = final(stand, mail(files.url("/a")))
    assert m["status"] == "sent"
    assert attached(stand, "sandbox")[0][0]["url"] == files.url("/a")
    assert files.seen == []


# --- storage_path ---


def test_stored_files_are_read_below_the_root(stand, tmp_path):
    root = tmp_path / "store"
    (root / "a").mkdir(parents=True)
    (root / "a" / "b.txt").write_text("stored")
    (tmp_path / "secret").write_text("secret")
    (root / "out").symlink_to("../secret")
    (root / "empty").write_text("")
    daemon = start(stand, attachments={"root": str(root)})
    good, link, missing, empty = final(stand, stored("a/b.txt"), stored("out"), stored("no/such"),
                                       stored("empty"))
    assert good["status"] == "sent"
    assert base64.b64decode(attached(stand)[0][0]["content"]) == b"stored"
    for m, text in ((link, "a symbolic link is not followed"), (missing, "there is no such file"),
                    (empty, "the file is empty")):
        assert (m["status"], m["error_code"]) == ("failed", "validation_error")
        assert m["error_message"] == f"attachments[0].storage_path: {text}"
    assert len(stand.sandbox.requests("sendgrid")) == 1
    assert not daemon.log_lines("has no effect")


def test_stored_files_come_from_the_base_url(stand, files):
    start(stand, attachments={"base_url": files.url("/store")})
    (m,) = final(stand, stored("a b/c?d#e.txt"))
    assert m["status"] == "sent"
    assert files.seen == ["/store/a%20b/c%3Fd%23e.txt"]
    (m,) = final(stand, mail(files.url("/store/x")))  # the base does not open the host to jobs
    assert m["error_code"] == "validation_error"
    assert len(files.seen) == 1


def test_without_a_root_stored_files_are_refused(stand):
    start(stand)
    (m,) = final(stand, stored("a.txt"))
    assert (m["status"], m["error_code"]) == ("failed", "validation_error")
    assert "neither attachments.root nor attachments.base_url" in m["error_message"]


# --- limits, trouble ---


def test_slow_files_do_not_break_a_rate(stand, files):
    """The slot of a message passes while it fetches: it takes another, and fetches once. Here all
    files come at the same moment, long after the slots that they were fetched in."""
    sender = stand.sender(dialect="sendgrid", credentials={"api_key": "k"},
                          limits={"rate": "10/s", "day": "100/day rolling"})
    start(stand, files, [sender])
    paths = [f"/wait/{1200 - 100 * i}" for i in range(8)]
    jobs = [mail(files.url(path)) for path in paths]
    done = final(stand, *jobs)
    assert {m["status"] for m in done} == {"sent"}
    assert {m["attempts"] for m in done} == {"1"}
    assert sorted(files.seen) == sorted(paths)
    window = stand.sandbox.window("sendgrid", 270)
    assert window["total"] == 8 and window["max"] <= 3, window
    assert stand.redis.hget(stand.key("bucket", "sender:mail"), "used") == "8"


def test_many_files_at_once(stand, files):
    start(stand, files)
    done = final(stand, *(mail(files.url(f"/slow{i}")) for i in range(100)), timeout=60)
    assert {m["status"] for m in done} == {"sent"}
    assert {m["attempts"] for m in done} == {"1"}
    assert len(files.seen) == 100


def test_a_message_that_must_not_be_repeated_waits_for_its_files(stand, files):
    start(stand, files)
    (m,) = final(stand, mail(files.url("/slow"), uncertain="fail"))
    assert (m["status"], m["attempts"]) == ("sent", "1")


def test_other_messages_pass_a_file_that_hangs(stand, files):
    start(stand, files)
    stand.push(mail(files.url("/hang")))
    wait_for(lambda: files.seen, "the file is asked for")
    (m,) = final(stand, mail())
    assert m["status"] == "sent"


def test_a_fetch_ends_in_time(stand, files):
    start(stand, files, attachments={"timeout": "200ms"}, senders=[stand.sender(
        dialect="sendgrid", credentials={"api_key": "k"}, retry={"attempts": 1})])
    (m,) = final(stand, mail(files.url("/hang")))
    assert (m["status"], m["error_code"]) == ("failed", "provider_error")


def test_a_worker_that_dies_while_it_fetches_loses_nothing(stand, files):
    first = start(stand, files)
    (message_id,) = stand.push(mail(files.url("/hang")))
    wait_for(lambda: files.seen, "the file is asked for")
    first.kill()
    files.release.set()
    start(stand, files)
    m = stand.wait_final([message_id])[message_id]
    assert m["status"] == "sent"
    assert len(stand.sandbox.requests("sendgrid")) == 1


def test_a_stopping_worker_gives_a_fetching_message_back(stand, files):
    first = start(stand, files, drain_timeout="500ms")
    (message_id,) = stand.push(mail(files.url("/hang")))
    wait_for(lambda: files.seen, "the file is asked for")
    assert first.stop() == 0
    files.release.set()
    start(stand, files)
    assert stand.wait_final([message_id])[message_id]["status"] == "sent"
