"""Answers: what the document of each format prints, success and every error, as a producer gets it.

A documented 401 has no row here: a sender whose credentials are refused lets its messages wait."""
import pytest
from support import TIME, envelope

CHANNEL = {"channel": "slack", "recipient": "C01234567", "message": "Hello."}
EMAIL = {"to": "a@example.com", "subject": "S", "body_text": "T"}
MESSAGING = {"message_data": {"recipient": "a@example.com", "subject": "S", "content": "C"}}
CONVERSATION = {"type": "Email", "contactId": "c1", "emailTo": "a@example.com", "subject": "S",
                "message": "Hello."}
BODIES = {"channel": CHANNEL, "email": EMAIL, "messaging": MESSAGING, "conversation": CONVERSATION}

REFUSED = {"status": 400, "body": "no"}
LIMITED = {"status": 429, "headers": {"Retry-After": "30"}}


def without(body, *names):
    return {k: v for k, v in body.items() if k not in names}


def ask(stand, body, fault=None, **members):
    """The answer to one job. A second's patience: what must wait longer has failed."""
    if fault:
        stand.sandbox.faults([{"action": fault}])
    teams = stand.sender("teams", ["teams"], "teams", credentials={
        "tenant_id": "t1", "app_id": "app1", "app_password": "app-secret"},
        token_endpoint=stand.sandbox.endpoint("teams") + "/oauth2/v2.0/token")
    strict = stand.sender("strict", ["email"], "sendgrid", default=False,
                          credentials={"api_key": "SG.example"})
    stand.start([stand.sender("s", ["email", "slack"], retry={"max_age": "1s"}), teams, strict])
    stand.push(envelope(body, reply_to="r", **members))
    return stand.reply("r")


def as_listed(code, status, field=None):
    """The error of channel and email, whose documents list codes without a shape."""
    def check(answer):
        assert answer["status_code"] == status, answer
        assert answer["error"].pop("message")
        assert answer == {"error": {"code": code} | ({"field": field} if field else {}),
                          "status_code": status}
    return check


def as_detail(*loc):
    def check(answer):
        (detail,) = answer["detail"]
        assert detail["msg"] and isinstance(detail["msg"], str)
        assert answer == {"status_code": 422, "detail": [
            {"loc": ["body", *loc], "msg": detail["msg"], "type": "value_error"}]}
    return check


def as_failed(code, status):
    def check(answer):
        assert (answer["success"], answer["status"]) == (False, "FAILED")
        assert (answer["error_code"], answer["status_code"]) == (code, status), answer
        assert set(answer) == {"success", "message_id", "channel_used", "provider_used", "status",
                               "error_code", "error_message", "failed_at", "status_code"}
    return check


def as_status(status, error):
    def check(answer):
        message = answer.pop("message")
        assert message and isinstance(message, list if status == 422 else str)
        assert answer == {"statusCode": status, "error": error, "status_code": status}
    return check


ERRORS = [
    # channels-send.txt
    ("channel", CHANNEL | {"channel": "fax"}, None, as_listed("validation_error", 400, "channel")),
    ("channel", without(CHANNEL, "recipient"), None,
     as_listed("validation_error", 400, "recipient")),
    ("channel", CHANNEL | {"message": "x" * 4097}, None,
     as_listed("validation_error", 400, "message")),
    ("channel", CHANNEL | {"channel": "telegram", "recipient": "1"}, None,
     as_listed("insufficient_permissions", 403, "sender")),
    ("channel", CHANNEL | {"channel": "teams", "recipient": "29:1abc"}, None,
     as_listed("conversation_required", 404)),
    ("channel", CHANNEL, LIMITED, as_listed("rate_limited", 429)),
    ("channel", CHANNEL, REFUSED, as_listed("provider_error", 502)),
    # email-send.txt
    ("email", without(EMAIL, "to"), None, as_listed("validation_error", 400, "to")),
    ("email", without(EMAIL, "subject"), None, as_listed("validation_error", 400, "subject")),
    ("email", without(EMAIL, "body_text"), None, as_listed("validation_error", 400, "body_html")),
    ("email", EMAIL, LIMITED, as_listed("rate_limited", 429)),
    ("email", EMAIL, REFUSED, as_listed("provider_error", 502)),
    # messaging-send.txt
    ("messaging", {"message_data": without(MESSAGING["message_data"], "content")}, None,
     as_detail("message_data", "content")),
    ("messaging", MESSAGING | {"priority": "5"}, None, as_detail("priority")),
    ("messaging", MESSAGING, REFUSED, as_failed("provider_error", 502)),
    # conversations-messages.txt
    ("conversation", without(CONVERSATION, "type"), None, as_status(422, "Unprocessable Entity")),
    ("conversation", CONVERSATION | {"type": "GMB"}, None, as_status(422, "Unprocessable Entity")),
    ("conversation", without(CONVERSATION, "subject") | {"conversationProviderId": "strict"}, None,
     as_status(400, "Bad Request")),
    ("conversation", without(CONVERSATION, "emailTo"), None, as_status(404, "Not Found")),
    ("conversation", CONVERSATION, REFUSED, as_status(502, "Bad Gateway")),
]


@pytest.mark.parametrize("name, body, fault, check", ERRORS,
                         ids=[f"{n}-{i}" for i, (n, *_) in enumerate(ERRORS)])
def test_documented_errors(stand, name, body, fault, check):
    check(ask(stand, body, fault, format=name))


@pytest.mark.parametrize("name, check", [
    ("channel", as_listed("insufficient_permissions", 403, "sender")),
    ("email", as_listed("insufficient_permissions", 403, "sender")),
    ("messaging", as_failed("insufficient_permissions", 403)),
    ("conversation", as_status(403, "Forbidden"))])
def test_no_such_sender(stand, name, check):
    check(ask(stand, BODIES[name], sender="nobody"))


@pytest.mark.parametrize("name, check", [
    ("channel", as_listed("idempotency_conflict", 409)),
    ("email", as_listed("idempotency_conflict", 409)),
    ("messaging", as_failed("idempotency_conflict", 409)),
    ("conversation", as_status(409, "Conflict"))])
def test_the_same_key_with_another_body(stand, name, check):
    stand.push(envelope(MESSAGING, idempotency_key="k"))
    check(ask(stand, BODIES[name] | ({"priority": "LOW"} if name == "messaging" else {}),
              idempotency_key="k"))


def test_success(stand):
    stand.start([stand.sender("s", ["email", "slack"])])
    answers = {}
    for name, body in BODIES.items():
        (message_id,) = stand.push(envelope(body, reply_to=name))
        answers[name] = stand.reply(name), message_id
    channel, _ = answers["channel"]
    assert TIME.match(channel["data"].pop("sent_at").replace("Z", ".000Z"))
    assert channel == {"data": {"id": "sb-1", "channel": "slack", "status": "sent"}}
    mail, _ = answers["email"]
    assert TIME.match(mail["data"].pop("sent_at").replace("Z", ".000Z"))
    assert mail == {"data": {"id": "sb-2", "thread_id": "sb-2", "provider": "sandbox",
                             "status": "sent"}}
    single, message_id = answers["messaging"]
    assert TIME.match(single.pop("sent_at").replace("Z", ".000Z"))
    assert single == {"success": True, "message_id": message_id, "channel_used": "EMAIL",
                      "provider_used": "sandbox", "provider_message_id": "sb-3", "status": "SENT",
                      "cost": None}
    conversation, message_id = answers["conversation"]
    assert conversation == {"conversationId": "c1", "emailMessageId": "sb-4",
                            "messageId": message_id, "msg": "Message queued successfully.",
                            "status": "delivered"}
