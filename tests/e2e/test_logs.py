"""The log: one result line per attempt, in both formats, with the journal's priorities; problems
that last are told once in a while; nothing of what was sent."""
import json
import re

from support import body, envelope, wait_for

CANARY = "canary-1f9c"


def attempts_of(stand, daemon):
    """Lets one message succeed at its second attempt and one fail; ends the daemon."""
    stand.sandbox.faults([
        {"match": {"recipient": "again@*"}, "times": 1, "action": {"status": 503}},
        {"match": {"recipient": "bad@*"}, "action": {"status": 400}}])
    ids = stand.push(envelope(body("again@example.com", subject=CANARY, content=CANARY)),
                     envelope(body("bad@example.com", content=CANARY)))
    stand.wait_final(ids)
    assert daemon.stop() == 0
    return ids


def quick(stand, **settings):
    return stand.config([stand.sender(retry={"base": "5ms"})], **settings)


def test_one_line_per_attempt(stand):
    daemon = stand.daemon(quick(stand, log={"level": "debug"})).start()
    again, bad = attempts_of(stand, daemon)
    lines = daemon.log_lines("event=attempt")
    fields = [dict(re.findall(r"(\w+)=(\"[^\"]*\"|\S+)", line)) for line in lines]
    found = [(f["id"], f["result"], f["attempt"], f["level"]) for f in fields]
    assert sorted(found) == sorted([(again, "retry", "1", "warn"), (again, "sent", "2", "info"),
                                    (bad, "failed", "1", "warn")])
    for f in fields:
        assert f["sender"] == "mail" and f["provider"] == "sandbox" and f["channel"] == "email"
        assert f["took_ms"].isdigit() and ("error_code" in f) == (f["result"] != "sent")
    assert CANARY not in daemon.log() and "again@" not in daemon.log()


def test_json_lines(stand):
    daemon = stand.daemon(quick(stand, log={"format": "json", "level": "debug"})).start()
    again, bad = attempts_of(stand, daemon)
    lines = [json.loads(line) for line in daemon.log().splitlines()]
    found = [(x["id"], x["result"], x["attempt"]) for x in lines if x["event"] == "attempt"]
    assert sorted(found) == sorted([(again, "retry", 1), (again, "sent", 2), (bad, "failed", 1)])
    assert all(x["time"] and x["level"] for x in lines)
    assert CANARY not in daemon.log()


def test_priorities_for_the_journal(stand):
    """Where stderr is the journal's stream: its priorities, and no time, which it has itself."""
    daemon = stand.daemon(quick(stand))
    daemon.log_path.touch()
    there = daemon.log_path.stat()
    daemon.env["JOURNAL_STREAM"] = f"{there.st_dev}:{there.st_ino}"
    daemon.start()
    attempts_of(stand, daemon)
    priority = {"error": "3", "warn": "4", "info": "6", "debug": "7"}
    for line in daemon.log().splitlines():
        found = re.match(r"<(\d)>level=(\w+) event=\w+", line)
        assert found and priority[found.group(2)] == found.group(1), line


def test_a_problem_that_lasts_is_told_once_in_a_while(stand):
    daemon = stand.start()
    stand.redis.set(stand.key("rejected"), "of another type")
    stand.redis.config_resetstat()
    stand.push(*[envelope() for _ in range(5)])

    def refused():
        found = re.search(r"count=(\d+)", str(stand.redis.info("errorstats").get(
            "errorstat_WRONGTYPE", "")))
        return int(found.group(1)) if found else 0
    wait_for(lambda: refused() >= 8, lambda: f"{refused()} refusals\n{daemon.log()}", timeout=30)
    told = daemon.log_lines("level=error", "WRONGTYPE")
    assert 1 <= len(told) <= 3, told
