"""What producers do to each other: one job from many at once, a tenant who pushes for fifty."""
import collections
import json
import threading

import redis
from admin_client import Admin
from invariants import check_all
from scale import times
from support import body, envelope, wait_for
from test_limits_explain import ctl
from test_limits_fairness import accepted, waiting


def duplicates(admins):
    return sum(a.metrics()['sendq_jobs_total{result="duplicate"}'] for a in admins)


def push_by_threads(stand, raw, producers, each):
    def push():
        client = redis.Redis(unix_socket_path=str(stand.server.path))
        for _ in range(each):
            client.lpush(stand.key("jobs"), raw)

    threads = [threading.Thread(target=push) for _ in range(producers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_the_same_job_from_eight_producers(stand, figure):
    """Two workers take it a hundred times: it is sent once, and the others are counted."""
    stand.sandbox.faults([{"action": {"delay_ms": 20}}])
    admins = [Admin(stand.start(intake={"batch": 7}, admin={"listen": "127.0.0.1:0"}))
              for _ in range(2)]
    jobs = [envelope() for _ in range(times(2, 20))]
    for job in jobs:
        before = duplicates(admins)
        push_by_threads(stand, json.dumps(job), 8, 12)
        stand.push(*[job] * 4)
        wait_for(lambda n=before: duplicates(admins) - n == 99,
                 lambda n=before: f"{duplicates(admins) - n}\n{stand.logs()}")
    ids = [job["id"] for job in jobs]
    stand.wait_final(ids)
    sends = stand.sandbox.ids("sandbox")
    assert sends == {i: 1 for i in ids}
    check_all(stand, ids)
    figure(lost=0, jobs=len(jobs), pushes=100 * len(jobs), sends=sum(sends.values()),
           duplicates_counted=int(duplicates(admins)))


def test_a_noisy_tenant_and_fifty_others(stand, figure):
    """One of them has as many messages as all the others together, and was there first: each gets
    its share of what is sent, while it has any."""
    tenants, each = 50, 25
    stand.start([stand.sender(limits={"rate": "500/s"})])
    ctl(stand, "sender", "pause", "mail")
    noisy = times(700, 20000)
    stand.push(*[envelope(body("noisy@example.com"), tenant="noisy") for _ in range(noisy)])
    stand.push(*[envelope(body(f"t{n}@example.com"), tenant=f"t{n}")
                 for _ in range(each) for n in range(tenants)])
    count = noisy + tenants * each
    wait_for(lambda: waiting(stand) == count, lambda: waiting(stand), timeout=120)
    ctl(stand, "sender", "resume", "mail")
    turns = 20
    stand.sandbox.wait_accepted((tenants + 1) * turns, "sandbox", timeout=60)
    got = collections.Counter(accepted(stand)[:(tenants + 1) * turns])
    stand.sandbox.wait_accepted(count, "sandbox", timeout=120)
    wait_for(lambda: not stand.redis.exists(stand.key("turn")), "idle")
    check_all(stand, stand.messages(), accepted_by=stand.sandbox.ids("sandbox"))
    least = min(got[f"t{n}@example.com"] for n in range(tenants))
    figure(lost=0, tenants=tenants, waiting=count, fair_share=turns, least_of_a_quiet_one=least,
           noisy_one=got["noisy@example.com"])
    assert least >= 0.9 * turns
