"""Redis Cluster: namespaces with hash tags, redirections, a slot that moves under load."""
import subprocess
import threading

import pytest
from fsck import check_clean
from invariants import check_all
from redis.crc import key_slot
from redis_groups import ClusterGroup
from support import BIN, Stand, envelope, wait_for

import redis


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    group = ClusterGroup(tmp_path_factory.mktemp("c"))
    yield group
    group.close()


@pytest.fixture
def clustered(tmp_path, cluster, sandbox):
    for node in cluster.nodes:
        node.client.flushall()
    stands = []

    def make(namespace):
        stand = Stand(tmp_path, cluster, sandbox, namespace)
        stands.append(stand)
        return stand

    yield make
    for stand in stands:
        stand.close()


def placed(cluster, index):
    """A namespace whose keys the index-th node holds."""
    names = (f"{{ns{n}}}" for n in range(1000))
    return next(n for n in names if cluster.owner(cluster.slot(n)) is cluster.nodes[index])


def test_namespaces_live_on_their_own_nodes(cluster, clustered):
    stands = [clustered(placed(cluster, i)) for i in range(3)]
    for stand in stands:
        # Every daemon knows one node, and mostly the wrong one.
        stand.start(redis={"url": f"redis://{cluster.nodes[0].address}"})
    pushed = [stand.push(*[envelope() for _ in range(50)]) for stand in stands]
    for stand, ids in zip(stands, pushed):
        stand.wait_final(ids)
        check_all(stand, ids)
    for i, stand in enumerate(stands):
        keys = cluster.nodes[i].client.keys("*")
        assert keys and all(k.startswith(stand.ns) for k in keys)
        out = subprocess.run(
            [BIN / "sendqctl", "--namespace", stand.ns, "--redis",
             f"redis://{cluster.nodes[(i + 1) % 3].address}", "message", pushed[i][0]],
            capture_output=True, text=True, check=True)
        assert "sent" in out.stdout


def test_idle_doorbell_rings_after_the_slot_has_moved(cluster, clustered):
    stand = clustered(placed(cluster, 1))
    daemon = stand.start()
    stand.wait_final(stand.push(envelope()))
    wait_for(lambda: [c for c in cluster.nodes[1].client.client_list() if c["cmd"] == "blmove"],
             "it waits for jobs")
    slot = cluster.slot(stand.ns)
    cluster.move(slot, cluster.nodes[2])
    try:
        stand.wait_final(stand.push(envelope()))
        assert daemon.log_lines("event=redis_down", "MOVED") or daemon.log_lines("ASK")
    finally:
        cluster.move(slot, cluster.nodes[1])


def all_told(stand, daemons, target, word=""):
    """Each was told of the slot's new node (MOVED), or that it is on its way there (ASK)."""
    text = f"{word} {cluster_slot(stand)} {target.address}"
    wait_for(lambda: all(d.log_lines("event=redis_down", text) for d in daemons), stand.logs)


def cluster_slot(stand):
    return key_slot(stand.ns.encode())


def test_slot_moves_under_load(cluster, clustered, record_property):
    stand = clustered(placed(cluster, 0))
    stand.sandbox.faults([{"action": {"delay_ms": 10}}])
    daemons = [stand.start([stand.sender(retry={"base": "5ms", "max": "100ms", "attempts": 50})],
                           worker={"lease": "30s", "in_flight": 32}) for _ in range(2)]
    slot, ids, moves = cluster.slot(stand.ns), [], 0
    for target in (1, 2, 0):
        jobs = [envelope() for _ in range(200)]
        pusher = threading.Thread(target=lambda: [stand.push(j) for j in jobs])
        seen = len(stand.sandbox.ids("sandbox"))
        pusher.start()
        stand.sandbox.wait_requests(seen + 30, "sandbox")
        cluster.move(slot, cluster.nodes[target],
                     between=lambda: all_told(stand, daemons, cluster.nodes[target], "ASK"))
        pusher.join()
        ids += [j["id"] for j in jobs]
        moves += 1
    stand.wait_final(ids, timeout=60)
    for daemon in daemons:
        assert daemon.stop() == 0
    accepted = stand.sandbox.ids("sandbox")
    check_all(stand, ids, accepted_by=accepted)
    figures = {"moves of the slot": moves, "jobs": len(ids), "lost": 0,
               "duplicates": sum(n - 1 for n in accepted.values())}
    print(figures)
    record_property("figures", figures)
    assert figures["duplicates"] == 0


RESHARDED = 16  # slots, of which the namespace's is one


def reshard(cluster, source, target):
    """By redis-cli, the way operators do it: the source's first slots, key by key."""
    ids = [n.client.execute_command("CLUSTER MYID") for n in (source, target)]
    done = subprocess.run(
        ["redis-cli", "--cluster", "reshard", source.address, "--cluster-from", ids[0],
         "--cluster-to", ids[1], "--cluster-slots", str(RESHARDED), "--cluster-yes"],
        capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    wait_for(lambda: all(cluster.is_ready(n) for n in cluster.nodes), "all agree")


def push_until(stand, over, ids):
    """One job after the other, each again while the client is sent from one node to the other."""
    job = envelope()
    while not over.wait(0.005):
        try:
            ids += stand.push(job)
            job = envelope()
        except redis.RedisError:
            pass


def test_reshard_under_load(cluster, clustered):
    """There and back while jobs come: all stand still as long as keys are on both nodes, then go on
    by themselves; nothing is lost or sent twice, and all is in its place."""
    namespace = next(f"{{re{n}}}" for n in range(10**6) if key_slot(f"re{n}".encode()) < RESHARDED)
    stand = clustered(namespace)
    first, second = cluster.nodes[:2]
    assert cluster.owner(key_slot(namespace.encode())) is first
    for n in range(2000):  # so that it takes a while
        stand.redis.hset(stand.key("lead", f"l{n}"), "email", "x@example.com")
    daemons = [stand.start(worker={"lease": "30s"}) for _ in range(2)]
    ids = []
    for source, target in ((first, second), (second, first)):
        over = threading.Event()
        pusher = threading.Thread(target=push_until, args=(stand, over, ids))
        seen = len(stand.sandbox.ids("sandbox"))
        pusher.start()
        try:
            stand.sandbox.wait_requests(seen + 30, "sandbox")
            reshard(cluster, source, target)
        finally:
            over.set()
            pusher.join()
        stand.wait_final(ids, timeout=60)
        assert not source.client.keys(f"{namespace}*"), "nothing is left behind"
        all_told(stand, daemons, target)
    accepted = stand.sandbox.ids("sandbox")
    check_all(stand, ids, accepted_by=accepted)
    assert set(accepted.values()) == {1}
    check_clean(stand)


def test_why_ask_is_not_followed(cluster, clustered):
    """A script that follows ASK is run where only a part of the keys has arrived, and takes the
    others for gone: what it writes then is in the way of what comes."""
    stand = clustered(placed(cluster, 0))
    source, target, slot = cluster.nodes[0], cluster.nodes[1], cluster_slot(stand)
    jobs = stand.key("jobs")
    stand.redis.lpush(jobs, "x")
    ids = [n.client.execute_command("CLUSTER MYID") for n in (source, target)]
    target.client.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[0])
    source.client.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[1])
    script = "return {redis.call('LLEN', KEYS[1] .. 'jobs'), redis.call('RPUSH', KEYS[1] .. 'jobs', 'y')}"
    try:
        with pytest.raises(redis.ResponseError, match="ASK"):
            source.client.execute_command("EVAL", script, 1, stand.key(""))
        with redis.Redis(port=target.port, single_connection_client=True) as one:
            one.execute_command("ASKING")
            assert one.execute_command("EVAL", script, 1, stand.key("")) == [0, 1]
        with pytest.raises(redis.ResponseError, match="BUSYKEY"):
            source.client.execute_command("MIGRATE", "127.0.0.1", target.port, jobs, 0, 5000)
    finally:
        with redis.Redis(port=target.port, single_connection_client=True) as one:
            one.execute_command("ASKING")
            one.execute_command("DEL", jobs)
        for node in (source, target):
            node.client.execute_command("CLUSTER SETSLOT", slot, "STABLE")


def test_namespace_without_hash_tag_is_refused(cluster, clustered):
    names = ("plain%d" % n for n in range(1000))
    away = next(n for n in names if cluster.owner(cluster.slot(n + ":")) is not cluster.nodes[0])
    stand = clustered(away)
    daemon = stand.daemon(stand.config(redis={"url": f"redis://{cluster.nodes[0].address}"}))
    daemon.start(ready=False)
    wait_for(lambda: daemon.log_lines("the namespace needs a hash tag"), daemon.log)
    out = subprocess.run([BIN / "sendqctl", "--namespace", away, "--redis", stand.server.url,
                          "status"], capture_output=True, text=True)
    assert out.returncode == 3 and "hash tag" in out.stderr
