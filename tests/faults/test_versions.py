"""Two versions of the daemon at once: one built from an earlier revision beside today's."""
import os
import pathlib

import pytest
from fsck import check_clean
from scale import times
from support import ROOT, body, envelope, wait_for
from test_bulk import job, people, put_leads, wait_bulk

EARLIER = os.environ.get("SENDQ_TEST_EARLIER")  # where tools/earlier.sh has built it
RETRY = {"base": "5ms", "max": "100ms", "attempts": 50}


def leads_held(stand, daemon):
    slices = stand.redis.hgetall(stand.key("refs", daemon.worker_ids()[-1]))
    return sum(places.count("1") + places.count("2") for name, places in slices.items()
               if name.endswith("."))


@pytest.mark.skipif(not EARLIER, reason="./run faults builds an earlier version, from a clone")
def test_an_earlier_version_beside_this_one(stand, figure):
    """As in an upgrade that stops halfway, and goes back: both take, send and record; each finds
    what the other died with."""
    stand.sandbox.faults([{"match": {"recipient": "bad*"}, "action": {"status": 400}},
                          {"probability": 0.05, "seed": 3, "action": {"status": 503}},
                          {"action": {"delay_ms": 5}}])
    put_leads(stand, people(200))
    config = stand.config([stand.sender(retry=RETRY, limits={"concurrency": 20}),
                           stand.sender("texts", ["sms"], retry=RETRY)],
                          worker={"lease": "1s", "in_flight": 8}, redis={"timeout": "900ms"})
    daemons = [stand.daemon(config) for _ in range(4)]
    for daemon in daemons[:2]:
        daemon.command = [str(ROOT / EARLIER / "bin/sendqd")]
    for daemon in daemons:
        daemon.start()
    ids, bulks, rounds, held = [], [], times(4, 40), 0
    for n in range(rounds):
        jobs = [envelope(body(("a@example.com", "+15550001", "bad@example.com")[k % 3]),
                         uncertain="fail" if k % 7 == 0 else "retry",
                         priority=("HIGH", "NORMAL", "LOW")[k % 3]) for k in range(60)]
        ids += stand.push(*jobs)
        if n % 4 == 0:
            bulk = job({"lead_ids": [f"lead-{k}" for k in range(200)]}, "TRANSACTIONAL")
            bulks += stand.push(bulk)
        stand.sandbox.wait_requests(len(ids) - 40, "sandbox")
        victim = daemons[n % 4]
        victim.kill()
        held += stand.redis.scard(stand.key("lease", victim.worker_ids()[-1]))
        held += leads_held(stand, victim)
        victim.start()
    stand.wait_final(ids, timeout=60)
    for bulk in bulks:
        wait_bulk(stand, bulk, timeout=60)
    wait_for(lambda: not stand.redis.exists(stand.key("turn")), "idle")
    for daemon in daemons:
        assert daemon.stop() == 0, daemon.log()
    messages = stand.messages()
    lost = set(ids) - set(messages)
    assert not lost
    check_clean(stand)
    accepted = stand.sandbox.ids("sandbox")
    extra = sum(n - 1 for n in accepted.values())
    careful = [m for m in messages.values() if m.get("_uncertain") == "fail"]
    assert not [m["id"] for m in careful if accepted.get(m["id"], 0) > 1]
    figure(lost=len(lost), earlier=pathlib.Path(EARLIER).parts[-3], kills=rounds,
           bulks=len(bulks), extra_sends=extra, bound=held)
    assert extra <= held
