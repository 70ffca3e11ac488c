"""Providers that fail: what is tried again, when, how often, and what becomes of the rest."""
import json
import time

import pytest
from invariants import check_all
from support import body, envelope, rfc3339, wait_for

QUICK = {"base": "1ms", "max": "20ms", "attempts": 8}


def requests_of(stand, message_id):
    return [r for r in stand.sandbox.requests("sandbox") if r["id"] == message_id]


def fault(recipient="*", times=None, **action):
    rule = {"match": {"recipient": recipient}, "action": action}
    return rule if times is None else rule | {"times": times}


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599, 408])
def test_server_errors_are_tried_again(stand, status):
    stand.sandbox.faults([fault(times=3, status=status)])
    stand.start(senders=[stand.sender(retry=QUICK)])
    (message_id,) = stand.push(envelope())
    m = stand.wait_final([message_id])[message_id]
    assert m["status"] == "sent"
    assert m["attempts"] == "4"
    assert len(requests_of(stand, message_id)) == 4
    check_all(stand, [message_id], accepted_by=stand.sandbox.ids("sandbox"))


@pytest.mark.parametrize("status", [400, 404, 410, 413, 422, 451])
def test_refusals_are_final(stand, status):
    stand.sandbox.faults([fault(status=status)])
    stand.start(senders=[stand.sender(retry=QUICK)])
    (message_id,) = stand.push(envelope())
    m = stand.wait_final([message_id])[message_id]
    assert m["status"] == "failed"
    assert m["attempts"] == "1"
    assert str(status) in m["error_message"]
    assert len(requests_of(stand, message_id)) == 1
    check_all(stand, [message_id])


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(stand, figure, status):
    target = stand.sandbox.endpoint("webhook")
    stand.sandbox.faults([{"dialect": "sandbox", "action": {
        "status": status, "headers": {"Location": target}}}])
    stand.start(senders=[stand.sender(retry=QUICK)])
    (message_id,) = stand.push(envelope())
    assert stand.wait_final([message_id])[message_id]["status"] == "failed"
    assert stand.sandbox.stats("webhook")["requests"] == 0
    figure(lost=0, redirects=1, followed=0)


def test_attempts_have_an_end(stand):
    stand.sandbox.faults([fault(status=500)])
    stand.start(senders=[stand.sender(retry=QUICK | {"attempts": 4})])
    ids = stand.push(*[envelope() for _ in range(10)])
    for m in stand.wait_final(ids).values():
        assert (m["status"], m["attempts"], m["error_code"]) == ("failed", "4", "provider_error")
    assert stand.sandbox.stats("sandbox")["requests"] == 40
    check_all(stand, ids)


def test_age_has_an_end(stand):
    stand.sandbox.faults([fault(status=500)])
    retry = {"base": "100ms", "max": "200ms", "attempts": 1000, "max_age": "1s"}
    stand.start(senders=[stand.sender(retry=retry)])
    (message_id,) = stand.push(envelope())
    m = stand.wait_final([message_id], timeout=15)[message_id]
    assert m["status"] == "failed"
    assert m["error_code"] == "provider_error"
    seen = [r["wall_us"] for r in requests_of(stand, message_id)]
    assert len(seen) >= 3
    assert seen[-1] - seen[0] <= 1.1e6


def test_delays_grow_and_are_random(stand):
    """Full jitter: each delay lies between 0 and base * 2^n, and not always at the same place."""
    stand.sandbox.faults([fault(status=500)])
    stand.start(senders=[stand.sender(retry={"base": "40ms", "max": "160ms", "attempts": 5})])
    ids = stand.push(*[envelope() for _ in range(60)])
    stand.wait_final(ids)
    times = {}
    for r in stand.sandbox.requests("sandbox", compact=True):
        times.setdefault(r["id"], []).append(r["time_us"] / 1000)
    gaps = [[b - a for a, b in zip(t, t[1:])] for t in times.values()]
    assert all(len(g) == 4 for g in gaps)
    means = [sum(g[n] for g in gaps) / len(gaps) for n in range(4)]
    # Expected means: 20, 40, 80, 80 ms, and some for a busy machine.
    assert means[0] < means[2] and means[1] < means[3], means
    first = sorted(g[2] for g in gaps)
    assert first[0] < 60 < first[-1], first  # of 0..160
    assert len({round(x) for x in first}) > 20


def test_status_between_attempts(stand):
    stand.sandbox.faults([fault(times=1, status=500)])
    stand.start(senders=[stand.sender(retry={"base": "2s"})])
    for _ in range(20):  # a delay may be close to nothing; one of some is not
        (message_id,) = stand.push(envelope())
        stand.sandbox.faults([fault(times=1, status=500)])
        seen = wait_for(lambda i=message_id: stand.status(i) in ("scheduled", "sent")
                        and stand.message(i), "the first attempt")
        if seen["status"] == "scheduled":
            break
        stand.wait_final([message_id])
    assert seen["attempts"] == "1"
    assert seen["error_code"] == "provider_error"
    assert seen["next_attempt_at"] > seen["sending_at"]
    m = stand.wait_final([message_id])[message_id]
    assert m["status"] == "sent" and "error_code" not in m and "next_attempt_at" not in m


# --- 429 and Retry-After ---


def test_throttling_is_no_attempt_and_is_honoured(stand):
    stand.sandbox.faults([fault(times=2, status=429, headers={"Retry-After": "1"})])
    stand.start(senders=[stand.sender(retry=QUICK | {"attempts": 2})])
    (message_id,) = stand.push(envelope())
    m = stand.wait_final([message_id])[message_id]
    assert (m["status"], m["attempts"]) == ("sent", "1")
    seen = [r["time_us"] for r in requests_of(stand, message_id)]
    assert len(seen) == 3
    assert all(b - a >= 1e6 for a, b in zip(seen, seen[1:]))
    check_all(stand, [message_id], accepted_by=stand.sandbox.ids("sandbox"))


def test_throttling_stops_the_whole_sender_but_no_other(stand):
    stand.sandbox.faults([fault("first@*", times=1, status=429, headers={"Retry-After": "2"})])
    stand.start(senders=[stand.sender(), stand.sender("other", default=False)])
    (first,) = stand.push(envelope(body("first@example.com")))
    wait_for(lambda: stand.redis.hget(stand.key("sender", "mail"), "state") == "throttled",
             lambda: f"throttled: {stand.redis.hgetall(stand.key('sender', 'mail'))}")
    until = stand.redis.hget(stand.key("sender", "mail"), "until")
    assert rfc3339(time.time()) < until <= rfc3339(time.time() + 2)
    waiting = stand.push(*[envelope() for _ in range(5)])
    others = stand.push(*[envelope(sender="other") for _ in range(5)])
    stand.wait_final(others)
    assert {stand.status(i) for i in waiting} <= {"queued"}
    stand.wait_final([first, *waiting])
    at = {r["id"]: r["time_us"] for r in stand.sandbox.requests("sandbox")}
    refused = requests_of(stand, first)[0]["time_us"]
    assert all(at[i] - refused >= 2e6 for i in waiting)
    wait_for(lambda: stand.redis.hget(stand.key("sender", "mail"), "state") == "ok", "ok again")
    check_all(stand, [first, *waiting, *others])


def test_odd_retry_after_neither_spins_nor_hangs(stand, figure):
    values = ["0", "-1", "1e20", "soon", "", "99999999999999999999",
              "Thu, 01 Jan 1970 00:00:00 GMT", "1, 2", "0x10", "1.5", "2", "1" * 5000]
    stand.sandbox.faults([
        fault(f"v{n}@*", times=2, status=429, headers={"Retry-After": v[:60]} if v else {})
        for n, v in enumerate(values)])
    stand.start(senders=[stand.sender(f"s{n}", default=False) for n in range(len(values))],
                limits={"max_retry_after": "1s"})
    ids = stand.push(*[envelope(body(f"v{n}@example.com"), sender=f"s{n}")
                       for n in range(len(values))])
    messages, waits = stand.wait_final(ids, timeout=15), []
    for value, message_id in zip(values, ids):
        m = messages[message_id]
        assert (m["status"], m["attempts"]) == ("sent", "1"), value
        seen = [r["time_us"] for r in requests_of(stand, message_id)]
        assert len(seen) == 3, value
        waits += [(b - a) / 1e6 for a, b in zip(seen, seen[1:])]
        assert min(waits) >= 5e-3, f"{value}: not at once again"
    figure(lost=0, values=len(values), shortest_wait_s=f"{min(waits):.2f}",
           longest_wait_s=f"{max(waits):.2f}", cap_s=1)


def test_retry_after_as_a_date(stand):
    at = int(time.time()) + 3
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(at))
    stand.sandbox.faults([fault(times=1, status=429, headers={"Retry-After": date})])
    stand.start()
    (message_id,) = stand.push(envelope())
    stand.wait_final([message_id])
    assert requests_of(stand, message_id)[1]["wall_us"] >= (at - 0.05) * 1e6


def test_retry_after_of_a_503_delays_that_message(stand):
    stand.sandbox.faults([fault(times=1, status=503, headers={"Retry-After": "1"})])
    stand.start(senders=[stand.sender(retry=QUICK)])
    (message_id,) = stand.push(envelope())
    stand.wait_final([message_id])
    first, second = requests_of(stand, message_id)
    assert second["time_us"] - first["time_us"] >= 1e6


def test_throttled_until_it_expires(stand):
    stand.sandbox.faults([fault(status=429, headers={"Retry-After": "1"})])
    stand.start()
    (message_id,) = stand.push(envelope(expires_at=time.time() + 1.5))
    m = stand.wait_final([message_id], timeout=15)[message_id]
    assert (m["status"], m["error_code"]) == ("failed", "expired")


# --- credentials ---


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_break_the_sender_until_they_change(stand, status):
    stand.sandbox.faults([{"dialect": "sendgrid", "action": {
        "status": status, "body": {"errors": [{"message": "Unauthorized"}]}}}])
    key = stand.directory / "api_key"
    key.write_text("SG.old")
    daemon = stand.start(senders=[
        stand.sender("grid", dialect="sendgrid", credentials={"api_key": f"file:{key}"}),
        stand.sender("texts", ["sms"])])
    state = stand.key("sender", "grid")
    (first,) = stand.push(envelope())
    if status == 403:
        # May be the message's fault alone; what must not happen is losing it silently.
        wait_for(lambda: stand.redis.hget(state, "state") == "broken"
                 or stand.status(first) == "failed", "broken or failed")
        if stand.status(first) == "failed":
            return
    wait_for(lambda: stand.redis.hget(state, "state") == "broken",
             lambda: f"broken: {stand.redis.hgetall(state)} {stand.logs()}")
    more = stand.push(*[envelope() for _ in range(5)])
    texts = stand.push(*[envelope(body("+15550001")) for _ in range(3)])
    stand.wait_final(texts)
    assert {stand.status(i) for i in [first, *more]} == {"queued"}
    tried = stand.sandbox.stats("sendgrid")["requests"]

    # A reload that changes nothing does not mend it.
    daemon.signal(1)
    wait_for(lambda: daemon.notify.count("READY=1") == 2, "reloaded")
    stand.wait_final(stand.push(envelope(body("+15550002"))))
    assert stand.redis.hget(state, "state") == "broken"
    assert stand.sandbox.stats("sendgrid")["requests"] == tried

    stand.sandbox.faults([])
    key.write_text("SG.new\n")
    daemon.signal(1)
    messages = stand.wait_final([first, *more])
    assert {m["status"] for m in messages.values()} == {"sent"}
    assert messages[first]["attempts"] == "1"
    assert stand.redis.hget(state, "state") == "ok"
    requests = stand.sandbox.requests("sendgrid")
    assert requests[-1]["headers"]["authorization"] == "Bearer SG.new"
    assert "SG.old" not in daemon.log() and "SG.new" not in daemon.log()


def test_a_broken_sender_is_mended_by_a_restart_with_another_credential(stand):
    stand.sandbox.faults([{"dialect": "sendgrid", "action": {"status": 401}}])
    daemon = stand.daemon(stand.config([stand.sender(
        "grid", dialect="sendgrid", credentials={"api_key": "env:KEY"})]), {"KEY": "SG.1"})
    daemon.start()
    ids = stand.push(*[envelope() for _ in range(3)])
    wait_for(lambda: stand.redis.hget(stand.key("sender", "grid"), "state") == "broken", "broken")
    assert daemon.stop() == 0
    stand.sandbox.faults([])
    daemon.env = {"KEY": "SG.2"}
    daemon.start()
    messages = stand.wait_final(ids)
    assert {m["status"] for m in messages.values()} == {"sent"}
    check_all(stand, ids)


def test_a_broken_sender_shows_how_many_wait(stand):
    stand.sandbox.faults([{"dialect": "sendgrid", "action": {"status": 401}}])
    stand.start(senders=[stand.sender("grid", dialect="sendgrid",
                                      credentials={"api_key": "SG.example"})])
    stand.push(envelope())
    state = stand.key("sender", "grid")
    wait_for(lambda: stand.redis.hget(state, "state") == "broken", "broken")
    stand.push(*[envelope() for _ in range(4)])
    wait_for(lambda: stand.redis.hget(state, "waiting") == "5",
             lambda: f"five wait: {stand.redis.hgetall(state)}", timeout=5)


# --- answers that are none ---

NO_ANSWER = {
    "reset": {"kind": "reset"},
    "truncated": {"kind": "truncated", "status": 202, "body": '{"id":"x"}'},
    "hang": {"kind": "hang"},
    "hang after accepting": {"kind": "hang", "accept": True},
    "slow for ever": {"kind": "slow", "delay_ms": 100, "status": 202, "body": "x" * 1000},
}


@pytest.mark.parametrize("name", NO_ANSWER)
def test_no_answer_is_tried_again(stand, figure, name):
    stand.sandbox.faults([fault("bad@*", times=2, **NO_ANSWER[name])])
    stand.start(senders=[stand.sender(retry=QUICK, timeout="400ms")])
    ids = stand.push(envelope(body("bad@example.com")), envelope())
    messages = stand.wait_final(ids)
    assert {m["status"] for m in messages.values()} == {"sent"}
    assert messages[ids[0]]["attempts"] == "3"
    assert messages[ids[1]]["attempts"] == "1"
    check_all(stand, ids, accepted_by=stand.sandbox.ids("sandbox"))
    figure(lost=0, unanswered=2, attempts=int(messages[ids[0]]["attempts"]))


@pytest.mark.parametrize("name", NO_ANSWER)
def test_no_answer_with_uncertain_fail(stand, figure, name):
    stand.sandbox.faults([fault("bad@*", **NO_ANSWER[name])])
    stand.start(senders=[stand.sender(retry=QUICK, timeout="400ms", uncertain="fail")])
    ids = stand.push(envelope(body("bad@example.com")), envelope())
    messages = stand.wait_final(ids)
    assert messages[ids[0]]["error_code"] == "outcome_unknown"
    assert messages[ids[1]]["status"] == "sent"
    assert len(requests_of(stand, ids[0])) == 1
    check_all(stand, ids)
    figure(lost=0, unanswered=1, outcome_unknown=1, requests=1)


@pytest.mark.parametrize("action", [
    {"kind": "garbage"},
    {"kind": "oversized", "bytes": 8 << 20},
    {"status": 200, "body": "[" * 50000},
    {"status": 200, "body": '{"id":{"a":1}}'},
    {"status": 200, "body": '{"id":"' + "x" * 5000 + '"}'},
    {"status": 200, "body": '{"id":"a\\u0000b\\r\\nc"}'},
    {"status": 204, "body": ""},
])
def test_a_2xx_that_cannot_be_read_was_sent(stand, figure, action):
    """The provider took it: sending again would be a duplicate."""
    stand.sandbox.faults([fault(**action, accept=True)])
    daemon = stand.start(senders=[stand.sender(retry=QUICK)])
    (message_id,) = stand.push(envelope())
    m = stand.wait_final([message_id])[message_id]
    assert m["status"] == "sent", m
    assert len(requests_of(stand, message_id)) == 1
    assert len(m.get("provider_message_id", "")) < 1000
    assert "\r" not in m.get("provider_message_id", "")
    json.loads(m["response"])
    assert daemon.running()
    figure(lost=0, outcome=m["status"], requests=1)


@pytest.mark.parametrize("text", ["\x1b[31m red", "a\nlevel=error event=forged", "x" * 20000,
                                  '{"error":"' + "y" * 20000 + '"}', "\u202e\u2028", "{", "\\"],
                         ids=["escape", "line", "long", "long JSON", "bidi", "brace", "backslash"])
def test_words_of_a_provider_are_cut_and_escaped(stand, text):
    stand.sandbox.faults([fault(status=400, body=json.dumps({"error": text}) if text[0] != "{"
                                else text)])
    daemon = stand.start()
    (message_id,) = stand.push(envelope(reply_to="r"))
    answer = stand.reply("r")
    m = stand.message(message_id)
    assert len(m["error_message"]) < 2000
    assert answer["error_message"] == m["error_message"]
    log = daemon.log()
    assert "\x1b" not in log and "\nlevel=error" not in log and "\u2028" not in log
    assert max(map(len, log.splitlines())) < 4000


def test_provider_is_down_for_a_while(stand, figure):
    """Nobody listens: nothing left, so it is tried again even with `uncertain: fail`."""
    stand.start(senders=[stand.sender(uncertain="fail", retry={
        "base": "50ms", "max": "200ms", "attempts": 100})])
    stand.sandbox.kill()
    ids = stand.push(*[envelope() for _ in range(20)])
    wait_for(lambda: all(stand.status(i) == "scheduled" or int(stand.message(i)["attempts"]) > 1
                         for i in ids if stand.message(i)) and len(stand.messages()) == 20,
             "every first attempt has failed")
    stand.sandbox.start()
    messages = stand.wait_final(ids)
    assert {m["status"] for m in messages.values()} == {"sent"}
    check_all(stand, ids, accepted_by=stand.sandbox.ids("sandbox"))
    figure(lost=0, jobs=len(ids), sends=sum(stand.sandbox.ids("sandbox").values()))


def test_a_slow_sender_does_not_hold_up_another(stand):
    stand.sandbox.faults([fault("slow@*", kind="hang")])
    stand.start(senders=[stand.sender("slow", timeout="20s", limits={"concurrency": 20}),
                         stand.sender("quick", ["sms"])], worker={"in_flight": 64})
    stand.push(*[envelope(body("slow@example.com")) for _ in range(300)])
    stand.sandbox.wait_requests(20, "sandbox")
    quick = stand.push(*[envelope(body("+15550001")) for _ in range(200)])
    stand.wait_final(quick, timeout=15)
    assert stand.sandbox.stats()["in_flight"] == 20


def test_a_storm_of_errors_then_healing(stand, figure):
    stand.sandbox.faults([{"probability": 0.5, "seed": 7, "action": {"status": 503}},
                          {"probability": 0.1, "seed": 8, "action": {"kind": "reset"}}])
    stand.start(senders=[stand.sender(retry=QUICK | {"attempts": 100})])
    ids = stand.push(*[envelope() for _ in range(500)])
    messages = stand.wait_final(ids, timeout=60)
    assert {m["status"] for m in messages.values()} == {"sent"}
    check_all(stand, ids, accepted_by=stand.sandbox.ids("sandbox"))
    # What did not get through was counted, neither more nor less.
    assert sum(int(m["attempts"]) for m in messages.values()) \
        == stand.sandbox.stats("sandbox")["requests"]
    figure(lost=0, jobs=len(ids), requests=stand.sandbox.stats("sandbox")["requests"])
