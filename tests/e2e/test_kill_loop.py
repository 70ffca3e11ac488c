"""Daemons killed and paused at random moments under load: nothing lost, stuck or counted twice."""
import os
import random
import signal

import pytest
from invariants import check_all
from scale import times
from support import body, envelope, wait_for

KILLS = times(60, 300)
JOBS_PER_ROUND = 120
DAEMONS = 3
IN_FLIGHT = 32


def config_of(stand):
    retry = {"base": "5ms", "max": "100ms", "attempts": 50}
    senders = [stand.sender(retry=retry), stand.sender("texts", ["sms"], retry=retry)]
    return stand.config(senders, worker={"lease": "1s", "in_flight": IN_FLIGHT},
                        redis={"timeout": "900ms"}, log={"level": "warn"})


def mixed_job(rng, n):
    recipient = f"a{n}@example.com" if rng.random() < 0.7 else f"+1555{n:07}"
    if rng.random() < 0.01:
        recipient = f"bad{n}@example.com"
    job = envelope(body(recipient))
    if rng.random() < 0.1:
        job["uncertain"] = "fail"
    if rng.random() < 0.2:
        job["idempotency_key"] = f"key{n}"
    if rng.random() < 0.2:
        job["priority"] = rng.choice(["HIGH", "LOW"])
    return job


def leases_of(stand, daemon):
    return sum(stand.redis.scard(stand.key("lease", w)) for w in daemon.worker_ids()[-1:])


def test_kill_loop(stand, record_property):
    seed = int(os.environ.get("SENDQ_TEST_SEED", random.randrange(1 << 32)))
    print(f"SENDQ_TEST_SEED={seed}")
    rng = random.Random(seed)
    stand.sandbox.faults([
        {"match": {"recipient": "bad*"}, "action": {"status": 400}},
        {"probability": 0.08, "seed": seed % 1000, "action": {"status": 503}},
        {"probability": 0.03, "seed": seed % 999, "action": {"kind": "reset"}},
        {"action": {"delay_ms": 40}}])
    config = config_of(stand)
    config["log"] = {"level": "info"}
    daemons = [stand.daemon(config).start() for _ in range(DAEMONS)]
    ids, careful, repeated, in_flight, rejected = [], set(), 0, 0, 0
    for _ in range(KILLS):
        jobs = [mixed_job(rng, len(ids) + n) for n in range(JOBS_PER_ROUND)]
        careful.update(j["id"] for j in jobs if "uncertain" in j)
        ids += stand.push(*jobs)
        # Some are pushed again, by a producer that heard no answer; some are no jobs.
        again = rng.sample(jobs, 5)
        stand.push(*again, "{")
        repeated += len(again)
        rejected += 1
        victim = rng.choice(daemons)
        due = rng.uniform(0, 0.35) * 1e6
        first = stand.redis.time()
        wait_for(lambda: elapsed(first, stand.redis.time()) >= due, "the moment to kill",
                 pause=0.002)
        victim.kill()
        in_flight += leases_of(stand, victim)
        victim.start(ready=False)
    stand.wait_final(ids, timeout=60)
    stand.wait_rejected(rejected)
    wait_for(lambda: not any(stand.redis.exists(stand.key(n)) for n in ("jobs", "turn")), "idle")
    for daemon in daemons:
        assert daemon.stop() == 0
    accepted = stand.sandbox.ids("sandbox")
    messages = check_all(stand, ids, rejected=rejected, accepted_by=accepted)
    duplicates = sum(n - 1 for n in accepted.values())
    failed = [m for m in messages.values() if m["status"] == "failed"]
    figures = {"kills": KILLS, "jobs": len(ids), "sent": len(ids) - len(failed),
               "failed": len(failed), "requests": stand.sandbox.stats("sandbox")["requests"],
               "leased at kills": in_flight, "duplicates": duplicates}
    print(figures)
    record_property("figures", figures)
    assert len(ids) >= 5000
    assert duplicates <= in_flight
    twice = [i for i in careful if accepted.get(i, 0) > 1]
    assert not twice, f"{len(twice)} sent twice although that was forbidden"
    for m in failed:
        assert m["recipient"].startswith("bad") or (
            m["id"] in careful and m["error_code"] == "outcome_unknown"), m


def elapsed(first, now):
    return (now[0] - first[0]) * 1e6 + now[1] - first[1]


def test_paused_daemon_finds_itself_replaced(stand):
    """SIGSTOP past its lease: another one takes over; awake again, it harms nothing and works."""
    stand.sandbox.faults([{"action": {"delay_ms": 250}}])
    config = stand.config(worker={"lease": "1s", "in_flight": 16}, redis={"timeout": "900ms"})
    paused = stand.daemon(config).start()
    ids = stand.push(*[envelope() for _ in range(100)])
    stand.sandbox.wait_accepted(20, "sandbox")
    paused.signal(signal.SIGSTOP)
    leased = leases_of(stand, paused)
    other = stand.daemon(config).start()
    stand.wait_final(ids)
    old = paused.worker_ids()[-1]
    assert not stand.redis.exists(stand.key("lease", old))
    paused.signal(signal.SIGCONT)
    wait_for(lambda: paused.worker_ids()[-1] != old, lambda: f"a new identity\n{paused.log()}")
    assert other.stop() == 0
    more = stand.push(*[envelope() for _ in range(20)])
    stand.wait_final(more)
    assert paused.stop() == 0
    accepted = stand.sandbox.ids("sandbox")
    check_all(stand, ids + more, accepted_by=accepted)
    assert sum(n - 1 for n in accepted.values()) <= leased


@pytest.mark.parametrize("late", [400, 429])
def test_late_failure_of_a_paused_daemon_does_not_count(stand, late):
    """While it slept another one has taken the message and is sending it: what the first one then
    hears about its own request is of no interest any more."""
    stand.sandbox.faults([{"times": 1, "action": {"status": late, "delay_ms": 200}},
                          {"action": {"delay_ms": 2000}}])
    config = stand.config(worker={"lease": "1s"}, redis={"timeout": "900ms"}, events="all")
    paused = stand.daemon(config).start()
    ids = stand.push(envelope())
    stand.sandbox.wait_requests(1, "sandbox")
    paused.signal(signal.SIGSTOP)
    stand.daemon(config).start()
    stand.sandbox.wait_requests(2, "sandbox")
    paused.signal(signal.SIGCONT)
    wait_for(lambda: paused.log_lines("event=attempt"), lambda: paused.log())
    assert stand.status(ids[0]) == "sending"
    m = stand.wait_final(ids)[ids[0]]
    assert (m["status"], m["attempts"]) == ("sent", "2")
    assert [e["type"] for e in stand.events()] == [
        "message.queued", "message.sending", "message.sending", "message.sent"]
    assert stand.redis.hget(stand.key("sender", "mail"), "state") == "ok"
    check_all(stand, ids, accepted_by=stand.sandbox.ids("sandbox"))


def test_daemons_paused_again_and_again(stand):
    rng = random.Random(5)
    stand.sandbox.faults([{"action": {"delay_ms": 30}}])
    config = config_of(stand)
    config["log"] = {"level": "info"}
    daemons = [stand.daemon(config).start() for _ in range(2)]
    ids, leased = [], 0
    for _ in range(4):
        ids += stand.push(*[envelope() for _ in range(300)])
        victim = rng.choice(daemons)
        stand.sandbox.wait_accepted(len(ids) - 250, "sandbox")
        victim.signal(signal.SIGSTOP)
        leased += leases_of(stand, victim)
        stand.wait_final(ids)
        victim.signal(signal.SIGCONT)
    more = stand.push(*[envelope() for _ in range(50)])
    stand.wait_final(more)
    for daemon in daemons:
        assert daemon.stop() == 0
    accepted = stand.sandbox.ids("sandbox")
    check_all(stand, ids + more, accepted_by=accepted)
    assert sum(n - 1 for n in accepted.values()) <= leased
