"""The admin pages: health, metrics, status; what bad clients cannot do."""
import calendar
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import time

import pytest
from admin_client import Admin
from support import body, envelope, wait_for

LISTEN = {"listen": "127.0.0.1:0"}


def started(stand, senders=None, **settings):
    daemon = stand.start(senders, admin=LISTEN, **settings)
    return daemon, Admin(daemon)


# --- health ---


def test_health_and_readiness(stand):
    stand.sandbox.faults([{"action": {"delay_ms": 1500}}])
    daemon, admin = started(stand)
    assert admin.ask("/healthz")[0] == 200
    assert admin.ask("/readyz")[::2] == (200, "running\n")
    stand.push(envelope())
    stand.sandbox.wait_requests(1, "sandbox")
    daemon.signal(signal.SIGTERM)
    wait_for(lambda: daemon.notify.count("STOPPING=1"), "it drains")
    assert admin.ask("/readyz")[::2] == (503, "draining\n")
    assert admin.ask("/healthz")[0] == 200
    assert daemon.wait_exit() == 0


def test_redis_away(stand):
    config = stand.config(admin=LISTEN)
    config["redis"]["url"] = "unix:///nowhere/redis.sock"
    daemon = stand.daemon(config).start(ready=False)
    admin = Admin(daemon)
    assert admin.ask("/healthz")[0] == 200
    assert admin.ask("/readyz")[::2] == (503, "connecting\n")
    assert admin.metrics()["sendq_redis_up"] == 0
    status = admin.status()
    assert status["worker"]["redis"] is False and "senders" not in status
    assert daemon.stop() == 0


# --- numbers ---


def day_messages(metrics):
    """Final messages today by status, over all providers."""
    found = {}
    for name, value in metrics.items():
        if name.startswith("sendq_day_messages{"):
            status = name.split('status="')[1].split('"')[0]
            found[status] = found.get(status, 0) + value
    return found


def test_metrics_count_what_happened(stand):
    stand.sandbox.faults([
        {"match": {"recipient": "bad@*"}, "action": {"status": 400}},
        {"match": {"recipient": "again@*"}, "times": 1, "action": {"status": 503}}])
    _, admin = started(stand, [stand.sender(retry={"base": "5ms"})])
    ids = stand.push(*[envelope() for _ in range(20)], envelope(body("again@example.com")),
                     *[envelope(body("bad@example.com")) for _ in range(3)])
    stand.push("not a job")
    stand.wait_final(ids)
    stand.wait_rejected(1)
    m = admin.metrics()
    attempts = 'sendq_attempts_total{provider="sandbox",result="%s"}'
    assert m[attempts % "sent"] == 21
    assert m[attempts % "failed"] == 3
    assert m[attempts % "retry"] == 1
    assert m['sendq_jobs_total{result="accepted"}'] == 24
    assert m['sendq_jobs_total{result="rejected"}'] == 1
    assert m['sendq_provider_latency_seconds_count{provider="sandbox"}'] == 25
    assert m['sendq_provider_latency_seconds_bucket{provider="sandbox",le="+Inf"}'] == 25
    assert m['sendq_queue_wait_seconds_count{priority="normal"}'] == 24
    wait_for(lambda: day_messages(admin.metrics()) == {"sent": 21, "failed": 3, "cancelled": 0},
             lambda: str(admin.metrics()))
    assert admin.metrics()["sendq_dead_messages"] == 3
    assert admin.metrics()["sendq_rejected_jobs"] == 1


def test_metrics_equal_the_truth_after_a_kill_loop(persistent):
    stand = persistent
    stand.sandbox.faults([
        {"match": {"recipient": "bad@*"}, "action": {"status": 400, "delay_ms": 10}},
        {"action": {"delay_ms": 10}}])
    daemon = stand.daemon(stand.config(admin=LISTEN, worker={"lease": "1s", "in_flight": 8}))
    ids = []
    for n in range(6):
        daemon.start()
        before = len(ids)
        ids += stand.push(*[envelope(body("bad@example.com" if k % 10 == 0 else "a@example.com"))
                            for k in range(60)])
        stand.sandbox.wait_requests(before + 20, "sandbox")
        daemon.kill()
    daemon.start()
    messages = stand.wait_final(ids, timeout=60)
    truth = {"sent": 0, "failed": 0, "cancelled": 0}
    for message in messages.values():
        truth[message["status"]] += 1
    admin = Admin(daemon)
    wait_for(lambda: day_messages(admin.metrics()) == truth,
             lambda: f"{truth}: {day_messages(admin.metrics())}")
    hour = admin.status()["hour"]
    assert sum(hour["sent"]) == truth["sent"] and sum(hour["errors"]) == truth["failed"]
    # What this process counted of itself: every attempt since its start, each in one bucket.
    seen = stand.sandbox.stats("sandbox")["requests"]
    counted = admin.metrics()['sendq_provider_latency_seconds_count{provider="sandbox"}']
    stand.wait_final(stand.push(*[envelope() for _ in range(50)]))
    assert stand.sandbox.stats("sandbox")["requests"] == seen + 50
    m = admin.metrics()
    assert m['sendq_provider_latency_seconds_count{provider="sandbox"}'] == counted + 50
    assert sum(v for k, v in m.items() if k.startswith("sendq_attempts_total")) == counted + 50


def test_metrics_never_name_a_person(stand):
    canary = "canary-recipient"
    _, admin = started(stand)
    stand.sandbox.faults([{"match": {"recipient": f"{canary}-bad@*"}, "action": {"status": 400}}])
    ids = stand.push(envelope(body(f"{canary}@example.com", subject=canary, content=canary)),
                     envelope(body(f"{canary}-bad@example.com")))
    stand.wait_final(ids)
    admin.wait_status(lambda s: s.get("failures"), "the failure shows")
    for path in ("/metrics", "/status"):
        text = admin.get(path)
        assert canary not in text
    assert not [i for i in ids if i in admin.get("/metrics")]


def test_status_equals_the_keys(stand):
    stand.sandbox.faults([{"match": {"recipient": "bad@*"}, "action": {"status": 400}}])
    _, admin = started(stand, [
        stand.sender(limits={"day": "5/day"}),
        stand.sender("idle", default=False)])
    ids = stand.push(*[envelope() for _ in range(8)], envelope(scheduled_at="2099-01-01T00:00:00Z"))
    stand.push("no job")
    stand.sandbox.wait_accepted(5, "sandbox")
    stand.redis.zadd(stand.key("bulks"), {"b1": 1})
    stand.redis.hset(stand.key("bulk", "b1"), mapping={
        "status": "sending", "total_leads": 10, "messages_queued": 4, "messages_sent": 5,
        "messages_failed": 1, "messages_cancelled": 0})
    status = admin.wait_status(
        lambda s: s.get("delayed") == 1 and s["today"]["sent"] == 5 and s["rejected"] == 1
        and s["senders"][1]["state"] == "day_cap" and s["bulks"], "the numbers come")
    mail = stand.redis.hgetall(stand.key("sender", "mail"))
    shown = status["senders"][1]
    assert [s["id"] for s in status["senders"]] == ["idle", "mail"]
    assert shown["sent_today"] == int(mail["sent_today"]) == 5 == shown["day_cap"]
    assert shown["waiting"] == int(mail["waiting"]) == 3 == status["ready"]
    assert shown["until"] == mail["until"]
    assert status["bulks"][0]["messages_sent"] == 5
    assert status["worker"]["accepted"] == len(ids)
    assert sum(status["hour"]["sent"]) == 5
    assert len(status["hour"]["sent"]) == len(status["hour"]["errors"]) == 60


def test_the_hour_is_of_all_workers(stand):
    """Each worker's page has what both did, and keeps it when one is killed."""
    def sent(count):
        return lambda s: s.get("today", {}).get("sent") == count

    stand.sandbox.faults([
        {"match": {"recipient": "bad@*"}, "action": {"status": 400}},
        {"match": {"recipient": "again@*"}, "times": 2, "action": {"status": 503}},
        {"action": {"delay_ms": 5}}])
    workers = [started(stand, [stand.sender(retry={"base": "5ms"})], worker={"in_flight": 4})
               for _ in range(2)]
    stand.wait_final(stand.push(*[envelope() for _ in range(200)],
                                envelope(body("again@example.com")),
                                *[envelope(body("bad@example.com")) for _ in range(3)]))
    for daemon, _ in workers:
        assert daemon.log_lines("event=attempt", "result=sent"), "each has a share"
    for _, admin in workers:
        status = admin.wait_status(sent(201), "the numbers come")
        assert sum(status["hour"]["sent"]) == 201
        assert sum(status["hour"]["errors"]) == 3 + 2
    workers[0][0].kill()
    stand.wait_final(stand.push(envelope()))
    status = workers[1][1].wait_status(sent(202), "the number comes")
    assert sum(status["hour"]["sent"]) == 202


def test_the_hour_has_its_minutes_in_order(stand):
    _, admin = started(stand)
    now = stand.redis.time()[0] // 60
    for minute in range(now - 70, now + 1):
        stand.redis.hset(stand.key("minutes", str(minute // 60)), f"{minute % 60}:sent", minute)
    status = admin.wait_status(lambda s: "hour" in s and now in s["hour"]["sent"], "it is read")
    last = calendar.timegm(time.strptime(status["at"][:16], "%Y-%m-%dT%H:%M")) // 60
    assert status["hour"]["sent"] == [m if m <= now else 0 for m in range(last - 59, last + 1)]


def test_a_key_of_another_type_breaks_no_page(stand):
    _, admin = started(stand)
    stand.redis.set(stand.key("minutes", str(stand.redis.time()[0] // 3600)), "x")
    stand.redis.set(stand.key("bulks"), "x")
    stand.redis.set(stand.key("worker_names") + "x", "x")
    stand.redis.hset(stand.key("bulk", "b"), "status", "done")
    stand.wait_final(stand.push(envelope()))
    assert admin.wait_status(lambda s: s.get("today", {}).get("sent") == 1, "numbers")["bulks"] == []


def test_promtool(stand):
    """Prometheus' own linter, where Debian's package is installed."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (package prometheus)")
    _, admin = started(stand)
    stand.wait_final(stand.push(envelope()))
    admin.wait_status(lambda s: "today" in s, "Redis was read")
    done = subprocess.run(["promtool", "check", "metrics"], input=admin.get("/metrics"), text=True,
                          capture_output=True, timeout=60, check=False)
    assert done.returncode == 0 and not done.stdout + done.stderr, done.stdout + done.stderr


# --- clients ---


def test_answers_to_odd_requests(stand):
    daemon, admin = started(stand)
    assert admin.ask("/nothing")[0] == 404
    assert admin.ask("/healthz?x=1")[0] == 200
    assert admin.ask("/", method="POST")[0] == 405
    assert admin.ask("/status", method="DELETE")[0] == 405
    assert admin.ask("/status", headers={"Host": "evil.example"})[0] == 421
    assert admin.ask("/status", headers={"Host": "localhost:1234"})[0] == 200
    status, headers, text = admin.ask("/status", method="HEAD")
    assert (status, text) == (200, "") and int(headers["Content-Length"]) > 100
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    for sent, code in [(b"GARBAGE\r\n\r\n", b"400"), (b"\0\0\0\0\r\n\r\n", b"400"),
                       (b"GET / HTTP/1.1\r\nX: a\0b\r\n\r\n", b"400"),
                       (b"GET status HTTP/1.1\r\n\r\n", b"400"), (b"GET /\r\n\r\n", b"400"),
                       (b"GET / HTTP/2.0\r\n\r\n", b"400"), (b"\r\n\r\n", b"400"),
                       (b"GET /healthz HTTP/1.0\r\n\r\n", b"200"),
                       (b"GET /healthz HTTP/1.1\r\nHost:\r\nhost: x\r\n\r\n", b"421"),
                       (b"GET /healthz HTTP/1.1\r\nA: " + b"b" * 20000, b"431")]:
        got = admin.raw(sent)
        assert got.split(b" ")[1:2] == [code] or (code == b"431" and got == b""), (sent[:60], got)
    for piece in (b"", b"GET", b"GET / HTTP/1.1\r\n"):
        assert admin.raw(piece) == b"", "an unfinished request is not answered"
    assert b"".join(admin.raw(*[bytes([b]) for b in b"GET /healthz HTTP/1.1\r\n\r\n"]).split()
                    ).endswith(b"ok")
    assert daemon.running()


def open_files(daemon):
    return len(os.listdir(f"/proc/{daemon.pid}/fd"))


def test_too_many_idle_clients(stand):
    """They take a bounded number of descriptors, hold up no message, and are sent away in time."""
    daemon, admin = started(stand)
    stand.wait_final(stand.push(*[envelope() for _ in range(50)]))
    before = open_files(daemon)
    idle = [admin.connect() for _ in range(45)]
    for client in idle:
        client.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
    stand.wait_final(stand.push(*[envelope() for _ in range(10)]))
    wait_for(lambda: open_files(daemon) >= before + 32, lambda: f"{open_files(daemon)}, {before}")
    assert open_files(daemon) <= before + 32
    assert idle[0].recv(100) == b"", "it was closed"
    for client in idle:
        client.close()
    assert admin.get("/healthz") == "ok\n"


def test_a_client_that_does_not_read(stand):
    daemon, admin = started(stand)
    clients = [admin.connect() for _ in range(10)]
    for client in clients:
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n" * 100)
    stand.wait_final(stand.push(*[envelope() for _ in range(20)]))
    assert admin.get("/healthz") == "ok\n"
    for client in clients:
        client.close()
    assert daemon.stop() == 0


# --- where it listens ---


def test_unix_socket(stand):
    path = stand.directory / "admin.sock"
    daemon = stand.start(admin={"listen": f"unix:{path}"})
    admin = Admin(daemon)
    assert admin.get("/healthz") == "ok\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    daemon.kill()
    assert path.exists()
    daemon.start()  # what the dead one left is in nobody's way
    assert admin.get("/healthz") == "ok\n"
    assert daemon.stop() == 0
    assert not path.exists()


def test_a_file_in_the_way_stays(stand):
    path = pathlib.Path(stand.directory / "admin.sock")
    path.write_text("precious")
    daemon = stand.start(admin={"listen": f"unix:{path}"})
    assert daemon.log_lines("level=error", "event=admin", "in use")
    stand.wait_final(stand.push(envelope()))
    assert daemon.stop() == 0
    assert path.read_text() == "precious"


def test_the_next_one_takes_the_address_over(stand):
    """Two workers with one configuration: sending does not wait for the admin address."""
    path = stand.directory / "admin.sock"
    listen = {"listen": f"unix:{path}"}
    first = stand.start(admin=listen)
    second = stand.start(admin=listen)
    assert second.log_lines("level=error", "event=admin", "in use")
    assert first.stop() == 0
    stand.wait_final(stand.push(envelope()))
    admin = Admin(second)
    assert admin.get("/readyz") == "running\n"


def test_reload_moves_it(stand):
    config = stand.config()
    daemon = stand.daemon(config).start()
    listening = 0
    for n, listen in enumerate(("127.0.0.1:0", f"unix:{stand.directory}/a.sock", "", "[::1]:0")):
        config["admin"] = {"listen": listen}
        daemon.configure(config)
        daemon.signal(signal.SIGHUP)
        wait_for(lambda n=n: daemon.notify.count("READY=1") == n + 2, lambda: daemon.log())
        listening += bool(listen)
        wait_for(lambda k=listening: len(daemon.log_lines("event=admin", "listening")) == k,
                 lambda: daemon.log())
        if listen:
            assert Admin(daemon).get("/healthz") == "ok\n"
        else:
            assert not (stand.directory / "a.sock").exists()


def test_scrapes_cost_redis_nothing(stand):
    _, admin = started(stand, worker={"lease": "30s"})
    admin.wait_status(lambda s: "today" in s, "Redis was read")
    calls = stand.redis.info("stats")["total_commands_processed"]
    end = time.monotonic() + 1
    asked = 0
    while time.monotonic() < end:
        admin.get("/metrics")
        asked += 1
    assert asked > 20
    # Scripts count their own commands too: two readings of a small namespace at most.
    assert stand.redis.info("stats")["total_commands_processed"] - calls < 150
