"""Pushed twice, sent once: idempotency keys and ids."""
import json

import pytest
from invariants import check_all
from support import body, envelope, wait_for
from test_bulk import job, people, put_leads


def test_same_key_same_body_is_sent_once(stand):
    stand.start()
    jobs = [{"idempotency_key": "k 1", "body": body(), "reply_to": f"q{n}"} for n in range(50)]
    stand.push(*jobs)
    answers = [stand.reply(f"q{n}") for n in range(50)]
    assert all(a == answers[0] for a in answers)
    assert len(stand.messages()) == 1
    assert stand.sandbox.stats("sandbox")["accepted"] == 1
    check_all(stand, stand.messages(), accepted_by=stand.sandbox.ids("sandbox"))


def test_same_key_again_after_it_was_sent(stand):
    stand.start()
    stand.push({"idempotency_key": "k1", "body": body(), "reply_to": "first"})
    first = stand.reply("first")
    # Members in another order are the same body.
    again = {"message_data": dict(reversed(body()["message_data"].items()))}
    stand.push({"idempotency_key": "k1", "body": again, "reply_to": "second"})
    assert stand.reply("second") == first
    assert stand.sandbox.stats("sandbox")["accepted"] == 1


def test_same_key_while_the_first_is_on_its_way(stand):
    stand.sandbox.faults([{"times": 1, "action": {"status": 503}}])
    stand.start(senders=[stand.sender(retry={"base": "2s"})])
    stand.push({"idempotency_key": "k1", "body": body(), "reply_to": "first"})
    wait_for(lambda: "scheduled" in {m["status"] for m in stand.messages().values()}, "a retry")
    for n in range(3):
        stand.push({"idempotency_key": "k1", "body": body(), "reply_to": f"again{n}"})
    first = stand.reply("first")
    assert [stand.reply(f"again{n}") for n in range(3)] == [first] * 3
    assert stand.sandbox.stats("sandbox")["accepted"] == 1


def test_same_key_other_body_is_refused(stand):
    stand.start()
    stand.push({"idempotency_key": "k1", "body": body(), "reply_to": "first"})
    stand.reply("first")
    other = json.dumps({"idempotency_key": "k1", "body": body(content="Other."),
                        "reply_to": "second"})
    stand.push(other)
    answer = stand.reply("second")
    assert answer["error_code"] == "idempotency_conflict"
    assert answer["status_code"] == 409
    (entry,) = stand.wait_rejected(1)
    assert entry["error_code"] == "idempotency_conflict"
    assert entry["raw"] == other.encode()
    assert stand.sandbox.stats("sandbox")["accepted"] == 1


def test_keys_are_forgotten_in_time(stand):
    stand.start(keep={"idempotency": "1s"})
    stand.push({"idempotency_key": "k1", "body": body(), "reply_to": "first"})
    first = stand.reply("first")
    wait_for(lambda: not list(stand.redis.scan_iter(stand.key("idem*"))), "the key is forgotten")
    stand.push({"idempotency_key": "k1", "body": body(), "reply_to": "second"})
    assert stand.reply("second")["message_id"] != first["message_id"]


def test_same_id_twice_is_the_same(stand):
    stand.start()
    job = envelope()
    ids = stand.push(*[job | {"reply_to": f"q{n}"} for n in range(20)])
    answers = [stand.reply(f"q{n}") for n in range(20)]
    assert all(a == answers[0] for a in answers)
    assert stand.sandbox.ids("sandbox") == {ids[0]: 1}
    stand.push(job | {"body": body(content="Other."), "reply_to": "other"})
    assert stand.reply("other")["error_code"] == "idempotency_conflict"
    assert stand.sandbox.ids("sandbox") == {ids[0]: 1}


@pytest.mark.parametrize("first", ["message", "bulk"])
def test_a_message_and_a_bulk_do_not_share_an_id(stand, first):
    stand.start()
    put_leads(stand, people(1))
    jobs = [{"id": "same", "body": body()}, job({"lead_ids": ["lead-0"]}) | {"id": "same"}]
    stand.push(jobs[first == "bulk"])
    wait_for(lambda: stand.redis.hget(stand.key(first, "same"), "status") in ("sent", "done"),
             stand.logs)
    stand.push(jobs[first == "message"])
    (entry,) = stand.wait_rejected(1)
    assert entry["error_code"] == "idempotency_conflict"
    assert stand.sandbox.stats("sandbox")["accepted"] == 1


def test_the_id_of_a_message_that_named_none_is_taken(stand):
    """A producer that repeats a job with the id it was told does not send it twice."""
    stand.start()
    stand.push({"body": body(), "reply_to": "first"})
    message_id = stand.reply("first")["message_id"]
    stand.push(envelope(body(), id=message_id, reply_to="second"))
    assert stand.reply("second").get("error_code") in (None, "idempotency_conflict")
    assert stand.sandbox.ids("sandbox") == {message_id: 1}
    assert stand.stats()["sender:mail:sent"] == 1


def test_different_keys_are_different_messages(stand):
    stand.start()
    for n in range(20):
        stand.push({"idempotency_key": f"k{n}", "body": body()})
    stand.sandbox.wait_accepted(20, "sandbox")
    assert len(stand.messages()) == 20


def test_duplicates_raced_by_two_daemons(stand):
    stand.start()
    stand.start()
    jobs = [{"idempotency_key": f"k{n % 40}", "body": body(f"r{n % 40}@example.com"),
             "reply_to": "all"} for n in range(400)]
    stand.push(*jobs)
    answers = [stand.reply("all") for _ in range(400)]
    by_id = {}
    for a in answers:
        by_id[a["message_id"]] = by_id.get(a["message_id"], 0) + 1
    assert sorted(by_id.values()) == [10] * 40
    check_all(stand, by_id, accepted_by=stand.sandbox.ids("sandbox"))
    assert set(stand.sandbox.ids("sandbox").values()) == {1}
