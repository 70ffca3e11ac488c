"""Caps in every scope at once, four daemons, one of which is killed on the way: what the provider
sees never passes a bucket, and nearly all of it is used."""
import time

import pytest
from support import body, envelope, wait_for
from test_limits import check_bucket, wall_minute_before_midnight

SECONDS = 15
# Scope by rate a second and burst; each has a sender (or two) of its own.
CAPS = {"sender": (5, 2), "account": (50, 5), "channel": (50, 5), "tenant": (20, 2),
        "fast": (500, 25), "minute": (1, 1)}


def senders(stand):
    def one(name, channels=("email",), **settings):
        return stand.sender(name, channels, default=False, **settings)

    shared = {"account": "x"}
    return [
        one("sender", limits={"rate": "5/s burst 2"}),
        one("account1", limits={"account": ["50/s burst 5"]}, **shared), one("account2", **shared),
        one("channel1", ["sms"]), one("channel2", ["sms"]),
        one("tenant1", tenant="acme"), one("tenant2", tenant="acme"),
        one("fast", limits={"rate": "500/s burst 25"}),
        one("minute", limits={"rate": "60/min burst 1"}),
        one("pair", limits={"recipient": "2/s burst 1"}),
    ]


def work(scope, count):
    """Jobs of a scope, over all of its senders; the recipient tells the scope."""
    names = [scope] if scope in ("sender", "fast", "minute") else [f"{scope}1", f"{scope}2"]
    to = "+15550001" if scope == "channel" else f"{scope}@example.com"
    return [envelope(body(to), sender=names[n % len(names)]) for n in range(count)]


def arrivals(requests, recipient):
    return sorted(r["time_us"] / 1e6 for r in requests
                  if r["recipient"] == recipient and 200 <= r["status"] < 300)


def test_caps_in_all_scopes_over_four_daemons(stand, record_property):
    config = stand.config(senders(stand), limits={
        "channels": ["sms 50/s burst 5"], "tenants": ["acme 20/s burst 2"]})
    for scope, (rate, burst) in CAPS.items():
        stand.push(*work(scope, rate * (SECONDS + 5) + burst))
    stand.push(*[envelope(body("pair@example.com"), sender="pair") for _ in range(60)])
    daemons = [stand.daemon(config).start(ready=False) for _ in range(4)]
    for daemon in daemons:
        daemon.wait_ready()
    began = time.monotonic()
    wait_for(lambda: time.monotonic() - began > SECONDS / 2, "half of the time", timeout=SECONDS)
    daemons[0].kill()
    wait_for(lambda: time.monotonic() - began > SECONDS, "the time", timeout=SECONDS)
    requests = stand.sandbox.requests("sandbox", compact=True)
    figures = {}
    for scope, (rate, burst) in CAPS.items():
        times = arrivals(requests, "+15550001" if scope == "channel" else f"{scope}@example.com")
        times = [t for t in times if t - times[0] < SECONDS - 2]
        # Late by up to claim.jitter (20 ms), and by what a busy machine holds up on the way.
        check_bucket(times, rate, burst, 2 + rate * 0.06)
        figures[scope] = round((len(times) - burst) / (SECONDS - 2) / rate, 3)
    print(figures)
    record_property("of the caps", figures)
    pairs = arrivals(requests, "pair@example.com")
    assert all(b - a >= 0.42 for a, b in zip(pairs, pairs[1:])), pairs
    # The slots that the killed one held are lost: claim.horizon of each cap, once.
    assert all(used >= (0.85 if scope == "fast" else 0.93) for scope, used in figures.items())


@pytest.mark.parametrize("mode", ["calendar UTC", "rolling"])
def test_a_thousand_a_day_over_four_daemons(stand, mode):
    if wall_minute_before_midnight("UTC"):
        pytest.skip("the day changes during the test")
    config = stand.config([stand.sender(limits={"day": f"1000/day {mode}"})])
    stand.push(*[envelope() for _ in range(1100)])
    for _ in range(4):
        stand.daemon(config).start(ready=False)
    key = stand.key("sender", "mail")
    wait_for(lambda: stand.redis.hget(key, "state") == "day_cap", lambda: stand.redis.hgetall(key))
    stand.sandbox.wait_accepted(1000, "sandbox")
    assert stand.redis.hget(key, "waiting") == "100"
    assert stand.sandbox.stats("sandbox")["accepted"] == 1000
