"""What many senders cost: as many as have something to send, and as many as have to wait."""
import contextlib
import json
import statistics
import time

from rig import Rig, RigError, wait_until
from stand import NS, SERVER_CPU, WARM_UP, Bench, job_body, median

CROWDS = (1, 10, 100, 1000, 10000)
BUSY_SENDERS, CAPPED_SENDERS = 10, 9990
LIMITS_MAX_GROWTH = 1.2


def sender_yaml(name, endpoint, limits=""):
    return (f"  - {{ id: {name}, provider: sandbox, channels: [email], "
            f"from: {{ address: a@b.example }}, endpoint: \"{endpoint}/sandbox\"{limits} }}\n")


def cap_senders(bench, names):
    """Two jobs for each of these, of which their caps let one go: the others wait."""
    for start in range(0, len(names), 500):
        bench.redis.lpush(f"{NS}:jobs", *[
            json.dumps({"sender": name, "body": json.loads(job_body(0))})
            for name in names[start:start + 500] for _ in range(2)])
    wait_until(lambda: bench.final_counts()[0] == len(names), "a message of each", timeout=300)
    # Their turns have come and gone: nobody looks at them before tomorrow.
    wait_until(lambda: bench.redis.zcount(f"{NS}:turn", time.time() * 1e6 + 1e6, "+inf")
               == len(names), "all to be over their caps", timeout=300)


def scenario_limits(bench, options):
    """The same work for the same ten senders, on a Redis without and on one with the others."""
    with Rig(options.build) as rig:
        return compare_crowd(bench, Bench(rig, options), options)


def compare_crowd(bench, crowd, options):
    sink = bench.rig.nginx(cpu=SERVER_CPU)
    busy = [f"busy{n}" for n in range(BUSY_SENDERS - 1)]
    capped = [f"capped{n}" for n in range(CAPPED_SENDERS)]
    ten = "".join(sender_yaml(name, sink.url) for name in busy)
    bench.start(sink.url, ten)
    crowd.start(sink.url, ten + "".join(
        sender_yaml(name, sink.url, ", limits: { day: 1/day }") for name in capped))
    busy.append("bench-mail")
    cap_senders(crowd, capped)
    stands = ((bench, []), (crowd, []))
    for stand, _ in stands:
        stand.run_jobs(WARM_UP, busy)
    for _ in range(options.rounds):
        for stand, rounds in stands:
            rounds.append(stand.run_jobs(options.n, busy))
    few, many = (rounds for _, rounds in stands)
    result = {"n": options.n, "rounds": options.rounds, "aof": options.aof}
    for key in ("cpu_us", "redis_us", "rate"):
        result[f"{key}_10"] = round(median(few, key), 2)
        result[f"{key}_10000"] = round(median(many, key), 2)
    growth = statistics.median(m["redis_us"] / f["redis_us"] for m, f in zip(many, few))
    if growth >= LIMITS_MAX_GROWTH:
        raise RigError(f"9,990 capped senders make a message cost {growth:.2f} times as much")
    return result | {"redis_us_growth": round(growth, 3)}


def scenario_senders(bench, options):
    """As many messages by 1 sender, by 10, ... each of which has its share of them."""
    with contextlib.ExitStack() as stack:
        sink = bench.rig.nginx(cpu=SERVER_CPU)
        stands = []
        for count in CROWDS:
            stand = bench if count == 1 else Bench(stack.enter_context(Rig(options.build)), options)
            names = [f"sender{n}" for n in range(count - 1)]
            stand.start(sink.url, "".join(sender_yaml(name, sink.url) for name in names))
            stands.append((stand, ["bench-mail", *names], []))
        for _ in range(options.rounds + 1):
            for stand, names, rounds in stands:
                rounds.append(stand.run_jobs(options.n, names))
    result = {"n": options.n, "rounds": options.rounds, "aof": options.aof}
    alone = stands[0][2][1:]  # the first rounds warm up
    for count, (_, _, rounds) in zip(CROWDS, stands):
        for key in ("cpu_us", "redis_us"):
            result[f"{key}_{count}"] = round(median(rounds[1:], key), 2)
            growth = statistics.median(m[key] / f[key] for m, f in zip(rounds[1:], alone))
            result[f"{key}_growth_{count}"] = round(growth, 3)
    return result
