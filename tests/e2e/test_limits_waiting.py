"""What waits, waits well: quiet hours, and who goes first. Quiet hours are reached by travelling in
time, as in test_limits_days."""
import time
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from support import body, envelope, wait_for
from test_limits_days import go_to

BERLIN = ZoneInfo("Europe/Berlin")
QUIET = {"marketing": "21:00-08:00", "notification": "23:00-06:00", "zone": "Europe/Berlin"}


def typed(kind, recipient="a@example.com", **members):
    return envelope(body(recipient) | {"message_type": kind}, **members)


def due_after(message, when):
    due = datetime.fromisoformat(message["next_attempt_at"])
    return due.timestamp() - when.timestamp()


def test_quiet_hours(stand):
    """By the sender's clock; TRANSACTIONAL passes, and what fell in goes at the end."""
    evening = datetime(2027, 3, 27, 22, 30, tzinfo=BERLIN)  # the clocks go forward this night
    go_to(stand, evening)
    stand.start(senders=[stand.sender(quiet=QUIET)])
    (marketing,) = stand.push(typed("MARKETING"))
    others = stand.push(typed("NOTIFICATION"), typed("TRANSACTIONAL"))
    stand.wait_final(others)
    message = stand.wait_status(marketing, "scheduled")
    assert message["attempts"] == "0" and "error_code" not in message
    assert 0 <= due_after(message, datetime(2027, 3, 28, 8, tzinfo=BERLIN)) < 1
    go_to(stand, evening + timedelta(minutes=45))
    (notification,) = stand.push(typed("NOTIFICATION"))
    stand.wait_status(notification, "scheduled")
    go_to(stand, datetime(2027, 3, 28, 6, 0, 1, tzinfo=BERLIN))
    stand.wait_final([notification])
    assert stand.status(marketing) == "scheduled"
    go_to(stand, datetime(2027, 3, 28, 8, 0, 1, tzinfo=BERLIN))
    stand.wait_final([marketing])
    assert stand.message(marketing)["attempts"] == "1"


def test_quiet_hours_of_the_recipient(stand):
    """By the clock of the lead's zone, where that is known."""
    go_to(stand, datetime(2027, 6, 1, 23, 30, tzinfo=BERLIN))  # 17:30 in New York
    stand.redis.hset(stand.key("lead", "ny"), mapping={
        "email": "ny@example.com", "timezone": "America/New_York"})
    stand.redis.hset(stand.key("lead", "tokyo"), mapping={
        "email": "t@example.com", "timezone": "Asia/Tokyo"})  # 06:30
    stand.redis.hset(stand.key("lead", "odd"), mapping={
        "email": "o@example.com", "timezone": "Mars/Base"})
    stand.start(senders=[stand.sender(quiet=QUIET)])
    ids = stand.push(typed("MARKETING"))
    leads = {n: stand.push(envelope(body(f"{n}@example.com", contact_id=n)
                                    | {"message_type": "MARKETING"}))[0]
             for n in ("ny", "tokyo", "odd")}
    stand.wait_final([leads["ny"]])
    for name, end in (("tokyo", datetime(2027, 6, 2, 8, tzinfo=ZoneInfo("Asia/Tokyo"))),
                      ("odd", datetime(2027, 6, 2, 8, tzinfo=BERLIN))):
        message = stand.wait_status(leads[name], "scheduled")
        assert 0 <= due_after(message, end) < 1
    stand.wait_status(ids[0], "scheduled")


def test_quiet_hours_cost_no_quota(stand):
    go_to(stand, datetime(2027, 6, 1, 23, 30, tzinfo=BERLIN))
    stand.start(senders=[stand.sender(quiet=QUIET, limits={"day": "5/day"})])
    for message_id in stand.push(*[typed("MARKETING") for _ in range(8)]):
        stand.wait_status(message_id, "scheduled")
    wait_for(lambda: stand.redis.hget(stand.key("bucket", "sender:mail"), "used") == "0", "it")
    stand.wait_final(stand.push(*[typed("TRANSACTIONAL") for _ in range(5)]))


def test_marketing_never_delays_transactional(stand):
    """Though it came first, is urgent, and the sender is slow."""
    stand.start(senders=[stand.sender(limits={"rate": "20/s burst 1"})])
    marketing = stand.push(*[typed("MARKETING", priority="HIGH") for _ in range(100)])
    wait_for(lambda: stand.sandbox.stats("sandbox")["accepted"] >= 2, "the first")
    began = time.monotonic()
    stand.wait_final(stand.push(*[typed("TRANSACTIONAL", priority="LOW") for _ in range(10)]))
    assert time.monotonic() - began < 1.5
    assert sum(stand.status(i) == "sent" for i in marketing) < 40


def test_an_urgent_message_waits_for_one_token(stand):
    """Twenty thousand wait for a token a minute, and so does a HIGH one: the next one is its own.
    One of another sender goes at once."""
    daemon = stand.start(senders=[stand.sender(limits={"rate": "1/min burst 1"}),
                                  stand.sender("other", default=False)])
    stand.push(*[envelope() for _ in range(20000)])
    wait_for(lambda: stand.redis.llen(stand.key("ready", "mail", "2")) == 19999, daemon.log,
             timeout=60)
    (same,) = stand.push(envelope(priority="HIGH"), to="jobs:high")
    (other,) = stand.push(envelope(priority="HIGH", sender="other"), to="jobs:high")
    stand.wait_final([other])
    stand.wait_status(same, "queued")
    assert stand.sandbox.stats("sandbox")["accepted"] == 2
    go_to(stand, datetime.now(BERLIN) + timedelta(seconds=61))
    stand.wait_final([same])
    assert stand.sandbox.stats("sandbox")["accepted"] == 3


@pytest.mark.parametrize("limits, place", [
    ({"day": "1/day"}, "ready:mail:2"), ({"rate": "1/hour burst 1"}, "ready:mail:2"),
    ({"recipient": "1/hour"}, "delayed")])
def test_what_waits_costs_nothing(stand, limits, place):
    """While the lease is renewed four times, nothing but these beats asks Redis for anything."""
    daemon = stand.start([stand.sender(limits=limits)])
    stand.push(*[envelope() for _ in range(1000)])
    where = stand.key(*place.split(":"))
    size = stand.redis.llen if place != "delayed" else stand.redis.zcard
    wait_for(lambda: size(where) >= 999 and stand.redis.llen(stand.key("jobs")) == 0,
             lambda: (size(where), stand.redis.keys("t:[^mc]*")))

    def lease():
        return stand.redis.zscore(stand.key("workers"), daemon.worker_ids()[-1])

    def next_beat(seen):
        wait_for(lambda: lease() != seen[-1], "a beat")
        seen.append(lease())

    beats = [lease()]
    next_beat(beats)  # what came before it is settled
    stand.redis.config_resetstat()
    for _ in range(4):
        next_beat(beats)
    calls = {name: stats["calls"] for name, stats in stand.redis.info("commandstats").items()}
    # A beat renews the lease and asks whether a bulk wants to be expanded; a claim looks at queues.
    assert calls.get("cmdstat_evalsha", 0) <= 2 * 4 + 2, calls
    assert not {"cmdstat_llen", "cmdstat_lpop"} & set(calls), calls
