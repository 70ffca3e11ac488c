"""Several namespaces in one process: each has its own configuration, senders, limits and Redis."""
import json
import signal
import subprocess

import pytest
from invariants import check_all
from support import BIN, RedisServer, Stand, envelope, wait_for


@pytest.fixture
def pair(tmp_path, redis_server, sandbox):
    """Two namespaces, the second in a Redis of its own; the first starts what serves both."""
    redis_server.client.flushall()
    other = RedisServer(tmp_path / "r").start()
    first, second = Stand(tmp_path, redis_server, sandbox, "one"), Stand(tmp_path, other, sandbox,
                                                                         "two")
    yield first, second
    first.close()
    other.stop()


def write(stand, name="second.yaml", **settings):
    path = stand.directory / name
    senders = [stand.sender(f"mail-{stand.ns}")]
    path.write_text(json.dumps(stand.config(senders, admin={"listen": "127.0.0.1:0"}, **settings)))
    return path


def both(first, second, ready=True):
    daemon = first.daemon(first.config([first.sender("mail-one")],
                                       admin={"listen": "127.0.0.1:0"}))
    daemon.more_configs = [write(second)]
    return daemon.start(ready=ready)


def test_each_is_served(pair):
    first, second = pair
    daemon = both(first, second)
    ids = [stand.push(*[envelope() for _ in range(30)]) for stand in pair]
    for stand, pushed in zip(pair, ids):
        messages = stand.wait_final(pushed)
        assert {m["sender"] for m in messages.values()} == {f"mail-{stand.ns}"}
    assert len(daemon.log_lines("event=admin", "listening on")) == 2
    assert len(daemon.log_lines("event=attempt", "ns=one")) == 30
    assert len(daemon.log_lines("event=attempt", "ns=two")) == 30
    assert daemon.stop() == 0
    for stand, pushed in zip(pair, ids):
        check_all(stand, pushed)
        assert not stand.redis.exists(stand.key("workers"))


def test_trouble_of_one_leaves_the_other_alone(pair):
    first, second = pair
    second.server.stop()
    daemon = both(first, second, ready=False)
    first.wait_final(first.push(envelope()))
    assert not daemon.notify.count("READY=1")
    second.server.start()
    daemon.wait_ready()
    second.wait_final(second.push(envelope()))
    second.server.stop()
    wait_for(lambda: len(daemon.log_lines("event=redis_down", "ns=two")) > 1, daemon.log)
    first.wait_final(first.push(envelope()))
    assert not daemon.log_lines("event=redis_down", "ns=one")
    second.server.start()
    assert daemon.stop() == 0


def test_who_has_drained_stays_out(pair):
    """While the other one still sends: it neither comes back, nor goes on with what it gave up."""
    first, second = pair
    daemon = first.daemon(first.config([first.sender("mail-one")], worker={"lease": "1s"},
                                       drain_timeout="1s", admin={"listen": "127.0.0.1:0"}))
    daemon.more_configs = [write(second)]
    daemon.start()
    first.sandbox.faults([{"action": {"delay_ms": 5000}}])
    ids = [stand.push(envelope()) for stand in pair]
    wait_for(lambda: all(s.status(i[0]) == "sending" for s, i in zip(pair, ids)), daemon.log)
    assert daemon.stop() == 0
    assert not daemon.log_lines("event=fenced")
    assert len(daemon.log_lines("event=registered", "ns=one")) == 1
    assert not daemon.log_lines("event=attempt", "ns=one", "result=sent")
    assert second.status(ids[1][0]) == "sent"
    assert not second.redis.exists(second.key("workers"))
    assert first.redis.zrange(first.key("workers"), 0, -1, withscores=True)[0][1] == 0


def test_reload_judges_each(pair):
    first, second = pair
    daemon = both(first, second)
    daemon.configure(first.config([first.sender("new-one")]))
    daemon.more_configs[0].write_text("senders: [")
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: daemon.notify.count("READY=1") > 1, daemon.log)
    assert daemon.log_lines("event=reload", "ns=one", "done")
    assert daemon.log_lines("event=reload", "ns=two", "refused")
    for stand, sender in ((first, "new-one"), (second, "mail-two")):
        (message,) = stand.wait_final(stand.push(envelope())).values()
        assert message["sender"] == sender


def test_command_line(stand):
    one = write(stand, "one.yaml")
    run = [BIN / "sendqd", "--config", one, "--config", write(stand, "two.yaml")]
    out = subprocess.run(run, capture_output=True, text=True)
    assert out.returncode == 1 and "two.yaml: namespace: " in out.stderr, out.stderr
    other = write(stand, "two.yaml", namespace="other")
    out = subprocess.run(run + ["--print-config"], capture_output=True, text=True)
    assert out.returncode == 0 and out.stdout.count("namespace: ") == 2
    other.write_text("nonsense: 1\n")
    out = subprocess.run(run + ["--check"], capture_output=True, text=True)
    assert out.returncode == 1 and "two.yaml:1: nonsense" in out.stderr
    out = subprocess.run([BIN / "sendqd", *["--config", one] * 17], capture_output=True, text=True)
    assert out.returncode == 2 and "more than 16" in out.stderr
