"""Measures sendqd against the bare HTTP loop (floor_curl) on this machine.

  single  N e-mail jobs: messages/s, CPU per message of sendqd and Redis, beside the bare loop
  queue   cost per message with N and with 10 N jobs waiting
  idle    CPU of an idle sendqd, and how fast a job leaves an idle one
  bulk    one bulk to N leads by filter: rate, memory of sendqd, bytes and CPU of Redis per recipient
  filter  leads that a filter is asked about per second, without reading them
  limits  cost per message of 10 senders, alone and beside 9,990 that have work and are over their cap
  memory  Redis' bytes per job in its list, per message that waits, and per message that was sent
  formats CPU of parsing, checking and answering a 600-byte job of each format, in process

sendqd and floor_curl run on CPU 0, nginx, Redis and this program on CPU 1. Machines get faster and
slower by the minute: only rates of one interleaved run may be compared, so ratios are what counts.
Prints a table for people and, last, one JSON line. Exits 1 when a message is lost or repeated,
or when a format, or a sender's company, costs more than its bound."""
import argparse
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools"))
from capture import Capture  # noqa: E402
from rig import Rig, RigError, wait_until  # noqa: E402

NS = "bench"
CLIENT_CPU, SERVER_CPU = 0, 1
IN_FLIGHT = 64
BODY_BYTES = 600
WARM_UP = 500
SAMPLES = 500
FORMAT_MAX_US = 20
BUSY_SENDERS, CAPPED_SENDERS = 10, 9990
LIMITS_MAX_GROWTH = 1.2

CONFIG = """
namespace: {ns}
redis: {{ url: "{redis_url}" }}
admin: {{ listen: "" }}
worker: {{ in_flight: {in_flight} }}
senders:
  - id: bench-mail
    provider: sandbox
    channels: [email]
    default: true
    from: {{ address: bench@example.com, name: Bench }}
    endpoint: "{endpoint}/sandbox"
"""


def job_body(number):
    """A messaging e-mail of exactly BODY_BYTES bytes."""
    def text(content):
        return json.dumps({"message_data": {
            "recipient": f"user{number:08d}@example.com", "subject": "Your order has shipped",
            "content": content, "sender_name": "Acme Support Team"},
            "message_type": "TRANSACTIONAL", "priority": "NORMAL"})
    return text("x" * (BODY_BYTES - len(text(""))))


def cpu_seconds(pid):
    """CPU time of all threads, in the kernel's own nanoseconds."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(int((t / "schedstat").read_text().split()[0]) for t in tasks) / 1e9


def resident_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def milliseconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000


class Bench:
    def __init__(self, rig, options):
        self.rig = rig
        self.options = options
        self.redis_url, self.redis = rig.redis(aof=options.aof, cpu=SERVER_CPU)
        self.first_day = datetime.datetime.now(datetime.timezone.utc).date()
        self.sendqd = None

    def start(self, endpoint, senders=""):
        self.sendqd = self.rig.sendqd(CONFIG.format(
            ns=NS, redis_url=self.redis_url, endpoint=endpoint, in_flight=IN_FLIGHT) + senders,
            cpu=CLIENT_CPU)

    def final_counts(self):
        """(sent, failed) over all days this run has seen."""
        sent = failed = 0
        today = datetime.datetime.now(datetime.timezone.utc).date()
        for day in {self.first_day, today}:
            for field, count in self.redis.hgetall(f"{NS}:stats:{day}").items():
                if field.startswith("provider:"):
                    sent += int(count) if field.endswith(":sent") else 0
                    failed += int(count) if field.endswith(":failed") else 0
        return sent, failed

    def redis_cpu(self):
        info = self.redis.info("cpu")
        return info["used_cpu_user"] + info["used_cpu_sys"]

    def stage(self, count, senders=None):
        """Prepares a list of jobs beside the daemon's, for these senders in turn or the default
        one; returns the ids of the sampled ones."""
        ids, jobs = [], []
        every = max(1, count // SAMPLES)
        for number in range(count):
            body = job_body(number)
            if senders or number % every == 0:
                sender = f'"sender": "{senders[number % len(senders)]}", ' if senders else ""
                named = str(uuid.uuid4())
                body = f'{{"id": "{named}", {sender}"body": {body}}}'
            if number % every == 0:
                ids.append(named)
            jobs.append(body)
            if len(jobs) == 1000 or number == count - 1:
                self.redis.lpush(f"{NS}:staged", *jobs)
                jobs = []
        return ids

    def run_jobs(self, count, senders=None):
        """Lets `count` staged jobs appear at once, waits until all are sent; what it cost."""
        ids = self.stage(count, senders)
        before, failed_before = self.final_counts()

        def all_final():
            self.rig.running("sendqd", self.sendqd)
            sent, failed = self.final_counts()
            if failed > failed_before or self.redis.xlen(f"{NS}:rejected"):
                raise RigError(f"{failed - failed_before} messages failed, "
                               f"{self.redis.xlen(f'{NS}:rejected')} jobs rejected")
            return sent - before >= count

        redis_cpu, cpu, wall = self.redis_cpu(), cpu_seconds(self.sendqd.pid), time.monotonic()
        self.redis.rename(f"{NS}:staged", f"{NS}:jobs")
        wait_until(all_final, f"{count} messages to be sent", timeout=60 + count / 200)
        wall = time.monotonic() - wall
        cpu = cpu_seconds(self.sendqd.pid) - cpu
        redis_cpu = self.redis_cpu() - redis_cpu
        sent = self.final_counts()[0] - before
        if sent != count:
            raise RigError(f"{count} jobs, but {sent} counted as sent")
        return {"rate": count / wall, "cpu_us": cpu / count * 1e6,
                "redis_us": redis_cpu / count * 1e6, "rss_kib": resident_kib(self.sendqd.pid),
                "latency_ms": self.latencies(ids)}

    def latencies(self, ids):
        pipe = self.redis.pipeline(transaction=False)
        for message_id in ids:
            pipe.hmget(f"{NS}:message:{message_id}", "status", "queued_at", "sent_at")
        found = []
        for message_id, (status, queued, sent) in zip(ids, pipe.execute()):
            if status != "sent":
                raise RigError(f"message {message_id} is '{status}', not sent")
            found.append(milliseconds(sent) - milliseconds(queued))
        return found

    def capture_request(self):
        """The request that one job becomes on the wire: the floor sends the very same."""
        with Capture() as capture:
            self.start(capture.url)
            self.redis.lpush(f"{NS}:jobs", job_body(0))
            raw, _ = capture.next_request()
            wait_until(lambda: sum(self.final_counts()) == 1, "the captured message to be final")
            self.rig.stop(self.sendqd)
        path = self.rig.dir / "request.http"
        path.write_bytes(raw)
        return path, raw.split(b" ", 2)[1].decode()

    def run_floor(self, sink, request, url_path, count):
        before = sink.requests()
        argv = ["taskset", "-c", str(CLIENT_CPU), str(self.rig.bin / "floor_curl"),
                sink.url + url_path, str(request), str(count), str(IN_FLIGHT), "202"]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60 + count / 200, check=False)
        if done.returncode != 0:
            raise RigError(f"floor_curl: {done.stderr or done.stdout}")
        result = json.loads(done.stdout)
        arrived = sink.requests() - before - result["warm_up"]
        if arrived != count:
            raise RigError(f"floor_curl sent {count}, the sink got {arrived}")
        return {"rate": count / result["seconds"],
                "cpu_us": result["cpu_seconds"] / count * 1e6, "rss_kib": result["rss_kib"]}

    def run_counted(self, sink, count):
        before = sink.requests()
        result = self.run_jobs(count)
        arrived = sink.requests() - before
        if arrived != count:
            raise RigError(f"{count} jobs, but the sink got {arrived} requests")
        return result


def median(rounds, key):
    return statistics.median(r[key] for r in rounds)


def scenario_single(bench, options):
    request, url_path = bench.capture_request()
    sink = bench.rig.nginx(cpu=SERVER_CPU)
    bench.start(sink.url)
    bench.run_counted(sink, WARM_UP)
    floor, ours = [], []
    for _ in range(options.rounds):
        floor.append(bench.run_floor(sink, request, url_path, options.n))
        ours.append(bench.run_counted(sink, options.n))
    latency = [ms for r in ours for ms in r["latency_ms"]]
    return {
        "n": options.n, "rounds": options.rounds, "aof": options.aof, "in_flight": IN_FLIGHT,
        "messages_per_s": round(median(ours, "rate")),
        "floor_per_s": round(median(floor, "rate")),
        "sendqd_cpu_us": round(median(ours, "cpu_us"), 2),
        "floor_cpu_us": round(median(floor, "cpu_us"), 2),
        "ratio": round(statistics.median(o["cpu_us"] / f["cpu_us"]
                                         for o, f in zip(ours, floor)), 3),
        "redis_cpu_us": round(median(ours, "redis_us"), 2),
        "sendqd_rss_kib": max(r["rss_kib"] for r in ours),
        "floor_rss_kib": max(r["rss_kib"] for r in floor),
        "queue_to_sent_p50_ms": round(percentile(latency, 0.50), 1),
        "queue_to_sent_p99_ms": round(percentile(latency, 0.99), 1),
    }


def scenario_queue(bench, options):
    sink = bench.rig.nginx(cpu=SERVER_CPU)
    bench.start(sink.url)
    bench.run_counted(sink, WARM_UP)
    short, long = [], []
    for _ in range(options.rounds):
        # As many messages in all on both sides, so that both see the same weather.
        short += [bench.run_counted(sink, options.n) for _ in range(2)]
        long.append(bench.run_counted(sink, options.n * 10))
    result = {"n": options.n, "rounds": options.rounds, "aof": options.aof}
    for key in ("cpu_us", "redis_us"):
        result[f"{key}_n"] = round(median(short, key), 2)
        result[f"{key}_10n"] = round(median(long, key), 2)
        result[f"{key}_growth"] = round(median(long, key) / median(short, key), 3)
    return result


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
    # Their 10,000 counters would be read with each look at how far a round is: not what is measured.
    for day in bench.redis.scan_iter(f"{NS}:stats:*"):
        bench.redis.delete(day)


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


def store_leads(bench, count):
    """A directory whose leads have a dozen fields."""
    for first in range(0, count, 5000):
        pipe = bench.redis.pipeline(transaction=False)
        ids = [str(uuid.UUID(int=n + (4 << 76) + (8 << 62)))
               for n in range(first, min(first + 5000, count))]
        for n, lead_id in enumerate(ids, first):
            pipe.hset(f"{NS}:lead:{lead_id}", mapping={
                "first_name": f"First{n % 977}", "last_name": f"Last{n % 1999}",
                "email": f"user{n:08d}@example.com", "phone": f"+1415{n:07d}",
                "company": f"Company {n % 100}", "tags": '["Import 10/05/25","vip"]',
                "assigned_to": f"user-{n % 50}", "score": n % 100})
        pipe.sadd(f"{NS}:leads", *ids)
        pipe.execute()


def directory_cost(bench, reads):
    """Redis' CPU seconds for reading `reads` leads and nothing else, as sendqd reads them."""
    ids = bench.redis.srandmember(f"{NS}:leads", 20000)
    cpu = bench.redis_cpu()
    for first in range(0, len(ids), 500):
        pipe = bench.redis.pipeline(transaction=False)
        for lead_id in ids[first:first + 500]:
            pipe.hgetall(f"{NS}:lead:{lead_id}")
        pipe.execute()
    return (bench.redis_cpu() - cpu) / len(ids) * reads


def used_memory(bench):
    return bench.redis.info("memory")["used_memory"]


def bulk_job(bulk_id):
    return json.dumps({"id": bulk_id, "body": {
        "bulk_settings": {"filters": {"conditions": [{"conditions": [
            {"field": "company", "operator": "starts_with", "value": "company"},
            {"field": "tags", "operator": "contains", "value": ["Import 10/05/25"]}]}]}},
        "message_type": "MARKETING", "message_data": {
            "recipient": "p@example.com", "subject": "News for {{first_name|you}}",
            "content": "Dear {{first_name}}, " + "x" * 400}}})


def watch_bulk(bench, bulk_id, until):
    """Waits for `until`; the most that sendqd and one waiting recipient took meanwhile."""
    rss = 0

    def look():
        nonlocal rss
        bench.rig.running("sendqd", bench.sendqd)
        rss = max(rss, resident_kib(bench.sendqd.pid))
        return until(bench.redis.hgetall(f"{NS}:bulk:{bulk_id}"))

    wait_until(look, f"the bulk: {bench.redis.hgetall(f'{NS}:bulk:{bulk_id}')}", 7200, pause=0.2)
    return rss


def waiting_bytes(bench, options):
    """Redis' bytes per recipient that waits: a sender that is paused, and room for many."""
    bulk_id = str(uuid.uuid4())
    bench.redis.hset(f"{NS}:sender:bench-mail", "state", "paused")
    before = used_memory(bench)
    bench.redis.lpush(f"{NS}:jobs", bulk_job(bulk_id))
    watch_bulk(bench, bulk_id, lambda b: int(b.get("_ready", 0)) >= options.ready)
    count = int(bench.redis.hget(f"{NS}:bulk:{bulk_id}", "_ready"))
    bytes_each = (used_memory(bench) - before) / count
    bench.redis.delete(*bench.redis.scan_iter(f"{NS}:ready:bench-mail:*", count=1000),
                       f"{NS}:expand")
    for key in bench.redis.scan_iter(f"{NS}:bulk:{bulk_id}*", count=1000):
        bench.redis.delete(key)
    bench.redis.hset(f"{NS}:sender:bench-mail", mapping={"state": "ok", "_extra": 0})
    return bytes_each


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
        bench.rig.sendqctl("sender", "resume", "bench-mail")
        wait_until(lambda: bench.final_counts()[0] == sent + options.n, "all to be sent",
                   60 + options.n / 200)
        result["sent" + suffix] = round((used_memory(bench) - empty) / options.n)
    return result


def scenario_bulk(bench, options):
    sink = bench.rig.nginx(cpu=SERVER_CPU)
    store_leads(bench, options.leads)
    bench.start(sink.url)
    bench.run_counted(sink, WARM_UP)
    waiting = waiting_bytes(bench, options)
    bulk_id, before, requests = str(uuid.uuid4()), used_memory(bench), sink.requests()
    redis_cpu, cpu, wall = bench.redis_cpu(), cpu_seconds(bench.sendqd.pid), time.monotonic()
    bench.redis.config_resetstat()
    bench.redis.lpush(f"{NS}:jobs", bulk_job(bulk_id))
    rss = watch_bulk(bench, bulk_id, lambda b: b.get("status") == "done")
    wall = time.monotonic() - wall
    cpu = cpu_seconds(bench.sendqd.pid) - cpu
    redis_cpu = bench.redis_cpu() - redis_cpu
    stats = bench.redis.info("commandstats")
    scripts, reads = stats["cmdstat_evalsha"]["usec"], stats["cmdstat_hgetall"]["calls"]
    wait_until(lambda: not bench.redis.exists(f"{NS}:expand"), "the end of its sweep", 600)
    time.sleep(1)  # memory that is freed in the background
    b = bench.redis.hgetall(f"{NS}:bulk:{bulk_id}")
    sent = sink.requests() - requests
    if not sent == int(b["messages_sent"]) == int(b["total_leads"]) == options.leads:
        raise RigError(f"{options.leads} leads, {sent} requests: {b}")
    return {
        "leads": options.leads, "recipients_per_s": round(options.leads / wall),
        "sendqd_cpu_us": round(cpu / options.leads * 1e6, 2), "sendqd_rss_kib": rss,
        "redis_bytes_waiting": round(waiting, 1),
        "redis_bytes_finished": round((used_memory(bench) - before) / options.leads, 1),
        "redis_cpu_us_all": round(redis_cpu / options.leads * 1e6, 2),
        "redis_cpu_us_without_reads": round(
            (redis_cpu - directory_cost(bench, reads)) / options.leads * 1e6, 2),
        "redis_script_us": round(scripts / options.leads, 2),
    }


def scenario_filter(bench, options):
    done = subprocess.run(["taskset", "-c", str(CLIENT_CPU), str(bench.rig.bin / "floor_filter")],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600,
                          check=False)
    if done.returncode != 0:
        raise RigError(f"floor_filter: {done.stderr or done.stdout}")
    return json.loads(done.stdout)


SCENARIOS = {"single": scenario_single, "queue": scenario_queue, "idle": scenario_idle,
             "formats": scenario_formats, "limits": scenario_limits,
             "memory": scenario_memory, "bulk": scenario_bulk, "filter": scenario_filter}


def parse_options(arguments):
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", nargs="?", default="single", choices=[*SCENARIOS, "all"])
    parser.add_argument("--n", type=int, default=20000, help="jobs per round (20000)")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (3)")
    parser.add_argument("--aof", action="store_true", help="Redis with AOF, fsync every second")
    parser.add_argument("--idle-seconds", type=float, default=10.0)
    parser.add_argument("--pushes", type=int, default=200)
    parser.add_argument("--leads", type=int, default=1000000, help="of bulk (1000000)")
    parser.add_argument("--ready", type=int, default=10000,
                        help="recipients of bulk that wait when their bytes are measured (10000)")
    parser.add_argument("--build", default="build/release")
    options = parser.parse_args(arguments)
    if options.n < 1 or options.rounds < 1 or options.pushes < 1:
        parser.error("--n, --rounds and --pushes must be at least 1")
    return options


def main(arguments):
    options = parse_options(arguments)
    if os.cpu_count() < 2:
        sys.exit("bench: needs two CPUs, one for the client and one for the servers")
    os.sched_setaffinity(0, {SERVER_CPU})
    names = SCENARIOS if options.scenario == "all" else [options.scenario]
    results = {}
    for name in names:
        try:
            with Rig(options.build) as rig:
                results[name] = SCENARIOS[name](Bench(rig, options), options)
        except (RigError, TimeoutError) as error:
            sys.exit(f"bench: {name}: {error}")
        print(f"{name}")
        for key, value in results[name].items():
            print(f"  {key:<24} {value!s:>12}")
    print(json.dumps(results))


if __name__ == "__main__":
    main(sys.argv[1:])
