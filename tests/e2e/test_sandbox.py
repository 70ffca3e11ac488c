"""The sandbox provider itself: every dialect's documented answers, every fault, the control API.

Other end-to-end tests trust what it says, so this one looks at the wire."""
import base64
import hashlib
import hmac
import http.client
import json
import re
import socket
import struct
import subprocess
import time
import urllib.parse

import pytest

from sandbox_client import Sandbox, SandboxError, binary

SECRET_KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(SECRET_KEY).decode()
ACCOUNT = "AC" + "0123456789abcdef" * 2
SERVICE = "MG" + "0123456789abcdef" * 2
TWILIO_PATH = f"/twilio/2010-04-01/Accounts/{ACCOUNT}/Messages.json"


@pytest.fixture(scope="module")
def shared():
    sandbox = Sandbox().start()
    yield sandbox
    status, log = sandbox.stop()
    assert status == 0, log


@pytest.fixture
def sandbox(shared):
    shared.reset()
    shared.configure("webhook", secret=None)
    return shared


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {k.lower(): v for k, v in response.getheaders()}
        self.body = response.read()

    def json(self):
        return json.loads(self.body)


def call(sandbox, method, path, body=None, headers=None, timeout=20):
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=timeout)
    try:
        connection.request(method, path, body, headers or {})
        return Answer(connection.getresponse())
    finally:
        connection.close()


def post_json(sandbox, path, value, **headers):
    body = value if isinstance(value, (str, bytes)) else json.dumps(value)
    return call(sandbox, "POST", path, body, {"Content-Type": "application/json", **headers})


def message(sandbox, number=1, recipient="a@example.com"):
    return post_json(sandbox, "/sandbox/messages", {"id": f"m{number}", "recipient": recipient})


def raw_request(sandbox, body=b'{"id":"m1","recipient":"a@example.com"}'):
    """A connection on which one request was sent and nothing was read."""
    s = socket.create_connection(("127.0.0.1", sandbox.port), timeout=20)
    s.sendall(b"POST /sandbox/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
              b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    return s


def read_all(s):
    parts = []
    while part := s.recv(65536):
        parts.append(part)
    return b"".join(parts)


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


# --- sendgrid --------------------------------------------------------------------------------


def mail(**changes):
    value = {
        "personalizations": [{"to": [{"email": "alex@example.com", "name": "Alex"}],
                              "custom_args": {"sendq_id": "m1"}}],
        "from": {"email": "orders@example.com", "name": "Orders"},
        "subject": "Hello",
        "content": [{"type": "text/plain", "value": "Hi"}, {"type": "text/html", "value": "<b>"}],
    }
    value.update(changes)
    return {k: v for k, v in value.items() if v is not None}


def send_mail(sandbox, value, **headers):
    headers = {"Authorization": "Bearer SG.key", **headers}
    return post_json(sandbox, "/sendgrid/v3/mail/send", value, **headers)


def test_sendgrid_accepts_with_an_empty_body(sandbox):
    answer = send_mail(sandbox, mail())
    assert (answer.status, answer.body) == (202, b"")
    assert answer.headers["x-message-id"] == "sg" + "1".zfill(20)
    (request,) = sandbox.requests("sendgrid")
    assert (request["id"], request["recipient"]) == ("m1", "alex@example.com")


@pytest.mark.parametrize("changes", [
    {"reply_to": {"email": "r@example.com"}}, {"reply_to_list": [{"email": "r@example.com"}]},
    {"headers": {"In-Reply-To": "<x@y>", "References": "<x@y>"}},
    {"content": None, "subject": None, "template_id": "d-1"},
    {"attachments": [{"content": "aGk=", "filename": "a.txt", "type": "text/plain",
                      "disposition": "inline", "content_id": "c"}]},
    {"custom_args": {"a": "b"}, "categories": ["x"], "send_at": 1},
])
def test_sendgrid_accepts_what_its_document_has(sandbox, changes):
    assert send_mail(sandbox, mail(**changes)).status == 202


def test_sendgrid_sandbox_mode_queues_nothing(sandbox):
    answer = send_mail(sandbox, mail(mail_settings={"sandbox_mode": {"enable": True}}))
    assert (answer.status, answer.body) == (200, b"")
    assert "x-message-id" not in answer.headers


def people(count):
    return [{"email": f"u{i}@example.com"} for i in range(count)]


@pytest.mark.parametrize("changes, field", [
    ({"from": None}, "from"),
    ({"from": {"email": "nobody"}}, "from"),
    ({"from": {"email": "a@example.com\r\nBcc: b@example.com"}}, "from"),
    ({"personalizations": None}, "personalizations"),
    ({"personalizations": []}, "personalizations"),
    ({"personalizations": [{"to": people(1)}] * 1001}, "personalizations"),
    ({"personalizations": [{"to": people(1001)}]}, "personalizations"),
    ({"personalizations": [{"to": []}]}, "personalizations.0.to"),
    ({"personalizations": [{"to": "a@example.com"}]}, "personalizations.0.to"),
    ({"personalizations": [{"to": people(1), "cc": people(1)}]}, "personalizations.cc"),
    ({"personalizations": [{"to": [{"email": "A@x.example"}], "bcc": [{"email": "a@x.example"}]}]},
     "personalizations.bcc"),
    ({"subject": None}, "subject"),
    ({"subject": ""}, "subject"),
    ({"content": None}, "content"),
    ({"content": []}, "content"),
    ({"content": [{"type": "text/plain", "value": ""}]}, "content"),
    ({"content": [{"type": "text/html", "value": "a"}, {"type": "text/plain", "value": "b"}]},
     "content"),
    ({"reply_to": {"email": "a@x.example"}, "reply_to_list": people(1)}, "reply_to_list"),
    ({"attachments": [{"content": "not base64!", "filename": "a"}]}, "attachments.content"),
    ({"attachments": [{"content": "aGk="}]}, "attachments.filename"),
    ({"attachments": [{"content": "aGk=", "filename": "a", "disposition": "x"}]},
     "attachments.disposition"),
    ({"headers": {"Subject": "x"}}, "headers"),
    ({"headers": {"X-A": "a\r\nB: c"}}, "headers"),
    ({"custom_args": "a"}, "custom_args"),
    ({"custom_args": {"a": 1}}, "custom_args"),
    ({"custom_args": {"a": "x" * 10000}}, "custom_args"),
    ({"categories": ["a", "a"]}, "categories"),
    ({"categories": [str(i) for i in range(11)]}, "categories"),
    ({"send_at": int(time.time()) + 80 * 3600}, "send_at"),
    ({"send_at": 1.5}, "send_at"),
    ({"subjcet": "x"}, "subjcet"),
])
def test_sendgrid_refuses_in_its_own_shape(sandbox, changes, field):
    answer = send_mail(sandbox, mail(**changes))
    assert answer.status == 400
    (error,) = answer.json()["errors"]
    assert (error["field"], error["help"]) == (field, None)
    assert error["message"]


def test_sendgrid_errors_before_the_body(sandbox):
    path = "/sendgrid/v3/mail/send"
    assert post_json(sandbox, path, mail()).status == 401
    assert send_mail(sandbox, mail(), Authorization="Bearer SG.invalid").status == 401
    assert send_mail(sandbox, mail(), Authorization="Basic abc").status == 401
    assert call(sandbox, "GET", path, headers={"Authorization": "Bearer SG.key"}).status == 405
    assert post_json(sandbox, "/sendgrid/v3/mail", mail()).status == 404
    assert send_mail(sandbox, "{").status == 400
    assert send_mail(sandbox, mail(), **{"Content-Type": "text/plain"}).status == 415
    big = mail(content=[{"type": "text/plain", "value": "x" * (31 << 20)}])
    assert send_mail(sandbox, big).status == 413


# --- twilio ----------------------------------------------------------------------------------


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def sms(sandbox, path=TWILIO_PATH, auth=basic(ACCOUNT, "token"), **changes):
    fields = {"To": "+14155552345", "From": "+14155550000", "Body": "Hello! \U0001f44d"}
    fields.update(changes)
    body = urllib.parse.urlencode({k: v for k, v in fields.items() if v is not None}, doseq=True)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if auth:
        headers["Authorization"] = auth
    return call(sandbox, "POST", path, body, headers)


def test_twilio_answers_the_message_resource(sandbox):
    answer = sms(sandbox)
    assert answer.status == 201
    got = answer.json()
    date = got.pop("date_created")
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000", date)
    assert got.pop("date_updated") == date
    sid = "SM" + "1".zfill(32)
    base = f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{sid}"
    assert got == {
        "account_sid": ACCOUNT, "api_version": "2010-04-01", "body": "Hello! \U0001f44d",
        "date_sent": None, "direction": "outbound-api", "error_code": None,
        "error_message": None, "from": "+14155550000", "messaging_service_sid": None,
        "num_media": "0", "num_segments": "1", "price": None, "price_unit": None, "sid": sid,
        "status": "queued", "subresource_uris": {"media": base + "/Media.json"},
        "to": "+14155552345", "uri": base + ".json"}
    assert sandbox.ids("twilio") == {"+14155552345": 1}


@pytest.mark.parametrize("changes, expected", [
    ({"Body": "x" * 161}, {"num_segments": "2"}),
    ({"Body": "\u00fc" * 71}, {"num_segments": "2"}),
    ({"MediaUrl": ["https://x.example/1.png", "https://x.example/2.png"]}, {"num_media": "2"}),
    ({"From": None, "MessagingServiceSid": SERVICE},
     {"from": None, "status": "accepted", "num_segments": "0"}),
    ({"To": "whatsapp:+14155552345", "From": "whatsapp:+14155550000"},
     {"to": "whatsapp:+14155552345"}),
    ({"From": "ACME"}, {"from": "ACME"}), ({"From": "12345"}, {"from": "12345"}),
    ({"MessagingServiceSid": SERVICE, "ScheduleType": "fixed", "SendAt": "2030-01-01T00:00:00Z"},
     {"status": "scheduled"}),
])
def test_twilio_accepts_what_its_document_has(sandbox, changes, expected):
    answer = sms(sandbox, **changes)
    assert answer.status == 201
    got = answer.json()
    assert {k: got[k] for k in expected} == expected


@pytest.mark.parametrize("changes, status, code", [
    ({"To": None}, 400, 21604), ({"To": "4155552345"}, 400, 21211),
    ({"To": "+1 415 555 2345"}, 400, 21211), ({"To": "+15005550001"}, 400, 21211),
    ({"To": "+15005550003"}, 400, 21408), ({"To": "+15005550004"}, 400, 21610),
    ({"To": "+15005550009"}, 400, 21614), ({"From": None}, 400, 21603),
    ({"From": "+1"}, 400, 21212), ({"From": "+15005550007"}, 400, 21606),
    ({"From": "+15005550008"}, 429, 21611), ({"Body": None}, 400, 21602),
    ({"Body": "x" * 1601}, 400, 21617), ({"MediaUrl": ["ftp://x"]}, 400, 21620),
    ({"MediaUrl": ["https://x.example/a"] * 11}, 400, 21623),
    ({"From": None, "MessagingServiceSid": "MG1"}, 400, 21705),
    ({"To": "whatsapp:+14155552345"}, 400, 21910),
    ({"ContentVariables": "{}"}, 400, 21656), ({"ValidityPeriod": "0"}, 400, 20001),
    ({"FallbackFrom": "+14155550000"}, 400, 21664),
    ({"auth": None}, 401, 20003), ({"auth": basic(ACCOUNT, "invalid")}, 401, 20003),
    ({"auth": basic("AC" + "f" * 32, "token")}, 401, 20003),
    ({"path": TWILIO_PATH.replace(ACCOUNT, "AC12")}, 404, 20404),
])
def test_twilio_refuses_in_its_own_shape(sandbox, changes, status, code):
    answer = sms(sandbox, **changes)
    assert answer.status == status
    error = answer.json()
    assert error["message"]
    assert (error["code"], error["status"]) == (code, status)
    assert error["more_info"] == f"https://www.twilio.com/docs/errors/{code}"


def test_twilio_reads_forms_strictly(sandbox):
    headers = {"Content-Type": "application/x-www-form-urlencoded",
               "Authorization": basic(ACCOUNT, "token")}
    unescaped = call(sandbox, "POST", TWILIO_PATH, "To=+14155552345&From=12345&Body=x", headers)
    assert unescaped.json()["code"] == 21211, "a plus sign that was not escaped is a space"
    broken = call(sandbox, "POST", TWILIO_PATH, "To=%2B14155552345&From=12345&Body=100%", headers)
    assert broken.json()["code"] == 21604


# --- webhook ---------------------------------------------------------------------------------


def signed(body, ident="msg_1", at=None, key=SECRET_KEY):
    at = str(int(time.time()) if at is None else at)
    mac = hmac.new(key, f"{ident}.{at}.".encode() + body, hashlib.sha256).digest()
    return {"webhook-id": ident, "webhook-timestamp": at,
            "webhook-signature": "v1," + base64.b64encode(mac).decode()}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_webhook_takes_any_method(sandbox, method):
    answer = call(sandbox, method, "/webhook/any/path?x=1", b"payload", {"webhook-id": "msg_1"})
    assert (answer.status, answer.json()) == (200, {"id": "wh-1"})
    (request,) = sandbox.requests("webhook")
    assert (request["method"], request["path"]) == (method, "/webhook/any/path?x=1")
    assert (request["id"], request["body"]) == ("msg_1", "payload")


def test_a_webhook_signature_is_verified_once_there_is_a_secret(sandbox):
    body = b'{"type":"x"}'

    def status(headers):
        return call(sandbox, "POST", "/webhook/in", body, headers).status

    assert status({}) == 200
    sandbox.configure("webhook", secret=SECRET)
    assert status({}) == 400
    assert status(signed(body)) == 200
    assert status(signed(body, key=b"x" * 32)) == 401
    assert status(signed(b"another body")) == 401
    assert status({**signed(body), "webhook-id": "msg_2"}) == 401
    assert status(signed(body, at=int(time.time()) - 400)) == 401
    assert status(signed(body, ident="a.b")) == 400
    rotated = signed(body)
    rotated["webhook-signature"] = "v1,b2xk v1a,xyz " + rotated["webhook-signature"]
    assert status(rotated) == 200


def test_the_specification_s_own_signature_scheme(sandbox):
    """One value computed by hand, so that both sides cannot be wrong together."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed(b'{"test": 2432232314}', "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, key)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_bad_secret_is_refused():
    with pytest.raises(SandboxError, match="24 to 64 bytes"):
        Sandbox(webhook_secret="whsec_c2hvcnQ=").start()
    with Sandbox(webhook_secret=SECRET) as sandbox:
        assert call(sandbox, "POST", "/webhook/x", b"").status == 400
        with pytest.raises(SandboxError, match="secret"):
            sandbox.configure("webhook", secret=7)


# --- faults ----------------------------------------------------------------------------------


def inject(sandbox, **rule):
    sandbox.faults([rule])


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
