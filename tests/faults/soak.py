"""soak.py [SECONDS [SEED]]: random faults from a seed, under a steady load of singles and bulks.

Ends with everything final, `sendqctl fsck` clean, nothing lost, counters equal to the records, and
memory and descriptors of a daemon that nobody kills as flat as they were."""
import json
import os
import pathlib
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "e2e")]

import redis  # noqa: E402
from fsck import check_clean  # noqa: E402
from invariants import check_message  # noqa: E402
from sandbox_client import Sandbox  # noqa: E402
from support import BIN, RedisServer, Stand, body, envelope, wait_for  # noqa: E402
from test_bulk import job, people, put_leads  # noqa: E402

RETRY = {"base": "20ms", "max": "500ms", "attempts": 1000}
PROVIDER_FAULTS = [
    [], [{"probability": 0.3, "seed": 1, "action": {"status": 503}}],
    [{"probability": 0.2, "seed": 2, "action": {"kind": "reset"}}],
    [{"probability": 0.05, "seed": 3, "action": {"kind": "hang"}}],
    [{"probability": 0.2, "seed": 4, "action": {"kind": "garbage"}}],
    [{"probability": 0.1, "seed": 5, "action": {"kind": "oversized"}}],
    [{"probability": 0.1, "seed": 6, "action": {"status": 429, "headers": {"Retry-After": "1"}}}],
    [{"action": {"delay_ms": 100}}]]


class Soak:
    def __init__(self, stand, seed):
        self.stand, self.rng = stand, random.Random(seed)
        senders = [stand.sender(retry=RETRY, timeout="2s", limits={"concurrency": 20}),
                   stand.sender("texts", ["sms"], retry=RETRY, timeout="2s")]
        self.config = stand.config(senders, worker={"lease": "2s", "in_flight": 32},
                                   redis={"timeout": "900ms"}, log={"level": "error"},
                                   bulk={"ready": 500})
        self.witness = stand.daemon(self.config).start()
        self.mortals = [stand.daemon(self.config).start() for _ in range(2)]
        self.ids, self.bulks, self.counts = [], [], {}
        self.rss, self.fds = [], []

    def push(self, jobs):
        """As a careful producer: again under the same ids when the answer was lost."""
        def pushed():
            try:
                self.stand.push(*jobs)
                return True
            except redis.RedisError:
                return False
        wait_for(pushed, "Redis takes jobs", timeout=60)

    def load(self):
        jobs = [envelope(body("a@example.com" if self.rng.random() < 0.6 else "+15550001"),
                         uncertain="fail" if self.rng.random() < 0.1 else "retry",
                         priority=self.rng.choice(["HIGH", "NORMAL", "LOW"])) for _ in range(30)]
        self.ids += [j["id"] for j in jobs]
        self.push(jobs)
        if self.rng.random() < 0.05:
            bulk = job({"lead_ids": [f"lead-{n}" for n in range(300)]}, "TRANSACTIONAL")
            self.bulks.append(bulk["id"])
            self.push([bulk])

    def ctl(self, *words):
        subprocess.run([BIN / "sendqctl", "--config", self.witness.config_path, *words],
                       capture_output=True, timeout=60, check=False)

    # --- faults ---

    def kill(self):
        victim = self.rng.choice(self.mortals)
        victim.kill()
        victim.start(ready=False)

    def restart_redis(self):
        self.stand.server.kill()
        self.stand.server.start()

    def reload(self):
        daemon = self.rng.choice([self.witness, *self.mortals])
        if daemon.notify.count("READY=1"):  # before that it would end by it, as any process
            daemon.signal(signal.SIGHUP)

    def provider(self):
        self.stand.sandbox.faults(self.rng.choice(PROVIDER_FAULTS))

    def pause(self):
        self.ctl("sender", "pause", "mail")
        time.sleep(self.rng.uniform(0, 0.3))  # the fault itself
        self.ctl("sender", "resume", "mail")

    def pause_bulk(self):
        if self.bulks:
            self.ctl("bulk", self.rng.choice(["pause", "resume", "resume"]),
                     self.rng.choice(self.bulks[-3:]))

    def sleep(self):
        victim = self.rng.choice(self.mortals)
        victim.signal(signal.SIGSTOP)
        time.sleep(self.rng.uniform(0.1, 3))  # the fault itself: longer than a lease, at times
        victim.signal(signal.SIGCONT)

    def flush_scripts(self):
        self.stand.redis.script_flush()

    def step(self):
        faults = [self.kill] * 4 + [self.reload] * 3 + [self.provider] * 4 + [
            self.pause, self.pause_bulk, self.pause_bulk, self.sleep, self.flush_scripts,
            self.restart_redis]
        fault = self.rng.choice(faults)
        self.counts[fault.__name__] = self.counts.get(fault.__name__, 0) + 1
        fault()

    def sample(self):
        proc = pathlib.Path(f"/proc/{self.witness.pid}")
        self.rss.append(int((proc / "status").read_text().split("VmRSS:")[1].split()[0]))
        self.fds.append(len(list((proc / "fd").iterdir())))

    # --- the end ---

    def settle(self):
        self.stand.sandbox.faults([])
        self.ctl("sender", "resume", "mail", "texts")
        self.ctl("bulk", "resume", *self.bulks)
        self.stand.wait_final(self.ids, timeout=180)
        for bulk in self.bulks:
            wait_for(lambda b=bulk: self.stand.redis.hget(self.stand.key("bulk", b), "status")
                     == "done", lambda b=bulk: self.stand.redis.hgetall(self.stand.key("bulk", b)),
                     timeout=120)
        keys = [self.stand.key("turn"), self.stand.key("jobs")]
        wait_for(lambda: not self.stand.redis.exists(*keys), "idle")
        self.sample()

    def check(self):
        stand = self.stand
        messages = stand.messages()
        lost = [i for i in self.ids if i not in messages]
        for m in messages.values():
            check_message(m)
        accepted = stand.sandbox.ids("sandbox")
        unseen = [i for i, m in messages.items() if m["status"] == "sent" and i not in accepted]
        leads = sum(int(stand.redis.hget(stand.key("bulk", b), "total_leads")) for b in self.bulks)
        for daemon in [self.witness, *self.mortals]:
            assert daemon.stop() == 0, daemon.log()
        summary = check_clean(stand)
        third = max(1, len(self.rss) // 3)
        early, late = (statistics.median(x) for x in (self.rss[third:2 * third], self.rss[-third:]))
        figures = {"jobs": len(self.ids), "bulks": len(self.bulks), "leads": leads,
                   "lost": len(lost), "called sent, never arrived": len(unseen),
                   "extra sends": sum(n - 1 for n in accepted.values()),
                   "fsck findings": summary["findings"], "RSS KB": [early, late],
                   "descriptors": [self.fds[0], self.fds[-1], max(self.fds)],
                   "faults": self.counts}
        print(json.dumps(figures))
        assert not lost and not unseen and leads == 300 * len(self.bulks)
        assert late <= early * 1.05 + 1024, "memory grows"
        # Idle connections to the provider come and go: at most as many as may be in flight.
        assert self.fds[-1] <= self.fds[0] + 34 and max(self.fds) <= self.fds[0] + 2 * 34
        return figures


def main(seconds=60.0, seed=1):
    with tempfile.TemporaryDirectory(prefix="soak") as directory, Sandbox() as sandbox:
        server = RedisServer(pathlib.Path(directory) / "r", aof=True).start()
        stand = Stand(directory, server, sandbox)
        try:
            put_leads(stand, people(300))
            soak = Soak(stand, seed)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                soak.load()
                soak.step()
                soak.sample()
                time.sleep(soak.rng.uniform(0, 0.2))  # the pace of the load
            soak.settle()
            figures = soak.check()
            if "SENDQ_TEST_SOAK" in os.environ:
                pathlib.Path(os.environ["SENDQ_TEST_SOAK"]).write_text(json.dumps(
                    {"seconds": seconds, "seed": seed} | figures))
        finally:
            stand.close()
            server.stop()


if __name__ == "__main__":
    main(*[kind(text) for kind, text in zip((float, int), sys.argv[1:])])
