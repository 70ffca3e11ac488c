"""Redis in company: a primary with a replica and three sentinels, and a cluster of three nodes.

Everything listens on free ports of 127.0.0.1, and ends with the test."""
import pathlib
import signal
import socket
import subprocess

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.sentinel import Sentinel
from support import end_with_parent, wait_for


def free_port():
    """Nobody listens there now. Not from the ports that outgoing connections are given."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Node:
    """One process of redis-server on a TCP port."""

    def __init__(self, directory, *options, sentinel=None, password=None, tls=None):
        """tls: certificates of the authority and its own, and its key; then it speaks nothing else."""
        self.port = free_port()
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.options, self.sentinel, self.process = ("--port", str(self.port), *options), \
            sentinel, None
        self.tls = {}  # as redis-py takes it
        if tls:
            authority, cert, key = map(str, tls)
            self.options = ("--port", "0", "--tls-port", str(self.port), "--tls-replication", "yes",
                            "--tls-ca-cert-file", authority, "--tls-cert-file", cert,
                            "--tls-key-file", key, "--tls-auth-clients", "no", *options)
            self.tls = {"ssl": True, "ssl_cert_reqs": "none", "ssl_certfile": cert,
                        "ssl_keyfile": key}
        self.client = redis.Redis(port=self.port, password=password, decode_responses=True,
                                  **self.tls)
        self.raw = redis.Redis(port=self.port, password=password, **self.tls)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def url(self):
        return f"redis://{self.address}"

    def start(self):
        config = self.directory / f"{self.port}.conf"
        if not config.exists():  # a sentinel writes down there what it has learnt
            config.write_text(self.sentinel or "")
        command = ["redis-server", str(config), "--bind", "127.0.0.1",
                   "--dir", str(self.directory), *self.options]
        if self.sentinel is None:
            command += ["--save", "", "--appendonly", "no"]
        else:
            command.append("--sentinel")
        with open(self.directory / f"{self.port}.log", "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, preexec_fn=end_with_parent)
        wait_for(self.answers, lambda: f"redis-server {self.port} does not answer: " + (
            self.directory / f"{self.port}.log").read_text()[-2000:])
        return self

    def answers(self):
        try:
            return self.client.ping()
        except redis.RedisError:
            return False

    def kill(self, number=signal.SIGKILL):
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
            self.process.wait()
            self.process = None


class SentinelGroup:
    """A primary, a replica, and three sentinels that want two votes."""

    def __init__(self, directory, name="main", password="r3d1s", sentinel_password="s3nt",
                 failover_timeout_ms=3000, tls=None):
        self.name, self.password, self.sentinel_password = name, password, sentinel_password
        auth = ("--requirepass", password, "--masterauth", password,
                "--repl-diskless-sync-delay", "0")
        self.primary = Node(directory, *auth, password=password, tls=tls).start()
        self.replica = Node(directory, *auth, "--replicaof", "127.0.0.1", str(self.primary.port),
                            password=password, tls=tls).start()
        wait_for(lambda: self.replica.client.info("replication")["master_link_status"] == "up",
                 "the replica follows")
        text = (f"sentinel monitor {name} 127.0.0.1 {self.primary.port} 2\n"
                f"sentinel auth-pass {name} {password}\n"
                f"sentinel down-after-milliseconds {name} 500\n"
                f"sentinel failover-timeout {name} {failover_timeout_ms}\n"
                f"requirepass {sentinel_password}\n")
        self.sentinels = [Node(directory, sentinel=text, password=sentinel_password,
                               tls=tls).start()
                          for _ in range(3)]
        wait_for(lambda: all(self._knows_all(s) for s in self.sentinels),
                 "the sentinels know each other and the replica")
        manager = Sentinel([("127.0.0.1", s.port) for s in self.sentinels], password=password,
                           sentinel_kwargs={"password": sentinel_password, **self.primary.tls},
                           **self.primary.tls)
        # What a Stand asks of its server: clients that follow the primary.
        self.url = f"sentinel{'s' if tls else ''}://{','.join(s.address for s in self.sentinels)}/{name}"
        self.client = manager.master_for(name, decode_responses=True)
        self.raw = manager.master_for(name)

    def _knows_all(self, sentinel):
        state = sentinel.client.sentinel_master(self.name)
        return state["num-other-sentinels"] == 2 and state["num-slaves"] == 1

    def has_failed_over(self):
        try:
            return self.replica.client.role()[0] == "master" and self.client.ping()
        except redis.RedisError:  # its connections are closed then
            return False

    def redis_settings(self, **more):
        return {"url": self.url, "password": self.password, "timeout": "1500ms",
                "sentinel_password": self.sentinel_password} | more

    def close(self):
        for node in (*self.sentinels, self.primary, self.replica):
            node.kill()


class ClusterGroup:
    """Three primaries, a third of the slots each."""

    SLOTS = 16384

    def __init__(self, directory):
        self.nodes = []
        for _ in range(3):
            bus = free_port()
            node = Node(directory, "--cluster-enabled", "yes", "--cluster-port", str(bus),
                        "--cluster-node-timeout", "2000")
            node.options += ("--cluster-config-file", f"nodes-{node.port}.conf")
            node.bus = bus
            self.nodes.append(node.start())
        third = self.SLOTS // 3
        for i, node in enumerate(self.nodes):
            last = self.SLOTS - 1 if i == 2 else (i + 1) * third - 1
            node.client.execute_command("CLUSTER ADDSLOTSRANGE", i * third, last)
            node.client.execute_command("CLUSTER SET-CONFIG-EPOCH", i + 1)
        for node in self.nodes[1:]:
            node.client.execute_command("CLUSTER MEET", "127.0.0.1", self.nodes[0].port,
                                        self.nodes[0].bus)
        wait_for(lambda: all(self.is_ready(n) for n in self.nodes), "the cluster stands")
        self.url = "redis://" + ",".join(n.address for n in self.nodes)
        seeds = [ClusterNode("127.0.0.1", n.port) for n in self.nodes]
        self.client = RedisCluster(startup_nodes=seeds, decode_responses=True)
        self.raw = RedisCluster(startup_nodes=seeds)

    def is_ready(self, node):
        info = node.client.execute_command("CLUSTER INFO")
        return info["cluster_state"] == "ok" and info["cluster_known_nodes"] == "3"

    def slot(self, key):
        return self.nodes[0].client.execute_command("CLUSTER KEYSLOT", key)

    def owner(self, slot):
        """The node that serves the slot, by its own account."""
        return next(n for n in self.nodes if self._serves(n, slot))

    @staticmethod
    def _serves(node, slot):
        mine = next(line for line in node.client.execute_command("CLUSTER NODES").values()
                    if "myself" in line["flags"])
        return any(int(s[0]) <= slot <= int(s[-1]) for s in mine["slots"])

    def move(self, slot, target, between=lambda: None):
        """Moves a slot as redis-cli --cluster reshard does, a few keys at a time; calls `between`
        halfway."""
        source = self.owner(slot)
        ids = {n: n.client.execute_command("CLUSTER MYID") for n in self.nodes}
        target.client.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[source])
        source.client.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[target])
        moved = 0
        while True:
            keys = source.client.execute_command("CLUSTER GETKEYSINSLOT", slot, 10)
            if not keys:
                break
            source.client.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000,
                                          "KEYS", *keys)
            moved += len(keys)
            if moved == 10 * 3:
                between()
        for node in (target, source, *self.nodes):
            node.client.execute_command("CLUSTER SETSLOT", slot, "NODE", ids[target])
        return moved

    def close(self):
        for node in self.nodes:
            node.kill()
