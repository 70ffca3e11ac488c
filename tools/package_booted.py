"""The installed package under a real systemd: tools/package_test.sh boots a clean Debian and runs
this in it. Starts the service with a credential of systemd's, sends, reloads, restarts it under
load, takes over by an instance of the template, hangs it until the watchdog acts, stops it. Needs a
sandbox provider at SANDBOX. Says what it found, line by line; exits 1 at the first fault."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.request
import uuid

import redis

SANDBOX = "http://127.0.0.1:8081"
CONFIG = """
redis: {{ url: "unix:///run/redis/redis-server.sock", timeout: 1s }}
admin: {{ listen: "{admin}" }}
worker: {{ lease: 3s }}
senders:
  - id: mail
    provider: sendgrid
    channels: [email]
    default: true
    from: {{ address: support@acme.example }}
    endpoint: "{sandbox}/sendgrid"
    credentials: {{ api_key: "credential:sendgrid_api_key" }}
"""
DROP_IN = """
[Service]
LoadCredential=sendgrid_api_key:/etc/sendq/credentials/sendgrid_api_key
SupplementaryGroups=redis
WatchdogSec=3
"""
r = redis.Redis(unix_socket_path="/run/redis/redis-server.sock", decode_responses=True)


def fail(text):
    journal = subprocess.run(["journalctl", "-q", "--no-pager", "-n", "40", "-u", "sendqd",
                              "-u", "sendqd@eu"], capture_output=True, text=True, check=False)
    sys.exit(f"FAILED: {text}\n{journal.stdout}")


def wait(condition, what, timeout=60):
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            fail(f"gave up waiting: {what}")
        time.sleep(0.05)
    print(f"ok    {what}", flush=True)


def systemctl(*words):
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        fail(f"systemctl {' '.join(words)}: {done.stderr}")
    return done.stdout.strip()


def shown(name, unit="sendqd"):
    return systemctl("show", "--value", "-p", name, unit)


def push(count):
    ids = [str(uuid.uuid4()) for _ in range(count)]
    r.lpush("sendq:jobs", *[json.dumps({"id": i, "body": {"message_data": {
        "recipient": "a@example.com", "subject": "s", "content": "c"}}}) for i in ids])
    return ids


def sent(ids):
    return sum(r.hget(f"sendq:message:{i}", "status") == "sent" for i in ids)


def provider(path):
    with urllib.request.urlopen(f"{SANDBOX}/_control/{path}", timeout=10) as answer:
        return json.load(answer)


def keys_seen():
    """The credentials of the requests so far, in their order."""
    return [value for q in provider("requests")["requests"]
            for name, value in q["headers"] if name.lower() == "authorization"]


def set_up():
    pathlib.Path("/etc/sendq/sendqd.yaml").write_text(
        CONFIG.format(sandbox=SANDBOX, admin="unix:/run/sendq/admin.sock"))
    pathlib.Path("/etc/sendq/eu.yaml").write_text(CONFIG.format(sandbox=SANDBOX, admin=""))
    secret = pathlib.Path("/etc/sendq/credentials/sendgrid_api_key")
    secret.write_text("SG.first")
    secret.chmod(0o600)
    os.chmod("/etc/sendq/eu.yaml", 0o644)
    for unit in ("sendqd", "sendqd@eu"):
        directory = pathlib.Path(f"/etc/systemd/system/{unit}.service.d")
        directory.mkdir(parents=True)
        (directory / "test.conf").write_text(DROP_IN)
    systemctl("daemon-reload")
    wait(lambda: os.path.exists("/run/redis/redis-server.sock") and r.ping(), "Redis answers")
    r.flushall()
    wait(lambda: provider("requests") is not None, "the provider answers")


def service():
    systemctl("start", "sendqd")
    wait(lambda: shown("ActiveState") == "active", "the service says that it is ready")
    ids = push(20)
    wait(lambda: sent(ids) == 20, "20 messages are sent from its sandbox")
    if set(keys_seen()) != {"Bearer SG.first"}:
        fail(f"the provider saw {set(keys_seen())}")
    if not os.path.exists("/run/sendq/admin.sock"):
        fail("no admin socket")
    warnings = subprocess.run(["journalctl", "-q", "--no-pager", "-p", "warning", "-u", "sendqd",
                               "-o", "cat"], capture_output=True, text=True, check=False).stdout
    print("      warnings: " + (warnings.strip().replace("\n", "\n      ") or "none"))


def reload_and_restart():
    pid = shown("MainPID")
    systemctl("reload", "sendqd")
    if shown("MainPID") != pid or shown("ActiveState") != "active":
        fail("a reload changes no process")
    ids = []
    for _ in range(4):
        ids += push(200)
        systemctl("restart", "sendqd")
    wait(lambda: sent(ids) == len(ids), "800 messages are sent over four restarts")
    if shown("NRestarts") != "0":
        fail("it did not end by itself")


def rotate():
    pathlib.Path("/etc/sendq/credentials/sendgrid_api_key").write_text("SG.second")
    systemctl("restart", "sendqd")
    ids = push(1)
    wait(lambda: sent(ids) == 1, "one more after the credential was rotated")
    if keys_seen()[-1] != "Bearer SG.second":
        fail("the old credential is used")


def take_over():
    systemctl("start", "sendqd@eu")
    ids = push(200)
    systemctl("stop", "sendqd")
    wait(lambda: sent(ids) == 200, "sendqd@eu goes on while sendqd is stopped")
    if shown("Result") != "success":
        fail(f"stopped with {shown('Result')}")
    systemctl("stop", "sendqd@eu")
    systemctl("start", "sendqd")


def hang():
    pid = int(shown("MainPID"))
    os.kill(pid, signal.SIGSTOP)
    wait(lambda: shown("NRestarts") == "1" and shown("ActiveState") == "active"
         and int(shown("MainPID")) not in (0, pid), "the watchdog ends a hung one, and it is back")
    ids = push(20)
    wait(lambda: sent(ids) == 20, "which sends")


def main():
    set_up()
    service()
    reload_and_restart()
    rotate()
    take_over()
    hang()
    counts = r.hgetall(f"sendq:stats:{time.strftime('%Y-%m-%d', time.gmtime())}")
    requests = len(keys_seen())
    if int(counts["provider:sendgrid:sent"]) != requests:
        fail(f"{counts}, but the provider saw {requests} requests")
    print(f"ok    each of {requests} messages was sent once")
    systemctl("stop", "sendqd")


if __name__ == "__main__":
    main()
