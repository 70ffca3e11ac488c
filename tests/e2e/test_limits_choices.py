"""What a job says about waiting, and who else may send it: on_limit, fallbacks, the trail."""
import json
import time

import pytest
from invariants import check_all
from support import envelope


def limit_of(answer):
    return answer["rate_limit"]


# --- on_limit ---

def test_on_limit_fail_is_answered_at_once(stand):
    """Of three at a time one has a token; the others hear when there will be more."""
    stand.start(senders=[stand.sender(limits={"rate": "1/min burst 1"})])
    jobs = [envelope(on_limit="fail", reply_to=f"r{n}") for n in range(3)]
    began = time.time()
    stand.push(*jobs)
    answers = [stand.reply(f"r{n}", timeout=5) for n in range(3)]
    messages = stand.wait_final([j["id"] for j in jobs])
    assert sorted(m["status"] for m in messages.values()) == ["failed", "failed", "sent"]
    for job, answer in zip(jobs, answers):
        message = messages[job["id"]]
        if message["status"] == "sent":
            assert limit_of(answer) == {"limit": 1, "remaining": 0,
                                        "reset": limit_of(answer)["reset"]}
            continue
        assert message["error_code"] == "rate_limited"
        assert answer["status_code"] == 429
        assert limit_of(answer)["limit"] == 1 and limit_of(answer)["remaining"] == 0
        assert 50 < limit_of(answer)["reset"] - began < 63
    assert stand.sandbox.stats("sandbox")["requests"] == 1
    check_all(stand, [j["id"] for j in jobs])


def test_on_limit_fail_of_a_sender_that_waits_already(stand):
    """What waits goes on waiting; what would not wait passes it by, either way."""
    stand.start(senders=[stand.sender(limits={"rate": "2/s burst 1"})])
    waiting = stand.push(*[envelope() for _ in range(6)])
    stand.sandbox.wait_accepted(1, "sandbox")
    (job,) = stand.push(envelope(on_limit="fail"))
    (message,) = stand.wait_final([job], timeout=1.5).values()
    assert message["status"] == "failed", message
    stand.wait_final(waiting)
    (message,) = stand.wait_final(stand.push(envelope(on_limit="fail"))).values()
    assert message["status"] in ("sent", "failed")


@pytest.mark.parametrize("limits", [{"day": "1/day"}, {"recipient": "1/min"}, {"concurrency": 1}])
def test_on_limit_fail_of_every_kind(stand, limits):
    stand.sandbox.faults([{"action": {"delay_ms": 700}}])
    stand.start(senders=[stand.sender(limits=limits)])
    ids = stand.push(*[envelope(on_limit="fail") for _ in range(3)])
    messages = stand.wait_final(ids)
    assert sorted(m["status"] for m in messages.values()) == ["failed", "failed", "sent"]
    assert {m.get("error_code") for m in messages.values()} == {None, "rate_limited"}
    if "day" in limits:
        assert stand.redis.hget(stand.key("bucket", "sender:mail"), "used") == "1"


def test_answers_count_down(stand):
    stand.start(senders=[stand.sender(limits={"day": "10/day"})])
    left = []
    for n in range(3):
        stand.push(envelope(reply_to="r"))
        left.append(limit_of(stand.reply("r"))["remaining"])
    assert left == [9, 8, 7]


# --- fallback ---

def senders(stand, dialects, **first):
    """a falls back to b, and b's place in the list is followed by c."""
    names = "abc"[:len(dialects)]
    return [stand.sender(n, [c], d, default=n == "a", retry={"attempts": 2, "base": "10ms",
                                                             "max": "20ms"},
                         **(({"fallback": list(names[1:])} | first) if n == "a" else {}),
                         **({"credentials": {"api_key": f"SG.{n}"}} if d == "sendgrid" else {}))
            for n, (d, c) in zip(names, dialects)]


MAIL = [("sendgrid", "email"), ("sandbox", "email")]


def test_fallback_after_attempts_are_used_up(stand):
    stand.sandbox.faults([{"dialect": "sendgrid", "action": {"status": 503}}])
    stand.start(senders=senders(stand, MAIL), events="all")
    job = envelope(reply_to="r")
    (message,) = stand.wait_final(stand.push(job)).values()
    assert (message["status"], message["sender"], message["provider"], message["attempts"]) == \
        ("sent", "b", "sandbox", "1")
    (entry,) = json.loads(message["trail"])
    assert entry["sender"] == "a" and entry["provider"] == "sendgrid" and entry["attempts"] == 2
    assert entry["error_code"] == "provider_error" and "503" in entry["error_message"]
    assert "error_code" not in message
    assert stand.reply("r")["success"] is True
    assert stand.stats()["sender:b:sent"] == 1 and "sender:a:failed" not in stand.stats()
    assert stand.sandbox.stats("sendgrid")["requests"] == 2


def test_fallback_in_turn_until_none_is_left(stand):
    stand.sandbox.faults([{"action": {"status": 503}}])
    stand.start(senders=senders(stand, [*MAIL, ("sandbox", "email")]))
    (message,) = stand.wait_final(stand.push(envelope())).values()
    assert message["status"] == "failed" and message["sender"] == "c"
    assert [e["sender"] for e in json.loads(message["trail"])] == ["a", "b"]


def test_fallback_when_credentials_are_refused(stand):
    first = {"credentials": {"api_key": "SG.invalid"}}
    config = senders(stand, MAIL)
    config[0] |= first
    stand.start(senders=config)
    (message,) = stand.wait_final(stand.push(envelope())).values()
    assert message["sender"] == "b" and json.loads(message["trail"])[0]["error_code"] == "invalid_key"
    assert stand.redis.hget(stand.key("sender", "a"), "state") == "broken"


def test_no_fallback_for_what_may_have_been_delivered(stand):
    stand.sandbox.faults([{"dialect": "sendgrid", "action": {"kind": "reset"}}])
    stand.start(senders=senders(stand, MAIL))
    (message,) = stand.wait_final(stand.push(envelope())).values()
    assert message["status"] == "failed" and message["sender"] == "a", message
    assert stand.sandbox.stats("sandbox")["requests"] == 0


def test_no_fallback_for_what_is_wrong_with_the_message(stand):
    """Nobody else could send it either."""
    stand.start(senders=senders(stand, MAIL))
    stand.redis.sadd(stand.key("suppressed", "email"), "a@example.com")
    (message,) = stand.wait_final(stand.push(envelope())).values()
    assert message["error_code"] == "suppressed" and message["sender"] == "a"
    assert "trail" not in message


def test_no_fallback_after_an_uncertain_attempt(stand):
    """The first attempt's answer was lost: it may have been delivered, whatever the second says."""
    stand.sandbox.faults([{"dialect": "sendgrid", "times": 1, "action": {"kind": "reset"}},
                          {"dialect": "sendgrid", "action": {"status": 503}}])
    stand.start(senders=senders(stand, MAIL))
    (message,) = stand.wait_final(stand.push(envelope())).values()
    assert message["status"] == "failed" and message["attempts"] == "2", message
    assert stand.sandbox.stats("sandbox")["requests"] == 0
