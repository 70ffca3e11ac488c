"""Starting, reloading, stopping; systemd's protocol; configuration from files and environment."""
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest
from invariants import check_all
from support import BIN, ROOT, body, envelope, sanitizer_env, wait_for


def run(*arguments, env=None):
    return subprocess.run([str(BIN / "sendqd"), *map(str, arguments)], capture_output=True,
                          text=True, timeout=60, check=False,
                          env=os.environ | sanitizer_env() | (env or {}))


def time_passes(seconds):
    end = time.monotonic() + seconds
    wait_for(lambda: time.monotonic() > end, "time passes", timeout=seconds + 5, pause=0.05)


# --- stopping ---


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_lets_transfers_end(stand, number):
    """What is under way is recorded, what is not stays queued, and nothing is repeated."""
    stand.sandbox.faults([{"action": {"delay_ms": 400}}])
    config = stand.config(worker={"in_flight": 16})
    daemon = stand.daemon(config).start()
    ids = stand.push(*[envelope() for _ in range(200)])
    stand.sandbox.wait_requests(40, "sandbox")
    daemon.signal(number)
    assert daemon.wait_exit(15) == 0
    assert daemon.notify.count("STOPPING=1") == 1
    statuses = [stand.status(i) for i in ids]
    sent = statuses.count("sent")
    taken = [s for s in statuses if s]
    assert set(taken) <= {"sent", "queued"}, set(taken)
    assert sent == stand.sandbox.stats("sandbox")["accepted"] < 200
    assert not list(stand.redis.scan_iter(stand.key("lease", "*")))
    assert not list(stand.redis.scan_iter(stand.key("claimed", "*")))
    stand.sandbox.faults([])
    daemon.start()
    stand.wait_final(ids)
    assert stand.sandbox.ids("sandbox") == {i: 1 for i in ids}
    check_all(stand, ids)


def test_stop_during_everything(stand):
    """SIGTERM at many moments of a mixed load; started again each time."""
    stand.sandbox.faults([{"probability": 0.1, "seed": 1, "action": {"status": 503}},
                          {"action": {"delay_ms": 10}}])
    config = stand.config([stand.sender(retry={"base": "5ms", "max": "50ms", "attempts": 50})])
    daemon = stand.daemon(config)
    ids = []
    for n in range(20):
        daemon.start(ready=False)
        wait_for(lambda n=n: daemon.notify.count("READY=1") or n % 4 == 3, "ready")
        ids += stand.push(*[envelope(uncertain="fail" if k % 5 == 0 else "retry")
                            for k in range(50)])
        stand.sandbox.wait(lambda n=n: n % 4 == 3
                           or stand.sandbox.stats("sandbox")["requests"] >= len(ids) - 45, "load")
        status = daemon.stop(15)
        # A signal before its handler is there ends the process, as with any program.
        assert status == 0 or (n % 4 == 3 and status == -signal.SIGTERM), daemon.log()
    daemon.start()
    stand.wait_final(ids)
    assert stand.sandbox.ids("sandbox") == {i: 1 for i in ids}
    check_all(stand, ids)


def test_stop_has_a_time_limit(stand):
    """A provider that never answers does not hold up the stop; the message is not forgotten."""
    stand.sandbox.faults([{"match": {"recipient": "slow@*"}, "times": 2,
                           "action": {"kind": "hang"}}])
    daemon = stand.start(drain_timeout="500ms")
    retry, fail = stand.push(envelope(body("slow@example.com")),
                             envelope(body("slow@example.com"), uncertain="fail"))
    stand.sandbox.wait_requests(2, "sandbox")
    assert daemon.stop(10) == 0
    daemon.start()
    messages = stand.wait_final([retry, fail])
    assert messages[retry]["status"] == "sent"
    assert messages[fail]["error_code"] == "outcome_unknown"
    check_all(stand, [retry, fail])


def test_two_sigterms(stand):
    stand.sandbox.faults([{"action": {"delay_ms": 500}}])
    daemon = stand.start()
    ids = stand.push(*[envelope() for _ in range(10)])
    stand.sandbox.wait_requests(10, "sandbox")
    daemon.signal(signal.SIGTERM)
    daemon.signal(signal.SIGTERM)
    daemon.signal(signal.SIGHUP)
    daemon.signal(signal.SIGTERM)
    assert daemon.wait_exit(10) == 0
    stand.sandbox.faults([])
    daemon.start()
    stand.wait_final(ids)
    assert set(stand.sandbox.ids("sandbox").values()) == {1}, "the first drain was cut short"
    check_all(stand, ids)


# --- reloading ---


def reload(daemon):
    before = daemon.notify.count("READY=1")
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: daemon.notify.count("READY=1") > before,
             lambda: f"the reload ends\n{daemon.log()}")


def test_reload_brings_a_new_sender(stand):
    config = stand.config()
    daemon = stand.daemon(config).start()
    stand.push(envelope(sender="new"))
    stand.wait_rejected(1)
    config["senders"].append(stand.sender("new", default=False))
    daemon.configure(config)
    reload(daemon)
    assert daemon.notify.count("RELOADING=1") == 1
    (datagram,) = [d for d in daemon.notify.seen if "RELOADING=1" in d]
    assert re.search(r"^MONOTONIC_USEC=\d+$", datagram, re.M)
    ids = stand.push(envelope(sender="new"))
    stand.wait_final(ids)
    check_all(stand, ids, rejected=1)


def test_reload_takes_a_sender_away(stand):
    config = stand.config([stand.sender(), stand.sender("old", default=False,
                                                        limits={"rate": "5/s"})])
    daemon = stand.daemon(config).start()
    ids = stand.push(*[envelope(sender="old") for _ in range(20)])
    stand.sandbox.wait_accepted(2, "sandbox")
    config["senders"].pop()
    daemon.configure(config)
    reload(daemon)
    messages = stand.wait_final(ids, timeout=30)
    for m in messages.values():
        assert m["status"] == "sent" or m["error_code"] == "insufficient_permissions", m
    check_all(stand, ids)


@pytest.mark.parametrize("text", ["senders: [", "unknown_setting: 1\n", "", "\0\x01",
                                  "namespace: \"\"\n", "senders: [{id: a, provider: none}]\n"],
                         ids=["yaml", "setting", "empty", "binary", "namespace", "provider"])
def test_bad_reload_keeps_the_old_configuration(stand, text):
    daemon = stand.start()
    daemon.configure(text)
    reload(daemon)
    ids = stand.push(envelope())
    if text:  # an empty file is a configuration: all defaults, no senders
        stand.wait_final(ids)
        assert daemon.log_lines("level=error"), daemon.log()
    daemon.config_path.unlink()
    reload(daemon)
    assert daemon.running()


def test_many_reloads_under_load(stand):
    stand.sandbox.faults([{"action": {"delay_ms": 5}}])
    config = stand.config()
    daemon = stand.daemon(config).start()
    ids = stand.push(*[envelope() for _ in range(1500)])
    n = 0
    while stand.sandbox.stats("sandbox")["accepted"] < 1400:
        config["senders"][0]["from"]["name"] = f"Name {n}"
        daemon.configure("senders: [" if n % 3 == 2 else config)
        reload(daemon)
        n += 1
    assert n > 3
    stand.wait_final(ids)
    assert stand.sandbox.ids("sandbox") == {i: 1 for i in ids}
    check_all(stand, ids)
    assert daemon.stop() == 0


# --- systemd ---


def test_notifications(stand):
    daemon = stand.daemon(stand.config(), {"WATCHDOG_USEC": "200000"}).start()
    heard = daemon.notify.poll()
    assert any(re.search(r"^STATUS=.+$", d, re.M) for d in heard) or wait_for(
        lambda: any("STATUS=" in d for d in daemon.notify.poll()), "a status")
    fed = daemon.notify.count("WATCHDOG=1")
    began = time.monotonic()
    wait_for(lambda: daemon.notify.count("WATCHDOG=1") >= fed + 10, "the watchdog is fed")
    assert time.monotonic() - began < 2.0, "at least as often as asked for"
    stand.wait_final(stand.push(envelope()))
    assert daemon.stop() == 0
    assert daemon.notify.count("STOPPING=1") == 1
    assert daemon.notify.count("READY=1") == 1


def test_no_watchdog_unless_asked(stand):
    daemon = stand.start()
    time_passes(0.5)
    assert not daemon.notify.count("WATCHDOG=1")


def test_watchdog_is_fed_without_redis(tmp_path):
    """systemd must not restart it for Redis' sake: it waits."""
    from support import Daemon
    daemon = Daemon(tmp_path, "redis: { url: \"unix:///nowhere/redis.sock\" }\n",
                    {"WATCHDOG_USEC": "200000"})
    daemon.start(ready=False)
    wait_for(lambda: daemon.notify.count("WATCHDOG=1") >= 10, lambda: daemon.log())
    assert not daemon.notify.count("READY=1")
    daemon.stop()
    daemon.notify.close()
    daemon.assert_sane()


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_idle_costs_nothing(stand, record_property):
    config = stand.config()
    config["worker"] = {"lease": "30s"}
    daemon = stand.daemon(config).start()
    stand.wait_final(stand.push(envelope()))
    calls = stand.redis.info("stats")["total_commands_processed"]
    cpu, began = cpu_seconds(daemon.pid), time.monotonic()
    time_passes(4)
    share = (cpu_seconds(daemon.pid) - cpu) / (time.monotonic() - began)
    calls = stand.redis.info("stats")["total_commands_processed"] - calls
    print({"idle CPU share": share, "Redis commands in 4 s": calls})
    record_property("idle", {"cpu": share, "commands": calls})
    assert share < 0.02
    assert calls < 40, "it polls"


def test_waiting_for_a_far_time_costs_nothing(stand):
    """A scheduled message and a capped sender in the queue are no reason to spin."""
    config = stand.config([stand.sender(limits={"day": "1/day"})])
    config["worker"] = {"lease": "30s"}
    daemon = stand.daemon(config).start()
    stand.push(*[envelope() for _ in range(5)], envelope(scheduled_at="2099-01-01T00:00:00Z"))
    stand.sandbox.wait_accepted(1, "sandbox")
    time_passes(0.5)
    calls, cpu = stand.redis.info("stats")["total_commands_processed"], cpu_seconds(daemon.pid)
    time_passes(2)
    assert cpu_seconds(daemon.pid) - cpu < 0.1
    assert stand.redis.info("stats")["total_commands_processed"] - calls < 40


# --- command line and configuration ---


def test_check(stand):
    daemon = stand.daemon()
    good = run("--config", daemon.config_path, "--check")
    assert good.returncode == 0, good.stderr
    daemon.configure("namespace: x\nredis:\n  url: 5\n  tiemout: 3s\nsenders:\n  - id: a\n")
    bad = run("--config", daemon.config_path, "--check")
    assert bad.returncode != 0
    assert f"{daemon.config_path}:" in bad.stderr
    assert "tiemout" in bad.stderr or "url" in bad.stderr


@pytest.mark.parametrize("line, setting", [
    ("retention: soon", "retention"), ("retention: -1d", "retention"), ("events: some", "events"),
    ("worker: { in_flight: 0 }", "worker.in_flight"), ("limits: { rate: fast }", "limits.rate"),
    ("drain_timeout: 99999999h", "drain_timeout"), ("log: { level: loud }", "log.level"),
    ("namespace: \"a b\"", "namespace"), ("redis: { url: \"ftp://x\" }", "redis.url")])
def test_errors_name_file_line_and_setting(tmp_path, line, setting):
    path = tmp_path / "bad.yaml"
    path.write_text(f"# a comment\n\n{line}\n")
    done = run("--config", path, "--check")
    assert done.returncode != 0
    assert f"{path}:3: {setting}" in done.stderr, done.stderr


def test_a_bad_configuration_does_not_start(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("nonsense: 1\n")
    assert run("--config", path).returncode != 0
    assert run("--config", tmp_path / "missing.yaml").returncode != 0
    assert run("--what").returncode == 2
    assert run("extra").returncode == 2


def test_print_config_masks_secrets(stand):
    canary = "canary-credential-91ac"
    daemon = stand.daemon(stand.config([stand.sender(
        "grid", dialect="sendgrid", credentials={"api_key": canary})]))
    done = run("--config", daemon.config_path, "--print-config")
    assert done.returncode == 0, done.stderr
    assert "grid" in done.stdout
    assert canary not in done.stdout + done.stderr
    again = stand.directory / "again.yaml"
    again.write_text(done.stdout)
    assert run("--config", again, "--check").returncode in (0, 1)  # masked secrets may be refused


def test_environment_overrides_the_file(stand):
    daemon = stand.daemon(env={"SENDQ_NAMESPACE": "other", "SENDQ_SENDERS__MAIL__TIMEOUT": "7s"})
    shown = run("--config", daemon.config_path, "--print-config", env=daemon.env).stdout
    assert re.search(r"namespace:\s*\"?other", shown) and "7s" in shown
    daemon.start()
    stand.ns = "other"
    stand.wait_final(stand.push(envelope()))


def test_unknown_environment_variable_is_noticed(stand):
    daemon = stand.daemon()
    done = run("--config", daemon.config_path, "--check", env={"SENDQ_NAMESPCE": "other"})
    assert "SENDQ_NAMESPCE" in done.stderr


def test_reference_version_help():
    assert "| `retention` |" in run("--reference").stdout
    assert run("--version").stdout.startswith("sendqd ")
    assert "usage:" in run("--help").stdout


def test_the_shipped_configuration_is_good():
    config = ROOT / "config/sendqd.yaml"
    done = run("--config", config, "--check")
    assert done.returncode == 0 or "credential" in done.stderr or "SENDGRID" in done.stderr, \
        done.stderr


# --- secrets ---


@pytest.mark.parametrize("source", ["value", "env", "file"])
def test_no_secret_anywhere(stand, figure, source):
    canary = "SG.canary-5c1d7b"
    path = stand.directory / "secret"
    path.write_text(canary + "\n")
    reference = {"value": canary, "env": "env:CANARY", "file": f"file:{path}"}[source]
    # A provider that echoes what it was given, in every kind of answer.
    stand.sandbox.faults([
        {"match": {"recipient": "bad@*"}, "action": {
            "status": 400, "body": {"errors": [{"message": f"Bearer {canary} is not good"}]}}},
        {"match": {"recipient": "auth@*"}, "action": {
            "status": 401, "body": {"errors": [{"message": f"key {canary} refused"}]}}}])
    config = stand.config([stand.sender("grid", dialect="sendgrid",
                                        credentials={"api_key": reference})],
                          events="all", log={"level": "debug"})
    daemon = stand.daemon(config, {"CANARY": canary} if source == "env" else {}).start()
    ids = stand.push(envelope(reply_to="r"), envelope(body("bad@example.com"), reply_to="r"))
    stand.wait_final(ids)
    stand.push(envelope(body("auth@example.com")))
    wait_for(lambda: stand.redis.hget(stand.key("sender", "grid"), "state") == "broken", "broken")
    assert stand.sandbox.requests("sendgrid")[0]["headers"]["authorization"] == f"Bearer {canary}"
    reload(daemon)
    if source != "value":
        assert canary not in daemon.log()
    assert not [x for x in daemon.log_lines(canary) if "level=" in x]
    assert canary.encode() not in stand.everything()
    assert canary.encode() not in pathlib.Path(f"/proc/{daemon.pid}/cmdline").read_bytes()
    assert canary not in "\n".join(daemon.notify.poll())
    assert daemon.stop() == 0
    figure(ways_to_give_it=1, hits=0)


def test_redis_password_is_not_logged(stand):
    config = stand.config()
    config["redis"] = {"url": "redis://user:canary-pw-771@127.0.0.1:1/0"}
    daemon = stand.daemon(config).start(ready=False)
    wait_for(lambda: daemon.log_lines("level=error") or daemon.log_lines("level=warn"),
             lambda: daemon.log())
    shown = run("--config", daemon.config_path, "--print-config").stdout
    assert "canary-pw-771" not in daemon.log() + shown
    daemon.stop()


def test_a_log_of_json_lines(stand):
    daemon = stand.start(log={"format": "json"})
    stand.wait_final(stand.push(envelope()))
    assert daemon.stop() == 0
    lines = [x for x in daemon.log().splitlines() if not x.startswith("warning:")]
    parsed = [json.loads(x) for x in lines]
    assert any(p.get("event") == "attempt" and p.get("result") == "sent" for p in parsed)


def test_memory_does_not_grow(stand):
    """Not a leak test (the sanitizer does that at the end): what it holds on to is bounded."""
    daemon = stand.start(log={"level": "error"})
    ids = stand.push(*[envelope(body(content="x" * 2000)) for _ in range(3000)])
    stand.wait_final(ids, timeout=60)
    assert daemon.stop() == 0
