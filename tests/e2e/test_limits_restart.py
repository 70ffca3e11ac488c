"""What a day's count is after Redis or a worker died: nothing is forgiven, and nothing counted twice
but what Redis itself has lost."""
import pytest
from redis_groups import SentinelGroup
from support import Stand, envelope, wait_for
from test_bulk import bulk, put_leads
from test_limits import wall_minute_before_midnight
from test_limits_bulk import TWILIO, sms, texters


def used(stand, sender="mail"):
    return int(stand.redis.hget(stand.key("bucket", f"sender:{sender}"), "used"))


def wait_capped(stand, cap):
    key = stand.key("sender", "mail")
    wait_for(lambda: stand.redis.hget(key, "state") == "day_cap" and used(stand) == cap,
             lambda: f"{stand.redis.hgetall(key)}\n{stand.logs()}", timeout=60)


@pytest.fixture(autouse=True)
def same_day():
    if wall_minute_before_midnight("UTC"):
        pytest.skip("the day changes during the test")


@pytest.mark.parametrize("mode", ["calendar", "rolling"])
def test_redis_is_killed_and_reads_its_file(persistent, mode):
    """Each write was kept: the day has exactly its cap, though Redis died twice meanwhile."""
    stand = persistent
    stand.sandbox.faults([{"action": {"delay_ms": 20}}])
    config = stand.config([stand.sender(limits={"day": f"200/day {mode}"})],
                          worker={"in_flight": 16, "lease": "10s"})
    stand.push(*[envelope() for _ in range(300)])
    daemons = [stand.daemon(config).start() for _ in range(2)]
    for wanted in (40, 120):
        stand.sandbox.wait_requests(wanted, "sandbox")
        stand.server.kill()
        stand.server.start()
    stand.sandbox.wait_accepted(200, "sandbox", timeout=60)
    wait_capped(stand, 200)
    wait_for(lambda: stand.sandbox.stats("sandbox")["in_flight"] == 0, "all are answered")
    assert stand.sandbox.stats("sandbox")["accepted"] == 200
    assert all(daemon.running() for daemon in daemons)


def test_a_replica_takes_over_without_the_last_writes(tmp_path, sandbox):
    """It goes on from the count that it had."""
    servers = SentinelGroup(tmp_path / "s")
    stand = Stand(tmp_path, servers, sandbox)
    try:
        for sentinel in servers.sentinels:  # how stale a replica that takes over may be
            sentinel.client.sentinel_set(servers.name, "down-after-milliseconds", 2000)
        stand.start([stand.sender(limits={"day": "30/day"})], redis=servers.redis_settings())
        stand.wait_final(stand.push(*[envelope() for _ in range(10)]))
        assert servers.primary.client.wait(1, 10000) == 1
        servers.replica.client.config_set("masterauth", "wr0ng")
        servers.primary.client.client_kill_filter(_type="slave")
        stand.wait_final(stand.push(*[envelope() for _ in range(5)]))
        assert used(stand) == 15
        servers.primary.kill()
        wait_for(servers.has_failed_over, stand.logs, timeout=60)
        assert used(stand) >= 10
        stand.push(*[envelope() for _ in range(40)])
        sandbox.wait_accepted(5 + 30, "sandbox", timeout=60)  # five that it never heard of
        wait_capped(stand, 30)
        assert sandbox.stats("sandbox")["accepted"] == 5 + 30
    finally:
        stand.close()
        servers.close()


def test_a_worker_dies_with_a_charged_slice(stand):
    """A bulk's texts of three segments each, charged and under way: nobody knows which of them left,
    so that they stay counted; what is sent after that has the rest of the day."""
    stand.sandbox.faults([{"times": 2, "action": {"kind": "hang"}}])
    put_leads(stand, texters(12, 400))
    config = stand.config([stand.sender("text", ["sms"], "twilio", limits={
        "rate": "", "day": "60/day", "concurrency": 2}, **TWILIO)], worker={"lease": "1s"})
    doomed = stand.daemon(config).start()
    j = sms()
    stand.push(j)
    stand.sandbox.wait_requests(2, "twilio")
    wait_for(lambda: used(stand, "text") == 6, lambda: used(stand, "text"))
    doomed.kill()
    stand.daemon(config).start()
    wait_for(lambda: bulk(stand, j["id"]).get("messages_sent") == "12", stand.logs)
    assert stand.sandbox.stats("twilio")["requests"] == 14
    assert used(stand, "text") == 3 * 14
