"""Every fault that the sandbox can be told to have."""
import http.client
import socket
import struct
import time

import pytest
from sandbox_calls import Answer, call, inject, message, raw_request, read_all, sandbox, shared
from sandbox_client import SandboxError


def statuses(sandbox, count):
    return [message(sandbox, i).status for i in range(count)]


def test_a_status_with_headers_and_a_body(sandbox):
    inject(sandbox, action={"status": 429, "headers": {"Retry-After": "2"},
                            "body": {"slow": "down"}})
    answer = message(sandbox)
    assert (answer.status, answer.json()) == (429, {"slow": "down"})
    assert answer.headers["retry-after"] == "2"
    assert sandbox.stats("sandbox")["accepted"] == 0


def test_an_unmarked_fault_is_a_500_and_a_text_body_stays_as_it_is(sandbox):
    inject(sandbox, action={"kind": "status"})
    assert message(sandbox).status == 500
    inject(sandbox, action={"kind": "status", "body": "plain"})
    assert message(sandbox).body == b"plain"


def test_headers_can_be_added_to_the_provider_s_own_answer(sandbox):
    inject(sandbox, action={"headers": {"X-RateLimit-Remaining": "0"}})
    answer = message(sandbox)
    assert (answer.json(), answer.headers["x-ratelimit-remaining"]) == ({"id": "sb-1"}, "0")


def test_times_and_every(sandbox):
    inject(sandbox, times=2, action={"status": 503})
    assert statuses(sandbox, 4) == [503, 503, 202, 202]
    inject(sandbox, every=3, action={"status": 503})
    assert statuses(sandbox, 6) == [202, 202, 503, 202, 202, 503]
    assert sandbox.faults()[0]["matched"] == 6
    assert sandbox.faults()[0]["fired"] == 2


def test_probability_repeats_itself_by_its_seed(sandbox):
    def run(seed):
        inject(sandbox, probability=0.5, seed=seed, action={"status": 503})
        return statuses(sandbox, 40)

    first = run(1)
    assert run(1) == first
    assert run(2) != first
    assert 5 < first.count(503) < 35


def test_rules_match_by_dialect_recipient_id_path_and_method(sandbox):
    other = "b@example.com"
    for rule in ({"match": {"recipient": "a@*"}}, {"match": {"id": "m1"}},
                 {"match": {"path": "/sandbox/mess*", "id": "m1"}}):
        inject(sandbox, **rule, action={"status": 503})
        assert [message(sandbox, 1).status, message(sandbox, 2, other).status] == [503, 202]
    inject(sandbox, dialect="webhook", action={"status": 503})
    assert message(sandbox).status == 202
    inject(sandbox, match={"method": "GET"}, action={"status": 503})
    assert message(sandbox).status == 202
    assert call(sandbox, "GET", "/webhook/x").status == 503


def test_the_first_rule_that_fires_wins(sandbox):
    sandbox.faults([{"times": 1, "action": {"status": 503}}, {"action": {"status": 500}}])
    assert statuses(sandbox, 2) == [503, 500]
    sandbox.faults([])
    assert statuses(sandbox, 1) == [202]


def test_garbage_is_a_200_that_nobody_can_read(sandbox):
    inject(sandbox, action={"kind": "garbage", "bytes": 200})
    answer = message(sandbox)
    assert (answer.status, len(answer.body)) == (200, 200)
    with pytest.raises(ValueError):
        answer.json()
    assert sandbox.stats("sandbox")["accepted"] == 1, "a 2xx means that it was taken"


def test_truncated_promises_more_than_it_sends(sandbox):
    inject(sandbox, action={"kind": "truncated"})
    with raw_request(sandbox) as s:
        head, body = read_all(s).split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 202 ")
    assert body == b'{"id":"sb-1"}'
    assert b"Content-Length: %d\r\n" % (len(body) + 100) in head + b"\r\n"


def test_oversized_has_the_size_asked_for(sandbox):
    inject(sandbox, action={"kind": "oversized", "bytes": 3_000_000})
    answer = message(sandbox)
    assert (answer.status, len(answer.body)) == (200, 3_000_000)


def test_reset_comes_after_the_request_was_read(sandbox):
    inject(sandbox, times=1, action={"kind": "reset"})
    with raw_request(sandbox) as s, pytest.raises(ConnectionResetError):
        s.recv(1)
    (request,) = sandbox.requests("sandbox")
    assert (request["status"], request["accepted"]) == (0, False)
    assert message(sandbox).status == 202


def test_hang_answers_nothing_and_notices_that_the_client_went(sandbox):
    inject(sandbox, times=1, action={"kind": "hang"})
    s = raw_request(sandbox)
    sandbox.wait_requests(1, "sandbox")
    assert message(sandbox).status == 202, "others are served meanwhile"
    assert sandbox.stats("sandbox")["in_flight"] == 1
    s.settimeout(0.05)
    with pytest.raises(TimeoutError):
        s.recv(1)
    s.close()
    sandbox.wait(lambda: sandbox.stats("sandbox")["in_flight"] == 0, "the hang's end")


def test_slow_sends_byte_by_byte(sandbox):
    inject(sandbox, action={"kind": "slow", "delay_ms": 1, "body": "0123456789", "status": 200})
    began = time.monotonic()
    with raw_request(sandbox) as s:
        text = read_all(s)
    assert text.endswith(b"\r\n\r\n0123456789")
    assert time.monotonic() - began >= (len(text) - 1) * 0.001, "a pause before each byte"


def test_a_client_that_leaves_a_slow_answer(sandbox):
    inject(sandbox, times=1, action={"kind": "slow", "delay_ms": 5})
    s = raw_request(sandbox)
    s.recv(1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
    sandbox.wait(lambda: sandbox.stats()["in_flight"] == 0, "the slow answer's end")


def test_a_delayed_answer_is_whole_and_the_connection_lives_on(sandbox):
    inject(sandbox, times=1, action={"delay_ms": 30})
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=20)
    headers = {"Content-Type": "application/json"}
    body = '{"id":"m1","recipient":"a"}'
    began = time.monotonic()
    connection.request("POST", "/sandbox/messages", body, headers)
    socket_before = connection.sock
    assert Answer(connection.getresponse()).json() == {"id": "sb-1"}
    assert time.monotonic() - began >= 0.03, "not before its time"
    connection.request("POST", "/sandbox/messages", body, headers)
    assert Answer(connection.getresponse()).json() == {"id": "sb-2"}
    assert connection.sock is socket_before
    connection.close()
    assert sandbox.stats("sandbox")["duplicates"] == 1


def test_a_request_pipelined_behind_a_delayed_one(sandbox):
    inject(sandbox, times=1, action={"delay_ms": 30})
    with raw_request(sandbox) as s:
        s.sendall(b"GET /webhook/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        text = read_all(s)
    assert text.index(b'{"id":"sb-1"}') < text.index(b'{"id":"wh-1"}')


def test_accept_takes_the_message_and_loses_the_answer(sandbox):
    for kind, status in (("reset", 0), ("status", 500)):
        sandbox.reset()
        inject(sandbox, times=1, action={"kind": kind, "accept": True})
        with raw_request(sandbox) as s:
            if kind == "reset":
                with pytest.raises(ConnectionResetError):
                    s.recv(1)
            else:
                assert s.recv(65536).startswith(b"HTTP/1.1 500 ")
        assert message(sandbox).json() == {"id": "sb-2"}
        stats = sandbox.stats("sandbox")
        assert (stats["accepted"], stats["duplicates"]) == (2, 1)
        assert stats["status"] == {str(status): 1, "202": 1}


@pytest.mark.parametrize("rules, reason", [
    ({}, "list"), ([7], "rule"), ([{"action": {"kind": "odd"}}], "kind"),
    ([{"tmies": 1, "action": {}}], "tmies"), ([{"action": {"status": 99}}], "status"),
    ([{"action": {"status": "500"}}], "status"), ([{}], "action"),
    ([{"probability": 2, "action": {}}], "probability"),
    ([{"match": {"to": "x"}, "action": {}}], "to"),
    ([{"action": {"headers": {"A": "b\r\nC: d"}}}], "headers"),
    ([{"action": {}}] * 300, "256")])
def test_a_bad_rule_is_refused_and_the_old_ones_stay(sandbox, rules, reason):
    inject(sandbox, action={"status": 503})
    with pytest.raises(SandboxError, match=reason):
        sandbox.control("POST", "faults", rules)
    assert message(sandbox).status == 503


def test_deleting_faults(sandbox):
    inject(sandbox, action={"status": 503})
    sandbox.control("DELETE", "faults")
    assert message(sandbox).status == 202
