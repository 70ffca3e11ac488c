"""Redis in trouble: killed and restarted, absent, full, without scripts, cutting connections."""
import time

import pytest
import redis
from invariants import check_all
from scale import times
from support import RedisServer, Stand, body, envelope, wait_for

RETRY = {"base": "5ms", "max": "100ms", "attempts": 50}


def config_of(stand, **settings):
    return stand.config([stand.sender(retry=RETRY)], worker={"lease": "2s", "in_flight": 32},
                        **settings)


def push_all(stand, jobs):
    """Pushes one by one until each is certainly there, as a careful producer does: again under
    the same id when the answer was lost."""
    for job in jobs:
        def pushed(job=job):
            try:
                stand.push(job)
                return True
            except redis.RedisError:
                return False
        wait_for(pushed, "Redis takes the job")
    return [j["id"] for j in jobs]


def test_killed_and_restarted_under_load(persistent, record_property):
    stand = persistent
    stand.sandbox.faults([{"match": {"recipient": "bad@*"}, "action": {"status": 400}},
                          {"probability": 0.05, "seed": 3, "action": {"status": 503}},
                          {"action": {"delay_ms": 15}}])
    daemons = [stand.daemon(config_of(stand)).start() for _ in range(2)]
    ids, careful, kills, longest = [], set(), times(6, 50), 0.0
    for n in range(kills):
        jobs = [envelope(body("bad@example.com" if k % 40 == 0 else "a@example.com"),
                         uncertain="fail" if k % 10 == 0 else "retry",
                         idempotency_key=f"k{n}.{k}") for k in range(150)]
        careful.update(j["id"] for j in jobs if j["uncertain"] == "fail")
        ids += push_all(stand, jobs[:100])
        stand.sandbox.wait_requests(len(ids) - 60, "sandbox")
        before = [len(d.worker_ids()) for d in daemons]
        stand.server.kill()
        stand.server.start()
        longest = max(longest, seconds_until_back(daemons, before))
        ids += push_all(stand, jobs[100:])
    stand.wait_final(ids, timeout=60)
    for daemon in daemons:
        assert daemon.running()
        assert daemon.stop() == 0
    accepted = stand.sandbox.ids("sandbox")
    messages = check_all(stand, ids, accepted_by=accepted)
    figures = {"kills of Redis": kills, "jobs": len(ids), "lost": 0,
               "longest way back s": round(longest, 1),
               "duplicates": sum(n - 1 for n in accepted.values()),
               "outcome_unknown": sum(m.get("error_code") == "outcome_unknown"
                                      for m in messages.values())}
    print(figures)
    record_property("figures", figures)
    # Those whose outcome the daemon kept are not sent again: it did not die.
    assert figures["duplicates"] <= kills * 2 * 32
    assert not [i for i in careful if accepted.get(i, 0) > 1]
    for daemon in daemons:
        assert len(daemon.log_lines("event=redis_down")) <= 2 * kills + 2, daemon.log()


def seconds_until_back(daemons, before):
    """Until each is registered again: it has another identity by then."""
    began = time.monotonic()
    wait_for(lambda: all(len(d.worker_ids()) > n for d, n in zip(daemons, before)),
             "all are back")
    return time.monotonic() - began


def test_redis_comes_later(tmp_path, sandbox):
    server = RedisServer(tmp_path / "r", aof=True)
    stand = Stand(tmp_path, server, sandbox)
    try:
        daemon = stand.daemon(config_of(stand)).start(ready=False)
        wait_for(lambda: daemon.log_lines("level=error") or daemon.log_lines("level=warn"),
                 lambda: f"it says that Redis is not there\n{daemon.log()}")
        # Several attempts to connect go by: systemd's watchdog would still be fed.
        daemon.notify.poll()
        before = len(daemon.log().splitlines())
        quiet_for(daemon, 3)
        assert not daemon.notify.count("READY=1")
        assert len(daemon.log().splitlines()) - before <= 1, daemon.log()
        server.start()
        daemon.wait_ready(15)
        stand.wait_final(stand.push(envelope()))
        check_all(stand, stand.messages())
    finally:
        stand.close()
        server.stop()


def quiet_for(daemon, seconds):
    """Lets that much time pass with the daemon alive."""
    end = time.monotonic() + seconds
    wait_for(lambda: time.monotonic() > end, "time passes", timeout=seconds + 5, pause=0.05)
    assert daemon.running()


def test_redis_is_away_for_a_while(persistent):
    stand = persistent
    daemon = stand.daemon(config_of(stand)).start()
    first = stand.push(envelope())
    stand.wait_final(first)
    stand.server.kill()
    wait_for(lambda: daemon.log_lines("event=redis_down"), lambda: daemon.log())
    before = len(daemon.log().splitlines())
    quiet_for(daemon, 4)
    assert len(daemon.log().splitlines()) - before <= 1, daemon.log()
    stand.server.start()
    second = stand.push(envelope())
    stand.wait_final(first + second)
    check_all(stand, first + second, accepted_by=stand.sandbox.ids("sandbox"))
    assert daemon.stop() == 0


def test_outcomes_survive_an_absent_redis(persistent):
    """Redis goes while requests are under way: their outcomes are recorded when it is back, and
    nothing is sent twice."""
    stand = persistent
    stand.sandbox.faults([{"action": {"delay_ms": 600}}])
    config = config_of(stand)
    config["worker"]["lease"] = "30s"
    daemon = stand.daemon(config).start()
    ids = stand.push(*[envelope() for _ in range(20)])
    stand.sandbox.wait_requests(20, "sandbox")
    stand.server.kill()
    stand.sandbox.wait_accepted(20, "sandbox")
    quiet_for(daemon, 1)
    stand.server.start()
    stand.wait_final(ids)
    assert stand.sandbox.ids("sandbox") == {i: 1 for i in ids}
    check_all(stand, ids)


def test_sigterm_while_redis_is_away(persistent):
    stand = persistent
    config = config_of(stand) | {"drain_timeout": "2s"}
    daemon = stand.daemon(config).start()
    stand.server.kill()
    wait_for(lambda: daemon.log_lines("event=redis_down"), lambda: daemon.log())
    assert daemon.stop(timeout=10) == 0


def test_full_redis_records_what_is_under_way(stand):
    """At maxmemory nothing new is taken, but outcomes are written."""
    stand.sandbox.faults([{"action": {"delay_ms": 500}}])
    daemon = stand.daemon(config_of(stand)).start()
    ids = stand.push(*[envelope() for _ in range(20)])
    stand.sandbox.wait_requests(20, "sandbox")
    stand.push(*[envelope() for _ in range(5)])
    try:
        stand.redis.config_set("maxmemory", "1mb")
        with pytest.raises(redis.ResponseError, match="OOM|maxmemory"):
            stand.push(envelope())
        stand.wait_final(ids, timeout=10)
    finally:
        stand.redis.config_set("maxmemory", "0")
    wait_for(lambda: len(stand.messages()) == 25, "the others are taken")
    stand.wait_final(stand.messages())
    check_all(stand, stand.messages(), accepted_by=stand.sandbox.ids("sandbox"))
    assert set(stand.sandbox.ids("sandbox").values()) == {1}
    assert daemon.running()


def test_scripts_flushed_again_and_again(stand, figure):
    stand.sandbox.faults([{"action": {"delay_ms": 5}}])
    stand.daemon(config_of(stand)).start()
    ids = []
    for _ in range(40):
        ids += stand.push(*[envelope() for _ in range(20)])
        stand.redis.script_flush()
        stand.sandbox.wait_requests(len(ids) - 15, "sandbox")
        stand.redis.script_flush()
    stand.wait_final(ids)
    check_all(stand, ids, accepted_by=stand.sandbox.ids("sandbox"))
    figure(lost=0, flushes=2 * 40,
           extra_sends=sum(n - 1 for n in stand.sandbox.ids("sandbox").values()))
    assert set(stand.sandbox.ids("sandbox").values()) == {1}


def test_connections_cut_again_and_again(stand):
    stand.sandbox.faults([{"action": {"delay_ms": 20}}])
    daemon = stand.daemon(config_of(stand)).start()
    ids, careful = [], []
    for _ in range(15):
        ids += stand.push(*[envelope() for _ in range(40)])
        careful += stand.push(*[envelope(uncertain="fail") for _ in range(5)])
        stand.sandbox.wait_requests(max(0, len(ids) - 35), "sandbox")
        for client in stand.redis.client_list():
            if client["id"] != str(stand.redis.client_id()):
                stand.redis.client_kill_filter(_id=client["id"])
    messages = stand.wait_final(ids + careful)
    accepted = stand.sandbox.ids("sandbox")
    check_all(stand, ids + careful, accepted_by=accepted)
    # The daemon lives and knows every outcome: a lost connection alone sends nothing twice.
    assert set(accepted.values()) == {1}
    assert {m["status"] for m in messages.values()} == {"sent"}
    assert daemon.running()


def test_redis_stops_answering(stand):
    """It accepts and says nothing for longer than the timeout (a fork, a long script)."""
    stand.sandbox.faults([{"action": {"delay_ms": 20}}])
    stand.daemon(config_of(stand)).start()
    ids = stand.push(*[envelope() for _ in range(300)])
    stand.sandbox.wait_accepted(50, "sandbox")
    stand.redis.execute_command("CLIENT", "PAUSE", "3500", "ALL")
    stand.wait_final(ids, timeout=40)
    check_all(stand, ids, accepted_by=stand.sandbox.ids("sandbox"))


def test_emptied_redis(stand):
    """FLUSHALL on a running system: what it held is gone, what comes is sent."""
    daemon = stand.daemon(config_of(stand)).start()
    stand.wait_final(stand.push(*[envelope() for _ in range(5)]))
    stand.redis.flushall()
    ids = stand.push(*[envelope() for _ in range(5)])
    stand.wait_final(ids, timeout=15)
    assert daemon.running()
    check_all(stand, ids)


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_eviction_is_warned_about(stand, policy):
    stand.redis.config_set("maxmemory-policy", policy)
    try:
        daemon = stand.start()
        wait_for(lambda: [x for x in daemon.log_lines("level=warn") if policy in x
                          or "maxmemory-policy" in x], lambda: daemon.log(), timeout=5)
    finally:
        stand.redis.config_set("maxmemory-policy", "noeviction")


def test_demoted_to_a_replica(stand):
    """After a failover the old primary answers READONLY: another connection may find the new one,
    so this one is given up, told once, and sending resumes when somebody takes writes again."""
    daemon = stand.daemon(config_of(stand)).start()
    stand.redis.replicaof("127.0.0.1", "1")
    try:
        wait_for(lambda: daemon.log_lines("event=redis_down"), lambda: daemon.log())
        connections = stand.redis.info("stats")["total_connections_received"]
        wait_for(lambda: stand.redis.info("stats")["total_connections_received"] > connections,
                 "it connects anew")
        assert len(daemon.log_lines("event=redis_down")) == 1, daemon.log()
    finally:
        stand.redis.replicaof("no", "one")
    (message_id,) = stand.push(envelope())
    stand.wait_final([message_id])
    assert daemon.stop() == 0
