"""The daemon's own host: clocks that jump, memory that runs out at any allocation, signals without
end, few descriptors, and another daemon that is configured otherwise."""
import pathlib
import random
import signal

import pytest
from invariants import check_all
from scale import times
from support import body, envelope, wait_for

RETRY = {"base": "5ms", "max": "100ms", "attempts": 50}
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


def config_of(stand, **settings):
    return stand.config([stand.sender(retry=RETRY)],
                        **{"worker": {"lease": "1s", "in_flight": 8},
                           "redis": {"timeout": "900ms"}} | settings)


def most_in_a_second(stand):
    at = sorted(r["time_us"] for r in stand.sandbox.requests("sandbox", compact=True))
    return max(sum(1 for t in at[i:i + 200] if t - at[i] < 1000000) for i in range(len(at)))


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
    most = most_in_a_second(stand)
    figure(lost=0, steps=len(steps), most_in_1_s=most, cap=rate,
           extra_sends=sum(n - 1 for n in stand.sandbox.ids("sandbox").values()))
    # A step may let what was granted before it fall together with what is granted after it, once.
    assert most <= rate + 20
    assert set(stand.sandbox.ids("sandbox").values()) == {1}


def test_daemon_clock_steps(stand, tmp_path, figure):
    """Its wall clock alone jumps: it decides by Redis' clock and by one that only grows."""
    if not pathlib.Path(FAKETIME).exists():
        pytest.skip("libfaketime is not installed")
    clock = tmp_path / "clock"
    clock.write_text("+0")
    env = {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
           "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
           "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"}
    daemon = stand.daemon(config_of(stand), env).start()
    ids, steps = [], ["+3600s", "-3600s", "+1s", "-1s", "+0"] * times(1, 4)
    for step in steps:
        ids += stand.push(*[envelope() for _ in range(30)])
        stand.sandbox.wait_accepted(len(ids) - 20, "sandbox")
        clock.write_text(step)
    stand.wait_final(ids)
    assert daemon.stop() == 0
    check_all(stand, ids, accepted_by=stand.sandbox.ids("sandbox"))
    figure(lost=0, steps=len(steps),
           extra_sends=sum(n - 1 for n in stand.sandbox.ids("sandbox").values()))
    assert set(stand.sandbox.ids("sandbox").values()) == {1}


def test_every_nth_allocation_fails(stand, figure):
    """From the start to the last record: the process ends as by kill -9, or gives up that one
    thing; the next one finds all."""
    stand.sandbox.faults([{"match": {"recipient": "bad@*"}, "action": {"status": 400}}])
    n, died, lived, ids = 1, 0, 0, []
    step = times(1.9, 1.06)
    while n < 30000:
        ids += stand.push(envelope(), envelope(body("bad@example.com")),
                          envelope(body("a@example.com", contact_id="c")))
        daemon = stand.daemon(config_of(stand), {"SENDQ_CRASH": f"alloc:{n}"})
        daemon.start(ready=False)
        wait_for(lambda: not daemon.running() or stand.status(ids[-1]) in ("sent", "failed"),
                 lambda: daemon.log())
        if not daemon.running():
            assert daemon.wait_exit() in (-signal.SIGABRT, 1), daemon.log()
            died += 1
        else:
            daemon.kill()
            lived += 1
        n = int(n * step) + 1
    stand.daemon(config_of(stand)).start()
    stand.wait_final(ids, timeout=60)
    assert not stand.rejected(), stand.rejected()
    check_all(stand, ids, accepted_by=stand.sandbox.ids("sandbox"))
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
    figure(lost=0, signals=sent + 21, extra_sends=sum(
        n - 1 for n in stand.sandbox.ids("sandbox").values()))
    assert set(stand.sandbox.ids("sandbox").values()) == {1}


def test_sigterm_again_and_again_under_load(stand, figure):
    """Nothing is ambiguous after an orderly exit."""
    stand.sandbox.faults([{"action": {"delay_ms": 10}}])
    ids, exits = [], times(4, 60)
    for _ in range(exits):
        ids += stand.push(*[envelope(uncertain="fail") for _ in range(30)])
        daemon = stand.daemon(config_of(stand)).start()
        stand.sandbox.wait_accepted(max(1, len(ids) - 25), "sandbox")
        assert daemon.stop() == 0
    stand.daemon(config_of(stand)).start()
    messages = stand.wait_final(ids)
    check_all(stand, ids, accepted_by=stand.sandbox.ids("sandbox"))
    unknown = sum(m.get("error_code") == "outcome_unknown" for m in messages.values())
    figure(lost=0, exits=exits, outcome_unknown=unknown)
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
    extra = sum(n - 1 for n in stand.sandbox.ids("sandbox").values())
    figure(lost=0, kills=rounds, extra_sends=extra, bound=held)
    assert extra <= held
