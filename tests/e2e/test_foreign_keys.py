"""Somebody made another type of a key that only some of the work needs: the daemon says which one it
is, goes on with everything else, and with what was held up once the key is mended."""
import pytest
from fsck import check_clean, run_fsck
from support import envelope, wait_for
from test_limits_explain import ctl


def overwrite(stand, key):
    if stand.redis.exists(key):
        stand.redis.rename(key, "aside")
    stand.redis.set(key, "oops")


def put_back(stand, key):
    stand.redis.delete(key)
    if stand.redis.exists("aside"):
        stand.redis.rename("aside", key)


def start(stand):
    limits = {"rate": "1000/s burst 1", "concurrency": 5, "day": "100000/day calendar UTC"}
    return stand.start([stand.sender(limits=limits), stand.sender("other", default=False)],
                       limits={"concurrency": 4})


def complaint(stand, daemon, key):
    """Said once, by name, however often it is met."""
    def lines():
        return [line for line in daemon.log_lines("level=error event=redis") if f"{key} is a " in line]
    wait_for(lines, stand.logs)
    times = [line.split()[0] for line in lines()]
    assert len({t[:18] for t in times}) == len(times), times


def one_minute_later(stand):
    """What could not be put into its queue is tried again then."""
    stand.redis.set(stand.key("test_clock"), 61)


def send_all(stand, ids):
    messages = stand.wait_final(ids)
    assert {m["status"] for m in messages.values()} == {"sent"}
    assert {i: stand.sandbox.ids("sandbox")[i] for i in ids} == dict.fromkeys(ids, 1)
    wait_for(lambda: not stand.redis.exists(stand.key("turn")), "idle")
    check_clean(stand)


@pytest.mark.parametrize("name, holds_up", [
    ("ready mail 2", [{}]), ("ready mail 2/acme", [{"tenant": "acme"}]),
    ("lanes mail 2", [{"tenant": "acme"}, {"tenant": "bolt"}]),
    ("sender mail", [{}, {"tenant": "acme"}]), ("bucket sender:mail", [{}, {"tenant": "acme"}]),
    ("waiters global", [])])
def test_only_what_needs_it_waits(stand, name, holds_up):
    daemon = start(stand)
    stand.wait_final(stand.push(envelope(), envelope(tenant="acme"), envelope(sender="other")))
    key = stand.key(*name.split())
    overwrite(stand, key)
    held = stand.push(*[envelope(**job) for job in holds_up])
    whole_sender = name.startswith(("sender", "bucket"))
    free = stand.push(*[envelope(sender="other", priority="HIGH") for _ in range(50)],
                      *[envelope(priority="HIGH") for _ in range(0 if whole_sender else 50)])
    stand.wait_final(free)
    if holds_up:
        if name in ("ready mail 2/acme", "lanes mail 2"):
            one_minute_later(stand)  # nobody but these messages asks for it
        complaint(stand, daemon, key)
        assert {stand.status(i) for i in held} <= {"queued", "scheduled"}
    put_back(stand, key)
    stand.redis.set(stand.key("test_clock"), 130)
    stand.redis.publish(stand.key("bell"), "now")
    send_all(stand, held + free)


@pytest.mark.parametrize("repair", [False, True])
def test_what_waits_in_lanes_stays(stand, repair):
    """They are put back; or deleted, which leaves it to fsck to find the lanes again."""
    daemon = start(stand)
    ctl(stand, "sender", "pause", "mail")
    held = stand.push(*[envelope(tenant=f"t{n % 3}") for n in range(30)])
    wait_for(lambda: stand.redis.hget(stand.key("sender", "mail"), "_in_lanes") == "30", stand.logs)
    key = stand.key("lanes", "mail", "2")
    overwrite(stand, key)
    ctl(stand, "sender", "resume", "mail")
    complaint(stand, daemon, key)
    free = stand.push(envelope(), envelope(priority="HIGH", tenant="t1"), envelope(sender="other"))
    stand.wait_final(free)
    assert {stand.status(i) for i in held} == {"queued"}
    stand.redis.delete(key)
    if repair:
        stand.redis.delete("aside")
        assert {f["kind"] for f in run_fsck(stand, "--repair")[1] if f["repaired"]} >= {"no_turn"}
    else:
        stand.redis.rename("aside", key)
    send_all(stand, held + free)


def test_the_others_get_their_limits(stand):
    """One sender's key cannot be written: the next one's can, and a reload is not lost."""
    daemon = stand.daemon(stand.config([stand.sender("first"), stand.sender("last", default=False)]))
    key = stand.key("sender", "first")
    stand.redis.set(key, "oops")
    daemon.start()
    complaint(stand, daemon, key)
    stand.wait_final(stand.push(envelope(sender="last")))
    held = stand.push(envelope(sender="first"))
    stand.redis.delete(key)
    send_all(stand, held)
