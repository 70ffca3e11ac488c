"""Redis with Sentinel: found through any sentinel, followed when the primary dies under load."""
import signal
import subprocess

import pytest
from redis_groups import SentinelGroup
from support import BIN, FINAL, Stand, envelope, wait_for

import redis

RETRY = {"base": "5ms", "max": "100ms", "attempts": 50}


@pytest.fixture
def group(tmp_path, sandbox):
    servers = SentinelGroup(tmp_path / "s")
    stand = Stand(tmp_path, servers, sandbox)
    yield stand
    stand.close()
    servers.close()


def push_surely(stand, job):
    """As a careful producer: again, under the same id, until it is certainly there."""
    def pushed():
        try:
            stand.push(job)
            return True
        except redis.RedisError:
            return False
    wait_for(pushed, "Redis takes the job", timeout=60)


def ctl(settings, *arguments):
    env = {"SENDQ_REDIS__URL": settings["url"], "SENDQ_REDIS__PASSWORD": settings["password"],
           "SENDQ_REDIS__SENTINEL_PASSWORD": settings["sentinel_password"], "SENDQ_NAMESPACE": "t"}
    return subprocess.run([BIN / "sendqctl", *arguments], env=env, capture_output=True, text=True)


def missing(stand, jobs):
    """Those that Redis knows nothing of, once nothing waits any more."""
    def idle():
        return not stand.redis.exists("t:jobs", "t:delayed", "t:turn") and all(
            status in (None, *FINAL) for status in (stand.status(j["id"]) for j in jobs))
    wait_for(idle, stand.logs, timeout=60, pause=0.1)
    return [j for j in jobs if stand.status(j["id"]) is None]


def test_primary_dies_under_load(group, record_property):
    stand, servers = group, group.server
    stand.sandbox.faults([{"action": {"delay_ms": 10}}])
    daemons = [stand.start([stand.sender(retry=RETRY)], redis=servers.redis_settings(),
                           worker={"lease": "10s", "in_flight": 32}) for _ in range(2)]
    jobs = [envelope() for _ in range(400)]
    for job in jobs[:250]:
        push_surely(stand, job)
    stand.sandbox.wait_requests(100, "sandbox")
    servers.sentinels[0].kill()  # the first one on everybody's list
    servers.primary.kill()
    for job in jobs[250:]:
        push_surely(stand, job)
    assert servers.replica.client.role()[0] == "master"
    lost = missing(stand, jobs)  # acknowledged, but not replicated any more: milliseconds' worth
    for job in lost:
        push_surely(stand, job)
    stand.wait_final([j["id"] for j in jobs])
    assert {stand.status(j["id"]) for j in jobs} == {"sent"}
    accepted = stand.sandbox.ids("sandbox")
    figures = {"jobs": len(jobs), "lost by Redis": len(lost),
               "duplicates": sum(n - 1 for n in accepted.values())}
    print(figures)
    record_property("figures", figures)
    assert set(accepted) == {j["id"] for j in jobs}
    assert figures["duplicates"] <= 2 * 32 + len(lost)
    out = ctl(servers.redis_settings(), "message", jobs[0]["id"])
    assert out.returncode == 0 and "sent" in out.stdout, out.stderr
    for daemon in daemons:
        assert daemon.stop() == 0
        assert servers.password not in daemon.log()
        assert servers.sentinel_password not in daemon.log()


def test_lost_writes(group):
    """What a failover can lose, made certain: from one moment on the replica gets nothing. What
    was sent after that is sent again; what was pushed after that is unknown, until pushed again."""
    stand, servers = group, group.server
    for sentinel in servers.sentinels:  # how stale a replica may be that takes over: ten times this
        sentinel.client.sentinel_set(servers.name, "down-after-milliseconds", 2000)
    early, late = ([envelope() for _ in range(20)] for _ in range(2))
    stand.push(*early)
    assert servers.primary.client.wait(1, 10000) == 1
    servers.replica.client.config_set("masterauth", "wr0ng")
    servers.primary.client.client_kill_filter(_type="slave")
    stand.start(redis=servers.redis_settings())
    stand.wait_final(stand.push(*late) + [j["id"] for j in early])
    servers.primary.kill()
    wait_for(servers.has_failed_over, stand.logs, timeout=60)
    assert {j["id"] for j in missing(stand, early + late)} == {j["id"] for j in late}
    stand.wait_final(stand.push(*late))
    accepted = stand.sandbox.ids("sandbox")
    assert accepted == {j["id"]: 2 for j in early + late}
    assert {m["status"] for m in stand.messages().values()} == {"sent"}


def test_who_is_named_must_be_the_primary(group):
    """A sentinel that still names the old primary, a replica by now, is not believed."""
    stand, servers = group, group.server
    for sentinel in servers.sentinels:
        sentinel.process.send_signal(signal.SIGSTOP)
    servers.sentinels[0].process.send_signal(signal.SIGCONT)
    servers.primary.client.replicaof("127.0.0.1", servers.replica.port)
    daemon = stand.daemon(stand.config(redis=servers.redis_settings(
        url=f"sentinel://{servers.sentinels[0].address}/main"))).start(ready=False)
    wait_for(lambda: daemon.log_lines("is no primary"), daemon.log)
    servers.primary.client.replicaof("NO", "ONE")
    daemon.wait_ready()


@pytest.mark.parametrize("change, expected", [
    ({"sentinel_password": "wr0ng"}, "the sentinel's AUTH refused: WRONGPASS"),
    ({"sentinel_password": ""}, "SENTINEL refused: NOAUTH"),
    ({"password": "wr0ng"}, "AUTH refused: WRONGPASS"),
    ({"password": ""}, "ROLE refused: NOAUTH"),
    ({"name": "other"}, "knows no primary called other"),
])
def test_refusals_are_told(group, change, expected):
    servers = group.server
    settings = servers.redis_settings(**{k: v for k, v in change.items() if k != "name"})
    if "name" in change:
        settings["url"] = settings["url"].replace("/main", "/" + change["name"])
    daemon = group.daemon(group.config(redis=settings)).start(ready=False)
    wait_for(lambda: daemon.log_lines("event=redis_down", expected), daemon.log)
    out = ctl(settings, "status")
    assert out.returncode == 3 and expected in out.stderr, out.stderr
    assert "wr0ng" not in daemon.log() + out.stderr
