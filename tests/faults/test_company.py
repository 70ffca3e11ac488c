"""Redis in company: primaries that die again and again, one left alone, slots that move."""
import subprocess
import threading
import time

import redis
from fsck import check_clean
from invariants import check_all, extra_sends
from links import Proxy
from redis.crc import key_slot
from redis_groups import ClusterGroup, Node, SentinelGroup
from scale import long_only, times
from support import Stand, envelope, wait_for
from test_redis_sentinel import RETRY, missing, push_surely


def accepted(stand):
    return stand.sandbox.stats("sandbox")["accepted"]


def requests(stand):
    return stand.sandbox.stats("sandbox")["requests"]


def follows(node):
    try:
        return node.client.info("replication").get("master_link_status") == "up"
    except redis.RedisError:  # its connections are closed when it is told whom to follow
        return False


def exchange(servers):
    """The old primary comes back as the new one's replica."""
    old, new = servers.primary, servers.replica
    old.start()
    wait_for(lambda: follows(old), "the old primary follows the new one", timeout=60)
    servers.primary, servers.replica = new, old


@long_only
def test_failovers_again_and_again(tmp_path, sandbox, figure):
    """Redis loses what was not replicated yet: the producer pushes that again, and what was sent
    since then is sent again, at most."""
    servers = SentinelGroup(tmp_path / "s", failover_timeout_ms=1000)
    stand = Stand(tmp_path, servers, sandbox)
    try:
        sandbox.faults([{"action": {"delay_ms": 10}}])
        daemons = [stand.start([stand.sender(retry=RETRY)], redis=servers.redis_settings(),
                               worker={"lease": "10s", "in_flight": 16}) for _ in range(2)]
        jobs, forgotten, longest, rounds = [], 0, 0.0, times(1, 30)
        for _ in range(rounds):
            more = [envelope() for _ in range(60)]
            jobs += more
            before = accepted(stand)
            stand.push(*more)
            sandbox.wait_accepted(before + 20, "sandbox")
            servers.primary.kill()
            began, before = time.monotonic(), accepted(stand)
            wait_for(servers.has_failed_over, stand.logs, timeout=60)
            more = [envelope() for _ in range(40)]
            jobs += more
            for job in more:
                push_surely(stand, job)
            sandbox.wait_accepted(before + 2 * 16 + 1, "sandbox", timeout=60)
            longest = max(longest, time.monotonic() - began)
            exchange(servers)
            gone = missing(stand, jobs)
            forgotten += len(gone)
            for job in gone:
                push_surely(stand, job)
        stand.wait_final([j["id"] for j in jobs], timeout=60)
        for daemon in daemons:
            assert daemon.stop() == 0
        assert set(sandbox.ids("sandbox")) == {j["id"] for j in jobs}
        bound = rounds * 2 * 16 + forgotten
        figure(lost=0, failovers=rounds, unknown_after_them=forgotten,
               longest_stop_s=f"{longest:.1f}", extra_sends=extra_sends(stand), bound=bound)
        assert extra_sends(stand) <= bound
    finally:
        stand.close()
        servers.close()


def refusals(node):
    return int(node.client.info("errorstats")["errorstat_NOREPLICAS"].split("=")[1])


def test_an_old_primary_left_alone(tmp_path, sandbox, figure):
    """Cut off from its replica, it takes no more writes (min-replicas-to-write): its daemon sends
    what it had begun, and then nothing, while the replica has become the primary of others."""
    alone = ("--min-replicas-to-write", "1", "--min-replicas-max-lag", "1")
    old = Node(tmp_path / "n", *alone).start()
    link = Proxy(("127.0.0.1", old.port))
    new = Node(tmp_path / "n", "--replicaof", "127.0.0.1", str(link.port)).start()
    stand = Stand(tmp_path, old, sandbox)
    try:
        wait_for(lambda: int(old.client.info("replication").get("min_slaves_good_slaves", 0)),
                 "a replica")
        sandbox.faults([{"action": {"delay_ms": 20}}])
        config = stand.config([stand.sender(retry=RETRY)],
                              worker={"lease": "2s", "in_flight": 16})
        left_alone = stand.daemon(config).start()
        ids = stand.push(*[envelope() for _ in range(300)])
        sandbox.wait_accepted(50, "sandbox")
        assert old.client.wait(1, 10000) == 1
        link.swallow = True
        wait_for(lambda: not int(old.client.info("replication")["min_slaves_good_slaves"]), "lag")
        wait_for(lambda: left_alone.log_lines("NOREPLICAS"), left_alone.log)
        wait_for(lambda: sandbox.stats()["in_flight"] == 0, "what it had begun has ended")
        sent = requests(stand)
        refused = refusals(old)
        wait_for(lambda: refusals(old) > refused + 3, "it tries again")
        alone = requests(stand) - sent
        new.client.replicaof("no", "one")
        stand.redis = new.client
        recorded = sum(m["status"] == "sent" for m in stand.messages().values())
        other = stand.daemon(config | {"redis": {"url": new.url}}).start()
        messages = stand.wait_final(ids, timeout=60)
        assert {m["status"] for m in messages.values()} == {"sent"}
        assert set(sandbox.ids("sandbox")) == set(ids)
        # Whoever is alone has sent nothing meanwhile, either.
        alone += requests(stand) - sent - (len(ids) - recorded)
        assert other.stop() == 0
        figure(lost=0, sent_alone=alone, extra_sends=extra_sends(stand), bound=sent - recorded)
        assert alone == 0 and extra_sends(stand) == sent - recorded
    finally:
        stand.close()
        link.close()
        old.kill()
        new.kill()


@long_only
def test_reshard_under_load(tmp_path, sandbox, figure):
    """`redis-cli --cluster reshard` moves slots to and fro, the namespace's own among them."""
    cluster = ClusterGroup(tmp_path / "c")
    slots = 40
    # Its slot is one of the first of the first node, which are those that move.
    namespace = next(n for n in (f"{{ns{k}}}" for k in range(100000))
                     if key_slot(n.encode()) < slots // 2)
    stand = Stand(tmp_path, cluster, sandbox, namespace)
    try:
        sandbox.faults([{"action": {"delay_ms": 10}}])
        daemons = [stand.start([stand.sender(retry=RETRY)],
                               worker={"lease": "30s", "in_flight": 16}) for _ in range(2)]
        ids, rounds = [], times(2, 12)
        for n in range(rounds):
            jobs = [envelope() for _ in range(150)]
            pusher = threading.Thread(target=lambda: [stand.push(j) for j in jobs])
            seen = requests(stand)
            pusher.start()
            sandbox.wait_requests(seen + 20, "sandbox")
            reshard(cluster, cluster.nodes[n % 2], cluster.nodes[(n + 1) % 2], slots)
            pusher.join()
            ids += [j["id"] for j in jobs]
        stand.wait_final(ids, timeout=60)
        for daemon in daemons:
            assert daemon.stop() == 0
        check_all(stand, ids, accepted_by=sandbox.ids("sandbox"))
        check_clean(stand)
        figure(lost=0, reshardings=rounds, slots=rounds * slots, extra_sends=extra_sends(stand))
        assert extra_sends(stand) == 0
    finally:
        stand.close()
        cluster.close()


def reshard(cluster, source, target, slots):
    ids = [n.client.execute_command("CLUSTER MYID") for n in (source, target)]
    first = cluster.owner(0)
    subprocess.run(["redis-cli", "--cluster", "reshard", source.address, "--cluster-from", ids[0],
                    "--cluster-to", ids[1], "--cluster-slots", str(slots), "--cluster-yes"],
                   check=True, capture_output=True, timeout=120)
    assert cluster.owner(0) is not first
