"""What the scenarios share: a Redis, a sendqd on its own CPU, jobs for it, and what they cost."""
import datetime
import json
import pathlib
import statistics
import subprocess
import sys
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools"))
from capture import Capture  # noqa: E402
from rig import RigError, wait_until  # noqa: E402

NS = "bench"
CLIENT_CPU, SERVER_CPU = 0, 1
IN_FLIGHT = 64
BODY_BYTES = 600
WARM_UP = 500
SAMPLES = 500

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
{mail}
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


def status_kib(pid, field):
    """VmRSS, what is resident, or VmHWM, the most that ever was."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    return 0


def resident_kib(pid):
    return status_kib(pid, "VmRSS")


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
        for cpu in (CLIENT_CPU, SERVER_CPU) if options.awake else ():
            rig.spawn(f"awake{cpu}", ["chrt", "--idle", "0", "sh", "-c", "while :; do :; done"],
                      cpu=cpu)
        self.sendqd = None
        self.patience = 1  # how much slower than usual things may be

    def start(self, endpoint, senders="", in_flight=IN_FLIGHT, mail="", more=""):
        """`mail` is a line more of the default sender, `more` of the whole configuration."""
        self.sendqd = self.rig.sendqd(CONFIG.format(
            ns=NS, redis_url=self.redis_url, endpoint=endpoint, in_flight=in_flight,
            mail=f"    {mail}" if mail else "") + senders + more, cpu=CLIENT_CPU)

    def final_counts(self):
        """(sent, failed) over all days this run has seen."""
        sent = failed = 0
        today = datetime.datetime.now(datetime.timezone.utc).date()
        for day in {self.first_day, today}:
            # These two alone: the day also has a counter for each sender.
            counts = self.redis.hmget(f"{NS}:stats:{day}", "provider:sandbox:sent",
                                      "provider:sandbox:failed")
            sent += int(counts[0] or 0)
            failed += int(counts[1] or 0)
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
        # Looking costs Redis too: no more often where all is slow.
        wait_until(all_final, f"{count} messages to be sent", pause=self.patience / 100,
                   timeout=self.patience * (60 + count / 200))
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

    def run_floor(self, sink, request, url_path, count, ca_file=None):
        before = sink.requests()
        argv = ["taskset", "-c", str(CLIENT_CPU), str(self.rig.bin / "floor_curl"),
                sink.url + url_path, str(request), str(count), str(IN_FLIGHT), "202"]
        argv += [str(ca_file)] if ca_file else []
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


def used_memory(bench):
    return bench.redis.info("memory")["used_memory"]


def in_turns(bench, sink, options, run_other):
    """Rounds of sendqd and of run_other() that alternate: two lists of what they cost."""
    ours, others = [], []
    for _ in range(options.rounds):
        others.append(run_other())
        ours.append(bench.run_counted(sink, options.n))
    return ours, others


def beside_floor(ours, floor):
    """What both cost, and their ratio, of rounds that alternated."""
    return {
        "messages_per_s": round(median(ours, "rate")),
        "floor_per_s": round(median(floor, "rate")),
        "sendqd_cpu_us": round(median(ours, "cpu_us"), 2),
        "floor_cpu_us": round(median(floor, "cpu_us"), 2),
        "ratio": round(statistics.median(o["cpu_us"] / f["cpu_us"]
                                         for o, f in zip(ours, floor)), 3),
    }
