"""Caps as the provider sees them: any number of daemons on one Redis share one sender's rate."""
import time
from datetime import datetime
from math import ceil

import pytest
from invariants import check_all
from support import Stand, body, envelope, wait_for


def arrival_times(stand, recipient=None):
    """Accepted requests in order, in seconds of the sandbox's clock."""
    return sorted(r["time_us"] / 1e6 for r in stand.sandbox.requests("sandbox", compact=True)
                  if 200 <= r["status"] < 300 and recipient in (None, r["recipient"]))


def most_in(times, span):
    """The most that any window [t, t + span) holds."""
    most = first = 0
    for i, t in enumerate(times):
        while t - times[first] >= span:
            first += 1
        most = max(most, i - first + 1)
    return most


def check_bucket(times, rate, burst, slack):
    """In a window of w seconds a bucket lets burst + rate * w through."""
    for span in (0.1, 0.2, 0.5, 1, 2, 5, 10):
        bound = burst + rate * span
        assert most_in(times, span) <= bound + slack, \
            f"{most_in(times, span)} in {span} s; the bucket has {bound}, slack {slack}"


JITTER = 0.02  # claim.jitter: how late a send may begin
# What the sandbox sees is when a request arrives. The slack: how long one may be held up between the
# daemon's decision to begin it and the sandbox's reading it.
WAY = 0.05


def check_strict(times, rate, period=1, way=WAY):
    """A strict rate's slots are (period + jitter) / count apart. A window sees the sends of those in
    it, and of those before it that came late: in a second less the slack that is the rate."""
    apart = (period + JITTER) / (rate * period)
    for span in (0.1, 0.2, 0.5, max(0.1, 1 - way), 1, 2, 5):
        most, bound = most_in(times, span), ceil((span + JITTER + way) / apart - 1e-6)
        assert most <= bound, f"{most} in {span} s, of {bound}"


def test_token_bucket_over_several_daemons(stand, record_property):
    """Two daemons on one namespace and four on another, over the same twenty seconds."""
    rate, burst, seconds = 50, 10, 20
    # A slot may begin up to claim.jitter (20 ms) late, so that those of the window before and
    # those of the window itself come closer: one send at 50/s, and one for the way to the sandbox.
    slack = 2
    stands = {n: Stand(stand.directory, stand.server, stand.sandbox, f"n{n}") for n in (2, 4)}
    try:
        for n, s in stands.items():
            s.push(*[envelope(body(f"n{n}@example.com")) for _ in range(rate * (seconds + 3))])
            config = s.config([s.sender(limits={"rate": f"{rate}/s burst {burst}"})])
            for _ in range(n):
                s.daemon(config).start(ready=False)
        for n in stands:
            wait_for(lambda n=n: arrival_times(stand, f"n{n}@example.com"), "the first one")
        began = time.monotonic()
        wait_for(lambda: time.monotonic() - began >= seconds, "the time of the measurement",
                 timeout=seconds + 5, pause=0.1)
        for n in stands:
            times = arrival_times(stand, f"n{n}@example.com")
            times = [t for t in times if t - times[0] < seconds]
            achieved = (len(times) - burst) / seconds / rate
            figures = {"workers": n, "sent": len(times), "of the cap": round(achieved, 3),
                       "most in 1 s": most_in(times, 1), "allowed in 1 s": rate + burst}
            print(figures)
            record_property(f"figures {n}", figures)
            check_bucket(times, rate, burst, slack)
            assert achieved >= 0.95
        assert max(stand.sandbox.ids("sandbox").values()) == 1
    finally:
        for s in stands.values():
            s.close()


def test_strict_rate_over_two_daemons(stand):
    """No window of a second holds more than N. The sandbox sees when requests arrive, not when
    they leave: a busy machine may hold one up, so that the windows are 50 ms shorter here."""
    rate, seconds = 20, 6
    config = stand.config([stand.sender(limits={"rate": f"{rate}/s"})])
    stand.push(*[envelope() for _ in range(rate * (seconds + 3))])
    for _ in range(2):
        stand.daemon(config).start(ready=False)
    stand.sandbox.wait_accepted(rate * seconds, "sandbox", timeout=seconds + 10)
    times = arrival_times(stand)
    print({"most in 1 s": most_in(times, 1), "rate": (len(times) - 1) / (times[-1] - times[0])})
    assert most_in(times, 0.95) <= rate
    assert 0.9 * rate <= (len(times) - 1) / (times[-1] - times[0]) <= rate


def test_an_idle_sender_saves_up_no_more_than_its_burst(stand):
    stand.start(senders=[stand.sender(limits={"rate": "10/s burst 5"})])
    stand.wait_final(stand.push(envelope()))
    began = time.monotonic()
    wait_for(lambda: time.monotonic() - began > 2, "two idle seconds")
    stand.wait_final(stand.push(*[envelope() for _ in range(20)]))
    check_bucket(arrival_times(stand), 10, 5, 1)


def test_a_slow_rate(stand):
    """Less than one a second."""
    stand.start(senders=[stand.sender(limits={"rate": "60/min"})])
    ids = stand.push(*[envelope() for _ in range(4)])
    stand.wait_final(ids)
    times = arrival_times(stand)
    assert all(b - a >= 0.95 for a, b in zip(times, times[1:])), times


def test_global_rate_over_two_senders(stand):
    stand.start(senders=[stand.sender("a"), stand.sender("b", default=False)],
                limits={"rate": "40/s burst 5"})
    ids = stand.push(*[envelope(sender="ab"[n % 2]) for n in range(120)])
    stand.wait_final(ids)
    check_bucket(arrival_times(stand), 40, 5, 2)
    check_all(stand, ids)


def test_two_senders_do_not_share_their_rates(stand):
    stand.start(senders=[stand.sender("slow", limits={"rate": "1/s"}),
                         stand.sender("quick", default=False)])
    stand.push(*[envelope(sender="slow") for _ in range(50)])
    quick = stand.push(*[envelope(sender="quick") for _ in range(200)])
    stand.wait_final(quick, timeout=10)


def test_day_cap_of_the_calendar_day(stand):
    """Two daemons together send exactly the cap; the rest waits for the next day."""
    config = stand.config([stand.sender(limits={"day": "25/day calendar Europe/Berlin"})])
    stand.daemon(config).start()
    stand.daemon(config).start()
    if wall_minute_before_midnight("Europe/Berlin"):
        pytest.skip("the day changes during the test")
    ids = stand.push(*[envelope() for _ in range(60)])
    stand.sandbox.wait_accepted(25, "sandbox")
    key = stand.key("sender", "mail")
    wait_for(lambda: stand.redis.hget(key, "state") == "day_cap",
             lambda: f"day_cap: {stand.redis.hgetall(key)}")
    state = stand.redis.hgetall(key)
    assert state["sent_today"] == state["day_cap"] == "25"
    assert state["waiting"] == "35"
    assert state["until"].endswith(":00:00.000Z")
    # Whatever else comes does not open it again.
    more = stand.push(*[envelope(priority="HIGH") for _ in range(5)])
    wait_for(lambda: stand.redis.hget(key, "waiting") == "40", lambda: stand.redis.hgetall(key))
    assert stand.sandbox.stats("sandbox")["accepted"] == 25
    assert [stand.status(i) for i in more] == ["queued"] * 5
    statuses = [stand.status(i) for i in ids]
    assert statuses.count("sent") == 25 and statuses.count("queued") == 35


def wall_minute_before_midnight(zone):
    import zoneinfo
    from datetime import datetime
    now = datetime.now(zoneinfo.ZoneInfo(zone))
    return now.hour == 23 and now.minute >= 59


def test_a_restart_does_not_reset_the_day(stand):
    config = stand.config([stand.sender(limits={"day": "10/day"})])
    if wall_minute_before_midnight("UTC"):
        pytest.skip("the day changes during the test")
    stand.push(*[envelope() for _ in range(30)])
    for _ in range(3):
        daemon = stand.daemon(config).start()
        stand.sandbox.wait_accepted(10, "sandbox")
        wait_for(lambda: stand.redis.hget(stand.key("sender", "mail"), "state") == "day_cap", "cap")
        assert daemon.stop() == 0
    assert stand.sandbox.stats("sandbox")["accepted"] == 10


def test_what_was_not_sent_does_not_count_for_the_day(stand, figure):
    """Nobody listens at the provider: the day's quota is still whole when it comes up."""
    if wall_minute_before_midnight("UTC"):
        pytest.skip("the day changes during the test")
    stand.sandbox.kill()
    stand.start(senders=[stand.sender(limits={"day": "5/day"}, retry={
        "base": "20ms", "max": "50ms", "attempts": 1000})])
    ids = stand.push(*[envelope() for _ in range(5)])
    wait_for(lambda: all(int(stand.message(i).get("attempts", 0)) >= 3 for i in ids), "attempts")
    stand.sandbox.start()
    messages = stand.wait_final(ids)
    assert {m["status"] for m in messages.values()} == {"sent"}
    figure(lost=0, attempts_that_did_not_leave=3 * len(ids), charged=len(ids))


def test_concurrency_over_two_daemons(stand):
    stand.sandbox.faults([{"action": {"delay_ms": 100}}])
    config = stand.config([stand.sender(limits={"concurrency": 3})])
    stand.daemon(config).start()
    stand.daemon(config).start()
    ids = stand.push(*[envelope() for _ in range(40)])
    stand.wait_final(ids)
    assert stand.sandbox.stats()["in_flight_max"] <= 3
    times = arrival_times(stand)
    assert times[-1] - times[0] < 4, "three at a time take about 1.4 s"
    check_all(stand, ids)


def test_concurrency_is_free_again_after_a_crash(stand):
    stand.sandbox.faults([{"match": {"recipient": "a@*"}, "times": 3, "action": {"kind": "hang"}}])
    config = stand.config([stand.sender(limits={"concurrency": 3})], worker={"lease": "1s"},
                          redis={"timeout": "900ms"})
    doomed = stand.daemon(config).start()
    ids = stand.push(*[envelope() for _ in range(30)])
    stand.sandbox.wait_requests(3, "sandbox")
    doomed.kill()
    stand.daemon(config).start()
    stand.wait_final(ids)
    check_all(stand, ids)


def test_a_reload_changes_the_rate(stand):
    config = stand.config([stand.sender(limits={"rate": "1/s"})])
    daemon = stand.daemon(config).start()
    ids = stand.push(*[envelope() for _ in range(100)])
    stand.sandbox.wait_accepted(1, "sandbox")
    config["senders"][0]["limits"]["rate"] = "100/s burst 10"
    daemon.configure(config)
    daemon.signal(1)
    stand.wait_final(ids, timeout=15)


# --- what providers publish, and units ---

def test_a_published_limit_is_in_force_unless_the_sender_says_otherwise(stand):
    """Resend: 2/s."""
    sender = stand.sender("slow", dialect="resend", credentials={"api_key": "re_key"})
    quick = stand.sender("quick", dialect="resend", default=False, credentials={"api_key": "re_2"})
    del sender["limits"]
    stand.start(senders=[sender, quick])
    slow_ids = stand.push(*[envelope(sender="slow") for _ in range(4)])
    stand.wait_final(stand.push(*[envelope(sender="quick") for _ in range(30)]), timeout=10)
    slow = stand.wait_final(slow_ids)
    times = sorted(sent_at(m) for m in slow.values())
    assert all(b - a >= 0.4 for a, b in zip(times, times[1:])), times


def sent_at(message):
    return datetime.fromisoformat(message["sent_at"]).timestamp()


def test_segments_count_where_the_provider_counts_them(stand):
    """Three segments a message at 20 segments/s: two messages in 0.3 s would be too many."""
    twilio = stand.sender("text", ["sms"], "twilio", limits={"rate": "20/s burst 3"}, credentials={
        "account_sid": "AC" + "0" * 32, "auth_token": "token"}, **{"from": {"address": "+15550001"}})
    stand.start(senders=[twilio])
    ids = stand.push(*[envelope(body("+15551234567", "a" * 400)) for _ in range(8)])
    messages = stand.wait_final(ids)
    assert {m["status"] for m in messages.values()} == {"sent"}, messages
    times = sorted(sent_at(m) for m in messages.values())
    assert times[-1] - times[0] >= 7 * 3 / 20 - 0.1, times


def test_more_recipients_than_a_day_has_are_refused(stand):
    stand.start(senders=[stand.sender(dialect="ses", limits={"day": "3/day", "rate": ""},
                                      credentials={"access_key_id": "AK", "region": "eu-west-1",
                                                   "secret_access_key": "s"})])
    stand.push({"to": ["a@x.example", "b@x.example"], "cc": ["c@x.example", "d@x.example"],
                "subject": "S", "body_text": "T"})
    (entry,) = stand.wait_rejected(1)
    assert entry["error_code"] == "rate_limited"
    assert "counts as 4 and its sender may send 3 a day" in entry["error_message"]


# --- scopes ---

def test_channel_limit_over_two_senders_of_several_channels(stand):
    """sms is limited; e-mail by the same senders is not held up by it."""
    names = ("a", "b")
    stand.start(senders=[stand.sender(n, ["sms", "email"], default=n == "a") for n in names],
                limits={"channels": ["sms 20/s burst 2"]})
    texts = stand.push(*[envelope(body(f"+1555000{n:04}"), sender=names[n % 2])
                         for n in range(60)])
    mails = stand.push(*[envelope(sender=names[n % 2]) for n in range(100)])
    messages = stand.wait_final(mails)
    assert sum(stand.status(i) == "sent" for i in texts) < 60
    messages |= stand.wait_final(texts)
    times = sorted(r["time_us"] / 1e6 for r in stand.sandbox.requests("sandbox", compact=True)
                   if r["recipient"].startswith("+"))
    check_bucket(times, 20, 2, 2)
    assert len(times) == 60 and times[-1] - times[0] < 60 / 20 / 0.9
    check_all(stand, texts + mails)


def test_tenants_share_no_more_than_theirs(stand):
    """A job's tenant on a sender of all, and two senders of one tenant."""
    stand.start(senders=[stand.sender("all"), *[stand.sender(n, default=False, tenant="acme")
                                                for n in ("a1", "a2")]],
                limits={"tenants": ["acme 20/s burst 2", "* 10/s burst 1"]})
    of_acme = [envelope(body("acme@example.com"), sender=("a1", "a2", "all")[n % 3],
                        **({"tenant": "acme"} if n % 3 == 2 else {})) for n in range(60)]
    of_other = [envelope(body("other@example.com"), tenant="other") for _ in range(20)]
    free = [envelope(body("free@example.com")) for _ in range(50)]
    ids = stand.push(*of_acme, *of_other)
    stand.wait_final(stand.push(*free), timeout=5)
    stand.wait_final(ids)
    check_bucket(arrival_times(stand, "acme@example.com"), 20, 2, 2)
    check_bucket(arrival_times(stand, "other@example.com"), 10, 1, 2)
    times = arrival_times(stand, "acme@example.com")
    assert times[-1] - times[0] < 58 / 20 / 0.85


def test_account_limit_over_senders_and_daemons(stand):
    limits = {"account": ["30/s burst 3"]}
    config = stand.config([stand.sender("a", account="x", limits=limits),
                           stand.sender("b", account="x", default=False)])
    stand.daemon(config).start()
    stand.daemon(config).start()
    ids = stand.push(*[envelope(sender="ab"[n % 2]) for n in range(90)])
    stand.wait_final(ids)
    times = arrival_times(stand)
    check_bucket(times, 30, 3, 2)
    assert times[-1] - times[0] < 87 / 30 / 0.9


def test_pair_rate(stand):
    """To one recipient 5/s; others are not held up by it, and none of it is lost by waiting."""
    stand.start(senders=[stand.sender(limits={"recipient": "5/s"})])
    pair = stand.push(*[envelope(body("one@example.com")) for _ in range(12)])
    others = stand.push(*[envelope(body(f"p{n}@example.com")) for n in range(50)])
    stand.wait_final(others, timeout=5)
    messages = stand.wait_final(pair)
    times = arrival_times(stand, "one@example.com")
    assert all(b - a >= 0.17 for a, b in zip(times, times[1:])), times
    assert times[-1] - times[0] < 11 / 5 / 0.8
    assert {m["attempts"] for m in messages.values()} == {"1"}
    check_all(stand, pair + others)
    wait_for(lambda: not list(stand.redis.scan_iter(stand.key("pair", "*"))), "pairs are gone")


def test_a_global_day_cap(stand):
    if wall_minute_before_midnight("UTC"):
        pytest.skip("the day changes during the test")
    stand.start(senders=[stand.sender("a"), stand.sender("b", default=False)],
                limits={"day": "15/day", "concurrency": 3})
    ids = stand.push(*[envelope(sender="ab"[n % 2]) for n in range(40)])
    for name in "ab":
        wait_for(lambda name=name: stand.redis.hget(stand.key("sender", name), "state")
                 == "day_cap", "the cap")
    assert stand.sandbox.stats("sandbox")["accepted"] == 15
    assert stand.sandbox.stats()["in_flight_max"] <= 3
    # Places that come free go to whoever has waited longest.
    sent = [stand.message(i)["sender"] for i in ids if stand.status(i) == "sent"]
    assert 4 <= sent.count("a") <= 11, sent
