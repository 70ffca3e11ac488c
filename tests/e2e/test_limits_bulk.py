"""Limits hold for the recipients of a bulk too: the rate to one recipient, and units that show only
when its text is filled in."""
from datetime import datetime

from support import body, envelope, new_id, wait_for
from test_bulk import bulk, check_over, job, put_leads, wait_bulk
from test_limits import arrival_times, check_bucket, wall_minute_before_midnight

import pytest

TWILIO = {"credentials": {"account_sid": "AC" + "0" * 32, "auth_token": "token"},
          "from": {"address": "+15550001"}}


def same_address(count):
    return {f"l{n}": {"email": "one@example.com", "first_name": f"N{n}"} for n in range(count)}


def texters(count, words):
    """Leads whose text has that many characters."""
    return {f"l{n}": {"phone": f"+1415555{n:04}", "first_name": "x" * words} for n in range(count)}


def sms(content="{{first_name}}"):
    return {"id": new_id(), "body": {
        "bulk_settings": {"search_keyword": "555"},
        "message_data": {"recipient": "+15551234567", "content": content}}}


def test_the_rate_to_one_recipient(stand):
    """By a bulk that may send to an address often, beside messages of their own."""
    put_leads(stand, same_address(8) | {f"p{n}": {"email": f"p{n}@example.com"}
                                        for n in range(20)})
    stand.start([stand.sender(limits={"recipient": "5/s"})], bulk={"dedupe": False})
    j = job({"search_keyword": "example"})
    stand.push(j, *[envelope(body("one@example.com")) for _ in range(4)])
    b = wait_bulk(stand, j["id"])
    assert b["messages_sent"] == "28"
    wait_for(lambda: len(arrival_times(stand, "one@example.com")) == 12, stand.logs)
    times = arrival_times(stand, "one@example.com")
    assert all(b - a >= 0.17 for a, b in zip(times, times[1:])), times
    check_over(stand, j["id"])


def test_segments_of_a_bulk(stand):
    """Three segments each at 30 segments/s: ten a second, and a little for the burst."""
    put_leads(stand, texters(40, 400))
    stand.start([stand.sender("text", ["sms"], "twilio", limits={"rate": "30/s burst 6"}, **TWILIO)])
    j = sms()
    stand.push(j)
    b = wait_bulk(stand, j["id"])
    assert b["messages_sent"] == "40"
    times = sorted(r["time_us"] / 1e6 for r in stand.sandbox.requests("twilio", compact=True)
                   if 200 <= r["status"] < 300)
    check_bucket(times, 10, 2, 2)
    # Those claimed with the first one, a token each, are in front of its further segments.
    assert 38 / 10 - 0.3 <= times[-1] - times[0] < 40 / 10 / 0.9
    check_over(stand, j["id"])


def test_a_days_segments_of_a_bulk(stand):
    """Of 20 segments a day six messages of three fit."""
    if wall_minute_before_midnight("UTC"):
        pytest.skip("the day changes during the test")
    put_leads(stand, texters(12, 400))
    stand.start([stand.sender("text", ["sms"], "twilio", limits={"rate": "", "day": "20/day"},
                              **TWILIO)])
    j = sms()
    stand.push(j)
    key = stand.key("bucket", "sender:text")
    wait_for(lambda: bulk(stand, j["id"]).get("messages_sent") == "6", stand.logs)
    wait_for(lambda: stand.redis.zcard(stand.key("delayed")) == 6
             or bulk(stand, j["id"])["messages_sending"] == "0", stand.logs)
    assert bulk(stand, j["id"])["messages_sent"] == "6"
    # What did not leave was given back: three for each that did.
    wait_for(lambda: stand.redis.hget(key, "used") == "18", lambda: stand.redis.hgetall(key))
    due = stand.redis.zrange(stand.key("delayed"), 0, 0, withscores=True)
    if due:
        midnight = datetime.fromtimestamp(due[0][1] / 1000).astimezone(tz=None)
        assert midnight.minute == 0  # of the zone the machine is in, and of UTC
