"""Contacts, templates and opt-outs: what a job leaves to be looked up, as a producer sees it."""
import json
import time

import pytest
from support import body, envelope, new_id, wait_for

SMS = dict(name="text", channels=("sms",))


def conversation(kind="Email", contact="c1", **members):
    """An envelope around a conversation body, with an id of its own."""
    inner = {"type": kind, "contactId": contact, "status": "pending", "subType": kind} | members
    if kind == "Email" and "templateId" not in members:
        inner = {"subject": "S"} | inner
    return envelope(inner)


def put_lead(stand, lead_id, **fields):
    stand.redis.hset(stand.key("lead", lead_id), mapping={
        k: json.dumps(v) if isinstance(v, list) else v for k, v in fields.items()})


def put_template(stand, template_id, **texts):
    stand.redis.hset(stand.key("template", template_id), mapping=texts)


def send(stand, *jobs):
    """Pushes jobs; their final hashes in order."""
    ids = stand.push(*jobs)
    final = stand.wait_final(ids)
    return [final[i] for i in ids]


def bodies(stand):
    """What the provider got, by message id."""
    return {r["id"]: json.loads(r["body"]) for r in stand.sandbox.requests("sandbox")}


def start(stand, **settings):
    return stand.start([stand.sender(), stand.sender(**SMS)], **settings)


# --- recipients ---


def test_the_contacts_address_is_the_recipient(stand):
    put_lead(stand, "c1", email="Ana@Example.COM", phone="+1 (415) 555-0100")
    start(stand)
    mail, text = send(stand, conversation(message="Hello."), conversation("SMS", message="Hello."))
    assert (mail["status"], mail["recipient"]) == ("sent", "Ana@example.com")
    assert (text["status"], text["recipient"]) == ("sent", "+14155550100")
    assert mail["contact_id"] == "c1"


def test_an_address_in_the_job_needs_no_contact(stand):
    start(stand)
    (mail,) = send(stand, conversation(message="Hello.", emailTo="b@example.com"))
    assert (mail["status"], mail["recipient"]) == ("sent", "b@example.com")


@pytest.mark.parametrize("fields, reason", [
    ({}, "contact c1 is not in the directory"),
    ({"phone": "+14155550100"}, "contact c1 has no address for email"),
    ({"email": "nobody"}, "contact c1: its address for email"),
])
def test_without_an_address_the_message_fails(stand, fields, reason):
    if fields:
        put_lead(stand, "c1", **fields)
    start(stand)
    job = conversation(message="Hello.") | {"reply_to": "me"}
    (m,) = send(stand, job)
    assert (m["status"], m["error_code"]) == ("failed", "recipient_not_found")
    assert m["error_message"].startswith(reason)
    assert m["id"] == job["id"]
    answer = stand.reply("me")
    assert answer["statusCode"] == 404
    assert reason in answer["message"]
    assert stand.sandbox.requests("sandbox") == []
    assert stand.stats()["channel:email:failed"] == 1
    assert stand.rejected() == []
    assert stand.redis.zcard(stand.key("dead")) == 1


def test_a_contact_that_is_no_hash_fails_its_message_alone(stand):
    stand.redis.set(stand.key("lead", "bad"), "x")
    put_lead(stand, "good", email="a@example.com")
    start(stand)
    bad, good = send(stand, conversation(contact="bad", message="x"),
                     conversation(contact="good", message="x"))
    assert (bad["status"], bad["error_code"]) == ("failed", "recipient_not_found")
    assert good["status"] == "sent"


def test_a_refused_message_does_not_wait_for_its_time(stand):
    start(stand)
    (m,) = send(stand, conversation(message="x", scheduledTimestamp=int(time.time()) + 3600))
    assert (m["status"], m["error_code"]) == ("failed", "recipient_not_found")


# --- opt-outs ---


def typed(message_type, contact="c1"):
    return envelope(body(contact_id=contact) | {"message_type": message_type})


def test_opt_outs_of_the_channel(stand):
    lead = "11111111-0001-0001-0001-000000000001"
    put_lead(stand, lead, email="a@example.com", opted_out=["email"])
    start(stand)
    sent, marketing, notification, text = send(
        stand, typed("TRANSACTIONAL", lead), typed("MARKETING", lead), typed("NOTIFICATION", lead),
        envelope(body(recipient="+14155550100", contact_id=lead) | {"message_type": "MARKETING"}))
    assert sent["status"] == "sent"
    assert text["status"] == "sent"
    for m in marketing, notification:
        assert (m["status"], m["error_code"]) == ("failed", "suppressed")
        assert m["error_message"] == f"contact {lead} opted out of email"
    assert len(stand.sandbox.requests("sandbox")) == 2


def test_opt_outs_of_a_subtype(stand):
    put_lead(stand, "c1", email="a@example.com", opted_out=["news"])
    start(stand)
    news, offers = send(stand, conversation(message="x", customSubtypeId="news"),
                        conversation(message="x", customSubtypeId="offers"))
    assert (news["status"], news["error_code"]) == ("failed", "suppressed")
    assert offers["status"] == "sent"


def test_an_address_in_the_job_does_not_pass_an_opt_out(stand):
    put_lead(stand, "c1", email="a@example.com", opted_out=["news"])
    start(stand)
    (m,) = send(stand, conversation(message="x", customSubtypeId="news", emailTo="b@example.com"))
    assert (m["status"], m["error_code"]) == ("failed", "suppressed")


def later(contact, message_type="MARKETING"):
    return typed(message_type, contact) | {"scheduled_at": time.time() + 1.5}


@pytest.mark.parametrize("limits", [{}, {"limits": {"rate": "50/s"}}])
def test_an_opt_out_that_came_while_the_message_waited(stand, limits):
    put_lead(stand, "c1", email="a@example.com")
    put_lead(stand, "c2", email="a@example.com")
    stand.start([stand.sender(**limits)])
    ids = stand.push(later("c1"), later("c2"), later("c1", "TRANSACTIONAL"))
    for i in ids:
        stand.wait_status(i, "scheduled")
    put_lead(stand, "c1", opted_out=["email"])
    final = stand.wait_final(ids)
    out, other, transactional = [final[i] for i in ids]
    assert (out["status"], out.get("error_code")) == ("failed", "suppressed")
    assert out["error_message"] == "contact c1 opted out of email"
    assert other["status"] == transactional["status"] == "sent"
    assert sorted(stand.sandbox.ids("sandbox")) == sorted(ids[1:])


# --- templates ---


def test_a_template_is_filled_with_the_contact(stand):
    put_lead(stand, "c1", email="a@example.com", first_name="Ana & Bo", company="")
    put_template(stand, "t1", subject="Hi {{first_name}}", text="Dear {{first_name|you}}, {{x|y}}.",
                 html="<p>{{first_name}}</p>{{company}}")
    start(stand)
    whole, own = send(stand, conversation(templateId="t1"),
                      conversation(templateId="t1", subject="Own", message="Own {{first_name}}"))
    got = bodies(stand)
    assert whole["status"] == own["status"] == "sent"
    assert whole["subject"] == "Hi Ana & Bo"
    first = got[whole["id"]]
    assert first["content"] == "Dear Ana & Bo, y."
    assert first["html_content"] == "<p>Ana &amp; Bo</p>"
    second = got[own["id"]]
    assert second["subject"] == "Own"
    assert second["content"] == "Own {{first_name}}"
    assert second["html_content"] == "<p>Ana &amp; Bo</p>"


def test_a_template_that_cannot_be_used_fails_the_message(stand):
    put_lead(stand, "c1", email="a@example.com")
    put_template(stand, "broken", text="{{first_name")
    put_template(stand, "strict", text="{{first_name}}")
    start(stand, templates={"missing": "fail"})
    missing, broken, strict = send(stand, *(conversation(templateId=t)
                                            for t in ("none", "broken", "strict")))
    assert {m["error_code"] for m in (missing, broken, strict)} == {"template_error"}
    assert missing["error_message"] == "there is no template none"
    assert "is not closed" in broken["error_message"]
    assert "neither value nor default" in strict["error_message"]
    assert stand.sandbox.requests("sandbox") == []


def test_a_field_that_is_missing_is_empty_by_default(stand):
    put_lead(stand, "c1", email="a@example.com")
    put_template(stand, "t1", subject="S", text="[{{first_name}}]")
    start(stand)
    (m,) = send(stand, conversation(templateId="t1"))
    assert bodies(stand)[m["id"]]["content"] == "[]"


# --- batches, trouble ---


def test_a_mixed_batch_keeps_everything_apart(stand):
    """Before the daemon starts, so that it takes them in whole batches."""
    put_template(stand, "t1", subject="S", text="Hi {{first_name}}")
    jobs = []
    for i in range(300):
        put_lead(stand, f"c{i}", email=f"a{i}@example.com", first_name=f"N{i}")
        jobs.append(conversation(contact=f"c{i}", templateId="t1"))
        jobs.append(envelope(body(recipient=f"b{i}@example.com")))
    jobs.insert(7, {"type": "Email", "contactId": 5})
    ids = stand.push(*jobs)
    start(stand)
    final = stand.wait_final(ids)
    assert {m["status"] for m in final.values()} == {"sent"}
    got = bodies(stand)
    for job in jobs:
        if "id" in job and job["body"].get("templateId"):
            contact = job["body"]["contactId"]
            assert final[job["id"]]["recipient"] == f"a{contact[1:]}@example.com"
            assert got[job["id"]]["content"] == f"Hi N{contact[1:]}"
    assert len(stand.wait_rejected(1)) == 1


def test_redis_refusing_a_lookup_only_delays(stand):
    put_lead(stand, "c1", email="a@example.com")
    daemon = start(stand)
    stand.redis.execute_command("ACL", "SETUSER", "default", "-hgetall")
    try:
        (message_id,) = stand.push(conversation(message="x"))
        wait_for(lambda: daemon.log_lines("event=redis", "NOPERM"), "the refusal is told")
        assert stand.redis.exists(stand.key("message", message_id)) == 0
    finally:
        stand.redis.execute_command("ACL", "SETUSER", "default", "+hgetall")
    stand.wait_status(message_id, "sent")


def test_a_connection_lost_during_lookups_loses_nothing(stand):
    daemon = start(stand)
    put_lead(stand, "c1", email="a@example.com")
    ids = []
    for _ in range(5):
        ids += stand.push(*(conversation(message="x") for _ in range(40)))
        stand.redis.client_kill_filter(_type="normal", skipme=True)
    final = stand.wait_final(ids, 60)
    assert {m["status"] for m in final.values()} == {"sent"}
    assert daemon.running()


def test_the_same_job_twice_is_one_message(stand):
    put_lead(stand, "c1", email="a@example.com")
    start(stand)
    job = conversation(message="x") | {"idempotency_key": new_id()}
    stand.push(job, job)
    stand.wait_status(job["id"], "sent")
    (m,) = send(stand, conversation(message="last"))
    assert m["status"] == "sent"
    assert len(stand.sandbox.requests("sandbox")) == 2
