"""Redis Cluster: namespaces with hash tags, redirections, a slot that moves under load."""
import subprocess
import threading
import time

import pytest
from invariants import check_all
from redis_groups import ClusterGroup
from support import BIN, Stand, envelope, wait_for


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
        cluster.move(slot, cluster.nodes[target], between=lambda: time.sleep(0.2))
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
