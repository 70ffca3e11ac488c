"""Bulks under way: paused, resumed, cancelled, retried, and bereft of their workers."""
import os
import pathlib
import random
import time

import pytest
from ctl_client import Ctl
from support import cpu_wait, wait_for
from test_bulk import bulk, check_over, counts, job, ledger, people, put_leads, wait_bulk
from test_limits import WAY, arrival_times, check_strict

LEADS = int(os.environ.get("SENDQ_TEST_LEADS", 100000))
KILLS = int(os.environ.get("SENDQ_TEST_KILLS", 40))
SMALL = {"ready": 500, "page": 100}


@pytest.fixture
def ctl(stand):
    return Ctl(stand)


def sent(stand, bulk_id):
    return int(counts(stand, bulk_id).get("messages_sent", 0))


def start_bulk(stand, count, **members):
    put_leads(stand, people(count))
    j = job({"search_keyword": "example"}, **members)
    stand.push(j)
    return j["id"]


def quiet(stand, bulk_id):
    """Waits until nothing of it is in flight; how many were sent by then."""
    wait_for(lambda: counts(stand, bulk_id)["messages_sending"] == "0",
             lambda: f"quiet: {bulk(stand, bulk_id)}\n{stand.logs()}")
    return sent(stand, bulk_id)


def test_pause_and_resume(stand, ctl):
    stand.sandbox.faults([{"action": {"delay_ms": 20}}])
    stand.start(bulk=SMALL)
    bulk_id = start_bulk(stand, 3000)
    wait_for(lambda: sent(stand, bulk_id) > 300, "a start")
    assert ctl.text("bulk", "pause", bulk_id) == f"{bulk_id}: pause\n"
    stopped = quiet(stand, bulk_id)
    assert stopped < 3000
    # Singles of the same sender are not held up.
    (single,) = stand.push({"id": "single", "body": {"message_data": {
        "recipient": "s@example.com", "subject": "S", "content": "C"}}})
    stand.wait_status(single, "sent")
    assert sent(stand, bulk_id) == stopped
    assert ctl.json("bulk", "pause", bulk_id, code=1) == [{"id": bulk_id, "result": "paused"}]
    assert ctl.json("bulk", "show", bulk_id)[0]["status"] == "paused"
    ctl.text("bulk", "resume", bulk_id)
    b = wait_bulk(stand, bulk_id)
    assert b["messages_sent"] == "3000"
    assert max(stand.sandbox.ids("sandbox").values()) == 1
    check_over(stand, bulk_id)


def test_cancel_takes_effect_within_a_second(stand, ctl):
    stand.sandbox.faults([{"action": {"delay_ms": 300}}])
    stand.start(bulk=SMALL, worker={"in_flight": 20})
    bulk_id = start_bulk(stand, 3000, reply_to="me")
    wait_for(lambda: sent(stand, bulk_id) > 40, "a start")
    ctl.text("bulk", "cancel", bulk_id)
    at_cancel = stand.sandbox.stats("sandbox")["requests"]
    b = counts(stand, bulk_id)
    assert b["status"] == "cancelled"
    assert int(b["messages_queued"]) == int(b["messages_sending"])
    quiet(stand, bulk_id)
    b = wait_bulk(stand, bulk_id, "cancelled")
    assert b["messages_queued"] == "0" and b["finished_at"]
    assert stand.sandbox.stats("sandbox")["requests"] - at_cancel <= 20
    answer = stand.reply("me")
    assert answer["messages_cancelled"] == int(b["messages_cancelled"])
    assert ctl.json("bulk", "resume", bulk_id, code=1) == [{"id": bulk_id, "result": "cancelled"}]
    # What is dropped from the queues leaves nothing behind.
    wait_for(lambda: not list(stand.redis.scan_iter(stand.key("ready:*"))), "dropped")
    check_over(stand, bulk_id)


def test_retry_of_those_that_failed(stand, ctl):
    stand.sandbox.faults([{"match": {"recipient": "a1*"}, "action": {"status": 400}}])
    stand.start(bulk=SMALL)
    bulk_id = start_bulk(stand, 2000, reply_to="me")
    b = wait_bulk(stand, bulk_id)
    failed = sum(str(n).startswith("1") for n in range(2000))
    assert int(b["messages_failed"]) == failed == int(b["errors:provider_error"])
    assert stand.reply("me")["messages_failed"] == failed
    shown = ctl.json("bulk", "show", bulk_id, "--failed")
    assert len(shown) == failed
    assert {s["error_code"] for s in shown} == {"provider_error"}
    (one,) = ctl.json("bulk", "show", bulk_id, "--lead", "lead-1")
    assert (one["status"], one["attempts"]) == ("failed", 1)
    check_over(stand, bulk_id)
    stand.sandbox.faults([])
    ctl.text("bulk", "retry", "--failed", bulk_id)
    b = wait_bulk(stand, bulk_id)
    assert (b["messages_sent"], b["messages_failed"], b["success_rate"]) == ("2000", "0", "100.00")
    assert ctl.json("bulk", "retry", "--failed", bulk_id, code=1)[0]["result"] == "nothing"
    (row,) = ctl.json("bulk", "ls")
    assert (row["id"], row["messages_sent"], row["success_rate"]) == (bulk_id, 2000, 100.0)
    assert stand.redis.llen(stand.key("reply", "me")) == 0
    check_over(stand, bulk_id)


def test_retries_of_single_recipients(stand):
    stand.sandbox.faults([{"probability": 0.2, "seed": 3, "action": {"status": 503}}])
    stand.start([stand.sender(retry={"base": "5ms", "max": "50ms", "attempts": 50})], bulk=SMALL)
    bulk_id = start_bulk(stand, 1000)
    b = wait_bulk(stand, bulk_id)
    assert b["messages_sent"] == "1000"
    attempts = [int(line.split(" ")[2]) for line in ledger(stand, bulk_id).values()]
    assert max(attempts) > 1
    assert sum(attempts) == stand.sandbox.stats("sandbox")["requests"]
    check_over(stand, bulk_id)


def test_urgent_singles_pass(stand):
    """A HIGH message overtakes what waits of a bulk, however much that is."""
    stand.sandbox.faults([{"action": {"delay_ms": 10}}])
    stand.start([stand.sender(limits={"rate": "100/s"})], bulk=SMALL)
    bulk_id = start_bulk(stand, 2000)
    wait_for(lambda: sent(stand, bulk_id) > 20, "a start")
    before = sent(stand, bulk_id)
    stand.push({"id": "urgent", "priority": "HIGH", "body": {"message_data": {
        "recipient": "s@example.com", "subject": "S", "content": "C"}}}, to="jobs:high")
    stand.wait_status("urgent", "sent")
    # No more went before it than had their slots by then, and a share of one in five.
    assert sent(stand, bulk_id) - before < 60


def test_strict_rate_holds_for_a_bulk(stand):
    daemon = stand.start([stand.sender(limits={"rate": "200/s"})], bulk=SMALL)
    pids = [daemon.pid, stand.sandbox.process.pid]
    before = [cpu_wait(pid) for pid in pids]
    bulk_id = start_bulk(stand, 500)
    wait_bulk(stand, bulk_id)
    # What the machine keeps from running arrives in a heap, however exactly it began.
    held_up = max(cpu_wait(pid) - b for pid, b in zip(pids, before))
    check_strict(arrival_times(stand), 200, way=WAY + held_up)
    check_over(stand, bulk_id)


def test_concurrency_holds_for_a_bulk_longer_than_a_lease(stand):
    """Places in use are counted anew once per lease: those of a bulk are among them."""
    stand.sandbox.faults([{"times": 2, "action": {"kind": "hang"}}])
    stand.start([stand.sender(limits={"concurrency": 2}, timeout="60s")], worker={"lease": "1s"})
    put_leads(stand, people(20))
    stand.push(job({"lead_ids": [f"lead-{n}" for n in range(20)]}, "TRANSACTIONAL"))
    stand.sandbox.wait_requests(2, "sandbox")
    for _ in range(3):  # each time it was counted anew
        stand.redis.delete(stand.key("healed"))
        wait_for(lambda: stand.redis.exists(stand.key("healed")), lambda: stand.logs())
    assert stand.redis.hget(stand.key("bucket", "sender:mail"), "busy") == "2"
    assert stand.sandbox.stats("sandbox")["requests"] == 2


def test_a_cancelled_bulk_ends_although_its_worker_died(stand, ctl):
    """The last of its recipients come back from a dead worker, and nobody records an outcome."""
    stand.sandbox.faults([{"action": {"kind": "hang"}}])
    doomed = stand.start(worker={"lease": "1s", "in_flight": 4})
    put_leads(stand, people(20))
    j = job({"lead_ids": [f"lead-{n}" for n in range(20)]}, "TRANSACTIONAL", reply_to="over")
    stand.push(j)
    stand.sandbox.wait_requests(4, "sandbox")
    ctl.json("bulk", "cancel", j["id"])
    doomed.kill()
    stand.start(worker={"lease": "1s"})
    assert stand.reply("over")["messages_cancelled"] == 20
    check_over(stand, j["id"])


def test_uncertain_fail_is_not_sent_twice(stand):
    stand.sandbox.faults([{"action": {"delay_ms": 100}}])
    config = stand.config(worker={"lease": "1s", "in_flight": 30}, redis={"timeout": "900ms"},
                          bulk=SMALL)
    daemon = stand.daemon(config).start()
    bulk_id = start_bulk(stand, 400, uncertain="fail")
    wait_for(lambda: sent(stand, bulk_id) > 50, "a start")
    daemon.kill()
    stand.daemon(config).start()
    b = wait_bulk(stand, bulk_id)
    accepted = stand.sandbox.ids("sandbox")
    assert max(accepted.values()) == 1
    assert 0 < int(b["errors:outcome_unknown"]) <= 30
    assert int(b["messages_sent"]) + int(b["errors:outcome_unknown"]) == 400
    check_over(stand, bulk_id)


def kill_config(stand, **settings):
    retry = {"base": "5ms", "max": "100ms", "attempts": 50}
    return stand.config([stand.sender(retry=retry)], worker={"lease": "1s", "in_flight": 64},
                        redis={"timeout": "900ms"}, log={"level": "warn"}, **settings)


def resident_kib(daemon):
    """The most memory the process had so far; of a build without sanitizers it says something."""
    status = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def held(stand):
    """Recipients leased by any worker."""
    return sum(places.count("1") for worker in stand.redis.zrange(stand.key("workers"), 0, -1)
               for name, places in stand.redis.hgetall(stand.key("refs", worker)).items()
               if name.endswith("."))


def test_kill_loop(stand, record_property):
    """Workers killed while a bulk is expanded and sent: no lead skipped, none counted twice, none
    sent twice but those that were in flight at a kill."""
    seed = int(os.environ.get("SENDQ_TEST_SEED", random.randrange(1 << 32)))
    print(f"SENDQ_TEST_SEED={seed}")
    rng = random.Random(seed)
    stand.sandbox.faults([{"match": {"recipient": "a77*"}, "action": {"status": 400}},
                          {"probability": 0.02, "seed": seed % 1000, "action": {"status": 503}}])
    config = kill_config(stand, bulk={"ready": 2000})
    daemons = [stand.daemon(config).start() for _ in range(2)]
    bulk_id = start_bulk(stand, LEADS)
    in_flight = kills = rss = 0
    memory = stand.redis.info("memory")["used_memory"]
    wait_for(lambda: sent(stand, bulk_id) > 0, "a start")
    while kills < KILLS and counts(stand, bulk_id)["status"] != "done":
        due = time.monotonic() + rng.uniform(0.1, 0.9)
        wait_for(lambda: counts(stand, bulk_id) and time.monotonic() >= due, "the moment to kill")
        victim = rng.choice(daemons)
        rss = max(rss, resident_kib(victim))
        victim.kill()
        kills += 1
        in_flight += held(stand)
        victim.start(ready=False)
    b = wait_bulk(stand, bulk_id, timeout=180 + LEADS // 100)
    wait_for(lambda: not stand.redis.exists(stand.key("expand")), "swept", 60 + LEADS // 5000)
    for daemon in daemons:
        daemon.wait_ready()
        rss = max(rss, resident_kib(daemon))
        assert daemon.stop() == 0
    accepted = stand.sandbox.ids("sandbox")
    failed = sum(f"{n}".startswith("77") for n in range(LEADS))
    duplicates = sum(n - 1 for n in accepted.values())
    figures = {"leads": LEADS, "kills": kills, "leased at kills": in_flight,
               "duplicates": duplicates, "rss_kib": rss, "redis_bytes_finished": round(
                   (stand.redis.info("memory")["used_memory"] - memory) / LEADS, 1)}
    print(figures)
    record_property("figures", figures)
    assert int(b["total_leads"]) == LEADS
    assert int(b["messages_failed"]) == failed
    assert int(b["messages_sent"]) == LEADS - failed == len(accepted)
    assert duplicates <= in_flight
    check_over(stand, bulk_id)


def test_control_under_load_with_crashes(stand, ctl):
    """Paused, resumed, cancelled and retried while workers die: the equation at each look."""
    rng = random.Random(int(os.environ.get("SENDQ_TEST_SEED", 11)))
    stand.sandbox.faults([{"probability": 0.1, "seed": 1, "action": {"status": 400}},
                          {"action": {"delay_ms": 5}}])
    config = kill_config(stand, bulk=SMALL)
    daemons = [stand.daemon(config).start() for _ in range(2)]
    put_leads(stand, people(4000))
    jobs = [job({"search_keyword": "example"}) for _ in range(3)]
    stand.push(*jobs)
    ids = [j["id"] for j in jobs]
    wait_for(lambda: all(sent(stand, i) for i in ids), "a start")
    for round_number in range(8):
        verb = rng.choice(["pause", "resume", "resume", "retry"])
        words = [verb, *(["--failed"] if verb == "retry" else [])]
        ctl.run_any("bulk", *words, rng.choice(ids[:2]))
        if round_number % 2:
            victim = rng.choice(daemons)
            victim.kill()
            victim.start(ready=False)
        due = time.monotonic() + 0.3
        wait_for(lambda: [counts(stand, i) for i in ids] and time.monotonic() > due, "time")
    ctl.run_any("bulk", "cancel", ids[2])
    for i in ids[:2]:
        ctl.run_any("bulk", "resume", i)
    stand.sandbox.faults([])
    for i in ids[:2]:
        wait_bulk(stand, i, timeout=120)
        if bulk(stand, i)["messages_failed"] != "0":
            ctl.text("bulk", "retry", "--failed", i)
        b = wait_bulk(stand, i, timeout=120)
        assert (b["total_leads"], b["messages_sent"]) == ("4000", "4000")
    b = bulk(stand, ids[2])
    assert b["status"] in ("cancelled", "done")
    wait_for(lambda: counts(stand, ids[2])["messages_queued"] == "0", "the cancelled one")
    wait_for(lambda: not list(stand.redis.scan_iter(stand.key("ready:*"))), "dropped")
    for daemon in daemons:
        daemon.wait_ready()
        assert daemon.stop() == 0
