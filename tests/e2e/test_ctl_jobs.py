"""sendqctl push, message, rejected and dead: jobs going in, and what became of them."""
import base64
import json
import subprocess

import pytest
from ctl_client import Ctl, ctl, failed_message, pairs, rejected_job
from support import body, envelope, wait_for


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
