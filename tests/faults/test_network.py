"""A network of the tests' own, where the kernel permits: a wire that is cut and narrow, and a DNS
that tells something else each time."""
import subprocess

import pytest
from hosts import Host, run, why_none
from invariants import check_all, extra_sends
from links import Proxy, RawServer, give_port
from names import Names
from scale import times
from support import envelope, wait_for
from test_attachments import mail

RETRY = {"base": "5ms", "max": "100ms", "attempts": 50}
PUBLIC, NOWHERE = "8.8.4.4", "8.8.8.8"  # the one is that host's own there, to the other is no way


@pytest.fixture
def host():
    if why_none():
        pytest.skip(why_none())
    found = Host()
    yield found
    found.close()


def there(stand, host, config):
    """A daemon that runs on that host."""
    daemon = stand.daemon(config)
    daemon.command = [*host.prefix, *daemon.command]
    return daemon


def far_config(stand, host, **sender):
    """Redis at the other end of the wire, and the provider by a proxy there."""
    stand.redis.config_set("bind", host.peer)
    stand.redis.config_set("protected-mode", "no")
    return stand.config([stand.sender(retry=RETRY, **sender)], worker={
        "lease": "2s", "in_flight": 16}, redis={
            "url": f"redis://{host.peer}:{give_port(stand.server)}", "timeout": "900ms"})


def test_wire_that_is_cut_and_narrow(stand, host, figure):
    """The daemon's host is gone without a word, and comes back; all goes through a wire of 256
    kbit/s with a queue of its own (tc tbf; and 100 ms and 5 % lost, where the kernel has netem)."""
    stand.sandbox.faults([{"action": {"delay_ms": 20}}])
    link = Proxy(("127.0.0.1", stand.sandbox.port), address=host.peer)
    config = far_config(stand, host, endpoint=f"http://{host.peer}:{link.port}/sandbox")
    daemon = there(stand, host, config).start()
    try:
        run("tc", "qdisc", "add", "dev", host.wire, "root", "tbf", "rate", "256kbit", "burst", "4k",
            "latency", "200ms")
        ids, cuts = [], times(1, 5)
        for k in range(cuts):
            before = len(daemon.worker_ids())
            ids += stand.push(*[envelope() for _ in range(100)])
            stand.sandbox.wait_accepted(len(ids) - 80, "sandbox", timeout=60)
            run("ip", "link", "set", host.wire, "down")
            wait_for(lambda k=k: len(daemon.log_lines("event=redis_down")) > k, daemon.log)
            run("ip", "link", "set", host.wire, "up")
            wait_for(lambda n=before: len(daemon.worker_ids()) > n, daemon.log, timeout=60)
        lossy = subprocess.run(["tc", "qdisc", "replace", "dev", host.wire, "root", "netem",
                                "delay", "100ms", "loss", "5%"], capture_output=True,
                               check=False).returncode == 0
        ids += stand.push(*[envelope() for _ in range(50)])
        stand.wait_final(ids, timeout=120)
        assert daemon.stop() == 0
        check_all(stand, ids, accepted_by=stand.sandbox.ids("sandbox"))
        figure(lost=0, cuts=cuts, rate_kbit=256, netem=["absent", "5 % lost"][lossy],
               extra_sends=extra_sends(stand), bound=cuts * 16)
        assert extra_sends(stand) <= cuts * 16
    finally:
        link.close()
        stand.redis.config_set("port", 0)
        stand.redis.config_set("bind", "127.0.0.1")


def test_dns_that_changes_its_mind(stand, host, figure):
    """Rebinding: a name is public when it is looked up first and this host the next time, or both
    at once, or the public one cannot be reached. The address is judged when a connection to it is
    opened, after the lookup."""
    inside = host.call(lambda: RawServer(
        lambda: [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"], address="0.0.0.0"))
    provider = host.call(lambda: RawServer(lambda: [
        b'HTTP/1.1 202 Accepted\r\nX-Message-Id: x\r\nContent-Length: 0\r\n\r\n']))
    host.do("ip", "addr", "add", f"{PUBLIC}/32", "dev", "lo")
    for name, text in (("resolv.conf", "nameserver 127.0.0.1\noptions attempts:1 timeout:1\n"),
                       ("nsswitch.conf", "hosts: files dns\n")):
        (stand.directory / name).write_text(text)
        host.do("mount", "--bind", stand.directory / name, f"/etc/{name}")
    answers = [[PUBLIC], ["127.0.0.1"], [PUBLIC, "127.0.0.1"], [NOWHERE, "127.0.0.1"]]
    names = len(answers) * times(2, 25)
    dns = host.call(lambda: Names("127.0.0.1", lambda n: answers[n % len(answers)]))
    try:
        sender = stand.sender(dialect="sendgrid", credentials={"api_key": "k"},
                              retry={"base": "5ms", "max": "10ms", "attempts": 3})
        sender["endpoint"] = f"http://127.0.0.1:{provider.port}/sendgrid"
        there(stand, host, stand.config([sender])).start()
        ids = stand.push(*[mail(f"http://rebound{n}.example:{inside.port}/a")
                           for n in range(names)])
        stand.wait_final(ids, timeout=60)
        assert dns.asked >= names
        public = inside.reached.count(PUBLIC)
        figure(lost=0, lookups=dns.asked, connections_to_the_public_address=public,
               connections_to_the_host_itself=len(inside.reached) - public)
        assert set(inside.reached) == {PUBLIC}
    finally:
        dns.close()
        inside.close()
        provider.close()
