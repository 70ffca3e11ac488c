"""The sandbox itself: its own dialect, its control API and the program. Other end-to-end tests
trust what it says, so these look at the wire."""
import socket
import subprocess
import time

import pytest
from sandbox_calls import call, inject, message, post_json, raw_request, read_all, sandbox, shared
from sandbox_client import Sandbox, binary


# --- sandbox ---------------------------------------------------------------------------------


def test_a_message_is_taken_and_numbered(sandbox):
    first, second = message(sandbox, 1), message(sandbox, 2)
    assert (first.status, first.json()) == (202, {"id": "sb-1"})
    assert second.json() == {"id": "sb-2"}
    assert sandbox.ids("sandbox") == {"m1": 1, "m2": 1}


@pytest.mark.parametrize("body, status", [
    ("{", 400), ("[]", 400), ('{"id":"x"}', 422), ('{"id":7,"recipient":"a"}', 422),
    ('{"id":"","recipient":"a"}', 422)])
def test_a_bad_message_is_refused(sandbox, body, status):
    answer = post_json(sandbox, "/sandbox/messages", body)
    assert answer.status == status
    assert set(answer.json()["error"]) == {"code", "message"}
    assert sandbox.stats("sandbox")["accepted"] == 0


@pytest.mark.parametrize("method, path, status", [
    ("POST", "/sandbox/nothing", 404), ("PUT", "/sandbox/messages", 405),
    ("POST", "/sandbox/drafts/d1/send", 404), ("GET", "/sandbox/drafts/d1", 404),
    ("POST", "/nobody/here", 404), ("POST", "/sandboxes", 404)])
def test_unknown_resources(sandbox, method, path, status):
    assert call(sandbox, method, path).status == status


def test_a_draft_is_sent_once(sandbox):
    draft = post_json(sandbox, "/sandbox/drafts", {"id": "m1", "recipient": "a@example.com"})
    assert (draft.status, draft.json()) == (201, {"draft": "d1"})
    assert sandbox.stats("sandbox")["accepted"] == 0, "a draft is no message yet"
    assert call(sandbox, "GET", "/sandbox/drafts/d1").json()["state"] == "draft"
    sent = call(sandbox, "POST", "/sandbox/drafts/d1/send")
    assert (sent.status, sent.json()) == (202, {"id": "sb-1"})
    again = call(sandbox, "POST", "/sandbox/drafts/d1/send")
    assert again.status == 409
    shown = call(sandbox, "GET", "/sandbox/drafts/d1").json()
    assert shown == {"draft": "d1", "state": "sent", "id": "sb-1"}
    assert sandbox.ids("sandbox") == {"m1": 1}


# --- control ---------------------------------------------------------------------------------


def test_a_request_is_kept_as_it_came(sandbox):
    before = time.time()
    call(sandbox, "POST", "/webhook/x?a=%20b", b"\xff\x00bin",
         {"X-Test": "Value", "webhook-id": "i"})
    (request,) = sandbox.requests()
    assert request["headers"]["x-test"] == "Value"
    assert request["body"] == b"\xff\x00bin"
    assert request["path"] == "/webhook/x?a=%20b"
    assert (request["seq"], request["dialect"], request["status"]) == (1, "webhook", 200)
    assert before - 1 <= request["wall_us"] / 1e6 <= time.time() + 1


def test_requests_by_dialect_since_limit_and_compact(sandbox):
    for i in range(5):
        message(sandbox, i)
    call(sandbox, "POST", "/webhook/x")
    assert [r["id"] for r in sandbox.requests("sandbox")] == ["m0", "m1", "m2", "m3", "m4"]
    page = sandbox.control("GET", "requests", since=1, limit=2, fields="compact")
    assert [r["seq"] for r in page["requests"]] == [2, 3]
    assert (page["last"], page["more"]) == (3, True)
    assert set(page["requests"][0]) == {"seq", "time_us", "dialect", "id", "recipient", "status"}
    assert len(sandbox.requests(compact=True)) == 6
    assert sandbox.control("GET", "requests", since=100)["requests"] == []
    times = [r["time_us"] for r in sandbox.requests()]
    assert times == sorted(times)


def test_stats_and_duplicates(sandbox):
    for number in (1, 1, 1, 2):
        message(sandbox, number)
    post_json(sandbox, "/sandbox/messages", "{")
    call(sandbox, "GET", "/nowhere")
    stats = sandbox.stats()
    mine = stats["dialects"]["sandbox"]
    assert (mine["requests"], mine["accepted"]) == (5, 4)
    assert (mine["distinct"], mine["duplicates"]) == (2, 2)
    assert mine["status"] == {"202": 4, "400": 1}
    assert stats["dialects"]["none"]["status"] == {"404": 1}
    assert (stats["requests"], stats["accepted"], stats["duplicates"]) == (6, 4, 2)
    assert sandbox.ids("sandbox") == {"m1": 3, "m2": 1}


def test_in_flight_counts_requests_that_wait(sandbox):
    inject(sandbox, action={"kind": "hang"})
    held = [raw_request(sandbox) for _ in range(3)]
    sandbox.wait_requests(3)
    assert sandbox.stats()["in_flight"] == 3
    sandbox.reset()
    assert sandbox.stats()["in_flight"] == 3, "a reset does not lose sight of them"
    for s in held:
        s.close()
    sandbox.wait(lambda: sandbox.stats()["in_flight"] == 0, "their end")
    assert sandbox.stats()["in_flight_max"] == 3


def densest(times, span):
    return max(sum(t <= other < t + span for other in times) for t in times)


def test_the_window_agrees_with_counting_by_hand(sandbox):
    for i in range(30):
        message(sandbox, i, f"r{i % 3}")
    inject(sandbox, action={"status": 503})
    message(sandbox)
    accepted = [r for r in sandbox.requests("sandbox") if r["accepted"]]
    times = [r["time_us"] for r in accepted]
    for ms in (1, 2, 5, 10, 100000):
        window = sandbox.window("sandbox", ms)
        assert (window["max"], window["total"]) == (densest(times, ms * 1000), 30)
    mine = [r["time_us"] for r in accepted if r["recipient"] == "r1"]
    window = sandbox.window("sandbox", 5, recipient="r1")
    assert (window["max"], window["total"]) == (densest(mine, 5000), 10)
    assert sandbox.window("webhook")["max"] == 0


def test_reset_forgets_and_counts_from_one(sandbox):
    message(sandbox)
    post_json(sandbox, "/sandbox/drafts", {"id": "m1", "recipient": "a"})
    inject(sandbox, action={"status": 503})
    sandbox.reset()
    assert sandbox.requests() == []
    assert call(sandbox, "GET", "/sandbox/drafts/d1").status == 404
    assert message(sandbox).json() == {"id": "sb-1"}


@pytest.mark.parametrize("method, path, status", [
    ("GET", "/_control/nothing", 404), ("PUT", "/_control/stats", 404),
    ("GET", "/_control/requests?dialect=odd", 400), ("GET", "/_control/requests?since=x", 400),
    ("GET", "/_control/window?ms=0", 400), ("GET", "/_control/ids", 400),
    ("GET", "/_control/window?ms=%zz", 400), ("POST", "/_control/dialects/sandbox", 404)])
def test_bad_control_requests(sandbox, method, path, status):
    answer = call(sandbox, method, path)
    assert answer.status == status
    assert answer.json()["error"]["message"]


# --- the program -----------------------------------------------------------------------------


def test_the_log_is_bounded_and_says_what_it_dropped():
    with Sandbox(max_requests=3) as sandbox:
        for i in range(5):
            message(sandbox, i)
        assert [r["id"] for r in sandbox.requests()] == ["m2", "m3", "m4"]
        assert [r["seq"] for r in sandbox.requests(since=4)] == [5]
        stats = sandbox.stats()
        assert (stats["kept"], stats["dropped"], stats["requests"]) == (3, 2, 5)
        assert len(sandbox.ids("sandbox")) == 5, "identities are counted beyond the log"
    with Sandbox(max_bytes="64KiB") as sandbox:
        for i in range(4):
            call(sandbox, "POST", "/webhook/x", b"x" * 30000)
        assert sandbox.stats()["kept"] == 2


def test_a_large_body_arrives_whole_and_a_larger_one_is_refused(sandbox):
    body = b"x" * (40 << 20)
    assert call(sandbox, "POST", "/webhook/x", body, {"Expect": "100-continue"}).status == 200
    (request,) = sandbox.requests()
    assert request["body"].encode() == body
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=20) as s:
        s.sendall(b"POST /webhook/x HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n")
        assert s.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_a_chunked_body(sandbox):
    assert call(sandbox, "POST", "/webhook/x", iter([b"abc", b"def"])).status == 200
    assert sandbox.requests()[0]["body"] == "abcdef"


def test_head_and_a_status_without_a_body_keep_the_connection_in_step(sandbox):
    inject(sandbox, dialect="webhook", match={"method": "POST"}, action={"status": 204})
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=20) as s:
        s.sendall(b"HEAD /webhook/x HTTP/1.1\r\n\r\nPOST /webhook/x HTTP/1.1\r\n\r\n"
                  b"GET /webhook/x HTTP/1.1\r\nConnection: close\r\n\r\n")
        head, post, get, body = read_all(s).split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert post.startswith(b"HTTP/1.1 204 ")
    assert get.startswith(b"HTTP/1.1 200 ")
    assert body == b'{"id":"wh-2"}'


def test_latency_delays_every_answer_but_not_control():
    with Sandbox(latency_ms=25) as sandbox:
        began = time.monotonic()
        assert message(sandbox).status == 202
        assert time.monotonic() - began >= 0.025
        sockets = [raw_request(sandbox) for _ in range(10)]
        for s in sockets:
            assert s.recv(65536).startswith(b"HTTP/1.1 202 ")
            s.close()
        assert sandbox.stats()["accepted"] == 11


def test_a_unix_socket(tmp_path):
    path = tmp_path / "sandbox.sock"
    with Sandbox(unix=path) as sandbox:
        for _ in range(50):
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(str(path))
                s.sendall(b"GET /webhook/x HTTP/1.1\r\nConnection: close\r\n\r\n")
                assert read_all(s).startswith(b"HTTP/1.1 200 ")
        assert sandbox.stats("webhook")["accepted"] == 50
    assert not path.exists()


def test_it_ends_by_sigterm_with_requests_held_and_leaks_nothing():
    sandbox = Sandbox().start()
    sandbox.faults([{"match": {"id": "h*"}, "action": {"kind": "hang"}},
                    {"match": {"id": "s*"}, "action": {"kind": "slow", "delay_ms": 1000}},
                    {"match": {"id": "d*"}, "action": {"delay_ms": 60000}}])
    post_json(sandbox, "/sandbox/drafts", {"id": "m1", "recipient": "a"})
    held = [raw_request(sandbox, b'{"id":"%s","recipient":"a"}' % i) for i in (b"h", b"s", b"d")]
    half = socket.create_connection(("127.0.0.1", sandbox.port))
    half.sendall(b"POST /sandbox/messages HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc")
    sandbox.wait_requests(4)
    status, log = sandbox.stop()
    assert (status, log) == (0, "")
    for s in held + [half]:
        s.close()


def test_it_can_be_started_again_on_its_port():
    sandbox = Sandbox().start()
    port = sandbox.port
    message(sandbox)
    sandbox.kill()
    sandbox.start()
    assert sandbox.port == port
    assert message(sandbox).status == 202
    assert sandbox.stop()[0] == 0


@pytest.mark.parametrize("arguments", [
    [], ["--listen"], ["--listen", "nowhere"], ["--listen", "127.0.0.1:99999"],
    ["--listen", "127.0.0.1:0", "--latency-ms", "-1"], ["--listen", "127.0.0.1:0", "rest"],
    ["--unix", "/" + "x" * 200], ["--listen", "127.0.0.1:0", "--port-file", "/nowhere/port"]])
def test_bad_arguments(arguments):
    done = subprocess.run([binary(), *arguments], capture_output=True, text=True, timeout=20)
    assert done.returncode in (1, 2)
    assert done.stderr and "Sanitizer" not in done.stderr
