"""Days as caps count them. The test travels in time: a build for tests lets it move the clock of the
scripts (`test_clock`, in seconds), by which the daemon goes too."""
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from support import envelope, wait_for

BERLIN = ZoneInfo("Europe/Berlin")


def go_to(stand, when):
    """Makes it that time, and tells the daemons to look."""
    seconds, _ = stand.redis.time()
    stand.redis.set(stand.key("test_clock"), round(when.timestamp()) - seconds)
    stand.redis.publish(stand.key("bell"), "travel")


class Traveller:
    """One sender with a cap, and more work than it may do."""

    def __init__(self, stand, day):
        self.stand = stand
        self.offset = None
        self.config = stand.config([stand.sender(limits={"day": day})])
        stand.push(*[envelope() for _ in range(60)])

    def start(self):
        return self.stand.daemon(self.config).start()

    def go(self, when):
        go_to(self.stand, when)

    def sent(self):
        return self.stand.sandbox.stats("sandbox")["accepted"]

    def expect(self, count):
        """That many were sent in all, and then the cap was seen by a worker of that time."""
        key = self.stand.key("sender", "mail")
        wait_for(lambda: self.sent() >= count, lambda: f"{count} sent: {self.sent()}")

        def capped():
            # The turn was taken since the last travel: it is in the (moved) future.
            turn = self.stand.redis.zscore(self.stand.key("turn"), "mail")
            shift = int(self.stand.redis.get(self.stand.key("test_clock")))
            return (turn and turn / 1e6 > self.stand.redis.time()[0] + shift
                    and self.stand.redis.hget(key, "state") == "day_cap")
        wait_for(capped, lambda: self.stand.redis.hgetall(key))
        assert self.sent() == count

    def until(self):
        return datetime.fromisoformat(self.stand.redis.hget(self.stand.key("sender", "mail"),
                                                            "until"))


@pytest.mark.parametrize("day, hours", [
    ((2027, 3, 28), 23),  # the clocks go forward
    ((2027, 6, 1), 24),
    ((2027, 10, 31), 25),  # ... and back
])
def test_a_calendar_day_ends_at_local_midnight(stand, figure, day, hours):
    traveller = Traveller(stand, "6/day calendar Europe/Berlin")
    midnight = datetime(*day, tzinfo=BERLIN)
    next_midnight = midnight.timestamp() + hours * 3600
    traveller.go(midnight - timedelta(seconds=60))
    traveller.start()
    traveller.expect(6)
    assert traveller.until() == midnight
    traveller.go(midnight + timedelta(seconds=1))
    traveller.expect(12)
    assert traveller.until().timestamp() == next_midnight
    traveller.go(datetime.fromtimestamp(next_midnight - 30, BERLIN))
    traveller.expect(12)
    traveller.go(datetime.fromtimestamp(next_midnight + 1, BERLIN))
    traveller.expect(18)
    figure(days=3, hours=hours, most_in_a_day=6, cap=6)


def test_a_rolling_day_has_24_hours(stand):
    """Conservative by one slot of a quarter of an hour at most; two daemons, and a restart."""
    traveller = Traveller(stand, "6/day rolling")
    start = datetime(2027, 5, 1, 10, 7, tzinfo=BERLIN)
    traveller.go(start)
    daemon = traveller.start()
    traveller.start()
    traveller.expect(6)
    assert start + timedelta(hours=24) <= traveller.until() <= start + timedelta(hours=24,
                                                                                 minutes=15)
    daemon.kill()
    traveller.start()
    traveller.go(start + timedelta(hours=23, minutes=59))
    traveller.expect(6)
    traveller.go(start + timedelta(hours=24, minutes=15))
    traveller.expect(12)
    traveller.go(start + timedelta(hours=47))
    traveller.expect(12)


def test_the_clock_of_redis_going_back_opens_no_day_again(stand):
    traveller = Traveller(stand, "6/day calendar Europe/Berlin")
    noon = datetime(2027, 5, 2, 12, tzinfo=BERLIN)
    traveller.go(noon)
    traveller.start()
    traveller.expect(6)
    traveller.go(noon - timedelta(hours=13))
    wait_for(lambda: stand.redis.zscore(stand.key("workers"),
                                        stand.daemons[0].worker_ids()[-1]), "a worker")
    stand.redis.zadd(stand.key("turn"), {"mail": 1})
    stand.redis.publish(stand.key("bell"), "look")
    wait_for(lambda: stand.redis.zscore(stand.key("turn"), "mail") > 1, "a look")
    assert traveller.sent() == 6
