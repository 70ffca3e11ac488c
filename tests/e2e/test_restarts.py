"""Restarts under load: nothing is lost, nothing repeated, whoever takes over; a hung loop is seen."""
import os
import pathlib
import signal
import time

import pytest
from invariants import check_all
from support import envelope, wait_for


def check_once(stand, ids):
    stand.wait_final(ids, timeout=60)
    assert stand.sandbox.ids("sandbox") == {i: 1 for i in ids}
    check_all(stand, ids)


def test_restarts_under_load(stand):
    """As `systemctl restart` does it, again and again, while jobs keep coming."""
    stand.sandbox.faults([{"action": {"delay_ms": 20}}])
    daemon = stand.daemon(stand.config(worker={"in_flight": 16})).start()
    ids = []
    for _ in range(6):
        ids += stand.push(*[envelope() for _ in range(80)])
        goal = len(ids) - 60
        stand.sandbox.wait(lambda g=goal: stand.sandbox.stats("sandbox")["accepted"] >= g, "load")
        assert daemon.stop() == 0
        daemon.start()
    check_once(stand, ids)


def test_a_second_instance_takes_over_meanwhile(stand):
    """A rolling restart: the other one sends what this one left, while this one still drains."""
    stand.sandbox.faults([{"match": {"recipient": "slow@*"}, "action": {"delay_ms": 3000}},
                          {"action": {"delay_ms": 5}}])
    first = stand.start(worker={"in_flight": 8})
    slow = stand.push(envelope({"message_data": {"recipient": "slow@example.com", "subject": "s",
                                                 "content": "c"}}))
    stand.sandbox.wait_requests(1, "sandbox")
    ids = stand.push(*[envelope() for _ in range(300)])
    stand.sandbox.wait_accepted(20, "sandbox")
    first.signal(signal.SIGTERM)
    wait_for(lambda: first.notify.count("STOPPING=1"), "it drains")
    second = stand.start()
    stand.wait_final(ids, timeout=60)
    assert first.running(), "it still waits for the slow one"
    assert first.wait_exit() == 0
    check_once(stand, ids + slow)
    assert second.running()


def reload(daemon):
    ready = daemon.notify.count("READY=1")
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: daemon.notify.count("READY=1") > ready, lambda: daemon.log())


def sockets(daemon):
    """The sockets it has open, each with a number of its own."""
    found = set()
    for fd in pathlib.Path(f"/proc/{daemon.pid}/fd").iterdir():
        try:
            found.add(os.readlink(fd))
        except FileNotFoundError:  # closed meanwhile
            pass
    return {name for name in found if name.startswith("socket:")}


def test_a_reload_drops_no_connection(stand):
    """Neither to Redis, nor the idle ones to providers."""
    daemon = stand.daemon(stand.config()).start()
    stand.wait_final(stand.push(*[envelope() for _ in range(20)]))
    before = sockets(daemon)
    for _ in range(3):
        reload(daemon)
    assert before <= sockets(daemon)
    assert not daemon.log_lines("event=redis_down")
    assert len(daemon.worker_ids()) == 1, "it is the same worker"
    stand.wait_final(stand.push(envelope()))


def test_a_reload_gives_and_takes_no_token(stand):
    """Under a strict rate: however often it is reloaded, the provider sees that rate."""
    daemon = stand.daemon(stand.config([stand.sender(limits={"rate": "50/s"})])).start()
    ids = stand.push(*[envelope() for _ in range(150)])
    stand.sandbox.wait_accepted(5, "sandbox")
    reloads = 0
    while stand.sandbox.stats("sandbox")["accepted"] < 140:
        reload(daemon)
        reloads += 1
    assert reloads > 3
    check_once(stand, ids)
    times = sorted(r["time_us"] for r in stand.sandbox.requests("sandbox"))
    # One more for the way to the sandbox, which differs from send to send.
    assert all(b - a >= 1000000 for a, b in zip(times, times[51:]))


@pytest.mark.parametrize("source", ["file", "credential"])
def test_a_credential_is_rotated_by_a_reload(stand, source):
    """Files are read anew, those of systemd too (where it renews them); what was refused goes on."""
    secret = stand.directory / "api_key"
    secret.write_text("SG.old\n")
    reference = f"file:{secret}" if source == "file" else "credential:api_key"
    daemon = stand.daemon(stand.config([stand.sender("grid", dialect="sendgrid",
                                                     credentials={"api_key": reference})]),
                          {"CREDENTIALS_DIRECTORY": str(stand.directory)}).start()
    stand.sandbox.faults([{"times": 1, "action": {"status": 401}}])
    ids = stand.push(*[envelope() for _ in range(3)])
    wait_for(lambda: stand.redis.hget(stand.key("sender", "grid"), "state") == "broken", "broken")
    secret.write_text("SG.new\n")
    seen = len(stand.sandbox.requests("sendgrid"))
    reload(daemon)
    stand.wait_final(ids)
    check_all(stand, ids)
    keys = [x["headers"]["authorization"] for x in stand.sandbox.requests("sendgrid")]
    assert set(keys[:seen]) == {"Bearer SG.old"} and set(keys[seen:]) == {"Bearer SG.new"}


def test_a_hung_loop_is_seen(stand, figure):
    """The watchdog is fed from the loop alone: while it hangs, systemd hears nothing."""
    daemon = stand.daemon(stand.config(), {"WATCHDOG_USEC": "200000"}).start()
    wait_for(lambda: daemon.notify.count("WATCHDOG=1") >= 3, "it is fed")
    # It has one thread: stopped as a whole, it is as good as hung in its loop.
    assert len(list(pathlib.Path(f"/proc/{daemon.pid}/task").iterdir())) == 1
    daemon.signal(signal.SIGSTOP)
    wait_for(lambda: "(stopped)" in pathlib.Path(f"/proc/{daemon.pid}/status").read_text(), "stop")
    fed = daemon.notify.count("WATCHDOG=1")
    end = time.monotonic() + 1  # five times what systemd would wait
    wait_for(lambda: time.monotonic() > end, "time passes", pause=0.05)
    assert daemon.notify.count("WATCHDOG=1") == fed
    daemon.kill()  # as systemd does then
    daemon.start()
    stand.wait_final(stand.push(envelope()))
    figure(lost=0, seconds_of_hanging=1, fed_meanwhile=0)
