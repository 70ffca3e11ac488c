"""sendqctl explain and limits: the reason, the limit, until when and the ETA of what is not sent."""
import json
from datetime import datetime, timedelta

import pytest
from support import body, envelope, rfc3339, wait_for
from test_bulk import counts, job, people, put_leads
from test_ctl_shapes import check, documented, sendqctl
from test_limits_days import go_to
from test_limits_waiting import BERLIN, QUIET, typed

ONE = "1/min burst 1"


def ctl(stand, *words, code=0):
    """What sendqctl prints with --json, each object checked against the documentation."""
    lines = sendqctl("--redis", stand.server.url, "--namespace", stand.ns, "--json", *words,
                     code=code).splitlines()
    found = [json.loads(line) for line in lines]
    if words[0] in ("explain", "limits", "sender"):
        for item in found:
            check(words[0], item, documented(words[0]))
    return found


def explain(stand, message_id):
    (found,) = ctl(stand, "explain", message_id)
    assert found["id"] == message_id
    return found


def now(stand):
    seconds, us = stand.redis.time()
    return seconds + us / 1e6


def seconds_until(stand, found, member="until"):
    return datetime.fromisoformat(found[member]).timestamp() - now(stand)


def one_waits(stand, *jobs):
    """The explanation of the one of these that is not sent while the other is."""
    ids = stand.push(*(jobs or (envelope(), envelope())))
    wait_for(lambda: sorted(stand.status(i) or "" for i in ids)[-1] == "sent"
             and {stand.status(i) for i in ids} <= {"sent", "queued", "scheduled"}, stand.logs)
    (waits,) = [i for i in ids if stand.status(i) != "sent"]
    return explain(stand, waits)


# Senders' settings, global limits, and which bucket holds the second message up.
CASES = {
    "sender": ({"limits": {"rate": ONE}}, {}, "sender:mail"),
    "account": ({"account": "x", "limits": {"account": [ONE]}}, {}, "account:x"),
    "channel": ({}, {"channels": [f"email {ONE}"]}, "channel:email"),
    "tenant": ({"tenant": "acme"}, {"tenants": [f"acme {ONE}"]}, "tenant:acme"),
    "global": ({}, {"rate": ONE}, "global"),
}


@pytest.mark.parametrize("scope", CASES)
def test_a_rate_of_every_scope(stand, scope):
    settings, limits, name = CASES[scope]
    stand.start([stand.sender(**settings)], limits=limits)
    found = one_waits(stand)
    assert (found["kind"], found["status"], found["sender"]) == ("message", "queued", "mail")
    assert (found["reason"], found["limit"], found["ahead"]) == ("rate", name, 0)
    assert 30 < seconds_until(stand, found) <= 61
    assert found["eta"] == found["until"]
    (limit,) = ctl(stand, "limits", name)
    assert (limit["limit"], limit["state"], limit["burst"]) == (name, "rate", 1)
    assert limit["rate"] == limit["effective_rate"] == pytest.approx(1 / 60, rel=0.01)
    assert limit == next(x for x in ctl(stand, "limits") if x["limit"] == name)


@pytest.mark.parametrize("scope", ["tenant", "channel", "recipient"])
def test_a_rate_of_the_message_alone(stand, scope):
    """It has left the queue, and others of its sender go on."""
    limits = {"tenant": {"tenants": [f"* {ONE}"]}, "channel": {"channels": [f"email {ONE}"]},
              "recipient": {}}[scope]
    own = {"limits": {"recipient": "1/min"}} if scope == "recipient" else {}
    stand.start([stand.sender(channels=["email", "sms"], **own)], limits=limits)
    members = {"tenant": "acme"} if scope == "tenant" else {}
    found = one_waits(stand, envelope(**members), envelope(**members))
    name = {"tenant": "tenant:acme", "channel": "channel:email", "recipient": "recipient"}[scope]
    assert (found["status"], found["reason"], found["limit"]) == ("scheduled", "rate", name)
    assert 30 < seconds_until(stand, found) <= 61


@pytest.mark.parametrize("mode", ["calendar UTC", "rolling"])
def test_a_day(stand, mode):
    stand.start([stand.sender(limits={"day": f"1/day {mode}"})])
    found = one_waits(stand)
    assert (found["reason"], found["limit"]) == ("day_cap", "sender:mail")
    (limit,) = ctl(stand, "limits")
    assert (limit["day_cap"], limit["day_used"], limit["state"]) == (1, 1, "day_cap")
    assert limit["until"] == limit["day_resets_at"] == found["until"] == found["eta"]
    assert 0 < seconds_until(stand, found) <= 24 * 3600 + 900
    assert stand.redis.hget(stand.key("sender", "mail"), "until") == found["until"]


def test_the_eta_counts_days(stand):
    """Five a day and eleven in front: the third day from now."""
    stand.start([stand.sender(limits={"day": "5/day"})])
    ids = stand.push(*[envelope() for _ in range(5 + 11 + 1)])
    stand.sandbox.wait_accepted(5, "sandbox")
    wait_for(lambda: stand.redis.hget(stand.key("sender", "mail"), "waiting") == "12", stand.logs)
    found = explain(stand, ids[-1])
    assert found["ahead"] == 11
    until, eta = (datetime.fromisoformat(found[m]) for m in ("until", "eta"))
    assert eta - until == timedelta(days=2)


def test_concurrency(stand):
    stand.sandbox.faults([{"times": 1, "action": {"kind": "hang"}}])
    stand.start([stand.sender(limits={"concurrency": 1})])
    ids = stand.push(envelope(), envelope())
    stand.sandbox.wait_requests(1, "sandbox")
    wait_for(lambda: {stand.status(i) for i in ids} == {"sending", "queued"}, stand.logs)
    found = {stand.status(i): explain(stand, i) for i in ids}
    assert found["sending"]["reason"] == "in_flight"
    assert (found["queued"]["reason"], found["queued"]["limit"]) == ("concurrency", "sender:mail")
    (limit,) = ctl(stand, "limits")
    assert (limit["state"], limit["concurrency"], limit["in_flight"]) == ("concurrency", 1, 1)


def test_a_provider_that_asks_to_wait(stand):
    stand.sandbox.faults([{"action": {"status": 429, "headers": {"Retry-After": "60"}}}])
    stand.start()
    (message_id,) = stand.push(envelope())
    wait_for(lambda: (stand.redis.hget(stand.key("sender", "mail"), "state"),
                      stand.status(message_id)) == ("throttled", "queued"), stand.logs)
    found = explain(stand, message_id)
    assert (found["reason"], found["limit"]) == ("throttled", "sender:mail")
    assert 30 < seconds_until(stand, found) <= 61 and found["eta"] == found["until"]


def test_an_open_breaker(stand):
    stand.sandbox.faults([{"action": {"status": 503}}])
    stand.start([stand.sender(breaker={"errors": 1, "pause": "1h", "max": "1h"},
                              retry={"base": "1h", "max": "1h"})])
    (failed,) = stand.push(envelope())
    stand.wait_status(failed, "scheduled")
    (waits,) = stand.push(envelope())
    stand.wait_status(waits, "queued")
    found = explain(stand, waits)
    assert (found["reason"], found["limit"]) == ("breaker", "sender:mail")
    assert "503" in found["error_message"] and seconds_until(stand, found) > 3000
    found = explain(stand, failed)
    assert found["reason"] == "retry" and "503" in found["error_message"]
    assert found["eta"] == found["until"]


def test_paused_and_resumed(stand):
    stand.start()
    assert ctl(stand, "sender", "pause", "mail") == [
        {"id": "mail", "before": "ok", "state": "paused"}]
    (message_id,) = stand.push(envelope())
    stand.wait_status(message_id, "queued")
    found = explain(stand, message_id)
    assert found["reason"] == "paused" and not {"until", "eta", "limit"} & set(found)
    (shown,) = ctl(stand, "sender", "show", "mail")
    assert shown["state"] == "paused"
    assert [s["id"] for s in ctl(stand, "sender", "ls")] == ["mail"]
    ctl(stand, "sender", "resume", "mail")
    stand.wait_final([message_id])
    found = explain(stand, message_id)
    assert (found["status"], found["reason"]) == ("sent", "done")


def test_broken_credentials(stand):
    stand.start([stand.sender(dialect="sendgrid", credentials={"api_key": "SG.invalid"})])
    (message_id,) = stand.push(envelope())
    wait_for(lambda: (stand.redis.hget(stand.key("sender", "mail"), "state"),
                      stand.status(message_id)) == ("broken", "queued"), stand.logs)
    found = explain(stand, message_id)
    assert found["reason"] == "broken" and found["error_message"] and "eta" not in found


def test_scheduled_and_quiet_hours(stand):
    evening = datetime(2027, 6, 1, 22, 30, tzinfo=BERLIN)
    go_to(stand, evening)
    stand.start([stand.sender(quiet=QUIET)])
    due = rfc3339(evening.timestamp() + 3600)
    later, quiet = stand.push(typed("TRANSACTIONAL", scheduled_at=due), typed("MARKETING"))
    for message_id, reason in ((later, "scheduled"), (quiet, "quiet_hours")):
        stand.wait_status(message_id, "scheduled")
        found = explain(stand, message_id)
        assert found["reason"] == reason
        assert found["eta"] == found["until"] == stand.message(message_id)["next_attempt_at"]
    assert explain(stand, later)["until"] == due


def test_quiet_hours_after_a_failure(stand):
    """What put it off last is the reason, not what was wrong before that."""
    day = datetime(2027, 6, 1, 12, 30, tzinfo=BERLIN)
    go_to(stand, day)
    stand.sandbox.faults([{"times": 2, "action": {"status": 503}}])
    stand.start([stand.sender(quiet=QUIET, retry={"base": "2h", "max": "2h"})])
    (message_id,) = stand.push(typed("MARKETING"))
    stand.wait_status(message_id, "scheduled")
    assert explain(stand, message_id)["reason"] == "retry"
    go_to(stand, day + timedelta(hours=10))
    morning = day.replace(hour=8, minute=0) + timedelta(days=1)
    wait_for(lambda: explain(stand, message_id)["reason"] == "quiet_hours", stand.logs)
    found = explain(stand, message_id)
    # A worker counts how long to wait by what it takes for Redis' clock.
    until = datetime.fromisoformat(found["until"]).timestamp()
    assert abs(until - morning.timestamp()) < 1
    assert "error_message" not in found
    go_to(stand, morning + timedelta(seconds=1))
    wait_for(lambda: explain(stand, message_id)["reason"] == "retry", stand.logs)


def test_nobody_works(stand):
    daemon = stand.start([stand.sender(limits={"rate": ONE})])
    found = one_waits(stand)
    assert daemon.stop() == 0
    found = explain(stand, found["id"])
    assert found["reason"] == "no_worker" and "eta" not in found
    assert ctl(stand, "explain", "nonsense", code=1) == []


def test_bulks(stand):
    put_leads(stand, people(40))
    stand.start([stand.sender(limits={"rate": "2/s burst 1"})])
    j = job({"search_keyword": "example"})
    stand.push(j)
    wait_for(lambda: counts(stand, j["id"]).get("messages_sent", "0") >= "1", stand.logs)
    wait_for(lambda: counts(stand, j["id"])["status"] == "sending", stand.logs)
    found = explain(stand, j["id"])
    assert (found["kind"], found["status"], found["sender"]) == ("bulk", "sending", "mail")
    assert found["reason"] in ("rate", "turn", "in_flight") and found["ahead"] > 30
    assert found["ahead"] / 2 - 3 < seconds_until(stand, found, "eta") < 25
    ctl(stand, "bulk", "pause", j["id"])
    found = explain(stand, j["id"])
    assert found["reason"] == "paused" and "eta" not in found
    ctl(stand, "bulk", "cancel", j["id"])
    assert explain(stand, j["id"])["reason"] == "done"


def test_tables_for_people(stand):
    stand.start([stand.sender(limits={"rate": "1/min burst 1", "day": "5/day"})])
    found = one_waits(stand)
    options = ("--redis", stand.server.url, "--namespace", stand.ns)
    text = sendqctl(*options, "explain", found["id"])
    assert "rate: the rate has no token left" in text and "sender:mail" in text
    text = sendqctl(*options, "limits")
    assert "0.01667/s burst 1" in text and "1 of 5" in text
