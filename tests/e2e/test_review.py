"""What went wrong once, away from the usual paths: reloads, logs and descriptors at odd moments."""
import fcntl
import json
import os
import resource
import signal
import subprocess

import pytest
from ctl_client import Ctl
from support import BIN, Daemon, body, envelope, sanitizer_env, wait_for


def reloads(daemon):
    return len(daemon.log_lines("event=reload"))


def reload(daemon):
    """SIGHUP, until the daemon says how that ended; what it said."""
    before = reloads(daemon)
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: reloads(daemon) > before and
             daemon.log_lines("event=reload", "done") + daemon.log_lines("event=reload", "refused"),
             daemon.log)
    return daemon.log_lines("event=reload")[before:]


def test_a_reload_while_a_batch_is_refused(stand):
    """The batch that Redis does not take yet names senders of the configuration it was made by."""
    daemon = stand.start()
    ns = stand.ns
    # All keys but the messages' content, which only accepting a job writes.
    stand.redis.execute_command("ACL", "SETUSER", "default", "resetkeys", f"~{ns}:",
                                f"~{ns}:[^c]*", f"~{ns}:claimed:*")
    try:
        stand.push(body())
        wait_for(lambda: daemon.log_lines("event=redis ", "msg="), daemon.log)
        for _ in range(3):
            reload(daemon)
    finally:
        stand.redis.execute_command("ACL", "SETUSER", "default", "allkeys")
    (message,) = wait_for(lambda: list(stand.messages()), daemon.log)
    stand.wait_status(message, "sent")
    assert not list(stand.redis.scan_iter(stand.key("ready", "*")))


def test_a_reload_with_a_ca_file(stand):
    """More transfers at once than before the reload need handles that are made after it."""
    ca_file = stand.directory / "ca.pem"
    ca_file.write_text("")
    daemon = stand.start(tls={"ca_file": str(ca_file)})
    reload(daemon)
    stand.sandbox.faults([{"action": {"delay_ms": 200}}])
    stand.wait_final(stand.push(*[envelope() for _ in range(5)]))


def test_a_reload_does_not_change_the_lease(stand):
    """A lease shorter than the beats would make a sound worker look dead between them."""
    daemon = stand.start(worker={"lease": "6s"})
    daemon.configure(stand.config(worker={"lease": "1s"}))
    assert any("restart" in line for line in reload(daemon))
    ((_, until),) = stand.redis.zrange(stand.key("workers"), 0, -1, withscores=True)
    stand.redis.zadd(stand.key("workers"), dict.fromkeys(
        stand.redis.zrange(stand.key("workers"), 0, -1), until - 1))
    wait_for(lambda: stand.redis.zrange(stand.key("workers"), 0, -1, withscores=True)[0][1] > until,
             daemon.log)
    seconds, micros = stand.redis.time()
    left = stand.redis.zrange(stand.key("workers"), 0, -1, withscores=True)[0][1]
    assert left - (seconds * 1000 + micros / 1000) > 2000


def test_a_reload_of_an_emptied_file_is_refused(stand):
    """An editor empties the file before it writes it."""
    daemon = stand.start()
    whole = daemon.config_path.read_text()
    daemon.configure("")
    assert any("refused" in line for line in reload(daemon))
    ids = stand.push(envelope())
    stand.wait_status(ids[0], "sent")
    daemon.configure(whole)
    assert any("done" in line for line in reload(daemon))


@pytest.mark.parametrize("url", [
    "rediss://host:x", "sentinel://a,b", "redis://host:99999", "redis://host:6379/words",
    "unix:///" + "x" * 200])
def test_check_refuses_what_the_start_would(tmp_path, url):
    daemon = Daemon(tmp_path, {"redis": {"url": url}})
    found = subprocess.run(
        [str(BIN / "sendqd"), "--check", "--config", str(daemon.config_path)], text=True,
        env=os.environ | sanitizer_env(), capture_output=True, timeout=30, check=False)
    assert found.returncode == 1
    assert "redis.url: Redis URL: " in found.stderr


def spawn(stand, **options):
    """A sendqd with other descriptors than a test's usual one has."""
    daemon = stand.daemon()
    return subprocess.Popen(
        [str(BIN / "sendqd"), "--config", str(daemon.config_path)], stdin=subprocess.DEVNULL,
        env=os.environ | sanitizer_env(), **options)


def end(process):
    process.terminate()
    try:
        return process.wait(30)
    finally:
        process.kill()
        process.wait()


def test_a_log_that_nobody_reads_stops_nothing(stand):
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    process = spawn(stand, stdout=writer, stderr=writer)
    try:
        stand.push(*["not a job"] * 300)
        ids = stand.push(*[envelope() for _ in range(50)])
        stand.wait_final(ids)
        assert os.read(reader, 4096)
        assert end(process) == 0
    finally:
        process.kill()
        process.wait()
        os.close(reader)
        os.close(writer)


def test_closed_standard_descriptors_are_not_written_to(stand):
    def close_all():
        for fd in range(3):
            os.close(fd)

    process = spawn(stand, preexec_fn=close_all)
    try:
        ids = stand.push(envelope())
        stand.wait_final(ids)
        for fd in range(3):
            assert os.readlink(f"/proc/{process.pid}/fd/{fd}") == "/dev/null"
    except PermissionError:
        pytest.skip("another's descriptors can be seen by root only")
    finally:
        assert end(process) == 0


def test_few_descriptors_cost_no_attempts(stand, figure):
    log = stand.directory / "few.log"
    with open(log, "wb") as out:
        process = spawn(stand, stdout=out, stderr=out, preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_NOFILE, (64, 64)))
    try:
        ids = stand.push(*[envelope(body(content=str(n))) for n in range(200)])
        messages = stand.wait_final(ids)
        assert {(m["status"], m["attempts"]) for m in messages.values()} == {("sent", "1")}
        assert "event=limits" in log.read_text()
        figure(lost=0, jobs=len(ids), attempts=sum(int(m["attempts"]) for m in messages.values()))
    finally:
        assert end(process) == 0


def test_the_last_second_of_the_year_9999(stand):
    stand.start()
    stand.push(json.dumps({"scheduled_at": 253402300800, "body": body()}),
               json.dumps({"scheduled_at": 253402300799.9999, "body": body()}),
               json.dumps({"id": "last", "scheduled_at": 253402300799.999, "body": body()}))
    stand.wait_rejected(2)
    stand.wait_status("last", "scheduled")
    assert stand.message("last")["next_attempt_at"] == "9999-12-31T23:59:59.999Z"


def test_a_retry_that_fails_changes_nothing(stand):
    """What somebody else made of a key of ours stops it before its first write: a message that was
    queued, but stood in no queue, would wait for ever."""
    stand.sandbox.faults([{"times": 1, "action": {"status": 400}}])
    stand.start()
    (message_id,) = stand.push(envelope())
    stand.wait_status(message_id, "failed")
    for name in ("dead", "turn", "delayed"):
        key = stand.key(name)
        kept = stand.redis.zrange(key, 0, -1, withscores=True)
        stand.redis.delete(key)
        stand.redis.set(key, "x")
        Ctl(stand).run("dead", "retry", message_id, code=3)
        stand.redis.delete(key)
        if kept:
            stand.redis.zadd(key, dict(kept))
        assert stand.status(message_id) == "failed"
    Ctl(stand).text("dead", "retry", message_id)
    stand.wait_status(message_id, "sent")
