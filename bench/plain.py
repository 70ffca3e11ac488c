"""Scenarios of single messages."""
import json
import subprocess
import time

from capture import Capture
from rig import RigError, wait_until
from stand import (BODY_BYTES, CLIENT_CPU, IN_FLIGHT, NS, SERVER_CPU, WARM_UP, beside_floor, cpu_seconds,
                   in_turns, job_body, median, percentile, used_memory)

FORMAT_MAX_US = 20


def scenario_single(bench, options):
    request, url_path = bench.capture_request()
    sink = bench.rig.nginx(cpu=SERVER_CPU)
    bench.start(sink.url)
    bench.run_counted(sink, WARM_UP)
    ours, floor = in_turns(bench, sink, options,
                           lambda: bench.run_floor(sink, request, url_path, options.n))
    latency = [ms for r in ours for ms in r["latency_ms"]]
    return {
        "n": options.n, "rounds": options.rounds, "aof": options.aof, "in_flight": IN_FLIGHT,
        **beside_floor(ours, floor),
        "redis_cpu_us": round(median(ours, "redis_us"), 2),
        "sendqd_rss_kib": max(r["rss_kib"] for r in ours),
        "floor_rss_kib": max(r["rss_kib"] for r in floor),
        "queue_to_sent_p50_ms": round(percentile(latency, 0.50), 1),
        "queue_to_sent_p99_ms": round(percentile(latency, 0.99), 1),
    }


def scenario_idle(bench, options):
    with Capture() as capture:
        bench.start(capture.url)
        latency = []
        for number in range(options.pushes):
            body = job_body(number)
            pushed = time.monotonic()
            bench.redis.lpush(f"{NS}:jobs", body)
            _, arrived = capture.next_request()
            latency.append((arrived - pushed) * 1000)
            wait_until(lambda n=number: sum(bench.final_counts()) == n + 1, "a push to be final")
        cpu = cpu_seconds(bench.sendqd.pid)
        time.sleep(options.idle_seconds)
        cpu = cpu_seconds(bench.sendqd.pid) - cpu
    return {
        "idle_seconds": options.idle_seconds, "idle_cpu_ms": round(cpu * 1000, 2),
        "idle_cpu_percent": round(cpu / options.idle_seconds * 100, 3),
        "pushes": options.pushes,
        "push_to_wire_p50_ms": round(percentile(latency, 0.50), 2),
        "push_to_wire_p99_ms": round(percentile(latency, 0.99), 2),
        "push_to_wire_max_ms": round(max(latency), 2),
    }


def key_bytes(bench, *name):
    """What Redis says of one key: its name, its entry and all that it holds."""
    return bench.redis.memory_usage(":".join((NS, *name)), samples=0) or 0


def scenario_memory(bench, options):
    """As Redis comes, and with small hashes packed as docs/redis.md asks for."""
    bench.start(bench.rig.nginx(cpu=SERVER_CPU).url)
    result = {"job_bytes": BODY_BYTES}
    for value, suffix in ((64, ""), (1024, "_packed")):
        bench.redis.config_set("hash-max-listpack-value", value)
        bench.redis.hset(f"{NS}:sender:bench-mail", "state", "paused")
        empty, sent = used_memory(bench), bench.final_counts()[0]
        bench.stage(options.n)
        result["raw" + suffix] = round((used_memory(bench) - empty) / options.n)
        bench.redis.rename(f"{NS}:staged", f"{NS}:jobs")
        wait_until(lambda: bench.redis.llen(f"{NS}:ready:bench-mail:2") == options.n,
                   "all to wait", 60 + options.n / 200)
        result["waiting" + suffix] = round((used_memory(bench) - empty) / options.n)
        # Not the first, whose job names an id, and so has a digest of its body too.
        one, events = bench.redis.lindex(f"{NS}:ready:bench-mail:2", 1), key_bytes(bench, "events")
        result["waiting_hash" + suffix] = key_bytes(bench, "message", one)
        result["waiting_content" + suffix] = key_bytes(bench, "content", one)
        result["waiting_queue" + suffix] = round(
            key_bytes(bench, "ready", "bench-mail", "2") / options.n)
        bench.rig.sendqctl("sender", "resume", "bench-mail")
        wait_until(lambda: bench.final_counts()[0] == sent + options.n, "all to be sent",
                   60 + options.n / 200)
        result["sent" + suffix] = round((used_memory(bench) - empty) / options.n)
        result["sent_hash" + suffix] = key_bytes(bench, "message", one)
        result["sent_event" + suffix] = round((key_bytes(bench, "events") - events) / options.n)
    return result


def scenario_formats(bench, _options):
    argv = ["taskset", "-c", str(CLIENT_CPU), str(bench.rig.bin / "bench_formats")]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=120, check=False)
    if done.returncode != 0:
        raise RigError(f"bench_formats: {done.stderr or done.stdout}")
    costs = json.loads(done.stdout)
    for name, cost in costs.items():
        if cost >= FORMAT_MAX_US:
            raise RigError(f"{name} is {cost}, {FORMAT_MAX_US} and more are too much")
    return {"body_bytes": BODY_BYTES} | costs | {"max_us": FORMAT_MAX_US}
