"""The daemon dies at each named point, before or after each script call and transfer, at its
first, second and third passing: after a restart nothing is lost, stuck, or counted twice."""
import json
import signal

import pytest
from invariants import check_all
from support import Stand, body, envelope, wait_for

POINTS = [f"{name}.{side}"
          for name in ("take", "accept", "claim", "start", "finish", "recover", "configure",
                       "transfer")
          for side in ("before", "after")]
IN_FLIGHT = 4


class Load:
    """A small mix of everything, pushed to one namespace; remembers what must become of it."""

    def __init__(self, stand):
        plain = [envelope(body(f"a{n}@example.com", contact_id="c"), reply_to=f"r{n}")
                 for n in range(10)]
        again = [envelope(body("again@example.com")) for _ in range(3)]
        refused = [envelope(body("bad@example.com"), reply_to="refused")]
        careful = [envelope(body(f"u{n}@example.com"), uncertain="fail") for n in range(4)]
        lost = [envelope(body("lost@example.com"), uncertain="fail")]
        later = [envelope(scheduled_at="2020-01-01T00:00:00Z")]
        keyed = [{"idempotency_key": "k", "body": body("key@example.com"), "reply_to": "keyed"}
                 for _ in range(3)]
        bad = ["{}", "not a job"]
        stand.push(plain[0], careful[0], keyed[0], bad[0], *plain[1:4], careful[1], keyed[1],
                   *again, *refused, *lost, *careful[2:], bad[1], *later, *plain[4:])
        stand.push(keyed[2], to="jobs:low")
        high = envelope(body("+15550001"))
        stand.push(high, to="jobs:high")
        everything = [*plain, *again, *refused, *careful, *lost, *later, high]
        self.ids = [j["id"] for j in everything]
        self.careful = {j["id"] for j in [*careful, *lost]}
        self.refused = refused[0]["id"]
        self.lost = lost[0]["id"]

    def check(self, stand, unrecorded):
        """unrecorded: how many messages the dead one had leased, and so perhaps sent. Returns how
        many were sent again."""
        stand.wait_final(self.ids)
        stand.wait_rejected(2)
        wait_for(lambda: len(stand.messages()) == len(self.ids) + 1,
                 lambda: f"the keyed message\n{stand.logs()}")
        (keyed,) = set(stand.messages()) - set(self.ids)
        stand.wait_final([keyed])
        ids = [*self.ids, keyed]
        accepted = {i: n for i, n in stand.sandbox.ids("sandbox").items() if i in ids}
        messages = check_all(stand, ids, rejected=2, accepted_by=accepted)
        self.check_outcomes(messages)
        self.check_replies(stand, keyed)
        return self.check_duplicates(accepted, unrecorded)

    def check_outcomes(self, messages):
        assert messages[self.refused]["error_code"] == "provider_error"
        for message_id, m in messages.items():
            if message_id in self.careful:
                assert m["status"] == "sent" or m["error_code"] == "outcome_unknown", m
            elif message_id != self.refused:
                assert m["status"] == "sent", m
        assert messages[self.lost]["error_code"] == "outcome_unknown"

    def check_replies(self, stand, keyed):
        for n in range(10):
            answers = stand.redis.lrange(stand.key("reply", f"r{n}"), 0, -1)
            assert [json.loads(a)["message_id"] for a in answers] == [self.ids[n]]
        answers = stand.redis.lrange(stand.key("reply", "keyed"), 0, -1)
        assert [json.loads(a)["message_id"] for a in answers] == [keyed] * 3

    def check_duplicates(self, accepted, unrecorded):
        extra = sum(n - 1 for n in accepted.values())
        assert extra <= unrecorded, accepted
        twice = {i: n for i, n in accepted.items() if n > 1 and i in self.careful}
        assert not twice, f"sent twice although that was forbidden: {twice}"
        return extra


def small_config(stand):
    """Small batches, so that a small load passes every point several times."""
    senders = [stand.sender(retry={"base": "1ms", "max": "10ms", "attempts": 20}),
               stand.sender("texts", ["sms"])]
    return stand.config(senders, events="all", worker={"lease": "1s", "in_flight": IN_FLIGHT},
                        redis={"timeout": "900ms"}, intake={"batch": 3},
                        claim={"batch": IN_FLIGHT}, record={"batch": 3})


def wait_for_the_crash(daemon, point):
    """Configuring happens at the start and on reloads alone: there it is asked for."""
    def has_ended():
        if point.startswith("configure") and daemon.running() \
                and daemon.notify.count("READY=1") > daemon.notify.count("RELOADING=1"):
            daemon.signal(signal.SIGHUP)
            wait_for(lambda: not daemon.running()
                     or daemon.notify.count("READY=1") > daemon.notify.count("RELOADING=1"),
                     "the reload ends")
        return not daemon.running()

    wait_for(has_ended, lambda: f"{point} is not passed\n{daemon.log()}", timeout=15)
    assert daemon.wait_exit() == -signal.SIGKILL, daemon.log()


def leased(stand):
    return sum(stand.redis.scard(key) for key in stand.redis.scan_iter(stand.key("lease", "*")))


@pytest.mark.parametrize("point", POINTS)
def test_crash_at(stand, figure, point):
    stand.sandbox.faults([
        {"match": {"recipient": "again@*"}, "every": 2, "action": {"status": 503}},
        {"match": {"recipient": "bad@*"}, "action": {"status": 400}},
        {"match": {"recipient": "lost@*"}, "action": {"kind": "reset"}}])
    stands = [Stand(stand.directory, stand.server, stand.sandbox, f"n{n}") for n in (1, 2, 3)]
    try:
        loads = [Load(s) for s in stands]
        for n, s in enumerate(stands, 1):
            s.daemon(small_config(s), {"SENDQ_CRASH": f"{point}:{n}"}).start(ready=False)
        unrecorded = []
        for s in stands:
            wait_for_the_crash(s.daemons[0], point)
            unrecorded.append(leased(s))
            s.daemon(small_config(s)).start()
        extra = sum(load.check(s, n) for s, load, n in zip(stands, loads, unrecorded))
        figure(lost=0, deaths=3, extra_sends=extra, bound=sum(unrecorded))
    finally:
        for s in stands:
            s.close()


@pytest.mark.parametrize("point", ["accept.after", "claim.after", "transfer.after",
                                   "finish.before", "finish.after", "start.after"])
def test_crash_in_the_middle_of_the_load(stand, figure, point):
    """The daemon was up and idle before; another one, not itself, takes over."""
    stand.sandbox.faults([
        {"match": {"recipient": "again@*"}, "every": 2, "action": {"status": 503}},
        {"match": {"recipient": "bad@*"}, "action": {"status": 400}},
        {"match": {"recipient": "lost@*"}, "action": {"kind": "reset"}}])
    doomed = stand.daemon(small_config(stand), {"SENDQ_CRASH": f"{point}:2"}).start()
    load = Load(stand)
    wait_for_the_crash(doomed, point)
    unrecorded = leased(stand)
    stand.daemon(small_config(stand)).start()
    figure(lost=0, deaths=1, extra_sends=load.check(stand, unrecorded), bound=unrecorded)


def test_each_restart_crashes_again(stand):
    """It dies at every start until it gets further: a message's attempts are not eternal."""
    stand.sandbox.faults([{"match": {"recipient": "lost@*"}, "action": {"kind": "reset"}},
                          {"match": {"recipient": "bad@*"}, "action": {"status": 400}}])
    load = Load(stand)
    for point in ("take.after", "accept.before", "claim.after", "transfer.before",
                  "transfer.after", "finish.before", "finish.after"):
        daemon = stand.daemon(small_config(stand), {"SENDQ_CRASH": f"{point}:1"})
        daemon.start(ready=False)
        wait_for_the_crash(daemon, point)
    stand.daemon(small_config(stand)).start()
    stand.wait_final(load.ids)
    check_all(stand, stand.messages(), rejected=2)


def die_with_what_it_took(stand, times):
    for _ in range(times):
        daemon = stand.daemon(small_config(stand), {"SENDQ_CRASH": "accept.before:1"})
        wait_for_the_crash(daemon.start(ready=False), "accept.before")


def test_a_job_that_workers_die_with(stand, figure):
    """Refused with its raw bytes, so that it does not end every worker for ever."""
    raw = json.dumps(envelope(), ensure_ascii=False).encode()
    stand.push(raw)
    die_with_what_it_took(stand, 5)
    stand.daemon(small_config(stand)).start()
    (entry,) = stand.wait_rejected(1)
    assert (entry["raw"], entry["error_code"]) == (raw, "validation_error")
    assert "5 workers died" in entry["error_message"]
    (message_id,) = stand.push(envelope())
    stand.wait_final([message_id])
    assert stand.redis.hlen(stand.key("suspects")) == 0
    figure(lost=0, deaths=5, refused=1)


def test_jobs_beside_one_that_workers_die_with(stand, figure):
    """Three in a batch, four deaths: each is taken alone then, and none is refused."""
    ids = stand.push(envelope(), envelope(), envelope())
    die_with_what_it_took(stand, 2)
    assert {int(n) for n in stand.redis.hvals(stand.key("suspects"))} <= {1, 2}
    die_with_what_it_took(stand, 2)
    stand.daemon(small_config(stand)).start()
    stand.wait_final(ids)
    assert not stand.rejected()
    deaths = sorted(int(n) for n in stand.redis.hvals(stand.key("suspects")))
    assert sum(deaths) == 8, "one alone met each of the third and fourth death"
    figure(lost=0, deaths=4, refused=0)
