"""Bulks, as a producer and an operator see them: selected, rendered, sent, counted."""
import json
import uuid
import zlib

import pytest
from support import envelope, new_id, wait_for

COUNTS = ("messages_queued", "messages_sent", "messages_failed", "messages_cancelled")
TEXTS = dict(name="texts", channels=("sms",))


def put_leads(stand, leads):
    """Stores leads, {id: fields}, as an import would."""
    pipe = stand.redis.pipeline(transaction=False)
    for lead_id, fields in leads.items():
        pipe.hset(stand.key("lead", lead_id), mapping={
            k: json.dumps(v) if isinstance(v, list) else v for k, v in fields.items()})
        pipe.sadd(stand.key("leads"), lead_id)
        if fields.get("assigned_to"):
            pipe.sadd(stand.key("leads", "assignee", fields["assigned_to"]), lead_id)
    pipe.execute()


def people(count, **fields):
    return {f"lead-{n}": {"first_name": f"N{n}", "email": f"a{n}@example.com"} | fields
            for n in range(count)}


def job(settings, message_type="MARKETING", data=None, **members):
    inner = {"bulk_settings": settings, "message_type": message_type, "message_data": {
        "recipient": "p@example.com", "subject": "Hi {{first_name|you}}",
        "content": "Dear {{first_name|friend}}"} | (data or {})}
    return {"id": new_id(), "body": inner} | members


def bulk(stand, bulk_id):
    return stand.redis.hgetall(stand.key("bulk", bulk_id))


def counts(stand, bulk_id):
    """The numbers at one moment; the equation holds at each."""
    b = bulk(stand, bulk_id)
    if b:
        assert int(b["total_leads"]) == sum(int(b[c]) for c in COUNTS), b
        assert 0 <= int(b["messages_sending"]), b
    return b


def wait_bulk(stand, bulk_id, status="done", timeout=60):
    wait_for(lambda: counts(stand, bulk_id).get("status") == status,
             lambda: f"{status}: {bulk(stand, bulk_id)}\n{stand.logs()}", timeout, pause=0.02)
    return bulk(stand, bulk_id)


def ledger(stand, bulk_id):
    """{lead: line} of all shards; each lead stands in the one that the contract says."""
    shards = int(bulk(stand, bulk_id).get("shards", 0))
    found = {}
    for k in range(shards):
        for lead, line in stand.redis.hgetall(
                stand.key("bulk", bulk_id, "ledger", str(k))).items():
            assert zlib.crc32(lead.encode()) % shards == k
            found[lead] = line
    return found


def check_over(stand, *bulk_ids):
    """Nothing of these is left but what is to stay."""
    wait_for(lambda: not stand.redis.exists(stand.key("expand")), "swept")
    for bulk_id in bulk_ids:
        b = counts(stand, bulk_id)
        assert (b["messages_queued"], b["messages_sending"], b["_ready"]) == ("0", "0", "0"), b
        lines = ledger(stand, bulk_id)
        for word in ("sent", "failed"):
            assert sum(line.startswith(word + " ") for line in lines.values()) == int(
                b["messages_" + word]), b
        errors = {k[7:]: int(v) for k, v in b.items() if k.startswith("errors:") and v != "0"}
        found = {}
        for line in lines.values():
            if line.startswith("failed "):
                code = line.split(" ")[3]
                found[code] = found.get(code, 0) + 1
        assert errors == found
        left = set(stand.redis.scan_iter(stand.key("bulk", bulk_id, "*"), count=10000))
        kept = {k for k in left if ":ledger:" in k or k.endswith(":content")}
        assert left == kept
        for key in [*kept, stand.key("bulk", bulk_id)]:
            assert stand.redis.ttl(key) > 0, key
    for pattern in ("ready:*", "refs:*", "lease:*", "delayed", "turn"):
        assert not list(stand.redis.scan_iter(stand.key(pattern), count=10000)), pattern
    for key in stand.redis.scan_iter(stand.key("sender", "*"), count=10000):
        assert stand.redis.hget(key, "_extra") in (None, "0"), key
    for key in stand.redis.scan_iter(stand.key("bucket", "*"), count=10000):
        assert stand.redis.hget(key, "busy") in (None, "0"), key


def recipient_id(bulk_id, lead):
    return str(uuid.uuid5(uuid.UUID(bulk_id), lead))


def send(stand, settings, status="done", **members):
    j = job(settings, **members)
    stand.push(j)
    return j["id"], wait_bulk(stand, j["id"], status)


def bodies(stand):
    """What the provider got, by message id."""
    return {r["id"]: json.loads(r["body"]) for r in stand.sandbox.requests("sandbox")}


# --- accepting, selecting, rendering ---


def test_lead_ids_are_sent_to_once_each(stand):
    put_leads(stand, people(300))
    stand.start()
    ids = [f"lead-{n}" for n in range(250)]
    j = job({"lead_ids": ids + ids[:50]}, reply_to="me")
    stand.push(j)
    b = wait_bulk(stand, j["id"])
    assert (b["total_leads"], b["messages_sent"], b["success_rate"]) == ("250", "250", "100.00")
    assert b["duplicates"] == "50"
    assert (b["channel"], b["sender"], b["message_type"]) == ("email", "mail", "MARKETING")
    assert stand.reply("me") == {"total_leads": 250, "messages_sent": 250, "messages_failed": 0,
                                 "success_rate": 100.0}
    assert json.loads(b["response"])["total_leads"] == 250
    got = bodies(stand)
    assert set(got) == {recipient_id(j["id"], i) for i in ids}
    one = got[recipient_id(j["id"], "lead-7")]
    assert (one["subject"], one["content"]) == ("Hi N7", "Dear N7")
    lines = ledger(stand, j["id"])
    assert set(lines) == set(ids)
    word, ms, attempts, provider_id = lines["lead-7"].split(" ")
    assert (word, len(ms), attempts) == ("sent", 13, "1") and provider_id
    assert stand.stats() == {f"{s}:sent": 250 for s in (
        "provider:sandbox", "channel:email", "sender:mail")}
    assert stand.messages() == {}
    check_over(stand, j["id"])


def test_a_lead_that_cannot_be_sent_to_fails_alone(stand):
    leads = people(8)
    leads["lead-1"]["email"] = ""
    leads["lead-2"]["email"] = "nonsense"
    leads["lead-3"]["opted_out"] = ["email"]
    put_leads(stand, leads)
    stand.redis.set(stand.key("lead", "bad"), "no hash")
    stand.redis.sadd(stand.key("suppressed", "email"), "a4@example.com")
    stand.start()
    ids = [*leads, "bad", "nobody"]
    bulk_id, b = send(stand, {"lead_ids": ids}, reply_to="me")
    assert (b["total_leads"], b["messages_sent"], b["messages_failed"]) == ("10", "4", "6")
    assert (b["errors:recipient_not_found"], b["errors:suppressed"]) == ("4", "2")
    assert b["success_rate"] == "40.00"
    assert stand.reply("me")["success_rate"] == 40.0
    lines = ledger(stand, bulk_id)
    assert lines["lead-3"].split(" ")[3] == lines["lead-4"].split(" ")[3] == "suppressed"
    assert lines["nobody"].startswith("failed ") and lines["nobody"].endswith("recipient_not_found")
    assert len(bodies(stand)) == 4
    check_over(stand, bulk_id)


def test_a_transactional_bulk_passes_opt_outs(stand):
    put_leads(stand, people(3, opted_out=["email"]))
    stand.start()
    _, b = send(stand, {"search_keyword": "example.com"}, message_type="TRANSACTIONAL")
    assert b["messages_sent"] == "3"


def test_an_address_is_sent_to_once(stand):
    put_leads(stand, people(20, email="Same@Example.com") | {"x": {"email": "same@example.com"},
                                                              "y": {"email": "y@example.com"}})
    daemon = stand.start()
    bulk_id, b = send(stand, {"search_keyword": "EXAMPLE"})
    # The local part's case may matter to its server.
    assert (b["total_leads"], b["messages_sent"], b["duplicates"]) == ("3", "3", "19")
    check_over(stand, bulk_id)
    daemon.stop()
    stand.start(bulk={"dedupe": False})
    _, b = send(stand, {"search_keyword": "EXAMPLE"})
    assert (b["total_leads"], b["messages_sent"]) == ("22", "22")


def test_html_is_escaped_and_unknown_fields_are_empty_or_fail(stand):
    put_leads(stand, {"a": {"email": "a@example.com", "first_name": "A & <b>"},
                      "b": {"email": "b@example.com"}})
    daemon = stand.start()
    data = {"html_content": "<p>{{first_name}}</p>", "content": "{{first_name}} \\{{x",
            "subject": "Same for all"}
    bulk_id, b = send(stand, {"lead_ids": ["a", "b"]}, data=data)
    got = bodies(stand)
    assert b["messages_sent"] == "2"
    assert got[recipient_id(bulk_id, "a")]["html_content"] == "<p>A &amp; &lt;b&gt;</p>"
    assert got[recipient_id(bulk_id, "a")]["content"] == "A & <b> {{x"
    assert got[recipient_id(bulk_id, "b")]["content"] == " {{x"
    daemon.stop()
    stand.start(templates={"missing": "fail"})
    bulk_id, b = send(stand, {"lead_ids": ["a", "b"]}, data=data)
    assert (b["messages_sent"], b["errors:template_error"]) == ("1", "1")


def test_broken_texts_refuse_the_bulk(stand):
    stand.start()
    stand.push(job({"lead_ids": ["a"]}, data={"content": "Hi {{name"}, reply_to="me"))
    (entry,) = stand.wait_rejected(1)
    assert entry["error_code"] == "validation_error"
    assert "is not closed" in entry["error_message"]
    assert stand.reply("me")["status_code"] == 422
    assert list(stand.redis.scan_iter(stand.key("bulk*"))) == []


def test_a_bulk_for_nobody_is_done_at_once(stand, figure):
    put_leads(stand, people(3))
    stand.start()
    bulk_id, b = send(stand, {"search_keyword": "nobody has this"}, reply_to="me")
    assert (b["total_leads"], b["success_rate"]) == ("0", "0.00")
    assert stand.reply("me") == {"total_leads": 0, "messages_sent": 0, "messages_failed": 0,
                                 "success_rate": 0.0}
    assert stand.reply  # and without a directory:
    stand.redis.delete(stand.key("leads"))
    _, b = send(stand, {"search_keyword": "x"})
    assert b["status"] == "done"
    figure(lost=0, bulks=2, total_leads=0)


def test_assignees_do_not_scan_the_directory(stand):
    put_leads(stand, people(2000) | {f"m{n}": {"email": f"m{n}@example.com", "assigned_to": "u1"}
                                     for n in range(40)}
              | {f"k{n}": {"email": f"k{n}@example.com", "assigned_to": "u2"} for n in range(40)})
    stand.start()
    stand.redis.config_resetstat()
    bulk_id, b = send(stand, {"assignees": ["u1", "u2", "u3"], "search_keyword": "K1"})
    assert b["messages_sent"] == "11"
    assert set(ledger(stand, bulk_id)) == {"k1", *(f"k{n}" for n in range(10, 20))}
    reads = stand.redis.info("commandstats")["cmdstat_hgetall"]["calls"]
    assert reads < 150
    _, b = send(stand, {"lead_ids": ["m1", "k1", "lead-1"], "assignees": ["u1"]})
    assert b["messages_sent"] == "1"
    assert stand.redis.info("commandstats")["cmdstat_hgetall"]["calls"] < 200


def test_the_same_bulk_twice_is_one(stand, figure):
    put_leads(stand, people(5))
    stand.start()
    j = job({"search_keyword": "example"}, reply_to="me")
    stand.push(j, j)
    wait_bulk(stand, j["id"])
    assert stand.reply("me") == stand.reply("me")
    stand.push(j)
    assert stand.reply("me")["messages_sent"] == 5
    other = json.loads(json.dumps(j))
    other["body"]["message_data"]["content"] = "Other"
    stand.push(other)
    assert stand.wait_rejected(1)[0]["error_code"] == "idempotency_conflict"
    assert len(stand.sandbox.requests("sandbox")) == 5
    figure(lost=0, pushes=4, leads=5, sends=5)


def test_names_and_remains_of_a_bulks_keys(stand):
    """A bulk that is named like a key of another's is refused; what stands under its keys without
    it is of no bulk. Neither holds up what comes in the same batch."""
    put_leads(stand, people(3))
    mine = job({"lead_ids": ["lead-1", "lead-2"]})
    others = [job({"lead_ids": ["lead-0"]}, id=mine["id"] + part)
              for part in (":ids", ":content", ":held", ":seen:1", ":ledger:0")]
    for part, value in (("ids", "x"), ("held", "x"), ("content", "x")):
        stand.redis.set(stand.key("bulk", mine["id"], part), value)
    single = envelope()
    stand.push(*others, single, mine, envelope())
    stand.start()
    assert wait_bulk(stand, mine["id"])["messages_sent"] == "2"
    assert {(e["error_code"], e["field"]) for e in stand.wait_rejected(5)} == {
        ("validation_error", "id")}
    stand.wait_status(single["id"], "sent")
    assert len(stand.sandbox.requests("sandbox")) == 4


def test_sms_bulk_and_priorities(stand):
    put_leads(stand, {f"l{n}": {"phone": f"+1 (415) 555-01{n:02}"} for n in range(5)})
    stand.start([stand.sender(), stand.sender(**TEXTS)])
    j = {"id": new_id(), "priority": "LOW", "body": {
        "bulk_settings": {"search_keyword": "555"},
        "message_data": {"recipient": "+1234567890", "content": "Hi"}}}
    stand.push(j)
    b = wait_bulk(stand, j["id"])
    assert (b["channel"], b["priority"], b["messages_sent"]) == ("sms", "LOW", "5")
    assert {m["recipient"] for m in bodies(stand).values()} == {f"+141555501{n:02}"
                                                               for n in range(5)}


def test_expansion_is_bounded(stand):
    """A sender that does not go on: no more than about `ready` recipients wait in Redis."""
    put_leads(stand, people(3000))
    stand.start([stand.sender(limits={"rate": "1/s"})], bulk={"ready": 200, "page": 50})
    j = job({"search_keyword": "example"})
    stand.push(j)
    wait_for(lambda: int(counts(stand, j["id"]).get("total_leads", 0)) >= 200, "expansion")
    wait_for(lambda: counts(stand, j["id"])["messages_sent"] >= "2", "two sent")
    b = counts(stand, j["id"])
    assert b["status"] == "expanding"
    assert int(b["total_leads"]) <= 300
    assert int(stand.redis.hget(stand.key("sender", "mail"), "waiting")) <= 300
