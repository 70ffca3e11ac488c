"""The API documents' own examples, each by a provider that is natural for it."""
import json

import pytest
from support import ROOT, wait_for

# Providers: credentials, and the address that they send from.
SENDERS = {
    "gmail": ({"client_id": "id", "client_secret": "s", "refresh_token": "r"}, None),
    "instagram": ({"account_id": "43", "token": "ig-token"}, ""),
    "mailgun": ({"api_key": "key-1", "domain": "mg.acme.example"}, None),
    "microsoft": ({"tenant_id": "t1", "client_id": "id", "client_secret": "s",
                   "mailbox": "support@acme.example"}, None),
    "sendgrid": ({"api_key": "SG.example"}, None),
    "slack": ({"token": "xoxb-token"}, ""),
    "telegram": ({"token": "123456:ABC-DEF1234"}, ""),
    "telnyx": ({"api_key": "KEY1"}, "+18445550001"),
    "twilio": ({"account_sid": "AC00000000000000000000000000000001", "auth_token": "token"},
               "+15005550006"),
    "vonage": ({"api_key": "abcd1234", "api_secret": "secret"}, "+447700900001"),
    "webhook": ({}, None),
    "whatsapp": ({"phone_number_id": "106540352242922", "token": "EAAtoken"}, ""),
}
EXAMPLES = [
    ("channel_slack", "slack", "slack"), ("channel_telegram", "telegram", "telegram"),
    ("channel_whatsapp", "whatsapp", "whatsapp"), ("channel_whatsapp", "whatsapp", "vonage"),
    ("email_send", "email", "gmail"), ("email_send", "email", "microsoft"),
    ("messaging_email", "email", "sendgrid"), ("messaging_email", "email", "mailgun"),
    ("messaging_sms", "sms", "twilio"), ("messaging_sms", "sms", "vonage"),
    ("messaging_sms", "sms", "telnyx"), ("messaging_instagram", "instagram", "instagram"),
    # The only ones that take files by URL: those of these two examples are nobody's to fetch here.
    ("conversation_email", "email", "webhook"), ("conversation_2021", "email", "webhook"),
]


def example(name):
    return json.loads((ROOT / "tests/data" / f"{name}.json").read_text())


def text_of(body):
    data = body.get("message_data", body)
    return data.get("content") or data.get("message") or data["body_html"]


def send(stand, body, channel, provider):
    credentials, address = SENDERS[provider]
    name = body.get("sender_identifier") or body.get("conversationProviderId") or "s"
    sender = stand.sender(name, [channel], provider, credentials=credentials)
    if address is not None:
        sender["from"] = {"address": address} if address else {}
    if provider in ("gmail", "microsoft"):
        sender["token_endpoint"] = stand.sandbox.endpoint("oauth") + f"/{provider}/token"
    stand.redis.hset(stand.key("template", "template123"), mapping={"text": "Not used."})
    stand.start([sender])
    stand.push(body)
    (message_id,) = wait_for(stand.messages, lambda: f"{stand.rejected()} {stand.logs()}")
    return stand.wait_final([message_id])[message_id]


@pytest.mark.parametrize("name, channel, provider", EXAMPLES)
def test_an_example_as_it_stands(stand, name, channel, provider):
    body = example(name)
    m = send(stand, body, channel, provider)
    assert (m["status"], m["provider"]) == ("sent", provider), m
    assert m["provider_message_id"]
    requests = stand.sandbox.requests(provider)
    if provider not in ("gmail", "microsoft", "twilio", "vonage"):  # theirs is base64 or a form
        sent = [r["body"] for r in requests]
        said = json.dumps(text_of(body))[1:-1]
        assert any(said in (b if isinstance(b, str) else b.decode()) for b in sent), sent


@pytest.mark.parametrize("provider", ["mailgun", "sendgrid"])
def test_the_conversation_example_by_mail(stand, provider):
    """Without what no test can have: its files, and a mailbox that holds the forwarded mail."""
    body = {k: v for k, v in example("conversation_email").items()
            if k not in ("attachments", "forward")}
    m = send(stand, body, "email", provider)
    assert (m["status"], m["provider"]) == ("sent", provider), m
    assert m["recipient"] == "recipient@company.com"
