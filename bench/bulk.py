"""Scenarios of bulks."""
import json
import subprocess
import time
import uuid

from rig import RigError, wait_until
from stand import CLIENT_CPU, NS, SERVER_CPU, WARM_UP, cpu_seconds, resident_kib, used_memory


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


def scenario_bulk(bench, options):
    sink = bench.rig.nginx(cpu=SERVER_CPU)
    store_leads(bench, options.leads)
    bench.start(sink.url, in_flight=256)  # the default: batches grow with it
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
