"""When and which: schedules, expiry, priorities, senders, suppression, lost answers."""
import json
import time

import pytest
from invariants import check_all
from support import body, envelope, new_id, rfc3339, wait_for


# --- time ---


def test_scheduled_message_waits_for_its_time(stand):
    stand.start()
    at = int(time.time()) + 2
    local = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at + 7200)) + "+02:00"
    ids = stand.push(*[envelope(scheduled_at=t) for t in (rfc3339(at), at, str(at), local)])
    for message_id in ids:
        m = stand.wait_status(message_id, "scheduled")
        assert m["next_attempt_at"] == rfc3339(at)
    stand.wait_final(ids)
    for request in stand.sandbox.requests("sandbox"):
        assert request["wall_us"] >= at * 1_000_000
    check_all(stand, ids, accepted_by=stand.sandbox.ids("sandbox"))


def test_scheduled_in_the_past_is_sent_at_once(stand):
    stand.start()
    (message_id,) = stand.push(envelope(scheduled_at=int(time.time()) - 3600))
    assert stand.wait_final([message_id])[message_id]["status"] == "sent"


def test_expired_message_is_not_sent(stand):
    stand.start()
    (message_id,) = stand.push(envelope(expires_at=int(time.time()) - 1))
    m = stand.wait_final([message_id])[message_id]
    assert m["status"] == "failed"
    assert m["error_code"] == "expired"
    assert stand.sandbox.stats("sandbox")["requests"] == 0


def test_message_that_expires_while_it_waits_is_not_sent(stand):
    daemon = stand.start()
    assert daemon.stop() == 0
    at = time.time() + 1
    ids = stand.push(envelope(expires_at=rfc3339(at)), envelope())
    wait_for(lambda: time.time() > at, "its time passes")
    daemon.start()
    messages = stand.wait_final(ids)
    assert [messages[i]["status"] for i in ids] == ["failed", "sent"]
    assert messages[ids[0]]["error_code"] == "expired"
    check_all(stand, ids)


def test_expired_message_is_not_retried(stand):
    stand.sandbox.faults([{"action": {"status": 503}}])
    stand.start(senders=[stand.sender(retry={"base": "20ms", "max": "50ms", "attempts": 1000})])
    at = time.time() + 1
    (message_id,) = stand.push(envelope(expires_at=rfc3339(at)))
    m = stand.wait_final([message_id])[message_id]
    assert m["status"] == "failed"
    assert m["error_code"] in ("expired", "provider_error")
    assert max(r["wall_us"] for r in stand.sandbox.requests("sandbox")) <= (at + 0.05) * 1e6


# --- priority ---


def arrivals(stand):
    return [r["recipient"].partition("@")[0] for r in stand.sandbox.requests("sandbox")]


def one_at_a_time(stand):
    return stand.config([stand.sender(limits={"concurrency": 1})], worker={"in_flight": 1},
                        claim={"batch": 1})


def test_first_in_first_out(stand):
    stand.push(*[body(f"{n}@example.com") for n in range(200)])
    stand.daemon(one_at_a_time(stand)).start()
    stand.sandbox.wait_accepted(200, "sandbox")
    assert arrivals(stand) == [str(n) for n in range(200)]


def test_high_goes_first_and_low_is_not_starved(stand):
    lists = {"jobs:low": 20, "jobs": 60, "jobs:high": 120}
    for name, count in lists.items():
        stand.push(*[body(f"{name}.{n}@example.com".replace(":", "-")) for n in range(count)],
                   to=name)
    # All are accepted before the first one goes: the sender starts without a free place.
    stand.daemon(one_at_a_time(stand)).start()
    stand.sandbox.wait_accepted(200, "sandbox", timeout=60)
    seen = arrivals(stand)
    half = seen[:100]
    counts = {p: sum(s.startswith(p + ".") for s in half)
              for p in ("jobs-low", "jobs", "jobs-high")}
    assert counts["jobs-high"] > counts["jobs"] > 0, counts
    assert counts["jobs-low"] > 0, counts
    for name in lists:  # each class in its own order
        start = name.replace(":", "-") + "."
        own = [int(s.rpartition(".")[2]) for s in seen if s.startswith(start)]
        assert own == sorted(own), name


@pytest.mark.parametrize("where, value, expected", [
    ("jobs:low", "HIGH", "HIGH"), ("jobs:high", "low", "LOW"), ("jobs:high", 2, "NORMAL"),
    ("jobs", "1", "HIGH"), ("jobs", 3, "LOW"), ("jobs:high", None, "HIGH"),
    ("jobs:low", None, "LOW"), ("jobs", "Normal", "NORMAL")])
def test_priority_in_the_job_wins(stand, where, value, expected):
    stand.start()
    inner = body()
    if value is not None:
        inner["priority"] = value
    outer = envelope() if value is None else envelope(priority=value)
    stand.push(inner, to=where)
    stand.push(outer, to=where)
    wait_for(lambda: len(stand.messages()) == 2, "both")
    stand.wait_final(stand.messages())
    assert [m["priority"] for m in stand.messages().values()] == [expected] * 2


# --- senders ---


def refused(stand, job):
    """The error code of a job that must not be sent, wherever it went."""
    stand.push(job | {"reply_to": "refused"})
    answer = stand.reply("refused")
    assert answer["status_code"] == 403, answer
    assert stand.sandbox.stats()["requests"] == 0
    found = [r["error_code"] for r in stand.rejected()]
    found += [m["error_code"] for m in stand.messages().values()]
    (code,) = found
    return code


def test_unknown_sender(stand):
    stand.start()
    assert refused(stand, envelope(sender="nobody")) == "insufficient_permissions"


def test_unknown_sender_identifier(stand):
    stand.start()
    inner = body() | {"sender_identifier": "nobody"}
    assert refused(stand, envelope(inner)) == "insufficient_permissions"


def test_no_default_sender(stand):
    # The only sender of a channel would be its default by itself.
    stand.start(senders=[stand.sender(n, default=False) for n in ("one", "two")])
    assert refused(stand, envelope()) == "insufficient_permissions"


def test_sender_without_the_channel(stand):
    stand.start()
    assert refused(stand, envelope(body("+15550001"), sender="mail")) == "insufficient_permissions"


def test_named_sender_wins_over_the_default(stand):
    stand.start(senders=[stand.sender(), stand.sender("other", default=False)])
    ids = stand.push(envelope(sender="other"), envelope(body() | {"sender_identifier": "other"}),
                     envelope())
    messages = stand.wait_final(ids)
    assert [messages[i]["sender"] for i in ids] == ["other", "other", "mail"]


def test_suppressed_recipient(stand):
    stand.start(senders=[stand.sender(), stand.sender("legal", default=False,
                                                      ignore_suppressed=True)])
    stand.redis.sadd(stand.key("suppressed", "email"), "stop@example.com")
    ids = stand.push(*[envelope(body("stop@example.com") | {"message_type": t})
                       for t in ("TRANSACTIONAL", "MARKETING", "NOTIFICATION")],
                     envelope(body("stop@example.com"), sender="legal"), envelope())
    messages = stand.wait_final(ids)
    assert [messages[i]["status"] for i in ids] == ["failed"] * 3 + ["sent"] * 2
    assert {messages[i]["error_code"] for i in ids[:3]} == {"suppressed"}
    assert set(stand.sandbox.ids("sandbox")) == set(ids[3:])
    check_all(stand, ids)


def test_one_suppressed_recipient_of_several(stand):
    stand.start()
    stand.redis.sadd(stand.key("suppressed", "email"), "stop@example.com")
    stand.push(*[{"id": name, "body": {"to": to, "subject": "Hi", "body_text": "Hello"}}
                       for name, to in (("both", ["go@example.com", "Stop <stop@EXAMPLE.com>"]),
                                        ("none", ["go@example.com", "go2@example.com"]))])
    messages = stand.wait_final(["both", "none"])
    assert messages["both"].get("error_code") == "suppressed", messages["both"]
    assert messages["none"]["status"] == "sent"


def test_suppression_is_read_when_it_is_sent(stand):
    stand.start()
    (message_id,) = stand.push(envelope(scheduled_at=time.time() + 1.0))
    stand.wait_status(message_id, "scheduled")
    stand.redis.sadd(stand.key("suppressed", "email"), "a@example.com")
    assert stand.wait_final([message_id])[message_id]["error_code"] == "suppressed"


# --- a lost answer ---


def test_lost_answer_is_tried_again_by_default(stand):
    stand.sandbox.faults([{"times": 1, "action": {"kind": "reset", "accept": True}}])
    stand.start(senders=[stand.sender(retry={"base": "1ms"})])
    (message_id,) = stand.push(envelope())
    assert stand.wait_final([message_id])[message_id]["status"] == "sent"
    assert stand.sandbox.ids("sandbox") == {message_id: 2}


@pytest.mark.parametrize("where", ["job", "sender"])
def test_lost_answer_with_uncertain_fail(stand, where):
    stand.sandbox.faults([{"match": {"recipient": "lost@*"},
                           "action": {"kind": "reset", "accept": True}}])
    in_job = {"uncertain": "fail"} if where == "job" else {}
    in_sender = {"uncertain": "fail"} if where == "sender" else {}
    stand.start(senders=[stand.sender(retry={"base": "1ms"}, **in_sender)])
    lost, good = stand.push(envelope(body("lost@example.com"), **in_job), envelope(**in_job))
    messages = stand.wait_final([lost, good])
    assert messages[lost]["status"] == "failed"
    assert messages[lost]["error_code"] == "outcome_unknown"
    assert messages[good]["status"] == "sent"
    assert stand.sandbox.ids("sandbox") == {lost: 1, good: 1}
    check_all(stand, [lost, good])


def test_uncertain_fail_still_retries_what_was_not_sent(stand):
    stand.sandbox.faults([{"times": 2, "action": {"status": 503}}])
    stand.start(senders=[stand.sender(retry={"base": "1ms"})])
    (message_id,) = stand.push(envelope(uncertain="fail"))
    assert stand.wait_final([message_id])[message_id]["status"] == "sent"


def test_namespaces_do_not_meet(stand):
    stand.start()
    other = stand.config()
    other["namespace"] = "{other}"
    stand.daemon(other).start()
    message_id = new_id()
    stand.push(envelope(id=message_id))
    stand.server.raw.lpush("{other}:jobs", json.dumps(envelope(id=message_id)))
    stand.wait_status(message_id, "sent")
    wait_for(lambda: stand.redis.hget(f"{{other}}:message:{message_id}", "status") == "sent",
             "the other namespace's message")
    assert stand.sandbox.ids("sandbox") == {message_id: 2}
