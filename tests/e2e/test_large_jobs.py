"""Jobs so large that they are read piece by piece, with contents that stay in Redis: what arrives is
whole, whatever happens meanwhile, and nothing is left behind."""
import base64
import json
import os
import re
import signal
import socket
import threading

import pytest
from ctl_client import Ctl
from mail_server import MailServer
from support import envelope, wait_for
from test_large_mail import inline, job, smtp

SIZE = 3 << 20


@pytest.fixture
def server():
    with MailServer() as server:
        yield server


@pytest.fixture(scope="module")
def content():
    return os.urandom(SIZE)


def texts(stand):
    """Milliseconds to live of each key that holds a large job's text; -1: for ever."""
    return {key: stand.redis.pttl(key) for name in ("text", "reading")
            for key in stand.redis.scan_iter(stand.key(name, "*"))}


def wait_clean(stand):
    wait_for(lambda: not texts(stand), lambda: f"left: {texts(stand)}")


def files(mail):
    return [part.get_content() for part in mail.message.iter_attachments()]


def test_arrives_whole(stand, server, content):
    """However the producer's JSON spells it; a small one beside it, too."""
    stand.start(senders=[smtp(server)])
    small = base64.b64encode(b"small").decode()
    jobs = [inline(content), inline(content)]
    jobs[0]["body"]["attachments"].append({"filename": "a", "content_base64": small})
    jobs[0]["body"]["attachments"] *= 2
    stand.push(jobs[0], json.dumps(jobs[1]).replace("/", "\\/"))
    first, second = sorted(map(files, server.wait(2)), key=len)
    assert (first, second) == ([content], [content, b"small"] * 2)
    wait_clean(stand)


class Tap:
    """A socket in front of Redis', and for each piece of a large job that is asked for there, of
    which kind of key ("reading", "text"), and how many messages were recorded as sent before it."""

    def __init__(self, stand):
        self.stand, self.path, self.pieces = stand, stand.directory / "tap.sock", []
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(self.path))
        self.listening.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client, server = self.listening.accept()[0], socket.socket(socket.AF_UNIX)
            server.connect(str(self.stand.server.path))
            for ends in ((client, server, self.look), (server, client, lambda data: None)):
                threading.Thread(target=self.pump, args=ends, daemon=True).start()

    @staticmethod
    def pump(source, target, look):
        try:
            while data := source.recv(1 << 20):
                look(data)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the other side has gone

    def look(self, data):
        for piece in re.finditer(rb"GETRANGE\r\n\$\d+\r\n[^\r]*:(reading|text):", data):
            self.pieces.append((piece.group(1).decode(), self.stand.redis.xlen(
                self.stand.key("events"))))


def test_others_pass_meanwhile(stand, server, content):
    """While the pieces of a large one are read, first to accept it and then to send it, messages of
    another sender, of which there are always more, are sent and recorded."""
    tap = Tap(stand)
    config = stand.config([smtp(server), stand.sender("fast", default=False, channels=["sms"],
                                                      limits={"rate": "300/s burst 1"})],
                          redis={"url": f"unix://{tap.path}"})
    small = [envelope({"message_data": {"recipient": f"+1555{n:07}", "content": "x"}}, sender="fast")
             for n in range(3000)]
    stand.push(*small[:400])
    large = inline(content * 2)
    stand.push(large)
    over, rest = threading.Event(), iter(small[400:])

    def keep_pushing():
        while not over.wait(0.03):
            stand.push(*[job for job, _ in zip(rest, range(10))])

    pusher = threading.Thread(target=keep_pushing)
    pusher.start()
    try:
        stand.daemon(config).start()
        stand.wait_final([large["id"]], timeout=60)
    finally:
        over.set()
        pusher.join()
    for kind in ("reading", "text"):
        sent = [n for piece, n in tap.pieces if piece == kind]
        print(kind, sent)
        assert len(sent) >= 16 and sent[-1] > sent[0], tap.pieces
    assert [files(m) for m in server.mails] == [[content * 2]]


@pytest.mark.parametrize("point", ["take.after:1", "text.before:1", "text.after:3", "text.after:9",
                                   "accept.before:1", "accept.after:1", "text.before:12",
                                   "text.after:15", "finish.before:1", "finish.after:1"])
def test_a_crash(stand, server, content, point):
    """Nine pieces are read before it is accepted, and nine before it is sent."""
    config = stand.config([smtp(server)], worker={"lease": "1s"}, redis={"timeout": "900ms"})
    (message_id,) = stand.push(inline(content))
    doomed = stand.daemon(config, {"SENDQ_CRASH": point}).start(ready=False)
    wait_for(lambda: not doomed.running(), lambda: f"{point} is not passed\n{doomed.log()}",
             timeout=30)
    assert doomed.wait_exit() == -signal.SIGKILL
    for key, ttl in texts(stand).items():
        assert ttl > 0 or key == stand.key("text", message_id), key
    stand.daemon(config).start()
    assert stand.wait_final([message_id], timeout=60)[message_id]["status"] == "sent"
    assert files(server.mails[-1]) == [content]
    assert len(server.mails) <= (2 if point == "finish.before:1" else 1)
    wait_for(lambda: all(ttl > 0 for ttl in texts(stand).values()), lambda: texts(stand))


def test_another_attempt(stand, server, content):
    stand.start(senders=[smtp(server) | {"retry": {"base": "1ms", "max": "10ms"}}])
    server.rule("DATA", "451 4.3.0 later", times=2)
    (message_id,) = stand.push(inline(content))
    assert stand.wait_final([message_id])[message_id]["attempts"] == "3"
    assert files(server.wait(1)[0]) == [content]
    wait_clean(stand)


def test_a_dead_letter(stand, server, content):
    """Keeps the content as long as itself; sent again, or given up."""
    stand.start(senders=[smtp(server)])
    server.rule("DATA", "554 5.6.0 no", times=2)
    ids = stand.push(inline(content), inline(content))
    assert {m["status"] for m in stand.wait_final(ids).values()} == {"failed"}
    assert set(texts(stand)) == {stand.key("text", i) for i in ids}
    assert min(texts(stand).values()) > 0
    ctl = Ctl(stand)
    ctl.text("dead", "retry", ids[0])
    assert files(server.wait(1)[0]) == [content]
    wait_for(lambda: set(texts(stand)) == {stand.key("text", ids[1])}, lambda: texts(stand))
    ctl.text("dead", "purge")
    wait_clean(stand)


def test_it_was_taken_away(stand, server, content):
    """By hand: that is told, and no mail without its file is sent."""
    stand.start(senders=[smtp(server)])
    server.rule("DATA", "554 5.6.0 no")
    (message_id,) = stand.push(inline(content))
    stand.wait_final([message_id])
    stand.redis.delete(stand.key("text", message_id))
    ctl = Ctl(stand)
    ctl.text("dead", "retry", message_id, code=1)
    stand.redis.set(stand.key("text", message_id), "x")
    ctl.text("dead", "retry", message_id)
    wait_for(lambda: stand.message(message_id).get("error_message") ==
             "attachments[0].content_base64: it is no longer kept",
             lambda: stand.message(message_id))
    assert not server.mails


def test_the_same_job_again(stand, server, content):
    stand.start(senders=[smtp(server)])
    first = inline(content)
    (message_id,) = stand.push(first)
    stand.wait_final([message_id])
    stand.push(json.dumps(first, indent=1), first | {"reply_to": "again"})
    assert stand.reply("again")["data"]["status"] == "sent"
    other = json.dumps(inline(content[::-1]) | {"id": message_id})
    stand.push(other)
    (entry,) = stand.wait_rejected(1)
    assert (entry["error_code"], entry["raw"]) == ("idempotency_conflict", other.encode())
    assert len(server.mails) == 1
    wait_clean(stand)


def test_bad_ones(stand, server, content):
    """Refused with their raw bytes; the text does not outlive that."""
    stand.start(senders=[smtp(server)])
    bad = [json.dumps(inline(content)).replace("AA", "A*", 1), json.dumps(inline(content))[:-1],
           json.dumps(inline(content, bcc=7))]
    stand.push(job(), *bad, job())
    assert {e["raw"] for e in stand.wait_rejected(3)} == {b.encode() for b in bad}
    server.wait(2)
    wait_clean(stand)


def test_a_stopped_daemon(stand, server, content):
    """Told to stop while one is read or sent: it ends in time, and another goes on."""
    daemon = stand.start(senders=[smtp(server)])
    ids = stand.push(*[inline(content) for _ in range(6)])
    assert daemon.stop() == 0
    stand.start(senders=[smtp(server)])
    assert {m["status"] for m in stand.wait_final(ids, timeout=60).values()} == {"sent"}
    assert [files(m) for m in server.mails] == [[content]] * 6
    wait_clean(stand)
