"""sendqctl top, and events followed, on terminals that come and go."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios

import pytest
from ctl_client import Ctl, ctl
from support import body, end_with_parent, envelope, wait_for


class Terminal:
    """sendqctl top on a terminal of its own."""

    def __init__(self, ctl, *arguments, columns=80, lines=24):
        self.parent, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.before = termios.tcgetattr(self.parent)
        self.seen = b""
        self.process = subprocess.Popen(
            ctl.argv("top", *arguments), stdin=child, stdout=child, stderr=child,
            env=ctl.env(NO_COLOR="1"), preexec_fn=end_with_parent)
        os.close(child)

    def read(self):
        """What came by now."""
        while select.select([self.parent], [], [], 0)[0]:
            try:
                chunk = os.read(self.parent, 65536)
            except OSError:  # it has ended
                chunk = b""
            if not chunk:
                break
            self.seen += chunk
        return self.seen

    def frames(self):
        """The whole screens that were drawn, as lines."""
        parts = self.read().split(b"\x1b[H\x1b[2J")[1:]
        return [p.split(b"\x1b[?25h")[0].decode().replace("\r", "").split("\n") for p in parts]

    def wait_frames(self, count):
        wait_for(lambda: len(self.frames()) >= count, lambda: repr(self.seen[-2000:]))
        return self.frames()

    def end(self):
        """Its exit code; the terminal is as it was."""
        code = self.process.wait(20)
        self.read()
        assert self.seen.endswith(b"\x1b[?25h\x1b[?1049l"), self.seen[-100:]
        assert termios.tcgetattr(self.parent) == self.before
        os.close(self.parent)
        return code


def test_top_once(stand, ctl):
    stand.sandbox.faults([{"match": {"recipient": "bad@*"}, "action": {"status": 400}}])
    stand.start([stand.sender(limits={"day": "3/day"})])
    stand.push(*[envelope() for _ in range(5)], envelope(body("bad@example.com")))
    stand.sandbox.wait_accepted(3, "sandbox")
    wait_for(lambda: stand.redis.hget(stand.key("sender", "mail"), "state") == "day_cap", "capped")
    out = ctl.text("top", "--once")
    assert max(map(len, out.splitlines())) <= 80
    assert re.search(r"today 3 sent", out) and re.search(r"^mail +day_cap +", out, re.M)
    assert "running" in out
    shown, = ctl.json("top")
    assert shown["senders"][0]["state"] == "day_cap" and shown["workers"]


@pytest.mark.parametrize("how", ["q", "Q", "\x04", "\x1b", signal.SIGINT, signal.SIGTERM])
def test_top_ends_cleanly(stand, ctl, how):
    terminal = Terminal(ctl)
    terminal.wait_frames(1)
    if isinstance(how, str):
        os.write(terminal.parent, how.encode())
    else:
        terminal.process.send_signal(how)
    assert terminal.end() == 0


def test_top_refreshes_and_fits(stand, ctl):
    senders = [stand.sender(f"a-sender-with-quite-a-long-name-{n}", default=n == 0)
               for n in range(30)]
    daemon = stand.start(senders)
    terminal = Terminal(ctl, "--interval", "1")
    terminal.wait_frames(1)
    stand.wait_final(stand.push(*[envelope() for _ in range(20)]))
    wait_for(lambda: "20 sent" in terminal.frames()[-1][1], lambda: repr(terminal.frames()[-1]))
    assert any(re.search(r"sent [1-9][0-9.]*/s", f[1]) for f in terminal.frames())
    for frame in terminal.frames()[:-1]:
        assert len(frame) <= 24 and max(map(len, frame)) <= 80
    os.write(terminal.parent, b"q")
    assert terminal.end() == 0
    assert daemon.stop() == 0


def test_top_when_redis_goes(own_stand):
    """It goes on when Redis is there again; whoever ends it before is told."""
    terminal = Terminal(Ctl(own_stand), "--interval", "1")

    def stop_redis(times):
        own_stand.server.stop()
        wait_for(lambda: terminal.read().count(b"sendqctl: Redis: ") == times,
                 lambda: repr(terminal.seen[-900:]))

    terminal.wait_frames(1)
    stop_redis(1)
    drawn = len(terminal.frames())
    own_stand.server.start()
    terminal.wait_frames(drawn + 1)
    stop_redis(2)
    os.write(terminal.parent, b"q")
    assert terminal.process.wait(20) == 3
    assert b"sendqctl: the connection to Redis broke" in terminal.read()
    assert termios.tcgetattr(terminal.parent) == terminal.before


def test_events_follow_when_redis_goes(own_stand):
    stand, ctl = own_stand, Ctl(own_stand)
    with subprocess.Popen(ctl.argv("events", "--follow", "--json"), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=ctl.env(),
                          preexec_fn=end_with_parent) as process:
        for n in range(2):
            wait_for(lambda: any(c["cmd"] == "xread" for c in stand.redis.client_list()), "waits")
            stand.redis.xadd(stand.key("events"), {"type": "t", "at": "x", "id": f"e{n}"})
            assert json.loads(process.stdout.readline())["id"] == f"e{n}"
            stand.server.stop()
            assert process.stderr.readline().startswith(b"sendqctl: Redis: ")
            stand.server.start()
        wait_for(lambda: any(c["cmd"] == "xread" for c in stand.redis.client_list()), "waits")
        stand.redis.delete(stand.key("events"))
        stand.redis.set(stand.key("events"), "x")
        assert b"WRONGTYPE" in process.stderr.readline()
        assert process.wait(20) == 3


def test_top_without_a_terminal(ctl):
    ctl.run("top", code=1)
    assert "--once" in ctl.stderr
