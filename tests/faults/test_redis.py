"""Redis in trouble beyond its restarts: failed over with lost writes, far away, cut off, full."""
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time

import pytest
import redis
from fsck import check_clean
from invariants import check_all, extra_sends
from links import Proxy, give_port
from scale import times
from support import RedisServer, Stand, envelope, wait_for

RETRY = {"base": "5ms", "max": "100ms", "attempts": 50}


def config_of(stand, senders=None, **settings):
    return stand.config(senders or [stand.sender(retry=RETRY)],
                        **{"worker": {"lease": "2s", "in_flight": 16},
                           "redis": {"timeout": "900ms"}} | settings)


def test_failover_with_lost_writes(tmp_path, sandbox, figure):
    """The primary dies with writes that its replica never saw. The producer, whose pushes may be
    among them, pushes again under the same ids."""
    primary = RedisServer(tmp_path / "a").start()
    replica = RedisServer(tmp_path / "b").start()
    address = tmp_path / "redis.sock"  # what fails over
    address.symlink_to(primary.path)
    link = Proxy(("127.0.0.1", give_port(primary)))
    stand = Stand(tmp_path, primary, sandbox)
    try:
        sandbox.faults([{"action": {"delay_ms": 20}}])
        replica.client.replicaof("127.0.0.1", link.port)
        wait_for(lambda: replica.client.info("replication")["master_link_status"] == "up", "sync")
        config = config_of(stand)
        config["redis"]["url"] = f"unix://{address}"
        daemons = [stand.daemon(config).start() for _ in range(2)]
        jobs = [envelope() for _ in range(600)]
        stand.push(*jobs[:300])
        sandbox.wait_accepted(100, "sandbox")
        link.swallow = True
        before = sandbox.stats("sandbox")["requests"]
        stand.push(*jobs[300:])
        sandbox.wait_accepted(before + 100, "sandbox")
        primary.kill()
        window = sandbox.stats("sandbox")["requests"] - before + 2 * 2 * 16
        replica.client.replicaof("no", "one")
        new = tmp_path / "new.sock"
        new.symlink_to(replica.path)
        new.rename(address)
        stand.server, stand.redis = replica, replica.client
        lost = sum(not stand.redis.exists(stand.key("message", j["id"])) for j in jobs)
        stand.push(*jobs)
        ids = [j["id"] for j in jobs]
        stand.wait_final(ids, timeout=60)
        for daemon in daemons:
            assert daemon.stop() == 0
        check_all(stand, ids, accepted_by=sandbox.ids("sandbox"))
        check_clean(stand)
        figure(lost=0, unknown_to_the_replica=lost, extra_sends=extra_sends(stand), bound=window)
        assert lost > 0, "writes were lost"
        assert extra_sends(stand) <= window
    finally:
        stand.close()
        link.close()
        primary.stop()
        replica.stop()


@pytest.fixture
def far(stand):
    """A stand whose daemons reach Redis by a proxy."""
    link = Proxy(("127.0.0.1", give_port(stand.server)))
    yield stand, link, {"url": f"redis://127.0.0.1:{link.port}", "timeout": "900ms"}
    link.close()


def test_slow_network_with_resets(far, figure):
    stand, link, address = far
    link.delay = 0.1  # each way
    daemon = stand.daemon(config_of(stand, redis=address)).start()
    link.resets = 0.05
    ids = stand.push(*[envelope() for _ in range(times(60, 400))])
    stand.wait_final(ids, timeout=120)
    link.resets = link.delay = 0
    assert daemon.stop() == 0
    check_all(stand, ids, accepted_by=stand.sandbox.ids("sandbox"))
    figure(lost=0, round_trip_ms=200, connections_broken=link.broken,
           extra_sends=extra_sends(stand))
    assert link.broken > 0
    assert extra_sends(stand) == 0


def test_half_open_connection(far, figure):
    """Redis' host is gone without a word: noticed by the time-out, and others go on."""
    stand, link, address = far
    stand.sandbox.faults([{"action": {"delay_ms": 30}}])
    cut_off = stand.daemon(config_of(stand, redis=address)).start()
    ids = stand.push(*[envelope() for _ in range(200)])
    stand.sandbox.wait_accepted(20, "sandbox")
    link.swallow = True
    held = sum(stand.redis.scard(k) for k in stand.redis.scan_iter(stand.key("lease", "*")))
    began = time.monotonic()
    wait_for(lambda: cut_off.log_lines("event=redis_down"), lambda: cut_off.log())
    noticed = time.monotonic() - began
    stand.daemon(config_of(stand)).start()
    stand.wait_final(ids, timeout=60)
    sent = stand.sandbox.stats("sandbox")["requests"]
    more = stand.push(*[envelope() for _ in range(50)])
    stand.wait_final(more)
    assert stand.sandbox.stats("sandbox")["requests"] == sent + 50, "the one cut off sends nothing"
    link.swallow = False
    link.cut()
    wait_for(lambda: len(cut_off.worker_ids()) > 1, lambda: cut_off.log())
    assert cut_off.stop() == 0
    check_all(stand, ids + more, accepted_by=stand.sandbox.ids("sandbox"))
    figure(lost=0, noticed_after_s=f"{noticed:.1f}", extra_sends=extra_sends(stand), bound=held)
    assert extra_sends(stand) <= held
    assert noticed <= 5


def test_out_of_memory_again_and_again(stand, figure):
    """noeviction: what is under way is recorded, nothing new is taken, and all goes on after it."""
    stand.sandbox.faults([{"action": {"delay_ms": 20}}])
    daemon = stand.daemon(config_of(stand)).start()
    ids, refused = [], 0
    for _ in range(times(2, 10)):
        jobs = [envelope() for _ in range(100)]
        ids += stand.push(*jobs)
        stand.sandbox.wait_accepted(len(ids) - 60, "sandbox")
        stand.redis.config_set("maxmemory", "1mb")
        try:
            stand.push(envelope())
        except redis.ResponseError:
            refused += 1
        wait_for(lambda: stand.sandbox.stats()["in_flight"] == 0, "what was under way ends")
        stand.redis.config_set("maxmemory", "0")
    stand.wait_final(ids, timeout=60)
    assert daemon.stop() == 0
    check_all(stand, ids, accepted_by=stand.sandbox.ids("sandbox"))
    figure(lost=0, times_full=refused, extra_sends=extra_sends(stand))
    assert refused and extra_sends(stand) == 0


class RedisOnSmallDisk(RedisServer):
    """Its directory is a file system of 6 MB that only it sees."""

    def start(self):
        data = self.directory / "disk"
        data.mkdir(exist_ok=True)
        command = (f"mount -t tmpfs -o size=6m tmpfs {data} && exec redis-server --port 0 "
                   f"--unixsocket {self.path} --dir {data} --save '' --appendonly yes "
                   "--appendfsync everysec --auto-aof-rewrite-percentage 0 "
                   "--maxmemory-policy noeviction")
        with open(self.directory / "redis.log", "ab") as log:
            self.process = subprocess.Popen(["unshare", "-m", "sh", "-c", command],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.inside = pathlib.Path(f"/proc/{self.process.pid}/root{data}")
        wait_for(self.answers, lambda: (self.directory / "redis.log").read_text())
        return self

    def fill(self):
        with open(self.inside / "ballast", "wb", buffering=0) as f:
            try:
                while True:
                    f.write(b"x" * 4096)
            except OSError:
                pass

    def free(self):
        (self.inside / "ballast").unlink()


def may_mount():
    return os.geteuid() == 0 and shutil.which("unshare") and subprocess.run(
        ["unshare", "-m", "sh", "-c", "mount -t tmpfs tmpfs /mnt"], capture_output=True,
        check=False).returncode == 0


def test_disk_full(tmp_path, sandbox, figure):
    """Redis can write its file no more (MISCONF): all stops, and goes on when there is room."""
    if not may_mount():
        pytest.skip("a file system of one's own needs root and mount namespaces")
    server = RedisOnSmallDisk(tmp_path / "r")
    stand = Stand(tmp_path, server.start(), sandbox)
    try:
        sandbox.faults([{"action": {"delay_ms": 20}}])
        daemon = stand.daemon(config_of(stand)).start()
        ids = stand.push(*[envelope() for _ in range(150)])
        sandbox.wait_accepted(40, "sandbox")
        server.fill()
        refused = 0

        def misconf():
            try:
                stand.redis.set("probe", "x" * 10000)
            except redis.ResponseError as e:
                return "MISCONF" in str(e)
            return False

        wait_for(misconf, "Redis refuses writes", timeout=15)
        refused += 1
        server.free()
        wait_for(lambda: not misconf(), "Redis writes again", timeout=15)
        stand.redis.delete("probe")
        stand.wait_final(ids, timeout=60)
        assert daemon.stop() == 0
        check_all(stand, ids, accepted_by=sandbox.ids("sandbox"))
        check_clean(stand)
        figure(lost=0, refusals=refused, extra_sends=extra_sends(stand))
        assert extra_sends(stand) <= 16
    finally:
        stand.close()
        server.stop()


def test_daemons_stopped_past_their_lease(stand, figure):
    """SIGSTOP: what they send when they wake is at most what they held."""
    stand.sandbox.faults([{"action": {"delay_ms": 20}}])
    config = config_of(stand, worker={"lease": "1s", "in_flight": 8})
    at_once, rounds = 4, times(1, 50)
    daemons = [stand.daemon(config).start() for _ in range(at_once + 1)]
    ids, held = [], 0
    for n in range(rounds):
        asleep = [d for d in daemons if d is not daemons[n % len(daemons)]]
        ids += stand.push(*[envelope() for _ in range(150)])
        stand.sandbox.wait_accepted(len(ids) - 100, "sandbox")
        for daemon in asleep:
            daemon.signal(signal.SIGSTOP)
        held += sum(stand.redis.scard(k) for k in stand.redis.scan_iter(stand.key("lease", "*")))
        stand.wait_final(ids, timeout=30)
        for daemon in asleep:
            daemon.signal(signal.SIGCONT)
    stand.wait_final(stand.push(envelope()))
    for daemon in daemons:
        assert daemon.stop() == 0
    figure(lost=0, pauses=rounds * at_once, extra_sends=extra_sends(stand), bound=held)
    assert extra_sends(stand) <= held


def aof_of(server):
    """The file that Redis appends to."""
    (found,) = (server.directory / "appendonlydir").glob("*.incr.aof")
    return found


def test_file_with_its_tail_cut(tmp_path, sandbox, figure):
    """A write that power took away halfway: each script is there whole or not at all. What is lost
    with it was recorded last; it is sent again at most."""
    server = RedisServer(tmp_path / "r", aof=True).start()
    stand = Stand(tmp_path, server, sandbox)
    try:
        sandbox.faults([{"action": {"delay_ms": 5}}])
        daemon = stand.daemon(config_of(stand)).start()
        ids = stand.push(*[envelope() for _ in range(400)])
        sandbox.wait_accepted(150, "sandbox")
        server.kill()
        daemon.kill()
        whole = aof_of(server).read_bytes()
        cuts = times([1, 60, 3000], [*range(1, 201), *range(250, 40000, 1500)])
        for cut in cuts:
            aof_of(server).write_bytes(whole[:-cut])
            server.start()
            check_clean(stand)
            server.kill()
        continued = times(cuts[1:], cuts[::15])
        for cut in continued:
            aof_of(server).write_bytes(whole[:-cut])
            server.start()
            sent = sum(m.get("status") == "sent" for m in stand.messages().values())
            before = sandbox.stats("sandbox")["accepted"]
            daemon.start()
            stand.wait_final(ids, timeout=60)
            # Exactly what was not recorded as sent was sent: nothing twice, nothing not at all.
            assert sandbox.stats("sandbox")["accepted"] - before == len(ids) - sent
            assert daemon.stop() == 0
            check_all(stand, ids, accepted_by=sandbox.ids("sandbox"))
            check_clean(stand)
            server.kill()
        figure(lost=0, cuts=len(cuts), longest_cut_bytes=max(cuts), sent_to_the_end=len(continued))
    finally:
        stand.close()
        server.stop()


def hang_paused(stand):
    stand.redis.execute_command("CLIENT", "PAUSE", "2500", "ALL")


def hang_asleep(stand):
    stand.redis.execute_command("DEBUG", "SLEEP", "2.5")


def hang_busy(stand):
    """A script without end: BUSY after a while, until somebody kills it."""
    def run():
        try:
            redis.Redis(unix_socket_path=str(stand.server.path)).eval("while true do end", 0)
        except redis.ResponseError:  # killed
            pass

    runner = threading.Thread(target=run)
    runner.start()
    began = time.monotonic()

    def is_busy():
        try:
            return not stand.redis.get("probe") and time.monotonic() - began > 2.5
        except redis.ResponseError as e:
            return "BUSY" in str(e) and time.monotonic() - began > 2.5

    wait_for(is_busy, "BUSY")
    stand.redis.script_kill()
    runner.join()


@pytest.mark.parametrize("hang", times([hang_busy], [hang_paused, hang_asleep, hang_busy]))
def test_redis_that_hangs(tmp_path, sandbox, figure, hang):
    """For longer than the time-out and a lease, under a strict rate: what is granted anew after it
    does not fall together with what was granted before."""
    server = RedisServer(tmp_path / "r", options=(
        "--enable-debug-command", "local", "--busy-reply-threshold", "100")).start()
    stand = Stand(tmp_path, server, sandbox)
    try:
        rate, rounds = 100, times(1, 5)
        sandbox.faults([{"action": {"delay_ms": 5}}])
        sender = stand.sender(retry=RETRY, limits={"rate": f"{rate}/s"})
        config = config_of(stand, senders=[sender], worker={"lease": "1s"})
        daemons = [stand.daemon(config).start() for _ in range(2)]
        ids, held = [], 0
        for _ in range(rounds):
            ids += stand.push(*[envelope() for _ in range(100)])
            sandbox.wait_accepted(len(ids) - 70, "sandbox")
            held += sum(stand.redis.scard(k) for k in stand.redis.scan_iter(
                stand.key("lease", "*")))
            hang(stand)
        stand.wait_final(ids, timeout=60)
        for daemon in daemons:
            assert daemon.stop() == 0
        check_all(stand, ids, accepted_by=sandbox.ids("sandbox"))
        check_clean(stand)
        most = sandbox.window("sandbox", ms=1000)["max"]
        figure(lost=0, hangs=rounds, most_in_1_s=most, cap=rate, extra_sends=extra_sends(stand),
               bound=held + rounds)
        assert most <= rate + 2  # one for the way to the sandbox, at either end
        assert extra_sends(stand) <= held + rounds
    finally:
        stand.close()
        server.stop()
