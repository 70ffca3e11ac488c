"""Whom bulks mean: the document's examples and random filters, beside a second implementation of
the filter language."""
import json
import os
import pathlib
import random

import filter_reference as reference
from ctl_client import Ctl
from support import new_id, wait_for
from test_bulk import bulk, check_over, job, ledger, people, put_leads, wait_bulk

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
DIRECTORY = int(os.environ.get("SENDQ_TEST_DIRECTORY", 100000))
FILTERS = int(os.environ.get("SENDQ_TEST_FILTERS", 500))
EXAMPLES = ("ids", "keyword", "filters", "assignees")


def big_directory(count):
    """Few of many are what the examples ask for, so that reading is the work, not sending."""
    rng = random.Random(20)
    leads = {f"f{n}": {"email": f"f{n}@example.com", "first_name": "Bo", "company": "Acme"}
             for n in range(count)}
    for n in range(1500):
        leads[f"lead-{n}"] = reference.make_lead(rng, n) | {"phone": f"+1 415 {n:07}"}
        if n % 10 == 0:
            leads[f"lead-{n}"]["company"] = "Enterprise Customers Ltd"
        else:
            leads[f"lead-{n}"].pop("company", None)
    for n in range(1, 4):
        leads[f"550e8400-e29b-41d4-a716-44665544000{n}"] = {"email": f"three{n}@example.com"}
    return leads


def start(stand, **settings):
    return stand.start([stand.sender(), stand.sender("texts", ["sms"])], log={"level": "warn"},
                       **settings)


def test_examples_against_a_large_directory(stand):
    leads = big_directory(DIRECTORY)
    put_leads(stand, leads)
    start(stand)
    bodies = {name: json.loads((DATA / f"messaging_bulk_{name}.json").read_text())
              for name in EXAMPLES}
    jobs = {name: {"id": new_id(), "body": body} for name, body in bodies.items()}
    stand.push(*jobs.values())
    for name in EXAMPLES:
        b = wait_bulk(stand, jobs[name]["id"], timeout=120)
        settings = bodies[name]["bulk_settings"]
        expected = {i for i, lead in leads.items() if reference.selects(settings, i, lead)}
        assert len(expected) >= 3, name
        lines = ledger(stand, jobs[name]["id"])
        assert set(lines) == expected, name
        assert int(b["messages_sent"]) == len(expected), name
        assert {line.split(" ")[0] for line in lines.values()} == {"sent"}
    check_over(stand, *(j["id"] for j in jobs.values()))


def random_settings(rng, leads):
    """A filter, mostly alone, else with what it is intersected with."""
    settings = {"filters": reference.make_filter(rng)}
    if rng.random() < 0.1:
        settings["lead_ids"] = rng.sample(sorted(leads), 30)
    if rng.random() < 0.1:
        settings["search_keyword"] = rng.choice(["ACME", "st", "ö", "example"])
    if rng.random() < 0.1:
        settings["assignees"] = rng.sample([f"user-uuid-{n}" for n in range(1, 6)], 2)
    return settings


def test_random_filters(stand):
    seed = int(os.environ.get("SENDQ_TEST_SEED", random.randrange(1 << 32)))
    print(f"SENDQ_TEST_SEED={seed}")
    rng = random.Random(seed)
    leads = reference.make_leads(seed, 60)
    put_leads(stand, leads)
    start(stand)
    jobs = [{"id": new_id(), "body": {
        "bulk_settings": random_settings(rng, leads),
        "message_data": {"recipient": "p@example.com", "subject": "S", "content": "C"}}}
        for _ in range(FILTERS)]
    stand.push(*jobs)
    selected = 0
    for j in jobs:
        settings = j["body"]["bulk_settings"]
        wait_for(lambda i=j["id"]: bulk(stand, i).get("status") == "done",
                 lambda: f"{stand.rejected()[:1]}\n{stand.logs()}", timeout=120)
        found = set(ledger(stand, j["id"]))
        expected = {i for i, lead in leads.items() if reference.selects(settings, i, lead)}
        assert found == expected, (json.dumps(settings, ensure_ascii=False), {
            i: leads[i] for i in found ^ expected})
        selected += len(found)
    assert FILTERS * 5 < selected < FILTERS * 55


def test_count_says_how_many_a_filter_means(stand):
    leads = reference.make_leads(4, 700)
    put_leads(stand, leads)
    ctl, rng = Ctl(stand), random.Random(4)
    for _ in range(5):
        filters = reference.make_filter(rng)
        expected = sum(reference.matches(filters, lead) for lead in leads.values())
        (found,) = ctl.json("leads", "count", "--filter", json.dumps(filters))
        assert found == {"count": expected}
    path = stand.directory / "filter.json"
    path.write_text(json.dumps(filters))
    assert ctl.text("leads", "count", "--filter", f"@{path}") == f"{expected}\n"
    mine = sum(reference.matches(filters, lead) for lead in leads.values()
               if lead.get("assigned_to") == "user-uuid-1")
    assert ctl.text("leads", "count", "--filter", f"@{path}", "--assignee",
                    "user-uuid-1") == f"{mine}\n"
    for bad in ("{", "{}", '{"conditions":[{"field":"a","operator":"near","value":1}]}', "@/nope"):
        ctl.text("leads", "count", "--filter", bad, code=2)


def test_groups_nest_sixteen_deep(stand):
    ctl = Ctl(stand)
    put_leads(stand, people(3))
    nested = {"id": "c", "field": "email", "operator": "is_not_empty"}
    for _ in range(16):
        nested = {"id": "g", "conditions": [nested]}
    deeper = {"id": "g", "conditions": [nested]}
    stand.start()
    good, bad = job({"filters": nested}), job({"filters": deeper})
    stand.push(good, bad)
    assert wait_bulk(stand, good["id"])["messages_sent"] == "3"
    (entry,) = stand.wait_rejected(1)
    assert "groups nest at most 16 deep" in entry["error_message"]
    assert ctl.json("leads", "count", "--filter", json.dumps(nested)) == [{"count": 3}]
    ctl.run("leads", "count", "--filter", "{", code=2)
    assert "unexpected end at byte 1\n" in ctl.stderr
