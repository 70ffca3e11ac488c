"""sendqctl worker, sender, queue, status, stats and events: how the namespace stands."""
import json
import re
import signal
import subprocess
import time

import pytest
from ctl_client import ctl, failed_message, pairs, rejected_job, two_senders
from support import TIME, body, end_with_parent, envelope, wait_for


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
