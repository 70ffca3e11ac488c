"""Scenarios whose other end is special: slow, encrypted, or given large mails."""
import base64
import json
import subprocess

from rig import RigError, wait_until
from stand import IN_FLIGHT, NS, SERVER_CPU, beside_floor, cpu_seconds, median, status_kib

SLOW_MS, MANY = 50, 2000
LARGE_BYTES = 1 << 20


def scenario_latency50(bench, options):
    """The same jobs to a sink that answers at once, 64 in flight, and to one that takes 50 ms,
    2,000 in flight: does a message cost the same?"""
    quick = bench.rig.nginx(cpu=SERVER_CPU)
    slow = bench.rig.nginx(cpu=SERVER_CPU, name="slow", delay_ms=SLOW_MS)
    rounds = {}
    for name, sink, in_flight in (("quick", quick, IN_FLIGHT), ("slow", slow, MANY)):
        bench.start(sink.url, in_flight=in_flight)
        bench.run_counted(sink, 2 * MANY)
        rounds[name] = [bench.run_counted(sink, options.n) for _ in range(options.rounds)]
        bench.rig.stop(bench.sendqd)
    result = {"n": options.n, "rounds": options.rounds, "delay_ms": SLOW_MS, "in_flight": MANY,
              "most_per_s": MANY * 1000 // SLOW_MS}
    for name, of in rounds.items():
        for key in ("rate", "cpu_us", "redis_us"):
            result[f"{key}_{name}"] = round(median(of, key), 2)
        result[f"rss_kib_{name}"] = max(r["rss_kib"] for r in of)
    result["cpu_growth"] = round(result["cpu_us_slow"] / result["cpu_us_quick"], 3)
    return result


def certificate(directory):
    """A self-signed certificate for 127.0.0.1; returns the paths of it and of its key."""
    cert, key = directory / "sink.crt", directory / "sink.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


def scenario_tls_h2(bench, options):
    """HTTP/2 over TLS, many streams on few connections, beside the bare loop over the same."""
    request, url_path = bench.capture_request()
    cert, key = certificate(bench.rig.dir)
    sink = bench.rig.nginx(cpu=SERVER_CPU, tls=(cert, key))
    bench.start(sink.url, mail="http2: true", more=f"tls: {{ ca_file: {cert} }}")
    bench.run_counted(sink, 1000)
    floor, ours, repeated = [], [], 0
    for _ in range(options.rounds):
        floor.append(bench.run_floor(sink, request, url_path, options.n, ca_file=cert))
        before = sink.requests()
        ours.append(bench.run_jobs(options.n))
        repeated += sink.requests() - before - options.n
    # libcurl 7.88 breaks off a stream now and then, whose outcome nobody knows: it is sent again.
    if not 0 <= repeated <= options.n * options.rounds / 1000:
        raise RigError(f"{repeated} requests more than messages")
    return {
        "n": options.n, "rounds": options.rounds, "in_flight": IN_FLIGHT,
        **beside_floor(ours, floor), "repeated": repeated,
    }


def large_job(number):
    content = base64.b64encode(number.to_bytes(4, "big") * (LARGE_BYTES // 4)).decode()
    return json.dumps({"to": f"user{number}@example.com", "subject": "Report", "body_text": "Hello",
                       "attachments": [{"filename": "report.pdf", "mime_type": "application/pdf",
                                        "content_base64": content}]})


def scenario_large(bench, options):
    """Mails with an attachment of 1 MiB, in the job and on the wire as base64."""
    count = max(10, options.n // 200)
    sink = bench.rig.nginx(cpu=SERVER_CPU)
    bench.start(sink.url)
    bench.run_counted(sink, 100)
    rounds = []
    for _ in range(options.rounds):
        before, jobs = bench.final_counts()[0], [large_job(n) for n in range(count)]
        cpu, redis_cpu = cpu_seconds(bench.sendqd.pid), bench.redis_cpu()
        for job in jobs:
            bench.redis.lpush(f"{NS}:jobs", job)
        wait_until(lambda most=before + count: bench.final_counts()[0] >= most,
                   f"{count} large mails to be sent", timeout=60 + count)
        rounds.append({"cpu_us": (cpu_seconds(bench.sendqd.pid) - cpu) / count * 1e6,
                       "redis_us": (bench.redis_cpu() - redis_cpu) / count * 1e6})
    if bench.redis.xlen(f"{NS}:rejected"):
        raise RigError("large mails were rejected")
    return {
        "n": count, "rounds": options.rounds, "attachment_bytes": LARGE_BYTES,
        "sendqd_cpu_us": round(median(rounds, "cpu_us")),
        "redis_cpu_us": round(median(rounds, "redis_us")),
        "sendqd_peak_kib": status_kib(bench.sendqd.pid, "VmHWM"),
    }
