"""What providers say of their limits and health: parked senders, slower rates, the breaker."""
import itertools
import time

from support import body, envelope, wait_for


def times(stand):
    return sorted(r["time_us"] / 1e6 for r in stand.sandbox.requests("sandbox", compact=True))


def test_a_used_up_quota_parks_the_sender(stand):
    """The answer to the third message says that it was the last of this window."""
    stand.sandbox.faults([{"every": 3, "action": {"headers": {
        "X-RateLimit-Limit": "3", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}}}])
    config = stand.config([stand.sender(limits={"concurrency": 1})])
    stand.daemon(config).start()
    stand.daemon(config).start()
    ids = stand.push(*[envelope() for _ in range(9)])
    stand.wait_final(ids)
    seen = times(stand)
    pauses = [b - a for a, b in itertools.pairwise(seen)]
    assert len(seen) == 9 and pauses[2] > 0.9 and pauses[5] > 0.9, pauses
    assert sum(pauses) - pauses[2] - pauses[5] < 0.8, pauses


def test_a_throttled_recipient_is_parked_for_all_workers(stand):
    """WhatsApp's pair rate. Others go, and that one hears nothing until then."""
    stand.sandbox.faults([{"match": {"recipient": "*15550001"}, "times": 1, "action": {
        "status": 400, "headers": {"Retry-After": "1"},
        "body": {"error": {"code": 131056, "message": "pair rate limit hit"}}}}])
    config = stand.config([stand.sender("wa", ["whatsapp"], "whatsapp", credentials={
        "phone_number_id": "106540352242922", "token": "EAAGm"})])
    stand.daemon(config).start()
    text = {"channel": "whatsapp", "message": "Hi"}
    first = stand.push(envelope(text | {"recipient": "+15550001"}))
    wait_for(lambda: stand.status(first[0]) == "scheduled", lambda: stand.message(first[0]))
    stand.daemon(config).start()
    others = stand.push(*[envelope(text | {"recipient": "+15550002"}) for _ in range(20)])
    again = stand.push(*[envelope(text | {"recipient": "+15550001"}) for _ in range(5)])
    stand.wait_final(others, timeout=5)
    stand.wait_final(first + again)
    seen = sorted(r["time_us"] / 1e6 for r in stand.sandbox.requests("whatsapp")
                  if "15550001" in r["body"])
    assert len(seen) == 7 and seen[1] - seen[0] >= 0.95, seen
    assert stand.message(first[0])["attempts"] == "1"
    assert not {"error_code", "error_message"} & set(stand.message(first[0]))


def test_repeated_throttling_lowers_the_rate(stand):
    """A provider that takes 20/s and is asked for 100/s."""
    stand.sandbox.faults([{"every": 10, "times": 6, "action": {"status": 429, "headers": {
        "Retry-After": "1"}}}])
    stand.start(senders=[stand.sender(limits={"rate": "100/s burst 1"})])
    stand.push(*[envelope() for _ in range(1000)])
    key = stand.key("sender", "mail")
    rates = []

    def halved_twice():
        rates.append(float(stand.redis.hget(key, "effective_rate") or 100))
        return rates[-1] < 30

    wait_for(halved_twice, lambda: stand.redis.hgetall(key))
    assert any(45 < r < 60 for r in rates), rates
    count = stand.sandbox.stats("sandbox")["accepted"]
    began = time.monotonic()
    stand.sandbox.wait_accepted(count + 60, "sandbox")
    assert time.monotonic() - began > 60 / 40 - 0.5


def test_the_breaker_spares_provider_and_messages(stand):
    """200 messages into an outage: a few requests, hardly an attempt used, all sent afterwards."""
    stand.sandbox.faults([{"dialect": "sandbox", "action": {"status": 503}}])
    config = stand.config([
        stand.sender(breaker={"errors": 5, "pause": "200ms", "max": "400ms"},
                     limits={"concurrency": 5}, retry={"base": "10ms", "max": "50ms"}),
        stand.sender("bot", ["telegram"], "telegram", credentials={"token": "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"})])
    stand.daemon(config).start()
    stand.daemon(config).start()
    ids = stand.push(*[envelope() for _ in range(200)])
    key = stand.key("sender", "mail")
    wait_for(lambda: stand.redis.hget(key, "breaker") == "open", lambda: stand.redis.hgetall(key))
    assert stand.redis.hget(key, "state") == "throttled"
    assert "503" in stand.redis.hget(key, "error_message")
    began = time.monotonic()
    wait_for(lambda: time.monotonic() - began > 2, "two seconds of the outage")
    assert stand.sandbox.stats("sandbox")["requests"] <= 10 + 2 / 0.2 + 2
    # Another sender is not concerned.
    stand.wait_final(stand.push(envelope({"channel": "telegram", "recipient": "1",
                                          "message": "y"})), timeout=5)
    stand.sandbox.faults([])
    messages = stand.wait_final(ids)
    assert {m["status"] for m in messages.values()} == {"sent"}
    wait_for(lambda: stand.redis.hget(key, "breaker") is None, lambda: stand.redis.hgetall(key))
    # Each was tried once, but for those few that went to see.
    assert sum(int(m["attempts"]) for m in messages.values()) <= 200 + 25


def test_errors_of_messages_do_not_open_the_breaker(stand):
    stand.sandbox.faults([{"match": {"recipient": "bad@*"}, "action": {"status": 400}}])
    stand.start(senders=[stand.sender(breaker={"errors": 3, "pause": "1h", "max": "1h"})])
    stand.wait_final(stand.push(*[envelope(body("bad@example.com")) for _ in range(20)]))
    (good,) = stand.wait_final(stand.push(envelope()), timeout=5).values()
    assert good["status"] == "sent"


def test_graph_takes_four_at_a_time(stand):
    """Microsoft publishes 4 concurrent requests per mailbox; two senders of one mailbox share them."""
    tokens = {"token_endpoint": stand.sandbox.endpoint("oauth") + "/microsoft/token"}
    off = {"rate": "", "day": ""}
    senders = [stand.sender(n, dialect="microsoft", default=n == "a", limits=off, credentials={
        "tenant_id": "t", "client_id": "c", "client_secret": "s", "mailbox": "me@acme.example"},
        **tokens) for n in ("a", "b")]
    stand.sandbox.faults([{"dialect": "microsoft", "action": {"delay_ms": 50}}])
    config = stand.config(senders)
    stand.daemon(config).start()
    stand.daemon(config).start()
    ids = stand.push(*[envelope(sender="ab"[n % 2]) for n in range(30)])
    messages = stand.wait_final(ids)
    assert {m["status"] for m in messages.values()} == {"sent"}, messages
    assert 3 <= stand.sandbox.stats("microsoft")["in_flight_max"] <= 4
