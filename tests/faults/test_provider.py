"""Providers, and what is on the way to them, at their worst: answers that never end or explode, TLS
that cannot be trusted, names that nobody knows."""
import datetime
import gzip
import itertools
import json
import pathlib
import re
import signal
import ssl
import subprocess
import time

import pytest
from invariants import check_all
from links import RawServer
from scale import times
from support import body, envelope, wait_for

RETRY = {"base": "50ms", "max": "200ms", "attempts": 4}


def rss_kb(daemon):
    text = pathlib.Path(f"/proc/{daemon.pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0])


def head(*lines):
    return ("\r\n".join(["HTTP/1.1 200 OK", *lines]) + "\r\n\r\n").encode()


BOMB = gzip.compress(bytes(64 << 20), 6)


def bomb():
    return [head("Content-Encoding: gzip", f"Content-Length: {len(BOMB)}"), BOMB]


ANSWERS = {
    "compressed bomb": bomb,
    "a gigabyte": lambda: itertools.chain([head("Content-Length: 1073741824")],
                                          itertools.repeat(b"x" * 65536, 16384)),
    "chunks without end": lambda: itertools.chain(
        [head("Transfer-Encoding: chunked")], itertools.repeat(b"1000\r\n" + b"x" * 4096 + b"\r\n",
                                                              100000)),
    "bad chunks": lambda: [head("Transfer-Encoding: chunked"), b"zz\r\nnonsense\r\n"],
    "100,000 headers": lambda: itertools.chain(
        [b"HTTP/1.1 200 OK\r\n"], (f"X-{n}: {n}\r\n".encode() for n in range(100000))),
    "a header without end": lambda: itertools.chain(
        [b"HTTP/1.1 200 OK\r\nX: "], itertools.repeat(b"x" * 65536, 2000)),
    "1xx without end": lambda: itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 500),
    "not HTTP": lambda: [b"\x00\x01\x02 hello\r\n\r\n"],
    "nothing": lambda: [],
    "length that lies": lambda: [head("Content-Length: -5"), b"{}"],
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_that_attack(stand, figure, name):
    """A final outcome by rule, in bounded memory, and others are sent meanwhile."""
    server = RawServer(ANSWERS[name])
    try:
        hostile = stand.sender("hostile", endpoint=f"http://127.0.0.1:{server.port}/sandbox",
                               retry=RETRY | {"attempts": 2}, timeout="5s")
        daemon = stand.start([hostile, stand.sender("texts", ["sms"])])
        stand.wait_final(stand.push(envelope(body("+15550001"))))
        before = rss_kb(daemon)
        ids = stand.push(*[envelope() for _ in range(4)],
                         *[envelope(body("+15550001")) for _ in range(20)])
        messages = stand.wait_final(ids, timeout=60)
        growth = rss_kb(daemon) - before
        assert all(messages[i]["status"] == "sent" for i in ids[4:])
        for request in server.requests:
            assert "accept-encoding" not in request.lower()
        outcomes = sorted({messages[i].get("error_code", "sent") for i in ids[:4]})
        figure(lost=0, outcome="/".join(outcomes), requests=len(server.requests),
               rss_growth_kb=growth)
        assert len(server.requests) <= 8
        # Of a sanitized build, whose freed memory is kept aside for a while (256 KB an answer).
        assert growth < 16384
        assert daemon.running()
    finally:
        server.close()


# --- TLS ---

def openssl(*arguments, **kw):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, **kw)


def certificate(directory, name, host, signer=None, days=("-1", "+2")):
    """(certificate, key) for a host; signed by itself, or by such a pair. Days from today."""
    cert, key, request, ext = (directory / f"{name}.{x}" for x in ("pem", "key", "csr", "ext"))
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
            f"/CN={name}", "-keyout", key, "-out", request)
    ext.write_text(f"subjectAltName={host}\n" if host else "basicConstraints=critical,CA:TRUE\n")
    start, end = (datetime.date.today() + datetime.timedelta(days=int(d)) for d in days)
    with_ca = ("-CA", signer[0], "-CAkey", signer[1], "-CAcreateserial") if signer else (
        "-signkey", key)
    lifetime = (end - datetime.date.today()).days
    clock = ["faketime", f"{start} 00:00:00"] if lifetime <= 0 else []
    subprocess.run([*clock, "openssl", "x509", "-req", "-in", request, "-days",
                    str((end - start).days if clock else lifetime), "-extfile", ext, "-out", cert,
                    *map(str, with_ca)], check=True, capture_output=True)
    return cert, key


def context_of(pair, **limits):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    for name, value in limits.items():
        setattr(context, name, value)
    return context


@pytest.fixture(scope="module")
def contexts(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tls")
    ca = certificate(directory, "ca", None)
    good = certificate(directory, "good", "IP:127.0.0.1", ca)
    old = context_of(good)
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    return ca[0], {
        "good": context_of(good),
        "expired": context_of(certificate(directory, "expired", "IP:127.0.0.1", ca, ("-30", "-3"))),
        "wrong host": context_of(certificate(directory, "wrong", "DNS:other.example", ca)),
        "self-signed": context_of(certificate(directory, "own", "IP:127.0.0.1")),
        "TLS 1.1": old}


ACCEPTED = '{"id":"x"}'


@pytest.mark.parametrize("name", ["expired", "wrong host", "self-signed", "TLS 1.1"])
def test_tls_that_cannot_be_trusted(stand, figure, contexts, name):
    """No request leaves; even what must not be repeated is tried again, and sent once all is well."""
    ca, by_name = contexts
    server = RawServer(lambda: [head(f"Content-Length: {len(ACCEPTED)}"), ACCEPTED.encode()],
                       by_name[name])
    try:
        sender = stand.sender(endpoint=f"https://127.0.0.1:{server.port}/sandbox", uncertain="fail",
                              retry={"base": "20ms", "max": "50ms", "attempts": 1000})
        daemon = stand.start([sender], tls={"ca_file": str(ca)})
        ids = stand.push(envelope(), envelope())
        wait_for(lambda: server.handshakes_failed >= 4, lambda: daemon.log())
        refused, leaked = server.handshakes_failed, len(server.requests)
        assert leaked == 0
        server.context = by_name["good"]
        messages = stand.wait_final(ids)
        assert {m["status"] for m in messages.values()} == {"sent"}, messages
        assert len(server.requests) == 2
        figure(lost=0, requests_that_left=leaked, handshakes_refused=refused)
    finally:
        server.close()


def test_tls_that_does_not_go_on(stand, figure):
    """It accepts, and says nothing to the handshake: no request has left, so it is tried again even
    where that is forbidden."""
    server = RawServer(lambda: [], Stalling())
    try:
        sender = stand.sender(endpoint=f"https://127.0.0.1:{server.port}/sandbox", uncertain="fail",
                              retry={"base": "20ms", "max": "50ms", "attempts": 1000},
                              timeout="500ms")
        daemon = stand.start([sender])
        ids = stand.push(envelope())
        wait_for(lambda: server.handshakes_failed >= 3, lambda: daemon.log())
        refused, leaked = server.handshakes_failed, len(server.requests)
        daemon.configure(stand.config([sender | {"endpoint": stand.sandbox.endpoint("sandbox")}]))
        daemon.signal(signal.SIGHUP)
        assert stand.wait_final(ids)[ids[0]]["status"] == "sent"
        figure(lost=0, requests_that_left=leaked, handshakes_given_up=refused)
        assert leaked == 0
    finally:
        server.close()


class Stalling:
    """In the place of a TLS context: reads what comes and answers nothing."""

    @staticmethod
    def wrap_socket(client, server_side):
        while client.recv(4096):
            pass
        raise OSError("the client has given up")


# --- slow, failing, mended ---


def test_a_byte_a_second(stand, figure):
    """An answer that drips is given up at `timeout`, and nobody else waits for it."""
    stand.sandbox.faults([{"match": {"recipient": "slow@*"}, "action": {
        "kind": "slow", "delay_ms": 1000, "status": 202, "body": "x" * 1000}}])
    daemon = stand.start([stand.sender(timeout="1500ms", uncertain="fail"),
                          stand.sender("texts", ["sms"])])
    slow = stand.push(*[envelope(body("slow@example.com")) for _ in range(20)])
    stand.sandbox.wait_requests(20, "sandbox")
    others = stand.push(*[envelope(body("+15550001")) for _ in range(200)])
    stand.wait_final(others)
    still = stand.sandbox.stats()["in_flight"]
    messages = stand.wait_final(slow)
    assert {m["error_code"] for m in messages.values()} == {"outcome_unknown"}
    took = [int(re.search(r"took_ms=(\d+)", line)[1]) for line in daemon.log_lines(
        "event=attempt", "outcome_unknown")]
    assert len(took) == len(slow)
    check_all(stand, slow + others, accepted_by=stand.sandbox.ids("sandbox"))
    figure(lost=0, timeout_ms=1500, most_ms=max(took), others_sent_meanwhile=len(others),
           dripping_all_the_while=still)
    assert min(took) >= 1500


def test_no_herd_after_an_outage(stand, figure):
    """Everything answers 500; when it is well again, all that waits is sent at the rate."""
    rate = 50
    stand.sandbox.faults([{"action": {"status": 500}}])
    config = stand.config([stand.sender(
        limits={"rate": f"{rate}/s"}, breaker={"errors": 5, "pause": "200ms", "max": "1s"},
        retry={"base": "50ms", "max": "500ms", "attempts": 100})])
    daemons = [stand.daemon(config).start() for _ in range(2)]
    ids = stand.push(*[envelope() for _ in range(times(150, 1000))])
    key = stand.key("sender", "mail")
    wait_for(lambda: stand.redis.hget(key, "breaker") == "open", lambda: stand.redis.hgetall(key))
    wait_for(lambda: len(stand.messages()) == len(ids), "all are accepted", pause=0.1)
    during = stand.sandbox.stats("sandbox")["requests"]
    stand.sandbox.faults([])
    began = time.monotonic()
    stand.sandbox.wait_accepted(rate, "sandbox")
    recovery = time.monotonic() - began
    stand.wait_final(ids, timeout=90)
    most = stand.sandbox.window("sandbox", ms=1000)["max"]
    for daemon in daemons:
        assert daemon.stop() == 0
    check_all(stand, ids, accepted_by=stand.sandbox.ids("sandbox"))
    figure(lost=0, requests_during_the_outage=during, recovery_s=f"{recovery:.1f}",
           most_in_1_s=most, cap=rate)
    assert most <= rate + 2  # one for the way to the sandbox, at either end
    assert recovery <= 30


# --- names, floods ---

def test_names_that_nobody_knows(stand, figure):
    """Nothing left: tried again even where that is forbidden; a reload mends it."""
    known = stand.sender(uncertain="fail", retry={"base": "20ms", "max": "100ms", "attempts": 1000})
    lost = known | {"endpoint": "http://no-such-host.invalid/sandbox"}
    daemon = stand.start([lost])
    ids = stand.push(*[envelope() for _ in range(10)])
    wait_for(lambda: len(daemon.log_lines("result=retry")) >= 10, lambda: daemon.log())
    assert stand.sandbox.stats("sandbox")["requests"] == 0
    daemon.configure(stand.config([known]))
    daemon.signal(signal.SIGHUP)
    messages = stand.wait_final(ids)
    assert {m["status"] for m in messages.values()} == {"sent"}
    check_all(stand, ids, accepted_by=stand.sandbox.ids("sandbox"))
    figure(lost=0, failed_lookups=len(daemon.log_lines("result=retry")))


def test_a_flood_and_ten_urgent(stand, figure):
    """What is urgent passes everything that waits; memory does not grow with it."""
    flood = times(5000, 50000)
    # Freed memory is not kept aside, as sanitizers do.
    at_once = {"ASAN_OPTIONS": "quarantine_size_mb=1:thread_local_quarantine_size_kb=1"}
    daemon = stand.start([stand.sender()], log={"level": "warn"}, env=at_once)
    stand.wait_final(stand.push(*[envelope() for _ in range(300)]))
    before = rss_kb(daemon)
    stand.push(*[json.dumps({"body": body(f"a{n}@example.com")}) for n in range(flood)])
    stand.sandbox.wait_accepted(600, "sandbox")
    urgent = stand.push(*[envelope(priority="HIGH") for _ in range(10)], to="jobs:high")
    done = stand.sandbox.stats("sandbox")["accepted"]
    stand.wait_final(urgent)
    passed = stand.sandbox.stats("sandbox")["accepted"] - done
    stand.sandbox.wait_accepted(300 + flood + 10, "sandbox", timeout=600)
    wait_for(lambda: not stand.redis.exists(stand.key("turn")), "idle")
    growth = rss_kb(daemon) - before
    assert daemon.stop() == 0
    figure(lost=0, flood=flood, sent_before_the_last_urgent_one=passed, rss_growth_kb=growth)
    # In flight, and claimed ahead, when they came; and as many again while they were accepted.
    assert passed <= 2500
    assert growth < 65536  # a sanitized build; a release has a fifth of it
