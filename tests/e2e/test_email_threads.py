"""Replies, threads and forwards: by each mail provider's own means, else by the headers."""
import json

import pytest
from mail_server import MailServer
from provider_specs import check_microsoft
from support import new_id
from test_providers_email import (PROVIDERS, by_name, file, graph_paths, mime_of_gmail, send_one,
                                  sends)

PARENT = "<m1@mail.example>"
DRAFT = "/messages/AAMkDRAFT-1%3D"
BY_HEADERS = [p for p in PROVIDERS if p.name not in ("gmail", "microsoft")]


def conversation(**members):
    return {"id": new_id(), "format": "conversation", "body": {
        "type": "Email", "contactId": "c1", "emailTo": "a@example.com", "subject": "Re: Offer",
        "message": "Thanks & <regards>"} | members}


def header_pairs(provider, request):
    """What of a request becomes headers of the mail, as the provider takes them."""
    if provider == "mailgun":
        body = request["body"]
        body = body if isinstance(body, str) else body.decode("latin-1")
        parts = body.split('form-data; name="h:')[1:]
        return {p.split('"')[0]: p.split("\r\n\r\n")[1].split("\r\n")[0] for p in parts}
    body = json.loads(request["body"])
    where = {"sendgrid": lambda: body["headers"], "resend": lambda: body["headers"],
             "postmark": lambda: body["Headers"],
             "ses": lambda: body["Content"]["Simple"]["Headers"]}[provider]()
    return where if isinstance(where, dict) else {h["Name"]: h["Value"] for h in where}


@pytest.mark.parametrize("mode", ["reply", "reply_all"])
@pytest.mark.parametrize("provider", BY_HEADERS, ids=lambda p: p.name)
def test_a_reply_has_its_headers(stand, provider, mode):
    m = send_one(stand, provider, job=conversation(replyMessageId=PARENT, emailReplyMode=mode))
    assert m["status"] == "sent", m
    (request,) = sends(stand, provider)
    headers = header_pairs(provider.name, request)
    assert headers["In-Reply-To"] == headers["References"] == PARENT


def test_a_reply_by_smtp_has_its_headers(stand):
    with MailServer() as server:
        stand.start(senders=[{"id": "s", "provider": "smtp", "channels": ["email"],
                              "default": True, "endpoint": server.endpoint,
                              "options": {"tls": "none"}, "from": {"address": "s@acme.example"}}])
        (i,) = stand.push(conversation(replyMessageId=PARENT, emailReplyMode="reply_all",
                                       emailCc=["c@example.com"]))
        assert stand.wait_final([i])[i]["status"] == "sent"
        (mail,) = server.wait(1)
    assert mail.message["In-Reply-To"] == mail.message["References"] == PARENT
    assert mail.recipients == ["a@example.com", "c@example.com"]


def test_a_reply_by_gmail_to_its_own_id(stand):
    """Its headers are looked up, and it joins the thread."""
    m = send_one(stand, by_name("gmail"), job=conversation(
        replyMessageId="18bbbbbbbbbbbbbb", emailReplyMode="reply_all"))
    assert m["status"] == "sent", m
    lookup, sent = stand.sandbox.requests("gmail")
    assert "/messages/18bbbbbbbbbbbbbb" in lookup["path"]
    mime = mime_of_gmail(sent)
    assert mime["In-Reply-To"] == "<18bbbbbbbbbbbbbb@mail.gmail.com>"
    assert mime["References"].split()[-1] == mime["In-Reply-To"]
    assert json.loads(sent["body"])["threadId"] == m["thread_id"] != ""


@pytest.mark.parametrize("mode, verb", [("reply", "createReply"),
                                        ("reply_all", "createReplyAll")])
def test_a_reply_by_microsoft_quotes_the_original(stand, mode, verb):
    """Graph puts the original below a comment; a body of ours would take its place."""
    m = send_one(stand, by_name("microsoft"), job=conversation(
        replyMessageId="AAMkPARENT=", emailReplyMode=mode, emailCc=["c@example.com"]))
    assert m["status"] == "sent", m
    assert graph_paths(stand) == [f"/messages/AAMkPARENT%3D/{verb}", DRAFT + "/send"]
    body = json.loads(stand.sandbox.requests("microsoft")[0]["body"])
    assert body["comment"] == "Thanks &amp; &lt;regards&gt;" and "body" not in body["message"]
    assert ("toRecipients" in body["message"]) == (mode == "reply")
    assert body["message"]["ccRecipients"] == [{"emailAddress": {"address": "c@example.com"}}]
    assert m["thread_id"] == "AAQkCONVERSATION="


def test_a_reply_by_microsoft_finds_a_message_id(stand):
    m = send_one(stand, by_name("microsoft"), job=conversation(
        replyMessageId=PARENT, emailReplyMode="reply"))
    assert m["status"] == "sent", m
    assert graph_paths(stand) == ["/messages", "/messages/AAMkFOUND%3D/createReply",
                                  DRAFT + "/send"]
    assert "internetMessageId" in stand.sandbox.requests("microsoft")[0]["path"]


def test_a_forward_by_microsoft_holds_the_original(stand):
    m = send_one(stand, by_name("microsoft"), job=conversation(
        message="For you", subject=None, emailTo=None,
        forward={"emailMessageId": "AAMkPARENT=", "toEmail": "f@example.com"}))
    assert m["status"] == "sent", m
    assert graph_paths(stand) == ["/messages/AAMkPARENT%3D/createForward", DRAFT + "/send"]
    body = json.loads(stand.sandbox.requests("microsoft")[0]["body"])
    assert body["comment"] == "For you"
    assert body["message"]["toRecipients"] == [{"emailAddress": {"address": "f@example.com"}}]


@pytest.mark.parametrize("members", [
    {"replyMessageId": "AAMkPARENT=", "emailReplyMode": "reply"},
    {"replyMessageId": "AAMkPARENT=", "emailReplyMode": "reply_all"},
    {"forward": {"emailMessageId": "AAMkPARENT=", "toEmail": "F <f@example.com>"}},
], ids=["reply", "reply_all", "forward"])
def test_microsoft_requests_fit_the_specification(stand, tmp_path, members):
    """Each step that is JSON: the draft, what is attached at once, the upload of what is large."""
    (tmp_path / "small.txt").write_bytes(b"x")
    (tmp_path / "large.bin").write_bytes(b"x" * 4_000_000)
    provider = by_name("microsoft")
    stand.start(senders=[provider.sender(stand)], attachments={"root": str(tmp_path)})
    mail = {"id": new_id(), "format": "email", "body": {
        "to": ["A <a@example.com>"], "cc": ["c@example.com"], "bcc": ["b@example.com"],
        "reply_to": "D <d@acme.example>", "subject": "S", "body_html": "<img src='cid:l'>",
        "thread_id": "AAQkCONV=", "attachments": [
            {"filename": "small.txt", "storage_path": "small.txt", "content_id": "l"},
            {"filename": "large.bin", "storage_path": "large.bin"}]}}
    ids = stand.push(mail, conversation(**members))
    final = stand.wait_final(ids)
    assert {m["status"] for m in final.values()} == {"sent"}, final
    steps = [r for r in stand.sandbox.requests("microsoft") if r["method"] == "POST"
             and not r["path"].endswith("/send")]
    assert len(steps) == 4
    for step in steps:
        check_microsoft(step)


@pytest.mark.parametrize("provider", [p for p in PROVIDERS if p.name != "microsoft"],
                         ids=lambda p: p.name)
def test_a_forward_is_refused_where_the_original_is_not(stand, provider):
    m = send_one(stand, provider, job=conversation(
        forward={"emailMessageId": "AAMkPARENT=", "toEmail": "f@example.com"}))
    assert (m["status"], m["error_code"]) == ("failed", "validation_error")
    assert m["error_message"].startswith("forward")
    assert sends(stand, provider) == []


def test_inline_images(stand):
    """Each API has its own name for a content id."""
    ids = {
        "sendgrid": lambda b: (b["attachments"][0]["content_id"],
                               b["attachments"][0]["disposition"] == "inline"),
        "postmark": lambda b: (b["Attachments"][0]["ContentID"].removeprefix("cid:"), True),
        "ses": lambda b: (b["Content"]["Simple"]["Attachments"][0]["ContentId"], True),
        "resend": lambda b: (b["attachments"][0]["content_id"], True),
    }
    for name, read in ids.items():
        provider = by_name(name)
        daemon = stand.start(senders=[provider.sender(stand)])
        (i,) = stand.push({"id": new_id(), "format": "email", "body": {
            "to": "a@example.com", "subject": "S", "body_text": "T",
            "body_html": '<img src="cid:logo">',
            "attachments": [file("l.png", b"x", mime_type="image/png", content_id="logo")]}})
        assert stand.wait_final([i])[i]["status"] == "sent"
        daemon.stop()
        (request,) = sends(stand, provider)
        assert read(json.loads(request["body"])) == ("logo", True), name
