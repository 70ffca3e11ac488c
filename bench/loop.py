"""sendqd beside the minimal loop without features (floor_loop): claim, POST, complete."""
import json
import statistics
import subprocess

from rig import RigError
from stand import CLIENT_CPU, IN_FLIGHT, SERVER_CPU, WARM_UP, in_turns, job_body, median

PREFIX = "loop:"


def run_loop(bench, sink, request, url_path, count):
    """As Bench.run_counted, by the loop: its jobs are there before it starts."""
    for start in range(0, count + IN_FLIGHT, 1000):
        bench.redis.lpush(f"{PREFIX}jobs", *[
            job_body(n) for n in range(start, min(start + 1000, count + IN_FLIGHT))])
    before, redis_cpu = sink.requests(), bench.redis_cpu()
    argv = ["taskset", "-c", CLIENT_CPU, bench.rig.bin / "floor_loop", bench.rig.dir / "redis.sock",
            PREFIX, sink.url + url_path, request, count, IN_FLIGHT, 202]
    done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=60 + count / 200, check=False)
    redis_cpu = bench.redis_cpu() - redis_cpu
    if done.returncode != 0:
        raise RigError(f"floor_loop: {done.stderr or done.stdout}")
    result = json.loads(done.stdout)
    arrived = sink.requests() - before
    if arrived != count + IN_FLIGHT or bench.redis.exists(f"{PREFIX}jobs", f"{PREFIX}leases"):
        raise RigError(f"floor_loop had {count + IN_FLIGHT} jobs, the sink got {arrived} requests")
    return {"rate": count / result["seconds"], "cpu_us": result["cpu_seconds"] / count * 1e6,
            "redis_us": redis_cpu / (count + IN_FLIGHT) * 1e6}


def scenario_loop(bench, options):
    request, url_path = bench.capture_request()
    sink = bench.rig.nginx(cpu=SERVER_CPU)
    bench.start(sink.url)
    bench.run_counted(sink, WARM_UP)
    ours, loop = in_turns(bench, sink, options,
                          lambda: run_loop(bench, sink, request, url_path, options.n))
    result = {"n": options.n, "rounds": options.rounds, "aof": options.aof, "in_flight": IN_FLIGHT}
    for name, rounds in (("sendqd", ours), ("loop", loop)):
        result[f"{name}_per_s"] = round(median(rounds, "rate"))
        result[f"{name}_cpu_us"] = round(median(rounds, "cpu_us"), 2)
        result[f"redis_cpu_us_of_{name}"] = round(median(rounds, "redis_us"), 2)
    ratios = [o["rate"] / f["rate"] for o, f in zip(ours, loop)]
    return result | {"rate_ratio": round(statistics.median(ratios), 3)}
