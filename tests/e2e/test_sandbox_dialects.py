"""Dialects of the sandbox: each provider's documented answers, and what it refuses."""
import base64
import hashlib
import hmac
import re
import time
import urllib.parse

import pytest
from sandbox_calls import call, post_json, sandbox, shared
from sandbox_client import Sandbox, SandboxError

SECRET_KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(SECRET_KEY).decode()
ACCOUNT = "AC" + "0123456789abcdef" * 2
SERVICE = "MG" + "0123456789abcdef" * 2
TWILIO_PATH = f"/twilio/2010-04-01/Accounts/{ACCOUNT}/Messages.json"


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
