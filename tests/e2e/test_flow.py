"""The contract as a producer sees it: jobs in by LPUSH, everything that can be read back out."""
import json
import time

import pytest
from invariants import check_all, check_idle
from support import ROOT, TIME, body, envelope, rfc3339, wait_for

LEAD = "11111111-0001-0001-0001-000000000001"


def only_message(stand, timeout=20):
    """The one message there is, once it is final."""
    wait_for(lambda: len(stand.messages()) == 1, lambda: f"one message\n{stand.logs()}", timeout)
    (message_id,) = stand.messages()
    return stand.wait_final([message_id], timeout)[message_id]


def example(name):
    return json.loads((ROOT / "tests/data" / f"messaging_{name}.json").read_text())


# --- what is sent, and what the hash says about it ---


def test_bare_body_becomes_a_sent_message(stand):
    stand.start()
    stand.push(body(recipient="b@example.com", content="Text.", subject="Subject",
                    html_content="<p>Html</p>", sender_name="Sales"))
    m = only_message(stand)
    assert m["status"] == "sent"
    assert m["channel"] == "email"
    assert m["provider"] == "sandbox"
    assert m["sender"] == "mail"
    assert m["recipient"] == "b@example.com"
    assert m["subject"] == "Subject"
    assert m["message_type"] == "TRANSACTIONAL"
    assert m["priority"] == "NORMAL"
    assert m["attempts"] == "1"
    (request,) = stand.sandbox.requests("sandbox")
    sent = json.loads(request["body"])
    assert sent["recipient"] == "b@example.com"
    assert sent["content"] == "Text."
    assert sent["subject"] == "Subject"
    assert sent["html_content"] == "<p>Html</p>"
    assert sent["from"] == "support@acme.example"
    assert sent["from_name"] == "Sales"
    assert m["provider_message_id"] == json.loads(m["response"])["provider_message_id"] == "sb-1"


def test_every_field_of_a_message(stand):
    stand.start()
    job = envelope(body(contact_id=LEAD, deal_id="deal-7", metadata={"a": 1, "b": [None, "x"]}),
                   metadata={"c": {"d": True}})
    job["body"]["message_type"] = "NOTIFICATION"
    (message_id,) = stand.push(job, to="jobs:low")
    m = stand.wait_final([message_id])[message_id]
    public = {k for k in m if not k.startswith("_")}
    assert public == {"id", "status", "channel", "provider", "sender", "recipient", "subject",
                      "contact_id", "deal_id", "message_type", "priority", "attempts",
                      "queued_at", "sending_at", "sent_at", "provider_message_id", "metadata",
                      "response"}
    assert m["id"] == message_id
    assert m["contact_id"] == LEAD
    assert m["deal_id"] == "deal-7"
    assert m["message_type"] == "NOTIFICATION"
    assert m["priority"] == "LOW"
    assert json.loads(m["metadata"]) == {"a": 1, "b": [None, "x"], "c": {"d": True}}


def test_times_are_rfc3339_utc_in_order(stand):
    stand.start()
    before = time.time()
    (message_id,) = stand.push(envelope())
    m = stand.wait_final([message_id])[message_id]
    after = time.time()
    times = [m["queued_at"], m["sending_at"], m["sent_at"]]
    assert all(TIME.match(t) for t in times), times
    assert rfc3339(before - 0.002) <= times[0] <= times[1] <= times[2] <= rfc3339(after + 0.002)


def test_new_ids_are_time_ordered_uuids(stand):
    stand.start()
    seen = []
    for n in range(3):
        stand.push(body(recipient=f"r{n}@example.com"))
        wait_for(lambda: len(stand.messages()) == n + 1, "the next message")
        seen += set(stand.messages()) - set(seen)
    assert all(i[14] == "7" and i[19] in "89ab" and len(i) == 36 for i in seen), seen
    assert seen == sorted(seen)


def test_status_while_it_is_on_the_way(stand):
    stand.sandbox.faults([{"match": {"recipient": "slow@*"}, "action": {"kind": "hang"}}])
    stand.start(senders=[stand.sender(timeout="30s", limits={"concurrency": 1})])
    first, second = stand.push(envelope(body("slow@example.com")), envelope())
    m = stand.wait_status(first, "sending")
    assert "sent_at" not in m and "failed_at" not in m and "response" not in m
    m = stand.wait_status(second, "queued")
    assert m["attempts"] == "0" and "sending_at" not in m
    assert stand.redis.pttl(stand.key("message", second)) == -1


@pytest.mark.parametrize("name, dialect, channels", [
    ("email", "sendgrid", ["email"]),
    ("sms", "twilio", ["sms"]),
    ("instagram", "webhook", ["instagram"]),
])
def test_examples_of_the_api_document(stand, name, dialect, channels):
    credentials = {
        "sendgrid": {"api_key": "SG.example"},
        "twilio": {"account_sid": "AC00000000000000000000000000000001", "auth_token": "token"},
        "webhook": {},
    }[dialect]
    job = example(name)
    sender = stand.sender(job.get("sender_identifier", "any"), channels, dialect,
                          credentials=credentials)
    sender["from"] = {"address": {"twilio": "+15005550006"}.get(dialect, "acme@acme.example")}
    stand.start(senders=[sender])
    stand.push(job)
    m = only_message(stand)
    assert m["status"] == "sent", m
    assert m["provider"] == dialect
    (request,) = stand.sandbox.requests(dialect)
    text = request["body"] if isinstance(request["body"], str) else request["body"].decode()
    assert request["recipient"] == job["message_data"]["recipient"]
    if dialect != "twilio":
        assert job["message_data"]["content"] in json.dumps(json.loads(text))
    answer = json.loads(m["response"])
    assert answer["success"] is True
    assert answer["channel_used"] == channels[0].upper()
    assert answer["provider_used"] == dialect
    assert answer["status"] == "SENT"
    assert set(answer) == {"success", "message_id", "channel_used", "provider_used",
                           "provider_message_id", "status", "cost", "sent_at"}


def test_a_send_of_two_steps(stand):
    stand.start(senders=[stand.sender(options={"steps": "2"})])
    ids = stand.push(*[envelope() for _ in range(5)])
    messages = stand.wait_final(ids)
    assert all(m["status"] == "sent" for m in messages.values())
    assert stand.sandbox.ids("sandbox") == {i: 1 for i in ids}
    check_all(stand, ids, accepted_by=stand.sandbox.ids("sandbox"))


def test_text_goes_through_unchanged(stand, figure):
    stand.start()
    content = ("Zürich 日本 \U0001f680 \u202e ok \"quoted\" \\ / \t line\r\nnext \u2028 \x7f "
               "e\u0301")
    (message_id,) = stand.push(envelope(body(content=content, subject="Grüße \U0001f680")))
    stand.wait_final([message_id])
    (request,) = stand.sandbox.requests("sandbox")
    sent = json.loads(request["body"])
    assert sent["content"] == content
    assert sent["subject"] == "Grüße \U0001f680"
    figure(lost=0, characters=len(content), changed=0)


# --- streams, counters, keys beside ---


@pytest.mark.parametrize("mode, expected", [
    ("all", ["message.queued", "message.sending", "message.retrying", "message.sending",
             "message.sent", "message.queued", "message.sending", "message.failed",
             "job.rejected"]),
    ("final", ["message.sent", "message.failed", "job.rejected"]),
    (None, ["message.sent", "message.failed", "job.rejected"]),
    ("off", []),
])
def test_events(stand, mode, expected):
    stand.sandbox.faults([
        {"match": {"recipient": "again@*"}, "times": 1, "action": {"status": 503}},
        {"match": {"recipient": "never@*"}, "action": {"status": 400}}])
    settings = {} if mode is None else {"events": mode}
    stand.start(senders=[stand.sender(retry={"base": "1ms"})], **settings)
    (good,) = stand.push(envelope(body("again@example.com")))
    stand.wait_final([good])
    (bad,) = stand.push(envelope(body("never@example.com")))
    stand.wait_final([bad])
    stand.push("{}")
    stand.wait_rejected(1)
    events = stand.events()
    assert [e["type"] for e in events] == expected
    for e in events:
        assert TIME.match(e["at"])
        if e["type"].startswith("message."):
            assert e["id"] in (good, bad)
        if e["type"] in ("message.sent", "message.failed"):
            assert e["provider"] == "sandbox"
        if e["type"] in ("message.failed", "message.retrying"):
            assert e["error_code"] == "provider_error"
        if e["type"] == "job.rejected":
            assert e["error_code"] == "validation_error"


def test_event_stream_is_capped(stand):
    stand.start(streams={"events": 100})
    stand.wait_final(stand.push(*[envelope() for _ in range(600)]))
    assert len(stand.events()) < 400  # the cap is approximate: whole nodes of the stream go


def test_timelines_of_contact_and_deal(stand):
    stand.sandbox.faults([{"match": {"recipient": "bad@*"}, "action": {"status": 400}}])
    stand.start()
    (sent,) = stand.push(envelope(body(contact_id="c1", deal_id="d1")))
    stand.wait_final([sent])
    (failed,) = stand.push(envelope(body("bad@example.com", contact_id="c1")))
    stand.wait_final([failed])
    contact = [e for _, e in stand.redis.xrange(stand.key("timeline", "contact", "c1"))]
    deal = [e for _, e in stand.redis.xrange(stand.key("timeline", "deal", "d1"))]
    assert [(e["id"], e["status"]) for e in contact] == [(sent, "sent"), (failed, "failed")]
    assert [(e["id"], e["status"]) for e in deal] == [(sent, "sent")]


def test_stats_count_each_final_message_once(stand):
    stand.sandbox.faults([
        {"match": {"recipient": "bad@*"}, "action": {"status": 400}},
        {"match": {"recipient": "again@*"}, "every": 2, "action": {"status": 500}}])
    stand.start(senders=[stand.sender(retry={"base": "1ms"}),
                         stand.sender("texts", ["sms"])])
    ids = stand.push(*[envelope(body(r)) for r in
                       ["bad@example.com"] * 2 + ["again@example.com"] * 6 + ["+15550001"] * 3])
    stand.wait_final(ids)
    assert stand.stats() == {
        "provider:sandbox:sent": 9, "provider:sandbox:failed": 2,
        "channel:email:sent": 6, "channel:email:failed": 2, "channel:sms:sent": 3,
        "sender:mail:sent": 6, "sender:mail:failed": 2, "sender:texts:sent": 3}
    (day,) = stand.redis.scan_iter(stand.key("stats", "*"))
    assert day[len(stand.key("stats", "")):] == time.strftime("%Y-%m-%d", time.gmtime()) \
        or time.strftime("%H:%M", time.gmtime()) == "00:00"
    check_all(stand, ids)


def test_worker_key(stand):
    daemon = stand.start(worker={"name": "w1"})
    worker = stand.redis.hgetall(stand.key("worker", "w1"))
    assert set(worker) >= {"host", "pid", "version", "started_at", "in_flight", "rate", "state"}
    assert worker["pid"] == str(daemon.pid)
    assert worker["in_flight"] == "0"
    assert TIME.match(worker["started_at"])
    assert 0 < stand.redis.ttl(stand.key("worker", "w1")) <= 60
    assert daemon.stop() == 0
    wait_for(lambda: not stand.redis.exists(stand.key("worker", "w1")),
             "the key of a worker that left goes", timeout=10)


def test_sender_key(stand):
    stand.sandbox.faults([{"match": {"recipient": "slow@*"}, "action": {"kind": "hang"}}])
    stand.start(senders=[stand.sender(limits={"concurrency": 1, "day": "1000/day"})])
    key = stand.key("sender", "mail")
    stand.wait_final(stand.push(envelope(), envelope(), envelope()))
    wait_for(lambda: stand.redis.hget(key, "sent_today") == "3",
             lambda: f"sent_today 3: {stand.redis.hgetall(key)}", timeout=5)
    assert stand.redis.hget(key, "day_cap") == "1000"
    assert stand.redis.hget(key, "state") == "ok"
    stand.push(envelope(body("slow@example.com")), envelope(), envelope())
    wait_for(lambda: stand.redis.hget(key, "waiting") == "2",
             lambda: f"two wait: {stand.redis.hgetall(key)}", timeout=5)


def test_failed_messages_are_in_dead(stand):
    stand.sandbox.faults([{"match": {"recipient": "bad@*"}, "action": {"status": 400}}])
    stand.start()
    bad, good = stand.push(envelope(body("bad@example.com")), envelope())
    m = stand.wait_final([bad, good])[bad]
    assert m["status"] == "failed"
    assert m["error_code"] == "provider_error"
    assert m["error_message"]
    assert TIME.match(m["failed_at"]) and "sent_at" not in m
    ((dead, at),) = stand.redis.zrange(stand.key("dead"), 0, -1, withscores=True)
    assert dead == bad
    assert rfc3339(at / 1000)[:19] == m["failed_at"][:19]


# --- retention ---


def test_final_messages_expire_by_retention(stand):
    stand.sandbox.faults([{"match": {"recipient": "bad@*"}, "action": {"status": 400}}])
    stand.start(retention="1s")
    ids = stand.push(envelope(body(contact_id="c1")), envelope(body("bad@example.com")))
    wait_for(lambda: stand.stats().get("channel:email:failed") == 1
             and stand.stats().get("channel:email:sent") == 1, "both are final")
    for i in ids:
        wait_for(lambda i=i: not stand.message(i), "the hash goes", timeout=10)
    wait_for(lambda: not list(stand.redis.scan_iter(stand.key("content", "*"))), "contents go")
    wait_for(lambda: not stand.redis.zcard(stand.key("dead")), "dead letters go", timeout=10)


def test_retention_is_seven_days_by_default(stand):
    stand.start()
    (message_id,) = stand.push(envelope())
    stand.wait_final([message_id])
    week = 7 * 86400 * 1000
    assert week - 60000 < stand.redis.pttl(stand.key("message", message_id)) <= week


def test_content_leaves_redis_once_sent(stand):
    stand.start(events="all")
    canary = "canary-7f3a-content"
    job = envelope(body(content=canary, html_content=f"<p>{canary}</p>", contact_id="c"),
                   idempotency_key="k1", reply_to="r")
    (message_id,) = stand.push(job)
    stand.push(body(content=canary))
    stand.wait_final([message_id])
    wait_for(lambda: stand.stats().get("channel:email:sent") == 2, "both are sent")
    assert canary.encode() not in stand.everything()


def test_content_is_kept_on_request(stand):
    stand.start(keep={"content": True})
    canary = "canary-7f3a-content"
    stand.wait_final(stand.push(envelope(body(content=canary))))
    assert canary.encode() in stand.everything()


# --- replies ---


def test_reply_of_a_sent_message(stand):
    stand.start()
    (message_id,) = stand.push(envelope(reply_to="api-1"))
    wait_for(lambda: stand.redis.exists(stand.key("reply", "api-1")), "a reply")
    assert 3500 < stand.redis.ttl(stand.key("reply", "api-1")) <= 3600
    answer = stand.reply("api-1")
    assert answer == json.loads(stand.message(message_id)["response"])
    assert answer["message_id"] == message_id
    assert answer["success"] is True and answer["status"] == "SENT"
    assert answer["channel_used"] == "EMAIL" and answer["provider_used"] == "sandbox"
    assert answer["provider_message_id"] == "sb-1"


def test_reply_of_a_failed_message(stand):
    stand.sandbox.faults([{"action": {"status": 400}}])
    stand.start()
    (message_id,) = stand.push(envelope(reply_to="api-1"))
    answer = stand.reply("api-1")
    assert answer["success"] is False
    assert answer["status_code"] >= 400
    assert answer["error_code"] == "provider_error"
    assert answer == json.loads(stand.wait_final([message_id])[message_id]["response"])


def test_reply_of_a_rejected_job(stand):
    stand.start()
    stand.push(envelope({"message_data": {"recipient": "a@example.com"}}, reply_to="api-1"))
    answer = stand.reply("api-1")
    assert answer["status_code"] == 422
    assert answer["detail"][0]["loc"] == ["body", "message_data", "content"]


def test_every_producer_gets_its_reply(stand):
    stand.start()
    jobs = [envelope(reply_to=f"q{n}") for n in range(30)]
    stand.push(*jobs)
    for n, job in enumerate(jobs):
        assert stand.reply(f"q{n}")["message_id"] == job["id"]


# --- rejected ---


def test_rejected_job_keeps_its_bytes(stand):
    stand.start()
    raw = b'{ "message_data" : {"recipient":"nobody" }, "\xc3\xa9": 1 }  '
    before = time.time()
    stand.push(raw)
    (entry,) = stand.wait_rejected(1)
    assert entry["raw"] == raw
    assert entry["error_code"] == "validation_error"
    assert entry["error_message"]
    assert rfc3339(before - 0.01) <= entry["at"] <= rfc3339(time.time() + 0.01)
    assert not stand.messages()
    check_idle(stand)
