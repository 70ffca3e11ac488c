"""Caps of any rate in any scope over four daemons, one of which is killed on the way: no window at
the provider passes the bucket, and nearly all of it is used.

Every rate and every scope once by default, all of their pairs with SENDQ_TEST_CAPS=all. What a day
may have is one of the rates; a rate to one recipient has no day."""
import os
import time

import pytest
from support import Stand, body, cpu_wait, envelope, wait_for
from test_limits import arrival_times, check_strict, most_in, wall_minute_before_midnight

# Rates as configured, in sends per second.
RATES = {"5/s": 5, "50/s": 50, "500/s": 500, "60/min": 1}
DAYS = ["1000/day calendar UTC", "1000/day rolling"]
SCOPES = ["sender", "account", "channel", "one of two channels", "tenant", "tenant of jobs",
          "recipient", "global"]
SHORT = [("sender", "500/s"), ("account", "5/s"), ("channel", "60/min"),
         ("one of two channels", "50/s"), ("tenant", DAYS[0]), ("tenant of jobs", "50/s"),
         ("recipient", "5/s"), ("global", "500/s"), ("account", DAYS[1])]
ALL = [(scope, limit) for scope in SCOPES for limit in [*RATES, *DAYS]
       if scope != "recipient" or limit in RATES]

EVERYTHING = os.environ.get("SENDQ_TEST_CAPS") == "all"
SECONDS = 8 if EVERYTHING else 5
TRIES, BUSY = 3, 0.1
HORIZON = 0.1  # claim.horizon


def case_of(stand, scope, limit):
    """The configuration that has this limit in this scope, and how to make a job it concerns."""
    kind = "rate" if limit in RATES else "day"
    channels = {"channel": ["sms"], "one of two channels": ["email", "sms"]}.get(scope, ["email"])
    own = {"sender": {"limits": {kind: limit}}, "recipient": {"limits": {"recipient": limit}},
           "account": {"account": "x"}, "tenant": {"tenant": "acme"}}.get(scope, {})
    senders = [stand.sender(name, channels, default=False, **own) for name in "ab"]
    if scope in ("sender", "recipient"):
        del senders[1]
    elif scope == "account":
        senders[0]["limits"] = {"account": [limit]}
    shared = {"global": {kind: limit}, "channel": {"channels": [f"sms {limit}"]},
              "tenant": {"tenants": [f"acme {limit}"]}}
    shared["one of two channels"], shared["tenant of jobs"] = shared["channel"], shared["tenant"]
    to = "+15550001" if "sms" in channels else "to@example.com"
    members = {"tenant": "acme"} if scope == "tenant of jobs" else {}

    def jobs(count):
        return [envelope(body(to), sender=senders[n % len(senders)]["id"], **members)
                for n in range(count)]
    return stand.config(senders, limits=shared.get(scope, {})), jobs


def start_four(stand, config):
    daemons = [stand.daemon(config).start(ready=False) for _ in range(4)]
    for daemon in daemons:
        daemon.wait_ready()
    return daemons


def measure(stand, scope, limit):
    """Arrivals of some seconds, in the middle of which a daemon is killed; and for how long the
    machine kept anybody from running."""
    rate = RATES[limit]
    config, jobs = case_of(stand, scope, limit)
    daemons = start_four(stand, config)
    stand.push(*jobs(rate * (SECONDS + 4)))
    stand.sandbox.wait_accepted(1, "sandbox")
    pids = [stand.sandbox.process.pid, *(d.pid for d in daemons[1:])]
    began, before = time.monotonic(), [cpu_wait(pid) for pid in pids]
    wait_for(lambda: time.monotonic() - began > SECONDS / 2, "half of the time", timeout=60)
    daemons[0].kill()
    wait_for(lambda: time.monotonic() - began > SECONDS, "the time", timeout=60)
    withheld = max(cpu_wait(pid) - b for pid, b in zip(pids, before))
    times = arrival_times(stand)
    return [t for t in times if t - times[0] < SECONDS], withheld


def judge(times, rate):
    check_strict(times, rate, 60 if rate == 1 else 1)
    # The slots that the killed one held are lost.
    assert len(times) + 1 >= 0.95 * rate * SECONDS - rate * HORIZON, len(times)


def check_rate(stand, scope, limit, record_property):
    """Slots that the machine let nobody use are lost, and what it holds up arrives in a heap: then
    it is measured again."""
    for n in range(TRIES):
        own = Stand(stand.directory, stand.server, stand.sandbox, f"n{n}")
        try:
            times, withheld = measure(own, scope, limit)
        finally:
            own.close()
        figures = {"sent": len(times), "of the cap": round(len(times) / RATES[limit] / SECONDS, 3),
                   "most in 1 s": most_in(times, 1), "s without CPU": round(withheld, 2)}
        print(scope, limit, figures)
        record_property("figures", figures)
        try:
            return judge(times, RATES[limit])
        except AssertionError:
            if withheld < BUSY * SECONDS or n == TRIES - 1:
                raise
        stand.sandbox.reset()


def check_day(stand, scope, limit):
    if wall_minute_before_midnight("UTC"):
        pytest.skip("the day changes during the test")
    config, jobs = case_of(stand, scope, limit)
    start_four(stand, config)
    ids = stand.push(*jobs(1050))
    stand.sandbox.wait_accepted(1000, "sandbox")

    def settled():
        """All others wait, and nobody's turn is before tomorrow."""
        now = stand.redis.time()[0]
        waiting = sum(stand.redis.llen(k) for k in stand.redis.scan_iter(stand.key("ready:*")))
        return (waiting + stand.redis.zcount(stand.key("delayed"), (now + 300) * 1000, "+inf") == 50
                and not stand.redis.zcount(stand.key("turn"), "-inf", (now + 300) * 1e6))
    wait_for(settled, stand.logs)
    wait_for(lambda: sum(stand.status(i) == "sent" for i in ids) == 1000, stand.logs)
    assert stand.sandbox.stats("sandbox")["accepted"] == 1000


@pytest.mark.parametrize("scope, limit", ALL if EVERYTHING else SHORT)
def test_cap_over_four_daemons(stand, record_property, scope, limit):
    if limit in RATES:
        check_rate(stand, scope, limit, record_property)
    else:
        check_day(stand, scope, limit)
