"""sendqctl bulk watch and preview, and the numbers that `show` adds: what an operator sees of a bulk
before it is pushed and while it runs."""
import datetime
import json
import os
import pty
import re
import signal
import subprocess

import pytest
from admin_client import Admin
from ctl_client import Ctl
from support import end_with_parent, wait_for
from test_bulk import TEXTS, bodies, counts, job, people, put_leads, wait_bulk
from test_bulk_control import SMALL, sent, start_bulk


@pytest.fixture
def ctl(stand):
    return Ctl(stand)


# --- preview ---


def preview(stand, body, *arguments, senders=None, code=0, **settings):
    """What `bulk preview` says of a body; it writes nothing."""
    ctl = Ctl(stand)
    ctl.config.write_text(json.dumps(stand.config(senders, **settings)))
    path = stand.directory / "bulk.json"
    path.write_text(json.dumps(body))
    before = {key: stand.redis.dump(key) for key in stand.redis.keys()}
    out = ctl.json("bulk", "preview", path, *arguments, code=code)
    assert {key: stand.redis.dump(key) for key in stand.redis.keys()} == before
    return out[0] if out else ctl.stderr


def mixed_leads():
    leads = people(12)
    leads["lead-1"]["email"] = ""
    leads["lead-2"]["email"] = "nonsense"
    leads["lead-3"]["opted_out"] = ["email"]
    leads["lead-5"]["email"] = leads["lead-6"]["email"] = "same@example.com"
    leads["lead-7"]["first_name"] = "A & b"
    return leads


def test_preview_says_what_the_bulk_then_does(stand):
    put_leads(stand, mixed_leads())
    stand.redis.sadd(stand.key("suppressed", "email"), "a4@example.com")
    j = job({"lead_ids": [*mixed_leads(), "nobody", "lead-0"]}, data={
        "html_content": "<p>{{first_name}}</p>"})
    told = preview(stand, j["body"])
    assert told.pop("sample") == {"lead": "lead-0", "recipient": "a0@example.com",
                                  "subject": "Hi N0", "content": "Dear N0", "html": "<p>N0</p>"}
    assert told == {"channel": "email", "sender": "mail", "leads": 12, "duplicates": 2,
                    "without_address": 3, "opted_out": 1, "suppressed": 1, "errors": 0,
                    "messages": 7}
    stand.start()
    stand.push(j)
    b = wait_bulk(stand, j["id"])
    assert (b["total_leads"], b["duplicates"], b["messages_sent"]) == ("12", "2", "7")
    assert (b["errors:recipient_not_found"], b["errors:suppressed"]) == ("3", "2")
    assert len(bodies(stand)) == 7


def test_preview_selects_as_the_bulk_does(stand):
    put_leads(stand, people(40, company="Acme") | {
        f"u{n}": {"email": f"u{n}@example.com", "assigned_to": "u"} for n in range(30)})
    conditions = {"conditions": [{"conditions": [
        {"id": "c", "field": "company", "operator": "equals", "value": "acme"}]}]}
    for settings, expected in (({"search_keyword": "EXAMPLE"}, 70), ({"filters": conditions}, 40),
                               ({"assignees": ["u", "v"]}, 30),
                               ({"assignees": ["u"], "search_keyword": "u2"}, 11),
                               ({"lead_ids": ["u1", "lead-1"], "filters": conditions}, 1),
                               ({"search_keyword": "nobody"}, 0)):
        told = preview(stand, job(settings)["body"])
        assert (told["leads"], told["messages"]) == (expected, expected), settings
        assert ("sample" in told) == (expected > 0)
    assert preview(stand, job({"search_keyword": "example"})["body"], bulk={"dedupe": False},
                   templates={"missing": "fail"})["errors"] == 0


def test_preview_counts_segments_and_broken_texts(stand):
    put_leads(stand, {f"l{n}": {"phone": f"+1 (415) 555-01{n:02}", "first_name": "x" * (n * 60)}
                      for n in range(4)} | {"other": {"phone": "+14155550200"}})
    body = {"bulk_settings": {"search_keyword": "555"},
            "message_data": {"recipient": "+1234567890", "content": "{{first_name}}!"}}
    senders = [stand.sender(), stand.sender(**TEXTS)]
    told = preview(stand, body, senders=senders)
    assert (told["channel"], told["sender"], told["segments"]) == ("sms", "texts", 6)
    told = preview(stand, body, senders=senders, templates={"missing": "fail"})
    assert (told["messages"], told["errors"]) == (3, 2)  # an empty name is none


def test_preview_estimates_the_end_under_the_caps(stand):
    put_leads(stand, people(100))
    sender = stand.sender(limits={"rate": "2/s", "day": "30/day"})
    told = preview(stand, job({"search_keyword": "example"})["body"], senders=[sender])
    assert "estimated_finish" not in told  # no daemon has published its limits
    stand.start([sender])
    wait_for(lambda: stand.redis.hget(stand.key("bucket", "sender:mail"), "day_cap"), "limits")
    told = preview(stand, job({"search_keyword": "example"})["body"], senders=[sender])
    # 30 today, 30 the next two days each, the rest on the fourth day.
    seconds, _ = stand.redis.time()
    assert told["estimated_finish"] == stamp(seconds - seconds % 86400 + 3 * 86400)


def stamp(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime(
        "%Y-%m-%dT%H:%M:%S.000Z")


@pytest.mark.parametrize("body, error", [
    ({"message_data": {"recipient": "a@example.com", "subject": "S", "content": "C"}},
     "bulk_settings are what makes a bulk"),
    (job({"lead_ids": ["a"]}, data={"content": "{{x"})["body"], "is not closed"),
    (job({"filters": {"conditions": [{"id": "c9", "field": "a", "operator": "near",
                                      "value": 1}]}})["body"], "c9"),
    ({"bulk_settings": {"lead_ids": ["a"]}, "message_data": {"recipient": "+12345678",
                                                             "content": "x"}}, "no default"),
])
def test_preview_refuses_what_is_no_bulk(stand, body, error):
    said = preview(stand, body, code=1)
    assert error in said
    assert not re.search(r"(\S+): \1: ", said), "a field is named once"


def test_preview_shows_people_a_table(stand, ctl):
    put_leads(stand, people(3))
    ctl.config.write_text(json.dumps(stand.config()))
    out = ctl.rows("bulk", "preview", stdin=json.dumps(
        job({"search_keyword": "example"})["body"]).encode())
    assert ["leads", "3"] in out and ["messages", "3"] in out
    ctl.text("bulk", "preview", "/nonexistent", code=2)


# --- watch ---


def watching(ctl, bulk_id, *arguments, terminal=False):
    """A `bulk watch` under way, and where its output comes."""
    ours, theirs = pty.openpty() if terminal else os.pipe()
    process = subprocess.Popen(ctl.argv("bulk", "watch", bulk_id, *arguments), stdout=theirs,
                               stderr=subprocess.PIPE, env=ctl.env(), preexec_fn=end_with_parent,
                               stdin=theirs if terminal else subprocess.DEVNULL)
    os.close(theirs)
    return process, ours


def read_to_end(ours):
    seen = b""
    try:
        while piece := os.read(ours, 65536):
            seen += piece
    except OSError:  # a terminal's other side was closed
        pass
    os.close(ours)
    return seen.decode()


def test_watch_ends_with_the_bulk(stand, ctl):
    stand.sandbox.faults([{"match": {"recipient": "a1@*"}, "action": {"status": 400}}])
    stand.start()
    bulk_id = start_bulk(stand, 300)
    process, ours = watching(ctl, bulk_id)
    lines = read_to_end(ours).splitlines()
    assert process.wait(60) == 0 and process.stderr.read() == b""
    assert lines[-1].startswith("done  sent 299  failed 1  queued 0")
    assert "\x1b" not in "".join(lines)
    last = ctl.json("bulk", "watch", bulk_id)[-1]
    rate = last.pop("rate")
    assert rate >= 0 and last == {
        "id": bulk_id, "status": "done", "total_leads": 300, "messages_queued": 0,
        "messages_sent": 299, "messages_failed": 1, "messages_cancelled": 0, "eta_seconds": 0}


def test_watch_shows_a_bar_and_q_ends_it(stand, ctl):
    stand.start([stand.sender(limits={"rate": "1/s"})])
    bulk_id = start_bulk(stand, 400)
    wait_for(lambda: sent(stand, bulk_id) > 0, "a start")
    process, ours = watching(ctl, bulk_id, terminal=True)
    seen = b""
    while b"queued" not in seen:
        seen += os.read(ours, 4096)
    assert seen.startswith(b"\r\x1b[K[....................]   0.")
    os.write(ours, b"q")
    assert process.wait(60) == 1
    assert b"is not over yet" in process.stderr.read()
    assert read_to_end(ours).endswith("\r\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watch_ends_by_signals(stand, ctl, number):
    stand.start([stand.sender(limits={"rate": "1/s"})])
    bulk_id = start_bulk(stand, 50)
    wait_for(lambda: sent(stand, bulk_id) > 0, "a start")
    process, ours = watching(ctl, bulk_id)
    assert os.read(ours, 4096)
    process.send_signal(number)
    assert process.wait(60) == 1
    read_to_end(ours)


def test_watch_says_why_it_waits(stand, ctl):
    daemon = stand.start([stand.sender(limits={"day": "3/day"})], bulk=SMALL)
    bulk_id = start_bulk(stand, 10)
    wait_for(lambda: sent(stand, bulk_id) == 3 and stand.redis.hget(
        stand.key("sender", "mail"), "state") == "day_cap", "the cap")

    def first_line():
        process, ours = watching(ctl, bulk_id)
        line = os.read(ours, 4096).decode()
        process.kill()
        process.wait()
        read_to_end(ours)
        return line

    assert "  day_cap until 2" in first_line()
    assert ctl.json("bulk", "explain", bulk_id)[0]["reason"] == "day_cap"
    ctl.text("bulk", "pause", bulk_id)
    assert "  paused: an operator paused it" in first_line()
    ctl.text("bulk", "resume", bulk_id)
    assert daemon.stop() == 0
    assert first_line().endswith("  no_worker: no daemon is running\n")
    ctl.text("bulk", "cancel", bulk_id)
    ctl.text("bulk", "watch", bulk_id, code=1)
    assert "did not end as done" in ctl.stderr
    ctl.text("bulk", "watch", "nonsense", code=1)
    assert "not found" in ctl.stderr


# --- what others tell of bulks ---


def test_recipients_are_counted_where_messages_are(stand, ctl):
    """In flight and waiting: recipients count, not the elements that they wait in."""
    stand.sandbox.faults([{"action": {"kind": "hang"}}])
    daemon = stand.start([stand.sender(limits={"concurrency": 7})], admin={
        "listen": "127.0.0.1:0"})
    bulk_id = start_bulk(stand, 200)
    wait_for(lambda: counts(stand, bulk_id).get("status") == "sending" and
             counts(stand, bulk_id)["messages_sending"] == "7", stand.logs)
    assert ctl.json("queue")[0]["in_flight"] == 7
    assert ctl.json("queue")[0]["ready"]["mail"] == {"high": 0, "normal": 193, "low": 0}
    assert ctl.json("worker")[0]["in_flight"] == 7
    (sender,) = ctl.json("sender")
    assert (sender["waiting"], sender["in_flight"]) == (193, 7)
    admin = Admin(daemon)
    status = wait_for(lambda: (s := json.loads(admin.ask("/status")[2])).get("in_flight") and s,
                      "an overview")
    assert (status["in_flight"], status["ready"]) == (7, 193)
    daemon.kill()


def test_several_bulks_count_each_in_its_class(stand, ctl):
    stand.start()
    ctl.text("sender", "pause", "mail")
    put_leads(stand, people(150))
    jobs = [job({"lead_ids": [f"lead-{i}" for i in range(n)]}, priority=p)
            for n, p in ((150, "HIGH"), (90, "LOW"), (40, 2))]
    for bulk_id in stand.push(*jobs):
        wait_for(lambda: counts(stand, bulk_id).get("status") == "sending", stand.logs)
    assert ctl.json("queue")[0]["ready"]["mail"] == {"high": 150, "normal": 40, "low": 90}
    assert ctl.json("sender")[0]["waiting"] == 280


# --- show ---


def test_show_tells_errors_rate_and_eta(stand, ctl):
    stand.sandbox.faults([{"match": {"recipient": "a2*"}, "action": {"status": 400}}])
    put_leads(stand, people(10) | {"no": {"company": "example"}})
    stand.start([stand.sender(limits={"rate": "4/s"})])
    j = job({"search_keyword": "example"})
    stand.push(j)
    wait_for(lambda: counts(stand, j["id"]).get("status") == "sending" and
             sent(stand, j["id"]) > 2, "some")
    (shown,) = ctl.json("bulk", "show", j["id"])
    left = shown["messages_queued"]
    assert shown["rate"] > 0 and (left == 0 or shown["eta_seconds"] >= 1)
    wait_bulk(stand, j["id"])
    (shown,) = ctl.json("bulk", "show", j["id"])
    assert (shown["errors:provider_error"], shown["errors:recipient_not_found"]) == ("1", "1")
    assert (shown["success_rate"], shown["eta_seconds"]) == (81.82, 0)
    assert shown["response"] == {"total_leads": 11, "messages_sent": 9, "messages_failed": 2,
                                 "success_rate": 81.82}
