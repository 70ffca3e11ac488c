"""`sendqctl fsck`: finds each kind of damage, done here by hand, mends what is safe to mend, and
says nothing about a healthy system, however much moves while it looks."""
import time

import pytest
from fsck import check_clean, run_fsck
from support import body, envelope, new_id, wait_for
from test_bulk import job, people, put_leads


def put_message(stand, status, place=None, sender="mail", **fields):
    """A message as accept would write it, and its place."""
    message_id = new_id()
    stand.redis.hset(stand.key("message", message_id), mapping={
        "id": message_id, "status": status, "sender": sender, "provider": "sandbox",
        "channel": "email", "attempts": "0", "queued_at": "2026-01-01T00:00:00.000Z"} | fields)
    stand.redis.set(stand.key("content", message_id), "x")
    if place == "ready":
        stand.redis.rpush(stand.key("ready", sender, "2"), message_id)
        stand.redis.zadd(stand.key("turn"), {sender: 1e15})
    elif place and place[0] == "2":
        stand.redis.rpush(stand.key("ready", sender, place), message_id)
        stand.redis.zadd(stand.key("lanes", sender, "2"), {place[2:]: 1})
    elif place == "delayed":
        stand.redis.zadd(stand.key("delayed"), {message_id: 4e12})
    elif place:
        stand.redis.sadd(stand.key("lease", place), message_id)
        stand.redis.zadd(stand.key("workers"), {place: 4e12})
    return message_id


def healthy(stand):
    """One message of each kind, all where they belong."""
    ids = {"queued": put_message(stand, "queued", "ready"),
           "scheduled": put_message(stand, "scheduled", "delayed"),
           "sending": put_message(stand, "sending", "w1"),
           "in_lane": put_message(stand, "queued", "2/a:b", sender="lanes", _priority="2/a:b")}
    stand.redis.zadd(stand.key("delayed"), {"~lanes": 4e12})
    for name in ids:
        stand.redis.hset(stand.key("message", ids[name]), "_fence", "1")
    stand.redis.sadd(stand.key("senders"), "mail", "lanes")
    for sender, in_lanes in (("mail", 0), ("lanes", 1)):
        stand.redis.hset(stand.key("sender", sender), mapping={
            "state": "ok", "_buckets": "sender:mail", "_in_lanes": in_lanes})
    stand.redis.hset(stand.key("bucket", "sender:mail"), mapping={"busy": "1", "conc": "0"})
    return ids


def lose_from_queue(s, ids):
    s.redis.delete(s.key("ready", "mail", "2"))


def double_in_queue(s, ids):
    s.redis.rpush(s.key("ready", "mail", "2"), ids["queued"])


def wrong_queue(s, ids):
    s.redis.rename(s.key("ready", "mail", "2"), s.key("ready", "mail", "5"))


def nobody_in_queue(s, ids):
    s.redis.rpush(s.key("ready", "mail", "2"), "ghost")


def lose_from_delayed(s, ids):
    s.redis.zrem(s.key("delayed"), ids["scheduled"])


def stale_delayed(s, ids):
    s.redis.zadd(s.key("delayed"), {ids["queued"]: 4e12})


def lose_lease(s, ids):
    s.redis.delete(s.key("lease", "w1"))


def two_leases(s, ids):
    s.redis.zadd(s.key("workers"), {"w2": 4e12})
    s.redis.sadd(s.key("lease", "w2"), ids["sending"])
    s.redis.hset(s.key("bucket", "sender:mail"), "busy", "2")


def stale_lease(s, ids):
    s.redis.sadd(s.key("lease", "w1"), ids["queued"])
    s.redis.hset(s.key("bucket", "sender:mail"), "busy", "1")


def nobody_s_lease(s, ids):
    s.redis.zrem(s.key("workers"), "w1")


def lose_turn(s, ids):
    s.redis.zrem(s.key("turn"), "mail")


def expiring_message(s, ids):
    s.redis.expire(s.key("message", ids["queued"]), 1000)


def expiring_content(s, ids):
    s.redis.expire(s.key("content", ids["scheduled"]), 1000)


def lose_content(s, ids):
    s.redis.delete(s.key("content", ids["queued"]))


def eternal_final(s, ids):
    put_message(s, "cancelled")


def orphaned_content(s, ids):
    s.redis.set(s.key("content", "ghost"), "x")


def eternal_reply(s, ids):
    s.redis.rpush(s.key("reply", "x"), "{}")


def strange_key(s, ids):
    s.redis.set(s.key("leak"), "x")


def strange_status(s, ids):
    s.redis.hset(s.key("message", ids["queued"]), "status", "sleeping")


def busy_for_ever(s, ids):
    s.redis.hset(s.key("bucket", "sender:mail"), "busy", "7")
    s.redis.zadd(s.key("workers"), {"w1": 1})  # a living one would count them anew


def bad_batch(s, ids):
    s.redis.rpush(s.key("claimed", "w1"), "t:1:0:0", "job", "another")


def dead_but_queued(s, ids):
    s.redis.zadd(s.key("dead"), {ids["queued"]: 1})


def forgotten_lane(s, ids):
    s.redis.zrem(s.key("lanes", "lanes", "2"), "a:b")


def uncounted_lane(s, ids):
    s.redis.hset(s.key("sender", "lanes"), "_in_lanes", "0")


def forgotten_lanes(s, ids):
    s.redis.zrem(s.key("delayed"), "~lanes")


def double_in_lane(s, ids):
    s.redis.rpush(s.key("ready", "lanes", "2/a:b"), ids["in_lane"])
    s.redis.hset(s.key("sender", "lanes"), "_in_lanes", "2")


def wrong_lane(s, ids):
    s.redis.rename(s.key("ready", "lanes", "2/a:b"), s.key("ready", "lanes", "2/c"))
    s.redis.zadd(s.key("lanes", "lanes", "2"), {"c": 1})


def uncounted_sent(s, ids):
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(s.redis.time()[0]))
    message_id = put_message(s, "sent", sent_at=stamp)
    for kind in ("message", "content"):
        s.redis.expire(s.key(kind, message_id), 3600)


def overcounted_sent(s, ids):
    day = time.strftime("%Y-%m-%d", time.gmtime(s.redis.time()[0]))
    s.redis.hset(s.key("stats", day), "provider:sandbox:sent", "3")
    s.redis.expire(s.key("stats", day), 3600)


DAMAGE = [  # what is done, the kind of finding, whether --repair mends it
    (lose_from_queue, "no_place", True), (double_in_queue, "twice", True),
    (wrong_queue, "wrong_queue", True), (nobody_in_queue, "no_message", True),
    (lose_from_delayed, "no_place", True), (stale_delayed, "stale", True),
    (lose_lease, "no_place", True), (two_leases, "twice", False), (stale_lease, "stale", True),
    (nobody_s_lease, "no_owner", True), (lose_turn, "no_turn", True),
    (expiring_message, "expires", True), (expiring_content, "expires", True),
    (lose_content, "no_content", False), (eternal_final, "no_ttl", True),
    (orphaned_content, "no_ttl", True), (eternal_reply, "no_ttl", True),
    (strange_key, "unknown_key", False), (strange_status, "bad_status", False),
    (busy_for_ever, "bad_count", True), (bad_batch, "bad_batch", False),
    (dead_but_queued, "stale", True),
    (forgotten_lane, "no_turn", True), (uncounted_lane, "bad_count", True),
    (forgotten_lanes, "no_turn", True), (double_in_lane, "twice", True),
    (wrong_lane, "wrong_queue", True),
    (uncounted_sent, "bad_count", False), (overcounted_sent, "bad_count", False)]


@pytest.mark.parametrize("damage, kind, mends", DAMAGE, ids=[d[0].__name__ for d in DAMAGE])
def test_damage_is_found_and_repaired(stand, damage, kind, mends):
    ids = healthy(stand)
    check_clean(stand)
    damage(stand, ids)
    before = stand.everything()
    code, findings, _ = run_fsck(stand)
    assert code == 1 and kind in {f["kind"] for f in findings}, findings
    assert not any(f["repaired"] for f in findings)
    assert stand.everything() == before, "it only reads"
    code, findings, summary = run_fsck(stand, "--repair")
    assert {f["repaired"] for f in findings if f["kind"] == kind} == {mends}, findings
    if mends:
        assert (code, summary["findings"]) == (0, summary["repaired"])
        check_clean(stand)
    else:
        assert code == 1


# A key of each shape, by its type; "-" stands for a colon within a name.
TYPED = {
    "string": ["content x", "text x", "reading x", "idem x", "pair mail x", "healed"],
    "list": ["ready mail 3", "claimed w1", "reply x", "jobs", "jobs high", "jobs low", "bulk x ids",
             "bulk x held"],
    "hash": ["message x", "refs w1", "bulk x", "bulk x content", "bulk x ledger 7", "stats 2026-01-01",
             "minutes 7", "worker x", "bucket x", "sender mail", "lead x", "template x", "suspects"],
    "set": ["lease w1", "leads", "leads assignee x", "suppressed email", "senders",
            "shared_buckets", "bulk x seen 3"],
    "zset": ["lanes mail 2", "waiters x", "parked x", "dead", "workers", "worker_names", "delayed",
             "turn", "expand", "bulks"],
    "stream": ["timeline contact x", "events", "rejected"]}


def test_keys_of_another_type(stand):
    """Each is told, with both types; none keeps the rest from being looked at, or is touched."""
    ids = healthy(stand)
    stand.redis.rpush(stand.key("ready", "other", "2"), "ghost")
    wrong = {stand.key(*name.split()): kind for kind, names in TYPED.items() for name in names}
    for key, kind in wrong.items():
        stand.redis.delete(key)
        stand.redis.set(key, "x") if kind != "string" else stand.redis.rpush(key, "x")
    for options in ([], ["--repair"]):
        code, findings, summary = run_fsck(stand, *options)
        told = {f["key"]: f["what"] for f in findings if f["kind"] == "wrong_type"}
        assert told == {key: f"is a {'list' if kind == 'string' else 'string'}, must be a {kind}"
                        for key, kind in wrong.items()}
        assert ("no_message", stand.key("ready", "other", "2")) \
            in {(f["kind"], f["key"]) for f in findings}
        assert code == 1 and summary["messages"] == len(ids) + 1
    assert {key: stand.redis.type(key) for key in wrong} \
        == {key: "list" if kind == "string" else "string" for key, kind in wrong.items()}


def test_a_namespace_behind_another(stand):
    """The longer one's keys are none of the shorter one's business, once it has senders."""
    healthy(stand)
    other = f"{stand.ns}:eu"
    names = ["message:x:y", "ready:mail:2", "jobs:high", "bulk:x:ledger:7"]
    for name in names:
        stand.redis.set(f"{other}:{name}", "x")
    code, findings, _ = run_fsck(stand)
    assert code == 1 and {(f["kind"], f["key"]) for f in findings} \
        == {("unknown_key", f"{other}:{name}") for name in names}
    stand.redis.sadd(f"{other}:senders", "mail")
    check_clean(stand)
    stand.redis.set(f"{other}:leak", "x")
    assert [(f["kind"], f["key"]) for f in run_fsck(stand)[1]] == [("unknown_key", f"{other}:leak")]


def test_lanes_that_wait_are_no_finding(stand):
    """Messages and a bulk of tenants whose turn has not come, one tenant parked over its limit."""
    put_leads(stand, people(50))
    stand.start([stand.sender(limits={"rate": "5/s burst 1"})],
                limits={"tenants": ["acme 1/min burst 1"]})
    stand.push(job({"search_keyword": "example"}, "TRANSACTIONAL", tenant="acme"))
    wait_for(lambda: stand.redis.zscore(stand.key("delayed"), "~mail"), stand.logs)
    check_clean(stand)
    stand.push(*[envelope(tenant=f"t{n % 7}") for n in range(50)])
    wait_for(lambda: stand.redis.hlen(stand.key("sender", "mail")) and
             int(stand.redis.hget(stand.key("sender", "mail"), "_in_lanes")) > 20, stand.logs)
    check_clean(stand)


@pytest.mark.parametrize("damage", [lose_from_queue, lose_from_delayed, lose_lease,
                                    nobody_s_lease, double_in_queue])
def test_what_was_lost_is_sent_once_after_the_repair(stand, damage):
    """The damage is done to messages of a real daemon, and a real one goes on after it."""
    held = stand.sender(limits={"concurrency": 1})
    stand.sandbox.faults([{"action": {"kind": "hang"}}])
    daemon = stand.start([held], worker={"lease": "1s"})
    (sending,) = stand.push(envelope(priority="HIGH"))
    stand.wait_status(sending, "sending")
    (queued,) = stand.push(envelope())
    (scheduled,) = stand.push(envelope(scheduled_at=stand.redis.time()[0] + 3600))
    stand.wait_status(queued, "queued")
    stand.wait_status(scheduled, "scheduled")
    worker = daemon.worker_ids()[-1]
    daemon.kill()
    stand.redis.rename(stand.key("lease", worker), stand.key("lease", "w1"))
    stand.redis.zadd(stand.key("workers"), {"w1": 0})
    stand.redis.zrem(stand.key("workers"), worker)
    damage(stand, {"queued": queued, "scheduled": scheduled, "sending": sending})
    stand.redis.delete(stand.key("healed"))
    assert run_fsck(stand, "--repair")[1]
    stand.redis.zadd(stand.key("delayed"), {scheduled: 1}, xx=True)
    stand.sandbox.faults([])
    stand.start([stand.sender()], worker={"lease": "1s"})
    messages = stand.wait_final([queued, scheduled, sending])
    assert {m["status"] for m in messages.values()} == {"sent"}
    assert {i: stand.sandbox.ids("sandbox")[i] for i in (queued, scheduled)} \
        == {queued: 1, scheduled: 1}
    wait_for(lambda: not stand.redis.exists(stand.key("turn")), "idle")
    check_clean(stand)


def push_bulk(stand, count):
    """A bulk to so many leads; its key."""
    put_leads(stand, people(count))
    bulk = job({"lead_ids": [f"lead-{n}" for n in range(count)]}, "TRANSACTIONAL")
    stand.push(bulk)
    return stand.key("bulk", bulk["id"])


@pytest.fixture
def bulk(stand):
    """A bulk of 300 of which some are sent, some in flight, and the rest waits."""
    key = push_bulk(stand, 300)
    stand.sandbox.faults([{"action": {"delay_ms": 20}}])
    daemon = stand.start(worker={"lease": "1s", "in_flight": 8})
    stand.sandbox.wait_accepted(50, "sandbox")
    daemon.kill()
    return key


@pytest.mark.parametrize("field, mends", [
    ("messages_queued", True), ("messages_sending", True), ("_ready", True),
    ("messages_sent", False), ("total_leads", False)])
def test_counts_of_a_bulk(stand, bulk, field, mends):
    check_clean(stand)
    stand.redis.hincrby(bulk, field, 5)
    code, findings, _ = run_fsck(stand)
    assert code == 1 and {f["key"] for f in findings} == {bulk}, findings
    code, findings, _ = run_fsck(stand, "--repair")
    assert any(f["repaired"] for f in findings) == mends, findings
    if not mends:
        stand.redis.hincrby(bulk, field, -5)
    check_clean(stand)


def test_places_of_a_bulk(stand, bulk):
    """An element of its queue is lost, and a line of its ledger."""
    queue = stand.key("ready", "mail", "2")
    element = stand.server.raw.rpop(queue)
    kinds = {(f["kind"], f["key"]) for f in run_fsck(stand)[1]}
    assert kinds == {("bad_count", bulk), ("bad_count", stand.key("sender", "mail"))}
    stand.server.raw.rpush(queue, element)
    check_clean(stand)
    ledger = next(stand.redis.scan_iter(f"{bulk}:ledger:*"))
    lead, line = next(iter(stand.redis.hgetall(ledger).items()))
    stand.redis.hdel(ledger, lead)
    assert "bad_ledger" in {f["kind"] for f in run_fsck(stand)[1]}
    stand.redis.hset(ledger, lead, line)
    stand.redis.rename(bulk, "elsewhere")
    assert {f["kind"] for f in run_fsck(stand)[1]} >= {"no_ttl"}
    stand.redis.rename("elsewhere", bulk)
    check_clean(stand)


def test_what_moves_is_no_finding(stand):
    """Again and again while two daemons send singles and a bulk, retry, and die."""
    stand.sandbox.faults([{"probability": 0.1, "seed": 1, "action": {"status": 503}},
                          {"action": {"delay_ms": 3}}])
    retry = {"base": "5ms", "max": "50ms", "attempts": 50}
    settings = {"worker": {"lease": "1s"}, "redis": {"timeout": "900ms"}}
    daemons = [stand.start([stand.sender(retry=retry)], **settings) for _ in range(2)]
    bulk_key = push_bulk(stand, 5000)
    ids = stand.push(*[envelope(body(f"s{n}@example.com")) for n in range(1500)])
    rounds = 0
    while stand.redis.hget(bulk_key, "status") != "done":
        if rounds % 2 == 0:
            daemons[0].kill()
            daemons[0].start(ready=False)
        check_clean(stand)
        rounds += 1
    stand.wait_final(ids)
    summary = check_clean(stand)
    print({"rounds": rounds, **summary})
    assert rounds >= 3 and summary["messages"] == 1500
