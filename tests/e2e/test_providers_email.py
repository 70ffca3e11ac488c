"""Email: each provider through a real sendqd against the sandbox.

A provider is one row of PROVIDERS: how it is set up, and how it answers in six situations."""
import base64
import dataclasses
import email
import email.policy
import hashlib
import hmac
import json
import os
import subprocess
import time
import urllib.parse

import provider_specs
import pytest
from support import new_id, wait_for

QUICK = {"base": "1ms", "max": "20ms", "attempts": 8}


@dataclasses.dataclass
class Answer:
    """A documented refusal. wait is in seconds; code is what the message fails with."""
    status: int
    body: object = ""
    headers: dict = dataclasses.field(default_factory=dict)
    code: str = "provider_error"
    wait: float = 0

    def rule(self, dialect, path, **more):
        action = {"status": self.status, "body": self.body, "headers": self.headers}
        return {"dialect": dialect, "match": {"path": path}, "action": action} | more


@dataclasses.dataclass
class Provider:
    name: str
    credentials: dict
    secret: str  # the credential whose being wrong is refused
    path: str  # of the request that sends, below the endpoint
    message_id: str  # the sandbox's first; {id} is the message's own
    permanent: Answer
    retryable: Answer
    limited: Answer
    oauth: bool = False
    options: dict = dataclasses.field(default_factory=dict)
    check: object = None  # against the provider's specification

    def sender(self, stand, **settings):
        sender = stand.sender("s", ["email"], self.name, credentials=self.credentials,
                              options=self.options, retry=QUICK)
        if self.oauth:
            sender["token_endpoint"] = stand.sandbox.endpoint("oauth") + f"/{self.name}/token"
        return sender | settings


def google(status, reason, message="Why"):
    return {"error": {"code": status, "message": message,
                      "errors": [{"message": message, "domain": "global", "reason": reason}]}}


def graph(code):
    return {"error": {"code": code, "message": "Why", "innerError": {"request-id": "1"}}}


def retry_at(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + seconds))


PROVIDERS = [
    Provider(
        "sendgrid", {"api_key": "SG.key"}, "api_key", "/v3/mail/send", None,
        Answer(400, {"errors": [{"message": "Why", "field": "subject", "help": None}]}),
        Answer(500, ""), Answer(429, "", {"Retry-After": "1"}, wait=1),
        check=provider_specs.check_sendgrid),
    Provider(
        "mailgun", {"api_key": "key-1", "domain": "mg.acme.example"}, "api_key",
        "/v3/mg.acme.example/messages", "<20211121.1@mg.acme.example>",
        Answer(400, {"message": "to parameter is not a valid address"}), Answer(500, ""),
        Answer(429, {"message": "Rate limit exceeded, try again after 1 seconds"}, wait=1),
        check=provider_specs.check_mailgun),
    Provider(
        "postmark", {"server_token": "server-token"}, "server_token", "/email",
        "b7bc2f4a-e38e-4336-af7d-000000000001",
        Answer(422, {"ErrorCode": 406, "Message": "Inactive"}, code="suppressed"),
        Answer(500, {"ErrorCode": 500, "Message": "Why"}),
        Answer(429, {"ErrorCode": 429, "Message": "Slow"}, {"Retry-After": "1"}, wait=1),
        check=provider_specs.check_postmark),
    Provider(
        "ses", {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "ses-secret",
                "region": "eu-central-1"}, "access_key_id", "/v2/email/outbound-emails",
        "010001872e4c-00000001-000000",
        Answer(400, {"message": "Why"}, {"x-amzn-ErrorType": "MessageRejected"}),
        Answer(503, {"message": "Why"}, {"x-amzn-ErrorType": "ServiceUnavailable"}),
        Answer(400, {"message": "Maximum sending rate exceeded."},
               {"x-amzn-ErrorType": "ThrottlingException:http://x/", "Retry-After": "1"}, wait=1),
        check=provider_specs.check_ses),
    Provider(
        "resend", {"api_key": "re_key"}, "api_key", "/emails",
        "49a3999c-0ce1-4ea6-ab68-000000000001",
        Answer(422, {"statusCode": 422, "name": "validation_error", "message": "Why"}),
        Answer(500, {"statusCode": 500, "name": "application_error", "message": "Why"}),
        Answer(429, {"statusCode": 429, "name": "rate_limit_exceeded", "message": "Why"}, wait=1),
        check=provider_specs.check_resend),
    Provider(
        "gmail", {"client_id": "id", "client_secret": "client-secret", "refresh_token": "refresh"},
        "refresh_token", "/gmail/v1/users/me/messages/send", "18c0000000000001",
        Answer(400, google(400, "invalidArgument")), Answer(503, google(503, "backendError")),
        Answer(403, google(403, "userRateLimitExceeded"), {"Retry-After": "1"}, wait=1),
        oauth=True, check=provider_specs.check_gmail),
    Provider(
        "microsoft", {"tenant_id": "common", "client_id": "id", "client_secret": "client-secret"},
        "client_secret", "/v1.0/users/support%40acme.example/sendMail", "<{id}@acme.example>",
        Answer(400, graph("ErrorInvalidRecipients")), Answer(503, graph("ErrorServerBusy")),
        Answer(429, graph("ApplicationThrottled"), {"Retry-After": "1"}, wait=1), oauth=True),
]


@pytest.fixture(params=PROVIDERS, ids=lambda p: p.name)
def provider(request):
    return request.param


def by_name(name):
    return next(p for p in PROVIDERS if p.name == name)


def file(name, data, **more):
    return {"filename": name, "content_base64": base64.b64encode(data).decode()} | more


def job(**members):
    body = {"to": ["Ann <a@example.com>", "b@example.com"], "subject": "Grüße",
            "body_text": "Hello.", "body_html": "<p>Hello</p>"}
    return {"id": new_id(), "format": "email", "body": body | members}


def sends(stand, provider):
    """The requests that send, in order."""
    tail = f"/{provider.name}{provider.path}"
    return [r for r in stand.sandbox.requests(provider.name) if r["path"] == tail]


def send_one(stand, provider, *rules, job=None, **settings):
    """The message's final hash, and its id in it."""
    stand.sandbox.faults(list(rules))
    stand.start(senders=[provider.sender(stand, **settings)])
    (message_id,) = stand.push(job or globals()["job"]())
    return stand.wait_final([message_id])[message_id]


def path_of(provider):
    return f"/{provider.name}{provider.path}"


# --- the six cases ---


def test_success(stand, provider):
    m = send_one(stand, provider)
    assert m["status"] == "sent", m
    assert m["provider"] == provider.name
    if provider.message_id:
        assert m["provider_message_id"] == provider.message_id.format(id=m["id"])
    else:
        assert m["provider_message_id"]
    (request,) = sends(stand, provider)
    assert request["recipient"] == "a@example.com"
    assert stand.sandbox.ids(provider.name) == {m["id"]: 1}


def test_permanent(stand, provider):
    m = send_one(stand, provider, provider.permanent.rule(provider.name, path_of(provider)))
    assert m["status"] == "failed", m
    assert m["error_code"] == provider.permanent.code
    assert m["attempts"] == "1"
    assert len(sends(stand, provider)) == 1


def test_retryable(stand, provider):
    m = send_one(stand, provider,
                 provider.retryable.rule(provider.name, path_of(provider), times=2))
    assert m["status"] == "sent", m
    assert m["attempts"] == "3"
    assert len(sends(stand, provider)) == 3


def test_rate_limited(stand, provider):
    m = send_one(stand, provider, provider.limited.rule(provider.name, path_of(provider), times=1))
    assert m["status"] == "sent", m
    assert m["attempts"] == "1"  # to be told to wait is no attempt
    first, second = sends(stand, provider)
    assert second["wall_us"] - first["wall_us"] >= provider.limited.wait * 1_000_000


def test_refused_credentials(stand, provider):
    wrong = provider.credentials[provider.secret] + "-invalid"
    daemon = stand.start(senders=[provider.sender(
        stand, credentials=provider.credentials | {provider.secret: wrong})])
    (message_id,) = stand.push(job())
    state = stand.key("sender", "s")
    wait_for(lambda: stand.redis.hget(state, "state") == "broken",
             lambda: f"{stand.redis.hgetall(state)} {stand.message(message_id)} {stand.logs()}")
    assert stand.status(message_id) in ("queued", "scheduled")
    assert stand.sandbox.stats(provider.name)["accepted"] == 0
    assert wrong not in daemon.log()
    assert wrong.encode() not in stand.everything()


def test_garbage(stand, provider):
    rule = {"dialect": provider.name, "times": 1, "match": {"path": path_of(provider)},
            "action": {"kind": "garbage"}}
    m = send_one(stand, provider, rule, uncertain="fail")
    assert len(sends(stand, provider)) == 1
    assert m["status"] == "sent", m


def test_request_fits_the_specification(stand, provider):
    if provider.check is None:
        pytest.skip("a mail as MIME; test_email_threads checks what is JSON")
    m = send_one(stand, provider, job=job(
        cc=["Ö <c@example.com>"], bcc=["hidden@example.com"], reply_to="d@acme.example",
        attachments=[file("ß.pdf", b"%PDF", mime_type="application/pdf")]))
    assert m["status"] == "sent", m
    provider.check(sends(stand, provider)[0])


# --- what only some have ---


def test_ses_signature(stand):
    """Computed anew from what arrived, after the signing guide."""
    provider = by_name("ses")
    send_one(stand, provider)
    (request,) = sends(stand, provider)
    headers, body = request["headers"], request["body"]
    body = body if isinstance(body, bytes) else body.encode()
    fields = dict(f.strip().split("=", 1) for f in
                  headers["authorization"].partition(" ")[2].split(","))
    signed = fields["SignedHeaders"].split(";")
    canonical = "\n".join(["POST", request["path"], "",
                           *[f"{n}:{headers[n]}" for n in signed], "", ";".join(signed),
                           hashlib.sha256(body).hexdigest()])
    scope = fields["Credential"].partition("/")[2]
    to_sign = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope,
                         hashlib.sha256(canonical.encode()).hexdigest()])
    key = b"AWS4ses-secret"
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    assert scope.endswith("/eu-central-1/ses/aws4_request")
    assert hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest() == fields["Signature"]


def test_resend_sends_nothing_twice(stand):
    """The first answer is lost; the repeat is known by its key."""
    provider = by_name("resend")
    rule = {"dialect": "resend", "times": 1, "action": {"kind": "reset", "accept": True}}
    m = send_one(stand, provider, rule, uncertain="fail")
    assert m["status"] == "sent", m
    assert len(sends(stand, provider)) == 2
    assert stand.sandbox.ids("resend") == {m["id"]: 1}
    assert m["provider_message_id"] == provider.message_id


def mime_of_gmail(request):
    return email.message_from_bytes(base64.urlsafe_b64decode(json.loads(request["body"])["raw"]
                                                             + "=="), policy=email.policy.default)


def test_gmail_large_mail_is_uploaded(stand):
    data = os.urandom(6 << 20)
    m = send_one(stand, by_name("gmail"), job=job(attachments=[file("big.bin", data)]))
    assert m["status"] == "sent", m
    (request,) = stand.sandbox.requests("gmail")
    assert "/upload/" in request["path"]
    body = request["body"] if isinstance(request["body"], bytes) else request["body"].encode()
    mime = email.message_from_bytes(body.split(b"message/rfc822\r\n\r\n", 1)[1],
                                    policy=email.policy.default)
    (attachment,) = mime.iter_attachments()
    assert attachment.get_payload(decode=True) == data


def test_gmail_joins_a_thread(stand):
    m = send_one(stand, by_name("gmail"), job=job(thread_id="18aaaaaaaaaaaaaa"))
    assert m["status"] == "sent", m
    assert m["thread_id"] == "18aaaaaaaaaaaaaa"
    lookup, sent = stand.sandbox.requests("gmail")
    assert lookup["method"] == "GET" and "/threads/18aaaaaaaaaaaaaa" in lookup["path"]
    mime = mime_of_gmail(sent)
    assert mime["In-Reply-To"] == "<18aaaaaaaaaaaaaa@mail.gmail.com>"
    assert mime["References"] == "<first@mail.gmail.com> <18aaaaaaaaaaaaaa@mail.gmail.com>"
    assert json.loads(sent["body"])["threadId"] == "18aaaaaaaaaaaaaa"


def graph_paths(stand):
    base = "/microsoft/v1.0/users/support%40acme.example"
    paths = [r["path"].partition("?")[0] for r in stand.sandbox.requests("microsoft")]
    return [p.removeprefix(base) for p in paths]


def test_microsoft_large_attachment_goes_in_pieces(stand):
    data = os.urandom(7_000_000)
    m = send_one(stand, by_name("microsoft"), job=job(
        attachments=[file("small.txt", b"x"), file("big.bin", data)]))
    assert m["status"] == "sent", m
    draft = "/messages/AAMkDRAFT-1%3D"
    paths = graph_paths(stand)
    assert paths[:3] == ["/messages", draft + "/attachments",
                         draft + "/attachments/createUploadSession"]
    assert paths[-1] == draft + "/send"
    pieces = [r for r in stand.sandbox.requests("microsoft") if r["method"] == "PUT"]
    assert b"".join(r["body"] if isinstance(r["body"], bytes) else r["body"].encode()
                    for r in pieces) == data
    assert m["provider_message_id"] == "AAMkDRAFT-1="
    assert m["thread_id"] == "AAQkCONVERSATION="


def test_microsoft_answers_a_conversation(stand):
    m = send_one(stand, by_name("microsoft"), job=job(thread_id="AAQkCONV="))
    assert m["status"] == "sent", m
    assert graph_paths(stand) == ["/messages", "/messages/AAMkFOUND%3D/createReply",
                                  "/messages/AAMkDRAFT-1%3D/send"]


def test_microsoft_conversation_that_is_not_there(stand):
    m = send_one(stand, by_name("microsoft"), job=job(thread_id="unknown"))
    assert m["status"] == "failed"
    assert "no such message or conversation" in m["error_message"]


def test_microsoft_lost_before_the_send_is_no_risk(stand):
    """Making a draft twice sends nothing twice, so even the cautious try again."""
    rule = {"dialect": "microsoft", "times": 1, "match": {"path": "*/messages"},
            "action": {"kind": "reset", "accept": True}}
    m = send_one(stand, by_name("microsoft"), rule, uncertain="fail",
                 options={"drafts": "true"})
    assert m["status"] == "sent", m
    assert stand.sandbox.ids("microsoft") == {m["id"]: 1}


# --- access tokens ---


def tokens(stand):
    return stand.sandbox.requests("oauth")


def test_one_token_for_all(stand):
    provider = by_name("gmail")
    stand.start(senders=[provider.sender(stand)])
    ids = stand.push(*[job() for _ in range(200)])
    final = stand.wait_final(ids)
    assert {m["status"] for m in final.values()} == {"sent"}
    assert len(tokens(stand)) == 1
    assert {r["headers"]["authorization"] for r in sends(stand, provider)} == {
        "Bearer gmail-token-1"}


def test_a_refused_token_is_renewed_once(stand):
    provider = by_name("gmail")
    rule = Answer(401, google(401, "authError")).rule("gmail", path_of(provider), times=1)
    m = send_one(stand, provider, rule)
    assert m["status"] == "sent", m
    assert m["attempts"] == "1"
    assert len(tokens(stand)) == 2


def test_a_token_that_is_refused_again_breaks_the_sender(stand):
    provider = by_name("gmail")
    stand.sandbox.faults([Answer(401, google(401, "authError")).rule("gmail", path_of(provider))])
    stand.start(senders=[provider.sender(stand)])
    stand.push(job())
    wait_for(lambda: stand.redis.hget(stand.key("sender", "s"), "state") == "broken", stand.logs)
    assert len(tokens(stand)) == 2


def test_a_dead_refresh_token_breaks_the_sender_until_it_is_replaced(stand):
    """The messages wait, the operator is told why, and nothing asks again before there is reason."""
    provider = by_name("gmail")
    path = stand.directory / "refresh_token"
    path.write_text("refresh-invalid")
    daemon = stand.start(senders=[provider.sender(stand, credentials=provider.credentials | {
        "refresh_token": f"file:{path}"}), stand.sender("other", ["sms"])])
    ids = stand.push(*[job() for _ in range(20)])
    state = stand.key("sender", "s")
    wait_for(lambda: stand.redis.hget(state, "state") == "broken", stand.logs)
    assert daemon.log_lines("invalid_grant")
    asked = len(tokens(stand))
    ids += stand.push(*[job() for _ in range(5)])
    stand.wait_final(stand.push({"id": new_id(), "format": "messaging", "body": {
        "message_data": {"recipient": "+15550001", "content": "x"}}}))
    assert {stand.status(i) for i in ids} <= {"queued", "scheduled"}
    assert len(tokens(stand)) == asked
    path.write_text("refresh-again")
    daemon.signal(1)
    final = stand.wait_final(ids)
    assert {m["status"] for m in final.values()} == {"sent"}
    assert {m["attempts"] for m in final.values()} == {"1"}
    assert stand.redis.hget(state, "state") == "ok"
    assert "refresh-" not in daemon.log()


def test_a_token_endpoint_that_is_down_is_waited_for(stand):
    provider = by_name("gmail")
    rule = {"dialect": "oauth", "times": 2, "action": {"status": 503}}
    m = send_one(stand, provider, rule, retry={"base": "100ms", "max": "1s", "attempts": 20})
    assert m["status"] == "sent", m


def test_a_rotated_refresh_token_is_kept_in_its_file(stand):
    provider = by_name("microsoft")
    path = stand.directory / "refresh_token"
    path.write_text("rotate-1\n")
    path.chmod(0o600)
    sender = provider.sender(stand, credentials=provider.credentials | {
        "refresh_token": f"file:{path}"})
    for n in range(2, 5):
        daemon = stand.start(senders=[sender])
        (i,) = stand.push(job())
        assert stand.wait_final([i])[i]["status"] == "sent"
        assert path.read_text() == f"rotate-{n}\n"
        assert path.stat().st_mode & 0o777 == 0o600
        assert "rotate-" not in daemon.log()
        daemon.stop()
    assert [p.name for p in stand.directory.glob("refresh_token*")] == ["refresh_token"]


def test_a_rotated_refresh_token_without_file_is_warned_of(stand):
    provider = by_name("microsoft")
    daemon = stand.start(senders=[provider.sender(
        stand, credentials=provider.credentials | {"refresh_token": "env:TOKEN"})],
        env={"TOKEN": "rotate-1"})
    (i,) = stand.push(job())
    assert stand.wait_final([i])[i]["status"] == "sent"
    assert daemon.log_lines("level=warn", "only in memory")


def test_service_account(stand):
    jwt = pytest.importorskip("jwt")
    key = str(stand.directory / "key.pem")
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    public = subprocess.run(["openssl", "rsa", "-in", key, "-pubout"], check=True,
                            capture_output=True).stdout
    account = stand.directory / "account.json"
    account.write_text(json.dumps({"client_email": "robot@acme.iam.example", "private_key_id": "k1",
                                   "private_key": open(key).read()}))
    account.chmod(0o600)
    provider = by_name("gmail")
    m = send_one(stand, provider, credentials={"service_account": f"file:{account}"})
    assert m["status"] == "sent", m
    (request,) = tokens(stand)
    form = dict(urllib.parse.parse_qsl(request["body"]))
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert jwt.get_unverified_header(form["assertion"]) == {"alg": "RS256", "typ": "JWT",
                                                           "kid": "k1"}
    claims = jwt.decode(form["assertion"], public, algorithms=["RS256"],
                        audience="https://oauth2.googleapis.com/token")
    assert claims["iss"] == "robot@acme.iam.example"
    assert claims["sub"] == "support@acme.example"
    assert claims["scope"] == "https://www.googleapis.com/auth/gmail.send"
    assert claims["exp"] - claims["iat"] == 3600
