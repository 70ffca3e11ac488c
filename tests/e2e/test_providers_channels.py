"""Phones, chats and social networks: each provider through a real sendqd against the sandbox.

A provider is one row of PROVIDERS: how it is set up, and how it answers in six situations."""
import base64
import dataclasses
import json

import provider_specs
import pytest
from support import envelope, wait_for

QUICK = {"base": "1ms", "max": "20ms", "attempts": 8}
CONTENT = "Hello, this is a message."
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclasses.dataclass
class Answer:
    """A documented refusal. wait is in seconds; code is what the message fails with."""
    status: int
    body: object = ""
    headers: dict = dataclasses.field(default_factory=dict)
    code: str = ""
    wait: float = 0

    def rule(self, dialect, **more):
        action = {"status": self.status, "body": self.body, "headers": self.headers}
        return {"dialect": dialect, "action": action} | more


@dataclasses.dataclass
class Provider:
    name: str
    channel: str
    recipient: str
    credentials: dict
    secret: str  # the credential whose being wrong is refused
    path: str  # of the request that sends, below the endpoint
    message_id: str  # the sandbox's first
    permanent: Answer
    retryable: Answer
    limited: Answer
    garbage: str = "sent"  # or "unknown", where a 200 alone says nothing; or "ours": our own id
    from_address: str = ""
    token_path: str = ""  # where the token is got, for a provider with OAuth
    check: object = None  # against the provider's specification
    arrives: str = ""  # the recipient as it is sent, where that differs
    wrong: str = ""  # the secret's wrong value, where "-invalid" behind it does not do
    dialect: dict = dataclasses.field(default_factory=dict)  # settings of the sandbox's

    def sender(self, stand, **settings):
        sender = stand.sender("s", [self.channel], self.name, credentials=self.credentials,
                              retry=QUICK)
        sender["from"] = {"address": self.from_address} if self.from_address else {}
        if self.token_path:
            sender["token_endpoint"] = sender["endpoint"] + self.token_path
        return sender | settings


    def requests(self, stand, path):
        """The requests below the endpoint that ended so."""
        return [r for r in stand.sandbox.requests(self.name) if r["path"].endswith(path)]


def graph(code, subcode=0):
    return {"error": {"message": f"(#{code}) Why", "type": "OAuthException", "code": code,
                      "error_subcode": subcode, "fbtrace_id": "x"}}


def telnyx(code):
    return {"errors": [{"code": code, "title": "Why", "detail": "In detail"}]}


def slack(error):
    return {"ok": False, "error": error}


def telegram(status, description, **parameters):
    return {"ok": False, "error_code": status, "description": description,
            "parameters": parameters}


def tiktok(code):
    return {"code": code, "message": "Why", "request_id": "1", "data": {}}


def vonage(status):
    return {"message-count": "1", "messages": [{"status": status, "error-text": "Why"}]}


def vonage_problem(code):
    return {"type": f"https://developer.vonage.com/api-errors/messages#{code}", "title": "Why",
            "detail": "In detail", "instance": "x"}


PROVIDERS = [
    Provider(
        "twilio", "sms", "+14155552345",
        {"account_sid": "AC00000000000000000000000000000001", "auth_token": "token"}, "auth_token",
        "/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages.json",
        "SM00000000000000000000000000000001",
        Answer(400, {"code": 21610, "message": "Unsubscribed", "status": 400}, code="suppressed"),
        Answer(503, {"code": 20503, "message": "Unavailable", "status": 503}),
        Answer(429, {"code": 20429, "message": "Too many", "status": 429},
               {"Retry-After": "2"}, wait=2),
        from_address="+15005550006", check=provider_specs.check_twilio),
    Provider(
        "vonage", "sms", "+447700900000", {"api_key": "abcd1234", "api_secret": "secret"},
        "api_secret", "/sms/json", "0A00000000000001",
        Answer(200, vonage("6"), code="recipient_not_found"),
        Answer(200, vonage("5")), Answer(200, vonage("1"), {"Retry-After": "2"}, wait=2),
        garbage="unknown",
        from_address="+447700900001", check=provider_specs.check_vonage, arrives="447700900000"),
    Provider(
        "vonage", "whatsapp", "+447700900000", {"api_key": "abcd1234", "api_secret": "secret"},
        "api_secret", "/v1/messages", "aaaaaaaa-bbbb-cccc-dddd-000000000001",
        Answer(422, vonage_problem(1040), code="recipient_not_found"),
        Answer(500, vonage_problem(1100)),
        Answer(429, vonage_problem(1000), {"Retry-After": "2"}, wait=2),
        from_address="+447700900001", arrives="447700900000"),
    Provider(
        "telnyx", "sms", "+14155550100", {"api_key": "KEY1"}, "api_key", "/v2/messages",
        "40385f64-5717-4562-b3fc-000000000001",
        Answer(422, telnyx("40300"), code="suppressed"), Answer(500, telnyx("10007")),
        Answer(429, telnyx("10011"), {"Retry-After": "2"}, wait=2), from_address="+18445550001"),
    Provider(
        "whatsapp", "whatsapp", "+14155550100",
        {"phone_number_id": "106540352242922", "token": "EAAtoken"}, "token",
        "/v23.0/106540352242922/messages", "wamid.00000000000000000001",
        Answer(400, graph(131047), code="conversation_required"), Answer(400, graph(131016)),
        Answer(400, graph(131056), {"Retry-After": "7"}, wait=7),
        check=provider_specs.check_whatsapp),
    Provider(
        "messenger", "facebook", "1234567890123456", {"page_id": "42", "token": "page-token"},
        "token", "/v23.0/42/messages", "m_0000000000000001",
        Answer(400, graph(10, 2018278), code="conversation_required"), Answer(500, graph(2)),
        Answer(400, graph(613), {"Retry-After": "2"}, wait=2)),
    Provider(
        "instagram", "instagram", "1234567890123456", {"account_id": "43", "token": "ig-token"},
        "token", "/v23.0/43/messages", "m_0000000000000001",
        Answer(400, graph(10, 2534022), code="conversation_required"), Answer(500, graph(-1)),
        Answer(400, graph(4), {"Retry-After": "2"}, wait=2)),
    Provider(
        "slack", "slack", "C01234567", {"token": "xoxb-token"}, "token", "/api/chat.postMessage",
        "1503435956.000001", Answer(200, slack("is_archived"), code="recipient_not_found"),
        Answer(200, slack("internal_error")),
        Answer(429, slack("ratelimited"), {"Retry-After": "2"}, wait=2), garbage="unknown",
        check=provider_specs.check_slack),
    Provider(
        "teams", "teams", "19:abc@thread.tacv2",
        {"tenant_id": "t1", "app_id": "app1", "app_password": "app-secret"}, "app_password",
        "/v3/conversations/19%3Aabc%40thread.tacv2/activities", "1700000000001",
        Answer(403, {"error": {"code": "MessageWritesBlocked", "message": "Why"}},
               code="conversation_required"),
        Answer(412, {"error": {"code": "PreconditionFailed", "message": "Why"}}),
        Answer(429, {"error": {"code": "TooManyRequests", "message": "Why"}},
               {"Retry-After": "2"}, wait=2),
        token_path="/oauth2/v2.0/token", check=provider_specs.check_teams),
    Provider(
        "telegram", "telegram", "123456789", {"token": "123456:ABC-DEF1234"}, "token",
        "/bot123456:ABC-DEF1234/sendMessage", "1",
        Answer(403, telegram(403, "Forbidden: bot was blocked by the user"), code="suppressed"),
        Answer(502, "<html>Bad Gateway</html>"),
        Answer(429, telegram(429, "Too Many Requests: retry after 2", retry_after=2), wait=2),
        check=provider_specs.check_telegram),
    Provider(
        "tiktok", "tiktok", "conv1", {"business_id": "b1", "token": "act.token"}, "token",
        "/open_api/v1.3/business/message/send/", "7500000000000000001",
        Answer(200, tiktok(40064), code="conversation_required"), Answer(200, tiktok(50000)),
        Answer(200, tiktok(40100), {"Retry-After": "2"}, wait=2), garbage="unknown"),
    Provider(
        "webhook", "live_chat", "visitor-1", {"secret": SECRET}, "secret", "", "wh-1",
        Answer(404, {"error": "no such visitor"}, code="provider_error"), Answer(503, "busy"),
        Answer(429, "slowly", {"Retry-After": "2"}, wait=2), garbage="ours",
        wrong="whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", dialect={"secret": SECRET}),
]


@pytest.fixture(params=PROVIDERS, ids=lambda p: f"{p.name}-{p.channel}")
def provider(request, stand):
    settings = request.param.dialect
    if settings:
        stand.sandbox.configure(request.param.name, **settings)
    yield request.param
    if settings:
        stand.sandbox.configure(request.param.name, **dict.fromkeys(settings))


def job(provider, **data):
    message = {"recipient": provider.recipient, "content": CONTENT}
    return envelope({"sender_type": provider.channel, "message_data": message | data})


def sends(stand, provider):
    """The requests that send, in order; not those for a token."""
    tail = "/" + provider.name + provider.path
    return [r for r in stand.sandbox.requests(provider.name) if r["path"] == tail]


def send_one(stand, provider, *rules, **settings):
    """The message's final hash."""
    stand.sandbox.faults([r | {"match": {"path": f"/{provider.name}{provider.path}"}}
                          for r in rules])
    stand.start(senders=[provider.sender(stand, **settings)])
    (message_id,) = stand.push(job(provider))
    return stand.wait_final([message_id])[message_id]


# --- the six cases ---


def test_success(stand, provider):
    m = send_one(stand, provider)
    assert m["status"] == "sent", m
    assert m["provider"] == provider.name
    assert m["provider_message_id"] == provider.message_id
    assert m["attempts"] == "1"
    (request,) = sends(stand, provider)
    assert request["recipient"] == (provider.arrives or provider.recipient)
    assert stand.sandbox.stats(provider.name)["accepted"] == 1


def test_permanent(stand, provider):
    m = send_one(stand, provider, provider.permanent.rule(provider.name))
    assert m["status"] == "failed", m
    assert m["error_code"] == provider.permanent.code
    assert m["attempts"] == "1"
    assert len(sends(stand, provider)) == 1


def test_retryable(stand, provider):
    m = send_one(stand, provider, provider.retryable.rule(provider.name, times=2))
    assert m["status"] == "sent", m
    assert m["attempts"] == "3"
    assert len(sends(stand, provider)) == 3


def test_rate_limited(stand, provider):
    m = send_one(stand, provider, provider.limited.rule(provider.name, times=1))
    assert m["status"] == "sent", m
    assert m["attempts"] == "1"  # to be told to wait is no attempt
    first, second = sends(stand, provider)
    assert second["wall_us"] - first["wall_us"] >= provider.limited.wait * 1_000_000


def test_refused_credentials(stand, provider):
    wrong = provider.wrong or provider.credentials[provider.secret] + "-invalid"
    credentials = provider.credentials | {provider.secret: wrong}
    daemon = stand.start(senders=[provider.sender(stand, credentials=credentials)])
    (message_id,) = stand.push(job(provider))
    state = stand.key("sender", "s")
    wait_for(lambda: stand.redis.hget(state, "state") == "broken",
             lambda: f"{stand.redis.hgetall(state)} {stand.message(message_id)} {stand.logs()}")
    assert stand.status(message_id) in ("queued", "scheduled")
    assert wrong not in daemon.log()
    assert wrong.encode() not in stand.everything()


def test_garbage(stand, provider):
    rule = {"dialect": provider.name, "times": 1, "action": {"kind": "garbage"}}
    m = send_one(stand, provider, rule, uncertain="fail")
    assert len(sends(stand, provider)) == 1
    if provider.garbage == "sent":
        assert m["status"] == "sent", m
        assert not m.get("provider_message_id")
    elif provider.garbage == "ours":
        (request,) = sends(stand, provider)
        assert m["provider_message_id"] == request["headers"]["webhook-id"]
    else:
        assert (m["status"], m["error_code"]) == ("failed", "outcome_unknown"), m


# --- against the providers' own specifications ---


@pytest.mark.parametrize("name", [p.name for p in PROVIDERS if p.check])
def test_request_fits_the_specification(stand, name):
    provider = by_name(name)
    send_one(stand, provider)
    provider.check(sends(stand, provider)[0])


# --- segments ---


@pytest.mark.parametrize("name, text, units", [
    ("twilio", "x" * 160, "1"), ("twilio", "x" * 161, "2"), ("twilio", "\u4f60" * 71, "2"),
    ("vonage", "x" * 161, "2"), ("vonage", "\u4f60" * 70, "1"), ("telnyx", "x" * 10, "1")])
def test_segments_are_recorded(stand, name, text, units):
    provider = by_name(name)
    stand.start(senders=[provider.sender(stand)])
    (message_id,) = stand.push(job(provider, content=text))
    m = stand.wait_final([message_id])[message_id]
    assert (m["status"], m["units"]) == ("sent", units)


def test_segments_are_counted_where_nobody_tells_them(stand):
    provider = by_name("twilio")
    pooled = {"messaging_service_sid": "MG00000000000000000000000000000001"}
    stand.start(senders=[provider.sender(stand, credentials=provider.credentials | pooled)])
    (message_id,) = stand.push(job(provider, content="x" * 320))
    assert stand.wait_final([message_id])[message_id]["units"] == "3"


# --- the access token of teams ---


def test_teams_messages_share_a_token(stand):
    provider = by_name("teams")
    stand.start(senders=[provider.sender(stand)])
    ids = stand.push(*[job(provider) for _ in range(5)])
    assert {m["status"] for m in stand.wait_final(ids).values()} == {"sent"}
    assert len(provider.requests(stand, provider.token_path)) == 1
    assert len(sends(stand, provider)) == 5


def test_teams_renews_a_refused_token_once(stand):
    refused = Answer(401, {"error": {"code": "Unauthorized", "message": "expired"}})
    provider = by_name("teams")
    m = send_one(stand, provider, refused.rule("teams", times=1))
    assert (m["status"], m["attempts"]) == ("sent", "1")
    assert len(provider.requests(stand, provider.token_path)) == 2


def test_teams_waits_for_a_token_endpoint_that_is_down(stand):
    provider = by_name("teams")
    stand.sandbox.faults([{"dialect": "teams", "times": 2, "action": {"status": 503},
                           "match": {"path": "*" + provider.token_path}}])
    stand.start(senders=[provider.sender(stand)])
    (message_id,) = stand.push(job(provider))
    assert stand.wait_final([message_id])[message_id]["status"] == "sent"
    assert len(provider.requests(stand, provider.token_path)) == 3


# --- messages of several steps ---


def by_name(name):
    return next(p for p in PROVIDERS if p.name == name)


def file(name, data):
    return {"filename": name, "content_base64": base64.b64encode(data).decode()}


def channel_job(provider, recipient=None, **more):
    return envelope({"channel": provider.channel, "recipient": recipient or provider.recipient,
                     "message": CONTENT} | more)


def run(stand, provider, job):
    """Sends the job; the message and the requests' paths below the endpoint."""
    stand.start(senders=[provider.sender(stand)])
    (message_id,) = stand.push(job)
    m = stand.wait_final([message_id])[message_id]
    requests = stand.sandbox.requests(provider.name)
    return m, [r["path"].removeprefix("/" + provider.name) for r in requests], requests


@pytest.mark.parametrize("name", ["messenger", "instagram"])
def test_text_and_image_are_two_messages(stand, name):
    provider = by_name(name)
    m, paths, requests = run(stand, provider,
                             job(provider, image_url="https://example.com/promo.jpg"))
    assert m["status"] == "sent", m
    assert paths == [provider.path] * 2
    assert [list(json.loads(r["body"])["message"]) for r in requests] == [["text"], ["attachment"]]
    assert m["provider_message_id"] == provider.message_id  # the text's


def test_slack_opens_a_persons_conversation(stand):
    m, paths, requests = run(stand, by_name("slack"), channel_job(by_name("slack"), "U01234567"))
    assert m["status"] == "sent", m
    assert paths == ["/api/conversations.open", "/api/chat.postMessage"]
    assert json.loads(requests[1]["body"])["channel"] == "D01234567"


def test_slack_uploads_files(stand):
    data = bytes(range(256)) * 100
    m, paths, requests = run(stand, by_name("slack"), channel_job(
        by_name("slack"), attachments=[file("a.bin", data), file("b.txt", b"Hello")]))
    assert m["status"] == "sent", m
    upload = ["/api/files.getUploadURLExternal", "/upload/v1/F{}",
              "/api/files.completeUploadExternal"]
    assert paths == ["/api/chat.postMessage"] + [
        p.format(f"{n:010}") for n in (1, 2) for p in upload]
    assert requests[2]["body"] == data
    assert "authorization" not in requests[2]["headers"]
    assert m["provider_message_id"] == "1503435956.000001"


# What can go wrong with a step after one that delivered something.
MIDWAY = {
    "temporary": {"body": slack("internal_error"), "status": 200},
    "throttled": {"status": 429, "headers": {"Retry-After": "1"}, "body": slack("ratelimited")},
    "credentials": {"status": 200, "body": slack("token_revoked")},
    "lost": {"kind": "reset"},
    "not sent": {"status": 200, "body": {  # nobody listens where the bytes shall go
        "ok": True, "file_id": "F1", "upload_url": "https://127.0.0.1:1/x"}},
}


def break_midway(stand, fault, **settings):
    """A text and a file; the step after the text fails once. The message and its texts sent."""
    provider = by_name("slack")
    stand.sandbox.faults([{"dialect": "slack", "times": 1, "action": MIDWAY[fault],
                           "match": {"path": "*/files.getUploadURLExternal"}}])
    stand.start(senders=[provider.sender(stand, **settings)])
    (message_id,) = stand.push(channel_job(provider, attachments=[file("a.bin", b"abc")]))
    m = stand.wait_final([message_id])[message_id]
    return m, len(provider.requests(stand, provider.path))


@pytest.mark.parametrize("fault", MIDWAY)
def test_a_failure_midway_is_not_repeated_where_that_was_asked(stand, fault):
    m, texts = break_midway(stand, fault, uncertain="fail")
    assert (m["status"], m["error_code"], texts) == ("failed", "outcome_unknown", 1)
    assert stand.redis.hget(stand.key("sender", "s"), "state") == "ok"


@pytest.mark.parametrize("fault", MIDWAY)
def test_a_failure_midway_begins_again_by_default(stand, fault):
    m, texts = break_midway(stand, fault)
    assert (m["status"], m["attempts"], texts) == ("sent", "2", 2)


def test_a_refusal_midway_is_final(stand):
    provider = by_name("messenger")
    stand.sandbox.faults([{"dialect": "messenger", "every": 2, "action": {
        "status": 400, "body": graph(100)}}])
    m, paths, _ = run(stand, provider, job(provider, image_url="https://example.com/promo.jpg"))
    assert (m["status"], m["error_code"]) == ("failed", "validation_error"), m
    assert m["error_message"].startswith("after a part of it was sent: ")
    assert len(paths) == 2


def test_whatsapp_uploads_a_file(stand):
    m, paths, requests = run(stand, by_name("whatsapp"), channel_job(
        by_name("whatsapp"), attachments=[file("a.png", b"\x89PNG\r\n\x1a\n\x00\xff")]))
    assert m["status"] == "sent", m
    assert [p.rpartition("/")[2] for p in paths] == ["media", "messages"]
    assert json.loads(requests[1]["body"])["image"]["caption"] == CONTENT


def test_telegram_sends_an_album_of_files(stand):
    m, paths, requests = run(stand, by_name("telegram"), channel_job(
        by_name("telegram"), attachments=[file("a.txt", b"\r\n--x\r\n"), file("b.txt", b"\x00")]))
    assert m["status"] == "sent", m
    assert [p.rpartition("/")[2] for p in paths] == ["sendMediaGroup"]


def test_telegram_follows_a_group_that_moved(stand):
    m, paths, requests = run(stand, by_name("telegram"), channel_job(by_name("telegram"), "-100"))
    assert m["status"] == "sent", m
    assert [json.loads(r["body"])["chat_id"] for r in requests] == [-100, -100100]


def test_telegrams_token_is_in_no_log(stand):
    provider = by_name("telegram")
    secret = provider.credentials["token"].partition(":")[2]
    sender = provider.sender(stand, endpoint="http://127.0.0.1:1/telegram")  # nobody listens
    daemon = stand.start(senders=[sender | {"retry": QUICK | {"attempts": 2}}])
    (message_id,) = stand.push(channel_job(provider))
    assert stand.wait_final([message_id])[message_id]["status"] == "failed"
    assert secret not in daemon.log()
    assert secret.encode() not in stand.everything()


def test_teams_without_a_conversation_is_not_asked(stand):
    provider = by_name("teams")
    stand.start(senders=[provider.sender(stand)])
    (message_id,) = stand.push(channel_job(provider, "29:1abc") | {"reply_to": "r"})
    answer = stand.reply("r")
    assert answer["status_code"] == 404, answer
    assert stand.message(message_id)["error_code"] == "conversation_required"
    assert stand.sandbox.stats("teams")["accepted"] == 0
