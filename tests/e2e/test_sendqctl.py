"""sendqctl: every verb, for people and with --json, against an ordinary Redis and real daemons."""
import base64
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import termios
import threading
import time

import pytest
from invariants import check_all
from support import (BIN, TIME, RedisServer, Stand, body, end_with_parent, envelope, new_id,
                     sanitizer_env, wait_for)

# What may stand in output: lines of text without control characters (C0, DEL, C1) or bidi marks.
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
HOSTILE = "\x1b[31m\x07\x7f\u009b2J\u202e\r\n\tx"
NOUNS = ["push", "validate", "message", "status", "queue", "rejected", "dead", "worker", "sender",
         "stats", "events", "leads", "template", "top", "completion", "bulk"]
ID = "11111111-2222-3333-4444-55555555555%d"


class Ctl:
    """Runs sendqctl as an operator would who may not read the senders' credentials."""

    def __init__(self, stand, **settings):
        self.stand = stand
        self.config = stand.directory / "ctl.yaml"
        sender = stand.sender(dialect="sendgrid",
                              credentials={"api_key": "file:/nonexistent/api_key"})
        self.config.write_text(json.dumps(stand.config([sender], **settings)))

    def argv(self, *arguments):
        return [str(BIN / "sendqctl"), "--config", str(self.config), *map(str, arguments)]

    def env(self, **more):
        known = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
        return known | sanitizer_env() | more

    def run(self, *arguments, code=0, stdin=b"", argv=None, **env):
        """Its stdout as bytes. Errors are one line each, and there are none without reason."""
        done = subprocess.run(argv or self.argv(*arguments), input=stdin, capture_output=True,
                              timeout=60, env=self.env(**env), check=False)
        self.stderr = done.stderr.decode()
        assert done.returncode == code, (arguments, done.returncode, done.stdout, self.stderr)
        assert all(line.startswith("sendqctl: ") for line in self.stderr.splitlines()), self.stderr
        assert not UNSAFE.search(self.stderr), self.stderr
        assert bool(self.stderr) == (code != 0), self.stderr
        return done.stdout

    def run_any(self, *arguments):
        """Done, or refused: its exit status."""
        done = subprocess.run(self.argv(*arguments), capture_output=True, timeout=60,
                              env=self.env(), check=False)
        assert done.returncode in (0, 1), done
        return done.returncode

    def text(self, *arguments, code=0, **more):
        out = self.run(*arguments, code=code, **more).decode()
        assert not UNSAFE.search(out), out
        return out

    def json(self, *arguments, code=0, **more):
        """The objects of --json, one a line."""
        out = self.text(*arguments, "--json", code=code, **more)
        return [json.loads(line) for line in out.splitlines()]

    def rows(self, *arguments, **more):
        """The lines of a table, split where two spaces stand."""
        return [re.split(r"  +", line.strip())
                for line in self.text(*arguments, **more).splitlines()]


@pytest.fixture
def ctl(stand):
    return Ctl(stand)


def pairs(text):
    """What `name  value` lines say."""
    return dict(re.split(r"  +", line, maxsplit=1) for line in text.splitlines() if "  " in line)


def failed_message(stand, message_id=None, **job):
    """A message that really failed for good; no daemon runs afterwards."""
    message_id = message_id or new_id()
    stand.sandbox.faults([{"action": {"status": 400}}])
    daemon = stand.start()
    stand.push({"id": message_id, "body": body()} | job)
    assert stand.wait_final([message_id])[message_id]["status"] == "failed"
    assert daemon.stop() == 0
    stand.sandbox.faults([])
    return message_id


def rejected_job(stand, raw=b"{broken", **fields):
    """An entry of NS:rejected as the daemon writes it; its id."""
    known = {"raw": raw, "error_code": "validation_error", "error_message": "no JSON",
             "field": "body", "at": "2026-11-21T09:10:11.123Z"}
    return stand.redis.xadd(stand.key("rejected"), known | fields)


# --- the command line ---


def test_help_of_all_and_of_each_noun(ctl):
    out = ctl.text(argv=[str(BIN / "sendqctl"), "--help"])
    assert all(f"  {noun} " in out for noun in NOUNS)
    for noun in NOUNS:
        assert f"sendqctl {noun}" in ctl.text(argv=[str(BIN / "sendqctl"), noun, "--help"])
    assert ctl.text(argv=[str(BIN / "sendqctl"), "--version"]).startswith("sendqctl ")


def test_help_fits_a_terminal(ctl):
    for noun in [[], *[[n] for n in NOUNS]]:
        out = ctl.text(argv=[str(BIN / "sendqctl"), *noun, "--help"])
        assert max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize("arguments", [
    [], ["nothing"], ["message"], ["queue", "x"], ["dead", "shoot", "x"], ["dead", "show"],
    ["dead", "show", "a", "b"], ["dead", "retry"], ["dead", "retry", "--all", "x"],
    ["dead", "purge", "--older", "soon"], ["sender", "pause"], ["rejected", "ls", "--raw"],
    ["rejected", "requeue"], ["status", "--unknown"], ["stats", "--days", "0"],
    ["stats", "--days", "many"], ["stats", "--days"], ["events", "--count=-1"],
    ["events", "--follow=yes"], ["push", "--list", "urgent"], ["push", "--wait", "0"],
    ["push", "a", "b"], ["push", "/nonexistent/job.json"], ["push"], ["--config"],
    ["status", "--namespace", "a b"], ["status", "--redis", "http://x"],
    ["status", "--config", "/nonexistent.yaml"],
])
def test_usage_errors(ctl, arguments):
    assert ctl.run(*arguments, code=2) == b""
    assert len(ctl.stderr.splitlines()) == 1


def test_usage_errors_are_escaped(ctl):
    ctl.run("\x1b[31m", code=2)
    assert "\\u001b[31m" in ctl.stderr


def test_redis_out_of_reach(ctl):
    for noun in (["status"], ["message", "x"], ["dead", "ls"], ["events", "--follow"]):
        ctl.run("--redis", "redis://:s3cret@127.0.0.1:1", *noun, code=3)
        assert "s3cret" not in ctl.stderr
        assert len(ctl.stderr.splitlines()) == 1


def test_redis_refuses(stand, ctl):
    stand.redis.set(stand.key("dead"), "not a sorted set")
    assert ctl.run("dead", "ls", code=3) == b""
    assert "WRONGTYPE" in ctl.stderr
    assert ctl.run("status", "--json", code=3) == b""


def test_where_namespace_and_redis_come_from(stand, ctl):
    url = stand.server.url
    stand.redis.hset(stand.key("message", "a"), mapping={"id": "a", "status": "sent"})
    stand.redis.hset("other:message:b", mapping={"id": "b", "status": "sent"})
    program = str(BIN / "sendqctl")
    ctl.run("message", "a")
    ctl.run("message", "b", code=1)
    ctl.run("message", "b", "--namespace", "other")
    ctl.run("message", "b", SENDQ_NAMESPACE="other")
    ctl.run("message", "a", SENDQ_NAMESPACE="other", argv=ctl.argv("message", "a", "--namespace=t"))
    ctl.run(argv=[program, "--redis", url, "--namespace", "t", "message", "a"])
    ctl.run(argv=[program, "message", "a"], SENDQ_REDIS__URL=url, SENDQ_NAMESPACE="t")
    secret = stand.directory / "redis_url"
    secret.write_text(url)
    ctl.run("message", "a", "--redis", f"file:{secret}")


def test_a_faulty_configuration_is_told(stand, ctl):
    ctl.config.write_text("namespace: t\nretention: soon\n")
    ctl.run("status", code=2)
    assert ctl.stderr.startswith(f"sendqctl: {ctl.config}:2: retention: ")


def test_a_closed_pipe_is_no_crash(stand, ctl):
    stand.redis.zadd(stand.key("dead"), {str(i): i for i in range(5000)})
    with subprocess.Popen(ctl.argv("dead", "ls", "--count", "5000"), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=ctl.env()) as process:
        process.stdout.close()
        assert process.wait(60) == 1
        assert process.stderr.read() == b""


# --- push ---


@pytest.mark.parametrize("name, list_name", [
    (None, "jobs"), ("normal", "jobs"), ("high", "jobs:high"), ("LOW", "jobs:low")])
def test_push_one_job_untouched(stand, ctl, name, list_name):
    raw = b' {"a" :\n\t1.50, "\xff\x00": } \n'
    option = ["--list", name] if name else []
    assert ctl.text("push", *option, stdin=raw) == f"pushed 1 to t:{list_name}\n"
    path = stand.directory / "job"
    path.write_bytes(raw)
    assert ctl.json("push", path, *option) == [{"pushed": 1, "list": f"t:{list_name}"}]
    ctl.run("push", "-", *option, stdin=raw)
    assert stand.server.raw.lrange(stand.key(list_name), 0, -1) == [raw] * 3


def test_push_many(stand, ctl):
    ctl.run("push", "--each", stdin=b'{"a": 1}\n\n{broken\r\n{"b":2}')
    assert ctl.json("push", "--each", stdin=b' [ {"c": [1, 2]} ,\n 3.0]\n')[0]["pushed"] == 2
    assert ctl.json("push", "--each", stdin=b"")[0]["pushed"] == 0
    assert stand.server.raw.lrange(stand.key("jobs"), 0, -1)[::-1] == \
        [b'{"a": 1}', b"{broken", b'{"b":2}', b'{"c": [1, 2]}', b"3.0"]


def test_push_refuses_what_is_too_large(stand):
    ctl = Ctl(stand, job={"max_bytes": "64KiB"})
    ctl.run("push", stdin=b"x" * 65536)
    ctl.run("push", stdin=b"x" * 65537, code=2)
    ctl.run("push", "--each", stdin=b"1\n" + b"x" * 65537, code=2)
    assert "1 jobs were pushed before that" in ctl.stderr
    assert stand.redis.llen(stand.key("jobs")) == 2


def test_push_and_wait(stand, ctl):
    stand.start()
    (answer,) = ctl.json("push", "--wait", 20, stdin=json.dumps(body()).encode())
    assert answer["success"] is True
    # An envelope keeps what it says.
    job = envelope(priority="HIGH")
    (answer,) = ctl.json("push", "--wait", 20, stdin=json.dumps(job, indent=1).encode())
    assert answer["success"] is True
    assert stand.message(job["id"])["priority"] == "HIGH"
    assert not stand.redis.keys(stand.key("reply", "*"))


def test_push_and_wait_for_bad_answers(stand, ctl):
    stand.start()
    stand.sandbox.faults([{"match": {"recipient": "bad@*"}, "action": {"status": 400}}])
    for bad in (body(recipient="bad@example.com"), {"body": {"nonsense": 1}}, {"message_data": 1}):
        done = subprocess.run(ctl.argv("push", "--wait", "20"), input=json.dumps(bad).encode(),
                              capture_output=True, timeout=60, env=ctl.env(), check=False)
        assert done.returncode == 1, done
        answer = json.loads(done.stdout)
        assert answer.get("success", False) is False and answer["status_code"] >= 400


def test_push_many_and_wait_for_all(stand, ctl):
    stand.start()
    lines = "\n".join(json.dumps(body(recipient=f"{i}@example.com")) for i in range(5))
    answers = ctl.json("push", "--each", "--wait", 20, stdin=lines.encode())
    assert len(answers) == 5 and all(a["success"] for a in answers)


def test_push_waits_no_longer_than_told(stand, ctl):
    ctl.run("push", "--wait", 1, stdin=json.dumps(body()).encode(), code=1)
    assert "0 of 1 answers" in ctl.stderr
    (raw,) = stand.redis.lrange(stand.key("jobs"), 0, -1)
    assert json.loads(raw)["body"] == body()


@pytest.mark.parametrize("job", [b"[1]", b'"text"', b"{broken", b'{"body": {}, "reply_to": "x"}'])
def test_push_cannot_wait_for_these(stand, ctl, job):
    ctl.run("push", "--wait", 1, stdin=job, code=2)
    assert stand.redis.llen(stand.key("jobs")) == 0


# --- message ---


def test_message_in_the_contracts_order(stand, ctl):
    message_id = failed_message(
        stand, body=body(contact_id="c", deal_id="d", metadata={"n": 12345678901234567890}))
    stand.redis.hset(stand.key("message", message_id), "_secret", "1")
    text = ctl.text("message", message_id)
    order = ["id", "status", "channel", "provider", "sender", "recipient", "subject", "contact_id",
             "deal_id", "message_type", "priority", "attempts", "queued_at", "sending_at",
             "failed_at", "error_code", "error_message", "metadata", "response"]
    assert [line.split()[0] for line in text.splitlines()] == order
    (seen,) = ctl.json("message", message_id)
    assert list(seen) == order
    m = stand.message(message_id)
    for name in order:
        expected = m[name]
        if name in ("attempts", "metadata", "response"):
            expected = json.loads(expected)
        assert seen[name] == expected
    assert "_secret" in ctl.text("message", message_id, "--all")
    assert ctl.json("message", "--all", message_id)[0]["_secret"] == "1"


def test_message_several_and_none(stand, ctl):
    for name in ("a", "b"):
        stand.redis.hset(stand.key("message", name), mapping={"id": name, "status": "queued"})
    assert ctl.text("message", "a", "b") == "id      a\nstatus  queued\n\nid      b\nstatus  queued\n"
    assert [m["id"] for m in ctl.json("message", "a", "none", "b", code=1)] == ["a", "b"]
    assert ctl.stderr == "sendqctl: message none: not found\n"


# --- rejected ---


def test_rejected_ls(stand, ctl):
    assert ctl.text("rejected") == "nothing was rejected\n"
    assert ctl.json("rejected", "ls") == []
    ids = [rejected_job(stand, b"x" * n) for n in (1, 2, 3)]
    rows = ctl.rows("rejected")
    assert rows[0] == ["ID", "AT (UTC)", "BYTES", "ERROR", "REASON"]
    assert [r[0] for r in rows[1:]] == ids[::-1]
    assert rows[1][1:] == ["2026-11-21 09:10:11", "3", "validation_error", "no JSON"]
    assert [r["id"] for r in ctl.json("rejected", "ls", "--count", 2)] == [ids[2], ids[1]]
    assert ctl.json("rejected", "ls")[2] == {
        "id": ids[0], "at": "2026-11-21T09:10:11.123Z", "error_code": "validation_error",
        "error_message": "no JSON", "field": "body", "bytes": 1}


def test_rejected_show(stand, ctl):
    raw = b'{"a": \x1b\xff\x00\n'
    entry = rejected_job(stand, raw)
    out = ctl.text("rejected", "show", entry)
    assert out.endswith('\n\n{"a": \\u001b\\xff\\u0000\\n\n')
    assert pairs(out)["error_message"] == "no JSON"
    assert ctl.run("rejected", "show", entry, "--raw") == raw
    (seen,) = ctl.json("rejected", "show", entry)
    assert base64.b64decode(seen["raw_base64"]) == raw and "raw" not in seen
    text = '{"a": "\u00e9\u009b"}\n'
    (seen,) = ctl.json("rejected", "show", rejected_job(stand, text.encode()))
    assert seen["raw"] == text and seen["bytes"] == len(text.encode())
    for missing in ("1-1", "x", entry.split("-", maxsplit=1)[0], "-", "+"):
        assert ctl.run("rejected", "show", "--", missing, code=1) == b""


def test_rejected_requeue(stand, ctl):
    raw = b'{"a": \x1b\xff\x00\n'
    ids = [rejected_job(stand, raw + bytes([n])) for n in range(3)]
    assert ctl.text("rejected", "requeue", ids[0], ids[1]) == \
        f"{ids[0]}: queued\n{ids[1]}: queued\n"
    assert stand.server.raw.lrange(stand.key("jobs"), 0, -1) == [raw + b"\x01", raw + b"\x00"]
    assert [r["raw"] for r in stand.rejected()] == [raw + b"\x02"]
    # Once only, and what is there is done although something is not.
    assert ctl.json("rejected", "requeue", ids[0], "+", ids[2], code=1) == [
        {"id": ids[0], "result": "not_found"}, {"id": "+", "result": "not_found"},
        {"id": ids[2], "result": "queued"}]
    assert stand.redis.llen(stand.key("jobs")) == 3
    assert stand.rejected() == []


def test_rejected_by_a_daemon_and_accepted_by_the_next(stand, ctl):
    daemon = stand.start(senders=[stand.sender("text", channels=["sms"])])
    (message_id,) = stand.push(envelope())
    stand.wait_rejected(1)
    assert daemon.stop() == 0
    (entry,) = ctl.json("rejected")
    assert entry["error_code"] == "insufficient_permissions"
    ctl.run("rejected", "requeue", entry["id"])
    stand.start()
    assert stand.wait_final([message_id])[message_id]["status"] == "sent"


# --- dead ---


def test_dead_ls_and_show(stand, ctl):
    assert ctl.text("dead") == "no dead letters\n"
    assert ctl.json("dead", "ls") == []
    message_id = failed_message(stand)
    stand.redis.zadd(stand.key("dead"), {"gone": 1000})
    m = stand.message(message_id)
    rows = ctl.rows("dead")
    assert rows[0] == ["ID", "FAILED (UTC)", "SENDER", "ERROR"]
    assert rows[1] == [message_id, m["failed_at"][:19].replace("T", " "), "mail", m["error_code"]]
    assert rows[2] == ["gone", "1970-01-01 00:00:01", "-", "-"]
    assert ctl.json("dead", "ls", "--count", 1) == [{
        "id": message_id, "failed_at": m["failed_at"], "sender": "mail", "channel": "email",
        "recipient": "a@example.com", "attempts": 1, "error_code": m["error_code"],
        "error_message": m["error_message"]}]
    assert ctl.text("dead", "show", message_id) == ctl.text("message", message_id)
    assert ctl.json("dead", "show", message_id) == ctl.json("message", message_id)
    ctl.run("dead", "show", "none", code=1)
    ctl.run("dead", "show", "gone", code=1)


@pytest.mark.parametrize("priority, digit", [("HIGH", 1), ("NORMAL", 2), ("LOW", 3)])
def test_dead_retry_leaves_no_trace_of_failure(stand, ctl, priority, digit):
    message_id = failed_message(stand, priority=priority)
    key, content = stand.key("message", message_id), stand.key("content", message_id)
    before, stats = stand.message(message_id), stand.stats()
    fence = int(before.get("_fence", 0))
    assert stand.redis.pttl(key) > 0 and stand.redis.pttl(content) > 0
    listener = stand.redis.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(stand.key("bell"))
    listener.get_message(timeout=5)  # the subscription's own
    assert ctl.text("dead", "retry", message_id) == f"{message_id}: queued\n"
    m = stand.message(message_id)
    assert m["status"] == "queued" and m["attempts"] == "0"
    assert not {"failed_at", "error_code", "error_message", "response"} & set(m)
    assert int(m["_fence"]) >= max(1, fence)
    assert m.get("_priority", "2") == str(digit)
    assert stand.redis.ttl(key) == -1 and stand.redis.ttl(content) == -1
    assert stand.redis.zcard(stand.key("dead")) == 0
    assert stand.redis.lrange(stand.key("ready", "mail", str(digit)), 0, -1) == [message_id]
    assert stand.redis.zrange(stand.key("turn"), 0, -1) == ["mail"]
    assert stand.stats() == stats
    assert wait_for(lambda: listener.get_message(timeout=1), "the bell")["data"] == "retry"
    stand.start()
    m = stand.wait_final([message_id])[message_id]
    assert m["status"] == "sent" and m["attempts"] == "1"
    assert stand.sandbox.ids("sandbox") == {message_id: 1}


def test_dead_retry_what_cannot_be(stand, ctl):
    message_id = failed_message(stand)
    stand.redis.delete(stand.key("content", message_id))
    stand.redis.hset(stand.key("message", "s"), mapping={"status": "sent", "sender": "mail"})
    before = stand.message(message_id)
    assert ctl.json("dead", "retry", message_id, "none", "s", code=1) == [
        {"id": message_id, "result": "no_content"}, {"id": "none", "result": "not_found"},
        {"id": "s", "result": "not_failed"}]
    assert len(ctl.stderr.splitlines()) == 3
    assert stand.message(message_id) == before
    assert stand.redis.zcard(stand.key("dead")) == 1
    assert not stand.redis.keys(stand.key("ready", "*"))


def test_dead_retry_all(stand, ctl):
    stand.sandbox.faults([{"action": {"status": 400}}])
    daemon = stand.start()
    ids = stand.push(*[envelope() for _ in range(230)])
    stand.wait_final(ids)
    assert daemon.stop() == 0
    stand.sandbox.faults([])
    stand.redis.zadd(stand.key("dead"), {"gone": 1000})
    results = ctl.json("dead", "retry", "--all", code=1)
    assert results[0] == {"id": "gone", "result": "not_found"}
    assert {r["id"] for r in results[1:]} == set(ids)
    assert {r["result"] for r in results[1:]} == {"queued"}
    stand.redis.zrem(stand.key("dead"), "gone")
    stand.start()
    assert {m["status"] for m in stand.wait_final(ids).values()} == {"sent"}
    assert ctl.run("dead", "retry", "--all") == b""


def test_dead_retry_keeps_the_choice_for_uncertain_outcomes(stand, ctl):
    """`uncertain: fail` holds for the second life too: no second request after a crash."""
    message_id = failed_message(stand, uncertain="fail")
    ctl.run("dead", "retry", message_id)
    if "_uncertain" not in stand.message(message_id):
        pytest.fail("the mark that recovery goes by is gone")
    stand.sandbox.faults([{"action": {"kind": "hang"}}])
    seen = len(stand.sandbox.requests("sandbox", compact=True))
    daemon = stand.start()
    stand.sandbox.wait_requests(seen + 1, "sandbox")
    daemon.kill()
    stand.sandbox.faults([])
    stand.start()
    m = stand.wait_final([message_id])[message_id]
    assert (m["status"], m["error_code"]) == ("failed", "outcome_unknown")
    assert stand.sandbox.ids("sandbox") == {}


def test_dead_purge(stand, ctl):
    message_id = failed_message(stand)
    assert ctl.text("dead", "purge", "--older", "1h") == "purged 0\n"
    assert stand.redis.exists(stand.key("content", message_id))
    stand.redis.zadd(stand.key("dead"), {f"old{i}": 1000 + i for i in range(1200)})
    assert ctl.json("dead", "purge", "--older", "1h") == [{"purged": 1200}]
    assert stand.redis.zrange(stand.key("dead"), 0, -1) == [message_id]
    assert ctl.json("dead", "purge") == [{"purged": 1}]
    assert not stand.redis.exists(stand.key("content", message_id))
    assert stand.status(message_id) == "failed"
    ctl.run("dead", "retry", message_id, code=1)


# --- workers ---


def test_worker_ls(stand, ctl):
    assert ctl.text("worker") == "no worker\n"
    assert ctl.json("worker", "ls") == []
    daemon = stand.start(worker={"name": "w1", "lease": "2s"})
    (worker,) = ctl.json("worker")
    assert worker["name"] == "w1"
    assert worker["state"] == "running"
    assert worker["pid"] == daemon.pid
    assert 0 < worker["lease_ms"] <= 2000
    assert worker["in_flight"] == worker["taken"] == 0
    assert TIME.match(worker["started_at"]) and worker["host"] and worker["version"]
    assert isinstance(worker["rate"], (int, float))
    rows = ctl.rows("worker")
    assert rows[0] == ["WORKER", "STATE", "LEASE", "IN FLIGHT", "RATE", "VERSION", "STARTED (UTC)"]
    assert rows[1][:2] == ["w1", "running"] and rows[1][2].endswith("s")
    assert daemon.stop() == 0
    assert ctl.json("worker") == []


def test_worker_ls_shows_the_dead(stand, ctl):
    stand.sandbox.faults([{"action": {"kind": "hang"}}])
    daemon = stand.start(worker={"lease": "1s"})
    stand.push(envelope())
    stand.sandbox.wait_requests(1, "sandbox")
    daemon.kill()
    wait_for(lambda: ctl.json("worker")[0]["state"] == "dead", "a dead worker")
    (worker,) = ctl.json("worker")
    assert worker["lease_ms"] <= 0 and worker["in_flight"] == 1
    assert ctl.rows("worker")[1][1] == "dead"
    assert ctl.json("queue")[0]["in_flight"] == 1


# --- senders ---


def two_senders(stand):
    return [stand.sender("mail", limits={"rate": "50/s burst 5", "day": "1000/day calendar UTC",
                                         "concurrency": 7}),
            stand.sender("text", channels=["sms"])]


def test_sender_ls_and_show(stand, ctl):
    assert ctl.text("sender") == "no sender has been configured\n"
    assert ctl.json("sender") == []
    stand.start(two_senders(stand))
    stand.wait_final(stand.push(envelope()))
    wait_for(lambda: ctl.json("sender")[0]["in_flight"] == 0, "the place to be given back")
    assert ctl.json("sender", "ls") == [
        {"id": "mail", "state": "ok", "waiting": 0, "in_flight": 0, "sent_today": 1,
         "day_cap": 1000},
        {"id": "text", "state": "ok", "waiting": 0, "in_flight": 0, "sent_today": 0,
         "day_cap": 0}]
    rows = ctl.rows("sender")
    assert rows[0][:3] == ["SENDER", "STATE", "WAITING"]
    assert rows[1] == ["mail", "ok", "0", "0", "1", "1000", "-"]
    assert ctl.json("sender", "show", "mail") == [
        {"id": "mail", "state": "ok", "waiting": 0, "in_flight": 0, "sent_today": 1,
         "day_cap": 1000, "rate": 50, "burst": 5, "concurrency": 7, "day_zone": "UTC"}]
    shown = pairs(ctl.text("sender", "show", "mail"))
    assert shown["rate"] == "50/s burst 5" and shown["day_cap"] == "1000 (UTC)"
    ctl.run("sender", "show", "none", code=1)


def test_sender_pause_and_resume(stand, ctl):
    stand.start(two_senders(stand))
    assert ctl.text("sender", "pause", "mail") == "mail: ok -> paused\n"
    (waits,) = stand.push(envelope())
    (passes,) = stand.push(envelope(body(recipient="+491701234567")))
    assert stand.wait_final([passes])[passes]["status"] == "sent"
    wait_for(lambda: stand.status(waits) == "queued", "accepted")
    assert ctl.json("sender", "show", "mail")[0]["state"] == "paused"
    assert ctl.json("sender", "show", "mail")[0]["waiting"] == 1
    assert ctl.json("queue")[0]["ready"]["mail"] == {"high": 0, "normal": 1, "low": 0}
    # A restart does not end it.
    stand.daemons[0].stop()
    stand.start(two_senders(stand))
    (passes,) = stand.push(envelope(body(recipient="+491701234567")))
    stand.wait_final([passes])
    assert stand.status(waits) == "queued"
    assert ctl.json("sender", "resume", "mail") == [
        {"id": "mail", "before": "paused", "state": "ok"}]
    assert stand.wait_final([waits])[waits]["status"] == "sent"
    assert [r["id"] for r in ctl.json("sender", "pause", "none", "text", code=1)] == ["text"]


@pytest.mark.parametrize("status", [429, 401])
def test_a_paused_sender_stays_paused(stand, ctl, status):
    """Whatever the transfers say that were in flight."""
    stand.sandbox.faults([{"action": {"status": status, "delay_ms": 500}}])
    stand.start()
    (message_id,) = stand.push(envelope())
    stand.wait_status(message_id, "sending")
    ctl.run("sender", "pause", "mail")
    assert stand.status(message_id) == "sending"
    stand.wait_status(message_id, "queued")
    assert ctl.json("sender")[0]["state"] == "paused"
    assert not stand.redis.hexists(stand.key("bucket", "sender:mail"), "pause")
    stand.sandbox.faults([])
    ctl.run("sender", "resume", "mail")
    assert stand.wait_final([message_id])[message_id]["status"] == "sent"


@pytest.mark.parametrize("status, state", [(429, "throttled"), (401, "broken")])
def test_resume_mends(stand, ctl, status, state):
    stand.sandbox.faults([{"times": 1, "action": {"status": status, "headers":
                                                  {"Retry-After": "3000"}}}])
    stand.start()
    (message_id,) = stand.push(envelope())
    wait_for(lambda: ctl.json("sender")[0]["state"] == state, lambda: str(ctl.json("sender")))
    assert state in ctl.text("sender")
    assert ctl.json("sender", "resume", "mail")[0]["before"] == state
    assert stand.wait_final([message_id])[message_id]["status"] == "sent"
    assert "error_message" not in ctl.json("sender")[0]


# --- the overview ---


def test_queue(stand, ctl):
    for list_name, count in (("jobs:high", 1), ("jobs", 2), ("jobs:low", 3)):
        stand.push(*["{}"] * count, to=list_name)
    stand.redis.zadd(stand.key("delayed"), {"a": 1, "b": 2})
    stand.redis.sadd(stand.key("senders"), "mail", "text")
    stand.redis.rpush(stand.key("ready", "mail", "1"), "x", "y")
    stand.redis.rpush(stand.key("ready", "text", "3"), "z")
    assert ctl.json("queue") == [{
        "jobs": {"high": 1, "normal": 2, "low": 3}, "taken": 0, "delayed": 2, "in_flight": 0,
        "ready": {"mail": {"high": 2, "normal": 0, "low": 0},
                  "text": {"high": 0, "normal": 0, "low": 1}}}]
    assert ctl.rows("queue") == [
        ["QUEUE", "HIGH", "NORMAL", "LOW", "ALL"], ["jobs", "1", "2", "3", "6"],
        ["taken", "-", "-", "-", "0"], ["ready mail", "2", "0", "0", "2"],
        ["ready text", "0", "0", "1", "1"], ["in flight", "-", "-", "-", "0"],
        ["delayed", "-", "-", "-", "2"]]


def test_status(stand, ctl):
    message_id = failed_message(stand)
    rejected_job(stand)
    stand.start(two_senders(stand), worker={"name": "w1"})
    (later,) = stand.push(envelope(scheduled_at=time.time() + 3600))
    stand.wait_status(later, "scheduled")
    stand.wait_final(stand.push(envelope()))
    wait_for(lambda: ctl.json("sender")[0]["in_flight"] == 0, "the place to be given back")
    (s,) = ctl.json("status")
    assert list(s) == ["namespace", "at", "jobs", "taken", "delayed", "in_flight", "dead",
                       "rejected", "today", "senders", "workers"]
    assert s["namespace"] == "t" and TIME.match(s["at"])
    assert s["jobs"] == {"high": 0, "normal": 0, "low": 0}
    assert (s["delayed"], s["dead"], s["rejected"]) == (1, 1, 1)
    assert s["senders"] == ctl.json("sender")
    assert [w["name"] for w in s["workers"]] == ["w1"]
    today = stand.message(message_id)["failed_at"][:10]
    if s["at"][:10] == today:  # not across midnight
        assert s["today"] == {"sent": 1, "failed": 1, "cancelled": 0}
    out = ctl.text("status")
    shown = pairs(out)
    assert shown["delayed"] == shown["dead letters"] == shown["rejected"] == "1"
    assert re.search(r"^mail +ok +0 ", out, re.M) and re.search(r"^w1 +running ", out, re.M)


def test_stats(stand, ctl):
    seconds = stand.redis.time()[0]
    days = [time.strftime("%Y-%m-%d", time.gmtime(seconds - 86400 * n)) for n in range(3)]
    stand.redis.hset(stand.key("stats", days[0]), mapping={
        "provider:sandbox:sent": 5, "provider:sandbox:failed": 1, "channel:email:sent": 5,
        "channel:email:failed": 1, "sender:b:sent": 2, "sender:a:sent": 3, "sender:a:failed": 1,
        "nonsense": 7})
    stand.redis.hset(stand.key("stats", days[1]), mapping={"provider:sandbox:cancelled": 4})
    first, second, third = ctl.json("stats", "--days", 3)
    if first["day"] != days[0]:
        pytest.skip("midnight passed")
    assert first == {
        "day": days[0], "total": {"sent": 5, "failed": 1, "cancelled": 0},
        "provider": {"sandbox": {"sent": 5, "failed": 1, "cancelled": 0}},
        "channel": {"email": {"sent": 5, "failed": 1, "cancelled": 0}},
        "sender": {"a": {"sent": 3, "failed": 1, "cancelled": 0},
                   "b": {"sent": 2, "failed": 0, "cancelled": 0}}}
    assert second["total"] == {"sent": 0, "failed": 0, "cancelled": 4}
    assert third == {"day": days[2], "total": {"sent": 0, "failed": 0, "cancelled": 0},
                     "provider": {}, "channel": {}, "sender": {}}
    assert ctl.json("stats") == [first]
    assert ctl.rows("stats") == [
        ["DAY (UTC)", "BY", "NAME", "SENT", "FAILED", "CANCELLED"],
        [days[0], "total", "-", "5", "1", "0"], [days[0], "channel", "email", "5", "1", "0"],
        [days[0], "provider", "sandbox", "5", "1", "0"], [days[0], "sender", "a", "3", "1", "0"],
        [days[0], "sender", "b", "2", "0", "0"]]


# --- events ---


def test_events(stand, ctl):
    assert ctl.text("events") == "" and ctl.json("events") == []
    for n in range(30):
        stand.redis.xadd(stand.key("events"), {
            "type": "message.sent", "at": "2026-11-21T09:10:11.123Z", "id": f"m{n}", "x": "a b"})
    assert [e["id"] for e in ctl.json("events")] == [f"m{n}" for n in range(10, 30)]
    (event,) = ctl.json("events", "--count", 1)
    assert list(event) == ["entry", "type", "at", "id", "x"] and event["type"] == "message.sent"
    assert ctl.text("events", "--count", 1) == \
        '2026-11-21T09:10:11.123Z message.sent id=m29 x="a b"\n'
    assert ctl.text("events", "--count", 0) == ""


@pytest.mark.parametrize("count, first", [("1", "old"), ("0", "new0")])
def test_events_follow(stand, ctl, count, first):
    stand.redis.xadd(stand.key("events"), {"type": "t", "at": "x", "id": "old"})
    with subprocess.Popen(ctl.argv("events", "--follow", "--json", "--count", count),
                          stdout=subprocess.PIPE, env=ctl.env(),
                          preexec_fn=end_with_parent) as process:
        wait_for(lambda: any(c["cmd"] == "xread" for c in stand.redis.client_list()), "it waits")
        for n in range(3):
            stand.redis.xadd(stand.key("events"), {"type": "t", "at": "x", "id": f"new{n}"})
        expected = ["old"] * (first == "old") + ["new0", "new1", "new2"]
        assert [json.loads(process.stdout.readline())["id"] for _ in expected] == expected
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == -signal.SIGINT


def test_events_follow_from_nothing(stand, ctl):
    with subprocess.Popen(ctl.argv("events", "--follow"), stdout=subprocess.PIPE, env=ctl.env(),
                          preexec_fn=end_with_parent) as process:
        wait_for(lambda: any(c["cmd"] == "xread" for c in stand.redis.client_list()), "it waits")
        stand.redis.xadd(stand.key("events"), {"type": "t", "at": "x", "id": "first"})
        assert process.stdout.readline() == b"x t id=first\n"
        process.kill()


# --- what comes out ---


def plant(stand, text):
    """Hostile text in every place that some verb shows."""
    r = stand.redis
    r.hset(stand.key("message", "m"), mapping={
        "id": text, "status": text, "sender": text, "error_message": text, "metadata": text,
        "response": json.dumps({"a": text}, ensure_ascii=False), text: text})
    r.zadd(stand.key("dead"), {"m": 1, text: 2})
    rejected_job(stand, text.encode() + b"\xff\xc2", error_code=text, error_message=text, field=text,
                 at=text)
    r.sadd(stand.key("senders"), "s", text)
    r.hset(stand.key("sender", "s"), mapping={"state": text, "until": text, "error_message": text})
    r.hset(stand.key("sender", text), mapping={"state": text})
    r.hset(stand.key("bucket", "sender:s"), mapping={"zone": text})
    r.zadd(stand.key("workers"), {text: 1, "w": 9e12})
    r.zadd(stand.key("worker_names"), {text: 9e12})
    r.hset(stand.key("worker", text), mapping={
        "_id": "w", "host": text, "version": text, "started_at": text, "rate": text, "pid": text,
        "state": text})
    day = time.strftime("%Y-%m-%d", time.gmtime(r.time()[0]))
    r.hset(stand.key("stats", day), mapping={f"sender:{text}:sent": 1, f"{text}:a:sent": 1})
    r.xadd(stand.key("events"), {"type": text, "at": text, text: text})


@pytest.mark.parametrize("verb", [
    ["status"], ["queue"], ["message", "m"], ["message", "m", "--all"], ["rejected", "ls"],
    ["rejected", "show"], ["dead", "ls"], ["dead", "show", "m"], ["dead", "retry", "m"],
    ["dead", "retry", "--all"], ["worker", "ls"], ["sender", "ls"], ["sender", "show", "s"],
    ["sender", "pause", "s", HOSTILE], ["sender", "resume", HOSTILE], ["stats"], ["events"],
    ["message", HOSTILE], ["sender", "show", "none" + HOSTILE], ["dead", "show", "none" + HOSTILE]])
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_nothing_reaches_the_terminal_raw(stand, ctl, verb, form):
    plant(stand, HOSTILE)
    if verb == ["rejected", "show"]:
        verb = [*verb, stand.server.raw.xrange(stand.key("rejected"))[0][0].decode()]
    done = subprocess.run(ctl.argv(*verb, *form), capture_output=True, timeout=60, env=ctl.env(),
                          check=False)
    assert done.returncode in (0, 1), done.stderr
    for out in (done.stdout, done.stderr):
        assert not UNSAFE.search(out.decode()), out
    if form:
        for line in done.stdout.decode().splitlines():
            json.loads(line)


def test_tables_fit_80_columns(stand, ctl):
    ids = [failed_message(stand, ID % 1)]
    for n in range(2, 5):
        stand.redis.zadd(stand.key("dead"), {ID % n: time.time() * 1000})
        stand.redis.hset(stand.key("message", ID % n), mapping={
            "status": "failed", "sender": "a-sender-with-a-rather-long-name",
            "error_code": "insufficient_permissions", "failed_at": "2026-11-21T09:10:11.123Z"})
        ids.append(ID % n)
        rejected_job(stand, b"x" * 100000, error_message="why it was rejected " * 10)
    stand.start(two_senders(stand), worker={"name": "a-host-with-a-long-name.example.com-1234567"})
    for verb in (["dead"], ["rejected"], ["worker"], ["sender"], ["queue"], ["stats"], ["status"]):
        out = ctl.text(*verb, COLUMNS="80")
        assert max(map(len, out.splitlines())) <= 80, out
    assert all(i in ctl.text("dead", COLUMNS="80") for i in ids)
    # A pipe gets everything.
    assert "a-sender-with-a-rather-long-name" in ctl.text("dead")


def test_colours_on_a_terminal_only(stand, ctl):
    stand.redis.hset(stand.key("message", "m"), mapping={"id": "m", "status": "failed"})

    def on_terminal(**env):
        parent, child = pty.openpty()
        with open(parent, "rb", buffering=0) as reader:
            process = subprocess.Popen(ctl.argv("message", "m"), stdout=child, env=ctl.env(**env))
            os.close(child)
            seen = []

            def read():
                try:
                    while chunk := reader.read(4096):
                        seen.append(chunk)
                except OSError:  # the other end is closed
                    pass

            thread = threading.Thread(target=read)
            thread.start()
            assert process.wait(60) == 0
            thread.join()
        return b"".join(seen)

    assert b"\x1b[31mfailed\x1b[0m" in on_terminal()
    assert b"\x1b" not in on_terminal(NO_COLOR="1")
    assert b"\x1b" not in ctl.run("message", "m")


def test_nothing_is_left_behind_by_reading(stand, ctl):
    """Looking changes nothing: the same keys and values before and after."""
    stand.start().stop()
    before = stand.everything()
    for verb in (["status"], ["queue"], ["rejected"], ["dead"], ["worker"], ["sender"], ["stats"],
                 ["events"], ["message", "x"], ["sender", "show", "mail"]):
        subprocess.run(ctl.argv(*verb), capture_output=True, timeout=60, env=ctl.env(), check=False)
    assert sorted(stand.everything().split(b"\n")) == sorted(before.split(b"\n"))


def test_a_life_with_everything(stand, ctl):
    """Pushed, failed, retried by hand, sent: the books balance as far as they should."""
    stand.sandbox.faults([{"times": 1, "action": {"status": 400}}])
    stand.start()
    job = envelope()
    ctl.run("push", stdin=json.dumps(job).encode())
    assert stand.wait_final([job["id"]])[job["id"]]["status"] == "failed"
    ctl.run("dead", "retry", job["id"])
    assert stand.wait_status(job["id"], "sent")["attempts"] == "1"
    counted = stand.stats()
    assert (counted["sender:mail:failed"], counted["sender:mail:sent"]) == (1, 1)
    # The earlier failure was counted and stays so; all else is as if it had never been.
    for key in stand.redis.scan_iter(stand.key("stats", "*")):
        for scope in ("provider:sandbox", "channel:email", "sender:mail"):
            stand.redis.hdel(key, f"{scope}:failed")
    check_all(stand, [job["id"]], accepted_by=stand.sandbox.ids("sandbox"))


# --- top ---


class Terminal:
    """sendqctl top on a terminal of its own."""

    def __init__(self, ctl, *arguments, columns=80, lines=24):
        self.parent, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.before = termios.tcgetattr(self.parent)
        self.seen = b""
        self.process = subprocess.Popen(
            ctl.argv("top", *arguments), stdin=child, stdout=child, stderr=child,
            env=ctl.env(NO_COLOR="1"), preexec_fn=end_with_parent)
        os.close(child)

    def read(self):
        """What came by now."""
        while select.select([self.parent], [], [], 0)[0]:
            try:
                chunk = os.read(self.parent, 65536)
            except OSError:  # it has ended
                chunk = b""
            if not chunk:
                break
            self.seen += chunk
        return self.seen

    def frames(self):
        """The whole screens that were drawn, as lines."""
        parts = self.read().split(b"\x1b[H\x1b[2J")[1:]
        return [p.split(b"\x1b[?25h")[0].decode().replace("\r", "").split("\n") for p in parts]

    def wait_frames(self, count):
        wait_for(lambda: len(self.frames()) >= count, lambda: repr(self.seen[-2000:]))
        return self.frames()

    def end(self):
        """Its exit code; the terminal is as it was."""
        code = self.process.wait(20)
        self.read()
        assert self.seen.endswith(b"\x1b[?25h\x1b[?1049l"), self.seen[-100:]
        assert termios.tcgetattr(self.parent) == self.before
        os.close(self.parent)
        return code


def test_top_once(stand, ctl):
    stand.sandbox.faults([{"match": {"recipient": "bad@*"}, "action": {"status": 400}}])
    stand.start([stand.sender(limits={"day": "3/day"})])
    stand.push(*[envelope() for _ in range(5)], envelope(body("bad@example.com")))
    stand.sandbox.wait_accepted(3, "sandbox")
    wait_for(lambda: stand.redis.hget(stand.key("sender", "mail"), "state") == "day_cap", "capped")
    out = ctl.text("top", "--once")
    assert max(map(len, out.splitlines())) <= 80
    assert re.search(r"today 3 sent", out) and re.search(r"^mail +day_cap +", out, re.M)
    assert "running" in out
    shown, = ctl.json("top")
    assert shown["senders"][0]["state"] == "day_cap" and shown["workers"]


@pytest.mark.parametrize("how", ["q", "Q", "\x04", "\x1b", signal.SIGINT, signal.SIGTERM])
def test_top_ends_cleanly(stand, ctl, how):
    terminal = Terminal(ctl)
    terminal.wait_frames(1)
    if isinstance(how, str):
        os.write(terminal.parent, how.encode())
    else:
        terminal.process.send_signal(how)
    assert terminal.end() == 0


def test_top_refreshes_and_fits(stand, ctl):
    senders = [stand.sender(f"a-sender-with-quite-a-long-name-{n}", default=n == 0)
               for n in range(30)]
    daemon = stand.start(senders)
    terminal = Terminal(ctl, "--interval", "1")
    terminal.wait_frames(1)
    stand.wait_final(stand.push(*[envelope() for _ in range(20)]))
    wait_for(lambda: "20 sent" in terminal.frames()[-1][1], lambda: repr(terminal.frames()[-1]))
    assert any(re.search(r"sent [1-9][0-9.]*/s", f[1]) for f in terminal.frames())
    for frame in terminal.frames()[:-1]:
        assert len(frame) <= 24 and max(map(len, frame)) <= 80
    os.write(terminal.parent, b"q")
    assert terminal.end() == 0
    assert daemon.stop() == 0


@pytest.fixture
def own_stand(tmp_path, sandbox):
    """With a Redis that may go and come back."""
    server = RedisServer(tmp_path / "r").start()
    stand = Stand(tmp_path, server, sandbox)
    yield stand
    stand.close()
    server.stop()


def test_top_when_redis_goes(own_stand):
    """It goes on when Redis is there again; whoever ends it before is told."""
    terminal = Terminal(Ctl(own_stand), "--interval", "1")

    def stop_redis(times):
        own_stand.server.stop()
        wait_for(lambda: terminal.read().count(b"sendqctl: Redis: ") == times,
                 lambda: repr(terminal.seen[-900:]))

    terminal.wait_frames(1)
    stop_redis(1)
    drawn = len(terminal.frames())
    own_stand.server.start()
    terminal.wait_frames(drawn + 1)
    stop_redis(2)
    os.write(terminal.parent, b"q")
    assert terminal.process.wait(20) == 3
    assert b"sendqctl: the connection to Redis broke" in terminal.read()
    assert termios.tcgetattr(terminal.parent) == terminal.before


def test_events_follow_when_redis_goes(own_stand):
    stand, ctl = own_stand, Ctl(own_stand)
    with subprocess.Popen(ctl.argv("events", "--follow", "--json"), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=ctl.env(),
                          preexec_fn=end_with_parent) as process:
        for n in range(2):
            wait_for(lambda: any(c["cmd"] == "xread" for c in stand.redis.client_list()), "waits")
            stand.redis.xadd(stand.key("events"), {"type": "t", "at": "x", "id": f"e{n}"})
            assert json.loads(process.stdout.readline())["id"] == f"e{n}"
            stand.server.stop()
            assert process.stderr.readline().startswith(b"sendqctl: Redis: ")
            stand.server.start()
        wait_for(lambda: any(c["cmd"] == "xread" for c in stand.redis.client_list()), "waits")
        stand.redis.delete(stand.key("events"))
        stand.redis.set(stand.key("events"), "x")
        assert b"WRONGTYPE" in process.stderr.readline()
        assert process.wait(20) == 3


def test_top_without_a_terminal(ctl):
    ctl.run("top", code=1)
    assert "--once" in ctl.stderr


# --- completion ---


def completed(line, ctl):
    """What bash offers for the last word of the line."""
    words = line.split(" ")
    script = (f"source <({BIN}/sendqctl completion bash); COMP_WORDS=({' '.join(words)!s} ''); "
              f"COMP_CWORD={len(words) - 1}; COMP_WORDS[COMP_CWORD]='{words[-1]}'; _sendqctl; "
              "printf '%s\\n' \"${COMPREPLY[@]}\"")
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60,
                          env=ctl.env(), check=True)
    return done.stdout.split()


def test_completion_for_bash(ctl):
    assert set(NOUNS) <= set(completed("sendqctl ", ctl))
    assert completed("sendqctl de", ctl) == ["dead"]
    assert set(completed("sendqctl -c file dead ", ctl)) >= {"ls", "show", "retry", "purge"}
    assert completed("sendqctl --json sender p", ctl) == ["pause"]
    assert completed("sendqctl events --f", ctl) == ["--follow"]


def test_completion_for_zsh(ctl):
    out = ctl.text("completion", "zsh")
    assert out.startswith("#compdef sendqctl\n") and "'purge:" in out
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed: its syntax was not checked")
    done = subprocess.run(["zsh", "-n"], input=out, text=True, capture_output=True, timeout=60,
                          check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr
