"""sendqctl: its command line, completion, and that nothing it prints harms a terminal."""
import json
import os
import pty
import shlex
import shutil
import subprocess
import threading
import time

import pytest
from ctl_client import ID, UNSAFE, ctl, failed_message, rejected_job, two_senders
from invariants import check_all
from support import BIN, envelope

HOSTILE = "\x1b[31m\x07\x7f\u009b2J\u202e\r\n\tx"
NOUNS = ["push", "validate", "message", "status", "queue", "rejected", "dead", "worker", "sender",
         "stats", "events", "leads", "template", "top", "completion", "bulk"]


# --- the command line ---


def test_help_of_all_and_of_each_noun(ctl):
    out = ctl.text(argv=[str(BIN / "sendqctl"), "--help"])
    assert all(f"  {noun} " in out for noun in NOUNS)
    for noun in NOUNS:
        assert f"sendqctl {noun}" in ctl.text(argv=[str(BIN / "sendqctl"), noun, "--help"])
    assert ctl.text(argv=[str(BIN / "sendqctl"), "--version"]).startswith("sendqctl ")


def test_help_fits_a_terminal(ctl):
    for noun in [[], *[[n] for n in NOUNS]]:
        out = ctl.text(argv=[str(BIN / "sendqctl"), *noun, "--help"])
        assert max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize("arguments", [
    [], ["nothing"], ["message"], ["queue", "x"], ["dead", "shoot", "x"], ["dead", "show"],
    ["dead", "show", "a", "b"], ["dead", "retry"], ["dead", "retry", "--all", "x"],
    ["dead", "purge", "--older", "soon"], ["sender", "pause"], ["rejected", "ls", "--raw"],
    ["rejected", "requeue"], ["status", "--unknown"], ["stats", "--days", "0"],
    ["stats", "--days", "many"], ["stats", "--days"], ["events", "--count=-1"],
    ["events", "--follow=yes"], ["push", "--list", "urgent"], ["push", "--wait", "0"],
    ["push", "a", "b"], ["push", "/nonexistent/job.json"], ["push"], ["--config"],
    ["status", "--namespace", "a b"], ["status", "--redis", "http://x"],
    ["status", "--config", "/nonexistent.yaml"],
])
def test_usage_errors(ctl, arguments):
    assert ctl.run(*arguments, code=2) == b""
    assert len(ctl.stderr.splitlines()) == 1


def test_usage_errors_are_escaped(ctl):
    ctl.run("\x1b[31m", code=2)
    assert "\\u001b[31m" in ctl.stderr


def test_redis_out_of_reach(ctl):
    for noun in (["status"], ["message", "x"], ["dead", "ls"], ["events", "--follow"]):
        ctl.run("--redis", "redis://:s3cret@127.0.0.1:1", *noun, code=3)
        assert "s3cret" not in ctl.stderr
        assert len(ctl.stderr.splitlines()) == 1


def test_redis_refuses(stand, ctl):
    stand.redis.set(stand.key("dead"), "not a sorted set")
    assert ctl.run("dead", "ls", code=3) == b""
    assert "WRONGTYPE" in ctl.stderr
    assert ctl.run("status", "--json", code=3) == b""


def test_where_namespace_and_redis_come_from(stand, ctl):
    url = stand.server.url
    stand.redis.hset(stand.key("message", "a"), mapping={"id": "a", "status": "sent"})
    stand.redis.hset("other:message:b", mapping={"id": "b", "status": "sent"})
    program = str(BIN / "sendqctl")
    ctl.run("message", "a")
    ctl.run("message", "b", code=1)
    ctl.run("message", "b", "--namespace", "other")
    ctl.run("message", "b", SENDQ_NAMESPACE="other")
    ctl.run("message", "a", SENDQ_NAMESPACE="other", argv=ctl.argv("message", "a", "--namespace=t"))
    ctl.run(argv=[program, "--redis", url, "--namespace", "t", "message", "a"])
    ctl.run(argv=[program, "message", "a"], SENDQ_REDIS__URL=url, SENDQ_NAMESPACE="t")
    secret = stand.directory / "redis_url"
    secret.write_text(url)
    ctl.run("message", "a", "--redis", f"file:{secret}")


def test_a_faulty_configuration_is_told(stand, ctl):
    ctl.config.write_text("namespace: t\nretention: soon\n")
    ctl.run("status", code=2)
    assert ctl.stderr.startswith(f"sendqctl: {ctl.config}:2: retention: ")


def test_a_closed_pipe_is_no_crash(stand, ctl):
    stand.redis.zadd(stand.key("dead"), {str(i): i for i in range(5000)})
    with subprocess.Popen(ctl.argv("dead", "ls", "--count", "5000"), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=ctl.env()) as process:
        process.stdout.close()
        assert process.wait(60) == 1
        assert process.stderr.read() == b""


def test_faults_of_options_are_told_as_theirs(ctl):
    for option, value in (("--namespace", "a b"), ("--redis", "http://x")):
        ctl.run(option, value, "status", code=2)
        assert ctl.stderr.startswith(f"sendqctl: {option}: "), ctl.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-"])
def test_closed_descriptors_are_not_given_to_sockets(stand, ctl, closed):
    """What is printed must not reach Redis, where lines are commands."""
    entry = rejected_job(stand, raw=b"FLUSHALL\r\n" * 3)
    command = shlex.join(ctl.argv("rejected", "show", entry, "--raw"))
    done = subprocess.run(["/bin/sh", "-c", f"exec {command} {closed}"], capture_output=True,
                          timeout=60, env=ctl.env(), check=False)
    assert stand.redis.xlen(stand.key("rejected")) == 1
    assert done.returncode == (1 if ">" in closed else 0), done.stderr
    if closed == ">&-":
        assert done.stderr == b"sendqctl: cannot write: Bad file descriptor\n"


# --- what comes out ---


def plant(stand, text):
    """Hostile text in every place that some verb shows."""
    r = stand.redis
    r.hset(stand.key("message", "m"), mapping={
        "id": text, "status": text, "sender": text, "error_message": text, "metadata": text,
        "response": json.dumps({"a": text}, ensure_ascii=False), text: text})
    r.zadd(stand.key("dead"), {"m": 1, text: 2})
    rejected_job(stand, text.encode() + b"\xff\xc2", error_code=text, error_message=text, field=text,
                 at=text)
    r.sadd(stand.key("senders"), "s", text)
    r.hset(stand.key("sender", "s"), mapping={"state": text, "until": text, "error_message": text})
    r.hset(stand.key("sender", text), mapping={"state": text})
    r.hset(stand.key("bucket", "sender:s"), mapping={"zone": text})
    r.zadd(stand.key("workers"), {text: 1, "w": 9e12})
    r.zadd(stand.key("worker_names"), {text: 9e12})
    r.hset(stand.key("worker", text), mapping={
        "_id": "w", "host": text, "version": text, "started_at": text, "rate": text, "pid": text,
        "state": text})
    day = time.strftime("%Y-%m-%d", time.gmtime(r.time()[0]))
    r.hset(stand.key("stats", day), mapping={f"sender:{text}:sent": 1, f"{text}:a:sent": 1})
    r.xadd(stand.key("events"), {"type": text, "at": text, text: text})


@pytest.mark.parametrize("verb", [
    ["status"], ["queue"], ["message", "m"], ["message", "m", "--all"], ["rejected", "ls"],
    ["rejected", "show"], ["dead", "ls"], ["dead", "show", "m"], ["dead", "retry", "m"],
    ["dead", "retry", "--all"], ["worker", "ls"], ["sender", "ls"], ["sender", "show", "s"],
    ["sender", "pause", "s", HOSTILE], ["sender", "resume", HOSTILE], ["stats"], ["events"],
    ["message", HOSTILE], ["sender", "show", "none" + HOSTILE], ["dead", "show", "none" + HOSTILE]])
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_nothing_reaches_the_terminal_raw(stand, ctl, verb, form):
    plant(stand, HOSTILE)
    if verb == ["rejected", "show"]:
        verb = [*verb, stand.server.raw.xrange(stand.key("rejected"))[0][0].decode()]
    done = subprocess.run(ctl.argv(*verb, *form), capture_output=True, timeout=60, env=ctl.env(),
                          check=False)
    assert done.returncode in (0, 1), done.stderr
    for out in (done.stdout, done.stderr):
        assert not UNSAFE.search(out.decode()), out
    if form:
        for line in done.stdout.decode().splitlines():
            json.loads(line)


def test_tables_fit_80_columns(stand, ctl):
    ids = [failed_message(stand, ID % 1)]
    for n in range(2, 5):
        stand.redis.zadd(stand.key("dead"), {ID % n: time.time() * 1000})
        stand.redis.hset(stand.key("message", ID % n), mapping={
            "status": "failed", "sender": "a-sender-with-a-rather-long-name",
            "error_code": "insufficient_permissions", "failed_at": "2026-11-21T09:10:11.123Z"})
        ids.append(ID % n)
        rejected_job(stand, b"x" * 100000, error_message="why it was rejected " * 10)
    stand.start(two_senders(stand), worker={"name": "a-host-with-a-long-name.example.com-1234567"})
    for verb in (["dead"], ["rejected"], ["worker"], ["sender"], ["queue"], ["stats"], ["status"]):
        out = ctl.text(*verb, COLUMNS="80")
        assert max(map(len, out.splitlines())) <= 80, out
    assert all(i in ctl.text("dead", COLUMNS="80") for i in ids)
    # A pipe gets everything.
    assert "a-sender-with-a-rather-long-name" in ctl.text("dead")


def test_colours_on_a_terminal_only(stand, ctl):
    stand.redis.hset(stand.key("message", "m"), mapping={"id": "m", "status": "failed"})

    def on_terminal(**env):
        parent, child = pty.openpty()
        with open(parent, "rb", buffering=0) as reader:
            process = subprocess.Popen(ctl.argv("message", "m"), stdout=child, env=ctl.env(**env))
            os.close(child)
            seen = []

            def read():
                try:
                    while chunk := reader.read(4096):
                        seen.append(chunk)
                except OSError:  # the other end is closed
                    pass

            thread = threading.Thread(target=read)
            thread.start()
            assert process.wait(60) == 0
            thread.join()
        return b"".join(seen)

    assert b"\x1b[31mfailed\x1b[0m" in on_terminal()
    assert b"\x1b" not in on_terminal(NO_COLOR="1")
    assert b"\x1b" not in ctl.run("message", "m")


def test_nothing_is_left_behind_by_reading(stand, ctl):
    """Looking changes nothing: the same keys and values before and after."""
    stand.start(worker={"lease": "10m"}).stop()  # or what it noted for a lease's time would go
    before = stand.everything()
    for verb in (["status"], ["queue"], ["rejected"], ["dead"], ["worker"], ["sender"], ["stats"],
                 ["events"], ["message", "x"], ["sender", "show", "mail"]):
        subprocess.run(ctl.argv(*verb), capture_output=True, timeout=60, env=ctl.env(), check=False)
    assert sorted(stand.everything().split(b"\n")) == sorted(before.split(b"\n"))


def test_a_life_with_everything(stand, ctl):
    """Pushed, failed, retried by hand, sent: the books balance as far as they should."""
    stand.sandbox.faults([{"times": 1, "action": {"status": 400}}])
    stand.start()
    job = envelope()
    ctl.run("push", stdin=json.dumps(job).encode())
    assert stand.wait_final([job["id"]])[job["id"]]["status"] == "failed"
    ctl.run("dead", "retry", job["id"])
    assert stand.wait_status(job["id"], "sent")["attempts"] == "1"
    counted = stand.stats()
    assert (counted["sender:mail:failed"], counted["sender:mail:sent"]) == (1, 1)
    # The earlier failure was counted and stays so; all else is as if it had never been.
    for key in stand.redis.scan_iter(stand.key("stats", "*")):
        for scope in ("provider:sandbox", "channel:email", "sender:mail"):
            stand.redis.hdel(key, f"{scope}:failed")
    check_all(stand, [job["id"]], accepted_by=stand.sandbox.ids("sandbox"))


# --- completion ---


def completed(line, ctl):
    """What bash offers for the last word of the line."""
    words = line.split(" ")
    script = (f"source <({BIN}/sendqctl completion bash); COMP_WORDS=({' '.join(words)!s} ''); "
              f"COMP_CWORD={len(words) - 1}; COMP_WORDS[COMP_CWORD]='{words[-1]}'; _sendqctl; "
              "printf '%s\\n' \"${COMPREPLY[@]}\"")
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60,
                          env=ctl.env(), check=True)
    return done.stdout.split()


def test_completion_for_bash(ctl):
    assert set(NOUNS) <= set(completed("sendqctl ", ctl))
    assert completed("sendqctl de", ctl) == ["dead"]
    assert set(completed("sendqctl -c file dead ", ctl)) >= {"ls", "show", "retry", "purge"}
    assert completed("sendqctl --json sender p", ctl) == ["pause"]
    assert completed("sendqctl events --f", ctl) == ["--follow"]


def test_completion_for_zsh(ctl):
    out = ctl.text("completion", "zsh")
    assert out.startswith("#compdef sendqctl\n") and "'purge:" in out
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed: its syntax was not checked")
    done = subprocess.run(["zsh", "-n"], input=out, text=True, capture_output=True, timeout=60,
                          check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr
