"""Runs sendqctl, and looks at what it prints; what there is to look at."""
import json
import os
import re
import subprocess

import pytest
from support import BIN, body, new_id, sanitizer_env

# What may stand in output: lines of text without control characters (C0, DEL, C1) or bidi marks.
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
ID = "11111111-2222-3333-4444-55555555555%d"


class Ctl:
    """Runs sendqctl as an operator would who may not read the senders' credentials."""

    def __init__(self, stand, **settings):
        self.stand = stand
        self.config = stand.directory / "ctl.yaml"
        sender = stand.sender(dialect="sendgrid",
                              credentials={"api_key": "file:/nonexistent/api_key"})
        self.config.write_text(json.dumps(stand.config([sender], **settings)))

    def argv(self, *arguments):
        return [str(BIN / "sendqctl"), "--config", str(self.config), *map(str, arguments)]

    def env(self, **more):
        known = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
        return known | sanitizer_env() | more

    def run(self, *arguments, code=0, stdin=b"", argv=None, **env):
        """Its stdout as bytes. Errors are one line each, and there are none without reason."""
        done = subprocess.run(argv or self.argv(*arguments), input=stdin, capture_output=True,
                              timeout=60, env=self.env(**env), check=False)
        self.stderr = done.stderr.decode()
        assert done.returncode == code, (arguments, done.returncode, done.stdout, self.stderr)
        assert all(line.startswith("sendqctl: ") for line in self.stderr.splitlines()), self.stderr
        assert not UNSAFE.search(self.stderr), self.stderr
        assert bool(self.stderr) == (code != 0), self.stderr
        return done.stdout

    def run_any(self, *arguments):
        """Done, or refused: its exit status."""
        done = subprocess.run(self.argv(*arguments), capture_output=True, timeout=60,
                              env=self.env(), check=False)
        assert done.returncode in (0, 1), done
        return done.returncode

    def text(self, *arguments, code=0, **more):
        out = self.run(*arguments, code=code, **more).decode()
        assert not UNSAFE.search(out), out
        return out

    def json(self, *arguments, code=0, **more):
        """The objects of --json, one a line."""
        out = self.text(*arguments, "--json", code=code, **more)
        return [json.loads(line) for line in out.splitlines()]

    def rows(self, *arguments, **more):
        """The lines of a table, split where two spaces stand."""
        return [re.split(r"  +", line.strip())
                for line in self.text(*arguments, **more).splitlines()]


@pytest.fixture
def ctl(stand):
    return Ctl(stand)


def pairs(text):
    """What `name  value` lines say."""
    return dict(re.split(r"  +", line, maxsplit=1) for line in text.splitlines() if "  " in line)


def failed_message(stand, message_id=None, **job):
    """A message that really failed for good; no daemon runs afterwards."""
    message_id = message_id or new_id()
    stand.sandbox.faults([{"action": {"status": 400}}])
    daemon = stand.start()
    stand.push({"id": message_id, "body": body()} | job)
    assert stand.wait_final([message_id])[message_id]["status"] == "failed"
    assert daemon.stop() == 0
    stand.sandbox.faults([])
    return message_id


def rejected_job(stand, raw=b"{broken", **fields):
    """An entry of NS:rejected as the daemon writes it; its id."""
    known = {"raw": raw, "error_code": "validation_error", "error_message": "no JSON",
             "field": "body", "at": "2026-11-21T09:10:11.123Z"}
    return stand.redis.xadd(stand.key("rejected"), known | fields)


def two_senders(stand):
    return [stand.sender("mail", limits={"rate": "50/s burst 5", "day": "1000/day calendar UTC",
                                         "concurrency": 7}),
            stand.sender("text", channels=["sms"])]
