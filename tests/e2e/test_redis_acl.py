"""An ACL user with the rights that docs/redis.md lists and no other; and with too few."""
import json
import pathlib
import re
import subprocess

import pytest
from support import BIN, envelope, wait_for
from test_lifecycle import reload

DOC = pathlib.Path(__file__).resolve().parents[2] / "docs" / "redis.md"
PASSWORD = "p@ss/w:rd 'x"


def documented():
    """The words behind ACL SETUSER sendqd, as the page has them."""
    text = re.search(r"ACL SETUSER sendqd (.*?)\n\n", DOC.read_text(), re.S).group(1)
    return text.replace("sendq:", "t:").split()


def set_user(stand, *rights, name="sendqd"):
    words = [f">{PASSWORD}" if w == ">PASSWORD" else w for w in rights]
    stand.redis.execute_command("ACL", "SETUSER", name, *words)


def settings(stand, **more):
    secret = stand.directory / "password"
    secret.write_text(PASSWORD + "\n")
    secret.chmod(0o600)
    return {"redis": {"url": stand.server.url, "user": "sendqd", "password": f"file:{secret}",
                      "timeout": "1500ms"} | more}


def ctl(stand, *arguments, **env):
    daemon = stand.daemons[-1]
    return subprocess.run([BIN / "sendqctl", "--config", daemon.config_path, *arguments],
                          capture_output=True, text=True, env=env)


def bulk(leads):
    return {"id": "b1", "body": {"bulk_settings": {"lead_ids": leads},
                                 "message_data": {"recipient": "p@example.com", "subject": "S",
                                                  "content": "Hello {{name}}"}}}


def test_documented_rights_are_enough(own_stand):
    stand = own_stand
    set_user(stand, *documented())
    stand.redis.acl_log_reset()
    stand.sandbox.faults([{"match": {"recipient": "bad@*"}, "action": {"status": 400}},
                          {"probability": 0.3, "seed": 1, "action": {"status": 503}}])
    sender = stand.sender(retry={"base": "5ms", "max": "20ms", "attempts": 50},
                          limits={"rate": "500/s", "day": "100000/day rolling",
                                  "concurrency": 20, "recipient": "100/s"})
    first = stand.start([sender], events="all", **settings(stand))
    for n in range(30):
        stand.redis.hset(f"t:lead:l{n}", mapping={"name": f"N{n}", "email": f"l{n}@example.com"})
        stand.redis.sadd("t:leads", f"l{n}")
    jobs = [envelope(uncertain="fail" if n % 3 else "retry", idempotency_key=f"k{n}",
                     reply_to="r", priority=("HIGH", "NORMAL", "LOW")[n % 3]) for n in range(40)]
    stand.push(*jobs[:20])
    stand.push(bulk([f"l{n}" for n in range(30)]), "not json", *jobs[20:])
    stand.wait_final([j["id"] for j in jobs])
    wait_for(lambda: stand.redis.hget("t:bulk:b1", "status") == "done",
             lambda: str(stand.redis.hgetall("t:bulk:b1")) + stand.logs())
    stand.wait_rejected(1)
    first.kill()  # another recovers what it held
    second = stand.start([sender], events="all", **settings(stand))
    stand.wait_final(stand.push(envelope()))
    wait_for(lambda: stand.redis.zcard("t:workers") == 1, "the dead worker is forgotten")
    assert second.stop() == 0
    denied = [(e["context"], e["reason"], e["object"]) for e in stand.redis.acl_log()]
    assert not denied
    assert PASSWORD not in first.log() + second.log()
    shown = subprocess.run([BIN / "sendqd", "--config", second.config_path, "--print-config"],
                           capture_output=True, text=True)
    assert PASSWORD not in shown.stdout + shown.stderr
    assert 'password: "***"' in shown.stdout


def test_every_script_has_its_rights():
    """Also what the path above does not happen to run."""
    scripts = (DOC.parents[1] / "lib" / "store" / "scripts").glob("*.lua")
    used = set()
    for script in scripts:
        if not script.name.startswith("ctl_"):  # sendqctl's
            used.update(re.findall(r"\b(?:call|tell|pcall)\('([A-Z]+)'", script.read_text()))
    missing = {word for word in used if "+" + word.lower() not in documented()}
    assert len(used) > 40 and not missing


def test_sendqctl_has_rights_of_its_own(own_stand):
    stand = own_stand
    set_user(stand, "on", ">PASSWORD", "resetchannels", "~t:*", "&t:bell", "+@all", "-@admin",
             "-@dangerous", "+sort", "+info")
    stand.daemon(stand.config(**settings(stand)))
    stand.push("not json")
    for words in (("status",), ("queue",), ("sender", "ls"), ("worker", "ls"), ("stats",), ("dead", "ls"),
                  ("rejected", "ls"), ("bulk", "ls")):
        out = ctl(stand, *words)
        assert out.returncode == 0, (words, out.stderr)
    assert not stand.redis.acl_log()


@pytest.mark.parametrize("rights, expected", [
    (("on", ">other", "~t:*", "+@all"), "AUTH refused: WRONGPASS"),
    (("on", ">PASSWORD", "~x:*", "+@all"), "EXISTS refused: NOPERM"),
    (("on", ">PASSWORD", "~t:*", "&*", "+@all", "-evalsha"), "NOPERM"),
    (("on", ">PASSWORD", "~t:*", "&*", "+@all", "-script"), "SCRIPT LOAD refused"),
    (("on", ">PASSWORD", "~t:*", "&*", "+@all", "-zadd"), "docs/redis.md lists the rights"),
])
def test_too_few_rights_are_told(own_stand, rights, expected):
    stand = own_stand
    set_user(stand, *rights)
    daemon = stand.daemon(stand.config(**settings(stand))).start(ready=False)
    wait_for(lambda: daemon.log_lines("level=error", expected), daemon.log)
    assert PASSWORD not in daemon.log()


def test_no_credentials_where_some_are_needed(own_stand):
    stand = own_stand
    stand.redis.config_set("requirepass", "s3cret")
    daemon = stand.daemon().start(ready=False)
    wait_for(lambda: daemon.log_lines("NOAUTH", "redis.user and redis.password"), daemon.log)
    out = ctl(stand, "status")
    assert out.returncode == 3 and "NOAUTH" in out.stderr


def test_another_reason_is_told(own_stand):
    """Absent at first, then there, with another password."""
    stand = own_stand
    stand.server.stop()
    daemon = stand.daemon(stand.config(**settings(stand))).start(ready=False)
    wait_for(lambda: daemon.log_lines("event=redis_down"), daemon.log)
    stand.server.start()
    wait_for(lambda: daemon.log_lines("event=redis_down", "WRONGPASS"), daemon.log)
    set_user(stand, *documented())
    daemon.wait_ready()


@pytest.mark.parametrize("where", ["file", "env", "credential"])
def test_credentials_by_reference(own_stand, where):
    stand = own_stand
    set_user(stand, *documented())
    (stand.directory / "cred").mkdir(mode=0o700)
    secret = stand.directory / "cred" / "pw"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    reference = {"file": f"file:{secret}", "env": "env:REDIS_PW", "credential": "credential:pw"}
    config = stand.config(**settings(stand, password=reference[where]))
    daemon = stand.daemon(config, env={"REDIS_PW": PASSWORD,
                                       "CREDENTIALS_DIRECTORY": str(secret.parent)}).start()
    stand.wait_final(stand.push(envelope()))
    assert daemon.stop() == 0


def test_a_new_password_by_reload(own_stand):
    """Connections that stand stay; all that are made after the reload use the new one. Of another
    Redis nothing is taken, its password neither."""
    stand = own_stand
    set_user(stand, *documented())
    config = stand.config(**settings(stand))
    daemon = stand.daemon(config).start()
    stand.wait_final(stand.push(envelope()))
    (stand.directory / "password").write_text("changed")
    reload(daemon)
    assert not daemon.log_lines("change only with a restart")
    stand.redis.execute_command("ACL", "SETUSER", "sendqd", ">changed", f"<{PASSWORD}")
    stand.redis.execute_command("CLIENT", "KILL", "USER", "sendqd")
    stand.wait_final(stand.push(envelope()))
    names = {"commands", "bell", "doorbell-high", "doorbell", "doorbell-low"}
    wait_for(lambda: {c["name"].split(":")[-1] for c in stand.redis.client_list()} >= names,
             lambda: stand.redis.client_list())
    config["redis"]["url"] = "redis://elsewhere.example"
    daemon.config_path.write_text(json.dumps(config))
    (stand.directory / "password").write_text("of another")
    reload(daemon)
    assert daemon.log_lines("change only with a restart")
    stand.redis.execute_command("CLIENT", "KILL", "USER", "sendqd")
    stand.wait_final(stand.push(envelope()))
    assert not daemon.log_lines("WRONGPASS") and "changed" not in daemon.log()


def test_workers_of_one_name(stand):
    """Both are shown; neither deletes the other's key; a restart gets the plain name again."""
    def names():
        return sorted(k.split(":", 2)[2] for k in stand.redis.scan_iter("t:worker:*"))

    first = stand.start(worker={"name": "w", "lease": "2s"})
    second = stand.start(worker={"name": "w", "lease": "2s"})
    assert names() == ["w", f"w.{second.worker_ids()[0][:8]}"]
    assert second.stop() == 0
    assert names() == ["w"]
    assert stand.redis.hget("t:worker:w", "_id") == first.worker_ids()[0]
    first.kill()
    third = stand.start(worker={"name": "w", "lease": "2s"})
    wait_for(lambda: names() == ["w"], names)
    assert stand.redis.hget("t:worker:w", "_id") == third.worker_ids()[0]
