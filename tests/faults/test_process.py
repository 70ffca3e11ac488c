"""Clocks that jump, memory that runs out at any allocation, signals without end, and another daemon
that is configured otherwise."""
import os
import pathlib
import random
import signal
import time
from unittest import mock

import pytest
from fsck import check_clean
from invariants import check_all, extra_sends
from scale import times
from support import RedisServer, Stand, body, envelope, wait_for

RETRY = {"base": "5ms", "max": "100ms", "attempts": 50}
LIBRARIES = pathlib.Path("/usr/lib/x86_64-linux-gnu")
FAKETIME = LIBRARIES / "faketime/libfaketime.so.1"
MALLOC = LIBRARIES / "libc_malloc_debug.so.0"


def config_of(stand, **settings):
    return stand.config([stand.sender(retry=RETRY)],
                        **{"worker": {"lease": "1s", "in_flight": 8},
                           "redis": {"timeout": "900ms"}} | settings)


def test_redis_clock_steps(stand, figure):
    """An hour forth, and seconds to and fro, under a strict rate: after a step back it waits."""
    rate, steps = 50, [3600, 3601, 3600, 3602, 3601, 3601] * times(1, 4)
    stand.daemon(stand.config([stand.sender(limits={"rate": f"{rate}/s"})],
                              worker={"lease": "2s"})).start()
    ids = []
    for step in steps:
        ids += stand.push(*[envelope() for _ in range(20)])
        stand.sandbox.wait_accepted(len(ids) - 15, "sandbox")
        stand.redis.set(stand.key("test_clock"), step)
    stand.wait_final(ids, timeout=60)
    stand.redis.delete(stand.key("test_clock"))
    most = stand.sandbox.window("sandbox", ms=1000)["max"]
    figure(lost=0, steps=len(steps), most_in_1_s=most, cap=rate,
           extra_sends=extra_sends(stand))
    # A step may let what was granted before it fall together with what is granted after it, once.
    assert most <= rate + 20
    assert set(stand.sandbox.ids("sandbox").values()) == {1}


def fake_clock(file):
    """A process started with these reads its wall clock as the file says; not the one that only
    grows."""
    file.write_text("+0")
    return {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
            "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"}


class RedisWithAClock(RedisServer):
    """Its wall clock says what the file `clock` says. Its own malloc asks for the time before
    libfaketime can tell: it gets the system's."""

    def start(self):
        self.clock = self.directory / "clock"
        env = fake_clock(self.clock) | {"LD_PRELOAD": f"{MALLOC} {FAKETIME}"}
        with mock.patch.dict(os.environ, env):
            return super().start()


needs_faketime = pytest.mark.skipif(not (FAKETIME.exists() and MALLOC.exists()),
                                    reason="libfaketime is not installed")


@needs_faketime
@pytest.mark.parametrize("rate, clocks", times(
    [("", ["+3600s", "-3600s", "+0"])],
    [("", ["+3600s", "+0", "-3600s", "+0", "+3601s", "+3600s"]),
     ("50/s", ["+3600s", "+3600s x1.0167", "+3600s x1.0334"])]),
    ids=lambda value: "_" if isinstance(value, list) else value.replace("/", " a ") or "no rate")
def test_the_whole_clock_of_redis(tmp_path, sandbox, figure, rate, clocks):
    """Not only what scripts read, but also by what keys end: an hour forth and back without a rate;
    a second a minute too fast, and two, under a strict one. A worker whose lease ended with a step
    sends what it held again, at most."""
    server = RedisWithAClock(tmp_path / "r").start()
    stand = Stand(tmp_path, server, sandbox)
    try:
        sandbox.faults([{"action": {"delay_ms": 5}}])
        config = config_of(stand)
        config["senders"][0]["limits"] = {"rate": rate}
        daemons = [stand.daemon(config).start() for _ in range(2)]
        ids, held = [], 0
        for clock in clocks * times(1, 3):
            ids += stand.push(*[envelope() for _ in range(100)])
            stand.sandbox.wait_accepted(len(ids) - 70, "sandbox", timeout=60)
            held += sum(stand.redis.scard(k) for k in stand.redis.scan_iter(
                stand.key("lease", "*")))
            server.clock.write_text(clock)
        stand.wait_final(ids, timeout=60)
        for daemon in daemons:
            assert daemon.stop() == 0
        extra = extra_sends(stand)
        most = sandbox.window("sandbox", ms=1000)["max"]
        check_clean(stand)
        assert {m["status"] for m in stand.wait_final(ids).values()} == {"sent"}
        figure(lost=0, steps=len(clocks) * times(1, 3), extra_sends=extra, bound=held,
               **({"most_in_1_s": most, "cap": 50} if rate else {}))
        assert extra <= held
        assert not rate or most <= 50 * 1.0334 + 2 + 20  # as above: what was granted, once
    finally:
        stand.close()
        server.stop()


@needs_faketime
def test_daemon_clock_steps(stand, tmp_path, figure):
    """Its wall clock alone jumps: it decides by Redis' clock and by one that only grows."""
    clock = tmp_path / "clock"
    daemon = stand.daemon(config_of(stand), fake_clock(clock)).start()
    ids, steps = [], ["+3600s", "-3600s", "+1s", "-1s", "+0 x1.0167", "+0 x0.9833",
                      "+0"] * times(1, 4)
    for step in steps:
        ids += stand.push(*[envelope() for _ in range(30)])
        stand.sandbox.wait_accepted(len(ids) - 20, "sandbox")
        clock.write_text(step)
    stand.wait_final(ids)
    assert daemon.stop() == 0
    check_all(stand, ids, accepted_by=stand.sandbox.ids("sandbox"))
    figure(lost=0, steps=len(steps),
           extra_sends=extra_sends(stand))
    assert set(stand.sandbox.ids("sandbox").values()) == {1}


def places(first, last, step):
    n = first
    while n < last:
        yield n
        n = int(n * step) + 1


def test_every_nth_allocation_fails(stand, figure):
    """From the start to the last record, under load: the process ends as by kill -9, or gives up
    that one thing; the next one finds all. Four at a time share the load."""
    stand.sandbox.faults([{"match": {"recipient": "bad@*"}, "action": {"status": 400}}])
    walk, died, lived, ids = list(places(1, 30000, times(1.9, 1.015))), 0, 0, []
    config = config_of(stand, intake={"max_deaths": 1000})  # neighbours in the walk die alike
    for at in range(0, len(walk), 4):
        for _ in range(8):
            ids += stand.push(envelope(), envelope(body("bad@example.com")),
                              envelope(body("a@example.com", contact_id="c")))
        daemons = [stand.daemon(config, {"SENDQ_CRASH": f"alloc:{n}"}).start(ready=False)
                   for n in walk[at:at + 4]]
        wait_for(lambda: not any(d.running() for d in daemons)
                 or stand.status(ids[-1]) in ("sent", "failed"), stand.logs)
        for daemon in daemons:
            if not daemon.running():
                assert daemon.wait_exit() in (-signal.SIGABRT, 1), daemon.log()
                died += 1
            else:
                daemon.kill()
                lived += 1
        assert not stand.rejected(), (walk[at], stand.rejected())
    stand.daemon(config_of(stand)).start()
    stand.wait_final(ids, timeout=60)
    assert not stand.rejected(), stand.rejected()
    messages = check_all(stand, ids, accepted_by=stand.sandbox.ids("sandbox"))
    assert not [m for m in messages.values() if m["status"] == "failed"
                and m["recipient"] != "bad@example.com"]
    figure(lost=0, places=died + lived, died=died, went_on=lived)
    assert died > 5


def test_a_storm_of_signals(stand, figure):
    """Reloads with good and bad files, children and windows that change, a pipe that breaks."""
    rng = random.Random(7)
    stand.sandbox.faults([{"action": {"delay_ms": 5}}])
    config = config_of(stand)
    daemon = stand.daemon(config).start()
    ids, sent = stand.push(*[envelope() for _ in range(300)]), times(300, 6000)
    for n in range(sent):
        if n % 50 == 0:
            daemon.configure(config if n % 100 else "senders: [")
        daemon.signal(rng.choice([signal.SIGHUP, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE,
                                  signal.SIGWINCH, signal.SIGURG, signal.SIGCONT]))
        if n % 20 == 0:
            ids += stand.push(envelope())
    daemon.configure(config)
    stand.wait_final(ids, timeout=60)
    daemon.signal(signal.SIGTERM)
    for _ in range(20):
        daemon.signal(rng.choice([signal.SIGHUP, signal.SIGCHLD]))
    assert daemon.wait_exit() == 0
    check_all(stand, ids, accepted_by=stand.sandbox.ids("sandbox"))
    figure(lost=0, signals=sent + 21, extra_sends=extra_sends(stand))
    assert set(stand.sandbox.ids("sandbox").values()) == {1}


def test_sigterm_again_and_again_under_load(stand, figure):
    """Nothing is ambiguous after an orderly exit."""
    stand.sandbox.faults([{"action": {"delay_ms": 10}}])
    ids, at_once, rounds, longest = [], 4, times(1, 50), 0.0
    for _ in range(rounds):
        ids += stand.push(*[envelope(uncertain="fail") for _ in range(30 * at_once)])
        daemons = [stand.daemon(config_of(stand)).start(ready=False) for _ in range(at_once)]
        for daemon in daemons:
            daemon.wait_ready()
        stand.sandbox.wait_accepted(max(1, len(ids) - 25 * at_once), "sandbox")
        began = time.monotonic()
        for daemon in daemons:
            daemon.signal(signal.SIGTERM)
        assert {daemon.wait_exit() for daemon in daemons} == {0}
        longest = max(longest, time.monotonic() - began)
    stand.daemon(config_of(stand)).start()
    messages = stand.wait_final(ids)
    check_all(stand, ids, accepted_by=stand.sandbox.ids("sandbox"))
    unknown = sum(m.get("error_code") == "outcome_unknown" for m in messages.values())
    figure(lost=0, exits=rounds * at_once, longest_s=f"{longest:.1f}", outcome_unknown=unknown)
    assert unknown == 0 and set(stand.sandbox.ids("sandbox").values()) == {1}


def test_two_daemons_of_different_minds(stand, figure):
    """One knows a sender, limits and batches that the other does not, and both die now and then."""
    stand.sandbox.faults([{"action": {"delay_ms": 5}}])
    mail, texts = stand.sender(retry=RETRY), stand.sender("texts", ["sms"], retry=RETRY)
    small = {"intake": {"batch": 3}, "claim": {"batch": 4}, "record": {"batch": 2}}
    lease = {"worker": {"lease": "1s", "in_flight": 8}, "redis": {"timeout": "900ms"}}
    configs = [stand.config([mail, texts], events="all", **lease),
               stand.config([mail | {"limits": {"concurrency": 4}}, texts], **small, **lease)]
    daemons = [stand.daemon(c).start() for c in configs]
    ids, rounds, held = [], times(4, 30), 0
    for n in range(rounds):
        ids += stand.push(*[envelope(body("a@example.com" if k % 3 else "+15550001"))
                            for k in range(60)])
        stand.sandbox.wait_accepted(len(ids) - 50, "sandbox")
        daemons[n % 2].kill()
        held += stand.redis.scard(stand.key("lease", daemons[n % 2].worker_ids()[-1]))
        daemons[n % 2].start()
    stand.wait_final(ids, timeout=60)
    for daemon in daemons:
        assert daemon.stop() == 0
    check_all(stand, ids, accepted_by=stand.sandbox.ids("sandbox"))
    extra = extra_sends(stand)
    figure(lost=0, kills=rounds, extra_sends=extra, bound=held)
    assert extra <= held
